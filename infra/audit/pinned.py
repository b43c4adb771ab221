"""Publications against the log: what they pin is what stood there at their cut-off (design 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from infra.audit.findings import Finding, name_of
from infra.audit.log import Line, Partition
from infra.audit.records import Entry
from shared.checkpoint import place_name
from shared.envelope import derived_id
from shared.events import (
    BulletinIssued,
    CheckpointSigned,
    CorrectionIssued,
    LedgerSnapshotTaken,
    PhaseTargetEvaluated,
    RankingPublished,
    instant_text,
)

_PINNING = LedgerSnapshotTaken | RankingPublished | BulletinIssued
_NAMED = _PINNING | CorrectionIssued | PhaseTargetEvaluated | CheckpointSigned


def misnamed(entries: Iterable[Entry]) -> list[Finding]:
    """Publications whose id does not follow from what they are: there could be two of one issue."""
    found = []
    for entry in entries:
        event = entry.event
        if not isinstance(event.data, _NAMED):
            continue
        expected = derived_id(event.subject, event.type, event.data.natural_key())
        if event.id != expected:
            sentence = f"The id of {name_of(event)} is not that of its issue."
            found.append(entry.finding("wrong", expected, event.id, sentence))
    return found


@dataclass
class Cuts:
    """One partition at the cut-offs of the publications that pin it.

    A cut-off lies after the last event that was known by then, and not after the first that was
    not; between them may stand what is no event and copies.
    """

    partition: Partition
    pinning: list[Entry]
    _ahead: list[datetime] = field(default_factory=list)
    _bounds: dict[datetime, tuple[int, int | None]] = field(default_factory=dict)
    _latest: datetime | None = None
    _known: int = 0
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        place = place_name(*self.partition)
        self.pinning = [item for item in self.pinning if place in _positions(item)]
        self._ahead = sorted({_as_of(item) for item in self.pinning}, reverse=True)

    def add(self, line: Line) -> None:
        if not self.pinning:
            return
        doc = line.doc or {}
        # Not parsed as an event once more: what is none has a finding of its own.
        try:
            recorded = datetime.fromisoformat(doc["recordedtime"])
        except (KeyError, TypeError, ValueError):
            return
        if recorded.tzinfo is None or not isinstance(doc.get("id"), str):
            return
        self._latest = max(self._latest or recorded, recorded)
        while self._ahead and self._ahead[-1] < self._latest:
            self._bounds[self._ahead.pop()] = (self._known, line.offset)
        if doc["id"] not in self._seen:
            self._seen.add(doc["id"])
            self._known = line.offset + 1

    def findings(self) -> list[Finding]:
        place = place_name(*self.partition)
        found = []
        for entry in self.pinning:
            at, pinned = _as_of(entry), _positions(entry)[place]
            low, high = self._bounds.get(at, (self._known, None))
            if low <= pinned and (high is None or pinned <= high):
                continue
            sentence = (
                f"{name_of(entry.event)} pins {place} at {pinned}; what was known at its cut-off "
                f"{instant_text(at)} ends at {low}."
            )
            found.append(entry.finding("wrong", low, pinned, sentence))
        return found


def _positions(entry: Entry) -> dict[str, int]:
    data = entry.event.data
    return data.positions if isinstance(data, _PINNING) else {}


def _as_of(entry: Entry) -> datetime:
    data = entry.event.data
    assert isinstance(data, _PINNING), "only these pin positions"
    return data.as_of
