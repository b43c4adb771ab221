"""Extension, suspension, return and reassignment (T06, T09, T11, T17; I-06, I-07, I-18)."""

from __future__ import annotations

import pytest

from tests.stories.telling import DAJINDIAN, TANGZHUANG, Story, full

START = "2021-11-11 10:00"  # handling due 24:00 of 11-25


def begun(story: Story, at: str = START, **fields: object) -> None:
    story.assigned(at, **fields)  # type: ignore[arg-type]
    story.signed(at)


class TestExtension:
    def approve(self, story: Story, at: str, to: str, approver: str = "office") -> None:
        story.line(at, "A", "ExtensionApproved", to=full(to), approver=approver)

    def test_once_by_the_office_once_by_a_vice_convener_no_third(self, story: Story) -> None:
        begun(story)
        self.approve(story, "2021-11-25 16:00", "2021-12-03 00:00")
        self.approve(story, "2021-12-02 10:00", "2021-12-10 00:00", "vice_convener")
        self.approve(story, "2021-12-09 10:00", "2021-12-11 00:00", "convener")
        story.run("2021-12-10 00:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-12-03 00:00", "2021-12-10 00:00"]
        assert [(d["at"], d["code"]) for d in story.of("ExtensionRefused")] == [
            ("2021-12-09 10:00", "THIRD")
        ]
        assert story.alerts("T09") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-30 09:00 L1",
            "2021-12-02 09:00 L2",
            "2021-12-07 09:00 L1",
            "2021-12-09 09:00 L2",
            "2021-12-10 00:00 L3",
        ]
        assert story.cleared("T09") == [
            "2021-11-25 16:00 L1",
            "2021-11-25 16:00 L2",
            "2021-12-02 10:00 L1",
            "2021-12-02 10:00 L2",
        ]

    def test_the_office_may_not_give_the_second(self, story: Story) -> None:
        begun(story)
        self.approve(story, "2021-11-24 10:00", "2021-12-01 00:00")
        self.approve(story, "2021-11-29 10:00", "2021-12-02 00:00")
        story.run("2021-11-29 10:00")
        assert len(story.of("ExtensionRefused")) == 1
        assert story.dues("T09")[-1] == "2021-12-01 00:00"

    def test_too_long_is_answered_at_the_request_and_the_approval_has_no_effect(
        self, story: Story
    ) -> None:
        begun(story)
        to = full("2021-12-04 00:00")  # a sixth working day
        story.line("2021-11-24 10:00", "A", "ExtensionRequested", to=to, reason="等待审计")
        self.approve(story, "2021-11-24 15:00", "2021-12-04 00:00")
        story.run("2021-11-26 00:00")
        assert [(d["at"], d["code"]) for d in story.of("ExtensionRefused")] == [
            ("2021-11-24 10:00", "TOO_LONG")
        ]
        assert story.dues("T09") == ["2021-11-26 00:00"]
        assert story.alerts("T09")[-1] == "2021-11-26 00:00 L3"

    def test_the_days_of_an_extension_are_working_days(self, story: Story) -> None:
        begun(story, "2022-01-14 10:00")  # seven: 17-21, 24, 25
        # Five after 01-25: 26, 27, 28 and the make-up days 29 and 30.
        self.approve(story, "2022-01-25 10:00", "2022-01-31 00:00")
        story.run("2022-01-25 10:00")
        assert story.dues("T09") == ["2022-01-26 00:00", "2022-01-31 00:00"]

    @pytest.mark.parametrize(
        ("at", "moved"), [("2021-11-25 23:59", True), ("2021-11-26 00:00", False)]
    )
    def test_never_after_expiry(self, story: Story, at: str, *, moved: bool) -> None:
        begun(story)
        self.approve(story, at, "2021-12-01 00:00")
        story.run(at)
        assert (len(story.dues("T09")) == 2) is moved
        codes = [data["code"] for data in story.of("ExtensionRefused")]
        assert codes == ([] if moved else ["AFTER_DUE"])

    def test_asked_in_time_and_approved_too_late(self, story: Story) -> None:
        begun(story)
        to = full("2021-12-01 00:00")
        story.line("2021-11-25 10:00", "A", "ExtensionRequested", to=to, reason="等待审计")
        self.approve(story, "2021-11-26 10:00", "2021-12-01 00:00")
        story.run("2021-11-26 10:00")
        assert [(d["at"], d["code"]) for d in story.of("ExtensionRefused")] == [
            ("2021-11-26 10:00", "AFTER_DUE")
        ]

    def test_approved_in_time_and_recorded_late_it_moves_what_is_overdue(
        self, story: Story
    ) -> None:
        begun(story)
        story.line(
            "2021-11-26 10:00",
            "A",
            "ExtensionApproved",
            to=full("2021-12-01 00:00"),
            approver="office",
            happened_="2021-11-25 17:00",
        )
        story.run("2021-12-01 00:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-12-01 00:00"]
        assert "2021-11-26 10:00 L3" in story.cleared("T09")
        assert story.alerts("T09")[-1] == "2021-12-01 00:00 L3"

    def test_beyond_the_campaign_date_only_the_convener(self, story: Story) -> None:
        begun(story, "2022-01-20 10:00")  # 21, 24-28, 29: due 24:00 of 01-29
        self.approve(story, "2022-01-28 10:00", "2022-02-08 00:00")
        self.approve(story, "2022-01-28 11:00", "2022-02-08 00:00", "vice_convener")
        self.approve(story, "2022-01-28 12:00", "2022-02-09 00:00", "convener")
        story.run("2022-02-25 00:00")
        assert [data["code"] for data in story.of("ExtensionRefused")] == ["BEYOND_CAP"] * 2
        assert story.dues("T09") == ["2022-01-30 00:00", "2022-02-09 00:00"]
        # The campaign date is missed all the same, and only there is the convener told.
        assert story.alerts("A5") == ["2022-02-01 00:00 L3", "2022-02-01 00:00 L7"]
        assert story.alerts("T09")[-4:] == [
            "2022-02-09 00:00 L3",
            "2022-02-10 00:00 L4",
            "2022-02-12 00:00 L5",
            "2022-02-16 00:00 L6",
        ]

    def test_up_to_the_campaign_date_it_is_the_offices(self, story: Story) -> None:
        begun(story, "2022-01-20 10:00")
        self.approve(story, "2022-01-28 10:00", "2022-02-01 00:00")
        story.run("2022-01-28 10:00")
        assert story.dues("T09")[-1] == "2022-02-01 00:00"
        assert story.of("ExtensionRefused") == []

    def test_an_approver_is_whoever_has_the_role(self, story: Story) -> None:
        begun(story)
        story.line(
            "2021-11-24 10:00",
            "A",
            "ExtensionApproved",
            to=full("2021-12-01 00:00"),
            approver="convener",
            by_={"unit": "联席办", "role": "office"},
        )
        story.run("2021-11-24 10:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [403]
        assert story.dues("T09") == ["2021-11-26 00:00"]


class TestSuspension:
    def test_over_the_new_year(self, story: Story) -> None:
        begun(story, "2021-12-20 10:00")  # due 24:00 of 01-04
        story.line("2021-12-30 10:00", "A", "CaseSuspended", reason="等待司法鉴定")
        story.line("2022-01-06 15:00", "A", "CaseResumed")
        story.run("2022-01-08 00:00")
        # Wholly in it: 12-31, 01-04, 01-05.
        assert story.dues("T09") == ["2022-01-05 00:00", "2022-01-08 00:00"]
        assert story.alerts("T09") == [
            "2021-12-30 09:00 L1",
            "2022-01-07 09:00 L2",
            "2022-01-08 00:00 L3",
        ]

    def test_a_weekend_is_no_working_day(self, story: Story) -> None:
        begun(story)
        story.line("2021-11-19 18:00", "A", "CaseSuspended", reason="劳动者失联")
        story.line("2021-11-22 09:00", "A", "CaseResumed")
        story.run("2021-11-22 09:00")
        assert story.dues("T09")[-1] == "2021-11-26 00:00"

    def test_across_its_campaign_date(self, story: Story) -> None:
        begun(story, "2022-01-20 10:00")  # due 24:00 of 01-29
        story.line("2022-01-26 10:00", "A", "CaseSuspended", reason="等待法院")
        story.run("2022-02-24 00:00")
        # 27-30 January are four, 7-18 February ten, and the 21st.
        assert story.dues("T17") == ["2022-02-22 00:00"]
        assert story.alerts("T17") == ["2022-02-17 09:00 L1"]
        assert story.times("SuspensionLapsed") == ["2022-02-22 00:00"]
        assert story.alerts("A5") == ["2022-02-01 00:00 L3", "2022-02-01 00:00 L7"]
        assert story.dues("T09")[-1] == "2022-02-01 00:00", "never beyond the date"
        # Resumed on 02-22: at 24:00 of the working day after, the highest of what is over.
        assert story.alerts("T09")[-1] == "2022-02-24 00:00 L6"

    def test_statutory_clocks_do_not_stop(self, story: Story) -> None:
        begun(story)
        story.served("2021-11-12 10:00")
        story.line("2021-11-15 10:00", "A", "CaseSuspended", reason="等待法院")
        story.run("2021-11-20 00:00")
        assert story.times("PaymentOrderDefaulted") == ["2021-11-20 00:00"]

    def test_who_handles_the_case_does_not_suspend_it(self, story: Story) -> None:
        """A suspension is approved (domain 2.9); that its ground has ended its handler may say."""
        begun(story)
        by = {"unit": TANGZHUANG, "role": "township"}
        story.line("2021-11-15 10:00", "A", "CaseSuspended", reason="等待法院", by_=by)
        story.line("2021-11-15 11:00", "A", "CaseSuspended", reason="等待法院")
        story.line("2021-11-17 10:00", "A", "CaseResumed", by_=by)
        story.run("2021-11-17 10:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [403]
        assert story.times("DeadlineSet", timer="T17") == ["2021-11-15 11:00"]

    def test_only_what_is_handled_is_suspended(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", "CaseSuspended", reason="等待法院")
        story.run(START.replace("10:00", "12:00"), refused=1)
        assert [status for _, status, _ in story.refusals()] == [409]


class TestReturnAndReassignment:
    def returned(self, story: Story, at: str, approved: str, *, improper: bool = False) -> None:
        story.line(at, "A", "ReturnRequested", reason="不属本辖区")
        story.line(approved, "A", "ReturnApproved", improper=improper)

    def decided(self, story: Story, at: str, township: str = DAJINDIAN) -> None:
        story.line(at, "A", "TriageDecided", task_force="TF1", township=township)

    def test_handled_anew_within_three_days_of_the_first_due(self, story: Story) -> None:
        story.assigned(START)
        self.returned(story, "2021-11-12 09:00", "2021-11-15 15:00")
        self.decided(story, "2021-11-22 10:00")
        story.run("2021-11-22 10:00")
        # The window, the decision, and the new unit's own window.
        assert story.dues("T06") == ["2021-11-13 00:00", "2021-11-16 00:00", "2021-11-24 00:00"]
        asked = story.one("TriageRequested")
        assert (asked["at"], asked["reason"]) == ("2021-11-15 15:00", "RETURNED")
        assert story.dues("T04") == ["2021-11-17 00:00"]
        anew = story.one("CaseReassigned")
        assert (anew["township"], anew["from"]["township"]) == (DAJINDIAN, TANGZHUANG)
        # Ten days from 11-22 would be 12-06; 11-25 and three more are 11-30.
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-12-01 00:00"]
        assert story.dues("T05")[-1] == "2021-11-24 00:00"
        assert story.dues("T07")[-1] == "2021-11-23 10:00"
        assert story.dues("T08")[-1] == "2021-11-26 00:00"

    def test_the_decision_on_a_return_is_reminded_and_red(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-12 09:00", "A", "ReturnRequested", reason="不属本辖区")
        story.run("2021-11-17 00:00")
        assert story.alerts("T06") == [
            "2021-11-15 09:00 L1",
            "2021-11-16 00:00 L3",
            "2021-11-17 00:00 L4",
        ]

    @pytest.mark.parametrize(
        ("at", "code"), [("2021-11-12 23:59", None), ("2021-11-13 00:00", "WINDOW_CLOSED")]
    )
    def test_one_working_day(self, story: Story, at: str, code: str | None) -> None:
        story.assigned(START)
        story.line(at, "A", "ReturnRequested", reason="不属本辖区")
        story.run(at)
        assert [d["code"] for d in story.of("ReturnRefused")] == ([code] if code else [])

    def test_made_in_time_and_recorded_late(self, story: Story) -> None:
        story.assigned(START)
        story.line(
            "2021-11-15 09:00",
            "A",
            "ReturnRequested",
            reason="不属本辖区",
            happened_="2021-11-12 17:00",
        )
        story.run("2021-11-15 09:00")
        assert story.of("ReturnRefused") == []

    @pytest.mark.parametrize(
        ("at", "code"), [("2021-11-16 23:59", None), ("2021-11-17 00:00", "WINDOW_CLOSED")]
    )
    def test_petitions_five_days(self, story: Story, at: str, code: str | None) -> None:
        story.assigned(START, via="petition")
        story.line(at, "A", "ReturnRequested", reason="不属本辖区")
        story.run(at)
        assert [d["code"] for d in story.of("ReturnRefused")] == ([code] if code else [])

    def test_the_same_unit_never_twice(self, story: Story) -> None:
        story.assigned(START)
        self.returned(story, "2021-11-11 11:00", "2021-11-11 12:00")
        self.decided(story, "2021-11-11 13:00", TANGZHUANG)
        story.line("2021-11-11 14:00", "A", "ReturnRequested", reason="不属本辖区")
        story.run("2021-11-11 15:00")
        refused = story.one("ReturnRefused")
        assert (refused["at"], refused["code"]) == ("2021-11-11 14:00", "SECOND_RETURN")

    def test_nor_after_the_office_said_no(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line("2021-11-11 12:00", "A", "ReturnNotApproved", reason="属本辖区")
        story.line("2021-11-11 13:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line("2021-11-11 14:00", "A", "ProgressReported")
        story.run("2021-11-11 15:00")
        assert [d["code"] for d in story.of("ReturnRefused")] == ["SECOND_RETURN"]

    def test_two_approved_returns_then_a_designation(self, story: Story) -> None:
        story.assigned(START)
        self.returned(story, "2021-11-11 11:00", "2021-11-11 12:00")
        self.decided(story, "2021-11-11 13:00", DAJINDIAN)
        self.returned(story, "2021-11-11 14:00", "2021-11-11 15:00", improper=True)
        self.decided(story, "2021-11-11 16:00", "410185103")
        story.line("2021-11-11 17:00", "A", "ReturnRequested", reason="不属本辖区")
        story.run("2021-11-11 18:00")
        assert len(story.of("CaseReassigned")) == 2
        refused = story.one("ReturnRefused")
        assert (refused["at"], refused["code"]) == ("2021-11-11 17:00", "SECOND_RETURN")

    def test_a_designation_answers_a_return_and_ends_the_ping_pong(self, story: Story) -> None:
        story.assigned(START)
        self.returned(story, "2021-11-11 11:00", "2021-11-11 12:00")
        self.decided(story, "2021-11-11 13:00", DAJINDIAN)
        story.line("2021-11-12 09:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line(
            "2021-11-12 15:00",
            "A",
            "HandlerDesignated",
            task_force="TF1",
            township=DAJINDIAN,
        )
        story.line("2021-11-12 16:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line("2021-11-12 17:00", "A", "FirstContactMade", reached=True)
        story.run("2021-11-17 00:00")
        first, second = story.of("CaseReassigned")
        assert (first["at"], first["township"]) == ("2021-11-11 13:00", DAJINDIAN)
        assert (second["at"], second["rule"]) == ("2021-11-12 15:00", "DESIGNATED")
        assert second["township"] == DAJINDIAN
        # Nothing is asked of the office again, and nothing to sign or to give back.
        assert [data["at"] for data in story.of("TriageRequested")] == ["2021-11-11 12:00"]
        refused = story.one("ReturnRefused")
        assert (refused["at"], refused["code"]) == ("2021-11-12 16:00", "SECOND_RETURN")
        assert story.dues("T05") == ["2021-11-13 00:00", "2021-11-13 00:00"]
        assert story.alerts("T06") == []
        # Handling from 11-11 10:00 was due 11-25; ten days from 11-12 are 11-26.
        assert story.dues("T09")[-1] == "2021-11-27 00:00"
        assert story.dues("T07")[-1] == "2021-11-13 15:00"

    def test_who_was_designated_gives_it_back_to_nobody(self, story: Story) -> None:
        """I-06: after the designation there is no return, also of a unit that never asked."""
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line(
            "2021-11-11 12:00", "A", "HandlerDesignated", task_force="TF1", township=DAJINDIAN
        )
        story.line("2021-11-11 13:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line("2021-11-11 14:00", "A", "ProgressReported")
        story.run("2021-11-11 15:00")
        assert story.one("CaseReassigned")["township"] == DAJINDIAN
        assert [data["code"] for data in story.of("ReturnRefused")] == ["SECOND_RETURN"]

    def test_nobody_is_designated_where_no_return_waits(self, story: Story) -> None:
        story.assigned(START)
        line = story.line(
            "2021-11-11 11:00", "A", "HandlerDesignated", task_force="TF1", township=DAJINDIAN
        )
        self.returned(story, "2021-11-11 12:00", "2021-11-11 13:00")
        late = story.line(
            "2021-11-11 14:00", "A", "HandlerDesignated", task_force="TF1", township=DAJINDIAN
        )
        story.run("2021-11-11 15:00", refused=2)
        assert story.refusals() == [(line, 409, "STATE"), (late, 409, "STATE")]
        assert story.of("CaseReassigned") == []

    def test_only_the_office_designates(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", "ReturnRequested", reason="不属本辖区")
        story.line(
            "2021-11-11 12:00",
            "A",
            "HandlerDesignated",
            by_={"unit": "TF1", "role": "task_force"},
            task_force="TF1",
            township=DAJINDIAN,
        )
        story.run("2021-11-11 13:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [403]

    def test_signed_for_it_is_not_returned(self, story: Story) -> None:
        begun(story)
        story.line("2021-11-11 11:00", "A", "ReturnRequested", reason="不属本辖区")
        story.run("2021-11-11 12:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [409]

    def test_a_new_unit_climbs_from_the_bottom(self, story: Story) -> None:
        story.assigned(START)
        self.returned(story, "2021-11-12 09:00", "2021-11-12 15:00")
        self.decided(story, "2021-11-29 10:00")
        story.run("2021-12-02 00:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-12-01 00:00"]
        # Two working days before 11-30 is 11-26: past, so it is told at once.
        assert story.alerts("T09") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-26 00:00 L3",
            "2021-11-27 00:00 L4",
            "2021-11-29 10:00 L1",
            "2021-11-30 09:00 L2",
            "2021-12-01 00:00 L3",
            "2021-12-02 00:00 L4",
        ]


class TestWhatWasSetStaysSet:
    """I-07: a deadline is moved by an approval only, never by what else becomes known."""

    def grown(self, story: Story) -> None:
        begun(story, workers=1, project={"name": "示例大厦", "funding": "private", "kind": "other"})
        story.complaint(
            "2021-11-12 10:00",
            "B",
            workers=40,
            project={"name": "示例大厦", "funding": "private", "kind": "other"},
        )

    def test_a_group_that_grows_later_shortens_nothing(self, story: Story) -> None:
        self.grown(story)
        story.run("2021-11-12 10:00")
        assert story.one("GroupFormed")["level"] == "G2"
        assert story.dues("T09") == ["2021-11-26 00:00"]

    def test_nor_does_a_suspension_after_it(self, story: Story) -> None:
        self.grown(story)
        story.line("2021-11-15 10:00", "A", "CaseSuspended", reason="等待法院")
        story.line("2021-11-18 10:00", "A", "CaseResumed")
        story.run("2021-11-18 10:00")
        # 11-16 and 11-17 lie wholly in it.
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-11-30 00:00"]

    def test_a_new_unit_has_the_groups_five_days(self, story: Story) -> None:
        story.assigned(START, project={"name": "示例大厦", "funding": "private", "kind": "other"})
        story.complaint(
            "2021-11-11 10:30",
            "B",
            workers=40,
            project={"name": "示例大厦", "funding": "private", "kind": "other"},
        )
        self.returned(story, "2021-11-11 11:00")
        story.run("2021-11-11 13:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-11-19 00:00"]

    def returned(self, story: Story, at: str) -> None:
        story.line(at, "A", "ReturnRequested", reason="不属本辖区")
        story.line(at, "A", "ReturnApproved", improper=False)
        story.line("2021-11-11 13:00", "A", "TriageDecided", task_force="TF1", township=DAJINDIAN)


class TestSignedLate:
    """T05: deemed signed on 11-12 at 24:00."""

    @pytest.mark.parametrize(
        ("signed", "refused"), [("2021-11-12 23:59", 0), ("2021-11-13 00:00", 1)]
    )
    def test_in_time_and_recorded_after_it_was_deemed(
        self, story: Story, signed: str, refused: int
    ) -> None:
        story.assigned("2021-11-11 10:00")
        story.line("2021-11-15 10:00", "A", "AssignmentSigned", happened_=signed)
        story.run("2021-11-16 00:00", refused=refused)
        assert story.times("AssignmentDeemedSigned") == ["2021-11-13 00:00"]
        assert [code for _, _, code in story.refusals()] == ["STATE"] * refused

    def test_only_once(self, story: Story) -> None:
        story.assigned("2021-11-11 10:00")
        for _ in range(2):
            at = "2021-11-15 10:00"
            story.line(at, "A", "AssignmentSigned", happened_="2021-11-12 10:00")
        story.run("2021-11-16 00:00", refused=1)
