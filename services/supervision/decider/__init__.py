"""Supervision's deciders by kind of stream: pure functions, no clock and no I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.supervision.decider.agenda import Remembered, agenda, due_now, first_instant
from services.supervision.decider.facts import evolve
from services.supervision.decider.groups import leave, tell
from services.supervision.decider.state import Watch, empty
from services.supervision.decider.units import CitySupervision, UnitSupervision
from shared.events import Event, Kind, Service
from shared.policy import Policy
from shared.settle import Decider


class CaseSupervision:
    """Supervision on a case's stream."""

    writer: Service = "supervision"
    state_type = Watch

    def initial(self, subject: str) -> Watch:
        return empty(subject)

    def evolve(self, state: Watch, event: Event) -> Watch:
        state = evolve(state, event)
        if state.members:
            state = leave(state)
        return tell(state, event) if state.leaders else state

    def __init__(self) -> None:
        self._agenda = Remembered(agenda)

    def decide(self, state: Watch, now: datetime, policy: Policy) -> list[Event]:
        return due_now(self._agenda(state, policy), now)

    def wake_at(self, state: Watch, policy: Policy) -> datetime | None:
        return first_instant(self._agenda(state, policy))


STREAMS: dict[Kind, Decider[Any]] = {
    "case": CaseSupervision(),
    "unit": UnitSupervision(),
    "city": CitySupervision(),
}
