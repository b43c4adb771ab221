"""全国根治欠薪线索反映平台: a line as the national platform forwards it to the place of arrears.

The worker has chosen 工程建设 or not, and gave name, identity number, phone, employer, address,
period and amount (domain 1.10). The bank card it also carries is not kept: payment needs it,
the line does not (PIPL 6). Amounts are in 元.

    {"线索编号": "QG-2021-0001", "提交时间": "2021-11-10 09:00:00", "办理时限": "2021-11-25",
     "线索类型": "工程建设",
     "反映人": {"姓名": "…", "身份证号": "…", "手机号": "…", "银行卡号": "…"},
     "用人单位": "…", "统一社会信用代码": "…", "项目名称": "…", "建设单位": "…",
     "欠薪地点": "…", "欠薪金额": 12000.00, "欠薪人数": 1, "欠薪时段": "2021年7月至2021年9月",
     "情况描述": "…"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.intake.adapters import Adapter
from services.intake.complaint import Problem
from services.intake.fields import Assembled


def _construction(found: Assembled, payload: Mapping[str, Any]) -> None:
    """工程建设: the claim is project-based also where no project is named (contract 3)."""
    kind = payload.get("线索类型")
    if kind == "工程建设":
        employer = found.complaint.setdefault("employer", {})
        if "project" not in found.complaint:
            employer.setdefault("industry", "47")
            found.places["/employer/industry"] = "/线索类型"
    elif kind not in (None, "", "非工程建设"):
        detail = "工程建设 or 非工程建设 is wanted"
        found.problems.append(Problem("/线索类型", "not_in_list", detail))


ADAPTER = Adapter(
    name="the national platform",
    sources=("national",),
    fields={
        "线索编号": "source_ref",
        "提交时间": "received_at",
        "办理时限": "external_due_at",
        "反映人.姓名": "worker.name",
        "反映人.身份证号": "worker.id_no",
        "反映人.手机号": "worker.phone",
        "用人单位": "employer.name",
        "统一社会信用代码": "employer.uscc",
        "项目名称": "project.name",
        "建设单位": "project.owner",
        "欠薪地点": "site.address",
        "欠薪金额": ("amount_fen", "yuan"),
        "欠薪人数": "workers",
        "欠薪时段": "months",
        "情况描述": "text",
    },
    ignored=frozenset(("线索类型", "反映人.银行卡号", "反映人.开户行")),
    required=("线索编号", "提交时间"),
    finish=_construction,
)
