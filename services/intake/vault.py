"""The vault: one random key for each case, wrapped under the installation's master key.

The only thing that cannot be rebuilt from the log; it is backed up apart, with the master key.
Destroying a row erases what that case says about persons, in every copy of the log.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.intake.kept import SCOPE, Kept
from services.intake.tables import Connection, Tables
from shared.sealing import KEY_BYTES, FirstSealer, Matcher, Sealer

_NONCE_BYTES: Final = 12


class VaultError(RuntimeError):
    """The master key is missing or another one; the message names the file and the fix."""


class Erased(LookupError):
    """The subject's key was destroyed: what it sealed is gone, and nothing more is sealed."""


class Missing(LookupError):
    """The vault has no row for a subject that was sealed: it is of before, or was restored so."""


class Safe:
    """What is done with the master key alone: wrapping keys, and the matching key."""

    def __init__(self, master: bytes) -> None:
        self.master = master
        self.fingerprint = _derive(master, "fingerprint")
        self.matcher = Matcher(_derive(master, "match"))
        self._wrap = AESGCM(_derive(master, "wrap"))

    def fresh(self, subject: str) -> tuple[FirstSealer, bytes]:
        """A sealer under a new key, and the wrapped key to be stored before anything is sent."""
        random = os.urandom(KEY_BYTES + _NONCE_BYTES)
        key, nonce = random[:KEY_BYTES], random[KEY_BYTES:]
        wrapped = nonce + self._wrap.encrypt(nonce, key, subject.encode())
        return FirstSealer(subject, key, self.matcher), wrapped

    def open(self, subject: str, wrapped: bytes) -> Sealer:
        """The sealer of a wrapped key."""
        nonce, body = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        return Sealer(subject, self._wrap.decrypt(nonce, body, subject.encode()), self.matcher)


class Vault:
    """The stored keys of cases."""

    def __init__(self, safe: Safe, tables: Tables) -> None:
        self.safe = safe
        self.matcher = safe.matcher
        self.tables = tables

    async def sealers(self, connection: Connection, subjects: Sequence[str]) -> dict[str, Sealer]:
        """Each subject's sealer, with a new key if it has none; without those that were erased."""
        rows = await self._rows(connection, subjects)
        if new := [subject for subject in subjects if subject not in rows]:
            await connection.execute(
                f"""INSERT INTO {self.tables.keys} (subject, key)
                SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING""",
                new,
                [self.safe.fresh(subject)[1] for subject in new],
            )
            rows |= await self._rows(connection, new)
        return self._opened(rows)

    async def sealer(self, connection: Connection, subject: str) -> Sealer:
        """The subject's sealer, with a new key if it has none. Raises Erased."""
        found = await self.sealers(connection, [subject])
        if subject not in found:
            raise Erased(subject)
        return found[subject]

    async def opener(self, connection: Connection, subject: str) -> Sealer:
        """The sealer of a subject that has a key. Raises Erased, Missing."""
        row = await self._row(connection, subject)
        if row is None:
            raise Missing(subject)
        return self._open(subject, row)

    async def openers(self, connection: Connection, subjects: Sequence[str]) -> dict[str, Sealer]:
        """The sealers of those subjects that have a key."""
        return self._opened(await self._rows(connection, subjects))

    async def verify(self, connection: Connection) -> None:
        """Whether this is the master key that wrapped what is stored. Raises VaultError."""
        known = await connection.fetchval(f"SELECT fingerprint FROM {self.tables.master}")
        if known is None:
            await connection.execute(
                f"INSERT INTO {self.tables.master} VALUES ($1)", self.safe.fingerprint
            )
        elif not hmac.compare_digest(known, self.safe.fingerprint):
            raise VaultError("the vault was sealed under another master key; restore that key")

    async def _rows(
        self, connection: Connection, subjects: Sequence[str]
    ) -> dict[str, bytes | None]:
        if not subjects:
            return {}
        rows = await connection.fetch(
            f"SELECT subject, key FROM {self.tables.keys} WHERE subject = ANY($1)", subjects
        )
        return {row["subject"]: row["key"] for row in rows}

    def _opened(self, rows: dict[str, bytes | None]) -> dict[str, Sealer]:
        return {
            subject: self.safe.open(subject, key)
            for subject, key in rows.items()
            if key is not None
        }

    async def _row(self, connection: Connection, subject: str) -> tuple[bytes | None] | None:
        row = await connection.fetchrow(
            f"SELECT key FROM {self.tables.keys} WHERE subject = $1", subject
        )
        return None if row is None else (row["key"],)

    def _open(self, subject: str, row: tuple[bytes | None]) -> Sealer:
        if row[0] is None:
            raise Erased(subject)
        return self.safe.open(subject, row[0])


async def destroy(connection: Connection, tables: Tables, subjects: Sequence[str]) -> None:
    """Destroy keys of cases, for good; also those of refused lines that became these cases, which
    say of persons what they say. Doing it again changes nothing.
    """
    async with connection.transaction():
        lines = await connection.fetch(
            f"""UPDATE {Kept(tables).quarantine} SET payload = NULL WHERE case_id = ANY($1)
            RETURNING id""",
            subjects,
        )
        lined = [f"{SCOPE}:{row['id']}" for row in lines]
        await _destroy(connection, tables, [*subjects, *lined])


async def destroy_lines(connection: Connection, tables: Tables, before: datetime) -> int:
    """Destroy keys of refused lines that became no case and were closed before an instant; how
    many. A line that waits for a person has not ended.
    """
    async with connection.transaction():
        lines = await connection.fetch(
            f"""UPDATE {Kept(tables).quarantine} SET payload = NULL
            WHERE case_id IS NULL AND payload IS NOT NULL AND closed_at < $1 RETURNING id""",
            before,
        )
        await _destroy(connection, tables, [f"{SCOPE}:{row['id']}" for row in lines])
    return len(lines)


async def _destroy(connection: Connection, tables: Tables, subjects: Sequence[str]) -> None:
    await connection.execute(
        f"""UPDATE {tables.keys} SET key = NULL, erased_at = now()
        WHERE subject = ANY($1) AND key IS NOT NULL""",
        subjects,
    )


def _derive(master: bytes, purpose: str) -> bytes:
    return hmac.digest(master, f"qingqian/{purpose}".encode(), hashlib.sha256)


def master_key(path: Path) -> bytes:
    """The master key in a file only its owner may read; made at the first start.

    Raises VaultError if the file does not hold 32 bytes in hex.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        return _new_master_key(path)
    except (ValueError, UnicodeDecodeError):
        raise VaultError(f"{path}: not a master key (64 hex digits)") from None
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path}: a master key has {KEY_BYTES} bytes in hex")
    return key


def _new_master_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return master_key(path)
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(handle, "w") as file:
        file.write(key.hex() + "\n")
    return key
