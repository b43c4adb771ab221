"""`qingqian feed`: complaints, one JSON object a line, streamed through intake.

Receipts go to stdout, one JSON line each; progress and the summary to stderr. Also reads
messages of citizens to a message board (`{"id", "title", "text"}`), as complaints of source `rmw`.
"""

from __future__ import annotations

import sys
import time
from codecs import BOM_UTF8
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any, Final

import aiohttp
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from infra import loop
from infra.keyring import read_keys
from infra.problem import Unready
from shared.roles import By
from shared.settings import load

MESSAGE_SOURCE: Final = "rmw"
_CHUNK_BYTES: Final = 64 << 10
_OPERATOR: Final = By("operator", "operator")
_AGAIN: Final = (
    "Fix: feed the file again; what was received is then a duplicate and appends nothing"
)


def run(*, file: Path, messages: bool = False) -> int:
    """Stream a file; 1 if a line was rejected. Raises Unready for no file, no stack, no key,
    and KeyboardInterrupt, once it has said what is left, where it is stopped half way.
    """
    settings = load()
    try:
        source = file.open("rb")
    except OSError as error:
        raise Unready(f"cannot read {file}: {error.strerror}") from None
    with source:
        feed = Feed(settings.url("intake"), read_keys(settings).headers(_OPERATOR))
        try:
            counts = loop.run(feed.send(source, file.stat().st_size, messages))
        except KeyboardInterrupt:
            feed.receipts.flush()
            print(
                f"interrupted after {feed.counts.total()} receipts; more lines may have been "
                f"received. {_AGAIN}",
                file=sys.stderr,
            )
            raise
    return 1 if counts["rejected"] else 0


class Feed:
    """One stream: what was sent, what was answered."""

    def __init__(
        self, intake: str, headers: dict[str, str], receipts: IO[bytes] | None = None
    ) -> None:
        self.intake = intake
        self.headers = headers | {"content-type": "application/x-ndjson"}
        self.receipts = receipts or sys.stdout.buffer
        self.counts: Counter[str] = Counter()
        self._sent: deque[int] = deque()

    async def send(self, file: IO[bytes], size: int, messages: bool) -> Counter[str]:
        """Send every line and print every receipt; how many of each status.

        Raises Unready when intake does not answer or ends before the last receipt.
        """
        begun = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                clock = await self._clock(http)
                with _progress() as progress:
                    task = progress.add_task("feeding", total=size or 1)
                    body = self._body(file, messages, clock, progress, task)
                    await self._exchange(http, body)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unready(
                    f"intake does not answer at {self.intake} ({type(error).__name__}), "
                    f"{self.counts.total()} receipts so far. Fix: qingqian up"
                ) from None
        if self._sent:
            raise Unready(f"intake ended the stream before line {self._sent[0]}; send it again")
        self._summary(time.monotonic() - begun)
        return self.counts

    async def _clock(self, http: aiohttp.ClientSession) -> str:
        """The installation's present instant, RFC 3339."""
        async with http.get(f"{self.intake}/readyz") as response:
            document = await response.json(content_type=None)
        if not document.get("ready"):
            raise Unready(f"intake is not ready: {document.get('reason')}")
        return str(document["clock"])

    async def _body(
        self, file: IO[bytes], messages: bool, clock: str, progress: Progress, task: Any
    ) -> AsyncIterator[bytes]:
        chunk, done = bytearray(), 0  # A pipe cannot tell how far it was read.
        for number, line in _lines(file):
            done += len(line) + 1
            if not self._sent and not self.counts and not messages:
                messages = _is_message(line)
            self._sent.append(number)
            chunk += (_complaint(line, clock) if messages else line) + b"\n"
            if len(chunk) >= _CHUNK_BYTES:
                yield bytes(chunk)
                chunk.clear()
                progress.update(task, completed=done)
        yield bytes(chunk)
        progress.update(task, completed=done or 1)

    async def _exchange(self, http: aiohttp.ClientSession, body: AsyncIterator[bytes]) -> None:
        url = f"{self.intake}/v1/complaints:stream"
        async with http.post(url, data=body, headers=self.headers) as response:
            if response.status != 200:
                text = (await response.text())[:300]
                raise Unready(f"intake answered {response.status}: {text}")
            try:
                async for line in response.content:
                    self._receipt(orjson.loads(line))
                self.receipts.flush()
            except BrokenPipeError:
                raise Unready(
                    "nobody reads the receipts any more, so the feeding stops: which lines were "
                    f"received is not told. {_AGAIN}"
                ) from None

    def _receipt(self, receipt: dict[str, Any]) -> None:
        """Print a receipt under the number of its line in the file."""
        receipt["line"] = self._sent.popleft()
        self.counts[receipt["status"]] += 1
        self.receipts.write(orjson.dumps(receipt) + b"\n")

    def _summary(self, seconds: float) -> None:
        counted = ", ".join(
            f"{self.counts[status]} {status}" for status in ("received", "duplicate", "rejected")
        )
        total = self.counts.total()
        print(f"{total} lines: {counted}; {seconds:.1f} s, {total / seconds:.0f} a second",
              file=sys.stderr, flush=True)  # fmt: skip


def _progress() -> Progress:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal, transient=True,
    )  # fmt: skip


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that say something, with their numbers from 1; without a mark of the byte order."""
    for number, line in enumerate(iter(file.readline, b""), 1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def _is_message(line: bytes) -> bool:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(value, dict)
        and {"id", "title", "text"} <= value.keys()
        and "source" not in value
    )


def _complaint(line: bytes, clock: str) -> bytes:
    """A message as a complaint received now; what is none goes on as it is, to be rejected."""
    if not _is_message(line):
        return line
    message = orjson.loads(line)
    return orjson.dumps(
        {
            "source": MESSAGE_SOURCE,
            "source_ref": str(message["id"]),
            "tier": "NAT",
            "received_at": clock,
            "text": f"{message['title']}\n{message['text']}",
        }
    )
