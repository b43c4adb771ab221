"""Checkpoints of the log, signed with this installation's key (design 8; RFC 9162).

A process reads the log once from its beginning, then only what came since. Reading is checking too:
a log that no longer has what was signed, or was read before, gets no further checkpoint.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.checkpoint import MOST_MARKS, Heads, Rewritten, holds, place_name
from shared.events import CheckpointSigned
from shared.journal import journal
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, PARTITIONS, Reader
from shared.settings import Settings

PLACES: Final = (
    *((CASE_EVENTS, number) for number in range(PARTITIONS)),
    (GOVERNANCE_EVENTS, 0),
)
"""Every partition of the log."""
STRETCH: Final = MOST_MARKS // 2
"""Records that a checkpoint has marks of; with more of them unsigned one is due."""


log = journal("signer")


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
    beside = settings.checkpoint_public_path
    if not beside.exists() or beside.read_bytes() != public:
        try:
            beside.write_bytes(public)
        except OSError as error:
            # A folder that is only read: who brought the key there has its public half too.
            log.warning("public_key_not_written", path=str(beside), reason=error.strerror)
    return key


def _new_key(path: Path) -> bytes:
    """A new key, or the one that another process has just written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    beside = path.with_suffix(f".{secrets.token_hex(8)}")
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

    def __init__(self, settings: Settings) -> None:
        self.key = signing_key(settings)
        self.reader = Reader(settings, "signer")
        self._heads: Heads | None = None

    def is_ours(self, checkpoint: CheckpointSigned) -> bool:
        """Whether it was signed with this key; what others sign binds nobody here."""
        return holds(checkpoint, self.key.public_key())

    async def start(self) -> None:
        """Raises Unavailable where no broker answers."""
        await self.reader.start()

    async def stop(self) -> None:
        await self.reader.stop()

    async def checkpoints(
        self, standing: Sequence[CheckpointSigned]
    ) -> AsyncGenerator[CheckpointSigned]:
        """Checkpoints of what is on the log now and was not signed: one, or one for each STRETCH
        records. `standing`: ours that stand there, in order.

        Raises Rewritten where the log has not what they signed, and Unavailable.
        """
        ends = await self.reader.ends_of(PLACES)
        # Whoever does not come to the end of this reads the log from its beginning next time.
        heads, self._heads = self._heads or Heads(), None
        for checkpoint in standing:
            heads.expect(checkpoint)
        signed = standing[-1].positions if standing else {}
        for place, end in ends.items():
            await self._feed(heads, place, min(end, signed.get(place_name(*place), 0)))
        for place, end in ends.items():
            if heads.position(*place) > end:
                read = heads.position(*place)
                raise Rewritten(f"{place_name(*place)} ends at {end}, {read} were read before")
            while (first := heads.position(*place)) < end:
                await self._feed(heads, place, min(end, first + STRETCH - heads.unsigned))
                if heads.unsigned >= STRETCH:
                    yield heads.sign(self.key)
        if heads.unsigned:
            yield heads.sign(self.key)
        self._heads = heads

    async def _feed(self, heads: Heads, place: tuple[str, int], end: int) -> None:
        """Read a partition on up to `end`."""
        async for records in self.reader.range(*place, heads.position(*place), end):
            for record in records:
                heads.append(*place, record.value)


def unsigned(ends: Mapping[tuple[str, int], int], last: CheckpointSigned | None) -> int:
    """Records on the log that came after a checkpoint."""
    signed = last.positions if last is not None else {}
    return sum(end - signed.get(place_name(*place), 0) for place, end in ends.items())
