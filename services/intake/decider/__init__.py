"""Intake's decider: what a person reports is recorded, or refused with its reason."""

from __future__ import annotations

from services.intake.decider.ending import End, ending, hangs_on
from services.intake.decider.file import ENDED, CaseFile, Order, State, evolve, initial, opened
from services.intake.decider.judge import POSSIBLE, Act, decide, refused_author, unknown
from shared.roles import By, Refusal

__all__ = [
    "ENDED",
    "POSSIBLE",
    "Act",
    "By",
    "CaseFile",
    "End",
    "Order",
    "Refusal",
    "State",
    "decide",
    "ending",
    "evolve",
    "hangs_on",
    "initial",
    "opened",
    "refused_author",
    "unknown",
]
