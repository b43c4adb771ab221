"""Supervision's view of a stream: its clocks, and the little of the case that its rules ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import is_
from typing import Any

from shared.claims import Claims
from shared.events import Event
from shared.frozen import Frozen
from shared.frozen import replace as replace

URGENT = "urgent"
LARGE_GROUP = "large group"
"""Marks of a handling clock's variant, as things stood when it started (I-07): what becomes
known later shortens nothing that was set.
"""
AHEAD = "reopened"
"""Variant of a campaign date that starts again: only one that still lies ahead then is owed."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class Raised(Frozen, frozen=True):
    """An alert that stands. `ended_at`: when the act came that ends it; from L4 on a reply to
    the notice is needed too. `lane`: of a fast lane.
    """

    level: str
    id: str
    at: datetime
    escalated: bool = False
    ended_at: datetime | None = None
    lane: bool = False


class Jump(Frozen, frozen=True):
    """A fast lane (domain 4.3): this level at once, because of this fact.

    `due_at`: the fact's instant, where the clock it is raised under started only later.
    """

    level: str
    cause: str
    at: datetime
    due_at: datetime | None = None


class Clock(Frozen, frozen=True):
    """One running, or stopped but not yet cleared, timer.

    `started_at`: the instant it counts from. `known_at`: when that became known; no step is
    raised before. `recorded_at`: the recording by which late filing is judged, where it is not
    `known_at`. `cause`: the event that started or moved it. `set_id` None: its DeadlineSet is
    still owed. `fixed_due`: a due that a document or an approval names. `limit`: the due before
    the first reassignment. `spans`: suspensions that move it. `reached`: the highest level raised
    under its present DeadlineSet, standing or cleared.
    """

    timer: str
    cause: str
    started_at: datetime
    known_at: datetime
    step: str | None = None
    item: str | None = None
    variant: str = "length"
    recorded_at: datetime | None = None
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
    jump: Jump | None = None
    reached: str = ""
    raised: tuple[Raised, ...] = ()
    notice: str | None = None
    replied_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        return (self.timer, self.step, self.item)

    @property
    def running(self) -> bool:
        return self.stopped_at is None


class Fired(Frozen, frozen=True):
    """How high a clock had come when it stopped or moved: no level twice for one due (I-16)."""

    timer: str
    step: str | None
    item: str | None
    due_at: datetime | None
    level: str


class Source(Frozen, frozen=True):
    """A platform that must be answered (I-03). `recorded_at`: when its complaint was recorded."""

    source: str
    source_ref: str
    tier: str
    received_at: datetime
    recorded_at: datetime
    external_due_at: datetime | None
    replied: bool = False


class Line(Frozen, frozen=True):
    """One claim line, in fen and whole months. `heads`: workers its sum is of.

    `rest`: workers of the same complaint that no line is of; they count while this one is unpaid.
    `worker`: the beginning of the worker's keyed hash, enough to tell apart the few of one case;
    `first`: the first month claimed, counted from year 0. `repeats`: later claims on it, each named
    `case|line`, that came after it was last verified; none of them changes what is owed here.
    """

    line: str
    claimed_fen: int | None
    claimed_months: int
    heads: int = 1
    verified_fen: int | None = None
    verified_months: int | None = None
    worker: str | None = None
    first: int | None = None
    rest: int = 0
    repeats: tuple[Line, ...] = ()

    @property
    def owed_fen(self) -> int | None:
        return self.verified_fen if self.verified_fen is not None else self.claimed_fen

    @property
    def months(self) -> int:
        return self.verified_months if self.verified_months is not None else self.claimed_months

    @property
    def contested(self) -> bool:
        """Whether a complaint that repeats this claim asks for more than stands here: a larger sum,
        other months, or for workers whom no line has."""
        of: dict[str, list[Line]] = {}
        for each in self.repeats:
            of.setdefault(each.line.split("|")[0], []).append(each)
        return any(self._asks_more(repeats) for repeats in of.values())

    def _asks_more(self, repeats: list[Line]) -> bool:
        """Of one complaint, which may claim the months one by one; what is not known of the line
        cannot be exceeded."""
        fen = sum(each.claimed_fen or 0 for each in repeats)
        more = self.owed_fen is not None and fen > self.owed_fen
        if more or any(each.rest for each in repeats):
            return True
        if self.verified_months is None and not self.claimed_months:
            return False
        asked = set().union(*(each.span for each in repeats))
        return len(asked) > self.months if self.first is None else not asked <= set(self.span)

    @property
    def span(self) -> range:
        """Its months, counted from year 0: as many as were verified, from the first one claimed."""
        return range(0) if self.first is None else range(self.first, self.first + self.months)


class Paid(Frozen, frozen=True):
    """What is verified of one payment, made at `at`, on one claim line."""

    payment: str
    line: str
    amount_fen: int
    at: datetime


class Order(Frozen, frozen=True):
    """A served payment order. `limit_at`: as the document names it. `default_id`: its default.

    `ended_at`: when it expired, known once it is defaulted; `paid`: once every line was, before it
    expired; `lines`: what was owed then, else when it expired; `in_time`: what was recorded later
    shows that it had been obeyed before.
    """

    doc_no: str
    doc_type: str
    served_at: datetime
    limit_at: datetime | None = None
    complied_at: datetime | None = None
    defaulted_at: datetime | None = None
    default_id: str | None = None
    ended_at: datetime | None = None
    lines: tuple[Line, ...] = ()
    paid: bool = False
    in_time: bool = False

    @property
    def complied(self) -> bool:
        return self.complied_at is not None or self.in_time


class Figures(Frozen, frozen=True):
    """From when non-payment is referred (法释〔2013〕3号 3): of one worker, or of many."""

    single_months: int
    single_fen: int
    many_workers: int
    many_fen: int


class Met(Frozen, frozen=True):
    """The referral threshold, met after the order `doc_no` had expired at `ended_at`.

    `lines`: what was owed when it was met, `members`: by the other cases of the group that it
    leads; `lapsed`: what was recorded later shows that too much
    of it had been paid before.
    """

    doc_no: str
    ended_at: datetime
    figures: Figures
    lines: tuple[Line, ...]
    members: tuple[Creditor, ...] = ()
    lapsed: bool = False


class Asked(Frozen, frozen=True):
    """An extension asked for or approved, which a rule must answer as things stood then.

    `at`: when it became known; `time`: when it was done. `due_at`: of the handling clock then,
    None if none ran. `used`: extensions before it.
    """

    id: str
    at: datetime
    time: datetime
    to: datetime
    due_at: datetime | None
    used: int
    approver: str | None = None


class Owed(Frozen, frozen=True):
    """A decision that follows from a fact without a policy: its type, cause, instant and fields.

    `on`: the stream it is for, where that is not the own one.
    """

    type: str
    cause: str
    at: datetime
    fields: dict[str, Any]
    on: str | None = None


class Creditor(Frozen, frozen=True):
    """What is still unpaid of one worker, or of a gang on one line whose members are not named.

    `worker`: as on a line.
    """

    heads: int
    months: int
    fen: int
    worker: str | None = None


class Told(Frozen, frozen=True):
    """How a member of a group stands. `paid_at`: of its last payment, once it is settled; `fled`:
    its facts say so of the employer.
    """

    settled: bool = False
    paid_at: datetime | None = None
    unpaid: tuple[Creditor, ...] = ()
    fled: bool = False


class Leader(Frozen, frozen=True):
    """The leading case of a group this case joined, and what it was last told (None: nothing).

    `formation`: a group forms anew when its leading case ends; what is of an older one is past.
    """

    group: str
    master: str
    formation: int = 1
    told: Told | None = None


class Member(Frozen, frozen=True):
    """Another case of the group that this case leads; unsettled until it tells otherwise."""

    group: str
    case: str
    formation: int = 1
    told: Told = Told()

    @property
    def settled(self) -> bool:
        return self.told.settled


class Part(Frozen, frozen=True):
    """One instalment. `total_fen`: due with all before it. `due_on`: noon of its civil date.

    `ended_at`: when its day was over, known once it is defaulted; `in_time`: what was recorded
    later shows that it had been paid before.
    """

    n: int
    due_on: datetime
    total_fen: int
    defaulted: bool = False
    ended_at: datetime | None = None
    in_time: bool = False


class Instalments(Frozen, frozen=True):
    """An agreed plan. `base_fen`: verified when it was agreed; parts by date.

    `void_from`: so many defaults made it void.
    """

    cause: str
    agreed_at: datetime
    base_fen: int
    parts: tuple[Part, ...]
    void_from: int | None = None

    @property
    def defaults(self) -> int:
        return sum(part.defaulted and not part.in_time for part in self.parts)

    @property
    def void(self) -> bool:
        return self.void_from is not None and self.defaults >= self.void_from


class Incident(Frozen, frozen=True):
    """An extreme incident that is not cleared, with the due of its latest update."""

    id: str
    at: datetime
    known_at: datetime
    update_due_at: datetime | None = None


class Watch(Frozen, frozen=True):
    """What supervision keeps of a case, a unit or the city.

    `claims`: who claims each of the lines, the case itself or complaints merged into it; `ways`:
    the complaints that stand here whole.
    `led_past`: groups, with the formation that it led or might have led and that is over.
    `handle_by`: the last due of T09, `first_handle_by`: the one before the first reassignment;
    both since the case was last on its own.
    """

    subject: str
    clocks: tuple[Clock, ...] = ()
    fired: tuple[Fired, ...] = ()
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
    claims: Claims = ()
    ways: tuple[str, ...] = ()
    paid: tuple[Paid, ...] = ()
    last_paid_time: datetime | None = None
    task_force: str | None = None
    department: str | None = None
    township: str | None = None
    group_level: str | None = None
    group_member: bool = False
    leaders: tuple[Leader, ...] = ()
    members: tuple[Member, ...] = ()
    led_past: tuple[tuple[str, int], ...] = ()
    handle_by: datetime | None = None
    first_handle_by: datetime | None = None
    suspended_at: datetime | None = None
    extension: Asked | None = None
    extension_refused: datetime | None = None
    approval: Asked | None = None
    extensions: int = 0
    plan: Instalments | None = None
    orders: tuple[Order, ...] = ()
    thresholds: tuple[Met, ...] = ()
    fast_lane: Jump | None = None
    referral_decided: bool = False
    police_filed: bool = False
    with_police: bool = False
    fled: bool = False
    enforced: bool = False
    legal_ended: bool = False
    listed: bool = False
    funds_requested: bool = False
    closure_kind: str | None = None
    reviewing: bool = False
    last_follow_up: str | None = None
    closed: bool = False
    closed_at: datetime | None = None
    written_off: bool = False
    a_date_missed: bool = False
    notices: int = 0
    contact_tries: int = 0
    incidents: tuple[Incident, ...] = ()
    facts_at: datetime | None = None
    begun: tuple[str, ...] = ()

    def clock(self, timer: str, item: str | None = None) -> Clock | None:
        """The running clock of a timer, of this item where one is named."""
        for clock in self.clocks:
            if clock.timer == timer and clock.running and item in (None, clock.item):
                return clock
        return None

    @property
    def ended(self) -> bool:
        """Closed, out of the base, or going on under its master."""
        return self.closed or self.out or self.merged_into is not None

    @property
    def handler(self) -> str | None:
        """主办: the township; where there is none, the department or task force that leads."""
        if self.township not in (None, "NO_TOWNSHIP"):
            return self.township
        return self.department or self.task_force


_FRESH = Clock("", "", _NEVER, _NEVER)
_EMPTY = Watch("")


def empty(subject: str) -> Watch:
    """Of a stream of which nothing is known. Copied: fifty fields are slow to set one by one."""
    return replace(_EMPTY, subject=subject)


def swap(state: Watch, old: Clock, new: Clock | None) -> Watch:
    """The state with one clock changed, or gone when `new` is None."""
    if new is None:
        return replace(state, clocks=tuple([clock for clock in state.clocks if clock is not old]))
    return replace(state, clocks=tuple([new if c is old else c for c in state.clocks]))


def start(
    state: Watch,
    timer: str,
    event: Event,
    *,
    step: str | None = None,
    item: str | None = None,
    variant: str = "length",
    started_at: datetime | None = None,
    known_at: datetime | None = None,
    recorded_at: datetime | None = None,
    fixed_due: datetime | None = None,
    limit: datetime | None = None,
    source_ref: str | None = None,
) -> Watch:
    """The state with a timer started by an event, at its time unless told otherwise.

    A running clock of the same key is stopped first.
    """
    state = stop(state, event, timer, step=step, item=item, exact=True)
    clock = replace(
        _FRESH,
        timer=timer,
        cause=event.id,
        started_at=started_at or event.time,
        known_at=known_at or event.known_at,
        step=step,
        item=item,
        variant=variant,
        recorded_at=recorded_at,
        fixed_due=fixed_due,
        limit=limit,
        source_ref=source_ref,
    )
    return replace(state, clocks=(*state.clocks, clock))


def start_once(
    state: Watch, timer: str, event: Event, *, item: str | None = None, variant: str = "length"
) -> Watch:
    """The state with a timer started unless it runs already: an act that is recorded again moves no
    deadline and clears no alert (I-07, I-20).
    """
    for clock in state.clocks:
        if clock.running and (clock.timer, clock.item, clock.variant) == (timer, item, variant):
            return state
    return start(state, timer, event, item=item, variant=variant)


def stop(
    state: Watch,
    event: Event,
    *timers: str,
    step: str | None = None,
    item: str | None = None,
    exact: bool = False,
) -> Watch:
    """The state with these timers stopped; a stopped clock stays only while alerts stand under it.

    `step`, `item`: only clocks of these; with `exact` None means none, else any.
    """
    kept: list[Clock] = []
    fired = state.fired
    for clock in state.clocks:
        named = clock.timer in timers and clock.stopped_at is None
        if named and exact:
            named = clock.step == step and clock.item == item
        elif named:
            named = step in (None, clock.step) and item in (None, clock.item)
        if not named:
            kept.append(clock)
            continue
        fired = remembered(fired, clock)
        if clock.raised:
            raised = ended(clock.raised, event.known_at)
            kept.append(replace(clock, stopped_at=event.known_at, raised=raised))
    if len(kept) == len(state.clocks) and all(map(is_, kept, state.clocks)):
        return state
    return replace(state, clocks=tuple(kept), fired=fired)


def remembered(fired: tuple[Fired, ...], clock: Clock) -> tuple[Fired, ...]:
    """What was fired, with the level that this clock reached for its due."""
    if not clock.reached:
        return fired
    return (*fired, Fired(clock.timer, clock.step, clock.item, clock.due_at, clock.reached))


def ended(raised: tuple[Raised, ...], at: datetime) -> tuple[Raised, ...]:
    """These alerts, whose end came at `at` unless it had come before."""
    return tuple(alert if alert.ended_at else replace(alert, ended_at=at) for alert in raised)


def owe_later(
    state: Watch,
    type_: str,
    event: Event,
    *,
    at: datetime | None = None,
    **fields: Any,
) -> Watch:
    """The state with a decision owed because of this event, from when it is known or `at`."""
    owed = Owed(type_, event.id, at or event.known_at, dict(fields))
    return replace(state, owed=(*state.owed, owed))


def owe_reopening(state: Watch, event: Event, reason: str) -> Watch:
    """CaseReopened, not before the closing, whenever that became known which undoes it."""
    at = max(event.known_at, state.closed_at or event.known_at)
    return owe_later(state, "CaseReopened", event, at=at, reason=reason)


def without_owed(state: Watch, type_: str, cause: str) -> Watch:
    """The state after such a decision was folded."""
    kept = tuple(item for item in state.owed if (item.type, item.cause) != (type_, cause))
    return replace(state, owed=kept)
