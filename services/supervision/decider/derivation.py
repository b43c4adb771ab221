"""From a clock to its due: the counting rules of domain 0, 4.1 and 4.2, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.supervision.decider.state import Clock, Watch
from shared.calendar import civil, end_of, last_day_of
from shared.policy import Length, ListingRule, Policy, TimerRule


@dataclass(frozen=True)
class Due:
    """A derived deadline. `binding`: which of length, cap, limit, document gave it."""

    due_at: datetime
    outer_due_at: datetime | None = None
    cap: str | None = None
    cap_target_at: datetime | None = None
    grace: str | None = None
    rule: str | None = None


def derive(clock: Clock, state: Watch, policy: Policy) -> Due:
    """The due of a clock under a book. Raises CalendarEnds beyond the adopted calendar."""
    if clock.timer.startswith("A"):
        date_id = date_of(clock, state, policy)
        assert date_id is not None
        return Due(policy.date_end(date_id), cap=date_id if clock.timer == "A" else None)
    rule = policy.timers[clock.timer]
    if clock.timer == "T09":
        return _handling(clock, state, policy)
    if clock.timer == "T18":
        return _redo(clock, state, policy)
    if clock.timer == "T42":
        listing = listing_rule(policy, clock.started_at)
        return Due(
            add(clock.started_at, Length(unit="wd", n=listing.within_wd), "none", policy),
            rule=listing.id,
        )
    if clock.timer == "T06" and clock.item == "window" and is_petition(state, policy):
        days = policy.content.handling.petition_window_cd
        return Due(end_of(civil(clock.started_at) + timedelta(days=days)))
    if clock.timer == "T16" and clock.fixed_due is not None:
        return Due(end_of(policy.calendar.on_or_before(civil(clock.fixed_due))))
    if clock.timer == "T10" and clock.fixed_due is not None:
        return Due(end_of(policy.calendar.before(last_day_of(clock.fixed_due), 1)))
    if clock.fixed_due is not None:
        return Due(clock.fixed_due)
    if clock.timer == "T10":
        source = (clock.item or "").partition("|")[0]
        length = Length(unit="wd", n=policy.content.handling.reply_default_wd[source])
        return Due(add(clock.started_at, length, "none", policy))
    if clock.variant == "tries":
        days = policy.content.handling.tries_wd
        return Due(add(clock.started_at, Length(unit="wd", n=days), "none", policy))
    due = add(clock.started_at, length_of(clock, rule), rule.roll, policy)
    outer = rule.outer
    if outer is None or clock.variant != "length" or clock.timer in ("T50", "T52"):
        return Due(due)
    return Due(due, add(clock.started_at, outer, rule.roll, policy))


def date_of(clock: Clock, state: Watch, policy: Policy) -> str | None:
    """The campaign date of an `A` clock: the unit's own, or the case's cap; None when there is none."""
    if clock.timer != "A":
        return clock.timer
    cap = policy.cap_of(state.tier, state.received_at) if state.received_at else None
    if cap is None:
        return None
    if clock.variant == "reopened" and policy.date_end(cap.id) <= clock.started_at:
        return None
    return cap.id


def is_petition(state: Watch, policy: Policy) -> bool:
    """Whether the case came through the petition system (信访)."""
    sources = policy.content.handling.petition_sources
    return state.petition or any(source.source in sources for source in state.sources)


def idle(clock: Clock, state: Watch, policy: Policy) -> bool:
    """A clock that no rule of this book gives a due: nothing is owed for it."""
    handling = policy.content.handling
    if clock.timer == "A":
        return date_of(clock, state, policy) is None
    if clock.timer == "T10":
        source = (clock.item or "").partition("|")[0]
        return clock.fixed_due is None and source not in handling.reply_default_wd
    if clock.timer == "T20":
        source = state.sources[0].source if state.sources else ""
        return state.kind != "complaint" or source not in handling.inspection_sources
    if clock.timer == "T41" and clock.item is not None:
        return not is_petition(state, policy)
    if clock.timer == "T42":
        ground = (clock.item or "").partition("|")[0]
        return ground not in listing_rule(policy, clock.started_at).grounds
    return False


def length_of(clock: Clock, rule: TimerRule) -> Length:
    """The length that the clock's variant names; missing ones fall back to the plain length."""
    named = {"urgent": rule.urgent, "next": rule.next, "outer": rule.outer}.get(clock.variant)
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
        month = day.month - 1 + length.n
        year, month = day.year + month // 12, month % 12 + 1
        last = min(day.day, 28)
        return end_of(day.replace(year=year, month=month, day=last))
    last_day = day + timedelta(days=length.n)
    if roll == "back":
        # Never before the day after the act: an own-side period is at least one day.
        return end_of(max(calendar.on_or_before(last_day), day + timedelta(days=1)))
    if roll == "forward":
        last_day = calendar.on_or_after(last_day)
    return end_of(last_day)


def _handling(clock: Clock, state: Watch, policy: Policy) -> Due:
    """T09: by the phase of the assignment, capped by the campaign date (domain 4.2)."""
    handling = policy.content.handling
    day = civil(clock.started_at)
    phase = policy.phase_of(day)
    days = phase.handle_wd if phase else policy.content.campaign.default_handle_wd
    if state.urgent:
        days = min(days, handling.urgent_handle_wd)
    if state.group_level in ("G2", "G3"):
        days = min(days, handling.group_handle_wd)
    due = clock.fixed_due or end_of(policy.calendar.after(day, days))
    if clock.limit is not None and clock.fixed_due is None:
        # Reassignment starts it anew, but not far beyond the original due (domain 4.2).
        grace_days = handling.reassignment_grace_wd
        due = min(due, end_of(policy.calendar.after(last_day_of(clock.limit), grace_days)))
    due = _shifted(clock, due, policy)
    cap = policy.cap_of(state.tier, state.received_at) if state.received_at else None
    grace = policy.grace_of(state.tier, state.received_at) if state.received_at else None
    if cap is None:
        return Due(due, grace=grace)
    if clock.fixed_due is None or clock.spans:
        due = min(
            due, max(policy.date_end(cap.id), clock.fixed_due or due.min.replace(tzinfo=due.tzinfo))
        )
    return Due(due, None, cap.id, end_of(cap.target_last_day), grace)


def _shifted(clock: Clock, due: datetime, policy: Policy) -> datetime:
    """The due moved by the working days that lie wholly in suspensions (I-18)."""
    for begin, end in clock.spans:
        days = policy.calendar.between(begin, end)
        if days and begin < due:
            due = end_of(policy.calendar.after(last_day_of(due), days))
    return due


def _redo(clock: Clock, state: Watch, policy: Policy) -> Due:
    """T18: three working days, capped while the campaign date lies ahead."""
    due = add(clock.started_at, policy.timers["T18"].length, "none", policy)
    cap = policy.cap_of(state.tier, state.received_at) if state.received_at else None
    if cap is None or policy.date_end(cap.id) <= clock.started_at:
        return Due(due)
    return Due(min(due, policy.date_end(cap.id)), cap=cap.id)


def listing_rule(policy: Policy, at: datetime) -> ListingRule:
    """The listing rule in force at a decision's or default's date (domain 1.8)."""
    rules = [rule for rule in policy.content.referral.listing if rule.effective <= civil(at)]
    return max(rules, key=lambda rule: rule.effective)


def counting_start(
    event_time: datetime, known_at: datetime, policy_wd: int, policy: Policy
) -> datetime:
    """Where an internal timer starts: at recording when the fact was filed late (补录)."""
    if known_at >= end_of(policy.calendar.after(civil(event_time), policy_wd)):
        return known_at
    return event_time
