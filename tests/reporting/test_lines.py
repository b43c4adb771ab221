"""The claim lines of a case: what a handler names when verifying facts and payments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.reporting import answers
from shared import events as ev
from shared.events import ClaimLine, Event, PaidLine, VerifiedLine
from shared.policy import Policy
from tests.reporting.conftest import Read
from tests.reporting.desk import Desk, assigned, at, fact, received, rule, standing


@pytest.fixture
async def desk(read: Read, book: Policy, tmp_path: Path) -> AsyncIterator[Desk]:
    async with standing(read, book, tmp_path) as found:
        yield found


def line(number: str, claimed: int | None, owed: int | None, paid: int) -> dict[str, Any]:
    return {"line": number, "claimed_fen": claimed, "owed_fen": owed, "paid_fen": paid}


async def lines(desk: Desk, case: str, hours: float) -> list[dict[str, Any]]:
    """The lines as of so many hours after the beginning."""
    query = {"as_of": at(hours).isoformat()}
    answer = await desk.client.get(f"/v1/cases/{case}", params=query)
    assert answer.status_code == 200, answer.text
    answers.OneCase.model_validate(answer.json())
    found: list[dict[str, Any]] = answer.json()["case"]["lines"]
    return found


def two() -> Event:
    claims = (ClaimLine(line="1", amount_fen=300_000), ClaimLine(line="2", amount_fen=200_000))
    return received("a", claims=claims)


async def test_each_line_with_what_is_claimed_owed_and_paid_as_of_any_instant(desk: Desk) -> None:
    found = (
        VerifiedLine(line="1", amount_fen=250_000, months=2),
        VerifiedLine(line="3", amount_fen=90_000, months=1),
    )
    paid = (PaidLine(line="1", amount_fen=100_000), PaidLine(line="2", amount_fen=200_000))
    back = (PaidLine(line="2", amount_fen=50_000),)
    await desk.take(
        two(),
        fact("a", ev.FactsVerified(lines=found), 2),
        fact("a", ev.PaymentVerified(payment="P1", lines=paid), 3),
        fact("a", ev.PaymentReversed(payment="P1", lines=back), 4),
    )

    assert await lines(desk, "a", 1) == [
        line("1", 300_000, 300_000, 0),
        line("2", 200_000, 200_000, 0),
    ]
    assert await lines(desk, "a", 2) == [
        line("1", 300_000, 250_000, 0),
        line("2", 200_000, 200_000, 0),
        line("3", None, 90_000, 0),
    ]
    assert [item["paid_fen"] for item in await lines(desk, "a", 3)] == [100_000, 200_000, 0]
    assert [item["paid_fen"] for item in await lines(desk, "a", 4)] == [100_000, 150_000, 0]


@pytest.mark.parametrize(
    ("paid", "recovered"),
    [
        ((100_000, 200_000), (300_000, 500_000)),
        ((300_000, 200_000), (500_000, 500_000)),
        ((500_000, 0), (300_000, 500_000)),  # what line 1 got beyond its sum is not line 2's
        ((900_000, 200_000), (500_000, 500_000)),
        ((0, 0), (0, 500_000)),
    ],
)
async def test_what_one_worker_got_beyond_his_sum_recovers_nothing_of_another(
    desk: Desk, paid: tuple[int, int], recovered: tuple[int, int]
) -> None:
    """追回率 is of what is owed, line by line (I-01); 追发金额 is all that was paid."""
    owed = ("1", 300_000), ("2", 200_000)
    verified = tuple(VerifiedLine(line=n, amount_fen=fen, months=2) for n, fen in owed)
    lines = tuple(PaidLine(line=str(n), amount_fen=fen) for n, fen in enumerate(paid, 1))
    await desk.take(
        two(),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=verified), 2),
        fact("a", ev.PaymentVerified(payment="P1", lines=lines), 3),
    )

    answer = await desk.client.get("/v1/rankings/task-forces", params={"as_of": at(4).isoformat()})
    (unit,) = [item for item in answer.json()["items"] if item["unit"] == "TF1"]
    rate = unit["rates"]["recovered"]
    assert (rate["met"], rate["of"]) == recovered
    assert unit["recovered_fen"] == sum(paid)


@pytest.mark.parametrize(
    ("first", "then", "recovered"),
    [
        # What line 1 got too much stays its own, also when line 2 is paid.
        ((500_000, 0), ev.PaymentVerified, (300_000, 500_000)),
        ((100_000, 0), ev.PaymentVerified, (100_000, 500_000)),
        # What is taken back of line 2 later was there then; line 1 lends it nothing either.
        ((500_000, 200_000), ev.PaymentReversed, (500_000, 500_000)),
        ((0, 200_000), ev.PaymentReversed, (200_000, 500_000)),
    ],
)
async def test_what_happened_to_another_line_after_a_cut_off_corrects_no_rate_of_before_it(
    desk: Desk,
    first: tuple[int, int],
    then: type[ev.PaymentVerified | ev.PaymentReversed],
    recovered: tuple[int, int],
) -> None:
    owed = ("1", 300_000), ("2", 200_000)
    verified = tuple(VerifiedLine(line=n, amount_fen=fen, months=2) for n, fen in owed)
    lines = tuple(PaidLine(line=str(n), amount_fen=fen) for n, fen in enumerate(first, 1))
    payment = "P2" if then is ev.PaymentVerified else "P1"
    change = then(payment=payment, lines=(PaidLine(line="2", amount_fen=200_000),))
    await desk.take(
        two(),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=verified), 2),
        fact("a", ev.PaymentVerified(payment="P1", lines=lines), 3),
        fact("a", change, 200),
    )

    assert await recovery(desk, known=100, until=100) == recovered
    assert await recovery(desk, known=300, until=100) == recovered


async def recovery(desk: Desk, known: float, until: float) -> tuple[int, int]:
    """追回率 of TF1 of a window that ends `until` hours after the beginning, as known then."""
    query = {"as_of": at(known).isoformat(), "to": at(until).isoformat()}
    answer = await desk.client.get("/v1/rankings/task-forces", params=query)
    assert answer.status_code == 200, answer.text
    (unit,) = [item for item in answer.json()["items"] if item["unit"] == "TF1"]
    return unit["rates"]["recovered"]["met"], unit["rates"]["recovered"]["of"]


async def test_what_was_taken_back_before_it_was_paid_takes_nothing_from_another_line(
    desk: Desk,
) -> None:
    """Times may stand in any order; until the payment's the line has got nothing."""
    owed = tuple(VerifiedLine(line=n, amount_fen=200_000, months=2) for n in ("1", "2"))
    await desk.take(
        two(),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=owed), 2),
        fact("a", paid_on("P1", "1"), 3),
        fact("a", paid_on("P2", "2"), 200),
    )
    back = ev.PaymentReversed(payment="P2", lines=(PaidLine(line="2", amount_fen=200_000),))
    await desk.take(Event(id="back", subject="a", time=at(90), recordedtime=at(201), data=back))

    assert await recovery(desk, known=300, until=100) == (200_000, 400_000)
    assert await recovery(desk, known=300, until=250) == (200_000, 400_000)


def paid_on(payment: str, number: str) -> ev.PaymentVerified:
    lines = (PaidLine(line=number, amount_fen=200_000),)
    return ev.PaymentVerified(payment=payment, lines=lines)


async def test_what_is_paid_before_anything_is_verified_as_owed_is_no_rate(desk: Desk) -> None:
    lines = (PaidLine(line="1", amount_fen=300_000),)
    await desk.take(
        two(), *assigned("a"), fact("a", ev.PaymentVerified(payment="P1", lines=lines), 3)
    )

    answer = await desk.client.get("/v1/rankings/task-forces", params={"as_of": at(4).isoformat()})
    (unit,) = [item for item in answer.json()["items"] if item["unit"] == "TF1"]
    assert unit["rates"]["recovered"] == {"met": 0, "of": 0, "percent": None}
    assert unit["recovered_fen"] == 300_000


async def test_a_claim_without_lines_is_line_one_with_the_whole_sum(desk: Desk) -> None:
    await desk.take(received("a"))

    assert await lines(desk, "a", 0) == [line("1", 7_654_321, 7_654_321, 0)]


async def test_lines_of_a_merged_case_get_numbers_here_and_leave_with_it(desk: Desk) -> None:
    theirs = {
        "from_case": "b",
        "source": "12345",
        "source_ref": "b",
        "tier": "CITY",
        "received_at": at(0),
    }
    merged = (ClaimLine(line="1", amount_fen=40_000),)
    gone = {"from_case": "b", "source": "12345", "source_ref": "b", "lines": ("1",)}
    await desk.take(
        two(),
        rule("a", ev.ClaimLinesAdded, 1, lines=merged, **theirs).replace(decidedby="b"),
        rule("a", ev.ClaimLinesRemoved, 2, **gone).replace(decidedby="b"),
    )

    assert [item["line"] for item in await lines(desk, "a", 0)] == ["1", "2"]
    assert (await lines(desk, "a", 1))[2:] == [line("3", 40_000, 40_000, 0)]
    assert [item["line"] for item in await lines(desk, "a", 2)] == ["1", "2"]


async def test_a_repeat_changes_no_sum_whatever_it_asks(desk: Desk) -> None:
    """Nobody is counted twice; what is owed is for the facts to say once they are verified."""
    theirs = {"from_case": "b", "source": "12345", "source_ref": "b", "lines": ("1",)}
    told = {
        **theirs,
        "tier": "CITY",
        "received_at": at(0),
        "lines": (ClaimLine(line="1", amount_fen=900_000),),
        "same": {"1": "1"},
        "heads": 8,
    }
    claims = (ClaimLine(line="1", amount_fen=300_000),)
    facts = ev.FactsVerified(lines=(VerifiedLine(line="1", amount_fen=350_000, months=2),))
    await desk.take(
        received("a", claims=claims, amount_fen=300_000, workers=1),
        rule("a", ev.ClaimLinesAdded, 1, **told).replace(decidedby="b"),
        fact("a", facts, 2),
        rule("a", ev.ClaimLinesRemoved, 3, **theirs).replace(decidedby="b"),
    )

    for hours, owed in ((0, 300_000), (1, 300_000), (2, 350_000), (3, 350_000)):
        assert await lines(desk, "a", hours) == [line("1", 300_000, owed, 0)]
        answer = await desk.client.get("/v1/cases/a", params={"as_of": at(hours).isoformat()})
        found = answer.json()["case"]
        assert (found["claimed_fen"], found["workers"]) == (300_000, 1)


async def test_the_openapi_document_shows_them(desk: Desk) -> None:
    document = (await desk.client.get("/openapi.json")).json()

    shapes = document["components"]["schemas"]
    assert "lines" in shapes["CaseAnswer"]["properties"]
    assert shapes["LineAnswer"]["properties"].keys() == line("1", 0, 0, 0).keys()
