"""`qingqian bench`: each figure beside its limit or its peer, measured in one run, as ratios.

Alternating runs of a figure and its peer, of which the medians count, so that what else the
machine does meets both. A stack of its own on free ports in a temporary folder; nothing is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from infra.bench import (
    alone,
    crowd,
    extraction,
    folding,
    intake,
    likeness,
    projection,
    restart,
    sweeping,
    visibility,
)
from infra.bench.figures import Figure, failed, show, write
from infra.bench.mix import Mix, campaign
from infra.bench.rig import Rig
from infra.bench.sizes import VARIABLE, Sizes, chosen
from infra.problem import Unready
from infra.stack.local import LocalStack
from shared.settings import load

FILE: Final = "bench.json"
NAMES: Final = (
    "folding",
    "intake",
    "rebuild",
    "audit",
    "route",
    "visibility",
    "sweep",
    "restart",
    "memory",
    "extraction",
    "likeness",
)
"""What is measured, in this order: by folding, the sweep knows supervision's usual pace."""
_WIDTH: Final = 118


def run(only: Sequence[str] = ()) -> int:
    """Measure, print the table, write `.qingqian/bench.json`. 1 if a limit is missed.

    `only`: these of NAMES, else all. Progress goes to stderr. Raises Unready for a form or a name
    there is not, or without a stack.
    """
    sizes = chosen()
    if strange := sorted(set(only) - set(NAMES)):
        raise Unready(f"--only {strange[0]!r}: one of {', '.join(NAMES)}")
    target = load().data_dir / FILE
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    begun = time.monotonic()
    bench = Bench(sizes, begun, only or NAMES)
    try:
        asyncio.run(bench.measure())
    except asyncio.CancelledError:
        raise Unready("told to end; nothing was written") from None
    seconds = time.monotonic() - begun
    title = (
        f"qingqian bench, {sizes.name} form: medians of {sizes.runs} alternating runs, "
        f"{seconds / 60:.1f} minutes, {os.cpu_count()} cores"
    )
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    show(bench.figures, title, console)
    for remark in bench.remarks:
        console.print(f"  {remark}", highlight=False, markup=False)
    write(target, bench.document(seconds))
    console.print(f"  written to {target}", highlight=False, markup=False)
    return 0 if all(figure.met is not False for figure in bench.figures) else 1


class Bench:
    """All figures of one run, in the order in which they are measured."""

    def __init__(self, sizes: Sizes, begun: float, names: Sequence[str] = NAMES) -> None:
        self.sizes = sizes
        self.names = names
        self.figures: list[Figure] = []
        self.remarks: list[str] = []
        self._begun = begun
        self._normal: float | None = None

    def say(self, line: str) -> None:
        """A line of progress on stderr, with the seconds since the start."""
        print(f"{time.monotonic() - self._begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    async def measure(self) -> None:
        """Everything, on a stack that ends with it, also when we are told to end."""
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        self.say(f"{self.sizes.name} form ({VARIABLE}=short or full)")
        with _folder() as folder:
            mix = campaign(self.sizes.cases)
            self.say(f"the demo's mix: {mix}")
            with LocalStack(folder, say=self.say) as stack:
                await self._on(Rig(stack, self.say), mix)
            stack.wipe()

    async def _on(self, rig: Rig, mix: Mix) -> None:
        sizes = self.sizes

        async def folded() -> list[Figure]:
            figures, self._normal = await folding.measure(rig, mix, sizes.runs)
            return figures

        async def text() -> list[Figure]:
            figures, remark = await asyncio.to_thread(extraction.measure)
            self.remarks.append(remark)
            return figures

        measures: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
            "folding": folded,
            "intake": lambda: intake.measure(rig, sizes.streamed, sizes.runs),
            "rebuild": lambda: _one(projection.measure(rig, mix, sizes.runs)),
            "audit": lambda: _one(alone.audit(rig, mix, sizes.runs)),
            "route": lambda: _one(alone.route(rig, sizes.routed, sizes.runs)),
            "visibility": lambda: visibility.measure(rig, sizes.seconds),
            "sweep": lambda: sweeping.measure(rig, sizes, self._normal),
            "restart": lambda: restart.measure(rig, mix, sizes),
            "memory": lambda: crowd.measure(rig, sizes),
            "extraction": text,
            "likeness": lambda: _one(asyncio.to_thread(likeness.measure, sizes.runs)),
        }
        for name in NAMES:
            if name in self.names:
                await self._add(rig, name, measures[name])

    async def _add(
        self, rig: Rig, name: str, measure: Callable[[], Awaitable[list[Figure]]]
    ) -> None:
        """Measure; what goes wrong with one figure is said in its line and leaves the others."""
        self.say(f"measuring: {name}")
        try:
            self.figures += await measure()
        except Exception as error:
            figure = failed(name, "", error)
            self.say(f"{name}: not measured: {figure.failure}")
            self.figures.append(figure)
        finally:
            await rig.tidy()

    def document(self, seconds: float) -> dict[str, Any]:
        """What stands in bench.json."""
        return {
            "form": self.sizes.name,
            "only": sorted(self.names) if set(self.names) != set(NAMES) else None,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds),
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.machine(),
                "system": platform.system(),
                "python": platform.python_version(),
            },
            "figures": [figure.document() for figure in self.figures],
            "remarks": self.remarks,
        }


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="qingqian-bench-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _one(figure: Awaitable[Figure]) -> list[Figure]:
    return [await figure]
