"""The escalation ladder (domain 4.3): which level comes when, and when it ends."""

from __future__ import annotations

import pytest

from shared import events as ev
from tests.supervision.spec import (
    LABOUR,
    OFFICE,
    Told,
    assigned,
    assignment,
    closed,
    complaint,
    followed_up,
    local,
    paid,
    reassignment,
    received,
    reversed_,
    reviewed,
    served,
)

FULL = [
    ("2021-11-23 09:00", "L1"),
    ("2021-11-25 09:00", "L2"),
    ("2021-11-26 00:00", "L3"),
    ("2021-11-27 00:00", "L4"),
    ("2021-12-01 00:00", "L5"),
    ("2021-12-03 00:00", "L6"),
    ("2021-12-10 00:00", "L7"),
]
FLED = ev.FactsVerified(
    lines=(ev.VerifiedLine(line="1", amount_fen=1_200_000, months=3),), root_cause="FLED"
)


def test_the_whole_ladder_once_each() -> None:
    case = assigned("2021-11-11 10:00").until("2021-12-20 00:00")
    assert case.alerts("T09") == FULL


def test_who_is_told_grows_with_the_level() -> None:
    case = assigned("2021-11-11 10:00").until("2021-12-20 00:00")
    found = {data.level: data.recipients for data in case.of(ev.AlertRaised) if data.timer == "T09"}
    assert found["L1"] == ("410185109",)
    assert found["L2"] == ("410185109", "市人社局", "市住建局")
    assert found["L3"][-1] == "联席办"
    assert found["L5"][-1] == "TF1副组长"
    assert found["L6"][-1] == "常务副市长"
    assert found["L7"][-1] == "市长"


def told(case: Told, timer: str, step: str | None = None) -> dict[str, tuple[str, ...]]:
    raised = [d for d in case.of(ev.AlertRaised) if (d.timer, d.step) == (timer, step)]
    found = {data.level: data.recipients for data in raised}
    sent = [d.to for d in case.of(ev.SupervisionNoticeIssued) if d.timer == timer]
    return found | ({"notice": sent[-1]} if sent else {})


def test_who_must_act_is_reminded_and_nobody_else() -> None:
    """The review by the task force and then the office, the follow-up by the office."""
    case = assigned("2021-11-11 10:00")
    paid(case, "2021-11-15 09:00")
    case.at("2021-11-15 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
    case.until("2021-11-18 00:00")
    leads = ("市人社局", "市住建局")
    assert told(case, "T12", "tf") == {
        "L1": leads,
        "L3": (*leads, "联席办"),
        "L4": (*leads, "联席办"),
        "notice": leads,
    }
    case.at("2021-11-18 10:00", ev.ClosureReviewPassed(stage="tf"))
    case.until("2021-11-20 00:00")
    assert told(case, "T12", "office")["L1"] == ("联席办",)
    case.at("2021-11-22 10:00", ev.ClosureReviewPassed(stage="office"), by=OFFICE)
    case.until("2021-11-27 00:00")
    assert told(case, "T13") == dict.fromkeys(("L1", "L3", "L4", "notice"), ("联席办",))


def test_what_was_given_back_is_the_office_s_until_it_is_assigned_anew() -> None:
    case = assigned("2021-11-11 10:00")
    case.at("2021-11-12 09:00", ev.ReturnRequested(reason="区划"))
    case.at("2021-11-12 10:00", ev.ReturnApproved(improper=False), by=OFFICE)
    case.until("2021-11-27 00:00")
    assert told(case, "T09") == dict.fromkeys(("L1", "L2", "L3", "L4", "notice"), ("联席办",))
    case.at("2021-11-29 09:00", reassignment())
    case.until("2021-12-02 00:00")
    assert told(case, "T09")["L3"][0] == "410185001"


def test_the_bureau_is_reminded_of_its_own_orders() -> None:
    case = assigned("2021-11-11 10:00")
    case.at("2021-11-15 10:00", ev.InspectionFiled(), by=LABOUR)
    case.at("2021-11-16 10:00", ev.InspectionClosed(), by=LABOUR)
    case.until("2021-12-10 00:00")
    assert told(case, "T22")["L1"] == ("市人社局",)
    assert told(case, "T22")["notice"] == ("市人社局",)


def test_the_notice_is_numbered_and_answered_in_two_working_days() -> None:
    case = assigned("2021-11-11 10:00").until("2021-12-20 00:00")
    (notice,) = [data for data in case.of(ev.SupervisionNoticeIssued) if data.timer == "T09"]
    assert notice.to == ("410185109", "市人社局", "市住建局")
    # Issued at 11-27 00:00, which is of Saturday: Monday and Tuesday.
    assert local(notice.reply_due_at) == "2021-12-01 00:00"
    numbers = [data.notice_no for data in case.of(ev.SupervisionNoticeIssued)]
    assert len(set(numbers)) == len(numbers)


def test_notices_of_one_instant_have_numbers_of_their_own() -> None:
    case = Told()
    case.at("2021-11-10 09:00", complaint("2021-11-10 09:00"))
    case.at("2021-11-10 15:00", ev.ComplaintAccepted())
    case.at("2021-11-10 15:00", ev.TriageRequested(cause="x", reason="CONTRADICTION"))
    case.until("2021-11-13 00:00")
    notices = case.of(ev.SupervisionNoticeIssued)
    assert {data.timer for data in notices} == {"T03", "T04"}
    assert case.times(ev.SupervisionNoticeIssued) == ["2021-11-13 00:00"] * 2
    assert [data.notice_no[-3:] for data in notices] == ["-1号", "-2号"]


def test_the_case_is_taken_over_at_the_two_highest_levels() -> None:
    case = assigned("2021-11-11 10:00").until("2021-12-20 00:00")
    assert [(data.to, data.level) for data in case.of(ev.CaseEscalated)] == [
        ("vice_convener", "L6"),
        ("convener", "L7"),
    ]
    assert case.times(ev.CaseEscalated) == ["2021-12-03 00:00", "2021-12-10 00:00"]


def test_a_stop_exactly_at_due_is_late() -> None:
    case = assigned("2021-11-11 10:00")
    case.at("2021-11-26 00:00", ev.ClosureRequested(kind="UNFOUNDED"))
    assert case.alerts("T09")[-1] == ("2021-11-26 00:00", "L3")
    assert case.cleared("T09") == [
        ("2021-11-26 00:00", "L1"),
        ("2021-11-26 00:00", "L2"),
        ("2021-11-26 00:00", "L3"),
    ]
    prompt = assigned("2021-11-11 10:00")
    prompt.at("2021-11-25 23:59", ev.ClosureRequested(kind="UNFOUNDED"))
    assert prompt.until("2021-11-27 00:00").alerts("T09") == FULL[:2]


class TestClearing:
    def test_progress_answers_the_reminder_and_nothing_else(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-25 10:00")
        case.at("2021-11-25 11:00", ev.ProgressReported())
        case.until("2021-11-26 10:00")
        assert case.cleared("T09") == [("2021-11-25 11:00", "L1")]
        assert case.alerts("T09") == FULL[:3], "the reminder does not come again"

    def test_from_the_notice_on_a_reply_is_needed_too(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-27 00:00")
        case.at("2021-11-29 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        assert ("2021-11-29 10:00", "L4") not in case.cleared("T09")
        case.at("2021-11-30 10:00", ev.SupervisionNoticeReplied())
        assert case.cleared("T09") == [
            ("2021-11-29 10:00", "L1"),
            ("2021-11-29 10:00", "L2"),
            ("2021-11-29 10:00", "L3"),
            ("2021-11-30 10:00", "L4"),
        ]

    def test_a_reply_alone_ends_nothing(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-27 00:00")
        case.at("2021-11-29 10:00", ev.SupervisionNoticeReplied())
        assert case.cleared("T09") == []
        case.at("2021-11-30 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        assert case.cleared("T09")[-1] == ("2021-11-30 10:00", "L4")

    def test_a_reply_names_one_notice_or_answers_all(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-27 00:00")
        of = {data.timer: data.notice_no for data in case.of(ev.SupervisionNoticeIssued)}
        case.at("2021-11-29 09:00", ev.FirstContactMade())
        case.at("2021-11-29 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        case.at("2021-11-29 11:00", ev.SupervisionNoticeReplied(notice_no=of["T09"]))
        assert case.cleared("T09")[-1] == ("2021-11-29 11:00", "L4")
        assert case.cleared("T07")[-1] == ("2021-11-29 09:00", "L3")
        for number in (of["T09"], "unheard of"):
            case.at("2021-11-29 12:00", ev.SupervisionNoticeReplied(notice_no=number))
            assert case.cleared("T07")[-1] == ("2021-11-29 09:00", "L3"), "said of another notice"
        case.at("2021-11-29 13:00", ev.SupervisionNoticeReplied())
        assert case.cleared("T07")[-1] == ("2021-11-29 13:00", "L4")

    def test_an_act_in_time_that_is_recorded_late_clears_and_undoes_nothing(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-13 00:00")
        case.at("2021-11-13 10:00", ev.FirstContactMade(), happened="2021-11-11 15:00")
        assert case.alerts("T07") == [("2021-11-11 22:00", "L1"), ("2021-11-12 10:00", "L3")]
        assert case.cleared("T07") == [("2021-11-13 10:00", "L1"), ("2021-11-13 10:00", "L3")]


class TestShortAndHourly:
    def test_one_or_two_days_are_reminded_on_the_due_day(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        case.at("2021-11-12 10:00", ev.ClosureReviewPassed(stage="tf"))
        assert case.due("T12", step="office") == "2021-11-16 00:00"
        case.at("2021-11-15 10:00", ev.ClosureReviewPassed(stage="office"))
        assert case.due("T13") == "2021-11-18 00:00"
        case.until("2021-11-25 00:00")
        assert case.alerts("T12", step="office") == [("2021-11-15 09:00", "L1")]
        assert case.alerts("T13") == [
            ("2021-11-17 09:00", "L1"),
            ("2021-11-18 00:00", "L3"),
            ("2021-11-19 00:00", "L4"),
        ]

    def test_hours_are_reminded_at_half_and_stop_at_the_notice(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-12-20 00:00")
        assert case.alerts("T07") == [
            ("2021-11-11 22:00", "L1"),
            ("2021-11-12 10:00", "L3"),
            ("2021-11-16 00:00", "L4"),
        ]


class TestCampaignDate:
    def test_missed_it_raises_three_levels_and_one_notice(self) -> None:
        case = assigned("2021-12-24 10:00", tier="ZZ").until("2022-01-01 00:00")
        assert case.alerts("A2") == [("2022-01-01 00:00", "L3"), ("2022-01-01 00:00", "L7")]
        notices = [data.timer for data in case.of(ev.SupervisionNoticeIssued)]
        assert notices.count("A2") == 1
        assert case.of(ev.CaseEscalated)[-1].to == "convener"

    def test_handling_goes_on_to_six_and_no_further(self) -> None:
        case = assigned("2021-12-24 10:00", tier="ZZ").until("2022-03-01 00:00")
        assert case.alerts("T09") == [
            ("2021-12-28 00:00", "L1"),  # the target, before the ladder's 12-29 09:00
            ("2021-12-31 09:00", "L2"),
            ("2022-01-01 00:00", "L3"),
            ("2022-01-05 00:00", "L4"),
            ("2022-01-07 00:00", "L5"),
            ("2022-01-11 00:00", "L6"),
        ]
        assert [level for _, level in case.alerts("A2")] == ["L3", "L7"]

    def test_a_case_that_reached_the_top_before_gets_the_date_too(self) -> None:
        case = assigned("2021-11-11 10:00", tier="NAT").until("2022-01-02 00:00")
        assert case.alerts("T09") == FULL
        assert [level for _, level in case.alerts("A2")] == ["L3", "L7"]

    def test_assigned_after_the_date_handling_comes_to_six_only(self) -> None:
        """Both are owed late, at one instant: the seventh level is the date's (domain 4.3)."""
        case = received("2021-12-24 10:00", tier="ZZ")
        case.at("2022-01-20 10:00", ev.ComplaintAccepted(urgent=False))
        case.at("2022-01-20 10:00", assignment())
        case.until("2022-03-01 00:00")
        assert case.alerts("T09") == [("2022-01-20 10:00", "L1"), ("2022-01-22 00:00", "L6")]
        assert case.alerts("A2") == [("2022-01-22 00:00", "L7")]

    def test_closed_in_time_it_raises_nothing(self) -> None:
        case = closed("2021-12-24 10:00", tier="ZZ").until("2022-02-02 00:00")
        assert case.alerts("A2") == []

    def test_only_closing_meets_it_not_the_request(self) -> None:
        case = assigned("2021-12-24 10:00", tier="ZZ")
        paid(case, "2021-12-30 10:00")
        reviewed(case, "2021-12-31 10:00")
        case.until("2022-01-01 00:00")
        assert [level for _, level in case.alerts("A2")] == ["L3", "L7"]
        followed_up(case, "2022-01-04 10:00")
        assert case.cleared("A2") == [("2022-01-04 10:00", "L3")]

    def test_on_a_rest_day_the_due_days_reminder_does_not_move(self) -> None:
        case = assigned("2022-01-27 10:00").until("2022-02-01 00:00")
        assert case.due("T09") == "2022-02-01 00:00"
        assert case.alerts("T09") == [
            ("2022-01-27 10:00", "L1"),  # the target has just passed: at assignment
            ("2022-01-31 09:00", "L2"),
            ("2022-02-01 00:00", "L3"),
        ]

    def test_without_a_cap_there_is_no_date(self) -> None:
        case = assigned("2022-04-01 10:00").until("2022-06-01 00:00")
        assert not any(data.timer.startswith("A") for data in case.of(ev.DeadlineSet))


class TestFastLanes:
    def test_fled_goes_to_the_notice_at_once_and_skips_what_is_below(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-15 10:00", FLED)
        case.until("2021-12-20 00:00")
        assert case.alerts("T09") == [("2021-11-15 10:00", "L4"), *FULL[4:]]
        (first, *_) = [data for data in case.of(ev.AlertRaised) if data.timer == "T09"]
        assert local(first.due_at) == "2021-11-15 10:00"
        assert "市公安局" in first.recipients
        notices = [data for data in case.of(ev.SupervisionNoticeIssued) if data.timer == "T09"]
        assert len(notices) == 1

    def test_fled_twice_is_said_once(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-15 10:00", FLED)
        case.at("2021-11-16 10:00", FLED)
        assert case.alerts("T09") == [("2021-11-15 10:00", "L4")]

    def test_fled_says_nothing_where_more_was_reached(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-12-04 00:00")
        case.at("2021-12-06 10:00", FLED)
        assert case.alerts("T09") == FULL[:6]

    def test_false_closure_of_an_open_case_stands_under_the_redo(self) -> None:
        case = assigned("2021-11-11 10:00")
        paid(case, "2021-11-15 09:00")
        reviewed(case, "2021-11-15 10:00")
        followed_up(case, "2021-11-16 10:00", got_paid="N")
        case.at("2021-11-17 10:00", ev.FalseClosureFound(), by=OFFICE)
        assert case.alerts("T18") == [("2021-11-17 09:00", "L1"), ("2021-11-17 10:00", "L5")]

    def test_false_closure_of_a_closed_case_reopens_it(self) -> None:
        case = closed("2021-11-11 10:00")
        case.at("2021-11-17 10:00", ev.FalseClosureFound(), by=OFFICE)
        assert [data.reason for data in case.of(ev.CaseReopened)] == ["FALSE_CLOSURE"]
        assert case.due("T18") == "2021-11-23 00:00"
        assert case.alerts("T18") == [("2021-11-17 10:00", "L5")]
        case.until("2021-12-10 00:00")
        assert case.alerts("T18") == [
            ("2021-11-17 10:00", "L5"),
            ("2021-11-30 00:00", "L6"),
            ("2021-12-07 00:00", "L7"),
        ]

    @pytest.mark.parametrize(("kind", "levels"), [("supervised", "L6"), ("transfer", "L4")])
    def test_a_supervised_national_line_goes_to_six_after_one_day(
        self, kind: str, levels: str
    ) -> None:
        case = assigned("2021-11-11 10:00", tier="NAT", source="national", kind=kind)
        case.until("2021-11-27 00:00")
        assert case.alerts("T09")[-1] == ("2021-11-27 00:00", levels)

    def test_after_it_only_seven_is_left(self) -> None:
        case = assigned("2021-11-11 10:00", tier="NAT", source="national", kind="supervised")
        case.until("2021-12-20 00:00")
        assert [level for _, level in case.alerts("T09")] == ["L1", "L2", "L3", "L6", "L7"]

    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            ("G1", [("2021-11-12 10:00", "L1"), ("2021-11-12 11:00", "L3")]),
            ("G2", [("2021-11-12 10:00", "L1"), ("2021-11-12 11:00", "L6")]),
            ("G3", [("2021-11-12 10:00", "L1"), ("2021-11-12 11:00", "L7")]),
        ],
    )
    def test_a_group_that_nobody_was_told_of(
        self, level: ev.GroupLevel, expected: list[tuple[str, str]]
    ) -> None:
        case = _group(level).until("2021-11-12 12:00")
        assert case.alerts("T51") == expected

    def test_the_notice_of_a_group_stops_it_and_what_is_below(self) -> None:
        case = _group("G1")
        case.at("2021-11-12 09:30", _changed("G2"))
        case.at("2021-11-12 09:40", ev.GroupNoticeGiven(group="g", level="G1"))
        assert "T51" in case.running()
        case.at("2021-11-12 09:50", ev.GroupNoticeGiven(group="g", level="G2"))
        assert "T51" not in case.running()
        assert case.until("2021-11-13 00:00").alerts("T51") == []


def test_levels_start_anew_after_reassignment() -> None:
    case = assigned("2021-11-11 10:00").until("2021-11-26 10:00")
    case.at("2021-11-26 11:00", reassignment())
    assert case.due("T09") == "2021-12-01 00:00"
    assert case.cleared("T09") == [
        ("2021-11-26 11:00", "L1"),
        ("2021-11-26 11:00", "L2"),
        ("2021-11-26 11:00", "L3"),
    ]
    case.until("2021-12-01 00:00")
    assert case.alerts("T09")[3:] == [
        ("2021-11-26 11:00", "L1"),  # 11-26 09:00 is past: at assignment
        ("2021-11-30 09:00", "L2"),
        ("2021-12-01 00:00", "L3"),
    ]


def test_a_closed_case_raises_nothing_but_what_outlives_it() -> None:
    case = closed("2021-11-11 10:00")
    case.at("2021-11-11 11:00", ev.CaseWrittenOff(), by=OFFICE)
    assert case.until("2022-04-30 00:00").of(ev.AlertRaised) == []


def _group(level: ev.GroupLevel) -> Told:
    case = Told()
    case.at("2021-11-12 09:00", complaint("2021-11-12 09:00", workers=60))
    formed = ev.GroupFormed(
        cause="m", group="group:1", level=level, workers=60, members=("m",), master="m"
    )
    case.at("2021-11-12 09:00", formed)
    return case


def _changed(level: ev.GroupLevel) -> ev.GroupLevelChanged:
    return ev.GroupLevelChanged(
        cause="m", group="group:1", level=level, workers=60, members=("m",), master="m"
    )


def test_an_unassigned_group_is_the_offices_to_answer_for() -> None:
    case = _group("G3").until("2021-11-12 12:00")
    case.at("2021-11-12 13:00", ev.ComplaintAccepted(urgent=False))
    case.at("2021-11-12 13:00", assignment())
    (alert,) = [data for data in case.of(ev.AlertRaised) if data.level == "L7"]
    assert alert.recipients[0] == "联席办"
    assert alert.recipients[-1] == "市长"


class TestOnceForOneDue:
    """I-16, I-20: no level twice for one due, and none falls while the breach lasts."""

    def test_moved_to_where_it_was_what_stands_goes_on_standing(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-18 10:00", reassignment())  # due 11-30 24:00: three days at most
        case.until("2021-12-01 00:00")
        assert case.alerts("T09")[-1] == ("2021-12-01 00:00", "L3")
        case.at("2021-12-01 10:00", reassignment())  # and no further now
        assert case.due("T09") == "2021-12-01 00:00"
        assert ("2021-12-01 10:00", "L3") not in case.cleared("T09")
        case.until("2021-12-02 00:00")
        assert case.alerts("T09")[-1] == ("2021-12-02 00:00", "L4")
        levels = [level for _, level in case.alerts("T09")]
        assert len(levels) == len(set(levels))

    def test_an_interruption_of_hours_moves_and_repeats_nothing(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-25 10:00")
        case.at("2021-11-25 11:00", ev.CaseSuspended())
        case.at("2021-11-25 15:00", ev.CaseResumed())
        case.until("2021-11-26 00:00")
        assert case.alerts("T09") == FULL[:3]
        assert case.cleared("T09") == []

    def test_a_limit_that_runs_again_is_not_reminded_of_again(self) -> None:
        case = assigned("2021-12-27 10:00")
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        case.until("2022-01-07 10:00")
        assert case.alerts("T23") == [("2022-01-07 09:00", "L1")]
        paid(case, "2022-01-07 11:00")
        reversed_(case, "2022-01-07 12:00")
        case.until("2022-01-12 00:00")
        assert case.alerts("T23") == [("2022-01-07 09:00", "L1")]
        assert case.times(ev.PaymentOrderDefaulted) == ["2022-01-12 00:00"]
