"""Reporting's HTTP API (contract 2), port 8104: every read takes `as_of`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response, Security
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from services.reporting import (
    answers,
    bulletins,
    cases,
    clearance,
    definitions,
    dossier,
    dossier_paper,
    grounds,
    handing,
    handover,
    handover_paper,
    ledgers,
    movements,
    overview,
    pages,
    prevention,
    printing,
    public,
    rankings,
    shapes,
    telling,
    trend,
    units,
)
from services.reporting.cases import MOST, Cursor, Filters, cursor_of
from services.reporting.issues import Issue, issues
from services.reporting.problem import Answer, install
from services.reporting.publications import Standing, comes_out_at
from services.reporting.reading import Cut, Malformed, Reading, Snapshot, instant
from services.reporting.refusals import refusal
from services.reporting.service import Reporting
from services.reporting.stream import Feed, resumed
from shared.calendar import civil
from shared.envelope import data_json
from shared.events import BulletinIssued, Tier, instant_text
from shared.health import observe, router
from shared.keys import Key
from shared.problem import MEDIA_TYPE, unknown_parameters
from shared.roles import LABOUR

MEDIA: Final[dict[bulletins.Form, str]] = {
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
}
MOST_FORM: Final = 1000
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

AsOf = Annotated[
    str | None,
    Query(description="RFC 3339: the answer as of then", examples=["2022-01-01T00:00:00+08:00"]),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="items of a page")]
After = Annotated[str | None, Query(alias="cursor", description="`next` of the page before")]
From = Annotated[str | None, Query(alias="from", description="start of the window, inclusive")]
Since = Annotated[str, Query(description="RFC 3339: the earlier of the two instants")]
To = Annotated[str | None, Query(description="end of the window, exclusive")]


def _problem(description: str) -> dict[str, Any]:
    """A refusal as the document tells it, under the media type that it is sent with."""
    content = {MEDIA_TYPE: {"schema": answers.Problem.model_json_schema()}}
    return {"description": description, "content": content}


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("no or an unknown key"),
    422: _problem("a parameter is malformed"),
    503: _problem("not ready; Retry-After says when"),
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: _problem("not known as of then")}


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

    @asynccontextmanager
    async def at(
        self, as_of: str | None, after: Cursor | None = None
    ) -> AsyncIterator[tuple[Snapshot, Cut]]:
        """The tables at the asked instant; a cursor pins the one its list began with.

        What is later than the clock is answered as of the clock, and `meta.as_of` says so: what
        would be answered for it could still change.
        """
        at: datetime | None = instant(as_of, "as_of") if as_of is not None else None
        if after is not None:
            if at is not None and at != after.as_of:
                raise Malformed("as_of", "the cursor pins another as_of; leave it out")
            at = after.as_of
        async with self.reading.at(at) as (snapshot, cut):
            if cut.as_of > snapshot.now:
                cut = await snapshot.cut(snapshot.now)
            yield snapshot, cut

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
        tier: Tier | None = None,
        q: Annotated[
            str | None, Query(min_length=1, max_length=64, description="part of the case number")
        ] = None,
        opened: Annotated[
            bool | None, Query(alias="open", description="accepted and not ended, or all others")
        ] = None,
        as_of: AsOf = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Response:
        """Cases in order of receipt. The cursor pins `as_of`: later pages read the same log."""
        cursor = cursor_of(after) if after is not None else None
        filters = Filters(
            task_force, township, department, state, overdue, level, source, tier, q, opened
        )
        async with self.at(as_of, cursor) as (snapshot, cut):
            page = await cases.page(snapshot, cut, filters, limit, cursor)
        return _json(
            {"meta": cut.meta, "items": page.items, "next": page.next, "total": page.total}
        )

    async def one_case(
        self, case: Annotated[str, Path(description="id or number")], as_of: AsOf = None
    ) -> dict[str, Any]:
        """One case by its id or its number DF-QX-YYYY-NNNNNN."""
        async with self.at(as_of) as (snapshot, cut):
            return {"meta": cut.meta, "case": await _case(snapshot, cut, case)}

    async def case_timeline(
        self, case: str, as_of: AsOf = None, limit: Limit = MOST, after: After = None
    ) -> Response:
        """The case's events in the order of the log, one sentence each."""
        cursor = cursor_of(after) if after is not None else None
        async with self.at(as_of, cursor) as (snapshot, cut):
            found = await _case(snapshot, cut, case)
            page = await cases.timeline(snapshot, cut, found["case_id"], limit, cursor)
        return _json({"meta": cut.meta, "items": page.items, "next": page.next})

    async def case_dossier(
        self,
        case: str,
        form: dossier_paper.Form,
        request: Request,
        as_of: AsOf = None,
    ) -> Response:
        """移送材料 for the officers of 市人社局, while the referral stands; no personal data."""
        key = self.key(request)
        if key.unit != LABOUR or key.role not in dossier.ROLES:
            now = self.reporting.governance.clock.now()
            await self.reporting.register.put(refusal(key, "dossier", "ROLE", case, now))
            raise Answer(
                403,
                "ROLE",
                f"a dossier is for the {' and '.join(dossier.ROLES)} of "
                f"{LABOUR}, not for {key.role} of {key.unit}; this is on record",
            )
        async with self.at(as_of) as (snapshot, cut):
            found = await _case(snapshot, cut, case)
            try:
                content = await dossier.dossier(snapshot, cut, found)
            except dossier.NoReferral:
                raise Answer(
                    404, "NO_REFERRAL", "no referral threshold is met as of then"
                ) from None
            except dossier.NoLongerStands as ended:
                detail = f"the referral no longer stands since event {ended.event_id}"
                raise Answer(409, ended.code, detail) from None
        if form == "json":
            return _json(content)
        body = await asyncio.to_thread(dossier_paper.as_docx, content)
        name = f"dossier-{found['number'] or found['case_id']}.docx"
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "x-qingqian-as-of": content["meta"]["as_of"],
            "x-qingqian-position": content["meta"]["position"],
            "x-qingqian-policy": content["meta"]["policy"],
        }
        return Response(body, media_type=MEDIA["docx"], headers=headers)

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
        first, last = self._asked(start, to)
        async with self.at(as_of) as (snapshot, cut):
            window = self._window(cut, first, last)
            found = await rankings.ranking(snapshot, cut, of, window)
            beside = found.apart
            if apart != of:
                beside = (await rankings.ranking(snapshot, cut, apart, window)).apart
        return {
            "meta": cut.meta,
            "window": shapes.window(window),
            "items": [shapes.ranked(item, cut.policy) for item in found.items],
            "apart": [shapes.apart(counts) for counts in beside],
        }

    def _asked(self, start: str | None, to: str | None) -> tuple[datetime | None, datetime | None]:
        first = instant(start, "from") if start is not None else None
        last = instant(to, "to") if to is not None else None
        if first is not None and last is not None and last <= first:
            raise Malformed("to", f"'{to}' does not lie after `from`")
        return first, last

    def _window(self, cut: Cut, first: datetime | None, last: datetime | None) -> rankings.Window:
        if first is not None and first >= cut.end:
            # What falls due between would count as late, which nobody knows yet.
            answered = instant_text(cut.as_of)
            asked = instant_text(first)
            raise Malformed("from", f"'{asked}' lies after {answered}, of which is answered")
        return rankings.window_of(cut, first, last)

    async def place(
        self,
        unit: Annotated[str, Path(examples=["TF1", "410185109"], max_length=40)],
        as_of: AsOf = None,
        start: From = None,
        to: To = None,
    ) -> dict[str, Any]:
        """Why a unit stands where it stands: each case, follow-up and act that its place counts."""
        first, last = self._asked(start, to)
        async with self.at(as_of) as (snapshot, cut):
            window = self._window(cut, first, last)
            if unit not in cut.policy.units:
                raise Answer(404, "UNKNOWN_UNIT", f"{unit} is no task force and no township")
            of: rankings.List = "task_force" if unit in cut.policy.task_forces else "township"
            found = await rankings.ranking(snapshot, cut, of, window)
            (item,) = [item for item in found.items if item.counts.unit == unit]
            why = await grounds.grounds(snapshot, cut, of, unit, window)
        return {
            "meta": cut.meta,
            "window": shapes.window(window),
            "place": shapes.ranked(item, cut.policy),
        } | why

    async def moved(self, since: Since, as_of: AsOf = None) -> dict[str, Any]:
        """Who rose and fell since an instant, and by which part of the score."""
        before = instant(since, "since")
        lists: tuple[rankings.List, ...] = ("task_force", "township")
        async with self.at(as_of) as (snapshot, cut):
            if before >= cut.as_of:
                answered = instant_text(cut.as_of)
                raise Malformed("since", f"'{since}' does not lie before {answered}")
            window = rankings.window_of(cut, None, None)
            after = [await rankings.ranking(snapshot, cut, of, window) for of in lists]
        async with self.at(since) as (snapshot, then):
            window = rankings.window_of(then, None, None)
            earlier = [await rankings.ranking(snapshot, then, of, window) for of in lists]
        found = [
            movements.movements(one, other, cut.policy)
            for one, other in zip(earlier, after, strict=True)
        ]
        return {
            "meta": cut.meta,
            "since": then.meta,
            "task_forces": found[0],
            "townships": found[1],
        }

    async def clearance(self, as_of: AsOf = None) -> Response:
        """阶段目标: every predicate with its result, counts and the cases that stand in its way."""
        async with self.at(as_of) as (snapshot, cut):
            found = await clearance.clearance(snapshot, cut)
        return _json({"meta": cut.meta, "items": [shapes.judged(item) for item in found]})

    async def overview(self, as_of: AsOf = None) -> dict[str, Any]:
        """The whole city in numbers, and whether the campaign runs."""
        async with self.at(as_of) as (snapshot, cut):
            found = await overview.overview(snapshot, cut)
        campaign = overview.campaign(cut.policy, cut.local_day)
        return {"meta": cut.meta} | found | {"campaign": campaign}

    async def trend(self, as_of: AsOf = None) -> dict[str, Any]:
        """The overview's numbers at the end of each day of the campaign: how the stock ran down."""
        async with self.at(as_of) as (snapshot, cut):
            return {"meta": cut.meta, "items": await trend.trend(snapshot, cut)}

    async def units(self, as_of: AsOf = None) -> dict[str, Any]:
        """What each unit has in hand, how old it is, and its money."""
        async with self.at(as_of) as (snapshot, cut):
            return {"meta": cut.meta, "items": await units.units(snapshot, cut)}

    async def definitions(self, as_of: AsOf = None) -> dict[str, Any]:
        """What codes and numbers mean by the book in force: for a page's words and order."""
        async with self.at(as_of) as (_, cut):
            return {"meta": cut.meta} | definitions.definitions(cut.policy)

    async def warnings(self, as_of: AsOf = None) -> Response:
        """源头预防: each rule's hits with their cases and since when, and what they were worth."""
        async with self.at(as_of) as (snapshot, cut):
            found = await prevention.warnings(snapshot, cut)
        return _json({"meta": cut.meta} | found)

    async def hand_over(self, form: handover.Form, as_of: AsOf = None) -> Response:
        """总结材料 of phase four: every number of the campaign with its position and its hash."""
        async with self.at(as_of) as (snapshot, cut):
            content = await handover.pack(snapshot, cut)
        if form == "json":
            return _json(content)
        body = await asyncio.to_thread(handover_paper.as_docx, content)
        headers = {"content-disposition": 'attachment; filename="closing-pack.docx"'}
        return Response(body, media_type=MEDIA["docx"], headers=headers)

    async def public_overview(self, as_of: AsOf = None) -> dict[str, Any]:
        """What anybody may know; small numbers are withheld. Needs no key."""
        self.open()
        async with self.at(as_of) as (snapshot, cut):
            return {"meta": cut.meta} | await overview.public(snapshot, cut)

    # --- the complainant ------------------------------------------------------------------------

    async def public_status(
        self,
        request: Request,
        code: Annotated[str, Path(max_length=80, examples=["7K3M-9QXT-0ZB4-HW2C"])],
        as_of: AsOf = None,
    ) -> Response:
        """How the complaint of a query code (查询码) stands, in plain Chinese. Needs no key."""
        self.open()
        await self._admitted(request)
        async with self.at(as_of) as (snapshot, cut):
            found = await public.status(snapshot, cut, code)
        if found is None:
            raise Answer(404, "UNKNOWN_CODE", public.UNKNOWN)
        return Response(
            orjson.dumps({"meta": cut.meta, "status": found}),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    async def status_form(self) -> Response:
        """The page on which a complainant asks by query code."""
        return HTMLResponse(public.page(""), headers=public.PAGE_HEADERS)

    async def status_page(self, request: Request) -> Response:
        """The page with its answer; the code stands in the form's body, so in no address."""
        self.open()
        await self._admitted(request)
        code = await _code_of(request)
        async with self.at(None) as (snapshot, cut):
            found = await public.status(snapshot, cut, code)
        text = public.UNKNOWN if found is None else found["text"]
        return HTMLResponse(public.page(text), headers=public.PAGE_HEADERS)

    async def _admitted(self, request: Request) -> None:
        """Answers 429 for an address that asks too often."""
        turnstile = self.reporting.turnstile
        if not await turnstile.admits(request.client.host if request.client else None):
            after = {"retry-after": str(turnstile.seconds)}
            raise Answer(429, "TOO_MANY", "too many requests from this address", headers=after)

    async def untold(self, as_of: AsOf = None, limit: Limit = 100, after: After = None) -> Response:
        """Endings of which the complainant was not told yet (条例 10), longest waiting first."""
        cursor = cursor_of(after) if after is not None else None
        place = telling.place_of(cursor) if cursor is not None else None
        async with self.at(as_of, cursor) as (snapshot, cut):
            found = await telling.untold(snapshot, cut, limit + 1, place)
        following = telling.cursor_after(cut, found[limit - 1]) if len(found) > limit else None
        return _json({"meta": cut.meta, "items": found[:limit], "next": following})

    # --- the office -----------------------------------------------------------------------------

    async def triage_queue(self, as_of: AsOf = None) -> Response:
        """Cases that wait for the office's decision (研判), first due (T04) first."""
        async with self.at(as_of) as (snapshot, cut):
            found = await handing.queue(snapshot, cut)
        return _json({"meta": cut.meta, "items": found})

    async def handout(
        self,
        unit: Annotated[str, Path(examples=["410185109"], max_length=40)],
        form: Literal["json", "xlsx"],
        start: From = None,
        to: To = None,
        as_of: AsOf = None,
    ) -> Response:
        """清单式交办: what was assigned to a unit in [from, to), as a document with its number.

        Without `from` the seven days before `to`; without `to` up to `as_of`.
        """
        async with self.at(as_of) as (snapshot, cut):
            last = instant(to, "to") if to is not None else cut.end
            first = instant(start, "from") if start is not None else last - timedelta(days=7)
            if first >= last:
                raise Malformed("from", "not earlier than `to`")
            known = (*cut.policy.units, *cut.policy.content.organisation.departments)
            if unit not in known:
                raise Answer(404, "UNKNOWN_UNIT", "no such unit")
            found = await handing.handed(snapshot, cut, unit, first, last)
        if form == "json":
            return _json({"meta": cut.meta} | found)
        body = await handing.workbook(found, cut)
        name = f"handout-{civil(first):%Y%m%d}.xlsx"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(body, media_type=XLSX, headers=headers)

    # --- files and stream -----------------------------------------------------------------------

    async def ledger(
        self,
        name: Annotated[ledgers.Name, Path(description="problems 问题台账, clearance 销号台账 …")],
        as_of: AsOf = None,
    ) -> Response:
        """A ledger (台账) as a spreadsheet, without personal data."""
        async with self.at(as_of) as (snapshot, cut):
            body = await ledgers.workbook(snapshot, cut, name)
        headers = {
            "content-disposition": f'attachment; filename="{name}.xlsx"',
            "x-qingqian-as-of": instant_text(cut.as_of),
            "x-qingqian-position": cut.position,
            "x-qingqian-policy": cut.policy.ref,
        }
        return Response(body, media_type=XLSX, headers=headers)

    async def list_bulletins(self, as_of: AsOf = None) -> dict[str, Any]:
        """The issues of the 通报 whose cut-off has passed; each has its files."""
        published = self.reading.published.bulletins
        async with self.at(as_of) as (snapshot, cut):
            found = issues(cut.policy, cut.as_of, snapshot.published.cut_offs)
            items = [
                _issue(item, cut, published.get(item.no), owed=snapshot.published.came_out(item))
                for item in found
            ]
        return {"meta": cut.meta, "items": items}

    async def checkpoints(self, as_of: AsOf = None) -> Response:
        """Signed heads of the log (RFC 9162), the last one first, for who keeps them elsewhere.

        `qingqian audit --checkpoints FILE` holds a log to a kept answer.
        """
        async with self.at(as_of) as (_, cut):
            items = [
                {"event_id": event.id, "recorded_at": instant_text(event.recordedtime)}
                | data_json(event.data)
                for event in reversed(self.reading.published.checkpoints)
                if event.recordedtime <= cut.as_of
            ]
        return _json({"meta": cut.meta, "items": items})

    async def bulletin(self, no: int, form: bulletins.Form, as_of: AsOf = None) -> Response:
        """An issue as JSON, Word or PDF; the same number always gives the same content.

        `hash` is sha256 of the canonical JSON (RFC 8785) of everything but `hash`, `meta` and
        `published`; the last is what stands on the log of it.

        404 where it was not out as of then.
        """
        async with self.at(as_of) as (snapshot, cut):
            all_ = issues(cut.policy, cut.as_of, snapshot.published.cut_offs)
            found = {issue.no: issue for issue in all_}
            if no not in found:
                raise Answer(404, "UNKNOWN_ISSUE", f"there is no issue {no}")
            before = snapshot.published.before(found[no], all_)
            content = await bulletins.bulletin(snapshot, found[no], before)
        if form == "json":
            out = self.reading.published.bulletins.get(no)
            return _json(content | {"published": _published(out) if out is not None else None})
        body = await asyncio.to_thread(printing.FORMS[form], content)
        headers = {"content-disposition": f'attachment; filename="bulletin-{no}.{form}"'}
        return Response(body, media_type=MEDIA[form], headers=headers)

    async def stream(
        self, last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None
    ) -> Response:
        """Events as they are folded, from now on or after Last-Event-ID; `id:` is the position."""
        now = await self.reading.positions()
        positions = now if last_event_id is None else resumed(last_event_id, now)
        feed = Feed(self.reading, self.reporting.bell, positions)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(feed.messages(), media_type="text/event-stream", headers=headers)


def only_known(request: Request) -> None:
    """Answers 422 for a parameter that the route does not have: an answer to `as-of` would be
    one of today that looks like one of then.
    """
    unknown, has = unknown_parameters(request)
    if unknown:
        errors = tuple((f"/query/{name}", "no parameter of this read") for name in unknown)
        raise Answer(
            422,
            "UNKNOWN_PARAMETER",
            f"no parameter {', '.join(unknown)} here; it has {has}",
            errors,
        )


async def _code_of(request: Request) -> str:
    """The field `code` of a posted form of a few bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM:
            raise Answer(413, "TOO_LONG", f"a form has at most {MOST_FORM} bytes")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    except ValueError:
        raise Malformed("code", "a form with the one field `code` is expected") from None
    return fields.get("code", [""])[0]


def _json(content: dict[str, Any]) -> Response:
    """An answer that may be long: written at once, its shape is the tests' affair."""
    return Response(orjson.dumps(content), media_type="application/json")


def _issue(
    item: Issue, cut: Cut, bulletin: Standing[BulletinIssued] | None, *, owed: bool
) -> dict[str, Any]:
    """`owed`: whether it ever comes out; those of before the log began do not."""
    files = {form: f"/v1/bulletins/{item.no}.{form}" for form in get_args(bulletins.Form)}
    comes_out = comes_out_at(item, cut.policy) if owed else None
    out = bulletin is not None and bulletin.recordedtime <= cut.as_of
    return {
        "no": item.no,
        "phase": item.phase,
        "as_of": instant_text(item.at),
        "comes_out_at": instant_text(comes_out) if comes_out is not None else None,
        "published": _published(bulletin) if bulletin is not None and out else None,
        "files": files,
    }


def _published(bulletin: Standing[BulletinIssued]) -> dict[str, Any]:
    """What stands on the log of an issue that is out."""
    at = instant_text(bulletin.recordedtime)
    return {"event_id": bulletin.id, "recorded_at": at, "hash": bulletin.data.hash}


async def _case(snapshot: Snapshot, cut: Cut, name: str) -> dict[str, Any]:
    found = await cases.one(snapshot, cut, name)
    if found is None:
        raise Answer(404, "UNKNOWN_CASE", f"no case {name} as of {instant_text(cut.as_of)}")
    return found


class _Keyed(APIRoute):
    """A route behind a key: what it answers stays in no browser's store for who comes next."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def unstored(request: Request) -> Response:
            response = await handle(request)
            response.headers["cache-control"] = "no-store"
            return response

        return unstored


def routes(api: Api) -> APIRouter:
    """Every route with its operation id, model and problems."""
    known = Depends(only_known)
    # What the document says of the key; `api.key` judges it.
    bearer = Security(HTTPBearer(scheme_name="key", auto_error=False))
    needs = [Depends(api.key), bearer, known]
    keyed = APIRouter(prefix="/v1", dependencies=needs, responses=PROBLEMS, route_class=_Keyed)
    table: tuple[tuple[str, Any, Any, str], ...] = (
        ("/cases", api.list_cases, answers.Cases, "listCases"),
        ("/cases/{case}", api.one_case, answers.OneCase, "getCase"),
        ("/cases/{case}/timeline", api.case_timeline, answers.Timeline, "getTimeline"),
        ("/rankings/task-forces", api.task_forces, answers.Rankings, "rankTaskForces"),
        ("/rankings/townships", api.townships, answers.Rankings, "rankTownships"),
        ("/rankings/units/{unit}", api.place, answers.Place, "getPlace"),
        ("/rankings/movements", api.moved, answers.Movements, "listMovements"),
        ("/clearance", api.clearance, answers.Clearance, "getClearance"),
        ("/overview", api.overview, answers.Overview, "getOverview"),
        ("/trend", api.trend, answers.Trend, "getTrend"),
        ("/units", api.units, answers.Units, "listUnits"),
        ("/definitions", api.definitions, answers.Definitions, "getDefinitions"),
        ("/warnings", api.warnings, answers.Warnings, "listWarnings"),
        ("/bulletins", api.list_bulletins, answers.Bulletins, "listBulletins"),
        ("/checkpoints", api.checkpoints, answers.Checkpoints, "listCheckpoints"),
        ("/untold", api.untold, answers.Untold, "listUntold"),
        ("/triage", api.triage_queue, answers.Triage, "listTriage"),
    )
    for path, endpoint, model, name in table:
        keyed.add_api_route(
            path,
            endpoint,
            response_model=model,
            operation_id=name,
            responses=NOT_FOUND if "{" in path else None,
        )
    keyed.add_api_route(
        "/cases/{case}/dossier.{form}",
        api.case_dossier,
        operation_id="getDossier",
        response_class=Response,
        responses=NOT_FOUND
        | {
            403: _problem("not an officer of the labour bureau"),
            409: _problem("the referral no longer stands"),
            200: {
                "content": {MEDIA["json"]: {}, MEDIA["docx"]: {}},
                "description": "the dossier",
            },
        },
    )
    keyed.add_api_route(
        "/closing-pack.{form}",
        api.hand_over,
        operation_id="getClosingPack",
        response_class=Response,
        responses={
            200: {
                "content": {MEDIA["json"]: {}, MEDIA["docx"]: {}},
                "description": "the pack",
            }
        },
    )
    keyed.add_api_route(
        "/ledgers/{name}.xlsx",
        api.ledger,
        operation_id="getLedger",
        response_class=Response,
        responses={200: {"content": {XLSX: {}}, "description": "the spreadsheet"}},
    )
    keyed.add_api_route(
        "/handouts/{unit}.{form}",
        api.handout,
        operation_id="getHandout",
        response_class=Response,
        responses=NOT_FOUND
        | {
            200: {
                "content": {"application/json": {}, XLSX: {}},
                "description": "what was assigned to the unit",
            }
        },
    )
    keyed.add_api_route(
        "/bulletins/{no}.{form}",
        api.bulletin,
        operation_id="getBulletin",
        response_class=Response,
        responses=NOT_FOUND
        | {200: {"content": {kind: {} for kind in MEDIA.values()}, "description": "the issue"}},
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
        dependencies=[known],
    )
    limited: dict[int | str, dict[str, Any]] = {429: _problem("too often; see Retry-After")}
    everyone.add_api_route(
        "/status/{code}",
        api.public_status,
        response_model=answers.PublicStatus,
        operation_id="getPublicStatus",
        dependencies=[known],
        responses=NOT_FOUND | limited,
    )
    html: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/html": {}}, "description": "the page"}
    }
    everyone.add_api_route(
        "/status",
        api.status_form,
        response_class=HTMLResponse,
        operation_id="getStatusPage",
        responses=html,
    )
    everyone.add_api_route(
        "/status",
        api.status_page,
        methods=["POST"],
        response_class=HTMLResponse,
        operation_id="postStatusPage",
        responses=html | limited | {413: _problem("longer than a form is")},
        openapi_extra={
            "requestBody": {
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "properties": {"code": {"type": "string"}},
                        }
                    }
                }
            }
        },
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
    app.include_router(pages.routes())
    install(app)
    observe(app)
    return app
