"""Why this unit, this deadline (day by day), this level."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from infra import explain, importer
from infra.problem import Refused
from shared.policy import adopt
from shared.settings import Settings
from tests.infra.stories import PLAIN, RAW, Told, line


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(PLAIN, tmp_path_factory.mktemp("story"))


def explained(story: Told, label: str) -> str:
    return "\n".join(explain.explain(story.case(label), story.of(label), [story.policy]))


def test_the_unit_with_its_rule_and_what_it_answers(story: Told) -> None:
    text = explained(story, "A")
    assert "CaseAssigned: TF" in text
    assert "times are those of the city: Asia/Shanghai, UTC+08:00" in text[: text.index("UNIT")]
    assert "410185109" in text
    assert "lead by rule R" in text
    assert "because of ComplaintAccepted at 2021-11-10 10:00 by " in text
    assert f"under {story.policy.ref}" in text


def test_the_deadline_is_counted_out_day_by_day(story: Told) -> None:
    """T09 of an assignment on Fri 2021-11-12 in phase 1: the weekend does not count."""
    text = explained(story, "B")
    days = text[text.index("T09") :].splitlines()
    assert any("2021-11-12 周五 starts at 2021-11-12 10:00" in day for day in days)
    assert "    2021-11-13 周六 rest day" in days
    assert "    2021-11-15 周一 working day 1" in days
    assert days[0] in text


@pytest.mark.parametrize(
    ("start", "due", "shown"),
    [
        # 元旦: Sat-Mon off; 春节: Mon 01-31 to Sun 02-06 off, worked on Sat 01-29 and Sun 01-30.
        ("2021-12-31T10:00", "2022-01-05T00:00", ["holiday", "working day 1"]),
        ("2022-01-28T10:00", "2022-02-08T00:00", ["working day 1 (made up for a holiday)"]),
    ],
)
def test_holidays_and_worked_weekends_are_named(start: str, due: str, shown: list[str]) -> None:
    policy = adopt(RAW, datetime.fromisoformat("2021-11-10T00:00:00+08:00"), "x")
    days = list(
        explain.day_by_day(
            datetime.fromisoformat(f"{start}+08:00"), datetime.fromisoformat(f"{due}+08:00"), policy
        )
    )
    assert "the day itself is not counted" in days[0]
    assert days[-1].endswith("24:00: from here on it is late")
    for wanted in shown:
        assert any(day.endswith(wanted) for day in days), days


def test_calendar_days_are_counted_as_what_they_are() -> None:
    policy = adopt(RAW, datetime.fromisoformat("2021-11-10T00:00:00+08:00"), "x")
    start, due = (datetime.fromisoformat(f"2022-01-{day}T00:00+08:00") for day in ("28", "31"))
    days = list(explain.day_by_day(start, due, policy, calendar=True))
    assert [day.split(" ", 2)[-1] for day in days[1:-1]] == ["day 1", "day 2"]


def test_a_deadline_that_ended_says_what_ended_it_and_whether_in_time(story: Told) -> None:
    text = explained(story, "A")
    assert "  T01 受理: due 2021-11-13 00:00, ended in time by ComplaintAccepted at " in text


def test_ended_late_moved_and_a_window_are_told_apart(tmp_path: Path) -> None:
    """T08 missed and then counted by its next length; T09 prolonged (T11); T06's window open."""
    story = Told(
        [
            *PLAIN[:2],
            line("2021-11-17T10:00:00", "A", "ProgressReported"),
            line("2021-11-18T10:00:00", "A", "ExtensionRequested", to="2021-12-02T00:00:00+08:00"),
            line(
                "2021-11-19T10:00:00",
                "A",
                "ExtensionApproved",
                to="2021-12-02T00:00:00+08:00",
                approver="office",
            ),
        ],
        tmp_path,
    )
    lines = explained(story, "A").splitlines()
    assert (
        "  T08 进展: due 2021-11-16 00:00, ended late by ProgressReported at 2021-11-17 10:00"
        in lines
    )
    assert "    5 working days, [PC]" in lines
    moved = "  T09 办理: due 2021-11-25 00:00, moved to 2021-12-02 00:00 at 2021-11-19 10:00"
    assert moved in lines
    assert "    to the date that this names, [PC] 方案 四" in lines
    assert "  T06 退办: open until 2021-11-12 00:00" in lines
    assert "    2021-11-11 周四 24:00: from here on it is closed" in lines
    assert "  A5 春节前存量清零 (方案 二): runs, due before 2022-02-01 00:00" in lines


def test_a_deadline_set_after_the_fact_that_ended_it_is_not_left_open(story: Told) -> None:
    """Routing assigned before supervision came to set the term for it (T03)."""
    lines = explained(story, "B").splitlines()
    assert (
        "  T03 交办: due 2021-11-16 00:00, ended in time by CaseAssigned at 2021-11-12 10:00"
        in lines
    )


def test_the_level_with_the_alerts_that_stand_and_what_comes_next(story: Told) -> None:
    text = explained(story, "B")
    level = text[text.index("LEVEL") :].splitlines()
    assert level[1].strip() in ("L4", "L5", "L6", "L7")
    assert any("since its due" in part and "told: " in part for part in level)


def test_a_case_that_is_not_assigned_yet(tmp_path: Path) -> None:
    story = Told(
        [*PLAIN[:1], line("2021-11-10T09:40:00", "A", "ComplainantTold", of="x")], tmp_path
    )
    text = explained(story, "A")
    assert "not assigned yet" in text
    assert "no alert stands" in text
    assert "next, if nothing happens: AlertRaised T01" in text


@pytest.fixture
def put_on_log(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[Told], None]:
    """Puts a story on the log that the environment names."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    def put(story: Told) -> None:
        importer.run(story.export(tmp_path / "log.jsonl"))
        capsys.readouterr()

    return put


@pytest.mark.live
def test_a_case_of_the_running_log(
    story: Told, put_on_log: Callable[[Told], None], capsys: pytest.CaptureFixture[str]
) -> None:
    put_on_log(story)
    assert explain.run(story.case("B")) == 0
    assert capsys.readouterr().out == explained(story, "B") + "\n"
    with pytest.raises(Refused, match="no such case"):
        explain.run("00000000-0000-0000-0000-000000000000")


@pytest.mark.live
def test_a_case_is_named_by_its_number_too(
    tmp_path: Path,
    put_on_log: Callable[[Told], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The number stands on the acceptance alone; any other case of the log is not meant."""
    number = "DF-QX-2021-000007"
    numbered = list(PLAIN)
    numbered[5] = line("2021-11-12T10:00:00", "B", "ComplaintAccepted", number=number)
    story = Told(numbered, tmp_path)
    put_on_log(story)
    for named in (number, number.lower()):
        assert explain.run(named) == 0
        assert capsys.readouterr().out == explained(story, "B") + "\n"
    with pytest.raises(Refused, match="DF-QX-2021-000008: no case was accepted under this number"):
        explain.run("DF-QX-2021-000008")
