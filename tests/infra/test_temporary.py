"""Temporary files of the stack's processes stand in its own data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import temporary

LISTENER = """
import sys
from multiprocessing.connection import Listener
with Listener(family="AF_UNIX") as listener:
    print(listener.address)
"""


def listening_below(folder: Path) -> str:
    """The address of a socket that multiprocessing has opened with its files in a folder."""
    plain = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run(
        [sys.executable, "-c", LISTENER],
        capture_output=True, text=True, env=plain | temporary.setting(folder), check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_what_a_killed_process_has_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    folder = tmp_path / "tmp" / "intake"
    for _ in range(2):
        assert list(temporary.emptied(folder).iterdir()) == []
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "pymp-left").mkdir()
        (folder / "pymp-left" / "listener").touch()


@pytest.mark.parametrize("room", [0, 1])
def test_a_socket_is_never_given_a_path_longer_than_the_system_takes(
    tmp_path_factory: pytest.TempPathFactory, room: int
) -> None:
    """At the longest path that is used a socket can be opened; one byte more, and it is not."""
    base = tmp_path_factory.getbasetemp()
    length = 103 - len("/pymp-12345678/listener-12345678") - len(os.fsencode(base)) - 1 + room
    folder = temporary.emptied(base / ("x" * length))
    assert (listening_below(folder).startswith(str(folder))) == (room == 0)
