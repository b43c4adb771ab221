"""What offices write: exact fen, instants and months; what reads in two ways is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import written
from services.intake.written import Misread, Unit, exact


@pytest.mark.parametrize(
    ("value", "unit", "fen"),
    [
        (12000, "yuan", 1_200_000),
        ("12,000", "yuan", 1_200_000),
        ("12000元", "wan", 1_200_000),
        ("1.2", "wan", 1_200_000),
        ("1.2万", "yuan", 1_200_000),
        ("１．２万元", "yuan", 1_200_000),
        ("￥12000.50", "yuan", 1_200_050),
        ("壹万贰仟元整", "yuan", 1_200_000),
        ("一万二千", "wan", 1_200_000),
        ("三万五", "yuan", 3_500_000),
        ("十二", "wan", 12_000_000),
        ("1200000", "fen", 1_200_000),
        (Decimal("1.23456"), "wan", 1_234_560),
        (exact(0.1 + 0.2), "yuan", 30),
    ],
)
def test_amounts_become_whole_fen(value: Any, unit: Unit, fen: int) -> None:
    assert written.fen(value, unit) == fen


@pytest.mark.parametrize(
    "value",
    ["很多", "-5", "1.234元", "三四万", "一亿二", "1-2万", "12000美元", "", "1e5", "约1万",
     datetime(2021, 7, 1), "9" * 20],  # noqa: DTZ001 - a workbook has no zone
)  # fmt: skip
def test_what_is_no_amount_or_two_is_refused(value: Any) -> None:
    with pytest.raises(Misread):
        written.fen(value, "yuan")


@given(st.integers(0, 10**11), st.sampled_from(["yuan", "wan", "fen"]))
def test_an_amount_written_out_is_read_back_to_the_fen(fen: int, unit: Unit) -> None:
    places = {"fen": 0, "yuan": 2, "wan": 6}[unit]
    digits = format(Decimal(fen).scaleb(-places), "f")
    assert written.fen(digits, unit) == fen
    head, dot, tail = digits.partition(".")
    assert written.fen(f"{int(head):,}{dot}{tail}", unit) == fen


@given(st.integers(0, 10**13))
def test_a_sheet_s_float_of_yuan_is_read_to_the_fen(fen: int) -> None:
    assert written.fen(exact(fen / 100), "yuan") == fen


@pytest.mark.parametrize(
    ("value", "instant", "due"),
    [
        ("2021-11-10 09:00", "2021-11-10T09:00:00+08:00", "2021-11-10T09:00:00+08:00"),
        ("2021年11月10日 9时30分", "2021-11-10T09:30:00+08:00", "2021-11-10T09:30:00+08:00"),
        ("2021年11月10日下午3点", "2021-11-10T15:00:00+08:00", "2021-11-10T15:00:00+08:00"),
        ("2021/11/10", "2021-11-10T00:00:00+08:00", "2021-11-11T00:00:00+08:00"),
        ("20211110", "2021-11-10T00:00:00+08:00", "2021-11-11T00:00:00+08:00"),
        ("2021-11-10 24:00", "2021-11-11T00:00:00+08:00", "2021-11-11T00:00:00+08:00"),
        ("2021-11-10T01:00:00Z", "2021-11-10T01:00:00+00:00", "2021-11-10T01:00:00+00:00"),
        (44510, "2021-11-10T00:00:00+08:00", "2021-11-11T00:00:00+08:00"),
        (Decimal("44510.375"), "2021-11-10T09:00:00+08:00", "2021-11-10T09:00:00+08:00"),
        ("44510.375", "2021-11-10T09:00:00+08:00", "2021-11-10T09:00:00+08:00"),
    ],
)
def test_dates_are_read_in_the_forms_people_use(value: Any, instant: str, due: str) -> None:
    """A day without a time begins at its 00:00; as a limit it ends at its 24:00."""
    assert (written.instant(value), written.due(value)) == (instant, due)


@pytest.mark.parametrize(
    "value", ["昨天", "2021-13-01", "2021-02-30", "10/11/2021", 12, "21-11-10", "2021-11-10 25:00"]
)
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(Misread):
        written.instant(value)


@pytest.mark.parametrize(
    ("value", "months"),
    [
        ("2021年7月-9月", ("2021-07", "2021-09")),
        ("2021-07至2021-09", ("2021-07", "2021-09")),
        ("2021.7-2021.9", ("2021-07", "2021-09")),
        ("2021年11月—2022年1月", ("2021-11", "2022-01")),
        ("202107-202109", ("2021-07", "2021-09")),
        ("2021年7月份", ("2021-07", "2021-07")),
        (datetime(2021, 7, 1), ("2021-07", "2021-07")),  # noqa: DTZ001 - a workbook has no zone
    ],
)
def test_spans_of_months(value: Any, months: tuple[str, str]) -> None:
    assert written.months(value) == months


@pytest.mark.parametrize("value", ["7-9月", "2021-7-9", "2021年9月-7月", "三个月", "2021年13月"])
def test_a_span_without_its_year_is_not_guessed(value: str) -> None:
    with pytest.raises(Misread):
        written.months(value)


def test_a_number_that_a_spreadsheet_has_cut_is_noticed() -> None:
    assert written.number_text("410125199001319903") == "410125199001319903"
    assert written.number_text(13000000300) == "13000000300"
    with pytest.raises(Misread) as error:
        written.number_text(exact(410125199001319903.0))
    assert error.value.code == "lost_digits"
    with pytest.raises(Misread) as error:
        written.number_text(datetime(2021, 7, 1))  # noqa: DTZ001 - a workbook has no zone
    assert error.value.code == "made_a_date"


@pytest.mark.parametrize(
    ("value", "contact"),
    [
        ("王小二 13000000300", {"name": "王小二", "phone": "13000000300"}),
        ("13000000300（王小二）", {"name": "王小二", "phone": "13000000300"}),
        (13000000300, {"phone": "13000000300"}),
        ("0371-62870000", {"phone": "0371-62870000"}),
        ("王小二", {"name": "王小二"}),
    ],
)
def test_a_contact_is_a_name_a_telephone_or_both(value: Any, contact: dict[str, str]) -> None:
    assert written.contact(value) == contact


READERS = (
    lambda value: written.fen(value, "yuan"), written.instant, written.due, written.months,
    written.month, written.count, written.contact, written.number_text, written.text,
    written.truth,
)  # fmt: skip
EXAMPLE = "2021-11-10 09:00"
"""How a date is written: what a refusal gives as advice is nobody's value."""
VALUES = st.one_of(
    st.text(max_size=40),
    st.text("0123456789年月日时分万亿元一二三四五零.-/:至 ", max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False).map(exact),
    st.datetimes(),
)


@given(VALUES)
def test_no_value_brings_a_reader_down(value: Any) -> None:
    """It is read, or refused as misread; and the refusal does not repeat it."""
    for read in READERS:
        detail = refusal(read, value)
        said = (detail or "").replace(EXAMPLE, "")
        assert len(str(value)) < 4 or str(value) not in said


def refusal(read: Callable[[Any], Any], value: Any) -> str | None:
    try:
        read(value)
    except Misread as error:
        return error.detail
    return None
