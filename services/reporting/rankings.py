"""Counts of each unit over a window (domain 6.1), in SQL over the rows that held at a cut.

Open(S) is judged just before S and closed-by-T just before T, so that an act at 00:00 is of the
day that begins. A case belongs to the list of its township and of its task force; departments and
NO_TOWNSHIP are counted apart and not ranked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from services.reporting.reading import TICK, Cut, Snapshot
from services.reporting.rows import REQUIRED
from services.reporting.scoring import Counts, Scored, rank
from shared.calendar import DAY, ZONE, at_hour, end_of, start_of
from shared.policy import Policy

List = Literal["task_force", "township", "department"]

ROLL_CALL_HOUR: Final = 17
"""Until when a day's 零报告 is in time (T53)."""


@dataclass(frozen=True)
class Window:
    """[start, end): what happened in it counts, as far as it is known at the cut."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Ranking:
    """The ranked list, and the units that are only counted."""

    items: list[Scored]
    apart: list[Counts]


def window_of(cut: Cut, start: datetime | None, end: datetime | None) -> Window:
    """The asked window, by default the whole campaign; never beyond the cut."""
    first = start or start_of(cut.policy.content.campaign.phases[0].first)
    last = min(end, cut.end) if end is not None else cut.end
    return Window(first, max(first, last))


MEMBERS: Final = """
WITH held AS (
    SELECT *, {list} AS unit,
        accepted_at < $3 AND left_base IS NULL
            AND (accepted_at >= $2 OR NOT closed_during @> $4::timestamptz) AS money
    FROM {versions}
    WHERE recorded_from <= $1 AND recorded_to > $1 AND {list} IS NOT NULL
), members AS (SELECT *, money AND NOT joined AS base FROM held)
"""

UNENDED: Final = """
SELECT DISTINCT group_master FROM {versions}
WHERE recorded_from <= $1 AND recorded_to > $1 AND joined AND left_base IS NULL
    AND accepted_at < $3
"""
"""Groups of which a member's case was accepted and has not left; the caller adds that it was open.
A group counts once, by its master, and is cleared when every line of it is (domain 8, 9: I-01)."""

_COVERED: Final = """
SELECT subject, sum(greatest(0, least(fen, (owed ->> line)::bigint))) AS fen
FROM (
    SELECT subject, ref AS line, sum(fen) AS fen FROM {acts}
    WHERE kind = 'PAYMENT' AND recorded_at <= $1 AND at < $3 GROUP BY 1, 2
) AS got JOIN {versions} ON case_id = subject AND owed ? line
WHERE recorded_from <= $1 AND recorded_to > $1 GROUP BY subject
"""
"""追回: what the lines of a case got before the end, each at most what is owed on it as known at
the cut: one worker's surplus stands for nobody else's arrears, whenever those are paid."""

COUNTED: Final = {
    "base": "base",
    "cleared": "base AND settled_during @> $5::timestamptz AND unended.group_master IS NULL",
    "due": "base AND due_at <= $3",
    "on_time": "base AND due_at <= $3 AND passed_at < due_at",
    "assigned": "assigned_at >= $2 AND assigned_at < $3",
    "responded": (
        "assigned_at >= $2 AND assigned_at < $3 AND contact_at < assigned_at + $6::interval"
    ),
}
"""Which cases a rate counts, and of how many; $5: the instant before the end, $6: of T07."""

JOINED: Final = (
    MEMBERS
    + f", unended AS ({UNENDED} AND NOT closed_during @> $5::timestamptz), covered AS ({_COVERED})"
)
FROM_JOINED: Final = """
FROM members LEFT JOIN unended ON unended.group_master = case_id
    LEFT JOIN covered ON covered.subject = case_id
"""

_CASES: Final = f"""
{JOINED}
SELECT unit,
    {", ".join(f"count(*) FILTER (WHERE {what}) AS {name}" for name, what in COUNTED.items())},
    least(coalesce(sum(owed_fen) FILTER (WHERE money), 0), {{most}})::bigint AS owed_fen,
    least(coalesce(sum(fen) FILTER (WHERE money), 0), {{most}})::bigint AS covered_fen,
    coalesce(sum(workers_paid) FILTER (WHERE money), 0)::bigint AS workers_paid,
    coalesce(sum(filled) FILTER (WHERE base), 0)::bigint AS filled
{FROM_JOINED} GROUP BY unit
"""

_MONEY: Final = (
    MEMBERS
    + """
SELECT unit,
    least(coalesce(sum(fen) FILTER (WHERE a.kind = 'PAYMENT' AND a.at >= $2), 0), {most})::bigint
        AS recovered_fen,
    least(coalesce(sum(fen) FILTER (WHERE emergency AND a.at >= $2), 0), {most})::bigint
        AS emergency_fen,
    count(*) FILTER (WHERE a.word <> 'unreached' AND a.at >= $2) AS answered,
    count(*) FILTER (WHERE a.word IN ('satisfied', 'mostly') AND a.at >= $2) AS satisfied
FROM {acts} AS a JOIN members ON case_id = a.subject
WHERE a.kind IN ('PAYMENT', 'FOLLOW_UP') AND a.recorded_at <= $1 AND a.at < $3
    AND $4::timestamptz IS NOT NULL
GROUP BY unit
"""
)

ACTS: Final = """
FROM {acts} WHERE kind IN ('RETURN', 'IMPROPER_RETURN', 'REOPENED', 'FALSE_CLOSURE')
    AND recorded_at <= $1 AND at >= $2 AND at < $3 AND {list} IS NOT NULL
"""
_ACTS: Final = f"SELECT {{list}} AS unit, kind, count(*) AS n {ACTS} GROUP BY 1, 2"

NOTICES: Final = """
FROM {acts} AS n
WHERE kind = 'NOTICE' AND recorded_at <= $1 AND at >= $2 AND at < $3 AND until <= $3
    AND ({list} IS NOT NULL OR subject LIKE 'unit:%')
    AND NOT EXISTS (
        SELECT FROM {acts} AS r WHERE r.kind = 'NOTICE_REPLIED' AND r.subject = n.subject
        AND r.recorded_at <= $1 AND r.at < $3
        AND (r.ref = n.ref OR (r.ref IS NULL AND r.at >= n.at)))
"""
NOTIFIED: Final = "coalesce({list}, substr(n.subject, 6))"
_NOTICES: Final = f"SELECT {NOTIFIED} AS unit, count(*) AS n {NOTICES} GROUP BY 1"

INCIDENTS: Final = """
FROM {acts} AS i
WHERE kind = 'INCIDENT' AND recorded_at <= $1 AND at >= $2 AND at < $3 AND {list} IS NOT NULL
    AND EXISTS (SELECT FROM {acts} AS v WHERE v.kind = 'INCIDENT_VERIFIED' AND v.ref = i.ref
        AND v.recorded_at <= $1)
"""
_INCIDENTS: Final = f"SELECT {{list}} AS unit, count(*) AS n {INCIDENTS} GROUP BY 1"

_REPORTS: Final = """
SELECT substr(subject, 6) AS unit, at FROM {acts}
WHERE kind = 'ZERO_REPORT' AND recorded_at <= $1 AND at >= $2 AND at < $3
    AND subject LIKE 'unit:%'
"""


DUTIES: Final = """
WITH duty AS (
    SELECT DISTINCT ON (subject, word, ref) {list} AS unit, subject, word, ref, at, until
    FROM {acts} WHERE kind = 'DUTY' AND recorded_at <= $1
    ORDER BY subject, word, ref, at DESC, recorded_at DESC, until DESC
), due AS (
    SELECT *, EXISTS (SELECT FROM {acts} AS d WHERE d.kind = 'DUTY_DONE'
        AND d.subject = duty.subject AND d.word = duty.word AND d.ref = duty.ref
        AND d.recorded_at <= $1 AND d.at >= duty.at AND d.at < duty.until) AS done
    FROM duty WHERE until > $2 AND until <= $3 AND unit IS NOT NULL
)
"""
_DUTIES: Final = f"""
{DUTIES}
SELECT unit, count(*) AS duties, count(*) FILTER (WHERE done) AS duties_done FROM due GROUP BY 1
"""
"""督导考核 (方案 五(三)一, 五(三)三, 五(四)二): what was due to be put right or done, by a visit, a
measure or a meeting's decision, and was in time.
"""

RECORDED: Final = """
SELECT DISTINCT substr(subject, 6) AS unit FROM {acts}
WHERE kind = $4 AND recorded_at <= $1 AND at >= $2 AND at < $3 AND subject LIKE 'unit:%'
"""
_RECORD_KINDS: Final = {"PublicityRecorded": "PUBLICITY", "RuleRevised": "RULE_REVISED"}


@dataclass
class _Tally:
    """What the queries found for one unit; everything is 0 until it is found."""

    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    reports: set[date] = field(default_factory=set)
    records: int = 0


async def ranking(snapshot: Snapshot, cut: Cut, of: List, window: Window) -> Ranking:
    """The list of task forces or townships at a cut, or the departments' counts apart."""
    policy = cut.policy
    tallies = await _tallies(snapshot, cut, of, window)
    expected = duty_days(policy, window)
    records = len(phase_records(policy, of, window))
    ranked = _ranked(policy, of)
    units = [_counts(code, tallies[code], expected, records) for code in ranked]
    apart = [
        _counts(code, tally, [], 0)
        for code, tally in sorted(tallies.items())
        if code not in ranked and tally.numbers["base"]
    ]
    return Ranking(rank(units, policy.content.score), apart)


def _ranked(policy: Policy, of: List) -> tuple[str, ...]:
    match of:
        case "task_force":
            return tuple(policy.task_forces)
        case "township":
            return tuple(policy.townships)
        case "department":
            return ()


async def reports(snapshot: Snapshot, cut: Cut, window: Window) -> dict[str, set[date]]:
    """The days whose 零报告 came in time, by unit."""
    found: dict[str, set[date]] = defaultdict(set)
    for row in await snapshot.fetch(_REPORTS, cut.as_of, window.start, window.end):
        at: datetime = row["at"]
        day = at.astimezone(ZONE).date()
        if at < at_hour(day, ROLL_CALL_HOUR):
            found[row["unit"]].add(day)
    return found


def prompt(policy: Policy) -> timedelta:
    """Within which a complainant is contacted first, from the assignment on (T07)."""
    return timedelta(hours=policy.content.score.first_contact_hours)


async def _tallies(
    snapshot: Snapshot, cut: Cut, of: List, window: Window
) -> defaultdict[str, _Tally]:
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    start, end = window.start, window.end
    before = (cut.as_of, start, end, start - TICK)
    for found in await snapshot.fetch(listed(_CASES, of), *before, end - TICK, prompt(cut.policy)):
        _put(tallies, found)
    for found in await snapshot.fetch(listed(_MONEY, of), *before):
        _put(tallies, found)
    span = (cut.as_of, start, end)
    for found in await snapshot.fetch(listed(_ACTS, of), *span):
        tallies[found["unit"]].numbers[found["kind"]] = found["n"]
    for found in await snapshot.fetch(listed(_NOTICES, of), *span):
        tallies[found["unit"]].numbers["NOTICE"] = found["n"]
    for found in await snapshot.fetch(listed(_INCIDENTS, of), *span):
        tallies[found["unit"]].numbers["INCIDENT"] = found["n"]
    for found in await snapshot.fetch(listed(_DUTIES, of), *span):
        _put(tallies, found)
    for kind, first, last in phase_records(cut.policy, of, window):
        for found in await snapshot.fetch(RECORDED, cut.as_of, first, last, kind):
            tallies[found["unit"]].records += 1
    for unit, days in (await reports(snapshot, cut, window)).items():
        tallies[unit].reports = days
    return tallies


def listed(query: str, of: List) -> str:
    """The query for one kind of list."""
    return query.replace("{list}", of)


def _put(tallies: defaultdict[str, _Tally], found: Any) -> None:
    numbers = tallies[found["unit"]].numbers
    for name, value in found.items():
        if name != "unit":
            numbers[name] = value


def duty_days(policy: Policy, window: Window) -> list[date]:
    """The days of the window whose roll-call (值班值守) is over by its end."""
    found: list[date] = []
    for duty in policy.content.campaign.duty:
        day = duty.first
        while day <= duty.last:
            if window.start <= start_of(day) and at_hour(day, ROLL_CALL_HOUR) <= window.end:
                found.append(day)
            day += DAY
    return found


def phase_records(policy: Policy, of: List, window: Window) -> list[tuple[str, datetime, datetime]]:
    """(kind, first, end) of what each unit of a list is to record in a phase of the window.

    Only of a phase that lies wholly in it: before its end a silent unit has missed nothing.
    """
    phases = {phase.id: phase for phase in policy.content.campaign.phases}
    found: list[tuple[str, datetime, datetime]] = []
    for asked in policy.content.score.phase_records:
        phase = phases[asked.phase]
        first, end = start_of(phase.first), end_of(phase.last)
        if of in asked.units and window.start <= first and end <= window.end:
            found.append((_RECORD_KINDS[asked.fact], first, end))
    return found


def _counts(code: str, tally: _Tally, expected: list[date], records: int) -> Counts:
    """`expected`: days with a roll-call; `records`: how many the phases ask of the unit."""
    n = tally.numbers
    filed = len(tally.reports.intersection(expected)) + tally.records
    return Counts(
        unit=code,
        base=n["base"],
        rates={
            "cleared": (n["cleared"], n["base"]),
            "on_time": (n["on_time"], n["due"]),
            "satisfied": (n["satisfied"], n["answered"]),
            "recovered": (n["covered_fen"], n["owed_fen"]),
            "responded": (n["responded"], n["assigned"]),
            "ledger": (
                n["filled"] + filed + n["duties_done"],
                n["base"] * len(REQUIRED) + len(expected) + records + n["duties"],
            ),
        },
        deductions={
            "overdue": n["due"] - n["on_time"],
            "improper_return": n["IMPROPER_RETURN"],
            "reopened": n["REOPENED"],
            "false_closure": n["FALSE_CLOSURE"],
            "notice_unanswered": n["NOTICE"],
            "extreme_incident": n["INCIDENT"],
        },
        recovered_fen=n["recovered_fen"],
        emergency_fen=n["emergency_fen"],
        workers_paid=n["workers_paid"],
        returns=n["RETURN"],
    )
