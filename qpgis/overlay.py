"""Laying features over a layer: united with it, in place of what is beneath, or taken away from it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries
from qpgis.layers import Layer
from qpgis.measures.coverage import mean_width
from qpgis.measures.network import JOIN_WITHIN_M
from qpgis.provenance import Source
from qpgis.shapes import still_valid

if TYPE_CHECKING:
    import pandas as pd

POINT, LINE, AREAL = 0, 1, 2
SAME_M = 0.05
"""So close is the same place: an edge of a kilometre that is straight in another system bends by a centimetre."""
SLIVER_M = 1e-4
"""So thin is what two drawings of one border leave between them."""
ALONG_M = 1.0
"""What runs so far beside a line runs along it; less is crossing it."""


def united(base: Layer, over: Layer, source: Source) -> Layer:
    """Features added to a layer; a stretch that lines already run along isn't added once more."""
    shapes = over.geometry
    if len(shapes) and (shapely.get_dimensions(shapes) == LINE).all():
        shapes = without(shapes, base.geometry)
    left = ~shapely.is_empty(shapes)
    added = replace(over, frame=over.frame[left], geometry=shapes[left])
    geometry = np.concatenate([base.geometry, added.geometry])
    unit = base.amount_unit if len(base) else over.amount_unit
    made = replace(base, frame=_frames(base, added), geometry=geometry, source=source, codes=None, amount_unit=unit)
    return replace(made, key=f"{base.key} + {over.content}")


def erased(base: Layer, cutters: Geometries, source: Source, *, ids: NDArray[np.bool_] | None = None) -> Layer:
    """A layer without what shapes cover of it, and without some of its features; what only touches stays as it is.

    What is left of a polygon keeps so much of its amount, and of its stated areas.
    """
    shapes = without(base.geometry, cutters)
    if ids is not None:
        shapes[ids] = shapely.Point()
    left = ~shapely.is_empty(shapes)
    frame = base.frame
    cut = np.flatnonzero(left & ~_same(shapes, base.geometry) & (shapely.get_dimensions(shapes) == AREAL))
    if len(cut):
        share = np.ones(len(frame))
        share[cut] = shapely.area(shapes[cut]) / shapely.area(base.geometry[cut])
        frame = frame.assign(**{name: frame[name] * share for name in ("amount", "area", "net_area") if name in frame})
    gone = hashlib.sha256(b"".join(shapely.to_wkb(cutters).tolist()))
    gone.update(b"" if ids is None else np.flatnonzero(ids).tobytes())
    frame, shapes = frame[left].reset_index(drop=True), shapes[left]
    return replace(base, frame=frame, geometry=shapes, source=source, key=f"{base.key} - {gone.hexdigest()}")


def without(shapes: Geometries, cutters: Geometries) -> Geometries:
    """Shapes without what they have in common with others in their own dimension; empty where nothing is left.

    Two drawings of one thing differ by what other systems leave of coordinates: points and lines that lie
    :data:`SAME_M` apart are one, and no sliver thinner than :data:`SLIVER_M` is left of a polygon, or cut off it.
    """
    left = shapes.copy()
    row, cutter = shapely.STRtree(cutters).query(shapes, predicate="intersects")
    dimension = shapely.get_dimensions(shapes)[row]
    common = np.zeros(len(row), dtype=bool)
    for one in np.unique(dimension):
        of = dimension == one
        common[of] = shapely.relate_pattern(shapes[row[of]], cutters[cutter[of]], f"{one}********")
    areal = np.flatnonzero(common & (dimension == AREAL))
    overlaps = shapely.intersection(shapes[row[areal]], cutters[cutter[areal]])
    common[areal] = mean_width(overlaps) >= SLIVER_M
    rows, joined = _joined(row[common], cutters[cutter[common]])
    left[rows] = shapely.difference(shapes[rows], joined)
    areal = rows[shapely.get_dimensions(shapes[rows]) == AREAL]
    left[areal] = still_valid(_without_slivers(left[areal]))
    return _without_doubles(left, cutters)


def _joined(row: NDArray[np.int64], cutters: Geometries) -> tuple[NDArray[np.int64], Geometries]:
    """Each row once, with all that cuts it as one."""
    order = np.argsort(row, kind="stable")
    rows, first = np.unique(row[order], return_index=True)
    several = np.split(cutters[order], first[1:]) if len(rows) else []
    return rows, np.array([some[0] if len(some) == 1 else shapely.union_all(some) for some in several], dtype=object)


def _without_slivers(polygons: Geometries) -> Geometries:
    """Polygons without the parts that are thinner than :data:`SLIVER_M`."""
    parts, owner = shapely.get_parts(polygons, return_index=True)
    thin = mean_width(parts) < SLIVER_M
    cleaned, touched = polygons.copy(), np.isin(owner, owner[thin])
    cleaned[owner[thin]] = shapely.MultiPolygon()
    kept = touched & ~thin
    return np.asarray(shapely.multipolygons(parts[kept], indices=owner[kept], out=cleaned)) if kept.any() else cleaned


def _without_doubles(shapes: Geometries, cutters: Geometries) -> Geometries:
    """Points and lines without what is drawn again beside others of their kind; what only crosses stays."""
    left, dimensions = shapes.copy(), shapely.get_dimensions(shapes)
    for dimension in (POINT, LINE):
        of = np.flatnonzero((dimensions == dimension) & ~shapely.is_empty(shapes))
        alike = cutters[shapely.get_dimensions(cutters) == dimension]
        row, cutter = shapely.STRtree(alike).query(shapes[of], predicate="dwithin", distance=SAME_M)
        rows, joined = _joined(of[row], alike[cutter])
        ground = shapely.buffer(joined, SAME_M, cap_style="flat" if dimension == LINE else "round")
        for n, there, near in zip(rows, joined, ground, strict=True):
            left[n] = _apart(shapes[n], there, near) if dimension == LINE else shapely.difference(shapes[n], near)
    return left


def _apart(line: shapely.Geometry, other: shapely.Geometry, ground: shapely.Geometry) -> shapely.Geometry:
    """A line without the stretches that run along another, in its ground; what is left begins and ends on that one."""
    inside = shapely.get_parts(shapely.intersection(line, ground))
    along = shapely.length(inside) > ALONG_M
    if not along.any():
        return line
    outside = shapely.get_parts(shapely.difference(line, ground))
    merged = shapely.get_parts(shapely.line_merge(shapely.union_all([*outside, *inside[~along]])))
    kept = merged[shapely.length(merged) > SAME_M]
    return shapely.MultiLineString([_tied(part, line.boundary, other) for part in kept])


def _tied(part: shapely.Geometry, own: shapely.Geometry, other: shapely.Geometry) -> shapely.Geometry:
    """A piece of a line whose ends, where it was cut, go on to the line that it ran along."""
    points = list(part.coords)
    first, last = (shapely.Point(points[n]) for n in (0, -1))
    if shapely.distance(first, own) > SAME_M:
        points.insert(0, shapely.shortest_line(first, other).coords[1])
    if shapely.distance(last, own) > SAME_M:
        points.append(shapely.shortest_line(last, other).coords[1])
    return shapely.LineString(points)


def passing(lines: Geometries, others: Geometries) -> NDArray[np.int64]:
    """Which lines cross another where no network joins them: not at a vertex of both, nor where one ends."""
    row, other = shapely.STRtree(others).query(lines, predicate="crosses")
    points, pair = shapely.get_parts(shapely.intersection(lines[row], others[other]), return_index=True)
    row, other = row[pair], other[pair]

    def near(shapes: Geometries) -> NDArray[np.bool_]:
        return np.asarray(shapely.dwithin(points, shapes, JOIN_WITHIN_M))

    vertices = near(shapely.extract_unique_points(lines[row])) & near(shapely.extract_unique_points(others[other]))
    ends = near(shapely.boundary(lines[row])) | near(shapely.boundary(others[other]))
    return np.unique(row[~vertices & ~ends & (shapely.get_dimensions(points) == POINT)])


def same_features(one: Layer, other: Layer) -> bool:
    """True if two layers, one made from the other, hold the very same features."""
    return len(one) == len(other) and bool(_same(one.geometry, other.geometry).all()) and one.frame.equals(other.frame)


def _same(shapes: Geometries, others: Geometries) -> NDArray[np.bool_]:
    """Which shapes are the very objects that others are."""
    return np.fromiter(map(is_, shapes, others), dtype=bool, count=len(shapes))


def _frames(base: Layer, over: Layer) -> pd.DataFrame:
    """The rows of two layers with the columns of the first: what the second doesn't say is empty, or not known."""
    import pandas as pd

    if not len(base):
        return over.frame.reset_index(drop=True)
    columns = {}
    for name, column in base.frame.items():
        blank = "" if pd.api.types.is_string_dtype(column.dtype) else {"oneway": False, "accuracy": 0.0}.get(str(name))
        said = over.frame[name] if name in over.frame else pd.Series([blank] * len(over), dtype=column.dtype)
        columns[name] = pd.concat([column, said], ignore_index=True)
    return pd.DataFrame(columns)
