"""Who signs: the key and its file, what is read when, and what is no longer signed."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from services.reporting import signing
from services.reporting.signing import Signer, SigningError, signing_key, unsigned
from shared.checkpoint import Rewritten
from shared.events import CheckpointSigned
from shared.log import Record
from shared.merkle import Tree
from shared.settings import Settings

PLACE = ("case-events", 0)


class Log:
    """A log of one partition, as a reader gives it; `read`: offsets that were asked for."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self.values = list(values)
        self.read: list[int] = []

    async def ends_of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {place: len(self.values) if place == PLACE else 0 for place in places}

    async def range(
        self, topic: str, partition: int, first: int, end: int
    ) -> AsyncIterator[list[Record]]:
        self.read += range(first, end)
        if first < end:
            yield [
                Record(topic, partition, offset, 0, None, self.values[offset])
                for offset in range(first, end)
            ]


def settings_in(folder: Path) -> Settings:
    return Settings(data_dir=folder)


def signer_of(folder: Path, log: Log) -> Signer:
    signer = Signer(settings_in(folder))
    signer.reader = log  # type: ignore[assignment]
    return signer


async def signed(signer: Signer, standing: list[CheckpointSigned]) -> list[CheckpointSigned]:
    return [found async for found in signer.checkpoints(standing)]


async def test_each_record_is_read_once_by_a_process(tmp_path: Path) -> None:
    log = Log([b"a", b"b"])
    signer = signer_of(tmp_path, log)
    [first] = await signed(signer, [])
    log.values += [b"c"]
    [second] = await signed(signer, [first])
    assert log.read == [0, 1, 2]
    assert second.roots == {"case-events/0": Tree([b"a", b"b", b"c"]).root().hex()}
    assert all(signer.is_ours(data) for data in (first, second))
    assert await signed(signer, [first, second]) == []


async def test_another_process_reads_all_and_signs_what_came_since(tmp_path: Path) -> None:
    log = Log([b"a", b"b"])
    [first] = await signed(signer_of(tmp_path, log), [])
    log.values += [b"c"]
    [second] = await signed(signer_of(tmp_path, log), [first])
    assert second.positions == {"case-events/0": 3}
    assert len((second.marks or {})["case-events/0"]) == 8, "the marks of one record, in base64"


@pytest.mark.parametrize(
    ("now", "same_process"),
    [
        ([b"a", b"x", b"c"], False),
        ([b"a"], False),
        ([b"a"], True),
        ([b"a", b"b"], True),
    ],
)
async def test_a_log_that_lacks_what_was_signed_gets_no_other(
    tmp_path: Path, now: list[bytes], same_process: bool
) -> None:
    log = Log([b"a", b"b", b"c"])
    signer = signer_of(tmp_path, log)
    [first] = await signed(signer, [])
    log.values = now
    again = signer if same_process else signer_of(tmp_path, log)
    with pytest.raises(Rewritten, match="case-events/0"):
        await signed(again, [first])


async def test_much_is_signed_in_stretches_that_all_have_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "STRETCH", 2)
    log = Log([b"a", b"b", b"c", b"d", b"e"])
    found = await signed(signer_of(tmp_path, log), [])
    assert [data.positions["case-events/0"] for data in found] == [2, 4, 5]
    assert all(data.marks for data in found)


async def test_one_that_stopped_on_the_way_begins_again(tmp_path: Path) -> None:
    """Its checkpoint may not stand on the log: what it had read is not taken as signed."""
    log = Log([b"a", b"b"])
    signer = signer_of(tmp_path, log)
    async for _ in signer.checkpoints([]):
        break
    [again] = await signed(signer, [])
    assert again.positions == {"case-events/0": 2}
    assert log.read == [0, 1, 0, 1]


def test_unsigned_records_are_counted_over_all_partitions() -> None:
    last = CheckpointSigned(positions={"case-events/0": 3}, roots={}, signature="", key_id="k")
    ends = {PLACE: 5, ("governance-events", 0): 4}
    assert unsigned(ends, last) == 6
    assert unsigned(ends, None) == 9


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "new")
    key = signing_key(settings)
    path = settings.checkpoint_key_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_key(settings).private_bytes_raw() == key.private_bytes_raw()
    public: Any = load_pem_public_key(settings.checkpoint_public_path.read_bytes())
    assert public.public_bytes_raw() == key.public_key().public_bytes_raw()
    assert sorted(item.name for item in path.parent.iterdir()) == [
        "checkpoint.pem",
        "checkpoint.pub",
    ]


def test_what_is_no_such_key_is_told_by_its_file(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.checkpoint_key_path.write_text("no key")
    with pytest.raises(SigningError, match=r"checkpoint.pem: no Ed25519 private key"):
        signing_key(settings)
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings.checkpoint_key_path.write_bytes(pem)
    with pytest.raises(SigningError, match=r"checkpoint.pem: no Ed25519 private key"):
        signing_key(settings)
