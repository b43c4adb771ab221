"""From named values (columns of a sheet, keys of a platform's payload) to a complaint.

One table of what a value can be in a complaint, used by spreadsheets and adapters alike. Every
part of the complaint remembers which column or key gave it, so that what is refused later is told
with the name its sender knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.intake import written
from services.intake.complaint import Problem
from services.intake.written import Misread, Unit, Value
from shared.policy import Policy

Parts = dict[str, Any]
"""Parts of a complaint by JSON Pointer."""

KINDS: Final = {"投诉": "complaint", "举报": "report", "转办": "transfer", "督办": "supervised",
                "排查": "screening"}  # fmt: skip
OWNERSHIPS: Final = {
    "民营": "private",
    "私营": "private",
    "国有": "state",
    "集体": "collective",
    "机关": "government",
    "事业单位": "public_institution",
    "不详": "unknown",
}
FUNDINGS: Final = {
    "政府投资": "government",
    "国企投资": "soe",
    "民间投资": "private",
    "不详": "unknown",
}
PROJECTS: Final = {"公路": "road", "水利": "water", "学校": "school", "住房": "housing",
                   "农业": "farm", "煤矿": "coal", "其他": "other"}  # fmt: skip
VIAS: Final = {"万人助万企": "wan_ren_zhu_wan_qi", "信访": "petition", "涉灾": "flood_group"}
TIERS: Final = {"国家": "NAT", "省": "PROV", "郑州市": "ZZ", "本市": "CITY"}

Reading = Callable[[Value, Unit | None, Policy], Parts]


def _one(pointer: str, read: Callable[[Value], Any]) -> Reading:
    return lambda value, unit, policy: {pointer: read(value)}


def _amount(value: Value, unit: Unit | None, policy: Policy) -> Parts:
    return {"/amount_fen": written.fen(value, unit or "yuan")}


def _months(value: Value, unit: Unit | None, policy: Policy) -> Parts:
    first, last = written.months(value)
    return {"/months_from": first, "/months_to": last}


def _contact(value: Value, unit: Unit | None, policy: Policy) -> Parts:
    return {f"/contact/{name}": text for name, text in written.contact(value).items()}


def _township(value: Value, unit: Unit | None, policy: Policy) -> Parts:
    """属地 (domain 5.3): a code or a name of the book in force; aliases are for the address."""
    given = written.plain(value)
    names = {name: code for code, name in policy.abolished_areas.items()}
    names |= {entry.name: code for code, entry in policy.townships.items()}
    if given in policy.site_codes:
        return {"/site/township": given}
    if given not in names:
        raise Misread("unknown_township", "no township of the policy in force")
    return {"/site/township": names[given]}


FIELDS: Final[dict[str, Reading]] = {
    "source_ref": _one("/source_ref", written.number_text),
    "received_at": _one("/received_at", written.instant),
    "external_due_at": _one("/external_due_at", written.due),
    "tier": _one("/tier", written.word(TIERS, "tier")),
    "kind": _one("/kind", written.word(KINDS, "kind of complaint")),
    "via": _one("/via", written.word(VIAS, "way of arrival")),
    "employer.name": _one("/employer/name", written.text),
    "employer.uscc": _one("/employer/uscc", written.number_text),
    "employer.ownership": _one("/employer/ownership", written.word(OWNERSHIPS, "ownership")),
    "employer.industry": _one("/employer/industry", written.plain),
    "employer.attracted": _one("/employer/attracted", written.truth),
    "project.name": _one("/project/name", written.text),
    "project.owner": _one("/project/owner", written.text),
    "project.funding": _one("/project/funding", written.word(FUNDINGS, "funding")),
    "project.kind": _one("/project/kind", written.word(PROJECTS, "kind of project")),
    "site.address": _one("/site/address", written.text),
    "site.township": _township,
    "workers": _one("/workers", written.count),
    "amount_fen": _amount,
    "months": _months,
    "months_from": _one("/months_from", written.month),
    "months_to": _one("/months_to", written.month),
    "text": _one("/text", written.text),
    "contact": _contact,
    "contact.name": _one("/contact/name", written.text),
    "contact.phone": _one("/contact/phone", written.number_text),
    "worker.name": _one("/claims/0/worker/name", written.text),
    "worker.id_no": _one("/claims/0/worker/id_no", written.number_text),
    "worker.phone": _one("/claims/0/worker/phone", written.number_text),
}
"""What a column or key can be. A `worker.…` makes the row one claim of that worker."""

SEVERAL: Final = frozenset(("text",))
"""Fields that several columns may give: their texts follow each other."""

_CLAIM: Final = ("amount_fen", "months_from", "months_to")


@dataclass(frozen=True)
class Given:
    """One value: the `place` its sender knows it by, what it is, and its unit where it is money."""

    place: str
    field: str
    value: Value
    unit: Unit | None = None


@dataclass
class Assembled:
    """A complaint as far as it could be read. `places`: by pointer, where each part came from."""

    complaint: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place_of(self, pointer: str) -> str | None:
        """The sender's name of the nearest part that was given; None if it gave none there."""
        while pointer:
            if pointer in self.places:
                return self.places[pointer]
            below = next((p for p in self.places if p.startswith(pointer + "/")), None)
            if below is not None:
                return self.places[below]
            pointer = pointer.rpartition("/")[0]
        return None

    def told(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of the complaint under the sender's own names."""
        return [
            Problem(self.place_of(item.pointer) or item.pointer, item.code, item.detail)
            for item in problems
        ]


def assemble(
    given: Iterable[Given], policy: Policy, constants: Mapping[str, Any] | None = None
) -> Assembled:
    """A complaint of what was given; what cannot be read is a problem at its own place.

    `constants`: parts by pointer that hold where nothing was given.
    """
    found = Assembled()
    parts: Parts = {}
    for item in given:
        if isinstance(item.value, str) and not item.value.strip():
            continue
        try:
            read = FIELDS[item.field](item.value, item.unit, policy)
        except Misread as error:
            found.problems.append(Problem(item.place, error.code, error.detail))
            continue
        for pointer, value in read.items():
            if pointer in parts and item.field in SEVERAL:
                value = f"{parts[pointer]}\n{value}"
            parts[pointer] = value
            found.places[pointer] = item.place
    for pointer, value in {**(constants or {}), **parts}.items():
        _put(found.complaint, pointer.split("/")[1:], value)
    claims = found.complaint.get("claims")
    if claims is not None:
        claim = claims.pop("0")
        found.complaint.setdefault("workers", 1)
        if found.complaint["workers"] == 1:
            # Of several workers the one who is named is not owed the whole sum.
            claim |= {name: found.complaint[name] for name in _CLAIM if name in found.complaint}
        found.complaint["claims"] = [claim]
    return found


def _put(document: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value
