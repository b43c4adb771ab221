"""When a case is over for good, and what keeps it: the end from which its persons are kept.

A case that was merged is a part of the case it was merged into and ends with it; a group is one
case to be closed, so a member ends at the latest when its leading case is closed as paid, which it
is only once every member is (I-01). Else a member would never end: nobody closes it. One that is
unpaid again since then goes on, also where its leading case stays written off (T15).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.intake.decider.file import ENDED, CaseFile
from shared.frozen import Frozen


class End(Frozen, frozen=True):
    """`at`: when it ended; None while it goes on, or `goes_on`, a case on which that hangs, does.
    `held_by`: open proceedings of any of them (litigation hold, domain 7).
    """

    at: datetime | None
    goes_on: str | None = None
    held_by: tuple[str, ...] = ()


def hangs_on(file: CaseFile) -> list[str]:
    """The cases that must have ended too."""
    if file.state == "MERGED":
        return [] if file.master is None else [file.master]
    if file.state in ENDED:
        return []
    return [leader.case for leader in file.leaders.values()]


def ending(files: Mapping[str, CaseFile]) -> End:
    """Of a case, by the files of it and of those on which its end hangs, by subject."""
    ends: list[datetime] = []
    for name, file in files.items():
        if not (file.state in ENDED or (_is_member(file) and _are_paid(file, files))):
            return End(None, name, _held_by(files))
        if file.ended_at is not None:
            ends.append(file.ended_at)
    return End(max(ends, default=None), None, _held_by(files))


_PAID: Final = "PAID_IN_FULL"


def _is_member(file: CaseFile) -> bool:
    return file.state != "NONE" and bool(file.leaders)


def _are_paid(file: CaseFile, files: Mapping[str, CaseFile]) -> bool:
    leaders = (files[leader.case] for leader in file.leaders.values())
    return all(
        leader.state in ENDED
        and leader.closed_as == _PAID
        and file.subject not in leader.unpaid_members
        for leader in leaders
    )


def _held_by(files: Mapping[str, CaseFile]) -> tuple[str, ...]:
    return tuple(sorted({name for file in files.values() for name in file.held_by}))
