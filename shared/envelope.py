"""The stored form: one event = one CloudEvents 1.0 structured JSON object, canonical bytes.

Canonical means RFC 8785 without floats: keys sorted, no spaces, UTF-8; so serialising an event
again gives the stored bytes, and a tree's leaf can be checked from an export.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from typing import Any, Final, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError

from shared.events import (
    SEALED_PREFIX,
    TYPES,
    WRITERS,
    AnyData,
    Decision,
    Employer,
    Event,
    EventData,
    Service,
    instant_text,
)
from shared.streams import kind_of

NAMESPACE: Final = uuid.UUID("6d1c2c6e-9a3e-5b0e-8f77-0d4f5e1b7a21")
"""Names every derived id of this system; changing it would make every id a stranger."""
_NAMESPACE: Final = NAMESPACE.bytes

_ATTRIBUTES = (
    "id",
    "subject",
    "actor",
    "decidedby",
    "basis",
    "policy",
    "traceparent",
)
_KNOWN = frozenset(
    (
        *_ATTRIBUTES,
        "specversion",
        "type",
        "source",
        "time",
        "recordedtime",
        "datacontenttype",
        "dataschema",
        "data",
    )
)
_EXTENSIONS = frozenset(("bodyhash", "pii"))


class Unreadable(ValueError):
    """A record that is not an event of ours; `reason` is a short code for the parked record."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def derived_id(*parts: str) -> str:
    """uuid5 of the parts: the same parts give the same id, on any machine, for ever.

    Written out (RFC 9562, 5.5), because every decision is named by it and the library's way
    takes three times as long.
    """
    digest = bytearray(sha1(_NAMESPACE + "|".join(parts).encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def case_id_of(source: str, source_ref: str) -> str:
    """A complaint's case id: no allocator, so replicas and rebuilt tables agree."""
    return derived_id(source, source_ref)


def owe(subject: str, time: datetime, data: AnyData, *, decidedby: str | None = None) -> Event:
    """A decision that a rule owes at `time`; its id follows from subject, type and natural key."""
    if not isinstance(data, Decision):
        raise TypeError(f"{type(data).__name__} is not a decision")
    return Event(
        id=derived_id(subject, type(data).__name__, data.natural_key()),
        subject=subject,
        time=time,
        recordedtime=time,
        data=data,
        decidedby=decidedby if decidedby != subject else None,
    )


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of JSON without floats.

    Raises Unreadable on a float, a number beyond 2^53 or anything JSON cannot hold.
    """
    _refuse_floats(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise Unreadable("float", "canonical JSON here has no floats; give an integer")
    if isinstance(value, bool):
        return
    if isinstance(value, int) and not -(2**53) < value < 2**53:
        raise Unreadable("number", f"{value} does not fit in 53 bits")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)


def data_json(data: AnyData) -> dict[str, Any]:
    """The data as JSON values, without fields that are None or left at an empty default."""
    return data.model_dump(mode="json", by_alias=True, exclude_none=True)


def document(event: Event) -> dict[str, Any]:
    """The event as a JSON object in its stored form."""
    doc = document_of(event.type, data_json(event.data), event.time, event.recordedtime)
    for name in _ATTRIBUTES:
        value = getattr(event, name)
        if value is not None:
            doc[name] = value
    return doc | (event.attributes or {})


def document_of(
    type_name: str, data: dict[str, Any], time: datetime, recordedtime: datetime
) -> dict[str, Any]:
    """The stored form of data that are JSON values already; ids and actor are the caller's."""
    return {
        "specversion": "1.0",
        "type": type_name,
        "source": f"/qingqian/{WRITERS[type_name]}",
        "time": instant_text(time),
        "recordedtime": instant_text(recordedtime),
        "datacontenttype": "application/json",
        "dataschema": f"/v1/schemas/{type_name}/1",
        "data": data,
    }


def encode(event: Event) -> bytes:
    """Canonical bytes of an event."""
    return orjson.dumps(document(event), option=orjson.OPT_SORT_KEYS)


def decode(raw: bytes) -> Event:
    """The event in a record's value.

    Raises Unreadable with a short reason: not JSON, not a CloudEvent, unknown type, a field
    that is missing, misspelt or malformed, or a type on a kind of stream it cannot stand on.
    """
    try:
        doc = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable("not_json", str(error)) from None
    if not isinstance(doc, dict):
        raise Unreadable("not_object", "an event is a JSON object")
    return from_document(doc)


def _holds_nul(value: Any) -> bool:
    """Whether a text or a name in it holds a NUL: what nobody could ever fold."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in name or _holds_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def from_document(doc: dict[str, Any]) -> Event:
    """The event in a parsed JSON object. Raises Unreadable as `decode` does."""
    if b"\\u0000" in orjson.dumps(doc) and _holds_nul(doc):
        raise Unreadable("nul", "PostgreSQL keeps no NUL")
    model = TYPES.get(doc.get("type", ""))
    if model is None:
        raise Unreadable("unknown_type", repr(doc.get("type"))[:80])
    if not doc.keys() <= _KNOWN:
        strange = doc.keys() - _KNOWN - _EXTENSIONS
        if strange:
            raise Unreadable("unknown_attribute", ", ".join(sorted(strange))[:80])
    try:
        data = model.model_validate(doc["data"])
        event = Event(
            id=_text(doc, "id"),
            subject=_text(doc, "subject"),
            time=_instant(doc, "time"),
            recordedtime=_instant(doc, "recordedtime"),
            data=data,
            actor=_text(doc, "actor"),
            decidedby=doc.get("decidedby"),
            basis=doc.get("basis"),
            policy=doc.get("policy"),
            traceparent=doc.get("traceparent"),
            attributes={name: doc[name] for name in _EXTENSIONS if name in doc} or None,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise Unreadable("malformed_data", f"/data/{place}: {first['msg']}") from None
    except KeyError as error:
        raise Unreadable("missing_attribute", str(error)) from None
    if kind_of(event.subject) not in model.streams:
        raise Unreadable("wrong_stream", f"{event.type} cannot stand on {event.subject}")
    return event


def _text(doc: dict[str, Any], name: str) -> str:
    value = doc[name]
    if not isinstance(value, str) or not value:
        raise Unreadable("malformed_attribute", f"{name} must be a non-empty string")
    return value


def _instant(doc: dict[str, Any], name: str) -> datetime:
    try:
        value = datetime.fromisoformat(doc[name])
    except (TypeError, ValueError):
        raise Unreadable("malformed_attribute", f"{name} must be an RFC 3339 instant") from None
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise Unreadable("malformed_attribute", f"{name} has no zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Unreadable("malformed_attribute", f"{name} is out of range") from None


def writer_of(event: Event) -> Service:
    """The one service that may publish this event."""
    data: EventData = event.data
    return data.writer


@dataclass(frozen=True)
class SealedPart:
    """A field that is `Sealed` itself (`model` None) or holds models with such fields."""

    name: str
    model: type[BaseModel] | None


@cache
def sealed_parts(model: type[BaseModel]) -> tuple[SealedPart, ...]:
    """The fields of a type that hold text about persons, at any depth."""
    parts: list[SealedPart] = []
    for name, field in model.model_fields.items():
        if "sealed" in field.metadata or _is_sealed(field.annotation):
            parts.append(SealedPart(name, None))
            continue
        parts += [
            SealedPart(name, inner) for inner in _models(field.annotation) if sealed_parts(inner)
        ]
    return tuple(parts)


def _is_sealed(annotation: Any) -> bool:
    if "sealed" in getattr(annotation, "__metadata__", ()):
        return True
    return any(_is_sealed(part) for part in get_args(annotation))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models(part)]


def unsealed_fields(data: BaseModel) -> list[str]:
    """Places of `Sealed` fields that hold plain text: such an event must never reach the log.

    The name of an employer with a unified social credit code may stand in clear (design 9).
    """
    found: list[str] = []
    _collect(data, "", found)
    return found


def _collect(value: BaseModel, path: str, found: list[str]) -> None:
    registered = isinstance(value, Employer) and value.uscc is not None
    for part in sealed_parts(type(value)):
        content = getattr(value, part.name)
        if content is None or (registered and part.name == "name"):
            continue
        many = isinstance(content, tuple)
        for index, item in enumerate(content if many else (content,)):
            place = f"{path}/{part.name}/{index}" if many else f"{path}/{part.name}"
            if isinstance(item, BaseModel):
                _collect(item, place, found)
            elif not item.startswith(SEALED_PREFIX):
                found.append(place)
