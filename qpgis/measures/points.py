"""Points within zones, and the amounts that features stand for."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, Floats, Geometries
from qpgis.measures.areas import overlaid_areas
from qpgis.measures.contributions import Contributions
from qpgis.shapes import spots

Ints = NDArray[np.int64]
AREAL = 2


def count_contributions(zones: Geometries, points: Geometries, *, overlapping: bool = False) -> Contributions:
    """One for each point in a zone; a point on a shared border goes to the zone that comes first.

    A point is on a border if it lies within :data:`qpgis.crs.COINCIDENT_M` of it. Zones that may overlap
    (``overlapping``) each count all points that lie in them. Polygons count where a point inside them lies.
    """
    point, zone = _in_zones(zones, spots(points), overlapping)
    return Contributions.of(point, zone, np.ones(len(point)), len(zones))


def amount_contributions(
    zones: Geometries, features: Geometries, amounts: Floats, *, overlapping: bool = False
) -> Contributions:
    """The amounts of points as :func:`count_contributions` counts them; those of polygons prorated by area.

    A polygon that is a zone gives it all that it has.

    Parameters
    ----------
    zones, features : arrays of geometries
        In the plane; features are points and polygons.
    amounts : float array
        One a feature; NaN, not known, contributes nothing.
    """
    known = np.nan_to_num(amounts)
    areal = shapely.get_dimensions(features) == AREAL
    polygons, points = np.flatnonzero(areal), np.flatnonzero(~areal)
    in_zone, polygon, piece = overlaid_areas(zones, features[polygons])
    share = piece / shapely.area(features[polygons])[polygon]
    point, at_zone = _in_zones(zones, features[points], overlapping)
    feature = np.concatenate([polygons[polygon], points[point]])
    parts = np.concatenate([known[polygons[polygon]] * share, known[points[point]]])
    return Contributions.of(feature, np.concatenate([in_zone, at_zone]), parts, len(zones))


def _in_zones(zones: Geometries, points: Geometries, overlapping: bool) -> tuple[Ints, Ints]:
    """Each point with the zone that it lies in, the first where several share the border that it lies on."""
    point, zone = shapely.STRtree(zones).query(points, predicate="dwithin", distance=COINCIDENT_M)
    order = np.lexsort((zone, point))
    point, zone = point[order], zone[order]
    if not overlapping and len(point):
        first = np.append(True, point[1:] != point[:-1])
        point, zone = point[first], zone[first]
    return point, zone
