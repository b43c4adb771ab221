"""What intake survives: kills, restarts, a view that is behind, a dropped schema."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import orjson
import pytest

from infra.stack import LocalStack
from shared.envelope import case_id_of
from shared.log import CASE_EVENTS
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, until, yesterday

pytestmark = pytest.mark.live

CLERK = {"unit": "市人社局", "role": "clerk"}


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(settings, tmp_path)
    yield desk
    await desk.close()


async def _post_and_die(desk: Desk, ref: str) -> None:
    with pytest.raises(httpx.TransportError):
        await desk.post(complaint(ref))
    assert desk.running is not None
    assert desk.running.wait(20) == -9


async def test_a_kill_between_row_and_log_publishes_once_with_the_same_id(desk: Desk) -> None:
    await desk.start("tests.live.killed_intake", "before_publish")
    await _post_and_die(desk, "killed")
    assert await desk.records() == []
    assert await desk.outbox() == 1

    await desk.start()
    case_id = case_id_of("national", "killed")
    events = await desk.events()
    assert [event.subject for event in events] == [case_id]
    assert await desk.outbox() == 0
    again = await desk.post(complaint("killed"))
    assert (again.status_code, again.json()["status"]) == (202, "duplicate")
    assert again.json()["event_id"] == events[0].id
    assert len(await desk.events()) == 1


async def test_a_kill_between_log_and_mark_publishes_nothing_again(desk: Desk) -> None:
    await desk.start("tests.live.killed_intake", "before_mark")
    await _post_and_die(desk, "marked")
    assert len(await desk.records()) == 1
    assert await desk.outbox() == 1

    await desk.start()
    assert len(await desk.records()) == 1
    assert await desk.outbox() == 0


BATCH = [f"part-{number}" for number in range(30)]


async def _once_each(desk: Desk) -> None:
    """Every complaint of the batch stands on the log once, and nothing waits."""
    cases = [event.subject for event in await desk.events()]
    assert sorted(cases) == sorted(case_id_of("national", ref) for ref in BATCH)
    assert await desk.outbox() == 0


async def test_a_kill_between_the_partitions_of_a_batch_publishes_the_rest(desk: Desk) -> None:
    lines = [orjson.dumps(complaint(ref)) + b"\n" for ref in BATCH]
    await desk.start("tests.live.killed_intake", "half_sent")
    with pytest.raises(httpx.TransportError):
        await desk.stream(lines)
    assert desk.running is not None
    assert desk.running.wait(20) == -9
    assert 0 < len(await desk.records()) < len(BATCH)
    assert await desk.outbox() == len(BATCH)

    await desk.start()
    await _once_each(desk)
    assert {item["status"] for item in await desk.stream(lines)} == {"duplicate"}
    await _once_each(desk)


async def test_of_a_batch_acknowledged_in_part_the_rest_is_published_later(desk: Desk) -> None:
    """No line is said to be received; sent again, each is known, and each stands once."""
    lines = [orjson.dumps(complaint(ref)) + b"\n" for ref in BATCH]
    await desk.start("tests.live.killed_intake", "half_acknowledged")

    first = await desk.stream(lines)

    assert {item["status"] for item in first} == {"rejected"}
    assert {item["errors"][0]["code"] for item in first} == {"unavailable"}
    assert 0 < len(await desk.records()) < len(BATCH)
    assert {item["status"] for item in await desk.stream(lines)} == {"duplicate"}

    async def published() -> bool:
        return await desk.outbox() == 0

    await until(published, "the rest of the batch is published", 60)
    await _once_each(desk)


async def test_a_restart_remembers_and_sigterm_ends_cleanly(desk: Desk) -> None:
    await desk.start()
    case_id = (await desk.post(complaint("restart"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    when = yesterday()
    first = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
    assert first.status_code == 202
    assert desk.stop() == 0

    await desk.start()
    assert (await desk.post(complaint("restart"))).json()["status"] == "duplicate"
    again = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await desk.events()) == 2


async def test_a_dropped_schema_is_folded_again_from_the_log(desk: Desk) -> None:
    """The vault is not part of it: what was sealed still opens."""
    await desk.start()
    case_id = (await desk.post(complaint("dropped"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    when = yesterday()
    accepted = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
    desk.stop()
    connection = await asyncpg.connect(desk.settings.database)
    await connection.execute(f"DROP SCHEMA {desk.tables.schema} CASCADE")
    await connection.close()

    await desk.start()
    assert (await desk.post(complaint("dropped"))).json()["status"] == "duplicate"
    again = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
    assert again.json() == accepted.json()
    other = (await desk.post(complaint("next"))).json()["case_id"]
    second = await desk.fact(
        f"/v1/cases/{other}/events", "ComplaintAccepted", key="b", by=CLERK, occurred_at=when
    )
    assert second.status_code == 202
    numbers = [
        event.data.number  # type: ignore[union-attr]
        for event in await desk.events()
        if event.type == "ComplaintAccepted"
    ]
    assert len(set(numbers)) == 2, "a rebuilt schema goes on counting"
    reveal = await desk.http.post(
        f"/v1/cases/{case_id}/reveal",
        json={"fields": ["contact"], "reason": "核实"},
        headers=desk.bearer("office"),
    )
    assert reveal.json()["fields"]["contact"]["name"] == "王小二"


async def test_a_view_that_is_behind_refuses_and_appends_nothing(desk: Desk) -> None:
    await desk.start()
    case_id = (await desk.post(complaint("behind"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    when = yesterday()
    warm = await desk.fact(
        path, "ComplainantTold", {"of": "x"}, key="w", by=CLERK, occurred_at=when
    )
    assert warm.status_code == 202
    blocker = await asyncpg.connect(desk.settings.database)
    held = blocker.transaction()
    await held.start()
    await blocker.execute(f"LOCK TABLE {desk.tables.positions} IN EXCLUSIVE MODE")
    async with desk.producer() as producer:
        await (await producer.send(CASE_EVENTS, case_id, b"what nobody reads"))
    before = len(await desk.records())

    began = asyncio.get_running_loop().time()
    busy = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
    assert busy.status_code == 503
    assert busy.headers["retry-after"] == "1"
    assert busy.json()["code"] == "BUSY"
    assert asyncio.get_running_loop().time() - began < 10
    assert len(await desk.records()) == before

    await held.rollback()
    await blocker.close()

    async def accepted() -> bool:
        answer = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
        return answer.status_code == 202

    await until(accepted, "the view catches up")
    assert len(await desk.records()) == before + 1


async def test_the_wrong_master_key_stops_it_with_one_line(desk: Desk) -> None:
    await desk.start()
    desk.stop()
    desk.settings.master_key_path.write_text("ab" * 32)
    desk.spawn()
    assert desk.running is not None
    assert desk.running.wait(30) == 2
    assert "another master key" in desk.journal.read_text().splitlines()[-1]


async def test_connections_of_the_database_may_break(desk: Desk) -> None:
    await desk.start()
    case_id = (await desk.post(complaint("broken"))).json()["case_id"]
    killer = await asyncpg.connect(desk.settings.database)
    broken = await killer.fetchval(
        """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name LIKE 'qingqian-intake%'"""
    )
    await killer.close()
    assert broken >= 2, "the pool's and the view's"
    path, when = f"/v1/cases/{case_id}/events", yesterday()

    async def accepted() -> bool:
        answer = await desk.fact(path, "ComplaintAccepted", key="a", by=CLERK, occurred_at=when)
        assert answer.status_code in (202, 503), answer.text
        return answer.status_code == 202

    await until(accepted, "it connects again")
    assert (await desk.post(complaint("broken"))).json()["status"] == "duplicate"
    assert [event.type for event in await desk.events(case_id)] == [
        "ComplaintReceived",
        "ComplaintAccepted",
    ]


async def test_without_its_database_it_is_not_ready(desk: Desk, stack: LocalStack) -> None:
    await desk.start()

    async def said() -> tuple[int, str | None]:
        answer = await desk.http.get("/readyz")
        return answer.status_code, answer.json()["reason"]

    async def refuses() -> bool:
        return await said() == (503, "the database does not answer")

    await asyncio.to_thread(stack.postgres.kill)
    try:
        await until(refuses, "it says that the database does not answer")
    finally:
        await asyncio.to_thread(stack.postgres.start)
    await desk.until_ready()
    assert (await desk.post(complaint("after"))).json()["status"] == "received"


async def test_a_stream_outlives_an_outage_of_broker_and_database_together(
    desk: Desk, stack: LocalStack
) -> None:
    """Each line has its receipt; what is sent again until it is known stands once on the log."""
    await desk.start()
    lines = [orjson.dumps(complaint(f"outage-{number}")) + b"\n" for number in range(600)]
    servers = (stack.kafka, stack.postgres)

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(lines[:200])
        await asyncio.gather(*(asyncio.to_thread(server.kill) for server in servers))
        yield b"".join(lines[200:400])
        for server in servers:
            await asyncio.to_thread(server.start)
        yield b"".join(lines[400:])

    headers = desk.bearer()
    answer = await desk.http.post(
        "/v1/complaints:stream", content=body(), headers=headers, timeout=120
    )

    receipts = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [receipt["line"] for receipt in receipts] == list(range(1, len(lines) + 1))
    refused = [receipt for receipt in receipts if receipt["status"] == "rejected"]
    assert refused, "the outage met no line"
    assert {receipt["errors"][0]["code"] for receipt in refused} == {"unavailable"}
    await desk.until_ready()

    async def known() -> bool:
        again = await desk.stream(lines)
        return all(receipt["status"] in ("received", "duplicate") for receipt in again)

    await until(known, "every line is known", 60)

    async def published() -> bool:
        return await desk.outbox() == 0

    await until(published, "what was stored is published", 60)
    cases = {case_id_of("national", f"outage-{number}") for number in range(600)}
    events = await desk.events()
    assert {event.subject for event in events} == cases
    assert len({event.id for event in events}) == len(cases)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_helpers_end_with_the_service_however_it_ends(desk: Desk, how: str) -> None:
    await desk.start()
    body = b"\n".join(orjson.dumps(complaint(f"helped-{number}")) for number in range(500))
    receipts = await desk.stream([body])
    assert {receipt["status"] for receipt in receipts} == {"received"}
    assert desk.running is not None
    helpers = _children(desk.running.pid)
    assert helpers, "a full batch starts helpers"
    if how == "stop":
        assert desk.stop() == 0
    else:
        desk.kill()

    async def gone() -> bool:
        return not any(_lives(helper) for helper in helpers)

    await until(gone, "the helpers have ended")


def _children(parent: int) -> list[int]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [line.split() for line in listing.stdout.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
