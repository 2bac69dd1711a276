"""Dissolved area of features within zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries
from qpgis.measures.contributions import Contributions

FALLBACK_GRID_M = 1e-4
"""Where an overlay breaks a law of areas it is done again on this grid."""

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def area_contributions(
    zones: Geometries, features: Geometries, outside: Geometries | None = None, *, only: Mask | None = None
) -> Contributions:
    """Area of each feature within each zone (m2), overlaps counted once, nothing of what ``outside`` covers.

    All in one equal-area plane. Where features overlap, the larger one keeps the common area (then the one further
    west, further south). This order depends on the shapes alone, so the file's order can't change a digit. What a
    feature contributes depends on nothing but itself, the zones, and the features that it meets.

    Parameters
    ----------
    zones, features, outside : arrays of valid polygons
        Missing or empty ones contribute nothing.
    only : bool array, optional
        The features whose contributions are wanted; the others are still cut out of them.
    """
    asked = np.arange(len(features)) if only is None else np.flatnonzero(only)
    wanted = np.zeros(len(features), dtype=bool)
    wanted[asked[shapely.STRtree(zones).query(features[asked], predicate="intersects")[0]]] = True
    near = np.flatnonzero(wanted | _boxes_meet(features, features[wanted]))
    left_out = np.array([], dtype=object) if outside is None else outside[_boxes_meet(outside, features[wanted])]
    shapes, left_out = shapely.normalize(features[near]), shapely.normalize(left_out)
    order = _by_size(shapes)
    order = order[~_repeated(shapes[order])]
    targets = np.flatnonzero(wanted[near[order]])
    pieces, differed = _disjoint(shapes[order], targets, left_out[_by_size(left_out)])
    feature = near[order[targets]]
    zone, piece, area, split = _split_among_zones(zones, pieces)
    found = Contributions.of(feature[piece], zone, area, len(zones))
    return replace(found, redone=tuple(sorted({int(feature[n]) for n in {*differed, *split}})))


def disjoint(shapes: Geometries) -> Geometries:
    """Polygons each without what larger ones cover of it, so that no ground is in two; empty where nothing is left.

    The order of :func:`area_contributions`: it depends on the shapes alone.
    """
    normal = shapely.normalize(shapes)
    order = _by_size(normal)
    order = order[~_repeated(normal[order])]
    left = np.array([shapely.Polygon()] * len(shapes), dtype=object)
    left[order], _ = _disjoint(normal[order], np.arange(len(order)), np.empty(0, dtype=object))
    return left


def _boxes_meet(shapes: Geometries, others: Geometries) -> Mask:
    """Which shapes have boxes that meet the box of any of some others."""
    meets = np.zeros(len(shapes), dtype=bool)
    if 2 * len(others) > len(shapes):  # nearly all of them will
        west, south, east, north = shapely.total_bounds(others)
        box = shapely.bounds(shapes)
        return np.asarray((box[:, 0] <= east) & (box[:, 2] >= west) & (box[:, 1] <= north) & (box[:, 3] >= south))
    meets[shapely.STRtree(others).query(shapes)[0]] = True
    return meets


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


def _repeated(shapes: Geometries) -> Mask:
    """Which shapes have stood before: they add nothing."""
    seen: set[bytes] = set()
    repeated = np.zeros(len(shapes), dtype=bool)
    for n, wkb in enumerate(shapely.to_wkb(shapes)):
        repeated[n] = wkb in seen
        seen.add(wkb)
    return repeated


def _disjoint(shapes: Geometries, targets: Ints, outside: Geometries) -> tuple[Geometries, list[int]]:
    """Some of the shapes without what earlier shapes and ``outside`` cover, and those that were done again on a grid.

    Only shapes with a common interior pay for it.
    """
    redone: list[int] = []
    wanted = shapes[targets]
    pieces = wanted.copy()
    covers = np.concatenate([shapes, outside])
    later, earlier = shapely.STRtree(covers).query(wanted, predicate="intersects")
    matters = (earlier < targets[later]) | (earlier >= len(shapes))
    later, earlier = later[matters], earlier[matters]
    shapely.prepare(wanted)
    common = ~shapely.touches(wanted[later], covers[earlier])
    later, earlier = later[common], earlier[common]
    shapely.prepare(covers)
    hidden = np.zeros(len(wanted), dtype=bool)
    hidden[later[shapely.covers(covers[earlier], wanted[later])]] = True
    pieces[hidden] = shapely.Polygon()
    later, earlier = later[~hidden[later]], earlier[~hidden[later]]
    if not len(later):
        return pieces, redone
    grouping = np.lexsort((earlier, later))
    later, earlier = later[grouping], earlier[grouping]
    cut, starts = np.unique(later, return_index=True)
    for target, cover in zip(cut, np.split(covers[earlier], starts[1:]), strict=True):
        union = cover[0] if len(cover) == 1 else shapely.union_all(cover)
        pieces[target] = shapely.difference(wanted[target], union)
        if pieces[target].area > wanted[target].area * (1 + 1e-9):
            pieces[target] = shapely.difference(wanted[target], union, grid_size=FALLBACK_GRID_M)
            redone.append(int(target))
    return pieces, redone


def _split_among_zones(zones: Geometries, pieces: Geometries) -> tuple[Ints, Ints, NDArray[np.float64], list[int]]:
    """Zone, piece and common area of each pair that meets, and the pieces that were done again on a grid.

    Pieces within one zone are not overlaid.
    """
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
    on_grid = shapely.intersection(pieces[piece[broken]], zones[zone[broken]], grid_size=FALLBACK_GRID_M)
    area[broken] = np.minimum(shapely.area(on_grid), limit[broken])
    return zone, piece, area, [int(n) for n in piece[broken]]


def overlaid_areas(zones: Geometries, features: Geometries) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Zone, feature and common area (m2) of each pair that has one; ground under two features counts for both.

    Parameters
    ----------
    zones, features : arrays of valid polygons
        In one equal-area plane.
    """
    if not len(features):
        return np.array([], int), np.array([], int), np.array([])
    zone, feature, area, _ = _split_among_zones(zones, features)
    meets = area > 0
    return zone[meets], feature[meets], area[meets]


def polygon_areas(zones: Geometries) -> Contributions:
    """The area of each zone itself (m2), as its own only contribution."""
    index = np.arange(len(zones))
    return Contributions.of(index, index, shapely.area(zones), len(zones))
