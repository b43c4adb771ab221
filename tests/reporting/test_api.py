"""The HTTP API over real tables: shapes, cursors, keys, problems, files, the public's view."""

from __future__ import annotations

import copy
import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import openpyxl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from services.reporting import answers
from services.reporting.api import application
from services.reporting.publications import id_of
from services.reporting.reading import Reading
from services.reporting.service import Reporting
from services.reporting.stream import Feed
from shared import events as ev
from shared import keys
from shared.calendar import at_hour, civil, end_of
from shared.checkpoint import Heads
from shared.events import SEALED_PREFIX, BulletinIssued, Event, PolicyAdopted, instant_text
from shared.policy import Policy, content_hash
from shared.settings import Settings
from shared.streams import GOVERNANCE
from tests.reporting import histories
from tests.reporting.conftest import Read, advance, opened

CASES = 60

MODELS: dict[str, type[BaseModel]] = {
    "/v1/cases/": answers.OneCase,
    "/v1/cases": answers.Cases,
    "/v1/clearance": answers.Clearance,
    "/v1/rankings/units/": answers.Place,
    "/v1/rankings/movements": answers.Movements,
    "/v1/rankings": answers.Rankings,
    "/v1/overview": answers.Overview,
    "/v1/bulletins": answers.Bulletins,
    "/v1/checkpoints": answers.Checkpoints,
    "/v1/warnings": answers.Warnings,
    "/v1/trend": answers.Trend,
    "/v1/units": answers.Units,
    "/v1/definitions": answers.Definitions,
}
"""What the OpenAPI document promises; every answer of the tests is held against it."""


async def serving(read: Read, book: Policy, folder: Path) -> Reporting:
    """The service over filled tables, as it stands once it has caught up."""
    clear, hashed = keys.generate(book)
    keys.write(folder / "keys.json", hashed)
    keys.write(folder / "clear.json", clear)
    settings = read.follower.settings.model_copy(update={"data_dir": folder})
    events = histories.tell(21, CASES, book)
    await read.take([histories.records(events)])
    advance(read.governance, max(events, key=lambda event: event.recordedtime))
    found = Reporting(Settings.model_validate(settings.model_dump()))
    found.pool, found.follower, found.reading = read.pool, read.follower, read.reading
    found.governance = read.governance
    found.follower.caught_up = True
    found._started = True
    return found


@asynccontextmanager
async def speaking(reporting: Reporting, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it with the key of the office."""
    token = keys.clear_key(folder / "clear.json", "office")
    transport = httpx.ASGITransport(application(reporting))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as found:
        yield found


@pytest.fixture(scope="module")
async def client(
    pool: Any, database: str, book: Policy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Of one service for all tests that only read."""
    folder = tmp_path_factory.mktemp("reporting")
    async with opened(pool, database, book) as read:
        reporting = await serving(read, book, folder)
        async with speaking(reporting, folder) as found:
            yield found


@pytest.fixture
async def reporting(read: Read, book: Policy, tmp_path: Path) -> Reporting:
    """Of a test's own, which changes what it reads."""
    return await serving(read, book, tmp_path)


@pytest.fixture
async def own_client(reporting: Reporting, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with speaking(reporting, tmp_path) as found:
        yield found


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    model = next((model for part, model in MODELS.items() if path.startswith(part)), None)
    if model is not None and "timeline" not in path and "." not in path:
        model.model_validate(found)
    return found


async def problem(
    client: httpx.AsyncClient, path: str, status: int, **query: Any
) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    return found


async def everything(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """All items, page by page."""
    items: list[dict[str, Any]] = []
    page = await get(client, path, **query)
    while True:
        items += page["items"]
        if page["next"] is None:
            return items
        query = {name: value for name, value in query.items() if name != "as_of"}
        page = await get(client, path, **query, cursor=page["next"])


async def test_every_read_says_of_what_it_is_true(client: httpx.AsyncClient) -> None:
    at = "2022-01-01T00:00:00+08:00"
    for path in (
        "/v1/cases",
        "/v1/rankings/task-forces",
        "/v1/rankings/townships",
        "/v1/clearance",
        "/v1/overview",
        "/v1/public/overview",
    ):
        meta = (await get(client, path, as_of=at))["meta"]
        assert meta["as_of"] == "2021-12-31T16:00:00Z"
        assert len(meta["position"].split(".")) == 12
        assert meta["policy"].startswith("dengfeng-2021-35@sha256:")


async def test_the_overview_says_whether_the_campaign_runs(client: httpx.AsyncClient) -> None:
    found = await get(client, "/v1/overview", as_of="2022-01-01T00:00:00+08:00")
    assert (found["phase"], found["campaign"]["stands"]) == ("P2", "running")


@pytest.mark.parametrize(
    ("as_of", "last"),
    [
        ("2021-12-20T10:00:00+08:00", "2021-12-20T02:00:00Z"),
        ("2022-01-01T00:00:00+08:00", "2021-12-31T16:00:00Z"),
        ("2022-05-03T10:00:00+08:00", "2022-04-30T15:59:59.999999Z"),
    ],
)
async def test_each_day_of_the_trend_is_the_overview_of_then(
    client: httpx.AsyncClient, as_of: str, last: str
) -> None:
    days = (await get(client, "/v1/trend", as_of=as_of))["items"]

    assert (days[0]["day"], days[-1]["at"]) == ("2021-11-10", last)
    assert [item["day"] for item in days] == sorted({item["day"] for item in days})
    assert len({item["open"] for item in days}) > 3
    for item in (*days[::5], days[-1]):
        then = await get(client, "/v1/overview", as_of=item["at"])
        told = {name: value for name, value in item.items() if name not in ("day", "at")}
        assert told == {name: then[name] for name in told}, item["day"]


async def test_levels_are_told_of_open_cases_apart(client: httpx.AsyncClient) -> None:
    at = "2022-04-29T10:00:00+08:00"
    whole = await get(client, "/v1/overview", as_of=at)
    opened = await everything(client, "/v1/cases", limit=500, as_of=at, open="true")
    others = await everything(client, "/v1/cases", limit=500, as_of=at, open="false")
    assert (len(opened), len(opened) + len(others)) == (whole["open"], whole["received"])
    assert Counter(case["level"] for case in opened) == whole["open_by_level"]
    assert Counter(case["level"] for case in (*opened, *others)) == whole["by_level"]
    assert whole["open_by_level"] != whole["by_level"]


async def test_no_day_of_the_campaign_has_come_yet(client: httpx.AsyncClient) -> None:
    assert (await get(client, "/v1/trend", as_of="2021-11-09T23:59:59+08:00"))["items"] == []
    (first,) = (await get(client, "/v1/trend", as_of="2021-11-10T00:00:00+08:00"))["items"]
    assert (first["day"], first["at"]) == ("2021-11-10", "2021-11-09T16:00:00Z")


@pytest.mark.parametrize("as_of", ["2021-12-20T10:00:00+08:00", "2022-04-29T10:00:00+08:00"])
async def test_what_a_unit_has_in_hand_is_its_cases(
    client: httpx.AsyncClient, book: Policy, as_of: str
) -> None:
    items = (await get(client, "/v1/units", as_of=as_of))["items"]
    held = await everything(client, "/v1/cases", limit=500, as_of=as_of)
    held = [case for case in held if case["accepted_at"] is not None]
    gone = {"CLOSED", "WRITTEN_OFF", "NOT_ACCEPTED", "TRANSFERRED_OUT", "MERGED"}

    departments = list(book.content.organisation.departments)
    assert [item["unit"] for item in items] == [*book.units, *departments]
    assert sum(item["open"] for item in items) > 0
    for item in items:
        own = [case for case in held if case[item["kind"]] == item["unit"]]
        opened = [case for case in own if case["state"] not in gone]
        based = [case for case in own if case["left_base"] is None]
        assert item["accepted"] == len(based)
        assert item["open"] == len(opened) == sum(item["ageing"].values())
        assert item["overdue"] == sum(case["overdue"] for case in opened)
        assert item["closed"] == sum(case["state"] in ("CLOSED", "WRITTEN_OFF") for case in based)
        assert item["owed_fen"] == sum(case["owed_fen"] or 0 for case in based)
        assert item["paid_fen"] == sum(case["paid_fen"] for case in own)
        ages = Counter(age_of(case["accepted_at"], as_of) for case in opened)
        assert {name: number for name, number in item["ageing"].items() if number} == ages


@pytest.mark.parametrize(
    "asked",
    [
        {"as_of": "2022-01-10T12:00:00+08:00"},
        {"as_of": "2022-05-10T00:00:00+08:00"},
        {"as_of": "2022-03-01T00:00:00+08:00", "from": "2021-12-20T00:00:00+08:00"},
    ],
)
async def test_a_place_is_what_its_cases_and_acts_add_up_to(
    client: httpx.AsyncClient, book: Policy, asked: dict[str, str]
) -> None:
    seen: Counter[str] = Counter()
    for path in ("/v1/rankings/task-forces", "/v1/rankings/townships"):
        for item in (await get(client, path, **asked))["items"]:
            found = await get(client, f"/v1/rankings/units/{item['unit']}", **asked)
            assert found["place"] == item
            cases, records = found["cases"], found["records"]
            listed = {
                name: [case["rates"][name] for case in cases if name in case["rates"]]
                for name in ("cleared", "on_time", "responded")
            }
            listed["satisfied"] = [entry["met"] for entry in found["follow_ups"]]
            for name, marks in listed.items():
                assert (sum(marks), len(marks)) == counted(item, name), (item["unit"], name)
            money = [case for case in cases if case["owed_fen"] is not None]
            sums = tuple(
                sum(case[f"{part}_fen"] for case in money) for part in ("recovered", "owed")
            )
            assert sums == counted(item, "recovered")
            ledgers = [case["ledger"] for case in cases if case["ledger"] is not None]
            filled = sum(part["met"] for part in ledgers) + sum(record["met"] for record in records)
            asked_for = sum(part["of"] for part in ledgers) + len(records)
            assert (filled, asked_for) == counted(item, "ledger")
            acts = {name: len(entries) for name, entries in found["deductions"].items()}
            assert acts == item["deductions"]
            seen.update({name: len(marks) for name, marks in listed.items()} | acts)
            seen.update(record["what"] for record in records)
    for name in ("cleared", "on_time", "responded", "satisfied", "overdue", "ZERO_REPORT"):
        assert seen[name] > 0, name


def counted(item: dict[str, Any], rate: str) -> tuple[int, int]:
    return item["rates"][rate]["met"], item["rates"][rate]["of"]


async def test_what_moved_a_unit_adds_up_to_how_far_it_moved(client: httpx.AsyncClient) -> None:
    since, as_of = "2021-12-20T00:00:00+08:00", "2022-02-20T00:00:00+08:00"
    found = await get(client, "/v1/rankings/movements", since=since, as_of=as_of)
    assert found["since"]["as_of"] == "2021-12-19T16:00:00Z"
    moved = 0
    for path, name in (("task-forces", "task_forces"), ("townships", "townships")):
        sides = {
            side: (await get(client, f"/v1/rankings/{path}", as_of=at))["items"]
            for side, at in (("before", since), ("after", as_of))
        }
        assert [item["unit"] for item in found[name]] == [item["unit"] for item in sides["after"]]
        for side, items in sides.items():
            by_unit = {item["unit"]: item for item in items}
            for item in found[name]:
                then = by_unit[item["unit"]]
                assert (item["rank"][side], item["score"][side]) == (then["rank"], then["score"])
        for item in found[name]:
            raw = [Decimal(str(item["raw"][side] or 0)) for side in ("before", "after")]
            parts = sum((Decimal(str(points)) for points in item["parts"].values()), Decimal(0))
            assert parts == raw[1] - raw[0], item
            moved += item["rank"]["before"] != item["rank"]["after"]
    assert moved > 3


async def test_a_place_or_a_movement_of_nothing_is_told(client: httpx.AsyncClient) -> None:
    assert (await problem(client, "/v1/rankings/units/TF9", 404))["code"] == "UNKNOWN_UNIT"
    assert (await problem(client, "/v1/rankings/movements", 422))["errors"]
    at = "2022-01-01T00:00:00+08:00"
    for since in (at, "2022-01-02T00:00:00+08:00", "yesterday"):
        found = await problem(client, "/v1/rankings/movements", 422, since=since, as_of=at)
        assert found["errors"][0]["pointer"].endswith("since"), found


def age_of(accepted_at: str, as_of: str) -> str:
    days = civil(datetime.fromisoformat(as_of)) - civil(datetime.fromisoformat(accepted_at))
    bounds = {"0-7": 7, "8-15": 15, "16-30": 30, "31-60": 60}
    return next((name for name, last in bounds.items() if days.days <= last), "61+")


async def test_codes_are_told_with_their_words(client: httpx.AsyncClient, book: Policy) -> None:
    found = await get(client, "/v1/definitions")
    assert [entry["code"] for entry in found["townships"]] == list(book.townships)
    assert {"code": "TRIAGE", "name": "待研判", "name_en": "in triage"} in found["states"]
    for part in ("tiers", "states", "levels"):
        for entry in found[part]:
            assert entry["name"] != entry["code"] != entry["name_en"], entry
    assert all(entry["name"] != entry["code"] for entry in found["sources"])
    assert [phase["id"] for phase in found["campaign"]["phases"]] == ["P1", "P2", "P3", "P4"]
    t09 = next(timer for timer in found["timers"] if timer["id"] == "T09")
    assert (t09["name"], t09["unit"], t09["n"]) == ("办理", "wd", 10)
    assert found["score"]["weights"]["cleared"] == 30


async def test_sums_beyond_all_sense_stop_no_publication(
    own_client: httpx.AsyncClient, read: Read
) -> None:
    """Canonical JSON, of which each issue's hash is made, holds no number from 2^53 on."""
    await read.pool.execute(f"UPDATE {read.tables.versions} SET paid_fen = {10**15}")
    assert (await get(own_client, "/v1/overview"))["paid_fen"] == 2**53 - 1
    assert (await get(own_client, "/v1/trend"))["items"][-1]["paid_fen"] == 2**53 - 1
    assert (
        max(item["paid_fen"] for item in (await get(own_client, "/v1/units"))["items"]) == 2**53 - 1
    )
    assert (await own_client.get("/v1/closing-pack.json")).status_code == 200


async def test_pages_hold_every_case_once_and_pin_the_instant(client: httpx.AsyncClient) -> None:
    whole = await get(client, "/v1/cases", limit=500)
    paged = await everything(client, "/v1/cases", limit=7)
    assert [item["case_id"] for item in paged] == [item["case_id"] for item in whole["items"]]
    assert len(paged) == whole["total"] == CASES
    first = await get(client, "/v1/cases", limit=7, as_of="2022-01-15T00:00:00Z")
    second = await get(client, "/v1/cases", limit=7, cursor=first["next"])
    assert second["meta"] == first["meta"]


async def test_filters_narrow(client: httpx.AsyncClient) -> None:
    whole = await everything(client, "/v1/cases")
    for name in ("task_force", "township", "state", "overdue", "level", "source", "tier"):
        value = next(item[name] for item in reversed(whole) if item[name])
        text = "true" if value is True else value
        found = await everything(client, "/v1/cases", **{name: text}, limit=5)
        wanted = [item["case_id"] for item in whole if item[name] == value]
        if name == "source":
            wanted = [
                item["case_id"]
                for item in whole
                if value in [source["source"] for source in item["sources"]]
            ]
        assert [item["case_id"] for item in found] == wanted, name
    number = next(item["number"] for item in whole if item["number"])
    (only,) = await everything(client, "/v1/cases", q=number[-6:])
    assert only["number"] == number


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_force", "TF9"),
        ("township", "1"),
        ("department", "市气象局"),
        ("source", "foo"),
        ("tier", "foo"),
        ("state", "foo"),
        ("level", "9"),
    ],
)
async def test_a_value_that_no_case_can_have_is_refused_by_its_parameter(
    client: httpx.AsyncClient, name: str, value: str
) -> None:
    found = await problem(client, "/v1/cases", 422, **{name: value})
    assert found["code"] == "MALFORMED"
    assert [error["pointer"] for error in found["errors"]] == [f"/query/{name}"]


async def test_a_former_township_code_finds_the_cases_of_the_township(
    client: httpx.AsyncClient,
) -> None:
    today = await everything(client, "/v1/cases", township="410185004")
    assert today
    assert await everything(client, "/v1/cases", township="410185102") == today
    assert (await client.get("/v1/cases", params={"township": "NO_TOWNSHIP"})).status_code == 200


async def test_what_is_known_is_what_the_book_of_that_instant_knows(
    own_client: httpx.AsyncClient, read: Read, book: Policy
) -> None:
    raw = copy.deepcopy(book.raw)
    raw["organisation"]["sources"]["weixin"] = "CITY"
    adoption = PolicyAdopted(book=book.id, hash=content_hash(raw), content=raw)
    at = datetime.fromisoformat("2022-01-01T00:00:00+08:00")
    read.governance.fold(
        Event(id="second", subject="governance", time=at, recordedtime=at, data=adoption)
    )

    later = (at + timedelta(seconds=1)).isoformat()
    await problem(own_client, "/v1/cases", 422, source="weixin", as_of=at.isoformat())
    assert (await get(own_client, "/v1/cases", source="weixin", as_of=later))["items"] == []


async def test_a_case_by_id_or_number_with_its_timeline(client: httpx.AsyncClient) -> None:
    whole = await everything(client, "/v1/cases")
    case = next(item for item in whole if item["number"] and item["due_at"])
    by_id = await get(client, f"/v1/cases/{case['case_id']}")
    by_number = await get(client, f"/v1/cases/{case['number']}")
    assert by_id["case"] == by_number["case"]
    assert {key: by_id["case"][key] for key in case} == case
    timers = {item["timer"]: item["due_at"] for item in by_id["case"]["deadlines"]}
    assert timers["T09"] == case["due_at"]
    told = await everything(client, f"/v1/cases/{case['number']}/timeline", limit=3)
    assert [answers.Told.model_validate(item).model_dump() for item in told] == told
    assert told == (await get(client, f"/v1/cases/{case['case_id']}/timeline"))["items"]
    assert told[0]["type"] == "ComplaintReceived"
    assert all(item["sentence"].endswith("。") for item in told)
    assert all("{" not in item["sentence"] + item["sentence_en"] for item in told)
    earlier = told[2]["recorded_at"]
    short = await get(client, f"/v1/cases/{case['case_id']}/timeline", as_of=earlier)
    limit = datetime.fromisoformat(earlier)
    until = [item for item in told if datetime.fromisoformat(item["recorded_at"]) <= limit]
    assert short["items"] == until


async def test_rankings_have_the_shape_of_the_contract(client: httpx.AsyncClient) -> None:
    for path, count in (("/v1/rankings/task-forces", 7), ("/v1/rankings/townships", 15)):
        found = await get(client, path, as_of="2022-02-01T00:00:00+08:00")
        assert len(found["items"]) == count
        for item in found["items"]:
            assert item["note"] in (None, "NO_CASES", "SMALL_SAMPLE", "EXTREME")
            assert (item["rank"] is None) == (item["note"] == "NO_CASES")
            if item["raw"] is not None:
                assert sum(item["parts"].values()) == pytest.approx(item["raw"], abs=1e-9)
                assert item["score"] == pytest.approx(min(100, max(0, item["raw"])), abs=0.0051)
    window = {"from": "2021-12-01T00:00:00+08:00", "to": "2022-01-01T00:00:00+08:00"}
    found = await get(client, "/v1/rankings/townships", **window)
    assert found["window"] == {"start": "2021-11-30T16:00:00Z", "end": "2021-12-31T16:00:00Z"}


async def test_a_window_begins_when_something_of_it_is_known(client: httpx.AsyncClient) -> None:
    """One that lies ahead would call late what is not due yet."""
    path, last_known = "/v1/rankings/task-forces", "2021-12-05T00:00:00+08:00"
    begins_then = await get(client, path, **{"from": last_known, "as_of": last_known})
    assert begins_then["window"]["start"] == "2021-12-04T16:00:00Z"
    ahead = {"from": "2021-12-05T00:00:00.000001+08:00", "as_of": last_known}
    found = await problem(client, path, 422, **ahead)
    assert [error["pointer"] for error in found["errors"]] == ["/query/from"]
    assert "2021-12-04T16:00:00Z" in found["detail"]


async def test_clearance_has_the_shape_of_the_contract(client: httpx.AsyncClient) -> None:
    found = await get(client, "/v1/clearance", as_of="2022-01-10T00:00:00+08:00")
    assert [item["predicate"] for item in found["items"]] == [
        "P1-strict", "P1-lenient", "P1-screen", "P1-flood", "P1-city",
        "P2-stock", "P2-extreme", "P2-new", "P3-dynamic", "P4",
    ]  # fmt: skip
    for item in found["items"]:
        assert item["result"] in ("PASS", "FAIL", "PENDING", "NOT_EVALUABLE")
        assert item["hash"].startswith("sha256:")
        assert all(case.keys() == {"case_id", "tag"} for case in item["cases"])
    again = await get(client, "/v1/clearance", as_of="2022-01-10T00:00:00+08:00")
    assert again == found


async def test_a_key_is_needed_but_for_the_public(own_client: httpx.AsyncClient) -> None:
    own_client.headers["authorization"] = "Bearer qq_wrong"
    assert (await problem(own_client, "/v1/cases", 401))["code"] == "NO_KEY"
    del own_client.headers["authorization"]
    assert (await problem(own_client, "/v1/clearance", 401))["code"] == "NO_KEY"
    assert (await own_client.get("/v1/public/overview")).status_code == 200
    assert (await own_client.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/cases", "/v1/overview", "/v1/ledgers/problems.xlsx", "/v1/triage"]
)
async def test_what_a_key_has_opened_stays_in_no_store(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/v1/cases", {"as_of": "yesterday"}, 422),
        ("/v1/rankings/townships", {"from": "2022-01-01T00:00Z", "to": "2021-12-01T00:00Z"}, 422),
        ("/v1/cases", {"as_of": "2022-01-01T00:00:00"}, 422),
        ("/v1/cases", {"as_of": "9999-12-31T23:59:59.999999Z"}, 422),
        ("/v1/cases", {"as_of": "0001-01-01T00:00:00+08:00"}, 422),
        ("/v1/cases", {"q": "\0"}, 422),
        ("/v1/cases", {"cursor": "WzEsMiwzXQ"}, 422),
        ("/v1/cases/%00", {}, 422),
        ("/v1/bulletins/99999999999999999999.json", {}, 404),
        ("/v1/cases", {"limit": 501}, 422),
        ("/v1/cases", {"state": "GONE"}, 422),
        ("/v1/cases", {"cursor": "bm90IG9uZQ"}, 422),
        ("/v1/cases/unknown", {}, 404),
        ("/v1/cases/unknown/timeline", {}, 404),
        ("/v1/rankings/townships", {"from": "x"}, 422),
        ("/v1/ledgers/nothing.xlsx", {}, 422),
        ("/v1/nothing", {}, 404),
    ],
)
async def test_what_is_wrong_is_a_problem(
    client: httpx.AsyncClient, path: str, query: dict[str, Any], status: int
) -> None:
    found = await problem(client, path, status, **query)
    if status == 422:
        assert found["errors"][0]["pointer"].startswith("/")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/cases",
        "/v1/cases/unknown",
        "/v1/rankings/task-forces",
        "/v1/clearance",
        "/v1/ledgers/problems.xlsx",
        "/v1/bulletins/1.json",
        "/v1/public/overview",
    ],
)
async def test_a_parameter_that_a_read_does_not_have_is_named(
    client: httpx.AsyncClient, path: str
) -> None:
    found = await problem(
        client, path, 422, **{"as-of": "2021-12-01T00:00:00Z", "as_of": "2021-12-01T00:00:00Z"}
    )
    assert found["code"] == "UNKNOWN_PARAMETER"
    assert [error["pointer"] for error in found["errors"]] == ["/query/as-of"]
    assert "as_of" in found["detail"]


async def test_an_instant_may_be_written_in_small_letters(client: httpx.AsyncClient) -> None:
    """RFC 3339, 5.6: t and z are T and Z."""
    small = await get(client, "/v1/clearance", as_of="2021-12-01t00:00:00z")
    assert small == await get(client, "/v1/clearance", as_of="2021-12-01T00:00:00Z")


@pytest.mark.parametrize("place", ["x", "1.2", "9999999{}", "-1{}"])
async def test_a_stream_goes_on_only_after_what_was_on_this_log(
    own_client: httpx.AsyncClient, read: Read, place: str
) -> None:
    """Who comes back with the position of a log that is gone would hear nothing, and not know."""
    position = place.format(".0" * (len(read.follower.positions) - 1))
    answer = await own_client.get("/v1/stream", headers={"last-event-id": position})
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")
    assert answer.json()["errors"][0]["pointer"] == "/header/Last-Event-ID"


async def test_a_method_that_a_path_does_not_have_is_told_with_those_it_has(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/v1/public/status")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_what_is_not_yet_is_not_answered(client: httpx.AsyncClient) -> None:
    """An answer for an instant to come could be another one when it has come: it is of now."""
    now = (await get(client, "/v1/clearance"))["meta"]["as_of"]
    assert (await get(client, "/v1/clearance", as_of=now))["meta"]["as_of"] == now
    later = (datetime.fromisoformat(now) + timedelta(days=30)).isoformat()
    assert await get(client, "/v1/clearance", as_of=later) == await get(client, "/v1/clearance")


async def test_a_cursor_belongs_to_its_list(client: httpx.AsyncClient) -> None:
    first = await get(client, "/v1/cases", limit=5)
    await problem(client, "/v1/cases", 422, limit=5, cursor=first["next"], state="CLOSED")
    wrong = {"cursor": first["next"], "as_of": "2022-01-01T00:00:00Z"}
    await problem(client, "/v1/cases", 422, limit=5, **wrong)


async def test_the_public_sees_no_small_number(
    own_client: httpx.AsyncClient, reporting: Reporting
) -> None:
    """Early on, when there are few cases: numbers of one or two are withheld."""
    shown: list[int | None] = []
    for day in range(2, 28):
        found = await get(own_client, "/v1/public/overview", as_of=f"2021-11-{day:02d}T00:00:00Z")
        shown += [found["received"], found["open"], found["closed"]]
        for item in found["townships"]:
            shown += [item["received"], item["closed"]]
            assert item.keys() == {"township", "name", "received", "closed"}
    assert None in shown
    assert not {1, 2} & {number for number in shown if number is not None}


async def test_ledgers_have_the_columns_officials_expect(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/ledgers/problems.xlsx", params={"as_of": "2022-02-01T00:00:00Z"})
    assert answer.headers["x-qingqian-as-of"] == "2022-02-01T00:00:00Z"
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    assert str(sheet["C1"].value).startswith("截至 2022-02-01 08:00 ·"), "as officials read clocks"
    head = [cell.value for cell in sheet[2]]
    assert head[:7] == [
        "序号",
        "案件编号",
        "线索来源",
        "来源单号",
        "接收时间",
        "反映人(脱敏)",
        "联系方式(脱敏)",
    ]
    assert len(head) == 32
    total = (await get(client, "/v1/cases", as_of="2022-02-01T00:00:00Z"))["total"]
    assert sheet.max_row == total + 2
    closed = await client.get("/v1/ledgers/clearance.xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(closed.content)).active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][-1] == "复发情况"
    for name in ("supervision", "referral", "returns"):
        assert (await client.get(f"/v1/ledgers/{name}.xlsx")).status_code == 200


async def test_a_ledger_never_holds_a_formula(read: Read, own_client: httpx.AsyncClient) -> None:
    noon = datetime.fromisoformat("2021-11-20T12:00:00+08:00")
    data = ev.ComplaintReceived(
        source="window", source_ref='=HYPERLINK("http://x","y")', received_at=noon
    )
    event = Event(id="evil", subject="evil", time=noon, recordedtime=noon, data=data)
    (record,) = histories.records([event])
    position = read.follower.positions[record.partition].next
    moved = type(record)(record.topic, record.partition, position, 0, record.key, record.value)
    await read.take([[moved]])
    answer = await own_client.get("/v1/ledgers/problems.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.active is not None
    found = [cell for row in book.active.iter_rows() for cell in row if cell.value]
    (cell,) = [cell for cell in found if "HYPERLINK" in str(cell.value)]
    assert cell.quotePrefix
    assert all(item.hyperlink is None for item in found)


async def test_bulletins_are_listed_with_their_files(client: httpx.AsyncClient) -> None:
    found = (await get(client, "/v1/bulletins", as_of="2022-01-01T00:00:00+08:00"))["items"]
    assert [item["no"] for item in found] == list(range(1, 9))
    content = await get(client, found[0]["files"]["json"])
    assert content["as_of"] == found[0]["as_of"] == "2021-11-16T16:00:00Z"
    assert (await client.get(found[0]["files"]["pdf"])).content.startswith(b"%PDF-")
    assert (await client.get(found[0]["files"]["docx"])).content.startswith(b"PK")
    await problem(client, "/v1/bulletins/999.pdf", 404)
    first = found[0]["files"]["json"]
    assert await get(client, first, as_of="2022-01-01T00:00:00+08:00") == content
    await problem(client, first, 404, as_of="2021-11-16T15:59:59Z")
    await problem(client, "/v1/bulletins/1.exe", 422)


async def test_an_issue_says_when_it_comes_out_and_what_stands_on_the_log_of_it(
    own_client: httpx.AsyncClient, reporting: Reporting
) -> None:
    out = at_hour(date(2021, 11, 17), 9)
    data = BulletinIssued(issue_no=1, as_of=end_of(date(2021, 11, 16)), hash="h", positions={})
    event = Event(id=id_of(data), subject=GOVERNANCE, time=data.as_of, recordedtime=out, data=data)
    reporting.reading.published.hear(event)
    query = {"as_of": "2021-11-25T00:00:00+08:00"}
    first, second = (await get(own_client, "/v1/bulletins", **query))["items"]
    assert first["comes_out_at"] == instant_text(out)
    assert first["published"] == {
        "event_id": event.id,
        "recorded_at": instant_text(out),
        "hash": "h",
    }
    assert second["published"] is None, "nobody has published it yet"
    before = await get(own_client, "/v1/bulletins", as_of="2021-11-17T08:59:59+08:00")
    assert [item["published"] for item in before["items"]] == [None]


async def test_checkpoints_are_listed_as_they_were_then(
    own_client: httpx.AsyncClient, reporting: Reporting
) -> None:
    days: dict[int, str] = {}
    for day in (17, 24):
        heads = Heads()
        heads.append("case-events", 0, b"%d" % day)
        at = at_hour(date(2021, 11, day), 9)
        data = heads.sign(Ed25519PrivateKey.generate())
        days[day] = id_of(data)
        event = Event(id=days[day], subject=GOVERNANCE, time=at, recordedtime=at, data=data)
        reporting.reading.published.hear(event)
    whole = answers.Checkpoints.model_validate(await get(own_client, "/v1/checkpoints"))
    assert [item.event_id for item in whole.items] == [days[24], days[17]]
    assert whole.items[0].positions == {"case-events/0": 1}
    then = await get(own_client, "/v1/checkpoints", as_of="2021-11-20T00:00:00Z")
    assert [item["event_id"] for item in then["items"]] == [days[17]]


async def test_nothing_sealed_is_answered(client: httpx.AsyncClient) -> None:
    whole = await everything(client, "/v1/cases")
    for case in whole:
        answer = await client.get(f"/v1/cases/{case['case_id']}/timeline")
        assert SEALED_PREFIX not in answer.text
        assert SEALED_PREFIX not in str(case)


async def test_the_stream_goes_on_after_a_position(reporting: Reporting, read: Read) -> None:
    """What a client saw before it went away and after it came back is everything, once."""
    start = dict.fromkeys(read.follower.positions, 0)
    feed = Feed(reporting.reading, reporting.bell, start)
    seen, position = await collect(feed, 700)
    following = Feed(reporting.reading, reporting.bell, numbered(position))
    rest, last = await collect(following, count(await read.dump()) - 700)
    ids = seen + rest
    assert len(ids) == len(set(ids)) == count(await read.dump())
    assert numbered(last) == {number: item.next for number, item in read.follower.positions.items()}


async def test_the_stream_tells_what_arrives(reporting: Reporting, read: Read) -> None:
    now = {number: item.next for number, item in read.follower.positions.items()}
    messages = Feed(reporting.reading, reporting.bell, dict(now)).messages()
    assert (await anext(messages)).startswith(b"retry:")
    noon = datetime.fromisoformat("2021-11-20T12:00:00+08:00")
    data = ev.ComplaintReceived(source="window", source_ref="new", received_at=noon)
    event = Event(id="new", subject="new", time=noon, recordedtime=noon, data=data)
    (record,) = histories.records([event])
    moved = type(record)(
        record.topic, record.partition, now[record.partition], 0, record.key, record.value
    )
    reporting.follower.listeners.append(reporting._heard)
    fresh = await read.follower.projection.take([moved])
    reporting._heard(fresh)
    told = (await anext(messages)).decode()
    await messages.aclose()  # type: ignore[attr-defined]
    assert "event: ComplaintReceived\n" in told
    assert '"event_id":"new"' in told


async def test_a_stream_outlives_tables_that_cannot_be_read(
    reporting: Reporting, read: Read
) -> None:
    start = dict.fromkeys(read.follower.positions, 0)
    dead = asyncpg.create_pool("postgresql://nobody@127.0.0.1:9/none", min_size=0)
    feed = Feed(
        Reading(dead, read.tables, read.governance, reporting.reading.published),
        reporting.bell,
        start,
    )
    messages = feed.messages()
    assert (await anext(messages)).startswith(b"retry:")
    assert (await anext(messages)).startswith(b": the tables cannot be read")
    feed.reading = reporting.reading
    reporting.bell.ring()
    assert (await anext(messages)).startswith(b"id: ")
    await messages.aclose()  # type: ignore[attr-defined]


async def collect(feed: Feed, wanted: int) -> tuple[list[str], str]:
    """The ids of so many messages, and the position of the last."""
    ids: list[str] = []
    position = ""
    async for message in feed.messages():
        lines = message.decode().splitlines()
        if lines[0].startswith("id: "):
            position = lines[0].removeprefix("id: ")
            ids.append(lines[2].split('"event_id":"', 1)[1].split('"', 1)[0])
        if len(ids) == wanted:
            break
    return ids, position


def numbered(position: str) -> dict[int, int]:
    return dict(enumerate(int(part) for part in position.split(".")))


def count(dump: dict[str, list[tuple[Any, ...]]]) -> int:
    return len(dump["events"])


async def test_the_openapi_document_names_every_operation(client: httpx.AsyncClient) -> None:
    document = await get(client, "/openapi.json")
    ids = {
        operation["operationId"]
        for path, item in document["paths"].items()
        for operation in item.values()
        if path.startswith("/v1/")
    }
    assert {"listCases", "getCase", "getTimeline", "rankTownships", "getClearance"} <= ids
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for operation in item.values():
            keyed = path.startswith("/v1/") and not path.startswith("/v1/public/")
            assert (operation.get("security") == [{"key": []}]) == keyed, path
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path.startswith("/v1/"):
                    assert set(answer["content"]) == {"application/problem+json"}, (path, status)
    example = document["components"]["schemas"]["Meta"]["properties"]["as_of"]["examples"]
    assert example == ["2022-01-01T00:00:00Z"]


async def test_warnings_and_the_closing_pack_are_read_as_of(client: httpx.AsyncClient) -> None:
    as_of = "2021-12-01T00:00:00+08:00"
    found = await get(client, "/v1/warnings", as_of=as_of)
    assert found["meta"]["as_of"] == "2021-11-30T16:00:00Z"
    assert {item["rule"] for item in found["rules"]} == {f"W{n}" for n in range(1, 8)}
    pack = await client.get("/v1/closing-pack.json", params={"as_of": as_of})
    assert pack.json()["meta"] == found["meta"]
    assert pack.json()["hash"].startswith("sha256:")
    paper = await client.get("/v1/closing-pack.docx", params={"as_of": as_of})
    assert paper.content.startswith(b"PK")
    assert (await client.get("/v1/closing-pack.pdf")).status_code == 422
