"""One child process: started in a session of its own, known by pid and start time, ended for sure.

A pid alone may belong to somebody else by the time it is used; pid and start time together do not.
Each child has a small file in the stack's ``run`` folder for as long as it lives, so that another
command (``qingqian down``) or the guard can end it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from infra.problem import Unready

_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass
class Child:
    """A process that we started, in this run or in an earlier one (then ``popen`` is None)."""

    name: str
    pid: int
    started: float
    file: Path
    log: Path
    facts: dict[str, Any] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None
    log_from: int = 0
    """Where in the log its own lines begin, in bytes."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        if self.popen is not None:
            return self.popen.poll() is None
        return self._process() is not None

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if process.create_time() == self.started and _runs(process) else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; True when it has ended."""
        try:
            if self.popen is not None:
                self.popen.wait(seconds)
            elif (process := self._process()) is not None:
                process.wait(seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> bool:
        """End it politely; after `seconds` by force. True when politeness was enough."""
        self.send(signal.SIGCONT)
        self.send(number)
        polite = self.wait(seconds)
        if not polite:
            self.kill()
        self.file.unlink(missing_ok=True)
        return polite

    def kill(self) -> None:
        """End it and all its children by SIGKILL, as a power cut would."""
        process = self._process()
        family = []
        # Stopped first, so that it forks no child that would not be found: an orphan of PostgreSQL
        # holds the shared memory without which the server does not start again.
        self.send(signal.SIGSTOP)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = process.children(recursive=True)
        self.send(signal.SIGKILL)
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.wait(10)
        deadline = time.monotonic() + 10
        while any(_runs(child) for child in family) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.file.unlink(missing_ok=True)

    def last_words(self, *marks: str) -> str:
        """Its last log line with the first of `marks` that occurs; else the last line at all."""
        try:
            text = self.log.read_bytes()[self.log_from :].decode("utf-8", "replace")
        except OSError:
            text = ""
        lines = [line for line in text.splitlines() if line.strip()]
        for mark in marks:
            marked = [line for line in lines if mark in line]
            if marked:
                return marked[-1].strip()[:300]
        return lines[-1].strip()[:300] if lines else "it said nothing"


def _runs(process: psutil.Process) -> bool:
    """Whether it is there and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def spawn(
    name: str,
    argv: Sequence[str],
    *,
    run: Path,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: tuple[int, int] | None = None,
    facts: dict[str, Any] | None = None,
) -> Child:
    """Start a process that outlives us unless it is stopped; its output goes to `log`.

    `account` is the user and group id to run as; `facts` are kept in its file (ports, say).
    """
    run.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    user, group = account if account else (None, None)
    with log.open("ab") as output:
        log_from = output.tell()
        popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if account else None,
        )
    child = Child(
        name,
        popen.pid,
        psutil.Process(popen.pid).create_time(),
        run / f"{name}.json",
        log,
        facts or {},
        popen,
        log_from,
    )
    _write(child)
    return child


def record_myself(name: str, run: Path, facts: dict[str, Any]) -> None:
    """Write down this very process, so that other commands can tell that it runs; see `adopt`."""
    run.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    started = psutil.Process(pid).create_time()
    _write(Child(name, pid, started, run / f"{name}.json", run / f"{name}.log", facts))


def _write(child: Child) -> None:
    content = {
        "pid": child.pid,
        "started": child.started,
        "log": str(child.log),
        "facts": child.facts,
    }
    unfinished = child.file.with_suffix(".new")
    unfinished.write_text(json.dumps(content), "utf-8")
    unfinished.replace(child.file)


def adopt(name: str, run: Path) -> Child | None:
    """The process of that name that an earlier command left running; a stale file is removed."""
    file = run / f"{name}.json"
    try:
        content = json.loads(file.read_text("utf-8"))
        child = Child(
            name, content["pid"], content["started"], file, Path(content["log"]), content["facts"]
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError):
        file.unlink(missing_ok=True)
        return None
    if child.alive:
        return child
    file.unlink(missing_ok=True)
    return None


def running(run: Path) -> list[Child]:
    """Every process that earlier commands left running in this `run` folder."""
    found = [adopt(file.stem, run) for file in sorted(run.glob("*.json"))]
    return [child for child in found if child is not None]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time in a folder; it is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time, whose pid stands in `lock`; its folder must be there.

    The system lets go of the lock of a process that has ended, however it ended, so what one has
    left in the file is in nobody's way. Raises Unready, which names the other, instead of waiting.
    """
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            raise Unready(
                f"another command starts or wipes this folder's stack{pid and f', pid {pid}'}. "
                f"Fix: wait until it has ended, then the same command again"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Cleaning up is brief, and goes on to its end when Ctrl-C is pressed a second time."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until what is done here is done: a process that was started and that
    nobody has noted yet would be left behind. Only in the main thread are there any.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if callable(before[number])]
    for number in heard:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
    for late in came:
        signal.raise_signal(late)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has right now, all different.

    They lie below those that the system gives to outgoing connections: a server that is down for
    a moment would else find its port taken by a client of somebody, or by its own client that has
    connected to itself.
    """
    lowest, highest = 10_240, _first_outgoing()
    chance = random.SystemRandom()
    found: list[int] = []
    for _ in range(1000):
        port = chance.randrange(lowest, highest)
        if port not in found and _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise Unready(f"no {count} free ports between {lowest} and {highest}")


def _first_outgoing() -> int:
    """The first port that the system may give to an outgoing connection."""
    try:
        return int(_OUTGOING.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768  # Linux' own default.


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def require_free(port: int, what: str, variable: str, host: str = "127.0.0.1") -> None:
    """Raise :class:`Unready` with the port's owner and the fix when `port` is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unready(
                f"port {port} for {what} is taken{owner_of(port)} ({error.strerror}). "
                f"Fix: stop that process, or choose another port with {variable}"
            ) from None


def owner_of(port: int) -> str:
    """` by NAME, pid N` of who listens there; empty where that is not to be seen."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,):
                return f" by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except (psutil.Error, OSError, TypeError):
        pass
    return ""


def wait_until(
    ready: Any, child: Child, seconds: float, what: str, marks: tuple[str, ...] = ("ERROR",)
) -> None:
    """Poll `ready()` until it is true; a child that ends or a deadline passed is one clear line."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not child.alive:
            line = child.last_words(*marks)
            raise Unready(f"{what} ended while starting: {line} (log: {child.log})")
        if time.monotonic() > deadline:
            line = child.last_words(*marks)
            raise Unready(f"{what} was not ready within {seconds:.0f} s: {line} (log: {child.log})")
        time.sleep(0.03)
