"""The process: a Faust app around a worker, its rounds, its health server and its end.

Faust brings the group, the stream and the timer. No exception may reach it: it acknowledges a
message whose handler raised. So whatever is not provided for ends the process at once, before
the acknowledgement, and the next one goes on from the tables.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import faust
from aiokafka.errors import KafkaError

from shared import journal as journals
from shared.broker import NotAdmitted, Unavailable, told
from shared.database import PASSING, REFUSED
from shared.events import Event, Service
from shared.governance import Governance
from shared.health import Readiness, Server, application, server
from shared.identity import NoTopic, identify
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Producer, Reader, Record
from shared.reconciler.fetched import ByPartition, Fetched, Fetches, brokers
from shared.reconciler.partition import STUCK_AFTER, excuse, stuck
from shared.reconciler.rows import Deciders, shape_of
from shared.reconciler.sensor import Sensor
from shared.reconciler.store import Store, WrongLog
from shared.reconciler.sweep import Sweep
from shared.reconciler.worker import Worker
from shared.settings import Settings, SettingsError, load

log = journal("service")

MOST: Final = 1000
"""Records of a batch, from which it takes no more fetches. Larger ones are hardly cheaper, and
what they hold at their peak the process keeps."""

FETCHED: Final = 500
"""Records of a fetch; up to two dozen fetches may wait here."""

WITHIN: Final = {"wall": 0.05, "log": 0.005}
"""Seconds that a batch waits to fill, which is also the pace of the idle loop. Few large batches
are cheaper; on the log clock somebody waits for each."""

SESSION_TIMEOUT: Final = 9.0
HEARTBEAT: Final = 2.5
TELL_EVERY: Final = 5.0
"""Seconds between two looks at what is owed: twice as long is no decision on its way."""

STOP_WITHIN: Final = 9.0
"""Seconds from SIGTERM to the end, drained or not: nothing is lost either way."""

WATCH_SECONDS: Final = 2.0
"""How often it is looked whether something stands still."""

BUG: Final = 70
ENVIRONMENT: Final = 2
MISFIT: Final = 78
STUCK: Final = 75


def die(service: Service, error: BaseException) -> NoReturn:
    """End the process now, before anything is acknowledged; say why in one line if we know."""
    cause = error.__cause__ or error
    if isinstance(error, (WrongLog, NoTopic)):
        code = MISFIT
        sys.stderr.write(f"{service}: {error}\n")
        log.critical("does not fit", problem=str(error))
    elif isinstance(error, (NotAdmitted, SettingsError)):
        code = ENVIRONMENT
        sys.stderr.write(f"{service}: {error}\n")
        log.critical("the log refuses us", problem=str(error))
    elif isinstance(cause, REFUSED):
        code = ENVIRONMENT
        sys.stderr.write(f"{service}: {cause} (QINGQIAN_DATABASE)\n")
        log.critical("the database refuses us", exc_info=cause)
    elif isinstance(cause, (Unavailable, KafkaError, *PASSING)):
        code = ENVIRONMENT
        sys.stderr.write(f"{service}: a server is missing ({type(cause).__name__})\n")
        log.critical("a server is missing", exc_info=cause)
    else:
        code = BUG
        log.critical("stopped by a bug", exc_info=error)
    sys.stdout.flush()
    os._exit(code)


class _App(faust.App):
    """Without the folders for tables that Faust makes where it stands: we keep none."""

    def _create_directories(self) -> None:
        """Nothing is stored on disk."""


class Process:
    """One running worker of routing or supervision."""

    def __init__(self, service: Service, deciders: Deciders, settings: Settings) -> None:
        self.service = service
        self.settings = settings
        self.deciders = deciders
        self.store = Store(settings, service, shape_of(deciders))
        self.producer = Producer(settings, service)
        self.reader = Reader(settings, service)
        self.governance = Governance(settings, service)
        self.worker: Worker | None = None
        self.sweep: Sweep | None = None
        self.stopped = asyncio.Event()
        self.wanted = asyncio.Event()
        self.watch: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until SIGTERM; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        health = server(
            application(self.service, self.readiness),
            self.settings.host,
            self.settings.port(self.service),
        )
        serving = self._guard("health", lambda: self._serve(health))
        try:
            await self._connect()
            if not self.stopped.is_set():
                await self._work()
        except Exception as error:
            die(self.service, told(self.settings, error))
        health.should_exit = True
        await serving
        return 0

    async def _serve(self, health: Server) -> None:
        try:
            await health.serve()
        except SystemExit:  # Uvicorn's way to say that it cannot listen; it has logged why.
            sys.stderr.write(
                f"{self.service}: cannot listen on {self.settings.url(self.service)}\n"
            )
            os._exit(ENVIRONMENT)

    def _stop(self) -> None:
        """On SIGTERM: let the batch end, then leave; by force if that takes too long."""
        if not self.stopped.is_set():
            timer = threading.Timer(STOP_WITHIN, os._exit, (0,))
            timer.daemon = True
            timer.start()
            self.stopped.set()
            self.wanted.set()

    async def _connect(self) -> None:
        """Open everything, waiting for what is not up yet. Raises WrongLog, NoTopic or NotAdmitted,
        or as the database does.
        """
        pause = 0.1
        steps: list[Callable[[], Awaitable[Any]]] = [
            self.store.open,
            self.store.prepare,
            self.producer.start,
            self.reader.start,
            self.governance.start,
            self._identify,
        ]
        while steps and not self.stopped.is_set():
            try:
                await steps[0]()
                steps.pop(0)
            except (Unavailable, *PASSING) as error:
                why = str(error) if isinstance(error, Unavailable) else None
                log.warning("waiting", error=type(error).__name__, why=why)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), pause)
                pause = min(2.0, pause * 2)

    async def _identify(self) -> None:
        identity = await identify(self.settings, CASE_EVENTS)
        if identity.partitions != PARTITIONS:
            raise WrongLog(f"{CASE_EVENTS} has {identity.partitions} partitions, not {PARTITIONS}")
        self.worker = Worker(
            self.service,
            self.deciders,
            self.store,
            self.producer,
            self.reader,
            self.governance,
            identity,
        )
        self.sweep = Sweep(self.worker)

    async def _work(self) -> None:
        self.governance.listeners.append(self._heard)
        app = self._app()
        await app.start()
        log.info("started", port=self.settings.port(self.service))
        self._guard("rounds", self._rounds)
        self._guard("watchdog", lambda: self._watchdog(app))
        self._guard("telling", self._tell)
        await self.stopped.wait()
        if self.worker is not None:
            self.worker.stopping = True
        await self._drained()
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await app.stop()
        if self.worker is not None:
            await self.worker.close()
        await self.governance.stop()
        await self.producer.stop()
        await self.reader.stop()
        await self.store.close()
        log.info("stopped")

    async def _drained(self) -> None:
        """Wait until no partition is being worked on."""
        if self.worker is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(4):
                    for partition in list(self.worker.partitions.values()):
                        async with partition.lock:
                            pass

    # --- Faust ------------------------------------------------------------------------------------

    def _app(self) -> _App:
        """The app: its settings are those of engine.md 9, with the reasons there."""
        app = _App(
            self.settings.group(self.service),
            **brokers(self.settings),
            processing_guarantee="at_least_once",
            broker_commit_interval=1.0,
            broker_session_timeout=SESSION_TIMEOUT,
            broker_heartbeat_interval=HEARTBEAT,
            broker_max_poll_interval=3600.0,
            broker_max_poll_records=FETCHED,
            stream_buffer_maxsize=PARTITIONS,
            ConsumerScheduler=ByPartition,
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=f"{self.service}-{self.settings.worker_id}",
            key_serializer="raw",
            value_serializer="raw",
            store="memory://",
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            worker_redirect_stdouts=False,
        )
        app.transport = Fetches(app.conf.broker_consumer, app)
        app.monitor = Sensor()
        topic = app.topic(
            self.settings.topic(CASE_EVENTS), key_serializer="raw", value_serializer="raw"
        )

        clock = self.governance.clock.kind if self.governance.governed else self.settings.clock
        within = WITHIN[clock]

        async def fold(stream: Any) -> None:
            try:
                async for events in stream.take_events(PARTITIONS, within=within):
                    await self._take([event.message for event in events])
            except Exception as error:
                die(self.service, told(self.settings, error))

        async def sweep() -> None:
            self.wanted.set()

        app.agent(topic, concurrency=1, name="fold")(fold)
        app.timer(interval=1.0)(sweep)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        return app

    async def _take(self, fetches: Sequence[Fetched]) -> None:
        """What the stream has, in batches: fetches as they came, as long as they are not MOST."""
        batch: list[Record] = []
        for fetched in fetches:
            if len(batch) + len(fetched.records) > MOST:
                await self._batch(batch)
                batch = []
            batch += fetched.records
        await self._batch(batch)

    async def _batch(self, records: list[Record]) -> None:
        if not records or self.worker is None or self.worker.stopping:
            return
        await self.worker.batch(records)
        if self.worker.governance.clock.kind == "log":
            self._look_again()

    def _look_again(self) -> None:
        """On the log clock nothing else comes to wake a step that is due already."""
        if self.worker is not None and self.governance.governed:
            now = self.governance.clock.now()
            if any(each.wakes_by(now) for each in self.worker.partitions.values()):
                self.wanted.set()

    async def _assigned(self, *arguments: Any, **_: Any) -> None:
        if self.worker is not None:
            self.worker.assign(tp.partition for tp in arguments[1])
            self.wanted.set()

    async def _revoked(self, *arguments: Any, **_: Any) -> None:
        if self.worker is not None:
            self.worker.revoke(tp.partition for tp in arguments[1])

    def _heard(self, event: Event) -> None:
        """A governance event: the clock moved or a book came into force."""
        self.wanted.set()

    # --- tasks ------------------------------------------------------------------------------------

    def _guard(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run a task whose failure is the end of the process."""

        async def guarded() -> None:
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                die(self.service, told(self.settings, error))

        task = asyncio.create_task(guarded(), name=name)
        self.watch.add(task)
        return task

    async def _rounds(self) -> None:
        while not self.stopped.is_set():
            await self.wanted.wait()
            self.wanted.clear()
            if self.sweep is not None:
                await self.sweep.round()

    async def _tell(self) -> None:
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), TELL_EVERY)
            if self.sweep is not None and not self.stopped.is_set():
                await self.sweep.tell()

    async def _watchdog(self, app: faust.App) -> None:
        """End the process when Faust has crashed, or when it is stuck: a new one starts afresh.

        It is stuck when records wait, nothing is known to be broken, and nothing moves.
        """
        while not self.stopped.is_set():
            asleep = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), WATCH_SECONDS)
            if self.worker is not None:
                now = time.monotonic()
                late = max(0.0, now - asleep - WATCH_SECONDS)
                excuse(self.worker.partitions.values(), late, now)
            if app.crashed:
                raise RuntimeError("Faust has crashed") from app.crash_reason
            if self.worker is None or self.sweep is None:
                continue
            now = time.monotonic()
            if now - self.worker.fault_at < STUCK_AFTER or now - self.sweep.ends_at > 30:
                continue
            if (partition := stuck(self.worker.partitions.values(), now)) is not None:
                log.critical("stuck", partition=partition.number, behind=partition.behind)
                sys.stdout.flush()
                os._exit(STUCK)

    async def readiness(self) -> Readiness:
        """For /readyz."""
        if self.sweep is None:
            return Readiness(ready=False, reason="connecting")
        if not self.sweep.worker.partitions:
            return Readiness(ready=False, reason="no partition is assigned")
        return await self.sweep.readiness()


def main(service: Service, deciders: Deciders) -> NoReturn:
    """Run a service until SIGTERM. Ends with 0, or 2 for settings that make no sense."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{service}: {error}\n")
        sys.exit(2)
    journals.configure(service, settings.log_level)
    code = asyncio.run(_run(service, deciders, settings))
    sys.stdout.flush()
    os._exit(code)


async def _run(service: Service, deciders: Deciders, settings: Settings) -> int:
    return await Process(service, deciders, settings).run()
