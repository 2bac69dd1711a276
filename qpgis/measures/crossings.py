"""Places where a network of lines crosses water: over a bridge, through a tunnel, by a ford."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.measures.junctions import degrees, means
from qpgis.measures.network import Network
from qpgis.measures.spans import Chainage, Spans
from qpgis.shapes import connected

Ints = NDArray[np.int64]
SEAM_M = 0.1
"""Polygons of one water may stand this far apart."""


def crossings(network: Network, water: Geometries, *, merge_within_m: float, least_depth_m: float) -> Floats:
    """Where a network crosses water, n x 2, in the plane.

    A crossing is what of the network lies in water in one piece and leaves it in two places or more: a pier leaves it
    in one. Pieces may go on over the vertices of lines, and branch. Each stands at its centroid, the middle of a
    bridge.

    Parameters
    ----------
    network : Network
    water : array of polygons
        In the plane; those that touch are one water.
    merge_within_m : float
        Crossings of one water that come this near to each other are one: two carriageways, the
        footway beside them. Zero merges none.
    least_depth_m : float
        A line that gets no further than this from the shore runs along it.
    """
    waters = shapely.get_parts(shapely.union_all(water)) if len(water) else np.empty(0, dtype=object)
    chainage = network.chainage
    wet = chainage.inside(water, tolerance_m=SEAM_M) if len(waters) else chainage.whole[:0]
    if not len(wet):
        return np.zeros((0, 2))
    piece, exits = _pieces(network, chainage, wet)
    middle = chainage.points((wet.low + wet.high) / 2)
    of, depth = _in_water(waters, middle)
    deepest = np.zeros(len(exits))
    np.maximum.at(deepest, piece, depth)
    kept = np.flatnonzero(((exits >= 2) & (deepest > least_depth_m))[piece])
    kept = kept[np.argsort(piece[kept], kind="stable")]
    _, first, piece = np.unique(piece[kept], return_index=True, return_inverse=True)
    if merge_within_m and len(kept):
        shapes = shapely.multilinestrings(chainage.lines(wet)[kept], indices=piece)
        piece = _joined(shapes, of[kept][first], merge_within_m)[piece]
    return means(middle[kept], piece, weights=(wet.high - wet.low)[kept])


def _pieces(network: Network, chainage: Chainage, wet: Spans) -> tuple[Ints, Ints]:
    """Which spans hang together, numbered from 0, and in how many places each piece leaves the water."""
    first = chainage.edges[wet.line]
    near = chainage.at[first + 1] - wet.high <= SEAM_M, wet.low - chainage.at[first] <= SEAM_M
    span = np.concatenate([np.flatnonzero(touching) for touching in near])
    node = np.concatenate([network.end[wet.line][near[0]], network.start[wet.line][near[1]]])
    piece = connected(span, len(wet) + node, len(wet) + len(network))
    piece = np.unique(piece[: len(wet)], return_inverse=True)[1]
    exits = np.bincount(piece, weights=2 - near[0].astype(int) - near[1])
    # where a single span ends at a node, the water does: unless the line does too, in the water
    alone = (np.bincount(node, minlength=len(network)) == 1) & (degrees(network) > 1)
    exits += np.bincount(piece[span], weights=alone[node], minlength=len(exits))
    return piece, exits


def _in_water(waters: Geometries, xy: Floats) -> tuple[Ints, Floats]:
    """In which water places lie, and how far from its shore."""
    points, tree = shapely.points(xy), shapely.STRtree(waters)
    shapely.prepare(waters)  # most places lie in a water, which is quicker told than what is nearest
    point, water = tree.query(points)
    inside = shapely.intersects(waters[water], points[point])
    of = np.full(len(points), -1)
    of[point[inside]] = water[inside]
    of[of < 0] = tree.nearest(points[of < 0])
    shores = shapely.boundary(waters)
    shapely.prepare(shores)
    return of, shapely.distance(shores[of], points)


def _joined(shapes: Geometries, water: Ints, within_m: float) -> Ints:
    """Which of some pieces, numbered from 0, come near each other over the same water."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=within_m)
    same = water[one] == water[other]
    return connected(one[same], other[same], len(shapes))
