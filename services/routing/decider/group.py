"""The group stream of one project or employer and month: when many workers make a group case.

Persons are not merged: each member keeps its lines and its source's clock (domain 2.3, 5).
"""

from __future__ import annotations

from datetime import datetime

from services.routing.decider.foreseen import Foreseen
from shared import events as ev
from shared.envelope import owe
from shared.events import Event, GroupLevel, Service
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Member(Frozen, frozen=True):
    """One case: its known workers (keyed hashes) and its head-count.

    `at`: its registration; `since`: when it was told whether it still counts.
    """

    case: str
    workers: tuple[str, ...]
    heads: int
    received_at: datetime
    at: datetime
    id: str
    counts: bool = True
    since: datetime | None = None

    @property
    def counts_at(self) -> datetime:
        """Since when it counts: a case that was merged counts anew once it is separated."""
        return max(self.at, self.since or self.at)


class Group(Frozen, frozen=True):
    subject: str
    members: tuple[Member, ...] = ()
    master: str | None = None
    level: str | None = None
    joined: tuple[str, ...] = ()


class GroupRouting:
    """Routing on a `group:` stream."""

    writer: Service = "routing"
    state_type = Group

    def __init__(self) -> None:
        self._foreseen = Foreseen(owed)

    def initial(self, subject: str) -> Group:
        return Group(subject)

    def evolve(self, state: Group, event: Event) -> Group:
        data = event.data
        if isinstance(data, ev.MatchRegistered):
            member = Member(
                data.case, data.workers, data.heads, data.received_at, event.known_at, event.id
            )
            return replace(state, members=(*state.members, member))
        if isinstance(data, ev.MatchUpdated):
            counts = data.status in ("reopened", "separated", "assigned")
            members = tuple(
                replace(member, counts=counts, since=data.since)
                if member.case == data.case
                else member
                for member in state.members
            )
            return replace(state, members=members)
        if isinstance(data, (ev.GroupFormed, ev.GroupLevelChanged)):
            return replace(state, master=data.master, level=data.level)
        if isinstance(data, ev.GroupJoined):
            return replace(state, joined=(*state.joined, event.subject))
        return state

    def decide(self, state: Group, now: datetime, policy: Policy) -> list[Event]:
        return [event for event in self._foreseen.take(state, policy) if event.time <= now]

    def wake_at(self, state: Group, policy: Policy) -> datetime | None:
        return min((event.time for event in self._foreseen.look(state, policy)), default=None)


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
    """GroupFormed or a higher level on the master, GroupJoined on every other member."""
    members = tuple(member for member in state.members if member.counts)
    if not members:
        return []
    count = heads(members)
    level = level_of(count, policy)
    latest = max(members, key=lambda member: member.counts_at)
    result: list[Event] = []
    if level is not None and (state.level is None or level > state.level):
        first = min(members, key=lambda member: (member.received_at, member.at))
        master = state.master or first.case
        fields = {
            "cause": latest.id,
            "group": state.subject,
            "level": level,
            "workers": count,
            "members": tuple(member.case for member in members),
            "master": master,
        }
        kind = ev.GroupFormed if state.level is None else ev.GroupLevelChanged
        data: ev.GroupFormed | ev.GroupLevelChanged = kind.model_validate(fields)
        result.append(owe(master, latest.counts_at, data, decidedby=state.subject))
    elif state.master is not None and any(member.case == state.master for member in members):
        for member in members:
            if member.case != state.master and member.case not in state.joined:
                joined = ev.GroupJoined(cause=member.id, group=state.subject, master=state.master)
                result.append(owe(member.case, latest.counts_at, joined, decidedby=state.subject))
    return result
