"""CSV and XLSX files as rows of cells, without trusting them.

A file is read to the end before anything is decided. What a spreadsheet would compute (a formula)
or hide (a merged cell) is no value here: the row is told so. Limits: a packed file that unpacks to
too much, too many rows or columns, an unknown encoding are refused with one sentence.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite
from typing import Any, Final
from xml.etree import ElementTree

import orjson
from openpyxl import load_workbook
from openpyxl.cell.read_only import EMPTY_CELL
from openpyxl.utils import range_boundaries

from services.intake.complaint import Problem, Refused
from services.intake.written import Value, exact
from services.intake.written import plain as plain_text

MAX_FILE: Final = 16 << 20
"""Bytes of an upload."""
MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 200
_MAX_UNPACKED: Final = 64 << 20
_MAX_CELL: Final = 32_767
"""Characters of a cell: what a spreadsheet itself allows."""
_DELIMITERS: Final = ",\t;"
_FORMULA = re.compile(r"[=@]|[+-]\s*[^\s\d.+\-—–]")
"""What a spreadsheet would run when such a text is opened in it."""
_UNREAD: Final = "unreadable"
_CODES: Final = {
    _UNREAD: "this could not be read; write it anew",
    "formula": "a formula is no value; paste it as a value",
    "merged_cell": "the cell is merged; split it and write the value in each row",
    "cell_error": "the spreadsheet holds an error here",
    "too_long": f"a cell has at most {_MAX_CELL} characters",
    "wrong_type": "text, a number or a date is wanted",
}


@dataclass(frozen=True)
class Unusable:
    """A cell without a value; `code` says why."""

    code: str

    @property
    def detail(self) -> str:
        return _CODES[self.code]


_QUOTES: Final = "where a cell that begins with a quote ends with one, or .xlsx"
_SAVE: Final = "not CSV or XLSX; save the file as .xlsx"

Cell = Value | Unusable | None


@dataclass(frozen=True)
class Row:
    """`number`: as the spreadsheet shows it, from 1."""

    number: int
    cells: tuple[Cell, ...]


def read_rows(content: bytes, sheet: str | None = None) -> list[Row]:
    """The rows that say something. `sheet`: of a workbook, default its first.

    Raises Refused for a file that is no table, or more than is read.
    """
    if len(content) > MAX_FILE:
        raise _refused("too_long", f"a file has at most {MAX_FILE} bytes")
    if content.startswith(b"PK\x03\x04"):
        return _read(_workbook_rows(content, sheet))
    if content.startswith((b"\xd0\xcf\x11\xe0", b"%PDF")):
        raise _refused("wrong_format", _SAVE)
    return _read(_csv_rows(content))


def _refused(code: str, detail: str) -> Refused:
    return Refused([Problem("", code, detail)])


def _read(rows: Iterator[Sequence[Cell]]) -> list[Row]:
    found: list[Row] = []
    for number, cells in enumerate(rows, 1):
        while cells and cells[-1] is None:
            cells = cells[:-1]
        if len(cells) > MAX_COLUMNS:
            raise _refused("too_many_columns", f"row {number}: at most {MAX_COLUMNS} columns")
        if cells:
            found.append(Row(number, tuple(cells)))
        if len(found) > MAX_ROWS or number > 10 * MAX_ROWS:
            raise _refused("too_many_rows", f"at most {MAX_ROWS} rows; split the file")
    if not found:
        raise _refused("empty", "the file, or the sheet of it that is read, is empty")
    return found


# --- CSV ------------------------------------------------------------------------------------------


def _csv_rows(content: bytes) -> Iterator[list[Cell]]:
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    _check_no_document(text, first)
    delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(_MAX_CELL * 4)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield [text_cell(cell) for cell in row]
    except csv.Error as error:
        detail = f"line {reader.line_num}: {error}; expected is CSV, {_QUOTES}"
        raise _refused("csv_invalid", detail) from None


def _check_no_document(text: str, first: str) -> None:
    """Raises Refused for JSON and HTML, which bear a spreadsheet's name more often than they are
    one: as CSV every line of them would be a cell.
    """
    if first.lstrip().startswith("<"):
        raise _refused("wrong_format", f"HTML or XML, {_SAVE}")
    if first.lstrip().startswith(("{", "[")) and (_is_json(first) or _is_json(text)):
        detail = "JSON, not CSV or XLSX; complaints as JSON go to POST /v1/complaints:stream"
        raise _refused("wrong_format", detail)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _decoded(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, else GB18030 (what Excel writes on a Chinese system)."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise _refused("unknown_encoding", "neither UTF-8 nor GB18030 text; save as CSV UTF-8")


def shown(cell: Cell, unread: bool = False) -> str:
    """A cell as text that `text_cell` reads again; why it is no value as `#code`.

    `unread`: it could not be read in its column. A number or date that is put aside would be text
    when it comes back, and could be read as what it was not.
    """
    if isinstance(cell, Unusable):
        return f"#{cell.code}"
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"#{_UNREAD} {plain_text(cell)}" if unread else plain_text(cell)


def text_cell(cell: str) -> Cell:
    """A cell written as text; `#formula` and the like stay what they were put aside for."""
    plain = cell.strip()
    if plain.startswith("#") and (code := plain[1:].partition(" ")[0]) in _CODES:
        return Unusable(code)
    if not plain or plain in ("-", "—", "/", "无"):
        return None
    if _FORMULA.match(plain):
        return Unusable("formula")
    return Unusable("too_long") if len(plain) > _MAX_CELL else plain


# --- XLSX -----------------------------------------------------------------------------------------


def _workbook_rows(content: bytes, name: str | None) -> Iterator[list[Cell]]:
    """Rows of one sheet, read one by one. Raises Refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MAX_UNPACKED:
                raise _refused("too_long", f"it unpacks to more than {_MAX_UNPACKED} bytes")
            book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
            try:
                sheet = _sheet(book, name)
                merged = _merged(archive, sheet._worksheet_path)
                rows = sheet.iter_rows(max_row=10 * MAX_ROWS + 1)
                for number, row in enumerate(rows, 1):
                    # Beyond what is read a cell may only be formatted, as whole rows often are.
                    if any(c is not EMPTY_CELL and c.value is not None for c in row[MAX_COLUMNS:]):
                        detail = f"row {number}: at most {MAX_COLUMNS} columns"
                        raise _refused("too_many_columns", detail)
                    yield [
                        _sheet_cell(cell, (number, column) in merged)
                        for column, cell in enumerate(row[:MAX_COLUMNS], 1)
                    ]
            finally:
                book.close()
    except Refused:
        raise
    except Exception as error:
        # A workbook is foreign bytes through several parsers: whatever they raise, it is no table.
        detail = f"this workbook cannot be read ({type(error).__name__})"
        raise _refused("wrong_format", detail) from None


def _sheet(book: Any, name: str | None) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if name is None:
        if not names:
            raise _refused("no_sheet", "the workbook has no sheet")
        return book.worksheets[0]
    if name not in names:
        raise _refused("no_sheet", "the workbook has no sheet of the mapping's name")
    return book[name]


def _merged(archive: zipfile.ZipFile, path: str) -> set[tuple[int, int]]:
    """Every place (row, column) under a merged cell, within what is read."""
    found: set[tuple[int, int]] = set()
    with archive.open(path.removeprefix("/")) as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag.endswith("}mergeCell"):
                left, top, right, bottom = range_boundaries(element.get("ref", ""))
                for row in range(top or 1, min(bottom or 1, 10 * MAX_ROWS) + 1):
                    columns = range(left or 1, min(right or 1, MAX_COLUMNS) + 1)
                    found |= {(row, column) for column in columns}
                if len(found) > MAX_ROWS * 50:
                    raise _refused("merged_cells", "too many merged cells")
            if element.tag.endswith("}row"):
                element.clear()
    return found


def _sheet_cell(cell: Any, merged: bool) -> Cell:
    value, kind = cell.value, getattr(cell, "data_type", "n")
    if merged:
        return Unusable("merged_cell")
    if value is None:
        return None
    if kind == "f" or (kind == "s" and isinstance(value, str) and value.startswith("=")):
        return Unusable("formula")
    if kind == "e":
        return Unusable("cell_error")
    match value:
        case bool():
            return "是" if value else "否"
        case str():
            return text_cell(value)
        case int():
            return value
        case float():
            return exact(value) if isfinite(value) else Unusable("wrong_type")
        case datetime():
            return value
        case date():
            return datetime.combine(value, time(0))
        case _:
            return Unusable("wrong_type")
