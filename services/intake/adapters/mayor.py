"""市长信箱: a letter to the mayor's mailbox. Free text; facts come from reading it.

{"信件编号": "SZXX-2021-0193", "来信时间": "2021-12-03 22:41:07", "回复期限": "2021-12-13",
 "写信人": "…", "电话": "…", "邮箱": "…", "标题": "…", "内容": "…"}
"""

from __future__ import annotations

from services.intake.adapters import Adapter

ADAPTER = Adapter(
    name="a letter to the mayor",
    sources=("mayor",),
    fields={
        "信件编号": "source_ref",
        "来信时间": "received_at",
        "回复期限": "external_due_at",
        "写信人": "contact.name",
        "电话": "contact.phone",
        "标题": "text",
        "内容": "text",
    },
    ignored=frozenset(("邮箱", "是否公开")),
    required=("信件编号", "来信时间", "内容"),
)
