"""What is folded in one transaction is bounded by streams, however long the batch is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.log import CASE_EVENTS, Record
from shared.reconciler.worker import CHUNK, parts


def records(*keys: int) -> list[Record]:
    """Records of these streams, in this order."""
    return [
        Record(CASE_EVENTS, 0, offset, 0, str(key).encode(), b"") for offset, key in enumerate(keys)
    ]


def test_of_few_streams_any_number_of_records_is_one_part() -> None:
    batch = records(*range(CHUNK), *range(CHUNK), *range(CHUNK))
    assert list(parts(batch)) == [batch]


def test_a_stream_too_many_begins_another_part() -> None:
    batch = records(*range(CHUNK), 0, CHUNK, 0)
    assert list(parts(batch)) == [batch[: CHUNK + 1], batch[CHUNK + 1 :]]


@given(st.lists(st.integers(0, 3 * CHUNK), max_size=5 * CHUNK))
def test_the_parts_are_the_records_in_their_order(keys: list[int]) -> None:
    batch = records(*keys)
    cut = list(parts(batch))
    assert [record for part in cut for record in part] == batch
    assert all(0 < len({record.key for record in part}) <= CHUNK for part in cut)
