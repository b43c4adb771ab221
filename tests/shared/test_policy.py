"""The policy book: read, typed, hashed, adopted; and that the shipped one is complete."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from shared.events import Event, PolicyAdopted
from shared.policy import (
    Policy,
    PolicyError,
    adopt,
    adopted,
    book_of,
    check_book,
    content_hash,
    parse_yaml,
    read_book,
)

BOOK = "dengfeng-2021-35"
RAW = read_book(BOOK)
ADOPTED_AT = datetime(2021, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return adopt(RAW, ADOPTED_AT, "adoption")


def changed(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy(RAW) | parts


class TestReading:
    def test_the_files_of_a_folder_are_one_book(self) -> None:
        assert RAW["id"] == BOOK
        assert {"organisation", "calendar", "campaign", "timers", "ladder", "routing"} <= RAW.keys()

    def test_an_unknown_book_is_named(self) -> None:
        with pytest.raises(PolicyError, match="no-such-book"):
            read_book("no-such-book")

    def test_a_mistake_in_a_file_is_named_with_its_line(self) -> None:
        with pytest.raises(PolicyError, match=r"x/timers.yaml line 2"):
            parse_yaml("timers:\n  - {id: T01, name: [}\n", "x/timers.yaml")
        with pytest.raises(PolicyError, match="a mapping"):
            parse_yaml("- 1\n", "x/list.yaml")

    def test_dates_are_read_as_text(self) -> None:
        assert parse_yaml("day: 2021-12-31", "x.yaml") == {"day": "2021-12-31"}

    @pytest.mark.parametrize(
        ("parts", "where"),
        [
            ({"handling": {**RAW["handling"], "urgent_handle_wd": "five"}}, "urgent_handle_wd"),
            ({"handling": {**RAW["handling"], "typo": 1}}, "handling/typo"),
            ({"timers": [{"id": "T01"}]}, "timers/0/name"),
            ({"id": "No Spaces"}, "^id"),
        ],
    )
    def test_a_wrong_field_is_named(self, parts: dict[str, Any], where: str) -> None:
        with pytest.raises(PolicyError, match=where):
            check_book(changed(**parts))

    def test_a_book_that_was_adopted_before_it_had_a_number_means_what_was_done_then(self) -> None:
        later = {"supplement_tries": 3, "unreached_days": 2}
        numbers = {key: n for key, n in RAW["handling"].items() if key not in later}
        older = check_book(changed(handling=numbers)).handling
        assert {key: getattr(older, key) for key in later} == later
        assert {key: RAW["handling"][key] for key in later} == later


def files(**changes: tuple[str, str]) -> dict[str, str]:
    """The book's files with one place of some of them written otherwise."""
    folder = resources.files("shared") / "policies" / BOOK
    texts = {
        entry.name: entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    for name, (old, new) in changes.items():
        assert old in texts[f"{name}.yaml"], f"{name} has no {old}"
        texts[f"{name}.yaml"] = texts[f"{name}.yaml"].replace(old, new, 1)
    return texts


MISTAKES = [
    # (file, what stands there, what is written instead, what is said of it)
    ("timers", "id: T04, name: 研判", "id: T04, nam: 研判", "nam"),
    ("timers", "ladder: own_event", "ladder: nowhere", "there is no ladder nowhere"),
    ("routing", "department: 市农委", "department: 市农机局", "市农机局 is no department"),
    ("routing", "co: [市应急局]", "co: [TF8]", "TF8 is no unit"),
    ("routing", "registered_to: TF7", "registered_to: TF9", "TF9 is no task force"),
    ("routing", "confidence_ppm: 800000", "confidence_ppm: 8000000", "parts of a million"),
    (
        "organisation",
        "lead_units: [市教育局]",
        "lead_units: [市体育局]",
        "市体育局 is no",
    ),
    ("organisation", '"410185002"', '"410185001"', "410185001 is there twice"),
    ("gazetteer", '"410185204"', '"410185299"', "410185299 is no township"),
    ("lexicon", "lead: TF2", "lead: TF12", "TF12 is no task force"),
    ("groups", "G2: 30", "G2: 5", "G2 begins above G1"),
    ("score", "phase: P4", "phase: P5", "there is no phase P5"),
    ("handling", "reopen_cd: 30", "reopen_cd: month", "reopen_cd"),
    ("handling", "petition_sources: [gjxf", "petition_sources: [gjxff", "gjxff is no source"),
]


class TestMistakes:
    @pytest.mark.parametrize(("name", "old", "new", "said"), MISTAKES)
    def test_a_mistake_is_named_with_its_file_and_line(
        self, name: str, old: str, new: str, said: str
    ) -> None:
        texts = files(**{name: (old, new)})
        line = texts[f"{name}.yaml"][: texts[f"{name}.yaml"].rindex(new)].count("\n") + 1

        with pytest.raises(PolicyError, match=said) as error:
            book_of(texts, BOOK)

        assert str(error.value).startswith(f"{BOOK}/{name}.yaml line {line}: ")

    def test_the_book_itself_has_none(self) -> None:
        assert book_of(files(), BOOK) == RAW


class TestIdentity:
    def test_the_hash_is_of_the_content_in_any_order(self) -> None:
        backwards = dict(reversed(list(RAW.items())))
        assert content_hash(backwards) == content_hash(RAW)
        assert content_hash(changed(title="another")) != content_hash(RAW)

    def test_a_decision_names_book_and_hash(self, policy: Policy) -> None:
        assert policy.ref == f"{BOOK}@{content_hash(RAW)}"
        assert policy.ref.startswith(f"{BOOK}@sha256:")

    def test_what_the_log_says_was_adopted(self) -> None:
        event = _adoption(content_hash(RAW))
        policy = adopted(event)
        assert (policy.adopted_at, policy.adoption_id) == (ADOPTED_AT, "e")
        assert policy.timers["T09"].length.n == 10

    def test_a_content_that_does_not_fit_its_hash_is_refused(self) -> None:
        with pytest.raises(PolicyError, match="does not have the hash"):
            adopted(_adoption("sha256:0"))


def _adoption(digest: str) -> Event:
    data = PolicyAdopted(book=BOOK, hash=digest, content=RAW)
    return Event(id="e", subject="governance", time=ADOPTED_AT, recordedtime=ADOPTED_AT, data=data)


class TestCampaign:
    def test_phases_and_days_between_them(self, policy: Policy) -> None:
        phases = [
            (day, phase.id if (phase := policy.phase_of(date.fromisoformat(day))) else None)
            for day in ("2021-11-09", "2021-11-10", "2021-12-31", "2022-02-06", "2022-02-07")
        ]
        assert [phase for _, phase in phases] == [None, "P1", "P1", "P2", "P3"]
        assert policy.phase_of(date(2022, 5, 1)) is None

    @pytest.mark.parametrize(
        ("tier", "received", "cap", "grace"),
        [
            ("NAT", "2021-12-28T23:59:59+08:00", "A2", None),
            ("NAT", "2021-12-29T00:00:00+08:00", "A5", "A2"),
            ("CITY", "2021-12-29T00:00:00+08:00", "A5", None),
            ("NAT", "2022-01-01T00:00:00+08:00", "A5", None),
            ("CITY", "2022-01-31T23:59:59+08:00", "A7", "A5"),
            ("CITY", "2022-02-01T00:00:00+08:00", "A7", None),
            ("CITY", "2022-03-31T12:00:00+08:00", None, "A7"),
            ("CITY", "2022-04-01T00:00:00+08:00", None, None),
        ],
    )
    def test_cap_and_grace(
        self, policy: Policy, tier: str, received: str, cap: str | None, grace: str | None
    ) -> None:
        at = datetime.fromisoformat(received)
        found = policy.cap_of(tier, at)
        assert (found.id if found else None) == cap
        assert policy.grace_of(tier, at) == grace

    def test_dates_are_missed_at_their_end(self, policy: Policy) -> None:
        assert policy.date_end("A5") == datetime.fromisoformat("2022-02-01T00:00:00+08:00")
        assert policy.date_end("A8") == datetime.fromisoformat("2022-05-01T00:00:00+08:00")


class TestCompleteness:
    def test_every_timer_of_the_papers(self, policy: Policy) -> None:
        numbers = {*range(1, 19), *range(20, 25), *range(30, 44), *range(50, 57)}
        assert set(policy.timers) == {f"T{number:02}" for number in numbers}

    def test_only_the_internal_timers_wait_for_a_late_recording(self, policy: Policy) -> None:
        internal = {timer.id for timer in policy.content.timers if timer.clock == "internal"}
        assert internal == {f"T{number:02}" for number in (*range(1, 19), 55, 56)}

    def test_every_ladder_that_a_timer_names(self, policy: Policy) -> None:
        ladders = policy.content.ladder.ladders
        for timer in policy.content.timers:
            assert timer.ladder in ladders, timer.id
        for name in ("stops_at_l4", "own_event"):
            assert f"{name}_short" in ladders
        assert "stops_at_l4_hours" in ladders

    def test_levels_of_a_ladder_rise(self, policy: Policy) -> None:
        for name, ladder in policy.content.ladder.ladders.items():
            levels = [rung.level for rung in ladder.rungs]
            assert levels == sorted(set(levels)), name

    def test_22_units_and_a_post_for_each_task_force(self, policy: Policy) -> None:
        assert len(policy.units) == 22
        assert len(policy.townships) == 15
        assert policy.task_forces["TF4"].leader_post.startswith("副市长")
        assert {"convener", "vice_convener"} <= policy.content.organisation.posts.keys()

    def test_a_number_is_said_once_or_twice_alike(self, policy: Policy) -> None:
        handling, timers = policy.content.handling, policy.timers
        assert handling.suspension_max_wd == timers["T17"].length.n
        assert handling.extension_wd == timers["T11"].length.n
        assert handling.reopen_cd == timers["T15"].length.n
        assert handling.rectification_wd == timers["T55"].length.n
        outer = timers["T50"].outer
        assert outer is not None
        assert handling.incident_update_hours == outer.n

    def test_the_book_is_package_data(self) -> None:
        folder = Path(__file__).parents[2] / "shared" / "policies" / BOOK
        assert {path.suffix for path in folder.iterdir()} == {".yaml", ".md"}
