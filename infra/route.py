"""`qingqian route`: where each complaint of a file would go, and why, without a stack."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from services.intake.complaint import Refused as BadComplaint
from services.intake.complaint import admit, check, read
from services.routing.decider import reasons
from services.routing.decider.place import township_of
from services.routing.decider.rules import choose, facts_of
from shared.envelope import case_id_of
from shared.events import SEALED_PREFIX, ComplaintReceived, Signals
from shared.policy import Policy, adopt, read_book
from shared.sealing import KEY_BYTES, Matcher, Sealer

MILLION = 1_000_000


class Unmatched(Matcher):
    """Matches nobody: where a complaint goes does not hang on who is in it."""

    def hash(self, kind: str, *parts: str) -> str:
        return _NOBODY


_NOBODY = "0" * 32
_UNMATCHED = Unmatched(bytes(KEY_BYTES))


class Withheld(Sealer):
    """Leaves out what would be sealed. Nothing that `qingqian route` answers is read from it, and
    sealing and hashing every worker named would take as long as the routing itself.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.matcher = _UNMATCHED

    def seal_bytes(self, plain: bytes, place: str) -> str:
        return SEALED_PREFIX


def run(*, file: Path, book: str = "dengfeng-2021-35", why: bool = False) -> int:
    """One JSON line for each complaint line; 1 if a line could not be read.

    `why`: each line also says why, beside the contract's fields.
    """
    now = datetime.now(UTC)
    policy = adopt(read_book(book), now, "route")
    bad = 0
    with file.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if number == 1:
                raw = raw.removeprefix(BOM_UTF8)
            if not raw.strip():
                continue
            try:
                complaint = read(raw)
                check(complaint, now, policy)
            except BadComplaint as error:
                bad += 1
                print(f"line {number}: {error}", file=sys.stderr)
                continue
            case_id = case_id_of(complaint.source, complaint.source_ref)
            received = admit(complaint, case_id, Withheld(case_id), policy)
            found = answer(received, policy)
            if why:
                found |= {"why": reasons_of(received, policy)}
            sys.stdout.buffer.write(orjson.dumps(found) + b"\n")
    return 1 if bad else 0


def answer(received: ComplaintReceived, policy: Policy) -> dict[str, Any]:
    """The routing of a complaint as `qingqian route` prints it (contract 1)."""
    facts = facts_of(received)
    chosen, runner_up = choose(facts, policy)
    place = township_of(received, None, policy)
    signals = received.signals or Signals(version="none")
    lead = chosen.lead if chosen.triage is None else None
    triage = chosen.triage or place.triage
    confidence, margin = chosen.confidence, chosen.margin
    claim = signals.claim or _claims_wages(received)
    if not claim:
        lead, triage, name = None, None, "NONE"
        confidence = MILLION - signals.claim_ppm
        margin = MILLION - 2 * signals.claim_ppm
    else:
        name = lead or "TRIAGE"
    return {
        "ref": received.source_ref,
        "claim": claim,
        "lead": name,
        "co": list(chosen.co),
        "township": place.code,
        "confidence": confidence / MILLION,
        "margin": margin / MILLION,
        "rule": chosen.rule,
        "runner_up": runner_up.lead if runner_up else None,
        "triage_reason": triage,
        "signals": {
            "workers": signals.workers,
            "amount_fen": signals.amount_fen,
            "months": signals.months,
            "urgent": signals.urgent,
            "mixed": signals.mixed,
        },
    }


def reasons_of(received: ComplaintReceived, policy: Policy) -> dict[str, Any]:
    """The way through the rules, evidence, runner-up, and what would flip the lead."""
    facts = facts_of(received)
    chosen, runner_up = choose(facts, policy)
    place = township_of(received, None, policy)
    flip = reasons.flip(facts, place, policy)
    return {
        "path": [
            {"rule": step.rule, "holds": step.holds, "facts": list(step.facts)}
            for step in reasons.path(facts, policy)
        ],
        "evidence": list(chosen.evidence or reasons.evidence(chosen.rule, facts)),
        "runner_up": runner_up.model_dump() if runner_up else None,
        "township_from": place.source.model_dump(),
        "flip": flip.model_dump() if flip else None,
    }


def _claims_wages(received: ComplaintReceived) -> bool:
    """Whether the structured fields alone claim wages, whatever the text says."""
    lines = received.claims
    return received.amount_fen is not None or any(
        line.amount_fen is not None or line.months_from is not None for line in lines
    )
