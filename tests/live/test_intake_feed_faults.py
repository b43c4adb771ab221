"""What the feeds survive: kills between two lines, a dropped schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.envelope import case_id_of
from shared.log import FEED_COMPLAINTS, FEED_COMPLAINTS_PARKED
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, until
from tests.live.test_intake_feeds import (
    MAPPING,
    act,
    csv_of,
    put_mapping,
    quarantined,
    row,
    stored,
    upload,
)

pytestmark = pytest.mark.live

AT = {"接收时间": "2021-11-10 09:00"}


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(settings, tmp_path)
    yield desk
    await desk.close()


async def dies(desk: Desk, call: Any) -> None:
    with pytest.raises(httpx.TransportError):
        await call
    assert desk.running is not None
    assert desk.running.wait(20) == -9


async def test_a_kill_in_an_upload_loses_no_row(desk: Desk) -> None:
    """Rows are received, the refused one is nowhere yet: the same call again completes it."""
    content = csv_of(row(1, "k-1", **AT), row(2, "k-2", **AT, 涉及人数="很多"))
    await desk.start("tests.live.killed_intake", "before_keep")
    await put_mapping(desk, "window", MAPPING)
    confirm = (await upload(desk, content)).json()["confirm"]
    await dies(desk, upload(desk, content, confirm=confirm))
    assert len(await desk.events(case_id_of("window", "k-1"))) == 1

    await desk.start()
    assert await quarantined(desk) == []
    again = (await upload(desk, content, confirm=confirm)).json()
    assert again["counts"] == {"duplicate": 1, "rejected": 1}
    assert len(await quarantined(desk)) == 1
    assert len(await desk.events(case_id_of("window", "k-1"))) == 1


async def test_a_kill_before_an_item_is_closed_makes_no_second_case(desk: Desk) -> None:
    await desk.start("tests.live.killed_intake", "before_close")
    await desk.stream([orjson.dumps(complaint("c-1", workers=0))])
    (item,) = await quarantined(desk)
    body = {"payload": complaint("c-1")}
    await dies(desk, act(desk, item["id"], "resend", body, "office"))

    await desk.start()
    (waiting,) = await quarantined(desk, state="waiting")
    sent = await act(desk, waiting["id"], "resend", body, "office")
    assert (sent.status_code, sent.json()["status"]) == (202, "duplicate")
    case_id = case_id_of("national", "c-1")
    assert [i["case_id"] for i in await quarantined(desk, state="resent")] == [case_id]
    assert len(await desk.events(case_id)) == 1


async def test_a_kill_before_a_record_is_parked_takes_it_again(desk: Desk) -> None:
    await desk.start("tests.live.killed_intake", "before_park")
    async with desk.producer() as producer:
        for value in (orjson.dumps(complaint("p-1")), b"{ not JSON"):
            await (await producer.send(FEED_COMPLAINTS, "x", value, 0))
    assert desk.running is not None
    assert desk.running.wait(30) == -9

    await desk.start()

    async def parked() -> bool:
        return bool(await desk.records(FEED_COMPLAINTS_PARKED, 1))

    await until(parked, "the bad record is parked")
    (item,) = await quarantined(desk)
    (record,) = await desk.records(FEED_COMPLAINTS_PARKED, 1)
    assert orjson.loads(record.value)["id"] == item["id"]
    assert (item["state"], item["door"]) == ("waiting", "topic")
    assert len(await desk.events(case_id_of("national", "p-1"))) == 1


async def test_a_dropped_schema_loses_no_mapping_no_item_and_no_count(desk: Desk) -> None:
    """What stands nowhere else lives with the vault; the rest is folded from the log again."""
    await desk.start()
    await put_mapping(desk, "window", MAPPING)
    content = csv_of(row(1, "d-1", **AT), row(2, "d-2", **AT, 涉及人数="很多"))
    first = await stored(desk, content)
    books = {"url": "/v1/reconciliation", "headers": desk.bearer()}
    before = (await desk.http.get(**books)).json()["items"]  # type: ignore[arg-type]
    assert [(day["received"], day["open"]) for day in before] == [(2, 2)]
    desk.stop()
    connection = await asyncpg.connect(desk.settings.database)
    await connection.execute(f"DROP SCHEMA {desk.tables.schema} CASCADE")
    await connection.close()

    await desk.start()
    assert (await desk.http.get(**books)).json()["items"] == before  # type: ignore[arg-type]
    assert len(await quarantined(desk, state="waiting")) == 1
    shown = await desk.http.get(f"/v1/uploads/{first['upload_id']}", headers=desk.bearer())
    assert shown.json()["rows"] == first["rows"]
    again = await stored(desk, content)
    assert again["counts"] == {"duplicate": 1, "rejected": 1}
