"""Complaints: a row first, then the log, then the mark.

The unique row `(source, source_ref)` with the body's hash, the case's key and the sealed event
are committed in one transaction before anything is published. An event that stays in the outbox
(the process died, the broker was silent) is published again with the same id; readers drop the
second copy. So a complaint that was answered `received` is never lost and never two cases.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import orjson

from services.intake.complaint import Problem
from services.intake.preparing import TYPE, Prepared, Receipt
from services.intake.tables import Connection, Tables
from services.intake.vault import Vault
from services.intake.view import View, opening
from services.intake.workshop import Workshop
from shared.database import PASSING
from shared.events import instant_text
from shared.governance import Governance
from shared.journal import journal
from shared.keys import Key
from shared.log import CASE_EVENTS, Producer
from shared.metrics import COMPLAINTS, EVENTS, OUTBOX

log = journal("intake.reception")

_ACK_SECONDS: Final = 10.0


def _restamped(event: bytes, stamp: str) -> bytes:
    """A stored event, recorded now."""
    document = orjson.loads(event) | {"recordedtime": stamp}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _batch_of(fresh: Sequence[Prepared]) -> str:
    """The name under which a batch stands in the outbox: its least case, which is in no other."""
    return min(item.case_id for item in fresh)


class Unknown(Exception):
    """The log did not acknowledge in time: it may or may not stand there; sending again is safe."""


@dataclass
class _Waiting:
    """A few complaints of one request that wait to be stored."""

    prepared: Sequence[Prepared | Receipt]
    receipts: asyncio.Future[list[Receipt]]


_FEW: Final = 20
"""Complaints that are stored together with those of other requests; more are by themselves."""
_TOGETHER: Final = 100
"""Requests in one transaction."""
_AT_ONCE: Final = 2
"""Such transactions under way; what comes in meanwhile goes into the next."""


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
        self.workshop = Workshop(vault.safe)
        self._waiting: list[_Waiting] = []
        self._storing: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, asyncio.Future[Any]] = {}
        self._serving = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._unmarked: set[str] = set()
        self._marks: list[str] = []
        self._mark_task: asyncio.Task[None] | None = None

    # --- one batch ------------------------------------------------------------------------------

    async def receive(self, raws: Sequence[bytes], key: Key) -> list[Receipt]:
        """A receipt for each complaint, in order.

        Raises Unknown when the log does not acknowledge in time (what was stored is published
        later), and whatever the database raises (then nothing of the batch was stored).
        """
        prepared = await self.prepare(raws, key)
        if len(prepared) > _FEW:
            return await self.store(prepared)
        waiting = _Waiting(prepared, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._begin()
        return await waiting.receipts

    def _begin(self) -> None:
        while self._waiting and len(self._storing) < _AT_ONCE:
            taken, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            task = asyncio.create_task(self._store_together(taken), name="intake-store")
            self._storing.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._storing.discard(task)
        self._begin()

    async def _store_together(self, taken: Sequence[_Waiting]) -> None:
        """Single complaints that came in at the same time: one transaction for all of them."""
        try:
            receipts = iter(await self.store([item for each in taken for item in each.prepared]))
        except Exception as error:
            for each in taken:
                if not each.receipts.done():
                    each.receipts.set_exception(error)
            return
        for each in taken:
            own = [next(receipts) for _ in each.prepared]
            if not each.receipts.done():
                each.receipts.set_result(own)

    async def prepare(self, raws: Sequence[bytes | None], key: Key) -> list[Prepared | Receipt]:
        """Read, check and seal a batch; None stands for a line too long to keep."""
        now, policy = self.governance.clock.now(), self.governance.books.latest
        with self.serving():
            return await self.workshop.prepare(raws, key, now, policy)

    async def store(self, prepared: Sequence[Prepared | Receipt]) -> list[Receipt]:
        """Store and publish what was prepared; refusals pass through. Raises as `receive`."""
        with self.serving():
            return await self._store(prepared)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While complaints are being taken in: whoever can wait does (`give_way`)."""
        self._serving += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._serving -= 1
            if not self._serving:
                self._quiet.set()

    async def give_way(self, seconds: float) -> None:
        """Wait until no complaint is being taken in, but at most `seconds`: for whoever works
        behind the log and can wait.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    async def _store(self, prepared: Sequence[Prepared | Receipt]) -> list[Receipt]:
        first: dict[str, Prepared] = {}
        for item in prepared:
            if isinstance(item, Prepared):
                first.setdefault(item.case_id, item)
        known = await self._insert(list(first.values())) if first else {}
        fresh = [item for case_id, item in first.items() if case_id not in known]
        futures = await self._publish(fresh)
        again = [self._under_way[case_id] for case_id in known if case_id in self._under_way]
        await self._acknowledged([*futures, *again])
        receipts = [self._receipt(item, first, known) for item in prepared]
        for status, count in Counter(receipt.status for receipt in receipts).items():
            COMPLAINTS.labels(status).inc(count)
        return receipts

    async def _insert(self, items: list[Prepared]) -> dict[str, str]:
        """Store rows, keys and events; returns the body hash of those that were known before."""
        items.sort(key=lambda item: item.case_id)
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                rows = await connection.fetch(
                    f"""WITH given AS (
                        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                            $5::bytea[]) AS g(source, ref, case_id, hash, key)
                    ), fresh AS (
                        INSERT INTO {self.tables.complaints}
                        SELECT source, ref, case_id, hash FROM given
                        ON CONFLICT DO NOTHING RETURNING case_id
                    ), stored AS (
                        INSERT INTO {self.tables.keys} (subject, key)
                        SELECT case_id, key FROM given JOIN fresh USING (case_id)
                        ON CONFLICT (subject) DO UPDATE SET key = excluded.key, erased_at = NULL
                    ) SELECT given.case_id FROM given LEFT JOIN fresh USING (case_id)
                    WHERE fresh.case_id IS NULL""",
                    [item.source for item in items],
                    [item.source_ref for item in items],
                    [item.case_id for item in items],
                    [item.body_hash for item in items],
                    [item.wrapped_key for item in items],
                )
                old = {row["case_id"] for row in rows}
                if fresh := [item for item in items if item.case_id not in old]:
                    batch = _batch_of(fresh)
                    # Events are most of the bytes: copied, they cost a third of an INSERT.
                    await connection.copy_records_to_table(
                        self.tables.outbox_name,
                        schema_name=self.tables.schema_name,
                        columns=("batch", "case_id", "event"),
                        records=[(batch, item.case_id, item.event) for item in fresh],
                    )
            known = [item for item in items if item.case_id in old]
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

    async def _publish(self, fresh: Sequence[Prepared]) -> list[asyncio.Future[Any]]:
        """Hand events to the sender, stamped now; the batch is marked once all are acknowledged."""
        if not fresh:
            return []
        stamp = instant_text(self.governance.clock.now())
        records = [(item.case_id, item.recorded(stamp)) for item in fresh]
        for item, (_, value) in zip(fresh, records, strict=True):
            self.view.expect(opening(item, value))
        futures = await self._send(records)
        batch = _batch_of(fresh)
        self._unmarked.add(batch)
        asyncio.gather(*futures, return_exceptions=True).add_done_callback(
            partial(self._published, batch)
        )
        return futures

    async def _send(self, records: list[tuple[str, bytes]]) -> list[asyncio.Future[Any]]:
        sent = await self.producer.send_many(CASE_EVENTS, records)
        for future, case_ids in sent:
            self._under_way |= dict.fromkeys(case_ids, future)
            future.add_done_callback(partial(self._done, case_ids))
        return [future for future, _ in sent]

    def _done(self, case_ids: list[str], future: asyncio.Future[Any]) -> None:
        for case_id in case_ids:
            self._under_way.pop(case_id, None)
        if not future.cancelled() and future.exception() is None:
            EVENTS.labels(TYPE).inc(len(case_ids))

    def _published(self, batch: str, sent: asyncio.Future[list[Any]]) -> None:
        """Mark a batch; one that was not acknowledged as a whole is left to `republish`."""
        if sent.cancelled() or any(isinstance(item, BaseException) for item in sent.result()):
            self._unmarked.discard(batch)
            return
        self._marks.append(batch)
        if self._mark_task is None or self._mark_task.done():
            self._mark_task = asyncio.create_task(self._mark(), name="intake-mark")

    async def _acknowledged(self, futures: Sequence[asyncio.Future[Any]]) -> None:
        if not futures:
            return
        done, late = await asyncio.wait(futures, timeout=_ACK_SECONDS)
        failed = [item for item in done if item.cancelled() or item.exception() is not None]
        if failed and self.producer.denial is not None:
            raise self.producer.denial
        if late or failed:
            raise Unknown("the log did not acknowledge in time")

    async def _mark(self) -> None:
        """Take the acknowledged out of the outbox, some batches at a time."""
        while self._marks:
            marked, self._marks = self._marks, []
            try:
                async with self.pool.acquire() as connection:
                    await connection.execute(
                        f"DELETE FROM {self.tables.outbox} WHERE batch = ANY($1)", marked
                    )
            except PASSING as error:
                # `republish` will find them on the log and mark them then.
                log.warning("not_marked", error=type(error).__name__, count=len(marked))
            self._unmarked.difference_update(marked)

    async def republish(self, older_than: float = 0) -> int:
        """Publish what is stored but not marked and not under way; returns how many.

        What the view has read from the log already is only marked. `older_than`: seconds since
        it was stored, so that what another process has under way is left alone. Raises Unknown.
        """
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT batch, case_id, event FROM {self.tables.outbox}
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
        await self._take_out([row for row in waiting if row["case_id"] in on_log])
        left = [row for row in waiting if row["case_id"] not in on_log]
        if left:
            stamp = instant_text(self.governance.clock.now())
            records = {row["case_id"]: _restamped(row["event"], stamp) for row in left}
            log.warning("republished", count=len(records))
            COMPLAINTS.labels("republished").inc(len(records))
            await self._acknowledged(await self._send(list(records.items())))
            await self._take_out(left)
        return len(left)

    async def _take_out(self, rows: Sequence[Any]) -> None:
        """Take single events out of the outbox."""
        if not rows:
            return
        async with self.pool.acquire() as connection:
            await connection.execute(
                f"""DELETE FROM {self.tables.outbox} AS o
                USING unnest($1::text[], $2::text[]) AS g(batch, case_id)
                WHERE o.batch = g.batch AND o.case_id = g.case_id""",
                [row["batch"] for row in rows],
                [row["case_id"] for row in rows],
            )

    @property
    def waiting(self) -> int:
        """Complaints handed to the log, and batches of them that are not marked yet."""
        return len(self._under_way) + len(self._unmarked)

    async def stop(self) -> None:
        """Let the helpers go, and marks under way end."""
        self.workshop.close()
        if self._mark_task is not None:
            await self._mark_task
