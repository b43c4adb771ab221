"""The policy book: every effective-dated rule as typed data, with an id and a hash.

A book is a folder of YAML files under `shared/policies/`; intake puts its whole content on
`governance-events` as PolicyAdopted, and from there every service, the audit and a what-if
read it. A book in force is superseded, never edited. Values marked [PC] in the domain
reference are the owner's choice and live there, never in code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from importlib import resources
from itertools import pairwise
from typing import Annotated, Any, Literal

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.calendar import Calendar, end_of, start_of
from shared.events import Event, PolicyAdopted
from shared.roles import NO_TOWNSHIP


class PolicyError(ValueError):
    """A book that cannot be read; names the file and the line, or the field.

    `loc`: where in the content, as keys and indexes.
    """

    def __init__(self, message: str, loc: tuple[int | str, ...] = ()) -> None:
        super().__init__(message)
        self.loc = loc


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# --- organisation (方案 三) ----------------------------------------------------------------------


class TaskForceEntry(Rules):
    """工作专班: code, name, units, and the leader's post (names live in configuration)."""

    code: str
    name: str
    lead_units: tuple[str, ...]
    members: tuple[str, ...] = ()
    leader_post: str
    deputy_post: str


class TownshipEntry(Rules):
    """`former_codes`: statistical codes it had before, which older records still name."""

    code: str
    name: str
    kind: Literal["street", "town", "township"]
    former_codes: tuple[str, ...] = ()


class Organisation(Rules):
    office: str
    task_forces: tuple[TaskForceEntry, ...]
    townships: tuple[TownshipEntry, ...]
    departments: tuple[str, ...]
    posts: dict[str, str]
    sources: dict[str, str]


# --- calendar, phases, campaign dates (domain 0, 4.2) --------------------------------------------


class CalendarEntry(Rules):
    first: date
    last: date
    rest: tuple[date, ...]
    makeup: tuple[date, ...]


Days = Annotated[int, Field(ge=1, le=366)]
"""To handle a case in, counted from the day after: none would be overdue as it comes."""


class Phase(Rules):
    """阶段 (方案 四): civil dates inclusive; `handle_wd`: length of T09 for assignments in it."""

    id: str
    name: str
    first: date
    last: date
    handle_wd: Days
    ranking_every_days: int | None


class CampaignDate(Rules):
    """An absolute date that never rolls: missed from 24:00 of `last_day`."""

    id: str
    last_day: date
    content: str
    unit_fact: str | None = None
    units: tuple[Literal["task_force", "township"], ...] = ()


class Cap(Rules):
    """min(T09, cap) (domain 4.2): lines of these tiers received before `received_before`.

    Lines received from then until 24:00 of the date are in its grace window.
    """

    id: str
    tiers: tuple[str, ...] = ("NAT", "PROV", "ZZ", "CITY")
    received_before: date
    target_last_day: date


class DutyWindow(Rules):
    """值班值守 (方案 四): a roll-call each day, inclusive."""

    name: str
    first: date
    last: date


class Campaign(Rules):
    """`publish_hour`: when the 通报 comes out, on the first working day after its cut-off; a book
    without it publishes none.
    """

    phases: tuple[Phase, ...]
    default_handle_wd: Days
    dates: tuple[CampaignDate, ...]
    caps: tuple[Cap, ...]
    duty: tuple[DutyWindow, ...]
    stock_received_before: date
    before_campaign: date
    publish_hour: Annotated[int, Field(ge=0, le=23)] | None = None


# --- timers and ladder (domain 4.1, 4.3) ---------------------------------------------------------


class Length(Rules):
    """A period: `wd` working days, `cd` calendar days, `h` clock hours, `min` minutes."""

    unit: Literal["wd", "cd", "h", "min", "months"]
    n: Annotated[int, Field(ge=0, le=1000)]


Duty = Literal["handler", "task_force", "office", "labour"]
"""Who must act before a timer's due: 主办, the task force's lead units, 联席办, 市人社局."""


class TimerRule(Rules):
    """One timer. `clock`: internal (starts at recording when filed late) or statutory (at `time`).

    `roll`: for calendar days, `back` = last working day on or before the end (own side),
    `forward` = roll past rest days (other side). `duty`: who must act, and is reminded (by default
    the unit that handles the case); `steps`: of single steps.
    """

    id: str
    name: str
    duty: Duty = "handler"
    steps: dict[str, Duty] = {}
    clock: Literal["internal", "statutory"] = "internal"
    length: Length
    urgent: Length | None = None
    outer: Length | None = None
    next: Length | None = None
    roll: Literal["none", "back", "forward"] = "none"
    ladder: str
    source: str


class Rung(Rules):
    """One level: when it fires relative to the due.

    `morning_wd_before` n: 09:00 of the n-th working day before the due day (0 = the due day).
    `last_working_morning`: 09:00 of the last working day not after the due day.
    `half`: half of the interval. `after_wd` k: 00:00 after the k-th working day after the due
    day ends (0 = at due).
    """

    level: Literal["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
    morning_wd_before: int | None = None
    last_working_morning: bool = False
    half: bool = False
    after_wd: int | None = None


class Ladder(Rules):
    rungs: tuple[Rung, ...]
    recipients: Literal["handling", "police", "procuratorate", "unit", "group"] = "handling"


class LadderRules(Rules):
    ladders: dict[str, Ladder]
    notice_reply_wd: int
    notice_number: str
    supervised_national_jump: str


class HandlingRules(Rules):
    """Numbers of T02, T06, T09-T18 that are not plain lengths."""

    urgent_handle_wd: Days
    group_handle_wd: Days
    late_filing_wd: int
    petition_window_cd: int
    petition_sources: tuple[str, ...]
    inspection_sources: tuple[str, ...]
    tries_wd: int
    reply_default_wd: dict[str, int]
    extension_wd: int
    extensions_max: int
    reassignment_grace_wd: int
    suspension_max_wd: int
    instalment_defaults_void: int
    reopen_cd: int
    order_limit_max_cd: int
    unreached_tries: int
    explain_wd: int
    rectification_wd: int
    incident_update_hours: int
    supplement_tries: int = 3
    """Contact tries that a refusal needs after the supplement lapsed (domain 3.3)."""
    unreached_days: int = 2
    """Days on which a worker is tried at least before the office does without (T13)."""
    tell_wd: int = 5
    """告知 (条例 10): working days after an ending; 若干规定 18 names five for a refusal."""


# --- referral (法释〔2013〕3号) ------------------------------------------------------------------


class Threshold(Rules):
    """Amounts from which non-payment after an order is referred (domain 1.6).

    `region`: whose court set them; None holds everywhere.
    """

    id: str
    region: str | None = None
    effective: date
    single_months: int
    single_fen: int
    many_workers: int
    many_fen: int


class ListingRule(Rules):
    """列入名单: the rule in force at the date of the decision or default (domain 1.8)."""

    id: str
    effective: date
    grounds: tuple[Literal["decision", "default"], ...]
    within_wd: int
    years: int


class ReferralRules(Rules):
    """`region`: where the book's city lies; the figures of other regions do not bind it."""

    region: str | None = None
    thresholds: tuple[Threshold, ...]
    listing: tuple[ListingRule, ...]


# --- groups --------------------------------------------------------------------------------------


class GroupRules(Rules):
    """群体 (domain 2.14): workers from which each level begins."""

    levels: dict[Literal["G1", "G2", "G3"], int]


class MatchingRules(Rules):
    """查重 (domain 2.3): when two complaints are proposed to a person as one. Parts are 0-100."""

    propose_from: int = 75
    at_least: int = 45
    most_candidates: int = 60
    weights: dict[str, int] = Field(
        default_factory=lambda: {
            "person": 40,
            "phone": 25,
            "employer": 20,
            "project": 15,
            "months": 10,
            "amount": 10,
            "place": 5,
            "text": 10,
        }
    )


# --- routing (domain 5) --------------------------------------------------------------------------


class DepartmentRule(Rules):
    """§5.5: industry codes to the department that handles what no task force covers."""

    codes: tuple[str, ...]
    department: str | None
    co: tuple[str, ...] = ()
    registered_to: str | None = None
    triage: Literal["UNCOVERED_SECTOR", "PLATFORM_WORK"] = "UNCOVERED_SECTOR"
    name: str


class RoutingRules(Rules):
    """R2-R13 (domain 5.2). `platform_words_codes`: industries that say nothing of the work, under
    which the text's words may still show platform labour; a book without them: under any.
    """

    confidence_ppm: int
    margin_ppm: int
    project_codes: tuple[str, ...]
    coal_codes: tuple[str, ...]
    coal_construction_codes: tuple[str, ...]
    education_codes: tuple[str, ...]
    private_education_codes: tuple[str, ...]
    public_service_codes: tuple[str, ...]
    platform_codes: tuple[str, ...]
    platform_words_codes: tuple[str, ...] | None = None
    public_codes: tuple[str, ...]
    private_codes: tuple[str, ...]
    sector_departments: dict[str, str]
    project_departments: dict[str, str]
    departments: tuple[DepartmentRule, ...]
    owner_names: OwnerNames


class OwnerNames(Rules):
    """What the name of a project's owner says it is, where its funding is not told."""

    government_endings: tuple[str, ...]
    not_government: tuple[str, ...]
    soe_words: tuple[str, ...]
    soe_beginnings: tuple[str, ...] = ()


RoutingRules.model_rebuild()


class ScoreRules(Rules):
    """Ranking (domain 6.2): weights in points, deductions with their maxima."""

    weights: dict[str, int]
    deductions: dict[str, Deduction]
    small_sample_below: int
    first_contact_hours: int
    city_settled_percent: int
    phase_records: tuple[PhaseRecord, ...] = ()


class PhaseRecord(Rules):
    """What each of these units is to record at least once in a phase: 台账合规率 asks for it."""

    fact: Literal["PublicityRecorded", "RuleRevised"]
    phase: str
    units: tuple[Literal["task_force", "township"], ...]
    source: str


class Deduction(Rules):
    each: int
    max: int | None = None


class QuietHours(Rules):
    """静默时段: reminders of these levels wait from `from_hour` until `to_hour` comes again.

    Alerts of the timers in `never` (极端事件, 群体, 舆情) do not wait, whatever their level.
    """

    from_hour: Annotated[int, Field(ge=0, le=23)]
    to_hour: Annotated[int, Field(ge=0, le=23)]
    levels: tuple[Literal["L1", "L2"], ...]
    never: tuple[str, ...] = ()


class NotificationRules(Rules):
    """How the posts and units are told; `quiet` None: at any hour."""

    quiet: QuietHours | None = None


class RepeatRule(Rules):
    """At least `cases` cases of one employer or project, received within `within_cd` days."""

    kind: Literal["repeat"]
    cases: Annotated[int, Field(ge=2)]
    within_cd: Annotated[int, Field(ge=1)]


class NoAccountRule(Rules):
    """Wages were verified as paid, `payments` times or more, and never from a wage account."""

    kind: Literal["no_account"]
    payments: Annotated[int, Field(ge=1)]


class InstalmentRule(Rules):
    """An instalment falls due within `within_wd` working days and is not covered yet."""

    kind: Literal["instalment_near"]
    within_wd: Annotated[int, Field(ge=0)]


class DefaultRule(Rules):
    """An instalment or a payment order was not kept, `times` times or more."""

    kind: Literal["defaulted"]
    times: Annotated[int, Field(ge=1)]


class EmergencyRule(Rules):
    """Wages were advanced from the emergency fund: the debt to it remains."""

    kind: Literal["emergency_fund"]


class MonthsRule(Rules):
    """Wages are owed for `months` months or more, as verified."""

    kind: Literal["months"]
    months: Annotated[int, Field(ge=1)]


Test = Annotated[
    RepeatRule | NoAccountRule | InstalmentRule | DefaultRule | EmergencyRule | MonthsRule,
    Field(discriminator="kind"),
]


class WarningRule(Rules):
    """风险预警: a test over the cases of an employer or of a project."""

    id: str
    name: str
    of: Literal["employer", "project"]
    test: Test
    source: str


class PreventionRules(Rules):
    warnings: tuple[WarningRule, ...] = ()


class PrivacyRules(Rules):
    """个人信息 (domain 7; PIPL 19). `vault_years`: years after a case's end until its key in the
    vault is destroyed by rule; None: never.
    """

    vault_years: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None


class Content(Rules):
    """A whole book."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")]
    title: str
    document: str
    organisation: Organisation
    calendar: CalendarEntry
    campaign: Campaign
    timers: tuple[TimerRule, ...]
    ladder: LadderRules
    handling: HandlingRules
    referral: ReferralRules
    groups: GroupRules
    matching: MatchingRules = MatchingRules()
    routing: RoutingRules
    lexicon: dict[str, Any]
    gazetteer: dict[str, Any]
    score: ScoreRules
    notifications: NotificationRules = NotificationRules()
    prevention: PreventionRules = PreventionRules()
    privacy: PrivacyRules = PrivacyRules()


ScoreRules.model_rebuild()
Content.model_rebuild()


@dataclass(frozen=True, eq=False)
class Policy:
    """A book as adopted, by the PolicyAdopted `adoption_id` recorded at `adopted_at`."""

    content: Content
    raw: dict[str, Any]
    hash: str
    adopted_at: datetime
    adoption_id: str

    @property
    def id(self) -> str:
        return self.content.id

    @property
    def ref(self) -> str:
        """As named on every decision: `id@sha256:…`."""
        return f"{self.content.id}@{self.hash}"

    @cached_property
    def calendar(self) -> Calendar:
        entry = self.content.calendar
        return Calendar(entry.first, entry.last, entry.rest, entry.makeup)

    @cached_property
    def timers(self) -> dict[str, TimerRule]:
        return {timer.id: timer for timer in self.content.timers}

    @cached_property
    def dates(self) -> dict[str, CampaignDate]:
        return {entry.id: entry for entry in self.content.campaign.dates}

    @cached_property
    def task_forces(self) -> dict[str, TaskForceEntry]:
        return {entry.code: entry for entry in self.content.organisation.task_forces}

    @cached_property
    def townships(self) -> dict[str, TownshipEntry]:
        return {entry.code: entry for entry in self.content.organisation.townships}

    @cached_property
    def former_townships(self) -> dict[str, str]:
        """Of each former code the township that has it today."""
        entries = self.content.organisation.townships
        return {code: entry.code for entry in entries for code in entry.former_codes}

    @cached_property
    def abolished_areas(self) -> dict[str, str]:
        """Names by code of areas that are no more and have no verified successor (domain 5.3)."""
        areas = self.content.gazetteer.get("abolished", ())
        return {str(area.get("code")): str(area.get("name")) for area in areas}

    @cached_property
    def site_codes(self) -> frozenset[str]:
        """Every code that a site may be told by: of today, former, abolished, or none at all."""
        known = (self.townships, self.former_townships, self.abolished_areas, (NO_TOWNSHIP,))
        return frozenset(code for codes in known for code in codes)

    @cached_property
    def unit_names(self) -> dict[str, str]:
        """What the 22 units are called, by code."""
        forces = {code: entry.name for code, entry in self.task_forces.items()}
        return forces | {code: entry.name for code, entry in self.townships.items()}

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The 22 units of the campaign: 7 task forces, then 15 townships."""
        return (*self.task_forces, *self.townships)

    @cached_property
    def _caps(self) -> tuple[tuple[Cap, datetime], ...]:
        """Every cap, with the instant before which a line must have been received."""
        return tuple((cap, start_of(cap.received_before)) for cap in self.content.campaign.caps)

    def phase_of(self, day: date) -> Phase | None:
        """阶段 of a civil date; None outside the campaign."""
        for phase in self.content.campaign.phases:
            if phase.first <= day <= phase.last:
                return phase
        return None

    def handle_wd(self, day: date) -> int:
        """Working days of T09 for an assignment on a civil date: those of its phase (方案 四)."""
        phase = self.phase_of(day)
        return phase.handle_wd if phase else self.content.campaign.default_handle_wd

    def cap_of(self, tier: str, received_at: datetime) -> Cap | None:
        """The campaign date that caps a line (domain 4.2)."""
        for cap, begins in self._caps:
            if received_at < begins and tier in cap.tiers:
                return cap
        return None

    def grace_of(self, tier: str, received_at: datetime) -> str | None:
        """The campaign date in whose last working days the line was received, if any."""
        for cap, begins in self._caps:
            if tier in cap.tiers and begins <= received_at < self.date_end(cap.id):
                return cap.id
        return None

    def date_end(self, date_id: str) -> datetime:
        """The instant from which a campaign date is missed."""
        return end_of(self.dates[date_id].last_day)


def content_hash(raw: dict[str, Any]) -> str:
    """`sha256:` and the hex digest of the canonical content."""
    return "sha256:" + hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_book(book_id: str) -> dict[str, Any]:
    """The content of a book shipped with the product, as plain JSON values, checked.

    Raises PolicyError naming file and line for a mistake in YAML, a field or a reference.
    """
    folder = resources.files("shared") / "policies" / book_id
    if not folder.is_dir():
        raise PolicyError(f"no policy book `{book_id}` under shared/policies")
    texts = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    return book_of(texts, book_id)


def book_of(texts: dict[str, str], book_id: str) -> dict[str, Any]:
    """The content of a book's files by name, checked. Raises PolicyError with file and line."""
    raw: dict[str, Any] = {}
    for name in sorted(texts):
        part = parse_yaml(texts[name], f"{book_id}/{name}")
        key = name.removesuffix(".yaml")
        raw |= part if key == "book" else {key: part.get(key, part)}
    try:
        check_book(raw)
    except PolicyError as error:
        name = f"{error.loc[0]}.yaml" if error.loc else "book.yaml"
        name, loc = (name, error.loc) if name in texts else ("book.yaml", error.loc)
        line = line_of(texts.get(name, ""), loc)
        raise PolicyError(f"{book_id}/{name} line {line}: {error}", error.loc) from None
    return raw


def line_of(text: str, loc: tuple[int | str, ...]) -> int:
    """The line of a YAML text where a place in its content is written, or the nearest above.

    A file may leave out its own name as the outermost key.
    """
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    line = 1
    for depth, part in enumerate(loc):
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == str(part)]
            if not found and depth == 0:
                continue
            if not found:
                return line
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return line
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """YAML as plain JSON values (dates as ISO text). Raises PolicyError with file and line."""
    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise PolicyError(f"{name} line {line}: {error.problem}") from None
    if not isinstance(value, dict):
        raise PolicyError(f"{name}: a mapping is expected")
    plain: dict[str, Any] = orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    return plain


def check_book(raw: dict[str, Any]) -> Content:
    """The typed content of a book whose parts fit together. Raises PolicyError naming the field."""
    try:
        content = Content.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _mistake(first["loc"], first["msg"]) from None
    for loc, message in _misfits(content):
        raise _mistake(loc, message)
    return content


def _mistake(loc: tuple[int | str, ...], message: str) -> PolicyError:
    return PolicyError(f"{'/'.join(str(part) for part in loc)}: {message}", loc)


Misfit = tuple[tuple[int | str, ...], str]


def _misfits(content: Content) -> Iterator[Misfit]:
    """What each part alone is right about, and yet does not fit the others."""
    yield from _misfits_of_units(content)
    yield from _misfits_of_routing(content)
    yield from _misfits_of_time(content)


def _misfits_of_units(content: Content) -> Iterator[Misfit]:
    organisation = content.organisation
    forces = [entry.code for entry in organisation.task_forces]
    townships = [entry.code for entry in organisation.townships]
    for name, listed in (("task_forces", forces), ("townships", townships)):
        for index, code in enumerate(listed):
            if code in listed[:index]:
                yield ("organisation", name, index), f"{code} is there twice"
    former = [code for entry in organisation.townships for code in entry.former_codes]
    for index, entry in enumerate(organisation.townships):
        for code in entry.former_codes:
            if code in townships or former.count(code) > 1:
                yield ("organisation", "townships", index), f"{code} is another township's code"
    departments = set(organisation.departments)
    for index, force in enumerate(organisation.task_forces):
        for name in ("lead_units", "members"):
            for place, unit in enumerate(getattr(force, name)):
                if unit not in departments:
                    where = ("organisation", "task_forces", index, name, place)
                    yield where, f"{unit} is no department of this book"
    codes = set(townships)
    for index, place in enumerate(content.gazetteer.get("townships", ())):
        if place.get("code") not in codes:
            yield ("gazetteer", "townships", index), f"{place.get('code')} is no township here"
    for index, place in enumerate(content.gazetteer.get("abolished", ())):
        if place.get("code") in codes:
            yield ("gazetteer", "abolished", index), f"{place.get('code')} is a township still"
    for index, source in enumerate(content.handling.petition_sources):
        if source not in organisation.sources:
            yield ("handling", "petition_sources", index), f"{source} is no source of this book"


def _misfits_of_routing(content: Content) -> Iterator[Misfit]:
    routing = content.routing
    forces = {entry.code for entry in content.organisation.task_forces}
    departments = set(content.organisation.departments)
    for name in ("confidence_ppm", "margin_ppm"):
        if not 0 <= getattr(routing, name) <= 1_000_000:
            yield ("routing", name), "parts of a million lie between 0 and 1000000"
    for index, entry in enumerate(routing.departments):
        where = ("routing", "departments", index)
        if entry.department is not None and entry.department not in departments:
            yield (*where, "department"), f"{entry.department} is no department of this book"
        for place, unit in enumerate(entry.co):
            if unit not in departments | forces:
                yield (*where, "co", place), f"{unit} is no unit of this book"
        if entry.registered_to is not None and entry.registered_to not in forces:
            yield (*where, "registered_to"), f"{entry.registered_to} is no task force"
    for name in ("sector_departments", "project_departments"):
        for key, unit in getattr(routing, name).items():
            if unit not in departments:
                yield ("routing", name, key), f"{unit} is no department of this book"
    for name, sector in content.lexicon.get("sectors", {}).items():
        lead = sector.get("lead")
        if lead not in forces | {"TRIAGE"}:
            yield ("lexicon", "sectors", name, "lead"), f"{lead} is no task force and not TRIAGE"


def _misfits_of_time(content: Content) -> Iterator[Misfit]:
    for index, timer in enumerate(content.timers):
        if timer.ladder not in content.ladder.ladders:
            yield ("timers", index, "ladder"), f"there is no ladder {timer.ladder}"
    dates = {entry.id for entry in content.campaign.dates}
    for index, cap in enumerate(content.campaign.caps):
        if cap.id not in dates:
            yield ("campaign", "caps", index), f"there is no campaign date {cap.id}"
    for index, (phase, after) in enumerate(pairwise(content.campaign.phases), 1):
        if after.first <= phase.last:
            yield ("campaign", "phases", index), f"{after.id} begins before {phase.id} has ended"
    phases = {phase.id for phase in content.campaign.phases}
    for index, asked in enumerate(content.score.phase_records):
        if asked.phase not in phases:
            yield ("score", "phase_records", index, "phase"), f"there is no phase {asked.phase}"
    levels = content.groups.levels
    for lower, higher in (("G1", "G2"), ("G2", "G3")):
        if lower in levels and higher in levels and levels[higher] <= levels[lower]:
            yield ("groups", "levels", higher), f"{higher} begins above {lower}"


def adopted(event: Event) -> Policy:
    """The policy of a PolicyAdopted event. Raises PolicyError if content and hash differ."""
    data = event.data
    if not isinstance(data, PolicyAdopted):
        raise TypeError(f"{event.type} adopts no policy")
    if content_hash(data.content) != data.hash:
        raise PolicyError(f"{data.book}: the content does not have the hash {data.hash}")
    return Policy(check_book(data.content), data.content, data.hash, event.recordedtime, event.id)


def adopt(raw: dict[str, Any], at: datetime, adoption_id: str) -> Policy:
    """A book as if adopted at `at`: for dry runs, what-ifs and tests."""
    return Policy(check_book(raw), raw, content_hash(raw), at.astimezone(UTC), adoption_id)
