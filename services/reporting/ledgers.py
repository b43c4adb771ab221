"""台账 as spreadsheets with the columns of domain 6.4, as of a cut and without personal data.

Money is a number of 元, so that a spreadsheet can sum it: the decimal of the fen is written digit
by digit, never by way of a float. Every text cell is written as text, and one that begins like a
formula also carries the mark by which a spreadsheet keeps taking it as text when it is edited
(formula injection).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import xlsxwriter

from services.reporting import telling
from services.reporting.case import LEVELS
from services.reporting.cases import told
from services.reporting.reading import Cut, Snapshot
from services.reporting.rows import whole
from services.reporting.sentences import Names, word
from services.reporting.wording import ACTIONS, SOURCES
from shared.calendar import ZONE
from shared.policy import Policy

Name = Literal["problems", "clearance", "told", "supervision", "referral", "returns"]
Cell = str | int | Decimal | datetime | None

SEALED: Final = "（封存）"
"""Stands for what reporting may not see (domain 7)."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_CASES: Final = """
SELECT *, overdue_during @> $1::timestamptz AS overdue
FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1
"""
_EVENTS: Final = """
SELECT e.*, v.number FROM {events} AS e LEFT JOIN {versions} AS v
    ON v.case_id = e.subject AND v.recorded_from <= $1 AND v.recorded_to > $1
WHERE e.type = ANY($2) AND e.recorded_at <= $1
ORDER BY e.at, e.recorded_at, e.partition, e.seat
"""


@dataclass(frozen=True)
class Ledger:
    """A sheet: its title, its columns after 序号, its rows' condition, and a row's cells."""

    title: str
    columns: tuple[str, ...]
    condition: str
    cells: Callable[[Mapping[str, Any], dict[str, Any], Policy], list[Cell]]


def _unit(code: str | None, policy: Policy) -> str | None:
    """A unit by its name, where the book knows it."""
    if code is None:
        return None
    return policy.unit_names.get(code) or word(code, "zh")


def _local(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def money_cell(fen: int | None) -> Decimal | None:
    """元 as an exact number; a cell of it is shown with two decimals."""
    return None if fen is None else Decimal(fen).scaleb(-2)


def source_cell(code: str) -> str:
    """线索来源 by its name; a source of another book by its code."""
    return SOURCES.get(code, code)


def _months(doc: dict[str, Any]) -> str | None:
    first, last = doc["months_from"], doc["months_to"]
    return f"{first} 至 {last}" if first and last else first or last


def _unpaid(row: Mapping[str, Any], doc: dict[str, Any]) -> int | None:
    """What is still owed, in fen: line by line once it is verified, before that of the claim."""
    if row["owed_fen"] is not None:
        return int(row["owed_fen"] - row["covered_fen"])
    claimed: int | None = doc["claimed_fen"]
    return None if claimed is None else max(0, claimed - row["paid_fen"])


def _problem(row: Mapping[str, Any], doc: dict[str, Any], policy: Policy) -> list[Cell]:
    own = doc["sources"][0]
    owed = row["owed_fen"] if row["owed_fen"] is not None else doc["claimed_fen"]
    field = row["task_force"] or row["department"]
    force = policy.task_forces.get(row["task_force"] or "")
    return [
        row["number"],
        source_cell(own["source"]),
        own["source_ref"],
        row["received_at"],
        SEALED,
        SEALED,
        doc["employer"]["name"] or SEALED,
        doc["employer"]["uscc"],
        SEALED if doc["project"] else None,
        None,
        None,
        None,
        _unit(field, policy),
        doc["employer"]["industry"],
        _unit(row["township"], policy),
        row["workers"],
        money_cell(owed),
        _months(doc),
        word(doc["root_cause"], "zh") if doc["root_cause"] else None,
        _unit(row["township"] or row["department"], policy),
        "、".join(_unit(code, policy) or "" for code in doc["co_handlers"]) or None,
        force.leader_post if force else None,
        None,
        row["assigned_at"],
        row["due_at"],
        word(row["state"], "zh"),
        money_cell(row["paid_fen"]),
        money_cell(_unpaid(row, doc)),
        LEVELS[row["level"]],
        "是" if row["overdue"] else "否",
        f"并入 {doc['merged_into']}" if doc["merged_into"] else None,
    ]


def _cleared(row: Mapping[str, Any], doc: dict[str, Any], _: Policy) -> list[Cell]:
    follow_up = doc["follow_up"] or {}
    paid = {"Y": "是", "N": "否", "part": "部分"}.get(follow_up.get("got_paid", ""))
    satisfaction = follow_up.get("satisfaction")
    return [
        row["number"],
        word(doc["closed_kind"], "zh") if doc["closed_kind"] else None,
        money_cell(row["paid_fen"]),
        row["workers_paid"],
        "、".join(doc["vouchers"]) or None,
        _local(doc["closed_at"]),
        _local(follow_up.get("at")),
        follow_up.get("by"),
        paid,
        word(satisfaction, "zh") if satisfaction else None,
        doc["reviewer"],
        _local(doc["written_off_at"]),
        doc["written_off_by"],
        f"重办{doc['reopened']}次" if doc["reopened"] else "无",
    ]


_PROBLEMS: Final = Ledger(
    "问题台账",
    (
        "案件编号", "线索来源", "来源单号", "接收时间", "反映人(脱敏)", "联系方式(脱敏)",
        "用人单位", "统一社会信用代码", "项目名称", "建设单位", "总包单位", "分包/班组",
        "所属领域(专班)", "所属行业", "属地乡镇(街道)", "涉及人数", "涉及金额(元)", "欠薪时段",
        "欠薪原因", "主办单位", "协办单位", "包案领导", "责任人", "交办时间", "办结时限",
        "办理措施及进展", "已支付(元)", "未支付(元)", "预警等级", "是否逾期", "备注",
    ),
    "ORDER BY received_at, case_id",
    _problem,
)  # fmt: skip
_CLEARANCE: Final = Ledger(
    "销号台账",
    (
        "案件编号", "办结方式", "支付金额", "支付人数", "支付凭证号", "办结时间", "回访时间",
        "回访人", "是否拿到欠薪", "是否满意", "审核人", "销号时间", "批准人", "复发情况",
    ),
    "AND state IN ('CLOSED', 'WRITTEN_OFF') ORDER BY received_at, case_id",
    _cleared,
)  # fmt: skip


def _told(row: Mapping[str, Any], doc: dict[str, Any], policy: Policy) -> list[Cell]:
    """The last ending that stands (an undone one is told in the timeline)."""
    standing = [item for item in doc["endings"] if item["undone_at"] is None]
    last = standing[-1] if standing else doc["endings"][-1]
    ended, told = _local(last["ended_at"]), _local(last["told_at"])
    assert ended is not None, "an ending has an instant"
    late_from = telling.due(ended, policy)
    answer = "否" if told and told < late_from else "是" if told else "未告知"
    return [
        row["number"],
        source_cell(row["source"]),
        word(last["kind"], "zh"),
        ended,
        late_from,
        told,
        _unit(last["told_by"], policy),
        last["channel"],
        answer if standing else "已撤销",
    ]


_TOLD: Final = Ledger(
    "告知台账",
    (
        "案件编号", "线索来源", "结束方式", "结束时间", "告知时限", "告知时间", "告知单位",
        "告知方式", "是否逾期",
    ),
    "AND doc->'endings' IS NOT NULL ORDER BY received_at, case_id",
    _told,
)  # fmt: skip

_CASE_LEDGERS: Final[dict[Name, Ledger]] = {
    "problems": _PROBLEMS,
    "clearance": _CLEARANCE,
    "told": _TOLD,
}

_EVENT_LEDGERS: Final[dict[Name, tuple[str, tuple[str, ...]]]] = {
    "supervision": (
        "督办台账",
        ("SupervisionNoticeIssued", "SupervisionNoticeReplied", "InterviewHeld", "CaseEscalated"),
    ),
    "referral": (
        "移送台账",
        (
            "ReferralThresholdMet", "ReferralProposed", "ReferralApproved", "ReferralDeclined",
            "ReferralDelivered", "ReferralReceipted", "PoliceFiled", "PoliceDeclined",
            "ReconsiderationRequested", "ReconsiderationDecided", "SupervisionSuggested",
            "PoliceReasonsAsked", "FilingOrdered",
        ),
    ),
    "returns": (
        "交办/退办台账",
        (
            "CaseAssigned", "CaseReassigned", "ReturnRequested", "ReturnApproved",
            "ReturnNotApproved", "ReturnRefused", "HandlerDesignated",
        ),
    ),
}  # fmt: skip
TITLES: Final[dict[Name, str]] = {name: ledger.title for name, ledger in _CASE_LEDGERS.items()} | {
    name: title for name, (title, _) in _EVENT_LEDGERS.items()
}
"""What each 台账 is called."""

_EVENT_COLUMNS: Final = ("案件编号", "事项", "时间", "登记时间", "单位", "内容")


async def workbook(snapshot: Snapshot, cut: Cut, name: Name) -> bytes:
    """The ledger as .xlsx bytes; read and written in pieces, so its size costs little memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.xlsx"
        if name in _CASE_LEDGERS:
            await _cases(snapshot, cut, _CASE_LEDGERS[name], path)
        else:
            await _acts(snapshot, cut, *_EVENT_LEDGERS[name], path)
        return await asyncio.to_thread(path.read_bytes)


async def _cases(snapshot: Snapshot, cut: Cut, ledger: Ledger, path: Path) -> None:
    """A row for each case."""
    sheet = Sheet(path, ledger.title, ledger.columns, cut)
    async with aclosing(snapshot.pieces(_CASES + ledger.condition, cut.as_of)) as pieces:
        async for rows in pieces:
            cells = [ledger.cells(row, whole(row["doc"]), cut.policy) for row in rows]
            await asyncio.to_thread(sheet.write, cells)
    await asyncio.to_thread(sheet.close)


async def _acts(
    snapshot: Snapshot, cut: Cut, title: str, types: tuple[str, ...], path: Path
) -> None:
    """A row for each event of these types, with its sentence."""
    sheet = Sheet(path, title, _EVENT_COLUMNS, cut)
    names = Names(cut.policy)
    async with aclosing(snapshot.pieces(_EVENTS, cut.as_of, list(types))) as pieces:
        async for rows in pieces:
            await asyncio.to_thread(sheet.write, [_act(row, names) for row in rows])
    await asyncio.to_thread(sheet.close)


def _act(row: Mapping[str, Any], names: Names) -> list[Cell]:
    item = told(row, names)
    who = row["number"] or row["subject"]
    act = ACTIONS.get(row["type"], row["type"])
    return [who, act, row["at"], row["recorded_at"], item["unit"], item["sentence"]]


class Sheet:
    """A workbook of one sheet that is written row by row."""

    def __init__(self, path: Path, title: str, columns: Sequence[str], cut: Cut) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": str(path.parent),
        }
        self._book = xlsxwriter.Workbook(str(path), options)
        self._book.set_properties({"title": title, "created": cut.as_of.replace(tzinfo=None)})
        self._sheet = self._book.add_worksheet(title.replace("/", "、"))
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._money = self._book.add_format({"num_format": "#,##0.00"})
        self._quoted = self._book.add_format({"quote_prefix": True})
        self._columns = len(columns)
        self._row = 2
        head = self._book.add_format({"bold": True, "text_wrap": True, "border": 1})
        self._sheet.set_column(0, 0, 6)
        self._sheet.set_column(1, len(columns), 16)
        self._sheet.freeze_panes(2, 2)
        self._sheet.write_string(0, 0, title)
        local = cut.as_of.astimezone(ZONE)
        self._sheet.write_string(0, 2, f"截至 {local:%Y-%m-%d %H:%M} · {cut.policy.ref}")
        for column, text in enumerate(("序号", *columns)):
            self._sheet.write_string(1, column, text, head)

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Append rows; their number comes before their cells."""
        for cells in rows:
            self._sheet.write_number(self._row, 0, self._row - 1)
            for column, value in enumerate(cells, start=1):
                self._put(column, value)
            self._row += 1

    def close(self) -> None:
        self._sheet.autofilter(1, 0, self._row - 1, self._columns)
        self._book.close()

    def _put(self, column: int, value: Cell) -> None:
        match value:
            case None:
                return
            case datetime():
                local = value.astimezone(ZONE).replace(tzinfo=None)
                self._sheet.write_datetime(self._row, column, local, self._moment)
            case Decimal():
                self._sheet.write_number(self._row, column, value, self._money)
            case int():
                self._sheet.write_number(self._row, column, value)
            case str():
                mark = self._quoted if value.startswith(_FORMULA) else None
                self._sheet.write_string(self._row, column, value, mark)
