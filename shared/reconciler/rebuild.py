"""Folding a partition from its first record, with decisions already on the log (design 5.5).

What was decided stands: each stream is replayed from its foreign events and the copies of its own
decisions that the log has. What it owes beyond them becomes pending, and is published only when
the whole partition is folded. Some copies stand on other partitions (decisions addressed to
another subject); those are indexed first, once for all partitions, in a temporary table.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import asyncpg

from shared.envelope import Unreadable, decode, writer_of
from shared.events import Event, Service
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Reader, Record, partition_of
from shared.reconciler.parking import Parking, sort
from shared.reconciler.rows import Deciders, Row, outgoing, store_row
from shared.reconciler.store import Held, Store
from shared.replay import Copies, Replayed, replay
from shared.settle import Books
from shared.streams import CITY, kind_of, unit_subject

log = journal("rebuild")

SHARE_RECORDS: Final = 40_000
"""Records held in memory at once; a larger partition is read several times, a share each."""

CHUNK: Final = 500

Records = dict[str, list[Record]]
Progress = Callable[[int, int, int], None]
"""Told (partition, records read, records to read) as a pass over a partition goes on."""


class Crossed:
    """Decisions of the service that one stream addressed to another subject, by who decided.

    Grows with the log: each `extend` reads on from where the last one ended.
    """

    def __init__(self, service: Service, store: Store, reader: Reader) -> None:
        self.service = service
        self.store = store
        self.reader = reader
        self._positions = dict.fromkeys(range(PARTITIONS), 0)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()

    async def of(self, partition: int) -> dict[str, list[bytes]]:
        """What the streams of a partition addressed elsewhere, by subject of who decided."""
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self.store.connect()
                self._positions = dict.fromkeys(range(PARTITIONS), 0)
                await self._connection.execute(
                    "CREATE TEMPORARY TABLE crossed "
                    "(partition integer, decider text, document bytea)"
                )
            try:
                await self._extend(self._connection)
                rows = await self._connection.fetch(
                    "SELECT decider, document FROM crossed WHERE partition = $1", partition
                )
            except BaseException:
                # Half of a batch may be in the table: the next call begins with a fresh one.
                self._connection.terminate()
                raise
        found: dict[str, list[bytes]] = {}
        for decider, document in rows:
            found.setdefault(decider, []).append(document)
        return found

    async def _extend(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        ends = await self.reader.ends(CASE_EVENTS, range(PARTITIONS))
        for number, end in ends.items():
            reading = self.reader.range(CASE_EVENTS, number, self._positions[number], end)
            async with aclosing(reading) as batches:
                async for records in batches:
                    values = [record.value for record in records if b'"decidedby"' in record.value]
                    await connection.copy_records_to_table(
                        "crossed",
                        records=[row for value in values if (row := self._row(value))],
                        columns=("partition", "decider", "document"),
                    )
                    self._positions[number] = records[-1].offset + 1

    def _row(self, value: bytes) -> tuple[int, str, bytes] | None:
        try:
            event = decode(value)
        except Unreadable:
            return None  # Parked when its own partition is read.
        if writer_of(event) != self.service or event.decider == event.subject:
            return None
        return partition_of(event.decider), event.decider, value

    async def close(self) -> None:
        """Forget the index."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class Rebuild:
    """Rebuilds partitions of one service's schema. `beyond`, `not_owed`: what differed, by type."""

    def __init__(
        self, service: Service, deciders: Deciders, store: Store, reader: Reader, parking: Parking
    ) -> None:
        self.service = service
        self.deciders = deciders
        self.store = store
        self.reader = reader
        self.parking = parking
        self.crossed = Crossed(service, store, reader)
        self.progress: Progress = lambda partition, done, whole: None
        self.beyond: Counter[str] = Counter()
        self.not_owed: Counter[str] = Counter()

    async def partition(self, held: Held, end: int, books: Books, now: datetime) -> Held:
        """Replay [0, end) of a held partition and write its rows; the position moves last.

        `now`: recorded on what is owed beyond the log. Raises LostOwnership.
        """
        crossed = await self.crossed.of(held.partition)
        shares = -(-end // SHARE_RECORDS)
        for share in range(shares):
            foreign: Records = {}
            own: Records = {}
            if share == 0:
                foreign = {subject: [] for subject in self._units(held.partition, books)}
            async for subject, is_own, record in self._read(held.partition, end, share):
                if zlib.crc32(subject.encode()) % shares == share:
                    (own if is_own else foreign).setdefault(subject, []).append(record)
            await self._write(held, foreign, own, crossed, books, now)
        log.info("rebuilt", partition=held.partition, records=end)
        return await self.store.put(held, [], end)

    def _units(self, partition: int, books: Books) -> list[str]:
        subjects = {CITY} if "city" in self.deciders else set()
        if "unit" in self.deciders:
            subjects |= {unit_subject(code) for book in books.adopted for code in book.units}
        return [subject for subject in subjects if partition_of(subject) == partition]

    async def _read(
        self, partition: int, end: int, share: int
    ) -> AsyncIterator[tuple[str, bool, Record]]:
        reading = self.reader.range(CASE_EVENTS, partition, 0, end)
        async with aclosing(reading) as batches:
            async for records in batches:
                for record in records:
                    try:
                        found = sort(record, self.service, self.deciders)
                    except Unreadable as error:
                        if share == 0:
                            await self.parking.park(record, error.reason)
                        continue
                    if found is not None and kind_of(found.subject) in self.deciders:
                        yield found.subject, found.own, record
                self.progress(partition, records[-1].offset + 1, end)

    async def _write(
        self,
        held: Held,
        foreign: Records,
        own: Records,
        crossed: Mapping[str, list[bytes]],
        books: Books,
        now: datetime,
    ) -> None:
        rows: list[Row] = []
        for subject in foreign.keys() | own.keys():
            copies = Copies()
            for event in await self._events(own.get(subject, ())):
                copies.add(event)
            for document in crossed.get(subject, ()):
                copies.add(decode(document))
            decider = self.deciders[kind_of(subject)]
            facts = await self._events(foreign.get(subject, ()))
            replayed = replay(decider, subject, facts, copies, books)
            rows.append(self._row(replayed, subject, held.partition, now))
            if len(rows) >= CHUNK:
                await self._put(held, rows, books)
                rows = []
        await self._put(held, rows, books)

    async def _events(self, records: Sequence[Record]) -> list[Event]:
        events: list[Event] = []
        for record in records:
            try:
                events.append(decode(record.value))
            except Unreadable as error:
                await self.parking.park(record, error.reason)
        return events

    def _row(self, replayed: Replayed[Any], subject: str, partition: int, now: datetime) -> Row:
        beyond = replayed.beyond
        self.beyond.update(event.type for event in beyond)
        self.not_owed.update(event.type for event in replayed.not_owed)
        row = Row(self.deciders[kind_of(subject)], replayed.stream, partition)
        row.pending = [outgoing(event, now) for event in beyond]
        return row

    async def _put(self, held: Held, rows: Sequence[Row], books: Books) -> None:
        await self.store.put(held, [store_row(row, books.first) for row in rows], held.next)
