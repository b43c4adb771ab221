"""Streams in memory and as stored, and decisions on their way to the log."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from pydantic import BaseModel

from shared import settle
from shared.envelope import encode
from shared.events import Event, Kind
from shared.log import partition_of
from shared.policy import Policy
from shared.reconciler.store import StoredRow
from shared.settle import Decider, Stream, begin
from shared.streams import kind_of

Deciders = Mapping[Kind, Decider[Any]]
"""What a service says about each kind of stream; kinds that are missing it does not follow."""


class Outgoing(NamedTuple):
    """A decision on its way to the log: its stored bytes, and where they go."""

    subject: str
    document: bytes
    type: str
    level: str | None


@dataclass(slots=True)
class Row:
    """One stream in memory. `partition`: of its subject. `pending`: not acknowledged yet.

    `wake_at`: as it was last stored. `written`: the state last stored or read, and its text.
    """

    decider: Decider[Any]
    stream: Stream[Any]
    partition: int
    pending: list[Outgoing] = field(default_factory=list)
    wake_at: datetime | None = None
    written: tuple[Any, str] | None = field(default=None, repr=False)

    def state_text(self) -> str:
        """The state as JSON; most events leave a stream's state as it is, and so its text."""
        state = self.stream.state
        if self.written is None or self.written[0] is not state:
            self.written = (state, msgspec.json.encode(state, enc_hook=_plain).decode())
        return self.written[1]


def begin_row(deciders: Deciders, subject: str) -> Row:
    """A stream nobody has heard of. Raises KeyError where the service has no decider for it."""
    decider = deciders[kind_of(subject)]
    return Row(decider, begin(decider, subject), partition_of(subject))


def outgoing(decision: Event, now: datetime) -> Outgoing:
    """Stamp and encode a decision. `now`: of the round; what is owed later is recorded then."""
    decision.recordedtime = max(now, decision.recordedtime)
    level = getattr(decision.data, "level", None)
    return Outgoing(decision.subject, encode(decision), decision.type, level)


def parse_outgoing(line: str) -> Outgoing:
    document = orjson.loads(line)
    level = document["data"].get("level")
    return Outgoing(document["subject"], line.encode(), document["type"], level)


def wake_at(row: Row, latest: Policy) -> datetime | None:
    """The earliest instant at which the stream owes something, under the book it is at."""
    return settle.wake_at(row.decider, row.stream, row.stream.book or latest)


def store_row(row: Row, latest: Policy) -> StoredRow:
    """The stored form. The texts are JSON, ids with spaces between, documents a line each."""
    stream = row.stream
    return StoredRow(
        stream.subject,
        row.partition,
        row.state_text(),
        stream.instant,
        stream.basis,
        " ".join(stream.seen),
        b"\n".join(item.document for item in row.pending).decode(),
        wake_at(row, latest),
        (stream.book or latest).hash,
    )


def load_row(deciders: Deciders, stored: StoredRow) -> Row:
    """The stream as it was stored."""
    decider = deciders[kind_of(stored.subject)]
    stream = Stream(
        subject=stored.subject,
        state=msgspec.json.decode(stored.state, type=decider.state_type, dec_hook=_model),
        instant=stored.instant,
        basis=stored.basis,
        seen=set(stored.seen.split(" ")) if stored.seen else set(),
    )
    pending = [parse_outgoing(line) for line in stored.pending.split("\n") if line]
    written = (stream.state, stored.state)
    return Row(decider, stream, stored.partition, pending, stored.wake_at, written)


LAYOUT: Final = 2
"""Of the tables themselves; raised with every change of a column."""


def shape_of(deciders: Deciders) -> str:
    """A digest of tables and state types: what was written with another one cannot be read."""
    schemas: dict[str, Any] = {"layout": LAYOUT}
    for kind, decider in deciders.items():
        schemas[kind] = msgspec.json.schema(decider.state_type, schema_hook=_schema)
    raw = orjson.dumps(schemas, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(raw).hexdigest()


def _plain(value: Any) -> Any:
    """A state may keep an event's data, which is a pydantic model, as it stood on the log."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise NotImplementedError(f"{type(value).__name__} cannot stand in a stored state")


def _model(expected: type[Any], value: Any) -> Any:
    if issubclass(expected, BaseModel):
        return expected.model_validate(value)
    raise NotImplementedError(f"{expected.__name__} cannot stand in a stored state")


def _schema(kind: type[Any]) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return kind.model_json_schema()
    raise NotImplementedError(f"{kind.__name__} cannot stand in a stored state")


class Cache:
    """Streams of one partition, the least recently used forgotten first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: OrderedDict[str, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, subject: str) -> Row | None:
        row = self._rows.get(subject)
        if row is not None:
            self._rows.move_to_end(subject)
        return row

    def put(self, row: Row) -> None:
        self._rows[row.stream.subject] = row

    def missing(self, subjects: Iterable[str]) -> list[str]:
        return [subject for subject in subjects if subject not in self._rows]

    def shrink(self) -> None:
        """Forget down to the bound; only between batches, when nothing is unwritten."""
        while len(self._rows) > self.most:
            self._rows.popitem(last=False)

    def clear(self) -> None:
        self._rows.clear()
