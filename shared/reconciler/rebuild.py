"""Folding a partition from the first record, with its decisions already on the log (design 5.5).

Decided is decided: each stream is replayed from its foreign events and the copies of its own
decisions that the log has. What it owes beyond them becomes pending, and is published only when
the whole partition is folded. Some copies stand in other partitions (a decision addressed to
another subject); those are indexed first, once for all partitions, in a temporary table.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import orjson

from shared.clock import wall_now
from shared.envelope import Unreadable, decode
from shared.events import WRITERS, Event, Service
from shared.journal import journal
from shared.log import CASE_EVENTS, PARTITIONS, Reader, Record, partition_of
from shared.reconciler.rows import Deciders, Row, outgoing, store_row
from shared.reconciler.store import Held, Store, StoredRow
from shared.replay import Copies, replay
from shared.settle import Books
from shared.streams import CITY, kind_of, unit_subject

log = journal("rebuild")

SHARE_RECORDS: Final = 40_000
"""Records held in memory at once; a larger partition is read several times, a share each."""

Progress = Callable[[int, int], None]
"""Told (partition, records read) as a rebuild goes on."""
