"""A finding: what is not as it must be, where it stands, and why, in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

import orjson

from shared.envelope import data_json
from shared.events import Event, instant_text

Kind = Literal[
    "wrong",
    "omitted",
    "premature",
    "late",
    "stale",
    "foreign_writer",
    "divergent_copy",
    "unknown_policy",
    "wrong_policy",
    "impossible_order",
    "recordedtime",
    "changed",
    "dropped",
    "inserted",
    "reordered",
    "truncated",
    "rewritten",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True)
class Finding:
    """One line of the audit's answer. `offset` is None for what is not on the log."""

    finding: Kind
    subject: str | None
    event_id: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    expected: Any
    found: Any
    sentence: str

    def line(self) -> bytes:
        """The finding as one JSON line, with its line feed."""
        return orjson.dumps(asdict(self)) + b"\n"


def name_of(event: Event) -> str:
    """What an event is, for a sentence: type, what tells it apart, its subject."""
    data = event.data
    parts = [getattr(data, name, None) for name in ("timer", "step", "level", "code", "kind")]
    shown = " ".join(part for part in parts if isinstance(part, str) and len(part) < 20)
    return f"{event.type}{f' ({shown})' if shown else ''} of {event.subject}"


def content(event: Event) -> dict[str, Any]:
    """What two copies of one event must agree on, flat: JSON Pointer -> value.

    Not `recordedtime` and `traceparent`, which say when and how a copy was written.
    """
    flat: dict[str, Any] = {
        "/type": event.type,
        "/subject": event.subject,
        "/time": instant_text(event.time),
        "/decidedby": event.decider,
        "/actor": event.actor,
    }
    _flatten(data_json(event.data), "/data", flat)
    return flat


def _flatten(value: Any, path: str, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            _flatten(item, f"{path}/{name}", flat)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            _flatten(item, f"{path}/{index}", flat)
    else:
        flat[path] = value


def differences(expected: Event, found: Event) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pointers at which two events differ, with each one's value there."""
    return _apart(content(expected), content(found))


def differing(
    expected: dict[str, Any], found: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of what two events say."""
    one: dict[str, Any] = {}
    other: dict[str, Any] = {}
    _flatten(expected, "/data", one)
    _flatten(found, "/data", other)
    return _apart(one, other)


def _apart(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    paths = [path for path in one | other if one.get(path) != other.get(path)]
    return {path: one.get(path) for path in paths}, {path: other.get(path) for path in paths}


def same_content(expected: Event, found: Event) -> bool:
    """Whether two events agree on all that `content` names; quicker than comparing it."""
    # As objects: comparing two unions of all types costs the type checker half a minute.
    one: object = expected.data
    other: object = found.data
    return (
        expected.time == found.time
        and expected.subject == found.subject
        and expected.decider == found.decider
        and expected.actor == found.actor
        and type(one) is type(other)
        and (vars(one) == vars(other) or data_json(expected.data) == data_json(found.data))
    )
