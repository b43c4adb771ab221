"""A group: its leading case closes as paid only once every member is (I-01, scenario 9).

Each member keeps its own lines, so it alone knows whether they are paid. It tells the leading
case when it joins and whenever that changes.
"""

from __future__ import annotations

from services.supervision.decider.cases import handle
from services.supervision.decider.clocks import jump
from services.supervision.decider.handling import reopen
from services.supervision.decider.standards import creditors, settled
from services.supervision.decider.state import (
    Creditor,
    Leader,
    Member,
    Owed,
    Told,
    Watch,
    replace,
    start,
    stop,
)
from shared import events as ev
from shared.events import Event

_TELLS = "GroupMemberUpdated"


def formed(state: Watch, event: Event, data: ev.GroupFormed | ev.GroupLevelChanged) -> Watch:
    """T51: the group's leader is told within two hours (条例 14). Members owe until they tell."""
    formation = data.formation or 1
    present = tuple(m for m in state.members if m.group != data.group or m.formation >= formation)
    known = {member.case for member in present if member.group == data.group}
    fresh = [
        Member(data.group, case, formation)
        for case in data.members
        if case not in known and case != state.subject
    ]
    state = replace(state, group_level=data.level, members=(*present, *fresh))
    state = _on_its_own(state, event, data.group)
    return start(state, "T51", event, item=f"{data.group}|{data.level}")


def notified(state: Watch, event: Event, data: ev.GroupNoticeGiven) -> Watch:
    """A notice of a level also gives those below it."""
    for clock in state.clocks:
        if clock.timer == "T51" and (clock.item or "").rsplit("|", 1)[-1] <= data.level:
            state = stop(state, event, "T51", item=clock.item)
    return state


def joined(state: Watch, event: Event, data: ev.GroupJoined) -> Watch:
    """A member loses T09, and tells the leading case of itself from now on; it leads no more."""
    formation = data.formation or 1
    others = tuple(leader for leader in state.leaders if leader.group != data.group)
    leaders = (*others, Leader(data.group, data.master, formation))
    state = replace(_past(state, data.group, formation), group_member=True, leaders=leaders)
    return stop(state, event, "T09")


def _past(state: Watch, group: str, formation: int) -> Watch:
    """It leads this group, as it was formed until then, no more."""
    members = tuple(m for m in state.members if m.group != group or m.formation > formation)
    others = tuple(past for past in state.led_past if past[0] != group)
    return replace(state, members=members, led_past=(*others, (group, formation)))


def left(state: Watch, event: Event, data: ev.GroupLeft) -> Watch:
    """On its own, unless another case leads by now."""
    present = any(
        (leader.group, leader.master) == (data.group, data.master)
        and leader.formation <= (data.formation or 1)
        for leader in state.leaders
    )
    return _on_its_own(state, event, data.group) if present else state


def _on_its_own(state: Watch, event: Event, group: str) -> Watch:
    """No longer a member of this group; of no other one either, it is handled for itself."""
    leaders = tuple(leader for leader in state.leaders if leader.group != group)
    if len(leaders) == len(state.leaders):
        return state
    state = replace(state, leaders=leaders, group_member=bool(leaders))
    ended = state.ended or state.reviewing
    redo = state.clock("T18") is not None
    if leaders or ended or redo or state.handler is None:
        return state
    # The due that it had before, alone, limits nothing: the group was handled for it meanwhile.
    state = handle(replace(state, handle_by=None, first_handle_by=None), event)
    return jump(state, event, "L4") if state.fled else state


def leave(state: Watch) -> Watch:
    """After any event of a leading case: once it ended otherwise than paid, it leads nobody."""
    paid = state.closed and state.closure_kind == "PAID_IN_FULL"
    if paid or not state.ended:
        return state
    for group, formation in sorted({(m.group, m.formation) for m in state.members}):
        state = _past(state, group, formation)
    return state


def _told(formation: int) -> int | None:
    return formation if formation > 1 else None


def tell(state: Watch, event: Event) -> Watch:
    """After any event of a member: what its leading cases do not know yet is owed to them."""
    done = state.ended or settled(state)
    told = Told(True, state.last_paid_time)
    if not done:
        told = Told(False, None, tuple(creditors(state)), state.fled)
    unknowing = [leader for leader in state.leaders if leader.told != told]
    if not unknowing:
        return state
    fields = {
        "case": state.subject,
        "status": "settled" if told.settled else "unpaid",
        "paid_at": told.paid_at.isoformat() if told.paid_at else None,
        "unpaid": [
            {
                "workers": one.heads,
                "months": one.months,
                "amount_fen": one.fen,
                "worker": one.worker,
            }
            for one in told.unpaid
        ],
        "fled": told.fled or None,
    }
    owed = tuple(
        Owed(
            _TELLS,
            event.id,
            event.known_at,
            {**fields, "group": leader.group, "formation": _told(leader.formation)},
            leader.master,
        )
        for leader in unknowing
    )
    leaders = tuple(replace(leader, told=told) for leader in state.leaders)
    return replace(state, leaders=leaders, owed=(*state.owed, *owed))


def updated(state: Watch, event: Event, data: ev.GroupMemberUpdated) -> Watch:
    """On the member: it was told. On the leading case: whether it may be closed, or stay so."""
    if event.decider == state.subject:
        kept = tuple(
            item
            for item in state.owed
            if (item.type, item.cause, item.fields.get("group")) != (_TELLS, data.cause, data.group)
        )
        return replace(state, owed=kept)
    formation = data.formation or 1
    if any(group == data.group and formation <= past for group, past in state.led_past):
        return state
    before = next((m for m in state.members if (m.group, m.case) == (data.group, data.case)), None)
    unpaid = tuple(
        Creditor(one.workers, one.months, one.amount_fen, one.worker) for one in data.unpaid
    )
    told = Told(data.status == "settled", data.paid_at, unpaid, bool(data.fled))
    after = Member(data.group, data.case, formation, told)
    others = tuple(member for member in state.members if member is not before)
    state = replace(state, members=(*others, after), facts_at=event.known_at)
    if told.fled and not (before is not None and before.told.fled):
        state = jump(state, event, "L4")
    if after.settled or not state.closed or state.closure_kind != "PAID_IN_FULL":
        return state
    # It was settled and is no longer; or it joined while the closing was on its way.
    return reopen(state, event, "MEMBER_UNPAID")
