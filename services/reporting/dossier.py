"""移送材料 (310号令 5, 6): what the labour bureau hands to the police, told from the log alone.

A dossier is made from the case's events once ReferralThresholdMet is on the log, and only while it
stands: not after the head declined, nor once the case was paid, closed or merged before the police
had it. It holds no personal data: what is sealed is named by its event, and the officer takes it
from intake. It is a function of the case's events, so the same log gives the same bytes whenever
it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.reporting.bulletins import content_hash, local_text
from services.reporting.cases import told
from services.reporting.reading import Cut, Snapshot
from services.reporting.sentences import Names, stored
from shared.calendar import end_of, last_day_of
from shared.events import SEALED_PREFIX, instant_text
from shared.policy import Policy
from shared.roles import LABOUR

ROLES: Final = ("inspector", "leader")
"""Who may see it, and only of 市人社局 (I-08)."""

_EVENTS: Final = """
SELECT partition, seat, event_id, subject, type, at, recorded_at, actor, data
FROM {events} WHERE subject = $2 AND recorded_at <= $1 ORDER BY seat
"""
_STEPS: Final = {
    "ReferralThresholdMet": "MET",
    "ReferralProposed": "PROPOSED",
    "ReferralApproved": "APPROVED",
    "ReferralDelivered": "DELIVERED",
    "ReferralReceipted": "RECEIPTED",
    "PoliceFiled": "FILED",
    "PoliceDeclined": "POLICE_DECLINED",
}
_WITH_POLICE: Final = frozenset(("DELIVERED", "RECEIPTED", "FILED", "POLICE_DECLINED"))
_CLOCKS: Final = (
    *("T20", "T21", "T22", "T23", "T24"),
    *(f"T{number}" for number in range(30, 40)),
    "T42",
)
"""The statutory clocks of an order and of a referral (domain 4.1)."""

_STOPS: Final[dict[str, tuple[str, ...]]] = {
    "T20": ("InspectionFiled",),
    "T21": ("InspectionClosed",),
    "T22": ("PaymentOrderIssued", "PaymentOrderServed", "PenaltyDecided"),
    "T23": ("PaymentOrderComplied", "PaymentOrderDefaulted"),
    "T24": ("EnforcementApplied",),
    "T30": ("ReferralApproved", "ReferralDeclined"),
    "T31": ("ReferralDelivered", "ReferralReceipted", "ReferralDeclined"),
    "T32": ("SupplementSent", "PoliceFiled", "PoliceDeclined"),
    "T33": ("PoliceFiled", "PoliceDeclined"),
    "T34": ("ReconsiderationRequested", "SupervisionSuggested"),
    "T35": ("ReconsiderationDecided",),
    "T36": ("SupervisionSuggested",),
    "T37": ("PoliceFiled", "PoliceDeclined"),
    "T38": ("MaterialsHandedOver",),
    "T39": ("ReferralProposed", "ReferralApproved", "ReferralDeclined"),
    "T42": ("CreditListingDecided",),
}
"""The act for which each clock waits."""

_PAPERS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("涉嫌犯罪案件移送书", "310号令 6(一)", ("ReferralApproved",)),
    (
        "涉嫌犯罪案件情况的调查报告",
        "310号令 6(二)",
        ("InspectionFiled", "InspectionClosed", "FactsVerified", "ReferralProposed"),
    ),
    ("涉案物品清单", "310号令 6(三)", ()),
    ("有关检验报告或者鉴定结论", "310号令 6(四)", ()),
    ("投诉举报材料", "310号令 6(五)", ("ComplaintReceived", "ClaimLinesAdded")),
    ("责令支付文书", "310号令 6(五)；法释〔2013〕3号 4", ("PaymentOrderIssued",)),
    ("送达证明（含张贴影像）", "法释〔2013〕3号 4", ("PaymentOrderServed",)),
    ("逾期未支付的认定", "法释〔2013〕3号 4", ("PaymentOrderDefaulted",)),
    ("已支付部分的凭证", "310号令 6(五)", ("PaymentRecorded", "PaymentVerified")),
    ("请求公安协助的记录", "条例 41", ("PoliceAssistanceAsked",)),
)
"""The list of documents in the order of the decree, and the events that stand for each."""


class NoReferral(LookupError):
    """The case has not reached the threshold as of then."""


class NoLongerStands(RuntimeError):
    """The threshold was met and something ended it; `code` says what, `event_id` which event."""

    def __init__(self, code: str, event_id: str) -> None:
        super().__init__(code)
        self.code = code
        self.event_id = event_id


@dataclass(frozen=True)
class Told:
    """One event of the case as stored: sealed text is only its mark."""

    id: str
    type: str
    at: datetime
    recorded_at: datetime
    unit: str
    data: dict[str, Any]
    shown: dict[str, Any]


async def dossier(snapshot: Snapshot, cut: Cut, case: dict[str, Any]) -> dict[str, Any]:
    """The dossier of a case as of the cut. Raises NoReferral or NoLongerStands."""
    rows = await snapshot.fetch(_EVENTS, cut.as_of, case["case_id"])
    pinned = await snapshot.cut(rows[-1]["recorded_at"])
    names = Names(pinned.policy)
    events = [_told(row, names) for row in rows]
    _check(events)
    found = assemble(case["case_id"], case["number"], events, pinned.policy)
    found["place"] = {"partition": rows[-1]["partition"], "offset": rows[-1]["seat"]}
    return found | {"hash": content_hash(found), "meta": pinned.meta}


def _told(row: Any, names: Names) -> Told:
    unit = str(row["actor"]).partition("/")[0]
    data = stored(row["data"])
    shown = told(row, names)
    return Told(row["event_id"], row["type"], row["at"], row["recorded_at"], unit, data, shown)


def _check(events: Sequence[Told]) -> None:
    """Whether the referral is on the log and stands (design 3: nothing leaves otherwise)."""
    if not any(event.type == "ReferralThresholdMet" for event in events):
        raise NoReferral
    if _step(events) in _WITH_POLICE:
        return
    last: dict[str, Told] = {event.type: event for event in events}
    for type_, code, undone in (
        ("ComplaintMerged", "MERGED", "ComplaintUnmerged"),
        ("CaseClosed", "CLOSED", "CaseReopened"),
        ("ReferralDeclined", "DECLINED", "ReferralApproved"),
    ):
        ending, undoing = last.get(type_), last.get(undone)
        if ending is not None and (undoing is None or events.index(undoing) < events.index(ending)):
            raise NoLongerStands(code, ending.id)
    lines, members = _lines(events), _members(events)
    settled = all(member["status"] == "settled" for member in members)
    if lines and settled and all(line["unpaid_fen"] == 0 for line in lines):
        raise NoLongerStands("PAID", last["PaymentVerified"].id)


def _step(events: Sequence[Told]) -> str:
    """The last step of the referral that was taken."""
    return next(_STEPS[event.type] for event in reversed(events) if event.type in _STEPS)


def assemble(
    case_id: str, number: str | None, events: Sequence[Told], policy: Policy
) -> dict[str, Any]:
    """The dossier as data, from the case's events in the order of the log."""
    met = [event for event in events if event.type == "ReferralThresholdMet"][-1]
    return {
        "kind": "referral_dossier",
        "title": "涉嫌拒不支付劳动报酬罪案件移送材料",
        "office": LABOUR,
        "case_id": case_id,
        "number": number,
        "as_of": instant_text(events[-1].recorded_at),
        "step": _step(events),
        "decision": _decision(met, policy),
        "party": _party(events),
        "claims": _lines(events),
        "members": _members(events),
        "orders": _orders(events),
        "payments": _payments(events),
        "documents": _documents(events),
        "clocks": _clocks(events, policy),
        "lacking": _lacking(events),
        "sealed": [event.id for event in events if _has_sealed(event.data)],
        "timeline": [event.shown for event in events],
        "signatures": [
            {"role": "承办人", "least": 2},
            {"role": "审核人", "least": 1},
            {"role": "行政机关正职负责人或者主持工作的负责人", "least": 1},
        ],
    }


def _decision(met: Told, policy: Policy) -> dict[str, Any]:
    """达移送标准: the rule, its figures, and what they were held against."""
    rules = policy.content.referral.thresholds
    rule = next((rule for rule in rules if rule.id == met.data["threshold"]), None)
    names = ("limb", "workers", "months", "amount_fen", "threshold", "doc_no")
    return {name: met.data[name] for name in names} | {
        "event_id": met.id,
        "at": instant_text(met.at),
        "law": "刑法 276-1；法释〔2013〕3号 3、4",
        "figures": None if rule is None else rule.model_dump(mode="json"),
    }


def _party(events: Sequence[Told]) -> dict[str, Any]:
    """The employer as far as it is public: by name only with its 统一社会信用代码."""
    received = next((event for event in events if event.type == "ComplaintReceived"), None)
    employer = (received.data.get("employer") if received else None) or {}
    verified = [event for event in events if event.type == "FactsVerified"]
    liable = verified[-1].data.get("liable_parties", []) if verified else []
    return {
        "name": _open(employer.get("name")),
        "uscc": employer.get("uscc"),
        "industry": employer.get("industry"),
        "ownership": employer.get("ownership"),
        "liable_parties": len(liable),
        "root_cause": verified[-1].data.get("root_cause") if verified else None,
    }


def _open(text: str | None) -> str | None:
    return None if text is None or text.startswith(SEALED_PREFIX) else text


def _members(events: Sequence[Told]) -> list[dict[str, Any]]:
    """The other cases of the group that this one leads, each as it last told of itself."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.type == "GroupMemberUpdated":
            unpaid = event.data.get("unpaid", [])
            found[event.data["case"]] = {
                "case_id": event.data["case"],
                "status": event.data["status"],
                "workers": sum(one["workers"] for one in unpaid),
                "months": max((one["months"] for one in unpaid), default=0),
                "unpaid_fen": sum(one["amount_fen"] for one in unpaid),
                "event_id": event.id,
            }
    return [found[case] for case in sorted(found)]


def _lines(events: Sequence[Told]) -> list[dict[str, Any]]:
    """Each claim line: owed (as verified, else as claimed), paid, and the event that says so."""
    lines: dict[str, dict[str, Any]] = {}
    paid: dict[tuple[str, str], int] = {}
    for event in events:
        data = event.data
        if event.type == "ComplaintReceived":
            for claim in data.get("claims") or [
                {"line": "1", "amount_fen": data.get("amount_fen")}
            ]:
                lines[claim["line"]] = _line(claim, event, verified=False)
        elif event.type == "FactsVerified":
            for line in data["lines"]:
                lines[line["line"]] = _line(line, event, verified=True)
        elif event.type in ("PaymentVerified", "PaymentReversed"):
            given: dict[tuple[str, str], int] = {}
            for line in data["lines"]:
                key = (data["payment"], line["line"])
                given[key] = given.get(key, 0) + line["amount_fen"]
            for key, fen in given.items():
                reversed_ = event.type == "PaymentReversed"
                paid[key] = max(0, paid.get(key, 0) - fen) if reversed_ else fen
    for line in lines.values():
        got = sum(fen for (_, name), fen in paid.items() if name == line["line"])
        owed = line["owed_fen"]
        line |= {"paid_fen": got, "unpaid_fen": None if owed is None else max(0, owed - got)}
    return list(lines.values())


def _line(line: dict[str, Any], event: Told, *, verified: bool) -> dict[str, Any]:
    return {
        "line": line["line"],
        "owed_fen": line.get("amount_fen"),
        "months": line.get("months"),
        "verified": verified,
        "event_id": event.id,
    }


def _orders(events: Sequence[Told]) -> list[dict[str, Any]]:
    """责令支付: each document with its service, its limit and its end."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        data = event.data
        if event.type == "PaymentOrderServed":
            found[data["doc_no"]] = {
                "doc_no": data["doc_no"],
                "doc_type": data.get("doc_type", "directive"),
                "served_at": instant_text(event.at),
                "service_mode": data["service_mode"],
                "event_id": event.id,
                "evidence": "SEALED" if data.get("evidence") else None,
                "limit_at": None,
                "defaulted_at": None,
                "default_event_id": None,
            }
        elif event.type == "DeadlineSet" and data["timer"] == "T23" and data["item"] in found:
            found[data["item"]]["limit_at"] = data["due_at"]
        elif event.type == "PaymentOrderDefaulted" and data["doc_no"] in found:
            ended = {"defaulted_at": instant_text(event.at), "default_event_id": event.id}
            found[data["doc_no"]] |= ended
    return list(found.values())


def _payments(events: Sequence[Told]) -> list[dict[str, Any]]:
    """What was verified or taken back, act by act."""
    return [
        {
            "payment": event.data["payment"],
            "reversed": event.type == "PaymentReversed",
            "at": instant_text(event.at),
            "fen": sum(line["amount_fen"] for line in event.data["lines"]),
            "voucher": event.data.get("voucher"),
            "event_id": event.id,
        }
        for event in events
        if event.type in ("PaymentVerified", "PaymentReversed")
    ]


def _documents(events: Sequence[Told]) -> list[dict[str, Any]]:
    """材料清单: what the decree asks for; on the log, or to be attached by the officer."""
    found = []
    for no, (name, clause, types) in enumerate(_PAPERS, 1):
        ids = [event.id for event in events if event.type in types]
        held = "ON_LOG" if ids else "TO_ATTACH"
        found.append({"no": no, "name": name, "clause": clause, "held": held, "events": ids})
    return found


def _clocks(events: Sequence[Told], policy: Policy) -> list[dict[str, Any]]:
    """法定时限: the last deadline of each statutory clock, and the act that met it, if any."""
    last: dict[tuple[Any, ...], Told] = {}
    for event in events:
        if event.type == "DeadlineSet" and event.data["timer"] in _CLOCKS:
            key = tuple(event.data.get(name) for name in ("timer", "step", "item"))
            last[key] = event
    found = []
    for event in last.values():
        data = event.data
        rule = policy.timers[data["timer"]]
        done = _met(event, events)
        due = datetime.fromisoformat(data["due_at"])
        found.append(
            {
                "timer": data["timer"],
                "name": rule.name,
                "source": rule.source,
                "item": data.get("item"),
                "started_at": data["started_at"],
                "due_at": data["due_at"],
                "event_id": event.id,
                "done_at": instant_text(done.at) if done else None,
                "done_by": done.id if done else None,
                "in_time": done.at < due if done else None,
            }
        )
    return sorted(found, key=lambda item: (item["due_at"], item["timer"], item["item"] or ""))


def _met(deadline: Told, events: Sequence[Told]) -> Told | None:
    """The first act after the deadline's start for which its clock waits."""
    item = deadline.data.get("item")
    started = datetime.fromisoformat(deadline.data["started_at"])
    for event in events:
        named = event.data.get("doc_no")
        other = deadline.data["timer"] == "T23" and named is not None and named != item
        if event.type in _STOPS[deadline.data["timer"]] and event.at >= started and not other:
            return event
    return None


def _lacking(events: Sequence[Told]) -> list[str]:
    """What the decree or the interpretation asks for and the log does not show yet."""
    found = []
    if not any(event.type == "FactsVerified" for event in events):
        found.append("FACTS_VERIFIED")
    for order in _orders(events):
        if order["service_mode"] == "posted" and order["evidence"] is None:
            # 法释〔2013〕3号 4: a posted order counts with a photograph or film of it.
            found.append(f"POSTING_EVIDENCE:{order['doc_no']}")
    proposals = [event for event in events if event.type == "ReferralProposed"]
    if proposals and (proposals[-1].data.get("officers") or 0) < 2:
        found.append("TWO_OFFICERS")
    return found


def _has_sealed(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(SEALED_PREFIX)
    if isinstance(value, dict):
        return any(_has_sealed(item) for item in value.values())
    return isinstance(value, list) and any(_has_sealed(item) for item in value)


def until_text(text: str | None) -> str:
    """An end in the way officials write it: 24:00 of a day is that day's 24时."""
    if text is None:
        return "—"
    instant = datetime.fromisoformat(text)
    day = last_day_of(instant)
    if end_of(day) == instant:
        return f"{day.isoformat()} 24:00"
    return local_text(text)
