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
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import ValidationError

from infra.agenda import Act, Agenda, Cast, Chain
from infra.client import Answer, Client, Standing
from infra.problem import Unready
from infra.story import LINE_FIELDS, author, renamed
from shared.envelope import derived_id
from shared.events import TYPES, instant_text
from shared.roles import AUTHORS, OFFICE, By, default_by
from shared.streams import CITY, kind_of, unit_code

WORKERS: Final = ("intake", "routing", "supervision")
QUIET_SECONDS: Final = 120.0
"""How long the workers may take to come to rest after one round of acts."""
_SIDE_BY_SIDE: Final = 24
OPERATOR: Final = By("operator", "operator")
READER: Final = By(OFFICE, "office")
"""Who reads for the player."""


@dataclass
class Responsible:
    """Who handles a case, as reporting knows it (`shared.roles.Responsible`)."""

    subject: str
    township: str | None = None
    task_force: str | None = None
    department: str | None = None
    co_handlers: tuple[str, ...] = ()


class Lockstep:
    """The clock in the player's hand, and the acts posted under it.

    `on_answer` hears of every act and what was said to it, `on_instant` of every instant at which
    the clock stops; what they return is put down on the agenda (not before the present instant).
    `wanted` is asked before an act is posted.
    """

    def __init__(
        self,
        client: Client,
        cast: Cast,
        *,
        name: str = "play",
        on_answer: Callable[[Act, Answer], Awaitable[Sequence[Act]]] | None = None,
        wanted: Callable[[Act], bool] = lambda act: True,
        on_instant: Callable[[datetime], Awaitable[Sequence[Act]]] | None = None,
    ) -> None:
        self.client = client
        self.cast = cast
        self.name = name
        self.on_answer = on_answer
        self.wanted = wanted
        self.on_instant = on_instant
        self.clock: datetime | None = None
        self.event_ids: dict[str, str] = {}
        self.instants = 0
        self._next_due: datetime | None = None
        self._next_issue: datetime | None = None
        self._first = True
        self._known: dict[str, Responsible] = {}
        self._sent = 0
        self._usual_rest = 0.02

    async def run(self, agenda: Agenda, until: datetime) -> None:
        """Everything that is due or done up to `until`, inclusive; the clock ends there."""
        while True:
            dues = (agenda.next_at, self._next_due, self._next_issue)
            due = [at for at in dues if at is not None]
            to = min([*due, until])
            rounds = agenda.take(to)
            if await self.advance(to, waits=not (agenda.brisk and rounds)) and self.on_instant:
                for act in await self.on_instant(to):
                    agenda.put(act)
            while rounds:
                for chains in rounds:
                    await self._round(chains, agenda)
                rounds = agenda.take(to)
            if _still(self._next_due, to):
                await self.quiet()  # Nothing was posted that would have waited for what is due.
            if (
                to >= until
                and not _still(agenda.next_at, until)
                and not _still(self._next_due, until)
            ):
                return

    async def advance(self, to: datetime, *, waits: bool = True) -> bool:
        """Move the clock, where it is not there yet, and wait until what was due is decided.

        Where no step is due by then everybody is at rest already: there is nothing to wait for.
        True if it moved.
        """
        if self.clock is not None and to <= self.clock:
            return False
        waits = self.clock is None or (waits and _still(self._next_due, to))
        waits = waits or _still(self._next_issue, to)
        await self._move(to)
        self.clock = to
        self.instants += 1
        if waits:
            await self.quiet()
        return True

    async def _move(self, to: datetime) -> None:
        body = {"type": "ClockAdvanced", "data": {"to": instant_text(to)}}
        key = f"{self.name}-clock-{instant_text(to)}"
        answer = await self.client.post("/v1/city/events", body, OPERATOR, key)
        if not answer.accepted:
            raise Unready(f"the clock does not move to {instant_text(to)}: {answer.detail}")

    async def quiet(self) -> None:
        """Two rounds over all workers with equal positions, that clock, and nothing owed.

        Reporting is waited for at the beginning and where it publishes: it decides nothing that
        another act could depend on.
        """
        if self.clock is not None and (self._first or _still(self._next_issue, self.clock)):
            *found, reporting = await self._rest_of((*WORKERS, "reporting"))
            self._first, self._next_issue = False, reporting.next_due
        else:
            found = await self._rest_of(WORKERS)
        dues = [item.next_due for item in found if item.next_due is not None]
        self._next_due = min(dues, default=None)
        if self._next_due is not None and self.clock is not None and self._next_due <= self.clock:
            raise Unready(f"a step due at {self._next_due} stands undecided at {self.clock}")

    async def _rest_of(self, names: Sequence[str]) -> list[Standing]:
        """Asking costs the workers time, so the first question comes when rest is likely."""
        begun = time.monotonic()
        before: tuple[Mapping[str, int], ...] | None = None
        await asyncio.sleep(self._usual_rest * 0.6)
        while True:
            found = await asyncio.gather(*map(self.client.standing, names))
            rest = [self._unrest(name, item) for name, item in zip(names, found, strict=True)]
            positions = tuple(item.positions for item in found)
            took = time.monotonic() - begun
            if any(rest):
                before = None
            elif before == positions:
                return found
            elif _agree(positions):
                before = positions
                self._usual_rest += 0.2 * (min(took, 0.5) - self._usual_rest)
                continue
            if took > QUIET_SECONDS:
                why = next(filter(None, rest), "their positions differ")
                raise Unready(f"the workers do not come to rest in {QUIET_SECONDS:.0f} s: {why}")
            await asyncio.sleep(max(0.004, self._usual_rest * 0.25))

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

    async def _round(self, chains: list[Chain], agenda: Agenda) -> None:
        """Chains that touch nothing in common, side by side; then quiet."""
        wanted = [[act for act in chain if self.wanted(act)] for chain in chains]
        await self._meet([act for chain in wanted for act in chain])
        gate = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def one(chain: Chain) -> list[tuple[Act, Answer]]:
            async with gate:
                return [(act, await self._post(act)) for act in chain]

        for answered in await asyncio.gather(*map(one, wanted)):
            for act, answer in answered:
                if answer.event_id is not None:
                    self.event_ids[str(act.line.number)] = answer.event_id
                for more in await self.on_answer(act, answer) if self.on_answer else ():
                    agenda.put(more)
        if any(wanted):
            await self.quiet()

    async def _post(self, act: Act) -> Answer:
        if act.line.type == "ComplaintReceived":
            default = By(str(act.line.data.get("source")), "platform")
            by = author(act.line, default, Responsible(act.subject))
            return await self.client.post("/v1/complaints", act.line.data, by)
        answer = await self._report(act)
        if answer.status == 403 and _by_handler(act) and act.subject in self._known:
            # It has been reassigned since: ask again who handles it.
            self._known.pop(act.subject, None)
            await self._meet([act])
            answer = await self._report(act)
        return answer

    async def _report(self, act: Act) -> Answer:
        self._sent += 1
        line = act.line
        by = await self._author(act)
        body = {
            "type": line.type,
            "occurred_at": instant_text(line.occurred_at),
            "data": self._named(line.data),
            "by": {"unit": by.unit, "role": by.role, "person": by.person},
        }
        number = str(line.number) if line.number else f"added {self._sent}"
        key = derived_id(self.name, number, by.unit)
        return await self.client.post(_path(act), body, by, key)

    def _named(self, data: dict[str, Any]) -> dict[str, Any]:
        """Labels as case ids; an incident, named by the number of its line, as its event's id."""
        named: dict[str, Any] = renamed(self.cast.named(data), self.event_ids, LINE_FIELDS)
        return named

    async def _author(self, act: Act) -> By:
        """Whom the line names, else a unit and role that may author it (`shared.roles`)."""
        known = Responsible(act.subject)
        if act.line.type not in AUTHORS:
            return author(act.line, OPERATOR, known)  # No fact: intake says so.
        if _by_handler(act):
            known = await self.responsible(act.subject)
        try:
            data: Any = TYPES[act.line.type].model_validate(act.line.data)
        except ValidationError:
            data = None  # Malformed: intake says where.
        return author(act.line, default_by(act.line.type, known, data), known)

    async def _meet(self, acts: Sequence[Act]) -> None:
        """Learn who handles the cases that are new to us, all at once, as reporting knows it."""
        new = {act.subject for act in acts if _by_handler(act)} - self._known.keys()
        if new:
            await self._rest_of(("intake", "reporting"))
            page = await self.client.read("/v1/cases?state=ASSIGNED&limit=500", READER)
            for case in page["items"]:
                self._known[case["case_id"]] = _responsible(case["case_id"], case)

    async def responsible(self, subject: str) -> Responsible:
        """Who handles a case now; remembered once it is assigned."""
        known = self._known.get(subject)
        if known is None:
            found = await self.client.read(f"/v1/cases/{subject}", READER)
            known = _responsible(subject, found["case"] if found else {})
            if known.township is not None:
                self._known[subject] = known
        return known


def _by_handler(act: Act) -> bool:
    """Whether the author follows from who handles the case."""
    given = act.line.by or {}
    if kind_of(act.subject) != "case" or given.keys() >= {"unit", "role"}:
        return False
    places = AUTHORS.get(act.line.type, ("operator",))
    return "role" in given or places[0] in ("handler", "task_force", "addressee")


def _responsible(subject: str, case: dict[str, Any]) -> Responsible:
    return Responsible(
        subject,
        township=case.get("township"),
        task_force=case.get("task_force"),
        department=case.get("department"),
        co_handlers=tuple(case.get("co_handlers") or ()),
    )


def _path(act: Act) -> str:
    if act.subject == CITY:
        return "/v1/city/events"
    if kind_of(act.subject) == "unit":
        return f"/v1/units/{quote(unit_code(act.subject))}/events"
    return f"/v1/cases/{act.subject}/events"


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
