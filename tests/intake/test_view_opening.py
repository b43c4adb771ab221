"""A file that a complaint of our own opens is the one that folding its event gives."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import msgspec
import orjson

from services.intake import view
from services.intake.decider import evolve, file, initial, opened
from services.intake.preparing import Prepared, prepare
from services.intake.view import Folder, opening
from shared.envelope import decode
from shared.events import TYPES
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


def test_whatever_moves_a_file_is_read_from_the_log() -> None:
    """What the view passes by unread would be folded by a dry run and not by the service."""
    unheard = {model.__name__ for model in get_args(file.Unheard)}
    assert TYPES.keys() - unheard <= view.MATTERS
