"""Units and the city: a silent unit is also watched (方案 五(二)一, 四; A1, A8, T43, T53)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from services.supervision.decider.agenda import DEADLINE, Step, agenda
from services.supervision.decider.facts import evolve as evolve_case
from services.supervision.decider.state import Clock, Watch, stop
from shared import events as ev
from shared.calendar import DAY, at_hour, civil, start_of
from shared.envelope import owe
from shared.events import Event, Service
from shared.policy import Policy
from shared.streams import unit_code

ROLL_CALL_HOUR = 9


class UnitSupervision:
    """Supervision on a unit's stream: screening, summary and duty roll-calls."""

    writer: Service = "supervision"
    state_type = Watch

    def initial(self, subject: str) -> Watch:
        return Watch(subject)

    def evolve(self, state: Watch, event: Event) -> Watch:
        data = event.data
        match data:
            case ev.ScreeningReported():
                return stop(state, event, "A1")
            case ev.SummaryFiled():
                return stop(state, event, "A8")
            case ev.ZeroReportFiled():
                return stop(state, event, "T53", item=civil(event.time).isoformat())
            case ev.DeadlineSet():
                return _started(state, event, data)
            case _:
                return evolve_case(state, event)

    def decide(self, state: Watch, now: datetime, policy: Policy) -> list[Event]:
        return due_now(_unit_agenda(state, policy), now)

    def wake_at(self, state: Watch, policy: Policy) -> datetime | None:
        return min((step[0] for step in _unit_agenda(state, policy)), default=None)


class CitySupervision(UnitSupervision):
    """Supervision on the city's stream: the quarterly publication (T43)."""

    def evolve(self, state: Watch, event: Event) -> Watch:
        if isinstance(event.data, ev.PublicationMade):
            return stop(state, event, "T43", item=event.data.quarter)
        if isinstance(event.data, ev.DeadlineSet):
            return _started(state, event, event.data)
        return evolve_case(state, event)

    def decide(self, state: Watch, now: datetime, policy: Policy) -> list[Event]:
        return due_now(_city_agenda(state, policy), now)

    def wake_at(self, state: Watch, policy: Policy) -> datetime | None:
        return min((step[0] for step in _city_agenda(state, policy)), default=None)


def due_now(steps: list[Step], now: datetime) -> list[Event]:
    """The decisions of steps whose instant has come, in order of instant, rank and level."""
    due = sorted((step for step in steps if step[0] <= now), key=lambda step: step[:2])
    return [build() for _, _, build in due]


def _started(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    """A unit's clock begins with its own DeadlineSet: nobody's act starts it."""
    if any(clock.set_id == event.id for clock in state.clocks):
        return state
    running = next(
        (
            clock
            for clock in state.clocks
            if clock.key == (data.timer, data.step, data.item) and clock.running
        ),
        None,
    )
    clock = Clock(
        timer=data.timer,
        cause=data.cause,
        started_at=data.started_at,
        known_at=event.time,
        step=data.step,
        item=data.item,
        set_id=event.id,
        due_at=data.due_at,
        book=(event.policy or "").partition("@")[2] or None,
        fixed_due=data.due_at if data.timer in ("T53", "T43") else None,
        raised=running.raised if running else (),
    )
    clocks = tuple(other for other in state.clocks if other is not running)
    mark = f"{data.timer}|{data.item or ''}"
    begun = state.begun if mark in state.begun else (*state.begun, mark)
    return replace(state, clocks=(*clocks, clock), begun=begun)


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
    """T53: on each duty day from 09:00; the next day's follows the last one begun."""
    if unit_code(state.subject) not in policy.units:
        return
    last = max((mark.split("|")[1] for mark in state.begun if mark.startswith("T53|")), default="")
    for window in policy.content.campaign.duty:
        first = max(window.first, civil(policy.adopted_at))
        if last:
            first = max(first, date.fromisoformat(last) + DAY)
        if at_hour(first, ROLL_CALL_HOUR) < policy.adopted_at:
            first += DAY
        if first <= window.last:
            begin = at_hour(first, ROLL_CALL_HOUR)
            due = begin + timedelta(hours=policy.timers["T53"].length.n)
            item = first.isoformat()
            yield begin, DEADLINE, partial(_deadline, state, policy, "T53", item, begin, due)
            return


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
    if first > policy.calendar.last - timedelta(days=31):
        return
    begin = start_of(first)
    days = policy.timers["T43"].length.n
    due = start_of(policy.calendar.after(first - DAY, days) + DAY)
    item = f"{year}Q{quarter}"
    yield begin, DEADLINE, partial(_deadline, state, policy, "T43", item, begin, due)
