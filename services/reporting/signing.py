"""Checkpoints of the log, signed with this installation's key (design 8; RFC 9162).

The trees are put by in the database when a checkpoint stands on the log, so that the next one reads
only what came since; where they are lost the log is read from its beginning. Reading on is also
checking: a log that no longer has what was signed gets no further checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from services.reporting.schema import Tables
from shared.checkpoint import Heads, place_name
from shared.events import CheckpointSigned
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, PARTITIONS, Reader
from shared.merkle import Tree
from shared.settings import Settings

PLACES: Final = (
    *((CASE_EVENTS, number) for number in range(PARTITIONS)),
    (GOVERNANCE_EVENTS, 0),
)
"""Every partition of the log."""


class SigningError(RuntimeError):
    """The key that signs checkpoints is no such key; the message names the file."""


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key in a file only its owner may read, the public half beside it; made at first start.

    Raises SigningError where the file holds another kind of key, or none.
    """
    path = settings.checkpoint_key_path
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raw = _new_key(path)
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path}: no Ed25519 private key in PEM")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not _holds(settings.checkpoint_public_path, public):
        settings.checkpoint_public_path.write_bytes(public)
    return key


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


def _new_key(path: Path) -> bytes:
    """A new key, or the one that another process has just written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    beside = path.with_suffix(f".{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_bytes(raw)
    try:
        os.link(beside, path)  # Whole or not at all, and never over another's.
    except FileExistsError:
        return path.read_bytes()
    finally:
        beside.unlink()
    return raw


class Signer:
    """Signs the log up to its end. One at a time; the caller holds the lock."""

    def __init__(self, settings: Settings, pool: Any, tables: Tables) -> None:
        self.key = signing_key(settings)
        self.reader = Reader(settings, "signer")
        self._pool = pool
        self._tables = tables
        self._heads: Heads | None = None

    async def start(self) -> None:
        """Raises Unavailable where no broker answers."""
        await self.reader.start()

    async def stop(self) -> None:
        await self.reader.stop()

    async def sign(self, standing: Sequence[CheckpointSigned]) -> CheckpointSigned:
        """A checkpoint of everything on the log; `standing`: those that stand there, in order.

        Raises Rewritten where the log has not what they signed, and Unavailable.
        """
        ends = await self.reader.ends_of(PLACES)
        heads = Heads(await self._put_by())
        for checkpoint in standing:
            heads.expect(checkpoint)
        for (topic, number), end in ends.items():
            first = heads.position(topic, number)
            async for records in self.reader.range(topic, number, first, end):
                for record in records:
                    heads.append(topic, number, record.value)
        self._heads = heads
        return heads.sign(self.key)

    async def keep(self) -> None:
        """Put the trees by: what was signed last stands on the log."""
        if self._heads is None:
            return
        rows = [
            (name, tree.size, b"".join(tree.subtrees)) for name, tree in self._heads.trees.items()
        ]
        await self._pool.execute(
            f"INSERT INTO {self._tables.trees} SELECT * FROM "
            "unnest($1::text[], $2::bigint[], $3::bytea[]) ON CONFLICT (place) DO UPDATE "
            "SET size = excluded.size, subtrees = excluded.subtrees",
            *zip(*rows, strict=True),
        )

    async def _put_by(self) -> Mapping[str, Tree]:
        rows = await self._pool.fetch(f"SELECT place, size, subtrees FROM {self._tables.trees}")
        return {row["place"]: Tree.resumed(row["size"], _hashes(row["subtrees"])) for row in rows}


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[first : first + 32] for first in range(0, len(joined), 32)]


def unsigned(ends: Mapping[tuple[str, int], int], last: CheckpointSigned | None) -> int:
    """Records on the log that came after a checkpoint."""
    signed = last.positions if last is not None else {}
    return sum(end - signed.get(place_name(*place), 0) for place, end in ends.items())
