"""When a case counts as overdue: its handling clock (T09, T18) or its campaign date is past due.

The same clocks whose L3 supervision raises (domain 4.3: at due, "counts overdue"). A clock that
runs is kept with its due, so that no row need be written at the moment it passes.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.reporting.case import CLOSED, ENDED, Case, Clock, Late
from shared import events as ev

HANDLING = ("T09", "T18")
_STOPPED = frozenset(("CLOSURE_REVIEW", "FOLLOW_UP")) | CLOSED | ENDED


def deadline(case: Case, data: ev.DeadlineSet) -> Case:
    """A deadline of the case: T09 is its due date; a campaign date caps it."""
    clock = Clock(data.timer, data.due_at)
    if data.timer.startswith("A"):
        return case if case.state in CLOSED else replace(case, cap_clock=clock)
    if data.timer not in HANDLING:
        return case
    if data.timer == "T09":
        case = replace(
            case,
            due_at=data.due_at,
            cap=data.cap,
            cap_target_at=data.cap_target_at,
            grace=data.grace,
        )
    if case.state == "SUSPENDED":
        return replace(case, suspended_clock=clock)
    if case.state in _STOPPED:
        return replace(case, stopped=clock)
    return replace(case, clock=clock)


def date_missed(case: Case, data: ev.AlertRaised) -> Case:
    """The red alert of a campaign date: the case is overdue until it is closed."""
    if data.level != "L3" or not data.timer.startswith("A") or case.state in CLOSED:
        return case
    return replace(case, cap_clock=Clock(data.timer, data.due_at))


def stop_handling(case: Case, at: datetime) -> Case:
    """The act that T09 and T18 wait for happened at `at`; exactly at due is late."""
    if case.clock is None:
        return case
    return replace(case, clock=None, stopped=case.clock, late=_late(case, case.clock, at))


def unstop(case: Case) -> Case:
    """The request was refused: the clock had never stopped."""
    if case.stopped is None:
        return case
    late = case.late
    if late and late[-1].since == case.stopped.due_at:
        late = late[:-1]
    return replace(case, clock=case.stopped, stopped=None, late=late)


def stop_all(case: Case, at: datetime) -> Case:
    """Closed, or gone from the base: no clock of the case runs any more."""
    case = stop_handling(case, at)
    if case.cap_clock is not None:
        case = replace(case, cap_clock=None, late=_late(case, case.cap_clock, at))
    return replace(case, suspended_clock=None)


def drop_handling(case: Case) -> Case:
    """Another case of the group is handled for it: its T09 is lost."""
    return replace(case, clock=None, suspended_clock=None, stopped=None, due_at=None)


def suspend(case: Case, at: datetime) -> Case:
    """中止 pauses a clock that has not passed; campaign dates go on (I-18)."""
    if case.clock is None or case.clock.due_at <= at:
        return case
    return replace(case, clock=None, suspended_clock=case.clock)


def resume(case: Case) -> Case:
    if case.suspended_clock is None:
        return case
    return replace(case, clock=case.suspended_clock, suspended_clock=None)


def _late(case: Case, clock: Clock, until: datetime) -> tuple[Late, ...]:
    if until <= clock.due_at:
        return case.late
    return (*case.late, Late(clock.due_at, until))
