"""信访件: a petition as the national, provincial and city petition bodies forward it.

It came in as a letter, a visit or online (信访形式, not kept) and is a transfer (转办) unless it is
under supervision (督办); `via` is petition, so the return window of petitions applies (T06).

    {"信访编号": "4101…", "登记日期": "2021-11-20", "办结时限": "2022-01-18", "交办方式": "转办",
     "信访人": "…", "联系方式": "…", "人数": 12, "问题属地": "大冶镇", "被反映单位": "…",
     "反映内容": "…"}
"""

from __future__ import annotations

from services.intake.adapters import Adapter

ADAPTER = Adapter(
    name="a petition",
    sources=("gjxf", "henan_xf", "xinfang"),
    fields={
        "信访编号": "source_ref",
        "登记日期": "received_at",
        "办结时限": "external_due_at",
        "交办方式": "kind",
        "信访人": "contact.name",
        "联系方式": "contact.phone",
        "人数": "workers",
        "问题属地": "site.township",
        "被反映单位": "employer.name",
        "反映内容": "text",
    },
    ignored=frozenset(("信访形式", "信访目的", "登记机构")),
    required=("信访编号", "登记日期", "反映内容"),
    constants={"/kind": "transfer", "/via": "petition"},
)
