"""Units and the city: a silent unit is also watched (方案 五(二)一, 四; A1, A8, T43, T53).

What a supervision visit found (方案 五(三)三) and what a measure promised (方案 五(四)二) run as
T55 and T56 on the stream of the unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache, partial

from services.supervision.decider.agenda import (
    DEADLINE,
    Remembered,
    Step,
    agenda,
    due_now,
    first_instant,
)
from services.supervision.decider.cases import A_DATES
from services.supervision.decider.clocks import book_of
from services.supervision.decider.derivation import UNIT_CLOCKS
from services.supervision.decider.facts import evolve as evolve_case
from services.supervision.decider.state import Clock, Watch, empty, replace, start, stop
from shared import events as ev
from shared.calendar import BEYOND, DAY, at_hour, civil, end_of, start_of
from shared.envelope import owe
from shared.events import Event, Service
from shared.policy import Policy
from shared.streams import unit_code

ROLL_CALL_HOUR = 9


class UnitSupervision:
    """Supervision on a unit's stream: screening, summary, roll-calls, visits and measures."""

    writer: Service = "supervision"
    state_type = Watch

    def initial(self, subject: str) -> Watch:
        return empty(subject)

    def evolve(self, state: Watch, event: Event) -> Watch:
        data = event.data
        match data:
            case ev.ScreeningReported():
                return stop(state, event, "A1")
            case ev.SummaryFiled():
                return stop(state, event, "A8")
            case ev.ZeroReportFiled():
                return _reported(state, event, data)
            case ev.SupervisionVisitRecorded():
                return start(state, "T55", event, item=event.id) if data.findings else state
            case ev.RectificationReported():
                return stop(state, event, "T55", item=data.visit)
            case ev.MeasurePlanFiled():
                due = end_of(data.due_on)
                return start(state, "T56", event, item=data.measure, fixed_due=due)
            case ev.MeasureCompleted() if data.meeting is None:
                return stop(state, event, "T56", item=data.measure)
            case ev.DeadlineSet() if _begins_by_itself(data.timer):
                return _begun(state, event, data)
            case _:
                # Also incidents and opinion alerts that no case is known to (T50, T52).
                return evolve_case(state, event)

    def __init__(self) -> None:
        self._agenda = Remembered(_unit_agenda)

    def decide(self, state: Watch, now: datetime, policy: Policy) -> list[Event]:
        return due_now(self._agenda(state, policy), now)

    def wake_at(self, state: Watch, policy: Policy) -> datetime | None:
        return first_instant(self._agenda(state, policy))


class CitySupervision(UnitSupervision):
    """Supervision on the city's stream: the quarterly publication (T43)."""

    def evolve(self, state: Watch, event: Event) -> Watch:
        data = event.data
        if isinstance(data, ev.PublicationMade):
            return stop(state, event, "T43", item=_quarter(data.quarter))
        if isinstance(data, ev.DeadlineSet) and _begins_by_itself(data.timer):
            return _begun(state, event, data)
        return evolve_case(state, event)

    def __init__(self) -> None:
        self._agenda = Remembered(_city_agenda)


def _quarter(text: str | None) -> str | None:
    """`2021Q4` of whatever names it (2021-Q4, 2021年第4季度); None stands for any."""
    found = re.findall(r"\d+", text or "")
    return f"{found[0]}Q{found[1]}" if len(found) == 2 else None


def _reported(state: Watch, event: Event, data: ev.ZeroReportFiled) -> Watch:
    """The report of a duty day: the one that `period` names, else the day on which it was made.

    Made before the roll-call of its day it answers that roll-call, which does not begin then.
    """
    day = civil(event.time).isoformat()
    if data.period is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", data.period):
        day = data.period
    mark = f"T53|{day}"
    state = stop(state, event, "T53", item=day)
    return state if mark in state.begun else replace(state, begun=(*state.begun, mark))


def _begins_by_itself(timer: str) -> bool:
    """The clocks that no act of anybody starts: campaign dates, roll-calls, quarters."""
    return timer in A_DATES or timer in UNIT_CLOCKS


def _begun(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    """A unit's campaign clock begins with its own DeadlineSet: nobody's act starts it."""
    if any(clock.key == (data.timer, data.step, data.item) for clock in state.clocks):
        return evolve_case(state, event)
    clock = Clock(
        timer=data.timer,
        cause=data.cause,
        started_at=data.started_at,
        known_at=event.time,
        step=data.step,
        item=data.item,
        set_id=event.id,
        due_at=data.due_at,
        book=book_of(event),
    )
    mark = f"{data.timer}|{data.item or ''}"
    return replace(state, clocks=(*state.clocks, clock), begun=(*state.begun, mark))


def _unit_agenda(state: Watch, policy: Policy) -> list[Step]:
    return [*agenda(state, policy), *_dates(state, policy), *_roll_call(state, policy)]


def _city_agenda(state: Watch, policy: Policy) -> list[Step]:
    return [*agenda(state, policy), *_quarters(state, policy)]


def _deadline(
    state: Watch, policy: Policy, timer: str, item: str | None, begin: datetime, due: datetime
) -> Event:
    data = ev.DeadlineSet(
        cause=policy.adoption_id, timer=timer, item=item, started_at=begin, due_at=due
    )
    return owe(state.subject, begin, data)


def _dates(state: Watch, policy: Policy) -> Iterator[Step]:
    """A1 and A8 of a unit of the campaign, from the adoption of the book."""
    code = unit_code(state.subject)
    kind = "task_force" if code in policy.task_forces else "township"
    if code not in policy.units:
        return
    for entry in policy.content.campaign.dates:
        due = policy.date_end(entry.id)
        wanted = kind in entry.units and due > policy.adopted_at
        if wanted and f"{entry.id}|" not in state.begun:
            at = policy.adopted_at
            yield at, DEADLINE, partial(_deadline, state, policy, entry.id, None, at, due)


def _roll_call(state: Watch, policy: Policy) -> Iterator[Step]:
    """T53: on each duty day from 09:00, unless its report came before."""
    if unit_code(state.subject) not in policy.units:
        return
    begun = frozenset(state.begun)
    for mark, item, begin in _roll_calls(policy):
        if mark not in begun:
            due = begin + timedelta(hours=policy.timers["T53"].length.n)
            yield begin, DEADLINE, partial(_deadline, state, policy, "T53", item, begin, due)
            return


@lru_cache(maxsize=64)
def _roll_calls(policy: Policy) -> tuple[tuple[str, str, datetime], ...]:
    """(mark, day, instant) of every roll-call from the adoption of the book on, in order."""
    days = [
        window.first + number * DAY
        for window in policy.content.campaign.duty
        for number in range((window.last - window.first).days + 1)
    ]
    found = [(day.isoformat(), at_hour(day, ROLL_CALL_HOUR)) for day in days]
    return tuple((f"T53|{day}", day, at) for day, at in found if at >= policy.adopted_at)


def _quarters(state: Watch, policy: Policy) -> Iterator[Step]:
    """T43: within ten working days after a quarter ends (人社部令29号)."""
    last = max((mark.split("|")[1] for mark in state.begun if mark.startswith("T43|")), default="")
    day = civil(policy.adopted_at)
    year, quarter = day.year, (day.month - 1) // 3 + 1
    if last:
        year, quarter = int(last[:4]), int(last[5:]) + 1
        year, quarter = (year + 1, 1) if quarter == 5 else (year, quarter)
    next_year, next_month = (year + 1, 1) if quarter == 4 else (year, quarter * 3 + 1)
    first = date(next_year, next_month, 1)
    if first > policy.calendar.last + BEYOND / 2:
        return
    begin = start_of(first)
    days = policy.timers["T43"].length.n
    due = end_of(policy.calendar.after(first - DAY, days))
    item = f"{year}Q{quarter}"
    yield begin, DEADLINE, partial(_deadline, state, policy, "T43", item, begin, due)
