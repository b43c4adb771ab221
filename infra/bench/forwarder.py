"""The reconciler's peer: a bare Faust agent that forwards each record, and does nothing else.

A process of its own: ``python -m infra.bench.forwarder GROUP SOURCE TARGET SENDER``. Its app
has the settings of the reconciler's, which are the best ones known to us for either. SENDER is the
way a record is sent on: `faust` is its topic's own `send`; `each` and `batch` an idempotent
aiokafka producer, record by record, or as many at once as the stream has (then all
acknowledgements are awaited before the records are acknowledged).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, Final, Literal

import faust
from aiokafka import AIOKafkaProducer

from shared.broker import connection
from shared.reconciler.fetched import brokers
from shared.settings import Settings, load

Sender = Literal["faust", "each", "batch"]
SENDERS: Final[tuple[Sender, ...]] = ("faust", "each", "batch")
MOST: Final = 2000
UNDER_WAY: Final = 2000
"""Records sent one by one whose acknowledgements may be outstanding."""

SETTINGS: Final = (
    "at_least_once, raw serializers, max.poll.records 2000, buffer 8000, commit every 1 s, "
    "no tables, web, leader or monitor; producer acks=all, idempotent, linger 5 ms, 128 KiB"
)


def app(settings: Settings, group: str, source: str, target: str, sender: Sender) -> faust.App:
    """The app; its agent starts with it."""
    made = faust.App(
        group,
        **brokers(settings),
        processing_guarantee="at_least_once",
        broker_commit_interval=1.0,
        broker_session_timeout=9.0,
        broker_heartbeat_interval=2.5,
        broker_max_poll_interval=3600.0,
        broker_max_poll_records=MOST,
        stream_buffer_maxsize=MOST * 4,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_batch_size=131_072,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        datadir=settings.data_dir / "faust",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    read = made.topic(source, key_serializer="raw", value_serializer="raw")
    written = made.topic(target, key_serializer="raw", value_serializer="raw")
    producer = AIOKafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=131_072,
    )

    async def forward_faust(stream: Any) -> None:
        async for event in stream.events():
            await written.send(key=event.message.key, value=event.message.value)

    async def forward_each(stream: Any) -> None:
        under_way: set[asyncio.Future[Any]] = set()
        await producer.start()
        async for event in stream.events():
            message = event.message
            sent = await producer.send(target, message.value, key=message.key)
            under_way.add(sent)
            sent.add_done_callback(under_way.discard)
            if len(under_way) >= UNDER_WAY:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)

    async def forward_batch(stream: Any) -> None:
        await producer.start()
        async for events in stream.take_events(MOST, within=0.05):
            sent = [
                await producer.send(target, event.message.value, key=event.message.key)
                for event in events
            ]
            await asyncio.gather(*sent)

    agents = {"faust": forward_faust, "each": forward_each, "batch": forward_batch}
    made.agent(read, concurrency=1, name="forward")(agents[sender])
    return made


async def _run(arguments: list[str]) -> None:
    group, source, target, sender = arguments
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    settings = load()
    made = app(settings, group, settings.topic(source), settings.topic(target), _sender(sender))
    await made.start()
    await stopping.wait()
    # Nothing is lost that anybody would miss; its own way of stopping takes many seconds.
    os._exit(0)


def _sender(text: str) -> Sender:
    for sender in SENDERS:
        if sender == text:
            return sender
    raise SystemExit(f"forwarder: {text} is none of {', '.join(SENDERS)}")


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1:]))
