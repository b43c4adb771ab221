"""A figure beside its limit and its peer, and how all of them are shown and kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from rich.console import Console
from rich.table import Table

Sense = Literal["at least", "at most"]


@dataclass(frozen=True)
class Peer:
    """What a figure is held against in the same run: how it was set up, and what each run gave."""

    name: str
    settings: str
    runs: tuple[float, ...]

    @property
    def value(self) -> float:
        return statistics.median(self.runs)


@dataclass(frozen=True)
class Limit:
    """What must hold: of the ratio to the peer where there is a peer, else of the value itself."""

    sense: Sense
    value: float

    def holds(self, found: float) -> bool:
        return found >= self.value if self.sense == "at least" else found <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.sense == 'at least' else '≤'} {number(self.value)}"


@dataclass(frozen=True)
class Figure:
    """One line of the table. `runs`: what each run gave; their median counts.

    `counts`: whether the limit is judged on it; a figure of the short form that only hints at
    the full one's is shown beside the limit and never said to have met it.
    """

    name: str
    unit: str
    runs: tuple[float, ...]
    limit: Limit | None = None
    peer: Peer | None = None
    note: str = ""
    counts: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    """Why there is no value: then the figure counts as not met."""

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def ratio(self) -> float | None:
        """To the peer's value; None without a peer."""
        if self.peer is None or not self.runs or not self.peer.value:
            return None
        return self.value / self.peer.value

    @property
    def met(self) -> bool | None:
        """Whether the limit holds; None where there is none, or where it is not judged here."""
        if self.failure is not None:
            return False
        if self.limit is None or not self.counts:
            return None
        ratio = self.ratio
        return self.limit.holds(self.value if ratio is None else ratio)

    @property
    def verdict(self) -> str:
        if self.failure is not None:
            return "not measured"
        if self.limit is not None and not self.counts:
            return "extrapolated"
        return {True: "met", False: "NOT MET", None: "-"}[self.met]

    def document(self) -> dict[str, Any]:
        """The figure as it stands in bench.json."""
        if self.failure is not None:
            return {"name": self.name, "unit": self.unit, "met": False, "failure": self.failure}
        peer, limit, ratio = self.peer, self.limit, self.ratio
        return {
            "name": self.name,
            "unit": self.unit,
            "value": rounded(self.value),
            "runs": [rounded(run) for run in self.runs],
            "peer": peer
            and {
                "name": peer.name,
                "settings": peer.settings,
                "value": rounded(peer.value),
                "runs": [rounded(run) for run in peer.runs],
            },
            "ratio": None if ratio is None else rounded(ratio),
            "limit": limit
            and {
                "of": "value" if ratio is None else "ratio",
                "sense": limit.sense,
                "value": limit.value,
            },
            "met": self.met,
            "judged": self.counts,
            "note": self.note,
        } | ({"more": self.more} if self.more else {})


def failed(name: str, unit: str, error: BaseException) -> Figure:
    """A figure that could not be had, with the reason in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Figure(name, unit, (), failure=reason)


def rounded(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value))


def number(value: float) -> str:
    """As a person reads it: 12,345, 12.3 or 0.271."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def table(figures: Sequence[Figure], title: str) -> Table:
    """The table of all figures."""
    shown = Table(title=title, title_justify="left", show_lines=False, pad_edge=False)
    shown.add_column("figure", overflow="fold", min_width=30)
    shown.add_column("measured", justify="right", no_wrap=True)
    shown.add_column("peer", justify="right", no_wrap=True)
    shown.add_column("ratio", justify="right", no_wrap=True)
    shown.add_column("limit", justify="right", no_wrap=True)
    shown.add_column("", no_wrap=True)
    for figure in figures:
        if figure.failure is not None:
            shown.add_row(figure.name, "-", "-", "-", "-", figure.verdict)
            continue
        ratio = figure.ratio
        shown.add_row(
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            number(figure.peer.value) if figure.peer else "-",
            "-" if ratio is None else f"{ratio:.2f}",
            str(figure.limit) if figure.limit else "-",
            figure.verdict,
        )
    return shown


def show(figures: Sequence[Figure], title: str, console: Console) -> None:
    """The table, then what each peer was and what there is to know of a figure."""
    console.print(table(figures, title))
    said: dict[str, list[str]] = {}
    for figure in figures:
        for remark in _remarks(figure):
            said.setdefault(remark, []).append(figure.name)
    for remark, names in said.items():
        console.print(f"  {', '.join(names)}: {remark}", highlight=False, markup=False)


def _remarks(figure: Figure) -> list[str]:
    said = []
    if figure.failure is not None:
        said.append(figure.failure)
    if figure.peer is not None:
        said.append(f"peer is {figure.peer.name} ({figure.peer.settings})")
    if figure.note:
        said.append(figure.note)
    return said


def write(path: Path, document: dict[str, Any]) -> None:
    """The same for machines; the file appears only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    draft.replace(path)
