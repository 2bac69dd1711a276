"""Outputs opened again: what stands in a file of each format, and what it shows of the rows of ``indicators.csv``.

A format is one entry in :data:`FORMATS`: a reader of everything, cell by cell, and for files that show values a reader
of these together with what they should be.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from qpgis.catalogue import Lang, keys, text, unit_text
from qpgis.maps.result import MAP_DECIMALS
from qpgis.report.tables import (
    FIRST_ROW,
    VALUE_COLUMNS,
    cell_text,
    level_text,
    number_text,
    safe_text,
    sheet_name,
    zone_columns,
)
from qpgis.rows import CSV_COLUMNS, status_key

Record = Mapping[str, str]
"""A row of ``indicators.csv``, as it is printed."""
EXACT = ("numerator", "denominator")
"""The columns that ``indicators.csv`` prints with every digit; other numbers have twelve."""
_JSON_BLOCK = re.compile(r'<script type="application/json" id="([^"]*)_data">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Book:
    """What of a manifest says how outputs are worded: language, titles of indicators, what was computed."""

    lang: Lang
    titles: Mapping[str, str]
    computed: frozenset[tuple[str, str]]


class Cell(NamedTuple):
    """What a file shows in one place."""

    text: str
    place: str


class Line(NamedTuple):
    """What a file shows of one row, by column; ``key`` tells the row in the format's own terms."""

    key: tuple[str, ...]
    cells: Mapping[str, Cell]


class Wanted(NamedTuple):
    """What a file should show of one row: of each column the texts that are right."""

    key: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]


class Format(NamedTuple):
    """How one output is opened again."""

    cells: Callable[[Path], Iterator[tuple[str, str]]]
    shown: Callable[[Path, Book], Iterable[Line]] | None = None
    wanted: Callable[[list[Record], Book], Iterable[Wanted]] | None = None


# ---- CSV ----


def csv_records(path: Path) -> list[list[str]]:
    """The rows of a CSV file, its head first."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, strict=True))


def csv_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Every cell of a CSV file by row and column."""
    head, *rows = csv_records(path)
    yield "1", ",".join(head)
    for n, row in enumerate(rows, 2):
        for name, cell in zip(head, row, strict=False):
            yield f"{n}:{name}", cell
        if len(row) != len(head):
            yield f"{n}", f"{len(row)}"


def csv_rows(path: Path) -> list[Record]:
    """The rows of ``indicators.csv``."""
    head, *rows = csv_records(path)
    if tuple(head) != CSV_COLUMNS:
        raise ValueError(f"the columns aren't {', '.join(CSV_COLUMNS)}")
    return [dict(zip(head, row, strict=True)) for row in rows]


_ROW = ("indicator", "definition", "zone_id")


def csv_shown(path: Path, book: Book) -> Iterator[Line]:
    """The rows of ``indicators.csv``, each cell where it stands."""
    for n, row in enumerate(csv_rows(path), 2):
        yield Line(tuple(row[c] for c in _ROW), {c: Cell(cell, f"{n}:{c}") for c, cell in row.items() if c not in _ROW})


def csv_wanted(rows: list[Record], book: Book) -> Iterator[Wanted]:
    """The rows as they are."""
    for row in rows:
        yield Wanted(tuple(row[c] for c in _ROW), {c: (cell,) for c, cell in row.items() if c not in _ROW})


# ---- XLSX ----


def _workbook(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)


def xlsx_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Every cell of a workbook by sheet and place."""
    with closing(_workbook(path)) as book:
        for sheet in book.worksheets:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.value is not None:
                        yield f"{sheet.title}!{cell.coordinate}", _printed(cell.value)


def xlsx_shown(path: Path, about: Book) -> Iterator[Line]:
    """The rows of the first sheet of ``indicators.xlsx``."""
    name = sheet_name(text("sheet_indicators", about.lang), [])
    key = ("indicator", "definition", "zone", "level")
    with closing(_workbook(path)) as book:
        for row in book[name].iter_rows(min_row=FIRST_ROW, max_col=len(VALUE_COLUMNS)):
            found = dict(zip(VALUE_COLUMNS, row, strict=False))
            if any(cell.value is not None for cell in row):
                cells = {
                    c: Cell(_printed(cell.value), f"{name}!{getattr(cell, 'coordinate', c)}")
                    for c, cell in found.items()
                    if c not in (*key, "light", "elapsed")
                }
                yield Line(tuple(_printed(found[c].value) for c in key), cells)


def xlsx_wanted(rows: list[Record], book: Book) -> Iterator[Wanted]:
    """The rows in planners' words, as the first sheet has them."""
    lang = book.lang
    for row in rows:
        grade, status = row["grade"], row["status"]
        numbers = {column: (row[column],) for column in ("value", "progress", *EXACT)}
        words = {
            "period": row["period"],
            "unit": unit_text(row["unit"], lang),
            "target": row["target_text"],
            "property": row["property"],
            "status": _status(status, row["target_text"], lang),
            **{f"{c}_unit": unit_text(row[f"{c}_unit"], lang) if row[f"{c}_unit"] else "" for c in EXACT},
            "grade": text(f"grade_{grade}", lang) if f"grade_{grade}" in keys() else grade,
            "note": row["note"],
            "source": row["source"],
        }
        key = (
            book.titles.get(row["indicator"], ""),
            row["definition"],
            row["zone_name"],
            level_text(row["level"], lang),
        )
        yield Wanted(tuple(map(_cell, key)), numbers | {c: (_cell(word),) for c, word in words.items()})


def _cell(words: str) -> str:
    return safe_text(cell_text(words))


def _status(status: str, target: str, lang: Lang) -> str:
    """A status as :func:`qpgis.rows.status_text` words it; one that is none as it stands."""
    key = status_key(status, targeted=bool(target))
    return text(key, lang) if key in keys() else status


# ---- GeoPackage ----


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _tables(base: sqlite3.Connection) -> list[str]:
    return [name for (name,) in base.execute("SELECT table_name FROM gpkg_contents ORDER BY table_name")]


def _rows(base: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    found = base.execute('SELECT * FROM "{}" ORDER BY 1'.format(table.replace('"', '""')))
    names = [column[0] for column in found.description]
    yield from (dict(zip(names, row, strict=True)) for row in found)


def gpkg_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Every attribute of every layer of a GeoPackage by layer, fid and column; a shape by its hash."""
    with closing(_opened(path)) as base:
        for table in _tables(base):
            for row in _rows(base, table):
                yield from ((f"{table}/{row.get('fid')}/{name}", _printed(value)) for name, value in row.items())


def gpkg_rows(path: Path) -> list[Record]:
    """The rows of table ``indicators`` as ``indicators.csv`` prints them, but for the digits of :data:`EXACT`."""
    with closing(_opened(path)) as base:
        return [{c: _as_csv(c, row[c]) for c in CSV_COLUMNS} for row in _rows(base, "indicators")]


def _as_csv(column: str, value: Any) -> str:
    number = isinstance(value, int | float) and column not in EXACT
    return number_text(value) if number else safe_text(_printed(value)) if isinstance(value, str) else _printed(value)


def gpkg_shown(path: Path, book: Book) -> Iterator[Line]:
    """The rows of table ``indicators``, and the values of layer ``zones``."""
    with closing(_opened(path)) as base:
        for row in _rows(base, "indicators"):
            at = f"indicators/{row.get('fid')}"
            cells = {c: Cell(_as_csv(c, row[c]), f"{at}/{c}") for c in CSV_COLUMNS if c not in _ROW}
            yield Line(tuple(_printed(row[c]) for c in _ROW), cells)
        for row in _rows(base, "zones"):
            at = f"zones/{row.get('fid')}"
            cells = {c: Cell(_printed(v), f"{at}/{c}") for c, v in row.items() if isinstance(v, float) or v is None}
            yield Line(("zones", _printed(row["zone_id"])), cells)


def gpkg_wanted(rows: list[Record], book: Book) -> Iterator[Wanted]:
    """The rows as they are, and of each zone a column for every indicator and definition."""
    yield from csv_wanted(rows, book)
    columns = zone_columns((row["indicator"], row["definition"]) for row in rows)
    zones: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in rows:
        blank: dict[str, tuple[str, ...]] = dict.fromkeys(columns.values(), ("",))
        zones.setdefault(row["zone_id"], blank)[columns[row["indicator"], row["definition"]]] = (row["value"],)
    yield from (Wanted(("zones", zone), cells) for zone, cells in zones.items())


# ---- HTML ----


def _blocks(path: Path) -> tuple[str, dict[str, Any]]:
    """A page without its blocks of data, and these."""
    page = path.read_text(encoding="utf-8")
    return _JSON_BLOCK.sub("", page), {name: json.loads(words) for name, words in _JSON_BLOCK.findall(page)}


def page_blocks(path: Path) -> dict[str, Any]:
    """The blocks of data of a page."""
    return _blocks(path)[1]


def html_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Everything in the data of a page by its path; what else is on the page by its hash."""
    page, blocks = _blocks(path)
    yield "page", hashlib.sha256(page.encode()).hexdigest()
    for name, block in blocks.items():
        yield from _leaves(block, name)


def _leaves(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, f"{at}/{key}")
    else:
        yield at, _printed(value)


def _unpacked(column: Any, count: int) -> list[str]:
    """A column of strings as :func:`qpgis.maps.thematic.pack` packs it."""
    return [column["w"][i] for i in column["i"]] if isinstance(column, dict) else [column] * count


_ON_MAP = ("value", "target", "status", "note")


def html_shown(path: Path, book: Book) -> Iterator[Line]:
    """What the map shows of each zone, by indicator and definition."""
    _, blocks = _blocks(path)
    for name, block in blocks.items():
        for n, series in enumerate(block.get("series", ()) if isinstance(block, dict) else ()):
            names = {level["key"]: level["names"] for level in block["levels"]}
            for level, values in series["levels"].items():
                columns = {c: _unpacked(values[c], len(names[level])) for c in _ON_MAP}
                for z, zone in enumerate(names[level]):
                    at = f"{name}/series/{n}/levels/{level}"
                    cells = {c: Cell(safe_text(columns[c][z]), f"{at}/{c}/{z}") for c in _ON_MAP}
                    yield Line((series["indicator"], series["definition"], level, safe_text(zone)), cells)


def html_wanted(rows: list[Record], book: Book) -> Iterator[Wanted]:
    """The computed rows as the map prints them."""
    for row in rows:
        if (row["indicator"], row["definition"]) in book.computed:
            words: dict[str, tuple[str, ...]] = {"target": (row["target_text"],), "note": (row["note"],)}
            words["status"] = (_status(row["status"], row["target_text"], book.lang),)
            words["value"] = rounded(row["value"], MAP_DECIMALS.get(row["unit"], 2), unit_text(row["unit"], book.lang))
            yield Wanted((row["indicator"], row["definition"], row["level"], row["zone_name"]), words)


def rounded(value: str, decimals: int, unit: str) -> tuple[str, ...]:
    """How a value of ``indicators.csv`` may be printed with fewer digits.

    The map rounds the value itself, of which the table prints twelve digits: near a tie both neighbours are right.

    >>> rounded("12.345678", 2, "%"), rounded("0.125", 2, ""), rounded("", 2, "%")
    (('12.35 %',), ('0.12', '0.13'), ('',))
    """
    if not value:
        return ("",)
    number = float(value)
    near = (number, number * (1 - 1e-11), number * (1 + 1e-11))
    return tuple(dict.fromkeys(safe_text(f"{one:.{decimals}f} {unit}".rstrip()) for one in near))


def _printed(value: Any) -> str:
    """A cell as text; a shape by its hash."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return "" if value is None else safe_text(value) if isinstance(value, str) else repr(value)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "indicators.csv": Format(csv_cells, csv_shown, csv_wanted),
        "indicators.xlsx": Format(xlsx_cells, xlsx_shown, xlsx_wanted),
        "indicators.gpkg": Format(gpkg_cells, gpkg_shown, gpkg_wanted),
        "map.html": Format(html_cells, html_shown, html_wanted),
        ".csv": Format(csv_cells),
        ".xlsx": Format(xlsx_cells),
        ".gpkg": Format(gpkg_cells),
        ".html": Format(html_cells),
    }
)
"""How each output is opened again, by its name or else by its suffix."""
READ: Mapping[str, Callable[[Path], list[Record]]] = MappingProxyType(
    {"indicators.csv": csv_rows, "indicators.gpkg": gpkg_rows}
)
"""The outputs that hold every column of every row; the others are held against the first that still is as written."""


def format_of(name: str) -> Format | None:
    """How an output is opened again, if it is known how."""
    return FORMATS.get(name) or FORMATS.get(Path(name).suffix)
