"""One act for many cases (批量研判、批量解决): each item is a fact of its own, by the one path.

Nothing is decided here: every item is judged and recorded by the desk as if posted alone, under
a key derived from the batch's, so a batch that is sent again after a fault records nothing twice
and completes what was missing. A dry run judges each item the same way and records nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.intake.complaint import Refused
from services.intake.desk import Busy, Desk, Refusing, Report
from services.intake.reception import Unknown
from shared.roles import By

MOST: Final = 500
_AT_ONCE: Final = 6

ALIKE: Final = frozenset(
    (
        "AssignmentSigned",
        "FirstContactMade",
        "ProgressReported",
        "MediationAgreed",
        "PaymentVerified",
        "ClosureRequested",
        "ClosureReviewPassed",
        "ClosureReturned",
        "FollowUpAttempted",
        "FollowUpCompleted",
        "CaseWrittenOff",
        "ComplainantTold",
    )
)
"""Acts that one decision may do for every member of a group (same-type batch resolution)."""


@dataclass(frozen=True)
class Item:
    """One case of a batch, with what is recorded of it."""

    case_id: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """An act for many cases. `key`: the batch's Idempotency-Key; `group`: all must be of it."""

    type: str
    items: Sequence[Item]
    occurred_at: datetime
    by: By
    client: str
    key: str
    dry_run: bool = False
    group: str | None = None


async def record(desk: Desk, batch: Batch) -> list[dict[str, Any]]:
    """What became of each item, in order: recorded, would_record or refused with its reason."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> dict[str, Any]:
        async with turns:
            return await _record(desk, batch, item)

    return list(await asyncio.gather(*(one(item) for item in batch.items)))


async def _record(desk: Desk, batch: Batch, item: Item) -> dict[str, Any]:
    report = Report(
        subject=item.case_id,
        type=batch.type,
        data=item.data,
        occurred_at=batch.occurred_at,
        by=batch.by,
        client=batch.client,
        key=f"{batch.key}/{item.case_id}",
    )
    try:
        event_id = await desk.record(report, dry_run=batch.dry_run, group=batch.group)
    except Refused as error:
        problem = error.problems[0]
        return _refused(item, 422, "MALFORMED", problem.detail, problem.pointer)
    except Refusing as error:
        refusal = error.refusal
        return _refused(item, refusal.status, refusal.code, refusal.reason, refusal.pointer)
    except (Busy, Unknown) as error:
        code = "BUSY" if isinstance(error, Busy) else "UNKNOWN"
        return _refused(item, 503, code, f"{error}; send the batch again with the same key")
    if batch.dry_run:
        return {"case_id": item.case_id, "result": "would_record"}
    return {"case_id": item.case_id, "result": "recorded", "event_id": event_id}


def _refused(
    item: Item, status: int, code: str, detail: str, pointer: str | None = None
) -> dict[str, Any]:
    found = {
        "case_id": item.case_id,
        "result": "refused",
        "status": status,
        "code": code,
        "detail": detail,
    }
    return found | ({"pointer": pointer} if pointer else {})
