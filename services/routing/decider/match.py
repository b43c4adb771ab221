"""The match stream of one worker at one employer: which case was there first (I-03, scenario 8)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from services.routing.decider.foreseen import Foreseen, Hearing, heard
from shared import events as ev
from shared.calendar import civil, end_of
from shared.envelope import owe
from shared.events import Event, Service
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Standing(Frozen, frozen=True, kw_only=True):
    """What became of a case, or of one line of it; `master`: the case under which it goes on."""

    status: str = "open"
    since: datetime | None = None
    master: str | None = None


class Entry(Standing, frozen=True):
    """One claim line under this key. `at`: its registration; `since`: of a later status."""

    case: str
    line: str
    months: tuple[str, str] | None
    received_at: datetime
    at: datetime
    id: str


class Matches(Hearing, frozen=True):
    """`repeats`: lines of which it was told that they repeat a closed case; `cases`: what became of
    each case of which anything was told, with or without a line here: who repeats a line that was
    merged must know what its master is by now.
    """

    subject: str
    entries: tuple[Entry, ...] = ()
    answered: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()
    cases: dict[str, Standing] = msgspec.field(default_factory=dict)


class MatchRouting:
    """Routing on a `match:` stream: owes MatchFound on the later registered case."""

    writer: Service = "routing"
    state_type = Matches

    def __init__(self) -> None:
        self._foreseen = Foreseen(owed)

    def initial(self, subject: str) -> Matches:
        return Matches(subject)

    def evolve(self, state: Matches, event: Event) -> Matches:
        return heard(state, _evolve(state, event), event)

    def decide(self, state: Matches, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self._foreseen.take(state, policy) if event.time <= now]

    def wake_at(self, state: Matches, policy: Policy) -> datetime | None:
        return min((event.time for event in self._foreseen.look(state, policy)), default=None)


def _evolve(state: Matches, event: Event) -> Matches:
    data = event.data
    if isinstance(data, ev.MatchFound):
        return replace(state, answered=(*state.answered, f"{event.subject}|{data.line}"))
    if isinstance(data, ev.RepeatFound):
        return replace(state, repeats=(*state.repeats, f"{event.subject}|{data.line}"))
    if isinstance(data, ev.MatchRegistered):
        entry = Entry(
            data.case, data.line or "1", data.months, data.received_at, event.known_at, event.id
        )
        return replace(state, entries=(*state.entries, entry))
    if isinstance(data, ev.MatchUpdated):
        return _updated(state, data)
    return state


def _updated(state: Matches, data: ev.MatchUpdated) -> Matches:
    status = "open" if data.status in ("reopened", "separated", "assigned") else data.status
    became = Standing(status=status, since=data.since, master=data.master)
    entries = tuple(
        replace(entry, status=became.status, since=became.since, master=became.master)
        if entry.case == data.case and _concerns(entry, data)
        else entry
        for entry in state.entries
    )
    if data.line is not None:
        return replace(state, entries=entries)
    return replace(state, entries=entries, cases=state.cases | {data.case: became})


def _concerns(entry: Entry, data: ev.MatchUpdated) -> bool:
    """A line that moved stands under another case for good, whatever becomes of its own."""
    return entry.line == data.line if data.line is not None else entry.status != "moved"


def owed(state: Matches, policy: Policy) -> list[Event]:
    """MatchFound for each entry whose months overlap an earlier one that can be its master, or
    that goes on under one that can (查重, domain 2.3, key₁).
    """
    result: list[Event] = []
    for index, entry in enumerate(state.entries):
        if f"{entry.case}|{entry.line}" in state.answered or entry.status != "open":
            continue
        if f"{entry.case}|{entry.line}" in state.repeats:
            # It was told that it is a case of its own, and is handled as one by now (design 3).
            continue
        alike = [
            earlier
            for earlier in state.entries[:index]
            if earlier.case != entry.case and _overlap(earlier.months, entry.months)
        ]
        # Through what was merged only where none of them stands on its own.
        for earlier in sorted(alike, key=lambda each: each.master is not None):
            found = _found(state, entry, earlier, policy)
            if found is not None:
                result.append(owe(entry.case, entry.at, found, decidedby=state.subject))
                break
        else:
            result += _repeated(state, entry, alike)
    return result


def _repeated(state: Matches, entry: Entry, alike: list[Entry]) -> list[Event]:
    """RepeatFound with the latest of these that was closed before."""
    for earlier in reversed(alike):
        root = _root(state, earlier.case, entry.case)
        closed_at = root.since if root is not None and root.status == "closed" else None
        if closed_at is not None and closed_at <= entry.at:
            found = ev.RepeatFound(
                cause=entry.id,
                match=state.subject,
                line=entry.line,
                repeat_of=earlier.case,
                with_line=earlier.line,
            )
            return [owe(entry.case, entry.at, found, decidedby=state.subject)]
    return []


def _found(state: Matches, entry: Entry, earlier: Entry, policy: Policy) -> ev.MatchFound | None:
    """The match with an earlier line, if what it stands under at last takes a repeat of it.

    A complaint that was merged passes on what comes to it, and takes it along when it is
    separated; a single line that moved is known to its new case by the name of its old one.
    """
    case, line = earlier.case, earlier.line
    if earlier.status == "moved" and earlier.master is not None:
        case, line = earlier.master, f"{earlier.case}|{earlier.line}"
    root = _root(state, case, entry.case)
    if root is None:
        return None
    reopens = _reopens(root, entry, policy)
    if root.status != "open" and not reopens:
        return None
    return ev.MatchFound(
        cause=entry.id,
        match=state.subject,
        with_case=case,
        line=entry.line,
        with_line=line,
        reopens=reopens,
    )


def _root(state: Matches, case: str, seeker: str) -> Standing | None:
    """What became of the case at the end of the chain; None where it leads back to who asks."""
    walked: set[str] = set()
    while case != seeker and case not in walked:
        walked.add(case)
        became = _became(state, case)
        if became.status != "merged":
            return became
        if became.master is None:
            return None
        case = became.master
    return None


def _became(state: Matches, case: str) -> Standing:
    """What was told of a case; one of which nothing was told stands on its own."""
    known = state.cases.get(case)
    if known is not None:
        return known
    entries = (entry for entry in state.entries if entry.case == case and entry.status != "moved")
    return next(entries, Standing())


def _reopens(root: Standing, entry: Entry, policy: Policy) -> bool:
    """Closed, and the new line came within the reopening window (T15): when it was told to a
    platform counts, not when that was recorded here (domain 4.1)."""
    if root.status != "closed" or root.since is None or entry.at < root.since:
        return False
    days = timedelta(days=policy.content.handling.reopen_cd)
    came = entry.received_at if entry.received_at >= root.since else entry.at
    return min(came, entry.at) < end_of(civil(root.since) + days)


def _overlap(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    """Whether two spans of months share one; an unknown span never overlaps."""
    if one is None or other is None:
        return False
    return one[0] <= other[1] and other[0] <= one[1]
