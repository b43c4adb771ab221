"""Routing says why: the way through the rules, and each counterfactual checked by flipping it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.route import answer, reasons_of
from services.routing.decider.place import township_of
from services.routing.decider.reasons import flip, lead_of, path
from services.routing.decider.rules import choose, facts_of
from shared import events as ev
from shared.events import Event
from tests.routing.spec import accepted_complaint, complaint, decisions, policy

INDUSTRIES = (None, "4710", "4840", "0610", "8391", "8310", "7820", "6242", "0111", "1811", "5211")
USCC = "91410185MA0007014Y"


@st.composite
def complaints(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a complaint that say more or less about employer, project and channel."""
    employer = {
        "industry": draw(st.sampled_from(INDUSTRIES)),
        "ownership": draw(
            st.sampled_from(("private", "state", "government", "public_institution", "unknown"))
        ),
        "attracted": draw(st.booleans()),
        "uscc": draw(st.sampled_from((None, USCC))),
    }
    project = draw(
        st.none()
        | st.fixed_dictionaries(
            {
                "funding": st.sampled_from(("government", "soe", "private", "unknown")),
                "kind": st.sampled_from((None, "road", "school", "coal", "other")),
            }
        )
    )
    leads = draw(st.sampled_from(({}, {"TF1": 900_000, "TF7": 50_000}, {"TF4": 500_000})))
    signals = {
        "version": "t",
        "leads": leads,
        "terms": {"construction": ("工地",)} if leads else {},
    }
    via = draw(st.sampled_from((None, "petition", "wan_ren_zhu_wan_qi")))
    township = draw(st.sampled_from(("410185109", None)))
    return {
        "employer": employer,
        "project": project,
        "signals": signals,
        "via": via,
        "site": {"township": township},
    }


def flipped(fields: dict[str, Any], changes: tuple[ev.FactChange, ...]) -> dict[str, Any]:
    """The complaint told otherwise, as the counterfactual says."""
    employer = dict(fields["employer"])
    project = dict(fields["project"]) if fields["project"] else None
    result = dict(fields)
    for change in changes:
        match change.field:
            case "township":
                result["site"] = {"township": "410185109"}
            case "industry" | "ownership":
                employer[change.field] = change.now
            case "attracted":
                employer["attracted"] = change.now == "true"
            case "registered":
                employer["uscc"] = USCC
            case "project":
                project = {} if change.now == "true" else None
            case "funding":
                project = (project or {}) | {"funding": change.now}
            case "project_kind":
                project = (project or {}) | {"kind": change.now}
            case "via":
                result["via"] = change.now
            case _:
                raise AssertionError(change.field)
    return result | {"employer": employer, "project": project}


def lead(fields: dict[str, Any]) -> str:
    """What the stream decides: a task force, or TRIAGE."""
    decided = decisions(accepted_complaint(**fields))
    for event in decided:
        if isinstance(event.data, ev.CaseAssigned):
            return event.data.task_force or "department"
    return "TRIAGE"


def decision(fields: dict[str, Any]) -> Event:
    decided = decisions(accepted_complaint(**fields))
    return next(e for e in decided if isinstance(e.data, (ev.CaseAssigned, ev.TriageRequested)))


@settings(max_examples=150, deadline=None)
@given(fields=complaints())
def test_each_counterfactual_flips_the_lead_when_it_is_done(fields: dict[str, Any]) -> None:
    told = decision(fields).data.flip  # type: ignore[union-attr]

    assert told is not None, "some one or two facts always lead elsewhere"
    assert lead(flipped(fields, told.changes)) in (told.lead, "TRIAGE")
    data = complaint(**flipped(fields, told.changes))
    other, _ = choose(facts_of(data), policy())
    assert (lead_of(other), other.rule) == (told.lead, told.rule)
    if told.changes[0].field != "township":
        before, _ = choose(facts_of(complaint(**fields)), policy())
        assert lead_of(other) != lead_of(before)


@settings(max_examples=60, deadline=None)
@given(fields=complaints())
def test_no_smaller_change_flips(fields: dict[str, Any]) -> None:
    """Where two facts are named, no single one of them would have been enough."""
    told = decision(fields).data.flip  # type: ignore[union-attr]

    assert told is not None
    if len(told.changes) == 2:
        before, _ = choose(facts_of(complaint(**fields)), policy())
        for change in told.changes:
            other, _ = choose(facts_of(complaint(**flipped(fields, (change,)))), policy())
            assert lead_of(other) == lead_of(before)


def test_the_runner_up_is_what_it_flips_to_where_one_fact_can() -> None:
    facts = facts_of(complaint(project={"funding": "government", "kind": "road"}))
    _, runner_up = choose(facts, policy())
    place = township_of(complaint(), None, policy())

    told = flip(facts, place, policy())

    assert runner_up is not None
    assert told is not None
    assert told.lead == runner_up.lead == "TF1"
    assert [change.field for change in told.changes] == ["funding"]


def test_the_path_ends_with_the_rule_that_leads() -> None:
    steps = path(facts_of(complaint()), policy())

    assert [step.rule for step in steps if step.holds] == ["R8"]
    assert steps[-1].facts == ("project", "funding:private", "industry:4710")


def test_an_unknown_place_is_the_fact_that_would_flip_it() -> None:
    fields = {"site": {"township": None}}

    told = decision(fields).data

    assert isinstance(told, ev.TriageRequested)
    assert told.flip is not None
    assert [change.field for change in told.flip.changes] == ["township"]
    assert lead(flipped({"employer": {}, "project": None} | fields, ())) == "TRIAGE"


@pytest.mark.parametrize("why", [reasons_of])
def test_route_says_why_beside_the_contract_fields(why: Any) -> None:
    data = complaint()
    printed = answer(data, policy())

    told = why(data, policy())

    assert set(printed) == {
        *("ref", "claim", "lead", "co", "township", "confidence", "margin", "rule"),
        *("runner_up", "triage_reason", "signals"),
    }
    assert told["path"][-1]["rule"] == printed["rule"]
    assert told["evidence"] == ["project", "funding:private", "industry:4710"]
    assert told["flip"]["lead"] != printed["lead"]
