"""Work of one process on one core, timed by its own processor time.

``python -m infra.bench.solo WHAT [FILE]`` prints one JSON line. A process of its own, so that
neither the bench nor what other figures have left behind is measured with it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson

from infra import audit, export, route
from infra.audit.pool import real_rules
from shared.envelope import decode
from shared.settings import load


def alone() -> None:
    """Keep to one core, where the system lets us choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def audited() -> dict[str, Any]:
    """The audit of the installation's log, from Kafka to the verdict."""
    real_rules()
    begun, used = time.monotonic(), time.process_time()
    found = audit.audit_kafka()
    return {
        "records": found.events,
        "cpu": time.process_time() - used,
        "seconds": time.monotonic() - begun,
        "findings": len(found.findings),
    }


def decoded() -> dict[str, Any]:
    """The peer: the same log consumed and decoded into events, nothing more."""
    begun, used = time.monotonic(), time.process_time()
    count = asyncio.run(_decoded())
    return {
        "records": count,
        "cpu": time.process_time() - used,
        "seconds": time.monotonic() - begun,
    }


async def _decoded() -> int:
    count = 0
    async for batches in export.partitions(load(), "bench-decode"):
        async with aclosing(batches):
            async for records in batches:
                for record in records:
                    decode(record.value)
                count += len(records)
    return count


def routed(file: Path) -> dict[str, Any]:
    """`qingqian route FILE`, from reading the book to the last answer."""
    begun, used = time.monotonic(), time.process_time()
    code = route.run(file=file)
    return {
        "cpu": time.process_time() - used,
        "seconds": time.monotonic() - begun,
        "code": code,
    }


def main(arguments: list[str]) -> int:
    alone()
    # What the work itself prints goes where nobody waits for it; the answer to our own stdout.
    answer = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    match arguments:
        case ["audit"]:
            found = audited()
        case ["decode"]:
            found = decoded()
        case ["route", file]:
            found = routed(Path(file))
        case _:
            sys.stderr.write("solo: audit, decode or route FILE\n")
            return 2
    os.write(answer, orjson.dumps(found) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
