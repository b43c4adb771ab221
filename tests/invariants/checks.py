"""The invariants of domain 3.4 as checks on a log; shares only event types with the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from shared import events as ev
from shared.envelope import encode
from shared.events import Event
from tests.invariants.histories import NAMES, PHONES
from tests.simulated import identity_number

Log = list[Event]
Check = Callable[[Log], Iterator[str]]


def streams(log: Log) -> dict[str, Log]:
    found: dict[str, Log] = defaultdict(list)
    for event in log:
        found[event.subject].append(event)
    return found


class Money:
    """Owed and verified by claim line, recounted from the facts."""

    def __init__(self) -> None:
        self.claimed: dict[str, int | None] = {}
        self.payments: dict[str, dict[str, int]] = {}
        self.last_payment: datetime | None = None

    def take(self, event: Event) -> None:
        data = event.data
        if isinstance(data, ev.ComplaintReceived):
            self.claimed = {line.line: line.amount_fen for line in data.claims}
        elif isinstance(data, ev.FactsVerified):
            self.claimed |= {line.line: line.amount_fen for line in data.lines}
        elif isinstance(data, ev.PaymentVerified):
            paid: dict[str, int] = defaultdict(int)
            for part in data.lines:
                paid[part.line] += part.amount_fen
            self.payments[data.payment] = self.payments.get(data.payment, {}) | paid
            self.last_payment = max(self.last_payment or event.time, event.time)
        elif isinstance(data, ev.PaymentReversed):
            known = self.payments.get(data.payment, {})
            for part in data.lines:
                known[part.line] = max(0, known.get(part.line, 0) - part.amount_fen)

    def full(self) -> bool:
        return all(
            owed is not None and sum(paid.get(line, 0) for paid in self.payments.values()) >= owed
            for line, owed in self.claimed.items()
        )


def i01(log: Log) -> Iterator[str]:
    """No closing as paid without every line verified paid and a good follow-up after it."""
    for subject, events in streams(log).items():
        money, good = Money(), None
        for event in events:
            money.take(event)
            data = event.data
            if isinstance(data, ev.FollowUpWaived):
                good = event.time
            elif isinstance(data, ev.FollowUpCompleted):
                fine = data.got_paid == "Y" and data.satisfaction in ("satisfied", "mostly")
                good = event.time if fine else None
            elif isinstance(data, ev.CaseClosed) and data.kind == "PAID_IN_FULL":
                after = good is not None and (
                    money.last_payment is None or good >= money.last_payment
                )
                if not money.full() or not after:
                    yield f"{subject} closed unpaid or without follow-up"


def i03(log: Log) -> Iterator[str]:
    """A merged case's source is owed its own reply when the master closes."""
    sources = {
        event.subject: event.data.source_ref
        for event in log
        if isinstance(event.data, ev.ComplaintReceived)
    }
    under: dict[str, set[str]] = defaultdict(set)
    replied: set[str] = set()
    for event in log:
        data = event.data
        if isinstance(data, ev.ComplaintReceived):
            under[event.subject].add(data.source_ref)
        elif isinstance(data, ev.ComplaintMerged):
            under[data.master].add(sources[event.subject])
        elif isinstance(data, ev.SourceReplied):
            replied.add(data.source_ref)
        elif isinstance(data, ev.CaseClosed):
            owed = {
                other.data.source_ref
                for other in log
                if isinstance(other.data, ev.SourceReplyOwed) and other.data.cause == event.id
            }
            if not under[event.subject] - replied <= owed:
                yield f"{event.subject} closed and left a source without reply"


def i04(log: Log) -> Iterator[str]:
    """One township, and exactly one of task force and department."""
    for event in log:
        if isinstance(event.data, ev.CaseAssigned | ev.CaseReassigned):
            data = event.data
            if (data.task_force is None) == (data.department is None) or not data.township:
                yield f"{event.subject} has no single lead"


def i05(log: Log) -> Iterator[str]:
    """The handling township approves neither its own return, nor closing, nor write-off."""
    approvals = (
        ev.ReturnApproved,
        ev.ExtensionApproved,
        ev.ClosureReviewPassed,
        ev.FollowUpCompleted,
        ev.CaseWrittenOff,
    )
    for event in log:
        if isinstance(event.data, approvals) and event.role == "township":
            yield f"{event.subject}: {event.type} by the handler"


def i06(log: Log) -> Iterator[str]:
    """Not two returns by one unit that are looked at, not three approved."""
    for subject, events in streams(log).items():
        refused = {e.data.cause for e in events if isinstance(e.data, ev.ReturnRefused)}
        units: list[str] = []
        asked: Event | None = None
        for event in events:
            if isinstance(event.data, ev.ReturnRequested):
                asked = None if event.id in refused else event
            elif isinstance(event.data, ev.ReturnApproved) and asked is not None:
                units.append(asked.unit)
                asked = None
        if len(units) != len(set(units)) or len(units) > 2:
            yield f"{subject} was returned too often"


def i07(log: Log) -> Iterator[str]:
    """A handling deadline moves only by an approval, and not after it has passed."""
    by_id = {event.id: event for event in log}
    movers = (ev.ExtensionApproved, ev.CaseReassigned, ev.CaseResumed, ev.SuspensionLapsed)
    for subject, events in streams(log).items():
        due: datetime | None = None
        for event in events:
            data = event.data
            if not isinstance(data, ev.DeadlineSet) or data.timer != "T09":
                continue
            cause = by_id.get(data.cause)
            if due is not None and data.moved and data.due_at != due:
                if cause is None or not isinstance(cause.data, movers):
                    yield f"{subject}: T09 moved by {cause!r}"
                elif isinstance(cause.data, ev.ExtensionApproved) and cause.time >= due:
                    yield f"{subject}: T09 extended after it was due"
            due = data.due_at


def i08(log: Log) -> Iterator[str]:
    """Inspection, order, penalty and referral come from 市人社局; filing from the police."""
    bureau = (ev.PaymentOrderServed, ev.PenaltyDecided, ev.ReferralProposed, ev.ReferralDelivered)
    for event in log:
        if isinstance(event.data, bureau) and event.unit != "市人社局":
            yield f"{event.subject}: {event.type} by {event.unit}"
        if isinstance(event.data, ev.PoliceFiled) and event.role != "police":
            yield f"{event.subject}: filed by {event.actor}"


def i09(log: Log) -> Iterator[str]:
    """Referral only after an expired order and a limb; delivery only after the head's approval."""
    for subject, events in streams(log).items():
        met = approved = False
        for event in events:
            met |= isinstance(event.data, ev.ReferralThresholdMet)
            approved |= isinstance(event.data, ev.ReferralApproved)
            if isinstance(event.data, ev.ReferralProposed) and not met:
                yield f"{subject}: proposed without threshold"
            if isinstance(event.data, ev.ReferralDelivered) and not approved:
                yield f"{subject}: delivered without approval"


def threshold_after_default(log: Log) -> Iterator[str]:
    """I-09: the threshold is met only by what is unpaid after an order has expired."""
    for subject, events in streams(log).items():
        defaulted = False
        for event in events:
            defaulted |= isinstance(event.data, ev.PaymentOrderDefaulted)
            if isinstance(event.data, ev.ReferralThresholdMet) and not defaulted:
                yield f"{subject}: threshold before default"


def i10(log: Log) -> Iterator[str]:
    """While a referral is neither approved nor declined the case does not close."""
    for subject, events in streams(log).items():
        pending = False
        for event in events:
            if isinstance(event.data, ev.ReferralThresholdMet):
                pending = True
            elif isinstance(event.data, ev.ReferralApproved | ev.ReferralDeclined):
                pending = False
            elif isinstance(event.data, ev.CaseClosed) and pending:
                yield f"{subject} closed instead of referred"


def i11(log: Log) -> Iterator[str]:
    """A filed case is not closed until it is paid."""
    for subject, events in streams(log).items():
        money, filed = Money(), False
        for event in events:
            money.take(event)
            filed |= isinstance(event.data, ev.PoliceFiled)
            if isinstance(event.data, ev.CaseClosed) and filed and not money.full():
                yield f"{subject} filed and closed unpaid"


def i12(log: Log) -> Iterator[str]:
    """A label of illegal demand changes no clock."""
    labels = {event.id for event in log if isinstance(event.data, ev.IllegalDemandRecorded)}
    for event in log:
        if isinstance(event.data, ev.Decision) and event.data.cause in labels:
            yield f"{event.subject}: {event.type} because of a label"


def i14(log: Log) -> Iterator[str]:
    """No name, identity number or phone on the log."""
    secrets = [*NAMES, *PHONES, *(identity_number(n) for n in range(4))]
    for event in log:
        text = encode(event).decode()
        for secret in secrets:
            if secret in text:
                yield f"{event.type} tells {secret}"


def i16(log: Log) -> Iterator[str]:
    """Each step once."""
    seen: set[str] = set()
    for event in log:
        if event.id in seen:
            yield f"{event.type} of {event.subject} twice"
        seen.add(event.id)
    alerts: set[tuple[object, ...]] = set()
    for event in log:
        if isinstance(event.data, ev.AlertRaised):
            data = event.data
            key = (event.subject, data.timer, data.step, data.item, data.level, data.cause)
            if key in alerts:
                yield f"{event.subject}: alert {key} twice"
            alerts.add(key)


def i17(log: Log) -> Iterator[str]:
    """Nothing happens after it is recorded."""
    for event in log:
        if isinstance(event.data, ev.Fact) and event.time > event.recordedtime:
            yield f"{event.type} of {event.subject} in the future"


def i18(log: Log) -> Iterator[str]:
    """A suspension moves no statutory and no campaign clock."""
    by_id = {event.id: event for event in log}
    for event in log:
        data = event.data
        if isinstance(data, ev.DeadlineSet) and (data.timer >= "T20" or data.timer < "T"):
            cause = by_id.get(data.cause)
            if cause and isinstance(cause.data, ev.CaseResumed | ev.SuspensionLapsed):
                yield f"{event.subject}: {data.timer} moved by a suspension"


def i19(log: Log) -> Iterator[str]:
    """The one who follows up is not of the handling unit."""
    for subject, events in streams(log).items():
        township, by_id = None, {event.id: event for event in events}
        for event in events:
            if isinstance(event.data, ev.CaseAssigned | ev.CaseReassigned):
                township = event.data.township
            if isinstance(event.data, ev.CaseClosed):
                cause = by_id.get(event.data.cause)
                if (
                    cause
                    and isinstance(cause.data, ev.FollowUpCompleted)
                    and cause.unit == township
                ):
                    yield f"{subject} followed up by its own handler"


def i20(log: Log) -> Iterator[str]:
    """Under one deadline the level only rises; a breach that was cleared raises nothing more."""
    for subject, events in streams(log).items():
        highest: dict[tuple[object, ...], str] = {}
        cleared: set[tuple[object, ...]] = set()
        raised: dict[str, tuple[object, ...]] = {}
        for event in events:
            data = event.data
            if isinstance(data, ev.AlertRaised):
                key = (data.timer, data.step, data.item, data.due_at)
                if key in cleared or data.level <= highest.get(key, ""):
                    yield f"{subject}: {data.timer} {data.level} after {highest.get(key)}"
                highest[key] = data.level
                raised[event.id] = key
            elif isinstance(data, ev.AlertCleared) and data.level >= "L3" and data.cause in raised:
                cleared.add(raised[data.cause])


def outage_postpones_nothing(log: Log) -> Iterator[str]:
    """An alert's time is the rule's own instant: never later than its recording by the clock."""
    for event in log:
        if isinstance(event.data, ev.AlertRaised) and event.recordedtime - event.time > timedelta(
            0
        ):
            yield f"{event.subject}: {event.data.timer} late"


CHECKS: dict[str, Check] = {
    "I-01": i01,
    "I-03": i03,
    "I-04": i04,
    "I-05": i05,
    "I-06": i06,
    "I-07": i07,
    "I-08": i08,
    "I-09": i09,
    "I-09b": threshold_after_default,
    "I-10": i10,
    "I-11": i11,
    "I-12": i12,
    "I-14": i14,
    "I-16": i16,
    "I-17": i17,
    "I-18": i18,
    "I-19": i19,
    "I-20": i20,
}
