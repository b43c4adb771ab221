"""`make demo`: the real stack, a whole campaign played through intake, then what came of it.

Half a year runs in minutes on the log clock. Everything is in a data folder of its own, which is
removed with the processes when the demo ends, however it ends.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from infra import audit, export, loop, simulator
from infra.agenda import Act, Agenda, Cast
from infra.client import Client
from infra.keyring import read_keys
from infra.lockstep import READER, Lockstep
from infra.obstacles import require_book, require_folder
from infra.outcome import Outcome, show
from infra.problem import Unready
from infra.show import Show
from infra.simulator import season
from infra.simulator.handlers import Handlers
from infra.stack.ports import demo_folder, demo_of, end_of, record_demo, require_no_stack
from infra.stack.process import running
from infra.stage import Stage, open_stage
from infra.story import Line
from shared.settings import Settings, load

SEED = 1


def run(*, exit_when_done: bool, size: simulator.Size) -> int:
    """Play a campaign and show its outcome; with `exit_when_done` 0 only if the audit is clean.

    Else it serves until Ctrl-C. Raises Unready where something outside is missing.
    """
    home = load()
    require_folder(home)
    require_book(home)
    _refuse_another(home)
    require_no_stack(home)
    settings = _settings(home)
    console = Console(width=None if sys.stdout.isatty() else 108, highlight=False)
    _remove(settings)
    stage = None
    try:
        record_demo(home.data_dir, settings)
        stage = open_stage(
            settings, season.at_opening(), keep=False, say=lambda text: console.print(text)
        )
        clean = _play_and_show(stage, size, console, serves=not exit_when_done)
        if not exit_when_done:
            console.print("\nserving until Ctrl-C")
            threading.Event().wait()
        return 0 if clean else 1
    except KeyboardInterrupt:
        console.print("\nstopping")
        return 0 if not exit_when_done else 130
    finally:
        if stage is not None:
            stage.close()
        _remove(settings)


def _settings(home: Settings) -> Settings:
    """This installation's settings, with the demo's data in a folder of its own."""
    own = demo_folder(home.data_dir)
    return home.model_copy(
        update={
            "data_dir": own,
            "keys_file": home.keys_path,
            "master_key_file": own / "master.key",
            "checkpoint_key_file": home.checkpoint_key_path,
            "clock": "log",
        }
    )


def _refuse_another(home: Settings) -> None:
    """Two demos cannot share a folder."""
    demo = demo_of(home.data_dir)
    if demo is not None:
        raise Unready(f"another demo of this folder is running, pid {demo.pid}. {end_of(demo)}")


def _remove(settings: Settings) -> None:
    """The demo's own data; keys and export stay in the folder above.

    Raises Unready while something still runs in it that a demo has left there.
    """
    if left := running(settings.data_dir / "run"):
        names = ", ".join(child.name for child in left)
        raise Unready(f"of an earlier demo there still runs: {names}. Fix: qingqian down ends it")
    shutil.rmtree(settings.data_dir, ignore_errors=True)


def _play_and_show(stage: Stage, size: simulator.Size, console: Console, *, serves: bool) -> bool:
    """The campaign, its outcome, the log's export and the audit's verdict; True if clean."""
    begun = time.monotonic()
    outcome = loop.run(_play(stage, size, console))
    played = time.monotonic() - begun
    file = stage.settings.data_dir.parent / "export.jsonl"
    count = _export(stage.settings, file)
    verdict = audit.audit_file(file)
    show(outcome, file, console)
    console.print(f"\ncampaign played in {played:.0f} s; {count} events written to {_near(file)}")
    console.print("\n[bold]Audit[/bold]: the whole log decided again from its bytes")
    for finding in verdict.findings[:10]:
        console.print(finding.line().decode().rstrip(), markup=False, soft_wrap=True)
    console.print(verdict.report(), markup=False)
    _where_next(stage, outcome, file, console, serves=serves)
    return verdict.clean


async def _play(stage: Stage, size: simulator.Size, console: Console) -> Outcome:
    """Play every act of the plan; handlers take up what is refused."""
    lines = [story_line(number, line) for number, line in enumerate(simulator.plan(SEED, size), 1)]
    cast = Cast(lines)
    handlers = Handlers(cast, simulator.received(SEED, size), simulator.book().calendar)
    async with Client(stage.urls, read_keys(stage.settings)) as client:
        player = Lockstep(
            client,
            cast,
            name=f"demo-{SEED}-{size}",
            on_answer=handlers.react,
            wanted=handlers.wanted,
        )
        with Show(console, client, handlers, simulator.book(), player.folded) as display:

            async def at_instant(clock: datetime) -> Sequence[Act]:
                await display.at(clock)
                if not season.is_morning(clock, handlers.calendar):
                    return ()
                await player.folded()
                return handlers.replies(await _noticed(client), clock)

            player.on_instant = at_instant
            agenda = Agenda((cast.act(line) for line in lines), brisk=True)
            await player.run(agenda, lines[-1].at)
            await player.folded()
        for text in handlers.summary():
            console.print(text, markup=False)
        return Outcome(
            task_forces=await client.read("/v1/rankings/task-forces", READER),
            townships=await client.read("/v1/rankings/townships", READER),
            clearance=await client.read("/v1/clearance", READER),
            overview=await client.read("/v1/overview", READER),
            warnings=await client.read("/v1/warnings", READER),
        )


async def _noticed(client: Client) -> list[dict[str, Any]]:
    """The cases at a level that brings a 督办函."""
    found = []
    for level in ("L4", "L5", "L6", "L7"):
        after: str | None = ""
        while after is not None:
            page = await client.read(f"/v1/cases?level={level}&limit=500{after}", READER)
            found += page["items"]
            after = page["next"] and f"&cursor={quote(page['next'])}"
    return found


def story_line(number: int, line: dict[str, Any]) -> Line:
    """A planned line as a story has it."""
    at = datetime.fromisoformat(line["at"])
    happened = line.get("occurred_at")
    occurred = datetime.fromisoformat(happened) if happened else at
    return Line(number, at, line["case"], line["type"], line["data"], occurred)


def _export(settings: Settings, file: Path) -> int:
    with file.open("wb") as out:
        return loop.run(export.write(settings, out.writelines))


def _where_next(
    stage: Stage, outcome: Outcome, file: Path, console: Console, *, serves: bool
) -> None:
    """Where to look: commands on the export, and addresses while it serves."""
    settings = stage.settings
    example = outcome.an_overdue_case(file) or "CASE_ID"
    served = (
        ("the page", f"{settings.url('reporting')}/ (log in with a key, see below)"),
        ("figures and lists", f"{settings.url('reporting')}/v1/overview, /v1/cases, /v1/clearance"),
        ("keys", f"{_near(settings.keys_path)} (Authorization: Bearer …), one per role and unit"),
        (
            "interfaces",
            f"{settings.url('intake')}/openapi.json, {settings.url('intake')}/v1/asyncapi.json",
        ),
        ("one case, day by day", f"qingqian explain {example}"),
        ("metrics", f"{settings.url('supervision')}/metrics"),
    )
    exported = (
        ("the log checked again", f"qingqian audit --log {_near(file)}"),
        ("another policy", f"qingqian whatif --policy FILE --log {_near(file)}"),
    )
    console.print("\n[bold]Where to look next[/bold]")
    for what, how in (*served, *exported) if serves else exported:
        console.print(f"  {what:<22} {how}", markup=False, soft_wrap=True)
    if not serves:
        console.print("  the services stop now; make demo without EXIT=1 leaves them serving")


def _near(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
