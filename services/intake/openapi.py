"""What OpenAPI says of intake: bodies, answers, keys. The routes themselves read raw bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI

from services.intake.complaint import Part

_PROBLEM: Final = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "required": ["status", "code", "title", "errors"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string"},
                "detail": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "pointer": {"type": "string"},
                            "code": {"type": "string"},
                            "detail": {"type": "string"},
                        },
                    },
                },
            },
        }
    }
}
_MEANINGS: Final = {
    400: "the Idempotency-Key is missing",
    401: "no key, or an unknown one",
    403: "not this unit's, role's or source's",
    404: "no such case, unit, type or export",
    409: "not possible in this state, or known with other content",
    413: "longer than is read",
    415: "a coded body (Content-Encoding) or a form; it is read only as it is",
    422: "malformed; `errors` has the places",
    503: "not caught up or not acknowledged; Retry-After says when to send again",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route. One that has 413 reads a body, and refuses a coded one."""
    told = (*statuses, 415) if 413 in statuses else statuses
    return {status: {"description": _MEANINGS[status], "content": _PROBLEM} for status in told}


def body_schema(model: type[Part]) -> dict[str, Any]:
    """The request body for OpenAPI; the routes read and check it themselves."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


IDEMPOTENCY: Final = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
    ]
}


_OPEN: Final = frozenset(
    (
        "/livez",
        "/readyz",
        "/metrics",
        "/v1/schemas",
        "/v1/schemas/{type_name}",
        "/v1/schemas/{type_name}/1",
        "/v1/asyncapi.json",
    )
)
"""What is read without a key: how it is, and the language."""


def describe(app: FastAPI, models: Sequence[type[Part]]) -> None:
    """OpenAPI with the models of the bodies, the bearer key, and the stream."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = plain()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in models:
            found = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(found.get("$defs", {}))
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        for path in _OPEN & document["paths"].keys():
            document["paths"][path]["get"]["security"] = []
        document["paths"]["/v1/complaints:stream"] = {"post": _stream_operation()}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _stream_operation() -> dict[str, Any]:
    ndjson = {"application/x-ndjson": {"schema": {"type": "string"}}}
    return {
        "summary": "Receive complaints, one a line; one receipt a line, in order",
        "operationId": "stream_complaints",
        "requestBody": {"required": True, "content": ndjson},
        "responses": {
            "200": {"description": "receipts as NDJSON", "content": ndjson},
            **{str(k): v for k, v in answers(401, 415, 503).items()},
        },
    }
