"""The invariants of domain 3.4 as checks on a log; shares only event types with the product.

I-12 needs the deciders (`test_invariants`); I-13 and I-15 do not show on a log of cases
(`test_every_invariant` names where they are checked).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime

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
    """Owed and verified by claim line, recounted from the facts and from what was merged here."""

    def __init__(self) -> None:
        self.claimed: dict[str, int | None] = {}
        self.claims: dict[str, set[str]] = {}
        self.months: dict[str, set[int]] = {}
        self.more: dict[str, list[tuple[str, int, set[int]]]] = defaultdict(list)
        self.payments: dict[str, dict[str, int]] = {}
        self.paid_at: dict[str, datetime] = {}
        self.last_payment: datetime | None = None

    def take(self, event: Event) -> None:
        data = event.data
        if isinstance(data, ev.ComplaintReceived):
            self.claimed = {line.line: line.amount_fen for line in data.claims}
            self.claims = {line.line: {""} for line in data.claims}
            self.months = {line.line: _months(line) for line in data.claims}
        elif isinstance(data, ev.FactsVerified):
            self.claimed |= {line.line: line.amount_fen for line in data.lines}
            self.claims = {line.line: {""} for line in data.lines} | self.claims
            for fact in data.lines:
                first = min(self.months.get(fact.line, ()), default=None)
                span = set() if first is None else set(range(first, first + fact.months))
                self.months[fact.line] = span
                self.more.pop(fact.line, None)
        elif isinstance(data, ev.ClaimLinesAdded):
            for line in data.lines:
                self._add(event, data, line)
        elif isinstance(data, ev.ClaimLinesRemoved):
            here = event.decider == event.subject
            for number, by in self.claims.items():
                left = {f"{data.from_case}|{line}|{event.decider}" for line in data.lines}
                self.claims[number] = by - ({""} if here and number in data.lines else left)
        elif isinstance(data, ev.PaymentVerified):
            paid: dict[str, int] = defaultdict(int)
            for part in data.lines:
                paid[part.line] += part.amount_fen
            stands = any(self.payments.get(data.payment, {}).values())
            before = self.paid_at.get(data.payment, event.time)
            self.paid_at[data.payment] = min(before, event.time) if stands else event.time
            self.payments[data.payment] = self.payments.get(data.payment, {}) | paid
            self.last_payment = max(self.last_payment or event.time, event.time)
        elif isinstance(data, ev.PaymentReversed):
            known = self.payments.get(data.payment, {})
            for part in data.lines:
                known[part.line] = max(0, known.get(part.line, 0) - part.amount_fen)

    def _add(self, event: Event, data: ev.ClaimLinesAdded, line: ev.ClaimLine) -> None:
        """Where the claim stands already, on the line that it is the same as, else on its own."""
        claim, same = f"{data.from_case}|{line.line}|", data.same.get(line.line)
        for number, by in self.claims.items():
            home = data.from_case == event.subject and number == line.line and "" in by
            if home or any(known.startswith(claim) for known in by):
                by.add(claim + event.decider)
                return
        for number, by in self.claims.items():
            if by and (number == same or any(known.startswith(f"{same}|") for known in by)):
                by.add(claim + event.decider)
                self.more[number].append((claim, line.amount_fen or 0, _months(line)))
                return
        number = str(len(self.claims) + 1)
        self.claims[number] = {claim + event.decider}
        self.claimed[number] = line.amount_fen
        self.months[number] = _months(line)

    def contested(self) -> bool:
        """Whether some complaint still asks for more, in fen or in months, of a line that nobody
        has verified since."""
        for number, repeats in self.more.items():
            fen: dict[str, int] = defaultdict(int)
            here = [
                (claim, amount, months)
                for claim, amount, months in repeats
                if any(by.startswith(claim) for by in self.claims[number])
            ]
            for claim, amount, months in here:
                fen[claim.split("|")[0]] += amount
                if self.months[number] and not months <= self.months[number]:
                    return True
            owed = self.claimed[number]
            if owed is not None and any(amount > owed for amount in fen.values()):
                return True
        return False

    def unpaid(self) -> int:
        """Fen that the lines still lack; what is unknown lacks very much."""
        return sum(
            max(0, (10**12 if owed is None else owed) - self._paid(line))
            for line, owed in self.claimed.items()
            if self.claims[line]
        )

    def _paid(self, line: str) -> int:
        return sum(paid.get(line, 0) for paid in self.payments.values())

    def full(self) -> bool:
        return not self.contested() and all(
            owed is not None and sum(paid.get(line, 0) for paid in self.payments.values()) >= owed
            for line, owed in self.claimed.items()
            if self.claims[line]
        )


def _months(line: ev.ClaimLine) -> set[int]:
    """Those that a line claims, counted from year 0; none where one end is not known."""
    if line.months_from is None or line.months_to is None:
        return set()
    first, last = (
        int(month[:4]) * 12 + int(month[5:]) for month in (line.months_from, line.months_to)
    )
    return set(range(first, last + 1))


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
    yield from _led_and_unpaid(log)


def _led_and_unpaid(log: Log) -> Iterator[str]:
    """No leading case closed as paid while a member of its group is neither paid nor ended."""
    money: dict[str, Money] = defaultdict(Money)
    leads: dict[tuple[str, str], str] = {}
    ended: set[str] = set()
    for event in log:
        data, case = event.data, event.subject
        money[case].take(event)
        if isinstance(data, ev.GroupJoined):
            leads[case, data.group] = data.master
        elif isinstance(data, ev.GroupLeft) and leads.get((case, data.group)) == data.master:
            del leads[case, data.group]
        elif isinstance(data, ev.GroupFormed):
            leads.pop((case, data.group), None)
        elif isinstance(data, ENDS):
            ended.add(case)
        elif isinstance(data, ev.CaseReopened | ev.ComplaintUnmerged):
            ended.discard(case)
        if isinstance(data, ev.CaseClosed) and data.kind == "PAID_IN_FULL":
            led = {member for (member, _), master in leads.items() if master == case}
            for member in led - ended:
                if not money[member].full():
                    yield f"{case} closed while {member} of its group is unpaid"


ENDS = (
    ev.CaseClosed,
    ev.ComplaintMerged,
    ev.ComplaintNotAccepted,
    ev.ComplaintTransferredOut,
)


def i02(log: Log) -> Iterator[str]:
    """No received line ends nowhere: it is refused, passed out, watched by a clock, or routed.

    What is merged stands, with its source, under a case that is none itself.
    """
    stands: dict[str, tuple[str, int]] = {}
    accepted: set[str] = set()
    masters: dict[str, str] = {}
    clocks: dict[tuple[str, str], int] = {}
    under: dict[tuple[str, str], bool] = {}
    for place, event in enumerate(log):
        data, case = event.data, event.subject
        if isinstance(data, ev.DeadlineSet):
            clocks[case, data.timer] = place
        elif isinstance(data, ev.ClaimLinesAdded | ev.ClaimLinesRemoved):
            if data.whole:
                under[data.from_case, case] = isinstance(data, ev.ClaimLinesAdded)
        elif isinstance(data, ev.ComplaintMerged):
            masters[case] = data.master
        elif isinstance(data, ev.ComplaintUnmerged) and masters.pop(case, None) is not None:
            stands[case] = ("ACCEPTED" if case in accepted else "RECEIVED", place)
        elif (state := ENTERS.get(type(data))) is not None:
            stands[case] = (state, place)
            if state == "ACCEPTED":
                accepted.add(case)
    for case, (state, since) in stands.items():
        under_it = root(case, masters)
        if under_it != case:
            if under_it not in stands or not under.get((case, under_it)):
                yield f"{case} is merged into nothing"
        elif state == "ACCEPTED":
            yield f"{case} is accepted and neither assigned nor in triage"
        elif state in WATCHED and max(clocks.get((case, t), -1) for t in WATCHED[state]) < since:
            yield f"{case} is {state} and no clock watches it"


ENTERS: dict[type[object], str] = {
    ev.ComplaintReceived: "RECEIVED",
    ev.SupplementRequested: "SUPPLEMENTING",
    ev.SupplementReceived: "RECEIVED",
    ev.ComplaintAccepted: "ACCEPTED",
    ev.ComplaintNotAccepted: "OUT",
    ev.ComplaintTransferredOut: "OUT",
    ev.TriageRequested: "TRIAGE",
    ev.CaseAssigned: "ASSIGNED",
    ev.CaseReassigned: "ASSIGNED",
}
WATCHED = {"RECEIVED": ("T01",), "SUPPLEMENTING": ("T02",), "TRIAGE": ("T04",)}


def i03(log: Log) -> Iterator[str]:
    """Every source whose complaint stands under a case is owed its reply when that case closes."""
    sources: dict[str, str] = {}
    masters: dict[str, str] = {}
    owed: dict[str, set[str]] = defaultdict(set)
    for event in log:
        if isinstance(event.data, ev.SourceReplyOwed):
            owed[event.data.cause].add(event.data.source_ref)
    for event in log:
        data = event.data
        if isinstance(data, ev.ComplaintReceived):
            sources[event.subject] = data.source_ref
        elif isinstance(data, ev.ComplaintMerged):
            masters[event.subject] = data.master
        elif isinstance(data, ev.ComplaintUnmerged):
            masters.pop(event.subject, None)
        elif isinstance(data, ev.CaseClosed):
            here = {ref for case, ref in sources.items() if root(case, masters) == event.subject}
            if not here <= owed[event.id]:
                yield f"{event.subject} closed and left a source without reply"


def root(case: str, masters: dict[str, str]) -> str | None:
    """The case under which a case stands, itself if it is not merged; None in a circle."""
    walked = {case}
    while case in masters:
        case = masters[case]
        if case in walked:
            return None
        walked.add(case)
    return case


def i04(log: Log) -> Iterator[str]:
    """One township, and exactly one of task force and department; no township by the office."""
    for event in log:
        if isinstance(event.data, ev.CaseAssigned | ev.CaseReassigned):
            data = event.data
            if (data.task_force is None) == (data.department is None):
                yield f"{event.subject} has no single lead"
            if {data.task_force, data.department} & set(data.co_handlers):
                yield f"{event.subject}: the lead helps itself"
            by_office = data.township == "NO_TOWNSHIP" and data.township_from.rule == "office"
            if not by_office and not (len(data.township) == 9 and data.township.isdigit()):
                yield f"{event.subject} has no township"


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
    """While a referral is neither approved nor declined the case does not close; but one that was
    not proposed ends where the order had been obeyed in time, as it was recorded later.
    """
    for subject, events in streams(log).items():
        pending, proposed, ends, least = False, False, {}, 1
        expired: datetime | None = None
        money, early = Money(), Money()
        for event in events:
            data = event.data
            money.take(event)
            if isinstance(data, ev.DeadlineSet) and data.timer == "T23":
                ends[data.item] = data.due_at
            elif isinstance(data, ev.ReferralThresholdMet):
                pending, proposed, expired = True, False, ends.get(data.doc_no)
                early.claimed, early.claims = dict(money.claimed), dict(money.claims)
                least = data.figures.single_fen if data.figures is not None else 1
            elif isinstance(data, ev.ReferralProposed):
                proposed = True
            elif isinstance(data, ev.ReferralApproved | ev.ReferralDeclined):
                pending = False
            elif isinstance(data, ev.CaseClosed) and pending:
                early.payments = {
                    name: paid
                    for name, paid in money.payments.items()
                    if expired is not None and money.paid_at[name] < expired
                }
                if proposed or early.unpaid() >= least:
                    yield f"{subject} closed instead of referred"


def i11(log: Log) -> Iterator[str]:
    """A filed case is not closed until it is paid or the law's way has ended."""
    for subject, events in streams(log).items():
        money, filed, ended = Money(), False, False
        for event in events:
            money.take(event)
            filed |= isinstance(event.data, ev.PoliceFiled)
            ended |= isinstance(event.data, ev.LegalPathEnded)
            open_ = filed and not ended and not money.full()
            if isinstance(event.data, ev.CaseClosed) and open_:
                yield f"{subject} filed and closed unpaid"


def i14(log: Log) -> Iterator[str]:
    """No name, identity number or phone on the log."""
    secrets = [*NAMES, *PHONES, *(identity_number(n) for n in range(4))]
    for event in log:
        text = encode(event).decode()
        for secret in secrets:
            if secret in text:
                yield f"{event.type} tells {secret}"


def i16(log: Log) -> Iterator[str]:
    """Each step once: no event twice, and no level twice for one due of one timer."""
    seen: set[str] = set()
    for event in log:
        if event.id in seen:
            yield f"{event.type} of {event.subject} twice"
        seen.add(event.id)
    alerts: set[tuple[object, ...]] = set()
    for event in log:
        if isinstance(event.data, ev.AlertRaised):
            data = event.data
            key = (event.subject, data.timer, data.step, data.item, data.level, data.due_at)
            if key in alerts:
                yield f"{event.subject}: alert {key} twice"
            alerts.add(key)


def i17(log: Log) -> Iterator[str]:
    """Nothing happens after it is recorded."""
    for event in log:
        if isinstance(event.data, ev.Fact) and event.time > event.recordedtime:
            yield f"{event.type} of {event.subject} in the future"


def decided_at_once(log: Log) -> Iterator[str]:
    """I-17: in continuous time a decision is recorded at its own instant, never back in time."""
    for event in log:
        if isinstance(event.data, ev.Decision) and event.time != event.recordedtime:
            yield f"{event!r} is recorded at {event.recordedtime}"


def i18(log: Log) -> Iterator[str]:
    """A suspension moves no statutory and no campaign clock, and starts none."""
    by_id = {event.id: event for event in log}
    pauses = (ev.CaseSuspended, ev.CaseResumed, ev.SuspensionLapsed)
    for event in log:
        data = event.data
        if isinstance(data, ev.DeadlineSet) and (data.timer >= "T20" or data.timer < "T"):
            cause = by_id.get(data.cause)
            if data.moved or (cause and isinstance(cause.data, pauses)):
                yield f"{event.subject}: {data.timer} moved by {cause!r}"


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
    """Under one due the level only rises; under one clock a cleared breach raises nothing more.

    A DeadlineSet that is not `moved` begins a new clock, though its due may be the very one of the
    clock before it (a second filing on the same day).
    """
    for subject, events in streams(log).items():
        highest: dict[tuple[object, ...], str] = {}
        clocks: dict[tuple[object, ...], int] = defaultdict(int)
        cleared: set[tuple[object, ...]] = set()
        raised: dict[str, tuple[object, ...]] = {}
        for event in events:
            data = event.data
            if isinstance(data, ev.DeadlineSet) and not data.moved:
                clocks[data.timer, data.step, data.item] += 1
            elif isinstance(data, ev.AlertRaised):
                name = (data.timer, data.step, data.item)
                due = (*name, data.due_at)
                breach = (*due, clocks[name])
                if breach in cleared or data.level <= highest.get(due, ""):
                    yield f"{subject}: {data.timer} {data.level} after {highest.get(due)}"
                highest[due] = data.level
                raised[event.id] = breach
            elif isinstance(data, ev.AlertCleared) and data.level >= "L3" and data.cause in raised:
                cleared.add(raised[data.cause])


def cleared_by_what_stops(log: Log) -> Iterator[str]:
    """I-20: an alert is cleared only after an act that stops its timer, or moves or renews it.

    The acts are column "Stop" of domain 4.1, and what ends the case itself; the reminder L1 of the
    handling clocks is answered by progress (4.3). From L4 on the notice must be answered too.
    """
    for subject, events in streams(log).items():
        done: dict[type[object], datetime] = {}
        renewed: dict[tuple[object, ...], int] = {}
        raised: dict[str, tuple[int, datetime]] = {}
        noticed: dict[tuple[object, ...], datetime] = {}
        for place, event in enumerate(events):
            data, at = event.data, event.recordedtime
            if isinstance(data, ev.AlertRaised):
                raised[event.id] = (place, at)
                if data.level >= "L4":
                    noticed.setdefault((data.timer, data.step, data.item), at)
            elif isinstance(data, ev.DeadlineSet):
                renewed[data.timer, data.step, data.item] = place
            elif isinstance(data, ev.AlertCleared):
                name = (data.timer, data.step, data.item)
                acts = STOPS.get(data.timer, ()) + ENDS_CASE
                if data.level == "L1" and data.timer in ("T09", "T18"):
                    acts += (ev.ProgressReported,)
                since, begun = raised[data.cause]
                # At one instant the act of another writer may stand before the alert it crossed.
                stopped = any(done[act] >= begun for act in acts if act in done)
                if not stopped and renewed.get(name, -1) <= since:
                    yield f"{subject}: {data.timer} {data.level} cleared by nothing that stops it"
                replied = done.get(ev.SupervisionNoticeReplied)
                if data.level >= "L4" and (replied is None or replied < noticed[name]):
                    yield f"{subject}: {data.timer} {data.level} cleared without a reply"
            done[type(data)] = at


ENDS_CASE: tuple[type[object], ...] = (
    ev.ComplaintMerged,
    ev.ComplaintNotAccepted,
    ev.ComplaintTransferredOut,
    ev.CaseClosed,
    ev.AssignmentWithdrawn,
)
PAYS: tuple[type[object], ...] = (ev.PaymentVerified, ev.FactsVerified, ev.ClaimLinesRemoved)
"""What may leave nothing to pay: money, a smaller claim as verified, a line that left."""
STOPS: dict[str, tuple[type[object], ...]] = {
    "T01": (ev.SupplementRequested, ev.ComplaintAccepted),
    "T02": (ev.SupplementReceived, ev.SupplementLapsed, ev.ContactTried, ev.ComplaintAccepted),
    "T03": (ev.CaseAssigned, ev.CaseReassigned),
    "T04": (ev.TriageDecided, ev.HandlerDesignated),
    "T05": (ev.AssignmentSigned, ev.AssignmentDeemedSigned, ev.ReturnRequested),
    "T06": (ev.ReturnApproved, ev.ReturnNotApproved, ev.ReturnRefused, ev.HandlerDesignated),
    "T07": (ev.FirstContactMade, ev.ReturnApproved),
    "T08": (ev.ProgressReported, ev.ClosureRequested, ev.ReturnApproved),
    "T09": (ev.ClosureRequested, ev.CaseReassigned, ev.GroupJoined),
    "T10": (ev.SourceReplied, ev.ClaimLinesRemoved),
    "T12": (ev.ClosureReviewPassed, ev.ClosureReturned),
    "T13": (ev.FollowUpCompleted, ev.FollowUpWaived, ev.ClosureReturned),
    "T14": (ev.CaseWrittenOff, ev.CaseReopened),
    "T16": (ev.PaymentVerified, ev.InstalmentDefaulted, ev.InstalmentPlanAgreed),
    "T17": (ev.CaseResumed, ev.SuspensionLapsed),
    "T18": (ev.ClosureRequested,),
    "T20": (ev.InspectionFiled,),
    "T21": (ev.InspectionClosed,),
    "T22": (ev.PaymentOrderIssued, ev.PaymentOrderServed, ev.PenaltyDecided),
    "T23": (ev.PaymentOrderComplied, ev.PaymentOrderDefaulted, *PAYS),
    "T24": (ev.EnforcementApplied, ev.PaymentOrderComplied, *PAYS),
    "T30": (ev.ReferralApproved, ev.ReferralDeclined),
    "T31": (ev.ReferralDelivered, ev.ReferralReceipted, ev.ReferralDeclined),
    "T33": (ev.PoliceFiled, ev.PoliceDeclined, ev.ReferralDeclined),
    "T34": (ev.ReconsiderationRequested, ev.SupervisionSuggested, ev.PoliceFiled),
    "T35": (ev.ReconsiderationDecided, ev.PoliceFiled),
    "T36": (ev.SupervisionSuggested, ev.PoliceFiled),
    "T38": (ev.MaterialsHandedOver,),
    "T39": (ev.ReferralProposed, ev.ReferralApproved, ev.ReferralDeclined, *PAYS),
    "T42": (ev.CreditListingDecided,),
}
"""Of the timers that a history starts: what stops each."""


CHECKS: dict[str, Check] = {
    "I-01": i01,
    "I-02": i02,
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
    "I-14": i14,
    "I-16": i16,
    "I-17": i17,
    "I-17b": decided_at_once,
    "I-18": i18,
    "I-19": i19,
    "I-20": i20,
    "I-20b": cleared_by_what_stops,
}
