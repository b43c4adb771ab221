"""The query code: derived, typed in any manner, and not to be had from what stands on the log."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.query import query_code, status_key, status_key_of
from shared.sealing import Matcher

MATCHER = Matcher(b"k" * 32)


def test_a_code_follows_from_the_case_and_the_key() -> None:
    code = query_code(MATCHER, "case-1")

    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert query_code(MATCHER, "case-1") == code
    assert query_code(MATCHER, "case-2") != code
    assert query_code(Matcher(b"o" * 32), "case-1") != code


def test_a_code_that_was_given_out_stays() -> None:
    assert query_code(MATCHER, "case-1") == "SFN0-XAWE-EA9G-0VWE"


@given(st.text(max_size=40))
def test_the_key_of_a_case_is_that_of_its_code(case: str) -> None:
    assert status_key_of(MATCHER, case) == status_key(query_code(MATCHER, case))


@given(st.uuids())
def test_a_code_may_be_typed_as_it_was_heard(case: object) -> None:
    code = query_code(MATCHER, str(case))
    heard = code.lower().replace("0", "o").replace("1", "l").replace("-", " ")

    assert status_key(heard) == status_key(code)


@pytest.mark.parametrize("typed", ["", "----", "不是查询码", "A" * 80, "\x00"])
def test_whatever_is_typed_has_a_key_and_finds_nothing(typed: str) -> None:
    assert status_key(typed) != status_key(query_code(MATCHER, "case-1"))
