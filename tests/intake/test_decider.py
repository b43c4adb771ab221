"""Intake's decider by given, when, then: allowed, refused, and what moves a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from services.intake.decider import POSSIBLE, By, Refusal, State, initial
from shared.envelope import case_id_of
from shared.events import TYPES, Fact, MergeApproved
from tests.intake import files
from tests.intake.files import (
    ASSIGNMENT,
    CASE,
    COMPLAINT,
    NOW,
    Given,
    accepted,
    assigned,
    closed,
    follow_up,
    handling,
    in_review,
    ordered,
    received,
    unit,
)

OFFICE = By("联席办", "office")
TOWNSHIP = By("410185109", "township")
LEADER = By("TF1", "task_force")


# --- 404, streams, times --------------------------------------------------------------------------


def test_an_unknown_case_has_no_facts() -> None:
    assert Given().when("ComplaintAccepted") == "404 UNKNOWN_CASE"
    assert Given().when("ComplaintReceived", COMPLAINT) == "ok"
    assert received().when("ComplaintReceived", COMPLAINT) == "409 STATE"


def test_a_fact_stands_on_its_kind_of_stream() -> None:
    assert unit().when("ScreeningReported") == "ok"
    assert unit().when("ProgressReported", by=LEADER) == "422 WRONG_STREAM"
    assert handling().when("ScreeningReported", by=LEADER) == "422 WRONG_STREAM"
    assert Given("city").when("SummaryFiled") == "ok"
    for given in (unit(), Given("city"), handling()):
        assert given.when("SupervisionNoticeReplied") == "ok", "where notices are issued too"


def test_nothing_happens_later_than_the_clock() -> None:
    assert handling().when("ProgressReported", at=NOW) == "ok"
    later = NOW + timedelta(seconds=1)
    assert handling().when("ProgressReported", at=later) == "422 FUTURE"


def test_more_than_thirty_days_back_is_the_office_s_to_record() -> None:
    """I-17 counts as all days are counted (domain 0): not the day itself, to 24:00 of day 30."""
    within = datetime(2021, 12, 20, 16, tzinfo=UTC)  # 00:00 of 12-21; day 30 is 01-20
    before = within - timedelta(seconds=1)
    for now in (NOW, datetime(2022, 1, 20, 15, 59, 59, tzinfo=UTC)):
        assert handling().when("InspectionFiled", at=within, now=now) == "ok"
        assert handling().when("InspectionFiled", at=before, now=now) == "403 BACK_DATED"
    midnight = datetime(2022, 1, 20, 16, tzinfo=UTC)
    assert handling().when("InspectionFiled", at=within, now=midnight) == "403 BACK_DATED"
    ended = {"forum": "arbitration"}
    assert handling().when("LegalPathEnded", ended, by=OFFICE, at=before) == "ok"
    assert Given().when("ComplaintReceived", COMPLAINT, at=before) == "ok"


RECEIVED_ON = datetime(2022, 1, 3, 16, tzinfo=UTC)
"""00:00 in Dengfeng of the day on which the complaint of these files came, at 09:00."""


@pytest.mark.parametrize(
    ("given", "act", "data"),
    [
        (received(), "ComplaintAccepted", {}),
        (assigned(), "AssignmentSigned", {}),
        (handling(), "FirstContactMade", {"reached": True}),
        (handling(), "ProgressReported", {}),
        (handling(), "ClosureRequested", {"kind": "PAID_IN_FULL"}),
    ],
)
def test_nothing_is_done_about_a_complaint_before_its_day(
    given: Given, act: str, data: dict[str, Any]
) -> None:
    """Before it came the case was in no state, so no arrow left it (domain 3.3).

    What is entered by the day alone is at its 00:00.
    """
    assert given.when(act, data, at=RECEIVED_ON) == "ok"
    before = RECEIVED_ON - timedelta(seconds=1)
    assert given.when(act, data, at=before) == "422 BEFORE_COMPLAINT"
    found = given.verdict(act, data, at=before)
    assert getattr(found, "pointer", "") == "/occurred_at"


@pytest.mark.parametrize(
    ("act", "data"),
    [
        ("InspectionFiled", {}),
        ("PaymentOrderServed", {"doc_no": "A", "service_mode": "direct"}),
        ("PaymentVerified", {"payment": "p", "lines": [{"line": "1", "amount_fen": 1}]}),
        ("LegalPathEntered", {"forum": "arbitration"}),
        ("SourceReplied", {"source": "window", "source_ref": "1"}),
        ("ExtremeIncidentReported", {"kind": "sealed:1:x"}),
    ],
)
def test_what_does_not_follow_from_the_complaint_may_be_older(
    act: str, data: dict[str, Any]
) -> None:
    """补录: an employer may have been ordered to pay, or have paid, before this worker came."""
    assert handling().when(act, data, at=RECEIVED_ON - timedelta(days=3)) == "ok"


def test_of_complaints_that_were_merged_the_first_to_come_counts() -> None:
    """What was done about it before is kept under the case that it goes on under."""
    early = RECEIVED_ON - timedelta(days=6)
    of = {"from_case": "B", "source": "12345", "source_ref": "B", "tier": "CITY"}
    master = handling().and_("ClaimLinesAdded", **of, received_at=early)
    contact = {"reached": True}
    assert master.when("FirstContactMade", contact, at=early) == "ok"
    before = early - timedelta(days=1)
    assert master.when("FirstContactMade", contact, at=before) == "422 BEFORE_COMPLAINT"
    later = handling().and_("ClaimLinesAdded", **of, received_at=NOW)
    assert later.when("FirstContactMade", contact, at=RECEIVED_ON) == "ok"


def came(case: str, days: int, line: str = "1", by: str = "") -> dict[str, Any]:
    """Claim lines of a case that came so many days before the master's complaint."""
    source = {"from_case": case, "source": "12345", "source_ref": case, "tier": "CITY"}
    received_at = RECEIVED_ON - timedelta(days=days)
    cause = {"cause": f"{case}-{line}", "lines": [{"line": line}]}
    return source | cause | {"received_at": received_at, "by": by or case}


def went(case: str, *lines: str, by: str = "") -> dict[str, Any]:
    source = {"from_case": case, "source": "12345", "source_ref": case}
    return source | {"lines": list(lines or ("1",)), "by": by or case}


def contact(given: Given, days: int) -> str:
    """A first contact so many days before the master's complaint came."""
    at = RECEIVED_ON - timedelta(days=days)
    return given.when("FirstContactMade", {"reached": True}, at=at)


def test_of_complaints_that_were_separated_again_the_first_that_is_left_counts() -> None:
    merged = (
        handling().and_("ClaimLinesAdded", **came("B", 3)).and_("ClaimLinesAdded", **came("C", 6))
    )
    assert contact(merged, 6) == "ok"

    without = merged.and_("ClaimLinesRemoved", **went("C"))
    assert contact(without, 6) == "422 BEFORE_COMPLAINT"
    assert contact(without, 3) == "ok"
    alone = without.and_("ClaimLinesRemoved", **went("B"))
    assert contact(alone, 3) == "422 BEFORE_COMPLAINT"
    assert contact(alone, 0) == "ok"

    again = alone.and_("ClaimLinesAdded", **came("B", 3))
    assert contact(again, 3) == "ok"


def test_a_complaint_counts_as_long_as_any_line_of_it_stands_by_any_way() -> None:
    """Each way closed alone, once or twice; what leaves that never came changes nothing."""
    both = handling()
    for line, by in (("1", "B"), ("2", "B"), ("1", "C")):
        both = both.and_("ClaimLinesAdded", **came("B", 3, line, by))
    left = both.and_("ClaimLinesRemoved", **went("B", "1", "2", by="B"))
    for given in (both, left, left.and_("ClaimLinesRemoved", **went("B", "1", "2", by="B"))):
        assert contact(given.and_("ClaimLinesRemoved", **went("D")), 3) == "ok"
    none = left.and_("ClaimLinesRemoved", **went("B", by="C"))
    assert contact(none, 3) == "422 BEFORE_COMPLAINT"


def test_own_lines_that_moved_leave_the_case_s_own_receipt() -> None:
    moved = handling().and_("ClaimLinesRemoved", **went(CASE, "1", "2", by=CASE))
    assert contact(moved, 0) == "ok"
    assert contact(moved, 1) == "422 BEFORE_COMPLAINT"


def test_a_foreign_unit_is_refused_before_the_state_is_judged() -> None:
    other = By("410185001", "township")
    assert closed().when("ProgressReported", by=other) == "403 UNIT"
    assert closed().when("ProgressReported") == "409 STATE"


# --- the life of a case (domain 3.3) --------------------------------------------------------------

PLAIN: dict[str, dict[str, Any]] = {
    "ComplaintReceived": COMPLAINT,
    "ComplaintNotAccepted": {"reason": "NOT_WAGES"},
    "ComplaintTransferredOut": {"to_body": "sealed:1:x"},
    "MergeApproved": {"master": "other"},
    "TriageDecided": {"task_force": "TF1", "township": "410185109"},
    "HandlerDesignated": {"task_force": "TF1", "township": "410185109"},
    "ClosureRequested": {"kind": "PAID_IN_FULL"},
    "ClosureReviewPassed": {"stage": "tf"},
    "ClosureReturned": {"stage": "tf"},
    "FollowUpCompleted": {"got_paid": "Y", "satisfaction": "satisfied"},
    "FollowUpWaived": {"reason": "sealed:1:x"},
    "SourceReplied": {"source": "window", "source_ref": "1"},
}


def lapsed() -> Given:
    """The time to supplement has run out (T02)."""
    return received().and_("SupplementRequested").and_("SupplementLapsed")


def tried(given: Given, times: int) -> Given:
    for _ in range(times):
        given = given.and_("ContactTried")
    return given


def unreached(given: Given, *days_ago: int) -> Given:
    """Tried in vain to follow up so many days ago."""
    for number, days in enumerate(days_ago):
        at = NOW - timedelta(days=days, minutes=number)
        given = given.and_("FollowUpAttempted", at=at)
    return given


FILES: dict[State, Given] = {
    "RECEIVED": received(),
    "SUPPLEMENTING": tried(lapsed(), 3),
    "ACCEPTED": accepted(),
    "TRIAGE": accepted().and_("TriageRequested", reason="PLATFORM_WORK"),
    "ASSIGNED": assigned(),
    "RETURN_REVIEW": assigned().and_("ReturnRequested"),
    "HANDLING": assigned().and_("AssignmentDeemedSigned"),
    "SUSPENDED": handling().and_("CaseSuspended"),
    "CLOSURE_REVIEW": in_review(),
    "FOLLOW_UP": unreached(follow_up(), 3, 2, 2),
    "CLOSED": closed(),
    "WRITTEN_OFF": closed().and_("CaseWrittenOff"),
    "NOT_ACCEPTED": received().and_("ComplaintNotAccepted", reason="NOT_WAGES"),
    "TRANSFERRED_OUT": received().and_("ComplaintTransferredOut", to_body="sealed:1:x"),
    "MERGED": received().and_("ComplaintMerged", master="other", match="match:1"),
}

ARROWS: dict[str, set[State]] = {
    "SupplementRequested": {"RECEIVED"},
    "SupplementReceived": {"SUPPLEMENTING"},
    "ComplaintAccepted": {"RECEIVED"},
    "ComplaintNotAccepted": {"RECEIVED", "SUPPLEMENTING"},
    "ComplaintTransferredOut": {"RECEIVED", "TRIAGE"},
    "MergeApproved": {"RECEIVED"},
    "MergeRevoked": {"MERGED"},
    "TriageDecided": {"TRIAGE"},
    "AssignmentSigned": {"ASSIGNED"},
    "ReturnRequested": {"ASSIGNED", "HANDLING"},
    "ReturnApproved": {"RETURN_REVIEW"},
    "ReturnNotApproved": {"RETURN_REVIEW"},
    "HandlerDesignated": {"RETURN_REVIEW"},
    "CaseSuspended": {"HANDLING"},
    "CaseResumed": {"SUSPENDED"},
    "ClosureRequested": {"HANDLING"},
    "ClosureReviewPassed": {"CLOSURE_REVIEW"},
    "ClosureReturned": {"CLOSURE_REVIEW"},
    "FollowUpAttempted": {"FOLLOW_UP"},
    "FollowUpCompleted": {"FOLLOW_UP"},
    "FollowUpWaived": {"FOLLOW_UP"},
    "CaseWrittenOff": {"CLOSED"},
    "SourceReplied": set(FILES) - {"MERGED"},
}


def test_every_state_has_a_file_that_is_in_it() -> None:
    assert {name: given.file.state for name, given in FILES.items()} == {
        name: name for name in get_args(State) if name != "NONE"
    }


@pytest.mark.parametrize("fact", ARROWS)
@pytest.mark.parametrize("state", FILES)
def test_a_transition_needs_its_arrow(fact: str, state: State) -> None:
    answer = FILES[state].when(fact, PLAIN.get(fact), master=received())
    if state in ARROWS[fact]:
        assert answer == "ok"
    else:
        assert answer == ("409 MERGED" if state == "MERGED" else "409 STATE")


WORK: dict[str, dict[str, Any]] = {
    "ProgressReported": {},
    "FirstContactMade": {},
    "FactsVerified": {"lines": [{"line": "1", "amount_fen": 1, "months": 1}]},
    "ExtensionRequested": {"to": "2022-02-01T00:00:00Z"},
    "InspectionFiled": {},
    "PenaltyDecided": {"amount_fen": 1},
    "LegalPathEntered": {"forum": "court"},
}
AFTER: dict[str, dict[str, Any]] = {
    "PaymentRecorded": {"payment": "p", "lines": [{"line": "1", "amount_fen": 1}]},
    "PaymentReversed": {"payment": "p", "lines": [{"line": "1", "amount_fen": 1}]},
    "PoliceFiled": {"doc_no": "x"},
    "CreditListingDecided": {"rule": "x"},
    "FalseClosureFound": {},
}
ALWAYS: dict[str, dict[str, Any]] = {
    "ExtremeIncidentReported": {"kind": "sealed:1:x"},
    "OpinionAlertRaised": {"url_hash": "x", "spread": "local"},
    "IllegalDemandRecorded": {"police_doc_no": "x"},
    "ComplainantTold": {"of": "x"},
    "GroupNoticeGiven": {"group": "g", "level": "G1"},
    # Row 51 is none of rows 22-45: T01-T04 issue notices before a case is assigned, and what was
    # issued is answered after it left.
    "SupervisionNoticeReplied": {},
    "InterviewHeld": {},
}
OPEN = {"ASSIGNED", "RETURN_REVIEW", "HANDLING", "SUSPENDED", "CLOSURE_REVIEW", "FOLLOW_UP"}


@pytest.mark.parametrize("state", FILES)
@pytest.mark.parametrize("fact", [*WORK, *AFTER, *ALWAYS])
def test_what_makes_no_transition_is_possible_while_the_case_lasts(fact: str, state: State) -> None:
    data = {**WORK, **AFTER, **ALWAYS}[fact]
    possible = (
        fact in ALWAYS or state in OPEN or (fact in AFTER and state in ("CLOSED", "WRITTEN_OFF"))
    )
    answer = FILES[state].when(fact, data)
    assert (answer == "ok") == possible, answer
    assert possible or answer.startswith("409")


def test_who_does_not_supplement_is_refused_only_after_the_time_and_three_tries() -> None:
    """Domain 3.3: timeout + 3 contact tries; tries while the time ran are none of them."""
    refuse = {"reason": "NO_EMPLOYER"}
    asked = received().and_("SupplementRequested")
    assert tried(asked, 3).when("ComplaintNotAccepted", refuse) == "409 NOT_LAPSED"
    over = tried(asked, 3).and_("SupplementLapsed")
    for times in range(3):
        found = tried(over, times).verdict("ComplaintNotAccepted", refuse)
        assert isinstance(found, Refusal)
        assert (found.status, found.code) == (409, "NOT_TRIED")
        assert f"{times} of 3" in found.reason
    assert tried(over, 3).when("ComplaintNotAccepted", refuse) == "ok"
    again = tried(over, 3).and_("SupplementReceived").and_("SupplementRequested")
    assert again.when("ComplaintNotAccepted", refuse) == "409 NOT_LAPSED"
    received_again = tried(over, 1).and_("SupplementReceived")
    assert received_again.when("ComplaintNotAccepted", refuse) == "ok"


@pytest.mark.parametrize("fact", ["ComplaintAccepted", "SourceReplied"])
def test_a_merged_case_names_its_master(fact: str) -> None:
    """I-03: its source too is answered under the master, where its clock runs."""
    found = FILES["MERGED"].verdict(fact, PLAIN.get(fact))
    assert isinstance(found, Refusal)
    assert (found.status, found.code) == (409, "MERGED")
    assert "other" in found.reason


# --- a person merges two cases --------------------------------------------------------------------

ENDED: set[State] = {"MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT", "CLOSED", "WRITTEN_OFF"}


@pytest.mark.parametrize("state", FILES)
def test_only_a_case_that_goes_on_takes_another(state: State) -> None:
    answer = received().when("MergeApproved", {"master": "other"}, master=FILES[state])
    assert answer == ("409 MASTER_ENDED" if state in ENDED else "ok")


def test_a_case_is_merged_into_one_that_there_is_and_not_into_itself() -> None:
    assert received().when("MergeApproved", {"master": "other"}) == "422 UNKNOWN_CASE"
    unheard = received().when("MergeApproved", {"master": "other"}, master=Given("other"))
    assert unheard == "422 UNKNOWN_CASE"
    itself = received().when("MergeApproved", {"master": CASE}, master=received())
    assert itself == "422 SAME_CASE"


def test_a_case_that_cannot_be_merged_says_so_before_its_master_is_looked_at() -> None:
    assert accepted().when("MergeApproved", {"master": "other"}, master=closed()) == "409 STATE"


def test_the_master_must_have_the_line_that_is_the_same() -> None:
    same = {"master": "other", "same": {"1": "2"}}
    assert received().when("MergeApproved", same, master=received()) == "ok"
    missing = {"master": "other", "same": {"1": "7"}}
    assert received().when("MergeApproved", missing, master=received()) == "422 UNKNOWN_LINE"


def test_a_line_that_another_case_brought_is_recorded_by_who_claims_it() -> None:
    """Its number is the master's own affair: the claim keeps its name wherever it goes on."""
    brought = received().and_(
        "ClaimLinesAdded",
        from_case="third",
        source="12345",
        source_ref="3",
        tier="CITY",
        received_at="2022-01-05T01:00:00Z",
        lines=[{"line": "1"}],
    )
    said = {"master": "other", "same": {"1": "3", "2": "2"}}

    found = received().verdict("MergeApproved", said, master=brought)

    assert isinstance(found, MergeApproved)
    assert found.same == {"1": "third|1", "2": "2"}


def test_a_revoked_merge_goes_back_to_where_it_was() -> None:
    merged = accepted().and_("ComplaintMerged", master="other", match="match:1")
    assert merged.and_("MergeRevoked").file.state == "ACCEPTED"


def test_after_a_person_signed_nothing_is_returned() -> None:
    assert handling().when("ReturnRequested") == "409 STATE"
    deemed = assigned().and_("AssignmentDeemedSigned")
    assert deemed.when("ReturnRequested") == "ok"


def test_a_return_is_decided_once_and_then_waits_for_triage() -> None:
    approved = assigned().and_("ReturnRequested").and_("ReturnApproved")
    assert approved.when("ReturnApproved") == "409 STATE"
    assert approved.when("HandlerDesignated", PLAIN["HandlerDesignated"]) == "409 STATE"
    triage = approved.and_("TriageRequested", reason="RETURNED")
    assert triage.when("TriageDecided", PLAIN["TriageDecided"]) == "ok"
    assert triage.when("ProgressReported") == "ok"
    again = triage.and_("CaseReassigned", **ASSIGNMENT, **{"from": {"task_force": "TF2"}})
    assert again.file.state == "ASSIGNED"


@pytest.mark.parametrize("refusal", ["ReturnNotApproved", "ReturnRefused"])
def test_a_refused_return_is_handled(refusal: str) -> None:
    data = {"code": "WINDOW_CLOSED"} if refusal == "ReturnRefused" else {}
    given = assigned().and_("ReturnRequested").and_(refusal, **data)
    assert given.file.state == "HANDLING"
    assert given.when("ClosureRequested", PLAIN["ClosureRequested"]) == "ok"


def test_a_designated_handler_handles_at_once() -> None:
    designated = (
        assigned()
        .and_("ReturnRequested")
        .and_("HandlerDesignated", task_force="TF2", township="410185001")
    )
    moved = designated.and_(
        "CaseReassigned",
        **(ASSIGNMENT | {"task_force": "TF2", "township": "410185001"}),
        **{"from": {"task_force": "TF1"}, "cause": designated.events[-1].id},
    )
    assert moved.file.state == "HANDLING"
    assert moved.file.task_force == "TF2"
    assert moved.when("ProgressReported", by=LEADER) == "403 UNIT"


def test_a_suspension_ends_by_itself() -> None:
    lapsed = handling().and_("CaseSuspended").and_("SuspensionLapsed")
    assert lapsed.file.state == "HANDLING"
    late = handling().and_("SuspensionLapsed")
    assert late.file.state == "HANDLING"


# --- closing --------------------------------------------------------------------------------------


def test_the_office_reviews_after_the_task_force() -> None:
    office = {"stage": "office"}
    assert in_review().when("ClosureReviewPassed", office) == "409 STATE"
    passed = in_review().and_("ClosureReviewPassed", stage="tf")
    assert passed.when("ClosureReviewPassed", {"stage": "tf"}) == "409 STATE"
    assert passed.when("ClosureReviewPassed", office) == "ok"
    assert passed.when("ClosureReturned", office) == "ok"
    assert passed.when("ClosureReturned", {"stage": "tf"}) == "409 STATE"


def test_a_case_led_by_a_department_is_reviewed_twice_by_the_office() -> None:
    led = accepted().and_(
        "CaseAssigned", **(ASSIGNMENT | {"task_force": None, "department": "市人社局"})
    )
    review = led.and_("AssignmentSigned").and_("ClosureRequested", kind="PAID_IN_FULL")
    assert review.when("ClosureReviewPassed", {"stage": "tf"}, by=OFFICE) == "ok"


@pytest.mark.parametrize("reason", ["UNPAID", "REFERRAL_PENDING", "POLICE_FILED"])
def test_a_refused_closure_goes_on(reason: str) -> None:
    given = in_review().and_("ClosureRefused", reasons=[reason])
    assert given.file.state == "HANDLING"
    assert given.when("ClosureRequested", PLAIN["ClosureRequested"]) == "ok"


def test_a_worker_who_was_not_paid_sends_the_case_back() -> None:
    answered = follow_up().and_("FollowUpCompleted", got_paid="part", satisfaction="mostly")
    assert answered.and_("ClosureRefused", reasons=["NOT_PAID"]).file.state == "HANDLING"


@pytest.mark.parametrize("reason", ["UNSATISFIED", "FOLLOW_UP_MISSING", "SAME_UNIT"])
def test_an_unsatisfied_or_unreached_worker_waits_for_the_office(reason: str) -> None:
    answered = follow_up().and_("FollowUpCompleted", got_paid="Y", satisfaction="unsatisfied")
    waiting = answered.and_("ClosureRefused", reasons=[reason])
    assert waiting.file.state == "FOLLOW_UP"
    assert waiting.when("FollowUpWaived", PLAIN["FollowUpWaived"]) == "ok"
    assert waiting.when("ClosureReturned", {"stage": "office"}) == "ok"


ASKED = [
    unreached(follow_up(), 3, 3, 2),
    follow_up().and_("FollowUpCompleted", got_paid="N", satisfaction="unreached"),
]


@pytest.mark.parametrize("tried", ASKED, ids=("tried", "completed"))
def test_the_office_decides_about_a_worker_whom_somebody_has_asked(tried: Given) -> None:
    """Domain 3.3: unreachable x3, or unsatisfied, and then the office: never nobody was asked."""
    waived = PLAIN["FollowUpWaived"]
    assert follow_up().when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP"
    assert tried.when("FollowUpWaived", waived) == "ok"
    by = f"{tried.file.township}/office/p"
    own = replace(tried, events=[*tried.events[:-1], tried.events[-1].replace(actor=by)])
    assert own.when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP", "who handles it asks nobody"
    again = tried.and_("ClosureReturned", stage="office").and_("ClosureRequested", kind="WITHDRAWN")
    for stage in ("tf", "office"):
        again = again.and_("ClosureReviewPassed", stage=stage)
    assert again.when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP", "since the review passed"


def test_tries_before_the_review_passed_or_at_one_instant_do_not_count_again() -> None:
    """They are asked for anew, each a try of its own."""
    waived = PLAIN["FollowUpWaived"]
    before = unreached(follow_up(), 12, 11, 10)
    assert before.when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP"
    at = NOW - timedelta(days=2)
    once = before.and_("FollowUpAttempted", at=at).and_("FollowUpAttempted", at=at)
    assert once.file.unreached == (at,)


@pytest.mark.parametrize("days", [(2,), (2, 1), (2, 2, 2)])
def test_a_worker_is_unreachable_after_three_tries_on_two_days(days: tuple[int, ...]) -> None:
    """T13: three tries on two days; what reached somebody is no try in vain."""
    waived = PLAIN["FollowUpWaived"]
    tried = unreached(follow_up(), *days)
    assert tried.when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP"
    reached = tried.and_("FollowUpAttempted", reached=True, at=NOW - timedelta(days=1))
    assert reached.when("FollowUpWaived", waived) == "409 NO_FOLLOW_UP"
    assert unreached(tried, *(3, 4, 5)[len(days) - 1 :]).when("FollowUpWaived", waived) == "ok"


def test_a_reopened_case_is_handled_again() -> None:
    again = closed().and_("CaseWrittenOff").and_("CaseReopened", reason="PAYMENT_REVERSED")
    assert again.file.state == "HANDLING"
    assert again.when("ClosureRequested", PLAIN["ClosureRequested"]) == "ok"
    assert (
        again.and_("ClosureRequested", kind="PAID_IN_FULL").when(
            "ClosureReviewPassed", {"stage": "office"}
        )
        == "409 STATE"
    )


# --- referral (I-09) ------------------------------------------------------------------------------


def test_referral_needs_an_unpaid_order_and_a_threshold() -> None:
    threshold = {
        "limb": 1,
        "workers": 1,
        "months": 3,
        "amount_fen": 800_000,
        "threshold": "henan-2013",
        "doc_no": "A",
    }
    assert handling().when("ReferralProposed") == "409 NO_UNPAID_ORDER"
    assert ordered().when("ReferralProposed") == "409 NO_THRESHOLD"
    ready = ordered().and_("ReferralThresholdMet", **threshold)
    assert ready.when("ReferralProposed") == "ok"
    before = NOW - timedelta(days=5)
    assert ready.when("ReferralProposed", at=before) == "409 NO_UNPAID_ORDER"
    complied = ready.and_("PaymentOrderComplied", doc_no="A")
    assert complied.when("ReferralProposed") == "409 NO_UNPAID_ORDER"


def test_an_order_without_a_limit_has_five_working_days() -> None:
    threshold = {
        "limb": 2,
        "workers": 10,
        "months": 1,
        "amount_fen": 4_000_000,
        "threshold": "henan-2013",
        "doc_no": "A",
    }
    served = files.NOW - timedelta(days=9)
    given = handling().and_("PaymentOrderServed", doc_no="A", service_mode="left", at=served)
    ready = given.and_("ReferralThresholdMet", **threshold)
    # Served on Tuesday 2022-01-11; the fifth working day is Tuesday 2022-01-18.
    assert ready.when("ReferralProposed", at=NOW - timedelta(days=2)) == "409 NO_UNPAID_ORDER"
    assert ready.when("ReferralProposed", at=NOW - timedelta(days=1)) == "ok"


def test_delivery_needs_the_head_s_approval() -> None:
    assert ordered().when("ReferralDelivered") == "409 NOT_APPROVED"
    approved = ordered().and_("ReferralApproved")
    assert approved.when("ReferralDelivered") == "ok"
    declined = approved.and_("ReferralDeclined", reason="PAID_BEFORE_FILING")
    assert declined.when("ReferralDelivered") == "409 NOT_APPROVED"


# --- what names something that is not there -------------------------------------------------------


@pytest.mark.parametrize("fact", ["PaymentRecorded", "PaymentVerified", "PaymentReversed"])
def test_a_payment_of_nothing_is_none(fact: str) -> None:
    def payment(*amounts: int) -> dict[str, Any]:
        return {"payment": "p", "lines": [{"line": "1", "amount_fen": fen} for fen in amounts]}

    assert handling().when(fact, payment(0)) == "422 NO_MONEY"
    assert handling().when(fact, payment(0, 1)) == "ok"


def test_verified_facts_name_a_line_once() -> None:
    def facts(*lines: str) -> dict[str, Any]:
        return {"lines": [{"line": line, "amount_fen": 1, "months": 1} for line in lines]}

    assert handling().when("FactsVerified", facts("1", "2")) == "ok"
    assert handling().when("FactsVerified", facts("1", "2", "1")) == "422 SAME_LINE"


def test_each_instalment_has_a_number_of_its_own() -> None:
    def plan(*numbers: int) -> dict[str, Any]:
        parts = [{"n": n, "due_on": "2022-01-20", "amount_fen": 1} for n in numbers]
        return {"plan": parts}

    assert handling().when("InstalmentPlanAgreed", plan(1, 2)) == "ok"
    assert handling().when("InstalmentPlanAgreed", plan(1, 1)) == "422 SAME_NUMBER"


def test_money_is_paid_on_lines_of_the_case() -> None:
    def payment(line: str) -> dict[str, Any]:
        return {"payment": "p", "lines": [{"line": line, "amount_fen": 1}]}

    assert handling().when("PaymentRecorded", payment("2")) == "ok"
    assert handling().when("PaymentRecorded", payment("9")) == "422 UNKNOWN_LINE"
    facts = {"lines": [{"line": "9", "amount_fen": 1, "months": 1}]}
    assert handling().when("FactsVerified", facts) == "ok", "it can find who was not named"
    found = handling().verdict("PaymentRecorded", payment("9"))
    assert getattr(found, "pointer", "") == "/data/lines/0/line"
    verified = handling().and_("FactsVerified", lines=[{"line": "9", "amount_fen": 1, "months": 1}])
    assert verified.when("PaymentRecorded", payment("9")) == "ok"


def test_a_platform_is_answered_where_its_complaint_stands() -> None:
    """A reply to what is no obligation of the case would leave the right one unanswered (T10)."""

    def reply(given: Given, ref: str, source: str = "window") -> str:
        return given.when("SourceReplied", {"source": source, "source_ref": ref})

    assert reply(received(), "1") == "ok"
    assert reply(received(), "1", "12345") == "422 UNKNOWN_SOURCE"
    found = received().verdict("SourceReplied", {"source": "window", "source_ref": "2"})
    assert isinstance(found, Refusal)
    assert (found.code, found.pointer) == ("UNKNOWN_SOURCE", "/data/source_ref")

    other = case_id_of("12345", "7")
    lines = {"from_case": other, "source": "12345", "source_ref": "7"}
    came = lines | {"lines": [{"line": "1"}], "tier": "CITY", "received_at": RECEIVED_ON}
    merged = handling().and_("ClaimLinesAdded", **came, by=other)
    assert reply(merged, "7", "12345") == "ok", "it goes on here (I-03)"
    assert reply(merged, "1") == "ok"
    parted = handling().and_("ClaimLinesAdded", **came, by=other, whole=False)
    assert reply(parted, "7", "12345") == "422 UNKNOWN_SOURCE", "its own case still owes that"
    twice = merged.and_("ClaimLinesAdded", **came, by="third")
    gone = lines | {"lines": ["1"]}
    one_way = twice.and_("ClaimLinesRemoved", **gone, by=other)
    assert reply(one_way, "7", "12345") == "ok"
    left = one_way.and_("ClaimLinesRemoved", **gone, by="third")
    assert reply(left, "7", "12345") == "422 UNKNOWN_SOURCE"


NOTICE: dict[str, Any] = {"to": ["410185109"], "reply_due_at": "2022-01-14T16:00:00Z"}


@pytest.mark.parametrize("given", [received(), handling(), unit(), Given("city")])
def test_a_reply_names_a_notice_that_was_issued_here(given: Given) -> None:
    """Without a number it answers all that are open; with one of another it would answer none."""
    issued = given.and_("SupervisionNoticeIssued", notice_no="1号", **NOTICE)
    issued = issued.and_("SupervisionNoticeIssued", notice_no="2号", **NOTICE)
    for number in (None, "1号", "2号"):
        assert issued.when("SupervisionNoticeReplied", {"notice_no": number}) == "ok"
    replied = issued.and_("SupervisionNoticeReplied", notice_no="1号")
    assert replied.when("SupervisionNoticeReplied", {"notice_no": "1号"}) == "ok"
    for stranger in (issued, given):
        found = stranger.verdict("SupervisionNoticeReplied", {"notice_no": "3号"})
        assert isinstance(found, Refusal)
        assert (found.status, found.code) == (422, "UNKNOWN_NOTICE")
        assert found.pointer == "/data/notice_no"


def test_an_interview_about_a_notice_names_one_of_the_case() -> None:
    issued = handling().and_("SupervisionNoticeIssued", notice_no="1号", **NOTICE)
    assert issued.when("InterviewHeld", {"notice_no": "1号"}) == "ok"
    assert issued.when("InterviewHeld", {"notice_no": "3号"}) == "422 UNKNOWN_NOTICE"


@pytest.mark.parametrize(
    ("period", "answer"),
    [
        (None, "ok"),
        ("2022-01-20", "ok"),
        ("2022-01-01", "ok"),
        ("2022-01-21", "422 FUTURE"),
        ("2022-02-04", "422 FUTURE"),
        ("2022-02", "ok"),
        ("2022-02-30", "ok"),
        ("春节期间", "ok"),
    ],
)
def test_a_zero_report_is_of_a_day_that_has_come(period: str | None, answer: str) -> None:
    """T53: at a roll-call somebody says that he is there; nobody can say so beforehand. What names
    no day is of the one on which it is filed.
    """
    early = datetime(2022, 1, 19, 16, tzinfo=UTC)  # 00:00 of 01-20
    found = unit().verdict("ZeroReportFiled", {"period": period}, at=early)
    said = f"{found.status} {found.code}" if isinstance(found, Refusal) else "ok"
    assert said == answer
    assert not isinstance(found, Refusal) or found.pointer == "/data/period"


def test_nor_does_a_report_that_was_made_before_its_day_answer_its_roll_call() -> None:
    before = NOW - timedelta(days=1)
    assert unit().when("ZeroReportFiled", {"period": "2022-01-20"}, at=before) == "422 FUTURE"


def test_other_reports_may_name_a_period_that_still_runs() -> None:
    """排查 and 总结 are of a month or of the whole campaign, and are filed before it is over."""
    for fact in ("ScreeningReported", "SummaryFiled"):
        assert unit().when(fact, {"period": "2022-04-30"}) == "ok"


def test_a_report_names_an_incident_of_the_case() -> None:
    report = {"incident": "e1", "step": "phone"}
    assert handling().when("IncidentReportFiled", report) == "422 UNKNOWN_INCIDENT"
    happened = handling().and_("ExtremeIncidentReported", kind="sealed:1:x")
    report["incident"] = happened.events[-1].id
    assert happened.when("IncidentReportFiled", report) == "ok"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ({"task_force": "TF1", "township": "410185109"}, "ok"),
        ({"department": "市人社局", "township": "NO_TOWNSHIP"}, "ok"),
        ({"township": "410185109"}, "422 ONE_LEAD"),
        (
            {"task_force": "TF1", "department": "市人社局", "township": "410185109"},
            "422 ONE_LEAD",
        ),
        ({"department": "市某局", "township": "410185109"}, "422 UNKNOWN_UNIT"),
        ({"task_force": "TF1", "township": "410185102"}, "422 UNKNOWN_UNIT"),
    ],
)
def test_triage_names_one_lead_and_one_township(data: dict[str, Any], answer: str) -> None:
    assert FILES["TRIAGE"].when("TriageDecided", data) == answer


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        ("2022-01-19T02:00:00Z", "422 LIMIT"),
        ("2022-01-20T16:00:00Z", "ok"),
        ("2022-02-03T16:00:00Z", "ok"),
        ("2022-02-03T16:00:01Z", "422 LIMIT"),
    ],
)
def test_an_order_s_limit_lies_within_fifteen_days_of_service(limit: str, answer: str) -> None:
    order = {"doc_no": "A", "service_mode": "direct", "limit_at": limit}
    assert handling().when("PaymentOrderServed", order) == answer


# --- the table as a whole -------------------------------------------------------------------------


def test_the_table_names_only_facts() -> None:
    assert all(issubclass(TYPES[name], Fact) for name in POSSIBLE)


def test_an_unknown_stream_is_an_empty_file() -> None:
    assert initial("x").state == "NONE"
    assert Given("x").file == initial("x")


# --- extensions and days that cannot be counted ---------------------------------------------------


def _due_on_the_28th() -> Given:
    return handling().and_(
        "DeadlineSet",
        timer="T09",
        started_at="2022-01-11T00:00:00Z",
        due_at="2022-01-27T16:00:00Z",
    )


@pytest.mark.parametrize("type", ["ExtensionRequested", "ExtensionApproved"])
def test_an_extension_lies_after_the_running_due(type: str) -> None:
    more = {"approver": "office"} if type == "ExtensionApproved" else {}
    case = _due_on_the_28th()
    assert case.when(type, {"to": "2022-01-27T16:00:01Z"} | more) == "ok"
    assert case.when(type, {"to": "2022-01-27T16:00:00Z"} | more) == "409 NOT_LATER"
    assert case.when(type, {"to": "2022-01-26T16:00:00Z"} | more) == "409 NOT_LATER"
    assert handling().when(type, {"to": "2022-01-26T16:00:00Z"} | more) == "ok", "no due is known"
    told = case.verdict(type, {"to": "2022-01-26T16:00:00Z"} | more)
    assert isinstance(told, Refusal)
    assert "2022-01-28T00:00:00+08:00" in told.reason, "in the zone of all civil dates"


def test_another_timer_s_due_is_not_the_handling_s() -> None:
    case = _due_on_the_28th().and_(
        "DeadlineSet",
        timer="T08",
        started_at="2022-01-11T00:00:00Z",
        due_at="2022-03-01T16:00:00Z",
    )
    assert case.when("ExtensionRequested", {"to": "2022-02-07T16:00:00Z"}) == "ok"


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("ExtensionRequested", {"to": "2199-01-01T00:00:00Z"}),
        ("ExtensionApproved", {"to": "2199-01-01T00:00:00Z", "approver": "office"}),
        ("InstalmentPlanAgreed", {"plan": [{"n": 1, "due_on": "2199-01-01", "amount_fen": 1}]}),
        ("InstalmentPlanAgreed", {"plan": [{"n": 1, "due_on": "1999-01-01", "amount_fen": 1}]}),
    ],
)
def test_a_day_without_a_calendar_is_refused(type: str, data: dict[str, Any]) -> None:
    """A deadline there could not be counted, and would stop supervision for every case."""
    assert handling().when(type, data) == "422 CALENDAR"


def test_an_act_of_years_ago_is_refused_too() -> None:
    long_ago = NOW - timedelta(days=5000)
    assert handling().when("CaseSuspended", by=OFFICE, at=long_ago) == "422 CALENDAR"
    assert Given().when("ComplaintReceived", COMPLAINT, at=long_ago) == "ok"


def test_plans_of_measures_and_meetings_name_days_that_can_be_counted() -> None:
    plan = {"measure": "m", "responsible": "市住建局", "due_on": "2199-01-01"}
    assert unit().when("MeasurePlanFiled", plan) == "422 CALENDAR"
    decisions = [{"no": 1, "owner": "TF1", "due_on": "2199-01-01"}]
    assert unit().when("MeetingHeld", {"decisions": decisions}) == "422 CALENDAR"


@pytest.mark.parametrize(
    ("code", "answer"), [("TF7", "ok"), ("410185109", "ok"), ("TF99", "404 UNKNOWN_UNIT")]
)
def test_only_a_unit_of_the_book_has_a_stream(code: str, answer: str) -> None:
    plan = {"measure": "m", "responsible": "市住建局", "due_on": "2022-03-01"}
    assert unit(code).when("MeasurePlanFiled", plan) == answer


def test_who_answers_for_a_measure_is_a_unit_never_a_person() -> None:
    """A name would stand on the log in clear (I-14)."""
    plan = {"measure": "m", "responsible": "张三", "due_on": "2022-03-01"}
    assert unit().when("MeasurePlanFiled", plan) == "422 UNKNOWN_UNIT"
    assert unit().when("MeasurePlanFiled", plan | {"responsible": "410185109"}) == "ok"
    decision = {"no": 1, "owner": "李四", "due_on": "2022-03-01"}
    assert unit().when("MeetingHeld", {"decisions": [decision]}) == "422 UNKNOWN_UNIT"
    assert unit().when("MeetingHeld", {"decisions": [decision | {"owner": "TF1"}]}) == "ok"


# --- what is to be completed (方案 五(三)一, 五(四)二) ---------------------------------------

DECISIONS = [
    {"no": 1, "owner": "410185109", "due_on": "2022-02-10"},
    {"no": 2, "owner": "市住建局", "due_on": "2022-02-10"},
]


def met(subject: str = "unit:TF1") -> Given:
    """A stream on which a meeting (event `e1`) was held."""
    return Given(subject).and_("MeetingHeld", decisions=DECISIONS)


def done(no: str = "1", meeting: str | None = "e1") -> dict[str, Any]:
    return {"measure": no, "meeting": meeting}


@pytest.mark.parametrize("subject", ["unit:TF1", "city"])
def test_a_decision_is_completed_where_it_was_made_once(subject: str) -> None:
    assert met(subject).when("MeasureCompleted", done()) == "ok"
    completed = met(subject).and_("MeasureCompleted", **done())
    assert completed.when("MeasureCompleted", done()) == "409 COMPLETED"
    assert completed.when("MeasureCompleted", done("2")) == "ok"


def test_what_no_meeting_here_has_decided_is_not_completed() -> None:
    assert met().when("MeasureCompleted", done("3")) == "422 UNKNOWN_DECISION"
    assert met().when("MeasureCompleted", done("3"), by=TOWNSHIP) == "422 UNKNOWN_DECISION"
    assert met().when("MeasureCompleted", done(meeting="e9")) == "422 UNKNOWN_DECISION"
    assert unit().when("MeasureCompleted", done()) == "422 UNKNOWN_DECISION"
    assert met().when("MeasureCompleted", done(meeting=None)) == "422 UNKNOWN_MEASURE"


@pytest.mark.parametrize(
    ("by", "answer"),
    [
        (TOWNSHIP, "ok"),
        (LEADER, "ok"),
        (OFFICE, "ok"),
        (By("410185001", "township"), "403 UNIT"),
        (By("市住建局", "leader"), "403 UNIT"),
        (By("410185109", "auditor"), "403 ROLE"),
    ],
)
def test_its_owner_the_unit_that_met_or_the_office_completes_it(by: By, answer: str) -> None:
    assert met().when("MeasureCompleted", done(), by=by) == answer


def test_who_owns_one_decision_completes_no_other() -> None:
    bureau = By("市住建局", "leader")
    assert met("city").when("MeasureCompleted", done("2"), by=bureau) == "ok"
    assert met("city").when("MeasureCompleted", done("1"), by=bureau) == "403 UNIT"


def test_two_decisions_of_a_meeting_have_two_numbers() -> None:
    twice = {"decisions": [DECISIONS[0], DECISIONS[1] | {"no": 1}]}
    assert unit().when("MeetingHeld", twice) == "422 SAME_NUMBER"


def test_a_measure_is_completed_once_unless_it_was_planned_anew() -> None:
    plan = {"measure": "1", "responsible": "市住建局", "due_on": "2022-02-10"}
    planned = met().and_("MeasurePlanFiled", **plan)
    measure = done(meeting=None)
    assert unit().when("MeasureCompleted", measure) == "422 UNKNOWN_MEASURE"
    assert planned.when("MeasureCompleted", measure, by=TOWNSHIP) == "403 UNIT"
    completed = planned.and_("MeasureCompleted", **measure)
    assert completed.when("MeasureCompleted", measure) == "409 COMPLETED"
    assert completed.when("MeasureCompleted", done()) == "ok", "the decision 1 is another matter"
    anew = completed.and_("MeasurePlanFiled", **plan)
    assert anew.when("MeasureCompleted", measure) == "ok"
