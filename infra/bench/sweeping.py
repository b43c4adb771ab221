"""Figure: a sweep over very many open cases of which one in a hundred is due.

Supervision's table is filled beforehand with streams as supervision itself stores them; then the
log clock moves to the instant at which a hundredth of them owes a step. Timed is the way from the
clock's move to the last decision acknowledged. The peer has a table of the due streams only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from infra.bench.figures import Figure, Limit, Peer
from infra.bench.rig import STALLED_SECONDS, Database, Ends, Installation, Rig, book, reach
from infra.bench.sizes import Sizes
from infra.problem import Unready
from infra.simulator import season
from services.supervision.decider import STREAMS
from shared.envelope import derived_id, owe
from shared.events import CaseAssigned, ComplaintAccepted, ComplaintReceived, Event, TownshipFrom
from shared.log import partition_of
from shared.reconciler.rows import begin_row, shape_of, store_row
from shared.reconciler.store import Store, StoredRow
from shared.settle import Books, take

RATE: Final = Limit("at least", 1.0)
MEMORY: Final = Limit("at most", 1.1)
DAY: Final = timedelta(days=1)
START: Final = season.at_opening()
LATER: Final = START + 90 * DAY
"""When the cases that are not due were accepted."""

ROWS_AT_ONCE: Final = 20_000


@dataclass(frozen=True)
class Swept:
    """One sweep: streams due, decisions published, seconds, and the worker's memory after it."""

    due: int
    decisions: int
    seconds: float
    peak_mb: float

    def __str__(self) -> str:
        return (
            f"{self.due} due, {self.decisions} decisions in {self.seconds:.1f} s, "
            f"{self.peak_mb:.0f} MB"
        )

    @property
    def rate(self) -> float:
        """Decisions published a second."""
        return self.decisions / self.seconds


class Waiting:
    """A stored stream of a case that waits for its first step, and others just like it."""

    def __init__(self, accepted_at: datetime) -> None:
        self.model = derived_id("bench", "model")
        books = Books([book(START)])
        row = begin_row(STREAMS, self.model)
        for event in _history(self.model, accepted_at):
            take(row.decider, row.stream, event, books)
        self.row = store_row(row, books.first)
        if self.row.wake_at is None:
            raise Unready("a case that was just assigned waits for nothing")
        self.wake_at: datetime = self.row.wake_at

    def row_of(self, subject: str) -> StoredRow:
        """A case just like it."""
        return self.row._replace(
            subject=subject,
            partition=partition_of(subject),
            state=self.row.state.replace(self.model, subject),
        )


@dataclass(frozen=True)
class Group:
    """So many streams that wait for the same step."""

    name: str
    waiting: Waiting
    count: int

    def subjects(self) -> Iterator[str]:
        for number in range(self.count):
            yield derived_id("bench", self.name, str(number))

    def batches(self) -> Iterator[list[StoredRow]]:
        """Its rows, some thousands at once."""
        subjects = self.subjects()
        while chunk := list(islice(subjects, ROWS_AT_ONCE)):
            yield [self.waiting.row_of(subject) for subject in chunk]


def _history(subject: str, at: datetime) -> Iterator[Event]:
    """A case that was received, accepted and assigned."""

    def fact(data: Any, name: str) -> Event:
        return Event(
            id=derived_id(subject, name), subject=subject, time=at, recordedtime=at, data=data,
            actor="市人社局/clerk/-",
        )  # fmt: skip

    yield fact(ComplaintReceived(source="12345", source_ref="bench", received_at=at), "received")
    accepted = fact(ComplaintAccepted(), "accepted")
    yield accepted
    assigned = CaseAssigned(
        cause=accepted.id,
        task_force="TF1",
        township="410185109",
        co_handlers=(),
        rule="bench",
        township_from=TownshipFrom(rule="bench"),
    )
    yield owe(subject, at, assigned)


async def _filled(rig: Rig, what: str, groups: list[Group]) -> Installation:
    """An installation whose supervision has these streams, and has started."""
    made = await rig.installation(what, START)
    store = Store(made.settings, "supervision", shape_of(STREAMS))
    await store.open()
    await store.prepare()
    await store.close()
    schema = made.settings.schema("supervision")
    async with Database(made.settings) as database:
        for group in groups:
            for rows in group.batches():
                await database.connection.copy_records_to_table(
                    "streams", schema_name=schema, columns=StoredRow._fields, records=rows
                )
        await database.run(f'VACUUM ANALYZE "{schema}".streams')
    begun = time.monotonic()
    made.launch("supervision")
    await made.ready("supervision")
    rig.say(f"sweep: {what} is ready after {time.monotonic() - begun:.1f} s")
    return made


async def _sweep(made: Installation, to: datetime) -> Swept:
    schema = made.settings.schema("supervision")
    child = made.children["supervision"]
    async with Database(made.settings) as database, Ends(made.settings) as ends:
        due = await database.number(
            f'SELECT count(*) FROM "{schema}".streams WHERE wake_at <= $1', to
        )

        async def settled() -> int:
            """Streams that are not due any more and have nothing left to publish."""
            return due - await database.number(
                f'SELECT count(*) FROM "{schema}".streams WHERE wake_at <= $1', to
            )

        before = await ends.total()
        begun = time.monotonic()
        await made.advance(to)
        await reach(settled, due, child)
        await _published(database, schema, child.name)
        seconds = time.monotonic() - begun
        return Swept(due, await ends.total() - before, seconds, made.usage("supervision").peak_mb)


async def _remove(made: Installation, group: Group) -> None:
    """Take away what was due, so that the next sweep has as much before it as this one had."""
    async with Database(made.settings) as database:
        await database.run(
            f'DELETE FROM "{made.settings.schema("supervision")}".streams WHERE subject = ANY($1)',
            list(group.subjects()),
        )


async def _published(database: Database, schema: str, name: str) -> None:
    """Wait until no decision is left to be acknowledged."""
    deadline = time.monotonic() + STALLED_SECONDS
    while await database.number(f"SELECT count(*) FROM \"{schema}\".streams WHERE pending <> ''"):
        if time.monotonic() > deadline:
            raise Unready(f"{name} has decisions that nobody acknowledged")


async def measure(rig: Rig, sizes: Sizes, normal: float | None) -> list[Figure]:
    """Rate and memory of the sweep. `normal`: decisions a second while folding, where known."""
    due = [
        Group(f"due {number}", Waiting(START + number * DAY), sizes.due_rows)
        for number in range(sizes.runs)
    ]
    others = Group("open", Waiting(LATER), sizes.open_rows - sizes.due_rows * sizes.runs)
    small = await _filled(rig, "due", due)
    large = await _filled(rig, "open", [*due, others])
    found: dict[str, list[Swept]] = {"large": [], "small": []}
    try:
        for number, group in enumerate(due):
            for which, made in (("small", small), ("large", large)):
                swept = await _sweep(made, group.waiting.wake_at)
                found[which].append(swept)
                await _remove(made, group)
                rig.say(f"sweep {number + 1}, {which}: {swept}")
    finally:
        await small.close()
        await large.close()
    return _figures(sizes, found["large"], found["small"], normal)


def _figures(
    sizes: Sizes, large: list[Swept], small: list[Swept], normal: float | None
) -> list[Figure]:
    share = f"{large[0].due} due streams a sweep among {sizes.open_rows} open ones"
    rates = tuple(swept.rate for swept in large)
    only = f"a table of the {small[0].due} due streams and those of later sweeps"
    alone = Peer(only, "same service, same sweep", tuple(swept.rate for swept in small))
    figures = [
        Figure("sweep: decisions, by table size", "decisions/s", rates, peer=alone, note=share),
        Figure(
            "sweep: supervision's peak memory",
            "MB",
            tuple(swept.peak_mb for swept in large),
            MEMORY,
            Peer(only, "same service, same sweep", tuple(swept.peak_mb for swept in small)),
            share,
        ),
    ]
    if normal is not None:
        usual = Peer("decisions published while folding the mix", "same run", (normal,))
        figures.insert(
            0, Figure("sweep: decisions published", "decisions/s", rates, RATE, usual, share)
        )
    return figures
