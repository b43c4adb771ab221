"""Numbers of persons in what was written: identity, mobile telephone and bank card numbers.

For what stands on the log in clear: numbers of documents, payments and vouchers, codes of a
channel or a result. Such a number never changes there and no key's destruction takes it away, so
it is refused at the door (I-14; design 9).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final, Literal

from stdnum import luhn

from services.intake.complaint import Problem, Refused, is_identity, pointer
from shared.events import SEALED_PREFIX

Kind = Literal["identity", "telephone", "card"]

SPELLED: Final = "零一二三四五六七八九〇幺洞两拐"
"""Digits as they are written out and read aloud."""
_DIGITS: Final = str.maketrans(SPELLED, "012345678901027")
# Of a longer number, or of a hash, no part is a person's. Groups are those in which people write
# such a number: others are a document's.
_ALONE: Final = r"(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])"
# Born until 2012: with a later date in it, a number is a document's (place, day, serial), of which
# one in eleven has an identity number's check digit by chance.
_IDENTITY: Final = re.compile(
    _ALONE.format(r"[1-8]\d{5}[ -]?(?:19\d\d|200\d|201[0-2])\d{4}[ -]?\d{3}[\dXx]"), re.ASCII
)
_MOBILE: Final = re.compile(_ALONE.format(r"(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}"), re.ASCII)
_CARD: Final = re.compile(_ALONE.format(r"62\d\d(?:[ -]?\d{4}){3}(?:[ -]?\d{3})?"), re.ASCII)
_SAID_ELSEWHERE: Final = frozenset(("source_ref",))
"""A platform's own number, which an answer to it has to repeat (contract 3)."""
_WORDS: Final[dict[Kind, str]] = {
    "identity": "an identity number",
    "telephone": "a telephone number",
    "card": "a bank card's number",
}


def number_of_a_person(text: str) -> Kind | None:
    """Which number of a person a text holds, however it is written; None for none."""
    plain = unicodedata.normalize("NFKC", text)
    for spelling in (plain, plain.translate(_DIGITS)):
        if any(is_identity(found[0]) for found in _IDENTITY.finditer(spelling)):
            return "identity"
        if _MOBILE.search(spelling):
            return "telephone"
        if any(luhn.is_valid(re.sub(r"\D", "", found[0])) for found in _CARD.finditer(spelling)):
            return "card"
    return None


def refuse_numbers_of_persons(data: dict[str, Any], place: str = "/data") -> None:
    """Raises Refused where sealed data (JSON values) still hold one in clear."""
    found = [
        Problem(where, "personal_number", f"{_WORDS[kind]} may not stand here: it is not sealed")
        for where, kind in _in_clear(data, place)
    ]
    if found:
        raise Refused(found)


def _in_clear(value: Any, place: str) -> Iterator[tuple[str, Kind]]:
    if isinstance(value, str):
        kind = None if value.startswith(SEALED_PREFIX) else number_of_a_person(value)
        if kind is not None:
            yield place, kind
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in _SAID_ELSEWHERE:
                yield from _in_clear(part, place + pointer((name,)))
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from _in_clear(part, f"{place}/{number}")
