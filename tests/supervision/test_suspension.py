"""中止 (T17, I-18): at most 15 working days; handling moves by the days wholly in it."""

from __future__ import annotations

from shared import events as ev
from tests.supervision.spec import (
    Told,
    assigned,
    assignment,
    local,
    paid,
    reassignment,
    reviewed,
    when,
)

START = "2021-11-11 10:00"  # handling due 11-25 24:00


def suspended(at: str, start: str = START, **fields: object) -> Told:
    case = assigned(start, **fields)  # type: ignore[arg-type]
    case.at(at, ev.CaseSuspended())
    return case


def test_it_moves_handling_by_the_working_days_wholly_in_it() -> None:
    case = suspended("2021-11-15 10:00")  # Monday
    case.at("2021-11-18 15:00", ev.CaseResumed())  # Thursday: Tuesday and Wednesday
    (_, moved) = case.deadlines("T09")
    assert local(moved.due_at) == "2021-11-30 00:00"
    assert local(moved.started_at) == START
    assert "T17" not in case.running()
    case.until("2021-12-01 00:00")
    assert case.alerts("T09") == [
        ("2021-11-25 09:00", "L1"),
        ("2021-11-29 09:00", "L2"),
        ("2021-11-30 00:00", "L3"),
        ("2021-12-01 00:00", "L4"),
    ]


def test_whole_days_from_midnight_to_midnight() -> None:
    case = suspended("2021-11-15 00:00")
    case.at("2021-11-17 00:00", ev.CaseResumed())
    assert case.due("T09") == "2021-11-30 00:00"


def test_rest_days_in_it_move_nothing() -> None:
    case = suspended("2021-11-12 18:00")
    case.at("2021-11-15 09:00", ev.CaseResumed())
    assert case.due("T09") == "2021-11-26 00:00"


def test_two_suspensions_add_up() -> None:
    case = suspended("2021-11-15 10:00")
    case.at("2021-11-17 10:00", ev.CaseResumed())
    case.at("2021-11-18 10:00", ev.CaseSuspended())
    case.at("2021-11-22 10:00", ev.CaseResumed())
    assert case.due("T09") == "2021-11-30 00:00"


def test_nothing_is_raised_under_handling_while_it_lasts() -> None:
    case = suspended("2021-11-22 10:00").until("2021-12-10 00:00")
    assert case.alerts("T09") == []
    case.at("2021-12-10 10:00", ev.CaseResumed())
    # 13 working days from 11-23 to 12-09 after 11-25.
    assert case.due("T09") == "2021-12-15 00:00"
    case.until("2021-12-15 00:00")
    assert case.alerts("T09") == [
        ("2021-12-14 00:00", "L1"),  # 12-10 09:00 came before the resumption
        ("2021-12-14 09:00", "L2"),
        ("2021-12-15 00:00", "L3"),
    ]


def test_other_clocks_go_on() -> None:
    case = suspended("2021-11-15 10:00").until("2021-11-17 00:00")
    assert case.alerts("T08")[-1] == ("2021-11-17 00:00", "L3")


def test_it_lapses_after_fifteen_working_days() -> None:
    case = suspended("2021-11-15 10:00")
    assert case.due("T17") == "2021-12-07 00:00"
    case.until("2021-12-07 00:00")
    assert case.alerts("T17") == [("2021-12-02 09:00", "L1")]
    assert case.times(ev.SuspensionLapsed) == ["2021-12-07 00:00"]
    assert case.due("T09") == "2021-12-17 00:00"


def test_it_never_moves_beyond_the_campaign_date() -> None:
    case = suspended("2021-12-27 10:00", "2021-12-24 10:00", tier="ZZ")
    case.until("2022-01-02 00:00")
    assert case.alerts("T09") == []
    assert [level for _, level in case.alerts("A2")] == ["L3", "L7"], "the date does not wait"
    case.at("2022-01-05 10:00", ev.CaseResumed())
    assert case.due("T09") == "2022-01-01 00:00"
    case.until("2022-01-07 00:00")
    assert case.alerts("T09") == [("2022-01-07 00:00", "L5")]


def test_what_was_overdue_before_is_not_excused() -> None:
    case = suspended("2021-11-29 10:00")
    case.until("2021-12-01 00:00")
    assert [level for _, level in case.alerts("T09")] == ["L1", "L2", "L3", "L4", "L5"]
    case.at("2021-12-02 10:00", ev.CaseResumed())
    assert case.due("T09") == "2021-11-26 00:00"
    assert len(case.deadlines("T09")) == 1


def test_an_extension_while_suspended_is_moved_on_too() -> None:
    case = suspended("2021-11-15 10:00")
    case.at(
        "2021-11-16 10:00", ev.ExtensionApproved(to=when("2021-11-30 00:00"), approver="office")
    )
    assert case.due("T09") == "2021-11-30 00:00"
    case.at("2021-11-18 10:00", ev.CaseResumed())
    assert case.due("T09") == "2021-12-02 00:00"


def test_a_new_unit_starts_without_the_old_ones_suspension() -> None:
    case = suspended("2021-11-15 10:00")
    case.at("2021-11-18 10:00", ev.CaseResumed())  # due 11-29 24:00
    case.at("2021-11-19 10:00", reassignment())
    assert case.due("T09") == "2021-12-03 00:00"  # ten days from 11-19; three from 11-29 at most


def test_it_is_nothing_to_a_case_under_review() -> None:
    case = assigned(START)
    paid(case, "2021-11-12 10:00")
    reviewed(case, "2021-11-12 11:00")
    case.at("2021-11-13 10:00", ev.CaseSuspended())
    case.at("2021-11-18 10:00", ev.CaseResumed())
    assert len(case.deadlines("T09")) == 1


def test_a_merge_ends_it_and_what_is_separated_is_warned_of_again() -> None:
    case = suspended("2021-11-15 10:00")
    case.at("2021-11-16 10:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
    case.at("2021-11-17 10:00", ev.ComplaintUnmerged(cause="r", master="m"))
    case.at("2021-11-17 10:00", assignment(cause="separated"))
    case.until("2022-01-01 00:00")
    assert [level for _, level in case.alerts("T09")][:3] == ["L1", "L2", "L3"]
