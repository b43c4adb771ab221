"""Who may author what (domain 3.2 and 3.4: I-05, I-08, I-19): one table, for intake and stories.

A role says what kind of act a person may do, the unit for whom. Where a case is led by a
department (方案 三, last paragraph) the department acts as its handler and the office does what
a task force would. Where the papers are silent the table is lenient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

from shared.events import AnyData, ClosureReturned, ClosureReviewPassed, ExtensionApproved
from shared.streams import kind_of, unit_code

Role = Literal[
    "clerk",
    "office",
    "township",
    "task_force",
    "inspector",
    "police",
    "leader",
    "vice_convener",
    "convener",
    "auditor",
    "platform",
    "operator",
]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

LABOUR: Final = "市人社局"
"""The labour bureau: alone may inspect, order, punish and refer (I-08)."""
POLICE: Final = "市公安局"
CYBERSPACE: Final = "市委网信办"
OFFICE: Final = "联席办"
"""The joint meeting's office. It sits in 市人社局 (方案 三), which can itself lead a case."""
JOINT_MEETING: Final = "联席会议"
NO_TOWNSHIP: Final = "NO_TOWNSHIP"


@dataclass(frozen=True)
class By:
    """Who acts: the unit's code, the role, and the person's account (hashed before the log)."""

    unit: str
    role: Role
    person: str = "-"


@dataclass(frozen=True)
class Refusal:
    """Why an act is not recorded: HTTP status, short code, sentence, JSON Pointer of the cause."""

    status: Literal[403, 404, 409, 422]
    code: str
    reason: str
    pointer: str | None = None


class Responsible(Protocol):
    """What must be known of a stream to judge who may act on it."""

    @property
    def subject(self) -> str: ...
    @property
    def township(self) -> str | None: ...
    @property
    def task_force(self) -> str | None: ...
    @property
    def department(self) -> str | None: ...
    @property
    def co_handlers(self) -> tuple[str, ...]: ...


# Who stands in a place of the table. `handler`: the case's township or department; `task_force`:
# the case's task force (the office where a department leads); `labour`: inspector or leader of
# the labour bureau; `head`: its leader; `unit`: the unit whose stream it is; `owner`: the unit that
# a meeting on it has put in charge; `addressee`: whom a notice on this stream can go to; `any`:
# every unit.
Place = Literal[
    "platform",
    "clerk",
    "office",
    "handler",
    "task_force",
    "co_handler",
    "labour",
    "head",
    "police",
    "cyberspace",
    "approver",
    "conveners",
    "unit",
    "owner",
    "addressee",
    "any",
    "operator",
]

_TABLE: Final[dict[tuple[Place, ...], tuple[str, ...]]] = {
    ("platform", "clerk", "office", "operator", "any"): ("ComplaintReceived",),
    ("clerk", "office"): (
        "SupplementRequested",
        "ContactTried",
        "ComplaintAccepted",
        "ComplaintNotAccepted",
        "ComplaintTransferredOut",
        "SourceReplied",
    ),
    ("clerk", "office", "platform"): ("SupplementReceived",),
    ("clerk", "office", "handler", "task_force", "labour"): ("ComplainantTold",),
    ("office",): (
        "MergeApproved",
        "MatchDismissed",
        "MergeRevoked",
        "TriageDecided",
        "ReturnApproved",
        "ReturnNotApproved",
        "HandlerDesignated",
        # Row 28 is an approval: whoever asks for it does not grant it (domain 2.9; I-05, I-07).
        "CaseSuspended",
        "FollowUpAttempted",
        "FollowUpCompleted",
        "FollowUpWaived",
        "CaseWrittenOff",
        "FalseClosureFound",
    ),
    ("handler", "task_force"): (
        "AssignmentSigned",
        "ReturnRequested",
        "FirstContactMade",
        "FactsVerified",
        "ProgressReported",
        "ExtensionRequested",
        "MediationAgreed",
        "InstalmentPlanAgreed",
        "PaymentRecorded",
        "ClosureRequested",
    ),
    ("handler", "co_handler", "task_force", "office"): ("CoHandlerReported",),
    ("office", "handler"): ("CaseResumed",),
    ("approver",): ("ExtensionApproved",),
    ("office", "conveners"): ("ExtensionNotApproved", "SupervisionVisitRecorded"),
    ("task_force",): ("PaymentVerified", "ClosureReviewPassed", "ClosureReturned"),
    ("handler", "task_force", "office"): (
        "PaymentReversed",
        "LegalPathEntered",
        "LegalPathEnded",
    ),
    ("addressee", "office"): ("SupervisionNoticeReplied",),
    ("labour",): (
        "InspectionFiled",
        "InspectionClosed",
        "PaymentOrderIssued",
        "PaymentOrderServed",
        "PaymentOrderComplied",
        "ExtraCompensationOrdered",
        "PenaltyDecided",
        "AssetQueryApprovalRequested",
        "AssetQueryApprovalGranted",
        "ReferralProposed",
        "ReferralDelivered",
        "SupplementSent",
        "ReconsiderationRequested",
        "SupervisionSuggested",
        "MaterialsHandedOver",
        "CreditListingDecided",
        "PublicationMade",
        "EnforcementApplied",
    ),
    ("head",): ("ReferralApproved", "ReferralDeclined"),
    ("police",): ("PoliceFiled", "PoliceDeclined", "ReconsiderationDecided"),
    ("police", "labour"): ("ReferralReceipted", "PoliceSupplementAsked", "FilingOrdered"),
    ("labour", "police"): ("PoliceReasonsAsked",),
    ("labour", "handler", "task_force", "office"): ("PoliceAssistanceAsked", "GovFundsRequested"),
    ("task_force", "office", "head", "conveners"): ("InterviewHeld",),
    ("handler", "any"): (
        "ExtremeIncidentReported",
        "IncidentReportFiled",
    ),
    ("office", "police", "any"): ("ExtremeIncidentVerified", "ExtremeIncidentCleared"),
    ("police", "office", "labour"): ("IllegalDemandRecorded",),
    ("cyberspace", "any"): ("OpinionAlertRaised", "OpinionStepDone", "OpinionAlertCleared"),
    ("office", "task_force", "clerk"): ("GroupNoticeGiven",),
    ("unit", "office"): (
        "ScreeningReported",
        "ZeroReportFiled",
        "SummaryFiled",
        "RectificationReported",
        "MeasurePlanFiled",
        "MeetingHeld",
        "PublicityRecorded",
        "RuleRevised",
    ),
    ("unit", "office", "owner"): ("MeasureCompleted",),
    ("operator",): ("PolicyAdopted", "ClockAdopted", "ClockAdvanced"),
    ("office", "operator", "any"): ("PiiAccessed", "PiiErased", "AccessDenied"),
}


def _by_type() -> dict[str, tuple[Place, ...]]:
    table: dict[str, tuple[Place, ...]] = {}
    for places, names in _TABLE.items():
        table |= dict.fromkeys(names, places)
    return table


AUTHORS: Final = _by_type()
"""For each type of fact the places from which it may come; the first is the default."""

_OFFICES: Final = (OFFICE, "联席会议办公室")
"""The office as its keys name it, and as the plan does (方案 三)."""
_HOMES: Final[dict[Role, tuple[str, ...]]] = {
    "office": (*_OFFICES, LABOUR),
    "inspector": (LABOUR,),
    "police": (POLICE,),
    "vice_convener": (JOINT_MEETING,),
    "convener": (JOINT_MEETING,),
}
"""Roles that only these units have: taken by another, an owner would approve its own case (I-05),
or order and file in the name of 市人社局 and the police (I-08).
"""

_WORDS: Final[dict[Place, str]] = {
    "handler": "the unit that handles the case",
    "task_force": "the case's task force",
    "labour": LABOUR,
    "head": f"the head of {LABOUR}",
    "office": OFFICE,
    "police": POLICE,
    "conveners": "a convener",
    "approver": "the role that approves",
    "any": "any unit",
    "unit": "the unit itself",
    "owner": "who was put in charge of it",
    "addressee": "whom the notice went to",
}
"""How a refusal names who may do what; of other places their own names say it."""

_UNIT_ROLES: Final[frozenset[Role]] = frozenset(
    ("township", "task_force", "leader", "inspector", "clerk", "office")
)


def default_by(fact: str, state: Responsible, data: AnyData | None = None) -> By:
    """A unit and role that may author `fact` on this stream; the person is left to the caller.

    `data`: needed for ExtensionApproved, whose role follows its `approver`, and for
    ComplaintReceived, whose unit is its source. Raises KeyError for a type that is no fact.
    """
    place = _places(fact, data)[0]
    if place == "approver" and isinstance(data, ExtensionApproved):
        if data.approver == "office":
            return By(OFFICE, "office")
        return By(JOINT_MEETING, data.approver)
    if place == "platform":
        return By(getattr(data, "source", "platform"), "platform")
    if place == "handler" or (place == "addressee" and _is_assigned(state)):
        return _handler(state)
    if place == "task_force":
        if state.task_force is None and state.department is not None:
            return By(OFFICE, "office")
        return By(state.task_force or "TF1", "task_force")
    if place == "unit":
        return _unit(state.subject)
    return _FIXED[place]


_FIXED: Final[dict[Place, By]] = {
    "clerk": By(LABOUR, "clerk"),
    "office": By(OFFICE, "office"),
    "approver": By(OFFICE, "office"),
    "labour": By(LABOUR, "inspector"),
    "head": By(LABOUR, "leader"),
    "police": By(POLICE, "police"),
    "cyberspace": By(CYBERSPACE, "leader"),
    "conveners": By(JOINT_MEETING, "vice_convener"),
    "addressee": By(OFFICE, "office"),
    "any": By(OFFICE, "office"),
    "operator": By("operator", "operator"),
}


def acting_for(unit: str, other: By) -> By:
    """Who acts for a unit that is named alone: its usual role, else that of `other`; a department
    that has no such role speaks through its leader.
    """
    if unit.startswith("TF"):
        return By(unit, "task_force")
    if unit.isdigit() or unit == NO_TOWNSHIP:
        return By(unit, "township")
    if unit in _OFFICES:
        return By(unit, "office")
    if unit == POLICE:
        return By(unit, "police")
    return By(unit, other.role if unit in _HOMES.get(other.role, (unit,)) else "leader")


def acting_as(role: Role, state: Responsible, other: By) -> By:
    """Who acts in a role that is named alone: on this stream, the unit that has it."""
    units: dict[Role, str | None] = {
        "office": OFFICE,
        "clerk": LABOUR,
        "inspector": LABOUR,
        "leader": state.department or LABOUR,
        "police": POLICE,
        "township": state.township,
        "task_force": state.task_force,
        "vice_convener": JOINT_MEETING,
        "convener": JOINT_MEETING,
    }
    return By(units.get(role) or other.unit, role)


def _places(fact: str, data: AnyData | None) -> tuple[Place, ...]:
    """A review's second stage is the office's (T12)."""
    if isinstance(data, (ClosureReviewPassed, ClosureReturned)) and data.stage == "office":
        return ("office",)
    return AUTHORS[fact]


def _handler(state: Responsible) -> By:
    """The township; where there is none, the department or the task force; a unit for itself."""
    if kind_of(state.subject) != "case":
        return _unit(state.subject)
    if state.township not in (None, NO_TOWNSHIP):
        return By(str(state.township), "township")
    if state.department is not None:
        return By(state.department, "leader")
    if state.task_force is not None:
        return By(state.task_force, "task_force")
    return By(NO_TOWNSHIP, "township")


def _unit(subject: str) -> By:
    if kind_of(subject) == "city":
        return By(OFFICE, "office")
    code = unit_code(subject)
    if code.startswith("TF"):
        return By(code, "task_force")
    return By(code, "township" if code.isdigit() else "leader")


def may(
    by: By,
    fact: str,
    state: Responsible,
    data: AnyData | None = None,
    owner: str | None = None,
) -> Refusal | None:
    """None if `by` may author `fact` on this stream, else the refusal (403).

    `owner`: the unit that a meeting has put in charge of what the fact completes.
    Before a case is assigned nobody is its handler yet: then only the role is judged, and what
    is not possible in that state is the decider's to say.
    """
    if by.role == "auditor":
        return Refusal(403, "ROLE", "an auditor reads and records nothing", "/by/role")
    if isinstance(data, ExtensionApproved) and data.approver != by.role:
        reason = f"an approval of {data.approver} is recorded by that role, not by {by.role}"
        return Refusal(403, "ROLE", reason, "/data/approver")
    if fact not in AUTHORS:
        return Refusal(403, "ROLE", f"{fact} is decided by a rule; nobody reports it", "/type")
    if not _fits(by, state) and not _asks_its_own_worker(by, fact, state):
        return Refusal(403, "UNIT", f"{by.unit} has no role {by.role} here", "/by/unit")
    places = _places(fact, data)
    if any(_stands(by, place, state, owner) for place in places):
        return None
    if any(_right_role(by, place) for place in places):
        reason = f"{by.unit} is not the unit that may record {fact} here ({_who(places)} may)"
        return Refusal(403, "UNIT", reason, "/by/unit")
    reason = f"role {by.role} may not record {fact} ({_who(places)} may)"
    return Refusal(403, "ROLE", reason, "/by/role")


def _who(places: Sequence[Place]) -> str:
    """The places of an act, in words."""
    return " or ".join(_WORDS.get(place, f"the {place.replace('_', ' ')}") for place in places)


def _fits(by: By, state: Responsible) -> bool:
    """Whether the unit has such a role, and not over a case of its own (I-05)."""
    homes = _HOMES.get(by.role)
    if homes is None:
        return True
    own = by.role == "office" and by.unit == state.department
    return by.unit in homes and not own


def _asks_its_own_worker(by: By, fact: str, state: Responsible) -> bool:
    """A follow-up by who leads the case is recorded, and the rule refuses to close on it (I-19;
    contract 4: ClosureRefused SAME_UNIT).
    """
    leads = (state.township, state.task_force, state.department)
    return fact == "FollowUpCompleted" and by.role == "office" and by.unit in leads


def _stands(by: By, place: Place, state: Responsible, owner: str | None) -> bool:
    """Whether `by` stands in that place of this very stream."""
    unassigned = state.township is None
    match place:
        case "handler":
            if by.role == "township":
                return unassigned or by.unit in (state.township, state.department)
            return state.department is not None and _of(by, state.department)
        case "task_force":
            if state.department is not None:
                return by.role == "office"
            return by.role == "task_force" and (unassigned or by.unit == state.task_force)
        case "co_handler":
            return any(_of(by, unit) for unit in state.co_handlers)
        case "labour":
            return by.unit == LABOUR and by.role in ("inspector", "leader")
        case "head":
            return by.unit == LABOUR and by.role == "leader"
        case "police":
            return by.role == "police"
        case "cyberspace":
            return by.unit == CYBERSPACE
        case "unit":
            return by.role in _UNIT_ROLES and _own_stream(by, state)
        case "owner":
            return owner is not None and _of(by, owner)
        case "addressee":
            return _is_addressed(by, state)
        case "any":
            return by.role not in ("platform", "auditor", "operator")
        case _:
            return _right_role(by, place)


def _is_addressed(by: By, state: Responsible) -> bool:
    """Who must act before the timers of this stream are due (domain 4.3). Of a case that nobody has
    yet that is the office.
    """
    if kind_of(state.subject) == "unit":
        return by.role in _UNIT_ROLES and _own_stream(by, state)
    if _stands(by, "labour", state, None):
        return True
    if not _is_assigned(state):
        return False
    handles = any(_stands(by, place, state, None) for place in ("handler", "task_force"))
    return handles or by.unit == POLICE


def _is_assigned(state: Responsible) -> bool:
    """Whether somebody answers for it already; a unit does for its own."""
    return kind_of(state.subject) == "unit" or state.township is not None


def _own_stream(by: By, state: Responsible) -> bool:
    return kind_of(state.subject) == "unit" and by.unit == unit_code(state.subject)


def _of(by: By, unit: str) -> bool:
    return by.unit == unit and by.role in _UNIT_ROLES


def _right_role(by: By, place: Place) -> bool:
    """Whether the role alone fits the place."""
    match place:
        case "approver":
            return by.role in ("office", "vice_convener", "convener")
        case "conveners":
            return by.role in ("vice_convener", "convener")
        case "handler":
            return by.role == "township"
        case "co_handler" | "unit" | "owner" | "addressee":
            return by.role in _UNIT_ROLES
        case "labour":
            return by.role in ("inspector", "leader")
        case "head":
            return by.role == "leader"
        case "cyberspace" | "any":
            return False
        case _:
            return by.role == place
