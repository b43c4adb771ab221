"""Supervision's view of a stream: its clocks, and the little of the case that its rules ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from shared.events import Event


@dataclass(frozen=True)
class Raised:
    """An alert that stands. `under`: the DeadlineSet that ran when it was raised."""

    level: str
    id: str
    under: str | None
    at: datetime
    escalated: bool = False


@dataclass(frozen=True)
class Jump:
    """A fast lane (domain 4.3): this level at once, because of this fact."""

    level: str
    cause: str
    at: datetime


@dataclass(frozen=True)
class Clock:
    """One running, or stopped but not yet cleared, timer.

    `started_at`: the instant it counts from. `known_at`: when that became known; no step is
    raised before. `cause`: the event that started or moved it. `set_id` None: its DeadlineSet is
    still owed. `fixed_due`: a due that a document or an approval names. `limit`: the due before the
    first reassignment. `spans`: suspensions that move it.
    """

    timer: str
    cause: str
    started_at: datetime
    known_at: datetime
    step: str | None = None
    item: str | None = None
    variant: str = "length"
    fixed_due: datetime | None = None
    limit: datetime | None = None
    spans: tuple[tuple[datetime, datetime], ...] = ()
    source_ref: str | None = None
    set_id: str | None = None
    due_at: datetime | None = None
    outer_due_at: datetime | None = None
    cap_target_at: datetime | None = None
    book: str | None = None
    moved: bool = False
    floor: datetime | None = None
    jump: Jump | None = None
    raised: tuple[Raised, ...] = ()
    notice: str | None = None
    notice_at: datetime | None = None
    replied_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        return (self.timer, self.step, self.item)

    @property
    def running(self) -> bool:
        return self.stopped_at is None


@dataclass(frozen=True)
class Source:
    """A platform that must be answered (I-03)."""

    source: str
    source_ref: str
    tier: str
    received_at: datetime
    external_due_at: datetime | None
    replied: bool = False


@dataclass(frozen=True)
class Line:
    """One claim line, in fen and whole months. `heads`: workers it stands for."""

    line: str
    claimed_fen: int | None
    claimed_months: int
    heads: int = 1
    verified_fen: int | None = None
    verified_months: int | None = None

    @property
    def owed_fen(self) -> int | None:
        return self.verified_fen if self.verified_fen is not None else self.claimed_fen

    @property
    def months(self) -> int:
        return self.verified_months if self.verified_months is not None else self.claimed_months


@dataclass(frozen=True)
class Paid:
    payment: str
    line: str
    amount_fen: int


@dataclass(frozen=True)
class Order:
    """A served payment order. `answered`: ids of threshold decisions made on its default."""

    doc_no: str
    doc_type: str
    complied: bool = False
    defaulted_at: datetime | None = None
    default_id: str | None = None
    threshold_id: str | None = None


@dataclass(frozen=True)
class Asked:
    """An act that a rule must answer."""

    id: str
    at: datetime
    time: datetime
    to: datetime | None = None
    approver: str | None = None


@dataclass(frozen=True)
class Owed:
    """A decision that follows from a fact without a policy: its type, cause, instant and fields."""

    type: str
    cause: str
    at: datetime
    fields: dict[str, str | None | list[str]]


@dataclass(frozen=True)
class Instalments:
    """An agreed plan. `base_fen`: verified when it was agreed; cumulative dues in fen."""

    cause: str
    base_fen: int
    cumulative: tuple[tuple[int, int], ...]
    defaults: int = 0
    void: bool = False


@dataclass(frozen=True)
class Incident:
    """An extreme incident that is not cleared, with the due of its latest update."""

    id: str
    update_due_at: datetime | None = None


@dataclass(frozen=True)
class Watch:
    """What supervision keeps of a case, a unit or the city."""

    subject: str
    clocks: tuple[Clock, ...] = ()
    owed: tuple[Owed, ...] = ()
    sources: tuple[Source, ...] = ()
    tier: str = "CITY"
    kind: str = "complaint"
    received_at: datetime | None = None
    petition: bool = False
    signalled_urgent: bool = False
    urgent: bool = False
    accepted: bool = False
    out: bool = False
    merged_into: str | None = None
    lines: tuple[Line, ...] = ()
    paid: tuple[Paid, ...] = ()
    last_paid_time: datetime | None = None
    task_force: str | None = None
    department: str | None = None
    township: str | None = None
    group_level: str | None = None
    group_member: bool = False
    suspended_at: datetime | None = None
    extension: Asked | None = None
    extension_refused: bool = False
    approval: Asked | None = None
    extensions: int = 0
    plan: Instalments | None = None
    orders: tuple[Order, ...] = ()
    referral_decided: bool = False
    police_filed: bool = False
    legal_ended: bool = False
    listed: bool = False
    closure_kind: str | None = None
    closed: bool = False
    closed_at: datetime | None = None
    a_date_missed: bool = False
    notices: int = 0
    contact_tries: int = 0
    incidents: tuple[Incident, ...] = ()
    facts_at: datetime | None = None
    begun: tuple[str, ...] = ()

    def clock(self, timer: str) -> Clock | None:
        """The running clock of a timer."""
        return next(
            (clock for clock in self.clocks if clock.timer == timer and clock.running), None
        )


def put(state: Watch, clock: Clock) -> Watch:
    """The state with a clock added, or replacing the one with the same key that it grew from."""
    others = tuple(other for other in state.clocks if other.key != clock.key or not other.running)
    return replace(state, clocks=(*others, clock))


def swap(state: Watch, old: Clock, new: Clock | None) -> Watch:
    """The state with one clock changed, or gone when `new` is None."""
    clocks = tuple(new if clock is old else clock for clock in state.clocks)
    return replace(state, clocks=tuple(clock for clock in clocks if clock is not None))


def start(
    state: Watch,
    timer: str,
    event: Event,
    *,
    started_at: datetime,
    step: str | None = None,
    item: str | None = None,
    variant: str = "length",
    fixed_due: datetime | None = None,
    source_ref: str | None = None,
) -> Watch:
    """The state with a timer started by an event; a running one of the same key is stopped first."""
    state = stop(state, event, timer, step=step, item=item, exact=True)
    clock = Clock(
        timer=timer,
        cause=event.id,
        started_at=started_at,
        known_at=event.known_at,
        step=step,
        item=item,
        variant=variant,
        fixed_due=fixed_due,
        source_ref=source_ref,
    )
    return replace(state, clocks=(*state.clocks, clock))


def stop(
    state: Watch,
    event: Event,
    *timers: str,
    step: str | None = None,
    item: str | None = None,
    exact: bool = False,
) -> Watch:
    """The state with these timers stopped; a stopped clock stays only while alerts stand under it."""
    if not state.clocks:
        return state
    kept: list[Clock] = []
    for clock in state.clocks:
        named = clock.timer in timers and clock.running
        fits = exact or step is None or clock.step == step
        fits = fits and (exact or item is None or clock.item == item)
        if exact:
            fits = clock.step == step and clock.item == item
        if not (named and fits):
            kept.append(clock)
        elif clock.raised:
            kept.append(replace(clock, stopped_at=event.known_at))
    return replace(state, clocks=tuple(kept))


def owe_later(state: Watch, type_: str, event: Event, **fields: str | None | list[str]) -> Watch:
    """The state with a decision owed because of this event."""
    return replace(state, owed=(*state.owed, Owed(type_, event.id, event.known_at, dict(fields))))


def without_owed(state: Watch, type_: str, cause: str) -> Watch:
    """The state after such a decision was folded."""
    kept = tuple(item for item in state.owed if (item.type, item.cause) != (type_, cause))
    return replace(state, owed=kept)
