"""Money of a case in integer fen: what is verified as owed, and what the worker verifiably got.

A recorded payment counts for nothing until it is verified (条例 11). A payment counts once under
its name and line; a reversal takes back no more than was verified there.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from services.reporting.case import Case
from shared import events as ev
from shared.claims import verified


def verified_owed(case: Case, data: ev.FactsVerified) -> Case:
    """The last verification of each line holds."""
    owed = case.owed | {line.line: line.amount_fen for line in data.lines}
    return replace(
        case,
        owed=owed,
        claims=verified(case.claims, [line.line for line in data.lines]),
        root_cause=data.root_cause or case.root_cause,
    )


def verified_paid(case: Case, data: ev.PaymentVerified) -> Case:
    """Verifying a payment again corrects its lines; other lines of it stay."""
    lines: dict[str, int] = {}
    for line in data.lines:
        lines[line.line] = lines.get(line.line, 0) + line.amount_fen
    paid = case.paid | {data.payment: case.paid.get(data.payment, {}) | lines}
    emergency = case.emergency
    if data.source == "EMERGENCY_FUND":
        emergency = tuple(dict.fromkeys((*emergency, data.payment)))
    vouchers = case.vouchers
    if data.voucher is not None:
        vouchers = tuple(dict.fromkeys((*vouchers, data.voucher)))
    return replace(case, paid=paid, emergency=emergency, vouchers=vouchers)


def reversed_paid(case: Case, data: ev.PaymentReversed) -> Case:
    if data.payment not in case.paid:
        return case
    lines = dict(case.paid[data.payment])
    for line in data.lines:
        if line.line in lines:
            lines[line.line] = max(0, lines[line.line] - line.amount_fen)
    return replace(case, paid=case.paid | {data.payment: lines})


def lines(case: Case) -> list[dict[str, Any]]:
    """The claim lines (诉求) that stand, as a payment names them: claimed, owed, verifiably paid.

    Owed is what was verified, before that what is claimed. A claim that is one line is the whole
    of it, also where its sum was only read in the text or supplemented.
    """
    standing = [item for item in case.claims if item.by]
    whole = case.claimed_fen if len(standing) == 1 else None
    paid = case.paid_by_line
    found = []
    for item in standing:
        claimed = item.fen if item.fen is not None else whole
        found.append(
            {
                "line": item.number,
                "claimed_fen": claimed,
                "owed_fen": case.owed.get(item.number, claimed),
                "paid_fen": paid.get(item.number, 0),
            }
        )
    return found


def changes_fen(before: Case, data: ev.PaymentVerified | ev.PaymentReversed) -> dict[str, int]:
    """By how much the event changes what each of its lines has got, in fen; less than 0 where it
    takes back."""
    if isinstance(data, ev.PaymentVerified):
        after = verified_paid(before, data)
    else:
        after = reversed_paid(before, data)
    was, now = before.paid_by_line, after.paid_by_line
    return {line.line: now.get(line.line, 0) - was.get(line.line, 0) for line in data.lines}


def is_emergency(before: Case, data: ev.Payment) -> bool:
    """Whether 应急周转金 paid: the worker is paid, the debt remains (条例 63)."""
    return data.source == "EMERGENCY_FUND" or data.payment in before.emergency
