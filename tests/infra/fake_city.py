"""A small stand-in for the four services over real HTTP, to test the player's own logic.

It has no rules: it records what it is sent, is slow to come to rest, and owes steps at given
instants. The real services are played in tests/live.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.envelope import case_id_of, derived_id
from shared.events import instant_text
from shared.health import Server


@dataclass
class FakeCity:
    """`dues`: instants at which a step is due; `refuse`: type -> (status, code)."""

    dues: list[datetime] = field(default_factory=list)
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    busy_polls: int = 3
    clock: datetime | None = None
    end: int = 0
    behind: dict[str, int] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    unavailable: int = 0
    at_once: int = 0
    most_at_once: int = 0
    townships: dict[str, str] = field(default_factory=dict)
    listed: list[tuple[str, str]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)

    def wrote(self, what: str, subject: str) -> None:
        if any(self.behind.values()) and what == "ClockAdvanced":
            self.early.append(subject)
        self.log.append((what, subject))
        self.end += 1
        self.behind = {"routing": self.busy_polls, "supervision": 2 * self.busy_polls}

    def readyz(self, service: str) -> dict[str, Any]:
        left = self.behind.get(service, 0)
        if left:
            self.behind[service] = left - 1
        later = [due for due in self.dues if self.clock is None or due > self.clock]
        return {
            "ready": True,
            "clock": instant_text(self.clock) if self.clock and not left else None,
            "positions": {"case-events/0": self.end - (1 if left else 0)},
            "owed": int(bool(left)),
            "next_due": instant_text(min(later)) if later else None,
            "reason": None,
        }


def application(city: FakeCity) -> FastAPI:
    app = FastAPI()

    @app.get("/{service}/readyz")
    async def readyz(service: str) -> dict[str, Any]:
        return city.readyz(service)

    @app.get("/reporting/v1/cases")
    async def cases(state: str) -> JSONResponse:
        city.reads.append(state)
        items = [{"case_id": case, "township": t, "task_force": "TF1"} for case, t in city.listed]
        return JSONResponse({"items": items})

    @app.get("/reporting/v1/cases/{case_id}")
    async def case(case_id: str) -> JSONResponse:
        city.reads.append(case_id)
        town = city.townships.get(case_id)
        return JSONResponse({"case": {"township": town, "task_force": "TF1" if town else None}})

    @app.post("/intake/v1/{path:path}")
    async def post(path: str, request: Request) -> JSONResponse:
        if city.unavailable:
            city.unavailable -= 1
            return JSONResponse({"code": "BEHIND"}, 503, {"retry-after": "0.01"})
        body = await request.json()
        city.at_once += 1
        city.most_at_once = max(city.most_at_once, city.at_once)
        await asyncio.sleep(0.005)
        city.at_once -= 1
        city.actors.append(unquote(request.headers["x-actor"]))
        return record(city, path, body)

    return app


def record(city: FakeCity, path: str, body: dict[str, Any]) -> JSONResponse:
    if path == "complaints":
        case_id = case_id_of(body["source"], body["source_ref"])
        city.wrote("ComplaintReceived", case_id)
        city.townships.setdefault(case_id, "410185001")
        return JSONResponse(
            {"case_id": case_id, "event_id": derived_id("event", case_id), "status": "received"},
            202,
        )
    kind, subject = body["type"], path.split("/")[-2]
    if kind in city.refuse:
        status, code = city.refuse[kind]
        return JSONResponse({"code": code, "title": "refused", "errors": []}, status)
    city.bodies.append(body)
    city.wrote(kind, subject)
    if kind == "ClockAdvanced":
        city.clock = datetime.fromisoformat(body["data"]["to"])
    return JSONResponse({"event_id": derived_id("event", str(city.end))}, 202)


@asynccontextmanager
async def serving(city: FakeCity) -> AsyncIterator[dict[str, str]]:
    """The urls of the four services while it serves on a free port."""
    # With its protocol named, asyncio turns Nagle's delay off, as it does for a real service.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = Server(uvicorn.Config(application(city), log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    try:
        yield {
            name: f"http://127.0.0.1:{port}/{name}"
            for name in ("intake", "routing", "supervision", "reporting")
        }
    finally:
        server.should_exit = True
        await task
        listener.close()
