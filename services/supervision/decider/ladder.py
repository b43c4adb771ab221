"""The escalation ladder (方案 五(三)三; domain 4.3): which level of a breached timer fires when."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from services.supervision.decider.derivation import length_of
from services.supervision.decider.state import Clock, Watch
from shared.calendar import at_hour, civil, end_of, last_day_of
from shared.policy import Policy, Rung

MORNING = 9
"""Reminders of a day are given at this hour, Asia/Shanghai."""

Step = tuple[datetime, str]

_OWN_EVENT = frozenset(("T02", "T05", "T16", "T17", "T23"))
"""Timers whose own event stands in the place of L3."""


def ladder_name(clock: Clock, state: Watch, policy: Policy) -> str:
    """The ladder a clock climbs; short and hourly timers have their own first rungs."""
    if clock.timer.startswith("A"):
        return "campaign_date" if _is_case(state) else "unit_date"
    if clock.timer == "T06" and clock.item == "window":
        return "none"
    if clock.timer in ("T02", "T32") and clock.item in ("tries", "pass_on"):
        return "none"
    if clock.timer == "T50" and clock.step != "phone":
        return "watch"
    if clock.timer == "T51" and clock.item is not None:
        level = clock.item.rsplit("|", 1)[-1]
        return {"G2": "group_g2", "G3": "group_g3"}.get(level, "stops_at_l4_hours")
    rule = policy.timers[clock.timer]
    if rule.ladder not in ("stops_at_l4", "own_event"):
        return rule.ladder
    length = length_of(clock, rule)
    if length.unit in ("h", "min"):
        return "stops_at_l4_hours"
    short = length.unit in ("wd", "cd") and length.n <= 2 and clock.fixed_due is None
    if clock.timer in ("T16",):
        short = True
    return f"{rule.ladder}_short" if short else rule.ladder


def _is_case(state: Watch) -> bool:
    return state.received_at is not None


def steps(clock: Clock, state: Watch, policy: Policy) -> tuple[Step, ...]:
    """(instant, level) of every rung, in order of instant, lower levels first."""
    assert clock.due_at is not None
    name = ladder_name(clock, state, policy)
    jump = None
    if clock.timer == "T09" and state.kind == "supervised" and state.tier == "NAT":
        jump = policy.content.ladder.supervised_national_jump
    return _steps(
        policy, name, clock.started_at, clock.due_at, clock.cap_target_at, clock.known_at, jump
    )


@lru_cache(maxsize=65536)
def _steps(
    policy: Policy,
    name: str,
    started_at: datetime,
    due_at: datetime,
    target: datetime | None,
    known_at: datetime,
    jump: str | None,
) -> tuple[Step, ...]:
    found: list[Step] = []
    for rung in policy.content.ladder.ladders[name].rungs:
        at = _instant(rung, started_at, due_at, policy)
        level: str = rung.level
        if level == "L1" and target is not None:
            # The campaign's back-scheduled target reminds earlier; at assignment if past.
            at = max(min(at, target), known_at)
        if jump is not None and level in ("L4", "L5", "L6"):
            if level != "L4":
                continue
            level = jump
        found.append((at, level))
    return tuple(sorted(found, key=lambda step: (step[0], step[1])))


def _instant(rung: Rung, started_at: datetime, due_at: datetime, policy: Policy) -> datetime:
    calendar = policy.calendar
    due_day = last_day_of(due_at)
    if rung.half:
        return started_at + (due_at - started_at) / 2
    if rung.morning_wd_before is not None:
        day = calendar.on_or_before(due_day)
        return at_hour(
            calendar.before(day, rung.morning_wd_before) if rung.morning_wd_before else day, MORNING
        )
    if not rung.after_wd:
        return due_at
    # An hour timer's due may lie within a day: that day is the due day.
    day = due_day if due_at == end_of(due_day) else civil(due_at)
    return end_of(calendar.after(day, rung.after_wd))


@lru_cache(maxsize=8192)
def _next_working_end(policy: Policy, known_at: datetime) -> datetime:
    return end_of(policy.calendar.after(civil(known_at), 1))


def owed_steps(clock: Clock, state: Watch, policy: Policy) -> list[Step]:
    """Alerts of a running clock that are still to be raised, each with its own instant.

    Steps that precede the recording of the clock's start are not raised then: at 00:00 after the
    next working day only the highest still owed is (domain 4.3).
    """
    highest = max(
        (alert.level for alert in clock.raised if alert.under == clock.set_id), default=""
    )
    every = steps(clock, state, policy)
    owed = [(at, level) for at, level in every if at >= clock.known_at and level > highest]
    missed = max((level for at, level in every if at < clock.known_at), default="")
    if missed > highest:
        at = _next_working_end(policy, clock.known_at)
        passed = [level for instant, level in owed if instant <= at]
        if missed > max(passed, default=""):
            owed = [step for step in owed if step[1] > missed or step[0] <= at]
            owed.append((at, missed))
    if clock.timer == "T09" and state.a_date_missed:
        owed = [step for step in owed if step[1] != "L7"]
    if clock.floor is not None:
        owed = [(max(at, clock.floor), level) for at, level in owed]
    return sorted(owed)


def own_event(clock: Clock) -> bool:
    """Whether its own event stands in the place of L3 at due."""
    return clock.timer in _OWN_EVENT and clock.item not in ("tries",)


def recipients(clock: Clock, state: Watch, level: str, policy: Policy) -> tuple[str, ...]:
    """Posts and units that an alert of this level reaches; each level keeps the lower ones'."""
    content = policy.content
    posts = content.organisation.posts
    if state.subject.startswith("unit:") or state.subject == "city":
        code = state.subject.removeprefix("unit:")
        found = [code, *(() if level < "L3" else (content.organisation.office,))]
        return tuple([*found, *((posts["convener"],) if level == "L7" else ())])
    lane = content.ladder.ladders[ladder_name(clock, state, policy)].recipients
    if lane in ("police", "procuratorate"):
        found = ["市人社局"]
        found += [posts["police_vice_convener"]] if level >= "L6" else []
        found += [posts["procuratorate"]] if lane == "procuratorate" else []
        return tuple(found)
    force = policy.task_forces.get(state.task_force or "")
    handler = state.township or content.organisation.office
    found = [handler, *((state.department,) if state.department else ())]
    if force is not None and level >= "L2":
        found += force.lead_units
    if level >= "L3":
        found.append(content.organisation.office)
    if level >= "L5" and force is not None:
        found.append(force.deputy_post)
    if level >= "L6":
        found.append(force.leader_post if force else posts["vice_convener"])
    if level == "L7":
        found.append(posts["convener"])
    if clock.timer == "T50":
        found += ["市公安局", "市委网信办"]
    return tuple(dict.fromkeys(found))
