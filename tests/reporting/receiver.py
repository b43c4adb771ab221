"""An endpoint of somebody else's: takes Standard Webhooks, and answers as it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

Reply = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """`seen`: (webhook-id, verified body) of each request. `replies`: by turns, then 204."""

    secret: str = SECRET
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    url: str = ""
    heard: Callable[[str], None] = lambda _: None

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.seen]

    async def take(self, request: web.Request) -> web.Response:
        """Raises WebhookVerificationError, which aiohttp answers as 500 and the test sees."""
        body = await request.read()
        told = Webhook(self.secret).verify(body, dict(request.headers))
        name = request.headers["webhook-id"]
        self.seen.append((name, told))
        self.heard(name)
        status, headers = self.replies.pop(0) if self.replies else (204, {})
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving(port: int = 0, **options: Any) -> AsyncIterator[Receiver]:
    """A receiver that listens on loopback while the block runs."""
    found = Receiver(**options)
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    address: Any = runner.addresses[0]
    found.url = f"http://127.0.0.1:{address[1]}/hook"
    try:
        yield found
    finally:
        await runner.cleanup()
