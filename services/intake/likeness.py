"""How alike two complaints are (查重, domain 2.3): parts of a score for a person to judge by.

Pure. What the exact keys do not bring together (no identity number, a name written otherwise, a
firm by its short name) is only ever proposed. Two different identity numbers or two different
credit codes are never the same claim, however alike the rest is. Who reported (举报) is neither
compared nor shown (I-15).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from rapidfuzz import fuzz

from shared.calendar import civil
from shared.events import SEALED_PREFIX, ComplaintReceived
from shared.policy import MatchingRules
from shared.sealing import CannotOpen, Matcher, Sealer

_NOT_A_WORD = re.compile(r"[\W_]+")
_FIRM_WORDS = re.compile(r"(有限责任公司|股份有限公司|有限公司|集团|公司|登封市|郑州市|河南省)")
_TEXT: Final = 400
_MONTH: Final = timedelta(days=31)


class Person(msgspec.Struct, frozen=True):
    """A worker of a claim line, as told. `id`: keyed hash of the identity number."""

    line: str
    name: str | None = None
    id: str | None = None
    phone: str | None = None


class Features(msgspec.Struct, frozen=True):
    """What is compared of a complaint. Kept sealed under the case's own key."""

    case_id: str
    people: tuple[Person, ...] = ()
    phones: tuple[str, ...] = ()
    employer: str | None = None
    uscc: str | None = None
    project: str | None = None
    township: str | None = None
    months: tuple[str, str] | None = None
    amount_fen: int | None = None
    text: str | None = None


class Likeness(msgspec.Struct, frozen=True):
    """`score` and each part 0-100; `same`: lines of the one that are of the same worker."""

    score: int
    parts: dict[str, int]
    same: dict[str, str]


class Known(NamedTuple):
    """What surely tells two complaints apart and is no secret on the log: the key of a credit code,
    and the keyed hashes of the identity numbers where every worker has one (sorted, with spaces).
    """

    uscc: str | None = None
    workers: str | None = None


def known(found: Features) -> Known:
    """What stands beside the sealed features."""
    ids = sorted({person.id or "" for person in found.people})
    return Known(found.uscc, " ".join(ids) if ids and ids[0] else None)


def apart(one: Known, other: Known) -> bool:
    """Whether the two are surely not the same claim: `likeness` would say None."""
    if one.uscc and other.uscc and one.uscc != other.uscc:
        return True
    if one.workers is None or other.workers is None:
        return False
    return set(one.workers.split()).isdisjoint(other.workers.split())


def features(case_id: str, data: ComplaintReceived, opener: Sealer) -> Features:
    """The features of a received complaint; what does not open is left out."""
    people = tuple(_person(claim.line, claim.worker, claim.sealed, opener) for claim in data.claims)
    contact = _json(data.contact, opener) if data.kind != "report" else {}
    if data.kind == "report":
        people = tuple(Person(person.line, id=person.id) for person in people)
    named = [p for p in people if p.name or p.id]
    if not named and contact.get("name"):
        people = (Person("1", _plain(contact["name"]), None, _phone(contact.get("phone"), opener)),)
    phones = {p.phone for p in people} | {_phone(contact.get("phone"), opener)}
    employer = data.employer
    text = None if data.kind == "report" else _open(data.text, opener)
    return Features(
        case_id=case_id,
        people=people,
        phones=tuple(sorted(phone for phone in phones if phone)),
        employer=_plain(_open(employer.name, opener)) if employer else None,
        uscc=employer.key if employer and employer.uscc else None,
        project=_plain(_open(data.project.name, opener)) if data.project else None,
        township=data.site.township if data.site else None,
        months=_months(data),
        amount_fen=data.amount_fen,
        text=_plain(text)[:_TEXT] if text else None,
    )


class Near:
    """Of each blocking key the newest complaints, at most so many: those worth comparing with."""

    def __init__(self, most: int) -> None:
        self._of: dict[str, deque[tuple[str, Known]]] = defaultdict(lambda: deque(maxlen=most))

    def add(self, keys: Iterable[str], case: str, found: Known) -> None:
        """One more, newer than all before it."""
        for key in keys:
            self._of[key].append((case, found))

    def sharing(self, keys: Iterable[str]) -> dict[str, Known]:
        """The complaints that share one of the keys, each once."""
        return dict(pair for key in keys for pair in self._of.get(key, ()))


def blocks(data: ComplaintReceived, found: Features, matcher: Matcher) -> tuple[str, ...]:
    """Keys under which complaints meet: a phone; employer or project in neighbouring months."""
    keys = [f"phone|{phone}" for phone in found.phones]
    received = civil(data.received_at)
    before = received - _MONTH
    months = {f"{day.year}-{day.month:02}" for day in (received, before)}
    employer = data.employer.key if data.employer else None
    project = data.project.key if data.project else None
    for kind, key in (("employer", employer), ("project", project)):
        keys += [f"{kind}|{key}|{month}" for month in sorted(months) if key]
    names = sorted({person.name for person in found.people if person.name})
    keys += [f"name|{name}|{month}" for name in names for month in sorted(months)]
    return tuple(matcher.hash("block", key) for key in dict.fromkeys(keys))


def likeness(one: Features, other: Features, rules: MatchingRules) -> Likeness | None:
    """How alike, or None: too little to go by, or surely not the same."""
    if one.uscc and other.uscc and one.uscc != other.uscc:
        return None
    people, same = _people(one, other)
    if people is None and not (set(one.phones) & set(other.phones)):
        return None
    known = {
        "person": people,
        "phone": _equal(one.phones, other.phones),
        "employer": _employers(one, other),
        "project": _names(one.project, other.project),
        "months": _overlap(one.months, other.months),
        "amount": _amounts(one.amount_fen, other.amount_fen),
        "place": _place(one.township, other.township),
        "text": _texts(one.text, other.text),
    }
    parts = {name: part for name, part in known.items() if part is not None}
    weight = sum(rules.weights.get(name, 0) for name in parts)
    if weight < rules.at_least or people == 0 or parts.get("months") == 0:
        return None
    total = sum(rules.weights.get(name, 0) * part for name, part in parts.items())
    return Likeness(total // weight, parts, same)


# --- parts ----------------------------------------------------------------------------------------


def _people(one: Features, other: Features) -> tuple[int | None, dict[str, str]]:
    """The best pair of workers, and which lines are of one worker; 0 where all surely differ."""
    best: int | None = None
    same: dict[str, str] = {}
    for mine in one.people:
        for theirs in other.people:
            part = _pair(mine, theirs)
            if part is None:
                continue
            best = part if best is None else max(best, part)
            if part >= 90 and mine.line not in same and theirs.line not in same.values():
                same[mine.line] = theirs.line
    return best, same


def _pair(mine: Person, theirs: Person) -> int | None:
    if mine.id and theirs.id:
        return 100 if mine.id == theirs.id else 0
    if mine.name and theirs.name:
        return round(fuzz.ratio(mine.name, theirs.name))
    return None


def _employers(one: Features, other: Features) -> int | None:
    if one.uscc and one.uscc == other.uscc:
        return 100
    return _names(one.employer, other.employer)


def _equal(one: tuple[str, ...], other: tuple[str, ...]) -> int | None:
    if not one or not other:
        return None
    return 100 if set(one) & set(other) else 0


def _names(one: str | None, other: str | None) -> int | None:
    """Names of firms or projects without the words that all of them have."""
    if not one or not other:
        return None
    short, long = _FIRM_WORDS.sub("", one) or one, _FIRM_WORDS.sub("", other) or other
    return round(max(fuzz.ratio(short, long), fuzz.partial_ratio(short, long) - 5))


def _overlap(one: tuple[str, str] | None, other: tuple[str, str] | None) -> int | None:
    if one is None or other is None:
        return None
    first, last = max(one[0], other[0]), min(one[1], other[1])
    if first > last:
        return 0
    return round(100 * _count(first, last) / max(_count(*one), _count(*other)))


def _count(first: str, last: str) -> int:
    return (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:]) + 1


def _amounts(one: int | None, other: int | None) -> int | None:
    if not one or not other:
        return None
    return 100 * min(one, other) // max(one, other)


def _place(one: str | None, other: str | None) -> int | None:
    if one is None or other is None:
        return None
    return 100 if one == other else 0


def _texts(one: str | None, other: str | None) -> int | None:
    if not one or not other:
        return None
    return round(fuzz.ratio(one, other))


# --- opening --------------------------------------------------------------------------------------


def _open(text: str | None, opener: Sealer) -> str | None:
    if text is None or not text.startswith(SEALED_PREFIX):
        return text
    try:
        return opener.open(text)
    except CannotOpen:
        return None


def _json(text: str | None, opener: Sealer) -> dict[str, Any]:
    opened = _open(text, opener)
    found: dict[str, Any] = orjson.loads(opened) if opened else {}
    return found


def _person(line: str, worker: str | None, sealed: str | None, opener: Sealer) -> Person:
    told = _json(sealed, opener)
    return Person(line, _plain(told.get("name")), worker, _phone(told.get("phone"), opener))


def _phone(text: str | None, opener: Sealer) -> str | None:
    digits = text or ""
    if not (digits.isascii() and digits.isdecimal()):
        signs = unicodedata.normalize("NFKC", digits)
        digits = "".join(sign for sign in signs if sign.isdecimal())
    return opener.matcher.hash("phone", digits[-11:]) if len(digits) >= 7 else None


def _plain(text: str | None) -> str:
    return _NOT_A_WORD.sub("", unicodedata.normalize("NFKC", text or "")).casefold()


def _months(data: ComplaintReceived) -> tuple[str, str] | None:
    spans = [(claim.months_from, claim.months_to) for claim in data.claims]
    firsts = [first for first, _ in (*spans, (data.months_from, None)) if first]
    lasts = [last for _, last in (*spans, (None, data.months_to)) if last]
    return (min(firsts), max(lasts)) if firsts and lasts else None
