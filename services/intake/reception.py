"""Complaints: a row first, then the log, then the mark.

The unique row `(source, source_ref)` with the body's hash, the case's key and the sealed event
are committed in one statement before anything is published. An event that stays in the outbox
(the process died, the broker was silent) is published again with the same id; readers drop the
second copy. So a complaint that was answered `received` is never lost and never two cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

import orjson

from services.intake.complaint import Complaint, Problem, Refused, admit, check, read
from services.intake.tables import Connection, Tables
from services.intake.vault import Vault
from services.intake.view import View
from shared.envelope import case_id_of, derived_id, document, unsealed_fields
from shared.events import Event, instant_text
from shared.governance import Governance
from shared.journal import journal
from shared.keys import Key
from shared.log import CASE_EVENTS, Place, Producer, Unsealed, count, partition_of
from shared.metrics import COMPLAINTS, OUTBOX

log = journal("intake.reception")

Status = Literal["received", "duplicate", "rejected"]
_TYPE: Final = "ComplaintReceived"
_ACK_SECONDS: Final = 10.0


class Unknown(Exception):
    """The log did not acknowledge in time: it may or may not stand there; sending again is safe."""


@dataclass(frozen=True)
class Receipt:
    """What became of one complaint. `problems`: why it was rejected; `conflict`: 409, not 422."""

    status: Status
    case_id: str | None = None
    event_id: str | None = None
    problems: tuple[Problem, ...] = ()
    conflict: bool = False
    forbidden: bool = False


@dataclass
class Prepared:
    """A complaint that is ready to be stored: sealed, with its key wrapped and its body hashed."""

    source: str
    source_ref: str
    case_id: str
    event_id: str
    body_hash: str
    wrapped_key: bytes
    document: dict[str, Any]


def event_id_of(case_id: str) -> str:
    """The id of a case's ComplaintReceived: follows from the case, so it is always the same."""
    return derived_id(case_id, _TYPE)


class Reception:
    """Takes complaints in, from whatever door they come."""

    def __init__(
        self,
        tables: Tables,
        pool: Any,
        vault: Vault,
        producer: Producer,
        governance: Governance,
        view: View,
    ) -> None:
        self.tables = tables
        self.pool = pool
        self.vault = vault
        self.producer = producer
        self.governance = governance
        self.view = view
        self._under_way: dict[str, asyncio.Future[Place]] = {}
        self._marks: list[str] = []
        self._mark_task: asyncio.Task[None] | None = None

    # --- one batch ------------------------------------------------------------------------------

    async def receive(self, raws: Sequence[bytes], key: Key) -> list[Receipt]:
        """A receipt for each complaint, in order.

        Raises Unknown when the log does not acknowledge in time (what was stored is published
        later), and whatever the database raises (then nothing of the batch was stored).
        """
        now = self.governance.clock.now()
        prepared = [self.prepare(raw, key, now) for raw in raws]
        return await self.store(prepared)

    async def store(self, prepared: Sequence[Prepared | Receipt]) -> list[Receipt]:
        """Store and publish what was prepared; refusals pass through. Raises as `receive`."""
        first: dict[str, Prepared] = {}
        for item in prepared:
            if isinstance(item, Prepared):
                first.setdefault(item.case_id, item)
        known = await self._insert(list(first.values())) if first else {}
        fresh = [item for case_id, item in first.items() if case_id not in known]
        futures = await self._publish([item.document for item in fresh])
        again = [case_id for case_id in known if case_id in self._under_way]
        await self._acknowledged([*futures, *(self._under_way[case_id] for case_id in again)])
        receipts = [self._receipt(item, first, known) for item in prepared]
        for receipt in receipts:
            COMPLAINTS.labels(receipt.status).inc()
        return receipts

    def prepare(self, raw: bytes, key: Key, now: datetime) -> Prepared | Receipt:
        """Read, check, seal: everything that needs no database."""
        try:
            complaint = read(raw)
            if not key.may_post(complaint.source):
                problem = Problem("/source", "not_your_source", "the key may not post this source")
                return Receipt("rejected", problems=(problem,), forbidden=True)
            check(complaint, now, self.governance.books.latest)
        except Refused as error:
            return Receipt("rejected", problems=tuple(error.problems))
        return self._seal(complaint, key, now)

    def _seal(self, complaint: Complaint, key: Key, now: datetime) -> Prepared:
        case_id = case_id_of(complaint.source, complaint.source_ref)
        sealer, wrapped = self.vault.fresh(case_id)
        data = admit(complaint, case_id, sealer, self.governance.books.latest)
        if found := unsealed_fields(data):
            raise Unsealed(f"{_TYPE} {', '.join(found)}")
        body = complaint.model_dump_json(exclude_none=True)
        body_hash = self.vault.matcher.hash("body", body)
        event = Event(
            id=event_id_of(case_id),
            subject=case_id,
            time=data.received_at,
            recordedtime=now,
            data=data,
            actor=f"{key.unit}/{key.role}/{self.vault.matcher.person(key.name)}",
            attributes={"bodyhash": body_hash},
        )
        return Prepared(
            complaint.source,
            complaint.source_ref,
            case_id,
            event.id,
            body_hash,
            wrapped,
            document(event),
        )

    async def _insert(self, items: list[Prepared]) -> dict[str, str]:
        """Store rows, keys and events; returns the body hash of those that were known before."""
        items.sort(key=lambda item: item.case_id)
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""WITH given AS (
                    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                        $5::bytea[], $6::bytea[]) AS g(source, ref, case_id, hash, key, event)
                ), fresh AS (
                    INSERT INTO {self.tables.complaints}
                    SELECT source, ref, case_id, hash FROM given
                    ON CONFLICT DO NOTHING RETURNING case_id
                ), stored AS (
                    INSERT INTO {self.tables.keys} (subject, key)
                    SELECT case_id, key FROM given JOIN fresh USING (case_id)
                    ON CONFLICT (subject) DO UPDATE SET key = excluded.key, erased_at = NULL
                ), kept AS (
                    INSERT INTO {self.tables.outbox} (case_id, event)
                    SELECT case_id, event FROM given JOIN fresh USING (case_id)
                    ON CONFLICT DO NOTHING
                ) SELECT case_id FROM fresh""",
                [item.source for item in items],
                [item.source_ref for item in items],
                [item.case_id for item in items],
                [item.body_hash for item in items],
                [item.wrapped_key for item in items],
                [orjson.dumps(item.document) for item in items],
            )
            fresh = {row["case_id"] for row in rows}
            known = [item for item in items if item.case_id not in fresh]
            return await self._known(connection, known) if known else {}

    async def _known(self, connection: Connection, items: list[Prepared]) -> dict[str, str]:
        rows = await connection.fetch(
            f"""SELECT case_id, body_hash FROM {self.tables.complaints}
            JOIN unnest($1::text[], $2::text[]) AS g(source, source_ref)
            USING (source, source_ref)""",
            [item.source for item in items],
            [item.source_ref for item in items],
        )
        return {row["case_id"]: row["body_hash"] for row in rows}

    def _receipt(
        self, item: Prepared | Receipt, first: dict[str, Prepared], known: dict[str, str]
    ) -> Receipt:
        if isinstance(item, Receipt):
            return item
        earlier = known.get(item.case_id, first[item.case_id].body_hash)
        if earlier != item.body_hash:
            detail = "this source_ref was received with other content"
            problem = Problem("/source_ref", "conflict", detail)
            return Receipt("rejected", item.case_id, problems=(problem,), conflict=True)
        is_new = item.case_id not in known and first[item.case_id] is item
        return Receipt("received" if is_new else "duplicate", item.case_id, item.event_id)

    # --- publishing -----------------------------------------------------------------------------

    async def _publish(self, documents: Sequence[dict[str, Any]]) -> list[asyncio.Future[Place]]:
        """Hand events to the sender, stamped now; each is marked once it is acknowledged."""
        stamp = instant_text(self.governance.clock.now())
        futures = []
        for doc in documents:
            doc["recordedtime"] = stamp
            case_id = doc["subject"]
            future = await self.producer.send(
                CASE_EVENTS,
                case_id,
                orjson.dumps(doc, option=orjson.OPT_SORT_KEYS),
                partition_of(case_id),
            )
            self._under_way[case_id] = future
            future.add_done_callback(partial(self._done, case_id))
            futures.append(future)
        return futures

    def _done(self, case_id: str, future: asyncio.Future[Place]) -> None:
        self._under_way.pop(case_id, None)
        if future.cancelled() or future.exception() is not None:
            return
        count(_TYPE, None)
        self._marks.append(case_id)
        if self._mark_task is None or self._mark_task.done():
            self._mark_task = asyncio.create_task(self._mark(), name="intake-mark")

    async def _acknowledged(self, futures: Sequence[asyncio.Future[Place]]) -> None:
        if not futures:
            return
        _, late = await asyncio.wait(futures, timeout=_ACK_SECONDS)
        failed = [f for f in futures if f.done() and (f.cancelled() or f.exception() is not None)]
        if late or failed:
            raise Unknown(f"{len(late) + len(failed)} of {len(futures)} not acknowledged")

    async def _mark(self) -> None:
        """Take the acknowledged out of the outbox, many at a time."""
        while self._marks:
            marked, self._marks = self._marks, []
            async with self.pool.acquire() as connection:
                await connection.execute(
                    f"DELETE FROM {self.tables.outbox} WHERE case_id = ANY($1)", marked
                )

    async def republish(self, older_than: float = 0) -> int:
        """Publish what is stored but not marked and not under way; returns how many.

        What the view has read from the log already is only marked. `older_than`: seconds since
        it was stored, so that what another process has under way is left alone. Raises Unknown.
        """
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT case_id, event FROM {self.tables.outbox}
                WHERE stored_at <= now() - $1::interval ORDER BY stored_at LIMIT 1000""",
                timedelta(seconds=older_than),
            )
            OUTBOX.set(await connection.fetchval(f"SELECT count(*) FROM {self.tables.outbox}"))
            waiting = [row for row in rows if row["case_id"] not in self._under_way]
            found = await connection.fetch(
                f"SELECT subject FROM {self.tables.files} WHERE subject = ANY($1)",
                [row["case_id"] for row in waiting],
            )
        on_log = {row["subject"] for row in found}
        self._marks += on_log
        documents = [orjson.loads(row["event"]) for row in waiting if row["case_id"] not in on_log]
        if documents:
            log.warning("republished", count=len(documents))
            COMPLAINTS.labels("republished").inc(len(documents))
        await self._acknowledged(await self._publish(documents))
        await self._mark()
        return len(documents)

    @property
    def waiting(self) -> int:
        """Complaints handed to the log or stored, and not marked yet."""
        return len(self._under_way) + len(self._marks)

    async def stop(self) -> None:
        """Let marks under way end."""
        if self._mark_task is not None:
            await self._mark_task
