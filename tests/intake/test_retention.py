"""When a case's persons are erased by rule (domain 7, Retention; domain 0; PIPL 19)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.intake.decider import CaseFile, ending, evolve, hangs_on
from services.intake.retention import ended_before, kept_until
from shared.events import Event
from shared.policy import PolicyError, check_book, read_book
from tests.intake.files import Given, assigned, closed, follow_up, handling, model, received

ZONE = ZoneInfo("Asia/Shanghai")
MICROSECOND = timedelta(microseconds=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def expected(ended: datetime, years: int) -> datetime:
    """00:00 after the same day so many years later; 29 February has 28 for it (民法典 202)."""
    day = ended.astimezone(ZONE).date()
    if (day.month, day.day) == (2, 29) and not is_leap(day.year + years):
        day = date(day.year, 2, 28)
    last = day.replace(year=day.year + years)
    return datetime(last.year, last.month, last.day, tzinfo=ZONE) + timedelta(days=1)


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


FIRST = datetime(2015, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 20 * 366 * 86_400).map(lambda n: FIRST + timedelta(seconds=n))


@given(ended=INSTANTS, years=st.integers(1, 30), off=st.integers(-3, 3))
@example(ended=local("2024-02-29 23:59:59").astimezone(UTC), years=3, off=0)
@example(ended=local("2024-02-29 00:00:00").astimezone(UTC), years=4, off=0)
@example(ended=local("2021-12-31 23:59:59").astimezone(UTC), years=3, off=0)
def test_a_case_is_kept_to_the_end_of_the_same_day(ended: datetime, years: int, off: int) -> None:
    until = expected(ended, years)
    assert kept_until(ended, years) == until
    for now in (until - MICROSECOND, until, until + timedelta(days=off)):
        assert (ended < ended_before(now, years)) == (now >= until)


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        ("2021-11-10 00:00:00", "2024-11-11 00:00:00"),
        ("2021-11-10 23:59:59", "2024-11-11 00:00:00"),
        ("2022-02-28 12:00:00", "2025-03-01 00:00:00"),
        ("2024-02-28 12:00:00", "2027-03-01 00:00:00"),
        ("2024-02-29 12:00:00", "2027-03-01 00:00:00"),
        ("2024-03-01 00:00:00", "2027-03-02 00:00:00"),
        # New Year's Day 2025 is a holiday: the period is no statutory one, so it does not roll.
        ("2022-01-01 09:00:00", "2025-01-02 00:00:00"),
    ],
)
def test_three_years_by_hand(ended: str, until: str) -> None:
    assert kept_until(local(ended), 3) == local(until)


# --- when a case has ended ------------------------------------------------------------------------

DAY = datetime(2022, 1, 10, 1, tzinfo=UTC)


def ended(of: Given) -> datetime | None:
    return of.file.ended_at


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        ("ComplaintNotAccepted", {"reason": "NOT_WAGES"}),
        ("ComplaintTransferredOut", {"to_body": "sealed:1:x"}),
        ("ComplaintMerged", {"master": "m", "match": "match:1"}),
        ("MergeApproved", {"master": "m"}),
    ],
)
def test_every_end_begins_the_period(type_name: str, data: dict[str, Any]) -> None:
    assert ended(received()) is None
    assert ended(received().and_(type_name, at=DAY, **data)) == DAY


def test_a_closing_counts_from_its_rule_s_instant_and_a_write_off_moves_nothing() -> None:
    done = follow_up().and_("CaseClosed", kind="PAID_IN_FULL", at=DAY)
    assert ended(done) == DAY
    assert ended(done.and_("CaseWrittenOff", at=DAY + timedelta(days=1))) == DAY


def test_what_a_person_filed_late_counts_from_its_recording() -> None:
    """Nobody knew before; erased as it is entered, it could not even be looked at."""
    refusal = Event(
        id="late",
        subject=received().subject,
        time=DAY - timedelta(days=1500),
        recordedtime=DAY,
        data=model("ComplaintNotAccepted", {"reason": "TOO_OLD"}),
    )
    assert evolve(received().file, refusal).ended_at == DAY


def test_a_case_that_comes_back_begins_anew_at_its_next_end() -> None:
    back = closed().and_("CaseReopened", reason="PAYMENT_REVERSED")
    assert ended(closed()) is not None
    assert ended(back) is None
    assert ended(back.and_("CaseClosed", kind="PAID_IN_FULL", at=DAY)) == DAY
    separated = received().and_("MergeApproved", master="m").and_("MergeRevoked")
    assert ended(separated) is None


def over(days: int = 0, kind: str = "PAID_IN_FULL") -> CaseFile:
    return follow_up().and_("CaseClosed", kind=kind, at=DAY + timedelta(days=days)).file


def test_a_merged_case_ends_with_the_case_it_became_a_part_of() -> None:
    def merged_into(**files: CaseFile) -> datetime | None:
        return ending({"c": merged, **files}).at

    merged = received().and_("MergeApproved", master="m", at=DAY).file
    into_n = received().and_("MergeApproved", master="n", at=DAY).file
    assert ending({"c": handling().file}).at is None
    assert ending({"c": over()}).at == DAY
    assert merged_into(m=handling().file) is None
    assert merged_into(m=over(400)) == DAY + timedelta(days=400)
    assert merged_into(m=over(-400)) == DAY
    assert merged_into(m=into_n, n=handling().file) is None
    assert merged_into(m=into_n, n=over(7)) == DAY + timedelta(days=7)
    assert merged_into(m=CaseFile("m")) is None
    assert hangs_on(merged) == ["m"]
    assert hangs_on(over()) == []


def member(**of: Any) -> Given:
    """A case that is handled, of one group or two."""
    case = handling()
    for group, master in of.items():
        case = case.and_("GroupJoined", group=f"group:{group}", master=master, at=DAY)
    return case


def test_a_member_of_a_group_ends_when_the_leading_case_is_closed_as_paid() -> None:
    """README: a group is one case to be closed; nobody closes its members."""
    one, two = member(a="m").file, member(a="m", b="n").file
    assert hangs_on(one) == ["m"]
    assert sorted(hangs_on(two)) == ["m", "n"]
    assert ending({"c": one, "m": handling().file}).goes_on in ("c", "m")
    assert ending({"c": one, "m": over(9)}).at == DAY + timedelta(days=9)
    for kind in ("UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT", "LEGAL_EFFECTIVE"):
        assert ending({"c": one, "m": over(kind=kind)}).at is None
    back = closed().and_("CaseReopened", reason="MEMBER_UNPAID").file
    assert ending({"c": one, "m": back}).at is None
    assert ending({"c": two, "m": over(9), "n": handling().file}).at is None
    assert ending({"c": two, "m": over(9), "n": over(3)}).at == DAY + timedelta(days=9)
    # Closed by itself it has its own end, whatever becomes of the group.
    alone = member(a="m").and_("CaseClosed", kind="WITHDRAWN", at=DAY)
    assert (hangs_on(alone.file), alone.file.ended_at) == ([], DAY)


def test_a_member_that_is_unpaid_again_goes_on_though_its_leading_case_was_written_off() -> None:
    """Reversed after the window of T15, so that nothing reopens the leading case."""
    one = member(a="m")
    leader = follow_up().and_("CaseClosed", at=DAY, **PAID).and_("CaseWrittenOff", at=DAY)

    def told(status: str, case: str = one.subject) -> Given:
        word = {"group": "group:a", "case": case, "status": status}
        return leader.and_("GroupMemberUpdated", at=DAY + timedelta(days=60), **word)

    def end(of: Given) -> datetime | None:
        return ending({one.subject: one.file, "m": of.file}).at

    assert end(leader) == DAY
    assert end(told("settled")) == DAY
    assert end(told("unpaid", "another")) == DAY
    assert end(told("unpaid")) is None
    leader = told("unpaid")
    assert end(told("settled")) == DAY


def test_who_left_a_group_or_leads_it_is_no_member() -> None:
    left = member(a="m", b="n").and_("GroupLeft", group="group:a", master="m")
    assert hangs_on(left.file) == ["n"]
    leads = member(a="m").and_(
        "GroupFormed", group="group:a", level="G1", workers=12, members=["x"], master="x"
    )
    assert hangs_on(leads.file) == []
    anew = member(a="m").and_("GroupJoined", group="group:a", master="k")
    assert hangs_on(anew.and_("GroupLeft", group="group:a", master="m").file) == ["k"]


def test_what_holds_any_of_them_holds_the_case() -> None:
    merged = received().and_("MergeApproved", master="m", at=DAY).file
    in_court = assigned().and_("LegalPathEntered", forum="court", at=DAY)
    sued = in_court.and_("CaseClosed", kind="PAID_IN_FULL", at=DAY).file
    assert ending({"c": merged, "m": sued}).held_by == ("court",)


# --- litigation hold ------------------------------------------------------------------------------

SERVED = {"doc_no": "A", "service_mode": "direct"}
PAID = {"kind": "PAID_IN_FULL"}
LEGAL = {"kind": "LEGAL_EFFECTIVE"}
COURT, ARBITRATION = {"forum": "court"}, {"forum": "arbitration"}
UPHELD, REVERSED = {"result": "upheld"}, {"result": "reversed"}
FILED, DECLINED = {"doc_no": "立1"}, {"doc_no": "不立1"}
DENIED = {"reason": "PAID_BEFORE_FILING"}
Step = tuple[str, dict[str, Any]]


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        ([], ()),
        # Row 45: arbitration, lawsuit, payment order.
        ([("LegalPathEntered", COURT)], ("court",)),
        ([("LegalPathEntered", COURT), ("LegalPathEnded", COURT)], ()),
        ([("LegalPathEntered", COURT), ("LegalPathEnded", {})], ()),
        ([("LegalPathEntered", COURT), ("LegalPathEnded", ARBITRATION)], ("court",)),
        (
            [("LegalPathEntered", ARBITRATION), ("LegalPathEntered", COURT)],
            ("arbitration", "court"),
        ),
        (
            [
                ("LegalPathEntered", COURT),
                ("LegalPathEnded", COURT),
                ("LegalPathEntered", COURT),
            ],
            ("court",),
        ),
        ([("LegalPathEntered", COURT), ("CaseClosed", PAID)], ("court",)),
        ([("LegalPathEntered", COURT), ("CaseClosed", LEGAL)], ()),
        # T24: enforcement by the court, until the order is obeyed or all is paid.
        ([("EnforcementApplied", {})], ("enforcement",)),
        ([("EnforcementApplied", {}), ("PaymentOrderComplied", {})], ()),
        ([("EnforcementApplied", {}), ("CaseClosed", PAID)], ()),
        ([("EnforcementApplied", {}), ("CaseClosed", LEGAL)], ()),
        ([("EnforcementApplied", {}), ("CaseClosed", {"kind": "WITHDRAWN"})], ("enforcement",)),
        ([("CaseClosed", PAID), ("EnforcementApplied", {})], ("enforcement",)),
        # Rows 40-43: the police lane.
        ([("ReferralProposed", {})], ("police",)),
        ([("ReferralProposed", {}), ("ReferralDeclined", DENIED)], ()),
        ([("ReferralApproved", {})], ("police",)),
        ([("ReferralApproved", {}), ("ReferralDelivered", {})], ("police",)),
        ([("ReferralDelivered", {}), ("ReferralReceipted", {})], ("police",)),
        ([("ReferralDelivered", {}), ("PoliceDeclined", DECLINED)], ()),
        ([("ReferralDelivered", {}), ("PoliceFiled", FILED)], ("police",)),
        ([("PoliceFiled", FILED), ("CaseClosed", PAID)], ("police",)),
        ([("PoliceFiled", FILED), ("CaseClosed", LEGAL)], ()),
        ([("PoliceDeclined", DECLINED), ("ReconsiderationRequested", {})], ("police",)),
        ([("ReconsiderationRequested", {}), ("ReconsiderationDecided", UPHELD)], ()),
        ([("ReconsiderationRequested", {}), ("ReconsiderationDecided", REVERSED)], ("police",)),
        ([("ReconsiderationDecided", UPHELD), ("SupervisionSuggested", {})], ("police",)),
        ([("PoliceDeclined", DECLINED), ("PoliceReasonsAsked", {})], ("police",)),
        ([("PoliceReasonsAsked", {}), ("PoliceDeclined", DECLINED)], ()),
        ([("PoliceDeclined", DECLINED), ("FilingOrdered", {})], ("police",)),
        # What is no proceeding holds nothing.
        ([("PaymentOrderServed", SERVED)], ()),
        ([("PenaltyDecided", {"amount_fen": 1})], ()),
        ([("InspectionFiled", {})], ()),
        ([("CreditListingDecided", {"rule": "45"})], ()),
    ],
)
def test_an_open_proceeding_holds(steps: list[Step], held: tuple[str, ...]) -> None:
    case = assigned()
    for number, (type_name, data) in enumerate(steps):
        case = case.and_(type_name, at=DAY + timedelta(days=number), **data)
    assert case.file.held_by == held


def test_of_two_acts_the_one_that_happened_last_counts_whenever_it_was_recorded() -> None:
    entered = {"at": DAY, **COURT}
    over = {"at": DAY + timedelta(days=9), **COURT}
    late = assigned().and_("LegalPathEnded", **over).and_("LegalPathEntered", **entered)
    assert late.file.held_by == ()
    declined = {"at": DAY, **DECLINED}
    asked = {"at": DAY + timedelta(days=2)}
    late = assigned().and_("ReconsiderationRequested", **asked).and_("PoliceDeclined", **declined)
    assert late.file.held_by == ("police",)
    paid = assigned().and_("CaseClosed", at=DAY + timedelta(days=9), **PAID)
    assert paid.and_("EnforcementApplied", at=DAY).file.held_by == ()


def test_the_same_twice_is_one() -> None:
    once = assigned().and_("LegalPathEntered", at=DAY, **COURT)
    assert once.and_("LegalPathEntered", at=DAY, **COURT).file.proceedings == once.file.proceedings


# --- the book -------------------------------------------------------------------------------------


def test_the_book_says_how_long_and_a_book_that_does_not_keeps_for_ever() -> None:
    raw = read_book("dengfeng-2021-35")
    assert check_book(raw).privacy.vault_years == 3
    without = {name: part for name, part in raw.items() if name != "privacy"}
    assert check_book(without).privacy.vault_years is None
    assert check_book(raw | {"privacy": {"vault_years": None}}).privacy.vault_years is None


@pytest.mark.parametrize("years", [0, -1, 101, 2.5, "three", True])
def test_a_period_that_is_none_is_refused(years: Any) -> None:
    with pytest.raises(PolicyError, match="privacy"):
        check_book(read_book("dengfeng-2021-35") | {"privacy": {"vault_years": years}})
