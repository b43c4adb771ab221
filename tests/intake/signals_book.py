"""The word lists of the campaign's book, as the extraction takes them."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from services.intake.signals import Gazetteer, Lexicon, Signals, extract

BOOK = "dengfeng-2021-35"


def raw(name: str) -> dict[str, Any]:
    file = resources.files("shared") / "policies" / BOOK / f"{name}.yaml"
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return found


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    return Lexicon.from_mapping(raw("lexicon"))


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    return Gazetteer.from_mapping(raw("gazetteer"))


def signals_of(text: str, address: str | None = None) -> Signals:
    return extract(text, address=address, lexicon=lexicon(), gazetteer=gazetteer())
