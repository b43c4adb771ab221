"""When a case may be closed (方案 五(二)三: 拿到欠薪、群众满意) and when it must be referred."""

from __future__ import annotations

from datetime import datetime

from services.supervision.decider.state import Creditor, Figures, Line, Order, Watch, replace
from shared.calendar import civil
from shared.events import (
    ClosureRequested,
    Event,
    FollowUpCompleted,
    ReferralThresholdMet,
    RefusalOfClosure,
)
from shared.policy import Policy, Threshold


def verified_fen(state: Watch, line: str | None = None) -> int:
    """Verified payments, of one claim line or of all, in fen."""
    return sum(paid.amount_fen for paid in state.paid if line is None or paid.line == line)


def unpaid_fen(state: Watch, line: Line) -> int:
    """What a claim line still lacks; an unknown claim is unpaid by one fen at least."""
    if line.owed_fen is None:
        return 1
    return max(0, line.owed_fen - verified_fen(state, line.line))


def paid_in_full(state: Watch) -> bool:
    """Whether every claim line is covered by verified payments (I-01)."""
    return bool(state.lines) and all(unpaid_fen(state, line) == 0 for line in state.lines)


def settled(state: Watch) -> bool:
    """Paid in full, and nobody asks for more than that: who complains again is not told that he is
    paid with less until somebody has verified what is owed (I-01)."""
    return paid_in_full(state) and not any(line.contested for line in state.lines)


def all_paid(state: Watch) -> bool:
    """Settled, and so is every other case of the group that it leads (I-01, scenario 9)."""
    return settled(state) and all(member.settled for member in state.members)


def as_it_stood(state: Watch, lines: tuple[Line, ...], instant: datetime | None) -> Watch:
    """Only these lines, and the payments made before an instant, however late they were recorded.

    What came to a line later, or to the case, was not owed then; what fell away was not either.
    """
    now = {line.line: line.owed_fen for line in state.lines}
    owed = []
    for line in lines:
        if line.line not in now:
            continue
        amounts = [fen for fen in (line.owed_fen, now[line.line]) if fen is not None]
        owed.append(replace(line, verified_fen=min(amounts, default=None)))
    paid = tuple(paid for paid in state.paid if instant is None or paid.at < instant)
    return replace(state, lines=tuple(owed), paid=paid)


def ordered(state: Watch, order: Order) -> Watch:
    """The case as far as this order is of it: what came after all of it had been paid was not
    ordered to be paid (I-09)."""
    return as_it_stood(state, order.lines, None) if order.paid else state


def last_payment(state: Watch) -> datetime | None:
    """Of the case, or of another one of the group that it leads."""
    known = [state.last_paid_time, *(member.told.paid_at for member in state.members)]
    return max((at for at in known if at is not None), default=None)


def referral_pending(state: Watch) -> bool:
    """Threshold met and neither approved nor declined (I-10: no fine instead of referral)."""
    met = any(not each.lapsed for each in state.thresholds)
    return met and not state.referral_decided


def reasons_standing(state: Watch) -> list[RefusalOfClosure]:
    """What forbids to close at any step: I-10, and I-11 until paid in full or legally ended."""
    reasons: list[RefusalOfClosure] = []
    if referral_pending(state):
        reasons.append("REFERRAL_PENDING")
    if state.police_filed and not settled(state) and not state.legal_ended:
        reasons.append("POLICE_FILED")
    return reasons


def reasons_at_request(state: Watch, data: ClosureRequested) -> list[RefusalOfClosure]:
    """What forbids a request to close."""
    unpaid = data.kind == "PAID_IN_FULL" and not all_paid(state)
    return [*(("UNPAID",) if unpaid else ()), *reasons_standing(state)]


def reasons_at_follow_up(
    state: Watch, event: Event, data: FollowUpCompleted
) -> list[RefusalOfClosure]:
    """What a completed follow-up still lacks of the standard (I-01, I-19)."""
    reasons: list[RefusalOfClosure] = []
    if event.unit in (state.handler, state.department, state.task_force):
        reasons.append("SAME_UNIT")
    if data.satisfaction == "unreached":
        reasons.append("FOLLOW_UP_MISSING")
    if (state.closure_kind or "PAID_IN_FULL") == "PAID_IN_FULL":
        reached = data.satisfaction != "unreached"
        if not all_paid(state) or (reached and data.got_paid != "Y"):
            reasons.append("NOT_PAID")
        last = last_payment(state)
        if last is not None and event.time < last:
            reasons.append("FOLLOW_UP_MISSING")
    if data.satisfaction == "unsatisfied":
        reasons.append("UNSATISFIED")
    return [*dict.fromkeys(reasons), *reasons_standing(state)]


def threshold_of(policy: Policy, at: datetime) -> Threshold | None:
    """The region's figures in force at the order's default (domain 1.6); None before any were."""
    referral = policy.content.referral
    rules = [
        rule
        for rule in referral.thresholds
        if rule.region in (None, referral.region) and rule.effective <= civil(at)
    ]
    return max(rules, key=lambda rule: rule.effective, default=None)


def creditors(state: Watch) -> list[Creditor]:
    """Who is still unpaid; several lines of one worker are one claim (法释〔2013〕3号 3).

    Workers that no line is of count among the many; what they are owed stands on the lines.
    """
    of: dict[str, list[tuple[Line, int]]] = {}
    for line in state.lines:
        fen = unpaid_fen(state, line)
        if fen > 0 and line.owed_fen is not None:
            of.setdefault(line.worker or f"line {line.line}", []).append((line, fen))
    named = [
        Creditor(
            max(line.heads for line, _ in lines),
            _months([line for line, _ in lines]),
            sum(fen for _, fen in lines),
            lines[0][0].worker,
        )
        for lines in of.values()
    ]
    rest = [
        Creditor(line.rest, line.months, 0)
        for lines in of.values()
        for line, _ in lines
        if line.rest
    ]
    return [*named, *rest]


def _months(lines: list[Line]) -> int:
    """Months in arrears of one worker's lines: a month that two of them claim counts once."""
    claimed = [
        set(range(line.first, line.first + line.claimed_months))
        for line in lines
        if line.first is not None
    ]
    twice = sum(map(len, claimed)) - len(set().union(*claimed))
    most = max(line.months for line in lines)
    return max(most, sum(line.months for line in lines) - twice)


def limb_met(
    state: Watch, policy: Policy, at: datetime
) -> tuple[int, int, int, int, Threshold] | None:
    """(limb, workers, months, fen, threshold) of what is still unpaid; None below both limbs.

    Limb 1: one worker, months and amount. Limb 2: workers and total (法释〔2013〕3号 3).
    """
    rule = threshold_of(policy, at)
    if rule is None:
        return None
    figures = Figures(rule.single_months, rule.single_fen, rule.many_workers, rule.many_fen)
    limb = limb_of(_once([*creditors(state), *of_members(state)]), figures)
    return None if limb is None else (*limb, rule)


def of_members(state: Watch) -> tuple[Creditor, ...]:
    """Who is unpaid of the group that this case leads: it counts with all its workers (G1: limb 2,
    domain 2.14)."""
    told = {member.case: member.told for member in state.members if not member.settled}
    return tuple(one for each in told.values() for one in each.unpaid)


def _once(unpaid: list[Creditor]) -> list[Creditor]:
    """Each worker once: who has claims in several cases of a group has other months in each, since
    what overlaps is merged (查重).
    """
    of: dict[str, list[Creditor]] = {}
    for number, one in enumerate(unpaid):
        of.setdefault(one.worker or f"unnamed {number}", []).append(one)
    return [
        Creditor(
            max(one.heads for one in each),
            sum(one.months for one in each),
            sum(one.fen for one in each),
            each[0].worker,
        )
        for each in of.values()
    ]


def limb_of(unpaid: list[Creditor], figures: Figures) -> tuple[int, int, int, int] | None:
    """(limb, workers, months, fen) by these figures."""
    single = [
        one
        for one in unpaid
        if one.heads == 1 and one.months >= figures.single_months and one.fen >= figures.single_fen
    ]
    if single:
        total = sum(one.fen for one in single)
        return 1, len(single), max(one.months for one in single), total
    workers, total = sum(one.heads for one in unpaid), sum(one.fen for one in unpaid)
    if workers >= figures.many_workers and total >= figures.many_fen:
        return 2, workers, max(one.months for one in unpaid), total
    return None


def threshold_data(
    limb: tuple[int, int, int, int, Threshold], cause: str, doc_no: str
) -> ReferralThresholdMet:
    """The decision that a limb is reached after an expired order."""
    number, workers, months, fen, rule = limb
    return ReferralThresholdMet.model_validate(
        {
            "cause": cause,
            "limb": number,
            "workers": workers,
            "months": months,
            "amount_fen": fen,
            "threshold": rule.id,
            "doc_no": doc_no,
            "figures": {
                "single_months": rule.single_months,
                "single_fen": rule.single_fen,
                "many_workers": rule.many_workers,
                "many_fen": rule.many_fen,
            },
        }
    )
