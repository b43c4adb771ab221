"""The README tells the truth: its tables are the code's, its commands exist, its demo is a run."""

from __future__ import annotations

import re

import pytest

from infra import readme
from infra.cli import app

TEXTS = {path.name: path.read_text("utf-8") for path in readme.READMES}


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("section", ["events", "metrics"])
def test_a_generated_table_is_what_the_code_says(name: str, section: str) -> None:
    assert readme.section(TEXTS[name], section) == readme.SECTIONS[section]()


def test_both_languages_show_the_same_run() -> None:
    english, chinese = (readme.section(TEXTS[path.name], "demo") for path in readme.READMES)

    assert english == chinese
    assert "verdict: clean" in english


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_command_shown_exists(name: str) -> None:
    known = {
        command.name or getattr(command.callback, "__name__", "").strip("_").replace("_", "-")
        for command in app.registered_commands
    }
    shown = set(re.findall(r"^qingqian ([a-z-]+)", TEXTS[name], re.MULTILINE))
    shown |= set(re.findall(r"`qingqian ([a-z-]+)", TEXTS[name]))

    assert shown
    assert shown <= known


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_make_target_shown_exists(name: str) -> None:
    makefile = readme.READMES[0].with_name("Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", TEXTS[name], re.MULTILINE))

    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
