"""A small decider with everything a real one has: a timer, a ladder, a stop, a move, a book.

A case accepted is due after as many hours as the book says; L1 at half of it, L2 at the due
instant; progress stops it and clears what was raised; an extension moves it. Short enough to
read, so that a law that fails points at settle or replay and not at a rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.envelope import derived_id, owe
from shared.events import (
    AlertCleared,
    AlertRaised,
    AnyData,
    ComplaintAccepted,
    DeadlineSet,
    Event,
    ExtensionApproved,
    Level,
    ProgressReported,
    Service,
)
from shared.policy import Content, Policy

START = datetime(2021, 11, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Timer:
    """`set`: id of the DeadlineSet once it is decided."""

    cause: str
    started_at: datetime
    due_at: datetime | None
    set: str | None = None
    raised: tuple[tuple[str, str], ...] = ()
    stopped: tuple[str, datetime] | None = None
    cleared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    subject: str
    timer: Timer | None = None


class Toy:
    """Supervision, in small."""

    writer: Service = "supervision"
    state_type = Case

    def initial(self, subject: str) -> Case:
        return Case(subject)

    def evolve(self, state: Case, event: Event) -> Case:
        timer, data = state.timer, event.data
        if isinstance(data, ComplaintAccepted):
            return replace(state, timer=Timer(event.id, event.recordedtime, None))
        if timer is None:
            return state
        match data:
            case ExtensionApproved() if timer.stopped is None:
                timer = Timer(event.id, event.recordedtime, data.to)
            case ProgressReported() if timer.stopped is None:
                timer = replace(timer, stopped=(event.id, event.recordedtime))
            case DeadlineSet():
                timer = replace(timer, set=event.id, due_at=data.due_at)
            case AlertRaised():
                timer = replace(timer, raised=(*timer.raised, (data.level, event.id)))
            case AlertCleared():
                timer = replace(timer, cleared=(*timer.cleared, data.cause))
            case _:
                pass
        return replace(state, timer=timer)

    def owed(self, state: Case, policy: Policy) -> list[Event]:
        timer = state.timer
        if timer is None:
            return []
        if timer.set is None:
            due = timer.due_at or timer.started_at + hours(policy)
            data = DeadlineSet(
                cause=timer.cause, timer="T09", started_at=timer.started_at, due_at=due
            )
            return [owe(state.subject, timer.started_at, data)]
        if timer.stopped is not None:
            return self._clearances(state, timer)
        assert timer.due_at is not None
        half = timer.started_at + (timer.due_at - timer.started_at) / 2
        done = {level for level, _ in timer.raised}
        ladder: tuple[tuple[Level, datetime], ...] = (("L1", half), ("L2", timer.due_at))
        return [self._alert(state, timer, level, at) for level, at in ladder if level not in done]

    def _alert(self, state: Case, timer: Timer, level: Level, at: datetime) -> Event:
        assert timer.set is not None
        assert timer.due_at is not None
        data = AlertRaised(cause=timer.set, timer="T09", level=level, due_at=timer.due_at)
        return owe(state.subject, at, data)

    def _clearances(self, state: Case, timer: Timer) -> list[Event]:
        assert timer.stopped is not None
        return [
            owe(
                state.subject,
                timer.stopped[1],
                AlertCleared.model_validate({"cause": id_, "timer": "T09", "level": level}),
            )
            for level, id_ in timer.raised
            if id_ not in timer.cleared
        ]

    def decide(self, state: Case, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self.owed(state, policy) if event.time <= now]

    def wake_at(self, state: Case, policy: Policy) -> datetime | None:
        return min((event.time for event in self.owed(state, policy)), default=None)


def hours(policy: Policy) -> timedelta:
    """How long a case has: `hours` of a toy book; of a real one, its extension's days as hours."""
    return int(policy.raw.get("hours") or policy.raw["handling"]["extension_wd"]) * HOUR


def book(hours: int = 10, at: datetime = START, name: str = "toy") -> Policy:
    """A book that says only how many hours a case has."""
    raw = {"hours": hours}
    digest = derived_id(name, str(hours))
    return Policy(Content.model_construct(id=name), raw, digest, at, f"adopted-{digest}")


def fact(
    number: int,
    data: AnyData,
    at: datetime,
    *,
    subject: str = "case-1",
    policy: str | None = None,
) -> Event:
    """A fact with an id that is easy to read."""
    return Event(
        id=f"{subject}-{number}",
        subject=subject,
        time=at,
        recordedtime=at,
        data=data,
        actor="TF1/task_force/p",
        policy=policy,
    )
