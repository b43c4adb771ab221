"""The outbox on a real database: filled, ended, due, marked; twice, late and out of turn."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.reporting.notify.channels import Outlet
from services.reporting.notify.file import FileChannel
from services.reporting.notify.message import Receipt
from services.reporting.notify.notifier import Notifier
from services.reporting.notify.outbox import PAUSES, OtherLog
from services.reporting.store import Overtaken
from shared import events as ev
from shared.events import Event
from shared.identity import Identity
from shared.log import Record
from shared.policy import Policy
from shared.settings import Settings
from tests.infra.stories import Told, complaint, line
from tests.reporting import histories
from tests.reporting.conftest import IDENTITY, governed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_NUMBER = itertools.count(1)

SILENT = [
    line("2021-11-10T09:30:00", "A", "ComplaintReceived", **complaint("A")),
    line("2021-11-10T10:00:00", "A", "ComplaintAccepted"),
    line("2021-11-12T09:00:00", "B", "ComplaintReceived", **complaint("B")),
]
"""A case that nobody touches until its first contact is overdue."""
CONTACTED = line("2021-11-12T10:00:00", "A", "FirstContactMade", reached=True)
LATER = line("2021-11-15T09:00:00", "C", "ComplaintReceived", **complaint("C"))


class Desk:
    """A notifier without a log: it is handed records."""

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier
        self.outbox = notifier.outbox
        self.offsets: dict[int, int] = {}

    async def take(self, events: Sequence[Event], size: int = 10_000) -> list[Record]:
        """Hand on events as they would stand on the log after those before."""
        found = []
        for record in histories.records(events):
            offset = self.offsets.get(record.partition, 0)
            self.offsets[record.partition] = offset + 1
            found.append(
                Record(record.topic, record.partition, offset, 0, record.key, record.value)
            )
        for first in range(0, len(found), size):
            await self.notifier.take(found[first : first + size])
        return found

    async def due(self, *, now: datetime = NOW, quiet: Any = None) -> list[tuple[str, Any, Any]]:
        """(kind of event, level, recipient) of what would be sent."""
        pending = await self.outbox.due("all", now, 1000, quiet)
        data = [item.message.body["data"] for item in pending]
        return sorted((d["event_type"], d["level"] or "", d["to"]) for d in data)

    async def rows(self) -> list[tuple[Any, ...]]:
        schema = self.outbox.schema
        found = await self.outbox.pool.fetch(
            "SELECT n.id, n.ended_by, d.channel, d.state "
            f'FROM "{schema}".notifications n LEFT JOIN "{schema}".deliveries d USING (id) '
            "ORDER BY n.id, d.channel"
        )
        return [tuple(row.values()) for row in found]


@pytest.fixture
async def desks(pool: Any, database: str, book: Policy, tmp_path: Path) -> AsyncIterator[Any]:
    """Makes desks, each with a schema of its own unless told otherwise."""
    schemas = set()

    async def made(name: str | None = None) -> Desk:
        namespace = f"{name or f'n{next(_NUMBER)}'}_"
        settings = Settings.model_validate(
            {"database": database, "namespace": namespace, "kafka": "127.0.0.1:9"}
        )
        outlets = [
            Outlet("all", frozenset(), frozenset(), lambda: FileChannel(tmp_path / "all.jsonl")),
            Outlet("tf", frozenset(("TF1",)), frozenset(), lambda: FileChannel(tmp_path / "tf")),
        ]
        notifier = Notifier(settings, pool, governed(book, settings), outlets)
        notifier.positions = await notifier.outbox.prepare(IDENTITY)
        schemas.add(notifier.outbox.schema)
        return Desk(notifier)

    yield made
    for schema in schemas:
        await pool.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def story(folder: Path, *lines: dict[str, Any]) -> list[Event]:
    return Told(lines, folder).log


async def test_an_alert_that_stands_is_due_and_one_that_was_cleared_is_not(
    desks: Any, tmp_path: Path
) -> None:
    desk = await desks()
    log = story(tmp_path, *SILENT, LATER)
    raised = [event for event in log if event.type == "AlertRaised"]
    assert raised
    await desk.take(log)
    assert {kind for kind, _, _ in await desk.due()} >= {"AlertRaised"}
    again = await desks()
    log = story(tmp_path, *SILENT, CONTACTED, LATER)
    cleared = {event.data.cause for event in log if isinstance(event.data, ev.AlertCleared)}
    assert cleared
    await again.take(log)
    pending = await again.outbox.due("all", NOW, 1000, None)
    told = {item.message.body["data"]["event_id"] for item in pending}
    assert not told & cleared
    stands = {event.id for event in log if event.type == "AlertRaised"} - cleared
    assert told >= stands


async def test_how_the_log_is_cut_and_what_comes_twice_change_nothing(
    desks: Any, tmp_path: Path
) -> None:
    log = story(tmp_path, *SILENT, CONTACTED, LATER)
    whole, pieces, twice = await desks(), await desks(), await desks()
    await whole.take(log)
    await pieces.take(log, size=1)
    await twice.take([copy for event in log for copy in (event, event)])
    assert await whole.rows() == await pieces.rows() == await twice.rows()
    assert any(row[1] for row in await whole.rows())


async def test_an_escalation_names_the_post_that_its_alert_reached(
    desks: Any, tmp_path: Path, book: Policy
) -> None:
    """Also where the alert came in an earlier batch; the levels of a case that nobody touches."""
    end = line("2022-01-10T09:00:00", "C", "ComplaintReceived", **complaint("C"))
    log = story(tmp_path, *SILENT, end)
    whole, pieces = await desks(), await desks()
    await whole.take(log)
    await pieces.take(log, size=1)
    assert await whole.rows() == await pieces.rows()
    told = {(level, to) for kind, level, to in await pieces.due() if kind == "CaseEscalated"}
    assert told == {("L6", book.task_forces["TF1"].leader_post), ("L7", "市长")}


async def test_a_record_below_the_position_is_not_taken_again(desks: Any, tmp_path: Path) -> None:
    desk = await desks()
    records = await desk.take(story(tmp_path, *SILENT, LATER))
    before = await desk.rows()
    await desk.notifier.take(records)
    assert await desk.rows() == before


async def test_an_old_ending_read_again_does_not_end_what_came_after_it(
    desks: Any, tmp_path: Path
) -> None:
    """A reopened case is closed anew: the second copy of its reopening ends no later reply."""

    def reply(cause: str) -> ev.SourceReplyOwed:
        return ev.SourceReplyOwed(cause=cause, source="12345", source_ref="7", conclusion="PAID")

    reopened = ev.CaseReopened.model_validate({"cause": "f", "reason": "FALSE_CLOSURE"})
    at = datetime(2021, 12, 1, tzinfo=UTC)
    first, back, second = (
        Event(id=name, subject="case-1", time=at, recordedtime=at, data=data, decidedby="case-1")
        for name, data in (("r1", reply("c1")), ("o1", reopened), ("r2", reply("c2")))
    )
    for size in (1, 2, 3, 4):
        desk = await desks()
        await desk.take([first, back, second, back], size)
        pending = await desk.outbox.due("all", NOW, 10, None)
        assert [item.message.body["data"]["event_id"] for item in pending] == ["r2"]


async def test_another_process_that_was_faster_is_noticed(desks: Any, tmp_path: Path) -> None:
    log = story(tmp_path, *SILENT, LATER)
    fast, slow = await desks("both"), await desks("both")
    await fast.take(log)
    rows = await fast.rows()
    with pytest.raises(Overtaken):
        await slow.take(log)
    assert await fast.rows() == rows, "nothing of a refused batch stays"


async def test_a_channel_gets_only_what_it_takes(desks: Any, tmp_path: Path) -> None:
    desk = await desks()
    await desk.take(story(tmp_path, *SILENT, LATER))
    pending = await desk.outbox.due("tf", NOW, 1000, None)
    assert {item.message.body["data"]["to"] for item in pending} <= {"TF1"}
    assert len(pending) < len(await desk.outbox.due("all", NOW, 1000, None))


async def test_reminders_wait_for_the_morning_and_red_ones_do_not(
    desks: Any, tmp_path: Path, book: Policy
) -> None:
    desk = await desks()
    await desk.take(story(tmp_path, *SILENT, LATER))
    quiet = book.content.notifications.quiet
    assert quiet is not None
    levels = {level for _, level, _ in await desk.due()}
    assert levels & {"L1", "L2"}
    assert levels & {"L3", "L4"}
    held = {level for _, level, _ in await desk.due(quiet=quiet)}
    assert held == levels - {"L1", "L2"}
    loud = quiet.model_copy(update={"never": ("T05", "T07", "T08", "T01", "T09", "T06")})
    assert {level for _, level, _ in await desk.due(quiet=loud)} == levels


async def test_receipts(desks: Any, tmp_path: Path) -> None:
    desk = await desks()
    await desk.take(story(tmp_path, *SILENT, LATER))
    pending = await desk.outbox.due("all", NOW, 3, None)
    receipts = [Receipt("sent", "200"), Receipt("retry", "500"), Receipt("held", "500")]
    await desk.outbox.mark("all", pending, receipts, NOW)
    sent, failed, held = (item.message.id for item in pending)
    now = {item.message.id for item in await desk.outbox.due("all", NOW, 1000, None)}
    assert held in now
    assert not now & {sent, failed}
    later = NOW + timedelta(seconds=PAUSES[0])
    again = {
        item.message.id: item.attempts for item in await desk.outbox.due("all", later, 999, None)
    }
    assert again[failed] == 1
    assert again[held] == 0
    assert sent not in again


async def test_the_pauses_grow_and_the_other_side_s_wish_is_kept(
    desks: Any, tmp_path: Path
) -> None:
    desk = await desks()
    await desk.take(story(tmp_path, *SILENT, LATER))
    now, waited = NOW, []
    for _ in range(len(PAUSES) + 2):
        (item,) = await desk.outbox.due("all", now, 1, None)
        await desk.outbox.mark("all", [item], [Receipt("retry", "500")], now)
        row = await desk.outbox.pool.fetchrow(
            f'SELECT next_at FROM "{desk.outbox.schema}".deliveries WHERE id = $1 AND channel = $2',
            item.message.id,
            "all",
        )
        waited.append((row["next_at"] - now).total_seconds())
        await desk.outbox.pool.execute(
            f'UPDATE "{desk.outbox.schema}".deliveries SET state = $1 WHERE id <> $2',
            "sent",
            item.message.id,
        )
        now = row["next_at"]
    assert waited == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    (item,) = await desk.outbox.due("all", now, 1, None)
    await desk.outbox.mark("all", [item], [Receipt("retry", "429", after=90)], now)
    assert await desk.outbox.due("all", now + timedelta(seconds=89), 1, None) == []
    assert await desk.outbox.due("all", now + timedelta(seconds=90), 1, None)


async def test_what_ends_while_it_is_being_sent_is_marked_as_sent(
    desks: Any, tmp_path: Path
) -> None:
    desk = await desks()
    log = story(tmp_path, *SILENT, CONTACTED, LATER)
    clearing = next(n for n, event in enumerate(log) if event.type == "AlertCleared")
    await desk.take(log[:clearing])
    pending = await desk.outbox.due("all", NOW, 1000, None)
    await desk.take(log[clearing:])
    outcomes: list[Receipt] = [Receipt("sent", "200")] * len(pending)
    await desk.outbox.mark("all", pending, outcomes, NOW)
    states = {row[3] for row in await desk.rows() if row[1] and row[2] == "all"}
    assert states == {"sent"}
    failed = await desks()
    await failed.take(log[:clearing])
    pending = await failed.outbox.due("all", NOW, 1000, None)
    await failed.take(log[clearing:])
    await failed.outbox.mark("all", pending, [Receipt("retry", "500")] * len(pending), NOW)
    ended = {row[0] for row in await failed.rows() if row[1]}
    again = await failed.outbox.due("all", NOW + timedelta(days=2), 1000, None)
    assert not ended & {item.message.id for item in again}


async def test_another_log_is_refused(desks: Any) -> None:
    desk = await desks()
    with pytest.raises(OtherLog, match="receipts of another log"):
        await desk.outbox.prepare(Identity("cluster", "another", 12))


async def test_since_when_the_oldest_waits_of_those_that_may_be_sent(
    desks: Any, tmp_path: Path, book: Policy
) -> None:
    """What the quiet hours hold back waits for the morning, and nobody is to blame for it."""
    desk = await desks()
    quiet = book.content.notifications.quiet
    assert await desk.outbox.waiting("all", None) == (0, None)
    await desk.take(story(tmp_path, *SILENT, LATER))
    pending = await desk.outbox.due("all", NOW, 1000, None)
    stamps = await desk.outbox.pool.fetch(
        f'SELECT id, since FROM "{desk.outbox.schema}".deliveries WHERE channel = $1', "all"
    )
    since = {row["id"]: row["since"] for row in stamps}
    oldest = min(since[item.message.id] for item in pending)
    assert await desk.outbox.waiting("all", None) == (len(pending), oldest)

    loud = await desk.outbox.due("all", NOW, 1000, quiet)
    failed, sent = loud[0], loud[1:]
    await desk.outbox.mark("all", sent, [Receipt("sent", "200")] * len(sent), NOW)
    await desk.outbox.mark("all", [failed], [Receipt("retry", "500")], NOW)
    left = len(pending) - len(sent)
    assert await desk.outbox.waiting("all", quiet) == (left, since[failed.message.id])

    await desk.outbox.mark("all", [failed], [Receipt("sent", "200")], NOW)
    assert left > 1
    assert await desk.outbox.waiting("all", quiet) == (left - 1, None)


async def test_receipts_without_that_instant_are_kept_and_get_one(
    desks: Any, tmp_path: Path
) -> None:
    desk = await desks("old")
    await desk.take(story(tmp_path, *SILENT, LATER))
    rows = await desk.rows()
    table = f'"{desk.outbox.schema}".deliveries'
    await desk.outbox.pool.execute(f"ALTER TABLE {table} DROP COLUMN since")
    again = await desks("old")
    assert await again.rows() == rows
    count, since = await again.outbox.waiting("all", None)
    assert count > 0
    assert since is not None
