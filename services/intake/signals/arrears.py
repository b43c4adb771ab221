"""Where a text says that pay is owed (domain 2.4, 5.2 R0), and what is only said about arrears.

A word of pay beside a word of arrears in one clause is what a claim is made of, in whichever
order and wording; work beside money that did not come says the same without a word of pay. Left
out are clauses on other matters, what was settled or never happened, and questions about the law.

Each pattern begins with plain letters, so that the search can leap to them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PAY = (
    "工资|工钱|薪资|薪水|薪酬|薪金|薪|劳务费|人工费|劳动报酬|报酬|血汗钱|辛苦[钱费]|加班费|提成|课时费|代课费|代办费|"
    "底薪|工人款|安装款|人工款|配送费|派送费|派件费|跑单费|跑腿费|送餐费"
)
_PAY = rf"(?:{PAY})(?![条卡表单流])"
NEAR = r"[^，。！？；：、!?;:,()（）\n]"
"""A letter of the same clause."""
SENTENCE = r"[^。！？；!?;\n]"
"""A letter of the same sentence."""

_NO = ("没有?", "未", "不", "拒绝", "拒不")
_HOW = (
    "(?:按时|足额|按月|按|及时|如期|正常|全部?|全额|再|曾|能|肯|愿意?|敢|准|怎么|予以?|给|我们?|他们?|她|大家|工人|人)"
    "{0,3}"
)
_COME = (
    "(?:发放?|给|付|支付|结[清算]?|开(?![始心展放会门口车学通除庭发]|工(?!资))|兑现|算清?|补发|打款|"
    "[拿领见收](?:过|到|着|全|回|上)|[要讨][到着回])"
)
_NOT_PAID = "|".join(
    (
        *(f"{no}{_HOW}{_COME}" for no in _NO),
        "发不[出下了]|开不[出了]|付不[出了起]|给不[了出]|结不[了到]|拿不[到出]|领不到|算不清|要不[到来回]|讨不[到来回]",
        "追不[到来回]|没法[要拿领]|无法[要拿领]|不能[要拿领]",
    )
)
"""What is due did not come: `没给`, `不按时足额发放`, `没有领到`, `发不下来`."""
_NOT_IN_HAND = "|".join(f"{no}{_HOW}(?:到[手账帐位]|下来|进账)" for no in _NO)
_HELD = (
    "拖欠|拖[着了]|拖(?=[我咱到延发薪工])|欠|克扣|无故扣|扣[发押减留除着住下]|扣(?=[我咱工])|拒[付发]|停发|少[发给]|缓发|"
    "推迟发|延迟发|押[着了]|压[着了]|押(?=[我咱一两工])|压(?=[我咱一两工])|卡[着住]|赖[着掉账]|差(?=[我咱着了欠])"
)
"""Somebody keeps it back: `拖了我们`, `扣着`, `压着`, `差我`."""

_BEFORE = re.compile(
    rf"(?:{_HELD}|{_NOT_PAID}|讨要?|追[讨要回了过]|追一下|要[回了过]|要一下|索要|催[要讨了过]|没有?(?=工资)|"
    rf"没钱{NEAR}{{0,3}}发|打白条|只发了?|能拿到|要(?=工[资钱])|还我|还给?我们){NEAR}{{0,14}}?{_PAY}"
)
_AFTER = re.compile(
    rf"(?:{PAY})(?:(?![条卡表单流]){NEAR}{{0,12}}?(?:拖|欠|少[发给了]|{_NOT_PAID}|{_NOT_IN_HAND}|发放不了|没[着戏影信见]|"
    rf"无着落|没有着落|没人[管发给]|没有?结果|无果|谁[来管给发]|何时能?[发到]|什么时候能?[发给结拿到]|啥时候能?[发给结拿到]|"
    rf"未清|被扣|扣[押着住]|押[着了在]|压[着了在]|压(?=我)|能不能按时|赖|一分没|分文|[只就][发给](?:了|过)?|[发给结]了?一半|"
    rf"[要讨追]回来|被{NEAR}{{0,4}}?[挪卷吞花]|[卷吞黑]了|[让叫]{NEAR}{{0,4}}[卷花挪]|打了?水漂|打了?白条|克扣|停发|悬着)|"
    rf"卡{NEAR}{{0,6}}?(?:(?:没有?|未|不)(?:见|再|收到?|来|有)?(?:进账|到账|钱)|一分钱?都?没|没有?动静))"
)
_NEXT = re.compile(
    rf"{_PAY}{NEAR}{{0,10}}，{NEAR}{{0,8}}?(?:{_NOT_PAID}|拖到|一直拖|一拖再拖|欠着|无果|没有?结果)"
)

_MONEY = "(?:钱|[账帐](?!号|户)|一分|一毛|分文)"
_NO_MONEY = (
    rf"(?:(?:{_NOT_PAID}){NEAR}{{0,6}}{_MONEY}|{_MONEY}{NEAR}{{0,8}}?(?:{_NOT_PAID}|扣着)|"
    "[只就][给发]了|只[拿领]到)"
)
_WORK = (
    "干[活了完的]|活干|做[了完事工]|打工|打了[0-9一二两三四五六七八九十几半多个年月天]{1,5}工|上班|完工|收工|工地|工头|民工|工友|老板|东家|雇主|替人|给人|帮人|厂[里长]|矿[上里]|"
    "施工队|工程队|装修公司|劳务公司|司机|骑手|外卖|快递|环卫|保[洁安姆]|木工|瓦工|电工|焊工|小工|普工|护工|砌|钢筋|"
    "看大门|看孩子|修[的完好了]|盖[的完好了]|建[的完好了]"
)
_UNPAID_WORK = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:老板|公司|厂里|厂家|包工头|工头|单位|老总|矿上){NEAR}{{0,6}}(?:(?:拖欠|欠|差着?){NEAR}{{0,8}}钱|"
        rf"欠[我咱]{NEAR}{{0,10}}?[0-9一二两三四五六七八九十几]{NEAR}?[万千百])",
        rf"(?:{_WORK}){SENTENCE}{{0,24}}?{_NO_MONEY}",
        rf"(?:钱|[账帐](?!号|户)|一分|一毛){NEAR}{{0,8}}?(?:{_NOT_PAID}){SENTENCE}{{0,12}}?(?:干[了完]|活|做了|工地|走人)",
        rf"(?:老板|工头){SENTENCE}{{0,16}}?[没不](?:结(?![婚果束论])|付)",
        rf"(?:干[活了完]|做[了完]|打工|工地|民工|工人|活){SENTENCE}{{0,24}}?(?:老板|工头|负责人){SENTENCE}{{0,16}}?"
        rf"(?:跑了|跑路|失联|找不[到着]|躲|不接|不见)",
        r"没有?开过?支(?!持|付|票)|[未不]开支(?!持|付|票)|人均被?欠|每人被?欠|白干了",
    )
)
_OTHER_MONEY = re.compile(
    r"货|料|借|租|押金|退|补[偿贴助]|贷|保险|[医低社]保|学费|买|(?<!外)卖|菜|款|报销|看病|发票|收据|交[的了过]"
)
_OTHER_MATTER = re.compile(
    r"社保|养老(?![院中服公机])|保险|退休|离休|债务|生育|调整|待遇|威胁|额外|个月工资作|绩效工资分配|平均|有工资|开工(?!资)|"
    r"保证金|专用账户|专户|条例|个税|所得税|根治|治理|整治"
)
_NEVER = re.compile(
    r"(?:从来?不|从来?没有?|从来?未|不会|没(?<!有没)有?|未|不|并无|杜绝)(?:再|发生|出现|曾)?(?=[拖欠])"
)


class Clauses(NamedTuple):
    """Clauses that say that pay is owed. `own`: of oneself; `bare`: without a word of pay."""

    found: int
    own: int
    bare: int


NOTHING = Clauses(0, 0, 0)
_SELF = re.compile(r"我|本人|咱|大家")


def clauses(text: str) -> Clauses:
    """The clauses of a normalised text in which pay is owed (domain 2.4)."""
    count = own = bare = 0
    for pattern in (_BEFORE, _AFTER, _NEXT, *_UNPAID_WORK):
        for match in pattern.finditer(text):
            start, end = match.span()
            if _OTHER_MATTER.search(text, max(0, start - 2), end + 2):
                continue
            if _NEVER.search(text, max(0, start - 4), end):
                continue
            if pattern in _UNPAID_WORK:
                if _OTHER_MONEY.search(text, max(0, start - 4), end + 2):
                    continue
                bare += 1
            count += 1
            own += bool(_SELF.search(text, max(0, start - 8), end))
    return Clauses(count, own, bare)


_SIGN = (
    "没|未|不|无|欠|拖|扣|押|压|卡[着住]|赖|骗|吞|卷|跑|躲|缓|悬|断了|少了|停(?=[了发一二两三四五六七八九十])|推[了来到]|讨|追|催|"
    "要[回了过着]|要(?=工[资钱])|求[助帮您你]|白[条干]|快了|再等|泡汤|咋办|怎么办|谁来|管管|做主|解决|一半|只[拿按]"
)
_SIGN_AFTER = re.compile(rf"{_PAY}{SENTENCE}{{0,24}}?(?:{_SIGN})")
_SIGN_BEFORE = re.compile(rf"(?:{_SIGN}){SENTENCE}{{0,24}}?{_PAY}")
_NO_TROUBLE = re.compile(
    r"高|低|涨|降|税|提高|调整|不到[0-9一二三四五六七八九十两]|不知|不用|不需|不够|工资[条单表]|招聘|包吃|社保|保险|公积金|"
    r"退休|养老(?![院中服公机])|产假|治理|根治|整治|差距|同工同酬|保证金|专户|条例|标准"
)
_AT_WORK = re.compile(
    rf"[在给跟为]{NEAR}{{1,12}}?(?:[厂矿店队窑站园所]|公司|工地|超市|学校|医院|食堂){SENTENCE}{{0,30}}?{_NO_MONEY}"
)


_BOSS = re.compile(
    rf"(?:老板|工头){SENTENCE}{{0,12}}?(?:[没不][发给付结开](?=[，。！？]|我|了|过|$)|"
    rf"(?:承诺|答应|说){NEAR}{{0,8}}?[给发付结](?=[，。！？]|$))"
)


def trouble(text: str) -> Clauses:
    """Of a short text without such a clause: it tells no story, so what little it says of pay and
    of any trouble is its matter (domain 2.4)."""
    if _NO_TROUBLE.search(text):
        return NOTHING
    if _SIGN_AFTER.search(text) or _SIGN_BEFORE.search(text):
        return Clauses(1, int(bool(_SELF.search(text))), 0)
    if (_AT_WORK.search(text) or _BOSS.search(text)) and not _OTHER_MONEY.search(text):
        return Clauses(1, int(bool(_SELF.search(text))), 1)
    return NOTHING


_STILL = re.compile(
    r"还[欠差有没剩不]|仍|至今|到现在|一直|没[给发付结拿要]|未[发付结给]|不[给发付结]|拖[着到]|又"
)
_PRAISE = re.compile(r"感谢|谢谢|多谢|多亏|表扬|点赞|称赞|锦旗")
_GOOD_NEWS = re.compile(
    r"(?<![没未不能])(?:[要讨追拿领][回到]来?了|[付结]清了?|补[发齐]了|[发给]了(?=[工我钱，。！]|$)|到账了|解决了|"
    r"就拿到|及时|按时)"
)
_DONE = re.compile(
    r"(?:已经?|都|全部?|当天|全额|终于|早就|早已)[^，。没未不]{0,8}(?:付清|结清|补发|补齐|发放?到|拿到|要回|到账)"
)
_REGULAR = re.compile(
    r"按(?<![不没未有能好]按)[月时](?:足额)?(?:发|打|给|到|支付)|每月都?(?:足额)?(?:发|打|给|到|支付)"
)
_NEVER_OWED = re.compile(r"从(?:来|未|没|不)[^，。]{0,5}[拖欠]+|没有?问题|没有?拖欠|不拖欠")
_ANY_SIGN = re.compile(_SIGN)


def is_settled(text: str, head: str) -> bool:
    """Thanks, praise or a withdrawal: arrears are over, or never were (domain 2.4)."""
    if (_REGULAR.search(head) or _NEVER_OWED.search(head)) and not _ANY_SIGN.search(
        _NEVER_OWED.sub("", text)
    ):
        return True
    if _STILL.search(text):
        return False
    return bool(_DONE.search(head) or (_PRAISE.search(head) and _GOOD_NEWS.search(head)))


_ASKS = re.compile(
    r"(?:您好|你好|领导)?[，,]?(?:我?想?(?:请问|咨询|了解|问|知道)|怎[么样]|如何|听说|建议|希望|呼吁)"
)
_OF_LAW = re.compile(
    r"(?:哪个|什么)(?:部门|单位)|电话|哪里|哪儿|条例|规定|政策|标准|流程|材料|保证金|专户|专用账户|多久|期限|"
    r"怎[么样](?:办理|开|算|交|查|投诉|举报)|如何|力度|加大|加强|严惩|处罚|打击|坐牢|判刑|犯法|犯罪|违法"
)
_OWN_MATTER = re.compile(
    r"[0-9一二两三四五六七八九十半]+个?多?(?:月|年|[万千百块元])|我和|工友|厂里|"
    r"我的|我们|我[被在是]|[欠拖差]了?我|本人|老板|工头|推了|不理|拖了"
)
"""Whose matter it is: who asks names a span or a sum, or those with whom it is shared."""


def asks_about_law(text: str, head: str) -> bool:
    """A question or proposal about the rules, without a matter of the writer's own: no claim
    (domain 2.4)."""
    return bool(_ASKS.match(head) and _OF_LAW.search(head) and not _OWN_MATTER.search(text))
