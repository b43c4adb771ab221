"""The whole system under kills, freezes and restarts; then everything is compared.

Five kills of each service by default; `make chaos` asks for twenty (CHAOS_KILLS), CHAOS_SEED
repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import rebuild
from infra.keyring import ensure_keys, read_keys
from infra.stack import LocalStack
from shared.events import Event, Service
from shared.log import partition_of
from shared.policy import adopted
from shared.settings import Settings
from tests.live.city import OPERATOR, City
from tests.live.fast import fast_book
from tests.live.rig import Process, Rig
from tests.live.weather import Weather
from tests.reporting.oracle import World
from tests.reporting.test_numbers import expected, shown

pytestmark = [pytest.mark.live, pytest.mark.chaos]

KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "20211110"))
PERSONS = 24
RECORDS_PER_SECOND = 50
LONG = 20
"""Kills of each service in the long form (`make chaos`)."""
WORKERS: dict[Service, int] = {"intake": 1, "routing": 2, "supervision": 2, "reporting": 1}


@asynccontextmanager
async def installation(
    settings: Settings, folder: Path
) -> AsyncIterator[tuple[Rig, dict[Service, list[Process]]]]:
    """The four services on a wall clock with short deadlines, two workers of each reconciler."""
    ensure_keys(settings)
    async with Rig(settings, folder, pace=0.2) as rig:
        await rig.govern("wall", book=fast_book())
        processes: dict[Service, list[Process]] = {}
        for name, count in WORKERS.items():
            processes[name] = [
                rig.worker(name, str(number), f"services.{name}", first=number == 0)
                for number in range(count)
            ]
            for process in processes[name]:
                process.start()
        yield rig, processes


async def test_everything_killed_and_nothing_lost(
    settings: Settings, tmp_path: Path, stack: LocalStack
) -> None:
    async with installation(settings, tmp_path) as (rig, processes):
        everyone = [process for group in processes.values() for process in group]
        await rig.quiet(everyone, seconds=240)
        city = City(settings, read_keys(settings), SEED)
        weather = Weather(rig, stack, city, processes, SEED)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            nurse = tasks.create_task(weather.nurse())
            working = tasks.create_task(city.work(PERSONS))
            await weather.storm(KILLS)
            await rebuild_under_load(settings, weather, "routing")
            count, seconds = len(await rig.records()), time.monotonic() - begun
            city.over.set()
            await working
            await rig.quiet(everyone, calm=timedelta(minutes=10), seconds=300)
            nurse.cancel()
        weather.say(f"{count} records in {seconds:.0f} s: {count / seconds:.0f} a second")
        weather.say(f"kills that met something in flight: {weather.verdict()}")
        weather.say(f"refused: {dict(city.refused)}")

        events = await rig.events()
        await nothing_missing(rig, city, events)
        nothing_twice(events)
        await tables_are_a_fold(settings, rig)
        audit = await rig.audit()
        weather.say(audit.report())
        assert [finding.line() for finding in audit.findings][:5] == []
        await reads_equal_the_oracle(rig, city, events)
        assert set(weather.kills.values()) == {KILLS}
        assert 2 * sum(weather.hits.values()) >= sum(weather.kills.values()), weather.verdict()
        assert not [reason for reason in city.refused if reason.endswith("INTERNAL")], city.refused
        weather.say(f"{count / seconds:.0f} records/s while it was going on")
        if KILLS >= LONG:
            # Five kills are too few to judge one service by, and a rate judges the machine too.
            for name, kills in weather.kills.items():
                assert 2 * weather.hits[name] >= kills, weather.verdict()
            assert count / seconds >= RECORDS_PER_SECOND


async def rebuild_under_load(settings: Settings, weather: Weather, service: Service) -> None:
    """The schema of a running service is dropped and made again by the command's own code."""
    from services.routing.decider import STREAMS

    rebuilt = await rebuild.replayed(settings, service, STREAMS)
    assert rebuilt is not None
    weather.say(f"rebuilt {service}: beyond the log {dict(rebuilt.beyond)}")
    assert not rebuilt.not_owed


async def nothing_missing(rig: Rig, city: City, events: list[Event]) -> None:
    """Every complaint that has a receipt is on the log, and reporting knows it."""
    received = {event.subject for event in events if event.type == "ComplaintReceived"}
    assert city.receipts.keys() <= received
    assert len(city.receipts) > 20


def nothing_twice(events: list[Event]) -> None:
    """Copies of an id say the same, so that no decision says two things or counts twice.

    Only when it was written may differ: a rebuild beside running workers decides what they had
    decided and not published yet.
    """
    first: dict[str, Event] = {}
    for event in events:
        known = first.setdefault(event.id, event)
        same = known.replace(recordedtime=event.recordedtime, traceparent=event.traceparent)
        assert same == event
    print(f"{len(events) - len(first)} copies of {len(first)} events")


async def tables_are_a_fold(settings: Settings, rig: Rig) -> None:
    """The tables of both reconcilers are those that a fold of the whole log makes."""
    from services.routing.decider import STREAMS as ROUTING
    from services.supervision.decider import STREAMS as SUPERVISION

    before = {name: await rig.table(name) for name in ("routing", "supervision")}
    for name, deciders in (("routing", ROUTING), ("supervision", SUPERVISION)):
        rebuilt = await rebuild.replayed(settings, name, deciders)  # type: ignore[arg-type]
        assert rebuilt is not None
        assert not rebuilt.not_owed
        after = await rig.table(name)  # type: ignore[arg-type]
        assert before[name].keys() == after.keys()
        for subject, row in before[name].items():
            assert row == after[subject], differing(row, after[subject])


def differing(live: dict[str, Any], folded: dict[str, Any]) -> str:
    """Where two rows of one stream differ; of the ids seen, those that one side lacks."""
    found = [live["subject"]]
    for column in live:
        one, other = live[column], folded[column]
        if column == "seen":
            one, other = sorted(set(one) - set(other)), sorted(set(other) - set(one))
        if one != other:
            found.append(f"{column}: live {one}, folded again {other}")
    return "\n".join(found)


async def reads_equal_the_oracle(rig: Rig, city: City, events: list[Event]) -> None:
    """What the API says of each case is what a brute-force walk over the log says."""
    as_of = datetime.now(UTC) - timedelta(seconds=1)
    policy = adopted(await rig.policy())
    world = World(events, partition_of, as_of, policy)
    items = await all_cases(rig, city, as_of)
    assert items.keys() == {case.case_id for case in world.cases}
    for case in world.cases:
        assert shown(items[case.case_id]) == expected(case, as_of), case.case_id


async def all_cases(rig: Rig, city: City, as_of: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cursor: str | None = None
    async with httpx.AsyncClient(
        base_url=rig.settings.url("reporting"), headers=city.keys.headers(OPERATOR), timeout=30
    ) as http:
        while True:
            query = {"limit": "200"} | (
                {"cursor": cursor} if cursor else {"as_of": as_of.isoformat()}
            )
            answer = await http.get("/v1/cases", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found |= {item["case_id"]: item for item in page["items"]}
            cursor = page["next"]
            if cursor is None:
                return found
