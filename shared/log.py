"""The log: the one place, with infra/topics, that knows Kafka.

`Producer` appends with every replica's acknowledgement and without duplicates of its own
retries; `Reader` reads partitions by assignment, without a group, because whoever folds keeps the
position beside what was folded. A subject's partition is Kafka's own: murmur2 of the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from struct import unpack
from typing import Any, Final, NamedTuple, NoReturn, get_args

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from shared.broker import DENIED, NotAdmitted, connection, denial, denied, missed
from shared.broker import Unavailable as Unavailable  # Whoever reads the log knows it from here.
from shared.envelope import Unreadable, encode, unsealed_fields, writer_of
from shared.events import TYPES, AnyData, Event, Model, Service
from shared.metrics import ALERTS, EVENTS, RETRIES
from shared.settings import Settings
from shared.streams import GOVERNANCE

CASE_EVENTS: Final = "case-events"
GOVERNANCE_EVENTS: Final = "governance-events"
FEED_COMPLAINTS: Final = "feed-complaints"
CASE_EVENTS_PARKED: Final = "case-events.parked"
FEED_COMPLAINTS_PARKED: Final = "feed-complaints.parked"

PARTITIONS: Final = 12
"""Of `case-events`, fixed at birth: with another number a subject would change its partition."""

FETCH_WAIT_MS: Final = 100
"""How long the broker may hold an answer that would be empty. A consumer has one request under way
to a broker, and partitions whose records it was still handing over are not in it: what is new on
one of those waits until that request ends (at Faust's 1500 ms, a backlog's last partition moved
once in 1.5 s)."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ForeignWriter(ValueError):
    """A service tried to publish a type that another service writes."""


class Unsealed(ValueError):
    """An event holds a person's data in clear; it must never reach the log."""


class Place(NamedTuple):
    """Where a record stands: the topic's name in the contract, its partition, its offset."""

    topic: str
    partition: int
    offset: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as read. `timestamp`: when the broker appended it, milliseconds since 1970.

    A Struct, because every record of the log becomes one in every service.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes

    @property
    def appended_at(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.timestamp)

    @property
    def place(self) -> Place:
        return Place(self.topic, self.partition, self.offset)


@lru_cache(maxsize=16_384)
def partition_of(subject: str, partitions: int = PARTITIONS) -> int:
    """The partition of a subject, as every Kafka client's default partitioner has it."""
    return (_murmur2(subject.encode()) & 0x7FFFFFFF) % partitions


_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


def _murmur2(key: bytes) -> int:
    """MurmurHash2 as Kafka's Java client has it (`Utils.murmur2`).

    aiokafka's own takes the key byte by byte and twice as long: of a case id 7 microseconds, some
    twentieth of what intake's main process did for a complaint.
    """
    rest = len(key) & 3
    hashed = 0x9747B28C ^ len(key)
    for word in unpack(f"<{len(key) >> 2}I", key[: len(key) - rest]):
        word = word * _M & _32_BITS
        hashed = (hashed * _M ^ (word ^ word >> 24) * _M) & _32_BITS
    if rest:
        hashed = (hashed ^ int.from_bytes(key[-rest:], "little")) * _M & _32_BITS
    hashed = (hashed ^ hashed >> 13) * _M & _32_BITS
    return hashed ^ hashed >> 15


def check_key(record: Record, subject: str) -> None:
    """Raises Unreadable where the key of a record is not its subject."""
    if record.key != subject.encode():
        raise Unreadable("wrong_key", "the record's key is not its subject")


def check_partition(record: Record, subject: str) -> None:
    """Raises Unreadable where a record of `case-events` stands on another partition than its
    subject's: its writer had another partitioner, and two partitions would tell of one stream.
    """
    if record.partition != partition_of(subject):
        raise Unreadable("wrong_partition", "its subject belongs to another partition")


def topic_of(subject: str) -> str:
    """The topic on which a subject's events stand."""
    return GOVERNANCE_EVENTS if subject == GOVERNANCE else CASE_EVENTS


@cache
def _may_hold_text(model: Hashable) -> bool:
    """Whether any field of a type of event, however deep, is `Sealed`."""
    fields: dict[str, Any] = getattr(model, "model_fields", {})
    for info in fields.values():
        if "sealed" in info.metadata or "sealed" in str(info.annotation):
            return True
        if any(_may_hold_text(inner) for inner in _models(info.annotation)):
            return True
    return False


def _models(annotation: Any) -> Iterable[Hashable]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def check(event: Event, service: Service) -> None:
    """Refuse what `service` may not publish. Raises ForeignWriter or Unsealed."""
    if writer_of(event) != service:
        raise ForeignWriter(f"{service} may not publish {event.type}")
    data: AnyData = event.data
    if _may_hold_text(TYPES[event.type]) and (fields := unsealed_fields(data)):
        raise Unsealed(f"{event.type} {', '.join(fields)}")


class Producer:
    """Appends to the log for one service: acks of all replicas, idempotent, in order per key."""

    def __init__(self, settings: Settings, service: Service) -> None:
        self.settings = settings
        self.service = service
        self.denial: NotAdmitted | None = None
        self._denied = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Raises Unavailable where no broker answers, NotAdmitted where it does not take us."""
        self._producer = AIOKafkaProducer(
            **connection(self.settings),
            client_id=f"qingqian-{self.service}",
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=131_072,
            max_request_size=8_388_608,
            request_timeout_ms=15_000,
        )
        try:
            await self._producer.start()
        except (KafkaError, OSError) as error:
            with suppress(Exception):
                await self._producer.stop()
            raise await missed(self.settings, error) from None
        except BaseException:  # cancelled, or told to end
            with suppress(Exception):
                await self._producer.stop()
            raise

    async def stop(self) -> None:
        """Flush what is under way and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def send(
        self, topic: str, key: str, value: bytes, partition: int | None = None
    ) -> asyncio.Future[Place]:
        """Hand one record to the sender; the future is its acknowledgement.

        `partition`: as `partition_of` gives it, for a caller that knows it already.
        """
        if self._producer is None:
            raise RuntimeError("the producer is not started")
        sent = await self._producer.send(
            self.settings.topic(topic), value, key=key.encode(), partition=partition
        )
        return asyncio.ensure_future(self._place(topic, sent))

    async def send_many(
        self, topic: str, records: Iterable[tuple[str, bytes]]
    ) -> list[tuple[asyncio.Future[Any], list[str]]]:
        """Hand many (key, value) records to the sender, in order within each partition.

        Each future acknowledges the keys beside it. The batches are put together here, which
        takes a fifth of the processor time of as many calls of `send`.
        """
        if self._producer is None:
            raise RuntimeError("the producer is not started")
        parts: dict[int, list[tuple[str, bytes]]] = {}
        for key, value in records:
            parts.setdefault(partition_of(key), []).append((key, value))
        sent: list[tuple[asyncio.Future[Any], list[str]]] = []
        for partition, items in parts.items():
            while items:
                batch = self._producer.create_batch()
                keys = []
                for key, value in items:
                    if batch.append(key=key.encode(), value=value, timestamp=None) is None:
                        break
                    keys.append(key)
                items = items[len(keys) :]
                name = self.settings.topic(topic)
                future = await self._producer.send_batch(batch, name, partition=partition)
                future.add_done_callback(self._heed)
                sent.append((future, keys))
        return sent

    async def _place(self, topic: str, sent: asyncio.Future[Any]) -> Place:
        sent.add_done_callback(self._heed)
        metadata = await sent
        return Place(topic, metadata.partition, metadata.offset)

    def _heed(self, sent: asyncio.Future[Any]) -> None:
        """Keep in mind that the broker's access list does not let us write."""
        if sent.cancelled() or (error := denial(sent.exception())) is None:
            return
        self.denial = denied(self.settings, error)
        self._denied.set()

    async def watch(self) -> NoReturn:
        """Raises NotAdmitted once a record was denied, whoever it was sent for: each of these may
        try again for ever.
        """
        await self._denied.wait()
        assert self.denial is not None
        raise self.denial

    async def publish(self, events: Sequence[Event]) -> list[Place]:
        """Append events in order and wait for every acknowledgement.

        Raises ForeignWriter or Unsealed before anything is sent. Has no deadline of its own: in
        an outage the records wait, and the outcome is unknown to a caller who gives up.
        """
        for event in events:
            check(event, self.service)
        waiting = [
            await self.send(topic_of(event.subject), event.subject, encode(event))
            for event in events
        ]
        places = list(await asyncio.gather(*waiting))
        for event in events:
            count(event.type, getattr(event.data, "level", None))
        return places


def count(type_name: str, level: str | None) -> None:
    """Count an event that is on the log now; `level` counts where an alert is raised."""
    EVENTS.labels(type_name).inc()
    if type_name == "AlertRaised" and level:
        ALERTS.labels(level).inc()


_ANSWER_SECONDS: Final = 1.5


@asynccontextmanager
async def asked() -> AsyncIterator[None]:
    """What a probe asks of the log: the client library would ask for a quarter of a minute.

    Raises Unavailable where there is no answer in time.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            yield
    except TimeoutError:
        raise Unavailable(f"no answer within {_ANSWER_SECONDS} s") from None


def count_retry(error: BaseException) -> None:
    """Count an attempt that a passing fault has failed, by the server that it was made on."""
    RETRIES.labels("kafka" if isinstance(error, Unavailable | KafkaError) else "database").inc()


class Reader:
    """Reads partitions by assignment; the positions are the caller's.

    Offsets are asked for on a connection of their own: on one that holds an open fetch the
    answer would wait until that fetch ends.
    """

    def __init__(self, settings: Settings, client: str) -> None:
        self.settings = settings
        self.client = client
        self._offsets: AIOKafkaConsumer | None = None
        self._fetching: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Raises Unavailable where no broker answers, NotAdmitted where it does not take us."""
        self._offsets = await self._consumer("offsets")

    async def stop(self) -> None:
        for consumer in (self._offsets, self._fetching):
            if consumer is not None:
                await stop_consumer(consumer)
        self._offsets = self._fetching = None

    @cached_property
    def _connection(self) -> dict[str, Any]:
        """Of all its consumers, also of those that it makes later."""
        return connection(self.settings)

    async def _missed(
        self, error: BaseException, topics: Collection[str] = ()
    ) -> NotAdmitted | Unavailable:
        return await missed(self.settings, error, topics, self._connection)

    async def _consumer(self, what: str, wait_ms: int = 500) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self._connection,
            client_id=f"qingqian-{self.client}-{what}",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=wait_ms,
            fetch_max_bytes=16_777_216,
            max_partition_fetch_bytes=4_194_304,
            request_timeout_ms=15_000,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            with suppress(Exception):
                await consumer.stop()
            raise await self._missed(error) from None
        except BaseException:  # cancelled, or told to end
            with suppress(Exception):
                await consumer.stop()
            raise
        return consumer

    async def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of each partition. Raises Unavailable, NotAdmitted."""
        found = await self.ends_of([(topic, number) for number in partitions])
        return {number: offset for (_, number), offset in found.items()}

    async def ends_of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The same for partitions of several topics, in one question to the broker."""
        if self._offsets is None:
            raise RuntimeError("the reader is not started")
        asked = {TopicPartition(self.settings.topic(name), n): (name, n) for name, n in places}
        if not asked:
            return {}
        try:
            found = await self._offsets.end_offsets(list(asked))
        except (KafkaError, OSError) as error:
            raise await self._missed(error, {key.topic for key in asked}) from None
        return {asked[key]: offset for key, offset in found.items()}

    async def range(
        self, topic: str, partition: int, first: int, end: int, most: int = 2000
    ) -> AsyncGenerator[list[Record]]:
        """The records from offset `first` up to but without `end`, in batches of at most `most`.

        One range at a time for each reader. Raises Unavailable when the broker goes silent,
        NotAdmitted.
        """
        if first >= end:
            return
        async with self._turn:
            if self._fetching is None:
                self._fetching = await self._consumer("range", wait_ms=FETCH_WAIT_MS)
            key = TopicPartition(self.settings.topic(topic), partition)
            self._fetching.assign([key])
            self._fetching.seek(key, first)
            try:
                async for records in self._until(self._fetching, key, topic, end, most):
                    yield records
            finally:
                self._fetching.unsubscribe()

    async def _until(
        self, consumer: AIOKafkaConsumer, key: TopicPartition, topic: str, end: int, most: int
    ) -> AsyncIterator[list[Record]]:
        silent = 0
        while await consumer.position(key) < end:
            try:
                got = await consumer.getmany(key, timeout_ms=1000, max_records=most)
            except (KafkaError, OSError) as error:
                raise await self._missed(error) from None
            records = [_record(topic, raw) for raw in got.get(key, ()) if raw.offset < end]
            silent = 0 if got else silent + 1
            if records:
                yield records
            if silent >= 15:
                silence = KafkaTimeoutError(f"{topic}/{key.partition}: nothing read for 15 s")
                raise await self._missed(silence, {key.topic})

    async def follow(
        self,
        positions: Mapping[tuple[str, int], int],
        *,
        most: int = 2000,
        wait: float = 0.5,
        gather: float = 0.0,
        wanted: asyncio.Event | None = None,
    ) -> AsyncGenerator[list[Record]]:
        """Read on for ever from `positions` ((topic, partition) -> next offset).

        Yields what arrived, and an empty list when nothing did for `wait` seconds. `gather`:
        seconds left before each look, so that fewer and larger batches are yielded; none while
        `wanted` is set. Uses a connection of its own, closed with the generator. Raises Unavailable
        only at the start; later an outage shows as empty lists. NotAdmitted at any time.
        """
        consumer = await self._consumer("follow", wait_ms=FETCH_WAIT_MS)
        names = {self.settings.topic(topic): topic for topic, _ in positions}
        keys = {
            TopicPartition(self.settings.topic(topic), number): offset
            for (topic, number), offset in positions.items()
        }
        try:
            consumer.assign(list(keys))
            for key, offset in keys.items():
                consumer.seek(key, offset)
            while True:
                if gather:
                    await gathered(gather, wanted)
                try:
                    got = await consumer.getmany(timeout_ms=int(wait * 1000), max_records=most)
                except KafkaConnectionError:
                    got = {}
                except DENIED as error:
                    raise denied(self.settings, error) from None
                yield [_record(names[key.topic], raw) for key, raws in got.items() for raw in raws]
        finally:
            await stop_consumer(consumer)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, also while the broker is away.

    A fetch that has failed and waits to be tried again answers aiokafka's `stop` with its own
    cancellation: that would pass for one of ours, and the connections would stay open.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


async def gathered(seconds: float, wanted: asyncio.Event | None) -> None:
    """Let records come in for a while, unless somebody wants them now."""
    if wanted is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wanted.wait()


def _record(topic: str, raw: Any) -> Record:
    return Record(topic, raw.partition, raw.offset, raw.timestamp, raw.key, raw.value or b"")
