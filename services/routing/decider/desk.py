"""What routing keeps of a case's stream."""

from __future__ import annotations

from datetime import datetime

import msgspec

from services.routing.decider.foreseen import Hearing
from shared import events as ev
from shared.events import Unit
from shared.frozen import Frozen


class Asked(Frozen, frozen=True):
    """Something that waits for an answer: the event's id, its time and when it became known."""

    id: str
    at: datetime
    time: datetime
    unit: str = ""


class Found(Frozen, frozen=True):
    """A line of this case that already stands under another case."""

    match: str
    master: str
    line: str
    with_line: str
    reopens: bool
    at: datetime
    id: str


class Under(Frozen, frozen=True):
    """Lines of another case that stand under this one.

    `by`: each line with the stream it came through, as `line|via`; `whole`: the streams through
    which the whole complaint came. `at`, `id`: of the last; `late`: it came after this case had
    been merged.
    """

    case: str
    by: tuple[str, ...]
    whole: tuple[str, ...]
    data: ev.ClaimLinesAdded
    at: datetime
    id: str
    late: bool = False


class Gone(Frozen, frozen=True):
    """Lines that left this case and must leave its master too."""

    data: ev.ClaimLinesRemoved
    at: datetime
    id: str


class Answer(Frozen, frozen=True):
    """A reply to a source (`source|source_ref`) that crossed the merge of its case."""

    source: str
    id: str
    at: datetime


class Told(Frozen, frozen=True):
    """A change that the match and group streams must hear of.

    `master`: under which the case goes on, or (`line`) one line of it.
    """

    id: str
    status: str
    at: datetime
    kind: str | None = None
    master: str | None = None
    line: str | None = None

    @property
    def name(self) -> str:
        return self.id if self.line is None else f"{self.id}|{self.line}"


class Desk(Hearing, frozen=True):
    """What routing keeps of a case. Sealed text is not kept.

    `under`: what was merged into it; `passed`: the cases of it that its own master was told of,
    `stale`: of which more came since; `gone`: those that left and of which the master is not told
    yet. `moved`: own lines that stand under another case, with it; `leaving`: of those, the ones
    not yet taken off this case. `replied`: the sources answered here, with when; `answers`: of
    those the ones of which the master is not told yet.
    """

    subject: str
    received: ev.ComplaintReceived | None = None
    received_event: Asked | None = None
    supplement: ev.SupplementReceived | None = None
    registered: tuple[str, ...] = ()
    accepted: Asked | None = None
    decided: Asked | None = None
    decision: ev.TriageDecided | None = None
    designated: bool = False
    answered: str | None = None
    unit: Unit | None = None
    assigned_at: datetime | None = None
    return_asked: Asked | None = None
    return_approved: Asked | None = None
    returned_by: tuple[str, ...] = ()
    returns_approved: int = 0
    found: tuple[Found, ...] = ()
    moved: dict[str, str] = msgspec.field(default_factory=dict)
    leaving: tuple[Gone, ...] = ()
    under: tuple[Under, ...] = ()
    passed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    gone: tuple[Gone, ...] = ()
    replied: dict[str, datetime] = msgspec.field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    merge_approved: tuple[Asked, ev.MergeApproved] | None = None
    merged_into: str | None = None
    merged: Asked | None = None
    merge_revoked: Asked | None = None
    withdraw: tuple[Asked, str] | None = None
    out: bool = False
    told: tuple[Told, ...] = ()
    heard: tuple[str, ...] = ()
