"""What a stream was found to owe when it was asked when it wakes, kept until it decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.events import Event
from shared.policy import Policy

S = TypeVar("S")


class Foreseen(Generic[S]):
    """Between `wake_at` and `decide` of one state the same list would be made twice.

    Handed out once: whoever gets decisions may stamp them, and the next to ask gets its own.
    """

    def __init__(self, owed: Callable[[S, Policy], list[Event]]) -> None:
        self._owed = owed
        self._last: tuple[S, Policy, list[Event]] | None = None

    def look(self, state: S, policy: Policy) -> list[Event]:
        """What the state owes, to look at only."""
        events = self._owed(state, policy)
        self._last = (state, policy, events) if events else None
        return events

    def take(self, state: S, policy: Policy) -> list[Event]:
        """What the state owes, to keep."""
        last, self._last = self._last, None
        if last is not None and last[0] is state and last[1] is policy:
            return last[2]
        return self._owed(state, policy)
