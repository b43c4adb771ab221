"""The language as documents: JSON Schema of every event, and AsyncAPI 3 of the topics."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

from services.intake.complaint import Complaint
from shared.events import TYPES
from shared.log import CASE_EVENTS, FEED_COMPLAINTS, GOVERNANCE_EVENTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def schema_of(type_name: str) -> dict[str, Any]:
    """JSON Schema of an event's `data`. Raises KeyError for a type that does not exist."""
    model = TYPES[type_name]
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": DIALECT,
        "$id": f"/v1/schemas/{type_name}",
        "x-writer": model.writer,
        "x-streams": list(model.streams),
        **schema,
    }


def listing() -> dict[str, Any]:
    """Every type with its writer, its kinds of stream and where its schema is."""
    return {
        "items": [
            {
                "type": name,
                "writer": model.writer,
                "streams": list(model.streams),
                "schema": f"/v1/schemas/{name}",
            }
            for name, model in TYPES.items()
        ]
    }


@cache
def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: the two topics of the log and the feed, with a message for every type.

    A `$ref` is read from the document's root, so what schemas share stands in its components.
    """
    schemas: dict[str, Any] = {}
    case: list[str] = []
    governance: list[str] = []
    for name, model in TYPES.items():
        (governance if model.streams == ("governance",) else case).append(name)
    messages = {name: _message(name, schemas) for name in TYPES}
    messages["Complaint"] = {
        "name": "Complaint",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {"source": {"type": "string", "description": _SOURCE_HEADER}},
        },
        "payload": {
            "schemaFormat": _FORMAT,
            "schema": {"$schema": DIALECT, **_shared(Complaint, schemas, "Complaint.")},
        },
    }
    channels = {
        "caseEvents": _channel(CASE_EVENTS, "Every fact and decision, keyed by subject.", case),
        "governanceEvents": _channel(
            GOVERNANCE_EVENTS, "Policy books, the clock, publications.", governance
        ),
        "feedComplaints": _channel(
            FEED_COMPLAINTS, "Raw complaints of platforms that speak Kafka.", ["Complaint"]
        ),
    }
    operations = {
        "appendEvents": {"action": "send", "channel": {"$ref": "#/channels/caseEvents"}},
        "readEvents": {"action": "receive", "channel": {"$ref": "#/channels/caseEvents"}},
        "govern": {"action": "send", "channel": {"$ref": "#/channels/governanceEvents"}},
        "readFeed": {"action": "receive", "channel": {"$ref": "#/channels/feedComplaints"}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Qingqian event log",
            "version": "1",
            "description": "CloudEvents 1.0 structured JSON, canonical (RFC 8785 without floats).",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


_SOURCE_HEADER = (
    "A source of the policy book: the record is that platform's own payload, read by its adapter "
    "(services/intake/adapters), and not a complaint as described here."
)
_FORMAT = "application/schema+json;version=draft-2020-12"


def _channel(address: str, description: str, names: list[str]) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _message(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    summary = (TYPES[name].__doc__ or name).strip().splitlines()[0]
    return {
        "name": name,
        "summary": summary,
        "contentType": "application/cloudevents+json",
        "payload": {"schemaFormat": _FORMAT, "schema": _envelope(name, schemas)},
    }


def _envelope(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    instant = {"type": "string", "format": "date-time"}
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": text,
        "type": {"const": name},
        "source": {"const": f"/qingqian/{TYPES[name].writer}"},
        "subject": text,
        "time": instant,
        "recordedtime": instant,
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"const": f"/v1/schemas/{name}/1"},
        "actor": text,
        "decidedby": text,
        "basis": text,
        "policy": text,
        "traceparent": text,
        "bodyhash": text,
        "data": _shared(TYPES[name], schemas),
    }
    required = ["specversion", "id", "type", "source", "subject", "time", "recordedtime", "data"]
    return {"type": "object", "properties": properties, "required": required}


def _shared(model: type[BaseModel], schemas: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The schema of a model; what it is made of goes to `schemas`, named with the prefix.

    A complaint has parts of the same names as the log's, unsealed: so they have one.
    """
    template = f"#/components/schemas/{prefix}{{model}}"
    schema = model.model_json_schema(by_alias=True, ref_template=template)
    for name, part in schema.pop("$defs", {}).items():
        known = schemas.setdefault(prefix + name, part)
        assert known == part, f"two shapes of the name {prefix + name}"
    return schema
