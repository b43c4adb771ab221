"""What reaches the city: complaints from 18 sources, with their duplicates, waves and oddities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Literal

from infra.simulator import people, season
from infra.simulator.sectors import Employer, Sector, city_book, found
from shared.calendar import DAY, ZONE, Calendar, at_hour, civil, end_of
from shared.policy import Content

Oddity = Literal["goods", "outside", "litigation", "lacking", "text_only", "lost_place"]

_SOURCES = {
    "national": 18,
    "zz12345": 12,
    "12345": 14,
    "window": 12,
    "henan": 8,
    "12333": 6,
    "zhengzhou": 6,
    "xinfang": 5,
    "ducha": 4,
    "rmw": 4,
    "gjxf": 3,
    "henan_xf": 3,
    "mayor": 2,
    "110": 2,
    "screening": 2,
    "union": 1,
    "opinion": 1,
    "board": 1,
}
_ODDITIES: dict[Oddity | None, float] = {
    None: 90,
    "text_only": 4,
    "goods": 2,
    "lacking": 1.5,
    "lost_place": 1,
    "outside": 1,
    "litigation": 0.5,
}
_ALIASES = {
    "410185004": "卢店镇",
    "410185101": "颖阳镇",
    "410185103": "告成",
    "410185106": "王村",
    "410185108": "东金店",
    "410185001": "嵩阳办",
    "410185002": "少林办",
    "410185109": "唐庄乡",
}
_PETITION = ("xinfang", "gjxf", "henan_xf")
_WITH_DUE = {"ducha": 10, "rmw": 14, "zz12345": 7, "12345": 5}


@dataclass(frozen=True)
class ClaimedLine:
    """A line of a claim as the worker tells it; months: first and last counted."""

    line: str
    amount_fen: int
    months: int


@dataclass(frozen=True)
class Complaint:
    """A complaint as it will be posted at `at`. `data`: contract 3. `town`: where the work was."""

    label: str
    at: datetime
    data: dict[str, Any]
    sector: Sector
    town: str
    lines: tuple[ClaimedLine, ...]
    oddity: Oddity | None = None
    twin_of: str | None = None
    resent_at: datetime | None = None

    @property
    def heads(self) -> int:
        return int(self.data.get("workers") or len(self.lines))


class City:
    """Employers of every sector with their places, and what their workers send."""

    def __init__(self, rng: Random, book: Content, calendar: Calendar, count: int) -> None:
        self.rng = rng
        self.calendar = calendar
        self.tiers = book.organisation.sources
        self.towns = {entry.code: entry.name for entry in book.organisation.townships}
        self._serial = 0
        self.sectors = city_book().sectors
        whole = sum(sector.weight for sector in self.sectors)
        self.employers = {
            sector.key: self._found(sector, max(2, round(sector.weight / whole * count / 5)))
            for sector in self.sectors
        }

    def _found(self, sector: Sector, count: int) -> list[Employer]:
        codes = list(self.towns)
        founded = []
        for number in range(count):
            town = self.rng.choice(codes)
            name = (self.sectors.index(sector) * 7 + number) % 997
            founded.append(found(self.rng, sector, town, self.towns[town], name))
        return founded

    def complaints(self, count: int) -> Iterator[Complaint]:
        """About `count` complaints: single ones, then twins of some and waves of many."""
        waves = max(1, count // 400)
        in_waves = waves * 8
        for received in season.arrivals(
            self.rng, max(1, int(count * 0.97) - in_waves), self.calendar
        ):
            complaint = self._single(received)
            yield complaint
            if complaint.oddity is None and self.rng.random() < 0.03:
                yield self._twin(complaint)
        for _ in range(waves):
            yield from self._wave(8)

    # --- one complaint --------------------

    def _single(self, received: datetime) -> Complaint:
        rng = self.rng
        sector = rng.choices(self.sectors, [entry.weight for entry in self.sectors])[0]
        pool = self.employers[sector.key]
        employer = rng.choices(pool, [1 / (rank + 1) ** 0.6 for rank in range(len(pool))])[0]
        heads = rng.choices((1, 2, 3, 5, 8, 14, 36), (62, 15, 9, 6, 4, 3, 1))[0]
        oddity = rng.choices(list(_ODDITIES), list(_ODDITIES.values()))[0]
        complaint = self._complaint(received, employer, heads)
        return self._odd(complaint, employer, oddity) if oddity else complaint

    def _complaint(self, received: datetime, employer: Employer, heads: int) -> Complaint:
        rng, sector = self.rng, employer.sector
        self._serial += 1
        source = rng.choices(list(_SOURCES), list(_SOURCES.values()))[0]
        months = rng.choices((1, 2, 3, 4, 6, 9), (20, 28, 24, 14, 10, 4))[0]
        last = _month_before(civil(received), rng.choice((1, 1, 1, 2)))
        first = _month_before(last, months - 1)
        wages = [rng.randint(30, 85) * 10_000 * months for _ in range(min(heads, 14))]
        amount = sum(wages) if heads <= 14 else sum(wages) // 14 * heads
        span = {"months_from": f"{first:%Y-%m}", "months_to": f"{last:%Y-%m}"}
        data: dict[str, Any] = {
            "source": source,
            "source_ref": f"{source.upper()}-{civil(received).year}-{self._serial:06}",
            "tier": self.tiers[source],
            "kind": _kind(rng, source),
            "received_at": _text(received),
            "employer": employer.document(),
            "project": employer.project_document(),
            "site": self._site(employer.town),
            "workers": heads,
            "amount_fen": amount,
            **span,
            "text": self._words(employer, heads, months, amount),
            "via": sector.via or self._via(source, received),
        }
        if source in _WITH_DUE and rng.random() < 0.7:
            data["external_due_at"] = _text(end_of(civil(received) + _WITH_DUE[source] * DAY))
        workers = [people.invent(rng) for _ in wages]
        if heads <= 14:
            data["claims"] = [
                {"worker": worker.document(), "amount_fen": wage, **span}
                for worker, wage in zip(workers, wages, strict=True)
            ]
            lines = tuple(ClaimedLine(str(i + 1), wage, months) for i, wage in enumerate(wages))
        else:
            lines = (ClaimedLine("1", amount, months),)
        data["contact"] = {"name": workers[0].name, "phone": workers[0].phone}
        at = self._recorded(received)
        return Complaint(
            label=f"c{self._serial:04}",
            at=at,
            data={key: value for key, value in data.items() if value is not None},
            sector=sector,
            town=employer.town,
            lines=lines,
            resent_at=season.next_slot(at, self.calendar, season.RECEPTION)
            if rng.random() < 0.015
            else None,
        )

    def _recorded(self, received: datetime) -> datetime:
        """The reception that takes it in; what came before the campaign: on its first days."""
        opening = at_hour(season.FIRST, 9)
        if received < opening:
            return self.rng.choice(
                (opening, at_hour(season.FIRST, 15), at_hour(season.FIRST + DAY, 9))
            )
        return season.next_slot(
            received - timedelta(microseconds=1), self.calendar, season.RECEPTION
        )

    def _site(self, town: str) -> dict[str, Any]:
        rng = self.rng
        place = _ALIASES.get(town) if rng.random() < 0.25 else None
        address = (
            f"登封市{place or self.towns[town]}{rng.choice('东西南北')}街{rng.randint(1, 220)}号"
        )
        return (
            {"address": address, "township": town} if rng.random() < 0.8 else {"address": address}
        )

    def _words(self, employer: Employer, heads: int, months: int, amount: int) -> str:
        rng = self.rng
        who = "我" if heads == 1 else f"我们{heads}个人"
        words = rng.choice(employer.sector.words).format(
            project=employer.project or "",
            employer=employer.name,
            job=rng.choice(employer.sector.jobs),
        )
        tail = f"。{who}被拖欠{months}个月工资，一共{amount // 100}元"
        pleas = (
            "，请帮忙要回血汗钱。",
            "，多次找老板没有结果。",
            "，快过年了等着用钱。",
            "，望领导过问。",
        )
        urgent = rng.random() < 0.04
        return (
            words
            + tail
            + (
                rng.choice(("，老板跑了，手机失联。", "，再不给就拉横幅堵门。"))
                if urgent
                else rng.choice(pleas)
            )
        )

    def _via(self, source: str, received: datetime) -> str | None:
        if source not in _PETITION:
            return None
        flood = received < at_hour(date(2021, 12, 20), 0) and self.rng.random() < 0.25
        return "flood_group" if flood else "petition"

    # --- oddities, twins, waves --------------------

    def _odd(self, complaint: Complaint, employer: Employer, oddity: Oddity) -> Complaint:
        data = dict(complaint.data)
        town = self.towns[complaint.town]
        match oddity:
            case "goods":
                data["text"] = (
                    f"给{employer.name}供货，拖欠货款{data['amount_fen'] // 100}元，不是工资。"
                )
                data = _without(data, "claims", "workers", "months_from", "months_to", "project")
            case "outside":
                data["site"] = {"address": f"新密市来集镇{self.rng.randint(1, 90)}号"}
            case "litigation":
                data["text"] += "已经到法院起诉，案件正在审理。"
            case "lacking":
                data["text"] = "干了几个月活，工资一直没有给，请帮忙。"
                data = _without(data, "employer", "project", "site", "claims", "via")
            case "text_only":
                data["text"] = f"在登封{town}，" + data["text"]
                data = _without(
                    data, "employer", "project", "site", "claims", "workers", "amount_fen", "via"
                )
            case "lost_place":
                data["site"] = {"address": f"登封市送表矿区{self.rng.randint(1, 60)}号"}
        whole = ClaimedLine(
            "1", sum(line.amount_fen for line in complaint.lines), complaint.lines[0].months
        )
        lines = complaint.lines if "claims" in data else (whole,)
        return replace(complaint, data=data, lines=lines, oddity=oddity)

    def _twin(self, complaint: Complaint) -> Complaint:
        """The same worker, employer and months through another platform some days later."""
        rng = self.rng
        self._serial += 1
        received = datetime.fromisoformat(complaint.data["received_at"]) + rng.randint(1, 6) * DAY
        source = rng.choice([name for name in _SOURCES if name != complaint.data["source"]])
        data = _without(complaint.data, "external_due_at") | {
            "source": source,
            "source_ref": f"{source.upper()}-{civil(received).year}-{self._serial:06}",
            "tier": self.tiers[source],
            "kind": _kind(rng, source),
            "received_at": _text(received),
        }
        if source in _WITH_DUE:
            data["external_due_at"] = _text(end_of(civil(received) + _WITH_DUE[source] * DAY))
        return replace(
            complaint,
            label=f"c{self._serial:04}",
            at=max(
                self._recorded(received),
                season.next_slot(complaint.at, self.calendar, season.RECEPTION),
            ),
            data=data,
            twin_of=complaint.label,
            resent_at=None,
        )

    def _wave(self, count: int) -> Iterator[Complaint]:
        """Many different workers of one project within three days: a group (domain 2.14)."""
        rng = self.rng
        sector = rng.choice([entry for entry in self.sectors if entry.projects])
        employer = rng.choice(self.employers[sector.key])
        span = (season.LAST - season.FIRST).days - 40
        first = at_hour(season.FIRST + rng.randint(5, span) * DAY, 8)
        sizes = rng.choice(((1, 2), (2, 5), (5, 8)))
        for _ in range(count):
            received = first + timedelta(minutes=rng.randint(0, 2 * 24 * 60))
            yield self._complaint(received, employer, rng.randint(*sizes))


def _kind(rng: Random, source: str) -> str:
    fixed = {
        "zhengzhou": "transfer",
        "ducha": "supervised",
        "screening": "screening",
        "opinion": "report",
    }
    return fixed.get(source) or rng.choices(("complaint", "report"), (93, 7))[0]


def _without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}


def _month_before(day: date, months: int) -> date:
    """The first day of the month `months` before that of `day`."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _text(instant: datetime) -> str:
    return instant.astimezone(ZONE).isoformat()
