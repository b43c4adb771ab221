"""Made-up histories of a campaign, by seed: plausible, wide, and sometimes odd.

They are written by hand and not by the deciders, so that what reporting makes of a log is tested
also on orders that the deciders of today would not produce: late records, decisions that cross,
reopened and merged cases. The same seed gives the same history.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared import events as ev
from shared.calendar import end_of, start_of
from shared.envelope import case_id_of, encode, owe
from shared.events import AnyData, Decision, Event
from shared.log import CASE_EVENTS, Record, partition_of
from shared.policy import Policy, adopt, read_book

FIRST = datetime(2021, 11, 1, tzinfo=UTC)
LAST = datetime(2022, 5, 3, tzinfo=UTC)
BOOK = "dengfeng-2021-35"
SOURCES = {"national": "NAT", "henan": "PROV", "zz12345": "ZZ", "12345": "CITY", "window": "CITY"}


def policy() -> Policy:
    """The shipped book, adopted before the campaign."""
    return adopt(read_book(BOOK), datetime(2021, 11, 1, tzinfo=UTC), "adoption")


class Story:
    """One stream while it is being told. `clock`: when the last event was recorded."""

    def __init__(self, chance: random.Random, subject: str, begins: datetime) -> None:
        self.chance = chance
        self.subject = subject
        self.clock = begins
        self.events: list[Event] = []

    def wait(self, least_hours: float, most_hours: float) -> datetime:
        minutes = self.chance.randint(int(least_hours * 60), int(most_hours * 60))
        self.clock += timedelta(minutes=minutes)
        return self.clock

    def maybe(self, percent: int) -> bool:
        return self.chance.randrange(100) < percent

    def fact(self, data: AnyData, *, late: bool = False, actor: str = "联席办/office/p") -> Event:
        """Something that happened now, or, recorded late, some days ago."""
        time = self.clock
        if late and self.maybe(12):
            time -= timedelta(minutes=self.chance.randint(1, 60 * 24 * 6))
        event = Event(
            id=f"{self.subject}-{len(self.events)}",
            subject=self.subject,
            time=time,
            recordedtime=self.clock,
            data=data,
            actor=actor,
        )
        self.events.append(event)
        return event

    def rule(self, kind: type[Decision], at: datetime | None = None, /, **fields: Any) -> Event:
        """What a rule decided at `at`, recorded a moment later."""
        data = kind.model_validate({"cause": self.events[-1].id if self.events else "x", **fields})
        event = owe(self.subject, at or self.clock, data)  # type: ignore[arg-type]
        event.recordedtime = max(event.time, self.clock) + timedelta(
            milliseconds=self.chance.choice((0, 0, 5, 900))
        )
        event.actor = "-/-/-"
        self.events.append(event)
        return event


class Telling:
    """Tells the cases of one seed; `known` are the cases that a merge or a group may name."""

    def __init__(self, chance: random.Random, book: Policy) -> None:
        self.chance = chance
        self.book = book
        self.known: list[str] = []
        self.number = 0

    def case(self) -> list[Event]:
        self.number += 1
        chance = self.chance
        source = chance.choice(list(SOURCES))
        subject = case_id_of(source, f"{self.number}")
        span = int((LAST - FIRST).total_seconds() // 60)
        story = Story(chance, subject, FIRST + timedelta(minutes=chance.randrange(span)))
        self._receive(story, source)
        self.known.append(subject)
        if self._accept(story):
            self._assign(story)
            self._handle(story)
        return [event for event in story.events if event.recordedtime < LAST + timedelta(days=30)]

    def _receive(self, story: Story, source: str) -> None:
        chance = self.chance
        count = chance.choice((1, 1, 1, 2, 5, 14))
        received = story.clock - timedelta(minutes=chance.choice((0, 0, 30, 60 * 24)))
        story.fact(
            ev.ComplaintReceived(
                source=source,
                source_ref=f"{self.number}",
                tier=SOURCES[source],  # type: ignore[arg-type]
                kind=chance.choice(("complaint", "transfer", "supervised")),
                received_at=received,
                employer=ev.Employer(name="sealed:x", industry="4710") if story.maybe(80) else None,
                workers=count if story.maybe(70) else None,
                amount_fen=chance.randrange(10_000, 9_000_000) if story.maybe(80) else None,
                months_from="2021-08" if story.maybe(80) else None,
                months_to="2021-10" if story.maybe(90) else None,
                claims=tuple(ev.ClaimLine(line=str(n + 1)) for n in range(count)),
                via="flood_group" if story.maybe(8) else None,
            )
        )

    def _accept(self, story: Story) -> bool:
        """Whether the case goes on."""
        if story.maybe(6):
            story.wait(1, 30)
            story.fact(ev.SupplementRequested())
            story.wait(1, 60)
            if story.maybe(70):
                story.fact(ev.SupplementReceived(workers=3, amount_fen=100_000))
        story.wait(0.5, 60)
        if story.maybe(5):
            story.fact(ev.ComplaintNotAccepted(reason="NOT_WAGES"))
            return False
        if story.maybe(4) and len(self.known) > 1:
            story.rule(ev.ComplaintMerged, master=self.chance.choice(self.known), match="match:1")
            if story.maybe(80):
                return False
            story.wait(1, 40)
            story.rule(ev.ComplaintUnmerged, master="m")
        if story.maybe(4):
            story.fact(ev.ComplaintTransferredOut(to_body="sealed:x"))
            return False
        number = f"DF-QX-2021-{self.number:06d}" if story.maybe(90) else None
        story.fact(ev.ComplaintAccepted(urgent=story.maybe(10), number=number), late=True)
        return story.maybe(97)

    def _unit(self, story: Story) -> dict[str, Any]:
        chance = self.chance
        department = "市教育局" if story.maybe(8) else None
        return {
            "task_force": None if department else chance.choice(list(self.book.task_forces)[:5]),
            "department": department,
            "township": chance.choice([*list(self.book.townships)[:9], "NO_TOWNSHIP"]),
            "rule": "R1",
            "township_from": {"text": None, "rule": "code"},
        }

    def _assign(self, story: Story) -> None:
        story.wait(0, 20)
        if story.maybe(15):
            story.rule(ev.TriageRequested, reason="LOW_CONFIDENCE")
            story.wait(1, 30)
        story.rule(ev.CaseAssigned, **self._unit(story))
        self._deadlines(story)
        if story.maybe(6):
            story.wait(0.1, 3)
            if story.maybe(50):
                story.rule(
                    ev.GroupFormed,
                    group="group:1",
                    level="G1",
                    workers=12,
                    members=(story.subject,),
                    master=story.subject,
                )
            else:
                master = self.chance.choice(self.known)
                story.rule(ev.GroupJoined, group="group:1", master=master)
                if story.maybe(20):
                    gone = self.chance.choice((master, "somebody else"))
                    story.rule(ev.GroupLeft, group="group:1", master=gone)

    def _deadlines(self, story: Story) -> None:
        day = story.clock.date() + timedelta(days=self.chance.choice((5, 9, 14)))
        story.rule(ev.DeadlineSet, timer="T07", started_at=story.clock, due_at=story.clock)
        story.rule(
            ev.DeadlineSet,
            timer="T09",
            started_at=story.clock,
            due_at=end_of(day),
            cap=self.chance.choice(("A2", "A5", "A7", None)),
            grace=self.chance.choice(("A2", None, None)),
        )
        if story.maybe(60):
            last = self.chance.choice((date(2021, 12, 31), date(2022, 1, 31), date(2022, 3, 31)))
            story.rule(
                ev.DeadlineSet, timer="A2", started_at=story.clock, due_at=end_of(last), cap="A2"
            )

    def _handle(self, story: Story) -> None:
        story.wait(0.2, 30)
        if story.maybe(80):
            story.fact(ev.AssignmentSigned())
        if story.maybe(10):
            self._return(story)
        if story.maybe(85):
            story.wait(0.1, 30)
            story.fact(ev.FirstContactMade(), late=True)
        for _ in range(self.chance.randrange(4)):
            story.wait(1, 90)
            self._something(story)
        for _ in range(self.chance.randrange(3)):
            self._close(story)

    def _return(self, story: Story) -> None:
        story.fact(ev.ReturnRequested(), actor="410185001/township/p")
        story.wait(0.2, 20)
        if story.maybe(40):
            story.rule(ev.ReturnRefused, code="WINDOW_CLOSED")
            return
        if story.maybe(20):
            story.fact(ev.ReturnNotApproved())
            return
        story.fact(ev.ReturnApproved(improper=story.maybe(50)))
        if story.maybe(30):
            designated = story.fact(ev.HandlerDesignated(task_force="TF2", township="410185002"))
            story.rule(ev.CaseReassigned, cause=designated.id, **{"from": {}}, **self._unit(story))
        else:
            story.rule(ev.TriageRequested, reason="RETURNED")
            story.wait(0.2, 20)
            story.rule(ev.CaseReassigned, **{"from": {}}, **self._unit(story))
        self._deadlines(story)

    def _lines(self, most: int = 900_000) -> tuple[ev.PaidLine, ...]:
        return tuple(
            ev.PaidLine(line=str(n + 1), amount_fen=self.chance.randrange(0, most))
            for n in range(self.chance.choice((1, 1, 2)))
        )

    def _something(self, story: Story) -> None:
        chance = self.chance
        match chance.randrange(14):
            case 0 | 1:
                lines = tuple(
                    ev.VerifiedLine(
                        line=str(n + 1), amount_fen=chance.randrange(1_000_000), months=2
                    )
                    for n in range(chance.choice((1, 2)))
                )
                story.fact(ev.FactsVerified(lines=lines, root_cause="CASH_FLOW"))
            case 2 | 3 | 4:
                source = "EMERGENCY_FUND" if story.maybe(15) else "OWN"
                payment = chance.choice(("p1", "p2"))
                story.fact(
                    ev.PaymentVerified(payment=payment, lines=self._lines(), source=source),  # type: ignore[arg-type]
                    late=True,
                )
            case 5:
                story.fact(ev.PaymentReversed(payment="p1", lines=self._lines()), late=True)
            case 6:
                story.fact(ev.ProgressReported())
            case 7:
                self._suspend(story)
            case 8:
                story.fact(ev.ExtensionApproved(to=story.clock, approver="office"))
                self._deadlines(story)
            case 9:
                self._alert(story)
            case 10:
                self._notice(story)
            case 11:
                self._incident(story)
            case 12:
                self._line_by_line(story)
            case _:
                story.fact(ev.PaymentOrderServed(doc_no="d1", service_mode="direct"))

    def _line_by_line(self, story: Story) -> None:
        """One line may get more than is owed on it; later another is paid, or gives back."""
        owed = tuple(ev.VerifiedLine(line=n, amount_fen=500_000, months=2) for n in ("1", "2"))
        story.fact(ev.FactsVerified(lines=owed))
        first = tuple(
            ev.PaidLine(line=n, amount_fen=self.chance.randrange(most))
            for n, most in (("1", 1_500_000), ("2", 600_000))
        )
        story.fact(ev.PaymentVerified(payment="p3", lines=first), late=True)
        story.wait(20, 400)
        rest = (ev.PaidLine(line="2", amount_fen=self.chance.randrange(600_000)),)
        if story.maybe(50):
            story.fact(ev.PaymentVerified(payment="p4", lines=rest), late=True)
        else:
            story.fact(ev.PaymentReversed(payment="p3", lines=rest), late=True)

    def _suspend(self, story: Story) -> None:
        story.fact(ev.CaseSuspended())
        story.wait(10, 200)
        if story.maybe(50):
            story.fact(ev.CaseResumed())
        elif story.maybe(80):
            story.rule(ev.SuspensionLapsed)

    def _alert(self, story: Story) -> None:
        raised = story.rule(
            ev.AlertRaised,
            timer=self.chance.choice(("T09", "T07", "A2")),
            level=self.chance.choice(("L1", "L2", "L3", "L4", "L7")),
            due_at=story.clock,
        )
        story.wait(1, 90)
        if story.maybe(50):
            story.rule(ev.AlertCleared, cause=raised.id, timer="T09", level="L1")

    def _notice(self, story: Story) -> None:
        number = f"督{self.number}-{len(story.events)}"
        held = [
            e.data for e in story.events if isinstance(e.data, ev.CaseAssigned | ev.CaseReassigned)
        ]
        unit = held[-1] if held else None
        handler = (unit.township if unit and unit.township != "NO_TOWNSHIP" else None) or (
            (unit.department or unit.task_force) if unit else None
        )
        sent: list[tuple[str, tuple[str, ...]]] = [
            ("T13", ("联席办",)),
            ("T42", ("市人社局",)),
            ("T12", ("市城管局",)),
            ("T12", ("联席办",)),
        ]
        sent += [("T09", (handler, "市城管局"))] * 6 if handler else []
        timer, to = self.chance.choice(sent)
        story.rule(
            ev.SupervisionNoticeIssued,
            notice_no=number,
            to=to,
            reply_due_at=story.clock + timedelta(days=2),
            timer=timer,
        )
        story.wait(1, 90)
        if story.maybe(60):
            named = number if story.maybe(60) else None
            story.fact(ev.SupervisionNoticeReplied(notice_no=named), late=True)

    def _incident(self, story: Story) -> None:
        told = story.fact(ev.ExtremeIncidentReported(kind="sealed:x"), late=True)
        story.wait(0.1, 20)
        if story.maybe(40):
            story.fact(ev.ExtremeIncidentVerified(incident=told.id))
        if story.maybe(50):
            story.fact(ev.ExtremeIncidentCleared(incident=told.id))

    def _close(self, story: Story) -> None:
        chance = self.chance
        story.wait(1, 200)
        kinds = ("PAID_IN_FULL",) * 6 + ("UNFOUNDED", "WITHDRAWN", "LEGAL_EFFECTIVE")
        kind = chance.choice(kinds)
        story.fact(ev.ClosureRequested(kind=kind), late=True)  # type: ignore[arg-type]
        if story.maybe(10):
            story.rule(ev.ClosureRefused, reasons=("UNPAID",))
            return
        story.wait(1, 50)
        if story.maybe(10):
            story.fact(ev.ClosureReturned(stage="office"))
            due = end_of(story.clock.date() + timedelta(days=3))
            story.rule(ev.DeadlineSet, timer="T18", started_at=story.clock, due_at=due)
            return
        if story.maybe(80):
            story.fact(ev.ClosureReviewPassed(stage="tf"))
        story.fact(ev.ClosureReviewPassed(stage="office"), late=True)
        story.wait(1, 60)
        if not self._follow_up(story):
            return
        story.rule(ev.CaseClosed, kind=kind)
        story.wait(1, 50)
        if story.maybe(60):
            story.fact(ev.CaseWrittenOff())
        if story.maybe(15):
            story.wait(1, 400)
            if story.maybe(50):
                story.fact(ev.FalseClosureFound(), late=True)
            story.rule(ev.CaseReopened, reason="PAYMENT_REVERSED")
            due = end_of(story.clock.date() + timedelta(days=3))
            story.rule(ev.DeadlineSet, timer="T18", started_at=story.clock, due_at=due)

    def _follow_up(self, story: Story) -> bool:
        """Whether the standard is met."""
        answer = self.chance.choice(
            ("satisfied", "satisfied", "mostly", "unsatisfied", "unreached")
        )
        paid = self.chance.choice(("Y", "Y", "Y", "N", "part"))
        story.fact(ev.FollowUpCompleted(got_paid=paid, satisfaction=answer), late=True)  # type: ignore[arg-type]
        if answer in ("satisfied", "mostly") and paid == "Y":
            return True
        reasons = ("NOT_PAID",) if paid != "Y" else ("UNSATISFIED",)
        story.rule(ev.ClosureRefused, reasons=reasons)
        if story.maybe(50):
            story.fact(ev.FollowUpWaived(reason="sealed:x"))
            return True
        return False

    def _supervised(self, story: Story, actor: str) -> None:
        """督导考核: a visit with findings and a measure, each put right in time, late or never."""
        visit = story.fact(
            ev.SupervisionVisitRecorded(
                mode="phone", unit="联席办", findings=(ev.Finding(no=1, text="sealed:x"),)
            )
        )
        due = story.clock + timedelta(days=self.chance.choice((5, 7)))
        story.rule(
            ev.DeadlineSet, None, timer="T55", item=visit.id, started_at=visit.time, due_at=due
        )
        story.wait(1, 9 * 24)
        if story.maybe(70):
            story.fact(ev.RectificationReported(visit=visit.id), late=True, actor=actor)
        for _ in range(self.chance.choice((0, 1, 2))):
            day = (story.clock + timedelta(days=6)).date()
            plan = story.fact(
                ev.MeasurePlanFiled(measure="M1", responsible="市住建局", due_on=day), actor=actor
            )
            due = end_of(day)
            story.rule(
                ev.DeadlineSet, None, timer="T56", item="M1", started_at=plan.time, due_at=due
            )
            story.wait(1, 9 * 24)
            if story.maybe(70):
                story.fact(ev.MeasureCompleted(measure="M1"), late=True, actor=actor)

    def _met(self, story: Story) -> None:
        """A meeting whose decisions fall to any unit, each done in time, late or never."""
        day = story.clock.date()
        owners = (*self.book.units, "市教育局", "联席办")
        held = story.fact(
            ev.MeetingHeld(
                decisions=tuple(
                    ev.MeetingDecision(
                        no=number,
                        owner=self.chance.choice(owners),
                        due_on=day + timedelta(days=self.chance.choice((-1, 2, 5, 9))),
                    )
                    for number in range(1, self.chance.choice((1, 2, 4)))
                )
            ),
            late=True,
        )
        assert isinstance(held.data, ev.MeetingHeld)
        for item in held.data.decisions:
            story.wait(1, 4 * 24)
            if story.maybe(70):
                done = ev.MeasureCompleted(meeting=held.id, measure=str(item.no))
                story.fact(done, late=True, actor=f"{item.owner}/leader/p")

    def _in_phase_four(self, story: Story, actor: str) -> None:
        """《条例》宣传 and rules, mostly in April and sometimes before or after it."""
        story.clock = max(story.clock, datetime(2022, 3, 29, tzinfo=UTC))
        if story.maybe(85):
            story.wait(0, 36 * 24)
            story.fact(ev.PublicityRecorded(kind="企业", count=1), late=True, actor=actor)
        if story.maybe(20):
            story.fact(ev.RuleRevised(rule="1"), actor=actor)

    def units(self) -> list[Event]:
        """What the 22 units and the city report by themselves."""
        events: list[Event] = []
        for code in self.book.units:
            story = Story(self.chance, f"unit:{code}", datetime(2021, 12, 20, tzinfo=UTC))
            actor = f"{code}/township/p"
            story.wait(0, 13 * 24)
            if story.maybe(93):
                story.fact(ev.ScreeningReported(period="2021-12"), late=True, actor=actor)
            for day in range(0, 70, self.chance.choice((1, 2, 7))):
                story.clock = max(
                    story.clock, start_of(date(2022, 1, 1) + timedelta(days=day))
                ) + timedelta(hours=self.chance.choice((9, 12, 20)))
                story.fact(ev.ZeroReportFiled(), actor=actor)
            if story.maybe(20):
                story.rule(
                    ev.SupervisionNoticeIssued,
                    notice_no=f"单位{code}",
                    to=(code,),
                    reply_due_at=story.clock + timedelta(days=2),
                )
                if story.maybe(50):
                    story.wait(1, 90)
                    story.fact(ev.SupervisionNoticeReplied(), late=True, actor=actor)
            self._supervised(story, actor)
            if story.maybe(50):
                self._met(story)
            self._in_phase_four(story, actor)
            story.clock = max(story.clock, datetime(2022, 4, 20, tzinfo=UTC))
            story.wait(0, 12 * 24)
            if story.maybe(95):
                story.fact(ev.SummaryFiled(), late=True, actor=actor)
            events += story.events
        city = Story(self.chance, "city", datetime(2021, 12, 6, tzinfo=UTC))
        for _ in range(6):
            city.wait(1, 20 * 24)
            self._met(city)
        city.clock = max(city.clock, datetime(2022, 4, 29, tzinfo=UTC))
        if city.maybe(70):
            city.fact(ev.SummaryFiled(), actor="联席办/office/p")
            city.fact(ev.RuleRevised(rule="1"), actor="联席办/office/p")
            city.fact(ev.PublicityRecorded(kind="企业"), actor="联席办/office/p")
        return events + city.events


def tell(seed: int, cases: int, book: Policy | None = None) -> list[Event]:
    """The events of a campaign with so many cases, in order of recording."""
    chance = random.Random(seed)
    telling = Telling(chance, book or policy())
    streams = [telling.case() for _ in range(cases)] + [telling.units()]
    events = [event for stream in streams for event in stream]
    return sorted(events, key=lambda event: event.recordedtime)


def records(events: Iterable[Event]) -> list[Record]:
    """The events as they would be read from the log, partition by partition in order."""
    offsets: dict[int, int] = {}
    found: list[Record] = []
    for event in events:
        partition = partition_of(event.subject)
        offset = offsets.get(partition, 0)
        offsets[partition] = offset + 1
        found.append(
            Record(CASE_EVENTS, partition, offset, 0, event.subject.encode(), encode(event))
        )
    return found


def cut(chance: random.Random, found: Sequence[Record]) -> list[list[Record]]:
    """Batches of random sizes, the partitions interleaved at random; each keeps its order."""
    queues: dict[int, list[Record]] = {}
    for record in found:
        queues.setdefault(record.partition, []).append(record)
    batches: list[list[Record]] = []
    while queues:
        batch: list[Record] = []
        for partition in chance.sample(sorted(queues), chance.randint(1, len(queues))):
            size = chance.randint(1, 400)
            batch += queues[partition][:size]
            queues[partition] = queues[partition][size:]
            if not queues[partition]:
                del queues[partition]
        batches.append(batch)
    return batches
