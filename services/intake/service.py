"""Intake put together: what it is made of, how it starts, what it does beside answering."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from services.intake.adoption import Governing
from services.intake.desk import Desk
from services.intake.feed import Feed
from services.intake.feeds import Feeds
from services.intake.lookalikes import Lookalikes
from services.intake.privacy import Privacy
from services.intake.query import Codes
from services.intake.reception import Reception, Unknown
from services.intake.retention import Retention
from services.intake.tables import Tables, WrongLog, open_pool, prepare
from services.intake.vault import Safe, Vault, master_key
from services.intake.view import Behind, View
from shared.clock import ClockUnset
from shared.database import PASSING, Pulse
from shared.governance import Governance, Ungoverned
from shared.health import Readiness
from shared.identity import identify
from shared.journal import journal
from shared.keys import Keys, load
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, PARTITIONS, Producer, Unavailable, asked
from shared.settings import Settings
from shared.tokens import load_tokens

log = journal("intake")

_REPUBLISH_SECONDS: Final = 5.0
_STALE_SECONDS: Final = 15.0


class Intake:
    """The service. `start` returns when it can answer; `run` ends only with a fault."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tables = Tables(settings)
        self.vault = Vault(Safe(master_key(settings.master_key_path)), self.tables)
        self.keys: Keys = load(settings.keys_path, load_tokens(settings))
        self.producer = Producer(settings, "intake")
        self.governance = Governance(settings, "intake")
        self.view = View(settings, self.tables)
        self.ready = False
        self._opened = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, adopt what governs, fold to the end, publish what was left behind.

        Raises WrongLog, VaultError, KeysError, Unavailable, NotAdmitted, or what the database
        raises.
        """
        opened = self._opened.push_async_callback
        self.pool: Any = await open_pool(self.settings)
        opened(self.pool.close)
        self.pulse = Pulse(self.pool)
        identity = await identify(self.settings, CASE_EVENTS)
        async with self.pool.acquire() as connection:
            await prepare(connection, self.tables, identity)
            await self.vault.verify(connection)
        opened(self.producer.stop)
        await self.producer.start()
        opened(self.governance.stop)
        await self.governance.start()
        parts = (
            self.tables,
            self.pool,
            self.vault,
            self.producer,
            self.governance,
        )
        self.reception = Reception(*parts, self.view)
        self.desk = Desk(*parts, self.view)
        self.governing = Governing(self.settings, *parts)
        self.privacy = Privacy(self.tables, self.pool, self.vault, self.desk)
        self.codes = Codes(self.tables, self.pool, self.vault)
        self.feeds = Feeds(
            self.settings, self.tables, self.pool, self.reception, self.privacy, self.governance
        )
        self.feed = Feed(self.settings, self.feeds, self.producer)
        opened(self.feeds.close)
        await self.feeds.open()
        self.lookalikes = Lookalikes(
            self.tables,
            self.pool,
            self.vault,
            self.governance,
            self.view,
            self.privacy,
            self.reception,
        )
        self.retention = Retention(
            self.tables, self.pool, self.desk, self.reception, self.governance
        )
        opened(self.reception.stop)
        opened(self.view.stop)
        await self.view.start()
        await self._check_positions()
        self._spawn(self.view.run(), "intake-view")
        await self.governing.begin()
        await self._fold_to_end()
        await self.reception.republish()
        self._spawn(self._republish(), "intake-republish")
        self._spawn(self.producer.watch(), "intake-producer")
        self._spawn(self.lookalikes.run(), "intake-lookalikes")
        self._spawn(self.retention.run(), "intake-retention")
        opened(self.feed.stop)
        self._spawn(self.feed.run(), "intake-feed")
        self._spawn(self.feeds.arrivals.run(), "intake-arrivals")
        self.ready = True
        log.info("ready", keys=len(self.keys))

    async def stop(self) -> None:
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._opened.aclose()

    async def run(self) -> None:
        """Wait for the background work, which ends only with a bug; then raise it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def _spawn(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _check_positions(self) -> None:
        ends = await self.view.reader.ends(CASE_EVENTS, range(PARTITIONS))
        for number, end in ends.items():
            if self.view.positions[number] > end:
                raise WrongLog(
                    f"intake has folded partition {number} up to {self.view.positions[number]}, "
                    f"the log ends at {end}: it is another log. Fix: qingqian rebuild intake"
                )

    async def _fold_to_end(self) -> None:
        """Until then a complaint that stands on the log could look new."""
        ends = await self.view.reader.ends(CASE_EVENTS, range(PARTITIONS))
        for number, end in ends.items():
            while self.view.positions[number] < end:
                try:
                    await self.view.reach(number, end, 5)
                except Behind as error:
                    log.info("folding", reason=str(error))

    async def _republish(self) -> None:
        while True:
            await asyncio.sleep(_REPUBLISH_SECONDS)
            try:
                await self.reception.republish(_STALE_SECONDS)
            except (Unknown, Unavailable, *PASSING) as error:
                log.warning("republish_waits", error=type(error).__name__)

    async def readiness(self) -> Readiness:
        """Where it stands; `owed` counts records not folded and complaints not acknowledged."""
        if not self.ready:
            return Readiness(ready=False, reason="starting: the log is not folded yet")
        try:
            clock = self.governance.clock.now()
            async with asked():
                owed = await self.view.behind()
            await self.pulse.feel()
        except (Ungoverned, ClockUnset) as error:
            return Readiness(ready=False, reason=str(error))
        except Unavailable:
            return Readiness(ready=False, reason="the log does not answer")
        except PASSING:
            return Readiness(ready=False, reason="the database does not answer")
        positions = {f"{CASE_EVENTS}/{n}": next for n, next in self.view.positions.items()}
        positions[f"{GOVERNANCE_EVENTS}/0"] = self.governance.position
        return Readiness(True, clock, positions, owed + self.reception.waiting)
