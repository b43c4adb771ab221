"""The office's queue with its clock, and the lists handed to units (清单式交办)."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import openpyxl
import pytest

from services.reporting import answers
from shared import events as ev
from shared.events import Event
from shared.policy import Policy
from tests.reporting.conftest import Read
from tests.reporting.desk import Desk, assigned, fact, received, rule, standing

DAY = {"from": "2021-11-10T00:00:00+08:00", "to": "2021-11-11T00:00:00+08:00"}


@pytest.fixture
async def desk(read: Read, book: Policy, tmp_path: Path) -> AsyncIterator[Desk]:
    async with standing(read, book, tmp_path) as found:
        yield found


def triaged(case: str, hours: float, due: str) -> list[Event]:
    flip = {"changes": [{"field": "ownership", "now": "state"}], "lead": "TF6", "rule": "R9"}
    return [
        received(case),
        fact(case, ev.ComplaintAccepted(), hours),
        rule(
            case,
            ev.TriageRequested,
            hours,
            reason="PLATFORM_WORK",
            proposal={"department": "市人社局"},
            rule="R11",
            evidence=["industry:6242"],
            flip=flip,
        ),
        rule(case, ev.DeadlineSet, hours, timer="T04", started_at=received(case).time, due_at=due),
    ]


async def test_the_queue_is_in_order_of_its_clock_with_reason_and_proposal(desk: Desk) -> None:
    late = triaged("a", 1, "2021-11-12T00:00:00+08:00")
    soon = triaged("b", 2, "2021-11-11T00:00:00+08:00")
    later = fact("c", ev.ProgressReported(), 24)
    await desk.take(*late, *soon, received("c"), *assigned("c"), later)

    answer = await desk.client.get("/v1/triage", params={"as_of": "2021-11-11T08:00:00+08:00"})

    answers.Triage.model_validate(answer.json())
    found = answer.json()["items"]
    assert [item["case_id"] for item in found] == ["b", "a"]
    assert [item["overdue"] for item in found] == [True, False]
    assert found[0]["reason"] == "PLATFORM_WORK"
    assert found[0]["text"] == "如单位性质为“国有”，则由TF6牵头（规则R9）。"


async def test_a_case_that_is_decided_leaves_the_queue(desk: Desk) -> None:
    await desk.take(*triaged("a", 1, "2021-11-12T00:00:00+08:00"), *assigned("a")[1:])

    assert (await desk.client.get("/v1/triage")).json()["items"] == []


async def test_a_list_holds_what_was_assigned_to_the_unit_in_the_window(desk: Desk) -> None:
    for case, township in (("a", "410185109"), ("b", "410185109"), ("c", "410185105")):
        await desk.take(received(case), *assigned(case, township))

    found = (await desk.client.get("/v1/handouts/410185109.json", params=DAY)).json()
    sector = (await desk.client.get("/v1/handouts/TF1.json", params=DAY)).json()
    before = {"from": "2021-11-09T00:00:00+08:00", "to": "2021-11-10T00:00:00+08:00"}
    none = (await desk.client.get("/v1/handouts/410185109.json", params=before)).json()

    assert [(item["no"], item["case_id"]) for item in found["items"]] == [(1, "a"), (2, "b")]
    assert (found["cases"], found["workers"], found["amount_fen"]) == (2, 14, 2 * 7_654_321)
    assert found["list_no"] == "JB-410185109-202111100000-202111110000", "civil time"
    assert sector["cases"] == 3
    assert none["items"] == []


async def test_the_list_is_a_spreadsheet_too(desk: Desk) -> None:
    await desk.take(received("a"), *assigned("a"))

    answer = await desk.client.get("/v1/handouts/410185109.xlsx", params=DAY)

    assert 'filename="handout-20211110.xlsx"' in answer.headers["content-disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    (row,) = sheet.iter_rows(min_row=3, values_only=True)
    assert (row[0], row[2], row[6], row[9]) == (1, "窗口来访", 7, "唐庄镇")
    assert row[7] == 76543.21, "a number, which a spreadsheet can sum"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("nobody.json", {}, 404),
        ("TF1.pdf", {}, 422),
        ("TF1.json", {"from": "x"}, 422),
        ("TF1.json", {"from": "2021-11-11T00:00:00Z", "to": "2021-11-10T00:00:00Z"}, 422),
    ],
)
async def test_a_wrong_list_is_refused_by_name(
    desk: Desk, path: str, query: dict[str, str], status: int
) -> None:
    await desk.take(received("a"))

    answer = await desk.client.get(f"/v1/handouts/{path}", params=query)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
