"""From a complaint's bytes to what is stored: read, checked, sealed, hashed. Needs no database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

from services.intake.complaint import Problem, Refused, check, read, stored_data
from services.intake.given import MAX_BYTES, Given, json_of
from services.intake.stored import Document, plain_in
from services.intake.vault import Safe
from shared.claims import Claims, own_of
from shared.envelope import case_id_of, derived_id, document_of
from shared.keys import Key
from shared.log import Unsealed
from shared.policy import Policy

Status = Literal["received", "duplicate", "rejected"]
TYPE: Final = "ComplaintReceived"
MAX_EVENT: Final = 900_000
"""Bytes of an event: a broker takes a record of a mebibyte, and what it refuses stays behind."""


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

    `claims`, `received_at`: by which its file is opened.
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
    received_at: str

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
                each.received_at,
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
