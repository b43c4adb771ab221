"""Phase predicates (domain 6.3) on cases told one by one, decided by the real deciders."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from infra.dry_run import DryRun
from services.reporting import clearance
from shared.policy import Policy
from tests.reporting import histories
from tests.reporting.conftest import Read
from tests.stories.telling import Story


async def test_a_due_at_24_is_missed_on_the_next_day(
    read: Read, book: Policy, tmp_path: Path
) -> None:
    """Due 03-08 24:00: one was asked to close at 09:10 on the next day, one only on 03-10."""
    story = Story(tmp_path)
    for case in ("A", "B"):
        story.assigned("2022-02-25 10:00", case)
    for case, asked in (("A", "2022-03-09 09:10"), ("B", "2022-03-10 09:10")):
        story.closed(asked, case)
    dry = DryRun(story.lines, book)
    dry.play(datetime.fromisoformat("2022-04-02T00:00:00+08:00"))
    assert not dry.refused
    await read.take([histories.records(dry.world.log)])
    async with read.reading.at(datetime.fromisoformat("2022-04-01T00:00:00+08:00")) as (view, cut):
        found = {item.predicate: item for item in await clearance.clearance(view, cut)}
    dynamic = found["P3-dynamic"]
    overdue = {day["date"]: day["overdue"] for day in dynamic.also["series"] if day["overdue"]}
    assert overdue == {"2022-03-09": 1}
    assert len(dynamic.cases) == 1
    assert (dynamic.result, dynamic.met, dynamic.of) == ("FAIL", 52, 53)
