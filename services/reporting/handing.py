"""What the office works with: the triage queue with its clock, and the list handed to a unit.

清单式交办 (方案 五(二)二): everything that was assigned to a unit in a window, as one document.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.reporting.cases import wording_of
from services.reporting.ledgers import Cell, Sheet, money_cell, source_cell
from services.reporting.reading import Cut, Snapshot
from services.reporting.rows import whole
from services.reporting.sentences import stored, word
from shared.calendar import ZONE
from shared.events import instant_text

_QUEUE: Final = """
SELECT v.case_id, v.number, v.source, v.tier, v.received_at, v.workers, v.doc,
    r.data AS request, r.at AS asked_at, d.data AS clock
FROM {versions} AS v
LEFT JOIN LATERAL (SELECT data, at FROM {events} WHERE subject = v.case_id
    AND recorded_at <= $1 AND type = 'TriageRequested' ORDER BY seat DESC LIMIT 1) AS r ON true
LEFT JOIN LATERAL (SELECT data FROM {events} WHERE subject = v.case_id AND recorded_at <= $1
    AND type = 'DeadlineSet' AND data->>'timer' = 'T04' ORDER BY seat DESC LIMIT 1) AS d ON true
WHERE v.recorded_from <= $1 AND v.recorded_to > $1 AND v.state = 'TRIAGE'
"""
_HANDED: Final = """
SELECT e.event_id, e.type, e.at, e.data, v.case_id, v.number, v.source, v.tier, v.received_at,
    v.workers, v.due_at, v.state, v.doc
FROM {events} AS e JOIN {versions} AS v
    ON v.case_id = e.subject AND v.recorded_from <= $1 AND v.recorded_to > $1
WHERE e.type IN ('CaseAssigned', 'CaseReassigned') AND e.recorded_at <= $1
    AND e.at >= $2 AND e.at < $3
    AND $4 IN (e.data->>'township', e.data->>'task_force', e.data->>'department')
ORDER BY e.at, e.partition, e.seat
"""
COLUMNS: Final = (
    "案件编号", "线索来源", "接收时间", "用人单位", "所属行业", "涉及人数", "涉及金额(元)",
    "牵头", "属地", "协办单位", "交办时间", "办结时限", "规则", "当前状态",
)  # fmt: skip


async def queue(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """Cases that wait for the office, first due first: reason, proposal, evidence, clock."""
    found = []
    for row in await snapshot.fetch(_QUEUE, cut.as_of):
        request = stored(row["request"]) if row["request"] else {}
        due = stored(row["clock"])["due_at"] if row["clock"] else None
        names = ("reason", "proposal", "rule", "evidence", "confidence_ppm", "margin_ppm")
        doc = whole(row["doc"])
        found.append(
            {name: request.get(name) for name in (*names, "runner_up", "flip")}
            | {
                "case_id": row["case_id"],
                "number": row["number"],
                "source": row["source"],
                "tier": row["tier"],
                "received_at": instant_text(row["received_at"]),
                "workers": row["workers"],
                "urgent": doc["urgent"],
                "asked_at": instant_text(row["asked_at"]) if row["asked_at"] else None,
                "due_at": due,
                "overdue": due is not None and datetime.fromisoformat(due) <= cut.as_of,
                "text": wording_of(request.get("flip")),
            }
        )
    return sorted(found, key=lambda item: (item["due_at"] or "9", item["case_id"]))


async def handed(
    snapshot: Snapshot, cut: Cut, unit: str, start: datetime, end: datetime
) -> dict[str, Any]:
    """What was assigned to a unit in [start, end), numbered, with its totals."""
    rows = await snapshot.fetch(_HANDED, cut.as_of, start, end, unit)
    items = [_item(number, row) for number, row in enumerate(rows, 1)]
    cases = {item["case_id"]: item for item in items}
    return {
        "list_no": f"JB-{unit}-{_minute(start)}-{_minute(end)}",
        "unit": unit,
        "name": _name(unit, cut),
        "window": {"start": instant_text(start), "end": instant_text(end)},
        "cases": len(cases),
        "workers": sum(item["workers"] or 0 for item in cases.values()),
        "amount_fen": sum(item["amount_fen"] or 0 for item in cases.values()),
        "items": items,
    }


def _minute(at: datetime) -> str:
    """An instant in the number of a paper, as officials read clocks."""
    return f"{at.astimezone(ZONE):%Y%m%d%H%M}"


def _item(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    data, doc = stored(row["data"]), whole(row["doc"])
    return {
        "no": number,
        "case_id": row["case_id"],
        "number": row["number"],
        "source": row["source"],
        "received_at": instant_text(row["received_at"]),
        "employer": doc["employer"]["name"],
        "industry": doc["employer"]["industry"],
        "workers": row["workers"],
        "amount_fen": doc["claimed_fen"],
        "lead": data.get("task_force") or data.get("department"),
        "township": data["township"],
        "co_handlers": data.get("co_handlers", []),
        "assigned_at": instant_text(row["at"]),
        "due_at": instant_text(row["due_at"]) if row["due_at"] else None,
        "rule": data["rule"],
        "state": row["state"],
        "event_id": row["event_id"],
        "again": row["type"] == "CaseReassigned",
    }


def _name(unit: str, cut: Cut) -> str:
    return cut.policy.unit_names.get(unit, unit)


async def workbook(found: Mapping[str, Any], cut: Cut) -> bytes:
    """The list as .xlsx bytes."""
    rows = [_cells(item, cut) for item in found["items"]]
    title = f"{found['name']}交办清单"
    return await asyncio.to_thread(_written, title[:31], rows, cut)


def _written(title: str, rows: Sequence[Sequence[Cell]], cut: Cut) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "handout.xlsx"
        sheet = Sheet(path, title, COLUMNS, cut)
        sheet.write(rows)
        sheet.close()
        return path.read_bytes()


def _cells(item: Mapping[str, Any], cut: Cut) -> list[Cell]:
    return [
        item["number"],
        source_cell(item["source"]),
        datetime.fromisoformat(item["received_at"]),
        item["employer"] or "（封存）",
        item["industry"],
        item["workers"],
        money_cell(item["amount_fen"]),
        _name(item["lead"], cut),
        _name(item["township"], cut),
        "、".join(_name(code, cut) for code in item["co_handlers"]) or None,
        datetime.fromisoformat(item["assigned_at"]),
        datetime.fromisoformat(item["due_at"]) if item["due_at"] else None,
        item["rule"],
        word(item["state"], "zh"),
    ]
