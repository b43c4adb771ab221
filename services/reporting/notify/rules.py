"""Which events are told, to whom, and what makes telling them pointless: pure functions.

A notification is one event for one post or unit. It is sent from the folded state: while its
decision is on the log and no later event has ended it (design 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from services.reporting.sentences import sentence
from shared import events as ev
from shared.calendar import DAY, ZONE, at_hour, civil
from shared.envelope import data_json, derived_id
from shared.events import Event, instant_text
from shared.policy import Policy, QuietHours
from shared.roles import LABOUR

Kind = Literal["alert", "interview", "notice", "escalation", "reply_owed", "referral"]

WANTED: Final = frozenset(
    (
        "AlertRaised",
        "AlertCleared",
        "SupervisionNoticeIssued",
        "SupervisionNoticeReplied",
        "InterviewHeld",
        "CaseEscalated",
        "SourceReplyOwed",
        "SourceReplied",
        "CaseReopened",
        "ReferralThresholdMet",
        "ReferralProposed",
        "ReferralDeclined",
    )
)
"""Types that are told or that end what is told; others need not be read."""

_INTERVIEW: Final = "L5"
"""约谈: the task force's deputy leader interviews at this level (domain 4.3)."""


@dataclass(frozen=True)
class Notification:
    """One event for one recipient. `ends`: keys; an event that has one of them ends it."""

    id: str
    event_id: str
    subject: str
    kind: Kind
    recipient: str
    level: str | None
    timer: str | None
    ends: tuple[str, ...]
    body: dict[str, Any]


def notifications(
    event: Event, policy: Policy, reached: Mapping[str, Sequence[str]]
) -> list[Notification]:
    """What an event tells, by recipient. `reached`: whom each known alert reached, by its id."""
    data = event.data
    match data:
        case ev.AlertRaised():
            return [_alerted(event, data, to, policy) for to in data.recipients]
        case ev.SupervisionNoticeIssued():
            ends = (f"alert|{data.cause}", f"notice|{event.subject}|{data.notice_no}")
            return [_told(event, "notice", to, ends) for to in data.to]
        case ev.CaseEscalated():
            to = _taken_over_by(data, policy, reached.get(data.cause, ()))
            return [_told(event, "escalation", to, (f"alert|{data.cause}",))]
        case ev.SourceReplyOwed():
            reply = f"reply|{event.subject}|{data.source}|{data.source_ref}"
            return [_told(event, "reply_owed", LABOUR, (reply, f"closed|{event.subject}"))]
        case ev.ReferralThresholdMet():
            return [_told(event, "referral", LABOUR, (f"referral|{event.subject}",))]
        case _:
            return []


def ended(event: Event) -> tuple[str, ...]:
    """The keys of what an event ends."""
    data = event.data
    match data:
        case ev.AlertCleared():
            return (f"alert|{data.cause}",)
        case ev.SupervisionNoticeReplied() if data.notice_no is not None:
            return (f"notice|{event.subject}|{data.notice_no}",)
        case ev.InterviewHeld():
            return (f"interview|{event.subject}",)
        case ev.SourceReplied():
            return (f"reply|{event.subject}|{data.source}|{data.source_ref}",)
        case ev.CaseReopened():
            return (f"closed|{event.subject}",)
        case ev.ReferralProposed() | ev.ReferralDeclined():
            return (f"referral|{event.subject}",)
        case _:
            return ()


def _alerted(event: Event, data: ev.AlertRaised, to: str, policy: Policy) -> Notification:
    ends = (f"alert|{event.id}",)
    deputies = {entry.deputy_post for entry in policy.content.organisation.task_forces}
    if data.level == _INTERVIEW and to in deputies:
        return _told(event, "interview", to, (*ends, f"interview|{event.subject}"))
    return _told(event, "alert", to, ends)


def _taken_over_by(data: ev.CaseEscalated, policy: Policy, reached: Sequence[str]) -> str:
    """The post that takes the case over (包案): the leader whom the alert reached, or the mayor."""
    posts = policy.content.organisation.posts
    if data.to == "convener":
        return posts["convener"]
    leaders = {entry.leader_post for entry in policy.content.organisation.task_forces}
    leaders |= {posts["vice_convener"], posts["police_vice_convener"]}
    return next((to for to in reached if to in leaders), posts["vice_convener"])


def _told(event: Event, kind: Kind, to: str, ends: tuple[str, ...]) -> Notification:
    data = data_json(event.data)
    level, timer = data.get("level"), data.get("timer")
    body = {
        "type": f"qingqian.{kind}",
        "timestamp": instant_text(event.time),
        "data": {
            "to": to,
            "subject": event.subject,
            "event_id": event.id,
            "event_type": event.type,
            "level": level,
            "timer": timer,
            "due_at": data.get("due_at") or data.get("reply_due_at"),
            "sentence": sentence(event.type, data, "-", "zh"),
        },
    }
    name = derived_id("notification", event.id, to)
    return Notification(name, event.id, event.subject, kind, to, level, timer, ends, body)


# --- quiet hours ---------------------------------------------------------------------------------


def quiet_until(now: datetime, quiet: QuietHours | None) -> datetime | None:
    """When the quiet hours end in which `now` lies; None outside them. Ends are half-open."""
    if quiet is None or quiet.from_hour == quiet.to_hour:
        return None
    day, hour = civil(now), now.astimezone(ZONE).hour
    over_midnight = quiet.from_hour > quiet.to_hour
    if over_midnight and hour >= quiet.from_hour:
        return at_hour(day + DAY, quiet.to_hour)
    if over_midnight and hour < quiet.to_hour:
        return at_hour(day, quiet.to_hour)
    if not over_midnight and quiet.from_hour <= hour < quiet.to_hour:
        return at_hour(day, quiet.to_hour)
    return None
