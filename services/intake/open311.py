"""Open311 GeoReport v2 (https://wiki.open311.org/GeoReport_v2) under `/open311/v2`, JSON and XML.

What is shown of a request is its status and who has it, never what it says or of whom (domain 7,
I-15): an id that was handed out is enough for that, a list by time needs the api_key and is of its
own source. Only requests that came in here are shown. `jurisdiction_id` is the county's division
code and may be left out. Errors are GeoReport's own: a list of code and description.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from services.intake.adapters.open311 import ATTRIBUTES, REF_PREFIX, SERVICES
from services.intake.api import Api, body_of
from services.intake.decider import CaseFile
from services.intake.problem import Answer, answer_of
from services.intake.quarantine import own_source
from services.intake.written import Misread, instant
from shared.events import instant_text
from shared.journal import journal
from shared.keys import Key

log = journal("intake.open311")

Format = Literal["json", "xml"]
_ROOT: Final = "/open311/v2"
_MOST_FIELDS: Final = 200
_MOST_REQUESTS: Final = 200
_SPAN: Final = timedelta(days=90)
_ENDED: Final = frozenset(("CLOSED", "WRITTEN_OFF", "NOT_ACCEPTED", "TRANSFERRED_OUT"))
_NOTES: Final = {
    "RECEIVED": "已接收", "SUPPLEMENTING": "待补正", "ACCEPTED": "已受理", "TRIAGE": "研判中",
    "ASSIGNED": "已交办", "RETURN_REVIEW": "办理中", "HANDLING": "办理中", "SUSPENDED": "办理中",
    "CLOSURE_REVIEW": "审核中", "FOLLOW_UP": "回访中", "CLOSED": "已办结", "WRITTEN_OFF": "已办结",
    "NOT_ACCEPTED": "不予受理", "TRANSFERRED_OUT": "已移送", "MERGED": "已并案办理",
    "NONE": "已接收",
}  # fmt: skip

Given = dict[str, str]


class Open311:
    """The endpoint over a running Intake."""

    def __init__(self, api: Api) -> None:
        self.api = api

    # --- services ---------------------------------------------------------------------------------

    async def services(self, request: Request, format: Format) -> Response:
        """What may be reported here."""
        self._jurisdiction(dict(request.query_params))
        items = [
            {
                "service_code": code,
                "service_name": name,
                "description": description,
                "metadata": True,
                "type": "realtime",
                "keywords": "欠薪,工资",
                "group": "欠薪治理",
            }
            for code, (name, description, _) in SERVICES.items()
        ]
        return _rendered(items, format, "services", "service")

    async def definition(self, request: Request, format: Format, code: str) -> Response:
        """What else may be said with a service."""
        self._jurisdiction(dict(request.query_params))
        if code not in SERVICES:
            raise Answer(404, "UNKNOWN_SERVICE", "service_code was not found")
        attributes = [
            {
                "variable": True,
                "code": name,
                "datatype": datatype,
                "required": False,
                "datatype_description": "",
                "order": order,
                "description": description,
            }
            for order, (name, (datatype, description)) in enumerate(ATTRIBUTES.items(), 1)
        ]
        found = {"service_code": code, "attributes": attributes}
        if format == "json":
            return _json(found)
        root = ElementTree.Element("service_definition")
        _add(root, "service_code", code)
        within = ElementTree.SubElement(root, "attributes")
        for item in attributes:
            _element(within, "attribute", item)
        return _xml(root)

    # --- requests ---------------------------------------------------------------------------------

    async def post(self, request: Request, format: Format) -> Response:
        """Receive a request; the same form again answers with the same id."""
        form = _form(await body_of(request))
        key = self._key(form.get("api_key"), request)
        self._jurisdiction(form)
        source = own_source(key)
        if source is None:
            raise Answer(403, "NO_SOURCE", "the api_key must be of exactly one source")
        receipt = await self.api.intake.feeds.open311(form, source, key)
        if receipt.status == "rejected":
            raise Answer(400, "MALFORMED", "the request was refused", receipt.problems)
        row = {
            "service_request_id": receipt.case_id,
            "service_notice": "请保存编号以便查询办理状态",
            "account_id": None,
        }
        return _rendered([row], format, "service_requests", "request")

    async def requests(self, request: Request, format: Format) -> Response:
        """Status of requests: of given ids, or with an api_key of its source in a span of time."""
        query = dict(request.query_params)
        self._jurisdiction(query)
        self._ready()
        now = self.api.intake.governance.clock.now()
        ids = _list(query.get("service_request_id"))
        source = None
        if not ids:
            source = own_source(self._key(query.get("api_key"), request))
            if source is None:
                raise Answer(403, "NO_SOURCE", "the api_key must be of exactly one source")
        last = _instant(query, "end_date") or now
        first = _instant(query, "start_date") or last - _SPAN
        if last - first > _SPAN:
            raise Answer(400, "MALFORMED", "start_date and end_date span at most 90 days")
        codes, states = _list(query.get("service_code")), _list(query.get("status"))
        if not set(states) <= {"open", "closed"}:
            raise Answer(400, "MALFORMED", "status is open or closed")
        if not set(codes) <= SERVICES.keys():
            raise Answer(404, "UNKNOWN_SERVICE", "service_code was not found")
        rows = await self._rows(ids or None, source, first, last)
        if not ids:
            rows = [row for row in rows if not codes or row["service_code"] in codes]
            rows = [row for row in rows if not states or row["status"] in states]
        return _rendered(rows, format, "service_requests", "request")

    async def one(self, request: Request, format: Format, id: str) -> Response:
        """Status of one request."""
        self._jurisdiction(dict(request.query_params))
        self._ready()
        now = self.api.intake.governance.clock.now()
        rows = await self._rows([id], None, now, now)
        if not rows:
            raise Answer(404, "UNKNOWN_REQUEST", "service_request_id was not found")
        return _rendered(rows, format, "service_requests", "request")

    async def _rows(
        self, ids: Sequence[str] | None, source: str | None, first: datetime, last: datetime
    ) -> list[dict[str, Any]]:
        intake = self.api.intake
        await intake.feeds.arrivals.catch_up()
        if ids is not None:
            if len(ids) > _MOST_REQUESTS or any(len(id) > 100 for id in ids):
                detail = f"service_request_id names at most {_MOST_REQUESTS} requests"
                raise Answer(400, "MALFORMED", detail)
            ids = [id for id in ids if id.isprintable()]
        found = await intake.feeds.arrivals.requests(
            ids, source, REF_PREFIX, first, last, _MOST_REQUESTS
        )
        async with intake.pool.acquire() as connection:
            return [
                self._row(item, (await intake.view.read(connection, item["case_id"])).file)
                for item in found
            ]

    def _row(self, item: dict[str, Any], file: CaseFile) -> dict[str, Any]:
        """Status and who has it. Nothing of what was said, of whom or where (domain 7)."""
        code = next((c for c, of in SERVICES.items() if of[2] == item["kind"]), "wage-arrears")
        return {
            "service_request_id": item["case_id"],
            "status": "closed" if file.state in _ENDED else "open",
            "status_notes": _NOTES[file.state],
            "service_name": SERVICES[code][0],
            "service_code": code,
            "description": None,
            "agency_responsible": self._agency(file),
            "service_notice": None,
            "requested_datetime": _w3(item["received_at"]),
            "updated_datetime": _w3(item["updated_at"]),
            "expected_datetime": None,
            "address": None,
            "address_id": None,
            "zipcode": None,
            "lat": None,
            "long": None,
            "media_url": None,
        }

    def _agency(self, file: CaseFile) -> str | None:
        policy = self.api.intake.governance.books.latest
        force = policy.task_forces.get(file.task_force or "")
        return force.name if force is not None else file.department

    # --- who and where ----------------------------------------------------------------------------

    def _key(self, api_key: str | None, request: Request) -> Key:
        """The caller by `api_key`, as GeoReport has it, or by a bearer key."""
        header = f"Bearer {api_key}" if api_key else request.headers.get("authorization")
        key = self.api.intake.keys.of(header)
        if key is None:
            raise Answer(403, "NO_KEY", "api_key is missing or not known")
        self._ready()
        return key

    def _ready(self) -> None:
        if not self.api.intake.ready:
            raise Answer(503, "STARTING", "the log is being folded", headers={"retry-after": "1"})

    def _jurisdiction(self, given: Given) -> None:
        asked = given.get("jurisdiction_id")
        if asked is None or not self.api.intake.ready:
            return
        policy = self.api.intake.governance.books.latest
        if asked not in {code[:6] for code in policy.townships}:
            raise Answer(404, "UNKNOWN_JURISDICTION", "jurisdiction_id was not found")


def _form(raw: bytes) -> Given:
    """A urlencoded form. Raises Answer (400) for what is none."""
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise Answer(400, "MALFORMED", "an application/x-www-form-urlencoded body") from None
    found: Given = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise Answer(400, "MALFORMED", "a field stands twice with different values")
        found[name] = value
    return found


def _list(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _instant(query: Given, name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        # A `+` of an offset arrives as a blank where a client did not escape it.
        found = datetime.fromisoformat(instant(text.replace(" ", "+", 1)))
    except (Misread, ValueError, OverflowError):
        raise Answer(400, "MALFORMED", f"{name} is no W3C date and time") from None
    if not 1900 < found.year < 2999:
        raise Answer(400, "MALFORMED", f"{name} is out of range")
    return found


def _w3(at: datetime) -> str:
    return instant_text(at.astimezone(UTC).replace(microsecond=0))


# --- answers --------------------------------------------------------------------------------------


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json; charset=utf-8")


def _xml(root: ElementTree.Element, status: int = 200) -> Response:
    body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(body, status, media_type="text/xml; charset=utf-8")


def _rendered(
    items: Sequence[dict[str, Any]], format: Format, root: str, each: str, status: int = 200
) -> Response:
    if format == "json":
        return _json(items, status)
    whole = ElementTree.Element(root)
    for item in items:
        _element(whole, each, item)
    return _xml(whole, status)


def _element(parent: ElementTree.Element, name: str, item: dict[str, Any]) -> None:
    element = ElementTree.SubElement(parent, name)
    for key, value in item.items():
        _add(element, key, value)


def _add(parent: ElementTree.Element, name: str, value: Any) -> None:
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    ElementTree.SubElement(parent, name).text = "".join(c for c in text if c.isprintable())


def _failed(answer: Answer, format: Format) -> Response:
    """GeoReport's errors: one for each place where there are places."""
    places = [f"{item.pointer}: {item.detail}".lstrip(":/ ") for item in answer.problems]
    errors = [{"code": answer.status, "description": text} for text in (places or [answer.detail])]
    response = _rendered(errors, format, "errors", "error", answer.status)
    response.headers.update(answer.headers)
    return response


_ERRORS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "description": {"type": "string"}},
    },
}
_MEANINGS: Final = {
    400: "malformed; each error says where",
    403: "api_key missing, not known, or not of one source",
    404: "jurisdiction_id, service_code or service_request_id was not found",
    413: "longer than is read",
    415: "a coded body (Content-Encoding); it is read only as it is",
    503: "not acknowledged; Retry-After says when to send again",
}


def _answers(format: Format, *statuses: int) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {"application/json": {"schema": _ERRORS}}
    if format == "xml":
        content = {"text/xml": {"schema": {"type": "string"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["service_code", "description"],
                    "properties": {
                        name: {"type": "string", "maxLength": 2000}
                        for name in ("api_key", "service_code", "description", "address_string",
                                     "first_name", "last_name", "phone", "email",
                                     *(f"attribute[{code}]" for code in ATTRIBUTES))
                    },
                }
            }
        },
    }
}  # fmt: skip


def install(app: FastAPI, api: Api) -> None:
    """Add the routes to intake's app, each in both formats."""
    own = Open311(api)
    routes = APIRouter(tags=["open311"])
    query = {
        name: {"name": name, "in": "query", "schema": {"type": "string", "maxLength": 100}}
        for name in ("jurisdiction_id", "service_request_id", "service_code", "start_date",
                     "end_date", "status", "api_key")
    }  # fmt: skip
    place = {"parameters": [query["jurisdiction_id"]]}

    def both(method: str, path: str, endpoint: Any, extra: dict[str, Any], *statuses: int) -> None:
        formats: tuple[Format, ...] = ("json", "xml")
        for format in formats:
            routes.add_api_route(
                f"{_ROOT}{path}.{format}",
                _endpoint(endpoint, format, "{id}" in path),
                methods=[method],
                name=f"{endpoint.__name__}_{format}",
                description=endpoint.__doc__,
                openapi_extra=extra | {"security": []},
                responses=_answers(format, *statuses, 503),
                response_class=_XmlResponse if format == "xml" else Response,
            )

    both("GET", "/services", own.services, place, 404)
    both("GET", "/services/{id}", own.definition, place, 404)
    both("POST", "/requests", own.post, _FORM, 400, 403, 404, 413, 415)
    both("GET", "/requests", own.requests, {"parameters": list(query.values())}, 400, 403, 404)
    both("GET", "/requests/{id}", own.one, place, 404)
    app.include_router(routes)


class _XmlResponse(Response):
    media_type = "text/xml"


Endpoint = Callable[..., Awaitable[Response]]


def _endpoint(endpoint: Endpoint, format: Format, has_id: bool) -> Endpoint:
    """One route in one format, with GeoReport's errors for whatever goes wrong."""

    async def answer(request: Request, *more: str) -> Response:
        try:
            return await endpoint(request, format, *more)
        except Exception as error:
            found = answer_of(error)
            if found.status == 500:
                log.error("failed", exc_info=error)
            return _failed(found, format)

    async def plain(request: Request) -> Response:
        return await answer(request)

    async def named(request: Request, id: str) -> Response:
        return await answer(request, id)

    return named if has_id else plain
