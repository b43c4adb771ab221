"""Signals: what a complaint's text says, read by a pure, versioned extraction (design 9)."""

from __future__ import annotations

from services.intake.signals.extract import MAX_CHARS, VERSION, Signals, extract
from services.intake.signals.gazetteer import Gazetteer, Place
from services.intake.signals.lexicon import Lexicon, LexiconError

__all__ = [
    "MAX_CHARS",
    "VERSION",
    "Gazetteer",
    "Lexicon",
    "LexiconError",
    "Place",
    "Signals",
    "extract",
]
