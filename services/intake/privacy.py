"""Who may see what was sealed (domain 7): reveals, erasure, exports; each on record.

The fact that somebody looked (PiiAccessed) or was refused (AccessDenied) stands on the log before
the answer leaves. A bulk export waits for a second person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from services.intake.complaint import Problem, Refused
from services.intake.decider import CaseFile, Refusal, ending
from services.intake.desk import Desk, Refusing
from services.intake.numbers import SPELLED, visible
from services.intake.tables import Connection, Tables
from services.intake.vault import Erased, Missing, Vault, destroy
from shared.clock import wall_now
from shared.envelope import derived_id
from shared.events import (
    AccessDenied,
    AnyData,
    ComplaintReceived,
    Event,
    PiiAccessed,
    PiiErased,
)
from shared.keys import ALL, Key
from shared.roles import LABOUR
from shared.sealing import CannotOpen, Sealer
from shared.streams import CITY

Sight = Literal["full", "masked", "none"]

FIELDS: Final[dict[str, Callable[[ComplaintReceived], str | None]]] = {
    "employer/name": lambda data: data.employer.name if data.employer else None,
    "project/name": lambda data: data.project.name if data.project else None,
    "project/owner": lambda data: data.project.owner if data.project else None,
    "site/address": lambda data: data.site.address if data.site else None,
    "text": lambda data: data.text,
    "contact": lambda data: data.contact,
}
"""What can be revealed, beside `claims/<line>`."""

_PERSONAL: Final = ("contact", "claims", "text")
MAX_EXPORT: Final = 500


@dataclass(frozen=True)
class Caller:
    """Who asks: the key and the person's account."""

    key: Key
    person: str

    @property
    def actor(self) -> str:
        return f"{self.key.unit}/{self.key.role}/{self.person}"


def sight(key: Key, file: CaseFile, data: ComplaintReceived) -> Sight:
    """What a caller may see of a case: full, masked, or nothing."""
    by = key.by()
    match by.role:
        case "office":
            return "full"
        case "clerk" if key.may_post(data.source):
            return "full"
        case "inspector" | "leader" if by.unit == LABOUR and file.assigned:
            return "full"
        case "township" | "leader" if by.unit in (file.township, file.department):
            return "full"
        case "police" if file.referred:
            return "full"
        case "task_force" if by.unit in (file.task_force, *file.co_handlers):
            return "masked"
        case "leader" if by.unit in file.co_handlers:
            return "masked"
        case "vice_convener" | "convener":
            return "masked"
        case _:
            return "none"


def tells_reporter(data: ComplaintReceived, field: str) -> bool:
    """Whether a field would tell who reported (举报; 条例 9)."""
    return data.kind == "report" and field.split("/")[0] in _PERSONAL


def hides_reporter(key: Key, file: CaseFile, data: ComplaintReceived, fields: list[str]) -> bool:
    """I-15: who reported is shown to the office and to the clerk who took it in, never to those
    who handle the case, though their own clerk took it in.
    """
    handles = key.unit == file.township
    if key.role == "office" or (key.role == "clerk" and not handles):
        return False
    return any(tells_reporter(data, name) for name in fields)


class Privacy:
    """Opens sealed texts for those entitled."""

    def __init__(self, tables: Tables, pool: Any, vault: Vault, desk: Desk) -> None:
        self.tables = tables
        self.pool = pool
        self.vault = vault
        self.desk = desk

    async def reveal(
        self, case_id: str, fields: list[str], reason: str, caller: Caller
    ) -> dict[str, Any]:
        """The fields asked for, opened or masked.

        Raises Refusing (403 on record, 404, 409), Refused (no such field or claim line).
        """
        async with self.pool.acquire() as connection:
            folder = await self.desk.folder(connection, case_id)
            event = await self.desk.view.received(connection, case_id)
            if event is None or not isinstance(event.data, ComplaintReceived):
                raise Refusing(Refusal(404, "UNKNOWN_CASE", "no such case"))
            data = event.data
            allowed = sight(caller.key, folder.file, data)
            if allowed == "none" or hides_reporter(caller.key, folder.file, data, fields):
                await self._deny(case_id, "reveal", caller)
            # What is put on record below is a name of ours, never what somebody typed.
            unknown = [
                Problem(f"/fields/{index}", "unknown_field", f"it has {', '.join(_all(data))}")
                for index, name in enumerate(fields)
                if name not in _all(data)
            ]
            if unknown:
                raise Refused(unknown)
            opener = await self._opener(connection, case_id)
            values = {name: _opened(data, name, opener) for name in fields}
            names = names_in(_opened(data, name, opener) for name in _named(data))
            accessed = PiiAccessed(
                fields=tuple(fields), reason=opener.seal(reason, self._stamp(caller))
            )
            await self._record(case_id, accessed, caller)
        if allowed == "masked":
            values = masked_fields(values, names)
        return {"case_id": case_id, "sight": allowed, "fields": values}

    async def erase(self, case_id: str, reason: str, caller: Caller) -> None:
        """Destroy a case's key (PIPL 47), the fact first. Raises Refusing.

        Not of a case that goes on: deletion yields to what the law has kept (domain 7), and who is
        unknown can no longer be paid, called or told.
        """
        async with self.pool.acquire() as connection:
            files = await self.desk.around(connection, case_id)
            if files[case_id].state == "NONE":
                raise Refusing(Refusal(404, "UNKNOWN_CASE", "no such case"))
            if caller.key.role != "office":
                await self._deny(case_id, "erase", caller)
            if goes_on := ending(files).goes_on:
                which = (
                    "a case" if goes_on == case_id else f"case {goes_on}, of which it is a part,"
                )
                state = files[goes_on].state
                reason = f"{which} in state {state} has not ended; its data are needed"
                raise Refusing(Refusal(409, "STATE", reason))
            opener = await self._opener(connection, case_id)
            erased = PiiErased(reason=opener.seal(reason, self._stamp(caller)))
            await self._record(case_id, erased, caller)
            await destroy(connection, self.tables, [case_id])

    async def looked(self, fields: tuple[str, ...], reason: str, caller: Caller) -> None:
        """Put on the city's record that somebody opened what no case holds (the quarantine)."""
        async with self.pool.acquire() as connection:
            sealer = await self.vault.sealer(connection, CITY)
        accessed = PiiAccessed(fields=fields, reason=sealer.seal(reason, self._stamp(caller)))
        await self._record(CITY, accessed, caller)

    async def deny(self, action: str, caller: Caller) -> None:
        """Refuse an act outside any case, on the city's record. Raises Refusing."""
        await self._deny(CITY, action, caller)

    # --- exports --------------------------------------------------------------------------------

    async def ask_export(self, query: dict[str, Any], reason: str, caller: Caller) -> str:
        """Put an export down for a second person's approval; its id.

        Raises Refusing, Refused (a source that the book does not know, which is not kept).
        """
        async with self.pool.acquire() as connection:
            source, own = query.get("source"), _exported(caller.key)
            entitled = caller.key.role in ("office", "clerk", "auditor")
            if not entitled or (source is not None and own is not None and source not in own):
                await self._deny(CITY, "export", caller)
            known = self.desk.governance.books.latest.content.organisation.sources
            if source is not None and source not in known:
                detail = "no source of the policy in force"
                raise Refused([Problem("/query/source", "unknown_source", detail)])
            now = self.desk.governance.clock.now()
            body = orjson.dumps([query, reason], option=orjson.OPT_SORT_KEYS).decode()
            export_id = derived_id("export", caller.key.name, body, now.isoformat())
            await connection.execute(
                f"""INSERT INTO {self.tables.exports} (id, query, reason, asked_by, asked_at)
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING""",
                export_id,
                orjson.dumps(query).decode(),
                (await self.vault.sealer(connection, CITY)).seal(reason, export_id),
                caller.key.name,
                now,
            )
        return export_id

    async def approve_export(self, export_id: str, caller: Caller) -> None:
        """A second person's approval. Raises Refusing (403 on record, 404)."""
        async with self.pool.acquire() as connection:
            row = await self._export(connection, export_id)
            head = caller.key.role == "leader" and caller.key.unit == LABOUR
            entitled = head or caller.key.role in ("office", "vice_convener", "convener")
            if not entitled or row["asked_by"] == caller.key.name:
                await self._deny(CITY, "approve_export", caller)
            await connection.execute(
                f"""UPDATE {self.tables.exports} SET approved_by = $2, approved_at = $3
                WHERE id = $1 AND approved_by IS NULL""",
                export_id,
                caller.key.name,
                self.desk.governance.clock.now(),
            )
            accessed = PiiAccessed(fields=("export", export_id), reason=row["reason"])
            await self._record(CITY, accessed, caller)

    async def export(self, export_id: str, caller: Caller) -> list[dict[str, Any]]:
        """The rows of an approved export, for who asked for it; none tells a reporter (I-15).

        Raises Refusing.
        """
        async with self.pool.acquire() as connection:
            row = await self._export(connection, export_id)
            if row["asked_by"] != caller.key.name:
                await self._deny(CITY, "export", caller)
            if row["approved_by"] is None:
                reason = "a second person has not approved this export"
                raise Refusing(Refusal(409, "NOT_APPROVED", reason))
            accessed = PiiAccessed(fields=("export", export_id), reason=row["reason"])
            await self._record(CITY, accessed, caller)
            query = orjson.loads(row["query"])
            return [item async for item in self._rows(connection, query, caller.key)]

    async def _rows(
        self, connection: Connection, query: dict[str, Any], key: Key
    ) -> AsyncIterator[dict[str, Any]]:
        found = await connection.fetch(
            f"""SELECT case_id FROM {self.tables.complaints}
            WHERE ($1::text IS NULL OR source = $1) AND ($3::text[] IS NULL OR source = ANY($3))
            ORDER BY source, source_ref LIMIT $2""",
            query.get("source"),
            min(int(query.get("limit", MAX_EXPORT)), MAX_EXPORT),
            _exported(key),
        )
        for row in found:
            event = await self.desk.view.received(connection, row["case_id"])
            if event is None or not isinstance(event.data, ComplaintReceived):
                continue
            try:
                opener = await self.vault.opener(connection, row["case_id"])
            except (Erased, Missing):
                continue
            names = _all(event.data)
            yield {
                "case_id": row["case_id"],
                "source": event.data.source,
                "source_ref": event.data.source_ref,
                "fields": {
                    name: None
                    if tells_reporter(event.data, name)
                    else _opened(event.data, name, opener)
                    for name in names
                },
            }

    async def _export(self, connection: Connection, export_id: str) -> Any:
        row = await connection.fetchrow(
            f"SELECT * FROM {self.tables.exports} WHERE id = $1", export_id
        )
        if row is None:
            raise Refusing(Refusal(404, "UNKNOWN_EXPORT", "no such export"))
        return row

    # --- on record ------------------------------------------------------------------------------

    async def _opener(self, connection: Connection, case_id: str) -> Sealer:
        try:
            return await self.vault.opener(connection, case_id)
        except Erased:
            reason = "what this case says of persons was erased"
            raise Refusing(Refusal(409, "ERASED", reason)) from None
        except Missing:
            reason = "the vault holds no key of this case: nobody erased it; restore the vault"
            raise Refusing(Refusal(409, "KEY_MISSING", reason)) from None

    async def _deny(self, subject: str, action: str, caller: Caller) -> None:
        """Record the refusal, then refuse."""
        await self._record(subject, AccessDenied(action=action, reason="NOT_ENTITLED"), caller)
        reason = f"role {caller.key.role} of {caller.key.unit} is not entitled; this is on record"
        raise Refusing(Refusal(403, "NOT_ENTITLED", reason))

    async def _record(self, subject: str, data: AnyData, caller: Caller) -> None:
        now = self.desk.governance.clock.now()
        person = self.vault.matcher.person(caller.person)
        event = Event(
            id=derived_id(subject, type(data).__name__, caller.actor, self._stamp(caller)),
            subject=subject,
            time=now,
            recordedtime=now,
            data=data,
            actor=f"{caller.key.unit}/{caller.key.role}/{person}",
        )
        await self.desk.publish(event)

    def _stamp(self, caller: Caller) -> str:
        """Names one look: who and when (real time, so that two looks are two facts)."""
        return f"{caller.actor}|{wall_now().isoformat()}"


def _exported(key: Key) -> list[str] | None:
    """Of which sources a key exports: a clerk of their own intake (domain 7); None: of all."""
    return None if key.role != "clerk" or key.may_post(ALL) else list(key.sources)


def _opened(data: ComplaintReceived, name: str, opener: Sealer) -> Any:
    """One field in clear; None where nothing was said."""
    if name.startswith("claims/"):
        line = name.removeprefix("claims/")
        sealed = next((claim.sealed for claim in data.claims if claim.line == line), None)
    else:
        sealed = FIELDS[name](data)
    if sealed is None or not sealed.startswith("sealed:"):
        return sealed
    try:
        plain = opener.open(sealed)
    except CannotOpen:
        return None
    return orjson.loads(plain) if name == "contact" or name.startswith("claims/") else plain


_DATE: Final = r"(?:19|20)\d\d([-./])\d\d?\1\d\d?(?!\d)"
_DIGITS: Final = re.compile(
    rf"(?<!\d)(?!{_DATE})\d(?:[ \t\u3000.·_/()（）-]{{0,2}}\d){{6,}}[Xx]?|\d{{6}}[Xx]"
)
"""Seven digits or more, as numbers of persons are written: in one, or in groups; no date."""
_SPELLED: Final = re.compile(rf"[{SPELLED}](?:[ \t\u3000.·_/-]{{0,2}}[{SPELLED}]){{6,}}")
"""The same written out (一三八…): no sum of money has seven digits without a unit between."""
_COUNT: Final = r"[\d零〇一二三四五六七八九十百]+"
_PART: Final = r"(?:村民)?(?:小组|组|队|号楼|号院|号|栋|幢|单元|室|户|排)"
_DOOR: Final = re.compile(rf"(?:(?<=村)|(?<=社区)|(?<=小区))(?:第?{_COUNT}{_PART}[ 之]?)+")
"""Where in a village or an estate somebody lives: 七组42号."""
_VILLAGE: Final = re.compile(r".*?(?:村|社区)(?![镇乡路街])|.*?(?:街道|[镇乡])")
_ADDRESS: Final = "site/address"


def masked_fields(values: Mapping[str, Any], names: Iterable[str] = ()) -> dict[str, Any]:
    """Fields of one complaint, as `masked`; of an address nothing below the village."""
    return {
        name: _to_village(value) if name == _ADDRESS and value else masked(value, names)
        for name, value in values.items()
    }


def _to_village(address: str) -> str:
    """唐庄镇某某村****: to the village or community, where none is told to the town."""
    plain = unicodedata.normalize("NFKC", address)
    found = _VILLAGE.match(plain)
    told = found[0] if found else ""
    return told + "*" * (len(plain) - len(told))


def masked(value: Any, names: Iterable[str] = ()) -> Any:
    """张*, 4101**********123X, 138****1234; in texts digits are starred, and these names."""
    if isinstance(value, dict):
        return {key: _masked_part(key, str(part)) for key, part in value.items()}
    if isinstance(value, str):
        shown = visible(value)
        starred = _DIGITS.sub(lambda found: re.sub(r"[\dXx]", "*", found[0]), shown)
        for pattern in (_SPELLED, _DOOR):
            starred = pattern.sub(lambda found: "*" * len(found[0]), starred)
        for name in sorted(names, key=len, reverse=True):
            spaced = r"\s*".join(map(re.escape, name))
            starred = re.sub(spaced, _masked_part("name", name), starred)
        return starred
    return value


def names_in(parts: Iterable[Any]) -> set[str]:
    """The names of persons in opened contacts and claim lines; one sign alone is a word."""
    named = (str(part.get("name") or "").split() for part in parts if isinstance(part, dict))
    return {name for words in named if len(name := "".join(words)) > 1}


def _all(data: ComplaintReceived) -> tuple[str, ...]:
    """Everything of a complaint that can be revealed."""
    return (*FIELDS, *(f"claims/{claim.line}" for claim in data.claims))


def _named(data: ComplaintReceived) -> tuple[str, ...]:
    """The fields in which a complaint names persons."""
    return ("contact", *(f"claims/{claim.line}" for claim in data.claims))


def _masked_part(name: str, text: str) -> str:
    if name == "name":
        return text[:1] + "*" * max(1, len(text) - 1)
    if name == "phone":
        return text[:3] + "****" + text[-4:] if len(text) >= 11 else "****"
    return text[:4] + "*" * max(0, len(text) - 8) + text[-4:]
