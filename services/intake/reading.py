"""What the text of a complaint says, as the signals that stand on the log."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal

import msgspec
import orjson

from services.intake.signals import Gazetteer, Lexicon, extract
from shared.events import Signals
from shared.policy import Policy
from shared.sealing import normalised_name


def read_text(
    text: str | None,
    address: str | None,
    policy: Policy,
    *,
    project: str | None = None,
    employer: str | None = None,
) -> Signals | None:
    """Signals of what is told, under the book's lexicon and gazetteer; None if it says nothing."""
    found = signals_json(text, address, policy, project=project, employer=employer)
    return None if found is None else Signals.model_validate(orjson.loads(bytes(found)))


def signals_json(
    text: str | None,
    address: str | None,
    policy: Policy,
    *,
    project: str | None = None,
    employer: str | None = None,
) -> msgspec.Raw | None:
    """The same as canonical JSON. `project`, `employer`: names, read for a place (domain 5.3);
    alone, without one in them, they say nothing.

    The same words are read once: who is owed writes to several platforms, and a crew sends one
    letter each. Their hash is remembered, never the words.
    """
    if not (text or address or project or employer):
        return None
    words = (
        f"{policy.hash}\x00{text or ''}\x00{address or ''}\x00{project or ''}\x00{employer or ''}"
    )
    known = blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    found = _recent.get(known, _UNREAD)
    if found is _UNREAD:
        while len(_recent) >= _REMEMBERED:
            del _recent[next(iter(_recent))]
        found = _recent[known] = _signals(text, address, policy, project, employer)
    return found


_UNREAD: Final = msgspec.Raw(b"?")
_REMEMBERED: Final = 4096
_recent: Final[dict[bytes, msgspec.Raw | None]] = {}


def _signals(
    text: str | None,
    address: str | None,
    policy: Policy,
    project: str | None,
    employer: str | None,
) -> msgspec.Raw | None:
    lexicon, gazetteer = _prepared(_Book(policy))
    found = extract(
        text or "",
        address=address,
        lexicon=lexicon,
        gazetteer=gazetteer,
        project=project,
        employer=employer,
    )
    if not (text or address or found.places):
        return None
    data = found.as_data() | {"version": f"{found.version}+{lexicon.version}"}
    data["places"] = [_said(place) for place in data["places"]]
    return msgspec.Raw(orjson.dumps(_said(data), option=orjson.OPT_SORT_KEYS))


def _said(data: dict[str, object]) -> dict[str, object]:
    """Without what is None, as events are stored."""
    return {name: value for name, value in data.items() if value is not None}


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
    if plain.startswith(names.soe_beginnings):
        return "soe"
    if plain.endswith(names.government_endings) and not plain.endswith(names.not_government):
        return "government"
    return "soe" if any(word in plain for word in names.soe_words) else None
