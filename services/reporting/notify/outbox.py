"""The outbox's tables: what is to be told, where it is to go, and what became of it.

Notifications, their endings and the position they come from are written in one transaction, so a
kill loses none and doubles none. The schema is its own: a rebuild of reporting leaves it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson

from services.reporting.notify.channels import Outlet
from services.reporting.notify.message import Message, Receipt
from services.reporting.notify.rules import Notification
from services.reporting.store import Overtaken
from shared.identity import Identity
from shared.policy import QuietHours

PAUSES: Final = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400)
"""Seconds until the next attempt, after the first, the second … failed one; the last for ever."""

Pool = asyncpg.Pool


class OtherLog(RuntimeError):
    """The outbox was filled from another log; one line for the operator."""


@dataclass
class Filling:
    """What one batch of the log adds. `moves`: partition to (expected, next).

    `endings`: by the event that ends, the keys of what it ends. `ended`: by the notification of
    this batch, the event of this batch that came after it and ended it.
    """

    moves: dict[int, tuple[int, int]] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)
    endings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    _standing: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, item: Notification) -> None:
        """A second copy of a decision tells nobody again."""
        if item.id in self.notifications:
            return
        self.notifications[item.id] = item
        for key in item.ends:
            self._standing.setdefault(key, []).append(item.id)

    def end(self, event_id: str, keys: tuple[str, ...]) -> None:
        """What was told before no longer stands; a second copy of the event changes nothing."""
        if event_id in self.endings:
            return
        self.endings[event_id] = keys
        for key in keys:
            for name in self._standing.pop(key, ()):
                self.ended.setdefault(name, event_id)


@dataclass(frozen=True)
class Pending:
    """One delivery that is due, and the attempts made of it."""

    message: Message
    attempts: int


class Outbox:
    def __init__(self, pool: Any, schema: str) -> None:
        self.pool = pool
        self.schema = schema

    def _table(self, name: str) -> str:
        return f'"{self.schema}".{name}'

    @property
    def _definition(self) -> str:
        return f"""
        CREATE SCHEMA IF NOT EXISTS "{self.schema}";
        CREATE TABLE IF NOT EXISTS {self._table("positions")} (
            partition smallint PRIMARY KEY, next bigint NOT NULL,
            cluster_id text NOT NULL, topic_id text NOT NULL);
        CREATE TABLE IF NOT EXISTS {self._table("notifications")} (
            id text PRIMARY KEY, event_id text NOT NULL, subject text NOT NULL,
            kind text NOT NULL, recipient text NOT NULL, level text, timer text,
            ends text[] NOT NULL, body json NOT NULL, ended_by text);
        CREATE INDEX IF NOT EXISTS notifications_event
            ON {self._table("notifications")} (event_id);
        CREATE INDEX IF NOT EXISTS notifications_ends
            ON {self._table("notifications")} USING gin (ends) WHERE ended_by IS NULL;
        CREATE TABLE IF NOT EXISTS {self._table("endings")} (event_id text PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS {self._table("deliveries")} (
            place bigserial PRIMARY KEY, id text NOT NULL, channel text NOT NULL,
            state text NOT NULL DEFAULT 'pending', attempts integer NOT NULL DEFAULT 0,
            next_at timestamptz NOT NULL DEFAULT '-infinity', done_at timestamptz, detail text,
            since timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (channel, id));
        -- Receipts outlive every rebuild: what came later is added to them.
        ALTER TABLE {self._table("deliveries")} ADD COLUMN IF NOT EXISTS
            since timestamptz NOT NULL DEFAULT clock_timestamp();
        CREATE INDEX IF NOT EXISTS deliveries_pending
            ON {self._table("deliveries")} (channel, place) WHERE state = 'pending';
        """

    async def prepare(self, log: Identity) -> dict[int, int]:
        """Make what is missing; the position of each partition. Raises OtherLog."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", self.schema)
            await connection.execute(self._definition)
            await connection.executemany(
                f"INSERT INTO {self._table('positions')} VALUES ($1, 0, $2, $3) "
                "ON CONFLICT DO NOTHING",
                [(number, log.cluster_id, log.topic_id) for number in range(log.partitions)],
            )
            found = await connection.fetch(f"SELECT * FROM {self._table('positions')}")
        if any((r["cluster_id"], r["topic_id"]) != (log.cluster_id, log.topic_id) for r in found):
            raise OtherLog(
                f"schema {self.schema} holds the receipts of another log; drop it if they may go"
            )
        return {row["partition"]: row["next"] for row in found}

    # --- filling ----------------------------------------------------------------------------------

    async def reached(self, event_ids: Iterable[str]) -> dict[str, list[str]]:
        """Whom earlier alerts reached, by their event id."""
        found = await self.pool.fetch(
            "SELECT event_id, array_agg(recipient ORDER BY recipient) AS reached "
            f"FROM {self._table('notifications')} WHERE event_id = ANY($1) GROUP BY event_id",
            list(event_ids),
        )
        return {row["event_id"]: list(row["reached"]) for row in found}

    async def known(self, endings: Sequence[str]) -> set[str]:
        """Which of these events have ended something already: their copies end nothing more."""
        found = await self.pool.fetch(
            f"SELECT event_id FROM {self._table('endings')} WHERE event_id = ANY($1)", endings
        )
        return {row["event_id"] for row in found}

    async def fill(self, filling: Filling, outlets: Sequence[Outlet]) -> None:
        """Write everything or nothing. Raises Overtaken where a position is not the expected."""
        async with self.pool.acquire() as connection, connection.transaction():
            await self._move(connection, filling.moves)
            # What is in the tables came before this batch, so it is ended before more is added.
            for event_id, keys in filling.endings.items():
                await self._end(connection, event_id, keys)
            await self._add(connection, filling, outlets)

    async def _move(self, connection: Any, moves: Mapping[int, tuple[int, int]]) -> None:
        for partition, (expected, following) in moves.items():
            done = await connection.execute(
                f"UPDATE {self._table('positions')} SET next = $3 "
                "WHERE partition = $1 AND next = $2",
                partition,
                expected,
                following,
            )
            if done != "UPDATE 1":
                raise Overtaken("another process moved a position of the outbox")

    async def _add(self, connection: Any, filling: Filling, outlets: Sequence[Outlet]) -> None:
        items = list(filling.notifications.values())
        if not items:
            return
        await connection.executemany(
            f"INSERT INTO {self._table('notifications')} VALUES "
            "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            [
                (
                    *(item.id, item.event_id, item.subject, item.kind, item.recipient),
                    *(item.level, item.timer, list(item.ends), orjson.dumps(item.body).decode()),
                    filling.ended.get(item.id),
                )
                for item in items
            ],
        )
        await connection.executemany(
            f"INSERT INTO {self._table('deliveries')} (id, channel, state) VALUES ($1, $2, $3) "
            "ON CONFLICT DO NOTHING",
            [
                (item.id, outlet.name, "ended" if item.id in filling.ended else "pending")
                for item in items
                for outlet in outlets
                if outlet.takes(item.recipient, item.kind)
            ],
        )

    async def _end(self, connection: Any, event_id: str, keys: tuple[str, ...]) -> None:
        """What no longer stands and has not been sent is never sent."""
        await connection.execute(f"INSERT INTO {self._table('endings')} VALUES ($1)", event_id)
        await connection.execute(
            f"WITH gone AS (UPDATE {self._table('notifications')} SET ended_by = $1 "
            "WHERE ended_by IS NULL AND ends && $2::text[] RETURNING id) "
            f"UPDATE {self._table('deliveries')} SET state = 'ended' "
            "WHERE state = 'pending' AND id IN (SELECT id FROM gone)",
            event_id,
            list(keys),
        )

    # --- emptying ---------------------------------------------------------------------------------

    async def due(
        self, channel: str, now: datetime, most: int, quiet: QuietHours | None
    ) -> list[Pending]:
        """The deliveries of a channel to try now, oldest first; `quiet`: the hours that run."""
        found = await self.pool.fetch(
            f"SELECT d.id, d.attempts, n.body FROM {self._table('deliveries')} AS d "
            f"JOIN {self._table('notifications')} AS n USING (id) "
            "WHERE d.channel = $1 AND d.state = 'pending' AND d.next_at <= $4 "
            f"AND NOT {_HELD} ORDER BY d.place LIMIT $5",
            channel,
            *_held(quiet),
            now,
            most,
        )
        return [
            Pending(Message(row["id"], orjson.loads(row["body"])), row["attempts"]) for row in found
        ]

    async def mark(
        self,
        channel: str,
        pending: Sequence[Pending],
        receipts: Sequence[Receipt],
        now: datetime,
    ) -> None:
        """Write the receipts: sent, or when to try again."""
        rows = []
        for item, receipt in zip(pending, receipts, strict=True):
            if receipt.outcome == "held":
                continue
            sent = receipt.outcome == "sent"
            attempts = item.attempts + 1
            pause = receipt.after if receipt.after is not None else pause_after(attempts)
            rows.append(
                (
                    channel,
                    item.message.id,
                    "sent" if sent else "pending",
                    attempts,
                    now if sent else now + timedelta(seconds=pause),
                    now if sent else None,
                    receipt.detail,
                )
            )
        await self.pool.executemany(
            f"UPDATE {self._table('deliveries')} SET attempts = $4, next_at = $5, done_at = $6, "
            "detail = $7, state = CASE WHEN state = 'ended' AND $3 = 'pending' THEN state "
            "ELSE $3 END "
            "WHERE channel = $1 AND id = $2",
            rows,
        )

    async def waiting(self, channel: str, quiet: QuietHours | None) -> tuple[int, datetime | None]:
        """How many deliveries of a channel stand and are not done; since when the oldest waits of
        those that the quiet hours do not hold back.
        """
        found = await self.pool.fetchrow(
            f"SELECT count(*) AS waiting, min(d.since) FILTER (WHERE NOT {_HELD}) AS since "
            f"FROM {self._table('deliveries')} AS d "
            f"JOIN {self._table('notifications')} AS n USING (id) "
            "WHERE d.channel = $1 AND d.state = 'pending'",
            channel,
            *_held(quiet),
        )
        return found["waiting"], found["since"]


_HELD: Final = "(n.kind = 'alert' AND n.level = ANY($2) AND coalesce(n.timer, '') <> ALL($3))"
"""What the quiet hours hold back, which `_held` gives its two parameters."""


def _held(quiet: QuietHours | None) -> tuple[list[str], list[str]]:
    return (list(quiet.levels), list(quiet.never)) if quiet else ([], [])


def pause_after(attempts: int) -> float:
    """Seconds until the next attempt after so many failed ones."""
    return PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
