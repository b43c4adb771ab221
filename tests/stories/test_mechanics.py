"""How a story runs (contract 4): order, given decisions, labels, refusals, `by`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.telling import DAJINDIAN, TANGZHUANG, Story, claim, full, short

START = "2021-11-11 10:00"


class TestGiven:
    def test_a_group_that_the_story_forms(self, story: Story) -> None:
        story.assigned(START)
        story.complaint(START, "B")
        story.line(
            "2021-11-11 11:00",
            "A",
            "GroupFormed",
            group="group:某",
            level="G2",
            workers=31,
            members=["A", "B"],
            master="A",
        )
        story.run("2021-11-11 13:00")
        assert story.of("GroupFormed") == []
        assert story.dues("T51") == ["2021-11-11 13:00"]
        assert story.alerts("T51") == ["2021-11-11 12:00 L1", "2021-11-11 13:00 L6"]

    def test_then_the_group_itself_decides_none_for_that_case(self, story: Story) -> None:
        story.complaint(START, workers=12)
        story.line(START, "A", "GroupFormed", group="group:某", level="G1", workers=12)
        story.complaint(START, "B", workers=12)
        story.run("2021-11-11 12:00")
        assert story.of("GroupFormed", "A") == []
        assert len(story.of("GroupFormed", "B")) == 1, "but for others it does"
        assert story.dues("T51", "A") == ["2021-11-11 12:00"]

    def test_a_closing_that_the_story_gives(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-15 10:00", "A", "CaseClosed", kind="PAID_IN_FULL")
        story.run("2021-12-01 00:00")
        assert story.dues("T14") == ["2021-11-17 00:00"]
        assert story.dues("T15") == ["2021-12-16 00:00"]
        assert story.alerts("T09") == []
        assert story.one("SourceReplyOwed")["conclusion"] == "PAID_IN_FULL"

    def test_an_assignment_to_nobodys_liking(self, story: Story) -> None:
        story.complaint(START)
        story.line("2021-11-11 11:00", "A", "ComplaintAccepted", urgent=False)
        story.line(
            "2021-11-12 09:00",
            "A",
            "CaseAssigned",
            department="市教育局",
            township=DAJINDIAN,
            co_handlers=["TF4"],
        )
        story.line("2021-11-12 10:00", "A", "AssignmentSigned")
        story.run("2021-11-12 10:00")
        assert story.of("CaseAssigned") == [], "given, so neither decided nor printed"
        assert story.dues("T03") == ["2021-11-13 00:00"]
        assert story.deadline("T09")[:2] == ("2021-11-12 09:00", "2021-11-27 00:00")

    def test_a_default_that_the_story_gives(self, story: Story) -> None:
        story.assigned("2022-01-04 10:00")
        story.served("2022-01-06 10:00")
        story.line("2022-01-10 10:00", "A", "PaymentOrderDefaulted", doc_no="令1")
        story.run("2022-01-20 00:00")
        assert story.of("PaymentOrderDefaulted") == []
        assert story.times("ReferralThresholdMet") == ["2022-01-10 10:00"]

    def test_all_else_is_decided(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-12 09:00", "A", "AssignmentDeemedSigned")
        story.run("2021-11-26 00:00")
        assert story.of("AssignmentDeemedSigned") == []
        assert story.alerts("T05") == ["2021-11-12 09:00 L1"], "due by the clock comes first"
        assert story.alerts("T09")[-1] == "2021-11-26 00:00 L3"

    def test_one_that_lacks_a_field(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-12 09:00", "A", "CaseClosed")
        story.run("2021-11-12 09:00", refused=1)
        assert [status for _, status, _ in story.refusals()] == [422]


class TestOrder:
    def test_by_instant_case_writer_type_timer_step_level(self, story: Story) -> None:
        for case in ("B", "A"):
            story.assigned(START, case, tier="NAT", received=START)
            story.line(START, case, "OpinionAlertRaised", url_hash="h", spread="local")
            story.line(START, case, "ExtremeIncidentReported", kind="静坐")
        story.run("2022-01-01 00:00")
        keys = []
        for line in story.out:
            data, type_ = line["data"], line["type"]
            routing = type_ in ("CaseAssigned", "MatchFound", "GroupFormed", "TriageRequested")
            keys.append(
                (
                    line["at"],
                    line["case"],
                    0 if routing else 1,
                    type_,
                    data.get("timer") or "",
                    data.get("step") or "",
                    data.get("level") or "",
                )
            )
        assert keys == sorted(keys)

    def test_due_first_then_lines_in_file_order(self, story: Story) -> None:
        story.assigned(START)
        story.signed("2021-11-11 11:00")
        story.paid("2021-11-26 00:00")
        story.line("2021-11-26 00:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.run("2021-11-27 00:00")
        assert story.alerts("T09") == [
            "2021-11-23 09:00 L1",
            "2021-11-25 09:00 L2",
            "2021-11-26 00:00 L3",
        ]
        assert story.of("ClosureRefused") == []

    def test_paid_in_the_line_after_is_too_late_for_the_one_before(self, story: Story) -> None:
        story.assigned(START)
        story.signed("2021-11-11 11:00")
        story.line("2021-11-12 10:00", "A", "ClosureRequested", kind="PAID_IN_FULL")
        story.paid("2021-11-12 10:00")
        story.run("2021-11-12 10:00")
        assert story.one("ClosureRefused")["reasons"] == ["UNPAID"]


class TestLabels:
    def test_the_first_label_of_a_line_names_the_case(self, story: Story) -> None:
        story.complaint(START, "A", source_ref="同一")
        story.complaint("2021-11-11 11:00", "Z", source_ref="同一", received=START)
        story.run("2021-11-11 11:00", refused=1)  # other text: the employer is named after Z
        assert story.dues("T01", "A") == ["2021-11-16 00:00"]
        assert story.of("DeadlineSet", "Z") == []

    def test_corrected_and_sent_again(self, story: Story) -> None:
        story.complaint(START, months_from="2022-01", months_to="2022-02")
        story.complaint("2021-11-11 11:00", received=START)
        story.run("2021-11-11 11:00", refused=1)
        assert [(line, status) for line, status, _ in story.refusals()] == [(1, 422)]
        assert story.dues("T01") == ["2021-11-16 00:00"]


class TestRefused:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount_fen": -1},
            {"workers": 0},
            {"amount_fen": "8000"},
            {"months_from": "2021-13"},
            {"months_to": "2021-12"},
            {"site": {"township": "410185999"}},
            {"employer": {"name": "示例", "uscc": "91410185MA0007101X"}},
            {"claims": [{"worker": {"id_no": "410125199001010000"}, "amount_fen": 1}]},
            {"source": "nowhere"},
            {"surprise": True},
            {"received_at": "2021-11-12T10:00:00+08:00"},
        ],
    )
    def test_a_bad_complaint_is_quarantined_and_the_rest_goes_on(
        self, story: Story, wrong: dict[str, Any]
    ) -> None:
        story.complaint(START, "A", **wrong)
        story.assigned(START, "B")
        story.run(START, refused=1)
        assert story.refusals() == [(1, 422, "MALFORMED")], "as intake says it over HTTP"
        assert len(story.of("CaseAssigned", "B")) == 1

    @pytest.mark.parametrize(
        ("type_", "data", "by", "status"),
        [
            ("CaseWrittenOff", {}, None, 409),
            ("FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"}, None, 409),
            ("CaseResumed", {}, None, 409),
            ("InspectionFiled", {}, {"unit": "TF1", "role": "task_force"}, 403),
            ("PenaltyDecided", {"amount_fen": 1}, {"unit": TANGZHUANG, "role": "township"}, 403),
            ("CreditListingDecided", {"rule": "x"}, {"unit": "市教育局", "role": "leader"}, 403),
            ("FirstContactMade", {"reached": True}, {"unit": DAJINDIAN, "role": "township"}, 403),
            ("ProgressReported", {}, {"unit": "纪委", "role": "auditor"}, 403),
            ("FirstContactMade", {"reached": "maybe"}, None, 422),
            ("ProgressReported", {"mood": "good"}, None, 422),
            ("InstalmentPlanAgreed", {"plan": []}, None, 422),
            (
                "PaymentVerified",
                {"payment": "p", "lines": [{"line": "9", "amount_fen": 1}]},
                None,
                422,
            ),
        ],
    )
    def test_a_fact_that_cannot_be(
        self,
        story: Story,
        type_: str,
        data: dict[str, Any],
        by: dict[str, str] | None,
        status: int,
    ) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", type_, **(data | ({"by_": by} if by else {})))
        story.run("2021-11-11 11:00", refused=1)
        assert [found for _, found, _ in story.refusals()] == [status]

    def test_an_unknown_type(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", "NoSuchType")
        story.run("2021-11-11 11:00", refused=1)
        assert story.refusals() == [(3, 422, "MALFORMED")]

    def test_an_unknown_case_and_one_of_a_unit(self, story: Story) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "Q", "ProgressReported")
        story.line("2021-11-11 11:00", "unit:TF1", "ProgressReported")
        story.line("2021-11-11 11:00", "A", "ScreeningReported")
        story.run("2021-11-11 11:00", refused=3)
        assert sorted(status for _, status, _ in story.refusals()) == [404, 422, 422]


class TestBy:
    """What `by` leaves out follows from what it says."""

    @pytest.mark.parametrize(
        ("type_", "by", "refused"),
        [
            ("AssignmentSigned", {"unit": "TF1"}, 0),
            ("AssignmentSigned", {"unit": "TF2"}, 1),
            ("AssignmentSigned", {"role": "task_force"}, 0),
            ("AssignmentSigned", {"role": "township"}, 0),
            ("AssignmentSigned", {"role": "police"}, 1),
            ("InspectionFiled", {"role": "leader"}, 0),
            ("InspectionFiled", {"unit": "市人社局"}, 0),
            ("InspectionFiled", {"unit": "市公安局"}, 1),
            ("AssignmentSigned", {"person": "某"}, 0),
        ],
    )
    def test_unit_or_role_alone(
        self, story: Story, type_: str, by: dict[str, str], refused: int
    ) -> None:
        story.assigned(START)
        story.line("2021-11-11 11:00", "A", type_, by_=by)
        story.run("2021-11-11 11:00", refused=refused)
        assert all(status == 403 for _, status, _ in story.refusals())


def test_the_run_ends_at_until_inclusive(story: Story) -> None:
    story.assigned(START)
    story.line("2021-11-23 09:00", "A", "ProgressReported")
    story.run("2021-11-23 09:00")
    assert short(story.out[-1]["at"]) == "2021-11-23 09:00"
    # The reminder is due by the clock; the report answers it at once.
    assert story.alerts("T09") == ["2021-11-23 09:00 L1"]
    assert story.cleared("T09") == ["2021-11-23 09:00 L1"]
    assert story.dues("T08")[-1] == "2021-12-01 00:00"


def test_fields_of_a_plain_case(story: Story) -> None:
    story.assigned("2021-11-15 09:00", tier="NAT", source="national", claims=[claim(1, 800_000)])
    story.run("2021-11-15 09:00")
    deadline = story.one("DeadlineSet", timer="T09")
    wanted = {
        "step": None,
        "started_at": full("2021-11-15 09:00"),
        "due_at": full("2021-11-30 00:00"),
        "outer_due_at": None,
        "cap": "A2",
        "cap_target_at": full("2021-12-28 00:00"),
        "grace": None,
        "source_ref": None,
    }
    assert wanted.items() <= deadline.items()
    assigned = story.one("CaseAssigned")
    assert assigned["township_from"] == {"text": TANGZHUANG, "rule": "structured"}
    assert {"task_force", "department", "township", "co_handlers", "rule"} <= assigned.keys()
