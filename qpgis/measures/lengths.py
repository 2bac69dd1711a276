"""Geodesic length of lines within zones."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, Floats, Geometries, Plane
from qpgis.measures.contributions import Contributions

Ints = NDArray[np.int64]
STRETCH_M = 50 * COINCIDENT_M
"""A line that stays in a border's band for longer than this doesn't cross the border, it runs along it."""


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

    Where a line lies on itself, it counts once.

    Parameters
    ----------
    zones, lines : arrays of geometries
        In ``plane``.
    weight : float array, optional
        A factor for each line (a half for one track of a dual carriageway).
    """
    shapes = shapely.normalize(lines)
    tangled = ~shapely.is_simple(shapes)
    shapes[tangled] = shapely.node(shapes[tangled])
    shapely.prepare(zones)
    line, zone = shapely.STRtree(zones).query(shapes, predicate="dwithin", distance=COINCIDENT_M)
    length = np.zeros(len(line))
    alone = np.bincount(line, minlength=len(shapes))[line] == 1
    within = alone & shapely.contains_properly(zones[zone], shapes[line])
    length[within] = plane.lengths(shapes[line[within]])
    crossing = np.flatnonzero(~within)
    length[crossing] = plane.lengths(shapely.intersection(shapes[line[crossing]], zones[zone[crossing]]))
    if not overlapping and len(crossing):
        length[crossing] = _with_border_stretches(
            zones, zone[crossing], shapes[line[crossing]], line[crossing], length[crossing], plane
        )
    factor = weight[line] if weight is not None else 1.0
    return Contributions.of(line, zone, length * factor, len(zones))


def _with_border_stretches(
    zones: Geometries, zone: Ints, shapes: Geometries, line: Ints, inside: Floats, plane: Plane
) -> Floats:
    """The lengths of crossing lines, those that run along a border split among the zones that share it.

    A line runs along a border where it stays within a narrow band around it for more than a crossing takes. There it
    counts what lies in the zone without the band, and its part of what lies in the band.
    """
    touched = np.unique(zone)
    bands = np.empty(len(zones), dtype=object)
    bands[touched] = shapely.buffer(shapely.boundary(zones[touched]), COINCIDENT_M, quad_segs=2)
    in_band = shapely.intersection(shapes, bands[zone])
    parts, owner = shapely.get_parts(in_band, return_index=True)
    along = np.unique(owner[shapely.length(parts) > STRETCH_M])
    if not len(along):
        return inside
    cores = np.empty(len(zones), dtype=object)
    needed = np.unique(zone[along])
    cores[needed] = shapely.difference(zones[needed], bands[needed])
    length = inside.copy()
    length[along] = plane.lengths(shapely.intersection(shapes[along], cores[zone[along]]))
    length[along] += plane.lengths(in_band[along])
    length[along] -= _shared_half(bands[zone[along]], in_band[along], line[along], plane)
    return length


def _shared_half(bands: Geometries, in_band: Geometries, line: Ints, plane: Plane) -> Floats:
    """For each pair of line and zone, half of what the line has in the bands of this and another zone at once."""
    by_line: dict[int, list[int]] = {}
    for pair, one in enumerate(line):
        by_line.setdefault(int(one), []).append(pair)
    couples = [(a, b) for pairs in by_line.values() for a in pairs for b in pairs if a != b]
    surplus = np.zeros(len(line))
    if couples:
        first, second = (np.array(side) for side in zip(*couples, strict=True))
        np.add.at(surplus, first, plane.lengths(shapely.intersection(in_band[first], bands[second])) / 2)
    return surplus
