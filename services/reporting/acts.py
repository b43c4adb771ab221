"""Acts that a number counts by when they happened: payments, follow-ups, returns, reports of units.

An act is one fact of one event (of a meeting: each of its decisions; of a payment: each of its
lines), with the units that had the case at that moment. It is written once and never changed: a
reversal is another act with a negative sum.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from services.reporting import money
from services.reporting.case import Case
from shared import events as ev
from shared.calendar import end_of
from shared.events import Event
from shared.roles import NO_TOWNSHIP, OFFICE
from shared.streams import kind_of, unit_code

COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("event_id", "text NOT NULL"),
    ("kind", "text NOT NULL"),
    ("subject", "text NOT NULL"),
    ("at", "timestamptz NOT NULL"),
    ("recorded_at", "timestamptz NOT NULL"),
    ("task_force", "text"),
    ("department", "text"),
    ("township", "text"),
    ("ref", "text"),
    ("word", "text"),
    ("got_paid", "text"),
    ("fen", "bigint"),
    ("emergency", "boolean"),
    ("until", "timestamptz"),
    ("part", "integer NOT NULL"),
)
DUTIES: Final = ("T55", "T56")
"""督导整改, 分类整治措施: what a unit has to put right or has promised, by its clock."""

DECISION: Final = "MEETING"
"""例会议定事项: what a meeting has put a unit in charge of, by its day; no timer of domain 4.1."""

NAMES: Final = tuple(name for name, _ in COLUMNS)


class Act(NamedTuple):
    """One counted fact; fields in order of COLUMNS. `part`: which of an event's, from 0."""

    event_id: str
    kind: str
    subject: str
    at: datetime
    recorded_at: datetime
    task_force: str | None = None
    department: str | None = None
    township: str | None = None
    ref: str | None = None
    word: str | None = None
    got_paid: str | None = None
    fen: int | None = None
    emergency: bool | None = None
    until: datetime | None = None
    part: int = 0


def acts_of(case: Case | None, event: Event, recorded_at: datetime) -> list[Act]:
    """The acts that an event is: one, each decision of a meeting or each line of a payment; none
    that no number counts.

    `case`: the case before the event, None on the stream of a unit or of the city.
    `recorded_at`: the running maximum of recordedtime in its partition.
    """
    match event.data:
        case ev.MeetingHeld():
            found = [_decision(event, recorded_at, item) for item in event.data.decisions]
        case ev.PaymentVerified() | ev.PaymentReversed():
            found = _lines(case, event, recorded_at, event.data)
        case _:
            act = _act_of(case, event, recorded_at)
            found = [] if act is None else [act]
    return [act._replace(part=part) for part, act in enumerate(found)]


def _lines(
    case: Case | None,
    event: Event,
    recorded_at: datetime,
    data: ev.PaymentVerified | ev.PaymentReversed,
) -> list[Act]:
    """What each line got or gave back: `ref`, `fen`. What is owed is covered line by line."""
    before = case or Case(event.subject)
    act = _act(event, recorded_at, "PAYMENT", case)._replace(
        emergency=money.is_emergency(before, data)
    )
    changes = money.changes_fen(before, data)
    return [act._replace(ref=line, fen=fen) for line, fen in changes.items()]


def _decision(event: Event, recorded_at: datetime, item: ev.MeetingDecision) -> Act:
    """What a meeting has decided is a duty of its owner, until the end of its day."""
    duty = _act(event, recorded_at, "DUTY", None)._replace(
        ref=ev.decision_ref(event.id, item.no), word=DECISION, until=end_of(item.due_on)
    )
    return _by_unit(duty, item.owner)


def _act_of(case: Case | None, event: Event, recorded_at: datetime) -> Act | None:
    data = event.data
    match data:
        case ev.FollowUpCompleted():
            return _act(event, recorded_at, "FOLLOW_UP", case)._replace(
                word=data.satisfaction, got_paid=data.got_paid
            )
        case ev.ReturnRequested():
            return _act(event, recorded_at, "RETURN", case)
        case ev.ReturnApproved():
            return _act(event, recorded_at, "IMPROPER_RETURN", case) if data.improper else None
        case ev.ReturnNotApproved() | ev.ReturnRefused():
            return _act(event, recorded_at, "IMPROPER_RETURN", case)
        case ev.CaseReopened():
            return _act(event, recorded_at, "REOPENED", case)._replace(word=data.reason)
        case ev.FalseClosureFound():
            return _act(event, recorded_at, "FALSE_CLOSURE", case)
        case ev.SupervisionNoticeIssued():
            return _noticed(_act(event, recorded_at, "NOTICE", case), data)
        case ev.SupervisionNoticeReplied():
            return _act(event, recorded_at, "NOTICE_REPLIED", case)._replace(ref=data.notice_no)
        case ev.ExtremeIncidentReported():
            return _of_unit(_act(event, recorded_at, "INCIDENT", case))._replace(ref=event.id)
        case ev.ExtremeIncidentVerified():
            return _act(event, recorded_at, "INCIDENT_VERIFIED", case)._replace(ref=data.incident)
        case ev.ScreeningReported():
            return _act(event, recorded_at, "SCREENING", None)._replace(word=data.period)
        case ev.ZeroReportFiled():
            return _act(event, recorded_at, "ZERO_REPORT", None)._replace(word=data.period)
        case ev.SummaryFiled():
            return _act(event, recorded_at, "SUMMARY", None)._replace(word=data.period)
        case ev.DeadlineSet() if data.timer in DUTIES and kind_of(event.subject) == "unit":
            duty = _act(event, recorded_at, "DUTY", None)._replace(
                ref=data.item, word=data.timer, at=data.started_at, until=data.due_at
            )
            return _of_unit(duty)
        case ev.RectificationReported():
            return _act(event, recorded_at, "DUTY_DONE", None)._replace(ref=data.visit, word="T55")
        case ev.MeasureCompleted():
            return _act(event, recorded_at, "DUTY_DONE", None)._replace(
                ref=data.ref, word="T56" if data.meeting is None else DECISION
            )
        case ev.RuleRevised():
            return _act(event, recorded_at, "RULE_REVISED", None)._replace(word=data.rule)
        case ev.PublicityRecorded():
            return _act(event, recorded_at, "PUBLICITY", None)._replace(word=data.kind)
        case _:
            return None


def _of_unit(act: Act) -> Act:
    """What stands on a unit's stream, of no known case, counts as its own."""
    return _by_unit(act, unit_code(act.subject)) if kind_of(act.subject) == "unit" else act


def _by_unit(act: Act, code: str) -> Act:
    if code.isdigit():
        return act._replace(township=code)
    if code.startswith("TF"):
        return act._replace(task_force=code)
    return act._replace(department=code)


def _noticed(act: Act, data: ev.SupervisionNoticeIssued) -> Act:
    """A 督办函 counts against whom it was sent to: who handles the case, with it the task force, or
    the task force alone for its review; not for what the office or the bureau owed.
    """
    act = act._replace(ref=data.notice_no, until=data.reply_due_at)
    if kind_of(act.subject) != "case":
        return act
    handler = act.department if act.township in (None, NO_TOWNSHIP) else act.township
    handling = (handler or act.task_force) in data.to
    reviewing = data.timer == "T12" and OFFICE not in data.to
    return act._replace(
        township=act.township if handling else None,
        department=act.department if handling else None,
        task_force=act.task_force if handling or reviewing else None,
    )


def _act(event: Event, recorded_at: datetime, kind: str, case: Case | None) -> Act:
    return Act(
        event.id,
        kind,
        event.subject,
        event.time,
        recorded_at,
        case.task_force if case else None,
        case.department if case else None,
        case.township if case else None,
    )
