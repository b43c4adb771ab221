"""A small PDF writer for Chinese text and tables on A4, after ISO 32000-1.

It uses the standard Chinese font that PDF readers bring along (STSong-Light with the UniGB
encoding), so nothing is embedded and a file is a few kilobytes. The same content gives the same
bytes: there is no date and no random id in it.
"""

from __future__ import annotations

import hashlib
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 595
HEIGHT: Final = 842
MARGIN: Final = 56
_LINE: Final = 1.6
"""Distance of lines in font sizes."""
_BODY: Final = 11
_CELL: Final = 8


def advance(text: str, size: int) -> float:
    """Width of a text in points: wide characters are an em, narrow ones half of it."""
    return sum(size if unicodedata.east_asian_width(c) in "WFA" else size / 2 for c in text)


def wrap(text: str, size: int, width: float) -> list[str]:
    """The text in lines that are not wider than `width`; never empty."""
    lines, line = [], ""
    for character in text:
        if line and advance(line + character, size) > width:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


class Document:
    """Text and tables from top to bottom, on as many pages as it takes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._pages: list[list[str]] = [[]]
        self._y = float(HEIGHT - MARGIN)

    def title(self, text: str) -> None:
        for line in wrap(text, 16, WIDTH - 2 * MARGIN):
            self._room(16 * _LINE)
            self._show(line, (WIDTH - advance(line, 16)) / 2, 16)

    def heading(self, text: str) -> None:
        self._room(13 * _LINE * 2)
        self._y -= 4
        self._show(text, MARGIN, 13)

    def paragraph(self, text: str) -> None:
        for line in wrap(text, _BODY, WIDTH - 2 * MARGIN):
            self._room(_BODY * _LINE)
            self._show(line, MARGIN, _BODY)

    def table(self, rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """Rows with lines around the cells; a row is never split, the head is not repeated."""
        unit = (WIDTH - 2 * MARGIN) / sum(widths)
        for row in rows:
            cells = [
                wrap(text, _CELL, part * unit - 6) for text, part in zip(row, widths, strict=True)
            ]
            height = max(len(cell) for cell in cells) * _CELL * _LINE + 4
            self._room(height)
            top, left = self._y, float(MARGIN)
            for cell, part in zip(cells, widths, strict=True):
                self._box(left, top - height, part * unit, height)
                for index, line in enumerate(cell):
                    self._text(line, left + 3, top - 2 - (index + 1) * _CELL * 1.4, _CELL)
                left += part * unit
            self._y = top - height
        self._y -= 6

    def finish(self) -> bytes:
        """The file."""
        objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", *_FONT]
        first = len(objects) + 1
        kids = " ".join(f"{first + 2 * index} 0 R" for index in range(len(self._pages)))
        objects[1] = (
            f"<< /Type /Pages /Kids [{kids}] /Count {len(self._pages)} "
            f"/MediaBox [0 0 {WIDTH} {HEIGHT}] >>"
        ).encode()
        for index, page in enumerate(self._pages):
            number = first + 2 * index
            objects.append(
                f"<< /Type /Page /Parent 2 0 R /Contents {number + 1} 0 R "
                "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
            )
            stream = zlib.compress("\n".join(page).encode("ascii"), 9)
            head = f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
            objects.append(head + stream + b"\nendstream")
        objects.append(f"<< /Title <FEFF{_hex(self._title)}> >>".encode())
        return _file(objects)

    def _room(self, height: float) -> None:
        """Start a page where what comes does not fit any more."""
        if self._y - height < MARGIN:
            self._pages.append([])
            self._y = float(HEIGHT - MARGIN)

    def _show(self, text: str, x: float, size: int) -> None:
        self._y -= size * _LINE
        self._text(text, x, self._y, size)

    def _text(self, text: str, x: float, y: float, size: int) -> None:
        self._pages[-1].append(f"BT /F1 {size} Tf {x:.1f} {y:.1f} Td <{_hex(text)}> Tj ET")

    def _box(self, x: float, y: float, width: float, height: float) -> None:
        self._pages[-1].append(f"0.5 w {x:.1f} {y:.1f} {width:.1f} {height:.1f} re S")


_FONT: Final = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H "
    b"/DescendantFonts [4 0 R] >>",
    b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /W [1 95 500] "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> "
    b"/FontDescriptor 5 0 R >>",
    b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] "
    b"/ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
)


def _hex(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _file(objects: Sequence[bytes]) -> bytes:
    """Header, objects, cross references, trailer; the last object is the info dictionary."""
    body = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    offsets: list[int] = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    for offset in offsets:
        body += f"{offset:010d} 00000 n \n".encode()
    mark = hashlib.sha256(body).hexdigest()[:32].upper()
    body += (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R "
        f"/ID [<{mark}> <{mark}>] >>\nstartxref\n{start}\n%%EOF\n"
    ).encode()
    return bytes(body)
