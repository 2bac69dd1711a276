"""Dissolved area of features within zones."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries
from qpgis.measures.contributions import Contributions

FALLBACK_GRID_M = 1e-4
"""Where an overlay breaks a law of areas it is done again on this grid."""

Ints = NDArray[np.int64]


def area_contributions(zones: Geometries, features: Geometries, outside: Geometries | None = None) -> Contributions:
    """Area of each feature within each zone (m2), overlaps counted once, nothing of what ``outside`` covers.

    All in one equal-area plane. Where features overlap, the larger one keeps the common area (then the one further
    west, further south). This order depends on the shapes alone, so the file's order can't change a digit.

    Parameters
    ----------
    zones, features, outside : arrays of valid polygons
        Missing or empty ones contribute nothing.
    """
    if not len(features):
        return Contributions.of(np.array([], int), np.array([], int), np.array([]), len(zones))
    shapes = shapely.normalize(features)
    order = _by_size(shapes)
    reached = np.zeros(len(shapes), dtype=bool)
    reached[shapely.STRtree(zones).query(shapes, predicate="intersects")[0]] = True
    order = order[reached[order]]
    pieces = _disjoint(shapes[order], shapely.normalize(outside) if outside is not None else np.array([], dtype=object))
    zone, piece, area = _split_among_zones(zones, pieces)
    return Contributions.of(order[piece], zone, area, len(zones))


def _by_size(shapes: Geometries) -> Ints:
    """An order of shapes that depends on nothing but the shapes: large first."""
    bounds = shapely.bounds(shapes)
    area = shapely.area(shapes)
    count = shapely.get_num_coordinates(shapes)
    keys = (count, bounds[:, 3], bounds[:, 2], bounds[:, 1], bounds[:, 0], -area)
    order = np.lexsort(keys)
    tied = np.flatnonzero((np.diff(np.column_stack(keys)[order], axis=0) == 0).all(axis=1))
    if len(tied):
        wkb = shapely.to_wkb(shapes)
        order = np.array(sorted(order, key=lambda i: (*(k[i] for k in reversed(keys)), wkb[i])), dtype=np.int64)
    return order[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))[order]]


def _disjoint(shapes: Geometries, outside: Geometries) -> Geometries:
    """Each shape without what earlier shapes and ``outside`` cover; only shapes with a common interior pay for it."""
    pieces = shapes.copy()
    covers = np.concatenate([shapes, outside])
    later, earlier = shapely.STRtree(covers).query(shapes, predicate="intersects")
    matters = (earlier < later) | (earlier >= len(shapes))
    later, earlier = later[matters], earlier[matters]
    shapely.prepare(shapes)
    common = ~shapely.touches(shapes[later], covers[earlier])
    later, earlier = later[common], earlier[common]
    shapely.prepare(covers)
    hidden = np.zeros(len(shapes), dtype=bool)
    hidden[later[shapely.covers(covers[earlier], shapes[later])]] = True
    pieces[hidden] = shapely.Polygon()
    later, earlier = later[~hidden[later]], earlier[~hidden[later]]
    if not len(later):
        return pieces
    grouping = np.lexsort((earlier, later))
    later, earlier = later[grouping], earlier[grouping]
    targets, starts = np.unique(later, return_index=True)
    for target, cover in zip(targets, np.split(covers[earlier], starts[1:]), strict=True):
        union = cover[0] if len(cover) == 1 else shapely.union_all(cover)
        pieces[target] = difference(shapes[target], union)
    return pieces


def difference(a: shapely.Geometry, b: shapely.Geometry) -> shapely.Geometry:
    """``a`` without ``b``; on a fine grid where the plain overlay leaves more than there was."""
    left = shapely.difference(a, b)
    return left if left.area <= a.area * (1 + 1e-12) else shapely.difference(a, b, grid_size=FALLBACK_GRID_M)


def _split_among_zones(zones: Geometries, pieces: Geometries) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Zone, piece and common area of each pair that meets; pieces within one zone are not overlaid."""
    shapely.prepare(zones)
    piece, zone = shapely.STRtree(zones).query(pieces, predicate="intersects")
    whole = shapely.area(pieces)
    area = np.zeros(len(piece))
    within = shapely.covers(zones[zone], pieces[piece])
    area[within] = whole[piece[within]]
    crossing = np.flatnonzero(~within)
    area[crossing] = shapely.area(shapely.intersection(pieces[piece[crossing]], zones[zone[crossing]]))
    limit = np.minimum(whole[piece], shapely.area(zones)[zone])
    broken = np.flatnonzero(area > limit * (1 + 1e-9) + 1e-6)
    redone = shapely.intersection(pieces[piece[broken]], zones[zone[broken]], grid_size=FALLBACK_GRID_M)
    area[broken] = np.minimum(shapely.area(redone), limit[broken])
    return zone, piece, area


def polygon_areas(zones: Geometries) -> Contributions:
    """The area of each zone itself (m2), as its own only contribution."""
    index = np.arange(len(zones))
    return Contributions.of(index, index, shapely.area(zones), len(zones))
