"""Publishing: what is owed goes onto `governance-events`, then it is signed (design 3, 8).

One process of an installation does it at a time, by a lock of the database's session. What belongs
to an issue is published in one order and the bulletin last, so that whoever goes on after a kill
sees from the log how far the issue came. An issue is made from the tables as of its cut-off once
they hold everything that is on the log, hours after it: its content is the same whoever makes it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal, get_args

import asyncpg
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.reporting import clearance, ledgers
from services.reporting.bulletins import bulletin, content_hash
from services.reporting.follower import Follower
from services.reporting.publications import PUBLISHED, Due, id_of
from services.reporting.reading import Cut, Reading, Snapshot, position_of
from services.reporting.signing import PLACES, STRETCH, Signer, unsigned
from shared.checkpoint import Rewritten, place_name
from shared.clock import WallClock
from shared.database import PASSING, alone
from shared.events import (
    BulletinIssued,
    CorrectionIssued,
    Event,
    LedgerSnapshotTaken,
    PhaseTargetEvaluated,
    RankingPublished,
)
from shared.governance import Governance
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Producer, Unavailable
from shared.metrics import CHECKPOINT_SECONDS, LOG_REWRITTEN
from shared.policy import Policy
from shared.settings import Settings
from shared.streams import GOVERNANCE

LOOK_SECONDS: Final = 1.0
"""Pause between two looks at what is owed, where nothing moves on `governance-events`."""

FOLD_SECONDS: Final = 0.02
"""Pause between two looks at tables that do not hold the whole log yet."""

_RANKINGS: Final[dict[Literal["task_forces", "townships"], str]] = {
    "task_forces": "ranking_task_force",
    "townships": "ranking_township",
}

log = journal("publisher")


class Publisher:
    """Runs beside reporting's follower; ends only with a fault of ours."""

    def __init__(
        self,
        settings: Settings,
        governance: Governance,
        follower: Follower,
        reading: Reading,
        producer: Producer,
    ) -> None:
        self.settings = settings
        self.governance = governance
        self.follower = follower
        self.reading = reading
        self.published = reading.published
        self.producer = producer
        self.signer = Signer(settings)
        self.published.is_ours = self.signer.is_ours
        self._alone_here = False
        self._broken = False
        CHECKPOINT_SECONDS.set_function(self._last_signed)

    def _last_signed(self) -> float:
        found = self.published.checkpoints
        return found[-1].recordedtime.timestamp() if found else 0.0

    # --- what is owed -----------------------------------------------------------------------------

    @property
    def due(self) -> Due | None:
        """The issue that comes out next."""
        return self.published.next_issue(self.governance.books.adopted[-1])

    @property
    def fault(self) -> str | None:
        """What somebody must look at, though every read is answered."""
        if not self._broken:
            return None
        return "the log lacks what its checkpoints signed; qingqian audit names it"

    def owed(self, now: datetime) -> int:
        """Whether anything is due and not on the log: an issue, or, of the process whose turn it
        is, the checkpoint after one.
        """
        due = self.due
        is_due = due is not None and due.at <= now
        signs = self._alone_here and not self._broken
        return int(is_due or (signs and self.published.owes_checkpoint))

    # --- publishing -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish for ever; a passing fault is waited out."""
        pause, lost_track = 0.2, False
        while True:
            try:
                async with self._alone() as lost:
                    if lost_track:
                        # What was not acknowledged may stand on the log all the same: it is looked
                        # for, and the numbers by which the producer tells copies begin anew.
                        await self.producer.stop()
                        await self.producer.start()
                    pause, lost_track = 0.2, False
                    while not lost.is_set():
                        await self._look()
                        await self.governance.changed(LOOK_SECONDS)
            except (Unavailable, KafkaError, asyncpg.PostgresError, *PASSING) as error:
                if isinstance(error, KafkaError):
                    if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                        raise
                    lost_track = True
                log.warning("waiting", fault=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[asyncio.Event]:
        """While it is this process's turn to publish."""
        name = f"{self.settings.schema('reporting')} publisher"
        async with alone(self.settings.database, name) as lost:
            try:
                await self.signer.start()
                self._alone_here = True
                yield lost
            finally:
                self._alone_here = False
                await self.signer.stop()

    async def _look(self) -> None:
        """Publish what is due by now. What another process has published is seen before."""
        if not self.governance.governed or not self.follower.caught_up:
            return
        await self.governance.catch_up()
        while (due := self.due) is not None and due.at <= self.governance.clock.now():
            await self._publish(due)
        await self._sign()

    async def _publish(self, due: Due) -> None:
        async with self._whole(due.issue.at) as (snapshot, cut):
            owed = await belonging(snapshot, cut, due)
        events = [self._event(data, due.issue.at, cut.policy) for data in owed]
        await self._append([event for event in events if event.id not in self.published.ids])
        log.info("published", issue=due.issue.no, events=len(events))

    @asynccontextmanager
    async def _whole(self, as_of: datetime) -> AsyncIterator[tuple[Snapshot, Cut]]:
        """The tables as of then, once they hold what is on the log now.

        Judged by the snapshot's own positions: another process may be making the tables anew.
        """
        ends = await self.follower.reader.ends(CASE_EVENTS, range(PARTITIONS))
        while True:
            async with self.reading.at(as_of) as (snapshot, cut):
                folded = snapshot.folded
                if all(n in folded and folded[n].next >= end for n, end in ends.items()):
                    yield snapshot, cut
                    return
            await asyncio.sleep(FOLD_SECONDS)

    def _event(self, data: PUBLISHED, at: datetime, policy: Policy) -> Event:
        return Event(
            id=id_of(data),
            subject=GOVERNANCE,
            time=at,
            recordedtime=self.governance.clock.now(),
            data=data,
            actor=f"{policy.content.organisation.office}/office/-",
            basis=policy.adoption_id,
            policy=policy.ref,
        )

    async def _append(self, events: list[Event]) -> None:
        """Publish, and come back when it is read again: what is owed is judged by the log."""
        await self.producer.publish(events)
        await self.governance.catch_up()

    # --- signing ----------------------------------------------------------------------------------

    async def _sign(self) -> None:
        """Sign where an issue came out, a day ended or much was recorded since the last time."""
        if self._broken or not await self._checkpoint_is_due():
            return
        standing = [item.data for item in self.published.checkpoints]
        policy = self.governance.books.adopted[-1]
        try:
            async with aclosing(self.signer.checkpoints(standing)) as found:
                async for checkpoint in found:
                    now = self.governance.clock.now()
                    await self._append([self._event(checkpoint, now, policy)])
                    log.info("signed", records=sum(checkpoint.positions.values()))
        except Rewritten as error:
            # No passing fault: somebody changed the log. Everything else goes on, and the audit
            # says what was changed.
            self._broken = True
            LOG_REWRITTEN.set(1)
            log.error("log_rewritten", detail=str(error))

    async def _checkpoint_is_due(self) -> bool:
        if self.published.owes_checkpoint:
            return True
        # On the log clock days pass in seconds, and whoever moves it waits for nobody's night.
        clock = self.governance.clock
        if isinstance(clock, WallClock) and self.published.day_is_over(clock.now()):
            return True
        last = self.published.checkpoints[-1].data if self.published.checkpoints else None
        return unsigned(await self.signer.reader.ends_of(PLACES), last) > STRETCH


async def belonging(snapshot: Snapshot, cut: Cut, due: Due) -> list[PUBLISHED]:
    """What belongs to an issue, in its order on the log."""
    content = await bulletin(snapshot, due.issue, due.before)
    pinned: dict[str, Any] = {
        "as_of": cut.as_of,
        "positions": {
            place_name(CASE_EVENTS, number): following
            for number, following in position_of(cut.position).items()
        },
    }
    number = due.issue.no
    owed: list[PUBLISHED] = [
        PhaseTargetEvaluated(
            phase=verdict.phase,
            predicate=verdict.predicate,
            result=verdict.result,
            as_of=cut.as_of,
            hash=verdict.hash,
        )
        for verdict in await clearance.clearance(snapshot, cut)
        if verdict.result != "PENDING"
    ]
    for name in get_args(ledgers.Name):
        digest = hashlib.sha256(await ledgers.workbook(snapshot, cut, name)).hexdigest()
        owed.append(LedgerSnapshotTaken(ledger=name, hash=f"sha256:{digest}", **pinned))
    for kind, part in _RANKINGS.items():
        found = content_hash({"items": content[part]})
        items = tuple(content[part])
        owed.append(RankingPublished(kind=kind, issue_no=number, hash=found, items=items, **pinned))
    if corrections := content["corrections"]:
        owed.append(
            CorrectionIssued(
                issue_no=number,
                corrects=corrections[0]["corrects"],
                hash=content_hash({"items": corrections}),
                items=tuple(corrections),
            )
        )
    return [*owed, BulletinIssued(issue_no=number, hash=content["hash"], **pinned)]
