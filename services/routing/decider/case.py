"""Routing's view of a case, and what it owes: assignment, triage, returns, merging."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never, get_args

from services.routing.decider import reasons, standing
from services.routing.decider.desk import Asked, Desk, Found, Told
from services.routing.decider.foreseen import Foreseen, heard
from services.routing.decider.place import Township, township_of
from services.routing.decider.rules import Answer, Facts, choose, default_co, facts_of
from shared import events as ev
from shared.calendar import civil, end_of
from shared.envelope import owe
from shared.events import AnyData, Event, RunnerUp, Service, TownshipFrom, Unit
from shared.frozen import replace
from shared.policy import Policy

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class CaseRouting:
    """Routing on a case's stream."""

    writer: Service = "routing"
    state_type = Desk

    def __init__(self) -> None:
        self._foreseen = Foreseen(owed)

    def initial(self, subject: str) -> Desk:
        return Desk(subject)

    def evolve(self, state: Desk, event: Event) -> Desk:
        if event.subject != state.subject:
            return heard(state, _addressed_elsewhere(state, event), event)
        return heard(state, _evolve(state, event), event)

    def decide(self, state: Desk, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self._foreseen.take(state, policy) if event.time <= now]

    def wake_at(self, state: Desk, policy: Policy) -> datetime | None:
        return min((event.time for event in self._foreseen.look(state, policy)), default=None)


def _asked(event: Event) -> Asked:
    return Asked(event.id, event.known_at, event.time, event.unit)


def _addressed_elsewhere(state: Desk, event: Event) -> Desk:
    """An own decision for a match, group or master stream: remember that it was made."""
    data = event.data
    match data:
        case ev.MatchRegistered():
            return replace(state, registered=(*state.registered, f"{event.subject}|{data.line}"))
        case ev.MatchUpdated():
            name = data.cause if data.line is None else f"{data.cause}|{data.line}"
            return replace(state, heard=(*state.heard, f"{event.subject}|{name}"))
        case ev.ClaimLinesAdded():
            return standing.sent(state, event, data)
        case ev.ClaimLinesRemoved():
            gone = tuple(item for item in state.gone if item.id != data.cause)
            return replace(state, gone=gone)
        case _:
            return state


Unheard: TypeAlias = (
    ev.SupplementRequested
    | ev.ContactTried
    | ev.ComplainantTold
    | ev.AssignmentSigned
    | ev.CoHandlerReported
    | ev.FirstContactMade
    | ev.FactsVerified
    | ev.ProgressReported
    | ev.ExtensionRequested
    | ev.ExtensionApproved
    | ev.ExtensionNotApproved
    | ev.CaseSuspended
    | ev.CaseResumed
    | ev.MediationAgreed
    | ev.InstalmentPlanAgreed
    | ev.PaymentRecorded
    | ev.PaymentVerified
    | ev.PaymentReversed
    | ev.InspectionFiled
    | ev.InspectionClosed
    | ev.PaymentOrderIssued
    | ev.PaymentOrderServed
    | ev.PaymentOrderComplied
    | ev.ExtraCompensationOrdered
    | ev.PenaltyDecided
    | ev.AssetQueryApprovalRequested
    | ev.AssetQueryApprovalGranted
    | ev.PoliceAssistanceAsked
    | ev.ReferralProposed
    | ev.ReferralApproved
    | ev.ReferralDeclined
    | ev.ReferralDelivered
    | ev.ReferralReceipted
    | ev.PoliceSupplementAsked
    | ev.SupplementSent
    | ev.PoliceFiled
    | ev.PoliceDeclined
    | ev.ReconsiderationRequested
    | ev.ReconsiderationDecided
    | ev.SupervisionSuggested
    | ev.PoliceReasonsAsked
    | ev.FilingOrdered
    | ev.MaterialsHandedOver
    | ev.CreditListingDecided
    | ev.PublicationMade
    | ev.EnforcementApplied
    | ev.LegalPathEntered
    | ev.LegalPathEnded
    | ev.GovFundsRequested
    | ev.ClosureRequested
    | ev.ClosureReviewPassed
    | ev.ClosureReturned
    | ev.FollowUpAttempted
    | ev.FollowUpCompleted
    | ev.FollowUpWaived
    | ev.CaseWrittenOff
    | ev.FalseClosureFound
    | ev.SupervisionNoticeReplied
    | ev.InterviewHeld
    | ev.ExtremeIncidentReported
    | ev.IncidentReportFiled
    | ev.ExtremeIncidentVerified
    | ev.ExtremeIncidentCleared
    | ev.IllegalDemandRecorded
    | ev.OpinionAlertRaised
    | ev.OpinionStepDone
    | ev.OpinionAlertCleared
    | ev.GroupNoticeGiven
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
    | ev.RepeatFound
    | ev.MatchDismissed
    | ev.GroupFormed
    | ev.GroupLevelChanged
    | ev.GroupJoined
    | ev.CoHandlerAdded
    | ev.DeadlineSet
    | ev.AlertRaised
    | ev.AlertCleared
    | ev.SupervisionNoticeIssued
    | ev.CaseEscalated
    | ev.AssignmentDeemedSigned
    | ev.ExtensionRefused
    | ev.SuspensionLapsed
    | ev.SupplementLapsed
    | ev.InstalmentDefaulted
    | ev.PaymentOrderDefaulted
    | ev.ReferralThresholdMet
    | ev.CaseReferredToPublicSecurity
    | ev.ClosureRefused
    | ev.FalseClosureSuspected
    | ev.SourceReplyOwed
    | ev.GroupMemberUpdated
    | ev.GroupLeft
    | ev.LedgerSnapshotTaken
    | ev.RankingPublished
    | ev.BulletinIssued
    | ev.CorrectionIssued
    | ev.PhaseTargetEvaluated
    | ev.CheckpointSigned
    | ev.ReadDenied
)
"""What leaves routing's view of a case as it is. Asked for first: matching goes
through every class before it."""

_UNHEARD: Final = frozenset(get_args(Unheard))


def _unheard(data: AnyData) -> TypeIs[Unheard]:
    return type(data) in _UNHEARD


def _evolve(state: Desk, event: Event) -> Desk:
    data = event.data
    if _unheard(data):
        return state
    match data:
        case ev.ComplaintReceived():
            if state.received is not None:
                return state
            bare = data.model_copy(update={"text": None, "contact": None})
            return replace(state, received=bare, received_event=_asked(event))
        case ev.SupplementReceived():
            return replace(state, supplement=data)
        case ev.ComplaintAccepted():
            return replace(state, accepted=_asked(event))
        case ev.TriageDecided() | ev.HandlerDesignated():
            designated = isinstance(data, ev.HandlerDesignated)
            decision = ev.TriageDecided(
                task_force=data.task_force,
                department=data.department,
                township=data.township,
                co_handlers=data.co_handlers,
            )
            # A designation answers the return that waits for one (I-06).
            before = _return_answered(state) if designated else state
            return replace(before, decided=_asked(event), decision=decision, designated=designated)
        case ev.TriageRequested():
            done = replace(state, answered=data.cause)
            if data.reason == "RETURNED":
                return replace(done, return_approved=None)
            return done
        case ev.CaseAssigned() | ev.CaseReassigned():
            unit = Unit(
                task_force=data.task_force, department=data.department, township=data.township
            )
            return replace(
                state,
                unit=unit,
                assigned_at=event.time,
                answered=data.cause,
                decided=None,
                return_asked=None,
            )
        case ev.ReturnRequested():
            return replace(state, return_asked=_asked(event))
        case ev.ReturnApproved():
            return _return_approved(state, event)
        case ev.ReturnNotApproved():
            return _return_answered(state)
        case ev.ReturnRefused():
            return replace(state, return_asked=None)
        case ev.MatchFound():
            found = Found(
                data.match,
                data.with_case,
                data.line,
                data.with_line,
                data.reopens,
                event.known_at,
                event.id,
            )
            return replace(state, found=(*state.found, found))
        case ev.MergeApproved():
            return replace(state, merge_approved=(_asked(event), data))
        case ev.MergeRevoked():
            if state.merged_into is None:
                return replace(state, merge_approved=None)
            return replace(state, merge_revoked=_asked(event))
        case ev.ComplaintMerged():
            withdraw = (_asked(event), "MERGED") if state.unit else None
            told = _tell(state, event, "merged", master=data.master)
            return replace(
                told,
                merged_into=data.master,
                merged=_asked(event),
                merge_approved=None,
                withdraw=withdraw,
                under=tuple(replace(item, late=False) for item in state.under),
                passed=(),
                stale=(),
                gone=(),
            )
        case ev.ComplaintUnmerged():
            return _unmerged(state, event)
        case ev.ClaimLinesAdded():
            return standing.arrived(state, event, data)
        case ev.ClaimLinesRemoved():
            return standing.left(state, event, data)
        case ev.ComplaintNotAccepted() | ev.ComplaintTransferredOut():
            reason = (
                "NOT_ACCEPTED" if isinstance(data, ev.ComplaintNotAccepted) else "TRANSFERRED_OUT"
            )
            withdraw = (_asked(event), reason) if state.unit else None
            return replace(_tell(state, event, "out"), out=True, withdraw=withdraw)
        case ev.SourceReplied():
            return standing.replied(state, event, data)
        case ev.AssignmentWithdrawn():
            return replace(state, withdraw=None, unit=None)
        case ev.CaseClosed():
            kind = None if data.kind == "PAID_IN_FULL" else data.kind
            return _tell(state, event, "closed", kind)
        case ev.CaseReopened():
            return _tell(state, event, "reopened")
    assert_never(data)


def _return_answered(state: Desk) -> Desk:
    """A unit returns a case once, whatever the office answers (I-06)."""
    if state.return_asked is None:
        return state
    units = (*state.returned_by, state.return_asked.unit)
    return replace(state, returned_by=units, return_asked=None)


def _return_approved(state: Desk, event: Event) -> Desk:
    if state.return_asked is None:
        return state
    return replace(
        _return_answered(state),
        return_approved=_asked(event),
        returns_approved=state.returns_approved + 1,
    )


def _unmerged(state: Desk, event: Event) -> Desk:
    """On its own again. What was assigned or in triage before is decided on anew."""
    told = _tell(state, event, "separated") if state.merged_into else state
    again = replace(
        told,
        merged_into=None,
        merged=None,
        merge_approved=None,
        merge_revoked=None,
        found=(),
        passed=(),
        stale=(),
        gone=(),
        answers=(),
    )
    if state.accepted is None or state.merged_into is None:
        return again
    return replace(again, accepted=_asked(event), answered=None)


def _tell(
    state: Desk, event: Event, status: str, kind: str | None = None, master: str | None = None
) -> Desk:
    told = Told(event.id, status, event.known_at, kind, master)
    return replace(state, told=(*state.told, told))


def owed(state: Desk, policy: Policy) -> list[Event]:
    """Every decision that the case's fold still owes, each with its own instant."""
    if state.received is None or state.received_event is None:
        return []
    found = _registrations(state) + _notices(state) + standing.removals(state)
    if state.merged_into is not None and (ends := standing.separation(state)) is not None:
        return [*found, *ends]
    if state.withdraw is not None:
        asked, reason = state.withdraw
        withdrawn = ev.AssignmentWithdrawn.model_validate({"cause": asked.id, "reason": reason})
        return [*found, owe(state.subject, asked.at, withdrawn)]
    if state.merged_into is not None:
        return found + standing.passing_on(state)
    if state.out:
        return found
    merged = standing.merging(state)
    if merged:
        return found + merged
    moved = standing.lines_moved(state)
    return found + moved + _returns(state, policy) + _assignment(state, policy)


def _keys(state: Desk) -> list[tuple[str, ev.ClaimLine | None]]:
    """Every match stream with its line, and the one group stream on which this case is counted."""
    if state.received is None:
        return []
    keys: list[tuple[str, ev.ClaimLine | None]] = [
        (key, line) for line in state.received.claims for key in line.match_keys
    ]
    return [*keys, *((key, None) for key in state.received.group_keys[:1])]


def _registrations(state: Desk) -> list[Event]:
    """MatchRegistered on every stream that this complaint's lines and workers belong to."""
    received, asked = state.received, state.received_event
    if received is None or asked is None:
        return []
    wanted = [
        (key, line)
        for key, line in _keys(state)
        if f"{key}|{line.line if line else None}" not in state.registered
    ]
    if not wanted:
        return []
    site = received.site.township if received.site else None
    people = tuple(sorted({line.worker for line in received.claims if line.worker}))
    # A worker may have two lines; a line that names nobody is somebody else's (domain 8, 9).
    unnamed = sum(not line.worker for line in received.claims)
    heads = max(received.workers or 1, len(people) + unnamed)
    result: list[Event] = []
    for key, line in wanted:
        number = line.line if line else None
        months = (line.months_from, line.months_to) if line else (None, None)
        data = ev.MatchRegistered(
            cause=asked.id,
            case=state.subject,
            line=number,
            received_at=received.received_at,
            registered_at=asked.at,
            workers=() if line else people,
            heads=1 if line else heads,
            months=(months[0], months[1]) if months[0] and months[1] else None,
            township=site,
            also=None if line else next(iter(received.group_keys[1:]), None),
        )
        result.append(owe(key, asked.at, data, decidedby=state.subject))
    return result


def _notices(state: Desk) -> list[Event]:
    """MatchUpdated: what became of this case, for all who may repeat a claim that stands here.

    A complaint that was merged here may have come under keys that this case has not; who repeats
    that one finds its master only if this case tells there too what it is by now.
    """
    if not state.told:
        return []
    keys = _keys(state)
    own = {key for key, _ in keys}
    latest = next((told for told in reversed(state.told) if told.line is None), None)
    result: list[Event] = []
    for told in state.told:
        if told.line is not None:
            concerned = {key for key, line in keys if line is not None and line.line == told.line}
        elif told is latest:
            concerned = own | standing.keys_under(state)
        else:
            concerned = own
        for key in sorted(concerned):
            if f"{key}|{told.name}" not in state.heard:
                result.append(_notice(state, key, told))
    return result


def _notice(state: Desk, key: str, told: Told) -> Event:
    data = ev.MatchUpdated.model_validate(
        {
            "cause": told.id,
            "case": state.subject,
            "status": told.status,
            "since": told.at,
            "kind": told.kind,
            "master": told.master,
            "line": told.line,
        }
    )
    return owe(key, told.at, data, decidedby=state.subject)


def _returns(state: Desk, policy: Policy) -> list[Event]:
    """ReturnRefused by rule: outside the window (T06), or one return too many (I-06)."""
    asked = state.return_asked
    if asked is None or state.assigned_at is None:
        return []
    code = None
    if asked.unit in state.returned_by or state.returns_approved >= 2 or state.designated:
        code = "SECOND_RETURN"
    elif asked.time >= return_window_end(state, policy):
        code = "WINDOW_CLOSED"
    if code is None:
        return []
    data = ev.ReturnRefused.model_validate({"cause": asked.id, "code": code})
    return [owe(state.subject, asked.at, data)]


def return_window_end(state: Desk, policy: Policy) -> datetime:
    """24:00 of the first working day after the assignment; petitions: of the fifth day."""
    assert state.assigned_at is not None
    assert state.received is not None
    handling = policy.content.handling
    day = civil(state.assigned_at)
    if state.received.source in handling.petition_sources or state.received.via == "petition":
        return end_of(day + timedelta(days=handling.petition_window_cd))
    return end_of(policy.calendar.after(day, policy.timers["T06"].length.n))


def _assignment(state: Desk, policy: Policy) -> list[Event]:
    """CaseAssigned, CaseReassigned or TriageRequested, whichever the last act calls for."""
    if state.return_approved is not None:
        asked = state.return_approved
        data = ev.TriageRequested(cause=asked.id, reason="RETURNED", proposal=state.unit)
        return [owe(state.subject, asked.at, data)]
    if state.decided is not None and state.decided.id != state.answered:
        return [_by_the_office(state, policy)]
    if state.accepted is None or state.unit is not None or state.answered is not None:
        return []
    return [_by_rule(state, state.accepted, policy)]


def _by_the_office(state: Desk, policy: Policy) -> Event:
    asked, decision = state.decided, state.decision
    assert asked is not None
    assert decision is not None
    assert state.received is not None
    facts = facts_of(state.received, state.supplement)
    co = decision.co_handlers
    if co is None:
        unit = decision.department or decision.task_force
        co = default_co(unit, facts, policy) if unit else ()
    answer = Answer("DESIGNATED" if state.designated else "OFFICE", decision.task_force, co)
    place = Township(decision.township, TownshipFrom(text=None, rule="office"))
    return _assigned(state, asked, answer, decision.department, place, None)


def _by_rule(state: Desk, asked: Asked, policy: Policy) -> Event:
    assert state.received is not None
    facts: Facts = facts_of(state.received, state.supplement)
    answer, runner_up = choose(facts, policy)
    if not answer.evidence:
        answer = replace(answer, evidence=reasons.evidence(answer.rule, facts))
    place = township_of(state.received, state.supplement, policy)
    flip = reasons.flip(facts, place, policy)
    reason = answer.triage or place.triage
    if answer.lead is not None and reason is None:
        return _assigned(state, asked, answer, None, place, runner_up, flip)
    data = ev.TriageRequested.model_validate(
        {
            "cause": asked.id,
            "reason": reason,
            "proposal": Unit.model_validate(
                {
                    "task_force": answer.lead,
                    "department": answer.department,
                    "township": place.code,
                }
            ),
            "rule": answer.rule,
            "confidence_ppm": answer.confidence,
            "margin_ppm": answer.margin,
            "runner_up": runner_up,
            "evidence": answer.evidence,
            "flip": flip,
        }
    )
    return owe(state.subject, asked.at, data)


def _assigned(
    state: Desk,
    asked: Asked,
    answer: Answer,
    department: str | None,
    place: Township,
    runner_up: RunnerUp | None,
    flip: ev.Flip | None = None,
) -> Event:
    """CaseReassigned if a unit had the case before, else CaseAssigned."""
    fields = {
        "cause": asked.id,
        "task_force": answer.lead if department is None else None,
        "department": department,
        "township": place.code,
        "co_handlers": tuple(
            unit for unit in dict.fromkeys(answer.co) if unit not in (answer.lead, department)
        ),
        "rule": answer.rule,
        "runner_up": runner_up,
        "township_from": place.source,
        "confidence_ppm": answer.confidence,
        "margin_ppm": answer.margin,
        "evidence": answer.evidence,
        "flip": flip,
    }
    if state.unit is None:
        return owe(state.subject, asked.at, ev.CaseAssigned.model_validate(fields))
    return owe(
        state.subject, asked.at, ev.CaseReassigned.model_validate(fields | {"from": state.unit})
    )
