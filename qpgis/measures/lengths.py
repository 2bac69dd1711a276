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
    counts its part of that stretch, and otherwise what lies in the zone.
    """
    touched = np.unique(zone)
    bands = np.empty(len(zones), dtype=object)
    bands[touched] = shapely.buffer(shapely.boundary(zones[touched]), COINCIDENT_M, quad_segs=2)
    parts, owner = shapely.get_parts(shapely.intersection(shapes, bands[zone]), return_index=True)
    long = shapely.length(parts) > STRETCH_M
    along = np.unique(owner[long])
    if not len(along):
        return inside
    cores = np.empty(len(zones), dtype=object)
    needed = np.unique(zone[along])
    cores[needed] = shapely.difference(zones[needed], bands[needed])
    stretch, pair = parts[long], owner[long]
    crossed = ~long & np.isin(owner, along)
    short, at = parts[crossed], owner[crossed]
    length = inside.copy()
    length[along] = plane.lengths(shapely.intersection(shapes[along], cores[zone[along]]))
    np.add.at(length, at, plane.lengths(shapely.intersection(short, zones[zone[at]])))
    np.add.at(length, pair, plane.lengths(stretch) - _shared_half(bands[zone], stretch, pair, line, plane))
    return length


def _shared_half(bands: Geometries, stretch: Geometries, pair: Ints, line: Ints, plane: Plane) -> Floats:
    """Half of what each stretch of a pair of line and zone has in common with the band of another zone along it."""
    of_line: dict[int, list[int]] = {}
    for one in np.unique(pair).tolist():
        of_line.setdefault(int(line[one]), []).append(one)
    couples = [(n, b) for n, a in enumerate(pair.tolist()) for b in of_line[int(line[a])] if a != b]
    surplus = np.zeros(len(stretch))
    if couples:
        first, second = (np.array(side) for side in zip(*couples, strict=True))
        np.add.at(surplus, first, plane.lengths(shapely.intersection(stretch[first], bands[second])) / 2)
    return surplus
