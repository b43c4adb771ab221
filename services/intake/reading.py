"""What the text of a complaint says, as the signals that stand on the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.events import Signals
from shared.policy import Policy

if TYPE_CHECKING:
    from services.intake.complaint import Complaint


def read_signals(complaint: Complaint, policy: Policy) -> Signals | None:
    """Signals of the text under the book's lexicon and gazetteer; None without a text."""
    return None
