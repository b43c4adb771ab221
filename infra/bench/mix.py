"""The demo's mix: a campaign of the simulator as the events that it comes to on the log.

The deciders decide it in continuous time, as in a dry run, so that facts, decisions of both
services and publications stand in the order in which a quick installation would have them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from infra.bench.rig import book
from infra.dry_run import DryRun
from infra.simulator import plan
from infra.story import Line, instant
from shared.envelope import encode
from shared.events import WRITERS
from shared.streams import kind_of


@dataclass(frozen=True)
class Mix:
    """`records`: (subject, stored bytes) in order of time. `start`: where its clock begins."""

    records: list[tuple[str, bytes]]
    start: datetime
    end: datetime
    cases: int
    by_writer: dict[str, int]

    def __len__(self) -> int:
        return len(self.records)

    def __str__(self) -> str:
        shares = ", ".join(f"{count} by {name}" for name, count in sorted(self.by_writer.items()))
        return f"{len(self)} records of {self.cases} cases: {shares}"


def campaign(cases: int) -> Mix:
    """The events of the first `cases` cases of the simulated campaign, and of all units."""
    lines = _lines(cases)
    run = DryRun(lines, book(lines[0].at))
    run.play(lines[-1].at)
    log = run.world.log
    writers: Counter[str] = Counter(WRITERS[event.type] for event in log)
    return Mix(
        [(event.subject, encode(event)) for event in log],
        lines[0].at,
        lines[-1].at,
        cases,
        dict(writers),
    )


def _lines(cases: int) -> list[Line]:
    """The story of these cases, spread over the whole winter, and of all units."""
    story = plan(1, "full")
    labels = list(
        dict.fromkeys(line["case"] for line in story if line["type"] == "ComplaintReceived")
    )
    chosen = set(labels[:: max(1, len(labels) // cases)][:cases])
    kept: list[Line] = []
    numbers: dict[str, str] = {}
    for number, line in enumerate(story, 1):
        if kind_of(line["case"]) == "case" and line["case"] not in chosen:
            continue
        data = dict(line["data"])
        if "incident" in data:
            data["incident"] = numbers[data["incident"]]
        numbers[str(number)] = str(len(kept) + 1)
        at = instant(line["at"], "at")
        happened = instant(line["occurred_at"], "occurred_at") if "occurred_at" in line else at
        kept.append(Line(len(kept) + 1, at, line["case"], line["type"], data, happened))
    return kept
