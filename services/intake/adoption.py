"""What governs: adopting clock and book at the first start, and moving the log clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.intake.complaint import Problem, Refused
from services.intake.decider import Refusal
from services.intake.desk import Refusing, Report
from services.intake.facts import read_fact
from services.intake.tables import Tables, locked
from services.intake.vault import Vault
from shared.calendar import start_of
from shared.clock import LogClock, wall_now
from shared.envelope import derived_id
from shared.events import ClockAdopted, ClockAdvanced, Event, Fact, PolicyAdopted
from shared.governance import Governance
from shared.journal import journal
from shared.log import Producer
from shared.policy import PolicyError, check_book, content_hash, read_book
from shared.settings import Settings
from shared.streams import GOVERNANCE

log = journal("intake.adoption")

_LOCK: Final = "governance"


class Governing:
    """Writes `governance-events`, one act at a time in the whole installation."""

    def __init__(
        self,
        settings: Settings,
        tables: Tables,
        pool: Any,
        vault: Vault,
        producer: Producer,
        governance: Governance,
    ) -> None:
        self.settings = settings
        self.tables = tables
        self.pool = pool
        self.vault = vault
        self.producer = producer
        self.governance = governance
        self._recorded: set[str] = set()
        governance.listeners.append(lambda event: self._recorded.add(event.id))

    async def begin(self) -> None:
        """Adopt clock and book if the topic is empty: the first start of an installation."""
        async with self.pool.acquire() as connection, locked(connection, self._lock):
            await self.governance.catch_up()
            if self.governance.governed:
                return
            raw = read_book(self.settings.policy)
            at = self._first_instant(raw)
            await self._publish(
                self._event(
                    derived_id(GOVERNANCE, "ClockAdopted"),
                    ClockAdopted(clock=self.settings.clock),
                    at,
                ),
                self._event(
                    derived_id(GOVERNANCE, "PolicyAdopted", content_hash(raw)),
                    PolicyAdopted(book=check_book(raw).id, hash=content_hash(raw), content=raw),
                    at,
                ),
            )
            log.info("adopted", clock=self.settings.clock, book=self.settings.policy)

    def _first_instant(self, raw: dict[str, Any]) -> datetime:
        """Now; on the log clock where the settings let it begin, else the campaign's first day."""
        if self.settings.clock == "wall":
            return wall_now()
        return self.settings.clock_start or start_of(check_book(raw).campaign.phases[0].first)

    async def govern(self, report: Report) -> str:
        """ClockAdvanced or PolicyAdopted by the operator; the id of the event.

        Raises Refused, Refusing.
        """
        fact = read_fact(report.type, report.data)
        if report.by.role != "operator":
            reason = f"role {report.by.role} may not record {report.type}"
            raise Refusing(Refusal(403, "ROLE", reason, "/by/role"))
        async with self.pool.acquire() as connection, locked(connection, self._lock):
            await self.governance.catch_up()
            if report.event_id in self._recorded:
                return report.event_id
            match fact:
                case ClockAdvanced():
                    event = self._advance(report, fact)
                case PolicyAdopted():
                    event = self._adopt(report, fact)
                case _:
                    reason = "the clock of an installation is adopted once, at its first start"
                    raise Refusing(Refusal(409, "ADOPTED", reason))
            await self._publish(event)
        return event.id

    def _advance(self, report: Report, fact: ClockAdvanced) -> Event:
        clock = self.governance.clock
        if not isinstance(clock, LogClock):
            reason = "this installation runs on the wall clock"
            raise Refusing(Refusal(409, "WALL_CLOCK", reason))
        if fact.to < clock.now():
            raise Refusing(Refusal(409, "CLOCK_BACK", "the clock never goes back", "/data/to"))
        return self._event(report.event_id, fact, fact.to, report.by.unit)

    def _adopt(self, report: Report, fact: PolicyAdopted) -> Event:
        try:
            content = check_book(fact.content)
        except PolicyError as error:
            raise Refused([Problem("/data/content", "unreadable_book", str(error))]) from None
        if content.id != fact.book or content_hash(fact.content) != fact.hash:
            detail = "book and hash are not those of the content"
            raise Refused([Problem("/data/hash", "wrong_hash", detail)])
        now = self.governance.clock.now()
        return self._event(report.event_id, fact, now, report.by.unit)

    @property
    def _lock(self) -> str:
        return f"{self.tables.schema} {_LOCK}"

    def _event(self, id: str, data: Fact, at: datetime, person: str = "intake") -> Event:
        actor = f"operator/operator/{self.vault.matcher.person(person)}"
        return Event(
            id=id,
            subject=GOVERNANCE,
            time=at,
            recordedtime=at,
            data=data,  # type: ignore[arg-type]
            actor=actor,
        )

    async def _publish(self, *events: Event) -> None:
        places = await self.producer.publish(events)
        await self.governance.reach(places[-1].offset + 1)
