"""Does a text claim unpaid wages? A few countable features and a small logistic model.

The features are what a reader looks for: a word of arrears beside a word of pay (in the heading
above all), a worker speaking for himself, and against it the matters that also mention pay:
pensions, social insurance, the level of pay, dwellings, goods and leases, dismissal, questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp

from services.intake.signals.arrears import (
    NEAR,
    NOTHING,
    PAY,
    SENTENCE,
    asks_about_law,
    clauses,
    is_settled,
    trouble,
)

_LOOSE_AFTER = re.compile(
    rf"(?:{PAY}){SENTENCE}{{0,20}}?(?:一直拖|拖欠|至今未|至今没|一分钱?都?没|一分没|都没有给|都没给|都没有发|都没发|也没有发|也没发|"
    rf"一直没有?[发给拿])"
)
_LOOSE_BEFORE = re.compile(rf"(?:拖欠|不发|没发|未发){SENTENCE}{{0,24}}?(?:{PAY})")
_DEMAND = re.compile(
    rf"讨薪|欠薪|追薪|讨要?工资|要(?:求发|求补发|求支付|回)?(?:我们)?(?:{PAY})|发放[^，。]{{0,8}}工资"
)
_WITHHELD_BEFORE = re.compile(rf"(?:拖欠|欠){NEAR}{{0,14}}?(?:{PAY})")
_WITHHELD_AFTER = re.compile(rf"(?:{PAY}){NEAR}{{0,10}}?(?:拖欠|未发|没发|不发|没有发|未付|没付)")
_LABOUR = re.compile(
    r"农民工|农名工|民工|打工|务工|工友|工地|包工头|做事|干活|上班|入职|员工|职工|离职|应聘|代课|编外|合同制|老板"
)
_MIGRANT = re.compile(r"农民工|农名工|民工|包工头|工友|班组|血汗钱")
_RETIRED = re.compile(
    r"退休|养老金|离休|遗属|失业金|失业保险|最低工资标准|工龄|买断|病退|丧葬|抚恤|生育津贴|残疾人"
)
_PENSION = re.compile(r"(?:退休|离休|养老(?![院中服公机])|遗属)[^，。]{0,3}(?:工资|金|费|待遇)")
_INSURANCE = re.compile(r"社保|养老保险|公积金|五险|医保|医疗保险|保险费|个人账户")
_OTHER_HEAD = re.compile(f"{_INSURANCE.pattern}|{_RETIRED.pattern}")
_LEVEL = re.compile(
    r"工资(?:太|很|过|这么|那么|真的)?(?:低|少|不高)|涨工资|加工资|提高工资|增加.{0,8}工资|调资|工资标准|工资制度|工资改革|工资待遇|"
    r"待遇|津贴|津补贴|福利|同工同酬|十三个月|13个月工资|第13|绩效(?:奖|工资)|年终奖|奖金|考核奖|不公平|差距|公务员"
)
_DWELLING = re.compile(
    r"业主|购房|买房|房子|房屋|住房|噪音|噪声|扰民|房产证|交房|房价|租房|贷款|落户|户口|户籍|学位|收费(?![员站])|学费|污染"
)
_GOODS = re.compile(
    r"货款|租赁费|设备款|维修费|材料款|租金|服务费|服务合同|维护费|退款|退还|订金|定金|集资|诈骗|传销|合同款|加工制作|吊车|供货|投标|投资"
)
_QUESTION = re.compile(r"^(?:请问|咨询|关于|建议|希望|为什么|为何|我想|质疑|呼吁)")
_DISMISSAL = re.compile(r"辞退|开除|解除劳动|赔偿|代通知|额外一个月|逼退|辞工|强制加班")

FEATURES = (
    "head_direct",
    "head_demand",
    "head_pay",
    "direct",
    "direct_twice",
    "direct_thrice",
    "direct_self",
    "loose",
    "withheld",
    "labour",
    "migrant",
    "quantified",
    "retired",
    "pension",
    "insurance",
    "head_other",
    "level",
    "head_level",
    "dwelling",
    "goods",
    "question",
    "dismissal",
)
HEAD_CHARS = 60
SHORT_CHARS = 120
"""So much of a text without a heading counts as one. A text of that length tells no story: one
sign of trouble beside pay is its matter."""
_PAY_WORD = re.compile(PAY)


def head_of(text: str) -> str:
    """The heading: the first line, at most 60 letters; a text of one line gives its beginning."""
    line, _, _ = text.partition("\n")
    return line[:HEAD_CHARS]


def features(text: str, head: str, *, quantified: bool) -> tuple[int, ...]:
    """The values of FEATURES, small whole numbers. `quantified`: a sum or months were found."""
    if "\n" in text:
        body = text[len(head) :]
    else:
        body, head = text, text[:SHORT_CHARS]
    owed = in_head = NOTHING
    loose = withheld = False
    if not is_settled(text, head) and not asks_about_law(text, head):
        owed = clauses(body)
        in_head = owed if body == head else clauses(head)
        if not owed.found and not in_head.found and len(text) <= SHORT_CHARS:
            owed = in_head = trouble(text)
        loose = bool(_LOOSE_AFTER.search(body) or _LOOSE_BEFORE.search(body))
        withheld = bool(_WITHHELD_BEFORE.search(text) or _WITHHELD_AFTER.search(text))
    retired, insurance = _count(_RETIRED, text, 2), _count(_INSURANCE, text, 3)
    level = _count(_LEVEL, text, 3)
    whole = head == text
    return (
        int(in_head.found > 0),
        int(bool(_DEMAND.search(head))),
        int(bool(in_head.bare or _PAY_WORD.search(head))),
        int(owed.found >= 1),
        int(owed.found >= 2),
        int(owed.found >= 3),
        int(owed.own > 0),
        int(loose),
        int(withheld),
        _count(_LABOUR, text, 3),
        _count(_MIGRANT, text, 2),
        int(quantified),
        retired,
        _count(_PENSION, text, 3),
        insurance,
        int(bool(retired or insurance if whole else _OTHER_HEAD.search(head))),
        level,
        int(bool(level if whole else _LEVEL.search(head))),
        _count(_DWELLING, text, 3),
        _count(_GOODS, text, 3),
        int(bool(_QUESTION.match(head))),
        _count(_DISMISSAL, text, 2),
    )


def probability_ppm(values: tuple[int, ...], weights: Mapping[str, int]) -> int:
    """Calibrated parts per million. `weights`: thousandths of log-odds by feature."""
    logit = weights["bias"]
    for name, value in zip(FEATURES, values, strict=True):
        if value:
            logit += weights[name] * value
    return round(1_000_000 / (1 + exp(-max(-20_000, min(20_000, logit)) / 1000)))


def _count(pattern: re.Pattern[str], text: str, most: int) -> int:
    count = 0
    for _ in pattern.finditer(text):
        count += 1
        if count == most:
            break
    return count
