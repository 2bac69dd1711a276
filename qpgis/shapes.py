"""Shapes as such: polygons mended by one stated rule, collections taken apart, equals found."""

from __future__ import annotations

import hashlib

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from qpgis.catalogue import Lang, keys, text
from qpgis.crs import Geometries

POLYGON = 3
"""The type of a single polygon; from the fourth on, types hold several shapes."""
NEGLIGIBLE_M2 = 1e-6
"""Less is lost by rounding."""
AREAL = (POLYGON, 6, 7)
"""Types that may hold polygons."""


def repaired(polygons: Geometries) -> Geometries:
    """Invalid polygons, in collections too, rebuilt by the even-odd rule; all else as it is."""
    broken = np.flatnonzero(broken_areas(polygons))
    mended = polygons.copy()
    mended[broken] = [_rebuilt(shape) for shape in polygons[broken]]
    return mended


def border_sha256(polygons: Geometries) -> list[str]:
    """A hash of each polygon's border: the same for the same ground, however its rings begin and turn."""
    borders = shapely.to_wkb(shapely.normalize(polygons), byte_order=1, output_dimension=2)
    return [hashlib.sha256(border).hexdigest() for border in borders]


def broken_areas(shapes: Geometries) -> NDArray[np.bool_]:
    """Which shapes are invalid polygons, or collections with something invalid."""
    return np.isin(shapely.get_type_id(shapes), AREAL) & ~shapely.is_valid(shapes)


def _rebuilt(shape: Geometry) -> Geometry:
    if shape.geom_type != "GeometryCollection":
        return even_odd(shape)
    return shapely.geometrycollections(repaired(single_parts(np.array([shape], dtype=object))[0]))


def even_odd(polygon: Geometry) -> Geometry:
    """The ground that an odd number of a polygon's rings surround; the parts of a multipolygon are united.

    Each ring is rebuilt from its lines by itself: all at once, GEOS fills a hole that shares edges with its shell.
    """
    parts = []
    for part in shapely.get_parts(polygon):
        faces = shapely.make_valid(shapely.polygons(shapely.get_rings(part)), method="linework")
        while len(faces) > 1:  # two and two: thousands of holes one after the other would take hours
            pairs = shapely.symmetric_difference(faces[:-1:2], faces[1::2])
            faces = np.concatenate([pairs, faces[len(pairs) * 2 :]])
        parts += list(faces)
    return polygonal(shapely.union_all(parts))


def invalid_because(polygons: Geometries, lang: Lang) -> list[str]:
    """Why polygons aren't valid, and at which of their coordinates."""
    return [_translated(said, lang) for said in shapely.is_valid_reason(polygons)]


def _translated(said: str, lang: Lang) -> str:
    """What GEOS says of a broken shape (``Self-intersection[121.5 31.25]``) in a planner's language."""
    reason, _, place = said.rstrip("]").partition("[")
    key = f"broken_{reason.lower().replace(' ', '_').replace('-', '_')}"
    words = text(key, lang) if key in keys() else reason
    at = " ".join(f"{float(number):.9g}" for number in place.split())
    return f"{words} ({at})" if at else words


def polygonal(geometry: Geometry) -> Geometry:
    """The polygons of a geometry, as one; an empty polygon if it has none."""
    parts, _ = single_parts(np.array([geometry], dtype=object))
    polygons = parts[shapely.get_dimensions(parts) == 2]
    if not len(polygons):
        return shapely.Polygon()
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def still_valid(polygons: Geometries) -> Geometries:
    """Mend what projection alone made invalid: a ring that touched an edge may cross it by micrometres."""
    broken = np.flatnonzero(~shapely.is_valid(polygons) & ~shapely.is_missing(polygons))
    if len(broken):
        polygons = polygons.copy()
        polygons[broken] = [polygonal(g) for g in shapely.make_valid(polygons[broken])]
    return polygons


def equal_rows(shapes: Geometries) -> list[NDArray[np.int64]]:
    """Of each shape that stands more than once the rows that have it, wherever its rings and parts begin."""
    import pandas as pd

    keys = pd.Series(shapely.to_wkb(shapely.normalize(shapes)))
    repeated = keys[keys.duplicated(keep=False)]
    return [rows.to_numpy() for rows in repeated.groupby(repeated, sort=False).groups.values()]


def spots(shapes: Geometries) -> Geometries:
    """Where shapes are reached or counted: points where they are, others at a point on them."""
    if (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
        return shapes
    return np.asarray(shapely.point_on_surface(shapes), dtype=object)


def single_parts(shapes: Geometries) -> tuple[Geometries, NDArray[np.int64]]:
    """The points, lines and polygons in shapes, however deep in collections, and which shape each is of."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    while (shapely.get_type_id(parts) > POLYGON).any():
        parts, outer = shapely.get_parts(parts, return_index=True)
        owner = owner[outer]
    return parts, owner


def clipped(shapes: Geometries, ground: Geometries) -> tuple[Geometries, Geometries]:
    """What lies of each of some polygons on some ground, and the rest; missing ones stay missing.

    Each by itself: only the ground that it meets decides, to the digit.

    Parameters
    ----------
    shapes, ground : arrays of valid polygons
        In one plane; those of the ground may overlap.
    """
    shapely.prepare(ground)
    part, of = shapely.STRtree(shapes).query(ground, predicate="intersects")
    within: Geometries = np.array([None if one is None else shapely.Polygon() for one in shapes], dtype=object)
    whole = np.zeros(len(shapes), dtype=bool)
    whole[of[shapely.covers(ground[part], shapes[of])]] = True
    part, of = part[~whole[of]], of[~whole[of]]
    order = np.lexsort((part, of))
    pieces, owner = single_parts(shapely.intersection(shapes[of[order]], ground[part[order]]))
    areal = shapely.get_type_id(pieces) == POLYGON
    met, of = np.unique(of[order][owner[areal]], return_inverse=True)
    within[met] = united_by(pieces[areal], of, len(met))
    whole[met] = shapely.area(shapes[met]) - shapely.area(within[met]) < NEGLIGIBLE_M2
    within[whole] = shapes[whole]
    rest = shapes.copy()
    rest[whole] = shapely.Polygon()
    some = met[~whole[met]]
    rest[some] = shapely.difference(shapes[some], within[some])
    return within, rest


def united_by(polygons: Geometries, owner: NDArray[np.int64], count: int) -> Geometries:
    """The union of the polygons of each of so many owners, each of whom has some, united in the order given."""
    order = np.argsort(owner, kind="stable")
    number = np.bincount(owner, minlength=count)
    first = np.cumsum(number) - number
    united = np.empty(count, dtype=object)
    for size in np.unique(number):
        those = np.flatnonzero(number == size)
        united[those] = shapely.union_all(polygons[order[first[those][:, None] + np.arange(size)]], axis=1)
    return united


def touching(polygons: Geometries) -> tuple[NDArray[np.int64], Geometries]:
    """Polygons that touch as one each, in parts of their union; the first row of each, and the whole."""
    if not len(polygons):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=object)
    wholes = shapely.get_parts(shapely.union_all(polygons))
    return first_met(wholes, polygons), wholes


def first_met(shapes: Geometries, others: Geometries) -> NDArray[np.int64]:
    """The first of others that each of some shapes meets; each has to meet one."""
    shape, other = shapely.STRtree(others).query(shapes, predicate="intersects")
    first = np.full(len(shapes), len(others))
    np.minimum.at(first, shape, other)
    return first


def near(shapes: Geometries, others: Geometries, *, within_m: float) -> NDArray[np.bool_]:
    """Which shapes are within a distance of any of others, in the plane."""
    found = np.zeros(len(shapes), dtype=bool)
    found[shapely.STRtree(others).query(shapes, predicate="dwithin", distance=within_m)[0]] = True
    return found


def connected(one: NDArray[np.int64], other: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Which connected piece each of some things is in, if some pairs are connected; numbered as they come."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
