"""Replay: what was decided stands, wherever it landed on the log (design 5.5)."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.events import AlertRaised, ComplaintAccepted, Event, ProgressReported
from shared.replay import Copies, Found, replay
from shared.settle import Books, begin, settle_to, take
from tests.shared import laws
from tests.shared.test_settle import ACCEPTED, BOOKS, TOY, UNTIL, books, histories
from tests.shared.toy import HOUR, START, fact


def copies(*decisions: Event) -> Copies:
    found = Copies()
    for decision in decisions:
        found.add(decision)
    return found


def test_a_decision_that_had_not_seen_a_fact_stands() -> None:
    # Swept at hour 6, so L1 (hour 5) was decided; a stop stamped at hour 4 was read afterwards.
    stream = begin(TOY, "case-1")
    decided = take(TOY, stream, ACCEPTED, BOOKS)
    decided += settle_to(TOY, stream, START + 6 * HOUR, BOOKS)
    stop = fact(2, ProgressReported(), START + 4 * HOUR)
    decided += take(TOY, stream, stop, BOOKS)
    assert [event.type for event in decided] == ["DeadlineSet", "AlertRaised", "AlertCleared"]
    assert decided[-1].time == START + 5 * HOUR

    again = replay(TOY, "case-1", [ACCEPTED, stop], copies(*decided), BOOKS, until=UNTIL)
    assert again.beyond == []
    assert again.not_owed == []
    assert laws.outcome(again.owed) == laws.outcome(decided)


def test_without_it_on_the_log_it_is_not_owed() -> None:
    stop = fact(2, ProgressReported(), START + 4 * HOUR)
    again = replay(TOY, "case-1", [ACCEPTED, stop], Copies(), BOOKS, until=UNTIL)
    assert [event.type for event in again.owed] == ["DeadlineSet"]


def test_what_is_owed_beyond_the_log_and_what_is_not_owed_are_named() -> None:
    decided = laws.live(TOY, "case-1", [ACCEPTED], BOOKS, UNTIL)
    stray = decided[-1].replace(id="stray")
    again = replay(TOY, "case-1", [ACCEPTED], copies(decided[0], stray), BOOKS, until=UNTIL)
    assert [event.id for event in again.beyond] == [event.id for event in decided[1:]]
    assert again.not_owed == [stray]


def test_the_copy_on_the_log_is_folded_in_place_of_the_computed_one() -> None:
    # The log says another due instant than the book: it stands, and the alerts follow it.
    deadline, *_ = laws.live(TOY, "case-1", [ACCEPTED], BOOKS, UNTIL)
    other = deadline.replace(data=deadline.data.model_copy(update={"due_at": START + 20 * HOUR}))
    again = replay(TOY, "case-1", [ACCEPTED], copies(other), BOOKS, until=UNTIL)
    alerts = [event for event in again.owed if isinstance(event.data, AlertRaised)]
    assert [event.time - START for event in alerts] == [10 * HOUR, 20 * HOUR]


def test_the_first_copy_counts() -> None:
    [deadline, *_] = laws.live(TOY, "case-1", [ACCEPTED], BOOKS, UNTIL)
    found = Found("supervision")
    assert found.add(deadline)
    assert not found.add(deadline.replace(recordedtime=UNTIL))
    assert found.of("case-1").by_id[deadline.id].recordedtime == START
    assert not found.add(ACCEPTED)


@given(histories(), books)
def test_replays_to_itself(history: list[Event], adopted: Books) -> None:
    laws.replays_to_itself(TOY, "case-1", history, adopted, UNTIL)


@given(histories(), books, st.data())
def test_replay_agrees_with_a_worker_that_read_facts_late(
    history: list[Event], adopted: Books, data: st.DataObject
) -> None:
    """Sweeps that ran ahead of facts on their way: what the worker decided, replay decides."""
    worker = laws.Worker(TOY, "case-1", adopted)
    for event in history:
        ahead = data.draw(st.integers(0, 6), label="hours ahead")
        worker.sweep(event.recordedtime + ahead * HOUR - timedelta(microseconds=1))
        worker.log.append(event)
        worker.fold(1)
        if data.draw(st.booleans(), label="published"):
            worker.publish(event.recordedtime)
    worker.sweep(UNTIL)
    worker.publish(UNTIL)

    found = copies(*worker.decided())
    again = replay(TOY, "case-1", history, found, adopted, until=UNTIL)
    assert again.beyond == []
    assert again.not_owed == []
    assert laws.outcome(again.owed) == laws.outcome(worker.decided())
    assert {e.id: e.basis for e in again.owed} == {e.id: e.basis for e in worker.decided()}


def test_accepted_twice_by_two_persons_is_two_facts() -> None:
    second = fact(2, ComplaintAccepted(), START + 2 * HOUR)
    laws.replays_to_itself(TOY, "case-1", [ACCEPTED, second], BOOKS, UNTIL)
