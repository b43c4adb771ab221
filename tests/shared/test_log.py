"""The log's names, its partitioning and what may not be published; then a real broker."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition, partitioner
from hypothesis import given
from hypothesis import strategies as st

from infra.stack import LocalStack
from shared.envelope import encode
from shared.events import (
    ComplainantTold,
    ComplaintAccepted,
    DeadlineSet,
    Event,
    ProgressReported,
)
from shared.identity import NoTopic, identify
from shared.log import (
    CASE_EVENTS,
    PARTITIONS,
    ForeignWriter,
    Place,
    Producer,
    Reader,
    Unavailable,
    Unsealed,
    check,
    gathered,
    partition_of,
    topic_of,
)
from shared.settings import Settings

START = datetime(2021, 11, 10, 1, tzinfo=UTC)


def fact(name: str, data: ComplaintAccepted | ProgressReported | ComplainantTold) -> Event:
    return Event(id=name, subject="case-1", time=START, recordedtime=START, data=data)


@pytest.mark.parametrize(
    ("subject", "hashed"),
    # murmur2 of Kafka's Java client, from its own test of the function.
    [("21", -973932308), ("foobar", -790332482), ("abc", 479470107)],
)
def test_a_subject_has_the_partition_of_kafkas_java_client(subject: str, hashed: int) -> None:
    assert partition_of(subject) == (hashed & 0x7FFFFFFF) % PARTITIONS


@given(st.text(max_size=40))
def test_a_subject_has_the_partition_that_the_client_library_gives(subject: str) -> None:
    numbers = list(range(PARTITIONS))
    given = partitioner.DefaultPartitioner()(subject.encode(), numbers, numbers)
    assert partition_of(subject) == given


async def test_records_gather_unless_somebody_wants_them() -> None:
    wanted = asyncio.Event()
    waiting = asyncio.create_task(gathered(3600, wanted))
    await asyncio.wait((waiting,), timeout=0.01)
    assert not waiting.done()

    wanted.set()

    await asyncio.wait_for(waiting, 10)


def test_governance_has_a_topic_of_its_own() -> None:
    assert topic_of("governance") == "governance-events"
    assert topic_of("city") == topic_of("unit:TF1") == CASE_EVENTS


def test_a_service_may_publish_only_what_it_writes() -> None:
    check(fact("a", ComplaintAccepted()), "intake")
    with pytest.raises(ForeignWriter, match="routing may not publish ComplaintAccepted"):
        check(fact("a", ComplaintAccepted()), "routing")
    deadline = DeadlineSet(cause="a", timer="T09", started_at=START, due_at=START)
    with pytest.raises(ForeignWriter):
        check(Event(id="d", subject="c", time=START, recordedtime=START, data=deadline), "intake")


def test_text_about_a_person_is_published_sealed_or_not_at_all() -> None:
    check(fact("a", ProgressReported(text="sealed:abc")), "intake")
    with pytest.raises(Unsealed, match="ProgressReported /text"):
        check(fact("a", ProgressReported(text="找过老板了")), "intake")


@pytest.mark.live
async def test_what_is_published_is_read_back_where_it_was_acknowledged(
    settings: Settings,
) -> None:
    producer, reader = Producer(settings, "intake"), Reader(settings, "test")
    await producer.start()
    await reader.start()
    try:
        events = [fact(f"e{number}", ProgressReported()) for number in range(50)]
        places = await producer.publish(events)
        home = partition_of("case-1")
        assert places == [Place(CASE_EVENTS, home, number) for number in range(50)]
        ends = await reader.ends(CASE_EVENTS, range(PARTITIONS))
        assert ends == {number: 50 if number == home else 0 for number in range(PARTITIONS)}
        found = [
            record
            async for batch in reader.range(CASE_EVENTS, home, 10, 40, most=7)
            for record in batch
        ]
        assert [record.offset for record in found] == list(range(10, 40))
        assert [record.value for record in found] == [encode(event) for event in events[10:40]]
        assert {record.key for record in found} == {b"case-1"}
        assert datetime.now(UTC) - found[0].appended_at < timedelta(minutes=1)
    finally:
        await producer.stop()
        await reader.stop()


@pytest.mark.live
async def test_following_goes_on_from_the_position_and_says_when_nothing_comes(
    settings: Settings,
) -> None:
    producer, reader = Producer(settings, "intake"), Reader(settings, "test")
    await producer.start()
    try:
        await producer.publish([fact(f"e{number}", ProgressReported()) for number in range(3)])
        home = partition_of("case-1")
        batches = reader.follow({(CASE_EVENTS, home): 1}, wait=0.2)
        assert [record.offset for record in await anext(batches)] == [1, 2]
        assert await anext(batches) == []
        await producer.publish([fact("e3", ProgressReported())])
        assert [record.offset for record in await anext(batches)] == [3]
        await batches.aclose()
    finally:
        await producer.stop()
        await reader.stop()


@pytest.mark.live
async def test_following_can_be_ended_while_the_broker_is_away(
    settings: Settings, stack: LocalStack
) -> None:
    """Its fetches fail and are tried again; the end of one is not taken for a cancellation."""
    reader = Reader(settings, "test")
    start = {(CASE_EVENTS, number): 0 for number in range(PARTITIONS)}
    following = [reader.follow(start, wait=0.3) for _ in range(4)]
    try:
        for batches in following:
            assert await anext(batches) == []
        await asyncio.to_thread(stack.kafka.kill)
        for batches in following:
            assert await anext(batches) == []
            await batches.aclose()
    finally:
        await asyncio.to_thread(stack.kafka.start)


@pytest.mark.live
async def test_a_partition_is_the_one_that_a_foreign_producer_chooses(settings: Settings) -> None:
    """The client library's own default partitioner, given the key alone."""
    producer = Producer(settings, "intake")
    await producer.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        for subject in ("city", "unit:TF1", "unit:登封", "case-1"):
            place = await (await producer.send(CASE_EVENTS, subject, b"{}"))
            assert place.partition == partition_of(subject)
        topic = settings.topic(CASE_EVENTS)
        ends = await consumer.end_offsets(
            [TopicPartition(topic, number) for number in range(PARTITIONS)]
        )
        assert sum(ends.values()) == 4
    finally:
        await consumer.stop()
        await producer.stop()


@pytest.mark.live
async def test_a_topic_made_again_is_another_topic(settings: Settings) -> None:
    from infra import topics

    before = await identify(settings, CASE_EVENTS)
    assert before.partitions == PARTITIONS
    assert await identify(settings, CASE_EVENTS) == before
    await topics.remove(settings)
    with pytest.raises(NoTopic, match="qingqian topics"):
        await until_gone(settings)
    await topics.ensure(settings)
    after = await identify(settings, CASE_EVENTS)
    assert after.cluster_id == before.cluster_id
    assert after.topic_id != before.topic_id


async def until_gone(settings: Settings) -> None:
    """Deleting takes the broker a moment."""
    async with asyncio.timeout(20):
        while await identify(settings, CASE_EVENTS):
            pass


async def test_no_broker_is_said_in_one_word() -> None:
    nowhere = Settings(kafka="127.0.0.1:9")
    with pytest.raises(Unavailable):
        await Producer(nowhere, "intake").start()
    with pytest.raises(Unavailable):
        await Reader(nowhere, "test").start()
    with pytest.raises(Unavailable):
        await identify(nowhere, CASE_EVENTS)
