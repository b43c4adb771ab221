"""总结材料 (方案 四 四): what phase four hands over, every number as of a cut.

Each part is what its own read answers at the same cut, so the pack adds no number of its own; each
ledger and bulletin stands with the hash of its content. Beside them the 督导考核 records of 方案
五(三), 五(四): visits and what became of their findings, measures, meetings, publicity, rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, get_args

from services.reporting import bulletins, clearance, ledgers, overview, prevention, rankings, shapes
from services.reporting.bulletins import content_hash
from services.reporting.issues import issues as issues_of
from services.reporting.reading import Cut, Snapshot
from services.reporting.sentences import stored
from shared.calendar import end_of
from shared.events import instant_text
from shared.policy import Policy
from shared.streams import unit_code

Form = Literal["json", "docx"]

_RECORDS: Final = """
SELECT event_id, subject, type, at, recorded_at, actor, data FROM {events}
WHERE type = ANY($2) AND recorded_at <= $1 ORDER BY at, subject, partition, seat
"""
_TYPES: Final = (
    "SupervisionVisitRecorded",
    "RectificationReported",
    "MeasurePlanFiled",
    "MeasureCompleted",
    "MeetingHeld",
    "PublicityRecorded",
    "RuleRevised",
    "ScreeningReported",
    "SummaryFiled",
)
_DEADLINES: Final = """
SELECT subject, data FROM {events}
WHERE type = 'DeadlineSet' AND recorded_at <= $1 AND data->>'timer' IN ('T55', 'T56')
ORDER BY subject, seat
"""
_BEST: Final = 3
"""Places of a published ranking that the commendation list names [PC]."""


async def pack(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    """The whole pack with its hash; the same cut gives the same content."""
    policy = cut.policy
    issues = await _issues(snapshot, cut)
    found: dict[str, Any] = {
        "kind": "closing_pack",
        "title": policy.content.title,
        "document": policy.content.document,
        "as_of": instant_text(cut.as_of),
        "position": cut.position,
        "policy": policy.ref,
        "names": policy.unit_names,
        "overview": await overview.overview(snapshot, cut),
        "clearance": [shapes.judged(item) for item in await clearance.clearance(snapshot, cut)],
        "rankings": await _rankings(snapshot, cut),
        "bulletins": [{key: item[key] for key in ("no", "as_of", "hash")} for item in issues],
        "commendation": _commended(issues[-1]) if issues else [],
        "ledgers": await _ledgers(snapshot, cut),
        "supervision": await _supervision(snapshot, cut),
        "prevention": (await prevention.warnings(snapshot, cut))["total"],
    }
    return found | {"hash": content_hash(found), "meta": cut.meta}


async def _rankings(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    """The whole campaign's rankings; points as text, so that a hash of them is exact."""
    window = rankings.window_of(cut, None, None)
    lists: tuple[rankings.List, ...] = ("task_force", "township")
    found: dict[str, Any] = {}
    for of in lists:
        ranked = (await rankings.ranking(snapshot, cut, of, window)).items
        found[of] = [
            {
                "rank": item.rank,
                "unit": item.counts.unit,
                "base": item.counts.base,
                "score": None if item.score is None else str(item.score),
                "rates": {name: list(pair) for name, pair in item.counts.rates.items()},
                "deductions": item.counts.deductions,
                "note": item.note,
            }
            for item in ranked
        ]
    return found


async def _issues(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """Every bulletin whose cut-off has passed, as it was and as it stays (I-13)."""
    all_ = issues_of(cut.policy, cut.as_of, snapshot.published.cut_offs)
    return [
        await bulletins.bulletin(snapshot, issue, snapshot.published.before(issue, all_))
        for issue in all_
    ]


def _commended(last: dict[str, Any]) -> list[dict[str, Any]]:
    """表扬名单, only from a published ranking: the best of the last issue that have a score."""
    return [
        {
            "list": of,
            "unit": line["unit"],
            "name": line["name"],
            "rank": line["rank"],
            "score": line["score"],
            "issue": last["no"],
        }
        for of in ("task_force", "township")
        for line in last[f"ranking_{of}"]
        if line["rank"] is not None and line["rank"] <= _BEST and line["note"] is None
    ]


async def _ledgers(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """Each 台账 with the hash of its spreadsheet at this cut."""
    found = []
    for name in get_args(ledgers.Name):
        body = await ledgers.workbook(snapshot, cut, name)
        digest = hashlib.sha256(body).hexdigest()
        path = f"/v1/ledgers/{name}.xlsx"
        found.append({"name": name, "path": path, "bytes": len(body), "hash": f"sha256:{digest}"})
    return found


# --- 督导考核 -------------------------------------------------------------------------------------


async def _supervision(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    rows = await snapshot.fetch(_RECORDS, cut.as_of, list(_TYPES))
    by_type: dict[str, list[Any]] = {name: [] for name in _TYPES}
    for row in rows:
        by_type[row["type"]].append(row)
    dues = {}
    for row in await snapshot.fetch(_DEADLINES, cut.as_of):
        data = stored(row["data"])
        dues[row["subject"], data["timer"], data["item"]] = data["due_at"]
    return {
        "visits": [
            _visit(row, dues, by_type["RectificationReported"])
            for row in by_type["SupervisionVisitRecorded"]
        ],
        "measures": [
            _measure(row, dues, by_type["MeasureCompleted"])
            for row in _latest_plans(by_type["MeasurePlanFiled"])
        ],
        "meetings": [_meeting(row, by_type["MeasureCompleted"]) for row in by_type["MeetingHeld"]],
        "publicity": [
            _record(row) | {name: stored(row["data"]).get(name) for name in ("kind", "count")}
            for row in by_type["PublicityRecorded"]
        ],
        "rules_revised": [
            _record(row) | {"rule": stored(row["data"]).get("rule")}
            for row in by_type["RuleRevised"]
        ],
        "screening": _filed(by_type["ScreeningReported"], cut.policy),
        "summaries": _filed(by_type["SummaryFiled"], cut.policy),
    }


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """What every record says of itself."""
    return {
        "event_id": row["event_id"],
        "unit": unit_code(row["subject"]) if row["subject"] != "city" else "city",
        "at": instant_text(row["at"]),
    }


def _visit(row: Any, dues: Mapping[Any, str], reports: list[Any]) -> dict[str, Any]:
    data = stored(row["data"])
    due = dues.get((row["subject"], "T55", row["event_id"]))
    mine = [
        report
        for report in reports
        if report["subject"] == row["subject"]
        and stored(report["data"])["visit"] == row["event_id"]
    ]
    told = {"mode": data["mode"], "by": data["unit"], "findings": len(data.get("findings", []))}
    return _record(row) | told | _ended(due, mine)


def _latest_plans(rows: list[Any]) -> list[Any]:
    """A measure that was planned anew counts by its last plan."""
    last = {(row["subject"], stored(row["data"])["measure"]): row for row in rows}
    return list(last.values())


def _measure(row: Any, dues: Mapping[Any, str], reports: list[Any]) -> dict[str, Any]:
    data = stored(row["data"])
    mine = [
        report
        for report in reports
        if report["subject"] == row["subject"]
        and stored(report["data"])["measure"] == data["measure"]
        and stored(report["data"]).get("meeting") is None
        and report["at"] >= row["at"]
    ]
    told = {name: data[name] for name in ("measure", "responsible", "due_on")}
    due = dues.get((row["subject"], "T56", data["measure"]))
    return _record(row) | told | _ended(due, mine)


def _ended(due: str | None, reports: list[Any]) -> dict[str, Any]:
    """When it was due, when it was done first, and whether in time; exactly at due is late."""
    done = min((report["at"] for report in reports), default=None)
    return {
        "due_at": due,
        "done_at": instant_text(done) if done else None,
        "in_time": done < datetime.fromisoformat(due) if done and due else None,
    }


def _meeting(row: Any, reports: list[Any]) -> dict[str, Any]:
    """A meeting with what became of each of its decisions, due at the end of its day."""
    done: dict[str, list[Any]] = {}
    for report in reports:
        data = stored(report["data"])
        mine = report["subject"] == row["subject"] and data.get("meeting") == row["event_id"]
        if mine and report["at"] >= row["at"]:
            done.setdefault(data["measure"], []).append(report)
    decisions = []
    for item in stored(row["data"]).get("decisions", []):
        due = instant_text(end_of(date.fromisoformat(item["due_on"])))
        told = {name: item[name] for name in ("no", "owner", "due_on")}
        decisions.append(told | _ended(due, done.get(str(item["no"]), [])))
    return _record(row) | {"decisions": decisions}


def _filed(rows: list[Any], policy: Policy) -> dict[str, Any]:
    """Of the 22 units: who filed, and who is missing."""
    filed = {unit_code(row["subject"]) for row in rows if row["subject"] != "city"}
    missing = [code for code in policy.units if code not in filed]
    return {"filed": len(policy.units) - len(missing), "of": len(policy.units), "missing": missing}
