"""The escalation ladder (方案 五(三)三; domain 4.3): which level of a breached timer fires when."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from services.supervision.decider.derivation import length_of
from services.supervision.decider.state import Clock, Jump, Watch
from shared.calendar import at_hour, civil, end_of, last_day_of
from shared.policy import Duty, Policy, Rung
from shared.roles import CYBERSPACE, LABOUR, POLICE
from shared.streams import CITY, unit_code

MORNING: Final = 9
"""Reminders of a day are given at this hour, Asia/Shanghai."""

Step = tuple[datetime, str]

_OWN_EVENT: Final = frozenset(("T02", "T05", "T16", "T17", "T23"))
"""Timers whose own event stands in the place of L3."""

_SILENT: Final = frozenset((("T06", "window"), ("T02", "tries"), ("T32", "pass_on")))
"""What raises nothing: the window to return a case, and what no act of ours would stop."""


class Beside(NamedTuple):
    """All that a clock's steps depend on beside the clock and the book. `case`: of a case;
    `a_date_at`: the instant of the A-date that still runs.
    """

    case: bool
    kind: str
    tier: str
    a_date_missed: bool
    a_date_at: datetime | None


def ladder_name(clock: Clock, case: bool, policy: Policy) -> str:
    """The ladder a clock climbs; short and hourly timers have their own first rungs."""
    timer, item = clock.timer, clock.item
    if timer.startswith("A"):
        return "campaign_date" if case else "unit_date"
    if (timer, item) in _SILENT:
        return "none"
    if timer == "T50" and clock.step != "phone":
        return "watch"
    if timer == "T51" and item is not None:
        level = item.rsplit("|", 1)[-1]
        return {"G2": "group_g2", "G3": "group_g3"}.get(level, "stops_at_l4_hours")
    name = policy.timers[timer].ladder
    if name not in ("stops_at_l4", "own_event"):
        return name
    if timer == "T16":
        # A pay day is a timer of that one day, whenever the plan was agreed.
        return f"{name}_short"
    return name + _suffix(policy, clock)


def _suffix(policy: Policy, clock: Clock) -> str:
    """Hours, or one or two working days, also where a document names the due."""
    if clock.fixed_due is not None:
        assert clock.due_at is not None
        second = end_of(policy.calendar.after(civil(clock.started_at), 2))
        return "_short" if clock.due_at <= second else ""
    length = length_of(clock, policy)
    if length.unit in ("h", "min"):
        return "_hours"
    return "_short" if length.unit in ("wd", "cd") and length.n <= 2 else ""


def beside(state: Watch) -> Beside:
    """What the clocks of a state are judged beside."""
    a_dates = (c.due_at for c in state.clocks if c.timer.startswith("A") and c.running)
    return Beside(
        state.received_at is not None,
        state.kind,
        state.tier,
        state.a_date_missed,
        next(a_dates, None),
    )


def next_step(clock: Clock, beside: Beside, policy: Policy) -> Step | None:
    """The next alert of a running clock with its instant; None when it has none left.

    Steps that precede the recording of the clock's start are not raised then: at 00:00 after the
    next working day only the highest still owed is (domain 4.3).
    """
    known = _known.get(id(clock))
    if known is not None and known[0] is clock and known[1] is policy and known[2] == beside:
        return known[3]
    step = _step(clock, beside, policy)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(clock)] = (clock, policy, beside, step)
    return step


_MOST_KNOWN: Final = 2048
_known: dict[int, tuple[Clock, Policy, Beside, Step | None]] = {}
"""The next step of clocks that were asked for it. Every event asks all clocks of its case, most
of which it has not touched: those are the very same objects, and so is their answer.
"""


def _step(clock: Clock, beside: Beside, policy: Policy) -> Step | None:
    """Sees nothing of the state but what is named, so that the answer may be kept."""
    assert clock.due_at is not None
    full = clock.timer in ("T09", "T18")
    supervised = full and beside.kind == "supervised" and beside.tier == "NAT"
    target = clock.cap_target_at
    if target is not None and clock.started_at < clock.known_at and target < clock.known_at:
        # It was past when the deadline was moved: it reminded before, or was suspended away.
        target = None
    return _next_step(
        policy,
        ladder_name(clock, beside.case, policy),
        clock.started_at,
        clock.due_at,
        target,
        clock.known_at,
        clock.reached,
        clock.timer == "T09",
        supervised,
        clock.timer == "T09" and beside.a_date_missed,
        beside.a_date_at if clock.timer == "T09" else None,
    )


@lru_cache(maxsize=4096)
def _next_step(
    policy: Policy,
    name: str,
    started_at: datetime,
    due_at: datetime,
    target: datetime | None,
    known_at: datetime,
    reached: str,
    handling: bool,
    supervised: bool,
    a_date_missed: bool,
    a_date_at: datetime | None,
) -> Step | None:
    every = _steps(policy, name, started_at, due_at, target, handling, supervised)
    # T09 raises no L7 after the A-date was missed, also where both come late (domain 4.3).
    if a_date_missed:
        every = tuple(step for step in every if step[1] != "L7")
    elif a_date_at is not None:
        every = tuple((at, level) for at, level in every if level != "L7" or at <= a_date_at)
    owed = [(at, level) for at, level in every if at >= known_at and level > reached]
    missed = max((level for at, level in every if at < known_at), default="")
    if missed > reached:
        at = next_working_end(policy, known_at)
        passed = max((level for instant, level in owed if instant <= at), default="")
        if missed > passed:
            owed.append((at, missed))
    return min(owed, default=None)


@lru_cache(maxsize=4096)
def _steps(
    policy: Policy,
    name: str,
    started_at: datetime,
    due_at: datetime,
    target: datetime | None,
    handling: bool,
    supervised: bool,
) -> tuple[Step, ...]:
    """(instant, level) of every rung, in order of instant, lower levels first."""
    found: list[Step] = []
    lane = policy.content.ladder.supervised_national_jump
    for rung in policy.content.ladder.ladders[name].rungs:
        at = _instant(rung, started_at, due_at, policy)
        level: str = rung.level
        if level == "L1" and handling:
            # The campaign's back-scheduled target reminds earlier; at assignment if past.
            at = max(min(at, target or at), started_at)
        if supervised and level == "L4":
            # 国家平台督办: overdue by one working day goes to the vice convener at once.
            level = lane
        elif supervised and "L4" < level <= lane:
            continue
        found.append((at, level))
    return tuple(sorted(found))


def _instant(rung: Rung, started_at: datetime, due_at: datetime, policy: Policy) -> datetime:
    calendar = policy.calendar
    due_day = last_day_of(due_at)
    if rung.half:
        return started_at + (due_at - started_at) / 2
    if rung.last_working_morning:
        return at_hour(calendar.on_or_before(due_day), MORNING)
    if rung.morning_wd_before is not None:
        count = rung.morning_wd_before
        return at_hour(calendar.before(due_day, count) if count else due_day, MORNING)
    if not rung.after_wd:
        return due_at
    return end_of(calendar.after(due_day, rung.after_wd))


@lru_cache(maxsize=8192)
def next_working_end(policy: Policy, instant: datetime) -> datetime:
    """00:00 after the working day that follows an instant's own day."""
    return end_of(policy.calendar.after(civil(instant), 1))


def own_event_at(clock: Clock, policy: Policy) -> datetime | None:
    """When its own event stands in the place of L3: at due, or where L3 would be raised later."""
    if clock.timer not in _OWN_EVENT or clock.item == "tries":
        return None
    assert clock.due_at is not None
    if clock.due_at < clock.known_at:
        return next_working_end(policy, clock.known_at)
    return clock.due_at


def lane_of(clock: Clock, state: Watch, policy: Policy) -> str:
    """Whom a ladder concerns: handling, police, procuratorate, unit or group."""
    name = ladder_name(clock, state.received_at is not None, policy)
    return policy.content.ladder.ladders[name].recipients


def recipients(
    clock: Clock, state: Watch, level: str, policy: Policy, jump: Jump | None = None
) -> tuple[str, ...]:
    """Posts and units that an alert of this level reaches; each level keeps the lower ones'."""
    content = policy.content
    posts = content.organisation.posts
    beside = {"T50": (POLICE, CYBERSPACE), "T52": (CYBERSPACE,)}.get(clock.timer, ())
    if state.received_at is None:
        found = [_answerable(clock, state, policy)]
        found += [content.organisation.office] if level >= "L3" else []
        found += [posts["convener"]] if level == "L7" else []
        return tuple(dict.fromkeys((*found, *beside)))
    lane = lane_of(clock, state, policy)
    if lane in ("police", "procuratorate"):
        found = [LABOUR]
        found += [posts["police_vice_convener"]] if level >= "L6" else []
        found += [posts["procuratorate"]] if lane == "procuratorate" else []
        return tuple(found)
    force = policy.task_forces.get(state.task_force or "")
    duty = duty_of(clock, policy)
    found = [*_must_act(duty, state, policy)]
    if force is not None and duty == "handler" and level >= "L2":
        found += force.lead_units
    if level >= "L3":
        found.append(content.organisation.office)
    if level >= "L5" and force is not None:
        found.append(force.deputy_post)
    if level >= "L6":
        found.append(force.leader_post if force else posts["vice_convener"])
    if level == "L7":
        found.append(posts["convener"])
    found += beside
    if jump is not None and jump.level == "L4":
        # Fled: the police are asked to help find the employer (条例 41).
        found.append(POLICE)
    return tuple(dict.fromkeys(found))


def _answerable(clock: Clock, state: Watch, policy: Policy) -> str:
    """Who answers for a clock of no case: the unit; for the city the office, or who publishes."""
    if clock.timer == "T43":
        return LABOUR
    if state.subject == CITY:
        return policy.content.organisation.office
    return unit_code(state.subject)


def notified(clock: Clock, state: Watch, policy: Policy) -> tuple[str, ...]:
    """Whom a 督办函 goes to: who must act, with a case's handler the lead units; in the police lane
    those who are late."""
    lane = lane_of(clock, state, policy)
    if lane == "procuratorate":
        return (POLICE, policy.content.organisation.posts["procuratorate"])
    if lane == "police":
        return (LABOUR,)
    if state.received_at is None:
        return (_answerable(clock, state, policy),)
    duty = duty_of(clock, policy)
    force = policy.task_forces.get(state.task_force or "")
    leads = force.lead_units if force is not None and duty == "handler" else ()
    return tuple(dict.fromkeys((*_must_act(duty, state, policy), *leads)))


def duty_of(clock: Clock, policy: Policy) -> Duty:
    """Whose act stops a clock of a case: nobody is reminded of what another has to do."""
    rule = policy.timers.get(clock.timer)
    if rule is None:
        return "handler"
    return rule.steps.get(clock.step or "", rule.duty)


def _must_act(duty: Duty, state: Watch, policy: Policy) -> tuple[str, ...]:
    """The units of a duty; the office where nobody has the case yet, or no task force leads it."""
    office = policy.content.organisation.office
    force = policy.task_forces.get(state.task_force or "")
    if duty == "labour":
        return (LABOUR,)
    if duty == "task_force" and force is not None:
        return force.lead_units
    if duty == "handler" and state.handler is not None:
        return (state.handler, *((state.department,) if state.department else ()))
    return (office,)
