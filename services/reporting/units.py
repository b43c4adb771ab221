"""What each unit has in hand: its open cases, how old they are, and their money."""

from __future__ import annotations

from typing import Any, Final

from services.reporting.overview import OPEN
from services.reporting.reading import MOST_FEN, Cut, Snapshot
from shared.policy import Policy

_AGES: Final = (
    ("0-7", 0, 7),
    ("8-15", 8, 15),
    ("16-30", 16, 30),
    ("31-60", 31, 60),
    ("61+", 61, None),
)
"""Civil days since acceptance: name, first and last, inclusive."""

_NUMBERS: Final = ("accepted", "open", "overdue", "closed", "owed_fen", "paid_fen")


def _aged(first: int, last: int | None) -> str:
    upper = "" if last is None else f" AND age <= {last}"
    return f"count(*) FILTER (WHERE {OPEN} AND age >= {first}{upper})"


_BY_UNIT: Final = f"""
SELECT kind, unit, count(*) FILTER (WHERE left_base IS NULL) AS accepted,
    count(*) FILTER (WHERE {OPEN}) AS open,
    count(*) FILTER (WHERE {OPEN} AND overdue_during @> $1::timestamptz) AS overdue,
    count(*) FILTER (WHERE left_base IS NULL AND state IN ('CLOSED', 'WRITTEN_OFF')) AS closed,
    least(coalesce(sum(owed_fen) FILTER (WHERE left_base IS NULL), 0), {MOST_FEN})::bigint
        AS owed_fen,
    least(coalesce(sum(paid_fen), 0), {MOST_FEN})::bigint AS paid_fen,
    {", ".join(f'{_aged(first, last)} AS "{name}"' for name, first, last in _AGES)}
FROM (
    SELECT *, ($1 AT TIME ZONE 'Asia/Shanghai')::date
        - (accepted_at AT TIME ZONE 'Asia/Shanghai')::date AS age
    FROM {{versions}}
    WHERE recorded_from <= $1 AND recorded_to > $1 AND accepted_at IS NOT NULL
) AS held CROSS JOIN LATERAL (VALUES
    ('task_force', task_force), ('township', township), ('department', department)
) AS of (kind, unit)
WHERE unit IS NOT NULL GROUP BY kind, unit
"""


async def units(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """Every unit of the book in its order, also one without a case; a case stands under its
    township and under its task force or department, and under none before it is assigned. Accepted,
    open and closed are of the base (domain 6.1): without what was withdrawn, unfounded, moved away
    or merged. Sums in fen; ages in civil days.
    """
    rows = await snapshot.fetch(_BY_UNIT, cut.as_of)
    found = {(row["kind"], row["unit"]): row for row in rows}
    items = []
    for kind, unit, name in _all(cut.policy):
        row = found.get((kind, unit))
        of = {number: row[number] if row is not None else 0 for number in _NUMBERS}
        ageing = {age: row[age] if row is not None else 0 for age, _, _ in _AGES}
        items.append({"kind": kind, "unit": unit, "name": name} | of | {"ageing": ageing})
    return items


def _all(policy: Policy) -> list[tuple[str, str, str]]:
    forces = [("task_force", code, policy.unit_names[code]) for code in policy.task_forces]
    townships = [("township", code, policy.unit_names[code]) for code in policy.townships]
    departments = [("department", name, name) for name in policy.content.organisation.departments]
    return [*forces, *townships, *departments]
