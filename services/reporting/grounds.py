"""What a unit's place in a ranking rests on, case by case: whoever is ranked can look it up.

The lists are those that `rankings` counts, by the same conditions; each number of the place is the
length or the sum of one of them.
"""

from __future__ import annotations

from typing import Any, Final

from services.reporting import rankings
from services.reporting.rankings import List, Window, listed
from services.reporting.reading import TICK, Cut, Snapshot
from services.reporting.rows import REQUIRED
from shared.events import instant_text

_RATES: Final = {
    "cleared": ("base", "cleared"),
    "on_time": ("due", "on_time"),
    "responded": ("assigned", "responded"),
}
"""Rates by cases: which are counted in it, and which of them it counts as met."""

_CASES: Final = f"""
{rankings.JOINED}
SELECT case_id, number,
    {", ".join(f"coalesce({what}, false) AS {name}" for name, what in rankings.COUNTED.items())},
    CASE WHEN money THEN coalesce(owed_fen, 0) END AS owed_fen,
    CASE WHEN money THEN coalesce(fen, 0)::bigint END AS recovered_fen,
    CASE WHEN base THEN filled END AS filled, due_at
{rankings.FROM_JOINED} WHERE unit = $7 ORDER BY received_at, case_id
"""
_FOLLOW_UPS: Final = (
    rankings.MEMBERS
    + """
SELECT event_id, case_id, at, word, word IN ('satisfied', 'mostly') AS met
FROM {acts} AS a JOIN members ON case_id = a.subject
WHERE a.kind = 'FOLLOW_UP' AND a.recorded_at <= $1 AND a.at >= $2 AND a.at < $3
    AND a.word <> 'unreached' AND $4::timestamptz IS NOT NULL AND unit = $5
ORDER BY at, event_id
"""
)
_ACTS: Final = f"""
SELECT kind, event_id, subject, at {rankings.ACTS} AND {{list}} = $4 ORDER BY at, event_id
"""
_NOTICES: Final = f"""
SELECT event_id, subject, at {rankings.NOTICES} AND {rankings.NOTIFIED} = $4 ORDER BY at, event_id
"""
_INCIDENTS: Final = f"""
SELECT event_id, subject, at {rankings.INCIDENTS} AND {{list}} = $4 ORDER BY at, event_id
"""
_DUTIES: Final = f"""
{rankings.DUTIES}
SELECT subject, word, ref, until, done FROM due WHERE unit = $4 ORDER BY until, word, ref
"""
_DEDUCTED: Final = {
    "IMPROPER_RETURN": "improper_return",
    "REOPENED": "reopened",
    "FALSE_CLOSURE": "false_closure",
}


async def grounds(
    snapshot: Snapshot, cut: Cut, of: List, unit: str, window: Window
) -> dict[str, Any]:
    """Every case, follow-up, record and act that a number of the unit's place counts.

    Of a case `rates` has only those that it is counted in; sums are fen. `records`: what 台账合规率
    asks for beside the columns of the cases.
    """
    start, end = window.start, window.end
    before = (cut.as_of, start, end, start - TICK)
    span = (cut.as_of, start, end)
    cases = await snapshot.fetch(
        listed(_CASES, of), *before, end - TICK, rankings.prompt(cut.policy), unit
    )
    follow_ups = await snapshot.fetch(listed(_FOLLOW_UPS, of), *before, unit)
    late = [row for row in cases if row["due"] and not row["on_time"]]
    deductions: dict[str, list[dict[str, Any]]] = {
        "overdue": [
            {"subject": row["case_id"], "at": instant_text(row["due_at"]), "event_id": None}
            for row in late
        ],
        **{name: [] for name in _DEDUCTED.values()},
    }
    for row in await snapshot.fetch(listed(_ACTS, of), *span, unit):
        if row["kind"] in _DEDUCTED:
            deductions[_DEDUCTED[row["kind"]]].append(_act(row))
    for name, query in (("notice_unanswered", _NOTICES), ("extreme_incident", _INCIDENTS)):
        rows = await snapshot.fetch(listed(query, of), *span, unit)
        deductions[name] = [_act(row) for row in rows]
    return {
        "cases": [_case(row) for row in cases],
        "follow_ups": [
            {
                "event_id": row["event_id"],
                "case_id": row["case_id"],
                "at": instant_text(row["at"]),
                "answer": row["word"],
                "met": row["met"],
            }
            for row in follow_ups
        ],
        "records": await _records(snapshot, cut, of, unit, window),
        "deductions": deductions,
    }


def _case(row: Any) -> dict[str, Any]:
    rates = {name: row[met] for name, (of, met) in _RATES.items() if row[of]}
    filled = {"met": row["filled"], "of": len(REQUIRED)} if row["base"] else None
    return {
        "case_id": row["case_id"],
        "number": row["number"],
        "rates": rates,
        "owed_fen": row["owed_fen"],
        "recovered_fen": row["recovered_fen"],
        "ledger": filled,
    }


def _act(row: Any) -> dict[str, Any]:
    at = instant_text(row["at"])
    return {"subject": row["subject"], "at": at, "event_id": row["event_id"]}


async def _records(
    snapshot: Snapshot, cut: Cut, of: List, unit: str, window: Window
) -> list[dict[str, Any]]:
    """零报告 by day, what a phase asks of every unit, and what was to be put right or done."""
    filed = (await rankings.reports(snapshot, cut, window)).get(unit, set())
    found = [
        _record("ZERO_REPORT", day.isoformat(), met=day in filed)
        for day in rankings.duty_days(cut.policy, window)
    ]
    for kind, first, last in rankings.phase_records(cut.policy, of, window):
        rows = await snapshot.fetch(rankings.RECORDED, cut.as_of, first, last, kind)
        found.append(_record(kind, instant_text(first), met=unit in {row["unit"] for row in rows}))
    duties = await snapshot.fetch(listed(_DUTIES, of), cut.as_of, window.start, window.end, unit)
    found += [_record(row["word"], instant_text(row["until"]), met=row["done"]) for row in duties]
    return found


def _record(what: str, when: str, *, met: bool) -> dict[str, Any]:
    return {"what": what, "when": when, "met": met}
