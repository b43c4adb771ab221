"""What reporting owes of publications: given the log and the book, what comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.reporting.issues import issues
from services.reporting.publications import (
    KINDS,
    PUBLISHED,
    Publications,
    comes_out_at,
    id_of,
)
from shared.calendar import at_hour, end_of, start_of
from shared.events import (
    AnyData,
    BulletinIssued,
    CheckpointSigned,
    Event,
    PolicyAdopted,
    RankingPublished,
)
from shared.policy import Policy, adopt, content_hash
from shared.streams import GOVERNANCE

BEFORE = datetime(2021, 11, 1, tzinfo=UTC)
END = end_of(date(2022, 4, 30))


def told(data: AnyData, at: datetime) -> Event:
    name = id_of(data) if isinstance(data, PUBLISHED) else f"{type(data).__name__} {at}"
    return Event(id=name, subject=GOVERNANCE, time=at, recordedtime=at, data=data)


def began(book: Policy, at: datetime = BEFORE) -> Publications:
    """The log began with the book's adoption."""
    found = Publications()
    found.hear(told(PolicyAdopted(book=book.id, hash=book.hash, content=book.raw), at))
    return found


def issued(no: int, at: datetime) -> Event:
    return told(BulletinIssued(issue_no=no, as_of=at, hash="sha256:", positions={}), at)


def come_out(publications: Publications, no: int, at: datetime) -> None:
    """An issue as reporting publishes it, the bulletin last."""
    for kind in KINDS:
        data = RankingPublished(kind=kind, issue_no=no, as_of=at, hash="sha256:", positions={})
        publications.hear(told(data, at))
    publications.hear(issued(no, at))


def signed(at: datetime) -> Event:
    marks = {"case-events/0": "AAAAAA=="}
    data = CheckpointSigned(
        positions={"case-events/0": 1}, roots={}, marks=marks, signature="s", key_id="k"
    )
    return told(data, at)


@pytest.mark.parametrize(
    ("cut_off", "comes_out"),
    [
        (date(2021, 11, 16), date(2021, 11, 17)),  # A Tuesday: the next morning.
        (date(2021, 12, 31), date(2022, 1, 4)),  # Scenario 21: New Year's holiday lies between.
        (date(2022, 2, 6), date(2022, 2, 7)),  # The last day of the Spring Festival.
    ],
)
def test_an_issue_comes_out_on_the_first_working_morning(
    book: Policy, cut_off: date, comes_out: date
) -> None:
    [issue] = [item for item in issues(book, END) if item.at == end_of(cut_off)]
    assert comes_out_at(issue, book) == at_hour(comes_out, 9)


def test_a_bulletin_under_another_id_keeps_no_issue_from_coming_out(book: Policy) -> None:
    """Whoever wrote it: the issue has one id, under which its own bulletin still comes out."""
    found = began(book)
    first = found.next_issue(book)
    assert first is not None
    event = issued(first.issue.no, first.issue.at)
    event.id = "another"
    found.hear(event)
    assert found.next_issue(book) == first
    assert found.bulletins == {}


def test_a_bulletin_that_somebody_wrote_ahead_of_its_issue_passes_none_over(book: Policy) -> None:
    """It has the issue's id, and whatever cut-off; the issue's rankings come out all the same."""
    publications = began(book)
    first, second, third, *_ = issues(book, END)
    come_out(publications, first.no, first.at)
    publications.hear(issued(second.no, END))
    publications.hear(issued(99, END))
    due = publications.next_issue(book)
    assert due is not None
    assert due.issue == second
    come_out(publications, second.no, second.at)
    due = publications.next_issue(book)
    assert due is not None
    assert (due.issue, due.before) == (third, second)


def test_one_after_the_other_is_owed(book: Policy) -> None:
    publications = began(book)
    for issue in issues(book, END):
        due = publications.next_issue(book)
        assert due is not None
        assert due.issue == issue
        assert (due.before.no if due.before else 0) == issue.no - 1
        come_out(publications, issue.no, issue.at)
    assert publications.next_issue(book) is None


def test_nothing_is_owed_of_before_the_log_began(book: Policy) -> None:
    publications = began(book, start_of(date(2021, 12, 1)))
    due = publications.next_issue(book)
    assert due is not None
    assert due.issue.at == end_of(date(2021, 12, 7))
    assert due.before is None, "an issue that nobody published is corrected by none"
    come_out(publications, due.issue.no, due.issue.at)
    following = publications.next_issue(book)
    assert following is not None
    assert following.before == due.issue
    assert began(book, END).next_issue(book) is None
    assert Publications().next_issue(book) is None


def test_a_book_without_an_hour_publishes_nothing(book: Policy) -> None:
    campaign = book.raw["campaign"]
    kept = {name: campaign[name] for name in campaign if name != "publish_hour"}
    raw = book.raw | {"campaign": kept}
    silent = adopt(raw, BEFORE, "adoption")
    assert silent.hash == content_hash(raw)
    assert began(silent).next_issue(silent) is None


def test_beyond_the_calendar_nothing_is_due_until_a_longer_one_is_adopted(book: Policy) -> None:
    entry = book.content.calendar.model_copy(update={"last": date(2015, 12, 31)})
    content = book.content.model_copy(update={"calendar": entry})
    assert began(book).next_issue(replace(book, content=content)) is None


def test_an_issue_owes_a_checkpoint_until_one_is_signed(book: Policy) -> None:
    publications = began(book)
    owes = []
    for event in (issued(1, END), signed(END), issued(2, END)):
        publications.hear(event)
        owes.append(publications.owes_checkpoint)
    assert owes == [True, False, True]
    assert not began(book).owes_checkpoint


def test_a_checkpoint_of_another_key_is_as_if_not_there(book: Policy) -> None:
    publications = began(book)
    publications.is_ours = lambda data: data.key_id == "ours"
    publications.hear(issued(1, END))
    publications.hear(signed(END))
    assert publications.checkpoints == []
    assert publications.owes_checkpoint


def test_of_a_checkpoint_the_marks_are_not_kept(book: Policy) -> None:
    publications = began(book)
    publications.hear(signed(END))
    assert [getattr(event.data, "marks", "none") for event in publications.checkpoints] == [None]


def test_each_civil_day_ends_with_a_checkpoint(book: Policy) -> None:
    """From the log's beginning, then from the last one; 24:00 is of the day that ends."""
    publications = began(book, start_of(date(2021, 12, 1)))
    evening = end_of(date(2021, 12, 1)) - timedelta(microseconds=1)
    assert not Publications().day_is_over(evening)
    assert not publications.day_is_over(evening)
    assert publications.day_is_over(end_of(date(2021, 12, 1)))
    publications.hear(signed(end_of(date(2021, 12, 1))))
    assert not publications.day_is_over(end_of(date(2021, 12, 2)) - timedelta(seconds=1))
    assert publications.day_is_over(end_of(date(2021, 12, 2)))
