"""Every door but the plain ones: platforms' own payloads, uploads, Open311, corrections.

Each ends in `Reception`, the one place that stores a complaint; what it refuses stands in
quarantine (or was told its sender at once), and is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.intake.adapters import Adapter, adapter_of, payload_of
from services.intake.adapters.open311 import ADAPTER as OPEN311
from services.intake.arrivals import Arrivals
from services.intake.complaint import Problem
from services.intake.complaint import Refused as RefusedInput
from services.intake.decider import Refusal
from services.intake.desk import Refusing
from services.intake.fields import Assembled
from services.intake.kept import Kept, prepare
from services.intake.preparing import Prepared, Receipt
from services.intake.privacy import Caller, Privacy
from services.intake.quarantine import UNKNOWN, Door, Form, Quarantine, Refused, sees_all
from services.intake.reception import Reception
from services.intake.tables import Tables, locked
from services.intake.uploads import Uploads
from shared.governance import Governance
from shared.keys import Key
from shared.log import PARTITIONS
from shared.settings import Settings

_SEE: Final = ("office", "clerk", "platform")
"""Who may open what was refused (domain 7): not the operator, who runs the feeds."""
_FORMS: Final[dict[Door, Form]] = {"post": "complaint", "feed": "payload", "open311": "open311"}
_AT_ONCE: Final = 3
"""Corrections under way: each holds a connection while reception takes another."""


@dataclass(frozen=True)
class FromTopic:
    """A record of the feed topic. `source`: of its header, for a platform's own shape."""

    place: str
    raw: bytes
    source: str | None


@dataclass(frozen=True)
class Parked:
    """A refused record, as it stands in quarantine."""

    place: str
    problem: Problem
    id: str
    payload: str | None


class Feeds:
    """The feeds of an installation. `open` before use."""

    def __init__(
        self,
        settings: Settings,
        tables: Tables,
        pool: Any,
        reception: Reception,
        privacy: Privacy,
        governance: Governance,
    ) -> None:
        self.kept = Kept(tables)
        self.pool = pool
        self.reception = reception
        self.privacy = privacy
        self.governance = governance
        self.quarantine = Quarantine(self.kept, pool, privacy.vault, governance)
        self.uploads = Uploads(self.kept, pool, reception, self.quarantine)
        self.arrivals = Arrivals(settings, self.kept, pool, governance)
        self._corrections = asyncio.Semaphore(_AT_ONCE)

    async def open(self) -> None:
        """Create what is missing and connect. Raises Unavailable or as asyncpg."""
        async with self.pool.acquire() as connection:
            await prepare(connection, self.kept, range(PARTITIONS))
        await self.arrivals.start()

    async def close(self) -> None:
        await self.arrivals.stop()

    # --- doors ----------------------------------------------------------------------------------

    async def post(self, raw: bytes, key: Key) -> Receipt:
        """One complaint, its sender told at once. Raises as `Reception.receive`."""
        receipt = (await self.reception.receive([raw], key))[0]
        await self._told(receipt, raw, self.quarantine.source_of(raw, key), key, "post")
        return receipt

    async def payload(self, source: str, raw: bytes, key: Key) -> Receipt:
        """One line in the platform's own shape; problems name its own fields. Raises as above."""
        assembled = Assembled()
        try:
            assembled = self.read(payload_of(raw), source)
            receipt = await self._assembled(assembled, key)
        except RefusedInput as error:
            receipt = Receipt("rejected", problems=tuple(error.problems))
        await self._told(receipt, raw, source, key, "feed")
        return receipt

    async def open311(self, form: Mapping[str, str], source: str, key: Key) -> Receipt:
        """An Open311 request; the same form again is the same request. Raises as above."""
        said = {name: value for name, value in form.items() if name != "api_key"}
        content = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        digest = self.privacy.vault.matcher.hash("open311", source, content.decode())
        given = {
            **said,
            "source_ref": f"open311-{digest}",
            "received_at": self.governance.clock.now().isoformat(),
        }
        assembled = self._adapted(OPEN311, given, source)
        receipt = await self._assembled(assembled, key)
        if receipt.conflict:
            # Known by the whole of the form: it is the same one, received earlier.
            return Receipt("duplicate", receipt.case_id)
        await self._told(receipt, content, source, key, "open311")
        return receipt

    def read(self, payload: Mapping[str, Any], source: str) -> Assembled:
        """A payload as a complaint of its source, by its adapter or as it is. Raises Refused."""
        adapter = adapter_of(source)
        if adapter is not None:
            return self._adapted(adapter, payload, source)
        found = Assembled(complaint={**payload})
        if found.complaint.setdefault("source", source) != source:
            raise RefusedInput([Problem("/source", "other_source", f"this door is of {source}")])
        return found

    def _adapted(self, adapter: Adapter, payload: Mapping[str, Any], source: str) -> Assembled:
        return adapter.read(payload, source, self.governance.books.latest)

    async def _assembled(self, found: Assembled, key: Key) -> Receipt:
        """Through reception, with the sender's own names for what is wrong."""
        if found.problems:
            return Receipt("rejected", problems=tuple(found.problems))
        receipt = (await self.reception.receive([orjson.dumps(found.complaint)], key))[0]
        if receipt.status != "rejected":
            return receipt
        problems = tuple(found.told(receipt.problems))
        return Receipt(
            "rejected", receipt.case_id, None, problems, receipt.conflict, receipt.forbidden
        )

    async def _told(self, receipt: Receipt, raw: bytes, source: str, key: Key, door: Door) -> None:
        """Count a line whose sender is told at once; a refusal is on the books, not its content."""
        if receipt.status == "rejected":
            line = Refused(source, "the body", raw, receipt.problems)
            await self.quarantine.keep([line], door, _FORMS[door], key)
        await self.quarantine.count({(source, receipt.status): 1})

    async def records(self, records: Sequence[FromTopic], key: Key) -> list[Parked]:
        """A batch of the feed topic; what was refused, kept in quarantine. Raises as `post`.

        Nothing is lost if it ends between two lines: the batch is taken again, and what was
        received is a duplicate then, what was refused the same item.
        """
        known = self.governance.books.latest.content.organisation.sources
        read = [self._record(record, known) for record in records]
        ready = [
            record.raw if found is None else orjson.dumps(found.complaint)
            for record, found in zip(records, read, strict=True)
            if not isinstance(found, Receipt)
        ]
        done = iter(await self.reception.prepare(ready, key))
        prepared = [found if isinstance(found, Receipt) else next(done) for found in read]
        receipts = await self.reception.store(prepared)
        counts: Counter[tuple[str, str]] = Counter()
        refused: dict[Form, list[tuple[FromTopic, Refused]]] = {"complaint": [], "payload": []}
        for record, found, item, receipt in zip(records, read, prepared, receipts, strict=True):
            if receipt.status != "rejected":
                assert isinstance(item, Prepared), "what was received was prepared"
                counts[item.source, receipt.status] += 1
                continue
            problems = receipt.problems
            if isinstance(found, Assembled):
                problems = tuple(found.told(problems))
            source = record.source if record.source in known else None
            source = source or self.quarantine.source_of(record.raw, key)
            form: Form = "complaint" if record.source is None else "payload"
            counts[source, "rejected"] += 1
            refused[form].append((record, Refused(source, record.place, record.raw, problems)))
        parked = []
        for form, items in refused.items():
            kept = await self.quarantine.keep([line for _, line in items], "topic", form, key)
            for (record, line), (id, payload) in zip(items, kept, strict=True):
                parked.append(Parked(record.place, line.problems[0], id, payload))
        await self.quarantine.count(counts)
        return parked

    def _record(self, record: FromTopic, known: Mapping[str, str]) -> Assembled | Receipt | None:
        """A record in a platform's own shape; None for a complaint as it is."""
        if record.source is None:
            return None
        try:
            if record.source not in known:
                raise RefusedInput([Problem("", "unknown_source", "no source of the policy")])
            found = self.read(payload_of(record.raw), record.source)
        except RefusedInput as error:
            return Receipt("rejected", problems=tuple(error.problems))
        return Receipt("rejected", problems=tuple(found.problems)) if found.problems else found

    # --- the quarantine's acts ------------------------------------------------------------------

    async def reveal(self, id: str, reason: str, caller: Caller) -> dict[str, Any]:
        """What was sent, in clear, on record first. Raises Refusing."""
        if caller.key.role not in _SEE:
            await self.privacy.deny("quarantine", caller)
        async with self.pool.acquire() as connection:
            row = await self.quarantine.item(connection, id, caller.key)
        await self.privacy.looked(("quarantine", id), reason, caller)
        async with self.pool.acquire() as connection:
            return {"id": id, "form": row["form"],
                    "payload": await self.quarantine.payload(connection, row)}  # fmt: skip

    async def discard(self, id: str, reason: str, caller: Caller) -> None:
        """Close an item that is no complaint, with the reason. Raises Refusing."""
        await self._entitled("discard", caller)
        async with self._open_item(id, caller.key) as (connection, _):
            await self.quarantine.close(connection, id, "discarded", caller, reason=reason)

    async def resend(
        self, id: str, payload: dict[str, Any], form: Form | None, caller: Caller
    ) -> Receipt:
        """A corrected line through reception; received, it is linked to what was refused.

        `form`: of the correction, default that of the item. Raises Refused with the places that
        are still wrong (the item waits on), Refusing, Unknown (the same call again is safe).
        """
        await self._entitled("resend", caller)
        async with self._open_item(id, caller.key) as (connection, row):
            found = await self._corrected(row, payload, form or row["form"])
            source = found.complaint["source"]
            receipt = await self._assembled(found, _for(caller.key, source, row["source"]))
            if receipt.status == "rejected":
                raise RefusedInput(list(receipt.problems))
            await self.quarantine.close(connection, id, "resent", caller, case_id=receipt.case_id)
        await self.quarantine.count({(source, receipt.status): 1})
        return receipt

    @asynccontextmanager
    async def _open_item(self, id: str, key: Key) -> AsyncIterator[tuple[Any, Any]]:
        """A connection and a waiting item's row, for one person at a time. Raises Refusing."""
        async with (
            self._corrections,
            self.pool.acquire() as connection,
            locked(connection, f"{self.kept.lock} {id}"),
        ):
            row = await self.quarantine.item(connection, id, key)
            if row["state"] != "waiting":
                raise Refusing(Refusal(409, "CLOSED", f"this item was {row['state']} already"))
            yield connection, row

    async def _corrected(self, row: Any, payload: dict[str, Any], form: Form) -> Assembled:
        source = row["source"]
        if form == "complaint":
            found = Assembled(complaint=payload)
            said = payload.get("source", None if source == UNKNOWN else source)
            if not isinstance(said, str) or (source != UNKNOWN and said != source):
                detail = "the source of what was refused" if said else "the source is needed"
                raise RefusedInput([Problem("/source", "other_source", detail)])
            found.complaint["source"] = said
            return found
        if source == UNKNOWN:
            detail = "of no known source: correct it as a complaint (form complaint)"
            raise RefusedInput([Problem("/form", "no_source", detail)])
        if form == "row":
            _, mapping = await self.uploads.mapping(source)
            if not all(isinstance(value, str) for value in payload.values()) or not payload:
                detail = "a row is an object of header to text"
                raise RefusedInput([Problem("/payload", "wrong_type", detail)])
            policy = self.governance.books.latest
            return self.uploads.line(payload, source, mapping, policy).assembled
        return self.read(payload, source)

    async def _entitled(self, action: str, caller: Caller) -> None:
        """Roles that correct lines; others are refused on record."""
        if not sees_all(caller.key) and caller.key.role not in ("clerk", "platform"):
            await self.privacy.deny(action, caller)


def _for(key: Key, source: str, refused: str) -> Key:
    """The caller's key, for the one source that was refused: the office corrects for any."""
    if refused == UNKNOWN and not sees_all(key):
        return key
    return Key(key.name, key.unit, key.role, (source,))
