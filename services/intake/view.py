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
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import asyncpg
import msgspec

from services.intake.decider import CaseFile, evolve, initial, opened
from services.intake.preparing import Prepared
from services.intake.tables import Connection, Tables
from services.intake.vault import destroy
from shared.claims import Claims
from shared.database import PASSING, connect
from shared.envelope import Unreadable, decode
from shared.events import TYPES, ComplaintAccepted, ComplaintReceived, Event, Fact, PiiErased
from shared.journal import journal
from shared.lag import Lag
from shared.log import (
    CASE_EVENTS,
    GOVERNANCE_EVENTS,
    PARTITIONS,
    Reader,
    Record,
    Unavailable,
    check_key,
    check_partition,
    count_retry,
    partition_of,
)
from shared.metrics import FOLDED, LAG, LAG_RECORDS, PARKED
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
        "GroupLeft",
        "GroupMemberUpdated",
        "TriageRequested",
        "CaseAssigned",
        "CaseReassigned",
        "CoHandlerAdded",
        "ReturnRefused",
        "AssignmentDeemedSigned",
        "SuspensionLapsed",
        "SupplementLapsed",
        "ReferralThresholdMet",
        "ClosureRefused",
        "CaseClosed",
        "CaseReopened",
        "DeadlineSet",
        "SupervisionNoticeIssued",
    )
)
"""Decisions that move a file; the others are not even parsed here."""

_HANDLING: Final = b'"timer":"T09"'
"""The one timer whose due a file keeps: an extension must lie after it."""

MATTERS: Final = _DECISIONS | {name for name, model in TYPES.items() if issubclass(model, Fact)}

_CACHED: Final = 6_000

_GATHER: Final = {"wall": 0.1, "log": 0.01}
"""Seconds that records gather before they are folded, unless somebody waits for them: a batch costs
as much as twenty of them. On the log clock the player soon does.
"""


@dataclass
class Folder:
    """A stream's file with the ids folded into it, each with the hash of the body that made it.

    `origin`: offset of its ComplaintReceived on its partition.
    """

    file: CaseFile
    seen: dict[str, str] = field(default_factory=dict)


class Opening(msgspec.Struct, frozen=True, gc=False):
    """A ComplaintReceived that this process puts on the log, as the view will come to read it."""

    subject: str
    event_id: str
    body_hash: str
    claims: Claims
    received_at: datetime
    value: bytes


def opening(item: Prepared, value: bytes) -> Opening:
    """How a complaint opens its file; `value`: its event as stamped."""
    return Opening(
        item.case_id,
        item.event_id,
        item.body_hash,
        item.claims,
        datetime.fromisoformat(item.received_at),
        value,
    )


_EXPECTED: Final = 4_096
"""Openings kept until they are read; what is forgotten is decoded like any other record."""

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
    INSERT INTO {files} AS old (subject, file, origin, over_since)
    SELECT g.* FROM unnest($4::text[], $5::bytea[], $6::bigint[], $16::timestamptz[]) AS g, whole
    WHERE whole.all
    ON CONFLICT (subject) DO UPDATE
    SET file = excluded.file, origin = coalesce(old.origin, excluded.origin),
        over_since = excluded.over_since
), known AS (
    INSERT INTO {complaints}
    SELECT g.* FROM unnest($7::text[], $8::text[], $9::text[], $10::text[]) AS g, whole
    WHERE whole.all ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO {numbers} AS old SELECT g.* FROM unnest($11::int[], $12::int[]) AS g, whole
    WHERE whole.all
    ON CONFLICT (year) DO UPDATE SET last = greatest(old.last, excluded.last)
), opened AS (
    INSERT INTO {files} (subject, file, origin)
    SELECT g.* FROM unnest($13::text[], $14::bytea[], $15::bigint[]) AS g, whole WHERE whole.all
)
SELECT whole.all FROM whole
"""


class _Stored(msgspec.Struct, array_like=True):
    file: CaseFile
    seen: dict[str, str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


@dataclass
class _Batch:
    """What a batch of records changes. `opened`, `changed`: subjects with the offset of their
    ComplaintReceived in this batch, None where it was before. `events`: decoded and new.
    """

    opened: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int | None] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


class Behind(Exception):
    """The view has not folded up to the log's end in time."""


class View:
    """Folds, and answers where a stream stands."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self.settings = settings
        self.tables = tables
        self.reader = Reader(settings, "intake-view")
        self.positions: dict[int, int] = {}
        self._cache: OrderedDict[str, Folder | bytes] = OrderedDict()
        """Files as last stored; packed until they are needed."""
        self._expected: dict[bytes, Opening] = {}
        self._moved = asyncio.Event()
        self._wanted = asyncio.Event()
        """Set while somebody waits for what is not folded yet."""
        self._waiting = 0
        self._lag = Lag()
        self._folded: int | None = None
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
                await self._reconnect(0)
            except (Unavailable, *PASSING) as error:
                count_retry(error)
                log.warning("view_waits", error=type(error).__name__)
                # Also where it does not look closed: its protocol may be out of step.
                self._connection.terminate()
                await self._reconnect(0.5)

    async def _reconnect(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                return await self._connect()
            except PASSING as error:
                count_retry(error)
                self._connection.terminate()
                pause = 0.5

    async def _connect(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
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
        gather = _GATHER[self.settings.clock]
        reading = self.reader.follow(start, gather=gather, wanted=self._wanted)
        async with aclosing(reading) as batches:
            async for records in batches:
                if records:
                    await self._fold(records)
                    self._pulse()
                if not self._waiting:
                    self._wanted.clear()

    def _pulse(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    # --- folding ------------------------------------------------------------------------------

    def expect(self, opening: Opening) -> None:
        """Tell of an event before it is sent; read back unchanged, it need not be decoded."""
        while len(self._expected) >= _EXPECTED:
            del self._expected[next(iter(self._expected))]
        self._expected[opening.subject.encode()] = opening

    async def _fold(self, records: Sequence[Record]) -> None:
        """Fold a batch and store it with the positions, all or nothing."""
        told = [(record, said) for record in records if (said := self._said(record))]
        try:
            await self._fold_all(records, told)
        except asyncpg.UniqueViolationError:
            # A second copy of what opened a file before: each is then judged by its file.
            decoded = [(record, event) for record in records if (event := _read(record))]
            await self._fold_all(records, decoded)
        self._folded = records[-1].timestamp

    def _said(self, record: Record) -> Event | Opening | None:
        opening = self._expected.pop(record.key, None) if record.key else None
        if opening is not None and opening.value == record.value:
            return opening
        return _read(record)

    async def _fold_all(
        self, records: Sequence[Record], told: Sequence[tuple[Record, Event | Opening]]
    ) -> None:
        batch = _Batch()
        await self._load({said.subject for _, said in told if isinstance(said, Event)})
        for record, said in told:
            if isinstance(said, Opening):
                if said.subject not in self._cache:
                    self._cache[said.subject] = _pack_opening(said)
                    batch.opened[said.subject] = record.offset
                    continue
                said = decode(said.value)
            self._take(record, said, batch)
        FOLDED.labels("foreign").inc(len(told))
        FOLDED.labels("passed").inc(len(records) - len(told))
        ends = {record.partition: record.offset + 1 for record in records}
        try:
            await self._store(ends, batch)
        except BaseException:
            self._cache.clear()
            raise
        self.positions |= ends
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _take(self, record: Record, event: Event, batch: _Batch) -> None:
        """Fold one event into its file, unless it was folded before."""
        folder = self._cache[event.subject]
        if isinstance(folder, bytes):
            folder = self._cache[event.subject] = _unpack(folder)
        if event.id in folder.seen:
            FOLDED.labels("duplicate").inc()
            return
        folder.file = evolve(folder.file, event)
        folder.seen[event.id] = (event.attributes or {}).get("bodyhash", "")
        batch.events.append(event)
        if event.subject in batch.opened:
            return
        batch.changed.setdefault(event.subject)
        if isinstance(event.data, ComplaintReceived):
            batch.changed[event.subject] = record.offset

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

    async def _store(self, ends: dict[int, int], batch: _Batch) -> None:
        """One statement, so one answer of the database: files and positions, all or nothing.

        Complaints and numbers that the log says are taken are stored too: after an import or in
        a dropped schema their rows come from here. Raises _Overtaken if a position had moved,
        UniqueViolationError if a file that was to be opened is there.
        """
        partitions = sorted(ends)
        received = [
            (event.data.source, event.data.source_ref, event)
            for event in batch.events
            if isinstance(event.data, ComplaintReceived)
        ]
        numbers = _numbers(batch.events)
        # Before the position passes it: of a vault that is older than the log (restored, or its
        # process died between the two) as well.
        if erased := [e.subject for e in batch.events if isinstance(e.data, PiiErased)]:
            await destroy(self._connection, self.tables, erased)
        whole = await self._connection.fetchval(
            self._statement,
            partitions,
            [ends[number] for number in partitions],
            [self.positions[number] for number in partitions],
            list(batch.changed),
            [_pack(self._cache[subject]) for subject in batch.changed],
            list(batch.changed.values()),
            [source for source, _, _ in received],
            [ref for _, ref, _ in received],
            [event.subject for _, _, event in received],
            [(event.attributes or {}).get("bodyhash", "") for _, _, event in received],
            [year for year, _ in numbers],
            [number for _, number in numbers],
            list(batch.opened),
            [_pack(self._cache[subject]) for subject in batch.opened],
            list(batch.opened.values()),
            [_may_be_over(self._cache[subject]) for subject in batch.changed],
        )
        if not whole:
            raise _Overtaken

    # --- asking -------------------------------------------------------------------------------

    async def end(self, partition: int) -> tuple[int, int]:
        """The ends of a partition of the log and of what governs. Raises Unavailable."""
        asked = ((CASE_EVENTS, partition), (GOVERNANCE_EVENTS, 0))
        found = await self.reader.ends_of(asked)
        return found[asked[0]], found[asked[1]]

    async def ends(self, partitions: Iterable[int]) -> tuple[dict[int, int], int]:
        """The same of several partitions, in one question."""
        asked = [(CASE_EVENTS, partition) for partition in partitions]
        found = await self.reader.ends_of([*asked, (GOVERNANCE_EVENTS, 0)])
        governance = found.pop((GOVERNANCE_EVENTS, 0))
        return {partition: end for (_, partition), end in found.items()}, governance

    async def reach(self, partition: int, end: int, seconds: float) -> None:
        """Wait until everything below `end` is folded. Raises Behind after `seconds`."""
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while self.positions[partition] < end:
                    self._wanted.set()
                    await self._moved.wait()
        except TimeoutError:
            raise Behind(
                f"partition {partition} is folded up to {self.positions[partition]}"
            ) from None
        finally:
            self._waiting -= 1

    async def read(self, connection: Connection, subject: str) -> Folder:
        """A stream's file as stored."""
        file = await connection.fetchval(
            f"SELECT file FROM {self.tables.files} WHERE subject = $1", subject
        )
        return _unpack(file) if file else Folder(initial(subject))

    async def folders(self, connection: Connection, subjects: Sequence[str]) -> dict[str, Folder]:
        """The files of streams: from memory where they were folded lately, else as stored.

        Memory holds what this process has folded up to its positions; it is emptied when another
        was faster. What is returned is the caller's to read at once, not to keep.
        """
        found: dict[str, Folder] = {}
        for subject in subjects:
            known = self._cache.get(subject)
            if known is not None:
                found[subject] = _unpack(known) if isinstance(known, bytes) else known
        if missing := [subject for subject in subjects if subject not in found]:
            rows = await connection.fetch(
                f"SELECT subject, file FROM {self.tables.files} WHERE subject = ANY($1)", missing
            )
            found |= {row["subject"]: _unpack(row["file"]) for row in rows}
        return {subject: found.get(subject) or Folder(initial(subject)) for subject in subjects}

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
        """Records of the log that are not folded yet, which will be at once. Raises Unavailable."""
        ends = await self.reader.ends(CASE_EVENTS, range(PARTITIONS))
        waiting = {number: max(0, end - self.positions[number]) for number, end in ends.items()}
        for number, records in waiting.items():
            LAG_RECORDS.labels(str(number)).set(records)
        behind = sum(waiting.values())
        LAG.set(self._lag.seconds(behind, self._folded))
        if behind:
            self._wanted.set()
        return behind


class _Overtaken(Exception):
    """Another process has folded these records."""


def _read(record: Record) -> Event | None:
    """The event in a record if it matters here; what cannot be read is counted and passed by."""
    found = _TYPE.search(record.value, max(0, len(record.value) - 80))
    name = found[1].decode() if found is not None else ""
    if name in TYPES and name not in MATTERS:
        return None
    if name == "DeadlineSet" and _HANDLING not in record.value:
        return None
    try:
        event = decode(record.value)
        if event.type not in MATTERS:
            return None
        _check_whose(record, event)
    except Unreadable as error:
        PARKED.labels(error.reason).inc()
        log.warning(
            "unreadable", partition=record.partition, offset=record.offset, reason=error.reason
        )
        return None
    return event


_OURS: Final = b'"source":"/qingqian/intake"'


def _check_whose(record: Record, event: Event) -> None:
    """Raises Unreadable for a record that moves no file, as it moves nothing of other services.

    A key is destroyed for good, so only intake's own word does it.
    """
    check_key(record, event.subject)
    check_partition(record, event.subject)
    if isinstance(event.data, PiiErased) and _OURS not in record.value:
        raise Unreadable("foreign_writer", "only intake says that a person was erased")


_OPENED: Final = msgspec.to_builtins(opened("", (), datetime.fromtimestamp(0, UTC)))


def _pack_opening(opening: Opening) -> bytes:
    """What `_pack` gives for the file that the event opens, without making that file."""
    known = {"claims": opening.claims, "received_at": opening.received_at}
    file = _OPENED | {"subject": opening.subject} | known
    return _encoder.encode((file, {opening.event_id: opening.body_hash}))


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


def _pack(folder: Folder | bytes) -> bytes:
    if isinstance(folder, bytes):
        return folder
    return _encoder.encode(_Stored(folder.file, folder.seen))


def _may_be_over(folder: Folder | bytes) -> datetime | None:
    """Since when a case whose persons were not erased may be over: since its end, or since it is a
    member of a group, which is one case to be closed. When it is, other cases say too.
    """
    file = (_unpack(folder) if isinstance(folder, bytes) else folder).file
    if file.erased:
        return None
    joined = (leader.since for leader in file.leaders.values())
    return file.ended_at or min(joined, default=None)


def _unpack(raw: bytes) -> Folder:
    stored = _decoder.decode(raw)
    return Folder(stored.file, stored.seen)


__all__ = ["Behind", "Folder", "Unavailable", "View"]
