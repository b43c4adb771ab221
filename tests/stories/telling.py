"""Stories told in a few words: lines in, decisions out as `qingqian dry-run` prints them.

Every expectation in this folder was counted by hand from the contract and the domain reference,
not taken from a run. Instants are written `2021-11-10 09:00` in Asia/Shanghai; 24:00 of a day
is 00:00 of the next. All names and numbers are invented.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from infra.dry_run import DryRun
from infra.story import Line, instant, read_story
from shared.policy import Policy, adopt, read_book
from shared.streams import kind_of

ZONE = ":00+08:00"
TANGZHUANG = "410185109"
DAJINDIAN = "410185100"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def full(text: str) -> str:
    """`2021-11-10 09:00` as RFC 3339."""
    return text.replace(" ", "T") + ZONE


def short(text: str | None) -> str | None:
    """RFC 3339 of Asia/Shanghai as `2021-11-10 09:00`."""
    return text.removesuffix(ZONE).replace("T", " ") if text else None


def id_no(number: int) -> str:
    """An identity number with a right check digit, of nobody."""
    body = f"41012519900101{number:03}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def claim(worker: int | None, fen: int, months: tuple[str, str] = ("2021-09", "2021-11")) -> Any:
    """One claim line; `worker` None: somebody whose identity is not known."""
    person = {} if worker is None else {"worker": {"name": "某", "id_no": id_no(worker)}}
    return {**person, "amount_fen": fen, "months_from": months[0], "months_to": months[1]}


class Story:
    """Lines in, decisions out. `units`: whether the units and the city are watched; `name`: sets
    its references, employers and projects apart from those of a story played beside it.
    """

    def __init__(self, folder: Path, *, units: bool = False, name: str = "") -> None:
        self._path = folder / f"story{name}.jsonl"
        self._lines: list[dict[str, Any]] = []
        self._units = units
        self._name = name
        self.out: list[dict[str, Any]] = []

    def named(self, case: str) -> str:
        """What a case is called where other stories are played too; also its reference."""
        return f"{self._name}-{case}" if self._name and kind_of(case) == "case" else case

    # --- lines ----------------------------------------------------------------------------------

    def line(self, at: str, case: str, type_: str, /, **data: Any) -> int:
        """Adds a line and gives its number. `by_`, `happened_`: of the line, not of its data."""
        line: dict[str, Any] = {"at": full(at), "case": self.named(case), "type": type_}
        if "by_" in data:
            line["by"] = data.pop("by_")
        if "happened_" in data:
            line["occurred_at"] = full(data.pop("happened_"))
        self._lines.append(line | {"data": data})
        return len(self._lines)

    def complaint(
        self, at: str, case: str = "A", *, received: str | None = None, **fields: Any
    ) -> None:
        """A complaint of one worker about a private building site in Tangzhuang."""
        name = self.named(case)
        data = {
            "source": "window",
            "source_ref": name,
            "tier": "CITY",
            "received_at": full(received or at),
            "employer": {"name": f"示例{name}公司", "ownership": "private", "industry": "4710"},
            "project": {"name": f"示例{name}小区", "funding": "private", "kind": "housing"},
            "site": {"address": "见附件", "township": TANGZHUANG},
            "workers": 1,
            "amount_fen": 800_000,
            "months_from": "2021-09",
            "months_to": "2021-11",
            "text": "完工以后工资一直没有发。",
        }
        self.line(at, case, "ComplaintReceived", **(data | fields))

    def assigned(
        self,
        at: str,
        case: str = "A",
        *,
        received: str | None = None,
        urgent: bool = False,
        **fields: Any,
    ) -> None:
        """Received (at `received`, else then), accepted and so assigned by rule."""
        self.complaint(received or at, case, **fields)
        self.line(at, case, "ComplaintAccepted", urgent=urgent)

    def signed(self, at: str, case: str = "A") -> None:
        self.line(at, case, "AssignmentSigned")

    def paid(self, at: str, fen: int = 800_000, line: str = "1", **more: Any) -> None:
        case = more.pop("case", "A")
        name = more.pop("payment", f"款{len(self._lines)}")
        self.line(
            at,
            case,
            "PaymentVerified",
            payment=name,
            lines=[{"line": line, "amount_fen": fen}],
            **more,
        )

    def reviewed(self, at: str, case: str = "A", kind: str = "PAID_IN_FULL") -> None:
        """Closure asked for and passed by both reviewers, all at one instant."""
        self.line(at, case, "ClosureRequested", kind=kind)
        self.line(at, case, "ClosureReviewPassed", stage="tf")
        self.line(at, case, "ClosureReviewPassed", stage="office")

    def followed_up(self, at: str, case: str = "A", **answer: Any) -> None:
        given = {"got_paid": "Y", "satisfaction": "satisfied"} | answer
        self.line(at, case, "FollowUpCompleted", **given)

    def closed(self, at: str, case: str = "A", fen: int = 800_000) -> None:
        """Paid, reviewed, followed up and so closed, all at one instant."""
        self.paid(at, fen, case=case)
        self.reviewed(at, case)
        self.followed_up(at, case)

    def verified(self, at: str, *amounts: tuple[int, int], **more: Any) -> None:
        """FactsVerified of lines "1", "2"… as (fen, whole months)."""
        case = more.pop("case", "A")
        lines = [
            {"line": str(number), "amount_fen": fen, "months": months}
            for number, (fen, months) in enumerate(amounts, 1)
        ]
        self.line(at, case, "FactsVerified", lines=lines, **more)

    def served(self, at: str, doc_no: str = "令1", case: str = "A", **more: Any) -> None:
        if "limit" in more:
            more["limit_at"] = full(more.pop("limit"))
        self.line(
            at, case, "PaymentOrderServed", **({"doc_no": doc_no, "service_mode": "direct"} | more)
        )

    # --- what came out --------------------------------------------------------------------------

    @property
    def lines(self) -> list[Line]:
        """Its lines as they are read."""
        self._path.write_bytes(b"\n".join(orjson.dumps(line) for line in self._lines))
        return read_story(self._path)

    def run(self, until: str, *, refused: int = 0) -> Story:
        """Plays it; exactly so many lines must have been refused."""
        dry = DryRun(self.lines, _book(self._lines[0]["at"]), units=self._units)
        dry.play(instant(full(until), "until"))
        assert len(dry.refused) == refused, dry.refused
        self.out = dry.output()
        return self

    def of(self, kind: str, case: str = "A", **fields: Any) -> list[dict[str, Any]]:
        """The data of the lines of a type and case whose data have these fields, with `at`."""
        return [
            line["data"] | {"at": short(line["at"])}
            for line in self.out
            if line["type"] == kind
            and line["case"] == self.named(case)
            and all(line["data"].get(key) == value for key, value in fields.items())
        ]

    def one(self, kind: str, case: str = "A", **fields: Any) -> dict[str, Any]:
        (found,) = self.of(kind, case, **fields)
        return found

    def times(self, kind: str, case: str = "A", **fields: Any) -> list[str]:
        return [data["at"] for data in self.of(kind, case, **fields)]

    def dues(self, timer: str, case: str = "A", **fields: Any) -> list[str | None]:
        """Every due ever set of a timer, in order."""
        return [short(d["due_at"]) for d in self.of("DeadlineSet", case, timer=timer, **fields)]

    def deadline(self, timer: str, case: str = "A", **fields: Any) -> tuple[str | None, ...]:
        """(started, due, outer, cap, target, grace) of the timer's one deadline."""
        data = self.one("DeadlineSet", case, timer=timer, **fields)
        return (
            short(data["started_at"]),
            short(data["due_at"]),
            short(data["outer_due_at"]),
            data["cap"],
            short(data["cap_target_at"]),
            data["grace"],
        )

    def alerts(self, timer: str, case: str = "A", **fields: Any) -> list[str]:
        """`2021-11-23 09:00 L1` of each alert of a timer, in order."""
        found = self.of("AlertRaised", case, timer=timer, **fields)
        return [f"{data['at']} {data['level']}" for data in found]

    def cleared(self, timer: str, case: str = "A") -> list[str]:
        found = self.of("AlertCleared", case, timer=timer)
        return [f"{data['at']} {data['level']}" for data in found]

    def refusals(self) -> list[tuple[int, int, str]]:
        """(line, status, code) of each refused line."""
        return [
            (line["data"]["line"], line["data"]["status"], line["data"]["code"])
            for line in self.out
            if line["type"] == "Refused"
        ]


@cache
def _book(at: str) -> Policy:
    return adopt(read_book("dengfeng-2021-35"), instant(at, "at"), "dry-run")
