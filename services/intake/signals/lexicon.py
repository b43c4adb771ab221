"""The lexicon of a policy book, and the scanner that finds its words in a text.

Leftmost, longest match first, without overlap: `自来水公司` is not also `公司`. The scanner is a
dictionary of first letters; for texts of a few hundred letters this is faster in Python than an
alternation of a thousand words in one pattern, and needs no compiled dependency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STRONG, PLAIN = 3, 1


class LexiconError(ValueError):
    """A lexicon or gazetteer that cannot be read; names the entry."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """Finds words of a fixed list. `by_first`: first letter -> words, longest first."""

    by_first: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, words: Iterable[str]) -> Scanner:
        by_first: dict[str, list[str]] = {}
        for word in sorted(set(words), key=lambda w: (-len(w), w)):
            by_first.setdefault(word[0], []).append(word)
        return cls({first: tuple(rest) for first, rest in by_first.items()})

    def find(self, text: str) -> list[tuple[int, str]]:
        """(position, word) in order of position."""
        found: list[tuple[int, str]] = []
        by_first, end = self.by_first, 0
        for position, letter in enumerate(text):
            words = by_first.get(letter)
            if words is None or position < end:
                continue
            for word in words:
                if text.startswith(word, position):
                    found.append((position, word))
                    end = position + len(word)
                    break
        return found


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
