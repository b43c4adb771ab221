"""Townships named in an address or a text (属地), by rule and never by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.intake.signals.lexicon import LexiconError, Scanner, words_of

Field = Literal["address", "text"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place found: the alias as matched, the township it means (None: abolished), the rule."""

    field: Field
    text: str
    township: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class _Alias:
    township: str | None
    rule: str
    bare: bool


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Full names and bare aliases of the townships, and areas that are no more."""

    version: str
    aliases: Mapping[str, _Alias]
    scanner: Scanner
    not_before: tuple[str, ...]
    not_after: tuple[str, ...]

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> Gazetteer:
        """Read the parsed `gazetteer.yaml` of a book; LexiconError names what cannot be read."""
        aliases: dict[str, _Alias] = {}

        def add(text: str, alias: _Alias) -> None:
            if text in aliases:
                raise LexiconError(f"gazetteer: {text} stands twice")
            aliases[text] = alias

        for entry in _entries(raw, "townships"):
            code, name = _text(entry, "code"), _text(entry, "name")
            add(name, _Alias(code, f"name-{code}", bare=False))
            full = words_of(entry, "full", code)
            for number, text in enumerate((*full, *words_of(entry, "bare", code)), start=1):
                add(text, _Alias(code, f"alias-{code}-{number}", bare=number > len(full)))
        for entry in _entries(raw, "abolished"):
            code = _text(entry, "code")
            for number, text in enumerate(words_of(entry, "names", code), start=1):
                add(text, _Alias(None, f"abolished-{code}-{number}", bare=False))
        return cls(
            version=str(raw.get("version", "")),
            aliases=aliases,
            scanner=Scanner.of(aliases),
            not_before=words_of(raw, "bare_not_before", ""),
            not_after=words_of(raw, "bare_not_after", ""),
        )

    def places(self, field: Field, text: str, pairs: frozenset[str] | None = None) -> list[Place]:
        """The places named in a normalised text, each rule once; full names before bare ones."""
        found: dict[str, tuple[bool, Place]] = {}
        for position, matched in self.scanner.find(text, pairs):
            alias = self.aliases[matched]
            end = position + len(matched)
            if matched.endswith("办") and text.startswith("事", end):
                continue
            if alias.bare and (
                text.startswith(self.not_before, end) or text.endswith(self.not_after, 0, position)
            ):
                continue
            place = Place(field, matched, alias.township, alias.rule)
            found.setdefault(alias.rule, (alias.bare, place))
        full = [place for bare, place in found.values() if not bare]
        if full:
            return full
        return [place for _, place in found.values()]


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
