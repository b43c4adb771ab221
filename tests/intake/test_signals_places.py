"""Townships by rule (domain 5.3): names, aliases, abolished areas, and what is no place."""

from __future__ import annotations

import pytest

from services.intake.signals import Gazetteer, LexiconError
from tests.intake.signals_book import gazetteer, raw, signals_of


@pytest.mark.parametrize(
    ("address", "township"),
    [
        ("登封市卢店镇产业集聚区", "410185004"),
        ("登封市芦店东街", "410185004"),
        ("卢店街道某厂", "410185004"),
        ("颖阳镇某村", "410185101"),
        ("颖阳某村", "410185101"),
        ("颍阳镇", "410185101"),
        ("登封市少林办某工地", "410185002"),
        ("登封市少林街道办事处", "410185002"),
        ("嵩阳办", "410185001"),
        ("王村", "410185106"),
        ("唐庄乡", "410185109"),
        ("东金店", "410185108"),
        ("大金店", "410185100"),
    ],
)
def test_names_and_aliases(address: str, township: str) -> None:
    places = signals_of("拖欠工资", address).places
    assert [(p.field, p.township) for p in places] == [("address", township)]
    assert places[0].text in address


def test_rule_ids_name_the_alias() -> None:
    (place,) = signals_of("", "登封市卢店镇产业集聚区").places
    assert (place.text, place.rule) == ("卢店镇", "alias-410185004-1")
    (place,) = signals_of("", "登封市卢店街道").places
    assert place.rule == "name-410185004"


@pytest.mark.parametrize("address", ["登封市送表矿区", "送表", "阳城区"])
def test_abolished_areas_mean_no_township(address: str) -> None:
    (place,) = signals_of("", address).places
    assert place.township is None
    assert place.rule.startswith("abolished-")


@pytest.mark.parametrize(
    "address",
    [
        "湖北省大冶市",
        "嵩阳路1号",
        "少林寺",
        "在少林办事",
        "大功告成",
        "产业集聚区",
        "嵩山景区",
        "唐庄小区",
        "",
    ],
)
def test_what_is_no_township(address: str) -> None:
    assert signals_of("", address).places == ()


def test_a_full_name_outranks_a_bare_one_and_the_address_comes_first() -> None:
    (place,) = signals_of("", "登封市唐庄镇王村").places
    assert place.township == "410185109"
    places = signals_of("我在告成镇的工地干活，没有发工资", "登封市大冶镇").places
    assert [(p.field, p.township) for p in places] == [
        ("address", "410185105"),
        ("text", "410185103"),
    ]


def test_every_township_of_the_book_is_known() -> None:
    codes = {entry["code"] for entry in raw("organisation")["organisation"]["townships"]}
    assert {alias.township for alias in gazetteer().aliases.values()} - {None} == codes


def test_a_gazetteer_that_cannot_be_read_is_refused() -> None:
    twice = {"townships": [{"code": "1", "name": "甲镇"}, {"code": "2", "name": "甲镇"}]}
    with pytest.raises(LexiconError, match="甲镇 stands twice"):
        Gazetteer.from_mapping(twice)
    with pytest.raises(LexiconError, match="no name"):
        Gazetteer.from_mapping({"townships": [{"code": "1"}]})
    with pytest.raises(LexiconError, match="no list of entries"):
        Gazetteer.from_mapping({"townships": "嵩阳街道"})
