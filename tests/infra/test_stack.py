"""The local stack is a real broker and a real database, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra import topics
from infra.problem import Unready
from infra.stack import LocalStack, postgres
from infra.stack.process import adopt, free_ports, postponed, running
from shared.settings import Settings

pytestmark = pytest.mark.live

OWNER = """
import sys, time
from pathlib import Path
from infra.stack import LocalStack
with LocalStack(Path(sys.argv[1])) as stack:
    print(stack.kafka.child.pid, stack.postgres.child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalStack]:
    """A stack of the test's own, not started yet."""
    stack = LocalStack(tmp_path / "data")
    yield stack
    stack.stop()
    stack.wipe()


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody has collected yet has ended, too)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Poll until it holds; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def pids(stack: LocalStack) -> tuple[int, int]:
    """Process ids of broker and database."""
    assert stack.kafka.child is not None
    assert stack.postgres.child is not None
    return stack.kafka.child.pid, stack.postgres.child.pid


async def append(bootstrap: str, topic: str, value: bytes) -> int:
    """Append one record to partition 0 and return its offset, once the broker has it for sure."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        sent = await producer.send_and_wait(topic, value, partition=0)
    return int(sent.offset)


async def read(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, int]]:
    """The first `count` records of partition 0: value and kind of timestamp (1: the broker's)."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        records = [await consumer.getone() for _ in range(count)]
        return [(record.value, record.timestamp_type) for record in records]
    finally:
        await consumer.stop()


async def value(url: str, query: str) -> object:
    """One value from the database."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_the_broker_stamps_what_it_appends_and_the_database_answers(
    stack: LocalStack, namespace: str
) -> None:
    topic = f"{namespace}case-events"

    offset = await append(stack.bootstrap, topic, b"one")

    assert offset == 0
    assert await read(stack.bootstrap, topic, 1) == [(b"one", 1)]
    version = await value(stack.database_url, "SHOW server_version")
    assert str(version).startswith("18.")
    assert await value(stack.database_url, "SHOW fsync") == "on"


def test_what_platforms_send_is_read_by_no_other_user(stack: LocalStack) -> None:
    """It names persons in clear until the topic drops it (design 3, 9)."""
    assert stack.kafka.home.stat().st_mode & 0o077 == 0


async def test_what_was_acknowledged_survives_a_power_cut_on_the_same_ports(
    own: LocalStack,
) -> None:
    own.start()
    before = own.bootstrap, own.database_url
    await topics.ensure(Settings(kafka=own.bootstrap))
    await append(own.bootstrap, "case-events", b"kept")
    await value(own.database_url, "CREATE TABLE kept AS SELECT 42 AS number")

    own.kafka.kill()
    own.postgres.kill()
    assert not own.kafka.alive
    assert not own.postgres.alive
    own.kafka.restart()
    own.postgres.restart()

    assert (own.bootstrap, own.database_url) == before
    assert await append(own.bootstrap, "case-events", b"more") == 1
    assert [v for v, _ in await read(own.bootstrap, "case-events", 2)] == [b"kept", b"more"]
    assert await value(own.database_url, "SELECT number FROM kept") == 42


def test_a_stop_leaves_no_process_no_port_and_no_pid_file(own: LocalStack) -> None:
    own.start()
    family = [psutil.Process(pid) for pid in pids(own)]
    family += [child for process in family for child in process.children(recursive=True)]
    assert len(family) > 2
    ports = own.kafka.port, own.postgres.port

    own.stop()

    wait_for(lambda: all(gone(process.pid) for process in family), 5)
    assert running(own.run) == []
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_its_owner_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        text=True,
    ) as owner:
        assert owner.stdout is not None
        children = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(children) == 2
        owner.send_signal(number)

    wait_for(lambda: all(gone(pid) for pid in children), 20)
    wait_for(lambda: running(folder / "run") == [], 5)
    LocalStack(folder).wipe()


def test_a_failed_start_leaves_nothing_running(own: LocalStack) -> None:
    own.postgres.home.mkdir(parents=True)
    (own.postgres.home / "something").write_text("not a database", "utf-8")

    with pytest.raises(Unready, match=r"no PostgreSQL data. Fix: qingqian down --wipe"):
        own.start()

    assert own.kafka.child is not None
    assert gone(own.kafka.child.pid)
    assert running(own.run) == []


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        stack = LocalStack(tmp_path / "data", kafka_port=port)
        with pytest.raises(Unready, match=rf"port {port} for Kafka is taken.*QINGQIAN_KAFKA"):
            stack.start()
        assert running(stack.run) == []


def test_data_of_another_kafka_is_refused(own: LocalStack) -> None:
    own.kafka.home.mkdir(parents=True)
    (own.kafka.home / "KAFKA_VERSION").write_text("3.9.0", "utf-8")

    with pytest.raises(Unready, match=r"data of Kafka 3.9.0.*Fix: .*--wipe"):
        own.start()


def test_starting_twice_takes_over_what_runs(tmp_path: Path) -> None:
    kafka_port, postgres_port = free_ports(2)
    first = LocalStack(tmp_path / "data", kafka_port, postgres_port, keep=True)
    first.start()
    second = LocalStack(tmp_path / "data", kafka_port, postgres_port, keep=True)
    try:
        second.start()

        assert pids(second) == pids(first)
    finally:
        second.stop()
        second.wipe()

    assert not first.kafka.alive
    assert not first.postgres.alive


def test_a_pid_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    stale = run / "kafka.json"
    stale.write_text(
        f'{{"pid": {os.getpid()}, "started": 1.0, "log": "none", "facts": {{"port": 1}}}}', "utf-8"
    )

    assert adopt("kafka", run) is None
    assert not stale.exists()


def test_a_server_that_was_killed_is_waited_for_until_its_number_is_free(tmp_path: Path) -> None:
    """Its parent has not asked for its end yet: to another server it seems to be alive."""
    killed = subprocess.Popen([sys.executable, "-c", ""])
    (tmp_path / "postmaster.pid").write_text(f"{killed.pid}\n{tmp_path}\n", "utf-8")
    while psutil.Process(killed.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    burial = threading.Timer(0.2, killed.wait)
    burial.start()

    postgres._until_buried(tmp_path / "postmaster.pid")

    assert not psutil.pid_exists(killed.pid)
    burial.join()


@pytest.mark.parametrize("content", [None, "", "nobody\n", "99999999\n"])
def test_where_no_server_was_there_is_nobody_to_wait_for(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "postmaster.pid"
    if content is not None:
        file.write_text(content, "utf-8")
    postgres._until_buried(file)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_to_end_while_a_process_starts_has_noted_it_first(
    number: signal.Signals,
) -> None:
    before = signal.signal(number, signal.default_int_handler)
    noted: list[str] = []

    def start() -> None:
        with postponed():
            signal.raise_signal(number)
            noted.append("started")

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert noted == ["started"]
