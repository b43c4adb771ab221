"""Numbers of persons: identity, mobile telephone and bank card numbers, and texts that hold one."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from operator import mul
from typing import Final, Literal

from stdnum import luhn

from shared.sealing import normalised_id

Kind = Literal["identity", "telephone", "card"]

SPELLED: Final = "零一二三四五六七八九〇幺洞两拐勾○壹贰叁肆伍陆柒捌玖貳參陸"
"""Digits as they are written out, on a cheque or in a text, and read aloud."""
_DIGITS: Final = str.maketrans(SPELLED, "0123456789010279" + "0123456789236")
_BETWEEN: Final = frozenset("−·•・‧∙._/~ー")
"""What stands between the groups of a number, beside blanks and dashes of every kind."""
# Of a longer number, or of a hash, no part is a person's. Groups are those in which people write
# such a number, or single digits: others are a document's.
_BEGINS: Final = r"(?<![0-9A-Za-z])"
_ENDS: Final = r"(?![0-9A-Za-z])"
_GAP: Final = "-{0,3}"
# Born until 2012: with a later date in it, a number is a document's (place, day, serial), of which
# one in eleven has an identity number's check digit by chance. Looked for at each digit: what
# stands before it may be a number as well.
_IDENTITY: Final = re.compile(
    rf"{_BEGINS}(?=([1-8](?:{_GAP}\d){{16}}{_GAP}[\dXx]){_ENDS})", re.ASCII
)
_BORN: Final = re.compile(r"19\d\d|200\d|201[0-2]", re.ASCII)
_CALLED: Final = "".join(f"|(?<={word})" for word in ("tel", "phone", "mobile", "wx", "vx", "qq"))
_MOBILE: Final = re.compile(
    rf"(?:{_BEGINS}{_CALLED})(?:\(?(?:\+|00)?86\)?{_GAP})?"
    rf"(?:(?:1[3-9]\d|\(1[3-9]\d\))(?:{_GAP}\d{{4}}){{2}}|1-{{1,3}}[3-9](?:-{{1,3}}\d){{9}}){_ENDS}",
    re.ASCII | re.IGNORECASE,
)
_CARD: Final = re.compile(
    rf"{_BEGINS}62\d\d(?:{_GAP}\d{{4}}){{3}}(?:{_GAP}\d{{3}})?{_ENDS}", re.ASCII
)
_LEAST_DIGITS: Final = 11

_WEIGHTS: Final = tuple(pow(2, 17 - place, 11) for place in range(17))
_ZEROS: Final = ord("0") * sum(_WEIGHTS)
_CHECKS: Final = "10X98765432"


def is_identity(number: str) -> bool:
    """Whether a number, as `normalised_id` leaves it, is a 公民身份号码 with a right date and check
    character (GB 11643).

    The place is not judged: a number keeps the code of the district that issued it, in whatever
    year that was, so a table of districts by year of birth refuses people who exist.
    """
    body = number[:17]
    if len(number) != 18 or not (number.isascii() and body.isdigit()):
        return False
    try:
        date(int(body[6:10]), int(body[10:12]), int(body[12:14]))
    except ValueError:
        return False
    return number[17] == _CHECKS[(sum(map(mul, _WEIGHTS, body.encode())) - _ZEROS) % 11]


@lru_cache(maxsize=4096)
def number_of_a_person(text: str) -> Kind | None:
    """Which number of a person a text holds, however it is written; None for none.

    Remembered: the few employers of a city come again and again. Not looked through: letters in
    place of digits, or digits that words stand between, which names and numbers have too.
    """
    # A sign can stand for two digits (⑬); most names have no such sign at all.
    if 2 * sum(x.isnumeric() or x in SPELLED for x in text) < _LEAST_DIGITS:
        return None
    plain = _plain(text)
    for spelling in {plain: None, plain.translate(_DIGITS): None}:
        if sum(map(str.isdigit, spelling)) < _LEAST_DIGITS:
            continue
        if any(_is_of_a_person(found[1]) for found in _IDENTITY.finditer(spelling)):
            return "identity"
        if _MOBILE.search(spelling):
            return "telephone"
        if any(luhn.is_valid(re.sub(r"\D", "", found[0])) for found in _CARD.finditer(spelling)):
            return "card"
    return None


def _plain(text: str) -> str:
    """Digits of every script as ASCII, what is not seen left out, and one dash for all that stands
    between groups.
    """
    return "".join(map(_plain_sign, visible(unicodedata.normalize("NFKC", text))))


def visible(text: str) -> str:
    """A text without signs of no width: they part digits and names where nobody sees it."""
    return text if text.isascii() else "".join(x for x in text if not _is_unseen(x))


def _is_unseen(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cf", "Me", "Mn")


@lru_cache(maxsize=8192)
def _plain_sign(sign: str) -> str:
    number = unicodedata.decimal(sign, None)
    if number is not None:
        return str(number)
    return "-" if sign in _BETWEEN or unicodedata.category(sign) in ("Pd", "Zs") else sign


def _is_of_a_person(found: str) -> bool:
    number = normalised_id(found)
    return _BORN.match(number, 6) is not None and is_identity(number)
