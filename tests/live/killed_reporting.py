"""Reporting that is killed at a chosen point of publishing, as by a power cut.

KILLED_AT says where: `half_published` (the first half of what belongs to an issue is on the log) or
`before_signing` (the issue is out, no checkpoint has signed it). With `unanswered` it lives on: of
the first half of an issue the acknowledgement is lost, as if the broker were restarted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from aiokafka.errors import KafkaTimeoutError

from services.reporting.__main__ import main
from services.reporting.signing import Signer
from shared.events import Event
from shared.log import Producer


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


_publish = Producer.publish


def _half_published() -> None:
    async def publish(self: Producer, events: Sequence[Event]) -> Any:
        await _publish(self, events[: len(events) // 2])
        _die()

    Producer.publish = publish  # type: ignore[method-assign]


def _before_signing() -> None:
    def checkpoints(self: Signer, standing: object) -> Any:
        _die()

    Signer.checkpoints = checkpoints  # type: ignore[method-assign]


def _unanswered() -> None:
    async def publish(self: Producer, events: Sequence[Event]) -> Any:
        Producer.publish = _publish  # type: ignore[method-assign]
        await _publish(self, events[: len(events) // 2])
        raise KafkaTimeoutError

    Producer.publish = publish  # type: ignore[method-assign]


POINTS = {
    "half_published": _half_published,
    "before_signing": _before_signing,
    "unanswered": _unanswered,
}

if __name__ == "__main__":
    POINTS[os.environ["KILLED_AT"]]()
    sys.exit(main())
