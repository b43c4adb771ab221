"""Publications made again: what they say follows from the log up to their cut-off (design 8).

Reporting's rows are folded anew from the bytes of the log, into a database that is thrown away
afterwards, and every issue is made from them as reporting makes it. No table of a service is read.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import asyncpg

from infra import loop
from infra.audit.findings import Finding, differing, name_of
from infra.audit.log import LogFile
from infra.audit.pinned import lacking
from infra.audit.records import Entry, Governance
from infra.problem import Unready
from services.reporting.issues import issues
from services.reporting.projection import Projection
from services.reporting.publications import PUBLISHED, Due, Publications, id_of
from services.reporting.publishing import belonging
from services.reporting.reading import Snapshot
from services.reporting.schema import Tables
from services.reporting.store import Store
from shared.calendar import end_of
from shared.envelope import data_json
from shared.events import (
    BulletinIssued,
    CheckpointSigned,
    CorrectionIssued,
    LedgerSnapshotTaken,
    PhaseTargetEvaluated,
    instant_text,
)
from shared.identity import Identity
from shared.log import CASE_EVENTS, PARTITIONS, Record
from shared.policy import Policy
from shared.settle import Books

_BATCH: Final = 2000
"""Records folded at once."""


@dataclass(frozen=True)
class Remade:
    """What came of it. `issues`: how many bulletins were made again; `seconds`: how long it took.

    `hindrance`: why they were not. `ledgers`: whether the spreadsheets could be compared; one and
    the same sheet has other bytes where the compressing library is another.
    """

    issues: int = 0
    seconds: float = 0.0
    hindrance: str | None = None
    ledgers: bool = True
    findings: list[Finding] = field(default_factory=list)


def remake(log: LogFile, state: Governance) -> Remade:
    """Make every issue on the log again; nothing is done where none stands there.

    Not to be called from a running event loop.
    """
    entries = [entry for entry in state.entries if _is_made(entry)]
    if not entries or not state.books:
        return Remade()
    begun = perf_counter()
    try:
        with _database() as url:
            made = loop.run(_made(url, log, state))
    except Unready as error:
        return Remade(hindrance=str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Remade(hindrance=f"{type(error).__name__} while the rows were folded")
    ledgers = made.ledgers_agree(entries)
    standing = {entry.event.id for entry in entries if isinstance(entry.event.data, BulletinIssued)}
    count = len(standing & made.owed.keys())
    findings = made.findings + list(_compared(entries, made, ledgers=ledgers))
    return Remade(count, perf_counter() - begun, ledgers=ledgers, findings=findings)


@contextmanager
def _database() -> Iterator[str]:
    """URL of an empty database that goes with its server. Raises Unready where none can be had."""
    try:
        # Not at the head: an image of the services has no local stack, and audits the rest.
        from infra.stack.guard import guarded
        from infra.stack.postgres import Postgres
    except ModuleNotFoundError as error:
        raise Unready(
            f"no PostgreSQL of its own: {error.name} is missing. Fix: make setup"
        ) from None
    with tempfile.TemporaryDirectory(prefix="qingqian-audit-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Started by root, PostgreSQL runs as another user and passes through.
        run = folder / "run"
        server = Postgres(
            folder / "postgres", run, folder / "postgres.log", password=secrets.token_hex(16)
        )
        with guarded(run):
            try:
                server.start()
                yield server.url
            finally:
                server.stop()
                server.wipe()


@dataclass
class _Made:
    """What belongs to the issues on the log, by event id; those that cannot be are findings."""

    owed: dict[str, PUBLISHED] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    """Of an issue in whose middle reporting was ended, and which is no bulletin yet."""
    findings: list[Finding] = field(default_factory=list)

    def ledgers_agree(self, entries: Sequence[Entry]) -> bool:
        """Whether this machine makes spreadsheets of the very bytes: at least one is the same."""
        taken = [
            _same(item.event.data, self.owed.get(item.event.id))
            for item in entries
            if isinstance(item.event.data, LedgerSnapshotTaken)
        ]
        return not taken or any(taken)


async def _made(url: str, log: LogFile, state: Governance) -> _Made:
    options = {"jit": "off", "synchronous_commit": "off"}
    async with asyncpg.create_pool(url, min_size=1, max_size=2, server_settings=options) as pool:
        store = Store(pool, Tables("reporting"))
        places = [number for topic, number in log.partitions() if topic == CASE_EVENTS]
        await store.prepare(Identity("", "", max(PARTITIONS, *(n + 1 for n in (0, *places)))))
        projection = Projection(store)
        await projection.resume()
        for batch in _batches(log):
            await projection.take(batch)
        await pool.execute("ANALYZE")
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await _walked(connection, store, state)


def _batches(log: LogFile) -> Iterator[list[Record]]:
    records = _records(log)
    while batch := list(islice(records, _BATCH)):
        yield batch


def _records(log: LogFile) -> Iterator[Record]:
    """What a reader of the topic would get; what is no event has findings of its own."""
    for partition in log.partitions():
        if partition[0] != CASE_EVENTS:
            continue
        lines = log.read(partition)
        if not log.in_order(partition):
            lines = iter(sorted(lines, key=lambda line: line.offset))
        for line in lines:
            if line.doc is not None:
                yield Record(*partition, line.offset, 0, None, line.stored)


async def _walked(connection: Any, store: Store, state: Governance) -> _Made:
    """Each issue as it was owed when it came out: by the books and issues that were there then."""
    published, made = Publications(), _Made()
    books: list[Policy] = []
    by_adoption = {book.adoption_id: book for book in state.books}
    folded = await store.positions()
    now = max(state.time.horizon or state.books[0].adopted_at, state.books[0].adopted_at)
    snapshot = Snapshot(connection, store.tables, Books(state.books), folded, now, published)

    async def make(due: Due) -> dict[str, PUBLISHED]:
        """What belongs to the issue and to none before it."""
        owed = await belonging(snapshot, await snapshot.cut(due.issue.at), due)
        return {id_of(data): data for data in owed if id_of(data) not in made.owed}

    for entry in state.entries:
        data = entry.event.data
        if isinstance(data, BulletinIssued) and entry.event.id == id_of(data):
            due = _due(published, books, data.issue_no)
            if due is None:
                sentence = f"There is no issue {data.issue_no} that could have come out."
                made.findings.append(entry.finding("wrong", None, data.issue_no, sentence))
            else:
                made.owed |= await make(due)
        published.hear(entry.event)
        if entry.event.id in by_adoption:
            books.append(by_adoption[entry.event.id])
    if books and (due := published.next_issue(books[-1])) is not None and due.at <= now:
        begun = await make(due)
        made.owed |= begun
        made.unfinished |= begun.keys()
    return made


def _due(published: Publications, books: Sequence[Policy], number: int) -> Due | None:
    """An issue as reporting owed it before it came out; None where there was none to come out."""
    if not books:
        return None
    end = end_of(books[-1].content.campaign.phases[-1].last)
    all_ = issues(books[-1], end, published.cut_offs)
    for issue in all_:
        if issue.no == number and published.came_out(issue):
            return Due(issue, published.before(issue, all_), issue.at)
    return None


def _compared(entries: Sequence[Entry], made: _Made, *, ledgers: bool) -> Iterator[Finding]:
    """What stands on the log against what was made, by id."""
    refused = {finding.event_id for finding in made.findings}
    standing = {entry.event.id for entry in entries}
    for entry in entries:
        data, event = entry.event.data, entry.event
        assert isinstance(data, PUBLISHED), "only these are made"
        if isinstance(data, LedgerSnapshotTaken) and not ledgers:
            continue
        if event.id in refused or event.id != id_of(data):
            continue  # It has a finding already.
        owed = made.owed.get(event.id)
        if owed is None:
            sentence = f"{name_of(event)} belongs to no issue that came out."
            yield entry.finding("wrong", None, _said(data), sentence)
        elif not _same(data, owed):
            expected, found = differing(_said(owed), _said(data))
            sentence = (
                f"{name_of(event)}{_of_issue(data)} does not follow from the log up to its cut-off."
            )
            yield entry.finding("wrong", expected, found, sentence)
        if isinstance(data, BulletinIssued) and event.recordedtime < data.as_of:
            as_of, recorded = instant_text(data.as_of), instant_text(event.recordedtime)
            sentence = f"{name_of(event)}{_of_issue(data)} came out before its cut-off."
            yield entry.finding("premature", as_of, recorded, sentence)
    for event_id in made.owed.keys() - standing - made.unfinished:
        # What belongs to every issue is missed without making it again.
        owed = made.owed[event_id]
        if isinstance(owed, CorrectionIssued | PhaseTargetEvaluated):
            yield lacking(type(owed).__name__, owed.natural_key())


def _is_made(entry: Entry) -> bool:
    data = entry.event.data
    return isinstance(data, PUBLISHED) and not isinstance(data, CheckpointSigned)


def _of_issue(data: PUBLISHED) -> str:
    number = getattr(data, "issue_no", None)
    return f" (issue {number})" if number is not None else ""


def _said(data: PUBLISHED) -> dict[str, Any]:
    """What it says; which records were known then is compared where the records are."""
    return {name: value for name, value in data_json(data).items() if name != "positions"}


def _same(one: PUBLISHED, other: PUBLISHED | None) -> bool:
    return other is not None and _said(one) == _said(other)
