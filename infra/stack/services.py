"""The four services as child processes: started together, awaited at /readyz, then stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from infra.problem import Unready
from infra.ready import readiness
from infra.stack import temporary
from infra.stack.process import Child, adopt, postponed, require_free, spawn
from shared.settings import PREFIX, SERVICES, Settings

STOP_SECONDS: Final = 10.0
"""How long a service may take to finish what it has begun after SIGTERM."""

FRUGAL: Final = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""glibc's settings by which a service gives the memory of a large batch back: each of its threads
would else keep some of its own (a fifth of the peak of supervision). The image sets them too."""


def environment_of(settings: Settings) -> dict[str, str]:
    """Ours, with these settings in place of those that stand in it."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | settings.environment() | FRUGAL


class Services:
    """The services of one installation; those that an earlier command left running are taken over.

    `settings` say where their Kafka and PostgreSQL are; `run` and `log` are folders of the stack,
    and beside `run` stands `tmp` with the temporary files of each.
    """

    def __init__(
        self, settings: Settings, run: Path, log: Path, names: Sequence[str] = SERVICES
    ) -> None:
        self.settings = settings
        self.run = run
        self.log = log
        self.names = tuple(names)
        self.children: dict[str, Child] = {}
        for name in self.names:
            child = adopt(name, run)
            if child is not None:
                self.children[name] = child

    def launch(self, name: str) -> None:
        """Start one service's process (see :meth:`wait_ready`); nothing to do where it runs."""
        if self.alive(name):
            return
        port = self.settings.port(name)
        require_free(port, name, f"{PREFIX}{name.upper()}_PORT", self.settings.host)
        own = temporary.emptied(self.run.resolve().parent / "tmp" / name)
        with postponed():
            self.children[name] = spawn(
                name,
                [sys.executable, "-m", f"services.{name}"],
                run=self.run,
                log=self.log / f"{name}.log",
                env=self._environment() | temporary.setting(own),
                facts={"port": port},
            )

    def start(self, seconds: float = 90, say: Callable[[str], None] = lambda line: None) -> None:
        """Start all that do not run and return when each is ready.

        Raises :class:`Unready` with the reason of the first that is not; those started now are
        stopped again.
        """
        fresh = [name for name in self.names if not self.alive(name)]
        try:
            for name in fresh:
                self.launch(name)
            self.wait_ready(seconds, say)
        except BaseException:
            self.stop(fresh)
            raise

    def wait_ready(
        self, seconds: float = 90, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """Return when every service answers its /readyz with 200."""
        deadline = time.monotonic() + seconds
        waiting = list(self.names)
        told = time.monotonic()
        reason = "it does not answer"
        while waiting:
            name = waiting[0]
            if not self.alive(name):
                raise Unready(self._ended(name))
            ready, reason = readiness(self.settings.url(name))
            if ready:
                waiting.pop(0)
                continue
            if time.monotonic() > deadline:
                raise Unready(
                    f"{name} was not ready within {seconds:.0f} s: {reason} "
                    f"(log: {self.children[name].log})"
                )
            if time.monotonic() - told > 5:
                say(f"waiting for {name}: {reason}")
                told = time.monotonic()
            time.sleep(0.05)

    def alive(self, name: str) -> bool:
        """Whether this service's process runs."""
        child = self.children.get(name)
        return child is not None and child.alive

    def stop(self, names: Sequence[str] | None = None) -> list[str]:
        """SIGTERM to all at once; what still runs after 10 s is killed, and its name returned."""
        children = [self.children[n] for n in names or self.names if n in self.children]
        for child in children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        forced = []
        for child in children:
            if not child.stop(signal.SIGTERM, max(0.0, deadline - time.monotonic())):
                forced.append(child.name)
        return forced

    def stop_started(self) -> None:
        """Stop those that this process has started; what it has taken over goes on."""
        started = [name for name, child in self.children.items() if child.popen is not None]
        if started:
            self.stop(started)

    def kill(self, name: str) -> None:
        """End one service by SIGKILL; :meth:`restart` brings it back."""
        self.children[name].kill()

    def restart(self, name: str, seconds: float = 90) -> None:
        """Start one service again, after :meth:`kill` or in place of the running one."""
        self.stop([name])
        self.launch(name)
        self.wait_ready(seconds)

    def _ended(self, name: str) -> str:
        child = self.children.get(name)
        if child is None:
            return f"{name} was not started"
        # A service that cannot start says why in one plain line that begins with its name.
        line = child.last_words(f"{name}: ", "Error", "error").removeprefix(f"{name}: ")
        return f"{name} ended while starting: {line} (log: {child.log})"

    def _environment(self) -> dict[str, str]:
        settings = self.settings.model_copy(update={"data_dir": self.settings.data_dir.resolve()})
        return environment_of(settings) | {"PYTHONUNBUFFERED": "1"}
