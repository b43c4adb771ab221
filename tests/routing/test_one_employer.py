"""A group of one employer by its code and by its names (domain 2.3, 2.14, scenario 9)."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.world import World
from services.routing.decider import group
from shared import events as ev
from shared.envelope import derived_id
from shared.events import AnyData, Event
from shared.settle import Books
from tests.routing.scattered import Scattered
from tests.routing.spec import complaint, policy, when
from tests.routing.test_match_and_group import case, found, line, of_case, received, world

CODE, NAME, OTHER = "group:code", "group:name", "group:other"
"""Of one month: an employer by its unified social credit code, by its name, by another spelling."""
BY = {"c": [CODE], "n": [NAME], "b": [CODE, NAME], "o": [CODE, OTHER], "x": [OTHER]}
"""What a complaint knows: the code, the name, both, the code and another spelling, only that."""


def told_of(name: str, by: str, at: str, *workers: str, **fields: Any) -> Event:
    return received(name, at, *workers, group_keys=BY[by], **fields)


def by_turns(how: str, *, first: int = 0) -> list[Event]:
    """Complaints C0, C1.. of one worker each, an hour apart, each by its own keys."""
    return [
        told_of(f"C{n}", by, f"2021-11-{22 + n // 12:02d} {9 + n % 12:02d}:00", f"w{n}")
        for n, by in enumerate(how, first)
    ]


def groups(city: World) -> list[tuple[str, str, int, list[str]]]:
    """Of each group its leading case, level and workers when it formed, and who joined it."""
    result: list[tuple[str, str, int, list[str]]] = []
    for event in found(city, ev.GroupFormed):
        assert isinstance(event.data, ev.GroupFormed)
        joined = [e.subject for e in found(city, ev.GroupJoined) if e.decider == event.decider]
        result.append((event.subject, event.data.level, event.data.workers, sorted(joined)))
    return result


def cases(*numbers: int) -> list[str]:
    return sorted(case(f"C{n}") for n in numbers)


@pytest.mark.parametrize(
    "how",
    [
        "bn" * 6,
        "nb" * 6,
        "b" * 6 + "n" * 6,
        "n" * 6 + "b" * 6,
        "bcn" * 4,
        "ccccbnnnnnbb",
        "bxonbxonbxon",
    ],
)
def test_who_names_the_code_and_who_names_the_employer_are_one_group(how: str) -> None:
    lines = by_turns(how)

    city = world(*lines)

    assert groups(world(*lines[:9])) == []
    assert groups(city) == [(case("C0"), "G1", 10, cases(*range(1, 12)))]
    assert found(city, ev.GroupFormed)[0].time == lines[9].recordedtime


def test_one_worker_by_the_code_and_by_the_name_counts_once() -> None:
    lines = [
        told_of(f"C{n}", by, f"2021-11-22 {9 + n:02d}:00", "w1", f"x{n}")
        for n, by in enumerate("bnbnbnbn")
    ]

    assert groups(world(*lines)) == []


def test_a_group_that_formed_by_the_name_takes_who_names_the_code() -> None:
    city = world(*by_turns("n" * 10 + "bbcbn"))

    assert groups(city) == [(case("C0"), "G1", 10, cases(*range(1, 15)))]


def test_a_group_that_formed_by_the_code_takes_who_gives_only_the_name() -> None:
    city = world(*by_turns("c" * 10 + "nnbn"))

    assert groups(city) == [(case("C0"), "G1", 10, cases(*range(1, 14)))]


def test_of_two_groups_that_prove_to_be_of_one_employer_one_takes_the_other_in() -> None:
    """Ten by the code and ten by a name, before anybody names both."""
    city = world(*by_turns("cn" * 10), *by_turns("bn", first=20))

    first, second = groups(city)
    assert first == (case("C0"), "G1", 10, cases(*range(1, 22)))
    assert second == (case("C1"), "G1", 10, cases(*range(3, 20, 2)))
    leaders = {leader.master for leader in city.state("supervision", case("C1")).leaders}
    assert leaders == {case("C0")}, "it tells the case that leads now whether its workers are paid"


def test_a_higher_level_is_reached_by_the_workers_of_both_once() -> None:
    lines = [
        told_of(f"C{n}", by, f"2021-11-22 {9 + n:02d}:00", f"w{n}", workers=8)
        for n, by in enumerate("bnbn")
    ]
    city = world(*lines)

    (changed,) = found(city, ev.GroupLevelChanged)
    assert isinstance(changed.data, ev.GroupLevelChanged)
    assert (changed.subject, changed.data.level, changed.data.workers) == (case("C0"), "G2", 32)
    assert len(found(city, ev.GroupFormed)) == 1


def test_one_that_was_refused_is_no_member_by_its_name_either() -> None:
    refused = of_case("C1", ev.ComplaintNotAccepted(reason="NOT_WAGES"), "2021-11-22 10:30")
    lines = by_turns("nnbbnnbbnn")
    city = world(*lines[:2], refused, *lines[2:])

    assert groups(city) == []


def test_one_that_is_separated_counts_by_its_name_from_then_on() -> None:
    city = world(
        received("M", "2021-11-22 08:00", "w9"),
        told_of("A", "n", "2021-11-22 09:00", "w1", workers=6),
        of_case("A", ev.MergeApproved(master=case("M")), "2021-11-22 10:00"),
        told_of("B", "b", "2021-11-22 11:00", "w2", workers=6),
        of_case("A", ev.MergeRevoked(), "2021-11-24 09:00"),
    )

    (formed,) = found(city, ev.GroupFormed)
    assert (formed.subject, formed.time) == (case("A"), when("2021-11-24 09:00"))


def test_a_group_of_both_forms_anew_where_its_leading_case_ended_unpaid() -> None:
    refused = of_case("C0", ev.ComplaintNotAccepted(reason="NOT_WAGES"), "2021-11-23 12:00")
    city = world(*by_turns("nb" * 6), refused)

    first, again = found(city, ev.GroupFormed)
    assert isinstance(again.data, ev.GroupFormed)
    assert (again.subject, again.data.formation, again.data.workers) == (case("C1"), 2, 11)
    rejoined = [e.subject for e in found(city, ev.GroupJoined) if e.data.formation == 2]  # type: ignore[union-attr]
    assert sorted(rejoined) == cases(*range(2, 12))
    assert first.subject == case("C0")


def test_a_name_that_two_codes_share_stands_for_the_first_that_it_was_named_with() -> None:
    """Two employers are not made one by a name; who gives only the name is counted once."""
    second = [
        received(f"D{n}", f"2021-11-23 {9 + n:02d}:00", f"v{n}", group_keys=["group:code-2", NAME])
        for n in range(8)
    ]
    city = world(*by_turns("bbbbbb"), *second, *by_turns("nnn", first=24))

    assert groups(city) == []


def test_it_costs_one_event_a_name_where_every_complaint_names_both() -> None:
    """And none where it knows only the code, or only the name."""

    def registered(how: str) -> int:
        return len(found(world(*by_turns(how)), ev.MatchRegistered))

    plain = registered("c" * 8)
    assert registered("n" * 8) == plain
    assert registered("b" * 8) == plain + 1


class Scene:
    """Complaints by code, name and both, acts upon them, into streams that publish in any order."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.city = Scattered(Books([policy()]), self.chance, when("2021-11-22 09:00"))
        self.names: list[str] = []
        self.count = 0

    def fact(self, name: str, data: AnyData) -> None:
        self.count += 1
        self.city.now += timedelta(minutes=self.chance.choice((0, 1, 30)))
        now = self.city.now
        number = derived_id("fact", str(self.count))
        self.city.fact(Event(id=number, subject=case(name), time=now, recordedtime=now, data=data))

    def receive(self) -> None:
        name = f"C{len(self.names)}"
        self.names.append(name)
        worker = f"w{self.chance.randrange(30)}-{name}"
        told = complaint(
            source_ref=name,
            claims=[line(worker) | {"match_keys": []}],
            workers=self.chance.choice((1, 1, 2, 4)),
            group_keys=BY[self.chance.choice("ccnnbbox")],
        )
        self.fact(name, told)

    def act(self) -> None:
        name = self.chance.choice(self.names)
        state = self.city.file(case(name)).state
        if state == "RECEIVED" and self.chance.random() < 0.4:
            self.fact(name, ev.ComplaintNotAccepted(reason="NOT_WAGES"))
        elif state == "RECEIVED" and self.chance.random() < 0.5:
            others = [o for o in self.names if self.city.file(case(o)).state == "RECEIVED"]
            others = [other for other in others if other != name]
            if others:
                self.fact(name, ev.MergeApproved(master=case(self.chance.choice(others))))
        elif state == "MERGED":
            self.fact(name, ev.MergeRevoked())

    def live(self, acts: int) -> None:
        for _ in range(acts):
            if not self.names or self.chance.random() < 0.7:
                self.receive()
            else:
                self.act()
            self.city.step(self.chance.choice((0, 1, 3, 12)))
        for name in ("last", "of all"):
            # Whoever names the code with either name has said by now that they are one employer.
            self.names.append(name)
            keys = BY["b" if name == "last" else "o"]
            self.fact(name, complaint(source_ref=name, claims=[], workers=1, group_keys=keys))
        self.city.quiet()


def check_groups(scene: Scene) -> None:
    """The law: one stream counts them all, each once, under one leading case of the right level."""
    streams = {
        key: scene.city.streams[key].state
        for key in (CODE, NAME, OTHER)
        if key in scene.city.streams
    }
    roots = [state for state in streams.values() if state.follows is None]
    assert len(roots) == 1, "one stream counts them all"
    root = roots[0]
    members = [each.case for each in root.members]
    assert len(members) == len(set(members)), "nobody is counted twice"
    counting = {case(n) for n in scene.names if scene.city.file(case(n)).state == "RECEIVED"}
    assert {each.case for each in root.members if each.counts} == counting, "nobody is forgotten"
    workers = sum(each.heads for each in root.members if each.counts)
    leads = root.master is not None
    assert leads or workers < 10
    if leads:
        formed = [e for e in scene.city.log[root.master] if isinstance(e.data, ev.GroupFormed)]
        assert root.subject in {e.decider for e in formed}
        assert set(root.joined) >= counting - {root.master}
        assert root.master in counting
    for state in streams.values():
        alone = [e.heads for e in state.members]
        assert not state.formations or sum(alone) >= 10


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9), acts=st.integers(1, 30))
def test_one_employer_is_one_group_in_any_order(seed: int, acts: int) -> None:
    scene = Scene(seed)

    scene.live(acts)

    check_groups(scene)
    for subject, stream in scene.city.streams.items():
        replayed = scene.city.replayed(subject)
        assert replayed.beyond == []
        assert replayed.stream.state == stream.state


def _silent(*args: Any) -> list[Event]:
    return []


def _only_who_is_new(state: Any, to: str, *, whole: Any = group._passing_on) -> list[Event]:
    return [event for event in whole(state, to) if isinstance(event.data, ev.MatchRegistered)]


def _hears_no_name(
    state: Any, event: Event, data: Any, to: str, *, whole: Any = group._linked
) -> Any:
    return state if event.decider in state.names else whole(state, event, data, to)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_words", _silent),
        ("_passing_on", _only_who_is_new),
        ("_linked", _hears_no_name),
    ],
    ids=[
        "a name is not told",
        "what becomes of a member is not told",
        "a group that formed by the name is not heard of",
    ],
)
def test_the_law_goes_red(name: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, name, fault)

    for seed in range(200):
        scene = Scene(seed)
        try:
            scene.live(30)
            check_groups(scene)
        except AssertionError:
            return
    pytest.fail("no history shows the fault")
