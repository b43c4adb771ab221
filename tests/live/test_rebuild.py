"""`qingqian rebuild` of a reconciler, with the toy's deciders, under a running worker."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.keyring import ensure_keys
from infra.rebuild import replayed
from shared.events import ComplaintAccepted
from shared.settings import SERVICES, Settings
from tests.live.rig import Rig, fact
from tests.live.toy import deciders

pytestmark = pytest.mark.live

START = datetime(2021, 11, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_tables_made_again_are_the_same_and_the_worker_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    async with Rig(settings, tmp_path, pace=0.1) as rig:
        await rig.govern("log", START)
        worker = rig.worker(TOY_SECONDS="36000")
        worker.start()
        await rig.producer.publish(
            [fact(f"a-{n}", f"case-{n}", ComplaintAccepted(), START) for n in range(100)]
        )
        await rig.advance(START + 5 * HOUR)
        await rig.quiet([worker], clock=START + 5 * HOUR)
        table, count = await rig.table(), len(await rig.records())

        rebuilt = await replayed(settings, "supervision", deciders(10 * HOUR))
        assert rebuilt is not None
        assert not rebuilt.beyond
        assert not rebuilt.not_owed
        assert await rig.table() == table
        assert len(await rig.records()) == count

        await rig.advance(START + 20 * HOUR)
        await rig.quiet([worker], clock=START + 20 * HOUR)
        alerts = [event for event in await rig.events() if event.type == "AlertRaised"]
        assert len(alerts) == len({alert.id for alert in alerts}) == 200


async def test_what_is_owed_beyond_the_log_is_published_once_the_end_is_reached(
    settings: Settings, tmp_path: Path
) -> None:
    async with Rig(settings, tmp_path) as rig:
        await rig.govern("log", START)
        await rig.producer.publish(
            [fact(f"a-{n}", f"case-{n}", ComplaintAccepted(), START) for n in range(10)]
        )
        first = await replayed(settings, "supervision", deciders(10 * HOUR))
        assert first is not None
        assert first.beyond == {"DeadlineSet": 10}  # The units' own are decided by the clock.
        assert len(await rig.records()) == 10 + 10
        again = await replayed(settings, "supervision", deciders(10 * HOUR))
        assert again is not None
        assert not again.beyond
        assert len(await rig.records()) == 10 + 10


async def test_all_four_are_rebuilt_by_the_command(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs: intake and reporting are started for it, and stopped again."""
    ensure_keys(settings)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    async with Rig(settings, tmp_path) as rig:
        await rig.govern("log", START)
        await rig.producer.publish(
            [fact(f"a-{n}", f"case-{n}", ComplaintAccepted(), START) for n in range(30)]
        )
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "infra.cli", "rebuild"],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        shown = [re.sub(r"\d+\.\d s$", "… s", line) for line in done.stdout.splitlines()]
        told = [line for line in shown if "owed beyond the log" not in line]
        assert told == [
            line
            for name in SERVICES
            for line in (f"{name}: rebuilding from the log", f"{name}: rebuilt in … s")
        ]
        journals = {path.name for path in (settings.data_dir / "log").iterdir()}
        assert journals == {"intake.log", "rebuild.log", "reporting.log"}
        for name in ("routing", "supervision"):
            assert len(await rig.table(name)) >= 30  # type: ignore[arg-type]
        async with rig.database() as database:
            for name in ("intake", "reporting"):
                tables = await database.fetchval(
                    "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1",
                    settings.schema(name),
                )
                assert tables > 0
        assert not await rig.readiness(rig.worker("intake", first=True))
