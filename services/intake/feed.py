"""`feed-complaints`: platforms that speak Kafka put their raw complaints there.

A record is a complaint (contract 3), or with the header `source` that source's own payload. Read
with a consumer group, committed after the batch is stored and acknowledged: what is read twice is
a duplicate, nothing is lost. What cannot be received stands in quarantine, then on the parked
topic, sealed, with its place and reason; the feed goes on. Who may write to the topic is the
broker's to say.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.intake.feeds import Feeds, FromTopic, Parked
from services.intake.quarantine import public_pointer
from services.intake.reception import Unknown
from shared.broker import DENIED, connection
from shared.database import PASSING
from shared.journal import journal
from shared.keys import ALL, Key
from shared.log import FEED_COMPLAINTS, FEED_COMPLAINTS_PARKED, Producer, stop_consumer
from shared.metrics import PARKED, RETRIES
from shared.settings import Settings

log = journal("intake.feed")

FEED_KEY: Final = Key("feed-complaints", "platform", "platform", (ALL,))
SOURCE_HEADER: Final = "source"
_BATCH: Final = 250


class Feed:
    """Takes complaints from the feed topic."""

    def __init__(self, settings: Settings, feeds: Feeds, producer: Producer) -> None:
        self.settings = settings
        self.feeds = feeds
        self.producer = producer
        self.consumer: AIOKafkaConsumer | None = None

    async def stop(self) -> None:
        if self.consumer is not None:
            await stop_consumer(self.consumer)

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
                **connection(self.settings),
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
            except DENIED:
                await stop_consumer(consumer)
                raise
            except (KafkaError, OSError) as error:
                RETRIES.labels("kafka").inc()
                log.warning("feed_waits", error=type(error).__name__)
                await stop_consumer(consumer)
            except asyncio.CancelledError:
                await stop_consumer(consumer)
                raise
            await asyncio.sleep(1)

    async def _commit(self) -> None:
        assert self.consumer is not None
        try:
            await self.consumer.commit()
        except DENIED:
            raise
        except KafkaError as error:
            # Somebody else has the partition now and reads these records again: duplicates.
            log.info("commit_refused", error=type(error).__name__)

    async def _take(self, records: list[Any]) -> None:
        """Receive a batch; a passing fault is retried with all of it."""
        while True:
            try:
                taken = [FromTopic(_place(r), r.value or b"", _source(r)) for r in records]
                parked = await self.feeds.records(taken, FEED_KEY)
                raws = {record.place: record.raw for record in taken}
                for item in parked:
                    await self._park(item, raws[item.place])
                return
            except (Unknown, KafkaError, *PASSING) as error:
                of_log = isinstance(error, Unknown | KafkaError)
                RETRIES.labels("kafka" if of_log else "database").inc()
                log.warning("feed_waits", error=type(error).__name__)
            await asyncio.sleep(0.5)

    async def _park(self, item: Parked, raw: bytes) -> None:
        """Put what was refused on record: where it stood, why, its hash, and itself, sealed."""
        partition, _, offset = item.place.partition("/")
        parked = {
            "id": item.id,
            "topic": FEED_COMPLAINTS,
            "partition": int(partition),
            "offset": int(offset),
            "reason": item.problem.code,
            "pointer": public_pointer(item.problem),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "payload": item.payload,
        }
        PARKED.labels("complaint").inc()
        log.warning("parked", place=item.place, reason=item.problem.code)
        value = orjson.dumps(parked, option=orjson.OPT_SORT_KEYS)
        await (await self.producer.send(FEED_COMPLAINTS_PARKED, item.place, value))


def _place(record: Any) -> str:
    return f"{record.partition}/{record.offset}"


def _source(record: Any) -> str | None:
    """The header that says whose own shape a record has; any text, judged as a source later."""
    found = next((value for name, value in record.headers if name == SOURCE_HEADER), None)
    return None if found is None else found.decode("utf-8", "replace")
