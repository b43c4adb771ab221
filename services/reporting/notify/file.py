"""The file channel: one JSON line for each notification, on the disk before it counts as sent.

The file is its own receipt: ids that stand in it are not written again, also after a kill between
writing and marking, or over tables that were lost. It is locked while it is open, so that a
process that was frozen and replaced cannot write a line a second time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from services.reporting.notify.message import Message, Receipt


class FileChannel:
    """Appends to one file, which it opens at the first delivery."""

    most: Final = 500

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._known: set[str] = set()

    async def deliver(self, messages: Sequence[Message]) -> list[Receipt]:
        return await asyncio.to_thread(self._deliver, messages)

    async def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _deliver(self, messages: Sequence[Message]) -> list[Receipt]:
        try:
            file = self._file or self._open()
            fresh = [message for message in messages if message.id not in self._known]
            _append(file, fresh)
        except OSError as error:
            if self._file is not None:
                self._file.close()
            self._file = None  # What is on the disk is read again before the next line.
            return [Receipt("retry", type(error).__name__)] * len(messages)
        self._known.update(message.id for message in fresh)
        return [Receipt("sent", "on disk")] * len(messages)

    def _open(self) -> BinaryIO:
        """Raises OSError, BlockingIOError while another process has the file."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._known = _mended(file)
            _sync(folder)
        except BaseException:
            file.close()
            raise
        self._file = file
        return file


def _append(file: BinaryIO, messages: Sequence[Message]) -> None:
    if not messages:
        return
    for message in messages:
        file.write(orjson.dumps({"id": message.id, **message.body}) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A new file's name is on the disk only once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mended(file: BinaryIO) -> set[str]:
    """The ids in the file; a last line that a kill cut short is taken off, it never counted."""
    found: set[str] = set()
    whole = 0
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            break
        whole += len(line)
        found.add(str(orjson.loads(line)["id"]))
    file.truncate(whole)
    return found
