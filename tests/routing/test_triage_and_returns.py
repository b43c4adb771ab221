"""The office's decisions, returns by rule and reassignment (T06, I-04, I-06)."""

from __future__ import annotations

from typing import Any

import pytest

from shared import events as ev
from shared.events import Event
from tests.routing.spec import accepted_complaint, decisions, fact, of, when

RIDERS: dict[str, Any] = {"employer": {"industry": "6242", "ownership": "private"}, "project": None}
TOWN = "410185109/township/p"
OTHER = "410185100/township/p"


def asked(at: str, by: str = TOWN, happened: str | None = None) -> Event:
    return fact(ev.ReturnRequested(), at, by=by, happened=happened)


def returned(first: str, approved: str, decided: str, by: str = TOWN, **unit: Any) -> list[Event]:
    values = {"task_force": "TF6", "township": "410185100"} | unit
    return [
        asked(first, by),
        fact(ev.ReturnApproved(), approved),
        fact(ev.TriageDecided.model_validate(values), decided),
    ]


def test_the_office_hands_platform_work_to_a_department_with_the_default_co_handlers() -> None:
    choice = ev.TriageDecided(department="市人社局", township="410185001")
    history = [*accepted_complaint(**RIDERS), fact(choice, "2021-11-12 09:00")]

    (answer,) = of(decisions(history), ev.CaseAssigned)

    assert (answer.task_force, answer.department) == (None, "市人社局")
    assert answer.co_handlers == ("市商务局", "市委网信办")
    assert answer.township == "410185001"


def test_co_handlers_that_the_office_names_stand() -> None:
    choice = ev.TriageDecided(department="市人社局", township="410185001", co_handlers=())
    history = [*accepted_complaint(**RIDERS), fact(choice, "2021-11-12 09:00")]

    (answer,) = of(decisions(history), ev.CaseAssigned)

    assert answer.co_handlers == ()


def test_an_approved_return_goes_back_to_triage_and_then_to_another_unit() -> None:
    history = accepted_complaint()
    history += returned("2021-11-12 10:00", "2021-11-12 15:00", "2021-11-15 10:00")

    decided = decisions(history)

    (request,) = of(decided, ev.TriageRequested)
    (answer,) = of(decided, ev.CaseReassigned)
    assert request.reason == "RETURNED"
    assert (answer.task_force, answer.township) == ("TF6", "410185100")
    assert answer.from_ == ev.Unit(task_force="TF1", township="410185109")
    assert of(decided, ev.ReturnRefused) == []


@pytest.mark.parametrize(
    ("at", "refused"), [("2021-11-12 23:59", False), ("2021-11-13 00:00", True)]
)
def test_the_window_closes_at_the_end_of_the_next_working_day(at: str, refused: bool) -> None:
    answers = of(decisions([*accepted_complaint(), asked(at)]), ev.ReturnRefused)

    assert [answer.code for answer in answers] == (["WINDOW_CLOSED"] if refused else [])


def test_a_return_made_in_time_and_recorded_late_is_in_time() -> None:
    history = [*accepted_complaint(), asked("2021-11-15 10:00", happened="2021-11-12 17:00")]

    assert of(decisions(history), ev.ReturnRefused) == []


@pytest.mark.parametrize("fields", [{"via": "petition"}, {"source": "xinfang"}])
@pytest.mark.parametrize(
    ("at", "refused"), [("2021-11-16 23:59", False), ("2021-11-17 00:00", True)]
)
def test_a_petition_may_be_returned_for_five_days(
    fields: dict[str, Any], at: str, refused: bool
) -> None:
    answers = of(decisions([*accepted_complaint(**fields), asked(at)]), ev.ReturnRefused)

    assert bool(answers) == refused


def test_the_same_unit_returns_once() -> None:
    history = accepted_complaint()
    history += returned(
        "2021-11-12 10:00", "2021-11-12 15:00", "2021-11-15 10:00", township="410185109"
    )
    history.append(asked("2021-11-15 12:00"))

    (answer,) = of(decisions(history), ev.ReturnRefused)

    assert answer.code == "SECOND_RETURN"


def test_a_case_is_returned_twice_at_most() -> None:
    history = accepted_complaint()
    history += returned("2021-11-12 10:00", "2021-11-12 15:00", "2021-11-15 10:00")
    history += returned(
        "2021-11-15 12:00", "2021-11-15 15:00", "2021-11-16 10:00", OTHER, township="410185103"
    )
    history.append(asked("2021-11-16 12:00", by="410185103/township/p"))

    decided = decisions(history)

    assert len(of(decided, ev.CaseReassigned)) == 2
    assert [answer.code for answer in of(decided, ev.ReturnRefused)] == ["SECOND_RETURN"]


def test_a_designation_ends_the_ping_pong() -> None:
    designated = ev.HandlerDesignated(task_force="TF1", township="410185109")
    history = [
        *accepted_complaint(),
        asked("2021-11-12 10:00"),
        fact(designated, "2021-11-12 16:00"),
    ]

    (answer,) = of(decisions(history), ev.CaseReassigned)

    assert (answer.rule, answer.township) == ("DESIGNATED", "410185109")


def test_the_return_that_a_designation_answers_is_the_unit_s_one() -> None:
    """I-06, also where the office later decides anew."""
    designated = ev.HandlerDesignated(task_force="TF1", township="410185109")
    anew = ev.TriageDecided(task_force="TF1", township="410185109")
    history = [
        *accepted_complaint(),
        asked("2021-11-12 10:00"),
        fact(designated, "2021-11-12 16:00"),
        fact(anew, "2021-11-15 10:00"),
        asked("2021-11-15 11:00"),
    ]

    decided = decisions(history)

    (refused,) = (event for event in decided if isinstance(event.data, ev.ReturnRefused))
    assert isinstance(refused.data, ev.ReturnRefused)
    assert (refused.time, refused.data.code) == (when("2021-11-15 11:00"), "SECOND_RETURN")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ev.ComplaintNotAccepted(reason="NOT_WAGES"), "NOT_ACCEPTED"),
        (ev.ComplaintTransferredOut(to_body="sealed:1:x"), "TRANSFERRED_OUT"),
    ],
)
def test_an_assignment_that_crossed_the_end_of_the_case_is_withdrawn(
    data: ev.AnyFact, reason: str
) -> None:
    history = [*accepted_complaint(), fact(data, "2021-11-11 10:01")]

    (answer,) = of(decisions(history), ev.AssignmentWithdrawn)

    assert answer.reason == reason


def test_a_complaint_that_was_not_accepted_is_assigned_to_nobody() -> None:
    history = accepted_complaint()[:1]

    assert of(decisions(history), ev.CaseAssigned) == []
