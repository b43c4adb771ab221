"""A small town on a log: facts arrive, services read late, sweep, publish, are killed, lose tables.

Everything that Kafka and the reconciler do to the order of a log, in memory: partitions, lag
between writing and appending, pending decisions published twice, tables rebuilt. What comes out
is an export's lines, on which an honest audit must find nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from infra.audit.pool import Deciders
from infra.export import line_of
from services.reporting.publications import PUBLISHED
from shared.envelope import decode, derived_id, encode
from shared.events import (
    AnyData,
    ClockAdopted,
    ComplaintAccepted,
    ComplaintReceived,
    Employer,
    Event,
    ExtensionApproved,
    PolicyAdopted,
    ProgressReported,
    Service,
)
from shared.log import EPOCH, Record, partition_of, topic_of
from shared.policy import Policy, adopt, content_hash, read_book
from shared.replay import Found, resume, retake
from shared.settle import Books, Stream, begin, settle_to, take
from shared.streams import CITY, GOVERNANCE, kind_of, unit_subject
from tests.shared.toy import START, Toy

SECOND = timedelta(seconds=1)
RAW = read_book("dengfeng-2021-35")


def toy_deciders() -> Deciders:
    return {"supervision": {"case": Toy()}}


_AUTHORS: Final = {GOVERNANCE: "operator/operator/p"}


@dataclass
class Appended:
    event: Event
    appended_at: datetime


@dataclass
class Desk:
    """One service: where it has read to, its streams, and what it has not published yet."""

    service: Service
    positions: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    streams: dict[str, Stream[Any]] = field(default_factory=dict)
    pending: list[Event] = field(default_factory=list)
    stamped: set[str] = field(default_factory=set)
    """Ids of pending decisions that have the `recordedtime` of their round already."""


class Town:
    """The log, its services and a clock; every choice is made by `random`."""

    def __init__(self, deciders: Deciders, random: Random, clock: str = "wall") -> None:
        self.deciders = deciders
        self.random = random
        self.now = START
        self.log: dict[tuple[str, int], list[Appended]] = defaultdict(list)
        self.desks = {service: Desk(service) for service in deciders}
        self.adopted: list[Policy] = []
        self.facts = 0
        self.adopt(RAW)
        self.fact(GOVERNANCE, ClockAdopted.model_validate({"clock": clock}))

    @property
    def books(self) -> Books:
        return Books(self.adopted)

    # --- what people do -------------------------------------------------------------------------

    def fact(
        self,
        subject: str,
        data: AnyData,
        *,
        under_way: timedelta = 0 * SECOND,
        actor: str | None = None,
    ) -> Event:
        """Something reported; it was `under_way` to the log since it was stamped."""
        self.facts += 1
        event = Event(
            id=derived_id("fact", str(self.facts)),
            subject=subject,
            time=self.now - under_way,
            recordedtime=self.now - under_way,
            data=data,
            actor=actor or _AUTHORS.get(subject, "TF1/task_force/p"),
        )
        self.append(event)
        return event

    def issue(self, data: PUBLISHED) -> Event:
        """A publication, as reporting writes it."""
        event = Event(
            id=derived_id(GOVERNANCE, type(data).__name__, data.natural_key()),
            subject=GOVERNANCE,
            time=self.now,
            recordedtime=self.now,
            data=data,
        )
        self.append(event)
        return event

    def adopt(self, raw: dict[str, Any]) -> Policy:
        data = PolicyAdopted(book=raw["id"], hash=content_hash(raw), content=raw)
        event = self.fact(GOVERNANCE, data)
        self.adopted.append(adopt(raw, event.recordedtime, event.id))
        return self.adopted[-1]

    def append(self, event: Event, lag: float = 0.05) -> None:
        at = self.now + lag * SECOND
        place = (topic_of(event.subject), partition_of(event.subject))
        if event.subject == GOVERNANCE:
            place = (place[0], 0)
        if self.log[place]:
            at = max(at, self.log[place][-1].appended_at)
        self.log[place].append(Appended(decode(encode(event)), at))

    # --- what services do -------------------------------------------------------------------------

    def read(self, desk: Desk, most: int = 1 << 30) -> None:
        for (topic, number), records in sorted(self.log.items()):
            if topic != "case-events":
                continue
            end = min(len(records), desk.positions[number] + most)
            for record in records[desk.positions[number] : end]:
                self._take(desk, record.event)
            desk.positions[number] = end

    def _take(self, desk: Desk, event: Event) -> None:
        decider = self.deciders[desk.service].get(kind_of(event.subject))
        if decider is None:
            return
        stream = desk.streams.setdefault(event.subject, begin(decider, event.subject))
        desk.pending += take(decider, stream, event, self.books)

    def sweep(self, desk: Desk, wait: timedelta = 5 * SECOND) -> None:
        """Read to the end, then decide by the clock, for silent units too."""
        self.read(desk)
        for subject in (CITY, *map(unit_subject, self.books.latest.units)):
            decider = self.deciders[desk.service].get(kind_of(subject))
            if decider is not None:
                desk.streams.setdefault(subject, begin(decider, subject))
        for subject, stream in sorted(desk.streams.items()):
            decider = self.deciders[desk.service][kind_of(subject)]
            desk.pending += settle_to(decider, stream, self.now - wait, self.books)

    def publish(self, desk: Desk, *, killed: bool = False) -> None:
        """Append what is pending; killed before it is cleared, it is appended again later."""
        for event in desk.pending:
            if event.id not in desk.stamped:
                desk.stamped.add(event.id)
                event.recordedtime = max(self.now, event.recordedtime)
            self.append(event)
        if not killed:
            desk.pending = []

    def lose_tables(self, desk: Desk) -> None:
        """The schema is dropped: rebuild every stream from the log to its end."""
        found = Found(desk.service)
        events = [record.event for place in sorted(self.log) for record in self.log[place]]
        for event in events:
            found.add(event)
        desk.streams, desk.pending, desk.stamped = {}, [], set()
        for subject in [CITY, *map(unit_subject, self.books.latest.units)]:
            self._rebuilt(desk, subject, found)
        for event in events:
            stream = self._rebuilt(desk, event.subject, found)
            if stream is not None:
                decider = self.deciders[desk.service][kind_of(event.subject)]
                copies = found.of(event.subject)
                owed = retake(decider, stream, event, self.books, copies)
                desk.pending += [one for one in owed if one.id not in copies.by_id]
        desk.positions |= {number: len(self.log[topic, number]) for topic, number in self.log}

    def _rebuilt(self, desk: Desk, subject: str, found: Found) -> Stream[Any] | None:
        decider = self.deciders[desk.service].get(kind_of(subject))
        if decider is None:
            return None
        if subject not in desk.streams:
            stream = desk.streams[subject] = begin(decider, subject)
            copies = found.of(subject)
            owed = resume(decider, stream, self.books, copies)
            desk.pending += [one for one in owed if one.id not in copies.by_id]
        return desk.streams[subject]

    def rest(self) -> None:
        """Everybody reads, sweeps and publishes until nothing is owed."""
        for _ in range(20):
            before = sum(map(len, self.log.values()))
            for desk in self.desks.values():
                self.sweep(desk)
                self.publish(desk)
            if sum(map(len, self.log.values())) == before:
                return
        raise AssertionError("the town never comes to rest")

    # --- what the audit reads ---------------------------------------------------------------------

    def lines(self) -> list[bytes]:
        return [
            line_of(
                Record(
                    topic,
                    number,
                    offset,
                    (record.appended_at - EPOCH) // timedelta(milliseconds=1),
                    record.event.subject.encode(),
                    encode(record.event),
                )
            )
            for topic, number in sorted(self.log)
            for offset, record in enumerate(self.log[topic, number])
        ]

    def export(
        self, path: Path, change: Callable[[list[dict[str, Any]]], Any] | None = None
    ) -> Path:
        """Write the log as an export; `change` may tamper with its parsed lines."""
        docs = [orjson.loads(line) for line in self.lines()]
        if change is not None:
            change(docs)
        path.write_bytes(b"".join(orjson.dumps(doc) + b"\n" for doc in docs))
        return path


def complaint(ref: str, *, worker: str | None = None) -> ComplaintReceived:
    """A complaint of a private factory, with match keys if a worker is named."""
    keys = {"match_keys": (f"match:{worker}",)} if worker else {}
    line = {"line": "1", "worker": worker, "months_from": "2021-07", "months_to": "2021-09"} | keys
    return ComplaintReceived.model_validate(
        {
            "source": "window",
            "source_ref": ref,
            "received_at": START,
            "employer": Employer(ownership="private", industry="1811", key="k"),
            "site": {"township": "410185109"},
            "workers": 1,
            "claims": [line],
            "signals": {"version": "1"},
        }
    )


def live(town: Town, cases: int, steps: int) -> Town:
    """Let a town live: cases come in, people act, services lag and fail; then it rests."""
    random = town.random
    subjects: list[str] = []
    for _ in range(steps):
        town.now += random.choice((1, 20, 300, 3600, 7200)) * SECOND
        if len(subjects) < cases and random.random() < 0.4:
            subject = derived_id("case", str(len(subjects)))
            subjects.append(subject)
            town.fact(subject, complaint(subject, worker=f"w{random.randrange(3)}"))
            town.now += SECOND
            town.fact(subject, ComplaintAccepted())
        elif subjects:
            act: AnyData = random.choice(
                (
                    ProgressReported(),
                    ExtensionApproved(to=town.now + timedelta(hours=9), approver="office"),
                )
            )
            town.fact(random.choice(subjects), act, under_way=random.choice((0, 3, 40)) * SECOND)
        for desk in town.desks.values():
            _work(town, desk, random.random())
    town.now += timedelta(hours=30)
    town.rest()
    return town


def _work(town: Town, desk: Desk, luck: float) -> None:
    if luck < 0.15:
        return
    if luck < 0.25:
        town.read(desk, most=1)
    elif luck < 0.32:
        town.sweep(desk)
        town.publish(desk, killed=True)
    elif luck < 0.36:
        town.sweep(desk)
        town.publish(desk)
        town.lose_tables(desk)
    else:
        town.sweep(desk)
        town.publish(desk)


def parsed(lines: list[bytes]) -> list[Mapping[str, Any]]:
    return [orjson.loads(line) for line in lines]
