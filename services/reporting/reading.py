"""Reading the tables as of an instant: which rows held, how far the log was, which book governed.

`as_of` A means the log up to each partition's last record whose running maximum of recordedtime is
not later than A. Without it a read takes everything that is folded.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from services.reporting.publications import Publications
from services.reporting.schema import Connection, Tables
from services.reporting.sentences import Names
from services.reporting.store import Pool, Position
from shared.calendar import civil
from shared.events import instant_text
from shared.governance import Governance
from shared.policy import Policy
from shared.settle import Books

TICK: Final = timedelta(microseconds=1)
"""The smallest step of time: a window that ends with what happens at A ends at A + TICK."""

MOST_FEN: Final = 2**53 - 1
"""The largest sum that canonical JSON can hold. Absurd acts may add up to more; a sum of which no
issue's hash can be made would end every publication."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = re.compile(r"\d{1,18}(\.\d{1,18}){0,999}")
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(3000, 1, 1, tzinfo=UTC)


class Malformed(ValueError):
    """A parameter that cannot be read; `name` is the parameter, `part` what of the request."""

    def __init__(self, name: str, reason: str, part: str = "query") -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason
        self.part = part


def instant(text: str, name: str) -> datetime:
    """An RFC 3339 instant with its zone. Raises Malformed naming the parameter.

    A `+` that a form decoded into a space is put back.
    """
    restored = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()).upper()  # RFC 3339 has t, z too
    try:
        found = datetime.fromisoformat(restored)
    except ValueError:
        raise Malformed(name, f"'{text}' is no RFC 3339 instant") from None
    if found.tzinfo is None:
        raise Malformed(name, f"'{text}' has no zone, such as +08:00 or Z")
    if not _FIRST <= found < _LAST:
        raise Malformed(name, f"'{text}' is not between the years 1900 and 3000")
    return found.astimezone(UTC)


def position_text(positions: Mapping[int, int]) -> str:
    """The next offset of each partition in order, joined by dots."""
    return ".".join(str(positions[number]) for number in sorted(positions))


def position_of(text: str) -> dict[int, int]:
    """The next offset of each partition. Raises ValueError."""
    if not _POSITION.fullmatch(text):
        raise ValueError(f"'{text}' is no position of this stream")
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


class Snapshot:
    """The tables in one unchanging state, so that all numbers of an answer fit together.

    `folded`: how far each partition is folded in it; `now`: the clock, or the last folded record
    if that is ahead of it; `published`: what is out.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        books: Books,
        folded: Mapping[int, Position],
        now: datetime,
        published: Publications,
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.books = books
        self.folded = folded
        self.now = now
        self.published = published

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of a query in which {versions}, {events} and {acts} stand for the tables."""
        return list(await self.connection.fetch(named(query, self.tables), *arguments))

    async def pieces(
        self, query: str, *arguments: Any, size: int = 1000
    ) -> AsyncGenerator[list[Any]]:
        """The same, in pieces."""
        cursor = await self.connection.cursor(named(query, self.tables), *arguments)
        while found := await cursor.fetch(size):
            yield found

    async def cut(self, as_of: datetime) -> Cut:
        """The cut of the log at `as_of`, with the book then in force."""
        return Cut(as_of, await self._position(as_of), self.books.at(as_of))

    async def _position(self, as_of: datetime) -> str:
        """Where each partition was at `as_of`."""
        whole, earlier = {}, []
        for number, item in self.folded.items():
            if item.recorded_at is None or item.recorded_at <= as_of:
                whole[number] = item.next
            else:
                earlier.append(number)
        if earlier:
            found = await self.fetch(
                "SELECT p AS partition, coalesce((SELECT max(seat) + 1 FROM {events} "
                "WHERE partition = p AND recorded_at <= $2), 0) AS next "
                "FROM unnest($1::int[]) AS p",
                earlier,
                as_of,
            )
            whole |= {row["partition"]: row["next"] for row in found}
        return position_text(whole)


class Reading:
    """Reads the tables of one generation."""

    def __init__(
        self, pool: Pool, tables: Tables, governance: Governance, published: Publications
    ) -> None:
        self.pool = pool
        self.tables = tables
        self.governance = governance
        self.published = published

    @asynccontextmanager
    async def at(self, as_of: datetime | None = None) -> AsyncIterator[tuple[Snapshot, Cut]]:
        """A snapshot and the cut at `as_of`, without it at the snapshot's `now`.

        Raises Ungoverned before the first adoption.
        """
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = await connection.fetch(
                f"SELECT partition, next, recorded_at FROM {self.tables.positions}"
            )
            folded = {row["partition"]: Position(row["next"], row["recorded_at"]) for row in found}
            now = self._now(folded.values())
            books = self.governance.books
            snapshot = Snapshot(connection, self.tables, books, folded, now, self.published)
            yield snapshot, await snapshot.cut(as_of or now)

    def _now(self, folded: Iterable[Position]) -> datetime:
        instants = [item.recorded_at for item in folded if item.recorded_at is not None]
        return max([self.governance.clock.now(), *instants])

    def names(self) -> Names:
        """What the last book adopted calls units and clocks."""
        return Names(self.governance.books.adopted[-1] if self.governance.governed else None)

    async def positions(self) -> dict[int, int]:
        """The next offset of each partition as folded now."""
        found = await self.pool.fetch(f"SELECT partition, next FROM {self.tables.positions}")
        return {row["partition"]: row["next"] for row in found}

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of one query by itself."""
        return list(await self.pool.fetch(named(query, self.tables), *arguments))


def named(query: str, tables: Tables) -> str:
    """The query with the names of the tables, and the largest sum, in place of theirs."""
    return query.format(
        versions=tables.versions, events=tables.events, acts=tables.acts, most=MOST_FEN
    )
