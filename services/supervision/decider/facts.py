"""How each event changes supervision's view of a case: which clocks start, move and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, assert_never, get_args

from services.supervision.decider import cases, clocks, groups, handling
from services.supervision.decider.state import (
    Watch,
    replace,
    start,
    start_once,
    stop,
    without_owed,
)
from shared import events as ev
from shared.events import AnyData, Event

if TYPE_CHECKING:
    from typing_extensions import TypeIs


Unheard: TypeAlias = (
    ev.ComplainantTold
    | ev.MergeApproved
    | ev.MergeRevoked
    | ev.CoHandlerReported
    | ev.MediationAgreed
    | ev.PaymentRecorded
    | ev.AssetQueryApprovalRequested
    | ev.AssetQueryApprovalGranted
    | ev.PoliceAssistanceAsked
    | ev.PublicationMade
    | ev.FollowUpAttempted
    | ev.InterviewHeld
    | ev.ExtremeIncidentVerified
    | ev.IllegalDemandRecorded
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
    | ev.PolicyAdopted
    | ev.ClockAdopted
    | ev.ClockAdvanced
    | ev.PiiAccessed
    | ev.PiiErased
    | ev.AccessDenied
    | ev.MatchRegistered
    | ev.MatchUpdated
    | ev.MatchFound
    | ev.RepeatFound
    | ev.MatchDismissed
    | ev.CoHandlerAdded
    | ev.LedgerSnapshotTaken
    | ev.RankingPublished
    | ev.BulletinIssued
    | ev.CorrectionIssued
    | ev.PhaseTargetEvaluated
    | ev.CheckpointSigned
    | ev.ReadDenied
)
"""What starts, moves and stops no clock here. Asked for first: matching goes
through every class before it."""

_UNHEARD: Final = frozenset(get_args(Unheard))


def _unheard(data: AnyData) -> TypeIs[Unheard]:
    return type(data) in _UNHEARD


def evolve(state: Watch, event: Event) -> Watch:
    """The state after an event of a case's stream."""
    data = event.data
    if _unheard(data):
        return state
    match data:
        # Own decisions first: they are most of what a stream folds.
        case ev.DeadlineSet():
            return clocks.deadline_set(state, event, data)
        case ev.AlertRaised():
            return clocks.alert_raised(state, event, data)
        case ev.AlertCleared():
            return clocks.alert_cleared(state, data)
        case ev.SupervisionNoticeIssued():
            return clocks.noticed(state, data)
        case ev.CaseEscalated():
            return clocks.escalated(state, data)
        case ev.ComplaintReceived():
            return cases.received(state, event, data)
        case ev.SupplementRequested():
            return start(stop(state, event, "T01"), "T02", event)
        case ev.SupplementReceived():
            return start(stop(state, event, "T02"), "T01", event)
        case ev.ContactTried():
            return cases.contact_tried(state, event)
        case ev.SupplementLapsed():
            return cases.supplement_lapsed(state, event)
        case ev.ComplaintAccepted():
            return cases.accepted(state, event, data)
        case ev.ComplaintNotAccepted():
            return cases.left(state, event, "NOT_ACCEPTED")
        case ev.ComplaintTransferredOut():
            return cases.left(state, event, "TRANSFERRED_OUT")
        case ev.ComplaintMerged():
            return cases.merged(state, event, data)
        case ev.ComplaintUnmerged():
            return cases.unmerged(state, event)
        case ev.ClaimLinesAdded():
            return handling.lines_changed(cases.lines_added(state, event, data), event)
        case ev.ClaimLinesRemoved():
            return handling.lines_changed(cases.lines_removed(state, event, data), event)
        case ev.SourceReplied():
            return cases.replied(state, event, data)
        case ev.SourceReplyOwed():
            return cases.reply_owed(state, data)
        case ev.TriageRequested():
            return start(state, "T04", event, variant="urgent" if state.urgent else "length")
        case ev.TriageDecided():
            return stop(state, event, "T04")
        case ev.HandlerDesignated():
            return stop(state, event, "T04", "T06")
        case ev.CaseAssigned() | ev.CaseReassigned():
            return cases.assigned(state, event, data)
        case ev.AssignmentWithdrawn():
            return stop(state, event, "T05", "T06", "T07", "T08", "T09")
        case ev.AssignmentSigned() | ev.AssignmentDeemedSigned():
            return stop(state, event, "T05")
        case ev.ReturnRequested():
            return cases.return_requested(state, event)
        case ev.ReturnApproved():
            return cases.given_back(state, event)
        case ev.ReturnNotApproved() | ev.ReturnRefused():
            return stop(state, event, "T06")
        case ev.GroupFormed() | ev.GroupLevelChanged():
            return groups.formed(state, event, data)
        case ev.GroupJoined():
            return groups.joined(state, event, data)
        case ev.GroupMemberUpdated():
            return groups.updated(state, event, data)
        case ev.GroupLeft():
            return groups.left(state, event, data)
        case ev.GroupNoticeGiven():
            return groups.notified(state, event, data)
        case ev.FirstContactMade():
            return stop(state, event, "T07")
        case ev.ProgressReported():
            return clocks.reminded(cases.progressed(state, event), event.known_at)
        case ev.FactsVerified():
            return handling.facts_verified(state, event, data)
        case ev.GovFundsRequested():
            return stop(replace(state, funds_requested=True), event, "T54")
        case ev.ExtensionRequested():
            return handling.extension_requested(state, event, data)
        case ev.ExtensionApproved():
            return handling.extension_approved(state, event, data)
        case ev.ExtensionNotApproved():
            return replace(state, extension=None)
        case ev.ExtensionRefused():
            return handling.extension_refused(state, data)
        case ev.CaseSuspended():
            return handling.suspended(state, event)
        case ev.CaseResumed() | ev.SuspensionLapsed():
            return handling.resumed(state, event)
        case ev.InstalmentPlanAgreed():
            return handling.plan_agreed(state, event, data)
        case ev.InstalmentDefaulted():
            return handling.instalment_defaulted(state, event, data)
        case ev.PaymentVerified() | ev.PaymentReversed():
            return handling.payment(state, event, data)
        case ev.InspectionFiled():
            return start_once(stop(state, event, "T20"), "T21", event)
        case ev.InspectionClosed():
            state = stop(state, event, "T21")
            return state if state.orders else start_once(state, "T22", event)
        case ev.PaymentOrderIssued():
            return handling.order_issued(state, event, data)
        case ev.PaymentOrderServed():
            return handling.order_served(state, event, data)
        case ev.PaymentOrderComplied():
            return handling.order_complied(state, event, data)
        case ev.PaymentOrderDefaulted():
            return handling.order_defaulted(state, event, data)
        case ev.PenaltyDecided() | ev.ExtraCompensationOrdered():
            return stop(state, event, "T22", exact=True)
        case ev.ReferralThresholdMet():
            return handling.threshold_met(state, event, data)
        case ev.ReferralProposed():
            return start_once(stop(state, event, "T39"), "T30", event)
        case ev.ReferralApproved():
            state = stop(replace(state, referral_decided=True), event, "T30", "T39")
            return state if state.with_police else start_once(state, "T31", event)
        case ev.ReferralDeclined():
            state = stop(replace(state, referral_decided=True), event, "T30", "T39")
            return stop(state, event, "T31", "T32", "T33")
        case ev.ReferralDelivered():
            return handling.referral_delivered(state, event, data)
        case ev.ReferralReceipted():
            state = stop(state, event, "T31")
            if state.police_filed:
                return state
            state = start_once(state, "T32", event, item="pass_on")
            return start_once(state, "T33", event)
        case ev.PoliceSupplementAsked():
            state = stop(state, event, "T32", item="pass_on")
            return start_once(state, "T32", event, variant="next")
        case ev.SupplementSent():
            return stop(state, event, "T32")
        case ev.PoliceFiled():
            state = replace(state, police_filed=True)
            state = stop(state, event, "T32", "T33", "T34", "T35", "T36", "T37")
            return start_once(state, "T38", event)
        case ev.PoliceDeclined():
            state = stop(replace(state, with_police=False), event, "T32", "T33", "T37")
            return start_once(state, "T34", event)
        case ev.ReconsiderationRequested():
            return start_once(stop(state, event, "T34"), "T35", event)
        case ev.ReconsiderationDecided():
            state = stop(state, event, "T35")
            return start_once(state, "T36", event) if data.result == "upheld" else state
        case ev.SupervisionSuggested():
            return stop(state, event, "T34", "T36")
        case ev.PoliceReasonsAsked():
            return state if state.clock("T37") else start(state, "T37", event)
        case ev.FilingOrdered():
            return start_once(state, "T37", event, variant="next")
        case ev.MaterialsHandedOver():
            return stop(state, event, "T38")
        case ev.CreditListingDecided():
            return stop(replace(state, listed=True), event, "T42")
        case ev.EnforcementApplied():
            return stop(replace(state, enforced=True), event, "T24")
        case ev.LegalPathEntered():
            return handling.legal_path_entered(state, event, data)
        case ev.LegalPathEnded():
            return handling.legal_path_ended(state, event, data)
        case ev.ClosureRequested():
            return handling.closure_requested(state, event, data)
        case ev.ClosureReviewPassed():
            return handling.review_passed(state, event, data)
        case ev.ClosureReturned():
            return handling.returned_to_handling(state, event)
        case ev.ClosureRefused():
            return without_owed(state, "ClosureRefused", data.cause)
        case ev.FollowUpCompleted():
            return handling.followed_up(state, event, data)
        case ev.FollowUpWaived():
            return handling.follow_up_waived(state, event)
        case ev.CaseClosed():
            return handling.closed(state, event, data)
        case ev.CaseWrittenOff():
            return stop(replace(state, written_off=True), event, "T14")
        case ev.CaseReopened():
            return handling.reopened(state, event, data)
        case ev.FalseClosureFound():
            return handling.false_closure(state, event)
        case ev.CaseReferredToPublicSecurity() | ev.FalseClosureSuspected():
            return without_owed(state, event.type, data.cause)
        case ev.SupervisionNoticeReplied():
            return clocks.notice_replied(state, event, data)
        case ev.ExtremeIncidentReported():
            return clocks.incident(state, event)
        case ev.IncidentReportFiled():
            return stop(state, event, "T50", step=data.step, item=data.incident)
        case ev.ExtremeIncidentCleared():
            return clocks.incident_cleared(state, event, data)
        case ev.OpinionAlertRaised():
            return clocks.opinion(state, event, data)
        case ev.OpinionStepDone():
            return clocks.opinion_ended(state, event, begins=f"{data.step}|")
        case ev.OpinionAlertCleared():
            ends = f"|{data.url_hash}" if data.url_hash else ""
            return clocks.opinion_ended(state, event, ends=ends)
    assert_never(data)
