"""人民网留言板 and 国务院"互联网+督查": a message handed down with a transfer letter (转办函).

No limit is published for either; the letter names it (domain 1.10), so the date is required.
"互联网+督查" is supervised, the message board a transfer.

    {"留言编号": "…", "留言时间": "2021-11-22 08:15", "转办函时限": "2021-12-06", "标题": "…",
     "留言内容": "…", "联系人": "…", "联系电话": "…"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.intake.adapters import Adapter
from services.intake.fields import Assembled


def _supervised(found: Assembled, payload: Mapping[str, Any]) -> None:
    found.complaint["kind"] = "supervised" if found.complaint["source"] == "ducha" else "transfer"


ADAPTER = Adapter(
    name="a message with its transfer letter",
    sources=("rmw", "ducha"),
    fields={
        "留言编号": "source_ref",
        "留言时间": "received_at",
        "转办函时限": "external_due_at",
        "标题": "text",
        "留言内容": "text",
        "联系人": "contact.name",
        "联系电话": "contact.phone",
    },
    ignored=frozenset(("转办函文号", "留言对象")),
    required=("留言编号", "留言时间", "转办函时限", "留言内容"),
    finish=_supervised,
)
