"""What may never happen (domain 3.4), for any history; each check goes red on a seeded fault."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.decider import judge
from services.routing.decider import case as routing_case
from services.supervision.decider import handling, standards
from shared import roles, sealing
from tests.invariants.checks import CHECKS
from tests.invariants.histories import History, ping_pong, played, policy, straight

BOOK = policy()
agenda = importlib.import_module("services.supervision.decider.agenda")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_no_history_breaks_an_invariant(seed: int) -> None:
    for lines in (History(seed).lines, straight(seed), ping_pong(seed)):
        log = played(lines, BOOK).world.log

        broken = {name: list(check(log)) for name, check in CHECKS.items()}

        assert {name: found for name, found in broken.items() if found} == {}


def _nothing(*args: Any, **kwargs: Any) -> Any:
    return None


def _true(*args: Any, **kwargs: Any) -> bool:
    return True


def _false(*args: Any, **kwargs: Any) -> bool:
    return False


def _no_reasons(*args: Any, **kwargs: Any) -> list[str]:
    return []


def _plain(self: Any, text: str, place: str) -> str:
    return f"sealed:0:{text}"


FAULTS: list[tuple[str, Any, str, Callable[..., Any]]] = [
    # (invariant, where, what is broken, by what)
    ("I-01", handling, "reasons_at_follow_up", _no_reasons),
    ("I-01", standards, "paid_in_full", _true),
    ("I-03", handling, "owe_replies", lambda state, event, conclusion: state),
    ("I-05", judge, "may", _nothing),
    ("I-06", routing_case, "_returns", lambda state, policy: []),
    ("I-07", agenda, "_refusal", _nothing),
    ("I-08", judge, "may", _nothing),
    ("I-09", judge, "_lacking", _nothing),
    ("I-10", standards, "referral_pending", _false),
    ("I-11", standards, "reasons_standing", _no_reasons),
    ("I-14", sealing.Sealer, "seal", _plain),
    ("I-17", judge, "_wrong_time", _nothing),
    ("I-19", handling, "reasons_at_follow_up", _no_reasons),
]


@pytest.mark.parametrize(
    ("invariant", "where", "name", "fault"), FAULTS, ids=[f"{row[0]}-{row[2]}" for row in FAULTS]
)
def test_a_seeded_fault_turns_its_check_red(
    invariant: str,
    where: Any,
    name: str,
    fault: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, name, fault)

    for seed in range(120):
        for lines in (straight(seed), ping_pong(seed), History(seed, length=60).lines):
            log = played(lines, BOOK).world.log
            if list(CHECKS[invariant](log)):
                return
    pytest.fail(f"no history of 360 shows the fault in {name}")


def test_the_table_of_roles_is_used_by_intake() -> None:
    assert vars(judge)["may"] is roles.may
