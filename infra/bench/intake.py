"""Figures: complaints a second through intake's stream, against raw producers.

One has the very lines acknowledged that are sent to intake, the other the events that intake
makes of them, which are nearly three times as long: what the log costs whoever writes to it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from infra import simulator
from infra.bench.figures import Figure, Limit, Peer
from infra.bench.rig import Database, Ends, Installation, Rig, book, reach
from infra.problem import Unready
from infra.simulator import season
from services.intake.preparing import Prepared, prepare_all
from services.intake.tables import Tables
from services.intake.vault import Safe
from shared.broker import connection
from shared.keys import Key
from shared.policy import Policy
from shared.roles import By
from shared.sealing import KEY_BYTES
from shared.settings import Settings

LIMIT: Final = Limit("at least", 0.25)
OPERATOR: Final = By("operator", "operator")
TRIAL: Final = 3000
_CHUNK_BYTES: Final = 64 << 10


class Setup(NamedTuple):
    """How the raw producer is set up."""

    linger_ms: int
    max_batch_size: int
    compression: str | None

    def __str__(self) -> str:
        squeezed = self.compression or "no compression"
        return f"linger {self.linger_ms} ms, batch {self.max_batch_size >> 10} KiB, {squeezed}"


SETUPS: Final = (
    Setup(0, 131_072, None),
    Setup(5, 131_072, None),
    Setup(5, 131_072, "lz4"),
    Setup(5, 1_048_576, None),
)


def lines(count: int, name: str) -> list[bytes]:
    """Complaints of the simulated campaign, one JSON line each; `name` makes them new ones."""
    bodies = [item.data for item in simulator.received(1, "full" if count > 1000 else "small")]
    return [
        orjson.dumps(bodies[number % len(bodies)] | {"source_ref": f"{name}-{number}"})
        for number in range(count)
    ]


async def stream(made: Installation, complaints: Sequence[bytes]) -> float:
    """Seconds from the first byte sent to the last receipt. Raises Unready for a refused line."""
    headers = made.keyring().headers(OPERATOR) | {"content-type": "application/x-ndjson"}
    url = f"{made.settings.url('intake')}/v1/complaints:stream"
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    begun = time.monotonic()
    received = bytearray()
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.post(url, data=_body(complaints), headers=headers) as response,
    ):
        if response.status != 200:
            raise Unready(f"intake answered {response.status}: {(await response.text())[:200]}")
        async for part in response.content.iter_any():
            received += part
    taken = time.monotonic() - begun
    count = received.count(b'"status":"received"')
    if count != len(complaints):
        other = next((x for x in received.splitlines() if b'"received"' not in x), b"nothing else")
        raise Unready(f"{count} of {len(complaints)} received; {other[:200].decode()}")
    return taken


async def _body(complaints: Sequence[bytes]) -> AsyncIterator[bytes]:
    chunk = bytearray()
    for line in complaints:
        chunk += line + b"\n"
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


async def produce(
    settings: Settings, topic: str, complaints: Sequence[bytes], setup: Setup
) -> float:
    """Seconds in which a raw idempotent producer has the same bytes acknowledged."""
    producer = AIOKafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=setup.linger_ms,
        max_batch_size=setup.max_batch_size,
        compression_type=setup.compression,
    )
    await producer.start()
    try:
        # The first record opens the connection to the leader; it is not timed.
        await producer.send_and_wait(topic, b"{}")
        keyed = [(str(number).encode(), value) for number, value in enumerate(complaints)]
        begun = time.monotonic()
        sent = [await producer.send(topic, value, key=key) for key, value in keyed]
        await asyncio.gather(*sent)
        return time.monotonic() - begun
    finally:
        await producer.stop()


def events(complaints: Sequence[bytes], policy: Policy) -> list[bytes]:
    """What intake puts on the log for these complaints, under keys of nobody's."""
    key, safe = Key("bench", "operator", "operator", ("*",)), Safe(os.urandom(KEY_BYTES))
    made = prepare_all(complaints, key, _clock(), policy, safe)
    return [item.event for item in made if isinstance(item, Prepared)]


async def measure(rig: Rig, count: int, runs: int) -> list[Figure]:
    """Complaints a second, `runs` times `count` of them through one intake."""
    made = await rig.installation("intake", _clock())
    try:
        made.launch("intake")
        await made.ready("intake")
        topic = await made.make_topic("raw")
        policy = book(_clock())
        trial = lines(TRIAL, "trial")
        as_sent = await _best(made, topic, trial)
        as_stored = await _best(made, topic, events(trial, policy))
        await stream(made, lines(TRIAL // 3, "warm"))
        rates: list[float] = []
        sent: list[float] = []
        stored: list[float] = []
        size = long = texts = 0
        for number in range(runs):
            complaints = lines(count, f"run{number}")
            told = events(complaints, policy)
            await _settled(made)
            sent.append(count / await produce(made.settings, topic, complaints, as_sent))
            stored.append(count / await produce(made.settings, topic, told, as_stored))
            rates.append(count / await stream(made, complaints))
            size, long = sum(map(len, complaints)) // count, sum(map(len, told)) // count
            texts = len({orjson.loads(line).get("text") for line in complaints})
            rig.say(
                f"intake: {rates[-1]:.0f} complaints/s, raw producer {sent[-1]:.0f}/s of the "
                f"complaints, {stored[-1]:.0f}/s of the events"
            )
        peak = made.usage("intake").peak_mb
    finally:
        await made.drop_topics("raw")
        await made.close()
    name, raw = "intake: complaints through the stream", "a raw idempotent aiokafka producer of"
    return [
        Figure(
            name,
            "complaints/s",
            tuple(rates),
            LIMIT,
            Peer(f"{raw} the complaints' bytes", str(as_sent), tuple(sent)),
            f"{count} complaints of {size} bytes a run, with {texts} texts that differ (the same "
            f"words are read once); intake's peak memory {peak:.0f} MB",
        ),
        Figure(
            f"{name}, on the log",
            "complaints/s",
            tuple(rates),
            None,
            Peer(f"{raw} the events' bytes", str(as_stored), tuple(stored)),
            f"the same runs; an event has {long} bytes",
        ),
    ]


async def _settled(made: Installation) -> None:
    """Wait until intake has looked for likely duplicates of all that it took in.

    It does so behind the stream, which does not wait for it; no peer may run beside it either.
    """
    async with Database(made.settings) as database, Ends(made.settings) as ends:
        name = Tables(made.settings).like_positions
        done = partial(database.number, f"SELECT sum(next) FROM {name}")
        await reach(done, await ends.total(), made.children["intake"], every=0.25)


async def _best(made: Installation, topic: str, values: Sequence[bytes]) -> Setup:
    seconds = {setup: await produce(made.settings, topic, values, setup) for setup in SETUPS}
    return min(SETUPS, key=lambda setup: seconds[setup])


def _clock() -> datetime:
    """An instant after every complaint of the campaign was received."""
    return season.END.astimezone(UTC)
