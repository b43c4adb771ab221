"""Who may author what: the table against the words of the domain reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import pytest

from shared.events import TYPES, AnyFact, ClosureReviewPassed, ExtensionApproved
from shared.roles import AUTHORS, LABOUR, OFFICE, By, Role, default_by, may


@dataclass(frozen=True)
class File:
    subject: str = "case"
    township: str | None = "410185109"
    task_force: str | None = "TF1"
    department: str | None = None
    co_handlers: tuple[str, ...] = ("市交通局",)


LED_BY_TASK_FORCE = File()
LED_BY_DEPARTMENT = File(task_force=None, department="市人社局")
UNIT = File(subject="unit:TF1", township=None, task_force=None)
CITY = File(subject="city", township=None, task_force=None)
FACTS = [model.__name__ for model in get_args(AnyFact)]


def test_every_fact_has_its_authors() -> None:
    assert set(AUTHORS) == set(FACTS)


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("file", [LED_BY_TASK_FORCE, LED_BY_DEPARTMENT])
def test_the_default_author_may_author_it(fact: str, file: File) -> None:
    if TYPES[fact].streams[0] == "unit":
        file = UNIT
    assert may(default_by(fact, file), fact, file) is None


@pytest.mark.parametrize("approver", ["office", "vice_convener", "convener"])
def test_an_approval_follows_its_approver(approver: Any) -> None:
    data = ExtensionApproved.model_validate({"to": "2022-01-01T00:00:00Z", "approver": approver})
    by = default_by("ExtensionApproved", LED_BY_TASK_FORCE, data)
    assert by.role == approver
    assert may(by, "ExtensionApproved", LED_BY_TASK_FORCE, data) is None
    wrong = By(by.unit, "convener" if approver == "office" else "office")
    refusal = may(wrong, "ExtensionApproved", LED_BY_TASK_FORCE, data)
    assert refusal is not None
    assert refusal.pointer == "/data/approver"


@pytest.mark.parametrize(
    ("fact", "unit", "role", "code"),
    [
        ("FirstContactMade", "410185109", "township", None),
        ("FirstContactMade", "410185001", "township", "UNIT"),
        ("FirstContactMade", "TF1", "task_force", None),
        ("FirstContactMade", "TF2", "task_force", "UNIT"),
        ("FirstContactMade", OFFICE, "office", "ROLE"),
        ("PaymentVerified", "TF1", "task_force", None),
        ("PaymentVerified", "410185109", "township", "ROLE"),
        ("TriageDecided", OFFICE, "office", None),
        ("TriageDecided", "TF1", "task_force", "ROLE"),
        ("ReturnApproved", "410185109", "township", "ROLE"),
        ("CaseSuspended", OFFICE, "office", None),
        ("CaseSuspended", "410185109", "township", "ROLE"),
        ("CaseSuspended", "TF1", "task_force", "ROLE"),
        ("CaseResumed", "410185109", "township", None),
        ("CaseResumed", OFFICE, "office", None),
        ("PaymentOrderServed", LABOUR, "inspector", None),
        ("PaymentOrderServed", "410185109", "inspector", "UNIT"),
        ("PaymentOrderServed", "410185109", "township", "ROLE"),
        ("ReferralApproved", LABOUR, "leader", None),
        ("ReferralApproved", LABOUR, "inspector", "ROLE"),
        ("PoliceFiled", "市公安局", "police", None),
        ("PoliceFiled", LABOUR, "inspector", "ROLE"),
        ("FollowUpCompleted", "410185109", "township", "ROLE"),
        ("CoHandlerReported", "市交通局", "leader", None),
        ("CoHandlerReported", "市水利局", "leader", "UNIT"),
        ("ClockAdvanced", OFFICE, "office", "ROLE"),
        ("ProgressReported", "市纪委监委", "auditor", "ROLE"),
        ("CaseAssigned", OFFICE, "office", "ROLE"),
    ],
)
def test_a_case_led_by_a_task_force(fact: str, unit: str, role: Role, code: str | None) -> None:
    refusal = may(By(unit, role), fact, LED_BY_TASK_FORCE)
    assert (refusal.code if refusal else None) == code
    assert refusal is None or refusal.status == 403


def test_where_a_department_leads_the_office_does_what_the_task_force_would() -> None:
    passed = ClosureReviewPassed(stage="tf")
    department = By(LABOUR, "leader")
    assert may(department, "ProgressReported", LED_BY_DEPARTMENT) is None
    assert may(By(OFFICE, "office"), "PaymentVerified", LED_BY_DEPARTMENT) is None
    assert may(department, "PaymentVerified", LED_BY_DEPARTMENT) is not None
    by = default_by("ClosureReviewPassed", LED_BY_DEPARTMENT, passed)
    assert (by.unit, by.role) == (OFFICE, "office")


def test_a_review_has_two_stages_of_two_units() -> None:
    tf, office = ClosureReviewPassed(stage="tf"), ClosureReviewPassed(stage="office")
    leader, desk = By("TF1", "task_force"), By(OFFICE, "office")
    assert may(leader, "ClosureReviewPassed", LED_BY_TASK_FORCE, tf) is None
    assert may(leader, "ClosureReviewPassed", LED_BY_TASK_FORCE, office) is not None
    assert may(desk, "ClosureReviewPassed", LED_BY_TASK_FORCE, office) is None
    assert may(desk, "ClosureReviewPassed", LED_BY_TASK_FORCE, tf) is not None


STRANGERS: list[tuple[str, Role]] = [
    *((unit, "office") for unit in ("410185109", "TF1", "市住建局", "市公安局", "某办")),
    *((unit, "police") for unit in ("410185109", "TF1", LABOUR, OFFICE)),
    *((unit, "inspector") for unit in ("410185109", "TF1", "市住建局", OFFICE)),
    *((unit, "vice_convener") for unit in ("410185109", "TF1", OFFICE)),
    *((unit, "convener") for unit in ("410185109", "TF1", OFFICE)),
]


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize(("unit", "role"), STRANGERS)
def test_who_takes_a_role_that_is_another_unit_s_authors_nothing(
    unit: str, role: Role, fact: str
) -> None:
    """I-05, I-08: else whoever handles a case would approve it, or file it for the police."""
    file = File(co_handlers=("市住建局",))
    if TYPES[fact].streams[0] == "unit":
        file = File(subject=f"unit:{unit}", township=None, task_force=None)
    refusal = may(By(unit, role), fact, file)
    if (fact, role) == ("FollowUpCompleted", "office") and unit in ("410185109", "TF1"):
        assert refusal is None, "the rule answers it: ClosureRefused SAME_UNIT (I-19)"
        return
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.pointer) == (403, "UNIT", "/by/unit")


def test_an_approver_is_of_the_unit_that_approves() -> None:
    for approver in ("office", "vice_convener", "convener"):
        said = {"to": "2022-01-01T00:00:00Z", "approver": approver}
        data = ExtensionApproved.model_validate(said)
        own = By("410185109", data.approver)
        refusal = may(own, "ExtensionApproved", LED_BY_TASK_FORCE, data)
        assert refusal is not None
        assert refusal.pointer == "/by/unit"


def test_the_office_sits_in_the_labour_bureau_but_not_over_its_own_cases() -> None:
    """方案 三 sets the office up in 市人社局, which can itself lead a case (I-05)."""
    assert may(By("联席会议办公室", "office"), "TriageDecided", LED_BY_DEPARTMENT) is None
    desk = By(LABOUR, "office")
    for fact in ("TriageDecided", "ReturnApproved", "CaseSuspended", "CaseWrittenOff"):
        assert may(desk, fact, LED_BY_TASK_FORCE) is None
        refusal = may(desk, fact, LED_BY_DEPARTMENT)
        assert refusal is not None
        assert refusal.code == "UNIT"
        assert may(By(OFFICE, "office"), fact, LED_BY_DEPARTMENT) is None


def test_the_police_bureau_can_lead_a_case_like_any_department() -> None:
    led = File(task_force=None, department="市公安局")
    assert may(By("市公安局", "leader"), "ProgressReported", led) is None
    assert may(By("市公安局", "police"), "PoliceFiled", led) is None
    assert may(By("市公安局", "leader"), "PoliceFiled", led) is not None


def test_a_unit_files_its_own_reports() -> None:
    assert may(By("TF1", "task_force"), "ScreeningReported", UNIT) is None
    refusal = may(By("TF2", "task_force"), "ScreeningReported", UNIT)
    assert refusal is not None
    assert refusal.code == "UNIT"
    assert may(By(OFFICE, "office"), "SummaryFiled", CITY) is None


UNASSIGNED = File(township=None, task_force=None, co_handlers=())


@pytest.mark.parametrize(
    ("file", "unit", "role", "allowed"),
    [
        (UNIT, "TF1", "task_force", True),
        (UNIT, "TF2", "task_force", False),
        (UNIT, "410185109", "township", False),
        (UNIT, LABOUR, "inspector", False),
        (UNIT, OFFICE, "office", True),
        (CITY, OFFICE, "office", True),
        (CITY, LABOUR, "leader", True),
        (CITY, "TF1", "task_force", False),
        (LED_BY_TASK_FORCE, "410185109", "township", True),
        (LED_BY_TASK_FORCE, "410185001", "township", False),
        (LED_BY_TASK_FORCE, "TF1", "task_force", True),
        (LED_BY_TASK_FORCE, "TF2", "task_force", False),
        (LED_BY_TASK_FORCE, LABOUR, "inspector", True),
        (LED_BY_TASK_FORCE, "市公安局", "police", True),
        (LED_BY_DEPARTMENT, LABOUR, "leader", True),
        (UNASSIGNED, OFFICE, "office", True),
        (UNASSIGNED, "410185001", "township", False),
        (UNASSIGNED, "TF1", "task_force", False),
    ],
)
def test_a_notice_is_answered_by_whom_it_can_go_to_or_the_office(
    file: File, unit: str, role: Role, allowed: bool
) -> None:
    """Domain 4.3: to who must act; on a unit's stream to that unit alone."""
    refusal = may(By(unit, role), "SupervisionNoticeReplied", file)
    assert (refusal is None) == allowed
    assert refusal is None or refusal.code == "UNIT"
    assert (
        may(default_by("SupervisionNoticeReplied", file), "SupervisionNoticeReplied", file) is None
    )


def test_nobody_handles_a_case_before_it_is_assigned() -> None:
    """Then only the role is judged; that it is too early is the decider's 409."""
    assert may(By("410185001", "township"), "FirstContactMade", UNASSIGNED) is None
    assert may(By(OFFICE, "office"), "FirstContactMade", UNASSIGNED) is not None
