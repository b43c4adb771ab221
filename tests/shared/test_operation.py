"""Health, metrics and the journal: what operators and dashboards rely on."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import orjson
import pytest
import structlog
from pydantic import BaseModel, ValidationError

from shared import journal as journals
from shared.broker import NotAdmitted
from shared.health import Readiness, application
from shared.metrics import REGISTRY, exposition

CONTRACT = {
    "qingqian_lag_seconds",
    "qingqian_undecided_streams",
    "qingqian_overdue_cases",
    "qingqian_parked",
    "qingqian_decision_late_seconds",
    "qingqian_clock_seconds",
    "qingqian_events",
    "qingqian_alerts",
}


async def ask(readiness: Readiness, path: str, accept: str = "*/*") -> httpx.Response:
    async def probe() -> Readiness:
        return readiness

    transport = httpx.ASGITransport(app=application("test", probe))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers={"accept": accept})


async def test_alive_is_said_whether_ready_or_not() -> None:
    answer = await ask(Readiness(ready=False), "/livez")
    assert (answer.status_code, answer.json()) == (200, {"live": True})


async def test_readiness_says_where_the_service_stands() -> None:
    at = datetime(2021, 11, 10, 1, tzinfo=UTC)
    answer = await ask(Readiness(True, at, {"case-events/0": 7}, 2, at), "/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "clock": "2021-11-10T01:00:00Z",
        "positions": {"case-events/0": 7},
        "owed": 2,
        "next_due": "2021-11-10T01:00:00Z",
        "reason": None,
    }


async def test_who_is_not_ready_says_why() -> None:
    answer = await ask(Readiness(ready=False, reason="rebuilding"), "/readyz")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "rebuilding"


async def test_what_there_is_no_route_for_is_a_problem() -> None:
    answer = await ask(Readiness(ready=True), "/v1/cases")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (404, "NOT_FOUND")


async def test_metrics_come_in_the_text_that_is_asked_for() -> None:
    plain = await ask(Readiness(ready=True), "/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    new = await ask(Readiness(ready=True), "/metrics", "application/openmetrics-text")
    assert new.headers["content-type"].startswith("application/openmetrics-text")
    assert "qingqian_lag_seconds" in plain.text


async def test_metrics_say_whether_it_is_ready_now() -> None:
    """Also where nobody else probes it: an alert reads metrics only."""
    down = await ask(Readiness(ready=False, reason="the log does not answer"), "/metrics")
    assert "\nqingqian_ready 0.0\n" in down.text
    again = await ask(Readiness(ready=True), "/metrics")
    assert "\nqingqian_ready 1.0\n" in again.text


async def test_a_log_that_refuses_the_service_is_told_to_whoever_probes() -> None:
    async def probe() -> Readiness:
        raise NotAdmitted("Kafka at h:1 does not let us use topic t. Fix: the access list")

    transport = httpx.ASGITransport(app=application("test", probe))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/readyz")
        shown = await client.get("/metrics")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.json()["reason"].startswith("Kafka at h:1 does not let us")
    assert "\nqingqian_ready 0.0\n" in shown.text


async def test_metrics_do_not_wait_long_for_what_does_not_answer() -> None:
    """A scrape given up would say that the service itself is down."""

    async def probe() -> Readiness:
        await asyncio.sleep(60)
        return Readiness(ready=True)

    transport = httpx.ASGITransport(app=application("test", probe))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        begun = time.monotonic()
        answer = await client.get("/metrics")
    assert time.monotonic() - begun < 4
    assert "\nqingqian_ready 0.0\n" in answer.text


async def test_a_request_is_measured_by_its_route() -> None:
    await ask(Readiness(ready=True), "/livez")
    await ask(Readiness(ready=True), "/no-such-place")
    text = exposition()[0].decode()
    assert 'qingqian_http_request_seconds_count{method="GET",route="/livez",status="200"}' in text
    assert 'route="other",status="404"' in text
    assert "no-such-place" not in text


def test_every_metric_is_ours_or_the_processs_and_says_why_it_exists() -> None:
    families = {family.name: family for family in REGISTRY.collect()}
    assert families.keys() >= CONTRACT
    for name, family in families.items():
        assert name.startswith(("qingqian_", "process_", "python_"))
        assert family.documentation
        if name.startswith("qingqian_"):
            assert family.documentation.rstrip().endswith("."), name


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the journal writes while a test runs; logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level, found = root.handlers[:], root.level, io.StringIO()
    journals.configure("test", "info", stream=found)
    yield found
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(lines: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in lines.getvalue().splitlines()]


def test_the_journal_keeps_personal_data_out(lines: io.StringIO) -> None:
    log = journals.journal("part")
    log.info("said", name="王小二", phone="13800000000", data={"a": 1}, count=3, where=["x"])
    (entry,) = written(lines)
    assert entry["count"] == 3
    assert entry["service"] == "test"
    assert "王小二" not in lines.getvalue()
    assert "13800000000" not in lines.getvalue()
    assert entry["where"] == "<list>"


def test_an_exception_is_its_type_and_place_and_not_its_message(lines: io.StringIO) -> None:
    class Body(BaseModel):
        age: int

    log = journals.journal("part")
    try:
        Body.model_validate({"age": "王小二"})
    except ValidationError as error:
        log.error("refused", exc_info=error)
    (entry,) = written(lines)
    assert entry["error"] == "ValidationError"
    assert "test_operation.py" in str(entry["at"])
    assert "王小二" not in lines.getvalue()


def test_what_a_library_repeats_is_written_once_and_counted(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(journals, "time", SimpleNamespace(monotonic=lambda: now))
    library = logging.getLogger("some.library")
    for node in range(5):
        library.error("Failed fetch messages from %s", node)
    library.error("Unable connect")
    journals.journal("part").warning("waiting")
    journals.journal("part").warning("waiting")
    now += 11
    library.error("Failed fetch messages from %s", 7)

    assert [entry["event"] for entry in written(lines)] == [
        "Failed fetch messages from 0",
        "Unable connect",
        "waiting",
        "waiting",
        "Failed fetch messages from 7 (4 more like it)",
    ]
