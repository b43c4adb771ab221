"""`qingqian play`: a story through the real services on the log clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote

from infra import loop
from infra.agenda import Act, Agenda, Cast
from infra.client import Answer, Client
from infra.keyring import read_keys
from infra.lockstep import Lockstep
from infra.stage import Stage, open_stage
from infra.story import Line, end_of, read_story
from shared.calendar import ZONE
from shared.settings import load


def run(*, story: Path, until: str | None = None) -> int:
    """Play a story and leave the services running. 1 if intake refused a line.

    Raises Refused for a story that cannot be read, Unready where the log is not empty, and
    KeyboardInterrupt, once it has said how to begin again, where it is stopped half way.
    """
    lines = read_story(story)
    end = end_of(lines, until)
    stage = open_stage(load(), lines[0].at, keep=True, say=_say)
    try:
        return loop.run(play_on(stage, lines, end))
    except KeyboardInterrupt:
        _say(
            f"interrupted: what was played stays on the log, and the services go on serving it. "
            f"A story is not taken up half way; to play it from its beginning: "
            f"qingqian down --wipe, then qingqian play {quote(str(story))}"
        )
        raise


async def play_on(stage: Stage, lines: list[Line], end: datetime) -> int:
    """Play on an open stage; print label and case id; 1 if a line was refused."""
    cast = Cast(lines)
    refused = 0

    async def on_answer(act: Act, answer: Answer) -> Sequence[Act]:
        nonlocal refused
        if not answer.accepted:
            refused += 1
            _say(f"line {act.line.number}: {act.line.type} refused: {answer}")
        return ()

    acts = [cast.act(line) for line in lines if line.at <= end]
    async with Client(stage.urls, read_keys(stage.settings)) as client:
        player = Lockstep(client, cast, on_answer=on_answer)
        await player.run(Agenda(acts), end)
        await player.folded()
    for label, case_id in cast.case_ids.items():
        print(f"{label}\t{case_id}")
    _say(
        f"played {len(acts)} lines to {end.astimezone(ZONE).isoformat()}, {refused} refused; "
        f"serving: {stage.settings.url('reporting')} (qingqian down stops it)"
    )
    return 1 if refused else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
