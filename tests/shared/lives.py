"""Lives of cases that could have been: acts that intake would take, at any pace, decided live.

The acts are drawn from every type that is possible in the state that the case is in; routing
and supervision decide in continuous time. What comes out is the log of a small city, with all
that services say to each other on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from infra.world import World
from services.intake.decider import POSSIBLE, CaseFile, evolve, initial
from shared.envelope import derived_id
from shared.events import TYPES, Decision, Event, instant_text
from shared.policy import Policy, adopt, read_book
from shared.settle import Books
from shared.streams import kind_of
from tests.shared.examples import EXAMPLES, FACTS

OPENING = datetime.fromisoformat("2021-11-10T01:00:00+00:00")
RAW = read_book("dengfeng-2021-35")
BOOKS = Books([adopt(RAW, OPENING, "adoption")])
GAPS = (1, 3600, 6 * 3600, 24 * 3600, 4 * 24 * 3600, 12 * 24 * 3600)
"""Seconds between two acts: at once, within the day, after a weekend, after a fortnight."""

FORWARD = (
    "ComplaintAccepted",
    "TriageDecided",
    "AssignmentSigned",
    "FirstContactMade",
    "FactsVerified",
    "PaymentRecorded",
    "PaymentVerified",
    "ClosureRequested",
    "ClosureReviewPassed",
    "FollowUpCompleted",
)
"""The plain way through a case, drawn as often as everything else together."""


def short_book() -> Policy:
    """A second book for the middle of a life: other lengths, the same organisation."""
    raw = dict(RAW)
    raw["timers"] = [
        timer | {"length": {"unit": "wd", "n": 1}} if timer["id"] in ("T05", "T08") else timer
        for timer in RAW["timers"]
    ]
    return adopt(raw, OPENING + timedelta(days=9, hours=5), "second adoption")


class Life:
    """A city as it goes: `world.log` is its log."""

    def __init__(self, books: Books) -> None:
        self.world = World(books, watch=self._watch)
        self.now = OPENING
        self.files: dict[str, CaseFile] = {}
        self.cases: list[str] = []
        self._numbers = iter(range(1, 10_000))
        self.world.begin_units(OPENING)

    def _watch(self, event: Event) -> None:
        file = self.files.get(event.subject) or initial(event.subject)
        self.files[event.subject] = evolve(file, event)

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.world.run_until(self.now)

    def possible(self, subject: str) -> list[str]:
        """Types of facts that could be reported of a case now."""
        state = self.files[subject].state
        return [
            name
            for name in FACTS
            if "case" in TYPES[name].streams
            and name != "ComplaintReceived"
            and state in POSSIBLE.get(name, (state,))
        ]

    def receive(self, source: str, worker: str, kind: str) -> None:
        """A complaint of one of a few workers at one employer, so that some of them meet."""
        number = str(next(self._numbers))
        line = EXAMPLES["ComplaintReceived"]["claims"][0]
        data = EXAMPLES["ComplaintReceived"] | {
            "source": source,
            "source_ref": number,
            "kind": kind,
            "received_at": instant_text(self.now),
            "external_due_at": None,
            "claims": [line | {"worker": worker, "match_keys": [f"match:{worker}"]}],
        }
        subject = derived_id("life", number)
        self.cases.append(subject)
        self.report(subject, "ComplaintReceived", data)

    def report(
        self, subject: str, name: str, data: dict[str, Any], filed_late: timedelta = timedelta(0)
    ) -> None:
        event = Event(
            id=derived_id("act", str(next(self._numbers))),
            subject=subject,
            time=self.now - filed_late,
            recordedtime=self.now,
            data=TYPES[name].model_validate(data),
            actor="TF1/task_force/p",
        )
        self.world.append(event)

    def say(self, subject: str, name: str, draw: st.DrawFn) -> dict[str, Any]:
        """What an act says: its example, with what depends on the moment."""
        data = dict(EXAMPLES[name])
        if "to" in data:
            data["to"] = instant_text(self.now + timedelta(days=draw(st.integers(1, 12))))
        if "limit_at" in data:
            data["limit_at"] = instant_text(self.now + timedelta(days=draw(st.integers(1, 9))))
        if "incident" in data:
            incidents = [e.id for e in self.world.log if e.type == "ExtremeIncidentReported"]
            data["incident"] = incidents[-1] if incidents else data["incident"]
        if name.startswith("Payment") and "payment" in data:
            data["payment"] = f"P-{draw(st.integers(1, 2))}"
            data["lines"] = [
                {"line": "1", "amount_fen": draw(st.sampled_from((600_000, 1_200_000)))}
            ]
        if "stage" in data:
            passed = self.files[subject].tf_passed
            data["stage"] = "office" if passed else "tf"
        if name == "FollowUpCompleted":
            data["got_paid"] = draw(st.sampled_from(("Y", "N", "part")))
        if name == "MergeApproved":
            others = [case for case in self.cases if case != subject]
            data["master"] = others[0] if others else data["master"]
        return data


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A few weeks of a few cases."""
    books = draw(st.sampled_from((BOOKS, Books([*BOOKS.adopted, short_book()]))))
    life = Life(books)
    for _ in range(draw(st.integers(3, 14), label="acts")):
        life.wait(draw(st.sampled_from(GAPS)))
        if len(life.cases) < 3 and (not life.cases or draw(st.integers(0, 5)) == 0):
            source = draw(st.sampled_from(("national", "12345", "window", "xinfang")))
            worker = draw(st.sampled_from(("w1", "w2")))
            life.receive(source, worker, draw(st.sampled_from(("complaint", "supervised"))))
            continue
        subject = draw(st.sampled_from(life.cases))
        possible = life.possible(subject)
        forward = [name for name in FORWARD if name in possible]
        onward: bool = draw(st.booleans())
        names = forward if forward and onward else possible
        name = draw(st.sampled_from(names))
        late = timedelta(days=draw(st.sampled_from((0, 0, 0, 4))))
        life.report(subject, name, life.say(subject, name, draw), late)
    life.wait(draw(st.sampled_from(GAPS)))
    return life


def streams_of(life: Life, kinds: tuple[str, ...]) -> list[str]:
    """The subjects of these kinds, in order of appearance."""
    subjects = dict.fromkeys(event.subject for event in life.world.log)
    return [subject for subject in subjects if kind_of(subject) in kinds]


def decided_by(life: Life, service: str, subject: str) -> list[Event]:
    """What a service's stream of a subject decided, wherever it stands."""
    return [
        event
        for event in life.world.log
        if isinstance(event.data, Decision)
        and event.data.writer == service
        and event.decider == subject
    ]
