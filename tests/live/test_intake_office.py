"""What the office does with many cases at once, and the codes that complainants are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.envelope import case_id_of, owe
from shared.events import GroupFormed, GroupJoined, TriageRequested
from shared.query import status_key
from shared.settings import Settings
from tests.live.intake_desk import Desk, complaint, yesterday

pytestmark = pytest.mark.live

OFFICE = {"unit": "联席办", "role": "office"}
CLERK = {"unit": "市人社局", "role": "clerk"}


@pytest.fixture(scope="module")
async def desk(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("office")
    desk = Desk(module_settings, folder)
    await desk.start()
    yield desk
    await desk.close()


async def accepted(desk: Desk, ref: str, **changes: Any) -> str:
    case_id = str((await desk.post(complaint(ref, **changes))).json()["case_id"])
    path = f"/v1/cases/{case_id}/events"
    answer = await desk.fact(path, "ComplaintAccepted", by=CLERK, occurred_at=yesterday())
    assert answer.status_code == 202, answer.text
    return case_id


async def batch(desk: Desk, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    headers = desk.bearer() | {"idempotency-key": key}
    answer = await desk.http.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def results(found: dict[str, Any]) -> list[str]:
    return [str(item.get("code") or item["result"]) for item in found["items"]]


async def test_triage_is_decided_for_many_after_a_dry_run(desk: Desk) -> None:
    cases = [await accepted(desk, f"triage-{n}") for n in range(3)]
    async with desk.producer("routing") as routing:
        for case in cases[:2]:
            asked = TriageRequested(cause="x", reason="PLATFORM_WORK")
            await routing.publish([owe(case, desk.policy.adopted_at, asked)])
    good = {"department": "市人社局", "township": "410185004"}
    items = [
        {"case_id": cases[0]} | good,
        {"case_id": cases[1], "task_force": "TF1", "department": "市人社局", "township": "1"},
        {"case_id": cases[2]} | good,
        {"case_id": "nobody"} | good,
    ]
    body = {"items": items, "occurred_at": yesterday(), "by": OFFICE, "dry_run": True}
    refused = ["ONE_LEAD", "STATE", "UNKNOWN_CASE"]

    tried = await batch(desk, "/v1/triage/decisions", body, "t1")
    assert results(tried) == ["would_record", *refused]
    assert not [e for e in await desk.events(cases[0]) if e.type == "TriageDecided"]

    body["dry_run"] = False
    done = await batch(desk, "/v1/triage/decisions", body, "t1")
    again = await batch(desk, "/v1/triage/decisions", body, "t1")
    assert results(done) == ["recorded", *refused]
    assert again["items"][0] == done["items"][0]
    assert [e.type for e in await desk.events(cases[0])].count("TriageDecided") == 1


async def test_one_act_for_the_members_of_a_group(desk: Desk) -> None:
    cases = [await accepted(desk, f"group-{n}") for n in range(3)]
    formed = GroupFormed(
        cause="x",
        group="group:site",
        level="G1",
        workers=12,
        members=tuple(cases[:2]),
        master=cases[0],
    )
    joined = GroupJoined(cause="x", group="group:site", master=cases[0])
    async with desk.producer("routing") as routing:
        await routing.publish([owe(cases[0], desk.policy.adopted_at, formed)])
        await routing.publish([owe(cases[1], desk.policy.adopted_at, joined)])
    body = {
        "type": "ComplainantTold",
        "data": {"of": "ending", "channel": "notice"},
        "items": [{"case_id": case} for case in cases],
        "occurred_at": yesterday(),
        "by": OFFICE,
    }

    found = await batch(desk, "/v1/groups/group:site/acts", body, "g1")

    assert results(found) == ["recorded", "recorded", "NOT_A_MEMBER"]
    for case in cases[:2]:
        assert [e.type for e in await desk.events(case)].count("ComplainantTold") == 1
    wrong = body | {"type": "PoliceFiled"}
    headers = desk.bearer() | {"idempotency-key": "g2"}
    answer = await desk.http.post("/v1/groups/group:site/acts", json=wrong, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/type")


async def test_a_platform_gets_the_codes_of_what_it_posted(desk: Desk) -> None:
    case_id = (await desk.post(complaint("code"))).json()["case_id"]
    items = [
        {"source": "national", "source_ref": "code"},
        {"source": "national", "source_ref": "never"},
        {"source": "12345", "source_ref": "code"},
    ]

    async def asked(name: str) -> list[dict[str, Any]]:
        answer = await desk.http.post(
            "/v1/query-codes", json={"items": items}, headers=desk.bearer(name)
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    mine, theirs = await asked("platform-national"), await asked("410185004")

    assert [item.get("error") for item in mine] == [None, "UNKNOWN", "NOT_YOUR_SOURCE"]
    assert {item.get("error") for item in theirs} == {"NOT_YOUR_SOURCE"}
    assert mine[0]["case_id"] == case_id == case_id_of("national", "code")
    (received,) = [e for e in await desk.events(case_id) if e.type == "ComplaintReceived"]
    assert received.data.status_key == status_key(mine[0]["code"])  # type: ignore[union-attr]
