"""What reporting has published, as it stands on `governance-events`, and what it owes next.

An issue of the 通报 comes out at the book's hour of the first working day after its cut-off, with
the rankings, the 台账, the corrections of the issue before and the targets that fell due (方案
五(二)三; domain 6.5, scenario 21; I-13). Issues whose cut-off had passed when the log began are not
owed: nothing was known then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from services.reporting.issues import Issue, issues
from shared.calendar import CalendarEnds, at_hour, civil, end_of, last_day_of
from shared.envelope import derived_id
from shared.events import (
    BulletinIssued,
    CheckpointSigned,
    CorrectionIssued,
    Event,
    LedgerSnapshotTaken,
    PhaseTargetEvaluated,
    PolicyAdopted,
    RankingPublished,
)
from shared.policy import Policy
from shared.streams import GOVERNANCE

PUBLISHED = (
    RankingPublished
    | BulletinIssued
    | LedgerSnapshotTaken
    | CorrectionIssued
    | PhaseTargetEvaluated
    | CheckpointSigned
)
"""What this service writes; each has a natural key."""


KINDS: Final[tuple[Literal["task_forces", "townships"], ...]] = ("task_forces", "townships")
"""The rankings of an issue."""


def id_of(data: PUBLISHED) -> str:
    """The id of the event that says this: there is one of each natural key."""
    return derived_id(GOVERNANCE, type(data).__name__, data.natural_key())


def comes_out_at(issue: Issue, policy: Policy) -> datetime | None:
    """When an issue comes out; None under a book that lets none come out.

    None as well where the book's calendar does not reach so far: until a longer one is adopted.
    """
    hour = policy.content.campaign.publish_hour
    if hour is None:
        return None
    try:
        return at_hour(policy.calendar.after(last_day_of(issue.at), 1), hour)
    except CalendarEnds:
        return None


@dataclass(frozen=True)
class Due:
    """An issue that is owed from `at` on. `before`: the one that came out before, if one did."""

    issue: Issue
    before: Issue | None
    at: datetime


T = TypeVar("T")


@dataclass(frozen=True)
class Standing(Generic[T]):
    """What is kept of an event that stands on the log."""

    id: str
    recordedtime: datetime
    data: T


class Publications:
    """Hears every governance event, in order."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.bulletins: dict[int, Standing[BulletinIssued]] = {}
        """By the number of their issue."""
        self._ranked: dict[tuple[int, str], datetime] = {}
        self.checkpoints: list[Standing[CheckpointSigned]] = []
        self.is_ours: Callable[[CheckpointSigned], bool] = lambda _: True
        """Whether a checkpoint is of this installation; others are heard as if not there."""
        self.began: datetime | None = None
        self.owes_checkpoint = False
        """An issue stands on the log that no checkpoint has signed."""

    def hear(self, event: Event) -> None:
        """Take in one event; of a checkpoint without its marks, which are most of it.

        One whose id is not that of its issue is none of ours, and keeps none of ours from coming
        out.
        """
        data = event.data
        if isinstance(data, PolicyAdopted) and self.began is None:
            self.began = event.recordedtime
        if not isinstance(data, PUBLISHED) or event.id != id_of(data):
            return
        if isinstance(data, CheckpointSigned) and not self.is_ours(data):
            return
        self.ids.add(event.id)
        if isinstance(data, RankingPublished):
            self._ranked[data.issue_no, data.kind] = data.as_of
        elif isinstance(data, BulletinIssued):
            self.bulletins[data.issue_no] = Standing(event.id, event.recordedtime, data)
            self.owes_checkpoint = True
        elif isinstance(data, CheckpointSigned):
            light = data.model_copy(update={"marks": None})
            self.checkpoints.append(Standing(event.id, event.recordedtime, light))
            self.owes_checkpoint = False

    def next_issue(self, policy: Policy) -> Due | None:
        """The issue that comes out next; None where the campaign has no other."""
        all_ = issues(policy, end_of(policy.content.campaign.phases[-1].last), self.cut_offs)
        out = self.cut_offs
        for issue in all_:
            if self.came_out(issue) and issue.no not in out:
                at = comes_out_at(issue, policy)
                return Due(issue, self.before(issue, all_), at) if at is not None else None
        return None

    @property
    def cut_offs(self) -> dict[int, datetime]:
        """Of the issues that are out, by number.

        Ours come out with their rankings. A bulletin without them, or of another cut-off than
        theirs, is somebody else's: the issue is still to come out, and none after it is passed
        over.
        """
        return {
            number: self._ranked[number, KINDS[0]]
            for number in self.bulletins
            if all((number, kind) in self._ranked for kind in KINDS)
        }

    def before(self, issue: Issue, among: Sequence[Issue]) -> Issue | None:
        """The issue that `issue` corrects: the one before it, if that one came out."""
        return next(
            (item for item in among if item.no == issue.no - 1 and self.came_out(item)), None
        )

    def came_out(self, issue: Issue) -> bool:
        """Whether anybody was told of it: those of before the log began never were."""
        return self.began is not None and issue.at > self.began

    def day_is_over(self, now: datetime) -> bool:
        """Whether a civil day ended since the last checkpoint, or since the log began."""
        last = self.checkpoints[-1].recordedtime if self.checkpoints else self.began
        return last is not None and civil(now) > civil(last)
