"""What a masked text still says of a person's numbers: nothing, however they are written."""

from __future__ import annotations

import pytest

from services.intake.privacy import masked


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
