"""Referral to public security and what follows (T30-T38; Decree 310), both sides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import Story, full


def met(story: Story, at: str = "2022-01-12 00:00") -> None:
    """An order defaulted and the threshold is met at `at`."""
    story.assigned("2022-01-04 09:00")
    story.signed("2022-01-04 10:00")
    story.served("2022-01-07 10:00", limit=at)


def act(story: Story, at: str, type_: str, **data: Any) -> None:
    story.line(at, "A", type_, **data)


class TestOurSide:
    """Three days, and the last working day on or before their end."""

    @pytest.mark.parametrize(
        ("at", "due"),
        [
            ("2022-01-12 10:00", "2022-01-15 00:00"),  # Saturday 15: Friday
            ("2022-01-13 10:00", "2022-01-15 00:00"),  # Sunday 16: Friday
            ("2022-01-14 10:00", "2022-01-18 00:00"),  # Monday 17
        ],
    )
    def test_the_head_decides(self, story: Story, at: str, due: str) -> None:
        met(story)
        act(story, at, "ReferralProposed")
        story.run(at)
        assert story.dues("T30") == [due]

    @pytest.mark.parametrize(
        ("at", "due"),
        [
            ("2022-01-26 10:00", "2022-01-30 00:00"),  # Saturday 29 is worked
            ("2022-01-27 10:00", "2022-01-31 00:00"),  # Sunday 30 is worked
            ("2022-01-28 10:00", "2022-01-31 00:00"),  # Monday 31 rests: Sunday
        ],
    )
    def test_around_the_festival(self, story: Story, at: str, due: str) -> None:
        met(story, "2022-01-22 00:00")
        act(story, at, "ReferralProposed")
        story.run(at)
        assert story.dues("T30") == [due]

    def test_undecided(self, story: Story) -> None:
        met(story)
        act(story, "2022-01-13 10:00", "ReferralProposed")
        story.run("2022-01-20 00:00")
        assert story.alerts("T39") == []
        # Friday 01-14; then 17, and 18, 19.
        assert story.alerts("T30") == [
            "2022-01-15 00:00 L3",
            "2022-01-18 00:00 L4",
            "2022-01-20 00:00 L6",
        ]
        assert story.times("CaseEscalated") == ["2022-01-20 00:00"]

    def test_delivered_within_a_day(self, story: Story) -> None:
        met(story)
        act(story, "2022-01-13 10:00", "ReferralProposed")
        act(story, "2022-01-14 10:00", "ReferralApproved")
        act(story, "2022-01-17 09:00", "ReferralDelivered")
        story.run("2022-01-17 09:00")
        assert story.dues("T31") == ["2022-01-15 10:00"]
        assert story.alerts("T31") == ["2022-01-15 10:00 L3"], "hours run through a weekend"
        assert story.times("CaseReferredToPublicSecurity") == ["2022-01-17 09:00"]

    def test_proposed_again_it_has_no_more_time(self, story: Story) -> None:
        """I-07, I-20: the three days count from the first report; nothing is cleared by another."""
        met(story)
        act(story, "2022-01-13 10:00", "ReferralProposed")
        act(story, "2022-01-19 10:00", "ReferralProposed")
        story.run("2022-01-20 00:00")
        assert story.dues("T30") == ["2022-01-15 00:00"]
        assert [alert[-2:] for alert in story.alerts("T30")] == ["L3", "L4", "L6"]
        assert story.cleared("T30") == []

    def test_declined_and_proposed_anew_it_is_another_matter(self, story: Story) -> None:
        met(story)
        act(story, "2022-01-13 10:00", "ReferralProposed")
        act(story, "2022-01-14 10:00", "ReferralDeclined", reason="NO_CRIME")
        act(story, "2022-01-17 10:00", "ReferralProposed")
        story.run("2022-01-18 00:00")
        assert story.dues("T30") == ["2022-01-15 00:00", "2022-01-21 00:00"]

    def test_only_the_head_approves_and_only_then_is_it_delivered(self, story: Story) -> None:
        met(story)
        act(story, "2022-01-13 10:00", "ReferralProposed")
        by = {"unit": "市人社局", "role": "inspector"}
        act(story, "2022-01-13 11:00", "ReferralApproved", by_=by)
        act(story, "2022-01-13 12:00", "ReferralDelivered")
        story.run("2022-01-13 12:00", refused=2)
        assert [status for _, status, _ in story.refusals()] == [403, 409]
        assert story.of("CaseReferredToPublicSecurity") == []


class TestTheirSide:
    def delivered(self, story: Story, receipted: str) -> None:
        met(story)
        act(story, "2022-01-12 10:00", "ReferralProposed")
        act(story, "2022-01-12 11:00", "ReferralApproved")
        act(story, "2022-01-12 12:00", "ReferralDelivered")
        act(story, receipted, "ReferralReceipted")

    def test_told_again_nothing_moves_and_nobody_is_referred_twice(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 12:00", "ReferralDelivered")
        act(story, "2022-01-14 15:00", "ReferralReceipted")
        act(story, "2022-01-17 10:00", "PoliceFiled", doc_no="立1")
        act(story, "2022-01-19 10:00", "PoliceFiled", doc_no="立1")
        story.run("2022-01-20 00:00")
        assert story.times("CaseReferredToPublicSecurity") == ["2022-01-12 12:00"]
        assert story.dues("T33") == ["2022-01-18 00:00"]
        assert story.dues("T38") == ["2022-01-21 00:00"]

    def test_told_again_after_it_is_over_nothing_runs(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-13 09:00", "ReferralApproved")
        act(story, "2022-01-13 10:00", "PoliceFiled", doc_no="立1")
        act(story, "2022-01-14 15:00", "ReferralReceipted")
        story.run("2022-01-24 00:00")
        assert story.alerts("T31") == story.alerts("T33") == story.alerts("T32") == []

    def test_delivered_anew_after_the_police_declined(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-13 10:00", "PoliceDeclined", doc_no="不立1")
        act(story, "2022-01-14 10:00", "ReferralProposed")
        act(story, "2022-01-14 11:00", "ReferralApproved")
        act(story, "2022-01-14 12:00", "ReferralDelivered")
        story.run("2022-01-14 13:00")
        assert story.times("CaseReferredToPublicSecurity") == [
            "2022-01-12 12:00",
            "2022-01-14 12:00",
        ]

    @pytest.mark.parametrize(
        ("at", "due"),
        [
            ("2022-01-12 15:00", "2022-01-18 00:00"),  # Saturday 15 rolls to Monday 17
            ("2022-01-14 15:00", "2022-01-18 00:00"),
            ("2022-01-26 15:00", "2022-01-30 00:00"),  # Saturday 29 is worked
            ("2022-01-28 15:00", "2022-02-08 00:00"),  # Monday 31 rolls over the festival
        ],
    )
    def test_the_police_decide_in_three_days_that_roll(
        self, story: Story, at: str, due: str
    ) -> None:
        self.delivered(story, at)
        story.run(due)
        assert story.dues("T33") == [due]
        assert story.alerts("T33") == [f"{due} L6"]
        notice = story.one("SupervisionNoticeIssued", timer="T33")
        assert notice["at"] == due
        assert "市检察院" in notice["to"]

    def test_the_notice_is_answered_in_two_working_days(self, story: Story) -> None:
        self.delivered(story, "2022-01-28 15:00")
        story.run("2022-02-08 00:00")
        notice = story.one("SupervisionNoticeIssued", timer="T33")
        assert notice["reply_due_at"] == full("2022-02-11 00:00")

    def test_filed_and_the_materials(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-17 10:00", "PoliceFiled", doc_no="登公立字1号")
        story.run("2022-01-26 00:00")
        assert story.alerts("T33") == []
        assert story.dues("T38") == ["2022-01-21 00:00"]
        assert story.alerts("T38") == [
            "2022-01-21 00:00 L3",
            "2022-01-22 00:00 L4",
            "2022-01-26 00:00 L6",
        ]

    def test_the_materials_are_handed_over(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-17 10:00", "PoliceFiled", doc_no="登公立字1号")
        act(story, "2022-01-20 23:59", "MaterialsHandedOver")
        story.run("2022-02-01 00:00")
        assert story.alerts("T38") == []

    def test_a_filed_case_closes_only_when_paid(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-17 10:00", "PoliceFiled", doc_no="登公立字1号")
        act(story, "2022-01-18 10:00", "ClosureRequested", kind="WITHDRAWN")
        story.paid("2022-01-19 10:00")
        story.reviewed("2022-01-19 11:00")
        story.followed_up("2022-01-20 10:00")
        story.run("2022-01-20 10:00")
        assert story.one("ClosureRefused")["reasons"] == ["POLICE_FILED"]
        assert story.times("CaseClosed") == ["2022-01-20 10:00"]

    def test_refused_reconsidered_and_upheld(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 10:00", "PoliceDeclined", doc_no="登公不立1号")
        act(story, "2022-01-17 10:00", "ReconsiderationRequested")
        act(story, "2022-01-20 10:00", "ReconsiderationDecided", result="upheld")
        act(story, "2022-01-21 10:00", "SupervisionSuggested")
        act(story, "2022-01-24 10:00", "PoliceReasonsAsked")
        act(story, "2022-01-28 10:00", "FilingOrdered")
        story.run("2022-02-14 00:00")
        assert story.dues("T34") == ["2022-01-18 00:00"]
        assert story.dues("T35") == ["2022-01-21 00:00"]
        # Three days from Thursday 01-20 end on Sunday 01-23: Friday.
        assert story.dues("T36") == ["2022-01-22 00:00"]
        # Seven days: Monday 01-31 rests, so Monday 02-07; fifteen from 01-28: Saturday 02-12.
        assert story.dues("T37") == ["2022-02-08 00:00", "2022-02-15 00:00"]
        for timer in ("T33", "T34", "T35", "T36"):
            assert story.alerts(timer) == []

    def test_reversed_there_is_nothing_to_suggest(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 10:00", "PoliceDeclined", doc_no="登公不立1号")
        act(story, "2022-01-17 10:00", "ReconsiderationRequested")
        act(story, "2022-01-20 10:00", "ReconsiderationDecided", result="reversed")
        story.run("2022-02-14 00:00")
        assert story.dues("T36") == []
        assert story.alerts("T35") == []

    def test_neither_side_moves(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 10:00", "PoliceDeclined", doc_no="登公不立1号")
        act(story, "2022-01-20 10:00", "ReconsiderationRequested")
        story.run("2022-01-25 00:00")
        assert story.alerts("T34") == ["2022-01-18 00:00 L3", "2022-01-19 00:00 L4"]
        # From Thursday 01-20: Sunday 23 rolls to Monday 24.
        assert story.alerts("T35") == ["2022-01-25 00:00 L6"]

    def test_suggested_without_asking_the_police_again(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 10:00", "PoliceDeclined", doc_no="登公不立1号")
        act(story, "2022-01-17 10:00", "SupervisionSuggested")
        story.run("2022-02-01 00:00")
        assert story.alerts("T34") == []
        assert story.dues("T35") == []

    def test_a_document_of_the_police_is_needed(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-14 10:00", "PoliceFiled")
        by = {"unit": "市人社局", "role": "inspector"}
        act(story, "2022-01-14 11:00", "PoliceFiled", doc_no="登公立字1号", by_=by)
        story.run("2022-01-14 11:00", refused=2)
        assert [status for _, status, _ in story.refusals()] == [422, 403]

    def test_a_supplement_in_three_days(self, story: Story) -> None:
        self.delivered(story, "2022-01-12 15:00")
        act(story, "2022-01-13 10:00", "PoliceSupplementAsked", items=["工资表"])
        story.run("2022-01-18 00:00")
        # Sunday 01-16 rolls to Monday.
        assert story.dues("T32") == ["2022-01-13 15:00", "2022-01-18 00:00"]
        assert story.alerts("T32") == ["2022-01-18 00:00 L3"]
