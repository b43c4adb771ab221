"""告知 (条例 10): how a complaint ended, and who was told of it when.

An ending is not accepted, transferred out, merged or closed; undone by separating or reopening.
Whoever is told too late is told all the same: both instants are kept.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.reporting.case import Case, Ending
from shared import events as ev
from shared.events import Event


def ended(case: Case, event: Event, kind: str) -> Case:
    """The case with an ending of which the complainant is still to be told."""
    return replace(case, endings=(*case.endings, Ending(event.id, kind, event.time)))


def undone(case: Case, event: Event) -> Case:
    """The last ending no longer stands: nothing more is owed for it."""
    if not case.endings or case.endings[-1].undone_at is not None:
        return case
    last = replace(case.endings[-1], undone_at=event.time)
    return replace(case, endings=(*case.endings[:-1], last))


def told(case: Case, event: Event, data: ev.ComplainantTold) -> Case:
    """The complainant was told `data.of`: the id of an ending's event, else the last before it."""
    named = [item for item in case.endings if item.id == data.of]
    before = [item for item in case.endings if item.told_at is None and item.ended_at <= event.time]
    found = (named or before[-1:])[-1:]
    if not found or found[0].told_at is not None:
        return case
    ending = replace(found[0], told_at=event.time, told_by=event.unit, channel=data.channel)
    return replace(
        case, endings=tuple(ending if item.id == ending.id else item for item in case.endings)
    )
