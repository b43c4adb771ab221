"""Following the log: read, fold, write, tell who listens; start again from the tables' position.

A passing fault of Kafka or PostgreSQL is waited out; a fault of ours ends the process, so that
nothing is ever skipped. Schema dropped while running: made anew and rebuilt from offset 0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from typing import Final

from services.reporting.projection import Decoded, Projection
from services.reporting.schema import WrongLog
from services.reporting.store import Overtaken, Position, Store
from shared.database import GONE, PASSING
from shared.identity import Identity, identify
from shared.journal import journal
from shared.lag import Lag
from shared.log import CASE_EVENTS, Reader, Record, Unavailable
from shared.metrics import BATCH_RECORDS, BATCH_SECONDS, LAG, LAG_RECORDS, RETRIES
from shared.settings import Settings

MOST: Final = 2000
"""Records in one transaction at most."""
_LASTING: Final = 10.0
"""Seconds of following after which a fault is a new one, and the pause begins small again."""
GATHER: Final = {"wall": 0.03, "log": 0.0}
"""Seconds that records gather before they are folded: a transaction costs as much as some fifty of
them. On the log clock somebody waits for each."""

Listener = Callable[[Sequence[Decoded]], None]

log = journal("follower")


class Follower:
    """The one writer of the read tables in this process."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.projection = Projection(store)
        self.reader = Reader(settings, "reporting")
        self.listeners: list[Listener] = []
        self.caught_up = False
        self.fault: str | None = None
        self.ends: dict[int, int] = {}
        self._lag = Lag()
        self._folded: int | None = None
        self._identity: Identity | None = None
        self._store = store

    @property
    def positions(self) -> dict[int, Position]:
        return self.projection.positions

    @property
    def behind(self) -> int:
        """Records on the log, as last asked, that are not folded."""
        return sum(
            max(0, end - self.positions[number].next)
            for number, end in self.ends.items()
            if number in self.positions
        )

    async def look(self) -> int:
        """Ask the log for its ends; how many records are not folded. Raises Unavailable."""
        self.ends = await self.reader.ends(CASE_EVENTS, list(self.positions))
        for number, end in self.ends.items():
            position = self.positions.get(number)
            if position is not None:
                LAG_RECORDS.labels(str(number)).set(max(0, end - position.next))
        LAG.set(self._lag.seconds(self.behind, self._folded))
        return self.behind

    async def run(self) -> None:
        """Follow for ever. Raises WrongLog where the tables belong to another log."""
        delay = 0.2
        while True:
            begun = time.monotonic()
            try:
                await self._follow()
            except Overtaken:
                log.info("overtaken")
                delay = 0.2
            except GONE:
                log.warning("schema_gone")
                self.caught_up = False
            except (Unavailable, *PASSING) as error:
                self.fault = type(error).__name__
                RETRIES.labels("kafka" if isinstance(error, Unavailable) else "database").inc()
                log.warning("waiting", fault=self.fault)
            if time.monotonic() - begun > _LASTING:
                delay = 0.2
            await asyncio.sleep(delay)
            delay = min(5.0, delay * 2)

    async def _follow(self) -> None:
        if self._identity is None:
            await self.reader.start()
            self._identity = await identify(self.settings, CASE_EVENTS)
        await self._store.prepare(self._identity)
        positions = await self.projection.resume()
        await self._check(positions)
        start = {(CASE_EVENTS, number): item.next for number, item in positions.items()}
        self.fault = None
        follow = self.reader.follow(start, most=MOST, gather=GATHER[self.settings.clock])
        async with aclosing(follow) as batches:
            async for records in batches:
                if records:
                    await self._take(records)
                else:
                    await self._idle()

    async def _check(self, positions: dict[int, Position]) -> None:
        await self.look()
        for number, position in positions.items():
            if position.next > self.ends[number]:
                raise WrongLog(
                    f"partition {number} ends at {self.ends[number]}, the tables are at "
                    f"{position.next}; run `qingqian rebuild reporting`"
                )

    async def _take(self, records: list[Record]) -> None:
        begun = time.perf_counter()
        fresh = await self.projection.take(records)
        BATCH_SECONDS.labels("whole").observe(time.perf_counter() - begun)
        BATCH_RECORDS.observe(len(records))
        for listener in self.listeners:
            listener(fresh)
        for number, position in self.positions.items():
            self.ends[number] = max(self.ends.get(number, 0), position.next)
        self._folded = records[-1].timestamp
        if not self.caught_up and len(records) < MOST:
            await self._idle()

    async def _idle(self) -> None:
        """Nothing arrived: the moment to see whether all is folded, and the tables still ours.

        Raises Overtaken where another writer went on, or one of GONE where somebody dropped them.
        """
        if await self._store.positions() != self.positions:
            raise Overtaken("another writer moved a position of reporting")
        behind = await self.look()
        if behind == 0 and not self.caught_up:
            self.caught_up = True
            for name in await self._store.serve():
                log.info("generation_dropped", generation=name)
            log.info("caught_up")

    async def stop(self) -> None:
        with suppress(Exception):
            await self.reader.stop()
