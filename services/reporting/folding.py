"""The case as reporting folds it: `evolve(case, event)`, pure and total over the event union.

Reporting judges nothing: a decision on the log stands as its writer made it. Which state an event
leads to is domain 3.3; which clocks count as overdue is 方案 五(三)二 by way of domain 6.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from services.reporting import clocks, endings, money
from services.reporting.case import (
    CLOSED,
    ENDED,
    Alert,
    Case,
    Closing,
    FollowUp,
    Incident,
    Notice,
    Source,
)
from shared import claims
from shared import events as ev
from shared.events import SEALED_PREFIX, AnyData, Event

if TYPE_CHECKING:
    from typing_extensions import TypeIs


def initial(case_id: str) -> Case:
    """A case of which nothing is known."""
    return Case(case_id)


Unheard: TypeAlias = (
    # Told in the timeline; no number follows from it.
    ev.ContactTried
    | ev.TriageDecided
    | ev.ReturnApproved
    | ev.CoHandlerReported
    | ev.ExtensionRequested
    | ev.ExtensionNotApproved
    | ev.ExtensionRefused
    | ev.MediationAgreed
    | ev.PaymentRecorded
    | ev.InspectionFiled
    | ev.InspectionClosed
    | ev.PaymentOrderIssued
    | ev.PaymentOrderDefaulted
    | ev.ExtraCompensationOrdered
    | ev.PenaltyDecided
    | ev.AssetQueryApprovalRequested
    | ev.AssetQueryApprovalGranted
    | ev.PoliceAssistanceAsked
    | ev.ReferralThresholdMet
    | ev.ReferralProposed
    | ev.ReferralApproved
    | ev.ReferralDeclined
    | ev.ReferralDelivered
    | ev.ReferralReceipted
    | ev.PoliceSupplementAsked
    | ev.SupplementSent
    | ev.SupplementLapsed
    | ev.PoliceDeclined
    | ev.ReconsiderationRequested
    | ev.ReconsiderationDecided
    | ev.SupervisionSuggested
    | ev.PoliceReasonsAsked
    | ev.FilingOrdered
    | ev.MaterialsHandedOver
    | ev.CreditListingDecided
    | ev.EnforcementApplied
    | ev.GovFundsRequested
    | ev.FollowUpAttempted
    | ev.FalseClosureSuspected
    | ev.InterviewHeld
    | ev.IncidentReportFiled
    | ev.IllegalDemandRecorded
    | ev.OpinionAlertRaised
    | ev.OpinionStepDone
    | ev.OpinionAlertCleared
    | ev.GroupNoticeGiven
    | ev.SourceReplyOwed
    | ev.GroupMemberUpdated
    | ev.MatchFound
    | ev.RepeatFound
    | ev.MatchDismissed
    | ev.PiiAccessed
    | ev.PiiErased
    | ev.AccessDenied
    # Of other streams; `acts` counts what a number needs of them.
    | ev.MatchRegistered
    | ev.MatchUpdated
    | ev.ScreeningReported
    | ev.ZeroReportFiled
    | ev.SummaryFiled
    | ev.SupervisionVisitRecorded
    | ev.RectificationReported
    | ev.MeasurePlanFiled
    | ev.MeasureCompleted
    | ev.MeetingHeld
    | ev.PublicityRecorded
    | ev.RuleRevised
    | ev.PublicationMade
    | ev.PolicyAdopted
    | ev.ClockAdopted
    | ev.ClockAdvanced
    | ev.LedgerSnapshotTaken
    | ev.RankingPublished
    | ev.BulletinIssued
    | ev.CorrectionIssued
    | ev.PhaseTargetEvaluated
    | ev.CheckpointSigned
    | ev.ReadDenied
)
"""What leaves the case as it is. Asked for first: matching goes through every class before it."""

_UNHEARD: Final = frozenset(get_args(Unheard))


def _unheard(data: AnyData) -> TypeIs[Unheard]:
    return type(data) in _UNHEARD


def evolve(case: Case, event: Event) -> Case:
    """The case after an event of its stream. Never fails on an order that should not occur."""
    data = event.data
    at = event.time
    if _unheard(data):
        return case
    match data:
        case ev.DeadlineSet():
            return clocks.deadline(case, data)
        case ev.AlertRaised():
            return _alert_raised(case, event, data)
        case ev.AlertCleared():
            alerts = tuple(alert for alert in case.alerts if not _clears(data, alert))
            return replace(case, alerts=alerts)
        case ev.ComplaintReceived():
            return _received(case, data)
        case ev.SupplementRequested():
            return _move(case, "SUPPLEMENTING", "RECEIVED")
        case ev.SupplementReceived():
            return _supplemented(_move(case, "RECEIVED", "SUPPLEMENTING"), data)
        case ev.ComplaintAccepted():
            urgent = case.urgent if data.urgent is None else data.urgent
            number = data.number or case.number
            return replace(case, state="ACCEPTED", accepted_at=at, urgent=urgent, number=number)
        case ev.ComplaintNotAccepted():
            return _ended(case, "NOT_ACCEPTED", event)
        case ev.ComplaintTransferredOut():
            return _ended(case, "TRANSFERRED_OUT", event)
        case ev.ComplaintMerged() | ev.MergeApproved():
            return _merged(case, data.master, event)
        case ev.ComplaintUnmerged() | ev.MergeRevoked():
            if case.state != "MERGED":
                return case
            state = case.before_merge or "RECEIVED"
            separated = replace(case, state=state, before_merge=None, merged_into=None)
            return endings.undone(separated, event)
        case ev.ComplainantTold():
            return endings.told(case, event, data)
        case ev.ClaimLinesAdded():
            return _lines_added(case, event, data)
        case ev.ClaimLinesRemoved():
            return _lines_removed(case, event, data)
        case ev.SourceReplied():
            return _source_replied(case, data, at)
        case ev.GroupFormed() | ev.GroupLevelChanged():
            return replace(
                case,
                group=data.group,
                group_level=data.level,
                group_workers=data.workers,
                group_master=data.master,
            )
        case ev.GroupJoined():
            joined = clocks.drop_handling(case)
            return replace(joined, group=data.group, group_master=data.master)
        case ev.GroupLeft():
            return replace(case, group_master=None) if data.master == case.group_master else case
        case ev.TriageRequested():
            return replace(case, state="TRIAGE", triage=data.reason)
        case ev.CaseAssigned() | ev.CaseReassigned():
            return _assigned(case, data, at)
        case ev.HandlerDesignated():
            return replace(case, state="HANDLING", designation=event.id)
        case ev.AssignmentWithdrawn():
            return replace(
                case, task_force=None, department=None, township=None, co_handlers=(), triage=None
            )
        case ev.CoHandlerAdded():
            return replace(case, co_handlers=tuple(dict.fromkeys((*case.co_handlers, data.unit))))
        case ev.AssignmentSigned() | ev.AssignmentDeemedSigned():
            return _move(case, "HANDLING", "ASSIGNED")
        case ev.ReturnRequested():
            return replace(case, state="RETURN_REVIEW", returns=case.returns + 1)
        case ev.ReturnNotApproved() | ev.ReturnRefused():
            return _move(case, "HANDLING", "RETURN_REVIEW")
        case ev.FirstContactMade():
            first = min(case.contact_at or at, at)
            return replace(case, contact_at=first)
        case ev.ProgressReported():
            return replace(case, progress_at=max(case.progress_at or at, at))
        case ev.FactsVerified():
            return money.verified_owed(case, data)
        case ev.PaymentVerified():
            return money.verified_paid(case, data)
        case ev.PaymentReversed():
            return money.reversed_paid(case, data)
        case ev.ExtensionApproved():
            return replace(case, extensions=case.extensions + 1)
        case ev.CaseSuspended():
            return replace(clocks.suspend(case, at), state="SUSPENDED")
        case ev.CaseResumed() | ev.SuspensionLapsed():
            return _move(clocks.resume(case), "HANDLING", "SUSPENDED")
        case ev.InstalmentPlanAgreed():
            return _flag(case, "INSTALMENT")
        case ev.InstalmentDefaulted():
            return _unflag(case, "INSTALMENT") if data.plan_void else case
        case ev.PaymentOrderServed():
            return _flag(case, "ORDERED")
        case ev.PaymentOrderComplied():
            return _unflag(case, "ORDERED")
        case ev.CaseReferredToPublicSecurity():
            return _flag(case, "REFERRED")
        case ev.PoliceFiled():
            return _flag(case, "POLICE_FILED")
        case ev.LegalPathEntered():
            return _flag(case, "LEGAL_PATH")
        case ev.LegalPathEnded():
            return _unflag(case, "LEGAL_PATH")
        case ev.ClosureRequested():
            stopped = clocks.stop_handling(case, at)
            return replace(stopped, state="CLOSURE_REVIEW", requested_at=at, waived=False)
        case ev.ClosureReviewPassed():
            return _review_passed(case, event, data)
        case ev.ClosureReturned():
            return replace(case, state="HANDLING", requested_at=None)
        case ev.ClosureRefused():
            return _closure_refused(case, data)
        case ev.FollowUpCompleted():
            follow_up = FollowUp(at, data.got_paid, data.satisfaction, event.unit)
            return replace(case, follow_up=follow_up)
        case ev.FollowUpWaived():
            return replace(case, waived=True)
        case ev.CaseClosed():
            return endings.ended(_closed(case, data, at), event, data.kind)
        case ev.CaseWrittenOff():
            return replace(case, state="WRITTEN_OFF", written_off_at=at, written_off_by=event.unit)
        case ev.CaseReopened():
            return _reopened(case, event)
        case ev.FalseClosureFound():
            return replace(case, false_closures=case.false_closures + 1)
        case ev.SupervisionNoticeIssued():
            notice = Notice(data.notice_no, at, data.reply_due_at)
            return replace(case, notices=(*case.notices, notice))
        case ev.SupervisionNoticeReplied():
            return replace(case, notices=_replied(case.notices, data.notice_no, at))
        case ev.CaseEscalated():
            return replace(case, escalated_to=data.to)
        case ev.ExtremeIncidentReported():
            return replace(case, incidents=(*case.incidents, Incident(event.id, at)))
        case ev.ExtremeIncidentVerified():
            return _incident(case, data.incident, verified=True)
        case ev.ExtremeIncidentCleared():
            return _incident(case, data.incident, cleared=True)
        case _:
            assert_never(data)


def _move(case: Case, to: str, *of: str) -> Case:
    """To a state, if the case is in one from which the arrow leaves."""
    return replace(case, state=to) if case.state in of else case


def _flag(case: Case, flag: str) -> Case:
    return case if flag in case.flags else replace(case, flags=(*case.flags, flag))


def _unflag(case: Case, flag: str) -> Case:
    return replace(case, flags=tuple(item for item in case.flags if item != flag))


def _received(case: Case, data: ev.ComplaintReceived) -> Case:
    if case.received_at is not None:
        return case
    signals = data.signals
    name = data.employer.name if data.employer is not None else None
    return replace(
        case,
        state="RECEIVED",
        tier=data.tier,
        kind=data.kind,
        via=data.via,
        sources=(*case.sources, Source(data.source, data.source_ref, data.tier, data.received_at)),
        received_at=data.received_at,
        external_due_at=data.external_due_at,
        employer=None if name is None or name.startswith(SEALED_PREFIX) else name,
        employer_known=data.employer is not None,
        uscc=data.employer.uscc if data.employer is not None else None,
        industry=data.employer.industry if data.employer is not None else None,
        project_known=data.project is not None,
        months_from=data.months_from,
        months_to=data.months_to,
        workers=data.workers or len(data.claims) or (signals.workers if signals else None),
        claims=claims.own(data.claims, data.workers, data.amount_fen),
        named=bool(data.claims),
        claimed_fen=_claimed(data),
        urgent=signals.urgent if signals else False,
        status_key=data.status_key,
    )


def _claimed(data: ev.ComplaintReceived) -> int | None:
    """The claimed sum in fen: as told, else of its lines, else as read in the text."""
    if data.amount_fen is not None:
        return data.amount_fen
    lines = [line.amount_fen for line in data.claims if line.amount_fen is not None]
    if lines:
        return sum(lines)
    return data.signals.amount_fen if data.signals else None


def _supplemented(case: Case, data: ev.SupplementReceived) -> Case:
    """Adds what was missing; never overwrites what was received."""
    read = data.signals
    workers = data.workers or (read.workers if read else None)
    claimed = data.amount_fen
    if claimed is None and read is not None:
        claimed = read.amount_fen
    return replace(
        case,
        workers=case.workers or workers,
        claimed_fen=case.claimed_fen if case.claimed_fen is not None else claimed,
        months_from=case.months_from or data.months_from,
        months_to=case.months_to or data.months_to,
        employer_known=case.employer_known or data.employer is not None,
        project_known=case.project_known or data.project is not None,
        industry=case.industry or data.industry,
    )


def _ended(case: Case, state: str, event: Event) -> Case:
    return endings.ended(replace(clocks.stop_all(case, event.time), state=state), event, state)


def _merged(case: Case, master: str, event: Event) -> Case:
    if case.state == "MERGED":
        return replace(case, merged_into=master)
    ended = _ended(case, "MERGED", event)
    return replace(ended, before_merge=case.state, merged_into=master)


def _lines_added(case: Case, event: Event, data: ev.ClaimLinesAdded) -> Case:
    """A merged case's source obligation, and the claims that did not stand here yet."""
    source = Source(data.source, data.source_ref, data.tier, data.received_at, data.replied_at)
    if data.replied_at is not None:
        case = _source_replied(case, data, data.replied_at)
    known = any(
        (item.source, item.source_ref) == (source.source, source.source_ref)
        for item in case.sources
    )
    standing, fresh = claims.added(case.claims, case.case_id, data, event.decider)
    heads = sum(item.heads for item in fresh)
    fen = sum(item.fen or 0 for item in fresh)
    return replace(
        case,
        sources=case.sources if known or not data.whole else (*case.sources, source),
        workers=(case.workers or 0) + heads if heads else case.workers,
        claimed_fen=(case.claimed_fen or 0) + fen if fen else case.claimed_fen,
        claims=standing,
        ways=claims.bound(case.ways, data, event.decider),
        named=case.named or bool(fresh),
    )


def _lines_removed(case: Case, event: Event, data: ev.ClaimLinesRemoved) -> Case:
    """What left: its heads and sums, and with a whole complaint its source."""
    standing, gone = claims.removed(case.claims, case.case_id, data, event.decider)
    heads = sum(item.heads for item in gone)
    fen = sum(item.fen or 0 for item in gone)
    ways, free = claims.freed(case.ways, data, event.decider)
    sources = case.sources
    if free and data.from_case != case.case_id:
        named = (data.source, data.source_ref)
        sources = tuple(item for item in sources if (item.source, item.source_ref) != named)
    owed = {line: fen for line, fen in case.owed.items() if line not in {g.number for g in gone}}
    return replace(
        case,
        sources=sources,
        workers=max(0, (case.workers or 0) - heads) if heads else case.workers,
        claimed_fen=max(0, (case.claimed_fen or 0) - fen) if fen else case.claimed_fen,
        claims=standing,
        ways=ways,
        owed=owed,
    )


def _source_replied(case: Case, data: ev.SourceReplied | ev.ClaimLinesAdded, at: datetime) -> Case:
    sources = tuple(
        replace(item, replied_at=item.replied_at or at)
        if (item.source, item.source_ref) == (data.source, data.source_ref)
        else item
        for item in case.sources
    )
    return replace(case, sources=sources)


def _assigned(case: Case, data: ev.CaseAssigned | ev.CaseReassigned, at: datetime) -> Case:
    """A designated handler has the case in hand at once; else it must be signed for."""
    state = "HANDLING" if data.cause == case.designation else "ASSIGNED"
    return replace(
        case,
        state=case.state if case.state in ENDED else state,
        task_force=data.task_force,
        department=data.department,
        township=data.township,
        co_handlers=data.co_handlers,
        rule=data.rule,
        triage=None,
        assigned_at=at,
        first_assigned_at=case.first_assigned_at or at,
    )


def _review_passed(case: Case, event: Event, data: ev.ClosureReviewPassed) -> Case:
    if data.stage == "tf":
        return case
    passed = case.passed_at or case.requested_at
    return replace(case, state="FOLLOW_UP", passed_at=passed, reviewer=event.unit)


def _closure_refused(case: Case, data: ev.ClosureRefused) -> Case:
    """A refused request never stopped the clock; a failed follow-up sends the case back."""
    if case.state == "CLOSURE_REVIEW":
        return replace(clocks.unstop(case), state="HANDLING", requested_at=None)
    if case.state == "FOLLOW_UP" and {"NOT_PAID", "UNPAID"} & set(data.reasons):
        return replace(case, state="HANDLING", requested_at=None)
    return case


def _closed(case: Case, data: ev.CaseClosed, at: datetime) -> Case:
    stopped = clocks.stop_all(case, at)
    closing = Closing(data.kind, at, data.flag)
    return replace(stopped, state="CLOSED", closings=(*case.closings, closing))


def _reopened(case: Case, event: Event) -> Case:
    if case.state not in CLOSED:
        return case
    closings = case.closings
    if closings and closings[-1].reopened_at is None:
        closings = (*closings[:-1], replace(closings[-1], reopened_at=event.time))
    return replace(
        endings.undone(case, event),
        state="HANDLING",
        closings=closings,
        reopened=case.reopened + 1,
        requested_at=None,
        written_off_at=None,
        written_off_by=None,
    )


def _alert_raised(case: Case, event: Event, data: ev.AlertRaised) -> Case:
    alert = Alert(event.id, data.timer, data.step, data.level, data.due_at, event.time)
    return clocks.date_missed(replace(case, alerts=(*case.alerts, alert)), data)


def _clears(data: ev.AlertCleared, alert: Alert) -> bool:
    return data.cause == alert.id


def _replied(notices: tuple[Notice, ...], number: str | None, at: datetime) -> tuple[Notice, ...]:
    """A reply that names no notice answers every one that is open."""
    return tuple(
        replace(notice, replied_at=at)
        if notice.replied_at is None and number in (None, notice.notice_no)
        else notice
        for notice in notices
    )


def _incident(case: Case, incident: str, *, verified: bool = False, cleared: bool = False) -> Case:
    incidents = tuple(
        replace(item, verified=item.verified or verified, cleared=item.cleared or cleared)
        if item.id == incident
        else item
        for item in case.incidents
    )
    return replace(case, incidents=incidents)
