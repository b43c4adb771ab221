"""The reconciler on a real log and database, with the toy's deciders."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from infra.stack import LocalStack
from shared.events import ComplaintAccepted, Event, ProgressReported
from shared.log import partition_of
from shared.reconciler.sweep import GRACE
from tests.live.intake_desk import until
from tests.live.rig import Process, Rig, fact
from tests.live.toy import UNIT, deciders

pytestmark = pytest.mark.live

START = datetime(2021, 11, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LENGTH = "36000"


def accepted(number: int, at: datetime) -> Event:
    return fact(f"accepted-{number}", f"case-{number}", ComplaintAccepted(), at)


def progress(number: int, at: datetime) -> Event:
    return fact(f"progress-{number}", f"case-{number}", ProgressReported(), at)


def types(events: list[Event], subject: str | None = None) -> Counter[str]:
    return Counter(event.type for event in events if subject is None or event.subject == subject)


async def test_on_the_log_clock_a_round_decides_what_falls_due(rig: Rig) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS="36000")
    worker.start()
    await rig.producer.publish([accepted(1, START), accepted(2, START)])
    await rig.quiet([worker], clock=START)
    assert types(await rig.events()) == {
        "ComplaintAccepted": 2,
        "DeadlineSet": 2 + 22,
    }

    await rig.advance(START + 5 * HOUR)
    await rig.quiet([worker], clock=START + 5 * HOUR)
    await rig.producer.publish([progress(2, START + 5 * HOUR)])
    await rig.quiet([worker])
    await rig.advance(START + 20 * HOUR)
    await rig.quiet([worker], clock=START + 20 * HOUR)

    events = await rig.events()
    late = [event for event in events if event.type == "AlertRaised"]
    assert sorted((event.subject, event.decidedby, event.time) for event in late) == [
        ("case-1", None, START + 10 * HOUR),
        (UNIT, "case-1", START + 10 * HOUR),
    ]
    assert {event.recordedtime for event in late} == {START + 20 * HOUR}
    assert types(events, UNIT)["SupervisionNoticeIssued"] == 1
    assert len({event.id for event in events}) == len(events)
    assert (await rig.audit({"supervision": deciders(10 * HOUR)})).findings == []
    assert worker.stop() == 0


async def test_the_group_commits_what_is_folded(rig: Rig) -> None:
    """Also of a partition whose first record came alone, whatever comes after it."""
    await rig.govern("log", START)
    await rig.producer.publish([progress(number, START) for number in first_of_each_partition()])
    worker = rig.worker(TOY_SECONDS="36000")
    worker.start()
    await rig.quiet([worker], clock=START)
    await rig.producer.publish([accepted(number, START) for number in range(200)])
    await rig.quiet([worker])

    ends = await rig.ends()
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka)
    await admin.start()
    try:
        deadline = time.monotonic() + 15
        while (found := await committed(admin, rig.settings.group("supervision"))) != ends:
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.2)
    finally:
        await admin.close()


def first_of_each_partition() -> list[int]:
    """Numbers of cases, one of each partition."""
    found: dict[int, int] = {}
    for number in range(1000):
        found.setdefault(partition_of(f"case-{number}"), number)
    return list(found.values())


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[int, int]:
    """The offset that a group goes on from, by partition."""
    found = await admin.list_consumer_group_offsets(group)
    return {place.partition: value.offset for place, value in found.items()}


async def test_on_the_wall_clock_a_step_is_decided_seconds_after_its_instant(rig: Rig) -> None:
    await rig.govern("wall")
    worker = rig.worker(TOY_SECONDS="1")
    worker.start()
    await rig.quiet([worker])
    await rig.producer.publish([accepted(1, datetime.now(UTC))])
    found: list[Event] = []
    deadline = time.monotonic() + 20
    while not types(found, UNIT)["SupervisionNoticeIssued"] and time.monotonic() < deadline:
        found = await rig.events()
    (alert,) = [e for e in found if e.type == "AlertRaised" and e.subject == "case-1"]
    late = (alert.recordedtime - alert.time).total_seconds()
    assert GRACE.total_seconds() <= late < GRACE.total_seconds() + 4


async def test_a_second_worker_shares_and_inherits(rig: Rig) -> None:
    await rig.govern("log", START)
    first, second = rig.worker(TOY_SECONDS=LENGTH), rig.worker(worker_id="1", TOY_SECONDS=LENGTH)
    first.start()
    await rig.producer.publish([accepted(number, START) for number in range(200)])
    await rig.quiet([first])
    second.start()
    await rig.producer.publish([accepted(number, START) for number in range(200, 400)])
    await rig.quiet([first, second])
    shares = [len((await rig.readiness(each))["positions"]) - 1 for each in (first, second)]
    assert shares == [6, 6]
    first.kill()
    await rig.producer.publish([progress(number, START) for number in range(0, 400, 2)])
    await rig.quiet([second])
    await rig.advance(START + 20 * HOUR)
    await rig.quiet([second], clock=START + 20 * HOUR)
    await whole(rig, cases=400, late=200)


async def test_a_worker_frozen_past_its_session_writes_nothing_when_it_wakes(rig: Rig) -> None:
    await rig.govern("log", START)
    frozen, other = rig.worker(TOY_SECONDS=LENGTH), rig.worker(worker_id="1", TOY_SECONDS=LENGTH)
    for worker in (frozen, other):
        worker.start()
    await rig.quiet([frozen, other])
    await rig.producer.publish([accepted(number, START) for number in range(300)])
    frozen.signal(signal.SIGSTOP)
    await rig.producer.publish([accepted(number, START) for number in range(300, 400)])
    await rig.quiet([other])
    await rig.producer.publish([progress(number, START) for number in range(0, 400, 2)])
    await rig.advance(START + 20 * HOUR)
    await rig.quiet([other], clock=START + 20 * HOUR)
    await whole(rig, cases=400, late=200)
    table = await rig.table()

    frozen.signal(signal.SIGCONT)
    await rig.quiet([frozen, other], clock=START + 20 * HOUR)
    assert await rig.table() == table
    await whole(rig, cases=400, late=200)


async def test_broker_and_database_restarted_under_a_worker(rig: Rig, stack: LocalStack) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.start()
    await rig.quiet([worker])
    for servers in ((stack.postgres,), (stack.kafka,), (stack.kafka, stack.postgres)):
        begun = await rig.producer.publish([accepted(n, START) for n in range(200)])
        assert begun
        await asyncio.gather(*(asyncio.to_thread(server.kill) for server in servers))
        for server in servers:
            await asyncio.to_thread(server.start)
        await rig.producer.publish([accepted(n, START) for n in range(200, 400)])
        await rig.quiet([worker])
    await rig.advance(START + 20 * HOUR)
    await rig.quiet([worker], clock=START + 20 * HOUR)
    await whole(rig, cases=400, late=400)


async def test_a_worker_without_its_database_is_not_ready(rig: Rig, stack: LocalStack) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.start()
    await rig.quiet([worker])

    async def refuses() -> bool:
        found = (await rig.http.get(f"{worker.url}/readyz")).json()
        return (found["ready"], found["reason"]) == (False, "the database does not answer")

    await asyncio.to_thread(stack.postgres.kill)
    try:
        await until(refuses, "it says that the database does not answer")
    finally:
        await asyncio.to_thread(stack.postgres.start)
    await rig.quiet([worker])


async def test_a_worker_without_its_log_is_not_ready(rig: Rig, stack: LocalStack) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.start()
    await rig.quiet([worker])

    async def refuses() -> bool:
        found = (await rig.http.get(f"{worker.url}/readyz")).json()
        return (found["ready"], found["reason"]) == (False, "the log does not answer")

    await asyncio.to_thread(stack.kafka.kill)
    try:
        await until(refuses, "it says that the log does not answer")
        shown = (await rig.http.get(f"{worker.url}/metrics")).text
        assert "\nqingqian_ready 0.0\n" in shown
    finally:
        await asyncio.to_thread(stack.kafka.start)
    await rig.quiet([worker])


async def test_a_database_that_does_not_let_it_in_is_no_bug_of_ours(rig: Rig) -> None:
    worker = rig.worker(TOY_SECONDS=LENGTH)
    wrong = urlsplit(rig.settings.database)._replace(
        netloc=f"qingqian:wrong@127.0.0.1:{urlsplit(rig.settings.database).port}"
    )
    worker.settings = worker.settings.model_copy(update={"database": wrong.geturl()})
    worker.start()

    assert await ended(worker) == 2
    assert told(worker, "supervision: password authentication failed")
    assert "bug" not in worker.words()


async def test_started_before_its_topics_it_says_what_to_run(rig: Rig) -> None:
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.settings = worker.settings.model_copy(update={"namespace": "never_made_"})
    worker.start()

    assert await ended(worker) == 78
    assert told(worker, "supervision: no topic never_made_")
    assert "run `qingqian topics`" in worker.words()
    async with rig.database() as connection:
        await connection.execute("DROP SCHEMA IF EXISTS never_made_supervision CASCADE")


def told(worker: Process, beginning: str) -> bool:
    """Whether it has said so in a line of its own, and not only in its journal."""
    return any(line.startswith(beginning) for line in worker.words().splitlines())


async def ended(worker: Process) -> int:
    """The exit code of a worker that ends by itself."""
    assert worker.running is not None
    return await asyncio.to_thread(worker.running.wait, 30)


async def test_asked_to_stop_under_load_it_stops_in_time(rig: Rig) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.start()
    await rig.quiet([worker])
    await rig.producer.publish([accepted(number, START) for number in range(3000)])
    assert worker.stop(10) == 0
    worker.start()
    await rig.quiet([worker])
    await whole(rig, cases=3000, late=0)


async def test_a_dropped_schema_is_rebuilt_under_a_running_worker(rig: Rig) -> None:
    await rig.govern("log", START)
    worker = rig.worker(TOY_SECONDS=LENGTH)
    worker.start()
    await rig.producer.publish([accepted(number, START) for number in range(200)])
    await rig.advance(START + 20 * HOUR)
    await rig.quiet([worker], clock=START + 20 * HOUR)
    table, count = await rig.table(), len(await rig.records())
    async with rig.database() as database:
        await database.execute(f"DROP SCHEMA {rig.settings.schema('supervision')} CASCADE")
    worker.kill()
    worker.start()
    await rig.quiet([worker], clock=START + 20 * HOUR)
    assert await rig.table() == table
    assert len(await rig.records()) == count


async def whole(rig: Rig, *, cases: int, late: int) -> None:
    """Every case has its deadline and every late one its alerts, each decided once."""
    events = await rig.events()
    ids = Counter(event.id for event in events if event.type != "ComplaintAccepted")
    firsts = {event.id: event for event in events if event.id in ids}
    kinds = Counter(event.type for event in firsts.values())
    assert kinds["DeadlineSet"] == cases + 22
    assert kinds["AlertRaised"] == 2 * late
    assert kinds["SupervisionNoticeIssued"] == late
    for event in events:
        first = firsts.get(event.id, event)
        assert (event.time, event.data) == (first.time, first.data)
    assert (await rig.audit({"supervision": deciders(10 * HOUR)})).findings == []
