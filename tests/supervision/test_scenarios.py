"""The acceptance scenarios of domain.md 8, to the instant, in continuous time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import SCENARIOS, Scenario
from tests.stories.telling import Story


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.name))
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    story = Story(tmp_path, units=True, name=scenario.name)
    scenario.given(story)
    story.run(scenario.until)
    scenario.then(story)
