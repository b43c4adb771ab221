"""Numbers as people write them: figures, Chinese numerals, the large (formal) numerals, 万 and 亿.

Integer arithmetic only: a decimal is kept as digits and a power of ten, so 3.5万元 is exact.
"""

from __future__ import annotations

import re

DIGITS = {
    **{c: i for i, c in enumerate("零一二三四五六七八九")},
    **{c: i for i, c in enumerate("零壹贰叁肆伍陆柒捌玖")},
    "〇": 0,
    "○": 0,
    "两": 2,
    "俩": 2,
    "弍": 2,
    "参": 3,
    "仨": 3,
}
SMALL_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
LARGE_UNITS = {"万": 10_000, "萬": 10_000, "亿": 100_000_000}

HAN = "零〇○一二两三四五六七八九十百千壹贰叁肆伍陆柒捌玖拾佰仟"
FIGURES = r"[0-9]{1,3}(?:[,，][0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?"
"""Arabic figures, with or without separators of thousands."""

MAX_DIGITS = 12
"""A longer run of digits is an identity, card or telephone number, never a count or a sum."""

_FULL_WIDTH: dict[int, int | str] = {0xFF01 + i: 0x21 + i for i in range(94)}
_TABLE: dict[int, int | str] = {
    **_FULL_WIDTH,
    # Chinese punctuation keeps its own form: rules about clauses rely on it.
    ord("，"): "，",
    ord("；"): "；",
    ord("："): "：",
    ord("！"): "！",
    ord("？"): "？",
    ord("（"): "（",
    ord("）"): "）",
    ord("\u3000"): " ",
    ord("\r"): "\n",
    ord("\t"): " ",
    ord("\xa0"): " ",
    ord("萬"): "万",
    ord("圆"): "元",
}
_GROUPED = re.compile(r"(?<![0-9])[0-9]{1,3}(?: [0-9]{3})+(?= ?[元块])")
_BLANKS = re.compile(r"(?<![0-9A-Za-z]) +| +(?![0-9A-Za-z])")


def normalised(text: str) -> str:
    """Full-width figures and letters become ASCII; blanks go, but between two figures or words."""
    text = text.translate(_TABLE)
    if " " not in text:
        return text
    return _BLANKS.sub("", _GROUPED.sub(lambda match: match.group().replace(" ", ""), text))


def figure(text: str) -> tuple[int, int] | None:
    """`12,000.5` as (120005, 1): the digits, and how many of them stand behind the point."""
    digits, _, decimals = text.replace(",", "").replace("，", "").partition(".")
    if len(digits) > MAX_DIGITS or len(decimals) > MAX_DIGITS:
        return None
    return int(digits + decimals), len(decimals)


def han_number(text: str) -> int | None:
    """The value of a run of Chinese numerals, at most a few thousand; None if it is none.

    `二十` 20, `一百零五` 105, `两千三` 2300, `二〇二一` 2021. Two neighbouring digits without a
    unit name a range (`六七十`, `三四个`) and count as the lower one.
    """
    if not any(c in SMALL_UNITS for c in text):
        values = [DIGITS[c] for c in text]
        if len(values) == 2 and values[1] == values[0] + 1:
            return values[0]
        return int("".join(map(str, values))) if len(values) <= 4 else None
    total, pending, last_unit, previous_digit = 0, 0, 10_000, False
    zero = False
    for c in text:
        if c in DIGITS:
            value = DIGITS[c]
            if not (previous_digit and pending and value == pending + 1):
                pending = value
            previous_digit, zero = True, zero or value == 0
        else:
            unit = SMALL_UNITS[c]
            if unit >= last_unit:
                return None
            total += (pending or 1) * unit
            pending, last_unit, previous_digit, zero = 0, unit, False, False
    if pending and last_unit >= 100 and not zero:
        pending *= last_unit // 10
    return total + pending


def number(text: str, scale: int = 1) -> int | None:
    """`text` (figures or Chinese numerals) times `scale`; None if it is no number or no integer."""
    if text[0].isdigit() and text[0].isascii():
        parsed = figure(text)
        if parsed is None:
            return None
        digits, places = parsed
        value, rest = divmod(digits * scale, 10**places)
        return value if rest == 0 else None
    value_of_han = han_number(text)
    return None if value_of_han is None else value_of_han * scale
