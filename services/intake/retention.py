"""How long the vault keeps persons: a case's key is destroyed some years after its end (domain 7).

The period is the book's (`privacy.vault_years`; none: for ever), of the book in force when the key
is destroyed: what a later book keeps longer, or for ever, is kept. Counted in civil time, to 24:00
of the same day so many years later (domain 0; 民法典 202); that day does not roll, since it is no
statutory period. The clock is the installation's own: a campaign that is played through on the log
clock loses nothing because it was long ago.

An open proceeding keeps a case (litigation hold), and so does the case that it was merged into, of
which its worker is one. By rule nothing is erased then; the office still may, by its own act and
with its reason.

The fact first, then the key, as when a person erases: killed between the two, intake destroys the
key when it folds the fact. The fact's id follows from the case and its end, so several processes,
or one that is killed, make one fact; and who folds the log again repeats nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.intake.decider import ENDED, CaseFile
from services.intake.desk import Desk
from services.intake.reception import Reception, Unknown
from services.intake.tables import Connection, Tables, lock_number
from services.intake.vault import destroy, destroy_lines
from services.intake.view import Behind
from shared.calendar import civil, end_of, months_after
from shared.database import PASSING
from shared.envelope import derived_id
from shared.events import Event, PiiErased, instant_text
from shared.governance import Governance
from shared.journal import journal
from shared.log import Unavailable, count_retry
from shared.metrics import HELD, TO_ERASE
from shared.policy import Policy

log = journal("intake.retention")

_EVERY_SECONDS: Final = {"wall": 60.0, "log": 1.0}
"""Between two rounds. On the log clock years can pass in a moment."""
_PAGE: Final = 100
"""Cases looked at between two turns of the complaints; each is erased by itself."""
_PATIENCE_SECONDS: Final = 5.0
_DAY: Final = timedelta(days=1)


def kept_until(ended_at: datetime, years: int) -> datetime:
    """24:00 of the day until which a case that ended then is kept."""
    return end_of(months_after(civil(ended_at), 12 * years))


def ended_before(now: datetime, years: int) -> datetime:
    """What ended before this instant is not kept at `now` any more."""
    today = civil(now)
    day = months_after(today, -12 * years)
    while months_after(day, 12 * years) >= today:
        day -= _DAY
    return end_of(day)


def ended_at(line: Sequence[CaseFile]) -> datetime | None:
    """When a case ended for good; None while it, or one that it was merged into, goes on.

    `line`: its file, then those of the cases that it was merged into, one into the next.
    """
    if not line or any(file.state not in ENDED for file in line):
        return None
    return max((file.ended_at for file in line if file.ended_at is not None), default=None)


@dataclass(frozen=True)
class Round:
    """What one round has done. `held`: past the period, and kept by what still goes on."""

    erased: int = 0
    held: int = 0
    lines: int = 0


class Retention:
    """Destroys keys by rule, in one process at a time."""

    def __init__(
        self, tables: Tables, pool: Any, desk: Desk, reception: Reception, governance: Governance
    ) -> None:
        self.tables = tables
        self.pool = pool
        self.desk = desk
        self.reception = reception
        self.governance = governance

    async def run(self) -> None:
        """Round after round, for ever; a passing fault is waited out."""
        while True:
            try:
                done = await self.round()
                if done.erased or done.lines:
                    log.info("erased", cases=done.erased, lines=done.lines, held=done.held)
            except (Unavailable, Unknown, Behind, *PASSING) as error:
                count_retry(error)
                log.warning("retention_waits", error=type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS[self.governance.clock.kind])

    async def round(self) -> Round:
        """Everything that is due now, a few at a time; nothing where another process is at it.

        Raises Unavailable, Unknown, Behind, TimeoutError, or what the database raises.
        """
        policy, now = self.governance.books.latest, self.governance.clock.now()
        years = policy.content.privacy.vault_years
        if years is None:
            TO_ERASE.set(0)
            HELD.set(0)
            return Round()
        async with (
            self.pool.acquire() as connection,
            _held(connection, f"{self.tables.schema} retention") as ours,
        ):
            if not ours:
                return Round()
            before = ended_before(now, years)
            lines = await destroy_lines(connection, self.tables, before)
            return await self._cases(connection, before, policy, lines)

    async def _cases(
        self, connection: Connection, before: datetime, policy: Policy, lines: int
    ) -> Round:
        due = await self._count(connection, before)
        erased = held = 0
        after: tuple[datetime | None, str] = (None, "")
        TO_ERASE.set(due)
        while rows := await self._page(connection, before, after):
            for row in rows:
                if await self._erase(connection, row["subject"], before, policy):
                    erased += 1
                else:
                    held += 1
                TO_ERASE.set(max(0, due - erased - held))
            after = rows[-1]["ended_at"], rows[-1]["subject"]
            await self.reception.give_way(_PATIENCE_SECONDS)
        TO_ERASE.set(0)
        HELD.set(held)
        return Round(erased, held, lines)

    async def _count(self, connection: Connection, before: datetime) -> int:
        found: int = await connection.fetchval(
            f"""SELECT count(*) FROM {self.tables.files} JOIN {self.tables.keys} USING (subject)
            WHERE ended_at < $1 AND key IS NOT NULL""",
            before,
        )
        return found

    async def _page(
        self, connection: Connection, before: datetime, after: tuple[datetime | None, str]
    ) -> list[Any]:
        """The next cases whose own end is so long ago and which have a key still."""
        rows: list[Any] = await connection.fetch(
            f"""SELECT subject, ended_at FROM {self.tables.files}
            JOIN {self.tables.keys} USING (subject)
            WHERE ended_at < $1 AND key IS NOT NULL
            AND ($2::timestamptz IS NULL OR (ended_at, subject) > ($2, $3))
            ORDER BY ended_at, subject LIMIT $4""",
            before,
            *after,
            _PAGE,
        )
        return rows

    async def _erase(
        self, connection: Connection, case_id: str, before: datetime, policy: Policy
    ) -> bool:
        """Erase a case if its files, read to the log's end, still say so."""
        async with _held(connection, f"{self.tables.schema} {case_id}") as ours:
            if not ours:
                return False  # Somebody records on it: the next round looks again.
            line = await self.desk.line(connection, case_id)
            at = ended_at(line)
            kept = at is None or at >= before or any(file.held_by for file in line)
            if kept or line[0].erased:
                return False
            await self.desk.publish(self._event(case_id, at, policy))
            await destroy(connection, self.tables, [case_id])
        return True

    def _event(self, case_id: str, ended: datetime | None, policy: Policy) -> Event:
        """By no person, under the book that says so: as what a rule decides (I-05)."""
        assert ended is not None
        now = self.governance.clock.now()
        return Event(
            id=derived_id(case_id, PiiErased.__name__, "retention", instant_text(ended)),
            subject=case_id,
            time=now,
            recordedtime=now,
            data=PiiErased(),
            policy=policy.ref,
        )


@asynccontextmanager
async def _held(connection: Connection, name: str) -> AsyncIterator[bool]:
    """Whether an advisory lock was free and is ours meanwhile; nobody waits for it."""
    number = lock_number(name)
    ours = await connection.fetchval("SELECT pg_try_advisory_lock($1)", number)
    try:
        yield ours
    finally:
        if ours and not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", number)
