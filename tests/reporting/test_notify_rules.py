"""Who is told of what, what makes it pointless, and when a reminder waits for the morning."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from services.reporting.notify.rules import WANTED, Notification, ended, notifications, quiet_until
from shared import events as ev
from shared.calendar import ZONE
from shared.events import TYPES, AnyData, Event
from shared.policy import Policy, QuietHours
from shared.roles import LABOUR
from tests.shared.examples import EXAMPLES

AT = datetime(2021, 12, 1, 9, 0, tzinfo=ZONE)
QUIET = QuietHours(from_hour=22, to_hour=7, levels=("L1", "L2"), never=("T50",))


def event(data: AnyData, name: str = "e1") -> Event:
    return Event(id=name, subject="case-1", time=AT, recordedtime=AT, data=data)


def alert(level: str, *recipients: str, timer: str = "T09") -> Event:
    fields: dict[str, Any] = {"level": level, "recipients": recipients, "timer": timer}
    return event(ev.AlertRaised.model_validate({"cause": "d1", "due_at": AT, **fields}))


def told(book: Policy, what: Event, **reached: list[str]) -> list[Notification]:
    return notifications(what, book, reached)


def test_an_alert_reaches_each_of_its_recipients_once(book: Policy) -> None:
    found = told(book, alert("L3", "410185109", "市住建局", "联席办"))
    assert [item.recipient for item in found] == ["410185109", "市住建局", "联席办"]
    assert {item.kind for item in found} == {"alert"}
    assert len({item.id for item in found}) == 3
    assert [item.id for item in told(book, alert("L3", "410185109"))] == [found[0].id]
    assert found[0].body["data"]["due_at"] == "2021-12-01T01:00:00Z"
    assert "T09" in found[0].body["data"]["sentence"] or found[0].body["data"]["timer"] == "T09"


def test_at_l5_the_deputy_leader_is_asked_for_an_interview(book: Policy) -> None:
    deputy = book.task_forces["TF1"].deputy_post
    kinds = {item.recipient: item.kind for item in told(book, alert("L5", "410185109", deputy))}
    assert kinds == {"410185109": "alert", deputy: "interview"}


def test_a_notice_goes_to_those_it_names(book: Policy) -> None:
    notice = ev.SupervisionNoticeIssued(
        cause="a1", notice_no="1号", to=("410185109", "市住建局"), reply_due_at=AT
    )
    found = told(book, event(notice))
    assert [(item.kind, item.recipient) for item in found] == [
        ("notice", "410185109"),
        ("notice", "市住建局"),
    ]


@pytest.mark.parametrize(
    ("to", "level", "reached", "post"),
    [
        ("convener", "L7", [], "市长"),
        ("vice_convener", "L6", ["410185109", "常务副市长"], "常务副市长"),
        ("vice_convener", "L6", [LABOUR, "副市长兼公安局局长"], "副市长兼公安局局长"),
        ("vice_convener", "L6", [], "常务副市长"),
    ],
)
def test_an_escalation_goes_to_who_takes_the_case_over(
    book: Policy, to: str, level: str, reached: list[str], post: str
) -> None:
    data = ev.CaseEscalated.model_validate({"cause": "a1", "to": to, "level": level})
    (found,) = told(book, event(data), a1=reached)
    assert (found.kind, found.recipient) == ("escalation", post)


def test_a_reply_and_a_referral_are_the_labour_bureau_s(book: Policy) -> None:
    reply = ev.SourceReplyOwed(cause="c", source="12345", source_ref="7", conclusion="PAID")
    met = ev.ReferralThresholdMet(
        cause="d", limb=1, workers=1, months=3, amount_fen=1, threshold="henan-2013", doc_no="D1"
    )
    for data, kind in ((reply, "reply_owed"), (met, "referral")):
        (found,) = told(book, event(data))
        assert (found.kind, found.recipient) == (kind, LABOUR)


REPLY = ev.SourceReplyOwed(cause="c", source="12345", source_ref="7", conclusion="PAID")


def _replied(ref: str) -> AnyData:
    return ev.SourceReplied(source="12345", source_ref=ref)


def _cleared(cause: str) -> AnyData:
    return ev.AlertCleared.model_validate({"cause": cause, "timer": "T09", "level": "L3"})


@pytest.mark.parametrize(
    ("begun", "ending", "ends"),
    [
        (alert("L3", "TF1").data, _cleared("e1"), True),
        (alert("L3", "TF1").data, _cleared("e0"), False),
        (alert("L3", "TF1").data, ev.InterviewHeld(), False),
        (alert("L5", "TF1").data, ev.InterviewHeld(), False),
        (REPLY, _replied("7"), True),
        (REPLY, _replied("8"), False),
        (REPLY, ev.CaseReopened.model_validate({"cause": "x", "reason": "NEW_CLAIM"}), True),
    ],
)
def test_what_ends_what(book: Policy, begun: AnyData, ending: AnyData, ends: bool) -> None:
    (found,) = told(book, event(begun))
    assert bool(set(found.ends) & set(ended(event(ending, "e2")))) is ends


def test_the_interview_held_ends_its_request_and_not_the_alert(book: Policy) -> None:
    deputy = book.task_forces["TF1"].deputy_post
    keys = set(ended(event(ev.InterviewHeld(), "e2")))
    ends = {
        item.kind: bool(keys & set(item.ends)) for item in told(book, alert("L5", "TF1", deputy))
    }
    assert ends == {"alert": False, "interview": True}


def test_another_case_s_end_is_not_this_one_s(book: Policy) -> None:
    (found,) = told(book, event(REPLY))
    other = event(_replied("7"), "e2").replace(subject="case-2")
    assert not set(found.ends) & set(ended(other))


def test_every_type_that_tells_or_ends_is_read(book: Policy) -> None:
    """A type that is not WANTED is never looked at, so none of them may tell or end anything."""
    assert TYPES.keys() >= WANTED
    for name, example in EXAMPLES.items():
        if name not in WANTED:
            data = TYPES[name].model_validate(example)
            assert told(book, event(data)) == []
            assert ended(event(data)) == ()


# --- quiet hours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2021-12-01T21:59:59", None),
        ("2021-12-01T22:00:00", "2021-12-02T07:00:00"),
        ("2021-12-01T23:59:59", "2021-12-02T07:00:00"),
        ("2021-12-02T00:00:00", "2021-12-02T07:00:00"),
        ("2021-12-02T06:59:59", "2021-12-02T07:00:00"),
        ("2021-12-02T07:00:00", None),
        ("2021-12-31T23:00:00", "2022-01-01T07:00:00"),
    ],
)
def test_quiet_hours_are_half_open_and_pass_midnight(now: str, until: str | None) -> None:
    found = quiet_until(datetime.fromisoformat(now + "+08:00"), QUIET)
    assert found == (datetime.fromisoformat(until + "+08:00") if until else None)


def test_quiet_hours_within_a_day_and_none() -> None:
    noon = QuietHours(from_hour=12, to_hour=14, levels=("L1",))
    assert quiet_until(datetime(2021, 12, 1, 13, 0, tzinfo=ZONE), noon) == datetime(
        2021, 12, 1, 14, 0, tzinfo=ZONE
    )
    assert quiet_until(datetime(2021, 12, 1, 14, 0, tzinfo=ZONE), noon) is None
    assert quiet_until(AT, None) is None
