"""`feed-complaints`: platforms that speak Kafka put their raw complaints there.

Read with a consumer group, committed after the batch is stored and acknowledged: what is read
twice is a duplicate, nothing is lost. What cannot be read is parked, sealed, with its place and
reason; the feed goes on. Who may write to the topic is the broker's to say.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.intake.preparing import Receipt
from services.intake.reception import Reception, Unknown
from services.intake.vault import Vault
from shared.database import PASSING
from shared.journal import journal
from shared.keys import ALL, Key
from shared.log import FEED_COMPLAINTS, FEED_COMPLAINTS_PARKED
from shared.metrics import PARKED, RETRIES
from shared.settings import Settings

log = journal("intake.feed")

FEED_KEY: Final = Key("feed-complaints", "platform", "platform", (ALL,))
_BATCH: Final = 250


class Feed:
    """Takes complaints from the feed topic."""

    def __init__(self, settings: Settings, reception: Reception, vault: Vault) -> None:
        self.settings = settings
        self.reception = reception
        self.vault = vault
        self.consumer: AIOKafkaConsumer | None = None

    async def stop(self) -> None:
        if self.consumer is not None:
            await self.consumer.stop()

    async def run(self) -> None:
        """Take batch after batch; a passing fault is retried with the same batch."""
        self.consumer = await self._joined()
        while True:
            got = await self.consumer.getmany(timeout_ms=1000, max_records=_BATCH)
            records = [record for batch in got.values() for record in batch]
            if records:
                await self._take(records)
                await self._commit()

    async def _joined(self) -> AIOKafkaConsumer:
        """A consumer with its partitions; joining a group takes the broker some seconds."""
        while True:
            consumer = AIOKafkaConsumer(
                self.settings.topic(FEED_COMPLAINTS),
                bootstrap_servers=self.settings.kafka,
                client_id="qingqian-intake-feed",
                group_id=self.settings.group("intake-feed"),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=10_000,
                heartbeat_interval_ms=3_000,
            )
            try:
                await consumer.start()
                return consumer
            except (KafkaError, OSError) as error:
                RETRIES.labels("feed").inc()
                log.warning("feed_waits", error=type(error).__name__)
                await consumer.stop()
            except asyncio.CancelledError:
                await consumer.stop()
                raise
            await asyncio.sleep(1)

    async def _commit(self) -> None:
        assert self.consumer is not None
        try:
            await self.consumer.commit()
        except KafkaError as error:
            # Somebody else has the partition now and reads these records again: duplicates.
            log.info("commit_refused", error=type(error).__name__)

    async def _take(self, records: list[Any]) -> None:
        while True:
            try:
                receipts = await self.reception.receive([r.value or b"" for r in records], FEED_KEY)
                for record, receipt in zip(records, receipts, strict=True):
                    if receipt.status == "rejected":
                        await self._park(record, receipt)
                return
            except (Unknown, KafkaError, *PASSING) as error:
                RETRIES.labels("feed").inc()
                log.warning("feed_waits", error=type(error).__name__)
            await asyncio.sleep(0.5)

    async def _park(self, record: Any, receipt: Receipt) -> None:
        """Put what was refused aside: where it stood, why, its hash, and itself, sealed."""
        problem = receipt.problems[0]
        async with self.reception.pool.acquire() as connection:
            sealer = await self.vault.sealer(connection, FEED_COMPLAINTS_PARKED)
        place = f"{record.partition}/{record.offset}"
        raw = record.value or b""
        parked = {
            "topic": FEED_COMPLAINTS,
            "partition": record.partition,
            "offset": record.offset,
            "reason": problem.code,
            "pointer": problem.pointer,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "payload": sealer.seal(raw.decode("utf-8", "replace"), place),
        }
        PARKED.labels("complaint").inc()
        log.warning("parked", partition=record.partition, offset=record.offset, reason=problem.code)
        await (
            await self.reception.producer.send(
                FEED_COMPLAINTS_PARKED, place, orjson.dumps(parked, option=orjson.OPT_SORT_KEYS)
            )
        )
