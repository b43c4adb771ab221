"""The page for readers: its routes, its assets, and the headers that keep it to this host.

The page is built from `web/` and its build stands in the tree, so that whoever has only Python has
it. It needs no key; the API behind it does.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from services.reporting.problem import Answer

DIST: Final = Path(__file__).parent / "web" / "dist"

ROUTES: Final = (
    "/",
    "/cases",
    "/cases/{case}",
    "/units",
    "/bulletins",
    "/audit",
    "/system",
    "/screen",
)
"""Every address of the page; filters stand in the query, which is the page's own affair."""

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
# An asset's name has the hash of its content, so what is kept is never stale.
_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_ASKED_EACH_TIME: Final = {"cache-control": "no-cache"}

# Not the machine's table: it differs from one to the next.
_KINDS: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_WORTH_PACKING: Final = 1024
"""Bytes; below it gzip saves nothing."""


@dataclass(frozen=True)
class Page:
    """A file of the build, held in memory."""

    body: bytes
    media_type: str
    etag: str

    @cached_property
    def _packed(self) -> bytes | None:
        """Made for the first who takes it: packing all of it is long for a start."""
        return gzip.compress(self.body, mtime=0) if len(self.body) >= _WORTH_PACKING else None

    def answer(self, request: Request, caching: dict[str, str]) -> Response:
        """The file, or 304 for who has it already."""
        headers = _HEADERS | caching | {"etag": self.etag, "vary": "accept-encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self.body
        if "gzip" in request.headers.get("accept-encoding", "") and self._packed is not None:
            body = self._packed
            headers["content-encoding"] = "gzip"
        return Response(body, media_type=self.media_type, headers=headers)


def _page_of(file: Path) -> Page:
    """A file of the build as it is served."""
    body = file.read_bytes()
    kind = _KINDS[file.suffix]
    # Weak: the same for the packed and the plain form.
    return Page(body, kind, f'W/"{hashlib.sha256(body).hexdigest()[:32]}"')


def routes() -> APIRouter:
    """The routes of the page and of what it loads."""
    html = _page_of(DIST / "index.html")
    assets = {file.name: _page_of(file) for file in sorted((DIST / "assets").iterdir())}
    found = APIRouter(tags=["page"])

    async def page(request: Request) -> Response:
        """The page for readers; the browser decides from the address what it shows."""
        return html.answer(request, _ASKED_EACH_TIME)

    async def asset(request: Request, name: str) -> Response:
        """A script or a style of the page."""
        if name not in assets:
            raise Answer(404, "NOT_FOUND", "no such file of the page")
        return assets[name].answer(request, _FOR_EVER)

    told: dict[int | str, dict[str, Any]] = {
        304: {"description": "the reader has it already"},
    }
    for path in ROUTES:
        found.add_api_route(
            path,
            page,
            methods=["GET", "HEAD"],
            response_class=HTMLResponse,
            responses=told,
            include_in_schema=False,
        )
    found.add_api_route("/assets/{name}", asset, methods=["GET", "HEAD"], include_in_schema=False)
    return found
