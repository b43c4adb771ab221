"""延期 (T11, I-07): asked before due, by whom and how far; refused by rule otherwise."""

from __future__ import annotations

import pytest

from shared import events as ev
from tests.supervision.spec import Told, assigned, local, when

START = "2021-11-11 10:00"  # handling due 11-25 24:00


def ask(case: Told, at: str, to: str, happened: str | None = None) -> None:
    case.at(at, ev.ExtensionRequested(to=when(to)), happened=happened)


def approve(
    case: Told, at: str, to: str, approver: str = "office", happened: str | None = None
) -> None:
    fields = {"to": when(to), "approver": approver}
    case.at(at, ev.ExtensionApproved.model_validate(fields), happened=happened)


def refusals(case: Told) -> list[tuple[str | None, str]]:
    codes = [data.code for data in case.of(ev.ExtensionRefused)]
    return list(zip(case.times(ev.ExtensionRefused), codes, strict=True))


def test_five_working_days_by_the_office() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-03 00:00")
    assert refusals(case) == []
    approve(case, "2021-11-24 15:00", "2021-12-03 00:00")
    (_, moved) = case.deadlines("T09")
    assert local(moved.due_at) == "2021-12-03 00:00"
    assert local(moved.started_at) == START
    assert moved.moved
    assert moved.cap == "A5"
    assert case.cleared("T09") == [("2021-11-24 15:00", "L1")]
    case.until("2021-12-04 00:00")
    assert case.alerts("T09")[1:] == [
        ("2021-11-30 09:00", "L1"),
        ("2021-12-02 09:00", "L2"),
        ("2021-12-03 00:00", "L3"),
        ("2021-12-04 00:00", "L4"),
    ]


def test_a_due_within_a_day_is_kept_as_it_is() -> None:
    case = assigned(START)
    approve(case, "2021-11-24 15:00", "2021-11-29 17:00")
    case.until("2021-12-01 00:00")
    assert case.alerts("T09")[-2:] == [("2021-11-29 17:00", "L3"), ("2021-12-01 00:00", "L4")]


def test_a_request_alone_moves_nothing_and_a_person_may_say_no() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-03 00:00")
    case.at("2021-11-24 11:00", ev.ExtensionNotApproved())
    assert len(case.deadlines("T09")) == 1
    assert case.until("2021-11-26 00:00").alerts("T09")[-1] == ("2021-11-26 00:00", "L3")


def test_a_pending_request_is_not_refused_afterwards() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-03 00:00")
    case.at("2021-11-25 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
    assert refusals(case.until("2021-12-20 00:00")) == []


@pytest.mark.parametrize(
    ("asked", "to", "code"),
    [
        ("2021-11-26 00:00", "2021-12-03 00:00", "AFTER_DUE"),
        ("2021-11-25 23:59", "2021-12-03 00:00", None),
        ("2021-11-24 10:00", "2021-12-03 00:01", "TOO_LONG"),
    ],
)
def test_the_request_is_answered_by_rule(asked: str, to: str, code: str | None) -> None:
    case = assigned(START)
    ask(case, asked, to)
    assert refusals(case) == ([(asked, code)] if code else [])


def test_asked_in_time_and_recorded_late_is_in_time() -> None:
    case = assigned(START).until("2021-11-26 08:00")
    ask(case, "2021-11-26 09:00", "2021-12-03 00:00", happened="2021-11-25 16:00")
    approve(case, "2021-11-26 10:00", "2021-12-03 00:00", happened="2021-11-25 17:00")
    assert refusals(case) == []
    assert case.due("T09") == "2021-12-03 00:00"
    assert case.cleared("T09")[-1] == ("2021-11-26 10:00", "L3"), "cleared, not undone"


def test_an_approval_after_due_is_refused_though_asked_in_time() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-03 00:00")
    case.until("2021-11-26 00:00")
    approve(case, "2021-11-26 09:00", "2021-12-03 00:00")
    assert refusals(case) == [("2021-11-26 09:00", "AFTER_DUE")]
    assert case.due("T09") == "2021-11-26 00:00"


def test_an_approval_of_what_was_refused_has_no_effect_and_needs_no_answer() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-10 00:00")
    approve(case, "2021-11-24 15:00", "2021-12-10 00:00")
    assert refusals(case) == [("2021-11-24 10:00", "TOO_LONG")]
    assert case.due("T09") == "2021-11-26 00:00"


def test_a_shorter_one_may_still_be_granted() -> None:
    case = assigned(START)
    ask(case, "2021-11-24 10:00", "2021-12-10 00:00")
    approve(case, "2021-11-24 15:00", "2021-12-01 00:00")
    assert case.due("T09") == "2021-12-01 00:00"


def test_the_second_is_the_vice_conveners_and_there_is_no_third() -> None:
    case = assigned(START)
    approve(case, "2021-11-24 15:00", "2021-12-03 00:00")
    ask(case, "2021-12-01 09:00", "2021-12-10 00:00")
    approve(case, "2021-12-01 10:00", "2021-12-10 00:00")
    assert refusals(case) == [("2021-12-01 10:00", "THIRD")], "the office had its one"
    approve(case, "2021-12-01 11:00", "2021-12-10 00:00", "vice_convener")
    assert case.due("T09") == "2021-12-10 00:00"
    ask(case, "2021-12-08 09:00", "2021-12-13 00:00")
    assert refusals(case)[1:] == [("2021-12-08 09:00", "THIRD")]
    approve(case, "2021-12-08 10:00", "2021-12-13 00:00", "convener")
    assert case.due("T09") == "2021-12-10 00:00"


class TestBeyondTheCap:
    """The campaign date A2 falls on 12-31 24:00; handling is due then too."""

    def case(self) -> Told:
        return assigned("2021-12-24 10:00", tier="ZZ")

    def test_who_decides_is_known_only_at_the_approval(self) -> None:
        case = self.case()
        ask(case, "2021-12-29 09:00", "2022-01-08 00:00")
        assert refusals(case) == []
        approve(case, "2021-12-29 10:00", "2022-01-08 00:00", "vice_convener")
        assert refusals(case) == [("2021-12-29 10:00", "BEYOND_CAP")]
        assert case.due("T09") == "2022-01-01 00:00"

    def test_the_convener_may_and_the_date_is_missed_all_the_same(self) -> None:
        case = self.case()
        ask(case, "2021-12-29 09:00", "2022-01-13 00:00")
        approve(case, "2021-12-29 10:00", "2022-01-13 00:00", "convener")
        assert refusals(case) == []
        assert case.due("T09") == "2022-01-13 00:00"
        case.until("2022-01-13 00:00")
        assert [level for _, level in case.alerts("A2")] == ["L3", "L7"]
        assert case.alerts("T09") == [
            ("2021-12-28 00:00", "L1"),  # the campaign's target, which is past at the approval
            ("2022-01-10 09:00", "L1"),
            ("2022-01-12 09:00", "L2"),
            ("2022-01-13 00:00", "L3"),
        ]


def test_nothing_to_extend_is_after_due() -> None:
    case = assigned(START)
    case.at("2021-11-24 09:00", ev.ClosureRequested(kind="UNFOUNDED"))
    ask(case, "2021-11-24 10:00", "2021-12-03 00:00")
    assert refusals(case) == [("2021-11-24 10:00", "AFTER_DUE")]
