"""Intake on a real Kafka and PostgreSQL: receipts, conflicts, facts, and what survives a kill."""

from __future__ import annotations

import asyncio
import collections
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.envelope import case_id_of
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, yesterday

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("intake")
    desk = Desk(module_settings, folder)
    await desk.start()
    yield desk
    await desk.close()


async def test_a_complaint_is_received_once(desk: Desk) -> None:
    first = await desk.post(complaint("once"))
    again = await desk.post(complaint("once"))
    case_id = case_id_of("national", "once")
    assert first.status_code == 202
    assert first.json()["status"] == "received"
    assert first.json()["case_id"] == case_id
    assert again.status_code == 202
    assert again.json() == first.json() | {"status": "duplicate"}
    assert [event.type for event in await desk.events(case_id)] == ["ComplaintReceived"]


async def test_other_content_under_a_known_reference_is_a_conflict(desk: Desk) -> None:
    await desk.post(complaint("conflict"))
    other = await desk.post(complaint("conflict", amount_fen=1_300_000))
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["code"] == "CONFLICT"
    assert other.json()["errors"][0]["pointer"] == "/source_ref"
    assert len(await desk.events(case_id_of("national", "conflict"))) == 1


async def test_facts_are_judged_on_the_newest_state(desk: Desk) -> None:
    case_id = (await desk.post(complaint("facts"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    clerk = {"unit": "市人社局", "role": "clerk"}
    when = yesterday()
    accepted = await desk.fact(path, "ComplaintAccepted", key="a", by=clerk, occurred_at=when)
    assert accepted.status_code == 202, accepted.text
    again = await desk.fact(path, "ComplaintAccepted", key="a", by=clerk, occurred_at=when)
    assert (again.status_code, again.json()) == (202, accepted.json())
    twice = await desk.fact(path, "ComplaintAccepted", key="b", by=clerk, occurred_at=when)
    assert twice.status_code == 409
    assert twice.json()["code"] == "STATE"
    event = (await desk.events(case_id))[-1]
    assert event.id == accepted.json()["event_id"]
    assert event.data.number.startswith("DF-QX-")  # type: ignore[union-attr]


async def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    case_id = (await desk.post(complaint("reused"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    clerk = {"unit": "市人社局", "role": "clerk"}
    when = yesterday()
    first = await desk.fact(path, "ComplaintAccepted", key="r", by=clerk, occurred_at=when)
    other = await desk.fact(
        path, "ComplaintAccepted", {"urgent": True}, key="r", by=clerk, occurred_at=when
    )
    assert first.status_code == 202
    assert (other.status_code, other.json()["code"]) == (422, "KEY_REUSED")


async def test_twenty_thousand_lines_sent_before_reading_get_twenty_thousand_receipts(
    desk: Desk,
) -> None:
    """A raw socket sends everything, then reads: the framework's way lost most of these."""
    count = 20_000
    lines = [
        orjson.dumps(complaint(f"bulk-{number}", source="henan", claims=None, text="欠我工资"))
        for number in range(count)
    ]
    lines[7] = b"{ this is not JSON"
    body = b"\n".join(lines) + b"\n"
    before = sum(1 for event in await desk.records())
    began = time.perf_counter()
    receipts = await asyncio.to_thread(_send_all_then_read, desk, body)
    print(f"{count / (time.perf_counter() - began):.0f} lines/s")
    assert [receipt["line"] for receipt in receipts] == list(range(1, count + 1))
    statuses = collections.Counter(receipt["status"] for receipt in receipts)
    assert statuses == {"received": count - 1, "rejected": 1}
    assert receipts[7]["errors"][0]["code"] == "json_invalid"
    assert len({receipt["case_id"] for receipt in receipts}) == count
    assert len(await desk.records()) - before == count - 1


def _send_all_then_read(desk: Desk, body: bytes) -> list[dict[str, Any]]:
    url = httpx.URL(desk.settings.url("intake"))
    head = (
        f"POST /v1/complaints:stream HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Authorization: {desk.bearer()['authorization']}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=120) as peer:
        peer.sendall(head.encode() + body)
        parts = []
        while part := peer.recv(1 << 20):
            parts.append(part)
    answer = b"".join(parts)
    header, _, chunked = answer.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 200"), header
    return [orjson.loads(line) for line in _unchunked(chunked).splitlines()]


def _unchunked(raw: bytes) -> bytes:
    """The content of a chunked body."""
    out = bytearray()
    while True:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return bytes(out)
        out += raw[:length]
        raw = raw[length + 2 :]
