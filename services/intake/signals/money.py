"""The total of unpaid wages that a complaint states, in fen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.intake.signals.numerals import FIGURES, HAN, han_number, number

MAX_FEN = 10**13
"""As in the published language: a hundred billion yuan; more is a slip of the pen."""

PAY = (
    "工资|工钱|薪资|薪水|薪酬|薪金|薪|劳务费|劳务款|人工费|人工款|人工工资|劳动报酬|报酬|血汗钱|"
    "加班费|提成|课时费|代课费|底薪|安装款|工人款|辛苦钱"
)
_MONEY = re.compile(
    rf"(?<![几数好第\-.0-9{HAN}])"
    rf"(?:(?:(?P<large>{FIGURES}|[{HAN}]+)(?P<about>[多余来几])?(?P<unit>[万亿])(?P<about2>[多余来])?)"
    rf"(?P<rest>[0-9]千[0-9]百|[0-9]+|一(?=[千百元块])|(?!一)[{HAN}]+|一[{HAN}]+)?|(?P<plain>{FIGURES}|[{HAN}]+)|(?P<wan>万)(?=把块))"
    rf"(?:(?P<small>[千百])(?P<tip>[1-9](?:(?<=千[1-9])百)?(?![0-9.万千百个名人位年月日天号次]|[,，][0-9]))?)?"
    rf"(?P<about3>[多余来把几])?(?P<yuan>元|块|人民币|RMB|rmb|￥)?"
)
_CUE_BEFORE_FIGURE = re.compile(
    rf"(?:总计|共计|合计|总共|一共|共|总额|金额|欠款|[欠差](?:[我他她你]们?|本人)?(?:的|了)?|{PAY})"
    r"(?:是|为|约|有|达|:|：)?$"
)
_NO_SUM_AFTER = re.compile(
    r"[年月日号天时人名个位户栋层期次吨米亩平方%％克公里件台辆字小张份颗条座套间届]"
)
_SIGNS = ("￥", "¥")
_TO_HAN = str.maketrans("0123456789", "零一二三四五六七八九")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:\.[0-9]{1,2})?$")
_STILL = re.compile(r"(?:[还仍尚]|至今|目前|下)(?:拖)?欠")
_REST = re.compile(r"还差|还欠|尚欠|仍欠|下欠|现欠|剩|余下|余款|尚有|还有")
_LEFT_OVER = re.compile(r"(?:还有|只有|就是|也就)[^，。；]{0,3}$")
_STRONG = re.compile(r"[。；！？!?;\n]")
_WEAK = re.compile(r"[，、,：:（(]")

_OWED = re.compile(
    r"欠|被扣|扣我|扣工资|未付|没付|未发|没发|未结|没结|未给|没给|未支付|没支付|没有支付|没有付|没有发|没有给|"
    r"不发|不付|不给|不结|克扣|扣了|扣发|扣留|扣押|扣除|拒付|拒不|剩|余下|余款|还差|差我|差着|"
    r"拿不到|没拿到|未拿到|没有拿到|未能拿到|没能拿到|领不到|没领到|没有领到|未领到|"
    r"讨要|讨回|追回|追讨|要回|补发|应发|应付"
)
_PAID = re.compile(
    r"(?<![没未不能有])(?:已经?付|已经?支付|已发|付了|付给|给了|结了|发了|支付了|只付|只给|只发|仅付|仅支付|"
    r"仅发|先付|预付|领了|领取|拿了|拿到|收到|借支|预支|陆续付|打了|转了|同意付|答应付|答应给|只答应|"
    r"才付|才给|才发|得到|垫付|垫资)"
)
_RATE_BEFORE = re.compile(
    r"(?:每|一)(?:个)?(?:月|天|日|小时|年|工时|个工|平|方|米|台|吨|次)[^，。；]{0,8}$|"
    r"(?:(?<![0-9一二三四五六七八九十个份])月(?:薪|工资)|年薪|日薪|时薪|日工资|日均|月均|工价|单价|底薪|基本工资|试用期|最低工资|标准)[^，。；]{0,6}$|"
    r"按[^，。；]{0,8}$|承诺[^，。；]{0,6}$"
)
_RATE_AFTER = re.compile(
    r"^(?:钱|左右|多)?(?:的)?(?:/|每|一)?(?:个)?(?:人?月(?!份)|天|日|小时|平|方|米|个工)|^(?:钱|左右)?/|^(?:钱)?的?(?:月薪|年薪|日薪)|"
    r"^(?:钱)?(?:工资)?(?:一|每)(?:个)?(?:月|天|日)|^(?:钱)?[至到~—-][0-9]"
)
_EACH = re.compile(
    r"(?:每人|每个人|每位|人均|一人|各)(?:都|均|还|被|约|大概|大约|近|平均)*[^，。；每月天日]{0,6}$"
)
_EACH_AFTER = re.compile(r"^(?:钱|左右)?(?:/人|每人|一人|一个人)")
_OTHER = (
    "工程款|工程尾款|材料款|材料费|货款|结算款|押金|保证金|质保金|罚款|罚金|赔偿|补偿|借款|借了|贷款|"
    "集资|购房|房款|房租|租金|租赁费|成交|投资|入股|股金|注册资金|社保|公积金|医疗费|医药费|药费|运费|"
    "学费|慰问金|律师费|费用|花费|花了|花去|养老|利息|高息|违约金|定金|订金|滞纳金|机械费|设备款|"
    "服务费|培训费|报销|车费|路费|生活费|了事|总价|造价|合同价|补助|补贴|津贴|奖励|中标价"
)
_OTHER_LEFT = re.compile(_OTHER)
_NOUN_RIGHT = re.compile(
    rf"^(?:钱)?(?:左右)?(?:的|之)?(?![和及与跟])[^，。；、0-9]{{0,3}}?(?:(?P<pay>{PAY})|(?P<other>{_OTHER}))"
)
_PAY_LEFT = re.compile(PAY)
_TOTAL = re.compile(r"总计|共计|合计|一共|总共|累计|总额|总金额|金额|加起来|一起|共|总欠")
_TOTAL_ABOVE = re.compile(r"(?:总计|共计|合计|总共)(?:人民币)?[：:]?$")
_OWED_RIGHT = re.compile(
    r"^[^。；！？]{0,8}?(?:未付|没付|未发|没发|未给|没给|未结|没结|尚未|未支付|没有支付|没有付|没有给|"
    r"没有发|拿不到|没拿到|要不回|不给|不付|不发|至今|没着落|分文)"
)
_PAID_RIGHT = re.compile(r"^(?:钱|左右)?[，]?(?:已付|已发|付清|已给|已经付|了事|打发)")
_JOINT = re.compile(
    r"^(?:钱|整|左右)?[、，,和及与加跟](?:以及|还有|另|还|外加)?(?:[0-9]{1,2}月份?)?[^。；！？0-9]{0,9}$"
)
_ITEM = re.compile(rf"{PAY}|月|某|他|她|[0-9]日")
_SUBSET = re.compile(r"其中|包括|含|每|已|付|给了|借")


@dataclass(frozen=True, slots=True)
class Sum:
    """One mention of money: its value, its place in the text, and how it reads."""

    fen: int
    start: int
    end: int
    score: int
    total: bool
    each: bool
    pay: bool
    paid: bool
    rest: bool


def mentions(text: str) -> list[Sum]:
    """Every sum of money in a normalised text, in order, judged by its words before and after."""
    found: list[Sum] = []
    for match in _MONEY.finditer(text):
        fen = _value(text, match)
        if fen is not None:
            found.append(_judged(text, fen, match))
    return found


def unpaid(found: list[Sum], text: str, heads: int | None) -> int | None:
    """Total of unpaid wages in fen: stated, else added up, else per head times heads; or None."""
    good = [s for s in found if s.score >= 4 and not s.each]
    rest = [s for s in good if s.rest and any(p.paid and p.start < s.start for p in found)]
    if rest:
        return max(rest, key=lambda s: (s.score, s.start)).fen
    if good:
        best = max(good, key=lambda s: (s.score, -s.start))
        chain = (
            []
            if any(s.total for s in good)
            else _chain([s for s in found if s.score >= 2], best, text)
        )
        total = sum(s.fen for s in chain) if len(chain) > 1 else best.fen
        return total if total <= MAX_FEN else None
    if len(found) == 1 and found[0].score >= 2 and found[0].pay and not found[0].each:
        return found[0].fen
    totals = {s.fen for s in found if s.total and s.score >= 2}
    if len(totals) == 1:
        return totals.pop()
    enough = 4 if len(found) > 1 else 2
    each = [s for s in found if s.score >= enough and s.each]
    if each and heads is not None:
        total = max(each, key=lambda s: (s.score, -s.start)).fen * heads
        return total if total <= MAX_FEN else None
    return None


def _value(text: str, match: re.Match[str]) -> int | None:
    """The sum in fen, or None where the figures are no money."""
    if match["wan"]:
        return 1_000_000
    yuan, after = match["yuan"], text[match.end() : match.end() + 1]
    if (
        not yuan
        and after
        and _NO_SUM_AFTER.match(after)
        and not text[: match.end()].endswith("万多")
    ):
        return None
    small = {"千": 1000, "百": 100}.get(match["small"] or "", 1)
    if match["large"]:
        unit = 10_000 if match["unit"] == "万" else 100_000_000
        value = number(match["large"], unit * 100)
        if value is None:
            return None
        rest = match["rest"]
        if rest:
            more = (
                han_number(rest.translate(_TO_HAN))
                if "千" in rest and rest[0].isascii()
                else number(rest)
            )
            if more is None:
                return None
            if small == 1 and more < 10 and len(rest) == 1:
                small = unit // 10
            value += more * small * 100
        return value if 0 < value <= MAX_FEN else None
    signed = text[match.start() - 1 : match.start()] in _SIGNS
    if not yuan and not signed and not _bare_sum(text, match):
        return None
    value = number(match["plain"], small * 100)
    if value is not None and match["tip"]:
        # 2千8, 3百5: the next lower unit is left out.
        value += int(match["tip"][0]) * small // 10 * 100
    return value if value is not None and 0 < value <= MAX_FEN else None


def _bare_sum(text: str, match: re.Match[str]) -> bool:
    """A figure without 元 is money only right after a word such as 共计 or 工资."""
    plain: str = match["plain"]
    if _YEAR.match(plain):
        return False
    if not plain[0].isascii() or len(plain) < 3:
        if "千" not in plain and match["small"] != "千":
            return False
        if match["about3"]:
            return text[match.end() : match.end() + 1] != "个"
    return bool(_CUE_BEFORE_FIGURE.search(text[max(0, match.start() - 6) : match.start()]))


def _judged(text: str, fen: int, match: re.Match[str]) -> Sum:
    start, end = match.span()
    left = text[max(0, start - 32) : start]
    breaks = [m.end() for m in _STRONG.finditer(left)]
    left = left[breaks[-1] :] if breaks else left
    weak = [m.end() for m in _WEAK.finditer(left)]
    near = left[weak[-1] :] if weak else left
    far = left[: weak[-1]] if weak else ""
    right = text[end : end + 14]
    each = bool(_EACH.search(near) or _EACH_AFTER.search(right))
    # "一共8人每人2800元": what is counted together there is the heads.
    by_head = _last(_EACH, near) > _last(_TOTAL, near)
    total = bool(_TOTAL.search(near) or _TOTAL_ABOVE.search(left)) and not by_head
    score = _left_score(near, far) + (2 if total else 0) + _right_score(right)
    if not each and (_RATE_BEFORE.search(near) or _RATE_AFTER.search(right)):
        score -= 6
    pay = _last(_PAY_LEFT, near) > _last(_OTHER_LEFT, near)
    paid = _last(_PAID, near) > _last(_OWED, near)
    return Sum(fen, start, end, score, total, each, pay, paid, bool(_REST.search(near)))


def _left_score(near: str, far: str) -> int:
    owed, paid = _last(_OWED, near), _last(_PAID, near)
    score = 0
    if owed > paid:
        score += 5 if _STILL.search(near) else 4
    elif paid >= 0:
        score -= 6
    elif _last(_OWED, far) > _last(_PAID, far):
        score += 3 if _LEFT_OVER.search(near) else 2
    pay, other = _last(_PAY_LEFT, near), _last(_OTHER_LEFT, near)
    if pay > other:
        score += 2
    elif other >= 0:
        score -= 2 if owed > other else 4
    elif _last(_PAY_LEFT, far) > _last(_OTHER_LEFT, far):
        score += 1
    return score


def _right_score(right: str) -> int:
    score = 0
    noun = _NOUN_RIGHT.match(right)
    if noun is not None:
        score += (4 if noun["pay"] == "血汗钱" else 3) if noun["pay"] else -6
    owed = _OWED_RIGHT.match(right)
    if owed is not None:
        score += 3 if "，" in owed.group() else 4
    if _PAID_RIGHT.match(right):
        score -= 5
    return score


def _last(pattern: re.Pattern[str], text: str) -> int:
    last = -1
    for match in pattern.finditer(text):
        last = match.start()
    return last


def _chain(good: list[Sum], best: Sum, text: str) -> list[Sum]:
    """The sums of one list (`工资3000元、加班费800元`) that the best one stands in."""
    index = good.index(best)
    chain = [best]
    for before, after, front in (
        *((good[i], good[i + 1], False) for i in range(index, len(good) - 1)),
        *((good[i - 1], good[i], True) for i in range(index, 0, -1)),
    ):
        anchor = chain[0] if front else chain[-1]
        if anchor is not (after if front else before):
            continue
        gap = text[before.end : after.start]
        if not _JOINT.match(gap) or _SUBSET.search(gap) or not _ITEM.search(gap):
            continue
        chain = [before, *chain] if front else [*chain, after]
    return chain
