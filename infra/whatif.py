"""`qingqian whatif`: the same facts, re-decided from the start under another policy book.

Both runs are in continuous time through the real deciders, one under the books as they were
adopted, one under the other book alone; so what differs is the policy's doing and nobody's lag.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson

from infra.history import History, read
from infra.problem import Refused
from infra.world import World
from shared.calendar import CalendarEnds
from shared.envelope import data_json
from shared.events import Decision, Event, instant_text
from shared.policy import Policy, PolicyError, check_book, content_hash, line_of, parse_yaml
from shared.settle import Books

Key = tuple[str, str, tuple[str, ...]]
"""Subject, type, and what tells decisions of one type apart whatever their dates are."""

_TELLS_APART = ("timer", "step", "item", "level", "source", "source_ref", "n", "doc_no", "case",
                "line", "group", "from_case", "unit")  # fmt: skip
_DERIVED = frozenset(("cause", "match"))
"""Ids of other decisions: they change with every date and say nothing more."""


def read_book(path: Path, base: dict[str, Any]) -> dict[str, Any]:
    """The content of a book file, whole or only what differs from `base` (YAML or JSON).

    Entries of a list that have an `id` replace those with the same id. Raises Refused naming
    the file and field or line.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        raw: dict[str, Any] = merged(base, parse_yaml(text, path.name))
        check_book(raw)
    except PolicyError as error:
        line = f" line {line_of(text, error.loc)}" if error.loc else ""
        raise Refused(f"{path}{line}: {error}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: {error}") from None
    return raw


def merged(base: Any, other: Any) -> Any:
    """`other` laid over `base`: mappings by key, lists of entries with an id by id."""
    if isinstance(base, dict) and isinstance(other, dict):
        return base | {key: merged(base.get(key), value) for key, value in other.items()}
    if _has_ids(base) and _has_ids(other):
        by_id = {entry["id"]: entry for entry in base}
        by_id |= {entry["id"]: merged(by_id.get(entry["id"]), entry) for entry in other}
        return list(by_id.values())
    return other


def _has_ids(value: Any) -> bool:
    entries = isinstance(value, list) and value
    return bool(entries) and all(isinstance(entry, dict) and "id" in entry for entry in value)


def decide(history: History, books: Sequence[Policy]) -> list[Event]:
    """Every decision of a history under these books, in order."""
    world = World(Books(books))
    world.begin_units(books[0].adopted_at)
    for fact in history.facts:
        world.run_until(fact.recordedtime)
        world.append(fact)
    world.run_until(history.until)
    return [event for event in world.log if isinstance(event.data, Decision)]


@dataclass(frozen=True)
class Difference:
    """One decision that another book adds, removes, or changes; only the fields that differ."""

    key: Key
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def change(self) -> str:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    def line(self) -> bytes:
        subject, name, parts = self.key
        doc = {"change": self.change, "subject": subject, "type": name, "what": " ".join(parts)}
        return orjson.dumps(doc | {"before": self.before, "after": self.after}) + b"\n"


def differences(before: Sequence[Event], after: Sequence[Event]) -> Iterator[Difference]:
    """What differs, decision by decision, in order of subject and type.

    Decisions that agree in everything but their dates and figures are compared in turn.
    """
    one, other = _by_key(before), _by_key(after)
    for key in sorted(one.keys() | other.keys()):
        for old, new in zip_longest(one.get(key, ()), other.get(key, ())):
            if old is None or new is None:
                yield Difference(key, old, new)
                continue
            fields = [name for name in old | new if old.get(name) != new.get(name)]
            if fields:
                yield Difference(
                    key,
                    {name: old.get(name) for name in fields},
                    {name: new.get(name) for name in fields},
                )


def _by_key(decisions: Sequence[Event]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for event in decisions:
        data = data_json(event.data)
        parts = tuple(str(data[name]) for name in _TELLS_APART if name in data)
        shown = {name: value for name, value in data.items() if name not in _DERIVED}
        found[event.subject, event.type, parts].append({"at": instant_text(event.time)} | shown)
    return found


def run(policy: Path, log: Path | None) -> int:
    """`qingqian whatif --policy FILE [--log FILE]`: what differs, as JSON lines, and a summary."""
    history = read(log)
    first = history.books[0]
    raw = read_book(policy, first.raw)
    other = Policy(check_book(raw), raw, content_hash(raw), first.adopted_at, first.adoption_id)
    try:
        before, after = decide(history, history.books), decide(history, [other])
    except CalendarEnds as error:
        raise Refused(
            f"{policy}: a deadline lies beyond the calendar of the book: {error}"
        ) from None
    counts: Counter[tuple[str, str]] = Counter()
    for difference in differences(before, after):
        sys.stdout.buffer.write(difference.line())
        counts[difference.change, difference.key[1]] += 1
    sys.stdout.buffer.flush()
    summary = {
        "facts": len(history.facts),
        "before": {"policy": history.books[-1].ref, "decisions": len(before)},
        "after": {"policy": other.ref, "decisions": len(after)},
        "differ": sum(counts.values()),
        "by_type": {f"{name} {change}": n for (change, name), n in sorted(counts.items())},
    }
    print(orjson.dumps({"summary": summary}).decode())
    return 0
