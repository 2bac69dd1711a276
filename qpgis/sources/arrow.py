"""The road through GDAL that keeps every row and every byte: Arrow tables instead of frames.

A frame is allocated by the count of features that a file states, and what GDAL can't make a shape of is a null in it;
a table holds the rows that there are, and the bytes of their geometries.
"""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.sources import Request
from qpgis.sources.ogr import explained, remarks_of, with_ids
from qpgis.sources.wkb import geometries

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa
    from pyproj import CRS

_EXACT = 2**53
"""Whole numbers beyond this aren't all floating-point numbers."""


def read_table(
    request: Request, path: Path, driver: str, layer: str | None
) -> tuple[gpd.GeoDataFrame, bool, tuple[str, ...]]:
    """Every feature of one layer, through GDAL.

    Returns
    -------
    frame : GeoDataFrame
        With the column ``feature_id``.
    spatial : bool
        False if the layer has no geometries at all.
    remarks : tuple of str
        What GDAL warned of.

    Raises
    ------
    SourceError
        If the file is of another format or damaged.
    """
    import pyarrow as pa
    import pyogrio

    with explained(request.what, driver), remarks_of(request) as remarks:
        try:
            found = pyogrio.read_info(path, layer=layer)["driver"]
            head, table = pyogrio.raw.read_arrow(path, layer=layer, return_fids=True)
            name = head["geometry_name"] or "wkb_geometry"
            spatial = head["geometry_type"] is not None
            if spatial:
                table.column(name).validate(full=True)
        except (pa.ArrowException, OSError, IndexError) as error:
            raise request.refusal(f"it is damaged: {_words(error)}; copy or export it again") from error
    if found != driver:
        raise request.refusal(f"it is no {driver} file but {found}; give it its true suffix")
    ids = [str(number) for number in table.column(0).to_pylist()]
    table = table.remove_column(0)
    blobs = table.column(name).to_pylist() if spatial else None
    rows = _codes(table.remove_column(table.column_names.index(name)) if spatial else table)
    frame = located(request, attributes(request, rows, ids), blobs, ids, system(request, head["crs"]))
    return frame, spatial, tuple(remark.replace(str(path), request.name) for remark in remarks)


def _codes(table: pa.Table) -> pa.Table:
    """The table with the codes of coded fields: GDAL hands them over as numbers of the names in the field's domain."""
    import pyarrow as pa

    for place, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            codes = pa.chunked_array([chunk.indices for chunk in column.chunks], column.type.index_type)
            table = table.set_column(place, table.column_names[place], codes)
    return table


def located(
    request: Request, frame: pd.DataFrame, blobs: Sequence[bytes | None] | None, ids: list[str], crs: CRS | None
) -> gpd.GeoDataFrame:
    """A frame of attributes with geometries and the column ``feature_id``."""
    import geopandas as gpd

    degrees = crs.is_geographic if crs is not None else None
    shapes = np.full(len(ids), None, dtype=object)
    shapes = geometries(request, blobs, ids, degrees=degrees) if blobs is not None else shapes
    column = next(name for name in ("geometry", "geometry_", "__geometry__") if name not in frame)
    made = gpd.GeoDataFrame(frame.assign(**{column: gpd.GeoSeries(shapes, crs=crs)}), geometry=column)
    made.index = ids
    return with_ids(made)


def system(request: Request, crs: Any) -> CRS | None:
    """The reference system that a file names, ``None`` where it names none.

    Raises
    ------
    SourceError
        If PROJ doesn't know it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise request.refusal(f"PROJ doesn't know its reference system {crs!r}; export it with another") from error


def attributes(request: Request, table: pa.Table, ids: list[str]) -> pd.DataFrame:
    """The attributes of a table; whole numbers stay exact, missing ones missing; lists and records become JSON.

    Raises
    ------
    SourceError
        If a text isn't UTF-8, with field and feature.
    """
    import pandas as pd
    import pyarrow as pa

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise request.refusal(_not_text(name, column, ids, error)) from error
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        if pa.types.is_nested(column.type):
            columns[name] = _as_json(column)
            continue
        plain = column.to_pandas(date_as_object=False)
        if pa.types.is_integer(column.type) and column.null_count and abs(plain).max() >= _EXACT:
            plain = pd.Series(column.to_pylist(), dtype=object)
        columns[name] = plain
    return pd.DataFrame(columns, index=range(len(table)))


def _as_json(column: pa.ChunkedArray) -> pd.Series:
    """Lists and records as text."""
    import pandas as pd

    values = [value if value is None else dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()]
    return pd.Series(values, dtype="str")


def _not_text(name: str, column: pa.ChunkedArray, ids: list[str], error: Exception) -> str:
    """Where a text of a column isn't UTF-8."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return f"field {name!r} is damaged: {_words(error)}; export it again"
    for feature_id, raw in zip(ids, column.cast(pa.large_binary()).to_pylist(), strict=True):
        try:
            (raw or b"").decode()
        except UnicodeDecodeError:
            return f"feature {feature_id}: field {name!r} isn't UTF-8 ({raw!r}); export it again"
    return f"field {name!r} is damaged: {_words(error)}; export it again"


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
