"""The README tells the truth: its tables are the code's, its commands exist, its demo is a run."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from infra import readme, simulator
from infra.cli import app
from infra.keyring import ensure_keys
from services.reporting.api import application
from services.reporting.service import Reporting
from shared.events import TYPES
from shared.policy import adopt, read_book
from shared.settings import Settings

TEXTS = {path.name: path.read_text("utf-8") for path in readme.READMES}


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("section", ["events", "metrics"])
def test_a_generated_table_is_what_the_code_says(name: str, section: str) -> None:
    assert readme.section(TEXTS[name], section) == readme.SECTIONS[section]()


def test_both_languages_show_the_same_run() -> None:
    english, chinese = (readme.section(TEXTS[path.name], "demo") for path in readme.READMES)

    assert english == chinese
    assert "verdict: clean" in english


def outline(text: str) -> list[str]:
    """Headings by level, tables by their rows, lists by their points, fenced blocks by their
    language; in order.
    """
    marks: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            marks += [line.strip()] if fenced else []
        elif not fenced and line.startswith("#"):
            marks.append(line.partition(" ")[0])
        elif not fenced and line.startswith("|"):
            marks.append("row")
        elif not fenced and line.startswith("- "):
            marks.append("point")
    return marks


def test_both_languages_have_the_same_headings_tables_and_blocks() -> None:
    english, chinese = (outline(TEXTS[path.name]) for path in readme.READMES)

    assert english == chinese


def test_both_languages_show_the_same_commands() -> None:
    english, chinese = (
        [
            line.partition(" #")[0].rstrip()
            for line in TEXTS[path.name].splitlines()
            if line.startswith(("qingqian ", "python3 ", "make ", "curl "))
        ]
        for path in readme.READMES
    )

    assert english == chinese


def known_commands() -> set[str]:
    """What the command line has."""
    return {
        command.name or getattr(command.callback, "__name__", "").strip("_").replace("_", "-")
        for command in app.registered_commands
    }


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_command_for_a_person_is_shown(name: str) -> None:
    """`make` runs some, and the containers run others."""
    for command in known_commands() - {"demo", "bench", "topics", "keys"}:
        assert f"qingqian {command}" in TEXTS[name], command
    assert "/openapi.json" in TEXTS[name]


def test_the_complaints_of_a_simulated_story_are_got_as_shown(tmp_path: Path) -> None:
    """The README's own line, on what its `simulate` writes, gives what `feed` takes."""
    (line,) = [line for line in TEXTS["README.md"].splitlines() if line.startswith("python3 -c")]
    simulator.run(file=tmp_path / "story.jsonl", seed=1, size="small")

    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)

    complaints = (tmp_path / "complaints.jsonl").read_text("utf-8").splitlines()
    assert len(complaints) == len(simulator.received(1, "small"))
    assert all(json.loads(complaint)["source_ref"] for complaint in complaints)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_command_shown_exists(name: str) -> None:
    known = known_commands()
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


# --- the plan, clause by clause -------------------------------------------------------------------

ROOT = readme.READMES[0].parent
BOOK = ROOT / "shared/policies/dengfeng-2021-35"
CLAUSES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (BOOK / "README.md").read_text("utf-8").splitlines()
    if re.match(r"\| [二三四五]", line)
]


def reporting(folder: Path) -> FastAPI:
    """The app, not started: its routes are asked for and nothing else."""
    settings = Settings(data_dir=folder)
    ensure_keys(settings)
    return application(Reporting(settings))


def test_each_clause_names_what_there_is(tmp_path: Path) -> None:
    policy = adopt(read_book(BOOK.name), datetime.fromisoformat("2021-11-10T00:00+08:00"), "x")
    routes = reporting(tmp_path).openapi()["paths"]
    assert len(CLAUSES) > 20
    for clause, _, means, where, tests in CLAUSES:
        for name in re.findall(r"`([^`]+)`", means):
            if name.startswith("GET "):
                form = re.sub(r"\.(json|xlsx)$", r".{form}", name.removeprefix("GET "))
                assert form in routes, (clause, name)
            else:
                assert name in TYPES, (clause, name)
        for code in re.findall(r"\b[TA]\d+\b", means):
            assert code in policy.timers | policy.dates, (clause, code)
        for file in re.findall(r"`([^`]+)`", f"{where} {tests}"):
            assert (BOOK if file.endswith(".yaml") else ROOT).joinpath(file).exists(), file
        assert "`tests/" in tests, clause


def test_every_date_and_target_of_the_plan_has_its_clause() -> None:
    told = " ".join(means for _, _, means, _, _ in CLAUSES)
    for date in read_book(BOOK.name)["campaign"]["dates"]:
        assert re.search(rf"\b{date['id']}\b", told), date
    source = (ROOT / "services/reporting/clearance.py").read_text("utf-8")
    predicates = set(re.findall(r'"(P[1-4](?:-[a-z]+)?)"', source))
    assert predicates - {"P1", "P2", "P3"} <= set(re.findall(r"P[1-4](?:-[a-z]+)?", told))
