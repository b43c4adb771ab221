"""The API's numbers against the oracle, on histories by seed, at random instants."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from services.reporting import cases, clearance, rankings
from services.reporting.reading import Cut, Snapshot
from services.reporting.scoring import Scored
from shared.calendar import start_of
from shared.events import Event
from shared.log import partition_of
from shared.policy import Policy
from tests.reporting import histories
from tests.reporting.conftest import Read
from tests.reporting.oracle import Case, World

SEEDS = range(8)
CASES = 60


def instants(chance: random.Random, events: list[Event]) -> list[datetime]:
    """Random instants, some of them exactly those of an event or of a campaign date."""
    span = int((histories.LAST - histories.FIRST).total_seconds())
    found = [
        histories.FIRST + timedelta(seconds=chance.randrange(span)),
        chance.choice(events).recordedtime,
        chance.choice(
            (
                datetime(2021, 12, 31, 16, tzinfo=UTC),
                datetime(2022, 1, 31, 16, tzinfo=UTC),
                datetime(2022, 3, 31, 16, tzinfo=UTC),
                datetime(2022, 4, 30, 16, tzinfo=UTC),
            )
        ),
        histories.LAST + timedelta(days=40),
    ]
    return found


def windows(chance: random.Random, cut: Cut) -> list[rankings.Window]:
    """The whole campaign, and a window that may end before or after the cut."""
    start = cut.as_of - timedelta(days=chance.randint(1, 60))
    end = start + timedelta(days=chance.randint(1, 60))
    return [rankings.window_of(cut, None, None), rankings.window_of(cut, start, end)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_numbers_equal_the_oracle(seed: int, read: Read, book: Policy) -> None:
    chance = random.Random(seed)
    events = histories.tell(seed, CASES, book)
    await read.take(histories.cut(chance, histories.records(events)))
    for as_of in instants(chance, events):
        world = World(events, partition_of, as_of, book)
        async with read.reading.at(as_of) as (snapshot, cut):
            await compare_cases(snapshot, cut, world)
            await compare_clearance(snapshot, cut, world)
            for window in windows(chance, cut):
                await compare_rankings(snapshot, cut, world, window)


async def compare_cases(snapshot: Snapshot, cut: Cut, world: World) -> None:
    page = await cases.page(snapshot, cut, cases.Filters(), 500, None)
    assert page.total == len(world.cases)
    found = {item["case_id"]: item for item in page.items}
    assert found.keys() == {case.case_id for case in world.cases}
    for case in world.cases:
        assert shown(found[case.case_id]) == expected(case, cut.as_of), case.case_id


def shown(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in expected_names}


expected_names = (
    "state", "left_base", "joined", "task_force", "township", "owed_fen", "paid_fen",
    "level", "overdue", "accepted_at", "due_at", "passed_at", "closed_kind",
)  # fmt: skip


def expected(case: Case, as_of: datetime) -> dict[str, Any]:
    unit = case.unit
    closing = case.closings[-1] if case.closings else None
    standing = closing is not None and closing[2].year == 9999
    values = (
        case.state, case.left, case.joined, unit.task_force if unit else None,
        unit.township if unit else None, case.owed_fen, case.paid_fen, case.level,
        case.overdue_at(as_of), _text(case.accepted_at), _text(case.due_at),
        _text(case.passed_at), closing[0] if closing and standing else None,
    )  # fmt: skip
    return dict(zip(expected_names, values, strict=True))


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


async def compare_clearance(snapshot: Snapshot, cut: Cut, world: World) -> None:
    found = await clearance.clearance(snapshot, cut)
    wanted = world.verdicts()
    assert [item.predicate for item in found] == list(wanted)
    for item in found:
        got = (
            item.result,
            item.met,
            item.of,
            sorted((case.case_id, case.tag) for case in item.cases),
        )
        result, met, of, bad = wanted[item.predicate]
        assert got == (result, met, of, sorted(bad)), (item.predicate, cut.as_of)
        if item.predicate == "P3-dynamic":
            assert [day["overdue"] for day in item.also["series"]] == world.overdue_series()


async def compare_rankings(
    snapshot: Snapshot, cut: Cut, world: World, window: rankings.Window
) -> None:
    lists: tuple[rankings.List, ...] = ("task_force", "township")
    for of in lists:
        found = await rankings.ranking(snapshot, cut, of, window)
        wanted = world.scores(of, window.start, window.end)
        assert [placed(item) for item in found.items] == [told(item) for item in wanted], of
        for item in found.items:
            assert sum(item.parts.values()) == (item.raw or 0)


def placed(item: Scored) -> dict[str, Any]:
    counts = item.counts
    return {
        "rank": item.rank,
        "unit": counts.unit,
        "score": None if item.score is None else int(item.score * 100),
        "raw": None if item.raw is None else round(Fraction(item.raw), 5),
        "note": item.note,
        "base": counts.base,
        "rates": counts.rates,
        "deductions": counts.deductions,
        "recovered_fen": counts.recovered_fen,
    }


def told(item: dict[str, Any]) -> dict[str, Any]:
    raw = None if item["note"] == "NO_CASES" else round(round(item["raw"], 6), 5)
    return {name: value for name, value in item.items() if name != "merit"} | {"raw": raw}


def test_the_histories_are_wide_enough(book: Policy) -> None:
    """A property is worth what it meets: every kind of event and note must come up."""
    types: set[str] = set()
    notes: set[str | None] = set()
    scores: set[int] = set()
    for seed in SEEDS:
        events = histories.tell(seed, CASES, book)
        types |= {event.type for event in events}
        world = World(events, partition_of, histories.LAST, book)
        for item in world.scores("township", start_of(histories.FIRST.date()), histories.LAST):
            notes.add(item["note"])
            scores.add(item["score"])
    assert notes == {None, "NO_CASES", "SMALL_SAMPLE", "EXTREME"}
    assert len(types) > 40
    assert len(scores) > 30
