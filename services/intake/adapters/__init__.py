"""How each platform's own payload becomes a complaint (contract 3): one file a shape.

A module here with an `ADAPTER` is found by itself; nothing else is to be touched to add one. A
source that no adapter claims sends complaints as they are. The platforms publish no interface:
each module says what it takes, and a field it does not know is refused with its name, so a
platform that changes its form is noticed with its first line and loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from math import isfinite
from pkgutil import iter_modules
from typing import Any, Final

import orjson

from services.intake.complaint import TOO_DEEP, Problem, Refused, pointer, twice
from services.intake.fields import Assembled, Given, assemble
from services.intake.spelling import may_repeat, parse
from services.intake.written import Unit, exact
from shared.policy import Policy

_DEPTH: Final = 4


@dataclass(frozen=True)
class Adapter:
    """One shape of payload.

    `fields`: dotted name of a key -> the field of a complaint (`fields.FIELDS`), for money with
    its unit. `ignored`: keys that are known and carry nothing we keep. `required`: keys without
    which the line is refused although a complaint could do without. `finish`: last touches that
    need more than one key, on the payload's flat form.
    """

    name: str
    sources: tuple[str, ...]
    fields: Mapping[str, str | tuple[str, Unit]]
    ignored: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    finish: Callable[[Assembled, Mapping[str, Any]], None] | None = None

    def read(self, payload: Mapping[str, Any], source: str, policy: Policy) -> Assembled:
        """The payload as a complaint of `source`, with the problems found on the way."""
        flat = flatten(payload)
        given, problems = [], []
        for key, value in flat.items():
            if value is None or key in self.ignored:
                continue
            known = self.fields.get(key)
            place = pointer(tuple(key.split(".")))
            if known is None:
                problems.append(Problem(place, "extra_forbidden", f"no field of {self.name}"))
            elif isinstance(value, (bool, list, dict)) or not _finite(value):
                problems.append(Problem(place, "wrong_type", "text or a number is wanted"))
            else:
                name, unit = (known, None) if isinstance(known, str) else known
                number = exact(value) if isinstance(value, float) else value
                given.append(Given(place, name, number, unit))
        for key in self.required:
            if flat.get(key) in (None, ""):
                place = pointer(tuple(key.split(".")))
                problems.append(Problem(place, "missing", f"{self.name} always names it"))
        found = assemble(given, policy, {"/tier": tier_of(source, policy), **self.constants})
        found.complaint["source"] = source
        found.problems += problems
        if self.finish is not None:
            self.finish(found, flat)
        return found


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or isfinite(value)


def tier_of(source: str, policy: Policy) -> str:
    """The tier of a source's lines in the book in force."""
    return policy.content.organisation.sources.get(source, "CITY")


def flatten(payload: Mapping[str, Any], prefix: str = "", depth: int = _DEPTH) -> dict[str, Any]:
    """Keys of objects in objects, joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in payload.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth:
            flat |= flatten(value, f"{name}.", depth - 1)
        else:
            flat[name] = value
    return flat


def payload_of(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises Refused."""
    try:
        value = orjson.loads(raw)
        found = twice(parse(raw)) if isinstance(value, dict) and may_repeat(raw) else []
    except orjson.JSONDecodeError:
        raise Refused([Problem("", "json_invalid", "not JSON")]) from None
    except RecursionError:
        raise Refused([TOO_DEEP]) from None
    if not isinstance(value, dict):
        raise Refused([Problem("", "wrong_type", "a JSON object is wanted")])
    if found:
        raise Refused(found)
    return value


@cache
def registry() -> Mapping[str, Adapter]:
    """Every adapter by its source. Raises LookupError if two claim one source."""
    found: dict[str, Adapter] = {}
    for module in iter_modules(__path__):
        adapter = getattr(import_module(f"{__name__}.{module.name}"), "ADAPTER", None)
        if not isinstance(adapter, Adapter):
            continue
        for source in adapter.sources:
            if source in found:
                raise LookupError(f"{found[source].name} and {adapter.name} both read {source}")
            found[source] = adapter
    return found


def adapter_of(source: str) -> Adapter | None:
    """The adapter of a source; None where its lines are complaints as they are."""
    return registry().get(source)
