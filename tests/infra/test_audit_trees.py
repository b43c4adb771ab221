"""Signed checkpoints: what was done to a log since, though nothing in it contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.audit import Audit, audit_file
from infra.audit.findings import Kind
from infra.audit.pool import Rules
from shared.checkpoint import Heads, holds
from shared.envelope import decode, derived_id, encode
from shared.events import CheckpointSigned, ComplainantTold
from shared.streams import GOVERNANCE
from tests.infra.tampering import Docs, renumber
from tests.infra.town import SECOND, Town, complaint, toy_deciders

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RULES = Rules(toy_deciders(), checkpoint_key=KEY.public_key())


class Signer:
    """Signs the log of a town, as reporting would, from where it last stopped."""

    def __init__(self) -> None:
        self.heads = Heads()

    def sign(self, town: Town) -> CheckpointSigned:
        for (topic, number), records in sorted(town.log.items()):
            for record in records[self.heads.position(topic, number) :]:
                self.heads.append(topic, number, encode(record.event))
        data = self.heads.sign(KEY)
        town.fact(GOVERNANCE, data)
        return data


def signed_town(*, marks: bool = True) -> Town:
    """Thirty cases whose complainants are told things that no rule reads; signed three times."""
    town, signer = Town(toy_deciders(), Random(0)), Signer()
    for day in range(3):
        for number in range(30):
            town.now += SECOND
            subject = derived_id("case", str(number))
            if day == 0:
                town.fact(subject, complaint(str(number)))
            town.fact(subject, ComplainantTold(of=f"day {day}"))
        town.now += 10 * SECOND
        data = signer.sign(town)
        if not marks:
            place = town.log["governance-events", 0][-1]
            place.event = place.event.replace(data=data.model_copy(update={"marks": None}))
    return town


def told(docs: Docs) -> int:
    """A record in the middle of a partition that holds several subjects."""
    places = [doc["topic"] == "case-events" and doc["partition"] for doc in docs]
    for index in range(2, len(docs) - 2):
        same = len({places[index + step] for step in (-2, -1, 0, 1, 2)}) == 1
        one, other = docs[index]["event"], docs[index + 1]["event"]
        both = one["type"] == other["type"] == "ComplainantTold"
        if same and both and one["subject"] != other["subject"]:
            return index
    raise AssertionError("no such record")


def change(docs: Docs) -> None:
    docs[told(docs)]["event"]["data"]["of"] = "something else"


def drop(docs: Docs) -> None:
    del docs[told(docs)]
    renumber(docs)


def insert(docs: Docs) -> None:
    index = told(docs)
    event = docs[index]["event"] | {"id": "new"}
    docs.insert(index, docs[index] | {"event": event})
    renumber(docs)


def swap(docs: Docs) -> None:
    index = told(docs)
    docs[index], docs[index + 1] = docs[index + 1], docs[index]
    renumber(docs)


def cut(docs: Docs) -> None:
    places = [doc["partition"] for doc in docs if doc["topic"] == "case-events"]
    del docs[places.index(places[0] + 1) - 1 if places[0] + 1 in places else len(places) - 1]


def audited(town: Town, path: Path, tamper: Callable[[Docs], Any] | None = None) -> Audit:
    return audit_file(town.export(path, tamper), RULES)


def test_an_untouched_log_agrees_with_its_checkpoints(tmp_path: Path) -> None:
    audit = audited(signed_town(), tmp_path / "log.jsonl")
    assert audit.clean, [finding.sentence for finding in audit.findings]


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (change, "changed"),
        (drop, "dropped"),
        (insert, "inserted"),
        (swap, "reordered"),
        (cut, "truncated"),
    ],
)
def test_what_was_done_is_found_though_the_offsets_are_in_order(
    tmp_path: Path, tamper: Callable[[Docs], None], kind: Kind
) -> None:
    audit = audited(signed_town(), tmp_path / "log.jsonl", tamper)
    assert {finding.finding for finding in audit.findings} == {kind}


def test_the_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    [finding] = audited(signed_town(), path, change).findings
    docs = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    [doc] = [doc for doc in docs if doc["event"]["id"] == finding.event_id]
    assert doc["event"]["data"]["of"] == "something else"
    assert (doc["partition"], doc["offset"]) == (finding.partition, finding.offset)


@pytest.mark.parametrize("tamper", [change, drop, insert, swap])
def test_without_marks_it_is_known_only_that_the_log_was_rewritten(
    tmp_path: Path, tamper: Callable[[Docs], None]
) -> None:
    audit = audited(signed_town(marks=False), tmp_path / "log.jsonl", tamper)
    found = {finding.finding for finding in audit.findings}
    assert found - {"changed"} == {"rewritten"}
    assert all("checkpoint" in finding.sentence for finding in audit.findings)


def test_a_checkpoint_that_says_what_was_not_signed_does_not_hold(tmp_path: Path) -> None:
    def forge(docs: Docs) -> None:
        docs[-1]["event"]["data"]["signature"] = docs[-2]["event"]["data"]["signature"]

    audit = audited(signed_town(), tmp_path / "log.jsonl", forge)
    assert "The checkpoint does not hold" in audit.findings[-1].sentence


def test_a_checkpoint_holds_only_for_its_key_and_its_words() -> None:
    town, signer = Town(toy_deciders(), Random(0)), Signer()
    data = signer.sign(town)
    assert holds(data, KEY.public_key())
    assert not holds(data, Ed25519PrivateKey.generate().public_key())
    more = {name: size + 1 for name, size in data.positions.items()}
    assert not holds(data.model_copy(update={"positions": more}), KEY.public_key())
    stored = decode(encode(town.log["governance-events", 0][-1].event)).data
    assert isinstance(stored, CheckpointSigned)
    assert holds(stored, KEY.public_key())
