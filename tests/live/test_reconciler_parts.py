"""The reconciler's parts called directly, so that a crash can fall exactly between two of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.envelope import encode
from shared.events import ComplaintAccepted, Event, ProgressReported
from shared.governance import Governance
from shared.identity import identify
from shared.log import (
    CASE_EVENTS,
    CASE_EVENTS_PARKED,
    PARTITIONS,
    Producer,
    Reader,
    Record,
    partition_of,
)
from shared.metrics import LAG_RECORDS, LOST_OWNERSHIP, UNDECIDED
from shared.policy import read_book
from shared.reconciler.partition import Standing
from shared.reconciler.rows import shape_of
from shared.reconciler.store import Held, LostOwnership, Store, StoredRow, WrongLog
from shared.reconciler.sweep import Sweep
from shared.reconciler.worker import Worker
from shared.settings import Settings
from tests.live.intake_desk import until
from tests.live.rig import BOOK, Rig, fact
from tests.live.toy import deciders

pytestmark = pytest.mark.live

START = datetime(2021, 11, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DECIDERS = deciders(10 * HOUR)
CASE = "case-1"
HOME = partition_of(CASE)
CASES = [name for name in map("case-{}".format, range(200)) if partition_of(name) == HOME][:4]
"""The case itself and others of its partition."""


class Crash(BaseException):
    """The process ends here."""


class CrashingProducer(Producer):
    """Ends the process before the next decision is sent."""

    async def send(self, *arguments: Any, **options: Any) -> Any:
        raise Crash


class SilentProducer(Producer):
    """A log that takes and never acknowledges."""

    async def send(self, *arguments: Any, **options: Any) -> Any:
        return asyncio.get_running_loop().create_future()


class CrashingStore(Store):
    """Ends the process after the acknowledgement and before the clearing."""

    async def clear(self, held: Held, remaining: dict[str, str]) -> None:
        raise Crash


class CrashingAtTheLast(Store):
    """Ends the process before the last of CASES is written."""

    async def put(
        self, held: Held, rows: Sequence[StoredRow], next: int, book_hash: str | None = None
    ) -> Held:
        if any(row.subject == CASES[-1] for row in rows):
            raise Crash
        return await super().put(held, rows, next, book_hash)


@dataclass
class Bench:
    """Workers inside the test, on the log of one namespace."""

    rig: Rig
    settings: Settings
    exits: AsyncExitStack

    async def worker(
        self, store: type[Store] = Store, producer: type[Producer] = Producer
    ) -> Worker:
        """A worker that is given every partition."""
        tables = store(self.settings, "supervision", shape_of(DECIDERS))
        await tables.open()
        self.exits.push_async_callback(tables.close)
        await tables.prepare()
        sender = producer(self.settings, "supervision")
        reader = Reader(self.settings, "bench")
        governance = Governance(self.settings, "bench")
        for each in (sender, reader, governance):
            await each.start()
            self.exits.push_async_callback(each.stop)
        identity = await identify(self.settings, CASE_EVENTS)
        worker = Worker("supervision", DECIDERS, tables, sender, reader, governance, identity)
        self.exits.push_async_callback(worker.close)
        worker.assign(range(PARTITIONS))
        return worker

    async def deliver(self, worker: Worker, records: Sequence[Record] | None = None) -> None:
        """Hand the worker records as the agent does; by default the whole log."""
        await worker.batch(await self.rig.records() if records is None else records)

    async def decided(self) -> Counter[str]:
        """Copies of each decision on the log of `case-1`, by type."""
        events = await self.rig.events()
        return Counter(event.type for event in events if event.subject == CASE)


@pytest.fixture
async def bench(settings: Settings, tmp_path: Path) -> AsyncIterator[Bench]:
    async with Rig(settings, tmp_path) as rig, AsyncExitStack() as exits:
        await rig.govern("log", START)
        yield Bench(rig, settings, exits)


def accepted(name: str = "accepted") -> Event:
    return fact(name, CASE, ComplaintAccepted(), START)


async def test_a_fact_delivered_or_appended_twice_is_folded_once(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted(), accepted()])
    await bench.deliver(worker)
    await bench.deliver(worker)
    assert await bench.decided() == {"ComplaintAccepted": 2, "DeadlineSet": 1}
    row = (await bench.rig.table())[CASE]
    assert row["seen"] == ["accepted"]
    assert row["pending"] == ""


async def test_a_gap_before_a_record_is_read_from_the_log(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.deliver(worker, [])
    events = [accepted()] + [
        fact(f"progress-{number}", CASE, ProgressReported(), START) for number in range(4)
    ]
    await bench.rig.producer.publish([accepted("warm-up")])
    await bench.deliver(worker)
    await bench.rig.producer.publish(events)
    last = [record for record in await bench.rig.records() if record.partition == HOME][-1:]
    await bench.deliver(worker, last)
    state = orjson.loads((await bench.rig.table())[CASE]["state"])
    assert state["progress"] == 4
    assert worker.partitions[HOME].next == last[0].offset + 1


async def test_each_part_of_a_batch_stands_by_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back after its stream was forgotten goes on from the row."""
    monkeypatch.setattr("shared.reconciler.worker.CHUNK", 2)
    crashing = await bench.worker(store=CrashingAtTheLast)
    crashing.partitions[HOME].cache.most = 0
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(crashing)
    begun = [fact(f"accepted-{case}", case, ComplaintAccepted(), START) for case in CASES[1:]]
    progress = fact("progress", CASES[1], ProgressReported(), START)
    await bench.rig.producer.publish([*begun[:2], progress, begun[2]])
    with pytest.raises(Crash):
        await bench.deliver(crashing)
    rows = await bench.rig.table()
    assert [case for case in CASES if case in rows] == CASES[:3]
    assert [orjson.loads(rows[case]["state"])["progress"] for case in CASES[:3]] == [0, 1, 0]

    await bench.deliver(await bench.worker())
    decided = [event.subject for event in await bench.rig.events() if event.type == "DeadlineSet"]
    assert sorted(case for case in decided if case in CASES) == sorted(CASES)


async def test_a_crash_between_write_and_publish_publishes_later(bench: Bench) -> None:
    await bench.rig.producer.publish([accepted()])
    crashing = await bench.worker(producer=CrashingProducer)
    with pytest.raises(Crash):
        await bench.deliver(crashing)
    assert await bench.decided() == {"ComplaintAccepted": 1}

    await bench.deliver(await bench.worker())
    assert await bench.decided() == {"ComplaintAccepted": 1, "DeadlineSet": 1}
    assert (await bench.rig.table())[CASE]["pending"] == ""


async def test_a_crash_between_publish_and_clear_publishes_the_same_bytes_again(
    bench: Bench,
) -> None:
    await bench.rig.producer.publish([accepted()])
    with pytest.raises(Crash):
        await bench.deliver(await bench.worker(store=CrashingStore))
    assert (await bench.rig.table())[CASE]["pending"] != ""

    await bench.deliver(await bench.worker())
    assert await bench.decided() == {"ComplaintAccepted": 1, "DeadlineSet": 2}
    copies = [r.value for r in await bench.rig.records() if b'"DeadlineSet"' in r.value]
    ours = [value for value in copies if orjson.loads(value)["subject"] == CASE]
    assert ours[0] == ours[1]
    assert (await bench.rig.table())[CASE]["pending"] == ""


async def test_a_worker_that_lost_a_partition_writes_nothing(bench: Bench) -> None:
    zombie = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(zombie)
    heir = await bench.worker()
    await bench.deliver(heir)
    before = await bench.rig.table()

    await bench.rig.producer.publish([fact("progress", CASE, ProgressReported(), START)])
    await bench.deliver(zombie)
    assert await bench.rig.table() == before
    assert zombie.partitions[HOME].standing is Standing.LOST

    await bench.rig.advance(START + 20 * HOUR)
    await Sweep(zombie).round()
    assert await bench.decided() == {
        "ComplaintAccepted": 1,
        "ProgressReported": 1,
        "DeadlineSet": 1,
    }
    await bench.deliver(heir)
    assert orjson.loads((await bench.rig.table())[CASE]["state"])["progress"] == 1


async def test_tables_that_are_gone_are_told_with_their_remedy(bench: Bench) -> None:
    """Nobody has taken the partitions: what a zombie is told would send an operator astray."""
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(worker)
    lost = LOST_OWNERSHIP._value.get()

    async with bench.rig.database() as connection:
        await connection.execute(f"DROP TABLE {bench.settings.schema('supervision')}.streams")
    await bench.rig.producer.publish([fact("progress", CASE, ProgressReported(), START)])
    await bench.deliver(worker)

    found = await Sweep(worker).readiness()
    assert not found.ready
    assert "`qingqian rebuild supervision`" in (found.reason or "")
    assert LOST_OWNERSHIP._value.get() == lost
    # Nor does another start go on from empty rows at positions that are past the log's beginning.
    with pytest.raises(WrongLog, match="qingqian rebuild supervision"):
        await worker.store.prepare()


async def test_decisions_that_the_log_does_not_acknowledge_are_counted(bench: Bench) -> None:
    """By streams, and while it lasts: no round comes to its end then."""
    worker = await bench.worker(producer=SilentProducer)
    await bench.rig.producer.publish(
        [fact(f"of-{n}", n, ComplaintAccepted(), START) for n in CASES]
    )
    records = await bench.rig.records()
    folding = asyncio.create_task(bench.deliver(worker, records))
    sweep = Sweep(worker)

    async def stored() -> bool:
        return set(CASES) <= set(await worker.store.unsent(HOME))

    await until(stored, "the decisions are stored")
    await sweep.tell()
    assert UNDECIDED._value.get() == 0  # They may be on their way.
    await sweep.tell()
    by_clock = await worker.store.undecided(range(PARTITIONS), START) - set(CASES)
    assert UNDECIDED._value.get() == len(CASES) + len(by_clock)
    folding.cancel()


async def test_a_partition_that_another_worker_has_now_shows_no_lag_here(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await Sweep(worker).readiness()
    assert LAG_RECORDS.labels(str(HOME))._value.get() == 1

    worker.revoke([HOME])
    await Sweep(worker).readiness()
    shown = {sample.labels["partition"] for sample in next(iter(LAG_RECORDS.collect())).samples}
    assert shown == {str(number) for number in range(PARTITIONS)} - {str(HOME)}


async def test_partitions_written_together_are_fenced_one_by_one(bench: Bench) -> None:
    """Of three put and cleared at the same time one was lost: it alone writes nothing."""
    worker = await bench.worker()
    store, identity = worker.store, worker.identity
    held = [await store.claim(number, identity) for number in range(3)]
    await store.claim(1, identity)
    rows = [
        StoredRow(f"case-of-{number}", number, "{}", None, None, "", "owed", None, "")
        for number in range(3)
    ]

    puts = await asyncio.gather(
        *(store.put(each, [row], 5) for each, row in zip(held, rows, strict=True)),
        return_exceptions=True,
    )
    assert isinstance(puts[1], LostOwnership)
    assert [held[0]._replace(next=5), held[2]._replace(next=5)] == [puts[0], puts[2]]
    assert [await store.unsent(number) for number in range(3)] == [["case-of-0"], [], ["case-of-2"]]

    moved = [each._replace(next=5) for each in held]
    clears = await asyncio.gather(
        *(store.clear(each, {f"case-of-{each.partition}": ""}) for each in moved),
        return_exceptions=True,
    )
    assert [type(each) for each in clears] == [type(None), LostOwnership, type(None)]
    assert [await store.unsent(number) for number in range(3)] == [[], [], []]
    found = [await store.owner_of(number) for number in range(3)]
    assert [each and each[1] for each in found] == [5, 0, 5]


async def test_nothing_is_decided_by_the_clock_before_the_end_is_folded(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(worker)
    stop = fact("progress", CASE, ProgressReported(), START + HOUR)
    await bench.rig.advance(START + HOUR)
    await bench.rig.producer.publish([stop])
    await bench.rig.advance(START + 20 * HOUR)
    await Sweep(worker).round()
    assert (await bench.decided())["AlertRaised"] == 0
    assert orjson.loads((await bench.rig.table())[CASE]["state"])["progress"] == 1


async def test_a_newer_book_recomputes_every_wake_up(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(worker)
    await Sweep(worker).round()
    before = {row["policy_hash"] for row in (await bench.rig.table()).values()}
    await bench.rig.advance(START + HOUR)
    await bench.rig.adopt({**read_book(BOOK), "title": "another"}, START + HOUR)
    await bench.rig.advance(START + 2 * HOUR)
    await Sweep(worker).round()
    after = {row["policy_hash"] for row in (await bench.rig.table()).values()}
    assert len(before) == len(after) == 1
    assert before != after
    async with bench.rig.database() as database:
        schema = bench.settings.schema("supervision")
        found = await database.fetch(f"SELECT DISTINCT book_hash FROM {schema}.positions")
    assert {row[0] for row in found} == after

    await bench.deliver(await bench.worker())
    assert {row["policy_hash"] for row in (await bench.rig.table()).values()} == after


async def test_what_cannot_be_read_is_parked_and_the_rest_goes_on(bench: Bench) -> None:
    worker = await bench.worker()
    topic = CASE_EVENTS
    foreign = orjson.loads(encode(accepted("foreign")))
    for value in (
        b"not json",
        b"[]",
        orjson.dumps(foreign | {"type": "Nonsense"}),
        orjson.dumps(foreign | {"data": {"urgent": "perhaps"}}),
        orjson.dumps(foreign | {"subject": "case-elsewhere"}),
        orjson.dumps({"type": "ComplaintAccepted"}),
    ):
        await (await bench.rig.producer.send(topic, CASE, value))
    await bench.rig.producer.publish([accepted()])
    raw = [record for record in await bench.rig.records() if record.partition == HOME]
    await bench.deliver(worker, raw)
    assert (await bench.rig.table())[CASE]["seen"] == ["accepted"]
    parked = await parked_reasons(bench.rig)
    assert parked == [
        "malformed_attribute",
        "malformed_attribute",
        "malformed_data",
        "not_json",
        "unknown_type",
        "wrong_key",
    ]


async def test_a_copy_on_another_partition_makes_no_second_stream(bench: Bench) -> None:
    """As a client with another partitioner leaves it: a rebuild takes partition after partition."""
    stray = fact("progress", CASE, ProgressReported(), START)
    await bench.rig.producer.publish([accepted()])
    for number in {0, PARTITIONS - 1} - {HOME}:
        await (await bench.rig.producer.send(CASE_EVENTS, CASE, encode(stray), number))
    worker = await bench.worker()
    await bench.deliver(worker)

    assert (await bench.rig.table())[CASE]["seen"] == ["accepted"]
    assert set(await parked_reasons(bench.rig)) == {"wrong_partition"}


async def parked_reasons(rig: Rig) -> list[str]:
    end = (await rig.reader.ends(CASE_EVENTS_PARKED, (0,)))[0]
    found: list[str] = []
    async for records in rig.reader.range(CASE_EVENTS_PARKED, 0, 0, end):
        found += [orjson.loads(record.value)["reason"] for record in records]
    return sorted(found)


async def test_a_position_of_another_log_stops_the_worker(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.rig.producer.publish([accepted()])
    await bench.deliver(worker)
    schema = bench.settings.schema("supervision")
    async with bench.rig.database() as database:
        await database.execute(f"UPDATE {schema}.positions SET topic_id = 'another'")
    with pytest.raises(WrongLog, match="qingqian rebuild supervision"):
        await bench.deliver(await bench.worker())
    identity = await identify(bench.settings, CASE_EVENTS)
    async with bench.rig.database() as database:
        await database.execute(
            f"UPDATE {schema}.positions SET topic_id = $1, next = 1000", identity.topic_id
        )
    with pytest.raises(WrongLog, match="qingqian rebuild supervision"):
        await bench.deliver(await bench.worker())


async def test_tables_older_than_the_log_stop_the_worker(bench: Bench) -> None:
    """A restored backup: decisions made since stand on the log, and it would decide otherwise."""
    await bench.rig.producer.publish([accepted("first")])
    await bench.deliver(await bench.worker())
    schema = bench.settings.schema("supervision")
    async with bench.rig.database() as database:
        await database.execute(f"CREATE TABLE {schema}.kept AS TABLE {schema}.streams")
        await database.execute(f"CREATE TABLE {schema}.places AS TABLE {schema}.positions")
    later = [n for n in range(100) if partition_of(f"late-{n}") == HOME][:3]
    await bench.rig.producer.publish(
        [fact(f"a-{n}", f"late-{n}", ComplaintAccepted(), START) for n in later]
    )
    await bench.deliver(await bench.worker())
    async with bench.rig.database() as database:
        await database.execute(f"TRUNCATE {schema}.streams, {schema}.positions")
        await database.execute(f"INSERT INTO {schema}.streams TABLE {schema}.kept")
        await database.execute(f"INSERT INTO {schema}.positions TABLE {schema}.places")
    count = len(await bench.rig.records())
    with pytest.raises(WrongLog, match="qingqian rebuild supervision"):
        await bench.deliver(await bench.worker())
    assert len(await bench.rig.records()) == count


async def test_a_dropped_schema_is_rebuilt_to_the_same_rows_and_decides_nothing_anew(
    bench: Bench,
) -> None:
    worker = await bench.worker()
    cases = [f"case-{number}" for number in range(40)]
    await bench.rig.producer.publish(
        [fact(f"accepted-{case}", case, ComplaintAccepted(), START) for case in cases]
    )
    await bench.deliver(worker)
    await bench.rig.advance(START + 5 * HOUR)
    await Sweep(worker).round()
    await bench.rig.producer.publish(
        [
            fact(f"progress-{case}", case, ProgressReported(), START + 5 * HOUR)
            for case in cases[::2]
        ]
    )
    await bench.deliver(worker)
    await bench.rig.advance(START + 20 * HOUR)
    await Sweep(worker).round()
    await bench.deliver(worker)
    await Sweep(worker).round()
    before, events = await bench.rig.table(), await bench.rig.events()
    assert Counter(event.type for event in events)["SupervisionNoticeIssued"] == 20

    schema = bench.settings.schema("supervision")
    async with bench.rig.database() as database:
        await database.execute(f"DROP SCHEMA {schema} CASCADE")
    heir = await bench.worker()
    await Sweep(heir).round()
    assert await bench.rig.table() == before
    assert len(await bench.rig.events()) == len(events)
    assert not heir.rebuild.beyond
    assert not heir.rebuild.not_owed
