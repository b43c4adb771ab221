"""Batches: what helper processes make of them, and what happens when one is lost."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psutil
import pytest

from services.intake.preparing import OVERLONG, Prepared, Receipt, prepare
from services.intake.vault import Safe
from services.intake.workshop import Workshop
from shared.keys import Key
from shared.policy import adopt
from tests.intake.test_complaint import NOW, body, policy

KEY = Key("window", "市人社局", "operator", ("*",), acts_for_all=True)
SAFE = Safe(b"v" * 32)


def lines(count: int, name: str = "ref") -> list[bytes | None]:
    """Good ones, and at the ends and between them some that are refused."""
    made: list[bytes | None] = [
        orjson.dumps(body() | {"source_ref": f"{name}-{number}"}) for number in range(count)
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


def alone(batch: list[bytes | None]) -> list[Any]:
    return [told(prepare(raw, KEY, NOW, policy(), SAFE)) for raw in batch]


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    made = Workshop(SAFE, helpers=1)
    yield made
    made.close()
    for process in multiprocessing.active_children():
        process.join(10)


def helper() -> psutil.Process:
    """The one helper that there is."""
    (process,) = multiprocessing.active_children()
    assert process.pid is not None
    return psutil.Process(process.pid)


async def made_of(workshop: Workshop, batch: list[bytes | None]) -> list[Any]:
    return [told(item) for item in await workshop.prepare(batch, KEY, NOW, policy())]


async def stopped_at(workshop: Workshop, batch: list[bytes | None]) -> asyncio.Task[list[Any]]:
    """A batch that a helper has before it, frozen."""
    os.kill(helper().pid, signal.SIGSTOP)
    task = asyncio.create_task(made_of(workshop, batch))
    # Its turns until the batch is in the helper's socket, or as much of it as that takes.
    for _ in range(10):
        await asyncio.sleep(0)
    return task


@contextmanager
def no_socket_to_be_had() -> Iterator[None]:
    """Every number of a file or socket is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_where_no_helper_can_be_started_batches_are_prepared_here(
    workshop: Workshop,
) -> None:
    batch = lines(201)
    expected = alone(batch)  # Reads the book, for which files are opened.
    with no_socket_to_be_had():
        assert await made_of(workshop, batch) == expected
    assert await made_of(workshop, batch) == expected
    killed = helper()
    batches = [lines(230, "lost"), lines(220, "waiting"), lines(210, "behind")]
    tasks = [await stopped_at(workshop, batch) for batch in batches]

    with no_socket_to_be_had():
        os.kill(killed.pid, signal.SIGKILL)
        made = await asyncio.wait_for(asyncio.gather(*tasks), 60)

    assert made == [alone(batch) for batch in batches]
    assert await made_of(workshop, batch) == alone(batch)
    assert helper().pid != killed.pid, "the next batch asks again"


async def test_helpers_that_nobody_asks_are_let_go_and_others_start(workshop: Workshop) -> None:
    batch = lines(201)
    assert await made_of(workshop, batch) == alone(batch)
    first = helper()
    workshop.rest = 0.01
    assert await made_of(workshop, batch) == alone(batch)
    assert helper().pid == first.pid, "asked again before its rest"
    (process,) = multiprocessing.active_children()
    await asyncio.to_thread(process.join, 30)
    assert not process.is_alive()
    workshop.rest = 30.0
    assert await made_of(workshop, batch) == alone(batch)
    assert helper().pid != first.pid


async def test_none_is_let_go_in_the_middle_of_a_batch(workshop: Workshop) -> None:
    """Nor while one waits for its turn: what is asked for is answered."""
    batch = lines(201)
    workshop.rest = 0.0
    asked = [asyncio.create_task(made_of(workshop, lines(201, f"r{n}"))) for n in range(4)]
    for number, task in enumerate(asked):
        assert await task == alone(lines(201, f"r{number}"))
    assert await made_of(workshop, batch) == alone(batch)


async def test_a_helper_makes_of_a_batch_what_is_made_of_each_line(workshop: Workshop) -> None:
    batch = lines(201)

    made = await workshop.prepare(batch, KEY, NOW, policy())

    assert [told(item) for item in made] == alone(batch)
    assert made[100] == OVERLONG
    good = made[1]
    assert isinstance(good, Prepared)
    assert b'"source_ref":"ref-1"' in good.event
    SAFE.open(good.case_id, good.wrapped_key)


async def test_batches_at_once_wait_for_a_helper_and_are_not_mixed(workshop: Workshop) -> None:
    batches = [lines(200 + number, f"batch{number}") for number in range(4)]

    made = await asyncio.gather(*(made_of(workshop, batch) for batch in batches))

    assert made == [alone(batch) for batch in batches]


async def test_a_batch_whose_helper_is_killed_is_prepared_here(workshop: Workshop) -> None:
    await made_of(workshop, lines(200))
    killed = helper()
    batch = lines(230, "lost")
    task = await stopped_at(workshop, batch)

    killed.kill()

    assert await task == alone(batch)
    assert await made_of(workshop, batch) == alone(batch)
    assert helper().pid != killed.pid


async def test_a_batch_that_waits_for_the_helper_that_is_killed_gets_another(
    workshop: Workshop,
) -> None:
    await made_of(workshop, lines(200))
    killed = helper()
    batches = [lines(230, "lost"), lines(220, "waiting")]
    tasks = [await stopped_at(workshop, batch) for batch in batches]

    killed.kill()

    made = await asyncio.wait_for(asyncio.gather(*tasks), 60)
    assert made == [alone(batch) for batch in batches]


async def test_an_answer_that_nobody_waits_for_is_not_the_next_ones(workshop: Workshop) -> None:
    await made_of(workshop, lines(200))
    frozen = helper()
    task = await stopped_at(workshop, lines(220, "left"))

    task.cancel()
    os.kill(frozen.pid, signal.SIGCONT)
    batch = lines(210, "next")

    assert await made_of(workshop, batch) == alone(batch)
    assert helper().pid == frozen.pid


async def test_a_helper_learns_the_book_that_is_in_force(workshop: Workshop) -> None:
    await made_of(workshop, lines(200))
    pid = helper().pid
    raw = orjson.loads(orjson.dumps(policy().raw))
    raw["organisation"]["sources"]["nobody"] = "nobody"
    later = adopt(raw, NOW, "another")

    last = (await workshop.prepare(lines(200), KEY, NOW, later))[-1]
    again = (await workshop.prepare(lines(200), KEY, NOW, policy()))[-1]

    assert isinstance(last, Prepared)
    assert isinstance(again, Receipt)
    assert helper().pid == pid


async def test_closed_over_a_batch_it_is_prepared_here_and_the_helper_ends_in_order(
    workshop: Workshop,
) -> None:
    await made_of(workshop, lines(200))
    (process,) = multiprocessing.active_children()
    batch = lines(240, "left")
    task = await stopped_at(workshop, batch)

    workshop.close()
    os.kill(helper().pid, signal.SIGCONT)

    assert await asyncio.wait_for(task, 60) == alone(batch)
    process.join(10)
    assert process.exitcode == 0


async def test_the_helpers_end_with_the_workshop(workshop: Workshop) -> None:
    await made_of(workshop, lines(200))
    process = helper()

    workshop.close()

    process.wait(10)  # Raises where it has not ended by then.
