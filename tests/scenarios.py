"""The acceptance scenarios of domain.md 8 that concern routing and supervision.

Each is told once: what is recorded when, and what then was decided, to the instant, counted by
hand from the domain reference. They are played through `dry-run` (tests/supervision) and through
the real services (tests/live). All names and numbers are invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from shared.policy import read_book
from tests.stories.telling import Story, claim, full, short

YEAR_END: Final = ("A2", "2021-12-28 00:00")
"""The campaign date for national, provincial and Zhengzhou lines, and 24:00 of its target day."""


class Scenario(Protocol):
    """A row of the table. `name`: its number; `until`: where the telling ends, inclusive."""

    @property
    def name(self) -> str: ...
    @property
    def until(self) -> str: ...

    def given(self, story: Story) -> None:
        """Records the facts."""

    def then(self, story: Story) -> None:
        """Asserts what was decided."""


class PlainLine:
    """1: the clocks of a plain national line about a private building site."""

    name, until = "1", "2021-11-12 09:00"

    def given(self, story: Story) -> None:
        story.complaint("2021-11-10 09:00", tier="NAT", source="national")
        story.line("2021-11-11 10:00", "A", "ComplaintAccepted", urgent=False)

    def then(self, story: Story) -> None:
        assigned = story.one("CaseAssigned")
        assert assigned["at"] == "2021-11-11 10:00"
        assert (assigned["task_force"], assigned["township"]) == ("TF1", "410185109")
        # Of Wednesday 11-10: 11, 12; outer 11, 12, 15, 16, 17.
        assert story.deadline("T01")[:3] == (
            "2021-11-10 09:00",
            "2021-11-13 00:00",
            "2021-11-18 00:00",
        )
        assert story.dues("T05") == ["2021-11-13 00:00"]
        assert story.dues("T07") == ["2021-11-12 10:00"]
        assert story.dues("T08") == ["2021-11-17 00:00"]
        # 12, 15-19, 22-25: the year's end is later and does not bind.
        assert story.deadline("T09") == (
            "2021-11-11 10:00",
            "2021-11-26 00:00",
            None,
            *YEAR_END,
            None,
        )


class NoAction:
    """2: nothing is done after signing; each level comes once."""

    name, until = "2", "2021-12-11 00:00"

    def given(self, story: Story) -> None:
        story.complaint("2021-11-10 09:00", tier="NAT", source="national")
        story.line("2021-11-11 10:00", "A", "ComplaintAccepted", urgent=False)
        story.line("2021-11-11 15:00", "A", "AssignmentSigned")

    def then(self, story: Story) -> None:
        assert story.alerts("T09") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-26 00:00 L3",
            "2021-11-27 00:00 L4",
            "2021-12-01 00:00 L5",
            "2021-12-03 00:00 L6",
            "2021-12-10 00:00 L7",
        ]
        notice = story.one("SupervisionNoticeIssued", timer="T09")
        assert notice["at"] == "2021-11-27 00:00"
        # 00:00 is of the day that begins, Saturday 11-27: two working days after it, 29 and 30.
        assert short(notice["reply_due_at"]) == "2021-12-01 00:00"
        assert [(d["at"], d["to"]) for d in story.of("CaseEscalated", timer="T09")] == [
            ("2021-12-03 00:00", "vice_convener"),
            ("2021-12-10 00:00", "convener"),
        ]


class YearEnd:
    """3: the year-end date caps one case; the other came in its grace window."""

    name, until = "3", "2022-01-01 09:00"

    def given(self, story: Story) -> None:
        story.complaint("2021-12-24 09:00", "A", tier="ZZ", source="zz12345")
        story.line("2021-12-24 10:00", "A", "ComplaintAccepted", urgent=False)
        story.complaint("2021-12-30 16:00", "B", tier="PROV", source="henan")
        story.line("2021-12-31 09:00", "B", "ComplaintAccepted", urgent=False)

    def then(self, story: Story) -> None:
        assert story.deadline("T09", "A") == (
            "2021-12-24 10:00",
            "2022-01-01 00:00",
            None,
            *YEAR_END,
            None,
        )
        # 01-04..07, 10-14, 17; it has the next date, which does not bind.
        assert story.deadline("T09", "B") == (
            "2021-12-31 09:00",
            "2022-01-18 00:00",
            None,
            "A5",
            "2022-01-27 00:00",
            "A2",
        )
        assert story.dues("T05", "B") == ["2022-01-05 00:00"]
        assert story.dues("T07", "B") == ["2022-01-01 09:00"]
        assert story.alerts("T07", "B")[-1] == "2022-01-01 09:00 L3", "on the holiday itself"


class Riders:
    """5: riders have no task force: the office decides, and a make-up Saturday counts."""

    name, until = "5", "2022-01-30 00:00"

    def given(self, story: Story) -> None:
        story.complaint(
            "2022-01-28 17:00",
            employer={"name": "示例配送公司", "ownership": "private", "industry": "6242"},
            project=None,
            site={"address": "见附件", "township": "410185001"},
            text="我们是外卖骑手，站点拖欠工资。",
        )
        story.line("2022-01-28 17:30", "A", "ComplaintAccepted", urgent=False)
        story.line(
            "2022-01-29 15:00", "A", "TriageDecided", department="市人社局", township="410185001"
        )

    def then(self, story: Story) -> None:
        asked = story.one("TriageRequested")
        assert (asked["at"], asked["reason"]) == ("2022-01-28 17:30", "PLATFORM_WORK")
        assert asked["proposal"] == {"department": "市人社局", "township": "410185001"}
        assert story.dues("T04") == ["2022-01-30 00:00"]
        assert story.alerts("T04") == ["2022-01-29 09:00 L1"]
        assigned = story.one("CaseAssigned")
        assert assigned["at"] == "2022-01-29 15:00"
        assert (assigned["task_force"], assigned["department"]) == (None, "市人社局")
        assert assigned["township"] == "410185001"
        assert sorted(assigned["co_handlers"]) == sorted(["市商务局", "市委网信办"])


class BeforeTheFestival:
    """6: seven working days over the make-up weekend and the festival."""

    name, until = "6", "2022-01-28 17:00"

    def given(self, story: Story) -> None:
        story.complaint("2022-01-28 16:00")
        story.line("2022-01-28 16:00", "A", "ComplaintAccepted", urgent=False)

    def then(self, story: Story) -> None:
        # 01-29, 01-30, 02-07..11.
        due = story.one("DeadlineSet", timer="T09")
        assert (short(due["due_at"]), due["grace"]) == ("2022-02-12 00:00", "A5")
        assert story.dues("T07") == ["2022-01-29 16:00"]
        assert story.dues("T08") == ["2022-02-08 00:00"]


class TwoPlatforms:
    """8: the same worker, employer and months by two platforms is one case, answered twice."""

    name, until = "8", "2021-11-24 10:00"

    def given(self, story: Story) -> None:
        same: dict[str, Any] = {
            "employer": {
                "name": "示例两路公司",
                "uscc": "91410185MA00080814",
                "ownership": "private",
                "industry": "4710",
            },
            "claims": [claim(8, 800_000)],
        }
        story.complaint("2021-11-15 09:00", "A", tier="NAT", source="national", **same)
        story.line("2021-11-15 10:00", "A", "ComplaintAccepted", urgent=False)
        story.complaint(
            "2021-11-18 09:00",
            "B",
            source="12345",
            external_due_at=full("2021-11-26 00:00"),
            **same,
        )
        story.paid("2021-11-22 09:00")
        story.reviewed("2021-11-22 10:00")
        story.followed_up("2021-11-23 10:00")

    def then(self, story: Story) -> None:
        merged = story.one("ComplaintMerged", "B")
        assert (merged["at"], merged["master"]) == ("2021-11-18 09:00", story.named("A"))
        assert len(story.of("CaseAssigned", "A")) == 1
        assert story.of("CaseAssigned", "B") == []
        # It is due at 24:00 of Thursday 25: a working day before is 24:00 of Wednesday 24.
        answered = story.one("DeadlineSet", "A", timer="T10")
        assert answered["source_ref"] == story.named("B")
        assert short(answered["due_at"]) == "2021-11-25 00:00"
        closed = story.one("CaseClosed", "A")
        assert (closed["at"], closed["kind"]) == ("2021-11-23 10:00", "PAID_IN_FULL")
        owed = story.of("SourceReplyOwed")
        assert sorted((d["at"], d["source"], d["source_ref"]) for d in owed) == [
            ("2021-11-23 10:00", "12345", story.named("B")),
            ("2021-11-23 10:00", "national", story.named("A")),
        ]


class TwelveWorkers:
    """9: a tenth worker of one project makes a group; nobody's line is lost in it."""

    name, until = "9", "2021-11-30 10:00"
    cases: Final = [f"C{number:02}" for number in range(1, 13)]

    def given(self, story: Story) -> None:
        project = {"name": "示例十二人大厦", "funding": "private", "kind": "other"}
        for number, case in enumerate(self.cases, 1):
            # Four a day, at five minutes' distance: the tenth on Wednesday 11-24 at 09:05.
            day, place = divmod(number - 1, 4)
            story.complaint(
                f"2021-11-{22 + day} 09:{5 * place:02}",
                case,
                project=project,
                amount_fen=500_000,
                claims=[claim(100 + number, 500_000, ("2021-09", "2021-10"))],
            )
        story.line("2021-11-24 11:00", "C01", "GroupNoticeGiven", group="一组", level="G1")
        for case in self.cases:
            story.line("2021-11-25 09:00", case, "ComplaintAccepted", urgent=False)
        for case in self.cases:
            story.signed("2021-11-25 10:00", case)
        first, *others, last = self.cases
        for case in others:
            story.closed("2021-11-29 10:00", case, 500_000)
        story.paid("2021-11-29 10:00", 500_000, case=first)
        for case in (first, last):
            story.line("2021-11-29 10:00", case, "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-29 15:00", 500_000, case=last)
        story.reviewed("2021-11-30 09:00", first)
        story.followed_up("2021-11-30 09:00", first)

    def then(self, story: Story) -> None:
        formed = story.one("GroupFormed", "C01")
        assert (formed["at"], formed["level"], formed["workers"]) == ("2021-11-24 09:05", "G1", 10)
        assert formed["master"] == story.named("C01")
        assert story.dues("T51", "C01") == ["2021-11-24 11:05"]
        assert story.alerts("T51", "C01") == ["2021-11-24 10:05 L1"]
        for case in self.cases[1:]:
            assert story.one("GroupJoined", case)["master"] == story.named("C01")
            assert story.dues("T09", case) == [], "handled under the master"
        assert story.dues("T09", "C01") == ["2021-12-10 00:00"]
        # Every line is paid for itself, and the leading case waits for all (I-01).
        first, *_, last = self.cases
        for case in (first, last):
            refused = story.one("ClosureRefused", case)
            assert (refused["at"], refused["reasons"]) == ("2021-11-29 10:00", ["UNPAID"])
        settled = [
            (item["at"], item["status"])
            for item in story.of("GroupMemberUpdated", first)
            if item["case"] == story.named(last)
        ]
        assert settled == [("2021-11-24 09:15", "unpaid"), ("2021-11-29 15:00", "settled")]
        assert [case for case in self.cases if story.of("CaseClosed", case)] == self.cases[:-1]
        assert story.times("CaseClosed", first) == ["2021-11-30 09:00"]


class VillageRoad:
    """10: a road paid from the budget is the government's, whoever built it and fled."""

    name, until = "10", "2021-12-11 00:00"

    def given(self, story: Story) -> None:
        story.complaint(
            "2021-12-06 09:00",
            workers=14,
            amount_fen=9_800_000,
            employer={"name": "示例路桥公司", "ownership": "private", "industry": "4813"},
            project={
                "name": "示例村道硬化工程",
                "funding": "government",
                "owner": "示例镇人民政府",
                "kind": "road",
            },
            site={"address": "见附件", "township": "410185105"},
            text="修村道的老板跑了，十四个人工资没发。",
        )
        story.line("2021-12-06 10:00", "A", "ComplaintAccepted", urgent=False)
        verified = {"lines": [{"line": "1", "amount_fen": 9_800_000, "months": 3}]}
        story.line("2021-12-07 10:00", "A", "FactsVerified", root_cause="GOV_FUNDS", **verified)

    def then(self, story: Story) -> None:
        assigned = story.one("CaseAssigned")
        assert (assigned["at"], assigned["rule"]) == ("2021-12-06 10:00", "R2")
        assert (assigned["task_force"], assigned["township"]) == ("TF2", "410185105")
        assert {"TF1", "市交通局"} <= set(assigned["co_handlers"])
        assert "TF7" not in assigned["co_handlers"]
        # 08, 09, 10.
        assert story.dues("T54") == ["2021-12-11 00:00"]
        assert story.alerts("T54")[-1] == "2021-12-11 00:00 L3"


class ThreeEmployers:
    """11: a state coal mine, a private martial-arts school, a public primary school."""

    name, until = "11", "2021-12-06 10:00"

    def given(self, story: Story) -> None:
        for case, employer, ownership, industry in (
            ("A", "示例煤业公司", "state", "0610"),
            ("B", "示例武术学校", "private", "8392"),
            ("C", "示例小学", "public_institution", "8321"),
        ):
            of = {"name": employer, "ownership": ownership, "industry": industry}
            story.complaint("2021-12-06 09:00", case, employer=of, project=None)
        for case in "ABC":
            story.line("2021-12-06 10:00", case, "ComplaintAccepted", urgent=False)

    def then(self, story: Story) -> None:
        found = {case: story.one("CaseAssigned", case) for case in "ABC"}
        assert {case: data["task_force"] for case, data in found.items()} == {
            "A": "TF5",
            "B": "TF4",
            "C": "TF2",
        }
        assert {data["at"] for data in found.values()} == {"2021-12-06 10:00"}
        assert found["A"]["co_handlers"] == ["TF6"]
        assert found["C"]["co_handlers"] == ["市教育局"]


class OldNames:
    """12: an old township name is an alias and stays on record; an abolished area is nobody's."""

    name, until = "12", "2021-12-02 10:00"

    def given(self, story: Story) -> None:
        of = {"name": "示例服装厂", "ownership": "private", "industry": "1811"}
        for case, address in (("A", "登封市卢店镇产业集聚区"), ("B", "登封市送表")):
            site = {"address": address}
            story.complaint("2021-12-02 09:00", case, employer=of, project=None, site=site)
            story.line("2021-12-02 09:00", case, "ComplaintAccepted", urgent=False)

    def then(self, story: Story) -> None:
        assigned = story.one("CaseAssigned", "A")
        assert (assigned["task_force"], assigned["township"]) == ("TF7", "410185004")
        assert assigned["township_from"]["text"] == "卢店镇"
        assert "alias" in assigned["township_from"]["rule"]
        assert story.of("CaseAssigned", "B") == []
        assert story.one("TriageRequested", "B")["reason"] == "NO_TOWNSHIP"


@dataclass(frozen=True)
class ExpiredOrder:
    """15: which of Henan's limbs a case reaches when its order is not obeyed.

    `lines`: fen and whole months of each worker.
    """

    name: str
    lines: list[tuple[int, int]]
    limb: int | None
    until: str = field(default="2022-01-20 00:00", init=False)

    def given(self, story: Story) -> None:
        claims = [{"amount_fen": fen} for fen, _ in self.lines]
        total = sum(fen for fen, _ in self.lines)
        story.complaint(
            "2022-01-04 09:00", workers=len(self.lines), amount_fen=total, claims=claims
        )
        story.line("2022-01-04 10:00", "A", "ComplaintAccepted", urgent=False)
        story.verified("2022-01-06 10:00", *self.lines)
        story.served("2022-01-10 10:00")

    def then(self, story: Story) -> None:
        # 11-14 and 17.
        assert story.times("PaymentOrderDefaulted") == ["2022-01-18 00:00"]
        met = [(d["at"], d["limb"], d["threshold"]) for d in story.of("ReferralThresholdMet")]
        assert met == ([("2022-01-18 00:00", self.limb, "henan-2013")] if self.limb else [])


def _to_the_threshold(story: Story) -> None:
    story.assigned("2021-12-27 10:00", received="2021-12-27 09:00")
    story.verified("2021-12-29 10:00", (800_000, 3))
    story.served("2022-01-04 10:00", service_mode="left", limit="2022-01-12 00:00")


class NoFineInstead:
    """16: a fine and a request to close do not replace the decision on referral (I-10)."""

    name, until = "16", "2022-01-14 00:00"

    def given(self, story: Story) -> None:
        _to_the_threshold(story)
        story.line("2022-01-12 10:00", "A", "PenaltyDecided", amount_fen=1_000_000)
        story.line("2022-01-12 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")

    def then(self, story: Story) -> None:
        assert story.times("ReferralThresholdMet") == ["2022-01-12 00:00"]
        assert story.dues("T39") == ["2022-01-14 00:00"]
        assert story.alerts("T39") == ["2022-01-14 00:00 L3"]
        refused = story.one("ClosureRefused")
        assert refused["at"] == "2022-01-12 11:00"
        assert refused["reasons"] == ["UNPAID", "REFERRAL_PENDING"]
        assert story.of("CaseClosed") == []


def _paid(story: Story, day: str) -> None:
    paid = {"payment": "款1", "lines": [{"line": "1", "amount_fen": 800_000}]}
    story.line(f"{day} 09:00", "A", "PaymentRecorded", **paid)
    story.line(f"{day} 09:30", "A", "PaymentVerified", **paid)


def _asked_and_passed(story: Story, day: str) -> None:
    story.line(f"{day} 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
    story.line(f"{day} 11:00", "A", "ClosureReviewPassed", stage="tf")
    story.line(f"{day} 12:00", "A", "ClosureReviewPassed", stage="office")


class PaidBeforeFiling:
    """16, variant: everything was paid before the police filed; 市人社局 records it (法释 6)."""

    name, until = "16-paid", "2022-01-14 10:00"

    def given(self, story: Story) -> None:
        _to_the_threshold(story)
        _paid(story, "2022-01-13")
        story.line("2022-01-13 09:45", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")
        _asked_and_passed(story, "2022-01-13")
        story.followed_up("2022-01-14 10:00")

    def then(self, story: Story) -> None:
        assert story.times("ReferralThresholdMet") == ["2022-01-12 00:00"]
        assert story.of("ClosureRefused") == []
        assert story.times("CaseClosed") == ["2022-01-14 10:00"]
        assert story.one("SourceReplyOwed")["conclusion"] == "PAID_IN_FULL"


class GotLess:
    """17: the follow-up finds that the worker got 5,000 of 8,000."""

    name, until = "17", "2022-01-22 00:00"

    def given(self, story: Story) -> None:
        story.assigned("2022-01-10 10:00", received="2022-01-10 09:00")
        _paid(story, "2022-01-20")
        _asked_and_passed(story, "2022-01-20")
        story.followed_up("2022-01-21 10:00", got_paid="part", satisfaction="unsatisfied")
        story.line("2022-01-21 11:00", "A", "FalseClosureFound", evidence="回访记录")
        reversed_ = {"payment": "款1", "lines": [{"line": "1", "amount_fen": 300_000}]}
        story.line("2022-01-21 12:00", "A", "PaymentReversed", **reversed_)
        story.line("2022-01-21 13:00", "A", "ClosureRequested", kind="PAID_IN_FULL")

    def then(self, story: Story) -> None:
        assert story.of("CaseClosed") == []
        refused = [(d["at"], d["reasons"]) for d in story.of("ClosureRefused")]
        assert refused == [
            ("2022-01-21 10:00", ["NOT_PAID", "UNSATISFIED"]),
            ("2022-01-21 13:00", ["UNPAID"]),
        ]
        assert story.times("FalseClosureSuspected") == ["2022-01-21 10:00"]
        # 24, 25, 26; found to be false at eleven: the fast lane.
        assert story.dues("T18") == ["2022-01-27 00:00"]
        assert story.alerts("T18") == ["2022-01-21 11:00 L5"]


class Crane:
    """19: a worker on a crane on a holiday evening; no timer waits for a working day."""

    name, until = "19", "2022-02-04 12:15"

    def given(self, story: Story) -> None:
        story.assigned("2022-01-20 10:00", received="2022-01-20 09:00")
        reported = {"kind": "爬塔吊", "place": "工地"}
        incident = str(story.line("2022-02-03 20:15", "A", "ExtremeIncidentReported", **reported))
        story.line("2022-02-03 20:40", "A", "IncidentReportFiled", incident=incident, step="phone")
        story.line("2022-02-04 09:00", "A", "ExtremeIncidentVerified", incident=incident)
        story.line("2022-02-04 10:00", "A", "ExtremeIncidentCleared", incident=incident)

    def then(self, story: Story) -> None:
        assert story.dues("T50", step="phone") == ["2022-02-03 20:45"]
        assert story.dues("T50", step="written") == ["2022-02-03 22:15"]
        assert story.dues("T50", step="update") == [
            "2022-02-04 00:15",
            "2022-02-04 04:15",
            "2022-02-04 08:15",
            "2022-02-04 12:15",
        ]
        assert story.alerts("T50") == [
            "2022-02-03 20:15 L7",
            "2022-02-03 22:15 L3",
            "2022-02-04 00:15 L3",
            "2022-02-04 04:15 L3",
            "2022-02-04 08:15 L3",
        ]
        lane = story.one("AlertRaised", timer="T50", level="L7")
        assert {"市公安局", "市委网信办", "市长"} <= set(lane["recipients"])


class MissingSummary:
    """24: of 22 summaries one is missing on the last working day before the date."""

    name, until = "24", "2022-05-01 00:00"

    def given(self, story: Story) -> None:
        story.complaint("2022-04-20 09:00")
        *filed, _ = units()
        for code in filed:
            story.line("2022-04-28 10:00", f"unit:{code}", "SummaryFiled", period="P4")

    def then(self, story: Story) -> None:
        *filed, missing = (f"unit:{code}" for code in units())
        assert story.dues("A8", missing) == ["2022-05-01 00:00"]
        assert story.alerts("A8", missing) == [
            "2022-04-29 09:00 L1",
            *(f"2022-05-01 00:00 {level}" for level in ("L3", "L4", "L7")),
        ]
        assert [story.alerts("A8", unit) for unit in filed] == [[]] * 21


def units() -> list[str]:
    """The seven task forces and fifteen townships."""
    organisation: Any = read_book("dengfeng-2021-35")["organisation"]
    townships = [entry["code"] for entry in organisation["townships"]]
    return [*(f"TF{number}" for number in range(1, 8)), *townships]


SCENARIOS: Final[tuple[Scenario, ...]] = (
    PlainLine(),
    NoAction(),
    YearEnd(),
    Riders(),
    BeforeTheFestival(),
    TwoPlatforms(),
    TwelveWorkers(),
    VillageRoad(),
    ThreeEmployers(),
    OldNames(),
    ExpiredOrder("15a", [(750_000, 4)], None),
    ExpiredOrder("15b", [(1_500_000, 2)], None),
    ExpiredOrder("15c", [(800_000, 3), *[(1_025_000, 2)] * 8], 1),
    ExpiredOrder("15d", [(399_900, 2), *[(400_000, 2)] * 9], None),
    ExpiredOrder("15e", [(400_000, 2)] * 10, 2),
    NoFineInstead(),
    PaidBeforeFiling(),
    GotLess(),
    Crane(),
    MissingSummary(),
)
