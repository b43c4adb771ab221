"""The acts of one case as they are written down: who works at what pace, and the office hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from infra.simulator import season
from infra.simulator.complaints import Complaint
from shared.calendar import ZONE, Calendar, at_hour, civil

Line = dict[str, Any]
"""A story line (contract 4)."""

_REPORT_WD = 3
"""Working days after which a handler reports again: T08 asks for it within 3 and then every 5."""


@dataclass(frozen=True)
class Habits:
    """How units work: pace of a township (1 = usual), days a task force's reviews take."""

    pace: dict[str, float]
    review_days: dict[str, int]

    @classmethod
    def of(cls, rng: Random, towns: list[str]) -> Habits:
        paces = [0.6, 0.8, 0.9, 1.0, 1.0, 1.0, 1.1, 1.2, 1.5, 2.0]
        return cls(
            pace={town: rng.choice(paces) for town in towns},
            review_days={f"TF{n}": rng.choice((0, 0, 1, 1, 2)) for n in range(1, 8)},
        )


class Script:
    """The acts of one case, in order of time. `now` is the instant of the next act."""

    def __init__(
        self, complaint: Complaint, rng: Random, habits: Habits, calendar: Calendar
    ) -> None:
        self.complaint = complaint
        self.rng = rng
        self.calendar = calendar
        self.pace = habits.pace[complaint.town]
        self.diligence = 0.97 if self.pace < 1.5 else 0.75
        self.review_days = habits.review_days.get(complaint.sector.lead, 0)
        self.now = complaint.at
        self.lines: list[Line] = []
        self.owed: dict[str, int] = {}
        self.last_payment: dict[str, Any] = {}
        self.paid = 0

    # --- time --------------------

    def soon(self) -> Script:
        """To the next hour of office."""
        self.now = season.next_slot(self.now, self.calendar)
        return self

    def days(self, count: int) -> Script:
        """To some hour of the `count`-th working day after; 0: the next hour of office."""
        if count <= 0:
            self.now = season.next_working_slot(self.now, self.calendar)
            return self
        day = self.calendar.after(civil(self.now), count)
        self.now = at_hour(day, self.rng.choice(season.HOURS))
        return self

    def work(self, low: int, high: int) -> Script:
        """Working days of handling, at the pace of the township, quicker before a deadline."""
        pace = self.pace * (0.6 if season.is_rush(civil(self.now)) else 1.0)
        return self.wait(round(self.rng.randint(low, high) * pace))

    def wait(self, count: int) -> Script:
        """So many working days of handling, with the progress reports that T08 asks for."""
        while count > _REPORT_WD:
            self.days(_REPORT_WD).report()
            count -= _REPORT_WD
        return self.days(count)

    def until(self, day: date) -> Script:
        """Report as often up to that day; the caller sets the hour at which it goes on."""
        while self.calendar.after(civil(self.now), _REPORT_WD) < day:
            self.days(_REPORT_WD).report()
        return self

    def report(self) -> Script:
        """A progress report, if the handler does not forget it."""
        if self.rng.random() < self.diligence:
            self.act("ProgressReported", text="已约谈用人单位，正在督促筹款。")
        return self

    # --- acts --------------------

    def act(self, type: str, *, ago: int = 0, **data: Any) -> Script:
        """An act now. `ago`: up to so many minutes earlier it happened in the world."""
        line: Line = {
            "at": text(self.now),
            "case": self.complaint.label,
            "type": type,
            "data": data,
        }
        if ago:
            line["occurred_at"] = text(self.now - timedelta(minutes=self.rng.randint(1, ago)))
        self.lines.append(line)
        return self

    def verify(self, root_cause: str, share: float = 1.0) -> Script:
        claimed = self.complaint.lines
        self.owed = {line.line: int(line.amount_fen * share) // 100 * 100 for line in claimed}
        lines = [
            {"line": line.line, "amount_fen": self.owed[line.line], "months": line.months}
            for line in claimed
        ]
        return self.act("FactsVerified", ago=50, lines=lines, root_cause=root_cause)

    def pay(self, source: str = "OWN", instalment: tuple[int, int] = (1, 1)) -> Script:
        """A payment of what is owed, and its check. `instalment`: which of how many."""
        self.paid += 1
        n, parts = instalment
        lines = [
            {"line": line, "amount_fen": share(owed, n, parts)} for line, owed in self.owed.items()
        ]
        payment: dict[str, Any] = {
            "payment": f"{self.complaint.label}-p{self.paid}",
            "lines": lines,
            "source": source,
        }
        if parts > 1:
            payment["instalment"] = n
        self.last_payment = payment
        if self.rng.random() < 0.6:
            self.act("PaymentRecorded", ago=55, **payment)
        return self.days(0).act("PaymentVerified", **payment)

    def reverse(self) -> Script:
        """The last payment turns out not to have reached the workers."""
        return self.act("PaymentReversed", **self.last_payment)

    def close(self, kind: str = "PAID_IN_FULL") -> Script:
        """Ask for closing and pass both reviews."""
        self.days(self.rng.choice((0, 0, 1))).act("ClosureRequested", kind=kind)
        self.days(self.rng.randint(0, self.review_days)).act("ClosureReviewPassed", stage="tf")
        return self.days(self.rng.choice((0, 0, 1))).act("ClosureReviewPassed", stage="office")

    def follow_up(self, got_paid: str = "Y", satisfaction: str | None = None) -> Script:
        mood = satisfaction or self.rng.choices(("satisfied", "mostly"), (8, 2))[0]
        return self.days(self.rng.choice((0, 1, 1, 2))).act(
            "FollowUpCompleted",
            got_paid=got_paid,
            satisfaction=mood,
            sample=min(self.complaint.heads, 10),
        )

    def tell(self) -> Script:
        """The complainant hears how it ended (条例 10)."""
        return self.act("ComplainantTold", of="ending", channel="phone")

    def finish(self) -> Script:
        """Tell the complainant, reply to the platform and strike the case off."""
        data = self.complaint.data
        self.days(self.rng.choice((0, 0, 1))).tell()
        if self.rng.random() < 0.95:
            self.act("SourceReplied", source=data["source"], source_ref=data["source_ref"])
        return self.act("CaseWrittenOff") if self.rng.random() < 0.95 else self


def decision(complaint: Complaint) -> dict[str, Any]:
    """What the office decides of a case in triage: the unit of its trade, the place of work."""
    lead = complaint.sector.lead
    if lead == "TRIAGE":
        return {"department": complaint.sector.department, "township": complaint.town}
    return {"task_force": lead, "township": complaint.town}


def share(whole: int, n: int, parts: int) -> int:
    """The n-th of so many equal parts in fen; the last takes what does not divide."""
    return whole - whole // parts * (parts - 1) if n == parts else whole // parts


def text(instant: datetime) -> str:
    """RFC 3339 with the city's offset."""
    return instant.astimezone(ZONE).isoformat()
