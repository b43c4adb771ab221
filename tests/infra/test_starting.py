"""One command at a time starts the stack of a data folder, and says where its clock stands."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from infra.problem import Unready
from infra.stack.commands import down, out_of_campaign
from infra.stack.local import starting
from infra.stack.process import running, spawn
from shared.settings import Settings

HOLDER = """
import sys
from pathlib import Path
from infra.stack.local import starting
with starting(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is starting the stack."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        yield holder
        holder.kill()


def test_a_second_command_is_told_of_the_first_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with another(folder) as holder:
        with pytest.raises(Unready) as caught, starting(folder):
            pytest.fail("two at a time")
        assert str(caught.value) == (
            f"another command starts or wipes this folder's stack, pid {holder.pid}. "
            f"Fix: wait until it has ended, then the same command again"
        )
    assert running(folder / "run") == []


def test_what_a_command_that_was_killed_has_left_is_in_nobody_s_way(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with another(folder) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    left = folder / "run" / "starting"
    assert left.read_text() == str(holder.pid)
    with starting(folder):
        assert left.read_text() == str(os.getpid())


def test_what_a_command_has_started_does_not_hold_the_next_one_up(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    with starting(tmp_path):
        child = spawn("cat", ["sleep", "60"], run=run, log=log, env=os.environ)
    try:
        with starting(tmp_path):
            assert child.alive
    finally:
        child.kill()


def test_what_another_command_is_starting_is_not_wiped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock would go with the rest, and a third command would start the stack as well."""
    monkeypatch.setenv("QINGQIAN_DATA_DIR", str(tmp_path))
    with another(tmp_path) as holder:
        made = tmp_path / "log" / "intake.log"
        made.parent.mkdir()
        made.touch()
        with pytest.raises(
            Unready, match=rf"this folder.s stack, pid {holder.pid}\. Fix: wait until"
        ):
            down(wipe=True)
        assert made.exists()
        with pytest.raises(Unready), starting(tmp_path):
            pytest.fail("two at a time")


def test_while_a_folder_is_wiped_nothing_starts_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has opened the lock before sees by the same file who has it after."""
    monkeypatch.setenv("QINGQIAN_DATA_DIR", str(tmp_path))
    with starting(tmp_path):
        (tmp_path / "run" / "kafka.port").touch()
    lock = tmp_path / "run" / "starting"
    with lock.open("a+") as opened:
        for _ in range(2):
            assert down(wipe=True) == 0
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(Unready), starting(tmp_path):
            pytest.fail("two at a time")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [lock]


@pytest.mark.parametrize(
    ("clock", "lies"),
    [
        ("2021-11-09T23:59:59+08:00", "before"),
        ("2021-11-10T00:00:00+08:00", None),
        ("2022-04-30T23:59:59+08:00", None),
        ("2026-11-30T09:00:00+08:00", "after"),
    ],
)
def test_a_clock_out_of_the_campaign_is_told_in_one_line(clock: str, lies: str | None) -> None:
    note = out_of_campaign(Settings(), datetime.fromisoformat(clock))
    if lies is None:
        assert note is None
        return
    assert note is not None
    assert f"{lies} the campaign of dengfeng-2021-35 (2021-11-10 to 2022-04-30)" in note
    assert "\n" not in note
