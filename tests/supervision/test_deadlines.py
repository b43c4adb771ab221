"""When each clock of domain 4.1 starts, what its due is, and what stops it."""

from __future__ import annotations

import pytest

from shared import events as ev
from shared.events import AnyData
from tests.supervision.spec import (
    OFFICE,
    Told,
    assigned,
    assignment,
    closed,
    complaint,
    local,
    reassignment,
    received,
)


class TestIntake:
    def test_two_working_days_to_decide_and_five_at_the_outside(self) -> None:
        case = received("2021-11-10 09:00")
        (deadline,) = case.deadlines("T01")
        assert local(deadline.due_at) == "2021-11-13 00:00"
        assert local(deadline.outer_due_at) == "2021-11-18 00:00"
        assert case.until("2021-11-20 00:00").alerts("T01") == [
            ("2021-11-12 09:00", "L1"),
            ("2021-11-13 00:00", "L3"),
            ("2021-11-16 00:00", "L4"),
        ]

    @pytest.mark.parametrize(
        "data",
        [
            ev.ComplaintAccepted(urgent=False),
            ev.ComplaintNotAccepted(reason="NOT_WAGES"),
            ev.ComplaintTransferredOut(to_body="sealed:x"),
            ev.SupplementRequested(),
            ev.ComplaintMerged(cause="found", master="m", match="match:x"),
        ],
    )
    def test_every_answer_stops_it(self, data: AnyData) -> None:
        case = received("2021-11-10 09:00")
        case.at("2021-11-11 09:00", data)
        assert "T01" not in case.running()

    def test_a_supplement_is_asked_for_and_lapses_and_then_three_tries(self) -> None:
        case = received("2021-11-10 09:00")
        case.at("2021-11-11 10:00", ev.SupplementRequested())
        assert case.due("T02") == "2021-11-19 00:00"
        case.until("2021-11-20 00:00")
        assert case.alerts("T02") == [("2021-11-16 09:00", "L1")]
        assert case.times(ev.SupplementLapsed) == ["2021-11-19 00:00"]
        assert case.due("T02", item="tries") == "2021-11-25 00:00"
        for hour in ("09", "10", "11"):
            assert "T02" in case.running()
            case.at(f"2021-11-22 {hour}:00", ev.ContactTried())
        assert "T02" not in case.running()

    def test_tries_before_the_lapse_do_not_count_for_those_after_it(self) -> None:
        case = received("2021-11-10 09:00")
        case.at("2021-11-11 10:00", ev.SupplementRequested())
        for hour in ("11", "12", "13"):
            case.at(f"2021-11-11 {hour}:00", ev.ContactTried())
        assert case.until("2021-11-19 00:00").running() == {"T02"}

    def test_what_was_supplemented_is_decided_anew(self) -> None:
        case = received("2021-11-10 09:00")
        case.at("2021-11-11 10:00", ev.SupplementRequested())
        case.at("2021-11-17 10:00", ev.SupplementReceived())
        assert case.running() == {"T01"}
        assert case.due("T01") == "2021-11-20 00:00"


class TestLateFiling:
    """补录: internal clocks from recording, statutory ones from the fact (domain 4.1)."""

    def test_more_than_a_working_day_late(self) -> None:
        case = received("2021-11-10 09:00", recorded="2021-12-20 10:00", source="12333")
        (internal,), (statutory,) = case.deadlines("T01"), case.deadlines("T20")
        assert local(internal.started_at) == "2021-12-20 10:00"
        assert local(internal.due_at) == "2021-12-23 00:00"
        assert local(statutory.started_at) == "2021-11-10 09:00"
        assert local(statutory.due_at) == "2021-11-18 00:00"

    @pytest.mark.parametrize(
        ("recorded", "started"),
        [
            ("2021-11-15 23:59", "2021-11-12 09:00"),
            ("2021-11-16 00:00", "2021-11-16 00:00"),
        ],
    )
    def test_the_first_working_day_after_still_counts_as_prompt(
        self, recorded: str, started: str
    ) -> None:
        case = received("2021-11-12 09:00", recorded=recorded)
        assert local(case.deadlines("T01")[0].started_at) == started

    def test_of_steps_long_past_only_the_highest_is_raised_after_a_working_day(self) -> None:
        case = received("2021-11-10 09:00", recorded="2021-12-20 10:00", source="12333")
        case.until("2021-12-31 00:00")
        assert case.alerts("T20") == [("2021-12-22 00:00", "L4")]
        assert case.times(ev.SupervisionNoticeIssued)[0] == "2021-12-22 00:00"

    def test_a_step_that_comes_between_takes_the_place_of_what_was_missed(self) -> None:
        # T20 is due 11-18 00:00; recorded after L1 and L2, the rest comes at its own instants.
        case = received("2021-11-10 09:00", recorded="2021-11-17 10:00", source="12333")
        case.until("2021-11-30 00:00")
        assert case.alerts("T20") == [("2021-11-18 00:00", "L3"), ("2021-11-19 00:00", "L4")]

    def test_nothing_is_raised_if_the_stop_is_recorded_first(self) -> None:
        case = received("2021-11-10 09:00", recorded="2021-12-20 10:00", source="12333")
        case.at("2021-12-21 10:00", ev.InspectionFiled(), happened="2021-11-12 10:00")
        assert case.until("2021-12-22 00:00").alerts("T20") == []

    def test_a_decision_counts_from_its_own_time(self) -> None:
        case = received("2021-11-10 09:00", recorded="2021-12-20 10:00")
        case.at("2021-12-20 11:00", ev.ComplaintAccepted(), happened="2021-11-11 10:00")
        assert local(case.deadlines("T03")[0].started_at) == "2021-12-20 11:00"
        case.at("2021-12-20 11:00", assignment())
        assert local(case.deadlines("T09")[0].started_at) == "2021-12-20 11:00"

    def test_an_incident_runs_from_its_own_hour(self) -> None:
        case = assigned("2022-02-07 09:00")
        case.at(
            "2022-02-10 10:00",
            ev.ExtremeIncidentReported(kind="sealed:x"),
            happened="2022-02-08 09:00",
        )
        assert case.due("T50", step="written") == "2022-02-08 11:00"


class TestTriageAndSigning:
    def test_triage_within_a_working_day_and_a_make_up_day_counts(self) -> None:
        case = received("2022-01-28 17:00")
        case.at("2022-01-28 17:30", ev.ComplaintAccepted(urgent=False))
        case.at("2022-01-28 17:30", ev.TriageRequested(cause="a", reason="PLATFORM_WORK"))
        assert case.due("T04") == "2022-01-30 00:00"
        case.at("2022-01-29 10:00", ev.TriageDecided(department="市人社局", township="410185109"))
        assert "T04" not in case.running()

    def test_urgent_triage_and_assignment_within_four_hours(self) -> None:
        case = received("2021-11-10 09:00")
        case.at("2021-11-10 10:00", ev.ComplaintAccepted(urgent=True))
        case.at("2021-11-10 10:00", ev.TriageRequested(cause="a", reason="FACTS_MISSING"))
        assert case.due("T03") == case.due("T04") == "2021-11-10 14:00"
        assert case.until("2021-11-10 15:00").alerts("T04") == [
            ("2021-11-10 12:00", "L1"),
            ("2021-11-10 14:00", "L3"),
        ]

    def test_urgency_comes_from_the_signals_unless_the_clerk_says(self) -> None:
        signals = ev.Signals(version="1", urgent=True)
        case = received("2021-11-10 09:00", signals=signals)
        case.at("2021-11-10 10:00", ev.ComplaintAccepted())
        assert case.due("T03") == "2021-11-10 14:00"

    def test_assignment_ends_both(self) -> None:
        assert not {"T03", "T04"} & assigned("2021-11-11 10:00").running()

    def test_unsigned_is_deemed_signed_at_due(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-14 00:00")
        assert case.due("T05") == "2021-11-13 00:00"
        assert case.times(ev.AssignmentDeemedSigned) == ["2021-11-13 00:00"]
        assert case.alerts("T05") == [("2021-11-12 09:00", "L1")]

    def test_signed_a_moment_before_due_is_signed(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 23:59", ev.AssignmentSigned())
        assert case.until("2021-11-14 00:00").of(ev.AssignmentDeemedSigned) == []

    def test_signed_exactly_at_due_is_late(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-13 00:00", ev.AssignmentSigned())
        assert case.times(ev.AssignmentDeemedSigned) == ["2021-11-13 00:00"]

    def test_the_return_window_is_a_working_day_and_for_petitions_five_days(self) -> None:
        assert assigned("2021-11-11 10:00").due("T06", item="window") == "2021-11-13 00:00"
        petition = assigned("2021-11-11 10:00", source="xinfang")
        assert petition.due("T06", item="window") == "2021-11-17 00:00"
        via = assigned("2021-11-11 10:00", via="petition")
        assert via.due("T06", item="window") == "2021-11-17 00:00"

    def test_the_window_raises_nothing_and_the_decision_on_a_return_does(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.ReturnRequested())
        assert case.due("T06", item=None) == "2021-11-16 00:00"
        case.until("2021-11-20 00:00")
        assert case.alerts("T06", item="window") == []
        assert case.alerts("T06") == [
            ("2021-11-15 09:00", "L1"),
            ("2021-11-16 00:00", "L3"),
            ("2021-11-17 00:00", "L4"),
        ]

    @pytest.mark.parametrize(
        "data",
        [
            ev.ReturnApproved(),
            ev.ReturnNotApproved(),
            ev.ReturnRefused(cause="r", code="WINDOW_CLOSED"),
            ev.HandlerDesignated(task_force="TF1", township="410185109"),
        ],
    )
    def test_every_answer_to_a_return_stops_it(self, data: AnyData) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.ReturnRequested())
        case.at("2021-11-12 11:00", data)
        assert "T06" not in case.running()

    def test_a_designated_handler_has_nothing_to_sign_and_no_way_back(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.ReturnRequested())
        case.at("2021-11-12 11:00", ev.HandlerDesignated(task_force="TF1", township="410185001"))
        case.at("2021-11-12 11:00", reassignment(rule="DESIGNATED"))
        assert not {"T05", "T06"} & case.running()
        assert {"T07", "T08", "T09"} <= case.running()


class TestHandling:
    def test_first_contact_runs_through_holidays(self) -> None:
        case = assigned("2021-12-31 09:00")
        assert case.due("T07") == "2022-01-01 09:00"
        assert case.until("2022-01-06 00:00").alerts("T07") == [
            ("2021-12-31 21:00", "L1"),
            ("2022-01-01 09:00", "L3"),
            ("2022-01-05 00:00", "L4"),
        ]

    def test_urgent_contact_within_two_hours(self) -> None:
        case = assigned("2021-11-11 10:00", urgent=True)
        assert case.due("T07") == "2021-11-11 12:00"
        case.at("2021-11-11 11:00", ev.FirstContactMade(reached=False))
        assert case.until("2021-11-11 13:00").alerts("T07") == [("2021-11-11 11:00", "L1")]

    def test_progress_in_three_and_then_every_five_working_days(self) -> None:
        case = assigned("2021-11-11 10:00")
        assert case.due("T08") == "2021-11-17 00:00"
        case.at("2021-11-15 10:00", ev.ProgressReported())
        assert case.due("T08") == "2021-11-23 00:00"
        case.at("2021-11-16 10:00", ev.ProgressReported())
        assert case.due("T08") == "2021-11-24 00:00"

    def test_an_older_report_recorded_later_gives_no_earlier_due(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-15 10:00", ev.ProgressReported())
        case.at("2021-11-15 11:00", ev.ProgressReported(), happened="2021-11-12 10:00")
        assert case.due("T08") == "2021-11-23 00:00"

    def test_progress_reporting_goes_on_after_a_closure_was_returned(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        case.at("2021-11-12 11:00", ev.ProgressReported())
        assert "T08" not in case.running()
        case.at("2021-11-15 11:00", ev.ClosureReturned(stage="tf"))
        case.at("2021-11-16 11:00", ev.ProgressReported())
        assert case.due("T08") == "2021-11-24 00:00"

    @pytest.mark.parametrize(
        ("at", "due"),
        [
            ("2021-11-11 10:00", "2021-11-26 00:00"),  # P1: ten
            ("2022-01-04 10:00", "2022-01-14 00:00"),  # P2: seven
            ("2022-02-07 10:00", "2022-02-17 00:00"),  # P3: seven
            ("2022-04-01 10:00", "2022-04-19 00:00"),  # P4: ten, 04-02 worked, 04-03..05 not
            ("2022-05-09 10:00", "2022-05-24 00:00"),  # after the campaign
        ],
    )
    def test_handling_by_the_phase_of_the_assignment(self, at: str, due: str) -> None:
        assert assigned(at).due("T09") == due

    def test_urgent_and_large_groups_have_five_days(self) -> None:
        assert assigned("2021-11-11 10:00", urgent=True).due("T09") == "2021-11-19 00:00"
        case = Told()
        case.at("2021-11-11 09:00", complaint("2021-11-11 09:00", workers=30))
        case.at("2021-11-11 09:00", _group("G2", 30))
        case.at("2021-11-11 10:00", ev.ComplaintAccepted(urgent=False))
        case.at("2021-11-11 10:00", assignment())
        assert case.due("T09") == "2021-11-19 00:00"

    def test_a_member_of_a_group_has_no_handling_clock_of_its_own(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.GroupJoined(cause="m", group="group:1", master="m"))
        assert "T09" not in case.running()
        assert {"T05", "T07", "T08", "A5"} <= case.running()
        late = received("2021-11-11 09:00")
        late.at("2021-11-11 09:30", ev.GroupJoined(cause="m", group="group:1", master="m"))
        late.at("2021-11-11 10:00", ev.ComplaintAccepted(urgent=False))
        late.at("2021-11-11 10:00", assignment())
        assert late.due("T09") is None

    def test_reassignment_starts_anew_within_three_days_of_the_original_due(self) -> None:
        case = assigned("2021-11-11 10:00")  # due 11-25
        case.at("2021-11-18 10:00", reassignment())
        assert case.due("T09") == "2021-12-01 00:00"  # not 12-02
        assert case.due("T08") == "2021-11-24 00:00"
        assert case.due("T05") == "2021-11-20 00:00"
        case.at("2021-11-19 10:00", reassignment())
        assert case.due("T09") == "2021-12-01 00:00"

    def test_reassignment_early_keeps_its_own_ten_days(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", reassignment())
        assert case.due("T09") == "2021-11-27 00:00"

    @pytest.mark.parametrize(
        ("separated", "due"),
        [
            ("2022-01-20 09:00", "2022-01-30 00:00"),  # seven: 01-29 is a working day
            ("2022-01-21 09:00", "2022-01-31 00:00"),
            ("2022-01-24 09:00", "2022-02-01 00:00"),  # seven to 02-07, capped by A5
        ],
    )
    def test_who_is_separated_has_a_full_period(self, separated: str, due: str) -> None:
        """It is assigned anew, not reassigned: the due before the merge limits nothing."""
        case = assigned("2021-12-20 10:00")  # due 01-04
        case.at("2021-12-22 09:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        case.at(separated, ev.ComplaintUnmerged(cause="r", master="m"))
        case.at(separated, assignment())
        assert case.due("T09") == due
        case.until("2022-01-29 10:00")
        assert [step for step in case.alerts("T09") if step[1] > "L2"] == []

    def test_one_who_was_separated_is_reassigned_within_three_days_of_its_new_due(self) -> None:
        case = assigned("2021-11-11 10:00")  # due 11-25
        case.at("2021-11-12 09:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        case.at("2021-11-15 09:00", ev.ComplaintUnmerged(cause="r", master="m"))
        case.at("2021-11-15 09:00", assignment())
        assert case.due("T09") == "2021-11-30 00:00"
        case.at("2021-11-24 09:00", reassignment())
        assert case.due("T09") == "2021-12-03 00:00"  # not 12-08

    def test_a_new_unit_that_is_late_gets_its_own_notice(self) -> None:
        case = assigned("2021-11-11 10:00").until("2021-11-29 00:00")
        case.at("2021-11-29 10:00", reassignment())
        case.until("2021-12-03 00:00")
        notices = [
            data.to[0] for data in case.of(ev.SupervisionNoticeIssued) if data.timer == "T09"
        ]
        assert notices == ["410185109", "410185001"]

    def test_government_funds_are_asked_for_in_three_days(self) -> None:
        case = assigned("2021-11-11 10:00")
        lines = (ev.VerifiedLine(line="1", amount_fen=1_200_000, months=3),)
        verified = ev.FactsVerified(lines=lines, root_cause="GOV_FUNDS")
        case.at("2021-11-12 10:00", verified)
        assert case.due("T54") == "2021-11-18 00:00"
        case.at("2021-11-15 10:00", verified)
        assert len(case.deadlines("T54")) == 1
        case.at("2021-11-16 10:00", ev.GovFundsRequested())
        case.at("2021-11-17 10:00", verified)
        assert "T54" not in case.running()
        assert case.alerts("T54") == [("2021-11-15 09:00", "L1")]


class TestCaps:
    """min(T09, cap), and lines in the grace window of a date (domain 4.2)."""

    @pytest.mark.parametrize(
        ("tier", "at", "due", "cap", "target", "grace"),
        [
            ("ZZ", "2021-12-24 10:00", "2022-01-01 00:00", "A2", "2021-12-28 00:00", None),
            ("NAT", "2021-12-28 23:59", "2022-01-01 00:00", "A2", "2021-12-28 00:00", None),
            ("PROV", "2021-12-29 00:00", "2022-01-14 00:00", "A5", "2022-01-27 00:00", "A2"),
            ("CITY", "2021-12-29 00:00", "2022-01-14 00:00", "A5", "2022-01-27 00:00", None),
            ("CITY", "2022-01-27 23:59", "2022-02-01 00:00", "A5", "2022-01-27 00:00", None),
            ("CITY", "2022-01-28 16:00", "2022-02-12 00:00", "A7", "2022-03-26 00:00", "A5"),
            ("NAT", "2022-03-28 10:00", "2022-04-01 00:00", "A7", "2022-03-26 00:00", None),
            ("NAT", "2022-03-29 00:00", "2022-04-09 00:00", None, None, "A7"),
            ("CITY", "2022-04-01 00:00", "2022-04-19 00:00", None, None, None),
        ],
    )
    def test_which_date_caps(
        self,
        tier: str,
        at: str,
        due: str,
        cap: str | None,
        target: str | None,
        grace: str | None,
    ) -> None:
        case = assigned(at, tier=tier)
        (deadline,) = case.deadlines("T09")
        assert case.due("T09") == due
        found = (deadline.cap, local(deadline.cap_target_at), deadline.grace)
        assert found == (cap, target, grace)

    def test_a_back_filled_acceptance_finds_its_date_already_past(self) -> None:
        case = received("2021-12-20 09:00", tier="NAT")
        case.at("2022-01-05 10:00", ev.ComplaintAccepted(urgent=False))
        case.at("2022-01-05 10:00", assignment())
        case.until("2022-01-08 00:00")
        assert case.due("T09") == case.due("A2") == "2022-01-01 00:00"
        # The target is past: the first reminder at assignment, the highest a working day later.
        assert case.alerts("T09")[:2] == [("2022-01-05 10:00", "L1"), ("2022-01-07 00:00", "L5")]
        assert case.alerts("A2") == [("2022-01-07 00:00", "L7")]

    def test_who_is_separated_has_its_date_again(self) -> None:
        """It is back in the base, and so measured by its campaign date (domain 4.3)."""
        case = assigned("2021-12-20 10:00")
        case.at("2021-12-22 09:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        assert "A5" not in case.running()
        case.at("2022-01-10 09:00", ev.ComplaintUnmerged(cause="r", master="m"))
        assert "A5" in case.running()
        assert case.due("A5") == "2022-02-01 00:00"
        assert local(case.deadlines("A5")[-1].started_at) == "2022-01-10 09:00"
        case.until("2022-02-01 00:00")
        assert case.alerts("A5") == [("2022-02-01 00:00", "L3"), ("2022-02-01 00:00", "L7")]

    def test_separated_before_its_acceptance_it_has_its_date_from_then_on(self) -> None:
        case = received("2021-12-20 09:00")
        case.at("2021-12-20 10:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        case.at("2021-12-21 09:00", ev.ComplaintUnmerged(cause="r", master="m"))
        assert case.deadlines("A5") == []
        case.at("2021-12-22 09:00", ev.ComplaintAccepted(urgent=False))
        assert len(case.deadlines("A5")) == 1

    def test_a_date_that_passed_while_it_was_merged_is_not_missed(self) -> None:
        """It was not in the base then; its master answers for that day."""
        case = assigned("2021-12-20 10:00")
        case.at("2021-12-22 09:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        case.at("2022-02-01 00:00", ev.ComplaintUnmerged(cause="r", master="m"))
        case.until("2022-03-01 00:00")
        assert len(case.deadlines("A5")) == 1
        assert case.alerts("A5") == []

    def test_what_was_never_merged_is_not_separated(self) -> None:
        """Routing answers so an approval of a merge that cannot be: nothing starts anew."""
        waiting = received("2021-12-20 09:00")
        waiting.at("2021-12-21 09:00", ev.ComplaintUnmerged(cause="r", master="m"))
        assert len(waiting.deadlines("T01")) == 1
        handled = assigned("2021-12-20 10:00")
        handled.at("2021-12-21 09:00", ev.ComplaintUnmerged(cause="r", master="m"))
        assert len(handled.deadlines("A5")) == 1
        assert len(handled.deadlines("T03")) == 1
        handled.at("2021-12-30 09:00", reassignment())
        assert handled.due("T09") == "2022-01-08 00:00"  # three from 01-04, not ten from 12-30


def test_write_off_within_a_day_and_reopening_within_thirty() -> None:
    case = closed("2021-11-12 10:00")
    assert case.due("T14") == "2021-11-16 00:00"
    assert case.due("T15") == "2021-12-13 00:00"
    case.at("2021-11-15 10:00", ev.CaseWrittenOff(), by=OFFICE)
    assert case.running() == {"T15"}
    assert case.until("2022-04-01 00:00").alerts("T15") == []


def _group(level: ev.GroupLevel, workers: int) -> ev.GroupFormed:
    return ev.GroupFormed(
        cause="m", group="group:1", level=level, workers=workers, members=("m",), master="m"
    )
