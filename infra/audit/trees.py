"""The log against its signed checkpoints: which records changed, went, came or moved since."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.audit.findings import Finding, Kind
from infra.audit.log import Line, Partition
from infra.audit.records import Entry
from shared.checkpoint import MARK, holds, key_id, place_name
from shared.events import CheckpointSigned
from shared.merkle import Tree, leaf_hash

WINDOW: Final = 2000
"""Records after the first difference that are compared one by one; a longer one is a rewriting."""


@dataclass(frozen=True)
class Head:
    """What a checkpoint says of one partition. `marks`: of the records since the one before."""

    size: int
    root: bytes
    marks: bytes
    event_id: str


def heads_of(
    entries: Iterable[Entry], kept: Iterable[CheckpointSigned] = ()
) -> dict[str, list[Head]]:
    """What the checkpoints on the log, and those `kept` elsewhere, say of each partition."""
    standing = [
        (entry.event.data, entry.event.id)
        for entry in entries
        if isinstance(entry.event.data, CheckpointSigned)
    ]
    found: dict[str, list[Head]] = defaultdict(list)
    for data, name in [*standing, *((data, "kept elsewhere") for data in kept)]:
        for place, size in data.positions.items():
            marks = base64.b64decode((data.marks or {}).get(place, ""))
            root = bytes.fromhex(data.roots.get(place, ""))
            found[place].append(Head(size, root, marks, name))
    return dict(found)


def signers(entries: Iterable[Entry]) -> Counter[str]:
    """How many checkpoints say that they are of which key."""
    return Counter(
        entry.event.data.key_id
        for entry in entries
        if isinstance(entry.event.data, CheckpointSigned)
    )


def forged(
    entries: Iterable[Entry], keys: Iterable[Ed25519PublicKey], *, strict: bool
) -> list[Finding]:
    """Checkpoints that say other things than were signed; if `strict`, also those of other keys."""
    known = {key_id(key): key for key in keys}
    found = []
    for entry in entries:
        data = entry.event.data
        if not isinstance(data, CheckpointSigned):
            continue
        key = known.get(data.key_id)
        if key is None and strict:
            sentence = f"The checkpoint is of key {data.key_id[:16]}, which is not at hand."
            found.append(entry.finding("foreign_writer", list(known), data.key_id, sentence))
        elif key is not None and not holds(data, key):
            sentence = "The checkpoint does not hold: its signature is not that of what it says."
            found.append(entry.finding("changed", None, data.signature, sentence))
    return found


class Leaves:
    """The leaves of one partition, collected as it is read, where a checkpoint speaks of it."""

    def __init__(self, partition: Partition, heads: dict[str, list[Head]]) -> None:
        self.partition = partition
        self.heads = heads.get(place_name(*partition), [])
        self._lines: list[tuple[int, str | None, bytes]] = []

    def add(self, line: Line) -> None:
        if self.heads:
            event_id = (line.doc or {}).get("id")
            leaf = leaf_hash(line.stored)
            self._lines.append((line.offset, event_id if isinstance(event_id, str) else None, leaf))

    def findings(self) -> list[Finding]:
        """What the checkpoints cannot be reconciled with; the first one that fails says it."""
        broken = self._broken()
        if broken is None:
            return []
        expected = self._signed_marks()
        if expected is None:
            return [self._unexplained(broken)]
        return self._compare(expected) or [self._unexplained(broken)]

    def _signed_marks(self) -> list[bytes] | None:
        """The mark of each record that was signed; None where a checkpoint left some out."""
        marks = [b""] * max(head.size for head in self.heads)
        for head in self.heads:
            first = head.size - len(head.marks) // MARK
            for number in range(max(0, first), head.size):
                place = (number - first) * MARK
                marks[number] = head.marks[place : place + MARK]
        return marks if all(marks) else None

    def _broken(self) -> Head | None:
        """The first checkpoint whose root the log does not have at its size."""
        tree, sizes = Tree(), {head.size: head for head in reversed(self.heads)}
        for _, _, leaf in self._lines:
            tree.append_hash(leaf)
            head = sizes.pop(tree.size, None)
            if head is not None and head.root != tree.root():
                return head
        return min(sizes.values(), key=lambda head: head.size, default=None)

    def _unexplained(self, head: Head) -> Finding:
        if len(self._lines) < head.size:
            return self._finding(
                "truncated",
                len(self._lines),
                head.size,
                len(self._lines),
                f"ends after {len(self._lines)} records; checkpoint {head.event_id} signed "
                f"{head.size}",
            )
        return self._finding(
            "rewritten",
            head.size - 1,
            head.root.hex(),
            None,
            f"has another root at {head.size} records than checkpoint {head.event_id} signed",
        )

    def _compare(self, expected: Sequence[bytes]) -> list[Finding]:
        """Record by record, by the signed marks; empty where too much differs to say."""
        found = [leaf[:MARK] for _, _, leaf in self._lines]
        start = next(
            (i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b),
            min(len(expected), len(found)),
        )
        old, new = expected[start : start + WINDOW], found[start : start + WINDOW]
        steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        gone = Counter(old[i] for tag, a, b, _, _ in steps if tag != "equal" for i in range(a, b))
        come = Counter(new[i] for tag, _, _, a, b in steps if tag != "equal" for i in range(a, b))
        if sum(gone.values()) * 2 > max(len(old), 2) and len(old) < len(expected):
            return []
        moved = gone & come
        result: list[Finding] = []
        for tag, a, b, c, d in steps:
            if tag == "equal" or (a == len(old) and start + a == len(expected)):
                continue
            result += self._step(
                [start + i for i in range(a, b) if old[i] not in moved],
                [start + i for i in range(c, d)],
                moved,
            )
        return result

    def _step(self, gone: list[int], come: list[int], moved: Counter[bytes]) -> list[Finding]:
        result: list[Finding] = []
        still = []
        for place in come:
            if self._lines[place][2][:MARK] in moved:
                result.append(self._at("reordered", place, "stands at another place than"))
            else:
                still.append(place)
        for place in still[: len(gone)]:
            result.append(self._at("changed", place, "has other bytes than"))
        for place in still[len(gone) :]:
            result.append(self._at("inserted", place, "was not on the log of"))
        for place in gone[len(still) :]:
            if place >= len(self._lines):
                tail = self._finding(
                    "truncated",
                    len(self._lines),
                    gone[-1] + 1,
                    len(self._lines),
                    f"ends after {len(self._lines)} records; a checkpoint signed more",
                )
                return [*result, tail]
            sentence = f"lacks the record that was the {place + 1}th at its checkpoint"
            result.append(self._finding("dropped", place, 1, 0, sentence))
        return result

    def _at(self, kind: Kind, place: int, what: str) -> Finding:
        offset, event_id, leaf = self._lines[place]
        name = place_name(*self.partition)
        sentence = f"Record {offset} of {name} {what} its checkpoint."
        topic, number = self.partition
        return Finding(kind, None, event_id, topic, number, offset, None, leaf.hex(), sentence)

    def _finding(self, kind: Kind, offset: int, expected: Any, found: Any, what: str) -> Finding:
        topic, number = self.partition
        sentence = f"{place_name(topic, number)} {what}."
        return Finding(kind, None, None, topic, number, offset, expected, found, sentence)
