"""The published language: every type of event that may stand on the log.

The names here are the storage format: a renamed class or field makes old logs unreadable.
A fact (a person's act) is written by intake; a decision (a rule's consequence) by routing or
supervision; a publication by reporting. Each class says who writes it, on which kind of stream
it stands, and, for decisions, its natural key: what makes two copies the same decision.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

Service = Literal["intake", "routing", "supervision", "reporting"]
Kind = Literal["case", "match", "group", "unit", "city", "governance"]

MAX_FEN = 10**13
"""The largest sum of money read, in fen: a hundred billion yuan; anything above is a slip."""

SEALED_PREFIX = "sealed:"


def instant_text(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`, microseconds only when there are any: the one stored spelling."""
    return _utc(value).isoformat()[:-6] + "Z"


def _utc(value: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError where UTC has no such year (0 or 10000)."""
    if value.tzinfo is UTC:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("no instant of the years 1 to 9999 in UTC") from None


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
]
Month = Annotated[str, StringConstraints(pattern=r"^(19|20)\d\d-(0[1-9]|1[0-2])$")]
Fen = Annotated[int, Field(ge=0, le=MAX_FEN, strict=True)]
Total = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
"""A sum of money over lines or cases, in fen: what canonical JSON can hold (RFC 8785). A decider
adds up what was taken at the door, so a bound like `Fen`'s would stop it."""
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: PostgreSQL keeps no NUL, so one on the log could never be folded."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE)]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE)]
Sealed = Annotated[str, StringConstraints(max_length=200_000), "sealed"]
"""Text about a person: on the log only as `sealed:…` (AES-GCM under the case's key)."""

Level = Literal["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
TaskForce = Literal["TF1", "TF2", "TF3", "TF4", "TF5", "TF6", "TF7"]
Tier = Literal["NAT", "PROV", "ZZ", "CITY"]
Ownership = Literal["private", "state", "collective", "government", "public_institution", "unknown"]
ComplaintKind = Literal["complaint", "report", "transfer", "supervised", "screening"]
ProjectKind = Literal["road", "water", "school", "housing", "farm", "coal", "other"]
Via = Literal["wan_ren_zhu_wan_qi", "petition", "flood_group"]
TriageReason = Literal[
    "FACTS_MISSING",
    "CONTRADICTION",
    "LOW_CONFIDENCE",
    "PLATFORM_WORK",
    "NO_TOWNSHIP",
    "UNCOVERED_SECTOR",
    "RETURNED",
]
ClosureKind = Literal[
    "PAID_IN_FULL", "UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT", "LEGAL_EFFECTIVE"
]
RefusalOfClosure = Literal[
    "UNPAID",
    "FOLLOW_UP_MISSING",
    "NOT_PAID",
    "UNSATISFIED",
    "REFERRAL_PENDING",
    "POLICE_FILED",
    "SAME_UNIT",
]
RootCause = Literal["GOV_FUNDS", "FLED", "CASH_FLOW", "WITHHELD", "PROJECT_DISPUTE", "OTHER"]
GroupLevel = Literal["G1", "G2", "G3"]


class Model(BaseModel):
    """Frozen; unknown fields are refused, so a misspelt field is never silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class EventData(Model):
    """What an event says. `writer`: the one service that may publish the type."""

    writer: ClassVar[Service]
    streams: ClassVar[tuple[Kind, ...]] = ("case",)

    @classmethod
    def type(cls) -> str:
        return cls.__name__


class Fact(EventData):
    """An act of a person, entered through intake."""

    writer: ClassVar[Service] = "intake"


class Decision(EventData):
    """A consequence of a rule. `cause`: id of the event it answers, started from or moved by."""

    cause: EventId

    def natural_key(self) -> str:
        """What makes two copies one decision; its event id is derived from it."""
        return self.cause


class RoutingDecision(Decision):
    writer: ClassVar[Service] = "routing"


class SupervisionDecision(Decision):
    writer: ClassVar[Service] = "supervision"


class Publication(EventData):
    """What the city publishes, issued by reporting; never changed (I-13).

    The natural key of each tells it from others of its type: published again it has the same id.
    """

    writer: ClassVar[Service] = "reporting"
    streams: ClassVar[tuple[Kind, ...]] = ("governance",)


# --- parts ---------------------------------------------------------------------------------------


class Employer(Model):
    """用人单位. `name` is plain only with a valid USCC, else sealed; `key` matches employers."""

    name: Sealed | None = None
    uscc: str | None = None
    ownership: Ownership = "unknown"
    industry: Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")] | None = None
    attracted: bool = False
    key: str | None = None


class Project(Model):
    """工程项目. `key`: keyed hash of its name. `owner_kind`: what the owner's name says it is."""

    name: Sealed | None = None
    funding: Literal["government", "soe", "private", "unknown"] = "unknown"
    owner: Sealed | None = None
    owner_kind: Literal["government", "soe"] | None = None
    kind: ProjectKind | None = None
    key: str | None = None


class Site(Model):
    """Where the work was done (用工所在地)."""

    address: Sealed | None = None
    township: Code | None = None


class ClaimLine(Model):
    """One claim. `worker`: keyed hash of the identity number, or None; months inclusive."""

    line: str
    worker: str | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    sealed: Sealed | None = None
    match_keys: tuple[str, ...] = ()


class Place(Model):
    """A place name found: the alias as written, its township (None: no more, elsewhere), the rule.

    `field`: address, project or employer; of a text work, home or, neither, text (domain 5.3).
    """

    field: str
    text: str
    township: str | None = None
    rule: str


class Signals(Model):
    """What a pure, versioned reading of the text found; no personal data (design 9)."""

    version: str
    claim: bool = True
    claim_ppm: int = 1_000_000
    mixed: bool = False
    urgent: bool = False
    workers: int | None = None
    amount_fen: int | None = None
    months: int | None = None
    places: tuple[Place, ...] = ()
    terms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    leads: dict[str, int] = Field(default_factory=dict)


class PaidLine(Model):
    line: str
    amount_fen: Fen


class VerifiedLine(Model):
    """`months`: whole months in arrears, first and last counted."""

    line: str
    amount_fen: Fen
    months: Annotated[int, Field(ge=0, le=600)]


class Instalment(Model):
    n: Annotated[int, Field(ge=1, le=600)]
    due_on: date
    amount_fen: Fen


class Unit(Model):
    """Who is responsible: one task force or one department, and the township."""

    task_force: TaskForce | None = None
    department: str | None = None
    township: str | None = None


class TownshipFrom(Model):
    """Where the township was read: the text as matched and the rule."""

    text: str | None = None
    rule: str


class RunnerUp(Model):
    lead: str
    rule: str
    ppm: int | None = None


class FactChange(Model):
    """One fact of routing told otherwise."""

    field: str
    was: str | None = None
    now: str | None = None


class Flip(Model):
    """The smallest change of facts under which the rules give another lead (PIPL 24)."""

    changes: tuple[FactChange, ...]
    lead: str
    rule: str


# --- facts: the complaint (domain 3.2, 1-11) -----------------------------------------------------


class ComplaintReceived(Fact):
    """线索接收 (条例 10): what a platform or window sent, sealed, with its signals.

    `status_key`: hash of the complainant's query code (`shared.query`).
    """

    source: Code
    source_ref: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    tier: Tier = "CITY"
    kind: ComplaintKind = "complaint"
    received_at: Instant
    external_due_at: Instant | None = None
    employer: Employer | None = None
    project: Project | None = None
    site: Site | None = None
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    claims: tuple[ClaimLine, ...] = ()
    via: Via | None = None
    text: Sealed | None = None
    contact: Sealed | None = None
    group_keys: tuple[str, ...] = ()
    signals: Signals | None = None
    status_key: str | None = None


class SupplementRequested(Fact):
    """要求补正."""

    items: tuple[Sealed, ...] = ()


class SupplementReceived(Fact):
    """已补正: what was added; never overwrites what was received."""

    employer: Employer | None = None
    project: Project | None = None
    site: Site | None = None
    industry: str | None = None
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    text: Sealed | None = None
    signals: Signals | None = None


class ContactTried(Fact):
    """联系尝试 of a complainant who has not supplemented (T02)."""

    channel: Code | None = None


class SplitOff(Model):
    """分出的非工资部分 (工程款, 材料款 …): it goes its own way, the wages go on here."""

    matter: Literal[
        "PROJECT_MONEY", "GOODS_MONEY", "LEASE", "LOAN", "SECURITY", "PARTNERSHIP", "OTHER"
    ]
    amount_fen: Fen | None = None
    path_told: Sealed | None = None


class ComplaintAccepted(Fact):
    """受理. `number`: the human case number DF-QX-YYYY-NNNNNN.

    `split_off`: of a mixed claim the part that is no wages, and the path told for it.
    """

    urgent: bool | None = None
    number: str | None = None
    split_off: SplitOff | None = None


class ComplaintNotAccepted(Fact):
    """不予受理 (若干规定 18): closed list of reasons, the proper path told."""

    reason: Literal["NOT_WAGES", "NO_NEXUS", "IN_LITIGATION", "TOO_OLD", "NO_EMPLOYER"]
    path_told: Sealed | None = None
    notice_ref: Code | None = None


class ComplaintTransferredOut(Fact):
    """移送外地/他部门."""

    to_body: Sealed
    letter_ref: Code | None = None


class SourceReplied(Fact):
    """回复来源平台."""

    source: Code
    source_ref: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    conclusion: Code | None = None


class ComplainantTold(Fact):
    """告知投诉人 (条例 10)."""

    of: Code
    channel: Code | None = None
    text: Sealed | None = None


class MergeApproved(Fact):
    """A person confirms a proposed match. `same`: lines that are one with a line of the master."""

    master: str
    match: str | None = None
    same: dict[str, str] | None = None


class MatchDismissed(Fact):
    """A person finds that two complaints are not the same claim."""

    other: str
    match: str | None = None
    reason: Sealed | None = None


class MergeRevoked(Fact):
    """A person takes a merge back: the case goes on under its own id."""

    reason: Sealed | None = None


# --- facts: who handles it (13-23) ---------------------------------------------------------------


class TriageDecided(Fact):
    """研判决定 of the office (方案 三)."""

    task_force: TaskForce | None = None
    department: Code | None = None
    township: Code
    co_handlers: tuple[Code, ...] | None = None
    reason: Sealed | None = None


class AssignmentSigned(Fact):
    """签收."""


class ReturnRequested(Fact):
    """退办申请."""

    reason: Sealed | None = None
    evidence: Sealed | None = None


class ReturnApproved(Fact):
    """同意退办. `improper`: counts against the unit that returned it."""

    improper: bool = False


class ReturnNotApproved(Fact):
    """不同意退办, by a person."""

    reason: Sealed | None = None


class HandlerDesignated(Fact):
    """指定办理: ends the ping-pong (I-06)."""

    task_force: TaskForce | None = None
    department: Code | None = None
    township: Code
    co_handlers: tuple[Code, ...] | None = None
    reason: Sealed | None = None


class CoHandlerReported(Fact):
    """协办反馈."""

    unit: Code
    text: Sealed | None = None


# --- facts: handling (24-38) ---------------------------------------------------------------------


class FirstContactMade(Fact):
    """首次联系."""

    reached: bool = True
    channel: Code | None = None


class FactsVerified(Fact):
    """核实: the owed sum and whole months of each claim line."""

    lines: tuple[VerifiedLine, ...]
    root_cause: RootCause | None = None
    liable_parties: tuple[Sealed, ...] = ()
    money_source: Code | None = None


class ProgressReported(Fact):
    """进展."""

    text: Sealed | None = None
    next_step: Sealed | None = None


class ExtensionRequested(Fact):
    """延期申请. `to`: the new due instant asked for."""

    to: Instant
    reason: Sealed | None = None


class ExtensionApproved(Fact):
    """延期批准."""

    to: Instant
    approver: Literal["office", "vice_convener", "convener"]


class ExtensionNotApproved(Fact):
    reason: Sealed | None = None


class CaseSuspended(Fact):
    """中止: never stops statutory or campaign dates (I-18)."""

    reason: Sealed | None = None


class CaseResumed(Fact):
    """恢复."""


class MediationAgreed(Fact):
    """达成调解."""

    text: Sealed | None = None


class InstalmentPlanAgreed(Fact):
    """分期协议."""

    plan: Annotated[tuple[Instalment, ...], Field(min_length=1)]


class Payment(Fact):
    payment: Code
    lines: Annotated[tuple[PaidLine, ...], Field(min_length=1)]
    source: (
        Literal["OWN", "PROJECT", "SPECIAL_ACCOUNT", "DEPOSIT", "EMERGENCY_FUND", "COURT"] | None
    ) = None
    voucher: Code | None = None
    instalment: int | None = None


class PaymentRecorded(Payment):
    """支付登记."""


class PaymentVerified(Payment):
    """支付核验: proof that the worker received it (条例 11)."""


class PaymentReversed(Payment):
    """支付撤销."""


class InspectionFiled(Fact):
    """监察立案 (若干规定 18)."""

    file_no: Code | None = None


class InspectionClosed(Fact):
    result: Code | None = None


class PaymentOrderIssued(Fact):
    """责令支付 下达."""

    doc_no: Code | None = None
    doc_type: Literal["directive", "decision"] = "directive"


class PaymentOrderServed(Fact):
    """责令支付 送达 (监察条例 26). `limit_at`: 24:00 of the last day to pay; default T23."""

    doc_no: Code
    doc_type: Literal["directive", "decision"] = "directive"
    limit_at: Instant | None = None
    service_mode: Literal["direct", "left", "posted"]
    evidence: Sealed | None = None


class PaymentOrderComplied(Fact):
    """责令支付 履行."""

    doc_no: Code | None = None


class ExtraCompensationOrdered(Fact):
    """责令加付 50-100 % (劳动合同法 85)."""

    percent: Annotated[int, Field(ge=50, le=100)]
    doc_no: Code | None = None


class PenaltyDecided(Fact):
    """行政处罚; never replaces referral (I-10)."""

    amount_fen: Fen
    doc_no: Code | None = None


class AssetQueryApprovalRequested(Fact):
    """资产查询报批 to the prefecture head (条例 40)."""


class AssetQueryApprovalGranted(Fact):
    """资产查询批准."""


class PoliceAssistanceAsked(Fact):
    """提请公安协助 (条例 41)."""

    reason: Sealed | None = None


# --- facts: referral, police, credit (40-45) -----------------------------------------------------


class ReferralProposed(Fact):
    """移送报告 of two officers (310号令 5)."""

    officers: int | None = None
    reason: Sealed | None = None


class ReferralApproved(Fact):
    """批准移送 by the agency's head."""


class ReferralDeclined(Fact):
    """不批准移送, reasons on file."""

    reason: Code
    note: Sealed | None = None


class ReferralDelivered(Fact):
    """移送 to the police of the same level."""

    doc_no: Code | None = None


class ReferralReceipted(Fact):
    """公安回执."""

    doc_no: Code | None = None


class PoliceSupplementAsked(Fact):
    """公安要求补正 within 24 h."""

    items: tuple[Sealed, ...] = ()


class SupplementSent(Fact):
    """补正材料已送."""


class PoliceFiled(Fact):
    """立案."""

    doc_no: Code


class PoliceDeclined(Fact):
    """不予立案."""

    doc_no: Code
    reason: Sealed | None = None


class ReconsiderationRequested(Fact):
    """提请复议 (310号令 9)."""


class ReconsiderationDecided(Fact):
    """复议决定: `reversed` files the case."""

    result: Literal["upheld", "reversed"]


class SupervisionSuggested(Fact):
    """建议检察机关立案监督."""


class PoliceReasonsAsked(Fact):
    """检察院要求说明不立案理由."""


class FilingOrdered(Fact):
    """通知立案."""


class MaterialsHandedOver(Fact):
    """移交涉案材料 (310号令 12)."""


class CreditListingDecided(Fact):
    """列入失信联合惩戒名单 / 黑名单."""

    rule: Code
    until: date | None = None


class PublicationMade(Fact):
    """社会公布 (人社部令29号), by quarter on the city stream."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "city")
    quarter: Code | None = None


class EnforcementApplied(Fact):
    """申请法院强制执行 (强制法 53)."""


class LegalPathEntered(Fact):
    """导入法律程序."""

    forum: Literal["arbitration", "court", "payment_order", "petition"]
    ref: Code | None = None


class LegalPathEnded(Fact):
    """法律程序终结."""

    forum: Literal["arbitration", "court", "payment_order", "petition"] | None = None
    result: Code | None = None


class GovFundsRequested(Fact):
    """报请县级政府拨付 (条例 59)."""


# --- facts: closing (46-49) ----------------------------------------------------------------------


class ClosureRequested(Fact):
    """申请办结."""

    kind: ClosureKind
    evidence: Sealed | None = None


class ClosureReviewPassed(Fact):
    """审核通过."""

    stage: Literal["tf", "office"]


class ClosureReturned(Fact):
    """审核退回."""

    stage: Literal["tf", "office"]
    reason: Sealed | None = None


class FollowUpAttempted(Fact):
    """回访尝试."""

    reached: bool = False


class FollowUpCompleted(Fact):
    """回访: 拿到欠薪、群众满意 (方案 五(二)三)."""

    got_paid: Literal["Y", "N", "part"]
    satisfaction: Literal["satisfied", "mostly", "unsatisfied", "unreached"]
    sample: int | None = None


class FollowUpWaived(Fact):
    """Office decision on an unreachable or unsatisfied worker."""

    reason: Sealed


class CaseWrittenOff(Fact):
    """销号."""


class FalseClosureFound(Fact):
    """虚假办结, confirmed."""

    evidence: Sealed | None = None


# --- facts: supervision by persons, incidents, units (51-55) -------------------------------------


class SupervisionNoticeReplied(Fact):
    """督办函回复, where the notice stands; without a number of all that are open there."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    notice_no: Code | None = None
    text: Sealed | None = None


class InterviewHeld(Fact):
    """约谈."""

    notice_no: Code | None = None
    text: Sealed | None = None


class Beside(Fact):
    """What stands beside a claim (方案 四 二, 五(四)三), also where no case is known yet."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")


class ExtremeIncidentReported(Beside):
    """极端事件."""

    kind: Sealed
    place: Sealed | None = None


class IncidentReportFiled(Beside):
    """事件信息报送: by phone, in writing, or a further update."""

    incident: EventId
    step: Literal["phone", "written", "update"]


class ExtremeIncidentVerified(Beside):
    incident: EventId


class ExtremeIncidentCleared(Beside):
    incident: EventId


class IllegalDemandRecorded(Beside):
    """非法讨薪登记: with a police document (I-12); changes no clock."""

    police_doc_no: Code


class OpinionAlertRaised(Beside):
    """舆情 (方案 五(四)三)."""

    url_hash: Code
    spread: Literal["local", "provincial", "national"]


class OpinionStepDone(Beside):
    """舆情处置: verified, plan made, replied."""

    step: Literal["verify", "plan", "reply"]


class OpinionAlertCleared(Beside):
    url_hash: Code | None = None


class GroupNoticeGiven(Fact):
    """群体案件已通知."""

    group: Code
    level: GroupLevel


class ScreeningReported(Fact):
    """隐患排查报送 (方案 五(二)一, A1)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit",)
    period: Code | None = None
    findings: Annotated[int, Field(ge=0)] | None = None


class ZeroReportFiled(Fact):
    """零报告 / 值班签到 (T53)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit",)
    period: Code | None = None


class SummaryFiled(Fact):
    """总结 (方案 四, A8)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit", "city")
    period: Code | None = None


class Finding(Model):
    no: int
    text: Sealed


class SupervisionVisitRecorded(Fact):
    """实地/电话督导 (方案 五(三)三)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit",)
    mode: Literal["on_site", "phone"]
    unit: Code
    findings: tuple[Finding, ...] = ()


class RectificationReported(Fact):
    """督导问题整改反馈: stops the rectification clock."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit",)
    visit: EventId


class MeasurePlanFiled(Fact):
    """分类整治措施 (方案 五(四)二): who does what by when."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit",)
    measure: Code
    responsible: Code
    due_on: date
    text: Sealed | None = None


class MeasureCompleted(Fact):
    """整治措施或例会议定事项完成: stops a measure's clock, or ends what a meeting decided.

    `meeting`: id of the MeetingHeld on this stream whose decision it is; `measure` is then the
    decision's number.
    """

    streams: ClassVar[tuple[Kind, ...]] = ("unit", "city")
    measure: Code
    meeting: EventId | None = None

    @property
    def ref(self) -> str:
        """What was completed, by one name."""
        return self.measure if self.meeting is None else decision_ref(self.meeting, self.measure)


class MeetingDecision(Model):
    no: int
    owner: Code
    due_on: date
    text: Sealed | None = None


def decision_ref(meeting: str, no: int | str) -> str:
    """How a meeting's decision is named on its stream: by the meeting's event id and its number."""
    return f"{meeting}/{no}"


class MeetingHeld(Fact):
    """工作例会 (方案 五(三)一): what was decided, who does it and by when (方案 五(四)二)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit", "city")
    decisions: tuple[MeetingDecision, ...] = ()


class PublicityRecorded(Fact):
    """《条例》宣传 (方案 四, 第四阶段)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit", "city")
    kind: Code | None = None
    count: int | None = None


class RuleRevised(Fact):
    """制度修订 (方案 四, 第四阶段)."""

    streams: ClassVar[tuple[Kind, ...]] = ("unit", "city")
    rule: Code | None = None


# --- facts: governance and privacy ---------------------------------------------------------------


class PolicyAdopted(Fact):
    """A policy book comes into force from its recording on; never edited, only superseded."""

    streams: ClassVar[tuple[Kind, ...]] = ("governance",)
    book: Code
    hash: str
    content: dict[str, Any]


class ClockAdopted(Fact):
    streams: ClassVar[tuple[Kind, ...]] = ("governance",)
    clock: Literal["wall", "log"]


class ClockAdvanced(Fact):
    """The log clock moves to `to`; it never goes back."""

    streams: ClassVar[tuple[Kind, ...]] = ("governance",)
    to: Instant


class PiiAccessed(Fact):
    streams: ClassVar[tuple[Kind, ...]] = ("case", "city")
    fields: tuple[str, ...]
    reason: Sealed


class PiiErased(Fact):
    reason: Sealed | None = None


class AccessDenied(Fact):
    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    action: Code
    reason: Code


# --- decisions of routing ------------------------------------------------------------------------


class MatchRegistered(RoutingDecision):
    """A claim line's key meets its match stream; a case's key meets its group stream.

    `also`: on the stream of an employer's code, the group stream of its name. `group`: said by the
    other of these two streams, and no member: where those who are registered here are counted, as
    `case` named both.
    """

    streams: ClassVar[tuple[Kind, ...]] = ("match", "group")
    case: str
    line: str | None = None
    received_at: Instant
    registered_at: Instant
    workers: tuple[str, ...] = ()
    heads: int = 1
    months: tuple[Month, Month] | None = None
    township: str | None = None
    also: str | None = None
    group: str | None = None

    def natural_key(self) -> str:
        counted = "" if self.group is None else f"|{self.group}"
        return f"{self.case}|{self.line or ''}|{self.cause}{counted}"


class MatchUpdated(RoutingDecision):
    """Tells a match or group stream what became of a case.

    `kind`: of a closing that is not by payment in full; `master`: under which case it goes on, or
    (`moved`) only its `line`.
    """

    streams: ClassVar[tuple[Kind, ...]] = ("match", "group")
    case: str
    status: Literal["assigned", "merged", "moved", "closed", "reopened", "out", "separated"]
    since: Instant
    kind: Code | None = None
    master: str | None = None
    line: str | None = None

    def natural_key(self) -> str:
        of_line = "" if self.line is None else f"|{self.line}"
        return f"{self.case}|{self.status}|{self.cause}{of_line}"


class MatchFound(RoutingDecision):
    """On the later case: the same worker, employer and months already stand under `with_case`."""

    match: str
    with_case: str
    line: str
    with_line: str
    reopens: bool = False

    def natural_key(self) -> str:
        return f"{self.match}|{self.line}|{self.with_case}"


class RepeatFound(RoutingDecision):
    """重复反映, on the later case: its claim stood under `repeat_of`, closed too long ago.

    It changes nothing; who handles the case should know (domain 2.3).
    """

    match: str
    line: str
    repeat_of: str
    with_line: str

    def natural_key(self) -> str:
        return f"{self.match}|{self.line}|{self.repeat_of}"


class ComplaintMerged(RoutingDecision):
    """并案: this case goes on under `master`; its source obligations do not end (I-03)."""

    master: str
    match: str


class ComplaintUnmerged(RoutingDecision):
    """A merge was revoked."""

    master: str


class ClaimLinesAdded(RoutingDecision):
    """On the master: lines and the source obligation of a case that was merged into it.

    `same`: lines that are one with a line of the master (its number, or `case|line` of what was
    merged into it). `heads`: workers of the whole complaint. `replied_at`: when its source was
    answered, if it was answered under the other case.
    """

    from_case: str
    source: Code
    source_ref: str
    tier: Tier
    received_at: Instant
    registered_at: Instant | None = None
    external_due_at: Instant | None = None
    lines: tuple[ClaimLine, ...] = ()
    same: dict[str, str] = Field(default_factory=dict)
    reopens: bool = False
    whole: bool = True
    heads: int | None = None
    replied_at: Instant | None = None

    def natural_key(self) -> str:
        return f"{self.from_case}|{','.join(sorted(self.same))}|{self.cause}"


class ClaimLinesRemoved(RoutingDecision):
    """Lines of `from_case` stand here no longer: a merge was taken back, or they stand elsewhere.

    On the master of a merge that was revoked, with its source obligation (`whole`); or on the
    case itself, whose `lines` were found under the case `to`.
    """

    from_case: str
    source: Code
    source_ref: str
    lines: tuple[str, ...]
    to: str | None = None
    whole: bool = True

    def natural_key(self) -> str:
        return f"{self.from_case}|{self.cause}"


class GroupFormed(RoutingDecision):
    """群体案件成立, on the master's stream.

    It forms anew when its leading case has ended unpaid; `formation`: which time, from 2 on.
    """

    group: str
    level: GroupLevel
    workers: int
    members: tuple[str, ...]
    master: str
    formation: int | None = None

    def natural_key(self) -> str:
        return _formed(self.group, self.formation)


class GroupLevelChanged(RoutingDecision):
    """群体案件升级."""

    group: str
    level: GroupLevel
    workers: int
    members: tuple[str, ...]
    master: str
    formation: int | None = None

    def natural_key(self) -> str:
        return f"{_formed(self.group, self.formation)}|{self.level}"


class GroupJoined(RoutingDecision):
    """On a member that is not the master: keeps its lines and source clocks, loses T09."""

    group: str
    master: str
    formation: int | None = None

    def natural_key(self) -> str:
        return _formed(self.group, self.formation)


class GroupLeft(RoutingDecision):
    """群体解散, on a member: its leading case ended otherwise than paid, and no group formed anew.

    The member has a handling clock of its own again (T09).
    """

    group: str
    master: str
    formation: int | None = None

    def natural_key(self) -> str:
        return f"{self.group}|{self.master}|{self.cause}"


def _formed(group: str, formation: int | None) -> str:
    return group if formation is None else f"{group}|{formation}"


class TriageRequested(RoutingDecision):
    """提请研判 (方案 三, last paragraph). `proposal`: what the rules would have chosen."""

    reason: TriageReason
    proposal: Unit | None = None
    rule: str | None = None
    confidence_ppm: int | None = None
    margin_ppm: int | None = None
    runner_up: RunnerUp | None = None
    evidence: tuple[str, ...] | None = None
    flip: Flip | None = None


class Assigned(RoutingDecision):
    """An assignment: exactly one of task force and department, and one township (I-04)."""

    task_force: TaskForce | None = None
    department: str | None = None
    township: str
    co_handlers: tuple[str, ...] = ()
    rule: str
    runner_up: RunnerUp | None = None
    township_from: TownshipFrom
    confidence_ppm: int = 1_000_000
    margin_ppm: int = 1_000_000
    evidence: tuple[str, ...] = ()
    flip: Flip | None = None


class CaseAssigned(Assigned):
    """交办 (方案 五(二)二)."""


class CaseReassigned(Assigned):
    """改派 / 指定办理."""

    from_: Annotated[Unit, Field(alias="from")]

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CoHandlerAdded(RoutingDecision):
    unit: str

    def natural_key(self) -> str:
        return f"{self.unit}|{self.cause}"


class AssignmentWithdrawn(RoutingDecision):
    """An assignment that crossed a merge, a transfer or a refusal is taken back."""

    reason: Literal["MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT"]


class ReturnRefused(RoutingDecision):
    """不同意退办, by rule (T06, I-06)."""

    code: Literal["WINDOW_CLOSED", "SECOND_RETURN"]


# --- decisions of supervision --------------------------------------------------------------------


class DeadlineSet(SupervisionDecision):
    """时限: a timer's start and due with its whole derivation.

    `due_at`: the instant at which the act is late (half-open). `cause`: id of the event that
    started or moved it. `cap`: the campaign date that applies, binding or not; `grace`: the
    campaign date in whose last three working days the line arrived.
    """

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    timer: str
    step: str | None = None
    item: str | None = None
    started_at: Instant
    due_at: Instant
    outer_due_at: Instant | None = None
    cap: str | None = None
    cap_target_at: Instant | None = None
    grace: str | None = None
    source_ref: str | None = None
    rule: str | None = None
    moved: bool = False

    def natural_key(self) -> str:
        due_at = instant_text(self.due_at)
        return f"{self.timer}|{self.step or ''}|{self.item or ''}|{self.cause}|{due_at}"


class AlertRaised(SupervisionDecision):
    """预警. `cause`: id of its DeadlineSet, in a fast lane of the fact."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    timer: str
    step: str | None = None
    item: str | None = None
    level: Level
    due_at: Instant
    recipients: tuple[str, ...] = ()

    def natural_key(self) -> str:
        return f"{self.cause}|{self.timer}|{self.level}"


class AlertCleared(SupervisionDecision):
    """解除. `cause`: id of the AlertRaised."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    timer: str
    step: str | None = None
    item: str | None = None
    level: Level


class SupervisionNoticeIssued(SupervisionDecision):
    """督办函. `cause`: id of the alert or deadline that made it."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    notice_no: str
    to: tuple[str, ...]
    reply_due_at: Instant
    timer: str | None = None


class CaseEscalated(SupervisionDecision):
    """提级. `cause`: id of the AlertRaised at L6 or L7."""

    streams: ClassVar[tuple[Kind, ...]] = ("case", "unit", "city")
    to: str
    level: Level
    timer: str | None = None


class AssignmentDeemedSigned(SupervisionDecision):
    """视为签收 (T05)."""


class ExtensionRefused(SupervisionDecision):
    """延期不予批准, by rule (T11, I-07)."""

    code: Literal["AFTER_DUE", "TOO_LONG", "THIRD", "BEYOND_CAP"]


class SuspensionLapsed(SupervisionDecision):
    """中止期满自动恢复 (T17)."""


class SupplementLapsed(SupervisionDecision):
    """补正期满 (T02)."""


class InstalmentDefaulted(SupervisionDecision):
    """分期违约 (T16)."""

    n: int
    plan_void: bool = False

    def natural_key(self) -> str:
        return f"{self.cause}|{self.n}"


class PaymentOrderDefaulted(SupervisionDecision):
    """责令支付逾期 (T23)."""

    doc_no: str


class ThresholdFigures(Model):
    """From when non-payment is referred: of one worker, or of many (法释〔2013〕3号 3)."""

    single_months: int
    single_fen: Fen
    many_workers: int
    many_fen: Fen


class ReferralThresholdMet(SupervisionDecision):
    """达移送标准 (法释〔2013〕3号 3). `figures`: of the rule `threshold` that was applied."""

    limb: Literal[1, 2]
    workers: int
    months: int
    amount_fen: Total
    threshold: str
    doc_no: str
    figures: ThresholdFigures | None = None


class CaseReferredToPublicSecurity(SupervisionDecision):
    """已移送公安 (310号令 6)."""

    doc_no: str | None = None


class ClosureRefused(SupervisionDecision):
    """不予办结: what the standard of 方案 五(二)三 still lacks. `cause`: the act answered."""

    reasons: tuple[RefusalOfClosure, ...]


class CaseClosed(SupervisionDecision):
    """办结. `cause`: the act that completed the standard."""

    kind: ClosureKind
    flag: Literal["UNSATISFIED", "UNREACHED"] | None = None


class CaseReopened(SupervisionDecision):
    """重办. `reason`: the fact's own."""

    reason: Code


class FalseClosureSuspected(SupervisionDecision):
    """涉嫌虚假办结, to be verified by a person."""


class SourceReplyOwed(SupervisionDecision):
    """应回复来源平台, one a source at closing (I-03)."""

    source: Code
    source_ref: str
    conclusion: Code

    def natural_key(self) -> str:
        return f"{self.cause}|{self.source}|{self.source_ref}"


class UnpaidClaim(Model):
    """What one worker still lacks, or a gang on one line whose members are not named.

    `worker`: the beginning of the worker's keyed hash, by which whoever has claims in two cases of
    a group counts once.
    """

    workers: int
    months: int
    amount_fen: Total
    worker: str | None = None


class GroupMemberUpdated(SupervisionDecision):
    """群体成员情况, on the leading case: whether a member's lines are still unpaid (I-01).

    `status`: `unpaid`, or `settled` once every claim line of the member is paid, or the member is
    closed, merged or gone. `paid_at`: of its last payment, which a follow-up must come after;
    `unpaid`: what counts towards the referral threshold (limb 2: ten workers); `fled`: its facts
    say so of the employer (a fast lane of the leading case, domain 4.3).
    """

    group: str
    case: str
    formation: int | None = None
    status: Literal["unpaid", "settled"]
    paid_at: Instant | None = None
    unpaid: tuple[UnpaidClaim, ...] = ()
    fled: Literal[True] | None = None

    def natural_key(self) -> str:
        return f"{self.case}|{self.group}|{self.cause}"


# --- publications of reporting -------------------------------------------------------------------


def _marks(text: str) -> str:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise ValueError("no base64") from None
    if len(raw) % 4:
        raise ValueError("marks have four bytes each")
    return text


class LedgerSnapshotTaken(Publication):
    """台账 at a bulletin's cut-off. `hash`: of its spreadsheet."""

    ledger: Code
    as_of: Instant
    hash: str
    positions: dict[str, int]

    def natural_key(self) -> str:
        return f"{self.ledger}|{instant_text(self.as_of)}"


class RankingPublished(Publication):
    """排名. Its natural key is (kind, issue number); `positions` pins every partition."""

    kind: Literal["task_forces", "townships"]
    issue_no: int
    as_of: Instant
    hash: str
    positions: dict[str, int]
    items: tuple[dict[str, Any], ...] = ()

    def natural_key(self) -> str:
        return f"{self.kind}|{self.issue_no}"


class BulletinIssued(Publication):
    """通报. What belongs to the issue stands before it on the log."""

    issue_no: int
    as_of: Instant
    hash: str
    positions: dict[str, int]

    def natural_key(self) -> str:
        return str(self.issue_no)


class CorrectionIssued(Publication):
    """更正 (I-13): scores of an earlier issue as published and as known at this issue's cut-off."""

    issue_no: int
    corrects: int
    hash: str
    items: tuple[dict[str, Any], ...] = ()

    def natural_key(self) -> str:
        return f"{self.issue_no}|{self.corrects}"


class PhaseTargetEvaluated(Publication):
    """阶段目标评估, by the first issue whose cut-off is not before the target's instant."""

    phase: Code
    predicate: Code
    result: Literal["PASS", "FAIL", "PENDING", "NOT_EVALUABLE"]
    as_of: Instant
    hash: str

    def natural_key(self) -> str:
        return f"{self.phase}|{self.predicate}"


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Marks = Annotated[str, AfterValidator(_marks)]


class CheckpointSigned(Publication):
    """A signed head of the log's trees (RFC 9162).

    `positions`, `roots`: by `topic/partition`, the number of records and their tree's root, in
    hexadecimal. `marks`: of each record since the checkpoint before, the first four bytes of its
    leaf hash, together in base64; they say which record it is where a root is not found again.
    `signature`: Ed25519 over the canonical JSON of `positions` and `roots`, in base64; `key_id`:
    sha256 of the public key, in hexadecimal.
    """

    positions: dict[str, Annotated[int, Field(ge=1)]]
    roots: dict[str, Digest]
    marks: dict[str, Marks] | None = None
    signature: str
    key_id: str

    @model_validator(mode="after")
    def _of_the_same_places(self) -> Self:
        for name in (*self.roots, *(self.marks or ())):
            if name not in self.positions:
                raise ValueError(f"{name} has no position")
        return self

    def natural_key(self) -> str:
        return self.signature


class ReadDenied(Publication):
    """A read that reporting refused (domain 7). `case`: of which case it was."""

    action: Code
    reason: Code
    case: Code | None = None


AnyFact = (
    ComplaintReceived
    | SupplementRequested
    | SupplementReceived
    | ContactTried
    | ComplaintAccepted
    | ComplaintNotAccepted
    | ComplaintTransferredOut
    | SourceReplied
    | ComplainantTold
    | MergeApproved
    | MatchDismissed
    | MergeRevoked
    | TriageDecided
    | AssignmentSigned
    | ReturnRequested
    | ReturnApproved
    | ReturnNotApproved
    | HandlerDesignated
    | CoHandlerReported
    | FirstContactMade
    | FactsVerified
    | ProgressReported
    | ExtensionRequested
    | ExtensionApproved
    | ExtensionNotApproved
    | CaseSuspended
    | CaseResumed
    | MediationAgreed
    | InstalmentPlanAgreed
    | PaymentRecorded
    | PaymentVerified
    | PaymentReversed
    | InspectionFiled
    | InspectionClosed
    | PaymentOrderIssued
    | PaymentOrderServed
    | PaymentOrderComplied
    | ExtraCompensationOrdered
    | PenaltyDecided
    | AssetQueryApprovalRequested
    | AssetQueryApprovalGranted
    | PoliceAssistanceAsked
    | ReferralProposed
    | ReferralApproved
    | ReferralDeclined
    | ReferralDelivered
    | ReferralReceipted
    | PoliceSupplementAsked
    | SupplementSent
    | PoliceFiled
    | PoliceDeclined
    | ReconsiderationRequested
    | ReconsiderationDecided
    | SupervisionSuggested
    | PoliceReasonsAsked
    | FilingOrdered
    | MaterialsHandedOver
    | CreditListingDecided
    | PublicationMade
    | EnforcementApplied
    | LegalPathEntered
    | LegalPathEnded
    | GovFundsRequested
    | ClosureRequested
    | ClosureReviewPassed
    | ClosureReturned
    | FollowUpAttempted
    | FollowUpCompleted
    | FollowUpWaived
    | CaseWrittenOff
    | FalseClosureFound
    | SupervisionNoticeReplied
    | InterviewHeld
    | ExtremeIncidentReported
    | IncidentReportFiled
    | ExtremeIncidentVerified
    | ExtremeIncidentCleared
    | IllegalDemandRecorded
    | OpinionAlertRaised
    | OpinionStepDone
    | OpinionAlertCleared
    | GroupNoticeGiven
    | ScreeningReported
    | ZeroReportFiled
    | SummaryFiled
    | SupervisionVisitRecorded
    | RectificationReported
    | MeasurePlanFiled
    | MeasureCompleted
    | MeetingHeld
    | PublicityRecorded
    | RuleRevised
    | PolicyAdopted
    | ClockAdopted
    | ClockAdvanced
    | PiiAccessed
    | PiiErased
    | AccessDenied
)
AnyRoutingDecision = (
    MatchRegistered
    | MatchUpdated
    | MatchFound
    | RepeatFound
    | ComplaintMerged
    | ComplaintUnmerged
    | ClaimLinesAdded
    | ClaimLinesRemoved
    | GroupFormed
    | GroupLevelChanged
    | GroupJoined
    | TriageRequested
    | CaseAssigned
    | CaseReassigned
    | CoHandlerAdded
    | AssignmentWithdrawn
    | ReturnRefused
)
AnySupervisionDecision = (
    DeadlineSet
    | AlertRaised
    | AlertCleared
    | SupervisionNoticeIssued
    | CaseEscalated
    | AssignmentDeemedSigned
    | ExtensionRefused
    | SuspensionLapsed
    | SupplementLapsed
    | InstalmentDefaulted
    | PaymentOrderDefaulted
    | ReferralThresholdMet
    | CaseReferredToPublicSecurity
    | ClosureRefused
    | CaseClosed
    | CaseReopened
    | FalseClosureSuspected
    | SourceReplyOwed
    | GroupMemberUpdated
    | GroupLeft
)
AnyPublication = (
    LedgerSnapshotTaken
    | RankingPublished
    | BulletinIssued
    | CorrectionIssued
    | PhaseTargetEvaluated
    | CheckpointSigned
    | ReadDenied
)
AnyData = AnyFact | AnyRoutingDecision | AnySupervisionDecision | AnyPublication
"""Every type of event; `evolve` matches over it and ends in `assert_never`."""

TYPES: dict[str, type[AnyData]] = {cls.__name__: cls for cls in get_args(AnyData)}
"""Every type by its stored name."""

WRITERS: dict[str, Service] = {name: cls.writer for name, cls in TYPES.items()}
"""The table of writers: the one service that may publish each type."""

SERVICES: tuple[Service, ...] = get_args(Service)


class Event:
    """One record of the log in memory: the envelope's attributes and the typed data.

    `time`: when it happened in the world (a decision: the rule's own instant). `recordedtime`:
    when it was written. All instants are aware and UTC.
    """

    __slots__ = (
        "actor",
        "attributes",
        "basis",
        "data",
        "decidedby",
        "id",
        "policy",
        "recordedtime",
        "subject",
        "time",
        "traceparent",
    )

    def __init__(
        self,
        *,
        id: str,
        subject: str,
        time: datetime,
        recordedtime: datetime,
        data: AnyData,
        actor: str = "-/-/-",
        decidedby: str | None = None,
        basis: str | None = None,
        policy: str | None = None,
        traceparent: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.id = id
        self.subject = subject
        self.time = time
        self.recordedtime = recordedtime
        self.data = data
        self.actor = actor
        self.decidedby = decidedby
        self.basis = basis
        self.policy = policy
        self.traceparent = traceparent
        self.attributes = attributes

    @property
    def type(self) -> str:
        return type(self.data).__name__

    @property
    def decider(self) -> str:
        """Subject of the stream that decided it."""
        return self.decidedby or self.subject

    @property
    def known_at(self) -> datetime:
        """When it counts as known: a fact from its recording, a decision from its own time."""
        return self.time if isinstance(self.data, Decision) else self.recordedtime

    @property
    def unit(self) -> str:
        return self.actor.split("/", 1)[0]

    @property
    def role(self) -> str:
        return self.actor.split("/")[1]

    def replace(self, **changes: Any) -> Event:
        """A copy with some attributes changed."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return Event(**values)

    def __repr__(self) -> str:
        return f"Event({self.type} {self.subject} {instant_text(self.time)} {self.data!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]
