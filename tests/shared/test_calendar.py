"""Working days and counting rules (domain 0); the shipped days against two libraries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import (
    DAY,
    Calendar,
    CalendarEnds,
    at_hour,
    civil,
    end_of,
    last_day_of,
    months_after,
    start_of,
)
from shared.policy import check_book, read_book

ENTRY = check_book(read_book("dengfeng-2021-35")).calendar
SHIPPED = Calendar(ENTRY.first, ENTRY.last, ENTRY.rest, ENTRY.makeup)
FIRST, LAST = date(2021, 11, 1), date(2026, 12, 31)
CITY = holidays.country_holidays("CN", years=range(2021, 2027))


def days(first: date = FIRST, last: date = LAST) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)


# --- the shipped calendar ------------------------------------------------------------------------


def test_every_day_as_the_first_library_has_it() -> None:
    wrong = [day for day in days() if SHIPPED.is_working(day) != chinese_calendar.is_workday(day)]
    assert wrong == []


def test_every_weekday_holiday_as_the_second_library_has_it() -> None:
    """It knows rest days (not the weekends worked in their place)."""
    ours = [day for day in days() if day.weekday() < 5 and not SHIPPED.is_working(day)]
    assert ours == [day for day in days() if day.weekday() < 5 and day in CITY]


@pytest.mark.parametrize(
    ("first", "last", "working"),
    [
        (date(2021, 11, 10), date(2021, 12, 31), 38),
        (date(2022, 1, 1), date(2022, 2, 6), 21),
        (date(2022, 2, 7), date(2022, 3, 31), 39),
        (date(2022, 4, 1), date(2022, 4, 30), 21),
    ],
)
def test_working_days_of_the_four_phases(first: date, last: date, working: int) -> None:
    assert sum(SHIPPED.is_working(day) for day in days(first, last)) == working


@pytest.mark.parametrize("day", ["2022-01-29", "2022-01-30", "2022-04-02", "2022-04-24"])
def test_weekends_that_are_worked(day: str) -> None:
    assert SHIPPED.is_working(date.fromisoformat(day))


# --- counting ------------------------------------------------------------------------------------


def test_midnight_is_of_the_day_that_begins() -> None:
    midnight = local("2022-01-12T00:00")
    assert civil(midnight) == date(2022, 1, 12)
    assert last_day_of(midnight) == date(2022, 1, 11)
    assert end_of(date(2022, 1, 11)) == start_of(date(2022, 1, 12)) == midnight
    assert at_hour(date(2022, 1, 12), 9) == local("2022-01-12T09:00")


def test_the_day_of_the_event_is_not_counted() -> None:
    assert SHIPPED.after(date(2021, 11, 11), 10) == date(2021, 11, 25)
    assert SHIPPED.after(date(2021, 11, 13), 1) == date(2021, 11, 15)
    assert SHIPPED.before(date(2021, 11, 25), 2) == date(2021, 11, 23)
    assert SHIPPED.before(date(2021, 11, 14), 1) == date(2021, 11, 12)


def test_rolling_off_a_rest_day() -> None:
    festival = date(2022, 2, 1)
    assert SHIPPED.on_or_before(festival) == date(2022, 1, 30)
    assert SHIPPED.on_or_after(festival) == date(2022, 2, 7)
    assert SHIPPED.on_or_before(date(2022, 1, 29)) == date(2022, 1, 29)


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2021-11-15T00:00", "2021-11-16T00:00", 1),
        ("2021-11-15T00:01", "2021-11-16T00:00", 0),
        ("2021-11-15T00:00", "2021-11-15T23:59", 0),
        ("2021-11-12T10:00", "2021-11-16T10:00", 1),
        ("2022-01-28T12:00", "2022-02-08T12:00", 3),
        ("2021-11-16T10:00", "2021-11-15T10:00", 0),
    ],
)
def test_working_days_wholly_between(start: str, end: str, count: int) -> None:
    assert SHIPPED.between(local(start), local(end)) == count


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [
        ("2021-11-30", 3, "2022-02-28"),
        ("2021-08-31", 6, "2022-02-28"),
        ("2021-11-15", 6, "2022-05-15"),
        ("2021-12-31", 2, "2022-02-28"),
        ("2022-10-31", 3, "2023-01-31"),
    ],
)
def test_months_end_on_the_same_day_or_the_last(day: str, months: int, end: str) -> None:
    assert months_after(date.fromisoformat(day), months) == date.fromisoformat(end)


def test_beyond_its_days_ordinary_weekends_rest() -> None:
    """A due is never refused for want of next year's holidays; a longer calendar moves it."""
    assert SHIPPED.after(date(2026, 12, 31), 1) == date(2027, 1, 1)
    assert SHIPPED.after(date(2026, 12, 31), 2) == date(2027, 1, 4)


def test_years_beyond_or_before_them_it_gives_no_answer() -> None:
    with pytest.raises(CalendarEnds, match="2026-12-31"):
        SHIPPED.after(date(2030, 12, 31), 1)
    with pytest.raises(CalendarEnds):
        SHIPPED.before(date(2021, 1, 4), 2)


@given(st.dates(FIRST, date(2025, 12, 31)), st.integers(1, 60))
def test_after_and_before_undo_each_other(day: date, count: int) -> None:
    end = SHIPPED.after(day, count)
    assert SHIPPED.is_working(end)
    assert sum(SHIPPED.is_working(other) for other in days(day + DAY, end)) == count
    first = SHIPPED.before(end, count)
    assert first <= day or SHIPPED.after(first, count) == end


@given(st.datetimes(datetime(2021, 11, 1), datetime(2022, 12, 31)), st.integers(0, 90 * 24))  # noqa: DTZ001
def test_between_counts_day_by_day(naive: datetime, hours: int) -> None:
    start = naive.replace(tzinfo=UTC)
    end = start + timedelta(hours=hours)
    wholly = [
        day
        for day in days(civil(start), civil(end))
        if SHIPPED.is_working(day) and start_of(day) >= start and end_of(day) <= end
    ]
    assert SHIPPED.between(start, end) == len(wholly)
