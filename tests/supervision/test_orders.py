"""责令支付: limits (T23), the referral threshold (I-09), listing (T42)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared import events as ev
from shared.events import AnyData, Event
from shared.policy import adopt, read_book
from shared.settle import Books
from tests.supervision.spec import (
    LABOUR,
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

START = "2021-12-27 10:00"


def ordered(at: str = "2022-01-04 10:00", limit: str | None = None, **fields: str) -> Told:
    case = assigned(START)
    case.at("2021-12-29 10:00", lines_of([(800_000, 3)]))
    values: dict[str, Any] = {"limit_at": when(limit)} if limit else {}
    case.at(at, served(**(values | fields)), by=LABOUR)
    return case


def claimed(*lines: tuple[str, int, int]) -> Told:
    """A complaint with a line for each (worker, fen, first of two months of 2021)."""
    return assigned(START, workers=None, claims=claim_lines(lines))


def brought(*lines: tuple[str, int, int], heads: int | None = None) -> ev.ClaimLinesAdded:
    """The same lines of another complaint that was merged into the case."""
    return ev.ClaimLinesAdded(
        cause="found",
        from_case="B",
        source="12345",
        source_ref="B",
        tier="CITY",
        received_at=when(START),
        lines=claim_lines(lines),
        heads=heads,
    )


def claim_lines(lines: Sequence[tuple[str, int, int]]) -> tuple[ev.ClaimLine, ...]:
    return tuple(
        ev.ClaimLine(
            line=str(number),
            worker=worker,
            amount_fen=fen,
            months_from=f"2021-{first:02}",
            months_to=f"2021-{first + 1:02}",
        )
        for number, (worker, fen, first) in enumerate(lines, 1)
    )


class TestLimit:
    def test_five_working_days_unless_the_document_says(self) -> None:
        assert ordered().due("T23") == "2022-01-12 00:00"
        assert ordered(limit="2022-01-09 00:00").due("T23") == "2022-01-09 00:00"

    def test_at_the_limit_it_is_in_default(self) -> None:
        case = ordered().until("2022-01-20 00:00")
        assert case.alerts("T23") == [("2022-01-07 09:00", "L1")]
        assert case.times(ev.PaymentOrderDefaulted) == ["2022-01-12 00:00"]
        assert [data.doc_no for data in case.of(ev.PaymentOrderDefaulted)] == ["D1"]

    def test_obeyed_or_paid_in_full_it_is_not(self) -> None:
        obeyed = ordered()
        obeyed.at("2022-01-11 23:59", ev.PaymentOrderComplied(doc_no="D1"), by=LABOUR)
        assert obeyed.until("2022-01-20 00:00").of(ev.PaymentOrderDefaulted) == []
        full = ordered()
        paid(full, "2022-01-11 10:00", 800_000)
        assert "T23" not in full.running()
        assert full.until("2022-01-20 00:00").of(ev.PaymentOrderDefaulted) == []

    def test_a_reversed_payment_makes_the_limit_run_again(self) -> None:
        case = ordered()
        paid(case, "2022-01-06 10:00", 800_000)
        reversed_(case, "2022-01-07 10:00", 800_000)
        assert case.due("T23") == "2022-01-12 00:00"
        assert case.until("2022-01-12 00:00").times(ev.PaymentOrderDefaulted) == [
            "2022-01-12 00:00"
        ]

    def test_served_again_its_limit_does_not_move(self) -> None:
        """I-07: else who is to pay could be given time without anybody's approval."""
        case = ordered()
        case.at("2022-01-06 10:00", served(limit_at=when("2022-01-21 00:00")), by=LABOUR)
        case.until("2022-01-20 00:00")
        assert case.times(ev.PaymentOrderDefaulted) == ["2022-01-12 00:00"]

    def test_each_order_has_its_own(self) -> None:
        case = ordered()
        case.at("2022-01-05 10:00", served("D2"), by=LABOUR)
        case.at("2022-01-06 10:00", ev.PaymentOrderComplied(doc_no="D2"), by=LABOUR)
        case.until("2022-01-20 00:00")
        assert [data.doc_no for data in case.of(ev.PaymentOrderDefaulted)] == ["D1"]

    def test_recorded_after_its_limit_it_defaults_a_working_day_later(self) -> None:
        case = assigned(START)
        case.at(
            "2022-01-20 10:00",
            served(limit_at=when("2022-01-12 00:00")),
            by=LABOUR,
            happened="2022-01-04 10:00",
        )
        case.until("2022-02-01 00:00")
        assert case.times(ev.PaymentOrderDefaulted) == ["2022-01-22 00:00"]


def again(*lines: tuple[str, int, int], of: str = "B") -> ev.ClaimLinesAdded:
    """The worker of line 1 once more."""
    told = {"from_case": of, "source_ref": of, "same": {"1": "1"}}
    return brought(*lines).model_copy(update=told)


class TestObeyed:
    """What comes once an order has been obeyed was not ordered to be paid, whether its limit has
    passed or not; only a reversal makes it run again (I-09)."""

    @staticmethod
    def obeyed() -> Told:
        """8,000 yuan of three months, ordered until 01-20 and paid on 01-06."""
        case = ordered(limit="2022-01-20 00:00")
        paid(case, "2022-01-06 10:00", 800_000)
        return case

    @pytest.mark.parametrize(
        "data",
        [
            again(("w1", 2_000_000, 7)),
            brought(("w2", 2_000_000, 7)),
            lines_of([(2_000_000, 6)]),
            lines_of([(800_000, 3), (2_000_000, 6)]),
        ],
        ids=["a larger sum", "another worker", "more verified", "another line verified"],
    )
    def test_what_comes_after_it_was_not_ordered(self, data: AnyData) -> None:
        case = self.obeyed()
        case.at("2022-01-07 10:00", data)
        assert "T23" not in case.running()
        case.until("2022-02-01 00:00")
        assert case.of(ev.PaymentOrderDefaulted) == []
        assert case.of(ev.ReferralThresholdMet) == []

    def test_what_comes_before_it_was(self) -> None:
        case = ordered(limit="2022-01-20 00:00")
        case.at("2022-01-05 10:00", brought(("w2", 1_000, 7)))
        paid(case, "2022-01-06 10:00", 800_000)
        assert case.until("2022-01-20 00:00").times(ev.PaymentOrderDefaulted) == [
            "2022-01-20 00:00"
        ]

    def test_paid_before_its_service_was_recorded_it_was_obeyed_too(self) -> None:
        case = assigned(START)
        case.at("2021-12-29 10:00", lines_of([(800_000, 3)]))
        paid(case, "2022-01-06 10:00", 800_000)
        order = served(limit_at=when("2022-01-20 00:00"))
        case.at("2022-01-07 10:00", order, by=LABOUR, happened="2022-01-04 10:00")
        case.at("2022-01-10 10:00", brought(("w2", 2_000_000, 7)))
        assert case.until("2022-02-01 00:00").of(ev.PaymentOrderDefaulted) == []

    def test_a_reversal_makes_it_run_for_what_was_under_it(self) -> None:
        case = self.obeyed()
        case.at("2022-01-07 10:00", brought(("w2", 2_000_000, 7)))
        reversed_(case, "2022-01-10 10:00", 1)
        assert case.due("T23") == "2022-01-20 00:00"
        paid(case, "2022-01-11 10:00", 1, payment="p2")
        assert "T23" not in case.running(), "obeyed again, whatever came since"
        assert case.until("2022-02-01 00:00").of(ev.PaymentOrderDefaulted) == []

    @pytest.mark.parametrize(("back", "fen"), [(1, None), (800_000, 800_000)])
    def test_in_default_after_a_reversal_only_what_was_under_it_counts(
        self, back: int, fen: int | None
    ) -> None:
        """The other worker's 20,000 yuan of six months would do, and were never ordered."""
        case = self.obeyed()
        lines = (
            ev.ClaimLine(
                line="1",
                worker="w2",
                amount_fen=2_000_000,
                months_from="2021-07",
                months_to="2021-12",
            ),
        )
        case.at("2022-01-07 10:00", brought().model_copy(update={"lines": lines}))
        reversed_(case, "2022-01-10 10:00", back)
        case.until("2022-02-01 00:00")
        assert case.times(ev.PaymentOrderDefaulted) == ["2022-01-20 00:00"]
        met = [data.amount_fen for data in case.of(ev.ReferralThresholdMet)]
        assert met == ([] if fen is None else [fen])

    def test_nor_does_the_rest_keep_what_a_payment_recorded_late_undoes(self) -> None:
        case = self.obeyed()
        case.at("2022-01-07 10:00", brought(("w2", 2_000_000, 7), ("w2", 2_000_000, 9)))
        reversed_(case, "2022-01-10 10:00", 800_000)
        case.until("2022-01-20 09:00")
        assert "T39" in case.running()
        late = ev.PaymentVerified(payment="p2", lines=(ev.PaidLine(line="1", amount_fen=1),))
        case.at("2022-01-20 09:30", late, happened="2022-01-19 10:00")
        assert "T39" not in case.running()

    def test_where_all_that_was_under_it_left_nothing_is_ordered(self) -> None:
        case = self.obeyed()
        case.at("2022-01-07 10:00", brought(("w2", 2_000_000, 7)))
        gone = ev.ClaimLinesRemoved(
            cause="moved",
            from_case=case.stream.subject,
            source="window",
            source_ref="1",
            lines=("1",),
            to="M",
            whole=False,
        )
        own = Event(
            id="moved",
            subject=case.stream.subject,
            time=when("2022-01-08 10:00"),
            recordedtime=when("2022-01-08 10:00"),
            data=gone,
            decidedby=case.stream.subject,
        )
        case.take(own)
        assert case.until("2022-02-01 00:00").of(ev.PaymentOrderDefaulted) == []

    def test_another_order_is_of_what_stands_when_it_is_served(self) -> None:
        case = self.obeyed()
        case.at("2022-01-07 10:00", brought(("w2", 2_000_000, 7)))
        case.at("2022-01-08 10:00", served("D2", limit_at=when("2022-01-21 00:00")), by=LABOUR)
        case.until("2022-02-01 00:00")
        assert [data.doc_no for data in case.of(ev.PaymentOrderDefaulted)] == ["D2"]


class TestThreshold:
    """法释〔2013〕3号 3 with Henan's figures; figures of scenario 15."""

    @pytest.mark.parametrize(
        ("lines", "limb"),
        [
            ([(750_000, 4)], None),
            ([(1_500_000, 2)], None),
            ([(800_000, 3), *[(1_025_000, 2)] * 8], 1),
            ([(399_900, 2), *[(400_000, 2)] * 9], None),
            ([(400_000, 2)] * 10, 2),
            ([(799_999, 3)], None),
            ([(800_000, 3)], 1),
            ([(450_000, 2)] * 9, None),
        ],
    )
    def test_two_limbs(self, lines: list[tuple[int, int]], limb: int | None) -> None:
        case = assigned(START)
        case.at("2021-12-29 10:00", lines_of(lines))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        case.until("2022-01-20 00:00")
        assert [data.limb for data in case.of(ev.ReferralThresholdMet)] == ([limb] if limb else [])

    def test_a_sum_may_be_larger_than_any_line(self) -> None:
        """Two cases' lines in one, each as large as is taken: what no decider must stumble on."""
        case = assigned(START)
        case.at("2021-12-29 10:00", lines_of([(ev.MAX_FEN, 3)] * 2))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        (met,) = case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet)
        assert met.amount_fen == 2 * ev.MAX_FEN

    def test_what_is_said(self) -> None:
        case = ordered().until("2022-01-12 00:00")
        (met,) = case.of(ev.ReferralThresholdMet)
        assert case.times(ev.ReferralThresholdMet) == ["2022-01-12 00:00"]
        assert (met.workers, met.months, met.amount_fen) == (1, 3, 800_000)
        assert (met.threshold, met.doc_no) == ("henan-2013", "D1")
        assert case.due("T39") == "2022-01-14 00:00"

    def test_only_what_is_still_unpaid_counts(self) -> None:
        case = ordered()
        paid(case, "2022-01-10 10:00", 1)
        assert case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet) == []
        reversed_(case, "2022-01-20 10:00", 1)
        assert case.times(ev.ReferralThresholdMet) == ["2022-01-20 10:00"]

    def test_facts_that_come_after_the_default(self) -> None:
        case = assigned(START)
        case.at("2022-01-04 10:00", lines_of([(700_000, 3)]))
        case.at("2022-01-04 11:00", served(), by=LABOUR)
        assert case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet) == []
        case.at("2022-01-20 09:00", lines_of([(900_000, 3)]))
        assert case.times(ev.ReferralThresholdMet) == ["2022-01-20 09:00"]

    def test_of_a_closed_case_it_is_met_when_it_is_reopened(self) -> None:
        """Not back in time: nobody could have proposed a referral while the case was closed."""
        case = ordered()
        paid(case, "2022-01-10 10:00", 1)
        case.until("2022-01-13 10:00")
        reviewed(case, "2022-01-13 10:00", "WITHDRAWN")
        followed_up(case, "2022-01-13 11:00", got_paid="part")
        reversed_(case, "2022-01-20 10:00", 1)
        assert case.until("2022-02-10 10:00").of(ev.ReferralThresholdMet) == []
        case.at("2022-02-10 10:00", ev.FalseClosureFound())
        assert case.times(ev.ReferralThresholdMet) == ["2022-02-10 10:00"]
        assert case.alerts("T39") == []

    def test_of_a_merged_case_it_is_met_when_it_is_separated(self) -> None:
        case = ordered()
        paid(case, "2022-01-10 10:00", 1)
        case.until("2022-01-13 10:00")
        case.at("2022-01-13 10:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        reversed_(case, "2022-01-13 10:00", 1)
        assert case.until("2022-02-10 10:00").of(ev.ReferralThresholdMet) == []
        case.at("2022-02-10 10:00", ev.ComplaintUnmerged(cause="r", master="m"))
        assert case.times(ev.ReferralThresholdMet) == ["2022-02-10 10:00"]

    def test_lines_of_one_worker_are_one_claim_also_when_a_merge_brought_them(self) -> None:
        case = claimed(("w1", 450_000, 7))
        case.at("2021-12-28 10:00", brought(("w1", 450_000, 9)))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        (met,) = case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet)
        assert (met.limb, met.workers, met.months, met.amount_fen) == (1, 1, 4, 900_000)

    def test_a_month_that_the_merged_complaint_claims_too_counts_once(self) -> None:
        case = claimed(("w1", 450_000, 7))
        case.at("2021-12-28 10:00", brought(("w1", 450_000, 7)))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        assert case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet) == []

    @pytest.mark.parametrize(("tenth", "limbs"), [("w9", []), ("w10", [2])])
    def test_who_was_brought_by_a_merge_counts_once_among_the_many(
        self, tenth: str, limbs: list[int]
    ) -> None:
        case = claimed(*((f"w{n}", 400_000, 7) for n in range(1, 10)))
        case.at("2021-12-28 10:00", brought((tenth, 399_999, 7), ("w1", 1, 7)))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        case.until("2022-01-20 00:00")
        assert [data.limb for data in case.of(ev.ReferralThresholdMet)] == limbs
        assert all(data.workers == 10 for data in case.of(ev.ReferralThresholdMet))

    def test_of_a_merged_complaint_those_count_whom_no_line_names(self) -> None:
        """Eleven are told and three named, one of them on two lines: eight come beside."""
        case = claimed(("w1", 2_000_000, 7))
        lines = ("w2", 1_000_000, 7), ("w2", 1_000_000, 7), ("w3", 1, 7), ("w4", 1, 7)
        case.at("2021-12-28 10:00", brought(*lines, heads=11))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        (met,) = case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet)
        assert (met.limb, met.workers) == (2, 12)

    @pytest.mark.parametrize(
        "data",
        [
            again(("w1", 2_000_000, 7)),
            again(("w1", 2_000_000, 6)),
            again(("w1", 1, 8)),
            again(("w1", 3_200_000, 7)).model_copy(update={"heads": 12}),
        ],
        ids=["a larger sum", "an earlier month", "a later month", "of a whole crew"],
    )
    def test_who_is_repeated_counts_as_before_whatever_the_repeat_asks(
        self, data: ev.ClaimLinesAdded
    ) -> None:
        for sums, limb in (((700_000, 3), []), ((800_000, 3), [(1, 3, 800_000)])):
            case = assigned(START)
            case.at("2021-12-28 10:00", data)
            case.at("2021-12-29 10:00", lines_of([sums]))
            case.at("2022-01-04 10:00", served(), by=LABOUR)
            case.at("2022-01-05 10:00", data.model_copy(update={"from_case": "C"}))
            met = case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet)
            assert [(item.limb, item.months, item.amount_fen) for item in met] == limb

    def test_unverified_too(self) -> None:
        case = claimed(("w1", 300_000, 7), ("w1", 300_000, 9))
        case.at("2021-12-28 10:00", again(("w1", 600_000, 7)))
        case.at("2022-01-04 10:00", served(), by=LABOUR)
        assert case.until("2022-01-20 00:00").of(ev.ReferralThresholdMet) == []

    def test_once_a_case(self) -> None:
        case = ordered()
        case.at("2022-01-05 10:00", served("D2"), by=LABOUR)
        assert len(case.until("2022-02-20 00:00").of(ev.ReferralThresholdMet)) == 1

    def test_never_without_an_order_or_where_it_was_obeyed_late(self) -> None:
        case = assigned(START)
        case.at("2022-01-04 10:00", lines_of([(9_000_000, 12)]))
        assert case.until("2022-03-01 00:00").of(ev.ReferralThresholdMet) == []
        obeyed = assigned(START)
        obeyed.at("2022-01-04 10:00", lines_of([(700_000, 3)]))
        obeyed.at("2022-01-04 11:00", served(), by=LABOUR)
        obeyed.until("2022-01-20 00:00")
        obeyed.at("2022-01-20 09:00", ev.PaymentOrderComplied(), by=LABOUR)
        obeyed.at("2022-01-20 10:00", lines_of([(900_000, 3)]))
        assert obeyed.of(ev.ReferralThresholdMet) == []


class TestListing:
    """T42: by the rule in force at the date of the decision or of the default (domain 1.8)."""

    def test_until_the_end_of_2021_from_a_served_decision(self) -> None:
        case = assigned("2021-11-15 10:00")
        case.at("2021-12-01 10:00", served(doc_type="decision"), by=LABOUR)
        (deadline,) = case.deadlines("T42")
        assert deadline.rule == "人社部规〔2017〕16号"
        assert local(deadline.due_at) == "2021-12-30 00:00"
        case.until("2021-12-20 00:00")
        assert len(case.deadlines("T42")) == 1, "its default in 2021 is no ground of its own"

    def test_a_directive_is_no_decision(self) -> None:
        case = assigned("2021-11-15 10:00")
        case.at("2021-12-01 10:00", served(), by=LABOUR)
        assert case.until("2021-12-31 00:00").deadlines("T42") == []

    def test_from_2022_from_the_default(self) -> None:
        case = ordered(doc_type="decision").until("2022-01-12 00:00")
        (deadline,) = case.deadlines("T42")
        assert deadline.rule == "人社部令第45号"
        assert local(deadline.started_at) == "2022-01-12 00:00"
        assert local(deadline.due_at) == "2022-01-27 00:00"

    def test_a_limit_at_the_end_of_the_year_is_a_default_of_the_next(self) -> None:
        case = assigned("2021-12-20 10:00")
        case.at("2021-12-24 10:00", served(limit_at=when("2022-01-01 00:00")), by=LABOUR)
        assert case.until("2022-01-01 00:00").due("T42") == "2022-01-18 00:00"

    def test_one_listing_at_a_time_and_none_after_it(self) -> None:
        case = assigned("2021-12-20 10:00")
        case.at("2021-12-28 10:00", served(doc_type="decision"), by=LABOUR)
        case.until("2022-01-10 00:00")
        assert len(case.of(ev.PaymentOrderDefaulted)) == 1
        assert len(case.deadlines("T42")) == 1
        case.at("2022-01-11 10:00", ev.CreditListingDecided(rule="令45"), by=LABOUR)
        case.at("2022-01-12 10:00", served("D2"), by=LABOUR)
        case.until("2022-02-01 00:00")
        assert len(case.deadlines("T42")) == 1

    def test_it_outlives_the_case(self) -> None:
        case = ordered().until("2022-01-12 00:00")
        case.at("2022-01-12 09:00", ev.ReferralDeclined(reason="PAID_BEFORE_FILING"), by=LABOUR)
        paid(case, "2022-01-12 10:00", 800_000)
        closing = (ev.ClosureRequested(kind="PAID_IN_FULL"), ev.ClosureReviewPassed(stage="tf"))
        for data in (*closing, ev.ClosureReviewPassed(stage="office")):
            case.at("2022-01-12 11:00", data)
        case.at(
            "2022-01-12 12:00",
            ev.FollowUpCompleted(got_paid="Y", satisfaction="mostly"),
            by="联席办/office/a",
        )
        assert len(case.of(ev.CaseClosed)) == 1
        assert case.running() == {"T42", "T14", "T15"}


def test_a_case_closed_without_orders_is_never_referred() -> None:
    case = closed("2021-12-27 10:00").until("2022-04-30 00:00")
    assert case.of(ev.ReferralThresholdMet) == []


def test_a_default_from_before_any_figure_was_in_force_opens_nothing() -> None:
    raw = read_book("dengfeng-2021-35")
    thresholds = [raw["referral"]["thresholds"][0] | {"effective": "2022-06-01"}]
    listing = [rule | {"effective": "2022-06-01"} for rule in raw["referral"]["listing"]]
    referral = raw["referral"] | {"thresholds": thresholds, "listing": listing}
    book = adopt(raw | {"referral": referral}, when("2021-11-01 00:00"), "adoption")
    case = assigned(START, books=Books([book]))
    case.at("2021-12-29 10:00", lines_of([(9_000_000, 12)]))
    case.at("2022-01-04 10:00", served(doc_type="decision"), by=LABOUR)
    case.until("2022-02-01 00:00")
    assert len(case.of(ev.PaymentOrderDefaulted)) == 1
    assert case.deadlines("T42") == []
    assert case.of(ev.ReferralThresholdMet) == []
