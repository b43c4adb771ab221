"""The audit with routing's and supervision's own deciders, on stories and on the running log."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import orjson
import pytest

from infra import audit, importer
from infra.audit import Audit, audit_file
from infra.dry_run import DryRun
from infra.problem import Unready
from infra.story import read_story
from shared.settings import Settings
from tests.infra import tampering
from tests.infra.stories import PLAIN, Told

STORIES = sorted((Path(__file__).parents[3] / "shared" / "acceptance" / "stories").glob("*.jsonl"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    return Told(PLAIN, folder).export(folder / "log.jsonl")


def said(found: Audit) -> str:
    return "\n".join(f"{finding.finding}: {finding.sentence}" for finding in found.findings)


def test_a_story_is_decided_again_just_so(log: Path) -> None:
    found = audit_file(log)
    assert found.clean, said(found)
    # Two cases for two services, their match and group streams, 22 units and the city.
    assert found.streams >= 27
    assert re.search(r"\d+ events, \d+ streams .*\nno checkpoint.*\nverdict: clean", found.report())


@pytest.mark.skipif(not STORIES, reason="the acceptance stories are not beside the project")
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_an_acceptance_story_is_decided_again_just_so(path: Path, tmp_path: Path) -> None:
    lines = read_story(path)
    told = Told([orjson.loads(line) for line in path.read_bytes().splitlines()], tmp_path)
    found = audit_file(told.export(tmp_path / "log.jsonl"))
    assert found.clean, said(found)
    assert found.events > len(lines)
    assert DryRun(lines, told.policy).refused == []


def tampered(log: Path, path: Path, tamper: tampering.Tamper) -> Audit:
    docs = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert tamper(docs, Random(3))
    path.write_bytes(b"".join(orjson.dumps(doc) + b"\n" for doc in docs))
    return audit_file(path)


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (tampering.a_level_is_raised, "wrong"),
        (tampering.a_due_date_is_moved, "wrong"),
        (tampering.a_decision_is_taken_out, "omitted"),
        (tampering.a_step_is_decided_early, "premature"),
        (tampering.a_book_nobody_adopted, "unknown_policy"),
        (tampering.somebody_else_writes, "foreign_writer"),
    ],
)
def test_one_hand_in_a_story_is_one_finding(
    log: Path, tmp_path: Path, tamper: tampering.Tamper, kind: str
) -> None:
    found = tampered(log, tmp_path / "log.jsonl", tamper)
    assert [finding.finding for finding in found.findings] == [kind], said(found)


def test_an_assignment_to_another_task_force_is_wrong(log: Path, tmp_path: Path) -> None:
    """And so is whom supervision told of it: it read another assignment than the log now has."""

    def reassign(docs: tampering.Docs, random: Random) -> bool:
        index = tampering.of_type(docs, "CaseAssigned")[0]
        docs[index]["event"]["data"]["task_force"] = "TF6"
        return True

    found = tampered(log, tmp_path / "log.jsonl", reassign)
    assert {finding.finding for finding in found.findings} == {"wrong"}
    first = [finding for finding in found.findings if "CaseAssigned" in finding.sentence]
    assert [finding.found for finding in first] == [{"/data/task_force": "TF6"}]


# --- the running log ------------------------------------------------------------------------------


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.mark.live
def test_the_running_log_is_audited_to_its_end(
    here: Settings, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    importer.run(log)
    capsys.readouterr()
    assert audit.run(None, as_json=True) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "verdict: clean" in err


@pytest.mark.live
def test_an_empty_running_log_is_clean(here: Settings) -> None:
    assert audit.audit_kafka().clean


def test_without_a_broker_the_audit_could_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGQIAN_KAFKA", "127.0.0.1:9")
    with pytest.raises(Unready, match="qingqian up") as caught:
        audit.run(None, as_json=False)
    assert caught.value.exit_code == 2
