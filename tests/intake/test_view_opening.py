"""A file that a complaint of our own opens is the one that folding its event gives."""

from __future__ import annotations

from datetime import datetime

import msgspec
import orjson

from services.intake import view
from services.intake.decider import evolve, initial, opened
from services.intake.preparing import Prepared, prepare
from services.intake.view import Folder, opening
from shared.envelope import decode
from tests.intake.test_complaint import NOW, body, policy, worker
from tests.intake.test_given import KEY, SAFE


def prepared(**changes: object) -> Prepared:
    found = prepare(orjson.dumps(body(**changes)), KEY, NOW, policy(), SAFE)
    assert isinstance(found, Prepared)
    return found


def test_the_file_is_what_its_event_folds_to() -> None:
    for changes in ({}, {"claims": None}, {"workers": 1, "claims": [worker("41012519900306991X")]}):
        item = prepared(**changes)
        event = decode(item.event)
        folded = evolve(initial(item.case_id), event)
        assert opened(item.case_id, item.claims, datetime.fromisoformat(item.received_at)) == folded
        packed = view._pack_opening(opening(item, item.event))
        hashes = event.attributes or {}
        assert view._unpack(packed) == Folder(folded, {event.id: hashes["bodyhash"]})
        made = view._pack(Folder(folded, {event.id: hashes["bodyhash"]}))
        assert msgspec.msgpack.decode(packed) == msgspec.msgpack.decode(made)
