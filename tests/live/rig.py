"""A log, workers on it as real processes, and waiting for them to come to rest."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx

from infra import export
from infra.audit import Audit, audit_file
from infra.audit.pool import Rules
from infra.stack.process import free_ports
from shared.envelope import decode
from shared.events import (
    AnyData,
    ClockAdopted,
    ClockAdvanced,
    Event,
    PolicyAdopted,
    Service,
)
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, PARTITIONS, Producer, Reader, Record
from shared.policy import content_hash, read_book
from shared.reconciler.rows import Deciders
from shared.settings import Settings
from shared.streams import GOVERNANCE

BOOK = "dengfeng-2021-35"
TOY = "tests.live.toy"


def governance(name: str, data: AnyData, at: datetime) -> Event:
    """An event of governance, as intake writes it."""
    return Event(
        id=name,
        subject=GOVERNANCE,
        time=at,
        recordedtime=at,
        data=data,
        actor="operator/operator/p",
    )


def fact(name: str, subject: str, data: AnyData, at: datetime) -> Event:
    """A fact with an id that is easy to read."""
    return Event(
        id=name, subject=subject, time=at, recordedtime=at, data=data, actor="TF1/task_force/p"
    )


@dataclass
class Process:
    """One worker as a process. `url`: of its health server."""

    service: Service
    module: str
    worker_id: str
    settings: Settings
    journal: Path
    environment: Mapping[str, str]
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.settings.url(self.service)

    def start(self) -> None:
        with self.journal.open("ab") as output:
            self.running = subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.DEVNULL,
                env=os.environ | self.settings.environment() | dict(self.environment),
                stdout=output,
                stderr=output,
            )

    def signal(self, number: signal.Signals) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.running is not None:
            self.running.wait()

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM, and the exit code. Raises TimeoutExpired after `seconds`."""
        self.signal(signal.SIGTERM)
        assert self.running is not None
        return self.running.wait(seconds)

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def words(self) -> str:
        """What it has written so far."""
        return self.journal.read_text("utf-8") if self.journal.exists() else ""


@dataclass
class Rig:
    """Writes facts as intake does and watches the workers of one namespace."""

    settings: Settings
    folder: Path
    producer: Producer = field(init=False)
    reader: Reader = field(init=False)
    http: httpx.AsyncClient = field(init=False)
    processes: list[Process] = field(default_factory=list)
    pace: float = 0.02

    async def __aenter__(self) -> Rig:
        self.producer = Producer(self.settings, "intake")
        self.reader = Reader(self.settings, "rig")
        await self.producer.start()
        await self.reader.start()
        self.http = httpx.AsyncClient(timeout=10)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            process.signal(signal.SIGCONT)
            process.kill()
        await self.http.aclose()
        await self.producer.stop()
        await self.reader.stop()

    # --- the log ----------------------------------------------------------------------------------

    async def govern(
        self,
        clock: Literal["wall", "log"],
        at: datetime | None = None,
        book: dict[str, Any] | None = None,
    ) -> None:
        """Adopt the clock and the book, as intake does at its first start."""
        at = at or datetime.now(UTC)
        await self.producer.publish([governance("clock", ClockAdopted(clock=clock), at)])
        await self.adopt(book or read_book(BOOK), at)

    async def adopt(self, book: dict[str, Any], at: datetime) -> None:
        """A book comes into force."""
        policy = PolicyAdopted(book=book["id"], hash=content_hash(book), content=book)
        await self.producer.publish([governance(f"policy-{at.isoformat()}", policy, at)])

    async def policy(self) -> Event:
        """The first adoption."""
        async for records in self.reader.range(GOVERNANCE_EVENTS, 0, 0, 2):
            for event in (decode(record.value) for record in records):
                if event.type == "PolicyAdopted":
                    return event
        raise LookupError("nothing is adopted")

    async def advance(self, to: datetime) -> None:
        """Move the log clock."""
        name = f"clock-{to.isoformat()}"
        await self.producer.publish([governance(name, ClockAdvanced(to=to), to)])

    async def ends(self) -> dict[int, int]:
        return await self.reader.ends(CASE_EVENTS, range(PARTITIONS))

    async def records(self) -> list[Record]:
        """The whole log, partition by partition."""
        found: list[Record] = []
        for number, end in (await self.ends()).items():
            async for batch in self.reader.range(CASE_EVENTS, number, 0, end):
                found += batch
        return found

    async def events(self) -> list[Event]:
        return [decode(record.value) for record in await self.records()]

    async def audit(self, deciders: Mapping[Service, Deciders] | None = None) -> Audit:
        """The audit's verdict on the log as it is now; by default by the real deciders."""
        path = self.folder / "audited.jsonl"
        with path.open("wb") as out:
            await export.write(self.settings, out.writelines)
        return await asyncio.to_thread(audit_file, path, Rules(deciders) if deciders else None)

    # --- workers ----------------------------------------------------------------------------------

    def worker(
        self,
        service: Service = "supervision",
        worker_id: str = "0",
        module: str = TOY,
        first: bool = False,
        **environment: str,
    ) -> Process:
        """A worker, not started yet; the `first` has the port of the settings, others their own."""
        port = self.settings.port(service) if first else free_ports(1)[0]
        changes: dict[str, Any] = {f"{service}_port": port, "worker_id": worker_id}
        process = Process(
            service,
            module,
            worker_id,
            self.settings.model_copy(update=changes),
            self.folder / f"{service}-{worker_id}.log",
            environment,
        )
        self.processes.append(process)
        return process

    async def readiness(self, process: Process) -> dict[str, Any]:
        """What /readyz says; {} when it does not answer."""
        try:
            found: dict[str, Any] = (await self.http.get(f"{process.url}/readyz")).json()
        except httpx.HTTPError:
            return {}
        return found

    async def quiet(
        self,
        processes: Sequence[Process],
        *,
        clock: datetime | None = None,
        calm: timedelta | None = None,
        seconds: float = 60,
    ) -> None:
        """Wait until all partitions are held, folded to the end, and nothing is owed, twice.

        `calm`: and for so long no step falls due by the wall clock.
        """
        deadline = time.monotonic() + seconds
        last: object = None
        while True:
            standings = [await self.readiness(process) for process in processes]
            ends = await self.ends()
            for process in processes:
                assert process.alive, process.words()[-2000:]
            at_rest = settled(standings, processes, ends, clock)
            if at_rest and (calm is None or not due_within(standings, calm)):
                if last == ends:
                    return
                last = ends
            else:
                last = None
            assert time.monotonic() < deadline, (standings, ends, processes[0].words()[-1500:])
            await asyncio.sleep(self.pace)

    # --- tables -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await asyncpg.connect(self.settings.database)
        try:
            yield connection
        finally:
            await connection.close()

    async def table(self, service: Service = "supervision") -> dict[str, dict[str, Any]]:
        """The streams as stored, without what may differ between two equal folds."""
        schema = self.settings.schema(service)
        async with self.database() as connection:
            rows = await connection.fetch(f"SELECT * FROM {schema}.streams")
        return {
            row["subject"]: dict(row) | {"seen": sorted(row["seen"].split(" "))} for row in rows
        }


def due_within(standings: Iterable[dict[str, Any]], calm: timedelta) -> bool:
    """Whether a step falls due so soon."""
    until = datetime.now(UTC) + calm
    dues = [standing["next_due"] for standing in standings if standing["next_due"]]
    return any(datetime.fromisoformat(due) <= until for due in dues)


def settled(
    standings: Iterable[dict[str, Any]],
    processes: Sequence[Process],
    ends: Mapping[int, int],
    clock: datetime | None,
) -> bool:
    """Whether each service's workers together hold every partition up to its end."""
    positions: dict[Service, dict[str, int]] = {process.service: {} for process in processes}
    for standing, process in zip(standings, processes, strict=True):
        if not standing or not standing["ready"] or standing["owed"]:
            return False
        if clock is not None and datetime.fromisoformat(standing["clock"] or "") != clock:
            return False
        own = {
            k: v for k, v in standing["positions"].items() if not k.startswith(GOVERNANCE_EVENTS)
        }
        positions[process.service] |= own
    wanted = {f"{CASE_EVENTS}/{number}": end for number, end in ends.items()}
    return all(found == wanted for found in positions.values())
