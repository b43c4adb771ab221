"""Reporting's HTTP API (contract 2), port 8104: every read takes `as_of`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.reporting import answers, cases, clearance, ledgers, overview, rankings
from services.reporting.cases import MOST, Cursor, Filters, cursor_of
from services.reporting.problem import Answer, install
from services.reporting.reading import Cut, Malformed, Reading, instant, position_of
from services.reporting.scoring import Counts, Scored
from services.reporting.service import Reporting
from services.reporting.stream import Feed
from shared.events import instant_text
from shared.health import observe, router
from shared.keys import Key
from shared.policy import Policy

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

AsOf = Annotated[
    str | None,
    Query(description="RFC 3339: the answer as of then", examples=["2022-01-01T00:00:00+08:00"]),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="items of a page")]
After = Annotated[str | None, Query(alias="cursor", description="`next` of the page before")]
From = Annotated[str | None, Query(alias="from", description="start of the window, inclusive")]
To = Annotated[str | None, Query(description="end of the window, exclusive")]

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": answers.Problem, "description": "no or an unknown key"},
    422: {"model": answers.Problem, "description": "a parameter is malformed"},
    503: {"model": answers.Problem, "description": "not ready; Retry-After says when"},
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": answers.Problem, "description": "not known as of then"}
}


class Api:
    """The routes over a running Reporting."""

    def __init__(self, reporting: Reporting) -> None:
        self.reporting = reporting

    def open(self) -> None:
        """Answers 503 until the tables were folded up to the end of the log once."""
        if not self.reporting.ready:
            detail = "the log is being folded"
            raise Answer(503, "STARTING", detail, headers={"retry-after": "1"})

    def key(self, request: Request) -> Key:
        """Whose key it is. Answers 401 for none or an unknown one."""
        key = self.reporting.keys.of(request.headers.get("authorization"))
        if key is None:
            raise Answer(
                401, "NO_KEY", "a bearer key is needed", headers={"www-authenticate": "Bearer"}
            )
        self.open()
        return key

    @property
    def reading(self) -> Reading:
        return self.reporting.reading

    async def cut(self, as_of: str | None, after: Cursor | None = None) -> Cut:
        """The cut that is asked for; a cursor pins the one its list began with."""
        at: datetime | None = instant(as_of, "as_of") if as_of is not None else None
        if after is not None:
            if at is not None and at != after.as_of:
                raise Malformed("as_of", "the cursor pins another as_of; leave it out")
            at = after.as_of
        return await self.reading.cut(at)

    # --- cases ----------------------------------------------------------------------------------

    async def list_cases(
        self,
        task_force: Annotated[str | None, Query(examples=["TF1"])] = None,
        township: Annotated[str | None, Query(examples=["410185109"])] = None,
        department: str | None = None,
        state: answers.State | None = None,
        overdue: bool | None = None,
        level: answers.Level | None = None,
        source: Annotated[str | None, Query(examples=["12345"])] = None,
        tier: str | None = None,
        q: Annotated[
            str | None, Query(min_length=1, max_length=64, description="part of the case number")
        ] = None,
        as_of: AsOf = None,
        limit: Limit = 100,
        after: After = None,
    ) -> dict[str, Any]:
        """Cases in order of receipt. The cursor pins `as_of`: later pages read the same log."""
        cursor = cursor_of(after) if after is not None else None
        cut = await self.cut(as_of, cursor)
        filters = Filters(task_force, township, department, state, overdue, level, source, tier, q)
        page = await cases.page(self.reading, cut, filters, limit, cursor)
        return {"meta": cut.meta, "items": page.items, "next": page.next, "total": page.total}

    async def one_case(
        self, case: Annotated[str, Path(description="id or number")], as_of: AsOf = None
    ) -> dict[str, Any]:
        """One case by its id or its number DF-QX-YYYY-NNNNNN."""
        cut = await self.cut(as_of)
        return {"meta": cut.meta, "case": await self._case(cut, case)}

    async def case_timeline(
        self, case: str, as_of: AsOf = None, limit: Limit = MOST, after: After = None
    ) -> dict[str, Any]:
        """The case's events in the order of the log, one sentence each."""
        cursor = cursor_of(after) if after is not None else None
        cut = await self.cut(as_of, cursor)
        found = await self._case(cut, case)
        page = await cases.timeline(self.reading, cut, found["case_id"], limit, cursor)
        return {"meta": cut.meta, "items": page.items, "next": page.next}

    async def _case(self, cut: Cut, name: str) -> dict[str, Any]:
        found = await cases.one(self.reading, cut, name)
        if found is None:
            raise Answer(404, "UNKNOWN_CASE", f"no case {name} as of {instant_text(cut.as_of)}")
        return found

    # --- rankings, clearance, overview -----------------------------------------------------------

    async def task_forces(
        self, as_of: AsOf = None, start: From = None, to: To = None
    ) -> dict[str, Any]:
        """排名 of the seven task forces; departments apart, unranked."""
        return await self._ranking("task_force", "department", as_of, start, to)

    async def townships(
        self, as_of: AsOf = None, start: From = None, to: To = None
    ) -> dict[str, Any]:
        """排名 of the fifteen townships and subdistricts."""
        return await self._ranking("township", "township", as_of, start, to)

    async def _ranking(
        self,
        of: rankings.List,
        apart: rankings.List,
        as_of: str | None,
        start: str | None,
        to: str | None,
    ) -> dict[str, Any]:
        cut = await self.cut(as_of)
        window = rankings.window_of(
            cut,
            instant(start, "from") if start is not None else None,
            instant(to, "to") if to is not None else None,
        )
        found = await rankings.ranking(self.reading, cut, of, window)
        beside = found.apart
        if apart != of:
            beside = (await rankings.ranking(self.reading, cut, apart, window)).apart
        return {
            "meta": cut.meta,
            "window": {"start": instant_text(window.start), "end": instant_text(window.end)},
            "items": [_ranked(item, cut.policy) for item in found.items],
            "apart": [_apart(counts) for counts in beside],
        }

    async def clearance(self, as_of: AsOf = None) -> dict[str, Any]:
        """阶段目标: every predicate with its result, counts and the cases that stand in its way."""
        cut = await self.cut(as_of)
        found = await clearance.clearance(self.reading, cut)
        return {"meta": cut.meta, "items": [_judged(item) for item in found]}

    async def overview(self, as_of: AsOf = None) -> dict[str, Any]:
        """The whole city in numbers."""
        cut = await self.cut(as_of)
        return {"meta": cut.meta} | await overview.overview(self.reading, cut)

    async def public_overview(self, as_of: AsOf = None) -> dict[str, Any]:
        """What anybody may know; small numbers are withheld. Needs no key."""
        self.open()
        cut = await self.cut(as_of)
        return {"meta": cut.meta} | await overview.public(self.reading, cut)

    # --- files and stream -----------------------------------------------------------------------

    async def ledger(
        self,
        name: Annotated[ledgers.Name, Path(description="problems 问题台账, clearance 销号台账 …")],
        as_of: AsOf = None,
    ) -> Response:
        """A ledger (台账) as a spreadsheet, without personal data."""
        cut = await self.cut(as_of)
        body = await ledgers.workbook(self.reading, cut, name)
        headers = {
            "content-disposition": f'attachment; filename="{name}.xlsx"',
            "x-qingqian-as-of": instant_text(cut.as_of),
            "x-qingqian-position": cut.position,
            "x-qingqian-policy": cut.policy.ref,
        }
        return Response(body, media_type=XLSX, headers=headers)

    async def stream(
        self, last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None
    ) -> Response:
        """Events as they are folded, from now on or after Last-Event-ID; `id:` is the position."""
        now = {number: item.next for number, item in self.reading.folded.positions.items()}
        positions = now
        if last_event_id is not None:
            positions = position_of(last_event_id)
            if positions.keys() != now.keys():
                raise Malformed("Last-Event-ID", "this position is of another log")
        feed = Feed(self.reading, self.reporting.bell, positions)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(feed.messages(), media_type="text/event-stream", headers=headers)


def _rates(counts: Counts) -> dict[str, Any]:
    return {
        name: {"met": met, "of": of, "percent": round(met * 100 / of, 2) if of > 0 else None}
        for name, (met, of) in counts.rates.items()
    }


def _apart(counts: Counts) -> dict[str, Any]:
    return {
        "unit": counts.unit,
        "base": counts.base,
        "rates": _rates(counts),
        "recovered_fen": counts.recovered_fen,
        "workers_paid": counts.workers_paid,
    }


def _ranked(item: Scored, policy: Policy) -> dict[str, Any]:
    counts = item.counts
    entry = policy.task_forces.get(counts.unit) or policy.townships[counts.unit]
    return _apart(counts) | {
        "rank": item.rank,
        "name": entry.name,
        "score": item.score,
        "raw": item.raw,
        "parts": item.parts,
        "note": item.note,
        "deductions": counts.deductions,
        "emergency_fen": counts.emergency_fen,
        "returns": counts.returns,
    }


def _judged(item: clearance.Verdict) -> dict[str, Any]:
    return item.also | {
        "phase": item.phase,
        "predicate": item.predicate,
        "at": instant_text(item.at),
        "result": item.result,
        "met": item.met,
        "of": item.of,
        "cases": [{"case_id": case.case_id, "tag": case.tag} for case in item.cases],
        "hash": item.hash,
    }


def routes(api: Api) -> APIRouter:
    """Every route with its operation id, model and problems."""
    keyed = APIRouter(prefix="/v1", dependencies=[Depends(api.key)], responses=PROBLEMS)
    table: tuple[tuple[str, Any, Any, str], ...] = (
        ("/cases", api.list_cases, answers.Cases, "listCases"),
        ("/cases/{case}", api.one_case, answers.OneCase, "getCase"),
        ("/cases/{case}/timeline", api.case_timeline, answers.Timeline, "getTimeline"),
        ("/rankings/task-forces", api.task_forces, answers.Rankings, "rankTaskForces"),
        ("/rankings/townships", api.townships, answers.Rankings, "rankTownships"),
        ("/clearance", api.clearance, answers.Clearance, "getClearance"),
        ("/overview", api.overview, answers.Overview, "getOverview"),
    )
    for path, endpoint, model, name in table:
        keyed.add_api_route(
            path,
            endpoint,
            response_model=model,
            operation_id=name,
            responses=NOT_FOUND if "{case}" in path else None,
        )
    keyed.add_api_route(
        "/ledgers/{name}.xlsx",
        api.ledger,
        operation_id="getLedger",
        response_class=Response,
        responses={200: {"content": {XLSX: {}}, "description": "the spreadsheet"}},
    )
    keyed.add_api_route(
        "/stream",
        api.stream,
        operation_id="streamEvents",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "events"}},
    )
    everyone = APIRouter(prefix="/v1/public", responses={503: PROBLEMS[503], 422: PROBLEMS[422]})
    everyone.add_api_route(
        "/overview",
        api.public_overview,
        response_model=answers.PublicOverview,
        operation_id="getPublicOverview",
    )
    whole = APIRouter()
    whole.include_router(keyed)
    whole.include_router(everyone)
    return whole


def application(reporting: Reporting) -> FastAPI:
    """The ASGI app."""
    app = FastAPI(
        title="Qingqian reporting",
        version="1",
        description="登封市欠薪治理: what the log says, as of any instant.",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(routes(Api(reporting)))
    app.include_router(router(reporting.readiness))
    install(app)
    observe(app)
    return app
