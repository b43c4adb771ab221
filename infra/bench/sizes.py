"""How much is measured: the full form, and a short one that shows within minutes that all runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from infra.problem import Unready

VARIABLE: Final = "BENCH_SIZE"
"""Environment variable that chooses the form: `full` (the default) or `short`."""


@dataclass(frozen=True)
class Sizes:
    """What each figure is measured on; the limits of the figures are those of the full form.

    `runs`: alternating runs of a figure and its peer, of which the medians count.
    `cases`: of the simulated campaign whose events are folded, projected and audited.
    `streamed`: complaints a run through intake's stream. `routed`: complaints a run of
    `qingqian route`. `seconds`: of complaints at 100 a second. `crowd`: cases open at once, some
    15 events each. `open_rows`, `due_rows`: streams waiting, and those of them that are due.
    `log`: events on the log of a restart; `few`: cases of the short one that it is compared with.
    """

    name: str
    runs: int
    cases: int
    streamed: int
    routed: int
    seconds: int
    crowd: int
    few: int
    open_rows: int
    due_rows: int
    log: int

    @property
    def full(self) -> bool:
        return self.name == "full"


FORMS: Final = {
    "full": Sizes("full", 3, 900, 20_000, 6_000, 20, 100_000, 150, 1_000_000, 10_000, 1_000_000),
    "short": Sizes("short", 3, 120, 4_000, 1_500, 8, 5_000, 40, 20_000, 200, 30_000),
}


def chosen() -> Sizes:
    """The form that the environment asks for. Raises Unready for one there is not."""
    name = os.environ.get(VARIABLE) or "full"
    if name not in FORMS:
        raise Unready(f"{VARIABLE} is {name!r}: one of {', '.join(FORMS)}")
    return FORMS[name]
