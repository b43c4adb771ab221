"""The audit: an honest log is clean, and what one hand does to it is found as just that."""

from __future__ import annotations

import copy
import inspect
from datetime import timedelta
from pathlib import Path
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.audit import Audit, audit_file, run
from infra.audit.acts import impossible_acts
from infra.audit.findings import Kind
from infra.audit.pool import Deciders, Rules
from infra.problem import Unready
from services.routing.decider import STREAMS as ROUTING
from shared.envelope import derived_id
from shared.events import (
    AlertRaised,
    ClockAdvanced,
    ComplaintAccepted,
    Event,
    ExtensionApproved,
    MeasureCompleted,
    MeetingHeld,
    PiiErased,
    ProgressReported,
)
from shared.log import CASE_EVENTS, PARTITIONS, partition_of
from shared.settle import settle_to
from shared.streams import GOVERNANCE
from tests.infra import tampering
from tests.infra.town import RAW, SECOND, Town, complaint, live, toy_deciders
from tests.shared.toy import HOUR, START

DECIDERS: Deciders = {"routing": ROUTING, **toy_deciders()}
CASE = derived_id("case", "0")


def lived(seed: int) -> Town:
    """A town that has seen much, under two books."""
    town = Town(DECIDERS, Random(seed))
    live(town, 6, 30)
    second = copy.deepcopy(RAW)
    second["id"] = "second"
    second["handling"]["extension_wd"] = 7
    town.adopt(second)
    return live(town, 8, 20)


def audited(path: Path) -> Audit:
    return audit_file(path, Rules(DECIDERS))


def sentences(audit: Audit) -> str:
    return "\n".join(f"{finding.finding}: {finding.sentence}" for finding in audit.findings)


# --- honest logs ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_an_honest_log_is_clean(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """With lag, copies, kills before the clearing, lost tables and a new book on the way."""
    path = lived(seed).export(tmp_path_factory.mktemp("log") / "log.jsonl")
    audit = audited(path)
    assert audit.clean, sentences(audit)
    assert audit.streams > 6


def test_the_honest_log_holds_what_makes_an_audit_hard() -> None:
    docs = [orjson.loads(line) for line in lived(1).lines()]
    ids = [doc["event"]["id"] for doc in docs]
    assert len(set(ids)) < len(ids), "no copy was published twice"
    assert any("decidedby" in doc["event"] for doc in docs), "no stream decided for another"
    assert any(doc["event"]["type"] == "AlertCleared" for doc in docs)


def one_case() -> Town:
    """A case accepted at hour 0 under a book of five hours."""
    town = Town(toy_deciders(), Random(0))
    town.fact(CASE, complaint("1"))
    town.fact(CASE, ComplaintAccepted())
    return town


def of_one_case(town: Town, path: Path) -> Audit:
    return audit_file(town.export(path), Rules(toy_deciders()))


def test_a_decision_that_had_not_seen_a_fact_on_its_way_is_honest(tmp_path: Path) -> None:
    town = one_case()
    [desk] = town.desks.values()
    town.sweep(desk)
    town.publish(desk)
    town.now = START + 2.5 * HOUR + 6 * SECOND
    town.sweep(desk)
    town.fact(CASE, ProgressReported(), under_way=30 * SECOND)
    town.publish(desk)
    town.now += HOUR
    town.rest()
    audit = of_one_case(town, tmp_path / "log.jsonl")
    assert audit.clean, sentences(audit)
    assert _types(town)[-1] == "AlertCleared"


def _types(town: Town) -> list[str]:
    return [
        record.event.type
        for (topic, _), records in town.log.items()
        if topic == "case-events"
        for record in records
    ]


def test_an_outage_is_honest(tmp_path: Path) -> None:
    """Steps computed hours late keep their instants, and nobody was at work in between."""
    town = one_case()
    town.now = START + 48 * HOUR
    town.rest()
    audit = of_one_case(town, tmp_path / "log.jsonl")
    assert audit.clean, sentences(audit)


def test_the_log_clock_is_the_clock_that_counts(tmp_path: Path) -> None:
    """What is owed at the log's last clock and missing is omitted, to the second."""
    for clock, found in (("wall", []), ("log", ["omitted"])):
        town = Town(toy_deciders(), Random(0), clock=clock)
        town.fact(CASE, complaint("1"))
        town.fact(CASE, ComplaintAccepted())
        town.rest()
        town.now = START + 2.5 * HOUR
        town.fact(GOVERNANCE, ClockAdvanced(to=town.now))
        audit = of_one_case(town, tmp_path / f"{clock}.jsonl")
        assert [finding.finding for finding in audit.findings] == found


def on_the_log_clock() -> Town:
    """A case whose clock is moved by hand, an hour at a time, and decided on each time."""
    town = Town(toy_deciders(), Random(0), clock="log")
    [desk] = town.desks.values()
    town.fact(CASE, complaint("1"))
    town.fact(CASE, ComplaintAccepted())
    for hours in range(1, 13):
        town.now = START + hours * HOUR
        town.fact(GOVERNANCE, ClockAdvanced(to=town.now))
        town.sweep(desk, wait=0 * SECOND)
        town.publish(desk)
    return town


def test_a_round_that_waited_for_a_batch_is_in_order(tmp_path: Path) -> None:
    """It stamps with the clock of its own beginning, which stood at an earlier hour."""
    town = Town(toy_deciders(), Random(0), clock="log")
    [desk] = town.desks.values()
    town.fact(CASE, complaint("1"))
    town.fact(CASE, ComplaintAccepted())
    for hours in (3, 4):
        town.now = START + hours * HOUR
        town.fact(GOVERNANCE, ClockAdvanced(to=town.now))
    town.now = START + 4 * HOUR
    town.read(desk)
    town.publish(desk)
    town.now = START + 3 * HOUR
    town.sweep(desk, wait=0 * SECOND)
    town.publish(desk)
    decided = [
        record.event
        for place, records in town.log.items()
        for record in records
        if place[0] == "case-events" and record.event.decidedby != record.event.subject
    ]
    assert decided[-1].recordedtime < decided[-2].recordedtime
    audit = of_one_case(town, tmp_path / "log.jsonl")
    assert "reordered" not in {finding.finding for finding in audit.findings}, sentences(audit)


# --- tampered logs --------------------------------------------------------------------------------

FOUND: dict[tampering.Tamper, Kind] = {
    tampering.a_level_is_raised: "wrong",
    tampering.a_due_date_is_moved: "wrong",
    tampering.a_decision_is_made_up: "wrong",
    tampering.a_decision_is_taken_out: "omitted",
    tampering.a_step_is_decided_early: "premature",
    tampering.a_step_is_written_early: "premature",
    tampering.somebody_else_writes: "foreign_writer",
    tampering.a_second_copy_differs: "divergent_copy",
    tampering.a_book_nobody_adopted: "unknown_policy",
    tampering.another_adopted_book: "wrong_policy",
    tampering.a_decision_rests_on_what_came_after: "impossible_order",
    tampering.a_fact_is_dated_back: "recordedtime",
    tampering.a_book_is_edited: "changed",
    tampering.an_instant_is_told_in_another_zone: "changed",
    tampering.another_schema_is_named: "changed",
    tampering.a_record_is_dropped: "dropped",
    tampering.a_record_is_put_in: "inserted",
    tampering.two_records_change_places: "reordered",
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("tamper", FOUND, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found_as_what_it_is(
    tmp_path: Path, tamper: tampering.Tamper, seed: int
) -> None:
    done: list[bool] = []
    path = lived(seed).export(
        tmp_path / "log.jsonl", lambda docs: done.append(tamper(docs, Random(seed)))
    )
    assert done == [True], "this log has nothing to tamper with"
    audit = audited(path)
    assert {finding.finding for finding in audit.findings} == {FOUND[tamper]}, sentences(audit)
    assert all(finding.sentence.endswith(".") for finding in audit.findings)


def test_a_record_on_another_partition_was_not_written_by_its_writer(tmp_path: Path) -> None:
    town = one_case()
    town.rest()
    home = partition_of(CASE)

    def move(docs: tampering.Docs) -> None:
        moved = docs[[doc["partition"] for doc in docs].index(home) + 1]
        moved["partition"] = (home + 1) % PARTITIONS
        tampering.renumber(docs)

    audit = audit_file(town.export(tmp_path / "log.jsonl", move), Rules(toy_deciders()))
    [found] = [finding for finding in audit.findings if finding.finding == "foreign_writer"]
    assert (found.subject, found.expected, found.found) == (CASE, home, (home + 1) % PARTITIONS)
    assert f"the partition {found.found!r};" in found.sentence


@pytest.mark.parametrize(
    ("recorded", "to", "told"),
    [
        (-HOUR, -HOUR, "moves the clock back from 2021-11-10T13:00:00Z to 2021-11-10T12:00:00Z"),
        (HOUR, 2 * HOUR, "says that it was recorded at 2021-11-10T14:00:00Z"),
    ],
)
def test_the_log_clock_is_moved_forward_and_recorded_at_what_it_shows(
    tmp_path: Path, recorded: timedelta, to: timedelta, told: str
) -> None:
    town = on_the_log_clock()
    last = town.now
    town.now = last + recorded
    town.fact(GOVERNANCE, ClockAdvanced(to=last + to))
    audit = of_one_case(town, tmp_path / "log.jsonl")
    [found] = [finding for finding in audit.findings if finding.finding == "recordedtime"]
    assert (found.topic, found.subject) == ("governance-events", GOVERNANCE)
    assert told in found.sentence, found.sentence


def test_only_an_operator_moves_the_clock_and_adopts_a_book(tmp_path: Path) -> None:
    town = handled(HANDLER)
    second = copy.deepcopy(RAW)
    second["id"] = "second"
    town.adopt(second)
    governing = town.log["governance-events", 0]
    governing[-1].event = governing[-1].event.replace(actor="联席办/office/p")
    rules = Rules({"routing": ROUTING}, impossible_acts)
    [found] = audit_file(town.export(tmp_path / "log.jsonl"), rules).findings
    assert (found.finding, found.found) == ("foreign_writer", "联席办/office/p")
    assert "PolicyAdopted of governance" in found.sentence


WAY = ["docs", "random"]


def test_every_way_of_tampering_is_tried() -> None:
    ways = {
        value
        for value in vars(tampering).values()
        if inspect.isfunction(value) and [*inspect.signature(value).parameters] == WAY
    }
    assert ways == {*FOUND, tampering.a_fact_comes_before_its_case}


CLERK = "市人社局/clerk/p"
HANDLER = "410185109/township/p"


def handled(by: str, after: timedelta = HOUR) -> Town:
    """A case that was assigned to 唐庄镇, and later an act of its handling."""
    town = Town({"routing": ROUTING}, Random(0))
    town.fact(CASE, complaint("1"))
    town.fact(CASE, ComplaintAccepted(), actor=CLERK)
    town.rest()
    town.now += after
    town.fact(CASE, ProgressReported(), actor=by)
    town.rest()
    return town


@pytest.mark.parametrize(
    "by",
    [
        "410185001/township/p",  # another township
        "TF2/task_force/p",  # another task force
        "市人社局/clerk/p",  # a role that handles no case
        "410185109/auditor/p",
        "410185109/mayor/p",  # no role at all
        "410185109",
        "-/-/-",
    ],
)
def test_an_act_of_whom_it_is_not_was_not_written_by_intake(tmp_path: Path, by: str) -> None:
    """Intake would have refused it (403): who may author what is as firm as what is possible."""
    rules = Rules({"routing": ROUTING}, impossible_acts)
    honest = audit_file(handled(HANDLER).export(tmp_path / "honest.jsonl"), rules)
    assert honest.clean, sentences(honest)
    audit = audit_file(handled(by).export(tmp_path / "log.jsonl"), rules)
    [finding] = audit.findings
    assert (finding.finding, finding.subject, finding.found) == ("foreign_writer", CASE, by)
    assert "ProgressReported" in finding.sentence


@pytest.mark.parametrize("by", ["-/-/-", "联席办/office/p"])
def test_persons_erased_by_rule_or_by_the_office_leave_a_clean_log(tmp_path: Path, by: str) -> None:
    """I-14: erasing leaves the log replayable; by rule nobody is its author, and a book says so."""
    town = handled(HANDLER)
    erased = Event(
        id="erased",
        subject=CASE,
        time=town.now,
        recordedtime=town.now,
        data=PiiErased(),
        actor=by,
        policy=town.books.latest.ref if by.startswith("-") else None,
    )
    town.append(erased)
    town.now += HOUR
    town.fact(CASE, ProgressReported(), actor=HANDLER)
    town.rest()
    rules = Rules({"routing": ROUTING}, impossible_acts)
    audit = audit_file(town.export(tmp_path / "log.jsonl"), rules)
    assert audit.clean, sentences(audit)


def test_an_assignment_of_the_last_minute_may_have_crossed_the_act(tmp_path: Path) -> None:
    """Before it nobody is the handler yet, and it may have landed after the act was judged."""
    rules = Rules({"routing": ROUTING}, impossible_acts)
    crossed = handled("410185001/township/p", 30 * SECOND)
    audit = audit_file(crossed.export(tmp_path / "log.jsonl"), rules)
    assert audit.clean, sentences(audit)


def test_a_meeting_s_decision_is_completed_by_its_owner_only(tmp_path: Path) -> None:
    rules = Rules({"routing": ROUTING}, impossible_acts)
    decision = {"no": 1, "owner": "410185109", "due_on": "2021-12-20"}
    found = []
    for by in (HANDLER, "410185001/township/p"):
        town = Town({"routing": ROUTING}, Random(0))
        meeting = MeetingHeld.model_validate({"decisions": [decision]})
        held = town.fact("unit:TF1", meeting)
        town.now += HOUR
        town.fact("unit:TF1", MeasureCompleted(measure="1", meeting=held.id), actor=by)
        town.rest()
        audit = audit_file(town.export(tmp_path / "log.jsonl"), rules)
        found.append([finding.finding for finding in audit.findings])
    assert found == [[], ["foreign_writer"]]


def test_an_act_that_was_not_possible_is_out_of_order(tmp_path: Path) -> None:
    """Intake would have refused it: accepted before it was received."""
    town = Town({"routing": ROUTING}, Random(0))
    for number in range(5):
        town.fact(derived_id("case", str(number)), complaint(str(number)))
        town.fact(derived_id("case", str(number)), ComplaintAccepted(), actor=CLERK)
    town.rest()
    rules = Rules({"routing": ROUTING}, impossible_acts)
    honest = audit_file(town.export(tmp_path / "log.jsonl"), rules)
    assert honest.clean, sentences(honest)

    def swap(docs: tampering.Docs) -> None:
        tampering.a_fact_comes_before_its_case(docs, Random(0))

    tampered = audit_file(town.export(tmp_path / "log.jsonl", swap), rules)
    orders = [finding for finding in tampered.findings if finding.finding == "impossible_order"]
    assert "not possible in the state NONE" in orders[0].sentence


def test_decisions_of_one_stream_that_change_places_on_the_log_clock(tmp_path: Path) -> None:
    """Their offsets and appendings stay: only what they say of themselves is exchanged."""
    town = on_the_log_clock()
    honest = of_one_case(town, tmp_path / "log.jsonl")
    assert honest.clean, sentences(honest)

    def swap(docs: tampering.Docs) -> None:
        raised = tampering.of_type(docs, "AlertRaised")
        first, last = docs[raised[0]], docs[raised[-1]]
        assert first["event"]["recordedtime"] < last["event"]["recordedtime"]
        first["event"], last["event"] = last["event"], first["event"]

    audit = audit_file(town.export(tmp_path / "log.jsonl", swap), Rules(toy_deciders()))
    assert {finding.finding for finding in audit.findings} == {"reordered"}, sentences(audit)
    assert "stands before AlertRaised" in audit.findings[0].sentence


def test_a_finding_says_where_and_what(tmp_path: Path) -> None:
    path = lived(1).export(
        tmp_path / "log.jsonl", lambda docs: tampering.a_level_is_raised(docs, Random(1))
    )
    audit = audited(path)
    [finding] = audit.findings
    assert audit.report().endswith("\nverdict: 1 finding")
    assert (finding.finding, finding.topic) == ("wrong", "case-events")
    assert list(finding.found) == ["/data/level"]
    assert finding.found["/data/level"] == "L5"
    assert finding.expected["/data/level"] in ("L1", "L2")
    assert "level is 'L5'" in finding.sentence
    docs = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    [doc] = [
        doc
        for doc in docs
        if (doc["partition"], doc["offset"]) == (finding.partition, finding.offset)
        and doc["topic"] == finding.topic
    ]
    assert doc["event"]["id"] == finding.event_id


def test_a_step_held_back_is_late(tmp_path: Path) -> None:
    """Its writer was at work on the partition in between, so it was no outage."""
    other = next(
        subject
        for number in range(1000)
        if (subject := derived_id("other", str(number)))
        and partition_of(subject) == partition_of(CASE)
    )
    town = one_case()
    [desk] = town.desks.values()
    town.sweep(desk)
    town.publish(desk)
    town.now = START + 2.5 * HOUR + 10 * SECOND
    town.sweep(desk)
    held, desk.pending = desk.pending, []
    town.now += 20 * SECOND
    town.fact(other, complaint("2"))
    town.fact(other, ComplaintAccepted())
    town.sweep(desk)
    town.publish(desk)
    town.now += 10 * 60 * SECOND
    desk.pending = held + desk.pending
    town.rest()
    audit = of_one_case(town, tmp_path / "log.jsonl")
    assert [finding.finding for finding in audit.findings] == ["late"], sentences(audit)


def test_a_step_that_ignores_an_old_fact_is_stale(tmp_path: Path) -> None:
    """The worker never read the report that stopped the timer two hours before."""
    town = one_case()
    [desk] = town.desks.values()
    town.sweep(desk)
    town.publish(desk)
    blind = copy.deepcopy(desk.streams[CASE])
    town.now = START + HOUR
    town.fact(CASE, ProgressReported())
    town.rest()
    town.now = START + 3 * HOUR
    desk.pending = settle_to(toy_deciders()["supervision"]["case"], blind, town.now, town.books)
    assert [type(event.data) for event in desk.pending] == [AlertRaised]
    town.publish(desk)
    [finding] = of_one_case(town, tmp_path / "log.jsonl").findings
    assert finding.finding == "stale"
    assert "ignores ProgressReported" in finding.sentence


def test_a_stale_basis_is_one_finding_though_all_else_is_right(tmp_path: Path) -> None:
    town = one_case()
    town.now = START + HOUR
    town.fact(CASE, ExtensionApproved(to=START + 9 * HOUR, approver="office"))
    town.now = START + 30 * HOUR
    town.rest()

    def date_back(docs: tampering.Docs) -> None:
        first = docs[tampering.of_type(docs, "ComplaintAccepted")[0]]["event"]["id"]
        docs[tampering.of_type(docs, "AlertRaised")[-1]]["event"]["basis"] = first

    audit = audit_file(town.export(tmp_path / "log.jsonl", date_back), Rules(toy_deciders()))
    assert [finding.finding for finding in audit.findings] == ["stale"], sentences(audit)


# --- reading and answering ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "line 1: not JSON"),
        (b"{}", "line 1: no field 'event'"),
        (b"[]", "line 1: not a line of an export: a JSON object is expected"),
        (b"null", "line 1: not a line of an export: a JSON object is expected"),
        (b'{"topic":1,"partition":0,"offset":0,"appended_at":"x","key":"k","event":{}}', "line 1"),
        (
            b'{"topic":"other","partition":0,"offset":0,"appended_at":"2021-11-10T00:00:00Z",'
            b'"key":"k","event":{}}',
            "is not of this log",
        ),
        (
            b'{"topic":"case-events","partition":0,"offset":0,"key":"k","event":{},'
            b'"appended_at":"0001-01-01T00:00:00+14:00"}',
            "line 1",
        ),
    ],
)
def test_what_is_no_export_is_refused_in_one_line(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(text + b"\n")
    with pytest.raises(Unready, match=says) as caught:
        audit_file(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unready, match="No such file"):
        audit_file(tmp_path / "none.jsonl")


def test_a_file_without_a_line_is_no_log(tmp_path: Path) -> None:
    """Everything dropped must not read as clean."""
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(Unready, match="has no line"):
        run(empty, as_json=True)


def test_a_copy_on_another_partition_is_of_no_writer_of_ours(tmp_path: Path) -> None:
    """As of a client with another partitioner: routing and supervision fold a stream in one."""
    town = one_case()
    town.rest()

    def stray(docs: tampering.Docs) -> None:
        last = max(n for n, doc in enumerate(docs) if doc["topic"] == CASE_EVENTS)
        there = docs[last]["partition"]
        other = next(doc for doc in docs if doc["partition"] != there)
        docs.insert(last + 1, other | {"partition": there, "offset": docs[last]["offset"] + 1})

    found = audit_file(town.export(tmp_path / "log.jsonl", stray), Rules(toy_deciders())).findings
    [finding] = [each for each in found if each.finding == "foreign_writer"]
    assert "has the partition" in finding.sentence


def test_a_record_of_no_known_form_is_found(tmp_path: Path) -> None:
    town = one_case()
    town.rest()

    def misspell(docs: tampering.Docs) -> None:
        docs[0]["event"]["type"] = "ComplaintRecieved"

    [finding, *_] = audit_file(
        town.export(tmp_path / "log.jsonl", misspell), Rules(toy_deciders())
    ).findings
    assert finding.finding == "foreign_writer"
    assert "unknown_type" in finding.sentence


def test_without_a_book_every_decision_is_under_an_unknown_policy(tmp_path: Path) -> None:
    town = one_case()
    town.rest()

    def forget(docs: tampering.Docs) -> None:
        del docs[tampering.of_type(docs, "PolicyAdopted")[0] :]

    audit = audit_file(town.export(tmp_path / "log.jsonl", forget), Rules(toy_deciders()))
    assert {finding.finding for finding in audit.findings} == {"unknown_policy"}


@pytest.mark.parametrize("as_json", [False, True])
def test_findings_are_json_lines_and_the_exit_code_says_so(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], as_json: bool
) -> None:
    def tamper(docs: tampering.Docs) -> bool:
        return tampering.somebody_else_writes(docs, Random(1))

    town = Town({"routing": ROUTING}, Random(1))
    town.fact(CASE, complaint("1", worker="w"))
    town.rest()
    path = town.export(tmp_path / "log.jsonl", tamper)
    assert run(path, as_json) == 1
    out, err = capsysbinary.readouterr()
    found = [orjson.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    assert "foreign_writer" in [line["finding"] for line in found]
    fields = "finding subject event_id topic partition offset expected found sentence"
    assert all(list(line) == fields.split() for line in found)
    assert (b"verdict:" in err) == as_json
    assert (b"verdict:" in out) != as_json


def test_an_empty_log_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"")
    audit = audit_file(path, Rules(toy_deciders()))
    assert (audit.clean, audit.events) == (True, 0)
