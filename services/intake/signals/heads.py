"""How many workers a complaint speaks of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.intake.signals.numerals import FIGURES, HAN, number

MAX_WORKERS = 100_000

_WORKER = (
    "农民工|农名工|民工|打工人|打工者|务工人员|工人|员工|职工|劳动者|工友|同事|老乡|同乡|"
    "兄弟|姐妹|伙伴|老师|教师|教练|教职工|司机|师傅|技师|护士|医生|保安|保洁员|环卫工|"
    "协管员|辅警|骑手|快递员|业务员|销售员|服务员|营业员|收银员|厨师|矿工|临时工|临聘人员|"
    "编外人员|村医|保洁|工作人员|受害人|受害者|直销员|木工|泥工|瓦工|钢筋工|油漆工|电工|焊工|普工|小工|人"
)
_HEADS = re.compile(
    rf"(?<![几数好第每年月日\-~至到.0-9A-Za-z{HAN}])(?P<n>{FIGURES}|[{HAN}]+)(?P<about>[多余几来])?"
    rf"(?P<tail>[{HAN}])?"
    rf"(?P<class>[个名位口])?(?P<more>[多余])?"
    rf"(?P<gap>[^0-9我你他她{HAN}，。；：！？、,.;:!?\s（）()]{{0,6}}?)(?P<who>{_WORKER})"
)
_AFTER_WORKERS = re.compile(
    rf"(?:农民工|农名工|民工|务工人员|工人|员工|职工|工友|教师|教职工|劳动者)(?:一共|总共|共计|合计|共|计|约|近)?"
    rf"(?P<n>(?<![0-9.])(?:{FIGURES})|[{HAN}]+)(?P<about>[多余])?[名位](?=[，。；、！？,;!?（()）\s]|$)"
)
"""`涉及农民工15名`, as papers that pass a case on say it."""
_ONE_OF_THEM = re.compile(r"^，(?:我(?!们)|本人)")
_BOTH = re.compile(r"(?:我们?|咱们?)(?P<n>俩|仨)(?=[的都在被，。；、！？]|工资|$)")
_BEFORE_BREAK = re.compile(r"[。；！？!?;\n]")
_UNCOUNTED = re.compile(
    r"(?:家[中里有]|全家|一家|上有|膝下|夫妻|夫妇|父子|兄弟|领导|负责人|老板|股东|合伙|证人|管理人员|"
    r"业主|学生|村民|户|人均|平均|以上|满|不足|第|只|仅|才)[^，。；]{0,4}$"
)
_NO_WORKER_GAP = re.compile(
    r"月|年|天|号|日|时|分钟|元|块|万|亿|小时|工程|项目|班组|工地|公司|单位|标段|层|栋|期|次|户|"
    r"领导|老板|负责|管理|包工|股东|业主|学生|家长|村|欠|给|把|让|的钱|技术|核心|以前|以上|公里|平"
)
_AFTER_NO = re.compile(r"民|才|事|力|社|均|次|员|生|间|们家|大代|格|口|心|为|数")
_WE = re.compile(
    r"(?:我们|咱们|我等|本人等|一行|在内的?)(?:这|一共|总共|共|有|大概|大约|将近|近|约)*$"
)
_LED = re.compile(
    r"我(?:本人|自己)?(?:带着|带领|率领|领着|和|与|跟|及|以及|同)(?:其它|其他|其余|另外|另|手下)?的?$"
)
_BROUGHT = re.compile(r"(?:带了|带着|带领|率领|领着|组织了?|召集了?|叫了)(?:共|近|约|大约|大概)?$")
_OF_WORKERS = re.compile(
    r"(?:农民工|民工|工人|员工|职工|教师|老师|劳动者|班组)(?:们)?(?:一共|总共|共|共计|合计|有|计|将近|将尽|近|约|大约|达|达到|多达)*$"
)
_TOTAL = re.compile(r"(?:一共|总共|共计|合计|共|涉及|达到?|总计|人数)[^，。；]{0,5}$")
_OWED_BEFORE = re.compile(r"欠|克扣|扣发|未发|没发|不发|讨|被拖")
_OWED_AFTER = re.compile(
    r"欠|未发|没发|未付|没付|不发|不给|不付|没给|没拿|拿不到|没有拿|一直拿|拿到|未拿|未结|没结|"
    r"讨|工资|血汗|工钱|薪|恳请|求"
)
_WORKED_AFTER = re.compile(r"^[^，。；]{0,10}(?:干活|干了|做了|做事|打工|务工|上班|施工)")
_PAID_AFTER = re.compile(
    r"^[^，。；]{0,4}(?:付清|结清|已发|已付|(?<![没未不])发了|(?<![没未不有能])拿到了|(?<![没未不有能])领到)"
)
_STRONG_WHO = frozenset(_WORKER.split("|")) - {
    "人",
    "兄弟",
    "老乡",
    "同乡",
    "同事",
    "姐妹",
    "工作人员",
}


@dataclass(frozen=True, slots=True)
class Head:
    """One mention of a number of people: its value, where it stands, how well it fits."""

    value: int
    start: int
    score: int


def mentions(text: str) -> list[Head]:
    """Every plausible number of workers in a normalised text, in order."""
    found: list[Head] = []
    for match in _HEADS.finditer(text):
        head = _judged(text, match)
        if head is not None:
            found.append(head)
    for match in _AFTER_WORKERS.finditer(text):
        head = _counted_after(text, match)
        if head is not None:
            found.append(head)
    for match in _BOTH.finditer(text):
        found.append(Head(2 if match["n"] == "俩" else 3, match.start(), 3))
    return sorted(found, key=lambda head: head.start)


def workers(found: list[Head]) -> int | None:
    """The best fitting number of workers; of equals the larger; None if nothing says it."""
    good = [head for head in found if head.score >= 2]
    if not good:
        return None
    return max(good, key=lambda head: (head.score, head.value, -head.start)).value


def _counted_after(text: str, match: re.Match[str]) -> Head | None:
    value = number(match["n"])
    if value is None or not 0 < value <= MAX_WORKERS:
        return None
    left = text[max(0, match.start() - 16) : match.start()]
    cut = [m.end() for m in _BEFORE_BREAK.finditer(left)]
    left = left[cut[-1] :] if cut else left
    right = text[match.end() : match.end() + 14]
    owed = _OWED_BEFORE.search(left) or (
        _OWED_AFTER.search(right) and not _ONE_OF_THEM.match(right)
    )
    if _UNCOUNTED.search(left) or not (owed or _TOTAL.search(left)):
        return None
    return Head(value, match.start(), 4 + (not match["about"]))


def _judged(text: str, match: re.Match[str]) -> Head | None:
    who, gap, start = match["who"], match["gap"], match.start()
    if match["tail"]:
        return None
    value = number(match["n"])
    if value is None or not 0 < value <= MAX_WORKERS or match["n"] == "一":
        return None
    if _NO_WORKER_GAP.search(gap) or (who == "人" and _AFTER_NO.match(text, match.end())):
        return None
    if not match["class"] and gap and who == "人":
        return None
    left = text[max(0, start - 16) : start]
    cut = [m.end() for m in _BEFORE_BREAK.finditer(left)]
    left = left[cut[-1] :] if cut else left
    if _UNCOUNTED.search(left):
        return None
    right = text[match.end() : match.end() + 14]
    score = 0
    led = _LED.search(left)
    approximate = bool(match["about"] or match["more"])
    if _WE.search(left) or led or _BROUGHT.search(left):
        score += 3
    if _TOTAL.search(left):
        score += 2
    elif left.endswith("等"):
        score += 1
    strong = who in _STRONG_WHO or right.startswith(("农民工", "民工", "工人"))
    if strong or _OF_WORKERS.search(left):
        score += 2
    if not approximate:
        score += 1
    if _OWED_BEFORE.search(left):
        score += 2
    if _OWED_AFTER.search(right) or _OWED_AFTER.search(gap) or _WORKED_AFTER.match(right):
        score += 1
    if _PAID_AFTER.search(right):
        score -= 4
    if led and not approximate:
        value += 1
    return Head(value, start, score)
