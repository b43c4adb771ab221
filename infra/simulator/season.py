"""When things happen: the shape of a winter's arrivals, and the hours at which officials act.

Acts fall on three hours of a working day and two of a rest day, so that a campaign of half a year
has few distinct instants and the player, which stops at each, stays quick.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from shared.calendar import DAY, Calendar, at_hour, civil

FIRST = date(2021, 11, 10)
LAST = date(2022, 4, 30)
FESTIVAL = date(2022, 2, 1)
CLEARINGS = (date(2021, 12, 31), date(2022, 1, 31), date(2022, 3, 31))
"""Days by whose end the campaign wants cases cleared (方案 二, 四)."""
HOURS = (9, 10, 15)
REST_HOURS = (9, 15)
RECEPTION = (9, 15)
END = at_hour(LAST, 15)


def at_opening() -> datetime:
    """09:00 of the first day."""
    return at_hour(FIRST, 9)


def weight(day: date, calendar: Calendar) -> float:
    """Relative number of complaints on a day: climbs to the weeks before 春节, then falls away."""
    until = (FESTIVAL - day).days
    if until > 12:
        level = 0.8 + 1.9 * (1 - (until - 12) / 71) ** 2
    elif until >= 2:
        level = 2.7 - 0.09 * (12 - until)
    elif until >= -6:
        level = 0.15
    else:
        level = 0.45 + 0.5 * max(0.0, 1 - abs(-until - 26) / 24)
    return level if calendar.is_working(day) else 0.3 * level


def arrivals(rng: Random, count: int, calendar: Calendar) -> list[datetime]:
    """`count` instants of arrival, in order; about 4 % arrived in the fortnight before."""
    days = [FIRST + i * DAY for i in range((LAST - FIRST).days + 1)]
    weights = [weight(day, calendar) for day in days]
    before = [FIRST - i * DAY for i in range(1, 15)]
    found: list[datetime] = []
    for day in rng.choices(days, weights, k=count - count // 25) + rng.choices(
        before, k=count // 25
    ):
        minute = rng.randint(0, 59)
        hour = rng.choices(range(7, 22), (1, 3, 6, 6, 4, 2, 2, 4, 5, 5, 4, 2, 2, 1, 1))[0]
        found.append(at_hour(day, hour) + timedelta(minutes=minute))
    return sorted(found)


def is_rush(day: date) -> bool:
    """Whether a clearing day is near: everybody works quicker then."""
    return any(0 <= (clearing - day).days <= 18 for clearing in CLEARINGS)


def is_morning(at: datetime, calendar: Calendar) -> bool:
    """Whether officials open their mail: at the first hour of a working day."""
    day = civil(at)
    return calendar.is_working(day) and at == at_hour(day, HOURS[0])


def slots(day: date, calendar: Calendar) -> tuple[int, ...]:
    return HOURS if calendar.is_working(day) else REST_HOURS


def next_slot(
    after: datetime, calendar: Calendar, hours: tuple[int, ...] | None = None
) -> datetime:
    """The first hour of office strictly after an instant; only of `hours` where given."""
    day = civil(after)
    while True:
        for hour in slots(day, calendar):
            at = at_hour(day, hour)
            if at > after and (hours is None or hour in hours):
                return at
        day += DAY


def next_working_slot(after: datetime, calendar: Calendar) -> datetime:
    """The first hour of office of a working day strictly after an instant."""
    at = next_slot(after, calendar)
    while not calendar.is_working(civil(at)):
        at = next_slot(at, calendar)
    return at
