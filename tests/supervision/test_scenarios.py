"""The acceptance scenarios of domain.md 8 that concern supervision, to the instant.

Whole stories through intake's judge, routing and supervision; all names and numbers invented.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.dry_run import DryRun
from infra.story import instant, read_story
from shared.policy import adopt, read_book

ZONE = "+08:00"


class Story:
    """Lines in, decisions out, as `qingqian dry-run` prints them. Instants `2021-11-10 09:00`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "story.jsonl"
        self._lines: list[dict[str, Any]] = []
        self.out: list[dict[str, Any]] = []

    def line(self, at: str, case: str, type_: str, /, **data: Any) -> int:
        self._lines.append({"at": _instant(at), "case": case, "type": type_, "data": data})
        return len(self._lines)

    def complaint(self, at: str, case: str = "A", workers: int = 1, **fields: Any) -> None:
        data = {
            "source": "window",
            "source_ref": case,
            "tier": "CITY",
            "received_at": _instant(at),
            "employer": {
                "name": f"示例{case}建筑有限公司",
                "ownership": "private",
                "industry": "4710",
            },
            "project": {"name": f"示例{case}小区", "funding": "private", "kind": "housing"},
            "site": {"address": "见附件", "township": "410185109"},
            "workers": workers,
            "amount_fen": 800_000,
            "months_from": "2021-09",
            "months_to": "2021-11",
            "text": "完工以后工资一直没有发。",
        }
        self.line(at, case, "ComplaintReceived", **(data | fields))

    def run(self, until: str) -> Story:
        text = b"\n".join(orjson.dumps(line) for line in self._lines)
        self._path.write_bytes(text)
        lines = read_story(self._path)
        dry = DryRun(lines, adopt(read_book("dengfeng-2021-35"), lines[0].at, "dry-run"))
        dry.play(instant(_instant(until), "until"))
        assert dry.refused == []
        self.out = dry.output()
        return self

    def of(self, kind: str, case: str = "A", **fields: Any) -> list[dict[str, Any]]:
        """Lines of a type and case whose data have these fields."""
        return [
            line
            for line in self.out
            if line["type"] == kind
            and line["case"] == case
            and all(line["data"].get(key) == value for key, value in fields.items())
        ]

    def due(self, timer: str, case: str = "A", **fields: Any) -> str | None:
        found = self.of("DeadlineSet", case, timer=timer, **fields)
        return _short(found[-1]["data"]["due_at"]) if found else None

    def alerts(self, timer: str, case: str = "A") -> list[tuple[str, str]]:
        found = self.of("AlertRaised", case, timer=timer)
        return [(_short(line["at"]), line["data"]["level"]) for line in found]

    def times(self, kind: str, case: str = "A") -> list[str]:
        return [_short(line["at"]) for line in self.of(kind, case)]


def _instant(text: str) -> str:
    return f"{text.replace(' ', 'T')}:00{ZONE}"


def _short(text: str) -> str:
    return text.removesuffix(f":00{ZONE}").replace("T", " ")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_1_clocks_of_a_plain_line(story: Story) -> None:
    story.complaint("2021-11-10 09:00", tier="NAT", source="national")
    story.line("2021-11-11 10:00", "A", "ComplaintAccepted", urgent=False)
    story.run("2021-11-12 09:00")
    (assigned,) = story.of("CaseAssigned")
    assert (assigned["data"]["task_force"], assigned["data"]["township"]) == ("TF1", "410185109")
    (intake,) = story.of("DeadlineSet", timer="T01")
    assert _short(intake["data"]["due_at"]) == "2021-11-13 00:00"
    assert _short(intake["data"]["outer_due_at"]) == "2021-11-18 00:00"
    assert story.due("T05") == "2021-11-13 00:00"
    assert story.due("T07") == "2021-11-12 10:00"
    assert story.due("T08") == "2021-11-17 00:00"
    assert story.due("T09") == "2021-11-26 00:00"


def test_2_no_action_after_signing(story: Story) -> None:
    story.complaint("2021-11-10 09:00", tier="NAT", source="national")
    story.line("2021-11-11 10:00", "A", "ComplaintAccepted", urgent=False)
    story.line("2021-11-11 15:00", "A", "AssignmentSigned")
    story.run("2021-12-11 00:00")
    assert story.alerts("T09") == [
        ("2021-11-23 09:00", "L1"),
        ("2021-11-25 09:00", "L2"),
        ("2021-11-26 00:00", "L3"),
        ("2021-11-27 00:00", "L4"),
        ("2021-12-01 00:00", "L5"),
        ("2021-12-03 00:00", "L6"),
        ("2021-12-10 00:00", "L7"),
    ]
    notices = story.of("SupervisionNoticeIssued", timer="T09")
    assert [_short(line["at"]) for line in notices] == ["2021-11-27 00:00"]


def test_3_the_year_end_date_and_its_grace(story: Story) -> None:
    story.complaint("2021-12-24 09:00", "A", tier="ZZ", source="zz12345")
    story.line("2021-12-24 10:00", "A", "ComplaintAccepted", urgent=False)
    story.complaint("2021-12-30 16:00", "B", tier="PROV", source="henan")
    story.line("2021-12-31 09:00", "B", "ComplaintAccepted", urgent=False)
    story.run("2022-01-01 00:00")
    (capped,) = story.of("DeadlineSet", "A", timer="T09")
    assert _short(capped["data"]["due_at"]) == "2022-01-01 00:00"
    assert capped["data"]["cap"] == "A2"
    assert _short(capped["data"]["cap_target_at"]) == "2021-12-28 00:00"
    (grace,) = story.of("DeadlineSet", "B", timer="T09")
    assert _short(grace["data"]["due_at"]) == "2022-01-18 00:00"
    assert grace["data"]["grace"] == "A2"
    assert story.due("T05", "B") == "2022-01-05 00:00"
    assert story.due("T07", "B") == "2022-01-01 09:00"


def test_6_before_the_festival(story: Story) -> None:
    story.complaint("2022-01-28 16:00")
    story.line("2022-01-28 16:00", "A", "ComplaintAccepted", urgent=False)
    story.run("2022-01-28 17:00")
    assert story.due("T09") == "2022-02-12 00:00"
    assert story.of("DeadlineSet", timer="T09")[0]["data"]["grace"] == "A5"
    assert story.due("T07") == "2022-01-29 16:00"
    assert story.due("T08") == "2022-02-08 00:00"


@pytest.mark.parametrize(
    ("lines", "limb"),
    [
        ([(750_000, 4)], None),
        ([(1_500_000, 2)], None),
        ([(800_000, 3), *[(1_025_000, 2)] * 8], 1),
        ([(399_900, 2), *[(400_000, 2)] * 9], None),
        ([(400_000, 2)] * 10, 2),
    ],
)
def test_15_after_expired_orders(
    story: Story, lines: list[tuple[int, int]], limb: int | None
) -> None:
    claims = [{"amount_fen": fen} for fen, _ in lines]
    total = sum(fen for fen, _ in lines)
    story.complaint("2022-01-04 09:00", workers=len(lines), amount_fen=total, claims=claims)
    story.line("2022-01-04 10:00", "A", "ComplaintAccepted", urgent=False)
    verified = [
        {"line": str(number), "amount_fen": fen, "months": months}
        for number, (fen, months) in enumerate(lines, 1)
    ]
    story.line("2022-01-06 10:00", "A", "FactsVerified", lines=verified)
    story.line("2022-01-10 10:00", "A", "PaymentOrderServed", doc_no="令1", service_mode="direct")
    story.run("2022-01-20 00:00")
    met = story.of("ReferralThresholdMet")
    assert [(_short(m["at"]), m["data"]["limb"], m["data"]["threshold"]) for m in met] == (
        [("2022-01-18 00:00", limb, "henan-2013")] if limb else []
    )


def _to_the_threshold(story: Story) -> None:
    story.complaint("2021-12-27 09:00")
    story.line("2021-12-27 10:00", "A", "ComplaintAccepted", urgent=False)
    verified = [{"line": "1", "amount_fen": 800_000, "months": 3}]
    story.line("2021-12-29 10:00", "A", "FactsVerified", lines=verified)
    story.line(
        "2022-01-04 10:00",
        "A",
        "PaymentOrderServed",
        doc_no="令1",
        service_mode="left",
        limit_at=_instant("2022-01-12 00:00"),
    )


def test_16_no_fine_in_place_of_the_referral(story: Story) -> None:
    _to_the_threshold(story)
    story.line("2022-01-12 10:00", "A", "PenaltyDecided", amount_fen=1_000_000)
    story.line("2022-01-12 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
    story.run("2022-01-14 00:00")
    assert story.times("ReferralThresholdMet") == ["2022-01-12 00:00"]
    assert story.due("T39") == "2022-01-14 00:00"
    assert story.alerts("T39") == [("2022-01-14 00:00", "L3")]
    (refused,) = story.of("ClosureRefused")
    assert refused["data"]["reasons"] == ["UNPAID", "REFERRAL_PENDING"]
    assert story.of("CaseClosed") == []


def _paid_and_reviewed(story: Story, day: str, fen: int = 800_000) -> None:
    paid = {"payment": "款1", "lines": [{"line": "1", "amount_fen": fen}]}
    story.line(f"{day} 09:00", "A", "PaymentRecorded", **paid)
    story.line(f"{day} 09:30", "A", "PaymentVerified", **paid)
    story.line(f"{day} 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
    story.line(f"{day} 11:00", "A", "ClosureReviewPassed", stage="tf")
    story.line(f"{day} 12:00", "A", "ClosureReviewPassed", stage="office")


def test_16_variant_paid_before_filing(story: Story) -> None:
    _to_the_threshold(story)
    story.line("2022-01-13 08:00", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")
    _paid_and_reviewed(story, "2022-01-13")
    story.line("2022-01-14 10:00", "A", "FollowUpCompleted", got_paid="Y", satisfaction="satisfied")
    story.run("2022-01-14 10:00")
    assert story.times("CaseClosed") == ["2022-01-14 10:00"]
    assert story.of("SourceReplyOwed")[0]["data"]["conclusion"] == "PAID_IN_FULL"


def test_17_the_worker_got_less(story: Story) -> None:
    story.complaint("2022-01-10 09:00")
    story.line("2022-01-10 10:00", "A", "ComplaintAccepted", urgent=False)
    _paid_and_reviewed(story, "2022-01-20")
    story.line(
        "2022-01-21 10:00", "A", "FollowUpCompleted", got_paid="part", satisfaction="unsatisfied"
    )
    story.line("2022-01-21 11:00", "A", "FalseClosureFound", evidence="回访记录")
    reversed_ = {"payment": "款1", "lines": [{"line": "1", "amount_fen": 300_000}]}
    story.line("2022-01-21 12:00", "A", "PaymentReversed", **reversed_)
    story.line("2022-01-21 13:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
    story.run("2022-01-22 00:00")
    assert story.of("CaseClosed") == []
    assert [line["data"]["reasons"] for line in story.of("ClosureRefused")] == [
        ["NOT_PAID", "UNSATISFIED"],
        ["UNPAID"],
    ]
    assert story.times("FalseClosureSuspected") == ["2022-01-21 10:00"]
    assert story.due("T18") == "2022-01-27 00:00"
    assert story.alerts("T18") == [("2022-01-21 11:00", "L5")]


def test_19_a_crane_on_a_holiday(story: Story) -> None:
    story.complaint("2022-01-20 09:00")
    story.line("2022-01-20 10:00", "A", "ComplaintAccepted", urgent=False)
    number = story.line(
        "2022-02-03 20:15", "A", "ExtremeIncidentReported", kind="爬塔吊", place="工地"
    )
    story.line("2022-02-03 20:40", "A", "IncidentReportFiled", incident=str(number), step="phone")
    story.run("2022-02-04 00:15")
    assert story.due("T50", step="phone") == "2022-02-03 20:45"
    assert story.due("T50", step="written") == "2022-02-03 22:15"
    updates = story.of("DeadlineSet", timer="T50", step="update")
    assert [_short(line["data"]["due_at"]) for line in updates] == [
        "2022-02-04 00:15",
        "2022-02-04 04:15",
    ]
    assert story.alerts("T50") == [
        ("2022-02-03 20:15", "L7"),
        ("2022-02-03 22:15", "L3"),
        ("2022-02-04 00:15", "L3"),
    ]
    (lane,) = story.of("AlertRaised", timer="T50", level="L7")
    assert {"市公安局", "市委网信办", "市长"} <= set(lane["data"]["recipients"])


def test_24_one_of_22_summaries_is_missing(story: Story) -> None:
    story.complaint("2022-04-20 09:00")
    units = [f"TF{n}" for n in range(1, 8)] + townships()
    for code in units[:-1]:
        story.line("2022-04-28 10:00", f"unit:{code}", "SummaryFiled", period="P4")
    story.run("2022-05-01 00:00")
    missing = f"unit:{units[-1]}"
    assert story.due("A8", missing) == "2022-05-01 00:00"
    assert story.alerts("A8", missing) == [
        ("2022-04-29 09:00", "L1"),
        ("2022-05-01 00:00", "L3"),
        ("2022-05-01 00:00", "L4"),
        ("2022-05-01 00:00", "L7"),
    ]
    for code in units[:-1]:
        assert story.alerts("A8", f"unit:{code}") == []


def townships() -> list[str]:
    return [entry["code"] for entry in read_book("dengfeng-2021-35")["organisation"]["townships"]]
