"""What a masked text still says of a person's numbers: nothing, however they are written."""

from __future__ import annotations

import pytest

from services.intake.privacy import masked, names_in


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("找我13812345678。", "找我***********。"),
        ("138-1234-5678", "***-****-****"),
        ("138 1234 5678", "*** **** ****"),
        ("１３８１２３４５６７８", "***********"),
        ("410125 19900131 990X", "****** ******** ****"),
        ("(0371) 6288 1234", "(****) **** ****"),
        ("卡号6222 0212 3456 7890 123", "卡号**** **** **** **** ***"),
        ("2021-07-09至2021-09-10欠12000元", "2021-07-09至2021-09-10欠12000元"),
        ("2021年7月", "2021年7月"),
    ],
)
def test_numbers_of_persons_are_starred_in_texts(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("我叫王小二，工友李四也没拿到钱。", "我叫王**，工友李*也没拿到钱。"),
        ("王 小二", "王**"),
        ("王小二妹也来了", "王***也来了"),
        ("王老板欠钱", "王老板欠钱"),
    ],
)
def test_who_a_complaint_names_is_starred_in_its_text_too(text: str, shown: str) -> None:
    told = [{"name": "王小二", "phone": "1"}, {"name": "李四"}, {"name": "王小二妹"}, None, {}]
    assert masked(text, names_in(told)) == shown


def test_a_name_of_one_sign_stars_no_word() -> None:
    assert masked("王老板欠钱", names_in([{"name": "王"}, {"name": " "}])) == "王老板欠钱"
