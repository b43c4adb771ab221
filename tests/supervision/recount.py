"""A slow second opinion on a whole case: it lives through every instant and walks the calendar.

Shares with the product only the types of events. Figures stand here as domain.md 4.1-4.3 give
them. One case with one claim of 1,000 fen; all instants at UTC+8. `Days` may change while the
case runs (a newer book): every open deadline is then counted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from shared import events as ev
from shared.events import AnyData
from tests.supervision.oracle import PHASES, REST, WORKED

DAY = timedelta(days=1)
HERE = timezone(timedelta(hours=8))
CLAIM = 1_000
NATIONAL = ("NAT", "PROV", "ZZ")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=HERE)


def last_day(due: datetime) -> date:
    """24:00 is of the day that ends."""
    return (due - timedelta(microseconds=1)).date()


@dataclass(frozen=True)
class Days:
    """Which days are worked, walked one by one."""

    more_rest: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        if day in self.more_rest:
            return False
        return day in WORKED or (day.weekday() < 5 and day not in REST)

    def after(self, day: date, count: int) -> datetime:
        """24:00 of the count-th working day after `day`."""
        while count:
            day += DAY
            count -= self.works(day)
        return midnight(day + DAY)

    def morning(self, due: datetime, before: int) -> datetime:
        """09:00 of the working day so many before the due day, or of the due day itself."""
        day = last_day(due)
        while before:
            day -= DAY
            before -= self.works(day)
        return midnight(day) + timedelta(hours=9)

    def wholly_in(self, begin: datetime, end: datetime) -> int:
        day, count = begin.date(), 0
        while midnight(day + DAY) <= end:
            count += self.works(day) and midnight(day) >= begin
            day += DAY
        return count


Recipe = Callable[[Days], datetime]
Step = tuple[datetime, str]


@dataclass
class Ticking:
    """A running clock: where it counts from, when that was known, how its due is counted."""

    start: datetime
    known: datetime
    recipe: Recipe
    due: datetime
    reached: str = ""
    floor: datetime | None = None
    jump: Step | None = None
    lane: str = ""


LADDERS: dict[str, str] = {
    "T05": "own short",
    "T06|window": "none",
    "T06": "short",
    "T07": "hours",
    "T08": "four",
    "T09": "full",
    "T10": "four",
    "T12": "short",
    "T13": "short",
    "T14": "short",
    "T15": "none",
    "T17": "own",
    "T18": "full",
    "A2": "date",
    "A5": "date",
    "A7": "date",
}
DATES = {
    "A2": (date(2021, 12, 29), date(2022, 1, 1), date(2021, 12, 28)),
    "A5": (date(2022, 1, 28), date(2022, 2, 1), date(2022, 1, 27)),
    "A7": (date(2022, 3, 29), date(2022, 4, 1), date(2022, 3, 26)),
}
"""Of each campaign date: received before, missed from, back-scheduled target."""


def ladder_of(key: str) -> str:
    return LADDERS.get(key) or LADDERS[key.split("|")[0]]


@dataclass
class Recount:
    """The case as the papers have it. `dues`, `alerts`: everything ever set or raised, by key."""

    received: datetime
    tier: str
    urgent: bool
    days: Days = Days()
    state: str = "NEW"
    clocks: dict[str, Ticking] = field(default_factory=dict)
    dues: dict[str, list[datetime]] = field(default_factory=dict)
    moved: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    alerts: dict[str, list[Step]] = field(default_factory=dict)
    fired: dict[tuple[str, datetime], str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    limit: datetime | None = None
    on_its_own_since: int = 0
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    granted: datetime | None = None
    extensions: int = 0
    asked: datetime | None = None
    suspended: datetime | None = None
    assigned: datetime | None = None
    owed: dict[str, int] = field(default_factory=lambda: {"1": CLAIM})
    asking: dict[str, int] = field(default_factory=dict)
    paid: dict[str, tuple[str, int]] = field(default_factory=dict)
    last_paid: datetime | None = None
    date_missed: bool = False
    written_off: bool = False
    window: datetime | None = None
    closings: list[datetime] = field(default_factory=list)
    reopenings: list[str] = field(default_factory=list)
    replies_owed: int = 0
    sources: dict[str, bool] = field(default_factory=dict)
    came: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    # --- time -----------------------------------------------------------------------------------

    def advance(self, to: datetime) -> None:
        """Everything that the clock brings up to `to`, inclusive, instant by instant."""
        while True:
            coming = [(at, key, what) for key, at, what in self._coming() if at <= to]
            if not coming:
                return
            now = min(at for at, _, _ in coming)
            for at, key, what in coming:
                if at == now and key in self.clocks:
                    self._happens(key, at, what)

    def _coming(self) -> Iterator[tuple[str, datetime, str]]:
        for key, clock in self.clocks.items():
            own = None
            if ladder_of(key).startswith("own"):
                own = clock.due if clock.due >= clock.known else self._next_end(clock.known)
                yield key, own, "own"
            step = self._next_alert(key, clock)
            if step is not None and (own is None or step[0] < own):
                yield key, step[0], step[1]

    def _happens(self, key: str, at: datetime, what: str) -> None:
        if what != "own":
            clock = self.clocks[key]
            self.alerts.setdefault(key, []).append((at, what))
            clock.reached = max(clock.reached, what)
            self.fired[key, clock.due] = max(self.fired.get((key, clock.due), ""), what)
            if clock.jump is not None:
                clock.lane, clock.jump = what, None
            self.date_missed = self.date_missed or (key.startswith("A") and what == "L7")
        elif key == "T05":
            self.stop("T05")
            self.state = "HANDLING" if self.state == "ASSIGNED" else self.state
        else:
            self.resume(at, at)

    def _next_alert(self, key: str, clock: Ticking) -> Step | None:
        if clock.jump is not None:
            return clock.jump
        if key == "T09" and self.suspended is not None and self.suspended < clock.due:
            return None
        every = list(self._steps(key, clock))
        floor = clock.floor or clock.known
        owed = [
            (max(at, floor), lv) for at, lv in every if at >= clock.known and lv > clock.reached
        ]
        missed = max((lv for at, lv in every if at < clock.known), default="")
        if missed > clock.reached:
            at = self._next_end(clock.known)
            if missed > max((lv for when, lv in owed if when <= at), default=""):
                owed.append((max(at, floor), missed))
        return min(owed, default=None)

    def _next_end(self, instant: datetime) -> datetime:
        return self.days.after(instant.date(), 1)

    def _steps(self, key: str, clock: Ticking) -> Iterator[Step]:
        ladder, due, days = ladder_of(key), clock.due, self.days
        if ladder in ("full", "four", "own"):
            first = days.morning(due, 2)
            if key == "T09":
                first = self._first(clock, first)
            yield first, "L1"
        if ladder in ("short", "own short"):
            yield days.morning(due, 0), "L1"
        if ladder == "hours":
            yield clock.start + (due - clock.start) / 2, "L1"
        if ladder in ("full", "four"):
            yield days.morning(due, 0), "L2"
        if ladder in ("full", "four", "short", "hours", "date"):
            yield due, "L3"
        if ladder in ("full", "four", "short", "hours"):
            yield days.after(last_day(due), 1), "L4"
        if ladder == "full":
            yield days.after(last_day(due), 3), "L5"
            yield days.after(last_day(due), 5), "L6"
            if key == "T18" or not self.date_missed:
                yield days.after(last_day(due), 10), "L7"
        if ladder == "date":
            yield due, "L7"

    def _first(self, clock: Ticking, ladder: datetime) -> datetime:
        """The earlier of the ladder's instant and the target; at assignment if that is past."""
        cap = self.cap()
        if cap is not None:
            target = midnight(DATES[cap][2])
            if not (clock.start < clock.known and target < clock.known):
                ladder = min(ladder, target)
        return max(ladder, clock.start)

    def adopt(self, at: datetime, rest: date) -> None:
        """A newer book from the tick after `at` on: one more day of rest."""
        self.days = Days(self.days.more_rest | {rest})
        for key, clock in self.clocks.items():
            due = clock.recipe(self.days)
            clock.floor = at
            if due == clock.due:
                continue
            self.moved.setdefault(key, []).append((clock.due, due))
            self.dues[key].append(due)
            if due > at:
                # No other due undoes why a fast lane was taken: nothing lower is raised after it.
                clock.reached = max(clock.lane, self.fired.get((key, due), ""))
            clock.due = due

    # --- clocks ---------------------------------------------------------------------------------

    def set(self, key: str, start: datetime, known: datetime, recipe: Recipe) -> None:
        due = recipe(self.days)
        reached = self.fired.get((key, due), "")
        self.clocks[key] = Ticking(start, known, recipe, due, reached)
        self.dues.setdefault(key, []).append(due)

    def run(self, key: str, count: int, happened: datetime, recorded: datetime) -> None:
        """An internal clock of working days; a late record runs from its recording."""
        start = recorded if recorded >= self.days.after(happened.date(), 1) else happened
        self.set(key, start, recorded, lambda days: days.after(start.date(), count))

    def stop(self, *timers: str) -> None:
        for key in list(self.clocks):
            if key in timers or key.split("|")[0] in timers:
                del self.clocks[key]

    def end(self, *, but: tuple[str, ...] = ("T10",)) -> None:
        self.stop(*{key.split("|")[0] for key in self.clocks} - set(but))

    def cap(self) -> str | None:
        for name, (before, _, _) in DATES.items():
            if self.received < midnight(before) and (name != "A2" or self.tier in NATIONAL):
                return name
        return None

    def _date(self) -> None:
        cap = self.cap()
        if cap is not None:
            self._fixed(cap, midnight(DATES[cap][1]))

    def _fixed(self, key: str, due: datetime, start: datetime | None = None) -> None:
        at = start or self.assigned or self.received
        self.set(key, at, at, lambda _: due)

    # --- handling (T09) and doing it again (T18) ------------------------------------------------

    def _handling(self, start: datetime) -> Recipe:
        count = next((n for first, last, n in PHASES if first <= start.date() <= last), 10)
        count = min(count, 5) if self.urgent else count
        limit, granted, spans, cap = self.limit, self.granted, tuple(self.spans), self.cap()

        def recipe(days: Days) -> datetime:
            due = granted or days.after(start.date(), count)
            if limit is not None and granted is None:
                due = min(due, days.after(last_day(limit), 3))
            for begin, end in spans:
                inside = days.wholly_in(begin, end)
                if inside and begin < due:
                    due = days.after(last_day(due), inside)
            if cap is None:
                return due
            date_ = midnight(DATES[cap][1])
            return min(due, max(date_, granted or date_))

        return recipe

    def _handle(self, start: datetime, known: datetime) -> None:
        self.set("T09", start, known, self._handling(start))

    def resume(self, happened: datetime, recorded: datetime) -> None:
        begin, self.suspended = self.suspended, None
        self.stop("T17")
        self.state = "HANDLING" if self.state == "SUSPENDED" else self.state
        clock = self.clocks.get("T09")
        if begin is None or clock is None or clock.due <= begin:
            return
        self.spans.append((begin, happened))
        reached, due = clock.reached, clock.due
        self._handle(clock.start, recorded)
        if self.clocks["T09"].due == due:
            self.clocks["T09"].reached = reached

    def redo(self, happened: datetime, recorded: datetime) -> None:
        start = recorded if recorded >= self.days.after(happened.date(), 1) else happened
        cap = self.cap()
        date_ = midnight(DATES[cap][1]) if cap else None

        def recipe(days: Days) -> datetime:
            due = days.after(start.date(), 3)
            return due if date_ is None or date_ <= start else min(due, date_)

        self.set("T18", start, recorded, recipe)

    # --- acts -----------------------------------------------------------------------------------

    def begin(self, at: datetime, source: str) -> None:
        """Received, accepted and assigned at one instant."""
        self._source(source, at, at)
        self.assigned = at
        self._date()
        self._assign(at)

    def _source(self, source: str, received: datetime, recorded: datetime) -> None:
        self.sources[source] = False
        self.came[source] = received, recorded
        self._to_be_answered(source, recorded)

    def _to_be_answered(self, source: str, known: datetime) -> None:
        received, recorded = self.came[source]
        if source.startswith("12345|"):
            start = recorded if recorded >= self.days.after(received.date(), 1) else received
            self.set(f"T10|{source}", start, known, lambda days: days.after(start.date(), 5))

    def _separated(self, at: datetime) -> None:
        """On its own again: its date, if it lies ahead, and its sources; no due from before."""
        self.limit, self.on_its_own_since = None, len(self.dues.get("T09", []))
        cap = self.cap()
        if cap is not None and midnight(DATES[cap][1]) > at:
            self._fixed(cap, midnight(DATES[cap][1]), at)
        for source, done in self.sources.items():
            if not done:
                self._to_be_answered(source, at)

    def _assign(self, at: datetime) -> None:
        handled = self.dues.get("T09", [])[self.on_its_own_since :]
        self.limit = self.limit or (handled[-1] if handled else None)
        self.state, self.assigned, self.granted, self.spans = "ASSIGNED", at, None, []
        self.stop("T06")
        self.set("T05", at, at, lambda days: days.after(at.date(), 1))
        self.set("T06|window", at, at, lambda days: days.after(at.date(), 1))
        hours = timedelta(hours=2 if self.urgent else 24)
        self.set("T07", at, at, lambda _: at + hours)
        self.set("T08", at, at, lambda days: days.after(at.date(), 3))
        self._handle(at, at)

    def full(self) -> bool:
        got = dict.fromkeys(self.owed, 0)
        for line, fen in self.paid.values():
            got[line] += fen
        more = any(fen > self.owed["1"] for fen in self.asking.values())
        return not more and all(got[line] >= fen for line, fen in self.owed.items())

    def act(self, data: AnyData, happened: datetime, recorded: datetime) -> None:
        """An act is recorded; time was advanced to it before."""
        match data:
            case ev.CaseAssigned() | ev.CaseReassigned():
                self._assign(recorded)
            case ev.AssignmentSigned():
                self.state = "HANDLING"
                self.stop("T05")
            case ev.ReturnRequested():
                self.state = "RETURN_REVIEW"
                self.stop("T05", "T06|window")
                self.run("T06", 1, happened, recorded)
            case ev.ReturnNotApproved():
                self.state = "HANDLING"
                self.stop("T06")
            case ev.ReturnApproved():
                self.state = "RETURNED"
                self.stop("T05", "T06", "T07", "T08")
            case ev.FirstContactMade():
                self.stop("T07")
            case ev.ProgressReported():
                running = self.clocks.get("T08")
                if running is None or happened >= running.start:
                    self.run("T08", 5, happened, recorded)
            case ev.ExtensionRequested() | ev.ExtensionApproved():
                self._extension(data, happened, recorded)
            case ev.CaseSuspended():
                self.state, self.suspended = "SUSPENDED", happened
                self.run("T17", 15, happened, recorded)
            case ev.CaseResumed():
                self.resume(happened, recorded)
            case ev.ComplaintMerged():
                self.state, self.suspended = "MERGED", None
                self.end(but=())
            case ev.ComplaintUnmerged():
                self._separated(recorded)
            case ev.ComplaintTransferredOut():
                self.state = "OUT"
                self.end()
            case ev.SourceReplied():
                self.sources[f"{data.source}|{data.source_ref}"] = True
                self.stop(f"T10|{data.source}|{data.source_ref}")
            case ev.ClaimLinesAdded():
                self._lines_added(data, recorded)
            case ev.ClaimLinesRemoved():
                self.asking.pop(data.from_case, None)
                self.sources.pop(f"{data.source}|{data.source_ref}", None)
                self.stop(f"T10|{data.source}|{data.source_ref}")
            case ev.FactsVerified():
                self.asking.clear()
            case ev.PaymentVerified() | ev.PaymentReversed():
                self._money(data, happened, recorded)
            case _:
                self._closing(data, happened, recorded)

    def _extension(
        self, data: ev.ExtensionRequested | ev.ExtensionApproved, happened: datetime, now: datetime
    ) -> None:
        to = data.to.astimezone(HERE)
        approver = data.approver if isinstance(data, ev.ExtensionApproved) else None
        if approver is not None and self.asked == to:
            self.asked = None
            return
        code = self._refuses(to, happened, approver)
        self.asked = None
        if code is not None:
            self.refused.append(code)
            self.asked = to if approver is None else None
        elif approver is not None:
            self.extensions += 1
            self.granted, self.spans = to, []
            self._handle(self.clocks["T09"].start, now)

    def _refuses(self, to: datetime, happened: datetime, approver: str | None) -> str | None:
        clock = self.clocks.get("T09")
        if clock is None or happened >= clock.due:
            return "AFTER_DUE"
        if self.extensions == 2:
            return "THIRD"
        cap = self.cap()
        if cap is not None and to > midnight(DATES[cap][1]):
            return None if approver in (None, "convener") else "BEYOND_CAP"
        if to > self.days.after(last_day(clock.due), 5) and approver != "convener":
            return "TOO_LONG"
        return "THIRD" if approver == "office" and self.extensions == 1 else None

    def _lines_added(self, data: ev.ClaimLinesAdded, recorded: datetime) -> None:
        """What was merged into this case: its claim, its source, and its reply to that source.

        What is claimed again is asked for, and not owed twice.
        """
        for line in data.lines:
            if data.same:
                self.asking[data.from_case] = line.amount_fen or 0
            else:
                self.owed[str(len(self.owed) + 1)] = line.amount_fen or 0
        source = f"{data.source}|{data.source_ref}"
        if source not in self.sources:
            self._source(source, data.received_at.astimezone(HERE), recorded)
        if data.reopens and self.state == "CLOSED":
            self._reopen(recorded, recorded, "REPEATED_COMPLAINT")

    def _money(
        self, data: ev.PaymentVerified | ev.PaymentReversed, happened: datetime, recorded: datetime
    ) -> None:
        if isinstance(data, ev.PaymentReversed):
            self.paid.pop(data.payment, None)
        else:
            self.paid[data.payment] = (data.lines[0].line, data.lines[0].amount_fen)
            self.last_paid = max(happened, self.last_paid or happened)
        if self.state == "CLOSED" and not self.full():
            self._reopen(happened, recorded, "PAYMENT_REVERSED")

    def _reopen(self, happened: datetime, recorded: datetime, reason: str) -> None:
        late = self.window is not None and happened >= self.window
        if self.written_off and late and reason != "REPEATED_COMPLAINT":
            return
        self.state, self.written_off = "HANDLING", False
        self.reopenings.append(reason)
        self.stop("T14", "T15")
        self.redo(recorded, recorded)
        if reason == "FALSE_CLOSURE":
            self.clocks["T18"].jump = (recorded, "L5")
        cap = self.cap()
        if cap is not None and midnight(DATES[cap][1]) > recorded:
            self._fixed(cap, midnight(DATES[cap][1]), recorded)

    def _closing(self, data: AnyData, happened: datetime, recorded: datetime) -> None:
        match data:
            case ev.ClosureRequested():
                if self.full():
                    self.state = "REVIEW_TF"
                    self.stop("T08", "T09", "T18")
                    self.run("T12|tf", 1, happened, recorded)
            case ev.ClosureReviewPassed(stage="tf"):
                self.state = "REVIEW_OFFICE"
                self.stop("T12")
                self.run("T12|office", 1, happened, recorded)
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
                self._reopen(happened, recorded, "FALSE_CLOSURE")
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
            self.stop("T13")
            self.run("T13|explain", 2, happened, recorded)
        else:
            self.state = "CLOSED"
            self.closings.append(recorded)
            self.replies_owed += len(self.sources)
            self.end()
            self.set("T14", recorded, recorded, lambda days: days.after(recorded.date(), 1))
            self.window = midnight(recorded.date() + 31 * DAY)
            self._fixed("T15", self.window, recorded)
