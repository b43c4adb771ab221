"""Townships named in an address, a name or a text (属地), by rule and never by default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

from services.intake.signals.lexicon import LexiconError, Scanner, words_of
from services.intake.signals.roles import is_work_at, role_of

Field = Literal["address", "project", "employer", "work", "text", "home"]
"""Where a place was read. Of a text: a place of work, a home, or neither (`text`)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place found: the alias as matched, its township (None: abolished or outside), the rule."""

    field: Field
    text: str
    township: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class _Alias:
    township: str | None
    rule: str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class _Beside:
    """What may stand beside a bare name. `after` None: anything, as in books without the list."""

    not_before: tuple[str, ...]
    not_after: tuple[str, ...]
    after: tuple[str, ...] | None
    before: tuple[str, ...]

    def fits(self, text: str, start: int, end: int) -> bool:
        """Whether a short name at `start:end` is a word of its own, not a part of another."""
        if text.startswith(self.not_before, end) or text.endswith(self.not_after, 0, start):
            return False
        if self.after is None or start == 0 or not _HAN.match(text, start - 1):
            return True
        return text.endswith(self.after, 0, start) or text.startswith(self.before, end)


_HAN = re.compile(r"[\u3400-\u9fff]")
_SUFFIXES: Final = ("省", "市", "县", "区", "州")
_STREETS: Final = (
    "路",
    "街",
    "大道",
    "大街",
    "巷",
    "小区",
    "花园",
    "酒店",
    "大酒店",
    "宾馆",
    "饭店",
)
_ANOTHER = re.compile(r"[\u3400-\u9fff]{2}[市县省]$")
_NOBODY_S = re.compile(r"(?:[本我全该各们个]|超|门|夜|菜|集)[市县]$")
_ELSEWHERE = re.compile(
    r"[\u3400-\u9fff]{2,7}?(?<![超门夜菜集城都本我全该])(?:省|自治区|自治州|市|县)(?![场政长道])"
)
_BREAK = re.compile(r"[，。！？；、,!?;\n]")
_COUNTRY: Final = "中国"
_AFAR: Final = "外地"
"""Read of a site in a city or county that the book does not name: nothing of it is kept."""
_LONGEST: Final = 6
"""Letters before a name in which another city's stands."""

_OUTSIDE: Final = _Alias(None, "outside")

Found = tuple[_Alias, Field, str]


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Full names and bare aliases of the townships, areas that are no more, places elsewhere.

    `hint`: with which letters a name of ours begins. `within`: the city and what it lies in;
    `outside`, found by `afar`: other cities, counties, provinces.
    """

    version: str
    aliases: Mapping[str, _Alias]
    scanner: Scanner
    hint: re.Pattern[str]
    beside: _Beside
    city: str
    within: tuple[str, ...]
    outside: frozenset[str]
    afar: Scanner

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> Gazetteer:
        """Read the parsed `gazetteer.yaml` of a book; LexiconError names what cannot be read."""
        aliases: dict[str, _Alias] = {}
        variants = raw.get("variants") or {}

        def add(text: str, alias: _Alias) -> None:
            for spelling in _spellings(text, variants):
                if spelling in aliases:
                    raise LexiconError(f"gazetteer: {spelling} stands twice")
                aliases[spelling] = alias

        for entry in _entries(raw, "townships"):
            code, name = _text(entry, "code"), _text(entry, "name")
            add(name, _Alias(code, f"name-{code}"))
            full = words_of(entry, "full", code)
            for number, text in enumerate((*full, *words_of(entry, "bare", code)), start=1):
                add(text, _Alias(code, f"alias-{code}-{number}", bare=number > len(full)))
        for entry in _entries(raw, "abolished"):
            code = _text(entry, "code")
            for number, text in enumerate(words_of(entry, "names", code), start=1):
                add(text, _Alias(None, f"abolished-{code}-{number}"))
        outside = words_of(raw, "outside", "")
        scanner = Scanner.of(aliases)
        city = str(raw.get("city", ""))
        beside = _Beside(
            not_before=words_of(raw, "bare_not_before", ""),
            not_after=words_of(raw, "bare_not_after", ""),
            after=words_of(raw, "bare_after", "") if "bare_after" in raw else None,
            before=words_of(raw, "bare_before", ""),
        )
        return cls(
            version=str(raw.get("version", "")),
            aliases=aliases,
            scanner=scanner,
            hint=re.compile("|".join(map(re.escape, sorted(scanner.pairs))) or "(?!)"),
            beside=beside,
            city=city,
            within=(city, *words_of(raw, "within", "")),
            outside=frozenset(outside),
            afar=Scanner.of(outside),
        )

    def in_name(self, field: Field, text: str) -> list[Place]:
        """The places in the normalised name of an employer or a project (domain 5.3)."""
        if not self.hint.search(text):
            return []
        return _best([(alias, field, name) for _, name, alias in self._named(text)])

    def in_address(self, text: str) -> list[Place]:
        """The places in a normalised address; of one elsewhere, that it is none of ours.

        Such a site is told but unknown: the office decides, whatever else was said (domain 5.3).
        """
        ours = self.in_name("address", text)
        if ours or not self.city or self._names_city(text):
            return ours
        elsewhere = self._elsewhere(text)
        return [] if elsewhere is None else _best([(_OUTSIDE, "address", elsewhere)])

    def in_text(self, text: str, pairs: frozenset[str] | None = None) -> list[Place]:
        """The places named in a normalised text, by what it says of them (domain 5.3).

        Who is at home here and works elsewhere told a place of work, though none of ours.
        """
        found: list[Found] = []
        for start, name, alias in self._named(text, pairs):
            found.append((alias, role_of(text, start, start + len(name)), name))
        if found and all(role == "home" for _, role, _ in found):
            found += self._work_elsewhere(text, pairs)
        return _best(found)

    def _named(
        self, text: str, pairs: frozenset[str] | None = None
    ) -> Iterator[tuple[int, str, _Alias]]:
        """Every name of a township or an abolished area, with its start."""
        for start, name in self.scanner.find(text, pairs):
            alias = self.aliases[name]
            end = start + len(name)
            if name.endswith(("办", "辦")) and text.startswith("事", end):
                continue
            if alias.bare and not self.beside.fits(text, start, end):
                continue
            if start and self._is_another_s(text[max(0, start - _LONGEST) : start]):
                continue
            yield start, name, alias

    def _is_another_s(self, left: str) -> bool:
        """Whether another city or county is named right before: the township is in that one."""
        if not self.city:
            return False
        plain = left[:-1] if left.endswith(_SUFFIXES) else left
        if plain.endswith(self.within):
            return False
        if any(part[-n:] in self.outside for part in (plain, left) for n in range(2, _LONGEST)):
            return True
        return _ANOTHER.search(left) is not None and _NOBODY_S.search(left) is None

    def _names_city(self, text: str) -> bool:
        at = text.find(self.city)
        return at >= 0 and not text.startswith(_STREETS, at + len(self.city))

    def _elsewhere(self, text: str) -> str | None:
        """What an address that names nothing of ours says of where it is; None: nothing."""
        start = len(_COUNTRY) if text.startswith(_COUNTRY) else 0
        for name in self.within:
            if name not in self.outside and text.startswith(name, start):
                start += len(name)
                start += text.startswith(_SUFFIXES, start)
        for position, name in self.afar.find(text):
            end = position + len(name)
            if text.startswith(_STREETS, end):
                continue
            if position == start or text.startswith(_SUFFIXES, end) or name.endswith(_SUFFIXES):
                return name
        return _AFAR if _ELSEWHERE.match(text, start) else None

    def _work_elsewhere(self, text: str, pairs: frozenset[str] | None) -> Iterator[Found]:
        for start, name in self.afar.find(text, pairs):
            end = start + len(name)
            clause = _BREAK.split(text[end : end + _LONGEST], maxsplit=1)[0]
            if text.startswith(_STREETS, end) or self.city in clause:
                continue
            if is_work_at(text, start, end):
                yield _OUTSIDE, "work", name


def _best(found: Sequence[Found]) -> list[Place]:
    """Each rule once in each field; full names before bare ones of the same field."""
    if not found:
        return []
    full = {field for alias, field, _ in found if not alias.bare}
    kept: dict[tuple[Field, str], Place] = {}
    for alias, field, name in found:
        if not (alias.bare and field in full):
            place = Place(field, name, alias.township, alias.rule)
            kept.setdefault((field, alias.rule), place)
    return list(kept.values())


def _spellings(text: str, variants: Mapping[str, str]) -> Iterator[str]:
    """A name with each of its letters as written here or elsewhere."""
    return map("".join, product(*((c, variants[c]) if c in variants else (c,) for c in text)))


def _entries(raw: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise LexiconError(f"gazetteer: {key} is no list of entries")
    return value


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise LexiconError(f"gazetteer: an entry has no {key}")
    return value
