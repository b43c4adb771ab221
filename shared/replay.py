"""Replaying a stream that has decisions on the log already (design 5.5): rebuild and audit.

What was decided stands, and it was decided with the knowledge that its `basis` names, wherever
it landed on the log: a decision may lie after a fact that it had not seen. So after each foreign
event the stream is settled to the `time` of every own decision that rests on it, the copy on the
log is folded in place of the computed one, and a later foreign event counts from the latest of
those times at the earliest, as it did for the worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from shared.envelope import writer_of
from shared.events import Event, Service
from shared.settle import Books, Decider, Stream, begin, settle_to, take

S = TypeVar("S")
Mark = tuple[datetime, str | None]
"""The `time` of a decision and the book it names."""


@dataclass
class Copies:
    """The decisions of one stream that are on the log. The first copy of an id counts.

    `resting`: basis -> (time, book) of the decisions that rest on it.
    """

    by_id: dict[str, Event] = field(default_factory=dict)
    resting: dict[str, set[Mark]] = field(default_factory=dict)

    def add(self, event: Event, *, basis: str | None = None) -> bool:
        """Index a copy; False where its id is known already. `basis`: instead of its own."""
        if event.id in self.by_id:
            return False
        self.by_id[event.id] = event
        resting = self.resting.setdefault(basis or event.basis or "", set())
        resting.add((event.time, event.policy))
        return True


NONE = Copies()
"""For a stream that has decided nothing yet; never added to."""


class Found:
    """Every decision of one service found on the log, by the stream that decided it."""

    def __init__(self, writer: Service) -> None:
        self.writer = writer
        self._streams: dict[str, Copies] = {}

    def add(self, event: Event) -> bool:
        """Index an event of the log; False if it is not this service's or its id is known."""
        if writer_of(event) != self.writer:
            return False
        return self._streams.setdefault(event.decider, Copies()).add(event)

    def of(self, subject: str) -> Copies:
        """What the stream of `subject` decided."""
        return self._streams.get(subject, NONE)

    def pop(self, subject: str) -> Copies:
        """As `of`, and forget it: the stream is replayed."""
        return self._streams.pop(subject, NONE)

    @property
    def subjects(self) -> set[str]:
        """The streams that decided something."""
        return set(self._streams)


def resume(decider: Decider[S], stream: Stream[S], books: Books, copies: Copies) -> list[Event]:
    """Settle a fresh stream to what rests on an adoption: a silent unit's own decisions."""
    return _catch_up(decider, stream, [book.adoption_id for book in books.adopted], books, copies)


def retake(
    decider: Decider[S], stream: Stream[S], event: Event, books: Books, copies: Copies
) -> list[Event]:
    """As `settle.take`, and then up to everything on the log that rests on this event.

    Returns what came to be owed, in order; what of it is not in `copies.by_id` is owed beyond
    what the log has.
    """
    owed = take(decider, stream, event, books, found=copies.by_id)
    if event.id in copies.resting and stream.basis == event.id:
        owed += _catch_up(decider, stream, [event.id], books, copies)
    return owed


def _catch_up(
    decider: Decider[S], stream: Stream[S], bases: list[str], books: Books, copies: Copies
) -> list[Event]:
    resting = [mark for basis in bases for mark in copies.resting.get(basis, ())]
    if not resting:
        return []
    # What a newer book found overdue has the time of its adoption, a tick before it is in force.
    since: dict[Mark, datetime] = {
        (book.adopted_at, book.ref): books.since(book) for book in books.adopted[1:]
    }
    until = max(since.get(mark, mark[0]) for mark in resting)
    if stream.instant is not None and until <= stream.instant:
        return []
    owed = settle_to(decider, stream, until, books, found=copies.by_id)
    stream.instant = until
    return owed


@dataclass
class Replayed(Generic[S]):
    """A stream replayed. `owed`: everything settle computed, in order."""

    stream: Stream[S]
    copies: Copies
    owed: list[Event]

    @property
    def beyond(self) -> list[Event]:
        """Owed, and not on the log."""
        return [event for event in self.owed if event.id not in self.copies.by_id]

    @property
    def not_owed(self) -> list[Event]:
        """On the log, and not owed."""
        owed = {event.id for event in self.owed}
        return [event for key, event in self.copies.by_id.items() if key not in owed]


def replay(
    decider: Decider[S],
    subject: str,
    foreign: Iterable[Event],
    copies: Copies,
    books: Books,
    *,
    until: datetime | None = None,
) -> Replayed[S]:
    """Replay the stream of `subject` from its foreign events in the order of the log.

    `until`: afterwards settle by the clock up to there. Raises LawBroken where a copy that is
    folded leaves the same decision owed again: it is not what the rule decided.
    """
    stream = begin(decider, subject)
    owed = resume(decider, stream, books, copies)
    for event in foreign:
        owed += retake(decider, stream, event, books, copies)
    if until is not None:
        owed += settle_to(decider, stream, until, books, found=copies.by_id)
    return Replayed(stream, copies, owed)
