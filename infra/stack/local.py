"""Kafka and PostgreSQL together in one folder: what `qingqian up`, demo and tests start."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from infra.stack.guard import start_guard, stop_all
from infra.stack.kafka import Kafka
from infra.stack.postgres import Postgres
from infra.stack.process import alone, locked

STARTING: Final = "starting"
"""The lock in the `run` folder. It is never removed: one process would hold the file that is gone,
another the new one."""


def _silent(line: str) -> None:
    del line


def _make(data_dir: Path) -> None:
    if not data_dir.exists():
        # Whatever the umask: as root, PostgreSQL's own user has to pass through this folder.
        data_dir.mkdir(parents=True)
        data_dir.chmod(0o755)


@contextmanager
def starting(data_dir: Path) -> Iterator[None]:
    """Only this command starts servers and services in a data folder, from the first look at what
    runs there until all of it is ready, or wipes it. Raises Unready while another does.
    """
    _make(data_dir)
    run = data_dir / "run"
    run.mkdir(exist_ok=True)
    with alone(run / STARTING):
        yield


class LocalStack:
    """A broker and a database with all their data, logs and process files under `data_dir`.

    Port 0 takes a free port and keeps it over restarts. Without `keep`, everything ends with this
    process, however it ends; with `keep` it stays until :meth:`stop` (of this or a later process).
    Starting is idempotent: what runs already in `data_dir` is taken over.
    """

    def __init__(
        self,
        data_dir: Path,
        kafka_port: int = 0,
        postgres_port: int = 0,
        *,
        keep: bool = False,
        user: str = "qingqian",
        password: str = "qingqian",
        database: str = "qingqian",
        say: Callable[[str], None] = _silent,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.run = self.data_dir / "run"
        self.keep = keep
        self.say = say
        log = self.data_dir / "log"
        self.kafka = Kafka(self.data_dir / "kafka", self.run, log / "kafka.log", kafka_port)
        self.postgres = Postgres(
            self.data_dir / "postgres", self.run, log / "postgres.log", postgres_port,
            user=user, password=password, database=database,
        )  # fmt: skip
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap server, for ``QINGQIAN_KAFKA``."""
        return self.kafka.bootstrap

    @property
    def database_url(self) -> str:
        """The database's URL, for ``QINGQIAN_DATABASE``."""
        return self.postgres.url

    @property
    def alive(self) -> bool:
        """Whether both servers run."""
        return self.kafka.alive and self.postgres.alive

    def start(self) -> None:
        """Start both servers (side by side) and return when both answer.

        Raises :class:`infra.problem.Unready` with one clear line; then nothing is left running.
        """
        _make(self.data_dir)
        with locked(self.run):
            mine = not (self.kafka.alive or self.postgres.alive)
            if not self.keep and self._guard is None:
                self._guard = start_guard(self.run)
            try:
                self.kafka.launch(self.say)
                self.postgres.launch()
                self.kafka.wait_ready()
                self.postgres.wait_ready()
            except BaseException:
                if mine:
                    self._stop()
                raise

    def stop(self) -> None:
        """Stop everything that runs in this folder, services before servers."""
        with locked(self.run):
            self._stop()

    def stop_started(self) -> None:
        """Stop the servers that this process has started; what it has taken over goes on."""
        with locked(self.run):
            for server in (self.kafka, self.postgres):
                if server.child is not None and server.child.popen is not None:
                    server.stop()

    def _stop(self) -> None:
        # Both are children of ours or adopted; the run folder names whatever else there is.
        stop_all(self.run)
        self.kafka.stop()
        self.postgres.stop()
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait(30)
            self._guard = None

    def wipe(self) -> None:
        """Remove the data of both servers; they must have been stopped."""
        shutil.rmtree(self.kafka.home, ignore_errors=True)
        self.postgres.wipe()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
