"""Logs of short stories, decided by the real deciders in continuous time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from infra.dry_run import DryRun
from infra.export import line_of
from infra.story import read_story
from shared.envelope import encode
from shared.events import ClockAdopted, Event, PolicyAdopted
from shared.log import EPOCH, Record, partition_of, topic_of
from shared.policy import Policy, adopt, content_hash, read_book
from shared.streams import GOVERNANCE

RAW = read_book("dengfeng-2021-35")


def complaint(ref: str, **changes: Any) -> dict[str, Any]:
    """A complaint about a private building site in Tangzhuang."""
    return {
        "source": "window",
        "source_ref": ref,
        "tier": "CITY",
        "received_at": "2021-11-10T09:00:00+08:00",
        "employer": {
            "name": f"登封市{ref}建筑有限公司",
            "ownership": "private",
            "industry": "4710",
        },
        "project": {"name": f"{ref}号小区", "funding": "private", "kind": "housing"},
        "site": {"address": "见附件", "township": "410185109"},
        "workers": 1,
        "amount_fen": 1_200_000,
        "months_from": "2021-07",
        "months_to": "2021-09",
        "text": "完工以后工资一直没有发，请帮助解决。",
    } | changes


def line(at: str, case: str, type_: str, **data: Any) -> dict[str, Any]:
    return {"at": f"{at}+08:00", "case": case, "type": type_, "data": data}


PLAIN: Sequence[dict[str, Any]] = (
    line("2021-11-10T09:30:00", "A", "ComplaintReceived", **complaint("A")),
    line("2021-11-10T10:00:00", "A", "ComplaintAccepted"),
    line("2021-11-10T15:00:00", "B", "ComplaintReceived", **complaint("B")),
    line("2021-11-11T09:00:00", "A", "AssignmentSigned"),
    line("2021-11-11T10:00:00", "A", "FirstContactMade", reached=True),
    line("2021-11-12T10:00:00", "B", "ComplaintAccepted"),
    line("2021-11-30T10:00:00", "A", "ProgressReported"),
)
"""A case that is handled and not settled, and one that nobody touches; both run into alerts."""


class Told:
    """A story as it was decided. `log`: every event; `case(label)`: the id of a case."""

    def __init__(self, lines: Sequence[dict[str, Any]], folder: Path) -> None:
        path = folder / "story.jsonl"
        path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in lines))
        read = read_story(path)
        at = read[0].at
        self.adoption = Event(
            id="dry-run",
            subject=GOVERNANCE,
            time=at,
            recordedtime=at,
            data=PolicyAdopted(book=RAW["id"], hash=content_hash(RAW), content=RAW),
            actor="operator/operator/p",
        )
        self.policy: Policy = adopt(RAW, at, "dry-run")
        run = DryRun(read, self.policy)
        run.play(read[-1].at)
        assert not run.refused, run.refused
        self.log: list[Event] = run.world.log
        self._subjects = [event.subject for event in self.log if event.type == "ComplaintReceived"]

    def case(self, label: str) -> str:
        """`A` is the first case received, `B` the second."""
        return self._subjects[ord(label) - ord("A")]

    def of(self, label: str) -> list[Event]:
        return [event for event in self.log if event.subject == self.case(label)]

    def export(self, path: Path) -> Path:
        """The log as an export, each record appended as it was recorded."""
        clock = self.adoption.replace(id="clock", data=ClockAdopted(clock="wall"))
        places: dict[tuple[str, int], list[Event]] = defaultdict(list)
        for event in (self.adoption, clock, *self.log):
            number = 0 if event.subject == GOVERNANCE else partition_of(event.subject)
            places[topic_of(event.subject), number].append(event)
        with path.open("wb") as out:
            for (topic, number), events in sorted(places.items()):
                latest = datetime.min.replace(tzinfo=EPOCH.tzinfo)
                for offset, event in enumerate(events):
                    latest = max(latest, event.recordedtime)
                    appended = (latest - EPOCH) // timedelta(milliseconds=1)
                    key, value = event.subject.encode(), encode(event)
                    out.write(line_of(Record(topic, number, offset, appended, key, value)))
        return path
