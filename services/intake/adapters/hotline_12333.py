"""12333: a call to the labour hotline, as its operator writes it down.

The caller is the worker, so the identity number makes a claim line of their own; amounts are in 元.

    {"受理编号": "12333-…", "受理时间": "2021-11-12 15:04", "诉求类型": "投诉", "姓名": "…",
     "身份证号": "…", "电话": "…", "单位名称": "…", "单位地址": "…", "行业代码": "1811",
     "欠薪起始月": "2021-07", "欠薪截止月": "2021-09", "欠薪金额": "12000", "诉求内容": "…"}
"""

from __future__ import annotations

from services.intake.adapters import Adapter

ADAPTER = Adapter(
    name="a 12333 call",
    sources=("12333",),
    fields={
        "受理编号": "source_ref",
        "受理时间": "received_at",
        "诉求类型": "kind",
        "姓名": "worker.name",
        "身份证号": "worker.id_no",
        "电话": "worker.phone",
        "单位名称": "employer.name",
        "统一社会信用代码": "employer.uscc",
        "单位地址": "site.address",
        "行业代码": "employer.industry",
        "欠薪起始月": "months_from",
        "欠薪截止月": "months_to",
        "欠薪金额": ("amount_fen", "yuan"),
        "诉求内容": "text",
    },
    ignored=frozenset(("话务员", "录音编号", "满意度")),
    required=("受理编号", "受理时间"),
)
