"""Files as tables: what is read, and what a hostile or careless file comes to."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from services.intake import sheets
from services.intake.complaint import Refused
from services.intake.mapping import Mapping, read_mapping, row_table, table
from services.intake.sheets import Row, Unusable, read_rows
from shared.policy import Policy, adopt, read_book

POLICY: Policy = adopt(read_book("dengfeng-2021-35"), datetime(2021, 11, 10, tzinfo=UTC), "test")
MAPPING = """{"columns": {"编号": {"field": "source_ref"}, "时间": {"field": "received_at"},
 "用人单位": {"field": "employer.name"}, "金额(万元)": {"field": "amount_fen", "optional": true},
 "情况": {"field": "text", "optional": true}, "诉求": {"field": "text", "optional": true},
 "姓名": {"field": "worker.name", "optional": true},
 "身份证": {"field": "worker.id_no", "optional": true}},
 "ignore": ["序号"]}"""


def workbook(*rows: Sequence[Any], merges: Sequence[str] = ()) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for cells in merges:
        sheet.merge_cells(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def cells(content: bytes) -> list[tuple[Any, ...]]:
    return [row.cells for row in read_rows(content)]


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as error:
        read_rows(content)
    return error.value.problems[0].code, error.value.problems[0].detail


def outcome(content: bytes) -> str:
    """`rows`, or the sentence of the refusal."""
    try:
        read_rows(content)
    except Refused as error:
        return error.problems[0].detail
    return "rows"


INTACT = workbook(["编号", "时间"], [1, "2021-11-10"], merges=["A1:B1"])


def mapping() -> Mapping:
    return read_mapping(MAPPING.encode())


def refused(raw: str) -> set[tuple[str, str]]:
    with pytest.raises(Refused) as error:
        read_mapping(raw.encode())
    return {(item.pointer, item.code) for item in error.value.problems}


# --- files --------------------------------------------------------------------------------------


def test_a_workbook_s_numbers_are_exact_and_its_dates_have_no_zone() -> None:
    at = datetime(2021, 11, 10, 9)  # noqa: DTZ001 - a workbook has no zone
    assert cells(workbook(["a", 1, 1.5, at, True, None])) == [("a", 1, Decimal("1.5"), at, "是")]


def test_formulas_errors_and_merged_cells_are_no_values() -> None:
    content = workbook(
        ["h"], ["=1+1"], ["#N/A"], ["x"], [None], [1.7976931348623157e308], merges=["A4:A5"]
    )
    found = [row[0].code for row in cells(content)[1:] if isinstance(row[0], Unusable)]
    assert found == ["formula", "cell_error", "merged_cell", "merged_cell", "wrong_type"]


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "@SUM(A1)", "+A1", "-B2+3", "=1"])
def test_what_a_spreadsheet_would_run_is_refused_from_a_csv_too(cell: str) -> None:
    (row,) = cells(f"{cell};x".encode())
    assert row == (Unusable("formula"), "x")


@pytest.mark.parametrize("cell", ["+86 13000000300", "-12", "2021-07", "a=b"])
def test_ordinary_signs_are_no_formulas(cell: str) -> None:
    assert cells(f"{cell};x".encode()) == [(cell, "x")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_is_read_in_the_encodings_that_are_met(encoding: str) -> None:
    content = '编号,单位\r\n1,"某某,有限\n公司"\r\n'.encode(encoding)
    assert cells(content) == [("编号", "单位"), ("1", "某某,有限\n公司")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xff\xff\x80", "unknown_encoding"),
        (b"a\x00b", "unknown_encoding"),
        (b'a,"b\n', "csv_invalid"),
        (b"\xd0\xcf\x11\xe0 old Excel", "wrong_format"),
        (b"%PDF-1.7", "wrong_format"),
        (b"PK\x03\x04 not a zip", "wrong_format"),
        (b"," * 400 + b"x", "too_many_columns"),
        (b"x\n" * (sheets.MAX_ROWS + 1), "too_many_rows"),
        (b"x" * (sheets.MAX_FILE + 1), "too_long"),
    ],
)
def test_what_is_no_table_or_too_much_is_refused(content: bytes, code: str) -> None:
    assert refusal(content)[0] == code


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "empty", "empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "empty", "empty"),
        (b";;\r\n-;/;\r\n", "empty", "empty"),
        (workbook(), "empty", "empty"),
        (b'{"source": "window", "source_ref": "1"}', "wrong_format", "JSON"),
        ('[\n  {"来源单号": "1"}\n]\n'.encode("utf-16"), "wrong_format", "JSON"),
        (b'{"a": 1}\n{"a": 2}\n', "wrong_format", "JSON"),
        (b"<html><table><tr><td>x</td></tr></table></html>", "wrong_format", ".xlsx"),
    ],
)
def test_a_file_that_is_empty_or_no_table_at_all_is_told_so(
    content: bytes, code: str, word: str
) -> None:
    found, detail = refusal(content)
    assert found == code
    assert word in detail


def test_a_header_in_brackets_is_no_json() -> None:
    assert cells(b"[a];b\r\n1;2") == [("[a]", "b"), ("1", "2")]


def _packed(name: str, part: bytes) -> bytes:
    """A workbook with one part replaced."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(["x"]))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for item in old.infolist():
            new.writestr(item.filename, part if item.filename == name else old.read(item))
    return out.getvalue()


def test_a_bomb_is_not_unpacked() -> None:
    bomb = _packed("xl/worksheets/sheet1.xml", b" " * (70 << 20))
    assert len(bomb) < 1 << 20
    assert refusal(bomb)[0] == "too_long"


def test_entities_that_grow_are_refused() -> None:
    grows = b"".join(
        b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 50) for name in range(98, 106)
    )
    part = (
        b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "aaaaaaaaaa">' + grows + b"]>"
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row></sheetData></worksheet>'
    )
    assert refusal(_packed("xl/worksheets/sheet1.xml", part))[0] == "wrong_format"


def test_rows_at_the_end_of_the_sheet_cost_nothing() -> None:
    """A tiny file that claims a million rows, or 16,384 columns in each, is read in a moment."""
    wide = b"".join(
        b'<row r="%d"><c r="XFD%d" s="0"/></row>' % (number, number) for number in range(1, 600)
    )
    start = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    began = process_time()
    part = start + wide + b"</sheetData></worksheet>"
    assert refusal(_packed("xl/worksheets/sheet1.xml", part))[0] == "empty"
    valued = start + wide.replace(b's="0"/>', b"><v>1</v></c>") + b"</sheetData></worksheet>"
    assert refusal(_packed("xl/worksheets/sheet1.xml", valued))[0] == "too_many_columns"
    part = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1"><v>1</v></c></row>'
        b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>'
    )
    assert refusal(_packed("xl/worksheets/sheet1.xml", part))[0] == "too_many_rows"
    assert process_time() - began < 10


@settings(max_examples=60)
@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf"]))
def test_no_bytes_bring_the_reader_down(content: bytes, head: bytes) -> None:
    """They are a table or refused."""
    assert outcome(head + content)


@settings(max_examples=30)
@given(st.data())
def test_no_damage_to_a_workbook_brings_the_reader_down(data: st.DataObject) -> None:
    whole = bytearray(INTACT)
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(whole))


# --- mappings -----------------------------------------------------------------------------------


def test_a_row_becomes_a_complaint_by_its_columns() -> None:
    content = workbook(
        ["某市欠薪线索台账"],
        ["序号", "编号", "时间", "用人单位", "金额（万元）", "情况", "诉求", "姓名", "身份证"],
        [1, 20210001, 44510.375, "示例店", 1.2, "欠薪", "请帮助", "王小二", "41012519900306991X"],
    )
    found = table(read_rows(content), mapping())
    (row,) = found.rows
    assembled = found.assembled(row, "window", POLICY, "CITY")
    assert assembled.problems == []
    assert assembled.complaint == {
        "tier": "CITY",
        "source": "window",
        "source_ref": "20210001",
        "received_at": "2021-11-10T09:00:00+08:00",
        "employer": {"name": "示例店"},
        "amount_fen": 1_200_000,
        "text": "欠薪\n请帮助",
        "workers": 1,
        "claims": [
            {
                "worker": {"name": "王小二", "id_no": "41012519900306991X"},
                "amount_fen": 1_200_000,
            }
        ],
    }
    assert assembled.place_of("/claims/0/worker/id_no") == "身份证"
    assert assembled.place_of("/employer") == "用人单位"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("编号,时间", ("用人单位", "missing_column")),
        ("编号,时间,用人单位,手机", ("手机", "unmapped_column")),
        ("编号,编号,时间,用人单位", ("编号", "twice")),
        ("a,b,c", ("", "no_header")),
    ],
)
def test_a_file_must_have_the_columns_of_its_mapping_and_no_others(
    header: str, problem: tuple[str, str]
) -> None:
    with pytest.raises(Refused) as error:
        table(read_rows(f"{header}\n1,2,3,4".encode()), mapping())
    found = [(item.pointer, item.code) for item in error.value.problems]
    assert problem in found


@pytest.mark.parametrize(
    "text", ["各位领导：\n\n我们在工地干了三个月没有拿到工资。", "工资", "a,b\n1,2\n"]
)
def test_what_is_no_table_of_the_mapping_is_told_what_was_expected(text: str) -> None:
    with pytest.raises(Refused) as error:
        table(read_rows(text.encode()), mapping())
    (problem,) = error.value.problems
    assert problem.code == "no_header"
    for word in ("CSV", ".xlsx", "20", "编号", "用人单位"):
        assert word in problem.detail


def test_text_that_cannot_be_csv_is_told_what_was_expected() -> None:
    code, detail = refusal('信：\n"你好" 说他\n'.encode())
    assert code == "csv_invalid"
    assert detail.startswith("line 2: ")
    assert ".xlsx" in detail


def test_a_value_in_a_column_without_a_header_is_not_lost_in_silence() -> None:
    content = workbook(["编号", "时间", "用人单位"], ["1", "2021-11-10", "店", None, "备注在此"])
    found = table(read_rows(content), mapping())
    problems = found.assembled(found.rows[0], "window", POLICY, "CITY").problems
    assert [(item.pointer, item.code) for item in problems] == [("column 5", "no_header")]


CELLS = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(),
    st.sampled_from([Unusable("formula"), Unusable("merged_cell")]),
)


@given(st.lists(CELLS, min_size=1, max_size=8))
def test_a_row_put_aside_is_read_again_as_it_was(given_cells: Any) -> None:
    """What was no value is none again, and what could be read says the same."""
    names = ["编号", "时间", "用人单位", "金额(万元)", "情况", "诉求", "姓名", "身份证"]
    found = table([Row(1, tuple(names)), Row(2, tuple(given_cells))], mapping())
    first = found.assembled(found.rows[0], "window", POLICY, "CITY")
    cells_of = found.cells(found.rows[0], first.problems)
    if not cells_of:
        return
    again = row_table(cells_of, mapping())
    second = again.assembled(again.rows[0], "window", POLICY, "CITY")
    assert {item.pointer for item in first.problems} <= {item.pointer for item in second.problems}
    said = {"source_ref", "received_at", "amount_fen"}
    both = first.complaint.keys() & second.complaint.keys() & said
    assert {name: first.complaint[name] for name in both} == {
        name: second.complaint[name] for name in both
    }


def test_the_readme_s_mapping_is_one() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (Path(__file__).parents[2] / name).read_text("utf-8")
        example = re.search(r"`(\{\"columns\".*?\})`", text, re.DOTALL)
        assert example is not None
        assert read_mapping(example[1].encode()).ignore == ("序号",)


BASE = '"时间": {"field": "received_at"}, "店": {"field": "employer.name"}'


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("{}", ("/columns", "missing")),
        ('{"columns": {"时间": {"field": "received_at"}}}', ("/columns", "missing")),
        ('{"columns": {"店": {"field": "employer.name"}}}', ("/columns", "missing")),
        (f'{{"columns": {{{BASE}, "x": {{"field": "nothing"}}}}}}',
         ("/columns/x/field", "unknown_field")),
        (f'{{"columns": {{{BASE}, "金额": {{"field": "amount_fen"}}}}}}',
         ("/columns/金额/unit", "missing")),
        (f'{{"columns": {{{BASE}, "x": {{"field": "workers", "unit": "wan"}}}}}}',
         ("/columns/x/unit", "no_amount")),
        (f'{{"columns": {{{BASE}, "x": {{"field": "received_at"}}}}}}',
         ("/columns/x/field", "twice")),
        (f'{{"columns": {{{BASE}}}, "ignore": ["店 "]}}', ("/columns/店", "twice")),
        (f'{{"columns": {{{BASE}}}, "constants": {{"kind": "x"}}}}',
         ("/constants/kind", "not_in_list")),
        (f'{{"columns": {{{BASE}}}, "constants": {{"source": "x"}}}}',
         ("/constants/source", "unknown_field")),
        ("[", ("", "json_invalid")),
    ],
)  # fmt: skip
def test_a_mapping_that_makes_no_sense_is_refused_with_its_column(
    raw: str, problem: tuple[str, str]
) -> None:
    assert problem in refused(raw)


@given(st.lists(CELLS, min_size=1, max_size=10))
def test_every_row_is_a_complaint_or_has_a_problem_in_a_named_column(given_cells: Any) -> None:
    names = ["编号", "时间", "用人单位", "金额(万元)", "情况", "诉求", "姓名", "身份证"]
    header = Row(1, tuple(names))
    found = table([header, Row(2, tuple(given_cells))], mapping())
    assembled = found.assembled(found.rows[0], "window", POLICY, "CITY")
    for item in assembled.problems:
        assert item.pointer in names or item.pointer.startswith("column ")
    for index, cell in enumerate(given_cells[: len(names)]):
        if isinstance(cell, Unusable):
            assert any(item.pointer == names[index] for item in assembled.problems)
    assert set(found.cells(found.rows[0], assembled.problems)) >= {
        names[i] for i, cell in enumerate(given_cells[: len(names)]) if cell is not None
    }
