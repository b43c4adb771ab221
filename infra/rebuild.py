"""`qingqian rebuild [SERVICE]`: drop a service's tables and make them again from the log.

Routing and supervision are replayed here, in this process: running workers of the service wait
and go on afterwards. Intake's view and reporting's tables are dropped, and made again by the
service itself, which is started anew for it. The vault is never touched.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra import loop
from infra.obstacles import require_folder
from infra.problem import Unready
from infra.stack.services import Services
from shared import journal
from shared.database import PASSING, REFUSED, connect
from shared.events import Service
from shared.governance import Governance
from shared.identity import NoTopic, identify
from shared.log import CASE_EVENTS, PARTITIONS, Producer, Reader, Unavailable
from shared.reconciler.rebuild import Rebuild
from shared.reconciler.rows import Deciders, shape_of
from shared.reconciler.store import Store, WrongLog
from shared.reconciler.worker import Worker
from shared.settings import PREFIX, SERVICES, Settings, load

SECONDS: Final = 3600
"""How long a service may take to fold the log again."""


def command(service: str | None) -> int:
    """``qingqian rebuild``: progress is for the terminal, the journal of the work for a file."""
    settings = load()
    require_folder(settings)
    file = _log_of(settings, "rebuild")
    with file.open("a", encoding="utf-8") as stream:
        journal.configure("rebuild", settings.log_level, stream)
        return run(service)


def run(service: str | None) -> int:
    """Rebuild one service, or all; 0 when each has reached the end of the log."""
    settings = load()
    names = [service] if service else list(SERVICES)
    try:
        for name in names:
            loop.run(_rebuild(settings, name))
    except Unavailable:
        raise Unready(f"Kafka at {settings.kafka} does not answer. Fix: qingqian up") from None
    except (NoTopic, WrongLog) as error:
        raise Unready(str(error)) from None
    except REFUSED as error:
        raise Unready(f"{error} ({PREFIX}DATABASE)") from None
    except PASSING as error:
        raise Unready(
            f"the database does not answer ({type(error).__name__}). "
            f"Fix: qingqian up, or set QINGQIAN_DATABASE"
        ) from None
    return 0


async def _rebuild(settings: Settings, name: str) -> None:
    begun = time.monotonic()
    print(f"{name}: rebuilding from the log", flush=True)
    deciders = _deciders()
    if name in deciders:
        await replayed(settings, "routing" if name == "routing" else "supervision", deciders[name])
    else:
        await _fold_again(settings, name)
    print(f"{name}: rebuilt in {time.monotonic() - begun:.1f} s", flush=True)


def _deciders() -> Mapping[str, Deciders]:
    from services.routing.decider import STREAMS as ROUTING
    from services.supervision.decider import STREAMS as SUPERVISION

    return {"routing": ROUTING, "supervision": SUPERVISION}


# --- routing and supervision ----------------------------------------------------------------------


async def replayed(settings: Settings, service: Service, deciders: Deciders) -> Rebuild | None:
    """Replay a reconciler's whole schema from the log; None where nothing was adopted yet.

    What is owed beyond the log is published at the end of its partition. Raises Unavailable,
    WrongLog or what asyncpg raises.
    """
    async with _worker(settings, service, deciders) as worker, worker.store.anew():
        if not worker.governance.governed:
            print(f"{service}: nothing has been adopted yet; the tables are empty", flush=True)
            return None
        with Bar(service) as told:
            worker.rebuild.progress = told
            worker.assign(range(PARTITIONS))
            for partition in worker.partitions.values():
                if not await worker.holding(partition, _nothing):
                    raise Unready(f"partition {partition.number} was taken by another worker")
    for kind, count in sorted(worker.rebuild.beyond.items()):
        print(f"{service}: owed beyond the log, published now: {count} {kind}")
    for kind, count in sorted(worker.rebuild.not_owed.items()):
        print(f"{service}: on the log and not owed (see qingqian audit): {count} {kind}")
    return worker.rebuild


async def _nothing() -> None:
    """Claiming a partition replays it; there is no more to do."""


@asynccontextmanager
async def _worker(
    settings: Settings, service: Service, deciders: Deciders
) -> AsyncIterator[Worker]:
    async with AsyncExitStack() as exits:
        store = Store(settings, service, shape_of(deciders))
        await store.open()
        exits.push_async_callback(store.close)
        producer = Producer(settings, service)
        reader = Reader(settings, "rebuild")
        governance = Governance(settings, "rebuild")
        for each in (producer, reader, governance):
            await each.start()
            exits.push_async_callback(each.stop)
        identity = await identify(settings, CASE_EVENTS)
        worker = Worker(
            service, deciders, store, producer, reader, governance, identity, alone=True
        )
        exits.push_async_callback(worker.close)
        yield worker


# --- intake and reporting -------------------------------------------------------------------------


async def _fold_again(settings: Settings, name: str) -> None:
    """Drop the schema and let the service fold the log again.

    A service of the local stack is stopped for it and started again; where none runs, one is
    started until it has caught up. Raises Unready where one runs that is not ours to stop.
    """
    data = settings.data_dir.resolve()
    local = Services(settings, data / "run", data / "log", (name,))
    async with httpx.AsyncClient(timeout=6) as client:
        ours = local.alive(name)
        if not ours and await _standing(client, settings.url(name)):
            raise Unready(f"{name} at {settings.url(name)} is in use; stop it, then rebuild it")
        local.stop()
        await _drop(settings, name)
        process = None if ours else _start(settings, name)
        if ours:
            local.launch(name)
        try:
            await _caught_up(settings, client, name, process)
        finally:
            if process is not None:
                process.terminate()
                process.wait(15)


async def _drop(settings: Settings, name: str) -> None:
    connection = await connect(settings.database, timeout=10)
    try:
        await connection.execute(f"DROP SCHEMA IF EXISTS {settings.schema(name)} CASCADE")
    finally:
        await connection.close()


def _start(settings: Settings, name: str) -> subprocess.Popen[bytes]:
    with _log_of(settings, name).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"],
            env=os.environ | settings.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _log_of(settings: Settings, name: str) -> Path:
    """The log file of a process, in the folder where the stack has its own."""
    folder = settings.data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


async def _standing(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = (await client.get(f"{url}/readyz")).json()
    except (httpx.HTTPError, ValueError):
        return {}
    return found


async def _caught_up(
    settings: Settings,
    client: httpx.AsyncClient,
    name: str,
    process: subprocess.Popen[bytes] | None,
) -> None:
    """Follow the service's own positions to the end of the log."""
    reader = Reader(settings, "rebuild")
    await reader.start()
    deadline = time.monotonic() + SECONDS
    try:
        ends = await reader.ends(CASE_EVENTS, range(PARTITIONS))
        with Bar(name) as told:
            while time.monotonic() < deadline:
                standing = await _standing(client, settings.url(name))
                done = {
                    number: int(standing.get("positions", {}).get(f"{CASE_EVENTS}/{number}", 0))
                    for number in ends
                }
                for number, end in ends.items():
                    told(number, min(done[number], end), end)
                if standing.get("ready") and all(done[n] >= end for n, end in ends.items()):
                    return
                if process is not None and process.poll() is not None:
                    raise Unready(
                        f"{name} ended with {process.returncode}: see {_log_of(settings, name)}"
                    )
                await asyncio.sleep(0.2)
    finally:
        await reader.stop()
    raise Unready(f"{name} has not reached the end of the log in {SECONDS} s")


# --- progress -------------------------------------------------------------------------------------


class Bar:
    """One progress bar over all partitions; told (partition, records read, records to read)."""

    def __init__(self, name: str) -> None:
        self._progress = Progress(
            TextColumn(f"{name:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} records"),
            TimeElapsedColumn(),
            disable=not sys.stdout.isatty(),
        )
        self._task: TaskID = self._progress.add_task(name, total=0)
        self._done: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, partition: int, done: int, whole: int) -> None:
        self._done[partition] = (done, whole)
        self._progress.update(
            self._task,
            completed=sum(each[0] for each in self._done.values()),
            total=sum(each[1] for each in self._done.values()),
        )
