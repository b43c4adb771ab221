"""Routing's streams as scattered over workers: each publishes when it gets to it, and some twice.

Decisions of one stream reach the log in their order; those of different streams in any order,
late, and again after a kill (the rows' pending events are published once more). A subject's
events have one order, as on its partition.
"""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from random import Random
from typing import Any

from services.intake.decider import CaseFile
from services.intake.decider import evolve as file_evolve
from services.intake.decider import initial as new_file
from services.reporting import folding
from services.reporting.case import Case
from services.routing.decider import STREAMS as ROUTING
from services.supervision.decider import STREAMS as SUPERVISION
from services.supervision.decider.state import Watch
from shared.events import Event
from shared.replay import Copies, replay
from shared.settle import Books, Stream, begin, is_own, take
from shared.streams import kind_of


class Scattered:
    """The log by subject, the streams of routing, and what waits to be published."""

    def __init__(self, books: Books, chance: Random, now: datetime) -> None:
        self.books = books
        self.chance = chance
        self.now = now
        self.log: dict[str, list[Event]] = defaultdict(list)
        self.streams: dict[str, Stream[Any]] = {}
        self.waiting: dict[str, deque[Event]] = defaultdict(deque)
        self.sent: list[Event] = []

    def fact(self, event: Event) -> None:
        self._append(event)

    def step(self, most: int) -> None:
        """Some of what waits is published; some of it again; a stream is lost and replayed."""
        for _ in range(self.chance.randrange(most + 1)):
            act = self.chance.random()
            if act < 0.75:
                self._publish()
            elif act < 0.9 and self.sent:
                self._append(self.chance.choice(self.sent))
            elif self.streams:
                self._lose(self.chance.choice(sorted(self.streams)))

    def quiet(self) -> None:
        """Everything that waits is published, and what follows. Fails where it never ends."""
        for _ in range(20_000):
            if not self._publish():
                return
        raise AssertionError("the streams never come to rest")

    def _publish(self) -> bool:
        ready = sorted(subject for subject, events in self.waiting.items() if events)
        if not ready:
            return False
        event = self.waiting[self.chance.choice(ready)].popleft()
        self.sent.append(event)
        self._append(event)
        return True

    def _append(self, event: Event) -> None:
        self.now += timedelta(milliseconds=1)
        self.log[event.subject].append(event)
        decider = ROUTING.get(kind_of(event.subject))
        if decider is None:
            return
        stream = self.streams.setdefault(event.subject, begin(decider, event.subject))
        self.waiting[event.subject].extend(take(decider, stream, event, self.books))

    def _lose(self, subject: str) -> None:
        """The row is lost: the stream is replayed from the log, and what is owed beyond waits."""
        replayed = self.replayed(subject)
        self.streams[subject] = replayed.stream
        self.waiting[subject] = deque(replayed.beyond)

    def replayed(self, subject: str) -> Any:
        decider = ROUTING[kind_of(subject)]
        probe = begin(decider, subject)
        copies = Copies()
        for events in self.log.values():
            for event in events:
                if is_own(decider, probe, event):
                    copies.add(event)
        seen: set[str] = set()
        foreign = []
        for event in self.log[subject]:
            if not is_own(decider, probe, event) and event.id not in seen:
                seen.add(event.id)
                foreign.append(event)
        return replay(decider, subject, foreign, copies, self.books)

    # --- what each service makes of it ----------------------------------------------------------

    def file(self, subject: str) -> CaseFile:
        state = new_file(subject)
        for event in self._once(subject):
            state = file_evolve(state, event)
        return state

    def watch(self, subject: str) -> Watch:
        decider = SUPERVISION["case"]
        state: Watch = decider.initial(subject)
        for event in self._once(subject):
            state = decider.evolve(state, event)
        return state

    def case(self, subject: str) -> Case:
        state = folding.initial(subject)
        for event in self._once(subject):
            state = folding.evolve(state, event)
        return state

    def _once(self, subject: str) -> list[Event]:
        """The first copy of each event, as every reader takes it."""
        found: dict[str, Event] = {}
        for event in self.log[subject]:
            found.setdefault(event.id, event)
        return list(found.values())
