"""given / at / then for supervision: facts on one stream in, decisions out, and nothing after.

Instants are written `2021-11-10 09:00` in Asia/Shanghai; 24:00 of a day is 00:00 of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from services.supervision.decider import STREAMS
from shared import events as ev
from shared.calendar import ZONE
from shared.envelope import derived_id
from shared.events import AnyData, Decision, Event
from shared.policy import Policy, adopt, read_book
from shared.settle import Books, begin, settle_to, take
from shared.streams import kind_of

CASE = "11111111-1111-5111-8111-111111111111"
TANGZHUANG = "410185109"
OFFICE = "联席办/office/a"
LABOUR = "市人社局/inspector/a"

D = TypeVar("D", bound=AnyData)


@cache
def policy() -> Policy:
    return adopt(read_book("dengfeng-2021-35"), when("2021-11-01 00:00"), "adoption")


def when(text: str) -> datetime:
    """`2021-11-10 09:00`, or with seconds, in Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def local(instant: datetime | None) -> str | None:
    """The same spelling of an instant."""
    if instant is None:
        return None
    text = instant.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(":00")


class Told:
    """One stream as it is lived through: every fact is settled up to, folded and answered.

    After each step nothing is owed that was not decided, and the same fact or an own decision
    read back changes nothing.
    """

    def __init__(self, subject: str = CASE, books: Books | None = None) -> None:
        self.books = books or Books([policy()])
        self.decider = STREAMS[kind_of(subject)]
        self.stream = begin(self.decider, subject)
        self.facts: list[Event] = []
        self.decided: list[Event] = []

    def at(
        self, instant: str, data: AnyData, *, by: str = "-/-/-", happened: str | None = None
    ) -> Event:
        """Something is recorded at `instant`, and happened then or at `happened`."""
        decision = isinstance(data, Decision)
        event = Event(
            id=derived_id("test", self.stream.subject, str(len(self.facts))),
            subject=self.stream.subject,
            time=when(happened or instant),
            recordedtime=when(instant),
            data=data,
            actor=by,
            decidedby="another" if decision else None,
        )
        return self.take(event)

    def take(self, event: Event) -> Event:
        """An event of another writer is read."""
        owed = take(self.decider, self.stream, event, self.books)
        for echo in (event, *owed):
            assert take(self.decider, self.stream, echo, self.books) == []
        self.facts.append(event)
        self.decided += owed
        self._nothing_more(event.recordedtime)
        return event

    def until(self, instant: str) -> Told:
        """Time passes and nothing happens."""
        self.decided += settle_to(self.decider, self.stream, when(instant), self.books)
        self._nothing_more(when(instant))
        return self

    def _nothing_more(self, now: datetime) -> None:
        instant = max(now, self.stream.instant or now)
        book = self.stream.book or self.books.first
        assert self.decider.decide(self.stream.state, instant, book) == []
        assert settle_to(self.decider, self.stream, instant, self.books) == []

    # --- what came out --------------------------------------------------------------------------

    def of(self, kind: type[D]) -> list[D]:
        """The data of the decisions of one type, in order."""
        return [event.data for event in self.decided if isinstance(event.data, kind)]

    def times(self, kind: type[AnyData]) -> list[str | None]:
        """The instants of the decisions of one type."""
        return [local(event.time) for event in self.decided if isinstance(event.data, kind)]

    def deadlines(self, timer: str, **fields: Any) -> list[ev.DeadlineSet]:
        """The deadlines of a timer (and step, item), in order."""
        return [data for data in self.of(ev.DeadlineSet) if _fits(data, timer, fields)]

    def due(self, timer: str, **fields: Any) -> str | None:
        """The due of the timer's last deadline; None if it never had one."""
        found = self.deadlines(timer, **fields)
        return local(found[-1].due_at) if found else None

    def alerts(self, timer: str, **fields: Any) -> list[tuple[str | None, str]]:
        """(instant, level) of each alert of a timer."""
        return [
            (local(event.time), event.data.level)
            for event in self.decided
            if isinstance(event.data, ev.AlertRaised) and _fits(event.data, timer, fields)
        ]

    def cleared(self, timer: str, **fields: Any) -> list[tuple[str | None, str]]:
        return [
            (local(event.time), event.data.level)
            for event in self.decided
            if isinstance(event.data, ev.AlertCleared) and _fits(event.data, timer, fields)
        ]

    def running(self) -> set[str]:
        """The timers that have a deadline and were not stopped."""
        clocks = self.stream.state.clocks
        return {clock.timer for clock in clocks if clock.running and clock.set_id is not None}


def _fits(data: Any, timer: str, fields: dict[str, Any]) -> bool:
    return data.timer == timer and all(getattr(data, key) == want for key, want in fields.items())


# --- a case to begin with -----------------------------------------------------------------------


def complaint(received: str, **fields: Any) -> ev.ComplaintReceived:
    """One worker, three months, 12,000 yuan, at the city's window, unless told otherwise."""
    claim = {
        "line": "1",
        "amount_fen": 1_200_000,
        "months_from": "2021-07",
        "months_to": "2021-09",
    }
    values: dict[str, Any] = {
        "source": "window",
        "source_ref": "1",
        "received_at": when(received),
        "workers": 1,
        "claims": [claim],
    }
    return ev.ComplaintReceived.model_validate(values | fields)


def assignment(**fields: Any) -> ev.CaseAssigned:
    values: dict[str, Any] = {
        "cause": "acceptance",
        "task_force": "TF1",
        "township": TANGZHUANG,
        "rule": "R8",
        "township_from": {"rule": "site"},
    }
    return ev.CaseAssigned.model_validate(values | fields)


def reassignment(**fields: Any) -> ev.CaseReassigned:
    values: dict[str, Any] = {
        "cause": "decision",
        "task_force": "TF1",
        "township": "410185001",
        "rule": "OFFICE",
        "township_from": {"rule": "office"},
        "from": {"task_force": "TF1", "township": TANGZHUANG},
    }
    return ev.CaseReassigned.model_validate(values | fields)


def received(at: str, *, recorded: str | None = None, **fields: Any) -> Told:
    case = Told()
    case.at(recorded or at, complaint(at, **fields), happened=at)
    return case


def assigned(at: str, *, urgent: bool = False, books: Books | None = None, **fields: Any) -> Told:
    """Received, accepted and assigned at one instant."""
    case = Told(books=books)
    case.at(at, complaint(at, **fields))
    case.at(at, ev.ComplaintAccepted(urgent=urgent))
    case.at(at, assignment())
    return case


def paid(case: Told, at: str, fen: int = 1_200_000, payment: str = "p1", line: str = "1") -> None:
    lines = (ev.PaidLine(line=line, amount_fen=fen),)
    case.at(at, ev.PaymentVerified(payment=payment, lines=lines), by="TF1/task_force/a")


def reversed_(
    case: Told, at: str, fen: int = 1_200_000, payment: str = "p1", line: str = "1"
) -> None:
    lines = (ev.PaidLine(line=line, amount_fen=fen),)
    case.at(at, ev.PaymentReversed(payment=payment, lines=lines))


def reviewed(case: Told, at: str, kind: ev.ClosureKind = "PAID_IN_FULL") -> None:
    """Closure requested and passed by both reviewers at one instant."""
    case.at(at, ev.ClosureRequested(kind=kind))
    case.at(at, ev.ClosureReviewPassed(stage="tf"))
    case.at(at, ev.ClosureReviewPassed(stage="office"))


def followed_up(
    case: Told, at: str, got_paid: str = "Y", satisfaction: str = "satisfied", by: str = OFFICE
) -> Event:
    fields = {"got_paid": got_paid, "satisfaction": satisfaction}
    return case.at(at, ev.FollowUpCompleted.model_validate(fields), by=by)


def closed(at: str, **fields: Any) -> Told:
    """A case that was assigned, paid, reviewed and followed up, all at one instant."""
    case = assigned(at, **fields)
    paid(case, at)
    reviewed(case, at)
    followed_up(case, at)
    return case


def served(doc_no: str = "D1", **fields: Any) -> ev.PaymentOrderServed:
    values = {"doc_no": doc_no, "service_mode": "direct"}
    return ev.PaymentOrderServed.model_validate(values | fields)


def lines_of(amounts: Sequence[tuple[int, int]]) -> ev.FactsVerified:
    """Verified lines "1", "2"… of (fen, whole months)."""
    lines = tuple(
        ev.VerifiedLine(line=str(number), amount_fen=fen, months=months)
        for number, (fen, months) in enumerate(amounts, 1)
    )
    return ev.FactsVerified(lines=lines)
