"""条例 10: the complainant reads how the case stands, and every ending is told in time."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.reporting import answers
from services.reporting.folding import evolve, initial
from services.reporting.public import Turnstile, network_of
from shared import events as ev
from shared.events import Event
from shared.policy import Policy
from shared.query import query_code
from tests.reporting.conftest import Read
from tests.reporting.desk import MATCHER, Desk, assigned, at, fact, received, rule, standing


@pytest.fixture
async def desk(read: Read, book: Policy, tmp_path: Path) -> AsyncIterator[Desk]:
    async with standing(read, book, tmp_path) as found:
        yield found


async def test_the_code_tells_state_unit_and_next_due_in_words(desk: Desk) -> None:
    await desk.take(received("a"), *assigned("a"))

    found = await desk.status("a")

    assert found["state"] == "ASSIGNED"
    assert found["handling_unit"] == "唐庄镇"
    assert found["text"] == "您的反映已交唐庄镇办理，等待签收。应于2021年11月24日24时前报请办结。"


async def test_it_says_so_when_the_due_has_passed(desk: Desk) -> None:
    await desk.take(received("a"), *assigned("a"), fact("a", ev.AssignmentSigned(), 24 * 20))

    found = await desk.status("a")

    assert found["next_due"]["overdue"]
    assert "现已超过时限" in found["text"]


async def test_it_tells_no_sum_no_head_count_and_nothing_sealed(desk: Desk) -> None:
    await desk.take(received("a"), received("b"), *assigned("a"))

    answer = await desk.client.get(f"/v1/public/status/{query_code(MATCHER, 'a')}")

    for secret in ("7654321", "76543.21", "7人", "sealed", "window", "TF1", '"b"'):
        assert secret not in answer.text


async def test_a_merged_complaint_is_told_as_its_master_stands(desk: Desk) -> None:
    merged = rule("b", ev.ComplaintMerged, 2, master="a", match="match:1")
    await desk.take(received("a"), *assigned("a"), received("b"), merged)

    found = await desk.status("b")

    assert found["merged"]
    assert found["text"].startswith("您的反映已与同一事项的另一件并案办理。您的反映已交唐庄镇办理")


@pytest.mark.parametrize("code", ["0000-0000-0000-0000", "x", "%00", "查询码", "A" * 79])
async def test_every_unknown_code_gets_the_same_answer(desk: Desk, code: str) -> None:
    await desk.take(received("a"))

    answer = await desk.client.get(f"/v1/public/status/{code}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "UNKNOWN_CODE"
    assert answer.json()["errors"] == []


async def test_it_needs_no_key_and_asks_too_often_at_its_peril(desk: Desk) -> None:
    await desk.take(received("a"))
    desk.reporting.turnstile = Turnstile("3/minute")
    del desk.client.headers["authorization"]
    path = f"/v1/public/status/{query_code(MATCHER, 'a')}"

    answers = [await desk.client.get(path) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"] == "60"


def test_a_subscriber_is_one_caller() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("2001:db8:1:3::4") != network_of("2001:db8:1:2::4")
    assert network_of("10.0.0.1") == "10.0.0.1"
    assert network_of(None) == "unknown"


async def test_the_page_answers_a_posted_code_and_keeps_it_out_of_addresses(desk: Desk) -> None:
    await desk.take(received("a"), *assigned("a"))

    page = await desk.client.get("/v1/public/status")
    told = await desk.client.post("/v1/public/status", data={"code": query_code(MATCHER, "a")})
    unknown = await desk.client.post("/v1/public/status", data={"code": "<b>"})

    assert 'method="post"' in page.text
    assert "唐庄镇办理" in told.text
    assert told.headers["cache-control"] == "no-store"
    assert "没有查到" in unknown.text
    assert "<b>" not in unknown.text


@pytest.mark.parametrize(("body", "status"), [("&" * 20, 422), ("code=" + "x" * 2000, 413)])
async def test_what_is_no_form_is_refused(desk: Desk, body: str, status: int) -> None:
    await desk.take(received("a"))

    answer = await desk.client.post("/v1/public/status", content=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


# --- every ending is told -------------------------------------------------------------------------


async def untold(desk: Desk, **query: Any) -> list[dict[str, Any]]:
    answer = await desk.client.get("/v1/untold", params=query)
    assert answer.status_code == 200, answer.text
    answers.Untold.model_validate(answer.json())
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


ENDINGS: dict[str, list[Event]] = {
    "NOT_ACCEPTED": [fact("a", ev.ComplaintNotAccepted(reason="NOT_WAGES"), 2)],
    "TRANSFERRED_OUT": [fact("a", ev.ComplaintTransferredOut(to_body="sealed:x"), 2)],
    "MERGED": [rule("a", ev.ComplaintMerged, 2, master="m", match="match:1")],
    "PAID_IN_FULL": [*assigned("a"), rule("a", ev.CaseClosed, 2, kind="PAID_IN_FULL")],
}


@pytest.mark.parametrize("kind", ENDINGS)
async def test_an_ending_waits_until_somebody_was_told(desk: Desk, kind: str) -> None:
    await desk.take(received("a"), *ENDINGS[kind])
    (waiting,) = await untold(desk)
    assert (waiting["ending"]["kind"], waiting["ending"]["late"]) == (kind, False)

    await desk.take(fact("a", ev.ComplainantTold(of="ending", channel="phone"), 30))

    assert await untold(desk) == []
    case = (await desk.client.get("/v1/cases/a")).json()["case"]
    (ending,) = case["endings"]
    assert (ending["told_by"], ending["channel"]) == ("联席办", "phone")


async def test_five_working_days_later_it_is_late(desk: Desk) -> None:
    later = fact("a", ev.ProgressReported(), 24 * 8)
    await desk.take(received("a"), *ENDINGS["NOT_ACCEPTED"], later)

    # Ended Wed 2021-11-10: the fifth working day is Wed 11-17.
    before = await untold(desk, as_of="2021-11-17T23:59:59+08:00")
    after = await untold(desk, as_of="2021-11-18T00:00:00+08:00")

    assert [item["ending"]["late"] for item in (*before, *after)] == [False, True]


async def test_what_was_undone_need_not_be_told(desk: Desk) -> None:
    await desk.take(received("a"), *ENDINGS["PAID_IN_FULL"])
    await desk.take(rule("a", ev.CaseReopened, 3, reason="PAYMENT_REVERSED"))

    assert await untold(desk) == []


async def test_the_ledger_of_telling(desk: Desk) -> None:
    await desk.take(received("a"), *ENDINGS["NOT_ACCEPTED"], received("b"))
    await desk.take(fact("a", ev.ComplainantTold(of="x", channel="letter"), 24 * 20))

    answer = await desk.client.get("/v1/ledgers/told.xlsx")

    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(min_row=3, values_only=True))
    assert [(row[3], row[7], row[8], row[9]) for row in rows] == [
        ("不予受理", "联席办", "letter", "是")
    ]


async def test_the_list_goes_on_by_its_cursor(desk: Desk) -> None:
    for case in "abc":
        refusal = fact(case, ev.ComplaintNotAccepted(reason="NOT_WAGES"), 2)
        await desk.take(received(case), refusal)

    first = (await desk.client.get("/v1/untold", params={"limit": 2})).json()
    second = (await desk.client.get("/v1/untold", params={"cursor": first["next"]})).json()

    assert [item["case_id"] for item in (*first["items"], *second["items"])] == ["a", "b", "c"]
    assert second["next"] is None


def test_a_told_names_the_ending_it_was_of() -> None:
    case = initial("a")
    refused = fact("a", ev.ComplaintNotAccepted(reason="NOT_WAGES"), 2)
    told = fact("a", ev.ComplainantTold(of=refused.id), 1)
    for event in (received("a"), refused, told):
        case = evolve(case, event)

    assert case.untold_since is None


def test_what_was_told_before_the_ending_was_not_of_it() -> None:
    case = initial("a")
    early = fact("a", ev.ComplainantTold(of="ComplaintAccepted"), 1)
    for event in (received("a"), early, fact("a", ev.ComplaintNotAccepted(reason="TOO_OLD"), 2)):
        case = evolve(case, event)

    assert case.untold_since == at(2)
