"""How each event changes supervision's view of a case: which clocks start, move and stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from services.supervision.decider.standards import (
    paid_in_full,
    reasons_at_follow_up,
    reasons_at_request,
    verified_fen,
)
from services.supervision.decider.state import (
    Asked,
    Clock,
    Incident,
    Instalments,
    Jump,
    Line,
    Order,
    Owed,
    Paid,
    Raised,
    Source,
    Watch,
    owe_later,
    start,
    stop,
    swap,
    without_owed,
)
from shared import events as ev
from shared.events import ClaimLine, Event

CASE_CLOCKS = (
    "T01 T02 T03 T04 T05 T06 T07 T08 T09 T12 T13 T14 T15 T16 T17 T18 T20 T21 T22 T23 T24 "
    "T30 T31 T32 T33 T34 T35 T36 T37 T38 T39 T40 T41 T51 T54 A2 A3 A5 A7"
).split()
"""What ends with the case; a source's reply (T10), incidents, opinion and listing go on."""


def months_between(first: str | None, last: str | None) -> int:
    """Whole months from first to last, both counted; 0 when unknown."""
    if first is None or last is None:
        return 0
    return (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:]) + 1


def evolve(state: Watch, event: Event) -> Watch:
    """The state after an event of a case's stream."""
    data = event.data
    match data:
        case ev.ComplaintReceived():
            return _received(state, event, data)
        case ev.SupplementRequested():
            state = stop(state, event, "T01")
            return start(state, "T02", event, started_at=event.time)
        case ev.SupplementReceived():
            state = stop(replace(state, contact_tries=0), event, "T02")
            return start(state, "T01", event, started_at=event.time)
        case ev.ContactTried():
            tries = state.contact_tries + 1
            state = replace(state, contact_tries=tries)
            return stop(state, event, "T02", item="tries") if tries >= 3 else state
        case ev.ComplaintAccepted():
            return _accepted(state, event, data)
        case ev.ComplaintNotAccepted():
            return _leave(state, event, "NOT_ACCEPTED")
        case ev.ComplaintTransferredOut():
            return _leave(state, event, "TRANSFERRED_OUT")
        case ev.ComplaintMerged():
            state = replace(state, merged_into=data.master)
            return stop(state, event, *CASE_CLOCKS, "T10")
        case ev.ComplaintUnmerged():
            return _unmerged(state, event)
        case ev.ClaimLinesAdded():
            return _lines_added(state, event, data)
        case ev.SourceReplied():
            return _replied(state, event, data)
        case ev.TriageRequested():
            variant = "urgent" if state.urgent else "length"
            return start(state, "T04", event, started_at=event.time, variant=variant)
        case ev.TriageDecided() | ev.HandlerDesignated():
            return stop(state, event, "T04")
        case ev.CaseAssigned() | ev.CaseReassigned():
            return _assigned(state, event, data)
        case ev.AssignmentWithdrawn():
            return stop(state, event, "T05", "T06", "T07", "T08", "T09")
        case ev.AssignmentSigned() | ev.AssignmentDeemedSigned():
            return stop(state, event, "T05")
        case ev.ReturnRequested():
            state = stop(state, event, "T05")
            state = stop(state, event, "T06", item="window")
            return start(state, "T06", event, started_at=event.time)
        case ev.ReturnApproved():
            return stop(state, event, "T05", "T06", "T07", "T08")
        case ev.ReturnNotApproved() | ev.ReturnRefused():
            return stop(state, event, "T06")
        case ev.GroupFormed() | ev.GroupLevelChanged():
            state = replace(state, group_level=data.level)
            item = f"{data.group}|{data.level}"
            return start(state, "T51", event, started_at=event.time, item=item)
        case ev.GroupJoined():
            return stop(replace(state, group_member=True), event, "T09")
        case ev.GroupNoticeGiven():
            for clock in state.clocks:
                if clock.timer == "T51" and (clock.item or "").rsplit("|", 1)[-1] <= data.level:
                    state = stop(state, event, "T51", item=clock.item)
            return state
        case ev.FirstContactMade():
            return stop(state, event, "T07")
        case ev.ProgressReported():
            if state.clock("T08") is None:
                return state
            return start(state, "T08", event, started_at=event.time, variant="next")
        case ev.FactsVerified():
            return _verified(state, event, data)
        case ev.GovFundsRequested():
            return stop(state, event, "T54")
        case ev.ExtensionRequested():
            asked = Asked(event.id, event.known_at, event.time, to=data.to)
            return replace(state, extension=asked, extension_refused=False)
        case ev.ExtensionApproved():
            return _extension_approved(state, event, data)
        case ev.ExtensionNotApproved():
            return replace(state, extension=None)
        case ev.ExtensionRefused():
            if state.approval is not None and state.approval.id == data.cause:
                return replace(state, approval=None)
            return replace(state, extension_refused=True)
        case ev.CaseSuspended():
            state = replace(state, suspended_at=event.time)
            return start(state, "T17", event, started_at=event.time)
        case ev.CaseResumed() | ev.SuspensionLapsed():
            return _resumed(stop(state, event, "T17"), event)
        case ev.InstalmentPlanAgreed():
            return _plan_agreed(state, event, data)
        case ev.PaymentVerified():
            return _payment(state, event, data.payment, data.lines)
        case ev.PaymentReversed():
            return _payment(state, event, data.payment, ())
        case ev.InspectionFiled():
            return start(stop(state, event, "T20"), "T21", event, started_at=event.time)
        case ev.InspectionClosed():
            return start(stop(state, event, "T21"), "T22", event, started_at=event.time)
        case ev.PaymentOrderIssued():
            state = stop(state, event, "T22")
            return start(state, "T22", event, started_at=event.time, item="service", variant="next")
        case ev.PaymentOrderServed():
            return _order_served(state, event, data)
        case ev.PaymentOrderComplied():
            return _order_complied(state, event, data)
        case ev.PenaltyDecided():
            return stop(state, event, "T22")
        case ev.ReferralProposed():
            state = stop(state, event, "T39")
            return start(state, "T30", event, started_at=event.time)
        case ev.ReferralApproved():
            state = stop(replace(state, referral_decided=True), event, "T30", "T39")
            return start(state, "T31", event, started_at=event.time)
        case ev.ReferralDeclined():
            return stop(replace(state, referral_decided=True), event, "T30", "T39")
        case ev.ReferralDelivered():
            state = stop(state, event, "T31")
            return owe_later(state, "CaseReferredToPublicSecurity", event, doc_no=data.doc_no)
        case ev.ReferralReceipted():
            state = start(state, "T32", event, started_at=event.time, item="pass_on")
            return start(state, "T33", event, started_at=event.time)
        case ev.PoliceSupplementAsked():
            state = stop(state, event, "T32")
            return start(state, "T32", event, started_at=event.time, variant="next")
        case ev.SupplementSent():
            return stop(state, event, "T32")
        case ev.PoliceFiled():
            state = replace(state, police_filed=True)
            state = stop(state, event, "T32", "T33", "T34", "T35", "T36", "T37")
            return start(state, "T38", event, started_at=event.time)
        case ev.PoliceDeclined():
            state = stop(state, event, "T32", "T33", "T37")
            return start(state, "T34", event, started_at=event.time)
        case ev.ReconsiderationRequested():
            return start(stop(state, event, "T34"), "T35", event, started_at=event.time)
        case ev.ReconsiderationDecided():
            state = stop(state, event, "T35")
            if data.result == "reversed":
                return state
            return start(state, "T36", event, started_at=event.time)
        case ev.SupervisionSuggested():
            return stop(state, event, "T34", "T36")
        case ev.PoliceReasonsAsked():
            return start(state, "T37", event, started_at=event.time)
        case ev.FilingOrdered():
            return start(state, "T37", event, started_at=event.time, variant="next")
        case ev.MaterialsHandedOver():
            return stop(state, event, "T38")
        case ev.CreditListingDecided():
            return stop(replace(state, listed=True), event, "T42")
        case ev.EnforcementApplied():
            return stop(state, event, "T24")
        case ev.LegalPathEntered():
            timer = {"arbitration": "T40", "petition": "T41"}.get(data.forum)
            return start(state, timer, event, started_at=event.time) if timer else state
        case ev.LegalPathEnded():
            return stop(replace(state, legal_ended=True), event, "T40", "T41")
        case ev.ClosureRequested():
            return _closure_requested(state, event, data)
        case ev.ClosureReviewPassed():
            state = stop(state, event, "T12", step=data.stage)
            if data.stage == "tf":
                return start(state, "T12", event, started_at=event.time, step="office")
            return start(stop(state, event, "T12"), "T13", event, started_at=event.time)
        case ev.ClosureReturned():
            state = stop(state, event, "T12", "T13")
            return start(state, "T18", event, started_at=event.time)
        case ev.FollowUpCompleted():
            return _followed_up(state, event, data)
        case ev.FollowUpWaived():
            return _follow_up_waived(state, event)
        case ev.CaseWrittenOff():
            return stop(state, event, "T14")
        case ev.FalseClosureFound():
            if state.closed:
                return owe_later(state, "CaseReopened", event, reason="FALSE_CLOSURE")
            return _jump(state, event, "L5")
        case ev.SupervisionNoticeReplied():
            return _notice_replied(state, event, data)
        case ev.ExtremeIncidentReported():
            return _incident(state, event)
        case ev.IncidentReportFiled():
            return stop(state, event, "T50", step=data.step, item=data.incident)
        case ev.ExtremeIncidentCleared():
            kept = tuple(entry for entry in state.incidents if entry.id != data.incident)
            return stop(replace(state, incidents=kept), event, "T50", item=data.incident)
        case ev.OpinionAlertRaised():
            for item, variant in (("verify", "length"), ("plan", "next"), ("reply", "outer")):
                state = start(
                    state, "T52", event, started_at=event.time, item=item, variant=variant
                )
            return state
        case ev.OpinionStepDone():
            return stop(state, event, "T52", item=data.step)
        case ev.OpinionAlertCleared():
            return stop(state, event, "T52")
        case ev.DeadlineSet():
            return _deadline_set(state, event, data)
        case ev.AlertRaised():
            return _alert_raised(state, event, data)
        case ev.AlertCleared():
            return _alert_cleared(state, data)
        case ev.SupervisionNoticeIssued():
            return _noticed(state, event, data)
        case ev.CaseEscalated():
            return _escalated(state, data)
        case ev.SupplementLapsed():
            state = stop(state, event, "T02")
            return start(state, "T02", event, started_at=event.time, item="tries", variant="tries")
        case ev.InstalmentDefaulted():
            return _instalment_defaulted(state, event, data)
        case ev.PaymentOrderDefaulted():
            return _order_defaulted(state, event, data)
        case ev.ReferralThresholdMet():
            orders = tuple(
                replace(order, threshold_id=event.id) if order.doc_no == data.doc_no else order
                for order in state.orders
            )
            return start(replace(state, orders=orders), "T39", event, started_at=event.time)
        case ev.ClosureRefused():
            return without_owed(state, "ClosureRefused", data.cause)
        case ev.CaseClosed():
            return _closed(state, event, data)
        case ev.CaseReopened():
            return _reopened(state, event, data)
        case ev.CaseReferredToPublicSecurity() | ev.FalseClosureSuspected():
            return without_owed(state, event.type, data.cause)
        case ev.SourceReplyOwed():
            return _drop_reply(state, data)
        case (
            ev.ComplainantTold()
            | ev.MergeApproved()
            | ev.MergeRevoked()
            | ev.CoHandlerReported()
            | ev.MediationAgreed()
            | ev.PaymentRecorded()
            | ev.ExtraCompensationOrdered()
            | ev.AssetQueryApprovalRequested()
            | ev.AssetQueryApprovalGranted()
            | ev.PoliceAssistanceAsked()
            | ev.PublicationMade()
            | ev.FollowUpAttempted()
            | ev.InterviewHeld()
            | ev.ExtremeIncidentVerified()
            | ev.IllegalDemandRecorded()
            | ev.ScreeningReported()
            | ev.ZeroReportFiled()
            | ev.SummaryFiled()
            | ev.SupervisionVisitRecorded()
            | ev.RectificationReported()
            | ev.MeasurePlanFiled()
            | ev.MeasureCompleted()
            | ev.MeetingHeld()
            | ev.PublicityRecorded()
            | ev.RuleRevised()
            | ev.PolicyAdopted()
            | ev.ClockAdopted()
            | ev.ClockAdvanced()
            | ev.PiiAccessed()
            | ev.PiiErased()
            | ev.AccessDenied()
            | ev.MatchRegistered()
            | ev.MatchUpdated()
            | ev.MatchFound()
            | ev.CoHandlerAdded()
            | ev.LedgerSnapshotTaken()
            | ev.RankingPublished()
            | ev.BulletinIssued()
            | ev.CorrectionIssued()
            | ev.PhaseTargetEvaluated()
            | ev.CheckpointSigned()
            | ev.ReadDenied()
        ):
            return state
    assert_never(data)


# --- intake and assignment ---------------------------------------------------------------------


def _line(line: ClaimLine, heads: int = 1) -> Line:
    months = months_between(line.months_from, line.months_to)
    return Line(line.line, line.amount_fen, months, heads)


def _received(state: Watch, event: Event, data: ev.ComplaintReceived) -> Watch:
    if state.received_at is not None:
        return state
    heads = data.workers or 1
    if data.claims:
        single = len(data.claims) == 1
        lines = tuple(_line(line, heads if single else 1) for line in data.claims)
    else:
        months = months_between(data.months_from, data.months_to)
        lines = (Line("1", data.amount_fen, months, heads),)
    source = Source(data.source, data.source_ref, data.tier, data.received_at, data.external_due_at)
    state = replace(
        state,
        tier=data.tier,
        kind=data.kind,
        received_at=data.received_at,
        petition=data.via == "petition",
        signalled_urgent=bool(data.signals and data.signals.urgent),
        lines=lines,
        sources=(source,),
    )
    state = start(state, "T01", event, started_at=event.time)
    state = start(state, "T20", event, started_at=event.time)
    state = start(state, "T41", event, started_at=event.time, item="acceptance")
    state = start(state, "T41", event, started_at=event.time, item="conclusion", variant="outer")
    return _reply_clock(state, event, source)


def _reply_clock(state: Watch, event: Event, source: Source) -> Watch:
    """T10: started for every source; derivation drops it where no rule gives a due."""
    return start(
        state,
        "T10",
        event,
        started_at=source.received_at,
        item=f"{source.source}|{source.source_ref}",
        fixed_due=source.external_due_at,
        source_ref=source.source_ref,
    )


def _accepted(state: Watch, event: Event, data: ev.ComplaintAccepted) -> Watch:
    urgent = state.signalled_urgent if data.urgent is None else data.urgent
    state = replace(state, accepted=True, urgent=urgent)
    state = stop(state, event, "T01", "T02")
    state = stop(state, event, "T41", item="acceptance")
    variant = "urgent" if urgent else "length"
    state = start(state, "T03", event, started_at=event.time, variant=variant)
    return start(state, "A", event, started_at=event.time)


def _leave(state: Watch, event: Event, conclusion: str) -> Watch:
    """The case leaves the base: every clock of it stops, its sources are answered."""
    state = stop(replace(state, out=True), event, *CASE_CLOCKS)
    return _owe_replies(state, event, conclusion)


def _owe_replies(state: Watch, event: Event, conclusion: str) -> Watch:
    """SourceReplyOwed, one a source that was not answered (I-03)."""
    for source in state.sources:
        if not source.replied:
            fields: dict[str, str | None | list[str]] = {
                "source": source.source,
                "source_ref": source.source_ref,
                "conclusion": conclusion,
            }
            owed = Owed("SourceReplyOwed", event.id, event.known_at, fields)
            state = replace(state, owed=(*state.owed, owed))
    return state


def _drop_reply(state: Watch, data: ev.SourceReplyOwed) -> Watch:
    kept = tuple(
        item
        for item in state.owed
        if not (
            item.type == "SourceReplyOwed"
            and item.cause == data.cause
            and item.fields["source"] == data.source
            and item.fields["source_ref"] == data.source_ref
        )
    )
    return replace(state, owed=kept)


def _replied(state: Watch, event: Event, data: ev.SourceReplied) -> Watch:
    sources = tuple(
        replace(source, replied=True)
        if (source.source, source.source_ref) == (data.source, data.source_ref)
        else source
        for source in state.sources
    )
    item = f"{data.source}|{data.source_ref}"
    return stop(replace(state, sources=sources), event, "T10", item=item)


def _unmerged(state: Watch, event: Event) -> Watch:
    state = replace(state, merged_into=None)
    state = start(state, "T01", event, started_at=event.time)
    for source in state.sources:
        if not source.replied:
            state = _reply_clock(state, event, source)
    return state


def _lines_added(state: Watch, event: Event, data: ev.ClaimLinesAdded) -> Watch:
    """A merged case's new lines and source go on here; a repeat in time reopens (domain 2.3)."""
    number = len(state.lines)
    lines = list(state.lines)
    for line in data.lines:
        if line.line not in data.same:
            number += 1
            lines.append(replace(_line(line), line=str(number)))
    state = replace(state, lines=tuple(lines), facts_at=event.known_at)
    if data.whole:
        source = Source(
            data.source, data.source_ref, data.tier, data.received_at, data.external_due_at
        )
        state = replace(state, sources=(*state.sources, source))
        state = _reply_clock(state, event, source)
    if data.reopens and state.closed:
        return owe_later(state, "CaseReopened", event, reason="REPEATED_COMPLAINT")
    return state


def _assigned(state: Watch, event: Event, data: ev.CaseAssigned | ev.CaseReassigned) -> Watch:
    """Signing, return window, contact, progress and handling start (or start anew)."""
    before = state.clock("T09")
    state = replace(
        state,
        task_force=data.task_force,
        department=data.department,
        township=data.township,
    )
    state = stop(state, event, "T03", "T04")
    at = event.time
    contact = "urgent" if state.urgent else "length"
    state = start(state, "T05", event, started_at=at)
    state = start(state, "T06", event, started_at=at, item="window")
    state = start(state, "T07", event, started_at=at, variant=contact)
    state = start(state, "T08", event, started_at=at)
    if state.group_member:
        return state
    if isinstance(data, ev.CaseReassigned) and before is not None and before.due_at is not None:
        moved = replace(
            before,
            cause=event.id,
            started_at=at,
            known_at=event.known_at,
            limit=before.limit or before.due_at,
            fixed_due=None,
            spans=(),
            set_id=None,
            moved=True,
        )
        return swap(state, before, moved)
    return start(state, "T09", event, started_at=at)


# --- handling ------------------------------------------------------------------------------------


def _verified(state: Watch, event: Event, data: ev.FactsVerified) -> Watch:
    known = {line.line: line for line in data.lines}
    lines = [
        replace(
            line, verified_fen=known[line.line].amount_fen, verified_months=known[line.line].months
        )
        if line.line in known
        else line
        for line in state.lines
    ]
    have = {line.line for line in lines}
    lines += [
        Line(line.line, None, line.months, 1, line.amount_fen, line.months)
        for line in data.lines
        if line.line not in have
    ]
    state = replace(state, lines=tuple(lines), facts_at=event.known_at)
    if data.root_cause == "GOV_FUNDS":
        state = start(state, "T54", event, started_at=event.time)
    if data.root_cause == "FLED":
        state = _jump(state, event, "L4")
    return _orders_paid(state, event)


def _jump(state: Watch, event: Event, level: str) -> Watch:
    """A fast lane under the running T09, else T18."""
    clock = state.clock("T09") or state.clock("T18")
    if clock is None:
        return state
    return swap(state, clock, replace(clock, jump=Jump(level, event.id, event.known_at)))


def _extension_approved(state: Watch, event: Event, data: ev.ExtensionApproved) -> Watch:
    if state.extension_refused:
        return replace(state, extension=None, extension_refused=False)
    asked = Asked(event.id, event.known_at, event.time, to=data.to, approver=data.approver)
    return replace(state, approval=asked, extension=None)


def _resumed(state: Watch, event: Event) -> Watch:
    """After a suspension the handling deadline moves by the working days wholly in it (I-18)."""
    begin, clock = state.suspended_at, state.clock("T09")
    state = replace(state, suspended_at=None)
    if begin is None or clock is None:
        return state
    moved = replace(
        clock,
        cause=event.id,
        known_at=event.known_at,
        spans=(*clock.spans, (begin, event.time)),
        set_id=None,
        moved=True,
        floor=event.known_at,
    )
    return swap(state, clock, moved)


def _plan_agreed(state: Watch, event: Event, data: ev.InstalmentPlanAgreed) -> Watch:
    state = stop(state, event, "T16")
    total, cumulative = 0, []
    for part in sorted(data.plan, key=lambda part: (part.due_on, part.n)):
        total += part.amount_fen
        cumulative.append((part.n, total))
    state = replace(state, plan=Instalments(event.id, verified_fen(state), tuple(cumulative)))
    for part in data.plan:
        due = datetime.fromisoformat(f"{part.due_on.isoformat()}T12:00:00+08:00")
        state = start(state, "T16", event, started_at=event.time, item=str(part.n), fixed_due=due)
    return state


def _payment(state: Watch, event: Event, payment: str, lines: tuple[ev.PaidLine, ...]) -> Watch:
    """A verified payment counts once by its name; a reversed one no longer counts."""
    kept = [paid for paid in state.paid if paid.payment != payment]
    added = [Paid(payment, line.line, line.amount_fen) for line in lines]
    state = replace(state, paid=(*kept, *added), facts_at=event.known_at)
    if lines:
        state = replace(state, last_paid_time=event.time)
    if state.closed and state.closure_kind == "PAID_IN_FULL" and not paid_in_full(state):
        state = owe_later(state, "CaseReopened", event, reason="PAYMENT_REVERSED")
    return _orders_paid(_instalments_paid(state, event), event)


def _instalments_paid(state: Watch, event: Event) -> Watch:
    plan = state.plan
    if plan is None or plan.void:
        return state
    paid = verified_fen(state) - plan.base_fen
    for n, total in plan.cumulative:
        if paid >= total:
            state = stop(state, event, "T16", item=str(n))
    return state


def _orders_paid(state: Watch, event: Event) -> Watch:
    """A served order is obeyed when every line is paid."""
    return stop(state, event, "T23", "T24") if paid_in_full(state) else state


def _instalment_defaulted(state: Watch, event: Event, data: ev.InstalmentDefaulted) -> Watch:
    state = stop(state, event, "T16", item=str(data.n))
    if state.plan is None:
        return state
    plan = replace(state.plan, defaults=state.plan.defaults + 1, void=data.plan_void)
    state = replace(state, plan=plan)
    return stop(state, event, "T16") if data.plan_void else state


# --- payment order -------------------------------------------------------------------------------


def _order_served(state: Watch, event: Event, data: ev.PaymentOrderServed) -> Watch:
    others = tuple(order for order in state.orders if order.doc_no != data.doc_no)
    state = replace(state, orders=(*others, Order(data.doc_no, data.doc_type)))
    state = stop(state, event, "T22")
    state = start(
        state, "T23", event, started_at=event.time, item=data.doc_no, fixed_due=data.limit_at
    )
    if data.doc_type == "decision":
        state = start(state, "T24", event, started_at=event.time, item=data.doc_no)
        state = start(state, "T42", event, started_at=event.time, item=f"decision|{data.doc_no}")
    return _orders_paid(state, event)


def _order_complied(state: Watch, event: Event, data: ev.PaymentOrderComplied) -> Watch:
    orders = tuple(
        replace(order, complied=True) if data.doc_no in (None, order.doc_no) else order
        for order in state.orders
    )
    return stop(replace(state, orders=orders), event, "T23", "T24", item=data.doc_no)


def _order_defaulted(state: Watch, event: Event, data: ev.PaymentOrderDefaulted) -> Watch:
    orders = tuple(
        replace(order, defaulted_at=event.time, default_id=event.id)
        if order.doc_no == data.doc_no
        else order
        for order in state.orders
    )
    state = stop(replace(state, orders=orders), event, "T23", item=data.doc_no)
    under_way = any(clock.timer == "T42" and clock.set_id is not None for clock in state.clocks)
    if under_way or state.listed:
        return state
    return start(state, "T42", event, started_at=event.time, item=f"default|{data.doc_no}")


# --- closing -------------------------------------------------------------------------------------


def _closure_requested(state: Watch, event: Event, data: ev.ClosureRequested) -> Watch:
    reasons = reasons_at_request(state, data)
    if reasons:
        return owe_later(state, "ClosureRefused", event, reasons=list(reasons))
    state = replace(state, closure_kind=data.kind)
    state = stop(state, event, "T08", "T09", "T18")
    return start(state, "T12", event, started_at=event.time, step="tf")


def _followed_up(state: Watch, event: Event, data: ev.FollowUpCompleted) -> Watch:
    reasons = reasons_at_follow_up(state, event, data)
    if not reasons:
        state = stop(state, event, "T13")
        return owe_later(
            state, "CaseClosed", event, kind=state.closure_kind or "PAID_IN_FULL", flag=None
        )
    state = owe_later(state, "ClosureRefused", event, reasons=list(reasons))
    if {"NOT_PAID", "UNPAID"} & set(reasons):
        state = stop(state, event, "T13")
        state = start(state, "T18", event, started_at=event.time)
        if "NOT_PAID" in reasons:
            state = owe_later(state, "FalseClosureSuspected", event)
        return state
    if reasons == ["UNSATISFIED"]:
        # 释明: explain within two working days, then the office decides.
        state = stop(state, event, "T13")
        return start(state, "T13", event, started_at=event.time, item="explain")
    return state


def _follow_up_waived(state: Watch, event: Event) -> Watch:
    kind = state.closure_kind or "PAID_IN_FULL"
    if kind == "PAID_IN_FULL" and not paid_in_full(state):
        return owe_later(state, "ClosureRefused", event, reasons=["UNPAID"])
    state = stop(state, event, "T13")
    return owe_later(state, "CaseClosed", event, kind=kind, flag="UNSATISFIED")


def _closed(state: Watch, event: Event, data: ev.CaseClosed) -> Watch:
    state = without_owed(state, "CaseClosed", data.cause)
    state = stop(state, event, *CASE_CLOCKS)
    state = replace(state, closed=True, closed_at=event.time, closure_kind=data.kind)
    state = _owe_replies(state, event, data.kind)
    state = start(state, "T14", event, started_at=event.time)
    return start(state, "T15", event, started_at=event.time)


def _reopened(state: Watch, event: Event, data: ev.CaseReopened) -> Watch:
    state = without_owed(state, "CaseReopened", data.cause)
    state = stop(state, event, "T14", "T15")
    state = replace(state, closed=False, closed_at=None, closure_kind=None)
    state = start(state, "T18", event, started_at=event.time)
    state = start(state, "A", event, started_at=event.time, variant="reopened")
    if data.reason == "FALSE_CLOSURE":
        redo = state.clock("T18")
        assert redo is not None
        return swap(state, redo, replace(redo, jump=Jump("L5", data.cause, event.known_at)))
    return state


# --- incidents -----------------------------------------------------------------------------------


def _incident(state: Watch, event: Event) -> Watch:
    """T50: by phone, in writing, and updates until it is cleared; L7 at once."""
    state = replace(state, incidents=(*state.incidents, Incident(event.id)))
    for step, variant in (("phone", "length"), ("written", "next"), ("update", "outer")):
        state = start(
            state, "T50", event, started_at=event.time, step=step, item=event.id, variant=variant
        )
    phone = next(
        clock for clock in state.clocks if clock.key == ("T50", "phone", event.id) and clock.running
    )
    return swap(state, phone, replace(phone, jump=Jump("L7", event.id, event.known_at)))


# --- own decisions about clocks ------------------------------------------------------------------


def _deadline_set(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    if data.timer == "T50" and data.step == "update":
        state = _next_update(state, event, data)
    waiting = [c for c in state.clocks if c.running and _fits(c, data)]
    clock = next((c for c in waiting if c.set_id is None), waiting[-1] if waiting else None)
    if clock is None:
        return state
    approval = state.approval
    extended = approval is not None and approval.id == data.cause
    new = replace(
        clock,
        timer=data.timer,
        cause=data.cause,
        started_at=data.started_at,
        set_id=event.id,
        due_at=data.due_at,
        outer_due_at=data.outer_due_at,
        cap_target_at=data.cap_target_at,
        book=(event.policy or "").partition("@")[2] or None,
        known_at=max(clock.known_at, event.time) if data.moved else clock.known_at,
        fixed_due=data.due_at if extended else clock.fixed_due,
        spans=() if extended else clock.spans,
    )
    state = swap(state, clock, new)
    if extended:
        return replace(state, approval=None, extensions=state.extensions + 1)
    return state


def _next_update(state: Watch, event: Event, data: ev.DeadlineSet) -> Watch:
    """Updates go on every four hours from the due before, reported or not, until cleared."""
    incidents = tuple(
        replace(entry, update_due_at=data.due_at) if entry.id == data.item else entry
        for entry in state.incidents
    )
    state = replace(state, incidents=incidents)
    first = any(c.set_id is None and c.running and _fits(c, data) for c in state.clocks)
    if first:
        return state
    clock = Clock(
        timer="T50",
        cause=data.cause,
        started_at=data.started_at,
        known_at=event.time,
        step="update",
        item=data.item,
        variant="outer",
    )
    return replace(state, clocks=(*state.clocks, clock))


def _fits(clock: Clock, data: ev.DeadlineSet) -> bool:
    timer = clock.timer == data.timer or (clock.timer == "A" and data.timer.startswith("A"))
    return timer and clock.step == data.step and clock.item == data.item


def _alert_raised(state: Watch, event: Event, data: ev.AlertRaised) -> Watch:
    clock = next((c for c in state.clocks if c.running and _raised_under(c, data)), None)
    if data.timer.startswith("A") and data.level == "L7":
        state = replace(state, a_date_missed=True)
    if clock is None:
        return state
    jump = None if clock.jump and clock.jump.cause == data.cause else clock.jump
    raised = Raised(data.level, event.id, clock.set_id, event.time)
    return swap(state, clock, replace(clock, raised=(*clock.raised, raised), jump=jump))


def _raised_under(clock: Clock, data: ev.AlertRaised) -> bool:
    jump = clock.jump is not None and clock.jump.cause == data.cause
    return clock.set_id == data.cause or (jump and clock.timer == data.timer)


def _alert_cleared(state: Watch, data: ev.AlertCleared) -> Watch:
    for clock in state.clocks:
        kept = tuple(alert for alert in clock.raised if alert.id != data.cause)
        if len(kept) < len(clock.raised):
            gone = not clock.running and not kept
            return swap(state, clock, None if gone else replace(clock, raised=kept))
    return state


def _noticed(state: Watch, event: Event, data: ev.SupervisionNoticeIssued) -> Watch:
    state = replace(state, notices=state.notices + 1)
    for clock in state.clocks:
        if any(alert.id == data.cause for alert in clock.raised):
            return swap(state, clock, replace(clock, notice=data.notice_no, notice_at=event.time))
    return state


def _notice_replied(state: Watch, event: Event, data: ev.SupervisionNoticeReplied) -> Watch:
    clocks = tuple(
        replace(clock, replied_at=event.known_at)
        if clock.notice is not None
        and clock.replied_at is None
        and data.notice_no in (None, clock.notice)
        else clock
        for clock in state.clocks
    )
    return replace(state, clocks=clocks)


def _escalated(state: Watch, data: ev.CaseEscalated) -> Watch:
    for clock in state.clocks:
        if any(alert.id == data.cause for alert in clock.raised):
            raised = tuple(
                replace(alert, escalated=True) if alert.id == data.cause else alert
                for alert in clock.raised
            )
            return swap(state, clock, replace(clock, raised=raised))
    return state
