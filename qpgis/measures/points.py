"""Points within zones, and the amounts that features stand for."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, Floats, Geometries
from qpgis.measures.areas import overlaid_areas
from qpgis.measures.contributions import Contributions

Ints = NDArray[np.int64]


def count_contributions(zones: Geometries, points: Geometries, *, overlapping: bool = False) -> Contributions:
    """One for each point in a zone; a point on a shared border goes to the zone that comes first.

    A point is on a border if it lies within :data:`qpgis.crs.COINCIDENT_M` of it. Zones that may overlap
    (``overlapping``) each count all points that lie in them.
    """
    point, zone = _in_zones(zones, points, overlapping)
    return Contributions.of(point, zone, np.ones(len(point)), len(zones))


def amount_contributions(
    zones: Geometries, features: Geometries, amounts: Floats, *, overlapping: bool = False
) -> Contributions:
    """The amounts of points as :func:`count_contributions` counts them; those of polygons prorated by area.

    Parameters
    ----------
    zones, features : arrays of geometries
        In the plane; features all points, or all polygons.
    amounts : float array
        One a feature; NaN, not known, contributes nothing.
    """
    known = np.nan_to_num(amounts)
    if (shapely.get_dimensions(features) == 2).any():
        zone, feature, piece = overlaid_areas(zones, features)
        share = piece / shapely.area(features)[feature]
        return Contributions.of(feature, zone, known[feature] * share, len(zones))
    point, zone = _in_zones(zones, features, overlapping)
    return Contributions.of(point, zone, known[point], len(zones))


def _in_zones(zones: Geometries, points: Geometries, overlapping: bool) -> tuple[Ints, Ints]:
    """Each point with the zone that it lies in, the first where several share the border that it lies on."""
    point, zone = shapely.STRtree(zones).query(points, predicate="dwithin", distance=COINCIDENT_M)
    order = np.lexsort((zone, point))
    point, zone = point[order], zone[order]
    if not overlapping and len(point):
        first = np.append(True, point[1:] != point[:-1])
        point, zone = point[first], zone[first]
    return point, zone
