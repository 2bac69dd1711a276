"""The exact kernels, eager: frames or paths in, one value per zone out, on the zones' index.

For whoever computes more than the indicators. Areas are ellipsoidal (GRS80), lengths geodesic; every frame is brought
into the zones' equal-area plane first, whatever system it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, LONLAT, Geometries, Plane, lonlat, parse
from qpgis.measures.areas import area_contributions
from qpgis.measures.connectivity import patch_connectivity
from qpgis.measures.contributions import MICRO, Contributions
from qpgis.measures.coverage import GAP_WIDTH_M, SLIVER_WIDTH_M, TOLERANCE_M, faults
from qpgis.measures.isochrones import BESIDE_M, isochrone
from qpgis.measures.lengths import length_contributions
from qpgis.measures.network import Network
from qpgis.measures.points import count_contributions
from qpgis.shapes import repaired, spots, still_valid

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    Frame: TypeAlias = gpd.GeoDataFrame | gpd.GeoSeries | str | Path

__all__ = [
    "area_within",
    "class_areas_within",
    "connectivity",
    "count_within",
    "coverage_faults",
    "isochrones",
    "length_within",
    "reach",
]


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


def class_areas_within(zones: Frame, raster: str | Path, *, band: int = 1) -> pd.DataFrame:
    """Ellipsoidal area of each class of a raster within each zone, in m2.

    Each cell counts with the exact share of it that lies within the zone, and with its own area on the ellipsoid.

    Parameters
    ----------
    zones : GeoDataFrame, GeoSeries or path
        Polygons.
    raster : path
        A GeoTIFF of classes, see :mod:`qpgis.sources.geotiff`. Rotated grids are taken as they are.
    band : int
        Counted from 1.

    Returns
    -------
    DataFrame of float
        Zones x classes: the zones' index; columns are the raster's values, ascending, as far as they occur in a zone.
        Cells without data belong to no class: what a row lacks to the zone's area wasn't surveyed. 0 where a class
        doesn't occur; NaN in the whole row of a zone without a geometry, or without a single cell that has data.

    Raises
    ------
    CRSError
        If the zones or the raster have no usable coordinate reference system.
    SourceError
        If the raster can't be read, lies nowhere or holds measurements instead of classes.
    """
    import pandas as pd

    from qpgis.measures.rasters import class_contributions
    from qpgis.sources.geotiff import opened

    frame, plane, shapes = _zones(zones)
    with opened(Path(raster), Path(raster).name) as cells:
        classes, found = class_contributions(shapes, plane, cells, band)
    micro = np.zeros((len(shapes), len(classes)), dtype=np.int64)
    np.add.at(micro, (found.zone, found.feature), found.micro)
    table = pd.DataFrame(micro / MICRO, index=frame.index, columns=pd.Index(classes, dtype="int64", name="class"))
    table.loc[table.sum(axis=1).to_numpy() <= COINCIDENT_M * np.nan_to_num(shapely.length(shapes))] = np.nan
    return table


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


def reach(network: Frame, sources: Frame, limit_m: float, *, snap_within_m: float = 300.0) -> gpd.GeoDataFrame:
    """How far each node of a network of lines is from the nearest source, in m along the lines.

    Parameters
    ----------
    network : GeoDataFrame, GeoSeries or path
        Lines; they meet where they share a vertex, or where one ends on another.
    sources : GeoDataFrame, GeoSeries or path
        Points, or other shapes at a point on them. Each is tied to the nearest line, not to a node; the way there
        counts.
    limit_m : float
        How far is looked.
    snap_within_m : float
        Sources further from every line are on none.

    Returns
    -------
    GeoDataFrame
        The nodes as points in longitude and latitude with ``distance_m``; infinite beyond the limit.

    Raises
    ------
    CRSError
        If a frame has no coordinate reference system.
    """
    import geopandas as gpd

    plane, lines, tied, node = _tied(network, sources, snap_within_m)
    metres = tied.distances(node, limit_m=limit_m)[: len(lines)]
    return gpd.GeoDataFrame({"distance_m": metres}, geometry=plane.unproject(shapely.points(lines.xy)), crs=LONLAT)


def isochrones(
    network: Frame,
    sources: Frame,
    limits_m: float | Sequence[float],
    *,
    beside_m: float = BESIDE_M,
    snap_within_m: float = 300.0,
) -> gpd.GeoDataFrame:
    """The ground within distances of the nearest source, along a network of lines, as polygons.

    The streets that are reached within ``limit - beside_m``, edges partly, and the ground up to ``beside_m`` beside
    them: whoever stands in it is within the limit, the straight way to the street included.

    Parameters
    ----------
    network, sources, snap_within_m
        As for :func:`reach`.
    limits_m : float or sequence of float
        The distances.
    beside_m : float
        How far beside a street.

    Returns
    -------
    GeoDataFrame
        One row a distance, in the order given: ``limit_m`` and a multipolygon in longitude and latitude, empty where
        nothing is reached.

    Raises
    ------
    CRSError
        If a frame has no coordinate reference system.
    """
    import geopandas as gpd

    limits = np.atleast_1d(np.asarray(limits_m, dtype=float))
    plane, _, tied, node = _tied(network, sources, snap_within_m)
    ground = [shapely.multipolygons(isochrone(tied, node, limit_m=one, beside_m=beside_m)) for one in limits]
    return gpd.GeoDataFrame({"limit_m": limits}, geometry=plane.unproject(np.array(ground, dtype=object)), crs=LONLAT)


def connectivity(patches: Frame, distance_m: float, *, probability: float = 0.5) -> pd.DataFrame:
    """How patches of habitat are connected, and what each is worth to that.

    Parameters
    ----------
    patches : GeoDataFrame, GeoSeries or path
        Polygons that don't overlap; those that touch are linked without a way between.
    distance_m : float
        IIC links patches at most this far apart, edge to edge; PC takes a link of this length to be as likely as
        ``probability``.
    probability : float
        See ``distance_m``; 0.5 makes it the median dispersal distance.

    Returns
    -------
    DataFrame
        On the patches' index: ``area_m2``, ``component``, and for each of ``iic`` and ``pc`` what the index loses with
        the patch, in %: ``d<index>`` and its parts ``d<index>_intra``, ``_flux``, ``_connector`` (Saura & Rubio 2010).
        NaN for a patch without a geometry. In ``attrs``: ``iic`` and ``pc``, the sums in m4, and ``eca_iic_m2``,
        ``eca_pc_m2``, the equivalent connected areas.

    Raises
    ------
    CRSError, LayerError
        If the frame has no coordinate reference system; if patches overlap.
    """
    import pandas as pd

    frame, _, shapes = _zones(patches)
    found = patch_connectivity(shapes, distance_m=distance_m, probability=probability)
    table = pd.DataFrame({"area_m2": shapely.area(shapes), "component": found.component}, index=frame.index)
    for name, index in (("iic", found.iic), ("pc", found.pc)):
        table[f"d{name}"] = index.importance
        for part in ("intra", "flux", "connector"):
            table[f"d{name}_{part}"] = index.percent(getattr(index, part))
        table.attrs |= {name: index.numerator, f"eca_{name}_m2": index.equivalent}
    return table


def coverage_faults(
    polygons: Frame,
    *,
    boundary: Frame | None = None,
    gap_width_m: float = GAP_WIDTH_M,
    sliver_width_m: float = SLIVER_WIDTH_M,
    tolerance_m: float = TOLERANCE_M,
) -> gpd.GeoDataFrame:
    """Gaps, overlaps and slivers of polygons that should tile the ground, as geometries.

    Parameters
    ----------
    polygons : GeoDataFrame, GeoSeries or path
        Polygons; invalid ones are mended by the even-odd rule first.
    boundary : GeoDataFrame, GeoSeries or path, optional
        What they should cover: everything within it that they leave out is a gap.
    gap_width_m : float
        How wide a gap that is open at an end may be there; an enclosed one may have any width. 0 finds only enclosed.
    sliver_width_m : float
        Polygons, or parts of them, with a smaller mean width are slivers; 0 looks for none.
    tolerance_m : float
        Gaps and overlaps with a smaller mean width are none.

    Returns
    -------
    GeoDataFrame
        In longitude and latitude: ``kind`` (gap, overlap, sliver), ``area_m2`` (ellipsoidal), ``width_m`` (mean width:
        twice the area by the outline), ``ids`` (labels of the polygons' index: the neighbours of a gap, the two that
        overlap, the sliver itself), geometry. By kind, the largest first.

    Raises
    ------
    CRSError
        If a frame has no coordinate reference system.
    """
    import geopandas as gpd

    frame, plane, shapes = _zones(polygons)
    around = _polygons(boundary, plane, "boundary") if boundary is not None else None
    found = faults(shapes, around, gap_width_m=gap_width_m, sliver_width_m=sliver_width_m, tolerance_m=tolerance_m)
    labels = [str(one) for one in frame.index]
    ids = ["; ".join(labels[n] for n in members) for members in found.members]
    data = {"kind": found.kind, "area_m2": found.area_m2, "width_m": found.width_m, "ids": ids}
    return gpd.GeoDataFrame(data, geometry=plane.unproject(found.geometry), crs=LONLAT)


def _tied(network: Frame, sources: Frame, snap_within_m: float) -> tuple[Plane, Network, Network, NDArray[np.int64]]:
    """A plane around a network, the network of its lines, the same with sources tied to it, and the sources' nodes."""
    frame = _read(network)
    plane = Plane.around(lonlat(frame.geometry.to_numpy(), parse(frame.crs, what="network"), what="network"))
    lines = Network.of(_projected(frame, plane, "network"), plane)
    there = spots(_projected(sources, plane, "sources"))
    return plane, lines, *lines.with_points(there[~shapely.is_missing(there)], snap_within_m=snap_within_m)


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
