"""Excel workbooks: the values of a sheet as text, and what a sheet shows or hides that values alone don't tell."""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from qpgis.errors import SourceError
from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.grid import Grid, Merged

_MOST_BYTES = 600_000_000
_MOST_PARTS = 20_000
_MOST_RATIO = 400
_LARGE = 50_000_000
_MOST_CELLS = 30_000_000
_ERRORS = frozenset(
    ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA"]
)
_EXACT_DIGITS = 15
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError, RuntimeError, NotImplementedError)
_CELL = re.compile(
    rb'<(?:\w+:)?c\b([^>]*?\br="([A-Z]+\d+)"[^>]*)>\s*<(?:\w+:)?f\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>)'
    rb"\s*(?:<(?:\w+:)?v\s*(?:/>|>([^<]*)</(?:\w+:)?v>))?"
)
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*\bref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_HIDDEN = re.compile(rb'<(?:\w+:)?(row|col)\b(?=[^>]*\bhidden="(?:1|true)")[^>]*>')
_ROW = re.compile(rb'<(?:\w+:)?row\b[^>]*?\br="(\d+)"')
_STRICT = b"http://purl.oclc.org/ooxml/"
_ZEROS = re.compile(r"0{2,}")


def sheet_names(path: Path, what: str) -> tuple[str, ...]:
    """The visible sheets that hold something; the hidden ones if no other does.

    Raises
    ------
    SourceError
        If it is no workbook that can be read.
    """
    with _opened(path, what) as book:
        with _read_as_damaged(what):
            filled = [sheet for sheet in book.worksheets if _holds_something(sheet)]
        if not filled:
            raise SourceError(f"{what}: the workbook is empty; save it again in Excel")
        visible = [sheet.title for sheet in filled if sheet.sheet_state == "visible"]
        return tuple(visible or [sheet.title for sheet in filled])


def read_sheet(request: Request, name: str) -> Grid:
    """The cells of a sheet as text; what is hidden, merged, wrong or was never computed is said.

    Raises
    ------
    SourceError
        If it is no workbook that can be read.
    """
    with _opened(request.path, request.what) as book:
        sheet = book[name]
        hidden = [s.title for s in book.worksheets if s.sheet_state != "visible" and s.title != name]
        if hidden:
            request.note(Severity.INFO, "table_hidden_sheets", value=", ".join(hidden))
        with _read_as_damaged(request.what):
            raw = _part(request.path, book, name)
            records, numbers, errors, long = _cells(sheet)
        _refuse_repeated_rows(request, raw)
    _say_cells(request, raw, errors, long)
    merged = _fill_merged(records, numbers, raw)
    width = max((len(record) for record in records), default=0)
    if width * len(records) > _MOST_CELLS:
        raise request.refusal(
            f"sheet {name!r} has {len(records)} rows and {width} columns; delete what is empty in Excel"
        )
    return Grid([record + [""] * (width - len(record)) for record in records], numbers, merged)


@contextmanager
def _opened(path: Path, what: str) -> Iterator[Any]:
    """The workbook, after its parts were looked over."""
    import openpyxl

    _refuse_unsafe(path, what)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles, validations and the like
        with _read_as_damaged(what):
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        with closing(book):
            yield book


@contextmanager
def _read_as_damaged(what: str) -> Iterator[None]:
    """What openpyxl raises as our refusal; for nothing but what it reads."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # openpyxl trusts what a workbook says of itself and raises anything
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise SourceError(f"{what}: the workbook is damaged ({reason}); open it in Excel and save it again") from error


def _refuse_unsafe(path: Path, what: str) -> None:
    """Refuse what isn't a plain workbook of bearable size, before anything is unpacked."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        locked = "EncryptedPackage".encode("utf-16-le") in path.read_bytes()
        why = (
            "is protected by a password; save it without" if locked else "is in the old Excel format; save it as .xlsx"
        )
        raise SourceError(f"{what}: the workbook {why}")
    if not zipfile.is_zipfile(path):
        raise SourceError(f"{what}: it is no Excel workbook (.xlsx), or was cut; open it in Excel and save it again")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _refuse_parts(parts, what)
            macros = b"macroEnabled" in archive.read("[Content_Types].xml")
            if any(_STRICT in archive.read(part) for part in parts if part.filename == "xl/workbook.xml"):
                raise SourceError(f"{what}: it is a strict Open XML workbook; save it as a usual one (.xlsx)")
            if any(_declares_entities(archive, part) for part in parts):
                raise SourceError(
                    f"{what}: the workbook declares XML entities, which no Excel writes; save it again in Excel"
                )
    except _BROKEN as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{what}: it is no Excel workbook (.xlsx) or damaged; save it again in Excel") from error
    if macros or any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise SourceError(f"{what}: the workbook holds macros; save it as .xlsx without them")
    if any(part.filename.endswith("workbook.bin") for part in parts):
        raise SourceError(f"{what}: it is a binary workbook (.xlsb); save it as .xlsx")


def _refuse_parts(parts: Sequence[zipfile.ZipInfo], what: str) -> None:
    total = sum(part.file_size for part in parts)
    bomb = any(p.file_size > _LARGE and p.file_size > _MOST_RATIO * max(p.compress_size, 1) for p in parts)
    if total > _MOST_BYTES or len(parts) > _MOST_PARTS or bomb:
        raise SourceError(
            f"{what}: unpacked, the workbook takes {total / 1e6:.0f} MB in {len(parts)} parts; save it as CSV UTF-8"
        )


def _declares_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """True where a part begins as only an attack on its reader does."""
    if not part.filename.lower().endswith((".xml", ".rels")):
        return False
    with archive.open(part) as file:
        return b"<!DOCTYPE" in file.read(4096)


def _holds_something(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(value not in (None, "") for row in sheet.iter_rows(values_only=True) for value in row)


def _cells(sheet: Any) -> tuple[list[list[str]], list[int], list[str], list[str]]:
    """Rows that aren't blank, their numbers; cells with an error; numbers with more digits than Excel keeps."""
    from openpyxl.utils import get_column_letter

    sheet.reset_dimensions()
    records: list[list[str]] = []
    numbers: list[int] = []
    errors: list[str] = []
    long: list[str] = []
    for number, row in enumerate(sheet.iter_rows(), 1):
        record = [_text(cell) for cell in row]
        while record and not record[-1]:
            record.pop()
        if not record:
            continue
        for column, value in enumerate(record, 1):
            if value in _ERRORS and row[column - 1].data_type == "e":
                errors.append(f"{get_column_letter(column)}{number} {value}")
                record[column - 1] = ""
            elif row[column - 1].data_type == "n" and len(value) > _EXACT_DIGITS and value.isdigit():
                long.append(f"{get_column_letter(column)}{number}")
        records.append(record)
        numbers.append(number)
    return records, numbers, errors, long


def _text(cell: Any) -> str:
    """A value as it is written: whole numbers without a point, dates as 2024-12-31, codes with their leading zeros."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        value = int(value)
    if isinstance(value, int):
        shown = cell.number_format or ""
        return str(value).zfill(len(shown)) if value >= 0 and _ZEROS.fullmatch(shown) else str(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _part(path: Path, book: Any, name: str) -> bytes:
    """A sheet as it is stored."""
    inner = book[name]._worksheet_path  # nothing public says which part a sheet is
    with zipfile.ZipFile(path) as archive:
        return archive.read(inner)


def _refuse_repeated_rows(request: Request, raw: bytes) -> None:
    """A row that stands twice, or out of its order, would be lost."""
    rows = list(map(int, _ROW.findall(raw)))
    wrong = next((row for row, before in zip(rows[1:], rows, strict=False) if row <= before), None)
    if wrong is not None:
        raise request.refusal(f"row {wrong} of the sheet stands twice or out of order; save it again in Excel")


def _say_cells(request: Request, raw: bytes, errors: list[str], long: list[str]) -> None:
    if errors:
        request.note(Severity.WARNING, "table_error_cells", value=", ".join(errors[:10]), count=len(errors))
    if long:
        request.note(Severity.ERROR, "table_digits_lost", value=", ".join(long[:10]), count=len(long))
    uncounted = [match[2].decode() for match in _CELL.finditer(raw) if not match[3] and b't="str"' not in match[1]]
    if uncounted:
        value = ", ".join(uncounted[:10])
        request.note(Severity.ERROR, "table_formulas_without_values", value=value, count=len(uncounted))
    hidden = [match[1] for match in _HIDDEN.finditer(raw)]
    if hidden:
        rows, columns = hidden.count(b"row"), hidden.count(b"col")
        request.note(Severity.WARNING, "table_hidden_cells", value=f"{rows} + {columns}", rows=rows, columns=columns)


def _fill_merged(records: list[list[str]], numbers: list[int], raw: bytes) -> tuple[Merged, ...]:
    """Words of merged cells in each of them; a number isn't repeated, or sums would count it more than once."""
    from openpyxl.utils import column_index_from_string

    place = {number: row for row, number in enumerate(numbers)}
    width = max((len(record) for record in records), default=0)
    merged: list[Merged] = []
    for match in _MERGED.finditer(raw):
        left, right = (min(column_index_from_string(match[n].decode()), width) - 1 for n in (1, 3))
        top, bottom = int(match[2]), int(match[4])
        rows = (
            [place[number] for number in range(top, min(bottom, numbers[-1]) + 1) if number in place] if numbers else []
        )
        if not rows or top not in place:
            continue
        merged.append((rows[0], left, rows[-1], right))
        first = records[rows[0]]
        value = first[left] if left < len(first) else ""
        if value and not re.fullmatch(r"[-+]?[\d.,]+%?", value):
            for row in rows:
                record = records[row]
                record += [""] * (right + 1 - len(record))
                record[left : right + 1] = [value] * (right + 1 - left)
    return tuple(merged)
