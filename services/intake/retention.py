"""How long the vault keeps persons: a case's key is destroyed some years after its end (domain 7).

The period is the book's (`privacy.vault_years`; none: for ever), of the book in force when the key
is destroyed: what a later book keeps longer, or for ever, is kept. Counted in civil time, to 24:00
of the same day so many years later (domain 0; 民法典 202); that day does not roll, since it is no
statutory period. The clock is the installation's own: a campaign that is played through on the log
clock loses nothing because it was long ago.

A case is over with those on which its end hangs (`decider.ending`). An open proceeding of any of
them holds it: then nothing is erased by rule; the office still may, by its own act and with its
reason.

The fact first, then the key, as when a person erases: killed between the two, intake destroys the
key when it folds the fact. The fact's id follows from the case and its end, so several processes,
or one that is killed, make one fact; and who folds the log again repeats nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from services.intake.decider import End, ending
from services.intake.desk import Desk
from services.intake.reception import Reception, Unknown
from services.intake.tables import Connection, Tables, locked_if_free
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


Outcome = Literal["erased", "held", "goes_on", "later"]


@dataclass(frozen=True)
class Round:
    """What one round has done. `held`: ended long ago, and kept by what still goes on. `lines`:
    refused ones that became no case.
    """

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
        await self.governance.catch_up()
        before = self._before()
        if before is None:
            TO_ERASE.set(0)
            HELD.set(0)
            return Round()
        async with (
            self.pool.acquire() as connection,
            locked_if_free(connection, f"{self.tables.schema} retention") as ours,
        ):
            if not ours:
                return Round()
            lines = await destroy_lines(connection, self.tables, before)
            return await self._cases(connection, before, lines)

    def _before(self, within: timedelta = timedelta()) -> datetime | None:
        """What ended before it is not kept now, or in a while; None: everything is kept."""
        years = self._policy.content.privacy.vault_years
        return None if years is None else ended_before(self.governance.clock.now() + within, years)

    @property
    def _policy(self) -> Policy:
        return self.governance.books.latest

    async def foreseen(self, limit: int, within: timedelta) -> dict[str, Any]:
        """What is or falls due within a time from now, and what is held, by id; at most `limit`
        cases are looked at, those that may be over longest first. Changes nothing.
        """
        years, before = self._policy.content.privacy.vault_years, self._before(within)
        items: list[dict[str, Any]] = []
        if years is not None and before is not None:
            async with self.pool.acquire() as connection:
                for row in await self._page(connection, before, (None, ""), limit):
                    files = await self.desk.around(connection, row["subject"])
                    end = ending(files)
                    due = end.at is not None and end.at < before
                    if due or files[row["subject"]].ended_at is not None:
                        items.append(_foreseen(row["subject"], end, years))
        return {"vault_years": years, "items": items}

    async def _cases(self, connection: Connection, before: datetime, lines: int) -> Round:
        outcomes: Counter[Outcome] = Counter()
        left = await self._count(connection, before)
        after: tuple[datetime | None, str] = (None, "")
        while rows := await self._page(connection, before, after):
            for row in rows:
                TO_ERASE.set(left)
                outcomes[await self._judge(connection, row["subject"])] += 1
                left = max(0, left - 1)
            after = rows[-1]["over_since"], rows[-1]["subject"]
            await self.reception.give_way(_PATIENCE_SECONDS)
        TO_ERASE.set(outcomes["later"])
        HELD.set(outcomes["held"])
        return Round(outcomes["erased"], outcomes["held"], lines)

    async def _count(self, connection: Connection, before: datetime) -> int:
        found: int = await connection.fetchval(
            f"""SELECT count(*) FROM {self.tables.files} JOIN {self.tables.keys} USING (subject)
            WHERE over_since < $1 AND key IS NOT NULL""",
            before,
        )
        return found

    async def _page(
        self,
        connection: Connection,
        before: datetime,
        after: tuple[datetime | None, str],
        most: int = _PAGE,
    ) -> list[Any]:
        """The next cases that may be over so long and have a key still."""
        rows: list[Any] = await connection.fetch(
            f"""SELECT subject, over_since FROM {self.tables.files}
            JOIN {self.tables.keys} USING (subject)
            WHERE over_since < $1 AND key IS NOT NULL
            AND ($2::timestamptz IS NULL OR (over_since, subject) > ($2, $3))
            ORDER BY over_since, subject LIMIT $4""",
            before,
            *after,
            most,
        )
        return rows

    async def _judge(self, connection: Connection, case_id: str) -> Outcome:
        """Erase a case if the files that matter, and the book, read to their ends, still say so."""
        async with locked_if_free(connection, f"{self.tables.schema} {case_id}") as ours:
            if not ours:
                return "later"  # Somebody records on it.
            files = await self.desk.around(connection, case_id)
            file, end = files[case_id], ending(files)
            before = self._before()
            if before is None or file.erased:
                return "goes_on"
            if end.at is None:
                return "held" if file.ended_at is not None else "goes_on"
            if end.at >= before:
                return "goes_on"
            if end.held_by:
                return "held"
            await self.desk.publish(self._event(case_id, end.at))
            await destroy(connection, self.tables, [case_id])
        return "erased"

    def _event(self, case_id: str, ended: datetime) -> Event:
        """By no person, under the book that says so: as what a rule decides (I-05)."""
        now = self.governance.clock.now()
        return Event(
            id=derived_id(case_id, PiiErased.__name__, "retention", instant_text(ended)),
            subject=case_id,
            time=now,
            recordedtime=now,
            data=PiiErased(),
            policy=self._policy.ref,
        )


def _foreseen(case_id: str, end: End, years: int) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "ended_at": None if end.at is None else instant_text(end.at),
        "kept_until": None if end.at is None else instant_text(kept_until(end.at, years)),
        "held_by": list(end.held_by),
        "waits_for": end.goes_on,
    }
