"""台账 as spreadsheets: money that can be summed to the fen, sources by their names."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.reporting.ledgers import Sheet, money_cell
from services.reporting.wording import SOURCES
from shared import events as ev
from shared.events import MAX_FEN, PaidLine, VerifiedLine
from shared.policy import Policy
from tests.reporting.conftest import Read
from tests.reporting.desk import Desk, assigned, fact, received, rule, standing


@pytest.fixture
async def desk(read: Read, book: Policy, tmp_path: Path) -> AsyncIterator[Desk]:
    async with standing(read, book, tmp_path) as found:
        yield found


async def cells(desk: Desk, name: str) -> dict[str, Any]:
    """The cells of the only row of a ledger by their column's head."""
    answer = await desk.client.get(f"/v1/ledgers/{name}.xlsx")
    assert answer.status_code == 200, answer.text
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    _, head, row = sheet.iter_rows()
    return {str(name.value): cell for name, cell in zip(head, row, strict=True)}


async def test_money_is_a_number_with_two_decimals(desk: Desk) -> None:
    owed = (VerifiedLine(line="1", amount_fen=1_277_700, months=2),)
    paid = (PaidLine(line="1", amount_fen=1_277_699),)
    await desk.take(
        received("a"),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=owed), 2),
        fact("a", ev.PaymentVerified(payment="P1", lines=paid), 3),
        rule("a", ev.CaseClosed, 4, kind="PAID_IN_FULL"),
    )

    problems = await cells(desk, "problems")
    names = ("涉及金额(元)", "已支付(元)", "未支付(元)")
    assert [problems[name].value for name in names] == [12777, 12776.99, 0.01]
    money = [problems[name] for name in names] + [(await cells(desk, "clearance"))["支付金额"]]
    assert {cell.data_type for cell in money} == {"n"}
    assert {cell.number_format for cell in money} == {"#,##0.00"}


async def test_what_one_worker_got_beyond_his_sum_leaves_another_unpaid(desk: Desk) -> None:
    owed = tuple(VerifiedLine(line=n, amount_fen=100_000, months=2) for n in ("1", "2"))
    paid = (PaidLine(line="1", amount_fen=170_000), PaidLine(line="2", amount_fen=20_000))
    await desk.take(
        received("a"),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=owed), 2),
        fact("a", ev.PaymentVerified(payment="P1", lines=paid), 3),
    )

    problems = await cells(desk, "problems")
    names = ("涉及金额(元)", "已支付(元)", "未支付(元)")
    assert [problems[name].value for name in names] == [2000, 1900, 800]


async def test_before_anything_is_verified_the_claim_less_what_was_paid_is_unpaid(
    desk: Desk,
) -> None:
    paid = (PaidLine(line="1", amount_fen=1_000_000),)
    payment = ev.PaymentVerified(payment="P1", lines=paid)
    await desk.take(received("a"), *assigned("a"), fact("a", payment, 3))

    assert (await cells(desk, "problems"))["未支付(元)"].value == 66543.21


async def test_every_sum_is_read_back_to_the_fen(desk: Desk, tmp_path: Path) -> None:
    sums = [0, 1, 29, 110, 999, 1_000_01, 7_654_321, MAX_FEN // 7, MAX_FEN - 1, MAX_FEN]
    path = tmp_path / "sums.xlsx"
    await desk.take(received("a"))
    async with desk.read.reading.at() as (_, cut):
        sheet = Sheet(path, "sums", ("金额",), cut)
    sheet.write([[money_cell(fen)] for fen in sums])
    sheet.close()

    written = openpyxl.load_workbook(path).active
    assert written is not None
    found = [row[1] for row in written.iter_rows(min_row=3, values_only=True)]
    assert [Decimal(str(value)) * 100 for value in found] == sums


async def test_a_source_is_called_by_its_name_and_an_unknown_industry_by_its_code(
    desk: Desk,
) -> None:
    employer = ev.Employer(name="sealed:x", industry="4710")
    await desk.take(received("a", employer=employer))

    problems = await cells(desk, "problems")

    assert problems["线索来源"].value == "窗口来访"
    assert problems["所属行业"].value == "4710"


def test_every_source_of_the_book_has_a_name(book: Policy) -> None:
    assert SOURCES.keys() == book.content.organisation.sources.keys()
