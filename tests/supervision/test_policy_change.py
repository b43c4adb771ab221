"""A newer book moves what runs, in the open and from its adoption on (design 7)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from shared import events as ev
from shared.policy import Policy, adopt, read_book
from shared.settle import Books
from tests.supervision.spec import Told, assigned, closed, local, policy, when

START = "2021-11-11 10:00"  # handling due 11-25 24:00


def newer(change: Callable[[dict[str, Any]], None], at: str = "2021-11-18 10:00") -> Books:
    raw = copy.deepcopy(read_book("dengfeng-2021-35"))
    change(raw)
    return Books([policy(), _adopt(raw, at)])


def _adopt(raw: dict[str, Any], at: str) -> Policy:
    return adopt(raw, when(at), "adoption-2")


def handle_in(days: int) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        raw["campaign"]["phases"][0]["handle_wd"] = days

    return change


def rest_on(day: str) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        raw["calendar"]["rest"].append(day)

    return change


def handling(case: Told) -> list[tuple[str | None, str | None, str]]:
    """(instant, due, cause) of every handling deadline."""
    found = [(local(e.time), e.data) for e in case.decided if isinstance(e.data, ev.DeadlineSet)]
    return [(at, local(d.due_at), d.cause) for at, d in found if d.timer == "T09"]


def test_a_longer_calendar_moves_an_open_deadline() -> None:
    case = assigned(START, books=newer(rest_on("2021-11-22"))).until("2021-11-27 00:00")
    assert handling(case)[1:] == [("2021-11-18 10:00", "2021-11-27 00:00", "adoption-2")]
    (_, moved) = case.deadlines("T09")
    assert moved.moved
    assert local(moved.started_at) == START
    assert case.alerts("T09") == [
        ("2021-11-24 09:00", "L1"),
        ("2021-11-26 09:00", "L2"),
        ("2021-11-27 00:00", "L3"),
    ]


def test_what_it_finds_overdue_has_the_instant_of_the_adoption() -> None:
    case = assigned(START, books=newer(handle_in(3))).until("2021-11-23 00:00")
    assert handling(case)[1:] == [("2021-11-18 10:00", "2021-11-17 00:00", "adoption-2")]
    assert case.alerts("T09") == [
        ("2021-11-18 10:00", "L1"),
        ("2021-11-18 10:00", "L2"),
        ("2021-11-18 10:00", "L3"),
        ("2021-11-18 10:00", "L4"),
        ("2021-11-20 00:00", "L5"),
    ]


def test_overdue_under_both_no_level_falls_and_none_comes_twice() -> None:
    books = newer(handle_in(9), "2021-11-26 10:00")
    case = assigned(START, books=books).until("2021-11-30 00:00")
    assert handling(case)[1:] == [("2021-11-26 10:00", "2021-11-25 00:00", "adoption-2")]
    assert case.alerts("T09") == [
        ("2021-11-23 09:00", "L1"),
        ("2021-11-25 09:00", "L2"),
        ("2021-11-26 00:00", "L3"),
        ("2021-11-26 10:00", "L4"),
        ("2021-11-30 00:00", "L5"),
    ]
    assert case.cleared("T09") == []


def test_an_alert_of_a_deadline_that_moves_away_is_cleared() -> None:
    books = newer(handle_in(15), "2021-11-26 10:00")
    case = assigned(START, books=books).until("2021-11-30 00:00")
    assert case.cleared("T09") == [("2021-11-26 10:00", f"L{n}") for n in (1, 2, 3)]
    assert case.due("T09") == "2021-12-03 00:00"


def test_an_approved_extension_is_not_a_length_that_a_book_changes() -> None:
    case = assigned(START, books=newer(handle_in(3)))
    approved = ev.ExtensionApproved(to=when("2021-12-01 00:00"), approver="office")
    case.at("2021-11-16 10:00", approved)
    assert case.until("2021-11-20 00:00").due("T09") == "2021-12-01 00:00"


def test_what_it_leaves_alone_is_not_said_again() -> None:
    case = assigned(START, books=newer(handle_in(10))).until("2021-11-20 00:00")
    assert len(case.deadlines("T09")) == 1
    assert case.stream.book is case.books.latest


def test_a_closed_case_has_nothing_that_moves() -> None:
    case = closed(START, books=newer(rest_on("2021-11-19"))).until("2021-12-20 00:00")
    assert not any(data.moved for data in case.of(ev.DeadlineSet))


def test_a_units_campaign_date_moves_too() -> None:
    def earlier(raw: dict[str, Any]) -> None:
        raw["campaign"]["dates"][0]["last_day"] = "2021-12-24"

    told = Told("unit:TF1", newer(earlier)).until("2021-12-25 00:00")
    assert [local(data.due_at) for data in told.deadlines("A1")] == [
        "2022-01-01 00:00",
        "2021-12-25 00:00",
    ]
    assert told.alerts("A1")[0] == ("2021-12-24 09:00", "L1")


def test_a_roll_call_under_way_stays_as_it_was_called() -> None:
    def shorter(raw: dict[str, Any]) -> None:
        timer = next(entry for entry in raw["timers"] if entry["id"] == "T53")
        timer["length"]["n"] = 4

    told = Told("unit:TF1", newer(shorter, "2022-01-01 10:00")).until("2022-01-02 09:00")
    assert [local(data.due_at) for data in told.deadlines("T53")] == [
        "2022-01-01 17:00",
        "2022-01-02 13:00",
    ]


def test_a_due_beyond_the_calendar_is_set_and_moves_with_a_longer_one() -> None:
    def next_year(raw: dict[str, Any]) -> None:
        raw["calendar"]["last"] = "2027-12-31"
        raw["calendar"]["rest"].append("2027-01-01")

    case = assigned("2026-12-21 10:00", books=newer(next_year, "2026-12-24 10:00"))
    case.until("2026-12-25 00:00")
    assert [local(data.due_at) for data in case.deadlines("T09")] == [
        "2027-01-05 00:00",
        "2027-01-06 00:00",
    ]
