"""Intake's doors: bad input of every kind, sealed data, the feed topic, the documents."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.envelope import case_id_of, encode
from shared.events import TYPES, Event, PiiErased
from shared.log import (
    CASE_EVENTS,
    FEED_COMPLAINTS,
    FEED_COMPLAINTS_PARKED,
    GOVERNANCE_EVENTS,
    PARTITIONS,
    partition_of,
)
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, until, yesterday

pytestmark = pytest.mark.live

CLERK = {"unit": "市人社局", "role": "clerk"}
WORKER = {"id_no": "41012519900306991X"}
PLANTED = (
    *("赵钱孙", "周吴郑", "冯陈褚", "卫蒋沈", "韩杨朱"),
    *("秦尤许", "何吕施", "孔曹严", "金魏陶"),
)


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("doors")
    desk = Desk(module_settings, folder)
    await desk.start()
    yield desk
    await desk.close()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 422, ""),
        (b"{", 422, ""),
        (b"[1]", 422, ""),
        (b"\xff\xfe\x00", 422, ""),
        (complaint("bad", unknown=1), 422, "/unknown"),
        (complaint("bad", workers="1"), 422, "/workers"),
        (complaint("bad", amount_fen=-1), 422, "/amount_fen"),
        (complaint("bad", amount_fen=10**17), 422, "/amount_fen"),
        (complaint("bad", amount_fen=0.1), 422, "/amount_fen"),
        (complaint("bad", received_at="2999-01-01T00:00:00Z"), 422, "/received_at"),
        (complaint("bad", received_at="0001-01-01T00:00:00Z"), 422, "/received_at"),
        (complaint("bad", received_at="yesterday"), 422, "/received_at"),
        (complaint("bad", months_to="2021-12"), 422, "/months_to"),
        (complaint("bad", employer={"uscc": "91410185MA00071960"}), 422, "/employer/uscc"),
        (complaint("bad", site={"township": "000000000"}), 422, "/site/township"),
        (complaint("bad", source="nobody"), 422, "/source"),
        (complaint("bad", text="x" * (10 << 20)), 413, ""),
    ],
)
async def test_bad_complaints_are_refused_with_their_place(
    desk: Desk, body: Any, status: int, pointer: str
) -> None:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = await desk.http.post("/v1/complaints", content=raw, headers=desk.bearer())
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert status == 413 or pointer in {item["pointer"] for item in problem["errors"]}
    assert case_id_of("national", "bad") not in {event.subject for event in await desk.events()}


async def test_bad_lines_of_a_stream_are_told_and_the_rest_is_received(desk: Desk) -> None:
    lines = [
        orjson.dumps(complaint("stream-1")),
        b"{ not JSON",
        orjson.dumps(complaint("stream-2", workers=0)),
        b'{"text": "' + b"x" * (10 << 20) + b'"}',
        b"",
        orjson.dumps(complaint("stream-1")),
        orjson.dumps(complaint("stream-1", amount_fen=1_300_000)),
        orjson.dumps(complaint("stream-3")),
    ]
    receipts = await desk.stream([b"\n".join(lines)])
    assert [receipt["line"] for receipt in receipts] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [receipt["status"] for receipt in receipts] == [
        "received",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "duplicate",
        "rejected",
        "received",
    ]
    codes = [receipt["errors"][0]["code"] for receipt in receipts if receipt["errors"]]
    assert codes == ["json_invalid", "greater_than_equal", "too_long", "json_invalid", "conflict"]
    assert receipts[0]["case_id"] == receipts[5]["case_id"] == case_id_of("national", "stream-1")


async def test_a_line_that_waits_for_its_receipt_gets_it(desk: Desk) -> None:
    """A feed that never ends learns of each line while it is open, and is measured by its name."""
    head = (
        "POST /v1/complaints:stream HTTP/1.1\r\nHost: intake\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: {desk.bearer()['authorization']}\r\nConnection: close\r\n\r\n"
    )
    async with asyncio.timeout(30):
        url = httpx.URL(desk.settings.url("intake"))
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head.encode())
        for number in (1, 2):
            line = orjson.dumps(complaint(f"one-by-one-{number}")) + b"\n"
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await reader.readuntil(b'"line":%d,"status":"received"' % number)
        writer.write(b"0\r\n\r\n")
        assert await reader.read()
    writer.close()
    metrics = (await desk.http.get("/metrics")).text
    assert 'route="/v1/complaints:stream",status="200"' in metrics


async def test_a_coded_body_is_refused_by_its_coding(desk: Desk) -> None:
    """Its bytes are no bad JSON, and no lines for the quarantine."""
    raw = gzip.compress(orjson.dumps(complaint("coded")))
    headers = desk.bearer() | {"content-encoding": "gzip"}
    waiting = (await desk.http.get("/v1/quarantine", headers=desk.bearer("office"))).json()
    for path in ("/v1/complaints", "/v1/complaints:stream"):
        answer = await desk.http.post(path, content=raw, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "CODED_BODY")
        assert answer.headers["accept-encoding"] == "identity"
    after = (await desk.http.get("/v1/quarantine", headers=desk.bearer("office"))).json()
    assert after == waiting


async def test_who_goes_away_before_the_end_is_no_fault_of_ours(desk: Desk) -> None:
    url = httpx.URL(desk.settings.url("intake"))
    head = (
        "POST /v1/complaints HTTP/1.1\r\nHost: intake\r\nContent-Length: 1000\r\n"
        f"Authorization: {desk.bearer()['authorization']}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head.encode() + b'{"source": ')
    await writer.drain()
    writer.close()

    async def ended() -> bool:
        metrics = (await desk.http.get("/metrics")).text
        return 'method="POST",route="/v1/complaints",status="400"' in metrics

    await until(ended, "the request has ended")
    assert "fault" not in desk.journal.read_text()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/complaints", "POST"),
        ("GET", "/v1/complaints:stream", "POST"),
        ("DELETE", "/livez", "GET, HEAD"),
        ("POST", "/v1/uploads/mappings/window", "GET, PUT"),
        ("PUT", "/open311/v2/requests.json", "GET, POST"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_told_with_those_it_has(
    desk: Desk, method: str, path: str, allowed: str
) -> None:
    answer = await desk.http.request(method, path, headers=desk.bearer())
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_what_balances_load_may_ask_with_head(desk: Desk) -> None:
    for path in ("/livez", "/readyz"):
        answer = await desk.http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] != "0"


async def test_who_calls_is_known_by_a_key(desk: Desk) -> None:
    body = complaint("keys")
    for headers in (
        {},
        {"authorization": "Bearer nobody"},
        {"authorization": "Basic x"},
        {"authorization": ""},
    ):
        answer = await desk.http.post("/v1/complaints", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "NO_KEY")
        stream = await desk.http.post("/v1/complaints:stream", content=b"{}", headers=headers)
        assert stream.status_code == 401


async def test_a_platform_posts_only_its_own_source(desk: Desk) -> None:
    other = await desk.post(complaint("own"), name="platform-12345")
    assert (other.status_code, other.json()["code"]) == (403, "NOT_YOUR_SOURCE")
    own = await desk.post(complaint("own", source="12345"), name="platform-12345")
    assert own.status_code == 202
    lines = [
        orjson.dumps(complaint("own-2")),
        b"\n",
        orjson.dumps(complaint("own-2", source="12345")),
    ]
    receipts = await desk.stream(lines, name="platform-12345")
    assert [receipt["status"] for receipt in receipts] == ["rejected", "received"]


async def test_facts_are_refused_for_their_own_reasons(desk: Desk) -> None:
    case_id = (await desk.post(complaint("reasons"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    when = yesterday()

    async def answer(
        type: str, data: Any = None, *, to: str = path, **more: Any
    ) -> tuple[int, str]:
        more.setdefault("occurred_at", when)
        found = await desk.fact(to, type, data, key=f"{type}{sorted(more)}{to}", **more)
        return found.status_code, found.json()["code"]

    assert await answer("ComplaintAccepted", to="/v1/cases/nobody/events", by=CLERK) == (
        404,
        "UNKNOWN_CASE",
    )
    assert await answer("ScreeningReported", to="/v1/units/TF9/events") == (404, "UNKNOWN_UNIT")
    assert await answer("ProgressReported", name="TF1") == (409, "STATE")
    assert await answer("ComplaintAccepted", name="TF1") == (403, "ROLE")
    assert await answer("ComplaintAccepted", name="TF1", by=CLERK) == (403, "NOT_YOUR_UNIT")
    assert await answer("ScreeningReported", name="TF1", to="/v1/units/TF2/events") == (403, "UNIT")
    later = "2999-01-01T00:00:00Z"
    assert await answer("ComplaintAccepted", by=CLERK, occurred_at=later) == (422, "FUTURE")
    for type, data in (
        ("CaseClosed", {"kind": "PAID_IN_FULL", "cause": "x"}),
        ("NoSuchType", {}),
        ("ComplaintReceived", {}),
        ("PiiAccessed", {"fields": [], "reason": "x"}),
        ("ComplaintAccepted", {"urgent": "yes"}),
        ("ComplaintAccepted", {"nonsense": 1}),
        ("ComplaintAccepted", {"number": "DF-QX-2021-000001"}),
    ):
        assert await answer(type, data, by=CLERK) == (422, "MALFORMED")
    assert len(await desk.events(case_id)) == 1


async def test_a_fact_needs_an_idempotency_key_and_a_body(desk: Desk) -> None:
    bare = await desk.http.post("/v1/city/events", json={}, headers=desk.bearer())
    assert (bare.status_code, bare.json()["code"]) == (400, "NO_IDEMPOTENCY_KEY")
    headers = desk.bearer() | {"idempotency-key": "x"}
    for raw, status in ((b"", 422), (b"[]", 422), (b"{" + b" " * (10 << 20), 413)):
        answer = await desk.http.post("/v1/city/events", content=raw, headers=headers)
        assert answer.status_code == status
    assert (await desk.http.get("/v1/city/events", headers=headers)).status_code == 405
    assert (await desk.http.get("/v1/nothing")).status_code == 404


@pytest.mark.parametrize("name", ["city", "unit:TF1", "group:x", "match:x", "governance"])
async def test_what_is_no_case_is_an_unknown_case(desk: Desk, name: str) -> None:
    """Units and the city have doors of their own (contract 2); a key of the operator opens none."""
    headers = desk.bearer("operator") | {"idempotency-key": f"no case {name}"}
    for type_name, data in (
        ("ZeroReportFiled", {"period": "2021-11-10"}),
        ("ExtremeIncidentReported", {"kind": "threat", "place": "某工地"}),
        ("ClockAdvanced", {"to": "2021-11-10T00:00:00+08:00"}),
    ):
        body = {"type": type_name, "occurred_at": yesterday(), "data": data}
        answer = await desk.http.post(f"/v1/cases/{name}/events", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_CASE")


async def test_units_and_the_city_file_their_reports(desk: Desk) -> None:
    when = yesterday()
    unit = await desk.fact(
        "/v1/units/TF1/events", "ScreeningReported", name="TF1", occurred_at=when
    )
    city = await desk.fact("/v1/city/events", "SummaryFiled", name="office", occurred_at=when)
    assert (unit.status_code, city.status_code) == (202, 202)
    assert [event.type for event in await desk.events("unit:TF1")] == ["ScreeningReported"]
    assert [event.type for event in await desk.events("city")][-1] == "SummaryFiled"


async def test_a_meeting_s_decision_is_completed_by_its_owner_on_the_city_s_stream(
    desk: Desk,
) -> None:
    """Each unit by its own key; sent again under its key it is the same act, not a second one."""
    when, path = yesterday(), "/v1/city/events"
    decision = {"no": 1, "owner": "TF2", "due_on": when[:10]}
    held = await desk.fact(
        path, "MeetingHeld", {"decisions": [decision]}, name="office", occurred_at=when, key="held"
    )
    done = {"meeting": held.json()["event_id"], "measure": "1"}

    async def complete(name: str, key: str, data: dict[str, str]) -> tuple[int, str]:
        answer = await desk.fact(
            path, "MeasureCompleted", data, name=name, occurred_at=when, key=key
        )
        return answer.status_code, answer.json().get("code") or answer.json()["event_id"]

    assert await complete("TF3", "other", done) == (403, "UNIT")
    assert await complete("TF2", "typo", done | {"measure": "2"}) == (422, "UNKNOWN_DECISION")
    status, event_id = await complete("TF2", "done", done)
    assert status == 202
    assert await complete("TF2", "done", done) == (202, event_id)
    assert await complete("TF2", "twice", done) == (409, "COMPLETED")
    types = [event.type for event in await desk.events("city")]
    assert types[-2:] == ["MeetingHeld", "MeasureCompleted"]


async def test_the_wall_clock_is_nobody_s_to_move(desk: Desk) -> None:
    to = {"to": "2999-01-01T00:00:00Z"}
    moved = await desk.fact("/v1/city/events", "ClockAdvanced", to)
    assert (moved.status_code, moved.json()["code"]) == (409, "WALL_CLOCK")
    office = await desk.fact("/v1/city/events", "ClockAdvanced", to, name="office", key="o")
    assert office.status_code == 403


async def test_a_foreign_record_on_the_log_stops_nothing(desk: Desk) -> None:
    case_id = (await desk.post(complaint("alien"))).json()["case_id"]
    async with desk.producer() as producer:
        for value in (b"", b"\x00\xff", b"{}", b'{"type":"CaseClosed"}', b'{"type":"Alien"}'):
            await (await producer.send(CASE_EVENTS, case_id, value, partition_of(case_id)))
    accepted = await desk.fact(
        f"/v1/cases/{case_id}/events",
        "ComplaintAccepted",
        key="alien",
        by=CLERK,
        occurred_at=yesterday(),
    )
    assert accepted.status_code == 202
    metrics = (await desk.http.get("/metrics")).text
    assert 'qingqian_parked_total{reason="not_json"}' in metrics


async def test_no_record_of_any_topic_holds_what_was_planted(desk: Desk) -> None:
    planted = complaint(
        "planted",
        employer={"name": "赵钱孙面馆"},
        project={"name": "周吴郑路", "owner": "冯陈褚"},
        site={"address": "卫蒋沈村7组", "township": "410185109"},
        text="我叫韩杨朱，电话13912345678，身份证41012519900306991X，欠我工资三万元。",
        contact={"name": "秦尤许", "phone": "13887654321"},
        claims=[
            {"worker": {"name": "何吕施", "id_no": "41012519900306991X", "phone": "13700001111"}}
        ],
    )
    case_id = (await desk.post(planted)).json()["case_id"]
    # A registered firm's name is public, but for the number that a platform has put into it.
    firm = {"name": "蒋沈韩装修１３９ ９８７６ ５４３２", "uscc": "91410185MA3X1YKC2B"}
    assert (await desk.post(complaint("planted-firm", employer=firm))).status_code == 202
    told = {"of": "x", "text": "已告知孔曹严，电话13611112222"}
    await desk.fact(
        f"/v1/cases/{case_id}/events",
        "ComplainantTold",
        told,
        key="told",
        by={**CLERK, "person": "金魏陶"},
        occurred_at=yesterday(),
    )
    values = [
        record.value
        for topic, partitions in (
            (CASE_EVENTS, 12),
            (GOVERNANCE_EVENTS, 1),
            (FEED_COMPLAINTS_PARKED, 1),
        )
        for record in await desk.records(topic, partitions)
    ]
    everything = b"".join(values)
    assert case_id.encode() in everything
    for word in [
        "赵钱孙",
        "周吴郑",
        "冯陈褚",
        "卫蒋沈",
        "韩杨朱",
        "秦尤许",
        "何吕施",
        "孔曹严",
        "金魏陶",
        "蒋沈韩",
        "１３９",
    ]:
        assert word.encode() not in everything
    for number in (b"13912345678", b"06991X", b"13887654321", b"13700001111", b"13611112222"):
        assert number not in everything
    assert "韩杨朱" not in desk.journal.read_text()


async def test_sealed_fields_open_for_those_entitled_and_on_record(desk: Desk) -> None:
    text = "我叫王小二，干完活工资一直没有发。"
    case_id = (await desk.post(complaint("reveal", text=text))).json()["case_id"]

    async def reveal(name: str, *fields: str) -> Any:
        return await desk.http.post(
            f"/v1/cases/{case_id}/reveal",
            json={"fields": fields, "reason": "核实电话"},
            headers=desk.bearer(name),
        )

    office = await reveal("office", "contact", "claims/1", "text")
    assert office.status_code == 200, office.text
    assert office.json()["fields"]["claims/1"]["id_no"] == "410125199001319903"
    told = (await reveal("convener", "text")).json()["fields"]["text"]
    assert told == "我叫王**，干完活工资一直没有发。"
    convener = (await reveal("convener", "contact", "claims/1")).json()
    assert convener["sight"] == "masked"
    assert convener["fields"]["contact"] == {"name": "王**", "phone": "130****0300"}
    assert convener["fields"]["claims/1"]["id_no"] == "4101**********9903"
    denied = await reveal("410185001", "contact")
    assert (denied.status_code, denied.json()["code"]) == (403, "NOT_ENTITLED")
    assert (await reveal("office", "password")).status_code == 422
    # What is asked for is put on record: what somebody typed is not.
    typed = await reveal("office", "contact", "claims/王小二13000000300")
    assert (typed.status_code, typed.json()["errors"][0]["pointer"]) == (422, "/fields/1")
    street = (await reveal("convener", "site/address")).json()["fields"]["site/address"]
    assert street == "登封市卢店街道****"
    types = [event.type for event in await desk.events(case_id)]
    assert types == ["ComplaintReceived", *["PiiAccessed"] * 3, "AccessDenied", "PiiAccessed"]


async def test_who_reported_is_hidden_from_those_who_handle(desk: Desk) -> None:
    case_id = (await desk.post(complaint("report", kind="report"))).json()["case_id"]
    for name, status in (("convener", 403), ("office", 200)):
        answer = await desk.http.post(
            f"/v1/cases/{case_id}/reveal",
            json={"fields": ["contact"], "reason": "核实"},
            headers=desk.bearer(name),
        )
        assert answer.status_code == status


async def test_an_erased_case_says_nothing_of_persons_any_more(desk: Desk) -> None:
    case_id = (await desk.post(complaint("erased"))).json()["case_id"]
    url = f"/v1/cases/{case_id}"
    reason = {"reason": "本人申请"}
    refused = await desk.http.post(f"{url}/erase", json=reason, headers=desk.bearer("TF1"))
    assert refused.status_code == 403
    early = await desk.http.post(f"{url}/erase", json=reason, headers=desk.bearer("office"))
    assert (early.status_code, early.json()["code"]) == (409, "STATE")
    refusal = {"reason": "NOT_WAGES"}
    ended = await desk.fact(f"{url}/events", "ComplaintNotAccepted", refusal, name="office")
    assert ended.status_code == 202, ended.text
    erased = await desk.http.post(f"{url}/erase", json=reason, headers=desk.bearer("office"))
    assert erased.status_code == 202
    reveal = await desk.http.post(
        f"{url}/reveal",
        json={"fields": ["contact"], "reason": "核实"},
        headers=desk.bearer("office"),
    )
    assert (reveal.status_code, reveal.json()["code"]) == (409, "ERASED")
    assert (await desk.post(complaint("erased"))).json()["status"] == "duplicate"


def erasing(name: str, case_id: str) -> Event:
    """What intake records before it destroys a case's key."""
    now = datetime.now(UTC)
    return Event(
        id=name,
        subject=case_id,
        time=now,
        recordedtime=now,
        data=PiiErased(),
        actor="联席办/office/-",
    )


async def test_what_the_log_says_is_erased_is_erased_in_an_older_vault_too(desk: Desk) -> None:
    """As after a kill between the fact and the key, or where the vault was restored from before."""
    case_id = (await desk.post(complaint("erased-before"))).json()["case_id"]
    erased = erasing("e-before", case_id)

    async def reveal() -> tuple[int, str | None]:
        answer = await desk.http.post(
            f"/v1/cases/{case_id}/reveal",
            json={"fields": ["contact"], "reason": "核实"},
            headers=desk.bearer("office"),
        )
        return answer.status_code, answer.json().get("code")

    # A key is destroyed for good: not on the word of a record that the other services park.
    place = partition_of(case_id)
    other = encode(erased).replace(b"/qingqian/intake", b"/qingqian/routing")
    async with desk.producer("intake") as producer:
        await (await producer.send(CASE_EVENTS, case_id, encode(erased), (place + 1) % PARTITIONS))
        await (await producer.send(CASE_EVENTS, "another", encode(erased), place))
        await (await producer.send(CASE_EVENTS, case_id, other, place))
        assert (await reveal())[0] == 200
        await producer.publish([erased])
    assert await reveal() == (409, "ERASED")


async def test_an_erased_case_that_comes_back_can_be_handled(desk: Desk) -> None:
    """Nothing can be sealed for it any more, so what has no text is taken (I-02, T15)."""
    case_id = (await desk.post(complaint("erased-and-back"))).json()["case_id"]
    erased = erasing("e-back", case_id)
    async with desk.producer("intake") as producer:
        await producer.publish([erased])
    url = f"/v1/cases/{case_id}/events"
    asked = await desk.fact(url, "SupplementRequested", {"items": ["工资条"]}, key="b1", by=CLERK)
    assert (asked.status_code, asked.json()["code"]) == (409, "ERASED")
    now = datetime.now(UTC).isoformat()
    accepted = await desk.fact(url, "ComplaintAccepted", key="b2", by=CLERK, occurred_at=now)
    assert accepted.status_code == 202, accepted.text


async def test_a_platform_adds_nothing_to_what_another_one_has_brought(desk: Desk) -> None:
    """Contract 2: a key may post only its own source."""
    body = complaint("supplement", source="henan")
    case_id = (await desk.post(body)).json()["case_id"]
    url = f"/v1/cases/{case_id}/events"
    items = {"items": ["工资条"]}
    asked = await desk.fact(url, "SupplementRequested", items, name="office")
    assert asked.status_code == 202, asked.text

    async def supplement(name: str, at: str = url) -> tuple[int, str | None]:
        now = datetime.now(UTC).isoformat()
        text = {"text": "补"}
        answer = await desk.fact(
            at, "SupplementReceived", text, name=name, key=name, occurred_at=now
        )
        return answer.status_code, answer.json().get("code")

    assert await supplement("platform-national") == (403, "NOT_YOUR_SOURCE")
    assert await supplement("platform-national", "/v1/cases/nobody/events") == (404, "UNKNOWN_CASE")
    assert await supplement("platform-henan") == (202, None)
    assert await supplement("platform") == (409, "STATE")


async def test_a_key_that_the_vault_lacks_was_not_erased(desk: Desk) -> None:
    """A vault restored from before: what the case says is not gone, and is not said to be."""
    case_id = (await desk.post(complaint("no-key"))).json()["case_id"]
    database = await asyncpg.connect(desk.settings.database)
    taken = await database.fetchval(
        f"DELETE FROM {desk.tables.keys} WHERE subject = $1 RETURNING key", case_id
    )

    async def contact() -> tuple[int, dict[str, Any]]:
        answer = await desk.http.post(
            f"/v1/cases/{case_id}/reveal",
            json={"fields": ["contact"], "reason": "核实"},
            headers=desk.bearer("office"),
        )
        return answer.status_code, answer.json()

    status, problem = await contact()
    assert (status, problem["code"]) == (409, "KEY_MISSING")
    await database.execute(
        f"INSERT INTO {desk.tables.keys} (subject, key) VALUES ($1, $2)", case_id, taken
    )
    await database.close()
    status, told = await contact()
    assert (status, told["fields"]["contact"]["name"]) == (200, "王小二")


async def test_a_bulk_export_waits_for_a_second_person(desk: Desk) -> None:
    await desk.post(complaint("export", source="window"))
    await desk.post(complaint("export-report", source="window", kind="report"))
    await desk.post(complaint("export-other", source="mayor"))
    # A clerk exports what a clerk may see, whoever approves: their own intake (domain 7).
    other = await desk.http.post(
        "/v1/exports",
        json={"query": {"source": "mayor"}, "reason": "核对"},
        headers=desk.bearer("clerk"),
    )
    assert other.status_code == 403
    asked = await desk.http.post(
        "/v1/exports", json={"query": {}, "reason": "核对"}, headers=desk.bearer("clerk")
    )
    assert asked.status_code == 202, asked.text
    export = f"/v1/exports/{asked.json()['id']}"
    early = await desk.http.get(export, headers=desk.bearer("clerk"))
    assert (early.status_code, early.json()["code"]) == (409, "NOT_APPROVED")
    own = await desk.http.post(f"{export}/approvals", headers=desk.bearer("clerk"))
    assert own.status_code == 403
    second = await desk.http.post(f"{export}/approvals", headers=desk.bearer("office"))
    assert second.status_code == 202
    rows = await desk.http.get(export, headers=desk.bearer("clerk"))
    assert (rows.status_code, rows.headers["cache-control"]) == (200, "no-store")
    lines = [orjson.loads(line) for line in rows.content.splitlines()]
    assert [line["source_ref"] for line in lines] == ["export", "export-report"]
    assert lines[0]["fields"]["contact"]["name"] == "王小二"
    told = lines[1]["fields"]
    assert (told["contact"], told["text"], told["claims/1"]) == (None, None, None)
    assert told["employer/name"] is not None
    denied = await desk.http.post(
        "/v1/exports", json={"query": {}, "reason": "x"}, headers=desk.bearer("TF1")
    )
    assert denied.status_code == 403
    typed = await desk.http.post(
        "/v1/exports",
        json={"query": {"source": "王小二13000000300"}, "reason": "x"},
        headers=desk.bearer("office"),
    )
    assert (typed.status_code, typed.json()["errors"][0]["pointer"]) == (422, "/query/source")
    types = [event.type for event in await desk.events("city")]
    assert types.count("PiiAccessed") == 2
    assert types.count("AccessDenied") == 3


async def test_the_feed_topic_is_received_and_what_is_bad_is_parked_sealed(desk: Desk) -> None:
    good, bad = orjson.dumps(complaint("feed")), "{ 我叫韩杨朱".encode()
    async with desk.producer() as producer:
        for value in (good, bad, good):
            await (await producer.send(FEED_COMPLAINTS, "x", value, 0))

    async def parked() -> bool:
        return bool(await desk.records(FEED_COMPLAINTS_PARKED, 1))

    await until(parked, "the bad record is parked")
    record = orjson.loads((await desk.records(FEED_COMPLAINTS_PARKED, 1))[0].value)
    assert record["reason"] == "json_invalid"
    assert record["sha256"] == hashlib.sha256(bad).hexdigest()
    assert record["payload"].startswith("sealed:1:")
    case_id = case_id_of("national", "feed")
    assert [event.type for event in await desk.events(case_id)] == ["ComplaintReceived"]


async def test_the_language_is_published(desk: Desk) -> None:
    listing = (await desk.http.get("/v1/schemas")).json()["items"]
    assert {item["type"] for item in listing} == set(TYPES)
    for item in listing:
        schema = (await desk.http.get(item["schema"])).json()
        assert schema["type"] == "object"
        assert schema["x-writer"] == TYPES[item["type"]].writer
    assert (await desk.http.get("/v1/schemas/Nothing")).status_code == 404
    asyncapi = (await desk.http.get("/v1/asyncapi.json")).json()
    assert asyncapi["asyncapi"] == "3.0.0"
    assert set(TYPES) < set(asyncapi["components"]["messages"])
    assert set(_references(asyncapi)) >= {"#/components/schemas/Complaint.Employer"}
    for reference in _references(asyncapi):
        found = asyncapi
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    (event, *_) = await desk.events()
    stored = orjson.loads((await desk.records())[0].value)
    assert (await desk.http.get(stored["dataschema"])).json()["x-writer"] == event.data.writer
    openapi = (await desk.http.get("/openapi.json")).json()
    assert "/v1/complaints:stream" in openapi["paths"]


def _references(document: Any) -> Iterator[str]:
    """Every `$ref` of a document."""
    if isinstance(document, dict):
        if isinstance(reference := document.get("$ref"), str):
            yield reference
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from _references(item)


async def test_readiness_says_where_it_stands(desk: Desk) -> None:
    await desk.post(complaint("quiet"))

    async def quiet() -> bool:
        return bool((await desk.http.get("/readyz")).json()["owed"] == 0)

    await until(quiet, "nothing is owed")
    ready = (await desk.http.get("/readyz")).json()
    assert ready["ready"]
    records = await desk.records()
    ends = {f"{CASE_EVENTS}/{n}": 0 for n in range(12)}
    for record in records:
        name = f"{CASE_EVENTS}/{record.partition}"
        ends[name] = max(ends[name], record.offset + 1)
    assert {k: v for k, v in ready["positions"].items() if k in ends} == ends
