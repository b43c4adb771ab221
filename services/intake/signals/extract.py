"""The one entry: `extract(text, …) -> Signals`, pure, deterministic, versioned (design 9).

What it returns stands on the log in clear, so it holds words of the lexicon, numbers and place
aliases of the gazetteer only: never a piece of what the person wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from services.intake.signals import claim, heads, leads, money, months
from services.intake.signals.gazetteer import Gazetteer, Place
from services.intake.signals.lexicon import Lexicon, pairs_of
from services.intake.signals.numerals import normalised

VERSION = "signals-4"
MAX_CHARS = 4000
"""Only the beginning is read: a complaint that has not said it by then needs a person."""

CERTAIN = 1_000_000
"""Parts per million."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What a text says, as plain data.

    `claim_ppm`, `leads`: calibrated probabilities in parts per million (`leads` most likely
    first). `amount_fen`: total unpaid wages. `months`: whole months in arrears. `terms`: sector
    -> words of the lexicon, in order of appearance, with the keys `urgent` and `not_wages` too.
    """

    version: str
    claim: bool
    claim_ppm: int
    mixed: bool
    urgent: bool
    workers: int | None
    amount_fen: int | None
    months: int | None
    places: tuple[Place, ...] = ()
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leads: Mapping[str, int] = field(default_factory=dict)

    @property
    def lead(self) -> str:
        """The most likely lead, `TRIAGE` where nothing points anywhere."""
        return next(iter(self.leads), "TRIAGE")

    @property
    def confidence_ppm(self) -> int:
        """Probability of the most likely lead."""
        return next(iter(self.leads.values()), 0)

    @property
    def margin_ppm(self) -> int:
        """Distance from the most likely lead to the next."""
        first, second = [*self.leads.values(), 0, 0][:2]
        return first - second

    def as_data(self) -> dict[str, Any]:
        """JSON-safe data in the form of the published language's `Signals`."""
        return {
            "version": self.version,
            "claim": self.claim,
            "claim_ppm": self.claim_ppm,
            "mixed": self.mixed,
            "urgent": self.urgent,
            "workers": self.workers,
            "amount_fen": self.amount_fen,
            "months": self.months,
            "places": [
                {"field": p.field, "text": p.text, "township": p.township, "rule": p.rule}
                for p in self.places
            ],
            "terms": {sector: list(words) for sector, words in self.terms.items()},
            "leads": dict(self.leads),
        }


@dataclass(frozen=True, slots=True)
class Model:
    """The trained coefficients of `model.json`; whole numbers only."""

    claim: Mapping[str, int]
    claim_threshold_ppm: int
    leads: leads.Weights


@lru_cache(maxsize=1)
def model() -> Model:
    """The coefficients that come with this version of the package."""
    raw = json.loads(resources.files(__package__).joinpath("model.json").read_text("utf-8"))
    rows = {
        lead: tuple(raw["leads"]["weights"][lead].get(name, 0) for name in leads.FEATURES)
        for lead in leads.LEADS
    }
    return Model(
        claim=raw["claim"]["weights"],
        claim_threshold_ppm=raw["claim"]["threshold_ppm"],
        leads=leads.Weights(rows, raw["leads"]["sharpness"]),
    )


def extract(
    text: str,
    *,
    address: str | None,
    lexicon: Lexicon,
    gazetteer: Gazetteer,
    project: str | None = None,
    employer: str | None = None,
) -> Signals:
    """Read one complaint: `text` (heading, newline, body; or a body alone) and the told address.

    `project`, `employer`: their names, which are read for a township only (domain 5.3). A project
    is named after where it is built, but also after where a road leads or who has it built: so its
    name is a field of its own, which counts where the site's address tells no place.

    Never raises on any text. An empty text says nothing against a claim: `claim` is then true
    and no lead is proposed.
    """
    places = gazetteer.in_address(normalised(address[:MAX_CHARS])) if address else []
    if project:
        places += gazetteer.in_name("project", normalised(project[:MAX_CHARS]))
    if employer:
        places += gazetteer.in_name("employer", normalised(employer[:MAX_CHARS]))
    body = normalised(text[:MAX_CHARS]).strip()
    if not body:
        return Signals(VERSION, True, CERTAIN, False, False, None, None, None, tuple(places))
    pairs = pairs_of(body)
    places += gazetteer.in_text(body, pairs)
    head = claim.head_of(body)
    known = model()
    people = heads.workers(heads.mentions(body))
    amount = money.unpaid(money.mentions(body), body, people)
    duration = months.months(body)
    quantified = amount is not None or duration is not None
    claim_ppm = claim.probability_ppm(
        claim.features(body, head, quantified=quantified), known.claim
    )
    found = lexicon.scanner.find(body, pairs)
    urgent = [word for _, word in lexicon.urgent.find(body, pairs)]
    not_wages = lexicon.not_wages.find(body, pairs)
    return Signals(
        version=VERSION,
        claim=claim_ppm >= known.claim_threshold_ppm,
        claim_ppm=claim_ppm,
        mixed=_mixed(body, not_wages),
        urgent=bool(urgent),
        workers=people,
        amount_fen=amount,
        months=duration,
        places=tuple(places),
        terms=_terms(found, lexicon, urgent, [word for _, word in not_wages]),
        leads=leads.probabilities_ppm(leads.features(body, head, found, lexicon), known.leads),
    )


def _terms(
    found: list[tuple[int, str]], lexicon: Lexicon, urgent: list[str], not_wages: list[str]
) -> dict[str, tuple[str, ...]]:
    by_sector: dict[str, dict[str, None]] = {}
    for _, word in found:
        by_sector.setdefault(lexicon.words[word][0], {})[word] = None
    for key, words in (("urgent", urgent), ("not_wages", not_wages)):
        if words:
            by_sector[key] = dict.fromkeys(words)
    return {sector: tuple(words) for sector, words in sorted(by_sector.items())}


_CLAIMED_LEFT = re.compile(
    r"(?:欠|未付|没付|没结|未结|不退|退还|扣|追讨|讨要|要回|结清|交了?|交付|收取)[^。；！？\n]{0,10}$"
)
_CLAIMED_RIGHT = re.compile(
    r"^[^。；！？\n]{0,10}(?:未付|没付|未结|没结|不退|不给|没给|拖|至今|欠|共计|[0-9一二三四五六七八九十百千万几多余]+[万元])"
)
_PAY = "工资|工钱|薪|报酬|劳务费|血汗钱"
_AND = "和|及|与|跟|以及|还有|、"
_JOINT_LEFT = re.compile(rf"(?:{_PAY})(?:{_AND})[^，。；！？\n]{{0,4}}$")
_JOINT_RIGHT = re.compile(rf"^(?:{_AND})[^，。；！？\n]{{0,6}}(?:{_PAY})")
_ONLY_A_REASON = re.compile(r"^(?:还|也|都)?(?:没有?|未)(?:到|下来|拨|批|落实|回)|^纠纷")


def _mixed(text: str, not_wages: list[tuple[int, str]]) -> bool:
    """Project or other money is claimed beside wages (split, not reject: domain 2, 4)."""
    for position, word in not_wages:
        right = text[position + len(word) : position + len(word) + 14]
        if _ONLY_A_REASON.match(right):
            continue
        left = text[max(0, position - 14) : position]
        joint = _JOINT_LEFT.search(left) or _JOINT_RIGHT.match(right)
        if joint or _CLAIMED_LEFT.search(left) or _CLAIMED_RIGHT.match(right):
            return True
    return False
