"""总结材料 on paper: the closing pack as a Word document. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.reporting.bulletins import local_text
from services.reporting.ledgers import TITLES
from services.reporting.printing import (
    RESULTS,
    TARGETS,
    Block,
    Heading,
    Paragraph,
    Table,
    Title,
    word_file,
)
from services.reporting.sentences import yuan

Names = Mapping[str, str]
"""What the 22 units are called, by code."""

_LISTS: Final = {"task_force": "工作专班", "township": "乡镇（街道）"}
_MODES: Final = {"on_site": "实地", "phone": "电话"}
_IN_TIME: Final = {True: "按期", False: "逾期", None: "未完成"}


def as_docx(content: dict[str, Any]) -> bytes:
    """The pack as a Word document; the same pack gives the same bytes."""
    return word_file(blocks(content))


def blocks(content: dict[str, Any]) -> list[Block]:
    """The pack in the order of the plan's fourth phase."""
    numbers, records, names = content["overview"], content["supervision"], content["names"]
    found: list[Block] = [
        Title("登封市欠薪治理联席会议办公室"),
        Title(f"{content['title']}总结材料"),
        Paragraph(f"{content['document']}    截至 {local_text(content['as_of'])}"),
        Heading("一、总体情况"),
        Paragraph(
            f"接收线索{numbers['received']}件，受理{numbers['accepted']}件，"
            f"办结{numbers['closed']}件，在办{numbers['open']}件，逾期{numbers['overdue']}件；"
            f"已核验支付{yuan(numbers['paid_fen'])}元，惠及{numbers['workers_paid']}人。"
        ),
        Heading("二、阶段目标"),
        Table(
            ("目标", "结果", "完成", "校验"),
            tuple(
                (
                    TARGETS[item["predicate"]],
                    RESULTS[item["result"]],
                    f"{item['met']}/{item['of']}",
                    item["hash"],
                )
                for item in content["clearance"]
            ),
            (34, 12, 12, 42),
        ),
        Heading("三、排名"),
    ]
    found += [_ranking(of, content["rankings"][of], names) for of in _LISTS]
    found += [
        Heading("四、督导考核"),
        _visits(records["visits"], names),
        _measures(records["measures"], names),
        _decisions(records["meetings"], names),
        Paragraph(
            f"工作例会{len(records['meetings'])}次，议定事项"
            f"{sum(len(item['decisions']) for item in records['meetings'])}项；"
            f"宣传{len(records['publicity'])}次；修订制度{len(records['rules_revised'])}项；"
            f"排查报送{_of(records['screening'])}；总结报送{_of(records['summaries'])}。"
        ),
        Heading("五、表扬名单"),
        Paragraph(
            "、".join(f"{item['name']}（第{item['rank']}名）" for item in content["commendation"])
            or "无。"
        ),
        Heading("六、通报和台账"),
        Table(
            ("名称", "校验"),
            (
                *((f"第{item['no']}期通报", item["hash"]) for item in content["bulletins"]),
                *((TITLES[item["name"]], item["hash"]) for item in content["ledgers"]),
            ),
            (35, 65),
        ),
        Paragraph(f"日志位置 {content['position']}"),
        Paragraph(f"适用规则 {content['policy']}"),
        Paragraph(f"内容校验 {content['hash']}"),
    ]
    return found


def _of(filed: dict[str, Any]) -> str:
    return f"{filed['filed']}/{filed['of']}"


def _called(code: str, names: Names) -> str:
    """A unit of the 22 by its name; a department, the city and who else acts as they stand."""
    return "全市" if code == "city" else names.get(code, code)


def _ranking(of: str, lines: list[dict[str, Any]], names: Names) -> Table:
    rows = tuple(
        (
            str(line["rank"] or "—"),
            _called(line["unit"], names),
            str(line["base"]),
            line["score"] or "—",
        )
        for line in lines
    )
    return Table((f"{_LISTS[of]}名次", "单位", "案件数", "评分"), rows, (20, 40, 20, 20))


def _visits(items: list[dict[str, Any]], names: Names) -> Table:
    rows = tuple(
        (
            _called(item["unit"], names),
            f"{local_text(item['at'])} {_MODES[item['mode']]}",
            str(item["findings"]),
            "—" if item["due_at"] is None else local_text(item["due_at"]),
            "—" if item["findings"] == 0 else _IN_TIME[item["in_time"]],
        )
        for item in items
    )
    return Table(("督导单位", "督导", "问题数", "整改时限", "整改"), rows, (24, 26, 12, 24, 14))


def _measures(items: list[dict[str, Any]], names: Names) -> Table:
    rows = tuple(
        (
            _called(item["unit"], names),
            item["measure"],
            _called(item["responsible"], names),
            item["due_on"],
            _IN_TIME[item["in_time"]],
        )
        for item in items
    )
    return Table(("单位", "整治措施", "责任单位", "时限", "完成"), rows, (18, 34, 20, 16, 12))


def _decisions(meetings: list[dict[str, Any]], names: Names) -> Table:
    rows = tuple(
        (
            f"{local_text(meeting['at'])} {_called(meeting['unit'], names)}",
            str(item["no"]),
            _called(item["owner"], names),
            item["due_on"],
            _IN_TIME[item["in_time"]],
        )
        for meeting in meetings
        for item in meeting["decisions"]
    )
    return Table(("工作例会", "议定事项", "责任单位", "时限", "完成"), rows, (34, 16, 22, 16, 12))
