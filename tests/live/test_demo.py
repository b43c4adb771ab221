"""The commands `demo` and `play` on stacks of their own: what they show, and that nothing stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from infra import audit, readme, simulator
from infra.ready import clock_of
from infra.stack import LocalStack
from infra.stack.process import free_ports, running
from shared.envelope import case_id_of

pytestmark = pytest.mark.live

COMMAND = [sys.executable, "-m", "infra.cli"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that PostgreSQL's own user may reach."""
    made = Path(tempfile.mkdtemp(prefix="qingqian-demo-"))
    made.chmod(0o755)
    yield made
    assert [child.name for child in running(made / "run")] == []
    shutil.rmtree(made)


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Settings of an installation in that folder, on ports of its own."""
    kafka, postgres, *ports = free_ports(6)
    names = ("INTAKE_PORT", "ROUTING_PORT", "SUPERVISION_PORT", "REPORTING_PORT")
    return {
        "QINGQIAN_DATA_DIR": str(folder),
        "QINGQIAN_KAFKA": f"127.0.0.1:{kafka}",
        "QINGQIAN_DATABASE": f"postgresql://qingqian:qingqian@127.0.0.1:{postgres}/qingqian",
        **{f"QINGQIAN_{name}": str(port) for name, port in zip(names, ports, strict=True)},
    }


def listening(environment: dict[str, str]) -> list[str]:
    """Which of the installation's services still hold their port."""
    found = []
    for name, value in environment.items():
        if name.endswith("_PORT"):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(value))) == 0:
                    found.append(name)
    return found


def test_the_readmes_own_command_prints_what_the_readme_shows(
    environment: dict[str, str], folder: Path
) -> None:
    """A whole campaign, to the letter but for what is masked; then only keys and log are left."""
    done = subprocess.run(
        readme.DEMO, env=os.environ | environment, capture_output=True, text=True, timeout=1500,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    printed = readme.masked(done.stdout.replace(str(folder), ".qingqian"))
    for path in readme.READMES:
        assert printed.splitlines() == readme.section(path.read_text("utf-8"), "demo").splitlines()
    assert audit.audit_file(folder / "export.jsonl").clean
    assert len(json.loads((folder / "keys.json").read_text())["keys"]) > 40
    left = ["checkpoint.pem", "checkpoint.pub", "export.jsonl", "keys.json"]
    assert sorted(path.name for path in folder.iterdir()) == left
    assert listening(environment) == []


def test_ctrl_c_ends_the_demo_with_everything_it_started(
    environment: dict[str, str], folder: Path
) -> None:
    child = subprocess.Popen(
        [*COMMAND, "demo", "--size", "small"],
        env=os.environ | environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        # As from a terminal: a test run in the background has Ctrl-C ignored and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert child.stdout is not None
    started = next((line for line in child.stdout if "complaints" in line), None)
    assert started is not None, "the campaign began"
    pids = [found.pid for found in running(folder / "demo" / "run")]
    assert len(pids) >= 6
    others_are_told_of_the_demo(environment, child.pid)
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert "stopping" in rest
    assert child.returncode == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert not (folder / "demo").exists()


def others_are_told_of_the_demo(environment: dict[str, str], pid: int) -> None:
    """Each other command of the folder names the demo's pid and how it is ended; it goes on."""
    fix = f"pid {pid}. Fix: end it with Ctrl-C in its terminal, or with: kill {pid}\n"
    for arguments in (["up"], ["down"], ["down", "--wipe"], ["demo", "--size", "small"]):
        done = command(environment, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert len(done.stderr.splitlines()) == 1
        assert "demo of this folder is " in done.stderr
        assert done.stderr.endswith(fix)
    doctor = command(environment, "doctor")
    assert doctor.returncode == 0, "nothing is missing while a demo serves"
    assert "FAIL" not in doctor.stdout
    (named,) = [line for line in doctor.stdout.splitlines() if line.startswith("ok    demo: ")]
    assert f"pid {pid}. Before qingqian up or play: end it " in named
    assert named.endswith(f"kill {pid}")
    assert doctor.stdout.count("the demo's, on ") == 2
    assert doctor.stdout.count("the demo's, ready on ") == 4
    assert doctor.stdout.endswith("\nnothing is missing\n")
    assert len(listening(environment)) == 4


def test_down_ends_what_is_left_of_a_demo_that_was_killed(
    environment: dict[str, str], folder: Path
) -> None:
    left = LocalStack(folder / "demo", keep=True)
    left.start()

    refused = command(environment, "demo", "--size", "small")
    assert refused.returncode == 2
    assert "kafka, postgres. Fix: qingqian down ends it" in refused.stderr

    assert command(environment, "down").stdout == "stopped: kafka, postgres\n"
    assert running(folder / "demo" / "run") == []
    left.stop()
    left.wipe()


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def story(folder: Path) -> Path:
    """The first three lines of one case."""
    file = folder / "story.jsonl"
    lines = [line for line in simulator.plan(1, "small") if line["case"] == "c0001"][:3]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def label_and_id(story: Path) -> str:
    data = json.loads(story.read_text("utf-8").splitlines()[0])["data"]
    return f"c0001\t{case_id_of(data['source'], data['source_ref'])}\n"


def test_play_needs_an_empty_log_and_leaves_the_services_answering(
    environment: dict[str, str], story: Path, folder: Path
) -> None:
    try:
        played = command(environment, "play", str(story))
        assert played.returncode == 0, played.stderr
        assert played.stdout == label_and_id(story)
        assert len(listening(environment)) == 4
        again = command(environment, "play", str(story))
        assert again.returncode == 2
        assert "the log is not empty" in again.stderr
        assert "qingqian down --wipe" in again.stderr
        demo = command(environment, "demo", "--size", "small")
        assert (demo.returncode, demo.stdout) == (2, "")
        assert "this folder's own stack is running (intake, kafka, " in demo.stderr
        assert "Fix: qingqian down ends it" in demo.stderr
        assert len(listening(environment)) == 4, "what ran goes on"
    finally:
        assert command(environment, "down", "--wipe").returncode == 0
    assert listening(environment) == []


def test_play_stopped_half_way_says_how_to_begin_again(
    environment: dict[str, str], folder: Path
) -> None:
    story = folder / "a story.jsonl"
    story.write_text("".join(json.dumps(line) + "\n" for line in simulator.plan(1, "small")))
    child = subprocess.Popen(
        [*COMMAND, "play", str(story)], env=os.environ | environment, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stderr is not None
        assert any("on the log clock" in line for line in child.stderr), "it starts the services"
        moved = clock_moves(environment)
        child.send_signal(signal.SIGTERM)
        printed, told = child.communicate(timeout=60)
        assert moved, "the story was under way"
        assert (child.returncode, printed) == (130, "")
        line = told.splitlines()[-1]
        assert line.startswith("interrupted: ")
        assert "Traceback" not in told
        assert line.endswith(f": qingqian down --wipe, then qingqian play '{story}'")
        assert len(listening(environment)) == 4, "what was played is served"
    finally:
        child.kill()
        assert command(environment, "down", "--wipe").returncode == 0


def clock_moves(environment: dict[str, str]) -> bool:
    """Wait until the log's clock has moved from where it first stood; False if it never does."""
    seen: set[datetime] = set()
    deadline = time.monotonic() + 120
    while len(seen) < 3 and time.monotonic() < deadline:
        clock = clock_of(f"http://127.0.0.1:{environment['QINGQIAN_INTAKE_PORT']}")
        if clock is not None:
            seen.add(clock)
        time.sleep(0.05)
    return len(seen) == 3


def test_play_takes_over_a_running_stack_that_has_no_case_yet(
    environment: dict[str, str], story: Path
) -> None:
    try:
        assert command(environment, "up").returncode == 0
        played = command(environment, "play", str(story))
        assert played.returncode == 0, played.stderr
        assert "beginning it again on the log clock" in played.stderr
        assert played.stdout == label_and_id(story)
        port = environment["QINGQIAN_INTAKE_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            clock = json.load(answer)["clock"]
        last = json.loads(story.read_text("utf-8").splitlines()[-1])["at"]
        assert datetime.fromisoformat(clock) == datetime.fromisoformat(last)
    finally:
        assert command(environment, "down", "--wipe").returncode == 0


def test_a_story_that_cannot_be_read_starts_nothing(
    environment: dict[str, str], folder: Path
) -> None:
    bad = folder / "bad.jsonl"
    bad.write_text('{"at": "2021-11-10T09:00:00", "case": "A", "type": "X"}\n')
    refused = command(environment, "play", str(bad))
    assert refused.returncode == 1
    assert "line 1: `at`" in refused.stderr
    assert listening(environment) == []
