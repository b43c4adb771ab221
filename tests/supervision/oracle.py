"""A slow second opinion on the working-day clocks: walks the calendar day by day.

Shares with the product only the types of events. All instants are at UTC+8; one case of the
CITY tier with one claim line of 1,000 fen, assigned under the book of 2021-22. Its figures are
written out here, as domain.md 4.1 and 4.2 give them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from shared import events as ev
from shared.events import AnyData

DAY = timedelta(days=1)
HERE = timezone(timedelta(hours=8))
CLAIM = 1_000
REST = {
    *(date(2022, 1, day) for day in (1, 2, 3, 31)),
    *(date(2022, 2, day) for day in range(1, 7)),
    *(date(2022, 4, day) for day in (3, 4, 5, 30)),
    *(date(2022, 5, day) for day in range(1, 5)),
    date(2022, 6, 3),
    date(2022, 9, 12),
    *(date(2022, 10, day) for day in range(1, 8)),
}
WORKED = {
    date(2022, 1, 29),
    date(2022, 1, 30),
    date(2022, 4, 2),
    date(2022, 4, 24),
    date(2022, 5, 7),
    date(2022, 10, 8),
    date(2022, 10, 9),
}
PHASES = (
    (date(2021, 11, 10), date(2021, 12, 31), 10),
    (date(2022, 1, 1), date(2022, 2, 6), 7),
    (date(2022, 2, 7), date(2022, 3, 31), 7),
    (date(2022, 4, 1), date(2022, 4, 30), 10),
)


def works(day: date) -> bool:
    return day in WORKED or (day.weekday() < 5 and day not in REST)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=HERE)


CAPS = (
    (midnight(date(2022, 1, 28)), midnight(date(2022, 2, 1))),
    (midnight(date(2022, 3, 29)), midnight(date(2022, 4, 1))),
)


def after(start: datetime, days: int) -> datetime:
    """24:00 of the `days`-th working day after the day of `start`."""
    day = start.date()
    while days:
        day += DAY
        days -= works(day)
    return midnight(day + DAY)


def later(due: datetime, days: int) -> datetime:
    """A due moved by working days; 24:00 is of the day that ends."""
    return after(due - timedelta(microseconds=1), days)


def counted(begin: datetime, end: datetime) -> int:
    """Working days wholly in [begin, end)."""
    day, days = begin.date(), 0
    while midnight(day + DAY) <= end:
        days += works(day) and midnight(day) >= begin
        day += DAY
    return days


def started(happened: datetime, recorded: datetime) -> datetime:
    """An internal clock runs from its recording if that came more than a working day later."""
    return recorded if recorded >= after(happened, 1) else happened


@dataclass
class Oracle:
    """The case as the papers have it: a state, the clocks that run, and the dues ever set."""

    received: datetime
    state: str = "NEW"
    urgent: bool = False
    running: dict[str, datetime] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)
    dues: dict[str, list[datetime]] = field(default_factory=dict)
    overdue: dict[str, list[datetime]] = field(default_factory=dict)
    raw: datetime | None = None
    limit: datetime | None = None
    granted: datetime | None = None
    extensions: int = 0
    asked: datetime | None = None
    refused: list[str] = field(default_factory=list)
    suspended: datetime | None = None
    paid: dict[str, int] = field(default_factory=dict)
    last_paid: datetime | None = None
    reversed: set[str] = field(default_factory=set)
    window: datetime | None = None
    written_off: bool = False
    closings: int = 0
    reopenings: int = 0

    # --- time -----------------------------------------------------------------------------------

    def advance(self, to: datetime) -> None:
        """Dues that pass by `to`, in order: what is then unsigned, lapsed or overdue."""
        while True:
            passed = [(due, timer) for timer, due in self.running.items() if due <= to]
            passed = [
                (due, timer) for due, timer in passed if due not in self.overdue.get(timer, [])
            ]
            if not passed:
                return
            due, timer = min(passed)
            self.overdue.setdefault(timer, []).append(due)
            if timer == "T05":
                self.stop("T05")
                if self.state == "ASSIGNED":
                    self.state = "HANDLING"
            if timer == "T17":
                self.resume(due, due)

    def set(self, timer: str, start: datetime, due: datetime) -> None:
        self.begun[timer], self.running[timer] = start, due
        self.dues.setdefault(timer, []).append(due)
        self.overdue.pop(timer, None)

    def run(self, timer: str, days: int, happened: datetime, recorded: datetime) -> None:
        start = started(happened, recorded)
        self.set(timer, start, after(start, days))

    def stop(self, *timers: str) -> None:
        for timer in timers:
            self.running.pop(timer, None)

    # --- handling (T09) and doing it again (T18) ------------------------------------------------

    def cap(self) -> datetime | None:
        return next((cap for before, cap in CAPS if self.received < before), None)

    def handle(self, at: datetime) -> None:
        days = next((n for first, last, n in PHASES if first <= at.date() <= last), 10)
        due = after(at, min(days, 5) if self.urgent else days)
        if self.limit is not None:
            due = min(due, later(self.limit, 3))
        self.raw, self.granted = due, None
        self.set("T09", at, self.capped())

    def capped(self) -> datetime:
        assert self.raw is not None
        cap = self.cap()
        if cap is None:
            return self.raw
        return min(self.raw, max(cap, self.granted or cap))

    def resume(self, happened: datetime, recorded: datetime) -> None:
        begin, self.suspended = self.suspended, None
        self.stop("T17")
        if self.state == "SUSPENDED":
            self.state = "HANDLING"
        due = self.running.get("T09")
        if begin is None or due is None or due <= begin:
            return
        assert self.raw is not None
        days = counted(begin, happened)
        if days:
            self.raw = later(self.raw, days)
        self.set("T09", self.begun["T09"], self.capped())

    def redo(self, happened: datetime, recorded: datetime) -> None:
        start = started(happened, recorded)
        cap, due = self.cap(), after(start, 3)
        self.set("T18", start, due if cap is None or cap <= start else min(due, cap))

    def extend(self, to: datetime, happened: datetime, approver: str | None) -> str | None:
        due = self.running.get("T09")
        if due is None or happened >= due:
            return "AFTER_DUE"
        if self.extensions == 2:
            return "THIRD"
        cap = self.cap()
        if cap is not None and to > cap:
            return None if approver in (None, "convener") else "BEYOND_CAP"
        if to > later(due, 5) and approver != "convener":
            return "TOO_LONG"
        return "THIRD" if approver == "office" and self.extensions == 1 else None

    # --- acts -----------------------------------------------------------------------------------

    def full(self) -> bool:
        return sum(self.paid.values()) >= CLAIM

    def act(self, data: AnyData, happened: datetime, recorded: datetime) -> None:
        """An act is recorded; the clock was advanced to it before."""
        match data:
            case ev.ComplaintAccepted():
                self.urgent, self.state = bool(data.urgent), "ACCEPTED"
            case ev.CaseAssigned() | ev.CaseReassigned():
                self._assigned(recorded)
            case ev.AssignmentSigned():
                self.state = "HANDLING"
                self.stop("T05")
            case ev.ReturnRequested():
                self.state = "RETURN_REVIEW"
                self.stop("T05")
            case ev.ReturnNotApproved():
                self.state = "HANDLING"
            case ev.ReturnApproved():
                self.state = "RETURNED"
                self.stop("T05", "T08")
            case ev.ProgressReported():
                if "T08" not in self.running or happened >= self.begun["T08"]:
                    self.run("T08", 5, happened, recorded)
            case ev.ExtensionRequested() | ev.ExtensionApproved():
                self._extension(data, happened, recorded)
            case ev.CaseSuspended():
                self.state, self.suspended = "SUSPENDED", happened
                self.run("T17", 15, happened, recorded)
            case ev.CaseResumed():
                self.resume(happened, recorded)
            case ev.ComplaintMerged():
                self.state = "MERGED"
                self.running.clear()
            case ev.PaymentVerified() | ev.PaymentReversed():
                self._money(data, happened, recorded)
            case _:
                self._closing(data, happened, recorded)

    def _assigned(self, at: datetime) -> None:
        self.limit = self.limit or next(reversed(self.dues.get("T09", [])), None)
        self.state = "ASSIGNED"
        self.set("T05", at, after(at, 1))
        self.set("T08", at, after(at, 3))
        self.handle(at)

    def _extension(
        self, data: ev.ExtensionRequested | ev.ExtensionApproved, happened: datetime, now: datetime
    ) -> None:
        to = data.to.astimezone(HERE)
        approver = data.approver if isinstance(data, ev.ExtensionApproved) else None
        if approver is not None and self.asked == to:
            self.asked = None
            return
        code = self.extend(to, happened, approver)
        self.asked = None
        if code is not None:
            self.refused.append(code)
            self.asked = to if approver is None else None
        elif approver is not None:
            self.extensions += 1
            self.raw = self.granted = to
            self.set("T09", self.begun["T09"], to)

    def _money(
        self, data: ev.PaymentVerified | ev.PaymentReversed, happened: datetime, recorded: datetime
    ) -> None:
        if isinstance(data, ev.PaymentReversed):
            self.paid.pop(data.payment, None)
            self.reversed.add(data.payment)
        else:
            self.paid[data.payment] = data.lines[0].amount_fen
            self.last_paid = max(happened, self.last_paid or happened)
        if self.state == "CLOSED" and not self.full():
            self._reopen(happened, recorded)

    def _reopen(self, happened: datetime, recorded: datetime) -> None:
        if self.written_off and self.window is not None and happened >= self.window:
            return
        self.state, self.written_off = "HANDLING", False
        self.reopenings += 1
        self.stop("T14", "T15")
        self.redo(recorded, recorded)

    def _closing(self, data: AnyData, happened: datetime, recorded: datetime) -> None:
        match data:
            case ev.ClosureRequested():
                if self.full():
                    self.state = "REVIEW_TF"
                    self.stop("T08", "T09", "T18")
                    self.run("T12", 1, happened, recorded)
            case ev.ClosureReviewPassed(stage="tf"):
                self.state = "REVIEW_OFFICE"
                self.run("T12", 1, happened, recorded)
            case ev.ClosureReviewPassed():
                self.state = "FOLLOW_UP"
                self.stop("T12")
                self.run("T13", 2, happened, recorded)
            case ev.ClosureReturned():
                self.state = "HANDLING"
                self.stop("T12", "T13")
                self.redo(happened, recorded)
            case ev.FollowUpCompleted():
                self._followed_up(data, happened, recorded)
            case ev.CaseWrittenOff():
                self.written_off = True
                self.stop("T14")
            case ev.FalseClosureFound() if self.state == "CLOSED":
                self._reopen(happened, recorded)
            case _:
                pass

    def _followed_up(
        self, data: ev.FollowUpCompleted, happened: datetime, recorded: datetime
    ) -> None:
        if data.got_paid != "Y" or not self.full():
            self.state = "HANDLING"
            self.stop("T13")
            self.redo(happened, recorded)
        elif self.last_paid is not None and happened < self.last_paid:
            return
        elif data.satisfaction == "unsatisfied":
            self.run("T13", 2, happened, recorded)
        else:
            self.state = "CLOSED"
            self.closings += 1
            self.running.clear()
            self.set("T14", recorded, after(recorded, 1))
            self.window = midnight(recorded.date() + 31 * DAY)
            self.set("T15", recorded, self.window)
