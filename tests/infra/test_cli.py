"""The command line: quick to start, one line for a user's mistake, the contract's exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import PREFIX

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "up", "down", "doctor", "feed", "route", "dry-run", "audit", "export", "import", "play",
    "rebuild", "whatif", "explain", "demo", "bench", "topics",
)  # fmt: skip


def qingqian(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean | environment,
        timeout=60,
        check=False,
    )


def test_every_command_of_the_contract_is_there() -> None:
    shown = qingqian("--help")

    assert shown.returncode == 0
    listed = set(re.findall(r"^  ([a-z-]+)  ", shown.stdout, flags=re.M))
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nonsense",), "nonsense"),
        (("route", "/no/such/file.jsonl"), "/no/such/file.jsonl"),
        (("route",), "FILE.jsonl"),
        (("whatif",), "--policy"),
        (("rebuild", "billing"), "billing"),
        (("demo", "--size", "huge"), "huge"),
        (("audit", "--log", "/no/such/log.jsonl"), "/no/such/log.jsonl"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(arguments: tuple[str, ...], named: str) -> None:
    done = qingqian(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_makes_no_sense_is_one_line_and_exit_2() -> None:
    done = qingqian("topics", QINGQIAN_KAKFA="127.0.0.1:1")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "qingqian: QINGQIAN_KAKFA is no setting of Qingqian; did you mean QINGQIAN_KAFKA?"
    ]


def test_a_broker_that_is_not_there_is_one_line_with_the_fix() -> None:
    done = qingqian("topics", QINGQIAN_KAFKA="127.0.0.1:1")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Fix: qingqian up" in done.stderr


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    done = qingqian("down", QINGQIAN_DATA_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (0, "nothing was running\n")


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    probe = "import sys, infra.cli; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.split())

    assert "typer" in loaded
    assert not loaded & {"pydantic", "faust", "aiokafka", "fastapi", "asyncpg", "rich", "httpx"}
