"""Server-sent events: what is folded, as it is folded; `id` is the position on the log.

A client that comes back with Last-Event-ID gets everything after it, in the order of each
partition. Who reads too slowly waits on the tables, not in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import asyncpg
import orjson

from services.reporting.cases import told
from services.reporting.reading import Malformed, Reading, position_of, position_text
from services.reporting.sentences import Names
from shared.database import PASSING
from shared.journal import journal
from shared.streams import kind_of

log = journal("stream")

MOST: Final = 500
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
AGAIN: Final = 2.0
"""Seconds after which tables that could not be read are tried again."""

_AFTER: Final = """
SELECT e.* FROM unnest($1::int[], $2::bigint[]) AS p(number, next)
CROSS JOIN LATERAL (
    SELECT partition, seat, event_id, subject, type, at, recorded_at, actor, data
    FROM {events} WHERE partition = p.number AND seat >= p.next ORDER BY seat LIMIT $3
) AS e ORDER BY e.recorded_at, e.partition, e.seat LIMIT $3
"""


class Bell:
    """Rung after each batch; every listener hears the next ring."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Until the next ring, at most so long; whether it rang."""
        event = self._event
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        return event.is_set()


def resumed(last_event_id: str, now: dict[int, int]) -> dict[int, int]:
    """The positions after a client's Last-Event-ID. Raises Malformed.

    One that the log has not reached is of a log that is gone: the client would hear nothing until
    this one is as long, and would never know what it missed.
    """
    try:
        positions = position_of(last_event_id)
        if positions.keys() != now.keys():
            raise ValueError("this position is of another log")
        if any(positions[number] > now[number] for number in now):
            raise ValueError("this position is later than the log, so of another one")
    except ValueError as error:
        raise Malformed("Last-Event-ID", str(error), "header") from None
    return positions


class Feed:
    """One client's stream of events from a position on."""

    def __init__(self, reading: Reading, bell: Bell, positions: dict[int, int]) -> None:
        self.reading = reading
        self.bell = bell
        self.positions = positions

    async def messages(self) -> AsyncIterator[bytes]:
        """Server-sent events for ever; the reader's going away ends it.

        While the tables cannot be read the connection stays: a browser that is answered a problem
        when it comes back gives up for good.
        """
        yield b"retry: 2000\n\n"
        while True:
            ringing = asyncio.create_task(self.bell.wait(HEARTBEAT))
            try:
                try:
                    found = await self._after()
                except (asyncpg.PostgresError, *PASSING) as error:
                    log.warning("stream_waits", error=type(error).__name__)
                    yield b": the tables cannot be read just now\n\n"
                    await self.bell.wait(AGAIN)
                    continue
                names = self.reading.names()
                for row in found:
                    self.positions[row["partition"]] = row["seat"] + 1
                    yield self._message(row, names)
                if not found and not await ringing:
                    yield b": still here\n\n"
            finally:
                ringing.cancel()

    async def _after(self) -> list[Any]:
        return await self.reading.fetch(
            _AFTER, list(self.positions), list(self.positions.values()), MOST
        )

    def _message(self, row: Any, names: Names) -> bytes:
        subject = row["subject"]
        case_id = subject if kind_of(subject) == "case" else None
        document = {"subject": subject, "case_id": case_id} | told(row, names)
        body = orjson.dumps(document).decode()
        position = position_text(self.positions)
        return f"id: {position}\nevent: {row['type']}\ndata: {body}\n\n".encode()
