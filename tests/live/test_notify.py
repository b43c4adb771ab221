"""Notifications from a real process: killed between sending and marking, with a dead endpoint
beside it, over a rebuild.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from infra.stack.process import free_ports
from shared import keys
from shared.envelope import encode
from shared.events import AlertCleared
from shared.log import CASE_EVENTS
from shared.settings import Settings
from tests.infra.stories import Told, complaint, line
from tests.live.rig import Process, Rig
from tests.reporting import histories
from tests.reporting.receiver import SECRET, receiving

pytestmark = pytest.mark.live

SECONDS = 60.0
STORY = [
    line("2021-11-10T09:30:00", "A", "ComplaintReceived", **complaint("A")),
    line("2021-11-10T10:00:00", "A", "ComplaintAccepted"),
    line("2021-11-12T10:00:00", "A", "FirstContactMade", reached=True),
    line("2021-11-15T09:00:00", "B", "ComplaintReceived", **complaint("B")),
]


def configure(settings: Settings, hook: str) -> Path:
    """A file, an endpoint that answers and one that does not; the file's path."""
    clear, _ = keys.generate(histories.policy())
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys.write(settings.keys_path, clear)
    settings.channels_path.write_text(
        "channels:\n"
        f"  - {{name: dead, kind: webhook, url: 'http://127.0.0.1:{free_ports(1)[0]}/hook'}}\n"
        f"  - {{name: hook, kind: webhook, url: '{hook}'}}\n"
        "  - {name: file, kind: file, path: notifications.jsonl}\n",
        "utf-8",
    )
    secrets = {"dead": [SECRET], "hook": [SECRET]}
    settings.channel_secrets_path.write_bytes(orjson.dumps(secrets))
    return settings.data_dir / "notifications.jsonl"


async def pending(rig: Rig) -> dict[str, int]:
    """Deliveries that stand and are not done, by channel; {} before there are any."""
    schema = rig.settings.schema("outbox")
    async with rig.database() as connection:
        if not await connection.fetchval("SELECT to_regclass($1)", f"{schema}.deliveries"):
            return {}
        rows = await connection.fetch(
            f"SELECT channel, count(*) FILTER (WHERE state = 'pending') AS n "
            f"FROM {schema}.deliveries GROUP BY channel"
        )
    return {row["channel"]: row["n"] for row in rows}


async def delivered(rig: Rig, process: Process) -> None:
    """Wait until the living channels have nothing left to send."""
    deadline = time.monotonic() + SECONDS
    while True:
        left = await pending(rig)
        if left and left.get("hook") == 0 and left.get("file") == 0:
            return
        assert process.alive, process.words()[-3000:]
        assert time.monotonic() < deadline, (left, process.words()[-3000:])
        await asyncio.sleep(0.05)


async def waits_since(rig: Rig, process: Process, channel: str, *, some: bool) -> None:
    """Wait until the process publishes that something waits in a channel, or that nothing does."""
    name = f'qingqian_notifications_waiting_since_seconds{{channel="{channel}"}} '
    deadline = time.monotonic() + SECONDS
    while True:
        text = (await rig.http.get(f"{process.url}/metrics")).text
        rows = [row.removeprefix(name) for row in text.splitlines() if row.startswith(name)]
        if rows and (float(rows[0]) > 0) == some:
            return
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.05)


def written(path: Path) -> list[str]:
    return [orjson.loads(row)["id"] for row in path.read_bytes().splitlines()]


async def test_killed_between_sending_and_marking(rig: Rig, settings: Settings) -> None:
    log = Told(STORY, rig.folder).log
    cleared = {event.data.cause for event in log if isinstance(event.data, AlertCleared)}
    raised = {event.id for event in log if event.type == "AlertRaised"}
    assert cleared
    assert raised - cleared
    async with receiving() as receiver:
        path = configure(settings, receiver.url)
        process = rig.worker("reporting", module="services.reporting")

        def kill_once(_: str) -> None:
            """The message has arrived, and nobody hears that it has."""
            receiver.heard = lambda _: None
            process.kill()

        receiver.heard = kill_once
        await rig.govern("log", log[0].recordedtime)
        for event in log:
            await (await rig.producer.send(CASE_EVENTS, event.subject, encode(event)))
        await rig.advance(log[-1].recordedtime)
        process.start()
        deadline = time.monotonic() + SECONDS
        while process.alive:
            assert time.monotonic() < deadline, process.words()[-3000:]
            await asyncio.sleep(0.05)
        (first,) = receiver.ids
        process.start()
        await delivered(rig, process)

        counts = Counter(receiver.ids)
        assert counts.pop(first) == 2, "sent again under the same id"
        assert set(counts.values()) == {1}
        told = {body["data"]["event_id"] for _, body in receiver.seen}
        assert not told & cleared, "nothing is told of what no longer stands"
        assert told >= raised - cleared
        assert sorted(written(path)) == sorted(set(receiver.ids)), "each one line"
        assert (await pending(rig))["dead"] == len(set(receiver.ids)), "the dead one waits alone"
        await waits_since(rig, process, "dead", some=True)
        await waits_since(rig, process, "hook", some=False)

        before = list(receiver.ids), path.read_bytes()
        async with rig.database() as connection:
            await connection.execute(f"DROP SCHEMA {settings.schema('reporting')} CASCADE")
        await rig.quiet([process], seconds=SECONDS)
        await delivered(rig, process)
        assert (receiver.ids, path.read_bytes()) == before, "a rebuild tells nobody again"
        assert process.stop() == 0
