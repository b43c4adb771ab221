"""What a fact may not hold: what no table can keep, and instants that no calendar knows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.intake.api import FactBody, GroupBody, TriageBody, VerdictBody, parsed
from services.intake.complaint import Refused
from services.intake.facts import read_fact

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
