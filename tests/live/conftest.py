"""What several files of live tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared import keys
from shared.settings import Settings
from tests.live.rig import Rig
from tests.reporting import histories


@pytest.fixture
async def rig(settings: Settings, tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(settings, tmp_path) as found:
        yield found


@pytest.fixture
async def token(settings: Settings) -> str:
    """Keys in clear in the installation's folder; the convener's."""
    clear, _ = keys.generate(histories.policy())
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys.write(settings.keys_path, clear)
    return keys.clear_key(settings.keys_path, "convener")
