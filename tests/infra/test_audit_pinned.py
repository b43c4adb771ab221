"""What a publication pins is what stood on the log at its cut-off, and there is one of an issue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.audit import Audit, audit_file
from infra.audit.pool import Proof, Rules
from services.reporting import ledgers
from services.reporting.bulletins import content_hash
from shared.checkpoint import Heads
from shared.envelope import derived_id, encode
from shared.events import (
    BulletinIssued,
    ComplainantTold,
    LedgerSnapshotTaken,
    RankingPublished,
)
from shared.log import PARTITIONS
from tests.infra.tampering import Docs, renumber
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


def issue(town: Town, cut_off: datetime, positions: dict[str, int], number: int = 1) -> None:
    """All that belongs to an issue, the bulletin last."""
    pinned: dict[str, Any] = {"as_of": cut_off, "positions": positions}
    kinds: tuple[Literal["task_forces", "townships"], ...] = ("task_forces", "townships")
    for kind in kinds:
        digest = content_hash({"items": []})
        town.issue(RankingPublished(kind=kind, issue_no=number, hash=digest, **pinned))
    for name in ledgers.TITLES:
        town.issue(LedgerSnapshotTaken(ledger=name, hash="h", **pinned))
    town.issue(BulletinIssued(issue_no=number, hash="h", **pinned))


def audited(path: Path, *, more: int = 0) -> Audit:
    """A log with a bulletin on it that pins `more` than stood there, where most stands."""
    town, cut_off = told_town()
    positions = known(town, cut_off)
    fullest = max(positions, key=lambda name: positions[name])
    positions[fullest] += more
    town.now += timedelta(hours=9)
    issue(town, cut_off, positions)
    return audit_file(town.export(path), RULES)


def test_what_was_known_at_the_cut_off_is_pinned(tmp_path: Path) -> None:
    audit = audited(tmp_path / "log.jsonl")
    assert audit.clean, [finding.sentence for finding in audit.findings]


@pytest.mark.parametrize("more", [-1, 1])
def test_a_position_before_or_after_the_cut_off_is_found(tmp_path: Path, more: int) -> None:
    found = audited(tmp_path / "log.jsonl", more=more).findings
    assert len(found) == 2 + 6 + 1
    for finding in found:
        assert finding.finding == "wrong"
        assert finding.found - finding.expected == more
        assert " of governance pins case-events/" in finding.sentence


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
    issue(town, cut_off, known(town, cut_off))
    audit = audit_file(town.export(tmp_path / "log.jsonl", spoil), RULES)
    assert "foreign_writer" in {finding.finding for finding in audit.findings}


def test_a_second_bulletin_of_one_number_has_no_id_of_its_own(tmp_path: Path) -> None:
    def copy(docs: Docs) -> None:
        [doc] = [doc for doc in docs if doc["event"]["type"] == "BulletinIssued"]
        other = doc["event"] | {"id": "another"}
        docs.insert(docs.index(doc) + 1, doc | {"event": other, "offset": doc["offset"] + 1})

    town, cut_off = told_town()
    issue(town, cut_off, known(town, cut_off))
    [finding] = audit_file(town.export(tmp_path / "log.jsonl", copy), RULES).findings
    assert (finding.finding, finding.found) == ("wrong", "another")


def without(*kinds: str, key: str = "") -> Callable[[Docs], None]:
    """Takes publications out, and closes the gap."""

    def take_out(docs: Docs) -> None:
        docs[:] = [
            doc
            for doc in docs
            if doc["event"]["type"] not in kinds or (key and key not in str(doc["event"]["data"]))
        ]
        renumber(docs)

    return take_out


def of(audit: Audit) -> list[tuple[str, str]]:
    return [(finding.finding, finding.sentence.split(" is owed")[0]) for finding in audit.findings]


def test_what_belongs_to_an_issue_is_missed(tmp_path: Path) -> None:
    town, cut_off = told_town()
    issue(town, cut_off, known(town, cut_off))
    path = town.export(tmp_path / "log.jsonl", without("RankingPublished", key="townships"))
    assert of(audit_file(path, RULES)) == [("omitted", "RankingPublished (townships|1)")]


def test_an_issue_between_two_others_is_missed(tmp_path: Path) -> None:
    town, cut_off = told_town()
    positions = known(town, cut_off)
    for number in (1, 3):
        issue(town, cut_off + (number - 1) * SECOND, positions, number)
    found = of(audit_file(town.export(tmp_path / "log.jsonl"), RULES))
    assert ("omitted", "BulletinIssued (2)") in found


def test_who_asks_for_a_key_misses_issues_that_are_owed(tmp_path: Path) -> None:
    """From the book: whoever takes all of them out leaves a log that owes them."""
    town = Town(toy_deciders(), Random(0))
    town.now = datetime(2021, 11, 25, tzinfo=UTC)
    town.fact(derived_id("case", "1"), complaint("1"))
    path = town.export(tmp_path / "log.jsonl")
    strict = Rules({}, proof=Proof(strict=True))
    assert of(audit_file(path, strict)) == [
        ("omitted", "BulletinIssued (1)"),
        ("omitted", "BulletinIssued (2)"),
        ("omitted", "CheckpointSigned (of any day)"),
    ]
    assert audit_file(path, Rules({})).clean


def test_an_issue_is_signed(tmp_path: Path) -> None:
    """Once the log goes on; where checkpoints stand on it at all."""
    town, cut_off = told_town()
    heads = Heads()
    heads.append("governance-events", 0, encode(town.log["governance-events", 0][0].event))
    town.issue(heads.sign(Ed25519PrivateKey.generate()))
    issue(town, cut_off, known(town, cut_off))
    assert audit_file(town.export(tmp_path / "now.jsonl"), RULES).clean
    town.now += timedelta(hours=1)
    town.fact(derived_id("case", "1"), ComplainantTold(of="later"))
    later = audit_file(town.export(tmp_path / "later.jsonl"), RULES)
    assert of(later) == [("omitted", "CheckpointSigned (after issue 1)")]


def test_a_ranking_says_what_its_hash_says(tmp_path: Path) -> None:
    def better(docs: Docs) -> None:
        [doc] = [doc for doc in docs if doc["event"]["data"].get("kind") == "townships"]
        doc["event"]["data"]["items"] = [{"unit": "410185109", "score": "99.99"}]

    town, cut_off = told_town()
    issue(town, cut_off, known(town, cut_off))
    found = audit_file(town.export(tmp_path / "log.jsonl", better), RULES).findings
    assert [item.finding for item in found] == ["changed"]
    assert "says other things than its hash" in found[0].sentence
