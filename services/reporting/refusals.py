"""Reads that were refused are on record (domain 7), once a minute for who asks again and again."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from aiokafka.errors import KafkaError

from shared.envelope import derived_id
from shared.events import Event, ReadDenied, instant_text
from shared.journal import journal
from shared.keys import Key
from shared.streams import GOVERNANCE

_PATIENCE: Final = 5.0
"""Seconds for the log to take a refusal; who may not read does not read meanwhile either."""
_REMEMBERED: Final = 1000
_A_CASE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|DF-QX-\d{4}-\d{6}", re.ASCII)
"""An id or number of a case: what else a caller writes in its place (an identity number, say) has
no business on the log, and is one refusal a minute whatever it is.
"""

log = journal("reporting.refusals")


def refusal(key: Key, action: str, reason: str, case: str | None, now: datetime) -> Event:
    """The event of a refused read. It names unit and role: reporting knows no person.

    Within a minute it is the same for whoever asks again, of whatever process.
    """
    named = case if case is not None and _A_CASE.fullmatch(case) else None
    minute = now.replace(second=0, microsecond=0)
    parts = (key.unit, key.role, action, reason, named or "", instant_text(minute))
    return Event(
        id=derived_id(GOVERNANCE, "ReadDenied", *parts),
        subject=GOVERNANCE,
        time=minute,
        recordedtime=now,
        data=ReadDenied(action=action, reason=reason, case=named),
        actor=f"{key.unit}/{key.role}/-",
    )


class Register:
    """Puts refusals on the log. `publish`: comes back when they are acknowledged."""

    def __init__(self, publish: Callable[[Sequence[Event]], Awaitable[object]]) -> None:
        self._publish = publish
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    async def put(self, event: Event) -> None:
        """Once, also if asked again. A log that is silent is said in the journal."""
        if event.id in self._known:
            return
        self._known.append(event.id)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._publish([event])
        except (TimeoutError, KafkaError):
            log.warning("refusal_not_acknowledged", event_id=event.id)
