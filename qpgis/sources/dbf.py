"""dBASE tables: the attributes of a shapefile, or a table by itself.

Read from the bytes: GDAL drops rows of a table that is cut off, makes 0 of numbers that it can't read, floats of long
codes, and mojibake of text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.encodings import Bytes, Encoding, decide, table_claims, text_or_none

if TYPE_CHECKING:
    import pandas as pd

_HEADER, _DESCRIPTOR, _NAME = 32, 32, 11
_END_OF_FIELDS = 0x0D
_END_OF_FILE = 0x1A
_DELETED = ord("*")
_FLAGS = (0, ord(" "), _DELETED)
_VISUAL_FOXPRO = (0x30, 0x31, 0x32)
_BACKLINK = 263
"""Bytes that Visual FoxPro keeps behind the fields for the name of its database."""
_DBASE_7 = 4
_KINDS = "CNFDL"
_INTEGER = "I", 4
_EXACT = 2**53
"""Below it a float holds whole numbers exactly."""
_SHOWN = 20
RESERVED = ("geometry",)
"""Names that columns of a frame can't have."""


@dataclass(frozen=True)
class Field:
    """A field as the header describes it: its name's bytes, one letter of type, where it stands in a record."""

    name: bytes
    kind: str
    start: int
    width: int
    decimals: int


@dataclass(frozen=True)
class Header:
    """What the header of a table says, checked against the size of the file."""

    count: int
    length: int
    record: int
    driver: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes
    ----------
    frame : DataFrame
        One row a record, deleted ones too.
    deleted : array of bool
    encoding : Encoding
    """

    frame: pd.DataFrame
    deleted: np.ndarray
    encoding: Encoding


def read_table(request: Request, path: Path, cpg: str | None) -> Table:
    """Every record of a table.

    Parameters
    ----------
    request : Request
    path : Path
        The .dbf.
    cpg : str, optional
        What stands in its .cpg.

    Raises
    ------
    SourceError
        If the file is no table, is cut off or contradicts itself, or if the encoding of its text can't be told.
    """
    import pandas as pd

    header = read_header(request, path)
    records = _records(path, header)
    flags = records[:, 0]
    if not np.isin(flags, _FLAGS).all():
        row = int(np.argmin(np.isin(flags, _FLAGS)))
        raise request.refusal(f"record {row + 1} of the .dbf doesn't begin where its header says; export it again")
    fields = [f for f in header.fields if f.kind in _KINDS or (f.kind, f.width) == _INTEGER]
    left_out = [f for f in header.fields if f not in fields]
    cells = {f: _cells(records, f) for f in fields}
    text = _text(header.fields, cells)
    encoding = decide(request, text, lambda: table_claims(request, cpg, header.driver), driver=header.driver)
    names = _names(request, header.fields, encoding.codec)
    for field in left_out:
        request.note(Severity.WARNING, "dbf_field_unread", value=names[field], kind=field.kind)
    reader = _Reader(request, encoding.codec, flags == _DELETED)
    columns = {names[f]: reader.values(f, names[f], cells.pop(f)) for f in fields}
    return Table(pd.DataFrame(columns, index=range(header.count)), flags == _DELETED, encoding)


def read_header(request: Request, path: Path) -> Header:
    """The header of a table.

    Raises
    ------
    SourceError
        If it contradicts itself or the size of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER)
        length, record = (int.from_bytes(head[at : at + 2], "little") for at in (8, 10))
        body = file.read(max(length - _HEADER, 0))
    count = int.from_bytes(head[4:8], "little")
    if len(head) < _HEADER or size < length or length < _HEADER or record < 1:
        raise request.refusal("the .dbf is cut off within its header, or is none; export it again")
    if head[0] & 7 == _DBASE_7:
        raise request.refusal("the .dbf is of dBASE 7, which qpgis doesn't read; save it as dBASE IV")
    if head[15] & 1:
        raise request.refusal("the .dbf is encrypted; save it without a password")
    fields = tuple(_fields(body))
    widths = 1 + sum(f.width for f in fields)
    if widths > record:
        raise request.refusal(f"the fields of the .dbf take {widths} bytes, its records have {record}; export it again")
    spare = length - _HEADER - len(fields) * _DESCRIPTOR - 1
    if widths != record or spare not in ((0, _BACKLINK) if head[0] in _VISUAL_FOXPRO else (0,)):
        request.note(Severity.WARNING, "dbf_header_odd", value=f"{spare}, {record - widths}")
    _check_size(request, path, size - length, count, record)
    return Header(count, length, record, head[29], fields)


def _fields(body: bytes) -> Iterator[Field]:
    start = 1
    for at in range(0, len(body) - _DESCRIPTOR + 1, _DESCRIPTOR):
        if body[at] == _END_OF_FIELDS:
            return
        name, kind = body[at : at + _NAME].split(b"\0")[0], chr(body[at + _NAME]).upper()
        width, decimals = body[at + 16], body[at + 17]
        if kind == "C":  # the byte of decimals carries long texts
            width, decimals = width + 256 * decimals, 0
        yield Field(name, kind, start, width, decimals)
        start += width


def _check_size(request: Request, path: Path, size: int, count: int, record: int) -> None:
    """Refuse a table that has fewer or more records than its header says."""
    if size < count * record:
        raise request.refusal(
            f"the .dbf is cut off: its header says {count} records, {size // record} are there; export it again"
        )
    with path.open("rb") as file:
        file.seek(path.stat().st_size - size + count * record)
        rest = file.read(record)
    if rest[:1] == bytes([_END_OF_FILE]) or not rest.strip(b"\0 \r\n\x1a"):
        return
    if len(rest) < record:
        request.note(Severity.WARNING, "dbf_tail", value=str(len(rest)), count=count)
    else:
        raise request.refusal(
            f"the .dbf holds more than the {count} records that its header says (about {size // record}); "
            "open and save it in a GIS"
        )


def _records(path: Path, header: Header) -> np.ndarray:
    """The records as a matrix of bytes."""
    shape = header.count, header.record
    if not header.count:
        return np.empty(shape, dtype=np.uint8)
    return np.memmap(path, np.uint8, "r", offset=header.length, shape=shape)


def _cells(records: np.ndarray, field: Field) -> np.ndarray:
    """The bytes of a field, one value a record, as far as the first zero byte; a number behind zeros is none."""
    if not field.width:
        return np.full(len(records), b"", dtype="S1")
    block = np.ascontiguousarray(records[:, field.start : field.start + field.width])
    if field.kind != "I" and (block == 0).any():
        ends = (block == 0) if field.kind not in "NF" else (block == 0) & np.logical_or.accumulate(block != 0, axis=1)
        block = np.where(np.logical_or.accumulate(ends, axis=1), 0, block).astype(np.uint8)
    return block.view(f"S{field.width}")[:, 0]


def _text(fields: Iterable[Field], cells: dict[Field, np.ndarray]) -> Bytes:
    """Every text outside ASCII: field names and the values of text fields."""
    whole: set[bytes] = set()
    cut = {f.name for f in fields if not f.name.isascii()}
    for field, values in cells.items():
        if field.kind == "C":
            odd = set(np.char.rstrip(values[_not_ascii(values)], b" ").tolist())
            cut |= {value for value in odd if len(value) == field.width}
            whole |= {value for value in odd if len(value) < field.width}
    return Bytes(whole, cut)


def _not_ascii(values: np.ndarray) -> np.ndarray:
    return np.asarray((_matrix(values) > 0x7F).any(axis=1))


def _matrix(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint8).reshape(len(values), values.itemsize)


def _names(request: Request, fields: Iterable[Field], codec: str) -> dict[Field, str]:
    """The name of each field, unlike any other's."""
    names: dict[Field, str] = {}
    for n, field in enumerate(fields, start=1):
        plain = text_or_none(field.name, codec) or text_or_none(field.name, codec, may_be_cut=True) or ""
        plain = plain.strip()
        name, again = plain or f"field_{n}", 1
        while name in names.values() or name in RESERVED:
            again += 1
            name = f"{plain or f'field_{n}'}_{again}"
        names[field] = name
        if text_or_none(field.name, codec) is None:
            request.note(Severity.WARNING, "field_name_cut", value=name, number=n)
        if name != plain:
            request.note(Severity.WARNING, "field_renamed", value=name, name=plain, number=n)
    return names


@dataclass(frozen=True)
class _Reader:
    """Turns the bytes of fields into values; what can't be read is missing, and named."""

    request: Request
    codec: str
    deleted: np.ndarray

    def values(self, field: Field, name: str, cells: np.ndarray) -> Any:
        read: dict[str, Callable[[Field, str, np.ndarray], Any]] = {
            "C": self._texts,
            "N": self._numbers,
            "F": self._numbers,
            "D": self._dates,
            "L": self._truths,
            "I": self._integers,
        }
        return read[field.kind](field, name, cells)

    def _texts(self, field: Field, name: str, cells: np.ndarray) -> np.ndarray:
        plain = np.char.strip(cells, b" ")
        odd = _not_ascii(cells)
        found = np.empty(len(cells), dtype=object)
        found[~odd] = plain[~odd].astype(str)
        values = plain[odd].tolist()
        known = {value: text_or_none(value, self.codec) for value in set(values)}
        cut = {value for value, text in known.items() if text is None}
        known |= {value: text_or_none(value, self.codec, may_be_cut=True) for value in cut}
        found[odd] = [known[value] for value in values]
        found[found == ""] = None
        rows = np.flatnonzero(odd)[np.array([value in cut for value in values], dtype=bool)]
        self._name(Severity.INFO, "text_cut", name, rows, cells)
        return found

    def _numbers(self, field: Field, name: str, cells: np.ndarray) -> np.ndarray:
        plain = np.char.strip(cells, b" ")
        full = np.char.startswith(plain, b"*")
        self._name(Severity.WARNING, "dbf_number_too_wide", name, np.flatnonzero(full), cells)
        missing = full | (plain == b"")
        try:
            return _numeric(plain, missing, whole=not field.decimals)
        except ValueError:
            wrong = np.flatnonzero(~missing)[[not _is_number(value) for value in plain[~missing].tolist()]]
            self._name(Severity.WARNING, "dbf_number_unreadable", name, wrong, cells)
            missing[wrong] = True
            return _numeric(plain, missing, whole=not field.decimals)

    def _dates(self, field: Field, name: str, cells: np.ndarray) -> pd.Series:
        import pandas as pd

        plain = pd.Series(np.char.strip(cells, b" ").astype(object)).map(lambda b: b.decode("latin-1"))
        blank = plain.isin(["", "0" * 8, "0"])
        days = pd.to_datetime(plain.where(~blank), format="%Y%m%d", errors="coerce")
        self._name(Severity.WARNING, "dbf_date_unreadable", name, np.flatnonzero(days.isna() & ~blank), cells)
        return days

    def _truths(self, field: Field, name: str, cells: np.ndarray) -> np.ndarray:
        first = np.char.upper(cells.astype("S1"))
        found = np.full(len(cells), None, dtype=object)
        found[np.isin(first, [b"T", b"Y"])] = True
        found[np.isin(first, [b"F", b"N"])] = False
        unclear = np.flatnonzero(~np.isin(first, [b"T", b"Y", b"F", b"N", b"?", b" ", b""]))
        self._name(Severity.WARNING, "dbf_truth_unreadable", name, unclear, cells)
        return found

    def _integers(self, field: Field, name: str, cells: np.ndarray) -> np.ndarray:
        return cells.view("<i4").astype(np.int64)

    def _name(self, severity: Severity, rule: str, name: str, rows: Any, cells: np.ndarray) -> None:
        """One finding for a field, with the rows (deleted ones aside) that something is wrong with."""
        there = [row for row in rows if not self.deleted[row]]
        if there:
            ids = "; ".join(map(str, there[:_SHOWN])) + (f"; … (+{len(there) - _SHOWN})" if there[_SHOWN:] else "")
            sample = cells[there[0]].decode("ascii", "replace").strip()
            note = self.request.note
            note(severity, rule, feature_id=ids, value=name, count=len(there), sample=sample)  # severity: of the rule


def _numeric(plain: np.ndarray, missing: np.ndarray, *, whole: bool) -> np.ndarray:
    """Numbers: floats, missing ones as NaN; whole ones as integers where none is missing, too long ones as text.

    Raises
    ------
    ValueError
        If one isn't a number.
    """
    plain = np.where(missing, b"0", plain)
    if (_matrix(plain) == ord("_")).any():  # Python's own way to write numbers
        raise ValueError
    floats = plain.astype(np.float64)
    if not np.isfinite(floats).all():
        raise ValueError
    if whole and np.abs(floats).max(initial=0) >= _EXACT:
        return _long(plain, missing)
    if whole and not missing.any() and (floats == np.floor(floats)).all():
        return floats.astype(np.int64)
    return np.where(missing, np.nan, floats)


def _long(plain: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Whole numbers that a float can't hold: codes, digit by digit."""
    if not missing.any():
        try:
            return plain.astype(np.int64)
        except (OverflowError, ValueError):
            pass  # over 64 bits, or written with decimals in spite of the header: text keeps them
    found = plain.astype(str).astype(object)
    found[missing] = None
    return found


def _is_number(value: bytes) -> bool:
    try:
        return b"_" not in value and bool(np.isfinite(float(value)))
    except ValueError:
        return False
