"""The topics: declared once, here; created where missing, checked where present.

`case-events` and `governance-events` are the system of record: kept for ever, never compacted, and
their partitions are fixed at birth, since a key's partition must not change.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from infra import loop
from infra.problem import Unready
from shared.broker import NotAdmitted, connection, missed
from shared.settings import Settings, load

_FOR_EVER: Final = {"retention.ms": "-1", "retention.bytes": "-1"}
_SEVEN_DAYS: Final = {"retention.ms": str(7 * 24 * 60 * 60 * 1000)}
_BY_BROKER: Final = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True)
class Topic:
    """One declared topic; `name` is without the namespace."""

    name: str
    partitions: int
    config: Mapping[str, str]


TOPICS: Final = (
    Topic("case-events", 12, _BY_BROKER | _FOR_EVER),
    Topic("governance-events", 1, _BY_BROKER | _FOR_EVER),
    Topic("feed-complaints", 3, _BY_BROKER | _SEVEN_DAYS),
    Topic("feed-complaints.parked", 1, _BY_BROKER | _FOR_EVER),
    Topic("case-events.parked", 1, _BY_BROKER | _FOR_EVER),
)


async def ensure(settings: Settings) -> list[str]:
    """Create the topics that are missing, check the others; names of those created.

    Returns when every partition has a leader. Raises :class:`Unready` with one line when the broker
    cannot be reached or a topic differs from what is declared, NotAdmitted where it does not take
    us.
    """
    namespace = settings.namespace
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=15_000)
    try:
        await admin.start()
        created = await _create(admin, namespace)
        await _wait_for_leaders(admin, namespace)
        await _verify(admin, namespace, [topic for topic in TOPICS if topic.name not in created])
    except KafkaError as error:
        fault = await missed(settings, error)
        if isinstance(fault, NotAdmitted):
            raise fault from error
        raise Unready(
            f"Kafka at {settings.kafka} does not serve ({fault}). "
            f"Fix: qingqian up, or set QINGQIAN_KAFKA"
        ) from error
    finally:
        await admin.close()
    return [f"{namespace}{name}" for name in created]


async def remove(settings: Settings) -> None:
    """Delete a namespace's topics (tests; a namespace is demanded so that no real log is met)."""
    namespace = settings.namespace
    if not namespace:
        raise ValueError("the topics without a namespace are never deleted from here")
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=15_000)
    try:
        await admin.start()
        there = set(await admin.list_topics())
        await admin.delete_topics([n for t in TOPICS if (n := f"{namespace}{t.name}") in there])
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, namespace: str) -> list[str]:
    there = set(await admin.list_topics())
    missing = [topic for topic in TOPICS if f"{namespace}{topic.name}" not in there]
    if not missing:
        return []
    answer = await admin.create_topics(
        [
            NewTopic(f"{namespace}{topic.name}", topic.partitions, 1, topic_configs=topic.config)
            for topic in missing
        ]
    )
    for name, code, *_reason in answer.topic_errors:
        if code == TopicAuthorizationFailedError.errno:
            raise TopicAuthorizationFailedError(name)
        # Somebody else may create the same topics at this moment; theirs are checked like any.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Unready(f"Kafka refused topic {name}: {for_code(code).__name__}")
    return [topic.name for topic in missing]


async def _wait_for_leaders(
    admin: AIOKafkaAdminClient, namespace: str, seconds: float = 15
) -> None:
    names = [f"{namespace}{topic.name}" for topic in TOPICS]
    deadline = time.monotonic() + seconds
    while True:
        found = {topic["topic"]: topic for topic in await admin.describe_topics(names)}
        waiting = [
            name
            for name in names
            if found[name]["error_code"]
            or any(part["leader"] < 0 for part in found[name]["partitions"])
        ]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise Unready(f"topic {waiting[0]} has no leader after {seconds:.0f} s")
        await asyncio.sleep(0.05)


async def _verify(admin: AIOKafkaAdminClient, namespace: str, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    names = [f"{namespace}{topic.name}" for topic in topics]
    counts = {
        found["topic"]: len(found["partitions"]) for found in await admin.describe_topics(names)
    }
    configs = await _configs(admin, names)
    for topic in topics:
        name = f"{namespace}{topic.name}"
        if counts[name] != topic.partitions:
            raise Unready(
                f"topic {name} has {counts[name]} partitions, {topic.partitions} are declared; "
                f"the number is fixed at birth. Fix: qingqian export, a new broker, qingqian import"
            )
        for key, wanted in topic.config.items():
            if configs[name].get(key) != wanted:
                raise Unready(
                    f"topic {name} has {key}={configs[name].get(key)}, {wanted} is declared. "
                    f"Fix: set it on the topic with your broker's own tool"
                )


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, _message, _kind, name, entries in answer.resources:
            if code:
                raise for_code(code)(name)
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def run() -> int:
    """``qingqian topics``: create and check, and say what was done."""
    settings = load()
    created = loop.run(ensure(settings))
    for topic in TOPICS:
        name = settings.topic(topic.name)
        print(f"{'created' if name in created else 'as declared'}: {name}", file=sys.stdout)
    return 0
