"""One command at a time starts the stack of a data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.problem import Unready
from infra.stack.local import starting
from infra.stack.process import running, spawn

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
            f"another command is starting the stack of this folder, pid {holder.pid}. "
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
