"""When a worker is stuck, and when a partition only waits for its turn."""

from __future__ import annotations

from shared.reconciler.partition import ITS_TURN, STUCK_AFTER, Partition, excuse, stuck

NOW = 10_000.0


def partition(number: int, *, behind: int, still: float) -> Partition:
    """A partition with so many records to read that has not moved for `still` seconds."""
    made = Partition(number, 10)
    made.end = behind
    made.moved = NOW - still
    return made


def test_nothing_is_stuck_where_nothing_waits() -> None:
    assert stuck([], NOW) is None
    assert stuck([partition(0, behind=0, still=STUCK_AFTER * 100)], NOW) is None


def test_a_worker_that_stands_still_is_stuck() -> None:
    still = partition(0, behind=3, still=STUCK_AFTER + 1)
    assert stuck([still], NOW) is still
    assert stuck([still, partition(1, behind=0, still=0)], NOW) is still
    assert stuck([partition(0, behind=3, still=STUCK_AFTER - 1)], NOW) is None


def test_while_another_moves_a_partition_may_wait_its_turn() -> None:
    moving = partition(1, behind=500, still=5)
    assert stuck([partition(0, behind=3, still=STUCK_AFTER + 1), moving], NOW) is None
    forgotten = partition(0, behind=3, still=STUCK_AFTER * ITS_TURN + 1)
    assert stuck([forgotten, moving], NOW) is forgotten


def test_what_the_loop_had_no_time_for_does_not_stand_still() -> None:
    """A group of thousands is folded in one piece; ending the process then only begins it anew."""
    waited = partition(0, behind=3, still=STUCK_AFTER * 5)
    excuse([waited], STUCK_AFTER * 5 - 1, NOW)
    assert stuck([waited], NOW) is None
    assert stuck([waited], NOW + STUCK_AFTER) is waited
    moving = partition(1, behind=3, still=5)
    excuse([moving], 60, NOW)
    assert moving.moved == NOW
