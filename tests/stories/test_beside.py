"""Beside the claim: incidents, groups, opinion, silent units (T43, T50-T53, A1, A8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import TANGZHUANG, Story, claim, full

TOWER = {"name": "示例大厦", "funding": "private", "kind": "other"}


class TestIncident:
    def test_on_a_holiday_evening(self, story: Story) -> None:
        story.assigned("2022-01-26 10:00")
        number = story.line(
            "2022-02-03 20:15", "A", "ExtremeIncidentReported", kind="爬塔吊", place="工地"
        )
        ref = str(number)
        story.line("2022-02-03 20:44", "A", "IncidentReportFiled", incident=ref, step="phone")
        story.line("2022-02-03 23:00", "A", "IncidentReportFiled", incident=ref, step="written")
        story.line("2022-02-04 03:00", "A", "IncidentReportFiled", incident=ref, step="update")
        story.line("2022-02-04 09:00", "A", "ExtremeIncidentVerified", incident=ref)
        story.line("2022-02-04 10:00", "A", "ExtremeIncidentCleared", incident=ref)
        story.run("2022-02-09 00:00")
        assert story.dues("T50", step="phone") == ["2022-02-03 20:45"]
        assert story.dues("T50", step="written") == ["2022-02-03 22:15"]
        assert story.dues("T50", step="update") == [
            "2022-02-04 00:15",
            "2022-02-04 04:15",
            "2022-02-04 08:15",
            "2022-02-04 12:15",
        ]
        assert story.alerts("T50", step="phone") == ["2022-02-03 20:15 L7"]
        assert story.alerts("T50", step="written") == ["2022-02-03 22:15 L3"]
        assert story.alerts("T50", step="update") == ["2022-02-04 00:15 L3", "2022-02-04 08:15 L3"]
        at_once = story.one("AlertRaised", timer="T50", level="L7")
        assert at_once["due_at"] == full("2022-02-03 20:15")
        assert {"市公安局", "市委网信办"} <= set(at_once["recipients"])
        assert story.times("SupervisionNoticeIssued", timer="T50") == ["2022-02-03 20:15"]

    @pytest.mark.parametrize("where", ["city", "unit:410185109"])
    def test_of_no_known_case(self, story: Story, where: str) -> None:
        number = story.line(
            "2022-02-03 20:15", where, "ExtremeIncidentReported", kind="爬塔吊", place="工地"
        )
        story.line("2022-02-03 21:15", where, "ExtremeIncidentCleared", incident=str(number))
        story.run("2022-02-04 12:00")
        assert story.dues("T50", where, step="phone") == ["2022-02-03 20:45"]
        assert story.alerts("T50", where) == ["2022-02-03 20:15 L7"]
        at_once = story.one("AlertRaised", where, timer="T50")
        assert {"市长", "市公安局", "市委网信办"} <= set(at_once["recipients"])

    def test_the_number_of_another_line_is_no_incident(self, story: Story) -> None:
        story.assigned("2022-01-26 10:00")
        story.line("2022-01-26 11:00", "A", "IncidentReportFiled", incident="1", step="phone")
        story.run("2022-01-26 12:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [422]


class TestGroup:
    def joined(self, story: Story, count: int, start: int = 1) -> None:
        """One worker a line, an hour apart from 2021-11-22 09:00, each its own case."""
        for number in range(start, start + count):
            day, hour = divmod(number - 1, 8)
            at = f"2021-11-{22 + day} {9 + hour:02}:00"
            story.complaint(
                at,
                f"C{number:02}",
                project=TOWER,
                amount_fen=500_000,
                claims=[claim(number, 500_000, ("2021-09", "2021-10"))],
            )

    def test_at_the_tenth_worker(self, story: Story) -> None:
        self.joined(story, 12)
        story.run("2021-11-25 00:00")
        formed = story.one("GroupFormed", "C01")
        assert (formed["at"], formed["level"], formed["workers"]) == ("2021-11-23 10:00", "G1", 10)
        assert formed["master"] == "C01"
        assert formed["members"] == [f"C{n:02}" for n in range(1, 11)]
        assert story.dues("T51", "C01") == ["2021-11-23 12:00"]
        # One hour, two hours, and 24:00 of the working day after.
        assert story.alerts("T51", "C01") == [
            "2021-11-23 11:00 L1",
            "2021-11-23 12:00 L3",
            "2021-11-25 00:00 L4",
        ]
        for number in range(2, 13):
            assert story.one("GroupJoined", f"C{number:02}")["master"] == "C01"
        assert story.of("GroupJoined", "C01") == []

    def accepted(self, story: Story, numbers: range) -> None:
        for number in numbers:
            story.line("2021-11-24 09:00", f"C{number:02}", "ComplaintAccepted", urgent=False)
        for number in numbers:
            story.signed("2021-11-24 10:00", f"C{number:02}")

    def paid(self, story: Story, at: str, *numbers: int) -> None:
        for number in numbers:
            story.paid(at, 500_000, case=f"C{number:02}", payment=f"款{number}")

    def test_the_leading_case_closes_once_every_line_is_paid(self, story: Story) -> None:
        self.joined(story, 11)
        self.accepted(story, range(1, 12))
        self.paid(story, "2021-11-25 09:00", *range(1, 11))
        story.line("2021-11-25 10:00", "C01", "ClosureRequested", kind="PAID_IN_FULL")
        self.paid(story, "2021-11-25 11:00", 11)
        story.reviewed("2021-11-25 12:00", "C01")
        story.followed_up("2021-11-26 09:00", "C01")
        story.run("2021-11-26 09:00")
        assert [(d["at"], d["reasons"]) for d in story.of("ClosureRefused", "C01")] == [
            ("2021-11-25 10:00", ["UNPAID"])
        ]
        assert story.times("CaseClosed", "C01") == ["2021-11-26 09:00"]
        told = [d for d in story.of("GroupMemberUpdated", "C01") if d["case"] == "C11"]
        assert [(d["at"], d["status"]) for d in told] == [
            ("2021-11-23 11:00", "unpaid"),
            ("2021-11-25 11:00", "settled"),
        ]

    def group(self, story: Story) -> None:
        """Ten members, all but the tenth paid, on 11-25."""
        self.joined(story, 10)
        self.accepted(story, range(1, 11))
        self.paid(story, "2021-11-25 09:00", *range(1, 10))

    def test_who_withdrew_or_was_merged_holds_up_nobody(self, story: Story) -> None:
        self.joined(story, 10)
        # Its line goes on under C02, which owes it from now on.
        story.line("2021-11-23 11:00", "C10", "MergeApproved", master="C02")
        self.accepted(story, range(1, 10))
        self.paid(story, "2021-11-25 09:00", *range(1, 9))
        story.reviewed("2021-11-25 09:30", "C09", kind="WITHDRAWN")
        story.followed_up("2021-11-25 10:00", "C09", got_paid="N")
        story.line("2021-11-25 12:00", "C01", "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-25 13:00", 500_000, "2", case="C02")
        story.line("2021-11-25 14:00", "C01", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-25 14:00")
        assert story.times("ClosureRefused", "C01") == ["2021-11-25 12:00"]
        told = [
            (d["case"], d["at"])
            for d in story.of("GroupMemberUpdated", "C01", status="settled")
            if d["case"] in ("C02", "C09", "C10")
        ]
        assert told == [
            ("C10", "2021-11-23 11:00"),
            ("C09", "2021-11-25 10:00"),
            ("C02", "2021-11-25 13:00"),
        ]

    def test_a_member_that_loses_its_payment_brings_the_leading_case_back(
        self, story: Story
    ) -> None:
        self.group(story)
        self.paid(story, "2021-11-25 10:00", 10)
        story.reviewed("2021-11-25 12:00", "C01")
        story.followed_up("2021-11-26 09:00", "C01")
        lines = [{"line": "1", "amount_fen": 500_000}]
        story.line("2021-11-29 09:00", "C10", "PaymentReversed", payment="款10", lines=lines)
        story.run("2021-11-29 09:00")
        reopened = story.one("CaseReopened", "C01")
        assert (reopened["at"], reopened["reason"]) == ("2021-11-29 09:00", "MEMBER_UNPAID")

    def test_the_office_cannot_waive_a_members_money(self, story: Story) -> None:
        self.group(story)
        self.paid(story, "2021-11-25 10:00", 10)
        story.reviewed("2021-11-25 12:00", "C01")
        lines = [{"line": "1", "amount_fen": 1}]
        story.line("2021-11-25 13:00", "C10", "PaymentReversed", payment="款10", lines=lines)
        story.followed_up("2021-11-26 09:00", "C01")
        story.run("2021-11-26 09:00")
        assert story.one("ClosureRefused", "C01")["reasons"] == ["NOT_PAID"]
        assert story.of("CaseClosed", "C01") == []

    def withdrawn(self, story: Story, at: str) -> None:
        """The leading worker takes the complaint back; nobody has been paid."""
        story.reviewed(at, "C01", kind="WITHDRAWN")
        story.followed_up(at, "C01", got_paid="N")

    def test_too_few_for_a_group_once_it_lost_its_leading_case(self, story: Story) -> None:
        self.joined(story, 10)
        self.accepted(story, range(1, 11))
        self.paid(story, "2021-11-25 09:00", 2)
        self.withdrawn(story, "2021-11-25 10:00")
        story.run("2021-12-10 00:00")
        assert story.times("CaseClosed", "C01") == ["2021-11-25 10:00"]
        for number in range(2, 11):
            case = f"C{number:02}"
            assert story.one("GroupLeft", case)["at"] == "2021-11-25 10:00"
            # Ten working days: 11-26, 29, 30, 12-01, 02, 03, 06, 07, 08, 09.
            assert story.dues("T09", case) == ["2021-12-10 00:00"]
            assert story.alerts("T09", case)[-1] == "2021-12-10 00:00 L3"
        assert len(story.of("GroupFormed", "C01")) == 1
        assert story.of("GroupFormed", "C02") == []

    def test_enough_for_a_group_go_on_under_the_next(self, story: Story) -> None:
        self.joined(story, 12)
        self.accepted(story, range(1, 13))
        self.withdrawn(story, "2021-11-25 10:00")
        self.paid(story, "2021-11-26 09:00", *range(2, 12))
        story.line("2021-11-26 10:00", "C02", "ClosureRequested", kind="PAID_IN_FULL")
        self.paid(story, "2021-11-26 11:00", 12)
        story.reviewed("2021-11-26 12:00", "C02")
        story.followed_up("2021-11-29 09:00", "C02")
        story.run("2021-11-29 09:00")
        formed = story.one("GroupFormed", "C02")
        assert (formed["at"], formed["level"], formed["workers"]) == ("2021-11-25 10:00", "G1", 11)
        assert story.dues("T51", "C02") == ["2021-11-25 12:00"]
        assert story.dues("T09", "C02") == ["2021-12-10 00:00"], "it leads from then on"
        for number in range(3, 13):
            masters = [d["master"] for d in story.of("GroupJoined", f"C{number:02}")]
            assert masters == ["C01", "C02"]
            assert story.of("GroupLeft", f"C{number:02}") == []
            assert story.dues("T09", f"C{number:02}") == [], "no clock for no time at all"
        assert story.times("ClosureRefused", "C02") == ["2021-11-26 10:00"]
        assert story.times("CaseClosed", "C02") == ["2021-11-29 09:00"]

    def test_a_second_leading_case_that_ends(self, story: Story) -> None:
        """Formed a third time, and a fourth under the first again, which was reopened."""
        self.joined(story, 12)
        self.accepted(story, range(1, 13))
        self.withdrawn(story, "2021-11-25 10:00")
        story.line("2021-11-25 11:00", "C01", "FalseClosureFound", evidence="未撤诉")
        story.reviewed("2021-11-26 10:00", "C02", kind="WITHDRAWN")
        story.followed_up("2021-11-26 10:00", "C02", got_paid="N")
        story.run("2021-12-20 00:00")
        assert story.times("CaseReopened", "C01") == ["2021-11-25 11:00"]
        assert story.times("GroupFormed", "C01") == ["2021-11-23 10:00", "2021-11-26 10:00"]
        assert story.times("GroupFormed", "C02") == ["2021-11-25 10:00"]
        for number in range(3, 13):
            masters = [d["master"] for d in story.of("GroupJoined", f"C{number:02}")]
            assert masters == ["C01", "C02", "C01"]

    def two(self, story: Story, first: int, second: int) -> None:
        """A and B of one site, accepted and signed on 11-02."""
        for case, hour, workers in (("A", 9, first), ("B", 10, second)):
            story.assigned(f"2021-11-02 {hour:02}:00", case, project=TOWER, workers=workers)
            story.signed(f"2021-11-02 {hour:02}:30", case)

    def ended(self, story: Story, at: str, case: str) -> None:
        story.reviewed(at, case, kind="WITHDRAWN")
        story.followed_up(at, case, got_paid="N")

    def test_dissolved_and_formed_again_by_the_same_case(self, story: Story) -> None:
        self.two(story, 6, 5)
        self.ended(story, "2021-11-03 10:00", "A")
        story.line("2021-11-08 09:00", "A", "FalseClosureFound", evidence="未撤诉")
        story.paid("2021-11-09 09:00", case="A")
        story.line("2021-11-09 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-10 09:00", case="B")
        story.reviewed("2021-11-10 10:00", "A")
        story.followed_up("2021-11-10 11:00", "A")
        story.run("2021-11-10 11:00")
        assert story.times("GroupLeft", "B") == ["2021-11-03 10:00"]
        assert story.times("GroupFormed", "A") == ["2021-11-02 10:00", "2021-11-08 09:00"]
        assert story.times("GroupJoined", "B") == ["2021-11-02 10:00", "2021-11-08 09:00"]
        assert story.times("ClosureRefused", "A") == ["2021-11-09 10:00"]
        assert story.times("CaseClosed", "A") == ["2021-11-03 10:00", "2021-11-10 11:00"]

    def test_one_that_led_and_joins_waits_for_nobody(self, story: Story) -> None:
        self.two(story, 5, 5)
        story.paid("2021-11-03 09:00", case="A")
        self.ended(story, "2021-11-03 10:00", "B")
        story.reviewed("2021-11-03 11:00", "A")
        story.followed_up("2021-11-03 12:00", "A")
        story.assigned("2021-11-08 09:00", "C", project=TOWER, workers=12)
        story.line("2021-11-09 09:00", "B", "FalseClosureFound", evidence="未撤诉")
        story.reviewed("2021-11-10 09:00", "A")
        story.followed_up("2021-11-10 10:00", "A")
        story.run("2021-11-10 10:00")
        assert story.one("GroupFormed", "C")["formation"] == 2
        assert story.one("CaseReopened", "A")["reason"] == "MEMBER_UNPAID"
        assert story.of("ClosureRefused", "A") == []
        assert story.times("CaseClosed", "A")[-1] == "2021-11-10 10:00"

    def test_a_paid_member_is_handled_for_itself_too(self, story: Story) -> None:
        self.two(story, 6, 5)
        story.paid("2021-11-03 09:00", case="B")
        self.ended(story, "2021-11-03 10:00", "A")
        story.run("2021-11-04 00:00")
        assert story.times("GroupLeft", "B") == ["2021-11-03 10:00"]
        assert story.dues("T09", "B")[-1] == "2021-11-18 00:00"

    def test_what_is_redone_has_one_clock(self, story: Story) -> None:
        """T18 of a reopened case goes on when it leads again; no T09 beside it."""
        self.two(story, 12, 12)
        self.ended(story, "2021-11-03 10:00", "A")
        story.line("2021-11-08 09:00", "A", "FalseClosureFound", evidence="未撤诉")
        self.ended(story, "2021-11-09 12:00", "B")
        story.run("2021-11-30 00:00")
        assert story.times("GroupFormed", "A") == ["2021-11-02 09:00", "2021-11-09 12:00"]
        assert len(story.dues("T09", "A")) == 1
        assert story.dues("T18", "A") == ["2021-11-12 00:00"]

    def test_newcomers_at_the_very_instant(self, story: Story) -> None:
        story.assigned("2021-11-02 09:00", "A", project=TOWER, workers=12)
        story.signed("2021-11-02 10:00")
        story.closed("2021-11-03 12:00", "A")
        story.complaint("2021-11-03 12:00", "C", project=TOWER, workers=15)
        story.run("2021-11-03 13:00")
        assert story.one("GroupFormed", "C")["workers"] == 15

    def test_who_comes_after_the_leading_case_was_closed_as_paid(self, story: Story) -> None:
        """The old group is done; sixty more workers are one of their own, and keep no one open."""
        for case, hour in (("A", 9), ("B", 10)):
            story.assigned(f"2021-11-02 {hour:02}:00", case, project=TOWER, workers=5)
            story.signed(f"2021-11-02 {hour:02}:30", case)
        story.closed("2021-11-03 09:00", "B")
        story.closed("2021-11-03 10:00", "A")
        story.complaint("2021-11-08 09:00", "C", project=TOWER, workers=60)
        story.line("2021-11-08 10:00", "C", "ComplaintAccepted", urgent=False)
        story.signed("2021-11-08 11:00", "C")
        story.closed("2021-11-09 09:00", "C")
        story.line("2021-11-15 09:00", "A", "FalseClosureFound", evidence="流水")
        story.reviewed("2021-11-16 10:00", "A")
        story.followed_up("2021-11-16 15:00", "A")
        story.run("2021-11-16 15:00")
        assert story.times("GroupFormed", "A") == ["2021-11-02 10:00"]
        formed = story.one("GroupFormed", "C")
        assert (formed["at"], formed["level"], formed["workers"]) == ("2021-11-08 09:00", "G3", 60)
        assert story.of("GroupLevelChanged", "A") == []
        assert story.of("ClosureRefused", "A") == []
        assert story.times("CaseClosed", "A") == ["2021-11-03 10:00", "2021-11-16 15:00"]

    def test_a_follow_up_comes_after_the_last_payment_of_any_member(self, story: Story) -> None:
        self.group(story)
        self.paid(story, "2021-11-25 10:00", 10)
        story.reviewed("2021-11-25 12:00", "C01")
        lines = [{"line": "1", "amount_fen": 500_000}]
        story.line("2021-11-26 09:00", "C05", "PaymentReversed", payment="款5", lines=lines)
        story.paid("2021-11-29 10:00", 500_000, case="C05", payment="款5b")
        story.followed_up("2021-11-29 15:00", "C01", happened_="2021-11-28 10:00")
        story.followed_up("2021-11-29 16:00", "C01")
        story.run("2021-11-29 16:00")
        assert story.one("ClosureRefused", "C01")["reasons"] == ["FOLLOW_UP_MISSING"]
        assert story.times("CaseClosed", "C01") == ["2021-11-29 16:00"]

    def test_no_level_falls_below_that_of_a_larger_group(self, story: Story) -> None:
        """I-20: once G2 was late, the notice that was owed for G1 raises no L4."""
        story.complaint("2021-11-22 09:00", "A", workers=12, project=TOWER)
        story.complaint("2021-11-23 09:00", "B", workers=18, project=TOWER)
        story.run("2021-11-25 00:00")
        assert story.alerts("T51") == [
            "2021-11-22 10:00 L1",
            "2021-11-22 11:00 L3",
            "2021-11-23 10:00 L1",
            "2021-11-23 11:00 L6",
        ]
        assert len(story.of("SupervisionNoticeIssued", timer="T51")) == 1

    def test_notified_in_time(self, story: Story) -> None:
        self.joined(story, 10)
        story.line("2021-11-23 11:59", "C01", "GroupNoticeGiven", group="一组", level="G1")
        story.run("2021-11-25 00:00")
        assert story.alerts("T51", "C01") == ["2021-11-23 11:00 L1"]

    def test_members_lose_their_handling_clock_and_keep_the_rest(self, story: Story) -> None:
        for number in range(1, 11):
            case = f"C{number:02}"
            story.assigned(
                f"2021-11-22 {8 + number:02}:00",
                case,
                project=TOWER,
                amount_fen=500_000,
                claims=[claim(number, 500_000, ("2021-09", "2021-10"))],
                source="12345",
            )
        story.run("2021-12-10 00:00")
        assert story.one("GroupFormed", "C01")["at"] == "2021-11-22 18:00"
        assert story.alerts("T09", "C01")[0] == "2021-12-02 09:00 L1"
        for number in range(2, 11):
            case = f"C{number:02}"
            assert story.alerts("T09", case) == []
            assert story.alerts("T10", case)[-1] == "2021-12-01 00:00 L4"
        assert story.dues("T09", "C10") == [], "a member when it was assigned"

    def test_the_same_worker_twice_is_one(self, story: Story) -> None:
        self.joined(story, 9)
        story.complaint(
            "2021-11-25 09:00",
            "D",
            project=TOWER,
            amount_fen=100_000,
            claims=[claim(9, 100_000, ("2021-07", "2021-07"))],
        )
        story.run("2021-11-25 09:00")
        assert story.of("GroupFormed", "C01") == []

    def test_of_another_month_or_project_is_another_group(self, story: Story) -> None:
        for case, at, project in (
            ("A", "2021-11-30 09:00", TOWER),
            ("B", "2021-12-01 09:00", TOWER),
            ("C", "2021-12-01 09:00", TOWER | {"name": "示例广场"}),
        ):
            story.complaint(at, case, workers=6, project=project)
        story.run("2021-12-02 00:00")
        for case in "ABC":
            assert story.of("GroupFormed", case) == []

    def test_up_to_the_third_level(self, story: Story) -> None:
        for case, at, workers in (
            ("A", "2021-11-22 09:00", 10),
            ("B", "2021-11-22 09:30", 20),
            ("C", "2021-11-22 10:00", 20),
        ):
            story.complaint(at, case, workers=workers, project=TOWER)
        story.run("2021-11-22 13:00")
        assert story.one("GroupFormed")["level"] == "G1"
        assert [(d["at"], d["level"], d["workers"]) for d in story.of("GroupLevelChanged")] == [
            ("2021-11-22 09:30", "G2", 30),
            ("2021-11-22 10:00", "G3", 50),
        ]
        assert story.dues("T51") == ["2021-11-22 11:00", "2021-11-22 11:30", "2021-11-22 12:00"]
        reds = [a for a in story.alerts("T51") if not a.endswith("L1")]
        assert reds == ["2021-11-22 11:00 L3", "2021-11-22 11:30 L6", "2021-11-22 12:00 L7"]
        assert [d["to"] for d in story.of("CaseEscalated")] == ["vice_convener", "convener"]

    def test_a_notice_of_the_highest_level_is_one_of_those_below(self, story: Story) -> None:
        story.complaint("2021-11-22 09:00", "A", workers=10, project=TOWER)
        story.complaint("2021-11-22 09:30", "B", workers=40, project=TOWER)
        story.line("2021-11-22 09:45", "A", "GroupNoticeGiven", group="一组", level="G3")
        story.run("2021-11-22 13:00")
        assert story.alerts("T51") == []

    def test_a_large_gang_is_handled_in_five_days(self, story: Story) -> None:
        story.assigned("2021-11-22 09:00", workers=30)
        story.run("2021-11-22 09:00")
        assert story.one("GroupFormed")["level"] == "G2"
        # 23, 24, 25, 26, 29
        assert story.dues("T09") == ["2021-11-30 00:00"]


class TestOpinion:
    def test_verified_planned_and_answered(self, story: Story) -> None:
        story.assigned("2021-12-27 10:00")
        story.line(
            "2022-01-01 23:40", "A", "OpinionAlertRaised", url_hash="h1", spread="provincial"
        )
        story.line("2022-01-02 00:09", "A", "OpinionStepDone", step="verify")
        story.line("2022-01-02 03:40", "A", "OpinionStepDone", step="plan")
        story.run("2022-01-04 00:00")
        assert sorted(map(str, story.dues("T52"))) == [
            "2022-01-02 00:10",
            "2022-01-02 03:40",
            "2022-01-02 23:40",
        ]
        assert story.alerts("T52") == ["2022-01-02 03:40 L3", "2022-01-02 23:40 L3"]
        assert story.cleared("T52") == ["2022-01-02 03:40 L3"]

    def test_told_again_as_it_spreads_it_gets_no_more_time(self, story: Story) -> None:
        story.assigned("2021-12-27 10:00")
        for at, spread in (("10:00", "local"), ("11:00", "national")):
            story.line(f"2021-12-28 {at}", "A", "OpinionAlertRaised", url_hash="h1", spread=spread)
        story.run("2021-12-29 12:00")
        assert story.alerts("T52") == [
            "2021-12-28 10:30 L3",
            "2021-12-28 14:00 L3",
            "2021-12-29 10:00 L3",
        ]
        assert story.cleared("T52") == []

    @pytest.mark.parametrize("where", ["city", "unit:410185109"])
    def test_of_no_known_case(self, story: Story, where: str) -> None:
        story.line("2022-01-01 23:40", where, "OpinionAlertRaised", url_hash="h", spread="local")
        story.run("2022-01-02 00:10")
        assert story.alerts("T52", where) == ["2022-01-02 00:10 L3"]

    def test_an_illegal_demand_needs_a_document_and_moves_nothing(self, story: Story) -> None:
        story.assigned("2021-12-27 10:00")
        story.line("2021-12-28 10:00", "A", "IllegalDemandRecorded")
        story.line("2021-12-28 11:00", "A", "IllegalDemandRecorded", police_doc_no="登公行罚1号")
        story.run("2021-12-28 11:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [422]
        assert len(story.dues("T09")) == 1


class TestUnits:
    """All 22 units are watched, from the first line on."""

    def begun(self, city: Story, at: str) -> None:
        city.complaint(at)

    def test_screening(self, city: Story) -> None:
        self.begun(city, "2021-12-20 09:00")
        city.line("2021-12-31 23:59", "unit:TF2", "ScreeningReported", period="2021-12")
        city.line("2022-01-01 00:00", "unit:410185204", "ScreeningReported", period="2021-12")
        city.run("2022-01-01 00:00")
        assert city.dues("A1", "unit:TF7") == ["2022-01-01 00:00"]
        missed = [f"2022-01-01 00:00 {level}" for level in ("L3", "L4", "L7")]
        assert city.alerts("A1", "unit:TF1") == ["2021-12-31 09:00 L1", *missed]
        assert city.alerts("A1", "unit:410185204") == ["2021-12-31 09:00 L1", *missed]
        assert city.alerts("A1", "unit:TF2") == ["2021-12-31 09:00 L1"]
        assert len(city.of("SupervisionNoticeIssued", "unit:TF1", timer="A1")) == 1
        codes = {line["case"] for line in city.out if line["data"].get("timer") == "A1"}
        assert len(codes) == 22

    def test_summary_on_a_holiday(self, city: Story) -> None:
        self.begun(city, "2022-04-20 09:00")
        city.line("2022-04-29 18:00", "unit:TF2", "SummaryFiled", period="2022")
        city.run("2022-05-01 00:00")
        assert city.dues("A8", "unit:TF1") == ["2022-05-01 00:00"]
        assert city.alerts("A8", "unit:TF1") == [
            "2022-04-29 09:00 L1",
            *(f"2022-05-01 00:00 {level}" for level in ("L3", "L4", "L7")),
        ]
        assert city.alerts("A8", "unit:TF2") == ["2022-04-29 09:00 L1"]
        assert city.dues("A1", "unit:TF1") == [], "that date was over when the plan was adopted"

    def test_roll_call(self, city: Story) -> None:
        self.begun(city, "2022-02-05 08:00")
        city.line("2022-02-05 16:59", "unit:TF1", "ZeroReportFiled", period="2022-02-05")
        city.line("2022-02-06 17:00", "unit:TF1", "ZeroReportFiled", period="2022-02-06")
        city.run("2022-03-05 08:00")
        assert city.dues("T53", "unit:TF1") == [
            "2022-02-05 17:00",
            "2022-02-06 17:00",
            "2022-03-04 17:00",
        ]
        assert city.alerts("T53", "unit:TF1") == [
            "2022-02-05 13:00 L1",
            "2022-02-06 13:00 L1",
            "2022-02-06 17:00 L3",
            "2022-03-04 13:00 L1",
            "2022-03-04 17:00 L3",
        ]
        assert city.alerts("T53", "unit:410185001")[:3] == [
            "2022-02-05 13:00 L1",
            "2022-02-05 17:00 L3",
            "2022-02-06 13:00 L1",
        ]

    def test_no_roll_call_is_answered_before_its_day(self, city: Story) -> None:
        self.begun(city, "2022-02-05 08:00")
        city.line("2022-02-05 16:59", "unit:TF1", "ZeroReportFiled", period="2022-02-05")
        city.line("2022-02-05 16:59", "unit:TF1", "ZeroReportFiled", period="2022-02-06")
        city.run("2022-02-06 17:00", refused=1)
        assert city.refusals() == [(3, 422, "FUTURE")]
        assert city.alerts("T53", "unit:TF1")[-1] == "2022-02-06 17:00 L3"

    def test_a_silent_roll_call_has_its_notice(self, city: Story) -> None:
        self.begun(city, "2022-03-11 08:00")
        city.run("2022-03-15 00:00")
        # Friday 03-11: 17:00; the working day after is Monday 03-14.
        assert city.alerts("T53", "unit:TF1") == [
            "2022-03-11 13:00 L1",
            "2022-03-11 17:00 L3",
            "2022-03-15 00:00 L4",
        ]
        notice = city.one("SupervisionNoticeIssued", "unit:TF1")
        assert (notice["to"], notice["reply_due_at"]) == (["TF1"], full("2022-03-18 00:00"))

    def test_quarterly_publication(self, city: Story) -> None:
        self.begun(city, "2021-12-20 09:00")
        city.line("2022-01-17 23:00", "city", "PublicationMade", quarter="2021Q4")
        city.run("2022-04-16 00:00")
        # 01-04..07, 10-14, 17 are ten; 04-01, 02, 06-08, 11-15 are ten.
        assert city.dues("T43", "city") == ["2022-01-18 00:00", "2022-04-16 00:00"]
        assert city.alerts("T43", "city") == [
            "2022-01-13 09:00 L1",
            "2022-01-17 09:00 L2",
            "2022-04-13 09:00 L1",
            "2022-04-15 09:00 L2",
            "2022-04-16 00:00 L3",
        ]

    def test_a_unit_files_for_itself(self, city: Story) -> None:
        self.begun(city, "2021-12-20 09:00")
        by: dict[str, Any] = {"unit": "TF3", "role": "task_force"}
        city.line("2021-12-21 09:00", "unit:TF1", "ScreeningReported", by_=by)
        city.run("2021-12-21 09:00", refused=1)
        assert [status for _, status, _ in city.refusals()] == [403]


class TestMeetings:
    """What a meeting decides falls to a unit, which completes it where it was decided."""

    def held(self, city: Story, where: str) -> str:
        city.complaint("2021-12-13 08:00")
        decisions = [
            {"no": 1, "owner": "410185109", "due_on": "2021-12-20"},
            {"no": 2, "owner": "市住建局", "due_on": "2021-12-24"},
        ]
        return str(city.line("2021-12-13 09:00", where, "MeetingHeld", decisions=decisions))

    def completed(self, city: Story, at: str, where: str, unit: str, **data: Any) -> int:
        return city.line(at, where, "MeasureCompleted", by_={"unit": unit}, **data)

    @pytest.mark.parametrize("where", ["unit:TF1", "city"])
    def test_completed_once_by_its_owner(self, city: Story, where: str) -> None:
        meeting = self.held(city, where)
        of = {"meeting": meeting, "measure": "1"}
        wrong = self.completed(city, "2021-12-14 09:00", where, "410185001", **of)
        strange = self.completed(
            city, "2021-12-14 10:00", where, "410185109", meeting=meeting, measure="7"
        )
        self.completed(city, "2021-12-15 09:00", where, "410185109", **of)
        again = self.completed(city, "2021-12-16 09:00", where, "410185109", **of)
        other = self.completed(
            city, "2021-12-16 10:00", where, "市住建局", meeting=meeting, measure="2"
        )
        city.run("2021-12-28 00:00", refused=3)
        assert city.refusals() == [
            (wrong, 403, "UNIT"),
            (strange, 422, "UNKNOWN_DECISION"),
            (again, 409, "COMPLETED"),
        ]
        assert other not in [line for line, _, _ in city.refusals()]

    def test_it_owes_no_decision(self, city: Story) -> None:
        self.held(city, "unit:TF1")
        city.run("2021-12-28 00:00")
        own = [line for line in city.out if line["case"] == "unit:TF1"]
        assert {line["data"].get("timer") for line in own} <= {"A1", "A8"}


class TestLanes:
    """Fast lanes of domain 4.3 and the recipients they name."""

    def test_fled(self, story: Story) -> None:
        story.assigned("2021-11-11 10:00")
        story.verified("2021-11-15 10:00", (800_000, 3), root_cause="FLED")
        story.run("2021-12-10 00:00")
        # Lower levels are not raised any more; L5, L6 and L7 come in their own time.
        assert story.alerts("T09") == [
            "2021-11-15 10:00 L4",
            "2021-12-01 00:00 L5",
            "2021-12-03 00:00 L6",
            "2021-12-10 00:00 L7",
        ]
        at_once = story.one("AlertRaised", timer="T09", level="L4")
        assert at_once["due_at"] == full("2021-11-15 10:00")
        assert "市公安局" in at_once["recipients"]
        assert story.times("SupervisionNoticeIssued", timer="T09") == ["2021-11-15 10:00"]

    def ten(self, story: Story) -> None:
        """A group under C01, a worker a case."""
        for number in range(1, 11):
            story.assigned(
                f"2021-11-22 09:{number:02}",
                f"C{number:02}",
                project=TOWER,
                claims=[claim(number, 500_000)],
            )

    def test_fled_on_a_member_is_raised_on_the_case_that_leads(self, story: Story) -> None:
        self.ten(story)
        story.verified("2021-11-23 10:00", (500_000, 2), case="C05", root_cause="FLED")
        story.verified("2021-11-24 10:00", (500_000, 2), case="C06", root_cause="FLED")
        story.run("2021-11-25 00:00")
        assert story.alerts("T09", "C05") == []
        assert story.alerts("T09", "C01") == ["2021-11-23 10:00 L4"]
        assert "市公安局" in story.one("AlertRaised", "C01", timer="T09")["recipients"]

    def test_fled_goes_along_when_a_member_is_on_its_own(self, story: Story) -> None:
        """Unless other facts were found meanwhile."""
        self.ten(story)
        for case in ("C05", "C06"):
            story.verified("2021-11-23 10:00", (500_000, 2), case=case, root_cause="FLED")
        story.verified("2021-11-23 11:00", (500_000, 2), case="C06", root_cause="CASH_FLOW")
        story.signed("2021-11-23 12:00", "C01")
        story.reviewed("2021-11-24 10:00", "C01", kind="WITHDRAWN")
        story.followed_up("2021-11-24 10:00", "C01", got_paid="N")
        story.run("2021-11-24 12:00")
        assert story.alerts("T09", "C05") == ["2021-11-24 10:00 L4"]
        assert story.alerts("T09", "C06") == []

    def test_fled_stands_through_an_extension(self, story: Story) -> None:
        """No lower level after it, and only the end of the handling ends it (domain 4.3, I-20)."""
        story.assigned("2021-11-11 10:00")
        story.verified("2021-11-15 10:00", (800_000, 3), root_cause="FLED")
        story.line("2021-11-16 09:00", "A", "SupervisionNoticeReplied")
        story.line("2021-11-24 10:00", "A", "ExtensionRequested", to=full("2021-12-03 00:00"))
        approved = {"to": full("2021-12-03 00:00"), "approver": "office"}
        story.line("2021-11-24 11:00", "A", "ExtensionApproved", **approved)
        story.paid("2021-12-08 09:00")
        story.line("2021-12-08 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-12-08 10:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-12-03 00:00"]
        assert story.alerts("T09") == ["2021-11-15 10:00 L4", "2021-12-08 00:00 L5"]
        assert story.cleared("T09") == ["2021-12-08 10:00 L4", "2021-12-08 10:00 L5"]
        assert story.times("SupervisionNoticeIssued", timer="T09") == ["2021-11-15 10:00"]

    def test_fled_stands_through_a_suspension(self, story: Story) -> None:
        story.assigned("2021-11-11 10:00")
        story.verified("2021-11-15 10:00", (800_000, 3), root_cause="FLED")
        story.line("2021-11-16 09:00", "A", "CaseSuspended", reason="等待鉴定")
        story.line("2021-11-19 09:00", "A", "CaseResumed")
        story.run("2021-12-01 00:00")
        assert story.dues("T09") == ["2021-11-26 00:00", "2021-11-30 00:00"]
        assert story.alerts("T09") == ["2021-11-15 10:00 L4"]
        assert story.cleared("T09") == []

    def test_a_supervised_national_line(self, story: Story) -> None:
        story.assigned("2021-11-11 10:00", tier="NAT", source="ducha", kind="supervised")
        story.run("2021-12-10 00:00")
        assert story.alerts("T09") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-26 00:00 L3",
            "2021-11-27 00:00 L6",
            "2021-12-10 00:00 L7",
        ]
        assert story.times("SupervisionNoticeIssued", timer="T09") == ["2021-11-27 00:00"]

    def test_a_false_closure_under_the_redo(self, story: Story) -> None:
        story.assigned("2022-01-13 09:00")
        story.signed("2022-01-13 10:00")
        story.paid("2022-01-19 15:00")
        story.reviewed("2022-01-20 16:00")
        story.followed_up("2022-01-21 10:00", got_paid="part", satisfaction="unsatisfied")
        story.line("2022-01-24 10:00", "A", "FalseClosureFound", evidence="转账记录")
        story.run("2022-02-12 00:00")
        assert story.dues("T18") == ["2022-01-27 00:00"]
        # L1 fell on 01-24 09:00; due 01-26: five working days on are 27-30 and 02-07.
        assert story.alerts("T18") == [
            "2022-01-24 09:00 L1",
            "2022-01-24 10:00 L5",
            "2022-02-08 00:00 L6",
        ]
        assert story.of("CaseReopened") == []

    def test_the_campaign_date_leaves_the_seventh_level_to_itself(self, story: Story) -> None:
        story.assigned("2022-01-20 10:00")  # due 24:00 of 01-29
        story.run("2022-02-25 00:00")
        assert story.alerts("A5") == ["2022-02-01 00:00 L3", "2022-02-01 00:00 L7"]
        assert story.alerts("T09") == [
            "2022-01-27 00:00 L1",
            "2022-01-29 09:00 L2",
            "2022-01-30 00:00 L3",
            "2022-01-31 00:00 L4",
            "2022-02-09 00:00 L5",
            "2022-02-11 00:00 L6",
        ]
        assert [(d["at"], d["to"]) for d in story.of("CaseEscalated")] == [
            ("2022-02-01 00:00", "convener"),
            ("2022-02-11 00:00", "vice_convener"),
        ]

    def test_answered_and_done_the_notice_is_over(self, story: Story) -> None:
        story.assigned("2021-11-11 10:00")
        story.signed("2021-11-11 11:00")
        story.line("2021-11-29 10:00", "A", "SupervisionNoticeReplied")
        story.paid("2021-11-30 10:00")
        story.line("2021-11-30 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-30 12:00")
        assert story.cleared("T09") == [
            f"2021-11-30 11:00 {level}" for level in ("L1", "L2", "L3", "L4")
        ]
        # L4 has no end by the act alone: the first contact was never made.
        assert "L4" not in [each[-2:] for each in story.cleared("T07")]


class TestNotices:
    """督办函: from L4 on an alert ends by reply and stop event (domain 4.3), wherever it stands."""

    def test_a_unit_answers_its_own(self, city: Story) -> None:
        city.complaint("2021-12-20 09:00")
        city.line("2022-01-04 09:00", "unit:TF1", "ScreeningReported")
        city.line("2022-01-04 09:30", "unit:TF2", "SupervisionNoticeReplied")
        city.line("2022-01-04 10:00", "unit:TF1", "SupervisionNoticeReplied")
        city.line("2022-01-05 09:00", "unit:TF2", "ScreeningReported")
        by = {"unit": "TF3", "role": "task_force"}
        city.line("2022-01-05 10:00", "unit:TF2", "SupervisionNoticeReplied", by_=by)
        city.run("2022-01-05 12:00", refused=1)
        assert [status for _, status, _ in city.refusals()] == [403]
        over = [f"2022-01-04 09:00 {level}" for level in ("L1", "L3")]
        assert city.cleared("A1", "unit:TF1") == [
            *over,
            *(f"2022-01-04 10:00 {level}" for level in ("L4", "L7")),
        ]
        assert city.cleared("A1", "unit:TF2") == [
            f"2022-01-05 09:00 {level}" for level in ("L1", "L3", "L4", "L7")
        ]

    def test_the_city_answers_for_an_incident(self, city: Story) -> None:
        city.complaint("2022-02-03 09:00")
        incident = city.line("2022-02-03 20:15", "city", "ExtremeIncidentReported", kind="爬塔吊")
        city.line("2022-02-03 21:00", "city", "ExtremeIncidentCleared", incident=str(incident))
        city.line("2022-02-04 09:00", "city", "SupervisionNoticeReplied")
        city.run("2022-02-04 09:00")
        assert city.alerts("T50", "city")[0] == "2022-02-03 20:15 L7"
        assert city.cleared("T50", "city")[-1] == "2022-02-04 09:00 L7"

    def test_before_anybody_has_the_case(self, story: Story) -> None:
        """T01's notice goes to the office, which answers it before the case is accepted."""
        story.complaint("2021-11-10 09:00")  # due 24:00 of 11-12
        by = {"unit": TANGZHUANG, "role": "township"}
        story.line("2021-11-16 09:00", "A", "SupervisionNoticeReplied", by_=by)
        story.line("2021-11-16 10:00", "A", "SupervisionNoticeReplied")
        story.line("2021-11-16 11:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-11-16 11:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [403]
        assert story.alerts("T01")[-1] == "2021-11-16 00:00 L4"
        assert story.cleared("T01")[-1] == "2021-11-16 11:00 L4"

    @pytest.mark.parametrize(
        ("ending", "data"),
        [
            ("ComplaintNotAccepted", {"reason": "NOT_WAGES"}),
            ("ComplaintTransferredOut", {"to_body": "新密市"}),
            ("MergeApproved", {"master": "B"}),
        ],
    )
    def test_after_the_case_has_left(self, story: Story, ending: str, data: dict[str, Any]) -> None:
        story.complaint("2021-11-10 09:00")
        story.complaint("2021-11-10 09:00", "B")
        story.line("2021-11-16 09:00", "A", ending, **data)
        story.line("2021-11-16 10:00", "A", "SupervisionNoticeReplied")
        story.line("2021-11-16 10:30", "A", "InterviewHeld")
        story.run("2021-11-16 11:00")
        assert story.cleared("T01") == [
            *(f"2021-11-16 09:00 {level}" for level in ("L1", "L3")),
            "2021-11-16 10:00 L4",
        ]
