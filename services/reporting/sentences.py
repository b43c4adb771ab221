"""One clear sentence for each event of a timeline, in Chinese and in English.

The sentences are data: a template a type, in which `{field}` is a field of the event's data (or
`{unit}`, who acted) and a part in square brackets is left out when a field in it is empty. What is
sealed is never shown. A type without a template stops the service at its start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

import orjson

from services.reporting.wording import SOURCES, TEMPLATES, WORDS
from shared.calendar import ZONE
from shared.events import SEALED_PREFIX, TYPES
from shared.policy import Policy

Language = Literal["zh", "en"]

_FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


class Unworded(LookupError):
    """A type of event has no sentence."""


def _check() -> None:
    missing = sorted(TYPES.keys() - TEMPLATES.keys())
    strange = sorted(TEMPLATES.keys() - TYPES.keys())
    if missing or strange:
        raise Unworded(f"no sentence for {missing}; no such type {strange}")
    for name, pair in TEMPLATES.items():
        known = {field.alias or key for key, field in TYPES[name].model_fields.items()} | {"unit"}
        used = {found.group(1) for text in pair for found in _FIELD.finditer(text)}
        if not used <= known:
            raise Unworded(f"{name} has no field {sorted(used - known)}")


_check()


class Names:
    """What a policy book calls the codes of units and clocks (domain 3, 4.1), and the names of
    sources, of which a book knows only the tiers.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        """Without a book the codes stand for themselves."""
        self._units = policy.unit_names if policy is not None else {}
        self._timers = policy.timers if policy is not None else {}

    def of(self, field: str, value: Any, language: Language) -> Any:
        """The value of a field, or the name where it is such a code; clocks in Chinese only."""
        if isinstance(value, (list, tuple)):
            return [self.of(field, item, language) for item in value]
        if isinstance(value, dict) and field == "from":
            return {name: self.of("unit", item, language) for name, item in value.items()}
        if not isinstance(value, str):
            return value
        if field in _UNITS:
            return self._units.get(value, value)
        if field == "source":
            return SOURCES.get(value, value)
        if field == "timer" and language == "zh" and value in self._timers:
            return f"{value}（{self._timers[value].name}）"
        return value


_UNITS: Final = frozenset(
    ("unit", "task_force", "department", "township", "co_handlers", "recipients", "to")
)


def sentence(
    type_: str, data: dict[str, Any], unit: str, language: Language, names: Names | None = None
) -> str:
    """The sentence of an event. `data`: its data as stored; `unit`: the code of who acted."""
    zh, en = TEMPLATES[type_]
    template = zh if language == "zh" else en
    values = {"unit": None if unit == "-" else unit} | data

    def filled(text: str) -> tuple[str, bool]:
        whole = True

        def put(found: re.Match[str]) -> str:
            nonlocal whole
            field, way = found.groups()
            value = values.get(field)
            if names is not None:
                value = names.of(field, value, language)
            shown = _shown(value, way, language)
            whole = whole and shown is not None
            return shown if shown is not None else ("—" if language == "zh" else "-")

        return _FIELD.sub(put, text), whole

    def optional(found: re.Match[str]) -> str:
        text, whole = filled(found.group(1))
        return text if whole else ""

    return filled(_OPTIONAL.sub(optional, template))[0]


def _shown(value: Any, way: str | None, language: Language) -> str | None:
    """A value as people read it; None when there is nothing to show. How many is 0 of nothing."""
    if way == "count":
        return str(len(value or ()))
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, str) and value.startswith(SEALED_PREFIX):
        return None
    if way is not None:
        return _WAYS[way](value, language)
    if isinstance(value, bool):
        return {"zh": ("否", "是"), "en": ("no", "yes")}[language][value]
    if isinstance(value, (list, tuple)):
        texts = [_shown(item, None, language) for item in value]
        return ("、" if language == "zh" else ", ").join(text for text in texts if text) or None
    return word(str(value), language)


@lru_cache(maxsize=4096)
def word(code: str, language: Language) -> str:
    """A code in words, where the dictionary has one."""
    pair = WORDS.get(code)
    if pair is None:
        return code
    return pair[0] if language == "zh" else pair[1]


def yuan(fen: int) -> str:
    """Money in 元 with two decimals, from integer fen."""
    return f"{fen // 100:,}.{fen % 100:02d}"


def _money(value: Any, language: Language) -> str:
    return f"{yuan(int(value))}元" if language == "zh" else f"CNY {yuan(int(value))}"


def _sum(value: Any, language: Language) -> str:
    """The sum of the lines' amounts."""
    return _money(sum(int(line["amount_fen"]) for line in value), language)


def _time(value: Any, language: Language) -> str:
    """An instant in local time; 00:00 as 24:00 of the day that ends would mislead, so as it is."""
    at = datetime.fromisoformat(str(value)).astimezone(ZONE)
    if language == "zh":
        return f"{at.year}年{at.month}月{at.day}日{at:%H:%M}"
    return f"{at:%Y-%m-%d %H:%M}"


def _unit(value: Any, language: Language) -> str:
    """A Unit: task force or department, and township."""
    found = [value.get(name) for name in ("task_force", "department", "township")]
    return ("、" if language == "zh" else ", ").join(item for item in found if item)


def _matter(value: Any, language: Language) -> str:
    """What was split off, and how much of it."""
    fen = value.get("amount_fen")
    told = word(value["matter"], language)
    return told if fen is None else f"{told} {_money(fen, language)}"


_WAYS: Final[dict[str, Callable[[Any, Language], str]]] = {
    "money": _money,
    "matter": _matter,
    "sum": _sum,
    "time": _time,
    "unit": _unit,
}


def stored(raw: str) -> dict[str, Any]:
    """The data of an event row."""
    data: dict[str, Any] = orjson.loads(raw)
    return data
