"""The reportable face of a case: one row per recorded-time range (design 8).

A row is written only when something reportable changed. Columns that a filter, a ranking or a
phase predicate needs are columns; what is only shown is the JSON of `doc`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
import orjson
from asyncpg import Range

from services.reporting import money
from services.reporting.case import LEVELS, Case

COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("case_id", "text NOT NULL"),
    ("number", "text"),
    ("source", "text NOT NULL"),
    ("sources", "text[] NOT NULL"),
    ("tier", "text NOT NULL"),
    ("via", "text"),
    ("received_at", "timestamptz NOT NULL"),
    ("platform_received_at", "timestamptz"),
    ("accepted_at", "timestamptz"),
    ("state", "text NOT NULL"),
    ("left_base", "text"),
    ("joined", "boolean NOT NULL"),
    ("group_master", "text"),
    ("task_force", "text"),
    ("department", "text"),
    ("township", "text"),
    ("assigned_at", "timestamptz"),
    ("contact_at", "timestamptz"),
    ("workers", "integer"),
    ("owed", "jsonb NOT NULL"),
    ("owed_fen", "bigint"),
    ("paid_fen", "bigint NOT NULL"),
    ("covered_fen", "bigint NOT NULL"),
    ("workers_paid", "integer NOT NULL"),
    ("due_at", "timestamptz"),
    ("cap", "text"),
    ("grace", "text"),
    ("passed_at", "timestamptz"),
    ("level", "smallint NOT NULL"),
    ("filled", "smallint NOT NULL"),
    ("closed_during", "tstzmultirange NOT NULL"),
    ("settled_during", "tstzmultirange NOT NULL"),
    ("overdue_during", "tstzmultirange NOT NULL"),
    ("status_key", "text"),
    ("untold_since", "timestamptz"),
    ("doc", "json NOT NULL"),
)
"""Name and PostgreSQL type of each column, the recorded-time range apart."""

NAMES: Final = tuple(name for name, _ in COLUMNS)

REQUIRED: Final = (
    "number",
    "source",
    "source_ref",
    "received_at",
    "employer",
    "field",
    "township",
    "workers",
    "amount",
    "months",
    "assigned_at",
    "due_at",
)
"""The columns of 问题台账 (domain 6.4) that 台账合规率 asks to be filled, for every case."""

Row = tuple[Any, ...]
Instants = Range[datetime]
_json = msgspec.json.Encoder(order="deterministic")


def row(case: Case) -> Row | None:
    """The case's columns in order of COLUMNS; None before its complaint is on the log."""
    if case.received_at is None or case.tier is None:
        return None
    own = case.sources[0]
    closed = [(item.closed_at, item.reopened_at, item.kind) for item in case.closings]
    return (
        case.case_id,
        case.number,
        own.source,
        [item.source for item in case.sources],
        case.tier,
        case.via,
        case.received_at,
        case.platform_received_at,
        case.accepted_at,
        case.state,
        case.left,
        joined(case),
        case.group_master,
        case.task_force,
        case.department,
        case.township,
        case.assigned_at,
        case.contact_at,
        case.workers,
        _json.encode(case.owed).decode(),
        case.owed_fen,
        case.paid_fen,
        case.covered_fen,
        case.workers_paid,
        case.due_at,
        case.cap,
        case.grace,
        case.passed_at,
        LEVELS.index(case.level),
        filled(case),
        [_range(since, until) for since, until, _ in closed if until is None or since < until],
        [
            _range(since, until)
            for since, until, kind in closed
            if kind == "PAID_IN_FULL" and (until is None or since < until)
        ],
        _overdue(case),
        case.status_key,
        case.untold_since,
        _json.encode(_brief(_doc(case))).decode(),
    )


def joined(case: Case) -> bool:
    """A member of a group that another case leads: a ranking counts the group once."""
    return case.group_master is not None and case.group_master != case.case_id


def filled(case: Case) -> int:
    """How many of the REQUIRED ledger columns are filled."""
    values = (
        case.number,
        case.sources[0].source,
        case.sources[0].source_ref,
        case.received_at,
        case.employer_known or None,
        case.task_force or case.department,
        case.township,
        case.workers,
        case.claimed_fen if case.owed_fen is None else case.owed_fen,
        case.months_from and case.months_to,
        case.assigned_at,
        case.due_at or (joined(case) or None),
    )
    return sum(1 for value in values if value is not None)


def _range(since: datetime, until: datetime | None) -> Instants:
    return Range(since, until, lower_inc=True, upper_inc=False)


def _overdue(case: Case) -> list[Instants]:
    """Past and running: a clock that runs is overdue from its due on, unless something stops it."""
    past = [_range(late.since, late.until) for late in case.late]
    return [*past, *(_range(clock.due_at, None) for clock in case.clocks)]


def _brief(doc: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty: rows stay short, and `whole` puts it back."""
    return {name: value for name, value in doc.items() if value}


def whole(stored: str) -> dict[str, Any]:
    """The document of a row, with everything that `_brief` left out."""
    doc: dict[str, Any] = orjson.loads(stored)
    return _EMPTY | doc


def _doc(case: Case) -> dict[str, Any]:
    """What is only shown: no personal data (domain 7, visibility of reporting)."""
    closing = case.open_closing
    follow_up = case.follow_up
    employer = {"name": case.employer, "uscc": case.uscc, "industry": case.industry}
    return {
        "kind": case.kind,
        "urgent": case.urgent,
        "flags": case.flags,
        "merged_into": case.merged_into,
        "sources": [
            {
                "source": item.source,
                "source_ref": item.source_ref,
                "tier": item.tier,
                "received_at": item.received_at,
                "replied_at": item.replied_at,
            }
            for item in case.sources
        ],
        "external_due_at": case.external_due_at,
        "employer": employer,
        "project": case.project_known,
        "months_from": case.months_from,
        "months_to": case.months_to,
        "claimed_fen": case.claimed_fen,
        "lines": money.lines(case),
        "root_cause": case.root_cause,
        "co_handlers": case.co_handlers,
        "rule": case.rule,
        "triage": case.triage,
        "group": _group(case),
        "cap_target_at": case.cap_target_at,
        "alerts": [
            {
                "timer": alert.timer,
                "step": alert.step,
                "level": alert.level,
                "due_at": alert.due_at,
                "raised_at": alert.raised_at,
            }
            for alert in case.alerts
        ],
        "escalated_to": case.escalated_to,
        "notices": [
            {
                "notice_no": notice.notice_no,
                "issued_at": notice.issued_at,
                "reply_due_at": notice.reply_due_at,
                "replied_at": notice.replied_at,
            }
            for notice in case.notices
        ],
        "progress_at": case.progress_at,
        "extensions": case.extensions,
        "returns": case.returns,
        "vouchers": case.vouchers,
        "requested_at": case.requested_at,
        "reviewer": case.reviewer,
        "follow_up": None
        if follow_up is None
        else {
            "at": follow_up.at,
            "got_paid": follow_up.got_paid,
            "satisfaction": follow_up.satisfaction,
            "by": follow_up.by,
        },
        "waived": case.waived,
        "closed_at": closing.closed_at if closing else None,
        "closed_kind": closing.kind if closing else None,
        "closed_flag": closing.flag if closing else None,
        "written_off_at": case.written_off_at,
        "written_off_by": case.written_off_by,
        "reopened": case.reopened,
        "false_closures": case.false_closures,
        "endings": [
            {
                "id": item.id,
                "kind": item.kind,
                "ended_at": item.ended_at,
                "told_at": item.told_at,
                "told_by": item.told_by,
                "channel": item.channel,
                "undone_at": item.undone_at,
            }
            for item in case.endings
        ],
        "incidents": [
            {
                "incident": item.id,
                "happened_at": item.happened_at,
                "verified": item.verified,
                "cleared": item.cleared,
            }
            for item in case.incidents
        ],
    }


def _group(case: Case) -> dict[str, Any] | None:
    if case.group is None:
        return None
    return {
        "group": case.group,
        "level": case.group_level,
        "workers": case.group_workers,
        "master": case.group_master,
    }


_EMPTY: Final[dict[str, Any]] = orjson.loads(_json.encode(_doc(Case(""))))
