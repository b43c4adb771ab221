"""No number of a person is taken into what stands on the log in clear (I-14; design 9)."""

from __future__ import annotations

from typing import Any

import pytest

from services.intake.complaint import Refused
from services.intake.facts import read_fact, seal_fact
from services.intake.personal import number_of_a_person
from shared.sealing import Matcher, Sealer
from tests.intake.test_complaint import policy

IDENTITY = "410125199001319903"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (IDENTITY, "identity"),
        ("身份证４１０１２５１９９００１３１９９０３", "identity"),
        ("410125 19900131 9903", "identity"),
        ("13812345678", "telephone"),
        ("电话138-1234-5678。", "telephone"),
        ("+86 138 1234 5678", "telephone"),
        ("一三八一二三四五六七八", "telephone"),
        ("幺三八幺两三四五六拐八", "telephone"),
        ("卡6222021234567890128", "card"),
        ("6222 0212 3456 7890 128", "card"),
        ("登人社监令字〔2021〕第15号", None),
        ("15-2021-11-001", None),
        ("20211201000012345", None),
        ("410125199001319904", None),
        ("410185202112030011", None),
        ("6222021234567890129", None),
        ("138123456789", None),
        ("a13812345678", None),
        ("0" * 64, None),
    ],
)
def test_a_number_of_a_person_is_known_however_it_is_written(text: str, kind: str | None) -> None:
    assert number_of_a_person(text) == kind


@pytest.mark.parametrize(
    ("type_name", "data", "pointer"),
    [
        ("FirstContactMade", {"channel": "13812345678"}, "/data/channel"),
        ("PaymentOrderIssued", {"doc_no": IDENTITY}, "/data/doc_no"),
        (
            "PaymentRecorded",
            {
                "payment": "1",
                "lines": [{"line": "1", "amount_fen": 1}],
                "voucher": "卡6222021234567890128",
            },
            "/data/voucher",
        ),
        (
            "FactsVerified",
            {"lines": [{"line": f"李四{IDENTITY}", "amount_fen": 1, "months": 1}]},
            "/data/lines/0/line",
        ),
        ("ZeroReportFiled", {"period": "138 1234 5678"}, "/data/period"),
        ("SupplementReceived", {"industry": "13812345678"}, "/data/industry"),
        (
            "SupplementReceived",
            {"employer": {"name": "店13812345678", "uscc": "91410185MA3X1YKC2B"}},
            "/data/employer/name",
        ),
    ],
)
def test_it_is_refused_where_it_would_stand_in_clear(
    type_name: str, data: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        sealed(type_name, data)

    assert [(p.pointer, p.code) for p in refused.value.problems] == [(pointer, "personal_number")]
    assert IDENTITY not in str(refused.value)


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        ("ProgressReported", {"text": f"电话13812345678，身份证{IDENTITY}"}),
        ("SupplementRequested", {"items": ["13812345678"]}),
        ("SupplementReceived", {"text": "13812345678", "employer": {"name": "店13812345678"}}),
        # A platform's own number is said as the platform says it.
        ("SourceReplied", {"source": "12345", "source_ref": "13812345678"}),
    ],
)
def test_what_is_sealed_holds_any_number(type_name: str, data: dict[str, Any]) -> None:
    sealed(type_name, data)


def sealed(type_name: str, data: dict[str, Any]) -> Any:
    sealer = Sealer("case-1", b"k" * 32, Matcher(b"m" * 32))
    return seal_fact(read_fact(type_name, data), sealer, policy(), "e1")
