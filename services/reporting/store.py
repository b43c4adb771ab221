"""Writing a folded batch: rows and positions in one transaction (design 8).

The position row is compared and moved in the same transaction, so of two writers only one writes
a batch; whoever finds another position starts again from it with an empty cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from services.reporting import acts, rows, schema
from services.reporting.acts import Act
from services.reporting.rows import Row
from services.reporting.schema import Connection, Tables
from shared.identity import Identity

Pool = asyncpg.Pool

VERSION_COLUMNS = (*rows.NAMES, "recorded_from", "recorded_to")
EVENT_COLUMNS = tuple(name for name, _ in schema.EVENT_COLUMNS)


class Overtaken(RuntimeError):
    """Another writer has moved a position: what was folded here must be thrown away."""


@dataclass(frozen=True)
class Position:
    """How far a partition is folded: next offset, and the running maximum of recordedtime."""

    next: int
    recorded_at: datetime | None = None


@dataclass
class Batch:
    """What a batch of records came to. `moves`: partition -> (expected offset, new position)."""

    moves: dict[int, tuple[int, Position]] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    cases: list[tuple[str, datetime | None, bytes]] = field(default_factory=list)
    versions: list[Row] = field(default_factory=list)
    superseded: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    """Rows of earlier batches that end: case, recorded_from, recorded_to."""
    replaced: list[tuple[str, datetime]] = field(default_factory=list)
    """Rows of earlier batches that a new one of the same instant replaces."""


class Store:
    """The tables of one generation, for the one who writes them."""

    def __init__(self, pool: Pool, tables: Tables) -> None:
        self.pool = pool
        self.tables = tables

    async def prepare(self, log: Identity) -> None:
        """Make what is missing. Raises WrongLog over tables of another log."""
        async with self.pool.acquire() as connection:
            await schema.prepare(connection, self.tables, log)

    async def serve(self) -> list[str]:
        async with self.pool.acquire() as connection:
            return await schema.serve(connection, self.tables)

    async def positions(self) -> dict[int, Position]:
        found = await self.pool.fetch(
            f"SELECT partition, next, recorded_at FROM {self.tables.positions} ORDER BY partition"
        )
        return {row["partition"]: Position(row["next"], row["recorded_at"]) for row in found}

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these event ids are folded already."""
        found = await self.pool.fetch(
            f"SELECT event_id FROM {self.tables.events} WHERE event_id = ANY($1)", event_ids
        )
        return {row["event_id"] for row in found}

    async def load(self, case_ids: Sequence[str]) -> dict[str, tuple[bytes, datetime | None]]:
        """The stored states of cases, with the recorded_from of their last row."""
        found = await self.pool.fetch(
            f"SELECT case_id, state, since FROM {self.tables.cases} WHERE case_id = ANY($1)",
            case_ids,
        )
        return {row["case_id"]: (row["state"], row["since"]) for row in found}

    async def write(self, batch: Batch) -> None:
        """Write everything or nothing. Raises Overtaken where a position is not the expected."""
        async with self.pool.acquire() as connection, connection.transaction():
            await self._move(connection, batch)
            await self._versions(connection, batch)
            await self._copy(connection, self.tables.events, EVENT_COLUMNS, batch.events)
            await self._copy(connection, self.tables.acts, acts.NAMES, batch.acts)
            if batch.cases:
                await connection.execute(
                    f"INSERT INTO {self.tables.cases} (case_id, since, state) "
                    "SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bytea[]) "
                    "ON CONFLICT (case_id) DO UPDATE "
                    "SET since = excluded.since, state = excluded.state",
                    *zip(*batch.cases, strict=True),
                )

    async def _move(self, connection: Connection, batch: Batch) -> None:
        moves = [
            (partition, expected, position.next, position.recorded_at)
            for partition, (expected, position) in sorted(batch.moves.items())
        ]
        if not moves:
            return
        done = await connection.execute(
            f"UPDATE {self.tables.positions} AS p SET next = m.next, recorded_at = m.at "
            "FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::timestamptz[]) "
            "AS m(partition, expected, next, at) "
            "WHERE p.partition = m.partition AND p.next = m.expected",
            *zip(*moves, strict=True),
        )
        if int(done.rpartition(" ")[2]) != len(moves):
            raise Overtaken("another writer moved a position of reporting")

    async def _versions(self, connection: Connection, batch: Batch) -> None:
        if batch.replaced:
            await connection.execute(
                f"DELETE FROM {self.tables.versions} AS v "
                "USING unnest($1::text[], $2::timestamptz[]) AS r(case_id, since) "
                "WHERE v.case_id = r.case_id AND v.recorded_from = r.since",
                *zip(*batch.replaced, strict=True),
            )
        if batch.superseded:
            await connection.execute(
                f"UPDATE {self.tables.versions} AS v SET recorded_to = r.until "
                "FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) "
                "AS r(case_id, since, until) "
                "WHERE v.case_id = r.case_id AND v.recorded_from = r.since",
                *zip(*batch.superseded, strict=True),
            )
        await self._copy(connection, self.tables.versions, VERSION_COLUMNS, batch.versions)

    async def _copy(
        self,
        connection: Connection,
        table: str,
        columns: Sequence[str],
        records: Sequence[Sequence[object]],
    ) -> None:
        if records:
            await connection.copy_records_to_table(
                self.tables.bare(table),
                schema_name=self.tables.schema,
                columns=list(columns),
                records=records,
            )
