"""What spans cases: duplicates of one worker's claim, and groups (domain 2.3, I-03, 8 and 9)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.world import World
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.settle import Books
from tests.routing.spec import complaint, decisions, fact, policy, when


def case(name: str) -> str:
    return derived_id("case", name)


def line(
    worker: str, *, number: str = "1", months: tuple[str, str] = ("2021-09", "2021-11")
) -> dict[str, Any]:
    return {
        "line": number,
        "worker": worker,
        "amount_fen": 700_000,
        "months_from": months[0],
        "months_to": months[1],
        "match_keys": [f"match:{worker}"],
    }


def received(name: str, at: str, *workers: str | dict[str, Any], **fields: Any) -> Event:
    claims = [
        line(item, number=str(number)) if isinstance(item, str) else item
        for number, item in enumerate(workers, 1)
    ]
    data = complaint(source_ref=name, claims=claims, **{"workers": max(1, len(claims))} | fields)
    return fact(data, at, subject=case(name))


def of_case(name: str, data: AnyData, at: str) -> Event:
    return fact(data, at, subject=case(name))


def world(*events: Event) -> World:
    city = World(Books([policy()]))
    for event in events:
        city.run_until(event.recordedtime)
        city.append(event)
    return city


def found(city: World, kind: type[AnyData]) -> list[Event]:
    return [event for event in city.log if isinstance(event.data, kind)]


def merged(city: World) -> list[tuple[str, str]]:
    return [(event.subject, event.data.master) for event in found(city, ev.ComplaintMerged)]  # type: ignore[union-attr,misc]


def test_the_same_worker_employer_and_months_is_one_case() -> None:
    city = world(received("A", "2021-11-15 09:00", "w1"), received("B", "2021-11-18 09:00", "w1"))

    assert merged(city) == [(case("B"), case("A"))]


def test_the_merged_source_goes_on_under_the_master() -> None:
    city = world(received("A", "2021-11-15 09:00", "w1"), received("B", "2021-11-18 09:00", "w1"))

    (added,) = found(city, ev.ClaimLinesAdded)
    assert added.subject == case("A")
    assert isinstance(added.data, ev.ClaimLinesAdded)
    assert (added.data.source_ref, added.data.same) == ("B", {"1": "1"})


def replies(name: str, at: str) -> Event:
    return of_case(name, ev.SourceReplied(source="12345", source_ref=name), at)


def own_clock(city: World, name: str) -> bool:
    """Whether the reply to a source is due on its master's stream (T10)."""
    watch = city.state("supervision", case("A"))
    return any(c.timer == "T10" and c.running and c.source_ref == name for c in watch.clocks)


def test_a_source_answered_before_its_case_was_merged_is_owed_nothing_under_the_master() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-18 09:00", "w2", source="12345"),
        replies("B", "2021-11-19 09:00"),
        of_case("B", ev.MergeApproved(master=case("A")), "2021-11-19 10:00"),
    )

    assert merged(city) == [(case("B"), case("A"))]
    assert not own_clock(city, "B")


def test_a_reply_that_crossed_the_merge_stops_the_clock_under_the_master() -> None:
    """Intake judged it before the merge was on the log; the log has it after."""
    before = [
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-18 09:00", "w1", source="12345"),
    ]

    assert own_clock(world(*before), "B")
    city = world(*before, replies("B", "2021-11-18 09:00"))

    assert not own_clock(city, "B")
    told = [e.data.replied_at for e in found(city, ev.ClaimLinesAdded)]  # type: ignore[union-attr]
    assert [at is not None for at in told] == [False, True]
    lines = city.state("supervision", case("A")).lines
    assert len(lines) == 1, "the same line is not counted twice"


@pytest.mark.parametrize(
    "other",
    [line("w2"), line("w1", months=("2021-06", "2021-08"))],
    ids=["another worker", "other months"],
)
def test_another_worker_or_other_months_is_another_case(other: dict[str, Any]) -> None:
    city = world(received("A", "2021-11-15 09:00", "w1"), received("B", "2021-11-18 09:00", other))

    assert merged(city) == []


def test_a_matched_line_moves_alone_when_the_others_are_new() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-18 09:00", "w1", "w2"),
        of_case("B", ev.ComplaintAccepted(), "2021-11-18 10:00"),
    )

    assert merged(city) == []
    (added,) = found(city, ev.ClaimLinesAdded)
    assert isinstance(added.data, ev.ClaimLinesAdded)
    assert [item.line for item in added.data.lines] == ["1"]
    assert not added.data.whole


def test_a_third_complaint_merges_into_the_first() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-16 09:00", "w1"),
        received("C", "2021-11-17 09:00", "w1"),
    )

    assert merged(city) == [(case("B"), case("A")), (case("C"), case("A"))]


@pytest.mark.parametrize(
    ("days", "reopens"), [("2021-12-19 23:00", True), ("2021-12-20 00:00", False)]
)
def test_a_repeat_within_thirty_days_of_closing_reopens(days: str, reopens: bool) -> None:
    closing = ev.CaseClosed(cause="x", kind="PAID_IN_FULL")
    closed = of_case("A", closing, "2021-11-19 12:00").replace(decidedby="story")
    city = world(received("A", "2021-11-15 09:00", "w1"), closed, received("B", days, "w1"))

    assert bool(merged(city)) == reopens
    assert bool(found(city, ev.CaseReopened)) == reopens


def test_a_repeat_after_that_is_a_case_of_its_own_that_names_the_old_one() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        paid_and_closed("A", "2021-11-19 12:00"),
        received("B", "2021-12-23 09:00", "w1"),
        received("C", "2021-12-24 09:00", "w2"),
    )

    (repeat,) = found(city, ev.RepeatFound)
    assert isinstance(repeat.data, ev.RepeatFound)
    assert (repeat.subject, repeat.data.repeat_of) == (case("B"), case("A"))
    assert repeat.time == when("2021-12-23 09:00")
    assert merged(city) == []


def test_it_stays_a_case_of_its_own_when_the_old_one_is_reopened() -> None:
    """Else what its unit has done by then would end with it (design 3)."""
    reopened = of_case(
        "A", ev.CaseReopened(cause="x", reason="PAYMENT_REVERSED"), "2021-12-27 09:00"
    )
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        paid_and_closed("A", "2021-11-19 12:00"),
        received("B", "2021-12-23 09:00", "w1"),
        of_case("B", ev.ComplaintAccepted(), "2021-12-23 10:00"),
        reopened.replace(decidedby="story"),
    )

    assert merged(city) == []
    assert found(city, ev.AssignmentWithdrawn) == []


@pytest.mark.parametrize(
    ("told", "reopens"),
    [("2021-12-19 23:00", True), ("2021-12-20 00:00", False), ("2021-11-18 09:00", False)],
    ids=["within", "a day late", "before the closing, recorded too late"],
)
def test_a_repeat_recorded_later_reopens_by_when_it_was_told(told: str, reopens: bool) -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        paid_and_closed("A", "2021-11-19 12:00"),
        received("B", "2021-12-23 09:00", "w1", received_at=when(told)),
    )

    assert bool(found(city, ev.CaseReopened)) == reopens


def paid_and_closed(name: str, at: str) -> Event:
    """As supervision decides it; told here, so that a story need not go all the way."""
    closing = ev.CaseClosed(cause="x", kind="PAID_IN_FULL")
    return of_case(name, closing, at).replace(decidedby="story")


def split_between_a_closed_and_an_open_case() -> World:
    """B's first line repeats the closed A, its second the open C; accepted nine days later."""
    return world(
        received("A", "2021-12-01 09:00", "w1"),
        of_case("A", ev.ComplaintAccepted(), "2021-12-01 10:00"),
        paid_and_closed("A", "2021-12-02 13:00"),
        received("C", "2021-12-02 14:00", "w2"),
        received("B", "2021-12-06 09:00", "w1", "w2"),
        of_case("B", ev.ComplaintAccepted(), "2021-12-15 10:00"),
    )


@pytest.mark.parametrize(
    "kind", [ev.ClaimLinesAdded, ev.ComplaintMerged, ev.AssignmentWithdrawn, ev.CaseReopened]
)
def test_what_follows_from_a_split_is_dated_when_the_lines_moved(kind: type[AnyData]) -> None:
    """Design 4: not on the day of the match, which alone merged nothing."""
    city = split_between_a_closed_and_an_open_case()

    times = {event.time for event in found(city, kind)}
    assert times == {when("2021-12-15 10:00")}


@pytest.mark.parametrize(
    ("days", "reopens"), [("2021-12-06 09:00", True), ("2022-01-10 09:00", False)]
)
def test_a_repeat_reopens_though_the_complaint_names_a_new_worker_too(
    days: str, reopens: bool
) -> None:
    """Domain 2.3: of w1 the case was closed within thirty days, or longer ago; w2 is new."""
    paid = ev.PaymentVerified(payment="p", lines=(ev.PaidLine(line="1", amount_fen=700_000),))
    city = world(
        received("A", "2021-12-01 09:00", "w1"),
        of_case("A", ev.ComplaintAccepted(), "2021-12-01 10:00"),
        of_case("A", paid, "2021-12-02 12:00"),
        paid_and_closed("A", "2021-12-02 13:00"),
        received("B", days, "w1", "w2"),
        of_case("B", ev.ComplaintAccepted(), days),
    )

    told = [(e.subject, e.data.reason) for e in found(city, ev.CaseReopened)]  # type: ignore[union-attr]
    assert told == ([(case("A"), "REPEATED_COMPLAINT")] if reopens else [])
    moved = [e.data.from_case for e in found(city, ev.ClaimLinesAdded)]  # type: ignore[union-attr]
    assert moved == ([case("B")] if reopens else [])


def test_no_step_of_a_reopening_lies_before_it() -> None:
    city = split_between_a_closed_and_an_open_case()

    steps = [
        event
        for event in city.log
        if isinstance(event.data, ev.DeadlineSet | ev.AlertRaised) and event.data.timer == "T18"
    ]
    assert [type(event.data) for event in steps] == [ev.DeadlineSet]
    assert steps[0].time == when("2021-12-15 10:00")


def test_what_was_refused_is_no_master() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        of_case("A", ev.ComplaintNotAccepted(reason="NOT_WAGES"), "2021-11-15 10:00"),
        received("B", "2021-11-18 09:00", "w1"),
    )

    assert merged(city) == []


def test_a_revoked_merge_gives_the_case_back() -> None:
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-18 09:00", "w1"),
        of_case("B", ev.MergeRevoked(), "2021-11-18 10:00"),
        of_case("B", ev.ComplaintAccepted(), "2021-11-18 11:00"),
    )

    assert [event.subject for event in found(city, ev.ComplaintUnmerged)] == [case("B")]
    assert case("B") in [event.subject for event in found(city, ev.CaseAssigned)]


def test_a_line_is_found_from_when_an_earlier_one_stands_again() -> None:
    """C came while no other stood; B is separated a week later, and from then on C repeats it."""
    city = world(
        received("A", "2021-11-15 09:00", "w1"),
        received("B", "2021-11-16 09:00", "w1"),
        of_case("A", ev.ComplaintNotAccepted(reason="NO_NEXUS"), "2021-11-17 09:00"),
        received("C", "2021-11-18 09:00", "w1", source="12345"),
        of_case("B", ev.MergeRevoked(), "2021-11-25 09:00"),
    )

    (told,) = (event for event in found(city, ev.MatchFound) if event.subject == case("C"))
    assert isinstance(told.data, ev.MatchFound)
    assert (told.data.with_case, told.time) == (case("B"), when("2021-11-25 09:00"))
    assert [event for event in city.log if event.time != event.recordedtime] == []


# --- chains: a duplicate of what was itself merged ------------------------------------------------


def claimed(key: str, first: int, last: int | None = None) -> dict[str, Any]:
    """A line of w1 for some months of 2021, known under some of its keys: `n` name, `c` code."""
    months = (f"2021-{first:02d}", f"2021-{last or first + 2:02d}")
    return line("w1", months=months) | {"match_keys": [f"match:w1-{part}" for part in key]}


BY_NAME = claimed("n", 9)
BY_BOTH = claimed("nc", 9)
BY_CODE = claimed("c", 9)
CLAIM = ev.PaidLine(line="1", amount_fen=700_000)


def chain(*lines: dict[str, Any]) -> list[Event]:
    """Complaints A, B, C.. of a line each, on the days from 2021-12-01 on."""
    return [
        received("ABCDEFGH"[day], f"2021-12-{day + 1:02d} 09:00", each)
        for day, each in enumerate(lines)
    ]


def standing_lines(city: World, name: str) -> list[str]:
    """The numbers of the lines that stand under a case, as supervision counts them."""
    return [each.line for each in city.state("supervision", case(name)).lines]


@pytest.mark.parametrize("steps", [2, 3, 6])
def test_a_duplicate_goes_on_under_the_first_through_what_was_merged(steps: int) -> None:
    """I-03: each repeats only the one before it, by its months."""
    names = "ABCDEFGH"[: steps + 1]
    city = world(*chain(*(claimed("n", 1 + number, 2 + number) for number in range(steps + 1))))

    assert merged(city) == [(case(later), case(earlier)) for earlier, later in pairwise(names)]
    under = {event.data.from_case for event in found(city, ev.ClaimLinesAdded)}  # type: ignore[union-attr]
    assert under == {case(name) for name in names[1:]}
    assert standing_lines(city, "A") == ["1"], "one claim, counted once"


def test_a_duplicate_by_another_key_than_the_first_is_known_by() -> None:
    """A is known by the employer's name, C by its number; B, by both, stands between."""
    city = world(*chain(BY_NAME, BY_BOTH, BY_CODE))

    assert merged(city) == [(case("B"), case("A")), (case("C"), case("B"))]
    assert standing_lines(city, "A") == ["1"]


@pytest.mark.parametrize(
    ("days", "reopens"), [("2022-01-02 23:00", True), ("2022-01-03 00:00", False)]
)
def test_a_repeat_of_what_was_merged_reopens_the_case_it_went_on_under(
    days: str, reopens: bool
) -> None:
    """Domain 2.3; the window is that of the case that was closed."""
    city = world(
        *chain(BY_NAME, BY_BOTH),
        of_case("A", ev.PaymentVerified(payment="p", lines=(CLAIM,)), "2021-12-03 11:00"),
        paid_and_closed("A", "2021-12-03 12:00"),
        received("C", days, BY_CODE),
    )

    assert [event.subject for event in found(city, ev.CaseReopened)] == [case("A")] * reopens
    assert ((case("C"), case("B")) in merged(city)) == reopens


def test_a_case_that_was_reopened_takes_the_duplicates_of_what_was_merged_into_it() -> None:
    reopened = ev.CaseReopened(cause="x", reason="PAYMENT_REVERSED")
    city = world(
        *chain(BY_NAME, BY_BOTH),
        of_case("A", ev.PaymentVerified(payment="p", lines=(CLAIM,)), "2021-12-03 11:00"),
        paid_and_closed("A", "2021-12-03 12:00"),
        of_case("A", reopened, "2022-02-01 09:00").replace(decidedby="story"),
        received("C", "2022-02-02 09:00", BY_CODE),
    )

    assert (case("C"), case("B")) in merged(city)


def test_nothing_goes_on_under_a_refused_case_through_what_was_merged() -> None:
    city = world(
        *chain(BY_NAME, BY_BOTH),
        of_case("A", ev.ComplaintNotAccepted(reason="NO_NEXUS"), "2021-12-03 09:00"),
        received("C", "2021-12-04 09:00", BY_CODE),
    )

    assert merged(city) == [(case("B"), case("A"))]


def test_what_is_separated_takes_its_duplicate_along() -> None:
    city = world(
        *chain(BY_NAME, BY_BOTH, BY_CODE),
        of_case("B", ev.MergeRevoked(), "2021-12-04 09:00"),
    )

    assert standing_lines(city, "A") == ["1"]
    assert standing_lines(city, "B") == ["1"]
    sources = [each.source_ref for each in city.state("supervision", case("B")).sources]
    assert sources == ["B", "C"]


def test_a_duplicate_of_a_line_that_moved_goes_where_it_moved_to() -> None:
    """B's first line stands under A; C repeats it by a key that A has not."""
    city = world(
        *chain(BY_NAME),
        received("B", "2021-12-02 09:00", BY_BOTH, line("w2", number="2")),
        of_case("B", ev.ComplaintAccepted(), "2021-12-02 10:00"),
        received("C", "2021-12-03 09:00", BY_CODE),
    )

    assert merged(city) == [(case("C"), case("A"))]
    assert (standing_lines(city, "A"), standing_lines(city, "B")) == (["1"], ["2"])


@pytest.mark.parametrize("master", ["D", "B", "X"], ids=["who asks", "itself", "in a circle"])
def test_no_case_is_found_through_one_that_leads_back(master: str) -> None:
    """Merges that cross can make a circle, which the cases themselves take apart again."""

    def told(name: str, data: AnyData, at: str) -> Event:
        return fact(data, at, subject="match:w1").replace(decidedby=case(name))

    def registered(name: str, at: str) -> Event:
        months = ("2021-09", "2021-11")
        data = ev.MatchRegistered(
            cause=name,
            case=case(name),
            line="1",
            received_at=when(at),
            registered_at=when(at),
            months=months,
        )
        return told(name, data, at)

    def under(name: str, other: str, at: str) -> Event:
        data = ev.MatchUpdated(
            cause=name, case=case(name), status="merged", since=when(at), master=case(other)
        )
        return told(name, data, at)

    decided = decisions(
        [
            registered("B", "2021-12-01 09:00"),
            under("B", master, "2021-12-02 09:00"),
            under("X", "B", "2021-12-02 10:00"),
            registered("D", "2021-12-03 09:00"),
        ]
    )

    assert decided == []


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["n", "c", "nc"]), st.integers(1, 8), st.integers(0, 2)),
        min_size=2,
        max_size=8,
    )
)
def test_who_repeats_an_earlier_complaint_does_not_stay_alone(
    told: list[tuple[str, int, int]],
) -> None:
    city = world(*chain(*(claimed(key, first, first + more) for key, first, more in told)))

    repeated = {
        case("ABCDEFGH"[later])
        for later, (key, first, more) in enumerate(told)
        for other, start, length in told[:later]
        if set(key) & set(other) and first <= start + length and start <= first + more
    }
    assert {subject for subject, _ in merged(city)} == repeated


# --- who claims more ------------------------------------------------------------------------------


def asks(
    worker: str, fen: int | None, months: tuple[str, str] = ("2021-09", "2021-11")
) -> dict[str, Any]:
    return line(worker, months=months) | {"amount_fen": fen}


JULY, AUGUST, SUMMER = ("2021-07", "2021-07"), ("2021-08", "2021-09"), ("2021-07", "2021-09")


def lines_on(city: World, name: str) -> list[tuple[int | None, int, bool]]:
    """The lines of a case as supervision counts them: fen, months, and whether more is asked."""
    watch = city.state("supervision", case(name))
    return [(each.owed_fen, each.months, each.contested) for each in watch.lines]


def pays(at: str, fen: int, name: str = "p", number: str = "1") -> Event:
    lines = (ev.PaidLine(line=number, amount_fen=fen),)
    return of_case("A", ev.PaymentVerified(payment=name, lines=lines), at)


def verifies(at: str, fen: int, months: int) -> Event:
    facts = ev.VerifiedLine(line="1", amount_fen=fen, months=months)
    return of_case("A", ev.FactsVerified(lines=(facts,)), at)


def accepted(at: str) -> Event:
    return of_case("A", ev.ComplaintAccepted(), at)


def ordered(at: str = "2021-11-12 10:00") -> list[Event]:
    """An inspection filed and an order served, to be obeyed until 11-20 at 00:00."""
    order = ev.PaymentOrderServed(
        doc_no="D1", service_mode="direct", limit_at=when("2021-11-20 00:00")
    )
    return [of_case("A", ev.InspectionFiled(), at), of_case("A", order, at)]


def asks_to_close(at: str) -> Event:
    return of_case("A", ev.ClosureRequested(kind="PAID_IN_FULL"), at)


def unpaid(city: World) -> list[Any]:
    return [event.data.reasons for event in found(city, ev.ClosureRefused)]  # type: ignore[union-attr]


def limbs(city: World, until: str = "2021-12-01 00:00") -> list[Event]:
    city.run_until(when(until))
    return found(city, ev.ReferralThresholdMet)


@pytest.mark.parametrize(
    ("first", "again", "more"),
    [
        (800_000, 1_200_000, True),
        (1_200_000, 800_000, False),
        (800_000, None, False),
        (None, 800_000, False),
    ],
    ids=["more", "less", "no sum the second time", "no sum the first time"],
)
def test_a_line_stays_as_it_was_and_is_contested_where_a_repeat_asks_for_more(
    first: int | None, again: int | None, *, more: bool
) -> None:
    city = world(
        received("A", "2021-11-15 09:00", asks("w1", first)),
        received("B", "2021-11-18 09:00", asks("w1", again)),
    )

    assert merged(city) == [(case("B"), case("A"))]
    assert lines_on(city, "A") == [(first, 3, more)]


def test_a_claim_that_spans_two_lines_refers_nobody() -> None:
    """The claim of July to September spans both lines; their 6,000 yuan are owed once."""
    city = world(
        received(
            "A",
            "2021-11-10 09:00",
            asks("w1", 300_000, JULY),
            asks("w1", 300_000, AUGUST) | {"line": "2"},
            workers=1,
        ),
        accepted("2021-11-10 10:00"),
        received("B", "2021-11-11 09:00", asks("w1", 600_000, SUMMER), source="12345"),
        *ordered(),
    )
    assert limbs(city) == []
    assert lines_on(city, "A") == [(300_000, 1, True), (300_000, 2, False)]


def test_who_claims_both_lines_as_they_are_asks_for_no_more() -> None:
    both = [asks("w1", 300_000, JULY), asks("w1", 300_000, AUGUST) | {"line": "2"}]
    city = world(
        received("A", "2021-11-10 09:00", *both, workers=1),
        received("B", "2021-11-11 09:00", *both, workers=1),
    )
    assert lines_on(city, "A") == [(300_000, 1, False), (300_000, 2, False)]


def test_the_sum_of_a_crew_is_not_one_worker_s() -> None:
    city = world(
        received("A", "2021-11-10 09:00", asks("w1", 300_000, SUMMER)),
        accepted("2021-11-10 10:00"),
        received("B", "2021-11-11 09:00", asks("w1", 3_200_000, SUMMER), workers=8),
        *ordered(),
    )
    assert limbs(city) == []
    assert lines_on(city, "A") == [(300_000, 3, True)]


@pytest.mark.parametrize("worker", ["w1", "w2"], ids=["the same worker", "merged by a person"])
def test_an_order_that_was_obeyed_is_not_in_default_for_what_came_later(worker: str) -> None:
    city = world(
        received("A", "2021-11-10 09:00", asks("w1", 800_000, SUMMER)),
        accepted("2021-11-10 10:00"),
        *ordered(),
        pays("2021-11-15 10:00", 800_000),
        received("B", "2021-11-16 09:00", asks(worker, 2_000_000, SUMMER)),
        of_case("B", ev.MergeApproved(master=case("A")), "2021-11-16 10:00"),
        asks_to_close("2021-11-17 10:00"),
    )
    assert merged(city) == [(case("B"), case("A"))]
    assert unpaid(city) == [("UNPAID",)]
    assert limbs(city) == []
    assert found(city, ev.PaymentOrderDefaulted) == []


@pytest.mark.parametrize("verified", [True, False], ids=["verified", "as it was claimed"])
@pytest.mark.parametrize("fen", [1_200_000, 800_000], ids=["more fen", "other months"])
def test_who_claims_more_after_the_closing_reopens_it_until_that_is_verified(
    fen: int, *, verified: bool
) -> None:
    """Domain 2.3; A was paid the 8,000 yuan that it claimed, of July to September."""
    facts = [verifies("2021-11-15 11:00", 800_000, 3)] if verified else []
    city = world(
        received("A", "2021-11-15 09:00", asks("w1", 800_000, SUMMER)),
        accepted("2021-11-15 10:00"),
        *facts,
        pays("2021-11-16 12:00", 800_000),
        paid_and_closed("A", "2021-11-17 13:00"),
        received("C", "2021-11-25 09:00", asks("w1", fen, ("2021-09", "2021-11"))),
        asks_to_close("2021-11-26 09:00"),
        verifies("2021-11-26 10:00", fen, 5),
        pays("2021-11-26 11:00", fen - 800_000, "q"),
        asks_to_close("2021-11-26 12:00"),
    )

    assert [event.subject for event in found(city, ev.CaseReopened)] == [case("A")]
    assert unpaid(city) == [("UNPAID",)], "once, before it was verified"


def test_who_claims_month_by_month_asks_for_their_sum() -> None:
    parts = [
        asks("w1", 600_000, (month, month)) | {"line": number}
        for number, month in (("1", "2021-09"), ("2", "2021-10"))
    ]
    city = world(
        received("A", "2021-11-15 09:00", asks("w1", 800_000, ("2021-09", "2021-10"))),
        received("B", "2021-11-18 09:00", *parts),
    )

    assert merged(city) == [(case("B"), case("A"))]
    assert lines_on(city, "A") == [(800_000, 2, True)]


def test_what_was_asked_more_leaves_with_who_asked() -> None:
    more = asks("w1", 1_200_000, ("2021-08", "2021-11"))
    city = world(
        received("A", "2021-11-15 09:00", asks("w1", 800_000)),
        received("B", "2021-11-18 09:00", more),
        of_case("B", ev.MergeRevoked(), "2021-11-19 10:00"),
    )

    assert lines_on(city, "A") == [(800_000, 3, False)]
    assert lines_on(city, "B") == [(1_200_000, 4, False)]


def test_a_case_that_is_merged_later_takes_along_that_more_is_asked() -> None:
    city = world(
        received("M", "2021-11-15 08:00", "w9"),
        received("A", "2021-11-15 09:00", asks("w1", 800_000)),
        received("B", "2021-11-18 09:00", asks("w1", 1_200_000)),
        of_case("A", ev.MergeApproved(master=case("M")), "2021-11-19 10:00"),
    )

    assert lines_on(city, "M") == [(700_000, 3, False), (800_000, 3, True)]


# --- groups --------------------------------------------------------------------------------------


def site(name: str, at: str, *workers: str, **fields: Any) -> Event:
    return received(name, at, *workers, group_keys=["group:site"], **fields)


def test_the_tenth_worker_forms_a_group_under_the_earliest_case() -> None:
    lines = [site(f"C{n}", f"2021-11-22 {9 + n:02d}:00", f"w{n}") for n in range(12)]

    nine, twelve = world(*lines[:9]), world(*lines)

    assert found(nine, ev.GroupFormed) == []
    (formed,) = found(twelve, ev.GroupFormed)
    assert isinstance(formed.data, ev.GroupFormed)
    assert (formed.subject, formed.data.level, formed.data.workers) == (case("C0"), "G1", 10)
    joined = [event.subject for event in found(twelve, ev.GroupJoined)]
    assert sorted(joined) == sorted(case(f"C{n}") for n in range(1, 12))
    assert formed.time == lines[9].recordedtime


def test_one_line_of_ten_workers_is_a_group_of_one() -> None:
    city = world(site("A", "2021-11-22 09:00", "w1", workers=10))

    (formed,) = found(city, ev.GroupFormed)
    assert isinstance(formed.data, ev.GroupFormed)
    assert formed.data.members == (case("A"),)


@pytest.mark.parametrize(("workers", "level"), [(9, None), (10, "G1"), (30, "G2"), (50, "G3")])
def test_levels_by_head_count(workers: int, level: str | None) -> None:
    city = world(site("A", "2021-11-22 09:00", "w1", workers=workers))

    assert [event.data.level for event in found(city, ev.GroupFormed)] == ([level] if level else [])  # type: ignore[union-attr]


def test_a_group_grows_by_a_higher_level_once() -> None:
    city = world(
        site("A", "2021-11-22 09:00", "w1", workers=12),
        site("B", "2021-11-22 10:00", "w2", workers=20),
        site("C", "2021-11-22 11:00", "w3", workers=3),
    )

    (changed,) = found(city, ev.GroupLevelChanged)
    assert isinstance(changed.data, ev.GroupLevelChanged)
    assert (changed.subject, changed.data.level, changed.data.workers) == (case("A"), "G2", 32)


def test_a_case_that_is_separated_counts_from_then_on() -> None:
    """Six workers under another case do not count; separated, they make twelve."""
    city = world(
        received("M", "2021-11-22 08:00", "w9"),
        site("A", "2021-11-22 09:00", "w1", workers=6),
        of_case("A", ev.MergeApproved(master=case("M")), "2021-11-22 10:00"),
        site("B", "2021-11-22 11:00", "w2", workers=6),
        of_case("A", ev.MergeRevoked(), "2021-11-24 09:00"),
    )

    (formed,) = found(city, ev.GroupFormed)
    assert (formed.subject, formed.time) == (case("A"), when("2021-11-24 09:00"))
    (joined,) = found(city, ev.GroupJoined)
    assert (joined.subject, joined.time) == (case("B"), when("2021-11-24 09:00"))


def test_who_joins_a_group_that_forms_anew_joins_it_then() -> None:
    """The leading case is refused two weeks on: the ten others are a group from that day."""
    lines = [site(f"C{n}", f"2021-12-05 {9 + n // 6:02d}:{n % 6}0", f"w{n}") for n in range(11)]
    refused = ev.ComplaintNotAccepted(reason="NOT_WAGES")
    city = world(*lines, of_case("C0", refused, "2021-12-20 10:00"))

    again = [event.time for event in found(city, ev.GroupFormed)][1:]
    joined = [e.time for e in found(city, ev.GroupJoined) if e.data.formation == 2]  # type: ignore[union-attr]
    assert again == [when("2021-12-20 10:00")]
    assert joined == [when("2021-12-20 10:00")] * 9
    updated = {event.time for event in found(city, ev.GroupMemberUpdated)}
    assert updated <= {when("2021-12-20 10:00"), *(event.recordedtime for event in lines)}


def test_only_who_no_longer_counts_leaves_a_group_that_forms_anew() -> None:
    lines = [site(f"C{n:02}", f"2021-12-05 {9 + n // 6:02d}:{n % 6}0", f"w{n}") for n in range(12)]
    city = world(
        received("M", "2021-12-05 08:00", "w99"),
        *lines,
        of_case("C05", ev.MergeApproved(master=case("M")), "2021-12-18 10:00"),
        of_case("C00", ev.ComplaintNotAccepted(reason="NOT_WAGES"), "2021-12-20 10:00"),
        of_case("C05", ev.MergeRevoked(), "2021-12-21 10:00"),
    )

    left = [(event.subject, event.time) for event in found(city, ev.GroupLeft)]
    assert left == [(case("C05"), when("2021-12-20 10:00"))]
    joined = [e.time for e in found(city, ev.GroupJoined) if e.subject == case("C05")]
    assert joined[1:] == [when("2021-12-21 10:00")]


def test_a_group_too_small_without_its_leading_case_is_left_by_all() -> None:
    """Once each, also when enough come later for a new one."""
    lines = [site(f"C{n:02}", f"2021-12-05 {9 + n // 6:02d}:{n % 6}0", f"w{n}") for n in range(10)]
    city = world(
        *lines,
        of_case("C00", ev.ComplaintNotAccepted(reason="NOT_WAGES"), "2021-12-20 10:00"),
        site("D", "2021-12-21 09:00", "w77"),
    )

    left = [(event.subject, event.time) for event in found(city, ev.GroupLeft)]
    members = [case(f"C{n:02}") for n in range(1, 10)]
    assert sorted(left) == sorted((member, when("2021-12-20 10:00")) for member in members)
    again = [event for event in found(city, ev.GroupJoined) if event.data.formation == 2]  # type: ignore[union-attr]
    assert len(again) == 9


def test_the_same_worker_twice_counts_once() -> None:
    city = world(
        *(site(f"C{n}", f"2021-11-22 {9 + n:02d}:00", "w1", f"x{n}") for n in range(8)),
    )

    assert found(city, ev.GroupFormed) == []


# --- any order -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["receive", "accept", "refuse", "revoke"])),
        max_size=25,
    )
)
def test_merging_loses_no_worker_and_no_source(acts: list[tuple[int, str]]) -> None:
    """Every received case is either its own or, through its masters, under one that is (I-02)."""
    city = World(Books([policy()]))
    known: set[int] = set()
    for minute, (number, act) in enumerate(acts):
        at = f"2021-11-15 {9 + minute // 60:02d}:{minute % 60:02d}"
        name = f"P{number}"
        if act == "receive" and number not in known:
            known.add(number)
            city.append(received(name, at, f"w{number % 3}"))
        elif number in known:
            data: dict[str, AnyData] = {
                "accept": ev.ComplaintAccepted(),
                "refuse": ev.ComplaintNotAccepted(reason="NOT_WAGES"),
                "revoke": ev.MergeRevoked(),
                "receive": ev.ProgressReported(),
            }
            city.append(of_case(name, data[act], at))

    masters: dict[str, str] = {}
    for event in city.log:
        if isinstance(event.data, ev.ComplaintMerged):
            masters[event.subject] = event.data.master
        elif isinstance(event.data, ev.ComplaintUnmerged):
            masters.pop(event.subject)
    for subject in masters:
        walked = {subject}
        while subject in masters:
            subject = masters[subject]
            assert subject not in walked, "a case is never its own master"
            walked.add(subject)
    passed_on = {
        (e.subject, e.data.from_case) for e in city.log if isinstance(e.data, ev.ClaimLinesAdded)
    }
    assert {(master, subject) for subject, master in masters.items()} <= passed_on
