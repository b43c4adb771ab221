"""通报: its issues, that what was published stays, that a correction says what changed."""

from __future__ import annotations

import dataclasses
import io
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import docx
import pytest

from services.reporting import pdf, printing, projection
from services.reporting.bulletins import bulletin, content_hash
from services.reporting.issues import Issue, issues
from shared import events as ev
from shared.calendar import start_of
from shared.events import Event
from shared.log import Record
from shared.policy import Policy, adopt
from tests.reporting import histories
from tests.reporting.conftest import Read
from tests.reporting.desk import assigned, at, fact, received

END = datetime(2022, 5, 2, tzinfo=UTC)


def test_issues_follow_the_phases(book: Policy) -> None:
    """Weekly in the first two phases, fortnightly in the third, once in the fourth."""
    found = issues(book, END)
    ends = [item.date for item in found]
    assert ends[0] == "2021年11月16日24时"
    assert "2021年12月31日24时" in ends
    assert ends[-1] == "2022年4月30日24时"
    counts = {phase: sum(item.phase == phase for item in found) for phase in ("P1", "P2", "P3")}
    assert counts == {"P1": 8, "P2": 6, "P3": 4}
    assert [item.no for item in found] == list(range(1, len(found) + 1))
    day = start_of(datetime(2021, 11, 17, tzinfo=UTC).date())
    assert issues(book, day - timedelta(seconds=1)) == []
    assert len(issues(book, day)) == 1


def with_periods(book: Policy, **days: int) -> Policy:
    """A later book whose phases have other ranking periods."""
    phases = [
        phase | {"ranking_every_days": days.get(phase["id"], phase["ranking_every_days"])}
        for phase in book.raw["campaign"]["phases"]
    ]
    raw = book.raw | {"campaign": book.raw["campaign"] | {"phases": phases}}
    return adopt(raw, book.adopted_at, "later")


def test_issues_that_are_out_keep_their_number_and_cut_off(book: Policy) -> None:
    """Whatever a later book says of the periods; the others go on from the last one."""
    weekly = issues(book, END)
    out = {issue.no: issue.at for issue in weekly[:3]}
    later = issues(with_periods(book, P1=10), END, out)
    assert later[:3] == weekly[:3]
    assert [issue.no for issue in later] == list(range(1, len(later) + 1))
    assert [issue.date for issue in later[3:6]] == [
        "2021年12月9日24时",
        "2021年12月19日24时",
        "2021年12月29日24时",
    ]
    assert issues(book, END, out) == weekly


def test_issues_of_before_the_first_that_came_out_are_counted(book: Policy) -> None:
    """The log began in the middle of the campaign: what nobody published has its number too."""
    weekly = issues(book, END)
    out = {4: weekly[3].at}
    assert issues(book, END, out) == weekly
    assert issues(with_periods(book, P1=3), END, out)[:4] == [
        *issues(with_periods(book, P1=3), END)[:3],
        weekly[3],
    ]


async def issue_of(read: Read, book: Policy, no: int) -> dict[str, Any]:
    found = issues(book, END)
    async with read.reading.at(END) as (snapshot, _):
        return await bulletin(snapshot, found[no - 1], found[no - 2] if no > 1 else None)


async def test_an_issue_stays_and_the_next_one_corrects(read: Read, book: Policy) -> None:
    """A slip of before the cut-off, entered after it (scenario 21)."""
    events = histories.tell(51, 60, book)
    await read.take([histories.records(events)])
    first = next(item for item in issues(book, END) if item.date == "2021年12月31日24时")
    published = await issue_of(read, book, first.no)
    scored = [x["unit"] for x in published["ranking_task_force"] if float(x["score"] or 0) > 0]
    case, unit = await open_case(read, first, scored)
    slip = ev.PaymentVerified(payment="late", lines=(ev.PaidLine(line="1", amount_fen=1),))
    facts = ev.FactsVerified(lines=(ev.VerifiedLine(line="1", amount_fen=10**9, months=1),))
    paid = first.at - timedelta(days=2)
    await append(
        read, [entered(case, facts, "f", first, paid), entered(case, slip, "s", first, paid)]
    )
    assert await issue_of(read, book, first.no) == published
    following = await issue_of(read, book, first.no + 1)
    assert unit in [item["unit"] for item in following["corrections"]]
    assert all(item["corrects"] == first.no for item in following["corrections"])


@pytest.mark.parametrize(
    ("number", "corrected"),
    [
        ("2", []),  # paid in the second week, and known at once: the first was right
        ("1", []),
        (None, ["TF1", "410185109"]),  # paid in the first week, known in the second
    ],
)
async def test_what_is_paid_and_known_after_a_cut_off_corrects_nothing(
    read: Read, book: Policy, number: str | None, corrected: list[str]
) -> None:
    """Line 1 has got more than its sum; that is no part of line 2 when line 2 is paid."""
    owed = tuple(
        ev.VerifiedLine(line=name, amount_fen=fen, months=2)
        for name, fen in (("1", 300_000), ("2", 200_000))
    )
    paid = ev.PaymentVerified(payment="P1", lines=(ev.PaidLine(line="1", amount_fen=500_000),))
    rest = ev.PaidLine(line=number or "2", amount_fen=200_000)
    second = ev.PaymentVerified(payment="P2", lines=(rest,))
    known = at(9 * 24)
    time = known if number else at(5 * 24)
    events = [
        received("a"),
        *assigned("a"),
        fact("a", ev.FactsVerified(lines=owed), 2),
        fact("a", paid, 3),
        Event(id="rest", subject="a", time=time, recordedtime=known, data=second),
    ]
    await read.take([histories.records(events)])

    first = await issue_of(read, book, 1)
    (unit,) = [item for item in first["ranking_task_force"] if item["unit"] == "TF1"]
    assert unit["rates"]["recovered"] == [300_000, 500_000]
    corrections = (await issue_of(read, book, 2))["corrections"]
    assert [item["unit"] for item in corrections] == corrected


async def changed(read: Read, book: Policy, seed: int) -> list[int]:
    """Issues that read otherwise at the end of a campaign than when their cut-off had just passed.

    The log is folded from cut-off to cut-off; what is entered late comes with a later part.
    """
    events = histories.tell(seed, 60, book)
    records = histories.records(events)
    published: dict[int, dict[str, Any]] = {}
    taken = 0
    for issue in issues(book, END):
        until = taken
        while until < len(events) and events[until].recordedtime <= issue.at:
            until += 1
        await read.take([records[taken:until]])
        taken = until
        published[issue.no] = await issue_of(read, book, issue.no)
    await read.take([records[taken:]])
    return [no for no, then in published.items() if await issue_of(read, book, no) != then]


@pytest.mark.parametrize("seed", [61, 62, 63])
async def test_what_was_published_never_changes(read: Read, book: Policy, seed: int) -> None:
    """I-13, of every issue of a campaign and whatever came to be known after it."""
    assert await changed(read, book, seed) == []


async def test_a_row_that_holds_from_when_it_happened_changes_what_was_published(
    read: Read, book: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail: rows must hold from when something was recorded."""
    right = projection._read

    def from_when_it_happened(record: Record, instant: datetime | None) -> projection.Decoded:
        found = right(record, instant)
        return dataclasses.replace(found, instant=found.event.time)

    monkeypatch.setattr(projection, "_read", from_when_it_happened)

    assert await changed(read, book, 61) != []


async def open_case(read: Read, issue: Issue, units: list[str]) -> tuple[str, str]:
    """A case that was open at the cut-off, of one of these task forces, and which it is."""
    row = await read.pool.fetchrow(
        f"SELECT case_id, task_force FROM {read.tables.versions} WHERE recorded_from <= $1 "
        "AND recorded_to > $1 AND state = 'HANDLING' AND task_force IS NOT NULL "
        "AND left_base IS NULL AND accepted_at > '2021-11-10' AND task_force = ANY($2) "
        "ORDER BY case_id LIMIT 1",
        issue.at,
        units,
    )
    return row["case_id"], row["task_force"]


def entered(case: str, data: ev.AnyData, name: str, issue: Issue, time: datetime) -> Event:
    """A fact of `time` that is recorded an hour after the issue's cut-off."""
    recorded = issue.at + timedelta(hours=1)
    return Event(id=name, subject=case, time=time, recordedtime=recorded, data=data)


async def append(read: Read, events: list[Event]) -> None:
    """Make the tables again with the events where they would have stood on the log."""
    told = sorted([*histories.tell(51, 60), *events], key=lambda event: event.recordedtime)
    await read.pool.execute(f'DROP SCHEMA "{read.tables.schema}" CASCADE')
    await read.prepare()
    await read.take([histories.records(told)])


@pytest.fixture
async def content(read: Read, book: Policy) -> dict[str, Any]:
    await read.take([histories.records(histories.tell(52, 60, book))])
    return await issue_of(read, book, 9)


async def test_the_hash_is_of_the_content(content: dict[str, Any]) -> None:
    inner = {name: value for name, value in content.items() if name not in ("hash", "meta")}
    assert content["hash"] == content_hash(inner)
    assert content["hash"] != content_hash(inner | {"no": 10})


async def test_the_word_file_tells_everything(content: dict[str, Any]) -> None:
    document = docx.Document(io.BytesIO(printing.as_docx(content)))
    text = "\n".join(item.text for item in document.paragraphs)
    assert "（第9期）" in text
    for heading in (
        "一、总体情况",
        "二、排名情况",
        "三、存在问题",
        "四、阶段目标完成情况",
        "五、下步要求",
    ):
        assert heading in text
    task_forces, townships, targets, cases = document.tables
    assert (len(task_forces.rows), len(townships.rows), len(targets.rows)) == (8, 16, 11)
    assert len(cases.rows) == len(content["open_cases"]) + 1


async def test_open_cases_and_corrections_name_their_units(
    content: dict[str, Any], book: Policy
) -> None:
    """附件3, 附件4: who is responsible is told by name, as in the rankings."""
    one = content["open_cases"][0]
    said = [
        one | {"lead": "TF1", "township": "410185109"},
        one | {"lead": "市水利局", "township": "NO_TOWNSHIP"},
        one | {"lead": None, "township": None},
    ]
    slip = {"corrects": 8, "unit": "TF2", "published": "80", "corrected": None}
    printed = printing.blocks(content | {"open_cases": said, "corrections": [slip]})

    *_, cases = [block for block in printed if isinstance(block, printing.Table)]
    assert [row[1:3] for row in cases.rows] == [
        (book.task_forces["TF1"].name, "唐庄镇"), ("市水利局", "属地不明"), ("—", "—"),
    ]  # fmt: skip
    texts = [block.text for block in printed if isinstance(block, printing.Paragraph)]
    assert f"第8期{book.task_forces['TF2'].name}评分由80更正为—。" in texts


async def test_the_pdf_tells_the_same(content: dict[str, Any]) -> None:
    raw = printing.as_pdf(content)
    assert raw == printing.as_pdf(content)
    text = text_of(raw)
    for block in printing.blocks(content):
        if isinstance(block, printing.Paragraph):
            assert block.text in text
        if isinstance(block, printing.Table):
            assert all(row[0] in text for row in block.rows)


def text_of(raw: bytes) -> str:
    """All text of a PDF of ours in order; checks its cross references on the way."""
    start = int(raw.rsplit(b"startxref\n", 1)[1].split(b"\n", 1)[0])
    entries = raw[start:].split(b"trailer")[0].splitlines()[3:]
    for number, entry in enumerate(entries, start=1):
        assert raw[int(entry[:10]) :].startswith(f"{number} 0 obj\n".encode())
    streams = re.findall(rb"stream\n(.*?)\nendstream", raw, flags=re.S)
    found = ""
    for stream in streams:
        for shown in re.findall(rb"<([0-9A-F]*)> Tj", zlib.decompress(stream)):
            found += bytes.fromhex(shown.decode()).decode("utf-16-be")
    return found


def test_text_is_broken_by_width() -> None:
    assert pdf.wrap("欠薪治理ab", 10, 25) == ["欠薪", "治理a", "b"]
    assert pdf.wrap("", 10, 25) == [""]


def test_a_long_document_has_several_pages() -> None:
    document = pdf.Document("长")
    document.table([("行", str(number)) for number in range(200)], (50, 50))
    raw = document.finish()
    assert raw.count(b"/Type /Page ") > 1
    assert text_of(raw).count("行") == 200


def test_an_unread_offset_is_seen() -> None:
    """The check above can fail: a shifted file is no good file."""
    raw = pdf.Document("x").finish()
    with pytest.raises(AssertionError):
        text_of(b"%" + raw)
