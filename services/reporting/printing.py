"""A bulletin on paper: the same document as .docx and as .pdf.

The content is laid out once as blocks (a heading, a paragraph, a table) and each form prints
blocks. Nothing is computed here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH

from services.reporting import pdf
from services.reporting.bulletins import Form, local_text
from services.reporting.sentences import word, yuan

_FAULTS: Final = {
    "overdue": "逾期",
    "improper_return": "不当退办",
    "reopened": "重办",
    "false_closure": "虚假办结",
    "notice_unanswered": "督办函未回复",
    "extreme_incident": "极端事件",
}
RESULTS: Final = {
    "PASS": "完成",
    "FAIL": "未完成",
    "PENDING": "未到期",
    "NOT_EVALUABLE": "无法评估",
}
TARGETS: Final = {
    "P1-strict": "国家、省、郑州平台案件清零",
    "P1-lenient": "国家、省、郑州平台案件清零（宽限期内接收的除外）",
    "P1-screen": "隐患排查全部报送",
    "P1-flood": "涉灾利益群体信访案件按要求办结",
    "P1-city": "市本级其他领域案件基本解决",
    "P2-stock": "春节前存量清零",
    "P2-extreme": "不发生极端讨薪事件",
    "P2-new": "新发案件及时办理",
    "P3-dynamic": "动态清零",
    "P4": "总结规范",
}
"""阶段目标 as the plan calls them (方案 二, 四)."""

_NOTES: Final = {
    "NO_CASES": "无案件，不参与排名",
    "SMALL_SAMPLE": "样本少",
    "EXTREME": "发生极端事件",
}
_REQUEST: Final = (
    "各专班、各乡镇（街道）要对照未办结清单逐案落实责任，严格以“拿到欠薪、群众满意”为办结标准，"
    "按期办结、及时回访、据实销号。"
)


@dataclass(frozen=True)
class Title:
    text: str


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Table:
    """A head row and rows of text; `widths` are parts of the page's width."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


Block = Title | Heading | Paragraph | Table


def blocks(content: dict[str, Any]) -> list[Block]:
    """The bulletin in its official order (domain 6.5). Units are told by the names of its rankings,
    in which all stand that have one; the content itself has codes, and so stays what its hash says.
    """
    ranked = [*content["ranking_task_force"], *content["ranking_township"]]
    names = {line["unit"]: line["name"] for line in ranked}
    found: list[Block] = [
        Title(content["office"]),
        Title(f"{content['title']}（第{content['no']}期）"),
        Paragraph(f"（{content['as_of_text']}）"),
        Heading("一、总体情况"),
        Paragraph(_overall(content["overall"])),
        Heading("二、排名情况"),
        Heading("附件1 工作专班排名"),
        _ranking(content["ranking_task_force"]),
        Heading("附件2 乡镇（街道）排名"),
        _ranking(content["ranking_township"]),
        Heading("三、存在问题"),
    ]
    found += [Paragraph(text) for text in _problems(content["problems"])]
    found += [Heading("四、阶段目标完成情况"), _targets(content["targets"])]
    found += [Heading("五、下步要求"), Paragraph(_REQUEST)]
    found += [Heading("附件3 未办结清单"), _open_cases(content["open_cases"], names)]
    found += [Heading("附件4 更正")]
    found += [Paragraph(text) for text in _corrections(content["corrections"], names)]
    return [*found, Paragraph(f"内容校验 {content['hash']}")]


def _overall(numbers: dict[str, Any]) -> str:
    return (
        f"接收线索{numbers['received']}件，受理{numbers['accepted']}件，办结{numbers['closed']}件，"
        f"在办{numbers['open']}件，逾期{numbers['overdue']}件；涉及{numbers['workers']}人，"
        f"核实欠薪{yuan(numbers['owed_fen'])}元，已核验支付{yuan(numbers['paid_fen'])}元，"
        f"惠及{numbers['workers_paid']}人。同比：无基数。"
    )


def _ranking(lines: Sequence[dict[str, Any]]) -> Table:
    head = ("名次", "单位", "案件数", "办结率", "按期率", "满意率", "追回率", "响应率", "评分")
    names = ("cleared", "on_time", "satisfied", "recovered", "responded")
    rows = tuple(
        (
            str(line["rank"] or "—"),
            line["name"],
            str(line["base"]),
            *(_percent(*line["rates"][name]) for name in names),
            line["score"] or _NOTES.get(line["note"] or "", "—"),
        )
        for line in lines
    )
    return Table(head, rows, (6, 30, 8, 9, 9, 9, 9, 9, 11))


def _percent(met: int, of: int) -> str:
    """Rounded half up to one decimal, with integers."""
    if of <= 0:
        return "—"
    tenths = (2 * met * 1000 + of) // (2 * of)
    return f"{tenths // 10}.{tenths % 10}%"


def _problems(named: Sequence[dict[str, Any]]) -> list[str]:
    if not named:
        return ["本期无点名通报单位。"]
    return [
        f"{item['name']}："
        + "，".join(f"{_FAULTS[name]}{count}件" for name, count in item["faults"].items())
        + "。"
        for item in named
    ]


def _targets(targets: Sequence[dict[str, Any]]) -> Table:
    rows = tuple(
        (TARGETS[item["predicate"]], RESULTS[item["result"]], f"{item['met']}/{item['of']}")
        for item in targets
    )
    return Table(("目标", "结果", "完成"), rows, (64, 18, 18))


def _open_cases(cases: Sequence[dict[str, Any]], names: Mapping[str, str]) -> Table:
    rows = tuple(
        (
            item["case"],
            _name(item["lead"], names),
            _name(item["township"], names),
            word(item["state"], "zh"),
            local_text(item["due_at"]) if item["due_at"] else "—",
            item["level"],
            "是" if item["overdue"] else "否",
        )
        for item in cases
    )
    head = ("案件", "牵头", "属地", "状态", "办结时限", "预警", "逾期")
    return Table(head, rows, (24, 20, 13, 12, 17, 7, 7))


def _name(code: str | None, names: Mapping[str, str]) -> str:
    """A department's name is its code."""
    return "—" if code is None else names.get(code) or word(code, "zh")


def _corrections(items: Sequence[dict[str, Any]], names: Mapping[str, str]) -> list[str]:
    if not items:
        return ["无。"]
    return [
        f"第{item['corrects']}期{_name(item['unit'], names)}评分由{item['published'] or '—'}"
        f"更正为{item['corrected'] or '—'}。"
        for item in items
    ]


def as_docx(content: dict[str, Any]) -> bytes:
    """The bulletin as a Word document."""
    return word_file(blocks(content))


def word_file(printed: Sequence[Block]) -> bytes:
    """Blocks as a Word document; the same blocks give the same bytes."""
    document = docx.Document()
    for block in printed:
        match block:
            case Title(text=text):
                document.add_heading(text, level=0).alignment = WD_ALIGN_PARAGRAPH.CENTER
            case Heading(text=text):
                document.add_heading(text, level=1)
            case Paragraph(text=text):
                document.add_paragraph(text)
            case Table():
                _docx_table(document, block)
    raw = io.BytesIO()
    document.save(raw)
    return _undated(raw)


def _undated(raw: io.BytesIO) -> bytes:
    """The package without the moment of its making, which zip keeps for every part."""
    out = io.BytesIO()
    with ZipFile(raw) as given, ZipFile(out, "w", ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(ZipInfo(name), given.read(name), ZIP_DEFLATED)
    return out.getvalue()


def _docx_table(document: Any, block: Table) -> None:
    table = document.add_table(rows=1, cols=len(block.head))
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, block.head, strict=True):
        cell.text = text
    for row in block.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text


def as_pdf(content: dict[str, Any]) -> bytes:
    """The bulletin as a PDF of A4 pages."""
    page = pdf.Document(f"{content['title']} 第{content['no']}期")
    for block in blocks(content):
        match block:
            case Title(text=text):
                page.title(text)
            case Heading(text=text):
                page.heading(text)
            case Paragraph(text=text):
                page.paragraph(text)
            case Table(head=head, rows=rows, widths=widths):
                page.table((head, *rows), widths)
    return page.finish()


FORMS: Final[dict[Form, Callable[[dict[str, Any]], bytes]]] = {"docx": as_docx, "pdf": as_pdf}
"""The printed forms; JSON is the content itself."""
