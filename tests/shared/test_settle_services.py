"""The laws of design 4 on routing's and supervision's own deciders, over lives of whole cases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.routing.decider import STREAMS as ROUTING
from services.supervision.decider import STREAMS as SUPERVISION
from shared.events import Decision, Event, Kind, Service
from shared.settle import Decider
from shared.streams import CITY, kind_of
from tests.shared import laws
from tests.shared.lives import BOOKS, Life, decided_by, lives, streams_of

DECIDERS: dict[Service, dict[Kind, Decider[Any]]] = {"routing": ROUTING, "supervision": SUPERVISION}
KINDS: tuple[tuple[Service, Kind], ...] = tuple(
    (service, kind) for service, kinds in DECIDERS.items() for kind in kinds
)
some = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def histories(life: Life) -> Iterator[tuple[Decider[Any], str, list[Event]]]:
    """Streams of every kind with their foreign events: what others put on them, in order."""
    for service, kind in KINDS:
        subjects = streams_of(life, (kind,))
        for subject in subjects[:3] if kind in ("case", "match", "group") else subjects[:1]:
            foreign = [
                event
                for event in life.world.log
                if event.subject == subject
                and not (
                    isinstance(event.data, Decision)
                    and event.data.writer == service
                    and event.decider == subject
                )
            ]
            yield DECIDERS[service][kind], subject, foreign


@some
@given(life=lives())
def test_decides_iff_awake(life: Life) -> None:
    for decider, subject, history in histories(life):
        laws.decides_iff_awake(
            decider, subject, history, life.world.books, life.now + timedelta(days=1)
        )


@some
@given(life=lives())
def test_evolve_never_reads_when_a_decision_was_written(life: Life) -> None:
    for decider, subject, history in histories(life):
        laws.ignores_when_a_decision_was_written(
            decider, subject, history, life.world.books, life.now
        )


@some
@given(life=lives())
def test_a_city_decides_what_each_stream_alone_decides(life: Life) -> None:
    for decider, subject, history in histories(life):
        alone = laws.live(decider, subject, history, life.world.books, life.now)
        assert laws.outcome(alone) == laws.outcome(decided_by(life, decider.writer, subject))


@some
@given(life=lives())
def test_replays_to_itself(life: Life) -> None:
    for decider, subject, history in histories(life):
        laws.replays_to_itself(decider, subject, history, life.world.books, life.now)


@some
@given(life=lives(), data=st.data())
def test_batches_do_not_matter(life: Life, data: st.DataObject) -> None:
    """Read late, in batches, killed before the clearing, tables lost: the same decisions."""
    for decider, subject, history in histories(life):
        worker = laws.Worker(decider, subject, life.world.books)
        for event in history:
            act = data.draw(st.sampled_from(("sweep", "read", "lag", "kill", "lose")))
            if act == "sweep":
                worker.sweep(event.recordedtime - timedelta(microseconds=1))
            worker.log.append(event)
            if act == "read":
                worker.fold(data.draw(st.integers(1, 3)))
                worker.publish(event.recordedtime)
            elif act == "kill":
                worker.publish_and_forget(event.recordedtime)
            elif act == "lose":
                worker.lose_tables()
        worker.sweep(life.now)
        worker.publish(life.now)
        ideal = laws.live(decider, subject, history, life.world.books, life.now)
        assert laws.outcome(worker.decided()) == laws.outcome(ideal)


def test_silent_units_and_the_city_decide_by_the_clock_alone() -> None:
    """Nobody reports anything from the opening to the end of the campaign."""
    life = Life(BOOKS)
    life.wait(60 * 24 * 3600)
    units = streams_of(life, ("unit",))
    assert len(units) == 22
    for subject in [*units[:2], CITY]:
        if kind_of(subject) in SUPERVISION:
            laws.replays_to_itself(
                SUPERVISION[kind_of(subject)], subject, [], life.world.books, life.now
            )
