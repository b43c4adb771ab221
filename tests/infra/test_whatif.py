"""What another book would have decided of the same facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from infra import whatif
from infra.history import read
from infra.problem import Refused
from tests.infra.stories import PLAIN, RAW, Told


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    return Told(PLAIN, folder).export(folder / "log.jsonl")


def asked(
    tmp_path: Path, log: Path, book: Any, capsysbinary: pytest.CaptureFixture[bytes]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    path = tmp_path / "book.yaml"
    path.write_bytes(orjson.dumps(book))
    assert whatif.run(path, log) == 0
    *lines, summary = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    return lines, summary["summary"]


@pytest.mark.parametrize("book", [RAW, {"title": RAW["title"]}], ids=["whole", "nothing changed"])
def test_the_same_book_makes_no_difference(
    tmp_path: Path, log: Path, capsysbinary: pytest.CaptureFixture[bytes], book: Any
) -> None:
    lines, summary = asked(tmp_path, log, book, capsysbinary)
    assert lines == []
    assert summary["differ"] == 0
    assert summary["before"] == summary["after"]
    assert summary["facts"] == len(PLAIN)


def test_a_longer_first_contact_moves_its_deadline_and_alerts(
    tmp_path: Path, log: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Nobody contacts the second complainant: T07 runs out 24 h after the assignment, or 48 h."""
    other = {"timers": [{"id": "T07", "length": {"unit": "h", "n": 48}}]}
    lines, summary = asked(tmp_path, log, other, capsysbinary)
    assert summary["differ"] == len(lines) > 0
    deadlines = [line for line in lines if line["type"] == "DeadlineSet"]
    assert [line["what"] for line in deadlines] == ["T07", "T07"]
    assert "2021-11-13T02:00:00Z" in {line["before"]["due_at"] for line in deadlines}
    assert "2021-11-14T02:00:00Z" in {line["after"]["due_at"] for line in deadlines}
    moved = [line for line in lines if line["type"] == "AlertRaised"]
    assert moved
    assert all(line["what"].startswith("T07") for line in moved)
    assert summary["by_type"][f"DeadlineSet {lines[-1]['change']}"] == 2


@pytest.mark.parametrize(
    ("book", "named"),
    [
        ("handling: {extension_wd: many}", "handling/extension_wd"),
        ("handling: {urgent_handle_wd: -5}", "handling/urgent_handle_wd"),
        ("campaign: {default_handle_wd: 1000000}", "campaign/default_handle_wd"),
    ],
)
def test_a_wrong_book_is_refused_by_field(book: str, named: str, tmp_path: Path, log: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(f"{book}\n")
    with pytest.raises(Refused, match=named):
        whatif.run(path, log)


def test_a_deadline_beyond_the_calendar_is_said(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text("timers: [{id: T07, length: {unit: months, n: 1000}}]\n")
    with pytest.raises(Refused, match="beyond the calendar"):
        whatif.run(path, log)


def test_a_yaml_mistake_is_refused_by_line(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text("handling:\n  - [\n")
    with pytest.raises(Refused, match=r"book\.yaml line \d"):
        whatif.run(path, log)


def test_history_is_the_facts_in_order_of_instant(log: Path) -> None:
    history = read(log)
    assert [fact.type for fact in history.facts] == [line["type"] for line in PLAIN]
    assert [book.id for book in history.books] == ["dengfeng-2021-35"]


def test_lists_of_entries_with_an_id_are_laid_over_by_id() -> None:
    base = {"timers": [{"id": "T1", "n": 1}, {"id": "T2", "n": 2}], "days": [1, 2]}
    other = {"timers": [{"id": "T2", "n": 5}], "days": [3]}
    assert whatif.merged(base, other) == {
        "timers": [{"id": "T1", "n": 1}, {"id": "T2", "n": 5}],
        "days": [3],
    }
