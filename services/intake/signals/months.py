"""Months of unpaid wages: a stated count (`拖欠三个月`), else a list or a range of months."""

from __future__ import annotations

import re

from services.intake.signals.numerals import FIGURES, HAN, han_number, number

MAX_MONTHS = 600

_STOP = r"[^。；！？!?;\n]"
_OWED = (
    "拖欠|欠薪|欠|未发|没发|没有发|不发|未付|没付|没给|不给|克扣|停发|未结|没结|没拿到|没有拿到|未拿到|"
    "拿不到|一直拿|未领|没领|没开|不开|未开|没有工资|无工资|讨|要不回|没有给|未支付|没有支付"
)
_PAY = "工资|薪|工钱|报酬|血汗钱|劳务费|代办费|课时费|钱"
_SPAN = re.compile(
    rf"(?<![第每.{HAN}])(?:(?P<years>(?<![0-9])[1-9]|[一二两三四五])年[零又另]?(?P<over>[0-9]{{1,2}}|[{HAN}]{{1,2}})个月"
    rf"|(?P<n>(?<![0-9])(?:{FIGURES})|[{HAN}]+)(?:[多余来几]|或[0-9]+)?(?P<unit>个(?:多|半|余)?月|年(?![0-9底终末初前后级代]))"
    rf"|(?P<half>半年))(?P<plus>半)?"
)
_OWED_LEFT = re.compile(rf"(?:{_OWED})[^。；！？!?;\n]{{0,16}}$")
_OWED_RIGHT = re.compile(
    rf"^(?:多|余|左右|以上|时间|之久|了)*[^。；！？!?;，、\n]{{0,8}}?(?:{_OWED})|^(?:多|余|之久)?的?(?:工资|薪|工钱)"
)
_NOT_ARREARS = re.compile(
    r"(?:每|第|上班|工作|干了?|做了?|入职|任职|等了?|过去|签订?|期限|合同期?|保修|培训|试用期?|再过|晚|延迟|最长|"
    r"补偿|赔偿|额外)[^。；！？，,]{0,6}$"
)
_NOT_AFTER = re.compile(
    r"^来(?!工资)|^(?:多|余)?(?:的)?(?:年终奖|奖金|社保|押金|合同|试用|利息|房租|租金|没人|没有人|前|内|后|才|发一次|一[结发付]|[0-9]+元)"
)
_SINCE = re.compile(r"(?:已经?|现有|至今|距今|都)(?:有|近|快|将近|过去)*$")
_WORKED = re.compile(r"(?:做了?|干了?|上班|工作|上岗)(?:近|了|有|将近)?$")
_NOTHING_YET = re.compile(
    rf"^[多余]?了?[^。；！？!?;\n]{{0,22}}?(?:到现在|至今|一分|都没|一直没|未发|没发|没有发)[^。；！？!?;\n]{{0,12}}(?:{_PAY})"
    rf"|^[多余]?了?[^。；！？!?;\n]{{0,12}}?(?:{_PAY})[^。；！？!?;\n]{{0,8}}(?:到现在|至今|一分|都没|一直没)"
)
_RANGE = re.compile(
    r"(?:(?P<y1>(?:19|20)[0-9]{2})[年.\-/])?(?P<m1>[0-9]{1,2})(?:月份?|(?=[\-—~]))?(?:[0-9]{1,2}日)?"
    r"(?:起|开始)?(?:至|到|—+|-+|~+)(?:(?P<y2>(?:19|20)[0-9]{2})[年.\-/]|(?P<next>次年|今年|第二年))?"
    r"(?P<m2>[0-9]{1,2})(?:月|(?=工资|的工资))"
)
_LIST = re.compile(
    r"(?<![0-9年.])(?P<list>[0-9]{1,2}月?份?(?:[、，,和及][0-9]{1,2}月?份?){1,11})(?<=月|份)"
)
_HAN_MONTH = re.compile(r"(?P<n>十[一二]|[一二三四五六七八九十])月")
_SINGLE = re.compile(
    rf"(?:(?<![0-9自从至到\-—~.])[0-9]{{1,2}}月份?|(?<![自从])[0-9]{{4}}年[0-9]{{1,2}}月份?|上个?月)(?:份|的|未发的)*(?:{_PAY})"
)
_MONTH = re.compile(r"[0-9]{1,2}")


def months(text: str) -> int | None:
    """Whole months in arrears, 1 to 600; None if the text does not say."""
    counted = _counted(text)
    if counted is not None:
        return counted
    text = _HAN_MONTH.sub(lambda match: f"{han_number(match['n'])}月", text)
    for value in (_ranged(text), _listed(text), _single(text)):
        if value is not None:
            return value
    return None


def _counted(text: str) -> int | None:
    best: tuple[int, int] | None = None
    for match in _SPAN.finditer(text):
        value = _length(match)
        if value is None:
            continue
        left = text[max(0, match.start() - 22) : match.start()]
        right = text[match.end() : match.end() + 16]
        score = 3 * bool(_OWED_LEFT.search(left)) + 2 * bool(_OWED_RIGHT.match(right))
        if (_SINCE.search(left) or _WORKED.search(left)) and _NOTHING_YET.match(
            text[match.end() : match.end() + 44]
        ):
            score += 2
        elif _NOT_ARREARS.search(left):
            score -= 3
        if _NOT_AFTER.match(right):
            score -= 4
        if score >= 2 and (best is None or score > best[0]):
            best = (score, value)
    return None if best is None else best[1]


def _length(match: re.Match[str]) -> int | None:
    if match["half"]:
        return 6
    if match["years"]:
        over = number(match["over"])
        return None if over is None else (number(match["years"], 12) or 0) + over
    unit = match["unit"]
    if "年" in unit and match["n"].isascii() and len(match["n"]) > 1:
        return None  # `18年七月`: a calendar year
    value = number(match["n"], 1 if "月" in unit else 12)
    if value is None:
        return None
    if match["plus"] and unit.startswith("年"):
        value += 6
    return value if 0 < value <= MAX_MONTHS else None


def _near_owed(text: str, start: int, end: int) -> bool:
    before = re.search(rf"(?:{_OWED}){_STOP}{{0,14}}$", text[max(0, start - 20) : start])
    after = re.match(rf"{_STOP}{{0,14}}?(?:{_OWED})", text[end : end + 20])
    pay = re.search(_PAY, text[max(0, start - 16) : end + 16])
    return bool((before or after) and pay)


def _ranged(text: str) -> int | None:
    for match in _RANGE.finditer(text):
        first, last = int(match["m1"]), int(match["m2"])
        if not (1 <= first <= 12 and 1 <= last <= 12):
            continue
        if not _near_owed(text, match.start(), match.end()):
            continue
        years = 0
        if match["y1"] and match["y2"]:
            years = int(match["y2"]) - int(match["y1"])
        elif match["next"] in ("次年", "第二年") or last < first:
            years = 1
        value = years * 12 + last - first + 1
        if 0 < value <= MAX_MONTHS:
            return value
    return None


def _listed(text: str) -> int | None:
    for match in _LIST.finditer(text):
        values = {int(m.group()) for m in _MONTH.finditer(match["list"])}
        if values and max(values) <= 12 and min(values) >= 1 and _near_owed(text, *match.span()):
            return len(values)
    return None


def _single(text: str) -> int | None:
    """`5月份的工资至今未发`: one month, unless several months are named so."""
    named = set()
    for match in _SINGLE.finditer(text):
        start, end = match.span()
        if text.endswith(("发了", "付了", "结了"), 0, start):
            continue
        if _near_owed(text, start, end) or "未发" in match.group():
            figures = _MONTH.findall(match.group())
            named.add(figures[-1] if figures else "")
    return 1 if len(named) == 1 else None
