"""Intake's own OpenAPI document against it: no input brings it down or surprises its reader."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.live.intake_desk import Desk

pytestmark = pytest.mark.live


async def test_what_is_documented_is_what_is_answered(settings: Settings, tmp_path: Path) -> None:
    """Hundreds of derived requests: no 500, no undocumented status, body, header or method."""
    desk = Desk(settings, tmp_path)
    await desk.start()
    try:
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"{settings.url('intake')}/openapi.json",
            *("--phases", "coverage", "--seed", "1", "--no-color"),
            # What is well-formed may still be refused: an unknown case, a date in the future.
            *("--exclude-checks", "positive_data_acceptance"),
            # NDJSON is no media type that it can make.
            *("--exclude-path", "/v1/complaints:stream"),
            *("-H", f"Authorization: {desk.bearer()['authorization']}"),
        ]
        found = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-1000:]
    finally:
        await desk.close()
