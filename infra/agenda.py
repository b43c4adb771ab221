"""What a player still has to do: acts by instant, and which of them may go side by side."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from infra.story import CASE_FIELDS, Line, complaints, renamed
from shared.envelope import case_id_of, derived_id
from shared.streams import CITY, kind_of


@dataclass(frozen=True)
class Act:
    """A story line as it will be posted. `line.number` is 0 for what was added since.

    `subject`: case id, `unit:…` or `city`. `keys`: what it touches (its case; of a complaint also
    its workers, employer and project): two acts that share one are never posted side by side.
    """

    line: Line
    subject: str
    keys: frozenset[str] = field(compare=False)


class Cast:
    """What the labels of a story name, and what each case may have in common with another."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.case_ids: dict[str, str] = {}
        self._keys: dict[str, frozenset[str]] = {}
        for line in complaints(list(lines)):
            source, ref = str(line.data.get("source")), str(line.data.get("source_ref"))
            case_id = case_id_of(source.strip(), ref.strip())
            self.case_ids[line.case] = case_id
            self._keys[line.case] = frozenset(_touched(line.data))

    def act(self, line: Line) -> Act:
        """The line as an act; an unknown label is a case that nobody has heard of."""
        subject = line.case
        if subject != CITY and kind_of(subject) != "unit":
            subject = self.case_ids.get(line.case) or derived_id("story", line.case)
        received = line.type == "ComplaintReceived"
        shared = self._keys.get(line.case, frozenset()) if received else frozenset()
        return Act(line, subject, shared | {subject})

    def named(self, value: Any) -> Any:
        """`data` with labels, where a case is named, replaced by case ids."""
        return renamed(value, self.case_ids, CASE_FIELDS)


def _touched(data: dict[str, Any]) -> Iterator[str]:
    """What a complaint may share with another: workers, employer, project."""
    claims = data.get("claims")
    for claim in claims if isinstance(claims, list) else ():
        worker = claim.get("worker") if isinstance(claim, dict) else None
        if isinstance(worker, dict) and worker.get("id_no"):
            yield f"worker {worker['id_no']}"
    for name in ("employer", "project"):
        part = data.get(name)
        if isinstance(part, dict):
            yield from (f"{name} {part[key]}" for key in ("name", "uscc") if part.get(key))


DECISIVE: Final = frozenset(
    (
        *("ComplaintReceived", "SupplementReceived", "ComplaintAccepted", "TriageDecided"),
        *("ReturnRequested", "ReturnApproved", "HandlerDesignated", "MergeApproved"),
        *("MergeRevoked", "ExtensionRequested", "PaymentOrderServed", "ReferralDelivered"),
        *("ClosureRequested", "ClosureReviewPassed", "FollowUpCompleted", "FollowUpWaived"),
        *("PaymentReversed", "FalseClosureFound"),
    )
)
"""Facts that a rule answers in a way on which the next act of the case may depend."""

Chain = list[Act]
"""Acts of one subject, posted one after the other."""


class Agenda:
    """Acts still to be done, by instant, then in the order in which they were put down.

    `brisk`: acts of a case between which nothing is decided follow each other without waiting.
    What is decided in the end is the same: batches do not matter (design 4).
    """

    def __init__(self, acts: Iterable[Act], *, brisk: bool = False) -> None:
        self._heap = [(act.line.at, number, act) for number, act in enumerate(acts)]
        self._count = len(self._heap)
        self.brisk = brisk
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def put(self, act: Act) -> None:
        heapq.heappush(self._heap, (act.line.at, self._count, act))
        self._count += 1

    def take(self, now: datetime) -> list[list[Chain]]:
        """The acts of `now`, as rounds: one round's chains touch nothing in common, and of two
        acts that do the earlier line is in an earlier round (or before it in the chain)."""
        rounds: list[list[Chain]] = []
        last: dict[str, int] = {}
        chains: dict[str, Chain] = {}
        while self._heap and self._heap[0][0] <= now:
            act = heapq.heappop(self._heap)[2]
            chain = chains.get(act.subject)
            if self.brisk and chain and chain[-1].line.type not in DECISIVE:
                chain.append(act)
                continue
            place = max((last[key] + 1 for key in act.keys if key in last), default=0)
            last |= dict.fromkeys(act.keys, place)
            if place == len(rounds):
                rounds.append([])
            chains[act.subject] = [act]
            rounds[place].append(chains[act.subject])
        return rounds
