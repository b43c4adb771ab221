"""Figure: records folded per second by routing and by supervision, against a bare Faust agent.

Each contestant is a running process that is frozen while the demo's mix is put on its log, own
echoes included, and then let go: what is timed is one process working off one backlog, from the
first record to the last one folded, its decisions published and acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from infra.bench.figures import Figure, Limit, Peer
from infra.bench.forwarder import SENDERS, SETTINGS, Sender
from infra.bench.mix import Mix
from infra.bench.rig import Database, Ends, Installation, Rig, reach
from shared.log import CASE_EVENTS

SOURCE: Final = "forward-from"
TARGET: Final = "forward-to"
TRIAL: Final = 6000
BARE: Final[tuple[Sender, ...]] = ("faust", "each")
"""The senders of an agent that handles record by record, which is what a bare one does."""

LIMITS: Final = {"routing": Limit("at least", 1.5), "supervision": Limit("at least", 1.0)}


@dataclass(frozen=True)
class Run:
    """One backlog worked off. `cpu`: the process's own, microseconds a record."""

    records: int
    seconds: float
    cpu: float
    published: int

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:.0f} records/s, {self.cpu:.0f} µs of its processor time a record"

    @property
    def published_rate(self) -> float:
        """Decisions published a second."""
        return self.published / self.seconds


@dataclass(frozen=True)
class Contestant:
    """A running process that waits for records. `done`: how many of the mix it has dealt with."""

    made: Installation
    name: str
    topic: str
    done: Callable[[], Awaitable[int]]
    length: Callable[[], Awaitable[int]]
    close: Callable[[], Awaitable[None]]

    async def run(self, mix: Mix) -> Run:
        """Put the mix before the frozen process, let it go, and wait until it is through."""
        self.made.pause(self.name)
        await self.made.publish(mix.records, self.topic)
        before = await self.length()
        used = self.made.usage(self.name).seconds
        begun = time.monotonic()
        self.made.resume(self.name)
        ended = await reach(self.done, len(mix), self.made.children[self.name])
        cpu = (self.made.usage(self.name).seconds - used) / len(mix) * 1e6
        return Run(len(mix), ended - begun, cpu, await self.length() - before)


async def service(rig: Rig, name: str, mix: Mix) -> Contestant:
    """A worker of routing or supervision on an empty log."""
    made = await rig.installation(name, mix.start)
    database = await Database(made.settings).__aenter__()
    ends = await Ends(made.settings).__aenter__()
    table = f'"{made.settings.schema(name)}"'

    async def folded() -> int:
        """Records folded; one less while a decision waits for its acknowledgement."""
        done = await database.number(f"SELECT sum(next) FROM {table}.positions")
        if done < len(mix):
            return done
        pending = await database.number(f"SELECT count(*) FROM {table}.streams WHERE pending <> ''")
        return len(mix) - 1 if pending else len(mix)

    async def close() -> None:
        await database.__aexit__()
        await ends.__aexit__()
        await made.close()

    made.launch(name)
    await made.ready(name)
    return Contestant(made, name, CASE_EVENTS, folded, ends.total, close)


async def faust(rig: Rig, mix: Mix, sender: Sender) -> Contestant:
    """The bare agent on an empty topic."""
    made = await rig.installation("faust", mix.start)
    name = "forwarder"
    for topic in (SOURCE, TARGET):
        await made.make_topic(topic)
    ends = await Ends(made.settings, TARGET).__aenter__()

    async def forwarded() -> int:
        return await ends.total() - 1

    async def close() -> None:
        await ends.__aexit__()
        await made.drop_topics(SOURCE, TARGET)
        await made.close()

    group = f"{made.settings.namespace}forwarder"
    made.launch(name, ("-m", "infra.bench.forwarder", group, SOURCE, TARGET, sender))
    # It has no /readyz: it is ready when it has forwarded a first record.
    await made.publish([("ready", b"{}")], SOURCE)
    await reach(ends.total, 1, made.children[name])
    return Contestant(made, name, SOURCE, forwarded, ends.total, close)


async def _in_turn(mix: Mix, *starting: Coroutine[Any, Any, Contestant]) -> list[Run]:
    """Start the contestants side by side; then one after the other has the machine to itself."""
    contestants = await asyncio.gather(*starting)
    try:
        return [await contestant.run(mix) for contestant in contestants]
    finally:
        for contestant in contestants:
            await contestant.close()


async def measure(rig: Rig, mix: Mix, runs: int) -> tuple[list[Figure], float]:
    """Both figures, and supervision's normal rate of publishing, decisions a second."""
    tried = await _tried(rig, mix)
    sender = max(BARE, key=lambda name: tried[name])
    found: dict[str, list[Run]] = {"faust": [], "routing": [], "supervision": []}
    for number in range(runs):
        rig.say(f"folding: run {number + 1} of {runs}")
        runs_now = await _in_turn(
            mix,
            faust(rig, mix, sender),
            service(rig, "routing", mix),
            service(rig, "supervision", mix),
        )
        for (name, done), run in zip(found.items(), runs_now, strict=True):
            done.append(run)
            rig.say(f"  {name}: {run}")
    peer = Peer(
        "a bare Faust agent that forwards each record",
        f"sender {sender}, the fastest of {', '.join(BARE)}; {SETTINGS}",
        tuple(run.rate for run in found["faust"]),
    )
    note = (
        f"{mix}; for orientation, in a trial on {TRIAL} records at most: one that takes batches "
        f"{tried['batch']:.0f}/s, " + ", ".join(f"sender {n} {tried[n]:.0f}/s" for n in BARE)
    )
    figures = [
        Figure(
            f"{name}: records folded",
            "records/s",
            tuple(run.rate for run in found[name]),
            LIMITS[name],
            peer,
            note,
            more={
                "cpu_us_a_record": [round(run.cpu, 1) for run in found[name]],
                "peer_cpu_us_a_record": [round(run.cpu, 1) for run in found["faust"]],
            },
        )
        for name in LIMITS
    ]
    normal = sorted(run.published_rate for run in found["supervision"])[runs // 2]
    return figures, normal


async def _tried(rig: Rig, mix: Mix) -> dict[Sender, float]:
    """Records a second of the bare agent with each way of sending, on a part of the mix."""
    part = Mix(mix.records[:TRIAL], mix.start, mix.end, mix.cases, mix.by_writer)
    done = await _in_turn(part, *(faust(rig, part, sender) for sender in SENDERS))
    for sender, run in zip(SENDERS, done, strict=True):
        rig.say(f"folding: Faust with sender {sender}: {run}")
    return {sender: run.rate for sender, run in zip(SENDERS, done, strict=True)}
