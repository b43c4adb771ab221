"""Bad weather by seed: kills, freezes, restarts, and what was in flight when they struck."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.stack import LocalStack
from shared.events import Service
from shared.settings import SERVICES
from tests.live.city import City
from tests.live.rig import Process, Rig

ENVIRONMENT = 2
SESSION_AND_MORE = 14.0
"""Seconds: longer than the group's session timeout."""


@dataclass
class Weather:
    """Strikes the processes of one installation. `hits`: kills that met something in flight."""

    rig: Rig
    stack: LocalStack
    city: City
    processes: dict[Service, list[Process]]
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    away: list[Process] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:7.1f} s  {text}", flush=True)

    async def storm(self, kills: int) -> None:
        """`kills` SIGKILLs of each service, and between them every other fault once."""
        victims: list[Service] = [name for name in self.processes for _ in range(kills)]
        self.chance.shuffle(victims)
        others: list[Callable[[], Any]] = [
            self.freeze,
            self.absence,
            self.broker,
            self.database,
        ]
        places = sorted(self.chance.sample(range(1, len(victims)), len(others)))
        for number, name in enumerate(victims):
            if number in places:
                await others[places.index(number)]()
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
            await self.kill(self.chance.choice(self.processes[name]))

    async def nurse(self) -> None:
        """Start again what ended for want of its broker or database, as an orchestrator does.

        Any other end is a bug: the storm is called off.
        """
        while True:
            await asyncio.sleep(0.5)
            for process in (each for group in self.processes.values() for each in group):
                if process.running is None or process.alive or process in self.away:
                    continue
                if (code := process.running.returncode) != ENVIRONMENT:
                    words = process.words()[-3000:]
                    raise AssertionError(f"{process.service} ended with {code}: {words}")
                self.say(f"{process.service}-{process.worker_id} had ended for want of a server")
                process.start()

    # --- kills ------------------------------------------------------------------------------------

    async def kill(self, process: Process) -> None:
        """Stop a process dead, look at what it had in its hands, kill it, start it again."""
        await self._serving(process)
        await asyncio.sleep(self.chance.uniform(0.0, 0.3))
        await self._busy(process)
        process.signal(signal.SIGSTOP)
        flight = await self.in_flight(process)
        self.away.append(process)
        process.kill()
        process.start()
        self.away.remove(process)
        self.kills[process.service] += 1
        if any(flight.values()):
            self.hits[process.service] += 1
        told = ", ".join(f"{count} {what}" for what, count in flight.items())
        self.say(f"SIGKILL {process.service}-{process.worker_id}: in flight {told}")

    async def _serving(self, process: Process, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not (await self.rig.readiness(process)).get("ready"):
            if time.monotonic() > deadline:
                raise AssertionError(f"{process.service} is not ready: {process.words()[-2000:]}")
            await asyncio.sleep(0.05)

    async def _busy(self, process: Process, seconds: float = 2) -> None:
        """Wait until it has been given something: a request, or a record a moment ago."""
        deadline = time.monotonic() + seconds
        before = await self.rig.ends()
        while time.monotonic() < deadline:
            await asyncio.sleep(0.005)
            if process.service == "intake":
                if self.city.open:
                    return
            elif await self.rig.ends() != before:
                return

    async def in_flight(self, process: Process) -> dict[str, int]:
        """What a frozen process has begun and not finished."""
        if process.service == "intake":
            return {"requests": self.city.open}
        schema = self.rig.settings.schema(process.service)
        table = "positions"
        async with self.rig.database() as database:
            if process.service == "reporting":
                tables = await database.fetch(
                    "SELECT table_name FROM information_schema.tables "
                    "WHERE table_schema = $1 AND table_name LIKE '%positions'",
                    schema,
                )
                table = max(row[0] for row in tables)
            rows = await database.fetch(f"SELECT * FROM {schema}.{table}")
            found = {"records not folded": 0}
            if process.service != "reporting":
                found["streams with decisions not acknowledged"] = await database.fetchval(
                    f"SELECT count(*) FROM {schema}.streams WHERE pending <> ''"
                )
        ends = await self.rig.ends()
        for row in rows:
            found["records not folded"] += max(0, ends[row["partition"]] - row["next"])
        return found

    # --- other faults -----------------------------------------------------------------------------

    async def freeze(self, process: Process | None = None) -> None:
        """A worker is paused past its session timeout, and resumed among its heirs."""
        process = process or self.chance.choice(self.processes["supervision"])
        name = f"{process.service}-{process.worker_id}"
        await self._serving(process)
        process.signal(signal.SIGSTOP)
        self.say(f"SIGSTOP {name}: {await self.in_flight(process)}")
        await asyncio.sleep(SESSION_AND_MORE)
        process.signal(signal.SIGCONT)
        self.say(f"SIGCONT {name}")

    async def absence(self) -> None:
        """A worker is gone past its session timeout: its partitions go to the other, and back."""
        process = self.chance.choice(self.processes["routing"])
        await self._serving(process)
        self.away.append(process)
        process.kill()
        self.say(f"routing-{process.worker_id} is gone")
        await asyncio.sleep(SESSION_AND_MORE)
        process.start()
        self.away.remove(process)
        await self._serving(process)
        self.say(f"routing-{process.worker_id} is back")

    async def broker(self) -> None:
        await asyncio.to_thread(self.stack.kafka.kill)
        self.say("SIGKILL kafka")
        await asyncio.sleep(self.chance.uniform(0, 2))
        await asyncio.to_thread(self.stack.kafka.start)

    async def database(self) -> None:
        await asyncio.to_thread(self.stack.postgres.kill)
        self.say("SIGKILL postgres")
        await asyncio.sleep(self.chance.uniform(0, 2))
        await asyncio.to_thread(self.stack.postgres.start)

    def verdict(self) -> str:
        """How many of the kills met something."""
        return ", ".join(
            f"{name} {self.hits[name]} of {self.kills[name]}"
            for name in SERVICES
            if self.kills[name]
        )
