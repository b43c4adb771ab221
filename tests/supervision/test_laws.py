"""The laws of design 4 for any acts in any order: also what intake would never let through."""

from __future__ import annotations

import copy
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.supervision.decider import STREAMS
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.policy import Policy, adopt, read_book
from shared.settle import Books, begin, take
from shared.streams import kind_of
from tests.shared import laws
from tests.supervision.spec import (
    CASE,
    OFFICE,
    TANGZHUANG,
    assignment,
    complaint,
    lines_of,
    policy,
    reassignment,
    served,
    when,
)

HOUR = timedelta(hours=1)
START = when("2021-12-20 10:00")
LIMIT = when("2022-01-01 00:00")


def _paid(name: str, fen: int, line: str = "1") -> dict[str, Any]:
    return {"payment": name, "lines": (ev.PaidLine(line=line, amount_fen=fen),)}


def _added() -> ev.ClaimLinesAdded:
    return ev.ClaimLinesAdded(
        cause="found",
        from_case="B",
        source="12345",
        source_ref="B",
        tier="CITY",
        received_at=START,
        lines=(ev.ClaimLine(line="1", amount_fen=100),),
        reopens=True,
    )


def _group(kind: type[Any], level: str) -> AnyData:
    fields = {"cause": "m", "group": "group:1", "level": level, "workers": 60}
    data: AnyData = kind.model_validate(fields | {"members": ("m",), "master": "m"})
    return data


def _plan(*days: int) -> ev.InstalmentPlanAgreed:
    parts = tuple(
        ev.Instalment(n=n, due_on=date(2022, 1, day), amount_fen=400_000)
        for n, day in enumerate(days, 1)
    )
    return ev.InstalmentPlanAgreed(plan=parts)


ACTS: tuple[AnyData, ...] = (
    complaint("2021-12-20 10:00", source="12345", tier="NAT", kind="supervised"),
    ev.SupplementRequested(),
    ev.SupplementReceived(),
    ev.ContactTried(),
    ev.ComplaintAccepted(urgent=False),
    ev.ComplaintAccepted(urgent=True),
    ev.ComplaintNotAccepted(reason="NO_NEXUS"),
    ev.ComplaintMerged(cause="f", master="m", match="match:x"),
    ev.ComplaintUnmerged(cause="f", master="m"),
    _added(),
    ev.SourceReplied(source="12345", source_ref="1"),
    ev.TriageRequested(cause="a", reason="FACTS_MISSING"),
    ev.TriageDecided(task_force="TF1", township=TANGZHUANG),
    ev.HandlerDesignated(task_force="TF1", township=TANGZHUANG),
    assignment(),
    assignment(township="NO_TOWNSHIP", task_force=None, department="市教育局"),
    reassignment(),
    ev.AssignmentWithdrawn(cause="m", reason="MERGED"),
    ev.AssignmentSigned(),
    ev.ReturnRequested(),
    ev.ReturnApproved(),
    ev.ReturnRefused(cause="r", code="WINDOW_CLOSED"),
    _group(ev.GroupFormed, "G1"),
    _group(ev.GroupLevelChanged, "G3"),
    ev.GroupJoined(cause="m", group="group:1", master="m"),
    ev.GroupNoticeGiven(group="g", level="G2"),
    ev.FirstContactMade(reached=True),
    ev.ProgressReported(),
    lines_of([(800_000, 3)]),
    lines_of([(500_000, 2)] * 12),
    lines_of([(900_000, 4)]).model_copy(update={"root_cause": "FLED"}),
    lines_of([(900_000, 4)]).model_copy(update={"root_cause": "GOV_FUNDS"}),
    ev.GovFundsRequested(),
    ev.ExtensionRequested(to=LIMIT),
    ev.ExtensionApproved(to=LIMIT, approver="office"),
    ev.ExtensionApproved(to=LIMIT + 240 * HOUR, approver="convener"),
    ev.ExtensionNotApproved(),
    ev.CaseSuspended(),
    ev.CaseResumed(),
    _plan(5, 5, 20),
    _plan(28),
    ev.PaymentVerified(**_paid("p1", 800_000)),
    ev.PaymentVerified(**_paid("p2", 1_200_000)),
    ev.PaymentReversed(**_paid("p1", 100)),
    ev.PaymentReversed(**_paid("p2", 1_200_000)),
    ev.InspectionFiled(),
    ev.InspectionClosed(),
    ev.PaymentOrderIssued(doc_no="D1"),
    served(),
    served("D2", limit_at=LIMIT),
    served("D3", doc_type="decision"),
    ev.PaymentOrderComplied(doc_no="D1"),
    ev.PaymentOrderComplied(),
    ev.PenaltyDecided(amount_fen=1),
    ev.ReferralProposed(),
    ev.ReferralApproved(),
    ev.ReferralDeclined(reason="PAID_BEFORE_FILING"),
    ev.ReferralDelivered(doc_no="移1"),
    ev.ReferralReceipted(),
    ev.PoliceSupplementAsked(),
    ev.SupplementSent(),
    ev.PoliceFiled(doc_no="立1"),
    ev.PoliceDeclined(doc_no="不立1"),
    ev.ReconsiderationRequested(),
    ev.ReconsiderationDecided(result="upheld"),
    ev.SupervisionSuggested(),
    ev.PoliceReasonsAsked(),
    ev.FilingOrdered(),
    ev.MaterialsHandedOver(),
    ev.CreditListingDecided(rule="令45"),
    ev.EnforcementApplied(),
    ev.LegalPathEntered(forum="arbitration"),
    ev.LegalPathEntered(forum="petition"),
    ev.LegalPathEnded(),
    ev.ClosureRequested(kind="PAID_IN_FULL"),
    ev.ClosureRequested(kind="WITHDRAWN"),
    ev.ClosureReviewPassed(stage="tf"),
    ev.ClosureReviewPassed(stage="office"),
    ev.ClosureReturned(stage="tf"),
    ev.FollowUpCompleted(got_paid="Y", satisfaction="satisfied"),
    ev.FollowUpCompleted(got_paid="N", satisfaction="unsatisfied"),
    ev.FollowUpCompleted(got_paid="Y", satisfaction="unsatisfied"),
    ev.FollowUpWaived(reason="sealed:x"),
    ev.CaseWrittenOff(),
    ev.FalseClosureFound(),
    ev.SupervisionNoticeReplied(),
    ev.ExtremeIncidentReported(kind="sealed:x"),
    ev.IncidentReportFiled(incident="2", step="update"),
    ev.IncidentReportFiled(incident="1", step="phone"),
    ev.ExtremeIncidentCleared(incident="2"),
    ev.ExtremeIncidentCleared(incident="3"),
    ev.OpinionAlertRaised(url_hash="h", spread="local"),
    ev.OpinionStepDone(step="plan"),
    ev.OpinionAlertCleared(),
    ev.IllegalDemandRecorded(police_doc_no="公1"),
)
UNIT_ACTS: tuple[AnyData, ...] = (
    ev.ScreeningReported(findings=0),
    ev.SummaryFiled(),
    ev.ZeroReportFiled(),
    ev.ZeroReportFiled(period="2022-01-04"),
    ev.SupervisionVisitRecorded(
        mode="phone", unit="TF1", findings=(ev.Finding(no=1, text="sealed:x"),)
    ),
    ev.RectificationReported(visit="0"),
    ev.MeasurePlanFiled(measure="M1", responsible="市住建局", due_on=date(2022, 1, 20)),
    ev.MeasureCompleted(measure="M1"),
    ev.PublicationMade(quarter="2021Q4"),
    ev.SupervisionNoticeReplied(),
    ev.OpinionAlertRaised(url_hash="h", spread="local"),
    ev.OpinionStepDone(step="plan"),
)


@cache
def newer() -> Policy:
    """A second book: other lengths and one rest day more."""
    raw = copy.deepcopy(read_book("dengfeng-2021-35"))
    raw["campaign"]["phases"][0]["handle_wd"] = 4
    raw["calendar"]["rest"].append("2022-01-05")
    for timer in raw["timers"]:
        if timer["length"]["unit"] == "wd" and timer["length"]["n"] > 3:
            timer["length"]["n"] -= 1
    return adopt(raw, when("2021-12-30 10:00"), "adoption-2")


@st.composite
def histories(draw: st.DrawFn, subject: str) -> list[Event]:
    """Acts in the order of recording; some at one instant, some recorded long after they were."""
    acts = ACTS if kind_of(subject) == "case" else UNIT_ACTS
    gaps = st.sampled_from((0, 0, 1, 5, 24, 30, 72, 200))
    late = st.sampled_from((0, 0, 0, 2, 60, 400))
    drawn = draw(st.lists(st.tuples(gaps, st.sampled_from(acts), late), min_size=1, max_size=14))
    now, found = START, []
    if kind_of(subject) == "case":
        # Most of what is interesting needs a case that is being handled.
        begin = ACTS[0], ev.ComplaintAccepted(urgent=False), assignment()
        drawn = [(0, data, 0) for data in begin] + drawn
    for number, (gap, data, hours) in enumerate(drawn):
        now += gap * HOUR
        found.append(_event(number, subject, data, now, hours))
    return found


def _event(number: int, subject: str, data: AnyData, now: datetime, late: int) -> Event:
    decision = isinstance(data, ev.Decision)
    return Event(
        # Short ids, so that acts can name an incident or a visit among the events before them.
        id=str(number) if not decision else derived_id("laws", str(number)),
        subject=subject,
        time=now if decision else now - late * HOUR,
        recordedtime=now,
        data=data,
        actor=OFFICE,
        decidedby="another" if decision else None,
    )


INCIDENT: tuple[AnyData, ...] = (
    ev.ExtremeIncidentReported(kind="sealed:x"),
    ev.IncidentReportFiled(incident="0", step="phone"),
    ev.IncidentReportFiled(incident="0", step="update"),
    ev.IncidentReportFiled(incident="0", step="update"),
    ev.ExtremeIncidentCleared(incident="0"),
)


@pytest.mark.parametrize("subject", ["unit:TF1", "city"])
@pytest.mark.parametrize("known", range(1, len(INCIDENT) + 1))
def test_an_incident_of_no_known_case_keeps_the_laws(subject: str, known: int) -> None:
    """Its updates are asked for one after the other, and once it is cleared no more."""
    history = [
        _event(number, subject, data, START + 3 * number * HOUR, 0)
        for number, data in enumerate(INCIDENT[:known])
    ]
    until, decider = START + 30 * HOUR, STREAMS[kind_of(subject)]
    laws.decides_iff_awake(decider, subject, history, books(two=False), until)
    laws.replays_to_itself(decider, subject, history, books(two=False), until)
    decided = laws.live(decider, subject, history, books(two=False), until)
    updates = [
        event
        for event in decided
        if isinstance(event.data, ev.DeadlineSet) and event.data.step == "update"
    ]
    assert len(updates) == (8 if known < len(INCIDENT) else 4)


SOME = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
SUBJECTS = [CASE, "unit:TF1", "city"]


def books(two: bool) -> Books:
    return Books([policy(), newer()] if two else [policy()])


@pytest.mark.parametrize("subject", SUBJECTS)
@SOME
@given(two=st.booleans(), data=st.data())
def test_it_owes_iff_it_wakes_and_replays_to_itself(
    subject: str, two: bool, data: st.DataObject
) -> None:
    history = data.draw(histories(subject))
    until = history[-1].recordedtime + 400 * HOUR
    decider = STREAMS[kind_of(subject)]
    laws.decides_iff_awake(decider, subject, history, books(two), until)
    laws.ignores_when_a_decision_was_written(decider, subject, history, books(two), until)
    laws.replays_to_itself(decider, subject, history, books(two), until)


@pytest.mark.parametrize("subject", SUBJECTS)
@SOME
@given(two=st.booleans(), data=st.data())
def test_batches_do_not_matter(subject: str, two: bool, data: st.DataObject) -> None:
    history = data.draw(histories(subject))
    until = history[-1].recordedtime + 400 * HOUR
    decider = STREAMS[kind_of(subject)]
    worker = laws.Worker(decider, subject, books(two))
    for event in history:
        if data.draw(st.booleans(), label="swept before"):
            worker.sweep(event.recordedtime - timedelta(microseconds=1))
        worker.log.append(event)
        match data.draw(st.sampled_from(["read", "lag", "kill", "lose"]), label="then"):
            case "read":
                worker.fold(data.draw(st.integers(1, 3)))
                worker.publish(event.recordedtime)
            case "kill":
                worker.publish_and_forget(event.recordedtime)
            case "lose":
                worker.lose_tables()
            case _:
                pass
    worker.sweep(until)
    worker.publish(until)
    ideal = laws.live(decider, subject, history, books(two), until)
    assert laws.outcome(worker.decided()) == laws.outcome(ideal)


@pytest.mark.parametrize("subject", SUBJECTS)
@SOME
@given(data=st.data())
def test_what_is_kept_survives_being_stored(subject: str, data: st.DataObject) -> None:
    history = data.draw(histories(subject))
    decider = STREAMS[kind_of(subject)]
    stream = begin(decider, subject)
    for event in history:
        take(decider, stream, event, books(two=False))
        stored = msgspec.json.encode(stream.state)
        assert msgspec.json.decode(stored, type=decider.state_type) == stream.state


@SOME
@given(two=st.booleans(), data=st.data())
def test_no_level_comes_twice_for_one_due_and_none_before_it_was_known(
    two: bool, data: st.DataObject
) -> None:
    """I-16, I-20."""
    history = data.draw(histories(CASE))
    until = history[-1].recordedtime + 400 * HOUR
    decided = laws.live(STREAMS["case"], CASE, history, books(two), until)
    known = {event.id: event.time for event in decided if isinstance(event.data, ev.DeadlineSet)}
    highest: dict[tuple[object, ...], str] = {}
    for event in decided:
        alert = event.data
        if isinstance(alert, ev.AlertRaised) and alert.cause in known:
            key = (alert.timer, alert.step, alert.item, alert.due_at)
            assert alert.level > highest.get(key, "")
            highest[key] = alert.level
            assert event.time >= known[alert.cause]
