"""The four services as processes: up together, awaited, gone together; also by `qingqian up`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.keyring import ensure_keys
from infra.problem import Unready
from infra.ready import readiness
from infra.stack.process import free_ports, running
from infra.stack.services import STOP_SECONDS, Services
from shared.settings import PREFIX, SERVICES, Settings

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


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


def test_up_stays_up_twice_is_once_and_down_leaves_nothing(tmp_path: Path) -> None:
    kafka, postgres, *ports = free_ports(6)
    environment = {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)} | {
        "QINGQIAN_DATA_DIR": str(tmp_path / "data"),
        "QINGQIAN_KAFKA": f"127.0.0.1:{kafka}",
        "QINGQIAN_DATABASE": f"postgresql://qingqian:other@127.0.0.1:{postgres}/campaign",
        **{f"QINGQIAN_{n.upper()}_PORT": str(p) for n, p in zip(SERVICES, ports, strict=True)},
    }

    def qingqian(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            capture_output=True, text=True, cwd=ROOT, env=environment, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes() -> dict[str, int]:
        files = (tmp_path / "data" / "run").glob("*.json")
        return {file.stem: json.loads(file.read_text("utf-8"))["pid"] for file in files}

    try:
        shown = qingqian("up")
        first = processes()
        assert set(first) == {*SERVICES, "kafka", "postgres"}
        for port in ports:
            assert f"http://127.0.0.1:{port}" in shown
            assert readiness(f"http://127.0.0.1:{port}") == (True, "")

        assert qingqian("up") == shown
        assert processes() == first
        assert "FAIL" not in qingqian("doctor")
    finally:
        down = qingqian("down", "--wipe")

    assert all(name in down for name in first)
    assert running(tmp_path / "data" / "run") == []
    for port in ports:
        assert readiness(f"http://127.0.0.1:{port}") == (False, "it does not answer")
    assert list((tmp_path / "data").iterdir()) == []
