"""Playing acts through the real services on the log clock, in lockstep (design 6).

The clock moves to the next instant at which somebody acts or a step is due; then the player
waits for quiet, posts the acts of that instant and waits again. So half a year of the campaign
runs in minutes and gives the same events as living through it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import aiohttp
import orjson
from yarl import URL

from infra.agenda import Act, Agenda, Cast
from infra.problem import Unready
from infra.story import Line
from shared.envelope import derived_id
from shared.events import instant_text
from shared.roles import AUTHORS, JOINT_MEETING, OFFICE, By, default_by
from shared.streams import CITY, kind_of, unit_code

WORKERS: Final = ("intake", "routing", "supervision")
QUIET_SECONDS: Final = 120.0
"""How long the workers may take to come to rest after one round of acts."""
_SIDE_BY_SIDE: Final = 24
OPERATOR: Final = By("operator", "operator")
READER: Final = By(OFFICE, "office")
"""Who reads for the player."""


@dataclass(frozen=True)
class Standing:
    """Where a worker stands, from its `/readyz`."""

    ready: bool
    clock: datetime | None
    positions: Mapping[str, int]
    owed: int
    next_due: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Answer:
    """What intake said to an act: status, `code` of a problem, its sentence, the event's id."""

    status: int
    code: str
    detail: str
    event_id: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status in (200, 202)

    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.status), self.code, self.detail]))


class Keys(Protocol):
    """Headers with which somebody speaks to the API."""

    def headers(self, by: By) -> dict[str, str]: ...


@dataclass
class Responsible:
    """Who handles a case, as reporting knows it (`shared.roles.Responsible`)."""

    subject: str
    township: str | None = None
    task_force: str | None = None
    department: str | None = None
    co_handlers: tuple[str, ...] = ()
    state: str | None = None


class Services:
    """The four services over HTTP, with connections kept alive.

    aiohttp, because a campaign is some 70,000 requests and its client takes a fifth of the
    processor time that httpx takes for one.
    """

    def __init__(self, urls: Mapping[str, str], keys: Keys) -> None:
        self.urls = urls
        self.keys = keys

    async def __aenter__(self) -> Services:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64),
            timeout=aiohttp.ClientTimeout(total=60),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def standing(self, service: str) -> Standing:
        """Raises Unready when the service does not answer."""
        response = await self.request("GET", service, "/readyz")
        if response.status not in (200, 503):
            raise Unready(f"{service} answered {response.status} to /readyz")
        doc = response.document()
        return Standing(
            ready=bool(doc.get("ready")),
            clock=_instant(doc.get("clock")),
            positions=doc.get("positions") or {},
            owed=int(doc.get("owed") or 0),
            next_due=_instant(doc.get("next_due")),
            reason=doc.get("reason"),
        )

    async def post(self, path: str, body: Any, by: By, key: str | None = None) -> Answer:
        """One act to intake, sent again while it says 503 with Retry-After."""
        headers = self.keys.headers(by) | {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        while True:
            response = await self.request("POST", "intake", path, headers, orjson.dumps(body))
            if response.status != 503 or response.retry_after is None:
                return _answer(response)
            await asyncio.sleep(min(response.retry_after, 2.0))

    async def read(self, path: str, by: By) -> Any:
        """A document of reporting; None where there is none."""
        response = await self.request("GET", "reporting", path, self.keys.headers(by))
        if response.status == 404:
            return None
        if response.status != 200:
            text = response.content.decode(errors="replace")[:200]
            raise Unready(f"reporting answered {response.status} to {path}: {text}")
        return orjson.loads(response.content)

    async def request(
        self,
        method: str,
        service: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Response:
        """One request. Raises Unready when nobody answers."""
        url = URL(self.urls[service] + path, encoded=True)
        try:
            async with self.http.request(method, url, headers=headers, data=content) as response:
                after = response.headers.get("retry-after")
                body = await response.read()
                return Response(response.status, body, float(after) if after else None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unready(
                f"{service} does not answer at {self.urls[service]} ({type(error).__name__}); "
                f"is it up? Fix: qingqian up"
            ) from None


@dataclass(frozen=True)
class Response:
    """An HTTP answer, read to its end. `retry_after`: seconds."""

    status: int
    content: bytes
    retry_after: float | None = None

    def document(self) -> dict[str, Any]:
        """The JSON object in it; empty where there is none."""
        try:
            found = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}


class Lockstep:
    """The clock in the player's hand, and the acts posted under it.

    `on_answer` hears of every act and what was said to it; what it returns is put down on the
    agenda (not before the present instant). `wanted` is asked before an act is posted.
    """

    def __init__(
        self,
        services: Services,
        cast: Cast,
        *,
        name: str = "play",
        on_answer: Callable[[Act, Answer], Awaitable[Sequence[Act]]] | None = None,
        wanted: Callable[[Act], bool] = lambda act: True,
        on_instant: Callable[[datetime], None] | None = None,
    ) -> None:
        self.services = services
        self.cast = cast
        self.name = name
        self.on_answer = on_answer
        self.wanted = wanted
        self.on_instant = on_instant
        self.clock: datetime | None = None
        self.event_ids: dict[int, str] = {}
        self.instants = 0
        self._next_due: datetime | None = None
        self._known: dict[str, Responsible] = {}
        self._sent = 0

    async def run(self, agenda: Agenda, until: datetime) -> None:
        """Everything that is due or done up to `until`, inclusive; the clock ends there."""
        while True:
            due = [at for at in (agenda.next_at, self._next_due) if at is not None]
            to = min([*due, until])
            await self.advance(to)
            for acts in agenda.take(to):
                if posted := [act for act in acts if self.wanted(act)]:
                    await self._round(posted, agenda)
            if (
                to >= until
                and not _still(agenda.next_at, until)
                and not _still(self._next_due, until)
            ):
                return

    async def advance(self, to: datetime) -> None:
        """Move the clock, where it is not there yet, and wait until what was due is decided."""
        if self.clock is None or to > self.clock:
            await self._move(to)
            self.clock = to
            self.instants += 1
            if self.on_instant is not None:
                self.on_instant(to)
            await self.quiet()

    async def _move(self, to: datetime) -> None:
        body = {"type": "ClockAdvanced", "data": {"to": instant_text(to)}}
        key = f"{self.name}-clock-{instant_text(to)}"
        answer = await self.services.post("/v1/city/events", body, OPERATOR, key)
        if not answer.accepted:
            raise Unready(f"the clock does not move to {instant_text(to)}: {answer.detail}")

    async def quiet(self) -> None:
        """Two rounds over all workers with equal positions, that clock, and nothing owed."""
        found = await self._rest_of(WORKERS)
        dues = [item.next_due for item in found if item.next_due is not None]
        self._next_due = min(dues, default=None)
        if self._next_due is not None and self.clock is not None and self._next_due <= self.clock:
            raise Unready(f"a step due at {self._next_due} stands undecided at {self.clock}")

    async def _rest_of(self, names: Sequence[str]) -> list[Standing]:
        deadline = time.monotonic() + QUIET_SECONDS
        before: tuple[Mapping[str, int], ...] | None = None
        wait = 0.001
        while True:
            found = await asyncio.gather(*map(self.services.standing, names))
            rest = [self._unrest(name, item) for name, item in zip(names, found, strict=True)]
            positions = tuple(item.positions for item in found)
            if any(rest):
                before = None
            elif before == positions and _agree(positions):
                return found
            else:
                before = positions
            if time.monotonic() > deadline:
                why = next(filter(None, rest), "their positions differ")
                raise Unready(f"the workers do not come to rest in {QUIET_SECONDS:.0f} s: {why}")
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, 0.02)

    async def folded(self) -> None:
        """Return when reporting has folded everything that the workers have."""
        await self._rest_of((*WORKERS, "reporting"))

    def _unrest(self, name: str, item: Standing) -> str | None:
        if not item.ready:
            return f"{name} is not ready: {item.reason}"
        if item.clock != self.clock:
            return f"{name} is at {item.clock}, the clock at {self.clock}"
        return f"{name} owes {item.owed}" if item.owed else None

    # --- acts ----------------------------------------------------------------------------------

    async def _round(self, acts: list[Act], agenda: Agenda) -> None:
        """Acts that touch nothing in common, side by side; then quiet."""
        gate = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def one(act: Act) -> tuple[Act, Answer]:
            async with gate:
                return act, await self._post(act)

        for act, answer in await asyncio.gather(*map(one, acts)):
            if answer.event_id is not None:
                self.event_ids[act.line.number] = answer.event_id
            for more in await self.on_answer(act, answer) if self.on_answer else ():
                agenda.put(more)
        await self.quiet()

    async def _post(self, act: Act) -> Answer:
        if act.line.type == "ComplaintReceived":
            by = _given(act.line, By(str(act.line.data.get("source")), "platform"))
            return await self.services.post("/v1/complaints", act.line.data, by)
        answer = await self._report(act)
        if answer.status == 403 and act.line.by is None and act.subject in self._known:
            # It has been reassigned since: ask again who handles it.
            del self._known[act.subject]
            answer = await self._report(act)
        return answer

    async def _report(self, act: Act) -> Answer:
        self._sent += 1
        line = act.line
        by = _given(line, await self._default_by(act))
        body = {
            "type": line.type,
            "occurred_at": instant_text(line.occurred_at),
            "data": self._named(line.data),
            "by": {"unit": by.unit, "role": by.role, "person": by.person},
        }
        number = str(line.number) if line.number else f"added {self._sent}"
        key = derived_id(self.name, number, by.unit)
        return await self.services.post(_path(act), body, by, key)

    def _named(self, data: dict[str, Any]) -> dict[str, Any]:
        """Labels as case ids; an incident, named by the number of its line, as its event's id."""
        named: dict[str, Any] = self.cast.named(data)
        for name in ("incident", "visit"):
            number = str(named.get(name, ""))
            if number.isdigit() and int(number) in self.event_ids:
                named[name] = self.event_ids[int(number)]
        return named

    async def _default_by(self, act: Act) -> By:
        """A unit and role that may author it (`shared.roles`)."""
        approver = act.line.data.get("approver")
        if act.line.type == "ExtensionApproved" and approver in ("vice_convener", "convener"):
            return By(JOINT_MEETING, approver)
        if act.line.type not in AUTHORS:
            return OPERATOR
        if AUTHORS[act.line.type][0] not in ("handler", "task_force"):
            return default_by(act.line.type, Responsible(act.subject))
        return default_by(act.line.type, await self.responsible(act.subject))

    async def responsible(self, subject: str) -> Responsible:
        """Who handles a case now; remembered once it is assigned."""
        if kind_of(subject) != "case":
            return Responsible(subject)
        known = self._known.get(subject)
        if known is None:
            known = _responsible(subject, await self.services.read(f"/v1/cases/{subject}", READER))
            if known.township is not None:
                self._known[subject] = known
        return known


def _responsible(subject: str, document: dict[str, Any] | None) -> Responsible:
    case = document or {}
    case = case.get("item") or case.get("case") or case
    return Responsible(
        subject,
        township=case.get("township"),
        task_force=case.get("task_force"),
        department=case.get("department"),
        co_handlers=tuple(case.get("co_handlers") or ()),
        state=case.get("state"),
    )


def _given(line: Line, default: By) -> By:
    """The default, where the line does not say otherwise; a new person each time."""
    given = line.by or {}
    role: Any = given.get("role", default.role)
    return By(given.get("unit", default.unit), role, given.get("person", f"p{line.number}"))


def _path(act: Act) -> str:
    if act.subject == CITY:
        return "/v1/city/events"
    if kind_of(act.subject) == "unit":
        return f"/v1/units/{unit_code(act.subject)}/events"
    return f"/v1/cases/{act.subject}/events"


def _answer(response: Response) -> Answer:
    doc = response.document()
    if response.status in (200, 202):
        return Answer(response.status, doc.get("status", "recorded"), "", doc.get("event_id"))
    errors = [item.get("pointer", "") for item in doc.get("errors") or ()]
    detail = " ".join(filter(None, [doc.get("detail") or doc.get("title") or "", *errors]))
    return Answer(response.status, str(doc.get("code") or response.status), detail)


def _agree(positions: Sequence[Mapping[str, int]]) -> bool:
    """Whether the workers stand at the same place wherever two of them read the same partition."""
    first: dict[str, int] = {}
    return all(
        first.setdefault(partition, offset) == offset
        for item in positions
        for partition, offset in item.items()
    )


def _still(at: datetime | None, until: datetime) -> bool:
    return at is not None and at <= until


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
