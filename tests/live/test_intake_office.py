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
from tests.live.intake_desk import Desk, complaint, until, yesterday

pytestmark = pytest.mark.live

DECIDED_AT = yesterday()
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


# --- likely duplicates ----------------------------------------------------------------------------


def likely(ref: str, name: str, **changes: Any) -> dict[str, Any]:
    """A complaint without identity number, so that no exact rule matches it."""
    person = {"name": name, "phone": f"137{abs(hash(name)) % 10**8:08}"}
    claims = [{"worker": person, "amount_fen": 1_200_000}]
    return complaint(ref, **{"claims": claims, "contact": person} | changes)


async def matches(desk: Desk, *cases: str, count: int = 1) -> list[dict[str, Any]]:
    """The proposals about these cases, once there are so many."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        answer = await desk.http.get("/v1/matches?limit=200", headers=desk.bearer("office"))
        assert answer.status_code == 200, answer.text
        found[:] = [m for m in answer.json()["items"] if {m["one"]["case_id"]} <= set(cases)]
        return len(found) == count

    await until(there, "the likely duplicates are proposed")
    return found


async def decide(desk: Desk, match: str, key: str, **body: Any) -> Any:
    headers = desk.bearer("office") | {"idempotency-key": key}
    body |= {"occurred_at": DECIDED_AT}
    return await desk.http.post(f"/v1/matches/{match}/decisions", json=body, headers=headers)


async def test_a_likely_duplicate_is_proposed_and_merged_by_a_person(desk: Desk) -> None:
    first = (await desk.post(likely("like-1", "欧阳一二"))).json()["case_id"]
    second = (await desk.post(likely("like-2", "欧阳一二", amount_fen=1_250_000))).json()["case_id"]

    (match,) = await matches(desk, first, second)
    again = await desk.http.get("/v1/matches", headers=desk.bearer("410185004"))
    wrong = await desk.http.get("/v1/matches?limit=x", headers=desk.bearer("office"))
    merged = await decide(desk, match["id"], "m1", decision="merge")
    repeated = await decide(desk, match["id"], "m1", decision="merge")

    assert match["parts"]["person"] == match["parts"]["phone"] == 100
    assert "欧阳" not in str(match)
    assert again.status_code == 403
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/query/limit")
    assert merged.status_code == 202, merged.text
    assert repeated.json() == merged.json()
    case = merged.json()["case_id"]
    assert case == second, "the later one goes on under the earlier"
    (approved,) = [e for e in await desk.events(case) if e.type == "MergeApproved"]
    assert approved.data.same == {"1": "1"}  # type: ignore[union-attr]
    assert [e.type for e in await desk.events(first)] == ["ComplaintReceived"]


async def test_a_dismissed_match_stays_dismissed_also_after_a_kill(desk: Desk) -> None:
    cases = [
        (await desk.post(likely(ref, "司马三四"))).json()["case_id"] for ref in ("dis-1", "dis-2")
    ]
    (match,) = await matches(desk, *cases)

    dismissed = await decide(desk, match["id"], "d1", decision="dismiss", reason="两个人")
    desk.kill()
    await desk.start()
    third = (await desk.post(likely("dis-3", "司马三四"))).json()["case_id"]
    found = await matches(desk, *cases, third, count=2)

    assert dismissed.status_code == 202, dismissed.text
    assert match["id"] not in [item["id"] for item in found]


async def test_comparing_is_masked_and_on_record_and_hides_who_reported(desk: Desk) -> None:
    one = (await desk.post(likely("cmp-1", "诸葛五六"))).json()["case_id"]
    two = (await desk.post(likely("cmp-2", "诸葛五六"))).json()["case_id"]
    (match,) = await matches(desk, one, two)

    answer = await desk.http.post(
        f"/v1/matches/{match['id']}/compare",
        json={"reason": "核对"},
        headers=desk.bearer("office"),
    )

    assert answer.status_code == 200, answer.text
    side = answer.json()["one"]["fields"]
    assert side["contact"]["name"] == "诸***"
    assert "诸葛五六" not in answer.text
    for case in (one, two):
        assert [e.type for e in await desk.events(case)].count("PiiAccessed") == 1


async def test_a_merge_into_what_does_not_go_on_is_refused(desk: Desk) -> None:
    case, ended = [
        (await desk.post(complaint(ref))).json()["case_id"] for ref in ("into-1", "into-2")
    ]
    await desk.fact(
        f"/v1/cases/{ended}/events",
        "ComplaintNotAccepted",
        {"reason": "NOT_WAGES"},
        by=CLERK,
        occurred_at=yesterday(),
    )

    async def merge(master: str, **data: Any) -> str:
        answer = await desk.fact(
            f"/v1/cases/{case}/events",
            "MergeApproved",
            {"master": master} | data,
            key=f"into-{master}-{data}",
            by=OFFICE,
            occurred_at=yesterday(),
        )
        return str(answer.json().get("code", "OK"))

    assert await merge("nobody") == "UNKNOWN_CASE"
    assert await merge(ended) == "MASTER_ENDED"
    assert await merge(case) == "SAME_CASE"
    open_case = (await desk.post(complaint("into-3"))).json()["case_id"]
    assert await merge(open_case, same={"1": "7"}) == "UNKNOWN_LINE"
    assert await merge(open_case, same={"1": "1"}) == "OK"
