"""`/livez`, `/readyz` and `/metrics`, the same for every service, and the server that serves them.

Live: the event loop answers. Ready: connected and caught up enough to answer truly. Both are JSON;
`/readyz` also says where the service stands, so that a player can wait for quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from shared.broker import NotAdmitted
from shared.events import instant_text
from shared.metrics import HTTP_ACTIVE, HTTP_SECONDS, READY, exposition
from shared.problem import MEDIA_TYPE, document_of


@dataclass(frozen=True)
class Readiness:
    """Where a service stands. `positions`: "topic/partition" -> the next offset to fold.

    `clock`: the instant up to which its rounds are done. `owed`: what it still has to do to be
    quiet: records not folded, steps due by the clock, decisions not acknowledged.
    `next_due`: the earliest instant at which a step falls due.
    """

    ready: bool
    clock: datetime | None = None
    positions: Mapping[str, int] = field(default_factory=dict)
    owed: int = 0
    next_due: datetime | None = None
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "clock": instant_text(self.clock) if self.clock else None,
            "positions": dict(self.positions),
            "owed": self.owed,
            "next_due": instant_text(self.next_due) if self.next_due else None,
            "reason": self.reason,
        }


_SCRAPE_SECONDS: Final = 2
"""Seconds that a scrape waits for the probe: a scrape that takes too long is a service that seems
to be down."""

Probe = Callable[[], Awaitable[Readiness]]


def router(probe: Probe) -> APIRouter:
    """The three routes, for an app that has others."""
    routes = APIRouter(tags=["operation"])

    async def probed(seconds: float) -> Readiness:
        try:
            async with asyncio.timeout(seconds):
                found = await probe()
        except TimeoutError:
            found = Readiness(ready=False, reason="the log or the database does not answer")
        except NotAdmitted as error:
            found = Readiness(ready=False, reason=str(error))
        READY.set(found.ready)
        return found

    @routes.get("/livez")
    async def livez() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @routes.get("/readyz", responses={503: {"description": "not ready; `reason` says why"}})
    async def readyz() -> JSONResponse:
        """Whether it is ready, and where it stands."""
        found = await probed(5)
        return JSONResponse(found.document(), status_code=200 if found.ready else 503)

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Prometheus metrics; what a probe finds is looked at anew for them."""
        await probed(_SCRAPE_SECONDS)
        body, content_type = exposition(request.headers.get("accept"))
        return Response(body, media_type=content_type)

    # What balances load often asks with HEAD; the server leaves the body out.
    for path, endpoint in (("/livez", livez), ("/readyz", readyz)):
        routes.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
    return routes


def application(service: str, probe: Probe) -> FastAPI:
    """The app of a service that has no other routes."""
    app = FastAPI(title=f"Qingqian {service}", docs_url=None, redoc_url=None)
    app.include_router(router(probe))
    app.add_exception_handler(HTTPException, _problem)
    observe(app)
    return app


async def _problem(_request: Request, error: Exception) -> Response:
    """What there is no route for, as the other services tell it (RFC 9457)."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    document = document_of(status.value, status.name, str(error.detail))
    return JSONResponse(document, status, headers=error.headers, media_type=MEDIA_TYPE)


def observe(app: FastAPI) -> None:
    """Measure every request of an app: rate, errors, duration."""
    app.add_middleware(_Observer)


class _Observer:
    """ASGI middleware; a route is labelled by its pattern, so that labels stay few."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        begun = time.perf_counter()

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        HTTP_ACTIVE.inc()
        try:
            await self.app(scope, receive, sending)
        finally:
            HTTP_ACTIVE.dec()
            route = getattr(scope.get("route"), "path", "other")
            HTTP_SECONDS.labels(scope["method"], route, str(status)).observe(
                time.perf_counter() - begun
            )


class Server(uvicorn.Server):
    """Uvicorn inside a loop that has its own signal handling."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Any, host: str, port: int) -> Server:
    """A server for an ASGI app; run it with `await server.serve()`, end it by `should_exit`."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=3,
            timeout_keep_alive=75,  # Longer than clients keep one: they, not we, end it.
        )
    )
