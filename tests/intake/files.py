"""Case files for tests: a history given as facts and decisions, and acts to be judged on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from services.intake.decider import Act, By, CaseFile, Refusal, decide, evolve, initial
from shared.envelope import case_id_of
from shared.events import TYPES, AnyData, Event
from shared.policy import Policy, adopt, read_book
from shared.roles import default_by

NOW = datetime(2022, 1, 20, 2, 0, tzinfo=UTC)


@cache
def policy() -> Policy:
    return adopt(read_book("dengfeng-2021-35"), datetime(2021, 11, 10, tzinfo=UTC), "test")


def event(subject: str, type: str, number: int = 0, **data: Any) -> Event:
    """One event of a stream; `at` in `data` is its time, `by` the stream that decided it."""
    at, by = data.pop("at", NOW - timedelta(days=9)), data.pop("by", None)
    said = model(type, data)
    name = f"e{number}"
    return Event(id=name, subject=subject, time=at, recordedtime=at, data=said, decidedby=by)


def model(type: str, data: dict[str, Any]) -> AnyData:
    cls = TYPES[type]
    if "cause" in cls.model_fields:
        data = {"cause": "cause", **data}
    found: AnyData = cls.model_validate(data)
    return found


COMPLAINT = {
    "source": "window",
    "source_ref": "1",
    "received_at": "2022-01-04T01:00:00Z",
    "claims": [{"line": "1"}, {"line": "2"}],
}
CASE = case_id_of("window", "1")
ASSIGNMENT = {
    "task_force": "TF1",
    "department": None,
    "township": "410185109",
    "co_handlers": ["市交通局"],
    "rule": "R8",
    "township_from": {"text": None, "rule": "site"},
}


@dataclass
class Given:
    """A stream's history."""

    subject: str = CASE
    events: list[Event] = field(default_factory=list)

    def and_(self, type: str, **data: Any) -> Given:
        number = len(self.events) + 1
        added = event(self.subject, type, number, **data)
        return replace(self, events=[*self.events, added])

    @property
    def file(self) -> CaseFile:
        file = initial(self.subject)
        for one in self.events:
            file = evolve(file, one)
        return file

    def when(
        self,
        type: str,
        data: dict[str, Any] | None = None,
        *,
        by: By | None = None,
        at: datetime | None = None,
        now: datetime = NOW,
        master: Given | None = None,
    ) -> str:
        """What is answered: `ok`, or `<status> <code>`."""
        found = self.verdict(type, data, by=by, at=at, now=now, master=master)
        return f"{found.status} {found.code}" if isinstance(found, Refusal) else "ok"

    def verdict(
        self,
        type: str,
        data: dict[str, Any] | None = None,
        *,
        by: By | None = None,
        at: datetime | None = None,
        now: datetime = NOW,
        master: Given | None = None,
    ) -> AnyData | Refusal:
        fact = model(type, data or {})
        who = by or default_by(type, self.file, fact)
        act = Act(type, fact, at or now - timedelta(days=1), who)
        return decide(act, self.file, now, policy(), master.file if master else None)


def received() -> Given:
    return Given().and_("ComplaintReceived", **COMPLAINT)


def accepted() -> Given:
    return received().and_("ComplaintAccepted")


def assigned() -> Given:
    return accepted().and_("CaseAssigned", **ASSIGNMENT)


def handling() -> Given:
    return assigned().and_("AssignmentSigned")


def in_review() -> Given:
    return handling().and_("ClosureRequested", kind="PAID_IN_FULL")


def follow_up() -> Given:
    passed = in_review().and_("ClosureReviewPassed", stage="tf")
    return passed.and_("ClosureReviewPassed", stage="office")


def closed() -> Given:
    return follow_up().and_("CaseClosed", kind="PAID_IN_FULL")


def ordered() -> Given:
    """An order whose limit passed unpaid."""
    return handling().and_(
        "PaymentOrderServed",
        doc_no="A",
        service_mode="direct",
        limit_at="2022-01-15T16:00:00Z",
    )


def unit(code: str = "TF1") -> Given:
    return Given(f"unit:{code}")
