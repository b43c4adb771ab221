"""Whether each reported act was possible when it was reported: intake's own fold, once more."""

from __future__ import annotations

from collections.abc import Sequence

from infra.audit.findings import Finding, name_of
from infra.audit.log import TOLERANCE
from infra.audit.records import Entry
from services.intake.decider import POSSIBLE, evolve, initial
from shared.streams import kind_of


def impossible_acts(subject: str, entries: Sequence[Entry]) -> list[Finding]:
    """Facts of a case that no state of the last minute allowed (domain 3.3).

    A minute, because a decision may land between an act's being judged and its being appended.
    """
    if kind_of(subject) != "case":
        return []
    findings: list[Finding] = []
    state = initial(subject)
    past: list[tuple[Entry, str]] = []
    for entry in entries:
        allowed = POSSIBLE.get(entry.event.type)
        unknown = state.state == "NONE" and entry.event.type != "ComplaintReceived"
        impossible = unknown or (allowed is not None and state.state not in allowed)
        if impossible and not _was_possible(entry, past):
            wanted = "RECEIVED first" if allowed is None else ", ".join(sorted(allowed))
            sentence = (
                f"{name_of(entry.event)} is not possible in the state {state.state}, in which "
                f"the case was."
            )
            findings.append(entry.finding("impossible_order", wanted, state.state, sentence))
        past.append((entry, state.state))
        state = evolve(state, entry.event)
    return findings


def _was_possible(entry: Entry, past: Sequence[tuple[Entry, str]]) -> bool:
    """Whether a state before what was appended in the last minute allowed it."""
    allowed = POSSIBLE.get(entry.event.type)
    for earlier, state in reversed(past):
        if earlier.appended_at + TOLERANCE < entry.appended_at:
            return False
        if state in allowed if allowed is not None else state != "NONE":
            return True
    return False
