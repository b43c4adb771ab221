"""`governance-events`, read whole by every worker: the adopted books and the clock.

A fact may have been recorded right after a book came into force or the clock moved, so a worker
calls `catch_up` before it folds what it has received: what governs a record stands on the log
before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import datetime

from shared.clock import Clock, ClockUnset, LogClock, WallClock
from shared.envelope import Unreadable, decode
from shared.events import ClockAdopted, ClockAdvanced, Event, PolicyAdopted
from shared.identity import identify
from shared.journal import journal
from shared.log import GOVERNANCE_EVENTS, Reader, Record
from shared.metrics import CLOCK, PARKED
from shared.policy import Policy, PolicyError, adopted
from shared.settings import Settings
from shared.settle import Books

log = journal("governance")

Listener = Callable[[Event], None]


class Ungoverned(LookupError):
    """No book or no clock has been adopted yet: intake has not started for the first time."""


class Governance:
    """What governs: books, clock, and how far it was read. `listeners` hear of every event."""

    def __init__(self, settings: Settings, client: str) -> None:
        self.settings = settings
        self.reader = Reader(settings, f"{client}-governance")
        self.listeners: list[Listener] = []
        self.position = 0
        self._policies: dict[str, Policy] = {}
        self._clock: Clock | None = None
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._seen: set[str] = set()

    @property
    def books(self) -> Books:
        """Every adopted book. Raises Ungoverned before the first adoption."""
        if not self._policies:
            raise Ungoverned("no policy book is adopted")
        return self._books

    @property
    def clock(self) -> Clock:
        """The adopted clock. Raises Ungoverned before its adoption."""
        if self._clock is None:
            raise Ungoverned("no clock is adopted")
        return self._clock

    @property
    def governed(self) -> bool:
        return bool(self._policies) and self._clock is not None

    def policy(self, adoption_id: str) -> Policy | None:
        return self._policies.get(adoption_id)

    async def start(self) -> None:
        """Read everything that is there, and go on reading. Raises Unavailable, or NoTopic."""
        await identify(self.settings, GOVERNANCE_EVENTS)  # Else its consumer would ask for ever.
        await self.reader.start()
        self._task = asyncio.create_task(self._follow(), name="governance")
        await self.catch_up()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.reader.stop()

    async def end(self) -> int:
        """The offset after the last record. Raises Unavailable."""
        return (await self.reader.ends(GOVERNANCE_EVENTS, (0,)))[0]

    async def catch_up(self) -> None:
        """Fold everything that is on the topic now. Raises Unavailable."""
        await self.reach(await self.end())

    async def reach(self, end: int) -> None:
        """Wait until everything below `end` is folded. Raises what ended the reading, or
        RuntimeError.
        """
        while self.position < end:
            if self._task is None or self._task.done():
                if self._task is not None and not self._task.cancelled():
                    self._task.result()
                raise RuntimeError("governance is not being read any more")
            self._moved.clear()
            moved = asyncio.create_task(self._moved.wait())
            await asyncio.wait((moved, self._task), return_when=asyncio.FIRST_COMPLETED)
            moved.cancel()

    async def changed(self, seconds: float) -> None:
        """Wait until something is folded, at most so long."""
        self._moved.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), seconds)

    async def _follow(self) -> None:
        start = {(GOVERNANCE_EVENTS, 0): self.position}
        async with aclosing(self.reader.follow(start)) as batches:
            async for records in batches:
                for record in records:
                    self._take(record)
                    self.position = record.offset + 1
                if records:
                    self._moved.set()

    def _take(self, record: Record) -> None:
        try:
            event = decode(record.value)
            self.fold(event)
        except (Unreadable, PolicyError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "unreadable_policy"
            PARKED.labels(reason).inc()
            log.error("unreadable", topic=record.topic, offset=record.offset, reason=reason)

    def fold(self, event: Event) -> None:
        """Take one governance event in; an id seen before changes nothing."""
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        match event.data:
            case PolicyAdopted():
                self._policies[event.id] = adopted(event)
                self._books = Books(list(self._policies.values()))
                self._start_clock(event.recordedtime)
            case ClockAdopted(clock=kind) if self._clock is None:
                self._clock = WallClock() if kind == "wall" else LogClock(event.recordedtime)
            case ClockAdvanced(to=to):
                self._start_clock(to)
            case _:
                pass
        if self._clock is not None:
            CLOCK.set_function(self._seconds)  # Read when it is asked for: the wall clock moves.
        for listener in self.listeners:
            listener(event)

    def _start_clock(self, at: datetime) -> None:
        if isinstance(self._clock, LogClock):
            self._clock.advance(at)

    def _seconds(self) -> float:
        try:
            return self.clock.now().timestamp()
        except (Ungoverned, ClockUnset):
            return 0.0
