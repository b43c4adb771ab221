"""Who is still to be told of an ending (条例 10), and until when, as of a cut."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from services.reporting.cases import Cursor
from services.reporting.reading import Cut, Malformed, Snapshot, instant
from services.reporting.rows import whole
from shared.calendar import civil, end_of
from shared.events import instant_text
from shared.policy import Policy

FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_MARK: Final = "untold"
_UNTOLD: Final = (
    "SELECT case_id, number, source, township, task_force, department, untold_since, doc "
    "FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1 AND untold_since IS NOT NULL "
    "AND (untold_since, case_id) > ($2, $3) ORDER BY untold_since, case_id LIMIT $4"
)


def due(ended_at: datetime, policy: Policy) -> datetime:
    """The instant from which telling is late (若干规定 18 for a refusal, [PC] for the others)."""
    return end_of(policy.calendar.after(civil(ended_at), policy.content.handling.tell_wd))


def shown(doc: dict[str, Any], cut: Cut) -> list[dict[str, Any]]:
    """The endings of a row's document, each with its due and whether it is, or was told, late."""
    found = []
    for item in doc["endings"]:
        late_from = due(datetime.fromisoformat(item["ended_at"]), cut.policy)
        until = datetime.fromisoformat(item["told_at"]) if item["told_at"] else cut.as_of
        open_ = item["told_at"] is None and item["undone_at"] is not None
        found.append(
            item | {"due_at": instant_text(late_from), "late": not open_ and until >= late_from}
        )
    return found


async def untold(
    snapshot: Snapshot, cut: Cut, limit: int, after: tuple[datetime, str] | None
) -> list[dict[str, Any]]:
    """Endings of which nobody was told as of the cut, longest waiting first."""
    since, case_id = after or (FIRST, "")
    rows = await snapshot.fetch(_UNTOLD, cut.as_of, since, case_id, limit)
    found = []
    for row in rows:
        endings = shown(whole(row["doc"]), cut)
        waiting = [e for e in endings if e["told_at"] is None and e["undone_at"] is None]
        ending = min(waiting, key=lambda item: datetime.fromisoformat(item["ended_at"]))
        names = ("case_id", "number", "source", "township", "task_force", "department")
        found.append({name: row[name] for name in names} | {"ending": ending})
    return found


def cursor_after(cut: Cut, item: dict[str, Any]) -> str:
    """The cursor of the page after this item."""
    return Cursor(cut.as_of, _MARK, (item["ending"]["ended_at"], item["case_id"])).text


def place_of(cursor: Cursor) -> tuple[datetime, str]:
    """Where the page before ended. Raises Malformed."""
    if cursor.mark != _MARK or len(cursor.last) != 2:
        raise Malformed("cursor", "this cursor belongs to another list")
    return instant(str(cursor.last[0]), "cursor"), str(cursor.last[1])
