"""How supervision's own decisions about clocks are folded: deadlines, alerts, notices."""

from __future__ import annotations

from datetime import datetime

from services.supervision.decider.state import (
    Clock,
    Incident,
    Jump,
    Raised,
    Watch,
    ended,
    remembered,
    replace,
    start,
    start_once,
    stop,
    swap,
)
from shared import events as ev
from shared.events import Event


def deadline_set(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    """A clock has its due: the one that waits for it, else the running one that it moves."""
    if data.timer == "T50" and data.step == "update":
        state = _next_update(state, event, data)
    clock = _meant(state, data)
    if clock is None:
        return state
    if data.timer == "T09":
        state = replace(state, handle_by=data.due_at)
    new = replace(
        clock,
        timer=data.timer,
        cause=data.cause,
        started_at=data.started_at,
        set_id=event.id,
        due_at=data.due_at,
        outer_due_at=data.outer_due_at,
        cap_target_at=data.cap_target_at,
        book=book_of(event),
        reached="",
    )
    if state.approval is not None and state.approval.id == data.cause:
        state = replace(state, approval=None, extensions=state.extensions + 1)
        new = replace(new, known_at=event.time, fixed_due=data.due_at, spans=())
    if clock.due_at is None:
        return swap(state, clock, replace(new, reached=_fired(state, data)))
    if clock.due_at != data.due_at:
        new = replace(new, reached=max(_fired(state, data), _by_lane(clock)))
        state = replace(state, fired=remembered(state.fired, clock))
    overdue = clock.set_id is not None and max(clock.due_at, data.due_at) <= event.time
    if clock.due_at == data.due_at or overdue:
        # Moved to where it was, or by a newer book from one past due to another: what stands
        # goes on standing and is not raised again (I-20).
        return swap(state, clock, replace(new, reached=clock.reached))
    if clock.set_id is None:
        return _moved(state, clock, new, data)
    return swap(state, clock, replace(new, raised=_outlived(clock, event.time)))


def _by_lane(clock: Clock) -> str:
    """The level of a fast lane that stands: no other due undoes why it was taken (I-20)."""
    return max((alert.level for alert in clock.raised if alert.lane), default="")


def _outlived(clock: Clock, at: datetime) -> tuple[Raised, ...]:
    """The alerts of a clock whose due moved: those of its due have ended, a fast lane's has not."""
    over = ended(tuple(alert for alert in clock.raised if not alert.lane), at)
    return (*over, *(alert for alert in clock.raised if alert.lane))


def _moved(state: Watch, clock: Clock, new: Clock, data: ev.DeadlineSet) -> Watch:
    """After a suspension or an assignment to another unit: what stood under the old due ends.

    The other unit begins with a clean sheet, and gets its own notice.
    """
    if clock.started_at < clock.known_at:
        return swap(state, clock, replace(new, raised=_outlived(clock, clock.known_at)))
    raised = ended(clock.raised, clock.known_at)
    reached = _fired(state, data)
    fresh = replace(new, raised=(), notice=None, replied_at=None, reached=reached)
    state = swap(state, clock, fresh)
    if not raised:
        return state
    left = replace(clock, raised=raised, stopped_at=clock.known_at)
    return replace(state, clocks=(*state.clocks, left))


def _fired(state: Watch, data: ev.DeadlineSet) -> str:
    """The level that was raised for this very due before its clock was stopped or moved."""
    key = (data.timer, data.step, data.item, data.due_at)
    found = (f.level for f in state.fired if (f.timer, f.step, f.item, f.due_at) == key)
    return max(found, default="")


def book_of(event: Event) -> str | None:
    """Hash of the policy book that a decision names."""
    return (event.policy or "").partition("@")[2] or None


def _meant(state: Watch, data: ev.DeadlineSet) -> Clock | None:
    running = None
    for clock in state.clocks:
        if clock.stopped_at is None and _fits(clock, data):
            if clock.set_id is None:
                return clock
            running = clock
    return running


def _fits(clock: Clock, data: ev.DeadlineSet) -> bool:
    timer = clock.timer == data.timer or (clock.timer == "A" and data.timer.startswith("A"))
    return timer and clock.step == data.step and clock.item == data.item


def _next_update(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    """Updates go on every four hours from the due before, reported or not, until cleared."""
    incidents = tuple(
        replace(entry, update_due_at=data.due_at) if entry.id == data.item else entry
        for entry in state.incidents
    )
    state = replace(state, incidents=incidents)
    clock = _meant(state, data)
    if clock is not None and clock.set_id is None:
        return state
    clock = Clock(
        timer="T50",
        cause=data.cause,
        started_at=data.started_at,
        known_at=event.time,
        step="update",
        item=data.item,
        variant="outer",
    )
    return replace(state, clocks=(*state.clocks, clock))


# --- alerts --------------------------------------------------------------------------------------


def jump(state: Watch, event: Event, level: str) -> Watch:
    """A fast lane under the running T09, else T18; nothing where that level was reached before.

    Where neither runs (under review, a member of a group) it waits for the one that starts next.
    """
    clock = state.clock("T09") or state.clock("T18")
    if clock is None:
        waits = state.fast_lane
        if waits is not None and waits.level >= level:
            return state
        lane = Jump(level, event.id, event.known_at, event.known_at)
        return replace(state, fast_lane=lane)
    if clock.reached >= level:
        return state
    return swap(state, clock, replace(clock, jump=Jump(level, event.id, event.known_at)))


def in_lane(state: Watch, event: Event) -> Watch:
    """The clock that was just started takes the fast lane that waited for it."""
    lane, clock = state.fast_lane, state.clock("T09") or state.clock("T18")
    if lane is None or clock is None:
        return state
    state = replace(state, fast_lane=None)
    return swap(state, clock, replace(clock, jump=replace(lane, at=event.known_at)))


def alert_raised(state: Watch, event: Event, data: ev.AlertRaised) -> Watch:
    if data.timer.startswith("A") and data.level == "L7":
        state = replace(state, a_date_missed=True)
    for clock in state.clocks:
        if clock.stopped_at is not None:
            continue
        lane = clock.jump if clock.timer == data.timer else None
        jumped = lane is not None and lane.cause == data.cause
        if clock.set_id == data.cause or jumped:
            alert = Raised(data.level, event.id, event.time, lane=jumped)
            raised = (*clock.raised, alert)
            reached = max(clock.reached, data.level)
            left = None if jumped else clock.jump
            return swap(state, clock, replace(clock, raised=raised, reached=reached, jump=left))
    return state


def reminded(state: Watch, at: datetime) -> Watch:
    """Progress answers the reminder of T09 and T18 (the ladder's first row); it ends no other."""
    for clock in state.clocks:
        if clock.timer in ("T09", "T18") and any(alert.level == "L1" for alert in clock.raised):
            first = tuple(alert for alert in clock.raised if alert.level == "L1")
            rest = tuple(alert for alert in clock.raised if alert.level != "L1")
            state = swap(state, clock, replace(clock, raised=(*ended(first, at), *rest)))
    return state


def alert_cleared(state: Watch, data: ev.AlertCleared) -> Watch:
    for clock in state.clocks:
        if not clock.raised:
            continue
        kept = tuple([alert for alert in clock.raised if alert.id != data.cause])
        if len(kept) < len(clock.raised):
            gone = not clock.running and not kept
            return swap(state, clock, None if gone else replace(clock, raised=kept))
    return state


def noticed(state: Watch, data: ev.SupervisionNoticeIssued) -> Watch:
    state = replace(state, notices=state.notices + 1)
    for clock in state.clocks:
        if any(alert.id == data.cause for alert in clock.raised):
            return swap(state, clock, replace(clock, notice=data.notice_no))
    return state


def notice_replied(state: Watch, event: Event, data: ev.SupervisionNoticeReplied) -> Watch:
    """A reply answers the notice that it names, else all that wait; of one whose alerts are over
    already it says nothing about the others.
    """
    clocks = tuple(
        replace(clock, replied_at=event.known_at)
        if clock.notice is not None
        and clock.replied_at is None
        and data.notice_no in (None, clock.notice)
        else clock
        for clock in state.clocks
    )
    return replace(state, clocks=clocks)


def escalated(state: Watch, data: ev.CaseEscalated) -> Watch:
    for clock in state.clocks:
        if any(alert.id == data.cause for alert in clock.raised):
            raised = tuple(
                replace(alert, escalated=True) if alert.id == data.cause else alert
                for alert in clock.raised
            )
            return swap(state, clock, replace(clock, raised=raised))
    return state


# --- incidents and opinion -----------------------------------------------------------------------


def incident(state: Watch, event: Event) -> Watch:
    """T50: by phone, in writing, and updates until it is cleared; L7 at once."""
    entry = Incident(event.id, event.time, event.known_at)
    state = replace(state, incidents=(*state.incidents, entry))
    for step, variant in (("phone", "length"), ("written", "next"), ("update", "outer")):
        state = start(state, "T50", event, step=step, item=event.id, variant=variant)
    phone = next(clock for clock in state.clocks if clock.key == ("T50", "phone", event.id))
    return swap(state, phone, replace(phone, jump=Jump("L7", event.id, event.known_at)))


def incident_cleared(state: Watch, event: Event, data: ev.ExtremeIncidentCleared) -> Watch:
    kept = tuple(entry for entry in state.incidents if entry.id != data.incident)
    return stop(replace(state, incidents=kept), event, "T50", item=data.incident)


def opinion(state: Watch, event: Event, data: ev.OpinionAlertRaised) -> Watch:
    """T52: verified in 30 minutes, a plan in 4 hours, a reply in 24 (方案 五(四)三).

    Told again of the same page, as it spreads, it gets no more time.
    """
    for step, variant in (("verify", "length"), ("plan", "next"), ("reply", "outer")):
        item = f"{step}|{data.url_hash}"
        state = start_once(state, "T52", event, item=item, variant=variant)
    return state


def opinion_ended(state: Watch, event: Event, *, begins: str = "", ends: str = "") -> Watch:
    """The clocks of one step, or of one alert, of all opinion alerts that run."""
    for clock in state.clocks:
        item = clock.item or ""
        if clock.timer == "T52" and item.startswith(begins) and item.endswith(ends):
            state = stop(state, event, "T52", item=clock.item)
    return state
