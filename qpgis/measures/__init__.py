"""The exact kernels, eager: frames or paths in, one value per zone out, on the zones' index.

For whoever computes more than the indicators. Areas are ellipsoidal (GRS80), lengths geodesic; every frame is brought
into the zones' equal-area plane first, whatever system it is in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import shapely

from qpgis.crs import Geometries, Plane, lonlat, parse
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import MICRO, Contributions
from qpgis.measures.lengths import length_contributions
from qpgis.measures.points import count_contributions
from qpgis.shapes import repaired, still_valid

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    Frame: TypeAlias = gpd.GeoDataFrame | gpd.GeoSeries | str | Path

__all__ = ["area_within", "count_within", "length_within"]


def area_within(zones: Frame, *features: Frame, outside: Frame | None = None) -> pd.Series:
    """Ellipsoidal area of the union of all features within each zone, in m2.

    Parameters
    ----------
    zones : GeoDataFrame, GeoSeries or path
        Polygons.
    *features : GeoDataFrames, GeoSeries or paths
        Polygons; wherever they overlap, within a frame or across frames, the ground counts once.
    outside : GeoDataFrame, GeoSeries or path, optional
        What it covers is left out.

    Returns
    -------
    Series of float
        On the zones' index. 0 where there is nothing; NaN for a zone without a geometry.

    Raises
    ------
    CRSError
        If a frame has no coordinate reference system.
    """
    frame, plane, shapes = _zones(zones)
    polygons = np.concatenate([np.empty(0, dtype=object), *(_polygons(f, plane, "features") for f in features)])
    left_out = _polygons(outside, plane, "outside") if outside is not None else None
    return _series(frame, area_contributions(shapes, polygons, left_out))


def length_within(zones: Frame, lines: Frame) -> pd.Series:
    """Geodesic length of all lines within each zone, in m; on a border that zones share, equally split.

    Parameters and return value as for :func:`area_within`.
    """
    frame, plane, shapes = _zones(zones)
    return _series(frame, length_contributions(shapes, _projected(lines, plane, "features"), plane))


def count_within(zones: Frame, points: Frame) -> pd.Series:
    """Number of points within each zone; one on a shared border goes to the zone that comes first.

    Parameters and return value as for :func:`area_within`.
    """
    frame, plane, shapes = _zones(zones)
    return _series(frame, count_contributions(shapes, _projected(points, plane, "features")))


def _read(frame: Frame) -> gpd.GeoDataFrame | gpd.GeoSeries:
    if isinstance(frame, str | Path):
        from qpgis.sources import Request
        from qpgis.sources.reading import read_features

        return read_features(Request(Path(frame), Path(frame).name)).frame
    return frame


def _zones(zones: Frame) -> tuple[gpd.GeoDataFrame | gpd.GeoSeries, Plane, Geometries]:
    frame = _read(zones)
    plane = Plane.around(lonlat(frame.geometry.to_numpy(), parse(frame.crs, what="zones"), what="zones"))
    return frame, plane, _polygons(frame, plane, "zones")


def _projected(frame: Frame, plane: Plane, what: str, mend: bool = False) -> Geometries:
    read = _read(frame)
    shapes = shapely.force_2d(read.geometry.to_numpy())
    return plane.project(repaired(shapes) if mend else shapes, parse(read.crs, what=what), what=what)


def _polygons(frame: Frame, plane: Plane, what: str) -> Geometries:
    return still_valid(_projected(frame, plane, what, mend=True))


def _series(frame: gpd.GeoDataFrame | gpd.GeoSeries, found: Contributions) -> pd.Series:
    import pandas as pd

    values = np.array([micro / MICRO for micro in found.per_zone()])
    values[shapely.is_missing(frame.geometry.to_numpy()) | shapely.is_empty(frame.geometry.to_numpy())] = np.nan
    return pd.Series(values, index=frame.index)
