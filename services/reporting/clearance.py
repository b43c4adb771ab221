"""清零: whether the targets of each phase are met (方案 四; domain 6.3), judged at their instants.

Before its instant a predicate is PENDING and shows where it stands now. Judged later with what is
known later, as of then: a slip that is entered afterwards changes a later answer, never an earlier
one. All dates come from the book in force at the cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from services.reporting.rankings import UNENDED
from services.reporting.reading import TICK, Cut, Snapshot
from shared.calendar import DAY, end_of, start_of
from shared.envelope import canonical
from shared.policy import Phase, Policy

Result = Literal["PASS", "FAIL", "PENDING", "NOT_EVALUABLE"]


@dataclass(frozen=True)
class Offender:
    """A case that stands in the way; `tag` GRACE: received in the last days before the date."""

    case_id: str
    tag: str | None = None


@dataclass(frozen=True)
class Verdict:
    """One predicate at a cut. `at`: its instant. `met` of `of`; the rest are in `cases`."""

    phase: str
    predicate: str
    at: datetime
    result: Result
    met: int
    of: int
    cases: tuple[Offender, ...] = ()
    also: dict[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """`sha256:` of result, counts and case list: two equal hashes are the same verdict."""
        value = {
            "predicate": self.predicate,
            "result": self.result,
            "met": self.met,
            "of": self.of,
            "cases": [{"case_id": item.case_id, "tag": item.tag} for item in self.cases],
        }
        return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True)
class _Asked:
    """A predicate being judged: at its instant, or before it at the cut."""

    snapshot: Snapshot
    cut: Cut
    at: datetime

    @property
    def pending(self) -> bool:
        return self.cut.as_of < self.at

    @property
    def moment(self) -> datetime:
        """The instant just before which states are read."""
        return min(self.at, self.cut.end)

    @property
    def policy(self) -> Policy:
        return self.cut.policy

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        return await self.snapshot.fetch(_HELD + query, self.cut.as_of, *arguments)

    def verdict(
        self,
        predicate: str,
        of: int,
        offenders: tuple[Offender, ...],
        *,
        enough: bool | None = None,
        known: bool = True,
        **also: Any,
    ) -> Verdict:
        """`enough`: whether it is met, where that is not `no offender`; `known`: evaluable."""
        passed = not offenders if enough is None else enough
        result: Result = "PASS" if passed else "FAIL"
        if not known:
            result = "NOT_EVALUABLE"
        if self.pending:
            result = "PENDING"
        met = of - len(offenders)
        phase = predicate.partition("-")[0]
        return Verdict(phase, predicate, self.at, result, met, of, offenders, also)


Judge = Callable[[Snapshot, Cut], Awaitable[Verdict]]

_HELD: Final = """
WITH held AS (
    SELECT * FROM {versions} WHERE recorded_from <= $1 AND recorded_to > $1
        AND accepted_at IS NOT NULL
), kept AS (
    SELECT * FROM held
    WHERE left_base IS NULL OR left_base NOT IN ('MERGED', 'TRANSFERRED_OUT')
)
"""


def _phase(policy: Policy, name: str) -> Phase:
    return next(phase for phase in policy.content.campaign.phases if phase.id == name)


def _grace_from(policy: Policy, date_id: str) -> datetime:
    """From when a line arrives in the grace window of a campaign date."""
    caps = [cap.received_before for cap in policy.content.campaign.caps if cap.id == date_id]
    return start_of(caps[0]) if caps else policy.date_end(date_id)


async def _platform(snapshot: Snapshot, cut: Cut, *, strict: bool) -> Verdict:
    """国家、省、郑州平台案件清零 (A2). `carried`: city cases that took a platform line over."""
    asked = _Asked(snapshot, cut, cut.policy.date_end("A2"))
    grace = _grace_from(cut.policy, "A2")
    found = await asked.rows(
        "SELECT case_id, received_at, tier <> 'CITY' AS own, closed_during @> $3::timestamptz "
        "AS met FROM kept WHERE platform_received_at < $2 ORDER BY case_id",
        asked.at if strict else grace,
        asked.moment - TICK,
    )
    own = [row for row in found if row["own"]]
    offenders = tuple(
        Offender(row["case_id"], "GRACE" if row["received_at"] >= grace else None)
        for row in own
        if not row["met"]
    )
    carried = [row for row in found if not row["own"]]
    return asked.verdict(
        "P1-strict" if strict else "P1-lenient",
        len(own),
        offenders,
        carried={"met": sum(1 for row in carried if row["met"]), "of": len(carried)},
    )


async def _strict(snapshot: Snapshot, cut: Cut) -> Verdict:
    return await _platform(snapshot, cut, strict=True)


async def _lenient(snapshot: Snapshot, cut: Cut) -> Verdict:
    return await _platform(snapshot, cut, strict=False)


async def _units(snapshot: Snapshot, cut: Cut, date_id: str, kind: str, predicate: str) -> Verdict:
    """Every one of the 22 units has reported before a campaign date."""
    asked = _Asked(snapshot, cut, cut.policy.date_end(date_id))
    found = await snapshot.fetch(
        "SELECT DISTINCT substr(subject, 6) AS unit FROM {acts} "
        "WHERE kind = $2 AND recorded_at <= $1 AND at < $3 AND subject LIKE 'unit:%'",
        cut.as_of,
        kind,
        asked.moment,
    )
    filed = {row["unit"] for row in found}
    missing = [unit for unit in cut.policy.units if unit not in filed]
    of = len(cut.policy.units)
    verdict = asked.verdict(predicate, of, (), enough=not missing, missing=missing)
    return _with_met(verdict, of - len(missing))


def _with_met(verdict: Verdict, met: int, **also: Any) -> Verdict:
    return Verdict(
        verdict.phase,
        verdict.predicate,
        verdict.at,
        verdict.result,
        met,
        verdict.of,
        verdict.cases,
        verdict.also | also,
    )


async def _screen(snapshot: Snapshot, cut: Cut) -> Verdict:
    return await _units(snapshot, cut, "A1", "SCREENING", "P1-screen")


async def _flood(snapshot: Snapshot, cut: Cut) -> Verdict:
    """涉灾利益群体信访案件: asked to close within their due, at the latest by the date (A3)."""
    asked = _Asked(snapshot, cut, cut.policy.date_end("A3"))
    found = await asked.rows(
        "SELECT case_id, coalesce(passed_at < least(due_at, $2), false) AS met, "
        "due_at > $3 AS ahead FROM kept "
        "WHERE via = 'flood_group' AND received_at < $2 ORDER BY case_id",
        asked.at,
        asked.moment,
    )
    offenders = tuple(
        Offender(row["case_id"])
        for row in found
        if not row["met"] and not (asked.pending and row["ahead"])
    )
    return asked.verdict("P1-flood", len(found), offenders)


async def _city(snapshot: Snapshot, cut: Cut) -> Verdict:
    """市本级受理的其他领域案件基本解决 (A4): settled / Base in percent."""
    asked = _Asked(snapshot, cut, cut.policy.date_end("A4"))
    start = start_of(_phase(cut.policy, "P1").first)
    found = await asked.rows(
        "SELECT case_id, settled_during @> $4::timestamptz AND case_id NOT IN "
        f"({UNENDED} AND NOT closed_during @> $4::timestamptz) AS met FROM kept "
        "WHERE tier = 'CITY' AND left_base IS NULL AND NOT joined AND accepted_at < $3 "
        "AND (accepted_at >= $2 OR NOT closed_during @> $5::timestamptz) ORDER BY case_id",
        start,
        asked.moment,
        asked.moment - TICK,
        start - TICK,
    )
    offenders = tuple(Offender(row["case_id"]) for row in found if not row["met"])
    percent = cut.policy.content.score.city_settled_percent
    settled = len(found) - len(offenders)
    enough = settled * 100 >= percent * len(found)
    return asked.verdict(
        "P1-city", len(found), offenders, enough=enough, known=bool(found), percent=percent
    )


async def _stock(snapshot: Snapshot, cut: Cut) -> Verdict:
    """存量清零 before the Festival (A5); what stood before the campaign also by itself."""
    asked = _Asked(snapshot, cut, cut.policy.date_end("A5"))
    campaign = cut.policy.content.campaign
    found = await asked.rows(
        "SELECT case_id, closed_during @> $3::timestamptz AS met, received_at < $4 AS before "
        "FROM kept WHERE received_at < $2 ORDER BY case_id",
        start_of(campaign.stock_received_before),
        asked.moment - TICK,
        start_of(campaign.before_campaign),
    )
    grace = _grace_from(cut.policy, "A5")
    assert start_of(campaign.stock_received_before) <= grace, "stock precedes its grace window"
    offenders = tuple(Offender(row["case_id"]) for row in found if not row["met"])
    before = [row for row in found if row["before"]]
    return asked.verdict(
        "P2-stock",
        len(found),
        offenders,
        before_campaign={"met": sum(1 for row in before if row["met"]), "of": len(before)},
    )


async def _extreme(snapshot: Snapshot, cut: Cut) -> Verdict:
    """不发生极端讨薪事件 (A6): a verified one fails at once, an unverified one leaves it open."""
    asked = _Asked(snapshot, cut, cut.policy.date_end("A6"))
    found = await snapshot.fetch(
        "SELECT i.subject, i.ref, EXISTS (SELECT FROM {acts} AS v "
        "WHERE v.kind = 'INCIDENT_VERIFIED' AND v.ref = i.ref AND v.recorded_at <= $1) AS verified "
        "FROM {acts} AS i WHERE i.kind = 'INCIDENT' AND i.recorded_at <= $1 "
        "AND i.at >= $2 AND i.at < $3 ORDER BY i.subject, i.ref",
        cut.as_of,
        start_of(_phase(cut.policy, "P2").first),
        asked.at,
    )
    verified = [row for row in found if row["verified"]]
    offenders = tuple(Offender(case) for case in sorted({row["subject"] for row in found}))
    result: Result = "PASS"
    if verified:
        result = "FAIL"
    elif asked.pending or found:
        result = "PENDING"
    return Verdict(
        "P2",
        "P2-extreme",
        asked.at,
        result,
        len(found) - len(verified),
        len(found),
        offenders,
        {"verified": len(verified), "unverified": len(found) - len(verified)},
    )


async def _new(snapshot: Snapshot, cut: Cut) -> Verdict:
    """新发案件及时办理: every new case that fell due in the phase was asked to close in time."""
    phase = _phase(cut.policy, "P2")
    asked = _Asked(snapshot, cut, end_of(phase.last))
    found = await asked.rows(
        "SELECT case_id, coalesce(passed_at < due_at, false) AS met FROM kept "
        "WHERE left_base IS NULL AND NOT joined AND accepted_at >= $2 AND accepted_at < $3 "
        "AND due_at <= $3 ORDER BY case_id",
        start_of(phase.first),
        asked.moment,
    )
    offenders = tuple(Offender(row["case_id"]) for row in found if not row["met"])
    return asked.verdict("P2-new", len(found), offenders, known=bool(found))


def _day_ends(phase: Phase, until: datetime) -> list[tuple[date, datetime]]:
    found: list[tuple[date, datetime]] = []
    day = phase.first
    while day <= phase.last and end_of(day) <= until:
        found.append((day, end_of(day)))
        day += DAY
    return found


async def _dynamic(snapshot: Snapshot, cut: Cut) -> Verdict:
    """动态清零 (A7): at every day's end no case is overdue; the whole series is shown.

    A due at 24:00 is missed on the next day (domain 0), so a day is read just before its 24:00.
    """
    phase = _phase(cut.policy, "P3")
    asked = _Asked(snapshot, cut, end_of(phase.last))
    days = _day_ends(phase, cut.as_of)
    grace = _grace_from(cut.policy, "A7")
    ends = [at - TICK for _, at in days]
    counted = await asked.rows(
        "SELECT d.n AS n, count(*) AS overdue FROM held "
        "JOIN unnest($2::timestamptz[]) WITH ORDINALITY AS d(at, n) ON overdue_during @> d.at "
        "GROUP BY d.n",
        ends,
    )
    found = await asked.rows(
        "SELECT case_id, received_at FROM held WHERE EXISTS (SELECT FROM unnest($2::timestamptz[]) "
        "AS d(at) WHERE overdue_during @> d.at) ORDER BY case_id",
        ends,
    )
    counts = {row["n"]: row["overdue"] for row in counted}
    offenders = tuple(
        Offender(row["case_id"], "GRACE" if grace <= row["received_at"] < asked.at else None)
        for row in found
    )
    series = [
        {"date": day.isoformat(), "overdue": counts.get(index, 0)}
        for index, (day, _) in enumerate(days, start=1)
    ]
    whole = (phase.last - phase.first).days + 1
    verdict = asked.verdict("P3-dynamic", whole, offenders, series=series)
    return _with_met(verdict, sum(1 for item in series if item["overdue"] == 0))


async def _summaries(snapshot: Snapshot, cut: Cut) -> Verdict:
    """总结规范 (A8): 22 summaries in time; what the city itself did is told beside."""
    verdict = await _units(snapshot, cut, "A8", "SUMMARY", "P4")
    found = await snapshot.fetch(
        "SELECT kind, count(*) AS n, bool_or(subject = 'city') AS city FROM {acts} "
        "WHERE kind IN ('SUMMARY', 'RULE_REVISED', 'PUBLICITY') AND recorded_at <= $1 "
        "GROUP BY kind",
        cut.as_of,
    )
    by_kind = {row["kind"]: row for row in found}
    return _with_met(
        verdict,
        verdict.met,
        city_summary="SUMMARY" in by_kind and by_kind["SUMMARY"]["city"],
        rules_revised=by_kind["RULE_REVISED"]["n"] if "RULE_REVISED" in by_kind else 0,
        publicity=by_kind["PUBLICITY"]["n"] if "PUBLICITY" in by_kind else 0,
    )


JUDGES: Final[tuple[Judge, ...]] = (
    _strict,
    _lenient,
    _screen,
    _flood,
    _city,
    _stock,
    _extreme,
    _new,
    _dynamic,
    _summaries,
)


async def clearance(snapshot: Snapshot, cut: Cut) -> list[Verdict]:
    """Every predicate in the order of the plan."""
    return [await judge(snapshot, cut) for judge in JUDGES]
