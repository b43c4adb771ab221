"""Figure: events per second of a rebuild of reporting, against upserts of the very same rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from infra.bench.figures import Figure, Limit, Peer
from infra.bench.mix import Mix
from infra.bench.rig import Database, Installation, Rig, reach
from services.reporting.schema import Tables

LIMIT: Final = Limit("at least", 0.2)
AT_ONCE: Final = 2000
PEER_SCHEMA: Final = "bench_peer"


@dataclass(frozen=True)
class Copy:
    """A table's rows, and how to upsert one into a table just like it."""

    table: str
    statement: str
    rows: list[tuple[Any, ...]]


async def rebuild(made: Installation, mix: Mix) -> float:
    """Seconds from the moment at which reporting has its tables to the last event folded."""
    child = made.launch("reporting")
    positions = Tables(made.settings.schema("reporting")).positions
    async with Database(made.settings) as database:

        async def tables() -> int:
            return await database.number(f"SELECT count(*) FROM {positions}")

        async def folded() -> int:
            return await database.number(f"SELECT sum(next) FROM {positions}")

        begun = await reach(tables, 1, child, every=0.01)
        return await reach(folded, len(mix), child, every=0.01) - begun


async def copies(made: Installation) -> list[Copy]:
    """Every row that the rebuild has left, table by table."""
    schema = made.settings.schema("reporting")
    own = Tables(schema)
    async with Database(made.settings) as database:
        found = await database.connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", schema
        )
        names = {row[0] for row in found} - {own.bare(own.positions), own.bare(own.generations)}
        return [await _copy(database, schema, name.strip('"')) for name in sorted(names)]


async def _copy(database: Database, schema: str, table: str) -> Copy:
    key = [
        row[0]
        for row in await database.connection.fetch(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
            "AND a.attnum = ANY(i.indkey) WHERE i.indrelid = $1::regclass AND i.indisprimary",
            f'"{schema}"."{table}"',
        )
    ]
    rows = await database.connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
    columns = list(rows[0].keys()) if rows else key
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    rest = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    statement = (
        f'INSERT INTO {PEER_SCHEMA}."{table}" ({names}) VALUES ({places}) '
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"
    )
    return Copy(table, statement, [tuple(row) for row in rows])


async def upsert(made: Installation, given: list[Copy]) -> float:
    """Seconds in which asyncpg has written the rows into empty tables of the same shape."""
    schema = made.settings.schema("reporting")
    async with Database(made.settings) as database:
        await database.run(f"DROP SCHEMA IF EXISTS {PEER_SCHEMA} CASCADE")
        await database.run(f"CREATE SCHEMA {PEER_SCHEMA}")
        for copy in given:
            await database.run(
                f'CREATE TABLE {PEER_SCHEMA}."{copy.table}" '
                f'(LIKE "{schema}"."{copy.table}" INCLUDING ALL)'
            )
        begun = time.monotonic()
        for copy in given:
            for first in range(0, len(copy.rows), AT_ONCE):
                async with database.connection.transaction():
                    await database.connection.executemany(
                        copy.statement, copy.rows[first : first + AT_ONCE]
                    )
        taken = time.monotonic() - begun
        await database.run(f"DROP SCHEMA {PEER_SCHEMA} CASCADE")
    return taken


async def measure(rig: Rig, mix: Mix, runs: int) -> Figure:
    """Events a second, on the demo's mix."""
    rates: list[float] = []
    peers: list[float] = []
    rows = 0
    peak = 0.0
    made = await rig.installation("rebuild", mix.start)
    try:
        await made.publish(mix.records)
        for _ in range(runs):
            rates.append(len(mix) / await rebuild(made, mix))
            peak = max(peak, made.usage("reporting").peak_mb)
            made.stop("reporting")
            given = await copies(made)
            rows = sum(len(copy.rows) for copy in given)
            peers.append(len(mix) / await upsert(made, given))
            async with Database(made.settings) as database:
                await database.run(f'DROP SCHEMA "{made.settings.schema("reporting")}" CASCADE')
            rig.say(f"reporting: {rates[-1]:.0f} events/s, upserts {peers[-1]:.0f} events/s")
    finally:
        await made.close()
    return Figure(
        "reporting: events rebuilt",
        "events/s",
        tuple(rates),
        LIMIT,
        Peer(
            "asyncpg executemany upserts of the same rows",
            f"{rows} rows, prepared, {AT_ONCE} a transaction, same tables and indexes",
            tuple(peers),
        ),
        f"{mix}; peak memory {peak:.0f} MB",
    )
