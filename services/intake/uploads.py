"""CSV and XLSX uploads: a dry run first, then the rows through reception, a receipt for each.

Nothing is stored by a dry run; its answer carries `confirm`, which holds only for the same bytes,
mapping, book and key. With it the same call receives the rows. Rows that are refused stand in
quarantine before the answer leaves. The same file again is the same: every row a duplicate.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.intake.adapters import tier_of
from services.intake.complaint import Problem
from services.intake.decider import Refusal
from services.intake.desk import Refusing
from services.intake.fields import Assembled
from services.intake.kept import Kept
from services.intake.mapping import Mapping, Table, read_mapping, row_table, table
from services.intake.preparing import Prepared, Receipt
from services.intake.privacy import Caller
from services.intake.quarantine import Quarantine, Refused
from services.intake.reception import Reception
from services.intake.sheets import Row, read_rows
from shared.envelope import derived_id
from shared.keys import Key
from shared.policy import Policy

_BATCH: Final = 500


@dataclass(frozen=True)
class Line:
    """One row read: its number, as a complaint, and as it would be put aside."""

    number: int
    assembled: Assembled
    cells: dict[str, str]

    @property
    def raw(self) -> bytes:
        return orjson.dumps(self.assembled.complaint)


class Uploads:
    """Mappings and uploads of each source."""

    def __init__(self, kept: Kept, pool: Any, reception: Reception, quarantine: Quarantine) -> None:
        self.kept = kept
        self.pool = pool
        self.reception = reception
        self.quarantine = quarantine
        self._turn = asyncio.Semaphore(1)

    # --- mappings -------------------------------------------------------------------------------

    async def mapping(self, source: str) -> tuple[dict[str, Any], Mapping]:
        """The mapping in force, with who set it and when. Raises Refusing (404)."""
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(
                f"""SELECT * FROM {self.kept.mappings} WHERE source = $1
                ORDER BY version DESC LIMIT 1""",
                source,
            )
        if row is None:
            reason = (
                "no column mapping was set for this source; "
                f"set it with PUT /v1/uploads/mappings/{source}"
            )
            raise Refusing(Refusal(404, "NO_MAPPING", reason, "/source"))
        mapping = Mapping.model_validate_json(row["mapping"])
        shown = {name: row[name] for name in ("source", "version", "set_by", "set_at")}
        return shown | {"mapping": orjson.loads(row["mapping"])}, mapping

    async def set_mapping(self, source: str, raw: bytes, caller: Caller) -> int:
        """Put a mapping into force; the version. The same as in force is no new one.

        Raises Refused naming the column.
        """
        mapping = read_mapping(raw)
        document = mapping.model_dump_json()
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", self.kept.lock)
            last = await connection.fetchrow(
                f"""SELECT version, mapping FROM {self.kept.mappings} WHERE source = $1
                ORDER BY version DESC LIMIT 1""",
                source,
            )
            if last is not None and orjson.loads(last["mapping"]) == orjson.loads(document):
                return int(last["version"])
            version = 1 if last is None else int(last["version"]) + 1
            await connection.execute(
                f"INSERT INTO {self.kept.mappings} VALUES ($1, $2, $3, $4, $5, $6)",
                source,
                version,
                document,
                f"{caller.key.unit}/{caller.key.role}",
                self.quarantine.vault.matcher.person(caller.person),
                self.reception.governance.clock.now(),
            )
        return version

    # --- uploads --------------------------------------------------------------------------------

    async def receive(
        self, source: str, content: bytes, key: Key, confirm: str | None
    ) -> dict[str, Any]:
        """What would become of each row; with the dry run's `confirm`, what became of it.

        Raises Refused (the file as a whole), Refusing (no mapping, not its dry run), Unknown.
        """
        shown, mapping = await self.mapping(source)
        policy = self.reception.governance.books.latest
        digest = hashlib.sha256(content).hexdigest()
        token = self._hash("confirm", source, str(shown["version"]), digest, key.name, policy.hash)
        if confirm is not None and confirm != token:
            reason = "not the dry run of this file, mapping, book and key; do the dry run again"
            raise Refusing(Refusal(409, "NOT_CONFIRMED", reason, "/confirm"))
        async with self._turn:
            lines = await asyncio.to_thread(self._lines, content, mapping, source, policy)
            if confirm is None:
                receipts = await self._would(lines, key)
            else:
                receipts = await self._take(lines, key, source)
        answer = {
            "upload_id": derived_id("upload", source, self._hash("file", digest)),
            "source": source,
            "mapping": shown["version"],
            "dry_run": confirm is None,
            "counts": Counter(receipt["status"] for receipt in receipts),
            "rows": receipts,
        }
        if confirm is None:
            return answer | {"confirm": token}
        await self._record(answer, key)
        return answer

    async def upload(self, id: str, key: Key) -> dict[str, Any]:
        """The receipts of an upload again. Raises Refusing (404)."""
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(
                f"SELECT source, answer FROM {self.kept.uploads} WHERE id = $1", id
            )
        if row is None or not (key.may_post(row["source"]) or key.role == "office"):
            raise Refusing(Refusal(404, "UNKNOWN_UPLOAD", "no such upload"))
        answer: dict[str, Any] = orjson.loads(row["answer"])
        return answer

    def line(self, cells: dict[str, str], source: str, mapping: Mapping, policy: Policy) -> Line:
        """A corrected row, as header -> text. Raises Refused."""
        found = row_table(cells, mapping)
        return self._line(found, found.rows[0], source, policy)

    def _lines(self, content: bytes, mapping: Mapping, source: str, policy: Policy) -> list[Line]:
        found = table(read_rows(content, mapping.sheet), mapping)
        return [self._line(found, row, source, policy) for row in found.rows]

    def _line(self, found: Table, row: Row, source: str, policy: Policy) -> Line:
        assembled = found.assembled(row, source, policy, tier_of(source, policy))
        cells = found.cells(row, assembled.problems)
        bad = {problem.pointer for problem in assembled.problems}
        for name, column in found.mapping.columns.items():
            absent = column.field not in assembled.complaint
            if column.field in ("received_at", "source_ref") and absent and name not in bad:
                detail = "every row needs it"
                assembled.problems.append(Problem(name, "missing", detail))
        if "source_ref" not in assembled.complaint:
            # No column has a number: the row is known by what it says, under the vault's key.
            content = orjson.dumps(assembled.complaint, option=orjson.OPT_SORT_KEYS).decode()
            assembled.complaint["source_ref"] = f"row-{self._hash('row', content)}"
        return Line(row.number, assembled, cells)

    async def _would(self, lines: Sequence[Line], key: Key) -> list[dict[str, Any]]:
        """The dry run: everything but storing."""
        good = [line for line in lines if not line.assembled.problems]
        prepared = await self.reception.prepare([line.raw for line in good], key)
        known = await self._known([item for item in prepared if isinstance(item, Prepared)])
        receipts = []
        for item in prepared:
            if isinstance(item, Receipt):
                receipts.append(item)
                continue
            earlier = known.setdefault(item.case_id, None)
            if earlier is None:
                known[item.case_id] = item.body_hash
                receipts.append(Receipt("received", item.case_id, item.event_id))
            elif earlier == item.body_hash:
                receipts.append(Receipt("duplicate", item.case_id, item.event_id))
            else:
                receipts.append(Receipt("rejected", item.case_id, problems=(_CONFLICT,)))
        return _told(lines, good, receipts)

    async def _known(self, items: Sequence[Prepared]) -> dict[str, str | None]:
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT case_id, body_hash FROM {self.kept.complaints}
                WHERE case_id = ANY($1)""",
                [item.case_id for item in items],
            )
        return {row["case_id"]: row["body_hash"] for row in rows}

    async def _take(self, lines: Sequence[Line], key: Key, source: str) -> list[dict[str, Any]]:
        """Receive the good rows, keep the others. Raises Unknown: the same call again is safe."""
        good = [line for line in lines if not line.assembled.problems]
        receipts: list[Receipt] = []
        for first in range(0, len(good), _BATCH):
            batch = [line.raw for line in good[first : first + _BATCH]]
            receipts += await self.reception.receive(batch, key)
        told = _told(lines, good, receipts)
        refused = [
            Refused(source, f"row {line.number}", orjson.dumps(line.cells), _problems(answer))
            for line, answer in zip(lines, told, strict=True)
            if answer["status"] == "rejected"
        ]
        await self.quarantine.keep(refused, "upload", "row", key)
        await self.quarantine.count(Counter((source, answer["status"]) for answer in told))
        return told

    async def _record(self, answer: dict[str, Any], key: Key) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(
                f"""INSERT INTO {self.kept.uploads} VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING""",
                answer["upload_id"],
                answer["source"],
                answer["mapping"],
                key.name,
                self.reception.governance.clock.now(),
                orjson.dumps(answer).decode(),
            )

    def _hash(self, *parts: str) -> str:
        return self.quarantine.vault.matcher.hash("upload", *parts)


_CONFLICT: Final = Problem("/source_ref", "conflict", "this number was received with other content")


def _told(
    lines: Sequence[Line], good: Sequence[Line], receipts: Sequence[Receipt]
) -> list[dict[str, Any]]:
    """A receipt for each row, its problems under the columns' names."""
    of = {line.number: receipt for line, receipt in zip(good, receipts, strict=True)}
    told = []
    for line in lines:
        receipt = of.get(line.number, Receipt("rejected"))
        problems = line.assembled.problems or line.assembled.told(receipt.problems)
        told.append(
            {
                "row": line.number,
                "status": receipt.status,
                "case_id": receipt.case_id,
                "errors": [
                    {"column": p.pointer, "code": p.code, "detail": p.detail} for p in problems
                ],
            }
        )
    return told


def _problems(answer: dict[str, Any]) -> tuple[Problem, ...]:
    return tuple(Problem(item["column"], item["code"], item["detail"]) for item in answer["errors"])
