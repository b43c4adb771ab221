"""How a case is handled and closed: the folds of domain 3.2, rows 24-49."""

from __future__ import annotations

from datetime import datetime

from services.supervision.decider.cases import ENDS_WITH_CASE, owe_replies
from services.supervision.decider.clocks import in_lane, jump
from services.supervision.decider.standards import (
    all_paid,
    as_it_stood,
    creditors,
    last_payment,
    limb_of,
    of_members,
    ordered,
    paid_in_full,
    reasons_at_follow_up,
    reasons_at_request,
    reasons_standing,
    referral_pending,
    verified_fen,
)
from services.supervision.decider.state import (
    AHEAD,
    Asked,
    Figures,
    Instalments,
    Jump,
    Line,
    Met,
    Order,
    Paid,
    Part,
    Watch,
    owe_later,
    owe_reopening,
    replace,
    start,
    start_once,
    stop,
    swap,
    without_owed,
)
from shared import events as ev
from shared.calendar import civil, end_of, months_after
from shared.claims import verified
from shared.events import Event

SUIT_MONTHS = 6
"""行诉法 46: a suit may be brought for six months; then enforcement may be applied for (T24)."""

BACK_TO_HANDLING = {"NOT_PAID", "REFERRAL_PENDING", "POLICE_FILED"}
"""Reasons at a follow-up after which the handler must do it again (T18)."""


def facts_verified(state: Watch, event: Event, data: ev.FactsVerified) -> Watch:
    known = {line.line: line for line in data.lines}
    lines = [
        replace(
            line,
            verified_fen=known[line.line].amount_fen,
            verified_months=known[line.line].months,
            repeats=(),
        )
        if line.line in known
        else line
        for line in state.lines
    ]
    have = {line.line for line in lines}
    found = [line for number, line in known.items() if number not in have]
    lines = _named_by_now(lines, len(found))
    lines += [Line(line.line, None, line.months, 1, line.amount_fen, line.months) for line in found]
    claims = verified(state.claims, [line.line for line in data.lines])
    state = replace(state, lines=tuple(lines), claims=claims, facts_at=event.known_at)
    if data.root_cause == "GOV_FUNDS" and not state.funds_requested:
        state = start_once(state, "T54", event)
    if data.root_cause is not None:
        state = replace(state, fled=data.root_cause == "FLED")
    if data.root_cause == "FLED":
        # A member of a group has no clock of its own: the case that leads it hears of it.
        state = state if state.group_member else jump(state, event, "L4")
    return _orders_paid(state, event)


def _named_by_now(lines: list[Line], found: int) -> list[Line]:
    """These lines without the workers that have got one of their own: nobody counts twice (domain
    1.6).
    """
    left = []
    for line in lines:
        off_rest = min(line.rest, found)
        off_line = min(line.heads - 1, found - off_rest)
        found -= off_rest + off_line
        left.append(replace(line, rest=line.rest - off_rest, heads=line.heads - off_line))
    return left


# --- extension and suspension --------------------------------------------------------------------


def _asked(state: Watch, event: Event, to: datetime, approver: str | None = None) -> Asked:
    clock = state.clock("T09")
    due_at = clock.due_at if clock is not None else None
    return Asked(event.id, event.known_at, event.time, to, due_at, state.extensions, approver)


def extension_requested(state: Watch, event: Event, data: ev.ExtensionRequested) -> Watch:
    return replace(state, extension=_asked(state, event, data.to), extension_refused=None)


def extension_approved(state: Watch, event: Event, data: ev.ExtensionApproved) -> Watch:
    """An approval of what was refused by rule has no effect; any other is answered by the rule."""
    state = replace(state, extension=None)
    if state.extension_refused == data.to:
        return replace(state, extension_refused=None)
    return replace(
        state, approval=_asked(state, event, data.to, data.approver), extension_refused=None
    )


def extension_refused(state: Watch, data: ev.ExtensionRefused) -> Watch:
    if state.approval is not None and state.approval.id == data.cause:
        return replace(state, approval=None)
    refused = state.extension.to if state.extension is not None else None
    return replace(state, extension=None, extension_refused=refused)


def suspended(state: Watch, event: Event) -> Watch:
    return start(replace(state, suspended_at=event.time), "T17", event)


def resumed(state: Watch, event: Event) -> Watch:
    """After a suspension the handling deadline moves by the working days wholly in it (I-18).

    What was overdue before the suspension stays so: it was not suspended in time.
    """
    state = stop(state, event, "T17")
    begin, clock = state.suspended_at, state.clock("T09")
    state = replace(state, suspended_at=None)
    if begin is None or clock is None or clock.due_at is None or clock.due_at <= begin:
        return state
    moved = replace(
        clock,
        cause=event.id,
        known_at=event.known_at,
        spans=(*clock.spans, (max(begin, clock.started_at), event.time)),
        set_id=None,
        moved=True,
    )
    return swap(state, clock, moved)


# --- instalments and payments --------------------------------------------------------------------


def plan_agreed(state: Watch, event: Event, data: ev.InstalmentPlanAgreed) -> Watch:
    state = stop(state, event, "T16")
    total, parts = 0, []
    for part in sorted(data.plan, key=lambda part: (part.due_on, part.n)):
        total += part.amount_fen
        noon = datetime.fromisoformat(f"{part.due_on.isoformat()}T12:00:00+08:00")
        parts.append(Part(part.n, noon, total))
    plan = Instalments(event.id, event.time, verified_fen(state), tuple(parts))
    return _instalments_paid(replace(state, plan=plan), event)


def payment(state: Watch, event: Event, data: ev.PaymentVerified | ev.PaymentReversed) -> Watch:
    """A verified payment counts once a line by its name; what is reversed no longer counts."""
    given: dict[tuple[str, str], int] = {}
    for line in data.lines:
        key = (data.payment, line.line)
        given[key] = given.get(key, 0) + line.amount_fen
    paid: list[Paid] = []
    for entry in state.paid:
        amount = given.get((entry.payment, entry.line))
        if amount is None:
            paid.append(entry)
        elif isinstance(data, ev.PaymentReversed):
            paid.append(replace(entry, amount_fen=max(0, entry.amount_fen - amount)))
    if isinstance(data, ev.PaymentVerified):
        # Verified once more it is the same payment still.
        since = {(entry.payment, entry.line): entry.at for entry in state.paid if entry.amount_fen}
        paid += [
            Paid(*key, amount, min(event.time, since.get(key, event.time)))
            for key, amount in given.items()
        ]
        last = state.last_paid_time
        state = replace(state, last_paid_time=event.time if last is None else max(last, event.time))
    state = replace(state, paid=tuple(paid), facts_at=event.known_at)
    if state.closed and state.closure_kind == "PAID_IN_FULL" and not paid_in_full(state):
        state = reopen(state, event, "PAYMENT_REVERSED")
    return _instalments_paid(_orders_paid(state, event), event)


def _instalments_paid(state: Watch, event: Event) -> Watch:
    """T16 runs for each instalment neither paid nor defaulted; a reversal starts it anew."""
    if state.plan is None or state.closed:
        return state
    plan = _seen_late(state, state.plan)
    state = replace(state, plan=plan)
    paid = verified_fen(state) - plan.base_fen
    for part in plan.parts:
        item, running = str(part.n), state.clock("T16", str(part.n)) is not None
        owed = paid < part.total_fen and not part.defaulted and not plan.void
        if owed and not running:
            state = start(
                state, "T16", event, item=item, started_at=plan.agreed_at, fixed_due=part.due_on
            )
        elif running and not owed:
            state = stop(state, event, "T16", item=item)
    return state


def _seen_late(state: Watch, plan: Instalments) -> Instalments:
    """A default stays on the log; it does not count towards a void plan where the instalment was
    paid on its day and recorded after it: an act is judged by its `time` (domain 4.1)."""
    parts = []
    for part in plan.parts:
        end = part.ended_at
        if end is not None:
            early = sum(paid.amount_fen for paid in state.paid if paid.at < end)
            part = replace(part, in_time=early - plan.base_fen >= part.total_fen)
        parts.append(part)
    return replace(plan, parts=tuple(parts))


def instalment_defaulted(state: Watch, event: Event, data: ev.InstalmentDefaulted) -> Watch:
    clock = state.clock("T16", str(data.n))
    ended_at = clock.due_at if clock is not None else None
    state = stop(state, event, "T16", item=str(data.n))
    if state.plan is None:
        return state
    parts = tuple(
        replace(part, defaulted=True, ended_at=ended_at) if part.n == data.n else part
        for part in state.plan.parts
    )
    plan = replace(state.plan, parts=parts)
    if data.plan_void:
        plan = replace(plan, void_from=plan.defaults)
    state = replace(state, plan=plan)
    return stop(state, event, "T16") if data.plan_void else state


# --- payment order -------------------------------------------------------------------------------


_SERVICE = "service"


def _service(doc_no: str | None) -> str:
    return _SERVICE if doc_no is None else f"{_SERVICE}|{doc_no}"


def order_issued(state: Watch, event: Event, data: ev.PaymentOrderIssued) -> Watch:
    """T22: it is decided, and each document is to be served in its own time."""
    state = stop(state, event, "T22", exact=True)
    if data.doc_no is not None and any(order.doc_no == data.doc_no for order in state.orders):
        # Its service was recorded first.
        return state
    return start_once(state, "T22", event, item=_service(data.doc_no), variant="next")


def order_served(state: Watch, event: Event, data: ev.PaymentOrderServed) -> Watch:
    """T23 runs, T22 ends. A document is served once: told again, its limit does not move (I-07)."""
    if any(order.doc_no == data.doc_no for order in state.orders):
        return state
    order = Order(data.doc_no, data.doc_type, event.time, data.limit_at)
    state = replace(state, orders=(*state.orders, order))
    for item in (None, _SERVICE, _service(data.doc_no)):
        state = stop(state, event, "T22", item=item, exact=True)
    if data.doc_type == "decision":
        state = start(state, "T42", event, item=f"decision|{data.doc_no}")
    return _orders_paid(state, event)


def _enforcement(state: Watch, event: Event, order: Order) -> Watch:
    """T24 of a decision, from when the time to sue is over, unless everything is paid; a reversal
    brings it back (强制法 53)."""
    clock = state.clock("T24", order.doc_no)
    if paid_in_full(state) or state.enforced:
        return stop(state, event, "T24", item=order.doc_no) if clock else state
    if order.doc_type != "decision" or clock is not None or state.ended:
        return state
    suit_ends = end_of(months_after(civil(order.served_at), SUIT_MONTHS))
    known_at = max(suit_ends, event.known_at)
    return start(state, "T24", event, item=order.doc_no, started_at=suit_ends, known_at=known_at)


def lines_changed(state: Watch, event: Event) -> Watch:
    """Lines came or left by a merge: orders and instalments are looked at again."""
    return _instalments_paid(_orders_paid(state, event), event)


def _orders_paid(state: Watch, event: Event) -> Watch:
    """T23 runs for each served order until it is obeyed; to pay every line is to obey it.

    From then on it is judged by those lines: only a reversal brings it back.
    """
    for order in state.orders:
        under = ordered(state, order)
        paid = paid_in_full(under) or (order.paid and not under.lines)
        state = _enforcement(state, event, order)
        open_ = not (paid or order.complied or order.default_id)
        clock = state.clock("T23", order.doc_no)
        if open_ and clock is None and not state.ended:
            state = start(
                state,
                "T23",
                event,
                item=order.doc_no,
                started_at=order.served_at,
                fixed_due=order.limit_at,
            )
        elif clock is not None and not open_:
            state = stop(state, event, "T23", item=order.doc_no)
        if paid and not order.paid and order.default_id is None:
            obeyed = replace(order, paid=True, lines=state.lines)
            orders = tuple(obeyed if other is order else other for other in state.orders)
            state = replace(state, orders=orders)
    return _seen_in_time(state, event) if any(o.default_id for o in state.orders) else state


def order_complied(state: Watch, event: Event, data: ev.PaymentOrderComplied) -> Watch:
    orders = tuple(
        replace(order, complied_at=min(event.time, order.complied_at or event.time))
        if data.doc_no in (None, order.doc_no)
        else order
        for order in state.orders
    )
    state = stop(replace(state, orders=orders), event, "T23", "T24", item=data.doc_no)
    return _seen_in_time(state, event)


def order_defaulted(state: Watch, event: Event, data: ev.PaymentOrderDefaulted) -> Watch:
    clock = state.clock("T23", data.doc_no)
    orders = tuple(
        replace(
            order,
            defaulted_at=event.time,
            default_id=event.id,
            ended_at=clock.due_at if clock is not None else order.limit_at,
            lines=ordered(state, order).lines,
        )
        if order.doc_no == data.doc_no
        else order
        for order in state.orders
    )
    state = stop(replace(state, orders=orders), event, "T23", item=data.doc_no)
    defaulted = next((order for order in orders if order.doc_no == data.doc_no), None)
    return _to_be_listed(state, event, defaulted) if defaulted is not None else state


def _to_be_listed(state: Watch, event: Event, order: Order) -> Watch:
    """T42 runs from an order's default (令45), once."""
    begun = order.defaulted_at or event.time
    under_way = any(
        clock.timer == "T42"
        and clock.running
        and (clock.set_id is not None or clock.started_at == begun)
        for clock in state.clocks
    )
    if under_way or state.listed:
        return state
    return start(state, "T42", event, item=f"default|{order.doc_no}", started_at=begun)


def referral_delivered(state: Watch, event: Event, data: ev.ReferralDelivered) -> Watch:
    """Referred once, until the police decline: what is delivered again is the same referral."""
    state = stop(state, event, "T31")
    if state.with_police:
        return state
    state = replace(state, with_police=True)
    return owe_later(state, "CaseReferredToPublicSecurity", event, doc_no=data.doc_no)


def threshold_met(state: Watch, event: Event, data: ev.ReferralThresholdMet) -> Watch:
    """T39 runs. What was owed is kept: a payment made before and recorded later may undo it."""
    given = data.figures or ev.ThresholdFigures(
        single_months=0, single_fen=0, many_workers=0, many_fen=0
    )
    figures = Figures(given.single_months, given.single_fen, given.many_workers, given.many_fen)
    ended = [order.ended_at for order in state.orders if order.doc_no == data.doc_no]
    ended_at = next((at for at in ended if at is not None), event.time)
    lines = _under(state, data.doc_no).lines
    met = Met(data.doc_no, ended_at, figures, lines, of_members(state))
    others = tuple(each for each in state.thresholds if each.doc_no != data.doc_no)
    state = replace(state, thresholds=(*others, met), referral_decided=False)
    return start(state, "T39", event)


def _under(state: Watch, doc_no: str) -> Watch:
    """The case as far as the order of this number is of it."""
    order = next((order for order in state.orders if order.doc_no == doc_no), None)
    return state if order is None else ordered(state, order)


def _seen_in_time(state: Watch, event: Event) -> Watch:
    """What rests on an order's default falls away once it is recorded that it was obeyed in time.

    The default stays on the log; an act is judged by its `time` (domain 4.1), and who paid before
    the order expired has not refused to (刑法 276-1). So T42 ends; so does T39, where too little
    for a referral was unpaid then, unless one was proposed: a person decides then. A reversal
    brings both back. A case that is closed or merged has no such clocks; reopening looks again.
    """
    if state.ended:
        return state
    for order in state.orders:
        if order.ended_at is None:
            continue
        obeyed = order.complied_at is not None and order.complied_at < order.ended_at
        in_time = obeyed or paid_in_full(as_it_stood(state, order.lines, order.ended_at))
        if in_time == order.in_time:
            continue
        orders = tuple(
            replace(other, in_time=in_time) if other is order else other for other in state.orders
        )
        state = replace(state, orders=orders, facts_at=event.known_at)
        if in_time:
            state = stop(state, event, "T42", item=f"default|{order.doc_no}")
    for order in state.orders:
        unlisted = order.ended_at is not None and not order.in_time
        if unlisted and state.clock("T42", f"default|{order.doc_no}") is None:
            state = _to_be_listed(state, event, order)
    return _thresholds_seen(state, event)


def _thresholds_seen(state: Watch, event: Event) -> Watch:
    """T39 runs while a threshold stands that nobody has decided about."""
    if not state.thresholds or state.referral_decided or state.clock("T30") is not None:
        return state
    stood = referral_pending(state)
    seen = tuple(replace(met, lapsed=_lapses(state, met)) for met in state.thresholds)
    if seen == state.thresholds:
        return state
    state = replace(state, thresholds=seen, facts_at=event.known_at)
    stands = referral_pending(state)
    if stood and not stands:
        return stop(state, event, "T39")
    # What it did not owe it owes from now on, not back in time.
    return start(state, "T39", event, started_at=event.known_at) if stands and not stood else state


def _lapses(state: Watch, met: Met) -> bool:
    """Whether its order was obeyed in time, or too little was unpaid then and is now."""
    if any(order.in_time for order in state.orders if order.doc_no == met.doc_no):
        return True
    early = as_it_stood(state, met.lines, met.ended_at)
    if limb_of([*creditors(early), *met.members], met.figures) is not None:
        return False
    now = creditors(_under(state, met.doc_no))
    return limb_of([*now, *of_members(state)], met.figures) is None


def legal_path_entered(state: Watch, event: Event, data: ev.LegalPathEntered) -> Watch:
    """T40 watches for the award, T41 for the conclusion on a petition; courts have no clock."""
    if data.forum == "arbitration":
        return start_once(state, "T40", event)
    return start_once(state, "T41", event, variant="next") if data.forum == "petition" else state


def legal_path_ended(state: Watch, event: Event, data: ev.LegalPathEnded) -> Watch:
    """T40 ends with an arbitration, T41 with a petition; both where no forum is named."""
    state = replace(state, legal_ended=True)
    if data.forum in (None, "arbitration"):
        state = stop(state, event, "T40")
    return stop(state, event, "T41") if data.forum in (None, "petition") else state


# --- closing -------------------------------------------------------------------------------------


def closure_requested(state: Watch, event: Event, data: ev.ClosureRequested) -> Watch:
    reasons = reasons_at_request(state, data)
    if reasons:
        return owe_later(state, "ClosureRefused", event, reasons=list(reasons))
    state = replace(state, closure_kind=data.kind, reviewing=True, last_follow_up=None)
    state = stop(state, event, "T08", "T09", "T18")
    return start(state, "T12", event, step="tf")


def review_passed(state: Watch, event: Event, data: ev.ClosureReviewPassed) -> Watch:
    if data.stage == "tf":
        return start(stop(state, event, "T12", step="tf"), "T12", event, step="office")
    return start(stop(state, event, "T12"), "T13", event)


def returned_to_handling(state: Watch, event: Event) -> Watch:
    """T18: do it again within three working days."""
    state = stop(replace(state, reviewing=False), event, "T12", "T13")
    return in_lane(start(state, "T18", event), event)


def followed_up(state: Watch, event: Event, data: ev.FollowUpCompleted) -> Watch:
    reasons = reasons_at_follow_up(state, event, data)
    state = replace(state, last_follow_up=data.satisfaction)
    if not reasons:
        return owe_later(
            stop(state, event, "T13"),
            "CaseClosed",
            event,
            kind=state.closure_kind or "PAID_IN_FULL",
            flag=None,
        )
    state = owe_later(state, "ClosureRefused", event, reasons=list(reasons))
    if BACK_TO_HANDLING & set(reasons):
        state = returned_to_handling(state, event)
        suspected = "NOT_PAID" in reasons and data.got_paid != "Y"
        return owe_later(state, "FalseClosureSuspected", event) if suspected else state
    if reasons == ["UNSATISFIED"]:
        # 释明: explain within two working days, then the office decides.
        return start(stop(state, event, "T13"), "T13", event, item="explain")
    return state


def follow_up_waived(state: Watch, event: Event) -> Watch:
    """The office's decision about an unsatisfied or unreachable worker; never about money."""
    kind = state.closure_kind or "PAID_IN_FULL"
    reasons = reasons_standing(state)
    if kind == "PAID_IN_FULL" and not all_paid(state):
        reasons = ["NOT_PAID", *reasons]
    last = last_payment(state)
    if kind == "PAID_IN_FULL" and not reasons and last is not None and event.time < last:
        # Decided before the last payment: it waits for a follow-up, or another decision (I-01).
        return owe_later(state, "ClosureRefused", event, reasons=["FOLLOW_UP_MISSING"])
    if reasons:
        state = owe_later(state, "ClosureRefused", event, reasons=list(reasons))
        return returned_to_handling(state, event)
    flag = "UNSATISFIED" if state.last_follow_up == "unsatisfied" else "UNREACHED"
    return owe_later(stop(state, event, "T13"), "CaseClosed", event, kind=kind, flag=flag)


def closed(state: Watch, event: Event, data: ev.CaseClosed) -> Watch:
    state = without_owed(state, "CaseClosed", data.cause)
    state = stop(state, event, *ENDS_WITH_CASE)
    state = replace(
        state,
        closed=True,
        closed_at=event.time,
        closure_kind=data.kind,
        reviewing=False,
        fast_lane=None,
    )
    state = owe_replies(state, event, data.kind)
    return start(start(state, "T14", event), "T15", event)


def false_closure(state: Watch, event: Event) -> Watch:
    if state.closed:
        return reopen(state, event, "FALSE_CLOSURE")
    return jump(state, event, "L5")


def reopen(state: Watch, event: Event, reason: str) -> Watch:
    """CLOSED at any time; once written off (销号) only within the window of T15 (domain 3.3)."""
    window = state.clock("T15")
    late = window is not None and window.due_at is not None and event.time >= window.due_at
    if state.written_off and late:
        return state
    return owe_reopening(state, event, reason)


def reopened(state: Watch, event: Event, data: ev.CaseReopened) -> Watch:
    state = without_owed(state, "CaseReopened", data.cause)
    state = stop(state, event, "T14", "T15")
    # What a closed case did not owe (a referral, say) it owes from now on, not back in time:
    # a decision counts from its own time (domain 4.1).
    state = replace(
        state,
        closed=False,
        closed_at=None,
        closure_kind=None,
        written_off=False,
        reviewing=False,
        facts_at=event.known_at,
    )
    state = start(state, "T18", event)
    state = start(state, "A", event, variant=AHEAD)
    state = in_lane(_instalments_paid(_orders_paid(state, event), event), event)
    if data.reason == "FALSE_CLOSURE":
        redo = state.clock("T18")
        assert redo is not None
        return swap(state, redo, replace(redo, jump=Jump("L5", data.cause, event.known_at)))
    return state
