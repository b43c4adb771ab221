from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from infra import lockstep
from infra.agenda import Act, Agenda, Cast
from infra.client import Answer, Client
from infra.lockstep import Lockstep
from infra.problem import Unready
from infra.story import Line
from shared.envelope import case_id_of
from shared.roles import By
from tests.infra.fake_city import FakeCity, serving

START = datetime(2021, 11, 10, 1, tzinfo=UTC)


class FakeKeys:
    def headers(self, by: By) -> dict[str, str]:
        return {"x-actor": quote(f"{by.unit}/{by.role}")}


def line(hours: float, case: str, type: str, **data: Any) -> Line:
    at = START + timedelta(hours=hours)
    return Line(0, at, case, type, data, at)


def received(hours: float, case: str, worker: str = "", project: str = "") -> Line:
    claims = [{"worker": {"id_no": worker}}] if worker else []
    project_document = {"name": project} if project else None
    data = {"source": "window", "source_ref": case, "claims": claims, "project": project_document}
    return line(hours, case, "ComplaintReceived", **data)


def numbered(lines: list[Line]) -> tuple[Cast, list[Act]]:
    lines = [replace(item, number=number) for number, item in enumerate(lines, 1)]
    cast = Cast(lines)
    return cast, [cast.act(item) for item in lines]


async def play(city: FakeCity, lines: list[Line], until: datetime | None = None) -> Lockstep:
    cast, acts = numbered(lines)
    async with serving(city) as urls, Client(urls, FakeKeys()) as client:
        player = Lockstep(client, cast)
        await player.run(Agenda(acts), until or lines[-1].at)
        return player


async def test_the_clock_stops_at_each_act_and_at_each_due_step() -> None:
    dues = [START + timedelta(hours=h) for h in (1, 5, 50)]
    city = FakeCity(dues=dues)
    player = await play(
        city, [received(0, "A"), line(3, "A", "ComplaintAccepted")], START + timedelta(hours=6)
    )
    moves = [body["data"]["to"] for body in city.bodies if body["type"] == "ClockAdvanced"]
    hours = [(datetime.fromisoformat(to) - START) / timedelta(hours=1) for to in moves]
    assert hours == [0, 1, 3, 5, 6]
    assert player.clock == START + timedelta(hours=6)
    assert city.early == [], "the clock never moved before everybody was at rest"


async def test_one_case_at_a_time_but_others_side_by_side() -> None:
    lines = [received(0, name) for name in "ABCDEFGH"]
    lines += [
        line(1, name, type)
        for name in "ABCDEFGH"
        for type in ("ComplaintAccepted", "AssignmentSigned")
    ]
    city = FakeCity()
    await play(city, lines)
    kinds = [what for what, _ in city.log if what != "ClockAdvanced"]
    assert kinds == ["ComplaintReceived"] * 8 + ["ComplaintAccepted"] * 8 + ["AssignmentSigned"] * 8
    assert city.most_at_once > 1


async def test_complaints_with_a_worker_or_project_in_common_keep_the_order_of_lines() -> None:
    lines = [
        received(0, "A", worker="1"), received(0, "B", worker="2"), received(0, "C", worker="1"),
        received(0, "D", project="p"), received(0, "E", project="p"), received(0, "F", project="p"),
    ]  # fmt: skip
    _, acts = numbered(lines)
    rounds = [[act.line.case for (act,) in round] for round in Agenda(acts).take(START)]
    assert rounds == [["A", "B", "D"], ["C", "E"], ["F"]]


def test_briskly_only_what_a_rule_may_answer_is_waited_for() -> None:
    types = [
        "ComplaintAccepted",
        "AssignmentSigned",
        "FirstContactMade",
        "ClosureRequested",
        "CaseWrittenOff",
    ]
    lines = [received(0, "A"), received(0, "B"), *(line(1, "A", type) for type in types)]
    lines += [line(1, "B", "FirstContactMade")]
    _, acts = numbered(lines)
    agenda = Agenda(acts, brisk=True)
    agenda.take(START)
    rounds = agenda.take(START + timedelta(hours=1))
    assert [[[act.line.type for act in chain] for chain in round] for round in rounds] == [
        [["ComplaintAccepted"], ["FirstContactMade"]],
        [["AssignmentSigned", "FirstContactMade", "ClosureRequested"]],
        [["CaseWrittenOff"]],
    ]


async def test_briskly_a_due_step_is_waited_for_even_where_no_act_is_wanted() -> None:
    city = FakeCity(dues=[START + timedelta(hours=1)])
    cast, acts = numbered([received(0, "A"), line(1, "A", "ComplaintAccepted")])
    async with serving(city) as urls, Client(urls, FakeKeys()) as client:
        player = Lockstep(client, cast, wanted=lambda act: act.line.type == "ComplaintReceived")
        await player.run(Agenda(acts, brisk=True), acts[-1].line.at)
    assert [what for what, _ in city.log].count("ClockAdvanced") == 2
    assert not any(city.behind.values())


async def test_who_acts_is_the_unit_that_handles_the_case() -> None:
    city = FakeCity()
    await play(
        city, [received(0, "A"), line(1, "A", "AssignmentSigned"), line(2, "A", "PaymentVerified")]
    )
    assert city.actors == [
        "operator/operator", "window/platform", "operator/operator", "410185001/township",
        "operator/operator", "TF1/task_force",
    ]  # fmt: skip
    assert city.reads == ["ASSIGNED", case_id_of("window", "A")], "asked once, then remembered"


@pytest.mark.parametrize(
    ("by", "actor"),
    [
        ({"unit": "410185004"}, "410185004/township"),
        ({"unit": "TF3"}, "TF3/task_force"),
        ({"role": "task_force"}, "TF1/task_force"),
        ({"role": "police"}, "市公安局/police"),
        ({"unit": "410185004", "role": "office"}, "410185004/office"),
    ],
)
async def test_what_a_line_leaves_out_of_by_follows_from_what_it_says(
    by: dict[str, str], actor: str
) -> None:
    city = FakeCity()
    signed = replace(line(1, "A", "AssignmentSigned"), by=by)
    await play(city, [received(0, "A"), signed])
    assert city.actors[-1] == actor


async def test_a_case_that_an_act_names_is_posted_by_its_id() -> None:
    city = FakeCity()
    await play(
        city, [received(0, "A"), received(0, "B"), line(1, "A", "MatchDismissed", other="B")]
    )
    assert city.bodies[-1]["data"]["other"] == case_id_of("window", "B")


async def test_newly_assigned_cases_are_asked_for_together() -> None:
    names = "ABCDEF"
    city = FakeCity(listed=[(case_id_of("window", name), "410185004") for name in names])
    lines = [received(0, name) for name in names]
    await play(city, lines + [line(1, name, "AssignmentSigned") for name in names])
    assert city.reads == ["ASSIGNED"]
    assert city.actors.count("410185004/township") == 6


async def test_a_forbidden_act_asks_again_who_handles_the_case() -> None:
    city = FakeCity(refuse={"FirstContactMade": (403, "UNIT")})
    await play(
        city, [received(0, "A"), line(1, "A", "AssignmentSigned"), line(2, "A", "FirstContactMade")]
    )
    case_id = case_id_of("window", "A")
    assert city.reads == ["ASSIGNED", case_id, "ASSIGNED", case_id]


async def test_it_waits_when_intake_asks_it_to() -> None:
    city = FakeCity(unavailable=3)
    await play(city, [received(0, "A")])
    assert ("ComplaintReceived", case_id_of("window", "A")) in city.log


async def test_an_answer_may_put_more_on_the_agenda() -> None:
    city = FakeCity(refuse={"AssignmentSigned": (409, "STATE")})
    cast, acts = numbered(
        [received(0, "A"), line(1, "A", "AssignmentSigned"), line(4, "A", "ProgressReported")]
    )
    answers: list[tuple[str, int]] = []

    async def on_answer(act: Act, answer: Answer) -> Sequence[Act]:
        answers.append((act.line.type, answer.status))
        if answer.status != 409:
            return ()
        later = act.line.at + timedelta(hours=1)
        return (cast.act(replace(act.line, number=0, type="TriageDecided", at=later)),)

    async with serving(city) as urls, Client(urls, FakeKeys()) as client:
        player = Lockstep(client, cast, on_answer=on_answer)
        await player.run(Agenda(acts), acts[-1].line.at)
    assert [what for what, _ in answers] == [
        "ComplaintReceived", "AssignmentSigned", "TriageDecided", "ProgressReported",
    ]  # fmt: skip


async def test_an_incident_named_by_its_line_is_posted_by_its_event_id() -> None:
    city = FakeCity()
    player = await play(
        city,
        [
            received(0, "A"),
            line(1, "A", "ExtremeIncidentReported", kind="x"),
            line(2, "A", "IncidentReportFiled", incident="2", step="phone"),
        ],
    )
    filed = next(body for body in city.bodies if body["type"] == "IncidentReportFiled")
    assert filed["data"]["incident"] == player.event_ids["2"]


async def test_a_meeting_named_by_its_line_is_posted_by_its_event_id() -> None:
    city = FakeCity()
    decision = {"no": 1, "owner": "TF1", "due_on": "2021-12-01"}
    player = await play(
        city,
        [
            line(0, "city", "MeetingHeld", decisions=[decision]),
            line(1, "city", "MeasureCompleted", meeting="1", measure="1"),
        ],
    )
    (done,) = (body for body in city.bodies if body["type"] == "MeasureCompleted")
    assert (done["data"]["meeting"], done["data"]["measure"]) == (player.event_ids["1"], "1")


async def test_workers_that_never_come_to_rest_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "QUIET_SECONDS", 0.3)
    with pytest.raises(Unready, match=r"do not come to rest.*routing"):
        await play(FakeCity(busy_polls=10_000), [received(0, "A")])


async def test_a_service_that_is_not_up_is_named() -> None:
    urls = dict.fromkeys(("intake", "routing", "supervision", "reporting"), "http://127.0.0.1:9")
    cast, acts = numbered([received(0, "A")])
    async with Client(urls, FakeKeys()) as client:
        with pytest.raises(Unready, match=r"intake does not answer.*qingqian up"):
            await Lockstep(client, cast).run(Agenda(acts), START)
