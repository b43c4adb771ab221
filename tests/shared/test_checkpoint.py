"""Checkpoints as the log grows: what the next one sees of the last ones."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared import checkpoint
from shared.checkpoint import MARK, Heads, Rewritten, holds
from shared.envelope import Unreadable, data_json, from_document
from shared.events import CheckpointSigned
from shared.merkle import Tree, leaf_hash
from shared.streams import GOVERNANCE

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TOPIC = "case-events"
PLACE = "case-events/0"


def fed(values: list[bytes], heads: Heads | None = None) -> Heads:
    heads = heads or Heads()
    for value in values:
        heads.append(TOPIC, 0, value)
    return heads


def marks(data: CheckpointSigned) -> bytes:
    return base64.b64decode((data.marks or {}).get(PLACE, ""))


@given(
    values=st.lists(st.binary(max_size=3), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    lost=st.booleans(),
)
def test_marks_join_without_gap_or_overlap(
    values: list[bytes], cuts: list[int], lost: bool
) -> None:
    """Whoever signs next: who signed before, or another from the first record on."""
    standing: list[CheckpointSigned] = []
    heads = Heads()
    for cut in [*sorted(min(cut, len(values)) for cut in cuts), len(values)]:
        heads = Heads() if lost else heads
        for data in standing:
            heads.expect(data)
        fed(values[heads.position(TOPIC, 0) : cut], heads)
        standing.append(heads.sign(KEY))
    assert b"".join(map(marks, standing)) == b"".join(leaf_hash(v)[:MARK] for v in values)
    assert standing[-1].roots == {PLACE: Tree(values).root().hex()}
    assert all(holds(data, KEY.public_key()) for data in standing)


def test_a_log_with_other_records_is_not_signed_again() -> None:
    signed = fed([b"a", b"b", b"c"]).sign(KEY)
    heads = Heads()
    heads.expect(signed)
    with pytest.raises(Rewritten, match="case-events/0 has other records before 3 than were sig"):
        fed([b"a", b"x", b"c"], heads)


def test_a_log_that_is_shorter_is_not_signed_again() -> None:
    signed = fed([b"a", b"b", b"c"]).sign(KEY)
    heads = Heads()
    heads.expect(signed)
    fed([b"a", b"b"], heads)
    with pytest.raises(Rewritten, match="case-events/0 ends at 2, 3 signed"):
        heads.sign(KEY)


def test_a_long_stretch_is_signed_by_its_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MOST_MARKS", 2)
    heads = fed([b"a", b"b", b"c"])
    long = heads.sign(KEY)
    assert long.marks == {}
    assert holds(long, KEY.public_key())
    assert marks(fed([b"d"], heads).sign(KEY)) == leaf_hash(b"d")[:MARK]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"positions": {}}, "/data/"),
        ({"roots": {PLACE: "no digest"}}, "/data/roots/"),
        ({"positions": {PLACE: 0}}, "/data/positions/"),
        ({"marks": {PLACE: "no base64"}}, "/data/marks/"),
        ({"marks": {PLACE: "AAAA"}}, "/data/marks/"),
        ({"marks": {"elsewhere/0": "AAAAAA=="}}, "/data/"),
    ],
)
def test_a_malformed_checkpoint_is_no_event(changes: dict[str, Any], place: str) -> None:
    """It is parked and told of; it must not end who reads the log."""
    data = data_json(fed([b"a"]).sign(KEY)) | changes
    at = "2021-11-12T00:00:00Z"
    known = {"id": "c", "subject": GOVERNANCE, "time": at, "recordedtime": at, "actor": "-/-/-"}
    with pytest.raises(Unreadable, match="malformed_data") as told:
        from_document(known | {"type": "CheckpointSigned", "data": data})
    assert told.value.detail.startswith(place)
