"""Dues around campaign dates, holidays, make-up days and late records (domain 0, 4.1, 4.2)."""

from __future__ import annotations

import pytest

from tests.stories.telling import Story, full


class TestCampaignDates:
    """A received instant at the border of 00:00 is of the day that begins."""

    @pytest.mark.parametrize(
        ("tier", "received", "accepted", "due", "cap", "target", "grace"),
        [
            # A2: for national, provincial and Zhengzhou lines before 12-29 00:00.
            ("NAT", "2021-12-28 23:59", "2021-12-29 10:00", "2022-01-01", "A2", "2021-12-28", None),
            ("NAT", "2021-12-29 00:00", "2021-12-29 10:00", "2022-01-14", "A5", "2022-01-27", "A2"),
            ("PROV", "2021-12-31 23:59", "2022-01-04 9:00", "2022-01-14", "A5", "2022-01-27", "A2"),
            ("ZZ", "2022-01-01 00:00", "2022-01-04 9:00", "2022-01-14", "A5", "2022-01-27", None),
            ("CITY", "2021-12-28 9:00", "2021-12-29 10:00", "2022-01-14", "A5", "2022-01-27", None),
            ("CITY", "2021-12-29 9:00", "2021-12-29 10:00", "2022-01-14", "A5", "2022-01-27", None),
            # A5: before 01-28 00:00; the two make-up days are working days, the festival is not.
            ("CITY", "2022-01-27 23:59", "2022-01-28 9:00", "2022-02-01", "A5", "2022-01-27", None),
            ("CITY", "2022-01-28 00:00", "2022-01-28 9:00", "2022-02-12", "A7", "2022-03-26", "A5"),
            ("NAT", "2022-01-30 23:59", "2022-01-31 9:00", "2022-02-16", "A7", "2022-03-26", "A5"),
            ("CITY", "2022-02-01 00:00", "2022-02-07 9:00", "2022-02-17", "A7", "2022-03-26", None),
            # A7: before 03-29 00:00; 04-02 is a make-up day, 04-03..05 rest.
            ("CITY", "2022-03-28 23:59", "2022-03-29 9:00", "2022-04-01", "A7", "2022-03-26", None),
            ("CITY", "2022-03-29 00:00", "2022-03-29 9:00", "2022-04-09", None, None, "A7"),
            ("CITY", "2022-03-31 23:59", "2022-04-01 9:00", "2022-04-19", None, None, "A7"),
            ("CITY", "2022-04-01 00:00", "2022-04-01 9:00", "2022-04-19", None, None, None),
        ],
    )
    def test_border(
        self,
        story: Story,
        tier: str,
        received: str,
        accepted: str,
        due: str,
        cap: str | None,
        target: str | None,
        grace: str | None,
    ) -> None:
        accepted = accepted.replace(" 9:", " 09:")
        received = received.replace(" 9:", " 09:")
        story.assigned(accepted, received=received, tier=tier)
        story.run(accepted)
        wanted = (accepted, f"{due} 00:00", None, cap, target and f"{target} 00:00", grace)
        assert story.deadline("T09") == wanted

    def test_a_reminder_on_the_back_scheduled_target(self, story: Story) -> None:
        story.assigned("2021-12-20 09:00", tier="NAT")
        story.run("2021-12-31 12:00")
        # Ten days: 21-24, 27-31 and 01-04; so the date binds. Target: 24:00 of 12-27.
        assert story.alerts("T09") == ["2021-12-28 00:00 L1", "2021-12-31 09:00 L2"]

    def test_the_ladders_own_instant_when_it_is_earlier(self, story: Story) -> None:
        story.assigned("2021-12-13 09:00", tier="NAT")
        story.run("2021-12-27 12:00")
        # 14-17, 20-24, 27: due 24:00 of 12-27; second working day before it is 12-23.
        assert story.deadline("T09")[1] == "2021-12-28 00:00"
        assert story.alerts("T09") == ["2021-12-23 09:00 L1", "2021-12-27 09:00 L2"]

    def test_a_target_that_is_past_reminds_at_assignment(self, story: Story) -> None:
        story.assigned("2022-01-28 09:00", received="2022-01-27 23:59")
        story.run("2022-02-08 00:00")
        assert story.alerts("T09") == [
            "2022-01-28 09:00 L1",
            "2022-01-31 09:00 L2",
            "2022-02-01 00:00 L3",
            "2022-02-08 00:00 L4",
        ]
        assert story.alerts("A5") == ["2022-02-01 00:00 L3", "2022-02-01 00:00 L7"]

    def test_on_the_last_day_what_was_before_it_is_not_made_up_for(self, story: Story) -> None:
        story.assigned("2021-12-31 10:00", received="2021-12-28 10:00", tier="ZZ")
        story.run("2022-01-05 00:00")
        assert story.alerts("T09") == [
            "2021-12-31 10:00 L1",
            "2022-01-01 00:00 L3",
            "2022-01-05 00:00 L4",
        ]

    def test_accepted_after_its_date_it_is_overdue_at_once(self, story: Story) -> None:
        story.assigned("2022-01-05 10:00", received="2021-12-28 10:00", tier="ZZ")
        story.run("2022-01-10 00:00")
        assert story.deadline("T09")[1] == "2022-01-01 00:00"
        # L1 at assignment; then the highest that was over, at 24:00 of the next working day,
        # when the fifth comes of itself (three working days: 04, 05, 06).
        assert story.alerts("T09") == ["2022-01-05 10:00 L1", "2022-01-07 00:00 L5"]
        assert story.alerts("A2") == ["2022-01-07 00:00 L7"]


class TestPhases:
    @pytest.mark.parametrize(
        ("at", "due"),
        [
            ("2021-11-09 23:59", "2021-11-24"),  # before the plan: ten days
            ("2021-11-10 00:00", "2021-11-25"),
            ("2021-12-31 23:59", "2022-01-18"),  # P1: 01-04..07, 10-14, 17
            ("2022-01-01 00:00", "2022-01-13"),  # P2: seven: 04..07, 10..12
            ("2022-02-06 23:59", "2022-02-16"),  # 02-07..11, 14, 15
            ("2022-02-07 00:00", "2022-02-17"),
            ("2022-03-31 23:59", "2022-04-13"),  # P3: seven: 04-01, 02, 06, 07, 08, 11, 12
            ("2022-04-20 09:00", "2022-05-07"),  # P4: 21, 22, 24, 25-29, 05-05, 05-06
            ("2022-05-01 00:00", "2022-05-18"),  # after it: 05, 06, 07, 09-13, 16, 17
        ],
    )
    def test_length_by_the_day_of_assignment(self, story: Story, at: str, due: str) -> None:
        story.assigned(at)
        story.run(at)
        assert story.deadline("T09")[1] == f"{due} 00:00"

    def test_urgent_in_five_days_and_hours(self, story: Story) -> None:
        story.assigned("2021-12-30 10:00", urgent=True)
        story.run("2022-01-01 00:00")
        assert story.deadline("T09")[1] == "2022-01-08 00:00"
        assert story.deadline("T03")[1] == "2021-12-30 14:00"
        assert story.deadline("T07")[1] == "2021-12-30 12:00"
        assert story.alerts("T07") == [
            "2021-12-30 11:00 L1",
            "2021-12-30 12:00 L3",
            "2022-01-01 00:00 L4",
        ]

    def test_make_up_days_count_and_hours_do_not_wait(self, story: Story) -> None:
        story.assigned("2022-01-27 16:00")
        story.run("2022-02-08 00:00")
        assert story.deadline("T05")[1] == "2022-01-29 00:00"
        assert story.deadline("T08")[1] == "2022-01-31 00:00"
        assert story.alerts("T08") == [
            "2022-01-28 09:00 L1",
            "2022-01-30 09:00 L2",
            "2022-01-31 00:00 L3",
            "2022-02-08 00:00 L4",
        ]
        assert story.alerts("T07") == [
            "2022-01-28 04:00 L1",
            "2022-01-28 16:00 L3",
            "2022-01-30 00:00 L4",  # the working day after is Saturday 01-29
        ]

    def test_contact_on_the_eve_of_the_festival(self, story: Story) -> None:
        story.assigned("2022-01-30 16:00")
        story.run("2022-02-08 00:00")
        assert story.alerts("T07") == [
            "2022-01-31 04:00 L1",
            "2022-01-31 16:00 L3",
            "2022-02-08 00:00 L4",
        ]
        notice = story.one("SupervisionNoticeIssued", timer="T07")
        # Issued at 00:00 of 02-08; two working days: 02-09, 02-10.
        assert (notice["at"], notice["reply_due_at"]) == (
            "2022-02-08 00:00",
            full("2022-02-11 00:00"),
        )


class TestLateRecords:
    def test_internal_clocks_run_from_the_recording(self, story: Story) -> None:
        story.complaint("2021-12-21 10:00", received="2021-11-12 09:00")
        story.line("2021-12-21 10:30", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-12-21 11:00")
        started, due, outer, *_ = story.deadline("T01")
        assert (started, due, outer) == (
            "2021-12-21 10:00",
            "2021-12-24 00:00",
            "2021-12-29 00:00",
        )
        assert story.one("CaseAssigned")["at"] == "2021-12-21 10:30"
        assert story.deadline("T09")[:2] == ("2021-12-21 10:30", "2022-01-06 00:00")
        # The campaign date looks at when the line was received, not at when it was entered.
        assert story.deadline("A5")[1] == "2022-02-01 00:00"

    def test_statutory_clocks_run_from_the_fact(self, story: Story) -> None:
        story.complaint("2021-11-24 10:00", received="2021-11-15 09:00", source="12333", tier="NAT")
        story.run("2021-11-24 11:00")
        assert story.deadline("T20")[:2] == ("2021-11-15 09:00", "2021-11-23 00:00")
        assert story.deadline("T01")[0] == "2021-11-24 10:00"

    @pytest.mark.parametrize(
        ("recorded", "started", "due"),
        [
            ("2021-11-22 23:59", "2021-11-19 15:00", "2021-11-23 00:00"),
            ("2021-11-23 09:00", "2021-11-23 09:00", "2021-11-25 00:00"),
        ],
    )
    def test_up_to_the_end_of_the_next_working_day_is_no_late_record(
        self, story: Story, recorded: str, started: str, due: str
    ) -> None:
        story.assigned("2021-11-11 10:00")
        story.signed("2021-11-11 15:00")
        story.paid("2021-11-18 10:00")
        story.line(
            recorded,
            "A",
            "ClosureRequested",
            kind="PAID_IN_FULL",
            happened_="2021-11-19 15:00",  # Friday
        )
        story.run(recorded)
        assert story.deadline("T12", step="tf")[:2] == (started, due)

    def test_more_than_thirty_days_back_only_the_office(self, story: Story) -> None:
        story.complaint("2021-12-21 10:00", received="2021-11-12 09:00")
        late = {"urgent": False, "happened_": "2021-11-15 10:00"}
        story.line("2021-12-21 10:30", "A", "ComplaintAccepted", **late)
        late["by_"] = {"unit": "联席办", "role": "office"}
        story.line("2021-12-21 10:40", "A", "ComplaintAccepted", **late)
        story.run("2021-12-21 11:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [403]
        assert story.one("CaseAssigned")["at"] == "2021-12-21 10:40"
        assert story.deadline("T03")[:2] == ("2021-12-21 10:40", "2021-12-23 00:00")

    def test_made_in_time_and_recorded_late_it_clears_and_undoes_nothing(
        self, story: Story
    ) -> None:
        story.assigned("2021-11-11 10:00")
        story.signed("2021-11-11 11:00")
        story.line(
            "2021-11-12 15:00",
            "A",
            "FirstContactMade",
            reached=True,
            happened_="2021-11-11 16:00",
        )
        story.run("2021-11-20 00:00")
        assert story.alerts("T07") == ["2021-11-11 22:00 L1", "2021-11-12 10:00 L3"]
        assert story.cleared("T07") == ["2021-11-12 15:00 L1", "2021-11-12 15:00 L3"]


class TestSources:
    def test_the_citys_hotline_is_answered_in_five_days(self, story: Story) -> None:
        story.complaint("2021-11-18 09:00", source="12345")
        story.run("2021-11-27 00:00")
        found = story.one("DeadlineSet", timer="T10")
        assert (found["due_at"], found["source_ref"]) == (full("2021-11-26 00:00"), "A")
        assert story.alerts("T10") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-26 00:00 L3",
            "2021-11-27 00:00 L4",
        ]

    @pytest.mark.parametrize(
        ("external", "due"),
        [
            ("2021-11-25 18:00", "2021-11-25 00:00"),
            ("2021-11-26 00:00", "2021-11-25 00:00"),  # 24:00 of the 25th
            ("2021-11-29 12:00", "2021-11-27 00:00"),  # Monday: Friday before
            ("2022-02-07 18:00", "2022-01-31 00:00"),  # before the festival: Sunday 01-30
            ("2022-01-30 18:00", "2022-01-30 00:00"),  # Saturday 01-29 is worked
        ],
    )
    def test_a_day_before_the_platforms_own_limit(
        self, story: Story, external: str, due: str
    ) -> None:
        story.complaint("2021-11-18 09:00", source="ducha", external_due_at=full(external))
        story.run("2021-11-18 09:00")
        assert story.dues("T10") == [due]

    def test_no_limit_is_known_for_others(self, story: Story) -> None:
        story.complaint("2021-11-18 09:00", source="national", tier="NAT")
        story.run("2021-11-18 09:00")
        assert story.dues("T10") == []

    def test_answered_it_stops_and_after_the_due_it_is_cleared(self, story: Story) -> None:
        story.complaint("2021-11-18 09:00", source="12345")
        story.line("2021-11-26 10:00", "A", "SourceReplied", source="12345", source_ref="A")
        story.run("2021-12-10 00:00")
        assert story.alerts("T10")[-1] == "2021-11-26 00:00 L3"
        assert story.cleared("T10")[-1] == "2021-11-26 10:00 L3"

    def test_another_complaint_s_answer_stops_nothing_and_says_so(self, story: Story) -> None:
        story.complaint("2021-11-18 09:00", source="12345")
        story.line("2021-11-24 10:00", "A", "SourceReplied", source="12345", source_ref="AA")
        story.line("2021-11-24 10:00", "A", "SourceReplied", source="window", source_ref="A")
        story.run("2021-11-26 00:00", refused=2)
        assert story.refusals() == [(2, 422, "UNKNOWN_SOURCE"), (3, 422, "UNKNOWN_SOURCE")]
        assert story.alerts("T10")[-1] == "2021-11-26 00:00 L3"

    def test_petitions_in_fifteen_and_sixty_days_that_roll(self, story: Story) -> None:
        story.complaint("2021-11-17 09:00", source="xinfang")
        story.line("2021-11-18 09:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2022-01-18 00:00")
        # 15 days: Thursday 12-02. 60 days: Sunday 01-16, so Monday. 90 days: Tuesday 02-15.
        assert story.dues("T41") == ["2021-12-03 00:00", "2022-01-18 00:00"]
        conclusion = story.of("DeadlineSet", timer="T41")[1]
        assert conclusion["outer_due_at"] == full("2022-02-16 00:00")
        assert story.alerts("T41") == ["2022-01-18 00:00 L3"]

    def test_inspection_is_filed_in_five_working_days(self, story: Story) -> None:
        story.assigned("2022-01-28 10:00", source="12333", tier="NAT")
        story.line("2022-02-09 10:00", "A", "InspectionFiled")
        story.run("2022-02-10 00:00")
        # 01-29, 01-30, 02-07, 08, 09
        assert story.dues("T20") == ["2022-02-10 00:00"]
        assert story.alerts("T20") == ["2022-02-07 09:00 L1", "2022-02-09 09:00 L2"]

    def test_investigation_in_sixty_and_ninety_working_days(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00")
        story.line("2021-11-15 10:00", "A", "InspectionFiled")
        story.run("2021-11-15 11:00")
        # November 11, December 23, January 19 and two make-up days, February from the 7th.
        assert story.deadline("T21")[1:3] == ("2022-02-12 00:00", "2022-03-26 00:00")


def test_a_stop_and_a_due_at_one_instant_the_due_comes_first(story: Story) -> None:
    story.assigned("2021-11-11 10:00")
    story.line("2021-11-12 10:00", "A", "FirstContactMade", reached=True)
    story.line("2021-11-13 00:00", "A", "AssignmentSigned")
    story.run("2021-11-13 00:00", refused=1)
    assert story.alerts("T07")[-1] == "2021-11-12 10:00 L3"
    assert story.times("AssignmentDeemedSigned") == ["2021-11-13 00:00"]
    assert [status for _, status, _ in story.refusals()] == [409]


def test_a_microsecond_before_due_is_in_time(story: Story) -> None:
    story.assigned("2021-11-11 10:00")
    story.signed("2021-11-12 23:59")
    story.run("2021-11-13 00:00")
    assert story.of("AssignmentDeemedSigned") == []


def test_government_funds_over_the_make_up_days(story: Story) -> None:
    story.assigned("2022-01-26 10:00")
    story.verified("2022-01-27 10:00", (800_000, 3), root_cause="GOV_FUNDS")
    story.verified("2022-01-28 10:00", (700_000, 3), root_cause="GOV_FUNDS")
    story.run("2022-02-08 00:00")
    assert story.dues("T54") == ["2022-01-31 00:00"], "verified again it is the same request"
    assert story.alerts("T54") == [
        "2022-01-28 09:00 L1",
        "2022-01-30 09:00 L2",
        "2022-01-31 00:00 L3",
        "2022-02-08 00:00 L4",
    ]


class TestSupplement:
    """T02: five working days, then three tries in three; T01 waits meanwhile."""

    def test_it_lapses(self, story: Story) -> None:
        story.complaint("2021-11-12 10:00")
        story.line("2021-11-15 10:00", "A", "SupplementRequested", items=["用人单位名称"])
        story.line("2021-11-23 10:00", "A", "ContactTried")
        story.line("2021-11-24 10:00", "A", "ContactTried")
        story.line("2021-11-25 10:00", "A", "ContactTried")
        story.line("2021-11-25 11:00", "A", "ComplaintNotAccepted", reason="NO_EMPLOYER")
        story.run("2021-12-10 00:00")
        assert story.alerts("T01") == []
        # 16-19 and 22; the second working day before it is 11-18. Then 24, 25, 26.
        assert story.dues("T02") == ["2021-11-23 00:00", "2021-11-27 00:00"]
        assert story.alerts("T02") == ["2021-11-18 09:00 L1"]
        assert story.times("SupplementLapsed") == ["2021-11-23 00:00"]
        assert story.one("SourceReplyOwed")["conclusion"] == "NOT_ACCEPTED"

    def test_nobody_is_refused_before_it_lapsed_and_three_tries(self, story: Story) -> None:
        story.complaint("2021-11-12 10:00")
        story.line("2021-11-15 10:00", "A", "SupplementRequested", items=["用人单位名称"])
        story.line("2021-11-16 10:00", "A", "ContactTried")
        early = story.line("2021-11-22 10:00", "A", "ComplaintNotAccepted", reason="NO_EMPLOYER")
        story.line("2021-11-23 10:00", "A", "ContactTried")
        story.line("2021-11-24 10:00", "A", "ContactTried")
        untried = story.line("2021-11-24 11:00", "A", "ComplaintNotAccepted", reason="NO_EMPLOYER")
        story.run("2021-11-24 12:00", refused=2)
        assert story.refusals() == [(early, 409, "NOT_LAPSED"), (untried, 409, "NOT_TRIED")]

    def test_it_comes_in_time(self, story: Story) -> None:
        story.complaint("2021-11-12 10:00")
        story.line("2021-11-15 10:00", "A", "SupplementRequested", items=["用人单位名称"])
        story.line("2021-11-22 10:00", "A", "SupplementReceived", text="示例公司")
        story.run("2021-11-23 00:00")
        assert story.of("SupplementLapsed") == []
        assert story.dues("T01") == ["2021-11-17 00:00", "2021-11-25 00:00"]


def test_an_undecided_line_stops_at_the_notice(story: Story) -> None:
    story.complaint("2021-11-12 10:00")
    story.run("2021-12-31 00:00")
    # Friday; Monday and Tuesday.
    assert story.alerts("T01") == [
        "2021-11-16 09:00 L1",
        "2021-11-17 00:00 L3",
        "2021-11-18 00:00 L4",
    ]
    assert [d["at"] for d in story.of("SupervisionNoticeIssued")] == ["2021-11-18 00:00"]
