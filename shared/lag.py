"""How far behind the log a reader is, in seconds: what `qingqian_lag_seconds` says."""

from __future__ import annotations

import time

from shared.clock import wall_now


class Lag:
    """Of one reader. After a quiet night the last folded record is old and nothing is late: so it
    is never longer than since nothing was left to read.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._level: float | None = None

    def seconds(self, behind: int, folded: int | None) -> float:
        """`behind`: records that wait; `folded`: when the broker appended the last one taken in,
        milliseconds since 1970, None where none was yet.
        """
        now = time.monotonic()
        if not behind:
            self._level = now
            return 0.0
        if folded is None:
            return now - (self._level or self._begun)
        age = max(0.0, wall_now().timestamp() - folded / 1000)
        return age if self._level is None else min(age, now - self._level)
