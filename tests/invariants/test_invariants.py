"""What may never happen (domain 3.4), for any history; each check goes red on a seeded fault.

`test_every_invariant` names where each of the twenty is checked; not all of them show on the log of
routing and supervision alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.story import Line
from infra.world import World
from services.intake import decider as intake
from services.intake.decider import CaseFile, judge
from services.routing.decider import case as routing_case
from services.routing.decider import standing
from services.routing.decider.foreseen import Foreseen
from services.routing.decider.place import Township
from services.supervision import decider as supervision
from services.supervision.decider import cases, clocks, facts, handling, standards
from services.supervision.decider.state import Watch, ended, replace, stop, swap
from shared import events as ev
from shared import roles, sealing
from shared.calendar import ZONE
from shared.envelope import owe
from shared.events import Event, Fact, TownshipFrom
from shared.policy import Policy
from shared.settle import Books
from tests.invariants.checks import CHECKS, Log
from tests.invariants.histories import (
    BEYOND,
    TOWNS,
    History,
    filed_again,
    gang,
    ping_pong,
    played,
    policy,
    regrouped,
    repeated,
    straight,
)

BOOK = policy()
agenda = importlib.import_module("services.supervision.decider.agenda")


def tales(seed: int, length: int = 40) -> Iterator[list[Line]]:
    """The histories of a seed, short ones first."""
    yield from (straight(seed), ping_pong(seed), filed_again(seed), gang(seed))
    yield from (repeated(seed), regrouped(seed))
    yield History(seed, length).lines


@settings(max_examples=40)
@given(st.integers(0, 10**9))
def test_no_history_breaks_an_invariant(seed: int) -> None:
    for lines in tales(seed):
        log = played(lines, BOOK).world.log

        broken = {name: list(found_by(name, lines, log)) for name in (*CHECKS, "I-12")}

        assert {name: found for name, found in broken.items() if found} == {}


def found_by(name: str, lines: list[Line], log: Log) -> Iterator[str]:
    """What a check finds on the log of a history; I-12 plays its facts a second time."""
    yield from changed_by_a_label(lines, log) if name == "I-12" else CHECKS[name](log)


def changed_by_a_label(lines: list[Line], log: Log) -> Iterator[str]:
    """I-12: without its labels the same log decides the same, and no label moves a case's file."""
    labels = {event.id for event in log if isinstance(event.data, ev.IllegalDemandRecorded)}
    if not labels:
        return
    world = World(Books([BOOK]))
    for event in log:
        if isinstance(event.data, Fact) and event.id not in labels:
            world.run_until(event.recordedtime)
            world.append(event)
    world.run_until(lines[-1].at + BEYOND)
    told = [(event.id, event.time, event.data) for event in log if event.id not in labels]
    plain = [(event.id, event.time, event.data) for event in world.log]
    if told != plain:
        yield f"{len(told)} events with a label, {len(plain)} without it"
    files: dict[str, CaseFile] = {}
    for event in log:
        before = files.get(event.subject) or intake.initial(event.subject)
        files[event.subject] = intake.evolve(before, event)
        if event.id in labels and files[event.subject] != before:
            yield f"{event.subject} is {files[event.subject].state} by a label"


# --- seeded faults -------------------------------------------------------------------------------


def _nothing(*args: Any, **kwargs: Any) -> Any:
    return None


def _none(*args: Any, **kwargs: Any) -> list[Any]:
    return []


def _true(*args: Any, **kwargs: Any) -> bool:
    return True


def _false(*args: Any, **kwargs: Any) -> bool:
    return False


def _plain(self: Any, text: str, place: str) -> str:
    return f"sealed:0:{text}"


def _merged_without_its_lines(state: Any, *, whole: Any = standing.merging) -> list[Event]:
    return [event for event in whole(state) if isinstance(event.data, ev.ComplaintMerged)]


def _no_clock_after_a_merge(state: Watch, event: Event) -> Watch:
    return replace(state, merged_into=None)


def _somewhere(*args: Any) -> Township:
    return Township("NO_TOWNSHIP", TownshipFrom(text=None, rule="none"))


def _two_leads(*args: Any, right: Any = routing_case._assigned) -> Event:
    event: Event = right(*args)
    assert isinstance(event.data, ev.CaseAssigned | ev.CaseReassigned)
    both = {"task_force": event.data.task_force or "TF1", "department": "市人社局"}
    event.data = event.data.model_copy(update=both)
    return event


def _a_label_stops_the_handling(state: Watch, event: Event, *, right: Any = facts.evolve) -> Watch:
    if isinstance(event.data, ev.IllegalDemandRecorded):
        return stop(state, event, "T09")
    folded: Watch = right(state, event)
    return folded


def _a_label_suspends(file: CaseFile, event: Event, *, right: Any = intake.evolve) -> CaseFile:
    if isinstance(event.data, ev.IllegalDemandRecorded):
        return replace(file, state="SUSPENDED")
    folded: CaseFile = right(file, event)
    return folded


def _nothing_was_raised(state: Watch, data: ev.DeadlineSet) -> str:
    return ""


def _a_pause_moves_every_clock(
    state: Watch, event: Event, *, right: Any = handling.resumed
) -> Watch:
    folded: Watch = right(state, event)
    for clock in folded.clocks:
        if clock.running and clock.timer >= "T20" and clock.set_id is not None:
            moved = replace(clock, cause=event.id, set_id=None, known_at=event.known_at)
            folded = swap(folded, clock, moved)
    return folded


def _progress_ends_every_alert(state: Watch, at: datetime) -> Watch:
    for clock in state.clocks:
        state = swap(state, clock, replace(clock, raised=ended(clock.raised, at)))
    return state


def _no_reply_is_awaited(clock: Any, alert: Any) -> datetime | None:
    when: datetime | None = alert.ended_at
    return when


def _threshold_at_once(state: Watch, policy: Policy) -> Iterator[Any]:
    """An order that was served is enough, though its limit still runs."""
    if not state.thresholds and not (state.closed or state.out or state.merged_into):
        order, rule = state.orders[0], policy.content.referral.thresholds[0]
        met = standards.threshold_data((1, 1, 3, 1, rule), state.subject, order.doc_no)
        at = state.facts_at or order.served_at
        yield at, agenda.FACT, lambda: owe(state.subject, at, met)


FAULTS: list[tuple[str, Any, str, Any]] = [
    # (invariant, where, what is broken, by what)
    ("I-01", handling, "reasons_at_follow_up", _none),
    ("I-01", standards, "paid_in_full", _true),
    ("I-01", standards, "all_paid", standards.paid_in_full),
    ("I-02", routing_case, "_assignment", _none),
    ("I-02", standing, "merging", _merged_without_its_lines),
    ("I-02", cases, "unmerged", _no_clock_after_a_merge),
    ("I-03", handling, "owe_replies", lambda state, event, conclusion: state),
    ("I-04", judge, "_wrong_unit", _nothing),
    ("I-04", routing_case, "_assigned", _two_leads),
    ("I-04", routing_case, "township_of", _somewhere),
    ("I-05", judge, "may", _nothing),
    ("I-06", routing_case, "_returns", lambda state, policy: []),
    ("I-07", agenda, "_refusal", _nothing),
    ("I-08", judge, "may", _nothing),
    ("I-09", judge, "_lacking", _nothing),
    ("I-09b", agenda, "_threshold", _threshold_at_once),
    ("I-10", standards, "referral_pending", _false),
    ("I-11", standards, "reasons_standing", _none),
    ("I-12", supervision, "evolve", _a_label_stops_the_handling),
    ("I-12", intake, "evolve", _a_label_suspends),
    ("I-14", sealing.Sealer, "seal", _plain),
    ("I-16", clocks, "_fired", _nothing_was_raised),
    ("I-17", judge, "_wrong_time", _nothing),
    ("I-17b", Event, "known_at", property(lambda event: event.time)),
    ("I-17b", Foreseen, "_follow", lambda self, state, policy: self._owed(state, policy)),
    ("I-18", handling, "resumed", _a_pause_moves_every_clock),
    ("I-19", handling, "reasons_at_follow_up", _none),
    ("I-20", clocks, "_fired", _nothing_was_raised),
    ("I-20b", clocks, "reminded", _progress_ends_every_alert),
    ("I-20b", agenda, "_cleared_at", _no_reply_is_awaited),
]


@pytest.mark.parametrize(
    ("invariant", "where", "name", "fault"),
    FAULTS,
    ids=[
        f"{row[0]}-{row[2]}-{getattr(row[3], '__name__', 'other').strip('_<>')}" for row in FAULTS
    ],
)
def test_a_seeded_fault_turns_its_check_red(
    invariant: str,
    where: Any,
    name: str,
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, name, fault)

    for seed in range(120):
        for lines in tales(seed, length=60):
            log = played(lines, BOOK).world.log
            if list(found_by(invariant, lines, log)):
                return
    pytest.fail(f"no history of 840 shows the fault in {name}")


# --- I-20, where the due of two clocks is the same ------------------------------------------------


def filed_twice() -> Log:
    """Filed on Thursday, materials due on Friday: handed over on Sunday. Then a second filing of
    that same Thursday is told: another clock, with the same due, that nobody stops.
    """
    lines = straight(1)[:1]
    case = lines[0].case
    triage = {"task_force": "TF1", "township": TOWNS[0]}
    acts: list[tuple[str, dict[str, Any], str, str]] = [
        ("ComplaintAccepted", {}, "2021-11-10 22:00", "2021-11-10 22:00"),
        ("TriageDecided", triage, "2021-11-10 22:00", "2021-11-10 22:00"),
        ("PoliceFiled", {"doc_no": "P1"}, "2021-11-11 05:00", "2021-11-11 05:00"),
        ("MaterialsHandedOver", {}, "2021-11-14 07:00", "2021-11-14 07:00"),
        ("PoliceFiled", {"doc_no": "P2"}, "2021-11-14 07:30", "2021-11-11 19:30"),
    ]
    for number, (name, data, at, happened) in enumerate(acts, start=2):
        lines.append(Line(number, when(at), case, name, data, when(happened), None))
    return played(lines, BOOK).world.log


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def test_a_clock_with_the_due_of_a_cleared_one_is_another_clock() -> None:
    log = filed_twice()
    told = [
        (type(event.data), event.data.level if not isinstance(event.data, ev.DeadlineSet) else "")
        for event in log
        if isinstance(event.data, ev.DeadlineSet | ev.AlertRaised | ev.AlertCleared)
        and event.data.timer == "T38"
    ]

    assert told == [
        (ev.DeadlineSet, ""),
        (ev.AlertRaised, "L3"),
        (ev.AlertCleared, "L3"),
        (ev.DeadlineSet, ""),
        (ev.AlertRaised, "L4"),
        (ev.AlertRaised, "L6"),
    ]
    assert list(CHECKS["I-20"](log)) == []
    assert list(CHECKS["I-20b"](log)) == []


def test_a_cleared_breach_that_goes_on_is_seen() -> None:
    """The same log as if there had been no second clock, as if nothing had stopped the first, or as
    if a level fell."""
    log = filed_twice()
    last, cause = [
        (event, event.data.cause)
        for event in log
        if isinstance(event.data, ev.AlertRaised) and event.data.timer == "T38"
    ][-1]
    second = next(event for event in log if event.id == cause)
    lower = last.replace(data=last.data.model_copy(update={"level": "L3"}))

    assert list(CHECKS["I-20"]([event for event in log if event is not second]))
    unstopped = [event for event in log if not isinstance(event.data, ev.MaterialsHandedOver)]
    assert list(CHECKS["I-20b"](unstopped))
    assert list(CHECKS["I-20"]([lower if event is last else event for event in log]))


def test_the_table_of_roles_is_used_by_intake() -> None:
    assert vars(judge)["may"] is roles.may
