"""One story a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.telling import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


@pytest.fixture
def city(tmp_path: Path) -> Story:
    """A story in which the units and the city are watched too."""
    return Story(tmp_path, units=True)
