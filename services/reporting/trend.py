"""How the stock ran down: the overview at the end of each day of the campaign (方案 四)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from services.reporting.overview import OPEN
from services.reporting.reading import MOST_FEN, TICK, Cut, Snapshot
from shared.calendar import DAY, end_of
from shared.events import instant_text

_COUNTED: Final = {
    "received": "1",
    "accepted": "(accepted_at IS NOT NULL)::int",
    "closed": "(state IN ('CLOSED', 'WRITTEN_OFF'))::int",
    "open": f"({OPEN})::int",
    "owed_fen": "CASE WHEN left_base IS NULL THEN coalesce(owed_fen, 0) ELSE 0 END",
    "paid_fen": "paid_fen",
}
"""What one version of a case adds while it holds, as `overview` counts it."""

# A version is seen at the instants e with recorded_from <= e < recorded_to; of the days that it
# does not reach the end of, nothing is to be told. width_bucket counts the instants <= its operand.
_SEEN: Final = f"""
WITH seen AS (
    SELECT width_bucket(recorded_from - interval '1 microsecond', $1::timestamptz[]) AS first,
        width_bucket(recorded_to - interval '1 microsecond', $1::timestamptz[]) AS last,
        overdue_during, {OPEN} AS is_open,
        {", ".join(f"{what} AS {name}" for name, what in _COUNTED.items())}
    FROM {{versions}} WHERE recorded_from <= ($1::timestamptz[])[cardinality($1)]
)
"""
_CHANGES: Final = f"""
{_SEEN}
SELECT n, {", ".join(f"sum({name})::numeric AS {name}" for name in _COUNTED)} FROM (
    SELECT first AS n, {", ".join(_COUNTED)} FROM seen WHERE first < last
    UNION ALL
    SELECT last, {", ".join(f"-{name}" for name in _COUNTED)} FROM seen WHERE first < last
) AS changes GROUP BY n
"""
_OVERDUE: Final = f"""
{_SEEN}
SELECT n, count(*) AS overdue
FROM seen CROSS JOIN generate_series(first, last - 1) AS n
WHERE first < last AND is_open AND NOT isempty(overdue_during)
    AND overdue_during @> ($1::timestamptz[])[n + 1]
GROUP BY n
"""


async def trend(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """One item for each civil day of the campaign up to the cut, as `overview` says at `at`: just
    before the day's 24:00 (what comes then is of the next day), of the cut's own day at the cut.

    Counts of cases, sums in fen; none before the campaign.
    """
    days = _days(cut)
    if not days:
        return []
    ends = [at for _, at in days]
    changes = {row["n"]: row for row in await snapshot.fetch(_CHANGES, ends)}
    overdue = {row["n"]: row["overdue"] for row in await snapshot.fetch(_OVERDUE, ends)}
    sums = dict.fromkeys(_COUNTED, 0)
    items = []
    for n, (day, at) in enumerate(days):
        for name in sums:
            sums[name] += int(changes[n][name]) if n in changes else 0
        shown = sums | {name: min(sums[name], MOST_FEN) for name in ("owed_fen", "paid_fen")}
        of = {"day": day.isoformat(), "at": instant_text(at), "overdue": overdue.get(n, 0)}
        items.append(of | shown)
    return items


def _days(cut: Cut) -> list[tuple[date, datetime]]:
    phases = cut.policy.content.campaign.phases
    day, last = phases[0].first, min(phases[-1].last, cut.local_day)
    found = []
    while day <= last:
        found.append((day, min(end_of(day) - TICK, cut.as_of)))
        day += DAY
    return found
