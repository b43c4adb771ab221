"""The numbers of reporting once more, slowly and straight from the events.

Shares nothing with the product but the event types and the policy book: no SQL, no projection, no
running state. Every question walks over the whole history again, so that it can be read against
domain 6 line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Any

from shared import events as ev
from shared.calendar import ZONE, end_of, start_of
from shared.events import Event
from shared.policy import Policy

TICK = timedelta(microseconds=1)
OPEN_END = datetime.max.replace(tzinfo=ZONE)
Span = tuple[datetime, datetime]


def visible(
    events: Iterable[Event], partition: Callable[[str], int], as_of: datetime
) -> list[tuple[Event, datetime]]:
    """The events of the log as it was at `as_of`, each with its instant; first copies only."""
    highest: dict[int, datetime] = {}
    seen: set[str] = set()
    found: list[tuple[Event, datetime]] = []
    for event in events:
        number = partition(event.subject)
        instant = max(highest.get(number, event.recordedtime), event.recordedtime)
        highest[number] = instant
        if instant <= as_of and event.id not in seen:
            seen.add(event.id)
            found.append((event, instant))
    return found


def streams(events: Iterable[tuple[Event, datetime]]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event, _ in events:
        found.setdefault(event.subject, []).append(event)
    return found


STEPS: dict[type[Any], tuple[set[str] | None, str]] = {
    ev.SupplementRequested: ({"RECEIVED"}, "SUPPLEMENTING"),
    ev.SupplementReceived: ({"SUPPLEMENTING"}, "RECEIVED"),
    ev.ComplaintAccepted: (None, "ACCEPTED"),
    ev.ComplaintNotAccepted: (None, "NOT_ACCEPTED"),
    ev.ComplaintTransferredOut: (None, "TRANSFERRED_OUT"),
    ev.TriageRequested: (None, "TRIAGE"),
    ev.AssignmentSigned: ({"ASSIGNED"}, "HANDLING"),
    ev.AssignmentDeemedSigned: ({"ASSIGNED"}, "HANDLING"),
    ev.ReturnRequested: (None, "RETURN_REVIEW"),
    ev.ReturnNotApproved: ({"RETURN_REVIEW"}, "HANDLING"),
    ev.ReturnRefused: ({"RETURN_REVIEW"}, "HANDLING"),
    ev.HandlerDesignated: (None, "HANDLING"),
    ev.CaseSuspended: (None, "SUSPENDED"),
    ev.CaseResumed: ({"SUSPENDED"}, "HANDLING"),
    ev.SuspensionLapsed: ({"SUSPENDED"}, "HANDLING"),
    ev.ClosureRequested: (None, "CLOSURE_REVIEW"),
    ev.ClosureReturned: (None, "HANDLING"),
    ev.CaseClosed: (None, "CLOSED"),
    ev.CaseWrittenOff: (None, "WRITTEN_OFF"),
    ev.CaseReopened: ({"CLOSED", "WRITTEN_OFF"}, "HANDLING"),
}


class Case:
    """What the events of one case come to."""

    def __init__(self, case_id: str, events: Sequence[Event]) -> None:
        self.case_id = case_id
        self.events = events
        self.states = self._states()

    def of(self, *types: type[Any]) -> list[Event]:
        return [event for event in self.events if isinstance(event.data, types)]

    def _states(self) -> list[str]:
        """The state after each event (domain 3.3)."""
        state, before = "", "RECEIVED"
        designations: set[str] = set()
        found: list[str] = []
        for event in self.events:
            data = event.data
            if type(data) in STEPS:
                sources, target = STEPS[type(data)]
                if sources is None or state in sources:
                    state = target
            if isinstance(data, ev.HandlerDesignated):
                designations = {event.id}
            match data:
                case ev.ComplaintReceived() if state == "":
                    state = "RECEIVED"
                case ev.ComplaintMerged() if state != "MERGED":
                    state, before = "MERGED", state
                case ev.ComplaintUnmerged() if state == "MERGED":
                    state = before
                case ev.CaseAssigned() | ev.CaseReassigned():
                    if state not in ("MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT"):
                        state = "HANDLING" if data.cause in designations else "ASSIGNED"
                case ev.ClosureReviewPassed(stage="office"):
                    state = "FOLLOW_UP"
                case ev.ClosureRefused(reasons=reasons):
                    unpaid = "NOT_PAID" in reasons or "UNPAID" in reasons
                    if state == "CLOSURE_REVIEW" or (state == "FOLLOW_UP" and unpaid):
                        state = "HANDLING"
                case _:
                    pass
            found.append(state)
        return found

    @cached_property
    def state(self) -> str:
        return self.states[-1]

    @cached_property
    def received(self) -> ev.ComplaintReceived:
        data = self.of(ev.ComplaintReceived)[0].data
        assert isinstance(data, ev.ComplaintReceived)
        return data

    @cached_property
    def accepted_at(self) -> datetime | None:
        found = self.of(ev.ComplaintAccepted)
        return found[-1].time if found else None

    @cached_property
    def unit(self) -> Any:
        found = self.of(ev.CaseAssigned, ev.CaseReassigned)
        return found[-1].data if found else None

    def unit_at(self, index: int) -> Any:
        """Who had the case just before its index-th event."""
        found = [
            event.data
            for event in self.events[:index]
            if isinstance(event.data, (ev.CaseAssigned, ev.CaseReassigned))
        ]
        return found[-1] if found else None

    @cached_property
    def assigned_at(self) -> datetime | None:
        found = self.of(ev.CaseAssigned, ev.CaseReassigned)
        return found[-1].time if found else None

    @cached_property
    def contact_at(self) -> datetime | None:
        return min((event.time for event in self.of(ev.FirstContactMade)), default=None)

    @cached_property
    def closings(self) -> list[tuple[str, datetime, datetime]]:
        """(kind, closed, reopened) of each closing."""
        found: list[tuple[str, datetime, datetime]] = []
        for event, state in zip(self.events, ["", *self.states], strict=False):
            if isinstance(event.data, ev.CaseClosed):
                found.append((event.data.kind, event.time, OPEN_END))
            if isinstance(event.data, ev.CaseReopened) and state in ("CLOSED", "WRITTEN_OFF"):
                kind, closed, _ = found[-1]
                found[-1] = (kind, closed, event.time)
        return found

    def closed_before(self, instant: datetime, kind: str | None = None) -> bool:
        """Closed just before `instant`."""
        return any(
            closed < instant <= reopened and kind in (None, name)
            for name, closed, reopened in self.closings
        )

    @cached_property
    def left(self) -> str | None:
        if self.state in ("MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT"):
            return self.state
        last = self.closings[-1:]
        if last and last[0][2] == OPEN_END:
            leaving = ("UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT")
            return last[0][0] if last[0][0] in leaving else None
        return None

    @cached_property
    def master(self) -> str | None:
        """The case that leads its group, perhaps itself."""
        leads: str | None = None
        for event in self.of(ev.GroupFormed, ev.GroupLevelChanged, ev.GroupJoined, ev.GroupLeft):
            master = event.data.master  # type: ignore[union-attr]
            if not isinstance(event.data, ev.GroupLeft):
                leads = master
            elif leads == master:
                leads = None
        return leads

    @cached_property
    def joined(self) -> bool:
        return self.master is not None and self.master != self.case_id

    @cached_property
    def deadline(self) -> ev.DeadlineSet | None:
        """The last T09; a member of a group has none until a new one is set."""
        last = None
        for event in self.of(ev.DeadlineSet, ev.GroupJoined):
            if isinstance(event.data, ev.GroupJoined):
                last = None
            elif event.data.timer == "T09":  # type: ignore[union-attr]
                last = event.data
        assert last is None or isinstance(last, ev.DeadlineSet)
        return last

    @cached_property
    def due_at(self) -> datetime | None:
        return self.deadline.due_at if self.deadline else None

    @cached_property
    def passed_at(self) -> datetime | None:
        """When the first request was made that passed the office's review."""
        requested: datetime | None = None
        for event, before in zip(self.events, ["", *self.states], strict=False):
            match event.data:
                case ev.ClosureRequested():
                    requested = event.time
                case ev.ClosureReturned() | ev.CaseReopened():
                    if not isinstance(event.data, ev.CaseReopened) or before in (
                        "CLOSED",
                        "WRITTEN_OFF",
                    ):
                        requested = None
                case ev.ClosureRefused(reasons=reasons):
                    unpaid = "NOT_PAID" in reasons or "UNPAID" in reasons
                    if before == "CLOSURE_REVIEW" or (before == "FOLLOW_UP" and unpaid):
                        requested = None
                case ev.ClosureReviewPassed(stage="office") if requested is not None:
                    return requested
                case _:
                    pass
        return None

    @cached_property
    def owed(self) -> dict[str, int]:
        """Verified owed, in fen, by line."""
        lines: dict[str, int] = {}
        for event in self.events:
            if isinstance(event.data, ev.FactsVerified):
                lines |= {line.line: line.amount_fen for line in event.data.lines}
        return lines

    @property
    def owed_fen(self) -> int | None:
        return sum(self.owed.values()) if self.owed else None

    @property
    def payments(self) -> list[tuple[datetime, int, bool]]:
        """(time, change of the verified sum in fen, by the emergency fund) of each payment."""
        return self._money[0]

    def recovered_before(self, end: datetime) -> int:
        """追回: what each line got before `end`, at most what was found to be owed on it."""
        covered = 0
        for line, owed in self.owed.items():
            got = sum(fen for at, name, fen in self._money[1] if name == line and at < end)
            if got > 0:
                covered += owed if got > owed else got
        return covered

    @cached_property
    def _money(self) -> tuple[list[tuple[datetime, int, bool]], list[tuple[datetime, str, int]]]:
        """The payments, and (time, line, change in fen) of each of their lines."""
        paid: dict[tuple[str, str], int] = {}
        emergency: set[str] = set()
        found: list[tuple[datetime, int, bool]] = []
        by_line: list[tuple[datetime, str, int]] = []
        for event in self.of(ev.PaymentVerified, ev.PaymentReversed):
            data = event.data
            assert isinstance(data, ev.Payment)
            before = sum(paid.values())
            special = data.source == "EMERGENCY_FUND" or data.payment in emergency
            sums: dict[str, int] = {}
            for line in data.lines:
                sums[line.line] = sums.get(line.line, 0) + line.amount_fen
            if isinstance(data, ev.PaymentVerified) and data.source == "EMERGENCY_FUND":
                emergency.add(data.payment)
            for name, fen in sums.items():
                key = (data.payment, name)
                old = paid.get(key, 0)
                if isinstance(data, ev.PaymentVerified):
                    paid[key] = fen
                elif key in paid:
                    paid[key] = max(0, old - fen)
                by_line.append((event.time, name, paid.get(key, 0) - old))
            found.append((event.time, sum(paid.values()) - before, special))
        return found, by_line

    @cached_property
    def paid_fen(self) -> int:
        return sum(fen for _, fen, _ in self.payments)

    @cached_property
    def overdue_spans(self) -> list[Span]:
        """When a handling clock or the campaign date was past due and nothing had stopped it."""
        return [*self._handling_spans(), *self._date_spans()]

    def _handling_spans(self) -> list[Span]:
        spans: list[Span] = []
        due: datetime | None = None
        paused: datetime | None = None
        stopped: datetime | None = None
        for event, before in zip(self.events, ["", *self.states], strict=False):
            at, data = event.time, event.data
            match data:
                case ev.DeadlineSet(timer="T09" | "T18"):
                    if before == "SUSPENDED":
                        paused = data.due_at
                    elif before in STOPPED:
                        stopped = data.due_at
                    else:
                        due = data.due_at
                case (
                    ev.ClosureRequested() | ev.ComplaintNotAccepted() | ev.ComplaintTransferredOut()
                ):
                    spans, due, stopped = _stop(spans, due, stopped, at)
                case ev.ComplaintMerged() if before != "MERGED":
                    spans, due, stopped = _stop(spans, due, stopped, at)
                case ev.CaseClosed():
                    spans, due, stopped = _stop(spans, due, stopped, at)
                    paused = None
                case ev.ClosureRefused() if before == "CLOSURE_REVIEW" and stopped is not None:
                    if spans and spans[-1][0] == stopped:
                        spans = spans[:-1]
                    due, stopped = stopped, None
                case ev.GroupJoined():
                    due = paused = stopped = None
                case ev.CaseSuspended() if due is not None and due > at:
                    due, paused = None, due
                case ev.CaseResumed() | ev.SuspensionLapsed() if paused is not None:
                    due, paused = paused, None
                case _:
                    pass
            if isinstance(data, (ev.ComplaintNotAccepted, ev.ComplaintTransferredOut)) or (
                isinstance(data, ev.ComplaintMerged) and before != "MERGED"
            ):
                paused = None
        return [*spans, (due, OPEN_END)] if due is not None else spans

    def _date_spans(self) -> list[Span]:
        spans: list[Span] = []
        due: datetime | None = None
        for event, before in zip(self.events, ["", *self.states], strict=False):
            data = event.data
            closed = before in ("CLOSED", "WRITTEN_OFF")
            named = isinstance(data, ev.DeadlineSet) or (
                isinstance(data, ev.AlertRaised) and data.level == "L3"
            )
            if named and data.timer.startswith("A") and not closed:  # type: ignore[union-attr]
                due = data.due_at  # type: ignore[union-attr]
            ends = isinstance(
                data, (ev.CaseClosed, ev.ComplaintNotAccepted, ev.ComplaintTransferredOut)
            ) or (isinstance(data, ev.ComplaintMerged) and before != "MERGED")
            if ends and due is not None:
                if event.time > due:
                    spans.append((due, event.time))
                due = None
        return [*spans, (due, OPEN_END)] if due is not None else spans

    def overdue_at(self, instant: datetime) -> bool:
        return any(since <= instant < until for since, until in self.overdue_spans)

    def overdue_at_the_end_of(self, day: date) -> bool:
        """Missed before the day was over, and still so when it was: 24:00 is of the next day."""
        over = end_of(day)
        return any(since < over <= until for since, until in self.overdue_spans)

    @cached_property
    def level(self) -> str:
        standing: dict[str, str] = {}
        for event in self.events:
            if isinstance(event.data, ev.AlertRaised):
                standing[event.id] = event.data.level
            elif isinstance(event.data, ev.AlertCleared):
                standing.pop(event.data.cause, None)
        return max(standing.values(), default="L0")

    @cached_property
    def filled(self) -> int:
        """Required columns of 问题台账 that are filled, of twelve."""
        received = self.received
        signals = received.signals
        workers = received.workers or len(received.claims) or (signals and signals.workers) or 0
        amount = received.amount_fen
        lines = [line.amount_fen for line in received.claims if line.amount_fen is not None]
        if amount is None:
            amount = sum(lines) if lines else signals.amount_fen if signals else None
        for event in self.events:
            if isinstance(event.data, ev.ClaimLinesAdded):
                workers += sum(line.line not in event.data.same for line in event.data.lines)
            elif isinstance(event.data, ev.SupplementReceived):
                read = event.data.signals
                workers = workers or event.data.workers or (read and read.workers) or 0
                amount = event.data.amount_fen if amount is None else amount
                amount = read.amount_fen if amount is None and read else amount
        added = [e.data for e in self.events if isinstance(e.data, ev.SupplementReceived)]
        employer = received.employer or next((x.employer for x in added if x.employer), None)
        first = received.months_from or next((x.months_from for x in added if x.months_from), None)
        last = received.months_to or next((x.months_to for x in added if x.months_to), None)
        number = next(
            (e.data.number for e in reversed(self.of(ev.ComplaintAccepted)) if e.data.number),  # type: ignore[union-attr]
            None,
        )
        unit = self.unit
        values = [
            number,
            received.source,
            received.source_ref,
            received.received_at,
            employer,
            unit and (unit.task_force or unit.department),
            unit and unit.township,
            workers or None,
            amount if self.owed_fen is None else self.owed_fen,
            first and last,
            self.assigned_at,
            self.due_at or (True if self.joined else None),
        ]
        return sum(1 for value in values if value is not None)


STOPPED = {
    "CLOSURE_REVIEW",
    "FOLLOW_UP",
    "CLOSED",
    "WRITTEN_OFF",
    "NOT_ACCEPTED",
    "TRANSFERRED_OUT",
    "MERGED",
}


def _stop(
    spans: list[Span], due: datetime | None, stopped: datetime | None, at: datetime
) -> tuple[list[Span], None, datetime | None]:
    if due is None:
        return spans, None, stopped
    return ([*spans, (due, at)] if at > due else spans), None, due


class World:
    """The city as the log tells it at `as_of`."""

    def __init__(
        self,
        events: Iterable[Event],
        partition: Callable[[str], int],
        as_of: datetime,
        policy: Policy,
    ) -> None:
        self.as_of = as_of
        self.policy = policy
        self.streams = streams(visible(events, partition, as_of))
        self.cases = [
            Case(subject, found)
            for subject, found in sorted(self.streams.items())
            if any(isinstance(event.data, ev.ComplaintReceived) for event in found)
        ]

    # --- rankings ------------------------------------------------------------------------------

    def scores(self, of: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        codes = self.policy.task_forces if of == "task_force" else self.policy.townships
        found = [self._unit(code, of, start, end) for code in codes]
        ranked = [item for item in found if item["note"] != "NO_CASES"]
        ranked.sort(key=lambda item: (item["note"] == "EXTREME", item["merit"], item["unit"]))
        for index, item in enumerate(ranked):
            before = ranked[index - 1] if index else None
            same = before is not None and (
                (before["note"] == "EXTREME", before["merit"])
                == (item["note"] == "EXTREME", item["merit"])
            )
            item["rank"] = before["rank"] if same and before else index + 1
        rest = [item | {"rank": None} for item in found if item["note"] == "NO_CASES"]
        return ranked + sorted(rest, key=lambda item: item["unit"])

    def _unit(self, code: str, of: str, start: datetime, end: datetime) -> dict[str, Any]:
        mine = [case for case in self.cases if case.unit and getattr(case.unit, of) == code]
        money = [case for case in mine if self.in_base(case, start, end)]
        base = [case for case in money if not case.joined]
        due = [case for case in base if case.due_at is not None and case.due_at <= end]
        on_time = [case for case in due if self.on_time(case)]
        answers = [
            event.data.satisfaction  # type: ignore[union-attr]
            for case in mine
            for event in case.of(ev.FollowUpCompleted)
            if start <= event.time < end and event.data.satisfaction != "unreached"  # type: ignore[union-attr]
        ]
        assigned = [case for case in mine if case.assigned_at and start <= case.assigned_at < end]
        day = timedelta(hours=24)
        quick = [
            case
            for case in assigned
            if case.contact_at and case.assigned_at and case.contact_at < case.assigned_at + day
        ]
        paid = sum(case.recovered_before(end) for case in money)
        filed, expected = self.reports(code, start, end)
        done, duties = self.duties(code, start, end)
        settled, decided = self.decisions(code, start, end)
        told, asked = self.publicity(code, start, end)
        rates = {
            "cleared": (sum(self.cleared(case, end) for case in base), len(base)),
            "on_time": (len(on_time), len(due)),
            "satisfied": (sum(word in ("satisfied", "mostly") for word in answers), len(answers)),
            "recovered": (paid, sum(case.owed_fen or 0 for case in money)),
            "responded": (len(quick), len(assigned)),
            "ledger": (
                sum(case.filled for case in base) + filed + done + settled + told,
                len(base) * 12 + expected + duties + decided + asked,
            ),
        }
        deductions = self.deductions(code, of, start, end) | {"overdue": len(due) - len(on_time)}
        recovered = sum(fen for case in mine for at, fen, _ in case.payments if start <= at < end)
        return self._score(code, rates, deductions, recovered, len(base))

    def cleared(self, case: Case, end: datetime) -> bool:
        """Closed as paid, and so is, or ended otherwise, every member of a group that it leads."""
        members = [
            other
            for other in self.cases
            if other.joined
            and other.master == case.case_id
            and other.left is None
            and other.accepted_at is not None
            and other.accepted_at < end
        ]
        whole = all(other.closed_before(end) for other in members)
        return whole and case.closed_before(end, "PAID_IN_FULL")

    def in_base(self, case: Case, start: datetime, end: datetime) -> bool:
        """(Stock + New) - what left."""
        accepted = case.accepted_at
        if accepted is None or accepted >= end or case.left is not None:
            return False
        return accepted >= start or not case.closed_before(start)

    def on_time(self, case: Case, limit: datetime | None = None) -> bool:
        """The first passed request was made before the due, or before a date that limits it."""
        limits = [at for at in (case.due_at, limit) if at is not None]
        return case.passed_at is not None and bool(limits) and case.passed_at < min(limits)

    def reports(self, code: str, start: datetime, end: datetime) -> tuple[int, int]:
        """(filed, expected) roll-calls of the duty days that are over."""
        days: list[date] = []
        for duty in self.policy.content.campaign.duty:
            count = (duty.last - duty.first).days + 1
            days += [duty.first + timedelta(days=index) for index in range(count)]
        five = timedelta(hours=17)
        over = [day for day in days if start <= start_of(day) and start_of(day) + five <= end]
        filed = {
            event.time.astimezone(ZONE).date()
            for event in self.streams.get(f"unit:{code}", [])
            if isinstance(event.data, ev.ZeroReportFiled)
            and start <= event.time < end
            and event.time.astimezone(ZONE).hour < 17
        }
        return len(filed & set(over)), len(over)

    def duties(self, code: str, start: datetime, end: datetime) -> tuple[int, int]:
        """(in time, due) of what visits found and measures promised."""
        stream = self.streams.get(f"unit:{code}", [])
        last: dict[tuple[str, str | None], ev.DeadlineSet] = {}
        for event in stream:
            if isinstance(event.data, ev.DeadlineSet) and event.data.timer in ("T55", "T56"):
                key = (event.data.timer, event.data.item)
                if key not in last or event.data.started_at >= last[key].started_at:
                    last[key] = event.data
        acts = [
            (event.time, "T55", event.data.visit)
            if isinstance(event.data, ev.RectificationReported)
            else (event.time, "T56", event.data.measure)
            for event in stream
            if isinstance(event.data, ev.RectificationReported)
            or (isinstance(event.data, ev.MeasureCompleted) and event.data.meeting is None)
        ]
        due = [(key, data) for key, data in last.items() if start < data.due_at <= end]
        done = [
            key
            for key, data in due
            if any((t, i) == key and data.started_at <= at < data.due_at for at, t, i in acts)
        ]
        return len(done), len(due)

    def decisions(self, code: str, start: datetime, end: datetime) -> tuple[int, int]:
        """(in time, due) of what any meeting of a unit or the city has put a unit in charge of."""
        done = due = 0
        for stream in self.streams.values():
            for held in stream:
                if not isinstance(held.data, ev.MeetingHeld):
                    continue
                for item in held.data.decisions:
                    over = end_of(item.due_on)
                    if item.owner != code or not start < over <= end:
                        continue
                    due += 1
                    done += any(
                        isinstance(event.data, ev.MeasureCompleted)
                        and (event.data.meeting, event.data.measure) == (held.id, str(item.no))
                        and held.time <= event.time < over
                        for event in stream
                    )
        return done, due

    def publicity(self, code: str, start: datetime, end: datetime) -> tuple[int, int]:
        """(made known, asked) of the 《条例》 in April, once all of April lies in the window."""
        april, may = start_of(date(2022, 4, 1)), start_of(date(2022, 5, 1))
        if start > april or end < may:
            return 0, 0
        found = any(
            isinstance(event.data, ev.PublicityRecorded) and april <= event.time < may
            for event in self.streams.get(f"unit:{code}", [])
        )
        return int(found), 1

    def deductions(self, code: str, of: str, start: datetime, end: datetime) -> dict[str, int]:
        names = ("improper_return", "reopened", "false_closure", "notice_unanswered")
        found = dict.fromkeys((*names, "extreme_incident"), 0)
        subjects = [(case.case_id, case) for case in self.cases]
        subjects += [
            (name, Case(name, self.streams[name]))
            for name in (f"unit:{code}",)
            if name in self.streams
        ]
        for subject, case in subjects:
            for index, event in enumerate(case.events):
                data = event.data
                owner = subject.removeprefix("unit:") if subject.startswith("unit:") else None
                if owner is None:
                    unit = case.unit_at(index)
                    owner = getattr(unit, of) if unit else None
                if owner != code or not start <= event.time < end:
                    continue
                if isinstance(data, (ev.ReturnRefused, ev.ReturnNotApproved)) or (
                    isinstance(data, ev.ReturnApproved) and data.improper
                ):
                    found["improper_return"] += 1
                found["reopened"] += isinstance(data, ev.CaseReopened)
                found["false_closure"] += isinstance(data, ev.FalseClosureFound)
                if (
                    isinstance(data, ev.SupervisionNoticeIssued)
                    and data.reply_due_at <= end
                    and (
                        subject.startswith("unit:")
                        or self._addressed(data, case.unit_at(index), of)
                    )
                ):
                    found["notice_unanswered"] += not self._answered(case, event, end)
                if isinstance(data, ev.ExtremeIncidentReported):
                    found["extreme_incident"] += self.verified(event.id)
        return found

    @staticmethod
    def _addressed(notice: ev.SupervisionNoticeIssued, unit: Any, of: str) -> bool:
        """Sent to who handles the case; or to its task force, which reviews it."""
        if unit.township != "NO_TOWNSHIP":
            handler = unit.township
        else:
            handler = unit.department or unit.task_force
        if handler in notice.to:
            return True
        return of == "task_force" and notice.timer == "T12" and notice.to != ("联席办",)

    def _answered(self, case: Case, notice: Event, end: datetime) -> bool:
        assert isinstance(notice.data, ev.SupervisionNoticeIssued)
        for event in case.of(ev.SupervisionNoticeReplied):
            number = event.data.notice_no  # type: ignore[union-attr]
            fits = number == notice.data.notice_no or (number is None and event.time >= notice.time)
            if fits and event.time < end:
                return True
        return False

    def verified(self, incident: str) -> bool:
        return any(
            isinstance(event.data, ev.ExtremeIncidentVerified) and event.data.incident == incident
            for stream in self.streams.values()
            for event in stream
        )

    def _score(
        self,
        code: str,
        rates: dict[str, tuple[int, int]],
        deductions: dict[str, int],
        recovered: int,
        base: int,
    ) -> dict[str, Any]:
        weights = {"cleared": 30, "on_time": 20, "satisfied": 20, "recovered": 15, "responded": 10}
        weights |= {"ledger": 5}
        known = {name: pair for name, pair in rates.items() if pair[1] > 0}
        scale = Fraction(100, sum(weights[name] for name in known) or 1)
        raw = Fraction(0)
        for name, (met, of) in known.items():
            raw += weights[name] * scale * min(Fraction(1), max(Fraction(0), Fraction(met, of)))
        raw -= min(10, deductions["overdue"]) + min(5, deductions["improper_return"])
        raw -= min(10, 2 * deductions["reopened"]) + 10 * deductions["false_closure"]
        raw -= 2 * deductions["notice_unanswered"] + 20 * deductions["extreme_incident"]
        hundredths = int(min(Fraction(100), max(Fraction(0), raw)) * 100 + Fraction(1, 2))
        note = None
        if base == 0:
            note = "NO_CASES"
        elif deductions["extreme_incident"]:
            note = "EXTREME"
        elif base < 5:
            note = "SMALL_SAMPLE"
        met, of = rates["satisfied"]
        return {
            "unit": code,
            "note": note,
            "base": base,
            "rates": rates,
            "deductions": deductions,
            "recovered_fen": recovered,
            "raw": raw,
            "score": None if note == "NO_CASES" else hundredths,
            "merit": (
                -hundredths,
                deductions["overdue"],
                -Fraction(met, of) if of else 1,
                -recovered,
                -base,
            ),
        }

    # --- clearance -----------------------------------------------------------------------------

    def verdicts(self) -> dict[str, tuple[str, int, int, list[tuple[str, str | None]]]]:
        """predicate -> (result, met, of, [(case, tag)])."""
        a = self.policy.date_end
        return {
            "P1-strict": self._platform(a("A2"), strict=True),
            "P1-lenient": self._platform(a("A2"), strict=False),
            "P1-screen": self._units(ev.ScreeningReported, a("A1")),
            "P1-flood": self._flood(a("A3")),
            "P1-city": self._city(a("A4")),
            "P2-stock": self._stock(a("A5")),
            "P2-extreme": self._extreme(a("A6")),
            "P2-new": self._new(end_of(date(2022, 2, 6))),
            "P3-dynamic": self._dynamic(),
            "P4": self._units(ev.SummaryFiled, a("A8")),
        }

    def _judge(
        self,
        at: datetime,
        of: int,
        bad: list[tuple[str, str | None]],
        good: bool | None = None,
        known: bool = True,
    ) -> tuple[str, int, int, list[tuple[str, str | None]]]:
        passed = not bad if good is None else good
        result = "PASS" if passed else "FAIL"
        if not known:
            result = "NOT_EVALUABLE"
        if self.as_of < at:
            result = "PENDING"
        return result, of - len(bad), of, bad

    def _moment(self, at: datetime) -> datetime:
        return min(at, self.as_of + TICK)

    def _kept(self) -> list[Case]:
        return [
            case
            for case in self.cases
            if case.accepted_at and case.left not in ("MERGED", "TRANSFERRED_OUT")
        ]

    def _platform(self, at: datetime, *, strict: bool) -> Any:
        grace = start_of(date(2021, 12, 29))
        asked = [
            case
            for case in self._kept()
            if case.received.tier in ("NAT", "PROV", "ZZ")
            and case.received.received_at < (at if strict else grace)
        ]
        bad = [
            (case.case_id, "GRACE" if case.received.received_at >= grace else None)
            for case in asked
            if not case.closed_before(self._moment(at))
        ]
        return self._judge(at, len(asked), bad)

    def _units(self, kind: type[Any], at: datetime) -> Any:
        filed = [
            unit
            for unit in self.policy.units
            if any(
                isinstance(event.data, kind) and event.time < self._moment(at)
                for event in self.streams.get(f"unit:{unit}", [])
            )
        ]
        result, _, of, bad = self._judge(at, 22, [], good=len(filed) == 22)
        return result, len(filed), of, bad

    def _flood(self, at: datetime) -> Any:
        asked = [
            case
            for case in self._kept()
            if case.received.via == "flood_group" and case.received.received_at < at
        ]
        bad: list[tuple[str, str | None]] = []
        for case in asked:
            ahead = case.due_at is not None and case.due_at > self._moment(at)
            if not self.on_time(case, at) and not (self.as_of < at and ahead):
                bad.append((case.case_id, None))
        return self._judge(at, len(asked), bad)

    def _city(self, at: datetime) -> Any:
        moment = self._moment(at)
        start = start_of(date(2021, 11, 10))
        base = [
            case
            for case in self.cases
            if case.received.tier == "CITY"
            and not case.joined
            and self.in_base(case, start, moment)
        ]
        bad: list[tuple[str, str | None]] = [
            (case.case_id, None) for case in base if not self.cleared(case, moment)
        ]
        good = (len(base) - len(bad)) * 100 >= 95 * len(base)
        return self._judge(at, len(base), bad, good, known=bool(base))

    def _stock(self, at: datetime) -> Any:
        limit = start_of(date(2022, 1, 1))
        asked = [case for case in self._kept() if case.received.received_at < limit]
        bad: list[tuple[str, str | None]] = [
            (case.case_id, None) for case in asked if not case.closed_before(self._moment(at))
        ]
        return self._judge(at, len(asked), bad)

    def _extreme(self, at: datetime) -> Any:
        start = start_of(date(2022, 1, 1))
        told = [
            (case.case_id, event.id)
            for case in self.cases
            for event in case.of(ev.ExtremeIncidentReported)
            if start <= event.time < at
        ]
        verified = [item for item in told if self.verified(item[1])]
        result = "FAIL" if verified else "PENDING" if told or self.as_of < at else "PASS"
        bad = [(case, None) for case in sorted({case for case, _ in told})]
        return result, len(told) - len(verified), len(told), bad

    def _new(self, at: datetime) -> Any:
        start, moment = start_of(date(2022, 1, 1)), self._moment(at)
        asked = [
            case
            for case in self.cases
            if case.left is None
            and not case.joined
            and case.accepted_at
            and start <= case.accepted_at < moment
            and case.due_at
            and case.due_at <= moment
        ]
        bad: list[tuple[str, str | None]] = [
            (case.case_id, None) for case in asked if not self.on_time(case)
        ]
        return self._judge(at, len(asked), bad, known=bool(asked))

    def overdue_series(self) -> list[int]:
        """Overdue cases at the end of each day of the third phase that is over."""
        accepted = [case for case in self.cases if case.accepted_at]
        return [
            sum(case.overdue_at_the_end_of(day) for case in accepted) for day in self._days_over()
        ]

    def _days_over(self) -> list[date]:
        days = [date(2022, 2, 7) + timedelta(days=index) for index in range(53)]
        return [day for day in days if end_of(day) <= self.as_of]

    def _dynamic(self) -> Any:
        at = end_of(date(2022, 3, 31))
        grace = start_of(date(2022, 3, 29))
        bad = [
            (case.case_id, "GRACE" if grace <= case.received.received_at < at else None)
            for case in self.cases
            if case.accepted_at
            and any(case.overdue_at_the_end_of(day) for day in self._days_over())
        ]
        result, _, of, _ = self._judge(at, 53, bad)
        return result, self.overdue_series().count(0), of, bad
