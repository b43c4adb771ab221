"""Routing's deciders by kind of stream: pure functions, no clock and no I/O."""

from __future__ import annotations

from typing import Any

from services.routing.decider.case import CaseRouting
from services.routing.decider.group import GroupRouting
from services.routing.decider.match import MatchRouting
from shared.events import Kind
from shared.settle import Decider

STREAMS: dict[Kind, Decider[Any]] = {
    "case": CaseRouting(),
    "match": MatchRouting(),
    "group": GroupRouting(),
}
