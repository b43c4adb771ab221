"""Plausible and implausible histories of a few cases, as stories: acts in any order, by anybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from infra.dry_run import DryRun
from infra.story import Line
from shared.calendar import ZONE
from shared.policy import Policy, adopt, read_book
from tests.simulated import identity_number

START = datetime(2021, 11, 10, 9, tzinfo=ZONE)
BEYOND = timedelta(days=20)
BOOK = "dengfeng-2021-35"
TOWNS = ("410185109", "410185100", "410185105")
SOURCES = (("window", "CITY"), ("12345", "CITY"), ("national", "NAT"), ("henan", "PROV"))
NAMES = ("张测试甲", "李测试乙", "王测试丙", "赵测试丁")
PHONES = ("13900000001", "13900000002", "13900000003", "13900000004")


def policy() -> Policy:
    return adopt(read_book(BOOK), START, "adoption")


class History:
    """One story drawn from a seed; `lines` in order of `at`."""

    def __init__(self, seed: int, length: int = 40) -> None:
        self.rng = Random(seed)
        self.at = START
        self.lines: list[Line] = []
        self.cases: list[str] = []
        self.served = 0
        self.paid = 0
        for _ in range(length):
            self._step()

    def _step(self) -> None:
        gap = self.rng.choice((0, 1, 2, 5, 20, 24, 30, 72, 120))
        self.at += timedelta(hours=gap, minutes=self.rng.choice((0, 0, 30)))
        if not self.cases or (len(self.cases) < 4 and self.rng.random() < 0.15):
            self._complaint()
            return
        case = self.rng.choice(self.cases)
        name, data = self._act(case)
        by = self._by() if self.rng.random() < 0.1 else None
        late = timedelta(hours=self.rng.choice((0, 0, 0, 0, 5, 60, -3)))
        self._line(case, name, data, by=by, occurred=max(self.at - late, START))

    def _line(
        self,
        case: str,
        name: str,
        data: dict[str, Any],
        *,
        by: dict[str, str] | None = None,
        occurred: datetime | None = None,
    ) -> None:
        number = len(self.lines) + 1
        self.lines.append(Line(number, self.at, case, name, data, occurred or self.at, by))

    def _complaint(self) -> None:
        label = "ABCD"[len(self.cases)]
        worker = self.rng.randrange(4)
        source, tier = self.rng.choice(SOURCES)
        self.cases.append(label)
        amount = self.rng.choice((300_000, 800_000, 4_100_000))
        claim = {
            "worker": {
                "name": NAMES[worker],
                "id_no": identity_number(worker),
                "phone": PHONES[worker],
            },
            "amount_fen": amount,
            "months_from": "2021-07",
            "months_to": self.rng.choice(("2021-08", "2021-10")),
        }
        data = {
            "source": source,
            "source_ref": f"h-{label}",
            "tier": tier,
            "received_at": self.at.isoformat(),
            "employer": {
                "name": "示例劳务有限公司",
                "uscc": "91410185MA0007014Y",
                "ownership": "private",
                "industry": self.rng.choice(("4710", "1811", "6242", "8392")),
            },
            "site": {"township": self.rng.choice((*TOWNS, *TOWNS, None))},
            "workers": 1,
            "amount_fen": amount,
            "claims": [claim],
            "text": f"我叫{NAMES[worker]}，电话{PHONES[worker]}，工资没发。",
        }
        self._line(label, "ComplaintReceived", data)
        if self.rng.random() < 0.85:
            self._line(label, "ComplaintAccepted", {})

    def _by(self) -> dict[str, str]:
        return {
            "unit": self.rng.choice((*TOWNS, "TF1", "TF7", "市人社局", "市公安局", "联席办")),
            "role": self.rng.choice(
                ("township", "task_force", "office", "inspector", "police", "leader", "clerk")
            ),
        }

    def _act(self, case: str) -> tuple[str, dict[str, Any]]:
        number = self.rng.choice(("1", "1", "1", "2"))
        line = {"line": number, "amount_fen": self.rng.choice((300_000, 800_000, 4_100_000))}
        self.paid += 1
        payment = {"payment": f"p{self.rng.randrange(max(1, self.paid))}", "lines": [line]}
        later = (self.at + timedelta(days=self.rng.choice((2, 5, 9, 60)))).isoformat()
        acts: list[tuple[str, dict[str, Any]]] = [
            ("AssignmentSigned", {}),
            ("TriageDecided", {"task_force": "TF1", "township": self.rng.choice(TOWNS)}),
            ("TriageDecided", {"department": "市人社局", "township": TOWNS[0]}),
            (
                "TriageDecided",
                {"department": "市人社局", "task_force": "TF1", "township": TOWNS[0]},
            ),
            ("TriageDecided", {"task_force": "TF7", "township": "NO_TOWNSHIP"}),
            ("TriageDecided", {"township": TOWNS[0]}),
            ("HandlerDesignated", {"township": TOWNS[0]}),
            ("ReturnRequested", {"reason": "x"}),
            ("ReturnApproved", {"improper": False}),
            ("HandlerDesignated", {"task_force": "TF1", "township": TOWNS[0]}),
            ("FirstContactMade", {"reached": True}),
            ("ProgressReported", {"text": f"已联系{NAMES[0]}"}),
            ("FactsVerified", {"lines": [line | {"months": self.rng.choice((2, 4))}]}),
            ("ExtensionRequested", {"to": later, "reason": "x"}),
            ("ExtensionApproved", {"to": later, "approver": "office"}),
            ("ExtensionApproved", {"to": later, "approver": "convener"}),
            ("CaseSuspended", {"reason": "x"}),
            ("CaseResumed", {}),
            ("PaymentVerified", payment),
            ("PaymentVerified", payment),
            ("PaymentReversed", payment),
            ("PaymentOrderServed", {"doc_no": f"D{case}", "service_mode": "direct"}),
            ("PenaltyDecided", {"amount_fen": 1_000_000}),
            ("ReferralProposed", {}),
            ("ReferralApproved", {}),
            ("ReferralDeclined", {"reason": "PAID_BEFORE_FILING"}),
            ("ReferralDelivered", {}),
            ("PoliceFiled", {"doc_no": "P1"}),
            *[("ClosureRequested", {"kind": "PAID_IN_FULL"})] * 3,
            ("ClosureRequested", {"kind": "WITHDRAWN"}),
            *[("ClosureReviewPassed", {"stage": "tf"})] * 3,
            *[("ClosureReviewPassed", {"stage": "office"})] * 3,
            *[("FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"})] * 3,
            ("FollowUpCompleted", {"got_paid": "part", "satisfaction": "unsatisfied"}),
            ("FollowUpWaived", {"reason": "x"}),
            ("FalseClosureFound", {"evidence": "x"}),
            ("SourceReplied", {"source": self._source(case), "source_ref": f"h-{case}"}),
            ("IllegalDemandRecorded", {"police_doc_no": "G1"}),
            ("MergeApproved", {"master": self.rng.choice(self.cases)}),
            ("MergeRevoked", {}),
            *self._beside(case, line),
        ]
        return self.rng.choice(acts)

    def _source(self, case: str) -> str:
        return str(next(line for line in self.lines if line.case == case).data["source"])

    def _beside(self, case: str, line: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """What seldom happens, and starts, stops or renews clocks of the law."""
        pay_day = f"{self.at + timedelta(days=self.rng.choice((3, 10, 30))):%Y-%m-%d}"
        part = {"n": 1, "due_on": pay_day, "amount_fen": line["amount_fen"]}
        decision = {"doc_no": f"E{case}", "doc_type": "decision", "service_mode": "posted"}
        return [
            ("SupplementRequested", {}),
            ("SupplementReceived", {}),
            ("ComplaintNotAccepted", {"reason": "NOT_WAGES"}),
            ("ComplaintTransferredOut", {"to_body": "x"}),
            ("ReturnNotApproved", {}),
            ("InstalmentPlanAgreed", {"plan": [part]}),
            ("InspectionFiled", {}),
            ("InspectionClosed", {}),
            ("PaymentOrderServed", decision),
            ("PaymentOrderComplied", {"doc_no": f"E{case}"}),
            ("ReferralReceipted", {}),
            ("PoliceFiled", {"doc_no": "P2"}),
            ("PoliceDeclined", {"doc_no": "P3"}),
            ("ReconsiderationRequested", {}),
            ("ReconsiderationDecided", {"result": self.rng.choice(("upheld", "reversed"))}),
            ("MaterialsHandedOver", {}),
            ("CreditListingDecided", {"rule": "R45"}),
            ("LegalPathEnded", {}),
            ("SupervisionNoticeReplied", {}),
            ("ClosureReturned", {"stage": self.rng.choice(("tf", "office"))}),
            ("CaseWrittenOff", {}),
        ]


def _accepted(seed: int) -> History:
    """The beginning of a history of one case that was accepted."""
    history = History(seed, length=1)
    if history.lines[-1].type != "ComplaintAccepted":
        history._line(history.cases[0], "ComplaintAccepted", {})
    return history


def straight(seed: int) -> list[Line]:
    """A history that goes the whole way, so that closing is reached by every seed."""
    history = _accepted(seed)
    rng, case = history.rng, history.cases[0]
    amount = history.lines[0].data["amount_fen"]
    line = {"line": "1", "amount_fen": amount}
    steps: list[tuple[str, dict[str, Any], dict[str, str] | None]] = [
        ("TriageDecided", {"task_force": "TF1", "township": TOWNS[0]}, None),
        ("AssignmentSigned", {}, None),
        ("FactsVerified", {"lines": [line | {"months": 4}]}, None),
        ("PaymentOrderServed", {"doc_no": "D", "service_mode": "direct"}, None),
        ("PoliceFiled", {"doc_no": "P"}, None),
        ("PaymentVerified", {"payment": "p", "lines": [line]}, None),
        ("ReferralDeclined", {"reason": "PAID_BEFORE_FILING"}, None),
        ("ClosureRequested", {"kind": rng.choice(("PAID_IN_FULL",) * 3 + ("WITHDRAWN",))}, None),
        ("ClosureReviewPassed", {"stage": "tf"}, None),
        ("ClosureReviewPassed", {"stage": "office"}, None),
        (
            "FollowUpCompleted",
            {"got_paid": rng.choice(("Y", "Y", "part")), "satisfaction": "satisfied"},
            {"unit": rng.choice((TOWNS[0], "市人社局", "联席办")), "role": "office"},
        ),
        ("PaymentReversed", {"payment": "p", "lines": [line]}, None),
    ]
    for name, data, by in steps:
        history.at += timedelta(hours=rng.choice((1, 20, 30, 200)))
        if name in ("PoliceFiled", "ReferralDeclined", "PaymentVerified") and rng.random() < 0.4:
            continue
        history._line(case, name, data, by=by)
    return history.lines


def gang(seed: int) -> list[Line]:
    """A group of four cases: some are paid, some not, and the leading one asks to be closed."""
    history = _accepted(seed)
    rng, first = history.rng, history.cases[0]
    project = {"name": "示例大厦", "funding": "private", "kind": "housing"}
    history.lines[0].data["project"] = project
    # A gang of three a case: its members are not named.
    history.lines[0].data.update(workers=3, claims=[])
    for _ in range(3):
        history._complaint()
        case = history.cases[-1]
        line = next(line for line in history.lines if line.case == case)
        line.data.update(project=project, workers=3, claims=[])
        if history.lines[-1].type != "ComplaintAccepted":
            history._line(case, "ComplaintAccepted", {})
    amounts = {line.case: line.data["amount_fen"] for line in history.lines if line.data}
    acts: list[tuple[str, str, dict[str, Any]]] = []
    for case in history.cases:
        acts.append((case, "TriageDecided", {"task_force": "TF1", "township": TOWNS[0]}))
        acts.append((case, "AssignmentSigned", {}))
        part = {"line": "1", "amount_fen": amounts[case]}
        if case == first or rng.random() < 0.7:
            acts.append((case, "PaymentVerified", {"payment": f"p{case}", "lines": [part]}))
        else:
            name = rng.choice(("ProgressReported", "ClosureRequested"))
            acts.append((case, name, {"kind": "WITHDRAWN"}))
    for _ in range(2):
        wanted = rng.choice(("PAID_IN_FULL",) * 4 + ("WITHDRAWN",))
        acts += [(first, "ClosureRequested", {"kind": wanted})]
        acts += [(first, "ClosureReviewPassed", {"stage": stage}) for stage in ("tf", "office")]
        acts += [(first, "FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"})]
        case = rng.choice(history.cases)
        part = {"line": "1", "amount_fen": amounts[case]}
        name = rng.choice(("PaymentVerified", "PaymentReversed"))
        place = len(acts) - rng.randrange(4)
        acts.insert(place, (case, name, {"payment": f"p{case}", "lines": [part]}))
    for case, name, data in acts:
        history.at += timedelta(hours=rng.choice((0, 1, 20)))
        data = {"text": "在联系"} if name == "ProgressReported" else data
        history._line(case, name, data)
    return history.lines


EMPLOYERS = (
    {"name": "示例劳务有限公司", "uscc": "91410185MA0007014Y"},
    {"name": "示例劳务有限公司"},
    {"name": "示例劳务公司（河南）", "uscc": "91410185MA0007014Y"},
)
"""The same one, by name and number: one complaint may match another by either."""
SPANS = (("2021-07", "2021-08"), ("2021-08", "2021-10"), ("2021-10", "2021-11"))


def repeated(seed: int) -> list[Line]:
    """Complaints of one to three workers that repeat each other in part: by number or by name, by
    some of their months, some of them when the other is closed, accepted late or separated again.
    """
    history = History(seed, length=0)
    rng = history.rng
    for _ in range(14):
        history.at += timedelta(hours=rng.choice((0, 1, 20, 90, 200)))
        if len(history.cases) < 2 or (len(history.cases) < 4 and rng.random() < 0.3):
            history._complaint()
            _repeats(history.lines, history.cases[-1], rng)
            continue
        case = rng.choice(history.cases)
        complaint = next(line for line in history.lines if line.case == case)
        parts = [
            {"line": str(number), "amount_fen": claim["amount_fen"]}
            for number, claim in enumerate(complaint.data["claims"], 1)
        ]
        acts: list[list[tuple[str, dict[str, Any]]]] = [
            [("ComplaintAccepted", {})],
            [("ComplaintAccepted", {})],
            [("MergeRevoked", {})],
            [("ComplaintNotAccepted", {"reason": "NOT_WAGES"})],
            _closing(case, parts),
            _closing(case, parts),
        ]
        for name, data in rng.choice(acts):
            history._line(case, name, data)
    return history.lines


def _repeats(lines: list[Line], case: str, rng: Random) -> None:
    """Makes a complaint one of several workers, and leaves out its acceptance half of the time."""
    place = next(index for index, line in enumerate(lines) if line.case == case)
    data = lines[place].data
    months_from, months_to = rng.choice(SPANS)
    claims = [
        {
            "worker": {"name": NAMES[worker], "id_no": identity_number(worker)},
            "amount_fen": 800_000,
            "months_from": months_from,
            "months_to": months_to,
        }
        for worker in rng.sample(range(3), rng.choice((1, 1, 2, 2, 3)))
    ]
    employer = {"ownership": "private", "industry": "4710", **rng.choice(EMPLOYERS)}
    data.update(claims=claims, workers=len(claims), amount_fen=800_000 * len(claims))
    data.update(employer=employer)
    if rng.random() < 0.5:
        del lines[place + 1 :]


def _closing(case: str, parts: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("TriageDecided", {"task_force": "TF1", "township": TOWNS[0]}),
        ("AssignmentSigned", {}),
        ("PaymentVerified", {"payment": f"p{case}", "lines": parts}),
        ("ClosureRequested", {"kind": "PAID_IN_FULL"}),
        ("ClosureReviewPassed", {"stage": "tf"}),
        ("ClosureReviewPassed", {"stage": "office"}),
        ("FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"}),
    ]


def regrouped(seed: int) -> list[Line]:
    """A group whose leading cases end unpaid, one after another; who is left may form it anew."""
    history = _accepted(seed)
    rng = history.rng
    project = {"name": "示例二期", "funding": "private", "kind": "housing"}
    for _ in range(3):
        history.at += timedelta(hours=rng.choice((1, 20)))
        history._complaint()
    for line in history.lines:
        if line.type == "ComplaintReceived":
            line.data.update(project=project, workers=rng.choice((4, 6, 12)), claims=[])
    for case in history.cases[:3]:
        history.at += timedelta(hours=rng.choice((1, 90, 200)))
        name, data = rng.choice(
            (
                ("ComplaintNotAccepted", {"reason": "NOT_WAGES"}),
                ("ComplaintTransferredOut", {"to_body": "x"}),
                ("ComplaintAccepted", {}),
                ("MergeApproved", {"master": history.cases[-1]}),
            )
        )
        history._line(case, name, data)
    return history.lines


def ping_pong(seed: int) -> list[Line]:
    """A case that its units return again and again."""
    history = _accepted(seed)
    rng, case = history.rng, history.cases[0]
    history.lines[0].data["employer"]["industry"] = "4710"
    for _ in range(4):
        for name, data in (
            ("ReturnRequested", {"reason": "x"}),
            ("ReturnApproved", {"improper": False}),
            ("TriageDecided", {"task_force": "TF1", "township": rng.choice(TOWNS)}),
        ):
            history.at += timedelta(minutes=30)
            history._line(case, name, data)
    return history.lines


def filed_again(seed: int) -> list[Line]:
    """A case that the police file anew while an alert stands, on the same day or another."""
    history = _accepted(seed)
    rng, case = history.rng, history.cases[0]
    history.lines[0].data["employer"]["industry"] = "4710"
    history._line(case, "TriageDecided", {"task_force": "TF1", "township": TOWNS[0]})
    first = history.at
    for number in range(3):
        happened = rng.choice((first, first + timedelta(hours=rng.randrange(12)), history.at))
        doc = {"doc_no": f"P{number}"}
        history._line(case, "PoliceFiled", doc, occurred=min(happened, history.at))
        history.at += timedelta(hours=rng.choice((2, 20, 50, 80, 110)))
        if rng.random() < 0.2:
            history._line(case, "MaterialsHandedOver", {})
    return history.lines


def played(lines: list[Line], book: Policy) -> DryRun:
    """The story through the real deciders, and BEYOND its end."""
    dry = DryRun(lines, book, units=False)
    dry.play(lines[-1].at + BEYOND)
    return dry
