"""What the text of a complaint says, as the signals that stand on the log."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from services.intake.signals import Gazetteer, Lexicon, extract
from shared.events import Place, Signals
from shared.policy import Policy
from shared.sealing import normalised_name


def read_text(text: str | None, address: str | None, policy: Policy) -> Signals | None:
    """Signals of text and address under the book's lexicon and gazetteer; None without either."""
    if not text and not address:
        return None
    lexicon, gazetteer = _prepared(_Book(policy))
    found = extract(text or "", address=address, lexicon=lexicon, gazetteer=gazetteer)
    return Signals(
        version=f"{found.version}+{lexicon.version}",
        claim=found.claim,
        claim_ppm=found.claim_ppm,
        mixed=found.mixed,
        urgent=found.urgent,
        workers=found.workers,
        amount_fen=found.amount_fen,
        months=found.months,
        places=tuple(
            Place(field=place.field, text=place.text, township=place.township, rule=place.rule)
            for place in found.places
        ),
        terms=dict(found.terms),
        leads=dict(found.leads),
    )


class _Book:
    """A policy that is compared by its hash, so that its word lists are prepared once."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __hash__(self) -> int:
        return hash(self.policy.hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Book) and other.policy.hash == self.policy.hash


@lru_cache(maxsize=8)
def _prepared(book: _Book) -> tuple[Lexicon, Gazetteer]:
    content = book.policy.content
    return Lexicon.from_mapping(content.lexicon), Gazetteer.from_mapping(content.gazetteer)


def kind_of_owner(owner: str | None, policy: Policy) -> Literal["government", "soe"] | None:
    """What a project owner's name says it is: an organ or public institution, or a state firm."""
    names = policy.content.routing.owner_names
    plain = normalised_name(owner or "")
    if plain.endswith(names.government_endings) and not plain.endswith(names.not_government):
        return "government"
    return "soe" if any(word in plain for word in names.soe_words) else None
