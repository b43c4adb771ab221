"""The one place that calls the deciders: settling a stream of events up to an instant.

Reconciler, dry-run, player, audit and what-if all come through here, so that a decision does
not depend on who computed it, when, or in what batches. Before an event the stream is settled
up to the event's instant, then the event is folded, then the stream is settled again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from shared.envelope import writer_of
from shared.events import Event, Service
from shared.policy import Policy

S = TypeVar("S")


_EVER = datetime.min.replace(tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Decider(Protocol[S]):
    """What a service says about one kind of stream: four pure functions and its writer."""

    writer: Service
    state_type: type[S]
    """A frozen dataclass of plain values; stored as JSON by msgspec."""

    def initial(self, subject: str) -> S:
        """The state before any event."""

    def evolve(self, state: S, event: Event) -> S:
        """The state after an event; sees no clock."""

    def decide(self, state: S, now: datetime, policy: Policy) -> list[Event]:
        """Everything owed at `now`; empty iff `wake_at` is None or later than `now`."""

    def wake_at(self, state: S, policy: Policy) -> datetime | None:
        """The earliest instant at which something is owed."""


class Books:
    """Every adopted policy book with its adoption, in order of adoption; never empty.

    A newer book is in force from the tick after its adoption: what else was recorded at that very
    instant (the log clock stands still for many events) may lie before it or after it, and must
    not be decided differently by workers that saw them in another order.
    """

    def __init__(self, adopted: Sequence[Policy]) -> None:
        if not adopted:
            raise ValueError("no policy book is adopted")
        self.adopted = sorted(adopted, key=lambda policy: policy.adopted_at)
        self._since = [_EVER, *(policy.adopted_at + _TICK for policy in self.adopted[1:])]

    def at(self, instant: datetime) -> Policy:
        """The book in force; before the first adoption, the first."""
        if len(self._since) == 1:
            return self.adopted[0]
        return self.adopted[bisect_right(self._since, instant) - 1]

    def since(self, policy: Policy) -> datetime:
        """The first instant at which a book is in force."""
        return self._since[self.adopted.index(policy)]

    def next_after(self, policy: Policy) -> Policy | None:
        if policy is self.adopted[-1]:
            return None
        return self.adopted[self.adopted.index(policy) + 1]

    @property
    def first(self) -> Policy:
        return self.adopted[0]

    @property
    def latest(self) -> Policy:
        return self.adopted[-1]


@dataclass
class Stream(Generic[S]):
    """One stream as one service knows it.

    `instant`: running maximum over the foreign events folded and the own decisions' instants; a
    settling that decides nothing leaves it, so that a replay, which sees only what is on the log,
    comes to the same instants. `basis`: id of the last foreign event. `book`: the one last used.
    `seen`: ids of foreign events folded. `decided`: ids of own decisions folded since it was
    loaded (a guard, not part of what is stored).
    """

    subject: str
    state: S
    instant: datetime | None = None
    basis: str | None = None
    book: Policy | None = None
    seen: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)
    woken: tuple[S, Policy, datetime | None] | None = field(default=None, repr=False)
    """The last answer of `wake_at`, which holds while state and book are the very same."""


class LawBroken(RuntimeError):
    """A decider broke a law of design 4; the process must stop rather than decide wrongly."""


def begin(decider: Decider[S], subject: str) -> Stream[S]:
    return Stream(subject=subject, state=decider.initial(subject))


def is_own(decider: Decider[S], stream: Stream[S], event: Event) -> bool:
    """Decided by this very stream; what another stream addressed here is foreign."""
    return writer_of(event) == decider.writer and event.decider == stream.subject


def settle_to(
    decider: Decider[S],
    stream: Stream[S],
    until: datetime,
    books: Books,
    *,
    found: dict[str, Event] | None = None,
) -> list[Event]:
    """Decide and fold everything owed up to `until`, inclusive; returns the decisions in order.

    Each carries as `recordedtime` the instant from which it is owed: its own `time`, or that of
    the fact that came later (a back-filled one). `found`: copies already on the log by id
    (replay); such a copy is folded in place of the computed one.
    """
    owed: list[Event] = []
    book = books.at(stream.instant) if stream.instant else books.first
    while True:
        wake = wake_at(decider, stream, book)
        newer = books.next_after(book)
        if newer is not None and books.since(newer) <= until:
            if wake is None or wake >= books.since(newer):
                book = newer
                continue
        elif wake is None or wake > until:
            stream.book = book
            return owed
        owed += _decide_at(decider, stream, wake, book, books, found)


def wake_at(decider: Decider[S], stream: Stream[S], book: Policy) -> datetime | None:
    """The earliest instant at which the stream owes something under `book`.

    Remembered: deciders are pure, and the settling before an event asks what the one after the
    event before it asked.
    """
    if stream.woken is None or stream.woken[0] is not stream.state or stream.woken[1] is not book:
        stream.woken = (stream.state, book, decider.wake_at(stream.state, book))
    return stream.woken[2]


def due_at(decider: Decider[S], stream: Stream[S], books: Books) -> datetime | None:
    """When settling this stream next has something to do: its wake-up, or a newer book."""
    book = stream.book or books.first
    newer = books.next_after(book)
    instants = (wake_at(decider, stream, book), books.since(newer) if newer else None)
    return min((instant for instant in instants if instant is not None), default=None)


def _decide_at(
    decider: Decider[S],
    stream: Stream[S],
    now: datetime,
    book: Policy,
    books: Books,
    found: dict[str, Event] | None,
) -> list[Event]:
    """Decide at `now` and fold; what a newer book finds overdue has the time of its adoption."""
    if book is not books.first:
        now = max(now, book.adopted_at)
    decisions = decider.decide(stream.state, now, book)
    if not decisions:
        raise LawBroken(f"{stream.subject}: nothing owed at its own wake-up {now}")
    settled: list[Event] = []
    for decision in decisions:
        if decision.id in stream.decided:
            raise LawBroken(f"{stream.subject}: {decision!r} is owed a second time")
        decision.time = max(decision.time, now)
        stream.instant = max(decision.time, books.since(book), stream.instant or _EVER)
        decision.recordedtime = stream.instant
        decision.basis = stream.basis or book.adoption_id
        decision.policy = book.ref
        fold = found.get(decision.id, decision) if found else decision
        stream.state = decider.evolve(stream.state, fold)
        stream.decided.add(decision.id)
        settled.append(decision)
    return settled


def take(
    decider: Decider[S],
    stream: Stream[S],
    event: Event,
    books: Books,
    *,
    found: dict[str, Event] | None = None,
) -> list[Event]:
    """Settle up to a foreign event, fold it, settle again; returns what came to be owed.

    An own decision read back and an id seen before change nothing.
    """
    if event.id in stream.seen or is_own(decider, stream, event):
        return []
    instant = event.recordedtime
    if stream.instant is not None and stream.instant > instant:
        instant = stream.instant
        event = event.replace(recordedtime=instant)
    owed = settle_to(decider, stream, instant, books, found=found)
    stream.instant = instant
    stream.state = decider.evolve(stream.state, event)
    stream.basis = event.id
    stream.seen.add(event.id)
    return owed + settle_to(decider, stream, instant, books, found=found)


def folded(decider: Decider[S], subject: str, events: Iterable[Event]) -> Iterator[tuple[Event, S]]:
    """Each event with the state after it. Decides nothing: for who tells what became of a stream
    that was decided already, facts and decisions in the order given.
    """
    state = decider.initial(subject)
    for event in events:
        state = decider.evolve(state, event)
        yield event, state
