"""Clocks, and what governance makes of its topic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import ClockUnset, LogClock, WallClock
from shared.events import (
    AnyData,
    ClockAdopted,
    ClockAdvanced,
    Event,
    MeetingHeld,
    PolicyAdopted,
)
from shared.governance import Governance, Ungoverned
from shared.metrics import REGISTRY
from shared.policy import content_hash, read_book
from shared.settings import Settings

START = datetime(2021, 11, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def event(name: str, data: AnyData, at: datetime = START) -> Event:
    return Event(id=name, subject="governance", time=at, recordedtime=at, data=data)


def adoption(name: str, at: datetime) -> Event:
    book = read_book("dengfeng-2021-35")
    return event(name, PolicyAdopted(book=book["id"], hash=content_hash(book), content=book), at)


def test_the_wall_clock_is_aware_and_moves() -> None:
    first = WallClock().now()
    assert first.tzinfo is UTC
    assert WallClock().now() >= first


def test_the_log_clock_moves_only_forward() -> None:
    clock = LogClock()
    with pytest.raises(ClockUnset):
        clock.now()
    assert clock.advance(START)
    assert not clock.advance(START)
    assert not clock.advance(START - DAY)
    assert clock.now() == START
    assert clock.advance((START + DAY).astimezone(timezone(timedelta(hours=8))))
    assert clock.now() == START + DAY
    assert clock.now().tzinfo is UTC


@pytest.fixture
def governance() -> Governance:
    return Governance(Settings(), "test")


def test_nothing_governs_before_the_first_adoption(governance: Governance) -> None:
    assert not governance.governed
    with pytest.raises(Ungoverned):
        _ = governance.books
    with pytest.raises(Ungoverned):
        _ = governance.clock


def test_the_log_clock_follows_the_log(governance: Governance) -> None:
    governance.fold(event("c", ClockAdopted(clock="log")))
    governance.fold(adoption("p", START))
    assert governance.governed
    assert governance.clock.now() == START
    governance.fold(event("a", ClockAdvanced(to=START + DAY)))
    governance.fold(event("late", ClockAdvanced(to=START)))
    assert governance.clock.now() == START + DAY


def test_a_clock_is_kept_for_life(governance: Governance) -> None:
    governance.fold(event("c", ClockAdopted(clock="log")))
    governance.fold(event("d", ClockAdopted(clock="wall")))
    assert governance.clock.kind == "log"


def test_on_the_wall_clock_an_advance_moves_nothing(governance: Governance) -> None:
    governance.fold(event("c", ClockAdopted(clock="wall")))
    governance.fold(event("a", ClockAdvanced(to=datetime(2099, 1, 1, tzinfo=UTC))))
    assert governance.clock.now().year < 2099


def test_the_metric_of_the_clock_is_read_when_it_is_asked_for(governance: Governance) -> None:
    governance.fold(event("c", ClockAdopted(clock="wall")))
    before = governance.clock.now().timestamp()
    shown = REGISTRY.get_sample_value("qingqian_clock_seconds")
    assert shown is not None
    assert before <= shown < (REGISTRY.get_sample_value("qingqian_clock_seconds") or 0)
    follower = Governance(Settings(), "test")
    follower.fold(event("c", ClockAdopted(clock="log")))
    follower.fold(adoption("p", START))
    assert REGISTRY.get_sample_value("qingqian_clock_seconds") == START.timestamp()


def test_books_are_known_by_adoption_and_each_once(governance: Governance) -> None:
    governance.fold(adoption("p2", START + DAY))
    governance.fold(adoption("p1", START))
    governance.fold(adoption("p1", START + 2 * DAY))
    assert [book.adoption_id for book in governance.books.adopted] == ["p1", "p2"]
    assert governance.books.at(START + DAY / 2).adoption_id == "p1"
    assert governance.books.at(START + DAY).adoption_id == "p1"  # In force from the next tick.
    assert governance.books.at(START + DAY + timedelta(microseconds=1)).adoption_id == "p2"


def test_listeners_hear_of_everything_once(governance: Governance) -> None:
    heard: list[str] = []
    governance.listeners.append(lambda found: heard.append(found.id))
    for name in ("c", "c"):
        governance.fold(event(name, ClockAdopted(clock="log")))
    governance.fold(event("m", MeetingHeld()))
    assert heard == ["c", "m"]
