"""`POST /v1/complaints:stream`: NDJSON in, one receipt a line out, in order, of any length.

An ASGI loop of its own reads the body: reading never waits for the client to take its receipts,
which wait in a spooled file. So a client may send everything before it reads anything, and every
line still gets its receipt; and one that sends a line and waits gets it before it sends the next.
(Framework helpers that read the body and write the answer from one
generator lose what arrives while the answer is held back.)
"""

from __future__ import annotations

import asyncio
import tempfile
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import IO, Any, Final

import msgspec

from services.intake.complaint import Problem
from services.intake.given import MAX_BYTES
from services.intake.preparing import Receipt, Status
from services.intake.quarantine import Quarantine
from services.intake.reception import Reception
from shared.journal import journal
from shared.keys import Key

log = journal("intake.stream")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_BATCH_LINES: Final = 500
_PAUSE_SECONDS: Final = 0.02
"""A batch that is not full is taken when nothing arrives for so long."""
_UNDER_WAY: Final = 6
_IN_MEMORY: Final = 8 << 20
_SEND_BYTES: Final = 64 << 10


class Lines:
    """Cuts a body into lines; a line longer than a complaint may be is dropped, not kept.

    A byte order mark before the first is of the file, not of the line (RFC 8259, 8.1).
    """

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._overlong = False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that end in this chunk; None for one that was too long."""
        *ended, rest = (self._rest + chunk).split(b"\n")
        lines = [self._line(line) for line in ended]
        self._rest = rest
        if len(rest) > MAX_BYTES:
            self._overlong = True
            self._rest = b""
        return lines

    def end(self) -> list[bytes | None]:
        """The last line, if the body does not end with a newline."""
        return [self._line(self._rest)] if self._rest or self._overlong else []

    def _line(self, line: bytes) -> bytes | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(BOM_UTF8)
        if self._overlong or len(line) > MAX_BYTES:
            self._overlong = False
            return None
        return line


class Exchange:
    """One request: lines in, receipts out."""

    def __init__(
        self,
        reception: Reception,
        quarantine: Quarantine,
        key: Key,
        receive: Receive,
        send: Send,
    ) -> None:
        self.reception = reception
        self.quarantine = quarantine
        self.key = key
        self._receive = receive
        self._send = send
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._written = 0
        self._more = asyncio.Event()
        self._finished = False
        self._lines = 0
        self._taken = 0
        self._batches: deque[asyncio.Task[list[Receipt]]] = deque()

    async def run(self) -> None:
        """Read to the end of the body, answer every line, and end the answer."""
        sender = asyncio.create_task(self._answer(), name="intake-receipts")
        try:
            await self._read()
            self._finished = True
            self._more.set()
            await sender
        finally:
            sender.cancel()
            for batch in self._batches:
                batch.cancel()
            self._spool.close()

    async def _read(self) -> None:
        lines, waiting = Lines(), list[bytes | None]()
        message = asyncio.ensure_future(self._receive())
        try:
            while True:
                pause = _PAUSE_SECONDS if waiting else None
                oldest = (self._batches[0],) if self._batches else ()
                done, _ = await asyncio.wait(
                    (message, *oldest), timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                if message not in done:
                    if done:
                        await self._write_oldest()
                    else:
                        waiting = await self._take(waiting)
                    continue
                got = message.result()
                if got["type"] == "http.disconnect":
                    return
                waiting += lines.feed(got.get("body", b""))
                if not got.get("more_body", False):
                    break
                message = asyncio.ensure_future(self._receive())
                while len(waiting) >= _BATCH_LINES:
                    await self._take(waiting[:_BATCH_LINES])
                    waiting = waiting[_BATCH_LINES:]
            waiting += lines.end()
            for first in range(0, len(waiting), _BATCH_LINES):
                await self._take(waiting[first : first + _BATCH_LINES])
        finally:
            message.cancel()
        while self._batches:
            await self._write_oldest()

    async def _take(self, lines: list[bytes | None]) -> list[bytes | None]:
        """Start a batch; its receipts are written after those of the batches before it."""
        if len(self._batches) >= _UNDER_WAY:
            await self._write_oldest()
        first, self._taken = self._taken + 1, self._taken + len(lines)
        self._batches.append(asyncio.create_task(self._batch(lines, first), name="intake-batch"))
        while self._batches and self._batches[0].done():
            await self._write_oldest()
        return []

    async def _batch(self, lines: list[bytes | None], first: int) -> list[Receipt]:
        try:
            prepared = await self.reception.prepare(lines, self.key)
            receipts = await self.reception.store(prepared)
            # What is refused stands in quarantine before its receipt says so.
            await self.quarantine.batch(lines, prepared, receipts, "stream", self.key, first)
        except Exception as error:
            # The stream goes on: these lines are refused as a whole and may be sent again.
            log.warning("batch_failed", error=type(error).__name__, lines=len(lines))
            return [_UNAVAILABLE] * len(lines)
        return receipts

    async def _write_oldest(self) -> None:
        receipts = await self._batches.popleft()
        first, self._lines = self._lines + 1, self._lines + len(receipts)
        out = _ndjson(
            [
                ReceiptLine(number, receipt.status, receipt.case_id, receipt.problems)
                for number, receipt in enumerate(receipts, first)
            ]
        )
        self._spool.seek(self._written)
        self._spool.write(out)
        self._written += len(out)
        self._more.set()

    async def _answer(self) -> None:
        """Send receipts as they come, at the client's pace."""
        headers = [(b"content-type", b"application/x-ndjson"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        sent = 0
        while True:
            await self._more.wait()
            self._more.clear()
            while sent < self._written:
                self._spool.seek(sent)
                part = self._spool.read(_SEND_BYTES)
                await self._send({"type": "http.response.body", "body": part, "more_body": True})
                sent += len(part)
            if self._finished and sent == self._written:
                break
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class ReceiptLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the answer (contract 2)."""

    line: int
    status: Status
    case_id: str | None
    errors: tuple[Problem, ...]


_ndjson: Final = msgspec.json.Encoder().encode_lines


_UNAVAILABLE: Final = Receipt(
    "rejected",
    problems=(Problem("", "unavailable", "not recorded for certain; send this line again"),),
)
