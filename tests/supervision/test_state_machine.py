"""Any life of a case, act by act: every clock, alert and ending is what a slow recount finds.

After each act the case owes nothing more (`Told` sees to it), a merged or closed case has no live
timer, and at the end the same life read through any outage gives the same dues.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.supervision.decider import STREAMS
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.policy import adopt, read_book
from shared.settle import Books
from tests.shared import laws
from tests.supervision.recount import CLAIM, DATES, HERE, LADDERS, Recount
from tests.supervision.spec import CASE, OFFICE, Told, assignment, complaint, policy, reassignment

HOUR = timedelta(hours=1)
STARTS = ("2021-11-10 09:00", "2021-12-20 16:00", "2022-01-26 10:00", "2022-03-28 23:00")
LATE = st.sampled_from((0, 0, 0, 1, 20, 49, 80))
TIMERS = {key.split("|")[0] for key in LADDERS}
OUTLIVES = {"T10", "T14", "T15"}


def key_of(data: ev.DeadlineSet | ev.AlertRaised) -> str:
    """How the recount names a clock."""
    part = data.step or data.item
    return f"{data.timer}|{part}" if part else data.timer


class CaseLife(RuleBasedStateMachine):
    """One case from its assignment on. `events`: what was recorded; `oracle`: the recount."""

    @initialize(
        start=st.sampled_from(STARTS),
        tier=st.sampled_from(("CITY", "CITY", "NAT")),
        source=st.sampled_from(("window", "12345")),
        stage=st.sampled_from(("ASSIGNED", "HANDLING", "HANDLING", "FOLLOW_UP", "CLOSED")),
        urgent=st.booleans(),
    )
    def begins(self, start: str, tier: str, source: str, stage: str, *, urgent: bool) -> None:
        self.now = datetime.fromisoformat(start).replace(tzinfo=HERE)
        self.oracle = Recount(self.now, tier, urgent)
        self.told = Told(CASE, Books([policy()]))
        self.events: list[Event] = []
        self.names = 0
        self.exact = False
        claim = {"line": "1", "amount_fen": CLAIM, "months_from": "2021-07"}
        self._append(complaint(start, claims=[claim], tier=tier, source=source), self.now, self.now)
        self._append(ev.ComplaintAccepted(urgent=urgent), self.now, self.now)
        self._append(assignment(), self.now, self.now)
        self.oracle.begin(self.now, f"{source}|1")
        self.oracle.advance(self.now)
        self._brought_to(stage)

    def _brought_to(self, stage: str) -> None:
        """The way of a case that goes well, a minute an act, up to a stage."""
        if stage != "ASSIGNED":
            self._act(ev.AssignmentSigned(), 0)
        if stage in ("FOLLOW_UP", "CLOSED"):
            self.pays_everything(late=0)
            self._act(ev.ClosureRequested(kind="PAID_IN_FULL"), 0)
            self._act(ev.ClosureReviewPassed(stage="tf"), 0)
            self._act(ev.ClosureReviewPassed(stage="office"), 0)
        if stage == "CLOSED":
            self._act(ev.FollowUpCompleted(got_paid="Y", satisfaction="satisfied"), 0)
            if self.oracle.urgent:
                self.time_passes(31 * 24)

    # --- what may happen ------------------------------------------------------------------------

    @rule(hours=st.sampled_from((48, 72, 96, 120, 240, 480)))
    def much_time_passes(self, hours: int) -> None:
        self.time_passes(hours)

    @rule(hours=st.sampled_from((1, 3, 7, 15, 24, 26)))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.exact = False
        self.oracle.advance(self.now)
        self.told.until(f"{self.now:%Y-%m-%d %H:%M}")

    @precondition(lambda self: any(c.due > self.now for c in self.oracle.clocks.values()))
    @rule(which=st.integers(0, 9))
    def a_due_comes(self, which: int) -> None:
        """Exactly to the instant of a due: what is done then is late."""
        dues = sorted({c.due for c in self.oracle.clocks.values() if c.due > self.now})
        self.now = dues[which % len(dues)]
        self.exact = True
        self.oracle.advance(self.now)
        self.told.until(f"{self.now:%Y-%m-%d %H:%M}")

    @precondition(lambda self: self.in_state("HANDLING") and "T09" in self.oracle.clocks)
    @rule(hours=st.sampled_from((20, 50, 100, 300)), late=LATE)
    def is_paused_for(self, hours: int, late: int) -> None:
        self._act(ev.CaseSuspended(), late)
        self.time_passes(hours)
        self._act(ev.CaseResumed(), late)

    def in_state(self, *states: str) -> bool:
        return self.oracle.state in states

    @precondition(lambda self: self.in_state("ASSIGNED"))
    @rule(late=LATE)
    def signs(self, late: int) -> None:
        self._act(ev.AssignmentSigned(), late)

    @precondition(lambda self: self.in_state("ASSIGNED", "HANDLING"))
    @rule(late=LATE)
    def contacts(self, late: int) -> None:
        self._act(ev.FirstContactMade(reached=True), late)

    @precondition(lambda self: self.in_state("ASSIGNED", "HANDLING", "SUSPENDED"))
    @rule(late=LATE)
    def reports_progress(self, late: int) -> None:
        self._act(ev.ProgressReported(), late)

    @precondition(lambda self: self.in_state("HANDLING"))
    @rule(late=LATE)
    def pauses(self, late: int) -> None:
        self._act(ev.CaseSuspended(), late)

    @precondition(lambda self: self.in_state("SUSPENDED"))
    @rule(late=LATE)
    def resumes(self, late: int) -> None:
        self._act(ev.CaseResumed(), late)

    @precondition(lambda self: self.in_state("HANDLING", "SUSPENDED"))
    @rule(
        days=st.integers(-1, 10),
        approver=st.sampled_from((None, "office", "office", "vice_convener", "convener")),
        late=LATE,
    )
    def extends(self, days: int, approver: str | None, late: int) -> None:
        clock = self.oracle.clocks.get("T09")
        to = (clock.due if clock else self.now) + timedelta(days=days)
        if approver is None:
            self._act(ev.ExtensionRequested(to=to), late)
        else:
            fields = {"to": to, "approver": approver}
            self._act(ev.ExtensionApproved.model_validate(fields), late)

    @precondition(lambda self: self.in_state("ASSIGNED", "HANDLING"))
    @rule(late=LATE)
    def returns(self, late: int) -> None:
        self._act(ev.ReturnRequested(), late)

    @precondition(lambda self: self.in_state("RETURN_REVIEW"))
    @rule(approved=st.booleans(), late=LATE)
    def answers_the_return(self, late: int, *, approved: bool) -> None:
        self._act(ev.ReturnApproved() if approved else ev.ReturnNotApproved(), late)

    @precondition(lambda self: self.in_state("RETURNED", "HANDLING"))
    @rule()
    def transfers(self) -> None:
        self._act(reassignment(cause=f"decision {len(self.events)}"), 0)

    @precondition(lambda self: self.in_state("RETURNED"))
    @rule()
    def leaves_the_city(self) -> None:
        self._act(ev.ComplaintTransferredOut(to_body="sealed:x"), 0)

    @precondition(lambda self: not self.in_state("MERGED", "OUT", "CLOSED"))
    @rule(sure=st.integers(0, 7))
    def is_merged_away(self, sure: int) -> None:
        if sure == 7:
            self._act(ev.ComplaintMerged(cause="f", master="m", match="match:x"), 0)

    @precondition(lambda self: self.in_state("MERGED"))
    @rule()
    def is_separated_again(self) -> None:
        self._act(ev.ComplaintUnmerged(cause="r", master="m"), 0)
        self._act(assignment(cause="separated"), 0)

    @precondition(lambda self: not self.in_state("MERGED", "OUT") and len(self.oracle.owed) < 3)
    @rule(source=st.sampled_from(("12345", "window")), late=LATE)
    def another_is_merged_into_it(self, source: str, late: int) -> None:
        self._merge(source, late, CLAIM, {})

    @precondition(lambda self: not self.in_state("MERGED", "OUT") and len(self.oracle.asking) < 3)
    @rule(
        source=st.sampled_from(("12345", "window")),
        asks=st.sampled_from((CLAIM // 2, CLAIM, CLAIM * 2)),
        late=LATE,
    )
    def is_claimed_again(self, source: str, asks: int, late: int) -> None:
        self._merge(source, late, asks, {"1": "1"})

    @precondition(lambda self: self.oracle.asking and not self.in_state("MERGED", "OUT"))
    @rule(which=st.integers(0, 3))
    def takes_it_back(self, which: int) -> None:
        names = sorted(self.oracle.asking)
        name = names[which % len(names)]
        (added,) = (
            event.data
            for event in self.events
            if isinstance(event.data, ev.ClaimLinesAdded) and event.data.from_case == name
        )
        gone = {"cause": name, "from_case": name, "source": added.source, "source_ref": name}
        self._act(ev.ClaimLinesRemoved.model_validate({**gone, "lines": ("1",)}), 0)

    @precondition(lambda self: self.in_state("HANDLING", "REVIEW_TF", "FOLLOW_UP", "CLOSED"))
    @rule(late=LATE)
    def is_verified(self, late: int) -> None:
        fact = ev.VerifiedLine(line="1", amount_fen=CLAIM, months=1)
        self._act(ev.FactsVerified(lines=(fact,)), late)

    def _merge(self, source: str, late: int, fen: int, same: dict[str, str]) -> None:
        self.names += 1
        line = ev.ClaimLine(line="1", amount_fen=fen, months_from="2021-07")
        added = ev.ClaimLinesAdded(
            cause=f"found {self.names}",
            from_case=f"B{self.names}",
            source=source,
            source_ref=f"B{self.names}",
            tier="CITY",
            received_at=self.now - late * HOUR,
            registered_at=self.now,
            lines=(line,),
            same=same,
            reopens=self.in_state("CLOSED"),
        )
        self._act(added, 0)

    @precondition(lambda self: any(not done for done in self.oracle.sources.values()))
    @rule(late=LATE)
    def replies(self, late: int) -> None:
        if not self.in_state("MERGED"):
            source = min(name for name, done in self.oracle.sources.items() if not done)
            name, _, ref = source.partition("|")
            self._act(ev.SourceReplied(source=name, source_ref=ref), late)

    @precondition(lambda self: not self.in_state("MERGED", "OUT", "RETURN_REVIEW", "RETURNED"))
    @rule(part=st.sampled_from((CLAIM, CLAIM, CLAIM // 2)), line=st.integers(0, 3), late=LATE)
    def pays(self, part: int, line: int, late: int) -> None:
        self.names += 1
        lines = sorted(self.oracle.owed)
        paid = (ev.PaidLine(line=lines[line % len(lines)], amount_fen=part),)
        self._act(ev.PaymentVerified(payment=f"p{self.names}", lines=paid), late)

    @precondition(lambda self: self.in_state("ASSIGNED", "HANDLING", "REVIEW_TF", "FOLLOW_UP"))
    @rule(late=LATE)
    def pays_everything(self, late: int) -> None:
        for line in sorted(self.oracle.owed):
            self.names += 1
            paid = (ev.PaidLine(line=line, amount_fen=CLAIM),)
            self._act(ev.PaymentVerified(payment=f"p{self.names}", lines=paid), late)

    @precondition(lambda self: self.oracle.paid and not self.in_state("MERGED", "OUT"))
    @rule(which=st.integers(0, 3), late=LATE)
    def reverses(self, which: int, late: int) -> None:
        names = sorted(self.oracle.paid)
        name = names[which % len(names)]
        line, fen = self.oracle.paid[name]
        paid = (ev.PaidLine(line=line, amount_fen=fen),)
        self._act(ev.PaymentReversed(payment=name, lines=paid), late)

    @precondition(lambda self: self.in_state("HANDLING") and (self.oracle.full() or self.names % 2))
    @rule(late=LATE)
    def asks_to_close(self, late: int) -> None:
        self._act(ev.ClosureRequested(kind="PAID_IN_FULL"), late)

    @precondition(lambda self: self.in_state("REVIEW_TF", "REVIEW_OFFICE"))
    @rule(passed=st.sampled_from((True, True, False)), late=LATE)
    def is_reviewed(self, late: int, *, passed: bool) -> None:
        stage = {"stage": "tf" if self.in_state("REVIEW_TF") else "office"}
        kind: type[Any] = ev.ClosureReviewPassed if passed else ev.ClosureReturned
        self._act(kind.model_validate(stage), late)

    @precondition(lambda self: self.in_state("FOLLOW_UP"))
    @rule(
        got=st.sampled_from(("Y", "Y", "Y", "part")),
        mood=st.sampled_from(("satisfied", "mostly", "unsatisfied")),
        late=LATE,
    )
    def is_followed_up(self, got: str, mood: str, late: int) -> None:
        fields = {"got_paid": got, "satisfaction": mood}
        self._act(ev.FollowUpCompleted.model_validate(fields), late)

    @precondition(lambda self: self.in_state("CLOSED"))
    @rule(late=LATE)
    def is_written_off(self, late: int) -> None:
        if not self.oracle.written_off:
            self._act(ev.CaseWrittenOff(), late)

    @precondition(lambda self: self.in_state("CLOSED"))
    @rule(late=LATE)
    def was_closed_falsely(self, late: int) -> None:
        self._act(ev.FalseClosureFound(), late)

    @precondition(lambda self: len(self.told.books.adopted) < 3)
    @rule(ahead=st.integers(1, 12))
    def a_newer_calendar_is_adopted(self, ahead: int) -> None:
        """One more day of rest; what is open is counted anew, in the open."""
        rest = self.now.date() + timedelta(days=ahead)
        raw = copy.deepcopy(self._raw)
        raw["calendar"]["rest"].append(rest.isoformat())
        raw["calendar"]["makeup"] = [d for d in raw["calendar"]["makeup"] if d != str(rest)]
        self._raw = raw
        self._adopt(raw)
        self.oracle.adopt(self.now, rest)
        self.time_passes(1)

    _raw: dict[str, Any] = read_book("dengfeng-2021-35")

    def _adopt(self, raw: dict[str, Any]) -> None:
        books = self.told.books.adopted
        name = f"adoption-{len(books) + 1}"
        self.told.books = Books([*books, adopt(raw, self.now.astimezone(UTC), name)])

    # --- how it is recorded ---------------------------------------------------------------------

    def _act(self, data: AnyData, late: int) -> None:
        """Recorded now; happened up to `late` hours before, but after what it answers."""
        self.now += timedelta(minutes=0 if self.exact else 1)
        self.exact = False
        self.oracle.advance(self.now)
        floor = max(self.oracle.assigned or self.now, self.oracle.suspended or self.now - 99 * HOUR)
        happened = self.now if isinstance(data, ev.Decision) else self.now - late * HOUR
        happened = min(self.now, max(happened, floor))
        if not self._still_possible(data):
            return
        self.oracle.act(data, happened, self.now)
        self.oracle.advance(self.now)
        self._append(data, happened, self.now)

    def _still_possible(self, data: AnyData) -> bool:
        """A minute later the case may have moved on by itself: signed, or resumed."""
        if isinstance(data, ev.AssignmentSigned):
            return self.in_state("ASSIGNED")
        return not isinstance(data, ev.CaseResumed) or self.in_state("SUSPENDED")

    def _append(self, data: AnyData, happened: datetime, recorded: datetime) -> None:
        decision = isinstance(data, ev.Decision)
        event = Event(
            id=derived_id("life", str(len(self.events))),
            subject=CASE,
            time=happened.astimezone(UTC),
            recordedtime=recorded.astimezone(UTC),
            data=data,
            actor=OFFICE,
            decidedby="another" if decision else None,
        )
        self.events.append(event)
        self.told.take(event)

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def clocks_are_what_a_recount_finds(self) -> None:
        dues: dict[str, list[datetime]] = {}
        for data in self.told.of(ev.DeadlineSet):
            if data.timer in TIMERS:
                dues.setdefault(key_of(data), []).append(data.due_at)
        assert dues == self.oracle.dues
        assert self.told.running() & TIMERS == {key.split("|")[0] for key in self.oracle.clocks}

    @invariant()
    def alerts_are_what_a_recount_finds(self) -> None:
        raised: dict[str, list[tuple[datetime, str]]] = {}
        for event in self.told.decided:
            if isinstance(event.data, ev.AlertRaised) and event.data.timer in TIMERS:
                raised.setdefault(key_of(event.data), []).append((event.time, event.data.level))
        assert raised == self.oracle.alerts

    @invariant()
    def endings_are_what_a_recount_finds(self) -> None:
        told, oracle = self.told, self.oracle
        assert [data.code for data in told.of(ev.ExtensionRefused)] == oracle.refused
        closed = [event.time for event in told.decided if isinstance(event.data, ev.CaseClosed)]
        assert closed == oracle.closings
        assert [data.reason for data in told.of(ev.CaseReopened)] == oracle.reopenings
        owed = [d for d in told.of(ev.SourceReplyOwed) if d.conclusion == "PAID_IN_FULL"]
        assert len(owed) == oracle.replies_owed

    @invariant()
    def a_case_that_is_over_has_no_live_timer(self) -> None:
        if self.in_state("MERGED"):
            assert self.told.running() == set()
        if self.in_state("OUT"):
            assert self.told.running() <= {"T10"}
        if self.in_state("CLOSED"):
            assert self.told.running() <= OUTLIVES

    @invariant()
    def a_newer_calendar_moves_in_the_open(self) -> None:
        """Each move names the book that made it, from the due before to the one after."""
        books = {book.adoption_id for book in self.told.books.adopted[1:]}
        before: dict[str, datetime] = {}
        moved: dict[str, list[tuple[datetime, datetime]]] = {}
        for event in self.told.decided:
            data = event.data
            if isinstance(data, ev.DeadlineSet) and data.timer in TIMERS:
                key = key_of(data)
                if data.cause in books:
                    assert data.moved
                    moved.setdefault(key, []).append((before[key], data.due_at))
                before[key] = data.due_at
        assert moved == self.oracle.moved

    def teardown(self) -> None:
        """An outage of any length, here the longest: everything is read at the very end."""
        if not hasattr(self, "told"):
            return
        worker = laws.Worker(STREAMS["case"], CASE, self.told.books)
        worker.log = list(self.events)
        worker.sweep(self.now.astimezone(UTC))
        worker.publish(self.now.astimezone(UTC))
        assert laws.outcome(worker.decided()) == laws.outcome(self.told.decided)


assert set(DATES) <= TIMERS
CaseLife.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCaseLife = CaseLife.TestCase
