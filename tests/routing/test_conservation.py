"""Merging and separating lose no worker and no fen, in any order (I-02, I-03; domain 2.3).

Any number of complaints with one to three lines, found to be the same by rule or by a person, in
circles, in parts, taken back and merged again; each stream publishing when it gets to it, twice,
or again after its row was lost.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.routing.decider import standing
from services.routing.decider.foreseen import Foreseen
from services.supervision.decider.standards import settled
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.settle import Books
from tests.routing.law import check
from tests.routing.scattered import Scattered
from tests.routing.spec import complaint, policy, when

BOOKS = Books([policy()])
BEGINS = when("2021-11-15 09:00")
WORKERS = ("w1", "w2", "w3", "w4")
CASES = 5


def case(name: str) -> str:
    return derived_id("case", name)


class Town:
    """Complaints received and acts upon them, into scattered streams."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.city = Scattered(BOOKS, self.chance, BEGINS)
        self.workers: dict[str, dict[str, str]] = {}
        self.refs: dict[str, str] = {}
        self.answered: set[str] = set()
        self.heads: dict[str, int] = {}
        self.asked: dict[tuple[str, str], int] = {}
        self.count = 0

    def fen(self, claim: tuple[str, str]) -> int:
        return self.asked[claim]

    def fact(self, subject: str, data: AnyData) -> None:
        self.count += 1
        self.city.now += timedelta(minutes=self.chance.choice((0, 1, 30)))
        name = derived_id("fact", str(self.count))
        now = self.city.now
        event = Event(id=name, subject=subject, time=now, recordedtime=now, data=data)
        self.city.fact(event)

    def receive(self) -> None:
        name = f"C{len(self.workers)}"
        subject = case(name)
        lines = []
        here = self.chance.sample(WORKERS, self.chance.choice((1, 1, 1, 2, 3)))
        for number, worker in enumerate(here, 1):
            keys = [f"match:{worker}-a", f"match:{worker}-b"]
            # Of one worker, in powers of ten, so that no sum of others is mistaken for it.
            fen = self.chance.choice((1, 2, 3)) * 10 ** WORKERS.index(worker)
            self.asked[subject, str(number)] = fen
            lines.append(
                {
                    "line": str(number),
                    "worker": worker,
                    "amount_fen": fen,
                    "months_from": "2021-09",
                    "months_to": "2021-10",
                    "match_keys": self.chance.sample(keys, self.chance.choice((1, 2, 2))),
                }
            )
        more = self.chance.choice((0, 0, 4))
        self.workers[subject] = {str(n): worker for n, worker in enumerate(here, 1)}
        self.refs[subject] = name
        self.heads[subject] = len(here) + more
        workers = len(here) + more
        told = complaint(source_ref=name, claims=lines, workers=workers, group_keys=["group:site"])
        self.fact(subject, told)

    def act(self) -> None:
        subject = self.chance.choice(sorted(self.workers))
        state = self.city.file(subject).state
        match self.chance.randrange(5):
            case 0 if state == "RECEIVED":
                self.fact(subject, ev.ComplaintAccepted())
            case 1 if state == "MERGED":
                self.fact(subject, ev.MergeRevoked())
            case 2 if state == "RECEIVED":
                self.approve(subject)
            case 3 if state in ("TRIAGE", "HANDLING", "ASSIGNED"):
                found = [{"line": "x", "amount_fen": 0, "months": 1}]
                self.fact(subject, ev.FactsVerified.model_validate({"lines": found}))
            case 4 if state != "MERGED":
                reply = ev.SourceReplied(source="window", source_ref=self.refs[subject])
                self.answered.add(subject)
                self.fact(subject, reply)

    def approve(self, subject: str) -> None:
        """A person confirms a match with a case that, as far as anybody sees, is on its own."""
        others = [c for c in sorted(self.workers) if c != subject]
        others = [c for c in others if self.city.file(c).state != "MERGED"]
        if not others:
            return
        master = self.chance.choice(others)
        theirs = {worker: line for line, worker in self.workers[master].items()}
        mine = self.workers[subject].items()
        same = {line: theirs[worker] for line, worker in mine if worker in theirs}
        self.fact(subject, ev.MergeApproved(master=master, same=same))

    def live(self, acts: int) -> None:
        self.receive()
        for _ in range(acts):
            if len(self.workers) < CASES and self.chance.random() < 0.4:
                self.receive()
            else:
                self.act()
            self.city.step(self.chance.choice((0, 1, 3, 12)))
        self.city.quiet()


@settings(max_examples=150, deadline=None)
@example(seed=115328, acts=19)  # A line that moved and came back, with a reply on its way.
@given(seed=st.integers(0, 10**9), acts=st.integers(1, 30))
def test_no_worker_and_no_fen_is_lost_or_counted_twice(seed: int, acts: int) -> None:
    town = Town(seed)

    town.live(acts)

    check(town)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_paid_as_it_is_claimed_a_case_closes_unless_more_is_asked(seed: int) -> None:
    town = Town(seed)
    town.live(15)

    for root in set(check(town).values()):
        lines = town.city.watch(root).lines
        paid = [{"line": line.line, "amount_fen": line.claimed_fen or 0} for line in lines]
        told = ev.PaymentVerified.model_validate({"payment": "p", "lines": paid})
        town.fact(root, told)
        owing = not lines or any(line.contested for line in lines)
        assert settled(town.city.watch(root)) != owing


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_every_stream_replays_to_itself(seed: int) -> None:
    """A dropped schema: the same state, and nothing owed beyond what is on the log."""
    town = Town(seed)
    town.live(20)

    for subject, stream in town.city.streams.items():
        replayed = town.city.replayed(subject)
        assert replayed.beyond == []
        assert replayed.stream.state == stream.state


def _keeps(separation: Any) -> Any:
    def kept(state: Any) -> Any:
        found = separation(state)
        return found[-1:] if found else found

    return kept


def _silent(_: Any) -> Any:
    return lambda *args: []


def _undated(_: Any) -> Any:
    return lambda self, state, policy: self._owed(state, policy)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (standing, "separation", _keeps),
        (standing, "_answered", _silent),
        (Foreseen, "_follow", _undated),
    ],
    ids=[
        "a master keeps what left",
        "a reply that crossed is forgotten",
        "a merge is dated when its first line was found",
    ],
)
def test_the_law_goes_red(
    seed: int, where: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, fault(getattr(where, name)))

    for number in range(400):
        town = Town(seed * 1000 + number)
        town.live(20)
        try:
            check(town)
        except AssertionError:
            return
    pytest.fail("no history shows the fault")
