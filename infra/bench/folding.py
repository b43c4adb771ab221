"""Figure: records folded per second by routing and by supervision, against a bare Faust agent.

Each contestant is a running process that is frozen while the demo's mix is put on its log, own
echoes included, and then let go: what is timed is one process working off one backlog, from the
first record to the last one folded, its decisions published and acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from infra.bench.figures import Figure, Limit, Peer
from infra.bench.forwarder import SENDERS, SETTINGS, Sender
from infra.bench.mix import Mix
from infra.bench.rig import Database, Ends, Installation, Rig, reach

SOURCE: Final = "forward-from"
TARGET: Final = "forward-to"
TRIAL: Final = 10_000
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


async def service(rig: Rig, name: str, mix: Mix) -> Run:
    """A worker of routing or supervision on the whole mix."""
    made = await rig.installation(name, mix.start)
    try:
        made.launch(name)
        await made.ready(name)
        table = f'"{made.settings.schema(name)}"'
        async with Database(made.settings) as database, Ends(made.settings) as ends:

            async def folded() -> int:
                """Records folded; one less while a decision waits for its acknowledgement."""
                done = await database.number(f"SELECT sum(next) FROM {table}.positions")
                if done < len(mix):
                    return done
                pending = await database.number(
                    f"SELECT count(*) FROM {table}.streams WHERE pending <> ''"
                )
                return len(mix) - 1 if pending else len(mix)

            run = await _timed(made, name, mix, folded, lambda: made.publish(mix.records))
            return Run(run.records, run.seconds, run.cpu, await ends.total() - len(mix))
    finally:
        await made.close()


async def faust(rig: Rig, mix: Mix, sender: Sender) -> Run:
    """The bare agent on the same records."""
    made = await rig.installation("faust", mix.start)
    name = "forwarder"
    try:
        await made.make_topic(SOURCE)
        await made.make_topic(TARGET)
        group = f"{made.settings.namespace}forwarder"
        made.launch(name, ("-m", "infra.bench.forwarder", group, SOURCE, TARGET, sender))
        async with Ends(made.settings, TARGET) as ends:
            # It has no /readyz: it is ready when it has forwarded a first record.
            await made.publish([("ready", b"{}")], SOURCE)
            await reach(ends.total, 1, made.children[name])

            async def forwarded() -> int:
                return await ends.total() - 1

            return await _timed(
                made, name, mix, forwarded, lambda: made.publish(mix.records, SOURCE)
            )
    finally:
        await made.drop_topics(SOURCE, TARGET)
        await made.close()


async def _timed(
    made: Installation,
    name: str,
    mix: Mix,
    done: Callable[[], Awaitable[int]],
    publish: Callable[[], Awaitable[None]],
) -> Run:
    made.pause(name)
    await publish()
    used = made.usage(name).seconds
    begun = time.monotonic()
    made.resume(name)
    ended = await reach(done, len(mix), made.children[name])
    cpu = (made.usage(name).seconds - used) / len(mix) * 1e6
    return Run(len(mix), ended - begun, cpu, 0)


async def measure(rig: Rig, mix: Mix, runs: int) -> tuple[list[Figure], float]:
    """Both figures, and supervision's normal rate of publishing, decisions a second."""
    tried = await _tried(rig, mix)
    sender = max(BARE, key=lambda name: tried[name])
    found: dict[str, list[Run]] = {"faust": [], "routing": [], "supervision": []}
    for number in range(runs):
        rig.say(f"folding: run {number + 1} of {runs}")
        found["faust"].append(await faust(rig, mix, sender))
        found["routing"].append(await service(rig, "routing", mix))
        found["supervision"].append(await service(rig, "supervision", mix))
        for name, done in found.items():
            rig.say(f"  {name}: {done[-1]}")
    peer = Peer(
        "a bare Faust agent that forwards each record",
        f"sender {sender}, the fastest of {', '.join(BARE)}; {SETTINGS}",
        tuple(run.rate for run in found["faust"]),
    )
    note = (
        f"{mix}; for orientation, in a trial on 10,000 records: an agent that takes batches "
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
    rates: dict[Sender, float] = {}
    for sender in SENDERS:
        run = await faust(rig, part, sender)
        rig.say(f"folding: Faust with sender {sender}: {run}")
        rates[sender] = run.rate
    return rates
