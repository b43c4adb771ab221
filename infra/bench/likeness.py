"""Figure: what looking for likely duplicates costs intake for each complaint it receives (查重).

Pure: the follower's own arithmetic, without its database, on distinct complaints of the simulator.
"""

from __future__ import annotations

import os
import time
from random import Random
from typing import Final

import msgspec

from infra.bench.figures import Figure, Limit, Peer
from infra.simulator import book
from infra.simulator.complaints import City, Complaint
from services.intake.complaint import admit, read_object
from services.intake.likeness import Features, Near, apart, blocks, features, known, likeness
from services.intake.vault import Safe
from shared.envelope import case_id_of
from shared.events import ComplaintReceived
from shared.policy import Policy
from shared.sealing import KEY_BYTES

COMPLAINTS: Final = 2_000
MOST: Final = 1.0
"""Of the cost of taking the complaint in: the look is the lesser work of the two."""

Arrived = tuple[str, ComplaintReceived, bytes]
"""Case, complaint, wrapped key."""


def measure(runs: int, count: int = COMPLAINTS) -> Figure:
    """Microseconds of the processor for each complaint, beside those of taking it in."""
    safe, policy = Safe(os.urandom(KEY_BYTES)), book()
    told = list(City(Random(1), policy.content, policy.calendar, count).complaints(count))
    taking, looking = [], []
    pairs = opened = 0
    for _ in range(runs):
        begun = time.process_time()
        arrived = [_taken(safe, complaint, policy) for complaint in told]
        taking.append(1e6 * (time.process_time() - begun) / len(told))
        seconds, pairs, opened = _look(safe, arrived, policy)
        looking.append(1e6 * seconds / len(told))
    return Figure(
        "a look for likely duplicates",
        "us",
        tuple(looking),
        Limit("at most", MOST),
        Peer("taking it in", "read, checked and sealed", tuple(taking)),
        note=f"{len(told)} complaints, {pairs} pairs with a key in common, {opened} opened",
    )


def _taken(safe: Safe, told: Complaint, policy: Policy) -> Arrived:
    case = case_id_of(told.data["source"], told.data["source_ref"])
    sealer, wrapped = safe.fresh(case)
    return case, admit(read_object(told.data), case, sealer, policy), wrapped


def _look(safe: Safe, arrived: list[Arrived], policy: Policy) -> tuple[float, int, int]:
    """Seconds of the processor, pairs that share a key, and those that had to be opened."""
    rules = policy.content.matching
    pack, unpack = msgspec.json.Encoder().encode, msgspec.json.Decoder(Features).decode
    near = Near(rules.most_candidates)
    kept: dict[str, tuple[str, bytes]] = {}
    pairs = opened = 0
    begun = time.process_time()
    for case, data, wrapped in arrived:
        opener = safe.open(case, wrapped)
        mine = features(case, data, opener)
        keys, beside = blocks(data, mine, safe.matcher), known(mine)
        for other, theirs in near.sharing(keys).items():
            pairs += 1
            if apart(beside, theirs):
                continue
            opened += 1
            sealed, key = kept[other]
            likeness(mine, unpack(safe.open(other, key).open(sealed)), rules)
        kept[case] = (opener.seal(pack(mine).decode(), "likeness"), wrapped)
        near.add(keys, case, beside)
    return time.process_time() - begun, pairs, opened
