"""The bars of acceptance on labelled messages, shipped and left out; needs the data folder."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from services.intake.signals.report import Figure, figures
from services.intake.signals.train import Message, fitted, read_messages
from tests.intake.signals_book import gazetteer, lexicon

MESSAGES = Path(__file__).parents[2].parent / "shared" / "data" / "messages.jsonl"

pytestmark = pytest.mark.skipif(
    not MESSAGES.exists(), reason="the labelled messages (../shared/data) are not here"
)


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return read_messages(MESSAGES)


@pytest.fixture(scope="module")
def measured(messages: list[Message]) -> dict[str, Figure]:
    return figures(messages, lexicon(), gazetteer())


def test_every_bar_is_met(measured: dict[str, Figure]) -> None:
    limited = [figure for figure in measured.values() if figure.limit is not None]
    assert len(limited) >= 10
    assert [str(figure) for figure in limited if not figure.met] == []


def test_words_nobody_looked_at_before_do_not_make_it_careless(measured: dict[str, Figure]) -> None:
    assert measured["lead, unseen words: precision"].value >= 0.90
    assert measured["lead, unseen words: coverage"].value >= 0.50


def test_the_shipped_coefficients_are_what_training_gives(messages: list[Message]) -> None:
    shipped = json.loads(
        resources.files("services.intake.signals").joinpath("model.json").read_text("utf-8")
    )
    again = fitted(messages, lexicon())
    assert again["leads"]["sharpness"] == shipped["leads"]["sharpness"]
    for name, weight in again["claim"]["weights"].items():
        assert abs(weight - shipped["claim"]["weights"][name]) <= 5, name
    for lead, row in again["leads"]["weights"].items():
        for name, weight in row.items():
            assert abs(weight - shipped["leads"]["weights"][lead].get(name, 0)) <= 5, (lead, name)


def test_wilson_interval() -> None:
    low, high = Figure("half", 50, 100).interval
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
    assert Figure("nothing", 0, 0).interval == (0.0, 1.0)
