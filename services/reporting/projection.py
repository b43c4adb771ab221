"""From records to rows: a batch of the log folded into events, acts, case versions and states.

Nothing here depends on how the log is cut into batches or on which partition comes first: a case
lives in one partition, a row holds from the running maximum of recordedtime at which something
reportable changed, and an event whose id was seen before changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from services.reporting import rows
from services.reporting.acts import acts_of
from services.reporting.case import Case, pack, unpack
from services.reporting.folding import evolve, initial
from services.reporting.rows import Row
from services.reporting.schema import FOREVER
from services.reporting.store import Batch, Position, Store
from shared.envelope import Unreadable, from_document
from shared.events import SEALED_PREFIX, Event
from shared.journal import journal
from shared.log import Record, check_partition
from shared.metrics import FOLDED, PARKED, STREAMS_CACHED
from shared.streams import kind_of

CACHED: Final = 10_000
"""Cases held in memory between batches."""

_BREATH: Final = 256
"""Records after which the loop may answer a request."""

_SEALED: Final = SEALED_PREFIX.encode()

log = journal("projection")


@dataclass
class Entry:
    """A case as last written: its state, its row, and the row's recorded_from."""

    case: Case
    row: Row | None = None
    since: datetime | None = None


@dataclass
class Decoded:
    """An event with its place, its instant of the partition, and its data without sealed text."""

    record: Record
    event: Event
    data: bytes
    instant: datetime


@dataclass
class _Version:
    """A row that this batch begins; `until` as far as the batch knows."""

    row: Row
    since: datetime
    until: datetime = FOREVER


@dataclass
class _Work:
    """A case while its batch is folded. `stored`: recorded_from of its last row before it."""

    entry: Entry
    stored: datetime | None
    versions: list[_Version] = field(default_factory=list)
    replaces: bool = False


class Projection:
    """Folds batches, holding the most recently used cases."""

    def __init__(self, store: Store, cached: int = CACHED) -> None:
        self.store = store
        self.positions: dict[int, Position] = {}
        self._cached = cached
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    async def resume(self) -> dict[int, Position]:
        """Forget everything folded here and start from the stored positions."""
        self._entries.clear()
        self.positions = await self.store.positions()
        return self.positions

    async def take(self, records: Sequence[Record]) -> list[Decoded]:
        """Fold and write a batch; returns the events that were new.

        Raises Overtaken where another writer was faster; then call `resume`.
        """
        batch = Batch()
        decoded = await self._decode(records, batch)
        fresh = await self._fresh(decoded)
        works = await self._works(fresh)
        for count, item in enumerate(fresh):
            self._fold(item, works, batch)
            if count % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
        for work in works.values():
            _collect(work, batch)
        await self.store.write(batch)
        self.positions |= {number: position for number, (_, position) in batch.moves.items()}
        self._remember(works)
        FOLDED.labels("foreign").inc(len(fresh))
        FOLDED.labels("duplicate").inc(len(decoded) - len(fresh))
        return fresh

    async def _decode(self, records: Sequence[Record], batch: Batch) -> list[Decoded]:
        """Parse, drop what is folded already, and move the positions. Order by partition stays."""
        decoded: list[Decoded] = []
        for count, record in enumerate(records):
            before = self.positions[record.partition]
            expected, at = batch.moves.get(record.partition, (before.next, before))
            if record.offset < at.next:
                FOLDED.labels("old").inc()
                continue
            instant = at.recorded_at
            try:
                item = _read(record, instant)
                decoded.append(item)
                instant = item.instant
            except Unreadable as error:
                PARKED.labels(error.reason).inc()
                FOLDED.labels("parked").inc()
                log.warning(
                    "unreadable",
                    partition=record.partition,
                    offset=record.offset,
                    reason=error.reason,
                )
            batch.moves[record.partition] = (expected, Position(record.offset + 1, instant))
            if count % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
        return decoded

    async def _fresh(self, decoded: Sequence[Decoded]) -> list[Decoded]:
        """Without the ids that are folded already or stand twice in the batch."""
        if not decoded:
            return []
        seen = await self.store.known([item.event.id for item in decoded])
        fresh: list[Decoded] = []
        for item in decoded:
            if item.event.id not in seen:
                seen.add(item.event.id)
                fresh.append(item)
        return fresh

    async def _works(self, fresh: Sequence[Decoded]) -> dict[str, _Work]:
        wanted = {item.event.subject for item in fresh if kind_of(item.event.subject) == "case"}
        missing = [case_id for case_id in wanted if case_id not in self._entries]
        stored = await self.store.load(missing) if missing else {}
        works: dict[str, _Work] = {}
        for case_id in wanted:
            entry = self._entries.get(case_id)
            if entry is None and case_id in stored:
                raw, since = stored[case_id]
                case = unpack(raw)
                entry = Entry(case, rows.row(case), since)
            entry = entry or Entry(initial(case_id))
            works[case_id] = _Work(Entry(entry.case, entry.row, entry.since), entry.since)
        return works

    def _fold(self, item: Decoded, works: dict[str, _Work], batch: Batch) -> None:
        event, record = item.event, item.record
        batch.events.append(
            (
                record.partition,
                record.offset,
                event.id,
                event.subject,
                event.type,
                event.time,
                item.instant,
                event.actor,
                item.data.decode(),
            )
        )
        work = works.get(event.subject)
        batch.acts += acts_of(work.entry.case if work else None, event, item.instant)
        if work is None:
            return
        before = work.entry.case
        work.entry.case = evolve(before, event)
        if work.entry.case is before:
            return
        row = rows.row(work.entry.case)
        if row is not None and row != work.entry.row:
            _change(work, row, item.instant)

    def _remember(self, works: dict[str, _Work]) -> None:
        for case_id, work in works.items():
            self._entries[case_id] = work.entry
            self._entries.move_to_end(case_id)
        while len(self._entries) > self._cached:
            self._entries.popitem(last=False)
        STREAMS_CACHED.set(len(self._entries))


def _read(record: Record, instant: datetime | None) -> Decoded:
    """Raises Unreadable as `from_document` does, and as the reconcilers do."""
    try:
        doc = orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        raise Unreadable("not_json", str(error)) from None
    if not isinstance(doc, dict):
        raise Unreadable("not_object", "an event is a JSON object")
    event = from_document(doc)
    check_partition(record, event.subject)
    moment = event.recordedtime if instant is None else max(instant, event.recordedtime)
    data = doc["data"] if _SEALED not in record.value else unsealed(doc["data"])
    return Decoded(record, event, orjson.dumps(data), moment)


def unsealed(value: Any) -> Any:
    """The data without the text of sealed fields: that somebody said something is all we keep."""
    if isinstance(value, str):
        return SEALED_PREFIX if value.startswith(SEALED_PREFIX) else value
    if isinstance(value, dict):
        return {name: unsealed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    return value


def _change(work: _Work, row: Row, instant: datetime) -> None:
    """A new row from `instant` on; one that began at the same instant is replaced."""
    if work.versions and work.versions[-1].since == instant:
        work.versions[-1].row = row
    elif work.versions:
        work.versions[-1].until = instant
        work.versions.append(_Version(row, instant))
    else:
        work.replaces = work.stored == instant
        work.versions.append(_Version(row, instant))
    work.entry.row, work.entry.since = row, instant


def _collect(work: _Work, batch: Batch) -> None:
    entry = work.entry
    batch.cases.append((entry.case.case_id, entry.since, pack(entry.case)))
    if not work.versions:
        return
    if work.replaces and work.stored is not None:
        batch.replaced.append((entry.case.case_id, work.stored))
    elif work.stored is not None:
        batch.superseded.append((entry.case.case_id, work.stored, work.versions[0].since))
    batch.versions += [(*item.row, item.since, item.until) for item in work.versions]
