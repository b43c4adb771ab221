"""The group stream of one project or employer and month: when many workers make a group case.

Persons are not merged: each member keeps its lines and its source's clock (domain 2.3, 5).

One employer can have several streams: of its code, and of each name under which somebody gives no
code. A complaint that names both is registered by the code, and the stream of the code tells that
of the name. From then on one of them passes its members on and the other counts them all: the one
of the code, but where a group formed by the name first. A name that several codes share stands for
the first with which it was named: two employers are not made one by a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.routing.decider.foreseen import Foreseen, Hearing, heard
from shared import events as ev
from shared.envelope import owe
from shared.events import Event, GroupLevel, Service
from shared.frozen import Frozen, replace
from shared.policy import Policy


class Member(Frozen, frozen=True):
    """One case: its known workers (keyed hashes) and its head-count.

    `registered_at`: by its own stream; `at`, `id`: here; `since`: when it was told whether it still
    counts, by the event `news` (`status`, and `kind` of a closing otherwise than by payment);
    `turn`: the place of what was last told of it among all that was told here; `passed`: what of it
    was last passed on.
    """

    case: str
    workers: tuple[str, ...]
    heads: int
    received_at: datetime
    registered_at: datetime
    at: datetime
    id: str
    status: str = "open"
    kind: str | None = None
    since: datetime | None = None
    news: str | None = None
    turn: int = 0
    passed: str | None = None

    @property
    def counts(self) -> bool:
        return self.status in ("open", "reopened", "separated", "assigned")

    @property
    def paid(self) -> bool:
        """Closed as paid in full, which a leading case is once every member is (I-01)."""
        return self.status == "closed" and self.kind is None

    @property
    def counts_at(self) -> datetime:
        """Since when it counts: a case that was merged counts anew once it is separated."""
        return max(self.at, self.since or self.at)


class Word(Frozen, frozen=True):
    """What another stream of the employer, `to`, is to be told because of the event `id`: where all
    are counted. `case`: the one that named both.
    """

    to: str
    case: str
    received_at: datetime
    id: str
    at: datetime


class Parting(Frozen, frozen=True):
    """A case that joined a group of which the leading case, `master`, ended otherwise than paid, by
    the event `id`: it is told to go on by itself unless the group forms anew with it.
    """

    case: str
    master: str
    formation: int
    id: str
    at: datetime


class Group(Hearing, frozen=True):
    """`names`: the streams of the names under which this code is known; `code`: of the first code
    with which this name was named; `untold`: what they are to be told; `follows`: the stream that
    counts the members of this one; `parting`: who was of a group that lost its leading case.
    """

    subject: str
    members: tuple[Member, ...] = ()
    master: str | None = None
    level: str | None = None
    joined: tuple[str, ...] = ()
    formations: int = 0
    turn: int = 0
    names: tuple[str, ...] = ()
    code: str | None = None
    untold: tuple[Word, ...] = ()
    follows: str | None = None
    parting: tuple[Parting, ...] = ()


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
        if event.subject != state.subject:
            return _passed(state, data.case) if data.group is None else _told(state, event, data)
        if data.group is not None:
            return _linked(state, event, data, data.group)
        return _registered(state, event, data)
    if isinstance(data, ev.MatchUpdated):
        if event.subject != state.subject:
            return _passed(state, data.case, data.cause)
        return _updated(state, event, data)
    if isinstance(data, ev.GroupFormed):
        formed = state.formations + 1
        parting = tuple(each for each in state.parting if each.case not in data.members)
        state = replace(state, joined=(), formations=formed, parting=parting)
        return replace(state, master=data.master, level=data.level)
    if isinstance(data, ev.GroupLevelChanged):
        return replace(state, level=data.level)
    if isinstance(data, ev.GroupJoined):
        return replace(state, joined=(*state.joined, event.subject))
    if isinstance(data, ev.GroupLeft):
        left = tuple(each for each in state.parting if each.case != event.subject)
        return replace(state, parting=left)
    return state


def _registered(state: Group, event: Event, data: ev.MatchRegistered) -> Group:
    member = Member(
        data.case,
        data.workers,
        data.heads,
        data.received_at,
        data.registered_at,
        event.known_at,
        event.id,
        turn=state.turn + 1,
    )
    state = replace(state, members=(*state.members, member), turn=state.turn + 1)
    if data.also is None or data.also in state.names:
        return state
    state = replace(state, names=(*state.names, data.also))
    return _tell(state, data.also, event, data)


def _updated(state: Group, event: Event, data: ev.MatchUpdated) -> Group:
    turn = state.turn + 1
    members = tuple(
        replace(
            member,
            status=data.status,
            kind=data.kind,
            since=data.since,
            news=event.id,
            turn=turn,
        )
        if member.case == data.case
        else member
        for member in state.members
    )
    state = replace(state, members=members, turn=turn)
    leader = _leader(state)
    if leader is not None and data.case == leader.case and not (leader.counts or leader.paid):
        # It ended unpaid: the group is dissolved, and may form anew under another case.
        parting = tuple(
            Parting(case, leader.case, state.formations, event.id, event.known_at)
            for case in state.joined
        )
        state = replace(state, parting=(*state.parting, *parting))
        return replace(state, master=None, level=None, joined=())
    return state


def _linked(state: Group, event: Event, data: ev.MatchRegistered, group: str) -> Group:
    """Word of another stream of this employer: where its members are counted.

    A name goes where its code says, unless a group formed by the name before; then it says so, and
    the code's stream follows, or tells it once more that it does not.
    """
    if event.decider in state.names:
        if state.follows is None and state.master is None:
            return replace(state, follows=group)
        return _tell(state, event.decider, event, data)
    if state.code is None and state.master is not None:
        return _tell(replace(state, code=event.decider), event.decider, event, data)
    if state.code in (None, event.decider):
        return replace(state, code=event.decider, follows=group)
    return state


def _tell(state: Group, to: str, event: Event, data: ev.MatchRegistered) -> Group:
    word = Word(to, data.case, data.received_at, event.id, event.known_at)
    return replace(state, untold=(*state.untold, word))


def _told(state: Group, event: Event, data: ev.MatchRegistered) -> Group:
    left = tuple(word for word in state.untold if (word.to, word.id) != (event.subject, data.cause))
    return replace(state, untold=left)


def _passed(state: Group, case: str, news: str | None = None) -> Group:
    """A member was passed on as it stands, or news of one that had been."""
    members = tuple(
        replace(member, passed=news or member.news or member.id) if member.case == case else member
        for member in state.members
    )
    return replace(state, members=members)


def _leader(state: Group) -> Member | None:
    return next((each for each in state.members if each.case == state.master), None)


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
    """What other streams of the employer are to be told, and what follows for the members."""
    if state.follows is not None:
        passed = _passing_on(state, state.follows)
        return [*_words(state), *_left(state.subject, state.parting), *passed]
    gathering = _gathering(state, policy)
    staying = {
        case
        for event in gathering
        if isinstance(event.data, ev.GroupFormed)
        for case in event.data.members
    }
    parting = [each for each in state.parting if each.case not in staying]
    return [*_words(state), *_left(state.subject, parting), *gathering]


def _countable(state: Group) -> tuple[Member, ...]:
    """Who counts: all who were of a group whose leading case was paid are paid (I-01); who came
    later may be a group of their own.
    """
    members = tuple(member for member in state.members if member.counts)
    leader = _leader(state)
    if leader is not None and leader.paid:
        return tuple(member for member in members if member.turn > leader.turn)
    return members


def _words(state: Group) -> list[Event]:
    """To each other stream of this employer where all are counted."""
    return [
        owe(
            word.to,
            word.at,
            ev.MatchRegistered(
                cause=word.id,
                case=word.case,
                received_at=word.received_at,
                registered_at=word.at,
                heads=0,
                group=state.follows or state.subject,
            ),
            decidedby=state.subject,
        )
        for word in state.untold
    ]


def _left(group: str, parting: Iterable[Parting]) -> list[Event]:
    """GroupLeft on each that no group has any more."""
    return [
        owe(
            each.case,
            each.at,
            ev.GroupLeft(
                cause=each.id,
                group=group,
                master=each.master,
                formation=each.formation if each.formation > 1 else None,
            ),
            decidedby=group,
        )
        for each in parting
    ]


def _passing_on(state: Group, to: str) -> list[Event]:
    """Each member to the stream that counts it, once it counts, and what becomes of it there."""
    countable = {member.case for member in _countable(state)}
    result: list[Event] = []
    for member in state.members:
        if member.passed is None and member.case in countable:
            registered = ev.MatchRegistered(
                cause=member.id,
                case=member.case,
                received_at=member.received_at,
                registered_at=member.registered_at,
                workers=member.workers,
                heads=member.heads,
            )
            result.append(owe(to, member.counts_at, registered, decidedby=state.subject))
        elif member.passed is not None and member.news not in (None, member.passed):
            updated = ev.MatchUpdated.model_validate(
                {
                    "cause": member.news,
                    "case": member.case,
                    "status": member.status,
                    "since": member.since,
                    "kind": member.kind,
                }
            )
            result.append(owe(to, member.counts_at, updated, decidedby=state.subject))
    return result


def _gathering(state: Group, policy: Policy) -> list[Event]:
    """GroupFormed or a higher level on the master, GroupJoined on every other member.

    Where the leading case ended otherwise than paid, those who are left form a group anew if they
    are enough.
    """
    members = _countable(state)
    leader = _leader(state)
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
    told = {leader.case, *state.joined}
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
        if member.case not in told
    ]


def _formed(
    state: Group, members: tuple[Member, ...], level: GroupLevel, count: int, at: datetime
) -> Event:
    """GroupFormed on the earliest member, or GroupLevelChanged on the case that leads."""
    leads = any(member.case == state.master for member in members)
    first = min(members, key=lambda member: (member.received_at, member.registered_at)).case
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
