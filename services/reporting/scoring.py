"""The ranking score of 方案 五(三)二 (domain 6.2) from counts, in exact fractions.

Six rates weigh what the book says; a rate of 0/0 gives its weight to the others in proportion.
Deductions follow, each up to its maximum; the score is clamped to 0..100 and rounded half up to
two decimals. Nothing here is a float: only the answer's spelling is decimal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from shared.policy import ScoreRules

Note = Literal["NO_CASES", "SMALL_SAMPLE", "EXTREME"]

RATES: Final = ("cleared", "on_time", "satisfied", "recovered", "responded", "ledger")
"""办结率 按期率 满意率 追回率 响应率 台账合规率, by their keys in the book's weights."""

DEDUCTIONS: Final = (
    "overdue",
    "improper_return",
    "reopened",
    "false_closure",
    "notice_unanswered",
    "extreme_incident",
)
_MICRO: Final = 1_000_000


@dataclass(frozen=True)
class Counts:
    """What a unit's score is made of; money in fen. `rates`: key -> (counted, of)."""

    unit: str
    base: int
    rates: dict[str, tuple[int, int]]
    deductions: dict[str, int]
    recovered_fen: int
    emergency_fen: int = 0
    workers_paid: int = 0
    returns: int = 0


@dataclass(frozen=True)
class Scored:
    """A unit's place. `raw` and `parts` have six decimals and `parts` sum to `raw` exactly."""

    counts: Counts
    rank: int | None
    score: Decimal | None
    raw: Decimal | None
    parts: dict[str, Decimal]
    note: Note | None


def rank(units: Iterable[Counts], rules: ScoreRules) -> list[Scored]:
    """The list in its order: scored, then units with an extreme incident, then without cases."""
    found = [_scored(counts, rules) for counts in units]
    found.sort(key=lambda item: (_group(item), *_merit(item), item.counts.unit))
    ranked: list[Scored] = []
    for index, item in enumerate(found):
        if item.note == "NO_CASES":
            ranked.append(item)
            continue
        before = ranked[-1] if ranked else None
        tied = before is not None and (_group(before), _merit(before)) == (
            _group(item),
            _merit(item),
        )
        place = before.rank if tied and before is not None else index + 1
        ranked.append(Scored(item.counts, place, item.score, item.raw, item.parts, item.note))
    return ranked


def _scored(counts: Counts, rules: ScoreRules) -> Scored:
    note = note_of(counts, rules)
    if note == "NO_CASES":
        return Scored(counts, None, None, None, {}, note)
    exact = parts(counts, rules)
    raw = sum(exact.values(), Fraction(0))
    score = half_up(min(Fraction(100), max(Fraction(0), raw)), 100)
    return Scored(counts, None, _decimal(score, 2), *_shown(exact, raw), note)


def note_of(counts: Counts, rules: ScoreRules) -> Note | None:
    """无案件 / 极端事件 / 样本少."""
    if counts.base == 0:
        return "NO_CASES"
    if counts.deductions["extreme_incident"]:
        return "EXTREME"
    return "SMALL_SAMPLE" if counts.base < rules.small_sample_below else None


def parts(counts: Counts, rules: ScoreRules) -> dict[str, Fraction]:
    """Points of each rate and, negative, of each deduction."""
    known = [name for name in RATES if counts.rates[name][1] > 0]
    share = sum(rules.weights[name] for name in known)
    total = sum(rules.weights[name] for name in RATES)
    found: dict[str, Fraction] = {}
    for name in RATES:
        met, of = counts.rates[name]
        rate = min(Fraction(1), max(Fraction(0), Fraction(met, of))) if of > 0 else Fraction(0)
        found[name] = rate * rules.weights[name] * total / share if share else Fraction(0)
    for name in DEDUCTIONS:
        rule = rules.deductions[name]
        points = rule.each * counts.deductions[name]
        found[name] = Fraction(-(points if rule.max is None else min(points, rule.max)))
    return found


def half_up(value: Fraction, scale: int) -> int:
    """`value` times `scale` as an integer, halves rounded up."""
    return int((value * scale + Fraction(1, 2)).__floor__())


def _shown(exact: dict[str, Fraction], raw: Fraction) -> tuple[Decimal, dict[str, Decimal]]:
    """Raw and parts with six decimals; the last unit goes where most was cut off."""
    whole = half_up(raw, _MICRO)
    cut = {name: (value * _MICRO).__floor__() for name, value in exact.items()}
    lost = sorted(exact, key=lambda name: (cut[name] - exact[name] * _MICRO, name))
    for name in lost[: whole - sum(cut.values())]:
        cut[name] += 1
    return _decimal(whole, 6), {name: _decimal(value, 6) for name, value in cut.items()}


def _decimal(value: int, places: int) -> Decimal:
    return Decimal(value).scaleb(-places)


def _group(item: Scored) -> int:
    return {"EXTREME": 1, "NO_CASES": 2}.get(item.note or "", 0)


def _merit(item: Scored) -> tuple[Fraction, ...]:
    """Score, then fewer overdue, higher 满意率, larger 追发金额, larger base; smaller is better."""
    if item.score is None:
        return ()
    counts = item.counts
    met, of = counts.rates["satisfied"]
    satisfied = Fraction(met, of) if of > 0 else Fraction(-1)
    return (
        -Fraction(item.score),
        Fraction(counts.deductions["overdue"]),
        -satisfied,
        Fraction(-counts.recovered_fen),
        Fraction(-counts.base),
    )
