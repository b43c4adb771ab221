"""The file that intake keeps of each stream: where a case stands, folded from the log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never, get_args

import msgspec

from shared import events as e
from shared.claims import Claims, added, bound, freed, own, removed, standing, verified
from shared.envelope import case_id_of
from shared.events import AnyData, Event
from shared.frozen import Frozen, replace

if TYPE_CHECKING:
    from typing_extensions import TypeIs

State = Literal[
    "NONE",
    "RECEIVED",
    "SUPPLEMENTING",
    "ACCEPTED",
    "TRIAGE",
    "ASSIGNED",
    "RETURN_REVIEW",
    "HANDLING",
    "SUSPENDED",
    "CLOSURE_REVIEW",
    "FOLLOW_UP",
    "CLOSED",
    "WRITTEN_OFF",
    "NOT_ACCEPTED",
    "TRANSFERRED_OUT",
    "MERGED",
]


ENDED: Final[frozenset[State]] = frozenset(
    ("MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT", "CLOSED", "WRITTEN_OFF")
)
"""States in which a case does not go on: nothing is merged into it any more."""


class Order(Frozen, frozen=True):
    """责令支付: the instant from which it is unpaid, and whether it was complied with."""

    doc_no: str
    limit_at: datetime | None
    served_at: datetime
    complied: bool = False


class Measure(Frozen, frozen=True):
    """What somebody is to complete: a planned measure, or what a meeting has decided.

    `owner`: whom the meeting has put in charge; None: the unit whose plan it is.
    """

    ref: str
    owner: str | None = None
    done: bool = False


class Proceeding(Frozen, frozen=True):
    """Whether a proceeding is open, by the last act of it: the one that happened last, of two at
    one instant the one that was recorded last.
    """

    at: datetime
    open: bool


class Leader(Frozen, frozen=True):
    """The leading case of a group that a case is a member of, and since when it is."""

    case: str
    since: datetime


class CaseFile(Frozen, frozen=True):
    """What must be known of a stream to judge the next act; of a unit or the city: only that it is.

    `assigned`: was it ever assigned. `signed`: by a person, not deemed;
    `deemed_at`: when it was deemed to be (T05). `designation`: id of the
    HandlerDesignated that the next CaseReassigned answers. `before_merge`: where a revoked merge
    goes back to. `handle_by`: the last due of the handling (T09). `received_at`: of its own
    complaint; `receipts`: of those of which lines have come to stand here, by case; `ways`: those
    that stand here whole (`claims.bound`). `notices`: the numbers of those that were issued here.
    `lapsed_at`: when the time to supplement ran out; `tries`: to reach the complainant since.
    `referred`: whether its papers were delivered to the police.
    Since the review passed (`reviewed_at`): `asked`: whether a follow-up was completed;
    `unreached`: when the worker was tried and not reached.
    `ended_at`: since when it does not go on (a decision counts from its `time`, an act of a person
    from its recording: what was filed late was not known to have ended); None while it does.
    `closed_as`: how it was closed, while it is. `leaders`: of the groups that it is a member of, by
    group. `unpaid_members`: of a group that it leads, those told to be unpaid. `proceedings`: the
    legal ones that there were, by what they are. `erased`: whether what it says of persons was.
    """

    subject: str
    state: State = "NONE"
    township: str | None = None
    task_force: str | None = None
    department: str | None = None
    co_handlers: tuple[str, ...] = ()
    claims: Claims = ()
    assigned: bool = False
    signed: bool = False
    deemed_at: datetime | None = None
    return_approved: bool = False
    designation: str | None = None
    master: str | None = None
    before_merge: State = "RECEIVED"
    tf_passed: bool = False
    orders: tuple[Order, ...] = ()
    threshold_met: bool = False
    referral_approved: bool = False
    referred: bool = False
    incidents: tuple[str, ...] = ()
    visits: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    handle_by: datetime | None = None
    group: str | None = None
    received_at: datetime | None = None
    tries: int = 0
    lapsed_at: datetime | None = None
    asked: bool = False
    unreached: tuple[datetime, ...] = ()
    reviewed_at: datetime | None = None
    ways: tuple[str, ...] = ()
    receipts: dict[str, datetime] = msgspec.field(default_factory=dict)
    ended_at: datetime | None = None
    closed_as: e.ClosureKind | None = None
    leaders: dict[str, Leader] = msgspec.field(default_factory=dict)
    unpaid_members: tuple[str, ...] = ()
    proceedings: dict[str, Proceeding] = msgspec.field(default_factory=dict)
    erased: bool = False

    @property
    def held_by(self) -> tuple[str, ...]:
        """The proceedings that are open: a litigation hold (domain 7)."""
        return tuple(sorted(name for name, at in self.proceedings.items() if at.open))

    @property
    def first_received_at(self) -> datetime | None:
        """When the earliest complaint came that stands here."""
        own = () if self.received_at is None else (self.received_at,)
        return min((*own, *self.receipts.values()), default=None)

    @property
    def lines(self) -> tuple[str, ...]:
        """The claim lines that stand."""
        return standing(self.claims)

    def owes(self, source: str, source_ref: str) -> bool:
        """Whether that platform is answered here (I-03). A case's id follows from its complaint, so
        none of them need be kept.
        """
        case = case_id_of(source, source_ref)
        return case == self.subject or any(way.startswith(f"{case}|") for way in self.ways)

    def measure(self, ref: str) -> Measure | None:
        return next((item for item in self.measures if item.ref == ref), None)


def initial(subject: str) -> CaseFile:
    return CaseFile(subject)


Unheard: TypeAlias = (
    e.SourceReplied
    | e.ComplainantTold
    | e.TriageDecided
    | e.CoHandlerReported
    | e.FirstContactMade
    | e.ProgressReported
    | e.ExtensionRequested
    | e.ExtensionApproved
    | e.ExtensionNotApproved
    | e.MediationAgreed
    | e.InstalmentPlanAgreed
    | e.PaymentRecorded
    | e.PaymentVerified
    | e.PaymentReversed
    | e.InspectionFiled
    | e.InspectionClosed
    | e.PaymentOrderIssued
    | e.ExtraCompensationOrdered
    | e.PenaltyDecided
    | e.AssetQueryApprovalRequested
    | e.AssetQueryApprovalGranted
    | e.PoliceAssistanceAsked
    | e.CreditListingDecided
    | e.PublicationMade
    | e.GovFundsRequested
    | e.FollowUpWaived
    | e.FalseClosureFound
    | e.SupervisionNoticeReplied
    | e.InterviewHeld
    | e.IncidentReportFiled
    | e.ExtremeIncidentVerified
    | e.ExtremeIncidentCleared
    | e.IllegalDemandRecorded
    | e.OpinionAlertRaised
    | e.OpinionStepDone
    | e.OpinionAlertCleared
    | e.GroupNoticeGiven
    | e.ScreeningReported
    | e.ZeroReportFiled
    | e.SummaryFiled
    | e.RectificationReported
    | e.PublicityRecorded
    | e.RuleRevised
    | e.PolicyAdopted
    | e.ClockAdopted
    | e.ClockAdvanced
    | e.PiiAccessed
    | e.AccessDenied
    | e.MatchRegistered
    | e.MatchUpdated
    | e.MatchFound
    | e.RepeatFound
    | e.MatchDismissed
    | e.AssignmentWithdrawn
    | e.AlertRaised
    | e.AlertCleared
    | e.CaseEscalated
    | e.ExtensionRefused
    | e.InstalmentDefaulted
    | e.PaymentOrderDefaulted
    | e.CaseReferredToPublicSecurity
    | e.FalseClosureSuspected
    | e.SourceReplyOwed
    | e.LedgerSnapshotTaken
    | e.RankingPublished
    | e.BulletinIssued
    | e.CorrectionIssued
    | e.PhaseTargetEvaluated
    | e.CheckpointSigned
    | e.ReadDenied
)
"""What leaves the file as it is. Asked for first: matching goes through every class before."""

_UNHEARD: Final = frozenset(get_args(Unheard))


def _unheard(data: AnyData) -> TypeIs[Unheard]:
    return type(data) in _UNHEARD


def opened(subject: str, claims: Claims, received_at: datetime) -> CaseFile:
    """The file after the ComplaintReceived that begins a case."""
    return CaseFile(subject, state="RECEIVED", claims=claims, received_at=received_at)


def evolve(state: CaseFile, event: Event) -> CaseFile:
    """The file after an event of its stream."""
    return _ending(state, _evolved(state, event), event)


def _ending(before: CaseFile, after: CaseFile, event: Event) -> CaseFile:
    """Since when the case does not go on; what comes back begins anew at its next end."""
    if (before.state in ENDED) == (after.state in ENDED):
        return after
    if after.state not in ENDED:
        return replace(after, ended_at=None)
    of_a_person = isinstance(event.data, e.Fact)
    return replace(after, ended_at=event.recordedtime if of_a_person else event.time)


def _evolved(state: CaseFile, event: Event) -> CaseFile:
    data = event.data
    if _unheard(data):
        return state
    match data:
        case e.ComplaintReceived():
            if state.state != "NONE":
                return state
            claims = own(data.claims, data.workers, data.amount_fen)
            return replace(state, state="RECEIVED", claims=claims, received_at=data.received_at)
        case e.DeadlineSet():
            return replace(state, handle_by=data.due_at) if data.timer == "T09" else state
        case e.SupplementRequested():
            return replace(state, state="SUPPLEMENTING", lapsed_at=None)
        case e.SupplementLapsed():
            return replace(state, tries=0, lapsed_at=event.time)
        case e.ContactTried():
            if state.lapsed_at is None or event.time < state.lapsed_at:
                return state
            return replace(state, tries=state.tries + 1)
        case e.SupplementReceived():
            return replace(state, state="RECEIVED")
        case e.ComplaintAccepted():
            return replace(state, state="ACCEPTED")
        case e.ComplaintNotAccepted():
            return replace(state, state="NOT_ACCEPTED")
        case e.ComplaintTransferredOut():
            return replace(state, state="TRANSFERRED_OUT")
        case e.ComplaintMerged() | e.MergeApproved():
            if state.state == "MERGED":
                return replace(state, master=data.master)
            return replace(state, state="MERGED", master=data.master, before_merge=state.state)
        case e.MergeRevoked() | e.ComplaintUnmerged():
            if state.state != "MERGED":
                return state
            return replace(state, state=state.before_merge, master=None)
        case e.ClaimLinesAdded():
            claims = added(state.claims, state.subject, data, event.decider)[0]
            receipts = state.receipts | {data.from_case: data.received_at}
            ways = bound(state.ways, data, event.decider)
            return replace(state, claims=claims, receipts=receipts, ways=ways)
        case e.ClaimLinesRemoved():
            left = removed(state.claims, state.subject, data, event.decider)[0]
            receipts = _receipts(state.receipts, data.from_case, left)
            ways, _ = freed(state.ways, data, event.decider)
            return replace(state, claims=left, receipts=receipts, ways=ways)
        case e.FactsVerified():
            found = verified(state.claims, [line.line for line in data.lines])
            return replace(state, claims=found)
        case e.TriageRequested():
            return replace(state, state="TRIAGE", return_approved=False)
        case e.CaseAssigned() | e.CaseReassigned():
            return _assigned(state, data)
        case e.CoHandlerAdded():
            return replace(state, co_handlers=_joined(state.co_handlers, [data.unit]))
        case e.AssignmentSigned():
            return replace(state, state="HANDLING", signed=True)
        case e.AssignmentDeemedSigned():
            deemed = _from(state, "ASSIGNED", "HANDLING")
            return replace(deemed, deemed_at=event.time)
        case e.ReturnRequested():
            return replace(state, state="RETURN_REVIEW", return_approved=False)
        case e.ReturnApproved():
            return replace(state, return_approved=True)
        case e.ReturnNotApproved() | e.ReturnRefused():
            return _from(state, "RETURN_REVIEW", "HANDLING")
        case e.HandlerDesignated():
            return replace(state, state="HANDLING", designation=event.id)
        case e.CaseSuspended():
            return replace(state, state="SUSPENDED")
        case e.CaseResumed() | e.SuspensionLapsed():
            return _from(state, "SUSPENDED", "HANDLING")
        case e.PaymentOrderServed():
            order = Order(data.doc_no, data.limit_at, event.time)
            others = tuple(item for item in state.orders if item.doc_no != data.doc_no)
            return replace(state, orders=(*others, order))
        case e.PaymentOrderComplied():
            state = replace(state, orders=_complied(state.orders, data.doc_no))
            return _proceeding(state, event, "enforcement", open=False)
        case e.ReferralThresholdMet():
            return replace(state, threshold_met=True)
        case e.ReferralApproved():
            return _proceeding(replace(state, referral_approved=True), event, _POLICE)
        case e.ReferralDeclined():
            state = replace(state, referral_approved=False)
            return _proceeding(state, event, _POLICE, open=False)
        case e.ReferralDelivered():
            return _proceeding(replace(state, referred=True), event, _POLICE)
        case (
            e.ReferralProposed()
            | e.ReferralReceipted()
            | e.PoliceSupplementAsked()
            | e.SupplementSent()
            | e.PoliceFiled()
            | e.ReconsiderationRequested()
            | e.SupervisionSuggested()
            | e.PoliceReasonsAsked()
            | e.FilingOrdered()
            | e.MaterialsHandedOver()
        ):
            return _proceeding(state, event, _POLICE)
        case e.PoliceDeclined():
            return _proceeding(state, event, _POLICE, open=False)
        case e.ReconsiderationDecided():
            return _proceeding(state, event, _POLICE, open=data.result == "reversed")
        case e.EnforcementApplied():
            return _proceeding(state, event, "enforcement")
        case e.LegalPathEntered():
            return _proceeding(state, event, data.forum)
        case e.LegalPathEnded():
            return _proceeding(state, event, *_paths(data), open=False)
        case e.PiiErased():
            return replace(state, erased=True)
        case e.ClosureRequested():
            return replace(state, state="CLOSURE_REVIEW", tf_passed=False)
        case e.ClosureReviewPassed():
            if data.stage == "tf":
                return replace(state, tf_passed=True)
            return replace(
                state, state="FOLLOW_UP", asked=False, unreached=(), reviewed_at=event.time
            )
        case e.FollowUpAttempted() | e.FollowUpCompleted():
            return _followed_up(state, event)
        case e.ClosureReturned():
            return replace(state, state="HANDLING")
        case e.ClosureRefused():
            return _closure_refused(state, data)
        case e.CaseClosed():
            over = _OVER_BY_CLOSING.get(data.kind, ())
            state = replace(state, state="CLOSED", closed_as=data.kind)
            return _proceeding(state, event, *over, open=False)
        case e.CaseWrittenOff():
            return replace(state, state="WRITTEN_OFF")
        case e.CaseReopened():
            return replace(state, state="HANDLING", tf_passed=False, closed_as=None)
        case e.GroupFormed():
            return replace(_without_leader(state, data.group), group=data.group)
        case e.GroupLevelChanged():
            return replace(state, group=data.group)
        case e.GroupJoined():
            leaders = state.leaders | {data.group: Leader(data.master, event.time)}
            return replace(state, group=data.group, leaders=leaders)
        case e.GroupLeft():
            return _without_leader(state, data.group, data.master)
        case e.GroupMemberUpdated():
            unpaid = {*state.unpaid_members} - {data.case}
            unpaid |= {data.case} if data.status == "unpaid" else set()
            return replace(state, unpaid_members=tuple(sorted(unpaid)))
        case e.ExtremeIncidentReported():
            return replace(state, incidents=(*state.incidents, event.id))
        case e.SupervisionVisitRecorded():
            return replace(state, visits=(*state.visits, event.id))
        case e.SupervisionNoticeIssued():
            return replace(state, notices=(*state.notices, data.notice_no))
        case e.MeasurePlanFiled():
            return _to_do(state, [Measure(data.measure)])
        case e.MeetingHeld():
            decided = [Measure(e.decision_ref(event.id, x.no), x.owner) for x in data.decisions]
            return _to_do(state, decided)
        case e.MeasureCompleted():
            known = state.measure(data.ref)
            return state if known is None else _to_do(state, [replace(known, done=True)])
        case _:
            assert_never(data)


def _without_leader(state: CaseFile, group: str, case: str | None = None) -> CaseFile:
    """No member of this group any more; `case`: only of the group that this one led."""
    known = state.leaders.get(group)
    if known is None or case not in (None, known.case):
        return state
    return replace(state, leaders={name: at for name, at in state.leaders.items() if name != group})


_FORUMS: Final = ("arbitration", "court", "payment_order", "petition")
_POLICE: Final = "police"
_OVER_BY_CLOSING: Final[dict[str, tuple[str, ...]]] = {
    "PAID_IN_FULL": ("enforcement",),
    "LEGAL_EFFECTIVE": ("enforcement", _POLICE, *_FORUMS),
}
"""What is over with a case (domain 2): of what was paid nothing is left to enforce; 法律程序终结 is
the end of them all. A court or the police may go on with a case that was paid.
"""


def _paths(data: e.LegalPathEnded) -> tuple[str, ...]:
    return _FORUMS if data.forum is None else (data.forum,)


def _proceeding(state: CaseFile, event: Event, *names: str, open: bool = True) -> CaseFile:
    """The file after acts that open a proceeding, go on with it, or end it (rows 40-43, 45; T24).

    An end is kept also where no beginning is known: it may be recorded later.
    """
    known = state.proceedings
    new = {
        name: Proceeding(event.time, open)
        for name in names
        if name not in known or event.time >= known[name].at
    }
    return replace(state, proceedings=known | new) if new else state


def _receipts(known: dict[str, datetime], case: str, claims: Claims) -> dict[str, datetime]:
    """Without that of a case of which no line stands here any more, by whatever way it came."""
    if any(claim.startswith(f"{case}|") for item in claims for claim in item.by):
        return known
    return {name: at for name, at in known.items() if name != case}


def _from(state: CaseFile, left: State, reached: State) -> CaseFile:
    """A step that only counts while the case is where it starts: a decision can come too late."""
    return replace(state, state=reached) if state.state == left else state


def _to_do(state: CaseFile, new: list[Measure]) -> CaseFile:
    """The file with these measures; what was planned anew is to be completed anew."""
    refs = {item.ref for item in new}
    kept = [item for item in state.measures if item.ref not in refs]
    return replace(state, measures=(*kept, *new))


def _joined(known: tuple[str, ...], new: list[str]) -> tuple[str, ...]:
    return (*known, *(item for item in dict.fromkeys(new) if item not in known))


def _assigned(state: CaseFile, data: e.CaseAssigned | e.CaseReassigned) -> CaseFile:
    """Rows 15, 20: ASSIGNED again; where the handler was designated (21) handling goes on."""
    designated = state.designation is not None and data.cause == state.designation
    reached: State = "HANDLING" if designated else "ASSIGNED"
    if state.state in ("MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT"):
        reached = state.state
    return replace(
        state,
        state=reached,
        task_force=data.task_force,
        department=data.department,
        township=data.township,
        co_handlers=data.co_handlers,
        assigned=True,
        signed=False,
        return_approved=False,
    )


def _complied(orders: tuple[Order, ...], doc_no: str | None) -> tuple[Order, ...]:
    return tuple(
        replace(order, complied=True) if doc_no in (None, order.doc_no) else order
        for order in orders
    )


def _followed_up(state: CaseFile, event: e.Event) -> CaseFile:
    """By another unit than handles the case (I-19)."""
    if event.unit in (state.township, state.department, state.task_force):
        return state
    if isinstance(event.data, e.FollowUpCompleted):
        return replace(state, asked=True)
    after = state.reviewed_at is None or event.time >= state.reviewed_at
    if isinstance(event.data, e.FollowUpAttempted) and not event.data.reached and after:
        tries = {*state.unreached, event.time}
        return replace(state, unreached=tuple(sorted(tries)))
    return state


def _closure_refused(state: CaseFile, data: e.ClosureRefused) -> CaseFile:
    """An unsatisfied or unreached worker, or a caller of the same unit, waits in FOLLOW_UP."""
    waits = {"UNSATISFIED", "FOLLOW_UP_MISSING", "SAME_UNIT"}
    if state.state == "FOLLOW_UP" and waits.issuperset(data.reasons):
        return state
    if state.state in ("CLOSURE_REVIEW", "FOLLOW_UP"):
        return replace(state, state="HANDLING", tf_passed=False)
    return state
