"""What offices write in a cell or a form, as the values of a complaint (contract 3).

Amounts become integer fen without a float between; dates and months are read in the forms people
use. What can be read in two ways is refused, never guessed: a wrong sum or a wrong day costs a
worker more than a row that comes back. Nothing here repeats the input, which may name a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from services.intake.signals.numerals import FIGURES, HAN, figure, han_number
from shared.calendar import DAY, ZONE

Value = str | int | Decimal | datetime
"""A cell: numbers are exact, a date has no zone (it is Shanghai's)."""

Unit = Literal["yuan", "wan", "fen"]
FEN_OF: Final[dict[Unit, int]] = {"yuan": 100, "wan": 1_000_000, "fen": 1}
_UNIT_OF: Final[dict[str, Unit]] = {"万": "wan", "万元": "wan", "元": "yuan", "分": "fen"}

_EXCEL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a workbook's dates have no zone
_SERIALS: Final = range(36_526, 73_051)
"""Excel's days from 2000 to 2099: another number in a date column is no date."""
_MOST_DIGITS: Final = 15
"""A spreadsheet keeps no more of a number: an identity number written as one is damaged."""


class Misread(ValueError):
    """A value that cannot be read; `detail` never repeats it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def exact(number: float) -> int | Decimal:
    """A spreadsheet's or JSON's number as it is shown: 15 significant digits, no float's tail."""
    found = Decimal(format(number, f".{_MOST_DIGITS}g"))
    return int(found) if found == found.to_integral_value() else found


def plain(value: Value) -> str:
    """A cell as text in its usual form: NFKC, no blanks around, a whole number without a point."""
    if isinstance(value, datetime):
        seconds = "seconds" if value.second else "minutes"
        return value.replace(microsecond=0).isoformat(" ", seconds)
    if isinstance(value, Decimal):
        return format(value, "f")
    return unicodedata.normalize("NFKC", str(value)).strip()


def text(value: Value) -> str:
    """Text as it was written; only blanks around it go."""
    return value.strip() if isinstance(value, str) else plain(value)


def number_text(value: Value) -> str:
    """An identity, telephone or order number. Raises Misread where a spreadsheet has changed it."""
    if isinstance(value, datetime):
        raise Misread(
            "made_a_date", "the spreadsheet has made a date of it; write the cell as text"
        )
    if not isinstance(value, str) and len(plain(value).lstrip("-")) > _MOST_DIGITS:
        detail = "a number of more than 15 digits is cut by a spreadsheet; write the cell as text"
        raise Misread("lost_digits", detail)
    return plain(value)


# --- money ----------------------------------------------------------------------------------------

_AMOUNT = re.compile(
    rf"(?:人民币|RMB|[¥￥])?\s*(?:(?P<figures>{FIGURES})|(?P<han>[{HAN}万亿]+))"
    r"\s*(?P<unit>万元?|元|分)?(?:整|正)?",
    re.IGNORECASE,
)


def fen(value: Value, unit: Unit) -> int:
    """An amount in fen. A unit written in the cell (1.2万, 12000元) outranks the column's `unit`.

    Raises Misread for what is no amount, negative, or no whole number of fen.
    """
    if isinstance(value, datetime):
        raise Misread("not_an_amount", "a date, not an amount")
    written = plain(value).replace("圆", "元").replace("萬", "万").replace("块", "元")
    found = _AMOUNT.fullmatch(written)
    if found is None:
        raise Misread("not_an_amount", "not an amount: write figures, or 万元, or 大写")
    scale = FEN_OF[_UNIT_OF[found["unit"]] if found["unit"] else unit]
    if found["figures"] is None:
        return _han_fen(found["han"], scale, bool(found["unit"]))
    parsed = figure(found["figures"])
    if parsed is None:
        raise Misread("not_an_amount", "more digits than an amount has")
    digits, places = parsed
    amount, rest = divmod(digits * scale, int(10**places))
    if rest:
        raise Misread("not_whole_fen", "not a whole number of fen (分)")
    return amount


def _han_fen(written: str, scale: int, has_unit: bool) -> int:
    """一万二千, 壹万贰仟元: a numeral with its own 万 is in 元, whatever the column's unit."""
    own = "万" in written or "亿" in written
    total, rest = 0, written
    for mark, worth in (("亿", 100_000_000), ("万", 10_000)):
        head, found, tail = rest.partition(mark)
        if found:
            total += _han(head) * worth
            rest = tail
    if own and len(rest) == 1 and rest not in "零〇":
        if not written.endswith(f"万{rest}"):
            raise Misread("not_an_amount", "this numeral can be read in two ways; write figures")
        total += _han(rest) * 1000
    elif rest:
        total += _han(rest)
    return total * (FEN_OF["yuan"] if own and not has_unit else scale)


_TWO_WAYS = re.compile(r"[一二三四五六七八九两]{2}")


def _han(written: str) -> int:
    written = written.lstrip("零〇") or "零"
    if "万" in written or "亿" in written or _TWO_WAYS.search(written):
        raise Misread("not_an_amount", "not a Chinese numeral")
    try:
        found = han_number(written)
    except (KeyError, ValueError):
        found = None
    if found is None:
        raise Misread("not_an_amount", "not a Chinese numeral")
    return found


# --- counts ---------------------------------------------------------------------------------------

_COUNT = re.compile(rf"(?:约|共)?(?P<n>[0-9]+|[{HAN}]+)\s*(?:名|个|位)?(?:人|工人|农民工|民工)?")


def count(value: Value) -> int:
    """涉及人数: `12`, `12人`, `十二名`. Raises Misread."""
    found = _COUNT.fullmatch(plain(value)) if not isinstance(value, datetime) else None
    if found is None:
        raise Misread("not_a_count", "not a number of persons")
    if found["n"].isascii():
        if len(found["n"]) > _MOST_DIGITS:
            raise Misread("not_a_count", "not a number of persons")
        return int(found["n"])
    return _han(found["n"])


# --- instants -------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(?P<y>(?:19|20)[0-9]{2})(?:年|[-/.])(?P<m>[0-9]{1,2})(?:月|[-/.])(?P<d>[0-9]{1,2})日?"
    r"(?:\s*T?\s*(?P<noon>上午|下午|晚上?)?(?P<H>[0-9]{1,2})(?:[::时点](?P<M>[0-9]{1,2})?分?"
    r"(?::?(?P<S>[0-9]{1,2})(?:\.[0-9]+)?秒?)?)?)?"
)
_COMPACT = re.compile(
    r"(?P<y>20[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?P<S>[0-9]{2})?)?"
)
_ZONED = re.compile(r".+[0-9](?:Z|[+-][0-9]{2}:?[0-9]{2})")


def instant(value: Value) -> str:
    """When it happened, RFC 3339; a day without a time is its 00:00, in Asia/Shanghai.

    Raises Misread.
    """
    return _local(value)[0].isoformat()


def due(value: Value) -> str:
    """办理时限, RFC 3339: a day without a time ends at its 24:00, which is 00:00 of the next."""
    found, whole_day = _local(value)
    return (found + DAY if whole_day else found).isoformat()


def _local(value: Value) -> tuple[datetime, bool]:
    """The instant, and whether only its day was written."""
    try:
        if isinstance(value, datetime):
            found = value
        elif (serial := _serial(value)) is not None:
            found = _EXCEL_EPOCH + timedelta(seconds=serial)
        else:
            return _written(plain(value))
    except (ValueError, OverflowError):
        raise Misread("not_a_date", "not a date: write it as 2021-11-10 09:00") from None
    whole_day = found.hour == found.minute == found.second == found.microsecond == 0
    zone = found.tzinfo or ZONE
    return found.replace(microsecond=0, tzinfo=zone), whole_day


def _serial(value: Value) -> int | None:
    """Seconds since Excel's day 0, of a number of days; None if it is none."""
    if isinstance(value, str):
        match = re.fullmatch(r"[0-9]{5}(?:\.[0-9]{1,12})?", value.strip())
        if match is None:
            return None
        value = Decimal(match[0])
    if not isinstance(value, (int, Decimal)) or int(value) not in _SERIALS:
        return None
    return int((Decimal(value) * 86_400).to_integral_value())


def _written(written: str) -> tuple[datetime, bool]:
    if _ZONED.fullmatch(written):
        zoned = datetime.fromisoformat(written.replace(" ", "T", 1))
        if zoned.tzinfo is None:
            raise ValueError(written)
        return zoned, False
    found = _DATE.fullmatch(written) or _COMPACT.fullmatch(written)
    if found is None:
        raise ValueError(written)
    parts = found.groupdict()
    hour = int(parts["H"] or 0)
    if parts.get("noon") in ("下午", "晚", "晚上") and hour < 12:
        hour += 12
    day = datetime(int(parts["y"]), int(parts["m"]), int(parts["d"]), tzinfo=ZONE)
    if hour == 24 and not int(parts["M"] or 0) and not int(parts["S"] or 0):
        return day + DAY, False
    return day.replace(hour=hour, minute=int(parts["M"] or 0), second=int(parts["S"] or 0)), parts[
        "H"
    ] is None


# --- months ---------------------------------------------------------------------------------------

_YEAR = "(?:19|20)[0-9]{2}"
_MONTHS = re.compile(
    rf"(?P<y1>{_YEAR})(?P<m1>(?:年|[-/.])[0-9]{{1,2}}|[0-9]{{2}})(?:月份?)?"
    r"(?:初|底|起)?(?:\s*(?:至|到|~|-{1,2}|—{1,2}|–)\s*"
    rf"(?:(?P<y2>{_YEAR})(?:年|[-/.])?)?(?P<m2>[0-9]{{1,2}})(?:月份?)?底?)?"
)
_FIRST_DAY = re.compile(rf"(?P<y1>{_YEAR})-(?P<m1>[0-9]{{2}})-01 00:00")
_TWO_READINGS = re.compile(rf"{_YEAR}([-/.])[0-9]{{1,2}}\1[0-9]{{1,2}}")


def months(value: Value) -> tuple[str, str]:
    """欠薪时段 as first and last month: `2021年7月至9月`, `2021-07~2021-09`, `202107`.

    A span without its year is refused: which winter was meant is not ours to guess.
    """
    written = plain(value)
    if (whole := _FIRST_DAY.fullmatch(written)) is not None:
        return (_month(whole["y1"], whole["m1"]),) * 2
    found = _MONTHS.fullmatch(written)
    if found is None or _TWO_READINGS.fullmatch(written):
        detail = "not a span of months with its year: write it as 2021年7月至2021年9月"
        raise Misread("not_months", detail)
    first = _month(found["y1"], found["m1"].lstrip("年-/."))
    if found["m2"] is None:
        return first, first
    last = _month(found["y2"] or found["y1"], found["m2"])
    if found["y2"] is None and last < first:
        raise Misread("not_months", "the span ends before it begins; write both years")
    return first, last


def _month(year: str, month: str) -> str:
    if not 1 <= int(month) <= 12:
        raise Misread("not_months", "a month is 1 to 12")
    return f"{year}-{int(month):02}"


def month(value: Value) -> str:
    """One month. Raises Misread."""
    first, last = months(value)
    if first != last:
        raise Misread("not_months", "one month is wanted here, not a span")
    return first


# --- words ----------------------------------------------------------------------------------------

_PHONE = re.compile(r"(?:\+?86[- ]?)?1[0-9]{10}|0[0-9]{2,3}[- ]?[0-9]{7,8}")
_AROUND = re.compile(r"^[\s,，、;:()/]+|[\s,，、;:()/]+$")


def contact(value: Value) -> dict[str, str]:
    """联系方式: a telephone number, a name, or both in either order. Raises Misread."""
    written = plain(value)
    found = _PHONE.search(written)
    if found is None:
        if any(char.isdigit() for char in written):
            raise Misread("not_a_contact", "neither a name nor a telephone number")
        return {"name": written}
    name = _AROUND.sub("", written[: found.start()] + written[found.end() :])
    return {"name": name, "phone": found[0]} if name else {"phone": found[0]}


def word(words: Mapping[str, str], what: str) -> Callable[[Value], str]:
    """A reader of a closed set: the Chinese words of the field, and the contract's own values."""
    known = dict(words) | {name: name for name in words.values()}

    def read(value: Value) -> str:
        found = known.get(plain(value))
        if found is None:
            raise Misread("not_in_list", f"no {what}: {'、'.join(words)}")
        return found

    return read


def truth(value: Value) -> bool:
    """是 or 否. Raises Misread."""
    written = plain(value)
    if written in ("是", "√", "有", "true", "True", "1"):
        return True
    if written in ("否", "×", "无", "false", "False", "0"):
        return False
    raise Misread("not_in_list", "是 or 否 is wanted")
