"""Problems as RFC 9457 documents, the same from every service; what is one is the service's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import Match

MEDIA_TYPE: Final = "application/problem+json"
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def document_of(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The document. `more`: members of its own, as `errors`, the places in the input."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


def allowed(app: FastAPI, request: Request) -> str:
    """`Allow` of a 405 (RFC 9110, 15.5.6): every method of the path, whichever routes share it.

    The framework names those of one route.
    """
    found = []
    for method in _METHODS:
        asked = {**request.scope, "method": method}
        if any(route.matches(asked)[0] is Match.FULL for route in app.routes):
            found.append(method)
    return ", ".join(found)


def unknown_parameters(request: Request) -> tuple[list[str], str]:
    """The query parameters of a request that its route does not have; and those that it has.

    An answer without what was asked for would look like one with it.
    """
    route: APIRoute = request.scope["route"]
    written = (route.openapi_extra or {}).get("parameters", ())
    known = {parameter.alias for parameter in route.dependant.query_params}
    known |= {parameter["name"] for parameter in written if parameter["in"] == "query"}
    return sorted(set(request.query_params) - known), ", ".join(sorted(known)) or "none"
