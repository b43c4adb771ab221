"""The trades of the city and their invented employers, from `city.yaml`.

Between them the sectors meet every rule of domain 5.2 (R2 to R13).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict
from stdnum.cn import uscc

from shared.policy import parse_yaml

_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sector(_Entry):
    """One trade. `weight`: share of complaints; `lead`: who leads it by domain 5.2, or `TRIAGE`.

    `rule`, `lead`: what the services should find; never told to them, only compared in tests.
    `department`: where the office sends what needs triage (domain 5.5).
    """

    key: str
    weight: float
    rule: str
    lead: str
    codes: tuple[str, ...]
    names: tuple[str, ...]
    jobs: tuple[str, ...]
    words: tuple[str, ...]
    ownership: str = "private"
    projects: tuple[str, ...] = ()
    funding: str = "unknown"
    kind: str | None = None
    owner: str | None = None
    attracted: bool = False
    via: str | None = None
    registered: bool = True
    department: str | None = None
    prefix: str = "91"


class CityBook(_Entry):
    """Everything invented that is data."""

    sectors: tuple[Sector, ...]
    brands: tuple[str, ...]
    surnames: str
    given: tuple[str, ...]
    regions: tuple[str, ...]


@cache
def city_book() -> CityBook:
    """The city's data, read once."""
    text = (resources.files("infra.simulator") / "city.yaml").read_text(encoding="utf-8")
    return CityBook.model_validate(parse_yaml(text, "infra/simulator/city.yaml"))


@dataclass(frozen=True)
class Employer:
    """An invented employer with the project it works on, where it has one, and its township."""

    sector: Sector
    name: str
    uscc: str | None
    industry: str
    town: str
    project: str | None
    owner: str | None

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "uscc": self.uscc,
            "ownership": self.sector.ownership,
            "industry": self.industry,
            "attracted": self.sector.attracted,
        }

    def project_document(self) -> dict[str, Any] | None:
        if self.project is None:
            return None
        return {
            "name": self.project,
            "funding": self.sector.funding,
            "owner": self.owner,
            "kind": self.sector.kind,
        }


def found(rng: Random, sector: Sector, town: str, town_name: str, number: int) -> Employer:
    """An employer of a sector in a township; `number` makes its name one of a kind."""
    brands = city_book().brands
    brand = brands[number % len(brands)] + (
        str(number // len(brands) + 1) if number >= len(brands) else ""
    )
    name = f"登封市{brand}{rng.choice(sector.names)}"
    project = owner = None
    if sector.projects:
        project = rng.choice(sector.projects).format(n=brand, k=rng.randint(1, 9))
        owner = (sector.owner or "").format(n=brand, town=town_name) or None
    return Employer(
        sector=sector,
        name=name,
        uscc=_credit_code(rng, sector.prefix) if sector.registered else None,
        industry=rng.choice(sector.codes),
        town=town,
        project=project,
        owner=owner,
    )


def _credit_code(rng: Random, prefix: str) -> str:
    """A unified social credit code with its check character (GB 32100)."""
    body = f"{prefix}410185" + ("MA" if prefix == "91" else "00")
    body += "".join(rng.choice(_LETTERS) for _ in range(17 - len(body)))
    return body + str(uscc.calc_check_digit(body))
