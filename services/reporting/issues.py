"""Issues of the 通报 (方案 五(二)三): which there are, with their numbers and cut-offs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Final

from shared.calendar import end_of, last_day_of
from shared.policy import Policy

_NONE: Final[Mapping[int, datetime]] = MappingProxyType({})


@dataclass(frozen=True)
class Issue:
    """第N期. `at`: its cut-off, 24:00 of its last day."""

    no: int
    phase: str
    at: datetime

    @property
    def date(self) -> str:
        """截至 yyyy年m月d日24时."""
        day = last_day_of(self.at)
        return f"{day.year}年{day.month}月{day.day}日24时"


def issues(policy: Policy, until: datetime, out: Mapping[int, datetime] = _NONE) -> list[Issue]:
    """The issues whose cut-off is not later than `until`, by the phases' periods.

    `out`: cut-offs of those that are out, by number. They keep both, whatever a later book says of
    the periods (I-13); the next one is the first whose cut-off is later.
    """
    ends = list(_ends(policy))
    numbered = dict(enumerate(ends, 1))
    if out:
        first, last = min(out), max(out)
        earlier = islice((end for end in ends if end < out[first]), first - 1)
        later = (end for end in ends if end > out[last])
        numbered = {**dict(enumerate(earlier, 1)), **out, **dict(enumerate(later, last + 1))}
    return [
        Issue(no, _phase_of(policy, at), at) for no, at in sorted(numbered.items()) if at <= until
    ]


def _ends(policy: Policy) -> Iterator[datetime]:
    """Every cut-off: each period's within a phase, and the phase's own end."""
    for phase in policy.content.campaign.phases:
        every = phase.ranking_every_days
        day = phase.first + timedelta(days=(every or 0) - 1)
        while every and day < phase.last:
            yield end_of(day)
            day += timedelta(days=every)
        yield end_of(phase.last)


def _phase_of(policy: Policy, at: datetime) -> str:
    """The phase of a cut-off; none under a book whose campaign does not reach it."""
    phase = policy.phase_of(last_day_of(at))
    return phase.id if phase is not None else ""
