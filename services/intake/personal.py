"""No number of a person in what stands on the log in clear.

Numbers of documents, payments and vouchers, codes of a channel or a result. Such a number never
changes there and no key's destruction takes it away, so it is refused at the door (I-14; design 9).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from services.intake.complaint import Problem, Refused, pointer
from services.intake.numbers import Kind, number_of_a_person
from shared.events import SEALED_PREFIX

_SAID_ELSEWHERE: Final = frozenset(("source_ref",))
"""A platform's own number, which an answer to it has to repeat (contract 3)."""
_WHY: Final = "it is not sealed; a document's number is told apart by letters right before it"
_WORDS: Final[dict[Kind, str]] = {
    "identity": "an identity number",
    "telephone": "a telephone number",
    "card": "a bank card's number",
}


def refuse_numbers_of_persons(data: dict[str, Any] | str, place: str = "/data") -> None:
    """Raises Refused where sealed data (JSON values, or one text) still hold one in clear."""
    found = [
        Problem(where, "personal_number", f"{_WORDS[kind]} may not stand here: {_WHY}")
        for where, kind in _in_clear(data, place)
    ]
    if found:
        raise Refused(found)


def _in_clear(value: Any, place: str) -> Iterator[tuple[str, Kind]]:
    if isinstance(value, str):
        kind = None if value.startswith(SEALED_PREFIX) else number_of_a_person(value)
        if kind is not None:
            yield place, kind
    elif isinstance(value, dict):
        for name, part in value.items():
            kind = number_of_a_person(name)
            if kind is not None:
                yield place, kind  # A pointer to it would repeat it.
            elif name not in _SAID_ELSEWHERE:
                yield from _in_clear(part, place + pointer((name,)))
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from _in_clear(part, f"{place}/{number}")
