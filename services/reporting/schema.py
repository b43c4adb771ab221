"""Reporting's tables in PostgreSQL, by generation (design 8).

All tables of one shape carry the generation in their name (`r6_events`), in the one schema of the
service. A new shape is built beside the old one from offset 0 and switched when it has caught up;
then the old one is dropped. Nothing here is a source of truth: a dropped schema is rebuilt.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import asyncpg

from services.reporting import acts, rows
from shared.identity import Identity

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

GENERATION: Final = "r6"
"""Raise it whenever a table, a column or the meaning of one changes."""

FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Upper end of the recorded-time range of a row that still holds."""

_SAFE = re.compile(r"[a-z][a-z0-9_]{0,62}")

EVENT_COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("partition", "smallint NOT NULL"),
    ("seat", "bigint NOT NULL"),
    ("event_id", "text NOT NULL"),
    ("subject", "text NOT NULL"),
    ("type", "text NOT NULL"),
    ("at", "timestamptz NOT NULL"),
    ("recorded_at", "timestamptz NOT NULL"),
    ("actor", "text NOT NULL"),
    ("data", "json NOT NULL"),
)
"""`seat`: the offset. `recorded_at`: the running maximum of recordedtime in the partition."""


class Tables:
    """The quoted names of one generation's tables."""

    def __init__(self, schema: str, generation: str = GENERATION) -> None:
        for name in (schema, generation):
            if not _SAFE.fullmatch(name):
                raise ValueError(f"'{name}' is no name of a schema or generation")
        self.schema = schema
        self.generation = generation
        self.generations = f'"{schema}".generations'
        self.positions = self._name("positions")
        self.events = self._name("events")
        self.versions = self._name("versions")
        self.acts = self._name("acts")
        self.cases = self._name("cases")

    @property
    def all(self) -> tuple[str, ...]:
        """What goes when the generation goes."""
        return (
            self.positions,
            self.events,
            self.versions,
            self.acts,
            self.cases,
        )

    def _name(self, table: str) -> str:
        return f'"{self.schema}".{self.generation}_{table}'

    def bare(self, quoted: str) -> str:
        """The table's name without its schema, as COPY wants it."""
        return quoted.rpartition(".")[2]


def definition(tables: Tables) -> str:
    """The statements that make the generation's tables where they are missing."""
    version = ", ".join(f"{name} {kind}" for name, kind in rows.COLUMNS)
    act = ", ".join(f"{name} {kind}" for name, kind in acts.COLUMNS)
    event = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS)
    prefix = tables.generation
    return f"""
    CREATE SCHEMA IF NOT EXISTS "{tables.schema}";
    CREATE TABLE IF NOT EXISTS {tables.generations} (
        name text PRIMARY KEY, serving boolean NOT NULL DEFAULT false);
    CREATE TABLE IF NOT EXISTS {tables.positions} (
        partition smallint PRIMARY KEY, next bigint NOT NULL, recorded_at timestamptz,
        cluster_id text NOT NULL, topic_id text NOT NULL);
    CREATE TABLE IF NOT EXISTS {tables.events} ({event}, PRIMARY KEY (partition, seat));
    CREATE UNIQUE INDEX IF NOT EXISTS {prefix}_events_id ON {tables.events} (event_id);
    CREATE INDEX IF NOT EXISTS {prefix}_events_subject ON {tables.events} (subject, seat);
    CREATE INDEX IF NOT EXISTS {prefix}_events_type ON {tables.events} (type);
    CREATE TABLE IF NOT EXISTS {tables.versions} ({version},
        recorded_from timestamptz NOT NULL, recorded_to timestamptz NOT NULL,
        PRIMARY KEY (case_id, recorded_from));
    CREATE INDEX IF NOT EXISTS {prefix}_versions_to ON {tables.versions} (recorded_to);
    CREATE INDEX IF NOT EXISTS {prefix}_versions_page ON {tables.versions} (received_at, case_id);
    CREATE INDEX IF NOT EXISTS {prefix}_versions_number ON {tables.versions} (number);
    CREATE INDEX IF NOT EXISTS {prefix}_versions_status ON {tables.versions} (status_key);
    CREATE INDEX IF NOT EXISTS {prefix}_versions_untold
        ON {tables.versions} (untold_since, case_id) WHERE untold_since IS NOT NULL;
    CREATE TABLE IF NOT EXISTS {tables.acts} ({act}, PRIMARY KEY (event_id, part));
    CREATE INDEX IF NOT EXISTS {prefix}_acts_kind ON {tables.acts} (kind, at);
    CREATE TABLE IF NOT EXISTS {tables.cases} (
        case_id text PRIMARY KEY, since timestamptz, state bytea NOT NULL);
    """


class WrongLog(RuntimeError):
    """The tables were folded from another log; one line for the operator."""


async def prepare(connection: Connection, tables: Tables, log: Identity) -> None:
    """Make the generation's tables and a position for each partition, where they are missing.

    Raises WrongLog where positions of another cluster or topic stand.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", tables.schema)
        await connection.execute(definition(tables))
        await connection.execute(
            f"INSERT INTO {tables.generations} (name) VALUES ($1) ON CONFLICT DO NOTHING",
            tables.generation,
        )
        await connection.executemany(
            f"INSERT INTO {tables.positions} VALUES ($1, 0, NULL, $2, $3) ON CONFLICT DO NOTHING",
            [(number, log.cluster_id, log.topic_id) for number in range(log.partitions)],
        )
        strange = await connection.fetchval(
            f"SELECT count(*) FROM {tables.positions} WHERE (cluster_id, topic_id) <> ($1, $2)",
            log.cluster_id,
            log.topic_id,
        )
    if strange:
        raise WrongLog(
            f"the tables of schema {tables.schema} were folded from another log; "
            "run `qingqian rebuild reporting`"
        )


async def serve(connection: Connection, tables: Tables) -> list[str]:
    """This generation has caught up: it serves now, and older ones are dropped; returns those."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", tables.schema)
        found = await connection.fetch(
            f"SELECT name FROM {tables.generations} WHERE name <> $1 ORDER BY name",
            tables.generation,
        )
        older = [row["name"] for row in found]
        for name in older:
            old = Tables(tables.schema, name)
            for table in old.all:
                await connection.execute(f"DROP TABLE IF EXISTS {table}")
        await connection.execute(
            f"DELETE FROM {tables.generations} WHERE name <> $1", tables.generation
        )
        await connection.execute(
            f"UPDATE {tables.generations} SET serving = true WHERE name = $1", tables.generation
        )
    return older
