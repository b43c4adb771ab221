"""The service's own schema in PostgreSQL: folded streams, and how far each partition is folded.

`streams.pending` holds decisions that are not acknowledged by the log yet, one stored document a
line, in the order in which they were decided. `positions.owner` fences: every write carries the
owner's id and the position it starts from, in the statement that writes, so a worker that lost a
partition writes nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import asyncpg

from shared.database import GONE, connect
from shared.identity import Identity
from shared.settings import Settings

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext($1))"
_SHARE: Final = "SELECT pg_advisory_xact_lock_shared(hashtext($1))"
_REBUILD_SECONDS: Final = 3600
"""How long a worker waits for a rebuild of its schema to end."""

_TABLES: Final = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.about (shape text NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.positions (
    partition   integer PRIMARY KEY,
    owner       uuid NOT NULL,
    next        bigint NOT NULL,
    cluster_id  text NOT NULL,
    topic_id    text NOT NULL,
    book_hash   text NOT NULL
);
CREATE TABLE IF NOT EXISTS {schema}.streams (
    subject     text PRIMARY KEY,
    partition   integer NOT NULL,
    state       text NOT NULL,
    instant     timestamptz,
    basis       text,
    seen        text NOT NULL,
    pending     text NOT NULL,
    wake_at     timestamptz,
    policy_hash text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS streams_wake ON {schema}.streams (partition, wake_at);
CREATE INDEX IF NOT EXISTS streams_pending ON {schema}.streams (partition) WHERE pending <> '';
"""

_PUT: Final = """
WITH moves AS (
    SELECT * FROM unnest($1::integer[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
    AS m (partition, owner, was, next, book_hash)
), fence AS (
    UPDATE {schema}.positions AS p SET next = m.next, book_hash = m.book_hash FROM moves AS m
    WHERE p.partition = m.partition AND p.owner = m.owner AND p.next = m.was
    RETURNING p.partition
), put AS (
    INSERT INTO {schema}.streams
    SELECT u.* FROM unnest(
        $6::text[], $7::integer[], $8::text[], $9::timestamptz[], $10::text[],
        $11::text[], $12::text[], $13::timestamptz[], $14::text[]
    ) AS u (subject, partition, state, instant, basis, seen, pending, wake_at, policy_hash)
    WHERE u.partition IN (SELECT partition FROM fence)
    ON CONFLICT (subject) DO UPDATE SET
        state = excluded.state, instant = excluded.instant, basis = excluded.basis,
        seen = excluded.seen, pending = excluded.pending, wake_at = excluded.wake_at,
        policy_hash = excluded.policy_hash
)
SELECT partition FROM fence
"""

_CLEAR: Final = """
WITH held AS (
    SELECT * FROM unnest($1::integer[], $2::uuid[], $3::bigint[]) AS h (partition, owner, next)
), fence AS (
    UPDATE {schema}.positions AS p SET next = p.next FROM held AS h
    WHERE p.partition = h.partition AND p.owner = h.owner AND p.next = h.next
    RETURNING p.partition
), cleared AS (
    UPDATE {schema}.streams AS s SET pending = u.pending
    FROM unnest($4::text[], $5::text[]) AS u (subject, pending)
    WHERE s.subject = u.subject AND s.partition IN (SELECT partition FROM fence)
)
SELECT partition FROM fence
"""

_CLAIM: Final = """
INSERT INTO {schema}.positions VALUES ($1, $2, 0, $3, $4, '')
ON CONFLICT (partition) DO UPDATE SET owner = excluded.owner
RETURNING next, cluster_id, topic_id, book_hash
"""


class LostOwnership(Exception):
    """Another worker owns the partition now, or its schema is gone: nothing was written."""


class WrongLog(Exception):
    """The schema does not fit this log or this version. The message is for the operator."""


class StoredRow(NamedTuple):
    """One stream as stored; the columns of `streams` in their order."""

    subject: str
    partition: int
    state: str
    instant: datetime | None
    basis: str | None
    seen: str
    pending: str
    wake_at: datetime | None
    policy_hash: str


class Held(NamedTuple):
    """A partition in the hands of an owner. `next`: offset of the next record to fold.

    `book_hash`: the book under which every wake-up stored was computed; empty if not all were.
    """

    partition: int
    owner: uuid.UUID
    next: int
    book_hash: str = ""


def fresh_owner() -> uuid.UUID:
    """An id that no other owner has or had: the one thing here that must not be derivable."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4)


class Store:
    """Reads and fenced writes of one service's schema. Methods raise what asyncpg raises."""

    def __init__(self, settings: Settings, service: str, shape: str) -> None:
        self.service = service
        self.schema = settings.schema(service)
        self.shape = shape
        self._url = settings.database
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._puts = Together(self, _PUT, (5, 9))
        self._clears = Together(self, _CLEAR, (3, 2))

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            raise RuntimeError("the store is not open")
        return self._pool

    async def open(self) -> None:
        """Connect to the database."""
        self._pool = await asyncpg.create_pool(
            self._url, connect=connect, min_size=1, max_size=5, timeout=10, command_timeout=60
        )

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own, for work that needs temporary tables; the caller closes it."""
        connection: asyncpg.Connection[asyncpg.Record] = await connect(self._url, timeout=10)
        return connection

    async def close(self) -> None:
        if self._pool is not None:
            try:
                async with asyncio.timeout(3):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    # --- the schema -------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Make the tables where they are missing, after any rebuild has ended.

        Raises WrongLog where they were made for other state types, or where positions stand
        without the rows that were folded up to them: from empty ones every stream would go wrong.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, self.schema, timeout=_REBUILD_SECONDS)
            if await connection.fetchval(
                "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NULL",
                f"{self.schema}.positions",
                f"{self.schema}.streams",
            ):
                raise WrongLog(
                    f"the table of {self.service}'s streams is gone: "
                    f"run `qingqian rebuild {self.service}`"
                )
            found = await self._make(connection)
        if found != self.shape:
            raise WrongLog(
                f"the tables of {self.service} were made by another version: "
                f"run `qingqian rebuild {self.service}`"
            )

    async def _make(self, connection: Any) -> str:
        await connection.execute(_TABLES.format(schema=self.schema))
        about = f"{self.schema}.about"
        await connection.execute(
            f"INSERT INTO {about} SELECT $1 WHERE NOT EXISTS (SELECT FROM {about})", self.shape
        )
        return str(await connection.fetchval(f"SELECT shape FROM {about}"))

    @asynccontextmanager
    async def anew(self) -> AsyncIterator[None]:
        """Drop the schema and make it empty; no worker claims a partition until the end."""
        async with self.pool.acquire() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtext($1))", self.schema)
            try:
                await connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
                await self._make(connection)
                yield
            finally:
                await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", self.schema)

    # --- ownership --------------------------------------------------------------------------------

    async def claim(self, partition: int, identity: Identity, *, alone: bool = False) -> Held:
        """Become the owner of a partition; waits while the schema is rebuilt (not `alone`).

        Raises WrongLog where the position was counted on another cluster or topic.
        """
        owner = fresh_owner()
        async with self.pool.acquire() as connection, connection.transaction():
            if not alone:
                await connection.execute(_SHARE, self.schema, timeout=_REBUILD_SECONDS)
            row = await connection.fetchrow(
                _CLAIM.format(schema=self.schema),
                partition,
                owner,
                identity.cluster_id,
                identity.topic_id,
            )
        if row is None:
            raise RuntimeError("an upsert returned nothing")
        found = (row["cluster_id"], row["topic_id"])
        if found != identity[:2]:
            raise WrongLog(
                f"{self.service} was folded from another log (partition {partition}): "
                f"run `qingqian rebuild {self.service}`"
            )
        return Held(partition, owner, row["next"], row["book_hash"])

    async def owner_of(self, partition: int) -> tuple[uuid.UUID, int] | None:
        """Who owns a partition now and its next offset; None where it has no row."""
        row = await self.pool.fetchrow(
            f"SELECT owner, next FROM {self.schema}.positions WHERE partition = $1", partition
        )
        return (row["owner"], row["next"]) if row else None

    # --- reading ----------------------------------------------------------------------------------

    async def rows(self, subjects: Sequence[str]) -> list[StoredRow]:
        """The streams of these subjects, as far as they exist."""
        found = await self.pool.fetch(
            f"SELECT * FROM {self.schema}.streams WHERE subject = ANY($1)", subjects
        )
        return [StoredRow(*row) for row in found]

    async def unsent(self, partition: int) -> list[str]:
        """Subjects of a partition that have pending decisions."""
        found = await self.pool.fetch(
            f"SELECT subject FROM {self.schema}.streams WHERE partition = $1 AND pending <> ''",
            partition,
        )
        return [row[0] for row in found]

    async def undecided(self, partitions: Sequence[int], cut: datetime) -> set[str]:
        """Subjects that owe a decision up to `cut`, or whose decisions are not acknowledged."""
        found = await self.pool.fetch(
            f"""SELECT subject FROM {self.schema}.streams WHERE partition = ANY($1)
            AND wake_at <= $2 UNION SELECT subject FROM {self.schema}.streams
            WHERE partition = ANY($1) AND pending <> ''""",
            partitions,
            cut,
        )
        return {row[0] for row in found}

    async def due(self, partition: int, cut: datetime, most: int) -> list[str]:
        """Subjects whose wake-up is not later than `cut`, the earliest first."""
        found = await self.pool.fetch(
            f"SELECT subject FROM {self.schema}.streams "
            "WHERE partition = $1 AND wake_at <= $2 ORDER BY wake_at, subject LIMIT $3",
            partition,
            cut,
            most,
        )
        return [row[0] for row in found]

    async def outdated(self, partition: int, policy_hash: str) -> list[str]:
        """Subjects whose wake-up was computed under another book."""
        found = await self.pool.fetch(
            f"SELECT subject FROM {self.schema}.streams WHERE partition = $1 AND policy_hash <> $2",
            partition,
            policy_hash,
        )
        return [row[0] for row in found]

    async def next_wake(self, partition: int) -> datetime | None:
        value: datetime | None = await self.pool.fetchval(
            f"SELECT min(wake_at) FROM {self.schema}.streams WHERE partition = $1", partition
        )
        return value

    async def missing(self, subjects: Sequence[str]) -> list[str]:
        """Which of these subjects have no row."""
        found = await self.pool.fetch(
            f"SELECT u FROM unnest($1::text[]) AS u WHERE NOT EXISTS "
            f"(SELECT FROM {self.schema}.streams WHERE subject = u)",
            subjects,
        )
        return [row[0] for row in found]

    # --- fenced writing ---------------------------------------------------------------------------

    async def put(
        self, held: Held, rows: Sequence[StoredRow], next: int, book_hash: str | None = None
    ) -> Held:
        """Write rows and move the position to `next`, in one transaction.

        `book_hash`: of the position from now on, else as it was or, where a row has another,
        none. Raises LostOwnership where the partition is not `held` any more.
        """
        if book_hash is None:
            same = all(row.policy_hash == held.book_hash for row in rows)
            book_hash = held.book_hash if same else ""
        move = (held.partition, held.owner, held.next, next, book_hash)
        if not await self._puts.fenced(held.partition, move, rows):
            raise LostOwnership(f"partition {held.partition}")
        return held._replace(next=next, book_hash=book_hash)

    async def clear(self, held: Held, remaining: dict[str, str]) -> None:
        """Write what is still pending of each subject. Raises LostOwnership."""
        if not await self._clears.fenced(held.partition, held[:3], list(remaining.items())):
            raise LostOwnership(f"partition {held.partition}")


class Together:
    """Writes of several partitions at the same time, in one transaction (group commit).

    What arrives while one is under way goes into the next. Each partition is fenced by itself:
    one that was lost writes nothing, and keeps nobody else from writing. A partition has at most
    one write at a time here, for its lock covers it.
    """

    def __init__(self, store: Store, statement: str, columns: tuple[int, int]) -> None:
        """`columns`: how many a fence and a row have, in the order of the parameters."""
        self._store = store
        self._statement = statement
        self._columns = columns
        self._waiting: list[_Write] = []
        self._task: asyncio.Task[None] | None = None

    async def fenced(
        self, partition: int, fence: Sequence[Any], rows: Sequence[Sequence[Any]]
    ) -> bool:
        """Whether it was written. Raises LostOwnership where the schema is gone."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(partition, fence, rows, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="together")
        return await done

    async def _run(self) -> None:
        while self._waiting:
            writes, self._waiting = self._waiting, []
            # Two workers that still write the same partitions lock them in the same order.
            writes.sort(key=lambda write: write.partition)
            try:
                held = await self._write(writes)
            except BaseException as error:
                for write in writes:
                    if not write.done.done():
                        write.done.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for write in writes:
                if not write.done.done():
                    write.done.set_result(write.partition in held)

    async def _write(self, writes: Sequence[_Write]) -> set[int]:
        fence, row = self._columns
        fences: list[list[Any]] = [[] for _ in range(fence)]
        columns: list[list[Any]] = [[] for _ in range(row)]
        for write in writes:
            for column, value in zip(fences, write.fence, strict=True):
                column.append(value)
            for each in write.rows:
                for column, value in zip(columns, each, strict=True):
                    column.append(value)
        try:
            found = await self._store.pool.fetch(
                self._statement.format(schema=self._store.schema), *fences, *columns
            )
        except GONE as error:
            raise LostOwnership("the schema is gone") from error
        return {item["partition"] for item in found}


class _Write(NamedTuple):
    partition: int
    fence: Sequence[Any]
    rows: Sequence[Sequence[Any]]
    done: asyncio.Future[bool]
