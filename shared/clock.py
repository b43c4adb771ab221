"""The clock that decides: the wall's, or one that moves only on the log.

The only place that reads real time. A stack keeps one clock for life; `ClockAdopted` on
`governance-events` says which. Everything else is handed an instant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Protocol

Kind = Literal["wall", "log"]


class ClockUnset(LookupError):
    """The log clock has not been set: nothing has adopted it yet."""


class Clock(Protocol):
    """What tells the instant at which something is recorded; aware, UTC."""

    kind: Kind

    def now(self) -> datetime:
        """The present instant. Raises ClockUnset."""


class WallClock:
    """Real time."""

    kind: Kind = "wall"

    def now(self) -> datetime:
        return datetime.now(UTC)


class LogClock:
    """Time as `ClockAdvanced` has moved it; it never goes back."""

    kind: Kind = "log"

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at.astimezone(UTC) if at else None

    def now(self) -> datetime:
        if self._at is None:
            raise ClockUnset("the log clock has not been set")
        return self._at

    def advance(self, to: datetime) -> bool:
        """Move to `to`; False where that is not ahead."""
        if self._at is not None and to <= self._at:
            return False
        self._at = to.astimezone(UTC)
        return True


def wall_now() -> datetime:
    """Real time, for what is measured and not decided: logs, durations of work, key expiry."""
    return datetime.now(UTC)
