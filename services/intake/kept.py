"""What intake keeps beside the log about its feeds: mappings, refused lines, uploads, arrivals.

Two schemas, for one reason. Mappings, the quarantine and the uploads were said by persons or
platforms and stand nowhere else, so they live with the vault, which no rebuild touches and which
is backed up apart. Arrivals are folded from the log and live in intake's own schema: dropped with
it, and folded again.
"""

from __future__ import annotations

from typing import Any, Final

from services.intake.tables import Tables, lock

SCOPE: Final = "quarantine"
"""What is sealed of a refused line is sealed under the key `quarantine:<its id>`."""


class Kept:
    """Names of the tables, quoted for SQL."""

    def __init__(self, tables: Tables) -> None:
        self.lock = f"{tables.schema} feeds"
        self.complaints = tables.complaints
        self.outbox = tables.outbox
        self.keys = tables.keys
        self.mappings = f"{tables.vault_schema}.mappings"
        self.quarantine = f"{tables.vault_schema}.quarantine"
        self.uploads = f"{tables.vault_schema}.uploads"
        self.tallies = f"{tables.vault_schema}.tallies"
        self.arrivals = f"{tables.schema}.arrivals"
        self.outcomes = f"{tables.schema}.outcomes"
        self.read = f"{tables.schema}.arrival_positions"

    def create(self) -> str:
        """DDL that may run again at every start."""
        return f"""
        CREATE TABLE IF NOT EXISTS {self.mappings} (
            source text NOT NULL, version int NOT NULL, mapping jsonb NOT NULL,
            set_by text NOT NULL, person text NOT NULL, set_at timestamptz NOT NULL,
            PRIMARY KEY (source, version));
        CREATE TABLE IF NOT EXISTS {self.quarantine} (
            id text PRIMARY KEY, source text NOT NULL, door text NOT NULL, form text NOT NULL,
            place text NOT NULL, reason text NOT NULL, pointer text NOT NULL,
            payload text, times int NOT NULL DEFAULT 1, sent_by text NOT NULL,
            first_at timestamptz NOT NULL, last_at timestamptz NOT NULL,
            state text NOT NULL, closed_at timestamptz, closed_by text, note text, case_id text);
        CREATE INDEX IF NOT EXISTS quarantine_state ON {self.quarantine} (state, source, first_at);
        CREATE INDEX IF NOT EXISTS quarantine_case ON {self.quarantine} (case_id)
            WHERE case_id IS NOT NULL;
        CREATE TABLE IF NOT EXISTS {self.uploads} (
            id text PRIMARY KEY, source text NOT NULL, mapping int NOT NULL, sent_by text NOT NULL,
            at timestamptz NOT NULL, answer jsonb NOT NULL);
        CREATE TABLE IF NOT EXISTS {self.tallies} (
            source text NOT NULL, day date NOT NULL, status text NOT NULL, lines bigint NOT NULL,
            PRIMARY KEY (source, day, status));
        CREATE TABLE IF NOT EXISTS {self.arrivals} (
            case_id text PRIMARY KEY, source text NOT NULL, source_ref text NOT NULL,
            kind text NOT NULL, received_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL);
        CREATE INDEX IF NOT EXISTS arrivals_recorded ON {self.arrivals} (recorded_at);
        CREATE INDEX IF NOT EXISTS arrivals_source ON {self.arrivals} (source, received_at);
        CREATE TABLE IF NOT EXISTS {self.outcomes} (
            case_id text NOT NULL, event_id text NOT NULL, place bigint NOT NULL,
            outcome text NOT NULL, recorded_at timestamptz NOT NULL,
            PRIMARY KEY (case_id, event_id));
        CREATE TABLE IF NOT EXISTS {self.read} (
            partition int PRIMARY KEY, next bigint NOT NULL);
        """


async def prepare(connection: Any, kept: Kept, partitions: range) -> None:
    """Create what is missing."""
    async with connection.transaction():
        await lock(connection, kept.lock, in_transaction=True)
        await connection.execute("SET LOCAL client_min_messages = warning")
        await connection.execute(kept.create())
        await connection.executemany(
            f"INSERT INTO {kept.read} VALUES ($1, 0) ON CONFLICT DO NOTHING",
            [(number,) for number in partitions],
        )
