"""Figure: from a worker's start to its first decision, on a very long log and on a short one.

A campaign is really folded by routing and supervision on each installation. On the long one it is
then multiplied: every record of its cases stands on the log once more under other ids, and so do
the rows of its streams, until the log has a million records; positions and group offsets are put
at the ends. So a start finds what it would find had all of it been folded, and what is measured is
all that a start reads.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.bench.crowd import accepted
from infra.bench.figures import Figure, Limit, Peer
from infra.bench.mix import Mix, campaign
from infra.bench.rig import ADOPTION_ID, STALLED_SECONDS, Database, Ends, Installation, Rig, reach
from infra.bench.sizes import Sizes
from infra.problem import Unready
from shared.broker import connection
from shared.envelope import derived_id, encode
from shared.events import ComplaintReceived, Event
from shared.log import CASE_EVENTS, PARTITIONS, Reader, partition_of
from shared.reconciler.store import StoredRow
from shared.settings import Settings
from shared.streams import kind_of

WORKERS: Final = ("routing", "supervision")
LIMIT: Final = Limit("at most", 1.25)
"""No slower than on the short log, beyond what two restarts on one log differ by."""

_STEP: Final = 0x9E3779B1
_ID: Final = re.compile(
    r"((?:match|group):)?\b([0-9a-f]{8})"
    r"((?(1)[0-9a-f]{24}|-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}))\b"
)
"""Ids of cases and events, and the keys of match and group streams, wherever they stand."""


def renamed(text: str, number: int) -> str:
    """The text with every id another one, the same for the same; the book's adoption stays."""

    def other(found: re.Match[str]) -> str:
        if found[0] == ADOPTION_ID:
            return ADOPTION_ID
        first = (int(found[2], 16) + number * _STEP) & 0xFFFFFFFF
        return f"{found[1] or ''}{first:08x}{found[3]}"

    return _ID.sub(other, text)


class Long:
    """An installation whose two workers have folded a campaign. `events`: records on its log."""

    def __init__(self, rig: Rig, made: Installation, mix: Mix) -> None:
        self.rig = rig
        self.made = made
        self.mix = mix
        self.events = 0
        self._facts = 0

    async def fold(self) -> None:
        """Publish the facts, move the clock to the end, and wait until all is decided."""
        for name in WORKERS:
            self.made.launch(name)
        await self.made.ready(*WORKERS)
        facts = b'"source":"/qingqian/intake"'
        await self.made.publish([record for record in self.mix.records if facts in record[1]])
        await self.made.advance(self.mix.end)
        self.events = await self._settled()
        for name in WORKERS:
            self.made.kill(name)
        self.rig.say(f"restart: {self.events} events folded")

    async def _settled(self) -> int:
        """Wait until both workers have folded the log and owe nothing by the clock; its length."""
        tables = [f'"{self.made.settings.schema(name)}"' for name in WORKERS]
        last, since, calm, length = (-1, -1, -1), time.monotonic(), 0, 0
        async with Database(self.made.settings) as database, Ends(self.made.settings) as ends:
            while calm < 4:
                length = await ends.total()
                done = [
                    await database.number(f"SELECT sum(next) FROM {table}.positions")
                    for table in tables
                ]
                owing = [
                    await database.number(
                        f"SELECT count(*) FROM {table}.streams "
                        "WHERE pending <> '' OR wake_at <= $1",
                        self.mix.end,
                    )
                    for table in tables
                ]
                calm = calm + 1 if done == [length, length] and not any(owing) else 0
                if (length, *done) != last:
                    last, since = (length, done[0], done[1]), time.monotonic()
                if time.monotonic() - since > STALLED_SECONDS:
                    raise Unready(f"nothing is folded any more: {done} of {length}")
                await asyncio.sleep(0.5)
        return length

    async def multiply(self, events: int) -> None:
        """Bring the log to about so many records, and the tables with it."""
        records = [record async for record in self._records() if _of_cases(record[0])]
        copies = -(-(events - self.events) // max(1, len(records)))
        for number in range(1, copies + 1):
            await self.made.publish(
                [(renamed(key, number), renamed(value, number).encode()) for key, value in records]
            )
            self.rig.say(f"restart: {self.events + number * len(records)} records on the log")
        async with Database(self.made.settings) as database, Ends(self.made.settings) as ends:
            self.events = await ends.total()
            for name in WORKERS:
                schema = self.made.settings.schema(name)
                found = await database.connection.fetch(f'SELECT * FROM "{schema}".streams')
                rows = [StoredRow(*row) for row in found if _of_cases(row["subject"])]
                for number in range(1, copies + 1):
                    await database.connection.copy_records_to_table(
                        "streams", schema_name=schema, columns=StoredRow._fields,
                        records=_copies(rows, number),
                    )  # fmt: skip
                await database.run(f'VACUUM ANALYZE "{schema}".streams')
        await self._move()

    async def _records(self) -> AsyncIterator[tuple[str, str]]:
        reader = Reader(self.made.settings, "bench")
        await reader.start()
        try:
            for number, end in (await reader.ends(CASE_EVENTS, range(PARTITIONS))).items():
                async with aclosing(reader.range(CASE_EVENTS, number, 0, end)) as batches:
                    async for batch in batches:
                        for record in batch:
                            yield (record.key or b"").decode(), record.value.decode()
        finally:
            await reader.stop()

    async def _move(self) -> None:
        """Positions in the tables and offsets of the groups to the ends."""
        settings = self.made.settings
        reader = Reader(settings, "bench")
        await reader.start()
        ends = await reader.ends(CASE_EVENTS, range(PARTITIONS))
        await reader.stop()
        topic = settings.topic(CASE_EVENTS)
        async with Database(settings) as database:
            for name in WORKERS:
                table = f'"{settings.schema(name)}".positions'
                for number, end in ends.items():
                    await database.run(
                        f"UPDATE {table} SET next = $2 WHERE partition = $1", number, end
                    )
                await _empty(settings, settings.group(name))
                consumer = AIOKafkaConsumer(
                    **connection(settings),
                    group_id=settings.group(name),
                    enable_auto_commit=False,
                )
                await consumer.start()
                try:
                    consumer.assign([TopicPartition(topic, number) for number in ends])
                    await consumer.commit(
                        {TopicPartition(topic, number): end for number, end in ends.items()}
                    )
                finally:
                    await consumer.stop()

    async def restart(self) -> dict[str, float]:
        """Kill both, put a complaint and its acceptance on the log, start them one by one.

        Seconds from each start to the first decision on the log.
        """
        for name in WORKERS:
            if name in self.made.children:
                self.made.kill(name)
        self._facts += 1
        subject = derived_id("bench", "restart", str(self._facts))
        received = _received(subject, self.mix.end)
        await self.made.publish([(subject, encode(received)), accepted(subject, self.mix.end)])
        seconds = {}
        async with Ends(self.made.settings) as ends:
            for name in WORKERS:
                before = await ends.total()
                begun = time.monotonic()
                child = self.made.launch(name)
                seconds[name] = await reach(ends.total, before + 1, child, every=0.01) - begun
                await self.made.ready(name)
                await still(ends)
        return seconds


async def _empty(settings: Settings, group: str) -> None:
    """Wait until the group has forgotten its killed member: only then others may set offsets."""
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        deadline = time.monotonic() + STALLED_SECONDS
        while (state := (await admin.describe_consumer_groups([group]))[0].groups[0][2]) != "Empty":
            if time.monotonic() > deadline:
                raise Unready(f"group {group} is {state}")
            await asyncio.sleep(0.25)
    finally:
        await admin.close()


def _of_cases(subject: str) -> bool:
    """Units and the city are there only once."""
    return kind_of(subject) in ("case", "match", "group")


def _copies(rows: list[StoredRow], number: int) -> Iterator[StoredRow]:
    for row in rows:
        subject = renamed(row.subject, number)
        yield row._replace(
            subject=subject,
            partition=partition_of(subject),
            state=renamed(row.state, number),
            basis=renamed(row.basis, number) if row.basis else row.basis,
            seen=renamed(row.seen, number),
        )


def _received(subject: str, at: datetime) -> Event:
    return Event(
        id=derived_id(subject, "bench", "ComplaintReceived"),
        subject=subject,
        time=at,
        recordedtime=at,
        data=ComplaintReceived(source="12345", source_ref=subject, received_at=at),
        actor="市人社局/clerk/-",
    )


async def still(ends: Ends) -> None:
    """Wait until nothing has been appended for a second."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        found = await ends.total()
        if found != last:
            last, since = found, time.monotonic()
        await asyncio.sleep(0.1)


async def measure(rig: Rig, mix: Mix, sizes: Sizes) -> list[Figure]:
    """Both workers, alternating between the logs; the first start of each is not counted."""
    short = campaign(sizes.few)
    large = Long(rig, await rig.installation("long", mix.start), mix)
    small = Long(rig, await rig.installation("short", short.start), short)
    try:
        await large.fold()
        await large.multiply(sizes.log)
        await small.fold()
        found: dict[str, dict[str, list[float]]] = {"large": {}, "small": {}}
        for number in range(sizes.runs + 1):
            for which, log in (("small", small), ("large", large)):
                seconds = await log.restart()
                said = ", ".join(f"{name} {taken:.1f} s" for name, taken in seconds.items())
                rig.say(f"restart {number}, {log.events} events: {said}")
                for name, taken in seconds.items() if number else ():
                    found[which].setdefault(name, []).append(taken)
    finally:
        await large.made.close()
        await small.made.close()
    return [_figure(name, found, large, small) for name in WORKERS]


def _figure(
    name: str, found: dict[str, dict[str, list[float]]], large: Long, small: Long
) -> Figure:
    return Figure(
        f"{name}: restart to first decision",
        "s",
        tuple(found["large"][name]),
        LIMIT,
        Peer(
            "the same on a short log",
            f"{small.events} events of {small.mix.cases} cases",
            tuple(found["small"][name]),
        ),
        f"after SIGKILL, the group's rejoining included, with {large.events} events on the log",
    )
