"""Why this lead: the way through the rules, the facts that decided, and what would flip it.

PIPL 24: a decision made by rule can be explained. The counterfactual is the smallest change of
facts (fewest fields; among equals the one that leads to the runner-up, else the first in order of
who can unlock the money) under which `choose` gives another lead. It is found by flipping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

from services.routing.decider.place import Township
from services.routing.decider.rules import Answer, Facts, choose, matches, structured
from shared.events import FactChange, Flip
from shared.frozen import replace
from shared.policy import Policy

Change = tuple[str, Any]

_NAMES: Final = {
    "R1": ("industry", "ownership", "project", "funding"),
    "R2": ("project", "funding", "project_kind"),
    "R3": ("industry", "project_kind", "ownership"),
    "R4": ("industry", "ownership", "attracted"),
    "R5": ("industry", "ownership"),
    "R6": ("ownership", "industry"),
    "R7": ("project", "funding", "industry"),
    "R8": ("project", "funding", "industry"),
    "R9": ("ownership", "industry"),
    "R10": ("via", "attracted"),
    "R11": ("industry", "platform"),
    "R12": ("registered", "ownership", "industry", "platform"),
    "R13": ("industry", "ownership"),
}
"""The facts that each rule looks at (domain 5.2)."""

_MATCHING: Final = ("R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13")
_FUNDINGS: Final = ("government", "soe", "private")
_OWNERSHIPS: Final = ("state", "public_institution", "private")


@dataclass(frozen=True)
class Step:
    """One rule on the way: whether it holds, and the facts it looked at as `field:value`."""

    rule: str
    holds: bool
    facts: tuple[str, ...]


def evidence(rule: str, facts: Facts) -> tuple[str, ...]:
    """The facts that a rule looked at and that are known, as `field:value`."""
    found = []
    for name in _NAMES.get(rule, ()):
        value = getattr(facts, name)
        if value not in (None, False, "unknown"):
            found.append(name if value is True else f"{name}:{value}")
    return tuple(found)


def path(facts: Facts, policy: Policy) -> tuple[Step, ...]:
    """The rules in their order, up to the one that leads; by signals it is one step."""
    answer, _ = choose(facts, policy)
    if not structured(facts):
        return (Step(answer.rule, True, answer.evidence),)
    if facts.clash:
        return (Step(answer.rule, True, evidence(answer.rule, facts)),)
    hold = {found.rule for found in matches(facts, policy)}
    steps = []
    for rule in _MATCHING:
        steps.append(Step(rule, rule in hold, evidence(rule, facts)))
        if rule == answer.rule:
            break
    return tuple(steps)


def lead_of(answer: Answer) -> str:
    """A task force, or TRIAGE where the office decides."""
    return answer.lead if answer.lead is not None and answer.triage is None else "TRIAGE"


def flip(facts: Facts, place: Township, policy: Policy) -> Flip | None:
    """The smallest change that gives another lead; None if no one or two facts would."""
    answer, runner_up = choose(facts, policy)
    if lead_of(answer) != "TRIAGE" and place.triage is not None:
        told = FactChange(field="township", was=None, now="known")
        return Flip(changes=(told,), lead=lead_of(answer), rule=answer.rule)
    wanted = runner_up.lead if runner_up is not None else None
    # Of what was read in the text only as much as the rules can ask for, so that like cases share
    # one search.
    bare = replace(facts, leads=facts.leads[:2], terms=facts.terms[:1])
    return _flip(bare, lead_of(answer), wanted, policy)


@lru_cache(maxsize=4096)
def _flip(facts: Facts, lead: str, wanted: str | None, policy: Policy) -> Flip | None:
    changes = list(_changes(facts, policy))
    for size in (1, 2):
        first: Flip | None = None
        for chosen in combinations(changes, size):
            if len({name for name, _ in chosen}) < size:
                continue
            other, _ = choose(changed(facts, chosen), policy)
            if lead_of(other) == lead:
                continue
            found = Flip(
                changes=tuple(_told(facts, change) for change in chosen),
                lead=lead_of(other),
                rule=other.rule,
            )
            if wanted in (None, found.lead):
                return found
            first = first or found
        if first is not None:
            return first
    return None


def changed(facts: Facts, changes: tuple[Change, ...]) -> Facts:
    """The facts with some of them otherwise; what follows from a fact follows."""
    result = replace(facts, clash=False) if facts.clash else facts
    for name, value in changes:
        if name == "project" and not value:
            result = replace(result, project=False, funding="unknown", project_kind=None)
        elif name == "ownership":
            known = result.coded or value != "unknown"
            result = replace(result, ownership=value, registered=known)
        elif name == "registered":
            result = replace(result, registered=value, coded=value)
        else:
            result = replace(result, **{name: value})
    return result


def _told(facts: Facts, change: Change) -> FactChange:
    name, value = change
    return FactChange(field=name, was=_text(getattr(facts, name)), now=_text(value))


def _text(value: Any) -> str | None:
    if value in (None, "unknown"):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _changes(facts: Facts, policy: Policy) -> Iterator[Change]:
    """Every single change, in order of who can unlock the money."""
    if facts.project:
        yield from (("funding", value) for value in _FUNDINGS if value != facts.funding)
    yield from (("ownership", value) for value in _OWNERSHIPS if value != facts.ownership)
    if facts.project:
        yield "project", False
        kinds = ("coal", "other")
        yield from (("project_kind", kind) for kind in kinds if kind != facts.project_kind)
    else:
        yield "project", True
    yield from (("industry", code) for code in _industries(policy) if code != facts.industry)
    yield "attracted", not facts.attracted
    via = "wan_ren_zhu_wan_qi"
    yield "via", None if facts.via == via else via
    if not facts.registered:
        yield "registered", True


@lru_cache(maxsize=16)
def _industries(policy: Policy) -> tuple[str, ...]:
    """One code of every group of sectors that a rule names."""
    rules = policy.content.routing
    groups = (
        rules.private_codes,
        rules.project_codes,
        rules.education_codes,
        rules.public_service_codes,
        rules.coal_codes,
        *(entry.codes for entry in rules.departments),
    )
    return tuple(dict.fromkeys(codes[0] for codes in groups if codes))
