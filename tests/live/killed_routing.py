"""Routing that stops dead between the two cases' events of a merge, to be looked at and killed.

BETWEEN says of which decision, and which of the two cases has its event first, for example
`ComplaintMerged master`; without it this is routing as it is. SPARED: cases that met this before.
The first event is acknowledged by the log, the other is not sent; then MARK is written (the
member, and the ids of both) and the process freezes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import orjson

from services.routing.decider import STREAMS
from shared.log import Place, Producer, partition_of
from shared.reconciler.service import main

_MASTERS: Final = {"ComplaintMerged": "ClaimLinesAdded", "ComplaintUnmerged": "ClaimLinesRemoved"}
"""What the master is told beside the member's own event."""

Send = Callable[..., Awaitable["asyncio.Future[Place]"]]


class Between:
    """Sends as the producer does, until the two events of one decision come by."""

    def __init__(self, send: Send, kind: str, first: str, spared: set[str], mark: Path) -> None:
        self._send = send
        self._kind = kind
        self._first = first
        self._spared = spared
        self._mark = mark
        self._masters: dict[str, tuple[str, asyncio.Future[Place] | None]] = {}

    async def send(
        self, producer: Producer, topic: str, key: str, value: bytes, partition: int | None = None
    ) -> asyncio.Future[Place]:
        event: dict[str, Any] = orjson.loads(value)
        member = event.get("decidedby", event["subject"])
        if event["type"] == _MASTERS[self._kind] and self._of_the_member(event, member):
            if self._first == "member":
                self._masters[member] = (event["id"], None)
                return asyncio.get_running_loop().create_future()
            sent = await self._send(producer, topic, key, value, partition)
            self._masters[member] = (event["id"], sent)
            return sent
        if event["type"] == self._kind and member in self._masters:
            master, sent_first = self._masters[member]
            if sent_first is not None:
                await sent_first
                self._freeze(member, recorded=master, missing=event["id"])
            await (await self._send(producer, topic, key, value, partition))
            self._freeze(member, recorded=event["id"], missing=master)
        return await self._send(producer, topic, key, value, partition)

    def _of_the_member(self, event: dict[str, Any], member: str) -> bool:
        data = event["data"]
        return (
            data["from_case"] == member
            and member not in self._spared
            and data.get("whole", True)
            and partition_of(member) != partition_of(event["subject"])
        )

    def _freeze(self, member: str, *, recorded: str, missing: str) -> None:
        told = {"member": member, "recorded": recorded, "missing": missing}
        # Whole or not at all: the test looks as soon as there is a file.
        part = self._mark.with_suffix(".part")
        part.write_bytes(orjson.dumps(told))
        part.rename(self._mark)
        os.kill(os.getpid(), signal.SIGSTOP)
        raise AssertionError("it was to be killed, and went on")


def arm() -> None:
    kind, first = os.environ["BETWEEN"].split()
    spared = set(os.environ["SPARED"].split())
    between = Between(Producer.send, kind, first, spared, Path(os.environ["MARK"]))

    async def send(self: Producer, *of: Any, **more: Any) -> asyncio.Future[Place]:
        return await between.send(self, *of, **more)

    Producer.send = send  # type: ignore[method-assign]


if __name__ == "__main__":
    if os.environ.get("BETWEEN"):
        arm()
    main("routing", STREAMS)
