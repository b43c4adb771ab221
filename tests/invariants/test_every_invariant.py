"""Where each of the twenty invariants (domain 3.4) is checked, and on which seeded fault it is red.

A name is `file::test`, below tests/. The checks on a log of whole histories are told by LOG; their
faults are the rows of FAULTS that bear the invariant's name.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.invariants.checks import CHECKS
from tests.invariants.test_invariants import FAULTS

TESTS = Path(__file__).parents[1]


class Place(NamedTuple):
    """A test that an invariant holds, and the test that it goes red on a seeded fault."""

    test: str
    red: str | None = None


LOG = Place(
    "invariants/test_invariants.py::test_no_history_breaks_an_invariant",
    "invariants/test_invariants.py::test_a_seeded_fault_turns_its_check_red",
)
CONSERVED = Place(
    "routing/test_conservation.py::test_no_worker_and_no_fen_is_lost_or_counted_twice",
    "routing/test_conservation.py::test_the_law_goes_red",
)
RECOUNTED = Place("supervision/test_state_machine.py::alerts_are_what_a_recount_finds")
LEVELS = Place(
    "supervision/test_laws.py::test_no_level_comes_twice_for_one_due_and_none_before_it_was_known"
)

WHERE: dict[str, tuple[Place, ...]] = {
    "I-01": (LOG,),
    "I-02": (
        LOG,
        CONSERVED,
        Place("live/test_intake_feeds.py::test_every_line_of_a_source_is_accounted_for"),
    ),
    "I-03": (LOG, CONSERVED),
    "I-04": (LOG, Place("intake/test_decider.py::test_triage_names_one_lead_and_one_township")),
    "I-05": (LOG,),
    "I-06": (LOG,),
    "I-07": (LOG,),
    "I-08": (LOG,),
    "I-09": (LOG,),
    "I-10": (LOG,),
    "I-11": (LOG,),
    "I-12": (LOG,),
    "I-13": (
        Place(
            "reporting/test_bulletins.py::test_what_was_published_never_changes",
            "reporting/test_bulletins.py"
            "::test_a_row_that_holds_from_when_it_happened_changes_what_was_published",
        ),
    ),
    "I-14": (
        LOG,
        Place("live/test_intake_doors.py::test_no_record_of_any_topic_holds_what_was_planted"),
        Place("reporting/test_projection.py::test_sealed_text_is_not_kept"),
    ),
    "I-15": (
        Place(
            "intake/test_privacy.py"
            "::test_a_reporter_is_hidden_from_who_handles_and_a_complainant_from_all_others",
            "intake/test_privacy.py::test_a_seeded_fault_shows_a_reporter",
        ),
        Place("intake/test_likeness.py::test_who_reported_is_not_compared"),
        Place("live/test_intake_doors.py::test_a_bulk_export_waits_for_a_second_person"),
    ),
    "I-16": (LOG, LEVELS, RECOUNTED),
    "I-17": (LOG, Place("intake/test_decider.py::test_nothing_happens_later_than_the_clock")),
    "I-18": (LOG,),
    "I-19": (LOG,),
    "I-20": (LOG, LEVELS, RECOUNTED),
}


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_all_twenty_are_here() -> None:
    assert list(WHERE) == [f"I-{number:02}" for number in range(1, 21)]


@pytest.mark.parametrize("invariant", WHERE)
def test_its_places_exist_and_one_of_them_is_known_to_go_red(invariant: str) -> None:
    places = WHERE[invariant]

    for name in (name for place in places for name in place if name is not None):
        file, _, test = name.partition("::")
        assert test in functions(file), name
    assert any(place.red for place in places)
    if LOG in places:
        assert [row for row in FAULTS if row[0].startswith(invariant)]


def test_every_check_on_a_log_has_a_seeded_fault() -> None:
    assert {row[0] for row in FAULTS} == {*CHECKS, "I-12"}
