"""GeoParquet: the file's own metadata say which column holds geometries, and in which reference system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.errors import SourceError, did_you_mean
from qpgis.findings import Severity
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import attributes, located, system
from qpgis.sources.ogr import chosen_layer

if TYPE_CHECKING:
    import pyarrow as pa

DRIVER = "Parquet"
MAGIC = b"PAR1"
CRS_WHERE_NONE_IS_NAMED = "OGC:CRS84"
"""What the specification says of a file without ``crs``; ``crs: null`` means that it isn't known."""
_POINT_WORDS = {"lon", "lng", "longitude", "x", "经度", "lat", "latitude", "y", "纬度"}
_WKT_WORDS = {"wkt", "geometry", "geom", "the_geom"}


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    _framed(path, name)
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature."""
    layer = chosen_layer(request, layers(request.path, request.what))
    table = _table(request)
    head = _head(request, table)
    name, column = _primary(request, table, head)
    blobs = _binary(request, table, name, column)
    ids = [str(number) for number in range(len(table))]
    extra = [one for one in head["columns"] if one != name]
    if extra:
        request.note(Severity.WARNING, "parquet_more_geometries", value=", ".join(extra), column=name)
    if column.get("edges") == "spherical":
        request.note(Severity.WARNING, "parquet_spherical_edges", value=name)
    rows = table.drop_columns([one for one in [name, *extra, *_boxes(column)] if one in table.column_names])
    crs = system(request, column.get("crs", CRS_WHERE_NONE_IS_NAMED))
    frame = located(request, attributes(request, rows, ids), blobs, ids, crs)
    return RawFeatures(frame, request.name, DRIVER, layer=layer)


def _framed(path: Path, what: str) -> None:
    """Raise unless the file begins and ends as Parquet."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(path.stat().st_size - 4, 0))
        tail = file.read(4)
    if head == MAGIC and tail == b"PARE":
        raise SourceError(f"{what}: it is encrypted; qpgis has no key, export it without encryption")
    if head != MAGIC:
        raise SourceError(f"{what}: it is no Parquet file; give it its true suffix")
    if tail != MAGIC:
        raise SourceError(f"{what}: it is cut off: its end is missing; copy or download it again")


def _table(request: Request) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with request.path.open("rb") as file:
            found = parquet.ParquetFile(file, page_checksum_verification=True)
            stated, table = found.metadata.num_rows, found.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise request.refusal(f"it is damaged: {error}; copy or export it again") from error
    if len(table) != stated:
        raise request.refusal(f"it is damaged: it says {stated} rows and has {len(table)}; export it again")
    if len(set(table.column_names)) < len(table.column_names):
        raise request.refusal("two of its columns have the same name; rename one and export it again")
    return table


def _head(request: Request, table: pa.Table) -> dict[str, Any]:
    """The metadata ``geo`` of the file."""
    raw = (table.schema.metadata or {}).get(b"geo")
    if raw is None:
        raise request.refusal(f"it has no GeoParquet metadata, so nothing says what its places are; {_remedy(table)}")
    try:
        head = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise request.refusal(f"its GeoParquet metadata is no JSON: {error}; export it again") from error
    columns = head.get("columns") if isinstance(head, dict) else None
    if not isinstance(columns, dict) or not all(isinstance(one, dict) for one in columns.values()):
        raise request.refusal("its GeoParquet metadata describes no columns; export it again")
    return dict(head)


def _remedy(table: pa.Table) -> str:
    """How a table with places that aren't declared becomes one that can be read."""
    words = [name for name in table.column_names if name.lower() in _POINT_WORDS | _WKT_WORDS]
    if not words:
        return "export it as GeoParquet (GDAL, QGIS and geopandas do)"
    return (
        f"it has {', '.join(words)}: export it as GeoParquet with its reference system, "
        "or as CSV and name x_field, y_field or wkt_field and crs"
    )


def _primary(request: Request, table: pa.Table, head: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The name and the description of the column whose geometries count."""
    name = head.get("primary_column")
    if not isinstance(name, str) or name not in head["columns"]:
        known = did_you_mean(str(name), head["columns"])
        raise request.refusal(f"its primary geometry column {name!r} isn't described in its metadata; {known}")
    if name not in table.column_names:
        raise request.refusal(f"it has no column {name!r}, in which its geometries ought to be; export it again")
    return name, head["columns"][name]


def _binary(request: Request, table: pa.Table, name: str, column: Mapping[str, Any]) -> list[bytes | None]:
    """The geometries as well-known binary."""
    import geopandas as gpd
    import pyarrow as pa
    import shapely

    kind = table.schema.field(name).type
    encoding = column.get("encoding")
    if encoding == "WKB" and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return list(table.column(name).to_pylist())
    try:
        return list(shapely.to_wkb(gpd.read_parquet(request.path, columns=[name]).geometry.to_numpy()))
    except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, shapely.GEOSException) as error:
        raise request.refusal(
            f"the geometries in {name!r} are encoded as {encoding!r} ({kind}), which can't be read: {error}; "
            "export it with WKB geometries"
        ) from error


def _boxes(column: Mapping[str, Any]) -> set[str]:
    """The columns that hold nothing but the features' boxes, for searching."""
    covering = column.get("covering")
    sides = covering.get("bbox") if isinstance(covering, dict) else None
    paths = sides.values() if isinstance(sides, dict) else []
    return {str(path[0]) for path in paths if isinstance(path, list) and path}
