"""Persons of cases that ended long ago are erased by rule (domain 7): killed, twice, late, held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from infra.stack.process import free_ports
from shared import keys
from shared.envelope import case_id_of
from shared.events import (
    AnyData,
    CaseClosed,
    CaseReopened,
    ComplaintMerged,
    ComplaintUnmerged,
    Event,
    GroupJoined,
    LegalPathEnded,
    LegalPathEntered,
    PiiErased,
)
from shared.policy import content_hash, read_book
from shared.settings import Settings
from tests.live.intake_desk import BOOK, Desk, complaint, until

pytestmark = pytest.mark.live

START = "2021-11-10T01:00:00Z"
DUE = "2024-11-10T16:00:00Z"
"""00:00 on 11 November 2024 in Shanghai: what ended on 10 November 2021 is not kept any more."""
SECOND_BEFORE = "2024-11-10T15:59:59Z"
CLERK = {"unit": "市人社局", "role": "clerk"}


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    on_log = settings.model_dump() | {"clock": "log", "clock_start": START}
    desk = Desk(Settings.model_validate(on_log), tmp_path)
    yield desk
    await desk.close()


async def advance(desk: Desk, to: str) -> None:
    body = {"type": "ClockAdvanced", "data": {"to": to}}
    headers = desk.bearer() | {"idempotency-key": to}
    answer = await desk.http.post("/v1/city/events", json=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def received(desk: Desk, ref: str) -> str:
    answer = await desk.post(complaint(ref, received_at="2021-11-10T08:00:00+08:00"))
    assert answer.status_code == 202, answer.text
    return case_id_of("national", ref)


async def refused(desk: Desk, ref: str) -> str:
    """A case that ended as it came."""
    case_id = await received(desk, ref)
    answer = await desk.fact(
        f"/v1/cases/{case_id}/events",
        "ComplaintNotAccepted",
        {"reason": "NOT_WAGES"},
        by=CLERK,
        occurred_at="2021-11-10T09:00:00+08:00",
    )
    assert answer.status_code == 202, answer.text
    return case_id


async def decided(desk: Desk, case_id: str, data: AnyData, at: str = START) -> None:
    """What another service, or intake, puts on the log."""
    when = datetime.fromisoformat(at)
    name = f"{type(data).__name__}-{case_id}-{at}"
    event = Event(id=name, subject=case_id, time=when, recordedtime=when, data=data)
    async with desk.producer(type(data).writer) as producer:
        await producer.publish([event])


def closing() -> CaseClosed:
    return CaseClosed(cause="c", kind="PAID_IN_FULL")


async def erased(desk: Desk) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in await desk.events():
        if isinstance(event.data, PiiErased):
            found.setdefault(event.subject, []).append(event)
    return found


async def until_erased(desk: Desk, *cases: str) -> dict[str, list[Event]]:
    async def there() -> bool:
        return set(cases) <= (await erased(desk)).keys()

    await until(there, "they are erased")
    return await erased(desk)


async def reveal(desk: Desk, case_id: str) -> tuple[int, str | None]:
    answer = await desk.http.post(
        f"/v1/cases/{case_id}/reveal",
        json={"fields": ["contact"], "reason": "核实"},
        headers=desk.bearer("office"),
    )
    return answer.status_code, answer.json().get("code")


async def foreseen(desk: Desk, days: int = 0) -> dict[str, dict[str, Any]]:
    query = {"within_days": days, "limit": 200}
    answer = await desk.http.get("/v1/erasures", params=query, headers=desk.bearer("office"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["vault_years"] == 3
    return {item["case_id"]: item for item in answer.json()["items"]}


async def wrapped_left(desk: Desk) -> set[str]:
    database = await asyncpg.connect(desk.settings.database)
    rows = await database.fetch(f"SELECT subject FROM {desk.tables.keys} WHERE key IS NOT NULL")
    await database.close()
    return {row["subject"] for row in rows}


async def metric(desk: Desk, name: str) -> float:
    text = (await desk.http.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_what_ended_three_years_ago_is_erased_and_nothing_else(desk: Desk) -> None:
    await desk.start()
    over = await refused(desk, "over")
    going_on = await received(desk, "going-on")
    part_of_it = await received(desk, "part-of-it")
    merged = ComplaintMerged(cause="c", master=going_on, match="match:1")
    await decided(desk, part_of_it, merged)
    part_of_over = await received(desk, "part-of-over")
    await decided(desk, part_of_over, ComplaintMerged(cause="c", master=over, match="match:2"))
    separated = await received(desk, "separated")
    await decided(desk, separated, ComplaintMerged(cause="c", master=over, match="match:3"))
    apart = ComplaintUnmerged(cause="c", master=over)
    await decided(desk, separated, apart)
    in_court = await received(desk, "in-court")
    await decided(desk, in_court, LegalPathEntered(forum="court"))
    await decided(desk, in_court, closing())
    back = await received(desk, "back")
    await decided(desk, back, closing())
    await decided(desk, back, CaseReopened(cause="c", reason="PAYMENT_REVERSED"))
    again = await received(desk, "again")
    await decided(desk, again, closing())
    await decided(desk, again, CaseReopened(cause="c", reason="PAYMENT_REVERSED"))
    await decided(desk, again, closing(), "2021-11-11T16:00:00Z")
    leads = await received(desk, "leads")
    of_group = await received(desk, "of-group")
    await decided(desk, of_group, GroupJoined(cause="c", group="group:1", master=leads))
    await decided(desk, leads, closing())
    of_open_group = await received(desk, "of-open-group")
    joined = GroupJoined(cause="c", group="group:2", master=going_on)
    await decided(desk, of_open_group, joined)
    by_hand = await refused(desk, "by-hand")
    answer = await desk.http.post(
        f"/v1/cases/{by_hand}/erase", json={"reason": "本人申请"}, headers=desk.bearer("office")
    )
    assert answer.status_code == 202, answer.text
    early = await desk.http.post(
        f"/v1/cases/{part_of_it}/erase", json={"reason": "本人申请"}, headers=desk.bearer("office")
    )
    assert (early.status_code, early.json()["code"]) == (409, "STATE")

    await advance(desk, SECOND_BEFORE)
    assert await foreseen(desk) == {}
    tomorrow = await foreseen(desk, 1)
    assert set(tomorrow) == {over, part_of_over, leads, of_group, in_court, part_of_it}
    assert tomorrow[over]["kept_until"] == DUE
    assert (tomorrow[in_court]["held_by"], tomorrow[part_of_it]["waits_for"]) == (
        ["court"],
        going_on,
    )
    denied = await desk.http.get("/v1/erasures", headers=desk.bearer("TF1"))
    assert denied.status_code == 403
    await advance(desk, DUE)
    found = await until_erased(desk, over, part_of_over, leads, of_group)

    assert set(found) == {over, part_of_over, by_hand, leads, of_group}
    assert {len(events) for events in found.values()} == {1}
    event = found[over][0]
    assert event.recordedtime == event.time == datetime.fromisoformat(DUE)
    assert event.actor == "-/-/-"
    assert str(event.policy).startswith(f"{BOOK}@sha256:")
    assert event.data == PiiErased()
    assert await reveal(desk, over) == (409, "ERASED")
    for case_id in (going_on, part_of_it, separated, in_court, back, again, of_open_group):
        assert await reveal(desk, case_id) == (200, None), case_id

    async def told() -> bool:
        return await metric(desk, "qingqian_erasures_held") == 2

    await until(told, "what is held is told")
    assert set(await foreseen(desk)) == {in_court, part_of_it}
    assert await metric(desk, "qingqian_erasures_due") == 0

    # Two days later the one that came back; the other once its court has done.
    await decided(desk, in_court, LegalPathEnded(forum="court"), DUE)
    await advance(desk, "2024-11-12T16:00:00Z")
    found = await until_erased(desk, again, in_court)
    assert set(found) == {over, part_of_over, by_hand, leads, of_group, in_court, again}


@pytest.mark.parametrize("point", ["before_erased", "before_destroyed"])
async def test_a_kill_between_fact_and_key_is_made_good_at_the_next_start(
    desk: Desk, point: str
) -> None:
    """Before the fact nothing has happened; after it the key goes by what the log says."""
    await desk.start("tests.live.killed_intake", point)
    case_id = await refused(desk, "killed")
    body = {"type": "ClockAdvanced", "data": {"to": DUE}}
    headers = desk.bearer() | {"idempotency-key": DUE}
    assert (await desk.http.post("/v1/city/events", json=body, headers=headers)).is_success
    assert desk.running is not None
    assert desk.running.wait(30) == -9
    assert case_id in await wrapped_left(desk)
    assert len(await erased(desk)) == (1 if point == "before_destroyed" else 0)

    await desk.start()
    found = await until_erased(desk, case_id)

    async def gone() -> bool:
        return case_id not in await wrapped_left(desk)

    await until(gone, "the key is destroyed")
    assert len(found[case_id]) == 1
    assert await reveal(desk, case_id) == (409, "ERASED")


async def test_many_at_once_are_erased_once_by_two_processes_and_never_by_a_rebuild(
    desk: Desk, tmp_path: Path
) -> None:
    """As after the import of an old log: more than a page, and complaints come in meanwhile."""
    await desk.start()
    refs = [f"many-{number}" for number in range(130)]
    bodies = [complaint(ref, received_at="2021-11-10T08:00:00+08:00") for ref in refs]
    receipts = await desk.stream(orjson.dumps(body) + b"\n" for body in bodies)
    assert {receipt["status"] for receipt in receipts} == {"received"}
    cases = {receipt["case_id"] for receipt in receipts}
    when = datetime.fromisoformat(START)
    async with desk.producer("supervision") as producer:
        await producer.publish(
            [
                Event(id=f"c-{case}", subject=case, time=when, recordedtime=when, data=closing())
                for case in cases
            ]
        )
    other = Desk(desk.settings.model_copy(update={"intake_port": free_ports(1)[0]}), tmp_path)
    keys.write(desk.settings.keys_path, desk.clear)
    try:
        await other.start()
        await advance(desk, DUE)
        await received(desk, "meanwhile")
        found = await until_erased(desk, *cases)
    finally:
        await other.close()
    assert set(found) == cases
    assert {len(events) for events in found.values()} == {1}

    desk.stop()
    database = await asyncpg.connect(desk.settings.database)
    await database.execute(f"DROP SCHEMA {desk.tables.schema} CASCADE")
    await database.close()
    await desk.start()
    late = await refused_now(desk, "late")
    await advance(desk, "2027-11-11T16:00:00Z")
    await until_erased(desk, late)
    assert sum(map(len, (await erased(desk)).values())) == len(cases) + 1


async def refused_now(desk: Desk, ref: str) -> str:
    case_id = await received(desk, ref)
    at = datetime.fromisoformat(DUE).isoformat()
    await decided(desk, case_id, CaseClosed(cause="c", kind="UNFOUNDED"), at)
    return case_id


async def test_a_book_without_a_period_keeps_and_one_with_another_counts_at_once(
    desk: Desk,
) -> None:
    await desk.start()
    over = await refused(desk, "book")

    async def adopt(years: int | None) -> None:
        book = read_book(BOOK) | {"id": f"years-{years or 0}", "privacy": {"vault_years": years}}
        data: dict[str, Any] = {"book": book["id"], "hash": content_hash(book), "content": book}
        answer = await desk.fact("/v1/city/events", "PolicyAdopted", data, key=book["id"])
        assert answer.status_code == 202, answer.text

    await adopt(None)
    await advance(desk, DUE)
    await advance(desk, "2026-11-10T16:00:00Z")
    await adopt(6)
    await advance(desk, "2027-11-10T15:59:59Z")
    await advance(desk, "2027-11-10T16:00:00Z")
    (event,) = (await until_erased(desk, over))[over]
    assert event.recordedtime == datetime(2027, 11, 10, 16, tzinfo=UTC)
    assert str(event.policy).startswith("years-6@")


async def test_a_refused_line_that_was_discarded_is_erased_as_long_after(desk: Desk) -> None:
    """It became no case: its end is that a person discarded it. One that waits has not ended."""
    await desk.start()
    bad = [complaint(ref, source="rmw", workers=0) for ref in ("discarded", "waiting")]
    await desk.stream((orjson.dumps(body) + b"\n" for body in bad), name="platform-rmw")
    path = "/v1/quarantine"

    async def items() -> dict[str, Any]:
        answer = await desk.http.get(path, headers=desk.bearer("office"))
        return {item["id"]: item for item in answer.json()["items"]}

    first, second = await items()
    answer = await desk.http.post(
        f"{path}/{first}/discard", json={"reason": "测试数据"}, headers=desk.bearer("office")
    )
    assert answer.is_success, answer.text
    await advance(desk, SECOND_BEFORE)
    assert (await items())[first]["kept"]
    await advance(desk, DUE)

    async def forgotten() -> bool:
        return not (await items())[first]["kept"]

    await until(forgotten, "the line is erased")
    assert (await items())[second]["kept"]
    left = await wrapped_left(desk)
    assert f"quarantine:{first}" not in left
    assert f"quarantine:{second}" in left
