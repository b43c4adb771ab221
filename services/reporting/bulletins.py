"""通报 (方案 五(三)二; domain 6.5): what the city is told at the end of each ranking period.

An issue is the log as of its cut-off and nothing else, so anybody can make it again and get the
same hash: it needs no stored copy to be immutable (I-13). What became known later changes no
issue; it stands as a correction in the next one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final, Literal

from services.reporting import clearance, overview, rankings, shapes
from services.reporting.case import LEVELS
from services.reporting.issues import Issue
from services.reporting.rankings import Window
from services.reporting.reading import Cut, Snapshot
from services.reporting.scoring import Scored
from shared.calendar import ZONE, start_of
from shared.envelope import canonical
from shared.events import instant_text
from shared.policy import Policy

Form = Literal["json", "docx", "pdf"]

_OPEN: Final = """
SELECT case_id, number, task_force, department, township, state, due_at, level,
    overdue_during @> $1::timestamptz AS overdue, workers
FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1 AND accepted_at IS NOT NULL
    AND left_base IS NULL AND state NOT IN ('CLOSED', 'WRITTEN_OFF')
ORDER BY due_at NULLS LAST, case_id
"""
_LISTS: Final[tuple[rankings.List, ...]] = ("task_force", "township")


async def bulletin(snapshot: Snapshot, issue: Issue, before: Issue | None) -> dict[str, Any]:
    """The issue as data: head, the five parts, the annexes, and the hash of all of it."""
    cut = await snapshot.cut(issue.at)
    office = cut.policy.content.organisation.office
    found: dict[str, Any] = {
        "no": issue.no,
        "phase": issue.phase,
        "office": "登封市欠薪治理联席会议办公室",
        "title": "关于全市欠薪案件办理情况的通报",
        "as_of": instant_text(issue.at),
        "as_of_text": f"截至{issue.date}",
        "issued_by": office,
        "overall": await overview.overview(snapshot, cut),
        "targets": [shapes.judged(item) for item in await clearance.clearance(snapshot, cut)],
        "open_cases": await _open_cases(snapshot, cut),
    }
    for of in _LISTS:
        ranked = await _ranked(snapshot, cut, of, issue)
        found[f"ranking_{of}"] = [_line(item, cut.policy) for item in ranked]
    found["problems"] = _problems(found)
    found["corrections"] = await _corrections(snapshot, cut, before) if before else []
    return found | {"hash": content_hash(found), "meta": cut.meta}


def content_hash(content: dict[str, Any]) -> str:
    """`sha256:` of the canonical content."""
    return "sha256:" + hashlib.sha256(canonical(content)).hexdigest()


async def _ranked(snapshot: Snapshot, cut: Cut, of: rankings.List, issue: Issue) -> list[Scored]:
    """The ranking from the campaign's beginning to the issue's cut-off, as known at the cut."""
    start = start_of(cut.policy.content.campaign.phases[0].first)
    return (await rankings.ranking(snapshot, cut, of, Window(start, issue.at))).items


def _line(item: Scored, policy: Policy) -> dict[str, Any]:
    """序号 | 受理单位 | 交办总量 | 办结率 | 满意率 | 按期率 | 响应率 | 评分; points as text."""
    counts = item.counts
    return {
        "rank": item.rank,
        "unit": counts.unit,
        "name": policy.unit_names[counts.unit],
        "base": counts.base,
        "rates": {name: list(pair) for name, pair in counts.rates.items()},
        "deductions": counts.deductions,
        "recovered_fen": counts.recovered_fen,
        "score": None if item.score is None else str(item.score),
        "note": item.note,
    }


async def _open_cases(snapshot: Snapshot, cut: Cut) -> list[dict[str, Any]]:
    """未办结清单, without personal data."""
    return [
        {
            "case": row["number"] or row["case_id"],
            "lead": row["task_force"] or row["department"],
            "township": row["township"],
            "state": row["state"],
            "due_at": instant_text(row["due_at"]) if row["due_at"] else None,
            "level": LEVELS[row["level"]],
            "overdue": row["overdue"],
            "workers": row["workers"],
        }
        for row in await snapshot.fetch(_OPEN, cut.as_of)
    ]


def _problems(found: dict[str, Any]) -> list[dict[str, Any]]:
    """存在问题: units that are named, with what for."""
    named: list[dict[str, Any]] = []
    for of in _LISTS:
        for line in found[f"ranking_{of}"]:
            faults = {name: n for name, n in line["deductions"].items() if n}
            if faults:
                named.append({"unit": line["unit"], "name": line["name"], "faults": faults})
    return named


async def _corrections(snapshot: Snapshot, cut: Cut, before: Issue) -> list[dict[str, Any]]:
    """更正: scores of the issue before, as published and as known now, where they differ."""
    then = await snapshot.cut(before.at)
    changed: list[dict[str, Any]] = []
    for of in _LISTS:
        published = {item.counts.unit: item for item in await _ranked(snapshot, then, of, before)}
        for item in await _ranked(snapshot, cut, of, before):
            old = published.get(item.counts.unit)
            was, now = (old.score if old else None), item.score
            if was != now:
                changed.append(
                    {
                        "corrects": before.no,
                        "unit": item.counts.unit,
                        "published": None if was is None else str(was),
                        "corrected": None if now is None else str(now),
                    }
                )
    return changed


def local_text(text: str) -> str:
    """An instant in local time, for print."""
    return f"{datetime.fromisoformat(text).astimezone(ZONE):%Y-%m-%d %H:%M}"
