"""The stored form: what is on the log today must be read, and written again, for ever."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import (
    NAMESPACE,
    Unreadable,
    canonical,
    case_id_of,
    decode,
    derived_id,
    document,
    encode,
    owe,
    unsealed_fields,
    writer_of,
)
from shared.events import (
    TYPES,
    WRITERS,
    AlertRaised,
    ClosureReturned,
    Decision,
    Event,
    Publication,
    instant_text,
)
from shared.streams import kind_of
from tests.shared.examples import CASE, EVENT, EXAMPLES, HASH, OTHER

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"), key=lambda path: (path.suffixes, path.name))
AT = datetime(2021, 11, 12, 1, 0, 0, 250_000, UTC)
SUBJECTS = {
    "case": CASE,
    "match": "match:worker-employer",
    "group": "group:project",
    "unit": "unit:410185109",
    "city": "city",
    "governance": "governance",
}


def event_of(name: str, **changes: Any) -> Event:
    """An event of a type, as its writer would put it on the log."""
    model = TYPES[name]
    decided = issubclass(model, Decision)
    values: dict[str, Any] = {
        "id": EVENT,
        "subject": SUBJECTS[model.streams[0]],
        "time": AT,
        "recordedtime": AT + timedelta(seconds=1),
        "data": model.model_validate(EXAMPLES[name]),
        "actor": "-/-/-" if decided or issubclass(model, Publication) else "TF1/task_force/p1",
        "decidedby": OTHER if decided else None,
        "basis": EVENT if decided else None,
        "policy": f"toy@{HASH}" if decided else None,
        "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    }
    return Event(**values | changes)


def test_there_is_an_example_of_every_type() -> None:
    assert EXAMPLES.keys() == TYPES.keys()


@pytest.mark.parametrize("name", TYPES)
def test_every_type_has_a_golden_file(name: str) -> None:
    assert any(path.name.startswith(f"{name}.") for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_golden_file_still_parses_and_is_written_again_byte_for_byte(path: Path) -> None:
    stored = path.read_bytes()
    event = decode(stored)
    assert path.name.startswith(f"{event.type}.")
    assert encode(event) == stored
    assert rfc8785.dumps(orjson.loads(stored)) == stored


@pytest.mark.parametrize("name", TYPES)
def test_an_event_read_back_is_the_event_written(name: str) -> None:
    event = event_of(name)
    assert decode(encode(event)) == event


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_an_example_is_in_the_stored_form(name: str) -> None:
    def without_none(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_none(item) for key, item in value.items() if item is not None}
        return [without_none(item) for item in value] if isinstance(value, list) else value

    stored = document(event_of(name))["data"]
    wanted = without_none(EXAMPLES[name])
    assert {key: stored.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("name", TYPES)
def test_the_source_is_the_writer_and_the_schema_the_type(name: str) -> None:
    doc = document(event_of(name))
    assert doc["source"] == f"/qingqian/{WRITERS[name]}"
    assert doc["dataschema"] == f"/v1/schemas/{name}/1"
    assert doc["specversion"] == "1.0"
    assert writer_of(event_of(name)) == WRITERS[name]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "CaseShut"}, "unknown_type"),
        ({"colour": "red"}, "unknown_attribute"),
        ({"data": {"timer": "T09"}}, "malformed_data"),
        ({"data": EXAMPLES["AlertRaised"] | {"levle": "L1"}}, "malformed_data"),
        ({"time": "yesterday"}, "malformed_attribute"),
        ({"time": "2021-11-12T01:00:00"}, "malformed_attribute"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "malformed_attribute"),
        ({"recordedtime": "9999-12-31T23:59:59-14:00"}, "malformed_attribute"),
        (
            {"data": EXAMPLES["AlertRaised"] | {"due_at": "0001-01-01T00:00:00+14:00"}},
            "malformed_data",
        ),
        ({"id": ""}, "malformed_attribute"),
        ({"actor": 3}, "malformed_attribute"),
        ({"subject": "match:x"}, "wrong_stream"),
        ({"id": "a\x00b"}, "nul"),
        ({"subject": "a\x00b"}, "nul"),
        ({"traceparent": "\x00"}, "nul"),
        ({"data": EXAMPLES["AlertRaised"] | {"recipients": ["\x00"]}}, "nul"),
    ],
)
def test_what_is_no_event_is_refused_with_a_short_reason(
    change: dict[str, Any], reason: str
) -> None:
    doc = document(event_of("AlertRaised")) | change
    with pytest.raises(Unreadable) as caught:
        decode(orjson.dumps(doc))
    assert caught.value.reason == reason


@pytest.mark.parametrize(("raw", "reason"), [(b"{", "not_json"), (b"[]", "not_object")])
def test_bytes_that_are_no_object(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(raw)
    assert caught.value.reason == reason


def test_a_missing_attribute_is_named() -> None:
    doc = document(event_of("AlertRaised"))
    del doc["recordedtime"]
    with pytest.raises(Unreadable, match="recordedtime"):
        decode(orjson.dumps(doc))


# --- ids ------------------------------------------------------------------------------------------


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_is_the_uuid5_of_its_parts(parts: list[str]) -> None:
    assert derived_id(*parts) == str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def test_ids_that_are_on_logs_already() -> None:
    """Written down, because with other ids every log that there is would be a stranger."""
    assert case_id_of("national", "QG-2021-0001") == "c7ad6ed5-1b1a-5ee7-93e6-cc504cd26fec"
    data = AlertRaised(cause=EVENT, timer="T09", level="L2", due_at=AT)
    assert owe(CASE, AT, data).id == "385c9426-360b-5592-ad94-a675b1074759"


def test_a_decision_has_the_id_of_its_natural_key() -> None:
    data = AlertRaised(cause=EVENT, timer="T09", level="L2", due_at=AT)
    same = data.model_copy(update={"recipients": ("TF1",)})
    other = data.model_copy(update={"level": "L3"})
    assert owe(CASE, AT, data).id == owe(CASE, AT + timedelta(days=1), same).id
    assert owe(CASE, AT, data).id != owe(CASE, AT, other).id
    assert owe(CASE, AT, data).id != owe(OTHER, AT, data).id


def test_a_fact_is_not_owed() -> None:
    with pytest.raises(TypeError, match="ClosureReturned is not a decision"):
        owe(CASE, AT, ClosureReturned(stage="tf"))


def test_who_decided_is_named_only_where_it_is_another_stream() -> None:
    data = AlertRaised(cause=EVENT, timer="T09", level="L2", due_at=AT)
    assert owe(CASE, AT, data, decidedby=CASE).decidedby is None
    assert owe(CASE, AT, data, decidedby=OTHER).decider == OTHER


# --- canonical JSON -------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcxyz_", max_size=5), inner),
    max_leaves=12,
)


@given(plain)
def test_canonical_is_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1.0, {"a": [0.5]}, 2**53, -(2**53)])
def test_numbers_that_two_readers_may_read_differently_are_refused(value: Any) -> None:
    with pytest.raises(Unreadable):
        canonical(value)


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=8)))))
def test_an_instant_has_one_spelling(value: datetime) -> None:
    text = instant_text(value)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", text)
    assert datetime.fromisoformat(text) == value


# --- sealing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_no_example_holds_plain_text_about_a_person(name: str) -> None:
    assert unsealed_fields(event_of(name).data) == []


def test_plain_text_in_a_sealed_field_is_found_wherever_it_is() -> None:
    data = EXAMPLES["ComplaintReceived"] | {"text": "王建国", "site": {"address": "唐庄镇"}}
    line = EXAMPLES["ComplaintReceived"]["claims"][0] | {"sealed": "13800000000"}
    model = TYPES["ComplaintReceived"].model_validate(data | {"claims": [line]})
    assert sorted(unsealed_fields(model)) == ["/claims/0/sealed", "/site/address", "/text"]


# --- who writes what ------------------------------------------------------------------------------

ROUTING = """
ComplaintMerged ComplaintUnmerged GroupJoined MatchFound RepeatFound MatchUpdated GroupFormed
GroupLevelChanged TriageRequested CaseAssigned CaseReassigned CoHandlerAdded
AssignmentWithdrawn ReturnRefused MatchRegistered ClaimLinesAdded ClaimLinesRemoved
GroupLeft
"""
SUPERVISION = """
DeadlineSet AlertRaised AlertCleared SupervisionNoticeIssued CaseEscalated
AssignmentDeemedSigned ExtensionRefused SuspensionLapsed SupplementLapsed InstalmentDefaulted
PaymentOrderDefaulted ReferralThresholdMet CaseReferredToPublicSecurity ClosureRefused
CaseClosed CaseReopened FalseClosureSuspected SourceReplyOwed GroupMemberUpdated
"""
REPORTING = """
LedgerSnapshotTaken RankingPublished BulletinIssued CorrectionIssued PhaseTargetEvaluated
CheckpointSigned ReadDenied
"""
INTAKE = """
ComplaintReceived SupplementRequested SupplementReceived ComplaintAccepted
ComplaintNotAccepted ComplaintTransferredOut
TriageDecided AssignmentSigned ReturnRequested ReturnApproved ReturnNotApproved
HandlerDesignated CoHandlerReported FirstContactMade FactsVerified ProgressReported
ExtensionRequested ExtensionApproved ExtensionNotApproved CaseSuspended CaseResumed
MediationAgreed InstalmentPlanAgreed PaymentRecorded PaymentVerified PaymentReversed
InspectionFiled InspectionClosed PaymentOrderIssued PaymentOrderServed PaymentOrderComplied
ExtraCompensationOrdered PenaltyDecided AssetQueryApprovalRequested AssetQueryApprovalGranted
ReferralProposed ReferralApproved ReferralDeclined ReferralDelivered ReferralReceipted
PoliceSupplementAsked PoliceFiled PoliceDeclined ReconsiderationRequested
ReconsiderationDecided SupervisionSuggested PoliceReasonsAsked FilingOrdered
CreditListingDecided PublicationMade LegalPathEntered LegalPathEnded
ClosureRequested ClosureReviewPassed ClosureReturned FollowUpAttempted FollowUpCompleted
CaseWrittenOff FalseClosureFound SupervisionNoticeReplied InterviewHeld
ExtremeIncidentReported ExtremeIncidentVerified ExtremeIncidentCleared IllegalDemandRecorded
OpinionAlertRaised OpinionAlertCleared ScreeningReported ZeroReportFiled SummaryFiled
SourceReplied FollowUpWaived MergeApproved MatchDismissed MergeRevoked PoliceAssistanceAsked
ComplainantTold
PolicyAdopted ClockAdopted ClockAdvanced PiiAccessed PiiErased AccessDenied
IncidentReportFiled GroupNoticeGiven OpinionStepDone GovFundsRequested MaterialsHandedOver
EnforcementApplied SupplementSent ContactTried SupervisionVisitRecorded RectificationReported
MeasurePlanFiled MeasureCompleted MeetingHeld PublicityRecorded RuleRevised
"""


def test_each_type_has_the_one_writer_of_the_domain_reference() -> None:
    table = {
        "intake": INTAKE,
        "routing": ROUTING,
        "supervision": SUPERVISION,
        "reporting": REPORTING,
    }
    wanted = {name: writer for writer, names in table.items() for name in names.split()}
    assert wanted == WRITERS


@pytest.mark.parametrize("name", TYPES)
def test_a_type_stands_only_on_its_kinds_of_stream(name: str) -> None:
    for kind, subject in SUBJECTS.items():
        assert kind_of(subject) == kind
        raw = encode(event_of(name, subject=subject))
        if kind in TYPES[name].streams:
            assert decode(raw).subject == subject
        else:
            with pytest.raises(Unreadable, match="cannot stand on"):
                decode(raw)
