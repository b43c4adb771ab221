"""办结 = 拿到欠薪 AND 群众满意 (方案 五(二)三): what closes, what is refused, what reopens."""

from __future__ import annotations

from typing import Any

import pytest

from shared import events as ev
from shared.events import AnyData, Event
from tests.supervision.spec import (
    LABOUR,
    OFFICE,
    TANGZHUANG,
    Told,
    assigned,
    closed,
    followed_up,
    lines_of,
    local,
    paid,
    reversed_,
    reviewed,
    served,
    when,
)

START = "2021-11-11 10:00"


def in_follow_up(kind: ev.ClosureKind = "PAID_IN_FULL") -> Told:
    """Paid, and reviewed at 2021-11-16 10:00."""
    case = assigned(START)
    paid(case, "2021-11-15 10:00")
    reviewed(case, "2021-11-16 10:00", kind)
    return case


def refusals(case: Told) -> list[tuple[str, ...]]:
    return [data.reasons for data in case.of(ev.ClosureRefused)]


class TestRequest:
    def test_allowed_it_stops_handling_and_starts_the_review(self) -> None:
        case = assigned(START)
        paid(case, "2021-11-15 10:00")
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert refusals(case) == []
        assert not {"T08", "T09"} & case.running()
        assert case.due("T12", step="tf") == "2021-11-18 00:00"
        case.at("2021-11-17 10:00", ev.ClosureReviewPassed(stage="tf"))
        assert case.due("T12", step="office") == "2021-11-19 00:00"
        case.at("2021-11-18 10:00", ev.ClosureReviewPassed(stage="office"))
        assert case.due("T13") == "2021-11-23 00:00"
        assert case.running() >= {"T13"}
        assert "T12" not in case.running()

    def test_unpaid_it_is_refused_and_handling_goes_on(self) -> None:
        case = assigned(START)
        paid(case, "2021-11-15 10:00", 1_199_999)
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert refusals(case) == [("UNPAID",)]
        assert case.times(ev.ClosureRefused) == ["2021-11-16 10:00"]
        assert {"T08", "T09"} <= case.running()
        assert "T12" not in case.running()

    def test_every_line_must_be_covered_and_what_was_verified_is_the_measure(self) -> None:
        case = assigned(START)
        case.at("2021-11-12 10:00", lines_of([(500_000, 3), (500_000, 3)]))
        paid(case, "2021-11-15 10:00", 1_000_000, line="1")
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        paid(case, "2021-11-16 11:00", 500_000, payment="p2", line="2")
        case.at("2021-11-16 12:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert refusals(case) == [("UNPAID",)]

    def test_an_unknown_claim_must_be_verified_first(self) -> None:
        case = assigned(START, claims=[{"line": "1"}])
        paid(case, "2021-11-15 10:00")
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert refusals(case) == [("UNPAID",)]

    def test_a_recorded_payment_is_not_a_verified_one(self) -> None:
        case = assigned(START)
        lines = (ev.PaidLine(line="1", amount_fen=1_200_000),)
        case.at("2021-11-15 10:00", ev.PaymentRecorded(payment="p", lines=lines))
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert refusals(case) == [("UNPAID",)]

    def test_other_kinds_need_no_payment(self) -> None:
        case = assigned(START)
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        assert refusals(case) == []

    @pytest.mark.parametrize("kind", ["PAID_IN_FULL", "LEGAL_EFFECTIVE"])
    def test_a_referral_that_is_due_must_be_decided_whatever_was_fined(
        self, kind: ev.ClosureKind
    ) -> None:
        case = assigned(START)
        case.at("2021-11-15 10:00", lines_of([(800_000, 3)]))
        case.at("2021-11-15 11:00", served(), by=LABOUR)
        case.until("2021-11-23 00:00")
        case.at("2021-11-23 10:00", ev.PenaltyDecided(amount_fen=1), by=LABOUR)
        paid(case, "2021-11-23 11:00", 800_000)
        case.at("2021-11-23 12:00", ev.ClosureRequested(kind=kind))
        assert refusals(case) == [("REFERRAL_PENDING",)]
        case.at("2021-11-23 13:00", ev.ReferralDeclined(reason="PAID_BEFORE_FILING"))
        case.at("2021-11-23 14:00", ev.ClosureRequested(kind=kind))
        assert len(refusals(case)) == 1

    def test_a_decision_before_the_threshold_was_met_decides_nothing(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 10:00", lines_of([(800_000, 3)]))
        case.at("2021-11-15 11:00", served(), by=LABOUR)
        case.at("2021-11-16 10:00", ev.ReferralDeclined(reason="TOO_EARLY"))
        case.at("2021-11-16 11:00", ev.ClosureRequested(kind="WITHDRAWN"))
        case.until("2021-11-23 00:00")
        case.at("2021-11-23 10:00", ev.ClosureReviewPassed(stage="office"))
        followed_up(case, "2021-11-23 11:00")
        assert refusals(case) == [("REFERRAL_PENDING",)]
        assert "T18" in case.running()

    def test_a_filed_case_is_paid_or_legally_ended(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 10:00", ev.PoliceFiled(doc_no="立1"))
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="LEGAL_EFFECTIVE"))
        assert refusals(case) == [("POLICE_FILED",)]
        case.at("2021-11-17 10:00", ev.LegalPathEnded(forum="court"))
        case.at("2021-11-18 10:00", ev.ClosureRequested(kind="LEGAL_EFFECTIVE"))
        assert len(refusals(case)) == 1


class TestReview:
    def test_returned_it_is_done_again_in_three_days(self) -> None:
        case = assigned(START)
        paid(case, "2021-11-15 10:00")
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        case.at("2021-11-17 10:00", ev.ClosureReturned(stage="tf"))
        assert case.due("T18") == "2021-11-23 00:00"
        assert "T12" not in case.running()
        case.at("2021-11-18 10:00", ev.ClosureRequested(kind="PAID_IN_FULL"))
        assert "T18" not in case.running()

    def test_doing_it_again_is_capped_by_the_campaign_date(self) -> None:
        case = assigned("2021-12-20 10:00", tier="NAT")
        case.at("2021-12-29 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        case.at("2021-12-30 10:00", ev.ClosureReturned(stage="tf"))
        assert case.due("T18") == "2022-01-01 00:00"
        late = assigned("2021-12-20 10:00", tier="NAT")
        late.at("2021-12-31 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        late.at("2022-01-04 10:00", ev.ClosureReturned(stage="tf"))
        assert late.due("T18") == "2022-01-08 00:00", "the date is past: three days"

    def test_the_redo_climbs_the_full_ladder(self) -> None:
        case = assigned(START)
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="UNFOUNDED"))
        case.at("2021-11-17 10:00", ev.ClosureReturned(stage="tf"))
        case.until("2021-12-10 00:00")
        assert [level for _, level in case.alerts("T18")] == [f"L{n}" for n in range(1, 8)]
        assert case.alerts("T18")[0] == ("2021-11-18 09:00", "L1")


class TestFollowUp:
    @pytest.mark.parametrize("satisfaction", ["satisfied", "mostly"])
    def test_paid_and_satisfied_it_is_closed(self, satisfaction: str) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", satisfaction=satisfaction)
        (closing,) = case.of(ev.CaseClosed)
        assert (closing.kind, closing.flag) == ("PAID_IN_FULL", None)
        assert case.times(ev.CaseClosed) == ["2021-11-17 10:00"]
        assert case.running() == {"T14", "T15"}

    @pytest.mark.parametrize("got_paid", ["N", "part"])
    def test_not_or_partly_paid_it_goes_back(self, got_paid: str) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", got_paid=got_paid)
        assert refusals(case) == [("NOT_PAID",)]
        assert case.due("T18") == "2021-11-23 00:00"
        assert "T13" not in case.running()
        assert len(case.of(ev.FalseClosureSuspected)) == 1
        assert case.of(ev.CaseClosed) == []

    def test_unsatisfied_it_is_explained_and_the_office_decides(self) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", satisfaction="unsatisfied")
        assert refusals(case) == [("UNSATISFIED",)]
        assert case.due("T13", item="explain") == "2021-11-20 00:00"
        case.at("2021-11-18 10:00", ev.FollowUpWaived(reason="sealed:x"), by=OFFICE)
        (closing,) = case.of(ev.CaseClosed)
        assert closing.flag == "UNSATISFIED"
        assert "T13" not in case.running()

    def test_or_the_office_sends_it_back(self) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", satisfaction="unsatisfied")
        case.at("2021-11-18 10:00", ev.ClosureReturned(stage="office"), by=OFFICE)
        assert "T13" not in case.running()
        assert case.due("T18") == "2021-11-24 00:00"

    def test_unreached_the_clock_runs_on_until_the_office_decides(self) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", got_paid="N", satisfaction="unreached")
        assert refusals(case) == [("FOLLOW_UP_MISSING",)]
        assert "T13" in case.running()
        case.at("2021-11-18 10:00", ev.FollowUpWaived(reason="sealed:x"), by=OFFICE)
        assert case.of(ev.CaseClosed)[0].flag == "UNREACHED"

    @pytest.mark.parametrize("unit", [TANGZHUANG, "TF1"])
    def test_the_handler_does_not_ask_about_its_own_work(self, unit: str) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", by=f"{unit}/office/a")
        assert refusals(case) == [("SAME_UNIT",)]
        assert "T13" in case.running()
        followed_up(case, "2021-11-17 11:00")
        assert len(case.of(ev.CaseClosed)) == 1

    def test_it_must_come_after_the_last_payment(self) -> None:
        case = in_follow_up()
        case.at(
            "2021-11-17 10:00",
            ev.FollowUpCompleted(got_paid="Y", satisfaction="satisfied"),
            by=OFFICE,
            happened="2021-11-15 09:59",
        )
        assert refusals(case) == [("FOLLOW_UP_MISSING",)]

    def test_a_payment_reversed_meanwhile_is_not_paid(self) -> None:
        case = in_follow_up()
        reversed_(case, "2021-11-17 09:00", 1)
        followed_up(case, "2021-11-17 10:00")
        assert refusals(case) == [("NOT_PAID",)]
        assert case.of(ev.FalseClosureSuspected) == [], "nobody said so to the worker"
        assert "T18" in case.running()

    def test_the_office_cannot_waive_the_money(self) -> None:
        case = in_follow_up()
        reversed_(case, "2021-11-17 09:00", 1)
        case.at("2021-11-17 10:00", ev.FollowUpWaived(reason="sealed:x"), by=OFFICE)
        assert refusals(case) == [("NOT_PAID",)]
        assert case.of(ev.CaseClosed) == []
        assert "T18" in case.running()

    def test_every_reason_at_once(self) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 10:00", "part", "unsatisfied", by=f"{TANGZHUANG}/office/a")
        assert refusals(case) == [("SAME_UNIT", "NOT_PAID", "UNSATISFIED")]

    @pytest.mark.parametrize("kind", ["UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT"])
    def test_other_kinds_close_without_money(self, kind: ev.ClosureKind) -> None:
        case = assigned(START)
        reviewed(case, "2021-11-16 10:00", kind)
        followed_up(case, "2021-11-17 10:00", got_paid="N")
        assert [data.kind for data in case.of(ev.CaseClosed)] == [kind]


class TestReopening:
    def test_a_reversed_payment(self) -> None:
        case = closed(START)
        reversed_(case, "2021-11-15 10:00", 1)
        assert [data.reason for data in case.of(ev.CaseReopened)] == ["PAYMENT_REVERSED"]
        assert case.times(ev.CaseReopened) == ["2021-11-15 10:00"]
        assert case.running() == {"T18", "A5"}
        assert case.due("T18") == "2021-11-19 00:00"

    def test_a_surplus_reversed_changes_nothing(self) -> None:
        case = assigned(START)
        paid(case, START, 1_300_000)
        reviewed(case, START)
        followed_up(case, START)
        reversed_(case, "2021-11-15 10:00", 100_000)
        assert case.of(ev.CaseReopened) == []

    def test_other_kinds_were_not_closed_for_the_money(self) -> None:
        case = assigned(START)
        paid(case, START, 100)
        reviewed(case, START, "WITHDRAWN")
        followed_up(case, START)
        reversed_(case, "2021-11-15 10:00", 100)
        assert case.of(ev.CaseReopened) == []

    def test_the_same_worker_again_in_time(self) -> None:
        case = closed(START)
        case.at("2021-11-15 10:00", _again(reopens=True))
        assert [data.reason for data in case.of(ev.CaseReopened)] == ["REPEATED_COMPLAINT"]
        assert len(case.stream.state.sources) == 2

    def test_lines_alone_do_not_reopen(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 10:00", _again(reopens=True))
        assert case.of(ev.CaseReopened) == []

    @pytest.mark.parametrize(
        ("at", "reopened"),
        [("2021-12-11 23:59", True), ("2021-12-12 00:00", False)],
    )
    def test_written_off_only_within_thirty_days(self, at: str, reopened: bool) -> None:
        case = closed(START)
        case.at("2021-11-11 11:00", ev.CaseWrittenOff(), by=OFFICE)
        assert case.due("T15") == "2021-12-12 00:00"
        case.at(at, ev.FalseClosureFound(), by=OFFICE)
        assert bool(case.of(ev.CaseReopened)) == reopened

    def test_not_yet_written_off_at_any_time(self) -> None:
        case = closed(START)
        case.at("2022-01-20 10:00", ev.FalseClosureFound(), by=OFFICE)
        assert len(case.of(ev.CaseReopened)) == 1

    def test_the_campaign_date_comes_back_while_it_lies_ahead(self) -> None:
        case = closed("2021-12-20 10:00", tier="NAT")
        reversed_(case, "2021-12-30 10:00")
        assert case.due("A2") == "2022-01-01 00:00"
        assert case.due("T18") == "2022-01-01 00:00"
        past = closed("2021-12-20 10:00", tier="NAT")
        reversed_(past, "2022-01-04 10:00")
        assert past.running() == {"T18"}
        assert past.due("T18") == "2022-01-08 00:00"

    def test_an_overdue_order_runs_again_with_its_case(self) -> None:
        case = assigned(START)
        case.at("2021-11-12 10:00", served(limit_at=when("2021-11-20 00:00")), by=LABOUR)
        paid(case, "2021-11-15 10:00")
        reviewed(case, "2021-11-15 11:00")
        followed_up(case, "2021-11-15 12:00")
        reversed_(case, "2021-11-16 10:00")
        assert case.due("T23") == "2021-11-20 00:00"

    def test_closed_again_it_is_over(self) -> None:
        case = closed(START)
        reversed_(case, "2021-11-15 10:00")
        paid(case, "2021-11-16 10:00", payment="p2")
        reviewed(case, "2021-11-16 11:00")
        followed_up(case, "2021-11-16 12:00")
        assert case.times(ev.CaseClosed) == [START, "2021-11-16 12:00"]
        assert case.running() == {"T14", "T15"}


@pytest.mark.parametrize(
    "data",
    [
        ev.ComplaintMerged(cause="f", master="m", match="match:x"),
        ev.ComplaintTransferredOut(to_body="sealed:x"),
        ev.ComplaintNotAccepted(reason="NO_NEXUS"),
    ],
)
def test_a_case_that_left_has_no_running_clock(data: AnyData) -> None:
    case = assigned(START)
    case.at("2021-11-12 10:00", ev.ReferralProposed())
    case.at("2021-11-12 11:00", served(doc_type="directive"), by=LABOUR)
    case.at("2021-11-12 12:00", data)
    assert case.running() == set()
    assert case.until("2022-04-30 00:00").alerts("T09") == []


def test_a_withdrawn_assignment_stops_its_clocks() -> None:
    case = assigned(START)
    case.at("2021-11-12 10:00", ev.AssignmentWithdrawn(cause="m", reason="MERGED"))
    assert not {"T05", "T06", "T07", "T08", "T09"} & case.running()


def _again(*, reopens: bool) -> ev.ClaimLinesAdded:
    return ev.ClaimLinesAdded(
        cause="found",
        from_case="B",
        source="mayor",
        source_ref="B",
        tier="CITY",
        received_at=when("2021-11-15 10:00"),
        lines=(ev.ClaimLine(line="1"),),
        same={"1": "1"},
        reopens=reopens,
    )


def _more(
    fen: int | None = 1_500_000,
    months: tuple[str, str] = ("2021-07", "2021-09"),
    *,
    of: str = "B",
    heads: int | None = None,
    **fields: Any,
) -> ev.ClaimLinesAdded:
    """The worker of line 1, who claimed 12,000 yuan of July to September, again."""
    first, last = months
    lines = (ev.ClaimLine(line="1", amount_fen=fen, months_from=first, months_to=last),)
    told = {"from_case": of, "source_ref": of, "lines": lines, "heads": heads}
    return _again(reopens=False).model_copy(update=told | fields)


def _gone(of: str = "B") -> ev.ClaimLinesRemoved:
    return ev.ClaimLinesRemoved(
        cause="revoked", from_case=of, source="mayor", source_ref=of, lines=("1",)
    )


def _as_paid(case: Told, at: str) -> list[tuple[str, ...]]:
    """What refuses to close it as paid in full now."""
    before = len(refusals(case))
    case.at(at, ev.ClosureRequested(kind="PAID_IN_FULL"))
    return refusals(case)[before:]


def _verified(case: Told, at: str, fen: int = 1_200_000, months: int = 3) -> None:
    case.at(at, lines_of([(fen, months)]))


UNPAID = [("UNPAID",)]


class TestMoreAsked:
    """Who repeats a claim and asks for more is not told that he is paid with less (I-01): the line
    does not close until the facts are verified. What is owed stays as it was."""

    @pytest.mark.parametrize(
        ("again", "refused"),
        [
            (_more(1_200_000), []),
            (_more(800_000, ("2021-08", "2021-09")), []),
            (_more(None), []),
            (_more(1_200_000, heads=1), []),
            (_more(1_200_001), UNPAID),
            (_more(1_200_000, ("2021-09", "2021-10")), UNPAID),
            (_more(1_200_000, ("2021-06", "2021-09")), UNPAID),
            (_more(None, ("2021-09", "2021-11")), UNPAID),
            (_more(None, heads=8), UNPAID),
        ],
        ids=[
            *("the same", "less", "no sum", "one worker"),
            *("a larger sum", "a later month", "an earlier month", "months and no sum", "workers"),
        ],
    )
    def test_asked_for_more_it_does_not_close(
        self, again: ev.ClaimLinesAdded, refused: list[tuple[str, ...]]
    ) -> None:
        case = assigned(START)
        case.at("2021-11-15 09:00", again)
        paid(case, "2021-11-15 10:00")
        assert _as_paid(case, "2021-11-16 10:00") == refused
        (line,) = case.stream.state.lines
        assert (line.owed_fen, line.months, line.heads) == (1_200_000, 3, 1)

    def test_what_is_verified_and_paid_closes(self) -> None:
        """Not what was asked and paid: how much that is nobody has said yet."""
        case = assigned(START)
        case.at("2021-11-15 09:00", _more())
        paid(case, "2021-11-15 10:00", 1_500_000)
        assert _as_paid(case, "2021-11-15 11:00") == UNPAID
        _verified(case, "2021-11-15 12:00", 1_500_000)
        reviewed(case, "2021-11-16 10:00")
        followed_up(case, "2021-11-17 10:00")
        assert (refusals(case), len(case.of(ev.CaseClosed))) == (UNPAID, 1)

    @pytest.mark.parametrize(
        ("again", "refused"),
        [
            (_more(900_000, ("2021-07", "2021-08")), []),
            (_more(1_200_000, ("2021-07", "2021-08")), UNPAID),
            (_more(900_000), UNPAID),
        ],
        ids=["the same", "a larger sum", "more months"],
    )
    def test_what_was_verified_before_is_the_measure(
        self, again: ev.ClaimLinesAdded, refused: list[tuple[str, ...]]
    ) -> None:
        case = assigned(START)
        _verified(case, "2021-11-14 09:00", 900_000, 2)
        case.at("2021-11-15 09:00", again)
        paid(case, "2021-11-15 10:00")
        assert _as_paid(case, "2021-11-16 10:00") == refused
        (line,) = case.stream.state.lines
        assert (line.owed_fen, line.months) == (900_000, 2)

    def test_a_line_that_was_found_has_as_many_months_as_were_verified(self) -> None:
        for again, refused in ((("2021-08", "2021-09"), []), (("2021-07", "2021-09"), UNPAID)):
            case = assigned(START)
            case.at("2021-11-14 09:00", lines_of([(1_200_000, 3), (900_000, 2)]))
            case.at("2021-11-15 09:00", _more(900_000, again, same={"1": "2"}))
            paid(case, "2021-11-15 10:00")
            paid(case, "2021-11-15 11:00", 900_000, payment="p2", line="2")
            assert _as_paid(case, "2021-11-16 10:00") == refused

    def test_verified_it_is_settled_until_somebody_asks_for_more_than_that(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 09:00", _more())
        paid(case, "2021-11-15 10:00")
        _verified(case, "2021-11-15 11:00")
        case.at("2021-11-15 12:00", _more())
        assert _as_paid(case, "2021-11-16 10:00") == [], "the same claim, told once more"
        case.at("2021-11-16 11:00", _more(1_200_000, of="C"))
        assert _as_paid(case, "2021-11-16 12:00") == []
        case.at("2021-11-16 13:00", _more(1_200_001, of="D"))
        assert _as_paid(case, "2021-11-16 14:00") == UNPAID

    def test_verified_of_another_line_only_it_is_not(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 09:00", _more())
        paid(case, "2021-11-15 10:00")
        other = ev.VerifiedLine(line="2", amount_fen=0, months=0)
        case.at("2021-11-15 11:00", ev.FactsVerified(lines=(other,)))
        assert _as_paid(case, "2021-11-16 10:00") == UNPAID

    def test_it_leaves_with_who_asked(self) -> None:
        case = assigned(START)
        for at, data in (("09:00", _more()), ("09:10", _more(of="C")), ("09:20", _gone())):
            case.at(f"2021-11-15 {at}", data)
        paid(case, "2021-11-15 10:00")
        assert _as_paid(case, "2021-11-16 10:00") == UNPAID, "another one asks for it too"
        case.at("2021-11-16 11:00", _gone("C"))
        assert _as_paid(case, "2021-11-16 12:00") == []

    def test_by_two_ways_it_leaves_with_the_last(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 09:00", _more())
        way = Event(
            id="way",
            subject=case.stream.subject,
            time=when("2021-11-15 09:10"),
            recordedtime=when("2021-11-15 09:10"),
            data=_more(),
            decidedby="C",
        )
        case.take(way)
        case.at("2021-11-15 09:20", _gone())
        paid(case, "2021-11-15 10:00")
        assert _as_paid(case, "2021-11-16 10:00") == UNPAID
        end = when("2021-11-16 11:00")
        case.take(way.replace(id="end", time=end, recordedtime=end, data=_gone()))
        assert _as_paid(case, "2021-11-16 12:00") == []

    def test_the_parts_of_one_complaint_are_added_up_and_those_of_two_are_not(self) -> None:
        one, two = assigned(START), assigned(START)
        part = ev.ClaimLine(
            line="2", amount_fen=700_000, months_from="2021-08", months_to="2021-08"
        )
        half = _more(700_000, ("2021-07", "2021-07"))
        one.at("2021-11-15 09:00", half)
        one.at("2021-11-15 09:10", half.model_copy(update={"lines": (part,), "same": {"2": "1"}}))
        two.at("2021-11-15 09:00", half)
        two.at("2021-11-15 09:10", _more(700_000, of="C"))
        for case, refused in ((one, UNPAID), (two, [])):
            paid(case, "2021-11-15 10:00")
            assert _as_paid(case, "2021-11-16 10:00") == refused

    def test_workers_whom_a_new_line_of_the_repeat_has_are_not_asked_for_here(self) -> None:
        case = assigned(START)
        new = ev.ClaimLine(line="2", amount_fen=1)
        both = (*_more(1_200_000).lines, new)
        case.at("2021-11-15 09:00", _more(lines=both, heads=8))
        paid(case, "2021-11-15 10:00")
        paid(case, "2021-11-15 11:00", 1, payment="p2", line="2")
        assert _as_paid(case, "2021-11-16 10:00") == []

    def test_workers_whom_the_complaint_here_has_too_are_none_more(self) -> None:
        claims = [{"line": n, "worker": w, "amount_fen": 1} for n, w in (("1", "w1"), ("2", "w2"))]
        case = assigned(START, workers=8, claims=claims)
        lines = tuple(
            ev.ClaimLine(line=n, worker=w, amount_fen=1) for n, w in (("1", "w2"), ("2", "w1"))
        )
        case.at("2021-11-15 09:00", _more(lines=lines, same={"1": "2", "2": "1"}, heads=8))
        paid(case, "2021-11-15 10:00", 1)
        paid(case, "2021-11-15 11:00", 1, payment="p2", line="2")
        assert _as_paid(case, "2021-11-16 10:00") == []

    def test_asked_during_the_review_the_follow_up_does_not_close_it(self) -> None:
        case = in_follow_up()
        case.at("2021-11-17 09:00", _more())
        followed_up(case, "2021-11-17 10:00")
        assert (refusals(case), case.of(ev.CaseClosed)) == ([("NOT_PAID",)], [])
        assert "T18" in case.running()

    def test_nor_does_the_office_s_decision(self) -> None:
        case = in_follow_up()
        followed_up(case, "2021-11-17 09:00", satisfaction="unsatisfied")
        case.at("2021-11-17 10:00", _more())
        case.at("2021-11-17 11:00", ev.FollowUpWaived(reason="x"), by=OFFICE)
        assert case.of(ev.CaseClosed) == []
        assert "NOT_PAID" in refusals(case)[-1]

    def test_another_kind_of_closing_is_no_matter_of_it(self) -> None:
        case = assigned(START)
        case.at("2021-11-15 09:00", _more())
        case.at("2021-11-16 10:00", ev.ClosureRequested(kind="WITHDRAWN"))
        assert refusals(case) == []

    def test_a_case_that_closed_while_it_was_on_its_way_is_reopened(self) -> None:
        case = closed(START)
        case.at("2021-11-20 10:00", _more())
        assert [data.reason for data in case.of(ev.CaseReopened)] == ["REPEATED_COMPLAINT"]
        same = closed(START)
        same.at("2021-11-20 10:00", _more(1_200_000))
        assert same.of(ev.CaseReopened) == []

    def test_the_leading_case_of_its_group_waits_for_it(self) -> None:
        case = assigned(START)
        case.at(
            "2021-11-12 10:00",
            ev.GroupJoined(cause="match", group="group:x", master="leads"),
        )
        paid(case, "2021-11-15 10:00")
        case.at("2021-11-15 11:00", _more())
        _verified(case, "2021-11-15 12:00")
        told = [(data.status, data.unpaid) for data in case.of(ev.GroupMemberUpdated)]
        assert [status for status, _ in told] == ["unpaid", "settled", "unpaid", "settled"]
        assert told[2][1] == (), "of which nothing counts towards a referral"


def test_moved_lines_are_claims_of_the_master() -> None:
    case = assigned(START)
    added = _again(reopens=False).model_copy(
        update={
            "whole": False,
            "same": {},
            "lines": (ev.ClaimLine(line="2", amount_fen=500, months_from="2021-09"),),
        }
    )
    case.at("2021-11-15 10:00", added)
    lines = [(line.line, line.claimed_fen) for line in case.stream.state.lines]
    assert lines == [("1", 1_200_000), ("2", 500)]
    assert local(case.stream.instant) == "2021-11-15 10:00"
