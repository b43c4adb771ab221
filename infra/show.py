"""How a running campaign looks: a moving line on a terminal, a line a fortnight elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from infra.client import Client
from infra.lockstep import READER
from infra.simulator import season
from infra.simulator.handlers import Handlers
from shared.calendar import civil
from shared.policy import Policy

_EVERY_SECONDS = 2.0
_EVERY_DAYS = 14


class Show:
    """Campaign day, phase, complaints, open and overdue cases, as the clock moves.

    `folded` returns when reporting has folded all there is: a line that stays is exact, one that
    moves on a terminal shows what reporting has so far.
    """

    def __init__(
        self,
        console: Console,
        client: Client,
        handlers: Handlers,
        policy: Policy,
        folded: Callable[[], Awaitable[None]],
    ) -> None:
        self.console = console
        self.client = client
        self.handlers = handlers
        self.policy = policy
        self.folded = folded
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._begun = time.monotonic()
        self._figures: dict[str, Any] = {}
        self._asked = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._told: date | None = None

    def __enter__(self) -> Show:
        self.progress.start()
        self._task = self.progress.add_task("", total=(season.LAST - season.FIRST).days)
        return self

    def __exit__(self, *_: object) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self.progress.stop()

    async def at(self, clock: datetime) -> None:
        """The clock has moved."""
        day = civil(clock)
        if self.console.is_terminal:
            self._move(day)
        elif self._is_due(day):
            self._told = day
            await self.folded()
            await self._ask()
            seconds = time.monotonic() - self._begun
            self.console.print(f"{self._text(day)}  ({seconds:.0f} s)", markup=False)

    def _move(self, day: date) -> None:
        now = time.monotonic()
        if now - self._asked > _EVERY_SECONDS and (self._asking is None or self._asking.done()):
            self._asked = now
            self._asking = asyncio.create_task(self._ask())
        done = (day - season.FIRST).days
        self.progress.update(self._task, completed=done, description=self._text(day))

    def _is_due(self, day: date) -> bool:
        return self._told is None or (day - self._told).days >= _EVERY_DAYS

    async def _ask(self) -> None:
        """What reporting has folded so far."""
        self._figures = await self.client.read("/v1/overview", READER)

    def _text(self, day: date) -> str:
        phase = self.policy.phase_of(day)
        name = f"{phase.id} {phase.name}" if phase else ""
        known = self._figures
        return (
            f"{day}  {name}  complaints {self.handlers.complaints:>4}  "
            f"open {known.get('open', 0):>4}  overdue {known.get('overdue', 0):>4}  "
            f"acts {self.handlers.posted:>5}"
        )
