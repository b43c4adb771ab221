"""Which claim lines stand under a case, and who claims each: nothing counted twice, nothing lost.

A line has a number that is never given again. It stands as long as anybody claims it: the case
itself, or a complaint that was merged into it. The same claim can come by more than one way (a
merged case passes on what stands under it), so a claim is named with the stream it came through,
and one way closed leaves the line where another is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.events import ClaimLine, ClaimLinesAdded, ClaimLinesRemoved

OWN = ""
"""The case's own claim."""


class Claimed(NamedTuple):
    """A line: its number, who claims it (`case|line|via`; none: it is gone), heads and fen."""

    number: str
    by: tuple[str, ...] = (OWN,)
    heads: int = 1
    fen: int | None = None


Claims = tuple[Claimed, ...]


def own(lines: tuple[ClaimLine, ...], workers: int | None, amount_fen: int | None) -> Claims:
    """The lines of a complaint; heads beyond the named ones stand on the first."""
    return own_of([(line.line, line.amount_fen) for line in lines], workers, amount_fen)


def own_of(
    lines: Sequence[tuple[str, int | None]], workers: int | None, amount_fen: int | None
) -> Claims:
    """The same from numbers and amounts."""
    if not lines:
        return (Claimed("1", (OWN,), workers or 1, amount_fen),)
    more = max(0, (workers or 0) - len(lines))
    (first, fen), *others = lines
    return (
        Claimed(first, (OWN,), 1 + more, fen),
        *[Claimed(number, (OWN,), 1, fen) for number, fen in others],
    )


def verified(known: Claims, numbers: list[str]) -> Claims:
    """With the lines that somebody found when verifying."""
    have = {item.number for item in known}
    return (*known, *(Claimed(n, (OWN,), 0) for n in dict.fromkeys(numbers) if n not in have))


def added(
    known: Claims, subject: str, data: ClaimLinesAdded, via: str
) -> tuple[Claims, list[Claimed]]:
    """With the lines of a merged case, and which of them are new here.

    `subject`: whose lines these are, of which some may come back; `via`: the stream that decided
    it. A line is the same as one here if the event says so and that one still stands, or if the
    same claim has come by another way.
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
            item = Claimed(_next(lines), (f"{claim}|{via}",), heads, line.amount_fen)
            lines.append(item)
            fresh.append(item)
        elif f"{claim}|{via}" not in lines[place].by:
            old = lines[place]
            lines[place] = old._replace(by=(*old.by, f"{claim}|{via}"))
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
        lines.append(item._replace(by=by))
    return tuple(lines), tuple(gone)


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
