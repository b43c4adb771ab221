"""Reporting as a real process on a real log: answers, kills, a dropped schema, a second one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import datetime
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.core.result import Ok

from infra.stack import LocalStack
from services.reporting.schema import Tables
from shared.envelope import encode, writer_of
from shared.events import Event
from shared.log import CASE_EVENTS, partition_of
from shared.settings import Settings
from tests.live.intake_desk import until
from tests.live.rig import Process, Rig
from tests.reporting import histories
from tests.reporting.oracle import World

pytestmark = pytest.mark.live

SEED = 31
CASES = 120
SECONDS = 60.0
NOT_ASKED = ("/v1/stream", "/v1/closing-pack.{form}")
"""The one never ends; the other makes every bulletin and ledger anew, seconds each time."""


def last(events: list[Event]) -> datetime:
    return max(event.recordedtime for event in events)


async def publish(rig: Rig, events: list[Event]) -> None:
    """Append as each writer would; the order of recording holds within every partition."""
    sent = []
    for event in events:
        sent.append(await rig.producer.send(CASE_EVENTS, event.subject, encode(event)))
    await asyncio.gather(*sent)


async def told(rig: Rig, events: list[Event]) -> None:
    """A governed log with the history on it, its clock at the history's end."""
    first = histories.policy().adopted_at
    await rig.govern("log", first)
    await publish(rig, events)
    await rig.advance(last(events))


class Caller:
    """Asks a reporting process."""

    def __init__(self, rig: Rig, process: Process, token: str) -> None:
        self.rig = rig
        self.process = process
        self.headers = {"authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.rig.http.get(
            f"{self.process.url}{path}", params=query, headers=self.headers
        )
        assert answer.status_code == 200, (answer.text, self.process.words()[-2000:])
        found: dict[str, Any] = answer.json()
        return found

    async def ready(self) -> None:
        """Wait until everything on the log is folded."""
        await self.rig.quiet([self.process], seconds=SECONDS)


def reporting(rig: Rig) -> Process:
    return rig.worker("reporting", module="services.reporting")


async def begun(rig: Rig, token: str, events: list[Event]) -> tuple[Process, Caller]:
    """A process that has folded the beginning of a history."""
    process = reporting(rig)
    process.start()
    await rig.govern("log", histories.policy().adopted_at)
    await publish(rig, events)
    caller = Caller(rig, process, token)
    await caller.ready()
    return process, caller


async def picture(caller: Caller) -> dict[str, Any]:
    """What reporting says of everything, without what differs between two equal folds."""
    found = {}
    for path in ("/v1/cases?limit=500", "/v1/rankings/townships", "/v1/clearance", "/v1/overview"):
        found[path] = await caller.get(path, as_of="2022-02-10T00:00:00+08:00")
    return found


async def test_answers_equal_the_oracle(rig: Rig, token: str) -> None:
    events = histories.tell(SEED, CASES)
    process = reporting(rig)
    process.start()
    await told(rig, events)
    caller = Caller(rig, process, token)
    await caller.ready()
    book = histories.policy()
    as_of = datetime.fromisoformat("2022-02-10T00:00:00+08:00")
    world = World(events, partition_of, as_of, book)
    found = await caller.get("/v1/clearance", as_of=as_of.isoformat())
    got = {item["predicate"]: (item["result"], item["met"], item["of"]) for item in found["items"]}
    assert got == {name: verdict[:3] for name, verdict in world.verdicts().items()}
    rank = await caller.get("/v1/rankings/task-forces", as_of=as_of.isoformat())
    start = datetime.fromisoformat("2021-11-10T00:00:00+08:00")
    end = datetime.fromisoformat(rank["window"]["end"])
    wanted = [(item["unit"], item["rank"]) for item in world.scores("task_force", start, end)]
    assert [(item["unit"], item["rank"]) for item in rank["items"]] == wanted
    now = await caller.get("/v1/overview")
    assert datetime.fromisoformat(now["meta"]["as_of"]) == last(events)
    assert now["received"] == len(World(events, partition_of, last(events), book).cases)
    assert process.stop() == 0


async def test_a_kill_and_a_dropped_schema_change_nothing(rig: Rig, token: str) -> None:
    events = histories.tell(SEED, CASES)
    middle = len(events) // 2
    process, caller = await begun(rig, token, events[:middle])
    half = await caller.get("/v1/cases", limit=1)
    process.kill()
    await publish(rig, events[middle:])
    await rig.advance(last(events))
    process.start()
    await caller.ready()
    whole = await picture(caller)
    assert (await caller.get("/v1/cases", limit=1))["total"] > half["total"]
    async with rig.database() as connection:
        await connection.execute(f'DROP SCHEMA "{rig.settings.schema("reporting")}" CASCADE')
    await caller.ready()
    assert await picture(caller) == whole
    assert process.alive


@pytest.mark.parametrize("lost", [("kafka",), ("kafka", "postgres")])
async def test_an_outage_is_waited_for(
    rig: Rig, token: str, stack: LocalStack, lost: tuple[str, ...]
) -> None:
    """So long that following gives up and begins again, which is when it once ended the process."""
    servers = [getattr(stack, name) for name in lost]
    events = histories.tell(SEED, 40)
    middle = len(events) // 2
    process, caller = await begun(rig, token, events[:middle])
    said = len(process.words())

    async def given_up() -> bool:
        assert process.alive, process.words()[-2000:]
        words = process.words()[said:].splitlines()
        return any('"waiting"' in line and '"follower"' in line for line in words)

    await asyncio.gather(*(asyncio.to_thread(server.kill) for server in servers))
    try:
        await until(given_up, "following has given up", SECONDS)
        answer = await rig.http.get(f"{process.url}/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
    finally:
        for server in servers:
            await asyncio.to_thread(server.start)
    await publish(rig, events[middle:])
    await rig.advance(last(events))
    await caller.ready()

    overview = await caller.get("/v1/overview")
    world = World(events, partition_of, last(events), histories.policy())
    assert overview["received"] == len(world.cases)


async def test_two_processes_write_once(rig: Rig, token: str) -> None:
    """A second one beside the first: each batch is written by one, and both answer the same."""
    events = histories.tell(SEED, CASES)
    pair = [reporting(rig), reporting(rig)]
    for process in pair:
        process.start()
    await told(rig, events)
    answers = []
    for process in pair:
        caller = Caller(rig, process, token)
        await caller.ready()
        answers.append(await picture(caller))
    assert answers[0] == answers[1]
    async with rig.database() as connection:
        tables = Tables(rig.settings.schema("reporting"))
        count = await connection.fetchval(f"SELECT count(*) FROM {tables.events}")
    assert count == len({event.id for event in events})


async def test_the_stream_is_resumed_by_its_position(rig: Rig, token: str) -> None:
    events = histories.tell(SEED, 20)
    process = reporting(rig)
    process.start()
    await told(rig, events)
    caller = Caller(rig, process, token)
    await caller.ready()
    unique = len({event.id for event in events})
    begin = ".".join("0" for _ in range(12))
    seen, position = await listen(caller, begin, unique // 2)
    rest, _ = await listen(caller, position, unique - unique // 2)
    assert len(set(seen + rest)) == unique


async def listen(caller: Caller, position: str, wanted: int) -> tuple[list[str], str]:
    """The event ids of so many messages after a position, and the last `id:`."""
    ids: list[str] = []
    headers = caller.headers | {"last-event-id": position}
    deadline = time.monotonic() + SECONDS
    url = f"{caller.process.url}/v1/stream"
    async with (
        httpx.AsyncClient(timeout=SECONDS) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            assert time.monotonic() < deadline
            if line.startswith("id: "):
                position = line.removeprefix("id: ")
            if line.startswith("data: "):
                ids.append(line.split('"event_id":"', 1)[1].split('"', 1)[0])
            if len(ids) == wanted:
                break
    return ids, position


async def test_without_keys_it_says_so_and_ends(settings: Settings) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.reporting"],
        env=settings.environment() | {"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "no keys file" in done.stderr


def test_histories_are_written_by_more_than_one_service() -> None:
    writers = {writer_of(event) for event in histories.tell(SEED, CASES)}
    assert writers == {"intake", "routing", "supervision"}


async def test_no_request_breaks_it(rig: Rig, token: str) -> None:
    """Requests made up from the OpenAPI document: answered or refused as a problem, never a 500."""
    process = reporting(rig)
    process.start()
    await told(rig, histories.tell(SEED, 20))
    await Caller(rig, process, token).ready()
    asked = await asyncio.to_thread(fuzz, process.url, {"authorization": f"Bearer {token}"})
    assert asked > 100
    assert process.alive


def fuzz(url: str, headers: dict[str, str]) -> int:
    """How many requests were made."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    count = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path in NOT_ASKED:
            continue

        @hypothesis.settings(max_examples=15, deadline=None, database=None)
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal count
            count += 1
            answer = case.call(headers=headers)
            assert answer.status_code < 500, (case.path, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"][0] == "application/problem+json"

        ask()
    return count
