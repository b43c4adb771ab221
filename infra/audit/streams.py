"""Replaying one stream of one service and comparing what it owes with what is on the log.

Where they differ, several readings of the log are tried and the one that needs the fewest
findings is reported: a decision that somebody changed either misled what was decided after it
(then it must be folded as it stands) or nobody (then what the rule gives must be folded); a
forged one must not move the stream's clock; one with an old basis either was decided without
the newer facts or only says so.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Final

from infra.audit.findings import Finding, differences, name_of, same_content
from infra.audit.log import TOLERANCE, Activity, micros
from infra.audit.records import Entry
from shared.calendar import CalendarEnds
from shared.envelope import writer_of
from shared.events import Event, instant_text
from shared.log import CASE_EVENTS, partition_of
from shared.replay import Copies, Replayed, replay
from shared.settle import Books, Decider, LawBroken, settle_to

ON_TIME: Final = timedelta(seconds=10)
"""A step fires 5 s after its instant, so a writer at work within these has not passed it over."""
LOOK_AHEAD: Final = timedelta(days=400)
"""How far beyond the log a decision that is not owed is looked for: it may be premature."""


@dataclass(frozen=True)
class Context:
    """What the whole log says. `wall`: its clock is that of the broker, which stamps appendings."""

    books: Books
    horizon: datetime
    wall: bool
    activity: Activity

    @cached_property
    def refs(self) -> frozenset[str]:
        return frozenset(book.ref for book in self.books.adopted)


@dataclass
class Case:
    """One stream of one service: what it must fold, and what it is said to have decided."""

    decider: Decider[Any]
    subject: str
    foreign: Sequence[Entry]
    found: dict[str, Entry]
    order: dict[str, int] = field(init=False)
    instants: list[datetime] = field(init=False)
    """The instant of each foreign event: the running maximum of `recordedtime`."""

    def __post_init__(self) -> None:
        self.order = {entry.event.id: index for index, entry in enumerate(self.foreign)}
        self.instants = list(accumulate((e.event.recordedtime for e in self.foreign), max))

    def basis(self, entry: Entry) -> Entry | None:
        """The fact that a decision rests on; None where the stream never took it in."""
        index = self.order.get(entry.event.basis or "")
        return None if index is None else self.foreign[index]


@dataclass
class Verdict:
    """`unowed`, `missing`: what found no partner in this stream; another one may have it."""

    findings: list[Finding]
    unowed: list[Entry]
    missing: list[Event]

    @property
    def weight(self) -> int:
        return len(self.findings) + len(self.unowed) + len(self.missing)


def examine(case: Case, context: Context) -> Verdict:
    """Everything about the decisions of one stream. Raises LawBroken for a fault of a decider."""
    stale = {key: fact for key, entry in case.found.items() if (fact := ignored(case, entry))}
    best: Verdict | None = None
    for copies, trusted in _readings(case, stale, context):
        try:
            replayed = _replay(case, copies, context)
        except (LawBroken, CalendarEnds):
            if trusted:
                raise
            continue
        verdict = _compare(case, replayed, stale, context)
        if best is None or verdict.weight < best.weight:
            best = verdict
        if not best.weight:
            break
    assert best is not None
    return best


def _replay(case: Case, copies: Copies, context: Context) -> Replayed[Any]:
    facts = (entry.event for entry in case.foreign)
    until = context.horizon
    return replay(case.decider, case.subject, facts, copies, context.books, until=until)


def _readings(
    case: Case, stale: dict[str, Entry], context: Context
) -> Iterator[tuple[Copies, bool]]:
    """Copies to replay with, the plain reading first; True: with nothing that could mislead."""
    yield _copies(case.found.values()), False
    bases = {key: _knew(case, case.found[key]) for key in stale}
    if stale:
        yield _copies(case.found.values(), bases), False
    for with_bases in ({}, bases) if stale else ({},):
        latest = context.horizon + TOLERANCE
        sound = {key: entry for key, entry in case.found.items() if entry.event.time <= latest}
        for _ in range(3):
            copies = _copies(sound.values(), with_bases)
            copies.by_id.clear()
            computed = {event.id: event for event in _replay(case, copies, context).owed}
            kept = {
                key: entry
                for key, entry in sound.items()
                if key in computed and same_content(computed[key], entry.event)
            }
            if len(kept) == len(sound):
                break
            sound = kept
        copies = _copies(sound.values(), with_bases)
        copies.by_id.clear()
        yield copies, True


def _copies(entries: Any, bases: dict[str, str] | None = None) -> Copies:
    copies = Copies()
    for entry in entries:
        copies.add(entry.event, basis=(bases or {}).get(entry.event.id))
    return copies


def ignored(case: Case, entry: Entry) -> Entry | None:
    """The first fact that a decision should have known: in force before its time, and on the
    log for a minute when it was recorded and when it was appended.
    """
    decision = entry.event
    start = case.order.get(decision.basis) if decision.basis else -1
    if start is None:
        return None
    for index in range(start + 1, len(case.foreign)):
        fact, instant = case.foreign[index], case.instants[index]
        if instant >= decision.time:
            return None
        aged = instant + TOLERANCE < decision.recordedtime
        if aged and fact.appended_at + TOLERANCE < entry.appended_at:
            return fact
    return None


def _knew(case: Case, entry: Entry) -> str:
    """The last fact that had been on the log for a minute when a decision was appended."""
    known = [
        fact.event.id for fact in case.foreign if fact.appended_at + TOLERANCE < entry.appended_at
    ]
    return known[-1]


# --- comparing ------------------------------------------------------------------------------------


def _compare(
    case: Case, replayed: Replayed[Any], stale: dict[str, Entry], context: Context
) -> Verdict:
    owed = {event.id: event for event in replayed.owed}
    verdict = Verdict([], [], [])
    for key, entry in case.found.items():
        computed = owed.get(key)
        rests_on = case.basis(entry)
        verdict.findings += _policy(entry, computed, context)
        basis = _basis(case, entry, rests_on, computed, stale.get(key))
        verdict.findings += basis
        if computed is not None:
            verdict.findings += judge(entry, computed, context, rests_on)
        elif not basis and entry.ours:
            verdict.unowed.append(entry)
    if not context.wall:
        verdict.findings += _out_of_order(case, owed)
    verdict.missing = [
        event
        for key, event in owed.items()
        if key not in case.found and event.recordedtime <= context.horizon
    ]
    return verdict


def _out_of_order(case: Case, owed: dict[str, Event]) -> list[Finding]:
    """Decisions stand in the order in which their stream came to owe them.

    Neither sign is enough alone. A sweep that waited for a batch stamps what it then decides with
    the clock of its own beginning, so `recordedtime` may fall; and what a rebuild found missing
    is published after what is owed later. Only one that is owed and recorded before the one in
    front of it has been moved. On the wall clock the broker's stamp tells, and for all records.
    """
    turn = {key: index for index, key in enumerate(owed)}
    standing = sorted(
        (entry for key, entry in case.found.items() if key in turn and entry.ours),
        key=lambda entry: (entry.topic, entry.partition, entry.offset),
    )
    findings: list[Finding] = []
    for entry, behind in pairwise(standing):
        same_place = (entry.topic, entry.partition) == (behind.topic, behind.partition)
        first, second = behind.event, entry.event
        owed_before = turn[first.id] < turn[second.id]
        if same_place and owed_before and first.recordedtime < second.recordedtime:
            sentence = (
                f"{name_of(second)} of {_at(second.recordedtime)} stands before {name_of(first)} "
                f"of {_at(first.recordedtime)}, which the stream {case.subject} decided earlier."
            )
            findings.append(entry.finding("reordered", first.id, second.id, sentence))
    return findings


def _policy(entry: Entry, computed: Event | None, context: Context) -> list[Finding]:
    event = entry.event
    if event.policy not in context.refs:
        return [no_policy(entry, sorted(context.refs))]
    if computed is None or computed.policy == event.policy:
        return []
    sentence = (
        f"{name_of(event)} was decided under {event.policy}; in force at {_at(computed.time)} was "
        f"{computed.policy}."
    )
    return [entry.finding("wrong_policy", computed.policy, event.policy, sentence)]


def no_policy(entry: Entry, adopted: Sequence[str] = ()) -> Finding:
    """A decision under a book that nobody adopted."""
    event = entry.event
    sentence = f"{name_of(event)} names the policy {event.policy}, which nobody adopted."
    return entry.finding("unknown_policy", list(adopted), event.policy, sentence)


def _basis(
    case: Case,
    entry: Entry,
    basis: Entry | None,
    computed: Event | None,
    ignored_fact: Entry | None,
) -> list[Finding]:
    """What a decision says it knew must lie before it, be no older than a minute, and suffice."""
    event = entry.event
    agrees = computed is not None and computed.basis == event.basis
    if basis is None and not agrees and event.basis is not None:
        sentence = (
            f"{name_of(event)} rests on {event.basis}, which the stream {case.subject} "
            "never took in."
        )
        expected = computed.basis if computed else None
        return [entry.finding("impossible_order", expected, event.basis, sentence)]
    if basis is not None and _after(basis, entry):
        sentence = f"{name_of(event)} stands before {name_of(basis.event)}, on which it rests."
        place = f"after {basis.topic}/{basis.partition}/{basis.offset}"
        return [entry.finding("impossible_order", place, event.basis, sentence)]
    if ignored_fact is not None:
        fact = ignored_fact.event
        sentence = (
            f"{name_of(event)} ignores {name_of(fact)}, which had been on the log since "
            f"{_at(ignored_fact.appended_at)}."
        )
        return [entry.finding("stale", fact.id, event.basis, sentence)]
    if computed is not None and not agrees:
        sentence = f"{name_of(event)} says that it rests on {event.basis}, not {computed.basis}."
        return [entry.finding("wrong", computed.basis, event.basis, sentence)]
    return []


def _after(basis: Entry, entry: Entry) -> bool:
    if (basis.topic, basis.partition) == (entry.topic, entry.partition):
        return basis.offset > entry.offset
    return basis.appended_at > entry.appended_at + TOLERANCE


def judge(entry: Entry, computed: Event, context: Context, basis: Entry | None) -> list[Finding]:
    """A decision on the log against what the rule gives: content, and when it was recorded."""
    event = entry.event
    findings: list[Finding] = []
    early = event.time < computed.time
    if not same_content(computed, event):
        expected, found = differences(computed, event)
        if early and set(found) == {"/time"}:
            findings.append(_premature(entry, computed, event.time))
        else:
            sentence = f"{name_of(event)} is not what the rule gives: {_told(expected, found)}."
            findings.append(entry.finding("wrong", expected, found, sentence))
    elif event.recordedtime < computed.time:
        findings.append(_premature(entry, computed, event.recordedtime))
    elif context.wall and entry.appended_at + TOLERANCE < computed.time:
        findings.append(_premature(entry, computed, entry.appended_at))
    owed_at = computed.recordedtime
    if context.wall and basis is not None:
        owed_at = max(owed_at, basis.appended_at)
    return findings + _late(entry, owed_at, context)


def _premature(entry: Entry, computed: Event, at: datetime) -> Finding:
    expected, found = _at(computed.time), _at(at)
    sentence = f"{name_of(entry.event)} was decided at {found}; it is owed only from {expected}."
    return entry.finding("premature", expected, found, sentence)


def _late(entry: Entry, owed_at: datetime, context: Context) -> list[Finding]:
    """Recorded over a minute after its instant though its writer was at work in between."""
    event = entry.event
    if event.recordedtime <= owed_at + TOLERANCE:
        return []
    place = (entry.topic, entry.partition, writer_of(event))
    at_work = context.activity.get(place, array("q"))
    index = bisect_right(at_work, micros(owed_at + ON_TIME))
    if index == len(at_work) or at_work[index] >= micros(event.recordedtime - TOLERANCE):
        return []
    sentence = (
        f"{name_of(event)} was owed at {_at(owed_at)} and recorded at {_at(event.recordedtime)}, "
        f"though {writer_of(event)} had been writing on its partition in between."
    )
    return [entry.finding("late", _at(owed_at), _at(event.recordedtime), sentence)]


def unowed(case: Case, entry: Entry, context: Context) -> Finding:
    """A decision that no stream owes: premature if its own stream comes to owe it, else wrong."""
    for event in _ahead(case, context):
        if event.id == entry.event.id:
            return _premature(entry, event, min(entry.event.time, entry.event.recordedtime))
    sentence = f"{name_of(entry.event)} is owed by no rule at {_at(entry.event.time)}."
    return entry.finding("wrong", None, differences(entry.event, entry.event)[0] or None, sentence)


def _ahead(case: Case, context: Context) -> list[Event]:
    """What the stream would come to owe if nothing more happened."""
    try:
        replayed = _replay(case, Copies(), context)
        end = context.horizon + LOOK_AHEAD
        return settle_to(case.decider, replayed.stream, end, context.books)
    except (LawBroken, CalendarEnds):
        return []


def omitted(event: Event) -> Finding:
    """A decision that is owed and not on the log."""
    sentence = f"{name_of(event)} has been owed since {_at(event.recordedtime)} and is missing."
    place = (CASE_EVENTS, partition_of(event.subject), None)
    expected = {"id": event.id, "time": _at(event.time), "basis": event.basis}
    return Finding("omitted", event.subject, event.id, *place, expected, None, sentence)


def _told(expected: dict[str, Any], found: dict[str, Any]) -> str:
    parts = [f"{path} is {found[path]!r} for {expected[path]!r}" for path in list(expected)[:3]]
    more = len(expected) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _at(instant: datetime) -> str:
    return instant_text(instant)
