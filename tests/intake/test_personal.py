"""No number of a person is taken into what stands on the log in clear (I-14; design 9)."""

from __future__ import annotations

from typing import Any

import pytest

from services.intake.complaint import Employer, Refused, admit, employer_of, read_object
from services.intake.facts import read_fact, seal_fact
from services.intake.numbers import number_of_a_person
from shared.sealing import Matcher, Sealer
from tests.intake.test_complaint import body, policy

IDENTITY = "410125199001319903"
USCC = "91410185MA3X1YKC2B"


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
        # One by one, in other groups, with other signs between.
        ("1 3 8 1 2 3 4 5 6 7 8", "telephone"),
        ("138 - 1234 - 5678", "telephone"),
        ("138--1234--5678", "telephone"),
        ("138–1234—5678", "telephone"),
        ("138−1234‑5678", "telephone"),
        ("138.1234.5678", "telephone"),
        ("138·1234・5678", "telephone"),
        ("138_1234/5678", "telephone"),
        ("138\u00a01234\u30005678", "telephone"),
        ("138\u20091234\u202f5678", "telephone"),
        ("(138)1234-5678", "telephone"),
        ("（１３８）１２３４５６７８", "telephone"),
        ("1381234-5678", "telephone"),
        ("00861381234 5678", "telephone"),
        ("8613812345678", "telephone"),
        ("（＋86）138 1234 5678", "telephone"),
        # Signs that nobody sees, and digits of other scripts.
        ("1\u200b3\u200b8\u200b12345678", "telephone"),
        ("138\u200d1234\u20605678", "telephone"),
        ("138\ufeff1234\u00ad5678", "telephone"),
        ("1\ufe0f\u20e33812345678", "telephone"),
        ("①③⑧①②③④⑤⑥⑦⑧", "telephone"),
        ("١٣٨١٢٣٤٥٦٧٨", "telephone"),
        ("壹叁捌壹贰叁肆伍陆柒捌", "telephone"),
        ("一三八 一二三四 五六七八", "telephone"),
        ("138一二三四5678", "telephone"),
        ("一三○一二三四五六七八", "telephone"),
        ("tel13812345678", "telephone"),
        ("微信wx13812345678", "telephone"),
        ("Phone:13812345678", "telephone"),
        ("4101 2519 9001 3199 03", "identity"),
        ("15 4101 2519 9001 3199 03", "identity"),
        ("410125-1990-01-31-9903", "identity"),
        (" ".join(IDENTITY), "identity"),
        ("\u200b".join(IDENTITY), "identity"),
        ("410125–19900131–9903", "identity"),
        ("四一零一二五一九九零零一三一九九零三", "identity"),
        ("6222·0212·3456·7890·128", "card"),
        ("6222\u200b021234567890128", "card"),
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
        ("HT13812345678", None),
        # Names of firms, years, other numbers of documents, sums, landlines, codes of places.
        ("一一八医院", None),
        ("第2建筑工程公司", None),
        ("1688商行", None),
        ("五八同城一三九店", None),
        ("一二三四五六七幼儿园", None),
        ("七七八八九九烩面馆", None),
        ("20102021", None),
        ("2010-2021", None),
        ("2021.11.10-2022.04.30", None),
        ("（2021）豫0185民初12345号", None),
        ("豫（2021）登封市不动产权第0012345号", None),
        ("13,812,345,678", None),
        ("1380-2021-001", None),
        ("13-8123-45678", None),
        ("138-2021-11-0001", None),
        ("0371-62345678", None),
        ("400-138-1234", None),
        ("410185109000", None),
        ("91410185MA3X1YKC2B", None),
        ("1 3 5 7 9 11 13", None),
        ("113.0512345", None),
        ("2021-11-10 2021-12-15 2022-01-01", None),
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
        ("MergeApproved", {"master": "m", "same": {"13812345678": "1"}}, "/data/same"),
        ("MergeApproved", {"master": "m", "same": {"1": "13812345678"}}, "/data/same/1"),
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
        ("SupplementReceived", {"employer": {"name": "店13812345678", "uscc": USCC}}),
        # A platform's own number is said as the platform says it.
        ("SourceReplied", {"source": "12345", "source_ref": "13812345678"}),
    ],
)
def test_what_is_sealed_holds_any_number(type_name: str, data: dict[str, Any]) -> None:
    sealed(type_name, data)


def sealed(type_name: str, data: dict[str, Any]) -> Any:
    sealer = Sealer("case-1", b"k" * 32, Matcher(b"m" * 32))
    return seal_fact(read_fact(type_name, data), sealer, policy(), "e1")


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("示例服装有限公司", True),
        ("一一八医院", True),
        ("第2建筑工程有限公司", True),
        ("1688商行（2010-2021）", True),
        ("店13812345678", False),
        ("老王装修队１３８ １２３４ ５６７８", False),
        ("老王装修队一三八一二三四五六七八", False),
        (f"王小二{IDENTITY}", False),
    ],
)
@pytest.mark.parametrize("door", ["complaint", "supplement"])
def test_a_registered_employer_s_name_is_sealed_where_it_holds_one(
    door: str, name: str, public: bool
) -> None:
    """The complaint is taken all the same, and matched by its employer's code as before."""
    sealer = Sealer("case-1", b"k" * 32, Matcher(b"m" * 32))
    told = employer_of(Employer(name=name, uscc=USCC), sealer, "e1")
    if door == "complaint":
        given = read_object(body(employer={"name": name, "uscc": USCC}))
        told = admit(given, "case-1", sealer, policy()).employer
    assert told is not None
    assert (told.name == name) == public
    assert sealer.open(told.name or "") == name if not public else True
    assert told.key == sealer.matcher.employer(None, USCC)
