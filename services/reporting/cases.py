"""Reading cases: pages by opaque cursor that pin `as_of`, one case, its timeline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from services.reporting import rows, sentences
from services.reporting.case import LEVELS
from services.reporting.overview import OPEN
from services.reporting.reading import Cut, Malformed, Snapshot, instant
from shared.events import instant_text
from shared.policy import Policy
from shared.roles import NO_TOWNSHIP

MOST: Final = 500
"""Items of a page at most."""

_SHOWN: Final = (
    "case_id, number, source, tier, via, received_at, accepted_at, state, left_base, joined, "
    "task_force, department, township, assigned_at, contact_at, workers, owed_fen, paid_fen, "
    "workers_paid, due_at, cap, grace, passed_at, level, overdue_during @> {as_of} AS overdue, doc"
)
_HELD: Final = "FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1"


@dataclass(frozen=True)
class Filters:
    """What a list of cases may be narrowed to; None does not narrow."""

    task_force: str | None = None
    township: str | None = None
    department: str | None = None
    state: str | None = None
    overdue: bool | None = None
    level: str | None = None
    source: str | None = None
    tier: str | None = None
    q: str | None = None
    open: bool | None = None

    @property
    def mark(self) -> str:
        """A short hash, so that a cursor is not used with other filters."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass
class _Where:
    """Conditions with their numbered arguments; the first argument is `as_of`."""

    arguments: list[Any]
    conditions: list[str] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        numbers = []
        for value in values:
            self.arguments.append(value)
            numbers.append(f"${len(self.arguments)}")
        self.conditions.append(condition.format(*numbers))

    @property
    def text(self) -> str:
        return "".join(f" AND {condition}" for condition in self.conditions)


def _check(filters: Filters, policy: Policy) -> None:
    """Raises Malformed for what the book does not know: an empty list would look like an answer."""
    organisation = policy.content.organisation
    known: dict[str, Iterable[str]] = {
        "task_force": policy.task_forces,
        "township": (*policy.townships, *policy.former_townships, NO_TOWNSHIP),
        "department": organisation.departments,
        "source": organisation.sources,
    }
    for name, codes in known.items():
        value = getattr(filters, name)
        if value is not None and value not in codes:
            reason = f"no {name} of {policy.id}; it has {', '.join(codes)}"
            raise Malformed(name, reason)


def _where(cut: Cut, filters: Filters) -> _Where:
    where = _Where([cut.as_of])
    for name in ("task_force", "department", "state", "tier"):
        value = getattr(filters, name)
        if value is not None:
            where.add(f"{name} = {{0}}", value)
    if filters.township is not None:
        # A former code means the township that has it today, and its cases from before as well.
        today = cut.policy.former_townships.get(filters.township, filters.township)
        where.add("township IN ({0}, {1})", filters.township, today)
    if filters.level is not None:
        where.add("level = {0}", LEVELS.index(filters.level))
    if filters.source is not None:
        where.add("{0} = ANY(sources)", filters.source)
    if filters.overdue is not None:
        where.add("(overdue_during @> $1::timestamptz) = {0}", filters.overdue)
    if filters.open is not None:
        where.add(f"({OPEN}) = {{0}}", filters.open)
    if filters.q is not None:
        where.add("(number LIKE {0} OR case_id = {1})", _like(filters.q), filters.q)
    return where


def _like(text: str) -> str:
    """A pattern that finds the text anywhere; its own wildcards are taken literally."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


@dataclass(frozen=True)
class Cursor:
    """Where a page ended, at which cut it is pinned, and of which list it is."""

    as_of: datetime
    mark: str
    last: tuple[Any, ...]

    @property
    def text(self) -> str:
        raw = orjson.dumps([instant_text(self.as_of), self.mark, self.last])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def cursor_of(text: str) -> Cursor:
    """Raises Malformed for a cursor that was not given by this service."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        as_of, mark, last = orjson.loads(raw)
        return Cursor(instant(as_of, "cursor"), str(mark), tuple(last))
    except (ValueError, TypeError, AttributeError):
        raise Malformed("cursor", "no cursor of this service") from None


@dataclass(frozen=True)
class Page:
    items: list[dict[str, Any]]
    next: str | None
    total: int | None


async def page(
    snapshot: Snapshot, cut: Cut, filters: Filters, limit: int, after: Cursor | None
) -> Page:
    """A page in order of receipt; `total` only on the first. Raises Malformed."""
    _check(filters, cut.policy)
    where = _where(cut, filters)
    total = None
    if after is None:
        counted = await snapshot.fetch(
            f"SELECT count(*) AS n {_HELD}{where.text}", *where.arguments
        )
        total = counted[0]["n"]
    else:
        received, case_id = _place(after, filters.mark)
        where.add("(received_at, case_id) > ({0}, {1})", received, case_id)
    where.arguments.append(limit + 1)
    found = await snapshot.fetch(
        f"SELECT {_SHOWN.replace('{as_of}', '$1::timestamptz')} {_HELD}{where.text} "
        f"ORDER BY received_at, case_id LIMIT ${len(where.arguments)}",
        *where.arguments,
    )
    items = [shown(row) for row in found[:limit]]
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        place = (instant_text(last["received_at"]), last["case_id"])
        following = Cursor(cut.as_of, filters.mark, place).text
    return Page(items, following, total)


def _place(cursor: Cursor, mark: str) -> tuple[datetime, str]:
    if cursor.mark != mark:
        raise Malformed("cursor", "this cursor belongs to a list with other filters")
    try:
        received, case_id = cursor.last
        return instant(received, "cursor"), str(case_id)
    except (ValueError, TypeError, AttributeError):
        raise Malformed("cursor", "no cursor of this service") from None


async def one(snapshot: Snapshot, cut: Cut, name: str) -> dict[str, Any] | None:
    """A case by its id or its number, with the last deadline of each clock; None if unknown."""
    found = await snapshot.fetch(
        f"SELECT {_SHOWN.replace('{as_of}', '$1::timestamptz')} {_HELD} "
        "AND (case_id = $2 OR number = $2) ORDER BY case_id = $2 DESC, case_id LIMIT 1",
        cut.as_of,
        name,
    )
    if not found:
        return None
    case = shown(found[0])
    case_id = case["case_id"]
    return case | {
        "deadlines": await _deadlines(snapshot, cut, case_id),
        "why": await _why(snapshot, cut, case_id),
    }


async def _why(snapshot: Snapshot, cut: Cut, case_id: str) -> dict[str, Any] | None:
    """Why this unit: the last decision of routing with its rule, evidence, confidence, runner-up
    and the smallest change of facts that would have given another lead; None before any."""
    found = await snapshot.fetch(
        "SELECT event_id, type, at, data FROM {events} WHERE subject = $2 AND recorded_at <= $1 "
        "AND type = ANY($3) ORDER BY seat DESC LIMIT 1",
        cut.as_of,
        case_id,
        ["CaseAssigned", "CaseReassigned", "TriageRequested"],
    )
    if not found:
        return None
    data = sentences.stored(found[0]["data"])
    names = (
        *("rule", "reason", "evidence", "confidence_ppm", "margin_ppm", "runner_up"),
        *("township_from", "flip", "proposal", "cause"),
    )
    told = {name: data.get(name) for name in names}
    return told | {
        "event_id": found[0]["event_id"],
        "decided": found[0]["type"],
        "at": instant_text(found[0]["at"]),
        "text": wording_of(told["flip"]),
    }


def wording_of(flip: dict[str, Any] | None) -> str | None:
    """The counterfactual in words."""
    if flip is None:
        return None
    told = [(change["field"], change.get("now") or "unknown") for change in flip["changes"]]
    changes = "、".join(
        f"{sentences.word(field, 'zh')}为“{sentences.word(now, 'zh')}”" for field, now in told
    )
    return f"如{changes}，则由{sentences.word(flip['lead'], 'zh')}牵头（规则{flip['rule']}）。"


async def _deadlines(snapshot: Snapshot, cut: Cut, case_id: str) -> list[dict[str, Any]]:
    """The last DeadlineSet of each timer, step and item, whether or not it still runs."""
    found = await snapshot.fetch(
        "SELECT event_id, data FROM {events} WHERE subject = $2 AND recorded_at <= $1 "
        "AND type = 'DeadlineSet' ORDER BY seat",
        cut.as_of,
        case_id,
    )
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in found:
        data = sentences.stored(row["data"])
        key = (data["timer"], data.get("step"), data.get("item"))
        names = ("timer", "step", "item", "started_at", "due_at", "outer_due_at", "cap", "grace")
        last[key] = {name: data.get(name) for name in names} | {"event_id": row["event_id"]}
    return list(last.values())


async def timeline(
    snapshot: Snapshot, cut: Cut, case_id: str, limit: int, after: Cursor | None
) -> Page:
    """The case's events in the order of the log, each with its sentence. Raises Malformed."""
    mark = f"t:{case_id}"
    seat = -1
    if after is not None:
        if after.mark != mark or len(after.last) != 1 or not isinstance(after.last[0], int):
            raise Malformed("cursor", "this cursor belongs to another timeline")
        seat = after.last[0]
    found = await snapshot.fetch(
        "SELECT partition, seat, event_id, subject, type, at, recorded_at, actor, data "
        "FROM {events} WHERE subject = $2 AND recorded_at <= $1 AND seat > $3 "
        "ORDER BY seat LIMIT $4",
        cut.as_of,
        case_id,
        seat,
        limit + 1,
    )
    names = sentences.Names(cut.policy)
    items = [told(row, names) for row in found[:limit]]
    following = None
    if len(found) > limit:
        following = Cursor(cut.as_of, mark, (found[limit - 1]["seat"],)).text
    return Page(items, following, None)


def told(row: Mapping[str, Any], names: sentences.Names) -> dict[str, Any]:
    """An event as the timeline and the stream tell it; the person's hash is left out."""
    unit, role, _ = (*str(row["actor"]).split("/"), "-", "-")[:3]
    data = sentences.stored(row["data"])
    return {
        "event_id": row["event_id"],
        "type": row["type"],
        "time": instant_text(row["at"]),
        "recorded_at": instant_text(row["recorded_at"]),
        "unit": None if unit == "-" else unit,
        "role": None if role == "-" else role,
        "sentence": sentences.sentence(row["type"], data, unit, "zh", names),
        "sentence_en": sentences.sentence(row["type"], data, unit, "en", names),
    }


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A case as answered: its columns and its document in one object."""
    case: dict[str, Any] = {
        name: instant_text(value) if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "doc"
    }
    case["level"] = LEVELS[row["level"]]
    return case | rows.whole(row["doc"])
