"""The laws of design 4, for any decider; and a worker that lives through lag, outage and loss.

A history is a list of foreign events in the order of the log. `live` is the ideal: decide after
each event and at each wake-up between. `Worker` is what really happens: it reads late and in
batches, is swept only when it has read everything, is killed with decisions not yet published,
and loses its tables. Whatever happens to it, it must decide what `live` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.envelope import data_json
from shared.events import Decision, Event
from shared.replay import Found, replay, resume, retake
from shared.settle import Books, Decider, Stream, begin, is_own, settle_to, take

Decided = list[tuple[str, str, datetime, str]]


def outcome(events: Sequence[Event]) -> Decided:
    """Decisions as the law compares them: id (type and natural key), subject, time, data."""
    return sorted((e.id, e.subject, e.time, str(data_json(e.data))) for e in events)


def live(
    decider: Decider[Any], subject: str, history: Sequence[Event], books: Books, until: datetime
) -> list[Event]:
    """What is decided by deciding after each event and at each wake-up between."""
    stream = begin(decider, subject)
    decided: list[Event] = []
    for event in history:
        decided += take(decider, stream, event, books)
    return decided + settle_to(decider, stream, until, books)


@dataclass
class Worker:
    """One service's worker on one stream, and the log as it sees it.

    `log`: everything published, in the order in which it landed. `read`: how far it has read.
    """

    decider: Decider[Any]
    subject: str
    books: Books
    log: list[Event] = field(default_factory=list)
    read: int = 0
    pending: list[Event] = field(default_factory=list)
    stream: Stream[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.stream = begin(self.decider, self.subject)

    def fold(self, count: int) -> None:
        """Read up to `count` records further, in one batch."""
        for event in self.log[self.read : self.read + count]:
            self.pending += take(self.decider, self.stream, event, self.books)
        self.read = min(len(self.log), self.read + count)

    def sweep(self, now: datetime) -> None:
        """Read to the end, then settle by the clock."""
        self.fold(len(self.log))
        self.pending += settle_to(self.decider, self.stream, now, self.books)

    def publish(self, now: datetime) -> None:
        self.log += [event.replace(recordedtime=max(now, event.time)) for event in self.pending]
        self.pending = []

    def publish_and_forget(self, now: datetime) -> None:
        """Killed after publishing, before clearing what is pending: it will be published again."""
        kept = list(self.pending)
        self.publish(now)
        self.pending = kept

    def lose_tables(self) -> None:
        """The schema is dropped; the stream is rebuilt from the log to its end."""
        found = Found(self.decider.writer)
        for event in self.log:
            found.add(event)
        copies = found.of(self.subject)
        self.stream = begin(self.decider, self.subject)
        owed = resume(self.decider, self.stream, self.books, copies)
        for event in self.log:
            owed += retake(self.decider, self.stream, event, self.books, copies)
        self.read = len(self.log)
        self.pending = [event for event in owed if event.id not in copies.by_id]

    def decided(self) -> list[Event]:
        """Own decisions on the log, each id once: the first copy counts."""
        own = [event for event in self.log if is_own(self.decider, self.stream, event)]
        return list({event.id: event for event in reversed(own)}.values())


def decides_iff_awake(
    decider: Decider[Any], subject: str, history: Sequence[Event], books: Books, until: datetime
) -> None:
    """`decide(s, t)` is non-empty iff `wake_at(s)` is not None and <= t; settled: nothing owed."""
    stream = begin(decider, subject)
    for event in history:
        take(decider, stream, event, books)
        assert stream.instant is not None
        book = books.at(stream.instant)
        wake = decider.wake_at(stream.state, book)
        assert decider.decide(stream.state, stream.instant, book) == []
        assert wake is None or wake > stream.instant
        for instant in _around(wake, stream.instant, until):
            owed = decider.decide(stream.state, instant, book)
            assert bool(owed) == (wake is not None and wake <= instant)
            assert all(decision.time <= instant for decision in owed)


def _around(wake: datetime | None, now: datetime, until: datetime) -> list[datetime]:
    tick = timedelta(microseconds=1)
    return [now, until] if wake is None else [now, wake - tick, wake, wake + tick, until]


def ignores_when_a_decision_was_written(
    decider: Decider[Any], subject: str, history: Sequence[Event], books: Books, until: datetime
) -> None:
    """`evolve` never reads `recordedtime` of a decision: it counts from its `time`."""
    state = decider.initial(subject)
    decisions = live(decider, subject, history, books, until)
    for event in [*history, *decisions]:
        if isinstance(event.data, Decision):
            later = event.replace(recordedtime=event.recordedtime + timedelta(days=3))
            assert decider.evolve(state, later) == decider.evolve(state, event)
        state = decider.evolve(state, event)


def replays_to_itself(
    decider: Decider[Any], subject: str, history: Sequence[Event], books: Books, until: datetime
) -> None:
    """What was decided live is decided again from the log, and nothing beyond it."""
    decided = live(decider, subject, history, books, until)
    found = Found(decider.writer)
    for decision in decided:
        found.add(decision)
    again = replay(decider, subject, history, found.of(subject), books, until=until)
    assert again.beyond == []
    assert again.not_owed == []
    assert outcome(again.owed) == outcome(decided)
    assert [event.basis for event in again.owed] == [event.basis for event in decided]
