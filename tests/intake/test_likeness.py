"""Likely duplicates: what is alike is proposed with its parts, what surely differs never is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.complaint import admit, read_object
from services.intake.likeness import (
    Features,
    Likeness,
    apart,
    blocks,
    features,
    known,
    likeness,
)
from shared.envelope import case_id_of
from shared.events import ComplaintReceived
from shared.policy import adopt, read_book
from shared.sealing import Matcher, Sealer
from tests.live.intake_desk import complaint
from tests.simulated import identity_number

POLICY = adopt(read_book("dengfeng-2021-35"), datetime(2021, 11, 1, tzinfo=UTC), "x")
RULES = POLICY.content.matching
MATCHER = Matcher(b"m" * 32)
WORKER = {"name": "王小二", "phone": "13000000300"}


def told(ref: str, **changes: Any) -> dict[str, Any]:
    """The usual complaint without the identity number by which the exact rule would match."""
    claims = [{"worker": WORKER, "amount_fen": 1_200_000}]
    return complaint(ref, **{"claims": claims} | changes)


def taken(body: dict[str, Any]) -> tuple[ComplaintReceived, Features]:
    case_id = case_id_of(body["source"], body["source_ref"])
    sealer = Sealer(case_id, os.urandom(32), MATCHER)
    data = admit(read_object(body), case_id, sealer, POLICY)
    return data, features(case_id, data, sealer)


def alike(one: dict[str, Any], other: dict[str, Any]) -> Likeness | None:
    return likeness(taken(one)[1], taken(other)[1], RULES)


def meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = [set(blocks(*taken(body), MATCHER)) for body in (one, other)]
    return bool(keys[0] & keys[1])


SAME: list[dict[str, Any]] = [
    {"employer": {"name": "示例服装公司"}, "amount_fen": 1_150_000, "text": "工资没有发。"},
    {"claims": [{"worker": {"name": "王小二"}}], "contact": {"phone": "130 0000 0300"}},
    {"site": None, "text": "干完活工资一直没发，请帮助解决"},
    {"months_to": "2021-10"},
]


@pytest.mark.parametrize("changes", SAME, ids=range(len(SAME)))
def test_the_same_claim_told_otherwise_is_proposed(changes: dict[str, Any]) -> None:
    one, other = told("a"), told("b", source="12345", tier="CITY", **changes)

    found = alike(one, other)

    assert meet(one, other)
    assert found is not None
    assert found.score >= RULES.propose_from
    assert found.same == {"1": "1"}
    assert set(found.parts) <= RULES.weights.keys()


OTHER: list[dict[str, Any]] = [
    {"claims": [{"worker": {"name": "李大山", "phone": "13900000001"}}], "contact": None},
    {"months_from": "2021-01", "months_to": "2021-03"},
]


@pytest.mark.parametrize("changes", OTHER, ids=["another worker", "other months"])
def test_another_claim_is_not(changes: dict[str, Any]) -> None:
    found = alike(told("a"), told("b", **changes))

    assert found is None or found.score < RULES.propose_from


def test_two_identity_numbers_are_two_persons_however_alike_the_rest() -> None:
    def with_id(number: int) -> list[dict[str, Any]]:
        return [{"worker": WORKER | {"id_no": identity_number(number)}}]

    assert alike(told("a", claims=with_id(1)), told("b", claims=with_id(2))) is None


def test_two_credit_codes_are_two_firms() -> None:
    one = {"name": "示例服装有限公司", "uscc": "91410185MA0007014Y"}
    other = {"name": "示例服装有限公司", "uscc": "91350100M000100Y43"}

    assert alike(told("a", employer=one), told("b", employer=other)) is None


def test_who_reported_is_not_compared() -> None:
    """I-15: of a report only what the exact rule knows is kept: no name, phone or text."""
    _, found = taken(told("a", kind="report"))

    assert found.phones == ()
    assert found.text is None
    assert all(person.name is None and person.phone is None for person in found.people)


def test_blocks_and_features_say_nothing_of_a_person_in_clear() -> None:
    data, found = taken(told("a"))

    for key in blocks(data, found, MATCHER):
        assert all(sign in "0123456789abcdef" for sign in key)
    assert all("13000000300" not in phone for phone in found.phones)


@given(
    names=st.lists(st.text(max_size=6), max_size=3),
    text=st.text(max_size=50),
    amount=st.integers(0, 10**9),
)
def test_a_score_is_between_0_and_100_and_the_same_both_ways(
    names: list[str], text: str, amount: int
) -> None:
    people = [{"worker": {"name": name.strip() or None}} for name in names if name.isprintable()]
    one = told("a")
    other = told("b", claims=people, text=text, amount_fen=amount, contact=WORKER)
    try:
        first, second = taken(one)[1], taken(other)[1]
    except ValueError:
        return
    forth, back = likeness(first, second, RULES), likeness(second, first, RULES)

    assert (forth is None) == (back is None)
    if forth is not None and back is not None:
        assert forth.score == back.score
        assert all(0 <= part <= 100 for part in forth.parts.values())


IDS = st.sampled_from((None, identity_number(1), identity_number(2), identity_number(3)))
CODES = st.sampled_from((None, "91410185MA0007014Y", "91350100M000100Y43"))


@given(
    one=st.lists(IDS, max_size=3), other=st.lists(IDS, max_size=3), codes=st.tuples(CODES, CODES)
)
def test_what_is_told_apart_unopened_is_never_alike(
    one: list[str | None], other: list[str | None], codes: tuple[str | None, str | None]
) -> None:
    sides = []
    for ref, ids, code in (("a", one, codes[0]), ("b", other, codes[1])):
        claims = [{"worker": WORKER | ({"id_no": number} if number else {})} for number in ids]
        employer = {"name": "示例服装有限公司"} | ({"uscc": code} if code else {})
        sides.append(taken(told(ref, claims=claims, employer=employer))[1])
    mine, theirs = sides

    found = apart(known(mine), known(theirs))

    assert found == apart(known(theirs), known(mine))
    assert not found or likeness(mine, theirs, RULES) is None
    unlike = set(one).isdisjoint(other) and None not in (*one, *other) and one and other
    differ = None not in codes and codes[0] != codes[1]
    assert found == bool(unlike or differ)
