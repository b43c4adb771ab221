"""移送材料 on paper: the dossier as a Word document that the officers sign.

Laid out as blocks like a bulletin; nothing is computed here.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from services.reporting.bulletins import local_text
from services.reporting.dossier import until_text
from services.reporting.ledgers import SEALED
from services.reporting.printing import Block, Heading, Paragraph, Table, Title, word_file
from services.reporting.sentences import word, yuan

Form = Literal["json", "docx"]

_SERVICE: Final = {"direct": "直接送达", "left": "留置送达", "posted": "张贴并拍照摄像"}
_DOCUMENT: Final = {"directive": "限期改正指令书", "decision": "行政处理决定书"}
_LIMBS: Final = {
    1: "一名劳动者{months}个月以上劳动报酬且数额达到标准",
    2: "十名以上劳动者的劳动报酬且数额累计达到标准",
}
_LACKING: Final = {
    "FACTS_VERIFIED": "欠薪人数和金额尚未核实登记",
    "POSTING_EVIDENCE": "张贴送达没有照片或者录像登记",
    "TWO_OFFICERS": "移送报告未登记二名以上承办人",
}
_HELD: Final = {"ON_LOG": "已登记", "TO_ATTACH": "由承办人附卷"}


def as_docx(content: dict[str, Any]) -> bytes:
    """The dossier as a Word document; the same dossier gives the same bytes."""
    return word_file(blocks(content))


def blocks(content: dict[str, Any]) -> list[Block]:
    """The dossier in the order in which the police read it."""
    decision = content["decision"]
    name = content["number"] or content["case_id"]
    return [
        Title(content["office"]),
        Title(content["title"]),
        Paragraph(f"案件编号 {name}    截至 {local_text(content['as_of'])}"),
        Heading("一、材料清单"),
        _documents(content["documents"]),
        Heading("二、移送依据"),
        Paragraph(_decision(decision)),
        Heading("三、用人单位"),
        Paragraph(_party(content["party"])),
        Heading("四、拖欠劳动报酬情况"),
        _claims(content["claims"]),
        *([_members(content["members"])] if content["members"] else ()),
        Heading("五、责令支付情况"),
        _orders(content["orders"]),
        Heading("六、支付情况"),
        _payments(content["payments"]),
        Heading("七、法定时限"),
        _clocks(content["clocks"]),
        Heading("八、办理经过"),
        _timeline(content["timeline"]),
        Heading("九、尚缺事项"),
        *(Paragraph(text) for text in _lacking(content["lacking"])),
        Heading("十、签署"),
        _signatures(content["signatures"]),
        Paragraph(
            f"当事人身份和联系方式封存于受理系统（本案{len(content['sealed'])}项），"
            "由承办人依职权调阅并附卷，调阅留痕。"
        ),
        Paragraph(f"内容校验 {content['hash']}"),
    ]


def _documents(documents: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            str(item["no"]),
            item["name"],
            item["clause"],
            _HELD[item["held"]],
            "\n".join(item["events"]) or "—",
        )
        for item in documents
    )
    return Table(("序号", "材料", "依据", "来源", "事项编号"), rows, (7, 27, 22, 14, 30))


def _decision(decision: dict[str, Any]) -> str:
    limb = _LIMBS[decision["limb"]].format(months=(decision["figures"] or {}).get("single_months"))
    return (
        f"{local_text(decision['at'])} 起，本案经责令（{decision['doc_no']}）逾期仍不支付，"
        f"尚欠{decision['workers']}人、{yuan(decision['amount_fen'])}元，符合“{limb}”"
        f"（{decision['threshold']}；{decision['law']}）。事项编号 {decision['event_id']}。"
    )


def _party(party: dict[str, Any]) -> str:
    cause = word(party["root_cause"], "zh") if party["root_cause"] else "未登记"
    return (
        f"名称：{party['name'] or SEALED}；统一社会信用代码：{party['uscc'] or '—'}；"
        f"行业代码：{party['industry'] or '—'}；责任主体{party['liable_parties']}个（封存）；"
        f"欠薪原因：{cause}。"
    )


def _claims(lines: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            line["line"],
            "—" if line["months"] is None else str(line["months"]),
            *(_yuan(line[name]) for name in ("owed_fen", "paid_fen", "unpaid_fen")),
            "核实" if line["verified"] else "申报",
            line["event_id"],
        )
        for line in lines
    )
    head = ("序号", "月数", "应付(元)", "已付(元)", "未付(元)", "来源", "事项编号")
    return Table(head, rows, (7, 7, 14, 14, 14, 10, 34))


def _members(members: list[dict[str, Any]]) -> Table:
    """同组案件: each has its own claim list."""
    rows = tuple(
        (
            item["case_id"],
            str(item["workers"]),
            str(item["months"]),
            yuan(item["unpaid_fen"]),
            word(item["status"], "zh"),
            item["event_id"],
        )
        for item in members
    )
    head = ("同组案件", "人数", "月数", "未付(元)", "情况", "事项编号")
    return Table(head, rows, (28, 8, 8, 14, 14, 28))


def _yuan(fen: int | None) -> str:
    return "—" if fen is None else yuan(fen)


def _orders(orders: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            order["doc_no"],
            _DOCUMENT[order["doc_type"]],
            f"{local_text(order['served_at'])} {_SERVICE[order['service_mode']]}",
            until_text(order["limit_at"]),
            "—" if order["defaulted_at"] is None else until_text(order["defaulted_at"]),
            order["event_id"],
        )
        for order in orders
    )
    return Table(
        ("文号", "文书", "送达", "期限", "逾期", "事项编号"), rows, (14, 16, 22, 14, 14, 20)
    )


def _payments(payments: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            local_text(item["at"]),
            item["payment"],
            ("-" if item["reversed"] else "") + yuan(item["fen"]),
            item["voucher"] or "—",
            item["event_id"],
        )
        for item in payments
    )
    return Table(("时间", "支付", "金额(元)", "凭证", "事项编号"), rows, (18, 16, 18, 16, 32))


def _clocks(clocks: list[dict[str, Any]]) -> Table:
    said = {True: "按期", False: "逾期", None: "—"}
    rows = tuple(
        (
            f"{item['timer']} {item['name']}",
            item["source"],
            local_text(item["started_at"]),
            until_text(item["due_at"]),
            "—" if item["done_at"] is None else local_text(item["done_at"]),
            said[item["in_time"]],
        )
        for item in clocks
    )
    return Table(("时限", "依据", "起算", "届满", "完成", "结果"), rows, (20, 22, 18, 18, 14, 8))


def _timeline(items: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (local_text(item["time"]), item["unit"] or "—", item["sentence"], item["event_id"])
        for item in items
    )
    return Table(("时间", "单位", "事项", "事项编号"), rows, (16, 14, 42, 28))


def _lacking(codes: list[str]) -> list[str]:
    if not codes:
        return ["无。"]
    found = []
    for code in codes:
        name, _, document = code.partition(":")
        found.append(_LACKING[name] + (f"（{document}）" if document else "") + "。")
    return found


def _signatures(signatures: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (item["role"], "", "        年    月    日")
        for item in signatures
        for _ in range(item["least"])
    )
    return Table(("职务", "签名", "日期"), rows, (40, 30, 30))
