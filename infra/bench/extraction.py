"""Figures: how fast the text extraction reads, and how well where there are labelled messages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml

from infra.bench.figures import Figure, Limit
from infra.bench.rig import BOOK

MESSAGES: Final = Path(__file__).parents[2].parent / "shared" / "data" / "messages.jsonl"
"""Beside the project, not part of it: real messages of citizens, labelled by hand."""


RATE: Final = Limit("at least", 2000)
_RUNS: Final = 3


def measure(file: Path = MESSAGES) -> tuple[list[Figure], str]:
    """The figures that have a limit, and what there is to say of where they come from."""
    # scikit-learn and numpy come with the development tools, not with the services.
    from services.intake.signals import Gazetteer, Lexicon, report, train

    folder = files("shared.policies") / BOOK
    lexicon = Lexicon.from_mapping(yaml.safe_load((folder / "lexicon.yaml").read_text("utf-8")))
    gazetteer = Gazetteer.from_mapping(
        yaml.safe_load((folder / "gazetteer.yaml").read_text("utf-8"))
    )
    rates = tuple(report.rate(lexicon, gazetteer) for _ in range(_RUNS))
    read = Figure("text: complaints read", "complaints/s", rates, RATE, note="on one core")
    if not file.exists():
        absent = "../shared/data/messages.jsonl is not there"
        return [read], f"text extraction: how well is not measured, {absent}"
    messages = train.read_messages(file)
    found = report.figures(messages, lexicon, gazetteer)
    shown = [
        Figure(
            f"text: {figure.name}",
            "",
            (figure.value,),
            Limit("at least", figure.limit),
            note=f"{figure.right:g} of {figure.of:g}, 95 % interval "
            f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}",
        )
        for figure in found.values()
        if figure.limit is not None
    ]
    return [read, *shown], f"text extraction: {len(messages)} labelled messages"
