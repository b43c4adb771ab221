"""Stories (contract 4): lines that say what was recorded when, about cases named by label."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from infra.problem import Refused, Unready
from services.intake.complaint import twice
from services.intake.spelling import may_repeat, parse
from shared.calendar import ZONE
from shared.envelope import data_json
from shared.events import TYPES, WRITERS, Event, TownshipFrom, Unit
from shared.roles import ROLES, By, Responsible, acting_as, acting_for

_FIELDS = frozenset(("at", "case", "type", "data", "by", "occurred_at"))
_WRITER_ORDER: Final = {"routing": 0, "supervision": 1}

CASE_FIELDS: Final = frozenset(
    ("master", "case", "from_case", "with_case", "repeat_of", "members", "other")
)
"""Fields of `data` that name cases: in a story by label."""
LINE_FIELDS: Final = frozenset(("incident", "visit", "meeting"))
"""Fields of `data` that name an event: in a story by the number of its line."""


@dataclass(frozen=True)
class Line:
    """One line. `number` counts from 1. `by`: None where the default may author the type."""

    number: int
    at: datetime
    case: str
    type: str
    data: dict[str, Any]
    occurred_at: datetime
    by: dict[str, str] | None = None

    @property
    def is_decision(self) -> bool:
        """A decision that the story gives instead of the deciders."""
        return WRITERS.get(self.type, "intake") != "intake"


def read_story(path: Path) -> list[Line]:
    """The lines of a story file. Raises Refused naming the first line that cannot be read."""
    lines: list[Line] = []
    for number, raw in enumerate(path.read_bytes().removeprefix(BOM_UTF8).splitlines(), 1):
        if raw.strip():
            line = _line(number, raw)
            if lines and line.at < lines[-1].at:
                raise Refused(f"{path.name} line {number}: `at` falls; it may only stay or rise")
            lines.append(line)
    if not lines:
        raise Refused(f"{path.name}: no line")
    return lines


def _line(number: int, raw: bytes) -> Line:
    where = f"line {number}"
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise Refused(f"{where}: a JSON object is expected")
    _once(raw, where)
    strange = sorted(value.keys() - _FIELDS)
    if strange:
        raise Refused(f"{where}: unknown field `{strange[0]}`")
    for name in ("at", "case", "type"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise Refused(f"{where}: `{name}` is missing or not a string")
    data = value.get("data") or {}
    if not isinstance(data, dict):
        raise Refused(f"{where}: `data` must be an object")
    at = instant(value["at"], f"{where}: `at`")
    happened = value.get("occurred_at")
    occurred = instant(happened, f"{where}: `occurred_at`") if happened else at
    return Line(number, at, value["case"], value["type"], data, occurred, _by(value, where))


def _once(raw: bytes, where: str) -> None:
    """Raises Refused for a name that stands twice in its object: one of them would be lost."""
    try:
        found = twice(parse(raw)) if may_repeat(raw) else []
    except RecursionError:
        raise Refused(f"{where}: nested too deep") from None
    if found:
        raise Refused(f"{where}: {found[0].pointer} stands twice")


def _by(value: dict[str, Any], where: str) -> dict[str, str] | None:
    by = value.get("by")
    if by is None:
        return None
    if not isinstance(by, dict) or not by.keys() <= {"unit", "role", "person"}:
        raise Refused(f"{where}: `by` is {{unit, role, person}}")
    if by.get("role") is not None and by["role"] not in ROLES:
        raise Refused(f"{where}: `by.role` is none of {', '.join(ROLES)}")
    return {name: str(item) for name, item in by.items() if item is not None}


def instant(text: Any, name: str) -> datetime:
    """An RFC 3339 instant in UTC. Raises Refused naming the field."""
    try:
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Refused(f"{name} must be an RFC 3339 instant") from None
    if value.tzinfo is None:
        raise Refused(f"{name} has no zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Refused(f"{name} is out of range") from None


def renamed(data: Any, names: Mapping[str, str], fields: frozenset[str], field: str = "") -> Any:
    """`data` with what stands in `fields` called as `names` says; what it does not know stays."""
    if isinstance(data, dict):
        return {key: renamed(item, names, fields, key) for key, item in data.items()}
    if isinstance(data, list):
        return [renamed(item, names, fields, field) for item in data]
    return names.get(str(data), data) if field in fields else data


def author(line: Line, default: By, known: Responsible) -> By:
    """As the line says; what it leaves out follows from what it says, else the default; a new
    person each time."""
    given: dict[str, Any] = line.by or {}
    if "unit" in given and "role" not in given and given["unit"] != default.unit:
        default = acting_for(given["unit"], default)
    elif "role" in given and "unit" not in given and given["role"] != default.role:
        default = acting_as(given["role"], known, default)
    role: Any = given.get("role", default.role)
    return By(given.get("unit", default.unit), role, given.get("person", f"p{line.number}"))


_PARTS: Final = {
    "from": tuple(Unit.model_fields),
    "township_from": tuple(TownshipFrom.model_fields),
}
"""Parts of a decision of which contract 4 names the fields: what is not there is null."""


def decided_line(event: Event, labels: Mapping[str, str]) -> dict[str, Any]:
    """A decision as a line of the output (contract 4); `labels`: by case id."""
    data: dict[str, Any] = dict.fromkeys(type(event.data).model_fields) | data_json(event.data)
    data.pop("from_", None)
    for name, fields in _PARTS.items():
        if data.get(name) is not None:
            data[name] = dict.fromkeys(fields) | data[name]
    return {
        "at": local(event.time),
        "case": labels.get(event.subject, event.subject),
        "type": event.type,
        "data": _labelled(data, labels),
    }


def _labelled(value: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: local(datetime.fromisoformat(item))
            if key.endswith("_at") and isinstance(item, str)
            else _labelled(item, labels)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_labelled(item, labels) for item in value]
    return labels.get(value, value) if isinstance(value, str) else value


def decided_order(event: Event, labels: Mapping[str, str]) -> tuple[Any, ...]:
    """The place of a decision in the output (contract 4): instant, case, writer, type and so on."""
    data = event.data
    return (
        event.time,
        labels.get(event.subject, event.subject),
        _WRITER_ORDER[data.writer],
        event.type,
        getattr(data, "timer", None) or "",
        getattr(data, "step", None) or "",
        getattr(data, "level", None) or "",
        getattr(data, "item", None) or "",
    )


def local(value: datetime) -> str:
    """RFC 3339 in Asia/Shanghai."""
    return value.astimezone(ZONE).isoformat()


def end_of(lines: list[Line], until: str | None) -> datetime:
    """Where a run ends: at `--until`, else with the last line.

    Raises Unready (that is usage) for what is no instant, or one before anything begins.
    """
    if until is None:
        return lines[-1].at
    try:
        end = instant(until, "--until")
    except Refused as error:
        raise Unready(str(error)) from None
    if end < lines[0].at:
        first = local(lines[0].at)
        raise Unready(f"--until {until} is before the story's first line, which is at {first}")
    return end


def given_decisions(lines: list[Line]) -> dict[str, frozenset[str]]:
    """For each case label the types of decisions that the story gives for it."""
    found: dict[str, set[str]] = {}
    for line in lines:
        if line.is_decision and line.type in TYPES:
            found.setdefault(line.case, set()).add(line.type)
    return {case: frozenset(types) for case, types in found.items()}


def complaints(lines: list[Line]) -> Iterator[Line]:
    """The first complaint of each label, which gives the label its case id."""
    seen: set[str] = set()
    for line in lines:
        if line.type == "ComplaintReceived" and line.case not in seen:
            seen.add(line.case)
            yield line
