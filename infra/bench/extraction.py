"""Figures: how well the text extraction reads labelled messages, where there are any."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml

from infra.bench.figures import Figure, Limit
from infra.bench.rig import BOOK

MESSAGES: Final = Path(__file__).parents[2].parent / "shared" / "data" / "messages.jsonl"
"""Beside the project, not part of it: real messages of citizens, labelled by hand."""


def measure(file: Path = MESSAGES) -> tuple[list[Figure], str]:
    """The figures that have a limit, and what there is to say of where they come from."""
    if not file.exists():
        return [], "text extraction: not measured, ../shared/data/messages.jsonl is not there"
    # scikit-learn and numpy come with the development tools, not with the services.
    from services.intake.signals import Gazetteer, Lexicon, report, train

    folder = files("shared.policies") / BOOK
    lexicon = Lexicon.from_mapping(yaml.safe_load((folder / "lexicon.yaml").read_text("utf-8")))
    gazetteer = Gazetteer.from_mapping(
        yaml.safe_load((folder / "gazetteer.yaml").read_text("utf-8"))
    )
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
    return shown, f"text extraction: {len(messages)} labelled messages"
