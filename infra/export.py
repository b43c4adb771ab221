"""`qingqian export`: the whole log as lines, in the order of topic, partition and offset.

A line carries the stored bytes of its event untouched, so that the trees over an export are the
trees over the log. A record that is not canonical JSON cannot stand in a line as such: its bytes
are carried as `raw` (base64) beside what can be read of it, so that an export never drops any.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import orjson

from infra import loop
from infra.obstacles import silent_kafka
from infra.problem import Unready
from shared import settings as settings_of
from shared.events import instant_text
from shared.log import (
    CASE_EVENTS,
    EPOCH,
    GOVERNANCE_EVENTS,
    PARTITIONS,
    Reader,
    Record,
    Unavailable,
)
from shared.settings import Settings

LAYOUT: Final = (
    *((CASE_EVENTS, number) for number in range(PARTITIONS)),
    (GOVERNANCE_EVENTS, 0),
)
"""Every partition of the log, in the order of an export."""

Batches = AsyncGenerator[list[Record]]


def line_of(record: Record) -> bytes:
    """One line of an export, with its line feed."""
    key = record.key.decode(errors="replace") if record.key is not None else None
    head = b'{"topic":"%s","partition":%d,"offset":%d,"appended_at":"%s","key":%s,"event":' % (
        record.topic.encode(),
        record.partition,
        record.offset,
        _stamp(record.timestamp),
        orjson.dumps(key),
    )
    if _is_canonical(record.value):
        return head + record.value + b"}\n"
    raw = base64.b64encode(record.value)
    return head + _readable(record.value) + b',"raw":"' + raw + b'"}\n'


@lru_cache(maxsize=1024)
def _stamp(timestamp: int) -> bytes:
    """When the broker appended a record, as text; the records of one batch have the same."""
    return instant_text(EPOCH + timedelta(milliseconds=timestamp)).encode()


def _is_canonical(value: bytes) -> bool:
    """Whether a record's value is one JSON object in its canonical form."""
    try:
        found = orjson.loads(value)
        return isinstance(found, dict) and orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == value
    except orjson.JSONDecodeError:
        return False


def _readable(value: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(value))
    except orjson.JSONDecodeError:
        return b"null"


def recorded_at(value: bytes) -> datetime | None:
    """`recordedtime` of a record's value; None where there is none to read."""
    try:
        found = datetime.fromisoformat(orjson.loads(value)["recordedtime"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo else None


async def ends(reader: Reader) -> dict[tuple[str, int], int]:
    """The end of every partition, read once: what comes later is not of this reading.

    Raises Unready naming the fix where the topics are missing.
    """
    found: dict[tuple[str, int], int] = {}
    for topic in (CASE_EVENTS, GOVERNANCE_EVENTS):
        partitions = [number for name, number in LAYOUT if name == topic]
        try:
            for number, end in (await reader.ends(topic, partitions)).items():
                found[topic, number] = end
        except Unavailable as error:
            raise Unready(f"topic {topic}: {error}; is the stack up? Fix: qingqian up") from None
    return found


async def partitions(settings: Settings, client: str) -> AsyncIterator[Batches]:
    """Every partition of the log, in order, each as its batches of records."""
    reader = Reader(settings, client)
    try:
        await reader.start()
        end = await ends(reader)
        for topic, number in LAYOUT:
            yield reader.range(topic, number, 0, end.get((topic, number), 0))
    except Unavailable as error:
        raise silent_kafka(settings, error) from None
    finally:
        await reader.stop()


async def write(
    settings: Settings,
    sink: Callable[[Iterable[bytes]], object],
    as_of: datetime | None = None,
) -> int:
    """Hand every line of the log to `sink`; returns how many. `as_of`: each partition is cut
    before its first record whose running maximum of `recordedtime` exceeds it.
    """
    count = 0
    async for batches in partitions(settings, "export"):
        async with aclosing(batches):
            async for records in batches:
                kept = records if as_of is None else _before(records, as_of)
                sink(line_of(record) for record in kept)
                count += len(kept)
                if len(kept) < len(records):
                    break
    return count


def _before(records: list[Record], as_of: datetime) -> list[Record]:
    """The records before the first that was recorded later than `as_of`."""
    for index, record in enumerate(records):
        at = recorded_at(record.value)
        if at is not None and at > as_of:
            return records[:index]
    return records


def instant(text: str, option: str) -> datetime:
    """An instant given on the command line. Raises Unready naming the option."""
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is not None:
            return value.astimezone(UTC)
    except (OverflowError, ValueError):
        pass
    raise Unready(f"{option}: {text!r} is no RFC 3339 instant (2022-02-01T00:00:00+08:00)")


def run(file: Path, as_of: str | None) -> int:
    """`qingqian export [--as-of T] FILE.jsonl`; the file appears only once it is whole.

    A pipe or a device is written to as it is: a file in its place would be its end.
    """
    until = instant(as_of, "--as-of") if as_of else None
    whole = file.resolve()
    as_it_is = whole.exists() and not whole.is_file()
    part = whole.with_name(f".{whole.name}.part")
    try:
        with (whole if as_it_is else part).open("wb") as out:
            count = loop.run(write(settings_of.load(), out.writelines, until))
        if not as_it_is:
            os.replace(part, whole)
    except OSError as error:
        raise Unready(f"{file}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"{count} events written to {file}")
    return 0
