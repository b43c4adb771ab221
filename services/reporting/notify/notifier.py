"""The notifier: fills the outbox from the log and empties it into the channels.

One process of an installation does it at a time, by a lock of the database's session. Each channel
has a task of its own, and sends only what still stands at the end of the log as it is then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

import orjson

from services.reporting.notify.channels import Channel, Outlet
from services.reporting.notify.message import Receipt
from services.reporting.notify.outbox import Filling, Outbox, pause_after
from services.reporting.notify.rules import WANTED, ended, notifications, quiet_until
from services.reporting.store import Overtaken
from shared.clock import wall_now
from shared.database import PASSING, alone
from shared.envelope import Unreadable, from_document
from shared.events import CaseEscalated, Event
from shared.governance import Governance
from shared.identity import identify
from shared.journal import journal
from shared.log import CASE_EVENTS, Reader, Record
from shared.metrics import NOTIFIED, OLDEST_UNNOTIFIED, UNNOTIFIED
from shared.policy import QuietHours
from shared.settings import Settings

MOST: Final = 2000
"""Records in one transaction at most."""

IDLE_SECONDS: Final = 1.0
"""Pause of a channel that has nothing to send."""

LONGEST_SECONDS: Final = 300.0
"""Pause at most between two tries of an endpoint that does not answer."""

log = journal("notifier")


class Notifier:
    """Runs beside reporting's follower; ends only with a fault of ours or OtherLog."""

    def __init__(
        self, settings: Settings, pool: Any, governance: Governance, outlets: Sequence[Outlet]
    ) -> None:
        self.settings = settings
        self.governance = governance
        self.outlets = list(outlets)
        self.outbox = Outbox(pool, settings.schema("outbox"))
        self.positions: dict[int, int] = {}
        self._reader = Reader(settings, "notifier")
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Notify for ever. Raises OtherLog where the receipts are of another log."""
        pause = 0.2
        while True:
            try:
                await self._alone()
            except Overtaken:
                log.info("overtaken")
            except PASSING as error:
                log.warning("waiting", fault=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    async def _alone(self) -> None:
        """Work while it is this process's turn."""
        async with alone(self.settings.database, f"{self.outbox.schema} notifier") as lost:
            try:
                await self._reader.start()
                log_id = await identify(self.settings, CASE_EVENTS)
                self.positions = await self.outbox.prepare(log_id)
                await self._work(lost)
            finally:
                # Whoever works next measures it; what this process knew would only grow old.
                UNNOTIFIED.clear()
                OLDEST_UNNOTIFIED.clear()
                await self._reader.stop()

    async def _work(self, lost: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_end_when(lost))
                group.create_task(self._fill())
                for outlet in self.outlets:
                    group.create_task(self._empty(outlet), name=f"channel-{outlet.name}")
        except ExceptionGroup as found:
            raise found.exceptions[0] from None

    # --- filling ----------------------------------------------------------------------------------

    async def _fill(self) -> None:
        start = {(CASE_EVENTS, number): following for number, following in self.positions.items()}
        async with aclosing(self._reader.follow(start, most=MOST)) as batches:
            async for records in batches:
                if records:
                    # What governs a record stands on the log before it.
                    await self.governance.catch_up()
                    await self.take(records)

    async def take(self, records: Sequence[Record]) -> None:
        """Fold one batch into the outbox. Raises Overtaken."""
        filling = Filling()
        events: list[Event] = []
        for record in records:
            expected, following = filling.moves.get(
                record.partition, (self.positions[record.partition],) * 2
            )
            if record.offset < following:
                continue
            filling.moves[record.partition] = (expected, record.offset + 1)
            event = _read(record)
            if event is not None:
                events.append(event)
        reached = await self._reached(events)
        endings = {event.id: keys for event in events if (keys := ended(event))}
        known = await self.outbox.known(list(endings)) if endings else set()
        for event in events:
            policy = self.governance.books.at(event.recordedtime)
            for item in notifications(event, policy, reached):
                filling.tell(item)
                reached.setdefault(event.id, []).append(item.recipient)
            if event.id in endings and event.id not in known:
                filling.end(event.id, endings[event.id])
        await self.outbox.fill(filling, self.outlets)
        async with self._moved:
            self.positions |= {n: following for n, (_, following) in filling.moves.items()}
            self._moved.notify_all()

    async def _reached(self, events: Sequence[Event]) -> dict[str, list[str]]:
        causes = [event.data.cause for event in events if isinstance(event.data, CaseEscalated)]
        return await self.outbox.reached(causes) if causes else {}

    async def _fresh(self) -> None:
        """Wait until everything that is on the log now is folded: what has ended is known."""
        ends = await self._reader.ends(CASE_EVENTS, list(self.positions))
        async with self._moved:
            await self._moved.wait_for(
                lambda: all(self.positions[number] >= end for number, end in ends.items())
            )

    # --- emptying ---------------------------------------------------------------------------------

    async def _empty(self, outlet: Outlet) -> None:
        """Send what is due through one channel, for ever or until it takes nothing any more."""
        channel = outlet.open()
        failed = 0
        try:
            while True:
                receipts = await self._round(outlet, channel)
                await self._measure(outlet.name)
                if any(receipt.gone for receipt in receipts):
                    log.error("channel_gone", channel=outlet.name)
                    return
                dead = receipts and all(receipt.outcome != "sent" for receipt in receipts)
                failed = failed + 1 if dead else 0
                await asyncio.sleep(_pause(receipts, failed))
        finally:
            await channel.close()

    async def _measure(self, channel: str) -> None:
        """How many wait, and since when: an instant, which grows old also if the channel stops."""
        waiting, since = await self.outbox.waiting(channel, self._quiet())
        UNNOTIFIED.labels(channel).set(waiting)
        OLDEST_UNNOTIFIED.labels(channel).set(since.timestamp() if since else 0)

    async def _round(self, outlet: Outlet, channel: Channel) -> list[Receipt]:
        """One batch of a channel: what became of each message."""
        await self._fresh()
        pending = await self.outbox.due(outlet.name, wall_now(), channel.most, self._quiet())
        if not pending:
            return []
        receipts = await channel.deliver([item.message for item in pending])
        for receipt in receipts:
            NOTIFIED.labels(outlet.name, receipt.outcome).inc()
        await self.outbox.mark(outlet.name, pending, receipts, wall_now())
        return receipts

    def _quiet(self) -> QuietHours | None:
        """The quiet hours, while they run by the city's clock."""
        if not self.governance.governed:
            return None
        now = self.governance.clock.now()
        quiet = self.governance.books.at(now).content.notifications.quiet
        return quiet if quiet_until(now, quiet) is not None else None


def _pause(receipts: Sequence[Receipt], failed: int) -> float:
    """Seconds until the channel's next round."""
    if not receipts:
        return IDLE_SECONDS
    if not failed:
        return 0.0
    asked = [receipt.after for receipt in receipts if receipt.after is not None]
    return max(asked) if asked else min(LONGEST_SECONDS, pause_after(failed))


def _read(record: Record) -> Event | None:
    """The event of a record if it is told or ends something; what is unreadable is parked by
    reporting's own follower, and tells nobody.
    """
    try:
        doc = orjson.loads(record.value)
        if not isinstance(doc, dict) or doc.get("type") not in WANTED:
            return None
        return from_document(doc)
    except (orjson.JSONDecodeError, Unreadable):
        return None


async def _end_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise ConnectionError("the session that held the notifier's lock has ended")
