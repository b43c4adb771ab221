"""Handing out query codes (查询码): to who brought a complaint in, and to the office.

The contract's receipt stays as it is; a platform asks for the codes of what it posted and gives
each to its complainant. A code is computed, never stored, so there is nothing to lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.intake.tables import Tables
from services.intake.vault import Vault
from shared.envelope import case_id_of
from shared.keys import Key
from shared.query import query_code

MOST = 1_000
"""Codes asked for at a time."""


class Codes:
    """The codes of received complaints."""

    def __init__(self, tables: Tables, pool: Any, vault: Vault) -> None:
        self.tables = tables
        self.pool = pool
        self.vault = vault

    async def of(self, refs: Sequence[tuple[str, str]], key: Key) -> list[dict[str, Any]]:
        """For each (source, source_ref) its case and code, or why there is none: `error` is
        NOT_YOUR_SOURCE or UNKNOWN."""
        allowed = [ref for ref in refs if entitled(key, ref[0])]
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"""SELECT source, source_ref FROM {self.tables.complaints}
                JOIN unnest($1::text[], $2::text[]) AS g(source, source_ref)
                USING (source, source_ref)""",
                [source for source, _ in allowed],
                [ref for _, ref in allowed],
            )
        known = {(row["source"], row["source_ref"]) for row in rows}
        return [self._one(ref, key, known) for ref in refs]

    def _one(self, ref: tuple[str, str], key: Key, known: set[tuple[str, str]]) -> dict[str, Any]:
        found: dict[str, Any] = {"source": ref[0], "source_ref": ref[1]}
        if not entitled(key, ref[0]):
            return found | {"error": "NOT_YOUR_SOURCE"}
        if ref not in known:
            return found | {"error": "UNKNOWN"}
        case_id = case_id_of(*ref)
        return found | {"case_id": case_id, "code": query_code(self.vault.matcher, case_id)}


def entitled(key: Key, source: str) -> bool:
    """Who brought it in, or the office; the handling unit gets no code (I-15)."""
    return key.role == "office" or key.may_post(source)
