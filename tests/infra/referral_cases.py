"""Real referral cases as stories: what is told of each, and what the referral rule makes of it.

Read from `../shared/data`, beside the project and never part of it. `python -m
tests.infra.referral_cases` prints the table of agreements and of what cannot be decided, with the
fact that is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import chinese_calendar
import orjson

from infra.dry_run import DryRun
from infra.story import Line
from shared.calendar import ZONE
from shared.policy import Policy, adopt, read_book

DATA: Final = Path(__file__).parents[2].parent / "shared" / "data"
CASES: Final = DATA / "referral_cases.jsonl"
REGIONS: Final = DATA / "referral_thresholds.csv"
ABSENT: Final = "the real referral cases (shared/data) are not beside the project"

DAY: Final = timedelta(days=1)
ORDER_DAYS: Final = 5
"""T23: working days to pay, where the document's own limit is not told."""
IN_FORCE: Final = date(2013, 5, 1)
SINGLE_FEN, SINGLE_MONTHS, MANY_FEN, MANY_WORKERS = 800_000, 3, 4_000_000, 10
"""Henan's figures, written down here a second time: the oracle takes nothing from the book."""


@dataclass(frozen=True)
class Case:
    """What is told of one case; None where it is not. Days are civil; `limit_on`: the last to pay.

    `lines`: (fen, whole months, heads) of each claim line.
    """

    id: str
    lines: tuple[tuple[int, int, int], ...]
    received_on: date | None
    order_on: date | None
    limit_on: date | None
    paid: bool | None
    seen_on: date | None
    outcome: str

    @property
    def heads(self) -> int:
        return sum(heads for _, _, heads in self.lines)

    @property
    def fen(self) -> int:
        return sum(fen for fen, _, _ in self.lines)


def read() -> list[Case]:
    return [_case(orjson.loads(raw)) for raw in CASES.read_bytes().splitlines()]


def _day(text: str | None) -> date | None:
    """A civil day; None where only a month is told."""
    return date.fromisoformat(text) if text is not None and len(text) == 10 else None


def _case(told: dict[str, Any]) -> Case:
    seen = [_day(told.get(key)) for key in ("referral_date", "police_filed", "arrested")]
    return Case(
        id=told["id"],
        lines=_lines(told),
        received_on=_day(told.get("received")),
        order_on=_day(told.get("order_date")),
        limit_on=_day(told.get("order_deadline")),
        paid=told.get("paid_after_order"),
        seen_on=min((day for day in seen if day is not None), default=None),
        outcome=told["outcome"],
    )


def _lines(told: dict[str, Any]) -> tuple[tuple[int, int, int], ...]:
    """One line for all, but fewer than ten workers with the months told are a line each.

    Of n workers one is owed the n-th part at least, so even shares claim no more than is told.
    """
    heads: int | None = told["workers"]
    fen = int(Decimal(str(told["amount_yuan"])) * 100)
    months = _months(told.get("arrears_from"), told.get("arrears_to"))
    if heads is None:
        return ()
    if heads < MANY_WORKERS and months:
        return ((fen // heads, months, 1),) * heads
    return ((fen, months, heads),)


def _months(first: str | None, last: str | None) -> int:
    if first is None or last is None:
        return 0
    return (int(last[:4]) - int(first[:4])) * 12 + int(last[5:7]) - int(first[5:7]) + 1


# --- the oracle ----------------------------------------------------------------------------------


def limb(case: Case) -> int | None:
    """The limb that the told sums reach (法释〔2013〕3号 3), counted without the product."""
    if any(h == 1 and m >= SINGLE_MONTHS and fen >= SINGLE_FEN for fen, m, h in case.lines):
        return 1
    return 2 if case.heads >= MANY_WORKERS and case.fen >= MANY_FEN else None


def expires_at(case: Case) -> datetime:
    """24:00 of the last day to pay: as told, else five working days after the order's day."""
    assert case.order_on is not None
    last, left = case.limit_on or case.order_on, 0 if case.limit_on else ORDER_DAYS
    while left:
        last += DAY
        left -= chinese_calendar.is_workday(last)
    return datetime.combine(last + DAY, time(0), ZONE)


def missing(case: Case) -> str | None:
    """The fact for want of which it cannot be said whether the step opens; None if it can."""
    if not case.lines:
        return "workers"
    if case.order_on is None:
        return "order_date"
    if case.paid is None:
        return "paid_after_order"
    if expires_at(case).date() < IN_FORCE:
        return "a figure of Henan in force then"
    return None


def opens_at(case: Case) -> datetime | None:
    """When the step must open by what is told; None for never."""
    if missing(case) is not None or case.paid or limb(case) is None:
        return None
    return expires_at(case)


# --- stories -------------------------------------------------------------------------------------


@cache
def book() -> dict[str, Any]:
    """The city's book with the working days of all the years in which the cases lie."""
    first, last = date(2010, 1, 1), date(2026, 12, 31)
    days = [first + n * DAY for n in range((last - first).days + 1)]
    works = {day: chinese_calendar.is_workday(day) for day in days}
    calendar = {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "rest": [day.isoformat() for day in days if day.weekday() < 5 and not works[day]],
        "makeup": [day.isoformat() for day in days if day.weekday() >= 5 and works[day]],
    }
    return read_book("dengfeng-2021-35") | {"calendar": calendar}


class Story:
    """A case told to the engine, day by day: received, accepted, verified, and ordered to pay."""

    def __init__(self, case: Case, raw: dict[str, Any] | None = None) -> None:
        self.case = case
        self._raw = raw or book()
        self._lines: list[Line] = []
        begun = case.order_on or case.received_on or date(2019, 3, 4)
        if case.received_on is not None and case.received_on < begun:
            begun = case.received_on
        morning = _at(begun, 8)
        self.add(morning, "ComplaintReceived", _complaint(case, morning))
        self.add(morning, "ComplaintAccepted", {})
        lines = [
            {"line": str(n), "amount_fen": fen, "months": months}
            for n, (fen, months, _) in enumerate(case.lines, 1)
        ]
        if lines:
            self.add(_at(begun, 9), "FactsVerified", {"lines": lines})

    def add(self, at: datetime, type_: str, data: dict[str, Any]) -> Story:
        self._lines.append(Line(0, at.astimezone(UTC), "A", type_, data, at.astimezone(UTC)))
        return self

    def issued(self) -> Story:
        """The order is written and not served."""
        assert self.case.order_on is not None
        return self.add(_at(self.case.order_on, 10), "PaymentOrderIssued", {"doc_no": "D1"})

    def served(self) -> Story:
        """The order is served on its own day; its limit as told, else the rule's."""
        assert self.case.order_on is not None
        data: dict[str, Any] = {"doc_no": "D1", "service_mode": "posted"}
        if self.case.limit_on is not None:
            data["limit_at"] = expires_at(self.case).isoformat()
        return self.add(_at(self.case.order_on, 10), "PaymentOrderServed", data)

    def paid(self, at: datetime) -> Story:
        lines = [
            {"line": str(n), "amount_fen": fen} for n, (fen, _, _) in enumerate(self.case.lines, 1)
        ]
        return self.add(at, "PaymentVerified", {"payment": "P1", "lines": lines})

    def played(self, until: datetime) -> Played:
        lines = sorted(self._lines, key=lambda line: line.at)
        lines = [replace(line, number=number) for number, line in enumerate(lines, 1)]
        policy = adopt(self._raw, lines[0].at, "replay")
        return Played(lines, policy, until)


class Played:
    """What came of a story. `opened`: the instants of ReferralThresholdMet."""

    def __init__(self, lines: list[Line], policy: Policy, until: datetime) -> None:
        run = DryRun(lines, policy, units=False)
        run.play(until.astimezone(UTC))
        out = run.output()
        self.refused = [(item["data"]["line"], item["data"]["code"]) for item in run.refused]
        self.met = [item for item in out if item["type"] == "ReferralThresholdMet"]
        self.opened = [datetime.fromisoformat(item["at"]) for item in self.met]


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE)


def _complaint(case: Case, at: datetime) -> dict[str, Any]:
    """The claim, at a building site of the city; who claimed is not told and not needed."""
    several = len(case.lines) > 1
    claims = [{"amount_fen": fen} for fen, _, _ in case.lines] if several else []
    return {
        "source": "window",
        "source_ref": case.id,
        "received_at": at.isoformat(),
        "employer": {"name": f"{case.id}公司", "ownership": "private", "industry": "4710"},
        "project": {"name": f"{case.id}号工地", "funding": "private", "kind": "housing"},
        "site": {"address": "见附件", "township": "410185109"},
        "workers": case.heads or None,
        "amount_fen": case.fen or None,
        "text": "工资被拖欠。",
    } | ({"claims": claims} if several else {})


def completed(case: Case) -> Case:
    """The same case with an order where none is told, in a year in which the figures hold."""
    if case.order_on is not None and missing(case) is None:
        return case
    return replace(case, order_on=date(2019, 3, 11), received_on=None, limit_on=None, paid=False)


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One case as the rule sees it. `verdict`: agrees, disagrees or undecidable."""

    case: Case
    opened_at: datetime | None
    verdict: str
    missing: str | None


def row(case: Case) -> Row:
    story = Story(case)
    if case.order_on is not None:
        story.served()
        end = expires_at(case) + 40 * DAY
    else:
        end = _at(date(2026, 6, 30), 0)
    played = story.played(end)
    opened = played.opened[0] if played.opened else None
    lacking = missing(case)
    if lacking is not None:
        return Row(case, opened, "undecidable", lacking)
    late = opened is None or (case.seen_on is not None and opened.date() > case.seen_on)
    return Row(case, opened, "disagrees" if late else "agrees", None)


def table(rows: list[Row]) -> Iterator[str]:
    head = f"{'case':8}{'workers':>8}{'yuan':>14}  {'order':12}{'opens':18}{'acted on':12}"
    yield head + "verdict"
    for item in rows:
        case = item.case
        opened = item.opened_at.strftime("%Y-%m-%d %H:%M") if item.opened_at else "shut"
        yield (
            f"{case.id:8}{case.heads or '-':>8}{case.fen / 100 if case.lines else '-':>14}"
            f"  {_shown(case.order_on):12}{opened:18}{_shown(case.seen_on):12}{item.verdict}"
            + (f": {item.missing} is not told" if item.missing else "")
        )
    counts = {
        verdict: sum(item.verdict == verdict for item in rows)
        for verdict in ("agrees", "disagrees", "undecidable")
    }
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _shown(day: date | None) -> str:
    return day.isoformat() if day else "-"


def main() -> int:
    if not CASES.is_file():
        print(ABSENT, file=sys.stderr)
        return 2
    for text in table([row(case) for case in read()]):
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
