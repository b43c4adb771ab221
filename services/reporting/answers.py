"""What reporting answers: the shapes of contract 2, with examples for the OpenAPI document.

Money is integer fen, instants are RFC 3339 in UTC. Points of a score are decimal numbers only
here: they are computed exactly and rounded once.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Points = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""A decimal number, exact in here and spelled as a JSON number."""

State = Literal[
    "RECEIVED",
    "SUPPLEMENTING",
    "ACCEPTED",
    "TRIAGE",
    "ASSIGNED",
    "RETURN_REVIEW",
    "HANDLING",
    "SUSPENDED",
    "CLOSURE_REVIEW",
    "FOLLOW_UP",
    "CLOSED",
    "WRITTEN_OFF",
    "NOT_ACCEPTED",
    "TRANSFERRED_OUT",
    "MERGED",
]
Level = Literal["L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Meta(BaseModel):
    """Of what an answer is true: the instant, the position on the log, the book in force."""

    as_of: str = Field(examples=["2022-01-01T00:00:00Z"])
    position: str = Field(examples=["12.9.31.4.7.22.10.3.18.5.9.11"])
    policy: str = Field(examples=["dengfeng-2021-35@sha256:5e04…"])


class LineAnswer(BaseModel):
    """A claim line (诉求) that stands under a case; facts and payments name it by `line`."""

    line: str = Field(examples=["1"])
    claimed_fen: int | None
    owed_fen: int | None = Field(description="as verified, else as claimed, in fen")
    paid_fen: int = Field(description="verified paid, in fen")


class CaseAnswer(Shape):
    """A case as of `meta.as_of`; further fields tell its sources, alerts, notices and closing."""

    case_id: str
    number: str | None = Field(examples=["DF-QX-2021-000001"])
    source: str
    tier: str
    received_at: str
    accepted_at: str | None
    state: State
    task_force: str | None = Field(examples=["TF1"])
    department: str | None
    township: str | None = Field(examples=["410185109"])
    workers: int | None
    owed_fen: int | None = Field(description="verified owed, in fen")
    paid_fen: int = Field(description="verified paid, in fen")
    lines: list[LineAnswer]
    due_at: str | None = Field(description="from then on handling (T09) is late")
    cap: str | None = Field(examples=["A2"])
    grace: str | None
    overdue: bool
    level: Level
    closed_at: str | None
    closed_kind: str | None


class Cases(BaseModel):
    """A page; `next` is the cursor of the following one, `total` stands on the first page."""

    meta: Meta
    items: list[CaseAnswer]
    next: str | None
    total: int | None


class OneCase(BaseModel):
    meta: Meta
    case: CaseAnswer


class Told(BaseModel):
    """An event of a case as a sentence."""

    event_id: str
    type: str = Field(examples=["CaseAssigned"])
    time: str
    recorded_at: str
    unit: str | None
    role: str | None
    sentence: str = Field(examples=["交办TF1，属地410185109（规则R7）。"])
    sentence_en: str


class Timeline(BaseModel):
    meta: Meta
    items: list[Told]
    next: str | None


class Rate(BaseModel):
    """`met` of `of`; `percent` is null for 0/0."""

    met: int
    of: int
    percent: Points | None


class Ranked(BaseModel):
    """A unit's place. `parts` are points, deductions negative, and sum to `raw`; `score` is `raw`
    clamped to 0..100 and rounded half up to two decimals."""

    rank: int | None
    unit: str = Field(examples=["TF1"])
    name: str
    score: Points | None = Field(examples=[87.35])
    raw: Points | None
    parts: dict[str, Points]
    base: int
    note: Literal["NO_CASES", "SMALL_SAMPLE", "EXTREME"] | None
    rates: dict[str, Rate]
    deductions: dict[str, int]
    recovered_fen: int
    emergency_fen: int
    workers_paid: int
    returns: int


class Apart(BaseModel):
    """A unit that is counted and not ranked."""

    unit: str
    base: int
    rates: dict[str, Rate]
    recovered_fen: int
    workers_paid: int


class Span(BaseModel):
    start: str
    end: str


class Rankings(BaseModel):
    meta: Meta
    window: Span
    items: list[Ranked]
    apart: list[Apart]


class PlaceCase(BaseModel):
    """A case of the unit. `rates`: those that count it, and whether as met; `ledger`: its columns
    of 问题台账 that are filled; sums in fen, null where the money is not counted."""

    case_id: str
    number: str | None
    rates: dict[Literal["cleared", "on_time", "responded"], bool]
    owed_fen: int | None
    recovered_fen: int | None
    ledger: dict[str, int] | None = Field(examples=[{"met": 11, "of": 12}])


class PlaceFollowUp(BaseModel):
    event_id: str
    case_id: str
    at: str
    answer: str = Field(examples=["satisfied"])
    met: bool


class PlaceRecord(BaseModel):
    """What 台账合规率 asks for beside the cases: a day's report, a phase's record, a measure."""

    what: str = Field(examples=["ZERO_REPORT"])
    when: str
    met: bool


class PlaceAct(BaseModel):
    """What points are deducted for; `event_id` null: the case was not ready by its due."""

    subject: str
    at: str
    event_id: str | None


class Place(BaseModel):
    """A unit's place with all that its numbers count."""

    meta: Meta
    window: Span
    place: Ranked
    cases: list[PlaceCase]
    follow_ups: list[PlaceFollowUp]
    records: list[PlaceRecord]
    deductions: dict[str, list[PlaceAct]]


class Between(BaseModel):
    before: Points | None
    after: Points | None


class RankBetween(BaseModel):
    before: int | None
    after: int | None


class Movement(BaseModel):
    """`parts`: changes in points, which sum to the change of `raw`."""

    unit: str
    name: str
    rank: RankBetween
    score: Between
    raw: Between
    parts: dict[str, Points]


class Movements(BaseModel):
    meta: Meta
    since: Meta
    task_forces: list[Movement]
    townships: list[Movement]


class ClearanceCase(BaseModel):
    case_id: str
    tag: Literal["GRACE"] | None


class ClearanceItem(Shape):
    """A predicate of a phase. `cases`: those that stand in its way; `hash`: of all of this."""

    phase: str = Field(examples=["P1"])
    predicate: str = Field(examples=["P1-strict"])
    at: str
    result: Literal["PASS", "FAIL", "PENDING", "NOT_EVALUABLE"]
    met: int
    of: int
    cases: list[ClearanceCase]
    hash: str


class Clearance(BaseModel):
    meta: Meta
    items: list[ClearanceItem]


class Published(BaseModel):
    """The BulletinIssued of an issue; whoever makes the issue again gets the same `hash`."""

    event_id: str
    recorded_at: str
    hash: str


class Issue(BaseModel):
    """An issue of the 通报: `as_of` is its cut-off, `files` where it is read."""

    no: int
    phase: str
    as_of: str
    comes_out_at: str | None
    published: Published | None
    files: dict[str, str]


class Bulletins(BaseModel):
    meta: Meta
    items: list[Issue]


class Checkpoint(BaseModel):
    """A signed head of the log: how many records, and their root, by `topic/partition`."""

    event_id: str
    recorded_at: str
    positions: dict[str, int]
    roots: dict[str, str]
    signature: str
    key_id: str


class Checkpoints(BaseModel):
    meta: Meta
    items: list[Checkpoint]


class Campaign(BaseModel):
    """专项行动: its first and last day, and where the clock stands to it."""

    first: date
    last: date
    stands: Literal["before", "running", "over"]


class Overview(Shape):
    """The numbers of the whole city."""

    meta: Meta
    received: int
    accepted: int
    open: int
    closed: int
    overdue: int
    campaign: Campaign
    by_level: dict[str, int] = Field(description="highest level that stands, of all cases")
    open_by_level: dict[str, int] = Field(description="the same of the open ones")


class Day(BaseModel):
    """The whole city as it stood at `at`, the end of a civil day or the cut: see Overview."""

    day: date
    at: str = Field(examples=["2021-11-10T15:59:59.999999Z"])
    received: int
    accepted: int
    closed: int
    open: int
    overdue: int
    owed_fen: int
    paid_fen: int


class Trend(BaseModel):
    meta: Meta
    items: list[Day]


class UnitItem(BaseModel):
    """A unit's cases; `ageing`: the open ones by civil days since acceptance."""

    kind: Literal["task_force", "township", "department"]
    unit: str = Field(examples=["TF1"])
    name: str
    accepted: int
    open: int
    overdue: int
    closed: int
    owed_fen: int
    paid_fen: int
    ageing: dict[str, int] = Field(
        examples=[{"0-7": 3, "8-15": 1, "16-30": 0, "31-60": 0, "61+": 0}]
    )


class Units(BaseModel):
    meta: Meta
    items: list[UnitItem]


class Definitions(Shape):
    """What codes and numbers mean, by the book in force: units in its order, phases, timers."""

    meta: Meta
    campaign: dict[str, Any]
    task_forces: list[dict[str, str]]
    townships: list[dict[str, str]]
    departments: list[dict[str, str]]
    sources: list[dict[str, str]]
    tiers: list[dict[str, str]]
    states: list[dict[str, str]]
    levels: list[dict[str, str]]
    timers: list[dict[str, Any]]
    score: dict[str, Any]


class PublicOverview(BaseModel):
    """Aggregates only; a number of cases from 1 to 2 is null (domain 7)."""

    meta: Meta
    received: int | None
    open: int | None
    closed: int | None
    recovered_fen: int | None
    workers_paid: int | None
    townships: list[dict[str, Any]]


class NextDue(BaseModel):
    at: str
    what: str = Field(examples=["报请办结"])
    overdue: bool
    text: str = Field(examples=["应于2021年11月25日24时前报请办结。"])


class StatusText(BaseModel):
    """A case as its complainant reads it; `text` says all of it in plain words."""

    state: State
    merged: bool
    handling_unit: str | None = Field(examples=["唐庄镇"])
    received_on: str
    next_due: NextDue | None
    text: str


class PublicStatus(BaseModel):
    meta: Meta
    status: StatusText


class TriageItem(Shape):
    """A case in triage: why, what the rules would have proposed, and when T04 is due."""

    case_id: str
    reason: str | None
    due_at: str | None
    overdue: bool


class Triage(BaseModel):
    meta: Meta
    items: list[TriageItem]


class UntoldItem(Shape):
    case_id: str
    number: str | None
    ending: dict[str, Any]


class Untold(BaseModel):
    """Endings not told: `ending` has its kind, instants, `due_at` and `late`."""

    meta: Meta
    items: list[UntoldItem]
    next: str | None


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str = Field(examples=["MALFORMED"])
    detail: str
    errors: list[dict[str, str]]


class BackTest(BaseModel):
    """What warnings were worth: of the warned, who had a later complaint; beside everybody."""

    warned: int
    later: int = Field(description="of the warned, those with a complaint after the warning")
    base: int = Field(description="all employers (or projects) with a case")
    base_later: int = Field(description="of those, those with another after their first")


class Warned(BaseModel):
    """A rule that holds of an employer or project, because of these cases, known since then."""

    rule: str = Field(examples=["W1"])
    name: str
    of: Literal["employer", "project"]
    key: str = Field(description="USCC, or a keyed hash of the name")
    uscc: str | None
    employer: str | None = Field(description="only with a valid USCC")
    cases: list[str]
    since: str
    later_cases: list[str]


class RuleOfWarning(BaseModel):
    rule: str
    name: str
    of: Literal["employer", "project"]
    source: str
    test: dict[str, Any]
    hits: int
    back_test: BackTest


class Warnings(BaseModel):
    meta: Meta
    items: list[Warned]
    rules: list[RuleOfWarning]
    total: BackTest = Field(description="of all rules on employers together")
