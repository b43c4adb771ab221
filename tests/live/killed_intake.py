"""Intake that is killed at a chosen point of receiving a complaint, as by a power cut.

The argument says where: `before_publish` (the row is committed, nothing is sent) or
`before_mark` (the log has acknowledged, the outbox still holds the event).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

from services.intake.__main__ import main
from services.intake.reception import Reception
from shared.log import Producer


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


def _before_publish() -> None:
    async def send_many(self: Producer, topic: str, records: Any) -> Any:
        _die()

    Producer.send_many = send_many  # type: ignore[method-assign]


def _before_mark() -> None:
    async def mark(self: Reception) -> None:
        if self._marks:
            _die()

    Reception._mark = mark  # type: ignore[method-assign]


if __name__ == "__main__":
    {"before_publish": _before_publish, "before_mark": _before_mark}[sys.argv[1]]()
    sys.exit(main())
