"""Batches: what helper processes make of them, and who waits while complaints come in."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from services.intake.preparing import OVERLONG, Prepared, Receipt, Workshop, prepare
from services.intake.reception import Reception
from services.intake.vault import Safe
from shared.keys import Key
from tests.intake.test_complaint import NOW, body, policy

KEY = Key("window", "市人社局", "operator", ("*",), acts_for_all=True)
SAFE = Safe(b"v" * 32)


def lines(count: int) -> list[bytes | None]:
    """Good ones, and at the ends and between them some that are refused."""
    made: list[bytes | None] = [
        orjson.dumps(body() | {"source_ref": f"ref-{number}"}) for number in range(count)
    ]
    made[0] = b"{"
    made[count // 2] = None
    made[-1] = orjson.dumps(body() | {"source": "nobody"})
    return made


def told(found: Prepared | Receipt) -> Any:
    """What does not hang on a key drawn at random."""
    if isinstance(found, Receipt):
        return found
    return found.source_ref, found.case_id, found.event_id, found.body_hash, found.claims


async def test_helpers_make_of_a_batch_what_is_made_of_each_line() -> None:
    workshop = Workshop(SAFE, helpers=1)
    batch = lines(201)
    try:
        made = await workshop.prepare(batch, KEY, NOW, policy())
    finally:
        workshop.close()

    alone = [prepare(raw, KEY, NOW, policy(), SAFE) for raw in batch]
    assert [told(item) for item in made] == [told(item) for item in alone]
    assert made[100] == OVERLONG
    good = made[1]
    assert isinstance(good, Prepared)
    assert b'"source_ref":"ref-1"' in good.event
    SAFE.open(good.case_id, good.wrapped_key)


@pytest.fixture
def reception() -> Reception:
    class Held:
        safe = SAFE

    nothing: Any = None
    held: Any = Held()
    return Reception(nothing, nothing, held, nothing, nothing, nothing)


async def test_who_can_wait_waits_until_no_complaint_is_taken_in(reception: Reception) -> None:
    with reception.serving():
        with reception.serving():
            waiting = asyncio.create_task(reception.give_way(3600))
            await asyncio.wait((waiting,), timeout=0.01)
        await asyncio.wait((waiting,), timeout=0.01)
        assert not waiting.done()

    await asyncio.wait_for(waiting, 10)


async def test_but_not_for_ever(reception: Reception) -> None:
    with reception.serving():
        await asyncio.wait_for(reception.give_way(0.01), 10)


async def test_where_nothing_comes_in_nobody_waits(reception: Reception) -> None:
    await asyncio.wait_for(reception.give_way(3600), 10)
