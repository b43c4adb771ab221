"""Warnings by the rules of the book: each rule's edge, what does not count, and its back-test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.reporting import answers
from services.reporting.prevention import Hit, answer, back_test, by, fold, hits, warnings
from shared.calendar import ZONE
from shared.policy import Policy, WarningRule
from tests.infra.stories import Told, complaint, line
from tests.reporting import histories
from tests.reporting.conftest import Read

START = datetime(2021, 11, 15, 9, 0, tzinfo=ZONE)
DAY = timedelta(days=1)


class Log:
    """Rows as reporting stores them. Days count from 2021-11-15 09:00."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, case: str, day: float, type_: str, **data: Any) -> Log:
        at = START + day * DAY
        self.rows.append(
            {
                "subject": case,
                "type": type_,
                "at": at,
                "recorded_at": at,
                "data": orjson.dumps(data).decode(),
            }
        )
        return self

    def but(self, case: str, day: float, type_: str, **data: Any) -> Log:
        """The same log and one event more."""
        copy = Log()
        copy.rows = list(self.rows)
        return copy.add(case, day, type_, **data)

    def received(
        self, case: str, day: float, employer: str = "E", project: str | None = None
    ) -> Log:
        at = (START + day * DAY).isoformat()
        fields: dict[str, Any] = {"received_at": at, "employer": {"key": employer}}
        if project:
            fields["project"] = {"key": project}
        return self.add(case, day, "ComplaintReceived", **fields)

    def paid(self, case: str, day: float, fen: int, source: str | None, name: str = "P") -> Log:
        lines = [{"line": "1", "amount_fen": fen}]
        return self.add(case, day, "PaymentVerified", payment=name, lines=lines, source=source)

    def hits(self, policy: Policy, name: str, day: float = 400) -> list[Hit]:
        (rule,) = (r for r in policy.content.prevention.warnings if r.id == name)
        return hits(rule, by(rule.of, fold(self.rows)), policy, START + day * DAY)


def told(found: Sequence[Hit]) -> list[tuple[str, list[str], float]]:
    """(key, cases, days from the start) of each hit."""
    return [(hit.key, list(hit.cases), (hit.since - START) / DAY) for hit in found]


class TestRepeat:
    def test_the_second_case_within_the_days(self, book: Policy) -> None:
        log = Log().received("a", 0).received("b", 180)
        assert told(log.hits(book, "W1")) == [("E", ["a", "b"], 180)]

    def test_a_day_later_it_is_none(self, book: Policy) -> None:
        assert Log().received("a", 0).received("b", 180.01).hits(book, "W1") == []

    def test_one_case_or_another_employer_s(self, book: Policy) -> None:
        assert Log().received("a", 0).received("b", 1, "F").hits(book, "W1") == []

    def test_what_was_no_claim_does_not_count(self, book: Policy) -> None:
        log = Log().received("a", 0).received("b", 1)
        gone: tuple[tuple[str, dict[str, Any]], ...] = (
            ("ComplaintNotAccepted", {"reason": "NOT_WAGES"}),
            ("ComplaintMerged", {"master": "a"}),
            ("CaseClosed", {"kind": "UNFOUNDED"}),
        )
        for type_, data in gone:
            assert log.but("b", 2, type_, **data).hits(book, "W1") == []
        assert log.but("b", 2, "CaseClosed", kind="PAID_IN_FULL").hits(book, "W1")

    def test_later_cases_join_and_the_beginning_stays(self, book: Policy) -> None:
        log = Log().received("a", 0).received("b", 5).received("c", 300)
        assert told(log.hits(book, "W1")) == [("E", ["a", "b", "c"], 5)]

    def test_projects_by_their_own_rule(self, book: Policy) -> None:
        log = Log().received("a", 0, "E", "X").received("b", 90, "F", "X").received("c", 1, "G")
        assert told(log.hits(book, "W2")) == [("X", ["a", "b"], 90)]


class TestAccount:
    def test_paid_and_never_from_the_account(self, book: Policy) -> None:
        log = Log().received("a", 0, project="X").paid("a", 3, 100, "OWN")
        assert told(log.hits(book, "W3")) == [("X", ["a"], 3)]

    @pytest.mark.parametrize("source", ["SPECIAL_ACCOUNT", None])
    def test_from_the_account_or_nobody_said(self, book: Policy, source: str | None) -> None:
        log = Log().received("a", 0, project="X").paid("a", 3, 100, source)
        assert log.hits(book, "W3") == []

    def test_once_from_the_account_is_enough_and_taken_back_it_is_not(self, book: Policy) -> None:
        log = Log().received("a", 0, project="X").paid("a", 3, 100, "OWN")
        log.paid("a", 4, 100, "SPECIAL_ACCOUNT", "Q")
        assert log.hits(book, "W3") == []
        back = [{"line": "1", "amount_fen": 100}]
        log.add("a", 5, "PaymentReversed", payment="Q", lines=back)
        assert told(log.hits(book, "W3")) == [("X", ["a"], 3)]


class TestInstalments:
    def plan(self) -> Log:
        """1000 fen each on Mon 2021-12-06 and Wed 2021-12-15."""
        parts = [
            {"n": 1, "due_on": "2021-12-06", "amount_fen": 1000},
            {"n": 2, "due_on": "2021-12-15", "amount_fen": 1000},
        ]
        return Log().received("a", 0).add("a", 1, "InstalmentPlanAgreed", plan=parts)

    def near(self, log: Log, book: Policy, day: date, hour: int = 9) -> bool:
        at = datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)
        return bool(log.hits(book, "W4", (at - START) / DAY))

    def test_three_working_days_before(self, book: Policy) -> None:
        assert not self.near(self.plan(), book, date(2021, 11, 30), 23)
        assert self.near(self.plan(), book, date(2021, 12, 1), 0)
        assert self.near(self.plan(), book, date(2021, 12, 6), 23)

    def test_covered_it_is_not_and_the_next_comes_in_its_turn(self, book: Policy) -> None:
        log = self.plan().paid("a", 10, 1000, "OWN")
        assert not self.near(log, book, date(2021, 12, 2))
        assert self.near(log, book, date(2021, 12, 10))

    def test_paid_before_the_plan_covers_none(self, book: Policy) -> None:
        log = Log().received("a", 0).paid("a", 0.5, 1000, "OWN")
        log.rows += self.plan().rows[1:]
        assert self.near(log, book, date(2021, 12, 2))

    def test_a_void_plan_and_a_past_day(self, book: Policy) -> None:
        log = self.plan().add("a", 22, "InstalmentDefaulted", n=1, plan_void=True)
        assert not self.near(log, book, date(2021, 12, 14))
        assert not self.near(self.plan(), book, date(2021, 12, 20))


@pytest.mark.parametrize("type_", ["InstalmentDefaulted", "PaymentOrderDefaulted"])
def test_a_default(book: Policy, type_: str) -> None:
    log = Log().received("a", 0).add("a", 7, type_, n=1, doc_no="D")
    assert told(log.hits(book, "W5")) == [("E", ["a"], 7)]
    assert Log().received("a", 0).hits(book, "W5") == []


def test_the_emergency_fund(book: Policy) -> None:
    log = Log().received("a", 0).paid("a", 7, 100, "EMERGENCY_FUND")
    assert told(log.hits(book, "W6")) == [("E", ["a"], 7)]
    assert Log().received("a", 0).paid("a", 7, 100, "OWN").hits(book, "W6") == []


@pytest.mark.parametrize(("months", "holds"), [(2, False), (3, True)])
def test_months_in_arrears(book: Policy, months: int, holds: bool) -> None:
    lines = [{"line": "1", "amount_fen": 1, "months": months}]
    log = Log().received("a", 0).add("a", 7, "FactsVerified", lines=lines)
    assert bool(log.hits(book, "W7")) is holds


def test_back_test_counts_who_came_again_after_the_warning(book: Policy) -> None:
    """E is warned at its second case and comes a third time; F is warned and does not; G is not."""
    log = Log().received("a", 0).received("b", 5).received("c", 9)
    log.received("d", 0, "F").received("e", 3, "F").received("g", 1, "G")
    claims = fold(log.rows)
    (rule,) = (r for r in book.content.prevention.warnings if r.id == "W1")
    groups = by("employer", claims)
    tested = back_test(hits(rule, groups, book, START + 400 * DAY), groups)
    assert (tested.warned, tested.later, tested.base, tested.base_later) == (2, 1, 3, 2)


def test_every_rule_of_the_book_answers_with_its_data(book: Policy) -> None:
    log = Log().received("a", 0, project="X").received("b", 5, project="X")
    found = answer(fold(log.rows), book, START + 10 * DAY)
    rules: tuple[WarningRule, ...] = book.content.prevention.warnings
    assert [item["rule"] for item in found["rules"]] == [rule.id for rule in rules]
    assert {item["rule"] for item in found["items"]} == {"W1", "W2"}
    (first, *_) = found["items"]
    assert first["cases"] == ["a", "b"]
    assert first["since"] == "2021-11-20T01:00:00Z"
    assert found["total"]["warned"] == 1


async def test_read_as_of_an_instant(read: Read, tmp_path: Path) -> None:
    """What became known later is in no earlier answer."""
    same = complaint("A")["employer"]
    story = []
    for name, day in (("A", "11-10"), ("B", "12-10"), ("C", "12-20"), ("D", "12-21")):
        fields: dict[str, Any] = {} if name == "D" else {"employer": same}
        fields["received_at"] = f"2021-{day}T09:30:00+08:00"
        data = complaint(name, **fields)
        story.append(line(f"2021-{day}T09:30:00", name, "ComplaintReceived", **data))
    told = Told(story, tmp_path)
    await read.take([histories.records(told.log)])
    seen = []
    for number in (9, 10, 20, 21):
        as_of = datetime(2021, 12, number, 12, tzinfo=ZONE)
        async with read.reading.at(as_of) as (snapshot, cut):
            found = await warnings(snapshot, cut)
        answers.Warnings.model_validate({"meta": cut.meta, **found})
        repeated = [item for item in found["items"] if item["rule"] == "W1"]
        seen.append([(len(item["cases"]), len(item["later_cases"])) for item in repeated])
        assert all(item["since"] == "2021-12-10T01:30:00Z" for item in repeated)
    assert seen == [[], [(2, 0)], [(3, 1)], [(3, 1)]]
