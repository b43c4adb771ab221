"""Which cluster and which topic: the ids that change when a log is another log.

A position is only true for the very topic it was counted on. The broker tells a topic's id from
version 10 of its metadata on, which the client library does not speak; hence the few lines here.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from shared.broker import connection, denied, missed
from shared.settings import Settings

# The library carries no types, hence the ignores below.


class Identity(NamedTuple):
    """Cluster and topic. `partitions`: how many the topic has."""

    cluster_id: str
    topic_id: str
    partitions: int


class NoTopic(LookupError):
    """The topic does not exist on this broker."""


class _Uuid:
    """The protocol's 16 bytes."""

    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


class _Id(Schema):  # type: ignore[misc]
    """A schema of one field, as the library's arrays of structures want it."""

    def __init__(self) -> None:
        super().__init__()

    def encode(self, item: uuid.UUID) -> bytes:
        return _Uuid.encode(item)

    def decode(self, data: BytesIO) -> uuid.UUID:
        return _Uuid.decode(data)


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Id()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Id()), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class([(uuid.UUID(int=0), self.topic, {})], False, False, False, {})


async def identify(settings: Settings, topic: str) -> Identity:
    """The identity of a topic. Raises Unavailable, NotAdmitted, or NoTopic where it was not
    created.
    """
    client = AIOKafkaClient(**connection(settings), client_id="qingqian-identity")
    name = settings.topic(topic)
    try:
        await client.bootstrap()
        answer = await client.send(client.get_random_node(), _MetadataRequest(name))
    except (KafkaError, OSError) as error:
        raise await missed(settings, error) from None
    finally:
        with suppress(Exception):
            await client.close()
    code, _, topic_id, _, partitions, _, _ = answer.topics[0]
    if code == TopicAuthorizationFailedError.errno:
        raise denied(settings, TopicAuthorizationFailedError(name))
    if code:
        raise NoTopic(f"no topic {name} on this broker (code {code}); run `qingqian topics`")
    return Identity(str(answer.cluster_id), str(topic_id), len(partitions))
