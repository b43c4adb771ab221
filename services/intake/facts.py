"""From what a client posts to what stands on the log: read strictly, completed, sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from pydantic import Field, ValidationError

from services.intake.complaint import (
    TOO_MUCH,
    Employer,
    Line,
    Part,
    Problem,
    Project,
    Refused,
    Site,
    Text,
    employer_of,
    is_uscc,
    pointer,
    problems_of,
    project_of,
    site_of,
    spelt_ill,
)
from services.intake.personal import refuse_numbers_of_persons
from services.intake.reading import read_text
from shared.events import (
    MAX_FEN,
    TYPES,
    AnyData,
    ComplaintAccepted,
    Fact,
    Fen,
    Month,
    SupplementReceived,
)
from shared.policy import Policy
from shared.sealing import Sealer


class Supplement(Part):
    """`data` of SupplementReceived as posted: unsealed; keys and signals are intake's to add."""

    employer: Employer | None = None
    project: Project | None = None
    site: Site | None = None
    industry: Line | None = None
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    amount_fen: Fen | None = None
    months_from: Month | None = None
    months_to: Month | None = None
    text: Text | None = None


def model_of(type_name: str) -> type[AnyData]:
    """The model of a type that can be reported. Raises Refused for any other."""
    model = TYPES.get(type_name)
    if model is None:
        raise Refused([Problem("/type", "unknown_type", "no such type of event")])
    if not issubclass(model, Fact):
        raise Refused(
            [Problem("/type", "not_a_fact", f"decided by {model.writer}, never reported")]
        )
    return model


def read_fact(type_name: str, data: dict[str, Any]) -> AnyData | Supplement:
    """Posted data, checked against its type. Raises Refused with pointers below `/data`."""
    model = model_of(type_name)
    if found := [Problem(place, "nul", "a NUL cannot be kept") for place in _nuls(data, "/data")]:
        raise Refused(found)
    try:
        if model is SupplementReceived:
            return Supplement.model_validate_json(orjson.dumps(data))
        fact: AnyData = model.model_validate_json(orjson.dumps(data), strict=True)
    except ValidationError as error:
        raise Refused(problems_of(error, "/data")) from None
    except TypeError:
        raise Refused([Problem("/data", "number", "a number does not fit in 64 bits")]) from None
    if found := spelt_ill(fact, data, ("data",)):
        raise Refused(found)
    refuse_absurd_sums(fact)
    if isinstance(fact, ComplaintAccepted) and fact.number is not None:
        raise Refused([Problem("/data/number", "not_yours", "intake gives the number")])
    return fact


def _nuls(value: Any, place: str) -> Iterator[str]:
    """Where a text or a name in posted data holds a NUL, which PostgreSQL cannot keep."""
    if isinstance(value, str):
        if "\x00" in value:
            yield place
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from [place] if "\x00" in name else _nuls(item, place + pointer((name,)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _nuls(item, f"{place}/{number}")


def refuse_absurd_sums(fact: AnyData | Supplement) -> None:
    """Raises Refused where lines or instalments add up to more money than there is."""
    for name, parts in (("lines", getattr(fact, "lines", ())), ("plan", getattr(fact, "plan", ()))):
        if sum(part.amount_fen for part in parts) > MAX_FEN:
            raise Refused([Problem(f"/data/{name}", "absurd", TOO_MUCH)])


def seal_fact(fact: AnyData | Supplement, sealer: Sealer, policy: Policy, place: str) -> AnyData:
    """The fact as it stands on the log. `place`: its event id. Raises Refused."""
    if isinstance(fact, Supplement):
        supplement = _supplement(fact, sealer, policy, place)
        refuse_numbers_of_persons(supplement.model_dump(mode="json", exclude_none=True))
        return supplement
    model = type(fact)
    data = fact.model_dump(mode="json", by_alias=True, exclude_none=True)
    fields = sealer.seal_fields(model, data, place)
    try:
        sealed: AnyData = model.model_validate(fields)
    except ValidationError as error:
        raise Refused(problems_of(error, "/data")) from None
    refuse_numbers_of_persons(fields)
    return sealed


def _supplement(
    given: Supplement, sealer: Sealer, policy: Policy, place: str
) -> SupplementReceived:
    uscc = given.employer.uscc if given.employer else None
    if uscc is not None and not is_uscc(uscc):
        detail = "not a unified social credit code"
        raise Refused([Problem("/data/employer/uscc", "bad_uscc", detail)])
    township = given.site.township if given.site else None
    if township is not None and township not in policy.site_codes:
        detail = "no township of the policy in force"
        raise Refused([Problem("/data/site/township", "unknown_township", detail)])
    return SupplementReceived(
        employer=employer_of(given.employer, sealer, place),
        project=project_of(given.project, sealer, policy, place),
        site=site_of(given.site, sealer, place),
        industry=given.industry,
        workers=given.workers,
        amount_fen=given.amount_fen,
        months_from=given.months_from,
        months_to=given.months_to,
        text=sealer.seal(given.text, f"{place}/text") if given.text else None,
        signals=read_text(
            given.text,
            given.site.address if given.site else None,
            policy,
            project=given.project.name if given.project else None,
            employer=given.employer.name if given.employer else None,
        ),
    )
