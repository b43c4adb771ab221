"""What operators watch: alert rules that fire and stay silent, boards that ask for real metrics."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import shared.reconciler.sensor  # noqa: F401 - registers Faust's own metrics
from infra.grafana import boards
from shared import metrics

RULES = Path("infra/prometheus/alerts.yml")
TESTS = Path("infra/prometheus/alerts_test.yml")
_NAME = re.compile(r"\b((?:qingqian|process)_[a-z_]+)")
_OTHERS = {"up"}


def published() -> set[str]:
    """Every sample name that the registry can publish."""
    names: set[str] = set()
    for family in metrics.REGISTRY.collect():
        suffixes = {
            "counter": ("_total", "_created"),
            "histogram": ("_bucket", "_count", "_sum", "_created"),
        }.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


@pytest.mark.parametrize("name", sorted(boards.BOARDS))
def test_a_board_file_is_what_the_module_says(name: str) -> None:
    assert (boards.FOLDER / f"{name}.json").read_text("utf-8") == boards.text(name)


@pytest.mark.parametrize("name", sorted(boards.BOARDS))
def test_every_panel_asks_for_a_metric_that_exists(name: str) -> None:
    asked = set(_NAME.findall(boards.text(name)))

    assert asked
    assert asked <= published()


def test_every_alert_asks_for_a_metric_that_exists() -> None:
    asked = {name for rule in rules() for name in _NAME.findall(rule["expr"])}

    assert asked
    assert asked <= published() | _OTHERS


@pytest.mark.parametrize("name", ["qingqian_alerts", "qingqian_parked", "qingqian_retries"])
def test_a_labelled_counter_that_alerts_watch_stands_at_zero_from_the_start(name: str) -> None:
    """`increase` sees no step in a series that begins with it: nobody would hear of the first."""
    code = (
        "from shared import metrics\n"
        "for family in metrics.REGISTRY.collect():\n"
        f"    if family.name == {name!r}:\n"
        "        print(*(sample.value for sample in family.samples if sample.labels))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    values = run.stdout.split()
    assert values
    assert 0.0 in map(float, values)


def test_every_reason_to_park_a_record_is_counted_from_the_start() -> None:
    """The codes as they stand where they are raised."""
    sources = [path.read_text("utf-8") for path in Path("shared").rglob("*.py")]
    sources += [path.read_text("utf-8") for path in Path("services").rglob("*.py")]
    raised = {code for text in sources for code in re.findall(r'Unreadable\("(\w+)"', text)}
    raised |= {code for text in sources for code in re.findall(r'PARKED\.labels\("(\w+)"', text)}

    assert len(raised) > 10
    assert raised <= set(metrics.REASONS)


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket", "notice")
        assert len(rule["annotations"]["summary"]) > 20
        assert len(rule["annotations"]["runbook"]) > 40


def test_every_alert_has_a_firing_and_a_silent_test() -> None:
    tests = {test["name"] for test in yaml.safe_load(TESTS.read_text("utf-8"))["tests"]}

    for rule in rules():
        assert {f"{rule['alert']} fires", f"{rule['alert']} stays silent"} <= tests


@pytest.mark.parametrize("command", [("check", RULES), ("test", TESTS)])
def test_promtool_agrees(command: tuple[str, Path]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on this machine (Debian package `prometheus`)")
    verb, file = command
    done = subprocess.run(
        [promtool, verb, "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
