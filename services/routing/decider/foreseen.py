"""What a stream was found to owe when it was asked when it wakes, kept until it decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from shared.events import Event
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Hearing(Frozen, frozen=True, kw_only=True):
    """What every stream of routing keeps. `heard_at`: when what last changed its view was known."""

    heard_at: datetime | None = None


S = TypeVar("S", bound=Hearing)


def heard(before: S, after: S, event: Event) -> S:
    """The view after an event, with when it last changed."""
    known = before.heard_at
    if after is before or (known is not None and event.known_at <= known):
        return after
    return replace(after, heard_at=event.known_at)


class Foreseen(Generic[S]):
    """Between `wake_at` and `decide` of one state the same list would be made twice.

    Handed out once: whoever gets decisions may stamp them, and the next to ask gets its own.
    """

    def __init__(self, owed: Callable[[S, Policy], list[Event]]) -> None:
        self._owed = owed
        self._last: tuple[S, Policy, list[Event]] | None = None

    def look(self, state: S, policy: Policy) -> list[Event]:
        """What the state owes, to look at only."""
        events = self._follow(state, policy)
        self._last = (state, policy, events) if events else None
        return events

    def take(self, state: S, policy: Policy) -> list[Event]:
        """What the state owes, to keep."""
        last, self._last = self._last, None
        if last is not None and last[0] is state and last[1] is policy:
            return last[2]
        return self._follow(state, policy)

    def _follow(self, state: S, policy: Policy) -> list[Event]:
        """Routing waits for no clock: what it owes only now, it owes by what it heard last (domain
        4.1: a decision counts from its time, and steps before it are not raised).

        Its other conditions may have held for days, as the match of a line whose case goes on
        elsewhere once the rest of its lines have moved.
        """
        events = self._owed(state, policy)
        if state.heard_at is not None:
            for event in events:
                event.time = event.recordedtime = max(event.time, state.heard_at)
        return events
