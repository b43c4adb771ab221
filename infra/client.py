"""The four services over HTTP, as the player, the demo and nobody else's code sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
import orjson

from infra.problem import Unready
from shared.roles import By


@dataclass(frozen=True)
class Standing:
    """Where a worker stands, from its `/readyz`."""

    ready: bool
    clock: datetime | None
    positions: Mapping[str, int]
    owed: int
    next_due: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Answer:
    """What intake said to an act: status, `code` of a problem, its sentence, the event's id."""

    status: int
    code: str
    detail: str
    event_id: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status in (200, 202)

    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.status), self.code, self.detail]))


class Keys(Protocol):
    """Headers with which somebody speaks to the API."""

    def headers(self, by: By) -> dict[str, str]: ...


class Client:
    """The four services over HTTP, with connections kept alive.

    aiohttp, because a campaign is some 70,000 requests and its client takes a fifth of the
    processor time that httpx takes for one.
    """

    def __init__(self, urls: Mapping[str, str], keys: Keys) -> None:
        self.urls = urls
        self.keys = keys

    async def __aenter__(self) -> Client:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64),
            timeout=aiohttp.ClientTimeout(total=60),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def standing(self, service: str) -> Standing:
        """Raises Unready when the service does not answer."""
        response = await self.request("GET", service, "/readyz")
        if response.status not in (200, 503):
            raise Unready(f"{service} answered {response.status} to /readyz")
        doc = response.document()
        return Standing(
            ready=bool(doc.get("ready")),
            clock=_instant(doc.get("clock")),
            positions=doc.get("positions") or {},
            owed=int(doc.get("owed") or 0),
            next_due=_instant(doc.get("next_due")),
            reason=doc.get("reason"),
        )

    async def post(self, path: str, body: Any, by: By, key: str | None = None) -> Answer:
        """One act to intake, sent again while it says 503 with Retry-After."""
        headers = self.keys.headers(by) | {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        while True:
            response = await self.request("POST", "intake", path, headers, orjson.dumps(body))
            if response.status != 503 or response.retry_after is None:
                return _answer(response)
            await asyncio.sleep(min(response.retry_after, 2.0))

    async def read(self, path: str, by: By) -> Any:
        """A document of reporting; None where there is none."""
        response = await self.request("GET", "reporting", path, self.keys.headers(by))
        if response.status == 404:
            return None
        if response.status != 200:
            text = response.content.decode(errors="replace")[:200]
            raise Unready(f"reporting answered {response.status} to {path}: {text}")
        return orjson.loads(response.content)

    async def request(
        self,
        method: str,
        service: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Response:
        """One request. Raises Unready when nobody answers."""
        url = self.urls[service] + path
        try:
            async with self.http.request(method, url, headers=headers, data=content) as response:
                after = response.headers.get("retry-after")
                body = await response.read()
                return Response(response.status, body, float(after) if after else None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unready(
                f"{service} does not answer at {self.urls[service]} ({type(error).__name__}); "
                f"is it up? Fix: qingqian up"
            ) from None


@dataclass(frozen=True)
class Response:
    """An HTTP answer, read to its end. `retry_after`: seconds."""

    status: int
    content: bytes
    retry_after: float | None = None

    def document(self) -> dict[str, Any]:
        """The JSON object in it; empty where there is none."""
        try:
            found = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}


def _answer(response: Response) -> Answer:
    doc = response.document()
    if response.status in (200, 202):
        return Answer(response.status, doc.get("status", "recorded"), "", doc.get("event_id"))
    errors = [item.get("pointer", "") for item in doc.get("errors") or ()]
    detail = " ".join(filter(None, [doc.get("detail") or doc.get("title") or "", *errors]))
    return Answer(response.status, str(doc.get("code") or response.status), detail)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
