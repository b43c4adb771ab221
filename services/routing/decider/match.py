"""The match stream of one worker at one employer: which case was there first (I-03, scenario 8)."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.routing.decider.foreseen import Foreseen, Hearing, heard
from shared import events as ev
from shared.calendar import civil, end_of
from shared.envelope import owe
from shared.events import Event, Service
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Entry(Frozen, frozen=True):
    """One claim line under this key. `at`: its registration; `since`: of a later status."""

    case: str
    line: str
    months: tuple[str, str] | None
    received_at: datetime
    at: datetime
    id: str
    status: str = "open"
    since: datetime | None = None


class Matches(Hearing, frozen=True):
    subject: str
    entries: tuple[Entry, ...] = ()
    answered: tuple[str, ...] = ()


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
    if isinstance(data, ev.MatchRegistered):
        entry = Entry(
            data.case, data.line or "1", data.months, data.received_at, event.known_at, event.id
        )
        return replace(state, entries=(*state.entries, entry))
    if isinstance(data, ev.MatchUpdated):
        status = "open" if data.status in ("reopened", "separated", "assigned") else data.status
        entries = tuple(
            replace(entry, status=status, since=data.since) if entry.case == data.case else entry
            for entry in state.entries
        )
        return replace(state, entries=entries)
    return state


def owed(state: Matches, policy: Policy) -> list[Event]:
    """MatchFound for each entry whose months overlap an earlier one that can be its master."""
    result: list[Event] = []
    for index, entry in enumerate(state.entries):
        if f"{entry.case}|{entry.line}" in state.answered or entry.status != "open":
            continue
        for earlier in state.entries[:index]:
            reopens = _reopens(earlier, entry, policy)
            if earlier.case == entry.case or not (earlier.status == "open" or reopens):
                continue
            if _overlap(earlier.months, entry.months):
                data = ev.MatchFound(
                    cause=entry.id,
                    match=state.subject,
                    with_case=earlier.case,
                    line=entry.line,
                    with_line=earlier.line,
                    reopens=reopens,
                )
                result.append(owe(entry.case, entry.at, data, decidedby=state.subject))
                break
    return result


def _reopens(earlier: Entry, entry: Entry, policy: Policy) -> bool:
    """Closed, and the new line came within the reopening window (T15)."""
    if earlier.status != "closed" or earlier.since is None or entry.at < earlier.since:
        return False
    days = timedelta(days=policy.content.handling.reopen_cd)
    return entry.at < end_of(civil(earlier.since) + days)


def _overlap(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    """Whether two spans of months share one; an unknown span never overlaps."""
    if one is None or other is None:
        return False
    return one[0] <= other[1] and other[0] <= one[1]
