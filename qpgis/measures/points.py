"""Points within zones."""

from __future__ import annotations

import numpy as np
import shapely

from qpgis.crs import COINCIDENT_M, Geometries
from qpgis.measures.contributions import Contributions


def count_contributions(zones: Geometries, points: Geometries, *, overlapping: bool = False) -> Contributions:
    """One for each point in a zone; a point on a shared border goes to the zone that comes first.

    A point is on a border if it lies within :data:`qpgis.crs.COINCIDENT_M` of it. Zones that may overlap
    (``overlapping``) each count all points that lie in them.
    """
    point, zone = shapely.STRtree(zones).query(points, predicate="dwithin", distance=COINCIDENT_M)
    order = np.lexsort((zone, point))
    point, zone = point[order], zone[order]
    if not overlapping and len(point):
        first = np.append(True, point[1:] != point[:-1])
        point, zone = point[first], zone[first]
    return Contributions.of(point, zone, np.ones(len(point)), len(zones))
