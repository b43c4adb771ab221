from __future__ import annotations

import asyncio
import io
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from infra import feed
from infra.feed import Feed
from infra.problem import Unready
from shared.health import Server

CLOCK = "2021-12-01T01:00:00Z"


class FakeIntake:
    """The door for streams alone: reads a line, answers a line; `stop_after` breaks off."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.lines: list[bytes] = []
        self.keys: list[str] = []
        self.stop_after = stop_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if scope["path"] == "/readyz":
            await send(start)
            body = json.dumps({"ready": True, "clock": CLOCK}).encode()
            await send({"type": "http.response.body", "body": body})
            return
        self.keys.append(dict(scope["headers"])[b"authorization"].decode())
        await send(start)
        rest = b""
        while True:
            message = await receive()
            *whole, rest = (rest + message.get("body", b"")).split(b"\n")
            for line in whole:
                await self._answer(line, send)
            if not message.get("more_body"):
                break
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, line: bytes, send: Send) -> None:
        self.lines.append(line)
        if self.stop_after is not None and len(self.lines) > self.stop_after:
            return
        known = self.lines.index(line) < len(self.lines) - 1
        status = "duplicate" if known else "received" if line.startswith(b"{") else "rejected"
        receipt = {"line": len(self.lines), "status": status, "case_id": "c", "errors": []}
        body = json.dumps(receipt).encode() + b"\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})


@asynccontextmanager
async def serving(app: Callable[..., Any]) -> AsyncIterator[str]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


async def fed(
    intake: FakeIntake, content: bytes, messages: bool = False
) -> tuple[dict[str, int], list[Any]]:
    receipts = io.BytesIO()
    async with serving(intake) as url:
        sender = Feed(url, {"authorization": "Bearer k"}, receipts)
        counts = await sender.send(io.BytesIO(content), len(content), messages)
    return dict(counts), [json.loads(line) for line in receipts.getvalue().splitlines()]


async def test_receipts_carry_the_line_of_the_file_and_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    intake = FakeIntake()
    counts, receipts = await fed(intake, b'{"a":1}\n\n  \n{"a":2}\r\nnonsense\n{"a":1}')
    assert [(item["line"], item["status"]) for item in receipts] == [
        (1, "received"), (4, "received"), (5, "rejected"), (6, "duplicate"),
    ]  # fmt: skip
    assert counts == {"received": 2, "rejected": 1, "duplicate": 1}
    assert "4 lines: 2 received, 1 duplicate, 1 rejected" in capsys.readouterr().err
    assert intake.keys == ["Bearer k"]
    assert intake.lines[1] == b'{"a":2}'


async def test_many_lines_go_through_in_chunks() -> None:
    content = b"".join(b'{"source_ref":"%d","text":"%s"}\n' % (n, b"x" * 200) for n in range(3000))
    counts, receipts = await fed(FakeIntake(), content)
    assert counts == {"received": 3000}
    assert [item["line"] for item in receipts] == list(range(1, 3001))


async def test_a_pipe_is_fed_like_a_file() -> None:
    """`… | qingqian feed /dev/stdin`: it cannot tell how far it was read."""
    end, begin = os.pipe()
    os.write(begin, b'{"a":1}\n{"b":2}\n')
    os.close(begin)
    intake = FakeIntake()
    with os.fdopen(end, "rb") as pipe:
        async with serving(intake) as url:
            sender = Feed(url, {"authorization": "Bearer k"}, io.BytesIO())
            counts = await sender.send(pipe, 0, False)
    assert counts["received"] == 2


async def test_messages_of_citizens_become_complaints_of_the_message_board() -> None:
    intake = FakeIntake()
    message = {"id": "10484", "title": "拖欠工资", "text": "老板不给钱", "claim": True}
    await fed(intake, json.dumps(message).encode() + b"\nbroken\n")
    assert json.loads(intake.lines[0]) == {
        "source": "rmw", "source_ref": "10484", "tier": "NAT", "received_at": CLOCK,
        "text": "拖欠工资\n老板不给钱",
    }  # fmt: skip
    assert intake.lines[1] == b"broken", "what is no message is intake's to reject"


async def test_a_byte_order_mark_is_no_part_of_a_line_and_no_line_of_its_own() -> None:
    intake = FakeIntake()
    counts, _ = await fed(intake, b'\xef\xbb\xbf\r\n{"a":1}\n')
    assert (counts, intake.lines) == ({"received": 1}, [b'{"a":1}'])
    message = {"id": "10484", "title": "拖欠工资", "text": "老板不给钱"}
    await fed(intake, b"\xef\xbb\xbf" + json.dumps(message).encode())
    assert json.loads(intake.lines[1])["source"] == "rmw"


async def test_a_stream_that_breaks_off_says_from_which_line_to_send_again() -> None:
    with pytest.raises(Unready, match="ended the stream before line 3"):
        await fed(FakeIntake(stop_after=2), b'{"a":1}\n{"a":2}\n{"a":3}\n')


async def test_receipts_that_nobody_reads_any_more_are_no_success() -> None:
    """`qingqian feed FILE | head -1`: how far intake came is not known here."""
    reader, writer = os.pipe()
    os.close(reader)
    receipts = os.fdopen(writer, "wb", buffering=0)
    async with serving(FakeIntake()) as url:
        sender = Feed(url, {"authorization": "Bearer k"}, receipts)
        with pytest.raises(Unready, match=r"nobody reads the receipts.*feed the file again"):
            await sender.send(io.BytesIO(b'{"a":1}\n{"a":2}\n'), 16, False)
    receipts.close()


async def test_no_intake_is_one_clear_line() -> None:
    with pytest.raises(Unready, match=r"intake does not answer at .*qingqian up"):
        await Feed("http://127.0.0.1:9", {}, io.BytesIO()).send(io.BytesIO(b"{}"), 2, False)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unready, match=r"cannot read .*nothing\.jsonl: No such file"):
        feed.run(file=tmp_path / "nothing.jsonl")
