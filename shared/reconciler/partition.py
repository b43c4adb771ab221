"""One partition in the hands of one worker: its position, its lock, its streams in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Final

from shared.lag import Lag
from shared.reconciler.rows import Cache
from shared.reconciler.store import Held

STUCK_AFTER: Final = 90.0
"""Seconds without progress, while records wait and nothing is known to be broken, after which a
worker is beyond help."""

ITS_TURN: Final = 10
"""How many times that a partition may wait while others of the same worker move: a large backlog
on a machine that has no time for us is folded by turns, and ending the process only adds to it."""


class Standing(Enum):
    """ASSIGNED: to be claimed. HELD: ours. LOST: somebody else owns it. GONE: revoked."""

    ASSIGNED = "assigned"
    HELD = "held"
    LOST = "lost"
    GONE = "gone"


class Partition:
    """What a worker knows of one assigned partition.

    `lock` covers fold, decide, write, publish and clear; nothing of the partition is written
    without it. `next_wake` is not later than the earliest wake-up stored; `wake_moved`: that one
    may be later by now; `heeded` counts its changes. `books_begun`: of how many books the units
    have rows. `moved` (monotonic seconds): when the position last changed or nothing was left to
    read. `news`: while what was on the log at the claim is read, the ids of facts folded since; an
    own decision that rests on one of them was made by tables newer than these.
    """

    def __init__(self, number: int, most_streams: int) -> None:
        self.number = number
        self.lock = asyncio.Lock()
        self.cache = Cache(most_streams)
        self.standing = Standing.ASSIGNED
        self.held: Held | None = None
        self.next = 0
        self.end = 0
        self.next_wake: datetime | None = None
        self.wake_moved = False
        self.heeded = 0
        self.books_begun = 0
        self.last_timestamp: int | None = None
        self.moved = time.monotonic()
        self.lag = Lag()
        self.lost_at = 0.0
        self.news: set[str] | None = None
        self.progress = asyncio.Event()

    @property
    def behind(self) -> int:
        """Records between the position and the end last seen."""
        return max(0, self.end - self.next)

    def hold(self, held: Held) -> None:
        """The position as committed."""
        if held.next != self.next:
            self.moved = time.monotonic()
        self.held = held
        self.next = held.next
        self.end = max(self.end, held.next)
        self.standing = Standing.HELD
        self.progress.set()

    def forget(self) -> None:
        """Drop what memory says: the row decides how to go on."""
        self.cache.clear()
        self.held = None
        self.news = None
        self.books_begun = 0
        if self.standing is Standing.HELD:
            self.standing = Standing.ASSIGNED

    def lose(self) -> None:
        """Another worker owns it; memory is worthless."""
        self.forget()
        self.lost_at = time.monotonic()
        if self.standing is not Standing.GONE:
            self.standing = Standing.LOST
        self.progress.set()

    def revoke(self) -> None:
        """The group gave it to another worker."""
        self.standing = Standing.GONE
        self.progress.set()

    def wakes_by(self, cut: datetime) -> bool:
        return self.next_wake is not None and self.next_wake <= cut

    def heed(self, before: datetime | None, wake: datetime | None) -> None:
        """Lower `next_wake` to a wake-up just stored in place of `before`."""
        self.heeded += 1
        if wake is not None and (self.next_wake is None or wake <= self.next_wake):
            self.next_wake = wake
        elif before is not None and before == self.next_wake:
            self.wake_moved = True


def excuse(partitions: Iterable[Partition], seconds: float, now: float) -> None:
    """Seconds in which the loop itself did not run, for a long fold or a machine without time for
    us, are nobody's standing still: what comes next in them could not come.
    """
    for each in partitions:
        each.moved = min(each.moved + seconds, now)


def stuck(partitions: Iterable[Partition], now: float) -> Partition | None:
    """A partition that stands still and will not move again by itself; `now`: monotonic seconds."""
    behind = [each for each in partitions if each.behind]
    if not behind:
        return None
    working = now - max(each.moved for each in behind) <= STUCK_AFTER
    patience = STUCK_AFTER * ITS_TURN if working else STUCK_AFTER
    longest = min(behind, key=lambda each: each.moved)
    return longest if now - longest.moved > patience else None
