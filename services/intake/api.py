"""Intake's HTTP API (contract 2), port 8101."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import Field, StringConstraints, ValidationError
from starlette.routing import Route

from services.intake import batch, catalogue
from services.intake.complaint import (
    Complaint,
    Line,
    Part,
    Problem,
    Refused,
    pointer,
    problems_of,
    slips,
)
from services.intake.desk import Report
from services.intake.given import MAX_BYTES
from services.intake.openapi import IDEMPOTENCY, answers, body_schema, describe
from services.intake.personal import refuse_numbers_of_persons
from services.intake.preparing import Receipt
from services.intake.privacy import MAX_EXPORT, Caller
from services.intake.problem import Answer, install
from services.intake.query import MOST
from services.intake.service import Intake
from services.intake.stream import Exchange
from shared.events import TYPES, Instant
from shared.health import observe, router
from shared.journal import journal
from shared.keys import Key
from shared.problem import unknown_parameters
from shared.roles import ROLES, By
from shared.streams import CITY, GOVERNANCE, kind_of, unit_subject

log = journal("intake.api")

IdText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Signature(Part):
    """Who acts; for a key that acts for all. `person`: the account, hashed before the log."""

    unit: Line | None = None
    role: Line | None = None
    person: Line | None = None


class FactBody(Part):
    """A fact. `occurred_at` may be left out only for what governs (ClockAdvanced)."""

    type: Line
    occurred_at: Instant | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    by: Signature | None = None


class TriageItem(Part):
    """The office's decision on one case: one of task_force and department, and the township."""

    case_id: IdText
    task_force: Line | None = None
    department: Line | None = None
    township: Line
    co_handlers: tuple[Line, ...] | None = None
    reason: Line | None = None


class TriageBody(Part):
    items: Annotated[tuple[TriageItem, ...], Field(min_length=1, max_length=batch.MOST)]
    occurred_at: Instant
    dry_run: bool = False
    by: Signature | None = None


class CompareBody(Part):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    person: Line | None = None


class VerdictBody(Part):
    """A person's decision on a proposed match; `same` in place of the proposed lines."""

    decision: Literal["merge", "dismiss"]
    occurred_at: Instant
    same: dict[str, str] | None = None
    reason: Line | None = None
    by: Signature | None = None


class GroupItem(Part):
    case_id: IdText
    data: dict[str, Any] | None = None


class GroupBody(Part):
    """One act for members of a group; an item's own `data` stands in place of the common one."""

    type: Line
    data: dict[str, Any] = Field(default_factory=dict)
    items: Annotated[tuple[GroupItem, ...], Field(min_length=1, max_length=batch.MOST)]
    occurred_at: Instant
    dry_run: bool = False
    by: Signature | None = None


class RevealBody(Part):
    fields: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    person: Line | None = None


class ExportQuery(Part):
    source: Line | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_EXPORT)] = MAX_EXPORT


class ExportBody(Part):
    query: ExportQuery
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    person: Line | None = None


class SourceRef(Part):
    source: Line
    source_ref: Line


class CodesBody(Part):
    items: Annotated[tuple[SourceRef, ...], Field(min_length=1, max_length=MOST)]


class ReasonBody(Part):
    reason: Annotated[str, StringConstraints(max_length=500)] = ""
    person: Line | None = None


def plain_body(request: Request) -> None:
    """Answers 415 for a body that is coded (gzip, …): its bytes are no JSON (RFC 9110, 15.5.16)."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        detail = "a body is read as it is; send it without Content-Encoding"
        headers = {"accept-encoding": "identity"}
        raise Answer(415, "CODED_BODY", detail, headers=headers)


async def body_of(request: Request, most: int = MAX_BYTES) -> bytes:
    """The whole body. Answers 413 above its limit, a complaint's, without reading on."""
    plain_body(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Answer(413, "TOO_LONG", f"a body has at most {most} bytes")
    return bytes(body)


def only_known(request: Request) -> None:
    """Answers 422 for a query parameter that the route does not have."""
    unknown, has = unknown_parameters(request)
    if unknown:
        raise Answer(
            422,
            "UNKNOWN_PARAMETER",
            f"no parameter {', '.join(unknown)} here; it has {has}",
            [Problem(pointer((name,)), "unknown_parameter", f"it has {has}") for name in unknown],
        )


Body = TypeVar("Body", bound=Part)


def parsed(model: type[Body], raw: bytes) -> Body:
    """The body as its model. Raises Refused with pointers."""
    try:
        body = model.model_validate_json(raw)
    except ValidationError as error:
        raise Refused(problems_of(error)) from None
    if found := slips(body, raw):
        raise Refused(found)
    return body


class Api:
    """The routes over a running Intake."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake

    def caller(self, request: Request) -> Key:
        """Whose key it is. Answers 401 for none, 503 while the service starts."""
        key = self.intake.keys.of(request.headers.get("authorization"))
        if key is None:
            raise Answer(
                401,
                "NO_KEY",
                "a bearer key is needed",
                headers={"www-authenticate": "Bearer"},
            )
        if not self.intake.ready:
            raise Answer(503, "STARTING", "the log is being folded", headers={"retry-after": "1"})
        return key

    # --- complaints -----------------------------------------------------------------------------

    async def complaint(self, request: Request) -> Response:
        """Receive one complaint. The same `source` and `source_ref` again is a `duplicate`."""
        key = self.caller(request)
        return answered(await self.intake.feeds.post(await body_of(request), key))

    # --- facts ----------------------------------------------------------------------------------

    async def case_fact(self, request: Request, case_id: str) -> Response:
        """Record a fact of a case."""
        if kind_of(case_id) != "case":
            # A unit, the city, a match: streams that have a door of their own, or none.
            self.caller(request)
            raise Answer(404, "UNKNOWN_CASE", "no such case")
        return await self._fact(request, case_id)

    async def unit_fact(self, request: Request, code: str) -> Response:
        """Record a fact of a task force, township or department."""
        return await self._fact(request, unit_subject(code))

    async def city_fact(self, request: Request) -> Response:
        """Record a fact of the city; for the operator also what governs (ClockAdvanced)."""
        return await self._fact(request, CITY)

    async def _fact(self, request: Request, subject: str) -> Response:
        key = self.caller(request)
        idempotency = _idempotency(request)
        body = parsed(FactBody, await body_of(request))
        model = TYPES.get(body.type)
        governs = subject == CITY and model is not None and model.streams == (GOVERNANCE,)
        report = Report(
            subject=GOVERNANCE if governs else subject,
            type=body.type,
            data=body.data,
            occurred_at=self._occurred(body, governs),
            by=_by(key, body.by),
            client=key.name,
            key=idempotency,
        )
        if key.role == "platform" and body.type == "SupplementReceived":
            await self._only_its_own(key, subject)
        record = self.intake.governing.govern if governs else self.intake.desk.record
        return _json({"event_id": await record(report)}, 202)

    async def _only_its_own(self, key: Key, case_id: str) -> None:
        """Contract 2: a key posts only its own source, so a platform adds nothing to what another
        one has brought. Answers 403; what is no case is for the desk to say.
        """
        sources = await self.intake.desk.sources(case_id)
        if sources and not any(map(key.may_post, sources)):
            detail = "the key may not post the source of this case"
            raise Answer(403, "NOT_YOUR_SOURCE", detail)

    def _occurred(self, body: FactBody, governs: bool) -> datetime:
        if body.occurred_at is not None:
            return body.occurred_at
        if not governs:
            raise Refused([Problem("/occurred_at", "missing", "Field required")])
        return self.intake.governance.clock.now()

    async def query_codes(self, request: Request) -> Response:
        """The query codes (查询码) of complaints that the key may post: per item, in order."""
        key = self.caller(request)
        body = parsed(CodesBody, await body_of(request))
        refs = [(item.source, item.source_ref) for item in body.items]
        return _json({"items": await self.intake.codes.of(refs, key)})

    # --- batches --------------------------------------------------------------------------------

    async def triage(self, request: Request) -> Response:
        """The office's decisions on many cases in triage (批量研判): per item, in order."""
        key, idempotency = self.caller(request), _idempotency(request)
        body = parsed(TriageBody, await body_of(request))
        acts = batch.Batch(
            type="TriageDecided",
            items=[batch.Item(item.case_id, _decision(item)) for item in body.items],
            occurred_at=body.occurred_at,
            by=_by(key, body.by),
            client=key.name,
            key=idempotency,
            dry_run=body.dry_run,
        )
        found = await batch.record(self.intake.desk, acts)
        return _json({"dry_run": body.dry_run, "items": found})

    async def group_acts(self, request: Request, group: str) -> Response:
        """One act for members of a group (批量解决): each its own event, per item, in order."""
        key, idempotency = self.caller(request), _idempotency(request)
        body = parsed(GroupBody, await body_of(request))
        if body.type not in batch.ALIKE:
            detail = f"one of {', '.join(sorted(batch.ALIKE))}"
            raise Refused([Problem("/type", "not_alike", detail)])
        acts = batch.Batch(
            type=body.type,
            items=[
                batch.Item(item.case_id, body.data if item.data is None else item.data)
                for item in body.items
            ],
            occurred_at=body.occurred_at,
            by=_by(key, body.by),
            client=key.name,
            key=idempotency,
            dry_run=body.dry_run,
            group=group,
        )
        found = await batch.record(self.intake.desk, acts)
        return _json({"dry_run": body.dry_run, "items": found})

    # --- likely duplicates ----------------------------------------------------------------------

    async def matches(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        below: Annotated[int | None, Query(ge=0, le=100)] = None,
    ) -> Response:
        """Likely duplicates that wait for a person (查重), likeliest first, with score parts."""
        self._office(request)
        return _json({"items": await self.intake.lookalikes.waiting(limit, below)})

    async def compare(self, request: Request, match_id: str) -> Response:
        """Both complaints side by side, masked; on record. Never who reported."""
        key = self._office(request)
        body = parsed(CompareBody, await body_of(request))
        who = Caller(key, body.person or key.name)
        return _json(await self.intake.lookalikes.compare(match_id, body.reason, who))

    async def decide_match(self, request: Request, match_id: str) -> Response:
        """A person merges the two or finds that they are not the same; never done by itself."""
        key = self._office(request)
        idempotency = _idempotency(request)
        body = parsed(VerdictBody, await body_of(request))
        report = await self.intake.lookalikes.act(
            match_id,
            merge=body.decision == "merge",
            same=body.same,
            reason=body.reason,
            occurred_at=body.occurred_at,
            by=_by(key, body.by),
            client=key.name,
            key=idempotency,
        )
        event_id = await self.intake.desk.record(report)
        return _json({"event_id": event_id, "case_id": report.subject}, 202)

    def _office(self, request: Request) -> Key:
        """The office's key, or one that acts for all. Answers 403 for any other."""
        key = self.caller(request)
        if key.role != "office" and not key.acts_for_all:
            raise Answer(403, "NOT_ENTITLED", "matches are judged by the office")
        return key

    # --- privacy --------------------------------------------------------------------------------

    async def reveal(self, request: Request, case_id: str) -> Response:
        """Sealed fields to those entitled, on record."""
        key = self.caller(request)
        body = parsed(RevealBody, await body_of(request))
        names = [name.strip("/").replace(".", "/") for name in body.fields]
        who = Caller(key, key.account(body.person))
        return _json(await self.intake.privacy.reveal(case_id, names, body.reason, who))

    async def erase(self, request: Request, case_id: str) -> Response:
        """Destroy a case's key: what it says of persons is gone from every copy of the log."""
        key = self.caller(request)
        body = parsed(ReasonBody, await body_of(request))
        await self.intake.privacy.erase(case_id, body.reason, Caller(key, key.account(body.person)))
        return _json({"case_id": case_id, "status": "erased"}, 202)

    async def erasures(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        within_days: Annotated[int, Query(ge=0, le=3650)] = 0,
    ) -> Response:
        """Cases whose persons are to be erased by rule, now or in some days, or are held."""
        key = self.caller(request)
        if key.role not in ("office", "auditor", "operator") and not key.acts_for_all:
            raise Answer(403, "NOT_ENTITLED", "what is to be erased is shown to the office")
        within = timedelta(days=within_days)
        return _json(await self.intake.retention.foreseen(limit, within))

    async def ask_export(self, request: Request) -> Response:
        """Ask for a bulk export; it waits for a second person."""
        key = self.caller(request)
        body = parsed(ExportBody, await body_of(request))
        query = body.query.model_dump(exclude_none=True)
        who = Caller(key, key.account(body.person))
        export_id = await self.intake.privacy.ask_export(query, body.reason, who)
        return _json({"id": export_id, "status": "waiting"}, 202)

    async def approve_export(self, request: Request, export_id: str) -> Response:
        """A second person's approval of an export."""
        key = self.caller(request)
        await body_of(request)
        await self.intake.privacy.approve_export(export_id, Caller(key, key.name))
        return _json({"id": export_id, "status": "approved"}, 202)

    async def export(self, request: Request, export_id: str) -> Response:
        """An approved export, for who asked for it: NDJSON."""
        key = self.caller(request)
        rows = await self.intake.privacy.export(export_id, Caller(key, key.name))
        body = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        # A GET, which the reader's own cache would otherwise keep.
        never = {"cache-control": "no-store"}
        return Response(body, media_type="application/x-ndjson", headers=never)

    # --- the language ---------------------------------------------------------------------------

    async def schemas(self) -> Response:
        """Every type of event, with its writer and streams."""
        return _json(catalogue.listing())

    async def schema(self, type_name: str) -> Response:
        """JSON Schema of one type's data."""
        if type_name not in TYPES:
            raise Answer(404, "UNKNOWN_TYPE", "no such type of event")
        return Response(
            orjson.dumps(catalogue.schema_of(type_name)), media_type="application/schema+json"
        )

    async def asyncapi(self) -> Response:
        """AsyncAPI 3 of the log's topics."""
        return _json(catalogue.asyncapi())


class StreamEndpoint:
    """`POST /v1/complaints:stream` as a bare ASGI app."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.route = Route("/v1/complaints:stream", endpoint=self, methods=["POST"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = self.route  # As routes with a framework's endpoint do: it is measured.
        request = Request(scope, receive)
        try:
            key = self.api.caller(request)
            plain_body(request)
        except Answer as answer:
            await answer.response()(scope, receive, send)
            return
        intake = self.api.intake
        quarantine = intake.feeds.quarantine
        await Exchange(intake.reception, quarantine, key, receive, send).run()


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def answered(receipt: Receipt) -> Response:
    """202 with the ids, or the problem of a refusal. Raises Answer."""
    if receipt.status == "rejected":
        raise _refused(receipt)
    names = {"case_id": receipt.case_id, "event_id": receipt.event_id, "status": receipt.status}
    return _json(names, 202)


def _refused(receipt: Receipt) -> Answer:
    if receipt.conflict:
        detail = "this source and source_ref were received with other content"
        return Answer(409, "CONFLICT", detail, receipt.problems)
    if receipt.forbidden:
        return Answer(403, "NOT_YOUR_SOURCE", "the key may not post this source", receipt.problems)
    if any(item.code == "too_long" for item in receipt.problems):
        return Answer(413, "TOO_LONG", receipt.problems[0].detail, receipt.problems)
    return Answer(422, "MALFORMED", "the complaint was refused", receipt.problems)


def _idempotency(request: Request) -> str:
    """The Idempotency-Key. Answers 400 without one."""
    key = request.headers.get("idempotency-key", "").strip()
    if not 0 < len(key) <= 200:
        detail = "the header Idempotency-Key (1 to 200 characters) is required"
        raise Answer(400, "NO_IDEMPOTENCY_KEY", detail)
    return key


def _decision(item: TriageItem) -> dict[str, Any]:
    """A triage item as the data of its TriageDecided."""
    return item.model_dump(mode="json", exclude_none=True, exclude={"case_id"})


def _by(key: Key, given: Signature | None) -> By:
    """Who acts: the key's unit and role; another one only by a key that acts for all."""
    own = key.by(given.person if given else None)
    if given is None or (given.unit in (None, own.unit) and given.role in (None, own.role)):
        return own
    if not key.acts_for_all:
        raise Answer(403, "NOT_YOUR_UNIT", f"this key is of {own.unit}, role {own.role}")
    if given.role is not None and given.role not in ROLES:
        raise Refused([Problem("/by/role", "unknown_role", "no such role")])
    refuse_numbers_of_persons(given.unit or "", "/by/unit")  # It stands in the actor, in clear.
    role: Any = given.role or own.role
    return By(given.unit or own.unit, role, own.person)


def routes(api: Api) -> APIRouter:
    """Every route but the stream."""
    routes = APIRouter()
    fact = body_schema(FactBody) | IDEMPOTENCY
    on_fact = answers(400, 401, 403, 404, 409, 413, 422, 503)

    def post(path: str, endpoint: Any, extra: dict[str, Any], status: int, *others: int) -> None:
        routes.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            status_code=status,
            openapi_extra=extra,
            responses=answers(*others) if others else on_fact,
        )

    def get(path: str, endpoint: Any, *statuses: int) -> None:
        known, told = [Depends(only_known)], answers(*statuses)
        routes.add_api_route(path, endpoint, dependencies=known, responses=told)

    post("/v1/complaints", api.complaint, body_schema(Complaint), 202, 401, 403, 409, 413, 422, 503)
    post("/v1/cases/{case_id}/events", api.case_fact, fact, 202)
    post("/v1/units/{code}/events", api.unit_fact, fact, 202)
    post("/v1/city/events", api.city_fact, fact, 202)
    triage = body_schema(TriageBody) | IDEMPOTENCY
    post("/v1/triage/decisions", api.triage, triage, 200, 400, 401, 403, 413, 422, 503)
    acts = body_schema(GroupBody) | IDEMPOTENCY
    post("/v1/groups/{group}/acts", api.group_acts, acts, 200, 400, 401, 403, 413, 422, 503)
    get("/v1/matches", api.matches, 401, 403, 422, 503)
    judged = (401, 403, 404, 409, 413, 422, 503)
    post("/v1/matches/{match_id}/compare", api.compare, body_schema(CompareBody), 200, *judged)
    verdict = body_schema(VerdictBody) | IDEMPOTENCY
    post("/v1/matches/{match_id}/decisions", api.decide_match, verdict, 202, 400, *judged)
    post("/v1/query-codes", api.query_codes, body_schema(CodesBody), 200, 401, 413, 422, 503)
    private = (401, 403, 404, 409, 413, 422, 503)
    post("/v1/cases/{case_id}/reveal", api.reveal, body_schema(RevealBody), 200, *private)
    post("/v1/cases/{case_id}/erase", api.erase, body_schema(ReasonBody), 202, *private)
    get("/v1/erasures", api.erasures, 401, 403, 422, 503)
    post("/v1/exports", api.ask_export, body_schema(ExportBody), 202, *private)
    post("/v1/exports/{export_id}/approvals", api.approve_export, {}, 202, *private)
    get("/v1/exports/{export_id}", api.export, *private)
    get("/v1/schemas", api.schemas, 422)
    get("/v1/schemas/{type_name}", api.schema, 404, 422)
    get("/v1/schemas/{type_name}/1", api.schema, 404, 422)  # An event's `dataschema`.
    get("/v1/asyncapi.json", api.asyncapi, 422)
    return routes


Doors = Callable[[FastAPI, Api], None]


def application(intake: Intake, *doors: Doors) -> FastAPI:
    """The ASGI app over a running (or starting) Intake; `doors` add their own routes."""
    app = FastAPI(title="Qingqian intake", version="1", docs_url=None, redoc_url=None)
    api = Api(intake)
    app.router.routes.append(StreamEndpoint(api).route)
    app.include_router(routes(api))
    for more in doors:
        more(app, api)
    app.include_router(router(intake.readiness))
    install(app)
    observe(app)
    acts = (FactBody, TriageBody, GroupBody, CompareBody, VerdictBody, CodesBody)
    describe(app, (Complaint, *acts, RevealBody, ExportBody, ReasonBody))
    return app
