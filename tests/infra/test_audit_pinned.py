"""What a publication pins is what stood on the log at its cut-off, and there is one of an issue."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.audit import Audit, audit_file
from infra.audit.pool import Rules
from shared.envelope import derived_id
from shared.events import BulletinIssued, ComplainantTold
from shared.log import PARTITIONS
from tests.infra.tampering import Docs
from tests.infra.town import SECOND, Town, complaint, toy_deciders

RULES = Rules(toy_deciders())


def told_town() -> tuple[Town, datetime]:
    """Forty facts, one a second; a bulletin whose cut-off is the twentieth's instant, inclusive."""
    town = Town(toy_deciders(), Random(0))
    cut_off = town.now + 20 * SECOND
    for number in range(40):
        town.now += SECOND
        subject = derived_id("case", str(number % 5))
        if number < 5:
            town.fact(subject, complaint(str(number)))
        town.fact(subject, ComplainantTold(of=f"fact {number}"))
    return town, cut_off


def known(town: Town, cut_off: datetime) -> dict[str, int]:
    """Of each partition how many records were recorded by then."""
    return {
        f"case-events/{number}": sum(
            item.event.recordedtime <= cut_off for item in town.log["case-events", number]
        )
        for number in range(PARTITIONS)
    }


def audited(path: Path, *, more: int = 0, number: int = 1) -> Audit:
    """A log with a bulletin on it that pins `more` than stood there, where most stands."""
    town, cut_off = told_town()
    positions = known(town, cut_off)
    fullest = max(positions, key=lambda name: positions[name])
    positions[fullest] += more
    town.now += timedelta(hours=9)
    town.issue(BulletinIssued(issue_no=number, as_of=cut_off, hash="h", positions=positions))
    return audit_file(town.export(path), RULES)


def test_what_was_known_at_the_cut_off_is_pinned(tmp_path: Path) -> None:
    audit = audited(tmp_path / "log.jsonl")
    assert audit.clean, [finding.sentence for finding in audit.findings]


@pytest.mark.parametrize("more", [-1, 1])
def test_a_position_before_or_after_the_cut_off_is_found(tmp_path: Path, more: int) -> None:
    [finding] = audited(tmp_path / "log.jsonl", more=more).findings
    assert finding.finding == "wrong"
    assert finding.found - finding.expected == more
    assert finding.sentence.startswith("BulletinIssued of governance pins case-events/")


@pytest.mark.parametrize(
    "change", [{"recordedtime": "2021-11-10T09:00:00"}, {"id": ["x"]}, {"recordedtime": 5}]
)
def test_a_record_that_is_no_event_is_a_finding_beside_publications(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    def spoil(docs: Docs) -> None:
        places = [doc["event"]["type"] == "ComplainantTold" for doc in docs]
        docs[places.index(True)]["event"] |= change

    town, cut_off = told_town()
    town.issue(BulletinIssued(issue_no=1, as_of=cut_off, hash="h", positions=known(town, cut_off)))
    audit = audit_file(town.export(tmp_path / "log.jsonl", spoil), RULES)
    assert "foreign_writer" in {finding.finding for finding in audit.findings}


def test_a_second_bulletin_of_one_number_has_no_id_of_its_own(tmp_path: Path) -> None:
    def copy(docs: Docs) -> None:
        [doc] = [doc for doc in docs if doc["event"]["type"] == "BulletinIssued"]
        other = doc["event"] | {"id": "another"}
        docs.insert(docs.index(doc) + 1, doc | {"event": other, "offset": doc["offset"] + 1})

    town, cut_off = told_town()
    positions = known(town, cut_off)
    town.issue(BulletinIssued(issue_no=1, as_of=cut_off, hash="h", positions=positions))
    [finding] = audit_file(town.export(tmp_path / "log.jsonl", copy), RULES).findings
    assert (finding.finding, finding.found) == ("wrong", "another")
