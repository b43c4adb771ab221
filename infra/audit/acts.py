"""Whether each reported act was possible when it was reported: intake's own fold, once more.

And whether its author may report it at all (`shared.roles`): a person's act is as good as the
person's right to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from infra.audit.findings import Finding, name_of
from infra.audit.log import TOLERANCE
from infra.audit.records import Entry
from services.intake.decider import POSSIBLE, CaseFile, evolve, initial, refused_author
from shared.events import Event, Fact
from shared.roles import ROLES, By
from shared.streams import kind_of

_UNJUDGED: Final = frozenset(("ComplaintReceived", "PiiAccessed", "PiiErased", "AccessDenied"))
"""A complaint is its source's to send, whoever sends it; the others are intake's own record of
what somebody did or was refused.
"""

Past = Sequence[tuple[Entry, CaseFile]]


def impossible_acts(subject: str, entries: Sequence[Entry]) -> list[Finding]:
    """Facts of a case that no state of the last minute allowed (domain 3.3), and facts of any
    stream whose author none of them allowed (domain 3.2, 3.4).

    A minute, because a decision may land between an act's being judged and its being appended.
    """
    case = kind_of(subject) == "case"
    findings: list[Finding] = []
    state = initial(subject)
    past: list[tuple[Entry, CaseFile]] = []
    for entry in entries:
        past.append((entry, state))
        if case and not _ever(past, partial(_possible, entry.event.type)):
            findings.append(_out_of_order(entry, state))
        elif _is_judged(entry.event) and not _ever(past, partial(_may, entry.event)):
            findings.append(_unauthorised(entry))
        state = evolve(state, entry.event)
    return findings


def _ever(past: Past, allowed: Callable[[CaseFile], bool]) -> bool:
    """Whether the state before the last entry allowed it, or one before what was appended in the
    minute before it.
    """
    appended = past[-1][0].appended_at
    for entry, state in reversed(past):
        if entry.appended_at + TOLERANCE < appended:
            return False
        if allowed(state):
            return True
    return False


def _possible(fact: str, state: CaseFile) -> bool:
    if state.state == "NONE":
        return fact == "ComplaintReceived"
    states = POSSIBLE.get(fact)
    return states is None or state.state in states


def _out_of_order(entry: Entry, state: CaseFile) -> Finding:
    allowed = POSSIBLE.get(entry.event.type)
    wanted = "RECEIVED first" if allowed is None else ", ".join(sorted(allowed))
    sentence = (
        f"{name_of(entry.event)} is not possible in the state {state.state}, in which the case was."
    )
    return entry.finding("impossible_order", wanted, state.state, sentence)


def _is_judged(event: Event) -> bool:
    return isinstance(event.data, Fact) and event.type not in _UNJUDGED


def _may(event: Event, state: CaseFile) -> bool:
    unit, role, *_ = (*event.actor.split("/"), "", "")
    known = next((name for name in ROLES if name == role), None)
    return known is not None and refused_author(By(unit, known), event.data, state) is None


def _unauthorised(entry: Entry) -> Finding:
    actor = entry.event.actor
    sentence = f"{name_of(entry.event)} was recorded by {actor}, who may not record it there."
    return entry.finding("foreign_writer", "who may record it", actor, sentence)
