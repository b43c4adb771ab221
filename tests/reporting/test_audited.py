"""The audit makes publications again from the bytes of the log, and names what does not follow."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.audit import Audit
from infra.audit.log import LogFile
from infra.audit.records import governance
from infra.audit.remade import Remade, remake
from infra.export import line_of
from services.reporting.bulletins import content_hash
from services.reporting.publications import PUBLISHED, Publications, id_of
from services.reporting.publishing import belonging
from shared.calendar import end_of
from shared.envelope import derived_id, encode
from shared.events import (
    AnyData,
    BulletinIssued,
    ClockAdopted,
    ClockAdvanced,
    Event,
    PhaseTargetEvaluated,
    PolicyAdopted,
)
from shared.log import GOVERNANCE_EVENTS, Record
from shared.policy import Policy
from shared.streams import GOVERNANCE
from tests.reporting import histories
from tests.reporting.conftest import Read, opened

UNTIL = end_of(date(2022, 1, 5))
Docs = list[dict[str, Any]]
Tamper = Callable[[Docs], None]


def publication(data: PUBLISHED, at: Any) -> Event:
    return _event(id_of(data), data, at)


def _event(event_id: str, data: AnyData, at: Any) -> Event:
    return Event(id=event_id, subject=GOVERNANCE, time=at, recordedtime=at, data=data)


@dataclass
class Published:
    """A log with the issues of two months, as reporting has them from its tables."""

    docs: Docs
    folder: Path

    async def audited(self, tamper: Tamper) -> Remade:
        docs: Docs = orjson.loads(orjson.dumps(self.docs))
        tamper(docs)
        path = self.folder / "log.jsonl"
        path.write_bytes(b"".join(orjson.dumps(doc) + b"\n" for doc in docs))
        log = LogFile(path)
        return await asyncio.to_thread(remake, log, governance(log.survey)[0])


@pytest.fixture(scope="module")
async def published(
    pool: Any, database: str, book: Policy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Published]:
    folder = tmp_path_factory.mktemp("audited")
    async with opened(pool, database, book) as read:
        yield Published(await _published(read, book), folder)


async def _published(read: Read, book: Policy) -> Docs:
    records = histories.records(histories.tell(53, 60, book))
    await read.take([records])
    adoption = PolicyAdopted(book=book.id, hash=book.hash, content=book.raw)
    on_topic = [
        _event("adoption", adoption, book.adopted_at),
        _event("clock", ClockAdopted(clock="log"), book.adopted_at),
    ]
    heard = Publications()
    for event in on_topic:
        heard.hear(event)
    while (due := heard.next_issue(book)) is not None and due.at <= UNTIL:
        async with read.reading.at(due.issue.at) as (snapshot, cut):
            owed = await belonging(snapshot, cut, due)
        on_topic.append(_event(f"to-{due.at}", ClockAdvanced(to=due.at), due.at))
        for event in (publication(data, due.at) for data in owed):
            if event.id not in heard.ids:
                on_topic.append(event)
                heard.hear(event)
    assert len(heard.bulletins) == 8
    records += [
        Record(GOVERNANCE_EVENTS, 0, offset, 0, GOVERNANCE.encode(), encode(event))
        for offset, event in enumerate(on_topic)
    ]
    return [orjson.loads(line_of(record)) for record in records]


def said(docs: Docs, type_: str, **what: Any) -> dict[str, Any]:
    """What the one event of this type says of which this is true."""
    [data] = [
        doc["event"]["data"]
        for doc in docs
        if doc["event"]["type"] == type_ and what.items() <= doc["event"]["data"].items()
    ]
    found: dict[str, Any] = data
    return found


def raise_a_score(docs: Docs) -> None:
    """With a hash that fits what it says."""
    data = said(docs, "RankingPublished", kind="townships", issue_no=5)
    data["items"][0]["score"] = "99.99"
    data["hash"] = content_hash({"items": data["items"]})


def change_a_bulletin(docs: Docs) -> None:
    said(docs, "BulletinIssued", issue_no=5)["hash"] = "sha256:" + "0" * 64


def change_a_target(docs: Docs) -> None:
    data = said(docs, "PhaseTargetEvaluated", predicate="P1-strict")
    assert data["result"] == "FAIL"
    data["result"] = "PASS"


def change_a_ledger(docs: Docs) -> None:
    as_of = said(docs, "BulletinIssued", issue_no=5)["as_of"]
    said(docs, "LedgerSnapshotTaken", ledger="problems", as_of=as_of)["hash"] = "sha256:other"


def change_a_correction(docs: Docs) -> None:
    data = said(docs, "CorrectionIssued", issue_no=5)
    data["items"][0]["corrected"] = "0.00"
    data["hash"] = content_hash({"items": data["items"]})


def put(docs: Docs, data: PUBLISHED) -> None:
    """One more event at the end of the topic."""
    last = docs[-1]
    event = orjson.loads(encode(publication(data, UNTIL)))
    docs.append(last | {"offset": last["offset"] + 1, "event": event})


async def test_what_reporting_published_is_made_again(published: Published) -> None:
    found = await published.audited(lambda docs: None)
    assert found.findings == []
    assert (found.issues, found.hindrance, found.ledgers) == (8, None, True)


async def test_what_does_not_follow_from_the_log_is_named(published: Published) -> None:
    """Each one once, with what follows and what stands there."""

    def tamper(docs: Docs) -> None:
        for change in (
            change_a_target,
            change_a_ledger,
            raise_a_score,
            change_a_correction,
            change_a_bulletin,
        ):
            change(docs)

    found = (await published.audited(tamper)).findings
    assert {finding.finding for finding in found} == {"wrong"}
    of_issue = "(issue 5) does not follow from the log up to its cut-off."
    pointers = {finding.sentence: sorted(finding.expected) for finding in found}
    assert pointers == {
        f"RankingPublished (townships) of governance {of_issue}": [
            "/data/hash",
            "/data/items/0/score",
        ],
        f"BulletinIssued of governance {of_issue}": ["/data/hash"],
        f"CorrectionIssued of governance {of_issue}": ["/data/hash", "/data/items/0/corrected"],
        "LedgerSnapshotTaken of governance does not follow from the log up to its cut-off.": [
            "/data/hash"
        ],
        "PhaseTargetEvaluated of governance does not follow from the log up to its cut-off.": [
            "/data/result"
        ],
    }
    for finding in found:
        assert all(finding.expected[name] != finding.found[name] for name in finding.expected)


async def test_what_an_issue_owes_besides_and_lacks_is_missed(published: Published) -> None:
    def take_out(docs: Docs) -> None:
        for kind in ("CorrectionIssued", "PhaseTargetEvaluated"):
            [first, *_] = [doc for doc in docs if doc["event"]["type"] == kind]
            docs.remove(first)

    found = (await published.audited(take_out)).findings
    assert [finding.finding for finding in found] == ["omitted", "omitted"]
    kinds = {finding.sentence.partition(" ")[0] for finding in found}
    assert kinds == {"CorrectionIssued", "PhaseTargetEvaluated"}


async def test_what_belongs_to_no_issue_that_came_out_is_named(published: Published) -> None:
    """A target that is not due yet, an issue written before its cut-off, and one of no period."""

    def forge(docs: Docs) -> None:
        made_up: dict[str, Any] = {"hash": "sha256:made up"}
        to_come = UNTIL + timedelta(days=5)
        target = {"phase": "P4", "predicate": "P4", "result": "PASS", "as_of": UNTIL}
        put(docs, PhaseTargetEvaluated.model_validate(target | made_up))
        put(docs, BulletinIssued(issue_no=9, as_of=to_come, positions={}, **made_up))
        put(docs, BulletinIssued(issue_no=99, as_of=UNTIL, positions={}, **made_up))

    found = {
        finding.sentence: finding.finding for finding in (await published.audited(forge)).findings
    }
    early = "BulletinIssued of governance (issue 9)"
    assert found == {
        "PhaseTargetEvaluated of governance belongs to no issue that came out.": "wrong",
        "There is no issue 99 that could have come out.": "wrong",
        f"{early} does not follow from the log up to its cut-off.": "wrong",
        f"{early} came out before its cut-off.": "premature",
        "CorrectionIssued (9|8) is owed and does not stand on the log.": "omitted",
    }


async def test_a_payment_that_was_changed_shows_in_the_issues_after_it(
    published: Published,
) -> None:
    def pay_more(docs: Docs) -> None:
        cut_off = said(docs, "BulletinIssued", issue_no=5)["as_of"]
        paid = [
            doc["event"]
            for doc in docs
            if doc["event"]["type"] == "PaymentVerified" and doc["event"]["recordedtime"] > cut_off
        ]
        first = min(paid, key=lambda event: event["recordedtime"])
        first["data"]["lines"][0]["amount_fen"] += 1

    found = (await published.audited(pay_more)).findings
    bulletins = {finding.event_id for finding in found}
    issues = {derived_id(GOVERNANCE, "BulletinIssued", str(number)) for number in range(1, 9)}
    assert derived_id(GOVERNANCE, "BulletinIssued", "8") in bulletins
    assert not bulletins & {
        derived_id(GOVERNANCE, "BulletinIssued", str(number)) for number in range(1, 6)
    }
    assert {finding.finding for finding in found} == {"wrong"}
    assert bulletins & issues


async def test_an_issue_in_whose_middle_reporting_ended_is_no_finding(
    published: Published,
) -> None:
    def end_early(docs: Docs) -> None:
        [bulletin] = [
            doc
            for doc in docs
            if doc["event"]["type"] == "BulletinIssued" and doc["event"]["data"]["issue_no"] == 8
        ]
        docs.remove(bulletin)

    found = await published.audited(end_early)
    assert found.findings == []
    assert found.issues == 7


async def test_spreadsheets_of_another_compression_are_not_compared(published: Published) -> None:
    """The same sheet has other bytes where the library that compresses is another."""

    def compress_otherwise(docs: Docs) -> None:
        for doc in docs:
            if doc["event"]["type"] == "LedgerSnapshotTaken":
                doc["event"]["data"]["hash"] = "sha256:of other bytes"

    found = await published.audited(compress_otherwise)
    assert (found.findings, found.ledgers) == ([], False)


async def test_without_a_database_of_its_own_it_says_so(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image of the services, which carries no local stack."""
    monkeypatch.setitem(sys.modules, "infra.stack.postgres", None)
    found = await published.audited(lambda docs: None)
    assert (found.issues, found.findings) == (0, [])
    assert found.hindrance is not None
    assert "infra.stack.postgres is missing" in found.hindrance
    audit = Audit(0, 0, 0.0, [], {}, remade=found)
    assert f"publications not made again: {found.hindrance}" in audit.report()
