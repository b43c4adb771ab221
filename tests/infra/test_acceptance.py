"""The published acceptance stories, by their own checker, where they lie beside the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CHECKER = PROJECT.parent / "shared" / "acceptance" / "check_stories.py"
QINGQIAN = Path(sys.executable).with_name("qingqian")


@pytest.mark.skipif(
    not CHECKER.is_file(), reason="the acceptance stories are not beside the project"
)
def test_every_published_story_holds() -> None:
    assert QINGQIAN.is_file(), "the console script is installed beside the interpreter"
    command = [sys.executable, "-B", str(CHECKER), "--cmd", str(QINGQIAN)]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("stories: ")
