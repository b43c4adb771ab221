"""A city in continuous time: every stream of routing and supervision, settled through one engine.

Used where no broker is needed (dry-run, what-if). A decision is on the log at the very instant
at which it is owed, and every stream that it concerns sees it at once.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.routing.decider import STREAMS as ROUTING
from services.supervision.decider import STREAMS as SUPERVISION
from shared.events import Event, Kind, Service
from shared.policy import Policy
from shared.settle import Books, Decider, Stream, begin, due_at, settle_to, take
from shared.streams import CITY, kind_of, unit_subject

Deciders = dict[Kind, Decider[Any]]


Given = Callable[[str], frozenset[str]]
"""The types that a story gives for a subject."""


class Silenced:
    """A decider that leaves to somebody else (a story) what is given for the subject decided on,
    whichever stream decides it.
    """

    def __init__(self, decider: Decider[Any], given: Given) -> None:
        self.writer = decider.writer
        self.state_type = decider.state_type
        self._decider = decider
        self._given = given

    def initial(self, subject: str) -> Any:
        return self._decider.initial(subject)

    def evolve(self, state: Any, event: Event) -> Any:
        return self._decider.evolve(state, event)

    def decide(self, state: Any, now: datetime, policy: Policy) -> list[Event]:
        owed = self._decider.decide(state, now, policy)
        return [event for event in owed if event.type not in self._given(event.subject)]

    def wake_at(self, state: Any, policy: Policy) -> datetime | None:
        last = datetime.max.replace(tzinfo=policy.adopted_at.tzinfo)
        return min((event.time for event in self.decide(state, last, policy)), default=None)


class World:
    """All streams, the log in order, and the instants at which a stream is next due.

    `given`: what is not decided for a subject; None: everything is. `watch`: called with each
    event as it is appended.
    """

    def __init__(
        self,
        books: Books,
        *,
        given: Given | None = None,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self.books = books
        self.log: list[Event] = []
        self._given = given
        self._watch = watch
        self._streams: dict[tuple[Service, str], tuple[Decider[Any], Stream[Any]]] = {}
        self._wakes: list[tuple[datetime, str, Service]] = []
        self._due: dict[tuple[Service, str], datetime | None] = {}

    def begin_units(self, at: datetime) -> None:
        """The streams of the units and the city exist from the adoption of a book on."""
        policy = self.books.at(at)
        for subject in (*(unit_subject(code) for code in policy.units), CITY):
            self._deliver(self._settle("supervision", subject, at))

    def append(self, event: Event) -> None:
        """Put an event on the log; every stream it concerns settles, and what it owes follows."""
        self._deliver([event])

    def run_until(self, until: datetime) -> None:
        """Everything that is due by the clock up to `until`, inclusive, in order of instant."""
        while self._wakes and self._wakes[0][0] <= until:
            at, subject, service = heapq.heappop(self._wakes)
            if self._due.get((service, subject)) == at:
                self._deliver(self._settle(service, subject, at))

    def state(self, service: Service, subject: str) -> Any:
        """The folded state of a stream as one service knows it; None where there is none."""
        entry = self._streams.get((service, subject))
        return entry[1].state if entry else None

    def _deliver(self, events: list[Event]) -> None:
        queue = deque(events)
        while queue:
            event = queue.popleft()
            self.log.append(event)
            if self._watch is not None:
                self._watch(event)
            for service in ("routing", "supervision"):
                queue.extend(self._take(service, event))

    def _take(self, service: Service, event: Event) -> list[Event]:
        entry = self._stream(service, event.subject)
        if entry is None:
            return []
        owed = take(entry[0], entry[1], event, self.books)
        self._schedule(service, event.subject)
        return owed

    def _settle(self, service: Service, subject: str, at: datetime) -> list[Event]:
        entry = self._stream(service, subject)
        if entry is None:
            return []
        owed = settle_to(entry[0], entry[1], at, self.books)
        self._schedule(service, subject)
        return owed

    def _stream(self, service: Service, subject: str) -> tuple[Decider[Any], Stream[Any]] | None:
        entry = self._streams.get((service, subject))
        if entry is None:
            table: Deciders = ROUTING if service == "routing" else SUPERVISION
            decider = table.get(kind_of(subject))
            if decider is None:
                return None
            if self._given is not None:
                decider = Silenced(decider, self._given)
            entry = self._streams[service, subject] = (decider, begin(decider, subject))
        return entry

    def _schedule(self, service: Service, subject: str) -> None:
        decider, stream = self._streams[service, subject]
        wake = due_at(decider, stream, self.books)
        if self._due.get((service, subject)) != wake:
            self._due[service, subject] = wake
            if wake is not None:
                heapq.heappush(self._wakes, (wake, subject, service))
