"""What a complainant reads with the query code (条例 10): state, unit and next due, in words.

Nothing here names a person, a sum or another case. An unknown code, a mistyped one and one whose
complaint is not folded yet get the same answer after the same work.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any, Final

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from services.reporting.reading import Cut, Snapshot
from services.reporting.rows import whole
from services.reporting.sentences import stored, word
from shared.calendar import ZONE, civil, end_of, last_day_of
from shared.events import instant_text
from shared.query import status_key
from shared.roles import NO_TOWNSHIP

STATES: Final[dict[str, str]] = {
    "RECEIVED": "您的反映已收到，正在审核是否受理。",
    "SUPPLEMENTING": "您的反映还缺材料，请按通知补正。",
    "ACCEPTED": "您的反映已受理，正在确定办理单位。",
    "TRIAGE": "您的反映已受理，联席办正在研究由哪个单位办理。",
    "ASSIGNED": "您的反映已交{unit}办理，等待签收。",
    "RETURN_REVIEW": "{unit}对由其办理有异议，联席办正在审核。",
    "HANDLING": "您的反映正由{unit}办理。",
    "SUSPENDED": "您的反映由{unit}办理，目前暂时中止，原因消除后恢复。",
    "CLOSURE_REVIEW": "{unit}已报请办结，正在审核。",
    "FOLLOW_UP": "{unit}已报请办结，请留意回访电话。",
    "CLOSED": "您的反映已办结（{kind}）。",
    "WRITTEN_OFF": "您的反映已办结（{kind}）并销号。",
    "NOT_ACCEPTED": "您的反映不予受理，理由和救济途径以告知书为准。",
    "TRANSFERRED_OUT": "您的反映已移送有权处理的机关。",
    "MERGED": "您的反映已与同一事项的另一件并案办理。",
}
_DUES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "RECEIVED": (("T01",), "决定是否受理"),
    "SUPPLEMENTING": (("T02",), "补正材料"),
    "ACCEPTED": (("T03",), "确定办理单位"),
    "TRIAGE": (("T04",), "确定办理单位"),
    "ASSIGNED": (("T09", "T18"), "报请办结"),
    "RETURN_REVIEW": (("T09", "T18"), "报请办结"),
    "HANDLING": (("T09", "T18"), "报请办结"),
    "CLOSURE_REVIEW": (("T12",), "完成审核"),
    "FOLLOW_UP": (("T13",), "完成回访"),
}
"""For each state the clocks that run in it, and what is due by them."""

_ROW: Final = (
    "SELECT case_id, state, received_at, township, department, task_force, joined, doc "
    "FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1 AND "
)
_LAST_DUE: Final = (
    "SELECT data FROM {events} WHERE subject = $2 AND recorded_at <= $1 "
    "AND type = 'DeadlineSet' AND data->>'timer' = ANY($3) ORDER BY seat DESC LIMIT 1"
)
_MOST_MASTERS: Final = 16


async def status(snapshot: Snapshot, cut: Cut, code: str) -> dict[str, Any] | None:
    """How the case of a query code stands; None for a code that is none. A merged case is told
    as its master stands."""
    own = await _row(snapshot, cut, "status_key = $2", status_key(code))
    if own is None:
        return None
    row, walked = own, {own["case_id"]}
    while (master := whole(row["doc"])["merged_into"]) and len(walked) < _MOST_MASTERS:
        found = await _row(snapshot, cut, "case_id = $2", master)
        if found is None or found["case_id"] in walked:
            break
        walked.add(found["case_id"])
        row = found
    due = await _due(snapshot, cut, row)
    unit = unit_name(row, cut)
    kind = whole(row["doc"])["closed_kind"]
    text = STATES[row["state"]].format(
        unit=unit or "有关单位", kind=word(kind, "zh") if kind else "—"
    )
    if row is not own:
        text = STATES["MERGED"] + text
    return {
        "state": row["state"],
        "merged": row is not own,
        "handling_unit": unit,
        "received_on": civil(own["received_at"]).isoformat(),
        "next_due": due,
        "text": text + (due["text"] if due else ""),
    }


async def _row(snapshot: Snapshot, cut: Cut, where: str, value: str) -> Mapping[str, Any] | None:
    found = await snapshot.fetch(f"{_ROW}{where} ORDER BY case_id LIMIT 1", cut.as_of, value)
    return found[0] if found else None


def unit_name(row: Mapping[str, Any], cut: Cut) -> str | None:
    """主办单位 by its name: the township, else the department, else the task force."""
    township = cut.policy.townships.get(row["township"] or NO_TOWNSHIP)
    if township is not None:
        return township.name
    force = cut.policy.task_forces.get(row["task_force"] or "")
    return row["department"] or (force.name if force else None)


async def _due(snapshot: Snapshot, cut: Cut, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is due next. A member of a group has no handling deadline of its own."""
    timers, what = _DUES.get(row["state"], ((), ""))
    if not timers or (row["joined"] and "T09" in timers):
        return None
    found = await snapshot.fetch(_LAST_DUE, cut.as_of, row["case_id"], list(timers))
    if not found:
        return None
    due_at = datetime.fromisoformat(stored(found[0]["data"])["due_at"])
    who = "请您" if row["state"] == "SUPPLEMENTING" else "应"
    late = due_at <= cut.as_of
    tail = "，现已超过时限，正在督办。" if late and who == "应" else "。"
    return {
        "at": instant_text(due_at),
        "what": what,
        "overdue": late,
        "text": f"{who}于{_before(due_at)}前{what}{tail}",
    }


def _before(due_at: datetime) -> str:
    """A due in words: 24时 of the day that ends with it."""
    day = last_day_of(due_at)
    if due_at == end_of(day):
        return f"{day.year}年{day.month}月{day.day}日24时"
    at = due_at.astimezone(ZONE)
    return f"{at.year}年{at.month}月{at.day}日{at:%H:%M}"


# --- how often ------------------------------------------------------------------------------------


class Turnstile:
    """Lets each caller in so many times a minute, counted in this process."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def admits(self, address: str | None) -> bool:
        """Whether one more request from this address is within the rate."""
        return await self._limiter.hit(self._rate, "status", network_of(address))

    @property
    def seconds(self) -> int:
        """After so long a refused caller is let in again."""
        return int(self._rate.get_expiry())


def network_of(address: str | None) -> str:
    """Whom a request is counted to: an IPv4 address; of IPv6 the /64 that one subscriber has."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))


# --- the page -------------------------------------------------------------------------------------

PAGE_HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}
UNKNOWN: Final = "没有查到这个查询码，请核对后再试。"

_PAGE: Final = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>欠薪反映办理进度查询</title>
<style>body{{font:18px/1.7 sans-serif;max-width:34em;margin:2em auto;padding:0 1em}}
input,button{{font:inherit;padding:.4em .6em;width:100%;box-sizing:border-box;margin:.3em 0}}
output{{display:block;margin-top:1em;border-left:.3em solid #1a56a5;padding-left:.8em}}</style>
</head><body><h1>办理进度查询</h1>
<form method="post" action="/v1/public/status"><label>查询码（16位）
<input name="code" autocomplete="off" required maxlength="40" value=""></label>
<button>查询</button></form><output>{text}</output></body></html>
"""


def page(text: str) -> str:
    """The page on which a code is asked for, with an answer below."""
    return _PAGE.format(text=escape(text))
