"""R2-R13 (方案 三; domain 5.2): worked answers, the order of the rules, their co-handlers."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from services.routing.decider.rules import CERTAIN, Facts, choose, facts_of
from shared import events as ev
from shared.policy import adopt, read_book
from tests.routing.spec import accepted_complaint, complaint, decisions, fact, of, policy

ADOPTED: Final = datetime(2021, 11, 10, tzinfo=UTC)


def assigned(**fields: Any) -> ev.CaseAssigned:
    (answer,) = of(decisions(accepted_complaint(**fields)), ev.CaseAssigned)
    assert isinstance(answer, ev.CaseAssigned)
    return answer


def triaged(**fields: Any) -> ev.TriageRequested:
    decided = decisions(accepted_complaint(**fields))
    assert of(decided, ev.CaseAssigned) == []
    (answer,) = of(decided, ev.TriageRequested)
    assert isinstance(answer, ev.TriageRequested)
    return answer


def employer(industry: str | None, ownership: str = "private", **more: Any) -> dict[str, Any]:
    return {"employer": {"industry": industry, "ownership": ownership, **more}, "project": None}


WORKED = [
    # (name, complaint, rule, lead, co-handlers)
    (
        "a school built with government money by a private contractor",
        {"project": {"funding": "government", "kind": "school"}},
        ("R2", "TF2", ("TF1", "市教育局")),
    ),
    (
        "a village road paid from the budget",
        {"project": {"funding": "government", "kind": "road"}},
        ("R2", "TF2", ("TF1", "市交通局")),
    ),
    (
        "a coal mine's shaft sunk with government money",
        {
            "employer": {"industry": "4840", "ownership": "private"},
            "project": {"funding": "government", "kind": "coal"},
        },
        ("R2", "TF2", ("TF1", "TF5")),
    ),
    (
        "dwellings that a coal firm builds with government money",
        {
            "employer": {"industry": "0610", "ownership": "state"},
            "project": {"funding": "government", "kind": "housing"},
        },
        ("R2", "TF2", ("TF1", "TF5", "市住建局")),
    ),
    ("staff of a state coal mine", employer("0610", "state"), ("R3", "TF5", ("TF6",))),
    ("staff of a private coal mine", employer("0690"), ("R3", "TF5", ())),
    (
        "construction at a coal mine",
        {
            "employer": {"industry": "4840", "ownership": "private"},
            "project": {"funding": "private", "kind": "coal"},
        },
        ("R3", "TF5", ("TF1",)),
    ),
    ("a private tutoring centre", employer("8391"), ("R4", "TF4", ())),
    ("coaches of a martial-arts school", employer("8392"), ("R4", "TF4", ())),
    ("an attracted training school", employer("8391", attracted=True), ("R4", "TF4", ("TF7",))),
    ("a private kindergarten", employer("8310"), ("R4", "TF4", ())),
    (
        "teachers of a public training centre",
        employer("8391", "public_institution"),
        ("R6", "TF2", ("市教育局",)),
    ),
    (
        "a state enterprise's driving school",
        employer("8391", "state"),
        ("R9", "TF6", ("市教育局",)),
    ),
    ("a training centre that says no owner", employer("8399", "unknown"), ("R4", "TF4", ())),
    (
        "a public training centre builds with budget money",
        {
            "employer": {"industry": "8393", "ownership": "public_institution"},
            "project": {"funding": "government", "kind": "school"},
        },
        ("R2", "TF2", ("TF1", "市教育局")),
    ),
    ("a sanitation company under franchise", employer("7820"), ("R5", "TF3", ())),
    ("the state bus company", employer("5411", "state"), ("R5", "TF3", ("TF6",))),
    (
        "a contract teacher of a public primary school",
        employer("8321", "public_institution"),
        ("R6", "TF2", ("市教育局",)),
    ),
    ("temporary staff of an organ", employer(None, "government"), ("R6", "TF2", ())),
    (
        "a state water company's own pipeline",
        {
            "employer": {"industry": "4610", "ownership": "state"},
            "project": {"funding": "soe", "kind": "water"},
        },
        ("R7", "TF6", ("TF3", "TF1")),
    ),
    (
        "a state enterprise as general contractor of a private estate",
        {
            "employer": {"industry": "4710", "ownership": "state"},
            "project": {"funding": "private", "kind": "housing"},
        },
        ("R8", "TF1", ("TF6",)),
    ),
    ("a construction firm without a named project", employer("4710"), ("R8", "TF1", ())),
    ("a state enterprise as ordinary employer", employer("3011", "state"), ("R9", "TF6", ())),
    (
        "a line through 万人助万企",
        {**employer("3011"), "via": "wan_ren_zhu_wan_qi"},
        ("R10", "TF7", ()),
    ),
    ("an attracted enterprise", employer("3911", attracted=True), ("R10", "TF7", ())),
    ("a private garment factory", employer("1811"), ("R12", "TF7", ())),
    (
        "a builder whose workers came through 万人助万企",
        {"via": "wan_ren_zhu_wan_qi"},
        ("R8", "TF1", ("TF7",)),
    ),
    (
        "sanitation by a public institution",
        employer("7820", "public_institution"),
        ("R5", "TF3", ("TF2",)),
    ),
    (
        "an organ that builds for somebody else",
        {"employer": {"industry": "4710", "ownership": "public_institution"}},
        ("R6", "TF2", ("TF1", "市住建局")),
    ),
    (
        "construction at a mine of a state enterprise",
        {
            "employer": {"industry": "4840", "ownership": "private"},
            "project": {"funding": "soe", "kind": "coal"},
        },
        ("R3", "TF5", ("TF1", "TF6")),
    ),
    (
        "a sanitation company that sweeps by contract",
        {
            "employer": {"industry": "7820", "ownership": "private"},
            "project": {"funding": "unknown"},
        },
        ("R5", "TF3", ("TF1",)),
    ),
    (
        "the same, paid from the budget",
        {
            "employer": {"industry": "7820", "ownership": "private"},
            "project": {"funding": "government"},
        },
        ("R2", "TF2", ("TF1", "TF3")),
    ),
    ("an attracted quarry", employer("1011", attracted=True), ("R10", "TF7", ("市资源规划局",))),
    (
        "a school known by its code alone",
        employer("8321", "unknown", uscc="12410185MB0000004C"),
        ("R6", "TF2", ("市教育局",)),
    ),
    ("a registered restaurant", employer("6210"), ("R12", "TF7", ("市商务局",))),
]


@pytest.mark.parametrize(("name", "given", "expected"), WORKED, ids=[row[0] for row in WORKED])
def test_the_first_rule_that_matches_leads(
    name: str, given: dict[str, Any], expected: tuple[str, str, tuple[str, ...]]
) -> None:
    answer = assigned(**given)

    assert (answer.rule, answer.task_force, answer.co_handlers) == expected
    assert answer.department is None
    assert answer.township == "410185109"


TRIAGED = [
    ("food delivery", employer("6242"), "PLATFORM_WORK", "市人社局"),
    ("parcel delivery", employer("6020"), "PLATFORM_WORK", "市人社局"),
    ("a farm", employer("0111"), "UNCOVERED_SECTOR", "市农委"),
    ("a quarry", employer("1011"), "UNCOVERED_SECTOR", "市资源规划局"),
    ("a lorry company", employer("5430"), "UNCOVERED_SECTOR", "市交通局"),
    ("property management", employer("7020"), "UNCOVERED_SECTOR", "市住建局"),
    ("labour dispatch", employer("7263"), "UNCOVERED_SECTOR", "市人社局"),
    ("an unregistered restaurant", employer("6210", "unknown"), "UNCOVERED_SECTOR", "市商务局"),
    ("an unregistered workshop", employer("1811", "unknown"), "UNCOVERED_SECTOR", None),
]


@pytest.mark.parametrize(("name", "given", "reason", "department"), TRIAGED)
def test_what_no_task_force_covers_goes_to_the_office(
    name: str, given: dict[str, Any], reason: str, department: str | None
) -> None:
    answer = triaged(**given)

    assert answer.reason == reason
    assert answer.proposal is not None
    assert answer.proposal.department == department


CLASHES = [
    (
        "a government's own project with private money",
        {"project": {"funding": "private", "owner_kind": "government"}},
    ),
    ("a private firm with the code of an institution", employer("8321", uscc="12410185MB0000004C")),
    (
        "a state firm with the code of an organ",
        employer("3011", "state", uscc="11410185MB0000004C"),
    ),
]


@pytest.mark.parametrize(("name", "given"), CLASHES, ids=[row[0] for row in CLASHES])
def test_facts_that_contradict_each_other_go_to_the_office(
    name: str, given: dict[str, Any]
) -> None:
    """R1, with what the rules would have chosen as proposal."""
    answer = triaged(**given)

    assert (answer.reason, answer.rule) == ("CONTRADICTION", "R1")
    assert answer.proposal is not None
    assert answer.proposal.task_force is not None


@pytest.mark.parametrize(("lead", "co"), [("TF2", ("TF1", "市交通局")), ("TF1", ()), ("TF4", ())])
def test_a_task_force_chosen_by_the_office_has_its_rule_s_co_handlers(
    lead: str, co: tuple[str, ...]
) -> None:
    """The place is not told, so the office decides, and names nobody beside."""
    road = {"funding": "government", "kind": "road"}
    history = accepted_complaint(project=road, site=None)
    chosen = ev.TriageDecided.model_validate({"task_force": lead, "township": "410185105"})
    history.append(fact(chosen, "2021-11-11 10:00"))

    (answer,) = of(decisions(history), ev.CaseAssigned)

    assert (answer.task_force, answer.co_handlers) == (lead, co)


def test_a_book_without_an_entry_for_platform_labour_is_no_bug() -> None:
    """From its words then nothing follows: the code, or the office, decides."""
    raw = copy.deepcopy(read_book("dengfeng-2021-35"))
    whole = adopt(raw, ADOPTED, "adoption")
    entries = raw["routing"]["departments"]
    silent = [entry for entry in entries if entry.get("triage") != "PLATFORM_WORK"]
    assert len(silent) == len(entries) - 1
    other = copy.deepcopy(raw)
    other["routing"]["departments"] = silent
    without = adopt(other, ADOPTED, "adoption-2")

    coded = Facts(industry="5292", ownership="private", registered=True, platform=True)
    assert [choose(coded, book)[0].rule for book in (whole, without)] == ["R11", "R12"]
    told = Facts(leads=(("TRIAGE", CERTAIN),), terms=("主播",), platform=True)
    assert [choose(told, book)[0].rule for book in (whole, without)] == ["R11", "R13"]


PLATFORM_WORDS = {"version": "t", "terms": {"platform": ["快递员"]}}


@pytest.mark.parametrize("industry", ["1811", "5211", "6210", "7810", "8399"])
def test_an_industry_that_says_what_the_work_is_outweighs_a_word_of_platforms(
    industry: str,
) -> None:
    """Domain 5.4: a maker of clothes who sells online, a boss known from parcels."""
    told, with_words = (
        assigned(**employer(industry), signals=signals) for signals in (None, PLATFORM_WORDS)
    )

    assert (with_words.rule, with_words.task_force) == (told.rule, told.task_force)
    assert with_words.co_handlers == told.co_handlers


@pytest.mark.parametrize("industry", ["5292", "5990", "6090", "6450", "6513", "7111", "7299"])
def test_where_the_industry_says_nothing_of_the_work_words_show_platform_labour(
    industry: str,
) -> None:
    answer = triaged(**employer(industry), signals=PLATFORM_WORDS)

    assert (answer.rule, answer.reason) == ("R11", "PLATFORM_WORK")


def test_a_book_that_names_no_such_industries_lets_words_count_under_any() -> None:
    """As books did before they could name them: what was decided under one stays right."""
    raw = copy.deepcopy(read_book("dengfeng-2021-35"))
    del raw["routing"]["platform_words_codes"]
    before = adopt(raw, ADOPTED, "adoption")

    facts = Facts(industry="1811", ownership="private", registered=True, platform=True)
    assert choose(facts, before)[0].rule == "R11"
    assert choose(facts, policy())[0].rule == "R12"


def test_without_any_fact_the_office_is_asked() -> None:
    assert triaged(employer={"name": "sealed:1:x"}, project=None).reason == "FACTS_MISSING"


@pytest.mark.parametrize(
    ("leads", "lead"),
    [({"TF4": 850_000, "TF7": 100_000}, "TF4"), ({"TF1": 800_000, "TF2": 200_000}, "TF1")],
)
def test_a_sure_reading_of_the_text_assigns(leads: dict[str, int], lead: str) -> None:
    signals = {"version": "t", "leads": leads, "terms": {"TF4": ["培训机构"]}}

    answer = assigned(employer={"name": "sealed:1:x"}, project=None, signals=signals)

    assert answer.task_force == lead
    assert answer.confidence_ppm == max(leads.values())


@pytest.mark.parametrize(
    "leads", [{"TF4": 799_999, "TF7": 1}, {"TF4": 500_000, "TF7": 400_000}, {"TF1": 560_000}]
)
def test_an_unsure_reading_goes_to_the_office(leads: dict[str, int]) -> None:
    signals = {"version": "t", "leads": leads, "terms": {"TF4": ["培训机构"]}}

    answer = triaged(employer={"name": "sealed:1:x"}, project=None, signals=signals)

    assert answer.reason == "LOW_CONFIDENCE"


def test_structured_facts_outweigh_the_text() -> None:
    signals = {"version": "t", "leads": {"TF7": 990_000}, "terms": {"TF7": ["工厂"]}}

    assert assigned(signals=signals).task_force == "TF1"


def test_a_supplement_fills_what_was_missing() -> None:
    history = accepted_complaint(employer={"name": "sealed:1:x"}, project=None)

    added = ev.SupplementReceived.model_validate(
        {"employer": {"industry": "8392", "ownership": "private"}}
    )
    history.insert(1, fact(added, "2021-11-10 15:00"))

    (answer,) = of(decisions(history), ev.CaseAssigned)

    assert answer.task_force == "TF4"


def test_a_supplement_s_text_is_read_where_the_complaint_told_a_place_only() -> None:
    """Signals of an address or a name hold places and nothing that points to a lead."""
    where = {"version": "t", "places": [{"field": "employer", "text": "徐庄镇", "rule": "r"}]}
    first = complaint(employer={"name": "sealed:1:x"}, project=None, signals=where)
    text = ev.Signals(version="t", leads={"TF5": 990_000})

    assert facts_of(first, ev.SupplementReceived(signals=text)).leads == (("TF5", 990_000),)


def test_the_runner_up_is_the_next_rule_with_another_lead() -> None:
    answer = assigned()

    assert answer.runner_up is not None
    assert (answer.runner_up.lead, answer.runner_up.rule) == ("TF7", "R12")
