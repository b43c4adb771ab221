"""The law of merging: no worker and no fen is lost or counted twice, no source forgotten."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

from shared.claims import OWN
from shared.events import Event
from tests.routing.scattered import Scattered


class Town(Protocol):
    """Complaints that were told, and the log of what became of them.

    `workers`: of each case, the worker of each of its lines; `heads`: of the whole complaint;
    `refs`: its source_ref; `answered`: the cases on whose own stream their source was answered.
    """

    city: Scattered
    workers: dict[str, dict[str, str]]
    refs: dict[str, str]
    answered: set[str]

    @property
    def heads(self) -> dict[str, int]: ...

    def fen(self, claim: tuple[str, str]) -> int:
        """What a line (case, line) claims."""


def roots(town: Town) -> dict[str, str]:
    """Each case with the one it goes on under, at the end of its chain. Fails on a circle."""
    found = {}
    for subject in town.workers:
        root, walked = subject, {subject}
        while (file := town.city.file(root)).state == "MERGED":
            assert file.master is not None
            root = file.master
            assert root not in walked, "a case is never its own master"
            walked.add(root)
        found[subject] = root
    return found


def claims_by_root(town: Town, under: dict[str, str]) -> dict[str, list[set[tuple[str, str]]]]:
    """Of each root its standing lines, each as the set of claims (case, line) it stands for."""
    found: dict[str, list[set[tuple[str, str]]]] = {}
    for root in set(under.values()):
        lines = []
        for item in town.city.watch(root).claims:
            if not item.by or item.number == "x":
                continue
            parts = [
                (root, item.number) if claim == OWN else tuple(claim.split("|")[:2])
                for claim in item.by
            ]
            lines.append(set(parts))
        found[root] = lines  # type: ignore[assignment]
    return found


def check(town: Town) -> dict[str, str]:
    """The law; returns each case's root.

    Every claim stands in exactly one line of one root; lines are of one worker.
    """
    under = roots(town)
    standing = claims_by_root(town, under)
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for root, lines in standing.items():
        for line in lines:
            assert len({town.workers[c][n] for c, n in line}) == 1, "one line, one worker"
            for claim in line:
                where[claim].append(root)
    everything = {(c, n) for c, lines in town.workers.items() for n in lines}
    assert where.keys() == everything, "no worker is lost"
    assert all(len(found) == 1 for found in where.values()), "no worker is counted twice"
    for (subject, _), (root,) in where.items():
        if under[subject] != subject:
            moved = root != under[subject]
            assert not moved or town.city.streams[subject].state.moved, "it stands under its master"
    for root in set(under.values()):
        _same_everywhere(town, root, under)
    dated_after_what_it_knew(town.city)
    for root, lines in standing.items():
        _counted_once(town, root, lines)
    return under


def _counted_once(town: Town, root: str, lines: list[set[tuple[str, str]]]) -> None:
    """No fen is lost or counted twice: a line is of what one claim of its worker says, and who asks
    for more does not raise it; but it does not close then (I-01)."""
    watch = town.city.watch(root)
    here = [line for line in watch.lines if line.line != "x"]
    assert town.city.case(root).claimed_fen == sum(line.claimed_fen or 0 for line in here)
    for line, claims in zip(here, lines, strict=True):
        ((case, number), *_) = claims
        worker = town.workers[case][number]
        told = {(c, n) for c, of in town.workers.items() for n, w in of.items() if w == worker}
        assert line.claimed_fen in {town.fen(claim) for claim in told}
        more = any(town.fen(claim) > (line.claimed_fen or 0) for claim in claims)
        crowd = any(town.heads[case] > len(town.workers[case]) for case, _ in claims)
        assert line.contested or not more
        assert more or crowd or not line.contested


def _same_everywhere(town: Town, root: str, under: dict[str, str]) -> None:
    """Intake, routing, supervision and reporting hold the same lines, heads and sources."""
    watch, reported = town.city.watch(root), town.city.case(root)
    assert watch.claims == town.city.file(root).claims == reported.claims
    standing = [item.number for item in watch.claims if item.by]
    assert [line.line for line in watch.lines] == standing
    assert reported.workers == sum(item.heads for item in watch.claims if item.by)
    sources = {(item.source, item.source_ref) for item in watch.sources}
    assert sources == {(item.source, item.source_ref) for item in reported.sources}
    names = {town.refs[subject] for subject, found in under.items() if found == root}
    assert {ref for _, ref in sources} == names, "every source is answered under its root (I-03)"
    owing = {clock.source_ref for clock in watch.clocks if clock.timer == "T10" and clock.running}
    replied = {town.refs[subject] for subject in town.answered if under[subject] == root}
    assert replied <= {item.source_ref for item in watch.sources if item.replied}
    assert replied <= {item.source_ref for item in reported.sources if item.replied_at}
    assert not replied & owing, "what is answered is not owed, wherever it goes on"


def dated_after_what_it_knew(city: Scattered) -> None:
    """Design 4: routing waits for no clock, so no decision is dated before its basis was known."""
    log: dict[str, Event] = {}
    for events in city.log.values():
        for event in events:
            log.setdefault(event.id, event)
    for event in log.values():
        if event.basis is not None and (basis := log.get(event.basis)) is not None:
            assert event.time >= basis.known_at, f"{event!r} follows from {basis!r}"
