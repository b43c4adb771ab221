"""What came of a campaign, as tables: rankings, clearance, escalations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

_LEVELS = ("L3", "L4", "L5", "L6", "L7")


@dataclass(frozen=True)
class Outcome:
    """Reporting's answers at the end of the campaign (contract 2)."""

    task_forces: dict[str, Any]
    townships: dict[str, Any]
    clearance: dict[str, Any]
    overview: dict[str, Any]
    warnings: dict[str, Any]

    def an_overdue_case(self, file: Path) -> str | None:
        """A case that went up to the convener, for `qingqian explain`."""
        for event in _events(file):
            if event["type"] == "AlertRaised" and event["data"]["level"] == "L7":
                subject = str(event["subject"])
                if not subject.startswith("unit:"):
                    return subject
        return None


def show(outcome: Outcome, file: Path, console: Console) -> None:
    """Print the outcome; `file`: the exported log, for the escalations."""
    console.print(_whole(outcome.overview), markup=False)
    console.print(_ranking("Ranking of the task forces (工作专班排名)", outcome.task_forces))
    console.print(_ranking("Ranking of the townships (乡镇街道排名)", outcome.townships))
    console.print(_clearance(outcome.clearance))
    console.print(_escalations(file, _names(outcome)))
    console.print(_warned(outcome.warnings), markup=False)


def _whole(overview: dict[str, Any]) -> str:
    yuan = int(overview.get("paid_fen") or 0) // 100
    return (
        f"{overview['received']} complaints received, {overview['accepted']} accepted, "
        f"{overview['closed']} closed, {overview['open']} open ({overview['overdue']} overdue); "
        f"{yuan:,} yuan verified as paid to {overview['workers_paid']} workers"
    )


def _warned(answer: dict[str, Any]) -> str:
    """What the rules of prevention would have been worth in this campaign."""
    total = answer["total"]
    return (
        f"Prevention (源头预防): {total['warned']} employers warned by "
        f"{len(answer['rules'])} rules, {total['later']} of them had a later case; of all "
        f"{total['base']} employers {total['base_later']} had more than one"
    )


def _ranking(title: str, answer: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("rank", justify="right")
    table.add_column("unit", no_wrap=True)
    for name in ("score", "cases", "cleared", "on time", "satisfied"):
        table.add_column(name, justify="right")
    table.add_column("note")
    for item in answer["items"]:
        rates = item.get("rates", {})
        table.add_row(
            str(item["rank"] or "-"),
            _short(item),
            "-" if item["score"] is None else f"{item['score']:.2f}",
            str(item["base"]),
            *(_percent(rates.get(name)) for name in ("cleared", "on_time", "satisfied")),
            item["note"] or "",
        )
    return table


def _percent(rate: dict[str, Any] | None) -> str:
    value = (rate or {}).get("percent")
    return "-" if value is None else f"{value:.1f} %"


def _clearance(answer: dict[str, Any]) -> Table:
    table = Table(title="Clearance (阶段目标)", title_justify="left", title_style="bold")
    for name in ("phase", "target"):
        table.add_column(name)
    table.add_column("result")
    table.add_column("met", justify="right")
    table.add_column("in the way", justify="right")
    for item in answer["items"]:
        table.add_row(
            item["phase"],
            item["predicate"],
            item["result"],
            f"{item['met']} of {item['of']}",
            str(len(item["cases"])),
        )
    return table


def _escalations(file: Path, names: dict[str, str]) -> Table:
    """The units that had to be called upon most, by level of the ladder (domain 4.3)."""
    raised: dict[str, Counter[str]] = defaultdict(Counter)
    for event in _events(file):
        data = event["data"]
        if event["type"] == "AlertRaised" and data["level"] in _LEVELS:
            raised[data["recipients"][0]][data["level"]] += 1
    table = Table(
        title="The busiest escalations (预警升级最多的单位)",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("unit", no_wrap=True)
    for name in ("L3 红", "L4 督办函", "L5 约谈", "L6 副召集人", "L7 召集人"):
        table.add_column(name, justify="right")
    busiest = sorted(raised.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
    for unit, counts in busiest[:8]:
        table.add_row(names.get(unit, unit), *(str(counts[level]) for level in _LEVELS))
    return table


def _names(outcome: Outcome) -> dict[str, str]:
    items = (*outcome.task_forces["items"], *outcome.townships["items"])
    return {item["unit"]: _short(item) for item in items}


def _short(item: dict[str, Any]) -> str:
    """A task force by its code and what its name begins with, a township by its name."""
    name = str(item.get("name") or item["unit"])
    if len(name) <= 8:
        return name
    for suffix in ("工作专班", "问题", "欠薪"):
        name = name.removesuffix(suffix)
    return f"{item['unit']} {name[:15]}"


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """The events of an export, in the order of their instants within each stream."""
    with file.open("rb") as lines:
        for line in lines:
            event = orjson.loads(line)["event"]
            if event:
                yield event
