"""Rarely walked ways of intake, routing and groups (domain 2.3, 4.1, 5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import DAJINDIAN, TANGZHUANG, Story, claim, full

TOWER: dict[str, Any] = {
    "employer": {"name": "示例劳务公司", "ownership": "private", "industry": "4710"},
    "project": {"name": "示例大厦", "funding": "private", "kind": "housing"},
}
"""One employer at one project."""


def given_back(story: Story, asked: str, approved: str, decided: str, township: str) -> None:
    """Returned, approved and decided anew."""
    story.line(asked, "A", "ReturnRequested", reason="不在本辖区")
    story.line(approved, "A", "ReturnApproved", improper=False)
    story.line(decided, "A", "TriageDecided", task_force="TF1", township=township)


class TestAnotherUnit:
    def test_over_the_new_year_the_new_phase_counts(self, story: Story) -> None:
        """Ten working days of 2021 at first, seven of 2022 for the new unit."""
        story.assigned("2021-12-31 10:00")
        given_back(story, "2021-12-31 15:00", "2022-01-04 09:00", "2022-01-04 10:00", DAJINDIAN)
        story.run("2022-01-05 00:00")
        assert story.dues("T09") == ["2022-01-18 00:00", "2022-01-14 00:00"]
        assert story.one("CaseReassigned")["from"] == {
            "task_force": "TF1",
            "department": None,
            "township": TANGZHUANG,
        }

    def test_twice_on_one_make_up_saturday_night(self, story: Story) -> None:
        """Both triages are due on the first day after 清明; only the open one is reminded."""
        story.assigned("2022-04-01 23:59")
        given_back(story, "2022-04-02 23:59", "2022-04-02 23:59", "2022-04-02 23:59", DAJINDIAN)
        given_back(story, "2022-04-02 23:59", "2022-04-03 00:59", "2022-04-06 09:00", "410185204")
        story.run("2022-04-06 10:00")
        assert story.dues("T04") == ["2022-04-07 00:00"] * 2
        assert story.alerts("T04") == ["2022-04-06 09:00 L1"]
        assert story.cleared("T04") == ["2022-04-06 09:00 L1"]
        assert story.times("CaseReassigned") == ["2022-04-02 23:59", "2022-04-06 09:00"]
        assert story.of("AssignmentDeemedSigned") == []

    def test_a_petition_deemed_signed_may_still_come_back(self, story: Story) -> None:
        """The window of five days outlives the day to sign (T05, T06)."""
        story.assigned("2022-01-30 10:00", source="xinfang")
        given_back(story, "2022-02-04 23:59", "2022-02-07 09:00", "2022-02-07 10:00", DAJINDIAN)
        story.run("2022-02-09 00:00")
        assert story.of("ReturnRefused") == []
        assert story.one("CaseReassigned")["township"] == DAJINDIAN
        # Nobody signs on the last day before the Festival, nor on the first after it.
        assert story.times("AssignmentDeemedSigned") == ["2022-02-09 00:00"]

    def test_urgent_in_hours_whoever_gets_it(self, story: Story) -> None:
        story.assigned("2021-12-10 22:00", urgent=True)
        story.line("2021-12-10 22:30", "A", "ReturnRequested", reason="行业不符")
        story.line("2021-12-10 23:00", "A", "ReturnApproved", improper=True)
        decision = {"department": "市交通局", "township": TANGZHUANG}
        story.line("2021-12-11 03:00", "A", "TriageDecided", **decision)
        story.run("2021-12-11 05:00")
        # Decided at its due is late: the clock's step comes first.
        assert story.alerts("T04") == ["2021-12-11 01:00 L1", "2021-12-11 03:00 L3"]
        assert story.one("CaseReassigned")["department"] == "市交通局"
        assert story.dues("T07") == ["2021-12-11 00:00", "2021-12-11 05:00"]
        # Five working days from the Friday, then from the Saturday.
        assert story.dues("T09") == ["2021-12-18 00:00", "2021-12-18 00:00"]


class TestTheMonthOfAGroup:
    def test_is_of_the_city_s_own_midnight(self, story: Story) -> None:
        """Received at half past midnight: still November in UTC, December here."""
        for number in range(3):
            told = [claim(number, 800_000)]
            story.complaint("2021-11-30 23:59", f"N{number}", claims=told, **TOWER)
        for number in range(3, 13):
            told = [claim(number, 800_000)]
            story.complaint("2021-12-01 00:30", f"D{number}", claims=told, **TOWER)
        story.run("2021-12-01 01:00")
        formed = story.one("GroupFormed", "D3")
        assert (formed["at"], formed["workers"], formed["level"]) == ("2021-12-01 00:30", 10, "G1")
        assert [story.of("GroupJoined", f"N{number}") for number in range(3)] == [[], [], []]
        assert story.one("GroupJoined", "D12")["master"] == "D3"

    def test_nine_a_duplicate_and_one_again_for_other_months_are_nine(self, story: Story) -> None:
        for number in range(9):
            told = [claim(number, 800_000)]
            story.complaint("2021-11-22 09:00", f"P{number}", claims=told, **TOWER)
        again = [claim(3, 800_000)]
        story.complaint("2021-11-22 10:00", "X", source="12345", claims=again, **TOWER)
        spring = [claim(4, 800_000, ("2021-02", "2021-03"))]
        story.complaint("2021-11-22 11:00", "Y", claims=spring, **TOWER)
        story.run("2021-11-22 12:00")
        assert story.one("ComplaintMerged", "X")["master"] == "P3"
        assert story.of("ComplaintMerged", "Y") == []
        assert not [line for line in story.out if line["type"] == "GroupFormed"]

    def test_one_project_in_two_townships(self, story: Story) -> None:
        """Each goes to where it is; the first leads and alone keeps its day (T09)."""
        cases = [f"P{number}" for number in range(10)]
        for number, case in enumerate(cases):
            site = {"township": TANGZHUANG if number % 2 else DAJINDIAN}
            told = [claim(number, 800_000)]
            story.complaint("2021-12-06 09:00", case, claims=told, site=site, **TOWER)
        for case in cases:
            story.line("2021-12-06 10:00", case, "ComplaintAccepted", urgent=False)
        story.run("2021-12-06 12:00")
        townships = [story.one("CaseAssigned", case)["township"] for case in cases]
        assert townships == [DAJINDIAN, TANGZHUANG] * 5
        assert [case for case in cases if story.dues("T09", case)] == ["P0"]


class TestTheWindowOfARepeat:
    @pytest.mark.parametrize(
        ("at", "reopened"), [("2021-12-16 23:59", True), ("2021-12-17 00:00", False)]
    )
    def test_thirty_days_to_the_minute(self, story: Story, at: str, *, reopened: bool) -> None:
        same = TOWER | {"claims": [claim(1, 800_000)]}
        story.assigned("2021-11-15 10:00", **same)
        story.signed("2021-11-15 11:00")
        story.closed("2021-11-16 10:00")
        story.complaint(at, "B", source="12345", **same)
        story.run(at)
        assert story.times("CaseReopened") == ([at] if reopened else [])
        assert story.times("ComplaintMerged", "B") == ([at] if reopened else [])

    def test_a_case_that_was_turned_down_takes_no_repeat(self, story: Story) -> None:
        same = TOWER | {"claims": [claim(1, 800_000)]}
        story.complaint("2021-11-15 10:00", **same)
        story.line("2021-11-15 11:00", "A", "ComplaintNotAccepted", reason="NO_EMPLOYER")
        story.complaint("2021-11-16 10:00", "B", source="12345", **same)
        story.line("2021-11-16 11:00", "B", "ComplaintAccepted", urgent=False)
        story.run("2021-11-16 12:00")
        assert story.of("ComplaintMerged", "B") == []
        assert story.one("CaseAssigned", "B")["at"] == "2021-11-16 11:00"


class TestWhoseSchool:
    @pytest.mark.parametrize(
        ("ownership", "lead", "rule"),
        [
            ("private", "TF4", "R4"),
            ("unknown", "TF4", "R4"),
            ("public_institution", "TF2", "R6"),
            ("government", "TF2", "R6"),
            ("state", "TF6", "R9"),
        ],
    )
    def test_training_that_is_not_private(
        self, story: Story, ownership: str, lead: str, rule: str
    ) -> None:
        """R4 is for private institutions; it names no co-handler for a state enterprise."""
        school = {"name": "示例培训中心", "ownership": ownership, "industry": "8391"}
        story.assigned("2021-12-06 10:00", employer=school, project=None)
        story.run("2021-12-06 10:00")
        assigned = story.one("CaseAssigned")
        assert (assigned["task_force"], assigned["rule"]) == (lead, rule)
        assert "TF4" not in assigned["co_handlers"]
        assert ("市教育局" in assigned["co_handlers"]) == (lead != "TF4")


@pytest.mark.parametrize(
    "text",
    ["工地在新密市，我是登封市告成镇人，工资没有发。", "我是告成镇人，活在新密市，工资没有发。"],
)
def test_a_site_elsewhere_outweighs_the_worker_s_home(story: Story, text: str) -> None:
    """Domain 5.3: the place of work before the told address, though it is none of ours."""
    works = {"name": "示例厂", "ownership": "private", "industry": "1811"}
    story.complaint("2021-12-06 10:00", employer=works, project=None, site=None, text=text)
    story.line("2021-12-06 11:00", "A", "ComplaintAccepted", urgent=False)
    story.run("2021-12-06 11:00")
    assert story.one("TriageRequested")["reason"] == "NO_TOWNSHIP"
    assert story.of("CaseAssigned") == []


@pytest.mark.parametrize(
    ("limit", "due"),
    [
        ("2022-01-26 00:00", "2022-01-25 00:00"),  # ends the 25th
        ("2022-01-29 10:00", "2022-01-29 00:00"),  # a Saturday that is worked
        ("2022-01-30 23:00", "2022-01-30 00:00"),  # and the Sunday after it
        ("2022-02-03 10:00", "2022-01-31 00:00"),  # in the Festival
        ("2022-02-07 10:00", "2022-01-31 00:00"),  # the first day after it
    ],
)
def test_a_reply_before_the_festival(story: Story, limit: str, due: str) -> None:
    """T10: 24:00 of the last working day before the day on which the limit ends."""
    story.complaint("2022-01-17 09:00", source="12345", external_due_at=full(limit))
    story.run("2022-01-17 09:00")
    assert story.dues("T10") == [due]
