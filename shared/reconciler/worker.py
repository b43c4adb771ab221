"""The reconciler's work on partitions: claim, fold a batch, write, publish, clear (design 5.1-3).

Positions are in the service's own schema; what the group's offsets say is only a hint. Every
fault that passes leads to the same place: forget what memory says, read the row, go on from it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from aiokafka.errors import KafkaError

from shared.database import GONE, PASSING
from shared.envelope import Unreadable, from_document
from shared.events import Event, Service
from shared.governance import Governance
from shared.identity import Identity
from shared.journal import journal
from shared.log import (
    CASE_EVENTS,
    Producer,
    Reader,
    Record,
    Unavailable,
    check,
    partition_of,
)
from shared.log import count as count_event
from shared.metrics import (
    BATCH_RECORDS,
    BATCH_SECONDS,
    FOLDED,
    GAPS,
    LAG_RECORDS,
    LATE,
    LOST_OWNERSHIP,
    PARTITIONS_OWNED,
    REBALANCES,
    REPUBLISHED,
    RETRIES,
    STREAMS_CACHED,
)
from shared.reconciler.parking import Parking, sort
from shared.reconciler.partition import Partition, Standing
from shared.reconciler.rebuild import Rebuild
from shared.reconciler.rows import Deciders, Outgoing, Row, begin_row, load_row, outgoing, store_row
from shared.reconciler.store import LostOwnership, Store, WrongLog
from shared.settle import Books, settle_to, take
from shared.streams import CITY, unit_subject

log = journal("reconciler")

STREAMS_IN_MEMORY: Final = 2_000
"""Of one worker, over all its partitions: some 24 MB, at 12 KB a stream with its ids seen."""

RECLAIM_AFTER: Final = 12.0
"""Seconds after which a partition that was lost, and is still assigned, is claimed again: longer
than the session timeout, so that a frozen worker has learnt of its end by then."""

AT_ONCE: Final = 3
"""Partitions of which a part of a batch is in memory as events and rows at one time: enough that
one folds while others wait for the database and the log."""

CHUNK: Final = 200
"""Streams folded, settled or resent in one transaction. A stream can owe a dozen decisions at once;
their copies on the way to the tables and to the log are in memory beside it, and what a
transaction takes at its peak the process keeps."""

_REMEDY: Final = "unless they are being rebuilt, run `qingqian rebuild"

Work = Callable[[], Awaitable[None]]


def parts(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in their order, cut so that none of the parts is of more than CHUNK streams."""
    first, keys = 0, set[bytes | None]()
    for at, record in enumerate(records):
        if len(keys) == CHUNK and record.key not in keys:
            yield records[first:at]
            first, keys = at, set()
        keys.add(record.key)
    if first < len(records):
        yield records[first:]


class Worker:
    """One process of routing or supervision, on the partitions that the group gives it."""

    def __init__(
        self,
        service: Service,
        deciders: Deciders,
        store: Store,
        producer: Producer,
        reader: Reader,
        governance: Governance,
        identity: Identity,
        *,
        alone: bool = False,
    ) -> None:
        """`alone`: the tables are being made anew by us, and nobody else may claim meanwhile."""
        self.alone = alone
        self.service = service
        self.deciders = deciders
        self.store = store
        self.producer = producer
        self.reader = reader
        self.governance = governance
        self.identity = identity
        self.parking = Parking(service, producer)
        self.rebuild = Rebuild(service, deciders, store, reader, self.parking)
        self.partitions: dict[int, Partition] = {}
        self.stopping = False
        self.gone: str | None = None
        self.fault_at = 0.0
        self._turns = asyncio.Semaphore(AT_ONCE)

    # --- assignment -------------------------------------------------------------------------------

    def assign(self, numbers: Iterable[int]) -> None:
        """The group gives us these partitions; each is claimed when it is first worked on."""
        REBALANCES.inc()
        wanted = sorted(numbers)
        each = STREAMS_IN_MEMORY // max(1, len(wanted))
        for number in wanted:
            self.partitions[number] = Partition(number, each)
        PARTITIONS_OWNED.set(len(self.partitions))
        log.info("assigned", partitions=",".join(map(str, wanted)))

    def revoke(self, numbers: Iterable[int]) -> None:
        """The group takes them back: whatever is under way on them is fenced by the next owner."""
        for number in numbers:
            partition = self.partitions.pop(number, None)
            if partition is not None:
                partition.revoke()
                LAG_RECORDS.remove(str(number))  # The next owner tells it from now on.
        PARTITIONS_OWNED.set(len(self.partitions))

    async def close(self) -> None:
        """Let go of what a rebuild holds."""
        await self.rebuild.crossed.close()

    # --- batches ----------------------------------------------------------------------------------

    async def batch(self, records: Sequence[Record]) -> None:
        """Take in what the group delivered, partition by partition; returns when all is done."""
        begun = time.perf_counter()
        BATCH_RECORDS.observe(len(records))
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        await self._up_to_date()
        await asyncio.gather(*(self._fold(number, own) for number, own in by_partition.items()))
        STREAMS_CACHED.set(sum(len(each.cache) for each in self.partitions.values()))
        BATCH_SECONDS.labels("whole").observe(time.perf_counter() - begun)

    async def _up_to_date(self) -> None:
        """What governs a record stands on the log before it: read that first."""
        while not self.stopping:
            try:
                await self.governance.catch_up()
                return
            except Unavailable:
                await self._fault("kafka", "governance", 0.2)

    async def _fold(self, number: int, records: list[Record]) -> None:
        partition = self.partitions.get(number)
        if partition is None:
            return

        async def work() -> None:
            waiting = [record for record in records if record.offset >= partition.next]
            FOLDED.labels("old").inc(len(records) - len(waiting))
            while waiting:
                first = waiting[0].offset
                if first > partition.next:
                    GAPS.inc(first - partition.next)
                    await self.read_up(partition, first)
                run = 1
                while run < len(waiting) and waiting[run].offset == first + run:
                    run += 1
                await self._take_in(partition, waiting[:run])
                waiting = waiting[run:]

        await self.holding(partition, work)

    async def read_up(self, partition: Partition, end: int) -> None:
        """Fold up to `end` with the plain reader; the caller holds the partition."""
        reading = self.reader.range(CASE_EVENTS, partition.number, partition.next, end)
        async with aclosing(reading) as batches:
            async for records in batches:
                await self.governance.catch_up()
                await self._take_in(partition, records)

    async def _take_in(self, partition: Partition, records: Sequence[Record]) -> None:
        """Fold records, each part of them in a transaction of its own."""
        for part in parts(records):
            async with self._turns:
                await self._take_in_turn(partition, part)

    async def _take_in_turn(self, partition: Partition, records: Sequence[Record]) -> None:
        events, bases = await self._sort(records)
        books, now = self.governance.books, self.governance.clock.now()
        await self._load(partition, {event.subject for event in events})
        touched: dict[str, Row] = {}
        for event in events:
            row = partition.cache.get(event.subject)
            if row is None:
                row = begin_row(self.deciders, event.subject)
                partition.cache.put(row)
            if event.id in row.stream.seen:
                FOLDED.labels("duplicate").inc()
                continue
            owed = take(row.decider, row.stream, event, books)
            for decision in owed:
                decision.traceparent = event.traceparent
            self._owe(row, owed, now)
            touched[event.subject] = row
            if partition.news is not None:
                partition.news.add(event.id)
        if partition.news is not None and not partition.news.isdisjoint(bases):
            raise WrongLog(
                f"the log has decisions of {self.service} that its tables know nothing of; were "
                f"they restored? Run `qingqian rebuild {self.service}`"
            )
        partition.last_timestamp = records[-1].timestamp
        await self._commit(partition, list(touched.values()), records[-1].offset + 1, books)

    async def _sort(self, records: Sequence[Record]) -> tuple[list[Event], set[str]]:
        """The foreign events of streams we follow, and what own decisions among them rest on.

        What cannot be read is parked.
        """
        events: list[Event] = []
        bases: set[str] = set()
        own = passed = 0
        for record in records:
            try:
                found = sort(record, self.service, self.deciders)
                if found is None:
                    passed += 1
                    continue
                if found.own:
                    own += 1
                    bases.add(str(found.document.get("basis")))
                else:
                    events.append(from_document(found.document))
            except Unreadable as error:
                await self.parking.park(record, error.reason)
        FOLDED.labels("own").inc(own)
        FOLDED.labels("passed").inc(passed)
        FOLDED.labels("foreign").inc(len(events))
        return events, bases

    # --- streams ----------------------------------------------------------------------------------

    async def _load(self, partition: Partition, subjects: Iterable[str]) -> None:
        if missing := partition.cache.missing(subjects):
            for stored in await self.store.rows(missing):
                partition.cache.put(load_row(self.deciders, stored))

    def _owe(self, row: Row, owed: Sequence[Event], now: datetime) -> None:
        for decision in owed:
            check(decision, self.service)
            LATE.observe(max(0.0, (now - decision.recordedtime).total_seconds()))
            row.pending.append(outgoing(decision, now))

    async def settle(
        self, partition: Partition, subjects: Sequence[str], cut: datetime, now: datetime
    ) -> None:
        """Decide what these streams owe by the clock up to `cut`; the caller holds them."""
        books = self.governance.books
        async with self._turns:
            await self._load(partition, subjects)
            rows: list[Row] = []
            for subject in subjects:
                row = partition.cache.get(subject)
                if row is None:
                    raise RuntimeError(f"{subject} is stored and was not found")
                self._owe(row, settle_to(row.decider, row.stream, cut, books), now)
                rows.append(row)
            await self._commit(partition, rows, partition.next, books)

    async def look_ahead(self, partition: Partition) -> None:
        """Read the partition's earliest wake-up; needs no lock."""
        heeded = partition.heeded
        found = await self.store.next_wake(partition.number)
        if partition.heeded == heeded:
            partition.next_wake, partition.wake_moved = found, False

    async def begin_units(self, partition: Partition) -> None:
        """Rows of the units and the city of every book: their silence must wake the sweep too."""
        books = self.governance.books
        if partition.books_begun == len(books.adopted):
            return
        subjects: set[str] = {CITY} if "city" in self.deciders else set()
        if "unit" in self.deciders:
            subjects |= {unit_subject(code) for book in books.adopted for code in book.units}
        ours = sorted(each for each in subjects if partition_of(each) == partition.number)
        rows = [begin_row(self.deciders, each) for each in await self.store.missing(ours)]
        if rows:
            await self._commit(partition, rows, partition.next, books)
        partition.books_begun = len(books.adopted)

    async def _commit(
        self, partition: Partition, rows: Sequence[Row], next: int, books: Books
    ) -> None:
        """Write rows and position, publish, wait for the acks, clear."""
        if partition.held is None:
            raise LostOwnership(f"partition {partition.number}")
        begun = time.perf_counter()
        stored = [store_row(row, books.first) for row in rows]
        partition.hold(await self.store.put(partition.held, stored, next))
        for row, each in zip(rows, stored, strict=True):
            partition.heed(row.wake_at, each.wake_at)
            row.wake_at = each.wake_at
        written = time.perf_counter()
        BATCH_SECONDS.labels("write").observe(written - begun)
        await self._send(partition, [row for row in rows if row.pending])
        BATCH_SECONDS.labels("publish").observe(time.perf_counter() - written)
        partition.cache.shrink()

    async def _send(self, partition: Partition, rows: Sequence[Row]) -> None:
        """Publish what is pending, in order; clear exactly what was acknowledged."""
        if not rows or partition.held is None:
            return
        sent: list[Outgoing] = []
        acks: list[asyncio.Future[Any]] = []
        for row in rows:
            for item in row.pending:
                number = partition_of(item.subject)
                acks.append(
                    await self.producer.send(CASE_EVENTS, item.subject, item.document, number)
                )
                sent.append(item)
        await asyncio.gather(*acks)
        await self.store.clear(partition.held, {row.stream.subject: "" for row in rows})
        for row in rows:
            row.pending.clear()
        for item in sent:
            count_event(item.type, item.level)

    # --- holding ----------------------------------------------------------------------------------

    async def holding(self, partition: Partition, work: Work) -> bool:
        """Run `work` with the partition locked and ours, again after each fault that passes.

        False where it is not ours (any more); then nothing more was written.
        """
        pause = 0.05
        while not self.stopping:
            async with partition.lock:
                try:
                    if not await self._ours(partition):
                        return False
                    await work()
                    return True
                except GONE:
                    self.gone = f"tables of {self.service} are gone: {_REMEDY} {self.service}`"
                    log.error("tables are gone", partition=partition.number, problem=self.gone)
                    partition.lose()
                    return False
                except LostOwnership:
                    LOST_OWNERSHIP.inc()
                    log.warning("ownership lost", partition=partition.number)
                    partition.lose()
                    return False
                except PASSING as error:
                    partition.forget()
                    cause, name = "database", type(error).__name__
                except (Unavailable, KafkaError) as error:
                    if isinstance(error, KafkaError) and not error.retriable:
                        raise
                    partition.forget()
                    cause, name = "kafka", type(error).__name__
            await self._fault(cause, name, pause)
            pause = min(1.0, pause * 2)
        return False

    async def _fault(self, dependency: str, error: str, pause: float) -> None:
        RETRIES.labels(dependency).inc()
        self.fault_at = time.monotonic()
        log.warning("trying again", dependency=dependency, error=error)
        await asyncio.sleep(pause)

    async def _ours(self, partition: Partition) -> bool:
        """Claim the partition if need be, from the row as it stands; False where it is not ours."""
        if partition.standing is Standing.HELD:
            return True
        if partition.standing is Standing.GONE or not self.governance.governed:
            return False
        since = time.monotonic() - partition.lost_at
        if partition.standing is Standing.LOST and since < RECLAIM_AFTER:
            return False
        held = await self.store.claim(partition.number, self.identity, alone=self.alone)
        end = (await self.reader.ends(CASE_EVENTS, (partition.number,)))[partition.number]
        self.check_end(partition.number, held.next, end)
        if held.next == 0 and end > 0:
            held = await self.rebuild.partition(
                held, end, self.governance.books, self.governance.clock.now()
            )
        self.gone = None
        partition.next = held.next
        partition.hold(held)
        partition.end = end
        await self._resend(partition)
        await self.look_ahead(partition)
        await self.begin_units(partition)
        partition.news = set()
        await self.read_up(partition, end)
        partition.news = None
        log.info("claimed", partition=partition.number, next=held.next, end=end)
        return True

    def check_end(self, partition: int, next: int, end: int) -> None:
        """Raises WrongLog where more has been folded than the log has."""
        if next > end:
            raise WrongLog(
                f"{self.service} has folded {next} records of partition {partition}, the log has "
                f"{end}: run `qingqian rebuild {self.service}`"
            )

    async def _resend(self, partition: Partition) -> None:
        """Publish what an earlier owner, or a rebuild, left pending: the same bytes again."""
        subjects = await self.store.unsent(partition.number)
        for start in range(0, len(subjects), CHUNK):
            stored = await self.store.rows(subjects[start : start + CHUNK])
            rows = [load_row(self.deciders, each) for each in stored]
            REPUBLISHED.inc(sum(len(row.pending) for row in rows))
            await self._send(partition, rows)
