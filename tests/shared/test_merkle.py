"""The trees of RFC 9162, against published values and against the definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.merkle import Tree, inclusion_proof, leaf_hash, node_hash, root_from, root_of

# The eight leaves and roots with which Certificate Transparency's own implementations are tested.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_published_roots() -> None:
    assert Tree().root().hex() == hashlib.sha256(b"").hexdigest()
    for size, root in enumerate(ROOTS, 1):
        assert Tree(LEAVES[:size]).root().hex() == root


def by_definition(values: list[bytes]) -> bytes:
    """MTH of section 2.1.1, word for word."""
    if not values:
        return hashlib.sha256(b"").digest()
    if len(values) == 1:
        return leaf_hash(values[0])
    split = 1
    while split * 2 < len(values):
        split *= 2
    return node_hash(by_definition(values[:split]), by_definition(values[split:]))


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_growing_a_tree_gives_the_root_of_the_definition(values: list[bytes]) -> None:
    assert Tree(values).root() == by_definition(values)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_a_proof_gives_the_root_and_only_for_its_leaf(
    values: list[bytes], data: st.DataObject
) -> None:
    leaves = [leaf_hash(value) for value in values]
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    root = root_of(leaves)
    assert root_from(leaves[index], index, len(leaves), proof) == root
    assert root_from(leaf_hash(b"other value"), index, len(leaves), proof) != root
    assert root_from(leaves[index], index, len(leaves), [*proof, root]) is None
    assert root_from(leaves[index], len(leaves), len(leaves), proof) is None


def test_there_is_no_proof_for_a_leaf_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="no leaf 1"):
        inclusion_proof([leaf_hash(b"")], 1)
