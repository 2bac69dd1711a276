"""CSV and its kin: encoding, delimiter and structure found out and checked before a single cell is believed."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.encodings import Bytes, Encoding, decide
from qpgis.sources.grid import Grid, row_list

DELIMITERS = (",", "\t", ";", "|")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SAMPLE_CHARACTERS = 400_000
_SAMPLE_RECORDS = 300
_SAMPLE_LINES = 5_000
_CONSISTENT = 0.8
_ONLY_SHAPES = re.compile(r"\s*\w+\n(?:SRID=\d+;)?\s*(?:MULTI)?(?:POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION)\b", re.I)
"""A single column of well-known text, whose commas are no delimiters."""
_TOLD = re.compile(r"\"?sep=([^\w\s\"\\]|\t)\"?\n", re.I)
"""Excel's own first line, which names the delimiter."""
_EXCEL_TEXT = re.compile(r'\A="([^"]*)"\Z')
"""How a CSV file tells Excel that digits are text: ``="0101"``."""
_NONE = "\x1f"
_NEITHER = {
    b"PK\x03\x04": "a workbook or zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"version https://git-lfs": "a pointer of Git LFS, which names the data (get them by git lfs pull)",
}


def read_delimited(request: Request) -> tuple[Grid, Encoding]:
    """The cells of a text table, and the encoding it was in.

    Raises
    ------
    SourceError
        If it is no text table, or its quotes or its rows don't add up; the line is named.
    """
    text, encoding = _text(request)
    if text.lstrip()[:9].lower().startswith(("<html", "<!doctype", "<table", "<?xml")):
        raise request.refusal("it is a web page or XML, no text table; open it in Excel and save it as .xlsx")
    if text.lstrip().startswith("[属性描述]"):
        raise request.refusal(
            "it is a file of boundary points (界址点坐标); convert it to a Shapefile where it was made"
        )
    told = _TOLD.match(text)
    if told:  # a blank line instead, so that lines keep their numbers
        text = "\n" + text[told.end() :]
    delimiter = told[1] if told else _delimiter(request, text)
    records, numbers = _parsed(request, text, delimiter)
    _refuse_ragged(request, records, numbers)
    if '="' in text:
        records = [[_EXCEL_TEXT.sub(r"\1", cell) for cell in record] for record in records]
    _say_long_records(request, records, numbers)
    return Grid(records, numbers, semicolons=delimiter == ";"), encoding


def _text(request: Request) -> tuple[str, Encoding]:
    """The whole file, its lines ended as Unix ends them."""
    data = request.path.read_bytes()
    for head, what in _NEITHER.items():
        if data.startswith(head):
            raise request.refusal(f"it is {what}, no text table; give it its true suffix, or save it as CSV UTF-8")
    codec = next((codec for mark, codec in _UTF16.items() if data.startswith(mark)), None)
    if codec is not None:
        text, encoding = _decoded(request, data[2:], codec), Encoding("utf-16", "byte-order mark")
    else:
        marked = data.startswith(codecs.BOM_UTF8)
        data = data.removeprefix(codecs.BOM_UTF8)
        encoding = _encoding(request, data, marked=marked)
        text = _decoded(request, data, encoding.codec)
    if "\0" in text:
        raise request.refusal(
            "it holds NUL characters, so it is no text table (or UTF-16 without a mark); save it as CSV UTF-8"
        )
    text = text.lstrip("\ufeff").removesuffix("\x1a").replace("\r\r\n", "\n").replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n"), encoding


def _encoding(request: Request, data: bytes, *, marked: bool) -> Encoding:
    claims = [Encoding("utf-8", "byte-order mark")] if marked else []
    if not request.encoding and not data.isascii():
        try:
            data.decode("utf-8")
            return claims[0] if claims else Encoding("utf-8", "strict UTF-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and not data[: error.start].isascii():
                raise request.refusal(
                    "it ends within a character, so it was cut short; copy or export it again"
                ) from error
    beyond = (line for line in data.split(b"\n") if not line.isascii())
    return decide(request, Bytes(whole=frozenset(islice(beyond, _SAMPLE_LINES))), lambda: claims)


def _decoded(request: Request, data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count("\n".encode(codec), 0, error.start) + 1
        raise request.refusal(
            f"line {line} isn't legal {codec.upper()} text; it was cut or mixed of two encodings: save it as UTF-8"
        ) from error


def _delimiter(request: Request, text: str) -> str:
    """What makes the rows equally long, the more columns the better; a single column has none."""
    head = text[:_SAMPLE_CHARACTERS]
    if _ONLY_SHAPES.match(head):
        return _NONE
    head = head[: head.rfind("\n") + 1] if len(head) < len(text) else head
    best, best_score = ",", (0.0, 1)
    for delimiter in (*DELIMITERS, *((" ",) if request.path.suffix.lower() == ".txt" else ())):
        width, share = _consistency(head, delimiter)
        if (
            width > 1
            and share >= _CONSISTENT
            and (share, width) > best_score
            and (delimiter != " " or best_score[1] == 1)
        ):
            best, best_score = delimiter, (share, width)
    if best_score[1] > 1 or request.path.suffix.lower() != ".tsv":
        return best
    return "\t"


def _consistency(head: str, delimiter: str) -> tuple[int, float]:
    """How many columns most rows have, and how many of them do."""
    with _long_fields(len(head)):
        reader = csv.reader(io.StringIO(head, newline=""), **_dialect(head, delimiter), strict=False)
        widths = Counter(len(row) for row in islice(reader, _SAMPLE_RECORDS) if any(row))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return width, count / max(sum(widths.values()), 1)


def _dialect(head: str, delimiter: str) -> dict:
    spaced = delimiter == " " or re.search(re.escape(delimiter) + ' +"', head[:_SAMPLE_CHARACTERS]) is not None
    return {"delimiter": delimiter, "skipinitialspace": spaced}


def _parsed(request: Request, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Every row that isn't blank, and the line where it begins."""
    records: list[list[str]] = []
    numbers: list[int] = []
    begin = 1
    with _long_fields(len(text)):
        reader = csv.reader(io.StringIO(text, newline=""), **_dialect(text, delimiter), strict=True)
        try:
            for record in reader:
                if any(record):
                    records.append(record)
                    numbers.append(begin)
                begin = reader.line_num + 1
        except csv.Error as error:
            why = (
                "a quote is opened and never closed"
                if "unexpected end" in str(error)
                else f"its quotes are wrong ({error})"
            )
            raise request.refusal(
                f'line {begin}: {why}; write a quote within a text as "", or export it again'
            ) from error
    return records, numbers


def _refuse_ragged(request: Request, records: list[list[str]], numbers: list[int]) -> None:
    """Make rows equally long: empty cells at the end don't matter, short rows above are titles, all else is refused."""
    if not records:
        raise request.refusal("the table has no rows; export it again")
    widths = Counter(map(len, records))
    if len(widths) == 1:
        return
    width = widths.most_common(1)[0][0]
    filled = [
        len(record) - next((n for n, cell in enumerate(reversed(record)) if cell), len(record)) for record in records
    ]
    first = next(n for n, record in enumerate(records) if len(record) >= width or filled[n] > 1)
    wrong = [
        n for n in range(first, len(records)) if len(records[n]) != width and not filled[n] <= width < len(records[n])
    ]
    if wrong:
        example = ", ".join(f"line {numbers[n]} has {len(records[n])}" for n in wrong[:5])
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        raise request.refusal(
            f"most rows have {width} columns, but {example}{more}; quote what holds the delimiter, or save it as .xlsx"
        )
    for number, record in enumerate(records):
        if len(record) != width:
            records[number] = (record + [""] * width)[:width]


def _say_long_records(request: Request, records: list[list[str]], numbers: list[int]) -> None:
    """Cells with line breaks are legal; they are also what two stray quotes make of several rows."""
    over = [
        number for record, number in zip(records[1:], numbers[1:], strict=True) if any("\n" in cell for cell in record)
    ]
    if over:
        request.note(Severity.WARNING, "table_record_over_lines", value=row_list(over), count=len(over))


@contextmanager
def _long_fields(limit: int) -> Iterator[None]:
    """Room for a geometry as text: Python's reader takes no field over 128 KiB unless told."""
    before = csv.field_size_limit(max(limit, 1) + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
