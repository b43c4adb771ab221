"""Small deciders for a real log: cases with one deadline, and a unit that hears of the late ones.

`python -m tests.live.toy` is supervision with these deciders instead of the real ones, with a
deadline of as many seconds as TOY_SECONDS says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.envelope import derived_id, owe
from shared.events import (
    AlertCleared,
    AlertRaised,
    ComplaintAccepted,
    DeadlineSet,
    Event,
    ProgressReported,
    Service,
    SupervisionNoticeIssued,
)
from shared.policy import Policy
from shared.reconciler.rows import Deciders
from shared.streams import unit_subject

UNIT = unit_subject("TF1")


@dataclass(frozen=True)
class Case:
    """`told`: which of case and unit have been told that it is late."""

    subject: str
    cause: str | None = None
    started_at: datetime | None = None
    set: str | None = None
    raised: str | None = None
    told: bool = False
    progress: int = 0
    stopped: tuple[str, datetime] | None = None
    cleared: bool = False


class Cases:
    """One deadline from acceptance, stopped by progress."""

    writer: Service = "supervision"
    state_type = Case

    def __init__(self, length: timedelta) -> None:
        self.length = length

    def initial(self, subject: str) -> Case:
        return Case(subject)

    def evolve(self, state: Case, event: Event) -> Case:
        match event.data:
            case ComplaintAccepted() if state.cause is None:
                return replace(state, cause=event.id, started_at=event.recordedtime)
            case ProgressReported():
                state = replace(state, progress=state.progress + 1)
                if state.cause is None or state.stopped is not None:
                    return state
                return replace(state, stopped=(event.id, event.recordedtime))
            case DeadlineSet():
                return replace(state, set=event.id)
            case AlertRaised() if event.subject == state.subject:
                return replace(state, raised=event.id)
            case AlertRaised():
                return replace(state, told=True)
            case AlertCleared():
                return replace(state, cleared=True)
            case _:
                return state

    def owed(self, state: Case) -> list[Event]:
        if state.cause is None or state.started_at is None:
            return []
        due = state.started_at + self.length
        subject = state.subject
        if state.set is None:
            data = DeadlineSet(
                cause=state.cause, timer="T09", started_at=state.started_at, due_at=due
            )
            return [owe(subject, state.started_at, data)]
        owed: list[Event] = []
        if state.stopped is None or due <= state.stopped[1]:
            if state.raised is None:
                late = AlertRaised(cause=state.set, timer="T09", level="L4", due_at=due)
                owed.append(owe(subject, due, late))
            if not state.told:
                told = AlertRaised(cause=state.set, timer="T09", level="L5", due_at=due)
                owed.append(owe(UNIT, due, told, decidedby=subject))
        if state.stopped is not None and state.raised and not state.cleared:
            over = AlertCleared(cause=state.raised, timer="T09", level="L4")
            owed.append(owe(subject, max(due, state.stopped[1]), over))
        return owed

    def decide(self, state: Case, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self.owed(state) if event.time <= now]

    def wake_at(self, state: Case, policy: Policy) -> datetime | None:
        return min((event.time for event in self.owed(state)), default=None)


@dataclass(frozen=True)
class Unit:
    """`heard`: alerts not answered by a notice yet, with their instants."""

    subject: str
    heard: tuple[tuple[str, datetime], ...] = ()
    notices: int = 0
    silent: bool = True
    began: bool = False


class Units:
    """A unit gets a notice for each late case, and one for having been silent at the start."""

    writer: Service = "supervision"
    state_type = Unit

    def initial(self, subject: str) -> Unit:
        return Unit(subject)

    def evolve(self, state: Unit, event: Event) -> Unit:
        match event.data:
            case AlertRaised():
                return replace(state, heard=(*state.heard, (event.id, event.time)))
            case SupervisionNoticeIssued(cause=cause):
                left = tuple(each for each in state.heard if each[0] != cause)
                return replace(state, heard=left, notices=state.notices + 1)
            case DeadlineSet():
                return replace(state, began=True)
            case _:
                return state

    def owed(self, state: Unit, policy: Policy) -> list[Event]:
        owed = [] if state.began else [self._beginning(state, policy)]
        for cause, at in state.heard:
            notice = SupervisionNoticeIssued(
                cause=cause, notice_no=cause[:8], to=("TF1",), reply_due_at=at
            )
            owed.append(owe(state.subject, at, notice))
        return owed

    def _beginning(self, state: Unit, policy: Policy) -> Event:
        cause = derived_id(state.subject, "begin")
        at = policy.adopted_at
        data = DeadlineSet(cause=cause, timer="T50", started_at=at, due_at=at)
        return owe(state.subject, at, data)

    def decide(self, state: Unit, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self.owed(state, policy) if event.time <= now]

    def wake_at(self, state: Unit, policy: Policy) -> datetime | None:
        return min((event.time for event in self.owed(state, policy)), default=None)


def deciders(length: timedelta) -> Deciders:
    return {"case": Cases(length), "unit": Units()}


if __name__ == "__main__":
    from shared.reconciler.service import main

    main("supervision", deciders(timedelta(seconds=float(os.environ["TOY_SECONDS"]))))
