"""What belongs to an issue: in which order, with which hashes, and the same whoever makes it."""

from __future__ import annotations

import hashlib
from datetime import date

from services.reporting import ledgers
from services.reporting.bulletins import bulletin
from services.reporting.clearance import clearance
from services.reporting.issues import issues
from services.reporting.publications import PUBLISHED, Due, comes_out_at
from services.reporting.publishing import belonging
from shared.calendar import end_of
from shared.events import (
    BulletinIssued,
    CorrectionIssued,
    LedgerSnapshotTaken,
    PhaseTargetEvaluated,
    RankingPublished,
)
from shared.policy import Policy
from tests.reporting import histories
from tests.reporting.conftest import Read

END = end_of(date(2022, 4, 30))


def due(book: Policy, last_day: date) -> Due:
    found = issues(book, END)
    [issue] = [item for item in found if item.at == end_of(last_day)]
    out = comes_out_at(issue, book)
    assert out is not None
    return Due(issue, found[issue.no - 2] if issue.no > 1 else None, out)


async def made(read: Read, item: Due) -> list[PUBLISHED]:
    async with read.reading.at(item.issue.at) as (snapshot, cut):
        return await belonging(snapshot, cut, item)


async def test_an_issue_in_its_order_with_the_hashes_of_what_it_publishes(
    read: Read, book: Policy
) -> None:
    await read.take([histories.records(histories.tell(53, 60, book))])
    item = due(book, date(2021, 12, 31))
    found = await made(read, item)
    async with read.reading.at(item.issue.at) as (snapshot, cut):
        content = await bulletin(snapshot, item.issue, item.before)
        judged = {verdict.predicate: verdict for verdict in await clearance(snapshot, cut)}
        books = {
            name: hashlib.sha256(await ledgers.workbook(snapshot, cut, name)).hexdigest()
            for name in ledgers.TITLES
        }

    kinds = list(dict.fromkeys(type(data) for data in found))
    assert kinds == [
        PhaseTargetEvaluated,
        LedgerSnapshotTaken,
        RankingPublished,
        CorrectionIssued,
        BulletinIssued,
    ]
    targets = {data.predicate: data for data in found if isinstance(data, PhaseTargetEvaluated)}
    assert {name.partition("-")[0] for name in targets} == {"P1"}, "the others are not due yet"
    for name, target in targets.items():
        assert (target.result, target.hash) == (judged[name].result, judged[name].hash)
    taken = {data.ledger: data.hash for data in found if isinstance(data, LedgerSnapshotTaken)}
    assert taken == {name: f"sha256:{digest}" for name, digest in books.items()}
    rankings = {data.kind: data.items for data in found if isinstance(data, RankingPublished)}
    assert list(rankings["townships"]) == content["ranking_township"]
    assert list(rankings["task_forces"]) == content["ranking_task_force"]
    assert isinstance(found[-1], BulletinIssued)
    assert found[-1].hash == content["hash"]
    positions = [int(part) for part in content["meta"]["position"].split(".")]
    assert found[-1].positions == {
        f"case-events/{number}": following for number, following in enumerate(positions)
    }


async def test_an_issue_is_the_same_when_more_is_known(read: Read, book: Policy) -> None:
    """Made at its hour, or months later by whoever checks it."""
    events = histories.tell(53, 60, book)
    item = due(book, date(2021, 12, 7))
    records = histories.records(events)
    early = [
        record
        for record, event in zip(records, events, strict=True)
        if event.recordedtime <= item.at
    ]
    await read.take([early])
    then = await made(read, item)
    await read.take([records])
    assert await made(read, item) == then


async def test_what_was_corrected_names_the_issue_and_both_scores(read: Read, book: Policy) -> None:
    await read.take([histories.records(histories.tell(53, 60, book))])
    item = due(book, date(2021, 12, 31))
    assert item.before is not None
    [found] = [data for data in await made(read, item) if isinstance(data, CorrectionIssued)]
    assert (found.issue_no, found.corrects) == (item.issue.no, item.before.no)
    assert found.items
    for line in found.items:
        assert line["corrects"] == item.before.no
        assert line["published"] != line["corrected"]


async def test_the_first_issue_corrects_nothing(read: Read, book: Policy) -> None:
    await read.take([histories.records(histories.tell(53, 60, book))])
    found = await made(read, due(book, date(2021, 11, 16)))
    assert not [data for data in found if isinstance(data, CorrectionIssued)]
    assert not [data for data in found if isinstance(data, PhaseTargetEvaluated)]
