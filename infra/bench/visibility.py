"""Figure: from a complaint's posting to the moment at which reporting shows whose case it is.

The whole installation on the wall clock: each complaint is posted and at once accepted, at a
steady pace that does not wait for answers; a client of reporting's stream notes the assignment.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import orjson

from infra import simulator
from infra.bench.figures import Figure
from infra.bench.rig import Installation, Rig
from infra.problem import Unready
from services.intake.decider import initial
from shared.envelope import case_id_of
from shared.events import instant_text
from shared.roles import By, default_by
from shared.settings import SERVICES

PACE: Final = 100
"""Complaints a second."""

PATIENCE: Final = 60.0
"""Seconds after the last posting in which every case must have been decided."""

SAMPLE: Final = 50
"""Of so many assignments one is looked up as a case at once: it must be shown as assigned."""

OPERATOR: Final = By("operator", "operator")
_DECIDED: Final = frozenset(("CaseAssigned", "TriageRequested", "ComplaintMerged"))


class Watch:
    """What the client side sees: when each case was posted, decided, and of what."""

    def __init__(self, made: Installation, http: aiohttp.ClientSession) -> None:
        self.made = made
        self.http = http
        self.headers = made.keyring().headers(OPERATOR)
        self.posted: dict[str, float] = {}
        self.assigned: dict[str, float] = {}
        self.other: set[str] = set()
        self.looked_up = 0
        self.again = 0
        self._looking: set[asyncio.Task[None]] = set()

    def url(self, service: str, path: str) -> str:
        return f"{self.made.settings.url(service)}/v1/{path}"

    async def listen(self, open_: asyncio.Event) -> None:
        """Follow reporting's stream for ever."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        async with self.http.get(
            self.url("reporting", "stream"), headers=self.headers, timeout=timeout
        ) as response:
            if response.status != 200:
                raise Unready(f"reporting's stream answered {response.status}")
            open_.set()
            kind = ""
            async for line in response.content:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and kind in _DECIDED:
                    self._decided(orjson.loads(line[6:])["case_id"], kind)

    def _decided(self, case_id: str, kind: str) -> None:
        if kind != "CaseAssigned":
            self.other.add(case_id)
        elif case_id not in self.assigned:
            self.assigned[case_id] = time.monotonic()
            if len(self.assigned) % SAMPLE == 0:
                task = asyncio.create_task(self._look_up(case_id))
                self._looking.add(task)

    async def _look_up(self, case_id: str) -> None:
        async with self.http.get(
            self.url("reporting", f"cases/{case_id}"), headers=self.headers
        ) as response:
            case = (await response.json())["case"] if response.status == 200 else {}
        if not (case.get("task_force") or case.get("department")):
            raise Unready(f"the stream told of an assignment that /v1/cases/{case_id} lacks")
        self.looked_up += 1

    async def post(self, body: dict[str, Any], at: float) -> None:
        """A complaint and its acceptance; `at`: the monotonic second at which it was due."""
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        case_id = case_id_of(body["source"], body["source_ref"])
        self.posted[case_id] = at
        await self._call("complaints", body, {})
        by = default_by("ComplaintAccepted", initial(case_id))
        accepted = {
            "type": "ComplaintAccepted",
            "occurred_at": instant_text(datetime.now(UTC)),
            "data": {},
            "by": {"unit": by.unit, "role": by.role},
        }
        key = {"idempotency-key": f"accept {case_id}"}
        await self._call(f"cases/{case_id}/events", accepted, key)

    async def _call(self, path: str, body: dict[str, Any], extra: dict[str, str]) -> None:
        """Post until it is recorded: 503 asks for the same again, and the time of that counts."""
        while True:
            async with self.http.post(
                self.url("intake", path), json=body, headers=self.headers | extra
            ) as response:
                answer: dict[str, Any] = await response.json(content_type=None)
                if response.status == 202:
                    return
                if response.status != 503:
                    raise Unready(f"intake answered {response.status}: {answer}"[:300])
                pause = float(response.headers.get("retry-after", 1))
            self.again += 1
            await asyncio.sleep(pause)

    async def settled(self) -> None:
        """Wait until every posted case is decided and every look-up has ended."""
        deadline = time.monotonic() + PATIENCE
        while left := self.posted.keys() - self.assigned.keys() - self.other:
            if time.monotonic() > deadline:
                raise Unready(f"{len(left)} cases were not decided within {PATIENCE:.0f} s")
            await asyncio.sleep(0.05)
        await asyncio.gather(*self._looking)

    def delays(self) -> list[float]:
        """Milliseconds of every case that was assigned, the quickest first."""
        return sorted(
            (self.assigned[case_id] - at) * 1000
            for case_id, at in self.posted.items()
            if case_id in self.assigned
        )


def used(made: Installation) -> dict[str, float]:
    """Processor seconds of each service so far, and of the client, which is this process."""
    services = {name: made.usage(name).seconds for name in SERVICES}
    return services | {"client": time.process_time()}


def bodies(first: int, count: int) -> list[dict[str, Any]]:
    """Complaints of the campaign that name a trade and a place, as received just now.

    Each of other workers: the same ones again would be merged. Raises Unready for too many.
    """
    now = instant_text(datetime.now(UTC) - timedelta(minutes=1))
    plain = [
        item.data for item in simulator.received(1, "full") if not (item.oddity or item.twin_of)
    ]
    if len(plain) < first + count:
        raise Unready(f"the campaign has {len(plain)} plain complaints, {first + count} are wanted")
    return [
        {key: value for key, value in body.items() if key != "external_due_at"}
        | {"received_at": now}
        for body in plain[first : first + count]
    ]


async def measure(rig: Rig, seconds: int) -> list[Figure]:
    """p50 and p99, at 100 complaints a second for so many seconds."""
    made = await rig.installation("seen", datetime.now(UTC), clock="wall")
    try:
        for name in SERVICES:
            made.launch(name)
        await made.ready(*SERVICES)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            warm = await _paced(made, http, bodies(0, PACE))
            rig.say(f"visible: warmed up with {len(warm.posted)} complaints")
            before = used(made)
            watch = await _paced(made, http, bodies(PACE, PACE * seconds))
            after = used(made)
        peaks = ", ".join(f"{name} {made.usage(name).peak_mb:.0f} MB" for name in SERVICES)
        each = ", ".join(
            f"{name} {(after[name] - before[name]) / len(watch.posted) * 1000:.1f} ms"
            for name in after
        )
    finally:
        await made.close()
    delays = watch.delays()
    note = (
        f"{len(delays)} assigned of {len(watch.posted)} posted in {seconds} s, each accepted at "
        f"once; {watch.again} posts were answered 503 and sent again; {watch.looked_up} looked up "
        f"as cases; peak memory: {peaks}; processor time a complaint: {each}"
    )
    rig.say(f"visible: p50 {at(delays, 50):.0f} ms, p99 {at(delays, 99):.0f} ms")
    return [
        Figure(f"posted to assignment visible, p{share}", "ms", (at(delays, share),), note=note)
        for share in (50, 99)
    ]


async def _paced(
    made: Installation, http: aiohttp.ClientSession, given: list[dict[str, Any]]
) -> Watch:
    watch = Watch(made, http)
    open_ = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(watch.listen(open_))
        await open_.wait()
        begun = time.monotonic() + 0.2
        async with asyncio.TaskGroup() as posts:
            for number, body in enumerate(given):
                posts.create_task(watch.post(body, begun + number / PACE))
        await watch.settled()
        listening.cancel()
    return watch


def at(delays: list[float], share: int) -> float:
    """The delay that `share` per cent of them do not exceed."""
    if not delays:
        raise Unready("no case was assigned")
    return delays[min(len(delays) - 1, len(delays) * share // 100)]
