"""隔离区: lines that were refused, with their reason, until a person corrects or discards them.

I-02: no received line ends in silence. What a feed, a stream or an upload sent and what could not
be received stands here, sealed under a key of its own, before its sender is told. Its id follows
from what was sent, so the same line again is the same item. A correction goes through reception
like any line; only then is the item closed and linked to the case. Killed between the two, the
item waits, and correcting it again finds the complaint received: one case, never two, never none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from services.intake.complaint import Problem
from services.intake.decider import Refusal
from services.intake.desk import Refusing
from services.intake.kept import SCOPE, Kept
from services.intake.preparing import Prepared, Receipt
from services.intake.privacy import Caller
from services.intake.vault import Vault
from shared.calendar import civil
from shared.database import PASSING
from shared.envelope import derived_id
from shared.governance import Governance
from shared.journal import journal
from shared.keys import ALL, Key
from shared.metrics import FEED_LINES

log = journal("intake.quarantine")

Door = Literal["topic", "stream", "post", "feed", "upload", "open311"]
Form = Literal["complaint", "payload", "row", "open311"]
State = Literal["waiting", "returned", "resent", "discarded"]

UNKNOWN: Final = "unknown"
"""The source of a line that does not say a known one."""

_WAITS: Final = frozenset(("topic", "stream", "upload"))
"""Doors whose sender may not be there to correct; the others were answered at once."""


@dataclass(frozen=True)
class Refused:
    """A refused line. `raw`: as sent, None where it was too long to keep. `place`: of it."""

    source: str
    place: str
    raw: bytes | None
    problems: tuple[Problem, ...]


class Quarantine:
    """Keeps refused lines, shows them to those entitled, closes them."""

    def __init__(self, kept: Kept, pool: Any, vault: Vault, governance: Governance) -> None:
        self.kept = kept
        self.pool = pool
        self.vault = vault
        self.governance = governance

    # --- keeping --------------------------------------------------------------------------------

    async def keep(
        self, refused: Sequence[Refused], door: Door, form: Form, key: Key
    ) -> list[tuple[str, str | None]]:
        """Store refused lines before anybody is told; of each its id and what was sealed.

        Raises whatever the database raises.
        """
        if not refused:
            return []
        now = self.governance.clock.now()
        ids = [self._id(item, door, key, now) for item in refused]
        times = Counter(ids)
        items = dict(zip(ids, refused, strict=True))
        state: State = "waiting" if door in _WAITS else "returned"
        sealed: list[str | None] = []
        wrapped: list[bytes] = []
        for id, item in items.items():
            sealer, secret = self.vault.safe.fresh(f"{SCOPE}:{id}")
            text = None if item.raw is None or state == "returned" else _text(item.raw)
            wrapped.append(secret)
            sealed.append(None if text is None else sealer.seal(text, f"{SCOPE}/payload"))
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""WITH given AS (
                    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                        $5::text[], $6::text[], $7::int[], $8::bytea[])
                    AS g(id, source, place, reason, pointer, payload, times, secret)
                ), secrets AS (
                    INSERT INTO {self.kept.keys} (subject, key)
                    SELECT '{SCOPE}:' || id, secret FROM given WHERE payload IS NOT NULL
                    ON CONFLICT DO NOTHING
                ) INSERT INTO {self.kept.quarantine} AS old (id, source, door, form, place, reason,
                    pointer, payload, times, sent_by, first_at, last_at, state, closed_at)
                SELECT id, source, $9, $10, place, reason, pointer, payload, times, $11, $12, $12,
                    $13, CASE WHEN $13 = 'waiting' THEN NULL ELSE $12::timestamptz END FROM given
                ON CONFLICT (id) DO UPDATE SET times = old.times + excluded.times,
                    last_at = excluded.last_at
                RETURNING id, payload""",
                list(items),
                [item.source for item in items.values()],
                [item.place for item in items.values()],
                [item.problems[0].code for item in items.values()],
                [public_pointer(item.problems[0]) for item in items.values()],
                sealed,
                [times[id] for id in items],
                wrapped,
                door,
                form,
                key.name,
                now,
                state,
            )
        stored = {row["id"]: row["payload"] for row in rows}
        return [(id, stored[id]) for id in ids]

    def _id(self, item: Refused, door: Door, key: Key, now: datetime) -> str:
        """Of what was sent, by whom, through which door; of an overlong line its place and day."""
        if item.raw is None:
            return derived_id(SCOPE, door, key.name, item.place, f"{civil(now)}")
        content = self.vault.matcher.hash(SCOPE, item.raw.decode("latin-1"))
        return derived_id(SCOPE, door, key.name, content)

    def source_of(self, raw: bytes | None, key: Key) -> str:
        """The source that a refused line says, if it is one; else the only one of its key."""
        sources = self.governance.books.latest.content.organisation.sources
        try:
            document = orjson.loads(raw or b"")
            said = document.get("source") if isinstance(document, dict) else None
        except orjson.JSONDecodeError:
            said = None
        if isinstance(said, str) and said in sources and key.may_post(said):
            return said
        return own_source(key) or UNKNOWN

    async def batch(
        self,
        raws: Sequence[bytes | None],
        prepared: Sequence[Prepared | Receipt],
        receipts: Sequence[Receipt],
        door: Door,
        key: Key,
        first: int = 1,
    ) -> None:
        """What became of a batch of complaints: refusals are kept, every line is counted."""
        refused = [
            Refused(self.source_of(raw, key), f"line {number}", raw, receipt.problems)
            for number, (raw, receipt) in enumerate(zip(raws, receipts, strict=True), first)
            if receipt.status == "rejected" and (raw is None or raw.strip())
        ]
        await self.keep(refused, door, "complaint", key)
        counts: Counter[tuple[str, str]] = Counter(
            (item.source, receipt.status)
            for item, receipt in zip(prepared, receipts, strict=True)
            if isinstance(item, Prepared) and receipt.status != "rejected"
        )
        counts.update((item.source, "rejected") for item in refused)
        await self.count(counts)

    async def count(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Count lines by source and status: duplicates stand nowhere else. A measure only."""
        for (source, status), number in counts.items():
            FEED_LINES.labels(source, status).inc(number)
        others = {pair: number for pair, number in counts.items() if pair[1] != "received"}
        if not others:
            return
        day = civil(self.governance.clock.now())
        try:
            async with self.pool.acquire() as connection:
                await connection.executemany(
                    f"""INSERT INTO {self.kept.tallies} AS old VALUES ($1, $2, $3, $4)
                    ON CONFLICT (source, day, status)
                    DO UPDATE SET lines = old.lines + excluded.lines""",
                    [(source, day, status, n) for (source, status), n in sorted(others.items())],
                )
        except PASSING as error:
            log.warning("not_counted", error=type(error).__name__)

    # --- looking --------------------------------------------------------------------------------

    async def listing(
        self, key: Key, source: str | None, state: str | None, case_id: str | None,
        after: str | None, limit: int,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Items of the sources that the caller may see, oldest first; no payloads."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT * FROM {self.kept.quarantine} AS q
                WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR state = $2)
                AND ($3::text IS NULL OR case_id = $3)
                AND ($4::text IS NULL OR (first_at, id) > (
                    SELECT first_at, id FROM {self.kept.quarantine} WHERE id = $4))
                AND ($5::text[] IS NULL OR source = ANY($5))
                ORDER BY first_at, id LIMIT $6""",
                source, state, case_id, after, _sources_seen(key), limit,
            )  # fmt: skip
        return [_shown(row) for row in rows]

    async def item(self, connection: Any, id: str, key: Key) -> Any:
        """One item's row. Raises Refusing: 404 also for what the caller may not see."""
        row = await connection.fetchrow(f"SELECT * FROM {self.kept.quarantine} WHERE id = $1", id)
        seen = _sources_seen(key)
        if row is None or (seen is not None and row["source"] not in seen):
            raise Refusing(Refusal(404, "UNKNOWN_ITEM", "no such item in quarantine"))
        return row

    async def payload(self, connection: Any, row: Any) -> str | None:
        """What was sent, in clear. None where nothing was kept."""
        if row["payload"] is None:
            return None
        opener = await self.vault.opener(connection, f"{SCOPE}:{row['id']}")
        return opener.open(row["payload"])

    # --- closing --------------------------------------------------------------------------------

    async def close(
        self, connection: Any, id: str, state: State, caller: Caller, *,
        case_id: str | None = None, reason: str | None = None,
    ) -> None:  # fmt: skip
        """Close an item; one that is closed already stays as it is."""
        note = None
        if reason is not None:
            sealer = await self.vault.sealer(connection, f"{SCOPE}:{id}")
            note = sealer.seal(reason, f"{SCOPE}/note")
        person = self.vault.matcher.person(caller.person)
        await connection.execute(
            f"""UPDATE {self.kept.quarantine} SET state = $2, closed_at = $3, closed_by = $4,
            note = $5, case_id = $6 WHERE id = $1 AND state = 'waiting'""",
            id, state, self.governance.clock.now(),
            f"{caller.key.unit}/{caller.key.role}/{person}", note, case_id,
        )  # fmt: skip


def own_source(key: Key) -> str | None:
    """The one source that a key may post; None if there are several or none."""
    return key.sources[0] if len(key.sources) == 1 and ALL not in key.sources else None


def sees_all(key: Key) -> bool:
    """The office sorts what no source owns (方案 三); the operator runs the feeds."""
    return key.role in ("office", "operator")


def _sources_seen(key: Key) -> list[str] | None:
    """Sources whose refused lines a key sees; None: all. Lines of no source are the office's."""
    if sees_all(key):
        return None
    if key.role not in ("clerk", "platform"):
        return []
    return None if ALL in key.sources else list(key.sources)


def _text(raw: bytes) -> str:
    """As sent; bytes that are no UTF-8 stand as `\\xNN`, so that it can be sealed and read."""
    return raw.decode("utf-8", "backslashreplace")


def public_pointer(problem: Problem) -> str:
    """Where, without a name that the sender made up, which may be a person's."""
    place = problem.pointer
    if problem.code == "extra_forbidden":
        place = place.rpartition("/")[0] + "/*"
    return "".join(char for char in place if char.isprintable())[:200]


def _shown(row: Any) -> dict[str, Any]:
    names = ("id", "source", "door", "form", "place", "reason", "pointer", "times", "state")
    shown = {name: row[name] for name in names}
    for name in ("first_at", "last_at", "closed_at"):
        shown[name] = row[name]
    return shown | {
        "kept": row["payload"] is not None,
        "closed_by": row["closed_by"],
        "case_id": row["case_id"],
    }


def kinds(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as JSON."""
    return [{"pointer": p.pointer, "code": p.code, "detail": p.detail} for p in problems]
