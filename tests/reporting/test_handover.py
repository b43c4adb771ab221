"""总结材料: the pack says what each read says at the same cut, and every record of 督导考核."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
import pytest

from services.reporting import clearance, handover_paper, ledgers, overview, shapes
from services.reporting.bulletins import bulletin, content_hash
from services.reporting.handover import pack
from services.reporting.issues import issues
from shared.calendar import ZONE
from shared.policy import Policy
from tests.infra.stories import Told, complaint, line
from tests.reporting import histories
from tests.reporting.conftest import Read

END = datetime(2022, 5, 2, tzinfo=ZONE)


async def packed(read: Read, as_of: datetime = END) -> dict[str, Any]:
    async with read.reading.at(as_of) as (snapshot, cut):
        return await pack(snapshot, cut)


async def test_every_number_is_that_of_its_own_read(read: Read, book: Policy) -> None:
    await read.take([histories.records(histories.tell(61, 60, book))])
    found = await packed(read)
    async with read.reading.at(END) as (snapshot, cut):
        assert found["overview"] == await overview.overview(snapshot, cut)
        verdicts = await clearance.clearance(snapshot, cut)
        assert found["clearance"] == [shapes.judged(item) for item in verdicts]
        assert found["position"] == cut.position
        body = await ledgers.workbook(snapshot, cut, "problems")
        (ledger,) = (item for item in found["ledgers"] if item["name"] == "problems")
        assert ledger["hash"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
        last, before = issues(book, END)[-1], issues(book, END)[-2]
        published = await bulletin(snapshot, last, before)
    assert found["bulletins"][-1] == {key: published[key] for key in ("no", "as_of", "hash")}
    scores = {item["unit"]: item["score"] for item in published["ranking_township"]}
    commended = [item for item in found["commendation"] if item["list"] == "township"]
    assert commended
    assert all(item["score"] == scores[item["unit"]] for item in commended)
    bare = {key: value for key, value in found.items() if key not in ("hash", "meta")}
    assert found["hash"] == content_hash(bare)


async def test_the_same_cut_gives_the_same_pack(read: Read, book: Policy) -> None:
    await read.take([histories.records(histories.tell(62, 20, book))])
    first, second = await packed(read), await packed(read)
    assert first == second
    assert handover_paper.as_docx(first) == handover_paper.as_docx(second)


def unit(at: str, type_: str, of: str = "TF1", /, **data: Any) -> dict[str, Any]:
    return line(at, of if of == "city" else f"unit:{of}", type_, **data)


FINDING = [{"no": 1, "text": "台账不全"}]
RECORDS = [
    line("2021-11-10T09:30:00", "A", "ComplaintReceived", **complaint("A")),
    unit("2021-11-15T10:00:00", "SupervisionVisitRecorded", mode="on_site", unit="联席办",
         findings=FINDING),
    unit("2021-11-15T11:00:00", "SupervisionVisitRecorded", "TF2", mode="phone", unit="联席办",
         findings=FINDING),
    unit("2021-11-15T12:00:00", "SupervisionVisitRecorded", "TF3", mode="phone", unit="联席办"),
    unit("2021-11-16T10:00:00", "MeasurePlanFiled", measure="M1", responsible="市住建局",
         due_on="2021-11-30"),
    unit("2021-11-17T10:00:00", "MeasurePlanFiled", measure="M2", responsible="市住建局",
         due_on="2021-11-18"),
    unit("2021-11-18T10:00:00", "MeetingHeld", "city",
         decisions=[{"no": 1, "owner": "TF1", "due_on": "2021-12-01"},
                    {"no": 2, "owner": "TF3", "due_on": "2021-11-19"},
                    {"no": 3, "owner": "410185109", "due_on": "2021-11-30"},
                    {"no": 4, "owner": "410185109", "due_on": "2021-12-20"}]),
    unit("2021-11-18T11:00:00", "MeetingHeld", "city",
         decisions=[{"no": 2, "owner": "TF5", "due_on": "2021-12-24"}]),
    unit("2021-11-19T10:00:00", "RectificationReported", visit="2"),
    unit("2021-11-20T10:00:00", "MeasureCompleted", measure="M2"),
    unit("2021-11-20T10:30:00", "MeasureCompleted", "city", meeting="7", measure="2")
    | {"by": {"unit": "TF3"}},
    unit("2021-11-30T17:00:00", "MeasureCompleted", "city", meeting="7", measure="3")
    | {"by": {"unit": "410185109"}},
    unit("2021-11-30T17:00:00", "PublicityRecorded", "410185109", kind="条例", count=200),
    unit("2021-11-30T17:00:00", "RuleRevised", "city", rule="联席会议制度"),
    line("2021-12-06T09:00:00", "B", "ComplaintReceived", **complaint("B")),
]  # fmt: skip


@pytest.fixture
async def records(read: Read, tmp_path: Path) -> dict[str, Any]:
    await read.take([histories.records(Told(RECORDS, tmp_path).log)])
    return await packed(read, datetime(2021, 12, 5, tzinfo=ZONE))


async def test_each_record_of_supervision(records: dict[str, Any]) -> None:
    found = records["supervision"]
    visits = {item["unit"]: (item["findings"], item["due_at"], item["in_time"]) for item in
              found["visits"]}  # fmt: skip
    assert visits == {
        "TF1": (1, "2021-11-22T16:00:00Z", True),
        "TF2": (1, "2021-11-22T16:00:00Z", None),
        "TF3": (0, None, None),
    }
    measures = {item["measure"]: (item["due_on"], item["in_time"]) for item in found["measures"]}
    assert measures == {"M1": ("2021-11-30", None), "M2": ("2021-11-18", False)}
    meeting, other = found["meetings"]
    assert [item["done_at"] for item in other["decisions"]] == [None]
    assert meeting["decisions"] == [
        {"no": 1, "owner": "TF1", "due_on": "2021-12-01",
         "due_at": "2021-12-01T16:00:00Z", "done_at": None, "in_time": None},
        {"no": 2, "owner": "TF3", "due_on": "2021-11-19",
         "due_at": "2021-11-19T16:00:00Z", "done_at": "2021-11-20T02:30:00Z", "in_time": False},
        {"no": 3, "owner": "410185109", "due_on": "2021-11-30",
         "due_at": "2021-11-30T16:00:00Z", "done_at": "2021-11-30T09:00:00Z", "in_time": True},
        {"no": 4, "owner": "410185109", "due_on": "2021-12-20",
         "due_at": "2021-12-20T16:00:00Z", "done_at": None, "in_time": None},
    ]  # fmt: skip
    assert [item["count"] for item in found["publicity"]] == [200]
    assert [item["rule"] for item in found["rules_revised"]] == ["联席会议制度"]
    assert found["screening"]["filed"] == 0
    assert found["summaries"]["of"] == 22


async def test_visits_measures_and_decisions_count_in_the_ledger_rate(
    records: dict[str, Any],
) -> None:
    """TF1: a finding put right in time; a measure late, one never, and a decision never.

    TF2: a finding never. TF3: a decision late. 唐庄镇: one in time, and one that is not due yet.
    """
    rates = {
        item["unit"]: item["rates"]["ledger"]
        for of in ("task_force", "township")
        for item in records["rankings"][of]
    }
    assert rates["TF1"] == [1, 4]
    assert rates["TF2"] == [0, 1]
    assert rates["TF3"] == [0, 1]
    assert rates["TF4"] == [0, 0]
    assert rates["410185109"] == [1, 1]
    assert rates["410185001"] == [0, 0]


async def test_on_paper(records: dict[str, Any]) -> None:
    paper = docx.Document(io.BytesIO(handover_paper.as_docx(records)))
    text = "\n".join(paragraph.text for paragraph in paper.paragraphs)
    assert records["hash"] in text
    assert records["position"] in text
    cells = {cell.text for table in paper.tables for row in table.rows for cell in row.cells}
    assert {"M1", "逾期", "按期", "未完成"} <= cells


async def test_on_paper_units_targets_and_ledgers_stand_by_their_names(
    records: dict[str, Any], book: Policy
) -> None:
    paper = docx.Document(io.BytesIO(handover_paper.as_docx(records)))
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    assert {"卢店街道", "教育培训机构欠薪问题工作专班", "唐庄镇"} <= set(cells)
    assert {"国家、省、郑州平台案件清零", "春节前存量清零", "问题台账", "移送台账"} <= set(cells)
    codes = (*book.units, "city", "/v1/", *(item["predicate"] for item in records["clearance"]))
    assert [text for text in cells if any(code in text for code in codes)] == []
    assert records["names"] == book.unit_names
