"""Geodesic length of lines within zones."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries, Plane
from qpgis.measures.contributions import Contributions


def length_contributions(
    zones: Geometries,
    lines: Geometries,
    plane: Plane,
    *,
    weight: NDArray[np.float64] | None = None,
    overlapping: bool = False,
) -> Contributions:
    """Length of each line within each zone (m), measured along the ellipsoid.

    A stretch on the border of two zones counts half to each, on the border of one zone wholly to it. Zones that may
    overlap (``overlapping``) each take all that lies in them.

    Parameters
    ----------
    zones, lines : arrays of geometries
        In ``plane``.
    weight : float array, optional
        A factor for each line (a half for one track of a dual carriageway).
    """
    shapes = shapely.normalize(lines)
    shapely.prepare(zones)
    line, zone = shapely.STRtree(zones).query(shapes, predicate="intersects")
    length = np.zeros(len(line))
    within = shapely.contains_properly(zones[zone], shapes[line])
    length[within] = plane.lengths(shapes[line[within]])
    crossing = np.flatnonzero(~within)
    inside = shapely.intersection(shapes[line[crossing]], zones[zone[crossing]])
    length[crossing] = plane.lengths(inside)
    if not overlapping and len(crossing):
        length[crossing] -= _shared_half(zones, zone[crossing], line[crossing], inside, plane)
    factor = weight[line] if weight is not None else 1.0
    return Contributions.of(line, zone, length * factor, len(zones))


def _shared_half(
    zones: Geometries, zone: NDArray[np.int64], line: NDArray[np.int64], inside: Geometries, plane: Plane
) -> NDArray[np.float64]:
    """Half the length that each crossing line has on borders which its zone shares with another."""
    border = shapely.boundary(zones)
    along = shapely.intersection(inside, border[zone])
    on_border = np.flatnonzero(shapely.length(along) > 0)
    surplus = np.zeros(len(zone))
    by_line: dict[int, list[int]] = {}
    for n in on_border:
        by_line.setdefault(int(line[n]), []).append(int(n))
    pairs = [(a, b) for group in by_line.values() for a in group for b in group if a != b]
    if pairs:
        first, second = (np.array(side) for side in zip(*pairs, strict=True))
        common = shapely.intersection(along[first], along[second])
        np.add.at(surplus, first, plane.lengths(common) / 2)
    return surplus
