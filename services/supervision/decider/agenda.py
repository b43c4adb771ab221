"""Everything a stream's fold owes, each step with its own instant: the core of `decide`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from services.supervision.decider.derivation import derive, idle, moved_by, starts_at
from services.supervision.decider.ladder import (
    Beside,
    beside,
    next_step,
    notified,
    own_event_at,
    recipients,
)
from services.supervision.decider.standards import limb_met, ordered, threshold_data
from services.supervision.decider.state import Asked, Clock, Incident, Owed, Raised, Watch, replace
from shared import events as ev
from shared.calendar import civil, end_of, last_day_of
from shared.envelope import owe
from shared.events import TYPES, AnySupervisionDecision, Event
from shared.policy import Policy

Step = tuple[datetime, int, Callable[[], Event]]
"""(instant, rank within the instant, how to make the decision)."""

_NOTICE_DIGITS = 12
"""Of a case's id: enough that among a hundred thousand no two begin alike."""

FACT, OWN, ALERT, NOTICE, ESCALATE, DEADLINE, CLEAR = range(7)


def agenda(state: Watch, policy: Policy) -> list[Step]:
    """What is owed now or will be, unless an event comes first; unordered."""
    found: list[Step] = []
    for item in state.owed:
        found.append((item.at, FACT, partial(_from_fact, state, item)))
    if state.extension is not None or state.approval is not None:
        found += _extensions(state, policy)
    if state.orders:
        found += _threshold(state, policy)
    facts = beside(state)
    for clock in state.clocks:
        if clock.stopped_at is None:
            found += _running(clock, facts, state, policy)
        if clock.raised:
            found += _aftermath(clock, state, policy)
    if state.incidents:
        found += _updates(state, policy)
    return found


class Remembered:
    """The agenda of a state is asked for twice in a row: when it wakes, and what is due."""

    def __init__(self, agenda: Callable[[Watch, Policy], list[Step]]) -> None:
        self._make = agenda
        self._last: tuple[Watch, Policy, list[Step]] | None = None

    def __call__(self, state: Watch, policy: Policy) -> list[Step]:
        last = self._last
        if last is None or last[0] is not state or last[1] is not policy:
            last = self._last = (state, policy, self._make(state, policy))
        return last[2]


def first_instant(steps: list[Step]) -> datetime | None:
    """When the earliest of these steps is due."""
    earliest: datetime | None = None
    for step in steps:
        if earliest is None or step[0] < earliest:
            earliest = step[0]
    return earliest


def due_now(steps: list[Step], now: datetime) -> list[Event]:
    """The decisions of steps whose instant has come, in order of instant and rank.

    One notice at a time: its number counts those before it, so the next is asked for again.
    """
    due = sorted((step for step in steps if step[0] <= now), key=lambda step: step[:2])
    first = next((step for step in due if step[1] == NOTICE), None)
    return [step[2]() for step in due if step[1] != NOTICE or step is first]


def _from_fact(state: Watch, item: Owed) -> Event:
    data = TYPES[item.type].model_validate({"cause": item.cause, **item.fields})
    return owe(item.on or state.subject, item.at, data, decidedby=state.subject)


# --- deadlines and alerts ------------------------------------------------------------------------


def _running(clock: Clock, facts: Beside, state: Watch, policy: Policy) -> Iterator[Step]:
    """The deadline of a clock that has none yet, else its next alert and its own event."""
    if clock.set_id is None:
        if not idle(clock, state, policy):
            yield clock.known_at, DEADLINE, partial(_deadline, clock, state, policy)
        return
    if clock.book != policy.hash and moved_by(clock, state, policy):
        moved = replace(clock, cause=policy.adoption_id, moved=True)
        at = policy.adopted_at
        yield at, DEADLINE, partial(_deadline_event, moved, state, policy, at)
        return
    if clock.jump is not None:
        yield clock.jump.at, ALERT, partial(_fast_lane, clock, state, policy)
        return
    own_at = own_event_at(clock, policy)
    if own_at is not None and (clock.timer != "T16" or _defaults_first(clock, state, policy)):
        yield own_at, OWN, partial(_own_event, clock, state, policy, own_at)
    if clock.timer == "T09" and _is_suspended(clock, state):
        return
    step = next_step(clock, facts, policy)
    if clock.timer == "T51" and step is not None and step[1] < _reached_above(clock, state):
        # A higher level of the group was breached: no alert falls behind it (I-20).
        return
    # Nobody is reminded of what has passed: its own event comes instead.
    if step is not None and (own_at is None or step[0] < own_at):
        yield step[0], ALERT, partial(_alert, clock, state, policy, *step)


def _reached_above(clock: Clock, state: Watch) -> str:
    """How high the alerts of the same group's higher levels are (items are `group|level`)."""
    group, level = (clock.item or "").rsplit("|", 1)
    found = ""
    for other in state.clocks:
        if other.timer == "T51" and other.running and other.item:
            name, higher = other.item.rsplit("|", 1)
            if name == group and higher > level:
                found = max(found, other.reached)
    return found


def _defaults_first(clock: Clock, state: Watch, policy: Policy) -> bool:
    """One instalment after the other, of one day by number: whether the plan is void depends on
    those before. A clock that a reversed payment started anew stands last among the clocks.
    """
    running = [c for c in state.clocks if c.timer == "T16" and c.running and c.set_id is not None]

    def order(other: Clock) -> tuple[datetime, int]:
        return own_event_at(other, policy) or policy.adopted_at, int(other.item or "0")

    return clock is min(running, key=order)


def _is_suspended(clock: Clock, state: Watch) -> bool:
    """Nothing is raised while a suspension runs that began before the due (T17)."""
    begin = state.suspended_at
    return begin is not None and clock.due_at is not None and begin < clock.due_at


def _deadline(clock: Clock, state: Watch, policy: Policy) -> Event:
    started = replace(clock, started_at=starts_at(clock, policy))
    return _deadline_event(started, state, policy, clock.known_at)


def _deadline_event(clock: Clock, state: Watch, policy: Policy, at: datetime) -> Event:
    due = derive(clock, state, policy)
    timer = due.cap if clock.timer == "A" and due.cap else clock.timer
    data = ev.DeadlineSet(
        cause=clock.cause,
        timer=timer,
        step=clock.step,
        item=clock.item,
        started_at=clock.started_at,
        due_at=due.due_at,
        outer_due_at=due.outer_due_at,
        cap=due.cap,
        cap_target_at=due.cap_target_at,
        grace=due.grace,
        source_ref=clock.source_ref,
        rule=due.rule,
        moved=clock.moved,
    )
    return owe(state.subject, at, data)


def _alert(clock: Clock, state: Watch, policy: Policy, at: datetime, level: str) -> Event:
    assert clock.set_id is not None
    assert clock.due_at is not None
    to = recipients(clock, state, level, policy)
    return _alert_event(clock, state, at, level, clock.set_id, clock.due_at, to)


def _fast_lane(clock: Clock, state: Watch, policy: Policy) -> Event:
    jump = clock.jump
    assert jump is not None
    to = recipients(clock, state, jump.level, policy, jump)
    return _alert_event(clock, state, jump.at, jump.level, jump.cause, jump.due_at or jump.at, to)


def _alert_event(
    clock: Clock,
    state: Watch,
    at: datetime,
    level: str,
    cause: str,
    due_at: datetime,
    to: tuple[str, ...],
) -> Event:
    data = ev.AlertRaised.model_validate(
        {
            "cause": cause,
            "timer": clock.timer,
            "step": clock.step,
            "item": clock.item,
            "level": level,
            "due_at": due_at,
            "recipients": to,
        }
    )
    return owe(state.subject, at, data)


def _own_event(clock: Clock, state: Watch, policy: Policy, at: datetime) -> Event:
    """The event that stands in the place of L3."""
    assert clock.set_id is not None
    cause = clock.set_id
    data: AnySupervisionDecision
    if clock.timer == "T02":
        data = ev.SupplementLapsed(cause=cause)
    elif clock.timer == "T05":
        data = ev.AssignmentDeemedSigned(cause=cause)
    elif clock.timer == "T17":
        data = ev.SuspensionLapsed(cause=cause)
    elif clock.timer == "T23":
        data = ev.PaymentOrderDefaulted(cause=cause, doc_no=clock.item or "")
    else:
        defaults = (state.plan.defaults if state.plan else 0) + 1
        void = defaults >= policy.content.handling.instalment_defaults_void
        data = ev.InstalmentDefaulted(cause=cause, n=int(clock.item or "0"), plan_void=void)
    return owe(state.subject, at, data)


def _aftermath(clock: Clock, state: Watch, policy: Policy) -> Iterator[Step]:
    """What follows an alert: the notice at L4, escalation at L6 and L7, and its clearing."""
    if clock.notice is None:
        serious = [alert for alert in clock.raised if alert.level >= "L4"]
        first = min(serious, key=lambda alert: (alert.at, alert.level), default=None)
        if first is not None:
            yield first.at, NOTICE, partial(_notice, clock, state, policy, first)
    case = state.received_at is not None
    for alert in clock.raised:
        if case and alert.level >= "L6" and not alert.escalated:
            yield alert.at, ESCALATE, partial(_escalation, clock, state, alert)
            continue
        at = _cleared_at(clock, alert)
        if at is not None:
            yield at, CLEAR, partial(_cleared, clock, state, at, alert)


def _cleared_at(clock: Clock, alert: Raised) -> datetime | None:
    """An alert ends with its timer or with the move of it; from L4 on also a reply is needed."""
    if alert.ended_at is None or alert.level < "L4":
        return alert.ended_at
    return max(alert.ended_at, clock.replied_at) if clock.replied_at else None


def _cleared(clock: Clock, state: Watch, at: datetime, alert: Raised) -> Event:
    data = ev.AlertCleared.model_validate(
        {
            "cause": alert.id,
            "timer": clock.timer,
            "step": clock.step,
            "item": clock.item,
            "level": alert.level,
        }
    )
    return owe(state.subject, at, data)


def _notice(clock: Clock, state: Watch, policy: Policy, alert: Raised) -> Event:
    """督办函: numbered, to those who must act, reply in working days.

    The number names the stream, a unit by its whole code, so that no two notices share one.
    """
    ladder = policy.content.ladder
    day = civil(alert.at)
    of = state.subject.removeprefix("unit:").replace("-", "")[:_NOTICE_DIGITS]
    serial = f"{of}-{state.notices + 1}"
    data = ev.SupervisionNoticeIssued(
        cause=alert.id,
        notice_no=ladder.notice_number.format(year=day.year, serial=serial),
        to=notified(clock, state, policy),
        reply_due_at=end_of(policy.calendar.after(day, ladder.notice_reply_wd)),
        timer=clock.timer,
    )
    return owe(state.subject, alert.at, data)


def _escalation(clock: Clock, state: Watch, alert: Raised) -> Event:
    to = "convener" if alert.level == "L7" else "vice_convener"
    data = ev.CaseEscalated.model_validate(
        {"cause": alert.id, "to": to, "level": alert.level, "timer": clock.timer}
    )
    return owe(state.subject, alert.at, data)


# --- rules that need the policy ------------------------------------------------------------------


def _extensions(state: Watch, policy: Policy) -> Iterator[Step]:
    """T11, I-07: refused by rule at the request or at the approval, else the deadline moves."""
    for asked in (state.extension, state.approval):
        code = _refusal(asked, state, policy) if asked is not None else None
        if asked is not None and code is not None:
            yield asked.at, FACT, partial(_extension_refused, state, asked, code)
    clock, approval = state.clock("T09"), state.approval
    if clock is None or approval is None or _refusal(approval, state, policy) is not None:
        return
    moved = replace(clock, cause=approval.id, fixed_due=approval.to, spans=(), moved=True)
    yield approval.at, DEADLINE, partial(_deadline_event, moved, state, policy, approval.at)


def _refusal(asked: Asked, state: Watch, policy: Policy) -> str | None:
    """The code that refuses an extension; None if it may be granted."""
    handling = policy.content.handling
    if asked.due_at is None or asked.time >= asked.due_at:
        return "AFTER_DUE"
    if asked.used >= handling.extensions_max:
        return "THIRD"
    cap = policy.cap_of(state.tier, state.received_at) if state.received_at else None
    if cap is not None and asked.to > policy.date_end(cap.id):
        # Only the convener may go beyond a campaign date; the approval tells who decides.
        return None if asked.approver in (None, "convener") else "BEYOND_CAP"
    longest = end_of(policy.calendar.after(last_day_of(asked.due_at), handling.extension_wd))
    if asked.to > longest and asked.approver != "convener":
        return "TOO_LONG"
    if asked.approver == "office" and asked.used >= 1:
        return "THIRD"
    return None


def _extension_refused(state: Watch, asked: Asked, code: str) -> Event:
    data = ev.ExtensionRefused.model_validate({"cause": asked.id, "code": code})
    return owe(state.subject, asked.at, data)


def _threshold(state: Watch, policy: Policy) -> Iterator[Step]:
    """ReferralThresholdMet once an order has expired unpaid and a limb is reached (I-09)."""
    met = any(not each.lapsed for each in state.thresholds)
    if state.ended or met:
        return
    for order in state.orders:
        if order.default_id is None or order.defaulted_at is None or order.complied:
            continue
        if any(each.doc_no == order.doc_no for each in state.thresholds):
            continue
        limb = limb_met(ordered(state, order), policy, order.defaulted_at)
        if limb is not None:
            at = max(order.defaulted_at, state.facts_at or order.defaulted_at)
            data = threshold_data(limb, order.default_id, order.doc_no)
            yield at, FACT, partial(owe, state.subject, at, data)
            return


def _updates(state: Watch, policy: Policy) -> Iterator[Step]:
    """T50: the next update's deadline, at the due of the one before; none that was over when
    the incident was recorded.
    """
    length = policy.timers["T50"].outer
    assert length is not None
    every = timedelta(hours=length.n)
    for incident in state.incidents:
        if incident.update_due_at is not None:
            begin = incident.update_due_at
            if begin < incident.known_at:
                begin += every * ((incident.known_at - begin) // every)
            at = max(begin, incident.known_at)
            yield at, DEADLINE, partial(_next_update, incident, begin, at, state, policy)


def _next_update(
    incident: Incident, begin: datetime, at: datetime, state: Watch, policy: Policy
) -> Event:
    clock = Clock(
        timer="T50",
        cause=incident.id,
        started_at=begin,
        known_at=at,
        step="update",
        item=incident.id,
        variant="outer",
    )
    return _deadline_event(clock, state, policy, at)
