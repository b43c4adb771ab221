"""What is checked record by record: writers, copies, instants, offsets, the form of the bytes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from infra.audit.findings import Finding, Kind, differences, name_of, same_content
from infra.audit.log import TOLERANCE, Line, Survey
from shared.envelope import Unreadable, canonical, document_of, from_document
from shared.events import WRITERS, ClockAdopted, ClockAdvanced, Event, PolicyAdopted, instant_text
from shared.log import EPOCH, GOVERNANCE_EVENTS, partition_of, topic_of
from shared.policy import Policy, PolicyError, check_book, content_hash

_is_instant: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?!0{6})\d{6})?Z", re.ASCII
).fullmatch
"""An instant as it is stored (`instant_text`)."""

_HEAD: Final = ("specversion", "datacontenttype", "dataschema")
_INSTANTS: Final = ("time", "recordedtime")
_SOURCE: Final = {name: f"/qingqian/{writer}" for name, writer in WRITERS.items()}


@cache
def _head_of(type_name: str) -> tuple[Any, ...]:
    """`_HEAD` of an event of this type."""
    written = document_of(type_name, {}, EPOCH, EPOCH)
    return tuple(written[name] for name in _HEAD)


@dataclass(slots=True)
class Entry:
    """A readable event and where it stands. `ours`: written by the service that may."""

    event: Event
    topic: str
    partition: int
    offset: int
    appended_at: datetime
    ours: bool = True

    def finding(self, kind: Kind, expected: Any, found: Any, sentence: str) -> Finding:
        event = self.event
        place = (self.topic, self.partition, self.offset)
        return Finding(kind, event.subject, event.id, *place, expected, found, sentence)


def _of_line(line: Line, kind: Kind, expected: Any, found: Any, sentence: str) -> Finding:
    doc = line.doc or {}
    subject, event_id = doc.get("subject"), doc.get("id")
    return Finding(
        kind,
        subject if isinstance(subject, str) else line.key,
        event_id if isinstance(event_id, str) else None,
        line.topic,
        line.partition,
        line.offset,
        expected,
        found,
        sentence,
    )


@dataclass(frozen=True)
class Time:
    """The clock of a log. `steps`: on the log clock, each instant it was moved to with the
    appending that moved it, in order.
    """

    kind: str
    steps: tuple[tuple[datetime, datetime], ...]
    horizon: datetime | None

    def showed(self, recorded: datetime, appended_at: datetime) -> bool:
        """Whether the log clock showed `recorded` around the appending, by a minute or so."""
        index = bisect_right([step for step, _ in self.steps], recorded)
        if index == len(self.steps):
            return not self.steps or recorded == self.steps[-1][0]
        return self.steps[index][1] + TOLERANCE >= appended_at


@dataclass
class Governance:
    """What the governance partition says for the whole log."""

    books: list[Policy]
    time: Time
    entries: list[Entry]


def governance(survey: Survey) -> tuple[Governance, list[Finding]]:
    """Books and clock as adopted; a book whose content is not what its hash says is a finding."""
    findings: list[Finding] = []
    books: list[Policy] = []
    entries: list[Entry] = []
    kind, steps, seen = "wall", [], set()
    for line in survey.governance:
        try:
            event = from_document(line.doc or {})
        except Unreadable:
            continue
        if event.id in seen:
            continue
        seen.add(event.id)
        entry = Entry(event, line.topic, line.partition, line.offset, line.appended_at)
        entries.append(entry)
        data = event.data
        if isinstance(data, ClockAdopted):
            kind = data.clock
            steps.append((event.recordedtime, line.appended_at))
        elif isinstance(data, ClockAdvanced):
            before = steps[-1][0] if steps else data.to
            if data.to < before or event.recordedtime != data.to:
                findings.append(_of_no_clock(entry, data, before))
            if data.to >= before:
                steps.append((data.to, line.appended_at))
        elif isinstance(data, PolicyAdopted):
            found = content_hash(data.content)
            if found != data.hash:
                sentence = f"The book {data.book} was changed after its adoption."
                findings.append(entry.finding("changed", data.hash, found, sentence))
            books += _book(event, data)
    horizon = survey.newest and survey.newest - TOLERANCE
    if kind == "log":
        horizon = max((step for step, _ in steps), default=survey.newest)
    return Governance(books, Time(kind, tuple(steps), horizon), entries), findings


def _of_no_clock(entry: Entry, data: ClockAdvanced, before: datetime) -> Finding:
    """The log clock is moved forward only, and the moving is recorded at what it then shows."""
    to, recorded = instant_text(data.to), instant_text(entry.event.recordedtime)
    if data.to < before:
        why = f"moves the clock back from {instant_text(before)} to {to}"
        return entry.finding("recordedtime", instant_text(before), to, f"ClockAdvanced {why}.")
    why = f"moves the clock to {to}, and says that it was recorded at {recorded}"
    return entry.finding("recordedtime", to, recorded, f"ClockAdvanced {why}.")


def _book(event: Event, data: PolicyAdopted) -> list[Policy]:
    """The book under the hash it was adopted with, so that an edited one is one finding."""
    try:
        content = check_book(data.content)
    except PolicyError:
        return []
    return [Policy(content, data.content, data.hash, event.recordedtime, event.id)]


@dataclass
class Records:
    """The records of one partition, checked in the order of the file.

    `entries`: the first copy of every readable event, in that order.
    """

    time: Time
    findings: list[Finding] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    _missing: set[int] = field(default_factory=set)
    _next: int = 0
    _recorded: datetime | None = None

    def check(self, lines: Iterator[Line], *, in_order: bool = True) -> None:
        """Check every line of a partition.

        Where the file has them out of order the offsets say so, and everything else is checked
        in the order of the offsets, so that one hand's work is not reported over and over.
        """
        if not in_order:
            out_of_order = list(lines)
            for line in out_of_order:
                self._offset(line)
            lines = iter(sorted(out_of_order, key=lambda line: line.offset))
        last: Line | None = None
        for line in lines:
            last = line
            if in_order:
                self._offset(line)
            entry = self._read(line)
            if entry is not None:
                self._instant(entry)
                self._copy(entry)
        if last is not None:
            self._gaps(last)

    def _offset(self, line: Line) -> None:
        if line.offset == self._next:
            self._next += 1
            return
        if line.offset > self._next:
            self._missing.update(range(self._next, line.offset))
            self._next = line.offset + 1
            return
        if line.offset in self._missing:
            self._missing.remove(line.offset)
            kind: Kind = "reordered"
            why = "stands after one with a higher offset"
        else:
            kind, why = "inserted", "stands at an offset that another record has"
        sentence = f"Record {line.offset} of {line.topic}/{line.partition} {why}."
        self.findings.append(_of_line(line, kind, self._next, line.offset, sentence))

    def _gaps(self, line: Line) -> None:
        """One finding for each run of offsets that no record has."""
        missing = sorted(self._missing)
        runs: list[list[int]] = []
        for offset in missing:
            if runs and runs[-1][-1] == offset - 1:
                runs[-1].append(offset)
            else:
                runs.append([offset])
        for run in runs:
            which = f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}"
            sentence = f"Record {which} of {line.topic}/{line.partition} is missing."
            place = (line.topic, line.partition, run[0])
            found = Finding("dropped", None, None, *place, len(run), 0, sentence)
            self.findings.append(found)

    def _read(self, line: Line) -> Entry | None:
        """The event of a line, if it is one of the published language."""
        try:
            if line.doc is None:
                raise Unreadable("not_object", "an event is a JSON object")
            event = from_document(line.doc)
        except Unreadable as error:
            sentence = f"Record {line.offset} was written by no service of this system: {error}."
            expected = "an event of the published language"
            self.findings.append(_of_line(line, "foreign_writer", expected, str(error), sentence))
            return None
        entry = Entry(event, line.topic, line.partition, line.offset, line.appended_at)
        self._writer(entry, line)
        if line.raw is not None:
            expected = canonical(line.doc).decode()
            sentence = f"The bytes of {name_of(event)} are not in their canonical form."
            self.findings.append(
                entry.finding("changed", expected, line.raw.decode(errors="replace"), sentence)
            )
        self._form(entry, line.doc)
        return entry

    def _form(self, entry: Entry, doc: dict[str, Any]) -> None:
        """What no fold reads, and so no decision would tell, is written in one way only."""
        event = entry.event
        if tuple(map(doc.get, _HEAD)) == _head_of(event.type) and all(
            _is_instant(doc[name]) for name in _INSTANTS
        ):
            return  # Nearly all are as they must be: their instants need not be spelt again.
        wanted = document_of(event.type, {}, event.time, event.recordedtime)
        names = [name for name in (*_HEAD, *_INSTANTS) if doc.get(name) != wanted[name]]
        if names:
            expected = {name: wanted[name] for name in names}
            found = {name: doc.get(name) for name in names}
            sentence = (
                f"{name_of(event)} is not as its writer writes it: "
                f"{', '.join(f'{name} is {found[name]!r} for {wanted[name]!r}' for name in names)}."
            )
            self.findings.append(entry.finding("changed", expected, found, sentence))

    def _writer(self, entry: Entry, line: Line) -> None:
        event, doc = entry.event, line.doc or {}
        topic = topic_of(event.subject)
        place = 0 if topic == GOVERNANCE_EVENTS else partition_of(event.subject)
        where = (doc.get("source"), line.key, line.topic, line.partition)
        if where == (_SOURCE[event.type], event.subject, topic, place):
            return
        wanted: dict[str, Any] = {"source": _SOURCE[event.type], "key": event.subject}
        wanted |= {"topic": topic, "partition": place}
        found: dict[str, Any] = {"source": doc.get("source"), "key": line.key}
        found |= {"topic": line.topic, "partition": line.partition}
        wrong = [name for name in wanted if wanted[name] != found[name]]
        if wrong:
            entry.ours = False
            name = wrong[0]
            sentence = (
                f"{name_of(event)} has the {name} {found[name]!r}; only {wanted['source']} writes "
                f"it, and with the {name} {wanted[name]!r}."
            )
            self.findings.append(
                entry.finding("foreign_writer", wanted[name], found[name], sentence)
            )

    def _copy(self, entry: Entry) -> None:
        event = entry.event
        first = self.entries.setdefault(event.id, entry)
        if first is entry or same_content(first.event, event):
            return
        expected, found = differences(first.event, event)
        sentence = (
            f"A later copy of {name_of(first.event)} says other things than the first "
            f"at offset {first.offset}: {', '.join(expected)}."
        )
        self.findings.append(entry.finding("divergent_copy", expected, found, sentence))

    def _instant(self, entry: Entry) -> None:
        """A record is written at its `recordedtime`: not before it, and a fact not long after."""
        recorded, latest = entry.event.recordedtime, self._recorded
        if self.time.kind == "wall" and recorded > entry.appended_at + TOLERANCE:
            expected, text = instant_text(entry.appended_at), instant_text(recorded)
            sentence = f"{name_of(entry.event)} was appended before its recordedtime {text}."
            self.findings.append(entry.finding("recordedtime", expected, text, sentence))
            return
        if entry.event.type not in _FACTS:
            return
        if self.time.kind == "log":
            if not self.time.showed(recorded, entry.appended_at):
                text = instant_text(recorded)
                sentence = f"The clock did not show {text} when {name_of(entry.event)} was written."
                self.findings.append(entry.finding("recordedtime", None, text, sentence))
        elif latest is not None and recorded < latest - TOLERANCE:
            text = instant_text(recorded)
            sentence = (
                f"{name_of(entry.event)} says it was recorded at {text}, but facts before it on "
                f"the partition were recorded up to {instant_text(latest)}."
            )
            self.findings.append(
                entry.finding("recordedtime", instant_text(latest), text, sentence)
            )
        if latest is None or recorded > latest:
            self._recorded = recorded


_FACTS: Final = frozenset(name for name, writer in WRITERS.items() if writer == "intake")
