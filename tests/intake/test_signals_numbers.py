"""Numbers in complaints: heads, unpaid wages, months. All sentences are made up."""

from __future__ import annotations

import pytest

from services.intake.signals import heads, money, months
from services.intake.signals.numerals import han_number, normalised, number


def workers_of(text: str) -> int | None:
    return heads.workers(heads.mentions(normalised(text)))


def fen_of(text: str) -> int | None:
    plain = normalised(text)
    people = heads.workers(heads.mentions(plain))
    return money.unpaid(money.mentions(plain), plain, people)


def months_of(text: str) -> int | None:
    return months.months(normalised(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("二十三", 23),
        ("一百零五", 105),
        ("一百五", 150),
        ("两千三", 2300),
        ("三千四百五十六", 3456),
        ("肆仟伍佰", 4500),
        ("六七十", 60),
        ("三四", 3),
        ("二〇二一", 2021),
        ("十百", None),
    ],
)
def test_chinese_numerals(text: str, value: int | None) -> None:
    assert han_number(text) == value


def test_decimals_are_exact_and_long_runs_are_no_numbers() -> None:
    assert number("3.57", 10_000 * 100) == 3_570_000
    assert number("12,000", 100) == 1_200_000
    assert number("0.001", 100) is None
    assert number("4101850000000000001", 1) is None


def test_normalising_keeps_figures_apart_and_drops_other_blanks() -> None:
    assert normalised("拖 欠　工资１２００元") == "拖欠工资1200元"
    assert normalised("2021 3000元") == "2021 3000元"
    assert normalised("共 13 500 元") == "共13500元"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("我们三人在工地干活，老板不给钱", 3),
        ("一百多名工人的工资至今未发", 100),
        ("十四个人工资没发", 14),
        ("公司拖欠50多名员工工资", 50),
        ("班组15人去年在工地干活至今没拿到工资", 15),
        ("我和其他5名工友被欠薪", 6),
        ("我带了十个工人去做木工，工资没结", 10),
        ("包括我在内的二十三名员工三个月没领到工资", 23),
        ("一行六人过来打工，工钱没着落", 6),
        ("张某等5人在某小区干活，被拖欠工资", 5),
        ("共有民工33人，尚欠29.5万元", 33),
        ("欠薪人数达60余人", 60),
        ("几十名工人被拖欠工资", None),
        ("工地上有几百号民工没拿到钱", None),
        ("我家四口人，靠我一人打工", None),
        ("讨要工资时老板叫来二十多人打我们", None),
        ("老板夫妻二人不给我工资", None),
        ("涉及农民工15名，拖欠工资18.6万元", 15),
        ("工人共二十三名，工资没有发", 23),
        ("工人20余名，工资没发", 20),
        ("老板只有工人3名", None),
        ("工地上有工人30名，我的工资没发", None),
        ("我们俩的工资没有发", 2),
        ("我们仨工资没发", 3),
        ("我们俩班组各5人工资没发", 5),
        ("3名领导答复说再等等，我的工资还是没发", None),
        ("8月10日工资没发，第2名证人可以作证", None),
        ("本人在超市上班，工资没发", None),
    ],
)
def test_workers(text: str, count: int | None) -> None:
    assert workers_of(text) == count


@pytest.mark.parametrize(
    ("text", "yuan"),
    [
        ("拖欠我工资3.5万元", 35_000),
        ("欠工资两万三千元", 23_000),
        ("欠我工资两万三", 23_000),
        ("欠我工资2万3千5百元", 23_500),
        ("欠条上写着欠款人民币伍万捌仟元", 58_000),
        ("工资拖欠共计12,000元", 12_000),
        ("老板差我一千八百块钱不给", 1_800),
        ("还有18.6万工资没给", 186_000),
        ("欠我工资2千8", 2_800),
        ("拖欠工资2千8，年底给", 2_800),
        ("欠我工资2千8百元", 2_800),
        ("欠工资5千，扣2百", 5_000),
        ("每月工资3千5个人一样，欠工资7千", 7_000),
        ("拖欠工资￥8600", 8_600),
        ("工资￥8,600没给", 8_600),
        ("拖欠工程款20万元和工人工资5万元", 50_000),
        ("拖欠工人工资5万元和工程款20万元", 50_000),
        ("工资3万元，已付1万元，还欠2万元", 20_000),
        ("一共拖欠工资4.6万，去年付了1万，现在还差3.6万", 36_000),
        ("总工钱28000元，老板只付了8000元，剩下的两万元一直拖着不给", 20_000),
        ("每月工资4000元，拖欠三个月，共计12000元", 12_000),
        ("月薪5000，三个月没发，共15000", 15_000),
        ("开发商欠工程款800余万元，导致我们50多名农民工的120万工资无法发放", 1_200_000),
        ("押金2000元不退，工资4500元不发", 4_500),
        ("罚款500元，扣除工资1200元", 1_200),
        ("拖欠工资3000元、加班费800元", 3_800),
        ("7月工资3000元、8月工资4000元都没发", 7_000),
        ("我们12人，每人欠5000元", 60_000),
        ("一人欠3000元，共有20名工人", 60_000),
        ("每人每月600元，8名保洁员已经5个月没发", None),
        ("电话13800138000，欠工资6800", 6_800),
        ("几万元工资没给", None),
        ("拖欠工资几十万元", None),
        ("日工资200元，干了45天，一分没给", None),
        ("公司欠我们500万工程款", None),
        ("招聘时说工资4500至6000", None),
    ],
)
def test_unpaid_wages(text: str, yuan: int | None) -> None:
    assert fen_of(text) == (None if yuan is None else yuan * 100)


def test_amounts_beyond_the_published_limit_are_not_read() -> None:
    assert fen_of("拖欠工资共计999999999亿元") is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("拖欠三个月工资", 3),
        ("五个多月没开工资了", 5),
        ("工资拖欠半年", 6),
        ("一年半没发工资", 18),
        ("一年零两个月没有发工资", 14),
        ("拖欠工资1年2个月", 14),
        ("两年十一个月没发工资", 35),
        ("2021年2个月工资没发", 2),
        ("干了1年2个月，欠3个月工资", 3),
        ("欠我们工资两年了", 24),
        ("2021年7月至9月工资未发", 3),
        ("2020年11月到2021年2月的工资没有发", 4),
        ("七月到九月的工资没发", 3),
        ("拖欠2019年1-4月工资", 4),
        ("8月、9月、10月工资都没发", 3),
        ("五月份工资至今未发", 1),
        ("每三个月发一次工资", None),
        ("试用期三个月，工资没谈", None),
        ("18年七月起拖欠工资", None),
        ("拖欠工资", None),
    ],
)
def test_months_in_arrears(text: str, count: int | None) -> None:
    assert months_of(text) == count
