"""Development tool: fits `model.json` to labelled messages.

    python -m services.intake.signals.train MESSAGES.jsonl LEXICON.yaml

Two small models, both strongly regularised since labelled messages are few:

- claim: logistic regression with L2;
- leads: softmax with a Gaussian prior around PRIOR, the weights a reader of the order of decision
  (domain 5.2) would write down. A message counts for every lead that a labeller would defend.

The confidence of a lead is made honest by one number (`sharpness`), fitted to predictions for
messages left out (each with its near copies), from which also the words that no other message has
are hidden: a new message brings words that nobody looked at before. Needs numpy, which comes
with the development dependencies; inference is plain Python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from services.intake.signals import claim, heads, leads, money, months
from services.intake.signals.lexicon import Lexicon, Scanner
from services.intake.signals.numerals import normalised

Array = npt.NDArray[np.float64]

CLAIM_L2 = 1 / 0.3
CLAIM_THRESHOLD_PPM = 450_000
"""Below one half: a wage claim turned away costs more than a person's look at one that is none."""
LEAD_SPREAD = 0.3
"""Standard deviation of the prior of each weight, in log-odds per strong word."""
OPTIMISM = 0.9
"""Taken off the fitted sharpness: those who wrote the lexicon had read the messages."""
NEAR_COPY = 0.3
"""Share of common four-letter pieces from which two messages count as copies of one complaint."""

PRIOR: dict[str, dict[str, float]] = {
    "TF1": {
        "construction": 2.0,
        "migrant": 1.5,
        "estate": 1.5,
        "state_builder": 0.5,
        "employee": -1.0,
        "public_works": -1.0,
        "site_and_public": -2.0,
        "organ_builds": -1.0,
    },
    "TF2": {
        "public_works": 1.2,
        "site_and_public": 3.5,
        "public_staff": 2.2,
        "school": 1.5,
        "training_and_school": -2.0,
        "training_and_staff": -0.5,
        "water_works": 1.0,
        "infrastructure": 0.3,
        "organ_owes": 2.0,
        "organ_builds": 2.0,
    },
    "TF3": {"utility": 2.8, "site_and_public": -1.0},
    "TF4": {"training": 3.0, "training_and_school": 0.5},
    "TF5": {"coal": 3.5},
    "TF6": {"state_firm": 2.8, "infrastructure": 1.2, "state_builder": 0.3},
    "TF7": {
        "bias": 0.3,
        "private_firm": 1.5,
        "employee": 0.8,
        "office_without_site": 0.7,
        "migrant": -0.7,
        "construction": -0.5,
    },
    "TRIAGE": {
        "bias": 0.7,
        "platform": 3.0,
        "finance": 3.0,
        "services": 2.5,
        "farm": 2.5,
        "care": 1.5,
        "haulage": 2.0,
        "household": 1.5,
    },
}


@dataclass(frozen=True)
class Message:
    """A labelled message. `claim` None: the labellers disagreed; `acceptable`: defended leads."""

    id: str
    text: str
    claim: bool | None
    lead: str | None
    acceptable: frozenset[str]
    labels: dict[str, Any]


@dataclass(frozen=True)
class Left:
    """Predictions for messages left out of the fit: rows of logits beside who was predicted."""

    plain: Array
    masked: Array


def read_messages(path: Path) -> list[Message]:
    """Labelled messages of a JSON Lines file; the heading is the first line of the text."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = normalised(row["title"] + "\n" + row["text"])
        acceptable = frozenset(row.get("acceptable") or ()) - {"NONE"}
        found.append(Message(str(row["id"]), text, row["claim"], row["lead"], acceptable, row))
    return found


def near_copies(texts: Sequence[str]) -> list[frozenset[int]]:
    """For each text the indices of its near copies, itself among them."""
    pieces = [{t[i : i + 4] for i in range(len(t) - 3)} for t in texts]
    copies = []
    for own in pieces:
        near = {
            j
            for j, other in enumerate(pieces)
            if len(own & other) >= NEAR_COPY * max(1, min(len(own), len(other)))
        }
        copies.append(frozenset(near))
    return copies


def claim_row(message: Message) -> tuple[int, ...]:
    people = heads.workers(heads.mentions(message.text))
    amount = money.unpaid(money.mentions(message.text), message.text, people)
    quantified = amount is not None or months.months(message.text) is not None
    return claim.features(message.text, claim.head_of(message.text), quantified=quantified)


def lead_row(message: Message, lexicon: Lexicon, scanner: Scanner) -> tuple[int, ...]:
    text = message.text
    return leads.features(text, claim.head_of(text), scanner.find(text), lexicon)


def masked_scanners(
    messages: Sequence[Message], lexicon: Lexicon, copies: Sequence[frozenset[int]], keep: set[str]
) -> Iterator[Scanner]:
    """For each message the scanner without the words that no other message has (but `keep`)."""
    where = {
        word: {i for i, message in enumerate(messages) if word in message.text}
        for word in lexicon.words
    }
    for own in copies:
        gone = {w for w, places in where.items() if places and places <= own and w not in keep}
        yield Scanner.of(set(lexicon.words) - gone)


def fit_claim(rows: Array, labels: Array) -> Array:
    """Weights (bias last) of the L2 logistic regression, by Newton's method."""
    design = np.hstack([rows, np.ones((len(rows), 1))])
    penalty = np.full(design.shape[1], CLAIM_L2)
    penalty[-1] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (labels - chance) - penalty * weights
        curve = (design.T * (chance * (1 - chance))) @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights


def claim_left_out(rows: Array, labels: Array, copies: Sequence[frozenset[int]]) -> Array:
    """Probability of a claim for each message, from a fit without it and its near copies."""
    chances = np.zeros(len(rows))
    for i, own in enumerate(copies):
        rest = np.array([j not in own for j in range(len(rows))])
        weights = fit_claim(rows[rest], labels[rest])
        chances[i] = 1 / (1 + np.exp(-(rows[i] @ weights[:-1] + weights[-1])))
    return chances


def prior() -> Array:
    return np.array(
        [[PRIOR[lead].get(name, 0.0) for name in leads.FEATURES] for lead in leads.LEADS]
    )


def softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def fit_leads(rows: Array, defended: Array) -> Array:
    """Weights (leads x FEATURES): most likely given the prior and the defended leads."""
    start = prior()
    weights, momentum = start.copy(), np.zeros_like(start)
    precision = 1 / LEAD_SPREAD**2
    step = 1 / (precision + 0.5 * float(np.linalg.norm(rows, 2)) ** 2)
    for _ in range(600):
        ahead = weights + 0.8 * momentum
        shares = softmax(rows @ ahead.T)
        wanted = shares * defended
        wanted /= wanted.sum(axis=1, keepdims=True)
        slope = (wanted - shares).T @ rows - precision * (ahead - start)
        momentum = 0.8 * momentum + step * slope
        weights = weights + momentum
    return weights


def leads_left_out(
    rows: Array, masked: Array, defended: Array, copies: Sequence[frozenset[int]]
) -> Left:
    """Logits for each message, from a fit without it and its near copies."""
    plain, hidden = np.zeros(defended.shape), np.zeros(defended.shape)
    for i, own in enumerate(copies):
        rest = np.array([j not in own for j in range(len(rows))])
        weights = fit_leads(rows[rest], defended[rest])
        plain[i], hidden[i] = weights @ rows[i], weights @ masked[i]
    return Left(plain, hidden)


def fit_sharpness(logits: Array, defended: Array) -> float:
    """The factor on the logits under which the best lead's probability is honest."""
    best, chosen = -np.inf, 1.0
    for factor in np.arange(0.5, 3.0, 0.05):
        shares = softmax(logits * factor)
        top = shares.argmax(axis=1)
        confidence = shares.max(axis=1)
        right = defended[np.arange(len(top)), top] > 0
        likelihood = float(np.log(np.where(right, confidence, 1 - confidence)).mean())
        if likelihood > best:
            best, chosen = likelihood, float(factor)
    return chosen


@dataclass(frozen=True)
class LeadData:
    """The claims among the messages that some lead would be defended for, as arrays."""

    messages: list[Message]
    copies: list[frozenset[int]]
    rows: Array
    masked: Array
    defended: Array


def lead_data(messages: Sequence[Message], lexicon: Lexicon, keep: set[str]) -> LeadData:
    chosen = [m for m in messages if m.claim and m.acceptable]
    copies = near_copies([m.text for m in chosen])
    everywhere = near_copies([m.text for m in messages])
    scanners = dict(
        zip(
            (m.id for m in messages),
            masked_scanners(messages, lexicon, everywhere, keep),
            strict=True,
        )
    )
    rows = [lead_row(m, lexicon, lexicon.scanner) for m in chosen]
    masked = [lead_row(m, lexicon, scanners[m.id]) for m in chosen]
    defended = [[float(lead in m.acceptable) for lead in leads.LEADS] for m in chosen]
    return LeadData(
        chosen, copies, np.array(rows) / leads.ONE, np.array(masked) / leads.ONE, np.array(defended)
    )


def fitted(messages: Sequence[Message], lexicon: Lexicon) -> dict[str, Any]:
    """The content of `model.json`."""
    judged = [m for m in messages if m.claim is not None]
    rows = np.array([claim_row(m) for m in judged], dtype=np.float64)
    labels = np.array([float(bool(m.claim)) for m in judged])
    claim_weights = fit_claim(rows, labels)
    data = lead_data(messages, lexicon, set())
    lead_weights = fit_leads(data.rows, data.defended)
    left = leads_left_out(data.rows, data.masked, data.defended, data.copies)
    names = (*claim.FEATURES, "bias")
    return {
        "about": "Thousandths of log-odds, fitted by train.py; leads: per strong word.",
        "claim": {
            "threshold_ppm": CLAIM_THRESHOLD_PPM,
            "weights": {n: round(1000 * w) for n, w in zip(names, claim_weights, strict=True)},
        },
        "leads": {
            "sharpness": round(1000 * OPTIMISM * fit_sharpness(left.masked, data.defended)),
            "weights": {
                lead: {
                    name: round(1000 * weight)
                    for name, weight in zip(leads.FEATURES, row, strict=True)
                    if round(1000 * weight)
                }
                for lead, row in zip(leads.LEADS, lead_weights, strict=True)
            },
        },
    }


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("train: give the labelled messages and the lexicon\n")
        return 2
    lexicon = Lexicon.from_mapping(yaml.safe_load(Path(arguments[1]).read_text("utf-8")))
    content = fitted(read_messages(Path(arguments[0])), lexicon)
    target = Path(__file__).with_name("model.json")
    target.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    sys.stdout.write(f"train: wrote {target.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
