"""The other doors of intake, live: payloads, spreadsheets, quarantine, books, Open311."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import georeport
import httpx
import orjson
import pytest
from openpyxl import Workbook

from services.intake.kept import Kept
from shared.calendar import civil
from shared.envelope import case_id_of
from shared.events import ComplaintMerged, ComplaintReceived, ComplaintUnmerged, Event
from shared.log import FEED_COMPLAINTS, FEED_COMPLAINTS_PARKED
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, until, yesterday

pytestmark = pytest.mark.live

MAPPING: dict[str, Any] = {
    "columns": {
        "来源单号": {"field": "source_ref"},
        "接收时间": {"field": "received_at"},
        "用人单位": {"field": "employer.name"},
        "统一社会信用代码": {"field": "employer.uscc", "optional": True},
        "涉及金额(元)": {"field": "amount_fen"},
        "涉及人数": {"field": "workers"},
        "欠薪时段": {"field": "months"},
        "联系方式": {"field": "contact"},
    },
    "ignore": ["序号", "备注"],
    "constants": {"kind": "transfer"},
}
HEADER = (
    "序号",
    "来源单号",
    "接收时间",
    "用人单位",
    "涉及金额（元）",
    "涉及人数",
    "欠薪时段",
    "联系方式",
)
PERSON = "赵钱孙"


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("feeds")
    desk = Desk(module_settings, folder)
    await desk.start()
    for source in ("window", "union"):
        await put_mapping(desk, source, MAPPING)
    yield desk
    await desk.close()


# --- what the tests say -------------------------------------------------------------------------


def row(number: int, ref: str, **changes: Any) -> list[Any]:
    values = {
        "序号": number,
        "来源单号": ref,
        "接收时间": datetime(2021, 11, 10, 9, 30),  # noqa: DTZ001 - a workbook has no zone
        "用人单位": "示例服装有限公司",
        "涉及金额（元）": "1.2万",
        "涉及人数": "1人",
        "欠薪时段": "2021年7月至9月",
        "联系方式": f"{PERSON} 13000000300",
    } | changes
    return [values[name] for name in HEADER]


def xlsx(*rows: list[Any], header: tuple[str, ...] = HEADER) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["欠薪线索台账"])
    sheet.merge_cells("A1:H1")
    for values in (list(header), *rows):
        sheet.append(values)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def csv_of(*rows: list[Any], encoding: str = "gb18030") -> bytes:
    return "\r\n".join(",".join(str(v) for v in values) for values in (HEADER, *rows)).encode(
        encoding
    )


async def put_mapping(
    desk: Desk, source: str, mapping: Any, name: str = "operator"
) -> httpx.Response:
    return await desk.http.put(
        f"/v1/uploads/mappings/{source}", json=mapping, headers=desk.bearer(name)
    )


async def upload(
    desk: Desk, content: bytes, *, source: str = "window", confirm: str | None = None,
    name: str = "operator",
) -> httpx.Response:  # fmt: skip
    query = {"source": source} | ({"confirm": confirm} if confirm else {})
    return await desk.http.post(
        "/v1/uploads", params=query, content=content, headers=desk.bearer(name)
    )


async def stored(desk: Desk, content: bytes, source: str = "window") -> dict[str, Any]:
    """A dry run, then the upload that it confirms."""
    dry = await upload(desk, content, source=source)
    assert dry.status_code == 200, dry.text
    done = await upload(desk, content, source=source, confirm=dry.json()["confirm"])
    assert done.status_code == 200, done.text
    answer: dict[str, Any] = done.json()
    return answer


async def quarantined(desk: Desk, name: str = "operator", **query: str) -> list[dict[str, Any]]:
    found = await desk.http.get("/v1/quarantine", params=query, headers=desk.bearer(name))
    assert found.status_code == 200, found.text
    items: list[dict[str, Any]] = found.json()["items"]
    return items


async def act(
    desk: Desk, id: str, what: str, body: dict[str, Any], name: str = "office"
) -> httpx.Response:
    return await desk.http.post(f"/v1/quarantine/{id}/{what}", json=body, headers=desk.bearer(name))


async def received(desk: Desk, case_id: str) -> ComplaintReceived:
    data = (await desk.events(case_id))[0].data
    assert isinstance(data, ComplaintReceived)
    return data


# --- spreadsheets -------------------------------------------------------------------------------


async def test_a_dry_run_tells_of_every_row_and_stores_nothing(desk: Desk) -> None:
    content = xlsx(row(1, "dry-1"), row(2, "dry-2", 接收时间="昨天"), row(3, "dry-1"))
    before = (len(await desk.records()), len(await quarantined(desk)))
    answer = (await upload(desk, content)).json()
    assert answer["dry_run"]
    assert [(item["row"], item["status"]) for item in answer["rows"]] == [
        (3, "received"),
        (4, "rejected"),
        (5, "duplicate"),
    ]
    assert [error["column"] for error in answer["rows"][1]["errors"]] == ["接收时间"]
    assert (len(await desk.records()), len(await quarantined(desk))) == before


async def test_an_upload_is_received_once_however_often_it_is_sent(desk: Desk) -> None:
    content = xlsx(row(1, "up-1"), row(2, "up-2", **{"涉及金额（元）": 8000.5}))
    first = await stored(desk, content)
    again = await stored(desk, content)
    assert [item["status"] for item in first["rows"]] == ["received", "received"]
    assert [item["status"] for item in again["rows"]] == ["duplicate", "duplicate"]
    assert [item["case_id"] for item in again["rows"]] == [
        case_id_of("window", "up-1"),
        case_id_of("window", "up-2"),
    ]
    data = await received(desk, case_id_of("window", "up-2"))
    assert (data.amount_fen, data.workers, data.months_from, data.months_to, data.kind) == (
        800_050,
        1,
        "2021-07",
        "2021-09",
        "transfer",
    )
    assert data.received_at == datetime(2021, 11, 10, 1, 30, tzinfo=UTC)
    shown = await desk.http.get(f"/v1/uploads/{first['upload_id']}", headers=desk.bearer())
    assert shown.json()["rows"] == first["rows"]


async def test_a_form_is_not_read_as_a_table(desk: Desk) -> None:
    sent = await desk.http.post(
        "/v1/uploads", params={"source": "window"}, headers=desk.bearer("operator"),
        files={"file": ("a.csv", b"x,y\n1,2\n", "text/csv")},
    )  # fmt: skip
    assert (sent.status_code, sent.json()["code"]) == (415, "A_FORM")
    assert "text/csv" in sent.headers["accept-post"]


async def test_a_file_of_a_chinese_excel_is_read_in_its_own_encoding(desk: Desk) -> None:
    line = row(1, "gb-1", 接收时间="2021/11/10 9:30")
    for encoding in ("gb18030", "utf-8-sig", "utf-16"):
        answer = await stored(desk, csv_of(line, encoding=encoding))
        assert {item["status"] for item in answer["rows"]} <= {"received", "duplicate"}
        assert answer["rows"][0]["case_id"] == case_id_of("window", "gb-1")


async def test_without_its_dry_run_nothing_is_received(desk: Desk) -> None:
    dry = (await upload(desk, xlsx(row(1, "sure-1")))).json()
    other = await upload(desk, xlsx(row(1, "sure-2")), confirm=dry["confirm"])
    assert (other.status_code, other.json()["code"]) == (409, "NOT_CONFIRMED")
    no_mapping = await upload(desk, b"x", source="screening")
    assert (no_mapping.status_code, no_mapping.json()["code"]) == (404, "NO_MAPPING")
    foreign = await upload(desk, b"x", source="window", name="platform-12345")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "NOT_YOUR_SOURCE")
    nowhere = await upload(desk, b"x", source="nowhere")
    assert nowhere.status_code == 404


async def test_a_mapping_is_kept_with_who_set_it_and_bad_ones_name_the_column(desk: Desk) -> None:
    first = await put_mapping(desk, "screening", MAPPING, "TF1")
    assert (first.status_code, first.json()) == (200, {"source": "screening", "version": 1})
    assert (await put_mapping(desk, "screening", MAPPING, "TF1")).json()["version"] == 1
    changed = MAPPING | {"ignore": ["序号"]}
    assert (await put_mapping(desk, "screening", changed, "TF1")).json()["version"] == 2
    shown = await desk.http.get("/v1/uploads/mappings/screening", headers=desk.bearer("office"))
    assert shown.json()["set_by"] == "TF1/task_force"
    assert shown.json()["mapping"]["ignore"] == ["序号"]
    bad = MAPPING | {"columns": MAPPING["columns"] | {"电话": {"field": "phone"}}}
    refused = await put_mapping(desk, "screening", bad)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/columns/电话/field"


async def test_a_refused_row_waits_sealed_is_seen_on_record_and_corrected(desk: Desk) -> None:
    content = xlsx(row(1, "fix-1", 欠薪时段="7-9月"))
    answer = await stored(desk, content)
    assert answer["counts"] == {"rejected": 1}
    await stored(desk, content)
    (item,) = [i for i in await quarantined(desk, state="waiting") if i["reason"] == "not_months"]
    assert (item["source"], item["door"], item["place"]) == ("window", "upload", "row 3")
    assert (item["pointer"], item["times"]) == ("欠薪时段", 2)
    assert PERSON not in orjson.dumps(item).decode()

    shown = await act(desk, item["id"], "reveal", {"reason": "核对后改正"})
    assert shown.status_code == 200, shown.text
    cells = orjson.loads(shown.json()["payload"])
    assert cells["联系方式"].startswith(PERSON)
    assert [event.type for event in await desk.events("city")][-1] == "PiiAccessed"

    still = await act(desk, item["id"], "resend", {"payload": cells})
    assert still.status_code == 422
    assert still.json()["errors"][0]["pointer"] == "欠薪时段"
    cells["欠薪时段"] = "2021年7月至9月"
    sent = await act(desk, item["id"], "resend", {"payload": cells})
    assert sent.status_code == 202, sent.text
    case_id = case_id_of("window", "fix-1")
    assert sent.json()["case_id"] == case_id
    assert len(await desk.events(case_id)) == 1
    (linked,) = await quarantined(desk, case_id=case_id)
    assert (linked["id"], linked["state"]) == (item["id"], "resent")
    twice = await act(desk, item["id"], "resend", {"payload": cells})
    assert (twice.status_code, twice.json()["code"]) == (409, "CLOSED")


async def test_the_command_line_uploads_after_a_dry_run(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "线索.xlsx"
    file.write_bytes(xlsx(row(1, "cli-1"), row(2, "cli-2", 涉及人数="很多")))

    async def run(*options: str) -> tuple[int, list[dict[str, Any]], str]:
        program = Path(sys.executable).with_name("qingqian")
        environment = os.environ | desk.settings.environment()
        done = await asyncio.to_thread(
            lambda: subprocess.run(
                [program, "upload", file, *options],
                env=environment,
                capture_output=True,
                check=False,
            )
        )
        rows = [orjson.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, rows, done.stderr.decode()

    code, rows, said = await run("--source", "window")
    assert (code, [item["status"] for item in rows]) == (1, ["received", "rejected"])
    assert "nothing was stored" in said
    assert not await desk.events(case_id_of("window", "cli-1"))
    code, rows, _ = await run("--source", "window", "--commit")
    assert (code, rows[0]["case_id"]) == (1, case_id_of("window", "cli-1"))
    assert len(await desk.events(case_id_of("window", "cli-1"))) == 1
    code, _, said = await run("--source", "board")
    assert code == 1
    assert said == (
        "/source: no column mapping was set for this source; "
        "set it with PUT /v1/uploads/mappings/board\n"
    )


# --- stream, topic, platforms' own payloads -----------------------------------------------------


async def test_what_a_stream_refuses_waits_for_those_of_its_source(desk: Desk) -> None:
    bad = orjson.dumps(complaint("q-stream", source="12345", workers=0))
    receipts = await desk.stream([bad + b"\n", b"\n", bad], name="platform-12345")
    assert [receipt["status"] for receipt in receipts] == ["rejected"] * 3
    (item,) = await quarantined(desk, "platform-12345")
    assert (item["door"], item["reason"], item["pointer"], item["times"]) == (
        "stream", "greater_than_equal", "/workers", 2,
    )  # fmt: skip
    assert await quarantined(desk, "platform-henan") == []
    hidden = await act(desk, item["id"], "reveal", {"reason": "x"}, "platform-henan")
    assert hidden.status_code == 404
    for name in ("TF1", "operator", "auditor"):
        denied = await act(desk, item["id"], "reveal", {"reason": "x"}, name)
        assert (denied.status_code, denied.json()["code"]) == (403, "NOT_ENTITLED")
        assert [event.type for event in await desk.events("city")][-1] == "AccessDenied"
    other = complaint("q-stream", source="henan")
    foreign = await act(desk, item["id"], "resend", {"payload": other}, "office")
    assert foreign.json()["errors"][0]["pointer"] == "/source"
    right = complaint("q-stream", source="12345")
    sent = await act(desk, item["id"], "resend", {"payload": right}, "platform-12345")
    assert (sent.status_code, sent.json()["status"]) == (202, "received")


async def test_erasing_a_case_erases_the_refused_line_that_became_it(desk: Desk) -> None:
    """Erasing the key erases the person (design 9), wherever the same was kept."""
    bad = complaint("erased", source="rmw", workers=0)
    await desk.stream([orjson.dumps(bad)], name="platform-rmw")
    (item,) = await quarantined(desk, "platform-rmw")
    right = complaint("erased", source="rmw")
    sent = await act(desk, item["id"], "resend", {"payload": right}, "platform-rmw")
    url = f"/v1/cases/{sent.json()['case_id']}"
    reason = {"reason": "NOT_WAGES"}
    ended = await desk.fact(f"{url}/events", "ComplaintNotAccepted", reason, name="office")
    assert ended.status_code == 202, ended.text
    look = {"reason": "核对"}
    before = (await act(desk, item["id"], "reveal", look)).json()["payload"]
    assert orjson.loads(before)["contact"] == right["contact"]

    erased = await desk.http.post(f"{url}/erase", json=look, headers=desk.bearer("office"))

    assert erased.status_code == 202, erased.text
    assert (await act(desk, item["id"], "reveal", look)).json()["payload"] is None
    assert not (await quarantined(desk, "platform-rmw"))[0]["kept"]
    database = await asyncpg.connect(desk.settings.database)
    left = await database.fetchval(
        f"SELECT key FROM {desk.tables.keys} WHERE subject = $1", f"quarantine:{item['id']}"
    )
    await database.close()
    assert left is None


async def test_two_persons_who_correct_one_line_make_one_case(desk: Desk) -> None:
    bad = complaint("two", source="henan_xf", workers=0)
    await desk.stream([orjson.dumps(bad)], name="platform-henan_xf")
    (item,) = await quarantined(desk, source="henan_xf")
    right = {"payload": complaint("two", source="henan_xf")}
    both = await asyncio.gather(
        act(desk, item["id"], "resend", right, "office"),
        act(desk, item["id"], "resend", right, "platform-henan_xf"),
    )
    assert sorted(answer.status_code for answer in both) == [202, 409]
    assert len(await desk.events(case_id_of("henan_xf", "two"))) == 1


async def test_discarding_needs_a_reason_and_is_final(desk: Desk) -> None:
    await desk.stream([b"{ spam " + PERSON.encode()], name="operator")
    (item,) = await quarantined(desk, source="unknown", state="waiting")
    assert (await act(desk, item["id"], "discard", {"reason": "  "})).status_code == 422
    done = await act(desk, item["id"], "discard", {"reason": "测试数据"})
    assert (done.status_code, done.json()["state"]) == (200, "discarded")
    late = await act(desk, item["id"], "resend", {"payload": complaint("late")})
    assert late.status_code == 409


WORK_ORDER = {
    "工单编号": "ZZ20211118001",
    "来电时间": "2021-11-18 10:20",
    "办理时限": "2021-11-25",
    "来电人": PERSON,
    "联系电话": "13000000300",
    "被反映单位": "示例餐饮店",
    "属地": "唐庄镇",
    "涉及金额": "3.6万元",
    "工单内容": "拖欠工资三个月",
}


async def test_a_work_order_is_received_in_its_own_shape_with_its_own_due(desk: Desk) -> None:
    url = "/v1/feeds/zz12345"
    keys = desk.bearer("platform-zz12345")
    first = await desk.http.post(url, json=WORK_ORDER, headers=keys)
    again = await desk.http.post(url, json=WORK_ORDER, headers=keys)
    assert (first.status_code, again.json()["status"]) == (202, "duplicate"), first.text
    data = await received(desk, first.json()["case_id"])
    assert data.external_due_at == datetime(2021, 11, 25, 16, tzinfo=UTC)
    assert (data.tier, data.amount_fen) == ("ZZ", 3_600_000)
    assert data.site is not None
    assert data.site.township == "410185109"
    bad = await desk.http.post(
        url, json=WORK_ORDER | {"涉及金额": "很多", "新字段": 1, "办理时限": None}, headers=keys
    )
    assert bad.status_code == 422
    assert {item["pointer"] for item in bad.json()["errors"]} == {
        "/涉及金额", "/新字段", "/办理时限",
    }  # fmt: skip


async def test_the_topic_takes_a_platform_s_own_shape_and_keeps_what_is_bad(desk: Desk) -> None:
    order = WORK_ORDER | {"工单编号": "topic-1"}
    bad = WORK_ORDER | {"工单编号": "topic-2", "来电时间": "不详"}
    async with desk.producer() as producer:
        for value in (order, bad):
            assert producer._producer is not None
            await producer._producer.send_and_wait(
                producer.settings.topic(FEED_COMPLAINTS),
                orjson.dumps(value),
                key=b"x",
                headers=[("source", b"zz12345")],
            )

    async def parked() -> bool:
        return bool(await desk.records(FEED_COMPLAINTS_PARKED, 1))

    await until(parked, "the bad record is parked")
    record = orjson.loads((await desk.records(FEED_COMPLAINTS_PARKED, 1))[-1].value)
    (item,) = [i for i in await quarantined(desk, source="zz12345") if i["door"] == "topic"]
    assert (record["id"], record["pointer"]) == (item["id"], "/来电时间")
    assert record["payload"].startswith("sealed:1:")
    assert len(await desk.events(case_id_of("zz12345", "topic-1"))) == 1
    fixed = await act(desk, item["id"], "resend", {"payload": bad | {"来电时间": "2021-11-18"}})
    assert fixed.json()["case_id"] == case_id_of("zz12345", "topic-2")


# --- what a read was asked ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/quarantine"),
        ("GET", "/v1/reconciliation"),
        ("GET", "/v1/scorecards"),
        ("GET", "/v1/matches"),
        ("GET", "/v1/uploads/mappings/window"),
        ("POST", "/v1/uploads?source=window"),
    ],
)
async def test_a_parameter_that_a_read_does_not_have_is_named(
    desk: Desk, method: str, path: str
) -> None:
    asked = f"{path}{'&' if '?' in path else '?'}foo=2"
    answer = await desk.http.request(method, asked, headers=desk.bearer("office"))
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "UNKNOWN_PARAMETER"), answer.text
    assert [item["pointer"] for item in told["errors"]] == ["/foo"]
    known = {
        "/v1/quarantine": "after, case_id, limit, source, state",
        "/v1/matches": "below, limit",
    }
    assert known.get(path, "") in told["detail"]


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("/v1/reconciliation", {"from": "2026-13-01"}, "a day as YYYY-MM-DD"),
        ("/v1/reconciliation", {"to": "foo"}, "a day as YYYY-MM-DD"),
        ("/v1/reconciliation", {"as_of": "foo"}, "an instant as YYYY-MM-DDThh:mm:ss+08:00"),
        ("/v1/scorecards", {"day": "foo"}, "a day as YYYY-MM-DD"),
        ("/v1/quarantine", {"limit": "0"}, "a number from 1 to 200"),
        ("/v1/quarantine", {"state": "x"}, "one of waiting, returned, resent, discarded"),
    ],
)
async def test_what_cannot_be_read_is_told_with_the_wanted_form(
    desk: Desk, path: str, query: dict[str, str], wanted: str
) -> None:
    answer = await desk.http.get(path, params=query, headers=desk.bearer("office"))
    assert answer.status_code == 422
    (name,) = query
    (told,) = answer.json()["errors"]
    assert (told["pointer"], told["detail"]) == (f"/{name}", f"wanted: {wanted}")


async def test_what_a_platform_adds_to_our_address_keeps_no_line_out(desk: Desk) -> None:
    answer = await desk.http.post(
        "/v1/feeds/zz12345?sign=x", json=WORK_ORDER, headers=desk.bearer("platform-zz12345")
    )
    assert answer.status_code == 202, answer.text


# --- reconciliation -----------------------------------------------------------------------------


async def test_every_line_of_a_source_is_accounted_for(desk: Desk) -> None:
    """I-02: what arrived is the sum of what became of it; nothing is missing."""
    good = [complaint(f"rec-{n}", source="henan", claims=None) for n in range(4)]
    lines = [orjson.dumps(body) + b"\n" for body in good]
    await desk.stream([*lines, lines[0], b'{"source":"henan"}\n'], name="platform-henan")
    await desk.post({"source": "henan"}, name="platform-henan")
    case = case_id_of("henan", "rec-0")
    clerk = {"unit": "市人社局", "role": "clerk"}
    accepted = await desk.fact(
        f"/v1/cases/{case}/events", "ComplaintAccepted", key="rec", by=clerk,
        occurred_at=yesterday(),
    )  # fmt: skip
    assert accepted.status_code == 202
    found = await desk.http.get("/v1/reconciliation", headers=desk.bearer("platform-henan"))
    assert found.status_code == 200, found.text
    (day,) = found.json()["items"]
    assert day["received"] == 6
    assert (day["accepted"], day["open"], day["returned"]) == (1, 4, 1)
    assert day["details"] == {"waiting": 1, "returned": 1, "resent": 0, "discarded": 0}
    assert found.json()["missing"] == []
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    before = await desk.http.get(
        "/v1/reconciliation",
        params={
            "as_of": past,
            "from": f"{civil(datetime.now(UTC))}",
            "to": f"{civil(datetime.now(UTC))}",
        },
        headers=desk.bearer(),
    )
    assert before.json()["items"] == []

    cards = await desk.http.get("/v1/scorecards", headers=desk.bearer("platform-henan"))
    (card,) = cards.json()["items"]
    assert (card["received"], card["rejected"], card["duplicates"]) == (4, 2, 1)
    assert card["delay_median"] > 0
    other = await desk.http.get(
        "/v1/scorecards", params={"source": "henan"}, headers=desk.bearer("platform-12345")
    )
    assert other.status_code == 403
    metrics = (await desk.http.get("/metrics")).text
    assert 'qingqian_feed_lines_total{source="henan",status="duplicate"} 1.0' in metrics


async def test_what_became_of_a_line_is_known_for_any_moment(desk: Desk) -> None:
    """Merged, taken back, transferred; a second copy of an event is none."""
    case_id = (await desk.post(complaint("became", source="union"))).json()["case_id"]
    before = datetime.now(UTC)
    for name, outcome in (("merged", "merged"), ("unmerged", "open"), ("merged", "open")):
        async with desk.producer() as producer:
            await producer.publish([decision(case_id, name)])
        day = await union_day(desk)
        assert day[outcome] == day["received"] == 1
    clerk = {"unit": "市人社局", "role": "clerk"}
    done = await desk.fact(
        f"/v1/cases/{case_id}/events", "ComplaintTransferredOut", {"to_body": "某市人社局"},
        key="t", by=clerk, occurred_at=yesterday(),
    )  # fmt: skip
    assert done.status_code == 202, done.text
    assert (await union_day(desk))["transferred"] == 1
    then = await union_day(desk, as_of=before.isoformat())
    assert (then["open"], then["transferred"]) == (1, 0)


def decision(case_id: str, name: str) -> Event:
    """A decision of routing on one case, as that service would write it."""
    data: ComplaintMerged | ComplaintUnmerged = (
        ComplaintMerged(master="other", match="x", cause="c")
        if name == "merged"
        else ComplaintUnmerged(master="other", cause="c")
    )
    now = datetime.now(UTC)
    return Event(id=f"{name}-{case_id}", subject=case_id, time=now, recordedtime=now, data=data)


async def union_day(desk: Desk, **query: str) -> dict[str, Any]:
    found = await desk.http.get(
        "/v1/reconciliation", params={"source": "union", **query}, headers=desk.bearer()
    )
    (day,) = found.json()["items"]
    return dict(day)


async def test_all_days_of_all_sources_balance(desk: Desk) -> None:
    found = (await desk.http.get("/v1/reconciliation", headers=desk.bearer())).json()
    parts = ("accepted", "not_accepted", "merged", "transferred", "returned", "open")
    assert len(found["items"]) >= 4
    for day in found["items"]:
        assert day["received"] == sum(day[part] for part in parts)
    assert sum(day["received"] for day in found["items"]) == len(
        {e.subject for e in await desk.events() if e.type == "ComplaintReceived"}
    ) + len(await quarantined(desk))
    assert found["missing"] == []


async def test_a_complaint_that_is_lost_on_the_way_is_named(desk: Desk) -> None:
    connection = await asyncpg.connect(desk.settings.database)
    table = Kept(desk.tables).complaints
    try:
        await connection.execute(f"INSERT INTO {table} VALUES ('board', 'gone', 'lost-one', 'x')")
        found = await desk.http.get("/v1/reconciliation", headers=desk.bearer())
        assert found.json()["missing"] == ["lost-one"]
    finally:
        await connection.execute(f"DELETE FROM {table} WHERE case_id = 'lost-one'")
        await connection.close()


# --- Open311 ------------------------------------------------------------------------------------


def city(desk: Desk, format: str) -> georeport.GeoReport:
    root = f"{desk.settings.url('intake')}/open311/v2"
    return georeport.GeoReport(root, jurisdiction="410185", output_format=format)


FORM = {
    "service_code": "wage-arrears",
    "description": f"我叫{PERSON}，饭店欠我三个月工资",
    "address_string": "登封市唐庄镇某路9号",
    "last_name": PERSON[0],
    "first_name": PERSON[1:],
    "phone": "13000000300",
    "attribute[employer]": "示例餐饮店",
    "attribute[amount]": "1.2万",
    "attribute[months]": "2021年7月至9月",
}


@pytest.mark.parametrize("format", ["json", "xml"])
async def test_a_standard_client_drives_open311(desk: Desk, format: str) -> None:
    api_key = desk.bearer("platform-12345")["authorization"].removeprefix("Bearer ")
    form = FORM | {"api_key": api_key, "jurisdiction_id": "410185"}
    posted = await desk.http.post("/open311/v2/requests.json", data=form)
    again = await desk.http.post("/open311/v2/requests.json", data=form)
    assert posted.status_code == 200, posted.text
    id = posted.json()[0]["service_request_id"]
    assert again.json() == posted.json()
    assert len(await desk.events(id)) == 1

    def drive() -> tuple[Any, ...]:
        client = city(desk, format)
        return (
            client.get_service_list(),
            client.get_service_definition("wage-arrears"),
            client.get_service_requests(service_request_id=f"{id},nobody"),
            client.get_service_request(id),
        )

    services, definition, several, one = await asyncio.to_thread(drive)
    assert {item["service_code"] for item in services} == {"wage-arrears", "wage-arrears-report"}
    assert definition["service_code"] == "wage-arrears"
    several = several if isinstance(several, list) else [several]
    assert [item["service_request_id"] for item in several] == [id]
    assert (one["service_request_id"], one["status"]) == (id, "open")
    shown = orjson.dumps([several, one]).decode()
    for told in (PERSON, "13000000300", "示例餐饮店", "唐庄", "三个月"):
        assert told not in shown


async def test_open311_lists_only_to_its_own_key_and_tells_what_is_wrong(desk: Desk) -> None:
    url = "/open311/v2/requests.json"
    assert (await desk.http.get(url)).status_code == 403
    own = desk.bearer("platform-12345")["authorization"].removeprefix("Bearer ")
    other = desk.bearer("platform-henan")["authorization"].removeprefix("Bearer ")
    mine = (await desk.http.get(url, params={"api_key": own})).json()
    assert len(mine) == 1
    assert (await desk.http.get(url, params={"api_key": other})).json() == []
    closed = await desk.http.get(url, params={"api_key": own, "status": "closed"})
    assert closed.json() == []
    national = (await desk.post(complaint("not-open311"))).json()["case_id"]
    hidden = await desk.http.get(f"/open311/v2/requests/{national}.json")
    assert (hidden.status_code, hidden.json()[0]["code"]) == (404, 404)
    for changes, status, said in (
        ({"api_key": "x"}, 403, "api_key"),
        ({"service_code": "potholes"}, 400, "service_code"),
        ({"attribute[amount]": "很多"}, 400, "attribute[amount]"),
        ({"jurisdiction_id": "boston.gov"}, 404, "jurisdiction_id"),
        ({"description": "", "attribute[employer]": ""}, 400, "text and employer"),
    ):
        answer = await desk.http.post(url, data=FORM | {"api_key": own} | changes)
        assert answer.status_code == status, answer.text
        assert said in answer.json()[0]["description"]
    elsewhere = await desk.http.get("/open311/v2/services.xml?jurisdiction_id=boston.gov")
    assert (elsewhere.status_code, b"<errors>" in elsewhere.content) == (404, True)


async def test_nothing_of_a_person_stands_in_clear(desk: Desk) -> None:
    """Neither on the log, nor on the parked topic, nor in intake's tables, nor in its journal."""
    for topic, partitions in (("case-events", 12), (FEED_COMPLAINTS_PARKED, 1)):
        for record in await desk.records(topic, partitions):
            assert PERSON.encode() not in record.value
    assert PERSON not in desk.journal.read_text()
    kept = Kept(desk.tables)
    connection = await asyncpg.connect(desk.settings.database)
    try:
        for table in (kept.quarantine, kept.uploads, kept.arrivals, kept.mappings):
            for found in await connection.fetch(f"SELECT t::text AS whole FROM {table} t"):
                assert PERSON not in found["whole"]
    finally:
        await connection.close()
