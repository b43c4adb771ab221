"""The township (domain 5.3): place of work first, aliases accepted, never a default."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from shared import events as ev
from tests.routing.spec import accepted_complaint, decisions


def place(field: str, text: str, township: str | None) -> dict[str, Any]:
    return {"field": field, "text": text, "township": township, "rule": f"alias-{text}"}


def routed(places: list[dict[str, Any]], site: dict[str, Any] | None = None) -> list[Any]:
    decided = decisions(accepted_complaint(site=site, signals={"version": "t", "places": places}))
    return [
        event.data
        for event in decided
        if isinstance(event.data, ev.CaseAssigned | ev.TriageRequested)
    ]


def test_an_old_name_is_an_alias_and_stays_on_record() -> None:
    (answer,) = routed([place("address", "卢店镇", "410185004")])

    assert answer.township == "410185004"
    assert answer.township_from == ev.TownshipFrom(text="卢店镇", rule="alias-卢店镇")


def test_the_site_given_as_a_code_needs_no_text() -> None:
    (answer,) = routed([], {"township": "410185100"})

    assert (answer.township, answer.township_from.rule) == ("410185100", "structured")


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([], "NO_TOWNSHIP"),
        ([place("address", "送表", None)], "NO_TOWNSHIP"),
        ([place("text", "大冶", "410185105"), place("text", "告成", "410185103")], "NO_TOWNSHIP"),
        (
            [place("address", "大冶", "410185105"), place("address", "告成", "410185103")],
            "CONTRADICTION",
        ),
    ],
)
def test_an_unknown_or_ambiguous_place_goes_to_the_office(
    places: list[dict[str, Any]], reason: str
) -> None:
    (answer,) = routed(places)

    assert isinstance(answer, ev.TriageRequested)
    assert answer.reason == reason


def test_a_code_that_the_address_contradicts_goes_to_the_office() -> None:
    (answer,) = routed([place("address", "大冶", "410185105")], {"township": "410185109"})

    assert isinstance(answer, ev.TriageRequested)
    assert answer.reason == "CONTRADICTION"


def test_the_address_outweighs_the_text() -> None:
    (answer,) = routed([place("text", "告成", "410185103"), place("address", "大冶", "410185105")])

    assert answer.township == "410185105"


ORDER = ("address", "project", "work", "employer", "text", "home")


@pytest.mark.parametrize(("better", "worse"), list(pairwise(ORDER)))
def test_the_place_of_work_then_the_employer_s_then_what_else_was_told(
    better: str, worse: str
) -> None:
    """Domain 5.3."""
    (answer,) = routed([place(worse, "告成", "410185103"), place(better, "大冶", "410185105")])

    assert answer.township == "410185105"


@pytest.mark.parametrize("better", ORDER[:-1])
def test_what_is_no_township_of_ours_is_not_passed_over(better: str) -> None:
    """Domain 5.3: an abolished area or a site elsewhere was told; who is at home here changes
    nothing."""
    (answer,) = routed([place("home", "大冶", "410185105"), place(better, "送表", None)])

    assert isinstance(answer, ev.TriageRequested)
    assert answer.reason == "NO_TOWNSHIP"


@pytest.mark.parametrize("field", ORDER)
def test_an_abolished_area_beside_a_township_is_for_the_office(field: str) -> None:
    (answer,) = routed([place(field, "大冶", "410185105"), place(field, "送表", None)])

    assert isinstance(answer, ev.TriageRequested)
    assert answer.reason == "NO_TOWNSHIP"


def test_a_project_s_name_does_not_contradict_a_code() -> None:
    """It may be named after who has it built."""
    (answer,) = routed([place("project", "大冶", "410185105")], {"township": "410185109"})

    assert answer.township == "410185109"
