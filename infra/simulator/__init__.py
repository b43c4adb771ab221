"""A made-up campaign: complaints and what handlers do, as story lines (contract 4).

The same seed and size give the same lines, byte for byte, on any machine: one `random.Random`,
no clock, no order of a set. Names, numbers and texts are invented; the shape of the winter, the
trades and the habits of units are the simulator's own.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Literal

from infra.problem import Unready
from infra.simulator import handling, season, units
from infra.simulator.complaints import City, Complaint
from infra.simulator.script import Habits, Line, text
from shared.policy import Policy, adopt, read_book

Size = Literal["small", "full"]
COUNTS: dict[Size, int] = {"small": 150, "full": 3000}
BOOK = "dengfeng-2021-35"


def book() -> Policy:
    """The policy book of the campaign."""
    return adopt(read_book(BOOK), season.at_opening(), "simulator")


def received(seed: int = 1, size: Size = "full") -> list[Complaint]:
    """The complaints of the campaign, with what the simulator knows and never tells."""
    policy = book()
    city = City(Random(seed), policy.content, policy.calendar, COUNTS[size])
    return [item for item in city.complaints(COUNTS[size]) if item.at <= season.END]


def plan(seed: int = 1, size: Size = "full") -> list[Line]:
    """The whole campaign in order of time, 2021-11-10 09:00 to 2022-04-30 15:00."""
    policy = book()
    complaints = received(seed, size)
    rng = Random(f"handlers {seed}")
    habits = Habits.of(rng, list(policy.townships))
    lines: list[Line] = []
    for complaint in complaints:
        lines.append(_reception(complaint, complaint.at))
        if complaint.resent_at and complaint.resent_at <= season.END:
            lines.append(_reception(complaint, complaint.resent_at))
        if complaint.twin_of is None:
            lines += handling.script(complaint, rng, habits, policy.calendar)
    lines += units.incident_lines(rng, complaints)
    lines += units.unit_lines(rng, policy.content, habits, policy.calendar)
    return _numbered(sorted(lines, key=lambda line: datetime.fromisoformat(line["at"])))


def _reception(complaint: Complaint, at: datetime) -> Line:
    return {
        "at": text(at),
        "case": complaint.label,
        "type": "ComplaintReceived",
        "data": complaint.data,
    }


def _numbered(lines: list[Line]) -> list[Line]:
    """`incident` names its report by the number of its line, counted from 1."""
    reports = {
        line["case"]: str(number)
        for number, line in enumerate(lines, 1)
        if line["type"] == "ExtremeIncidentReported"
    }
    for line in lines:
        if "incident" in line["data"]:
            line["data"]["incident"] = reports[line["data"]["incident"]]
    return lines


def run(file: Path, seed: int = 1, size: Size = "full") -> int:
    """`qingqian simulate FILE`: write the campaign as a story."""
    lines = plan(seed, size)
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise Unready(f"cannot write {file}: {error.strerror}") from None
    count = sum(line["type"] == "ComplaintReceived" for line in lines)
    print(f"{file}: {len(lines)} lines, {count} of them complaints")
    return 0
