"""What is written in one go is the published type, and no text of a person is overlooked in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from services.intake import stored
from shared import events
from shared.envelope import sealed_parts
from shared.events import SEALED_PREFIX

PAIRS = [
    (stored.Received, events.ComplaintReceived),
    (stored.Employer, events.Employer),
    (stored.Project, events.Project),
    (stored.Site, events.Site),
    (stored.Line, events.ClaimLine),
]


@pytest.mark.parametrize(("struct", "model"), PAIRS)
def test_the_fields_are_those_of_the_type(
    struct: type[msgspec.Struct], model: type[BaseModel]
) -> None:
    assert sorted(struct.__struct_fields__) == sorted(model.model_fields)


@pytest.mark.parametrize("struct", [*(struct for struct, _ in PAIRS), stored.Document])
def test_fields_stand_in_canonical_order(struct: type[msgspec.Struct]) -> None:
    assert list(struct.__struct_fields__) == sorted(struct.__struct_fields__)


PLAIN = "张三的电话"


def said(model: type[BaseModel], text: str) -> dict[str, Any]:
    """`text` in every field of a type that must be sealed."""
    data: dict[str, Any] = {}
    for part in sealed_parts(model):
        inner = text if part.model is None else said(part.model, text)
        data[part.name] = [inner] if part.name == "claims" else inner
    return data


def places(model: type[BaseModel], path: str = "") -> set[str]:
    """The places of those fields."""
    found: set[str] = set()
    for part in sealed_parts(model):
        place = f"{path}/{part.name}"
        found |= {place} if part.model is None else places(part.model, place)
    return found


def received(text: str, **employer: str) -> stored.Received:
    data = said(events.ComplaintReceived, text)
    data |= {"source": "12345", "source_ref": "1", "tier": "CITY", "kind": "complaint"}
    data |= {"received_at": "2021-11-10T01:00:00Z", "status_key": "0" * 32, "group_keys": []}
    data["employer"] |= {"ownership": "private", "attracted": False, **employer}
    data["project"] |= {"funding": "private"}
    data["claims"][0] |= {"line": "1", "match_keys": []}
    return msgspec.convert(data, stored.Received)


def test_plain_text_is_found_in_every_field_that_must_be_sealed() -> None:
    assert set(stored.plain_in(received(PLAIN))) == places(events.ComplaintReceived)


def test_what_is_sealed_passes() -> None:
    assert stored.plain_in(received(f"{SEALED_PREFIX}1:abc")) == []


def test_only_a_registered_employer_is_named_in_clear() -> None:
    registered = received(PLAIN, uscc="91410185MA4QPXTL3T")
    assert set(stored.plain_in(registered)) == places(events.ComplaintReceived) - {"/employer/name"}
