"""The score of domain 6.2: weights, redistribution, maxima, rounding, ties, notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.rankings import Window, phase_records
from services.reporting.reading import TICK
from services.reporting.scoring import DEDUCTIONS, RATES, Counts, half_up, parts, rank
from shared.calendar import ZONE
from shared.policy import Policy, ScoreRules

FULL = dict.fromkeys(RATES, (10, 10))
NONE = dict.fromkeys(DEDUCTIONS, 0)


@pytest.fixture
def rules(book: Policy) -> ScoreRules:
    return book.content.score


def unit(code: str = "TF1", base: int = 10, **changes: object) -> Counts:
    """A unit that did everything, with some rates or deductions changed."""
    rates = FULL | {name: pair for name, pair in changes.items() if name in RATES}
    less = NONE | {name: n for name, n in changes.items() if name in DEDUCTIONS}
    fen = changes.get("recovered_fen", 0)
    assert isinstance(fen, int)
    return Counts(code, base, rates, less, fen)  # type: ignore[arg-type]


def test_everything_done_is_a_hundred(rules: ScoreRules) -> None:
    (only,) = rank([unit()], rules)
    assert (only.score, only.rank, only.note) == (Decimal("100.00"), 1, None)
    assert [only.parts[name] for name in RATES] == [30, 20, 20, 15, 10, 5]


def test_a_rate_of_nothing_gives_its_weight_to_the_others(rules: ScoreRules) -> None:
    found = parts(unit(cleared=(1, 2), satisfied=(0, 0)), rules)
    assert found["satisfied"] == 0
    assert found["cleared"] == Fraction(30, 2) * Fraction(100, 80)
    assert found["on_time"] == Fraction(20) * Fraction(100, 80)


@pytest.mark.parametrize(
    ("name", "count", "points"),
    [
        ("overdue", 3, -3),
        ("overdue", 30, -10),
        ("improper_return", 9, -5),
        ("reopened", 2, -4),
        ("reopened", 6, -10),
        ("false_closure", 12, -120),
        ("notice_unanswered", 8, -16),
        ("extreme_incident", 2, -40),
    ],
)
def test_deductions_have_their_maxima(
    rules: ScoreRules, name: str, count: int, points: int
) -> None:
    assert parts(unit("TF1", 10, **{name: count}), rules)[name] == points


def test_the_score_is_clamped_and_raw_is_not(rules: ScoreRules) -> None:
    (only,) = rank([unit(false_closure=15)], rules)
    assert (only.score, only.raw) == (Decimal("0.00"), Decimal("-50"))


def test_halves_are_rounded_up() -> None:
    assert half_up(Fraction(12345, 1000), 100) == 1235
    assert half_up(Fraction(12344999, 1_000_000), 100) == 1234
    assert half_up(Fraction(-125, 100), 10) == -12


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=6, max_size=6))
def test_parts_sum_to_raw(book: Policy, pairs: list[tuple[int, int]]) -> None:
    rates = {name: (min(pair), max(pair)) for name, pair in zip(RATES, pairs, strict=True)}
    counts = Counts("TF1", 7, rates, NONE | {"reopened": 1}, 0)
    (only,) = rank([counts], book.content.score)
    assert sum(only.parts.values()) == only.raw
    exact = sum(parts(counts, book.content.score).values(), Fraction(0))
    assert only.raw == Decimal(half_up(exact, 1_000_000)).scaleb(-6)


def test_ties_fall_by_overdue_satisfaction_money_and_base(rules: ScoreRules) -> None:
    units = [
        unit("TF1", false_closure=99, base=5),
        unit("TF2", false_closure=99, base=6),
        unit("TF3", false_closure=99, base=5, recovered_fen=1),
        unit("TF4", false_closure=99, base=5, satisfied=(9, 10), recovered_fen=9),
        unit("TF5", false_closure=99, base=5, overdue=1),
        unit("TF6", false_closure=99, base=5, satisfied=(0, 0)),
    ]
    found = [item.counts.unit for item in rank(units, rules)]
    assert found == ["TF3", "TF2", "TF1", "TF4", "TF6", "TF5"]


def test_equal_units_share_a_rank_and_the_next_is_skipped(rules: ScoreRules) -> None:
    units = [unit("TF3"), unit("TF1"), unit("TF2", base=11), unit("TF4", cleared=(0, 10))]
    found = [(item.counts.unit, item.rank) for item in rank(units, rules)]
    assert found == [("TF2", 1), ("TF1", 2), ("TF3", 2), ("TF4", 4)]


def test_notes_and_places(rules: ScoreRules) -> None:
    """无案件 is listed and not ranked; 样本少 is ranked; an extreme incident puts last."""
    units = [
        unit("TF1", base=0),
        unit("TF2", base=4, cleared=(0, 4), on_time=(0, 4)),
        unit("TF3", extreme_incident=1),
        unit("TF4", base=5, cleared=(1, 5)),
    ]
    found = [(item.counts.unit, item.rank, item.note) for item in rank(units, rules)]
    assert found == [
        ("TF4", 1, None),
        ("TF2", 2, "SMALL_SAMPLE"),
        ("TF3", 3, "EXTREME"),
        ("TF1", None, "NO_CASES"),
    ]


APRIL = datetime(2022, 4, 1, tzinfo=ZONE)
MAY = datetime(2022, 5, 1, tzinfo=ZONE)


def test_a_silent_unit_has_missed_nothing_before_the_phase_is_over(book: Policy) -> None:
    """《条例》宣传 (方案 四 四) is asked of a window with the whole of April, and of no other."""
    asked = [("PUBLICITY", APRIL, MAY)]
    assert phase_records(book, "township", Window(APRIL, MAY)) == asked
    assert phase_records(book, "task_force", Window(APRIL - timedelta(days=9), MAY)) == asked
    assert phase_records(book, "township", Window(APRIL, MAY - TICK)) == []
    assert phase_records(book, "township", Window(APRIL + TICK, MAY)) == []
    assert phase_records(book, "department", Window(APRIL, MAY)) == []
