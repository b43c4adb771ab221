"""What comes in together is written together, and each is still answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import orjson
import pytest

from services.intake.preparing import Prepared, prepare
from services.intake.tables import Tables, lock_number
from services.intake.tables import prepare as make_tables
from services.intake.vault import Safe
from services.intake.view import View, opening
from shared.clock import wall_now
from shared.envelope import case_id_of
from shared.events import ComplaintAccepted
from shared.identity import identify
from shared.keys import Key
from shared.log import CASE_EVENTS, Producer, partition_of
from shared.settings import Settings
from tests.intake.test_complaint import policy
from tests.live.intake_desk import Desk, complaint, until, yesterday

pytestmark = pytest.mark.live

CLERK = {"unit": "市人社局", "role": "clerk"}
KEY = Key("operator", "operator", "operator", ("*",), acts_for_all=True)


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(settings, tmp_path)
    yield desk
    await desk.close()


def path_of(ref: str) -> str:
    return f"/v1/cases/{case_id_of('national', ref)}/events"


async def test_many_at_once_are_each_answered_for_themselves(desk: Desk) -> None:
    """Complaints, their copies and a bad one; then acceptances, one of a case there is not, one
    held by another process, and two with one key."""
    await desk.start()
    refs = [f"together-{number}" for number in range(20)]
    bodies = [complaint(ref) for ref in refs]
    bodies += [complaint(refs[0]), complaint(refs[1], text="别的话"), complaint("bad", workers=0)]
    answers = await asyncio.gather(*map(desk.post, bodies))
    assert [answer.status_code for answer in answers[2:20]] == [202] * 18
    assert sorted(answers[n].json()["status"] for n in (0, 20)) == ["duplicate", "received"]
    assert sorted(answers[n].status_code for n in (1, 21)) == [202, 409]
    assert answers[22].status_code == 422

    when = yesterday()
    holder = await asyncpg.connect(desk.settings.database)
    held = case_id_of("national", refs[3])
    number = lock_number(f"{desk.tables.schema} {held}")
    await holder.execute("SELECT pg_advisory_lock($1)", number)

    async def accept(ref: str, key: str = "a") -> tuple[int, str]:
        answer = await desk.fact(
            path_of(ref), "ComplaintAccepted", key=key, by=CLERK, occurred_at=when
        )
        found = answer.json()
        return answer.status_code, found.get("event_id") or found["code"]

    asked = [accept(ref) for ref in refs]
    found = await asyncio.gather(*asked, accept("nobody's"), accept(refs[4]), accept(refs[5], "b"))
    await holder.close()
    assert found[3] == (503, "BUSY")
    assert found[20] == (404, "UNKNOWN_CASE")
    assert found[21] == found[4]
    assert sorted((found[5][0], found[22][0])) == [202, 409]
    assert [status for n, (status, _) in enumerate(found[:20]) if n not in (3, 5)] == [202] * 18

    assert (await accept(refs[3]))[0] == 202
    events = [event for event in await desk.events() if event.type == "ComplaintAccepted"]
    assert len(events) == len({event.subject for event in events}) == 20
    numbers = {e.data.number for e in events if isinstance(e.data, ComplaintAccepted)}
    assert len(numbers) == 20, "no number is given twice"


async def test_a_second_copy_of_what_opened_a_file_changes_nothing(settings: Settings) -> None:
    """Ours as expected, twice: the second finds the file there and is judged by it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    tables = Tables(settings)
    connection = await asyncpg.connect(settings.database)
    await make_tables(connection, tables, await identify(settings, CASE_EVENTS))
    item = _prepared("twice")
    expected = opening(item, item.event)
    partition = partition_of(item.case_id)
    producer = Producer(settings, "intake")
    await producer.start()
    folding: asyncio.Task[None] | None = None
    try:
        for copies in (1, 2):
            # A view of its own each time: nothing is in memory but what it expects.
            view = View(settings, tables)
            await view.start()
            view.expect(expected)
            folding = asyncio.create_task(view.run())
            sent, _ = (await producer.send_many(CASE_EVENTS, [(item.case_id, item.event)]))[0]
            await sent
            await view.reach(partition, copies, 20)
            folder = await view.read(connection, item.case_id)
            assert folder.file.state == "RECEIVED"
            assert folder.seen == {item.event_id: item.body_hash}
            folding.cancel()
            await asyncio.gather(folding, return_exceptions=True)
            await view.stop()
        row = await connection.fetchrow(f"SELECT count(*), min(origin) FROM {tables.files}")
        assert row is not None
        assert tuple(row) == (1, 0)
    finally:
        if folding is not None:
            folding.cancel()
        await producer.stop()
        await connection.close()


async def test_what_was_expected_and_reads_otherwise_is_decoded(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    tables = Tables(settings)
    connection = await asyncpg.connect(settings.database)
    await make_tables(connection, tables, await identify(settings, CASE_EVENTS))
    item, other = _prepared("expected"), b'{"not":"an event"}'
    expected = opening(item, item.event)
    view = View(settings, tables)
    producer = Producer(settings, "intake")
    await producer.start()
    await view.start()
    folding = asyncio.create_task(view.run())
    try:
        view.expect(expected)
        for value in (other, item.recorded("2026-01-01T00:00:00Z")):
            sent, _ = (await producer.send_many(CASE_EVENTS, [(item.case_id, value)]))[0]
            await sent

        async def there() -> bool:
            return (await view.read(connection, item.case_id)).file.state == "RECEIVED"

        await until(there, "the readable one is folded")
    finally:
        folding.cancel()
        await asyncio.gather(folding, return_exceptions=True)
        await view.stop()
        await producer.stop()
        await connection.close()


def _prepared(ref: str) -> Prepared:
    found = prepare(orjson.dumps(complaint(ref)), KEY, wall_now(), policy(), Safe(b"v" * 32))
    assert isinstance(found, Prepared)
    return found
