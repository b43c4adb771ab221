"""From a complaint's bytes to what is stored: read, checked, sealed, hashed. Needs no database.

It is most of the work of a complaint and pure, so long streams have it done by helper processes,
one a core, started with the first full batch.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from functools import partial
from typing import Final, Literal

import msgspec

from services.intake.complaint import Problem, Refused, check, read, stored_data
from services.intake.given import MAX_BYTES, Given, json_of
from services.intake.stored import Document, plain_in
from services.intake.vault import Safe
from shared.claims import Claims, own_of
from shared.envelope import case_id_of, derived_id, document_of
from shared.journal import journal
from shared.keys import Key
from shared.log import Unsealed
from shared.policy import Policy, adopt

log = journal("intake.preparing")

Status = Literal["received", "duplicate", "rejected"]
TYPE: Final = "ComplaintReceived"
MAX_EVENT: Final = 900_000
"""Bytes of an event: a broker takes a record of a mebibyte, and what it refuses stays behind."""

_BULK: Final = 200
"""Lines of a batch from which helpers are worth their start."""
_SLICE: Final = 20
"""Lines prepared here before others have their turn."""
_STEP: Final = 50
"""Lines that a helper takes through each step together."""
_MOST_HELPERS: Final = 4


class Receipt(msgspec.Struct, frozen=True):
    """What became of one complaint. `problems`: why it was rejected; `conflict`: 409, not 422."""

    status: Status
    case_id: str | None = None
    event_id: str | None = None
    problems: tuple[Problem, ...] = ()
    conflict: bool = False
    forbidden: bool = False


class Prepared(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A complaint ready to be stored. `event`: its canonical bytes, recorded at `stamp`.

    `claims`: by which its file is opened.
    """

    source: str
    source_ref: str
    case_id: str
    event_id: str
    body_hash: str
    wrapped_key: bytes
    event: bytes
    stamp: str
    claims: Claims

    def recorded(self, now: str) -> bytes:
        """The event as recorded at another instant.

        A text inside the event cannot hold these bytes: its quotes would be escaped.
        """
        if now == self.stamp:
            return self.event
        old = f'"recordedtime":"{self.stamp}"'.encode()
        return self.event.replace(old, f'"recordedtime":"{now}"'.encode(), 1)


OVERLONG: Final = Receipt(
    "rejected",
    problems=(Problem("", "too_long", f"a complaint has at most {MAX_BYTES} bytes"),),
)


def event_id_of(case_id: str) -> str:
    """The id of a case's ComplaintReceived: follows from the case, so it is always the same."""
    return derived_id(case_id, TYPE)


def prepare(
    raw: bytes | None, key: Key, now: datetime, policy: Policy, safe: Safe
) -> Prepared | Receipt:
    """One complaint; None stands for a line that was too long to keep."""
    return prepare_all((raw,), key, now, policy, safe)[0]


def prepare_all(
    raws: Iterable[bytes | None], key: Key, now: datetime, policy: Policy, safe: Safe
) -> list[Prepared | Receipt]:
    """A few complaints of one caller, in order.

    Each step is taken with all of them before the next, so that its code stays in the processor's
    cache: a tenth of the time.
    """
    judged = [_judge(raw, key, now, policy) for raw in raws]
    good = [item for item in judged if isinstance(item, Given)]
    ids = [case_id_of(item.source, item.source_ref) for item in good]
    safes = [safe.fresh(case_id) for case_id in ids]
    hashes = [safe.matcher.content("body", json_of(item)) for item in good]
    data = [
        stored_data(item, case_id, sealer, policy)
        for item, case_id, (sealer, _) in zip(good, ids, safes, strict=True)
    ]
    for each in data:
        if found := plain_in(each):
            raise Unsealed(f"{TYPE} {', '.join(found)}")
    actor = f"{key.unit}/{key.role}/{safe.matcher.person(key.name)}"
    envelope = document_of(TYPE, {}, now, now) | {"actor": actor}
    del envelope["time"], envelope["data"]
    event_ids = [event_id_of(case_id) for case_id in ids]
    events = [
        json_of(
            Document(
                **envelope,
                bodyhash=body_hash,
                data=each,
                id=event_id,
                subject=case_id,
                time=each.received_at,
            )
        )
        for each, event_id, case_id, body_hash in zip(data, event_ids, ids, hashes, strict=True)
    ]
    stamp = envelope["recordedtime"]
    prepared = iter(
        [
            Prepared(
                item.source,
                item.source_ref,
                case_id,
                event_id,
                body_hash,
                wrapped,
                event,
                stamp,
                own_of(
                    [(line.line, line.amount_fen) for line in each.claims],
                    item.workers,
                    item.amount_fen,
                ),
            )
            for item, case_id, event_id, body_hash, (_, wrapped), event, each in zip(
                good, ids, event_ids, hashes, safes, events, data, strict=True
            )
        ]
    )
    done = [item if isinstance(item, Receipt) else next(prepared) for item in judged]
    return [OVERLONG if _is_overlong(item) else item for item in done]


def _is_overlong(item: Prepared | Receipt) -> bool:
    return isinstance(item, Prepared) and len(item.event) > MAX_EVENT


def _judge(raw: bytes | None, key: Key, now: datetime, policy: Policy) -> Given | Receipt:
    if raw is None:
        return OVERLONG
    try:
        complaint = read(raw)
        if not key.may_post(complaint.source):
            problem = Problem("/source", "not_your_source", "the key may not post this source")
            return Receipt("rejected", problems=(problem,), forbidden=True)
        check(complaint, now, policy)
    except Refused as error:
        return Receipt("rejected", problems=tuple(error.problems))
    return complaint


class Workshop:
    """Prepares batches: small ones here, full ones in helper processes."""

    def __init__(self, safe: Safe, helpers: int | None = None) -> None:
        self.safe = safe
        self.helpers = min(os.cpu_count() or 1, _MOST_HELPERS) if helpers is None else helpers
        self._pool: ProcessPoolExecutor | None = None
        self._hash = ""

    async def prepare(
        self, raws: Sequence[bytes | None], key: Key, now: datetime, policy: Policy
    ) -> list[Prepared | Receipt]:
        """A batch, in order."""
        if self.helpers and len(raws) >= _BULK:
            work = partial(_work, _pack(raws), key, now)
            try:
                running = asyncio.get_running_loop().run_in_executor(self._open(policy), work)
                return _results(await running, len(raws))
            except BrokenProcessPool:
                log.warning("helpers_lost", helpers=self.helpers)
                self._pool = None
        found: list[Prepared | Receipt] = []
        for first in range(0, len(raws), _SLICE):
            part = raws[first : first + _SLICE]
            found += prepare_all(part, key, now, policy, self.safe)
            if len(raws) > _SLICE:
                await asyncio.sleep(0)
        return found

    def _open(self, policy: Policy) -> ProcessPoolExecutor:
        """Helpers that know the book in force; a new book needs new ones.

        They are forked from a server that has read the code, so that they share its memory.
        """
        if self._pool is None or self._hash != policy.hash:
            self.close()
            self._hash = policy.hash
            forking = multiprocessing.get_context("forkserver")
            forking.set_forkserver_preload([__name__])
            self._pool = ProcessPoolExecutor(
                self.helpers,
                forking,
                _begin,
                (self.safe.master, policy.raw, policy.adopted_at, policy.adoption_id),
            )
        return self._pool

    def close(self) -> None:
        """Let the helpers go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


# --- inside a helper ------------------------------------------------------------------------------

_known: list[tuple[Policy, Safe]] = []

_pack: Final = msgspec.msgpack.Encoder().encode
"""A batch goes over as one piece of bytes: to pickle each complaint costs more than to read it."""
_raws: Final = msgspec.msgpack.Decoder(list[bytes | None]).decode
_done: Final = msgspec.msgpack.Decoder(tuple[list[Prepared], dict[int, Receipt]]).decode


def _results(packed: bytes, count: int) -> list[Prepared | Receipt]:
    """What `_work` has made of `count` complaints."""
    prepared, refused = _done(packed)
    rest = iter(prepared)
    return [refused[place] if place in refused else next(rest) for place in range(count)]


def _begin(master: bytes, raw: dict[str, object], adopted_at: datetime, adoption_id: str) -> None:
    """What a helper knows; it ends with the service, however that ends."""
    _known[:] = [(adopt(raw, adopted_at, adoption_id), Safe(master))]
    # Nothing of a batch outlives it but what is remembered of texts: the young are looked through
    # once after each batch, and nothing else ever.
    gc.freeze()
    gc.disable()
    parent = multiprocessing.parent_process()
    assert parent is not None, "a helper has a parent"

    def follow() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=follow, name="parent", daemon=True).start()


def _work(packed: bytes, key: Key, now: datetime) -> bytes:
    """What became of a batch: those prepared, in order, and by their place those refused."""
    policy, safe = _known[0]
    raws = _raws(packed)
    found: list[Prepared | Receipt] = []
    for first in range(0, len(raws), _STEP):
        found += prepare_all(raws[first : first + _STEP], key, now, policy, safe)
    results = _pack(
        (
            [item for item in found if isinstance(item, Prepared)],
            {place: item for place, item in enumerate(found) if isinstance(item, Receipt)},
        )
    )
    del found
    gc.collect(0)
    return results
