"""Between which bounds areas lie when borders are only known to some metres.

Bounds, no confidence interval: every border is taken to be off all along, in one direction, by as much as it may be.
Nothing is said of how likely that is; it isn't.

The model is the epsilon band (J. Perkal 1966, On the length of empirical curves, Michigan Inter-University Community
of Mathematical Geographers, Discussion Paper 10): a border lies within a given distance of where it is drawn. So the
ground that a layer covers for certain is what stays when it is shrunk by that distance, and the ground that it may
cover is what it becomes when it is grown by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike

from qpgis.crs import Floats, Geometries
from qpgis.errors import ConfigError
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import MICRO

JOIN_WITHIN_M = 0.01
"""Polygons that lie this close meet: the border between them is none of the layer."""
QUAD_SEGS = 16
"""Pieces of a quarter circle round a corner; its arc is met to 0.12 % of the distance, straight borders exactly."""


@dataclass(frozen=True)
class AreaBounds:
    """What each zone's area is, and what it may be at least and at most: ``low <= value <= high``.

    Added and subtracted, they stay bounds; where a layer comes into both sides they aren't the closest ones.

    Attributes
    ----------
    low, value, high : float arrays
        m2, one a zone; NaN for a zone without geometry.
    """

    low: Floats
    value: Floats
    high: Floats

    @classmethod
    def certain(cls, value: Floats) -> AreaBounds:
        """Of areas that are known, such as those of the zones themselves."""
        return cls(value, value, value)

    def __add__(self, other: AreaBounds) -> AreaBounds:
        return AreaBounds(self.low + other.low, self.value + other.value, self.high + other.high)

    def __sub__(self, other: AreaBounds) -> AreaBounds:
        return AreaBounds(self.low - other.high, self.value - other.value, self.high - other.low)


@dataclass(frozen=True)
class Ground:
    """The ground that a layer covers: for certain, as it is drawn, and at most.

    Attributes
    ----------
    certain, drawn, possible : array of polygons
        In the study area's equal-area plane; polygons may overlap.
    """

    certain: Geometries
    drawn: Geometries
    possible: Geometries

    @classmethod
    def of(
        cls, polygons: Geometries, accuracy_m: ArrayLike = 0.0, *, surveyed: shapely.Geometry | None = None
    ) -> Ground:
        """The ground of polygons whose borders may be off.

        Parameters
        ----------
        polygons : array of valid polygons
            Where they meet there is no border that could be off.
        accuracy_m : float, or one a polygon
            How far a border may be from where it is drawn, metres; 0 for one that is certain.
        surveyed : polygon, optional
            Where they were looked for. A layer that was cut off at the end of its survey has no border there that
            could be off; without this it seems to have one.

        Raises
        ------
        ConfigError
            If an accuracy is negative or no number of metres, or if there are more or fewer than polygons.
        """
        accuracy = _checked(accuracy_m, len(polygons))
        if not accuracy.any():
            return cls(polygons, polygons, polygons)
        return cls(_shrunk_where_surveyed(polygons, accuracy, surveyed), polygons, grown(polygons, accuracy))


NOTHING = np.empty(0, dtype=object)


def area_bounds(
    zones: Geometries, ground: Ground, *, outside: Ground = Ground(NOTHING, NOTHING, NOTHING)
) -> AreaBounds:
    """Bounds of the dissolved area of a layer within each zone, whose borders may be off.

    At least it is the area of the layer shrunk by its accuracy, at most that of the layer grown by it; what is left
    out is grown for the least and shrunk for the most. Zone borders are certain. These are bounds, not a confidence
    interval, and they belong to these zones: what one zone may lose another may gain, so bounds of a group of zones
    are computed from the group, never summed.

    Parameters
    ----------
    zones : array of valid polygons
        In the plane of the ground.
    ground : Ground
    outside : Ground, optional
        What it covers is left out.

    Returns
    -------
    AreaBounds
        In m2. With an accuracy of 0, three times the area itself.
    """
    value = _areas(zones, ground.drawn, outside.drawn)
    if ground.certain is ground.drawn and outside.certain is outside.drawn:
        return AreaBounds.certain(value)
    low = _areas(zones, ground.certain, outside.possible)
    high = _areas(zones, ground.possible, outside.certain)
    return AreaBounds(np.minimum(low, value), value, np.maximum(high, value))


def grown(polygons: Geometries, accuracy_m: Floats) -> Geometries:
    """The ground that polygons may cover: every point within their accuracy of one of them.

    Parameters
    ----------
    polygons : array of valid polygons
        In a plane.
    accuracy_m : float array, one a polygon

    Returns
    -------
    array of polygons
        Other ones than were given; they may overlap.
    """
    certain = polygons[accuracy_m == 0]
    levels = np.unique(accuracy_m[accuracy_m > 0])
    more = [shapely.buffer(_dissolved(polygons[accuracy_m == a]), a, quad_segs=QUAD_SEGS) for a in levels]
    return np.concatenate([certain, *more])


def shrunk(polygons: Geometries, accuracy_m: Floats) -> Geometries:
    """The ground that polygons cover for certain: what isn't within their accuracy of the border of their union.

    Parameters and return value as for :func:`grown`. A border that only polygons of one accuracy make is off by
    that; where polygons of several meet the layer's border, each stretch of it is off by its own.
    """
    levels = np.unique(accuracy_m)
    if not levels.any():
        return polygons
    whole = _dissolved(polygons)
    if len(levels) == 1:
        return _there(shapely.buffer(whole, -levels[0], quad_segs=QUAD_SEGS))
    bands = [_band(whole, _dissolved(polygons[accuracy_m == a]), a) for a in levels[levels > 0]]
    return _without(whole, np.concatenate([np.array([], dtype=object), *bands]))


def _shrunk_where_surveyed(polygons: Geometries, accuracy_m: Floats, surveyed: shapely.Geometry | None) -> Geometries:
    """What is certain of polygons that may go on where nobody looked."""
    if surveyed is None or surveyed.is_empty or not accuracy_m.any():
        return shrunk(polygons, accuracy_m)
    around = shapely.buffer(surveyed, 2 * accuracy_m.max() + 1, quad_segs=1, join_style="mitre")
    beyond = shapely.get_parts(shapely.difference(around, surveyed))
    # of one accuracy all may shrink alike: what lies beyond then loses only its outer edge, far from the survey's end
    uniform = accuracy_m.min() == accuracy_m.max()
    of_beyond = np.full(len(beyond), accuracy_m[0] if uniform else 0.0)
    return _without(shrunk(np.concatenate([polygons, beyond]), np.concatenate([accuracy_m, of_beyond])), beyond)


def _band(whole: Geometries, own: Geometries, accuracy_m: float) -> Geometries:
    """The ground that is too near to where the border of the whole is that of some of its polygons."""
    beside = shapely.buffer(shapely.boundary(own), JOIN_WITHIN_M, quad_segs=1)
    border = _segments(shapely.boundary(whole))
    part, side = shapely.STRtree(beside).query(border, predicate="intersects")
    stretches = shapely.line_merge(shapely.union_all(shapely.intersection(border[part], beside[side])))
    return _there(shapely.buffer(shapely.get_parts(stretches), accuracy_m, quad_segs=QUAD_SEGS))


def _segments(lines: Geometries) -> Geometries:
    """Every straight piece of lines by itself: long lines would be looked at whole for each of their neighbours."""
    points, line = shapely.get_coordinates(shapely.get_parts(lines), return_index=True)
    same = line[1:] == line[:-1]
    return np.asarray(shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1)[same]), dtype=object)


def _without(polygons: Geometries, others: Geometries) -> Geometries:
    """Polygons without what others cover."""
    polygon, other = shapely.STRtree(others).query(polygons, predicate="intersects")
    left = polygons.copy()
    cut, first = np.unique(polygon, return_index=True)
    for target, covers in zip(cut, np.split(others[other], first)[1:], strict=True):
        left[target] = shapely.difference(polygons[target], shapely.union_all(covers))
    return _there(left)


def _dissolved(polygons: Geometries) -> Geometries:
    """The parts of the polygons' union, with hairline gaps closed, which shrinking would tear open."""
    half = JOIN_WITHIN_M / 2
    joined = shapely.disjoint_subset_union_all(shapely.buffer(_there(polygons), half, join_style="mitre"))
    return _there(shapely.get_parts(shapely.buffer(shapely.get_parts(joined), -half, join_style="mitre")))


def _there(polygons: Geometries) -> Geometries:
    """Those that are neither missing nor empty."""
    return polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))]


def _areas(zones: Geometries, features: Geometries, outside: Geometries) -> Floats:
    """Dissolved area of features within each zone; NaN for a zone without geometry."""
    found = area_contributions(zones, features, outside).per_zone()
    areas = np.minimum(np.array(found, dtype=float) / MICRO, shapely.area(zones))
    areas[shapely.is_missing(zones) | shapely.is_empty(zones)] = np.nan
    return areas


def _checked(accuracy_m: ArrayLike, features: int) -> Floats:
    """One accuracy a feature."""
    given = np.asarray(accuracy_m, dtype=float)
    if given.ndim and given.shape != (features,):
        raise ConfigError(f"accuracy_m has {given.size} values for {features} features")
    wrong = np.flatnonzero(~((given >= 0) & np.isfinite(given)))
    if len(wrong):
        where = f" (feature {wrong[0] + 1} of {features}, {len(wrong)} in all)" if given.ndim else ""
        raise ConfigError(f"accuracy_m = {given.flat[wrong[0]]:g}{where} is no distance in metres; 0 means certain")
    return np.broadcast_to(given, features)
