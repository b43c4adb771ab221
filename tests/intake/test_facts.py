"""What a fact may not hold: what no table can keep, and instants that no calendar knows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.intake.api import FactBody, GroupBody, TriageBody, VerdictBody, parsed
from services.intake.complaint import Refused
from services.intake.facts import read_fact, seal_fact
from shared.envelope import unsealed_fields
from shared.events import MAX_FEN, SupplementReceived
from shared.sealing import Matcher, Sealer
from tests.intake.test_complaint import policy

BEYOND = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
BODIES: tuple[tuple[type[Any], dict[str, Any]], ...] = (
    (FactBody, {"type": "ComplaintAccepted"}),
    (GroupBody, {"type": "ProgressReported", "items": [{"case_id": "x"}]}),
    (TriageBody, {"items": [{"case_id": "x", "township": "410185109"}]}),
    (VerdictBody, {"decision": "merge"}),
)


@pytest.mark.parametrize("instant", BEYOND)
@pytest.mark.parametrize(("model", "body"), BODIES)
def test_an_instant_that_utc_has_not_is_refused_with_its_place(
    model: type[Any], body: dict[str, Any], instant: str
) -> None:
    with pytest.raises(Refused) as refused:
        parsed(model, orjson.dumps(body | {"occurred_at": instant}))
    assert [item.pointer for item in refused.value.problems] == ["/occurred_at"]


@pytest.mark.parametrize("instant", BEYOND)
def test_so_is_one_within_the_data(instant: str) -> None:
    with pytest.raises(Refused) as refused:
        read_fact("ExtensionRequested", {"to": instant, "reason": "x"})
    assert [item.pointer for item in refused.value.problems] == ["/data/to"]


EPOCHS = ("1637000000", "1637000000.5", "-5", "1637020800000")
NOT_RFC3339 = (*EPOCHS, "2021-11-10_09:00:00Z", "2021-11-10T09:00Z", "2021-11-10T09:00:00,5Z")


@pytest.mark.parametrize("instant", NOT_RFC3339)
@pytest.mark.parametrize(("model", "body"), BODIES)
def test_an_instant_is_read_as_rfc_3339_alone(
    model: type[Any], body: dict[str, Any], instant: str
) -> None:
    """Seconds since 1970 in quotes are a day of another year to whoever meant something else."""
    with pytest.raises(Refused) as refused:
        parsed(model, orjson.dumps(body | {"occurred_at": instant}))
    found = [(item.pointer, item.code) for item in refused.value.problems]
    assert found == [("/occurred_at", "not_rfc3339")]


@pytest.mark.parametrize(
    ("type_name", "data", "pointer"),
    [
        ("ExtensionRequested", {"to": "1637000000", "reason": "x"}, "/data/to"),
        ("CreditListingDecided", {"rule": "x", "until": "1637020800"}, "/data/until"),
        (
            "InstalmentPlanAgreed",
            {"plan": [{"n": 1, "due_on": "1637020800", "amount_fen": 1}]},
            "/data/plan/0/due_on",
        ),
    ],
)
def test_so_are_instants_and_days_within_the_data(
    type_name: str, data: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_fact(type_name, data)
    found = [(item.pointer, item.code) for item in refused.value.problems]
    assert found == [(pointer, "not_rfc3339")]


def test_a_list_whose_only_item_is_bad_is_not_called_empty() -> None:
    line = {"line": "1", "amount_fen": -1}
    with pytest.raises(Refused) as caught:
        read_fact("PaymentRecorded", {"payment": "p", "lines": [line]})
    assert [item.pointer for item in caught.value.problems] == ["/data/lines/0/amount_fen"]
    with pytest.raises(Refused) as caught:
        read_fact("PaymentRecorded", {"payment": "p", "lines": []})
    assert [item.pointer for item in caught.value.problems] == ["/data/lines"]


@pytest.mark.parametrize(
    ("type_name", "data", "pointer"),
    [
        (
            "FactsVerified",
            {"lines": [{"line": n, "amount_fen": MAX_FEN, "months": 3} for n in ("1", "2")]},
            "/data/lines",
        ),
        (
            "PaymentVerified",
            {"payment": "p", "lines": [{"line": n, "amount_fen": MAX_FEN} for n in ("1", "2")]},
            "/data/lines",
        ),
        (
            "InstalmentPlanAgreed",
            {"plan": [{"n": n, "due_on": "2021-12-01", "amount_fen": MAX_FEN} for n in (1, 2)]},
            "/data/plan",
        ),
    ],
)
def test_more_money_than_there_is_is_refused_as_a_sum_too(
    type_name: str, data: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_fact(type_name, data)
    assert [(item.pointer, item.code) for item in refused.value.problems] == [(pointer, "absurd")]


def test_what_is_rfc_3339_is_read() -> None:
    for instant in ("2021-11-10T09:00:00+08:00", "2021-11-10t09:00:00.5z", "2021-11-10 09:00:00Z"):
        read_fact("ExtensionRequested", {"to": instant, "reason": "x"})
    plan = [{"n": 1, "due_on": "2021-11-16", "amount_fen": 1}]
    read_fact("InstalmentPlanAgreed", {"plan": plan})


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"type":"ProgressReported","type":"ComplaintAccepted"}', "/type"),
        (b'{"type":"ProgressReported","data":{"text":"a","text" : "b"}}', "/data/text"),
        (b'{"type":"x","data":{"a~b":[{"c":1,"\\u0063":1}]}}', "/data/a~0b/0/c"),
    ],
)
def test_a_name_that_stands_twice_is_refused_with_its_place(raw: bytes, pointer: str) -> None:
    """One reader takes the first value, another the last: nobody may choose."""
    with pytest.raises(Refused) as refused:
        parsed(FactBody, raw)
    assert [(item.pointer, item.code) for item in refused.value.problems] == [(pointer, "twice")]


@pytest.mark.parametrize(
    ("type_name", "data", "pointer"),
    [
        ("ZeroReportFiled", {"period": "\x00"}, "/data/period"),
        ("ZeroReportFiled", {"per\x00iod": "x"}, "/data"),
        ("ProgressReported", {"text": "a\x00b"}, "/data/text"),
        ("SourceReplied", {"source": "window", "source_ref": "a\x00"}, "/data/source_ref"),
        ("SupplementRequested", {"items": ["x", "a\x00"]}, "/data/items/1"),
    ],
)
def test_a_nul_is_refused_with_its_place(
    type_name: str, data: dict[str, Any], pointer: str
) -> None:
    """On the log it would end whoever folds it into PostgreSQL, for ever."""
    with pytest.raises(Refused) as refused:
        read_fact(type_name, data)
    assert [(item.pointer, item.code) for item in refused.value.problems] == [(pointer, "nul")]


def test_a_code_holds_no_control_character() -> None:
    with pytest.raises(Refused):
        read_fact("ZeroReportFiled", {"period": "a\nb"})


def test_a_supplement_is_sealed_and_read_as_a_complaint_is() -> None:
    told = {
        "text": "工地拖欠我们12人工资共计6万元",
        "employer": {"name": "示例劳务有限公司"},
        "project": {"name": "示例花园", "owner": "登封市示例镇人民政府"},
        "site": {"address": "登封市大冶镇"},
    }
    fact = read_fact("SupplementReceived", told)
    sealer = Sealer("case-1", b"k" * 32, Matcher(b"m" * 32))
    data = seal_fact(fact, sealer, policy(), "e1")
    assert isinstance(data, SupplementReceived)
    assert unsealed_fields(data) == []
    assert data.signals is not None
    assert (data.signals.workers, data.signals.amount_fen) == (12, 6_000_000)
    assert {place.township for place in data.signals.places} == {"410185105"}
    assert data.employer is not None
    assert data.employer.key == sealer.matcher.employer("示例劳务有限公司", None)
    assert data.project is not None
    assert data.project.owner_kind == "government"


@pytest.mark.parametrize(
    ("code", "taken"), [("410185400", True), ("410185102", True), ("410185999", False)]
)
def test_a_supplement_names_a_site_by_any_code_that_the_book_knows(code: str, taken: bool) -> None:
    fact = read_fact("SupplementReceived", {"site": {"township": code}})
    sealer = Sealer("case-1", b"k" * 32, Matcher(b"m" * 32))
    if taken:
        data = seal_fact(fact, sealer, policy(), "e1")
        assert isinstance(data, SupplementReceived)
        assert data.site is not None
        assert data.site.township == code
    else:
        with pytest.raises(Refused, match="no township of the policy"):
            seal_fact(fact, sealer, policy(), "e1")
