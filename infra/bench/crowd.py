"""Figures of an installation with very many open cases: the memory of each service.

The complaints go through intake's stream, their acceptances straight to the log; what routing
and supervision decide of them makes up the rest of it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import httpx
import orjson

from infra.bench import intake
from infra.bench.figures import Figure, Limit
from infra.bench.rig import AT_ONCE, STALLED_SECONDS, Ends, Installation, Rig, book
from infra.bench.sizes import Sizes
from infra.problem import Unready
from infra.simulator import season
from infra.simulator.complaints import City
from services.intake.decider import initial
from shared.envelope import case_id_of, derived_id, encode
from shared.events import ComplaintAccepted, Event
from shared.log import CASE_EVENTS
from shared.roles import default_by
from shared.settings import SERVICES

CROWD: Final = 100_000
MEMORY: Final = Limit("at most", 300)
NOW: Final = season.END.astimezone(UTC)


class Crowd:
    """An installation with `cases` open cases."""

    def __init__(self, rig: Rig, made: Installation, cases: int) -> None:
        self.rig = rig
        self.made = made
        self.cases = cases
        self.idle: dict[str, float] = {}
        self.events = 0

    async def fill(self) -> None:
        """Bring the cases in, and wait until every service has folded everything."""
        for name in SERVICES:
            self.made.launch(name)
        await self.made.ready(*SERVICES)
        self.idle = self.peaks()
        bodies = _bodies(self.cases)
        begun = time.monotonic()
        for first in range(0, len(bodies), AT_ONCE):
            lines = [orjson.dumps(body) for body in bodies[first : first + AT_ONCE]]
            await intake.stream(self.made, lines)
            self.rig.say(f"crowd: {min(first + AT_ONCE, len(bodies))} complaints received")
        subjects = [case_id_of(body["source"], body["source_ref"]) for body in bodies]
        await self.made.publish([accepted(subject) for subject in subjects])
        self.events = await self._quiet()
        taken = time.monotonic() - begun
        self.rig.say(f"crowd: {self.events} events of {self.cases} cases in {taken:.0f} s")

    def peaks(self) -> dict[str, float]:
        """Largest memory of each running service so far, MB."""
        return {name: self.made.usage(name).peak_mb for name in self.made.children}

    async def _quiet(self) -> int:
        """Wait until every service has folded the whole log and owes nothing; its length."""
        since, last, calm, length = time.monotonic(), -1, 0, 0
        told = since
        async with Ends(self.made.settings) as ends, httpx.AsyncClient(timeout=10) as http:
            while calm < 3:
                length = await ends.total()
                folded = {name: await self._folded(http, name) for name in SERVICES}
                whole = sum(folded.values())
                now = time.monotonic()
                calm = calm + 1 if all(done == length for done in folded.values()) else 0
                if whole != last:
                    since, last = now, whole
                if now - told > 15:
                    shown = ", ".join(f"{name} {done}" for name, done in folded.items())
                    self.rig.say(f"crowd: folded {shown} of {length}")
                    told = now
                if now - since > STALLED_SECONDS:
                    raise Unready(f"nothing is folded any more: {folded} of {length}")
                await asyncio.sleep(0.5)
        return length

    async def _folded(self, http: httpx.AsyncClient, name: str) -> int:
        try:
            answer = await http.get(f"{self.made.settings.url(name)}/readyz")
        except httpx.TransportError:
            child = self.made.children[name]
            if not child.alive:
                raise Unready(f"{name} ended: {child.last_words('Error', 'critical')}") from None
            return 0
        positions: dict[str, Any] = answer.json().get("positions") or {}
        return sum(n for place, n in positions.items() if place.startswith(f"{CASE_EVENTS}/"))


def accepted(subject: str, at: datetime = NOW) -> tuple[str, bytes]:
    """The acceptance of a case at `at`, as it stands on the log."""
    by = default_by("ComplaintAccepted", initial(subject))
    event = Event(
        id=derived_id(subject, "bench", "ComplaintAccepted"),
        subject=subject,
        time=at,
        recordedtime=at,
        data=ComplaintAccepted(),
        actor=f"{by.unit}/{by.role}/-",
    )
    return subject, encode(event)


def _bodies(cases: int) -> list[dict[str, Any]]:
    """So many complaints of one campaign, each of one worker and a case of its own."""
    policy = book(season.at_opening())
    city = City(Random(7), policy.content, policy.calendar, cases)
    # Nearly half of what it makes is of many workers, odd or a twin.
    found: list[dict[str, Any]] = []
    for complaint in city.complaints(cases * 2 + 100):
        if complaint.heads == 1 and complaint.oddity is None and complaint.twin_of is None:
            found.append(complaint.data)
            if len(found) == cases:
                return found
    raise Unready(f"the simulator made {len(found)} complaints of {cases}")


async def measure(rig: Rig, sizes: Sizes) -> list[Figure]:
    """Memory of each service once it has folded all of the crowd."""
    large = Crowd(rig, await rig.installation("crowd", NOW), sizes.crowd)
    try:
        await large.fill()
        peaks = large.peaks()
        return [_memory(name, peaks[name], large) for name in SERVICES]
    finally:
        await large.made.close()


def _memory(name: str, peak: float, crowd: Crowd) -> Figure:
    """At 100,000 cases; from fewer it is drawn out in a straight line, and not judged."""
    what = f"{name}: memory at 100,000 cases"
    base = crowd.idle[name]
    if crowd.cases >= CROWD:
        note = f"peak, {crowd.events} events folded; {base:.0f} MB when just started"
        return Figure(what, "MB", (peak,), MEMORY, note=note)
    drawn = base + (peak - base) * CROWD / crowd.cases
    note = (
        f"EXTRAPOLATED in a straight line from {base:.0f} MB at the start and {peak:.0f} MB at "
        f"{crowd.cases} cases; caches that fill up make it too high"
    )
    return Figure(what, "MB", (drawn,), MEMORY, note=note, counts=False)
