"""The 22 units and the city: a silent unit is watched from the adoption of the book on."""

from __future__ import annotations

from datetime import date

import pytest

from shared import events as ev
from tests.supervision.spec import Told, local

TF1 = "unit:TF1"
TANGZHUANG = "unit:410185109"


def unit(subject: str = TF1, until: str = "2021-11-10 00:00") -> Told:
    return Told(subject).until(until)


def finding(count: int = 1) -> ev.SupervisionVisitRecorded:
    findings = tuple(ev.Finding(no=n, text="sealed:x") for n in range(1, count + 1))
    return ev.SupervisionVisitRecorded(mode="on_site", unit="TF1", findings=findings)


class TestCampaignDates:
    @pytest.mark.parametrize("subject", [TF1, TANGZHUANG])
    def test_screening_and_summary_are_set_at_adoption(self, subject: str) -> None:
        told = unit(subject)
        assert told.due("A1") == "2022-01-01 00:00"
        assert told.due("A8") == "2022-05-01 00:00"
        assert set(told.times(ev.DeadlineSet)) == {"2021-11-01 00:00"}

    @pytest.mark.parametrize("subject", ["unit:市教育局", "city"])
    def test_departments_and_the_city_have_none(self, subject: str) -> None:
        assert not {"A1", "A8"} & unit(subject).running()

    def test_a_silent_unit_at_the_screening(self) -> None:
        told = unit(until="2022-01-05 00:00")
        assert told.alerts("A1") == [
            ("2021-12-31 09:00", "L1"),
            ("2022-01-01 00:00", "L3"),
            ("2022-01-01 00:00", "L4"),
            ("2022-01-01 00:00", "L7"),
        ]
        notices = [data.to for data in told.of(ev.SupervisionNoticeIssued) if data.timer == "A1"]
        assert notices == [("TF1",)]

    def test_no_two_units_share_the_number_of_a_notice(self) -> None:
        streams = [unit(f"unit:41018500{n}", "2022-01-05 00:00") for n in (1, 2)]
        numbers = [d.notice_no for told in streams for d in told.of(ev.SupervisionNoticeIssued)]
        assert len(set(numbers)) == len(numbers) >= 2

    def test_reported_in_time(self) -> None:
        told = unit(until="2021-12-20 00:00")
        told.at("2021-12-20 10:00", ev.ScreeningReported(findings=0))
        assert told.until("2022-01-05 00:00").alerts("A1") == []

    def test_the_last_day_is_a_holiday_and_does_not_roll(self) -> None:
        told = unit(until="2022-04-29 18:00")
        assert told.alerts("A8") == [("2022-04-29 09:00", "L1")]
        told.until("2022-05-02 00:00")
        assert told.alerts("A8")[1:] == [
            ("2022-05-01 00:00", "L3"),
            ("2022-05-01 00:00", "L4"),
            ("2022-05-01 00:00", "L7"),
        ]
        told.at("2022-05-05 10:00", ev.SummaryFiled())
        assert told.cleared("A8") == [("2022-05-05 10:00", "L1"), ("2022-05-05 10:00", "L3")]


class TestRollCall:
    def test_each_duty_day_of_both_windows(self) -> None:
        told = unit(TANGZHUANG, until="2022-04-01 00:00")
        days = [data.item for data in told.deadlines("T53")]
        assert days[0] == "2022-01-01"
        assert days[36] == "2022-02-06"
        assert days[37:] == [f"2022-03-{day:02}" for day in range(4, 12)]
        first = told.deadlines("T53")[0]
        assert (local(first.started_at), local(first.due_at)) == (
            "2022-01-01 09:00",
            "2022-01-01 17:00",
        )

    def test_a_silent_day(self) -> None:
        told = unit(until="2022-01-08 00:00")
        assert told.alerts("T53", item="2022-01-01") == [
            ("2022-01-01 13:00", "L1"),
            ("2022-01-01 17:00", "L3"),
            ("2022-01-05 00:00", "L4"),
        ]

    def test_answered(self) -> None:
        told = unit(until="2022-01-01 10:00")
        told.at("2022-01-01 10:00", ev.ZeroReportFiled())
        told.until("2022-01-01 23:00")
        assert told.alerts("T53", item="2022-01-01") == []

    def test_at_five_it_is_late(self) -> None:
        told = unit(until="2022-01-01 16:00")
        told.at("2022-01-01 17:00", ev.ZeroReportFiled())
        assert told.alerts("T53")[-1] == ("2022-01-01 17:00", "L3")
        assert told.cleared("T53")[-1] == ("2022-01-01 17:00", "L3")

    def test_reported_the_next_day_it_is_that_days_unless_it_says_which(self) -> None:
        told = unit(until="2022-01-02 10:00")
        told.at("2022-01-02 10:00", ev.ZeroReportFiled())
        assert [c.item for c in told.stream.state.clocks if c.timer == "T53"] == ["2022-01-01"]
        told.at("2022-01-02 11:00", ev.ZeroReportFiled(period="2022-01-01"))
        assert "T53" not in told.running()

    def test_reported_before_the_roll_call(self) -> None:
        told = unit(until="2022-01-01 08:00")
        told.at("2022-01-01 08:30", ev.ZeroReportFiled())
        told.until("2022-01-02 09:00")
        assert [data.item for data in told.deadlines("T53")] == ["2022-01-02"]

    def test_a_department_is_not_called(self) -> None:
        assert unit("unit:市教育局", until="2022-02-01 00:00").deadlines("T53") == []


class TestVisits:
    def test_what_was_found_is_put_right_in_five_working_days(self) -> None:
        told = unit(until="2021-11-15 00:00")
        visit = told.at("2021-11-15 10:00", finding())
        assert told.due("T55", item=visit.id) == "2021-11-23 00:00"
        told.until("2021-11-25 00:00")
        assert told.alerts("T55") == [
            ("2021-11-18 09:00", "L1"),
            ("2021-11-22 09:00", "L2"),
            ("2021-11-23 00:00", "L3"),
            ("2021-11-24 00:00", "L4"),
        ]
        told.at("2021-11-25 10:00", ev.RectificationReported(visit=visit.id))
        assert "T55" not in told.running()
        assert ("2021-11-25 10:00", "L3") in told.cleared("T55")

    def test_nothing_found_nothing_to_put_right(self) -> None:
        told = unit()
        told.at("2021-11-15 10:00", finding(0))
        assert told.deadlines("T55") == []

    def test_each_visit_has_its_own_clock(self) -> None:
        told = unit(until="2021-11-15 00:00")
        first = told.at("2021-11-15 10:00", finding())
        told.at("2021-11-16 10:00", finding(2))
        told.at("2021-11-17 10:00", ev.RectificationReported(visit=first.id))
        assert len([c for c in told.stream.state.clocks if c.timer == "T55"]) == 1

    def test_a_visit_recorded_late_counts_from_its_recording(self) -> None:
        told = unit(until="2021-11-15 00:00")
        told.at("2021-11-22 10:00", finding(), happened="2021-11-15 10:00")
        assert told.due("T55") == "2021-11-30 00:00"


class TestMeasures:
    def plan(self, due_on: str, measure: str = "M1") -> ev.MeasurePlanFiled:
        return ev.MeasurePlanFiled(
            measure=measure, responsible="市住建局", due_on=date.fromisoformat(due_on)
        )

    def test_until_the_end_of_its_day(self) -> None:
        told = unit(until="2021-11-15 00:00")
        told.at("2021-11-15 10:00", self.plan("2021-11-30"))
        assert told.due("T56", item="M1") == "2021-12-01 00:00"
        told.until("2021-12-02 00:00")
        assert told.alerts("T56") == [
            ("2021-11-26 09:00", "L1"),
            ("2021-11-30 09:00", "L2"),
            ("2021-12-01 00:00", "L3"),
            ("2021-12-02 00:00", "L4"),
        ]

    def test_completed(self) -> None:
        told = unit(until="2021-11-15 00:00")
        told.at("2021-11-15 10:00", self.plan("2021-11-30"))
        told.at("2021-11-15 11:00", self.plan("2021-11-30", "M2"))
        told.at("2021-11-16 10:00", ev.MeasureCompleted(measure="M1"))
        assert [c.item for c in told.stream.state.clocks if c.timer == "T56"] == ["M2"]

    def test_a_decision_of_a_meeting_has_its_day_but_no_clock(self) -> None:
        """Domain 4.1 names no timer for it; it counts where it is ranked (方案 五(三)二)."""
        told = unit(until="2021-11-15 00:00")
        before = set(told.running())
        decision = ev.MeetingDecision(no=1, owner="TF1", due_on=date(2021, 11, 16))
        told.at("2021-11-15 10:00", ev.MeetingHeld(decisions=(decision,)))
        told.until("2021-11-20 00:00")
        assert told.running() == before
        assert {data.timer for data in told.of(ev.AlertRaised)} <= before

    def test_a_decision_that_is_completed_stops_no_measure_of_its_number(self) -> None:
        told = unit(until="2021-11-15 00:00")
        told.at("2021-11-15 10:00", self.plan("2021-11-30", "1"))
        told.at("2021-11-15 11:00", ev.MeasureCompleted(measure="1", meeting="m"))
        assert "T56" in told.running()

    def test_planned_anew(self) -> None:
        told = unit(until="2021-11-15 00:00")
        told.at("2021-11-15 10:00", self.plan("2021-11-30"))
        told.at("2021-11-16 10:00", self.plan("2021-12-10"))
        assert told.due("T56") == "2021-12-11 00:00"
        assert told.until("2021-12-05 00:00").alerts("T56") == []


class TestCity:
    def test_publication_within_ten_working_days_of_each_quarter(self) -> None:
        told = unit("city", until="2022-04-30 00:00")
        dues = [
            (data.item, local(data.started_at), local(data.due_at))
            for data in told.deadlines("T43")
        ]
        assert dues == [
            ("2021Q4", "2022-01-01 00:00", "2022-01-18 00:00"),
            ("2022Q1", "2022-04-01 00:00", "2022-04-16 00:00"),
        ]
        assert told.alerts("T43", item="2021Q4") == [
            ("2022-01-13 09:00", "L1"),
            ("2022-01-17 09:00", "L2"),
            ("2022-01-18 00:00", "L3"),
            ("2022-01-19 00:00", "L4"),
        ]
        (alert, *_) = told.of(ev.AlertRaised)
        assert alert.recipients == ("市人社局",)

    @pytest.mark.parametrize("quarter", ["2021Q4", "2021-Q4", "2021年第4季度", None])
    def test_published(self, quarter: str | None) -> None:
        told = unit("city", until="2022-01-10 00:00")
        told.at("2022-01-10 10:00", ev.PublicationMade(quarter=quarter))
        assert told.running() == set()
        assert told.until("2022-01-20 00:00").alerts("T43") == []

    def test_another_quarters_publication_is_not_this_ones(self) -> None:
        told = unit("city", until="2022-01-10 00:00")
        told.at("2022-01-10 10:00", ev.PublicationMade(quarter="2021Q3"))
        assert told.running() == {"T43"}
