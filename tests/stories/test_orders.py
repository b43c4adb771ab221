"""Payment orders, Henan's thresholds, listing (T23, T39, T42; I-09, I-10; domain 1.6, 1.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import Story, claim, full


def begun(story: Story, at: str = "2022-01-04 09:00", **fields: Any) -> None:
    story.assigned(at, **fields)
    story.signed(at)


class TestOrder:
    def test_five_working_days_over_the_festival(self, story: Story) -> None:
        begun(story, "2022-01-27 09:00")
        story.served("2022-01-28 15:00")
        story.run("2022-02-11 00:00")
        # 01-29, 01-30, 02-07, 08, 09; nothing but the reminder before its own event.
        assert story.dues("T23") == ["2022-02-10 00:00"]
        assert story.alerts("T23") == ["2022-02-07 09:00 L1"]
        assert [(d["at"], d["doc_no"]) for d in story.of("PaymentOrderDefaulted")] == [
            ("2022-02-10 00:00", "令1")
        ]

    def test_the_documents_own_limit(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00", limit="2022-01-26 00:00", service_mode="posted")
        story.run("2022-01-26 00:00")
        assert story.dues("T23") == ["2022-01-26 00:00"]
        assert story.times("PaymentOrderDefaulted") == ["2022-01-26 00:00"]

    def test_a_limit_of_a_day_or_two_is_reminded_on_its_day(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00", limit="2022-01-12 00:00")
        story.run("2022-01-12 00:00")
        assert story.alerts("T23") == ["2022-01-11 09:00 L1"]

    @pytest.mark.parametrize("limit", ["2022-01-26 00:01", "2022-01-10 10:00"])
    def test_a_limit_beyond_fifteen_days_or_before_service(self, story: Story, limit: str) -> None:
        begun(story)
        story.served("2022-01-10 10:00", limit=limit)
        story.run("2022-01-10 10:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [422]

    def test_only_the_labour_bureau(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00", by_={"unit": "TF1", "role": "task_force"})
        story.served("2022-01-10 10:00", by_={"unit": "市住建局", "role": "inspector"})
        story.run("2022-01-10 10:00", refused=2)
        assert [status for _, status, _ in story.refusals()] == [403, 403]

    def test_paid_before_the_limit(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.paid("2022-01-17 23:59")
        story.run("2022-01-20 00:00")
        assert story.of("PaymentOrderDefaulted") == []
        assert story.of("ReferralThresholdMet") == []

    def test_paid_at_the_limit_is_late(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.paid("2022-01-18 00:00")
        story.run("2022-01-20 00:00")
        assert story.times("PaymentOrderDefaulted") == ["2022-01-18 00:00"]
        assert story.times("ReferralThresholdMet") == ["2022-01-18 00:00"]

    def test_complied(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.line("2022-01-14 10:00", "A", "PaymentOrderComplied")
        story.run("2022-01-20 00:00")
        assert story.of("PaymentOrderDefaulted") == []


class TestThreshold:
    """One worker, three months and 8,000 yuan; or ten workers and 40,000 (henan-2013)."""

    def defaulted(self, story: Story, claims: list[Any], **fields: Any) -> None:
        total = sum(each["amount_fen"] for each in claims)
        fields = {"workers": len(claims), "claims": claims, "amount_fen": total} | fields
        begun(story, **fields)
        story.served("2022-01-10 10:00")

    @pytest.mark.parametrize(
        ("fen", "months", "met"),
        [(800_000, 3, True), (799_999, 3, False), (800_000, 2, False), (5_000_000, 2, False)],
    )
    def test_one_worker(self, story: Story, fen: int, months: int, *, met: bool) -> None:
        begun(story)
        story.verified("2022-01-05 10:00", (fen, months))
        story.served("2022-01-10 10:00")
        story.run("2022-01-18 00:00")
        found = story.of("ReferralThresholdMet")
        assert [(d["limb"], d["workers"], d["months"], d["amount_fen"]) for d in found] == (
            [(1, 1, months, fen)] if met else []
        )
        assert [d["doc_no"] for d in found] == (["令1"] if met else [])

    def test_two_lines_of_one_worker_are_one_claim(self, story: Story) -> None:
        claims = [
            claim(1, 500_000, ("2021-07", "2021-08")),
            claim(1, 500_000, ("2021-09", "2021-10")),
        ]
        self.defaulted(story, claims, workers=1)
        story.run("2022-01-18 00:00")
        met = story.one("ReferralThresholdMet")
        assert (met["limb"], met["workers"], met["months"], met["amount_fen"]) == (
            1,
            1,
            4,
            1_000_000,
        )

    def test_months_that_overlap_count_once(self, story: Story) -> None:
        claims = [
            claim(1, 500_000, ("2021-08", "2021-09")),
            claim(1, 500_000, ("2021-08", "2021-09")),
        ]
        self.defaulted(story, claims, workers=1)
        story.run("2022-01-18 00:00")
        assert story.of("ReferralThresholdMet") == []

    def test_ten_lines_of_nine_workers_are_nine_workers(self, story: Story) -> None:
        months = ("2021-10", "2021-11")
        claims = [claim(n, 500_000, months) for n in range(1, 9)]
        # The ninth claims three months on two lines, and less than 8,000 yuan.
        claims += [claim(9, 200_000, months), claim(9, 200_000, ("2021-09", "2021-09"))]
        self.defaulted(story, claims, workers=9)
        story.run("2022-01-18 00:00")
        assert story.of("ReferralThresholdMet") == []

    @pytest.mark.parametrize(
        ("workers", "fen", "met"),
        [(10, 4_000_000, True), (9, 4_000_000, False), (10, 3_999_999, False)],
    )
    def test_a_gang_on_one_line(self, story: Story, workers: int, fen: int, *, met: bool) -> None:
        begun(story, workers=workers, amount_fen=fen, months_from="2021-10")
        story.served("2022-01-10 10:00")
        story.run("2022-01-18 00:00")
        found = story.of("ReferralThresholdMet")
        assert [(d["limb"], d["workers"]) for d in found] == ([(2, 10)] if met else [])

    @pytest.mark.parametrize(("workers", "counted"), [(12, [12]), (10, [10]), (9, [])])
    def test_workers_beyond_the_named_lines(
        self, story: Story, workers: int, counted: list[int]
    ) -> None:
        months = ("2021-10", "2021-11")
        claims = [claim(1, 2_500_000, months), claim(2, 2_500_000, months)]
        self.defaulted(story, claims, workers=workers)
        story.run("2022-01-18 00:00")
        found = story.of("ReferralThresholdMet")
        assert [(d["limb"], d["workers"], d["amount_fen"]) for d in found] == [
            (2, count, 5_000_000) for count in counted
        ]

    def test_two_lines_of_one_worker_hide_nobody_of_ten(self, story: Story) -> None:
        claims = [
            claim(1, 2_500_000, ("2021-10", "2021-10")),
            claim(1, 2_500_000, ("2021-11", "2021-11")),
        ]
        self.defaulted(story, claims, workers=10)
        story.run("2022-01-18 00:00")
        met = story.one("ReferralThresholdMet")
        assert (met["limb"], met["workers"], met["amount_fen"]) == (2, 10, 5_000_000)

    def test_one_named_worker_beside_others_who_are_not(self, story: Story) -> None:
        """Scenario 15 (c): nine workers, of whom one has three months and 8,000 yuan."""
        claims = [
            claim(1, 800_000, ("2021-09", "2021-11")),
            claim(2, 8_200_000, ("2021-10", "2021-11")),
        ]
        self.defaulted(story, claims, workers=9)
        story.run("2022-01-18 00:00")
        met = story.one("ReferralThresholdMet")
        assert (met["limb"], met["workers"], met["amount_fen"]) == (1, 1, 800_000)

    @pytest.mark.parametrize("named", [0, 1, 2])
    @pytest.mark.parametrize(("workers", "counted"), [(10, [10]), (9, [])])
    def test_who_gets_a_line_when_facts_are_verified_counts_once(
        self, story: Story, workers: int, counted: list[int], named: int
    ) -> None:
        months = ("2021-10", "2021-11")
        claims = [claim(n, 2_000_000, months) for n in range(1, named + 1)]
        fields: dict[str, Any] = {"claims": claims} if claims else {}
        begun(story, workers=workers, amount_fen=4_500_000, months_from="2021-10", **fields)
        story.verified("2022-01-05 10:00", *[(450_000, 2)] * workers)
        story.served("2022-01-10 10:00")
        story.run("2022-01-18 00:00")
        found = story.of("ReferralThresholdMet")
        assert [(d["limb"], d["workers"], d["amount_fen"]) for d in found] == [
            (2, count, 4_500_000) for count in counted
        ]

    def test_the_rest_of_ten_who_still_have_no_line(self, story: Story) -> None:
        months = ("2021-10", "2021-11")
        claims = [claim(1, 2_500_000, months), claim(2, 2_500_000, months)]
        begun(story, workers=10, amount_fen=5_000_000, claims=claims)
        story.verified("2022-01-05 10:00", *[(1_500_000, 2)] * 3)
        story.served("2022-01-10 10:00")
        story.run("2022-01-18 00:00")
        met = story.one("ReferralThresholdMet")
        assert (met["limb"], met["workers"], met["amount_fen"]) == (2, 10, 4_500_000)

    def test_what_was_paid_before_the_default_no_longer_counts(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.paid("2022-01-14 10:00", 1)
        story.run("2022-01-20 00:00")
        assert story.times("PaymentOrderDefaulted") == ["2022-01-18 00:00"]
        assert story.of("ReferralThresholdMet") == []

    def test_a_worker_who_was_paid_is_no_longer_one_of_ten(self, story: Story) -> None:
        claims = [claim(n, 500_000, ("2021-10", "2021-11")) for n in range(1, 11)]
        self.defaulted(story, claims)
        story.paid("2022-01-14 10:00", 500_000, "10")
        story.run("2022-01-20 00:00")
        assert story.of("ReferralThresholdMet") == []

    def test_facts_verified_after_the_default(self, story: Story) -> None:
        begun(story, amount_fen=700_000)
        story.served("2022-01-10 10:00")
        story.verified("2022-01-19 10:00", (900_000, 4))
        story.run("2022-01-19 10:00")
        assert story.times("ReferralThresholdMet") == ["2022-01-19 10:00"]
        assert story.dues("T39") == ["2022-01-21 00:00"]

    def test_no_order_no_threshold(self, story: Story) -> None:
        begun(story)
        story.line("2022-01-20 10:00", "A", "ReferralProposed")
        story.run("2022-02-01 00:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [409]
        assert story.of("ReferralThresholdMet") == []

    def test_once_only_though_two_orders_default(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.served("2022-01-11 10:00", "令2")
        story.run("2022-01-20 00:00")
        assert story.times("PaymentOrderDefaulted") == ["2022-01-18 00:00", "2022-01-19 00:00"]
        assert [d["doc_no"] for d in story.of("ReferralThresholdMet")] == ["令1"]


class TestGroupThreshold:
    """A group counts once, with all its workers (domain 2.14, 5); each is its own complaint."""

    def group(self, story: Story, fen: int = 400_000) -> None:
        site = {"name": "示例十人工地", "funding": "private", "kind": "housing"}
        for number in range(1, 11):
            story.complaint(
                f"2022-01-04 09:{number:02}",
                f"C{number:02}",
                project=site,
                amount_fen=fen,
                claims=[claim(number, fen, ("2021-10", "2021-11"))],
            )
        for number in range(1, 11):
            story.line("2022-01-04 10:00", f"C{number:02}", "ComplaintAccepted", urgent=False)
        for number in range(1, 11):
            story.signed("2022-01-04 11:00", f"C{number:02}")
        story.served("2022-01-04 12:00", case="C01", limit="2022-01-12 00:00")

    def test_ten_of_one_worker_each(self, story: Story) -> None:
        self.group(story)
        story.line("2022-01-12 09:00", "C01", "ReferralProposed")
        story.run("2022-01-12 10:00")
        met = story.one("ReferralThresholdMet", "C01")
        assert (met["at"], met["limb"], met["workers"], met["months"], met["amount_fen"]) == (
            "2022-01-12 00:00",
            2,
            10,
            2,
            4_000_000,
        )

    @pytest.mark.parametrize(("case", "fen"), [("C10", 400_000), ("C10", 1), ("C01", 1)])
    def test_one_worker_or_one_fen_less(self, story: Story, case: str, fen: int) -> None:
        self.group(story)
        story.paid("2022-01-10 10:00", fen, case=case)
        story.run("2022-01-20 00:00")
        assert story.times("PaymentOrderDefaulted", "C01") == ["2022-01-12 00:00"]
        assert story.of("ReferralThresholdMet", "C01") == []

    @pytest.mark.parametrize(("fen", "limb"), [(299_999, None), (300_000, 1)])
    def test_one_worker_in_two_cases_counts_once(
        self, story: Story, fen: int, limb: int | None
    ) -> None:
        """Nine are left of ten, one of them with two cases: not ten, but what he has in both counts
        together (four months; 8,000 元 with the second sum).
        """
        story.complaint(
            "2022-01-04 08:00",
            "C11",
            project={"name": "示例十人工地", "funding": "private", "kind": "housing"},
            amount_fen=fen,
            claims=[claim(2, fen, ("2021-08", "2021-09"))],
        )
        story.line("2022-01-04 08:30", "C11", "ComplaintAccepted", urgent=False)
        self.group(story, 500_000)
        story.served("2022-01-04 12:00", case="C11", limit="2022-01-12 00:00")
        story.paid("2022-01-10 10:00", 500_000, case="C10")
        story.run("2022-01-20 00:00")
        assert story.one("GroupFormed", "C11")["workers"] == 10
        met = [(d["limb"], d["workers"]) for d in story.of("ReferralThresholdMet", "C11")]
        assert met == ([] if limb is None else [(limb, 1)])

    def test_a_late_payment_of_a_member_does_not_undo_it(self, story: Story) -> None:
        self.group(story)
        story.paid("2022-01-12 10:00", 400_000, case="C10")
        story.run("2022-01-14 00:00")
        assert story.alerts("T39", "C01") == ["2022-01-14 00:00 L3"]

    def test_without_an_order_on_the_leading_case(self, story: Story) -> None:
        self.group(story)
        story.served("2022-01-04 12:00", "令2", case="C02", limit="2022-01-12 00:00")
        story.run("2022-01-12 10:00")
        assert story.of("ReferralThresholdMet", "C02") == []


class TestNoFineInstead:
    def met(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")

    def test_a_fine_closes_nothing(self, story: Story) -> None:
        self.met(story)
        story.line("2022-01-12 09:00", "A", "PenaltyDecided", amount_fen=2_000_000)
        story.paid("2022-01-12 10:00")
        story.line("2022-01-12 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-19 00:00")
        assert story.one("ClosureRefused")["reasons"] == ["REFERRAL_PENDING"]
        assert story.dues("T39") == ["2022-01-14 00:00"]
        # 01-14, 17 and 18 are the three working days after.
        assert story.alerts("T39") == [
            "2022-01-14 00:00 L3",
            "2022-01-15 00:00 L4",
            "2022-01-19 00:00 L6",
        ]
        assert len(story.of("SupervisionNoticeIssued", timer="T39")) == 1

    def test_paid_before_filing_and_declined_it_may_close(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-12 10:00")
        story.line("2022-01-12 11:00", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")
        story.reviewed("2022-01-12 12:00")
        story.followed_up("2022-01-13 10:00")
        story.run("2022-01-20 00:00")
        assert story.times("CaseClosed") == ["2022-01-13 10:00"]
        assert story.alerts("T39") == []

    def test_met_while_under_review(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-11 10:00", 100_000)
        story.line("2022-01-11 11:00", "A", "ClosureRequested", kind="WITHDRAWN")
        story.line("2022-01-11 12:00", "A", "ClosureReviewPassed", stage="tf")
        story.line("2022-01-11 13:00", "A", "ClosureReviewPassed", stage="office")
        story.verified("2022-01-11 14:00", (900_000, 3))
        story.followed_up("2022-01-12 10:00", got_paid="N")
        story.run("2022-01-12 10:00")
        assert story.times("ReferralThresholdMet") == ["2022-01-12 00:00"]
        assert story.one("ClosureRefused")["reasons"] == ["REFERRAL_PENDING"]
        assert story.of("CaseClosed") == []
        assert story.dues("T18") == ["2022-01-18 00:00"]


class TestKnownLate:
    """An order that was obeyed in time is obeyed, however late that is recorded (domain 4.1)."""

    def met(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")

    def test_paid_in_time_leaves_nothing_to_refer(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-12 10:00", happened_="2022-01-11 23:59")
        story.reviewed("2022-01-12 11:00")
        story.followed_up("2022-01-13 10:00")
        story.run("2022-02-20 00:00")
        # Both decisions stay; nothing follows from them.
        assert story.times("PaymentOrderDefaulted") == ["2022-01-12 00:00"]
        assert story.times("ReferralThresholdMet") == ["2022-01-12 00:00"]
        assert story.alerts("T39") == []
        assert story.alerts("T42") == []
        assert story.of("ClosureRefused") == []
        assert story.times("CaseClosed") == ["2022-01-13 10:00"]

    def test_an_alert_that_stood_is_cleared_then(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-14 10:00", happened_="2022-01-11 16:00")
        story.run("2022-02-20 00:00")
        assert story.alerts("T39") == ["2022-01-14 00:00 L3"]
        assert story.cleared("T39") == ["2022-01-14 10:00 L3"]

    def test_paid_at_the_limit_is_late_whenever_it_is_recorded(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-12 10:00", happened_="2022-01-12 00:00")
        story.line("2022-01-12 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-14 00:00")
        assert story.one("ClosureRefused")["reasons"] == ["REFERRAL_PENDING"]
        assert story.alerts("T39") == ["2022-01-14 00:00 L3"]

    @pytest.mark.parametrize(("fen", "pending"), [(200_000, True), (200_001, False)])
    def test_a_part_counts_as_far_as_the_limb(
        self, story: Story, fen: int, *, pending: bool
    ) -> None:
        """One fen less than 8,000 yuan was unpaid when the order expired: nothing to refer."""
        begun(story, amount_fen=1_000_000)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")
        story.paid("2022-01-13 10:00", fen, happened_="2022-01-11 16:00")
        story.line("2022-01-13 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-14 00:00")
        reasons = ["UNPAID", *(["REFERRAL_PENDING"] if pending else [])]
        assert story.one("ClosureRefused")["reasons"] == reasons
        assert story.alerts("T39") == (["2022-01-14 00:00 L3"] if pending else [])

    def test_said_by_the_bureau(self, story: Story) -> None:
        self.met(story)
        story.line("2022-01-12 10:00", "A", "PaymentOrderComplied", happened_="2022-01-11 16:00")
        story.run("2022-01-20 00:00")
        assert story.alerts("T39") == []

    def test_a_payment_that_bounced_is_referred_after_all(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-12 10:00", happened_="2022-01-11 16:00", payment="一")
        lines = [{"line": "1", "amount_fen": 800_000}]
        story.line("2022-01-17 10:00", "A", "PaymentReversed", payment="一", lines=lines)
        story.line("2022-01-17 11:00", "A", "ClosureRequested", kind="WITHDRAWN")
        story.run("2022-01-19 00:00")
        assert story.dues("T39") == ["2022-01-14 00:00", "2022-01-19 00:00"]
        assert story.one("ClosureRefused")["reasons"] == ["REFERRAL_PENDING"]

    def test_what_was_proposed_is_a_persons_to_decide(self, story: Story) -> None:
        self.met(story)
        story.line("2022-01-12 09:00", "A", "ReferralProposed")
        story.paid("2022-01-12 10:00", happened_="2022-01-11 16:00")
        story.line("2022-01-12 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.line("2022-01-12 12:00", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")
        story.line("2022-01-12 13:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-12 14:00")
        assert [d["at"] for d in story.of("ClosureRefused")] == ["2022-01-12 11:00"]

    def lapsed(self, story: Story) -> None:
        self.met(story)
        story.paid("2022-01-12 10:00", happened_="2022-01-11 16:00", payment="一")

    def reversed(self, story: Story, at: str) -> None:
        lines = [{"line": "1", "amount_fen": 800_000}]
        story.line(at, "A", "PaymentReversed", payment="一", lines=lines)

    def test_what_is_owed_later_was_not_owed_then(self, story: Story) -> None:
        self.lapsed(story)
        story.verified("2022-01-13 10:00", (800_001, 3))
        story.paid("2022-01-13 11:00", 1)
        story.line("2022-01-13 12:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-20 00:00")
        assert story.of("ClosureRefused") == []
        assert story.dues("T39") == ["2022-01-14 00:00"]
        assert len(story.dues("T42")) == 1

    def test_a_line_that_joins_later_was_not_ordered(self, story: Story) -> None:
        site = {"name": "示例苑", "funding": "private", "kind": "housing"}
        begun(story, project=site)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")
        story.paid("2022-01-12 10:00", happened_="2022-01-11 16:00", payment="一")
        story.complaint("2022-01-13 09:00", "B", project=site)
        story.line("2022-01-13 09:30", "B", "MergeApproved", master="A")
        story.paid("2022-01-14 10:00", 800_000, "2")
        story.line("2022-01-14 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-20 00:00")
        assert story.of("ClosureRefused") == []
        assert story.alerts("T39") == []

    def test_nothing_runs_on_a_case_that_is_closed(self, story: Story) -> None:
        self.lapsed(story)
        story.reviewed("2022-01-12 11:00", kind="WITHDRAWN")
        story.followed_up("2022-01-13 10:00")
        self.reversed(story, "2022-01-17 10:00")
        story.run("2022-02-20 00:00")
        assert story.times("CaseClosed") == ["2022-01-13 10:00"]
        assert story.alerts("T39") == []
        assert story.dues("T39") == ["2022-01-14 00:00"]

    def test_reopening_brings_back_both(self, story: Story) -> None:
        self.lapsed(story)
        story.reviewed("2022-01-12 11:00")
        story.followed_up("2022-01-13 10:00")
        self.reversed(story, "2022-01-17 10:00")
        story.run("2022-01-17 10:00")
        assert story.times("CaseReopened") == ["2022-01-17 10:00"]
        for timer in ("T39", "T42"):
            assert [d["at"] for d in story.of("DeadlineSet", timer=timer)][1:] == [
                "2022-01-17 10:00"
            ]

    def test_verified_once_more_it_is_the_same_payment(self, story: Story) -> None:
        self.lapsed(story)
        story.paid("2022-01-14 10:00", payment="一")
        story.line("2022-01-14 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2022-01-20 00:00")
        assert story.of("ClosureRefused") == []
        assert story.alerts("T39") == []

    def test_what_a_person_declined_stays_declined(self, story: Story) -> None:
        self.lapsed(story)
        story.line("2022-01-12 11:00", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")
        self.reversed(story, "2022-01-17 10:00")
        story.run("2022-02-20 00:00")
        assert story.alerts("T39") == []

    def test_the_other_of_two_orders_stands(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-04 10:00", "令1", limit="2022-01-12 00:00")
        story.served("2022-01-04 11:00", "令2", limit="2022-01-13 00:00")
        story.line(
            "2022-01-20 10:00",
            "A",
            "PaymentOrderComplied",
            doc_no="令1",
            happened_="2022-01-11 16:00",
        )
        story.run("2022-01-24 00:00")
        assert [(d["at"], d["doc_no"]) for d in story.of("ReferralThresholdMet")] == [
            ("2022-01-12 00:00", "令1"),
            ("2022-01-20 10:00", "令2"),
        ]
        # Each begins when it is known, not back in time.
        assert [d["at"] for d in story.of("DeadlineSet", timer="T39")] == [
            "2022-01-12 00:00",
            "2022-01-20 10:00",
        ]
        assert story.dues("T39")[1] == "2022-01-22 00:00"
        assert [(d["at"], d["item"]) for d in story.of("DeadlineSet", timer="T42")] == [
            ("2022-01-12 00:00", "default|令1"),
            ("2022-01-20 10:00", "default|令2"),
        ]

    def test_two_that_expire_at_one_midnight_list_once(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-04 10:00", "令1", limit="2022-01-12 00:00")
        story.served("2022-01-04 11:00", "令2", limit="2022-01-12 00:00")
        story.run("2022-01-14 00:00")
        assert len(story.dues("T42")) == 1

    def test_two_thresholds_lapse_and_the_first_comes_back(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-04 10:00", "令1", limit="2022-01-11 00:00")
        story.served("2022-01-04 11:00", "令2", limit="2022-01-13 00:00")
        story.verified("2022-01-12 10:00", (1_600_000, 5))
        story.paid("2022-01-14 10:00", happened_="2022-01-10 10:00", payment="一")
        self.reversed(story, "2022-01-15 10:00")
        happened = "2022-01-12 16:00"
        at = "2022-01-16 10:00"
        story.line(at, "A", "PaymentOrderComplied", doc_no="令2", happened_=happened)
        story.run("2022-02-20 00:00")
        found = [d["doc_no"] for d in story.of("ReferralThresholdMet")]
        assert len(found) == len(set(found)), "each is met once"
        assert "令1" in found

    def test_what_left_by_a_separation_was_not_ordered(self, story: Story) -> None:
        site = {"name": "示例苑", "funding": "private", "kind": "housing"}
        begun(story, project=site)
        story.complaint("2022-01-04 09:30", "B", project=site)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")
        story.line("2022-01-05 09:00", "B", "MergeApproved", master="A")
        story.paid("2022-01-06 09:00")
        story.line("2022-01-07 09:00", "B", "MergeRevoked")
        story.run("2022-01-20 00:00")
        assert story.of("PaymentOrderDefaulted") == []
        assert story.dues("T42") == []

    def test_what_joins_an_order_that_was_obeyed_and_expired(self, story: Story) -> None:
        site = {"name": "示例苑", "funding": "private", "kind": "housing"}
        begun(story, project=site)
        story.served("2022-01-04 10:00", limit="2022-01-12 00:00")
        story.paid("2022-01-05 09:00", payment="一")
        story.complaint("2022-01-12 09:00", "B", project=site)
        story.line("2022-01-13 08:00", "B", "MergeApproved", master="A")
        story.paid("2022-01-13 09:00", 1, "2")
        story.run("2022-01-20 00:00")
        assert story.of("PaymentOrderDefaulted") == []

    def test_brought_back_by_a_fact_dated_before_the_default(self, story: Story) -> None:
        self.lapsed(story)
        lines = [{"line": "1", "amount_fen": 800_000}]
        story.line(
            "2022-01-20 10:00",
            "A",
            "PaymentReversed",
            payment="一",
            lines=lines,
            happened_="2022-01-11 18:00",
        )
        story.run("2022-01-21 00:00")
        again = story.of("DeadlineSet", timer="T39")[-1]
        assert (again["started_at"], again["due_at"]) == (
            full("2022-01-20 10:00"),
            full("2022-01-22 00:00"),
        )
        # 令45: ten working days from the default; 01-29 is a working day.
        listed = story.of("DeadlineSet", timer="T42")[-1]
        assert (listed["started_at"], listed["due_at"]) == (
            full("2022-01-12 00:00"),
            full("2022-01-27 00:00"),
        )

    def test_a_correction_of_when_it_was_obeyed(self, story: Story) -> None:
        self.met(story)
        for at, happened in (
            ("2022-01-12 09:30", "2022-01-12 09:00"),
            ("2022-01-12 10:00", "2022-01-11 09:00"),
        ):
            story.line(at, "A", "PaymentOrderComplied", happened_=happened)
        story.run("2022-01-20 00:00")
        assert story.alerts("T39") == []


class TestListing:
    """Before 2022 a decision lists within twenty days; from then on an order's default in ten."""

    def test_a_decision_of_2021(self, story: Story) -> None:
        begun(story, "2021-12-13 09:00")
        story.served("2021-12-20 10:00", doc_type="decision")
        story.run("2022-01-19 00:00")
        listed = story.one("DeadlineSet", timer="T42")
        # December 9, January 11: the eleventh is the 18th.
        assert (listed["at"], listed["due_at"]) == ("2021-12-20 10:00", full("2022-01-19 00:00"))
        assert story.alerts("T42") == [
            "2022-01-14 09:00 L1",
            "2022-01-18 09:00 L2",
            "2022-01-19 00:00 L3",
        ]

    def test_a_directive_that_defaulted_in_2021_lists_nobody(self, story: Story) -> None:
        begun(story, "2021-12-13 09:00")
        story.served("2021-12-20 10:00", limit="2021-12-31 00:00")
        story.run("2022-02-28 00:00")
        assert story.times("PaymentOrderDefaulted") == ["2021-12-31 00:00"]
        assert story.dues("T42") == []

    def test_a_default_at_midnight_is_of_the_new_year(self, story: Story) -> None:
        begun(story, "2021-12-13 09:00")
        story.served("2021-12-22 10:00", limit="2022-01-01 00:00")
        story.line("2022-01-10 10:00", "A", "CreditListingDecided", rule="人社部令第45号")
        story.run("2022-01-20 00:00")
        # 04-07 are four, 10-14 nine, the 17th is the tenth.
        assert story.dues("T42") == ["2022-01-18 00:00"]
        assert story.alerts("T42") == []

    def test_a_default_of_2022(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00")
        story.run("2022-02-10 00:00")
        # Default 01-18 00:00; 19-21, 24-28, 29, 30 are ten.
        assert story.dues("T42") == ["2022-01-31 00:00"]
        assert story.alerts("T42") == [
            "2022-01-28 09:00 L1",
            "2022-01-30 09:00 L2",
            "2022-01-31 00:00 L3",
            "2022-02-08 00:00 L4",
        ]

    def test_a_decision_of_2022_lists_by_its_default_only(self, story: Story) -> None:
        begun(story)
        story.served("2022-01-10 10:00", doc_type="decision")
        story.run("2022-01-18 00:00")
        assert [d["at"] for d in story.of("DeadlineSet", timer="T42")] == ["2022-01-18 00:00"]

    def test_a_decision_of_2021_whose_limit_ends_in_2022_keeps_its_rule(self, story: Story) -> None:
        begun(story, "2021-12-13 09:00")
        story.served("2021-12-30 10:00", doc_type="decision")
        story.run("2022-01-20 00:00")
        # 12-31; 01-04..07; 10-14; 17-21; 24-28 are twenty.
        assert story.dues("T42") == ["2022-01-29 00:00"]
