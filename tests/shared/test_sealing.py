"""Sealing: what opens, what does not, and that no text about a person can slip through."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import sealed_parts, unsealed_fields
from shared.events import TYPES, ComplaintReceived, SupervisionVisitRecorded, SupplementReceived
from shared.sealing import CannotOpen, FirstSealer, Matcher, Sealer, normalised_id, normalised_name

MATCHER = Matcher(b"m" * 32)


def sealer(subject: str = "case-1", key: bytes = b"k" * 32) -> Sealer:
    return Sealer(subject, key, MATCHER)


@given(st.text(max_size=300))
def test_what_is_sealed_opens_and_says_nothing(text: str) -> None:
    token = sealer().seal(text, "e/text")
    assert token.startswith("sealed:1:")
    assert sealer().open(token) == text
    assert len(text) < 4 or text not in token


def test_another_case_cannot_open_it() -> None:
    token = sealer().seal("王小二", "e/text")
    with pytest.raises(CannotOpen):
        sealer("case-2").open(token)


def test_another_key_cannot_open_it() -> None:
    token = sealer().seal("王小二", "e/text")
    with pytest.raises(CannotOpen):
        sealer(key=b"x" * 32).open(token)


def test_a_changed_token_does_not_open() -> None:
    token = sealer().seal("王小二", "e/text")
    changed = token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB")
    with pytest.raises(CannotOpen):
        sealer().open(changed)
    with pytest.raises(CannotOpen):
        sealer().open("王小二")


def test_the_same_text_seals_alike_only_in_the_same_place() -> None:
    first = sealer().seal("王小二", "e1/text")
    assert sealer().seal("王小二", "e1/text") == first
    assert sealer().seal("王小二", "e2/text") != first
    assert sealer(key=b"x" * 32).seal("王小二", "e1/text") != first


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from("ab")), max_size=20))
def test_under_a_new_key_no_nonce_comes_twice(texts: list[tuple[str, str]]) -> None:
    """Whatever is sealed, also the same text at the same place: a nonce used twice opens both."""
    first = FirstSealer("case-1", b"k" * 32, MATCHER)
    tokens = [first.seal(text, place) for text, place in texts]
    assert [sealer().open(token) for token in tokens] == [text for text, _ in texts]
    nonces = {base64.urlsafe_b64decode(token[len("sealed:1:") :][:16]) for token in tokens}
    assert len(nonces) == len(texts)


@pytest.mark.parametrize(
    "other",
    ["41012519900306991x", " 4101 2519 9003 0699 1X", "４１０１２５１９９００３０６９９１Ｘ"],
)
def test_one_identity_number_has_one_hash(other: str) -> None:
    assert MATCHER.worker(other) == MATCHER.worker("41012519900306991X")
    assert Matcher(b"n" * 32).worker(other) != MATCHER.worker(other)


def test_names_match_without_their_ornaments() -> None:
    assert normalised_name("示例 （登封）劳务有限责任公司") == normalised_name(
        "示例(登封)劳务有限公司"
    )
    assert normalised_id("91410185ma00071963") == "91410185MA00071963"
    assert MATCHER.employer(None, None) is None
    assert MATCHER.employer("示例", None) != MATCHER.name("project", "示例")


def _words(model: Any, depth: int = 0) -> dict[str, Any]:
    """A value for every sealed field of a model, at any depth."""
    return {
        part.name: "张三的电话" if part.model is None else _words(part.model, depth + 1)
        for part in sealed_parts(model)
    }


@pytest.mark.parametrize("name", [name for name, model in TYPES.items() if sealed_parts(model)])
def test_every_sealed_field_of_every_type_is_sealed(name: str) -> None:
    plain = _words(TYPES[name])
    sealed = sealer().seal_fields(TYPES[name], plain, "e")
    assert "张三" not in repr(sealed)
    assert repr(sealed).count("sealed:1:") == repr(plain).count("张三的电话")


def test_lists_and_models_in_lists_are_sealed() -> None:
    data = {"mode": "phone", "unit": "TF1", "findings": [{"no": 1, "text": "李四说"}]}
    sealed = sealer().seal_fields(SupervisionVisitRecorded, data, "e")
    event = SupervisionVisitRecorded.model_validate(sealed)
    assert unsealed_fields(event) == []
    assert sealer().open(event.findings[0].text) == "李四说"
    plain = SupervisionVisitRecorded.model_validate(data)
    assert unsealed_fields(plain) == ["/findings/0/text"]


def test_an_employer_is_named_in_clear_only_with_a_code() -> None:
    named = {"employer": {"name": "张三餐馆"}}
    coded = {"employer": {"name": "示例有限公司", "uscc": "91410185MA00071963"}}
    seal = sealer().seal_fields
    assert "张三" not in repr(seal(SupplementReceived, named, "e"))
    assert seal(SupplementReceived, coded, "e") == coded
    assert unsealed_fields(SupplementReceived.model_validate(coded)) == []
    assert unsealed_fields(SupplementReceived.model_validate(named)) == ["/employer/name"]


def test_the_complaint_has_every_place_where_a_person_can_stand() -> None:
    assert {part.name for part in sealed_parts(ComplaintReceived)} == {
        "employer",
        "project",
        "site",
        "claims",
        "text",
        "contact",
    }


@given(st.text(), st.text(max_size=5))
def test_bytes_are_hashed_and_sealed_as_their_text(text: str, kind: str) -> None:
    matcher = Matcher(b"k" * 32)
    sealer = Sealer("case-1", b"c" * 32, matcher)

    assert matcher.content(kind, text.encode()) == matcher.hash(kind, text)
    assert sealer.seal_bytes(text.encode(), "p") == sealer.seal(text, "p")


@given(st.binary(min_size=32, max_size=200), st.binary(max_size=300))
def test_a_hash_is_an_hmac_of_the_key(key: bytes, content: bytes) -> None:
    expected = hmac.digest(key, b"body\x1f" + content, "sha256")

    assert Matcher(key).content("body", content) == expected.hex()[:32]
