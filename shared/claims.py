"""Which claim lines stand under a case, and who claims each: nothing counted twice, nothing lost.

A line has a number that is never given again. It stands as long as anybody claims it: the case
itself, or a complaint that was merged into it. The same claim can come by more than one way (a
merged case passes on what stands under it), so a claim is named with the stream it came through,
and one way closed leaves the line where another is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.calendar import month_number
from shared.events import ClaimLine, ClaimLinesAdded, ClaimLinesRemoved, ComplaintReceived

OWN = ""
"""The case's own claim."""


class Asked(NamedTuple):
    """What one claim (`case|line`, or the own one) asks of its line."""

    claim: str = OWN
    fen: int | None = None
    months_from: str | None = None
    months_to: str | None = None


class Claimed(NamedTuple):
    """A line: its number, who claims it (`case|line|via`; none: it is gone), heads and fen.

    `asked`: by each of its claims; `fen`: the most of it, unknown where the claim that stands
    longest names no sum.
    """

    number: str
    by: tuple[str, ...] = (OWN,)
    heads: int = 1
    fen: int | None = None
    asked: tuple[Asked, ...] = ()

    @property
    def months(self) -> tuple[int | None, int]:
        """The first month claimed (counted from year 0; None: unknown), and how many there are."""
        firsts = [month_number(each.months_from) for each in self.asked if each.months_from]
        spans = [
            range(month_number(each.months_from), month_number(each.months_to) + 1)
            for each in self.asked
            if each.months_from and each.months_to
        ]
        return min(firsts, default=None), len(set().union(*spans))


Claims = tuple[Claimed, ...]


def own(data: ComplaintReceived) -> Claims:
    """The lines of a complaint; heads beyond the named ones stand on the first."""
    whole = Asked(OWN, data.amount_fen, data.months_from, data.months_to)
    return own_of([(line.line, _asked(OWN, line)) for line in data.claims], data.workers, whole)


def own_of(lines: Sequence[tuple[str, Asked]], workers: int | None, whole: Asked) -> Claims:
    """The same from numbers and what is asked; `whole`: where no line is named."""
    if not lines:
        return (Claimed("1", (OWN,), workers or 1, whole.fen, (whole,)),)
    more = max(0, (workers or 0) - len(lines))
    (first, asked), *others = lines
    return (
        Claimed(first, (OWN,), 1 + more, asked.fen, (asked,)),
        *[Claimed(number, (OWN,), 1, asked.fen, (asked,)) for number, asked in others],
    )


def verified(known: Claims, numbers: list[str]) -> Claims:
    """With the lines that somebody found when verifying."""
    have = {item.number for item in known}
    found = [number for number in dict.fromkeys(numbers) if number not in have]
    return (*known, *(Claimed(number, (OWN,), 0, asked=(Asked(),)) for number in found))


def added(
    known: Claims, subject: str, data: ClaimLinesAdded, via: str
) -> tuple[Claims, list[Claimed]]:
    """With the lines of a merged case, and which of them are new here.

    `subject`: whose lines these are, of which some may come back; `via`: the stream that decided
    it. A line is the same as one here if the event says so and that one still stands, or if the
    same claim has come by another way. A line is of the largest sum and of all months that anybody
    claims of it, until the facts are verified: who complains again is not paid in full with less
    (I-01).
    """
    lines = list(known)
    fresh: list[Claimed] = []
    more = max(0, (data.heads or 0) - len(data.lines))
    for line in data.lines:
        claim = f"{data.from_case}|{line.line}"
        mine = line.line if data.from_case == subject else None
        place = _place(lines, claim, mine, data.same.get(line.line))
        if place is None:
            heads = 1 + (more if not fresh else 0)
            by, asks = (f"{claim}|{via}",), _asked(claim, line)
            item = Claimed(_next(lines), by, heads, line.amount_fen, (asks,))
            lines.append(item)
            fresh.append(item)
        elif f"{claim}|{via}" not in lines[place].by:
            old = lines[place]
            told = any(each.claim == claim for each in old.asked)
            asked = old.asked if told else (*old.asked, _asked(claim, line))
            lines[place] = old._replace(
                by=(*old.by, f"{claim}|{via}"), asked=asked, fen=_most(asked)
            )
    return tuple(lines), fresh


def removed(
    known: Claims, subject: str, data: ClaimLinesRemoved, via: str
) -> tuple[Claims, Claims]:
    """Without the claims of a case that left, or own lines that moved; and the lines now gone.

    `subject`: whose lines these are.
    """
    lines, gone = [], []
    for item in known:
        by = tuple(
            claim for claim in item.by if not _leaves(claim, item.number, subject, data, via)
        )
        if item.by and not by:
            gone.append(item)
        lines.append(_claimed_by(item, by))
    return tuple(lines), tuple(gone)


def changed(before: Claims, after: Claims) -> dict[str, Claimed]:
    """The lines, by number, of which more or less is claimed than before."""
    was = {item.number: item for item in before}
    return {
        item.number: item
        for item in after
        if item.number in was and item.asked != was[item.number].asked
    }


def total_fen(known: Claims) -> int:
    """What is claimed of all lines that stand, where it is known."""
    return sum(item.fen or 0 for item in known if item.by)


def standing(known: Claims) -> tuple[str, ...]:
    """The numbers of the lines that stand."""
    return tuple(item.number for item in known if item.by)


def bound(ways: tuple[str, ...], data: ClaimLinesAdded, via: str) -> tuple[str, ...]:
    """The complaints that stand here whole, each with the stream it came through."""
    way = f"{data.from_case}|{via}"
    return (*ways, way) if data.whole and way not in ways else ways


def freed(ways: tuple[str, ...], data: ClaimLinesRemoved, via: str) -> tuple[tuple[str, ...], bool]:
    """Without a complaint that left by this way; and whether it stands here no longer at all."""
    way = f"{data.from_case}|{via}"
    if not data.whole or way not in ways:
        return ways, False
    left = tuple(known for known in ways if known != way)
    return left, not any(known.startswith(f"{data.from_case}|") for known in left)


def _asked(claim: str, line: ClaimLine) -> Asked:
    return Asked(claim, line.amount_fen, line.months_from, line.months_to)


def _most(asked: tuple[Asked, ...]) -> int | None:
    """The largest sum, of all that one complaint claims here: it may name the months one by one.

    A line without a sum is unpaid until the facts are verified, whatever its repeat says.
    """
    if not asked or asked[0].fen is None:
        return None
    of: dict[str, int] = {}
    for each in asked:
        case = each.claim.split("|", 1)[0]
        of[case] = of.get(case, 0) + (each.fen or 0)
    return max(of.values())


def _claimed_by(item: Claimed, by: tuple[str, ...]) -> Claimed:
    """The line with those of its claims that are left; what is gone keeps what was asked."""
    if not by or by == item.by:
        return item._replace(by=by)
    left = {OWN if claim == OWN else claim.rsplit("|", 1)[0] for claim in by}
    asked = tuple(each for each in item.asked if each.claim in left)
    return item._replace(by=by, asked=asked, fen=_most(asked))


def _place(lines: list[Claimed], claim: str, mine: str | None, same: str | None) -> int | None:
    """Where a claim belongs: where it stands already, else the line it is the same as."""
    for index, item in enumerate(lines):
        at_home = OWN in item.by and item.number == mine
        if at_home or any(known.startswith(f"{claim}|") for known in item.by):
            return index
    for index, item in enumerate(lines):
        stands = item.by and same is not None
        if stands and (item.number == same or any(c.startswith(f"{same}|") for c in item.by)):
            return index
    return None


def _next(lines: list[Claimed]) -> str:
    taken = {item.number for item in lines}
    number = len(lines) + 1
    while str(number) in taken:
        number += 1
    return str(number)


def _leaves(claim: str, number: str, subject: str, data: ClaimLinesRemoved, via: str) -> bool:
    if via == subject:
        return claim == OWN and number in data.lines
    return any(claim == f"{data.from_case}|{line}|{via}" for line in data.lines)
