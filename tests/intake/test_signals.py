"""The extraction as a whole: claims, leads, urgency; pure, bounded, free of what people wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.signals import MAX_CHARS, VERSION, Lexicon, LexiconError, extract
from services.intake.signals.heads import MAX_WORKERS
from services.intake.signals.leads import LEADS
from services.intake.signals.lexicon import Scanner
from services.intake.signals.months import MAX_MONTHS
from shared.events import MAX_FEN
from shared.events import Signals as Published
from tests.intake.signals_book import gazetteer, lexicon, raw, signals_of

SURE = 800_000


@pytest.mark.parametrize(
    "text",
    [
        "矿上拖欠工资。",
        "修村道的老板跑了，十四个人工资没发。",
        "我在某超市上班，离职后工资不发",
        "包工头欠我们血汗钱，干了半年没拿到钱",
        "学校拖欠代课教师工资。",
        "公司发不出工资，压了我们两个月工资",
    ],
)
def test_claims_of_unpaid_wages(text: str) -> None:
    assert signals_of(text).claim


@pytest.mark.parametrize(
    "text",
    [
        "咨询社保怎么交",
        "开发商延期交房，业主要求退款",
        "反映工资待遇太低，希望涨工资",
        "小区旁边工地噪音扰民",
        "退休人员养老金为何推迟发放",
        "甲方拖欠设备租赁费",
        "我们用血汗钱买的房子漏水",
    ],
)
def test_matters_that_are_no_wage_claims(text: str) -> None:
    assert not signals_of(text).claim


def test_an_empty_text_says_nothing_against_a_claim_and_proposes_nothing() -> None:
    found = signals_of(" \n", None)
    assert found.claim
    assert found.leads == {}
    assert (found.lead, found.confidence_ppm, found.margin_ppm) == ("TRIAGE", 0, 0)


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        ("某住宅小区项目部拖欠农民工工资\n我们木工班组在工地干活，包工头不给工钱", "TF1"),
        ("棚改项目安置房工地，总包不付农民工工资", "TF2"),
        ("政府投资的学校建设项目，施工队欠我们木工班组工资", "TF2"),
        ("乡镇卫生院编外护士工资拖欠\n我们是卫生院临聘人员", "TF2"),
        ("小学拖欠代课教师工资\n我是公办小学的编外教师", "TF2"),
        ("环卫工人三个月没发工资", "TF3"),
        ("公交公司拖欠公交司机工资", "TF3"),
        ("武校拖欠教练工资", "TF4"),
        ("私立幼儿园拖欠幼师工资", "TF4"),
        ("煤矿拖欠矿工三个月工资", "TF5"),
        ("供电公司拖欠职工工资\n我们是国有企业的职工", "TF6"),
        ("服装厂拖欠员工工资\n我在车间流水线上班", "TF7"),
        ("产业集聚区某电子厂拖欠工人工资", "TF7"),
        ("酒店拖欠服务员工资\n我是前台，已经离职", "TF7"),
    ],
)
def test_sure_leads(text: str, lead: str) -> None:
    found = signals_of(text)
    assert (found.lead, found.confidence_ppm >= SURE) == (lead, True)
    assert found.margin_ppm >= 150_000


@pytest.mark.parametrize(
    "text",
    [
        "我们是外卖骑手，站点拖欠工资。",
        "物业公司拖欠保安工资",
        "保险公司拖欠工资，业务员提成没发",
        "拖欠工资",
        "见附件",
    ],
)
def test_no_task_force_is_sure_outside_their_sectors_or_without_facts(text: str) -> None:
    found = signals_of(text)
    assert found.lead == "TRIAGE" or found.confidence_ppm < SURE


def test_urgency_and_project_money() -> None:
    found = signals_of("老板跑了，工人要跳楼，工资和工程款都拖欠着")
    assert found.urgent
    assert set(found.terms["urgent"]) == {"老板跑了", "跳楼"}
    assert found.mixed
    assert signals_of("工程款和农民工工资都没有给").mixed
    assert signals_of("工人工资、机械租赁费没有给").mixed
    assert not signals_of("因工程款没到位，农民工工资没发").mixed
    assert not signals_of("老板说工程款没下来，工资不发").mixed
    assert not signals_of("公司拖欠我三个月工资").urgent


def test_the_result_is_data_of_the_published_language() -> None:
    found = signals_of("某工地拖欠我们12人工资共计6万元\n包工头失联", "登封市唐庄镇")
    published = Published.model_validate_json(json.dumps(found.as_data(), ensure_ascii=False))
    assert (published.version, published.workers, published.amount_fen) == (VERSION, 12, 6_000_000)
    assert published.places[0].township == "410185109"
    assert list(published.leads) == list(found.leads)


def strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(strings(v) for v in value.values()), value)
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


@lru_cache(maxsize=1)
def known_strings() -> set[str]:
    words = raw("lexicon")
    allowed = {VERSION, *lexicon().words, *lexicon().sectors, *words["urgent"], *words["not_wages"]}
    allowed |= {*gazetteer().aliases, *gazetteer().outside, "外地", "outside", *LEADS}
    allowed |= {"address", "project", "employer", "work", "text", "home", "urgent", "not_wages"}
    for alias in gazetteer().aliases.values():
        allowed |= {alias.rule, str(alias.township)}
    return allowed | set(signals_of("").as_data()) | {"field", "text", "township", "rule"}


PIECES = [
    *(
        "拖欠",
        "工资",
        "元",
        "万",
        "十",
        "三个月",
        "人",
        "每人",
        "农民工",
        "，",
        "。",
        "\n",
        "欠",
        "至",
        "1月",
    ),
    *(
        "9" * 30,
        "2021年",
        "0",
        "我们",
        "工程款",
        "卢店",
        "送表",
        "新密市",
        "某某县",
        "在",
        "打工",
        "我是",
        "张三丰",
        "(",
        "多",
        "共计",
        "已付",
        "\ud800",
        "𠮷",
    ),
]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
)
def test_any_text_is_read_within_bounds_and_nothing_of_it_is_kept(text: str) -> None:
    names = {"project": text, "employer": text}
    found = extract(text, address=text, lexicon=lexicon(), gazetteer=gazetteer(), **names)
    assert found.workers is None or 0 < found.workers <= MAX_WORKERS + 1
    assert found.amount_fen is None or 0 < found.amount_fen <= MAX_FEN
    assert found.months is None or 0 < found.months <= MAX_MONTHS
    assert 0 <= found.claim_ppm <= 1_000_000
    assert found.leads == {} or abs(sum(found.leads.values()) - 1_000_000) <= len(LEADS)
    assert list(found.leads.values()) == sorted(found.leads.values(), reverse=True)
    assert strings(found.as_data()) <= known_strings()
    assert found == extract(text, address=text, lexicon=lexicon(), gazetteer=gazetteer(), **names)


def test_only_the_beginning_of_a_very_long_text_is_read() -> None:
    long = "无" * MAX_CHARS + "拖欠12名农民工工资"
    assert signals_of(long) == signals_of("无" * MAX_CHARS)


PROGRAM = """
import json
from tests.intake.signals_book import signals_of
texts = [
    "某小区工地拖欠农民工工资\\n我们12人，每人5000元，老板失联，要跳楼",
    "公交公司欠薪，学校、医院、煤矿、外卖",
]
print(json.dumps([signals_of(text, "登封市卢店镇").as_data() for text in texts]))
"""


def test_the_hash_seed_changes_nothing() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1


def test_the_longest_word_wins_without_overlap() -> None:
    scanner = Scanner.of(["自来水", "自来水公司", "公司", "水公"])
    assert scanner.find("市自来水公司和公司") == [(1, "自来水公司"), (7, "公司")]


def test_a_lexicon_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(LexiconError, match="sectors is missing"):
        Lexicon.from_mapping({})
    with pytest.raises(LexiconError, match="工地 stands in a and b"):
        Lexicon.from_mapping({"sectors": {"a": {"strong": ["工地"]}, "b": {"plain": ["工地"]}}})
    with pytest.raises(LexiconError, match="no list of words"):
        Lexicon.from_mapping({"sectors": {"a": {"strong": "工地"}}})
    with pytest.raises(LexiconError, match="too short"):
        Lexicon.from_mapping({"sectors": {"a": {"strong": ["工"]}}})
