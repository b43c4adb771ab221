"""The whole city in numbers: for a leader's first look, and, with small cells hidden, for all."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from services.reporting.case import LEVELS
from services.reporting.reading import Cut, Snapshot
from shared.policy import Policy

SMALL: Final = 3
"""A published number of cases below it could point at a person (domain 7)."""

_WHOLE: Final = """
SELECT count(*) AS received, count(accepted_at) AS accepted,
    count(*) FILTER (WHERE state IN ('CLOSED', 'WRITTEN_OFF')) AS closed,
    count(*) FILTER (WHERE state = 'WRITTEN_OFF') AS written_off,
    count(*) FILTER (WHERE {open}) AS open,
    count(*) FILTER (WHERE {open} AND overdue_during @> $1::timestamptz) AS overdue,
    count(*) FILTER (WHERE left_base IS NOT NULL) AS left_base,
    coalesce(sum(workers) FILTER (WHERE left_base IS NULL), 0)::bigint AS workers,
    least(coalesce(sum(owed_fen) FILTER (WHERE left_base IS NULL), 0), {most})::bigint AS owed_fen,
    least(coalesce(sum(paid_fen), 0), {most})::bigint AS paid_fen,
    coalesce(sum(workers_paid), 0)::bigint AS workers_paid
FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1
"""
OPEN: Final = (
    "accepted_at IS NOT NULL AND state NOT IN "
    "('CLOSED', 'WRITTEN_OFF', 'NOT_ACCEPTED', 'TRANSFERRED_OUT', 'MERGED')"
)
"""存量: accepted and not ended."""
_BY: Final = """
SELECT {by} AS key, count(*) AS n FROM {versions}
WHERE recorded_from <= $1 AND recorded_to > $1 GROUP BY 1 ORDER BY 1
"""
_OPEN_BY_LEVEL: Final = f"""
SELECT level AS key, count(*) AS n FROM {{versions}}
WHERE recorded_from <= $1 AND recorded_to > $1 AND {OPEN} GROUP BY 1 ORDER BY 1
"""
"""What stands may outlive a case: an A-date that was missed, a listing that is still owed."""

_TOWNSHIPS: Final = """
SELECT township, count(*) AS received,
    count(*) FILTER (WHERE state IN ('CLOSED', 'WRITTEN_OFF')) AS closed
FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1
    AND accepted_at IS NOT NULL AND left_base IS NULL AND township IS NOT NULL
GROUP BY 1
"""


async def overview(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    """Counts, money and alert levels as of the cut; open means accepted and not ended."""
    (whole,) = await snapshot.fetch(_WHOLE.replace("{open}", OPEN), cut.as_of)
    found: dict[str, Any] = dict(whole)
    for name in ("state", "tier", "source"):
        rows = await snapshot.fetch(_BY.replace("{by}", name), cut.as_of)
        found[f"by_{name}"] = {row["key"]: row["n"] for row in rows}
    rows = await snapshot.fetch(_BY.replace("{by}", "level"), cut.as_of)
    found["by_level"] = {LEVELS[row["key"]]: row["n"] for row in rows}
    rows = await snapshot.fetch(_OPEN_BY_LEVEL, cut.as_of)
    found["open_by_level"] = {LEVELS[row["key"]]: row["n"] for row in rows}
    phase = cut.policy.phase_of(cut.local_day)
    return found | {"phase": phase.id if phase else None}


def campaign(policy: Policy, day: date) -> dict[str, str]:
    """Where a civil day lies to the 专项行动 of a book: out of it there is no phase, and its
    targets and rankings are not begun, or done with.
    """
    phases = policy.content.campaign.phases
    first, last = phases[0].first, phases[-1].last
    stands = "before" if day < first else "over" if day > last else "running"
    return {"first": first.isoformat(), "last": last.isoformat(), "stands": stands}


async def public(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    """What anybody may know."""
    (whole,) = await snapshot.fetch(_WHOLE.replace("{open}", OPEN), cut.as_of)
    rows = {row["township"]: row for row in await snapshot.fetch(_TOWNSHIPS, cut.as_of)}
    townships = []
    for code, entry in cut.policy.townships.items():
        received = rows[code]["received"] if code in rows else 0
        closed = rows[code]["closed"] if code in rows else 0
        # A small rest (received - closed) would tell as much as a small number.
        hidden = _small(received) or _small(closed) or _small(received - closed)
        townships.append(
            {
                "township": code,
                "name": entry.name,
                "received": None if _small(received) else received,
                "closed": None if hidden else closed,
            }
        )
    closed, opened = whole["closed"], whole["open"]
    few = _small(whole["workers_paid"])
    return {
        "received": None if _small(whole["received"]) else whole["received"],
        "open": None if _small(opened) else opened,
        "closed": None if _small(closed) else closed,
        "recovered_fen": None if few else whole["paid_fen"],
        "workers_paid": None if few else whole["workers_paid"],
        "townships": townships,
    }


def _small(number: int) -> bool:
    return 0 < number < SMALL


async def overdue_cases(snapshot: Snapshot, cut: Cut) -> int:
    """Open cases past due at the cut."""
    rows = await snapshot.fetch(
        "SELECT count(*) AS n FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1 "
        f"AND {OPEN} AND overdue_during @> $1::timestamptz",
        cut.as_of,
    )
    return int(rows[0]["n"])
