"""What parsers of JSON pass over and no sender can have meant.

A name that stands twice in one object: RFC 8259 (4) leaves open which value is taken, so two
readers of one input may differ. An instant or day that is a number in quotes: seconds since 1970
for one parser, nothing for the next.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

import orjson
from pydantic import BaseModel

Path = tuple[int | str, ...]
"""A place in a JSON value: the names and numbers that lead there."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
"""RFC 3339, also with `+0800`, which can mean but one thing. That a zone misses is the model's to
say."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_BLANKS: Final = b" \t\r\n"
_HOLDERS: Final[frozenset[type]] = frozenset((dict, list))


class _Object(dict[str, Any]):
    """A JSON object that knows which of its names were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        named = Counter(name for name, _ in pairs) if len(pairs) > len(self) else {}
        self.twice = [name for name, count in named.items() if count > 1]


def parse(raw: bytes) -> Any:
    """JSON that a stricter parser has accepted already, for `repeated` and `misspelt`."""
    # Numbers are not looked at; a whole one of a thousand digits would be refused.
    return json.loads(raw.decode(), object_pairs_hook=_Object, parse_int=float)


def repeated(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a name stands twice in one object of what `parse` read."""
    if isinstance(value, _Object):
        yield from ((*path, name) for name in value.twice)
        for name, item in value.items():
            yield from repeated(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from repeated(item, (*path, number))


def may_repeat(raw: bytes) -> bool:
    """Whether `repeated` must look at this JSON; False is certain, and costs some microseconds.

    A colon follows each name. More of these than names that are left when the objects are read
    (or an escaped quote before a colon in some text): a name may have gone.
    """
    return raw.translate(None, _BLANKS).count(b'":') != _names(orjson.loads(raw))


def _names(value: Any) -> int:
    """How many names the objects in an object or list have."""
    count, items = 0, value
    if isinstance(value, dict):
        count, items = len(value), value.values()
    for item in items:
        if item.__class__ in _HOLDERS:
            count += _names(item)
    return count


def misspelt(read: Any, told: Any, path: Path = ()) -> Iterator[Path]:
    """Where `told` gives an instant not as RFC 3339 has it or a day not as YYYY-MM-DD.

    `read`: the model that was made of it, or a part of one.
    """
    if isinstance(read, datetime):
        if not _matches(_INSTANT, told):
            yield path
    elif isinstance(read, date):
        if not _matches(_DAY, told):
            yield path
    elif isinstance(read, BaseModel):
        for field, about in type(read).model_fields.items():
            name = about.alias or field
            if name in told:
                yield from misspelt(getattr(read, field), told[name], (*path, name))
    elif isinstance(read, tuple):
        for number, (item, said) in enumerate(zip(read, told, strict=True)):
            yield from misspelt(item, said, (*path, number))


def _matches(pattern: re.Pattern[str], told: Any) -> bool:
    return isinstance(told, str) and pattern.fullmatch(told) is not None
