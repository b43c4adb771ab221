"""How a case begins, is assigned, merged and left: the folds of domain 3.2, rows 1-23."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from services.supervision.decider.clocks import in_lane
from services.supervision.decider.standards import settled
from services.supervision.decider.state import (
    AHEAD,
    LARGE_GROUP,
    URGENT,
    Line,
    Owed,
    Source,
    Watch,
    owe_reopening,
    replace,
    start,
    stop,
    swap,
)
from shared import claims
from shared import events as ev
from shared.claims import Claimed, Claims
from shared.events import ClaimLine, Event

A_DATES: Final = ("A", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8")
POLICE_LANE: Final = ("T30", "T31", "T32", "T33", "T34", "T35", "T36", "T37", "T38")
"""Rows 40-44 remain possible after closing, and so do their clocks run on."""

ENDS_WITH_CASE: Final = (
    *(f"T{n:02}" for n in (*range(1, 10), *range(12, 19), *range(20, 25))),
    *("T39", "T40", "T41", "T51", "T54"),
    *A_DATES,
)
"""What ends with the case; a source's reply (T10), incidents, opinion and listing go on."""


def month_number(month: str) -> int:
    """`2021-09` counted from year 0."""
    return int(month[:4]) * 12 + int(month[5:])


def months_between(first: str | None, last: str | None) -> int:
    """Whole months from first to last, both counted; 0 when unknown."""
    if first is None or last is None:
        return 0
    return month_number(last) - month_number(first) + 1


_WORKER = 12
"""Characters of a keyed hash that are kept to tell the workers of one case apart."""


def _line(line: ClaimLine) -> Line:
    return Line(
        line.line,
        line.amount_fen,
        months_between(line.months_from, line.months_to),
        worker=line.worker[:_WORKER] if line.worker else None,
        first=month_number(line.months_from) if line.months_from else None,
    )


def _lines(data: ev.ComplaintReceived) -> tuple[Line, ...]:
    """The lines of a complaint, and with the first one all workers that no line is of (domain 1.6:
    the many of limb 2 are all who are owed, named or not).

    A single line is of all of them; of several each names its own worker, who may have two.
    """
    heads = data.workers or 1
    if not data.claims:
        return (
            Line("1", data.amount_fen, months_between(data.months_from, data.months_to), heads),
        )
    first, *others = [_line(line) for line in data.claims]
    if not others:
        return (replace(first, heads=heads),)
    return (replace(first, rest=_unnamed(data.claims, heads)), *others)


def _unnamed(lines: Sequence[ClaimLine], heads: int) -> int:
    """How many of the workers of a complaint no line is of."""
    named = {line.worker or f"line {line.line}" for line in lines}
    return max(0, heads - len(named))


def _brought(fresh: list[Claimed], data: ev.ClaimLinesAdded) -> Iterator[Line]:
    """The lines that a merge brought, by their numbers here; whom none names come with the first.

    A worker who is named here already is known by the same hash and counts once.
    """
    lines = {line.line: _line(line) for line in data.lines}
    more = _unnamed(data.lines, data.heads or 0)
    for item in fresh:
        line = replace(lines[item.by[0].split("|")[1]], line=item.number)
        yield replace(line, heads=1 + more) if len(lines) == 1 else replace(line, rest=more)
        more = 0


def _repeated(state: Watch, known: Claims, data: ev.ClaimLinesAdded) -> Iterator[Line]:
    """The lines, with what a repeat asks of them: once, by whatever ways it comes.

    It never changes what is owed here. How many more workers it speaks for than the lines have
    that it stands on is noted once, as `rest`, unless a line of it is new here and has them.
    """
    told = {claim for item in state.claims for claim in _claims_on(item, state.subject)}
    place = {claim: item.number for item in known for claim in _claims_on(item, state.subject)}
    asked: dict[str, list[Line]] = {line.line: [] for line in state.lines}
    for given in data.lines:
        claim = f"{data.from_case}|{given.line}"
        if claim not in told and place[claim] in asked:
            asked[place[claim]].append(replace(_line(given), line=claim))
    numbers = {place[f"{data.from_case}|{given.line}"] for given in data.lines}
    heads = sum(line.heads + line.rest for line in state.lines if line.line in numbers)
    more = max(0, (data.heads or 0) - heads) if numbers <= asked.keys() else 0
    for line in state.lines:
        if repeats := asked[line.line]:
            repeats[0] = replace(repeats[0], rest=more)
            more = 0
        yield replace(line, repeats=(*line.repeats, *repeats)) if repeats else line


def _claims_on(item: Claimed, subject: str) -> set[str]:
    """Who claims a line, as `case|line`, by whatever ways."""
    own = f"{subject}|{item.number}"
    return {own if claim == claims.OWN else claim.rsplit("|", 1)[0] for claim in item.by}


# --- intake --------------------------------------------------------------------------------------


def received(state: Watch, event: Event, data: ev.ComplaintReceived) -> Watch:
    if state.received_at is not None:
        return state
    standing = claims.own(data.claims, data.workers, data.amount_fen)
    source = Source(
        data.source,
        data.source_ref,
        data.tier,
        data.received_at,
        event.known_at,
        data.external_due_at,
    )
    state = replace(
        state,
        tier=data.tier,
        kind=data.kind,
        received_at=data.received_at,
        petition=data.via == "petition",
        signalled_urgent=bool(data.signals and data.signals.urgent),
        lines=_lines(data),
        claims=standing,
        sources=(source,),
    )
    state = start(state, "T01", event)
    state = start(state, "T20", event)
    state = start(state, "T41", event, item="acceptance")
    state = start(state, "T41", event, item="conclusion", variant="next")
    return _reply_clock(state, event, source)


def _reply_clock(state: Watch, event: Event, source: Source) -> Watch:
    """T10: started for every source; derivation drops it where no rule gives a due."""
    return start(
        state,
        "T10",
        event,
        item=f"{source.source}|{source.source_ref}",
        started_at=source.received_at,
        recorded_at=source.recorded_at,
        fixed_due=source.external_due_at,
        source_ref=source.source_ref,
    )


def accepted(state: Watch, event: Event, data: ev.ComplaintAccepted) -> Watch:
    urgent = state.signalled_urgent if data.urgent is None else data.urgent
    state = replace(state, accepted=True, urgent=urgent)
    state = stop(state, event, "T01", "T02", *A_DATES)
    state = stop(state, event, "T41", item="acceptance")
    state = start(state, "T03", event, variant="urgent" if urgent else "length")
    return start(state, "A", event)


def contact_tried(state: Watch, event: Event) -> Watch:
    """Three tries after the supplement lapsed are what T02 asks for."""
    tries = state.contact_tries + 1
    state = replace(state, contact_tries=tries)
    return stop(state, event, "T02", item="tries") if tries >= 3 else state


def supplement_lapsed(state: Watch, event: Event) -> Watch:
    state = stop(replace(state, contact_tries=0), event, "T02")
    return start(state, "T02", event, item="tries", variant="tries")


def left(state: Watch, event: Event, conclusion: str) -> Watch:
    """The case leaves the base: every clock of it stops, its sources are answered."""
    state = stop(replace(state, out=True), event, *ENDS_WITH_CASE, *POLICE_LANE)
    return owe_replies(state, event, conclusion)


# --- sources -------------------------------------------------------------------------------------


def owe_replies(state: Watch, event: Event, conclusion: str) -> Watch:
    """SourceReplyOwed, one a source (I-03): each is told how it ended, also one that had an answer
    in the meantime (T10)."""
    for source in state.sources:
        fields: dict[str, str | list[str] | None] = {
            "source": source.source,
            "source_ref": source.source_ref,
            "conclusion": conclusion,
        }
        owed = Owed("SourceReplyOwed", event.id, event.known_at, fields)
        state = replace(state, owed=(*state.owed, owed))
    return state


def reply_owed(state: Watch, data: ev.SourceReplyOwed) -> Watch:
    kept = tuple(
        item
        for item in state.owed
        if not (
            item.type == "SourceReplyOwed"
            and item.cause == data.cause
            and item.fields["source"] == data.source
            and item.fields["source_ref"] == data.source_ref
        )
    )
    return replace(state, owed=kept)


def replied(state: Watch, event: Event, data: ev.SourceReplied | ev.ClaimLinesAdded) -> Watch:
    """A source was answered: here, or under a case that goes on here."""
    sources = tuple(
        replace(source, replied=True)
        if (source.source, source.source_ref) == (data.source, data.source_ref)
        else source
        for source in state.sources
    )
    item = f"{data.source}|{data.source_ref}"
    return stop(replace(state, sources=sources), event, "T10", item=item)


# --- merging -------------------------------------------------------------------------------------


def merged(state: Watch, event: Event, data: ev.ComplaintMerged) -> Watch:
    """The case goes on under its master, with its lines, its sources and their clocks.

    A suspension ends with its clock: what is separated later is assigned anew.
    """
    state = replace(state, merged_into=data.master, suspended_at=None)
    return stop(state, event, *ENDS_WITH_CASE, *POLICE_LANE, "T10", "T42")


def unmerged(state: Watch, event: Event) -> Watch:
    """On its own again, from where it was: to be decided on, or to be assigned.

    What it did not owe while merged (a referral, say) it owes from now on, not back in time: a
    decision counts from its own time (domain 4.1). The due that it had before limits nothing: it
    is assigned anew, not reassigned (4.2), and was handled under its master meanwhile. Back in the
    base it has its campaign date again (4.3), where that still lies ahead.
    """
    if state.merged_into is None:
        # The answer to an approval that merged nothing: what runs goes on (I-07).
        return state
    state = replace(
        state,
        merged_into=None,
        facts_at=event.known_at,
        handle_by=None,
        first_handle_by=None,
    )
    if state.accepted:
        state = start(state, "T03", event, variant="urgent" if state.urgent else "length")
        if not state.ended:
            state = start(state, "A", event, variant=AHEAD)
    else:
        state = start(state, "T01", event)
    for source in state.sources:
        if not source.replied:
            state = _reply_clock(state, event, source)
    return state


def lines_added(state: Watch, event: Event, data: ev.ClaimLinesAdded) -> Watch:
    """A merged case's new lines and source go on here; a repeat in time reopens (domain 2.3)."""
    known, fresh = claims.added(state.claims, state.subject, data, event.decider)
    state = replace(
        state,
        lines=(*_repeated(state, known, data), *_brought(fresh, data)),
        claims=known,
        ways=claims.bound(state.ways, data, event.decider),
        facts_at=event.known_at,
    )
    standing = {(source.source, source.source_ref) for source in state.sources}
    if data.whole and (data.source, data.source_ref) not in standing:
        source = Source(
            data.source,
            data.source_ref,
            data.tier,
            data.received_at,
            data.registered_at or event.known_at,
            data.external_due_at,
            replied=data.replied_at is not None,
        )
        state = replace(state, sources=(*state.sources, source))
        if not source.replied:
            state = _reply_clock(state, event, source)
        state = _petition_goes_on(state, event, source)
    elif data.replied_at is not None:
        state = replied(state, event, data)
    unpaid = state.closure_kind == "PAID_IN_FULL" and not settled(state)
    if state.closed and (data.reopens or unpaid):
        # Unpaid: they were on their way when it closed.
        return owe_reopening(state, event, "REPEATED_COMPLAINT")
    return state


def _petition_goes_on(state: Watch, event: Event, source: Source) -> Watch:
    """A petition that was merged must be concluded here, from its own receipt on (I-03)."""
    return start(
        state,
        "T41",
        event,
        item=f"conclusion|{source.source}|{source.source_ref}",
        variant="next",
        started_at=source.received_at,
        source_ref=source.source_ref,
    )


def lines_removed(state: Watch, event: Event, data: ev.ClaimLinesRemoved) -> Watch:
    """Lines that left: what nobody else claims here goes; a source goes with its complaint."""
    known, gone = claims.removed(state.claims, state.subject, data, event.decider)
    ways, free = claims.freed(state.ways, data, event.decider)
    numbers = {item.number for item in gone}
    left = {claim for item in known for claim in _claims_on(item, state.subject)}
    lines = tuple(
        replace(line, repeats=tuple(each for each in line.repeats if each.line in left))
        for line in state.lines
        if line.line not in numbers
    )
    state = replace(state, lines=lines, claims=known, ways=ways, facts_at=event.known_at)
    if not free or data.from_case == state.subject:
        return state
    named = (data.source, data.source_ref)
    kept = tuple(item for item in state.sources if (item.source, item.source_ref) != named)
    state = replace(state, sources=kept)
    of = f"{data.source}|{data.source_ref}"
    return stop(stop(state, event, "T10", item=of), event, "T41", item=f"conclusion|{of}")


# --- assignment ----------------------------------------------------------------------------------


def assigned(state: Watch, event: Event, data: ev.CaseAssigned | ev.CaseReassigned) -> Watch:
    """Signing, return window, contact, progress and handling start (or start anew).

    Where the office designated the handler (I-06) there is nothing to sign and no way back.
    """
    state = replace(
        state,
        first_handle_by=state.first_handle_by or state.handle_by,
        task_force=data.task_force,
        department=data.department,
        township=data.township,
        reviewing=False,
    )
    state = stop(state, event, "T03", "T04", "T05", "T06")
    if data.rule != "DESIGNATED":
        state = start(state, "T05", event)
        state = start(state, "T06", event, item="window")
    state = start(state, "T07", event, variant="urgent" if state.urgent else "length")
    state = start(state, "T08", event)
    return state if state.group_member else handle(state, event)


def given_back(state: Watch, event: Event) -> Watch:
    """Nobody has it until the office assigns it anew; whoever gave it back is reminded no more. Its
    handling deadline runs on (domain 4.2: the next one is bound by it).
    """
    state = replace(state, task_force=None, department=None, township=None)
    return stop(state, event, "T05", "T06", "T07", "T08")


def handle(state: Watch, event: Event) -> Watch:
    """T09 starts, or starts anew: after a reassignment not far beyond the first due."""
    large = state.group_level in ("G2", "G3")
    marks = [*((URGENT,) if state.urgent else ()), *((LARGE_GROUP,) if large else ())]
    variant = "+".join(marks) or "length"
    before = state.clock("T09")
    if before is None:
        begun = start(state, "T09", event, variant=variant, limit=state.first_handle_by)
        return in_lane(begun, event)
    anew = replace(
        before,
        variant=variant,
        cause=event.id,
        started_at=event.time,
        known_at=event.known_at,
        fixed_due=None,
        limit=state.first_handle_by,
        spans=(),
        set_id=None,
        moved=True,
        jump=None,
    )
    return swap(state, before, anew)


def return_requested(state: Watch, event: Event) -> Watch:
    state = stop(state, event, "T05")
    state = stop(state, event, "T06", item="window")
    return start(state, "T06", event)


def progressed(state: Watch, event: Event) -> Watch:
    """T08: the next report is due five working days after each one; an older one changes nothing.

    Not while a closure is under review, and not once the case is closed.
    """
    running = state.clock("T08")
    handling = state.handler is not None and not (state.reviewing or state.closed)
    if not handling or (running is not None and event.time < running.started_at):
        return state
    return start(state, "T08", event, variant="next")
