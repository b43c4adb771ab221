"""What a fetch brings of a partition goes through Faust as one message."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.types import TP

from shared.log import CASE_EVENTS
from shared.reconciler.fetched import ByPartition, Fetched, _Thread


def fetched(partition: int, offsets: range) -> list[Any]:
    """Records as the consumer gives them."""
    return [
        SimpleNamespace(
            topic="t",
            partition=partition,
            offset=offset,
            timestamp=1_636_000_000_000 + offset,
            timestamp_type=0,
            key=b"k",
            value=None if offset == 7 else b"v%d" % offset,
            checksum=None,
        )
        for offset in offsets
    ]


def test_each_partition_comes_once_with_all_its_records() -> None:
    first, second = TP("t", 0), TP("t", 1)
    records = {first: fetched(0, range(3, 6)), TP("t", 2): [], second: fetched(1, range(9, 10))}
    given = [(tp, [each.offset for each in found]) for tp, found in ByPartition().iterate(records)]
    assert given == [(first, [3, 4, 5]), (second, [9])]


def test_acknowledging_the_message_stands_for_its_last_record() -> None:
    message = Fetched(TP("t", 4), fetched(4, range(6, 9)), generation=2)
    assert (message.offset, message.generation_id) == (8, 2)
    assert [each.offset for each in message.records] == [6, 7, 8]
    assert {(each.topic, each.partition) for each in message.records} == {(CASE_EVENTS, 4)}
    assert [each.value for each in message.records] == [b"v6", b"", b"v8"], "no value: no bytes"
    assert message.records[0].timestamp == 1_636_000_000_006


def test_a_stream_that_our_sensor_does_not_count_is_no_error_of_fausts() -> None:
    asked: list[TP] = []
    thread = SimpleNamespace(_verify_aiokafka_event_path=lambda _, tp: asked.append(tp))
    _Thread.verify_event_path(thread, 0.0, TP("t", 3))  # type: ignore[arg-type]
    assert asked == [TP("t", 3)]


def test_the_consumer_keeps_its_patience_where_we_set_it() -> None:
    async def kept() -> Any:
        consumer = AIOKafkaConsumer(fetch_max_wait_ms=7)
        await consumer.stop()
        return consumer._fetch_max_wait_ms

    assert asyncio.run(kept()) == 7
