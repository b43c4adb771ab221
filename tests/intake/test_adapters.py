"""Platforms' own payloads: each shape as it is documented, and what is refused by its own name."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.adapters import Adapter, adapter_of, payload_of, registry
from services.intake.adapters.open311 import ADAPTER as OPEN311
from services.intake.complaint import Problem, Refused, check, read
from services.intake.fields import FIELDS, Assembled
from shared.policy import Policy, adopt, read_book

POLICY: Policy = adopt(read_book("dengfeng-2021-35"), datetime(2021, 11, 10, tzinfo=UTC), "test")
NOW = datetime(2022, 1, 4, tzinfo=UTC)

PERSON = {"姓名": "王小二", "身份证号": "410125199001319903"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "national": {
        "线索编号": "QG-1",
        "提交时间": "2021-11-10 09:00:00",
        "线索类型": "工程建设",
        "反映人": PERSON | {"手机号": "13000000300", "银行卡号": "6222000000000000"},
        "用人单位": "示例劳务公司",
        "欠薪地点": "登封市唐庄镇",
        "欠薪金额": 12000.5,
        "欠薪人数": 1,
        "欠薪时段": "2021年7月至2021年9月",
        "情况描述": "拖欠工资",
    },
    "12345": {
        "工单编号": "1",
        "来电时间": "2021-11-18 10:20",
        "办理时限": "2021-11-25",
        "工单类型": "投诉",
        "来电人": "王小二",
        "联系电话": 13000000300,
        "被反映单位": "示例店",
        "属地": "唐庄镇",
        "涉及人数": 3,
        "涉及金额": "3.6万元",
        "工单内容": "拖欠工资",
    },
    "12333": PERSON
    | {
        "受理编号": "1",
        "受理时间": "2021-11-12 15:04",
        "诉求类型": "投诉",
        "电话": "13000000300",
        "单位名称": "示例店",
        "行业代码": 6210,
        "欠薪起始月": "2021-07",
        "欠薪截止月": "2021年9月",
        "欠薪金额": "12000",
        "诉求内容": "拖欠工资",
    },
    "xinfang": {
        "信访编号": "1",
        "登记日期": "2021-11-20",
        "办结时限": "2022-01-18",
        "信访人": "王小二",
        "人数": "12人",
        "问题属地": "大冶镇",
        "反映内容": "拖欠工资",
    },
    "mayor": {
        "信件编号": "1",
        "来信时间": "2021-12-03 22:41:07",
        "写信人": "王小二",
        "标题": "拖欠工资",
        "内容": "三个月没有发工资",
    },
    "ducha": {
        "留言编号": "1",
        "留言时间": "2021-11-22 08:15",
        "转办函时限": "2021-12-06",
        "标题": "拖欠工资",
        "留言内容": "三个月没有发工资",
    },
}


def adapted(source: str, payload: dict[str, Any]) -> Assembled:
    adapter = adapter_of(source)
    assert adapter is not None
    return adapter.read(payload, source, POLICY)


def judged(found: Assembled) -> list[Problem]:
    """What reception finds wrong with it."""
    try:
        check(read(orjson.dumps(found.complaint)), NOW, POLICY)
    except Refused as error:
        return error.problems
    return []


@pytest.mark.parametrize("source", sorted(EXAMPLES))
def test_a_platform_s_payload_becomes_a_complaint_that_is_received(source: str) -> None:
    found = adapted(source, EXAMPLES[source])
    assert found.problems == []
    complaint = read(orjson.dumps(found.complaint))
    check(complaint, NOW, POLICY)
    assert complaint.tier == POLICY.content.organisation.sources[source]


def test_each_shape_has_an_example_and_only_known_fields() -> None:
    shapes = {adapter.name for adapter in registry().values()}
    assert shapes == {registry()[source].name for source in EXAMPLES}
    for adapter in [*registry().values(), OPEN311]:
        for name in adapter.fields.values():
            assert (name if isinstance(name, str) else name[0]) in FIELDS
        assert set(adapter.sources) <= POLICY.content.organisation.sources.keys()


SHAPES = ["national", "hotline_12345", "hotline_12333", "petition", "mayor", "board"]


@pytest.mark.parametrize("module", SHAPES)
def test_the_documented_payload_is_the_one_that_is_read(module: str) -> None:
    """Every key of the docstring's example is one that the adapter takes or ignores."""
    code = import_module(f"services.intake.adapters.{module}")
    example = re.search(r"\{.*\}", code.__doc__ or "", re.DOTALL)
    assert example is not None
    payload = ast.literal_eval(example.group())
    adapter: Adapter = code.ADAPTER
    found = adapter.read(payload, adapter.sources[0], POLICY)
    assert not [item for item in found.problems if item.code == "extra_forbidden"]


def test_the_details_that_rules_hang_on() -> None:
    national = adapted("national", EXAMPLES["national"]).complaint
    assert national["employer"]["industry"] == "47", "工程建设: the claim is project-based"
    assert national["amount_fen"] == 1_200_050
    assert national["claims"][0]["worker"]["id_no"] == "410125199001319903"
    assert "6222000000000000" not in str(national), "the bank card is not kept"
    order = adapted("12345", EXAMPLES["12345"]).complaint
    assert order["external_due_at"] == "2021-11-26T00:00:00+08:00", "24:00 of the day"
    assert order["site"]["township"] == "410185109"
    petition = adapted("xinfang", EXAMPLES["xinfang"]).complaint
    assert (petition["via"], petition["kind"]) == ("petition", "transfer")
    assert adapted("ducha", EXAMPLES["ducha"]).complaint["kind"] == "supervised"
    assert adapted("rmw", EXAMPLES["ducha"]).complaint["kind"] == "transfer"


@pytest.mark.parametrize("told", ["送表矿区", "410185400"])
def test_an_abolished_area_is_taken_for_the_office_to_decide(told: str) -> None:
    """Domain 5.3."""
    found = adapted("12345", EXAMPLES["12345"] | {"属地": told})
    assert found.complaint["site"]["township"] == "410185400"


def test_of_several_workers_the_one_named_is_not_owed_the_whole_sum() -> None:
    found = adapted("national", EXAMPLES["national"] | {"欠薪人数": 5})
    assert found.complaint["amount_fen"] == 1_200_050
    assert "amount_fen" not in found.complaint["claims"][0]


@pytest.mark.parametrize(
    ("source", "changes", "pointer", "code"),
    [
        ("12345", {"办理时限": None}, "/办理时限", "missing"),
        ("12345", {"涉及金额": "若干"}, "/涉及金额", "not_an_amount"),
        ("12345", {"新字段": 1}, "/新字段", "extra_forbidden"),
        ("12345", {"属地": "某乡"}, "/属地", "unknown_township"),
        ("12345", {"来电人": ["王"]}, "/来电人", "wrong_type"),
        ("national", {"反映人": {"身份证号": 410125199001319903}},
         "/反映人/身份证号", "lost_digits"),
        ("national", {"线索类型": "其他"}, "/线索类型", "not_in_list"),
        ("xinfang", {"反映内容": ""}, "/反映内容", "missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_the_platform_s_own_name(
    source: str, changes: dict[str, Any], pointer: str, code: str
) -> None:
    problems = adapted(source, EXAMPLES[source] | changes).problems
    assert (pointer, code) in {(item.pointer, item.code) for item in problems}


def test_what_reception_refuses_is_told_by_the_platform_s_own_name() -> None:
    found = adapted("national", EXAMPLES["national"] | {"统一社会信用代码": "91410185MA00071960"})
    with pytest.raises(Refused) as error:
        check(read(orjson.dumps(found.complaint)), NOW, POLICY)
    assert [item.pointer for item in found.told(error.value.problems)] == ["/统一社会信用代码"]


def test_a_name_that_stands_twice_in_a_payload_is_refused_with_its_place() -> None:
    with pytest.raises(Refused) as error:
        payload_of(b'{"a":{"b":1,"b":2},"c":"\\"b\\":"}')
    assert [(item.pointer, item.code) for item in error.value.problems] == [("/a/b", "twice")]


def test_an_open311_form_becomes_a_complaint() -> None:
    form = {
        "source_ref": "open311-1",
        "received_at": "2021-11-10T09:00:00+08:00",
        "service_code": "wage-arrears-report",
        "description": "工地欠薪",
        "first_name": "小二",
        "last_name": "王",
        "attribute[amount]": "1.2万",
        "lat": "34.4",
        "long": "113.0",
    }
    found = OPEN311.read(form, "12345", POLICY)
    assert found.problems == []
    assert found.complaint["kind"] == "report"
    assert found.complaint["contact"] == {"name": "王小二"}
    assert found.complaint["amount_fen"] == 1_200_000


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1),
              st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_no_payload_brings_an_adapter_down(source: str, data: st.DataObject) -> None:
    """It becomes a complaint, which reception judges, or every fault has a place."""
    payload = dict(EXAMPLES[source])
    names = st.one_of(st.sampled_from(sorted(payload)), st.text(max_size=8))
    payload |= data.draw(st.dictionaries(names, JSON, max_size=4))
    found = adapted(source, payload_of(orjson.dumps(payload)))
    for item in found.problems:
        assert item.pointer.startswith("/")
    assert all(item.code for item in found.told(judged(found)))


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(OPEN311.fields)), st.text(max_size=8)),
                       st.text(max_size=30), max_size=8))  # fmt: skip
def test_no_form_brings_open311_down(form: dict[str, str]) -> None:
    found = OPEN311.read(form, "12345", POLICY)
    assert found.problems or judged(found) or found.complaint["source"] == "12345"
