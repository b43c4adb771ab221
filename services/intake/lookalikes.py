"""Likely duplicates, found as complaints come in and left to a person (查重).

Follows the log at its own pace, behind intake's view: the features of a complaint are kept sealed
under its own key (erasing the key erases them), and compared with those that share a blocking
key. What was proposed, merged, dismissed or ended is folded from the log with the position in
one transaction: after a kill it goes on, and a dropped schema is made again the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson

from services.intake.decider import By, Refusal
from services.intake.desk import Refusing, Report
from services.intake.likeness import (
    Features,
    Known,
    Likeness,
    Near,
    apart,
    blocks,
    features,
    known,
    likeness,
)
from services.intake.privacy import FIELDS, Caller, Privacy, masked_fields, names_in
from services.intake.reception import Reception
from services.intake.tables import Connection, Tables
from services.intake.vault import Vault
from services.intake.view import View
from shared import events as e
from shared.database import PASSING
from shared.envelope import Unreadable, decode, derived_id
from shared.events import Event
from shared.governance import Governance
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Reader, Record, Unavailable, count_retry
from shared.policy import MatchingRules
from shared.sealing import CannotOpen

log = journal("intake.lookalikes")

_IDLE: Final = 1.0
_MOST: Final = 200
"""Records of a partition read at a time."""
_FEW: Final = 100
"""Records folded in one transaction: what is asked of the database is asked for all of them."""
_AT_A_TIME: Final = 20
"""Complaints read between two turns of the requests: some 2 ms."""
_PATIENCE: Final = 20
"""While complaints are being taken in they wait, but at most so many times as long as the last few
took: who sends waits for us, and nobody waits for a proposal.
"""
_PLACE: Final = "likeness"
_RELEVANT: Final = (
    b'"type":"ComplaintReceived"}',
    b'"type":"ComplaintMerged"}',
    b'"type":"ComplaintUnmerged"}',
    b'"type":"MergeApproved"}',
    b'"type":"MatchDismissed"}',
    b'"type":"ComplaintNotAccepted"}',
    b'"type":"ComplaintTransferredOut"}',
    b'"type":"PiiErased"}',
)
_packed = msgspec.json.Encoder()
_unpacked = msgspec.json.Decoder(Features)


def pair(one: str, other: str) -> tuple[str, str]:
    """Two cases in the one order in which a pair is kept."""
    return (one, other) if one < other else (other, one)


@dataclass(frozen=True)
class Proposal:
    """Two complaints that may be the same claim; `same`: lines of `one` with lines of `other`."""

    id: str
    one: str
    other: str
    score: int
    parts: dict[str, int]
    same: dict[str, str]


@dataclass(frozen=True)
class Arrival:
    """A complaint that is taken up, with its blocking keys. `seat`: its place among all."""

    features: Features
    known: Known
    keys: tuple[str, ...]
    sealed: str
    seat: int = 0


class Lookalikes:
    """Finds, lists, and turns a person's decision into a fact for the desk."""

    def __init__(
        self,
        tables: Tables,
        pool: Any,
        vault: Vault,
        governance: Governance,
        view: View,
        privacy: Privacy,
        reception: Reception,
    ) -> None:
        self.tables = tables
        self.pool = pool
        self.vault = vault
        self.governance = governance
        self.view = view
        self.privacy = privacy
        self.reception = reception
        self.reader = Reader(view.settings, "intake-lookalikes")
        self._took = 0.1
        """Seconds that the last few records took; before them, a guess."""

    # --- following the log ----------------------------------------------------------------------

    async def run(self) -> None:
        """Follow for ever; a passing fault is waited out in place."""
        started = False
        try:
            while True:
                try:
                    if not started:
                        await self.reader.start()
                        started = True
                    idle = not await self.follow()
                except (Unavailable, *PASSING) as error:
                    count_retry(error)
                    log.warning("lookalikes_wait", error=type(error).__name__)
                    idle = True
                await asyncio.sleep(_IDLE if idle else 0.05)
        finally:
            if started:
                await self.reader.stop()

    async def follow(self) -> bool:
        """Some records of each partition, as far as the view has folded; whether there were any."""
        async with self.pool.acquire() as connection:
            await connection.executemany(
                f"INSERT INTO {self.tables.like_positions} VALUES ($1, 0) ON CONFLICT DO NOTHING",
                [(number,) for number in range(PARTITIONS)],
            )
            rows = await connection.fetch(
                f"SELECT partition, next FROM {self.tables.like_positions} ORDER BY partition"
            )
        moved = False
        for row in rows:
            number, start = row["partition"], row["next"]
            end = min(self.view.positions[number], start + _MOST)
            if start < end:
                await self._advance(number, start, end)
                moved = True
        return moved

    async def _advance(self, partition: int, start: int, end: int) -> None:
        """Fold the records from `start` up to but without `end`, a few in each transaction."""
        records = [
            record
            async for batch in self.reader.range(CASE_EVENTS, partition, start, end)
            for record in batch
        ]
        for first in range(0, len(records), _FEW):
            few = records[first : first + _FEW]
            stop = few[-1].offset + 1 if first + _FEW < len(records) else end
            await self.reception.give_way(_PATIENCE * self._took)
            begun = time.monotonic()
            if not await self._fold_few(partition, start, stop, few):
                return
            self._took, start = time.monotonic() - begun, stop

    async def _fold_few(
        self, partition: int, start: int, end: int, records: Sequence[Record]
    ) -> bool:
        """All or nothing; False if another process was faster."""
        events = [event for record in records if (event := _read(record.value)) is not None]
        rules = self.governance.books.latest.content.matching
        async with self.pool.acquire() as connection, connection.transaction():
            held = await connection.execute(
                f"""UPDATE {self.tables.like_positions} SET next = $3
                WHERE partition = $1 AND next = $2""",
                partition,
                start,
                end,
            )
            if held == "UPDATE 0":
                return False
            # A case's complaint stands before all else of it.
            await self._received(connection, events, rules)
            for event in events:
                await self._fold(connection, event)
        return True

    async def _fold(self, connection: Connection, event: Event) -> None:
        match event.data:
            case e.MergeApproved() | e.ComplaintMerged():
                await self._verdict(connection, event.subject, event.data.master, "merged")
            case e.ComplaintUnmerged():
                await self._verdict(connection, event.subject, event.data.master, "separated")
            case e.MatchDismissed():
                await self._verdict(connection, event.subject, event.data.other, "dismissed")
            case e.ComplaintNotAccepted() | e.ComplaintTransferredOut() | e.PiiErased():
                await connection.execute(
                    f"""INSERT INTO {self.tables.likes} (case_id, sealed, ended)
                    VALUES ($1, '', true) ON CONFLICT (case_id) DO UPDATE SET ended = true""",
                    event.subject,
                )
            case _:
                pass

    async def _verdict(self, connection: Connection, case: str, other: str, verdict: str) -> None:
        await connection.execute(
            f"""INSERT INTO {self.tables.like_verdicts} VALUES ($1, $2, $3)
            ON CONFLICT (one, other) DO UPDATE SET verdict = excluded.verdict""",
            *pair(case, other),
            verdict,
        )

    async def _received(
        self, connection: Connection, events: Sequence[Event], rules: MatchingRules
    ) -> None:
        """Keep the complaints of a batch, and propose what each is like of those before it."""
        fresh = await self._kept(connection, await self._arrivals(connection, events))
        if not fresh:
            return
        met = await self._met(connection, fresh, rules.most_candidates)
        others = await self._opened(connection, {case for cases in met.values() for case in cases})
        others |= {arrival.features.case_id: arrival.features for arrival in fresh}
        proposals = []
        for number, arrival in enumerate(fresh):
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
            mine = arrival.features
            for other in (others[case] for case in met[mine.case_id] if case in others):
                found = likeness(mine, other, rules)
                if found is not None and found.score >= rules.propose_from:
                    proposals.append(_proposed(mine.case_id, other.case_id, found))
        await self._propose(connection, proposals)
        places = [(key, arrival) for arrival in fresh for key in arrival.keys]
        await connection.execute(
            f"""INSERT INTO {self.tables.like_blocks}
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])""",
            [key for key, _ in places],
            [arrival.seat for _, arrival in places],
            [arrival.features.case_id for _, arrival in places],
        )

    async def _arrivals(
        self, connection: Connection, events: Sequence[Event]
    ) -> dict[str, Arrival]:
        """The complaints among the events, each once, but those that were erased since."""
        received: dict[str, e.ComplaintReceived] = {}
        for event in events:
            if isinstance(event.data, e.ComplaintReceived):
                received.setdefault(event.subject, event.data)
        openers = await self.vault.openers(connection, list(received))
        found = {}
        for number, case in enumerate(case for case in received if case in openers):
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
            mine = features(case, received[case], openers[case])
            keys = blocks(received[case], mine, self.vault.matcher)
            sealed = openers[case].seal(_packed.encode(mine).decode(), _PLACE)
            found[case] = Arrival(mine, known(mine), keys, sealed)
        return found

    async def _kept(self, connection: Connection, arrivals: dict[str, Arrival]) -> list[Arrival]:
        """Those that are new, in the order of their seats: no second copy on the log, and none
        that ended before."""
        rows = await connection.fetch(
            f"""INSERT INTO {self.tables.likes} (case_id, sealed, uscc, workers)
            SELECT c, s, u, w FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
            WITH ORDINALITY AS t(c, s, u, w, n) ORDER BY n
            ON CONFLICT DO NOTHING RETURNING case_id, seat""",
            list(arrivals),
            [arrival.sealed for arrival in arrivals.values()],
            [arrival.known.uscc for arrival in arrivals.values()],
            [arrival.known.workers for arrival in arrivals.values()],
        )
        kept = [replace(arrivals[row["case_id"]], seat=row["seat"]) for row in rows]
        return sorted(kept, key=lambda arrival: arrival.seat)

    async def _met(
        self, connection: Connection, fresh: Sequence[Arrival], most: int
    ) -> dict[str, list[str]]:
        """Of each, the complaints before it that share a key and may be the same: of each key the
        `most` newest are looked at."""
        rows = await connection.fetch(
            f"""SELECT k.block, near.* FROM unnest($1::text[]) AS k(block)
            CROSS JOIN LATERAL (SELECT b.seat, l.case_id, l.uscc, l.workers
                FROM {self.tables.like_blocks} AS b JOIN {self.tables.likes} AS l USING (case_id)
                WHERE b.block = k.block AND NOT l.ended ORDER BY b.seat DESC LIMIT $2) AS near
            ORDER BY k.block, near.seat""",
            list({key for arrival in fresh for key in arrival.keys}),
            most,
        )
        near = Near(most)
        for row in rows:
            near.add((row["block"],), row["case_id"], Known(row["uscc"], row["workers"]))
        met = {}
        for arrival in fresh:
            case_id, sharing = arrival.features.case_id, near.sharing(arrival.keys)
            met[case_id] = [
                case for case, theirs in sorted(sharing.items()) if not apart(arrival.known, theirs)
            ]
            near.add(arrival.keys, case_id, arrival.known)
        return met

    async def _opened(self, connection: Connection, cases: set[str]) -> dict[str, Features]:
        """The features of complaints that were kept; those erased since are left out."""
        if not cases:
            return {}
        rows = await connection.fetch(
            f"SELECT case_id, sealed FROM {self.tables.likes} WHERE case_id = ANY($1)", list(cases)
        )
        openers = await self.vault.openers(connection, list(cases))
        found = {}
        for row in rows:
            opener = openers.get(row["case_id"])
            if opener is None or not row["sealed"]:
                continue
            with suppress(CannotOpen):
                found[row["case_id"]] = _unpacked.decode(opener.open(row["sealed"]))
        return found

    async def _propose(self, connection: Connection, proposals: Sequence[Proposal]) -> None:
        if not proposals:
            return
        await connection.execute(
            f"""INSERT INTO {self.tables.proposals} SELECT * FROM unnest($1::text[], $2::text[],
            $3::text[], $4::int[], $5::jsonb[], $6::jsonb[]) ON CONFLICT DO NOTHING""",
            [proposal.id for proposal in proposals],
            [proposal.one for proposal in proposals],
            [proposal.other for proposal in proposals],
            [proposal.score for proposal in proposals],
            [orjson.dumps(proposal.parts).decode() for proposal in proposals],
            [orjson.dumps(proposal.same).decode() for proposal in proposals],
        )

    # --- for the office -------------------------------------------------------------------------

    async def waiting(self, limit: int, below: int | None = None) -> list[dict[str, Any]]:
        """Proposals nobody has decided on, likeliest first; no personal data in them."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT p.* FROM {self.tables.proposals} AS p
                LEFT JOIN {self.tables.like_verdicts} AS v USING (one, other)
                WHERE v.verdict IS NULL AND p.score < coalesce($2, 101) AND NOT EXISTS (
                    SELECT FROM {self.tables.likes} AS l
                    WHERE l.case_id IN (p.one, p.other) AND l.ended)
                ORDER BY p.score DESC, p.id LIMIT $1""",
                limit,
                below,
            )
            return [await self._shown(connection, _proposal(row)) for row in rows]

    async def _shown(self, connection: Connection, proposal: Proposal) -> dict[str, Any]:
        return {
            "id": proposal.id,
            "score": proposal.score,
            "parts": proposal.parts,
            "same": proposal.same,
            "one": await self._side(connection, proposal.one),
            "other": await self._side(connection, proposal.other),
        }

    async def _side(self, connection: Connection, case_id: str) -> dict[str, Any]:
        """What is told of a complaint without opening anything."""
        event = await self.view.received(connection, case_id)
        state = (await self.view.read(connection, case_id)).file.state
        if event is None or not isinstance(event.data, e.ComplaintReceived):
            return {"case_id": case_id, "state": state}
        data = event.data
        plain = data.employer is not None and data.employer.uscc is not None
        return {
            "case_id": case_id,
            "state": state,
            "source": data.source,
            "source_ref": data.source_ref,
            "kind": data.kind,
            "received_at": e.instant_text(data.received_at),
            "employer": data.employer.name if plain and data.employer else None,
            "uscc": data.employer.uscc if data.employer else None,
            "township": data.site.township if data.site else None,
            "workers": data.workers,
            "amount_fen": data.amount_fen,
            "months_from": data.months_from,
            "months_to": data.months_to,
            "lines": len(data.claims),
        }

    async def compare(self, match_id: str, reason: str, caller: Caller) -> dict[str, Any]:
        """Both sides' fields, masked, each look on record (domain 7). Raises Refusing.

        Of a report (举报) nothing that could tell who reported.
        """
        proposal = await self._find(match_id)
        sides = {}
        for name, case_id in (("one", proposal.one), ("other", proposal.other)):
            async with self.pool.acquire() as connection:
                event = await self.view.received(connection, case_id)
            if event is None or not isinstance(event.data, e.ComplaintReceived):
                raise Refusing(Refusal(404, "UNKNOWN_CASE", "no such case"))
            fields = [*FIELDS, *(f"claims/{claim.line}" for claim in event.data.claims)]
            if event.data.kind == "report":
                fields = [f for f in fields if f.split("/")[0] not in ("contact", "claims", "text")]
            told = await self.privacy.reveal(case_id, fields, reason, caller)
            values = masked_fields(told["fields"], names_in(told["fields"].values()))
            sides[name] = {"case_id": case_id, "fields": values}
        return {"id": match_id, "score": proposal.score, "parts": proposal.parts} | sides

    async def act(
        self,
        match_id: str,
        *,
        merge: bool,
        same: dict[str, str] | None,
        reason: str | None,
        occurred_at: datetime,
        by: By,
        client: str,
        key: str,
    ) -> Report:
        """The fact that a decision is, for the desk to judge. Raises Refusing (404)."""
        proposal = await self._find(match_id)
        one, other = proposal.one, proposal.other
        lines = proposal.same
        async with self.pool.acquire() as connection:
            swap = await self._goes_on(connection, one, other)
        if swap:
            one, other, lines = other, one, {to: line for line, to in lines.items()}
        data: dict[str, Any] = {"match": f"likeness:{proposal.id}"}
        if merge:
            data |= {"master": other, "same": lines if same is None else same}
        else:
            data |= {"other": other}
            if reason is not None:
                data["reason"] = reason
        kind = "MergeApproved" if merge else "MatchDismissed"
        return Report(one, kind, data, occurred_at, by, client, key)

    async def _goes_on(self, connection: Connection, one: str, other: str) -> bool:
        """Whether `one` is the one that others are merged into: accepted already, or the first.

        Decided before a merge changes it, by what cannot change after: so the same decision sent
        again is the same fact.
        """
        files = [(await self.view.read(connection, case)).file for case in (one, other)]
        started = [file.state not in ("NONE", "RECEIVED", "MERGED") for file in files]
        if started[0] != started[1]:
            return started[0]
        if files[0].master == other or files[1].master == one:
            return files[1].master == one
        received = [await self.view.received(connection, case) for case in (one, other)]
        first, second = received
        if first is None or second is None:
            return False
        return (first.recordedtime, one) < (second.recordedtime, other)

    async def _find(self, match_id: str) -> Proposal:
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(
                f"SELECT * FROM {self.tables.proposals} WHERE id = $1", match_id
            )
        if row is None:
            raise Refusing(Refusal(404, "UNKNOWN_MATCH", "no such proposed match"))
        return _proposal(row)


def _proposed(case: str, other: str, found: Likeness) -> Proposal:
    one, two = pair(case, other)
    same = found.same if one == case else {to: line for line, to in found.same.items()}
    return Proposal(derived_id("likeness", one, two), one, two, found.score, found.parts, same)


def _proposal(row: Any) -> Proposal:
    parts, same = orjson.loads(row["parts"]), orjson.loads(row["same"])
    return Proposal(row["id"], row["one"], row["other"], row["score"], parts, same)


def _read(value: bytes) -> Event | None:
    if not value.endswith(_RELEVANT):
        return None
    try:
        return decode(value)
    except Unreadable:
        return None  # counted and parked by the view
