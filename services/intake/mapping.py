"""Which column of an office's spreadsheet is what: kept for each source, set by a person.

A column is known by its header, however its brackets and blanks are written. Every column of a
file must be named here, as a field or as ignored: a column that nobody has read is a fact that
somebody wrote down and that would be lost.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from services.intake.complaint import Line, Part, Problem, Refused, pointer, problems_of, slips
from services.intake.fields import FIELDS, KINDS, SEVERAL, TIERS, VIAS, Assembled, Given, assemble
from services.intake.sheets import MAX_COLUMNS, Row, Unusable, shown, text_cell
from services.intake.written import Unit
from shared.policy import Policy

HEADER_ROWS: Final = 20
"""A sheet's header is looked for below titles and notes, but not further down than this."""

_CONSTANTS: Final = {"tier": TIERS, "kind": KINDS, "via": VIAS}


class Column(Part):
    """What one column is. `unit`: of an amount, where its header does not say 元 or 万元."""

    field: Line
    unit: Unit | None = None
    optional: bool = False


class Mapping(Part):
    """列映射 of one source. `columns`: header -> field; `constants`: tier, kind, via of a row."""

    columns: Annotated[dict[str, Column], Field(min_length=1, max_length=MAX_COLUMNS)]
    ignore: Annotated[tuple[str, ...], Field(max_length=MAX_COLUMNS)] = ()
    constants: Annotated[dict[str, Line], Field(max_length=3)] = Field(default_factory=dict)
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=31)] | None = None


def header(text: str) -> str:
    """A header as it is compared: NFKC, without blanks, so `涉及金额（元）` is `涉及金额(元)`."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def read_mapping(raw: bytes) -> Mapping:
    """A mapping in JSON bytes that makes sense. Raises Refused naming the column."""
    try:
        given = Mapping.model_validate_json(raw)
    except ValidationError as error:
        raise Refused(problems_of(error)) from None
    problems = slips(given, raw) or [*_column_problems(given), *_whole_problems(given)]
    if problems:
        raise Refused(problems)
    return given


def _column_problems(given: Mapping) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    fields: set[str] = set()
    for name, column in given.columns.items():
        place = pointer(("columns", name))
        if not header(name) or len(name) > 200:
            yield Problem(place, "bad_header", "a header has 1 to 200 characters")
        if header(name) in seen or header(name) in {header(text) for text in given.ignore}:
            yield Problem(place, "twice", "this header stands twice")
        seen[header(name)] = name
        if column.field not in FIELDS:
            detail = f"no field; one of {', '.join(FIELDS)}"
            yield Problem(f"{place}/field", "unknown_field", detail)
        elif column.field in fields and column.field not in SEVERAL:
            yield Problem(f"{place}/field", "twice", "another column gives this field")
        fields.add(column.field)
        if column.field == "amount_fen" and unit_of(name, column) is None:
            detail = "the header says neither 元 nor 万元: give unit yuan, wan or fen"
            yield Problem(f"{place}/unit", "missing", detail)
        if column.field != "amount_fen" and column.unit is not None:
            yield Problem(f"{place}/unit", "no_amount", "only an amount has a unit")


def _whole_problems(given: Mapping) -> Iterator[Problem]:
    fields = {column.field for column in given.columns.values()}
    if "received_at" not in fields:
        yield Problem("/columns", "missing", "no column gives received_at (接收时间)")
    if not fields & {"text", "employer.name", "employer.uscc"}:
        detail = "no column gives text, employer.name or employer.uscc"
        yield Problem("/columns", "missing", detail)
    if "months" in fields and fields & {"months_from", "months_to"}:
        yield Problem("/columns", "twice", "months, or months_from and months_to, not both")
    if "contact" in fields and fields & {"contact.name", "contact.phone"}:
        yield Problem("/columns", "twice", "contact, or its name and phone, not both")
    for name, value in given.constants.items():
        place = pointer(("constants", name))
        if name not in _CONSTANTS:
            yield Problem(place, "unknown_field", "tier, kind or via")
        elif value not in _CONSTANTS[name].values():
            values = ", ".join(_CONSTANTS[name].values())
            yield Problem(place, "not_in_list", f"one of {values}")
        elif name in fields:
            yield Problem(place, "twice", "a column gives this field")


def unit_of(name: str, column: Column) -> Unit | None:
    """The unit of an amount's column: as set, else as its header says."""
    if column.unit is not None:
        return column.unit
    plain_header = header(name)
    return "wan" if "万" in plain_header else "yuan" if "元" in plain_header else None


@dataclass(frozen=True)
class Table:
    """A file under its mapping: where each column stands, and the rows below the header."""

    mapping: Mapping
    columns: tuple[str | None, ...]
    rows: tuple[Row, ...]

    def assembled(self, row: Row, source: str, policy: Policy, tier: str) -> Assembled:
        """One row as a complaint of `source`, with what is wrong by the column's name."""
        given: list[Given] = []
        problems: list[Problem] = []
        for index, cell in enumerate(row.cells):
            name = self.columns[index] if index < len(self.columns) else None
            column = self.mapping.columns.get(name) if name is not None else None
            if cell is None or (name is not None and column is None):
                continue
            if name is None or column is None:
                place = f"column {index + 1}"
                problems.append(Problem(place, "no_header", "a value in a column without a header"))
            elif isinstance(cell, Unusable):
                problems.append(Problem(name, cell.code, cell.detail))
            else:
                given.append(Given(name, column.field, cell, unit_of(name, column)))
        constants = {f"/{name}": value for name, value in self.mapping.constants.items()}
        found = assemble(given, policy, {"/tier": tier, **constants})
        found.problems = problems + found.problems
        found.complaint["source"] = source
        return found

    def cells(self, row: Row, problems: Sequence[Problem]) -> dict[str, str]:
        """A row as it is put aside for correction: header -> text. `problems`: found in it."""
        bad = {item.pointer for item in problems}
        names = [
            (self.columns[i] if i < len(self.columns) else None) or f"column {i + 1}"
            for i in range(len(row.cells))
        ]
        return {
            name: shown(cell, name in bad)
            for name, cell in zip(names, row.cells, strict=True)
            if cell is not None
        }


def table(rows: Sequence[Row], mapping: Mapping) -> Table:
    """Find the header and its columns. Raises Refused naming columns that miss or nobody named."""
    names = {header(name): name for name in mapping.columns}
    ignored = {header(name) for name in mapping.ignore}
    best = max(rows[:HEADER_ROWS], key=lambda row: len(_headers(row) & names.keys()), default=None)
    if best is None or not _headers(best) & names.keys():
        wanted = "、".join(name for name, column in mapping.columns.items() if not column.optional)
        detail = (
            "expected is a table (.xlsx, or CSV with comma, semicolon or tab) that has in one of "
            f"its first {HEADER_ROWS} rows the headers of the mapping: {wanted[:500]}"
        )
        raise Refused([Problem("", "no_header", detail)])
    columns: list[str | None] = []
    problems: list[Problem] = []
    for cell in best.cells:
        text = header(cell) if isinstance(cell, str) else ""
        known = names.get(text)
        if known is not None and known in columns:
            problems.append(Problem(known, "twice", "this header stands twice in the file"))
        if cell is not None and known is None and text not in ignored:
            name = cell if isinstance(cell, str) else f"column {len(columns) + 1}"
            detail = "a column that the mapping neither names nor ignores"
            problems.append(Problem(name[:200], "unmapped_column", detail))
        columns.append(known if known is not None else text or None)
    for name, column in mapping.columns.items():
        if name not in columns and not column.optional:
            problems.append(Problem(name, "missing_column", "the file has no such column"))
    if problems:
        raise Refused(problems)
    below = tuple(row for row in rows if row.number > best.number)
    return Table(mapping, tuple(columns), below)


def row_table(cells: dict[str, str], mapping: Mapping) -> Table:
    """One corrected row, as header -> text, under the mapping. Raises Refused."""
    names = {header(name): name for name in mapping.columns}
    columns = tuple(names.get(header(name), name) for name in cells)
    known = {*names.values(), *mapping.ignore}
    problems = [
        Problem(name, "unmapped_column", "a column that the mapping neither names nor ignores")
        for name in columns
        if name not in known
    ]
    if problems:
        raise Refused(problems)
    return Table(mapping, columns, (Row(1, tuple(text_cell(text) for text in cells.values())),))


def _headers(row: Row) -> set[str]:
    return {header(cell) for cell in row.cells if isinstance(cell, str)}
