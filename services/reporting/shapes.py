"""Numbers as answered: rankings and verdicts in the words of contract 2."""

from __future__ import annotations

from typing import Any

from services.reporting.clearance import Verdict
from services.reporting.rankings import Window
from services.reporting.scoring import Counts, Scored
from shared.events import instant_text
from shared.policy import Policy


def window(found: Window) -> dict[str, str]:
    """From when on and up to when things count."""
    return {"start": instant_text(found.start), "end": instant_text(found.end)}


def rates(counts: Counts) -> dict[str, Any]:
    """Each rate with what it counts; `percent` only for display."""
    return {
        name: {"met": met, "of": of, "percent": round(met * 100 / of, 2) if of > 0 else None}
        for name, (met, of) in counts.rates.items()
    }


def apart(counts: Counts) -> dict[str, Any]:
    """A unit that is counted and not ranked."""
    return {
        "unit": counts.unit,
        "base": counts.base,
        "rates": rates(counts),
        "recovered_fen": counts.recovered_fen,
        "workers_paid": counts.workers_paid,
    }


def ranked(item: Scored, policy: Policy) -> dict[str, Any]:
    """A unit's place in a ranking."""
    counts = item.counts
    return apart(counts) | {
        "rank": item.rank,
        "name": policy.unit_names[counts.unit],
        "score": item.score,
        "raw": item.raw,
        "parts": item.parts,
        "note": item.note,
        "deductions": counts.deductions,
        "emergency_fen": counts.emergency_fen,
        "returns": counts.returns,
    }


def judged(item: Verdict) -> dict[str, Any]:
    """A predicate of a phase."""
    return item.also | {
        "phase": item.phase,
        "predicate": item.predicate,
        "at": instant_text(item.at),
        "result": item.result,
        "met": item.met,
        "of": item.of,
        "cases": [{"case_id": case.case_id, "tag": case.tag} for case in item.cases],
        "hash": item.hash,
    }
