"""Roads that end at an administrative border, and what is missing to the nearest road on its other side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from qpgis.crs import Geometries
from qpgis.measures.junctions import degrees
from qpgis.measures.network import JOIN_WITHIN_M, Network
from qpgis.shapes import near

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
BACK_M = 1.0
"""A road belongs to the side on which it lies this far before its end: the end itself may lie on the border."""


@dataclass(frozen=True)
class BorderEnds:
    """Dead ends at a border.

    Attributes
    ----------
    at : array of points
        A metre before each end, on the side that its road comes from; by coordinates.
    links : array of lines
        From each end to the nearest road on the other side.
    line : int array
        The line that ends.
    """

    at: Geometries
    links: Geometries
    line: Ints


def border_ends(
    network: Network,
    counted: Mask,
    sides: Geometries,
    own: Mask,
    *,
    border_within_m: float,
    continue_within_m: float,
    link_within_m: float,
) -> BorderEnds:
    """Where roads end at a border though there are roads beyond it.

    An end counts if it has another side within ``border_within_m``, no other road of that side within
    ``continue_within_m``, so that none goes on there, and one within ``link_within_m``, to which a link is missing.

    Parameters
    ----------
    network : Network
        Every road, those that don't count too: one that goes on as a ramp doesn't end.
    counted : bool array
        Which edges of the network may have the ends.
    sides : array of polygons
        The ground on the sides of the border, in the plane.
    own : bool array
        On which sides ends are looked for.
    border_within_m, continue_within_m, link_within_m : float
        In the plane.
    """
    tip, edge, back = _dead_ends(network, counted)
    tree = shapely.STRtree(sides)
    side = _first_of(tree, back)
    end, other = tree.query(tip, predicate="dwithin", distance=border_within_m)
    near = (other != side[end]) & (side[end] >= 0) & own[side[end]]
    end, other = end[near], other[near]
    ends, row = np.unique(end, return_inverse=True)
    which, road = shapely.STRtree(network.edges).query(tip[ends], predicate="dwithin", distance=link_within_m)
    foreign = network.line[road] != network.line[edge[ends[which]]]  # a road doesn't go on as itself
    which, road = which[foreign], road[foreign]
    border, met = _matches(row, which, len(ends))
    end, other, road = end[border], other[border], road[met]

    pairs, pair = np.unique(np.column_stack([other, road]), axis=0, return_inverse=True)
    beyond = _within(network.edges[pairs[:, 1]], sides, pairs[:, 0])[pair.ravel()]
    away = shapely.distance(tip[end], beyond)  # NaN from what is empty
    order = np.lexsort((away, end))
    end, first = np.unique(end[order], return_index=True)
    nearest = order[first]
    missing = (away[nearest] > continue_within_m) & (away[nearest] <= link_within_m)
    end, nearest = end[missing], nearest[missing]
    return BorderEnds(back[end], shapely.shortest_line(tip[end], beyond[nearest]), network.line[edge[end]])


def _matches(one: Ints, other: Ints, count: int) -> tuple[Ints, Ints]:
    """Every pair of positions at which two arrays of numbers below a count hold the same."""
    order = np.argsort(other, kind="stable")
    many = np.bincount(other, minlength=count)
    start = np.cumsum(many) - many
    left = np.repeat(np.arange(len(one)), many[one])
    rank = np.arange(len(left)) - np.repeat(np.cumsum(many[one]) - many[one], many[one])
    return left, order[start[one[left]] + rank]


def _dead_ends(network: Network, counted: Mask) -> tuple[Geometries, Ints, Geometries]:
    """The dead ends of counted edges by coordinates, their edges, and the place a little before each."""
    node, foot = np.concatenate([network.start, network.end]), np.concatenate([network.end, network.start])
    edge = np.tile(np.arange(len(network.start)), 2)
    ends = np.flatnonzero((degrees(network)[node] == 1) & counted[edge])
    ends = ends[np.argsort(node[ends], kind="stable")]
    tip, foot_xy = network.xy[node[ends]], network.xy[foot[ends]]
    share = np.minimum(1, BACK_M / np.hypot(*(foot_xy - tip).T))[:, None]
    return shapely.points(tip), edge[ends], shapely.points(tip + share * (foot_xy - tip))


def _first_of(sides: shapely.STRtree, places: Geometries) -> Ints:
    """The first side that each of some places lies on, -1 where there is none."""
    found = np.full(len(places), -1, dtype=np.int64)
    place, side = sides.query(places, predicate="intersects")
    order = np.lexsort((-side, place))  # the last one that is written stays
    found[place[order]] = side[order]
    return found


def _within(edges: Geometries, sides: Geometries, side: Ints) -> Geometries:
    """What lies of each edge on a side; empty where it is no longer than a joint."""
    shapely.prepare(sides)
    found = np.where(shapely.intersects(sides[side], edges), edges, shapely.LineString())
    crossing = ~shapely.is_empty(found) & ~shapely.contains_properly(sides[side], edges)
    found[crossing] = shapely.intersection(edges[crossing], sides[side[crossing]])
    found[shapely.length(found) <= JOIN_WITHIN_M] = shapely.LineString()
    return found


def known_beyond(lines: Geometries, ground: Geometry, *, within_m: float) -> float:
    """The share of some ground's border that has a line wholly beyond it within a distance; by places 100 m apart.

    Roads that are cut off at a border, or a little beyond it, say nothing of what is on its other side.
    """
    rings = shapely.get_rings(shapely.get_parts(ground))
    count = np.maximum(1, np.rint(shapely.length(rings) / 100)).astype(int)
    ring = np.repeat(np.arange(len(rings)), count)
    share = (np.arange(len(ring)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[ring]
    places = shapely.line_interpolate_point(rings[ring], share, normalized=True)
    beyond = lines[shapely.disjoint(lines, ground)]
    if not len(beyond) or not len(places):
        return 0.0
    return float(near(places, beyond, within_m=within_m).mean())
