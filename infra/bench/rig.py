"""What a figure is measured on: one stack of its own, and on it an installation for each run.

An installation is a namespace with its topics, its schemas, its ports and its processes, so that
runs do not meet. Everything lives in a temporary folder and ends with the bench.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra import topics
from infra.keyring import KeyRing, read_keys
from infra.problem import Unready
from infra.ready import readiness
from infra.stack.local import LocalStack
from infra.stack.process import Child, free_ports, spawn
from infra.stack.services import environment_of
from shared import keys
from shared.broker import connection
from shared.envelope import derived_id
from shared.events import ClockAdopted, ClockAdvanced, Event, Fact, PolicyAdopted
from shared.log import CASE_EVENTS, PARTITIONS, Producer, Reader
from shared.policy import Policy, adopt, content_hash, read_book
from shared.settings import SCHEMAS, SERVICES, Settings
from shared.streams import GOVERNANCE

BOOK: Final = "dengfeng-2021-35"
START_SECONDS: Final = 120.0
"""A service must be ready within this; reading a whole log at the start has its own figure."""

STALLED_SECONDS: Final = 60.0
"""Without any progress for so long a run is given up."""

AT_ONCE: Final = 20_000
"""Records handed to the sender before their acknowledgements are awaited."""

ADOPTION_ID: Final = derived_id(GOVERNANCE, "bench", "PolicyAdopted")


def book(at: datetime) -> Policy:
    """The policy book as every installation here adopts it, at `at`."""
    return adopt(raw_book(at), at, ADOPTION_ID)


def raw_book(at: datetime) -> dict[str, Any]:
    """The shipped book. Where its calendar ends within a year of `at`, ordinary weekends follow:
    on the wall clock a bench must run in any year, and a real city would adopt the next calendar.
    """
    raw = read_book(BOOK)
    calendar = raw["calendar"]
    if date.fromisoformat(str(calendar["last"])) < date(at.year + 1, 12, 31):
        calendar = calendar | {"last": date(at.year + 2, 12, 31).isoformat()}
    return raw | {"calendar": calendar}


@dataclass
class Usage:
    """What a process has used so far: processor seconds, and its largest memory in MB."""

    seconds: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Of a running process and of all the processes that it has started.

    Of those that it has started counts what they hold for themselves: the pages that they share
    with it are in memory once.
    """
    process = psutil.Process(pid)
    times = process.cpu_times()
    seconds, peak = times.user + times.system, _peak_mb(process)
    for each in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            seconds += times.user + times.system
            peak += each.memory_full_info().uss / 2**20
    return Usage(seconds, peak)


def _peak_mb(process: psutil.Process) -> float:
    """The kernel's own high-water mark where there is one; else what it holds now."""
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float(process.memory_info().rss) / 2**20


class Rig:
    """A running stack. `say`: told what is being done, a line each."""

    def __init__(self, stack: LocalStack, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.say = say
        self._made: list[Installation] = []
        self._count = 0

    async def installation(
        self, what: str, at: datetime, *, clock: Literal["log", "wall"] = "log"
    ) -> Installation:
        """A fresh one with its topics; clock and book are adopted at `at`."""
        self._count += 1
        prefix = f"b{self._count}_{what}_"
        folder = self.stack.data_dir / prefix.rstrip("_")
        ports = dict(zip((f"{name}_port" for name in SERVICES), free_ports(4), strict=True))
        settings = Settings.model_validate(
            {
                "kafka": self.stack.bootstrap,
                "database": self.stack.database_url,
                "namespace": prefix,
                "data_dir": folder,
                "clock": clock,
                "clock_start": at,
                "log_level": "warning",
                **ports,
            }
        )
        await topics.ensure(settings)
        keys.write(settings.keys_path, keys.generate(book(datetime.now(UTC)))[0])
        made = Installation(settings, self.stack)
        self._made.append(made)
        await made.adopt(at)
        return made

    async def tidy(self) -> None:
        """Close what a figure that failed has left open."""
        for made in self._made:
            if not made.closed:
                await made.close()


@dataclass
class Installation:
    """One namespace on the stack."""

    settings: Settings
    stack: LocalStack
    children: dict[str, Child] = field(default_factory=dict)
    closed: bool = False
    _steps: int = 0

    # --- processes ------------------------------------------------------------------------------

    def launch(self, name: str, argv: Sequence[str] | None = None, **extra: str) -> Child:
        """Start a service, or another Python module with its arguments, on this installation."""
        module = argv or ("-m", f"services.{name}")
        child = spawn(
            f"{self.settings.namespace}{name}",
            [sys.executable, *module],
            run=self.stack.run,
            log=self.stack.data_dir / "log" / f"{self.settings.namespace}{name}.log",
            env=environment_of(self.settings) | extra,
        )
        self.children[name] = child
        return child

    async def ready(self, *names: str, seconds: float = START_SECONDS) -> None:
        """Wait for services to be ready. Raises Unready with the reason of one that is not."""
        deadline = time.monotonic() + seconds
        for name in names:
            child = self.children[name]
            while True:
                is_ready, reason = await asyncio.to_thread(readiness, self.settings.url(name))
                if is_ready:
                    break
                if not child.alive:
                    raise Unready(f"{name} ended: {child.last_words('Error', 'critical')}")
                if time.monotonic() > deadline:
                    raise Unready(f"{name} was not ready in {seconds:.0f} s: {reason}")
                await asyncio.sleep(0.05)

    def pause(self, name: str) -> None:
        """Freeze a process, so that records can be put before it."""
        self.children[name].send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.children[name].send(signal.SIGCONT)

    def usage(self, name: str) -> Usage:
        return usage(self.children[name].pid)

    def stop(self, *names: str) -> None:
        """Stop these processes, or all of this installation."""
        children = [self.children.pop(name) for name in names or tuple(self.children)]
        for child in children:
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
        for child in children:
            child.stop(signal.SIGTERM, 12)

    def kill(self, name: str) -> None:
        """End a service as a power cut would."""
        self.children.pop(name).kill()

    async def close(self) -> None:
        """End everything and drop its topics and schemas."""
        self.closed = True
        for name in tuple(self.children):
            self.kill(name)
        prefix = self.settings.namespace
        await topics.remove(self.settings)
        async with Database(self.settings) as database:
            for schema in SCHEMAS:
                await database.run(f'DROP SCHEMA IF EXISTS "{prefix}{schema}" CASCADE')

    def keyring(self) -> KeyRing:
        return read_keys(self.settings)

    # --- the log --------------------------------------------------------------------------------

    async def adopt(self, at: datetime) -> None:
        """What intake does at the first start: adopt clock and book."""
        raw = raw_book(at)
        await self.govern(
            self._governing(ClockAdopted(clock=self.settings.clock), at, "ClockAdopted"),
            self._governing(
                PolicyAdopted(book=BOOK, hash=content_hash(raw), content=raw), at, "PolicyAdopted"
            ),
        )

    async def advance(self, to: datetime) -> None:
        """Move the log clock."""
        self._steps += 1
        await self.govern(self._governing(ClockAdvanced(to=to), to, f"clock {self._steps}"))

    def _governing(self, data: Fact, at: datetime, name: str) -> Event:
        return Event(
            id=derived_id(GOVERNANCE, "bench", name),
            subject=GOVERNANCE,
            time=at,
            recordedtime=at,
            data=data,  # type: ignore[arg-type]
            actor="operator/operator/-",
        )

    async def govern(self, *events: Event) -> None:
        producer = Producer(self.settings, "intake")
        await producer.start()
        try:
            await producer.publish(events)
        finally:
            await producer.stop()

    async def publish(self, records: Sequence[tuple[str, bytes]], topic: str = CASE_EVENTS) -> None:
        """Append records (subject, stored bytes), each subject's in their order; wait for acks."""
        producer = Producer(self.settings, "intake")
        await producer.start()
        try:
            for first in range(0, len(records), AT_ONCE):
                sent = await producer.send_many(topic, records[first : first + AT_ONCE])
                await asyncio.gather(*(future for future, _ in sent))
        finally:
            await producer.stop()

    async def make_topic(self, name: str, partitions: int = PARTITIONS) -> str:
        """A topic beside the declared ones, for a peer; its full name."""
        full = self.settings.topic(name)
        admin = AIOKafkaAdminClient(**connection(self.settings))
        await admin.start()
        try:
            await admin.create_topics([NewTopic(full, partitions, 1)])
            deadline = time.monotonic() + START_SECONDS
            while any(part["leader"] < 0 for part in await _parts(admin, full)):
                if time.monotonic() > deadline:
                    raise Unready(f"topic {full} has no leader")
                await asyncio.sleep(0.05)
        finally:
            await admin.close()
        return full

    async def drop_topics(self, *names: str) -> None:
        admin = AIOKafkaAdminClient(**connection(self.settings))
        await admin.start()
        try:
            await admin.delete_topics([self.settings.topic(name) for name in names])
        finally:
            await admin.close()

    async def length(self, topic: str = CASE_EVENTS, partitions: int = PARTITIONS) -> int:
        """Records that a topic has now."""
        async with Ends(self.settings, topic, partitions) as ends:
            return await ends.total()


async def _parts(admin: AIOKafkaAdminClient, topic: str) -> list[dict[str, int]]:
    """The partitions of a topic as far as the broker tells of it; one without a leader if none."""
    found = (await admin.describe_topics([topic]))[0]
    return found["partitions"] if not found["error_code"] else [{"leader": -1}]


class Database:
    """A connection of the bench's own to the stack's database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection: Any = None

    async def __aenter__(self) -> Database:
        self.connection = await asyncpg.connect(self.settings.database)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    async def run(self, statement: str, *arguments: Any) -> None:
        await self.connection.execute(statement, *arguments)

    async def number(self, statement: str, *arguments: Any) -> int:
        """One number; 0 while the table is not there."""
        try:
            return int(await self.connection.fetchval(statement, *arguments) or 0)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return 0


class Ends:
    """How many records a topic has, asked on a connection that stays open."""

    def __init__(
        self, settings: Settings, topic: str = CASE_EVENTS, partitions: int = PARTITIONS
    ) -> None:
        self.topic = topic
        self.partitions = range(partitions)
        self._reader = Reader(settings, "bench")

    async def __aenter__(self) -> Ends:
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    async def total(self) -> int:
        return sum((await self._reader.ends(self.topic, self.partitions)).values())


async def reach(
    ask: Callable[[], Awaitable[int]],
    goal: int,
    child: Child,
    *,
    every: float = 0.025,
    told: Callable[[int], None] = lambda done: None,
) -> float:
    """The monotonic second at which `ask()` has come to `goal`.

    Raises Unready when the process ends before that, or stands still for a minute.
    """
    last, since = -1, time.monotonic()
    while True:
        found = await ask()
        now = time.monotonic()
        if found >= goal:
            return now
        if found != last:
            last, since = found, now
            told(found)
        if not child.alive:
            raise Unready(f"{child.name} ended: {child.last_words('Error', 'critical')}")
        if now - since > STALLED_SECONDS:
            raise Unready(f"{child.name} stands still at {found} of {goal}")
        await asyncio.sleep(every)
