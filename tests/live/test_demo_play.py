"""A story through the four real services gives what the same story gives in continuous time."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest

from infra import export, simulator
from infra.dry_run import DryRun
from infra.keyring import ensure_keys, read_keys
from infra.play import play_on
from infra.stack import LocalStack
from infra.stack.services import Services
from infra.stage import Stage
from infra.story import Line, read_story
from shared.envelope import case_id_of, from_document
from shared.events import Decision, Event
from shared.policy import adopt, read_book
from shared.roles import By
from shared.settings import Settings
from shared.streams import kind_of

pytestmark = pytest.mark.live

CASES = 14
SAID = (
    *("timer", "step", "item", "level", "due_at", "started_at", "cap", "task_force", "department"),
    *("township", "rule", "kind", "reason", "reasons", "code", "n", "workers", "limb"),
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """The first cases of a made-up campaign, with everything that their handlers do by January."""
    plan = simulator.plan(4, "small")
    labels = list(
        dict.fromkeys(line["case"] for line in plan if line["type"] == "ComplaintReceived")
    )
    kept = [line for line in plan if line["case"] in labels[:CASES] and line["at"] < "2022-01-01"]
    file = tmp_path_factory.mktemp("story") / "story.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
    return read_story(file)


@dataclass
class Played:
    code: int
    stage: Stage
    log: list[dict[str, Any]]
    printed: str

    @property
    def events(self) -> list[Event]:
        return [from_document(line["event"]) for line in self.log]


@pytest.fixture(scope="module")
async def played(
    stack: LocalStack, module_settings: Settings, lines: list[Line]
) -> AsyncIterator[Played]:
    settings = module_settings.model_copy(update={"clock": "log", "clock_start": lines[0].at})
    ensure_keys(settings)
    services = Services(settings, settings.data_dir / "run", settings.data_dir / "log")
    services.start()
    try:
        stage = Stage(settings, stack, services)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = await play_on(stage, lines, lines[-1].at)
        log: list[dict[str, Any]] = []
        await export.write(settings, lambda raw: log.extend(json.loads(line) for line in raw))
        yield Played(code, stage, log, printed.getvalue())
    finally:
        services.stop()


def said(event: Event, labels: dict[str, str]) -> tuple[Any, ...]:
    """What a decision says, without ids that follow from when intake wrote a fact."""
    data = event.data.model_dump(mode="json")
    if str(data.get("item")).startswith("group:"):
        data["item"] = data["item"].partition("|")[2]  # Its hash is keyed, so nobody's but theirs.
    kept = tuple((name, str(data[name])) for name in SAID if data.get(name) is not None)
    return (labels.get(event.subject, event.subject), event.type, event.time.isoformat(), kept)


async def test_the_real_services_decide_what_the_dry_run_decides(
    played: Played, lines: list[Line]
) -> None:
    dry = DryRun(lines, adopt(read_book(simulator.BOOK), lines[0].at, "tests"))
    dry.play(lines[-1].at)
    labels = {case_id: label for label, case_id in dry._ids.items()}

    def decisions(events: list[Event]) -> Counter[tuple[Any, ...]]:
        return Counter(
            said(event, labels)
            for event in events
            if isinstance(event.data, Decision) and kind_of(event.subject) not in ("match", "group")
        )

    want, found = decisions(dry.world.log), decisions(played.events)
    assert sum(want.values()) > 200
    assert found - want == Counter()
    assert want - found == Counter()
    assert played.code == (1 if dry.refused else 0)


async def test_the_clock_ends_at_the_last_line_and_every_decision_is_in_time(
    played: Played, lines: list[Line]
) -> None:
    by_partition: dict[tuple[str, int], datetime] = {}
    for line, event in zip(played.log, played.events, strict=True):
        place = (line["topic"], line["partition"])
        assert event.recordedtime >= by_partition.get(place, event.recordedtime), "time falls"
        by_partition[place] = event.recordedtime
        if isinstance(event.data, Decision):
            assert event.recordedtime == event.time, "in lockstep a step is decided at its instant"
    assert max(event.recordedtime for event in played.events) == lines[-1].at


async def test_the_api_then_answers(played: Played, lines: list[Line]) -> None:
    settings = played.stage.settings
    headers = read_keys(settings).headers(By("联席办", "office"))
    async with httpx.AsyncClient(base_url=settings.url("reporting"), headers=headers) as api:
        page = (await api.get("/v1/cases")).json()
        ranking = (await api.get("/v1/rankings/townships")).json()
    received = {line.case for line in lines if line.type == "ComplaintReceived"}
    assert page["total"] == len(received)
    assert len(ranking["items"]) == 15


def test_labels_and_case_ids_are_printed(played: Played, lines: list[Line]) -> None:
    printed = dict(line.split("\t") for line in played.printed.splitlines())
    for line in lines:
        if line.type == "ComplaintReceived":
            case_id = case_id_of(line.data["source"], line.data["source_ref"])
            assert printed[line.case] == case_id
