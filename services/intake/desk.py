"""Facts: one at a time for each subject, judged on a view that has folded the whole log.

Lock the subject, read the log's end, wait until the view is there, judge, publish, wait for the
acknowledgement and for the view. So 404 and 409 never come from a stale view, and the client's
next call sees its last. The same Idempotency-Key gives the same event id, and an id that is
known is answered before the state is judged.

Facts of different subjects that come in together are taken through these steps together, in a
sitting: each step then asks database and log once for all of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from weakref import WeakValueDictionary

import asyncpg
import orjson

from services.intake.complaint import Problem, Refused
from services.intake.decider import Act, By, CaseFile, Refusal, decide, hangs_on, unknown
from services.intake.facts import Supplement, read_fact, seal_fact
from services.intake.preparing import MAX_EVENT
from services.intake.reception import Unknown
from services.intake.tables import Connection, Tables, lock_number
from services.intake.vault import Vault
from services.intake.view import Behind, Folder, View
from shared.calendar import civil
from shared.envelope import derived_id, encode
from shared.events import (
    SEALED_PREFIX,
    AnyData,
    ComplaintAccepted,
    Event,
    MergeApproved,
    instant_text,
)
from shared.governance import Governance
from shared.log import Producer, Unavailable, check, partition_of
from shared.sealing import KEY_BYTES, Sealer

_WAIT_SECONDS: Final = 2.0
_ACK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.02
"""Until a subject that another process holds is asked for again."""
_MOST: Final = 200
"""Facts in a sitting."""
_OTHERS: Final = "others are recording on this stream"
_BY_INTAKE: Final = frozenset(("PiiAccessed", "PiiErased", "AccessDenied"))


class Busy(Exception):
    """The view or the log is behind; nothing was appended. Answer 503 with Retry-After."""


class Refusing(Exception):
    """The act is refused; carries the decider's reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


@dataclass(frozen=True)
class Report:
    """A fact as posted. `client`: name of the key; `key`: the Idempotency-Key."""

    subject: str
    type: str
    data: dict[str, Any]
    occurred_at: datetime
    by: By
    client: str
    key: str

    @property
    def event_id(self) -> str:
        return derived_id(self.client, self.subject, self.key)

    def body(self) -> str:
        """What must be the same when the key is the same."""
        body = {
            "type": self.type,
            "data": self.data,
            "occurred_at": instant_text(self.occurred_at),
            "by": [self.by.unit, self.by.role, self.by.person],
        }
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(eq=False)
class _Matter:
    """One fact before a sitting. `until`: when it is given up (monotonic seconds of the loop);
    `dry_run`, `group`: see `Desk.record`.
    """

    report: Report
    fact: AnyData | Supplement
    until: float
    done: asyncio.Future[str]
    dry_run: bool
    group: str | None

    @property
    def subject(self) -> str:
        return self.report.subject

    @property
    def subjects(self) -> tuple[str, ...]:
        """Its stream, and the case that it is merged into: neither may move meanwhile."""
        if isinstance(self.fact, MergeApproved) and self.fact.master != self.subject:
            return self.subject, self.fact.master
        return (self.subject,)

    def answer(self, event_id: str) -> None:
        if not self.done.done():
            self.done.set_result(event_id)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Desk:
    """Records facts."""

    def __init__(
        self,
        tables: Tables,
        pool: Any,
        vault: Vault,
        producer: Producer,
        governance: Governance,
        view: View,
    ) -> None:
        self.tables = tables
        self.pool = pool
        self.vault = vault
        self.producer = producer
        self.governance = governance
        self.view = view
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: list[_Matter] = []
        self._opening: asyncio.Task[None] | None = None
        self._sittings: set[asyncio.Task[None]] = set()

    async def record(
        self, report: Report, *, dry_run: bool = False, group: str | None = None
    ) -> str:
        """The id of the recorded event.

        `dry_run`: judged all the same, and nothing is recorded. `group`: refused for a case that
        is no member of it.

        Raises Refused (422 by shape), Refusing (403, 404, 409, 422), Busy (503, nothing
        appended), Unknown (503, may have been appended), or what the database raises.
        """
        if "\x00" in report.subject:
            # No table can be asked for it, and others sit together with this one.
            raise Refusing(Refusal(404, "UNKNOWN_CASE", "no such case"))
        if report.type in _BY_INTAKE:
            detail = "recorded by intake itself when data are revealed or erased"
            raise Refused([Problem("/type", "not_posted", detail)])
        if report.type == "ComplaintReceived":
            detail = "complaints are posted to /v1/complaints"
            raise Refused([Problem("/type", "not_posted", detail)])
        fact = read_fact(report.type, report.data)
        loop = asyncio.get_running_loop()
        until = loop.time() + _WAIT_SECONDS
        matter = _Matter(report, fact, until, loop.create_future(), dry_run, group)
        turns = await self._turns_of(matter)
        # Also where the client leaves: what was begun is ended before the subject's next begins.
        matter.done.add_done_callback(lambda _: _release(turns))
        self._call([matter])
        return await asyncio.shield(matter.done)

    async def _turns_of(self, matter: _Matter) -> list[asyncio.Lock]:
        """The matter's turn on its streams, always taken in one order. Raises Busy."""
        taken: list[asyncio.Lock] = []
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                for subject in sorted(matter.subjects):
                    turn = self._turns.setdefault(subject, asyncio.Lock())
                    await turn.acquire()
                    taken.append(turn)
        except BaseException as error:
            _release(taken)
            if isinstance(error, TimeoutError):
                raise Busy(_OTHERS) from None
            raise
        return taken

    # --- sittings -------------------------------------------------------------------------------

    def _call(self, matters: Iterable[_Matter]) -> None:
        self._waiting += matters
        if self._waiting and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open(), name="intake-desk")

    async def _open(self) -> None:
        """Begin sittings one after the other; the next once this one has judged."""
        while self._waiting:
            matters, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            judged = asyncio.Event()
            sitting = asyncio.create_task(self._sit(matters, judged), name="intake-sitting")
            self._sittings.add(sitting)
            sitting.add_done_callback(self._sittings.discard)
            await judged.wait()

    async def _sit(self, matters: Sequence[_Matter], judged: asyncio.Event) -> None:
        """Everything from the locks to the answers; every matter is answered, failed or called
        again."""
        ours = matters
        try:
            async with self.pool.acquire(timeout=_WAIT_SECONDS) as connection:
                # Freed when the connection goes back to the pool, or is lost.
                ours = await self._lock(connection, matters)
                folders = await self._folders(connection, ours)
                events = await self._judge(connection, folders)
                judged.set()
                await self._publish(events)
        except (asyncpg.LockNotAvailableError, TimeoutError):
            _fail(ours, Busy(_OTHERS))
        except Unavailable as error:
            _fail(ours, Busy(str(error)))
        except Exception as error:
            _fail(ours, error)
        finally:
            judged.set()

    async def _lock(self, connection: Connection, matters: Sequence[_Matter]) -> list[_Matter]:
        """Those whose subject no other process holds; the others are called again in a moment."""
        numbers = {
            matter: {lock_number(f"{self.tables.schema} {name}") for name in matter.subjects}
            for matter in matters
        }
        rows = await connection.fetch(
            "SELECT n FROM unnest($1::bigint[]) AS n WHERE pg_try_advisory_lock(n)",
            sorted(set().union(*numbers.values())),
        )
        got = {row["n"] for row in rows}
        held = [matter for matter in matters if not numbers[matter] <= got]
        loop = asyncio.get_running_loop()
        for matter in held:
            if loop.time() >= matter.until:
                matter.fail(Busy(_OTHERS))
            else:
                loop.call_later(_AGAIN_SECONDS, self._call, [matter])
        return [matter for matter in matters if numbers[matter] <= got]

    async def _folders(
        self, connection: Connection, matters: Sequence[_Matter]
    ) -> dict[_Matter, tuple[Folder, ...]]:
        """Where their streams stand on the log now, of those that the view has reached in time.

        Raises Unavailable.
        """
        partitions = {matter: set(map(partition_of, matter.subjects)) for matter in matters}
        if not matters:
            return {}
        async with asyncio.timeout(_WAIT_SECONDS):
            ends, governance_end = await self.view.ends(set().union(*partitions.values()))
            await self.governance.reach(governance_end)
        late: dict[int, Behind] = {}

        async def reach(partition: int) -> None:
            try:
                await self.view.reach(partition, ends[partition], _WAIT_SECONDS)
            except Behind as error:
                late[partition] = error

        await asyncio.gather(*map(reach, ends))
        for matter, numbers in partitions.items():
            for number in numbers & late.keys():
                matter.fail(Busy(str(late[number])))
        there = [matter for matter in matters if not partitions[matter] & late.keys()]
        names = sorted({name for matter in there for name in matter.subjects})
        found = await self.view.folders(connection, names)
        return {matter: tuple(found[name] for name in matter.subjects) for matter in there}

    async def _judge(
        self, connection: Connection, folders: dict[_Matter, tuple[Folder, ...]]
    ) -> list[tuple[_Matter, Event]]:
        """The events that are to be published; whatever else is answered here."""
        fresh: list[tuple[_Matter, str]] = []
        for matter, (folder, *_) in folders.items():
            report = matter.report
            body_hash = self.vault.matcher.hash("body", report.body())
            known = folder.seen.get(report.event_id)
            try:
                if known is not None:
                    matter.answer(_answered(report.event_id, known, body_hash))
                    continue
                # Before the vault is asked: what is not there is given no key.
                refusal = unknown(report.type, folder.file, self.governance.books.latest)
                if refusal is not None:
                    raise Refusing(refusal)
                if matter.group is not None and folder.file.group != matter.group:
                    reason = "this case is no member of the group"
                    raise Refusing(Refusal(409, "NOT_A_MEMBER", reason))
            except Refusing as error:
                matter.fail(error)
                continue
            fresh.append((matter, body_hash))
        sealers = await self.vault.sealers(connection, [m.subject for m, _ in fresh])
        possible: list[tuple[_Matter, str, AnyData]] = []
        now = self.governance.clock.now()
        for matter, body_hash in fresh:
            try:
                data = self._decide(matter, sealers.get(matter.subject), folders[matter], now)
            except (Refused, Refusing) as error:
                matter.fail(error)
                continue
            if matter.dry_run:
                self._try(matter, data, body_hash)
            else:
                possible.append((matter, body_hash, data))
        numbered = await self._numbered(connection, [data for _, _, data in possible], now)
        events: list[tuple[_Matter, Event]] = []
        for (matter, body_hash, _), data in zip(possible, numbered, strict=True):
            try:
                events.append((matter, self._event(matter.report, data, body_hash)))
            except (Refused, ValueError) as error:
                matter.fail(error)
        return events

    def _try(self, matter: _Matter, data: AnyData, body_hash: str) -> None:
        """Answer as if it were recorded; a number is not taken."""
        try:
            matter.answer(self._event(matter.report, data, body_hash).id)
        except (Refused, ValueError) as error:
            matter.fail(error)

    def _decide(
        self, matter: _Matter, sealer: Sealer | None, folders: tuple[Folder, ...], now: datetime
    ) -> AnyData:
        """What is to be recorded. Raises Refused, Refusing."""
        report, policy, folder = matter.report, self.governance.books.latest, folders[0]
        # Of what was erased nothing can be sealed any more, but the case goes on: it may have come
        # back (T15), and its sources are owed their replies (I-02).
        with_key = sealer or Sealer(report.subject, os.urandom(KEY_BYTES), self.vault.matcher)
        sealed = seal_fact(matter.fact, with_key, policy, report.event_id)
        if sealer is None and SEALED_PREFIX in sealed.model_dump_json():
            reason = "what this case says of persons was erased; only an act without text is taken"
            raise Refusing(Refusal(409, "ERASED", reason))
        act = Act(report.type, sealed, report.occurred_at, report.by)
        verdict = decide(act, folder.file, now, policy, folders[-1].file)
        if isinstance(verdict, Refusal):
            raise Refusing(verdict)
        return verdict

    def _event(self, report: Report, data: AnyData, body_hash: str) -> Event:
        """The event to be published. Raises Refused, ForeignWriter, Unsealed."""
        person = self.vault.matcher.person(report.by.person)
        event = Event(
            id=report.event_id,
            subject=report.subject,
            time=report.occurred_at,
            recordedtime=self.governance.clock.now(),
            data=data,
            actor=f"{report.by.unit}/{report.by.role}/{person}",
            attributes={"bodyhash": body_hash},
        )
        check(event, "intake")
        if len(encode(event)) > MAX_EVENT:
            raise Refused([Problem("/data", "too_long", f"an event has at most {MAX_EVENT} bytes")])
        return event

    async def _publish(self, events: Sequence[tuple[_Matter, Event]]) -> None:
        """Append, wait for the acknowledgements, then for the view; answer each."""
        sent = {
            matter: asyncio.ensure_future(self.producer.publish([event]))
            for matter, event in events
        }
        if not sent:
            return
        await asyncio.wait(sent.values(), timeout=_ACK_SECONDS)
        ends: dict[int, int] = {}
        recorded: list[tuple[_Matter, Event]] = []
        for matter, event in events:
            publishing = sent[matter]
            if not publishing.done() or publishing.exception() is not None:
                publishing.add_done_callback(_swallow)
                matter.fail(Unknown("the log did not acknowledge; send again with the same key"))
                continue
            place = publishing.result()[0]
            ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
            recorded.append((matter, event))
        with suppress(Behind):
            async with asyncio.timeout(_WAIT_SECONDS):
                for partition, end in ends.items():
                    await self.view.reach(partition, end, _WAIT_SECONDS)
        for matter, event in recorded:
            matter.answer(event.id)

    # --- for what intake records itself ---------------------------------------------------------

    async def folder(self, connection: Connection, subject: str) -> Folder:
        """The stream as it stands on the log now. Raises Behind, Unavailable."""
        async with asyncio.timeout(_WAIT_SECONDS):
            partition = partition_of(subject)
            end, governance_end = await self.view.end(partition)
            await self.governance.reach(governance_end)
        await self.view.reach(partition, end, _WAIT_SECONDS)
        return await self.view.read(connection, subject)

    async def around(self, connection: Connection, subject: str) -> dict[str, CaseFile]:
        """A case's file first, and those of the cases on which its end hangs, as they stand on the
        log now (`hangs_on`). Raises Behind, Unavailable.
        """
        files: dict[str, CaseFile] = {}
        asked = [subject]
        while asked:
            name = asked.pop()
            if name not in files:
                files[name] = (await self.folder(connection, name)).file
                asked += hangs_on(files[name])
        return files

    async def sources(self, subject: str) -> set[str]:
        """Whose complaints stand under a case, by source. Raises Behind, Unavailable."""
        async with self.pool.acquire() as connection:
            folder = await self.folder(connection, subject)
            rows = await connection.fetch(
                f"SELECT DISTINCT source FROM {self.tables.complaints} WHERE case_id = ANY($1)",
                [subject, *folder.file.receipts],
            )
        return {row["source"] for row in rows}

    async def _numbered(
        self, connection: Connection, given: Sequence[AnyData], now: datetime
    ) -> list[AnyData]:
        """Acceptance gives the case its human number; one that is not used leaves a gap."""
        count = sum(isinstance(data, ComplaintAccepted) for data in given)
        if not count:
            return list(given)
        year = civil(now).year
        last = await connection.fetchval(
            f"""INSERT INTO {self.tables.numbers} AS old VALUES ($1, $2)
            ON CONFLICT (year) DO UPDATE SET last = old.last + $2 RETURNING last""",
            year,
            count,
        )
        numbers = iter(range(last - count + 1, last + 1))
        return [
            data.model_copy(update={"number": f"DF-QX-{year}-{next(numbers):06}"})
            if isinstance(data, ComplaintAccepted)
            else data
            for data in given
        ]

    async def publish(self, event: Event) -> None:
        """Append, wait for the acknowledgement, then for the view. Raises Unknown."""
        publishing = asyncio.ensure_future(self.producer.publish([event]))
        done, _ = await asyncio.wait((publishing,), timeout=_ACK_SECONDS)
        if not done or publishing.exception() is not None:
            publishing.add_done_callback(_swallow)
            raise Unknown("the log did not acknowledge; send again with the same key")
        place = publishing.result()[0]
        try:
            await self.view.reach(place.partition, place.offset + 1, _WAIT_SECONDS)
        except Behind:
            return


def _fail(matters: Iterable[_Matter], error: Exception) -> None:
    for matter in matters:
        matter.fail(error)


def _release(turns: Iterable[asyncio.Lock]) -> None:
    for turn in turns:
        turn.release()


def _swallow(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


def _answered(event_id: str, known: str, body_hash: str) -> str:
    """The same key again: the same answer, unless it says something else."""
    if known != body_hash:
        reason = "this Idempotency-Key was used with another body"
        raise Refusing(Refusal(422, "KEY_REUSED", reason, ""))
    return event_id
