"""Shapefile: structure and attributes from the bytes, shapes through GDAL from a copy."""

from __future__ import annotations

import codecs
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import Geometry

from qpgis.crs import Geometries
from qpgis.findings import Severity, ids_text
from qpgis.shapes import even_odd
from qpgis.sources import RawFeatures, Request
from qpgis.sources.dbf import Table, read_table
from qpgis.sources.local import link
from qpgis.sources.ogr import explained, remarks_of, with_ids
from qpgis.sources.shp import NULL, POLYGON, Records, areas_by_direction, point_counts, read_records
from qpgis.sources.wkb import geometries

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from pyproj import CRS

DRIVER = "ESRI Shapefile"
TABLE = "dBASE"
_SAME_AREA = 1e-9
_KNOWN_REMARKS = ("Measured (M)", "Non closed ring")
"""Of GDAL, about what is told in our own findings."""


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature of a shapefile, or every row of a .dbf by itself.

    Deleted rows are left out and named. A shape that can't be read is ``None``, and named.

    Raises
    ------
    SourceError
        If it is cut off or contradicts itself, naming the record, or if the encoding of its text can't be told.
    """
    import pandas as pd

    beside = _companions(request)
    if request.path.suffix.lower() == ".dbf":
        return _table_alone(request, beside)
    dbf = beside.get(".dbf")
    table = read_table(request, dbf, _cpg(beside)) if dbf else None
    rows = len(table.frame) if table else None
    records = read_records(request, request.path, beside.get(".shx"), rows)
    count = len(records.offsets)
    if table is None:
        request.note(Severity.WARNING, "dbf_missing", count=count)
    elif rows != count:
        raise request.refusal(
            f"its .shp has {count} records, its .dbf {rows}: they don't belong together; export again"
        )
    shapes, crs, remarks = _shapes(request, records, beside.get(".prj"))
    frame = table.frame if table else pd.DataFrame(index=range(count))
    return RawFeatures(
        _frame(request, frame, shapes, crs, table),
        request.name,
        DRIVER,
        remarks=remarks,
        layer=request.path.stem,
        encoding=str(table.encoding) if table else "",
    )


def _table_alone(request: Request, beside: Mapping[str, Path]) -> RawFeatures:
    table = read_table(request, request.path, _cpg(beside))
    nothing = np.full(len(table.frame), None, dtype=object)
    frame = _frame(request, table.frame, nothing, None, table)
    name, encoding = request.path.stem, str(table.encoding)
    return RawFeatures(frame, request.name, TABLE, layer=name, encoding=encoding, spatial=False)


def _frame(
    request: Request, frame: pd.DataFrame, shapes: Geometries, crs: CRS | None, table: Table | None
) -> gpd.GeoDataFrame:
    """The features whose rows aren't deleted; the others are named."""
    import geopandas as gpd

    whole = gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(shapes, crs=crs))
    if table is not None and table.deleted.any():
        ids = [str(row) for row in np.flatnonzero(table.deleted)]
        request.note(Severity.WARNING, "dbf_rows_deleted", feature_id=ids_text(ids), count=len(ids))
        whole = whole[~table.deleted]
    return with_ids(whole.copy())


def _companions(request: Request) -> dict[str, Path]:
    """The files of the same name beside it by suffix, whatever their case; of several, the one most alike."""
    path = request.path
    found: dict[str, list[Path]] = {}
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in entries if entry.name.lower().startswith(path.stem.lower()))
    except OSError as error:
        raise request.refusal(f"the folder with its .shx and .dbf can't be listed: {error.strerror}") from error
    for one in (path.parent / name for name in names):
        if one.stem.lower() == path.stem.lower() and one.is_file():
            found.setdefault(one.suffix.lower(), []).append(one)
    upper = path.suffix.isupper()
    return {
        suffix: min(ones, key=lambda one: (one.stem != path.stem, one.suffix.isupper() != upper, one.name))
        for suffix, ones in found.items()
    }


def _cpg(beside: Mapping[str, Path]) -> str | None:
    cpg = beside.get(".cpg")
    if cpg is None:
        return None
    with cpg.open("rb") as file:
        return file.read(100).decode("utf-8-sig", "replace")


def _shapes(request: Request, records: Records, prj: Path | None) -> tuple[Geometries, CRS | None, tuple[str, ...]]:
    """The shapes of all records, their system and GDAL's remarks."""
    import pyogrio.raw

    with _aside(request, records) as plain:
        with explained(request.what, DRIVER), remarks_of(request) as said:
            wkb = pyogrio.raw.read(plain, columns=[], force_2d=True)[2]
        crs = _system(request, plain, prj)
    blobs = list(wkb) if wkb is not None else [None] * len(records.offsets)
    if len(blobs) != len(records.offsets):
        raise request.refusal(f"GDAL reads {len(blobs)} of its {len(records.offsets)} records; export it again")
    ids = [str(row) for row in range(len(blobs))]
    found = geometries(request, blobs, ids)
    _name_unread(request, records, np.array([blob is None for blob in blobs], dtype=bool), ids)
    if records.extra:
        request.note(Severity.INFO, "shp_ordinates_dropped", value=records.extra)
    if records.kind == POLYGON:
        _compare_areas(request, found, areas_by_direction(records), ids)
    remarks = tuple(one for one in said if not one.startswith(_KNOWN_REMARKS))
    return found, crs, remarks


def _name_unread(request: Request, records: Records, none: np.ndarray, ids: list[str]) -> None:
    """Name the records of which GDAL makes no shape although they aren't null."""
    points = point_counts(records)
    for row in np.flatnonzero(none & (records.types != NULL)):
        if points[row]:
            request.note(Severity.ERROR, "shp_shape_unread", feature_id=ids[row], value=str(points[row]))
        else:
            request.note(Severity.WARNING, "shp_without_points", feature_id=ids[row])


@contextmanager
def _aside(request: Request, records: Records) -> Iterator[Path]:
    """The .shp under a plain name in a folder of its own, with an index of our own."""
    with tempfile.TemporaryDirectory(prefix="qpgis-") as folder:
        home = Path(folder) / "data.shp"
        link(request.path, home)
        home.with_suffix(".shx").write_bytes(records.index())
        yield home


def _words(prj: Path) -> str:
    """The text of a .prj, whatever its encoding."""
    data = prj.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").strip()
    try:
        return data.decode("utf-8-sig").strip("\0 \r\n\t")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace").strip("\0 \r\n\t")


def _system(request: Request, plain: Path, prj: Path | None) -> CRS | None:
    """The reference system that GDAL makes of the .prj; None where it makes nothing of it, which is said."""
    import pyogrio
    from pyogrio.errors import CRSError as UnreadCRS
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    words = _words(prj) if prj else ""
    if not words:
        return None
    plain.with_suffix(".prj").write_text(words, encoding="utf-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CRS.from_user_input(pyogrio.read_info(plain)["crs"])
    except (CRSError, UnreadCRS):
        request.note(Severity.WARNING, "prj_unknown", value=" ".join(words.split())[:80])
        return None


def _compare_areas(request: Request, polygons: Geometries, directed: np.ndarray, ids: list[str]) -> None:
    """Name the polygons whose area depends on how their rings are taken: by direction, or an odd number of them."""
    with np.errstate(over="ignore", invalid="ignore"):  # coordinates that are no numbers: layers.prepare names them
        read = shapely.area(polygons)
        there = ~shapely.is_missing(polygons) & np.isfinite(read)
        other = np.abs(np.abs(directed) - read) > _SAME_AREA * read
    for row in np.flatnonzero(there & (other | ~shapely.is_valid(polygons))):
        by_direction = read[row] if np.isnan(directed[row]) else abs(directed[row])
        mended, parity = _areas(polygons[row])
        limit = _SAME_AREA * max(read[row], by_direction, mended, parity)
        words = {"feature_id": ids[row], "value": f"{by_direction:.9g}", "parity": f"{parity:.9g}"}
        if not abs(mended - parity) <= limit:
            request.note(Severity.ERROR, "ring_wound_again", mended=f"{mended:.9g}", **words)
        elif max(abs(read[row] - parity), abs(by_direction - parity)) > limit:
            request.note(Severity.WARNING, "rings_disagree", **words)


def _areas(polygon: Geometry) -> tuple[float, float]:
    """A polygon's area as layers will mend it, and by parity; NaN where GEOS can't build it."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return float(shapely.area(even_odd(polygon))), _area_by_parity(polygon)
        except shapely.GEOSException:
            return float("nan"), float("nan")


def _area_by_parity(polygon: Geometry) -> float:
    """The area that an odd number of rings wind around, each as often as it does."""
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(polygon))]
    lines = shapely.union_all([shapely.linestrings(ring) for ring in rings])
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(lines)))
    edges = np.concatenate([np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings])
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    return float(shapely.area(faces)[_crossings(inside, edges) % 2 == 1].sum())


def _crossings(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many edges lie right of each point."""
    far = np.array([edges[..., 0].max(initial=0) + 1, 0])
    rays = shapely.linestrings(np.stack([points, points * [0, 1] + far], axis=1))
    of, edge = shapely.STRtree(shapely.linestrings(edges)).query(rays)
    (x, y), ((ax, ay), (bx, by)) = points[of].T, edges[edge].transpose(1, 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # level edges are never crossed
        hit = ((ay > y) != (by > y)) & (x < ax + (bx - ax) * (y - ay) / (by - ay))
    return np.bincount(of[hit], minlength=len(points))
