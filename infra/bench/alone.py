"""Figures of one process on one core: the audit against reading alone, and `qingqian route`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import orjson

from infra.bench import intake
from infra.bench.figures import Figure, Limit, Peer
from infra.bench.mix import Mix
from infra.bench.rig import Rig
from infra.problem import Unready
from shared.settings import PREFIX

AUDIT_LIMIT: Final = Limit("at least", 0.15)
ROUTE_LIMIT: Final = Limit("at least", 2000)


async def solo(*arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What a run of `infra.bench.solo` says. Raises Unready with its last line if it fails."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.bench.solo", *arguments,
        env=others | (environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, problem = await process.communicate()
    if process.returncode:
        last = problem.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise Unready(f"{arguments[0]} ended with {process.returncode}: {last[0]}")
    found: dict[str, Any] = orjson.loads(out)
    return found


async def audit(rig: Rig, mix: Mix, runs: int) -> Figure:
    """Events a second of processor time, from Kafka to the verdict."""
    made = await rig.installation("audit", mix.start)
    rates: list[float] = []
    peers: list[float] = []
    findings = 0
    try:
        await made.publish(mix.records)
        await made.advance(mix.end)
        environment = made.settings.environment()
        for _ in range(runs):
            read = await solo("decode", environment=environment)
            found = await solo("audit", environment=environment)
            peers.append(read["records"] / read["cpu"])
            rates.append(found["records"] / found["cpu"])
            findings = found["findings"]
            rig.say(f"audit: {rates[-1]:.0f} events/s, consume and decode {peers[-1]:.0f}/s")
    finally:
        await made.close()
    return Figure(
        "audit: events re-decided on one core",
        "events/s",
        tuple(rates),
        AUDIT_LIMIT,
        Peer(
            "consuming and decoding the same records",
            "aiokafka by assignment, 2000 at once; both by processor time, Kafka's not counted",
            tuple(peers),
        ),
        f"{mix}; {findings} findings",
    )


async def route(rig: Rig, count: int, runs: int) -> Figure:
    """Complaints a second of processor time, starting the interpreter not counted."""
    complaints = intake.lines(count, "route")
    rates: list[float] = []
    with tempfile.TemporaryDirectory(prefix="qingqian-bench-") as folder:
        file = Path(folder) / "complaints.jsonl"
        file.write_bytes(b"\n".join(complaints) + b"\n")
        for _ in range(runs):
            found = await solo("route", str(file))
            if found["code"]:
                raise Unready(f"qingqian route ended with {found['code']}")
            rates.append(count / found["cpu"])
            rig.say(f"route: {rates[-1]:.0f} complaints/s")
    return Figure(
        "qingqian route: complaints on one core",
        "complaints/s",
        tuple(rates),
        ROUTE_LIMIT,
        note=f"{count} complaints of {sum(map(len, complaints)) // count} bytes a run",
    )
