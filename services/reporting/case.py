"""What reporting remembers of one case: a plain value, folded from the log by `folding.evolve`.

Everything a leader may ask of a case is either here or follows from it. Instants are when things
happened in the world (`time`); when they became known is the row's recorded-time range.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from shared.claims import Claims

LEVELS: Final = ("L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7")
"""预警等级, lowest first; L0 (绿) when nothing is raised."""

PLATFORM_TIERS: Final = ("NAT", "PROV", "ZZ")
"""国家、省、郑州平台 (方案 四 一)."""

ENDED: Final = frozenset(("NOT_ACCEPTED", "TRANSFERRED_OUT", "MERGED"))
CLOSED: Final = frozenset(("CLOSED", "WRITTEN_OFF"))
LEAVING_KINDS: Final = frozenset(("UNFOUNDED", "WITHDRAWN", "TRANSFERRED_OUT"))
"""Closure kinds that leave the base (domain 2); only PAID_IN_FULL counts as settled."""


class Source(msgspec.Struct, frozen=True, array_like=True):
    """One source obligation: the case's own, or one passed on by a merged case (I-03)."""

    source: str
    source_ref: str
    tier: str
    received_at: datetime
    replied_at: datetime | None = None


class Alert(msgspec.Struct, frozen=True, array_like=True):
    id: str
    timer: str
    step: str | None
    level: str
    due_at: datetime
    raised_at: datetime


class Closing(msgspec.Struct, frozen=True, array_like=True):
    """办结, and when it was undone."""

    kind: str
    closed_at: datetime
    flag: str | None = None
    reopened_at: datetime | None = None


class Clock(msgspec.Struct, frozen=True, array_like=True):
    """A clock that counts as overdue when it passes: T09, T18 or the case's campaign date."""

    timer: str
    due_at: datetime


class Late(msgspec.Struct, frozen=True, array_like=True):
    """A clock was past due in [since, until)."""

    since: datetime
    until: datetime


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """督办函."""

    notice_no: str
    issued_at: datetime
    reply_due_at: datetime
    replied_at: datetime | None = None


class Incident(msgspec.Struct, frozen=True, array_like=True):
    """极端事件."""

    id: str
    happened_at: datetime
    verified: bool = False
    cleared: bool = False


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """How the complaint ended (`kind`), and who told the complainant when (条例 10).

    `id`: of the event that ended it. `undone_at`: separated, or opened again.
    """

    id: str
    kind: str
    ended_at: datetime
    told_at: datetime | None = None
    told_by: str | None = None
    channel: str | None = None
    undone_at: datetime | None = None


class FollowUp(msgspec.Struct, frozen=True, array_like=True):
    """The last 回访 that was recorded."""

    at: datetime
    got_paid: str
    satisfaction: str
    by: str


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One case. `state` is one of domain 3.3; `owed` by claim line, `paid` by payment and line."""

    case_id: str
    state: str = ""
    before_merge: str | None = None
    merged_into: str | None = None
    number: str | None = None

    tier: str | None = None
    kind: str | None = None
    via: str | None = None
    sources: tuple[Source, ...] = ()
    received_at: datetime | None = None
    external_due_at: datetime | None = None
    employer: str | None = None
    employer_known: bool = False
    uscc: str | None = None
    industry: str | None = None
    project_known: bool = False
    months_from: str | None = None
    months_to: str | None = None
    workers: int | None = None
    claims: Claims = ()
    ways: tuple[str, ...] = ()
    named: bool = False
    claimed_fen: int | None = None
    urgent: bool = False
    accepted_at: datetime | None = None

    task_force: str | None = None
    department: str | None = None
    township: str | None = None
    co_handlers: tuple[str, ...] = ()
    rule: str | None = None
    triage: str | None = None
    assigned_at: datetime | None = None
    first_assigned_at: datetime | None = None
    designation: str | None = None
    returning_unit: str | None = None
    returns: int = 0
    group: str | None = None
    group_level: str | None = None
    group_workers: int | None = None
    group_master: str | None = None

    due_at: datetime | None = None
    cap: str | None = None
    cap_target_at: datetime | None = None
    grace: str | None = None
    clock: Clock | None = None
    cap_clock: Clock | None = None
    stopped: Clock | None = None
    suspended_clock: Clock | None = None
    late: tuple[Late, ...] = ()
    alerts: tuple[Alert, ...] = ()
    escalated_to: str | None = None
    notices: tuple[Notice, ...] = ()

    contact_at: datetime | None = None
    progress_at: datetime | None = None
    root_cause: str | None = None
    owed: dict[str, int] = {}
    paid: dict[str, dict[str, int]] = {}
    vouchers: tuple[str, ...] = ()
    emergency: tuple[str, ...] = ()
    extensions: int = 0
    flags: tuple[str, ...] = ()

    requested_at: datetime | None = None
    passed_at: datetime | None = None
    reviewer: str | None = None
    follow_up: FollowUp | None = None
    waived: bool = False
    closings: tuple[Closing, ...] = ()
    written_off_at: datetime | None = None
    written_off_by: str | None = None
    reopened: int = 0
    false_closures: int = 0
    incidents: tuple[Incident, ...] = ()
    status_key: str | None = None
    endings: tuple[Ending, ...] = ()

    @property
    def untold_since(self) -> datetime | None:
        """Since when an ending that stands waits for the complainant to be told of it."""
        waiting = [e.ended_at for e in self.endings if e.told_at is None and e.undone_at is None]
        return min(waiting, default=None)

    @property
    def open_closing(self) -> Closing | None:
        """The closing that stands, if any."""
        last = self.closings[-1] if self.closings else None
        return last if last is not None and last.reopened_at is None else None

    @property
    def left(self) -> str | None:
        """Why it is no longer in the base of domain 6.1, or None."""
        if self.state in ENDED:
            return self.state
        closing = self.open_closing
        return closing.kind if closing is not None and closing.kind in LEAVING_KINDS else None

    @property
    def level(self) -> str:
        """预警等级: the highest alert that stands."""
        return max((alert.level for alert in self.alerts), default="L0")

    @property
    def owed_fen(self) -> int | None:
        """Verified owed, in fen; None before the facts are verified."""
        return sum(self.owed.values()) if self.owed else None

    @property
    def paid_fen(self) -> int:
        """Verified paid, in fen."""
        return sum(sum(lines.values()) for lines in self.paid.values())

    @property
    def paid_by_line(self) -> dict[str, int]:
        """Verified paid, in fen, by claim line."""
        got: dict[str, int] = {}
        for lines in self.paid.values():
            for line, fen in lines.items():
                got[line] = got.get(line, 0) + fen
        return got

    @property
    def covered_fen(self) -> int:
        """How much of what is verified as owed is paid, in fen: line by line, as I-01 has it.

        What a line has got beyond its sum is paid too (劳动合同法 85, say), and is no part of
        anybody else's arrears.
        """
        got = self.paid_by_line
        return sum(min(got.get(line, 0), fen) for line, fen in self.owed.items())

    @property
    def workers_paid(self) -> int:
        """惠及人数: claim lines with any verified payment; a claim without lines counts heads."""
        lines = {line for lines in self.paid.values() for line, fen in lines.items() if fen > 0}
        if lines and not self.named:
            return max(self.workers or 1, len(lines))
        return len(lines)

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks that run and would count as overdue."""
        return tuple(clock for clock in (self.clock, self.cap_clock) if clock is not None)

    @property
    def platform_received_at(self) -> datetime | None:
        """When its platform line was received: its own, else the first merged into it (I-03)."""
        if self.tier in PLATFORM_TIERS:
            return self.received_at
        received = [item.received_at for item in self.sources if item.tier in PLATFORM_TIERS]
        return min(received, default=None)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Case)


def pack(case: Case) -> bytes:
    """The case as stored between batches."""
    return _encoder.encode(case)


def unpack(raw: bytes) -> Case:
    return _decoder.decode(raw)
