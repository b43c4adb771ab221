"""Clocks of the law: inspection, investigation, service, enforcement, petition, arbitration."""

from __future__ import annotations

from shared import events as ev
from tests.supervision.spec import (
    assigned,
    local,
    paid,
    received,
    reversed_,
)


class TestStatutory:
    def test_inspection_is_filed_in_five_days_for_a_complaint_to_the_labour_bureau(self) -> None:
        assert received("2021-11-10 09:00", source="12333").due("T20") == "2021-11-18 00:00"
        assert received("2021-11-10 09:00", source="12333", kind="report").due("T20") is None
        assert received("2021-11-10 09:00", source="window").due("T20") is None

    def test_investigation_decision_and_service(self) -> None:
        case = assigned("2021-11-11 10:00", source="12333")
        case.at("2021-11-12 10:00", ev.InspectionFiled())
        assert "T20" not in case.running()
        assert case.due("T21") == "2022-02-11 00:00"  # 60 working days
        assert local(case.deadlines("T21")[0].outer_due_at) == "2022-03-25 00:00"  # and thirty more
        case.at("2021-11-30 10:00", ev.InspectionClosed())
        assert case.due("T22") == "2021-12-22 00:00"
        case.at("2021-12-01 10:00", ev.PaymentOrderIssued(doc_no="D1"))
        assert case.due("T22", item="service|D1") == "2021-12-11 00:00"
        case.at("2021-12-01 11:00", ev.PenaltyDecided(amount_fen=200_000))
        assert "T22" in case.running(), "the order still waits to be served"
        case.at("2021-12-02 10:00", ev.PaymentOrderServed(doc_no="D1", service_mode="direct"))
        assert "T22" not in case.running()

    def test_each_order_is_served_in_its_own_time(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-11 11:00", ev.PaymentOrderIssued(doc_no="D1"))
        case.at("2021-11-22 10:00", ev.PaymentOrderIssued(doc_no="D2"))
        assert case.due("T22", item="service|D1") == "2021-11-23 00:00"
        assert case.due("T22", item="service|D2") == "2021-12-02 00:00"
        case.at("2021-11-22 11:00", ev.PaymentOrderServed(doc_no="D1", service_mode="direct"))
        case.until("2021-12-02 00:00")
        assert case.alerts("T22")[-1] == ("2021-12-02 00:00", "L3")
        assert [level for _, level in case.alerts("T22")].count("L3") == 1

    def test_what_was_served_is_not_waited_for(self) -> None:
        """Its issue, or the end of the investigation, is recorded after the service."""
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 10:00", ev.PaymentOrderServed(doc_no="D1", service_mode="direct"))
        case.at("2021-11-12 16:00", ev.PaymentOrderIssued(doc_no="D1"), happened="2021-11-11 17:00")
        case.at("2021-11-12 17:00", ev.InspectionClosed())
        assert "T22" not in case.running()

    def test_a_reversal_brings_the_time_to_enforce_back(self) -> None:
        case = assigned("2021-11-11 10:00")
        decision = ev.PaymentOrderServed(doc_no="D1", doc_type="decision", service_mode="direct")
        case.at("2021-11-12 10:00", decision)
        before = [clock.started_at for clock in case.stream.state.clocks if clock.timer == "T24"]
        paid(case, "2021-11-16 10:00")
        assert "T24" not in case.running()
        reversed_(case, "2021-11-17 10:00")
        assert [c.started_at for c in case.stream.state.clocks if c.timer == "T24"] == before
        case.at("2021-11-18 10:00", ev.EnforcementApplied())
        case.at("2021-11-19 10:00", ev.ProgressReported())
        assert "T24" not in case.running()

    def test_a_fine_is_a_decision_on_the_investigation(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-30 10:00", ev.InspectionClosed())
        case.at("2021-12-01 11:00", ev.PenaltyDecided(amount_fen=200_000))
        assert "T22" not in case.running()

    def test_petitions_are_watched_and_nobody_is_reminded(self) -> None:
        case = received("2021-11-12 09:00", source="xinfang")
        assert case.due("T41", item="acceptance") == "2021-11-30 00:00"  # 11-27 rolls to Monday
        assert case.due("T41", item="conclusion") == "2022-01-12 00:00"
        case.until("2021-12-10 00:00")
        assert case.alerts("T41") == [("2021-11-30 00:00", "L3")]
        case.at("2021-12-10 09:00", ev.ComplaintAccepted(urgent=False))
        assert case.cleared("T41") == [("2021-12-10 09:00", "L3")]

    def test_arbitration_is_watched_and_a_petition_does_not_end_it(self) -> None:
        case = assigned("2021-11-11 10:00")
        case.at("2021-11-12 09:00", ev.LegalPathEntered(forum="arbitration"))
        (deadline,) = case.deadlines("T40")
        assert local(deadline.due_at) == "2021-12-28 00:00"
        assert local(deadline.outer_due_at) == "2022-01-12 00:00"
        case.at("2021-11-13 09:00", ev.LegalPathEnded(forum="petition"))
        assert "T40" in case.running()
        case.at("2021-11-14 09:00", ev.LegalPathEnded(forum="arbitration"))
        assert "T40" not in case.running()

    def test_enforcement_may_be_applied_for_once_the_suit_limit_has_passed(self) -> None:
        case = assigned("2021-11-11 10:00")
        served = ev.PaymentOrderServed(doc_no="D", doc_type="decision", service_mode="direct")
        case.at("2021-11-30 10:00", served)
        assert case.deadlines("T24") == []
        case.until("2022-06-01 00:00")
        (deadline,) = case.deadlines("T24")
        assert local(deadline.started_at) == "2022-05-31 00:00"  # 11-30 and six months
        assert local(deadline.due_at) == "2022-08-31 00:00"
        case.at("2022-07-01 10:00", ev.EnforcementApplied())
        assert "T24" not in case.running()
