"""The service over tables that a test fills, event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from services.reporting import answers
from services.reporting.api import application
from services.reporting.service import Reporting
from shared import events as ev
from shared import keys
from shared.envelope import owe
from shared.events import AnyData, Event
from shared.policy import Policy
from shared.query import query_code, status_key
from shared.sealing import Matcher
from shared.settings import Settings
from tests.reporting import histories
from tests.reporting.conftest import Read, advance

MATCHER = Matcher(b"k" * 32)
BEGINS = datetime.fromisoformat("2021-11-10T09:00:00+08:00")


def at(hours: float) -> datetime:
    return BEGINS + timedelta(hours=hours)


def fact(case: str, data: AnyData, hours: float, actor: str = "联席办/office/p") -> Event:
    name = f"{case}-{type(data).__name__}-{hours}"
    return Event(
        id=name, subject=case, time=at(hours), recordedtime=at(hours), data=data, actor=actor
    )


def rule(case: str, type_: type[ev.Decision], hours: float, /, **fields: Any) -> Event:
    return owe(case, at(hours), type_.model_validate({"cause": f"{case}-{hours}"} | fields))  # type: ignore[arg-type]


def received(case: str, **fields: Any) -> Event:
    told: dict[str, Any] = {"workers": 7, "amount_fen": 7_654_321, "text": "sealed:secret"} | fields
    data = ev.ComplaintReceived(
        source="window",
        source_ref=case,
        received_at=at(0),
        status_key=status_key(query_code(MATCHER, case)),
        **told,
    )
    return fact(case, data, 0)


def assigned(case: str, township: str = "410185109") -> list[Event]:
    return [
        fact(case, ev.ComplaintAccepted(), 1),
        rule(
            case,
            ev.CaseAssigned,
            1,
            task_force="TF1",
            township=township,
            rule="R8",
            township_from={"rule": "structured"},
        ),
        rule(
            case,
            ev.DeadlineSet,
            1,
            timer="T09",
            started_at=at(1),
            due_at="2021-11-25T00:00:00+08:00",
        ),
    ]


class Desk:
    """The service over tables that a test fills."""

    def __init__(self, read: Read, client: httpx.AsyncClient, reporting: Reporting) -> None:
        self.read = read
        self.client = client
        self.reporting = reporting
        self.log: list[Event] = []

    async def take(self, *events: Event) -> None:
        """Append; what the log had before is read again and dropped."""
        self.log += events
        await self.read.take([histories.records(self.log)])
        advance(self.read.governance, max(events, key=lambda event: event.recordedtime))

    async def status(self, case: str, **query: Any) -> dict[str, Any]:
        code = query_code(MATCHER, case)
        answer = await self.client.get(f"/v1/public/status/{code}", params=query)
        assert answer.status_code == 200, answer.text
        answers.PublicStatus.model_validate(answer.json())
        found: dict[str, Any] = answer.json()["status"]
        return found


@asynccontextmanager
async def standing(read: Read, book: Policy, folder: Path) -> AsyncIterator[Desk]:
    """The service as it stands once it has caught up, and a client of the office."""
    clear, hashed = keys.generate(book)
    keys.write(folder / "keys.json", hashed)
    settings = read.follower.settings.model_copy(update={"data_dir": folder})
    reporting = Reporting(Settings.model_validate(settings.model_dump()))
    reporting.pool, reporting.follower, reporting.reading = read.pool, read.follower, read.reading
    reporting.governance = read.governance
    reporting.follower.caught_up = True
    reporting._started = True
    token = next(entry["key"] for entry in clear["keys"] if entry["role"] == "office")
    transport = httpx.ASGITransport(application(reporting))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield Desk(read, client, reporting)
