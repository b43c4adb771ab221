"""Closing, following up, writing off and reopening (T12-T15, T18; I-01, I-03, I-19)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import TANGZHUANG, Story, claim, full


def settled(story: Story, at: str = "2021-11-15 09:00", **fields: Any) -> None:
    """Assigned, signed and paid in full."""
    story.assigned(at, **fields)
    story.signed(at)
    story.paid(at, payment="款一")


def unreached(story: Story, *times: str) -> None:
    """Tries to follow up that reach nobody."""
    for at in times:
        story.line(at, "A", "FollowUpAttempted")


class TestReview:
    def test_over_the_make_up_days(self, story: Story) -> None:
        settled(story, "2022-01-27 09:00")
        story.line("2022-01-28 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.line("2022-01-29 10:00", "A", "ClosureReviewPassed", stage="tf")
        story.line("2022-01-30 10:00", "A", "ClosureReviewPassed", stage="office")
        story.run("2022-02-10 00:00")
        assert story.dues("T12", step="tf") == ["2022-01-30 00:00"]
        assert story.dues("T12", step="office") == ["2022-01-31 00:00"]
        assert story.dues("T13") == ["2022-02-09 00:00"]
        assert story.alerts("T12") == ["2022-01-29 09:00 L1", "2022-01-30 09:00 L1"]
        assert story.alerts("T13") == [
            "2022-02-08 09:00 L1",
            "2022-02-09 00:00 L3",
            "2022-02-10 00:00 L4",
        ]

    def test_returned_by_the_office(self, story: Story) -> None:
        settled(story)
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.line("2021-11-17 10:00", "A", "ClosureReviewPassed", stage="tf")
        story.line("2021-11-18 10:00", "A", "ClosureReturned", stage="office", reason="缺凭证")
        story.run("2021-12-08 00:00")
        # 19, 22, 23; the ladder of a redo is the full one: 24, 26, 30 and 12-07 are the k-th days.
        assert story.dues("T18") == ["2021-11-24 00:00"]
        assert story.alerts("T18") == [
            "2021-11-19 09:00 L1",
            "2021-11-23 09:00 L2",
            "2021-11-24 00:00 L3",
            "2021-11-25 00:00 L4",
            "2021-11-27 00:00 L5",
            "2021-12-01 00:00 L6",
            "2021-12-08 00:00 L7",
        ]
        assert story.alerts("T09") == [], "handling stopped at the request"

    def test_unpaid_nothing_stops(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.paid("2021-11-16 09:00", 799_999)
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-30 00:00")
        assert story.one("ClosureRefused")["reasons"] == ["UNPAID"]
        assert story.dues("T12") == []
        assert story.alerts("T09")[-1] == "2021-11-30 00:00 L3"

    def test_the_wrong_reviewer(self, story: Story) -> None:
        settled(story)
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        by = {"unit": TANGZHUANG, "role": "township"}
        story.line("2021-11-16 11:00", "A", "ClosureReviewPassed", stage="tf", by_=by)
        story.line("2021-11-16 11:00", "A", "ClosureReviewPassed", stage="office")
        story.run("2021-11-16 12:00", refused=2)
        assert [status for _, status, _ in story.refusals()] == [403, 409]

    def test_a_line_that_was_found_when_verifying_is_owed_too(self, story: Story) -> None:
        """I-01: every verified claim, also of a worker whom the complaint did not name."""
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        lines = [{"line": "7", "amount_fen": 300_000, "months": 2}]
        story.line("2021-11-15 11:00", "A", "FactsVerified", lines=lines)
        story.paid("2021-11-16 09:00", payment="一")
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-17 09:00", 300_000, "7", payment="七")
        story.line("2021-11-17 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-17 10:00")
        refused = story.one("ClosureRefused")
        assert (refused["at"], refused["reasons"]) == ("2021-11-16 10:00", ["UNPAID"])

    def test_a_payment_that_bounced_counts_again_once_it_is_verified_anew(
        self, story: Story
    ) -> None:
        """Rows 31-33: what counts is the proof of receipt; a new one may be of the same voucher."""
        settled(story)
        lines = [{"line": "1", "amount_fen": 800_000}]
        story.line("2021-11-15 12:00", "A", "PaymentReversed", payment="款一", lines=lines)
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.line("2021-11-17 09:00", "A", "PaymentVerified", payment="款一", lines=lines)
        story.line("2021-11-17 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-17 10:00")
        refused = story.one("ClosureRefused")
        assert (refused["at"], refused["reasons"]) == ("2021-11-16 10:00", ["UNPAID"])

    def test_every_line_is_paid_for_itself(self, story: Story) -> None:
        claims = [claim(1, 500_000), claim(2, 300_000)]
        story.assigned("2021-11-15 09:00", workers=2, claims=claims)
        story.signed("2021-11-15 10:00")
        story.paid("2021-11-16 09:00", 800_000, "1")
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-17 09:00", 300_000, "2")
        story.line("2021-11-17 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-17 10:00")
        assert story.times("ClosureRefused") == ["2021-11-16 10:00"]
        assert story.dues("T12", step="tf") == ["2021-11-19 00:00"]

    def test_what_was_verified_is_the_measure(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.verified("2021-11-15 11:00", (600_000, 3))
        story.paid("2021-11-16 09:00", 600_000)
        story.line("2021-11-16 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-16 10:00")
        assert story.of("ClosureRefused") == []


class TestFollowUp:
    def reviewed(self, story: Story, **fields: Any) -> None:
        settled(story, **fields)
        story.reviewed("2021-11-16 10:00")

    def test_paid_and_satisfied(self, story: Story) -> None:
        self.reviewed(story)
        story.followed_up("2021-11-17 10:00", satisfaction="mostly")
        story.line("2021-11-18 10:00", "A", "CaseWrittenOff")
        story.run("2021-12-20 00:00")
        closed = story.one("CaseClosed")
        assert (closed["at"], closed["kind"]) == ("2021-11-17 10:00", "PAID_IN_FULL")
        assert story.dues("T14") == ["2021-11-19 00:00"]
        assert story.dues("T15") == ["2021-12-18 00:00"]
        assert story.alerts("T14") == ["2021-11-18 09:00 L1"]
        assert story.alerts("T15") == []
        owed = story.one("SourceReplyOwed")
        assert (owed["source"], owed["source_ref"]) == ("window", "A")

    def test_not_written_off_in_time(self, story: Story) -> None:
        self.reviewed(story)
        story.followed_up("2021-11-17 10:00")
        story.run("2021-11-20 00:00")
        assert story.alerts("T14") == [
            "2021-11-18 09:00 L1",
            "2021-11-19 00:00 L3",
            "2021-11-20 00:00 L4",
        ]

    def test_part_of_it_before_the_festival_is_capped(self, story: Story) -> None:
        settled(story, "2022-01-26 09:00")
        story.reviewed("2022-01-28 10:00")
        story.followed_up("2022-01-29 10:00", got_paid="part", satisfaction="unsatisfied")
        story.run("2022-02-08 00:00")
        refused = story.one("ClosureRefused")
        assert set(refused["reasons"]) >= {"NOT_PAID", "UNSATISFIED"}
        assert story.times("FalseClosureSuspected") == ["2022-01-29 10:00"]
        # Three days would be 01-30, 02-07, 02-08; the campaign date comes before.
        assert story.dues("T18") == ["2022-02-01 00:00"]
        # Two working days before 01-31 is 01-29 09:00, which is over: it comes a day later.
        assert story.alerts("T18") == [
            "2022-01-31 00:00 L1",
            "2022-01-31 09:00 L2",
            "2022-02-01 00:00 L3",
            "2022-02-08 00:00 L4",
        ]

    def test_unsatisfied_but_paid(self, story: Story) -> None:
        self.reviewed(story)
        story.followed_up("2021-11-17 10:00", satisfaction="unsatisfied")
        story.line("2021-11-19 10:00", "A", "FollowUpWaived", reason="诉求在工资以外")
        story.run("2021-11-19 10:00")
        assert story.one("ClosureRefused")["reasons"] == ["UNSATISFIED"]
        # Review passed on 11-16: two days; and two to explain from 11-17.
        assert story.dues("T13") == ["2021-11-19 00:00", "2021-11-20 00:00"]
        assert story.dues("T18") == []
        assert story.times("CaseClosed") == ["2021-11-19 10:00"]

    def test_unreached_three_times(self, story: Story) -> None:
        self.reviewed(story)
        answer = {"got_paid": "N", "satisfaction": "unreached"}
        story.followed_up("2021-11-17 10:00", **answer)
        story.followed_up("2021-11-17 16:00", **answer)
        story.followed_up("2021-11-18 10:00", **answer)
        story.line("2021-11-18 15:00", "A", "FollowUpWaived", reason="三次未联系上")
        story.run("2021-11-18 15:00")
        assert [d["reasons"] for d in story.of("ClosureRefused")] == [["FOLLOW_UP_MISSING"]] * 3
        assert story.dues("T13") == ["2021-11-19 00:00"]
        assert story.dues("T18") == []
        assert story.times("CaseClosed") == ["2021-11-18 15:00"]

    def test_the_office_cannot_waive_money(self, story: Story) -> None:
        self.reviewed(story)
        unreached(story, "2021-11-16 15:00", "2021-11-16 18:00", "2021-11-17 08:30")
        story.line(
            "2021-11-17 09:00",
            "A",
            "PaymentReversed",
            payment="款一",
            lines=[{"line": "1", "amount_fen": 1}],
        )
        story.line("2021-11-17 10:00", "A", "FollowUpWaived", reason="三次未联系上")
        story.run("2021-11-17 10:00")
        assert story.one("ClosureRefused")["reasons"] == ["NOT_PAID"]
        assert story.dues("T18") == ["2021-11-23 00:00"]
        assert story.of("CaseClosed") == []

    def test_the_office_decides_after_the_last_payment(self, story: Story) -> None:
        """A decision that is dated before it waits for another one (I-01)."""
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.paid("2021-11-17 10:00", payment="一")
        story.reviewed("2021-11-17 11:00")
        unreached(story, "2021-11-17 12:00", "2021-11-18 09:00", "2021-11-18 09:30")
        at = "2021-11-18 10:00"
        story.line(at, "A", "FollowUpWaived", reason="三次未联系上", happened_="2021-11-17 09:00")
        story.line("2021-11-18 11:00", "A", "FollowUpWaived", reason="三次未联系上")
        story.run("2021-11-18 11:00")
        assert story.one("ClosureRefused")["reasons"] == ["FOLLOW_UP_MISSING"]
        assert story.times("CaseClosed") == ["2021-11-18 11:00"]

    def test_nobody_is_waived_whom_nobody_has_asked(self, story: Story) -> None:
        self.reviewed(story)
        waived = {"reason": "三次未联系上"}
        early = story.line("2021-11-17 10:00", "A", "FollowUpWaived", **waived)
        unreached(story, "2021-11-17 11:00", "2021-11-17 15:00", "2021-11-17 17:00")
        one_day = story.line("2021-11-17 18:00", "A", "FollowUpWaived", **waived)
        unreached(story, "2021-11-18 09:00")
        story.line("2021-11-18 12:00", "A", "FollowUpWaived", **waived)
        story.run("2021-11-18 12:00", refused=2)
        assert story.refusals() == [(early, 409, "NO_FOLLOW_UP"), (one_day, 409, "NO_FOLLOW_UP")]
        assert story.times("CaseClosed") == ["2021-11-18 12:00"]

    def test_asked_by_the_handlers_own_unit(self, story: Story) -> None:
        self.reviewed(story)
        own = {"unit": TANGZHUANG, "role": "office"}
        answer = {"got_paid": "Y", "satisfaction": "satisfied"}
        story.line("2021-11-17 10:00", "A", "FollowUpCompleted", **answer, by_=own)
        own = {"unit": TANGZHUANG, "role": "township"}
        story.line("2021-11-17 11:00", "A", "FollowUpCompleted", **answer, by_=own)
        story.followed_up("2021-11-17 12:00")
        story.run("2021-11-17 12:00", refused=1)
        assert story.one("ClosureRefused")["reasons"] == ["SAME_UNIT"]
        assert [status for _, status, _ in story.refusals()] == [403]
        assert story.times("CaseClosed") == ["2021-11-17 12:00"]

    def test_one_that_came_before_the_last_payment(self, story: Story) -> None:
        self.reviewed(story)
        story.paid("2021-11-17 12:00", 1)
        story.line(
            "2021-11-17 15:00",
            "A",
            "FollowUpCompleted",
            got_paid="Y",
            satisfaction="satisfied",
            happened_="2021-11-17 10:00",
        )
        story.run("2021-11-17 15:00")
        assert story.one("ClosureRefused")["reasons"] == ["FOLLOW_UP_MISSING"]

    @pytest.mark.parametrize("kind", ["UNFOUNDED", "WITHDRAWN"])
    def test_other_kinds_need_no_money(self, story: Story, kind: str) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.reviewed("2021-11-16 10:00", kind=kind)
        story.followed_up("2021-11-17 10:00", got_paid="N")
        story.run("2021-11-17 10:00")
        assert story.one("CaseClosed")["kind"] == kind


class TestFastLaneUnderReview:
    """4.3: fled and false closure jump under the running T09, else under the T18 that follows."""

    def begun(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.paid("2021-11-15 11:00")
        story.reviewed("2021-11-16 10:00")

    def test_false_closure(self, story: Story) -> None:
        self.begun(story)
        story.line("2021-11-16 15:00", "A", "FalseClosureFound", evidence="流水")
        story.followed_up("2021-11-17 10:00", got_paid="part", satisfaction="unsatisfied")
        story.run("2021-11-18 08:00")
        jumped = story.one("AlertRaised", timer="T18")
        assert (jumped["at"], jumped["level"]) == ("2021-11-17 10:00", "L5")
        assert jumped["due_at"] == full("2021-11-16 15:00")
        assert len(story.of("SupervisionNoticeIssued", timer="T18")) == 1

    def test_fled(self, story: Story) -> None:
        self.begun(story)
        lines = [{"line": "1", "amount_fen": 900_000, "months": 3}]
        story.line("2021-11-16 15:00", "A", "FactsVerified", root_cause="FLED", lines=lines)
        story.followed_up("2021-11-17 10:00")
        story.run("2021-11-18 08:00")
        jumped = story.one("AlertRaised", timer="T18")
        assert (jumped["at"], jumped["level"]) == ("2021-11-17 10:00", "L4")
        assert "市公安局" in jumped["recipients"]

    def test_nothing_where_it_closes_all_the_same(self, story: Story) -> None:
        self.begun(story)
        lines = [{"line": "1", "amount_fen": 800_000, "months": 3}]
        story.line("2021-11-16 15:00", "A", "FactsVerified", root_cause="FLED", lines=lines)
        story.followed_up("2021-11-17 10:00")
        story.run("2021-11-30 00:00")
        assert story.times("CaseClosed") == ["2021-11-17 10:00"]
        assert [a for a in story.alerts("T18") + story.alerts("T09") if "L4" in a] == []


class TestReopening:
    def test_a_payment_that_bounced(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.paid("2021-11-15 11:00", payment="款一")
        story.reviewed("2021-11-16 10:00")
        story.followed_up("2021-11-17 10:00")
        story.line(
            "2021-11-24 10:00",
            "A",
            "PaymentReversed",
            payment="款一",
            lines=[{"line": "1", "amount_fen": 800_000}],
        )
        story.paid("2021-11-25 10:00", payment="款二")
        story.reviewed("2021-11-25 11:00")
        story.followed_up("2021-11-26 10:00")
        story.run("2021-11-26 10:00")
        again = story.one("CaseReopened")
        assert (again["at"], again["reason"]) == ("2021-11-24 10:00", "PAYMENT_REVERSED")
        assert story.dues("T18") == ["2021-11-30 00:00"]
        assert story.dues("A5") == ["2022-02-01 00:00"] * 2
        assert story.times("CaseClosed") == ["2021-11-17 10:00", "2021-11-26 10:00"]
        assert story.dues("T14") == ["2021-11-19 00:00", "2021-11-30 00:00"]

    def test_a_false_closure_is_named_at_once(self, story: Story) -> None:
        settled(story)
        story.reviewed("2021-11-16 10:00")
        story.followed_up("2021-11-17 10:00")
        story.line("2021-11-24 10:00", "A", "FalseClosureFound", evidence="回访录音")
        story.run("2021-12-07 00:00")
        assert story.one("CaseReopened")["reason"] == "FALSE_CLOSURE"
        # Redo: 25, 26, 29. Below the fifth nothing more is raised; the notice comes once.
        assert story.dues("T18") == ["2021-11-30 00:00"]
        assert story.alerts("T18") == ["2021-11-24 10:00 L5", "2021-12-07 00:00 L6"]
        raised = story.one("AlertRaised", timer="T18", level="L5")
        assert raised["due_at"] == full("2021-11-24 10:00")
        assert story.times("SupervisionNoticeIssued", timer="T18") == ["2021-11-24 10:00"]

    @pytest.mark.parametrize(
        ("at", "reopened"), [("2021-12-17 23:59", True), ("2021-12-18 00:00", False)]
    )
    def test_once_written_off_within_thirty_days(
        self, story: Story, at: str, *, reopened: bool
    ) -> None:
        settled(story)
        story.reviewed("2021-11-16 10:00")
        story.followed_up("2021-11-17 10:00")
        story.line("2021-11-18 10:00", "A", "CaseWrittenOff")
        story.line(at, "A", "FalseClosureFound", evidence="举报")
        story.run(at)
        assert (story.times("CaseReopened") == [at]) is reopened

    @pytest.mark.parametrize(
        ("at", "reopens"), [("2021-12-17 23:59", True), ("2021-12-18 00:00", False)]
    )
    def test_the_same_worker_again(self, story: Story, at: str, *, reopens: bool) -> None:
        same: dict[str, Any] = {
            "employer": {"name": "示例服装厂", "ownership": "private", "industry": "1810"},
            "project": None,
            "claims": [claim(7, 800_000)],
        }
        settled(story, **same)
        story.reviewed("2021-11-16 10:00")
        story.followed_up("2021-11-17 10:00")
        story.complaint(at, "B", source="12345", **same)
        story.run(at)
        if reopens:
            assert story.one("ComplaintMerged", "B")["master"] == "A"
            assert story.times("CaseReopened") == [at]
        else:
            assert story.of("ComplaintMerged", "B") == []
            assert story.of("CaseReopened") == []


class TestInstalments:
    def plan(self, story: Story, at: str, *days: str) -> None:
        parts = [{"n": n, "due_on": day, "amount_fen": 400_000} for n, day in enumerate(days, 1)]
        story.line(at, "A", "InstalmentPlanAgreed", plan=parts)

    def begun(self, story: Story) -> None:
        story.assigned("2022-01-20 09:00", amount_fen=1_200_000)
        story.signed("2022-01-20 10:00")

    def test_pay_days_on_rest_days_come_before_them(self, story: Story) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-28", "2022-02-05", "2022-04-05")
        story.paid("2022-01-28 16:00", 400_000)
        story.run("2022-04-03 00:00")
        # 02-05 lies in the festival: Sunday 01-30; 04-05 in 清明: Saturday 04-02.
        assert story.dues("T16") == [
            "2022-01-29 00:00",
            "2022-01-31 00:00",
            "2022-04-03 00:00",
        ]
        assert story.alerts("T16") == [
            "2022-01-28 09:00 L1",
            "2022-01-30 09:00 L1",
            "2022-04-02 09:00 L1",
        ]
        assert [(d["at"], d["n"], d["plan_void"]) for d in story.of("InstalmentDefaulted")] == [
            ("2022-01-31 00:00", 2, False),
            ("2022-04-03 00:00", 3, True),
        ]

    def test_the_second_default_ends_the_plan(self, story: Story) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-26", "2022-01-27", "2022-02-10")
        story.run("2022-03-01 00:00")
        assert [(d["at"], d["n"], d["plan_void"]) for d in story.of("InstalmentDefaulted")] == [
            ("2022-01-27 00:00", 1, False),
            ("2022-01-28 00:00", 2, True),
        ]
        assert story.alerts("T16") == ["2022-01-26 09:00 L1", "2022-01-27 09:00 L1"]

    def test_paid_exactly_at_the_end_of_the_day_is_late(self, story: Story) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-26", "2022-01-28", "2022-02-10")
        story.paid("2022-01-27 00:00", 400_000)
        story.paid("2022-01-28 23:59", 400_000)
        story.run("2022-01-30 00:00")
        assert [d["n"] for d in story.of("InstalmentDefaulted")] == [1]

    @pytest.mark.parametrize(
        ("paid", "void"), [("2022-01-26 23:59", False), ("2022-01-27 00:00", True)]
    )
    def test_paid_in_time_and_recorded_late_is_no_default(
        self, story: Story, paid: str, *, void: bool
    ) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-26", "2022-01-28", "2022-02-10")
        story.paid("2022-01-27 10:00", 400_000, happened_=paid)
        story.run("2022-02-11 00:00")
        assert [(d["at"], d["n"], d["plan_void"]) for d in story.of("InstalmentDefaulted")] == [
            ("2022-01-27 00:00", 1, False),
            ("2022-01-29 00:00", 2, void),
            *([] if void else [("2022-02-11 00:00", 3, True)]),
        ]

    def test_a_void_plan_stands_again_once_it_is_known_to_have_been_kept(
        self, story: Story
    ) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-26", "2022-01-28", "2022-02-10")
        story.paid("2022-01-29 10:00", 800_000, happened_="2022-01-26 16:00", payment="一")
        story.paid("2022-02-09 10:00", 400_000)
        story.run("2022-02-20 00:00")
        assert [d["n"] for d in story.of("InstalmentDefaulted")] == [1, 2]
        assert story.dues("T16") == [
            "2022-01-27 00:00",
            "2022-01-29 00:00",
            "2022-02-11 00:00",
            "2022-02-11 00:00",
        ]

    def test_a_payment_that_bounced_is_a_default_again(self, story: Story) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-01-26", "2022-01-28", "2022-02-10")
        story.paid("2022-01-27 10:00", 400_000, happened_="2022-01-26 16:00", payment="一")
        lines = [{"line": "1", "amount_fen": 400_000}]
        story.line("2022-01-28 10:00", "A", "PaymentReversed", payment="一", lines=lines)
        story.run("2022-01-29 00:00")
        assert [(d["n"], d["plan_void"]) for d in story.of("InstalmentDefaulted")] == [
            (1, False),
            (2, True),
        ]

    def test_a_plan_is_not_payment(self, story: Story) -> None:
        self.begun(story)
        self.plan(story, "2022-01-24 10:00", "2022-02-10", "2022-02-20", "2022-03-10")
        story.line("2022-01-24 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-24 11:00")
        assert story.one("ClosureRefused")["reasons"] == ["UNPAID"]
