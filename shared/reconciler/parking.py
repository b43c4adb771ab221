"""What a record is to a service, and where unreadable records are put on record."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson

from shared.envelope import Unreadable, canonical, derived_id
from shared.events import WRITERS, Service
from shared.journal import journal
from shared.log import CASE_EVENTS_PARKED, Producer, Record, check_key, check_partition
from shared.metrics import FOLDED, PARKED
from shared.reconciler.rows import Deciders
from shared.streams import kind_of

log = journal("parking")


class Sorted(NamedTuple):
    """A record looked at. `own`: decided by the very stream on which it stands."""

    subject: str
    own: bool
    document: dict[str, Any]


def sort(record: Record, service: Service, deciders: Deciders) -> Sorted | None:
    """What a record is to `service`; None where it follows no such stream.

    Reads the envelope only: an own decision read back is folded already, and not worth more.
    Raises Unreadable.
    """
    try:
        document = orjson.loads(record.value)
        subject = document["subject"]
        own = WRITERS.get(document["type"]) == service
        if own and document.get("decidedby", subject) == subject:
            return Sorted(subject, True, document)
        check_key(record, subject)
        check_partition(record, subject)
        return Sorted(subject, False, document) if kind_of(subject) in deciders else None
    except orjson.JSONDecodeError:
        raise Unreadable("not_json", "") from None
    except (KeyError, TypeError, AttributeError):
        raise Unreadable("malformed_attribute", "type or subject") from None


class Parking:
    """Puts on record where an unreadable record stands; its bytes stay on the log.

    Copies of a note have one id: a record met again, in a rebuild, is not another one.
    """

    def __init__(self, service: Service, producer: Producer) -> None:
        self.service = service
        self.producer = producer

    async def park(self, record: Record, reason: str) -> None:
        """Write the note and wait for its acknowledgement."""
        place = f"{record.topic}/{record.partition}/{record.offset}"
        document = {
            "id": derived_id("parked", self.service, place),
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "reason": reason,
            "sha256": hashlib.sha256(record.value).hexdigest(),
            "service": self.service,
        }
        await (await self.producer.send(CASE_EVENTS_PARKED, place, canonical(document)))
        PARKED.labels(reason).inc()
        FOLDED.labels("parked").inc()
        log.warning("parked", place=place, reason=reason)
