"""Networks of lines to walk on: joined where lines share a vertex, reached from points that snap to edges, not nodes.

Distances run along the lines, and include the way from a point to the nearest line. Lengths are geodesic. A line that
crosses another without a common vertex passes over or under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries, Plane
from qpgis.measures.spans import Chainage

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]
JOIN_WITHIN_M = 0.01
"""Vertices that lie this close are one."""
SEARCHED = 1 << 24
"""So many distances are held at once."""
NOWHERE = -1
"""The node of a point that is too far from every line, or parted from all that are near."""


@dataclass(frozen=True)
class Feet:
    """Where points get on a network.

    Attributes
    ----------
    edge : int array
        The edge that each gets to, :data:`NOWHERE` where there is none.
    share : float array
        How far along the edge, of its length.
    away_m : float array
        The way to the edge.
    """

    edge: Ints
    share: Floats
    away_m: Floats

    def rows(self, some: NDArray) -> Feet:
        """Some of them."""
        return Feet(self.edge[some], self.share[some], self.away_m[some])


@dataclass(frozen=True)
class Network:
    """Nodes, and straight edges between them.

    Attributes
    ----------
    xy : float array, nodes x 2
        In the plane, metres.
    start, end : int array, one an edge
        Its nodes.
    length_m : float array
        Geodesic.
    line : int array
        The line that the edge is a piece of; -1 for the way from a point to its line.
    """

    xy: Floats
    start: Ints
    end: Ints
    length_m: Floats
    line: Ints

    @classmethod
    def of(cls, lines: Geometries, plane: Plane, *, join_within_m: float = JOIN_WITHIN_M) -> Network:
        """The network of lines of a plane; what is missing or empty has no edge.

        Parameters
        ----------
        lines : array of lines
            In the plane.
        plane : Plane
            For geodesic lengths.
        join_within_m : float
            Vertices of different lines that lie this close are one node; so is the end of a line that lies this close
            to another line's edge.
        """
        parts, owner = shapely.get_parts(lines, return_index=True)
        xy, part = shapely.get_coordinates(parts, return_index=True)
        _, first, node = np.unique(np.rint(xy / join_within_m), axis=0, return_index=True, return_inverse=True)
        node = node.ravel()
        along = (part[:-1] == part[1:]) & (node[:-1] != node[1:])
        segments = shapely.linestrings(np.stack([xy[:-1][along], xy[1:][along]], axis=1))
        joined = cls(
            xy[first], node[:-1][along], node[1:][along], plane.lengths(segments), owner[part[:-1][along]].astype(int)
        )
        return joined._without_doubles()._with_ends_joined(join_within_m)._without_doubles()

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def edges(self) -> Geometries:
        """Each edge as a line of the plane."""
        return self._lines(np.arange(len(self.start)))

    @cached_property
    def chainage(self) -> Chainage:
        """The edges laid out one after the other; it remembers what they run through."""
        return Chainage.of(self.edges)

    def _lines(self, edge: Ints) -> Geometries:
        """Some of the edges as lines."""
        return shapely.linestrings(np.stack([self.xy[self.start[edge]], self.xy[self.end[edge]]], axis=1))

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.edges)

    def _without_doubles(self) -> Network:
        """The network with one edge between two nodes: edges are straight, so further ones lie on it."""
        pairs = np.sort(np.column_stack([self.start, self.end]), axis=1)
        _, first = np.unique(pairs, axis=0, return_index=True)
        kept = np.sort(first)
        return Network(self.xy, self.start[kept], self.end[kept], self.length_m[kept], self.line[kept])

    def _with_ends_joined(self, within_m: float) -> Network:
        """The network with ends of lines that touch the middle of an edge joined to it."""
        ends = np.flatnonzero(np.bincount(np.concatenate([self.start, self.end]), minlength=len(self)) == 1)
        point, edge = self._tree.query(shapely.points(self.xy[ends]), predicate="dwithin", distance=within_m)
        node = ends[point]
        foreign = (self.start[edge] != node) & (self.end[edge] != node)
        node, first = np.unique(node[foreign], return_index=True)
        edge = edge[foreign][first]
        share = shapely.line_locate_point(self._lines(edge), shapely.points(self.xy[node]), normalized=True)
        return self._split(edge, share, node)

    def _split(self, edge: Ints, share: Floats, node: Ints) -> Network:
        """The network with edges cut at some shares of their length; the cuts are existing nodes."""
        if not len(edge):
            return self
        order = np.lexsort((share, edge))
        edge, share, node = edge[order], share[order], node[order]
        cut, first, count = np.unique(edge, return_index=True, return_counts=True)
        last = first + count - 1
        # of each cut edge: from its start to the first point, from point to point, from the last point to its end
        pieces = np.concatenate([cut, edge])
        begin = np.concatenate([self.start[cut], node])
        inner = np.append(node[1:], -1)
        inner[last] = self.end[cut]
        finish = np.concatenate([node[first], inner])
        upto = np.append(share[1:], 1.0)
        upto[last] = 1.0
        part = np.concatenate([share[first], upto - share])
        whole = np.ones(len(self.start), dtype=bool)
        whole[cut] = False
        return Network(
            self.xy,
            np.concatenate([self.start[whole], begin]),
            np.concatenate([self.end[whole], finish]),
            np.concatenate([self.length_m[whole], self.length_m[pieces] * part]),
            np.concatenate([self.line[whole], self.line[pieces]]),
        )

    def with_points(
        self, points: Geometries, *, snap_within_m: float, barriers: Geometries | None = None
    ) -> tuple[Network, Ints]:
        """The network with a node for each point, tied to the nearest edge by the straight way there.

        Parameters
        ----------
        points : array of points
            In the plane.
        snap_within_m : float
            Points further from every edge are on no line.
        barriers : array of lines or polygons, optional
            The way to an edge may not cross them: the nearest edge on the same side is taken.

        Returns
        -------
        Network, int array
            And the node of each point, :data:`NOWHERE` where it is on no line.
        """
        return self.tied(points, self.feet(points, snap_within_m=snap_within_m, barriers=barriers))

    def feet(self, points: Geometries, *, snap_within_m: float, barriers: Geometries | None = None) -> Feet:
        """Where points get on the network, each by itself; see :meth:`with_points`."""
        edge = self._nearest(points, snap_within_m, barriers)
        share, away_m = np.zeros(len(points)), np.zeros(len(points))
        tied = np.flatnonzero(edge >= 0)
        share[tied] = shapely.line_locate_point(self.edges[edge[tied]], points[tied], normalized=True)
        away_m[tied] = shapely.distance(points[tied], self.edges[edge[tied]])
        return Feet(edge, share, away_m)

    def tied(self, points: Geometries, feet: Feet) -> tuple[Network, Ints]:
        """The network with a node for each point, see :meth:`with_points`.

        Parameters
        ----------
        points : array of points
        feet : Feet
            Theirs.
        """
        tied = np.flatnonzero(feet.edge >= 0)
        node = np.full(len(points), NOWHERE, dtype=np.int64)
        if not len(tied):
            return self, node
        edge, share = feet.edge[tied], feet.share[tied]
        at = shapely.line_interpolate_point(self.edges[edge], share, normalized=True)
        foot = len(self) + np.arange(len(tied))
        node[tied] = foot + len(tied)
        grown = Network(
            np.vstack([self.xy, shapely.get_coordinates(at), shapely.get_coordinates(points[tied])]),
            self.start,
            self.end,
            self.length_m,
            self.line,
        )._split(edge, share, foot)
        access = feet.away_m[tied]
        return (
            Network(
                grown.xy,
                np.concatenate([grown.start, foot]),
                np.concatenate([grown.end, node[tied]]),
                np.concatenate([grown.length_m, access]),
                np.concatenate([grown.line, np.full(len(tied), -1)]),
            ),
            node,
        )

    def _nearest(self, points: Geometries, within_m: float, barriers: Geometries | None) -> Ints:
        """The nearest edge of each point that no barrier parts it from; -1 where there is none."""
        found = np.full(len(points), -1, dtype=np.int64)
        point, edge = self._tree.query_nearest(points, max_distance=within_m, all_matches=False)
        found[point] = edge
        if barriers is None or not len(barriers):
            return found
        tree = shapely.STRtree(barriers)
        parted = point[_crosses(tree, shapely.shortest_line(points[point], self.edges[edge]))]
        found[parted] = -1
        point, edge = self._tree.query(points[parted], predicate="dwithin", distance=within_m)
        point = parted[point]
        ways = shapely.shortest_line(points[point], self.edges[edge])
        free = ~_crosses(tree, ways)
        point, edge, away = point[free], edge[free], shapely.length(ways[free])
        order = np.lexsort((edge, away, point))
        point, first = np.unique(point[order], return_index=True)
        found[point] = edge[order][first]
        return found

    @cached_property
    def graph(self) -> csr_array:
        """The lengths as a sparse symmetric matrix."""
        from scipy.sparse import csr_array

        ends = np.concatenate([self.start, self.end]), np.concatenate([self.end, self.start])
        return csr_array((np.concatenate([self.length_m, self.length_m]), ends), shape=(len(self), len(self)))

    def distances(self, sources: Ints, *, limit_m: float) -> Floats:
        """How far each node is from the nearest source, along the edges; infinite beyond the limit.

        Parameters
        ----------
        sources : int array
            Nodes; :data:`NOWHERE` is passed over.
        limit_m : float
            How far is looked.

        Returns
        -------
        float array
            One a node, and a last one, infinite, for :data:`NOWHERE`.
        """
        from scipy.sparse.csgraph import dijkstra

        start = np.unique(sources[sources != NOWHERE])
        if not len(start):
            return np.full(len(self) + 1, np.inf)
        return np.append(dijkstra(self.graph, indices=start, min_only=True, limit=limit_m), np.inf)

    def within(self, sources: Feet, places: Feet, *, limit_m: float) -> tuple[Ints, Ints]:
        """Which places each source reaches by itself.

        Parameters
        ----------
        sources, places : Feet
            Those that get on no line reach nothing and aren't reached.
        limit_m : float
            How far is looked.

        Returns
        -------
        int array, int array
            Positions in ``sources`` and in ``places``, one a pair.
        """
        pairs = [np.empty((0, 2), dtype=np.int64)]
        each = max(SEARCHED // max(len(self) + len(places.edge), 1), 1)
        for begin in range(0, len(sources.edge), each):
            some = sources.rows(np.arange(begin, min(begin + each, len(sources.edge))))
            metres = self._metres(some, np.arange(len(some.edge)), places, limit_m=limit_m)
            source, place = np.nonzero(metres <= limit_m)
            pairs.append(np.column_stack([begin + source, place]))
        found = np.concatenate(pairs)
        return found[:, 0], found[:, 1]

    def walks(self, sources: Feet, places: Feet, *, limit_m: float) -> Floats:
        """How far each place is from the nearest source; infinite where that is further than the limit, or nowhere.

        What one place is from them doesn't depend on the others, to the digit.
        """
        return self._metres(sources, np.zeros(len(sources.edge), dtype=np.int64), places, limit_m=limit_m, origins=1)[0]

    def _metres(
        self, sources: Feet, origin: Ints, places: Feet, *, limit_m: float, origins: int | None = None
    ) -> Floats:
        """How far each place is from the nearest source of each origin; infinite beyond the limit.

        Parameters
        ----------
        sources, places : Feet
        origin : int array
            The origin that each source belongs to.
        limit_m : float
        origins : int, optional
            How many there are, one a source by default.

        Returns
        -------
        float array, origins x places
        """
        from scipy.sparse.csgraph import dijkstra

        count = len(sources.edge) if origins is None else origins
        if not len(self.start) or not count:
            return np.full((count, len(places.edge)), np.inf)
        on_lines = sources.edge != NOWHERE
        there, origin = sources.rows(on_lines), origin[on_lines]
        metres = dijkstra(self._with_origins(there, origin, count), indices=len(self) + np.arange(count), limit=limit_m)
        edge, whole = places.edge, self.length_m[places.edge]
        over_start = metres[:, self.start[edge]] + places.share * whole
        over_end = metres[:, self.end[edge]] + (1 - places.share) * whole
        found = np.minimum(over_start, over_end)
        source, place = _on_one_edge(there, places)
        apart = np.abs(places.share[place] - there.share[source]) * whole[place] + there.away_m[source]
        np.minimum.at(found, (origin[source], place), apart)
        found += places.away_m
        return np.where((edge != NOWHERE) & (found <= limit_m), found, np.inf)

    def _with_origins(self, sources: Feet, origin: Ints, count: int) -> csr_array:
        """The graph with further nodes, from each of which ways lead over its sources to the ends of their edges."""
        from scipy.sparse import csr_array

        whole = self.length_m[sources.edge]
        node = np.concatenate([self.start[sources.edge], self.end[sources.edge]])
        metres = np.concatenate([sources.away_m + sources.share * whole, sources.away_m + (1 - sources.share) * whole])
        row = np.concatenate([origin, origin])
        order = np.lexsort((metres, node, row))
        row, node, metres = row[order], node[order], metres[order]
        first = np.append(True, (row[1:] != row[:-1]) | (node[1:] != node[:-1]))[: len(row)]
        ends = self.graph.indptr[-1] + np.cumsum(np.bincount(row[first], minlength=count))
        values = np.concatenate([self.graph.data, metres[first]]), np.concatenate([self.graph.indices, node[first]])
        return csr_array((*values, np.append(self.graph.indptr, ends)), shape=(len(self) + count, len(self) + count))

    def components(self) -> Ints:
        """Which connected piece of the network each node is in."""
        from scipy.sparse.csgraph import connected_components

        return np.asarray(connected_components(self.graph, directed=False)[1], dtype=np.int64)


def _on_one_edge(sources: Feet, places: Feet) -> tuple[Ints, Ints]:
    """Every pair of a source and a place that get on one edge."""
    order = np.argsort(sources.edge, kind="stable")
    ordered = sources.edge[order]
    first, last = np.searchsorted(ordered, places.edge), np.searchsorted(ordered, places.edge, side="right")
    count = last - first
    place = np.repeat(np.arange(len(count)), count)
    return order[np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(place))], place


def _crosses(barriers: shapely.STRtree, ways: Geometries) -> NDArray[np.bool_]:
    """Which ways meet a barrier in more than their end."""
    crossed = np.zeros(len(ways), dtype=bool)
    way, _ = barriers.query(ways, predicate="crosses")
    crossed[way] = True
    return crossed
