"""A city at work: platforms that complain and units that act, through intake, under any weather.

Every request is repeated, with the same reference or key, until intake has answered it; what a
platform has a receipt for is remembered. Units learn from the log, as people learn from a screen.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from infra.keyring import KeyRing
from shared.envelope import Unreadable, decode
from shared.events import CaseAssigned, CaseClosed, CaseReassigned, ComplaintMerged, Event
from shared.log import CASE_EVENTS, PARTITIONS, Reader
from shared.roles import By, default_by
from shared.settings import Settings

OPERATOR = By("operator", "operator")
TOWNSHIPS = ("410185109", "410185004", "410185001", "410185100")
SECTORS = (
    {"name": "某建筑劳务公司", "ownership": "private", "industry": "4710"},
    {"name": "某服装公司", "ownership": "private", "industry": "1811"},
    {"name": "某餐饮店", "ownership": "unknown", "industry": "6210"},
)


@dataclass
class Handled:
    """A case as the people who handle it see it (`shared.roles.Responsible`)."""

    subject: str
    township: str | None = None
    task_force: str | None = None
    department: str | None = None
    co_handlers: tuple[str, ...] = ()
    over: bool = False
    assigned: asyncio.Event = field(default_factory=asyncio.Event)


class City:
    """Drives intake. `receipts`: case id -> reference of everything that was answered with 202."""

    def __init__(self, settings: Settings, keys: KeyRing, seed: int) -> None:
        self.settings = settings
        self.keys = keys
        self.chance = random.Random(seed)
        self.cases: dict[str, Handled] = {}
        self.receipts: dict[str, str] = {}
        self.acts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.open = 0
        self.over = asyncio.Event()
        self._number = 0

    async def work(self, persons: int) -> None:
        """Handle one case after the other, `persons` at a time, until `over`."""
        reader = Reader(self.settings, "city")
        watching = asyncio.create_task(self._watch(reader))
        async with httpx.AsyncClient(timeout=20) as self.http:
            await asyncio.gather(*(self._person(number) for number in range(persons)))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await reader.stop()

    async def _watch(self, reader: Reader) -> None:
        start = {(CASE_EVENTS, number): 0 for number in range(PARTITIONS)}
        async with aclosing(reader.follow(start, wait=0.2)) as batches:
            async for records in batches:
                for record in records:
                    try:
                        self._see(decode(record.value))
                    except Unreadable:
                        continue

    def _see(self, event: Event) -> None:
        case = self.cases.setdefault(event.subject, Handled(event.subject))
        match event.data:
            case CaseAssigned() | CaseReassigned():
                case.township = event.data.township
                case.task_force = event.data.task_force
                case.department = event.data.department
                case.co_handlers = event.data.co_handlers
                case.assigned.set()
            case ComplaintMerged() | CaseClosed():
                case.over = True
                case.assigned.set()
            case _:
                pass

    async def _person(self, number: int) -> None:
        chance = random.Random(self.chance.random())
        while not self.over.is_set():
            case_id = await self._complain(chance)
            if case_id is not None:
                await self._handle(case_id, chance)

    async def _complain(self, chance: random.Random) -> str | None:
        self._number += 1
        ref = f"R-{self._number:06d}"
        amount = chance.randrange(50_000, 5_000_000)
        body = {
            "source": chance.choice(("national", "zz12345", "henan")),
            "source_ref": ref,
            "received_at": _now(),
            "employer": chance.choice(SECTORS) | {"name": f"某公司{chance.randrange(200)}"},
            "site": {"address": "登封市某路", "township": chance.choice(TOWNSHIPS)},
            "workers": 1,
            "amount_fen": amount,
            "months_from": "2021-07",
            "months_to": "2021-09",
            "text": "干完活工资一直没有发，请帮助解决。",
        }
        status, answer = await self._post("/v1/complaints", body)
        if status != 202:
            self.refused[f"complaint {answer.get('code')}"] += 1
            return None
        self.receipts[answer["case_id"]] = ref
        case_id: str = answer["case_id"]
        self.cases.setdefault(case_id, Handled(case_id))
        return case_id

    async def _handle(self, case_id: str, chance: random.Random) -> None:
        """A case's life, cut short at a random place; some units are slow and are warned."""
        case = self.cases[case_id]
        if not await self._act(case, "ComplaintAccepted", {}):
            return
        try:
            async with asyncio.timeout(chance.choice((0.5, 5, 20))):
                await case.assigned.wait()
        except TimeoutError:
            township = chance.choice(TOWNSHIPS)
            await self._act(case, "TriageDecided", {"task_force": "TF1", "township": township})
            return
        line = [{"line": "1", "amount_fen": 1_000_000}]
        steps: list[tuple[str, dict[str, Any]]] = [
            ("AssignmentSigned", {}),
            ("FirstContactMade", {"reached": True}),
            ("ProgressReported", {}),
            ("FactsVerified", {"lines": [line[0] | {"months": 3}]}),
            ("PaymentRecorded", {"payment": "P1", "lines": line}),
            ("PaymentVerified", {"payment": "P1", "lines": line}),
            ("ProgressReported", {}),
            ("ClosureRequested", {"kind": "PAID_IN_FULL"}),
            ("ClosureReviewPassed", {"stage": "tf"}),
            ("ClosureReviewPassed", {"stage": "office"}),
            ("FollowUpCompleted", {"got_paid": "Y", "satisfaction": "satisfied"}),
        ]
        for name, data in steps[: chance.choice((1, 3, 5, 7, 11, 11, 11))]:
            if case.over or self.over.is_set():
                return
            await self._act(case, name, data)

    async def _act(self, case: Handled, name: str, data: dict[str, Any]) -> bool:
        by = default_by(name, case)
        if data.get("stage") == "office":
            by = By("联席办", "office")
        body = {
            "type": name,
            "occurred_at": _now(),
            "data": data,
            "by": {"unit": by.unit, "role": by.role, "person": f"p-{by.unit}-{name}"},
        }
        self.acts[name] += 1
        key = f"{case.subject}-{self.acts[name]}-{name}"
        status, answer = await self._post(f"/v1/cases/{case.subject}/events", body, key)
        if status != 202:
            self.refused[f"{name} {answer.get('code')}"] += 1
        return status == 202

    async def _post(
        self, path: str, body: dict[str, Any], key: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Say it until it is answered: the same words, so that it is one act however often."""
        headers = self.keys.headers(OPERATOR)
        if key is not None:
            headers["idempotency-key"] = key
        url = self.settings.url("intake") + path
        pause = 0.05
        while True:
            self.open += 1
            try:
                response = await self.http.post(url, json=body, headers=headers)
                if response.status_code not in (502, 503):
                    return response.status_code, response.json()
            except (httpx.TransportError, ValueError):
                pass
            finally:
                self.open -= 1
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 2)


def _now() -> str:
    return datetime.now(UTC).isoformat()
