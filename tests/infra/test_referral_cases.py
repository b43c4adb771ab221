"""Real referral cases through the one engine: the step opens exactly where what is told allows it.

The file has no negative, so each case is also told with the order not served, not expired, obeyed
by payment, and with the sum or the head-count one below the limb: each must stay shut.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.infra.referral_cases import (
    ABSENT,
    CASES,
    DAY,
    MANY_FEN,
    MANY_WORKERS,
    REGIONS,
    SINGLE_FEN,
    SINGLE_MONTHS,
    Case,
    Played,
    Story,
    book,
    completed,
    expires_at,
    limb,
    missing,
    opens_at,
    read,
    row,
    table,
)

pytestmark = pytest.mark.skipif(not CASES.is_file(), reason=ABSENT)

TOLD = read() if CASES.is_file() else []
TICK = timedelta(seconds=1)
decidable = pytest.mark.parametrize(
    "case", [case for case in TOLD if missing(case) is None], ids=lambda case: case.id
)
with_a_limb = pytest.mark.parametrize(
    "case", [completed(case) for case in TOLD if limb(case)], ids=lambda case: case.id
)


def ordered(case: Case, after: timedelta, raw: dict[str, Any] | None = None) -> Played:
    """Served on the order's day, and lived through until `after` its expiry."""
    return Story(case, raw).served().played(expires_at(case) + after)


@decidable
def test_it_opens_at_the_order_s_expiry_and_once(case: Case) -> None:
    played = ordered(case, 40 * DAY)
    assert played.opened == [opens_at(case)]
    (met,) = played.met
    assert met["data"]["threshold"] == "henan-2013"
    assert met["data"]["limb"] == limb(case)
    assert not played.refused


@decidable
def test_the_officers_may_propose_from_then_on_and_not_before(case: Case) -> None:
    expiry = expires_at(case)
    story = Story(case).served()
    story.add(expiry - TICK, "ReferralProposed", {"officers": 2})
    story.add(expiry + TICK, "ReferralProposed", {"officers": 2})
    ((_, code),) = story.played(expiry + DAY).refused
    assert code == "NO_UNPAID_ORDER"


@decidable
def test_what_was_done_was_not_done_before_the_step_was_open(case: Case) -> None:
    assert row(case).verdict == "agrees"


def test_what_lacks_a_fact_stays_shut_and_names_it() -> None:
    rows = [row(case) for case in TOLD if missing(case) is not None]
    assert [item.case.id for item in rows if item.opened_at is not None] == []
    assert {item.missing for item in rows} <= {
        "workers",
        "order_date",
        "paid_after_order",
        "a figure of Henan in force then",
    }


def test_the_table() -> None:
    """Shown with `pytest -s`, and by `python -m tests.infra.referral_cases`."""
    rows = [row(case) for case in TOLD]
    print()
    for text in table(rows):
        print(text)
    assert len(rows) == len(TOLD) > 0
    assert not [item for item in rows if item.verdict == "disagrees"]


class TestShut:
    """Each with its control: the same story opens where the one thing is not changed."""

    @with_a_limb
    def test_control(self, case: Case) -> None:
        assert ordered(case, 40 * DAY).opened == [expires_at(case)]

    @with_a_limb
    def test_not_served(self, case: Case) -> None:
        assert Story(case).issued().played(expires_at(case) + 40 * DAY).opened == []

    @with_a_limb
    def test_not_expired(self, case: Case) -> None:
        assert ordered(case, -TICK).opened == []

    @with_a_limb
    def test_paid_a_second_before_the_expiry(self, case: Case) -> None:
        expiry = expires_at(case)
        story = Story(case).served().paid(expiry - TICK)
        assert story.played(expiry + 40 * DAY).opened == []

    @with_a_limb
    def test_paid_at_the_expiry_is_too_late(self, case: Case) -> None:
        expiry = expires_at(case)
        assert Story(case).served().paid(expiry).played(expiry + DAY).opened == [expiry]

    @with_a_limb
    def test_one_fen_below(self, case: Case) -> None:
        assert ordered(_with(case, fen=-1), 40 * DAY).opened == []

    @with_a_limb
    def test_at_the_figure(self, case: Case) -> None:
        assert ordered(_with(case), 40 * DAY).opened == [expires_at(case)]

    @with_a_limb
    def test_one_head_or_month_below(self, case: Case) -> None:
        assert ordered(_with(case, below=1), 40 * DAY).opened == []


def _with(case: Case, *, fen: int = 0, below: int = 0) -> Case:
    """The case at the very figures of its limb; `below` heads, or months of a single worker."""
    if limb(case) == 1:
        line = (SINGLE_FEN + fen, SINGLE_MONTHS - below, 1)
        return replace(case, lines=(line,) * case.heads)
    return replace(case, lines=((MANY_FEN + fen, 0, MANY_WORKERS - below),))


# --- other regions -------------------------------------------------------------------------------


def regions() -> list[dict[str, str]]:
    """The regions with a figure of their own; the national band binds courts, not cases."""
    if not REGIONS.is_file():
        return []
    with REGIONS.open(encoding="utf-8") as file:
        return [entry for entry in csv.DictReader(file) if entry["single_worker_yuan"].isdigit()]


def _rules(entries: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "id": entry["region"],
            "region": entry["region"],
            "effective": "2013-05-01" if entry["region"] == "河南" else entry["effective"],
            "single_months": int(entry["single_worker_months"]),
            "single_fen": int(entry["single_worker_yuan"]) * 100,
            "many_workers": MANY_WORKERS,
            "many_fen": int(entry["ten_workers_total_yuan"]) * 100,
        }
        for entry in entries
    ]


def test_the_book_has_the_figures_of_its_region() -> None:
    (told,) = (rule for rule in _rules(regions()) if rule["region"] == "河南")
    (held,) = book()["referral"]["thresholds"]
    assert held == told | {"id": "henan-2013"}
    assert book()["referral"]["region"] == "河南"


@pytest.mark.parametrize("region", [entry["region"] for entry in regions()])
def test_each_region_by_its_own_figures(region: str) -> None:
    """A book of all regions' figures: only those of its own region open the step."""
    rules = _rules(regions())
    raw = book() | {"referral": book()["referral"] | {"region": region, "thresholds": rules}}
    (rule,) = (rule for rule in rules if rule["region"] == region)
    sample = completed(TOLD[0])
    single, many = rule["single_fen"], rule["many_fen"]
    for lines, opens in (
        (((single, 3, 1),), True),
        (((single - 1, 3, 1),), False),
        (((many, 0, 10),), True),
        (((many - 1, 0, 10),), False),
        (((many, 0, 9),), False),
    ):
        case = replace(sample, lines=lines, order_on=date(2019, 3, 11))
        played = ordered(case, DAY, raw)
        assert [met["data"]["threshold"] for met in played.met] == ([region] if opens else [])
