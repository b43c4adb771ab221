"""A real PostgreSQL for the tests of reporting that need no broker, and read tables on it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.stack.postgres import Postgres
from services.reporting.follower import Follower
from services.reporting.publications import Publications
from services.reporting.reading import Reading
from services.reporting.schema import Tables
from services.reporting.store import Store
from shared.envelope import data_json
from shared.events import AnyData, ClockAdopted, ClockAdvanced, Event, PolicyAdopted
from shared.governance import Governance
from shared.identity import Identity
from shared.log import Record
from shared.policy import Policy
from shared.settings import Settings
from tests.reporting import histories

IDENTITY = Identity("cluster", "topic", 12)
_NUMBER = itertools.count(1)


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """URL of a server of this session's own."""
    folder = Path(tempfile.mkdtemp(prefix="qingqian-reporting-"))
    folder.chmod(0o755)
    server = Postgres(folder / "data", folder, folder / "postgres.log")
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
        server.wipe()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def pool(database: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database, min_size=1, max_size=6) as found:
        yield found


@pytest.fixture(scope="session")
def book() -> Policy:
    return histories.policy()


def governed(book: Policy, settings: Settings) -> Governance:
    """Governance as folded from its topic: the book adopted, the log clock at the book's day."""
    found = Governance(settings, "test")
    adoption = PolicyAdopted(book=book.id, hash=book.hash, content=book.raw)
    facts: tuple[AnyData, ...] = (adoption, ClockAdopted(clock="log"))
    for number, data in enumerate(facts):
        found.fold(
            Event(
                id="adoption" if number == 0 else "clock",
                subject="governance",
                time=book.adopted_at,
                recordedtime=book.adopted_at,
                data=data,
            )
        )
    assert data_json(adoption)["book"] == book.id
    return found


def advance(governance: Governance, event: Event) -> None:
    """Move the log clock to an event's recording."""
    governance.fold(
        Event(
            id=f"to-{event.id}",
            subject="governance",
            time=event.recordedtime,
            recordedtime=event.recordedtime,
            data=ClockAdvanced(to=event.recordedtime),
        )
    )


class Read:
    """Read tables of a schema of their own, filled from records."""

    def __init__(self, pool: Any, settings: Settings, governance: Governance) -> None:
        self.pool = pool
        self.tables = Tables(settings.schema("reporting"))
        self.store = Store(pool, self.tables)
        self.follower = Follower(settings, self.store)
        self.governance = governance
        published = Publications()
        published.began = governance.books.adopted[0].adopted_at
        self.reading = Reading(pool, self.tables, governance, published)

    async def prepare(self) -> None:
        await self.store.prepare(IDENTITY)
        await self.follower.projection.resume()

    async def take(self, batches: Sequence[Sequence[Record]]) -> None:
        for batch in batches:
            await self.follower.projection.take(batch)

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that reads use, in a fixed order."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        keys = {
            "versions": "case_id, recorded_from",
            "acts": "event_id, part",
            "events": "event_id",
        }
        for name, key in keys.items():
            table = getattr(self.tables, name)
            rows = await self.pool.fetch(f"SELECT * FROM {table} ORDER BY {key}")
            found[name] = [tuple(row.values()) for row in rows]
        return found


Open = Callable[[], Awaitable[Read]]


@asynccontextmanager
async def opened(pool: Any, database: str, book: Policy) -> AsyncIterator[Read]:
    """Empty read tables of their own; their schema goes when it ends."""
    settings = Settings.model_validate(
        {"database": database, "namespace": f"r{next(_NUMBER)}_", "kafka": "127.0.0.1:9"}
    )
    read = Read(pool, settings, governed(book, settings))
    await read.prepare()
    try:
        yield read
    finally:
        await pool.execute(f'DROP SCHEMA IF EXISTS "{read.tables.schema}" CASCADE')


@pytest.fixture
async def read(pool: Any, database: str, book: Policy) -> AsyncIterator[Read]:
    async with opened(pool, database, book) as found:
        yield found
