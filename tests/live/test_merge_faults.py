"""Merging, separating and groups over partitions and two workers, killed between two cases' events.

The same worker complains on several platforms; what is surely the same merges by rule, what a
person finds the same by MergeApproved, and some of it is taken back. Meanwhile each worker of
routing is stopped where the one case's event is on the log and the other's is not, looked at,
killed, and started again; one is frozen past its session and resumed among its heirs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest

from infra.keyring import ensure_keys, read_keys
from infra.stack import LocalStack
from services.routing.decider import STREAMS as ROUTING
from shared import events as ev
from shared.envelope import case_id_of
from shared.events import Event, Service, instant_text
from shared.log import PARTITIONS, partition_of
from shared.policy import adopted
from shared.reconciler.rows import load_row
from shared.reconciler.store import StoredRow
from shared.roles import By
from shared.settings import Settings
from shared.settle import Books
from tests.live.city import OPERATOR, City
from tests.live.rig import Process, Rig
from tests.live.test_faults import nothing_twice
from tests.live.weather import Weather
from tests.routing.law import check
from tests.routing.scattered import Scattered
from tests.routing.spec import when
from tests.simulated import identity_number

pytestmark = [pytest.mark.live, pytest.mark.chaos]

START: Final = when("2021-11-15 09:00")
MONTHS = {"months_from": "2021-07", "months_to": "2021-09"}
OFFICE: Final = By("联席办", "office")
PLATFORMS: Final = ("12345", "henan", "zhengzhou")
GROUP: Final = 14
"""Workers of the one employer at whom a group forms."""
SEED: Final = 20211115


@dataclass
class Told:
    """What was told to the city: a town in the sense of `tests.routing.law`.

    `same`: the cases of one worker at one employer, the earliest first, that merge by rule;
    `approved`, `revoked`: member and master of what a person merged, or took back.
    """

    settings: Settings
    http: httpx.AsyncClient
    city: Scattered
    workers: dict[str, dict[str, str]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    same: list[tuple[str, ...]] = field(default_factory=list)
    approved: dict[str, str] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    acts: int = 0
    people: int = 0

    @property
    def heads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def fen(self, claim: tuple[str, str]) -> int:
        return self.amounts[claim[0]]

    # --- complaints -------------------------------------------------------------------------------

    def person(
        self, sources: Iterable[str], *, known: bool, firm: str = ""
    ) -> list[dict[str, Any]]:
        """One worker's complaint on each platform, each on a partition of its own.

        `known`: with the identity number, so that the rule finds them to be the same.
        """
        self.people += 1
        number = self.people
        worker = {"name": f"工人{number}"} | ({"id_no": identity_number(number)} if known else {})
        found = []
        for place, source in enumerate(sources):
            wanted = (number + 5 * place) % PARTITIONS
            ref = next(
                ref
                for ref in (f"{source}-{number}-{n}" for n in range(1000))
                if partition_of(case_id_of(source, ref)) == wanted
            )
            case = case_id_of(source, ref)
            self.workers[case], self.refs[case] = {"1": f"worker {number}"}, ref
            self.amounts[case] = 100_000 + number
            claim = {"worker": worker, "amount_fen": self.amounts[case]} | MONTHS
            body: dict[str, Any] = {
                "source": source,
                "source_ref": ref,
                "received_at": instant_text(START),
                "employer": {
                    "name": firm or f"示例第{number}服装有限公司",
                    "ownership": "private",
                    "industry": "1811",
                },
                "site": {"address": "登封市某路", "township": "410185004"},
                "workers": 1,
                "claims": [claim],
                "text": "干完活工资一直没有发。",
            } | MONTHS
            found.append(body)
        return found

    def pairs(self, count: int) -> list[dict[str, Any]]:
        """The same claim on two platforms, of every fourth worker on four."""
        bodies = []
        for number in range(count):
            sources = ("national", *PLATFORMS[: 3 if number % 4 == 0 else 1])
            told = self.person(sources, known=True)
            self.same.append(tuple(case_id_of(b["source"], b["source_ref"]) for b in told))
            bodies += told
        return bodies

    def alike(self, count: int) -> list[dict[str, Any]]:
        """The same claim on two platforms, which only a person can see."""
        return [
            body for _ in range(count) for body in self.person(("mayor", "xinfang"), known=False)
        ]

    def crowd(self) -> list[dict[str, Any]]:
        """Different workers of one employer."""
        firm = "示例众人纺织有限公司"
        return [
            body for _ in range(GROUP) for body in self.person(("union",), known=True, firm=firm)
        ]

    async def post(self, bodies: list[dict[str, Any]]) -> None:
        """Streamed as a platform does it; every line has its receipt."""
        content = b"\n".join(orjson.dumps(body) for body in bodies)
        answer = await self.http.post("/v1/complaints:stream", content=content)
        receipts = [orjson.loads(line) for line in answer.content.splitlines()]
        assert Counter(receipt["status"] for receipt in receipts) == {"received": len(bodies)}

    # --- acts -------------------------------------------------------------------------------------

    async def act(self, case: str, kind: str, at: datetime, **data: Any) -> None:
        """Say it until it is answered: the same words under one key, so that it is one act."""
        self.acts += 1
        by = {"unit": OFFICE.unit, "role": OFFICE.role, "person": "office"}
        body = {"type": kind, "occurred_at": instant_text(at), "data": data, "by": by}
        headers = {"idempotency-key": f"act-{self.acts}"}
        while True:
            url = f"/v1/cases/{case}/events"
            answer = await self.http.post(url, json=body, headers=headers)
            if answer.status_code == 503:
                continue  # The log or the view is behind.
            assert answer.status_code == 202, answer.text
            return

    async def approve(self, bodies: list[dict[str, Any]], at: datetime) -> None:
        """The office answers the source of every third, and merges what it found alike."""
        cases = [case_id_of(body["source"], body["source_ref"]) for body in bodies]
        pairs = dict(zip(cases[1::2], cases[::2], strict=True))
        self.approved |= pairs
        answered = [(b["source"], b["source_ref"]) for b in bodies[1::6]]
        self.answered |= {case_id_of(*source) for source in answered}
        await asyncio.gather(
            *(
                self.act(case_id_of(*of), "SourceReplied", at, source=of[0], source_ref=of[1])
                for of in answered
            )
        )
        await asyncio.gather(
            *(
                self.act(member, "MergeApproved", at, master=master, same={"1": "1"})
                for member, master in pairs.items()
            )
        )

    async def revoke(self, members: Iterable[str], at: datetime) -> None:
        """The office takes merges back."""
        gone = {member: self.approved.pop(member) for member in members}
        self.revoked |= gone
        await asyncio.gather(*(self.act(member, "MergeRevoked", at) for member in gone))


@dataclass
class Strikes:
    """Stops workers of routing between two cases' events, and kills them there."""

    rig: Rig
    weather: Weather
    spared: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    between: Counter[tuple[str, str]] = field(default_factory=Counter)

    def arm(self, process: Process, how: str) -> None:
        """How the process is to stop once it is started: see `killed_routing`."""
        process.environment = {
            "BETWEEN": how,
            "SPARED": " ".join(self.spared),
            "MARK": str(self.mark(process)),
        }

    def mark(self, process: Process) -> Path:
        return self.rig.folder / f"stopped-{process.worker_id}"

    async def strike(self, process: Process, then: str) -> None:
        """Wait until it stands between, see that it does, kill it, start it armed anew.

        What it stands before may be a copy, of a pair that was sent in part when the other worker
        was killed: then it is killed there too, and the next pair is waited for.
        """
        how = process.environment["BETWEEN"]
        while not await self._struck(process, how):
            self.spared |= await self._sent_in_part()
            self.arm(process, how)
            process.start()
        self.spared |= await self._sent_in_part()
        self.arm(process, then)
        process.start()

    async def _struck(self, process: Process, how: str) -> bool:
        """It is killed where it stands; whether one event was on the log and the other not."""
        told = await self._stopped(process)
        row = (await self.rig.table("routing"))[told["member"]]
        pending = [orjson.loads(line) for line in row["pending"].splitlines()]
        waiting = {document["id"]: document for document in pending}
        ids = {event.id for event in await self.rig.events()}
        flight = await self.weather.in_flight(process)
        process.kill()
        self.mark(process).unlink()
        self.kills[process.worker_id] += 1
        assert told["recorded"] in ids
        if told["missing"] in ids:
            self.weather.say(f"SIGKILL routing-{process.worker_id} before a copy")
            return False
        recorded, missing = waiting[told["recorded"]], waiting[told["missing"]]
        self.weather.say(
            f"SIGKILL routing-{process.worker_id} between: {recorded['type']} on partition "
            f"{partition_of(recorded['subject'])} is recorded, {missing['type']} on "
            f"{partition_of(missing['subject'])} is not; in flight {flight}"
        )
        self.between[process.worker_id, how] += 1
        return True

    async def _sent_in_part(self) -> set[str]:
        """Streams of which something pending is on the log already."""
        ids = {event.id for event in await self.rig.events()}
        return {
            subject
            for subject, row in (await self.rig.table("routing")).items()
            if any(orjson.loads(line)["id"] in ids for line in row["pending"].splitlines())
        }

    async def _stopped(self, process: Process, seconds: float = 90) -> dict[str, str]:
        deadline = time.monotonic() + seconds
        while not self.mark(process).exists():
            assert process.alive, process.words()[-2000:]
            assert time.monotonic() < deadline, (
                f"routing-{process.worker_id} met no {process.environment['BETWEEN']}"
            )
            await asyncio.sleep(self.rig.pace)
        found: dict[str, str] = orjson.loads(self.mark(process).read_bytes())
        return found


@asynccontextmanager
async def installation(
    settings: Settings, folder: Path, stack: LocalStack
) -> AsyncIterator[tuple[Rig, Strikes, dict[Service, list[Process]]]]:
    """Intake, supervision and two workers of routing, on the log clock."""
    ensure_keys(settings)
    async with Rig(settings, folder, pace=0.1) as rig:
        await rig.govern("log", START)
        processes: dict[Service, list[Process]] = {
            "intake": [rig.worker("intake", "0", "services.intake", first=True)],
            "supervision": [rig.worker("supervision", "0", "services.supervision", first=True)],
            "routing": [
                rig.worker("routing", str(n), "tests.live.killed_routing", first=n == 0)
                for n in range(2)
            ],
        }
        city = City(settings, read_keys(settings), SEED)
        weather = Weather(rig, stack, city, processes, SEED)
        yield rig, Strikes(rig, weather), processes


async def test_cases_merge_and_part_under_kills_between_their_events(
    settings: Settings, tmp_path: Path, stack: LocalStack
) -> None:
    async with installation(settings, tmp_path, stack) as (rig, strikes, processes):
        one, other = processes["routing"]
        everyone = [process for group in processes.values() for process in group]
        strikes.arm(one, "ComplaintMerged master")
        strikes.arm(other, "ComplaintMerged master")
        for process in everyone:
            process.start()
        await rig.quiet(everyone, seconds=120)
        weather = strikes.weather
        weather.say("serving")
        policy = adopted(await rig.policy())
        headers = read_keys(settings).headers(OPERATOR)
        async with httpx.AsyncClient(
            base_url=settings.url("intake"), headers=headers, timeout=30
        ) as http:
            told = Told(settings, http, Scattered(Books([policy]), random.Random(SEED), START))
            await campaign(rig, strikes, told, (one, other), everyone)
        await rig.quiet(everyone, seconds=60)
        before = {event.id for event in await rig.events()}
        await rig.advance(START + timedelta(days=4))
        await rig.quiet(everyone, clock=START + timedelta(days=4), seconds=60)
        weather.say("at rest, four days on")

        events = await rig.events()
        nothing_twice(events)
        audit = await rig.audit()
        weather.say(audit.report())
        assert [finding.line() for finding in audit.findings][:5] == []
        read(told, events)
        await tables_are_a_fold(rig, told)
        under = check(told)
        merges(told, under)
        groups(told, events)
        both_sides(told)
        nothing_runs_on_merged_cases(told, under, [e for e in events if e.id not in before])
        assert strikes.between == {
            ("0", "ComplaintMerged master"): 1,
            ("0", "ComplaintMerged member"): 1,
            ("0", "ComplaintUnmerged master"): 1,
            ("1", "ComplaintMerged master"): 1,
            ("1", "ComplaintMerged member"): 1,
            ("1", "ComplaintUnmerged master"): 1,
        }
        assert weather.hits["routing"] > 0, weather.verdict()
        weather.say(
            f"{len(told.workers)} complaints, {len(told.same)} claims on several platforms; "
            f"kills {dict(strikes.kills)} between two cases' events; {weather.verdict()}"
        )


async def campaign(
    rig: Rig,
    strikes: Strikes,
    told: Told,
    workers: tuple[Process, Process],
    everyone: list[Process],
) -> None:
    """Waves of complaints and acts, and the strikes that meet them."""
    one, other = workers
    weather = strikes.weather
    await told.post(told.pairs(16) + told.crowd())
    await asyncio.gather(*(strikes.strike(each, "ComplaintMerged member") for each in workers))
    alike = told.alike(24)
    await told.post(told.pairs(16) + alike)
    await asyncio.gather(
        told.approve(alike, START),
        *(strikes.strike(each, "ComplaintUnmerged master") for each in workers),
    )
    await rig.quiet(everyone)
    at = START + timedelta(minutes=1)
    await rig.advance(at)
    await rig.quiet(everyone, clock=at)
    await asyncio.gather(
        told.revoke(list(told.approved)[:PARTITIONS], at),
        *(strikes.strike(each, "") for each in workers),
    )
    await told.post(told.pairs(10))
    await weather.kill(one)
    frozen = asyncio.create_task(weather.freeze(one))
    more = told.alike(6)
    await told.post(told.pairs(10) + more)
    await told.approve(more, at)
    await weather.kill(other)
    await told.revoke(list(told.approved)[::4], at)
    await frozen


# --- what must hold -------------------------------------------------------------------------------


def read(told: Told, events: list[Event]) -> None:
    """The town as the log tells it; each stream of routing as a replay of it."""
    by_subject: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_subject[event.subject].append(event)
    told.city.log = by_subject


async def tables_are_a_fold(rig: Rig, told: Told) -> None:
    """What the workers hold is what the log makes, with nothing owed beyond it."""
    for subject, row in (await rig.table("routing")).items():
        stored = StoredRow(
            **{name: row[name] for name in StoredRow._fields if name != "seen"}, seen=""
        )
        replayed = told.city.replayed(subject)
        told.city.streams[subject] = replayed.stream
        assert replayed.beyond == [], subject
        assert row["pending"] == "", subject
        assert load_row(ROUTING, stored).stream.state == replayed.stream.state, subject


def merges(told: Told, under: dict[str, str]) -> None:
    """Each claim of several platforms is one case; so is what a person merged, and only that."""
    for cases in told.same:
        (root,) = {under[case] for case in cases}
        assert root in cases
    for member, master in told.approved.items():
        assert under[member] == under[master] == master
    for member, master in told.revoked.items():
        assert under[member] == member
        assert under[master] == master
    alone = set(under) - {case for cases in told.same for case in cases} - set(told.approved)
    assert {case for case in alone if under[case] != case} == set()


def groups(told: Told, events: list[Event]) -> None:
    """One group of the crowd, formed once, each other member joined to it once."""
    crowd = {case for case, ref in told.refs.items() if ref.startswith("union-")}
    formed = {event.id: event for event in events if isinstance(event.data, ev.GroupFormed)}
    (group,) = formed.values()
    assert isinstance(group.data, ev.GroupFormed)
    assert group.data.master == group.subject
    joined = {event.id: event for event in events if isinstance(event.data, ev.GroupJoined)}
    members = [event.subject for event in joined.values()]
    assert sorted([*members, group.subject]) == sorted(crowd)
    assert len({partition_of(case) for case in crowd}) > 1


def both_sides(told: Told) -> None:
    """Every merge and every separation stands on both cases, and on both once."""
    for subject in told.workers:
        for kind, other in (
            (ev.ComplaintMerged, ev.ClaimLinesAdded),
            (ev.ComplaintUnmerged, ev.ClaimLinesRemoved),
        ):
            here = {e.id: e.data for e in told.city.log[subject] if isinstance(e.data, kind)}
            for data in here.values():
                there = {
                    e.id
                    for e in told.city.log[data.master]
                    if isinstance(e.data, other)
                    and e.data.from_case == subject
                    and e.data.cause == data.cause
                }
                assert len(there) == 1, (subject, kind)
            causes = [data.cause for data in here.values()]
            assert len(causes) == len(set(causes)), "no decision twice"


def nothing_runs_on_merged_cases(told: Told, under: dict[str, str], after: list[Event]) -> None:
    """Their clocks stand still, and no step was taken on them in four days; the sources' clocks
    run under the master (I-03)."""
    merged = {case for case, root in under.items() if root != case}
    late = [event for event in after if isinstance(event.data, (ev.DeadlineSet, ev.AlertRaised))]
    assert {event.subject for event in late} & merged == set()
    assert {event.subject for event in late} & set(told.workers), "others are late by now"
    for case in merged:
        assert [clock.timer for clock in told.city.watch(case).clocks if clock.running] == []
        running = {c.source_ref for c in told.city.watch(under[case]).clocks if c.timer == "T10"}
        if told.refs[case].startswith("12345-"):
            assert told.refs[case] in running
