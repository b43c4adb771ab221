"""Intake on the log clock: what it adopts first, how time moves, what a new book needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.envelope import decode
from shared.events import Event, PolicyAdopted
from shared.log import GOVERNANCE_EVENTS
from shared.policy import content_hash, read_book
from shared.settings import Settings
from tests.live.intake_desk import BOOK, Desk, complaint

pytestmark = pytest.mark.live

START = "2021-11-10T01:00:00Z"


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    settings = Settings.model_validate(
        module_settings.model_dump() | {"clock": "log", "clock_start": START}
    )
    folder: Path = tmp_path_factory.mktemp("clock")
    desk = Desk(settings, folder)
    await desk.start()
    yield desk
    await desk.close()


async def governance(desk: Desk) -> list[Event]:
    return [decode(record.value) for record in await desk.records(GOVERNANCE_EVENTS, 1)]


async def clock(desk: Desk) -> str:
    return str((await desk.http.get("/readyz")).json()["clock"])


async def advance(desk: Desk, to: str, key: str = "", name: str = "operator") -> Any:
    body = {"type": "ClockAdvanced", "data": {"to": to}}
    headers = desk.bearer(name) | {"idempotency-key": key or to}
    return await desk.http.post("/v1/city/events", json=body, headers=headers)


async def test_the_first_start_adopts_clock_and_book_where_the_log_clock_begins(
    desk: Desk,
) -> None:
    clock_adopted, policy = (await governance(desk))[:2]
    assert (clock_adopted.type, policy.type) == ("ClockAdopted", "PolicyAdopted")
    assert isinstance(policy.data, PolicyAdopted)
    assert policy.data.content == read_book(BOOK)
    assert policy.recordedtime.isoformat() == "2021-11-10T01:00:00+00:00"


async def test_time_moves_forward_by_the_operator_only(desk: Desk) -> None:
    early = await desk.post(complaint("early", received_at="2021-11-10T10:00:00+08:00"))
    assert early.json()["errors"][0]["code"] == "future"
    assert (await advance(desk, "2021-11-10T02:00:00Z", name="office")).status_code == 403
    moved = await advance(desk, "2021-11-10T02:00:00Z")
    assert moved.status_code == 202, moved.text
    assert await clock(desk) == "2021-11-10T02:00:00Z"
    received = await desk.post(complaint("early", received_at="2021-11-10T10:00:00+08:00"))
    assert received.status_code == 202
    event = (await desk.events(received.json()["case_id"]))[0]
    assert event.recordedtime.isoformat() == "2021-11-10T02:00:00+00:00"


async def test_the_clock_never_goes_back_and_a_repeated_move_is_one(desk: Desk) -> None:
    first = await advance(desk, "2021-11-11T00:00:00Z", key="once")
    before = len(await governance(desk))
    again = await advance(desk, "2021-11-11T00:00:00Z", key="once")
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await governance(desk)) == before
    back = await advance(desk, "2021-11-10T12:00:00Z")
    assert (back.status_code, back.json()["code"]) == (409, "CLOCK_BACK")
    assert await clock(desk) == "2021-11-11T00:00:00Z"


async def test_a_fact_later_than_the_clock_is_refused(desk: Desk) -> None:
    late = await desk.fact(
        "/v1/units/TF1/events",
        "ScreeningReported",
        name="TF1",
        key="late",
        occurred_at="2021-11-11T00:00:01Z",
    )
    assert (late.status_code, late.json()["code"]) == (422, "FUTURE")
    now = await desk.fact(
        "/v1/units/TF1/events",
        "ScreeningReported",
        name="TF1",
        key="now",
        occurred_at="2021-11-11T00:00:00Z",
    )
    assert now.status_code == 202


async def test_a_restart_adopts_nothing_again(desk: Desk) -> None:
    before = await governance(desk)
    assert desk.stop() == 0
    await desk.start()
    assert await governance(desk) == before
    assert await clock(desk) == "2021-11-11T00:00:00Z"


async def test_a_new_book_is_adopted_whole_or_refused(desk: Desk) -> None:
    book = read_book(BOOK) | {"id": "dengfeng-next"}
    wrong = {"book": "dengfeng-next", "hash": "sha256:00", "content": book}
    broken = {"book": "x", "hash": "sha256:00", "content": {"id": "x"}}
    for number, data in enumerate((wrong, broken)):
        answer = await desk.fact("/v1/city/events", "PolicyAdopted", data, key=f"bad-{number}")
        assert answer.status_code == 422
    right = wrong | {"hash": content_hash(book)}
    adopted = await desk.fact("/v1/city/events", "PolicyAdopted", right, key="good")
    assert adopted.status_code == 202, adopted.text
    assert (await governance(desk))[-1].id == adopted.json()["event_id"]
    again = await desk.fact("/v1/city/events", "ClockAdopted", {"clock": "log"}, key="clock")
    assert again.status_code == 409
