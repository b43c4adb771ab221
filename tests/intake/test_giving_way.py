"""Who can wait waits while complaints come in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.intake.reception import Reception
from services.intake.vault import Safe
from shared.keys import Key

KEY = Key("window", "市人社局", "operator", ("*",), acts_for_all=True)
SAFE = Safe(b"v" * 32)


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
