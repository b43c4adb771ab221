"""Signed checkpoints: what was done to a log since, though nothing in it contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.audit import Audit, audit_file, read_checkpoints, read_key
from infra.audit.findings import Kind
from infra.audit.pool import Proof, Rules
from infra.problem import Unready
from shared.checkpoint import Heads, holds, key_id
from shared.envelope import data_json, decode, derived_id, encode
from shared.events import CheckpointSigned, ComplainantTold
from tests.infra.tampering import Docs, renumber
from tests.infra.town import SECOND, Town, complaint, toy_deciders

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = key_id(KEY.public_key())
RULES = Rules(toy_deciders(), proof=Proof((KEY.public_key(),), strict=True))


class Signer:
    """Signs the log of a town, as reporting would, from where it last stopped."""

    def __init__(self) -> None:
        self.heads = Heads()

    def sign(self, town: Town) -> CheckpointSigned:
        for (topic, number), records in sorted(town.log.items()):
            for record in records[self.heads.position(topic, number) :]:
                self.heads.append(topic, number, encode(record.event))
        data = self.heads.sign(KEY)
        town.issue(data)
        return data


def signed_town(*, marks: bool = True, days: int = 0) -> Town:
    """Thirty cases whose complainants are told things that no rule reads; signed three times.

    `days`: between two times.
    """
    town, signer = Town(toy_deciders(), Random(0)), Signer()
    for day in range(3):
        for number in range(30):
            town.now += SECOND
            subject = derived_id("case", str(number))
            if day == 0:
                town.fact(subject, complaint(str(number)))
            town.fact(subject, ComplainantTold(of=f"day {day}"))
        town.now += 10 * SECOND + timedelta(days=days)
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


def test_a_partition_of_which_nothing_is_left_is_truncated(tmp_path: Path) -> None:
    """Nothing that stood on it is missed by what is left: whole cases went, facts and decisions."""
    town = signed_town()
    gone = max(number for topic, number in town.log if topic == "case-events")
    signed = len(town.log["case-events", gone])

    def take_out(docs: Docs) -> None:
        docs[:] = [doc for doc in docs if (doc["topic"], doc["partition"]) != ("case-events", gone)]

    audit = audited(town, tmp_path / "log.jsonl", take_out)
    [found] = [item for item in audit.findings if item.finding != "omitted"]
    assert (found.finding, found.topic, found.partition) == ("truncated", "case-events", gone)
    assert (found.offset, found.expected, found.found) == (0, signed, 0)


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


def forge(docs: Docs) -> None:
    """The last checkpoint says what the one before it signed."""
    docs[-1]["event"]["data"]["signature"] = docs[-2]["event"]["data"]["signature"]


def test_a_checkpoint_that_says_what_was_not_signed_does_not_hold(tmp_path: Path) -> None:
    audit = audited(signed_town(), tmp_path / "log.jsonl", forge)
    assert any("The checkpoint does not hold" in item.sentence for item in audit.findings)


def test_checkpoints_of_another_key_hold_only_where_nobody_asks_for_one_key(tmp_path: Path) -> None:
    """An imported log was signed where it came from; its roots are compared all the same."""
    own = Ed25519PrivateKey.generate().public_key()
    path = signed_town().export(tmp_path / "log.jsonl")
    strict = audit_file(path, Rules(toy_deciders(), proof=Proof((own,), strict=True)))
    assert [finding.finding for finding in strict.findings] == ["foreign_writer"] * 3
    lenient = Rules(toy_deciders(), proof=Proof((own,)))
    assert f"3 checkpoints of key {KEY_ID[:16]}: not of a key given" in strict.report()
    plain = audit_file(path, lenient)
    assert plain.clean
    assert f"3 checkpoints of key {KEY_ID[:16]}: signature not checked (--key)" in plain.report()
    both = Proof((own, KEY.public_key()), strict=True)
    assert audit_file(path, Rules(toy_deciders(), proof=both)).clean
    tampered = signed_town().export(tmp_path / "tampered.jsonl", change)
    assert not audit_file(tampered, lenient).clean


def test_a_checkpoint_that_says_it_is_ours_must_hold_in_any_case(tmp_path: Path) -> None:
    rules = Rules(toy_deciders(), proof=Proof((KEY.public_key(),)))
    honest = audit_file(signed_town().export(tmp_path / "honest.jsonl"), rules)
    assert honest.clean
    assert f"3 checkpoints of key {KEY_ID[:16]}: of this installation's key" in honest.report()
    forged = audit_file(signed_town().export(tmp_path / "forged.jsonl", forge), rules)
    assert any("The checkpoint does not hold" in item.sentence for item in forged.findings)


def strip(docs: Docs) -> None:
    """Every checkpoint is gone, and the offsets are in order again."""
    docs[:] = [doc for doc in docs if doc["event"]["type"] != "CheckpointSigned"]
    renumber(docs)


def test_who_asks_for_a_key_misses_checkpoints_that_were_stripped(tmp_path: Path) -> None:
    path = signed_town(days=1).export(tmp_path / "log.jsonl", strip)
    audit = audit_file(path, RULES)
    assert [finding.finding for finding in audit.findings] == ["omitted"]
    assert "CheckpointSigned" in audit.findings[0].sentence
    lenient = audit_file(path, Rules(toy_deciders()))
    assert lenient.clean
    assert "no checkpoint: that nobody changed the log is not proved" in lenient.report()


def test_a_checkpoint_kept_elsewhere_holds_a_log_whose_own_were_stripped(tmp_path: Path) -> None:
    town = signed_town()
    kept = tuple(
        appended.event.data
        for appended in town.log["governance-events", 0]
        if isinstance(appended.event.data, CheckpointSigned)
    )
    rules = Rules(toy_deciders(), proof=Proof((KEY.public_key(),), kept=kept))
    assert audit_file(town.export(tmp_path / "honest.jsonl"), rules).clean

    def rewrite(docs: Docs) -> None:
        change(docs)
        strip(docs)

    found = audit_file(town.export(tmp_path / "log.jsonl", rewrite), rules).findings
    assert "changed" in {finding.finding for finding in found}
    assert any("checkpoint" in finding.sentence for finding in found)


def test_kept_checkpoints_are_an_answer_of_the_service(tmp_path: Path) -> None:
    data = Signer().sign(Town(toy_deciders(), Random(0)))
    file = tmp_path / "checkpoints.json"
    item = data_json(data) | {"event_id": "c", "recorded_at": "2021-11-12T00:00:00Z"}
    file.write_bytes(orjson.dumps({"meta": {}, "items": [item]}))
    keys = [KEY.public_key()]
    assert [kept.roots for kept in read_checkpoints(file, keys)] == [data.roots]
    with pytest.raises(Unready, match="does not hold"):
        read_checkpoints(file, [Ed25519PrivateKey.generate().public_key()])
    item["positions"] = {name: size + 1 for name, size in data.positions.items()}
    file.write_bytes(orjson.dumps({"items": [item]}))
    with pytest.raises(Unready, match="does not hold"):
        read_checkpoints(file, keys)
    for wrong in ("{}", "[]", "no json"):
        file.write_text(wrong)
        with pytest.raises(Unready, match="no answer of GET /v1/checkpoints"):
            read_checkpoints(file, keys)


def test_the_key_is_a_public_key_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pub"
    with pytest.raises(Unready, match="cannot be read"):
        read_key(file)
    file.write_text("no key")
    with pytest.raises(Unready, match="holds no Ed25519 public key"):
        read_key(file)
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(pem)
    assert key_id(read_key(file)) == KEY_ID


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
