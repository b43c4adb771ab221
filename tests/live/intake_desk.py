"""An intake service as a real process, with keys, a client, and eyes on the raw log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson

from services.intake.tables import Tables
from shared import keys
from shared.envelope import Unreadable, decode
from shared.events import Event
from shared.log import CASE_EVENTS, PARTITIONS, Producer, Reader, Record
from shared.policy import adopt, read_book
from shared.settings import Settings

BOOK = "dengfeng-2021-35"
SECONDS = 30.0


def complaint(ref: str, **changes: Any) -> dict[str, Any]:
    """A complaint that is received, with some fields changed; None takes a field out."""
    body: dict[str, Any] = {
        "source": "national",
        "source_ref": ref,
        "tier": "NAT",
        "received_at": "2021-11-10T09:00:00+08:00",
        "employer": {"name": "示例服装有限公司", "ownership": "private", "industry": "1811"},
        "site": {"address": "登封市卢店街道某路9号", "township": "410185004"},
        "workers": 1,
        "amount_fen": 1_200_000,
        "months_from": "2021-07",
        "months_to": "2021-09",
        "claims": [
            {
                "worker": {
                    "name": "王小二",
                    "id_no": "410125199001319903",
                    "phone": "13000000300",
                },
                "amount_fen": 1_200_000,
                "months_from": "2021-07",
                "months_to": "2021-09",
            }
        ],
        "text": "干完活工资一直没有发，请帮助解决。",
        "contact": {"name": "王小二", "phone": "13000000300"},
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not None}


@dataclass
class Desk:
    """One intake process on a namespace of its own."""

    settings: Settings
    folder: Path
    module: str = "services.intake"
    environment: dict[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.policy = adopt(read_book(BOOK), datetime(2021, 11, 10, tzinfo=UTC), "test")
        self.clear, _ = keys.generate(self.policy)
        keys.write(self.settings.keys_path, self.clear)
        self.tables = Tables(self.settings)
        self.http = httpx.AsyncClient(base_url=self.settings.url("intake"), timeout=30)

    # --- the process ----------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.folder / "intake.log"

    def spawn(self, *module: str) -> None:
        environment = os.environ | self.settings.environment() | self.environment
        with self.journal.open("ab") as output:
            self.running = subprocess.Popen(
                [sys.executable, "-m", *(module or (self.module,))],
                env=environment,
                stdout=output,
                stderr=output,
            )

    async def start(self, *module: str) -> None:
        self.spawn(*module)
        await self.until_ready()

    async def until_ready(self) -> None:
        async def ready() -> bool:
            assert self.running is not None
            assert self.running.poll() is None, self.journal.read_text()[-2000:]
            try:
                return (await self.http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready, "intake is ready")

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
        if self.running is not None:
            self.running.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(20)

    async def close(self) -> None:
        self.kill()
        await self.http.aclose()

    # --- calls ----------------------------------------------------------------------------------

    def bearer(self, name: str = "operator") -> dict[str, str]:
        key = next(entry["key"] for entry in self.clear["keys"] if entry["name"] == name)
        return {"authorization": f"Bearer {key}"}

    async def post(self, body: Any, name: str = "operator") -> httpx.Response:
        return await self.http.post("/v1/complaints", json=body, headers=self.bearer(name))

    async def fact(
        self,
        path: str,
        type: str,
        data: dict[str, Any] | None = None,
        *,
        name: str = "operator",
        key: str = "k1",
        by: dict[str, str] | None = None,
        occurred_at: str = "2021-11-11T10:00:00+08:00",
    ) -> httpx.Response:
        body: dict[str, Any] = {"type": type, "occurred_at": occurred_at, "data": data or {}}
        if by is not None:
            body["by"] = by
        headers = self.bearer(name) | {"idempotency-key": key}
        return await self.http.post(path, json=body, headers=headers)

    async def stream(self, lines: Iterable[bytes], name: str = "operator") -> list[dict[str, Any]]:
        response = await self.http.post(
            "/v1/complaints:stream",
            content=b"".join(lines),
            headers=self.bearer(name),
            timeout=120,
        )
        assert response.status_code == 200
        return [orjson.loads(line) for line in response.content.splitlines()]

    # --- the raw log and tables -----------------------------------------------------------------

    async def records(self, topic: str = CASE_EVENTS, partitions: int = PARTITIONS) -> list[Record]:
        """Every record of a topic."""
        reader = Reader(self.settings, "test")
        await reader.start()
        try:
            ends = await reader.ends(topic, range(partitions))
            return [
                record
                for number, end in ends.items()
                async for batch in reader.range(topic, number, 0, end)
                for record in batch
            ]
        finally:
            await reader.stop()

    async def events(self, subject: str | None = None) -> list[Event]:
        """Every readable event of `case-events`, of one subject or all."""
        events = []
        for record in await self.records():
            with suppress(Unreadable):
                events.append(decode(record.value))
        return [event for event in events if subject in (None, event.subject)]

    async def outbox(self) -> int:
        connection = await asyncpg.connect(self.settings.database)
        try:
            found: int = await connection.fetchval(f"SELECT count(*) FROM {self.tables.outbox}")
            return found
        finally:
            await connection.close()

    @asynccontextmanager
    async def producer(self, service: Any = "routing") -> AsyncIterator[Producer]:
        producer = Producer(self.settings, service)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


async def until(ask: Any, what: str, seconds: float = SECONDS) -> None:
    """Wait until `ask()` says so. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await ask():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.05)


def yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).isoformat()
