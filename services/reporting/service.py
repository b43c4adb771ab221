"""Reporting put together: what it is made of, how it starts, what it does beside answering."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from services.reporting.follower import Follower
from services.reporting.notify import channels
from services.reporting.notify.notifier import Notifier
from services.reporting.overview import overdue_cases
from services.reporting.projection import Decoded
from services.reporting.public import Turnstile
from services.reporting.publications import Publications
from services.reporting.publishing import Publisher
from services.reporting.reading import Reading
from services.reporting.refusals import Register
from services.reporting.schema import Tables
from services.reporting.store import Store
from services.reporting.stream import Bell
from shared.clock import ClockUnset
from shared.database import GONE, PASSING, connect
from shared.governance import Governance, Ungoverned
from shared.health import Readiness
from shared.journal import journal
from shared.keys import Keys, load
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, Producer, Unavailable, asked
from shared.metrics import OVERDUE
from shared.settings import Settings
from shared.tokens import load_tokens

T = TypeVar("T")

log = journal("reporting")

_GAUGE_SECONDS: Final = 5.0


class Reporting:
    """The service. `start` connects; `run` follows the log and ends only with a fault."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tables = Tables(settings.schema("reporting"))
        self.keys: Keys = load(settings.keys_path, load_tokens(settings))
        self.outlets = channels.load(settings)
        self.governance = Governance(settings, "reporting")
        self.published = Publications()
        self.governance.listeners.append(self.published.hear)
        self.producer = Producer(settings, "reporting")
        self.register = Register(self.producer.publish)
        self.bell = Bell()
        self.turnstile = Turnstile(settings.status_rate)
        self._started = False

    @property
    def ready(self) -> bool:
        """Governed, and folded up to the end of the log at least once."""
        return self._started and self.follower.caught_up and self.governance.governed

    async def start(self) -> None:
        """Connect to database and log, waiting for what is not up yet."""
        self.pool: Any = await _patiently(self._open_pool)
        self.store = Store(self.pool, self.tables)
        self.follower = Follower(self.settings, self.store)
        self.follower.listeners.append(self._heard)
        self.reading = Reading(self.pool, self.tables, self.governance, self.published)
        await _patiently(self.producer.start)
        self.publisher = Publisher(
            self.settings,
            self.governance,
            self.follower,
            self.reading,
            self.producer,
        )
        await _patiently(self.governance.start)
        self._started = True

    async def _open_pool(self) -> Any:
        return await asyncpg.create_pool(
            self.settings.database,
            connect=connect,
            min_size=1,
            max_size=12,
            server_settings={"application_name": "qingqian-reporting", "jit": "off"},
        )

    async def stop(self) -> None:
        if self._started:
            self._started = False
            await self.governance.stop()
            await self.follower.stop()
            await self.producer.stop()
            await self.pool.close()

    async def run(self) -> None:
        """Follow the log, publish what is due, and notify where a channel is configured.

        Raises WrongLog, OtherLog, NoTopic, NotAdmitted, or a fault of ours.
        """
        tasks = [
            asyncio.create_task(self.follower.run(), name="reporting-follower"),
            asyncio.create_task(self._gauge(), name="reporting-gauge"),
            asyncio.create_task(self.publisher.run(), name="publisher"),
            asyncio.create_task(self.producer.watch(), name="producer"),
        ]
        if self.outlets:
            notifier = Notifier(self.settings, self.pool, self.governance, self.outlets)
            tasks.append(asyncio.create_task(notifier.run(), name="notifier"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, _: Sequence[Decoded]) -> None:
        self.bell.ring()

    async def _gauge(self) -> None:
        """Keep the number of overdue cases; a passing fault leaves the last one standing."""
        while True:
            if self.ready:
                try:
                    async with self.reading.at() as (snapshot, cut):
                        OVERDUE.set(await overdue_cases(snapshot, cut))
                except (asyncpg.PostgresError, *PASSING) as error:
                    log.warning("not_counted", fault=type(error).__name__)
            await asyncio.sleep(_GAUGE_SECONDS)

    async def readiness(self) -> Readiness:
        """Where it stands. `owed`: records on the log that are not folded yet, and a publication
        that is due; `next_due`: when the next issue comes out.
        """
        if not self._started:
            return Readiness(ready=False, reason="starting")
        follower = self.follower
        try:
            async with asked():
                behind = await follower.look() if follower.positions else 0
                await self.governance.catch_up()
            clock = self.governance.clock.now()
            due, owed = self.publisher.due, self.publisher.owed(clock)
            stored = await self.store.positions()
        except GONE:
            return Readiness(ready=False, reason="the tables are being made anew")
        except (Ungoverned, ClockUnset):
            return Readiness(ready=False, reason="no policy book and clock are adopted yet")
        except Unavailable:
            return Readiness(ready=False, reason="the log does not answer")
        except (asyncpg.PostgresError, *PASSING):
            return Readiness(ready=False, reason="the database does not answer")
        positions = {f"{CASE_EVENTS}/{number}": item.next for number, item in stored.items()}
        positions[f"{GOVERNANCE_EVENTS}/0"] = self.governance.position
        reason = None if follower.caught_up else "the log is being folded"
        return Readiness(
            ready=self.ready,
            clock=clock,
            positions=positions,
            owed=behind + owed,
            next_due=due.at if due is not None else None,
            reason=follower.fault or reason or self.publisher.fault,
        )


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """The step's answer, once what it needs is up."""
    pause = 0.1
    while True:
        try:
            return await step()
        except (Unavailable, *PASSING) as error:
            why = str(error) if isinstance(error, Unavailable) else None
            log.warning("waiting", fault=type(error).__name__, why=why)
        await asyncio.sleep(pause)
        pause = min(2.0, pause * 2)
