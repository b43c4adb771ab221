"""Whether an act is possible now (domain 3.3, 3.4).

Intake judges only what a person may report and when: 403 by role and unit, 404, 409 for a
transition without an arrow, 422 for times and lines that cannot be. What a rule refuses
(ReturnRefused, ExtensionRefused, ClosureRefused) is routing's and supervision's to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, get_args

from services.intake.decider.file import ENDED, CaseFile, Order, State
from shared import events as e
from shared.calendar import ZONE, civil, end_of
from shared.claims import OWN
from shared.events import AnyData
from shared.policy import Policy
from shared.roles import OFFICE, By, Refusal, may
from shared.streams import kind_of, unit_code

_BACK_DATED_CD: Final = 30


@dataclass(frozen=True)
class Act:
    """A fact that somebody wants to record. `data`: already sealed; `occurred_at`: when it was."""

    type: str
    data: AnyData
    occurred_at: datetime
    by: By


_ASSIGNED: Final[frozenset[State]] = frozenset(
    (
        "TRIAGE",
        "ASSIGNED",
        "RETURN_REVIEW",
        "HANDLING",
        "SUSPENDED",
        "CLOSURE_REVIEW",
        "FOLLOW_UP",
    )
)
"""From ASSIGNED until CLOSED; TRIAGE counts once the case was assigned."""

_AFTER: Final[frozenset[State]] = _ASSIGNED | {"CLOSED", "WRITTEN_OFF"}


def _table() -> dict[str, frozenset[State]]:
    """For each type with an arrow, or of rows 22-49, the states in which it is possible."""
    table: dict[str, frozenset[State]] = {}
    arrows: dict[str, tuple[State, ...]] = {
        "ComplaintReceived": ("NONE",),
        "SupplementRequested": ("RECEIVED",),
        "SupplementReceived": ("SUPPLEMENTING",),
        "ContactTried": ("SUPPLEMENTING",),
        "ComplaintAccepted": ("RECEIVED",),
        "ComplaintNotAccepted": ("RECEIVED", "SUPPLEMENTING"),
        "ComplaintTransferredOut": ("RECEIVED", "TRIAGE"),
        "MergeApproved": ("RECEIVED",),
        "MergeRevoked": ("MERGED",),
        "TriageDecided": ("TRIAGE",),
        "AssignmentSigned": ("ASSIGNED", "HANDLING"),
        "ReturnRequested": ("ASSIGNED", "HANDLING"),
        "ReturnApproved": ("RETURN_REVIEW",),
        "ReturnNotApproved": ("RETURN_REVIEW",),
        "HandlerDesignated": ("RETURN_REVIEW",),
        "CaseSuspended": ("HANDLING",),
        "CaseResumed": ("SUSPENDED",),
        "ClosureRequested": ("HANDLING",),
        "ClosureReviewPassed": ("CLOSURE_REVIEW",),
        "ClosureReturned": ("CLOSURE_REVIEW", "FOLLOW_UP"),
        "FollowUpAttempted": ("FOLLOW_UP",),
        "FollowUpCompleted": ("FOLLOW_UP",),
        "FollowUpWaived": ("FOLLOW_UP",),
        "CaseWrittenOff": ("CLOSED",),
    }
    table |= {name: frozenset(states) for name, states in arrows.items()}
    # I-03: a merged case's source is answered under its master, where its clock runs (T10).
    table["SourceReplied"] = frozenset(get_args(State)) - {"NONE", "MERGED"}
    for name in (
        "CoHandlerReported",
        "FirstContactMade",
        "FactsVerified",
        "ProgressReported",
        "ExtensionRequested",
        "ExtensionApproved",
        "ExtensionNotApproved",
        "MediationAgreed",
        "InstalmentPlanAgreed",
        "InspectionFiled",
        "InspectionClosed",
        "PaymentOrderIssued",
        "PaymentOrderServed",
        "PaymentOrderComplied",
        "ExtraCompensationOrdered",
        "PenaltyDecided",
        "AssetQueryApprovalRequested",
        "AssetQueryApprovalGranted",
        "PoliceAssistanceAsked",
        "LegalPathEntered",
        "LegalPathEnded",
        "GovFundsRequested",
    ):
        table[name] = _ASSIGNED
    for name in (
        "PaymentRecorded",
        "PaymentVerified",
        "PaymentReversed",
        "ReferralProposed",
        "ReferralApproved",
        "ReferralDeclined",
        "ReferralDelivered",
        "ReferralReceipted",
        "PoliceSupplementAsked",
        "SupplementSent",
        "PoliceFiled",
        "PoliceDeclined",
        "ReconsiderationRequested",
        "ReconsiderationDecided",
        "SupervisionSuggested",
        "PoliceReasonsAsked",
        "FilingOrdered",
        "MaterialsHandedOver",
        "CreditListingDecided",
        "PublicationMade",
        "EnforcementApplied",
        "FalseClosureFound",
    ):
        table[name] = _AFTER
    return table


POSSIBLE: Final = _table()
"""States in which a type is possible; a type that is not here is possible at any time."""

_ANSWERS: Final = frozenset(
    (
        *(name for name, states in POSSIBLE.items() if states not in (_ASSIGNED, _AFTER)),
        *("CoHandlerReported", "FirstContactMade", "FactsVerified", "ProgressReported"),
        *("ExtensionRequested", "ExtensionApproved", "ExtensionNotApproved"),
    )
) - {"ComplaintReceived", "SourceReplied"}
"""What is done about a complaint: the arrows, and its handling (rows 22-27). An order to pay, a
payment, a lawsuit or a reply may be older than what this worker tells.
"""


def decide(
    act: Act, state: CaseFile, now: datetime, policy: Policy, master: CaseFile | None = None
) -> AnyData | Refusal:
    """What is recorded, or why not: 404, 403, 422 (times, lines), 409 by the state, then what
    speaks against the case it is merged into.

    `now`: the clock; `state`: the stream folded to its end; `master`: that of the case which a
    MergeApproved names, None where it names no case at all.
    """
    return (
        unknown(act.type, state, policy)
        or _wrong_stream(act, state)
        or refused_author(act.by, act.data, state)
        or _wrong_time(act, now)
        or _uncounted(act, policy)
        or _too_early(act, state)
        or _wrong_content(act, state, policy)
        or (_impossible(act, state) if kind_of(state.subject) == "case" else None)
        or _lacking(act, state, policy)
        or _recorded(act, master)
    )


def refused_author(by: By, data: AnyData, state: CaseFile) -> Refusal | None:
    """None if `by` may author the act on this stream, else the refusal (403; I-05, I-08, I-19).

    Of what a meeting decided also its owner may (方案 五(四)二). Where no meeting here has decided
    it, that is what is wrong with the act, not its author.
    """
    owner = None
    if isinstance(data, e.MeasureCompleted) and data.meeting is not None:
        known = state.measure(data.ref)
        owner = known.owner if known is not None else by.unit
    return may(by, type(data).__name__, state, data, owner)


def unknown(type: str, state: CaseFile, policy: Policy) -> Refusal | None:
    """404: no complaint began this case, or the book in force has no such unit."""
    kind = kind_of(state.subject)
    if kind == "case" and state.state == "NONE" and type != "ComplaintReceived":
        return Refusal(404, "UNKNOWN_CASE", "no such case")
    if kind == "unit" and not _is_of_the_book(unit_code(state.subject), policy):
        return Refusal(404, "UNKNOWN_UNIT", "no such unit")
    return None


def _is_of_the_book(code: str, policy: Policy) -> bool:
    """Whether it is a task force, a township or a department."""
    return code in policy.units or code in policy.content.organisation.departments


def _recorded(act: Act, master: CaseFile | None) -> AnyData | Refusal:
    """What is said, as it stands on the log."""
    return _into(act.data, master) if isinstance(act.data, e.MergeApproved) else act.data


def _into(fact: e.MergeApproved, master: CaseFile | None) -> e.MergeApproved | Refusal:
    """The approval, if its master is a case that goes on; lines named by who claims them."""
    if master is None or master.state == "NONE":
        reason = "no such case to merge into"
        return Refusal(422, "UNKNOWN_CASE", reason, "/data/master")
    if master.state in ENDED:
        reason = f"a case in state {master.state} takes no other"
        return Refusal(409, "MASTER_ENDED", reason, "/data/master")
    same = {}
    for line, to in (fact.same or {}).items():
        found = next((item for item in master.claims if item.by and item.number == to), None)
        if found is None:
            reason = "the master has no such claim line"
            return Refusal(422, "UNKNOWN_LINE", reason, f"/data/same/{line}")
        same[line] = to if OWN in found.by else found.by[0].rsplit("|", 1)[0]
    return fact.model_copy(update={"same": same or None})


def _wrong_stream(act: Act, state: CaseFile) -> Refusal | None:
    kind = kind_of(state.subject)
    if kind in type(act.data).streams:
        return None
    return Refusal(422, "WRONG_STREAM", f"{act.type} is not recorded on a {kind} stream", "/type")


def _wrong_time(act: Act, now: datetime) -> Refusal | None:
    """I-17: nothing later than the clock; more than 30 days back only by the office.

    Counted as days are (domain 0): not from the hour of the event, and to 24:00 of the last.
    """
    if act.occurred_at > now:
        return Refusal(422, "FUTURE", "it would have happened later than the clock", "/occurred_at")
    if act.type == "ComplaintReceived" or act.by.role in ("office", "operator"):
        return None
    if end_of(civil(act.occurred_at) + timedelta(days=_BACK_DATED_CD)) <= now:
        reason = "what happened more than 30 days ago is recorded by the office"
        return Refusal(403, "BACK_DATED", reason, "/occurred_at")
    return None


def _too_early(act: Act, state: CaseFile) -> Refusal | None:
    """Before the complaint came the case was in no state, and no arrow left it (domain 3.3).

    By civil days: of what is filed afterwards (补录) often only the day is known.
    """
    received_at = state.first_received_at
    if act.type not in _ANSWERS or received_at is None:
        return None
    received_on = civil(received_at)
    if civil(act.occurred_at) >= received_on:
        return None
    reason = f"the complaint came on {received_on}; nothing was done about it before"
    return Refusal(422, "BEFORE_COMPLAINT", reason, "/occurred_at")


def _uncounted(act: Act, policy: Policy) -> Refusal | None:
    """A day on which no working day can be counted: a deadline from it or to it has no meaning.

    A complaint may be old: what counts from its receipt counts from its recording.
    """
    if act.type == "ComplaintReceived":
        return None
    days = [("/occurred_at", civil(act.occurred_at)), *_days_named(act.data)]
    for place, day in days:
        if not policy.calendar.covers(day):
            reason = f"{day} is no day of the working calendar in force"
            return Refusal(422, "CALENDAR", reason, place)
    return None


def _days_named(data: AnyData) -> list[tuple[str, date]]:
    """The civil days to which an act sets something, with the place of each."""
    match data:
        case e.ExtensionRequested() | e.ExtensionApproved():
            return [("/data/to", civil(data.to))]
        case e.InstalmentPlanAgreed():
            return [(f"/data/plan/{n}/due_on", part.due_on) for n, part in enumerate(data.plan)]
        case e.MeasurePlanFiled():
            return [("/data/due_on", data.due_on)]
        case e.MeetingHeld():
            return [
                (f"/data/decisions/{n}/due_on", item.due_on)
                for n, item in enumerate(data.decisions)
            ]
        case _:
            return []


def _wrong_content(act: Act, state: CaseFile, policy: Policy) -> Refusal | None:
    """What is well-formed but names what is not there."""
    data = act.data
    match data:
        case e.TriageDecided() | e.HandlerDesignated():
            return _wrong_unit(data, policy)
        case e.PaymentRecorded() | e.PaymentVerified() | e.PaymentReversed():
            return _wrong_payment(data, state)
        case e.FactsVerified():
            names = [line.line for line in data.lines]
            return _named_twice(names, "SAME_LINE", "claim line", "/data/lines/{}/line")
        case e.InstalmentPlanAgreed():
            numbers = [part.n for part in data.plan]
            return _named_twice(numbers, "SAME_NUMBER", "instalment", "/data/plan/{}/n")
        case e.IncidentReportFiled() | e.ExtremeIncidentVerified() | e.ExtremeIncidentCleared() if (
            data.incident not in state.incidents
        ):
            return Refusal(422, "UNKNOWN_INCIDENT", "no such incident here", "/data/incident")
        case e.RectificationReported() if data.visit not in state.visits:
            return Refusal(422, "UNKNOWN_VISIT", "no such supervision visit here", "/data/visit")
        case e.SupervisionNoticeReplied() | e.InterviewHeld() if (
            data.notice_no is not None and data.notice_no not in state.notices
        ):
            return Refusal(422, "UNKNOWN_NOTICE", "no such notice here", "/data/notice_no")
        case e.SourceReplied() if not state.owes(data.source, data.source_ref):
            reason = "no complaint of that number stands under this case"
            return Refusal(422, "UNKNOWN_SOURCE", reason, "/data/source_ref")
        case e.ZeroReportFiled():
            return _foretold(data.period, act.occurred_at)
        case e.PaymentOrderServed() if data.limit_at is not None:
            return _wrong_limit(act.occurred_at, data.limit_at, policy)
        case e.MeasurePlanFiled():
            return _unknown_owner(data.responsible, "/data/responsible", policy)
        case e.MeetingHeld():
            return _wrong_decisions(data, policy)
        case e.MeasureCompleted() if state.measure(data.ref) is None:
            if data.meeting is None:
                return Refusal(422, "UNKNOWN_MEASURE", "no such measure here", "/data/measure")
            reason = "no meeting here has decided that"
            return Refusal(422, "UNKNOWN_DECISION", reason, "/data/meeting")
        case e.MergeApproved() if data.master == state.subject:
            return Refusal(422, "SAME_CASE", "a case is not merged into itself", "/data/master")
        case _:
            pass
    return None


def _wrong_payment(
    data: e.PaymentRecorded | e.PaymentVerified | e.PaymentReversed, state: CaseFile
) -> Refusal | None:
    """Money goes to lines of the case, and some of it to one of them at least (I-01)."""
    for index, line in enumerate(data.lines):
        if line.line not in state.lines:
            place = f"/data/lines/{index}/line"
            return Refusal(422, "UNKNOWN_LINE", "the case has no such claim line", place)
    if not any(line.amount_fen for line in data.lines):
        return Refusal(422, "NO_MONEY", "a payment of nothing is none", "/data/lines")
    return None


def _named_twice(names: Sequence[str | int], code: str, what: str, place: str) -> Refusal | None:
    """Where one of them is said a second time: which of the two holds cannot be known, and paid in
    full (I-01) or a default (T16) would hang on it.
    """
    known: set[str | int] = set()
    for index, name in enumerate(names):
        if name in known:
            return Refusal(422, code, f"{what} {name} is named twice", place.format(index))
        known.add(name)
    return None


def _wrong_decisions(data: e.MeetingHeld, policy: Policy) -> Refusal | None:
    """Each decision of a meeting has a number of its own, by which it is completed."""
    numbers: set[int] = set()
    for index, item in enumerate(data.decisions):
        place = f"/data/decisions/{index}"
        if refusal := _unknown_owner(item.owner, f"{place}/owner", policy):
            return refusal
        if item.no in numbers:
            reason = f"the meeting has two decisions {item.no}"
            return Refusal(422, "SAME_NUMBER", reason, f"{place}/no")
        numbers.add(item.no)
    return None


def _unknown_owner(code: str, place: str, policy: Policy) -> Refusal | None:
    """责任单位 is a unit of the book: a person's name would stand on the log in clear (I-14)."""
    if code == OFFICE or _is_of_the_book(code, policy):
        return None
    return Refusal(422, "UNKNOWN_UNIT", "no task force, township or department", place)


def _wrong_unit(data: e.TriageDecided | e.HandlerDesignated, policy: Policy) -> Refusal | None:
    """I-04: one township, and exactly one of task force and department."""
    if (data.task_force is None) == (data.department is None):
        reason = "exactly one of task_force and department leads a case"
        return Refusal(422, "ONE_LEAD", reason, "/data/task_force")
    if (
        data.department is not None
        and data.department not in policy.content.organisation.departments
    ):
        return Refusal(422, "UNKNOWN_UNIT", "no such department", "/data/department")
    if data.township != "NO_TOWNSHIP" and data.township not in policy.townships:
        return Refusal(422, "UNKNOWN_UNIT", "no such township", "/data/township")
    return _unknown_co_handler(data.co_handlers or (), policy)


def _unknown_co_handler(units: Sequence[str], policy: Policy) -> Refusal | None:
    known = {*policy.task_forces, *policy.content.organisation.departments, *policy.townships}
    for number, unit in enumerate(units):
        if unit not in known:
            return Refusal(422, "UNKNOWN_UNIT", "no such unit", f"/data/co_handlers/{number}")
    return None


def _foretold(period: str | None, filed_at: datetime) -> Refusal | None:
    """T53: each duty day is reported when it has come; filed beforehand the roll-calls of a whole
    campaign would be answered by nobody. A period that is no day says nothing of a day.
    """
    try:
        day = date.fromisoformat(period or "")
    except ValueError:
        return None
    if day <= civil(filed_at):
        return None
    reason = f"the report is of {day}, which had not come when it was filed"
    return Refusal(422, "FUTURE", reason, "/data/period")


def _wrong_limit(served_at: datetime, limit_at: datetime, policy: Policy) -> Refusal | None:
    """T23: the limit in the document lies after service, within 15 calendar days."""
    days = policy.content.handling.order_limit_max_cd
    if served_at < limit_at <= end_of(civil(served_at) + timedelta(days=days)):
        return None
    reason = f"the limit lies after service and within {days} calendar days of it"
    return Refusal(422, "LIMIT", reason, "/data/limit_at")


def _impossible(act: Act, state: CaseFile) -> Refusal | None:
    """409: the state has no arrow for it (domain 3.3)."""
    states = POSSIBLE.get(act.type)
    if states is None or (state.state in states and not _blocked(act, state)):
        return None
    if state.state == "MERGED":
        return Refusal(409, "MERGED", f"the case goes on under {state.master}")
    return Refusal(409, "STATE", f"{act.type} is not possible in state {state.state}")


def _blocked(act: Act, state: CaseFile) -> bool:
    """What the state's name alone does not say."""
    data = act.data
    match data:
        case e.AssignmentSigned():
            # Signed in time and recorded after it was deemed to be: judged by its time (4.1).
            late = state.deemed_at is None or act.occurred_at >= state.deemed_at
            return state.state == "HANDLING" and (state.signed or late)
        case e.ReturnRequested():
            return state.state == "HANDLING" and state.signed
        case e.ReturnApproved() | e.ReturnNotApproved() | e.HandlerDesignated():
            return state.return_approved
        case e.ClosureReviewPassed():
            return state.tf_passed == (data.stage == "tf")
        case e.ClosureReturned():
            if state.state == "FOLLOW_UP":
                return data.stage == "tf"
            return state.tf_passed == (data.stage == "tf")
        case _:
            return state.state == "TRIAGE" and not state.assigned and _needs_assignment(act.type)


def _needs_assignment(fact: str) -> bool:
    return POSSIBLE[fact] in (_ASSIGNED, _AFTER)


def _lacking(act: Act, state: CaseFile, policy: Policy) -> Refusal | None:
    """409: what must be on record before it, or what is there already."""
    data = act.data
    match data:
        case e.ComplaintNotAccepted() if state.state == "SUPPLEMENTING":
            return _untried(state, policy)
        case e.ReferralProposed():
            return _unreferable(act.occurred_at, state, policy)
        case e.ReferralDelivered() if not state.referral_approved:
            return Refusal(409, "NOT_APPROVED", "the agency's head has not approved it (I-09)")
        case e.PaymentOrderServed() if any(item.doc_no == data.doc_no for item in state.orders):
            # Served again it would run a second time to the same limit (I-16).
            return Refusal(409, "SERVED", "this document was served already", "/data/doc_no")
        case e.ExtensionRequested() | e.ExtensionApproved():
            return _not_later(data.to, state.handle_by)
        case e.FollowUpWaived() if not state.asked:
            return _unasked(state, policy)
        case e.MeasureCompleted():
            known = state.measure(data.ref)
            if known is not None and known.done:
                return Refusal(409, "COMPLETED", "it was completed already", "/data/measure")
        case _:
            pass
    return None


def _unreferable(at: datetime, state: CaseFile, policy: Policy) -> Refusal | None:
    """I-09: referral needs an order whose limit passed unpaid, and a threshold."""
    if not any(_is_unpaid(order, at, policy) for order in state.orders):
        reason = "no served payment order has passed its limit unpaid (I-09)"
        return Refusal(409, "NO_UNPAID_ORDER", reason)
    if not state.threshold_met:
        return Refusal(409, "NO_THRESHOLD", "no referral threshold is met (I-09)")
    return None


def _not_later(to: datetime, running: datetime | None) -> Refusal | None:
    """An extension that shortens is none: it would take days from the handler in silence."""
    if running is None or to > running:
        return None
    due = running.astimezone(ZONE).isoformat()
    reason = f"the handling deadline is {due}; an extension lies after it"
    return Refusal(409, "NOT_LATER", reason, "/data/to")


def _untried(state: CaseFile, policy: Policy) -> Refusal | None:
    """SUPPLEMENTING leaves to NOT_ACCEPTED by timeout and contact tries (domain 3.3, T02)."""
    if state.lapsed_at is None:
        reason = "the time to supplement has not lapsed (T02)"
        return Refusal(409, "NOT_LAPSED", reason)
    wanted = policy.content.handling.supplement_tries
    if state.tries < wanted:
        reason = f"{state.tries} of {wanted} contact tries are recorded since it lapsed (T02)"
        return Refusal(409, "NOT_TRIED", reason)
    return None


def _unasked(state: CaseFile, policy: Policy) -> Refusal | None:
    """方案 五(二)三, I-01: the worker is asked, or tried so often (T13), before the office does
    without.
    """
    handling = policy.content.handling
    tries, days = len(state.unreached), len({civil(at) for at in state.unreached})
    if tries >= handling.unreached_tries and days >= handling.unreached_days:
        return None
    reason = (
        f"since the review passed no follow-up was completed, and the worker was tried {tries} of "
        f"{handling.unreached_tries} times, on {days} of {handling.unreached_days} days (T13)"
    )
    return Refusal(409, "NO_FOLLOW_UP", reason)


def _is_unpaid(order: Order, at: datetime, policy: Policy) -> bool:
    """Without a limit in the document it is T23's working days after service."""
    limit = order.limit_at
    if limit is None:
        days = policy.timers["T23"].length.n
        limit = end_of(policy.calendar.after(civil(order.served_at), days))
    return not order.complied and limit <= at
