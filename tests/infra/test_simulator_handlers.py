from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from infra import simulator
from infra.agenda import Act, Cast
from infra.client import Answer
from infra.demo import story_line
from infra.simulator.handlers import Handlers
from infra.story import Line
from shared.calendar import ZONE


@pytest.fixture
def lines() -> list[Line]:
    return [story_line(number, line) for number, line in enumerate(simulator.plan(1, "small"), 1)]


@pytest.fixture
def cast(lines: list[Line]) -> Cast:
    return Cast(lines)


@pytest.fixture
def handlers(cast: Cast) -> Handlers:
    return Handlers(cast, simulator.received(1, "small"), simulator.book().calendar)


@pytest.fixture
def signing(lines: list[Line], cast: Cast) -> Act:
    return cast.act(next(line for line in lines if line.type == "AssignmentSigned"))


IN_TRIAGE = Answer(409, "STATE", "AssignmentSigned is not possible in state TRIAGE")


async def test_a_case_that_waits_for_triage_is_decided_and_the_act_tried_again(
    handlers: Handlers, signing: Act
) -> None:
    decided, again = await handlers.react(signing, IN_TRIAGE)
    assert decided.line.type == "TriageDecided"
    assert decided.line.data["township"] in simulator.book().townships
    assert ("task_force" in decided.line.data) != ("department" in decided.line.data)
    assert again.line.type == "AssignmentSigned"
    assert signing.line.at < decided.line.at < again.line.at
    assert again.line.at - signing.line.at < timedelta(days=5)
    assert decided.line.at.astimezone(ZONE).hour in (9, 10, 15)


async def test_triage_is_decided_once_and_an_act_is_not_tried_for_ever(
    handlers: Handlers, signing: Act
) -> None:
    counts = [len(await handlers.react(signing, IN_TRIAGE)) for _ in range(5)]
    assert counts == [2, 1, 1, 0, 0]


async def test_what_comes_after_a_merge_is_not_posted(handlers: Handlers, signing: Act) -> None:
    assert handlers.wanted(signing)
    assert await handlers.react(signing, Answer(409, "MERGED", "goes on under x")) == ()
    assert not handlers.wanted(signing)
    assert handlers.dropped == 1


async def test_answers_are_counted_by_kind(
    handlers: Handlers, signing: Act, lines: list[Line], cast: Cast
) -> None:
    complaint = cast.act(lines[0])
    await handlers.react(complaint, Answer(202, "received", ""))
    await handlers.react(complaint, Answer(202, "duplicate", ""))
    await handlers.react(signing, Answer(403, "UNIT", "not yours"))
    other = replace(signing, line=replace(signing.line, type="ProgressReported"))
    await handlers.react(other, Answer(202, "recorded", ""))
    assert (handlers.posted, handlers.complaints, handlers.duplicates) == (4, 1, 1)
    assert handlers.summary()[1].split() == ["1", "×", "403", "UNIT", "on", "AssignmentSigned"]
