"""Invented workers: names, identity numbers valid by their check digit, mobile numbers."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from stdnum.cn import ric

from infra.simulator.sectors import city_book


@dataclass(frozen=True)
class Worker:
    """A worker, as a complaint names one (contract 3)."""

    name: str
    id_no: str
    phone: str

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "id_no": self.id_no, "phone": self.phone}


def invent(rng: Random) -> Worker:
    """A worker: birthday and sequence number are drawn, the check digit follows (GB 11643)."""
    book = city_book()
    body = (
        rng.choice(book.regions)
        + f"{rng.randint(1960, 2002)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
        + f"{rng.randint(1, 999):03}"
    )
    return Worker(
        name=rng.choice(book.surnames) + rng.choice(book.given),
        id_no=body + ric.calc_check_digit(body + "0"),
        phone=f"1{rng.choice('3578')}{rng.randint(0, 999_999_999):09}",
    )
