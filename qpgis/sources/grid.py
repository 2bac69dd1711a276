"""Rows of text as tables have them, and where in them the header is."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from qpgis.findings import Severity
from qpgis.sources import Request

Merged = tuple[int, int, int, int]
"""First row, first column, last row, last column of cells that are one, all from 0."""
_LEAD = 30
_FULL = 0.5
SHOWN = 10


@dataclass
class Grid:
    """The cells of a table.

    Attributes
    ----------
    records : list of list of str
        All equally wide; an empty cell is the empty text.
    numbers : list of int
        The line or row of the file where each begins.
    merged : sequence
        Cells that are one.
    semicolons : bool
        True if semicolons are between the cells, so that commas may be decimal.
    """

    records: list[list[str]]
    numbers: list[int]
    merged: Sequence[Merged] = ()
    semicolons: bool = False


@dataclass
class Table:
    """Named columns of text, and the line or row of the file where each record begins."""

    columns: dict[str, list[str]]
    numbers: list[int]
    semicolons: bool = False


def table_of(request: Request, grid: Grid) -> Table:
    """The columns under the header; what stands above it, what is unnamed or named twice is said."""
    width = max(map(len, grid.records), default=0)
    if not width:
        raise request.refusal("the table is empty; export it again")
    first = _header_row(grid.records, width)
    last = _header_end(grid, first)
    if first:
        above = " / ".join(cell for record in grid.records[:first] for cell in dict.fromkeys(record) if cell)
        request.note(Severity.INFO, "table_header_found", value=str(grid.numbers[first]), above=above[:200])
    names = [_joined(record[column] for record in grid.records[first : last + 1]) for column in range(width)]
    body, numbers = grid.records[last + 1 :], grid.numbers[last + 1 :]
    if names and all(not name or is_number(name) for name in names):
        request.note(Severity.WARNING, "table_without_header", value=", ".join(names[:SHOWN]))
        names, body, numbers = [""] * width, grid.records[first:], grid.numbers[first:]
        names = [f"column_{column + 1}" for column in range(width)]
    elif any("." in name and is_number(name) for name in names):
        odd = [name for name in names if "." in name and is_number(name)]
        request.note(Severity.WARNING, "table_header_like_data", value=", ".join(odd[:SHOWN]))
    below = sorted({grid.numbers[m[0]] for m in grid.merged if m[0] > last and m[2] > m[0]})
    if below:
        request.note(Severity.WARNING, "table_merged_cells", value=row_list(below), count=len(below))
    columns: list[list[str]] = [list(column) for column in zip(*body, strict=True)] or [[] for _ in names]
    kept = [n for n, (name, column) in enumerate(zip(names, columns, strict=True)) if name or any(column)]
    unique = _unique(request, [names[n] for n in kept])
    return Table(dict(zip(unique, (columns[n] for n in kept), strict=True)), numbers, grid.semicolons)


def row_list(numbers: Sequence[int]) -> str:
    """Lines or rows as a finding names them: the first few, and how many more.

    >>> row_list([3, 5]), row_list(range(1, 13))
    ('3, 5', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10 … (12)')
    """
    more = f" … ({len(numbers)})" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more


def plain(name: str) -> str:
    """A column's name as it is compared: without width, capitals, spaces, underscores, and what stands in brackets.

    >>> plain("Ｘ 坐标（m）"), plain("POINT_X")
    ('x坐标', 'pointx')
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    for opening, closing in ("()", "[]", "【】"):
        head, found, rest = text.partition(opening)
        text = head + rest.partition(closing)[2] if found else text
    return "".join(c for c in text if c not in " _-.:\n\t")


def is_number(cell: str) -> bool:
    """True for digits with or without sign and point."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _header_row(records: Sequence[Sequence[str]], width: int) -> int:
    """The first row that names most columns: above it stand titles."""
    widest = max(len([cell for cell in record if cell]) for record in records[:100])
    enough = max(min(2, width, widest), widest * _FULL)
    for number, record in enumerate(records[:_LEAD]):
        if len([cell for cell in record if cell]) >= enough and (widest < 2 or len({*record} - {""}) > 1):
            return number
    return 0


def _header_end(grid: Grid, first: int) -> int:
    """The last row of the header: cells that are merged in its first row reach down to it, or stand over names."""
    here = [m for m in grid.merged if m[0] == first]
    deepest = max((m[2] for m in here), default=first)
    if deepest == first and any(m[3] > m[1] for m in here):
        deepest = first + 1
    following = grid.records[first + 1 : deepest + 1]
    return deepest if following and not any(is_number(cell) for record in following for cell in record) else first


def _joined(parts: object) -> str:
    return " ".join(dict.fromkeys(" ".join(str(p).split()) for p in parts if p))  # type: ignore[attr-defined]


def _unique(request: Request, names: Sequence[str]) -> list[str]:
    """Names that differ: one that stands twice gets a number, one that is missing its column's."""
    unique: list[str] = []
    for column, name in enumerate(names, 1):
        called, again = name or f"column_{column}", 1
        while called in unique:
            again += 1
            called = f"{name or 'column'} ({again})"
        unique.append(called)
        if again > 1:
            request.note(Severity.WARNING, "table_duplicate_column", value=name, called=called)
        elif not name:
            request.note(Severity.INFO, "table_unnamed_column", value=called)
    return unique
