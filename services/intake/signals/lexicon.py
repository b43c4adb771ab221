"""The lexicon of a policy book, and the scanner that finds its words in a text.

Leftmost, longest match first, without overlap: `自来水公司` is not also `公司`. The scanner is a
dictionary of first letter pairs; for texts of a few hundred letters this is faster in Python than
an alternation of a thousand words in one pattern, and needs no compiled dependency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import add
from typing import Any

STRONG, PLAIN = 3, 1


class LexiconError(ValueError):
    """A lexicon or gazetteer that cannot be read; names the entry."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """Finds words of a fixed list. `by_pair`: first two letters -> words, longest first.

    `pairs`: its keys, as a set of their own, because two frozen sets meet quickest.
    """

    by_pair: dict[str, tuple[str, ...]]
    pairs: frozenset[str]

    @classmethod
    def of(cls, words: Iterable[str]) -> Scanner:
        """Raises LexiconError for a word of one letter, which would match nearly anything."""
        by_pair: dict[str, list[str]] = {}
        for word in sorted(set(words), key=lambda w: (-len(w), w)):
            if len(word) < 2:
                raise LexiconError(f"lexicon: {word!r} is too short for a word")
            by_pair.setdefault(word[:2], []).append(word)
        return cls({pair: tuple(rest) for pair, rest in by_pair.items()}, frozenset(by_pair))

    def find(self, text: str, pairs: frozenset[str] | None = None) -> list[tuple[int, str]]:
        """(position, word) in order of position. `pairs`: those of the text, where at hand."""
        present = self.pairs & (pairs_of(text) if pairs is None else pairs)
        if not present:
            return []
        places: list[tuple[int, str]] = []
        for pair in present:
            position = text.find(pair)
            while position >= 0:
                places.append((position, pair))
                position = text.find(pair, position + 1)
        places.sort()
        found: list[tuple[int, str]] = []
        end = 0
        for position, pair in places:
            if position < end:
                continue
            for word in self.by_pair[pair]:
                if text.startswith(word, position):
                    found.append((position, word))
                    end = position + len(word)
                    break
        return found


def pairs_of(text: str) -> frozenset[str]:
    """Every two neighbouring letters of a text: looked up once for all scanners."""
    return frozenset(map(add, text, text[1:]))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words by sector with their points, words of urgency, words for money that is no wages."""

    version: str
    words: Mapping[str, tuple[str, int]]
    sectors: tuple[str, ...]
    scanner: Scanner
    urgent: Scanner
    not_wages: Scanner

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> Lexicon:
        """Read the parsed `lexicon.yaml` of a book.

        Raises LexiconError for a missing part, a word that is no text, or one in two sectors.
        """
        sectors = _mapping(raw, "sectors")
        words: dict[str, tuple[str, int]] = {}
        for sector, entry in sectors.items():
            for strength, points in (("strong", STRONG), ("plain", PLAIN)):
                for word in words_of(entry, strength, f"sectors.{sector}"):
                    known = words.get(word)
                    if known is not None and known[0] != sector:
                        raise LexiconError(f"lexicon: {word} stands in {known[0]} and {sector}")
                    words.setdefault(word, (sector, points))
        return cls(
            version=str(raw.get("version", "")),
            words=words,
            sectors=tuple(sectors),
            scanner=Scanner.of(words),
            urgent=Scanner.of(words_of(raw, "urgent", "")),
            not_wages=Scanner.of(words_of(raw, "not_wages", "")),
        )


def words_of(entry: Any, key: str, where: str) -> tuple[str, ...]:
    """The list of words under `key`; absent counts as empty."""
    value = entry.get(key, ()) if isinstance(entry, Mapping) else None
    if not isinstance(value, (list, tuple)) or not all(isinstance(w, str) and w for w in value):
        raise LexiconError(f"lexicon: {where}.{key} is no list of words")
    return tuple(value)


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise LexiconError(f"lexicon: {key} is missing")
    return value
