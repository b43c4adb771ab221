"""Intake's own view: a file of each stream, folded from `case-events` as far as it stands.

It folds on a connection of its own and takes no lock of the requests. Whoever wants to judge an
act asks for the partition's end and waits until the view has reached it; so no refusal ever
comes from a stale view. Several processes may fold: the position in the database moves only from
the value that was read, and who loses that race reads it again.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import msgspec

from services.intake.decider import CaseFile, evolve, initial
from services.intake.tables import PASSING, Connection, Tables
from shared.envelope import Unreadable, decode
from shared.events import TYPES, ComplaintAccepted, ComplaintReceived, Event, Fact
from shared.journal import journal
from shared.log import (
    CASE_EVENTS,
    GOVERNANCE_EVENTS,
    PARTITIONS,
    Reader,
    Record,
    Unavailable,
    partition_of,
)
from shared.metrics import FOLDED, PARKED, RETRIES
from shared.settings import Settings

log = journal("intake.view")

_TYPE = re.compile(rb'"type":"([A-Za-z]+)"\}$')
"""The last key of a canonical event: says whether a record matters before it is parsed."""

_DECISIONS: Final = frozenset(
    (
        "ComplaintMerged",
        "ComplaintUnmerged",
        "ClaimLinesAdded",
        "ClaimLinesRemoved",
        "GroupFormed",
        "GroupLevelChanged",
        "GroupJoined",
        "TriageRequested",
        "CaseAssigned",
        "CaseReassigned",
        "CoHandlerAdded",
        "ReturnRefused",
        "AssignmentDeemedSigned",
        "SuspensionLapsed",
        "ReferralThresholdMet",
        "ClosureRefused",
        "CaseClosed",
        "CaseReopened",
    )
)
"""Decisions that move a file; the others are not even parsed here."""

MATTERS: Final = _DECISIONS | {name for name, model in TYPES.items() if issubclass(model, Fact)}

_CACHED: Final = 20_000


@dataclass
class Folder:
    """A stream's file with the ids folded into it, each with the hash of the body that made it.

    `origin`: offset of its ComplaintReceived on its partition.
    """

    file: CaseFile
    seen: dict[str, str] = field(default_factory=dict)


_STORE: Final = """
WITH moves AS (
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS g(partition, next, was)
), held AS (
    SELECT p.partition FROM {positions} AS p JOIN moves AS m
    ON p.partition = m.partition AND p.next = m.was ORDER BY p.partition FOR UPDATE OF p
), whole AS (
    SELECT count(*) = cardinality($1::int[]) AS all FROM held
), moved AS (
    UPDATE {positions} AS p SET next = m.next FROM moves AS m, whole
    WHERE p.partition = m.partition AND whole.all
), stored AS (
    INSERT INTO {files} AS old (subject, file, origin)
    SELECT g.* FROM unnest($4::text[], $5::bytea[], $6::bigint[]) AS g, whole WHERE whole.all
    ON CONFLICT (subject) DO UPDATE
    SET file = excluded.file, origin = coalesce(old.origin, excluded.origin)
), known AS (
    INSERT INTO {complaints}
    SELECT g.* FROM unnest($7::text[], $8::text[], $9::text[], $10::text[]) AS g, whole
    WHERE whole.all ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO {numbers} AS old SELECT g.* FROM unnest($11::int[], $12::int[]) AS g, whole
    WHERE whole.all
    ON CONFLICT (year) DO UPDATE SET last = greatest(old.last, excluded.last)
)
SELECT whole.all FROM whole
"""


class _Stored(msgspec.Struct, array_like=True):
    file: CaseFile
    seen: dict[str, str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


class Behind(Exception):
    """The view has not folded up to the log's end in time."""


class View:
    """Folds, and answers where a stream stands."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self.settings = settings
        self.tables = tables
        self.reader = Reader(settings, "intake-view")
        self.positions: dict[int, int] = {}
        self._cache: OrderedDict[str, Folder] = OrderedDict()
        self._moved = asyncio.Event()
        self._connection: Connection = None
        self._statement = _STORE.format(
            files=tables.files,
            positions=tables.positions,
            complaints=tables.complaints,
            numbers=tables.numbers,
        )

    async def start(self) -> None:
        """Connect. Raises Unavailable, or OSError from the database."""
        await self.reader.start()
        await self._connect()

    async def stop(self) -> None:
        await self.reader.stop()
        if self._connection is not None:
            await self._connection.close()

    async def run(self) -> None:
        """Fold for ever; a passing fault of the database is retried in place."""
        while True:
            try:
                await self._follow()
            except _Overtaken:
                await self._connect()
            except (Unavailable, *PASSING) as error:
                RETRIES.labels("view").inc()
                log.warning("view_waits", error=type(error).__name__)
                await self._reconnect()

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            try:
                return await self._connect()
            except PASSING:
                RETRIES.labels("view").inc()

    async def _connect(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self.settings.database,
                command_timeout=60,
                server_settings={"application_name": "qingqian-intake-view"},
            )
        rows = await self._connection.fetch(f"SELECT partition, next FROM {self.tables.positions}")
        self.positions = {row["partition"]: row["next"] for row in rows}
        self._cache.clear()
        self._pulse()

    async def _follow(self) -> None:
        start = {(CASE_EVENTS, number): self.positions[number] for number in range(PARTITIONS)}
        async with aclosing(self.reader.follow(start)) as batches:
            async for records in batches:
                if records:
                    await self._fold(records)
                    self._pulse()

    def _pulse(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    # --- folding ------------------------------------------------------------------------------

    async def _fold(self, records: Sequence[Record]) -> None:
        """Fold a batch and store it with the positions, all or nothing."""
        relevant = [(record, event) for record in records if (event := _read(record))]
        changed: dict[str, Folder] = {}
        origins: dict[str, int] = {}
        await self._load({event.subject for _, event in relevant})
        for record, event in relevant:
            folder = self._cache[event.subject]
            if event.id in folder.seen:
                FOLDED.labels("duplicate").inc()
                continue
            folder.file = evolve(folder.file, event)
            folder.seen[event.id] = (event.attributes or {}).get("bodyhash", "")
            changed[event.subject] = folder
            if isinstance(event.data, ComplaintReceived):
                origins[event.subject] = record.offset
        FOLDED.labels("foreign").inc(len(relevant))
        ends = {record.partition: record.offset + 1 for record in records}
        try:
            await self._store(ends, changed, origins, [event for _, event in relevant])
        except BaseException:
            self._cache.clear()
            raise
        self.positions |= ends
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    async def _load(self, subjects: set[str]) -> None:
        missing = [subject for subject in subjects if subject not in self._cache]
        if not missing:
            return
        rows = await self._connection.fetch(
            f"SELECT subject, file FROM {self.tables.files} WHERE subject = ANY($1)", missing
        )
        found = {row["subject"]: _unpack(row["file"]) for row in rows}
        for subject in missing:
            self._cache[subject] = found.get(subject) or Folder(initial(subject))

    async def _store(
        self,
        ends: dict[int, int],
        changed: dict[str, Folder],
        origins: dict[str, int],
        events: Sequence[Event],
    ) -> None:
        """One statement, so one answer of the database: files and positions, all or nothing.

        Complaints and numbers that the log says are taken are stored too: after an import or in
        a dropped schema their rows come from here. Raises _Overtaken if a position had moved.
        """
        partitions = sorted(ends)
        received = [event for event in events if isinstance(event.data, ComplaintReceived)]
        numbers = _numbers(events)
        whole = await self._connection.fetchval(
            self._statement,
            partitions,
            [ends[number] for number in partitions],
            [self.positions[number] for number in partitions],
            list(changed),
            [_pack(folder) for folder in changed.values()],
            [origins.get(subject) for subject in changed],
            [event.data.source for event in received],  # type: ignore[union-attr]
            [event.data.source_ref for event in received],  # type: ignore[union-attr]
            [event.subject for event in received],
            [(event.attributes or {}).get("bodyhash", "") for event in received],
            [year for year, _ in numbers],
            [number for _, number in numbers],
        )
        if not whole:
            raise _Overtaken

    # --- asking -------------------------------------------------------------------------------

    async def end(self, partition: int) -> tuple[int, int]:
        """The ends of a partition of the log and of what governs. Raises Unavailable."""
        asked = ((CASE_EVENTS, partition), (GOVERNANCE_EVENTS, 0))
        found = await self.reader.ends_of(asked)
        return found[asked[0]], found[asked[1]]

    async def reach(self, partition: int, end: int, seconds: float) -> None:
        """Wait until everything below `end` is folded. Raises Behind after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self.positions[partition] < end:
                    await self._moved.wait()
        except TimeoutError:
            raise Behind(
                f"partition {partition} is folded up to {self.positions[partition]}"
            ) from None

    async def read(self, connection: Connection, subject: str) -> Folder:
        """A stream's file as stored."""
        file = await connection.fetchval(
            f"SELECT file FROM {self.tables.files} WHERE subject = $1", subject
        )
        return _unpack(file) if file else Folder(initial(subject))

    async def received(self, connection: Connection, subject: str) -> Event | None:
        """The case's ComplaintReceived, read from the log at its offset. Raises Unavailable."""
        row = await connection.fetchrow(
            f"SELECT origin FROM {self.tables.files} WHERE subject = $1", subject
        )
        if row is None or row["origin"] is None:
            return None
        offset = row["origin"]
        found = [
            record
            async for records in self.reader.range(
                CASE_EVENTS, partition_of(subject), offset, offset + 1
            )
            for record in records
        ]
        return decode(found[0].value) if found else None

    async def behind(self) -> int:
        """Records of the log that are not folded yet. Raises Unavailable."""
        ends = await self.reader.ends(CASE_EVENTS, range(PARTITIONS))
        return sum(max(0, end - self.positions[number]) for number, end in ends.items())


class _Overtaken(Exception):
    """Another process has folded these records."""


def _read(record: Record) -> Event | None:
    """The event in a record if it matters here; what cannot be read is counted and passed by."""
    found = _TYPE.search(record.value, max(0, len(record.value) - 80))
    if found is not None and found[1].decode() not in MATTERS and found[1].decode() in TYPES:
        return None
    try:
        event = decode(record.value)
    except Unreadable as error:
        PARKED.labels(error.reason).inc()
        log.warning(
            "unreadable", partition=record.partition, offset=record.offset, reason=error.reason
        )
        return None
    return event if event.type in MATTERS else None


def _numbers(events: Sequence[Event]) -> list[tuple[int, int]]:
    """Case numbers handed out, as (year, number), the highest of each year."""
    highest: dict[int, int] = {}
    for event in events:
        number = event.data.number if isinstance(event.data, ComplaintAccepted) else None
        found = re.fullmatch(r"DF-QX-(\d{4})-(\d{6})", number or "")
        if found:
            year = int(found[1])
            highest[year] = max(highest.get(year, 0), int(found[2]))
    return list(highest.items())


def _pack(folder: Folder) -> bytes:
    return _encoder.encode(_Stored(folder.file, folder.seen))


def _unpack(raw: bytes) -> Folder:
    stored = _decoder.decode(raw)
    return Folder(stored.file, stored.seen)


__all__ = ["Behind", "Folder", "Unavailable", "View"]
