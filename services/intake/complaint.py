"""A complaint as a platform or window sends it (contract 3), and how it becomes a fact.

Reading is strict: a field that is unknown, of a wrong type or without sense is refused with the
JSON Pointer of the place, so the sender can correct and send again (I-02). What is kept of a
person is sealed before anything else sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from stdnum.cn import uscc

from services.intake import given, stored
from services.intake.given import (
    MAX_BYTES,
    MAX_CLAIMS,
    MAX_LINE,
    MAX_TEXT,
    MAX_WORKERS,
    Funding,
    Given,
    json_of,
    quick_read,
)
from services.intake.numbers import is_identity, number_of_a_person
from services.intake.reading import kind_of_owner, signals_json
from services.intake.spelling import Path, misspelt, parse, repeated
from shared import events
from shared.calendar import civil
from shared.events import (
    MAX_FEN,
    ComplaintKind,
    ComplaintReceived,
    Fen,
    Month,
    Ownership,
    ProjectKind,
    Tier,
    Via,
    instant_text,
)
from shared.policy import Policy
from shared.query import status_key_of
from shared.sealing import Sealer, normalised_id

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
        super().__init__(
            "; ".join(": ".join(filter(None, (item.pointer, item.detail))) for item in problems)
        )
        self.problems = problems


Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_LINE, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


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
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    claims: Annotated[tuple[Claim, ...], Field(max_length=MAX_CLAIMS)] = ()
    via: Via | None = None
    text: Text | None = None
    contact: Person | None = None


def pointer(parts: Path) -> str:
    """JSON Pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """What pydantic found, as problems; never repeats the input, which may name a person."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    within = {item["loc"][:end] for item in found for end in range(len(item["loc"]))}
    # A list whose items were refused is not too short as well, though pydantic says so.
    found = [item for item in found if item["type"] != "too_short" or item["loc"] not in within]
    return [
        Problem(
            prefix + pointer(item["loc"]),
            item["type"],
            item["msg"].removeprefix("Value error, ")[:200],
        )
        for item in found[:50]
    ]


TOO_MUCH: Final = f"more than {MAX_FEN} fen together"
TOO_DEEP: Final = Problem("", "json_invalid", "nested too deep")


def slips(read: BaseModel, raw: bytes) -> list[Problem]:
    """What the model made of JSON `raw` that nobody can have meant: see `spelling`."""
    try:
        told = parse(raw)
        return [*twice(told), *spelt_ill(read, told)]
    except RecursionError:
        return [TOO_DEEP]


def twice(told: Any) -> list[Problem]:
    """Names that stand twice in an object of what `spelling.parse` read."""
    detail = "this name stands twice in its object"
    return [Problem(pointer(path), "twice", detail) for path in islice(repeated(told), 50)]


def spelt_ill(read: BaseModel, told: Any, place: Path = ()) -> list[Problem]:
    """Instants and days of `told` that `read`, made of it, took for what they do not say."""
    detail = "an instant is written as 2021-11-10T09:00:00+08:00 (RFC 3339), a day as 2021-11-10"
    return [Problem(pointer(path), "not_rfc3339", detail) for path in misspelt(read, told, place)]


def read(raw: bytes) -> Given:
    """The complaint in JSON bytes. Raises Refused; what needs clock or book is `check`'s."""
    if len(raw) > MAX_BYTES:
        raise Refused([Problem("", "too_long", f"a complaint has at most {MAX_BYTES} bytes")])
    return quick_read(raw) or read_strictly(raw)


def read_strictly(raw: bytes) -> Given:
    """The same by the model alone, which judges whatever is not plainly good. Raises Refused."""
    try:
        complaint = Complaint.model_validate_json(raw)
    except ValidationError as error:
        raise Refused(problems_of(error)) from None
    if found := slips(complaint, raw):
        raise Refused(found)
    return msgspec.convert(complaint.model_dump(), Given)


def read_object(value: dict[str, Any]) -> Given:
    """The complaint in a parsed JSON object, as in a story. Raises Refused."""
    return read(orjson.dumps(value))


def check(complaint: Given, now: datetime, policy: Policy) -> None:
    """Whether it makes sense at `now` under the book in force. Raises Refused with every fault."""
    # What counts from the receipt: an instant at the ends of the years has no civil day.
    received_at = min(max(complaint.received_at, _FIRST_DAY), now)
    problems: list[Problem] = []
    _check_source(complaint, received_at, now, policy, problems)
    _check_employer(complaint, problems)
    _check_months(complaint, received_at, problems, later=complaint.received_at > now)
    _check_claims(complaint, problems)
    if problems:
        raise Refused(problems)


def _check_source(
    complaint: Given, received_at: datetime, now: datetime, policy: Policy, found: list[Problem]
) -> None:
    if complaint.source not in policy.content.organisation.sources:
        found.append(Problem("/source", "unknown_source", "no source of the policy in force"))
    if complaint.received_at > now:
        found.append(Problem("/received_at", "future", "later than the clock"))
    elif complaint.received_at < _FIRST_DAY:
        found.append(Problem("/received_at", "absurd", "before the year 2000"))
    due = complaint.external_due_at
    if due is not None:
        place = "/external_due_at"
        if not _FIRST_DAY <= due <= received_at + _LAST_DUE:
            detail = "before the year 2000 or over ten years away"
            found.append(Problem(place, "absurd", detail))
        elif not policy.calendar.covers(civil(due)):
            detail = "no day of the working calendar in force"
            found.append(Problem(place, "calendar", detail))
    township = complaint.site.township if complaint.site else None
    if township is not None and township not in policy.site_codes:
        detail = "no township of the policy in force"
        found.append(Problem("/site/township", "unknown_township", detail))


def _check_employer(complaint: Given, found: list[Problem]) -> None:
    employer = complaint.employer
    named = employer is not None and (employer.name or employer.uscc)
    if not named and not (complaint.text or "").strip():
        detail = "at least one of text and employer is required"
        found.append(Problem("", "nothing_said", detail))
    if employer is not None and employer.uscc is not None and not is_uscc(employer.uscc):
        found.append(Problem("/employer/uscc", "bad_uscc", "not a unified social credit code"))


def _check_months(
    complaint: Given, received_at: datetime, found: list[Problem], *, later: bool
) -> None:
    """Arrears cannot be of months that had not begun when the complaint was received. `later`: that
    instant is itself ahead of the clock, which says nothing of the months.
    """
    newest = _NO_MONTH_LATER if later else _month_of(received_at)
    _check_span("", complaint.months_from, complaint.months_to, newest, found)
    for index, claim in enumerate(complaint.claims):
        first, last = claim.months_from, claim.months_to
        if first is not None or last is not None:
            _check_span(f"/claims/{index}", first, last, newest, found)


def _check_span(
    path: str, first: str | None, last: str | None, newest: str, found: list[Problem]
) -> None:
    if first is not None and last is not None and first > last:
        found.append(Problem(f"{path}/months_from", "months_reversed", "later than months_to"))
    if first is not None and first > newest:
        found.append(Problem(f"{path}/months_from", "future", _UNBEGUN))
    if last is not None and last > newest:
        found.append(Problem(f"{path}/months_to", "future", _UNBEGUN))


_NO_MONTH_LATER: Final = "9999-12"
_UNBEGUN: Final = "later than the month of received_at"


def _check_claims(complaint: Given, found: list[Problem]) -> None:
    workers: set[str] = set()
    total = 0
    for index, claim in enumerate(complaint.claims):
        total += claim.amount_fen or 0
        said = claim.worker.id_no if claim.worker else None
        if said is None:
            continue
        number = normalised_id(said)
        if not is_identity(number):
            place = f"/claims/{index}/worker/id_no"
            found.append(Problem(place, "bad_id_no", "not a resident identity number"))
        workers.add(number)
    if complaint.workers is not None and len(workers) > complaint.workers:
        detail = "fewer than the workers named in claims"
        found.append(Problem("/workers", "contradiction", detail))
    if complaint.amount_fen is not None and total > complaint.amount_fen:
        detail = "less than the sum of the claims"
        found.append(Problem("/amount_fen", "contradiction", detail))
    if total > MAX_FEN:
        found.append(Problem("/claims", "absurd", TOO_MUCH))


@lru_cache(maxsize=4096)
def is_uscc(text: str) -> bool:
    """Whether it is a 统一社会信用代码 with a right check character (GB 32100)."""
    return bool(uscc.is_valid(normalised_id(text)))


def _month_of(instant: datetime) -> str:
    """`2021-11`: the civil month of an instant."""
    return civil(instant).isoformat()[:7]


def admit(complaint: Given, case_id: str, sealer: Sealer, policy: Policy) -> ComplaintReceived:
    """The fact that stands on the log: persons sealed, hashes for matching, signals of the text.

    `sealer` is the case's own; `complaint` has passed `check` under `policy`.
    """
    data = json_of(stored_data(complaint, case_id, sealer, policy))
    return ComplaintReceived.model_validate(orjson.loads(data))


def stored_data(complaint: Given, case_id: str, sealer: Sealer, policy: Policy) -> stored.Received:
    """The data of `admit` as they stand in the stored event."""
    assert sealer.subject == case_id, "a case is sealed under its own key"
    employer = _employer(complaint.employer, sealer, _PLACE)
    project = _project(complaint.project, sealer, policy, _PLACE)
    due = complaint.external_due_at
    address = complaint.site.address if complaint.site else None
    return stored.Received(
        source=complaint.source,
        source_ref=complaint.source_ref,
        tier=complaint.tier,
        kind=complaint.kind,
        received_at=instant_text(complaint.received_at),
        external_due_at=instant_text(due) if due is not None else None,
        employer=employer,
        project=project,
        site=_site(complaint.site, sealer, _PLACE),
        workers=complaint.workers,
        amount_fen=complaint.amount_fen,
        months_from=complaint.months_from,
        months_to=complaint.months_to,
        claims=_lines(complaint, employer, sealer),
        via=complaint.via,
        text=_sealed(sealer, complaint.text, _TEXT_PLACE),
        contact=_sealed_person(sealer, complaint.contact, _CONTACT_PLACE),
        group_keys=_group_keys(complaint, employer, project, sealer),
        signals=signals_json(
            complaint.text,
            address,
            policy,
            project=complaint.project.name if complaint.project else None,
            employer=complaint.employer.name if complaint.employer else None,
        ),
        status_key=status_key_of(sealer.matcher, case_id),
    )


_PLACE: Final = "ComplaintReceived"
_TEXT_PLACE: Final = f"{_PLACE}/text"
_CONTACT_PLACE: Final = f"{_PLACE}/contact"


def _sealed(sealer: Sealer, text: str | None, place: str) -> str | None:
    return sealer.seal(text, place) if text else None


def _sealed_person(sealer: Sealer, part: given.Person | None, place: str) -> str | None:
    return None if part is None else sealer.seal_bytes(json_of(part), place)


def employer_of(
    told: Employer | given.Employer | None, sealer: Sealer, place: str
) -> events.Employer | None:
    """用人单位 for the log; `place`: the event and field, for the sealing."""
    data = _employer(told, sealer, place)
    return None if data is None else events.Employer.model_validate(msgspec.to_builtins(data))


def _employer(
    told: Employer | given.Employer | None, sealer: Sealer, place: str
) -> stored.Employer | None:
    if told is None:
        return None
    code = normalised_id(told.uscc) if told.uscc else None
    # The name of a registered firm is public, a number of a person in it is not (design 9). Sealed,
    # since a worker's complaint is not refused for how a platform spells an employer (I-02).
    public = code is not None and number_of_a_person(told.name or "") is None
    return stored.Employer(
        name=told.name if public else _sealed(sealer, told.name, f"{place}/employer/name"),
        uscc=code,
        ownership=told.ownership,
        industry=told.industry,
        attracted=told.attracted,
        key=sealer.matcher.employer(told.name, code),
    )


def project_of(
    told: Project | given.Project | None, sealer: Sealer, policy: Policy, place: str
) -> events.Project | None:
    """工程项目 for the log. What the owner's name says it is stands beside the sealed name."""
    data = _project(told, sealer, policy, place)
    return None if data is None else events.Project.model_validate(msgspec.to_builtins(data))


def _project(
    told: Project | given.Project | None, sealer: Sealer, policy: Policy, place: str
) -> stored.Project | None:
    if told is None:
        return None
    return stored.Project(
        name=_sealed(sealer, told.name, f"{place}/project/name"),
        funding=told.funding,
        owner=_sealed(sealer, told.owner, f"{place}/project/owner"),
        owner_kind=kind_of_owner(told.owner, policy),
        kind=told.kind,
        key=sealer.matcher.name("project", told.name),
    )


def site_of(told: Site | given.Site | None, sealer: Sealer, place: str) -> events.Site | None:
    """用工所在地 for the log."""
    data = _site(told, sealer, place)
    return None if data is None else events.Site.model_validate(msgspec.to_builtins(data))


def _site(told: Site | given.Site | None, sealer: Sealer, place: str) -> stored.Site | None:
    if told is None:
        return None
    address = _sealed(sealer, told.address, f"{place}/site/address")
    return stored.Site(address=address, township=told.township)


def _lines(complaint: Given, employer: stored.Employer | None, sealer: Sealer) -> list[stored.Line]:
    """Lines "1", "2"…; without claims the whole complaint is line "1".

    What a line does not say of its months the complaint says for it; of its amount only where the
    line is alone: how a sum is shared among several is not ours to guess.
    """
    if not complaint.claims:
        whole = stored.Line(
            line="1",
            amount_fen=complaint.amount_fen,
            months_from=complaint.months_from,
            months_to=complaint.months_to,
            match_keys=[],
        )
        return [whole]
    employers = _employer_keys(complaint.employer, employer, sealer)
    return [
        _line(str(number), claim, complaint, employers, sealer)
        for number, claim in enumerate(complaint.claims, 1)
    ]


def _line(
    number: str, claim: given.Claim, complaint: Given, employers: list[str], sealer: Sealer
) -> stored.Line:
    who, hash_of = claim.worker, sealer.matcher
    whole = complaint.amount_fen if len(complaint.claims) == 1 else None
    worker = None if who is None or who.id_no is None else hash_of.worker(who.id_no)
    return stored.Line(
        line=number,
        amount_fen=claim.amount_fen if claim.amount_fen is not None else whole,
        months_from=claim.months_from or complaint.months_from,
        months_to=claim.months_to or complaint.months_to,
        sealed=_sealed_person(sealer, who, f"{_PLACE}/claims/{number}"),
        worker=worker,
        # Streams on which the same worker's claims against the same employer meet (查重).
        match_keys=[]
        if worker is None
        else [f"match:{hash_of.hash('match', worker, key)}" for key in employers],
    )


def _employer_keys(
    told: given.Employer | None, employer: stored.Employer | None, sealer: Sealer
) -> list[str]:
    """One by the employer's code and one by its name: a platform may know only the name.

    `employer`: as stored, with the key by its code if it has one, else by its name.
    """
    if told is None or employer is None or employer.key is None:
        return []
    by_name = sealer.matcher.name("employer", told.name) if told.uscc else None
    return [employer.key] if by_name is None else [employer.key, by_name]


def _group_keys(
    complaint: Given,
    employer: stored.Employer | None,
    project: stored.Project | None,
    sealer: Sealer,
) -> list[str]:
    """The streams on which claims of one project, or else one employer, and month meet.

    An employer's is that of its code, else of its name; with both, that of its name follows, on
    which they are who know only the name.
    """
    key = project.key if project is not None else None
    keys = [key] if key is not None else _employer_keys(complaint.employer, employer, sealer)
    if not keys:
        return []
    month = _month_of(complaint.received_at)
    return [f"group:{sealer.matcher.hash('group', key, month)}" for key in keys]
