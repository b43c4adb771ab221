"""Reading the tables as of an instant: which rows held, how far the log was, which book governed.

`as_of` A means the log up to each partition's last record whose running maximum of recordedtime is
not later than A. Without it a read takes everything that is folded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol

from services.reporting.schema import Tables
from services.reporting.store import Pool, Position
from shared.calendar import civil
from shared.events import instant_text
from shared.governance import Governance
from shared.policy import Policy

TICK: Final = timedelta(microseconds=1)
"""The smallest step of time: a window that ends with what happens at A ends at A + TICK."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = re.compile(r"\d{1,19}(\.\d{1,19})*")


class Malformed(ValueError):
    """A parameter that cannot be read; `name` is the parameter."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


def instant(text: str, name: str) -> datetime:
    """An RFC 3339 instant with its zone. Raises Malformed naming the parameter.

    A `+` that a form decoded into a space is put back.
    """
    restored = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip())
    try:
        found = datetime.fromisoformat(restored)
    except ValueError:
        raise Malformed(name, f"'{text}' is no RFC 3339 instant") from None
    if found.tzinfo is None:
        raise Malformed(name, f"'{text}' has no zone, such as +08:00 or Z")
    return found.astimezone(UTC)


def position_text(positions: Mapping[int, int]) -> str:
    """The next offset of each partition in order, joined by dots."""
    return ".".join(str(positions[number]) for number in sorted(positions))


def position_of(text: str, name: str = "Last-Event-ID") -> dict[int, int]:
    """The next offset of each partition. Raises Malformed."""
    if not _POSITION.fullmatch(text):
        raise Malformed(name, f"'{text}' is no position of this stream")
    return dict(enumerate(int(part) for part in text.split(".")))


@dataclass(frozen=True)
class Cut:
    """A point of the log to read at, with the book in force."""

    as_of: datetime
    position: str
    policy: Policy

    @property
    def meta(self) -> dict[str, str]:
        """What every answer says of itself."""
        return {
            "as_of": instant_text(self.as_of),
            "position": self.position,
            "policy": self.policy.ref,
        }

    @property
    def local_day(self) -> date:
        """The civil date of the cut."""
        return civil(self.as_of)

    @property
    def end(self) -> datetime:
        """The exclusive end of a window that reaches up to what happened at `as_of`."""
        return self.as_of + TICK


class Folded(Protocol):
    """Who knows how far the log is folded."""

    @property
    def positions(self) -> dict[int, Position]: ...


class Reading:
    """Reads the tables of one generation."""

    def __init__(self, pool: Pool, tables: Tables, governance: Governance, folded: Folded) -> None:
        self.pool = pool
        self.tables = tables
        self.governance = governance
        self.folded = folded

    def now(self) -> datetime:
        """The clock, or the last folded record if that is ahead of it."""
        found = [item.recorded_at for item in self.folded.positions.values() if item.recorded_at]
        return max([self.governance.clock.now(), *found])

    async def cut(self, as_of: datetime | None = None) -> Cut:
        """The cut at `as_of`, or at the present. Raises Ungoverned before the first adoption."""
        at = as_of or self.now()
        return Cut(at, await self._position(at), self.governance.books.at(at))

    async def _position(self, at: datetime) -> str:
        """Where each partition was at `at`."""
        whole, earlier = {}, []
        for number, item in self.folded.positions.items():
            if item.recorded_at is None or item.recorded_at <= at:
                whole[number] = item.next
            else:
                earlier.append(number)
        if earlier:
            found = await self.pool.fetch(
                f"SELECT p AS partition, coalesce((SELECT max(seat) + 1 FROM {self.tables.events} "
                "WHERE partition = p AND recorded_at <= $2), 0) AS next "
                "FROM unnest($1::int[]) AS p",
                earlier,
                at,
            )
            whole |= {row["partition"]: row["next"] for row in found}
        return position_text(whole)

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of a query in which {versions}, {events} and {acts} stand for the tables."""
        return list(await self.pool.fetch(self.named(query), *arguments))

    def named(self, query: str) -> str:
        return query.format(
            versions=self.tables.versions, events=self.tables.events, acts=self.tables.acts
        )
