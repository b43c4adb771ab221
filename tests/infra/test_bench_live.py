"""The bench on a real stack: each way of measuring, on very little."""

from __future__ import annotations

import asyncio

import pytest

from infra.bench import alone, folding, intake, projection, restart, sweeping
from infra.bench.mix import Mix, campaign
from infra.bench.rig import Database, Ends, Rig
from infra.bench.sizes import Sizes
from infra.problem import Unready
from infra.stack import LocalStack
from services.reporting.schema import Tables
from shared.log import Reader

pytestmark = pytest.mark.live

TINY = Sizes("tiny", 1, 3, 200, 50, 1, 100, 2, 400, 4, 2_000)


@pytest.fixture(scope="module")
def mix() -> Mix:
    return campaign(3)


@pytest.fixture
def rig(stack: LocalStack) -> Rig:
    return Rig(stack, lambda line: None)


async def test_the_bare_agent_forwards_every_record(rig: Rig, mix: Mix) -> None:
    contestant = await folding.faust(rig, mix, "faust")
    try:
        run = await contestant.run(mix)
        reader = Reader(contestant.made.settings, "test")
        await reader.start()
        ends = await reader.ends(folding.TARGET, range(12))
        forwarded = {
            record.value
            for number, end in ends.items()
            async for batch in reader.range(folding.TARGET, number, 0, end)
            for record in batch
        }
        await reader.stop()
    finally:
        await contestant.close()
    assert forwarded == {b"{}", *(value for _, value in mix.records)}
    assert run.records == len(mix)
    assert run.rate > 0
    assert run.cpu > 0


async def test_a_worker_is_timed_until_nothing_is_left(rig: Rig, mix: Mix) -> None:
    contestant = await folding.service(rig, "routing", mix)
    try:
        run = await contestant.run(mix)
        settings = contestant.made.settings
        schema = settings.schema("routing")
        async with Database(settings) as database:
            folded = await database.number(f'SELECT sum(next) FROM "{schema}".positions')
            pending = await database.number(
                f"SELECT count(*) FROM \"{schema}\".streams WHERE pending <> ''"
            )
    finally:
        await contestant.close()
    assert folded >= len(mix)
    assert pending == 0
    # It decides by itself what stands on the log already as its echo.
    assert run.published >= mix.by_writer["routing"]


async def test_a_run_leaves_nothing_on_the_stack(rig: Rig, mix: Mix) -> None:
    made = await rig.installation("gone", mix.start)
    made.launch("routing")
    await made.ready("routing")
    child = made.children["routing"]
    await rig.tidy()
    assert made.closed
    assert not child.alive
    async with Database(made.settings) as database:
        left = await database.number(
            "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE $1",
            f"{made.settings.namespace}%",
        )
    assert left == 0


async def test_installations_made_side_by_side_do_not_meet(rig: Rig, mix: Mix) -> None:
    try:
        made = await asyncio.gather(*(rig.installation("same", mix.start) for _ in range(3)))
        assert len({one.settings.namespace for one in made}) == 3
    finally:
        await rig.tidy()


async def test_a_process_that_ends_is_said_to_have_ended(rig: Rig, mix: Mix) -> None:
    made = await rig.installation("ended", mix.start)
    try:
        made.launch("routing", ("-c", "raise SystemExit('Error: no more')"))
        with pytest.raises(Unready, match="routing ended: Error: no more"):
            await made.ready("routing")
    finally:
        await made.close()


async def test_intake_receives_what_the_producer_is_given(rig: Rig) -> None:
    figures = await intake.measure(rig, 200, 1)
    assert [figure.limit for figure in figures] == [intake.LIMIT, None]
    assert figures[0].peer != figures[1].peer
    for figure in figures:
        assert figure.value > 0
        assert figure.ratio is not None


async def test_the_peer_of_the_rebuild_writes_the_same_rows(rig: Rig, mix: Mix) -> None:
    made = await rig.installation("rows", mix.start)
    try:
        await made.publish(mix.records)
        await projection.rebuild(made, mix)
        given = await projection.copies(made)
        taken = await projection.upsert(made, given)
        events = Tables(made.settings.schema("reporting"))
        by_table = {copy.table: len(copy.rows) for copy in given}
    finally:
        await made.close()
    assert taken > 0
    assert by_table[events.bare(events.events)] == len(mix)
    assert all(copy.rows for copy in given)


async def test_the_audit_finds_the_mix_clean(rig: Rig, mix: Mix) -> None:
    figure = await alone.audit(rig, mix, 1)
    assert "; 0 findings" in figure.note
    assert figure.peer is not None
    assert figure.peer.value > figure.value


async def test_a_sweep_publishes_what_is_due_and_nothing_else(rig: Rig) -> None:
    due = sweeping.Group("due", sweeping.Waiting(sweeping.START), 30)
    rest = sweeping.Group("rest", sweeping.Waiting(sweeping.LATER), 70)
    made = await sweeping._filled(rig, "sweep", [due, rest])
    try:
        swept = await sweeping._sweep(made, due.waiting.wake_at)
        async with Ends(made.settings) as ends, Database(made.settings) as database:
            assert await ends.total() >= swept.decisions
            schema = made.settings.schema("supervision")
            untouched = await database.number(
                f'SELECT count(*) FROM "{schema}".streams WHERE subject = ANY($1) '
                "AND wake_at = $2 AND state = replace($3, $4, subject)",
                list(rest.subjects()),
                rest.waiting.wake_at,
                rest.waiting.row.state,
                rest.waiting.model,
            )
    finally:
        await made.close()
    # The units and the city have streams of their own that may be due as well.
    assert swept.due >= due.count
    assert swept.decisions >= due.count
    assert untouched == rest.count


async def test_a_long_log_is_what_the_workers_would_have_folded(rig: Rig, mix: Mix) -> None:
    made = await rig.installation("long", mix.start)
    long = restart.Long(rig, made, mix)
    try:
        await long.fold()
        before = long.events
        await long.multiply(before * 3)
        assert long.events >= before * 3
        seconds = await long.restart()
        schemas = [made.settings.schema(name) for name in restart.WORKERS]
        async with Database(made.settings) as database, Ends(made.settings) as ends:
            positions = [
                await database.number(f'SELECT sum(next) FROM "{schema}".positions')
                for schema in schemas
            ]
            pending = [
                await database.number(
                    f"SELECT count(*) FROM \"{schema}\".streams WHERE pending <> ''"
                )
                for schema in schemas
            ]
            total = await ends.total()
    finally:
        await made.close()
    assert set(seconds) == set(restart.WORKERS)
    # What was put into the tables fits the log: both go on from the ends, and owe nothing old.
    assert long.events < total < long.events + 20
    assert max(positions) == total
    assert pending == [0, 0]
