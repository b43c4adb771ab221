"""given / at / then for routing: facts on a case's stream in, decisions out, and nothing after."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from services.routing.decider import STREAMS
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.policy import Policy, adopt, read_book
from shared.settle import Books, begin, settle_to, take
from shared.streams import kind_of

CASE = "11111111-1111-5111-8111-111111111111"


@cache
def policy() -> Policy:
    return adopt(read_book("dengfeng-2021-35"), when("2021-11-01 00:00"), "adoption")


def when(text: str) -> datetime:
    """`2021-11-10 09:00` in Asia/Shanghai."""
    return datetime.fromisoformat(text.replace(" ", "T") + ":00+08:00").astimezone(UTC)


def fact(
    data: AnyData, at: str, *, subject: str = CASE, by: str = "-/-/-", happened: str | None = None
) -> Event:
    """An event as it stands on the log; its id follows from type, subject and instant."""
    return Event(
        id=derived_id("test", subject, type(data).__name__, at),
        subject=subject,
        time=when(happened or at),
        recordedtime=when(at),
        data=data,
        actor=by,
    )


def complaint(**fields: Any) -> ev.ComplaintReceived:
    """A private housing site in 唐庄镇, unless told otherwise."""
    values: dict[str, Any] = {
        "source": "window",
        "source_ref": "1",
        "received_at": when("2021-11-10 09:00"),
        "employer": {"uscc": "91410185MA0007014Y", "ownership": "private", "industry": "4710"},
        "project": {"funding": "private", "kind": "housing"},
        "site": {"township": "410185109"},
        "claims": [{"line": "1"}],
    }
    return ev.ComplaintReceived.model_validate(values | fields)


def accepted_complaint(**fields: Any) -> list[Event]:
    return [
        fact(complaint(**fields), "2021-11-10 09:00"),
        fact(ev.ComplaintAccepted(), "2021-11-11 10:00"),
    ]


def decisions(history: list[Event], *, until: str = "2022-04-30 00:00") -> list[Event]:
    """What the stream of the history's subject decides; asserts that nothing is owed after."""
    subject = history[0].subject
    decider = STREAMS[kind_of(subject)]
    books = Books([policy()])
    stream = begin(decider, subject)
    decided: list[Event] = []
    for event in history:
        decided += take(decider, stream, event, books)
        assert take(decider, stream, event, books) == [], "the same event twice changes nothing"
    decided += settle_to(decider, stream, when(until), books)
    assert decider.decide(stream.state, when(until), policy()) == []
    return decided


def of(decided: list[Event], kind: type[AnyData]) -> list[Any]:
    """The data of the decisions of one type."""
    return [event.data for event in decided if isinstance(event.data, kind)]
