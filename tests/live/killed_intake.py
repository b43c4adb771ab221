"""Intake that is killed at a chosen point of receiving a complaint, as by a power cut.

The argument says where: `before_publish` (the row is committed, nothing is sent), `half_sent` (of a
batch one partition has its events, the others nothing), `before_mark` (the log has acknowledged,
the outbox still holds the event), `before_keep` (the good lines are received, the refused ones are
not in quarantine), `before_close` (a corrected line is received, its item still waits),
`before_park` (a refused record is in quarantine, not on the parked topic), `before_erased` (a rule
is about to say that a case is erased) or `before_destroyed` (it has said so, the key is there).
With `half_acknowledged` it lives on: of the first batch one partition is acknowledged, the others
are not sent and fail, as if their leader were lost.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, NoReturn

from aiokafka.errors import KafkaTimeoutError

from services.intake import retention, view
from services.intake.__main__ import main
from services.intake.feed import Feed
from services.intake.quarantine import Quarantine
from services.intake.reception import Reception
from services.intake.retention import Retention
from shared.log import Producer, partition_of


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


def _before_publish() -> None:
    async def send_many(self: Producer, topic: str, records: Any) -> Any:
        _die()

    Producer.send_many = send_many  # type: ignore[method-assign]


_send_many = Producer.send_many


def _halves(records: Any) -> tuple[list[Any], list[Any]]:
    """The records of the first one's partition, and the others, which there must be."""
    listed = list(records)
    first = partition_of(listed[0][0])
    rest = [record for record in listed if partition_of(record[0]) != first]
    assert rest, "all records are of one partition"
    return [record for record in listed if record not in rest], rest


def _half_sent() -> None:
    async def send_many(self: Producer, topic: str, records: Any) -> Any:
        first, _ = _halves(records)
        await asyncio.gather(*(future for future, _ in await _send_many(self, topic, first)))
        _die()

    Producer.send_many = send_many  # type: ignore[method-assign]


def _half_acknowledged() -> None:
    async def send_many(self: Producer, topic: str, records: Any) -> Any:
        Producer.send_many = _send_many  # type: ignore[method-assign]
        first, rest = _halves(records)
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(KafkaTimeoutError())
        return [*await _send_many(self, topic, first), (failed, [key for key, _ in rest])]

    Producer.send_many = send_many  # type: ignore[method-assign]


def _before_mark() -> None:
    async def mark(self: Reception) -> None:
        if self._marks:
            _die()

    Reception._mark = mark  # type: ignore[method-assign]


def _before_keep() -> None:
    async def keep(self: Quarantine, refused: Any, *more: Any) -> Any:
        if refused:
            _die()
        return []

    Quarantine.keep = keep  # type: ignore[method-assign,assignment]


def _before_close() -> None:
    async def close(self: Quarantine, *of: Any, **more: Any) -> None:
        _die()

    Quarantine.close = close  # type: ignore[method-assign]


def _before_park() -> None:
    async def park(self: Feed, *of: Any) -> None:
        _die()

    Feed._park = park  # type: ignore[method-assign,assignment]


def _before_erased() -> None:
    def event(self: Retention, *of: Any) -> Any:
        _die()

    Retention._event = event  # type: ignore[method-assign,assignment]


def _before_destroyed() -> None:
    async def destroy(*of: Any) -> None:
        _die()

    for module in (view, retention):
        vars(module)["destroy"] = destroy


POINTS = {
    "before_publish": _before_publish,
    "half_sent": _half_sent,
    "half_acknowledged": _half_acknowledged,
    "before_mark": _before_mark,
    "before_keep": _before_keep,
    "before_close": _before_close,
    "before_park": _before_park,
    "before_erased": _before_erased,
    "before_destroyed": _before_destroyed,
}

if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    sys.exit(main())
