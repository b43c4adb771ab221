"""The log as the audit reads it: an export's lines, partition by partition.

The audit of a running log first writes an export beside it, so that there is one way of reading
and a partition at a time is in memory. `Survey` is the first of two passes: what must be known
of the whole log before a stream can be replayed.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import orjson

from infra.problem import Unready
from shared.log import CASE_EVENTS, EPOCH, GOVERNANCE_EVENTS

TOPICS: Final = (CASE_EVENTS, GOVERNANCE_EVENTS)
TOLERANCE: Final = timedelta(seconds=60)
"""What two clocks, or a record on its way, may differ by before the audit says so."""
_HEAD = re.compile(
    rb'\{"topic":"([a-z-]+)","partition":(\d+),"offset":(\d+),"appended_at":"([^"]+)"'
)
_TAIL = re.compile(rb'"recordedtime":"([^"]+)","source":"/qingqian/([a-z]+)"')

Partition = tuple[str, int]
Activity: TypeAlias = "dict[tuple[str, int, str], array[int]]"
"""(topic, partition, writer) -> the instants at which it recorded there, in microseconds."""


@dataclass(slots=True)
class Line:
    """One record of the log. `doc`: its event as parsed JSON; None where it is none.

    `raw`: the stored bytes, where they are not the canonical ones of `doc`.
    """

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    key: str | None
    doc: dict[str, Any] | None
    raw: bytes | None

    @property
    def stored(self) -> bytes:
        """The record's value as stored."""
        return self.raw if self.raw is not None else orjson.dumps(self.doc, option=_SORTED)


_CASE_EVENTS: Final = CASE_EVENTS.encode()
_SORTED: Final = orjson.OPT_SORT_KEYS


def parse(text: bytes, where: str) -> Line:
    """A line of an export. Raises Unready naming the line and what is wrong with it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unready(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unready(f"{where}: not a line of an export: a JSON object is expected")
    try:
        doc, raw, key = value["event"], value.get("raw"), value["key"]
        line = Line(
            _typed(value["topic"], str),
            _typed(value["partition"], int),
            _typed(value["offset"], int),
            datetime.fromisoformat(value["appended_at"]).astimezone(UTC),
            key if key is None else _typed(key, str),
            doc if isinstance(doc, dict) else None,
            base64.b64decode(raw, validate=True) if raw is not None else None,
        )
    except KeyError as error:
        raise Unready(f"{where}: no field {error}") from None
    except (OverflowError, TypeError, ValueError) as error:
        raise Unready(f"{where}: not a line of an export: {error}") from None
    if line.topic not in TOPICS or line.partition < 0 or line.offset < 0:
        raise Unready(f"{where}: {line.topic}/{line.partition}/{line.offset} is not of this log")
    if line.doc is None and line.raw is None:
        raise Unready(f"{where}: `event` is no object")
    return line


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def micros(instant: datetime) -> int:
    """Microseconds since 1970, to keep many instants in little room."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass
class Survey:
    """What the first pass finds. `governance` and `crossing`: lines kept whole.

    `crossing`: decisions that another stream decided than the one they stand on.
    `recorded`: (topic, partition, writer, prompt) -> every `recordedtime`, in
    microseconds; prompt: appended within a minute of it.
    `runs`: where the lines of a partition lie in the file. `newest`: the latest `recordedtime`;
    one that lies after its own appending is a slip or a forgery and does not count.
    """

    governance: list[Line] = field(default_factory=list)
    crossing: list[Line] = field(default_factory=list)
    recorded: dict[tuple[str, int, str, bool], array[int]] = field(
        default_factory=lambda: defaultdict(lambda: array("q"))
    )
    runs: dict[Partition, list[tuple[int, int, int]]] = field(default_factory=dict)
    disordered: set[Partition] = field(default_factory=set)
    """Partitions whose offsets do not rise from line to line."""
    newest: datetime | None = None
    lines: int = 0

    def activity(self, wall: bool) -> Activity:
        """When each writer was at work on each partition, sorted.

        On the wall clock a record counts only if it was appended when it says it was written.
        """
        at_work: Activity = {}
        for (topic, partition, writer, prompt), instants in self.recorded.items():
            if prompt or not wall:
                at_work.setdefault((topic, partition, writer), array("q")).extend(instants)
        return {place: array("q", sorted(instants)) for place, instants in at_work.items()}


class LogFile:
    """An export, read twice. Raises Unready where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.survey = Survey()
        self._offsets: dict[Partition, int] = {}
        self._scan()

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb", buffering=1 << 20)
        except OSError as error:
            raise Unready(f"{self.path}: {error.strerror}") from None

    def _scan(self) -> None:
        survey, position = self.survey, 0
        run: Partition | None = None
        start = first = 0
        with self._open() as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    partition = self._note(text, number)
                    if partition != run:
                        if run is not None:
                            survey.runs.setdefault(run, []).append((start, position, first))
                        run, start, first = partition, position, number
                position += len(text)
        if run is not None:
            survey.runs.setdefault(run, []).append((start, position, first))

    def _note(self, text: bytes, number: int) -> Partition:
        """Take from a line what the whole log must be known for; parse only where needed."""
        survey = self.survey
        survey.lines += 1
        head, tail = _HEAD.match(text), None
        if head is not None and head[1] == _CASE_EVENTS and b'"decidedby":' not in text:
            tails = _TAIL.findall(text)
            tail = tails[-1] if tails else None
        if head is not None and tail is not None:
            partition, offset = (CASE_EVENTS, int(head[2])), int(head[3])
            recorded, writer = tail[0].decode(), tail[1].decode()
            appended_at = _appended(head[4])
        else:
            line = parse(text, f"{self.path.name} line {number}")
            partition, offset = (line.topic, line.partition), line.offset
            appended_at, doc = line.appended_at, line.doc or {}
            recorded, writer = doc.get("recordedtime"), str(doc.get("source", "")).split("/")[-1]
            if line.topic == GOVERNANCE_EVENTS:
                survey.governance.append(line)
            elif "decidedby" in doc:
                survey.crossing.append(line)
        if offset <= self._offsets.get(partition, -1):
            survey.disordered.add(partition)
        self._offsets[partition] = offset
        at = _instant(recorded)
        if at is not None and appended_at is not None:
            ahead = at - appended_at
            survey.recorded[*partition, writer, ahead >= -TOLERANCE].append(micros(at))
            if ahead <= TOLERANCE and (survey.newest is None or at > survey.newest):
                survey.newest = at
        return partition

    def in_order(self, partition: Partition) -> bool:
        """Whether the offsets of a partition rise from line to line."""
        return partition not in self.survey.disordered

    def partitions(self) -> list[Partition]:
        return sorted(self.survey.runs)

    def read(self, partition: Partition) -> Iterator[Line]:
        """The lines of a partition, in the order of the file."""
        with self._open() as file:
            for start, end, number in self.survey.runs.get(partition, ()):
                file.seek(start)
                position = start
                while position < end:
                    text = file.readline()
                    position += len(text)
                    if text.strip():
                        yield parse(text, f"{self.path.name} line {number}")
                    number += 1


@lru_cache(maxsize=1024)
def _appended(text: bytes) -> datetime | None:
    """The instant of an appending; the records of one batch have the same."""
    return _instant(text.decode())


def _instant(text: Any) -> datetime | None:
    try:
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    if value.tzinfo is UTC:
        return value
    try:
        return value.astimezone(UTC) if value.tzinfo else None
    except OverflowError:
        return None
