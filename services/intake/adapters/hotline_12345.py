"""12345 work orders (工单) of the city's and of Zhengzhou's hotline.

A work order always names when its reply is due (办理时限), which becomes `external_due_at`: T10
counts from it, and it is never guessed (domain 1.10). A date means its 24:00.

    {"工单编号": "ZZ20211118001", "来电时间": "2021-11-18 10:20", "办理时限": "2021-11-25",
     "工单类型": "投诉", "来电人": "…", "联系电话": "…", "被反映单位": "…", "事发地址": "…",
     "属地": "唐庄镇", "涉及人数": 3, "涉及金额": "3.6万元", "工单内容": "…"}
"""

from __future__ import annotations

from services.intake.adapters import Adapter

ADAPTER = Adapter(
    name="a 12345 work order",
    sources=("12345", "zz12345"),
    fields={
        "工单编号": "source_ref",
        "来电时间": "received_at",
        "办理时限": "external_due_at",
        "工单类型": "kind",
        "来电人": "contact.name",
        "联系电话": "contact.phone",
        "被反映单位": "employer.name",
        "事发地址": "site.address",
        "属地": "site.township",
        "涉及人数": "workers",
        "涉及金额": ("amount_fen", "yuan"),
        "工单内容": "text",
    },
    ignored=frozenset(("派单时间", "派单员", "工单标题", "回访要求")),
    required=("工单编号", "来电时间", "办理时限"),
)
