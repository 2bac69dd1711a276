"""Small CSV files that a workspace keeps beside its ``qpgis.toml``: settings, not layers."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from qpgis.errors import ConfigError, SourceError, closest, did_you_mean
from qpgis.naming import folded
from qpgis.sources import regular_file

Row = dict[str, str]


def named_rows(path: Path, columns: Sequence[str], *, what: str = "table") -> list[Row]:
    """The rows of a file in UTF-8 by the names of its columns, cells stripped; the first row is line 2.

    Raises
    ------
    SourceError, ConfigError
        If it can't be read, lacks one of the columns, or a row has more cells than there are columns.
    """
    regular_file(path, what=f"{what} {path.name}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            found = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = found
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{what} {path.name} can't be read as UTF-8 CSV: {error}; save it as CSV UTF-8") from error
    if missing := [name for name in columns if name not in found]:
        raise ConfigError([_missing_column(name, found) for name in missing], file=path.name)
    if twice := [name for name in dict.fromkeys(found) if name and found.count(name) > 1]:
        raise ConfigError([f"column {name!r} stands more than once; keep one" for name in twice], file=path.name)
    if long := [n for n, row in enumerate(rows, 2) if any(cell.strip() for cell in row.get(None, ()))]:
        raise ConfigError(
            [f"line {n}: more cells than columns (write 68500, not 68,500)" for n in long], file=path.name
        )
    return [{name: (row[name] or "").strip() for name in found if name} for row in rows]


def _missing_column(name: str, found: Sequence[str]) -> str:
    near = closest(name, found)
    remedy = f"there is {near!r}: rename it to {name!r}" if near is not None else did_you_mean(name, found)
    return f"no column {name!r}; {remedy}"


def with_ids(rows: Sequence[Row], column: str, names: Mapping[str, str]) -> list[Row]:
    """The rows with ids in a column: a name that only one of them has becomes its id.

    Parameters
    ----------
    rows : sequence of Row
    column : str
    names : mapping of id to name
        Names are compared as the keys of joins are, see :func:`qpgis.naming.folded`.

    >>> with_ids([{"zone": "朱家角鎮"}, {"zone": "b"}], "zone", {"a": "朱家角镇", "b": "练塘镇"})
    [{'zone': 'a'}, {'zone': 'b'}]
    """
    plain = {id: folded(name) for id, name in names.items()}
    often = Counter(plain.values())
    ids = {name: id for id, name in plain.items() if often[name] == 1}
    cells = ((row, row[column]) for row in rows)
    return [row | {column: cell if cell in names else ids.get(folded(cell), cell)} for row, cell in cells]


def is_number(cell: str) -> bool:
    """True if a cell is a finite number.

    >>> is_number("68500"), is_number("68,500"), is_number("inf")
    (True, False, False)
    """
    try:
        return abs(float(cell)) < float("inf")
    except ValueError:
        return False
