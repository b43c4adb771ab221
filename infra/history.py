"""A log as events in memory: for commands that look at one case, or at all of history at once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra import export, loop
from infra.audit.log import LogFile
from infra.obstacles import silent_kafka
from infra.problem import Unready
from shared import settings as settings_of
from shared.envelope import Unreadable, decode, from_document
from shared.events import ComplaintAccepted, Decision, Event, PolicyAdopted
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, Reader, Unavailable, partition_of
from shared.policy import Policy, PolicyError, adopted


@dataclass(frozen=True)
class History:
    """What was reported, in order of instant, and the books it was decided under.

    The instant of a fact is the running maximum of `recordedtime` on its partition.
    """

    facts: list[Event]
    books: list[Policy]
    until: datetime


def read(log: Path | None) -> History:
    """The history of an export, or of the running log. Raises Unready without a single book."""
    if log is not None:
        return _of(LogFile(log))
    with tempfile.TemporaryDirectory(prefix="qingqian-history-") as folder:
        path = Path(folder) / "log.jsonl"
        with path.open("wb") as out:
            loop.run(export.write(settings_of.load(), out.writelines))
        return _of(LogFile(path))


def _of(log: LogFile) -> History:
    books: list[Policy] = []
    facts: list[tuple[datetime, int, int, Event]] = []
    for topic, number in log.partitions():
        latest: datetime | None = None
        for offset, event in enumerate(_events(log, (topic, number))):
            if latest is None or event.recordedtime > latest:
                latest = event.recordedtime
            if topic == GOVERNANCE_EVENTS:
                books += book_of(event)
            elif not isinstance(event.data, Decision):
                facts.append((latest, number, offset, event))
    if not books or log.survey.newest is None:
        raise Unready(f"{log.path.name}: no policy book was ever adopted")
    facts.sort(key=lambda fact: fact[:3])
    history = [event.replace(recordedtime=at) for at, _, _, event in facts]
    return History(history, books, log.survey.newest)


def _events(log: LogFile, partition: tuple[str, int]) -> Iterator[Event]:
    """The readable events of a partition; each id once."""
    seen: set[str] = set()
    for line in log.read(partition):
        try:
            event = from_document(line.doc or {})
        except Unreadable:
            continue
        if event.id not in seen:
            seen.add(event.id)
            yield event


def book_of(event: Event) -> list[Policy]:
    """The book of a PolicyAdopted; none for anything else and for one that cannot be read."""
    if not isinstance(event.data, PolicyAdopted):
        return []
    try:
        return [adopted(event)]
    except PolicyError:
        return []


def read_subject(subject: str) -> tuple[list[Event], list[Policy]]:
    """A subject's events on the running log, in order, and the adopted books.

    Reads the subject's partition and governance only. Raises Unready without a broker.
    """
    events, governance = loop.run(_read_subject(subject))
    return events, [book for event in governance for book in book_of(event)]


async def _read_subject(subject: str) -> tuple[list[Event], list[Event]]:
    settings = settings_of.load()
    reader = Reader(settings, "explain")
    try:
        await reader.start()
        ends = await export.ends(reader)
        place = (CASE_EVENTS, partition_of(subject))
        return (
            await _partition(reader, *place, ends.get(place, 0), subject),
            await _partition(reader, GOVERNANCE_EVENTS, 0, ends.get((GOVERNANCE_EVENTS, 0), 0)),
        )
    except Unavailable as error:
        raise silent_kafka(settings, error) from None
    finally:
        await reader.stop()


def case_numbered(number: str) -> str | None:
    """The case that was accepted on the running log under a number; None where none was.

    Reads the log until it is found: only the acceptance carries the number. Raises Unready
    without a broker.
    """
    return loop.run(_case_numbered(number))


async def _case_numbered(number: str) -> str | None:
    settings = settings_of.load()
    reader = Reader(settings, "explain")
    try:
        await reader.start()
        for (topic, partition), end in (await export.ends(reader)).items():
            async with aclosing(reader.range(topic, partition, 0, end)) as batches:
                async for records in batches:
                    for record in records:
                        if _accepts(record.value, number):
                            return str(decode(record.value).subject)
    except Unavailable as error:
        raise silent_kafka(settings, error) from None
    finally:
        await reader.stop()
    return None


def _accepts(value: bytes, number: str) -> bool:
    if number.encode() not in value:
        return False
    try:
        data = decode(value).data
    except Unreadable:
        return False
    return isinstance(data, ComplaintAccepted) and data.number == number


async def _partition(
    reader: Reader, topic: str, number: int, end: int, subject: str | None = None
) -> list[Event]:
    found: dict[str, Event] = {}
    key = None if subject is None else subject.encode()
    async with aclosing(reader.range(topic, number, 0, end)) as batches:
        async for records in batches:
            for record in records:
                if key is not None and record.key != key:
                    continue
                try:
                    event = decode(record.value)
                except Unreadable:
                    continue
                found.setdefault(event.id, event)
    return list(found.values())
