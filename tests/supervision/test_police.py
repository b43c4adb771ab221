"""移送 (Decree 310, domain 1.6): the clocks of the referral and their own lane of the ladder."""

from __future__ import annotations

import pytest

from shared import events as ev
from shared.events import AnyData
from tests.supervision.spec import (
    LABOUR,
    Told,
    assigned,
    followed_up,
    lines_of,
    paid,
    reviewed,
    served,
)


def threshold_met() -> Told:
    """Met on Wed 2022-01-12 at 00:00."""
    case = assigned("2021-12-27 10:00")
    case.at("2021-12-29 10:00", lines_of([(800_000, 3)]))
    case.at("2022-01-04 10:00", served(), by=LABOUR)
    return case.until("2022-01-12 00:00")


def referred(*steps: tuple[str, AnyData]) -> Told:
    case = threshold_met()
    for at, data in steps:
        case.at(at, data)
    return case


OWN = [("2022-01-14 00:00", "L3"), ("2022-01-15 00:00", "L4"), ("2022-01-19 00:00", "L6")]


class TestProposal:
    def test_within_a_working_day_with_the_lanes_own_levels(self) -> None:
        case = threshold_met().until("2022-02-20 00:00")
        assert case.due("T39") == "2022-01-14 00:00"
        assert case.alerts("T39") == OWN
        assert ("vice_convener", "L6") in [(e.to, e.level) for e in case.of(ev.CaseEscalated)]

    def test_its_notice_goes_to_the_labour_bureau(self) -> None:
        case = threshold_met().until("2022-01-15 00:00")
        (notice,) = [n for n in case.of(ev.SupervisionNoticeIssued) if n.timer == "T39"]
        assert notice.to == ("市人社局",)

    @pytest.mark.parametrize(
        "data",
        [ev.ReferralProposed(), ev.ReferralApproved(), ev.ReferralDeclined(reason="NO_CRIME")],
    )
    def test_every_answer_stops_it(self, data: AnyData) -> None:
        assert "T39" not in referred(("2022-01-12 10:00", data)).running()


class TestHead:
    @pytest.mark.parametrize(
        ("proposed", "due"),
        [
            ("2022-01-12 10:00", "2022-01-15 00:00"),  # Saturday: Friday's end
            ("2022-01-13 10:00", "2022-01-15 00:00"),  # Sunday: Friday's end
            ("2022-01-17 10:00", "2022-01-21 00:00"),
            ("2022-01-28 10:00", "2022-01-31 00:00"),  # 01-31 rests, 01-30 is worked
            ("2022-01-30 10:00", "2022-01-31 00:00"),  # no working day before 02-02 but its own
            ("2022-01-31 10:00", "2022-02-04 00:00"),  # none at all: the legal end
        ],
    )
    def test_decides_in_three_days_counted_strictly(self, proposed: str, due: str) -> None:
        case = referred((proposed, ev.ReferralProposed()))
        assert case.due("T30") == due

    def test_delivers_within_a_day_by_the_hour(self) -> None:
        case = referred(
            ("2022-01-12 10:00", ev.ReferralProposed()),
            ("2022-01-13 10:00", ev.ReferralApproved()),
        )
        assert "T30" not in case.running()
        assert case.due("T31") == "2022-01-14 10:00"
        case.until("2022-01-20 00:00")
        assert case.alerts("T31") == [
            ("2022-01-14 10:00", "L3"),
            ("2022-01-18 00:00", "L4"),
            ("2022-01-20 00:00", "L6"),
        ]
        case.at("2022-01-20 10:00", ev.ReferralDelivered(doc_no="移1"))
        assert [data.doc_no for data in case.of(ev.CaseReferredToPublicSecurity)] == ["移1"]
        assert case.times(ev.CaseReferredToPublicSecurity) == ["2022-01-20 10:00"]
        assert "T31" not in case.running()


def receipted(at: str = "2022-01-14 10:00") -> Told:
    return referred(
        ("2022-01-12 10:00", ev.ReferralProposed()),
        ("2022-01-12 11:00", ev.ReferralApproved()),
        ("2022-01-12 12:00", ev.ReferralDelivered()),
        (at, ev.ReferralReceipted()),
    )


class TestPolice:
    def test_decide_in_three_days_counted_leniently(self) -> None:
        assert receipted("2022-01-13 10:00").due("T33") == "2022-01-18 00:00"  # Sunday: Monday
        assert receipted("2022-01-28 10:00").due("T33") == "2022-02-08 00:00"  # after the holiday

    def test_overdue_they_are_named_to_the_procuratorate(self) -> None:
        case = receipted("2022-01-17 10:00").until("2022-02-20 00:00")
        assert case.alerts("T33") == [("2022-01-21 00:00", "L6")]
        (alert,) = [data for data in case.of(ev.AlertRaised) if data.timer == "T33"]
        assert "副市长兼公安局局长" in alert.recipients
        assert "市检察院" in alert.recipients
        (notice,) = [n for n in case.of(ev.SupervisionNoticeIssued) if n.timer == "T33"]
        assert notice.to == ("市公安局", "市检察院")

    def test_passing_on_is_set_and_raises_nothing(self) -> None:
        case = receipted("2022-01-17 10:00").until("2022-02-20 00:00")
        assert case.due("T32", item="pass_on") == "2022-01-18 10:00"
        assert case.alerts("T32") == []

    def test_a_supplement_is_sent_within_three_days(self) -> None:
        case = receipted("2022-01-17 10:00")
        case.at("2022-01-18 09:00", ev.PoliceSupplementAsked())
        assert case.due("T32", item=None) == "2022-01-22 00:00"
        assert case.until("2022-01-24 00:00").alerts("T32") == [("2022-01-22 00:00", "L3")]
        case.at("2022-01-24 09:00", ev.SupplementSent())
        assert "T32" not in case.running()

    def test_filed_materials_follow_in_three_days(self) -> None:
        case = receipted("2022-01-17 10:00")
        case.at("2022-01-19 10:00", ev.PoliceFiled(doc_no="立1"))
        assert not {"T32", "T33"} & case.running()
        assert case.due("T38") == "2022-01-22 00:00"
        case.at("2022-01-20 10:00", ev.MaterialsHandedOver())
        assert "T38" not in case.running()

    def test_declined_reconsidered_upheld_and_taken_to_the_procuratorate(self) -> None:
        case = receipted("2022-01-17 10:00")
        case.at("2022-01-19 10:00", ev.PoliceDeclined(doc_no="不立1"))
        assert case.due("T34") == "2022-01-22 00:00"
        case.at("2022-01-20 10:00", ev.ReconsiderationRequested())
        assert "T34" not in case.running()
        assert case.due("T35") == "2022-01-25 00:00"  # Sunday 01-23: Monday
        case.until("2022-01-25 00:00")
        assert case.alerts("T35") == [("2022-01-25 00:00", "L6")]
        case.at("2022-01-25 10:00", ev.ReconsiderationDecided(result="upheld"))
        assert case.due("T36") == "2022-01-29 00:00"
        case.at("2022-01-26 10:00", ev.SupervisionSuggested())
        assert "T36" not in case.running()
        case.at("2022-01-27 10:00", ev.PoliceReasonsAsked())
        assert case.due("T37") == "2022-02-08 00:00"  # 02-03 rests: 02-07
        case.at("2022-02-07 10:00", ev.FilingOrdered())
        assert case.due("T37") == "2022-02-23 00:00"
        assert case.until("2022-03-01 00:00").alerts("T37") == [("2022-02-23 00:00", "L3")]
        case.at("2022-03-01 10:00", ev.PoliceFiled(doc_no="立1"))
        assert "T37" not in case.running()

    def test_reversed_nothing_is_suggested(self) -> None:
        case = receipted("2022-01-17 10:00")
        case.at("2022-01-19 10:00", ev.PoliceDeclined(doc_no="不立1"))
        case.at("2022-01-20 10:00", ev.ReconsiderationRequested())
        case.at("2022-01-21 10:00", ev.ReconsiderationDecided(result="reversed"))
        assert not {"T35", "T36"} & case.running()


class TestPaidAfterAll:
    def test_paid_before_filing_the_referral_is_taken_back(self) -> None:
        case = receipted("2022-01-17 10:00")
        paid(case, "2022-01-18 10:00", 800_000)
        case.at("2022-01-18 11:00", ev.ReferralDeclined(reason="PAID_BEFORE_FILING"))
        assert not {"T31", "T32", "T33"} & case.running()

    def test_a_filed_case_closes_once_paid_and_the_polices_clocks_outlive_it(self) -> None:
        case = receipted("2022-01-17 10:00")
        case.at("2022-01-18 10:00", ev.PoliceFiled(doc_no="立1"))
        case.at("2022-01-18 11:00", ev.ClosureRequested(kind="WITHDRAWN"))
        assert case.of(ev.ClosureRefused)[-1].reasons == ("POLICE_FILED",)
        paid(case, "2022-01-18 12:00", 800_000)
        reviewed(case, "2022-01-18 13:00")
        followed_up(case, "2022-01-18 14:00")
        assert len(case.of(ev.CaseClosed)) == 1
        assert "T38" in case.running()
