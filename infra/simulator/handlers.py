"""How officials take up what intake refuses, while the campaign is played.

The script of a case cannot know what the services decide: a case may wait for triage, be merged
into another, or not be closed. So the answer to an act decides what becomes of the next ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, Final

from infra.agenda import Act, Cast
from infra.client import Answer
from infra.simulator import season
from infra.simulator.complaints import Complaint
from infra.simulator.script import decision
from infra.story import Line
from shared.calendar import Calendar, at_hour, civil

_AGAIN = 3
"""How often an act that had to wait is tried again."""

_REPLIED = 0.99
"""Share of the 督办函 that a unit answers."""

_ASK_AGAIN_WD = 3
"""Working days until a closing that was refused is asked for again."""

_CLOSING = frozenset(
    (
        "ClosureReviewPassed",
        "FollowUpAttempted",
        "FollowUpCompleted",
        "FollowUpWaived",
        "ComplainantTold",
        "CaseWrittenOff",
    )
)


_ASKS: Final[Sequence[tuple[str, dict[str, object]]]] = (
    ("ProgressReported", {"text": "本案已付清，正在督促付清同组其他工人。"}),
    ("ClosureRequested", {"kind": "PAID_IN_FULL"}),
    ("ClosureReviewPassed", {"stage": "tf"}),
)
_CLOSES: Final[Sequence[tuple[str, dict[str, object]]]] = (
    ("ClosureReviewPassed", {"stage": "office"}),
    ("FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"}),
    ("ComplainantTold", {"of": "ending", "channel": "phone"}),
    ("CaseWrittenOff", {}),
)


class Handlers:
    """Reacts to answers; counts them. `wanted` says whether an act is still worth posting."""

    def __init__(self, cast: Cast, complaints: Iterable[Complaint], calendar: Calendar) -> None:
        self.cast = cast
        self.calendar = calendar
        self.known = {complaint.label: complaint for complaint in complaints}
        self.posted = 0
        self.complaints = 0
        self.duplicates = 0
        self.dropped = 0
        self.refusals: Counter[tuple[int, str, str]] = Counter()
        self._ended: set[str] = set()
        self._in_triage: set[str] = set()
        self._asked_again: set[str] = set()
        self._facts: dict[str, dict[str, Any]] = {}
        self._verified_again: set[str] = set()
        self._tries: Counter[tuple[str, str]] = Counter()
        self._labels = {case_id: label for label, case_id in cast.case_ids.items()}
        self._read: set[str] = set()

    def wanted(self, act: Act) -> bool:
        """False for what would come after the end of its case, or is asked for again later."""
        line = act.line
        overtaken = line.number and line.case in self._asked_again and line.type in _CLOSING
        if line.case in self._ended or overtaken:
            self.dropped += 1
            return False
        return True

    async def react(self, act: Act, answer: Answer) -> Sequence[Act]:
        """What is to be done next because of an answer."""
        self.posted += 1
        line = act.line
        if answer.accepted:
            if line.type == "ComplaintReceived":
                self.complaints += answer.code != "duplicate"
                self.duplicates += answer.code == "duplicate"
            self._in_triage.discard(line.case) if line.type == "TriageDecided" else None
            if line.type == "FactsVerified":
                self._facts[line.case] = line.data
            reviewed = line.type == "ClosureReviewPassed" and line.data.get("stage") == "tf"
            again = reviewed and line.case in self._asked_again
            return self._in_turn(line, line.at, _CLOSES) if again else ()
        self.refusals[answer.status, answer.code, line.type] += 1
        if answer.code == "MERGED":
            self._ended.add(line.case)
            return ()
        if answer.status == 409 and answer.detail.endswith("state TRIAGE"):
            return self._triage(line)
        if line.type == "ClosureReviewPassed" and answer.detail.endswith("state HANDLING"):
            # It was refused: a leading case waits until the whole group is paid (I-01).
            day = self.calendar.after(civil(line.at), _ASK_AGAIN_WD)
            steps = [*self._looks_again(line.case), *_ASKS]
            self._asked_again.add(line.case)
            return self._in_turn(line, at_hour(day, 9), steps)
        return ()

    def _looks_again(self, case: str) -> list[tuple[str, dict[str, object]]]:
        """Refused twice: somebody may have claimed again and more; the facts are verified anew."""
        facts = self._facts.get(case)
        if case not in self._asked_again or case in self._verified_again or facts is None:
            return []
        self._verified_again.add(case)
        return [("FactsVerified", facts)]

    def _in_turn(
        self, line: Line, at: datetime, steps: Sequence[tuple[str, dict[str, object]]]
    ) -> list[Act]:
        """These acts one after the other in office hours, up to the campaign's end."""
        acts = []
        for name, data in steps:
            at = season.next_working_slot(at, self.calendar)
            if at <= season.END:
                acts.append(self._act(line, at, name, data))
        return acts

    def _triage(self, line: Line) -> list[Act]:
        """The case waits for the office: it decides within the day, and the act is tried again."""
        complaint = self.known.get(line.case)
        self._tries[line.case, line.type] += 1
        if complaint is None or self._tries[line.case, line.type] > _AGAIN:
            return []
        acts = []
        soon = season.next_working_slot(line.at, self.calendar)
        if line.case not in self._in_triage:
            self._in_triage.add(line.case)
            acts.append(self._act(line, soon, "TriageDecided", decision(complaint)))
        later = season.next_working_slot(soon, self.calendar)
        return [*acts, self._act(line, later, line.type, line.data)]

    def _act(self, line: Line, at: datetime, type: str, data: dict[str, object]) -> Act:
        return self.cast.act(
            replace(line, number=0, at=at, occurred_at=at, type=type, data=data, by=None)
        )

    def replies(self, cases: Iterable[Mapping[str, Any]], now: datetime) -> list[Act]:
        """Answers to the 督办函 that stand open on these cases, as reporting shows them."""
        acts = []
        for case in cases:
            label = self._labels.get(case["case_id"])
            for notice in case["notices"]:
                number = notice["notice_no"]
                if label is None or notice["replied_at"] is not None or number in self._read:
                    continue
                self._read.add(number)
                if Random(number).random() < _REPLIED:
                    data = {"notice_no": number, "text": "已明确专人负责，限期解决。"}
                    line = Line(0, now, label, "SupervisionNoticeReplied", data, now)
                    acts.append(self.cast.act(line))
        return acts

    def summary(self) -> list[str]:
        """What was posted, and each kind of refusal with its number."""
        lines = [
            f"{self.posted} acts posted: {self.complaints} complaints, "
            f"{self.duplicates} sent again, "
            f"{sum(self.refusals.values())} refused; {self.dropped} not posted "
            "(case had ended or closes later)"
        ]
        return lines + [
            f"  {count:>5} × {status} {code} on {type}"
            for (status, code, type), count in self.refusals.most_common()
        ]
