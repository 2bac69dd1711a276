"""Shapes on the written grid: between degrees and metres, disjoint, smoothed, in one spelling."""

from __future__ import annotations

from functools import cache

import numpy as np
import shapely
from pyproj import Transformer
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

DECIMALS = 6
"""Of a degree, as written: about 0.1 m."""
GRID_DEG = 10.0**-DECIMALS
EQUAL_AREA = "+proj=laea +lat_0=31 +lon_0=121 +ellps=GRS80 +units=m"
GAUSS_KRUGER = "EPSG:4549"
KM2 = 1e6
"""Square metres."""


def to_plane(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Longitude/latitude to metres in `crs`."""
    return _transformed(geometry, _transformer("EPSG:4326", crs))


def to_lonlat(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Metres in `crs` to longitude/latitude."""
    return _transformed(geometry, _transformer(crs, "EPSG:4326"))


@cache
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _transformed(geometry: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(*xy.T)))


def drawn_area(corners: list[list[float]], km2: float | None, *, round_off: bool = True) -> BaseGeometry:
    """The polygon of some corners (degrees), rounded off, scaled about its centre to an area in km2 if one is given."""
    ring = shapely.get_coordinates(to_plane(LineString(corners), EQUAL_AREA))
    drawn = Polygon(smooth(ring) if round_off else ring)
    if km2 is None:
        return to_lonlat(drawn, EQUAL_AREA)
    factor = float(np.sqrt(km2 * KM2 / drawn.area))
    centre = shapely.get_coordinates(drawn.centroid)[0]
    return to_lonlat(shapely.transform(drawn, lambda xy: centre + (xy - centre) * factor), EQUAL_AREA)


def rounded(geometry: BaseGeometry) -> BaseGeometry:
    """Coordinates rounded to the written decimals."""
    return shapely.transform(geometry, lambda xy: np.round(xy, DECIMALS))


def shared_out(geometries: list[BaseGeometry]) -> list[BaseGeometry]:
    """Give every spot to the first geometry that has it, with identical vertices along every common border.

    All outlines are noded together on the grid of the written decimals, so that reading the file back finds
    no gap and no overlap.
    """
    snapped = [shapely.set_precision(g, GRID_DEG) for g in geometries]
    lines = shapely.union_all([g.boundary for g in snapped], grid_size=GRID_DEG)
    faces = shapely.get_parts(shapely.polygonize([lines]))
    owned: list[list[BaseGeometry]] = [[] for _ in snapped]
    for face in faces:
        owner = next((i for i, g in enumerate(snapped) if g.covers(face.representative_point())), None)
        if owner is not None:
            owned[owner].append(face)
    return [rounded(shapely.union_all(part)) for part in owned]


def canonical(geometry: BaseGeometry) -> BaseGeometry:
    """One spelling for one shape: parts and first points ordered, outer rings counter-clockwise."""
    return shapely.orient_polygons(geometry.normalize())


def smooth(ring: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Chaikin's corner cutting of an unclosed ring."""
    for _ in range(rounds):
        following = np.roll(ring, -1, axis=0)
        corners = (0.75 * ring + 0.25 * following, 0.25 * ring + 0.75 * following)
        ring = np.stack(corners, axis=1).reshape(-1, 2)
    return ring


def through(points: np.ndarray, spacing: float, detail: float = 2.0) -> np.ndarray:
    """A curve through all points (metres), without overshoot: a centripetal Catmull-Rom spline.

    It has a point about every `spacing` metres; what lies within `detail` metres of a straight edge is dropped, the
    given points never are.
    """
    if len(points) < 3:
        return points
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = [_catmull_rom(ends[i : i + 4], spacing) for i in range(len(points) - 1)]
    kept = [shapely.get_coordinates(shapely.simplify(shapely.linestrings(p), detail)) for p in pieces]
    return np.vstack([kept[0][:1], *(piece[1:] for piece in kept)])


def _catmull_rom(p: np.ndarray, spacing: float) -> np.ndarray:
    """From the second to the third of four points."""
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.hypot(*np.diff(p, axis=0).T)))])
    steps = max(2, round(float(np.hypot(*(p[2] - p[1]))) / spacing) + 1)
    t = np.linspace(knots[1], knots[2], steps)[:, None]

    def between(a: np.ndarray, b: np.ndarray, start: float, end: float) -> np.ndarray:
        return ((end - t) * a + (t - start) * b) / (end - start)

    a = [between(p[i], p[i + 1], knots[i], knots[i + 1]) for i in range(3)]
    b = [between(a[i], a[i + 1], knots[i], knots[i + 2]) for i in range(2)]
    return between(b[0], b[1], knots[1], knots[2])


def without_crumbs(geometry: BaseGeometry, share: float = 0.01) -> BaseGeometry:
    """Only the parts that have at least `share` of the area of the largest."""
    parts = shapely.get_parts(geometry)
    areas = shapely.area(parts)
    return shapely.union_all(parts[areas >= share * areas.max()])
