"""Faust's transport, made to hand over what a fetch brought of a partition as one message.

Faust gives every message two tasks and several turns of the event loop, which cost more than all
that a reconciler does for a record. Its own points of extension, the scheduler, the consumer and
its thread, let the same be done once for the records of a fetch: flow control, rebalancing,
generations, acknowledgements and commits stay Faust's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from faust.types.transports import SchedulingStrategyT
from faust.types.tuples import ConsumerMessage

from shared.broker import connection
from shared.log import CASE_EVENTS, FETCH_WAIT_MS, Record
from shared.settings import Settings


def brokers(settings: Settings) -> dict[str, Any]:
    """The arguments of an app that say where the brokers are and how they are spoken to; Faust
    hands them on to its consumer and its producer. Raises SettingsError as `connection`.
    """
    given = connection(settings)
    credentials: faust.SASLCredentials | faust.SSLCredentials | None = None
    if "sasl_mechanism" in given:
        credentials = faust.SASLCredentials(
            mechanism=given["sasl_mechanism"],
            username=given["sasl_plain_username"],
            password=given["sasl_plain_password"],
            ssl_context=given.get("ssl_context"),
        )
    elif "ssl_context" in given:
        credentials = faust.SSLCredentials(given["ssl_context"])
    return {
        "broker": [f"kafka://{server}" for server in settings.kafka.split(",")],
        "broker_credentials": credentials,
    }


class ByPartition(SchedulingStrategyT):
    """All records of a partition at once, in place of one by one in turns."""

    def __init__(self) -> None:
        """Nothing is kept."""

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
        """Each partition with its records."""
        return iter([(tp, found) for tp, found in records.items() if found])


class Fetched(ConsumerMessage):
    """The records of one partition from one fetch, in order; a message at the last one's offset.

    So acknowledging it stands for all of them. `records` are those of the consumer (aiokafka's).
    """

    __slots__ = ("records",)

    def __init__(self, tp: TP, records: list[Any], generation: int) -> None:
        last = records[-1]
        super().__init__(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            last.key,
            last.value,
            last.checksum,
            tp=tp,
            generation_id=generation,
        )
        self.records = [
            Record(
                CASE_EVENTS,
                each.partition,
                each.offset,
                each.timestamp,
                each.key,
                each.value or b"",
            )
            for each in records
        ]


class _Thread(AIOKafkaConsumerThread):
    """The consumer that Faust makes, less patient with empty fetches: it takes no setting."""

    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        made = super()._create_worker_consumer(transport)
        made._fetch_max_wait_ms = FETCH_WAIT_MS
        return made

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Whether it still fetches. Faust's further question, whether the stream still takes what
        it fetched, would be answered by what our sensor does not count, and an error written in
        the journal of a worker at work; our watchdog asks it (`partition.stuck`).
        """
        self._verify_aiokafka_event_path(now, tp)


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> Fetched:
        """`record`: what the scheduler gave us of the partition, which is all of it."""
        return Fetched(tp, record, self.app.consumer_generation_id)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """None is missing between two messages: the later one stands for all of these offsets."""

    def _new_offset(self, tp: TP) -> int | None:
        """What to commit of a partition, whose messages one agent acknowledges in their order.

        Faust's own wants every offset acknowledged. It knows of those between two messages, unless
        the first was offset 0: a record that came alone, as the first of a partition does. From
        then on it would commit nothing, and keep and sort every offset of the log.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        offset = max(acked) + 1
        self._acked_index[tp].difference_update(acked)
        acked.clear()
        return offset


class Fetches(Transport):
    """The transport of an app whose scheduler is ByPartition."""

    Consumer = _Consumer
