"""Intake's tables: who is known (complaints), what is not yet on the log (outbox), and the view.

Everything but the vault can be dropped: the view and the complaints are folded from the log
again. The outbox is empty whenever every published complaint was acknowledged.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from shared.database import PASSING, connect
from shared.identity import Identity
from shared.log import PARTITIONS
from shared.settings import Settings

SHAPE: Final = 9
"""Of the view's rows; with another number the view is dropped and folded anew."""

Connection = Any
"""An asyncpg connection, or a pool's proxy of one."""


class Tables:
    """Names of the tables of one installation, quoted for SQL."""

    def __init__(self, settings: Settings) -> None:
        self.schema_name = settings.schema("intake")
        self.schema = f'"{self.schema_name}"'
        self.vault_schema = f'"{settings.schema("vault")}"'
        self.complaints = f"{self.schema}.complaints"
        self.outbox_name = "outbox"
        self.outbox = f"{self.schema}.{self.outbox_name}"
        self.files = f"{self.schema}.files"
        self.positions = f"{self.schema}.positions"
        self.numbers = f"{self.schema}.numbers"
        self.exports = f"{self.schema}.exports"
        self.shape = f"{self.schema}.shape"
        self.likes = f"{self.schema}.likes"
        self.like_blocks = f"{self.schema}.like_blocks"
        self.like_verdicts = f"{self.schema}.like_verdicts"
        self.like_positions = f"{self.schema}.like_positions"
        self.proposals = f"{self.schema}.proposals"
        self.keys = f"{self.vault_schema}.keys"
        self.master = f"{self.vault_schema}.master"

    def create(self) -> str:
        """DDL that may run again at every start.

        An event stays in the outbox for some milliseconds: to squeeze it would be a third of the
        cost of storing a complaint. It leaves with the batch it came in: to find each by its case
        would cost five times as much.
        """
        return f"""
        CREATE SCHEMA IF NOT EXISTS {self.schema};
        CREATE SCHEMA IF NOT EXISTS {self.vault_schema};
        CREATE TABLE IF NOT EXISTS {self.complaints} (
            source text NOT NULL, source_ref text NOT NULL, case_id text NOT NULL,
            body_hash text NOT NULL, PRIMARY KEY (source, source_ref));
        CREATE TABLE IF NOT EXISTS {self.outbox} (
            batch text NOT NULL, case_id text NOT NULL, event bytea STORAGE EXTERNAL NOT NULL,
            stored_at timestamptz NOT NULL DEFAULT clock_timestamp())
            WITH (toast_tuple_target = 8160);
        ALTER TABLE {self.outbox} ADD COLUMN IF NOT EXISTS batch text NOT NULL DEFAULT '';
        ALTER TABLE {self.outbox} DROP CONSTRAINT IF EXISTS outbox_pkey;
        CREATE INDEX IF NOT EXISTS outbox_batch ON {self.outbox} (batch);
        CREATE TABLE IF NOT EXISTS {self.files} (
            subject text PRIMARY KEY, file bytea NOT NULL, origin bigint, over_since timestamptz);
        ALTER TABLE {self.files} ADD COLUMN IF NOT EXISTS over_since timestamptz;
        CREATE INDEX IF NOT EXISTS files_over ON {self.files} (over_since, subject)
            WHERE over_since IS NOT NULL;
        CREATE TABLE IF NOT EXISTS {self.positions} (
            partition int PRIMARY KEY, next bigint NOT NULL,
            cluster_id text NOT NULL, topic_id text NOT NULL);
        CREATE TABLE IF NOT EXISTS {self.numbers} (
            year int PRIMARY KEY, last int NOT NULL);
        CREATE TABLE IF NOT EXISTS {self.exports} (
            id text PRIMARY KEY, query jsonb NOT NULL, reason text NOT NULL,
            asked_by text NOT NULL, asked_at timestamptz NOT NULL,
            approved_by text, approved_at timestamptz);
        CREATE TABLE IF NOT EXISTS {self.likes} (
            case_id text PRIMARY KEY, seat bigserial, sealed text NOT NULL,
            uscc text, workers text, ended boolean NOT NULL DEFAULT false);
        CREATE TABLE IF NOT EXISTS {self.like_blocks} (
            block text NOT NULL, seat bigint NOT NULL, case_id text NOT NULL,
            PRIMARY KEY (block, seat));
        CREATE TABLE IF NOT EXISTS {self.like_verdicts} (
            one text NOT NULL, other text NOT NULL, verdict text NOT NULL,
            PRIMARY KEY (one, other));
        CREATE TABLE IF NOT EXISTS {self.like_positions} (
            partition int PRIMARY KEY, next bigint NOT NULL);
        CREATE TABLE IF NOT EXISTS {self.proposals} (
            id text PRIMARY KEY, one text NOT NULL, other text NOT NULL, score int NOT NULL,
            parts jsonb NOT NULL, same jsonb NOT NULL, UNIQUE (one, other));
        CREATE TABLE IF NOT EXISTS {self.shape} (shape int NOT NULL);
        CREATE TABLE IF NOT EXISTS {self.keys} (
            subject text PRIMARY KEY, key bytea, erased_at timestamptz);
        CREATE TABLE IF NOT EXISTS {self.master} (fingerprint bytea NOT NULL);
        """


class WrongLog(Exception):
    """The tables were folded from another log. The message is for the operator."""


async def prepare(connection: Connection, tables: Tables, identity: Identity) -> None:
    """Create what is missing; a view of another shape is emptied, so that it is folded anew.

    `identity`: of `case-events`. Raises WrongLog if the positions were counted on another topic.
    """
    async with connection.transaction():
        await lock(connection, f"{tables.schema} tables", in_transaction=True)
        await connection.execute("SET LOCAL client_min_messages = warning")
        await connection.execute(tables.create())
        shape = await connection.fetchval(f"SELECT shape FROM {tables.shape}")
        if shape != SHAPE:
            await connection.execute(
                f"""DROP TABLE {tables.files}, {tables.positions}, {tables.shape}, {tables.likes},
                {tables.like_blocks}, {tables.like_verdicts}, {tables.like_positions},
                {tables.proposals}"""
            )
            await connection.execute(tables.create())
            await connection.execute(f"INSERT INTO {tables.shape} VALUES ($1)", SHAPE)
        await connection.executemany(
            f"INSERT INTO {tables.positions} VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
            [(n, identity.cluster_id, identity.topic_id) for n in range(PARTITIONS)],
        )
        found = await connection.fetchrow(
            f"SELECT DISTINCT cluster_id, topic_id FROM {tables.positions}"
        )
        if tuple(found) != (identity.cluster_id, identity.topic_id):
            raise WrongLog(
                "intake's tables were folded from another cluster or topic. "
                "Fix: qingqian rebuild intake"
            )


def lock_number(name: str) -> int:
    """A 63-bit number for an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


async def lock(connection: Connection, name: str, *, in_transaction: bool = False) -> None:
    """Take an advisory lock. Raises asyncpg.LockNotAvailableError after `lock_timeout`."""
    call = "pg_advisory_xact_lock" if in_transaction else "pg_advisory_lock"
    await connection.execute(f"SELECT {call}($1)", lock_number(name))


@asynccontextmanager
async def locked(connection: Connection, name: str) -> AsyncIterator[None]:
    """An advisory lock for a while, outside a transaction; a lost connection frees it too."""
    await lock(connection, name)
    try:
        yield
    finally:
        await _unlock(connection, name)


@asynccontextmanager
async def locked_if_free(connection: Connection, name: str) -> AsyncIterator[bool]:
    """Whether an advisory lock was free, and is ours for a while; nobody waits for it."""
    ours = await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_number(name))
    try:
        yield ours
    finally:
        if ours:
            await _unlock(connection, name)


async def _unlock(connection: Connection, name: str) -> None:
    with suppress(*PASSING):
        await connection.execute("SELECT pg_advisory_unlock($1)", lock_number(name))


async def open_pool(settings: Settings, most: int = 12) -> Any:
    """The request pool. A lock that is not granted within 2 s is an answer of 503."""
    return await asyncpg.create_pool(
        settings.database,
        connect=connect,
        min_size=1,
        max_size=most,
        command_timeout=30,
        server_settings={"lock_timeout": "2000", "application_name": "qingqian-intake"},
    )
