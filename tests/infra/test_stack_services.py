"""The four services as processes: up together, awaited, gone together; also by `qingqian up`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.keyring import ensure_keys
from infra.problem import Unready
from infra.ready import readiness
from infra.stack import LocalStack
from infra.stack.guard import stop_all
from infra.stack.kafka import Kafka
from infra.stack.process import adopt, free_ports, running
from infra.stack.services import STOP_SECONDS, Services
from shared.settings import PREFIX, SERVICES, Settings

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalStack]:
    """A stack of the test's own, not started yet."""
    stack = LocalStack(tmp_path / "data")
    yield stack
    stack.stop()
    stack.wipe()


def test_all_four_become_ready_survive_a_kill_and_stop_within_ten_seconds(
    settings: Settings, tmp_path: Path
) -> None:
    ensure_keys(settings)
    services = Services(settings, tmp_path / "run", tmp_path / "log")
    try:
        services.start()
        assert [readiness(settings.url(name)) for name in SERVICES] == [(True, "")] * 4
        before = services.children["routing"].pid

        services.kill("routing")
        assert readiness(settings.url("routing")) == (False, "it does not answer")
        services.restart("routing")

        assert services.children["routing"].pid != before
        assert readiness(settings.url("routing")) == (True, "")
    finally:
        began = time.monotonic()
        forced = services.stop()
    assert forced == []
    assert time.monotonic() - began < STOP_SECONDS
    assert running(tmp_path / "run") == []


def test_what_is_killed_leaves_its_temporary_files_in_the_stack_s_folder_until_it_is_back(
    own: LocalStack,
) -> None:
    """Kafka's Java unpacks a library of its own there; Python's helpers have their sockets."""
    own.start()
    assert own.kafka.child is not None
    temporary = own.kafka.home / "tmp"
    argv = psutil.Process(own.kafka.child.pid).cmdline()
    assert f"-Djava.io.tmpdir={temporary}" in argv
    (temporary / "left").touch()
    own.kafka.kill()
    own.kafka.restart()
    assert not (temporary / "left").exists()


def test_so_do_the_services(settings: Settings, tmp_path: Path) -> None:
    ensure_keys(settings)
    folder = Path(tempfile.mkdtemp(prefix="q"))  # tmp_path leaves no room for a socket's name.
    services = Services(settings, folder / "run", folder / "log", ("intake",))
    try:
        services.start()
        temporary = folder / "tmp" / "intake"
        assert psutil.Process(services.children["intake"].pid).environ()["TMPDIR"] == str(temporary)
        (temporary / "pymp-left").mkdir()
        services.kill("intake")
        services.restart("intake")
        assert not (temporary / "pymp-left").exists()
    finally:
        services.stop()
        shutil.rmtree(folder)


def test_one_that_cannot_start_is_one_line_and_takes_the_others_down(
    settings: Settings, tmp_path: Path
) -> None:
    services = Services(settings, tmp_path / "run", tmp_path / "log")

    # No keys file has been written, without which nobody could be let in.
    with pytest.raises(Unready, match=r"^\w+ ended while starting: .*keys.json") as caught:
        services.start()

    assert "\n" not in str(caught.value)
    assert running(tmp_path / "run") == []
    assert not any(child.alive for child in services.children.values())


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with a folder and ports of their own; nothing outlives the test."""
    kafka, postgres, *ports = free_ports(6)
    yield {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)} | {
        "QINGQIAN_DATA_DIR": str(tmp_path / "data"),
        "QINGQIAN_KAFKA": f"127.0.0.1:{kafka}",
        "QINGQIAN_DATABASE": f"postgresql://qingqian:other@127.0.0.1:{postgres}/campaign",
        **{f"QINGQIAN_{n.upper()}_PORT": str(p) for n, p in zip(SERVICES, ports, strict=True)},
    }
    stop_all(tmp_path / "data" / "run")


def qingqian(
    installation: dict[str, str], *arguments: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command as that user would; it has to end with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        capture_output=True, text=True, cwd=ROOT, env=installation, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


def processes(installation: dict[str, str]) -> dict[str, int]:
    """Process ids of what runs in the installation's folder."""
    return {child.name: child.pid for child in running(run_of(installation))}


def run_of(installation: dict[str, str]) -> Path:
    return Path(installation["QINGQIAN_DATA_DIR"]) / "run"


def test_up_stays_up_twice_is_once_and_down_leaves_nothing(installation: dict[str, str]) -> None:
    ports = [int(installation[f"QINGQIAN_{name.upper()}_PORT"]) for name in SERVICES]
    up = qingqian(installation, "up")
    shown = up.stdout
    assert "after the campaign of dengfeng-2021-35" in up.stderr.splitlines()[-1]
    first = processes(installation)
    assert set(first) == {*SERVICES, "kafka", "postgres"}
    for port in ports:
        assert f"http://127.0.0.1:{port}" in shown
        assert readiness(f"http://127.0.0.1:{port}") == (True, "")

    assert qingqian(installation, "up").stdout == shown
    assert processes(installation) == first
    assert "FAIL" not in qingqian(installation, "doctor").stdout

    down = qingqian(installation, "down", "--wipe").stdout

    assert all(name in down for name in first)
    assert down.endswith("; kept: checkpoint.pem, checkpoint.pub\n")
    assert processes(installation) == {}
    for port in ports:
        assert readiness(f"http://127.0.0.1:{port}") == (False, "it does not answer")
    left = Path(installation["QINGQIAN_DATA_DIR"]).rglob("*")
    # The key of the checkpoints, which outlives what it signed, and the lock.
    names = {path.name for path in left if path.is_file()}
    assert names == {"checkpoint.pem", "checkpoint.pub", "starting"}


def test_doctor_misses_what_was_killed_and_up_brings_it_back(
    installation: dict[str, str],
) -> None:
    qingqian(installation, "up")
    before = processes(installation)

    for killed in ("routing", "kafka", "postgres"):
        adopted = adopt(killed, run_of(installation))
        assert adopted is not None
        adopted.kill()

        named = "postgresql" if killed == "postgres" else killed
        told = qingqian(installation, "doctor", code=2).stdout
        (line,) = [line for line in told.splitlines() if line.startswith(f"FAIL  {named}: ")]
        assert "not running, though others of the stack are (" in line
        assert line.endswith("Fix: qingqian up (it starts what is missing)")

        qingqian(installation, "up")
        assert "FAIL" not in qingqian(installation, "doctor").stdout

    after = processes(installation)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} >= {"kafka", "routing"}
    qingqian(installation, "down", "--wipe")


def test_of_two_ups_at_one_moment_one_starts_everything_and_the_other_says_so(
    installation: dict[str, str],
) -> None:
    ups = [
        subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "up"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=installation,
        )
        for _ in range(2)
    ]  # fmt: skip
    told = [up.communicate(timeout=180)[1] for up in ups]
    said = dict(zip([up.returncode for up in ups], told, strict=True))

    assert said.keys() == {0, 2}
    (line,) = said[2].splitlines()
    assert "another command starts or wipes this folder's stack" in line
    assert set(processes(installation)) == {*SERVICES, "kafka", "postgres"}
    qingqian(installation, "down", "--wipe")


def test_doctor_tells_a_foreign_broker_from_this_folder_s_own(
    installation: dict[str, str], stack: LocalStack
) -> None:
    """By the cluster's id: a port says nothing of whose log stands behind it."""
    foreign = installation | {"QINGQIAN_KAFKA": stack.bootstrap}
    line = doctor_of_kafka(foreign)
    assert f"a foreign broker (cluster {stack.kafka.cluster_id}) answers on " in line
    assert "this folder has no log yet" in line
    assert line.endswith("Fix: stop that one, or choose another port with QINGQIAN_KAFKA")

    data = Path(installation["QINGQIAN_DATA_DIR"])
    meta = data / "kafka" / "data" / "meta.properties"
    meta.parent.mkdir(parents=True)
    meta.write_text("version=1\ncluster.id=another\n", "utf-8")
    assert "this folder has cluster another" in doctor_of_kafka(foreign)

    meta.write_text(f"cluster.id={stack.kafka.cluster_id}\n", "utf-8")
    line = doctor_of_kafka(foreign)
    assert f"this folder's own broker (cluster {stack.kafka.cluster_id}) runs on " in line
    assert "Fix: end that process, then qingqian up" in line


def doctor_of_kafka(installation: dict[str, str]) -> str:
    """The one line that a failing doctor has for Kafka."""
    told = qingqian(installation, "doctor", code=2).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("FAIL  kafka: ")]
    return line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_that_is_interrupted_stops_what_it_has_started_and_nothing_else(
    installation: dict[str, str], number: signal.Signals
) -> None:
    """Interrupted when the services start; then again with Kafka left from before."""
    interrupted_up(installation, number)
    assert processes(installation) == {}

    data = Path(installation["QINGQIAN_DATA_DIR"])
    port = int(installation["QINGQIAN_KAFKA"].rpartition(":")[2])
    kafka = Kafka(data / "kafka", data / "run", data / "log" / "kafka.log", port)
    kafka.start()
    before = processes(installation)
    interrupted_up(installation, number)
    assert processes(installation) == before
    kafka.stop()
    LocalStack(data).wipe()


def interrupted_up(installation: dict[str, str], number: signal.Signals) -> None:
    """`qingqian up`, told to end as soon as both servers answer and the services are started."""
    with subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "up"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=installation,
        # As from a terminal: a test run in the background has Ctrl-C ignored and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as up:  # fmt: skip
        assert up.stderr is not None
        told = []
        for line in up.stderr:
            told.append(line)
            if line.startswith("starting intake"):
                break
        assert told[-1].startswith("starting intake"), told
        up.send_signal(number)
        rest = up.stderr.read()
    assert up.returncode == 130
    assert rest == "interrupted: stopping again what this call has started\n"


def test_up_with_a_service_that_cannot_start_leaves_nothing_running(
    installation: dict[str, str],
) -> None:
    keys = Path(installation["QINGQIAN_DATA_DIR"]) / "keys.json"
    keys.parent.mkdir()
    keys.write_text("not keys", "utf-8")

    done = qingqian(installation, "up", code=2)

    assert "ended while starting" in done.stderr.splitlines()[-1]
    assert processes(installation) == {}
    LocalStack(keys.parent).wipe()
