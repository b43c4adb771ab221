"""Intake against its own OpenAPI document and against made-up input: nothing brings it down.

Nor does anything surprise its reader, or get lost: every line has its receipt, and afterwards the
books balance.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint
from tests.live.test_intake_feeds import FORM, HEADER, MAPPING, WORK_ORDER, put_mapping, row, xlsx

pytestmark = pytest.mark.live

OWN = "zz12345"


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    desk = Desk(module_settings, tmp_path_factory.mktemp("fuzz"))
    await desk.start()
    await put_mapping(desk, OWN, MAPPING)
    yield desk
    await desk.close()


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("operator", "^/(?!open311|v1/uploads)"),
        (f"platform-{OWN}", "^/(open311|v1/uploads)"),
    ],
)
async def test_what_is_documented_is_what_is_answered(
    desk: Desk, tmp_path: Path, name: str, paths: str
) -> None:
    """Hundreds of derived requests: no 500, no undocumented status, body, header or method."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run"),
        f"{desk.settings.url('intake')}/openapi.json",
        *("--phases", "coverage", "--seed", "1", "--no-color"),
        *("--include-path-regex", paths),
        # What is well-formed may still be refused: an unknown case, a date in the future.
        *("--exclude-checks", "positive_data_acceptance"),
        # NDJSON is no media type that it can make.
        *("--exclude-path", "/v1/complaints:stream"),
        *("-H", f"Authorization: {desk.bearer(name)['authorization']}"),
    ]
    found = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert found.returncode == 0, found.stdout[-9000:] + found.stderr[-1000:]


# --- made-up input: text, spreadsheets, payloads, forms -----------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.sampled_from(["1.2万", "2021-11-10", "2021年7月至9月", "=1+1", "\x00", "唐庄镇", "9" * 40]),
)
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")),
        st.dictionaries(st.sampled_from(sorted(complaint("x"))), SCALAR, max_size=3).map(
            lambda changes: orjson.dumps(complaint("fuzz", source=OWN) | changes)
        ),
    ),
    max_size=12,
)
ROWS = st.lists(
    st.lists(st.one_of(SCALAR, TEXT), min_size=len(HEADER), max_size=len(HEADER)), max_size=8
)


def sent(desk: Desk, what: Callable[[httpx.Client], None]) -> None:
    with httpx.Client(
        base_url=desk.settings.url("intake"), headers=desk.bearer(f"platform-{OWN}"), timeout=30
    ) as http:
        what(http)


async def test_every_line_of_any_stream_gets_its_receipt(desk: Desk) -> None:
    def check(http: httpx.Client) -> None:
        @settings(max_examples=40)
        @given(LINES)
        def one(lines: list[bytes]) -> None:
            body = b"".join(line + b"\n" for line in lines)
            answer = http.post("/v1/complaints:stream", content=body)
            assert answer.status_code == 200
            receipts = [orjson.loads(line) for line in answer.content.splitlines()]
            assert [item["line"] for item in receipts] == list(range(1, len(lines) + 1))
            for item in receipts:
                assert "unavailable" not in {error["code"] for error in item["errors"]}

        one()

    await asyncio.to_thread(sent, desk, check)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_every_row_of_any_sheet_gets_its_receipt(desk: Desk, kind: str) -> None:
    def check(http: httpx.Client) -> None:
        @settings(max_examples=25)
        @given(ROWS)
        def one(rows: list[list[Any]]) -> None:
            content = _sheet(kind, [*rows, row(1, "fuzzed", 接收时间="2021-11-10")])
            asked = {"source": OWN}
            dry = http.post("/v1/uploads", params=asked, content=content)
            assert dry.status_code == 200, dry.text
            told = dry.json()
            done = http.post("/v1/uploads", params=asked | {"confirm": told["confirm"]},
                             content=content)  # fmt: skip
            assert done.status_code == 200, done.text
            numbers = [item["row"] for item in done.json()["rows"]]
            assert numbers == [item["row"] for item in told["rows"]]
            assert numbers == sorted(set(numbers))
            for before, after in zip(told["rows"], done.json()["rows"], strict=True):
                assert (before["status"], before["errors"]) == (after["status"], after["errors"])
                assert (after["status"] == "rejected") == bool(after["errors"])

        one()

    await asyncio.to_thread(sent, desk, check)


def _sheet(kind: str, rows: list[list[Any]]) -> bytes:
    if kind == "xlsx":
        clean = [[_plain(value) for value in values] for values in rows]
        return xlsx(*clean)
    cells = [['"' + str(v).replace('"', '""').replace("\x00", "") + '"' for v in r] for r in rows]
    return "\r\n".join([",".join(HEADER), *(",".join(line) for line in cells)]).encode()


def _plain(value: Any) -> Any:
    """What a workbook can hold at all."""
    if isinstance(value, str):
        return "".join(char for char in value if char.isprintable())
    return value


async def test_any_payload_and_any_form_is_received_or_told_why(desk: Desk) -> None:
    def check(http: httpx.Client) -> None:
        names = st.one_of(st.sampled_from(sorted(WORK_ORDER)), TEXT)

        @settings(max_examples=60)
        @given(st.dictionaries(names, SCALAR, max_size=4))
        def payload(changes: dict[str, Any]) -> None:
            body = orjson.dumps(WORK_ORDER | changes)
            answer = http.post(f"/v1/feeds/{OWN}", content=body)
            assert answer.status_code in (202, 409, 422), answer.text
            assert answer.status_code == 202 or answer.json()["errors"]

        form_names = st.one_of(st.sampled_from(sorted(FORM)), TEXT)

        @settings(max_examples=60)
        @given(st.dictionaries(form_names, TEXT, max_size=4))
        def form(changes: dict[str, str]) -> None:
            answer = http.post("/open311/v2/requests.json", data=FORM | changes)
            assert answer.status_code in (200, 400, 403, 404), answer.text
            first = answer.json()[0]
            assert first.get("service_request_id") or first["description"]

        payload()
        form()

    await asyncio.to_thread(sent, desk, check)


async def test_after_all_that_the_books_balance(desk: Desk) -> None:
    found = (await desk.http.get("/v1/reconciliation", headers=desk.bearer())).json()
    assert found["missing"] == []
    assert found["items"]
    for day in found["items"]:
        parts = ("accepted", "not_accepted", "merged", "transferred", "returned", "open")
        assert day["received"] == sum(day[part] for part in parts)
    on_log = {event.subject for event in await desk.events() if event.type == "ComplaintReceived"}
    refused = sum(day["details"]["waiting"] + day["returned"] for day in found["items"])
    assert sum(day["received"] for day in found["items"]) == len(on_log) + refused
