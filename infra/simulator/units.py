"""What the 22 units file, and the rare incidents: screening, roll-calls, summaries (方案 四)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from infra.simulator import season
from infra.simulator.complaints import Complaint
from infra.simulator.script import Habits, Line, text
from shared.calendar import DAY, Calendar, at_hour, civil
from shared.policy import Content


def unit_lines(rng: Random, book: Content, habits: Habits, calendar: Calendar) -> Iterator[Line]:
    """Screening by A1, a roll-call each duty day, summaries by A8; a slow unit misses some."""
    units = [entry.code for entry in book.organisation.task_forces]
    units += [entry.code for entry in book.organisation.townships]
    for unit in units:
        yield _filed(
            unit,
            _day(rng, date(2021, 12, 6), 24, calendar),
            15,
            "ScreeningReported",
            period="2021",
            findings=rng.randint(0, 9),
        )
        yield _filed(
            unit, _day(rng, date(2022, 4, 18), 11, calendar), 10, "SummaryFiled", period="2022"
        )
        slow = habits.pace.get(unit, 1.0) >= 1.5
        for window in book.campaign.duty:
            for day in _days(window.first, window.last):
                if rng.random() < (0.92 if slow else 0.999):
                    hour = 9 if rng.random() < 0.9 else 10
                    period = day.isoformat()
                    yield _filed(unit, day, hour, "ZeroReportFiled", period=period)
    yield from _city(rng, units)


def _city(rng: Random, units: list[str]) -> Iterator[Line]:
    for unit in units:
        if rng.random() < 0.6:
            yield _filed(
                unit,
                date(2022, 4, rng.randint(6, 22)),
                9,
                "PublicityRecorded",
                kind="enterprise",
                count=1,
            )
    yield _line(
        at_hour(date(2022, 4, 26), 10), "city", "RuleRevised", rule="欠薪治理联席会议工作规则"
    )
    yield _line(at_hour(date(2022, 4, 28), 15), "city", "SummaryFiled", period="2022")


def incident_lines(rng: Random, complaints: list[Complaint]) -> Iterator[Line]:
    """Of a large campaign: one extreme incident, some public alarms, one unlawful demand.

    `incident` is the label of the report; `number` puts the number of its line there.
    """
    grave = [
        c
        for c in complaints
        if c.oddity is None and c.twin_of is None and c.at < season.END - 20 * DAY
    ]
    if len(grave) < 500:
        return
    case, *others = rng.sample(grave, 5)
    start = season_hour(case, 2)
    yield _line(start, case.label, "ExtremeIncidentReported", kind="扬言跳楼讨薪", place="项目塔吊")
    for minutes, step in ((20, "phone"), (60, "written")):
        yield _line(
            start + timedelta(minutes=minutes),
            case.label,
            "IncidentReportFiled",
            incident=case.label,
            step=step,
        )
    yield _line(
        start + timedelta(hours=2), case.label, "ExtremeIncidentCleared", incident=case.label
    )
    yield _line(
        start + timedelta(hours=2), case.label, "ExtremeIncidentVerified", incident=case.label
    )
    for other in others[:3]:
        alarm = season_hour(other, 3)
        yield _line(
            alarm,
            other.label,
            "OpinionAlertRaised",
            url_hash=f"{rng.getrandbits(64):016x}",
            spread=rng.choice(("local", "provincial")),
        )
        yield _line(alarm, other.label, "OpinionStepDone", step="verify")
        for step in ("plan", "reply"):
            yield _line(alarm + timedelta(hours=1), other.label, "OpinionStepDone", step=step)
    yield _line(
        season_hour(others[3], 4),
        others[3].label,
        "IllegalDemandRecorded",
        police_doc_no="登公行罚〔2022〕7号",
    )


def season_hour(complaint: Complaint, days: int) -> datetime:
    """09:00 some days after a complaint: the case is assigned by then."""
    return at_hour(civil(complaint.at) + days * DAY, 9)


def _day(rng: Random, first: date, span: int, calendar: Calendar) -> date:
    return calendar.on_or_before(first + rng.randint(0, span) * DAY)


def _days(first: date, last: date) -> Iterator[date]:
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(number)


def _filed(unit: str, day: date, hour: int, type: str, **data: Any) -> Line:
    return _line(at_hour(day, hour), f"unit:{unit}", type, **data)


def _line(at: datetime, case: str, type: str, **data: Any) -> Line:
    return {"at": text(at), "case": case, "type": type, "data": data}
