"""Development tool: how well the extraction reads labelled messages, each figure with its interval.

    python -m services.intake.signals.report MESSAGES.jsonl BOOK_FOLDER

`shipped` figures use the coefficients as shipped, which have seen these messages; `left out`
figures refit without the message and its near copies; `unseen words` also hide from the lexicon
what no other message has (the lexicon was written by people who had read the messages, so this
is the honest lower end). Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt
import yaml

from services.intake.signals import Gazetteer, Lexicon, Signals, extract
from services.intake.signals.extract import model
from services.intake.signals.leads import LEADS
from services.intake.signals.train import (
    CLAIM_THRESHOLD_PPM,
    Array,
    Message,
    claim_left_out,
    claim_row,
    lead_data,
    leads_left_out,
    near_copies,
    read_messages,
    softmax,
)

CONFIDENT, APART = 800_000, 150_000
"""Automatic assignment (domain 5.4): confidence and margin in parts per million."""

RATE_TEXT = (
    "投诉某建筑公司拖欠农民工工资\n我们十二人于2021年7月至9月在登封市唐庄镇某小区工地做木工，包工头一直以开发商没有付款为由"
    "拖欠我们工资共计8.6万元，多次讨要无果，家里老人孩子都等着用钱，请领导帮我们要回血汗钱。我们去过项目部，也打过电话，"
    "对方总说再等等，年底了还是分文未给，请有关部门查处。"
)


@dataclass(frozen=True)
class Figure:
    """A proportion `right` of `of` (halves possible for F1) with its limit, if it has one."""

    name: str
    right: float
    of: float
    limit: float | None = None

    @property
    def value(self) -> float:
        return self.right / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval at 95 %."""
        if not self.of:
            return (0.0, 1.0)
        z, n, p = 1.96, self.of, self.value
        middle = p + z * z / (2 * n)
        width = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return ((middle - width) / (1 + z * z / n), (middle + width) / (1 + z * z / n))

    @property
    def met(self) -> bool:
        return self.limit is None or self.value >= self.limit

    def __str__(self) -> str:
        low, high = self.interval
        limit = "" if self.limit is None else f"  (at least {self.limit:.2f})"
        counts = f"{self.right:g} of {self.of:g}"
        return f"{self.name:44s} {self.value:.3f} [{low:.3f}, {high:.3f}]  {counts}{limit}"


def figures(
    messages: Sequence[Message], lexicon: Lexicon, gazetteer: Gazetteer
) -> dict[str, Figure]:
    """Every figure by name; those with a limit are the bars of acceptance."""
    read = [extract(m.text, address=None, lexicon=lexicon, gazetteer=gazetteer) for m in messages]
    judged, left = _claims(messages, read)
    found = [
        *judged,
        *_leads(messages, read, lexicon, left),
        *_facts([(m, s) for m, s in zip(messages, read, strict=True) if m.claim]),
    ]
    return {figure.name: figure for figure in found}


def _claims(
    messages: Sequence[Message], read: Sequence[Signals]
) -> tuple[list[Figure], dict[str, bool]]:
    """Figures, and for each message what was said of it when it was left out."""
    judged = [(m, s) for m, s in zip(messages, read, strict=True) if m.claim is not None]
    truth = [bool(m.claim) for m, _ in judged]
    rows = np.array([claim_row(m) for m, _ in judged], dtype=np.float64)
    chances = claim_left_out(
        rows, np.array(truth, dtype=np.float64), near_copies([m.text for m, _ in judged])
    )
    left = [bool(c * 1_000_000 >= CLAIM_THRESHOLD_PPM) for c in chances]
    found = [
        *_scores("claim, shipped", [s.claim for _, s in judged], truth, 0.93),
        *_scores("claim, left out", left, truth, 0.93),
    ]
    return found, {m.id: said for (m, _), said in zip(judged, left, strict=True)}


def _scores(
    name: str, said: Sequence[bool], truth: Sequence[bool], limit: float | None
) -> list[Figure]:
    both = sum(a and b for a, b in zip(said, truth, strict=True))
    return [
        Figure(f"{name}: F1", both, (sum(said) + sum(truth)) / 2, limit),
        Figure(f"{name}: precision", both, sum(said)),
        Figure(f"{name}: recall", both, sum(truth)),
    ]


def _leads(
    messages: Sequence[Message],
    read: Sequence[Signals],
    lexicon: Lexicon,
    said: dict[str, bool],
) -> list[Figure]:
    shipped = [(m, s) for m, s in zip(messages, read, strict=True) if m.claim]
    auto = [
        (m, s)
        for m, s in shipped
        if s.claim
        and s.lead != "TRIAGE"
        and s.confidence_ppm >= CONFIDENT
        and s.margin_ppm >= APART
    ]
    right = sum(s.lead in m.acceptable for m, s in auto)
    found = [
        Figure("lead, shipped: precision", right, len(auto), 0.95),
        Figure("lead, shipped: coverage", len(auto), len(shipped), 0.60),
    ]
    data = lead_data(messages, lexicon, set())
    left = leads_left_out(data.rows, data.masked, data.defended, data.copies)
    claimed = np.array([said[m.id] for m in data.messages])
    for name, logits, limits in (
        ("lead, left out", left.plain, (0.95, 0.60)),
        ("lead, unseen words", left.masked, (None, None)),
    ):
        found += _left_out(name, logits, data.defended, claimed, limits)
    return found


def _left_out(
    name: str,
    logits: Array,
    defended: Array,
    claimed: npt.NDArray[np.bool_],
    limits: tuple[float | None, float | None],
) -> list[Figure]:
    """Automatic assignments of claims that were also seen to be claims when left out."""
    shares = softmax(logits * model().leads.sharpness / 1000)
    ranked = np.sort(shares, axis=1)
    top = shares.argmax(axis=1)
    right = defended[np.arange(len(top)), top] > 0
    auto = (
        claimed
        & (ranked[:, -1] * 1_000_000 >= CONFIDENT)
        & ((ranked[:, -1] - ranked[:, -2]) * 1_000_000 >= APART)
        & (top != LEADS.index("TRIAGE"))
    )
    return [
        Figure(f"{name}: precision", int((auto & right).sum()), int(auto.sum()), limits[0]),
        Figure(f"{name}: coverage", int(auto.sum()), len(auto), limits[1]),
        Figure(f"{name}: best lead defended", int(right.sum()), len(right)),
    ]


def _facts(claims: Sequence[tuple[Message, Signals]]) -> list[Figure]:
    found = []
    for name in ("workers", "amount_fen", "months"):
        limit = None if name == "months" else 0.85
        stated = [
            getattr(s, name) == m.labels[name] for m, s in claims if isinstance(m.labels[name], int)
        ]
        silent = [
            getattr(s, name) in (None, 1) if name == "workers" else getattr(s, name) is None
            for m, s in claims
            if m.labels[name] in (None, "one_or_unstated")
        ]
        found += [
            Figure(f"{name}: exact where stated", sum(stated), len(stated), limit),
            Figure(f"{name}: none where not stated", sum(silent), len(silent)),
            Figure(
                f"{name}: exact where labelled",
                sum(stated) + sum(silent),
                len(stated) + len(silent),
                limit,
            ),
        ]
    for name in ("urgent", "mixed"):
        clear = [(m, s) for m, s in claims if isinstance(m.labels[name], bool)]
        truth = [m.labels[name] for m, _ in clear]
        found += _scores(name, [getattr(s, name) for _, s in clear], truth, None)
    return found


def rate(lexicon: Lexicon, gazetteer: Gazetteer, seconds: float = 1.0) -> float:
    """Complaints a second of one core's own time, for a text of some 150 letters."""
    begun = process_time()
    done = 0
    while process_time() - begun < seconds:
        for _ in range(50):
            extract(RATE_TEXT, address="登封市唐庄镇", lexicon=lexicon, gazetteer=gazetteer)
        done += 50
    return done / (process_time() - begun)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("report: give the labelled messages and the folder of the book\n")
        return 2
    book = Path(arguments[1])
    lexicon = Lexicon.from_mapping(yaml.safe_load((book / "lexicon.yaml").read_text("utf-8")))
    gazetteer = Gazetteer.from_mapping(yaml.safe_load((book / "gazetteer.yaml").read_text("utf-8")))
    found = figures(read_messages(Path(arguments[0])), lexicon, gazetteer)
    for figure in found.values():
        sys.stdout.write(f"{figure}\n")
    sys.stdout.write(f"{rate(lexicon, gazetteer):.0f} complaints a second on one core\n")
    return 0 if all(figure.met for figure in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
