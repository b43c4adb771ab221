"""`qingqian explain CASE_ID|NUMBER`: why this unit, this deadline (day by day), this level.

Everything is read from the log: what was decided says why, the case's own fold says what still
runs, and the calendar of the book it was decided under is counted out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from infra.history import case_numbered, read_subject
from infra.problem import Refused, Unready
from services.routing.decider.reasons import path
from services.routing.decider.rules import facts_of
from services.supervision.decider import STREAMS as SUPERVISION
from services.supervision.decider.derivation import is_petition, length_of, listing_rule
from services.supervision.decider.state import LARGE_GROUP, URGENT, Clock
from shared.calendar import DAY, ZONE, civil, end_of, last_day_of
from shared.events import (
    AlertCleared,
    AlertRaised,
    Assigned,
    CaseAssigned,
    CaseClosed,
    CaseReassigned,
    ComplaintReceived,
    DeadlineSet,
    Event,
    SupplementReceived,
    TriageRequested,
)
from shared.policy import Length, Policy
from shared.replay import Copies, Replayed, replay
from shared.settle import Books, folded, is_own, settle_to, wake_at

_NUMBER = re.compile(r"DF-QX-\d{4}-\d{6,}")
_WEEKDAYS = "一二三四五六日"
_LONGEST_TABLE = 120
"""Days counted out at most; beyond them the campaign's dates say more than a table."""


@dataclass
class Dossier:
    """One case as its stream tells it. `books`: every adopted book."""

    case_id: str
    events: Sequence[Event]
    books: Books
    by_id: dict[str, Event] = field(init=False)
    replayed: Replayed[Any] = field(init=False)
    ended: dict[str, Event] = field(init=False)
    """Id of a DeadlineSet -> the event after which its clock ran no longer, or under another."""
    clocks: dict[str, Clock] = field(init=False)
    """Id of a DeadlineSet -> its clock, while that runs."""

    def __post_init__(self) -> None:
        self.by_id = {event.id: event for event in self.events}
        decider = SUPERVISION["case"]
        copies, foreign = Copies(), []
        probe = replay(decider, self.case_id, (), copies, self.books).stream
        for event in self.events:
            if is_own(decider, probe, event):
                copies.add(event)
            else:
                foreign.append(event)
        self.replayed = replay(decider, self.case_id, foreign, copies, self.books)
        own = list(copies.by_id.values())
        self.ended = dict(_endings(self.case_id, _as_decided(foreign, own)))
        running = (clock for clock in self.replayed.stream.state.clocks if clock.running)
        self.clocks = {clock.set_id: clock for clock in running if clock.set_id}

    def book(self, event: Event) -> Policy:
        """The book that a decision names."""
        named = [book for book in self.books.adopted if book.ref == event.policy]
        return named[-1] if named else self.books.latest

    def because(self, cause: str) -> str:
        event = self.by_id.get(cause)
        if event is None:
            return f"because of {cause}"
        by = "" if event.actor.startswith("-") else f" by {event.unit} ({event.role})"
        return f"because of {event.type} at {local(event.time)}{by} [{cause}]"


def _endings(case_id: str, events: Iterable[Event]) -> Iterator[tuple[str, Event]]:
    """What ended each clock, of events in the order in which they were decided on."""
    running: set[str] = set()
    for event, state in folded(SUPERVISION["case"], case_id, events):
        now = {clock.set_id for clock in state.clocks if clock.running and clock.set_id}
        yield from ((gone, event) for gone in running - now)
        running = now


def _as_decided(foreign: Sequence[Event], own: Sequence[Event]) -> Iterator[Event]:
    """A decision stands behind the last fact that it knew, wherever it came to lie on the log."""
    known = {event.id for event in foreign}
    resting: dict[str | None, list[Event]] = {}
    for event in own:
        resting.setdefault(event.basis if event.basis in known else None, []).append(event)
    yield from resting.pop(None, ())
    for event in foreign:
        yield event
        yield from resting.pop(event.id, ())


def run(case: str) -> int:
    """Print the explanation of a case, named by its id or number (DF-QX-YYYY-NNNNNN).

    Raises Refused for a case that is not on the log.
    """
    if not case.strip():
        raise Unready("CASE_ID is empty; a case's id is wanted, or its number (DF-QX-2021-000001)")
    case_id = _numbered(case.upper()) if _NUMBER.fullmatch(case.upper()) else case
    events, books = read_subject(case_id)
    if not books:
        raise Unready("no policy book was ever adopted on this log. Fix: qingqian up")
    if not any(isinstance(event.data, ComplaintReceived) for event in events):
        raise Refused(f"{case_id}: no such case on the log")
    for line in explain(case_id, events, books):
        print(line)
    return 0


def _numbered(number: str) -> str:
    case_id = case_numbered(number)
    if case_id is None:
        raise Refused(
            f"{number}: no case was accepted under this number; before it is accepted, a case has "
            f"only its case_id"
        )
    return case_id


def explain(case_id: str, events: Sequence[Event], books: Sequence[Policy]) -> Iterator[str]:
    """The explanation, line by line, in order of unit, deadlines, level."""
    dossier = Dossier(case_id, events, Books(books))
    yield from _head(dossier)
    yield from _units(dossier)
    yield from _deadlines(dossier)
    yield from _level(dossier)


def local(instant: datetime) -> str:
    """An instant as a person in Dengfeng reads it."""
    there = instant.astimezone(ZONE)
    return there.strftime("%Y-%m-%d %H:%M:%S" if there.second else "%Y-%m-%d %H:%M")


def _head(dossier: Dossier) -> Iterator[str]:
    for event in dossier.events:
        match event.data:
            case ComplaintReceived() as data:
                yield (
                    f"case {dossier.case_id}, received {local(data.received_at)} from "
                    f"{data.source} {data.source_ref} ({data.tier})"
                )
            case CaseClosed() as data:
                yield f"closed {local(event.time)}: {data.kind}"
            case _:
                pass
    yield "times are those of the city: Asia/Shanghai, UTC+08:00"


# --- unit -----------------------------------------------------------------------------------------


def _units(dossier: Dossier) -> Iterator[str]:
    yield ""
    yield "UNIT"
    decided = False
    for event in dossier.events:
        data = event.data
        if isinstance(data, TriageRequested):
            yield from _triage(event, data)
            yield from _path(dossier, data)
        elif isinstance(data, (CaseAssigned, CaseReassigned)):
            yield from _assignment(event, data, dossier.book(event))
            yield from _path(dossier, data)
        else:
            continue
        decided = True
        yield f"    {dossier.because(data.cause)}"
        yield f"    under {event.policy}"
    if not decided:
        yield "  not assigned yet"


def _triage(event: Event, data: TriageRequested) -> Iterator[str]:
    yield f"  {local(event.time)} {event.type}: {data.reason}, the office decides"
    if data.rule:
        yield f"    the rules would have come to rule {data.rule}{_odds(data)}"
    yield from _reasons(data)


def _assignment(event: Event, data: Assigned, policy: Policy) -> Iterator[str]:
    force = policy.task_forces.get(data.task_force or "")
    lead = f"{force.code} {force.name}" if force else data.department
    township = policy.townships.get(data.township)
    place = f"{township.code} {township.name}" if township else data.township
    yield f"  {local(event.time)} {event.type}: {lead}, {place}"
    yield f"    lead by rule {data.rule}{_odds(data)}"
    yield from _reasons(data)
    read = f" (read from 「{data.township_from.text}」)" if data.township_from.text else ""
    yield f"    township by rule {data.township_from.rule}{read}"
    if data.co_handlers:
        yield f"    co-handlers: {', '.join(data.co_handlers)}"


def _reasons(data: Assigned | TriageRequested) -> Iterator[str]:
    """Evidence, runner-up, and the smallest change of facts that would flip the lead."""
    if data.evidence:
        yield f"    evidence: {', '.join(data.evidence)}"
    if data.runner_up is not None:
        yield f"    next best: {data.runner_up.lead} by rule {data.runner_up.rule}"
    if data.flip is not None:
        changes = " and ".join(
            f"{change.field} were {change.now or 'unknown'} instead of {change.was or 'unknown'}"
            for change in data.flip.changes
        )
        yield f"    would be {data.flip.lead} (rule {data.flip.rule}) if {changes}"


def _path(dossier: Dossier, data: Assigned | TriageRequested) -> Iterator[str]:
    """The way through the rules, from the facts as they stood when it was decided."""
    cause = dossier.by_id.get(data.cause)
    if data.flip is None or cause is None:
        return
    known = dossier.events[: dossier.events.index(cause) + 1]
    received = [event.data for event in known if isinstance(event.data, ComplaintReceived)]
    added = [event.data for event in known if isinstance(event.data, SupplementReceived)]
    if not received:
        return
    facts = facts_of(received[0], added[-1] if added else None)
    for step in path(facts, dossier.books.at(cause.recordedtime)):
        seen = f" ({', '.join(step.facts)})" if step.facts else ""
        yield f"      {step.rule} {'applies' if step.holds else 'does not apply'}{seen}"


def _odds(data: Assigned | TriageRequested) -> str:
    if data.confidence_ppm is None or data.margin_ppm is None:
        return ""
    return f", confidence {data.confidence_ppm / 1e6:.2f}, margin {data.margin_ppm / 1e6:.2f}"


# --- deadlines ------------------------------------------------------------------------------------


def _deadlines(dossier: Dossier) -> Iterator[str]:
    yield ""
    yield "DEADLINES"
    for event in dossier.events:
        if isinstance(event.data, DeadlineSet):
            yield from _deadline(dossier, event, event.data)


def _deadline(dossier: Dossier, event: Event, data: DeadlineSet) -> Iterator[str]:
    policy = dossier.book(event)
    rule = policy.timers.get(data.timer)
    date_of = policy.dates.get(data.timer)
    title = rule.name if rule else date_of.content if date_of else None
    name = " ".join(part for part in (data.timer, data.step, title) if part)
    window = (rule is not None and rule.ladder == "none") or data.item == "window"
    ended, clock = dossier.ended.get(event.id), dossier.clocks.get(event.id)
    if ended is not None or clock is None:
        how = _ended(data.due_at, ended, window=window) if ended else f"due {local(data.due_at)}"
        yield f"  {name}: {how}"
        return
    yield f"  {name}: {'open until' if window else 'runs, due before'} {local(data.due_at)}"
    yield f"    {dossier.because(data.cause)}"
    if rule is None:
        return
    length, of = _length_of(clock, dossier, policy)
    counted = _length(length.unit, length.n) if length else "to the date that this names"
    yield f"    {counted}{f' ({of})' if of else ''}, {rule.source}"
    if data.timer == "T09":
        yield from (f"    {limit}" for limit in _limits(clock, policy))
    if data.cap is not None:
        binds = "binds" if policy.date_end(data.cap) == data.due_at else "does not bind"
        yield f"    campaign date {data.cap} ({local(policy.date_end(data.cap))}) {binds}"
    if data.grace is not None:
        yield f"    received in the grace window of {data.grace}"
    if data.outer_due_at is not None:
        yield f"    outer limit {local(data.outer_due_at)}"
    if length is None or length.unit in ("wd", "cd"):
        calendar = length is not None and length.unit == "cd"
        days = day_by_day(data.started_at, data.due_at, policy, calendar=calendar, window=window)
        yield from (f"    {line}" for line in days)


def _length_of(clock: Clock, dossier: Dossier, policy: Policy) -> tuple[Length | None, str]:
    """The length that a running clock counts, and of what; none where a date is named."""
    if clock.fixed_due is not None:
        return None, ""
    if clock.timer == "T09":
        day = civil(clock.started_at)
        phase = policy.phase_of(day)
        of = f"{phase.id} {phase.name}" if phase else ""
        return Length(unit="wd", n=policy.handle_wd(day)), of
    if clock.timer == "T42":
        listing = listing_rule(policy, clock.started_at)
        return (Length(unit="wd", n=listing.within_wd), listing.id) if listing else (None, "")
    if clock.item == "window" and is_petition(dossier.replayed.stream.state, policy):
        return Length(unit="cd", n=policy.content.handling.petition_window_cd), "petition"
    return length_of(clock, policy), ""


def _limits(clock: Clock, policy: Policy) -> Iterator[str]:
    """What else the due of T09 depends on (domain 4.2)."""
    handling = policy.content.handling
    if clock.fixed_due is None and URGENT in clock.variant:
        yield f"urgent: {_length('wd', handling.urgent_handle_wd)} at most"
    if clock.fixed_due is None and LARGE_GROUP in clock.variant:
        yield f"large group: {_length('wd', handling.group_handle_wd)} at most"
    if clock.fixed_due is None and clock.limit is not None:
        grace = _length("wd", handling.reassignment_grace_wd)
        yield f"reassigned: {grace} after the first due, {local(clock.limit)}, at most"
    for begin, end in clock.spans:
        yield f"suspended {local(begin)} to {local(end)}: whole working days are added"


def _ended(due_at: datetime, by: Event, *, window: bool) -> str:
    """How a clock ended; late is judged by when it happened, as the rules judge it."""
    due, at = local(due_at), local(by.time)
    if isinstance(by.data, DeadlineSet) and by.data.due_at != due_at:
        return f"due {due}, moved to {local(by.data.due_at)} at {at}"
    if window:
        return f"open until {due}, ended by {by.type} at {at}"
    late = "late" if by.time >= due_at else "in time"
    return f"due {due}, ended {late} by {by.type} at {at}"


def _length(unit: str, n: int) -> str:
    names = {"wd": "working days", "cd": "calendar days", "h": "hours", "min": "minutes"}
    name = names.get(unit, unit)
    return f"{n} {name.removesuffix('s') if n == 1 else name}"


def day_by_day(
    started_at: datetime,
    due_at: datetime,
    policy: Policy,
    *,
    calendar: bool = False,
    window: bool = False,
) -> Iterator[str]:
    """A period counted out: the day of the event is not counted, working days are numbered.

    `calendar`: every day counts and is numbered. `window`: something may be done until its end,
    and nobody is late after it.
    """
    start, last = civil(started_at), last_day_of(due_at)
    yield f"{_day(start)} starts at {local(started_at)}; the day itself is not counted"
    count = 0
    day = start + DAY
    while day <= last and (day - start) <= timedelta(days=_LONGEST_TABLE):
        working = policy.calendar.is_working(day)
        count += working or calendar
        weekend = day.weekday() >= 5
        made_up = " (made up for a holiday)" if weekend else ""
        rest = "rest day" if weekend else "holiday"
        if calendar:
            yield f"{_day(day)} day {count}"
        else:
            yield f"{_day(day)} {f'working day {count}{made_up}' if working else rest}"
        day += DAY
    if day <= last:
        yield f"… up to {_day(last)}"
    ends = "24:00" if due_at == end_of(last) else local(due_at)
    yield f"{_day(last)} {ends}: from here on it is {'closed' if window else 'late'}"


def _day(day: date) -> str:
    return f"{day.isoformat()} 周{_WEEKDAYS[day.weekday()]}"


# --- level ----------------------------------------------------------------------------------------


def _level(dossier: Dossier) -> Iterator[str]:
    yield ""
    yield "LEVEL"
    standing: dict[str, Event] = {}
    for event in dossier.events:
        if isinstance(event.data, AlertRaised):
            standing[event.id] = event
        elif isinstance(event.data, AlertCleared):
            standing.pop(event.data.cause, None)
    levels = [e.data.level for e in standing.values() if isinstance(e.data, AlertRaised)]
    yield f"  {max(levels)}" if levels else "  no alert stands"
    for event in standing.values():
        data = event.data
        assert isinstance(data, AlertRaised)
        told = f", told: {', '.join(data.recipients)}" if data.recipients else ""
        what = " ".join(part for part in (data.timer, data.step) if part)
        late = "since" if event.time >= data.due_at else "before"
        yield (
            f"    {data.level} since {local(event.time)}: {what}, {late} its due "
            f"{local(data.due_at)}{told}"
        )
    yield from _next(dossier)


def _next(dossier: Dossier) -> Iterator[str]:
    """What comes next if nobody does anything."""
    stream, decider = dossier.replayed.stream, SUPERVISION["case"]
    wake = wake_at(decider, stream, stream.book or dossier.books.first)
    if wake is None:
        yield "  nothing more is due by the clock"
        return
    for event in settle_to(decider, stream, wake, dossier.books):
        level = getattr(event.data, "level", None)
        timer = getattr(event.data, "timer", None)
        what = " ".join(part for part in (event.type, timer, level) if part)
        yield f"  next, if nothing happens: {what} at {local(event.time)}"
