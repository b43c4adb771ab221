"""移送材料: what it holds, who gets it, when it no longer stands, and that it is the same again."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import docx
import httpx
import pytest

from services.reporting.api import application
from services.reporting.refusals import Register
from services.reporting.service import Reporting
from shared import keys
from shared.events import SEALED_PREFIX, Event, ReadDenied
from shared.policy import Policy
from shared.roles import LABOUR, Role
from shared.settings import Settings
from tests.infra.stories import Told, complaint, line
from tests.reporting import histories
from tests.reporting.conftest import Read, advance

ORDERED = [
    line("2021-12-27T09:00:00", "A", "ComplaintReceived", **complaint("A")),
    line("2021-12-27T10:00:00", "A", "ComplaintAccepted"),
    line("2021-12-27T11:00:00", "A", "AssignmentSigned"),
    line(
        "2021-12-29T10:00:00",
        "A",
        "FactsVerified",
        lines=[{"line": "1", "amount_fen": 1_200_000, "months": 3}],
        liable_parties=["某某"],
    ),
    line("2021-12-30T10:00:00", "A", "InspectionFiled"),
    line(
        "2022-01-04T10:00:00",
        "A",
        "PaymentOrderServed",
        doc_no="登人社监令1",
        service_mode="posted",
    ),
    line("2022-01-12T09:00:00", "A", "ProgressReported"),
]
PROPOSED = line("2022-01-12T10:00:00", "A", "ReferralProposed", officers=2)
PAID = line(
    "2022-01-12T11:00:00",
    "A",
    "PaymentVerified",
    payment="P1",
    lines=[{"line": "1", "amount_fen": 1_200_000}],
)
REFERRED = [
    PROPOSED,
    line("2022-01-12T11:00:00", "A", "ReferralApproved"),
    line("2022-01-12T12:00:00", "A", "ReferralDelivered", doc_no="登人社移1"),
]


@pytest.fixture
def refusals() -> list[Event]:
    """What was put on record of reads that were refused."""
    return []


@pytest.fixture
async def reporting(read: Read, book: Policy, tmp_path: Path, refusals: list[Event]) -> Reporting:
    async def publish(events: Sequence[Event]) -> None:
        refusals.extend(events)

    clear, hashed = keys.generate(book)
    keys.write(tmp_path / "keys.json", hashed)
    keys.write(tmp_path / "clear.json", clear)
    settings = read.follower.settings.model_copy(update={"data_dir": tmp_path})
    found = Reporting(Settings.model_validate(settings.model_dump()))
    found.pool, found.follower, found.reading = read.pool, read.follower, read.reading
    found.governance = read.governance
    found.follower.caught_up = True
    found._started = True
    found.register = Register(publish)
    return found


@pytest.fixture
async def client(reporting: Reporting) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(reporting))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


class Desk:
    """A told story in the read tables, and one who asks for its dossier."""

    def __init__(self, read: Read, client: httpx.AsyncClient, folder: Path) -> None:
        self.read, self.client, self.folder = read, client, folder
        self.case = ""

    async def tell(self, lines: Sequence[dict[str, Any]]) -> Told:
        told = Told(lines, self.folder)
        self.case = told.case("A")
        await self.read.take([histories.records(told.log)])
        advance(self.read.governance, max(told.log, key=lambda event: event.recordedtime))
        return told

    async def ask(
        self, form: str = "json", role: Role = "inspector", unit: str = LABOUR, **query: str
    ) -> httpx.Response:
        token = keys.clear_key(self.folder / "clear.json", role, unit)
        headers = {"authorization": f"Bearer {token}"}
        return await self.client.get(
            f"/v1/cases/{self.case}/dossier.{form}", headers=headers, params=query
        )

    async def dossier(self, **query: Any) -> dict[str, Any]:
        answer = await self.ask(**query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refused(self, **more: Any) -> str:
        answer = await self.ask(**more)
        return f"{answer.status_code} {answer.json()['code']}"


@pytest.fixture
def desk(read: Read, client: httpx.AsyncClient, tmp_path: Path) -> Desk:
    return Desk(read, client, tmp_path)


async def test_it_says_what_the_decree_asks_for(desk: Desk) -> None:
    told = await desk.tell([*ORDERED, *REFERRED])
    ids = {event.type: event.id for event in told.of("A")}
    found = await desk.dossier()
    assert found["decision"]["event_id"] == ids["ReferralThresholdMet"]
    assert found["decision"]["figures"]["single_fen"] == 800_000
    assert found["step"] == "DELIVERED"
    (order,) = found["orders"]
    assert order["limit_at"] == order["defaulted_at"] == "2022-01-11T16:00:00Z"
    assert order["default_event_id"] == ids["PaymentOrderDefaulted"]
    (claim,) = found["claims"]
    assert (claim["owed_fen"], claim["paid_fen"], claim["unpaid_fen"]) == (1_200_000, 0, 1_200_000)
    held = {item["name"]: (item["held"], item["events"]) for item in found["documents"]}
    assert held["送达证明（含张贴影像）"] == ("ON_LOG", [ids["PaymentOrderServed"]])
    assert held["涉案物品清单"] == ("TO_ATTACH", [])
    assert [item["event_id"] for item in found["timeline"]] == [e.id for e in told.of("A")]
    assert found["lacking"] == ["POSTING_EVIDENCE:登人社监令1"]


async def test_the_statutory_clocks_with_what_met_them(desk: Desk) -> None:
    await desk.tell([*ORDERED, *REFERRED])
    clocks = {item["timer"]: item for item in (await desk.dossier())["clocks"]}
    assert clocks["T23"]["in_time"] is False, "the order's default is not in time"
    assert clocks["T39"]["in_time"] is True
    assert clocks["T30"]["done_at"] == "2022-01-12T03:00:00Z"
    assert clocks["T31"]["done_at"] == "2022-01-12T04:00:00Z"
    assert clocks["T21"]["done_at"] is None
    assert {"T09", "T08"}.isdisjoint(clocks), "the city's own clocks are no matter of the police"


async def test_a_refusal_is_on_record_once_a_minute(desk: Desk, refusals: list[Event]) -> None:
    """Of which case, to whom; the clock of these tables stands still."""
    await desk.tell([*ORDERED, PROPOSED])
    for _ in range(2):
        answer = await desk.ask(role="police", unit="市公安局")
        assert answer.json()["detail"].endswith("; this is on record")
    assert (await desk.ask(role="leader")).status_code == 200
    [event] = refusals
    assert (event.type, event.actor) == ("ReadDenied", "市公安局/police/-")
    assert event.data == ReadDenied(action="dossier", reason="ROLE", case=desk.case)
    await desk.ask(role="clerk")
    assert len({event.id for event in refusals}) == 2
    assert all(event.time.second == event.time.microsecond == 0 for event in refusals)


async def test_what_a_caller_writes_for_a_case_is_not_put_on_the_log(
    desk: Desk, refusals: list[Event]
) -> None:
    """Not an identity number, not a telephone; and however many of them, it is one refusal."""
    await desk.tell([*ORDERED, PROPOSED])
    for asked in ("王小二", "410125199001319903", "13800000000", "wangxiaoer"):
        desk.case = asked
        assert (await desk.ask(role="police", unit="市公安局")).status_code == 403
    [event] = refusals
    assert event.data == ReadDenied(action="dossier", reason="ROLE")
    desk.case = "DF-QX-2021-000001"
    await desk.ask(role="police", unit="市公安局")
    assert refusals[-1].data == ReadDenied(action="dossier", reason="ROLE", case=desk.case)


async def test_only_the_labour_bureau_s_officers(desk: Desk) -> None:
    await desk.tell([*ORDERED, PROPOSED])
    assert (await desk.ask(role="leader")).status_code == 200
    for role, unit in (
        ("office", "联席办"),
        ("police", "市公安局"),
        ("leader", "市公安局"),
        ("clerk", LABOUR),
        ("task_force", "TF1"),
        ("auditor", "市纪委监委"),
    ):
        assert await desk.refused(role=role, unit=unit) == "403 ROLE"
    bare = await desk.client.get(f"/v1/cases/{desk.case}/dossier.json")
    assert bare.status_code == 401


async def test_no_threshold_no_dossier(desk: Desk) -> None:
    await desk.tell(ORDERED[:5])
    assert await desk.refused() == "404 NO_REFERRAL"


async def test_as_of_before_the_threshold_there_is_none(desk: Desk) -> None:
    await desk.tell([*ORDERED, *REFERRED])
    assert await desk.refused(as_of="2022-01-11T15:59:59Z") == "404 NO_REFERRAL"
    early = await desk.dossier(as_of="2022-01-11T16:00:00Z")
    assert early["step"] == "MET"
    assert early["timeline"][-1]["recorded_at"] <= "2022-01-11T16:00:00Z"


DECLINED = line("2022-01-12T12:00:00", "A", "ReferralDeclined", reason="PAID_BEFORE_FILING")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ([PAID], "PAID"),
        ([PROPOSED, PAID], "PAID"),
        ([PROPOSED, DECLINED], "DECLINED"),
    ],
)
async def test_nothing_leaves_that_no_longer_stands(
    desk: Desk, more: list[dict[str, Any]], code: str
) -> None:
    await desk.tell([*ORDERED, *more])
    assert await desk.refused() == f"409 {code}"


async def test_a_payment_taken_back_makes_it_stand_again(desk: Desk) -> None:
    back = PAID | {"at": "2022-01-13T09:00:00+08:00", "type": "PaymentReversed"}
    await desk.tell([*ORDERED, PAID, back])
    assert (await desk.dossier())["claims"][0]["unpaid_fen"] == 1_200_000


async def test_once_the_police_have_it_it_stays_to_be_read(desk: Desk) -> None:
    paid = PAID | {"at": "2022-01-13T09:00:00+08:00"}
    await desk.tell([*ORDERED, *REFERRED, paid])
    assert (await desk.dossier())["claims"][0]["unpaid_fen"] == 0


async def test_the_same_log_gives_the_same_bytes_at_any_time(desk: Desk) -> None:
    told = await desk.tell([*ORDERED, *REFERRED])
    papers = [(await desk.ask(form=form)).content for form in ("json", "docx")]
    last = max(event.recordedtime for event in told.log)
    later = last.replace(year=last.year + 1)
    advance(desk.read.governance, told.log[-1].replace(recordedtime=later))
    assert [(await desk.ask(form=form)).content for form in ("json", "docx")] == papers


async def test_no_personal_data_and_what_is_sealed_is_named(desk: Desk) -> None:
    told = await desk.tell([*ORDERED, PROPOSED])
    answer = await desk.ask()
    assert SEALED_PREFIX not in answer.text
    assert "某某" not in answer.text
    ids = {event.type: event.id for event in told.of("A")}
    assert {ids["ComplaintReceived"], ids["FactsVerified"]} <= set(answer.json()["sealed"])


async def test_the_officer_s_paper(desk: Desk) -> None:
    await desk.tell([*ORDERED, PROPOSED])
    answer = await desk.ask(form="docx")
    assert answer.headers["content-disposition"].endswith('.docx"')
    paper = docx.Document(io.BytesIO(answer.content))
    text = "\n".join(paragraph.text for paragraph in paper.paragraphs)
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    found = await desk.dossier()
    assert "涉嫌拒不支付劳动报酬罪案件移送材料" in text
    assert found["hash"] in text
    assert "henan-2013" in text
    assert "2022-01-11 24:00" in cells
    assert cells.count("承办人") == 2
    assert {item["event_id"] for item in found["timeline"]} <= set(cells)


async def test_a_leading_case_names_the_others_of_its_group(desk: Desk) -> None:
    """Ten workers of one project, each its own complaint: limb 2 counts them all."""
    site = {"name": "示例十人工地", "funding": "private", "kind": "housing"}
    labels = "ABCDEFGHIJ"
    lines = []
    for minute, label in enumerate(labels):
        data = complaint(label) | {"project": site, "workers": 1, "amount_fen": 400_000}
        lines.append(line(f"2021-12-27T09:{minute:02}:00", label, "ComplaintReceived", **data))
    lines += [line("2021-12-27T10:00:00", label, "ComplaintAccepted") for label in labels]
    lines.append(line("2021-12-27T11:00:00", "A", "AssignmentSigned"))
    order = {"doc_no": "登人社监令1", "service_mode": "direct"}
    lines.append(line("2022-01-04T10:00:00", "A", "PaymentOrderServed", **order))
    own = {"payment": "P1", "lines": [{"line": "1", "amount_fen": 400_000}]}
    lines.append(line("2022-01-12T09:00:00", "A", "PaymentVerified", **own))
    told = await desk.tell(lines)

    found = await desk.dossier()
    paper = docx.Document(io.BytesIO((await desk.ask(form="docx")).content))

    assert found["decision"]["workers"] == 10
    assert [item["unpaid_fen"] for item in found["claims"]] == [0]
    assert {item["case_id"] for item in found["members"]} == {
        told.case(label) for label in labels[1:]
    }
    assert [item["unpaid_fen"] for item in found["members"]] == [400_000] * 9
    cells = {cell.text for table in paper.tables for row in table.rows for cell in row.cells}
    assert told.case("J") in cells
