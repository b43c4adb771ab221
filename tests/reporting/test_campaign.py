"""The numbers of a whole simulated campaign, decided by the real deciders, against the oracle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from infra import simulator
from infra.dry_run import DryRun
from infra.story import read_story
from services.reporting import clearance, overview, rankings
from shared.events import Event
from shared.log import Record, partition_of
from shared.policy import Policy
from tests.reporting import histories
from tests.reporting.conftest import Read
from tests.reporting.oracle import World
from tests.reporting.test_numbers import compare_cases, compare_clearance, compare_rankings

INSTANTS = (
    "2021-12-15T12:00:00+08:00",
    "2022-01-01T00:00:00+08:00",
    "2022-01-06T18:00:00+08:00",
    "2022-02-07T00:00:00+08:00",
    "2022-04-01T00:00:00+08:00",
    "2022-05-01T00:00:00+08:00",
)


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Policy]:
    """Every event of a small campaign, in the order of the log."""
    path: Path = tmp_path_factory.mktemp("campaign") / "story.jsonl"
    assert simulator.run(path, seed=3, size="small") == 0
    lines = read_story(path)
    policy = simulator.book()
    dry = DryRun(lines, policy)
    dry.play(datetime.fromisoformat("2022-05-02T00:00:00+08:00"))
    return dry.world.log, policy


@pytest.fixture
async def told(read: Read, campaign: tuple[list[Event], Policy]) -> Callable[[datetime], World]:
    events, policy = campaign
    for batch in _pieces(histories.records(events)):
        await read.take([batch])
    return lambda as_of: World(events, partition_of, as_of, policy)


async def test_a_simulated_campaign_equals_the_oracle(
    read: Read, told: Callable[[datetime], World]
) -> None:
    for text in INSTANTS:
        async with read.reading.at(datetime.fromisoformat(text)) as (snapshot, cut):
            world = told(cut.as_of)
            await compare_cases(snapshot, cut, world)
            await compare_clearance(snapshot, cut, world)
            window = rankings.window_of(cut, None, None)
            await compare_rankings(snapshot, cut, world, window)


async def test_a_simulated_campaign_has_something_to_tell(
    read: Read, told: Callable[[datetime], World]
) -> None:
    """Not a comparison of nothing with nothing."""
    async with read.reading.at(datetime.fromisoformat(INSTANTS[-1])) as (snapshot, cut):
        judged = await clearance.clearance(snapshot, cut)
        window = rankings.window_of(cut, None, None)
        ranked = (await rankings.ranking(snapshot, cut, "township", window)).items
    found = {item.predicate: item for item in judged}
    assert found["P1-strict"].of > 10
    assert found["P2-stock"].of > 20
    assert len(found["P3-dynamic"].also["series"]) == 53
    assert sum(item.counts.base for item in ranked) > 80
    assert len({item.score for item in ranked}) > 7


def _pieces(found: list[Record]) -> list[list[Record]]:
    return [found[index : index + 900] for index in range(0, len(found), 900)]


@pytest.mark.parametrize(
    ("day", "stands"),
    [
        (date(2021, 11, 9), "before"),
        (date(2021, 11, 10), "running"),
        (date(2022, 4, 30), "running"),
        (date(2022, 5, 1), "over"),
        (date(2026, 11, 30), "over"),
    ],
)
def test_where_a_day_lies_to_the_campaign_is_told(day: date, stands: str, book: Policy) -> None:
    """A stack on the real clock is years after it: that there is no phase is then no fault."""
    told = {"first": "2021-11-10", "last": "2022-04-30", "stands": stands}
    assert overview.campaign(book, day) == told
