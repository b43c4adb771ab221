"""`qingqian up` and `qingqian down`: stack and services left running, and all of it ended."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra import loop, topics
from infra.keyring import ensure_keys
from infra.obstacles import require_book, require_folder
from infra.problem import Unready
from infra.ready import clock_of
from infra.stack.guard import stop_all
from infra.stack.local import STARTING, LocalStack, starting
from infra.stack.ports import demo_folder, demo_of, end_of, require_no_demo, require_ports
from infra.stack.process import locked, running, undisturbed
from infra.stack.services import Services
from shared.calendar import ZONE, civil
from shared.clock import wall_now
from shared.policy import adopt
from shared.settings import LOOPBACK, PREFIX, SERVICES, Settings, load


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout holds the result alone."""
    print(line, file=sys.stderr, flush=True)


def stack_of(settings: Settings, *, keep: bool) -> LocalStack:
    """The local stack at the addresses that the settings name; they must be on this machine."""
    host, _, port = settings.kafka.rpartition(":")
    if host not in LOOPBACK or "," in settings.kafka:
        raise Unready(
            f"{PREFIX}KAFKA is {settings.kafka}: a local stack listens on 127.0.0.1 only. "
            f"Fix: unset it, or run the services against that broker without qingqian up"
        )
    if settings.kafka_security_protocol != "plaintext":
        raise Unready(
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}: a local stack "
            f"speaks in clear, on 127.0.0.1 only. "
            f"Fix: unset it, or run the services against that broker without qingqian up"
        )
    database = urlsplit(settings.database)
    if database.hostname not in LOOPBACK:
        raise Unready(
            f"{PREFIX}DATABASE names {database.hostname}: a local stack listens on 127.0.0.1 only. "
            f"Fix: unset it, or run the services against that server without qingqian up"
        )
    password = unquote(database.password or "")
    if not password:
        raise Unready(
            f"{PREFIX}DATABASE has no password, which the server of a local stack asks for. "
            f"Fix: postgresql://USER:PASSWORD@HOST:PORT/NAME"
        )
    return LocalStack(
        settings.data_dir,
        int(port),
        database.port or 5432,
        keep=keep,
        user=unquote(database.username or "qingqian"),
        password=password,
        database=unquote(database.path.strip("/")),
        say=say,
    )


def services_of(settings: Settings, stack: LocalStack) -> Services:
    """The four services on that stack."""
    return Services(settings, stack.run, stack.data_dir / "log")


def up() -> int:
    """Start whatever does not run yet, leave it running, print where it is.

    Interrupted, or where a part does not come up, it stops again what it has started.
    """
    settings = load()
    began = time.monotonic()
    require_folder(settings)
    require_book(settings)
    require_no_demo(settings)
    stack_of(settings, keep=True)
    require_ports(settings)
    with starting(settings.data_dir):
        # What runs is looked for anew: another command may have started it meanwhile.
        stack = stack_of(settings, keep=True)
        _start(settings, stack)
    say(f"up in {time.monotonic() - began:.1f} s")
    for line in where(settings, stack):
        print(line)
    clock = clock_of(settings.url("intake"))
    if clock is not None:
        for note in (standing_clock(clock), out_of_campaign(settings, clock)):
            if note is not None:
                say(note)
    return 0


def standing_clock(clock: datetime) -> str | None:
    """One line where the clock is not that of the wall; None where it is."""
    if abs(clock - wall_now()) < timedelta(hours=1):
        return None
    return (
        f"the clock of this log stands at {clock.astimezone(ZONE):%Y-%m-%d %H:%M} and moves only "
        f"when it is told to: complaints and acts dated later are refused"
    )


def out_of_campaign(settings: Settings, clock: datetime) -> str | None:
    """One line where the clock stands before or after the campaign of the policy book, which a
    look at its rankings would take for a fault; None within.
    """
    policy = adopt(require_book(settings), clock, "up")
    phases, day = policy.content.campaign.phases, civil(clock)
    if phases[0].first <= day <= phases[-1].last:
        return None
    lies = "after" if day > phases[-1].last else "before"
    return (
        f"the clock stands at {day}, {lies} the campaign of {settings.policy} ({phases[0].first} "
        f"to {phases[-1].last}): cases are handled by its rules, but no phase, target or ranking "
        f"period runs. To see it run: make demo, or qingqian play STORY.jsonl"
    )


def _start(settings: Settings, stack: LocalStack) -> None:
    if os.geteuid() == 0 and not stack.postgres.alive:
        say("running as root: PostgreSQL runs as the user nobody, everything else as root")
    services = services_of(settings, stack)
    with _all_or_nothing(stack, services):
        say("starting Kafka and PostgreSQL")
        stack.start()
        loop.run(topics.ensure(settings))
        if ensure_keys(settings):
            say(f"wrote a key for each role and unit to {_near(settings.keys_path)}")
        say("starting intake, routing, supervision and reporting")
        services.start(say=say)


@contextmanager
def _all_or_nothing(stack: LocalStack, services: Services) -> Iterator[None]:
    """What is started within is stopped again if it does not come to its end; what ran stays."""
    try:
        yield
    except BaseException as error:
        with undisturbed():
            if isinstance(error, KeyboardInterrupt):
                say("interrupted: stopping again what this call has started")
            services.stop_started()
            stack.stop_started()
        raise


def where(settings: Settings, stack: LocalStack) -> list[str]:
    """One line for each thing that a person may want to open."""
    lines = [f"{'page':<12} {settings.url('reporting')}/ (log in with a key)"]
    lines += [f"{name:<12} {settings.url(name)}" for name in SERVICES]
    lines += [f"{'kafka':<12} {stack.bootstrap}", f"{'database':<12} {stack.database_url}"]
    lines.append(f"{'logs':<12} {_near(stack.data_dir / 'log')}")
    lines.append(f"{'keys':<12} {_near(settings.keys_path)}")
    return lines


def down(*, wipe: bool) -> int:
    """Stop everything that runs in the data folder; with `wipe` its data goes too.

    A running demo ends with who watches it: Unready says how. What is left of one that was killed
    is stopped as well. Raises Unready also where what another command is starting would be wiped.
    """
    settings = load()
    require_folder(settings)
    if not wipe:
        _down(settings)
        return 0
    with starting(settings.data_dir):
        _down(settings)
        _wipe(settings)
    return 0


def _down(settings: Settings) -> None:
    data = settings.data_dir.resolve()
    stopped = _stop(data / "run")
    demo = demo_of(data)
    if demo is None:
        stopped += _stop(demo_folder(data) / "run")
    if stopped or demo is None:
        print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    if demo is not None:
        raise Unready(f"a demo of this folder is still running, pid {demo.pid}. {end_of(demo)}")


def _stop(run: Path) -> list[str]:
    """The names of what was stopped. Raises Unready where some of it still runs."""
    if not run.exists():
        return []
    with locked(run):
        stopped = stop_all(run)
        left = [child.name for child in running(run)]
    if left:
        raise Unready(f"still running: {', '.join(left)}; see {_near(run)}")
    return stopped


def _wipe(settings: Settings) -> None:
    """Remove what a stack has made in the data folder, and nothing else that may stand there.

    The key of the checkpoints stays: by its public half every export is told from a forgery. So
    does the lock, which this very command holds.
    """
    stack = stack_of(settings, keep=True)
    stack.wipe()
    made = [stack.data_dir / name for name in ("log", "tmp", "keys.json", "master.key")]
    made += [path for path in stack.run.iterdir() if path.name != STARTING]
    for path in made:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    kept = sorted(path.name for path in stack.data_dir.iterdir() if path != stack.run)
    print(f"wiped: {_near(stack.data_dir)}; kept: {', '.join(kept) or 'nothing'}")


def _near(path: Path) -> str:
    """The path as a person here would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
