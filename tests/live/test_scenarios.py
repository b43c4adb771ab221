"""The acceptance scenarios of domain.md 8 through the four real services, on one log clock.

One installation plays all of them, and the published stories that lie beside the project, as
complaints and acts posted through intake's API, interleaved by their instants. What the services
decided must be what was counted by hand, and what `dry-run` decides over the same facts.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from infra import export
from infra.agenda import Cast
from infra.audit import audit_file
from infra.dry_run import DryRun
from infra.keyring import ensure_keys, read_keys
from infra.play import play_on
from infra.stack import LocalStack
from infra.stack.services import Services
from infra.stage import Stage
from infra.story import (
    CASE_FIELDS,
    LINE_FIELDS,
    Line,
    decided_line,
    decided_order,
    instant,
    read_story,
    renamed,
)
from shared.envelope import from_document
from shared.events import Decision, Event
from shared.policy import adopt, read_book
from shared.roles import By
from shared.settings import Settings
from shared.streams import kind_of
from tests.scenarios import SCENARIOS, Scenario
from tests.stories.telling import Story, full

pytestmark = pytest.mark.live

BOOK: Final = "dengfeng-2021-35"
ADOPTION: Final = "adopted"
"""What the dry run calls the event that put the book in force."""
TELLING: Final = ("timer", "step", "level", "case", "line")
"""Fields that tell one decision of a type and instant from another on its stream."""
KEYED: Final = re.compile(r"\b[0-9a-f]{32}\b")
ACCEPTANCE: Final = Path(__file__).parents[3] / "shared" / "acceptance"
CHECKER: Final = ACCEPTANCE / "check_stories.py"


def published() -> dict[str, list[Line]]:
    """By name, the published stories that say only what is done on cases, and no decision."""
    stories = {path.stem: read_story(path) for path in sorted(ACCEPTANCE.glob("stories/*.jsonl"))}
    return {
        name: lines
        for name, lines in stories.items()
        if not any(line.is_decision or kind_of(line.case) != "case" for line in lines)
    }


def apart(name: str, lines: list[Line]) -> list[Line]:
    """A story with its own labels, beside others that call their cases `A` too."""
    labels = {line.case: f"{name}-{line.case}" for line in lines}
    return [
        replace(line, case=labels[line.case], data=renamed(line.data, labels, CASE_FIELDS))
        for line in lines
    ]


def together(stories: Iterable[list[Line]]) -> list[Line]:
    """Several stories as one: lines by their instants, those of a story in its own order."""
    told = [(line.at, which, line) for which, lines in enumerate(stories) for line in lines]
    numbers: dict[int, dict[str, str]] = {}
    merged: list[Line] = []
    for _, which, line in sorted(told, key=lambda entry: entry[0]):
        new = numbers.setdefault(which, {})
        new[str(line.number)] = str(len(merged) + 1)
        data = renamed(line.data, new, LINE_FIELDS)
        merged.append(replace(line, number=len(merged) + 1, data=data))
    return merged


@dataclass(frozen=True)
class Told:
    """A log and what its cases are called."""

    events: list[Event]
    labels: dict[str, str]

    def lines(self, until: str, wanted: Callable[[str], bool] = lambda _: True) -> list[Any]:
        """What was decided up to an instant, as `dry-run` prints it; `wanted`: by label."""
        end = instant(until, "until")
        kept = [
            event
            for event in decisions(self.events)
            if event.time <= end and wanted(self.labels.get(event.subject, event.subject))
        ]
        kept.sort(key=lambda event: decided_order(event, self.labels))
        return [decided_line(event, self.labels) for event in kept]

    def said(self) -> Counter[str]:
        """Each decision whole, an event's id told by what it is the id of: it follows from when
        intake wrote a fact. The keyed hashes are an installation's own and not told.
        """
        seen: Counter[tuple[str, str]] = Counter()
        names = {ADOPTION: "governance PolicyAdopted 1"}
        for event in self.events:
            label = self.labels.get(event.subject, event.subject.partition(":")[0])
            if isinstance(event.data, Decision):
                parts = (getattr(event.data, name, "") for name in TELLING)
                said = " ".join(self.labels.get(str(part), str(part)) for part in parts)
                names[event.id] = f"{label} {event.type} {event.time} {said}"
            else:
                seen[label, event.type] += 1
                names[event.id] = f"{label} {event.type} {seen[label, event.type]}"
        return Counter(
            json.dumps(_named(decided_line(event, self.labels), names), ensure_ascii=False)
            for event in decisions(self.events)
        )


def decisions(events: list[Event]) -> list[Event]:
    return [
        event
        for event in events
        if isinstance(event.data, Decision) and kind_of(event.subject) not in ("match", "group")
    ]


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        # A worker's is shortened.
        told = value | ({"worker": "keyed"} if value.get("worker") else {})
        return {key: _named(item, names) for key, item in told.items()}
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, str):
        return "|".join(_name(part, names) for part in value.split("|"))
    return value


def _name(part: str, names: dict[str, str]) -> str:
    return KEYED.sub("keyed", names.get(part, part))


@dataclass(frozen=True)
class Played:
    """What came of it: the services' log as it was exported, and the dry run's."""

    code: int
    settings: Settings
    export: Path
    lines: list[Line]
    live: Told
    dry: Told
    refused: list[dict[str, Any]]


@pytest.fixture(scope="module")
async def played(
    stack: LocalStack, module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Played:
    folder = tmp_path_factory.mktemp("scenarios")
    stories = [apart(name, lines) for name, lines in published().items()]
    for scenario in SCENARIOS:
        story = Story(folder, name=scenario.name)
        scenario.given(story)
        stories.append(story.lines)
    lines = together(stories)
    end = max(instant(full(scenario.until), "until") for scenario in SCENARIOS)
    labels = {case_id: label for label, case_id in Cast(lines).case_ids.items()}

    policy = adopt(read_book(BOOK), lines[0].at, ADOPTION)
    dry = DryRun(lines, policy)
    dry.play(end)

    settings = module_settings.model_copy(update={"clock": "log", "clock_start": lines[0].at})
    ensure_keys(settings)
    services = Services(settings, settings.data_dir / "run", settings.data_dir / "log")
    services.start()
    try:
        code = await play_on(Stage(settings, stack, services), lines, end)
        path = folder / "export.jsonl"
        with path.open("wb") as out:
            await export.write(settings, out.writelines)
    finally:
        services.stop()
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    live = Told([from_document(record["event"]) for record in records], labels)
    return Played(code, settings, path, lines, live, Told(dry.world.log, labels), dry.refused)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.name))
def test_the_services_decide_what_was_counted_by_hand(
    played: Played, scenario: Scenario, tmp_path: Path
) -> None:
    story = Story(tmp_path, name=scenario.name)
    story.out = played.live.lines(full(scenario.until))
    scenario.then(story)


def test_the_services_decide_what_the_dry_run_decides(played: Played) -> None:
    want, found = played.dry.said(), played.live.said()
    assert sorted((found - want).elements()) == []
    assert sorted((want - found).elements()) == []
    assert sum(want.values()) > 1000
    assert (played.refused, played.code) == ([], 0)


def test_every_step_is_decided_once_at_its_instant_and_the_log_decides_itself_again(
    played: Played,
) -> None:
    """Scenario 2: each level exactly once, also after a full replay."""
    own = [event for event in played.live.events if isinstance(event.data, Decision)]
    assert [event for event in own if event.recordedtime != event.time] == []
    assert len({event.id for event in own}) == len(own)
    audit = audit_file(played.export)
    assert audit.clean, audit.report()


def test_every_fact_came_in_with_a_key_of_its_own_unit_and_role(played: Played) -> None:
    keys = read_keys(played.settings)
    facts = [
        event
        for event in played.live.events
        if not isinstance(event.data, Decision) and kind_of(event.subject) != "governance"
    ]
    assert len(facts) == len(played.lines)
    strangers = {(event.unit, event.role): event.type for event in facts}
    assert [by for by in strangers if not keys.has(By(by[0], by[1]))] == []  # type: ignore[arg-type]


@pytest.mark.skipif(
    not CHECKER.is_file(), reason="the acceptance stories are not beside the project"
)
def test_every_published_story_holds_on_the_log_of_the_services(
    played: Played, tmp_path: Path
) -> None:
    """Their own checker reads from the exported log what `dry-run` would have printed."""
    stories, answers = tmp_path / "stories", tmp_path / "answers"
    stories.mkdir()
    answers.mkdir()
    for name, lines in published().items():
        for suffix in (".jsonl", ".expect.json"):
            shutil.copy(ACCEPTANCE / "stories" / f"{name}{suffix}", stories)
        until = json.loads((stories / f"{name}.expect.json").read_bytes())["until"]
        ids = Cast(apart(name, lines)).case_ids
        labels = {case_id: label.removeprefix(f"{name}-") for label, case_id in ids.items()}
        told = Told(played.live.events, labels)
        out = told.lines(until, set(labels.values()).__contains__)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in out)
        (answers / f"{name}.jsonl").write_text(text, "utf-8")
    answer = shlex.join(["/bin/sh", "-c", 'cat "$0/$(basename "$2")"', str(answers)])
    command = [sys.executable, "-B", str(CHECKER), "--dir", str(stories), "--cmd", answer]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("stories: ")
