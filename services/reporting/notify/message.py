"""A message as a channel gets it, and what it says of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

Outcome = Literal["sent", "retry", "held"]


@dataclass(frozen=True)
class Message:
    """A notification for one channel. `id` is the same at every attempt; `body` names nobody."""

    id: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class Receipt:
    """What became of a message: sent; to be tried again later; or held, not tried for the others'
    sake.

    `after`: seconds that the other side asks to wait. `gone`: it takes nothing at all any more.
    """

    outcome: Outcome
    detail: str
    after: float | None = None
    gone: bool = False
