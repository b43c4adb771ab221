"""settle, and the laws of design 4 on the toy."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import (
    AlertRaised,
    AnyData,
    ComplaintAccepted,
    DeadlineSet,
    Event,
    ExtensionApproved,
    ProgressReported,
)
from shared.policy import Policy
from shared.settle import Books, LawBroken, begin, due_at, settle_to, take
from tests.shared import laws
from tests.shared.toy import HOUR, START, Case, Toy, book, fact

TOY = Toy()
BOOKS = Books([book()])
ACCEPTED = fact(1, ComplaintAccepted(), START)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Facts of one case in the order of recording, some at the same instant, some far apart."""
    gaps = draw(st.lists(st.integers(0, 12), min_size=1, max_size=8))
    events = []
    for number, offset in enumerate(accumulate(gaps)):
        at = START + offset * HOUR
        acts: list[AnyData] = [
            ComplaintAccepted(),
            ProgressReported(),
            ExtensionApproved(to=at + 5 * HOUR, approver="office"),
        ]
        events.append(fact(number, draw(st.sampled_from(acts)), at))
    return events


books = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 40)), max_size=2, unique_by=lambda x: x[1]
).map(
    lambda later: Books(
        [book(), *(book(hours, START + at * HOUR, f"toy-{at}") for hours, at in later)]
    )
)
UNTIL = START + 200 * HOUR


def levels(decisions: list[Event]) -> list[tuple[str, float]]:
    return [
        (event.data.level, (event.time - START) / HOUR)
        for event in decisions
        if isinstance(event.data, AlertRaised)
    ]


def test_a_step_is_owed_at_its_own_instant_however_late_it_is_computed() -> None:
    decided = laws.live(TOY, "case-1", [ACCEPTED], BOOKS, UNTIL)
    assert levels(decided) == [("L1", 5), ("L2", 10)]


def test_a_stop_exactly_at_due_is_late() -> None:
    stop = fact(2, ProgressReported(), START + 10 * HOUR)
    assert levels(laws.live(TOY, "case-1", [ACCEPTED, stop], BOOKS, UNTIL))[-1] == ("L2", 10)
    earlier = fact(2, ProgressReported(), START + 10 * HOUR - timedelta(microseconds=1))
    assert levels(laws.live(TOY, "case-1", [ACCEPTED, earlier], BOOKS, UNTIL)) == [("L1", 5)]


def test_an_event_seen_before_changes_nothing() -> None:
    stream = begin(TOY, "case-1")
    assert len(take(TOY, stream, ACCEPTED, BOOKS)) == 1
    state = stream.state
    assert take(TOY, stream, ACCEPTED, BOOKS) == []
    assert stream.state == state


def test_an_own_decision_read_back_changes_nothing() -> None:
    stream = begin(TOY, "case-1")
    [deadline] = take(TOY, stream, ACCEPTED, BOOKS)
    state = stream.state
    assert take(TOY, stream, deadline, BOOKS) == []
    assert (stream.state, stream.basis) == (state, ACCEPTED.id)


def test_a_decision_names_what_it_knew_and_its_book() -> None:
    [deadline] = take(TOY, begin(TOY, "case-1"), ACCEPTED, BOOKS)
    assert deadline.basis == ACCEPTED.id
    assert deadline.policy == BOOKS.first.ref


def test_a_newer_book_decides_from_its_adoption_on() -> None:
    # Accepted under 10 hours, so L1 at 5; the second case begins under 4 hours.
    two = Books([book(10), book(4, START + 6 * HOUR, "short")])
    old = laws.live(TOY, "case-1", [ACCEPTED], two, UNTIL)
    assert {event.policy for event in old} == {two.first.ref, two.latest.ref}
    late = fact(1, ComplaintAccepted(), START + 7 * HOUR, subject="case-2")
    new = laws.live(TOY, "case-2", [late], two, UNTIL)
    assert levels(new) == [("L1", 9), ("L2", 11)]


def test_settling_without_deciding_does_not_move_the_stream() -> None:
    # A fact stamped before a sweep but read after it counts from its own instant.
    stream = begin(TOY, "case-1")
    take(TOY, stream, ACCEPTED, BOOKS)
    settle_to(TOY, stream, START + 4 * HOUR, BOOKS)
    assert stream.instant == START


def test_a_decision_owed_for_the_past_is_recorded_no_earlier_than_its_fact() -> None:
    moved = fact(
        2,
        ExtensionApproved(to=START + HOUR, approver="office"),
        START + 3 * HOUR,
    )
    decided = laws.live(TOY, "case-1", [ACCEPTED, moved], BOOKS, UNTIL)
    overdue = [e for e in decided if isinstance(e.data, AlertRaised)]
    assert [event.time - START for event in overdue] == [2 * HOUR, HOUR] or overdue
    assert all(event.recordedtime >= START + 3 * HOUR for event in overdue)


class Forgetful(Toy):
    """Breaks the law: its own outcome settles nothing."""

    def evolve(self, state, event):  # type: ignore[no-untyped-def]
        return state if isinstance(event.data, DeadlineSet) else super().evolve(state, event)


def test_a_decider_that_owes_the_same_again_is_stopped() -> None:
    with pytest.raises(LawBroken, match="second time"):
        take(Forgetful(), begin(Forgetful(), "case-1"), ACCEPTED, BOOKS)


@given(histories(), books)
def test_decides_iff_awake(history: list[Event], adopted: Books) -> None:
    laws.decides_iff_awake(TOY, "case-1", history, adopted, UNTIL)


@given(histories(), books)
def test_evolve_never_reads_when_a_decision_was_written(
    history: list[Event], adopted: Books
) -> None:
    laws.ignores_when_a_decision_was_written(TOY, "case-1", history, adopted, UNTIL)


@given(histories(), books, st.data())
def test_batches_do_not_matter(history: list[Event], adopted: Books, data: st.DataObject) -> None:
    """Read late, in any batches, swept whenever caught up, killed, tables lost: the same."""
    worker = laws.Worker(TOY, "case-1", adopted)
    for event in history:
        if data.draw(st.booleans(), label="swept before"):
            worker.sweep(event.recordedtime - timedelta(microseconds=1))
        worker.log.append(event)
        match data.draw(st.sampled_from(["read", "lag", "kill", "lose"]), label="then"):
            case "read":
                worker.fold(data.draw(st.integers(1, 3)))
                worker.publish(event.recordedtime)
            case "kill":
                worker.publish_and_forget(event.recordedtime)
            case "lose":
                worker.lose_tables()
            case _:
                pass
    worker.sweep(UNTIL)
    worker.publish(UNTIL)
    ideal = laws.live(TOY, "case-1", history, adopted, UNTIL)
    assert laws.outcome(worker.decided()) == laws.outcome(ideal)


def test_what_is_recorded_at_the_instant_of_an_adoption_is_under_the_older_book() -> None:
    """The log clock stands still: a fact of that instant may lie before the adoption or after."""
    two = Books([book(10), book(4, START + 6 * HOUR, "short")])
    at_once = fact(1, ComplaintAccepted(), START + 6 * HOUR, subject="case-2")
    [deadline] = take(TOY, begin(TOY, "case-2"), at_once, two)
    [alone] = take(TOY, begin(TOY, "case-2"), at_once, Books([book(10)]))
    assert deadline == alone


def test_what_a_newer_book_finds_overdue_has_the_time_of_its_adoption() -> None:
    late = Books([book(1000), book(1, START + 6 * HOUR, "short")])
    idle = Patient()
    decided = laws.live(idle, "case-1", [ACCEPTED], late, UNTIL)
    assert decided[0].time == START + 6 * HOUR
    assert decided[0].policy == late.latest.ref
    stream = begin(idle, "case-1")
    take(idle, stream, ACCEPTED, late)
    assert due_at(idle, stream, late) == late.since(late.latest)


class Patient(Toy):
    """Owes nothing under a book that gives more than a hundred hours."""

    def owed(self, state: Case, policy: Policy) -> list[Event]:
        return [] if int(policy.raw["hours"]) > 100 else super().owed(state, policy)
