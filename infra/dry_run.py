"""`qingqian dry-run`: a story through the real deciders in continuous time, without a stack.

Intake's judge decides what is recorded, routing and supervision decide through the one engine;
nothing here knows a rule.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from infra.problem import Unready
from infra.story import (
    CASE_FIELDS,
    LINE_FIELDS,
    Line,
    author,
    complaints,
    decided_line,
    decided_order,
    end_of,
    given_decisions,
    local,
    read_story,
    renamed,
)
from infra.world import World
from services.intake.complaint import Refused as BadComplaint
from services.intake.complaint import admit, check, problems_of, read_object
from services.intake.decider import Act, CaseFile, Refusal, decide, evolve, initial
from services.intake.facts import refuse_absurd_sums
from services.intake.personal import refuse_numbers_of_persons
from shared.envelope import case_id_of, derived_id
from shared.events import TYPES, AnyData, Decision, Event, MergeApproved
from shared.keys import key_of
from shared.policy import Policy, PolicyError, adopt, read_book
from shared.roles import By, default_by
from shared.sealing import KEY_BYTES, Matcher, Sealer
from shared.settle import Books
from shared.streams import kind_of


def run(*, story: Path, until: str | None = None, policy: str | None = None) -> int:
    """Print every decision as a story line, in time order. 1 if a line was refused."""
    lines = read_story(story)
    end = end_of(lines, until)
    try:
        book = adopt(read_book(policy or "dengfeng-2021-35"), lines[0].at, "dry-run")
    except PolicyError as error:
        raise Unready(str(error)) from None
    dry = DryRun(lines, book)
    dry.play(end)
    for out in dry.output():
        sys.stdout.buffer.write(orjson.dumps(out) + b"\n")
    if dry.refused:
        print(
            f"{len(dry.refused)} of {len(lines)} lines were refused: see `Refused`", file=sys.stderr
        )
    return 1 if dry.refused else 0


_CASE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
"""In a refusal's words too, a case has the name that the story gives it (contract 4)."""


class DryRun:
    """One story, run from its first line to an end. `units`: whether units and city are watched."""

    def __init__(self, lines: list[Line], policy: Policy, *, units: bool = True) -> None:
        self.lines = lines
        self.policy = policy
        self._units = units
        self._refused: list[tuple[datetime, dict[str, Any]]] = []
        self._ids = _case_ids(lines)
        self._labels = {case_id: label for label, case_id in reversed(self._ids.items())}
        given = {self._subject(k): v for k, v in given_decisions(lines).items()}
        self._files: dict[str, CaseFile] = {}
        self._bodies: dict[str, bytes] = {}
        self._sources: dict[str, str] = {}
        self._line_ids: dict[str, str] = {}
        self._matcher = Matcher(os.urandom(KEY_BYTES))
        self._story: set[str] = set()
        self.world = World(
            Books([policy]),
            given=(lambda subject: given.get(subject, frozenset())) if given else None,
            watch=self._watch,
        )

    def play(self, end: datetime) -> None:
        """Clock steps first, then the lines of an instant in file order, up to `end` inclusive."""
        if self._units:
            self.world.begin_units(self.lines[0].at)
        for line in self.lines:
            if line.at > end:
                break
            self.world.run_until(line.at)
            self._record(line)
        self.world.run_until(end)

    @property
    def refused(self) -> list[dict[str, Any]]:
        """The lines that intake would refuse, as they are printed."""
        return [out for _, out in self._refused]

    def output(self) -> list[dict[str, Any]]:
        """Decisions and refusals as story lines, in the order of contract 4."""
        decided = [
            event
            for event in self.world.log
            if isinstance(event.data, Decision)
            and event.id not in self._story
            and kind_of(event.subject) not in ("match", "group")
        ]
        printed = [
            (decided_order(event, self._labels), decided_line(event, self._labels))
            for event in decided
        ]
        printed += [((at, out["case"], 9, "", "", "", "", ""), out) for at, out in self._refused]
        return [out for _, out in sorted(printed, key=lambda pair: pair[0])]

    # --- recording ------------------------------------------------------------------------------

    def _record(self, line: Line) -> None:
        try:
            event = self._event(line)
        except BadComplaint as error:
            self._refuse(line, 422, "MALFORMED", str(error))
            return
        except ValidationError as error:
            first = problems_of(error, "/data")[0]
            self._refuse(line, 422, "MALFORMED", f"{first.pointer}: {first.detail}")
            return
        if event is not None:
            self._line_ids[str(line.number)] = event.id
            self.world.append(event)

    def _event(self, line: Line) -> Event | None:
        """The event of a line; None if it was refused or says nothing new."""
        subject = self._subject(line.case)
        model = TYPES.get(line.type)
        if model is None:
            self._refuse(line, 422, "MALFORMED", f"no event type {line.type}")
            return None
        if line.is_decision:
            return self._given_decision(line, subject, model)
        file = self._files.get(subject) or initial(subject)
        time = line.occurred_at
        data: AnyData
        if line.type == "ComplaintReceived":
            complaint = read_object(line.data)
            if not self._may_post(line, complaint.source):
                reason = "who posts it may not post this source"
                self._refuse(line, 403, "NOT_YOUR_SOURCE", reason)
                return None
            known = self._bodies.get(subject)
            body = orjson.dumps(line.data, option=orjson.OPT_SORT_KEYS)
            if known is not None:
                if known != body:
                    self._refuse(line, 409, "CONFLICT", "same source_ref, other content")
                return None
            check(complaint, line.at, self.policy)
            data = admit(complaint, subject, self._sealer(subject), self.policy)
            self._bodies[subject] = body
            self._sources[subject] = complaint.source
            time = complaint.received_at
        else:
            plain = self._with_ids(line.data)
            sealed = self._sealer(subject).seal_fields(model, plain, str(line.number))
            data = model.model_validate(sealed)
            refuse_numbers_of_persons(sealed)
            refuse_absurd_sums(data)
        by = author(line, default_by(line.type, file, data), file)
        if line.type == "SupplementReceived" and not self._may_add(by, file):
            reason = "who adds to it may not post the source of this case"
            self._refuse(line, 403, "NOT_YOUR_SOURCE", reason)
            return None
        master = self._files.get(data.master) if isinstance(data, MergeApproved) else None
        verdict = decide(Act(line.type, data, time, by), file, line.at, self.policy, master)
        if isinstance(verdict, Refusal):
            self._refuse(line, verdict.status, verdict.code, verdict.reason)
            return None
        person = self._matcher.person(by.person)
        return Event(
            id=derived_id("story", subject, str(line.number)),
            subject=subject,
            time=time,
            recordedtime=line.at,
            data=verdict,
            actor=f"{by.unit}/{by.role}/{person}",
        )

    def _may_post(self, line: Line, source: str) -> bool:
        """Contract 2: a key posts only its own source; what a line does not name is its source."""
        default = By(source, "platform")
        by = author(line, default, initial(line.case))
        if (by.unit, by.role) == (default.unit, default.role):
            return True
        key = key_of(self.policy, by)
        return key is not None and key.may_post(source)

    def _may_add(self, by: By, file: CaseFile) -> bool:
        """The same of a platform's supplement: it adds to what it has brought itself."""
        if by.role != "platform":
            return True
        cases = (file.subject, *file.receipts)
        brought = [self._sources[case] for case in cases if case in self._sources]
        key = key_of(self.policy, by)
        return not brought or (key is not None and any(map(key.may_post, brought)))

    def _given_decision(self, line: Line, subject: str, model: type[AnyData]) -> Event:
        """A decision that the story gives stands as if another writer had made it."""
        fields = self._with_ids(line.data)
        fields.setdefault("cause", derived_id("story", subject, str(line.number), "cause"))
        if line.type == "DeadlineSet":
            fields.setdefault("started_at", line.occurred_at)
        if line.type in ("GroupFormed", "GroupLevelChanged"):
            fields = {"group": "group:story", "members": (subject,), "master": subject} | fields
        if line.type in ("CaseAssigned", "CaseReassigned"):
            fields = {
                "task_force": None,
                "department": None,
                "rule": "GIVEN",
                "township_from": {"text": None, "rule": "given"},
            } | fields
            if line.type == "CaseReassigned":
                fields.setdefault("from", {})
        event = Event(
            id=derived_id("story", subject, str(line.number)),
            subject=subject,
            time=line.occurred_at,
            recordedtime=line.at,
            data=model.model_validate(fields),
            actor="-/story/-",
            decidedby="story",
        )
        self._story.add(event.id)
        return event

    def _refuse(self, line: Line, status: int, code: str, reason: str) -> None:
        reason = _CASE_ID.sub(lambda found: self._labels.get(found[0], found[0]), reason)
        data = {"line": line.number, "status": status, "code": code, "reason": reason}
        out = {"at": local(line.at), "case": line.case, "type": "Refused", "data": data}
        self._refused.append((line.at, out))

    def _watch(self, event: Event) -> None:
        file = self._files.get(event.subject) or initial(event.subject)
        self._files[event.subject] = evolve(file, event)

    # --- names ----------------------------------------------------------------------------------

    def _subject(self, case: str) -> str:
        if kind_of(case) in ("unit", "city"):
            return case
        return self._ids.get(case) or derived_id("story", case)

    def _sealer(self, subject: str) -> Sealer:
        return Sealer(subject, os.urandom(KEY_BYTES), self._matcher)

    def _with_ids(self, data: dict[str, Any]) -> dict[str, Any]:
        """Labels become case ids, and an `incident` or `visit` the id of the line it names."""
        named: dict[str, Any] = renamed(data, self._ids, CASE_FIELDS)
        named = renamed(named, self._line_ids, LINE_FIELDS)
        return named


def _case_ids(lines: list[Line]) -> dict[str, str]:
    """Label to case id, from the label's first complaint."""
    found: dict[str, str] = {}
    for line in complaints(lines):
        source, ref = line.data.get("source"), line.data.get("source_ref")
        if isinstance(source, str) and isinstance(ref, str):
            found[line.case] = case_id_of(source.strip(), ref.strip())
    return found
