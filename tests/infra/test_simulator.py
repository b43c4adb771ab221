from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra import simulator
from infra.agenda import Cast
from infra.client import Answer
from infra.demo import story_line
from infra.simulator import season
from infra.simulator.handlers import Handlers
from infra.simulator.sectors import city_book
from infra.story import read_story
from services.intake.complaint import check, read_object
from shared.calendar import ZONE, civil
from shared.events import SEALED_PREFIX, TYPES
from shared.policy import Policy, adopt, read_book


@cache
def policy() -> Policy:
    return adopt(read_book(simulator.BOOK), season.at_opening(), "tests")


@cache
def full() -> list[dict[str, Any]]:
    return simulator.plan(1, "full")


def complaints() -> list[dict[str, Any]]:
    return [line for line in full() if line["type"] == "ComplaintReceived"]


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import hashlib, json; from infra import simulator;"
        "print(hashlib.sha256(json.dumps(simulator.plan(7, 'small')).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "12345")
    ]
    assert runs[0] == runs[1]
    assert simulator.plan(7, "small") != simulator.plan(8, "small")


@pytest.mark.parametrize(("size", "low", "high"), [("small", 140, 175), ("full", 2900, 3150)])
def test_about_as_many_complaints_as_said(size: simulator.Size, low: int, high: int) -> None:
    lines = simulator.plan(1, size)
    assert low <= sum(line["type"] == "ComplaintReceived" for line in lines) <= high


def test_lines_are_a_story_in_order_of_time_within_the_campaign(tmp_path: Path) -> None:
    file = tmp_path / "campaign.jsonl"
    simulator.run(file=file, seed=1, size="full")
    lines = read_story(file)
    assert lines[0].at == season.at_opening()
    assert lines[-1].at <= season.END
    assert all(line.occurred_at <= line.at for line in lines)


def test_few_distinct_instants_so_that_the_player_is_quick() -> None:
    assert len({line["at"] for line in full()}) < 172 * 4


def test_every_complaint_passes_intakes_own_check() -> None:
    for line in complaints():
        check(read_object(line["data"]), datetime.fromisoformat(line["at"]), policy())


def test_every_fact_has_the_shape_of_its_type() -> None:
    for line in full():
        if line["type"] != "ComplaintReceived":
            TYPES[line["type"]].model_validate(line["data"])
            assert SEALED_PREFIX not in json.dumps(line["data"])


def test_all_townships_task_forces_sources_and_rules_are_met() -> None:
    received = complaints()
    assert {line["data"]["source"] for line in received} == set(
        policy().content.organisation.sources
    )
    towns = {line["data"].get("site", {}).get("township") for line in received}
    assert set(policy().townships) <= towns
    rules = {sector.rule for sector in city_book().sectors}
    assert rules == {f"R{n}" for n in range(2, 14)}
    triaged = {
        line["data"].get("department") or line["data"]["task_force"]
        for line in full()
        if line["type"] == "TriageDecided"
    }
    assert {"市人社局", "市交通局", "市商务局", "市住建局", "市农委", "有关单位"} <= triaged


def test_the_winter_peaks_before_the_festival() -> None:
    by_day = Counter(civil(datetime.fromisoformat(line["at"])) for line in complaints())

    def of(first: date, last: date) -> float:
        return sum(n for day, n in by_day.items() if first <= day <= last) / (
            (last - first).days + 1
        )

    peak = of(date(2022, 1, 10), date(2022, 1, 23))
    assert peak > 1.6 * of(date(2021, 11, 12), date(2021, 12, 5))
    assert peak > 5 * of(date(2022, 1, 31), date(2022, 2, 6))
    assert peak > 2.5 * of(date(2022, 4, 1), date(2022, 4, 29))


def test_duplicates_twins_and_groups_occur() -> None:
    refs = Counter((line["data"]["source"], line["data"]["source_ref"]) for line in complaints())
    assert sum(n > 1 for n in refs.values()) > 10, "the same complaint sent again"
    workers: Counter[tuple[str, str]] = Counter()
    projects: dict[tuple[str, str], set[str]] = {}
    seen: set[str] = set()
    for line in complaints():
        data = line["data"]
        if data["source_ref"] in seen:
            continue
        seen.add(data["source_ref"])
        for claim in data.get("claims", ()):
            number = claim["worker"]["id_no"]
            workers[number, data.get("employer", {}).get("name", "")] += 1
            if data.get("project"):
                month = (
                    datetime.fromisoformat(data["received_at"]).astimezone(ZONE).strftime("%Y-%m")
                )
                projects.setdefault((data["project"]["name"], month), set()).add(number)
    assert sum(n > 1 for n in workers.values()) > 30, "the same worker through two platforms"
    assert sum(len(found) >= 10 for found in projects.values()) >= 5, "groups on one project"


def test_the_handlers_do_nearly_everything_that_can_be_done() -> None:
    types = {line["type"] for line in full()}
    assert {
        "ReturnRequested",
        "ExtensionApproved",
        "CaseSuspended",
        "InstalmentPlanAgreed",
        "PaymentReversed",
        "PaymentOrderServed",
        "ReferralProposed",
        "PoliceFiled",
        "PoliceDeclined",
        "ReconsiderationDecided",
        "FollowUpWaived",
        "FalseClosureFound",
        "CaseWrittenOff",
        "ZeroReportFiled",
        "ScreeningReported",
        "SummaryFiled",
        "ExtremeIncidentReported",
        "SupplementReceived",
        "ComplaintNotAccepted",
        "ComplaintTransferredOut",
        "GovFundsRequested",
    } <= types


def test_an_incident_is_named_by_the_number_of_its_line() -> None:
    lines = full()
    for line in lines:
        if "incident" in line["data"]:
            report = lines[int(line["data"]["incident"]) - 1]
            assert report["type"] == "ExtremeIncidentReported"
            assert report["case"] == line["case"]


def test_quick_and_slow_townships_differ() -> None:
    assigned: dict[str, datetime] = {}
    days: dict[str, list[float]] = {}
    towns: dict[str, str] = {}
    for line in full():
        at = datetime.fromisoformat(line["at"])
        match line["type"]:
            case "ComplaintReceived":
                towns[line["case"]] = line["data"].get("site", {}).get("township", "")
            case "ComplaintAccepted":
                assigned[line["case"]] = at
            case "ClosureRequested" if line["case"] in assigned:
                took = (at - assigned.pop(line["case"])).total_seconds() / 86_400
                days.setdefault(towns[line["case"]], []).append(took)
    means = [sum(took) / len(took) for took in days.values() if len(took) > 20]
    assert max(means) > 1.4 * min(means)


def test_the_command_writes_a_story(tmp_path: Path) -> None:
    file = tmp_path / "campaign.jsonl"
    assert simulator.run(file=file, seed=3, size="small") == 0
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert lines == simulator.plan(3, "small")


def test_the_handlers_answer_an_open_notice_once_and_nearly_every_one() -> None:
    lines = [story_line(number, line) for number, line in enumerate(simulator.plan(1, "small"), 1)]
    cast = Cast(lines)
    handlers = Handlers(cast, simulator.received(1, "small"), policy().calendar)
    now = season.at_opening()
    label, case_id = next(iter(cast.case_ids.items()))

    def case(number: str, replied: str | None = None, subject: str = case_id) -> dict[str, Any]:
        return {"case_id": subject, "notices": [{"notice_no": number, "replied_at": replied}]}

    many = [case(f"督办〔2021〕{number}号") for number in range(1000)]
    acts = handlers.replies(many, now)
    assert 970 <= len(acts) < 1000
    assert {(act.subject, act.line.case, act.line.type, act.line.at) for act in acts} == {
        (case_id, label, "SupervisionNoticeReplied", now)
    }
    assert handlers.replies(many, now) == [], "each is read once"
    assert (
        handlers.replies([case("a", "2021-11-12T09:00:00Z"), case("b", None, "other")], now) == []
    )


async def test_the_handlers_ask_again_for_a_closing_that_was_refused() -> None:
    """A leading case waits until the whole group is paid; the rest of its script waits with it."""
    lines = [story_line(number, line) for number, line in enumerate(simulator.plan(1, "small"), 1)]
    cast = Cast(lines)
    handlers = Handlers(cast, simulator.received(1, "small"), policy().calendar)
    review = next(line for line in lines if line.type == "ClosureReviewPassed")
    later = next(
        line for line in lines if line.case == review.case and line.type == "FollowUpCompleted"
    )
    no = Answer(409, "STATE", "ClosureReviewPassed is not possible in state HANDLING")
    yes = Answer(202, "accepted", "")

    asked = await handlers.react(cast.act(review), no)
    closed = await handlers.react(asked[-1], yes)

    assert [act.line.type for act in asked] == [
        "ProgressReported",
        "ClosureRequested",
        "ClosureReviewPassed",
    ]
    assert asked[0].line.at.date() == policy().calendar.after(review.at.date(), 3)
    assert [act.line.type for act in closed] == [
        "ClosureReviewPassed",
        "FollowUpCompleted",
        "ComplainantTold",
        "CaseWrittenOff",
    ]
    instants = [act.line.at for act in (*asked, *closed)]
    assert instants == sorted(set(instants))
    assert not handlers.wanted(cast.act(later)), "what the script had in its place"
    assert all(handlers.wanted(act) for act in (*asked, *closed))
