"""Tables: CSV, TSV, text and Excel, with coordinates, with well-known text, or without any geometry.

Cells are text and stay as they are written; a column becomes numbers only where each of its texts is another number, so
that codes keep their zeros. Which rows and columns aren't what they seem is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.errors import SourceError
from qpgis.findings import Severity
from qpgis.sources import RawFeatures, Request
from qpgis.sources.coordinates import is_code, locate, sum_words
from qpgis.sources.delimited import read_delimited
from qpgis.sources.grid import Table, row_list, table_of
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.workbook import read_sheet, sheet_names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WORKBOOK = ".xlsx"
_REFUSED = {
    ".xls": "the old Excel format; open it in Excel and save it as .xlsx",
    ".xlsm": "a workbook with macros; save it as .xlsx without them",
    ".xlsb": "a binary workbook; save it as .xlsx",
    ".et": "a WPS workbook; save it as .xlsx",
    ".ods": "an OpenDocument sheet; save it as .xlsx",
}
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
_BELOW_THOUSAND = r"^[+-]?\d{1,3}(?:\.\d+)?$"
_COMMA = r"^[+-]?\d+,\d+$"
_COMMA_OR_THOUSANDS = r"^[+-]?\d{1,3},\d{3}$"
_NAMELIKE = r"^[+-]?0\d|^\+|^[+-]?\d{16}"
"""What a number would lose: zeros before it, a plus sign, more digits than it can hold."""
_BY_EXCEL = r"^\d(?:\.\d{1,5})?[eE]\+(?:09|1\d|2\d)$"
"""What Excel makes of codes of ten digits and more when it writes them to CSV."""


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The sheets of a workbook; of a text table its own name.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    _refuse_formats(path, name)
    return sheet_names(path, name) if path.suffix.lower() == WORKBOOK else (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every row of a text table or a sheet.

    Raises
    ------
    SourceError
        If it can't be read, if its quotes or rows don't add up, or if its coordinates can't be told.
    """
    _refuse_formats(request.path, request.what)
    if request.path.suffix.lower() == WORKBOOK:
        layer = chosen_layer(request, sheet_names(request.path, request.what))
        grid, driver, encoding = read_sheet(request, layer), "XLSX", ""
    else:
        layer = chosen_layer(request, (request.path.stem,))
        grid, found = read_delimited(request)
        driver, encoding = "CSV", str(found)
    table = table_of(request, grid)
    return _features(request, table, driver=driver, layer=layer, encoding=encoding)


def _refuse_formats(path: Path, what: str) -> None:
    why = _REFUSED.get(path.suffix.lower())
    if why:
        raise SourceError(f"{what}: it is {why}")


def _features(request: Request, table: Table, *, driver: str, layer: str, encoding: str) -> RawFeatures:
    import geopandas as gpd
    import pandas as pd

    columns = {name: _typed(request, table, name) for name in table.columns}
    numbers = {n: c.to_numpy(dtype=float, na_value=np.nan) for n, c in columns.items() if c.dtype.kind in "if"}
    located = locate(request, table, numbers)
    if located is not None and located.replaced:
        del columns[located.replaced]
    _say_sums(request, table, columns)
    frame = pd.DataFrame(_without_clashes(request, columns))
    if "feature_id" not in frame:
        frame.insert(0, "feature_id", pd.Series([str(number) for number in table.numbers], dtype="str"))
    geometry = located.geometry if located is not None else np.full(len(table.numbers), None, dtype=object)
    made = gpd.GeoDataFrame(frame, geometry=geometry, crs=located.crs if located is not None else None)
    if not len(made):
        request.note(Severity.WARNING, "table_without_rows")
    about = {"layer": layer, "encoding": encoding, "spatial": located is not None}
    assumed = located is not None and not located.replaced  # by what the columns are called
    return RawFeatures(made, request.name, driver, **about, default_crs=assumed)  # type: ignore[arg-type]


def _without_clashes(request: Request, columns: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """The columns, none called as the geometry is."""
    if "geometry" not in columns:
        return columns
    request.note(Severity.WARNING, "table_geometry_unread", value="geometry (2)")
    return {("geometry (2)" if name == "geometry" else name): column for name, column in columns.items()}


def _typed(request: Request, table: Table, name: str) -> pd.Series:
    """A column as numbers where nothing of its texts is lost with that, else as text; empty cells are missing."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pa.array(table.columns[name], pa.large_string()))
    text = pc.if_else(pc.equal(text, ""), None, text)
    filled = text.drop_null()
    if len(filled):
        numbers = None if is_code(name) else _as_numbers(request, text, name, semicolons=table.semicolons)
        _say_codes(request, table, name, text)
        if numbers is not None:
            return pd.Series(numbers)
    return pd.Series(text.to_numpy(zero_copy_only=False), dtype="str")


def _as_numbers(request: Request, text: pa.Array, name: str, *, semicolons: bool) -> Any:
    """The numbers that a column's texts write, each another; None where they aren't numbers, or more than numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = len(text) - text.null_count
    if _matching(text, _NAMELIKE) or _matching(text, _BY_EXCEL):
        return None
    if _matching(text, _NUMBER) < filled:
        text = _unpunctuated(request, text, name, semicolons=semicolons)
        if text is None:
            return None
    values = pc.cast(text, pa.float64())
    if len(pc.unique(values)) != len(pc.unique(text)) or not pc.all(pc.is_finite(values)).as_py():
        return None
    if not text.null_count and _matching(text, r"^-?\d+$") == filled:
        return pc.cast(text, pa.int64()).to_numpy()
    return values.to_numpy(zero_copy_only=False)


def _unpunctuated(request: Request, text: pa.Array, name: str, *, semicolons: bool) -> pa.Array | None:
    """Numbers with separators of thousands, or with a decimal comma, without them; None where that isn't certain.

    ``68,500`` is 68500 in a table of commas; between semicolons it may be 68.5, unless another cell shows which.
    """
    import pyarrow.compute as pc

    filled = len(text) - text.null_count
    thousands = _matching(text, _THOUSANDS)
    grouped = thousands + _matching(text, _BELOW_THOUSAND) == filled
    if thousands and grouped and (not semicolons or _matching(text, r",\d{3}[,.]")):
        request.note(Severity.INFO, "table_thousands", value=name, count=thousands)
        return pc.replace_substring(text, ",", "")
    proven = _matching(text, _COMMA) > _matching(text, _COMMA_OR_THOUSANDS)
    if proven and _matching(text, _COMMA) + _matching(text, r"^[+-]?\d+$") == filled:
        request.note(Severity.WARNING, "table_decimal_comma", value=name)
        return pc.replace_substring(text, ",", ".")
    if 2 * thousands > filled or (thousands and thousands + _matching(text, _NUMBER) == filled):
        request.note(Severity.ERROR, "table_commas_unclear", value=name, count=thousands)
    return None


def _matching(text: pa.Array, pattern: str) -> int:
    """How many texts match."""
    import pyarrow.compute as pc

    return pc.sum(pc.match_substring_regex(text, pattern)).as_py() or 0


def _say_codes(request: Request, table: Table, name: str, text: pa.Array) -> None:
    """Codes that Excel turned into numbers of five digits: what they were can't be known any more."""
    import pyarrow.compute as pc

    if _matching(text, _BY_EXCEL):
        rows = np.flatnonzero(
            pc.fill_null(pc.match_substring_regex(text, _BY_EXCEL), False).to_numpy(zero_copy_only=False)
        )
        lines = row_list([table.numbers[row] for row in rows])
        request.note(Severity.ERROR, "table_codes_destroyed", value=name, count=len(rows), lines=lines)


def _say_sums(request: Request, table: Table, columns: dict[str, pd.Series]) -> None:
    """Rows that add up others would be counted on top of them."""
    found = np.zeros(len(table.numbers), dtype=bool)
    for column in columns.values():
        if column.dtype.kind not in "if":
            found |= column.str.fullmatch(sum_words()).fillna(False).to_numpy(dtype=bool)
    rows = np.flatnonzero(found)
    if len(rows):
        lines = row_list([table.numbers[row] for row in rows])
        request.note(Severity.WARNING, "table_sum_rows", value=lines, count=len(rows))
