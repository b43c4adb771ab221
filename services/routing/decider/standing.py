"""Under which case a complaint's lines stand: merging, separating, passing on (I-02, I-03).

Each case decides only for its own lines and for those that stand under it, and tells only its
master. A case that is itself merged passes on what stands under it and what still arrives; one
that is separated takes it all back. Two cases that were merged into each other at once (a person's
decision and a rule's crossed) come apart again: the earlier registered one stays on its own.
"""

from __future__ import annotations

from datetime import datetime

from services.routing.decider.desk import Answer, Asked, Desk, Gone, Told, Under
from shared import events as ev
from shared.envelope import owe
from shared.events import ClaimLine, Event
from shared.frozen import replace

# --- folding --------------------------------------------------------------------------------------


def arrived(state: Desk, event: Event, data: ev.ClaimLinesAdded) -> Desk:
    """Lines of another case came to stand here, or own ones that had moved came back with it."""
    late = state.merged_into is not None
    known = next((item for item in state.under if item.case == data.from_case), None)
    came = tuple(f"{line.line}|{event.decider}" for line in data.lines)
    whole = (event.decider,) if data.whole else ()
    if known is None:
        item = Under(data.from_case, came, whole, data, event.known_at, event.id, late)
        return replace(state, under=(*state.under, item))
    joined = replace(
        known,
        by=tuple(dict.fromkeys((*known.by, *came))),
        whole=tuple(dict.fromkeys((*known.whole, *whole))),
        data=_both(known.data, data),
        at=event.known_at,
        id=event.id,
        late=late,
    )
    stale = state.stale
    if joined.data != known.data and known.case in state.passed:
        stale = tuple(dict.fromkeys((*stale, known.case)))
    under = tuple(joined if item is known else item for item in state.under)
    return replace(state, under=under, stale=stale)


def _both(one: ev.ClaimLinesAdded, other: ev.ClaimLinesAdded) -> ev.ClaimLinesAdded:
    """All lines of a case that came in two parts or by two ways."""
    have = {line.line for line in one.lines}
    lines = (*one.lines, *(line for line in other.lines if line.line not in have))
    whole = one.whole or other.whole
    return one.model_copy(
        update={
            "lines": lines,
            "same": other.same | one.same,
            "reopens": other.reopens,
            "whole": whole,
            "heads": one.heads if one.heads is not None else other.heads,
            "replied_at": one.replied_at or other.replied_at,
        }
    )


def left(state: Desk, event: Event, data: ev.ClaimLinesRemoved) -> Desk:
    """Lines of another case left by one way; their last way closed, they leave the master too."""
    if event.decider == state.subject:
        return replace(state, leaving=tuple(g for g in state.leaving if g.id != data.cause))
    known = next((item for item in state.under if item.case == data.from_case), None)
    if known is None:
        return state
    closed = {f"{line}|{event.decider}" for line in data.lines}
    by = tuple(way for way in known.by if way not in closed)
    whole = tuple(via for via in known.whole if not (data.whole and via == event.decider))
    stay = {way.split("|", 1)[0] for way in by}
    lines = tuple(line for line in known.data.lines if line.line in stay)
    out = tuple(line.line for line in known.data.lines if line.line not in stay)
    rest = tuple(item for item in state.under if item is not known)
    passed, stale = state.passed, state.stale
    if lines:
        kept = known.data.model_copy(update={"lines": lines, "whole": bool(whole)})
        rest = (*rest, replace(known, by=by, whole=whole, data=kept))
    else:
        passed = tuple(case for case in passed if case != known.case)
        stale = tuple(case for case in stale if case != known.case)
    freed = known.data.whole and not whole
    if known.case == state.subject:
        out, freed = tuple(line for line in out if _came_back(state, line)), False
    gone = state.gone
    if known.case in state.passed and (out or freed):
        told = data.model_copy(update={"lines": out, "whole": freed})
        gone = (*gone, Gone(told, event.known_at, event.id))
    return replace(state, under=rest, passed=passed, stale=stale, gone=gone)


def sent(state: Desk, event: Event, data: ev.ClaimLinesAdded) -> Desk:
    """An own decision that put lines on another case."""
    answers = tuple(item for item in state.answers if item.id != data.cause)
    state = replace(state, answers=answers)
    # Own lines told whole, again with a reply, are not those that moved and came back.
    back = state.merged_into is not None and not data.whole
    if data.from_case != state.subject or back:
        passed = tuple(dict.fromkeys((*state.passed, data.from_case)))
        stale = tuple(case for case in state.stale if case != data.from_case)
        return replace(state, passed=passed, stale=stale)
    if data.whole:
        return state
    numbers = tuple(line.line for line in data.lines)
    removed = ev.ClaimLinesRemoved(
        cause=event.id,
        from_case=state.subject,
        source=data.source,
        source_ref=data.source_ref,
        lines=numbers,
        to=event.subject,
        whole=False,
    )
    gone = Gone(removed, event.time, event.id)
    moved = state.moved | dict.fromkeys(numbers, event.subject)
    told = tuple(
        Told(event.id, "moved", event.time, master=event.subject, line=number) for number in numbers
    )
    return replace(state, moved=moved, leaving=(*state.leaving, gone), told=(*state.told, *told))


def replied(state: Desk, event: Event, data: ev.SourceReplied) -> Desk:
    """A source was answered here. If its case goes on under a master by now, the clock of the
    reply runs there (T10): a merge and a reply can cross (I-03)."""
    source = _named(data)
    if source in state.replied:
        return state
    known = replace(state, replied=state.replied | {source: event.time})
    if state.merged_into is None or source not in _sources(state):
        return known
    return replace(known, answers=(*state.answers, Answer(source, event.id, event.known_at)))


def _named(data: ev.SourceReplied | ev.ClaimLinesAdded | ev.ComplaintReceived) -> str:
    return f"{data.source}|{data.source_ref}"


def _sources(state: Desk) -> set[str]:
    """Those to be answered by this case or by what it goes on under."""
    own = {_named(state.received)} if state.received is not None else set()
    return own | {_named(item.data) for item in state.under if item.data.whole}


def keys_under(state: Desk) -> set[str]:
    """The match streams of what stands under this case."""
    return {key for item in state.under for line in item.data.lines for key in line.match_keys}


def _came_back(state: Desk, line: str) -> bool:
    """Whether an own line stands under the master only because this case passed it on: it had
    moved, and came back with the case it moved to."""
    return state.moved.get(line, state.merged_into) != state.merged_into


# --- deciding -------------------------------------------------------------------------------------


def removals(state: Desk) -> list[Event]:
    """Own lines that now stand under another case no longer stand here."""
    return [owe(state.subject, item.at, item.data) for item in state.leaving]


def separation(state: Desk) -> list[Event] | None:
    """ComplaintUnmerged with all that goes with it, when a person or a circle calls for it."""
    asked = state.merge_revoked or _circle(state)
    master = state.merged_into
    if asked is None or master is None or state.received is None:
        return None
    mine = tuple(
        line
        for line in state.received.claims
        if line.line not in state.moved or _came_back(state, line.line)
    )
    own = _taken_off(state, state.subject, state.received, mine, asked)
    result = [owe(master, asked.at, own, decidedby=state.subject)]
    for item in state.under:
        if item.case in state.passed and item.case != state.subject:
            data = _taken_off(state, item.case, item.data, item.data.lines, asked)
            result.append(owe(master, asked.at, data, decidedby=state.subject))
    for gone in state.gone:
        told = gone.data.model_copy(update={"cause": gone.id})
        result.append(owe(master, gone.at, told, decidedby=state.subject))
    return [
        *result,
        owe(state.subject, asked.at, ev.ComplaintUnmerged(cause=asked.id, master=master)),
    ]


def _circle(state: Desk) -> Asked | None:
    """The master stands under this case: who was registered first goes out of the circle."""
    back = next((item for item in state.under if item.case == state.merged_into), None)
    if back is None or not back.data.whole or state.received_event is None:
        return None
    mine = (state.received_event.at, state.subject)
    theirs = (back.data.registered_at or back.data.received_at, back.case)
    if mine > theirs:
        return None
    since = max(back.at, state.merged.at) if state.merged else back.at
    return Asked(back.id, since, since)


def _taken_off(
    state: Desk,
    case: str,
    source: ev.ComplaintReceived | ev.ClaimLinesAdded,
    lines: tuple[ClaimLine, ...],
    asked: Asked,
) -> ev.ClaimLinesRemoved:
    return ev.ClaimLinesRemoved(
        cause=asked.id,
        from_case=case,
        source=source.source,
        source_ref=source.source_ref,
        lines=tuple(line.line for line in lines),
        to=state.subject,
        whole=isinstance(source, ev.ComplaintReceived) or source.whole,
    )


def passing_on(state: Desk) -> list[Event]:
    """What stands under a merged case goes on to its master, and what left, leaves it there."""
    master, merged = state.merged_into, state.merged
    assert master is not None
    assert merged is not None
    result = [
        owe(
            master,
            item.at,
            item.data.model_copy(update={"cause": item.id}),
            decidedby=state.subject,
        )
        for item in state.gone
    ]
    for item in state.under:
        data = item.data
        if item.case == state.subject:
            back = tuple(line for line in data.lines if _came_back(state, line.line))
            data = data.model_copy(update={"lines": back, "whole": False})
        told = item.case in state.passed and item.case not in state.stale
        if told or not data.lines:
            continue
        cause = item.id if item.late else merged.id
        at = max(item.at, merged.at)
        # Who came before this case was merged reopened this case, if any.
        reopens = item.late and data.reopens
        onward = _onward(state, data, cause, reopens=reopens)
        result.append(owe(master, at, onward, decidedby=state.subject))
    return result + _answered(state, master, merged.at)


def _onward(
    state: Desk, data: ev.ClaimLinesAdded, cause: str, *, reopens: bool
) -> ev.ClaimLinesAdded:
    """What stands under this case, as its master is told of it."""
    return data.model_copy(
        update={
            "cause": cause,
            "reopens": reopens,
            "same": {line: _beyond(state, known) for line, known in data.same.items()},
            "replied_at": state.replied.get(_named(data)) or data.replied_at,
        }
    )


def _answered(state: Desk, master: str, merged_at: datetime) -> list[Event]:
    """The same lines once more, with the reply that came when they stood under the master."""
    result: list[Event] = []
    for answer in state.answers:
        at = max(answer.at, merged_at)
        if state.received is not None and answer.source == _named(state.received):
            lines = _own_lines(state)
            told = _claim_lines(state, master, answer.id, at, lines, {}, reopens=False, whole=True)
            result.append(told)
            continue
        for item in state.under:
            if item.data.whole and _named(item.data) == answer.source:
                data = _onward(state, item.data, answer.id, reopens=False)
                result.append(owe(master, at, data, decidedby=state.subject))
    return result


def _beyond(state: Desk, line: str) -> str:
    """A line of this case as its master knows it: by case and line."""
    return line if "|" in line else f"{state.subject}|{line}"


def merging(state: Desk) -> list[Event]:
    """ComplaintMerged once every line stands under one master, with the lines passed on to it."""
    lines = {line.line for line in _own_lines(state)} or {"1"}
    under = {item.case for item in state.under if item.data.whole}
    if state.merge_approved is not None:
        asked, approved = state.merge_approved
        if approved.master in under:
            # It stands under this very case: nothing is merged, and intake is told so.
            data = ev.ComplaintUnmerged(cause=asked.id, master=approved.master)
            return [owe(state.subject, asked.at, data)]
        found = {
            item.line: item.with_line for item in state.found if item.master == approved.master
        }
        same = {line: to for line, to in (found | (approved.same or {})).items() if line in lines}
        return _merge(state, approved.master, asked.id, asked.at, same, "person", reopens=False)
    for master in sorted({found.master for found in state.found} - under):
        of = [found for found in state.found if found.master == master]
        of = [found for found in of if found.line in lines]
        if {found.line for found in of} >= lines:
            last = max(of, key=lambda found: found.at)
            same = {found.line: found.with_line for found in of}
            reopens = any(found.reopens for found in of)
            return _merge(state, master, last.id, last.at, same, last.match, reopens=reopens)
    return []


def _merge(
    state: Desk,
    master: str,
    cause: str,
    at: datetime,
    same: dict[str, str],
    match: str,
    *,
    reopens: bool,
) -> list[Event]:
    lines = _own_lines(state)
    added = _claim_lines(state, master, cause, at, lines, same, reopens=reopens, whole=True)
    merged = ev.ComplaintMerged(cause=cause, master=master, match=match)
    return [added, owe(state.subject, at, merged)]


def _own_lines(state: Desk) -> tuple[ClaimLine, ...]:
    """The lines of the complaint that did not move to another case."""
    assert state.received is not None
    return tuple(line for line in state.received.claims if line.line not in state.moved)


def _claim_lines(
    state: Desk,
    master: str,
    cause: str,
    at: datetime,
    lines: tuple[ClaimLine, ...],
    same: dict[str, str],
    *,
    reopens: bool,
    whole: bool,
) -> Event:
    received = state.received
    assert received is not None
    data = ev.ClaimLinesAdded(
        cause=cause,
        from_case=state.subject,
        source=received.source,
        source_ref=received.source_ref,
        tier=received.tier,
        received_at=received.received_at,
        registered_at=state.received_event.at if state.received_event else None,
        external_due_at=received.external_due_at,
        lines=tuple(line.model_copy(update={"sealed": None}) for line in lines),
        same=same,
        reopens=reopens,
        whole=whole,
        heads=max(0, (received.workers or 0) - len(state.moved)) if whole else None,
        replied_at=state.replied.get(_named(received)) if whole else None,
    )
    return owe(master, at, data, decidedby=state.subject)


def lines_moved(state: Desk) -> list[Event]:
    """From acceptance on, matched lines of a case that is not merged whole move to their masters.

    One master at a time: when the rest all stand under one, the case itself is merged.
    """
    if state.accepted is None:
        return []
    under = {item.case for item in state.under if item.data.whole}
    pending = [
        found
        for found in state.found
        if found.line not in state.moved and found.master not in under
    ]
    for master in sorted({found.master for found in pending}):
        of = [found for found in pending if found.master == master]
        at = max(state.accepted.at, *(found.at for found in of))
        same = {found.line: found.with_line for found in of}
        lines = tuple(line for line in _own_lines(state) if line.line in same)
        reopens = any(found.reopens for found in of)
        cause = of[-1].id
        return [_claim_lines(state, master, cause, at, lines, same, reopens=reopens, whole=False)]
    return []
