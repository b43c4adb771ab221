"""A complaint as a platform or window sends it (contract 3), and how it becomes a fact.

Reading is strict: a field that is unknown, of a wrong type or without sense is refused with the
JSON Pointer of the place, so the sender can correct and send again (I-02). What is kept of a
person is sealed before anything else sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError as NotANumber

from services.intake.reading import kind_of_owner, read_text
from shared import events
from shared.calendar import civil
from shared.events import (
    ClaimLine,
    ComplaintKind,
    ComplaintReceived,
    Fen,
    Month,
    Ownership,
    ProjectKind,
    Tier,
    Via,
)
from shared.policy import Policy
from shared.query import query_code, status_key
from shared.roles import NO_TOWNSHIP
from shared.sealing import Sealer, normalised_id

MAX_BYTES: Final = 1 << 20
"""The longest complaint read; a longer one is refused, not the stream it came in."""
MAX_CLAIMS: Final = 1_000
_FIRST_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_DUE: Final = timedelta(days=3660)


@dataclass(frozen=True)
class Problem:
    """What is wrong with an input: JSON Pointer, short code, sentence without personal data."""

    pointer: str
    code: str
    detail: str


class Refused(ValueError):
    """The input was refused; `problems` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{item.pointer}: {item.detail}" for item in problems))
        self.problems = problems


Funding = Literal["government", "soe", "private", "unknown"]
Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Text = Annotated[str, StringConstraints(max_length=20_000)]


class Part(BaseModel):
    """Strict: no coercion, and unknown fields are refused with their pointer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Person(Part):
    name: Line | None = None
    phone: Line | None = None


class Worker(Person):
    id_no: Line | None = None


class Claim(Part):
    worker: Worker | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None


class Employer(Part):
    name: Line | None = None
    uscc: Line | None = None
    ownership: Ownership = "unknown"
    industry: Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")] | None = None
    attracted: bool = False


class Project(Part):
    name: Line | None = None
    funding: Funding = "unknown"
    owner: Line | None = None
    kind: ProjectKind | None = None


class Site(Part):
    address: Line | None = None
    township: Line | None = None


class Complaint(Part):
    """The body of `POST /v1/complaints`, one line of a feed, `data` of a story's complaint."""

    source: Line
    source_ref: Line
    tier: Tier = "CITY"
    kind: ComplaintKind = "complaint"
    received_at: AwareDatetime
    external_due_at: AwareDatetime | None = None
    employer: Employer | None = None
    project: Project | None = None
    site: Site | None = None
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    claims: Annotated[tuple[Claim, ...], Field(max_length=MAX_CLAIMS)] = ()
    via: Via | None = None
    text: Text | None = None
    contact: Person | None = None


def pointer(parts: tuple[int | str, ...]) -> str:
    """JSON Pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """What pydantic found, as problems; never repeats the input, which may name a person."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        Problem(
            prefix + pointer(item["loc"]),
            item["type"],
            item["msg"].removeprefix("Value error, ")[:200],
        )
        for item in found[:50]
    ]


def read(raw: bytes) -> Complaint:
    """The complaint in JSON bytes. Raises Refused; what needs clock or book is `check`'s."""
    if len(raw) > MAX_BYTES:
        raise Refused([Problem("", "too_long", f"a complaint has at most {MAX_BYTES} bytes")])
    try:
        return Complaint.model_validate_json(raw)
    except ValidationError as error:
        raise Refused(problems_of(error)) from None


def read_object(value: dict[str, Any]) -> Complaint:
    """The complaint in a parsed JSON object, as in a story. Raises Refused."""
    return read(orjson.dumps(value))


def check(complaint: Complaint, now: datetime, policy: Policy) -> None:
    """Whether it makes sense at `now` under the book in force. Raises Refused with every fault."""
    problems = [
        *_check_source(complaint, now, policy),
        *_check_employer(complaint),
        *_check_months(complaint),
        *_check_claims(complaint),
    ]
    if problems:
        raise Refused(problems)


def _check_source(complaint: Complaint, now: datetime, policy: Policy) -> Iterator[Problem]:
    if complaint.source not in policy.content.organisation.sources:
        yield Problem("/source", "unknown_source", "no source of the policy in force")
    if complaint.received_at > now:
        yield Problem("/received_at", "future", "later than the clock")
    elif complaint.received_at < _FIRST_DAY:
        yield Problem("/received_at", "absurd", "before the year 2000")
    due = complaint.external_due_at
    if due is not None and not _FIRST_DAY <= due <= complaint.received_at + _LAST_DUE:
        yield Problem("/external_due_at", "absurd", "before the year 2000 or over ten years away")
    township = complaint.site.township if complaint.site else None
    if township is not None and township != NO_TOWNSHIP and township not in policy.townships:
        yield Problem("/site/township", "unknown_township", "no township of the policy in force")


def _check_employer(complaint: Complaint) -> Iterator[Problem]:
    employer = complaint.employer
    named = employer is not None and (employer.name or employer.uscc)
    if not named and not (complaint.text or "").strip():
        yield Problem("", "nothing_said", "at least one of text and employer is required")
    if employer is not None and employer.uscc is not None and not is_uscc(employer.uscc):
        yield Problem("/employer/uscc", "bad_uscc", "not a unified social credit code")


def _check_months(complaint: Complaint) -> Iterator[Problem]:
    received = civil(complaint.received_at)
    yield from _months("", complaint.months_from, complaint.months_to, received)
    for index, claim in enumerate(complaint.claims):
        yield from _months(f"/claims/{index}", claim.months_from, claim.months_to, received)


def _months(path: str, first: str | None, last: str | None, received: date) -> Iterator[Problem]:
    """Arrears cannot be of months that had not begun when the complaint was received."""
    newest = f"{received:%Y-%m}"
    if first is not None and last is not None and first > last:
        yield Problem(f"{path}/months_from", "months_reversed", "later than months_to")
    for name, month in (("months_from", first), ("months_to", last)):
        if month is not None and month > newest:
            yield Problem(f"{path}/{name}", "future", "later than the month of received_at")


def _check_claims(complaint: Complaint) -> Iterator[Problem]:
    workers: set[str] = set()
    for index, claim in enumerate(complaint.claims):
        number = claim.worker.id_no if claim.worker else None
        if number is None:
            continue
        if not is_identity(number):
            place = f"/claims/{index}/worker/id_no"
            yield Problem(place, "bad_id_no", "not a resident identity number")
        workers.add(normalised_id(number))
    if complaint.workers is not None and len(workers) > complaint.workers:
        yield Problem("/workers", "contradiction", "fewer than the workers named in claims")
    total = sum(claim.amount_fen or 0 for claim in complaint.claims)
    if complaint.amount_fen is not None and total > complaint.amount_fen:
        yield Problem("/amount_fen", "contradiction", "less than the sum of the claims")


def is_uscc(text: str) -> bool:
    """Whether it is a 统一社会信用代码 with a right check character (GB 32100)."""
    return bool(uscc.is_valid(normalised_id(text)))


def is_identity(text: str) -> bool:
    """Whether it is a 公民身份号码 with a right date and check character (GB 11643).

    The place is not judged: a number keeps the code of the district that issued it, in whatever
    year that was, so a table of districts by year of birth refuses people who exist.
    """
    number = normalised_id(text)
    if len(number) != 18 or not number[:17].isdecimal() or not number.isascii():
        return False
    try:
        ric.get_birth_date(number)
    except NotANumber:
        return False
    return number[17] == ric.calc_check_digit(number)


def admit(complaint: Complaint, case_id: str, sealer: Sealer, policy: Policy) -> ComplaintReceived:
    """The fact that stands on the log: persons sealed, hashes for matching, signals of the text.

    `sealer` is the case's own; `complaint` has passed `check` under `policy`.
    """
    assert sealer.subject == case_id, "a case is sealed under its own key"
    employer = employer_of(complaint.employer, sealer, _PLACE)
    project = project_of(complaint.project, sealer, policy, _PLACE)
    address = complaint.site.address if complaint.site else None
    return ComplaintReceived(
        source=complaint.source,
        source_ref=complaint.source_ref,
        tier=complaint.tier,
        kind=complaint.kind,
        received_at=complaint.received_at,
        external_due_at=complaint.external_due_at,
        employer=employer,
        project=project,
        site=site_of(complaint.site, sealer, _PLACE),
        workers=complaint.workers,
        amount_fen=complaint.amount_fen,
        months_from=complaint.months_from,
        months_to=complaint.months_to,
        claims=_lines(complaint, sealer),
        via=complaint.via,
        text=_sealed(sealer, complaint.text, f"{_PLACE}/text"),
        contact=_sealed_json(sealer, complaint.contact, f"{_PLACE}/contact"),
        group_keys=_group_keys(complaint, employer, project, sealer),
        signals=read_text(complaint.text, address, policy),
        status_key=status_key(query_code(sealer.matcher, case_id)),
    )


_PLACE: Final = "ComplaintReceived"


def _sealed(sealer: Sealer, text: str | None, place: str) -> str | None:
    return sealer.seal(text, place) if text else None


def _sealed_json(sealer: Sealer, part: Person | None, place: str) -> str | None:
    if part is None:
        return None
    return _sealed(sealer, part.model_dump_json(exclude_none=True), place)


def employer_of(given: Employer | None, sealer: Sealer, place: str) -> events.Employer | None:
    """用人单位 for the log; `place`: the event and field, for the sealing."""
    if given is None:
        return None
    code = normalised_id(given.uscc) if given.uscc else None
    return events.Employer(
        name=given.name if code else _sealed(sealer, given.name, f"{place}/employer/name"),
        uscc=code,
        ownership=given.ownership,
        industry=given.industry,
        attracted=given.attracted,
        key=sealer.matcher.employer(given.name, code),
    )


def project_of(
    given: Project | None, sealer: Sealer, policy: Policy, place: str
) -> events.Project | None:
    """工程项目 for the log. What the owner's name says it is stands beside the sealed name."""
    if given is None:
        return None
    return events.Project(
        name=_sealed(sealer, given.name, f"{place}/project/name"),
        funding=given.funding,
        owner=_sealed(sealer, given.owner, f"{place}/project/owner"),
        owner_kind=kind_of_owner(given.owner, policy),
        kind=given.kind,
        key=sealer.matcher.name("project", given.name),
    )


def site_of(given: Site | None, sealer: Sealer, place: str) -> events.Site | None:
    """用工所在地 for the log."""
    if given is None:
        return None
    address = _sealed(sealer, given.address, f"{place}/site/address")
    return events.Site(address=address, township=given.township)


def _lines(complaint: Complaint, sealer: Sealer) -> tuple[ClaimLine, ...]:
    """Lines "1", "2"…; without claims the whole complaint is line "1"."""
    if not complaint.claims:
        whole = ClaimLine(
            line="1",
            amount_fen=complaint.amount_fen,
            months_from=complaint.months_from,
            months_to=complaint.months_to,
        )
        return (whole,)
    return tuple(
        ClaimLine(
            line=str(number),
            worker=_worker(claim, sealer),
            amount_fen=claim.amount_fen,
            months_from=claim.months_from or complaint.months_from,
            months_to=claim.months_to or complaint.months_to,
            sealed=_sealed_json(sealer, claim.worker, f"{_PLACE}/claims/{number}"),
            match_keys=_match_keys(claim, complaint.employer, sealer),
        )
        for number, claim in enumerate(complaint.claims, 1)
    )


def _worker(claim: Claim, sealer: Sealer) -> str | None:
    if claim.worker is None or claim.worker.id_no is None:
        return None
    return sealer.matcher.worker(claim.worker.id_no)


def _match_keys(claim: Claim, employer: Employer | None, sealer: Sealer) -> tuple[str, ...]:
    """Streams on which the same worker's claims against the same employer meet (查重).

    One by the employer's code and one by its name, since a platform may know only the name.
    """
    worker = _worker(claim, sealer)
    if worker is None or employer is None:
        return ()
    matcher = sealer.matcher
    by = (
        matcher.employer(None, employer.uscc),
        matcher.name("employer", employer.name),
    )
    return tuple(f"match:{matcher.hash('match', worker, key)}" for key in by if key)


def _group_keys(
    complaint: Complaint,
    employer: events.Employer | None,
    project: events.Project | None,
    sealer: Sealer,
) -> tuple[str, ...]:
    """The stream on which claims of one project, or else one employer, and month meet."""
    key = (project.key if project else None) or (employer.key if employer else None)
    if key is None:
        return ()
    month = f"{civil(complaint.received_at):%Y-%m}"
    return (f"group:{sealer.matcher.hash('group', key, month)}",)
