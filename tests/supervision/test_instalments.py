"""分期 (T16, 条例 14): pay days roll back, what is verified counts in order; two defaults."""

from __future__ import annotations

from datetime import date

from shared import events as ev
from tests.supervision.spec import Told, assigned, closed, local, paid, reversed_

START = "2021-11-11 10:00"


def plan(*parts: tuple[int, str, int]) -> ev.InstalmentPlanAgreed:
    instalments = tuple(
        ev.Instalment(n=n, due_on=date.fromisoformat(due_on), amount_fen=fen)
        for n, due_on, fen in parts
    )
    return ev.InstalmentPlanAgreed(plan=instalments)


def agreed(*parts: tuple[int, str, int], at: str = "2021-11-15 10:00") -> Told:
    case = assigned(START)
    case.at(at, plan(*parts))
    return case


def defaults(case: Told) -> list[tuple[str | None, int, bool]]:
    found = [(data.n, data.plan_void) for data in case.of(ev.InstalmentDefaulted)]
    times = case.times(ev.InstalmentDefaulted)
    return [(at, n, void) for at, (n, void) in zip(times, found, strict=True)]


THREE = ((1, "2021-11-30", 400_000), (2, "2021-12-15", 400_000), (3, "2021-12-31", 400_000))


def test_each_pay_day_is_a_clock_of_that_day() -> None:
    case = agreed(*THREE)
    dues = {
        data.item: (local(data.started_at), local(data.due_at)) for data in case.deadlines("T16")
    }
    assert dues == {
        "1": ("2021-11-30 00:00", "2021-12-01 00:00"),
        "2": ("2021-12-15 00:00", "2021-12-16 00:00"),
        "3": ("2021-12-31 00:00", "2022-01-01 00:00"),
    }


def test_a_pay_day_on_a_rest_day_is_paid_before_it() -> None:
    case = agreed((1, "2022-02-01", 600_000), (2, "2022-01-29", 600_000))
    assert case.due("T16", item="1") == "2022-01-31 00:00"
    assert case.due("T16", item="2") == "2022-01-30 00:00", "a make-up day is worked"


def test_paid_in_time_and_in_order() -> None:
    case = agreed(*THREE)
    paid(case, "2021-11-29 10:00", 400_000, "p1")
    paid(case, "2021-12-01 10:00", 800_000, "p2")
    assert "T16" not in case.running()
    assert defaults(case.until("2022-01-10 00:00")) == []
    assert case.alerts("T16") == []


def test_a_part_of_it_is_not_enough() -> None:
    case = agreed(*THREE)
    paid(case, "2021-11-29 10:00", 399_999, "p1")
    case.until("2021-12-01 00:00")
    assert case.alerts("T16") == [("2021-11-30 09:00", "L1")]
    assert defaults(case) == [("2021-12-01 00:00", 1, False)]


def test_the_second_default_voids_the_plan_and_stops_its_clocks() -> None:
    case = agreed(*THREE).until("2022-01-10 00:00")
    assert defaults(case) == [("2021-12-01 00:00", 1, False), ("2021-12-16 00:00", 2, True)]
    assert "T16" not in case.running()


def test_two_instalments_of_one_day_listed_in_any_order() -> None:
    case = agreed((2, "2021-12-15", 1), (1, "2021-11-30", 1), (3, "2021-11-30", 1))
    case.until("2021-12-20 00:00")
    assert defaults(case) == [("2021-12-01 00:00", 1, False), ("2021-12-01 00:00", 3, True)]


def test_two_instalments_of_one_day_default_by_number_also_after_a_reversal() -> None:
    """02-01 and 02-03 roll back to one day; the clock of the first was started anew, last."""
    case = agreed((1, "2022-02-01", 400_000), (2, "2022-02-03", 800_000))
    paid(case, "2022-01-06 10:00", 400_000, "p1")
    reversed_(case, "2022-01-07 10:00", 400_000, "p1")
    case.until("2022-01-31 00:00")
    assert defaults(case) == [("2022-01-31 00:00", 1, False), ("2022-01-31 00:00", 2, True)]


def test_what_was_verified_before_the_plan_does_not_count_towards_it() -> None:
    case = assigned(START)
    paid(case, "2021-11-12 10:00", 400_000, "p0")
    case.at("2021-11-15 10:00", plan((1, "2021-11-30", 400_000)))
    assert defaults(case.until("2021-12-02 00:00")) == [("2021-12-01 00:00", 1, False)]


def test_verified_twice_counts_once_and_a_line_at_a_time() -> None:
    case = agreed((1, "2021-11-30", 400_000))
    paid(case, "2021-11-29 10:00", 300_000, "p1")
    paid(case, "2021-11-29 11:00", 300_000, "p1")
    assert "T16" in case.running()
    paid(case, "2021-11-29 12:00", 100_000, "p1", line="2")
    assert "T16" not in case.running()


def test_a_reversal_before_the_pay_day_starts_the_clock_again() -> None:
    case = agreed((1, "2021-11-30", 400_000))
    paid(case, "2021-11-22 10:00", 400_000, "p1")
    reversed_(case, "2021-11-23 10:00", 400_000, "p1")
    assert case.due("T16") == "2021-12-01 00:00"
    assert defaults(case.until("2021-12-02 00:00")) == [("2021-12-01 00:00", 1, False)]


def test_a_reversal_after_the_pay_day_leaves_a_working_day() -> None:
    case = agreed((1, "2021-11-30", 400_000))
    paid(case, "2021-11-30 10:00", 400_000, "p1")
    reversed_(case, "2021-12-03 10:00", 400_000, "p1")  # Friday
    assert defaults(case.until("2021-12-10 00:00")) == [("2021-12-07 00:00", 1, False)]


def test_part_of_a_payment_may_be_reversed() -> None:
    case = agreed((1, "2021-11-30", 400_000))
    paid(case, "2021-11-22 10:00", 500_000, "p1")
    reversed_(case, "2021-11-23 10:00", 100_000, "p1")
    assert "T16" not in case.running()
    reversed_(case, "2021-11-24 10:00", 1, "p1")
    assert "T16" in case.running()


def test_a_plan_recorded_after_its_pay_day_defaults_a_working_day_later() -> None:
    case = assigned(START)
    case.at("2021-12-06 10:00", plan((1, "2021-11-30", 400_000)), happened="2021-11-15 10:00")
    case.at(
        "2021-12-06 10:05",
        ev.PaymentVerified(payment="p1", lines=(ev.PaidLine(line="1", amount_fen=400_000),)),
        happened="2021-11-29 10:00",
    )
    assert defaults(case.until("2021-12-20 00:00")) == []
    silent = assigned(START)
    silent.at("2021-12-06 10:00", plan((1, "2021-11-30", 400_000)), happened="2021-11-15 10:00")
    assert defaults(silent.until("2021-12-20 00:00")) == [("2021-12-08 00:00", 1, False)]


def test_a_new_plan_takes_the_place_of_the_old() -> None:
    case = agreed(*THREE).until("2021-12-01 00:00")
    case.at("2021-12-02 10:00", plan((1, "2021-12-20", 1_200_000)))
    assert defaults(case.until("2022-01-10 00:00")) == [
        ("2021-12-01 00:00", 1, False),
        ("2021-12-21 00:00", 1, False),
    ]


def test_a_closed_case_defaults_no_more_and_a_reversal_brings_it_back() -> None:
    case = assigned(START)
    case.at("2021-11-15 10:00", plan((1, "2021-11-30", 1_200_000)))
    closed_case = closed("2021-11-16 10:00")
    assert "T16" not in closed_case.running()
    paid(case, "2021-11-22 10:00", 1_200_000, "p1")
    assert "T16" not in case.running()
