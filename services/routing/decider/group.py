"""The group stream of one project or employer and month: when many workers make a group case.

Persons are not merged: each member keeps its lines and its source's clock (domain 2.3, 5).
"""

from __future__ import annotations

from datetime import datetime

from services.routing.decider.foreseen import Foreseen, Hearing, heard
from shared import events as ev
from shared.envelope import owe
from shared.events import Event, GroupLevel, Service
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Member(Frozen, frozen=True):
    """One case: its known workers (keyed hashes) and its head-count.

    `at`: its registration; `since`: when it was told whether it still counts; `paid`: closed as
    paid in full, which a leading case is once every member is (I-01); `turn`: the place of what
    was last told of it among all that was told here.
    """

    case: str
    workers: tuple[str, ...]
    heads: int
    received_at: datetime
    at: datetime
    id: str
    counts: bool = True
    since: datetime | None = None
    paid: bool = False
    turn: int = 0

    @property
    def counts_at(self) -> datetime:
        """Since when it counts: a case that was merged counts anew once it is separated."""
        return max(self.at, self.since or self.at)


class Group(Hearing, frozen=True):
    subject: str
    members: tuple[Member, ...] = ()
    master: str | None = None
    level: str | None = None
    joined: tuple[str, ...] = ()
    formations: int = 0
    turn: int = 0


class GroupRouting:
    """Routing on a `group:` stream."""

    writer: Service = "routing"
    state_type = Group

    def __init__(self) -> None:
        self._foreseen = Foreseen(owed)

    def initial(self, subject: str) -> Group:
        return Group(subject)

    def evolve(self, state: Group, event: Event) -> Group:
        return heard(state, _evolve(state, event), event)

    def decide(self, state: Group, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self._foreseen.take(state, policy) if event.time <= now]

    def wake_at(self, state: Group, policy: Policy) -> datetime | None:
        return min((event.time for event in self._foreseen.look(state, policy)), default=None)


def _evolve(state: Group, event: Event) -> Group:
    data = event.data
    if isinstance(data, ev.MatchRegistered):
        member = Member(
            data.case,
            data.workers,
            data.heads,
            data.received_at,
            event.known_at,
            event.id,
            turn=state.turn + 1,
        )
        return replace(state, members=(*state.members, member), turn=state.turn + 1)
    if isinstance(data, ev.MatchUpdated):
        counts = data.status in ("reopened", "separated", "assigned")
        paid = data.status == "closed" and data.kind is None
        turn = state.turn + 1
        members = tuple(
            replace(member, counts=counts, since=data.since, paid=paid, turn=turn)
            if member.case == data.case
            else member
            for member in state.members
        )
        state = replace(state, members=members, turn=turn)
        if data.case == state.master and not (counts or paid):
            # It ended unpaid: the group is dissolved, and may form anew under another case.
            return replace(state, master=None, level=None, joined=())
        return state
    if isinstance(data, ev.GroupFormed):
        formed = state.formations + 1
        return replace(state, master=data.master, level=data.level, joined=(), formations=formed)
    if isinstance(data, ev.GroupLevelChanged):
        return replace(state, level=data.level)
    if isinstance(data, ev.GroupJoined):
        return replace(state, joined=(*state.joined, event.subject))
    return state


def heads(members: tuple[Member, ...]) -> int:
    """Distinct known workers, and the head-count of those not named."""
    known = {worker for member in members for worker in member.workers}
    unnamed = sum(max(0, member.heads - len(member.workers)) for member in members)
    return len(known) + unnamed


def level_of(count: int, policy: Policy) -> GroupLevel | None:
    """G1, G2 or G3 by head-count (domain 2.14)."""
    best: GroupLevel | None = None
    for level, least in policy.content.groups.levels.items():
        if count >= least and (best is None or level > best):
            best = level
    return best


def owed(state: Group, policy: Policy) -> list[Event]:
    """GroupFormed or a higher level on the master, GroupJoined on every other member.

    Where the leading case ended otherwise than paid, those who are left form a group anew if they
    are enough.
    """
    members = tuple(member for member in state.members if member.counts)
    leader = next((each for each in state.members if each.case == state.master), None)
    if leader is not None and leader.paid:
        # All who were of it are paid (I-01); who came later may be a group of their own.
        members = tuple(m for m in members if m.turn > leader.turn)
    if not members:
        return []
    count = heads(members)
    level = level_of(count, policy)
    at = max(member.counts_at for member in members)
    if leader is None or not leader.counts:
        if level is None:
            return []
        return [_formed(state, members, level, count, at)]
    if level is not None and level > (state.level or ""):
        return [_formed(state, members, level, count, at)]
    formation = state.formations if state.formations > 1 else None
    return [
        owe(
            member.case,
            at,
            ev.GroupJoined(
                cause=member.id, group=state.subject, master=leader.case, formation=formation
            ),
            decidedby=state.subject,
        )
        for member in members
        if member.case != leader.case and member.case not in state.joined
    ]


def _formed(
    state: Group, members: tuple[Member, ...], level: GroupLevel, count: int, at: datetime
) -> Event:
    """GroupFormed on the earliest member, or GroupLevelChanged on the case that leads."""
    leads = any(member.case == state.master for member in members)
    first = min(members, key=lambda member: (member.received_at, member.at)).case
    master = state.master if leads and state.master else first
    formation = state.formations if leads else state.formations + 1
    kind = ev.GroupLevelChanged if leads else ev.GroupFormed
    data: ev.GroupFormed | ev.GroupLevelChanged = kind.model_validate(
        {
            "cause": max(members, key=lambda member: member.counts_at).id,
            "group": state.subject,
            "level": level,
            "workers": count,
            "members": tuple(member.case for member in members),
            "master": master,
            "formation": formation if formation > 1 else None,
        }
    )
    return owe(master, at, data, decidedby=state.subject)
