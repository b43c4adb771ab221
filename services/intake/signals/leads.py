"""Which task force a text points to: lexicon points, a few combinations, a small softmax model.

The weights start from the order of decision (domain 5.2: the source of the money before the type
of the worker) and were moved a little towards labelled messages by `train.py`; they stand in
`model.json` as thousandths of log-odds. Everything up to the last exponential is whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from services.intake.signals.lexicon import Lexicon

LEADS = ("TF1", "TF2", "TF3", "TF4", "TF5", "TF6", "TF7", "TRIAGE")

SECTORS = (
    "construction",
    "migrant",
    "estate",
    "public_works",
    "infrastructure",
    "public_staff",
    "school",
    "utility",
    "training",
    "coal",
    "state_firm",
    "state_builder",
    "private_firm",
    "employee",
    "platform",
    "finance",
    "services",
    "farm",
    "care",
    "haulage",
    "water_works",
    "household",
)
COMBINATIONS = (
    "bias",
    "site_and_public",  # a building site whose owner or money is public (R2)
    "public_without_site",
    "training_and_school",
    "training_and_staff",
    "office_without_site",
    "organ_owes",  # `…局拖欠`, `…街道办克扣`: a public body itself is the debtor (R6)
    "organ_builds",  # `与…镇政府签订`, `为…法院装修`: a public body lets the work (R2)
)
FEATURES = (*SECTORS, *COMBINATIONS)

LEVELS = (0, 4, 7, 10, 11, 12, 14, 15, 16, 17, 18)
"""Points of a sector to tenths of evidence: one strong word is 10, ten points and more are 18."""
ONE = 10

_ORGAN = (
    "人民政府|县政府|市政府|区政府|镇政府|乡政府|街道办事处|街道办|街道|村委会|居委会|管委会|人民法院|法院|检察院|"
    "公安局|派出所|司法局|教育局|财政局|住建局|建设局|水利局|水务局|交通局|公路局|农业局|林业局|国土局|城管局|卫健局|"
    "民政局|卫生院|指挥部|小学|中学"
)
_ORGAN_OWES = re.compile(
    rf"(?:{_ORGAN})(?:恶意|长期|无故|公然|非法|一直|还|至今|却)?(?:拖欠|克扣|扣发|扣押|欠|不发|未发|不给)"
)
_BUILT_FOR_ORGAN = re.compile(
    rf"(?:与|和|跟|为|给|替|帮|由)[^，。；\n]{{0,12}}?(?:{_ORGAN})[^，。；\n]{{0,10}}?"
    rf"(?:签订|签了|签的|承建|修建|建设|施工|装修|安装|开发的|发包|做工程)"
)
_ORGAN_S_WORKS = re.compile(rf"(?:{_ORGAN})(?:的)?(?:工程|项目|办公楼|大楼|宿舍|装修|工地)")


@dataclass(frozen=True, slots=True)
class Weights:
    """`rows[lead]`: thousandths of log-odds for each of FEATURES; `sharpness`: thousandths."""

    rows: Mapping[str, Sequence[int]]
    sharpness: int


def features(
    text: str, head: str, found: Sequence[tuple[int, str]], lexicon: Lexicon
) -> tuple[int, ...]:
    """Values of FEATURES in tenths. A word counts once, twice its points in the heading."""
    levels = _levels(len(head), found, lexicon)
    site = min(
        ONE,
        max(levels["construction"], levels["migrant"] * 9 // 10, levels["estate"] * 7 // 10),
    )
    public = min(ONE, max(levels["public_works"], levels["infrastructure"]))
    training = min(ONE, levels["training"])
    return (
        *(levels[sector] for sector in SECTORS),
        ONE,
        site * public // ONE,
        (ONE - site) * levels["public_works"] // ONE,
        training * min(ONE, levels["school"]) // ONE,
        training * min(ONE, levels["public_staff"]) // ONE,
        (ONE - site) * min(ONE, levels["employee"]) // ONE,
        ONE if _ORGAN_OWES.search(text) else 0,
        site if _ORGAN_S_WORKS.search(text) or _BUILT_FOR_ORGAN.search(text) else 0,
    )


def _levels(head: int, found: Sequence[tuple[int, str]], lexicon: Lexicon) -> dict[str, int]:
    seen: dict[str, int] = {}
    for position, word in found:
        points = lexicon.words[word][1]
        seen[word] = max(seen.get(word, 0), points * 2 if position < head else points)
    totals = dict.fromkeys(SECTORS, 0)
    for word, points in seen.items():
        sector = lexicon.words[word][0]
        if sector in totals:
            totals[sector] += points
    most = len(LEVELS) - 1
    return {sector: LEVELS[min(most, points)] for sector, points in totals.items()}


def probabilities_ppm(values: Sequence[int], weights: Weights) -> dict[str, int]:
    """Lead -> parts per million, most likely first; equals in the order of LEADS."""
    used = [(index, value) for index, value in enumerate(values) if value]
    logits = []
    for lead in LEADS:
        row = weights.rows[lead]
        total = 0
        for index, value in used:
            total += row[index] * value
        logits.append(total * weights.sharpness)
    most = max(logits)
    powers = [exp((logit - most) / (1_000_000 * ONE)) for logit in logits]
    whole = sum(powers)
    shares = [round(1_000_000 * power / whole) for power in powers]
    order = sorted(range(len(LEADS)), key=lambda index: (-shares[index], index))
    return {LEADS[index]: shares[index] for index in order}
