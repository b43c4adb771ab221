"""`qingqian import`: an exported log into an empty one, with the same order, bytes and trees.

The instants of appending come over too: the topics take them from the records while the import
runs, and from the broker again afterwards. A tree over every partition is built from the file and
again from what was read back; they must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from infra import export, loop, topics
from infra.audit.log import LogFile, Partition, micros
from infra.audit.pool import unlike_checkpoints
from infra.obstacles import silent_kafka
from infra.problem import Unready
from infra.stack.commands import say, stack_of
from infra.stack.kafka import answers
from infra.stack.local import starting
from shared import settings as settings_of
from shared.broker import NotAdmitted, connection, missed
from shared.log import Reader
from shared.merkle import Tree
from shared.settings import LOOPBACK, Settings

_AT_ONCE: Final = 2000
Roots = dict[Partition, tuple[int, str]]
"""Each partition's number of records and the root of its tree, in hexadecimal."""


def roots_of(log: LogFile) -> Roots:
    """The trees of an export. Raises Unready unless it holds every record from the first on."""
    found: Roots = {}
    for partition in log.partitions():
        if partition not in export.LAYOUT:
            raise Unready(
                f"{log.path.name}: the log has no partition {partition[0]}/{partition[1]}"
            )
        tree = Tree()
        for line in log.read(partition):
            if line.offset != tree.size:
                place = f"{line.topic}/{line.partition}/{line.offset}"
                raise Unready(f"{log.path.name}: {place} stands where offset {tree.size} must")
            tree.append(line.stored)
        found[partition] = (tree.size, tree.root().hex())
    return found


async def roots_on(settings: Settings) -> Roots:
    """The trees of the running log."""
    found: Roots = {}
    places = iter(export.LAYOUT)
    async for batches in export.partitions(settings, "import"):
        tree = Tree()
        async with aclosing(batches):
            async for records in batches:
                for record in records:
                    tree.append(record.value)
        place = next(places)
        if tree.size:
            found[place] = (tree.size, tree.root().hex())
    return found


async def write(settings: Settings, log: LogFile) -> Roots:
    """Import a log. Raises Unready if this log is not empty, or came out differently."""
    expected = roots_of(log)
    await topics.ensure(settings)
    await _refuse_unless_empty(settings)
    async with _timestamps_from_records(settings):
        await _append(settings, log)
    found = await roots_on(settings)
    if found != expected:
        different = sorted(key for key in expected | found if expected.get(key) != found.get(key))
        raise Unready(f"{different[0][0]}/{different[0][1]} came out differently from the file")
    return found


async def _refuse_unless_empty(settings: Settings) -> None:
    reader = Reader(settings, "import")
    await reader.start()
    try:
        records = sum((await export.ends(reader)).values())
    finally:
        await reader.stop()
    if records:
        raise Unready(
            f"the log has {records} records already; an import needs an empty one. "
            "Fix: qingqian down --wipe, then run the same command again: it starts Kafka without "
            "the services, which begin a log of their own"
        )


async def _append(settings: Settings, log: LogFile) -> None:
    producer = AIOKafkaProducer(
        **connection(settings),
        client_id="qingqian-import",
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=262_144,
        max_request_size=8_388_608,
    )
    await producer.start()
    try:
        for topic, number in log.partitions():
            waiting: list[Any] = []
            for line in log.read((topic, number)):
                sent = producer.send(
                    settings.topic(topic),
                    line.stored,
                    key=line.key.encode() if line.key is not None else None,
                    partition=number,
                    timestamp_ms=micros(line.appended_at) // 1000,
                )
                waiting.append(await sent)
                if len(waiting) >= _AT_ONCE:
                    await asyncio.gather(*waiting)
                    waiting.clear()
            await asyncio.gather(*waiting)
    finally:
        await producer.stop()


@asynccontextmanager
async def _timestamps_from_records(settings: Settings) -> AsyncIterator[None]:
    """The topics of the log keep the instants that the records carry, until this ends."""
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        await _stamp(admin, settings, "CreateTime")
        try:
            yield
        finally:
            await _stamp(admin, settings, "LogAppendTime")
    finally:
        await admin.close()


async def _stamp(admin: AIOKafkaAdminClient, settings: Settings, by: str) -> None:
    names = {topic for topic, _ in export.LAYOUT}
    answers = await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC,
                settings.topic(topic.name),
                configs={**topic.config, "message.timestamp.type": by},
            )
            for topic in topics.TOPICS
            if topic.name in names
        ]
    )
    for answer in answers:
        for code, message, *_ in answer.resources:
            if code:
                raise Unready(f"Kafka refused message.timestamp.type: {for_code(code)} {message}")


def run(file: Path) -> int:
    """`qingqian import FILE.jsonl`: prints the root of each partition's tree.

    Raises KeyboardInterrupt, once it has said what is left, where it is stopped half way.
    """
    log = LogFile(file)
    settings = settings_of.load()
    started = _serve(settings)
    try:
        found = loop.run(write(settings, log))
    except KeyboardInterrupt:
        # Services would take a part of a history for the whole, and go on from there.
        say(
            "interrupted: the log may hold a part of the file; start no service on it. "
            "Fix: qingqian down --wipe, then run the same command again"
        )
        raise
    except KafkaError as error:
        fault = loop.run(missed(settings, error))
        if isinstance(fault, NotAdmitted):
            raise fault from None
        raise silent_kafka(settings, fault) from None
    for (topic, number), (size, root) in sorted(found.items()):
        print(f"{topic}/{number} {size} sha256:{root}")
    if unlike_checkpoints(log):
        say(
            f"warning: this log is not what its own checkpoints signed; "
            f"qingqian audit --log {file} names what was changed"
        )
    print(f"{log.survey.lines} events imported from {file}")
    if started:
        say("next: qingqian up starts the services on this log")
    return 0


def _serve(settings: Settings) -> bool:
    """Start the local servers where none serves: the services would begin a log of their own."""
    if settings.kafka_security_protocol != "plaintext":
        return False
    host, _, port = settings.kafka.rpartition(":")
    if host not in LOOPBACK or "," in settings.kafka or answers(int(port)):
        return False
    say("starting Kafka and PostgreSQL, without the services")
    with starting(settings.data_dir):
        stack_of(settings, keep=True).start()
    return True
