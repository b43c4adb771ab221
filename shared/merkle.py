"""Merkle trees of RFC 9162, section 2.1: a partition's records as leaves, in their order.

The root commits to every byte and to the order of the records; two logs with the same roots are
the same log. Held as the roots of its full subtrees, so a tree of any size takes little room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def leaf_hash(value: bytes) -> bytes:
    """SHA-256(0x00 || value)."""
    return hashlib.sha256(b"\x00" + value).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows by appending; its root can be asked for at any size on the way."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._roots: list[bytes] = []
        for value in values:
            self.append(value)

    def append(self, value: bytes) -> None:
        """Add a record's bytes as the next leaf."""
        self.append_hash(leaf_hash(value))

    def append_hash(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        size, root = self.size, leaf
        while size & 1:
            root = node_hash(self._roots.pop(), root)
            size >>= 1
        self._roots.append(root)
        self.size += 1

    def root(self) -> bytes:
        """The Merkle tree hash of what was appended so far; of nothing, the hash of nothing."""
        if not self._roots:
            return hashlib.sha256(b"").digest()
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.append_hash(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What, with its leaf hash, gives the root: PATH(m, D[n]) of section 2.1.3.1.

    Raises IndexError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def root_from(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof gives for a leaf (section 2.1.3.2); None where it cannot be one."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = node_hash(other, root)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, other)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None
