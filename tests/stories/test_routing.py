"""Which unit, triage, merging (domain 5; I-03, I-04; scenarios 5, 8-12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import DAJINDIAN, TANGZHUANG, Story, claim, full

AT = "2021-12-06 10:00"


def employer(industry: str | None, ownership: str = "private", **more: Any) -> dict[str, Any]:
    return {"name": "示例单位", "ownership": ownership, "industry": industry} | more


def project(funding: str, kind: str = "other") -> dict[str, Any]:
    return {"name": "示例工程", "funding": funding, "kind": kind}


class TestWhoLeads:
    @pytest.mark.parametrize(
        ("given", "lead", "co", "rule"),
        [
            # Worked answers of domain 5.2.
            (
                {"employer": employer("4710"), "project": project("government", "school")},
                "TF2",
                {"TF1", "市教育局"},
                "R2",
            ),
            ({"employer": employer("0610", "state"), "project": None}, "TF5", {"TF6"}, "R3"),
            ({"employer": employer("8399"), "project": None}, "TF4", set(), "R4"),
            (
                {"employer": employer("4610", "state"), "project": project("soe", "water")},
                "TF6",
                {"TF3", "TF1"},
                "R7",
            ),
            ({"employer": employer("7820"), "project": None}, "TF3", set(), "R5"),
            (
                {"employer": employer("4710", "state"), "project": project("private", "housing")},
                "TF1",
                {"TF6"},
                "R8",
            ),
            ({"employer": employer("1810"), "project": None}, "TF7", set(), "R12"),
            # Money before sector, sector before ownership.
            (
                {"employer": employer("4813", "state"), "project": project("government", "road")},
                "TF2",
                {"TF1", "市交通局"},
                "R2",
            ),
            (
                {"employer": employer("4840"), "project": project("private", "coal")},
                "TF5",
                {"TF1"},
                "R3",
            ),
            (
                {"employer": employer("8391", attracted=True), "project": None},
                "TF4",
                {"TF7"},
                "R4",
            ),
            ({"employer": employer("8310", "private"), "project": None}, "TF4", set(), "R4"),
            (
                {"employer": employer("8321", "public_institution"), "project": None},
                "TF2",
                {"市教育局"},
                "R6",
            ),
            ({"employer": employer("4620", "state"), "project": None}, "TF3", {"TF6"}, "R5"),
            (
                {"employer": employer("4710"), "project": project("unknown")},
                "TF1",
                set(),
                "R8",
            ),
            ({"employer": employer("5011"), "project": None}, "TF1", set(), "R8"),
            ({"employer": employer("5212", "state"), "project": None}, "TF6", {"市商务局"}, "R9"),
            (
                {
                    "employer": employer("1810"),
                    "project": None,
                    "via": "wan_ren_zhu_wan_qi",
                },
                "TF7",
                set(),
                "R10",
            ),
            (
                {"employer": employer("6210"), "project": None},
                "TF7",
                {"市商务局"},
                "R12",
            ),
        ],
    )
    def test_lead_and_co_handlers(
        self, story: Story, given: dict[str, Any], lead: str, co: set[str], rule: str
    ) -> None:
        story.assigned(AT, **given)
        story.run(AT)
        found = story.one("CaseAssigned")
        assert (found["task_force"], found["rule"]) == (lead, rule)
        assert co <= set(found["co_handlers"])
        assert found["department"] is None
        assert lead not in found["co_handlers"]

    @pytest.mark.parametrize(
        ("given", "reason", "department", "co"),
        [
            (employer("6242"), "PLATFORM_WORK", "市人社局", ["市商务局", "市委网信办"]),
            (employer("0111"), "UNCOVERED_SECTOR", "市农委", []),
            (employer("5430"), "UNCOVERED_SECTOR", "市交通局", []),
            (employer("6611"), "UNCOVERED_SECTOR", "市金融工作中心", []),
            (employer("7020"), "UNCOVERED_SECTOR", "市住建局", []),
            (employer("1011"), "UNCOVERED_SECTOR", "市资源规划局", ["市应急局"]),
            (employer("6210", "unknown"), "UNCOVERED_SECTOR", "市商务局", []),
        ],
    )
    def test_the_office_decides(
        self, story: Story, given: dict[str, Any], reason: str, department: str, co: list[str]
    ) -> None:
        story.complaint("2022-01-28 09:00", employer=given, project=None)
        story.line("2022-01-28 17:30", "A", "ComplaintAccepted", urgent=False)
        story.line(
            "2022-01-29 10:00", "A", "TriageDecided", department=department, township=DAJINDIAN
        )
        story.run("2022-01-29 10:00")
        asked = story.one("TriageRequested")
        assert (asked["at"], asked["reason"]) == ("2022-01-28 17:30", reason)
        assert asked["proposal"]["department"] == department
        # Saturday 01-29 is a make-up day.
        assert story.dues("T04") == ["2022-01-30 00:00"]
        assert story.alerts("T04") == ["2022-01-29 09:00 L1"]
        found = story.one("CaseAssigned")
        assert (found["task_force"], found["department"]) == (None, department)
        assert (found["township"], found["co_handlers"]) == (DAJINDIAN, co)

    def test_urgent_triage_in_four_hours_on_a_holiday(self, story: Story) -> None:
        story.complaint("2022-02-03 09:00", employer=employer("6242"), project=None)
        story.line("2022-02-03 10:00", "A", "ComplaintAccepted", urgent=True)
        story.run("2022-02-08 00:00")
        assert story.dues("T04") == ["2022-02-03 14:00"]
        assert story.alerts("T04") == [
            "2022-02-03 12:00 L1",
            "2022-02-03 14:00 L3",
            "2022-02-08 00:00 L4",
        ]

    def test_untriaged(self, story: Story) -> None:
        story.complaint("2022-01-30 09:00", employer=employer("6242"), project=None)
        story.line("2022-01-30 10:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2022-02-09 00:00")
        # The working day after Sunday 01-30 is Monday 02-07.
        assert story.alerts("T04") == [
            "2022-02-07 09:00 L1",
            "2022-02-08 00:00 L3",
            "2022-02-09 00:00 L4",
        ]
        assert story.alerts("T03") == story.alerts("T04"), "and it is still not assigned"

    @pytest.mark.parametrize(
        ("decision", "status"),
        [
            ({"task_force": "TF1", "department": "市农委", "township": DAJINDIAN}, 422),
            ({"township": DAJINDIAN}, 422),
            ({"department": "不存在的局", "township": DAJINDIAN}, 422),
            ({"department": "市农委", "township": "410185999"}, 422),
        ],
    )
    def test_one_lead_and_one_township(
        self, story: Story, decision: dict[str, Any], status: int
    ) -> None:
        story.assigned(AT, employer=employer("0111"), project=None)
        story.line("2021-12-06 11:00", "A", "TriageDecided", **decision)
        story.run("2021-12-06 11:00", refused=1)
        assert [found for _, found, _ in story.refusals()] == [status]

    def test_a_task_force_does_not_decide_and_nothing_asked_is_nothing_decided(
        self, story: Story
    ) -> None:
        story.assigned(AT)
        by = {"unit": "TF1", "role": "task_force"}
        decision = {"task_force": "TF1", "township": DAJINDIAN}
        story.line("2021-12-06 11:00", "A", "TriageDecided", **decision, by_=by)
        story.line("2021-12-06 11:00", "A", "TriageDecided", **decision)
        story.run("2021-12-06 11:00", refused=2)
        assert [found for _, found, _ in story.refusals()] == [403, 409]


class TestWhere:
    @pytest.mark.parametrize(
        ("address", "code"),
        [
            ("登封市卢店镇产业集聚区", "410185004"),
            ("登封市芦店", "410185004"),
            ("登封市颖阳", "410185101"),
            ("登封市唐庄乡某村", "410185109"),
            ("登封市东金店", "410185108"),
            ("登封市送表", None),
            ("登封市嵩山景区", None),
        ],
    )
    def test_old_and_other_names(self, story: Story, address: str, code: str | None) -> None:
        story.assigned(AT, employer=employer("1810"), project=None, site={"address": address})
        story.run(AT)
        if code is None:
            assert story.one("TriageRequested")["reason"] == "NO_TOWNSHIP"
        else:
            assert story.one("CaseAssigned")["township"] == code

    @pytest.mark.parametrize(
        ("employer_name", "project_name", "address", "text", "township"),
        [
            ("登封市徐庄镇示例服装厂", None, None, "我家住石道乡", "410185107"),
            ("登封市徐庄镇示例服装厂", None, None, "我在大冶镇的工地干活", "410185105"),
            ("登封市徐庄镇示例服装厂", "告成镇示例小区", None, "我家住石道乡", "410185103"),
            ("示例厂", "告成镇示例小区", "登封市白坪乡", "我家住石道乡", "410185202"),
            ("示例厂", "告成镇示例小区", "见附件", "我家住石道乡", "410185103"),
            ("示例厂", None, None, "我家住石道乡", "410185204"),
            ("示例厂", None, None, "我是君召乡人，在大冶镇服装厂打工", "410185105"),
            ("示例厂", None, None, "在盧店鎮的服装厂打工", "410185004"),
            ("示例厂", None, None, "在送表矿区的服装厂干活，我是大冶镇人", None),
            ("示例厂", None, "郑州市金水区某路", "在大冶镇服装厂打工", None),
            ("登封市徐庄镇示例服装厂", None, "新密市大冶镇", "我家住石道乡", None),
            ("示例厂", None, None, "在新密市大冶打工", None),
            ("示例厂", None, None, "多次报告成了空话", None),
        ],
    )
    def test_the_best_that_was_told(
        self,
        story: Story,
        employer_name: str,
        project_name: str | None,
        address: str | None,
        text: str,
        township: str | None,
    ) -> None:
        """Domain 5.3: place of work, then the employer's, then the told address."""
        works = employer("1811" if project_name is None else "4710") | {"name": employer_name}
        site = None if address is None else {"address": address}
        built = None if project_name is None else project("private") | {"name": project_name}
        told = f"{text}，工资没发。"
        story.complaint(AT, "A", employer=works, project=built, site=site, text=told)
        story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-12-06 12:00")
        if township is None:
            assert story.of("CaseAssigned") == []
            assert story.one("TriageRequested")["reason"] == "NO_TOWNSHIP"
        else:
            assert story.one("CaseAssigned")["township"] == township

    def test_an_employer_alone_may_tell_it(self, story: Story) -> None:
        works = employer("1811") | {"name": "登封市徐庄镇示例服装厂"}
        story.complaint(AT, "A", employer=works, project=None, site=None, text=None)
        story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-12-06 12:00")
        assert story.one("CaseAssigned")["township"] == "410185107"


SAME: dict[str, Any] = {
    "employer": employer("1810"),
    "project": None,
    "claims": [claim(5, 800_000)],
}
"""The same worker, employer and months, whichever platform says it."""


class TestOneCaseOfTwoLines:
    def test_both_platforms_are_answered(self, story: Story) -> None:
        story.complaint(
            "2021-11-15 09:00",
            "A",
            source="national",
            tier="NAT",
            external_due_at=full("2021-11-30 00:00"),
            **SAME,
        )
        story.line("2021-11-15 10:00", "A", "ComplaintAccepted", urgent=False)
        story.complaint(
            "2021-11-18 09:00",
            "B",
            source="12345",
            external_due_at=full("2021-11-26 00:00"),
            **SAME,
        )
        story.paid("2021-11-19 09:00")
        story.reviewed("2021-11-19 10:00")
        story.followed_up("2021-11-22 10:00")
        story.line("2021-11-23 10:00", "A", "SourceReplied", source="national", source_ref="A")
        story.run("2021-11-27 00:00")
        merged = story.one("ComplaintMerged", "B")
        assert (merged["at"], merged["master"]) == ("2021-11-18 09:00", "A")
        replies = {d["source_ref"]: d["due_at"] for d in story.of("DeadlineSet", "A", timer="T10")}
        assert replies == {
            "A": full("2021-11-27 00:00"),  # Monday 29: Friday 26
            "B": full("2021-11-25 00:00"),
        }
        assert sorted(
            (d["source"], d["source_ref"], d["at"]) for d in story.of("SourceReplyOwed")
        ) == [
            ("12345", "B", "2021-11-22 10:00"),
            ("national", "A", "2021-11-22 10:00"),
        ]
        # Only the one that was not answered turns red, also after closing.
        assert story.alerts("T10") == [
            "2021-11-22 09:00 L1",
            "2021-11-24 09:00 L2",
            "2021-11-25 00:00 L3",
            "2021-11-26 00:00 L4",
        ]
        assert story.alerts("T10", "B") == []
        assert story.alerts("T01", "B") == []

    def test_nothing_happens_to_the_merged_one(self, story: Story) -> None:
        story.complaint("2021-11-15 09:00", "A", **SAME)
        story.complaint("2021-11-18 09:00", "B", source="12345", **SAME)
        story.line("2021-11-18 10:00", "B", "ComplaintAccepted", urgent=False)
        story.run("2021-12-31 00:00", refused=1)
        assert [(status, code) for _, status, code in story.refusals()] == [(409, "MERGED")]
        assert story.one("Refused", "B")["reason"] == "the case goes on under A"
        assert story.of("CaseAssigned", "B") == []
        assert story.of("AlertRaised", "B") == []

    @pytest.mark.parametrize(
        "other",
        [
            {"claims": [claim(6, 800_000)]},
            {"claims": [claim(5, 800_000, ("2021-07", "2021-08"))]},
            {"employer": employer("1810", name="示例另一单位")},
        ],
    )
    def test_another_worker_months_or_employer(self, story: Story, other: dict[str, Any]) -> None:
        story.complaint("2021-11-15 09:00", "A", **SAME)
        story.complaint("2021-11-18 09:00", "B", source="12345", **(SAME | other))
        story.run("2021-11-18 09:00")
        assert story.of("ComplaintMerged", "B") == []

    def test_the_same_line_again_is_nothing_and_another_content_a_conflict(
        self, story: Story
    ) -> None:
        story.complaint("2021-11-15 09:00", "A")
        story.complaint("2021-11-16 09:00", "A", received="2021-11-15 09:00")
        story.complaint("2021-11-16 10:00", "A", received="2021-11-15 09:00", workers=2)
        story.run("2021-11-16 10:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [409]
        assert len(story.dues("T01")) == 1

    def test_a_petition_that_was_merged_is_still_concluded(self, story: Story) -> None:
        story.assigned("2021-11-15 09:00", "A", **SAME)
        story.complaint("2021-11-18 09:00", "B", source="xinfang", **SAME)
        story.run("2021-11-18 09:00")
        concluded = story.one("DeadlineSet", "A", timer="T41")
        # Sixty days after 11-18: Monday 01-17; ninety: Wednesday 02-16.
        assert (concluded["at"], concluded["due_at"], concluded["outer_due_at"]) == (
            "2021-11-18 09:00",
            full("2022-01-18 00:00"),
            full("2022-02-17 00:00"),
        )


class TestWhoIsCounted:
    def test_a_worker_with_two_lines_is_one_worker(self, story: Story) -> None:
        """Ten lines of nine workers are no group (domain 8, 9: the 10th distinct worker)."""
        site = {"name": "示例九人大厦", "funding": "private", "kind": "other"}
        lines = [claim(number, 100_000) for number in range(301, 310)]
        again = claim(301, 100_000, ("2021-07", "2021-08"))
        nine = [*lines, again]
        story.complaint(AT, "A", project=site, workers=9, amount_fen=1_000_000, claims=nine)
        story.run("2021-12-07 10:00")
        assert story.of("GroupFormed") == []

    def test_a_line_without_a_name_is_somebody_else(self, story: Story) -> None:
        site = {"name": "示例十人大厦", "funding": "private", "kind": "other"}
        ten = [*(claim(number, 100_000) for number in range(301, 310)), claim(None, 100_000)]
        story.complaint(AT, "A", project=site, workers=9, amount_fen=1_000_000, claims=ten)
        story.run("2021-12-07 10:00")
        assert story.one("GroupFormed")["workers"] == 10


class TestPlatformLabour:
    @pytest.mark.parametrize(
        ("industry", "text"),
        [("5292", "直播公司拖欠主播工资"), ("7111", "网约车平台拖欠网约车司机工资")],
    )
    def test_words_show_what_has_no_code(self, story: Story, industry: str, text: str) -> None:
        """Ride-hailing and live-streaming: R11 stands before R12 (domain 5.2)."""
        story.complaint(AT, "A", employer=employer(industry), project=None, text=text)
        story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-12-06 12:00")
        assert story.of("CaseAssigned") == []
        asked = story.one("TriageRequested")
        assert (asked["rule"], asked["reason"]) == ("R11", "PLATFORM_WORK")

    @pytest.mark.parametrize(
        "text", ["服装厂拖欠工资，我是快递员送货认识的老板", "服装厂做电商的，车间拖欠工资"]
    )
    def test_a_word_does_not_outweigh_the_industry(self, story: Story, text: str) -> None:
        """Structured facts decide (domain 5.4)."""
        story.complaint(AT, "A", employer=employer("1811"), project=None, text=text)
        story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
        story.run("2021-12-06 12:00")
        assigned = story.one("CaseAssigned")
        assert (assigned["task_force"], assigned["rule"]) == ("TF7", "R12")

    def test_the_office_hands_it_on_with_the_default_co_handlers(self, story: Story) -> None:
        """Domain 5.5: 市人社局 with 市商务局 and 市委网信办, code or no code."""
        text = "网约车平台拖欠网约车司机工资"
        story.complaint(AT, "A", employer=employer("7111"), project=None, text=text)
        story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
        story.line(
            "2021-12-06 15:00", "A", "TriageDecided", department="市人社局", township=TANGZHUANG
        )
        story.run("2021-12-06 16:00")
        assigned = story.one("CaseAssigned")
        assert assigned["department"] == "市人社局"
        assert assigned["co_handlers"] == ["市商务局", "市委网信办"]


@pytest.mark.parametrize("code", ["410185400", "410185104"])
@pytest.mark.parametrize("address", ["见附件", "登封市大冶镇某村"])
def test_an_abolished_area_told_by_its_code_goes_to_the_office(
    story: Story, code: str, address: str
) -> None:
    """Domain 5.3: no successor was verified, whatever else the address says."""
    story.assigned(AT, "A", site={"address": address, "township": code})
    story.run("2021-12-06 12:00")
    assert story.of("Refused") == []
    assert story.of("CaseAssigned") == []
    assert story.one("TriageRequested")["reason"] == "NO_TOWNSHIP"


@pytest.mark.parametrize(
    ("former", "today"), [("410185102", "410185004"), ("410185205", "410185109")]
)
def test_a_code_that_was_abolished_names_the_same_township(
    story: Story, former: str, today: str
) -> None:
    """Domain 5.3: older data name 卢店 and 唐庄 by the codes they had then."""
    story.assigned(AT, "A", site={"address": "见附件", "township": former})
    story.run("2021-12-06 12:00")
    assigned = story.one("CaseAssigned")
    assert assigned["township"] == today
    assert assigned["township_from"] == {"text": former, "rule": "former-code"}
