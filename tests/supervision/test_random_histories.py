"""Random histories of one case: its clocks agree with a slow recount; the laws of design 4."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.supervision.decider import STREAMS
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.policy import Policy, adopt, read_book
from shared.settle import Books
from tests.shared import laws
from tests.supervision.oracle import CLAIM, HERE, Oracle
from tests.supervision.spec import (
    CASE,
    OFFICE,
    Told,
    assignment,
    complaint,
    policy,
    reassignment,
    when,
)

CLOCKS = ("T05", "T08", "T09", "T12", "T13", "T14", "T15", "T17", "T18")
OUTLIVE = {"T10", "T14", "T15"}
HOUR = timedelta(hours=1)
HANDLING: tuple[AnyData, ...] = (
    ev.ProgressReported(),
    ev.CaseSuspended(),
    ev.ReturnRequested(),
    ev.ClosureRequested(kind="PAID_IN_FULL"),
    ev.ClosureRequested(kind="PAID_IN_FULL"),
    reassignment(),
)
ANSWERS: dict[str, tuple[AnyData, ...]] = {
    "ASSIGNED": (ev.AssignmentSigned(), ev.ReturnRequested(), *HANDLING[:1]),
    "HANDLING": HANDLING,
    "RETURN_REVIEW": (ev.ReturnNotApproved(), ev.ReturnApproved()),
    "RETURNED": (reassignment(),),
    "SUSPENDED": (ev.CaseResumed(), ev.CaseResumed(), ev.ProgressReported()),
    "REVIEW_TF": (
        ev.ClosureReviewPassed(stage="tf"),
        ev.ClosureReviewPassed(stage="tf"),
        ev.ClosureReturned(stage="tf"),
    ),
    "REVIEW_OFFICE": (
        ev.ClosureReviewPassed(stage="office"),
        ev.ClosureReviewPassed(stage="office"),
        ev.ClosureReturned(stage="office"),
    ),
    "FOLLOW_UP": (
        ev.FollowUpCompleted(got_paid="Y", satisfaction="satisfied"),
        ev.FollowUpCompleted(got_paid="Y", satisfaction="mostly"),
        ev.FollowUpCompleted(got_paid="Y", satisfaction="unsatisfied"),
        ev.FollowUpCompleted(got_paid="part", satisfaction="mostly"),
        ev.ClosureReturned(stage="office"),
    ),
    "CLOSED": (ev.CaseWrittenOff(), ev.FalseClosureFound()),
}
PAYABLE = ("ASSIGNED", "HANDLING", "SUSPENDED", "REVIEW_TF", "FOLLOW_UP", "CLOSED")


@cache
def newer() -> Policy:
    """A second book, adopted while most histories run: longer handling, one more rest day."""
    raw = copy.deepcopy(read_book("dengfeng-2021-35"))
    raw["campaign"]["phases"][0]["handle_wd"] = 12
    raw["calendar"]["rest"].append("2022-01-05")
    return adopt(raw, when("2022-01-04 10:00"), "adoption-2")


class Life:
    """A history that grows by acts that are possible, as the oracle sees the case."""

    def __init__(self, start: datetime, urgent: bool) -> None:
        self.now = start
        self.oracle = Oracle(received=start)
        self.events: list[Event] = []
        claim = {"line": "1", "amount_fen": CLAIM, "months_from": "2021-07"}
        text = f"{start:%Y-%m-%d %H:%M}"
        self._record(complaint(text, claims=[claim]), start)
        self._record(ev.ComplaintAccepted(urgent=urgent), start)
        self._record(assignment(), start)

    def step(self, hours: int, act: int, late: int, sum_: int) -> None:
        """One act `hours` later, which happened `late` hours before it was recorded."""
        self.now += hours * HOUR
        self.oracle.advance(self.now)
        if self.oracle.state == "MERGED":
            return
        possible = self._possible(sum_)
        data = possible[act % len(possible)]
        floor = max(self.oracle.begun["T08"], self.oracle.suspended or self.oracle.received)
        happened = self.now if isinstance(data, ev.Decision) else self.now - late * HOUR
        self._record(data, min(self.now, max(happened, floor)))

    def _possible(self, sum_: int) -> Sequence[AnyData]:
        oracle = self.oracle
        found: list[AnyData] = list(ANSWERS[oracle.state])
        if oracle.state != "CLOSED" and sum_ == 13:
            return [ev.ComplaintMerged(cause="f", master="m", match="match:x")]
        if oracle.state in PAYABLE:
            lines = (ev.PaidLine(line="1", amount_fen=(sum_ % 3 + 1) * CLAIM // 2),)
            name = f"p{len(oracle.paid) + len(oracle.reversed)}"
            found += [ev.PaymentVerified(payment=name, lines=lines)] * 2
            for name, fen in oracle.paid.items():
                whole = (ev.PaidLine(line="1", amount_fen=fen),)
                found.append(ev.PaymentReversed(payment=name, lines=whole))
        if oracle.state in ("HANDLING", "SUSPENDED"):
            base = oracle.running.get("T09", self.now)
            to = base + (sum_ % 12 - 1) * timedelta(days=1)
            approver = ("office", "vice_convener", "convener")[sum_ % 3]
            approval = {"to": to, "approver": approver}
            found += [ev.ExtensionRequested(to=to), ev.ExtensionApproved.model_validate(approval)]
        return found

    def _record(self, data: AnyData, happened: datetime) -> None:
        self.oracle.act(data, happened, self.now)
        self.oracle.advance(self.now)
        decision = isinstance(data, ev.Decision)
        self.events.append(
            Event(
                id=derived_id("life", str(len(self.events))),
                subject=CASE,
                time=happened.astimezone(UTC),
                recordedtime=self.now.astimezone(UTC),
                data=data,
                actor=OFFICE,
                decidedby="another" if decision else None,
            )
        )


@st.composite
def lives(draw: st.DrawFn) -> Life:
    starts = ["2021-11-10 09:00", "2021-12-30 16:00", "2022-01-26 10:00", "2022-03-28 23:00"]
    start = datetime.fromisoformat(draw(st.sampled_from(starts))).replace(tzinfo=HERE)
    life = Life(start, draw(st.booleans()))
    gaps = st.sampled_from((0, 1, 3, 7, 15, 24, 26, 48, 72, 120, 240))
    late = st.sampled_from((0, 0, 0, 1, 20, 49, 80))
    for hours, act, back, sum_ in draw(
        st.lists(
            st.tuples(gaps, st.integers(0, 30), late, st.integers(0, 30)), min_size=3, max_size=20
        )
    ):
        life.step(hours, act, back, sum_)
    return life


def lived(life: Life, books: Books | None = None) -> Told:
    told = Told(CASE, books)
    for event in life.events:
        told.take(event)
    return told.until(f"{life.now:%Y-%m-%d %H:%M}")


MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(lives())
def test_clocks_are_what_a_slow_recount_finds(life: Life) -> None:
    told = lived(life)
    oracle = life.oracle
    for timer in CLOCKS:
        dues = [data.due_at for data in told.deadlines(timer)]
        assert dues == oracle.dues.get(timer, []), timer
    assert told.running() & set(CLOCKS) == set(oracle.running)
    assert [data.code for data in told.of(ev.ExtensionRefused)] == oracle.refused
    assert len(told.of(ev.CaseClosed)) == oracle.closings
    assert len(told.of(ev.CaseReopened)) == oracle.reopenings
    for timer in ("T08", "T12", "T13", "T14"):
        red = [when(at) for at, level in told.alerts(timer) if at is not None and level == "L3"]
        for due in oracle.overdue.get(timer, []):
            assert due in red, timer


@MANY
@given(lives())
def test_a_closed_or_merged_case_has_no_live_timer(life: Life) -> None:
    told = lived(life)
    if life.oracle.state == "MERGED":
        assert told.running() == set()
    if life.oracle.state == "CLOSED":
        assert told.running() <= OUTLIVE


@SOME
@given(lives())
def test_it_owes_iff_it_wakes_and_replays_to_itself(life: Life) -> None:
    until = life.now + timedelta(days=40)
    decider, books = STREAMS["case"], Books([policy()])
    laws.decides_iff_awake(decider, CASE, life.events, books, until)
    laws.ignores_when_a_decision_was_written(decider, CASE, life.events, books, until)
    laws.replays_to_itself(decider, CASE, life.events, books, until)


@SOME
@given(lives(), st.booleans(), st.data())
def test_batches_do_not_matter(life: Life, two: bool, data: st.DataObject) -> None:
    """Read late, in any batches, swept whenever caught up, killed, tables lost: the same."""
    books = Books([policy(), newer()] if two else [policy()])
    until = life.now + timedelta(days=40)
    worker = laws.Worker(STREAMS["case"], CASE, books)
    for event in life.events:
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
    worker.sweep(until)
    worker.publish(until)
    ideal = laws.live(STREAMS["case"], CASE, life.events, books, until)
    assert laws.outcome(worker.decided()) == laws.outcome(ideal)
