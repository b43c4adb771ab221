"""Reading a complaint: what is refused, with its pointer, and what is kept, sealed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.intake.complaint import Refused, admit, check, read, read_object
from shared.claims import Claimed, own
from shared.envelope import case_id_of, unsealed_fields
from shared.events import MAX_FEN, ComplaintReceived
from shared.policy import Policy, adopt, read_book
from shared.sealing import Matcher, Sealer

NOW = datetime(2022, 1, 4, 1, 0, tzinfo=UTC)
MATCHER = Matcher(b"m" * 32)
STORIES = Path(__file__).parents[3] / "shared" / "acceptance" / "stories"


@cache
def policy() -> Policy:
    return adopt(read_book("dengfeng-2021-35"), datetime(2021, 11, 10, tzinfo=UTC), "test")


def body(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "source": "national",
        "source_ref": "QG-1",
        "tier": "NAT",
        "received_at": "2021-11-10T09:00:00+08:00",
        "employer": {"name": "示例服装店", "ownership": "private", "industry": "1811"},
        "project": {"name": "示例家园", "owner": "示例镇人民政府", "kind": "housing"},
        "site": {"address": "登封市唐庄镇某路9号", "township": "410185109"},
        "workers": 2,
        "amount_fen": 1_200_000,
        "months_from": "2021-07",
        "months_to": "2021-09",
        "claims": [worker("410125199001319903"), worker("41012519900306991X")],
        "text": "干完活工资一直没有发，请帮助解决。电话13000000300。",
        "contact": {"name": "王小二", "phone": "13000000300"},
    }
    given |= changes
    return {name: value for name, value in given.items() if value is not None}


def worker(id_no: str, amount: int = 600_000) -> dict[str, Any]:
    return {
        "worker": {"name": "王小二", "id_no": id_no, "phone": "13000000300"},
        "amount_fen": amount,
        "months_from": "2021-07",
        "months_to": "2021-09",
    }


def received(given: dict[str, Any], key: bytes = b"k" * 32) -> ComplaintReceived:
    complaint = read_object(given)
    check(complaint, NOW, policy())
    case_id = case_id_of(complaint.source, complaint.source_ref)
    return admit(complaint, case_id, Sealer(case_id, key, MATCHER), policy())


def refused(given: dict[str, Any] | bytes) -> set[tuple[str, str]]:
    """(pointer, code) of every problem; empty if it is received."""
    try:
        complaint = read(given if isinstance(given, bytes) else orjson.dumps(given))
        check(complaint, NOW, policy())
    except Refused as error:
        return {(item.pointer, item.code) for item in error.problems}
    return set()


def test_a_whole_complaint_is_received() -> None:
    assert refused(body()) == set()


@pytest.mark.parametrize("field", ["received_at", "external_due_at"])
@pytest.mark.parametrize("instant", ["1637000000", "1637000000.5", "2021-11-10T09:00Z"])
def test_an_instant_is_read_as_rfc_3339_alone(field: str, instant: str) -> None:
    assert refused(body(**{field: instant})) == {(f"/{field}", "not_rfc3339")}


def test_a_name_that_stands_twice_is_refused_with_its_place() -> None:
    raw = orjson.dumps(body())
    assert refused(raw.replace(b'"workers":2', b'"workers":2,"workers":3')) == {
        ("/workers", "twice")
    }
    last = b'"phone":"13000000300"}}'
    assert raw.endswith(last)
    twice = raw.removesuffix(b"}}") + b',"phone":"13000000301"}}'
    assert refused(twice) == {("/contact/phone", "twice")}


def test_the_least_that_says_something_is_received() -> None:
    least = {"source": "window", "source_ref": "1", "received_at": "2021-11-10T09:00:00Z"}
    assert refused({**least, "text": "欠薪"}) == set()
    assert refused({**least, "employer": {"name": "示例店"}}) == set()
    assert refused(least) == {("", "nothing_said")}
    assert refused({**least, "text": "  "}) == {("", "nothing_said")}
    assert refused({**least, "employer": {}}) == {("", "nothing_said")}


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"source": None}, "/source", "missing"),
        ({"source_ref": None}, "/source_ref", "missing"),
        ({"received_at": None}, "/received_at", "missing"),
        ({"unknown": 1}, "/unknown", "extra_forbidden"),
        ({"employer": {"nmae": "x"}}, "/employer/nmae", "extra_forbidden"),
        ({"employer": {"a/b~c": "x"}}, "/employer/a~1b~0c", "extra_forbidden"),
        ({"workers": "2"}, "/workers", "int_type"),
        ({"workers": 0}, "/workers", "greater_than_equal"),
        ({"workers": 10**9}, "/workers", "less_than_equal"),
        ({"amount_fen": 12.5}, "/amount_fen", "int_type"),
        ({"amount_fen": -1}, "/amount_fen", "greater_than_equal"),
        ({"amount_fen": 10**15}, "/amount_fen", "less_than_equal"),
        ({"amount_fen": True}, "/amount_fen", "int_type"),
        ({"received_at": "2021-11-10T09:00:00"}, "/received_at", "timezone_aware"),
        ({"received_at": 1636506000}, "/received_at", "datetime_type"),
        ({"received_at": "2022-01-04T09:00:01+08:00"}, "/received_at", "future"),
        ({"external_due_at": "0001-01-01T00:00:00+14:00"}, "/external_due_at", "absurd"),
        ({"external_due_at": "9999-11-10T09:00:00+08:00"}, "/external_due_at", "absurd"),
        ({"external_due_at": "2005-01-01T09:00:00+08:00"}, "/external_due_at", "calendar"),
        ({"months_from": "2021-13"}, "/months_from", "string_pattern_mismatch"),
        ({"months_from": "2021-10"}, "/months_from", "months_reversed"),
        ({"months_to": "2021-12"}, "/months_to", "future"),
        ({"source": "somebody"}, "/source", "unknown_source"),
        ({"tier": "EU"}, "/tier", "literal_error"),
        ({"via": "email"}, "/via", "literal_error"),
        ({"site": {"township": "410185999"}}, "/site/township", "unknown_township"),
        ({"employer": {"uscc": "91410185MA00071960"}}, "/employer/uscc", "bad_uscc"),
        ({"employer": {"industry": "A01"}}, "/employer/industry", "string_pattern_mismatch"),
        ({"claims": [worker("410125199001319904")]}, "/claims/0/worker/id_no", "bad_id_no"),
        ({"claims": [worker("410125199002309903")]}, "/claims/0/worker/id_no", "bad_id_no"),
        ({"workers": 1}, "/workers", "contradiction"),
        ({"amount_fen": 1_199_999}, "/amount_fen", "contradiction"),
        (
            {"claims": [{"amount_fen": MAX_FEN}, {"amount_fen": 1}], "amount_fen": None},
            "/claims",
            "absurd",
        ),
        ({"source_ref": "a\u0000b"}, "/source_ref", "string_pattern_mismatch"),
        ({"source_ref": ""}, "/source_ref", "string_too_short"),
        ({"source_ref": "x" * 201}, "/source_ref", "string_too_long"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    changes: dict[str, Any], pointer: str, code: str
) -> None:
    assert refused(body(**changes)) == {(pointer, code)}


@pytest.mark.parametrize("code", ["410185400", "410185104", "410185102", "NO_TOWNSHIP"])
def test_a_site_may_be_told_by_a_code_that_is_no_more(code: str) -> None:
    """Domain 5.3: of an abolished area the office decides, so the complaint must reach it."""
    assert refused(body(site={"township": code})) == set()


def test_a_day_without_an_hour_and_a_year_before_wages_were_written_are_refused() -> None:
    assert ("/received_at", "absurd") in refused(body(received_at="1999-11-10T09:00:00+08:00"))
    assert {place for place, _ in refused(body(received_at="2021-11-10"))} == {"/received_at"}


@pytest.mark.parametrize(
    ("instant", "code"),
    [("0001-01-01T00:00:00+14:00", "absurd"), ("9999-12-31T23:59:59-14:00", "future")],
)
def test_an_instant_that_no_calendar_knows_is_refused(instant: str, code: str) -> None:
    """It was an OverflowError once: a 500, and the end of the feed whose record it was."""
    assert ("/received_at", code) in refused(body(received_at=instant))
    found = refused(body(received_at=instant, external_due_at=instant))
    assert {("/received_at", code), ("/external_due_at", "absurd")} <= found


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"{}" * 2],
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    assert {pointer for pointer, _ in refused(raw)} == {""}


def test_a_complaint_that_is_too_long_is_refused() -> None:
    assert refused(b" " * (1 << 20) + b"{}") == {("", "too_long")}
    assert refused(body(text="欠" * 20_001)) == {("/text", "string_too_long")}


def test_several_faults_are_told_at_once() -> None:
    wrong = body(months_from="2021-10", amount_fen=1, source="x")
    assert {pointer for pointer, _ in refused(wrong)} == {"/months_from", "/amount_fen", "/source"}


def test_an_instant_ahead_of_the_clock_says_nothing_of_the_months() -> None:
    ahead = body(
        received_at="2022-03-01T09:00:00+08:00", months_from="2022-01", months_to="2022-02"
    )
    assert refused(ahead) == {("/received_at", "future")}
    reversed_too = ahead | {"months_from": "2022-03"}
    assert refused(reversed_too) == {
        ("/received_at", "future"),
        ("/months_from", "months_reversed"),
    }


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    raw = orjson.dumps(body(contact={"name": "王小二", "fone": "13000000300"}, workers="张三"))
    with pytest.raises(Refused) as found:
        read(raw)
    assert "王小二" not in repr(found.value.problems)
    assert "张三" not in repr(found.value.problems)


def test_nothing_of_a_person_stands_in_the_fact() -> None:
    fact = received(body())
    text = fact.model_dump_json()
    for word in (
        "王小二",
        "13000000300",
        "410125199001319903",
        "某路9号",
        "示例服装店",
        "示例家园",
    ):
        assert word not in text
    assert unsealed_fields(fact) == []


def test_what_was_sealed_opens_under_the_case_s_key() -> None:
    fact = received(body())
    opener = Sealer(case_id_of("national", "QG-1"), b"k" * 32, MATCHER)
    assert opener.open(fact.claims[1].sealed or "").count("41012519900306991X") == 1
    assert fact.employer is not None
    assert opener.open(fact.employer.name or "") == "示例服装店"
    assert opener.open(fact.contact or "") == '{"name":"王小二","phone":"13000000300"}'


def test_an_employer_with_a_code_is_named_in_clear() -> None:
    employer = {"name": "示例有限公司", "uscc": "91410185ma00071963"}
    fact = received(body(employer=employer))
    assert fact.employer is not None
    assert (fact.employer.name, fact.employer.uscc) == ("示例有限公司", "91410185MA00071963")


def test_lines_are_numbered_and_without_claims_the_whole_is_line_one() -> None:
    assert [line.line for line in received(body()).claims] == ["1", "2"]
    whole = received(body(claims=None)).claims
    assert [(line.line, line.amount_fen, line.months_to) for line in whole] == [
        ("1", 1_200_000, "2021-09")
    ]


def amounts(*claims: dict[str, Any], **changes: Any) -> list[int | None]:
    """The amounts of the lines as they are stored."""
    return [line.amount_fen for line in received(body(claims=list(claims), **changes)).claims]


def test_a_line_alone_without_an_amount_is_owed_what_the_complaint_says() -> None:
    who = {"worker": {"id_no": "410125199001319903"}}
    fact = received(body(claims=[who]))
    (line,) = fact.claims
    assert (line.amount_fen, line.months_from) == (1_200_000, "2021-07")
    assert own(fact.claims, fact.workers, fact.amount_fen) == (
        Claimed("1", heads=2, fen=1_200_000),
    )


def test_what_a_line_says_itself_stands_and_a_sum_is_not_shared_among_several() -> None:
    who, other = worker("410125199001319903"), worker("41012519900306991X")
    assert amounts(who) == [600_000]
    assert amounts(who | {"amount_fen": 0}) == [0]
    assert amounts(who, other | {"amount_fen": None}) == [600_000, None]
    assert amounts(who | {"amount_fen": None}, amount_fen=None) == [None]


def test_the_same_worker_and_employer_meet_however_they_are_written() -> None:
    first = received(body()).claims[0]
    other = received(
        body(
            source="12345",
            source_ref="9",
            employer={"name": " 示例 服装店", "ownership": "unknown"},
            claims=[worker(" 4101251990 01319903")],
        ),
        key=b"x" * 32,
    ).claims[0]
    assert first.worker == other.worker
    assert first.match_keys == other.match_keys
    assert first.match_keys[0].startswith("match:")


def test_a_code_and_a_name_each_find_the_other_complaint() -> None:
    both = received(body(employer={"name": "示例店", "uscc": "91410185MA00071963"})).claims[0]
    code = received(body(employer={"uscc": "91410185MA00071963"})).claims[0]
    name = received(body(employer={"name": "示例店"})).claims[0]
    assert set(both.match_keys) == {*code.match_keys, *name.match_keys}
    assert len(both.match_keys) == 2


def test_another_worker_or_employer_does_not_meet() -> None:
    first, second = received(body()).claims
    assert not set(first.match_keys) & set(second.match_keys)
    elsewhere = received(body(employer={"name": "别的店"})).claims[0]
    assert not set(first.match_keys) & set(elsewhere.match_keys)
    anonymous = received(body(claims=[{"amount_fen": 1}])).claims[0]
    assert (anonymous.worker, anonymous.match_keys) == (None, ())


def test_a_group_is_of_one_project_or_employer_and_one_month() -> None:
    keys = received(body()).group_keys
    assert len(keys) == 1
    assert keys[0].startswith("group:")
    other_employer = received(body(employer={"name": "分包队"}))
    assert other_employer.group_keys == keys
    december = received(body(received_at="2021-12-01T00:00:00+08:00"))
    assert december.group_keys != keys
    no_project = received(body(project=None))
    assert no_project.group_keys != keys
    assert len(no_project.group_keys) == 1
    assert received(body(project=None, employer=None)).group_keys == ()


def test_a_group_is_known_by_the_code_of_its_employer_and_then_by_the_name() -> None:
    employer = {"name": "示例店", "uscc": "91410185MA00071963"}
    both = received(body(project=None, employer=employer)).group_keys
    code = received(body(project=None, employer={"uscc": "91410185MA00071963"})).group_keys
    name = received(body(project=None, employer={"name": " 示例 店"})).group_keys
    assert both == (*code, *name)
    assert len(set(both)) == 2


def test_a_project_is_one_group_however_its_employer_is_written() -> None:
    employer = {"name": "示例店", "uscc": "91410185MA00071963"}
    assert received(body(employer=employer)).group_keys == received(body()).group_keys


def test_the_owner_s_name_says_who_invests() -> None:
    for owner, kind in (
        ("示例镇人民政府", "government"),
        ("示例村民委员会", None),
        ("示例城投集团有限公司", "soe"),
        ("中铁示例局", "soe"),
        ("示例县第一高级中学", "government"),
        ("示例县中医院", "government"),
        ("示例县政府投资项目代建中心", "government"),
        ("示例置业有限公司", None),
    ):
        fact = received(body(project={"name": "示例路", "owner": owner}))
        assert fact.project is not None
        assert fact.project.owner_kind == kind


def test_signals_of_text_and_address_stand_beside_them() -> None:
    signals = received(body()).signals
    assert signals is not None
    assert signals.claim
    assert {place.township for place in signals.places} == {"410185109"}
    assert received(body(text=None, site=None)).signals is None


@pytest.mark.parametrize("part", ["employer", "project"])
def test_a_name_may_tell_a_place_where_nothing_else_does(part: str) -> None:
    """Domain 5.3. Of the name itself nothing is kept in clear."""
    bare = body(text=None, site=None, project=None)
    employer = {"name": "示例厂"}
    told = bare | {"employer": employer} | {part: {"name": "登封市徐庄镇示例某处"}}
    signals = received(told).signals
    assert signals is not None
    assert [(p.field, p.text, p.township) for p in signals.places] == [
        (part, "徐庄镇", "410185107")
    ]
    assert "示例" not in signals.model_dump_json()


def test_names_are_remembered_with_the_words_they_stand_beside() -> None:
    """The same text of two employers is read twice, of one once."""
    one, other = (
        received(body(employer={"name": f"登封市{name}示例厂"}, site=None)).signals
        for name in ("徐庄镇", "石道乡")
    )
    assert one is not None
    assert other is not None
    assert [p.text for p in one.places if p.field == "employer"] == ["徐庄镇"]
    assert [p.text for p in other.places if p.field == "employer"] == ["石道乡"]


@pytest.mark.parametrize("story", sorted(STORIES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_complaint_of_the_stories_is_received(story: Path) -> None:
    for line in story.read_bytes().splitlines():
        act = orjson.loads(line)
        if act["type"] == "ComplaintReceived":
            complaint = read_object(act["data"])
            check(complaint, datetime.fromisoformat(act["at"]), policy())
