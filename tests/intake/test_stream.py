"""How the body of a stream is cut into lines."""

from __future__ import annotations

from codecs import BOM_UTF8

import pytest

from services.intake.given import MAX_BYTES
from services.intake.stream import Lines


def cut(*chunks: bytes) -> list[bytes | None]:
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


@pytest.mark.parametrize("at", range(6))
def test_a_byte_order_mark_is_no_part_of_the_first_line(at: int) -> None:
    """Editors on Windows write one; however the body arrives, no line is lost by it."""
    body = BOM_UTF8 + b"{}\n[]\n"
    assert cut(body[:at], body[at:]) == [b"{}", b"[]"]


def test_nor_of_an_only_line_without_an_end() -> None:
    assert cut(BOM_UTF8 + b"{}") == [b"{}"]


def test_further_down_it_is_no_mark() -> None:
    assert cut(b"{}\n", BOM_UTF8 + b"{}\n") == [b"{}", BOM_UTF8 + b"{}"]


def test_a_line_that_is_too_long_is_dropped_and_the_next_is_read() -> None:
    assert cut(b"x" * MAX_BYTES, b"xx\n{}\n") == [None, b"{}"]
