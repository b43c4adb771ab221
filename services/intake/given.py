"""A complaint as it was given, and the quick way to read one.

`Complaint` in `complaint.py` says what is allowed and words every refusal; but of a stream of good
lines it would be a tenth of the work. `quick_read` reads what is plainly good and leaves all else
to it: what is read here is always what would be read there (a property test holds them together).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from services.intake.spelling import may_repeat
from shared.events import (
    MAX_FEN,
    ComplaintKind,
    Ownership,
    ProjectKind,
    Tier,
    Via,
)

Funding = Literal["government", "soe", "private", "unknown"]

MAX_BYTES: Final = 1 << 20
"""The longest complaint read; a longer one is refused, not the stream it came in."""
MAX_CLAIMS: Final = 1_000
MAX_TEXT: Final = 20_000
MAX_LINE: Final = 200
MAX_WORKERS: Final = 100_000

_Line = Annotated[str, Meta(min_length=1, max_length=MAX_LINE)]
_Fen = Annotated[int, Meta(ge=0, le=MAX_FEN)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_Instant = Annotated[datetime, Meta(tz=True)]


class Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """`omit_defaults` leaves out what is None and nothing else: no other default is a constant."""


class Person(Part, frozen=True):
    name: _Line | None = None
    phone: _Line | None = None


class Worker(Person, frozen=True):
    id_no: _Line | None = None


class Claim(Part, frozen=True):
    worker: Worker | None = None
    amount_fen: _Fen | None = None
    months_from: str | None = None
    months_to: str | None = None


class Employer(Part, frozen=True):
    name: _Line | None = None
    uscc: _Line | None = None
    ownership: Ownership = field(default_factory=lambda: "unknown")
    industry: str | None = None
    attracted: bool = field(default_factory=lambda: False)


class Project(Part, frozen=True):
    name: _Line | None = None
    funding: Funding = field(default_factory=lambda: "unknown")
    owner: _Line | None = None
    kind: ProjectKind | None = None


class Site(Part, frozen=True):
    address: _Line | None = None
    township: _Line | None = None


class Given(Part, frozen=True, kw_only=True):
    """A complaint, read. Its fields stand in the order of `Complaint`: `body` relies on it."""

    source: _Line
    source_ref: _Line
    tier: Tier = field(default_factory=lambda: "CITY")
    kind: ComplaintKind = field(default_factory=lambda: "complaint")
    received_at: _Instant
    external_due_at: _Instant | None = None
    employer: Employer | None = None
    project: Project | None = None
    site: Site | None = None
    workers: Annotated[int, Meta(ge=1, le=MAX_WORKERS)] | None = None
    amount_fen: _Fen | None = None
    months_from: str | None = None
    months_to: str | None = None
    claims: Annotated[tuple[Claim, ...], Meta(max_length=MAX_CLAIMS)] = field(
        default_factory=lambda: ()
    )
    via: Via | None = None
    text: _Text | None = None
    contact: Person | None = None


json_of = msgspec.json.Encoder().encode
"""JSON without what is None; of a whole complaint: what must be the same for a duplicate."""

_read = msgspec.json.Decoder(Given).decode
_MONTHS: Final = frozenset(
    f"{year}-{month:02}" for year in range(1900, 2100) for month in range(1, 13)
)
_CONTROLS: Final = frozenset(map(chr, (*range(32), 127)))


def quick_read(raw: bytes) -> Given | None:
    """The complaint in JSON bytes if it is plainly good; None: read it with `Complaint`."""
    if b"\x7f" in raw or (b"." in raw and _long_fraction(raw)):
        return None
    try:
        given = _read(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # A control character can only stand in JSON behind a backslash.
    plain = _plain(given, may_hold_controls=b"\\" in raw)
    return given if plain and not may_repeat(raw) else None


def _long_fraction(raw: bytes) -> bool:
    """Whether seven digits follow a point: an instant finer than is kept, rounded or cut."""
    return any(part[:7].isdigit() and len(part) > 6 for part in raw.split(b".")[1:])


def _plain(given: Given, *, may_hold_controls: bool) -> bool:
    """Whether every line is trimmed and printable and every month and industry is one."""
    lines: list[str | None] = [given.source, given.source_ref]
    months: list[str | None] = [given.months_from, given.months_to]
    if (employer := given.employer) is not None:
        lines += (employer.name, employer.uscc)
        industry = employer.industry
        if industry is not None and not (
            2 <= len(industry) <= 4 and industry.isascii() and industry.isdigit()
        ):
            return False
    if (project := given.project) is not None:
        lines += (project.name, project.owner)
    if (site := given.site) is not None:
        lines += (site.address, site.township)
    if (contact := given.contact) is not None:
        lines += (contact.name, contact.phone)
    for claim in given.claims:
        months += (claim.months_from, claim.months_to)
        if (worker := claim.worker) is not None:
            lines += (worker.name, worker.phone, worker.id_no)
    for month in months:
        if month is not None and month not in _MONTHS:
            return False
    for line in lines:
        if line is not None and (
            line.strip() != line or (may_hold_controls and not _CONTROLS.isdisjoint(line))
        ):
            return False
    return True
