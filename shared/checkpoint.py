"""Signed checkpoints: what the log held when, so that nobody can change it unnoticed later.

A checkpoint commits to every byte and to the order of the records of each partition up to a
position (RFC 9162, section 2.1), and is signed with a key (Ed25519) that the log does not hold.
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


def place_name(topic: str, partition: int) -> str:
    """How a checkpoint names a partition."""
    return f"{topic}/{partition}"


class Heads:
    """The trees of a log as it grows; every record of every partition must be fed, in order."""

    def __init__(self) -> None:
        self._trees: dict[str, Tree] = defaultdict(Tree)
        self._marks: dict[str, bytearray] = defaultdict(bytearray)

    def append(self, topic: str, partition: int, value: bytes) -> None:
        """Feed the next record of a partition, as its bytes are stored."""
        leaf, name = leaf_hash(value), place_name(topic, partition)
        self._trees[name].append_hash(leaf)
        self._marks[name] += leaf[:MARK]

    def position(self, topic: str, partition: int) -> int:
        """How many records of a partition were fed."""
        return self._trees[place_name(topic, partition)].size

    def sign(self, key: Ed25519PrivateKey) -> CheckpointSigned:
        """A checkpoint of everything fed so far; the next one's marks begin here."""
        trees = {name: tree for name, tree in sorted(self._trees.items()) if tree.size}
        marks = {name: bytes(found) for name, found in sorted(self._marks.items()) if found}
        head: dict[str, Any] = {
            "positions": {name: tree.size for name, tree in trees.items()},
            "roots": {name: tree.root().hex() for name, tree in trees.items()},
            "marks": {name: base64.b64encode(found).decode() for name, found in marks.items()},
        }
        self._marks.clear()
        signature = base64.b64encode(key.sign(canonical(head))).decode()
        return CheckpointSigned(**head, signature=signature, key_id=key_id(key.public_key()))


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key: sha256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def holds(data: CheckpointSigned, key: Ed25519PublicKey) -> bool:
    """Whether a checkpoint was signed with this key and says what was signed."""
    head = {"positions": data.positions, "roots": data.roots, "marks": data.marks or {}}
    try:
        key.verify(base64.b64decode(data.signature), canonical(head))
    except (InvalidSignature, ValueError):
        return False
    return data.key_id == key_id(key)
