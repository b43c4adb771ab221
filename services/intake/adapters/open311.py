"""Open311 GeoReport v2: the form of `POST /open311/v2/requests` (https://wiki.open311.org).

The source is that of the api_key. GeoReport has no number of the sender's own, so `source_ref`
comes from an Idempotency-Key or from the whole form: the same form again is the same request.
`lat`, `long` and `media_url` are read and not kept: a complaint has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.intake.adapters import Adapter
from services.intake.complaint import Problem
from services.intake.fields import Assembled

SERVICES: Final = {
    "wage-arrears": ("拖欠工资投诉", "劳动者本人反映被拖欠工资", "complaint"),
    "wage-arrears-report": ("拖欠工资举报", "任何人举报用人单位拖欠工资，身份保密", "report"),
}
"""Code -> name, description, kind of complaint."""

ATTRIBUTES: Final = {
    "employer": ("string", "用人单位名称"),
    "uscc": ("string", "统一社会信用代码"),
    "project": ("string", "工程项目名称"),
    "workers": ("number", "涉及人数"),
    "amount": ("string", "涉及金额（元）"),
    "months": ("string", "欠薪时段，如 2021年7月至2021年9月"),
}
"""Of the service definition: code -> datatype, description. None is required."""

REF_PREFIX: Final = "open311-"


def _finish(found: Assembled, form: Mapping[str, Any]) -> None:
    service = SERVICES.get(str(form.get("service_code", "")))
    if service is None:
        found.problems.append(Problem("/service_code", "unknown_service", "no such service"))
    else:
        found.complaint["kind"] = service[2]
    first, last = form.get("first_name") or "", form.get("last_name") or ""
    if first or last:
        # 姓 before 名, and a blank between names that are not Chinese.
        name = f"{last}{first}" if not f"{last}{first}".isascii() else f"{first} {last}".strip()
        found.complaint.setdefault("contact", {})["name"] = name
        found.places["/contact/name"] = "/first_name" if first else "/last_name"


ADAPTER: Final = Adapter(
    name="an Open311 request",
    sources=(),
    fields={
        "source_ref": "source_ref",
        "received_at": "received_at",
        "address_string": "site.address",
        "description": "text",
        "phone": "contact.phone",
        "attribute[employer]": "employer.name",
        "attribute[uscc]": "employer.uscc",
        "attribute[project]": "project.name",
        "attribute[workers]": "workers",
        "attribute[amount]": ("amount_fen", "yuan"),
        "attribute[months]": "months",
    },
    ignored=frozenset(
        ("api_key", "jurisdiction_id", "service_code", "lat", "long", "address_id", "email",
         "device_id", "account_id", "first_name", "last_name", "media_url")
    ),
    finish=_finish,
)  # fmt: skip
