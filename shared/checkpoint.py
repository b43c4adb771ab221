"""Signed checkpoints: what the log held when, so that nobody can change it unnoticed later.

A checkpoint commits to every byte and to the order of the records of each partition up to a
position (RFC 9162, section 2.1), and is signed with a key (Ed25519) that the log does not hold.
Whoever signs the next one first sees that the log still has what the last ones signed.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.envelope import canonical
from shared.events import CheckpointSigned
from shared.merkle import Tree, leaf_hash

MARK: Final = 4
"""Bytes of a leaf hash that tell a record from its neighbours."""
MOST_MARKS: Final = 100_000
"""Records that a checkpoint has marks of at most: with more of them it would be no record that a
broker takes. A longer stretch is signed by its roots alone."""


def place_name(topic: str, partition: int) -> str:
    """How a checkpoint names a partition."""
    return f"{topic}/{partition}"


class Rewritten(RuntimeError):
    """The log no longer has the records that a checkpoint signed; the message says where."""


class Heads:
    """The trees of a log as it grows; every record of every partition must be fed, in order."""

    def __init__(self) -> None:
        self._trees: dict[str, Tree] = defaultdict(Tree)
        self._marks: dict[str, bytearray] = defaultdict(bytearray)
        self._signed: dict[str, dict[int, bytes]] = defaultdict(dict)

    @property
    def unsigned(self) -> int:
        """How many records were fed since the last checkpoint."""
        return sum(map(len, self._marks.values())) // MARK

    def expect(self, checkpoint: CheckpointSigned) -> None:
        """A checkpoint that stands on the log, told before the records that it signed are fed.

        What it signed must be met again, and the next checkpoint's marks begin after it.
        """
        for name, root in checkpoint.roots.items():
            if (size := checkpoint.positions[name]) > self._trees[name].size:
                self._signed[name][size] = bytes.fromhex(root)

    def append(self, topic: str, partition: int, value: bytes) -> None:
        """Feed the next record of a partition, as its bytes are stored.

        Raises Rewritten where the records so far are not those of a checkpoint.
        """
        leaf, name = leaf_hash(value), place_name(topic, partition)
        tree = self._trees[name]
        tree.append_hash(leaf)
        self._marks[name] += leaf[:MARK]
        signed = self._signed[name].pop(tree.size, None)
        if signed is not None:
            if signed != tree.root():
                raise Rewritten(f"{name} has other records before {tree.size} than were signed")
            self._marks[name].clear()

    def position(self, topic: str, partition: int) -> int:
        """How many records of a partition were fed."""
        return self._trees[place_name(topic, partition)].size

    def sign(self, key: Ed25519PrivateKey) -> CheckpointSigned:
        """A checkpoint of everything fed so far; the next one's marks begin here.

        Raises Rewritten where a checkpoint signed more records than there are.
        """
        for name, sizes in self._signed.items():
            if beyond := [size for size in sizes if size > self._trees[name].size]:
                raise Rewritten(f"{name} ends at {self._trees[name].size}, {max(beyond)} signed")
        trees = {name: tree for name, tree in sorted(self._trees.items()) if tree.size}
        marks = {name: bytes(found) for name, found in sorted(self._marks.items()) if found}
        if self.unsigned > MOST_MARKS:
            marks = {}
        head: dict[str, Any] = {
            "positions": {name: tree.size for name, tree in trees.items()},
            "roots": {name: tree.root().hex() for name, tree in trees.items()},
        }
        self._marks.clear()
        return CheckpointSigned(
            **head,
            marks={name: base64.b64encode(found).decode() for name, found in marks.items()},
            signature=base64.b64encode(key.sign(canonical(head))).decode(),
            key_id=key_id(key.public_key()),
        )


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key: sha256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def holds(data: CheckpointSigned, key: Ed25519PublicKey) -> bool:
    """Whether a checkpoint was signed with this key and says what was signed.

    Marks are not signed: they only help to name a record where a root is not found again.
    """
    head = {"positions": data.positions, "roots": data.roots}
    try:
        key.verify(base64.b64decode(data.signature), canonical(head))
    except (InvalidSignature, ValueError):
        return False
    return data.key_id == key_id(key)
