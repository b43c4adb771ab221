"""Does a text claim unpaid wages? A few countable features and a small logistic model.

The features are what a reader looks for: a word of arrears beside a word of pay (in the heading
above all), a worker speaking for himself, and against it the matters that also mention pay:
pensions, social insurance, the level of pay, dwellings, goods and leases, dismissal, questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp

PAY = (
    "工资|工钱|薪资|薪水|薪酬|薪金|薪|劳务费|人工费|劳动报酬|报酬|血汗钱|辛苦钱|加班费|提成|课时费|代课费|代办费|"
    "底薪|工人款|安装款|人工款|配送费|派送费|派件费|跑单费|跑腿费|送餐费"
)
_NEAR = r"[^，。！？；：、!?;:,()（）\n]"
_OTHER_MATTER = re.compile(
    r"社保|养老|保险|退休|离休|债务|生育|调整|待遇|威胁|额外|个月工资作|绩效工资分配|平均|有工资|开工"
)
_NOT_PAID = (
    "未(?:按时|足额|按月|能)?发放?|没发放?|不(?:予|按时|按月|足额)?发放?|没有(?:按时|足额)?发放?|未给|没给|不给|没有给|"
    "未付|没付|不付|没有付|未支付|没有支付|不(?:予)?支付|未结[清算]?|没结[清算]?|没有结[清算]?|不结[清算]?|"
    "没有拿到|没拿到|拿不到|未能拿到|没能拿到|未拿到|没有领到|未领到|没领到|领不到|没有?见到|没见着|发不出"
)
_BEFORE = re.compile(
    rf"(?:拖欠|欠付|欠发|欠|克扣|无故扣|扣发|扣押|扣减|扣留|扣除|拒付|拒发|拒绝支付|拒不支付|停发|少发|拖发|缓发|拖延|拖着|"
    rf"延迟发放?|推迟发放?|[押压]着?(?:了|我们?的?)?|讨要?|追讨|追回|要回|讨回|没有?(?=工资)|没钱发|打白条|只发了?|"
    rf"什么时候能拿到|何时能拿到|{_NOT_PAID}|还我|还给?我们){_NEAR}{{0,14}}?(?:{PAY})(?![条卡表单流])"
)
_AFTER = re.compile(
    rf"(?:{PAY})(?![条卡表单流]){_NEAR}{{0,10}}?(?:拖欠|拖着|一直拖|被欠|少发|{_NOT_PAID}|发放不了|要不回|讨不回|没着落|无着落|"
    rf"没有着落|没影|没人管|何时发|什么时候发|什么时候给|何时能发|何时到账|什么时候到账|未清|没有结|被扣|扣押|能不能按时|未到位|"
    rf"没有到位|不到位|没有兑现|没兑现|结不到|一拖再拖|一分没|分文|被挪用|打了?水漂|打白条)"
)
_WORK_WITHOUT_MONEY = re.compile(
    rf"(?:老板|公司|厂里|厂家|包工头|工头|单位|老总){_NEAR}{{0,6}}(?:拖欠|欠|差着?){_NEAR}{{0,8}}钱|"
    rf"(?:干活|干了|做了|做事|打工|包工头|工头|工地|农民工|民工)[^。！？；\n]{{0,24}}?"
    rf"(?:不给|没给|没有给|没拿到|没有拿到|拿不到|没见到|不结账|没结账){_NEAR}{{0,6}}(?:钱|账)|白干了"
)
_LOOSE = re.compile(
    rf"(?:{PAY})[^。！？；!?;\n]{{0,20}}?(?:一直拖|拖欠|至今未|至今没|一分钱?都?没|一分没|都没有给|都没给|都没有发|都没发|也没有发|也没发|"
    rf"一直没有?[发给拿])|(?:拖欠|不发|没发|未发)[^。！？；!?;\n]{{0,24}}?(?:{PAY})"
)
_DEMAND = re.compile(
    rf"讨薪|欠薪|追薪|讨要?工资|要(?:求发|求补发|求支付|回)?(?:我们)?(?:{PAY})|发放[^，。]{{0,8}}工资"
)
_WITHHELD = re.compile(
    rf"(?:拖欠|欠){_NEAR}{{0,14}}?(?:{PAY})|(?:{PAY}){_NEAR}{{0,10}}?(?:拖欠|未发|没发|不发|没有发|未付|没付)"
)
_SELF = re.compile(r"我|本人|咱|大家")
_LABOUR = re.compile(
    r"农民工|农名工|民工|打工|务工|工友|工地|包工头|做事|干活|上班|入职|员工|职工|离职|应聘|代课|编外|合同制|老板"
)
_MIGRANT = re.compile(r"农民工|农名工|民工|包工头|工友|班组|血汗钱")
_RETIRED = re.compile(
    r"退休|养老金|离休|遗属|失业金|失业保险|最低工资标准|工龄|买断|病退|丧葬|抚恤|生育津贴|残疾人"
)
_PENSION = re.compile(r"(?:退休|离休|养老|遗属)[^，。]{0,3}(?:工资|金|费|待遇)")
_INSURANCE = re.compile(r"社保|养老保险|公积金|五险|医保|医疗保险|保险费|个人账户")
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
_PAY_WORD = re.compile(PAY)


def head_of(text: str) -> str:
    """The heading: the first line, at most 60 letters; a text of one line gives its beginning."""
    line, _, _ = text.partition("\n")
    return line[:HEAD_CHARS]


def features(text: str, head: str, *, quantified: bool) -> tuple[int, ...]:
    """The values of FEATURES, small whole numbers. `quantified`: a sum or months were found."""
    body = text[len(head) :] or head
    direct, own = _direct(body)
    head_direct, _ = (direct, own) if body is head else _direct(head)
    return (
        int(head_direct > 0),
        int(bool(_DEMAND.search(head))),
        int(bool(_PAY_WORD.search(head))),
        int(direct >= 1),
        int(direct >= 2),
        int(direct >= 3),
        int(own > 0),
        int(bool(_LOOSE.search(body))),
        int(bool(_WITHHELD.search(text))),
        _count(_LABOUR, text, 3),
        _count(_MIGRANT, text, 2),
        int(quantified),
        _count(_RETIRED, text, 2),
        _count(_PENSION, text, 3),
        _count(_INSURANCE, text, 3),
        int(bool(_INSURANCE.search(head) or _RETIRED.search(head))),
        _count(_LEVEL, text, 3),
        int(bool(_LEVEL.search(head))),
        _count(_DWELLING, text, 3),
        _count(_GOODS, text, 3),
        int(bool(_QUESTION.match(head))),
        _count(_DISMISSAL, text, 2),
    )


def _direct(text: str) -> tuple[int, int]:
    """How often arrears and pay stand in one clause, and how often the writer speaks of himself."""
    count = own = 0
    for pattern in (_BEFORE, _AFTER, _WORK_WITHOUT_MONEY):
        for match in pattern.finditer(text):
            if _OTHER_MATTER.search(text, max(0, match.start() - 2), match.end()):
                continue
            count += 1
            own += bool(_SELF.search(text, max(0, match.start() - 8), match.end()))
    return count, own


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
