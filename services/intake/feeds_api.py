"""Routes of the feeds: platforms' own payloads, mappings, uploads, quarantine, reconciliation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import Field, StringConstraints

from services.intake.api import Api, Body, answered, body_of, only_known, parsed
from services.intake.complaint import Line, Part, Problem, Refused
from services.intake.decider import Refusal
from services.intake.desk import Refusing
from services.intake.mapping import Mapping
from services.intake.openapi import answers, body_schema, describe
from services.intake.privacy import Caller
from services.intake.problem import Answer
from services.intake.quarantine import sees_all
from services.intake.sheets import MAX_FILE
from services.intake.written import Misread, instant
from shared.calendar import civil
from shared.events import instant_text
from shared.keys import Key

_MOST: Final = 200
_MOST_DAYS: Final = 366
STATES: Final = ("waiting", "returned", "resent", "discarded")

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class WhyBody(Part):
    """Why somebody looks, or why a line is no complaint."""

    reason: Reason
    person: Line | None = None


class ResendBody(Part):
    """A corrected line. `form`: of `payload`, default that of the item."""

    payload: Annotated[dict[str, Any], Field(min_length=1)]
    form: Literal["complaint", "payload", "row"] | None = None
    person: Line | None = None


Given = TypeVar("Given")


@dataclass(frozen=True)
class Form(Generic[Given]):
    """How a query parameter is written: what reads it, and what is wanted where it cannot."""

    read: Callable[[str], Given]
    wanted: str


def _query(request: Request, name: str, form: Form[Given]) -> Given | None:
    """A query parameter; None if it is not given. Raises Refused with its name and its form."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return form.read(text.strip())
    except (ValueError, OverflowError):
        raise Refused([Problem(f"/{name}", "malformed", f"wanted: {form.wanted}")]) from None


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(text)
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise ValueError(text)
    return text


def _number(text: str) -> int:
    if not 1 <= int(text) <= _MOST:
        raise ValueError(text)
    return int(text)


def _instant(text: str) -> datetime:
    # A `+` of an offset arrives as a blank where a client did not escape it.
    try:
        found = datetime.fromisoformat(instant(text.replace(" ", "+", 1) if "T" in text else text))
    except Misread as error:
        raise ValueError(text) from error
    if not 1900 < found.year < 2999:
        raise ValueError(text)  # The ends of the years have no civil day.
    return found


_TEXT: Final = Form(_text, "1 to 200 printable characters")
_STATE: Final = Form(_state, f"one of {', '.join(STATES)}")
_NUMBER: Final = Form(_number, f"a number from 1 to {_MOST}")
_DAY: Final = Form(date.fromisoformat, "a day as YYYY-MM-DD")
_INSTANT: Final = Form(_instant, "an instant as YYYY-MM-DDThh:mm:ss+08:00")


class FeedsApi:
    """The routes over a running Intake's feeds."""

    def __init__(self, api: Api) -> None:
        self.api = api

    @property
    def feeds(self) -> Any:
        return self.api.intake.feeds

    def _source(self, key: Key, source: str, *, also_office: bool = False) -> str:
        """A source of the book that the key may post. Raises Refusing (404, 403)."""
        if source not in self.api.intake.governance.books.latest.content.organisation.sources:
            raise Refusing(Refusal(404, "UNKNOWN_SOURCE", "no source of the policy in force"))
        if not key.may_post(source) and not (also_office and sees_all(key)):
            raise Refusing(Refusal(403, "NOT_YOUR_SOURCE", "the key may not post this source"))
        return source

    def _body(self, request: Request, raw: bytes, model: type[Body]) -> tuple[Body, Caller]:
        key = self.api.caller(request)
        body = parsed(model, raw)
        return body, Caller(key, getattr(body, "person", None) or key.name)

    # --- platforms' own payloads ------------------------------------------------------------------

    async def payload(self, request: Request, source: str) -> Response:
        """Receive one line in the platform's own shape (its adapter reads it)."""
        key = self.api.caller(request)
        self._source(key, source)
        return answered(await self.feeds.payload(source, await body_of(request), key))

    # --- spreadsheets -----------------------------------------------------------------------------

    async def mapping(self, request: Request, source: str) -> Response:
        """The column mapping in force, who set it and when."""
        self._source(self.api.caller(request), source, also_office=True)
        shown, _ = await self.feeds.uploads.mapping(source)
        return _answer(shown)

    async def set_mapping(self, request: Request, source: str) -> Response:
        """Put a column mapping into force: a new version, unless it says the same."""
        key = self.api.caller(request)
        self._source(key, source, also_office=True)
        person = _query(request, "person", _TEXT)
        caller = Caller(key, person or key.name)
        version = await self.feeds.uploads.set_mapping(source, await body_of(request), caller)
        return _answer({"source": source, "version": version})

    async def upload(self, request: Request) -> Response:
        """A dry run of a CSV or XLSX file; with its `confirm`, receive the rows."""
        key = self.api.caller(request)
        source = _query(request, "source", _TEXT)
        if source is None:
            raise Refused([Problem("/source", "missing", "the query says whose file it is")])
        self._source(key, source)
        confirm = _query(request, "confirm", _TEXT)
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            detail = "a form would be read as a table; send the file itself as the body"
            raise Answer(415, "A_FORM", detail, headers={"accept-post": ", ".join(_TABLES)})
        content = await body_of(request, MAX_FILE)
        return _answer(await self.feeds.uploads.receive(source, content, key, confirm))

    async def receipts(self, request: Request, upload_id: str) -> Response:
        """The receipts of an upload again."""
        return _answer(await self.feeds.uploads.upload(upload_id, self.api.caller(request)))

    # --- quarantine -------------------------------------------------------------------------------

    async def quarantine(self, request: Request) -> Response:
        """Refused lines, oldest first, without what they say of persons."""
        key = self.api.caller(request)
        if not sees_all(key) and key.role not in ("clerk", "platform"):
            raise Answer(403, "NOT_ENTITLED", f"role {key.role} does not correct refused lines")
        limit = _query(request, "limit", _NUMBER) or _MOST
        items = await self.feeds.quarantine.listing(
            key,
            _query(request, "source", _TEXT),
            _query(request, "state", _STATE),
            _query(request, "case_id", _TEXT),
            _query(request, "after", _TEXT),
            limit,
        )
        after = items[-1]["id"] if len(items) == limit else None
        return _answer({"items": items, "next": after})

    async def reveal(self, request: Request, item_id: str) -> Response:
        """What was sent, in clear, to those entitled, on record."""
        body, caller = self._body(request, await body_of(request), WhyBody)
        return _answer(await self.feeds.reveal(item_id, body.reason, caller))

    async def discard(self, request: Request, item_id: str) -> Response:
        """Close an item that is no complaint, with the reason."""
        body, caller = self._body(request, await body_of(request), WhyBody)
        await self.feeds.discard(item_id, body.reason, caller)
        return _answer({"id": item_id, "state": "discarded"})

    async def resend(self, request: Request, item_id: str) -> Response:
        """Receive a corrected line; the item is closed and linked to its case."""
        body, caller = self._body(request, await body_of(request), ResendBody)
        receipt = await self.feeds.resend(item_id, body.payload, body.form, caller)
        found = {"id": item_id, "state": "resent", "status": receipt.status}
        return _answer(found | {"case_id": receipt.case_id, "event_id": receipt.event_id}, 202)

    # --- reconciliation ---------------------------------------------------------------------------

    async def reconciliation(self, request: Request) -> Response:
        """I-02 per source and civil day: received is the sum of the other columns."""
        source = self._reads(request)
        now = self.api.intake.governance.clock.now()
        as_of = min(_query(request, "as_of", _INSTANT) or now, now)
        last = _query(request, "to", _DAY) or civil(as_of)
        first = _query(request, "from", _DAY) or last
        if not timedelta(0) <= last - first <= timedelta(days=_MOST_DAYS):
            detail = f"not later than `to`, at most {_MOST_DAYS} days before it"
            raise Refused([Problem("/from", "out_of_range", detail)])
        _within(first, "from")
        _within(last, "to")
        await self.feeds.arrivals.catch_up()
        items = await self.feeds.arrivals.reconciliation(first, last, source, as_of)
        missing = await self.feeds.arrivals.missing()
        return _answer({"items": items, "missing": missing, "meta": {"as_of": instant_text(as_of)}})

    async def scorecards(self, request: Request) -> Response:
        """Rate, rejects, duplicates and delay of each source on a civil day."""
        source = self._reads(request)
        now = self.api.intake.governance.clock.now()
        day = _query(request, "day", _DAY) or civil(now)
        _within(day, "day")
        await self.feeds.arrivals.catch_up()
        cards = await self.feeds.arrivals.scorecards(day)
        items = [card for card in cards if source in (None, card["source"])]
        return _answer({"items": items, "meta": {"day": day, "as_of": instant_text(now)}})

    def _reads(self, request: Request) -> str | None:
        """Whose figures: a platform sees only its own source's. Raises Answer (403)."""
        key = self.api.caller(request)
        source = _query(request, "source", _TEXT)
        if key.role != "platform" or key.may_post("*"):
            return source
        if source is None and len(key.sources) == 1:
            return key.sources[0]
        if source is None or not key.may_post(source):
            raise Answer(403, "NOT_YOUR_SOURCE", "a platform reads the figures of its own source")
        return source


def _within(day: date, name: str) -> None:
    if not 2000 <= day.year <= 2999:
        raise Refused([Problem(f"/{name}", "out_of_range", "a year from 2000 to 2999 is wanted")])


def _answer(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _parameters(*required: str, **named: dict[str, Any]) -> dict[str, Any]:
    """Query parameters for OpenAPI by name (`from_` is `from`)."""
    return {
        "parameters": [
            {
                "name": name.rstrip("_"),
                "in": "query",
                "required": name in required,
                "schema": schema,
            }
            for name, schema in named.items()
        ]
    }


_STRING: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_DATE: Final = {"type": "string", "format": "date"}
_TABLES: Final = {
    "text/csv": {"schema": {"type": "string"}},
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
        "schema": {"type": "string", "format": "binary"}
    },
}
_TABLE: Final = {"requestBody": {"required": True, "content": _TABLES}}


def install(app: FastAPI, api: Api) -> None:
    """Add the routes to intake's app."""
    own = FeedsApi(api)
    routes = APIRouter(tags=["feeds"])

    def add(method: str, path: str, endpoint: Any, extra: dict[str, Any], *statuses: int) -> None:
        status = 202 if endpoint in (own.payload, own.resend) else 200
        routes.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            # What platforms add to the address at which they call us is their affair.
            dependencies=[Depends(only_known)]
            if method != "POST" or endpoint == own.upload
            else [],
            openapi_extra=extra,
            responses=answers(401, 503, *statuses),
        )

    whole = {"requestBody": {"required": True, "content": {"application/json": {
        "schema": {"type": "object"}}}}}  # fmt: skip
    add("POST", "/v1/feeds/{source}", own.payload, whole, 403, 404, 409, 413, 422)
    mapping = "/v1/uploads/mappings/{source}"
    add("GET", mapping, own.mapping, {}, 403, 404, 422)
    setting = body_schema(Mapping) | _parameters(person=_STRING)
    add("PUT", mapping, own.set_mapping, setting, 403, 404, 413, 422)
    asked = _parameters("source", source=_STRING, confirm=_STRING)
    add("POST", "/v1/uploads", own.upload, _TABLE | asked, 403, 404, 409, 413, 422)
    add("GET", "/v1/uploads/{upload_id}", own.receipts, {}, 404, 422)
    listing = _parameters(
        source=_STRING,
        state={"type": "string", "enum": list(STATES)},
        case_id=_STRING,
        after=_STRING,
        limit={"type": "integer", "minimum": 1, "maximum": _MOST},
    )
    add("GET", "/v1/quarantine", own.quarantine, listing, 403, 422)
    item = (403, 404, 409, 413, 422)
    add("POST", "/v1/quarantine/{item_id}/reveal", own.reveal, body_schema(WhyBody), *item)
    add("POST", "/v1/quarantine/{item_id}/discard", own.discard, body_schema(WhyBody), *item)
    add("POST", "/v1/quarantine/{item_id}/resend", own.resend, body_schema(ResendBody), *item)
    days = _parameters(
        source=_STRING, from_=_DATE, to=_DATE, as_of={"type": "string", "format": "date-time"}
    )
    add("GET", "/v1/reconciliation", own.reconciliation, days, 403, 422)
    day = _parameters(source=_STRING, day=_DATE)
    add("GET", "/v1/scorecards", own.scorecards, day, 403, 422)
    app.include_router(routes)
    describe(app, (Mapping,))
