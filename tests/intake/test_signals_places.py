"""Townships by rule (domain 5.3): names, aliases, abolished areas, and what is no place."""

from __future__ import annotations

import pytest

from services.intake.signals import Gazetteer, LexiconError, extract
from tests.intake.signals_book import gazetteer, lexicon, raw, signals_of


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
        ("work", "410185103"),
    ]


@pytest.mark.parametrize(
    ("written", "township"),
    [
        ("盧店鎮", "410185004"),
        ("蘆店", "410185004"),
        ("盧店镇", "410185004"),
        ("嵩陽街道辦事處", "410185001"),
        ("嵩阳街办", "410185001"),
        ("少林街办", "410185002"),
        ("中嶽街道", "410185003"),
        ("潁陽鎮", "410185101"),
        ("穎陽", "410185101"),
        ("告城镇", "410185103"),
        ("告城", "410185103"),
        ("徐莊鎮", "410185107"),
        ("東華鎮", "410185108"),
        ("唐莊鄉", "410185109"),
        ("君召鄉", "410185203"),
    ],
)
def test_other_spellings(written: str, township: str) -> None:
    (place,) = signals_of("", f"登封市{written}某村").places
    assert (place.text, place.township) == (written, township)


@pytest.mark.parametrize(
    "text",
    [
        "多次报告成了空话",
        "公司宣告成立",
        "老板被告成了老赖",
        "原告成都某公司",
        "广告成本太高",
        "公告成空文",
        "警告成了摆设",
        "状告成都某公司",
        "我告城管局不作为",
        "大功告成",
        "重大冶金项目",
        "扩大冶炼规模",
        "大冶有色金属公司的工地",
        "在一家大金店上班",
        "在大王村干活",
        "南唐庄的砖厂",
        "王村长不给钱",
        "王村镇的工地",
        "游戏里的宝石道具",
        "长治王村机场",
    ],
)
def test_letters_of_a_name_inside_other_words_are_no_place(text: str) -> None:
    assert signals_of(f"{text}，拖欠工资").places == ()


@pytest.mark.parametrize(
    ("text", "township"),
    [
        ("在告成干活", "410185103"),
        ("到告成修路", "410185103"),
        ("告成工地", "410185103"),
        ("登封告成一个厂", "410185103"),
        ("工地：大冶", "410185105"),
        ("某集团告成煤矿", "410185103"),
        ("给王村修路", "410185106"),
        ("我们石道的工地", "410185204"),
    ],
)
def test_a_short_name_counts_where_a_word_can_begin(text: str, township: str) -> None:
    assert [p.township for p in signals_of(f"{text}，拖欠工资").places] == [township]


@pytest.mark.parametrize(
    "text",
    [
        "新密市大冶",
        "新密大冶镇",
        "河北宣化",
        "巩义市王村",
        "卫辉市唐庄镇",
        "湖北省大冶",
        "某某县告成镇",
    ],
)
def test_a_name_right_behind_another_city_is_not_ours(text: str) -> None:
    """Domain 5.3."""
    assert signals_of(f"在{text}干活，拖欠工资").places == ()


@pytest.mark.parametrize(
    "text", ["郑州市大冶镇", "河南登封告成", "河南省郑州市登封市大冶镇", "我们市大冶镇"]
)
def test_what_the_city_lies_in_is_no_other_city(text: str) -> None:
    assert len(signals_of(f"在{text}干活，拖欠工资").places) == 1


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("郑州市金水区某路1号", "郑州"),
        ("金水区某路", "金水区"),
        ("新密市大冶镇某村", "新密"),
        ("河北宣化", "河北"),
        ("湖北省大冶市", "湖北"),
        ("河南省信阳市固始县", "信阳"),
        ("中国广东省深圳市", "广东"),
        ("某某县城关镇", "外地"),
    ],
)
def test_a_site_elsewhere_is_told_but_none_of_ours(address: str, read: str) -> None:
    """Domain 5.3: its name is of the book, so that nothing of what was written is kept."""
    (place,) = signals_of("", address).places
    assert (place.field, place.text, place.township, place.rule) == (
        "address",
        read,
        None,
        "outside",
    )


@pytest.mark.parametrize(
    "address",
    [
        "河南省",
        "见附件",
        "登封市北京路9号",
        "北京路9号",
        "嵩山超市对面",
        "农贸市场",
        "县医院旁",
        "登封市郊",
    ],
)
def test_an_address_that_says_nothing_is_not_elsewhere(address: str) -> None:
    assert signals_of("", address).places == ()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("我家住石道乡", [("home", "石道乡")]),
        ("我是告成的，老板欠钱", [("home", "告成")]),
        ("大冶镇王村的村民讨薪", [("home", "大冶镇")]),
        ("来自白坪乡的农民工在中岳办工地干活", [("home", "白坪乡"), ("work", "中岳办")]),
        ("我是君召乡人，在大冶镇服装厂打工", [("home", "君召乡"), ("work", "大冶镇")]),
        ("在送表矿区的服装厂干活，我是大冶镇人", [("work", "送表矿区"), ("home", "大冶镇")]),
        ("住在大冶镇工地上", [("work", "大冶镇")]),
        ("大冶镇人民政府：我在告成镇工地干活", [("text", "大冶镇"), ("work", "告成镇")]),
        ("大冶镇政府不管", [("text", "大冶镇")]),
        ("工地在大冶镇，老板在告成镇开公司", [("work", "大冶镇"), ("text", "告成镇")]),
        ("我是大冶镇人，在上海一个工地打工", [("home", "大冶镇"), ("work", "上海")]),
        ("我是大冶镇人，工地在新密市", [("home", "大冶镇"), ("work", "新密")]),
        ("工地在新密市，我是登封市大冶镇人", [("home", "大冶镇"), ("work", "新密")]),
        ("新密市工地上欠钱，我家在大冶镇", [("home", "大冶镇"), ("work", "新密")]),
        ("我是大冶镇人，老板是上海的", [("home", "大冶镇")]),
    ],
)
def test_what_a_text_says_of_a_place(text: str, read: list[tuple[str, str]]) -> None:
    """Domain 5.3: the place of work, a home, or neither."""
    assert [(p.field, p.text) for p in signals_of(f"{text}。拖欠工资").places] == read


def test_the_names_of_project_and_employer_are_read_for_a_place() -> None:
    found = extract(
        "拖欠工资",
        address="见附件",
        project="登封市大冶镇某学校",
        employer="登封市徐庄镇示例服装厂",
        lexicon=lexicon(),
        gazetteer=gazetteer(),
    )
    assert [(p.field, p.text) for p in found.places] == [
        ("project", "大冶镇"),
        ("employer", "徐庄镇"),
    ]


def test_a_book_without_the_new_lists_is_read_as_before() -> None:
    """Books that were adopted before there were boundaries, spellings and other cities."""
    old = {"townships": [{"code": "1", "name": "告成镇", "bare": ["告成"]}]}
    found = Gazetteer.from_mapping(old)
    assert [p.township for p in found.in_text("多次报告成了空话")] == ["1"]
    assert [p.township for p in found.in_address("新密市告成镇")] == ["1"]
    assert found.in_address("新密市") == []


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
