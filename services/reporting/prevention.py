"""源头预防: warnings on employers and projects, each from a rule of the book and the log alone.

A hit says which cases make it and since when it was known. Whether a warning was worth anything is
counted as well: how many of the warned had another complaint afterwards, beside the share of all
employers or projects with a case that had another one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from services.reporting.reading import Cut, Snapshot
from services.reporting.sentences import stored
from shared.calendar import Calendar, civil, start_of
from shared.events import SEALED_PREFIX, instant_text
from shared.policy import (
    DefaultRule,
    EmergencyRule,
    InstalmentRule,
    MonthsRule,
    NoAccountRule,
    Policy,
    RepeatRule,
    WarningRule,
)

TYPES: Final = (
    "ComplaintReceived",
    "ComplaintNotAccepted",
    "ComplaintTransferredOut",
    "ComplaintMerged",
    "ComplaintUnmerged",
    "CaseClosed",
    "CaseReopened",
    "FactsVerified",
    "PaymentVerified",
    "PaymentReversed",
    "InstalmentPlanAgreed",
    "InstalmentDefaulted",
    "PaymentOrderDefaulted",
)
_EVENTS: Final = """
SELECT subject, type, at, recorded_at, data FROM {events}
WHERE type = ANY($2) AND recorded_at <= $1 ORDER BY subject, seat
"""
_NO_CLAIM: Final = ("UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT")


@dataclass
class Payment:
    """A verified payment as it stands. `at`: when it was known."""

    at: datetime
    source: str | None
    lines: dict[str, int]

    @property
    def fen(self) -> int:
        return sum(self.lines.values())


@dataclass
class Plan:
    """分期: its parts in order of their days, and what was paid before it was agreed."""

    at: datetime
    parts: list[tuple[date, int]]
    base_fen: int
    void: bool = False


@dataclass
class Claim:
    """What the rules ask of one case. Instants are when something became known."""

    case_id: str
    known_at: datetime
    received_at: datetime
    employer: str | None
    uscc: str | None
    name: str | None
    project: str | None
    out: bool = False
    months: int = 0
    months_at: datetime | None = None
    payments: dict[str, Payment] = field(default_factory=dict)
    plan: Plan | None = None
    defaults: list[datetime] = field(default_factory=list)

    @property
    def paid_fen(self) -> int:
        return sum(payment.fen for payment in self.payments.values())


@dataclass(frozen=True)
class Hit:
    """A rule that holds of an employer or project: because of these cases, known since then."""

    rule: WarningRule
    key: str
    cases: tuple[str, ...]
    since: datetime
    uscc: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class BackTest:
    """`warned`: with a hit; `later`: of those, with a complaint received after it; `base`: all with
    a case; `base_later`: of those, with another case after their first.
    """

    warned: int
    later: int
    base: int
    base_later: int


async def warnings(snapshot: Snapshot, cut: Cut) -> dict[str, Any]:
    """The hits of every rule as of the cut, and how the rules did so far."""
    claims = fold(await snapshot.fetch(_EVENTS, cut.as_of, list(TYPES)))
    return await asyncio.to_thread(answer, claims, cut.policy, cut.as_of)


def answer(claims: Sequence[Claim], policy: Policy, now: datetime) -> dict[str, Any]:
    """The answer's items, rules and total."""
    groups: dict[str, Groups] = {of: by(of, claims) for of in ("employer", "project")}
    rules = policy.content.prevention.warnings
    found = {rule.id: hits(rule, groups[rule.of], policy, now) for rule in rules}
    of_employers = [hit for each in found.values() for hit in each if hit.rule.of == "employer"]
    return {
        "items": [
            _shown(hit, groups[rule.of][hit.key]) for rule in rules for hit in found[rule.id]
        ],
        "rules": [_rule(rule, found[rule.id], groups[rule.of]) for rule in rules],
        "total": asdict(back_test(of_employers, groups["employer"])),
    }


def fold(rows: Iterable[Any]) -> list[Claim]:
    """The claims that stand, from the events of their cases in the order of the log."""
    claims: dict[str, Claim] = {}
    for row in rows:
        data = stored(row["data"])
        if row["type"] == "ComplaintReceived" and row["subject"] not in claims:
            claims[row["subject"]] = _received(row, data)
        elif row["subject"] in claims:
            _evolve(claims[row["subject"]], row["type"], row["recorded_at"], data)
    return [claim for claim in claims.values() if not claim.out]


def _received(row: Any, data: dict[str, Any]) -> Claim:
    employer, project = data.get("employer") or {}, data.get("project") or {}
    name = employer.get("name")
    return Claim(
        case_id=row["subject"],
        known_at=row["recorded_at"],
        received_at=datetime.fromisoformat(data["received_at"]),
        employer=employer.get("uscc") or employer.get("key"),
        uscc=employer.get("uscc"),
        name=None if name is None or name.startswith(SEALED_PREFIX) else name,
        project=project.get("key"),
    )


def _evolve(claim: Claim, type_: str, at: datetime, data: dict[str, Any]) -> None:
    match type_:
        case "ComplaintNotAccepted" | "ComplaintTransferredOut" | "ComplaintMerged":
            claim.out = True
        case "CaseClosed":
            claim.out = claim.out or data["kind"] in _NO_CLAIM
        case "CaseReopened" | "ComplaintUnmerged":
            claim.out = False
        case "FactsVerified":
            claim.months = max((line["months"] for line in data["lines"]), default=0)
            claim.months_at = at
        case "PaymentVerified":
            lines: dict[str, int] = defaultdict(int)
            for line in data["lines"]:
                lines[line["line"]] += line["amount_fen"]
            claim.payments[data["payment"]] = Payment(at, data.get("source"), dict(lines))
        case "PaymentReversed":
            _reverse(claim, data)
        case "InstalmentPlanAgreed":
            parts = sorted(
                (date.fromisoformat(part["due_on"]), part["amount_fen"]) for part in data["plan"]
            )
            claim.plan = Plan(at, parts, claim.paid_fen)
        case "InstalmentDefaulted":
            claim.defaults.append(at)
            if claim.plan is not None and data.get("plan_void"):
                claim.plan.void = True
        case "PaymentOrderDefaulted":
            claim.defaults.append(at)
        case _:
            pass


def _reverse(claim: Claim, data: dict[str, Any]) -> None:
    payment = claim.payments.get(data["payment"])
    if payment is None:
        return
    for line in data["lines"]:
        left = payment.lines.get(line["line"], 0) - line["amount_fen"]
        payment.lines[line["line"]] = max(0, left)


# --- the tests -----------------------------------------------------------------------------------

Groups = dict[str, list[Claim]]
"""By the key of an employer or project, its claims in order of receipt."""

Judged = tuple[Sequence[str], datetime] | None
"""Case ids and since when, or None: the rule does not hold."""


def hits(rule: WarningRule, groups: Groups, policy: Policy, now: datetime) -> list[Hit]:
    """Of whom a rule holds at `now`, by since when."""
    found = []
    for key, group in groups.items():
        judged = _judged(rule, group, policy.calendar, now)
        if judged is None:
            continue
        cases, since = judged
        of = group[-1] if rule.of == "employer" else None
        found.append(
            Hit(rule, key, tuple(cases), since, of.uscc if of else None, of.name if of else None)
        )
    return sorted(found, key=lambda hit: (hit.since, hit.key))


def by(of: str, claims: Sequence[Claim]) -> Groups:
    """The claims of each employer or project, in the order in which they were received."""
    groups: Groups = defaultdict(list)
    for claim in sorted(claims, key=lambda claim: (claim.received_at, claim.case_id)):
        key = claim.employer if of == "employer" else claim.project
        if key is not None:
            groups[key].append(claim)
    return groups


def _judged(rule: WarningRule, group: list[Claim], calendar: Calendar, now: datetime) -> Judged:
    match rule.test:
        case RepeatRule() as test:
            return _repeated(test, group)
        case NoAccountRule() as test:
            return _without_account(test, group)
        case InstalmentRule() as test:
            return _instalment_near(test, group, calendar, now)
        case DefaultRule() as test:
            times = sorted((at, claim.case_id) for claim in group for at in claim.defaults)
            return _nth(times, test.times)
        case EmergencyRule():
            return _nth(_payments(group, lambda source: source == "EMERGENCY_FUND"), 1)
        case MonthsRule() as test:
            return _nth(
                sorted(
                    (claim.months_at, claim.case_id)
                    for claim in group
                    if claim.months_at is not None and claim.months >= test.months
                ),
                1,
            )


def _nth(times: Sequence[tuple[datetime, str]], count: int) -> Judged:
    """All cases concerned, since the `count`-th time; None if there were fewer."""
    if len(times) < count:
        return None
    return list(dict.fromkeys(case_id for _, case_id in times)), times[count - 1][0]


def _repeated(test: RepeatRule, group: list[Claim]) -> Judged:
    """The first window with enough cases decides since when; the cases are all since it began."""
    span = timedelta(days=test.within_cd)
    for first, last in zip(group, group[test.cases - 1 :], strict=False):
        if last.received_at - first.received_at <= span:
            start = group.index(first)
            window = group[start : start + test.cases]
            return [c.case_id for c in group[start:]], max(claim.known_at for claim in window)
    return None


def _payments(
    group: list[Claim], wanted: Callable[[str | None], bool]
) -> list[tuple[datetime, str]]:
    return sorted(
        (payment.at, claim.case_id)
        for claim in group
        for payment in claim.payments.values()
        if payment.fen and wanted(payment.source)
    )


def _without_account(test: NoAccountRule, group: list[Claim]) -> Judged:
    """A payment whose source nobody recorded says nothing about the account."""
    if _payments(group, lambda source: source == "SPECIAL_ACCOUNT"):
        return None
    return _nth(_payments(group, lambda source: source is not None), test.payments)


def _instalment_near(
    test: InstalmentRule, group: list[Claim], calendar: Calendar, now: datetime
) -> Judged:
    """From so many working days before the first uncovered day, until that day is over."""
    near = []
    for claim in group:
        plan = claim.plan
        if plan is None or plan.void:
            continue
        paid, owed = claim.paid_fen - plan.base_fen, 0
        for day, fen in plan.parts:
            owed += fen
            since = start_of(calendar.before(day, test.within_wd) if test.within_wd else day)
            if paid < owed and since <= now and civil(now) <= day:
                near.append((max(since, plan.at), claim.case_id))
                break
    return _nth(sorted(near), 1)


# --- what the warnings were worth ---------------------------------------------------------------


def back_test(found: Sequence[Hit], groups: Groups) -> BackTest:
    """How many of the warned had another complaint after the warning; no hindsight in it."""
    since: dict[str, datetime] = {}
    for hit in found:
        since[hit.key] = min(hit.since, since.get(hit.key, hit.since))
    later = sum(
        any(claim.received_at > at for claim in groups.get(key, ())) for key, at in since.items()
    )
    again = sum(
        any(claim.received_at > group[0].received_at for claim in group)
        for group in groups.values()
    )
    return BackTest(len(since), later, len(groups), again)


def _shown(hit: Hit, group: Sequence[Claim]) -> dict[str, Any]:
    return {
        "rule": hit.rule.id,
        "name": hit.rule.name,
        "of": hit.rule.of,
        "key": hit.key,
        "uscc": hit.uscc,
        "employer": hit.name,
        "cases": list(hit.cases),
        "since": instant_text(hit.since),
        "later_cases": [claim.case_id for claim in group if claim.received_at > hit.since],
    }


def _rule(rule: WarningRule, found: Sequence[Hit], groups: Groups) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "name": rule.name,
        "of": rule.of,
        "source": rule.source,
        "test": rule.test.model_dump(),
        "hits": len(found),
        "back_test": asdict(back_test(found, groups)),
    }
