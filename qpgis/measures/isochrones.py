"""Isochrones: the ground that is reached along a network within a distance, as polygons.

The rule: the streets that are reached within ``limit_m - beside_m``, edges partly where the distance ends on them, and
the ground up to ``beside_m`` beside these. So whoever stands in it has walked ``limit_m`` at the most, the straight way
from the street included, and no place in it is further than ``limit_m`` from a source as the crow flies. It doesn't end
at water or motorways that the ground beside a street reaches over.
"""

from __future__ import annotations

import numpy as np
import shapely

from qpgis.crs import Floats, Geometries
from qpgis.measures.network import Ints, Network

BESIDE_M = 50.0
"""How far beside a street the ground still belongs to it: about half a block; no source settles it."""
STRAIGHT_M = 0.001
"""Vertices this near to a straight street say nothing of it: most were put there for the projection."""
QUAD_SEGS = 16
"""Corners of a quarter circle; they lie on it, so the polygon lies in the ground that is meant."""


def isochrone(network: Network, sources: Ints, *, limit_m: float, beside_m: float = BESIDE_M) -> Geometries:
    """The ground within a distance of the nearest source, as polygons that don't overlap.

    Parameters
    ----------
    network : Network
        With the sources as nodes, see :meth:`Network.with_points`.
    sources : int array
        Their nodes.
    limit_m : float
        The distance, the way beside the street included.
    beside_m : float
        How far beside a street.

    Returns
    -------
    array of polygons
        In the plane; none where nothing is reached.
    """
    lines = reached_lines(network, sources, limit_m=limit_m - beside_m)
    if not len(lines):
        return lines
    ways = shapely.simplify(shapely.get_parts(shapely.line_merge(shapely.multilinestrings(lines))), STRAIGHT_M)
    return np.asarray(
        shapely.get_parts(shapely.disjoint_subset_union_all(shapely.buffer(ways, beside_m, quad_segs=QUAD_SEGS)))
    )


def reached_lines(network: Network, sources: Ints, *, limit_m: float) -> Geometries:
    """The pieces of lines that are within a distance of the nearest source, along the lines and the way to them."""
    if limit_m <= 0:
        return np.empty(0, dtype=object)
    left = np.maximum(limit_m - network.distances(sources, limit_m=limit_m)[: len(network)], 0)
    street = network.line >= 0  # not the ways from points to them
    start, end, length_m = network.start[street], network.end[street], network.length_m[street]
    from_start, from_end = left[start], left[end]
    whole = from_start + from_end >= length_m
    begin, finish = network.xy[start], network.xy[end]
    return np.concatenate(
        [
            _pieces(begin[whole], finish[whole], np.ones(int(whole.sum()))),
            _pieces(begin[~whole], finish[~whole], from_start[~whole] / length_m[~whole]),
            _pieces(finish[~whole], begin[~whole], from_end[~whole] / length_m[~whole]),
        ]
    )


def _pieces(begin: Floats, finish: Floats, share: Floats) -> Geometries:
    """The first part of straight edges, as far as there is any."""
    end = begin + share[:, None] * (finish - begin)
    some = (end != begin).any(axis=1)
    return np.asarray(shapely.linestrings(np.stack([begin[some], end[some]], axis=1)), dtype=object)
