"""`qingqian dry-run`: a story in, decisions out as story lines (contract 4)."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.dry_run import DryRun, run
from infra.problem import Refused, Unready
from infra.story import instant, read_story
from shared.policy import adopt, read_book


def at(text: str) -> str:
    return f"{text.replace(' ', 'T')}:00+08:00"


def line(when: str, case: str, type_: str, /, **more: Any) -> dict[str, Any]:
    envelope = {key: more.pop(key) for key in ("by", "occurred_at") if key in more}
    return {"at": at(when), "case": case, "type": type_, "data": more} | envelope


def complaint(when: str, case: str = "A", **fields: Any) -> dict[str, Any]:
    data = {
        "source": "window",
        "source_ref": case,
        "received_at": at(when),
        "employer": {"name": f"示例{case}建筑有限公司", "ownership": "private", "industry": "4710"},
        "project": {"name": f"示例{case}小区", "funding": "private", "kind": "housing"},
        "site": {"address": "见附件", "township": "410185109"},
        "workers": 1,
        "amount_fen": 800_000,
        "months_from": "2021-09",
        "months_to": "2021-11",
        "text": "完工以后工资一直没有发。",
    }
    return line(when, case, "ComplaintReceived", **(data | fields))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "story.jsonl"


def played(path: Path, lines: list[dict[str, Any]], until: str | None = None) -> DryRun:
    path.write_bytes(b"\n".join(orjson.dumps(entry) for entry in lines))
    story = read_story(path)
    dry = DryRun(story, adopt(read_book("dengfeng-2021-35"), story[0].at, "dry-run"))
    dry.play(instant(at(until), "until") if until else story[-1].at)
    return dry


def of(dry: DryRun, type_: str, case: str = "A") -> list[dict[str, Any]]:
    return [out for out in dry.output() if out["type"] == type_ and out["case"] == case]


PLAIN = [
    complaint("2021-11-10 09:00"),
    line("2021-11-11 10:00", "A", "ComplaintAccepted", urgent=False),
]


def test_every_decision_is_a_story_line_in_order(path: Path) -> None:
    out = played(path, PLAIN, "2021-12-01 00:00").output()
    assert all(entry.keys() == {"at", "case", "type", "data"} for entry in out)
    assert {entry["at"][-6:] for entry in out} == {"+08:00"}
    assert [entry["at"] for entry in out] == sorted(entry["at"] for entry in out)
    assert "ComplaintReceived" not in {entry["type"] for entry in out}
    first = [entry for entry in out if entry["at"] == at("2021-11-11 10:00")]
    assert first[0]["type"] == "CaseAssigned", "routing before supervision"
    timers = [entry["data"]["timer"] for entry in first if entry["type"] == "DeadlineSet"]
    assert timers == sorted(timers)


def test_fields_that_have_no_value_are_null(path: Path) -> None:
    (deadline, *_) = of(played(path, PLAIN), "DeadlineSet")
    assert deadline["data"]["grace"] is None
    assert deadline["data"]["due_at"] == at("2021-11-13 00:00")


def test_an_until_that_is_no_instant_is_a_wrong_usage(path: Path) -> None:
    path.write_bytes(b"\n".join(orjson.dumps(entry) for entry in PLAIN))
    for text in ("yesterday", "2021-11-12T00:00:00"):
        with pytest.raises(Unready, match="--until") as caught:
            run(story=path, until=text)
        assert caught.value.exit_code == 2


def test_an_until_before_the_first_line_is_a_wrong_usage(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing would be printed, as of a story in which nothing is owed."""
    path.write_bytes(BOM_UTF8 + b"\n".join(orjson.dumps(entry) for entry in PLAIN))
    first = at("2021-11-10 09:00")
    with pytest.raises(Unready, match="before the story's first line") as caught:
        run(story=path, until=at("2021-11-10 08:59"))
    assert first in str(caught.value)
    assert run(story=path, until=first) == 0
    assert capfd.readouterr().out != ""


def test_it_runs_to_the_last_line_or_until_inclusive(path: Path) -> None:
    assert of(played(path, PLAIN), "AlertRaised") == []
    until = played(path, PLAIN, "2021-11-12 10:00")
    assert of(until, "AlertRaised")[-1]["at"] == at("2021-11-12 10:00")
    before = played(path, PLAIN, "2021-11-10 12:00")
    assert of(before, "CaseAssigned") == [], "lines after the end are not recorded"


def test_what_is_due_comes_before_the_acts_of_that_instant(path: Path) -> None:
    lines = [*PLAIN, line("2021-11-13 00:00", "A", "FirstContactMade", reached=True)]
    dry = played(path, lines)
    assert len(of(dry, "AssignmentDeemedSigned")) == 1
    late = [
        entry["data"]["level"]
        for entry in of(dry, "AlertRaised")
        if entry["data"]["timer"] == "T07"
    ]
    assert late == ["L1", "L3"]


def test_a_fact_may_have_happened_before_it_is_recorded(path: Path) -> None:
    lines = [
        *PLAIN,
        line(
            "2021-11-12 09:00",
            "A",
            "CaseSuspended",
            reason="等待鉴定",
            occurred_at=at("2021-11-11 18:00"),
        ),
    ]
    lines.insert(2, line("2021-11-11 11:00", "A", "AssignmentSigned"))
    deadline = [e for e in of(played(path, lines), "DeadlineSet") if e["data"]["timer"] == "T17"]
    assert deadline[0]["at"] == at("2021-11-12 09:00")
    assert deadline[0]["data"]["started_at"] == at("2021-11-11 18:00")


class TestRefusals:
    def test_a_line_that_intake_would_refuse_is_said_and_not_folded(self, path: Path) -> None:
        lines = [*PLAIN, line("2021-11-11 11:00", "A", "CaseSuspended"), *PLAIN[1:0]]
        dry = played(path, lines, "2021-11-12 00:00")
        (refused,) = of(dry, "Refused")
        assert (refused["data"]["line"], refused["data"]["status"]) == (3, 409)
        assert not any(e["data"]["timer"] == "T17" for e in of(dry, "DeadlineSet"))

    def test_the_wrong_unit(self, path: Path) -> None:
        by = {"unit": "410185001", "role": "township"}
        lines = [*PLAIN, line("2021-11-11 11:00", "A", "AssignmentSigned", by=by)]
        (refused,) = of(played(path, lines), "Refused")
        assert refused["data"]["status"] == 403

    def test_an_unknown_type_field_or_case(self, path: Path) -> None:
        lines = [
            *PLAIN,
            line("2021-11-11 11:00", "A", "NoSuchThing"),
            line("2021-11-11 11:00", "A", "AssignmentSigned", mood="good"),
            line("2021-11-11 11:00", "Z", "AssignmentSigned"),
        ]
        dry = played(path, lines)
        status = [out["data"]["status"] for out in dry.output() if out["type"] == "Refused"]
        assert sorted(status) == [404, 422, 422]

    def test_the_exit_code_says_so_after_running_on(
        self, path: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        lines = [PLAIN[0], line("2021-11-10 10:00", "A", "CaseWrittenOff"), PLAIN[1]]
        path.write_bytes(b"\n".join(orjson.dumps(entry) for entry in lines))
        assert run(story=path) == 1
        out = [orjson.loads(entry) for entry in capsysbinary.readouterr().out.splitlines()]
        assert {"Refused", "CaseAssigned"} <= {entry["type"] for entry in out}
        path.write_bytes(b"\n".join(orjson.dumps(entry) for entry in PLAIN))
        assert run(story=path, until=at("2021-11-12 00:00")) == 0


class TestGiven:
    def test_a_decision_that_the_story_gives_is_not_made(self, path: Path) -> None:
        given = line(
            "2021-11-11 10:30",
            "A",
            "CaseAssigned",
            task_force="TF7",
            township="410185004",
            co_handlers=[],
        )
        dry = played(path, [*PLAIN, given], "2021-11-12 00:00")
        assert of(dry, "CaseAssigned") == [], "what was given is not printed again"
        (handling,) = [e for e in of(dry, "DeadlineSet") if e["data"]["timer"] == "T09"]
        assert handling["at"] == at("2021-11-11 10:30")

    def test_only_for_that_case(self, path: Path) -> None:
        given = line(
            "2021-11-11 10:30", "A", "CaseAssigned", task_force="TF7", township="410185004"
        )
        lines = [PLAIN[0], complaint("2021-11-10 09:00", "B"), PLAIN[1], given]
        lines.insert(3, line("2021-11-11 10:00", "B", "ComplaintAccepted", urgent=False))
        dry = played(path, lines)
        assert len(of(dry, "CaseAssigned", "B")) == 1


def test_cases_are_named_by_label_inside_data_too(path: Path) -> None:
    same = {
        "employer": {
            "name": "示例服装厂",
            "uscc": None,
            "ownership": "private",
            "industry": "1810",
        },
        "claims": [
            {
                "worker": {"name": "甲", "id_no": "410125199001019900"},
                "amount_fen": 800_000,
                "months_from": "2021-09",
                "months_to": "2021-11",
            }
        ],
    }
    lines = [
        complaint("2021-11-15 09:00", "A", **same),
        complaint("2021-11-18 09:00", "B", **same),
    ]
    dry = played(path, lines)
    (merged,) = of(dry, "ComplaintMerged", "B")
    assert merged["data"]["master"] == "A"


def test_an_incident_is_named_by_the_number_of_its_line(path: Path) -> None:
    lines = [
        *PLAIN,
        line("2021-11-11 11:00", "A", "ExtremeIncidentReported", kind="爬塔吊", place="工地"),
        line("2021-11-11 11:10", "A", "IncidentReportFiled", incident="3", step="phone"),
        line("2021-11-11 11:20", "A", "IncidentReportFiled", incident="99", step="phone"),
    ]
    (refused,) = of(played(path, lines), "Refused")
    assert (refused["data"]["line"], refused["data"]["status"]) == (5, 422)


def test_units_and_the_city_are_watched_too(path: Path) -> None:
    dry = played(path, PLAIN, "2022-01-01 09:00")
    assert of(dry, "AlertRaised", "unit:TF1")[0]["data"]["timer"] == "A1"
    assert of(dry, "DeadlineSet", "city")[0]["data"]["timer"] == "T43"


def test_match_and_group_streams_are_not_printed(path: Path) -> None:
    cases = {out["case"] for out in played(path, PLAIN).output()}
    assert not any(case.startswith(("match:", "group:")) for case in cases)


def test_the_same_story_gives_the_same_lines(path: Path) -> None:
    lines = [complaint("2021-11-10 09:00", workers=30), *PLAIN[1:]]
    once, again = (played(path, lines, "2021-11-30 00:00").output() for _ in range(2))
    plain = [[e for e in out if e["type"] not in ("GroupFormed",)] for out in (once, again)]
    assert _without_keys(plain[0]) == _without_keys(plain[1])


def _without_keys(out: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Group keys are keyed hashes under a key of the run's own."""
    return [
        (e["at"], e["case"], e["type"], str(e["data"].get("timer")) + str(e["data"].get("due_at")))
        for e in out
    ]


class TestUsage:
    def test_at_may_not_fall(self, path: Path) -> None:
        path.write_bytes(b"\n".join(orjson.dumps(e) for e in reversed(PLAIN)))
        with pytest.raises(Refused, match="line 2"):
            run(story=path)

    @pytest.mark.parametrize(
        ("raw", "what"),
        [
            (b"{", "line 1: not JSON"),
            (
                b'{"at":"2021-11-10T09:00:00+08:00","data":{"a":[{"b":1,"b":2}]}}',
                "/data/a/0/b stands",
            ),
            (b"[]", "a JSON object"),
            (b'{"case":"A","type":"X"}', "`at`"),
            (b'{"at":"2021-11-10T09:00:00","case":"A","type":"X"}', "no zone"),
            (b'{"at":"0001-01-01T00:00:00+14:00","case":"A","type":"X"}', "out of range"),
            (b'{"at":"2021-11-10T09:00:00+08:00","case":"A","type":"X","extra":1}', "extra"),
            (b"", "no line"),
        ],
    )
    def test_a_line_that_cannot_be_read_is_named(self, path: Path, raw: bytes, what: str) -> None:
        path.write_bytes(raw)
        with pytest.raises(Refused, match=what):
            run(story=path)

    def test_an_unknown_book(self, path: Path) -> None:
        path.write_bytes(b"\n".join(orjson.dumps(e) for e in PLAIN))
        with pytest.raises(Unready, match="no-such-book"):
            run(story=path, policy="no-such-book")


def test_lines_of_a_case_that_a_person_merged_can_be_paid_under_the_master(path: Path) -> None:
    lines = [
        *PLAIN,
        complaint("2021-11-12 09:00", "B", amount_fen=300_000),
        line("2021-11-12 10:00", "B", "MergeApproved", master="A"),
        line(
            "2021-11-15 10:00",
            "A",
            "PaymentVerified",
            payment="款1",
            lines=[{"line": "1", "amount_fen": 800_000}, {"line": "2", "amount_fen": 300_000}],
        ),
        line("2021-11-15 11:00", "A", "ClosureRequested", kind="PAID_IN_FULL"),
    ]
    dry = played(path, lines)
    assert dry.refused == []
    assert of(dry, "ClosureRefused") == []


def refusals(dry: DryRun) -> list[tuple[int, int, str]]:
    return [
        (out["data"]["line"], out["data"]["status"], out["data"]["code"]) for out in dry.refused
    ]


def test_a_merge_into_what_does_not_go_on_is_refused_as_intake_refuses_it(path: Path) -> None:
    lines = [
        complaint("2021-11-10 09:00"),
        line("2021-11-11 10:00", "A", "ComplaintNotAccepted", reason="NOT_WAGES"),
        complaint("2021-11-12 09:00", "B"),
        complaint("2021-11-12 09:10", "C"),
        line("2021-11-12 10:00", "B", "MergeApproved", master="A"),
        line("2021-11-12 10:01", "B", "MergeApproved", master="nobody"),
        line("2021-11-12 10:02", "B", "MergeApproved", master="B"),
        line("2021-11-12 10:03", "B", "MergeApproved", master="C", same={"1": "7"}),
        line("2021-11-12 10:04", "B", "MergeApproved", master="C", same={"1": "1"}),
        line("2021-11-12 10:05", "B", "SourceReplied", source="window", source_ref="B"),
        line("2021-11-12 10:06", "C", "SourceReplied", source="window", source_ref="B"),
    ]

    dry = played(path, lines)

    assert refusals(dry) == [
        (5, 409, "MASTER_ENDED"),
        (6, 422, "UNKNOWN_CASE"),
        (7, 422, "SAME_CASE"),
        (8, 422, "UNKNOWN_LINE"),
        (10, 409, "MERGED"),
    ]
    assert [out["data"]["master"] for out in of(dry, "ComplaintMerged", "B")] == ["C"]


@pytest.mark.parametrize(
    ("by", "source", "refused"),
    [
        (None, "national", []),
        ({"person": "p"}, "national", []),
        ({"role": "platform"}, "national", []),
        ({"unit": "henan", "role": "platform"}, "henan", []),
        ({"unit": "henan", "role": "platform"}, "national", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"unit": "platform", "role": "platform"}, "national", []),
        ({"unit": "operator", "role": "operator"}, "national", []),
        ({"role": "clerk"}, "window", []),
        ({"role": "clerk"}, "national", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"role": "police"}, "110", []),
        ({"role": "police"}, "window", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"role": "convener"}, "window", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"unit": "TF1", "role": "task_force"}, "screening", []),
        ({"unit": "TF1", "role": "task_force"}, "window", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"unit": "410185109", "role": "township"}, "window", [(1, 403, "NOT_YOUR_SOURCE")]),
        ({"unit": "410185109", "role": "office"}, "board", [(1, 403, "NOT_YOUR_SOURCE")]),
        (None, "nowhere", [(1, 422, "MALFORMED")]),
    ],
)
def test_who_posts_a_complaint_posts_a_source_of_its_own(
    path: Path, by: dict[str, str] | None, source: str, refused: list[tuple[int, int, str]]
) -> None:
    """Contract 2: a key may post only its own source, and so may whoever a line names."""
    told = complaint("2021-11-10 09:00", source=source) | ({"by": by} if by else {})

    assert refusals(played(path, [told])) == refused


@pytest.mark.parametrize(
    ("unit", "refused"),
    [
        ("national", []),
        ("platform", []),
        ("henan", [(3, 403, "NOT_YOUR_SOURCE")]),
        ("nowhere", [(3, 403, "NOT_YOUR_SOURCE")]),
    ],
)
def test_a_platform_adds_to_what_it_has_brought_itself(
    path: Path, unit: str, refused: list[tuple[int, int, str]]
) -> None:
    by = {"unit": unit, "role": "platform"}
    lines = [
        complaint("2021-11-10 09:00", source="national"),
        line("2021-11-10 10:00", "A", "SupplementRequested", items=["工资条"]),
        line("2021-11-10 11:00", "A", "SupplementReceived", text="补充") | {"by": by},
    ]

    assert refusals(played(path, lines)) == refused


def test_a_number_of_a_person_in_clear_is_refused_as_intake_refuses_it(path: Path) -> None:
    lines = [
        complaint("2021-11-10 09:00"),
        line("2021-11-10 10:00", "A", "PaymentOrderIssued", doc_no="410125199001319903"),
    ]

    assert refusals(played(path, lines)) == [(2, 422, "MALFORMED")]


def test_a_unit_that_no_book_has_is_refused_as_intake_refuses_it(path: Path) -> None:
    lines = [
        *PLAIN,
        line("2021-11-12 09:00", "unit:TF99", "ScreeningReported"),
        line("2021-11-12 09:00", "unit:TF7", "ScreeningReported"),
    ]

    dry = played(path, lines)

    assert refusals(dry) == [(3, 404, "UNKNOWN_UNIT")]
