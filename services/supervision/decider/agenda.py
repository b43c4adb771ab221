"""Everything a stream's fold owes, each step with its own instant: the core of `decide`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from services.supervision.decider.derivation import counting_start, derive, idle
from services.supervision.decider.ladder import owed_steps, own_event, recipients
from services.supervision.decider.standards import limb_met, threshold_data
from services.supervision.decider.state import Asked, Clock, Owed, Raised, Watch
from shared import events as ev
from shared.calendar import ZONE, end_of, last_day_of
from shared.envelope import owe
from shared.events import TYPES, AnySupervisionDecision, Event
from shared.policy import Policy

Step = tuple[datetime, int, Callable[[], Event]]
"""(instant, rank within the instant, how to make the decision)."""

FACT, OWN, ALERT, NOTICE, ESCALATE, DEADLINE, CLEAR = range(7)


def agenda(state: Watch, policy: Policy) -> list[Step]:
    """What is owed now or will be, unless an event comes first; unordered."""
    found: list[Step] = []
    for item in state.owed:
        found.append((item.at, FACT, partial(_from_fact, state, item)))
    found += _extensions(state, policy)
    found += _threshold(state, policy)
    defaulted = False
    for clock in state.clocks:
        if clock.running:
            for step in _running(clock, state, policy):
                if clock.timer == "T16" and step[1] == OWN:
                    if defaulted:
                        continue
                    defaulted = True
                found.append(step)
        if clock.raised:
            found += _aftermath(clock, state, policy)
    found += _updates(state, policy)
    return found


def _from_fact(state: Watch, item: Owed) -> Event:
    data = TYPES[item.type].model_validate({"cause": item.cause, **item.fields})
    return owe(state.subject, item.at, data)


# --- deadlines and alerts ------------------------------------------------------------------------


def _running(clock: Clock, state: Watch, policy: Policy) -> Iterator[Step]:
    """The deadline of a clock that has none yet, else its next alert or its own event."""
    if clock.set_id is None:
        if not idle(clock, state, policy):
            yield clock.known_at, DEADLINE, partial(_deadline, clock, state, policy)
        return
    if clock.book != policy.hash:
        moved = _recomputed(clock, state, policy)
        if moved is not None:
            yield moved
            return
    if clock.jump is not None:
        jump = partial(_fast_lane, clock, state, policy)
        yield clock.jump.at, ALERT, jump
        return
    assert clock.due_at is not None
    if own_event(clock):
        yield clock.due_at, OWN, partial(_own_event, clock, state, policy)
    if clock.timer == "T09" and state.suspended_at is not None:
        steps = [step for step in owed_steps(clock, state, policy) if step[0] < state.suspended_at]
        if clock.due_at < state.suspended_at:
            steps = owed_steps(clock, state, policy)
    else:
        steps = owed_steps(clock, state, policy)
    for at, level in steps:
        if at > steps[0][0]:
            break
        yield at, ALERT, partial(_alert, clock, state, policy, at, level)


def _deadline(clock: Clock, state: Watch, policy: Policy) -> Event:
    rule = policy.timers.get(clock.timer)
    started = clock.started_at
    if rule is not None and rule.clock == "internal" and not clock.moved:
        late = policy.content.handling.late_filing_wd
        started = counting_start(started, clock.known_at, late, policy)
    return _deadline_event(replace(clock, started_at=started), state, policy, clock.known_at)


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


def _recomputed(clock: Clock, state: Watch, policy: Policy) -> Step | None:
    """A newer book that gives another due moves the deadline, in the open (design 7)."""
    if idle(clock, state, policy) or derive(clock, state, policy).due_at == clock.due_at:
        return None
    moved = replace(clock, cause=policy.adoption_id, moved=True)
    build = partial(_deadline_event, moved, state, policy, policy.adopted_at)
    return policy.adopted_at, DEADLINE, build


def _alert(clock: Clock, state: Watch, policy: Policy, at: datetime, level: str) -> Event:
    assert clock.set_id is not None
    assert clock.due_at is not None
    return _alert_event(clock, state, policy, at, level, clock.set_id, clock.due_at)


def _fast_lane(clock: Clock, state: Watch, policy: Policy) -> Event:
    jump = clock.jump
    assert jump is not None
    return _alert_event(clock, state, policy, jump.at, jump.level, jump.cause, jump.at)


def _alert_event(
    clock: Clock,
    state: Watch,
    policy: Policy,
    at: datetime,
    level: str,
    cause: str,
    due_at: datetime,
) -> Event:
    data = ev.AlertRaised.model_validate(
        {
            "cause": cause,
            "timer": clock.timer,
            "step": clock.step,
            "item": clock.item,
            "level": level,
            "due_at": due_at,
            "recipients": recipients(clock, state, level, policy),
        }
    )
    return owe(state.subject, at, data)


def _own_event(clock: Clock, state: Watch, policy: Policy) -> Event:
    """The event that stands in the place of L3."""
    assert clock.set_id is not None
    assert clock.due_at is not None
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
    return owe(state.subject, clock.due_at, data)


def _aftermath(clock: Clock, state: Watch, policy: Policy) -> Iterator[Step]:
    """What follows an alert: the notice at L4, escalation at L6 and L7, and its clearing."""
    serious = [alert for alert in clock.raised if alert.level >= "L4"]
    if serious and clock.notice is None:
        first = min(serious, key=lambda alert: (alert.at, alert.level))
        yield first.at, NOTICE, partial(_notice, clock, state, policy, first)
    case = state.received_at is not None
    for alert in clock.raised:
        if case and alert.level >= "L6" and not alert.escalated:
            yield alert.at, ESCALATE, partial(_escalation, clock, state, alert)
        elif alert.level < "L4" or clock.notice is not None:
            at = _cleared_at(clock, alert)
            if at is not None:
                yield at, CLEAR, partial(_cleared, clock, state, at, alert)


def _cleared_at(clock: Clock, alert: Raised) -> datetime | None:
    """An alert ends with its timer or with the move of it; from L4 on also a reply is needed."""
    ended = clock.stopped_at
    if ended is None and clock.set_id is not None and alert.under != clock.set_id:
        ended = clock.known_at
    if ended is None:
        return None
    if alert.level >= "L4":
        return max(ended, clock.replied_at) if clock.replied_at else None
    return ended


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
    """督办函: numbered, to the township and the task force's lead units, reply in working days."""
    ladder = policy.content.ladder
    day = alert.at.astimezone(ZONE).date()
    serial = f"{state.subject.removeprefix('unit:')[:8]}-{state.notices + 1}"
    force = policy.task_forces.get(state.task_force or "")
    handler = state.township or state.department or state.subject.removeprefix("unit:")
    data = ev.SupervisionNoticeIssued(
        cause=alert.id,
        notice_no=ladder.notice_number.format(year=day.year, serial=serial),
        to=tuple(dict.fromkeys((handler, *(force.lead_units if force else ())))),
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
    clock = state.clock("T09")
    asked = state.extension
    if asked is not None and not state.extension_refused:
        code = _refusal(asked, clock, state, policy)
        if code is not None:
            yield asked.at, FACT, partial(_extension_refused, state, asked, code)
    approval = state.approval
    if approval is None:
        return
    code = _refusal(approval, clock, state, policy)
    if code is not None or clock is None:
        refused = partial(_extension_refused, state, approval, code or "AFTER_DUE")
        yield approval.at, FACT, refused
        return
    moved = replace(clock, cause=approval.id, fixed_due=approval.to, spans=(), moved=True)
    yield approval.at, DEADLINE, partial(_deadline_event, moved, state, policy, approval.at)


def _refusal(asked: Asked, clock: Clock | None, state: Watch, policy: Policy) -> str | None:
    """The code that refuses an extension; None if it may be granted."""
    handling = policy.content.handling
    if clock is None or clock.due_at is None or asked.time >= clock.due_at:
        return "AFTER_DUE"
    if state.extensions >= handling.extensions_max:
        return "THIRD"
    assert asked.to is not None
    cap = policy.cap_of(state.tier, state.received_at) if state.received_at else None
    beyond = cap is not None and asked.to > policy.date_end(cap.id)
    if beyond:
        # Only the convener may go beyond a campaign date; the approval tells who decides.
        return None if asked.approver in (None, "convener") else "BEYOND_CAP"
    longest = end_of(policy.calendar.after(last_day_of(clock.due_at), handling.extension_wd))
    if asked.to > longest and asked.approver != "convener":
        return "TOO_LONG"
    if asked.approver == "office" and state.extensions >= 1:
        return "THIRD"
    return None


def _extension_refused(state: Watch, asked: Asked, code: str) -> Event:
    data = ev.ExtensionRefused.model_validate({"cause": asked.id, "code": code})
    return owe(state.subject, asked.at, data)


def _threshold(state: Watch, policy: Policy) -> Iterator[Step]:
    """ReferralThresholdMet once an order has expired unpaid and a limb is reached (I-09)."""
    if state.closed or state.out or state.merged_into is not None:
        return
    if any(order.threshold_id is not None for order in state.orders):
        return
    for order in state.orders:
        if order.default_id is None or order.defaulted_at is None or order.complied:
            continue
        limb = limb_met(state, policy, order.defaulted_at)
        if limb is not None:
            at = max(order.defaulted_at, state.facts_at or order.defaulted_at)
            data = threshold_data(limb, order.default_id, order.doc_no)
            yield at, FACT, partial(owe, state.subject, at, data)
            return


def _updates(state: Watch, policy: Policy) -> Iterator[Step]:
    """T50: the next update's deadline, at the due of the one before."""
    for incident in state.incidents:
        if incident.update_due_at is not None:
            clock = Clock(
                timer="T50",
                cause=incident.id,
                started_at=incident.update_due_at,
                known_at=incident.update_due_at,
                step="update",
                item=incident.id,
                variant="outer",
            )
            at = incident.update_due_at
            yield at, DEADLINE, partial(_deadline_event, clock, state, policy, at)
