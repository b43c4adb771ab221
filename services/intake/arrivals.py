"""对账 (I-02): what arrived of each source and what became of it, per civil day.

Intake keeps this book, not reporting: the refused lines, the outbox and the uploads are known here
alone, and only whoever has all of them can say that none is missing. Arrivals and outcomes are
folded from the log (dropped with the schema, folded again), refusals come from the quarantine. A
line belongs to the day on which it was recorded or refused.

It reads the log for itself, now and then and whenever it is asked: whatever it costs, the stream of
complaints does not wait for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import date, datetime
from itertools import count
from typing import Any, Final

import orjson

from services.intake.kept import Kept
from shared.calendar import civil, end_of, start_of
from shared.clock import ClockUnset
from shared.database import PASSING
from shared.governance import Governance, Ungoverned
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Reader, Record, Unavailable, count_retry
from shared.metrics import FEED_DAY, FEED_DELAY, FEED_MISSING, QUARANTINED
from shared.settings import Settings

log = journal("intake.arrivals")

_SECONDS: Final = 30.0
_ROUNDS: Final = 20
"""Whether a complaint is missing is asked once in so many rounds: it reads whole tables."""
_TYPE = re.compile(rb'"type":"([A-Za-z]+)"\}$')
_RECEIVED: Final = "ComplaintReceived"
_UNMERGED: Final = frozenset(("ComplaintUnmerged", "MergeRevoked"))
OUTCOMES: Final = {
    "ComplaintAccepted": "accepted",
    "ComplaintNotAccepted": "not_accepted",
    "ComplaintTransferredOut": "transferred",
    "ComplaintMerged": "merged",
    "MergeApproved": "merged",
}
"""Events that end what I-02 asks of a line; taking a merge back is its own case."""

COLUMNS: Final = ("accepted", "not_accepted", "merged", "transferred", "returned", "open")
"""What `received` is the sum of. `returned`: told its sender, discarded, or corrected and sent
again (the correction is a line of its own day). `open`: not decided yet, or in quarantine."""


class Arrivals:
    """Folds arrivals, and answers for a day or a source."""

    def __init__(self, settings: Settings, kept: Kept, pool: Any, governance: Governance) -> None:
        self.kept = kept
        self.pool = pool
        self.governance = governance
        self.reader = Reader(settings, "intake-arrivals")
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Raises Unavailable."""
        await self.reader.start()

    async def stop(self) -> None:
        await self.reader.stop()

    async def run(self) -> None:
        """Fold and publish the gauges, for ever; a passing fault waits for the next time."""
        for round in count():
            try:
                await self.catch_up()
                await self.publish()
                if round % _ROUNDS == 0:
                    FEED_MISSING.set(len(await self.missing()))
            except (Unavailable, Ungoverned, ClockUnset, *PASSING) as error:
                count_retry(error)
                log.warning("arrivals_wait", error=type(error).__name__)
            await asyncio.sleep(_SECONDS)

    # --- folding --------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Fold up to where the log ends now. Raises Unavailable or as asyncpg."""
        async with self._turn:
            ends = await self.reader.ends(CASE_EVENTS, range(PARTITIONS))
            async with self.pool.acquire() as connection:
                rows = await connection.fetch(f"SELECT partition, next FROM {self.kept.read}")
            for row in rows:
                number, first = row["partition"], row["next"]
                while first < ends[number]:
                    first = await self._advance(number, first, ends[number])

    async def _advance(self, partition: int, first: int, end: int) -> int:
        """Fold a partition from `first` on; where it stands then, also if others fold it too."""
        async with aclosing(self.reader.range(CASE_EVENTS, partition, first, end)) as batches:
            async for records in batches:
                if not await self._fold(partition, first, records):
                    break
                first = records[-1].offset + 1
        async with self.pool.acquire() as connection:
            stands: int = await connection.fetchval(
                f"SELECT next FROM {self.kept.read} WHERE partition = $1", partition
            )
        return stands

    async def _fold(self, partition: int, first: int, records: Sequence[Record]) -> bool:
        """Fold a batch with its position, all or nothing; False if another process was first."""
        arrived: list[tuple[Any, ...]] = []
        outcomes: list[tuple[Any, ...]] = []
        for record in records:
            found = _TYPE.search(record.value, max(0, len(record.value) - 80))
            name = found[1].decode() if found else ""
            if name == _RECEIVED or name in OUTCOMES or name in _UNMERGED:
                self._read(record, name, arrived, outcomes)
        async with self.pool.acquire() as connection, connection.transaction():
            moved = await connection.execute(
                f"UPDATE {self.kept.read} SET next = $3 WHERE partition = $1 AND next = $2",
                partition,
                first,
                records[-1].offset + 1,
            )
            if moved != "UPDATE 1":
                return False
            await connection.execute(
                f"""INSERT INTO {self.kept.arrivals} SELECT * FROM unnest($1::text[], $2::text[],
                $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
                ON CONFLICT DO NOTHING""",
                *([list(column) for column in zip(*arrived, strict=True)] or [[]] * 6),
            )
            await connection.executemany(
                f"""INSERT INTO {self.kept.outcomes}
                SELECT $1, $2, $3, coalesce($4, (
                    SELECT outcome FROM {self.kept.outcomes}
                    WHERE case_id = $1 AND outcome <> 'merged' ORDER BY place DESC LIMIT 1
                ), 'open'), $5 ON CONFLICT DO NOTHING""",
                outcomes,
            )
        return True

    def _read(self, record: Record, name: str, arrived: list[Any], outcomes: list[Any]) -> None:
        """One event; what a foreign writer has malformed is passed by, as the view does."""
        try:
            event = orjson.loads(record.value)
            recorded = datetime.fromisoformat(event["recordedtime"])
            if name == _RECEIVED:
                data = event["data"]
                received = datetime.fromisoformat(data["received_at"])
                kind = data.get("kind", "complaint")
                ref = data["source_ref"]
                arrived.append((event["subject"], data["source"], ref, kind, received, recorded))
            else:
                outcome = OUTCOMES.get(name)
                outcomes.append((event["subject"], event["id"], record.offset, outcome, recorded))
        except (KeyError, TypeError, ValueError):
            log.warning("unreadable", partition=record.partition, offset=record.offset)

    # --- answering ------------------------------------------------------------------------------

    async def reconciliation(
        self, first: date, last: date, source: str | None, as_of: datetime
    ) -> list[dict[str, Any]]:
        """A row for each source and civil day from `first` to `last` on which a line arrived.

        `as_of`: what had become of each line at that instant.
        """
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                self._lines_sql(), start_of(first), end_of(last), source, as_of
            )
        days: dict[tuple[str, date], dict[str, Any]] = {}
        for row in rows:
            day = days.setdefault((row["source"], row["day"]), _empty(row["source"], row["day"]))
            day["received"] += row["lines"]
            day[_column(row["outcome"])] += row["lines"]
            if row["outcome"] in day["details"]:
                day["details"][row["outcome"]] += row["lines"]
        return [days[key] for key in sorted(days)]

    def _lines_sql(self) -> str:
        """Lines by source, civil day and outcome: what stands on the log, and what was refused."""
        return f"""
        WITH lines AS (
            SELECT a.source, a.recorded_at AS at, coalesce((
                SELECT o.outcome FROM {self.kept.outcomes} o
                WHERE o.case_id = a.case_id AND o.recorded_at <= $4
                ORDER BY o.place DESC LIMIT 1), 'open') AS outcome
            FROM {self.kept.arrivals} a
            WHERE a.recorded_at >= $1 AND a.recorded_at < $2 AND a.recorded_at <= $4
            UNION ALL
            SELECT q.source, q.first_at, CASE
                WHEN q.closed_at IS NULL OR q.closed_at > $4 THEN 'waiting' ELSE q.state END
            FROM {self.kept.quarantine} q
            WHERE q.first_at >= $1 AND q.first_at < $2 AND q.first_at <= $4
        )
        SELECT source, (at AT TIME ZONE 'Asia/Shanghai')::date AS day, outcome, count(*) AS lines
        FROM lines WHERE $3::text IS NULL OR source = $3 GROUP BY 1, 2, 3
        """

    async def missing(self) -> list[str]:
        """Case ids that were taken in and are neither on the log nor in the outbox. Must be none.

        Read before the log's end is: what was acknowledged meanwhile is found by folding to it.
        """
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT case_id FROM {self.kept.complaints} c
                WHERE NOT EXISTS (SELECT FROM {self.kept.arrivals} a WHERE a.case_id = c.case_id)
                AND NOT EXISTS (SELECT FROM {self.kept.outbox} o WHERE o.case_id = c.case_id)"""
            )
        if not rows:
            return []
        suspected = [row["case_id"] for row in rows]
        await self.catch_up()
        async with self.pool.acquire() as connection:
            found = await connection.fetch(
                f"SELECT case_id FROM {self.kept.arrivals} WHERE case_id = ANY($1)", suspected
            )
        return sorted(set(suspected) - {row["case_id"] for row in found})

    async def scorecards(self, day: date) -> list[dict[str, Any]]:
        """记分卡 of each source on a day: lines, rejects, duplicates, delay in seconds."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT source, count(*) AS received,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY delay) AS delay_median,
                percentile_cont(0.95) WITHIN GROUP (ORDER BY delay) AS delay_p95,
                count(*) FILTER (WHERE recorded_at >= $2 - interval '1 hour') AS last_hour
                FROM (SELECT *, extract(epoch FROM recorded_at - received_at)::float8 AS delay
                    FROM {self.kept.arrivals} WHERE recorded_at >= $1 AND recorded_at < $2) a
                GROUP BY source""",
                start_of(day),
                end_of(day),
            )
            refused = await connection.fetch(
                f"""SELECT source, count(*) AS rejected,
                count(*) FILTER (WHERE closed_at IS NULL) AS waiting
                FROM {self.kept.quarantine} WHERE first_at >= $1 AND first_at < $2
                GROUP BY source""",
                start_of(day),
                end_of(day),
            )
            tallies = await connection.fetch(
                f"SELECT source, lines FROM {self.kept.tallies} WHERE day = $1 AND status = $2",
                day,
                "duplicate",
            )
        cards: dict[str, dict[str, Any]] = {}
        for row in [*rows, *refused]:
            cards.setdefault(row["source"], _card(row["source"])).update(dict(row))
        for row in tallies:
            card = cards.setdefault(row["source"], _card(row["source"]))
            card["duplicates"] += row["lines"]
        return [_rated(cards[name]) for name in sorted(cards)]

    async def publish(self) -> None:
        """Put today's figures on `/metrics`."""
        now = self.governance.clock.now()
        today = civil(now)
        days = {row["source"]: row for row in await self.reconciliation(today, today, None, now)}
        cards = {row["source"]: row for row in await self.scorecards(today)}
        async with self.pool.acquire() as connection:
            waiting = await connection.fetch(
                f"""SELECT source, count(*) AS lines FROM {self.kept.quarantine}
                WHERE closed_at IS NULL GROUP BY source"""
            )
        counts = {row["source"]: row["lines"] for row in waiting}
        for source in [*self.governance.books.latest.content.organisation.sources, "unknown"]:
            day = days.get(source) or _empty(source, today)
            for column in ("received", *COLUMNS):
                FEED_DAY.labels(source, column).set(day[column])
            FEED_DELAY.labels(source).set((cards.get(source) or {}).get("delay_median") or 0)
            QUARANTINED.labels(source).set(counts.get(source, 0))

    async def requests(
        self, case_ids: Iterable[str] | None, source: str | None, prefix: str,
        first: datetime, last: datetime, limit: int,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Arrivals whose source_ref has a prefix: by id, or of one source within a span of time."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT a.*, coalesce((SELECT max(o.recorded_at) FROM {self.kept.outcomes} o
                    WHERE o.case_id = a.case_id), a.recorded_at) AS updated_at
                FROM {self.kept.arrivals} a WHERE starts_with(source_ref, $1)
                AND ($2::text[] IS NULL OR case_id = ANY($2))
                AND ($2::text[] IS NOT NULL OR (source = $3
                    AND received_at >= $4 AND received_at <= $5))
                ORDER BY received_at DESC, case_id LIMIT $6""",
                prefix, None if case_ids is None else list(case_ids), source, first, last, limit,
            )  # fmt: skip
        return [dict(row) for row in rows]


_DETAILS: Final = ("waiting", "returned", "resent", "discarded")


def _empty(source: str, day: date) -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(("received", *COLUMNS), 0)
    return {"source": source, "day": day, **counts, "details": dict.fromkeys(_DETAILS, 0)}


def _column(outcome: str) -> str:
    if outcome in ("returned", "resent", "discarded"):
        return "returned"
    return "open" if outcome == "waiting" else outcome


def _card(source: str) -> dict[str, Any]:
    return {"source": source, "received": 0, "rejected": 0, "waiting": 0, "duplicates": 0,
            "last_hour": 0, "delay_median": None, "delay_p95": None}  # fmt: skip


def _rated(card: dict[str, Any]) -> dict[str, Any]:
    """Shares in parts per million, as everywhere: no float decides or is compared."""
    lines = card["received"] + card["rejected"] + card["duplicates"]
    for name in ("rejected", "duplicates"):
        card[f"{name}_ppm"] = card[name] * 1_000_000 // lines if lines else None
    for name in ("delay_median", "delay_p95"):
        card[name] = None if card[name] is None else round(card[name])
    return card
