"""What handlers do with a case: one script of acts per case, by its fate and the habits of units.

A script is written when a case is received and knows nothing of what the services decide; the
acts of a script are posted at their instants, and what meets a refusal is taken up by
`infra.simulator.handlers`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from infra.simulator import season
from infra.simulator.complaints import Complaint
from infra.simulator.script import Habits, Line, Script, decision, share, text
from shared.calendar import ZONE, Calendar, at_hour, civil, end_of

FATES: dict[str, float] = {
    "prompt": 62,
    "late": 8,
    "instalments": 5,
    "ordered": 5,
    "defaulted": 4,
    "fled": 2.5,
    "extended": 4,
    "suspended": 1.5,
    "unfounded": 2.5,
    "withdrawn": 1.5,
    "returned": 3,
    "underpaid": 1.5,
    "unsatisfied": 1,
    "unreached": 1.5,
    "false_closure": 0.2,
    "bounced": 0.5,
    "arbitration": 1,
    "silent": 1,
}


ASKED_WD = 7
"""Working days for which an extension is asked: past what is left by then, and within T11."""


# --- fates: what happens between assignment and closing --------------------


def _begin(s: Script, cause: str = "CASH_FLOW", share: float = 1.0) -> None:
    """Sign, meet the worker, verify the facts."""
    s.soon()
    if s.pace < 1.5 or s.rng.random() < 0.7:
        s.act("AssignmentSigned")
    if s.pace >= 1.5 and s.rng.random() < 0.4:
        s.days(1)
    s.act("FirstContactMade", ago=40, reached=s.rng.random() < 0.93)
    s.work(1, 2).verify(cause, share)
    if s.rng.random() < s.diligence:
        s.act("ProgressReported", text="人数和金额已核实，正在约谈用人单位。")


def _progress(s: Script) -> None:
    if s.pace < 1.5 or s.rng.random() < 0.5:
        s.act("ProgressReported", text="已约谈用人单位，正在核对工资表。")


def _done(s: Script) -> None:
    s.close().follow_up().finish()


def _prompt(s: Script) -> None:
    _begin(s, s.rng.choice(("CASH_FLOW", "WITHHELD", "OTHER")), s.rng.choice((1.0, 1.0, 0.95, 1.1)))
    _funds(s)
    s.work(1, 4).pay()
    _done(s)


def _funds(s: Script) -> None:
    """Budget money that did not come: asked for at the county government (条例 59)."""
    if s.complaint.sector.funding == "government" and s.rng.random() < 0.5:
        facts = next(line for line in reversed(s.lines) if line["type"] == "FactsVerified")
        facts["data"]["root_cause"] = "GOV_FUNDS"
        s.work(1, 2).act("GovFundsRequested")


def _late(s: Script) -> None:
    _begin(s)
    _funds(s)
    s.work(3, 4)
    _progress(s)
    s.wait(8).days(s.rng.randint(1, 3)).act("InterviewHeld", text="约谈属地主要负责人。")
    s.work(1, 8).pay(source=s.rng.choice(("PROJECT", "SPECIAL_ACCOUNT", "DEPOSIT")))
    _done(s)


def _instalments(s: Script) -> None:
    _begin(s)
    s.work(1, 2)
    parts = s.rng.choice((2, 3))
    dues = [civil(s.now) + timedelta(days=9 * (n + 1)) for n in range(parts)]
    whole = sum(s.owed.values())
    plan = [
        {"n": n, "due_on": due.isoformat(), "amount_fen": share(whole, n, parts)}
        for n, due in enumerate(dues, 1)
    ]
    s.act("InstalmentPlanAgreed", plan=plan)
    missed = s.rng.randint(1, parts) if s.rng.random() < 0.3 else 0
    for n, due in enumerate(dues, 1):
        day = s.calendar.before(s.calendar.on_or_before(due), 1)
        s.until(day).now = max(s.now, at_hour(day, s.rng.choice(season.RECEPTION)))
        s.days(4 if n == missed else 0).pay(instalment=(n, parts))
        if n < parts:
            s.act("ProgressReported", text="分期款已到账，按协议继续履行。")
    _done(s)


def _order(s: Script) -> str:
    """The inspectors file, and order payment within five working days (监察条例 26)."""
    serial = s.complaint.label[1:]
    s.work(1, 2).act("InspectionFiled", file_no=f"登劳监立〔2021〕{serial}号")
    doc_no = f"登人社监令〔{s.now.year}〕{serial}号"
    s.work(1, 2).act(
        "PaymentOrderServed", doc_no=doc_no, service_mode=s.rng.choice(("direct", "left"))
    )
    return doc_no


def _ordered(s: Script) -> None:
    _begin(s, "WITHHELD")
    doc_no = _order(s)
    s.days(s.rng.randint(1, 4)).pay().act("PaymentOrderComplied", doc_no=doc_no)
    s.act("InspectionClosed", result="complied")
    _done(s)


def _defaulted(s: Script) -> None:
    """Not paid within the limit; what meets the threshold goes to the police (310号令)."""
    _begin(s, "WITHHELD")
    _order(s)
    s.wait(7)
    if _meets_threshold(s):
        _police(s)
    s.wait(s.rng.randint(3, 9)).pay(source="COURT")
    if s.rng.random() < 0.5:
        s.act("CreditListingDecided", rule="令45" if s.now.year == 2022 else "人社部规〔2017〕16号")
    _done(s)


def _meets_threshold(s: Script) -> bool:
    """Henan: one worker 3 months and 8,000 yuan, or ten workers and 40,000 (domain 1.6)."""
    lines = s.complaint.lines
    heads = s.complaint.heads if len(lines) == 1 else len(lines)
    single = lines[0].months >= 3 and max(s.owed.values()) >= 800_000
    return single or (heads >= 10 and sum(s.owed.values()) >= 4_000_000)


def _police(s: Script) -> None:
    serial = s.complaint.label[1:]
    s.act("ReferralProposed", officers=2).days(1).act("ReferralApproved")
    s.days(0).act("ReferralDelivered", doc_no=f"登人社移〔{s.now.year}〕{serial}号").act(
        "ReferralReceipted"
    )
    s.days(2)
    if s.rng.random() < 0.7:
        s.act("PoliceFiled", doc_no=f"登公立〔{s.now.year}〕{serial}号").days(1).act(
            "MaterialsHandedOver"
        )
        return
    s.act("PoliceDeclined", doc_no=f"登公不立〔{s.now.year}〕{serial}号")
    s.days(1).act("ReconsiderationRequested").days(2)
    s.act("ReconsiderationDecided", result=s.rng.choice(("upheld", "reversed")))
    if s.lines[-1]["data"]["result"] == "upheld":
        s.days(1).act("SupervisionSuggested")


def _fled(s: Script) -> None:
    _begin(s, "FLED")
    s.act("PoliceAssistanceAsked", reason="用人单位负责人失联。")
    _order(s)
    s.lines[-1]["data"]["service_mode"] = "posted"
    s.wait(7)
    if _meets_threshold(s):
        _police(s)
    s.days(s.rng.randint(1, 4)).pay(source="EMERGENCY_FUND")
    _done(s)


def _extended(s: Script) -> None:
    _begin(s)
    s.work(3, 4)
    to = text(end_of(s.calendar.after(civil(s.now), ASKED_WD)))
    s.act("ExtensionRequested", to=to, reason="总包拨款在途。").days(0)
    s.act("ExtensionApproved", to=to, approver="office")
    s.work(2, 4)
    _progress(s)
    s.pay(source="PROJECT")
    _done(s)


def _suspended(s: Script) -> None:
    _begin(s, "PROJECT_DISPUTE")
    s.work(1, 2).act("CaseSuspended", reason="等待工程量司法鉴定。")
    if s.rng.random() < 0.7:
        s.days(s.rng.randint(4, 10)).act("CaseResumed")
    else:
        s.days(17)
    s.work(1, 3).pay(source="COURT")
    _done(s)


def _unfounded(s: Script) -> None:
    _begin(s, "OTHER", 0.0)
    s.work(1, 3).close("UNFOUNDED").follow_up("Y", "mostly").finish()


def _withdrawn(s: Script) -> None:
    _begin(s, "OTHER")
    s.work(1, 3).close("WITHDRAWN").follow_up("Y").finish()


def _returned(s: Script) -> None:
    """Not ours, says the township within a working day; the office sends it elsewhere."""
    s.soon().act("ReturnRequested", reason="用工地不在本辖区。")
    s.days(0).act("ReturnApproved", improper=s.rng.random() < 0.25)
    s.days(0).act("TriageDecided", **decision(s.complaint))
    _prompt(s)


def _underpaid(s: Script) -> None:
    """The follow-up finds that less was paid: the rest is paid in the redo (domain 8, 17)."""
    _begin(s)
    s.work(2, 4).pay()
    s.close().follow_up("part", "unsatisfied")
    s.days(1).reverse().pay()
    s.close().follow_up().finish()


def _unsatisfied(s: Script) -> None:
    _begin(s)
    s.work(2, 4).pay().close().follow_up("Y", "unsatisfied")
    s.days(1).act("FollowUpWaived", reason="诉求为工资以外的补偿，已释明。").finish()


def _unreached(s: Script) -> None:
    _begin(s)
    s.work(2, 4).pay().close()
    for _ in range(3):
        s.days(1).act("FollowUpAttempted", reached=False)
    s.act("FollowUpCompleted", got_paid="Y", satisfaction="unreached")
    s.days(1).act("FollowUpWaived", reason="三次回访未联系上，支付凭证齐全。").finish()


def _false_closure(s: Script) -> None:
    _begin(s)
    s.work(2, 3).pay().close().follow_up().finish()
    s.days(s.rng.randint(3, 8)).act(
        "FalseClosureFound", evidence="银行流水显示工资转回包工头账户。"
    )
    s.days(1).reverse()
    s.days(2).pay(source="DEPOSIT").close().follow_up().finish()


def _bounced(s: Script) -> None:
    _begin(s)
    s.work(2, 3).pay().close().follow_up()
    s.days(3).reverse()
    s.days(1).pay().close().follow_up().finish()


def _arbitration(s: Script) -> None:
    _begin(s, "PROJECT_DISPUTE")
    s.work(1, 3).act(
        "LegalPathEntered", forum="arbitration", ref=f"登劳人仲案{s.complaint.label[1:]}"
    )
    s.wait(s.rng.randint(12, 25)).act("LegalPathEnded", forum="arbitration", result="mediated").pay(
        source="COURT"
    )
    _done(s)


def _silent(s: Script) -> None:
    s.soon().act("AssignmentSigned")


_WRITERS: dict[str, Callable[[Script], None]] = {
    "prompt": _prompt,
    "late": _late,
    "instalments": _instalments,
    "ordered": _ordered,
    "defaulted": _defaulted,
    "fled": _fled,
    "extended": _extended,
    "suspended": _suspended,
    "unfounded": _unfounded,
    "withdrawn": _withdrawn,
    "returned": _returned,
    "underpaid": _underpaid,
    "unsatisfied": _unsatisfied,
    "unreached": _unreached,
    "false_closure": _false_closure,
    "bounced": _bounced,
    "arbitration": _arbitration,
    "silent": _silent,
}


def script(complaint: Complaint, rng: Random, habits: Habits, calendar: Calendar) -> list[Line]:
    """All lines of a case's handlers, from reception to write-off, up to the campaign's end."""
    s = Script(complaint, rng, habits, calendar)
    _reception(s)
    return [line for line in s.lines if datetime.fromisoformat(line["at"]) <= season.END]


def _reception(s: Script) -> None:
    match s.complaint.oddity:
        case "goods":
            s.soon().act(
                "ComplaintNotAccepted",
                reason="NOT_WAGES",
                path_told="属货款纠纷，告知可向法院起诉。",
            ).tell()
        case "litigation":
            s.soon().act(
                "ComplaintNotAccepted",
                reason="IN_LITIGATION",
                path_told="已进入诉讼，告知依法律程序。",
            ).tell()
        case "outside":
            s.soon().act("ComplaintTransferredOut", to_body="新密市人力资源和社会保障局").tell()
        case "lacking":
            _lacking(s)
        case _:
            _accepted(s)


def _accepted(s: Script) -> None:
    if s.now.astimezone(ZONE).hour != 9 and s.rng.random() < 0.9:
        s.now = season.next_slot(s.now, s.calendar, (9,))
    s.act("ComplaintAccepted")
    _interim_reply(s)
    if s.complaint.sector.lead == "TRIAGE" or s.complaint.oddity == "lost_place":
        s.days(s.rng.choice((0, 0, 1))).act("TriageDecided", **decision(s.complaint))
    _WRITERS[s.rng.choices(list(FATES), list(FATES.values()))[0]](s)


def _interim_reply(s: Script) -> None:
    """A platform that set a day gets an answer by then, closed or not (T10)."""
    data = s.complaint.data
    if s.rng.random() > (
        0.85 if data["source"] in ("12345", "zz12345") or "external_due_at" in data else 0
    ):
        return
    begun = s.now
    s.days(s.rng.choice((2, 3, 3))).act(
        "SourceReplied", source=data["source"], source_ref=data["source_ref"], conclusion="in_hand"
    )
    s.now = begun


def _lacking(s: Script) -> None:
    """No employer named: supplemented in time, or tried three times and refused (T02)."""
    s.soon().act("SupplementRequested", items=["用人单位名称", "工作地点"])
    if s.rng.random() < 0.6:
        sector, town = s.complaint.sector, s.complaint.town
        s.days(s.rng.randint(1, 4)).act(
            "SupplementReceived",
            employer={
                "name": "登封市补正用人单位",
                "ownership": "private",
                "industry": sector.codes[0],
            },
            site={"address": "见补正材料", "township": town},
        )
        s.soon().act("ComplaintAccepted")
        s.days(0).act("TriageDecided", **decision(s.complaint))
        _prompt(s)
        return
    s.days(6)
    for _ in range(3):
        s.act("ContactTried", channel="phone").days(1)
    s.act("ComplaintNotAccepted", reason="NO_EMPLOYER", path_told="告知补正后可再次反映。").tell()
