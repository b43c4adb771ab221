"""Plain sentences: what anybody reads as a wage claim is one (domain 2.4, 5.2 R0)."""

from __future__ import annotations

import pytest

from tests.intake.plain_sentences import CLAIMS, OTHERS
from tests.intake.signals_book import signals_of

LEAST = 0.95


def test_plain_claims_are_found_and_little_else() -> None:
    found = [text for text in CLAIMS if signals_of(text).claim]
    wrong = [text for text in OTHERS if signals_of(text).claim]

    missed = sorted(set(CLAIMS) - set(found))
    assert len(found) / len(CLAIMS) >= LEAST, missed
    assert len(found) / len(found + wrong) >= LEAST, wrong


@pytest.mark.parametrize("owed", ["拖了我", "欠着我", "差我", "压着我", "扣着我", "押了我"])
@pytest.mark.parametrize("pay", ["工资", "工钱", "薪水", "血汗钱"])
def test_every_way_to_keep_pay_back(owed: str, pay: str) -> None:
    assert signals_of(f"老板{owed}三个月{pay}。").claim


@pytest.mark.parametrize(
    "not_paid", ["没开", "没给", "不给", "没到手", "还没到账", "欠了半年", "拖了半年"]
)
@pytest.mark.parametrize("pay", ["工资", "工钱", "薪水", "血汗钱"])
def test_every_way_of_pay_not_to_come(not_paid: str, pay: str) -> None:
    assert signals_of(f"我们的{pay}{not_paid}。").claim


@pytest.mark.parametrize(
    "text",
    [
        "怎么投诉？厂里欠工资四个月",
        "请问怎么投诉，工厂欠了三个月工资没发",
        "请问去哪里投诉？我和工友被拖欠工资三个月",
    ],
)
def test_who_asks_where_to_turn_with_a_matter_of_his_own_claims_it(text: str) -> None:
    assert signals_of(text).claim


@pytest.mark.parametrize(
    "text", ["从来没有拖欠过工资。", "工资已经全部付清了。", "谢谢，工钱要回来了。", "工资按时发。"]
)
def test_what_is_over_or_never_was_is_no_claim(text: str) -> None:
    assert not signals_of(text).claim


@pytest.mark.parametrize("still", ["还欠两个月", "后来又没给", "这个月没发"])
def test_thanks_for_a_part_leave_the_rest_a_claim(still: str) -> None:
    assert signals_of(f"谢谢，九月的工资要回来了，{still}。").claim


def test_a_line_of_a_hundred_letters_is_read_to_its_end() -> None:
    told = (
        "我是外地来登封打工的，经老乡介绍进了这个厂，一直老老实实上班，"
        "从来没有迟到早退，厂里也没说过我什么不好，家里上有老下有小，"
    )

    assert not signals_of(told).claim
    assert signals_of(told + "可是工钱到现在没给。").claim
