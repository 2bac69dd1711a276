"""Continuity of greenways and of shores: connected networks, gaps between them, and the share of a shore that is open.

A shore is open (岸线贯通) where an accessible path is near and no closed ground lies behind it. Distances are exact, no
buffers; lengths are geodesic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry

from qpgis.crs import Floats, Geometries, Plane
from qpgis.measures.spans import HAIR_M, Chainage, Ints, Spans, require_lines
from qpgis.shapes import connected

TOLERANCE_M = 1.0
"""Lines that come this close are connected."""
GAPS_WITHIN_M = 1000.0
"""Networks further apart than this have no gap between them, they are different things."""
FIRST_ROUND_M = 4.0
"""Gaps are looked for within this at first."""
NEAR_M = 30.0
"""A path this near to a shore opens it."""
OVER_WATER_M = 5.0
"""A path this far out on the water belongs to the shore: a boardwalk, or a shore drawn roughly."""
BEHIND_M = 1.0
"""A shore is closed where the ground this far behind it is."""
ASHORE_M = 0.05
"""This far outside a body of water there is land, or else its border is no shore."""


# ------------------------------------------------------------------------------------------------------------ networks


def gaps(
    lines: Geometries, *, tolerance_m: float = TOLERANCE_M, within_m: float = GAPS_WITHIN_M
) -> tuple[Geometries, Ints]:
    """The shortest ways that would join the networks of lines such as greenways; see :func:`networks`.

    Parameters
    ----------
    lines : array of lines
        In the plane. Those that cross are connected, bridges too.
    tolerance_m : float
        Lines that come this close, anywhere along them, are connected.
    within_m : float
        Longer ways aren't given.

    Returns
    -------
    array of lines, int array, ways x 2
        The ways, each once, as many as are needed, the shortest first; and which of the lines given are at its ends.

    Raises
    ------
    ValueError
        If there are points or polygons among the lines.
    """
    require_lines(lines, "lines")
    parts, owner = shapely.get_parts(lines, return_index=True)
    there = ~shapely.is_empty(parts)
    parts, owner = parts[there], owner[there]
    ends = _joins(parts, connected(*_close(parts, tolerance_m), len(parts)), max(within_m, tolerance_m))
    return shapely.shortest_line(parts[ends[:, 0]], parts[ends[:, 1]]), owner[ends]


def networks(lines: Geometries, plane: Plane, *, tolerance_m: float = TOLERANCE_M) -> tuple[Geometries, Ints, Ints]:
    """The connected networks that lines make up, each line as it is.

    Parameters
    ----------
    lines : array of lines
        In the plane. Those that cross are connected.
    plane : Plane
        For geodesic lengths.
    tolerance_m : float
        Lines that come this close, anywhere along them, are connected.

    Returns
    -------
    array of single lines, int array, int array
        The lines, which of those given each is a part of, and its network: 0 is the longest (of equals, the one that
        begins furthest west).
    """
    require_lines(lines, "lines")
    parts, owner = shapely.get_parts(lines, return_index=True)
    network = connected(*_close(parts, tolerance_m), len(parts))
    count = network.max(initial=-1) + 1
    metres = np.bincount(network, plane.lengths(parts), minlength=count)
    west, south = np.full(count, np.inf), np.full(count, np.inf)
    bounds = shapely.bounds(parts)
    np.minimum.at(west, network, bounds[:, 0])
    np.minimum.at(south, network, bounds[:, 1])
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((south, west, -np.rint(1e6 * metres)))] = np.arange(count)
    return parts, owner, rank[network]


def _close(parts: Geometries, within_m: float) -> tuple[Ints, Ints]:
    """The pairs of lines that come this close, each once."""
    one, other = shapely.STRtree(parts).query(parts, predicate="dwithin", distance=within_m)
    return one[one < other], other[one < other]


def _joins(parts: Geometries, piece: Ints, within_m: float) -> Ints:
    """The pairs of lines to join, n x 2, the nearest first: the edges of the pieces' minimum spanning forest.

    Looked for in ever wider rounds, and each time only around what isn't part of the largest group yet.
    """
    tree = shapely.STRtree(parts)
    group, reach_m = piece, 0.0
    pairs = [np.empty((0, 2), dtype=np.int64)]
    while reach_m < within_m and group.any():
        reach_m = min(2 * reach_m + FIRST_ROUND_M, within_m)
        one, other = _shortest_joins(parts, tree, group, reach_m)
        pairs.append(np.column_stack([one, other]))
        group = connected(group[one], group[other], group.max() + 1)[group]
    return np.concatenate(pairs)


def _shortest_joins(parts: Geometries, tree: shapely.STRtree, group: Ints, reach_m: float) -> tuple[Ints, Ints]:
    """The pairs of lines whose joining makes the groups within reach of each other one, at the least length."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    small = np.flatnonzero(group != np.bincount(group).argmax())
    one, other = tree.query(parts[small], predicate="dwithin", distance=reach_m)
    one = small[one]
    apart = group[one] != group[other]
    one, other = one[apart], other[apart]
    low, high = np.minimum(group[one], group[other]), np.maximum(group[one], group[other])
    away = shapely.distance(parts[one], parts[other])
    order = np.lexsort((away, high, low))
    new = np.append(True, (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0))[: len(order)]
    nearest = order[new]
    nearest = nearest[np.lexsort((high[nearest], low[nearest], away[nearest]))]
    count = group.max() + 1
    rank = np.arange(1, len(nearest) + 1)
    links = coo_array((rank, (low[nearest], high[nearest])), shape=(count, count))
    chosen = nearest[np.sort(minimum_spanning_tree(links.tocsr()).data.astype(np.int64)) - 1]
    return one[chosen], other[chosen]


def _gathered(parts: Geometries, group: Ints, count: int, *, directed: bool = False) -> Geometries:
    """Lines gathered to one shape a group, joined where they meet; an empty line for a group without any."""
    order = np.argsort(group, kind="stable")
    shapes = np.full(count, shapely.LineString(), dtype=object)
    present = np.unique(group)
    if len(present):
        shapes[present] = shapely.line_merge(
            shapely.multilinestrings(parts[order], indices=np.searchsorted(present, group[order])), directed=directed
        )
    return shapes


# ------------------------------------------------------------------------------------------------------------ shores


@dataclass(frozen=True)
class OpenShore:
    """How open the shore of each body of water is.

    Attributes
    ----------
    length_m, open_m : float arrays
        Geodesic length of the shore of each body, and how much of it is open.
    longest_m : float array
        The longest open stretch.
    body : int array
        The body of each open stretch.
    stretch_m : float array
        Its geodesic length; in the order of the bodies, the longest first.
    stretches : array of lines
        With the water to their left if the shores have it so.
    closed_body : int array
        The body of each stretch that isn't open.
    closed_stretches : array of lines
    """

    length_m: Floats
    open_m: Floats
    longest_m: Floats
    body: Ints
    stretch_m: Floats
    stretches: Geometries
    closed_body: Ints
    closed_stretches: Geometries

    @property
    def share(self) -> Floats:
        """``open_m / length_m``; NaN for a body without a shore."""
        nothing = np.full(len(self.length_m), np.nan)
        return np.divide(self.open_m, self.length_m, out=nothing, where=self.length_m > 0)


def shorelines(
    waters: Geometries,
    *,
    others: Geometries | None = None,
    surveyed: Geometry | None = None,
    least_island_m2: float = 0.0,
    ashore_m: float = ASHORE_M,
) -> Geometries:
    """The shore of each body of water, with the water to its left.

    The boundary of its polygons, without what they share with other water: a river is often cut into pieces.

    Parameters
    ----------
    waters : array of valid polygons
        In the plane, one a body (a MultiPolygon where it has several). Give all bodies at once.
    others : array of valid polygons, optional
        Further water: where it lies beyond a boundary, that is no shore.
    surveyed : polygon, optional
        Beyond it nobody knows whether there is land: what borders on that is no shore.
    least_island_m2 : float
        Islands smaller than this have no shore.
    ashore_m : float
        Where there is other water this far outside a boundary, it is no shore.

    Returns
    -------
    array of lines
        Empty for a body that is missing or empty.
    """
    parts, body = shapely.get_parts(shapely.orient_polygons(shapely.force_2d(waters)), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    island = np.append(False, part[1:] == part[:-1])[: len(rings)]
    kept = ~island | (shapely.area(shapely.polygons(rings)) >= least_island_m2)
    rings, body = rings[kept], body[part[kept]]
    course = Chainage.of(rings)
    wet = waters if others is None else np.concatenate([waters, others])
    shore = course.whole - course.inside(wet, right_m=ashore_m)
    if surveyed is not None:
        shore = shore & course.inside(shapely.get_parts(surveyed), right_m=ashore_m)
    return _gathered(course.lines(shore), body[shore.line], len(waters), directed=True)


def open_shore(
    shores: Geometries,
    paths: Geometries,
    plane: Plane,
    *,
    within_m: float = NEAR_M,
    grounds: Geometries | None = None,
    closed: Geometries | None = None,
    least_m: float = 0.0,
    water_left: bool = True,
    over_water_m: float = OVER_WATER_M,
    behind_m: float = BEHIND_M,
) -> OpenShore:
    """Which share of each shore has an accessible path or ground near it and no closed ground behind it (岸线贯通).

    ``share = length of the shore with a path within a distance, without what is closed / length of the shore``. More
    paths never lower it, more closed ground never raises it.

    Parameters
    ----------
    shores : array of lines
        In the plane, one a body of water: what :func:`shorelines` gives, or bank lines.
    paths : array of lines
        Those that people may use. What runs through closed ground isn't used.
    plane : Plane
        For geodesic lengths.
    within_m : float
        How near a path has to be, in a straight line.
    grounds : array of valid polygons, optional
        Those that people may use: parks. They open the shore like paths do.
    closed : array of valid polygons, optional
        Private or fenced ground.
    least_m : float
        Shorter open stretches don't count as open.
    water_left : bool
        Whether the shores run with the water to their left. Then a path on the opposite bank doesn't count, and closed
        ground is looked for behind the shore. False for bank lines drawn either way: all around them counts.
    over_water_m : float
        How far out on the water a path may be (with ``water_left``).
    behind_m : float
        How far behind the shore closed ground is looked for (with ``water_left``).

    Raises
    ------
    ValueError
        If there are points or polygons among the shores or the paths.
    """
    require_lines(shores, "shores")
    require_lines(paths, "paths")
    parts, body = shapely.get_parts(shapely.line_merge(shores, directed=water_left), return_index=True)
    course = Chainage.of(parts, plane)
    walked = Chainage.of(shapely.get_parts(paths), plane)
    shut = closed if closed is not None else np.empty(0, dtype=object)
    usable = shapely.get_parts(walked.lines(walked.whole - walked.inside(shut)))
    left_m, right_m = (over_water_m, behind_m) if water_left else (None, 0.0)
    near = course.near(Chainage.of(usable, plane), within_m, left_m=left_m)
    if grounds is not None:
        outlines = Chainage.of(shapely.get_rings(shapely.get_parts(grounds)), plane)
        near = near + course.near(outlines, within_m, left_m=left_m) + course.inside(grounds, right_m=right_m)
    free = near - course.inside(shut, right_m=right_m)
    stretch, count = _joined_round(course, free)
    long = np.bincount(stretch, course.lengths(free), minlength=count)[stretch] >= least_m
    free, (_, stretch) = free[long], np.unique(stretch[long], return_inverse=True)
    count = stretch.max(initial=-1) + 1
    of = np.empty(count, dtype=np.int64)
    of[stretch] = body[free.line]
    metres = np.bincount(stretch, course.lengths(free), minlength=count).astype(float)
    rest = course.whole - free
    order = np.lexsort((-metres, of))
    longest = np.zeros(len(shores))
    np.maximum.at(longest, of, metres)
    return OpenShore(
        np.bincount(body[course.whole.line], course.lengths(course.whole), minlength=len(shores)).astype(float),
        np.bincount(of, metres, minlength=len(shores)).astype(float),
        longest,
        of[order],
        metres[order],
        _gathered(course.lines(free), stretch, count, directed=True)[order],
        body[rest.line],
        course.lines(rest),
    )


def _joined_round(course: Chainage, free: Spans) -> tuple[Ints, int]:
    """The stretch that each span belongs to, and how many there are: around a ring the last runs on as the first."""
    ring = course.whole[course.rings]
    at_start = np.searchsorted(free.low, ring.low - HAIR_M)
    at_end = np.searchsorted(free.high, ring.high + HAIR_M, side="right") - 1
    some = (at_start <= at_end) & (at_end >= 0)
    ring, at_start, at_end = ring[some], at_start[some], at_end[some]
    round_ = (free.low[at_start] <= ring.low + HAIR_M) & (free.high[at_end] >= ring.high - HAIR_M)
    stretch = np.arange(len(free))
    stretch[at_end[round_]] = at_start[round_]
    names, number = np.unique(stretch, return_inverse=True)
    return number.ravel(), len(names)
