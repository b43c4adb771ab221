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
from shared.log import CASE_EVENTS, PARTITIONS, Reader, Record, Unavailable, partition_of
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
            async with self._connection.transaction():
                await self._store(changed, origins)
                await self._store_known([event for _, event in relevant])
                await self._move(ends)
        except BaseException:
            self._cache.clear()
            raise
        self.positions |= ends
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    async def _load(self, subjects: set[str]) -> None:
        missing = [subject for subject in subjects if subject not in self._cache]
        rows = await self._connection.fetch(
            f"SELECT subject, file FROM {self.tables.files} WHERE subject = ANY($1)", missing
        )
        found = {row["subject"]: _unpack(row["file"]) for row in rows}
        for subject in missing:
            self._cache[subject] = found.get(subject) or Folder(initial(subject))

    async def _store(self, changed: dict[str, Folder], origins: dict[str, int]) -> None:
        if not changed:
            return
        subjects = list(changed)
        await self._connection.execute(
            f"""INSERT INTO {self.tables.files} AS old (subject, file, origin)
            SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[])
            ON CONFLICT (subject) DO UPDATE
            SET file = excluded.file, origin = coalesce(old.origin, excluded.origin)""",
            subjects,
            [_pack(changed[subject]) for subject in subjects],
            [origins.get(subject) for subject in subjects],
        )

    async def _store_known(self, events: Sequence[Event]) -> None:
        """What the log says is taken: after an import or a rebuild the rows come from here."""
        received = [event for event in events if isinstance(event.data, ComplaintReceived)]
        if received:
            await self._connection.execute(
                f"""INSERT INTO {self.tables.complaints}
                SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
                ON CONFLICT DO NOTHING""",
                [event.data.source for event in received],  # type: ignore[union-attr]
                [event.data.source_ref for event in received],  # type: ignore[union-attr]
                [event.subject for event in received],
                [(event.attributes or {}).get("bodyhash", "") for event in received],
            )
        for year, number in _numbers(events):
            await self._connection.execute(
                f"""INSERT INTO {self.tables.numbers} AS old VALUES ($1, $2)
                ON CONFLICT (year) DO UPDATE SET last = greatest(old.last, excluded.last)""",
                year,
                number,
            )

    async def _move(self, ends: dict[int, int]) -> None:
        partitions = sorted(ends)
        moved = await self._connection.fetch(
            f"""UPDATE {self.tables.positions} AS old SET next = new.next
            FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS new(partition, next, was)
            WHERE old.partition = new.partition AND old.next = new.was
            RETURNING old.partition""",
            partitions,
            [ends[number] for number in partitions],
            [self.positions[number] for number in partitions],
        )
        if len(moved) != len(partitions):
            raise _Overtaken

    # --- asking -------------------------------------------------------------------------------

    async def end(self, partition: int) -> int:
        """The log's end of a partition. Raises Unavailable."""
        return (await self.reader.ends(CASE_EVENTS, (partition,)))[partition]

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
        row = await connection.fetchrow(
            f"SELECT file FROM {self.tables.files} WHERE subject = $1", subject
        )
        return _unpack(row["file"]) if row else Folder(initial(subject))

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
