"""R2-R13 of the routing policy (方案 三; domain 5.2): which unit can unlock the payment.

Money source before worker type (条例 29, 59), sector before ownership; structured facts first,
the text's signals second; the reporter's identity is never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from shared.events import (
    ComplaintReceived,
    Employer,
    Project,
    RunnerUp,
    Signals,
    SupplementReceived,
    TriageReason,
)
from shared.frozen import Frozen, replace
from shared.policy import DepartmentRule, Policy

CERTAIN = 1_000_000


class Facts(Frozen, frozen=True):
    """What routing looks at: structured facts, and signals of the text. `coded`: a USCC is told;
    `clash`: two of the facts cannot both be true.
    """

    industry: str | None = None
    ownership: str = "unknown"
    registered: bool = False
    attracted: bool = False
    project: bool = False
    funding: str = "unknown"
    project_kind: str | None = None
    via: str | None = None
    leads: tuple[tuple[str, int], ...] = ()
    terms: tuple[str, ...] = ()
    platform: bool = False
    coded: bool = False
    clash: bool = False


class Answer(Frozen, frozen=True):
    """One rule's answer. `lead`: a task force, or None where the office must decide."""

    rule: str
    lead: str | None
    co: tuple[str, ...] = ()
    triage: TriageReason | None = None
    department: str | None = None
    confidence: int = CERTAIN
    margin: int = CERTAIN
    evidence: tuple[str, ...] = ()


_REGISTERS: Final[dict[str, Literal["government", "public_institution"]]] = {
    "11": "government",
    "12": "public_institution",
}
"""What the first two digits of a USCC say its bearer is (GB 32100-2015): an organ, 事业单位."""

_PART: Final = ("R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10")
"""Rules that make their task force a co-handler where another leads. R12 takes what is left over,
and R11 and R13 leave the matter to the office."""

_NOT_TOLD: Final = (Employer(), SupplementReceived(), Signals(version="none"), Project())


def facts_of(received: ComplaintReceived, supplement: SupplementReceived | None = None) -> Facts:
    """The facts of a complaint; a supplement fills what was missing, never overwrites."""
    no_employer, no_supplement, no_signals, no_project = _NOT_TOLD
    employer = received.employer or no_employer
    project = received.project
    more = supplement or no_supplement
    added = more.employer or no_employer
    read = (received.signals, more.signals)
    signals = next((s for s in read if s is not None and (s.leads or s.terms)), no_signals)
    ownership = employer.ownership if employer.ownership != "unknown" else added.ownership
    code = employer.uscc or added.uscc or ""
    registered = _REGISTERS.get(code[:2])
    clash = registered is not None and ownership not in ("unknown", *_REGISTERS.values())
    if registered is not None and ownership == "unknown":
        ownership = registered
    project = project or more.project
    owner = project.owner_kind if project else None
    funding = project.funding if project else "unknown"
    if funding == "unknown" and owner is not None:
        funding = owner
    clash = clash or (funding == "private" and owner == "government")
    return Facts(
        industry=employer.industry or added.industry or more.industry,
        ownership=ownership,
        registered=bool(code) or ownership != "unknown",
        attracted=employer.attracted or added.attracted,
        project=project is not None,
        funding=funding,
        project_kind=(project or no_project).kind,
        via=received.via,
        leads=tuple(sorted(signals.leads.items(), key=lambda item: (-item[1], item[0]))),
        terms=tuple(term for terms in signals.terms.values() for term in terms),
        platform="platform" in signals.terms,
        coded=bool(code),
        clash=clash,
    )


def within(industry: str | None, codes: tuple[str, ...]) -> bool:
    """Whether an industry code lies under one of the codes (GB/T 4754 prefixes)."""
    return industry is not None and industry.startswith(codes)


def matches(facts: Facts, policy: Policy) -> Iterator[Answer]:
    """Every rule that applies to the structured facts, in the order of domain 5.2."""
    rules = policy.content.routing
    code = facts.industry
    state = facts.ownership == "state"
    public = facts.ownership in ("government", "public_institution")
    project = facts.project or within(code, rules.project_codes)
    coal = (
        within(code, rules.coal_codes)
        or facts.project_kind == "coal"
        or (within(code, rules.coal_construction_codes) and facts.project_kind == "coal")
    )
    utility = within(code, rules.public_service_codes)
    sector = sector_department(code, policy)
    bureau = (sector,) if sector else ()
    if project and facts.funding == "government":
        site = rules.project_departments.get(facts.project_kind or "")
        yield Answer("R2", "TF2", ("TF1", *((site,) if site else ())))
    if coal:
        built = ("TF1",) if project else ()
        yield Answer("R3", "TF5", (*(("TF6",) if state else ()), *built))
    private_school = within(code, rules.private_education_codes) and facts.ownership in (
        "private",
        "collective",
    )
    # Training (839x) is private unless its owner is told: an organ's or 事业单位's is R6's, a state
    # enterprise's R9's ("private education/training institution", R4).
    if private_school or (within(code, rules.education_codes) and not public and not state):
        yield Answer("R4", "TF4", ("TF7",) if facts.attracted else ())
    if utility and not (project and facts.funding == "soe"):
        # A state water company's own pipeline is a project of a state enterprise (R7).
        yield Answer("R5", "TF3", ("TF6",) if state else ())
    if public:
        yield Answer("R6", "TF2", bureau)
    if project and (facts.funding == "soe"):
        water = ("TF3",) if utility or facts.project_kind == "water" else ()
        yield Answer("R7", "TF6", (*water, "TF1"))
    if project:
        yield Answer("R8", "TF1", ("TF6",) if state else ())
    if state and not project:
        yield Answer("R9", "TF6", bureau)
    if facts.via == "wan_ren_zhu_wan_qi" or facts.attracted:
        yield Answer("R10", "TF7", bureau)
    entry = department_entry(code, policy)
    if entry is not None and entry.registered_to is None:
        yield Answer("R11", None, entry.co, entry.triage, entry.department)
    elif (platform := platform_by_words(facts, policy)) is not None:
        yield Answer("R11", None, platform.co, platform.triage, platform.department)
    private = facts.ownership in ("private", "collective", "unknown")
    if facts.registered and private and code is not None:
        yield Answer("R12", "TF7", bureau)
    if entry is not None:
        yield Answer("R13", None, entry.co, entry.triage, entry.department)
    yield Answer("R13", None, triage="UNCOVERED_SECTOR")


def choose(facts: Facts, policy: Policy) -> tuple[Answer, RunnerUp | None]:
    """The answer of the first rule that leads, and the runner-up with another lead.

    Who would lead by a later rule has a part in it (domain 5.2). Facts that contradict each other
    go to the office, with what the rules would have chosen.
    """
    if not structured(facts):
        return _by_signals(facts, policy)
    answers = list(matches(facts, policy))
    first = answers[0]
    others = (each for each in answers[1:] if each.lead != first.lead and each.rule != first.rule)
    other = next(others, None)
    runner_up = RunnerUp(lead=other.lead or "TRIAGE", rule=other.rule) if other else None
    if facts.clash:
        return Answer("R1", first.lead, triage="CONTRADICTION", confidence=0, margin=0), runner_up
    return replace(first, co=_taking_part(answers)), runner_up


def _taking_part(answers: list[Answer]) -> tuple[str, ...]:
    """The co-handlers of the first of these: its own and the leads of the others, forces first."""
    first, *later = answers
    leads = [each.lead for each in later if each.rule in _PART and each.lead is not None]
    forces = [unit for unit in first.co if unit.startswith("TF")]
    found = dict.fromkeys((*forces, *leads, *first.co))
    return tuple(unit for unit in found if unit != first.lead)


def structured(facts: Facts) -> bool:
    """Enough structured facts for a certain answer: sector, project, or a decisive ownership."""
    return (
        facts.industry is not None
        or facts.project
        or facts.ownership in ("government", "public_institution", "state")
        or facts.attracted
        or facts.via == "wan_ren_zhu_wan_qi"
    )


def _by_signals(facts: Facts, policy: Policy) -> tuple[Answer, RunnerUp | None]:
    rules = policy.content.routing
    if not facts.leads:
        return Answer("R1", None, triage="FACTS_MISSING", confidence=0, margin=0), None
    lead, confidence = facts.leads[0]
    second = facts.leads[1] if len(facts.leads) > 1 else None
    margin = confidence - (second[1] if second else 0)
    runner_up = RunnerUp(lead=second[0], rule="signals", ppm=second[1]) if second else None
    evidence = facts.terms[:8]
    sure = confidence >= rules.confidence_ppm and margin >= rules.margin_ppm
    platform = platform_entry(policy) if facts.platform else None
    if sure and lead == "TRIAGE" and platform is None:
        answer = Answer("R13", None, (), "UNCOVERED_SECTOR", None, confidence, margin, evidence)
    elif sure and lead == "TRIAGE" and platform is not None:
        co, department = platform.co, platform.department
        answer = Answer("R11", None, co, platform.triage, department, confidence, margin, evidence)
    elif sure:
        answer = Answer("R1-signals", lead, (), None, None, confidence, margin, evidence)
    else:
        proposal = None if lead == "TRIAGE" else lead
        reason: TriageReason = "LOW_CONFIDENCE" if facts.terms else "FACTS_MISSING"
        answer = Answer("R1", proposal, (), reason, None, confidence, margin, evidence)
    return answer, runner_up


def platform_entry(policy: Policy) -> DepartmentRule | None:
    """Who takes platform labour, which has no task force (domain 5.5); None: the book is silent."""
    entries = policy.content.routing.departments
    return next((item for item in entries if item.triage == "PLATFORM_WORK"), None)


def platform_by_words(facts: Facts, policy: Policy) -> DepartmentRule | None:
    """Who takes platform labour that only words show; None: they do not, or do not count.

    Ride-hailing and live-streaming have no code (domain 5.2, R11); but an industry that says what
    the work is outweighs a word of the text (5.4).
    """
    codes = policy.content.routing.platform_words_codes
    silent = facts.industry is None or codes is None or within(facts.industry, codes)
    return platform_entry(policy) if facts.platform and silent else None


def department_entry(code: str | None, policy: Policy) -> DepartmentRule | None:
    """The §5.5 entry of an industry code; the longest code that fits decides."""
    best: tuple[int, DepartmentRule] | None = None
    for entry in policy.content.routing.departments:
        for prefix in entry.codes:
            fits = code is not None and code.startswith(prefix)
            if fits and (best is None or len(prefix) > best[0]):
                best = (len(prefix), entry)
    return best[1] if best else None


def sector_department(code: str | None, policy: Policy) -> str | None:
    """The bureau of a sector, by the longest prefix."""
    table = policy.content.routing.sector_departments
    if code is None:
        return None
    for length in (4, 3, 2):
        if code[:length] in table:
            return table[code[:length]]
    return None


def default_co(unit: str, facts: Facts, policy: Policy) -> tuple[str, ...]:
    """Co-handlers of an office decision that names none: of a department those of its sector
    (domain 5.5), of a task force those of the rule by which it would lead (5.2).
    """
    if unit.startswith("TF"):
        answers = list(matches(facts, policy)) if structured(facts) else []
        leads = [number for number, each in enumerate(answers) if each.lead == unit]
        return _taking_part(answers[leads[0] :]) if leads else ()
    entry = department_entry(facts.industry, policy)
    if entry is None or entry.department != unit:
        platform = platform_by_words(facts, policy)
        entry = platform if platform and platform.department == unit else None
    return tuple(other for other in entry.co if other != unit) if entry else ()
