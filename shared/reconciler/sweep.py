"""Rounds: deciding by the clock, and only where everything recorded before has been folded.

A round reads the ends of the worker's partitions and of governance and lets the folding reach
them; a partition that is not there yet decides nothing by the clock, so lag, a rebuild or a fresh
assignment make no false step. On the wall clock a step fires some seconds after its instant,
because a fact stamped before it may be on its way to the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from shared.clock import Clock, ClockUnset
from shared.database import GONE, PASSING, Pulse
from shared.health import Readiness
from shared.journal import journal
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, Unavailable, asked
from shared.metrics import LAG, LAG_RECORDS, RETRIES, ROUND_SECONDS, UNDECIDED
from shared.reconciler.partition import Partition, Standing
from shared.reconciler.worker import CHUNK, Worker
from shared.settle import LawBroken

log = journal("sweep")

GRACE: Final = timedelta(seconds=5)
"""On the wall clock: from a step's instant to its decision. A fact is stamped just before it is
published, and intake gives a publication 2 s."""

PATIENCE: Final = 10.0
"""Seconds that a round waits for the agent to bring what is on the log; then, unless the agent
moves on, it reads by itself. Where the log clock has moved, somebody waits for the round: it
reads at once."""


class Sweep:
    """The rounds of one worker. `settled`: the instant up to which the last round decided."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.pulse = Pulse(worker.store.pool)
        self.settled: datetime | None = None
        self.ends_at = 0.0
        self._turn = asyncio.Lock()
        self._owing: set[str] = set()

    async def round(self) -> None:
        """One round over all partitions of the worker; what fails is left to the next."""
        async with self._turn:
            begun = time.perf_counter()
            try:
                clock = self.worker.governance.clock
                await self._round(clock)
            except (LookupError, ClockUnset):
                return  # Nothing is adopted yet.
            except Unavailable as error:
                RETRIES.labels("kafka").inc()
                self.worker.fault_at = time.monotonic()
                log.warning("the log does not answer", error=type(error).__name__)
                return
            ROUND_SECONDS.observe(time.perf_counter() - begun)

    async def _round(self, clock: Clock) -> None:
        worker = self.worker
        await worker.governance.catch_up()
        now = clock.now()
        cut = now - GRACE if clock.kind == "wall" else now
        partitions = list(worker.partitions.values())
        await self._look(partitions)
        ends = {partition.number: partition.end for partition in partitions}
        done = await asyncio.gather(
            *(
                self._partition(partition, ends[partition.number], cut, now)
                for partition in partitions
            )
        )
        if all(done):
            self.settled = cut
            await worker.close()  # Whatever had to be rebuilt is rebuilt.

    async def _look(self, partitions: Iterable[Partition]) -> None:
        """Read the ends of partitions, and say how far behind we are."""
        by_number = {partition.number: partition for partition in partitions}
        folded = {number: each.held.next for number, each in by_number.items() if each.held}
        ends = await self.worker.reader.ends(CASE_EVENTS, by_number)
        self.ends_at = time.monotonic()
        lag = 0.0
        for number, end in ends.items():
            partition = by_number[number]
            if partition.standing is Standing.GONE:
                continue  # Revoked while the broker was asked.
            self.worker.check_end(number, folded.get(number, 0), end)
            partition.end = max(partition.next, end)
            LAG_RECORDS.labels(str(number)).set(partition.behind)
            if not partition.behind:
                partition.moved = time.monotonic()
            lag = max(lag, partition.lag.seconds(partition.behind, partition.last_timestamp))
        LAG.set(lag)

    async def _partition(
        self, partition: Partition, end: int, cut: datetime, now: datetime
    ) -> bool:
        """Decide what a partition owes up to `cut`; False where it is not folded to `end`."""
        await self._agent(partition, end, now)
        reached = False

        async def work() -> None:
            nonlocal reached
            if partition.next < end:
                if self._agent_moves(partition, now):
                    return
                await self.worker.read_up(partition, end)
            await self.worker.begin_units(partition)
            await self._outdated(partition, cut, now)
            await self._due(partition, cut, now)
            reached = True

        return await self.worker.holding(partition, work) and reached

    def _patience(self, now: datetime) -> float:
        clock = self.worker.governance.clock
        return 0.0 if clock.kind == "log" and now != self.settled else PATIENCE

    def _agent_moves(self, partition: Partition, now: datetime) -> bool:
        return time.monotonic() - partition.moved < self._patience(now)

    async def _agent(self, partition: Partition, end: int, now: datetime) -> None:
        """Wait, without the lock, until the agent has folded to `end` or stands still."""
        deadline = time.monotonic() + self._patience(now)
        while (
            partition.standing is Standing.HELD
            and partition.next < end
            and (left := deadline - time.monotonic()) > 0
        ):
            partition.progress.clear()
            try:
                async with asyncio.timeout(left):
                    await partition.progress.wait()
            except TimeoutError:
                return

    async def _outdated(self, partition: Partition, cut: datetime, now: datetime) -> None:
        """Bring wake-ups that were computed under an older book under the one in force."""
        worker, book = self.worker, self.worker.governance.books.at(cut)
        if partition.held is None or partition.held.book_hash == book.hash:
            return
        subjects = await worker.store.outdated(partition.number, book.hash)
        for start in range(0, len(subjects), CHUNK):
            await worker.settle(partition, subjects[start : start + CHUNK], cut, now)
        partition.hold(await worker.store.put(partition.held, [], partition.next, book.hash))

    async def _due(self, partition: Partition, cut: datetime, now: datetime) -> None:
        """Settle every stream that wakes not later than `cut`."""
        if not partition.wakes_by(cut):
            return
        settled: set[str] = set()
        while subjects := await self.worker.store.due(partition.number, cut, CHUNK):
            if again := settled & set(subjects):
                raise LawBroken(f"{min(again)} is due again right after it was settled")
            await self.worker.settle(partition, subjects, cut, now)
            settled |= set(subjects)
        await self.worker.look_ahead(partition)

    async def tell(self) -> None:
        """Publish how many streams owe a decision, or its acknowledgement, as they did when last
        asked: what is only on its way is none of them. Says it also while rounds cannot be done.
        """
        worker = self.worker
        if not worker.governance.governed:
            return
        clock = worker.governance.clock
        now = clock.now()
        cut = now - GRACE if clock.kind == "wall" else now
        try:
            owing = await worker.store.undecided(list(worker.partitions), cut)
        except (*PASSING, *GONE):
            return
        UNDECIDED.set(len(owing & self._owing))
        self._owing = owing

    # --- readiness --------------------------------------------------------------------------------

    async def readiness(self) -> Readiness:
        """Where the worker stands, against the ends of this very moment."""
        worker = self.worker
        governance = worker.governance
        partitions = list(worker.partitions.values())
        if not governance.governed:
            return Readiness(ready=False, reason="no policy and clock adopted yet")
        try:
            async with asked():
                await self._look(partitions)
                end = await governance.end()
            await self.pulse.feel()
            for partition in partitions:
                if partition.wake_moved and partition.standing is Standing.HELD:
                    await worker.look_ahead(partition)
        except Unavailable:
            return Readiness(ready=False, reason="the log does not answer")
        except PASSING:
            return Readiness(ready=False, reason="the database does not answer")
        clock = governance.clock
        now = clock.now()
        settled = self.settled if clock.kind == "log" else now
        cut = self.settled or now
        unheld = sum(1 for each in partitions if each.standing is not Standing.HELD)
        owed = unheld + sum(each.behind for each in partitions) + max(0, end - governance.position)
        owed += sum(1 for each in partitions if each.wakes_by(cut) or each.lock.locked())
        owed += clock.kind == "log" and settled != now
        wakes = [each.next_wake for each in partitions if each.next_wake is not None]
        positions = {f"{CASE_EVENTS}/{each.number}": each.next for each in partitions}
        positions[f"{GOVERNANCE_EVENTS}/0"] = governance.position
        return Readiness(
            ready=not unheld,
            clock=settled,
            positions=positions,
            owed=int(owed),
            next_due=min(wakes, default=None),
            reason=(worker.gone or "partitions are being claimed or rebuilt") if unheld else None,
        )
