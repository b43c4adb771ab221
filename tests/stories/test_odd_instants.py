"""Recorded late, on the last minute, or in an order rarely walked (domain 4.1-4.3)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.stories.telling import TANGZHUANG, Story, full


def minute_before(at: str) -> str:
    return f"{datetime.fromisoformat(at) - timedelta(minutes=1):%Y-%m-%d %H:%M}"


class TestTheHighestStillOwed:
    """Steps before the recording of their start are made up for by the highest, a day later."""

    @pytest.mark.parametrize(
        ("recorded", "alerts"),
        [
            # Filed on Wednesday 12-01: red at 12-04 00:00, L4 at 12-07, L6 at 12-09.
            ("2021-12-03 10:00", ["2021-12-04 00:00 L3", "2021-12-07 00:00 L4"]),
            ("2021-12-04 10:00", ["2021-12-07 00:00 L4"]),  # a Saturday: Monday's end is L4's own
            ("2021-12-06 10:00", ["2021-12-07 00:00 L4"]),
            ("2021-12-07 10:00", []),  # 12-09 00:00 is L6's own
            ("2021-12-20 10:00", []),
        ],
    )
    def test_materials_of_a_filing_that_was_recorded_late(
        self, story: Story, recorded: str, alerts: list[str]
    ) -> None:
        story.assigned("2021-11-15 09:00")
        story.signed("2021-11-15 10:00")
        story.served("2021-11-22 10:00", limit="2021-11-30 00:00")
        for type_ in ("Proposed", "Approved", "Delivered", "Receipted"):
            story.line("2021-11-30 10:00", "A", f"Referral{type_}")
        story.line(recorded, "A", "PoliceFiled", doc_no="公1", happened_="2021-12-01 09:00")
        story.run("2022-01-05 00:00")
        sixth = "2021-12-22" if recorded > "2021-12-10" else "2021-12-09"
        assert story.dues("T38") == ["2021-12-04 00:00"]
        assert story.alerts("T38") == [*alerts, f"{sixth} 00:00 L6"]

    @pytest.mark.parametrize(
        ("limit", "alerts"),
        [
            # Received on Monday 12-20: due at the end of Friday, of Monday itself, of Tuesday.
            ("2021-12-20 18:00", ["2021-12-21 00:00 L4"]),
            ("2021-12-21 18:00", ["2021-12-21 00:00 L3", "2021-12-22 00:00 L4"]),
            ("2021-12-17 18:00", ["2021-12-22 00:00 L4"]),
        ],
    )
    def test_a_platforms_limit_that_is_all_but_over(
        self, story: Story, limit: str, alerts: list[str]
    ) -> None:
        story.complaint("2021-12-20 10:00", source="12345", external_due_at=full(limit))
        story.run("2022-01-10 00:00")
        assert story.alerts("T10") == alerts

    @pytest.mark.parametrize("day", ["2022-01-20", "2022-02-11"])
    def test_accepted_long_after_its_campaign_date(self, story: Story, day: str) -> None:
        """Handling comes to six, beside the seventh level of the date."""
        story.assigned(f"{day} 10:00", received="2021-12-20 10:00", tier="NAT", source="national")
        story.run("2022-03-10 00:00")
        late = {"2022-01-20": "2022-01-22 00:00", "2022-02-11": "2022-02-15 00:00"}[day]
        assert story.deadline("T09")[1] == "2022-01-01 00:00"
        assert story.alerts("T09") == [f"{day} 10:00 L1", f"{late} L6"]
        assert story.alerts("A2") == [f"{late} L7"]
        assert story.of("CaseEscalated", timer="T09", to="convener") == []

    def test_extended_on_the_due_day_its_reminder_is_made_up_for(self, story: Story) -> None:
        """Due 12-15, moved to 12-17 that noon: the reminder of 09:00 was before the move."""
        story.assigned("2021-12-01 10:00")
        story.signed("2021-12-01 11:00")
        to = full("2021-12-18 00:00")
        story.line("2021-12-15 12:00", "A", "ExtensionRequested", to=to, reason="等拨款")
        story.line("2021-12-15 13:00", "A", "ExtensionApproved", to=to, approver="office")
        story.run("2021-12-18 00:00")
        assert story.alerts("T09") == [
            "2021-12-13 09:00 L1",
            "2021-12-15 09:00 L2",
            "2021-12-17 00:00 L1",
            "2021-12-17 09:00 L2",
            "2021-12-18 00:00 L3",
        ]


class TestSuspended:
    @pytest.mark.parametrize(
        ("begin", "end", "due"),
        [
            ("2021-12-06 00:00", "2021-12-10 00:00", "2021-12-22 00:00"),  # 6, 7, 8, 9
            ("2021-12-06 00:01", "2021-12-09 23:59", "2021-12-18 00:00"),  # 7, 8
            ("2021-12-03 18:00", "2021-12-06 08:00", "2021-12-16 00:00"),  # a weekend
        ],
    )
    def test_only_whole_working_days(self, story: Story, begin: str, end: str, due: str) -> None:
        story.assigned("2021-12-01 10:00")
        story.signed("2021-12-01 11:00")
        story.line(begin, "A", "CaseSuspended", reason="等鉴定")
        story.line(end, "A", "CaseResumed")
        story.run(due)
        assert story.dues("T09")[-1] == due
        assert story.alerts("T09")[-1] == f"{due} L3"


class TestAnotherUnit:
    def test_across_the_new_year_it_has_the_new_phases_days(self, story: Story) -> None:
        """Ten days from 12-27 end on 01-11, three more on 01-14; seven from 01-04 on 01-13."""
        story.assigned("2021-12-27 10:00")
        story.line("2021-12-28 10:00", "A", "ReturnRequested", reason="WRONG_SECTOR")
        story.line("2021-12-31 15:00", "A", "ReturnApproved", improper=True)
        story.line("2022-01-04 10:00", "A", "TriageDecided", task_force="TF7", township=TANGZHUANG)
        story.run("2022-01-14 00:00")
        assert story.dues("T09") == ["2022-01-12 00:00", "2022-01-14 00:00"]

    def test_a_petition_is_returned_after_it_was_deemed_signed(self, story: Story) -> None:
        """Signed for by rule after a working day; its window is open for five days."""
        story.assigned("2021-12-01 10:00", source="xinfang")
        story.line("2021-12-06 23:59", "A", "ReturnRequested", reason="WRONG_SECTOR")
        story.run("2021-12-08 00:00")
        assert story.times("AssignmentDeemedSigned") == ["2021-12-03 00:00"]
        assert story.of("ReturnRefused") == []
        assert story.dues("T06")[-1] == "2021-12-08 00:00"


class TestClosed:
    def closed(self, story: Story) -> None:
        story.assigned("2021-12-10 10:00", tier="NAT", source="national")
        story.signed("2021-12-10 11:00")
        story.paid("2021-12-13 10:00", payment="款一")
        story.reviewed("2021-12-14 10:00")
        story.followed_up("2021-12-15 10:00")

    def test_reopened_before_its_campaign_date_it_must_meet_it(self, story: Story) -> None:
        self.closed(story)
        lines = [{"line": "1", "amount_fen": 1}]
        story.line("2021-12-29 10:00", "A", "PaymentReversed", payment="款一", lines=lines)
        story.run("2022-01-11 00:00")
        assert story.one("CaseReopened")["reason"] == "PAYMENT_REVERSED"
        assert story.dues("T18") == ["2022-01-01 00:00"]
        assert story.alerts("A2") == ["2022-01-01 00:00 L3", "2022-01-01 00:00 L7"]
        # 12-29 09:00 was before it: made up for at the end of the next working day.
        assert story.alerts("T18")[:3] == [
            "2021-12-31 00:00 L1",
            "2021-12-31 09:00 L2",
            "2022-01-01 00:00 L3",
        ]

    @pytest.mark.parametrize(("at", "times"), [("2022-01-14 23:59", 1), ("2022-01-15 00:00", 0)])
    def test_written_off_it_comes_back_until_the_end_of_the_thirtieth_day(
        self, story: Story, at: str, times: int
    ) -> None:
        self.closed(story)
        story.line("2021-12-16 10:00", "A", "CaseWrittenOff")
        lines = [{"line": "1", "amount_fen": 1}]
        story.line(at, "A", "PaymentReversed", payment="款一", lines=lines)
        story.run("2022-01-16 00:00")
        assert len(story.of("CaseReopened")) == times

    def test_a_claim_that_grew_while_the_worker_was_asked(self, story: Story) -> None:
        """I-01 is asked of what is verified now, whatever the worker says."""
        story.assigned("2021-12-01 10:00")
        story.signed("2021-12-01 11:00")
        story.paid("2021-12-02 10:00")
        story.reviewed("2021-12-03 10:00")
        story.verified("2021-12-03 11:00", (800_001, 3))
        story.followed_up("2021-12-06 10:00")
        story.run("2021-12-06 10:00")
        assert story.one("ClosureRefused")["reasons"] == ["NOT_PAID"]
        assert story.dues("T18") == ["2021-12-10 00:00"]


def test_instalments_of_one_day_default_in_their_order(story: Story) -> None:
    """Pay days of 02-01 and 02-03 are both 01-30; a bounced payment started the first anew."""
    story.assigned("2021-12-06 09:00")
    story.signed("2021-12-06 10:00")
    parts = ((1, "2022-02-01", 300_000), (2, "2022-02-03", 500_000))
    plan = [{"n": n, "due_on": due_on, "amount_fen": fen} for n, due_on, fen in parts]
    story.line("2021-12-07 10:00", "A", "InstalmentPlanAgreed", plan=plan)
    story.paid("2022-01-06 12:30", 300_000, payment="款一")
    lines = [{"line": "1", "amount_fen": 300_000}]
    story.line("2022-01-09 04:40", "A", "PaymentReversed", payment="款一", lines=lines)
    story.run("2022-01-31 00:00")
    found = [(data["at"], data["n"], data["plan_void"]) for data in story.of("InstalmentDefaulted")]
    assert sorted(found) == [("2022-01-31 00:00", 1, False), ("2022-01-31 00:00", 2, True)]


@pytest.mark.parametrize("late", [False, True])
def test_an_incidents_reports_on_their_minute(story: Story, late: bool) -> None:
    """A report exactly at its due is late; updates go on from due to due, whoever reported."""
    story.assigned("2022-01-20 10:00")
    number = story.line(
        "2022-02-03 20:15", "A", "ExtremeIncidentReported", kind="攀爬", place="塔吊"
    )
    dues = (("2022-02-03 20:45", "phone"), ("2022-02-03 22:15", "written"))
    for due, step in (*dues, ("2022-02-04 00:15", "update")):
        at = due if late else minute_before(due)
        story.line(at, "A", "IncidentReportFiled", incident=str(number), step=step)
    story.line("2022-02-04 06:00", "A", "ExtremeIncidentCleared", incident=str(number))
    story.run("2022-02-04 12:00")
    assert story.alerts("T50", step="phone") == ["2022-02-03 20:15 L7"]
    assert story.alerts("T50", step="written") == (["2022-02-03 22:15 L3"] if late else [])
    first = story.alerts("T50", step="update")[:1]
    assert first == ["2022-02-04 00:15 L3" if late else "2022-02-04 04:15 L3"]
    assert story.dues("T50", step="update") == [
        "2022-02-04 00:15",
        "2022-02-04 04:15",
        "2022-02-04 08:15",
    ]
