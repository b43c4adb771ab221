"""From a clock to its due: the counting rules of domain 0, 4.1 and 4.2, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from services.supervision.decider.state import AHEAD, LARGE_GROUP, URGENT, Clock, Watch, replace
from shared.calendar import civil, end_of, last_day_of, months_after, start_of
from shared.policy import Length, ListingRule, Policy, TimerRule

UNIT_CLOCKS = ("T43", "T53")
"""Their due is set with the day or quarter that begins them."""

_OUTER_OF = {"T41": "next", "T50": "", "T52": ""}
"""Which variant the outer length stands beside: of T41 the conclusion; of T50 and T52 none, it is
the length of a step of its own there.
"""


@dataclass(frozen=True)
class Due:
    """A derived deadline. `rule`: of the listing rules the one that gave it (T42)."""

    due_at: datetime
    outer_due_at: datetime | None = None
    cap: str | None = None
    cap_target_at: datetime | None = None
    grace: str | None = None
    rule: str | None = None


@dataclass(frozen=True)
class Case:
    """What of the case its deadlines depend on."""

    tier: str
    received_at: datetime | None
    petition: bool


def derive(clock: Clock, state: Watch, policy: Policy) -> Due:
    """The due of a clock under a book. Raises CalendarEnds years beyond the adopted calendar."""
    case = Case(state.tier, state.received_at, is_petition(state, policy))
    return _derive(clock, case, policy)


def _derive(clock: Clock, case: Case, policy: Policy) -> Due:
    timer = clock.timer
    if timer.startswith("A"):
        date_id = _date_of(clock, case, policy)
        assert date_id is not None
        return Due(policy.date_end(date_id), cap=date_id if timer == "A" else None)
    if timer == "T09":
        return _handling(clock, case, policy)
    if timer == "T18":
        return _redo(clock, case, policy)
    if timer == "T42":
        listing = listing_rule(policy, clock.started_at)
        assert listing is not None, "a clock without a rule is idle"
        length = Length(unit="wd", n=listing.within_wd)
        return Due(add(clock.started_at, length, "none", policy), rule=listing.id)
    if timer == "T06" and clock.item == "window" and case.petition:
        days = policy.content.handling.petition_window_cd
        return Due(end_of(civil(clock.started_at) + timedelta(days=days)))
    if clock.fixed_due is not None:
        return Due(_fixed(timer, clock.fixed_due, policy))
    rule = policy.timers[timer]
    due = add(clock.started_at, length_of(clock, policy), rule.roll, policy)
    if rule.outer is None or clock.variant != _OUTER_OF.get(timer, "length"):
        return Due(due)
    return Due(due, add(clock.started_at, rule.outer, rule.roll, policy))


def _fixed(timer: str, due: datetime, policy: Policy) -> datetime:
    """A due that a document names: pay days roll back (条例 14), a reply goes out a day before."""
    if timer == "T16":
        return end_of(policy.calendar.on_or_before(civil(due)))
    if timer == "T10":
        return end_of(policy.calendar.before(last_day_of(due), 1))
    return due


def starts_at(clock: Clock, policy: Policy) -> datetime:
    """Where a clock counts from: an internal one from recording if the fact came late (补录)."""
    if clock.timer == "T16" and clock.fixed_due is not None:
        return start_of(policy.calendar.on_or_before(civil(clock.fixed_due)))
    rule = policy.timers.get(clock.timer)
    if rule is None or rule.clock != "internal" or clock.moved:
        return clock.started_at
    recorded = clock.recorded_at or clock.known_at
    late = policy.content.handling.late_filing_wd
    if recorded <= clock.started_at and late > 0:
        return clock.started_at
    if recorded >= end_of(policy.calendar.after(civil(clock.started_at), late)):
        return recorded
    return clock.started_at


def _date_of(clock: Clock, case: Case, policy: Policy) -> str | None:
    """The campaign date of an `A` clock: the unit's own, or the case's cap; None: there is none."""
    if clock.timer != "A":
        return clock.timer
    cap = policy.cap_of(case.tier, case.received_at) if case.received_at else None
    if cap is None or (clock.variant == AHEAD and policy.date_end(cap.id) <= clock.started_at):
        return None
    return cap.id


def is_petition(state: Watch, policy: Policy) -> bool:
    """Whether the case itself, not what was merged into it, came as a petition (信访)."""
    own = state.sources[0].source if state.sources else ""
    return state.petition or own in policy.content.handling.petition_sources


def idle(clock: Clock, state: Watch, policy: Policy) -> bool:
    """A clock that no rule of this book gives a due: nothing is owed for it."""
    timer = clock.timer
    if timer == "A":
        case = Case(state.tier, state.received_at, False)
        return _date_of(clock, case, policy) is None
    handling = policy.content.handling
    if timer == "T10":
        source = (clock.item or "").partition("|")[0]
        return clock.fixed_due is None and source not in handling.reply_default_wd
    if timer == "T20":
        source = state.sources[0].source if state.sources else ""
        return state.kind != "complaint" or source not in handling.inspection_sources
    if timer == "T41" and clock.source_ref is not None:
        return (clock.item or "").split("|")[1] not in handling.petition_sources
    if timer == "T41" and clock.item is not None:
        return not is_petition(state, policy)
    if timer == "T42":
        ground = (clock.item or "").partition("|")[0]
        listing = listing_rule(policy, clock.started_at)
        return listing is None or ground not in listing.grounds
    return False


def length_of(clock: Clock, policy: Policy) -> Length:
    """The length that the clock's variant names; missing ones fall back to the plain length."""
    handling = policy.content.handling
    if clock.variant == "tries":
        return Length(unit="wd", n=handling.tries_wd)
    if clock.timer == "T10":
        source = (clock.item or "").partition("|")[0]
        return Length(unit="wd", n=handling.reply_default_wd.get(source, 0))
    if clock.timer == "T13" and clock.item == "explain":
        return Length(unit="wd", n=handling.explain_wd)
    return _named_length(policy.timers[clock.timer], clock.variant)


def _named_length(rule: TimerRule, variant: str) -> Length:
    if variant == "length":
        return rule.length
    named = {"urgent": rule.urgent, "next": rule.next, "outer": rule.outer}.get(variant)
    return named or rule.length


def add(start: datetime, length: Length, roll: str, policy: Policy) -> datetime:
    """`start` plus a period: hours run on, days end at 24:00 and do not count their first."""
    calendar = policy.calendar
    day = civil(start)
    if length.unit == "min":
        return start + timedelta(minutes=length.n)
    if length.unit == "h":
        return start + timedelta(hours=length.n)
    if length.unit == "wd":
        return end_of(calendar.after(day, length.n) if length.n else day)
    if length.unit == "months":
        last_day = months_after(last_day_of(start), length.n)
        return end_of(calendar.on_or_after(last_day) if roll == "forward" else last_day)
    last_day = day + timedelta(days=length.n)
    if roll == "forward":
        return end_of(calendar.on_or_after(last_day))
    if roll == "back":
        # Where no working day lies between the act and the end, the legal end stays.
        earlier = calendar.on_or_before(last_day)
        return end_of(earlier if earlier >= day else last_day)
    return end_of(last_day)


def _handling(clock: Clock, case: Case, policy: Policy) -> Due:
    """T09: by the phase of the assignment, capped by the campaign date (domain 4.2)."""
    handling = policy.content.handling
    day = civil(clock.started_at)
    days = policy.handle_wd(day)
    if URGENT in clock.variant:
        days = min(days, handling.urgent_handle_wd)
    if LARGE_GROUP in clock.variant:
        days = min(days, handling.group_handle_wd)
    due = clock.fixed_due or end_of(policy.calendar.after(day, days))
    if clock.limit is not None and clock.fixed_due is None:
        # Reassignment starts it anew, but not far beyond the original due (domain 4.2).
        grace_days = handling.reassignment_grace_wd
        due = min(due, end_of(policy.calendar.after(last_day_of(clock.limit), grace_days)))
    due = _shifted(clock, due, policy)
    cap = policy.cap_of(case.tier, case.received_at) if case.received_at else None
    grace = policy.grace_of(case.tier, case.received_at) if case.received_at else None
    if cap is None:
        return Due(due, grace=grace)
    ceiling = policy.date_end(cap.id)
    if clock.fixed_due is not None:
        # Beyond the campaign date only as far as the convener went (T11).
        ceiling = max(ceiling, clock.fixed_due)
    return Due(min(due, ceiling), None, cap.id, end_of(cap.target_last_day), grace)


def _shifted(clock: Clock, due: datetime, policy: Policy) -> datetime:
    """The due moved by the working days that lie wholly in suspensions (I-18)."""
    for begin, end in clock.spans:
        days = policy.calendar.between(begin, end)
        if days and begin < due:
            due = end_of(policy.calendar.after(last_day_of(due), days))
    return due


def _redo(clock: Clock, case: Case, policy: Policy) -> Due:
    """T18: three working days, capped while the campaign date lies ahead."""
    due = add(clock.started_at, policy.timers["T18"].length, "none", policy)
    cap = policy.cap_of(case.tier, case.received_at) if case.received_at else None
    if cap is None or policy.date_end(cap.id) <= clock.started_at:
        return Due(due)
    return Due(min(due, policy.date_end(cap.id)), cap=cap.id)


def listing_rule(policy: Policy, at: datetime) -> ListingRule | None:
    """The listing rule in force at a decision's or default's date (domain 1.8), if any was."""
    rules = [rule for rule in policy.content.referral.listing if rule.effective <= civil(at)]
    return max(rules, key=lambda rule: rule.effective, default=None)


def moved_by(clock: Clock, state: Watch, policy: Policy) -> bool:
    """Whether a book newer than the clock's gives it another due or another target."""
    if clock.timer in UNIT_CLOCKS or idle(clock, state, policy):
        return False
    bare = replace(clock, raised=(), reached="", jump=None, notice=None, replied_at=None)
    case = Case(state.tier, state.received_at, is_petition(state, policy))
    due = _derived(bare, case, policy)
    return (due.due_at, due.outer_due_at, due.cap_target_at) != (
        clock.due_at,
        clock.outer_due_at,
        clock.cap_target_at,
    )


_derived = lru_cache(maxsize=4096)(_derive)
"""Asked of every running clock at every event once a second book is adopted."""
