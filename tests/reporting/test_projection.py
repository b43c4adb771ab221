"""The projection's laws: batches, duplicates, order between partitions and memory do not matter."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.reporting import rows
from services.reporting.case import Case, pack, unpack
from services.reporting.folding import evolve, initial
from services.reporting.projection import Projection, unsealed
from services.reporting.schema import FOREVER, Tables, WrongLog, prepare, serve
from services.reporting.store import Overtaken
from shared import events as ev
from shared.envelope import encode
from shared.events import Event
from shared.identity import Identity
from shared.log import CASE_EVENTS, Record
from shared.policy import Policy
from tests.reporting import histories
from tests.reporting.conftest import IDENTITY, Read, opened

CASE = "case-6"
"""A subject of partition 0."""


def twice(found: list[Record]) -> list[Record]:
    """Every record delivered again at a later offset of its partition, now and then at once."""
    chance = random.Random(5)
    queues: dict[int, list[Record]] = {}
    for record in found:
        queue = queues.setdefault(record.partition, [])
        queue.append(record)
        if chance.random() < 0.5:
            queue.append(record)
    again = [record for queue in queues.values() for record in [*queue, *queue]]
    offsets = dict.fromkeys(queues, 0)
    moved: list[Record] = []
    for record in again:
        offset = offsets[record.partition]
        offsets[record.partition] = offset + 1
        moved.append(Record(CASE_EVENTS, record.partition, offset, 0, record.key, record.value))
    return moved


def without_seats(dump: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """The tables without the offsets, which repeated records shift."""
    return dump | {"events": [row[2:] for row in dump["events"]]}


@pytest.mark.parametrize("seed", [1, 2])
async def test_tables_do_not_depend_on_batches_repeats_or_memory(
    seed: int, pool: Any, database: str, book: Policy
) -> None:
    found = histories.records(histories.tell(seed, 60, book))
    dumps: list[dict[str, list[tuple[Any, ...]]]] = []
    async with opened(pool, database, book) as read:
        await read.take([found])
        dumps.append(await read.dump())
    async with opened(pool, database, book) as read:
        await read.take(histories.cut(random.Random(seed), found))
        dumps.append(await read.dump())
    async with opened(pool, database, book) as read:
        read.follower.projection = Projection(read.store, cached=1)
        await read.follower.projection.resume()
        await read.take(histories.cut(random.Random(seed + 9), found))
        dumps.append(await read.dump())
    assert len(dumps[0]["versions"]) > 100
    assert dumps[1] == dumps[0]
    assert dumps[2] == dumps[0]
    async with opened(pool, database, book) as read:
        await read.take(histories.cut(random.Random(seed), twice(found)))
        repeated = await read.dump()
    assert without_seats(repeated) == without_seats(dumps[0])


async def test_rows_of_a_case_cover_time_without_gap_or_overlap(read: Read, book: Policy) -> None:
    await read.take(histories.cut(random.Random(3), histories.records(histories.tell(3, 60, book))))
    found = await read.pool.fetch(
        f"SELECT case_id, recorded_from, recorded_to FROM {read.tables.versions} "
        "ORDER BY case_id, recorded_from"
    )
    for row, following in itertools.pairwise(found):
        assert row["recorded_from"] < row["recorded_to"]
        if row["case_id"] == following["case_id"]:
            assert row["recorded_to"] == following["recorded_from"]
        else:
            assert row["recorded_to"] == FOREVER


async def test_as_of_is_the_log_cut_at_the_running_maximum(
    read: Read, pool: Any, database: str, book: Policy
) -> None:
    """The rows that held at A are those of a table that was only given the log up to A."""
    events = histories.tell(4, 50, book)
    found = histories.records(events)
    await read.take([found])
    chance = random.Random(4)
    for _ in range(3):
        as_of = chance.choice(events).recordedtime
        highest: dict[int, datetime] = {}
        kept: list[Record] = []
        for record, event in zip(found, events, strict=True):
            before = highest.get(record.partition, event.recordedtime)
            highest[record.partition] = max(before, event.recordedtime)
            if highest[record.partition] <= as_of:
                kept.append(record)
        async with opened(pool, database, book) as short:
            await short.take([kept])
            columns = ", ".join(rows.NAMES)
            held = await pool.fetch(
                f"SELECT {columns}, recorded_from FROM {read.tables.versions} "
                "WHERE recorded_from <= $1 AND recorded_to > $1 ORDER BY case_id",
                as_of,
            )
            last = await pool.fetch(
                f"SELECT {columns}, recorded_from FROM {short.tables.versions} "
                "WHERE recorded_to = $1 ORDER BY case_id",
                FOREVER,
            )
            assert [tuple(row.values()) for row in held] == [tuple(row.values()) for row in last]
            async with read.reading.at(as_of) as (_, cut), short.reading.at(as_of) as (_, other):
                assert cut.position == other.position


async def test_a_record_that_goes_back_in_time_counts_from_the_running_maximum(
    read: Read,
) -> None:
    noon = datetime(2021, 12, 1, 4, tzinfo=UTC)
    received = ev.ComplaintReceived(source="window", source_ref="1", received_at=noon)
    first = _event("a", received, noon)
    late = _event("b", ev.ComplaintAccepted(), noon - timedelta(hours=1))
    await read.take([[_record(0, first), _record(1, late)]])
    found = await read.pool.fetch(f"SELECT state, recorded_from FROM {read.tables.versions}")
    assert [(row["state"], row["recorded_from"]) for row in found] == [("ACCEPTED", noon)]


async def test_an_unreadable_record_is_passed_over(read: Read) -> None:
    noon = datetime(2021, 12, 1, 4, tzinfo=UTC)
    received = ev.ComplaintReceived(source="window", source_ref="1", received_at=noon)
    broken = Record(CASE_EVENTS, 0, 0, 0, b"x", b"{not json")
    await read.take([[broken, _record(1, _event("a", received, noon))]])
    assert (await read.store.positions())[0].next == 2
    assert len((await read.dump())["events"]) == 1


async def test_a_record_on_another_partition_is_passed_over(read: Read) -> None:
    """As routing and supervision do, so that no service knows what the others do not."""
    noon = datetime(2021, 12, 1, 4, tzinfo=UTC)
    received = ev.ComplaintReceived(source="window", source_ref="1", received_at=noon)
    astray = _record(0, _event("b", ev.ComplaintAccepted(), noon), partition=3)
    await read.take([[_record(0, _event("a", received, noon)), astray]])
    assert len((await read.dump())["events"]) == 1
    assert (await read.store.positions())[3].next == 1


async def test_a_second_writer_is_told_and_starts_from_the_tables(read: Read, book: Policy) -> None:
    found = histories.records(histories.tell(6, 20, book))
    rival = Projection(read.store)
    await rival.resume()
    await read.take([found[:50]])
    before = await read.dump()
    with pytest.raises(Overtaken):
        await rival.take(found[:10])
    assert await read.dump() == before
    await rival.resume()
    await rival.take(found)
    whole = await read.dump()
    assert len(whole["events"]) > len(before["events"])
    assert rival.positions == await read.store.positions()


async def test_a_dropped_schema_comes_back_with_the_same_rows(read: Read, book: Policy) -> None:
    found = histories.records(histories.tell(7, 40, book))
    await read.take(histories.cut(random.Random(7), found))
    before = await read.dump()
    await read.pool.execute(f'DROP SCHEMA "{read.tables.schema}" CASCADE')
    with pytest.raises(asyncpg.UndefinedTableError):
        await read.follower.projection.resume()
    await read.prepare()
    await read.take([found])
    assert await read.dump() == before


async def test_tables_of_another_log_are_refused(read: Read) -> None:
    async with read.pool.acquire() as connection:
        with pytest.raises(WrongLog, match="qingqian rebuild reporting"):
            await prepare(connection, read.tables, Identity("cluster", "another", 12))


async def test_a_new_generation_stands_beside_the_old_one_until_it_serves(read: Read) -> None:
    newer = Tables(read.tables.schema, "r999")
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = $1 AND tablename LIKE $2"
    async with read.pool.acquire() as connection:
        await prepare(connection, newer, IDENTITY)
        old = f"{read.tables.generation}\\_%"
        assert await connection.fetchval(count, newer.schema, old) == len(read.tables.all)
        assert await serve(connection, newer) == [read.tables.generation]
        assert await connection.fetchval(count, newer.schema, old) == 0
        assert await connection.fetchval(count, newer.schema, "r999\\_%") == len(newer.all)


def test_a_case_survives_being_stored(book: Policy) -> None:
    cases: dict[str, Case] = {}
    for event in histories.tell(8, 60, book):
        case = cases.get(event.subject) or initial(event.subject)
        cases[event.subject] = evolve(case, event)
    for case in cases.values():
        assert unpack(pack(case)) == case
        assert rows.row(unpack(pack(case))) == rows.row(case)


def test_sealed_text_is_not_kept() -> None:
    kept = unsealed({"text": "sealed:abc", "lines": [{"sealed": "sealed:x", "n": 1}], "ref": "r"})
    assert kept == {"text": "sealed:", "lines": [{"sealed": "sealed:", "n": 1}], "ref": "r"}


def _event(name: str, data: ev.AnyData, recorded: datetime) -> Event:
    return Event(id=name, subject=CASE, time=recorded, recordedtime=recorded, data=data)


def _record(offset: int, event: Event, partition: int = 0) -> Record:
    return Record(CASE_EVENTS, partition, offset, 0, CASE.encode(), encode(event))
