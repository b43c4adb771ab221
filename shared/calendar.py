"""Working days and counting rules (domain 0), over a calendar that the policy book carries.

A calendar is data: next year's make-up days are only announced in autumn, so a library must
never decide at replay time. Civil dates are in Asia/Shanghai (UTC+8, no daylight saving).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final

ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
DAY: Final = timedelta(days=1)
BEYOND: Final = 3 * 366 * DAY
"""How far after its last day a calendar is still counted on; no period of ours is longer."""
_BEFORE: Final = 31 * DAY
_AFTER: Final = 366 * DAY
"""What lies within these of a calendar has room for every period before and after it."""


def civil(instant: datetime) -> date:
    """The civil date of an instant; 00:00 is of the day that begins."""
    return instant.astimezone(ZONE).date()


@lru_cache(maxsize=4096)
def start_of(day: date) -> datetime:
    """00:00 of a civil date, in UTC."""
    return datetime.combine(day, time(0), ZONE).astimezone(UTC)


def end_of(day: date) -> datetime:
    """24:00 of a civil date, which is 00:00 of the next (half-open intervals)."""
    return start_of(day + DAY)


def at_hour(day: date, hour: int) -> datetime:
    """A full hour of a civil date, in UTC."""
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


def last_day_of(due: datetime) -> date:
    """The last civil date on which an act before `due` is in time; 24:00 is of the day it ends."""
    return civil(due - timedelta(microseconds=1))


def months_after(day: date, count: int) -> date:
    """The same day `count` months later, or that month's last day (民法典 202)."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Calendar:
    """Working days from `first` to `last`; beyond `last` ordinary weekends rest.

    `rest`: statutory rest days on weekdays. `makeup`: weekend days that are worked (调休). A due
    that lies beyond `last` holds until a longer calendar is adopted, which moves it in the open.
    """

    def __init__(
        self, first: date, last: date, rest: Iterable[date], makeup: Iterable[date]
    ) -> None:
        self.first = first
        self.last = last
        self.rest = frozenset(rest)
        self.makeup = frozenset(makeup)
        span = range(first.toordinal(), (last + BEYOND).toordinal() + 1)
        self._days = [number for number in span if self.is_working(date.fromordinal(number))]

    def is_working(self, day: date) -> bool:
        return day in self.makeup or (day.weekday() < 5 and day not in self.rest)

    def covers(self, day: date) -> bool:
        """Whether every period of ours that touches `day` can be counted."""
        return self.first + _BEFORE <= day <= self.last + _AFTER

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day` (the day of the event is not counted)."""
        return self._at(bisect_right(self._days, day.toordinal()) + count - 1)

    def before(self, day: date, count: int) -> date:
        """The `count`-th working day before `day`."""
        return self._at(bisect_left(self._days, day.toordinal()) - count)

    def on_or_before(self, day: date) -> date:
        """`day`, or the last working day before it (own-side periods, pay days: 条例 14)."""
        return day if self.is_working(day) else self.before(day, 1)

    def on_or_after(self, day: date) -> date:
        """`day`, or the first working day after it (民法典 203)."""
        return day if self.is_working(day) else self.after(day, 1)

    def between(self, start: datetime, end: datetime) -> int:
        """Working days that lie wholly in [start, end)."""
        first = civil(start) if start == start_of(civil(start)) else civil(start) + DAY
        beyond = civil(end)
        low = bisect_left(self._days, first.toordinal())
        return max(0, bisect_left(self._days, beyond.toordinal()) - low)

    def _at(self, index: int) -> date:
        if 0 <= index < len(self._days):
            return date.fromordinal(self._days[index])
        raise CalendarEnds(f"the adopted calendar ends: it covers {self.first} to {self.last}")


class CalendarEnds(LookupError):
    """A day lies before the adopted calendar, or years beyond it; another must be adopted."""
