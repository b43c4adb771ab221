"""Facts: one at a time for each subject, judged on a view that has folded the whole log.

Lock the subject, read the log's end, wait until the view is there, judge, publish, wait for the
acknowledgement and for the view. So 404 and 409 never come from a stale view, and the client's
next call sees its last. The same Idempotency-Key gives the same event id, and an id that is
known is answered before the state is judged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from weakref import WeakValueDictionary

import asyncpg
import orjson

from services.intake.complaint import Problem, Refused
from services.intake.decider import Act, By, Refusal, decide
from services.intake.facts import read_fact, seal_fact
from services.intake.preparing import MAX_EVENT
from services.intake.reception import Unknown
from services.intake.tables import Connection, Tables, lock
from services.intake.vault import Erased, Vault
from services.intake.view import Behind, Folder, View
from shared.calendar import civil
from shared.claims import OWN
from shared.envelope import derived_id, encode
from shared.events import AnyData, ComplaintAccepted, Event, MergeApproved, instant_text
from shared.governance import Governance
from shared.log import Producer, Unavailable, partition_of
from shared.streams import kind_of, unit_code

_WAIT_SECONDS: Final = 2.0
_ACK_SECONDS: Final = 5.0
_BY_INTAKE: Final = frozenset(("PiiAccessed", "PiiErased", "AccessDenied"))


_NO_MASTERS: Final = frozenset(
    ("MERGED", "NOT_ACCEPTED", "TRANSFERRED_OUT", "CLOSED", "WRITTEN_OFF")
)
"""States in which a case takes no complaint that a person finds to be the same."""


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

    async def record(
        self, report: Report, *, dry_run: bool = False, group: str | None = None
    ) -> str:
        """The id of the recorded event.

        `dry_run`: judged all the same, and nothing is recorded. `group`: refused for a case that
        is no member of it.

        Raises Refused (422 by shape), Refusing (403, 404, 409, 422), Busy (503, nothing
        appended), Unknown (503, may have been appended).
        """
        if report.type in _BY_INTAKE:
            detail = "recorded by intake itself when data are revealed or erased"
            raise Refused([Problem("/type", "not_posted", detail)])
        if report.type == "ComplaintReceived":
            detail = "complaints are posted to /v1/complaints"
            raise Refused([Problem("/type", "not_posted", detail)])
        fact = read_fact(report.type, report.data)
        turn = self._turns.setdefault(report.subject, asyncio.Lock())
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise Busy("others are recording on this stream") from None
        try:
            return await self._record(report, fact, dry_run, group)
        finally:
            turn.release()

    async def _record(self, report: Report, fact: Any, dry_run: bool, group: str | None) -> str:
        try:
            async with self.pool.acquire(timeout=_WAIT_SECONDS) as connection:
                # Freed when the connection goes back to the pool, or is lost. Always in one order.
                for subject in sorted({report.subject, *_masters(fact)}):
                    await lock(connection, f"{self.tables.schema} {subject}")
                folder = await self.folder(connection, report.subject)
                body_hash = self.vault.matcher.hash("body", report.body())
                if report.event_id in folder.seen:
                    return _answered(report.event_id, folder.seen[report.event_id], body_hash)
                if group is not None and folder.file.group != group:
                    reason = "this case is no member of the group"
                    raise Refusing(Refusal(409, "NOT_A_MEMBER", reason))
                if isinstance(fact, MergeApproved):
                    fact = await self._into(connection, fact)
                event = await self._judge(connection, report, fact, folder, body_hash, dry_run)
                if not dry_run:
                    await self.publish(event)
        except (asyncpg.LockNotAvailableError, TimeoutError):
            raise Busy("others are recording on this stream") from None
        except (Behind, Unavailable) as error:
            raise Busy(str(error)) from None
        return event.id

    async def _into(self, connection: Connection, fact: MergeApproved) -> MergeApproved:
        """The approval, if its master is a case that goes on; lines named by who claims them.

        Raises Refusing.
        """
        master = (await self.folder(connection, fact.master)).file
        if master.state == "NONE":
            reason = "no such case to merge into"
            raise Refusing(Refusal(422, "UNKNOWN_CASE", reason, "/data/master"))
        if master.state in _NO_MASTERS:
            reason = f"a case in state {master.state} takes no other"
            raise Refusing(Refusal(409, "MASTER_ENDED", reason, "/data/master"))
        same = {}
        for line, to in (fact.same or {}).items():
            found = next((item for item in master.claims if item.by and item.number == to), None)
            if found is None:
                reason = "the master has no such claim line"
                raise Refusing(Refusal(422, "UNKNOWN_LINE", reason, f"/data/same/{line}"))
            same[line] = to if OWN in found.by else found.by[0].rsplit("|", 1)[0]
        return fact.model_copy(update={"same": same or None})

    async def folder(self, connection: Connection, subject: str) -> Folder:
        """The stream as it stands on the log now. Raises Behind, Unavailable."""
        async with asyncio.timeout(_WAIT_SECONDS):
            partition = partition_of(subject)
            end, governance_end = await self.view.end(partition)
            await self.governance.reach(governance_end)
        await self.view.reach(partition, end, _WAIT_SECONDS)
        return await self.view.read(connection, subject)

    async def _judge(
        self,
        connection: Connection,
        report: Report,
        fact: Any,
        folder: Folder,
        body_hash: str,
        dry_run: bool = False,
    ) -> Event:
        policy = self.governance.books.latest
        self._known_subject(report.subject)
        if kind_of(report.subject) == "case" and folder.file.state == "NONE":
            raise Refusing(Refusal(404, "UNKNOWN_CASE", "no such case"))
        try:
            sealer = await self.vault.sealer(connection, report.subject)
        except Erased:
            raise Refusing(
                Refusal(409, "ERASED", "what this case says of persons was erased")
            ) from None
        sealed = seal_fact(fact, sealer, policy, report.event_id)
        now = self.governance.clock.now()
        verdict = decide(
            Act(report.type, sealed, report.occurred_at, report.by), folder.file, now, policy
        )
        if isinstance(verdict, Refusal):
            raise Refusing(verdict)
        data = verdict if dry_run else await self._numbered(connection, verdict, now)
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
        if len(encode(event)) > MAX_EVENT:
            raise Refused([Problem("/data", "too_long", f"an event has at most {MAX_EVENT} bytes")])
        return event

    def _known_subject(self, subject: str) -> None:
        if kind_of(subject) != "unit":
            return
        policy, code = self.governance.books.latest, unit_code(subject)
        if code not in policy.units and code not in policy.content.organisation.departments:
            raise Refusing(Refusal(404, "UNKNOWN_UNIT", "no such unit"))

    async def _numbered(self, connection: Connection, data: AnyData, now: datetime) -> AnyData:
        """Acceptance gives the case its human number; one that is not used leaves a gap."""
        if not isinstance(data, ComplaintAccepted):
            return data
        year = civil(now).year
        number = await connection.fetchval(
            f"""INSERT INTO {self.tables.numbers} AS old VALUES ($1, 1)
            ON CONFLICT (year) DO UPDATE SET last = old.last + 1 RETURNING last""",
            year,
        )
        return data.model_copy(update={"number": f"DF-QX-{year}-{number:06}"})

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


def _masters(fact: Any) -> tuple[str, ...]:
    return (fact.master,) if isinstance(fact, MergeApproved) else ()


def _swallow(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


def _answered(event_id: str, known: str, body_hash: str) -> str:
    """The same key again: the same answer, unless it says something else."""
    if known != body_hash:
        reason = "this Idempotency-Key was used with another body"
        raise Refusing(Refusal(422, "KEY_REUSED", reason, ""))
    return event_id
