"""Feeding files through a real intake, the citizens' messages among them where they are at hand."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from infra import feed, simulator
from infra.feed import Feed
from infra.keyring import ensure_keys, read_keys
from infra.stack.services import Services
from shared.envelope import case_id_of
from shared.roles import By
from shared.settings import Settings

pytestmark = pytest.mark.live

MESSAGES = Path(__file__).parents[3] / "shared" / "data" / "messages.jsonl"


@pytest.fixture(scope="module")
def intake(module_settings: Settings) -> Iterator[Settings]:
    ensure_keys(module_settings)
    folder = module_settings.data_dir
    services = Services(module_settings, folder / "run", folder / "log", ("intake",))
    services.start()
    try:
        yield module_settings
    finally:
        services.stop()


def fed(settings: Settings, content: bytes) -> tuple[dict[str, int], list[dict[str, Any]]]:
    receipts = io.BytesIO()
    headers = read_keys(settings).headers(By("operator", "operator"))
    sender = Feed(settings.url("intake"), headers, receipts)
    counts = asyncio.run(sender.send(io.BytesIO(content), len(content), False))
    return dict(counts), [json.loads(line) for line in receipts.getvalue().splitlines()]


def test_a_campaigns_complaints_are_received_once(intake: Settings) -> None:
    complaints = [item.data for item in simulator.received(2, "full")]
    content = b"".join(json.dumps(item).encode() + b"\n" for item in complaints)
    counts, receipts = fed(intake, content)
    assert counts == {"received": len(complaints)}
    assert [item["line"] for item in receipts] == list(range(1, len(complaints) + 1))
    first = complaints[0]
    assert receipts[0]["case_id"] == case_id_of(first["source"], first["source_ref"])
    assert fed(intake, content)[0] == {"duplicate": len(complaints)}


def test_a_bad_line_is_rejected_by_its_number_and_stops_nothing(intake: Settings) -> None:
    good = simulator.received(3, "small")[0].data
    lines = [
        b"nonsense",
        b"",
        json.dumps(good | {"amount_fen": "1"}).encode(),
        json.dumps(good).encode(),
    ]
    counts, receipts = fed(intake, b"\n".join(lines))
    assert counts == {"rejected": 2, "received": 1}
    assert [(item["line"], item["status"]) for item in receipts] == [
        (1, "rejected"), (3, "rejected"), (4, "received"),
    ]  # fmt: skip
    assert receipts[1]["errors"][0]["pointer"] == "/amount_fen"


def test_a_feed_that_is_stopped_half_way_says_that_it_may_be_sent_again(
    intake: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in intake.environment().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "complaints.jsonl"
    one = simulator.received(4, "small")[0].data
    told = [one | {"source_ref": f"stopped-{number}"} for number in range(9)]
    file.write_bytes(b"".join(json.dumps(item).encode() + b"\n" for item in told))
    lines = feed._lines

    def stopped(source: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        for number, line in lines(source):
            if number == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield number, line

    with monkeypatch.context() as patched:
        patched.setattr(feed, "_lines", stopped)
        with pytest.raises(KeyboardInterrupt):
            feed.run(file=file)
    assert "receipts; more lines may have been received. Fix: feed the" in capsys.readouterr().err
    assert feed.run(file=file) == 0


@pytest.mark.skipif(not MESSAGES.exists(), reason="the citizens' messages are not at hand")
def test_messages_of_citizens_are_received_as_complaints_of_the_message_board(
    intake: Settings,
) -> None:
    content = MESSAGES.read_bytes()
    ids = [str(json.loads(line)["id"]) for line in content.splitlines() if line.strip()]
    counts, receipts = fed(intake, content)
    assert counts == {"received": len(set(ids))}
    assert receipts[0]["case_id"] == case_id_of("rmw", ids[0])
