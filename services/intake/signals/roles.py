"""What a text says of a place that it names: somebody works there, is at home there, or neither.

The order of domain 5.3 needs it: the place of work, then that of the employer, then what else was
told. Read from the words beside the name in its clause, never from what the place is.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Role = Literal["work", "text", "home"]

_CLAUSE = r"[^，。！？；：、,!?;:()（）\n]"
_CITY = "(?:河南省?|郑州市?|登封[市县]?|本市|我市|[们的])*"
_HOME_BEFORE = re.compile(
    r"(?:住在?|住址[是为：:在]*|家[在是]|老家|老家[在是]|户[籍口](?:地|所在地)?[是在为：:]*|籍贯[是为：:]*|回到?|回了|来自|生[在于])"
    rf"{_CITY}$"
)
_HOME_AFTER = re.compile(
    rf"(?:{_CLAUSE}{{1,5}}(?:村|组|社区))?(?:的|一名|一个|普通|本地|当地)*"
    r"(?:人(?![民社大员数口力工生事家们])|村民|居民|百姓|农民(?!工))"
)
_SELF_BEFORE = re.compile(rf"(?:我|们|本人|俺|咱)(?:都?是|系){_CITY}$")
_SELF_AFTER = re.compile(
    rf"(?:{_CLAUSE}{{1,5}}(?:村|组))?(?:的|一名|一个)*(?:农民工|民工|的?(?=[，。；,;\n]|$))"
)
_WORK = (
    "工地|项目|工程(?!款|尾款)|施工|[厂店](?!里的人)|矿(?!区)|煤业|公司|企业|超市|酒店|饭店|宾馆|学校|幼儿园|医院|食堂|饭馆|"
    "干活|打工|上班|务工|做工|做活|工作|干了|做了|修|盖|建|装|砌|绿化|开[车挖塔]"
)
_AT = re.compile(rf"(?:在|到|去|给|为|帮|至|于){_CITY}$")
_WORK_NEAR = re.compile(rf"{_CLAUSE}{{0,8}}?(?:{_WORK})")
_WORK_AFTER_AT = re.compile(rf"{_CLAUSE}{{0,20}}?(?:{_WORK})")
_ON_SITE = re.compile(r"[^，。]{0,3}?(?:工地|工棚)")
_SITE_AT = re.compile(rf"(?:工地|项目|工程|活|厂子?|矿)(?:就?在|位于|设在){_CITY}$")
_DONE_AT = re.compile(rf"{_CLAUSE}{{0,6}}?(?:干完|做完|干了|做了|打工|干活|上班|务工|做工)")
_THEIRS = re.compile(rf"(?:老板|包工头|工头|老总|经理|负责人){_CLAUSE}{{0,8}}$")
"""Of somebody else: where the employer went or lives tells nothing of the place of work."""

_BEFORE: Final = 16
"""Letters before a name that are looked at."""


def role_of(text: str, start: int, end: int) -> Role:
    """The role of the name at `start:end` of a normalised text (domain 5.3)."""
    left = text[max(0, start - _BEFORE) : start]
    if _ON_SITE.match(text, end) or _SITE_AT.search(left):
        return "work"
    if _THEIRS.search(left):
        return "text"
    if _AT.search(left) and _DONE_AT.match(text, end):
        return "work"
    if _HOME_BEFORE.search(left) or _HOME_AFTER.match(text, end):
        return "home"
    if _SELF_BEFORE.search(left) and _SELF_AFTER.match(text, end):
        return "home"
    if _WORK_NEAR.match(text, end) or is_work_at(text, start, end):
        return "work"
    return "text"


def is_work_at(text: str, start: int, end: int) -> bool:
    """Whether the text says that somebody works at the name (`在…打工`, `工地在…`)."""
    left = text[max(0, start - _BEFORE) : start]
    if _ON_SITE.match(text, end) or _SITE_AT.search(left):
        return True
    at = _AT.search(left)
    return at is not None and _WORK_AFTER_AT.match(text, end) is not None
