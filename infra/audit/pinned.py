"""Publications against the log: what they pin is what stood there at their cut-off (design 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from infra.audit.findings import Finding, name_of
from infra.audit.log import Line, Partition
from infra.audit.records import Entry, Governance
from services.reporting import ledgers
from services.reporting.bulletins import content_hash
from services.reporting.issues import issues
from services.reporting.publications import (
    KINDS,
    PUBLISHED,
    Publications,
    comes_out_at,
    id_of,
)
from shared.calendar import end_of
from shared.checkpoint import place_name
from shared.envelope import derived_id
from shared.events import (
    BulletinIssued,
    CorrectionIssued,
    LedgerSnapshotTaken,
    RankingPublished,
    instant_text,
)
from shared.log import GOVERNANCE_EVENTS
from shared.streams import GOVERNANCE

_PINNING = LedgerSnapshotTaken | RankingPublished | BulletinIssued


def misnamed(entries: Iterable[Entry]) -> list[Finding]:
    """Publications whose id does not follow from what they are (there could be two of one issue),
    or whose hash is not that of what they say.
    """
    found = []
    for entry in entries:
        event = entry.event
        if not isinstance(event.data, PUBLISHED):
            continue
        expected = id_of(event.data)
        if event.id != expected:
            sentence = f"The id of {name_of(event)} is not that of its issue."
            found.append(entry.finding("wrong", expected, event.id, sentence))
        if isinstance(event.data, RankingPublished | CorrectionIssued):
            digest = content_hash({"items": list(event.data.items)})
            if digest != event.data.hash:
                sentence = f"{name_of(event)} says other things than its hash."
                found.append(entry.finding("changed", event.data.hash, digest, sentence))
    return found


def unpublished(state: Governance, *, strict: bool) -> list[Finding]:
    """What belongs to the issues on the log and is not there, and a missing signature after them.

    If `strict` also every issue that was to come out by the end of the log, and the checkpoint of
    a log that has none.
    """
    horizon = state.time.horizon
    if not state.books or horizon is None:
        return []
    publications = Publications()
    for entry in state.entries:
        publications.hear(entry.event)
    bulletins = publications.bulletins
    found = [
        lacking("BulletinIssued", number)
        for number in _owed(publications, state, horizon)
        if strict or (bulletins and number < max(bulletins))
    ]
    for number, bulletin in sorted(bulletins.items()):
        found += _parts(publications, number, bulletin.data)
    signs = strict or bool(publications.checkpoints)
    last = bulletins[max(bulletins)] if bulletins else None
    if signs and publications.owes_checkpoint and last is not None and last.recordedtime < horizon:
        found.append(lacking("CheckpointSigned", f"after issue {max(bulletins)}"))
    elif strict and not publications.checkpoints and _a_day_ended(publications, state, horizon):
        found.append(lacking("CheckpointSigned", "of any day"))
    return found


def _owed(publications: Publications, state: Governance, horizon: datetime) -> list[int]:
    """Numbers of issues that were to come out before the end of the log and did not."""
    out, there, policy = publications.cut_offs, publications.bulletins, state.books[-1]
    holes = [
        number for number in range(min(out, default=1), max(out, default=0)) if number not in there
    ]
    end = end_of(policy.content.campaign.phases[-1].last)
    for issue in issues(policy, end, out):
        at = comes_out_at(issue, policy)
        if issue.no in there or not publications.came_out(issue):
            continue
        if at is not None and at < horizon:
            holes.append(issue.no)
    return sorted(holes)


def _parts(publications: Publications, number: int, bulletin: BulletinIssued) -> list[Finding]:
    """Of an issue that came out, rankings and ledgers that are not there."""
    as_of = instant_text(publications.cut_offs.get(number, bulletin.as_of))
    wanted = [("RankingPublished", f"{kind}|{number}") for kind in KINDS]
    wanted += [("LedgerSnapshotTaken", f"{name}|{as_of}") for name in get_args(ledgers.Name)]
    return [
        lacking(kind, key)
        for kind, key in wanted
        if derived_id(GOVERNANCE, kind, key) not in publications.ids
    ]


def _a_day_ended(publications: Publications, state: Governance, horizon: datetime) -> bool:
    """Whether the wall clock saw a day end that no checkpoint followed."""
    return state.time.kind == "wall" and publications.day_is_over(horizon)


def lacking(kind: str, what: object) -> Finding:
    """A publication that is owed and not there; `what` tells which one of its kind."""
    sentence = f"{kind} ({what}) is owed and does not stand on the log."
    return Finding("omitted", GOVERNANCE, None, GOVERNANCE_EVENTS, 0, None, what, None, sentence)


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


def pinned_places(entries: Iterable[Entry]) -> set[str]:
    """The partitions that publications pin."""
    return {place for entry in entries for place in _positions(entry)}


def _positions(entry: Entry) -> dict[str, int]:
    data = entry.event.data
    return data.positions if isinstance(data, _PINNING) else {}


def _as_of(entry: Entry) -> datetime:
    data = entry.event.data
    assert isinstance(data, _PINNING), "only these pin positions"
    return data.as_of
