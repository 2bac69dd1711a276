"""The plane cut again and again: four-cornered cells whose shared borders are shared vertex by vertex.

A cut joins two opposite edges of a cell, so both halves have four corners again. Every edge knows the line it lies on;
a line's vertices are all those that cuts from either side have put on it. A ring takes the stretch of each of its four
lines, so neighbours agree on every vertex.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.fields import Ints, Warp

STRAY = 0.25
"""A side of a strip strays from its true course by at most about this share of the strip's width."""
STEPS = 1 << 30
"""Places on a line are compared to one part in so many."""


class Kind(IntEnum):
    """What a cell is made for."""

    PLAIN = 0
    ROAD = 1
    CANAL = 2


class Growing:
    """A numpy array that is appended to."""

    def __init__(self, width: int, dtype: type) -> None:
        self._array: NDArray = np.empty((1024, width) if width else 1024, dtype=dtype)
        self._length = 0

    def add(self, rows: NDArray) -> Ints:
        """Append rows; their indices."""
        index = np.arange(self._length, self._length + len(rows))
        if self._length + len(rows) > len(self._array):
            bigger = max(2 * len(self._array), self._length + len(rows))
            grown = np.empty((bigger, *self._array.shape[1:]), dtype=self._array.dtype)
            grown[: self._length] = self.rows
            self._array = grown
        self._array[index] = rows
        self._length += len(rows)
        return index

    @property
    def rows(self) -> NDArray:
        """What has been added, as a view."""
        return self._array[: self._length]

    def __len__(self) -> int:
        return self._length


@dataclass
class Partition:
    """Cells, the lines they were cut along, and the vertices on those lines.

    Attributes
    ----------
    warp : Warp
        From the straight coordinates, in which cuts are straight, to the plane.
    flat, plane : Growing (vertices, 2)
        Vertices in both.
    host, place : Growing (vertices,)
        The line that a vertex was put on, and how far along it (0 to 1).
    line_ends : Growing (lines, 2)
        First and last vertex of each line.
    family : Growing (lines,)
        Lines of one cut (the sides of a strip) share a family.
    corners, lines : Growing (cells, 4)
        Corners counter-clockwise; edge k runs from corner k to corner k + 1.
    places : Growing (cells, 8)
        Where edge k starts (k) and ends (4 + k) on its line.
    kind, owner, chance : Growing (cells,)
        A :class:`Kind`; the family of a strip (-1: none); a random number that stays with the cell.
    """

    warp: Warp
    flat: Growing = field(default_factory=lambda: Growing(2, np.float64))
    plane: Growing = field(default_factory=lambda: Growing(2, np.float64))
    host: Growing = field(default_factory=lambda: Growing(0, np.int64))
    place: Growing = field(default_factory=lambda: Growing(0, np.float64))
    line_ends: Growing = field(default_factory=lambda: Growing(2, np.int64))
    family: Growing = field(default_factory=lambda: Growing(0, np.int64))
    corners: Growing = field(default_factory=lambda: Growing(4, np.int64))
    lines: Growing = field(default_factory=lambda: Growing(4, np.int64))
    places: Growing = field(default_factory=lambda: Growing(8, np.float64))
    kind: Growing = field(default_factory=lambda: Growing(0, np.int8))
    owner: Growing = field(default_factory=lambda: Growing(0, np.int64))
    chance: Growing = field(default_factory=lambda: Growing(0, np.float64))
    families: int = 0

    @classmethod
    def whole(cls, warp: Warp, bounds: Floats) -> Partition:
        """One cell that covers the bounds (west, south, east, north in the plane), however they are displaced."""
        west, south, east, north = bounds
        flat = warp.flat(np.array([[west, south], [east, south], [east, north], [west, north]]))
        (x0, y0), (x1, y1) = flat.min(axis=0) - warp.reach_m - 1, flat.max(axis=0) + warp.reach_m + 1
        made = cls(warp)
        vertices = made._add_vertices(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), np.full(4, -1), np.zeros(4))
        lines = made.line_ends.add(np.column_stack([vertices, np.roll(vertices, -1)]))
        made.family.add(np.full(4, -1))
        made.corners.add(vertices[None])
        made.lines.add(lines[None])
        made.places.add(np.array([[0.0] * 4 + [1.0] * 4]))
        made.kind.add(np.array([Kind.PLAIN]))
        made.owner.add(np.array([-1]))
        made.chance.add(np.array([0.5]))
        return made

    def __len__(self) -> int:
        return len(self.kind)

    def _add_vertices(self, flat: Floats, host: Ints, place: Floats) -> Ints:
        index = self.flat.add(flat)
        self.plane.add(self.warp(flat))
        self.host.add(host)
        self.place.add(place)
        return index

    def new_families(self, count: int) -> Ints:
        """Numbers for so many cuts."""
        self.families += count
        return np.arange(self.families - count, self.families)

    def sizes(self, cells: Ints) -> tuple[Floats, Floats]:
        """Length of the cells along edges 0 and 2, and along edges 1 and 3 (metres)."""
        xy = self.plane.rows[self.corners.rows[cells]]
        edges = np.hypot(*np.moveaxis(np.roll(xy, -1, axis=1) - xy, -1, 0))
        return (edges[:, 0] + edges[:, 2]) / 2, (edges[:, 1] + edges[:, 3]) / 2

    def outlines(self, cells: Ints) -> tuple[Floats, Floats, Floats]:
        """Bounds (west, south, east, north), area in m2 and centre of the cells, by their corners."""
        xy = self.plane.rows[self.corners.rows[cells]]
        x, y = xy[..., 0], xy[..., 1]
        area = ((x[:, 2] - x[:, 0]) * (y[:, 3] - y[:, 1]) - (x[:, 3] - x[:, 1]) * (y[:, 2] - y[:, 0])) / 2
        bounds = np.column_stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)])
        return bounds, np.abs(area), xy.mean(axis=1)

    def cut(self, cells: Ints, axis: Ints, near: Floats, far: Floats, family: Ints, chance: Floats) -> Ints:
        """Cut cells in two; each keeps its first part, the second parts are returned.

        Parameters
        ----------
        cells : array of int
            Which cells.
        axis : array of int
            0 cuts edges 0 and 2, 1 cuts edges 1 and 3.
        near, far : array of float
            Where the two edges are cut: shares of their lengths, both counted from the side of the first part.
        family : array of int
            Which cut each line belongs to.
        chance : array of float
            The second parts' random numbers.
        """
        n = np.arange(len(cells))
        corners, lines, places = self.corners.rows[cells], self.lines.rows[cells], self.places.rows[cells]
        a, b, c, d = axis, axis + 1, axis + 2, (axis + 3) % 4
        first = self._on_edge(corners, lines, places, a, near)
        second = self._on_edge(corners, lines, places, c, 1 - far)
        line = self.line_ends.add(np.column_stack([first, second]))
        self.family.add(family)
        t_first, t_second = self.place.rows[first], self.place.rows[second]
        right = corners.copy(), lines.copy(), places.copy()
        right[0][n, a], right[0][n, d] = first, second
        right[1][n, d] = line
        right[2][n, a], right[2][n, 4 + c] = t_first, t_second
        right[2][n, d], right[2][n, 4 + d] = 1.0, 0.0
        corners[n, b], corners[n, c] = first, second
        lines[n, b] = line
        places[n, 4 + a], places[n, c] = t_first, t_second
        places[n, b], places[n, 4 + b] = 0.0, 1.0
        self.corners.rows[cells], self.lines.rows[cells], self.places.rows[cells] = corners, lines, places
        new = self.corners.add(right[0])
        self.lines.add(right[1])
        self.places.add(right[2])
        self.kind.add(self.kind.rows[cells])
        self.owner.add(self.owner.rows[cells])
        self.chance.add(chance)
        return new

    def _on_edge(self, corners: Ints, lines: Ints, places: Floats, edge: Ints, share: Floats) -> Ints:
        """New vertices on an edge of each cell."""
        n = np.arange(len(edge))
        start, end = self.flat.rows[corners[n, edge]], self.flat.rows[corners[n, (edge + 1) % 4]]
        t0, t1 = places[n, edge], places[n, 4 + edge]
        return self._add_vertices(start + share[:, None] * (end - start), lines[n, edge], t0 + share * (t1 - t0))

    def share_vertices_across_strips(self) -> None:
        """Every vertex on one side of a strip gets a partner on its other sides.

        Strips are narrow: once the plane is warped, a long straight stretch on one side would cross the bends of the
        other.
        """
        family, ends = self.family.rows, self.line_ends.rows
        is_strip = np.append(np.bincount(family[family >= 0], minlength=self.families) > 1, False)
        host = self.host.rows
        on = np.flatnonzero(is_strip[family[host]] & (host >= 0))
        if not len(on):
            return
        step = np.rint(self.place.rows[on] * STEPS).astype(np.int64)
        there = np.sort(_key(host[on], step))
        wanted_of, wanted = np.divmod(np.unique(_key(family[host[on]], step)), 2 * STEPS)
        lines = np.flatnonzero(is_strip[family])
        lines = lines[np.argsort(family[lines], kind="stable")]
        first = np.searchsorted(family[lines], wanted_of)
        count = np.searchsorted(family[lines], wanted_of, side="right") - first
        line, step = lines[ragged_ranges(first, count)], np.repeat(wanted, count)
        missing = ~np.isin(_key(line, step), there)
        line, step = line[missing], step[missing]
        needed = self._gaps(there, line, step) > self._bend_m()[line]
        line, t = line[needed], step[needed] / STEPS
        start, end = self.flat.rows[ends[line, 0]], self.flat.rows[ends[line, 1]]
        self._add_vertices(start + t[:, None] * (end - start), line, t)

    def _gaps(self, there: Ints, line: Ints, step: Ints) -> Floats:
        """How far apart the vertices (sorted keys) are that a line has already around each of the places, metres."""
        ends = self.line_ends.rows[line]
        metres = np.hypot(*(self.flat.rows[ends[:, 1]] - self.flat.rows[ends[:, 0]]).T)
        found = np.searchsorted(there, _key(line, step))
        before, after = there[np.maximum(found - 1, 0)], there[np.minimum(found, len(there) - 1)]
        low = np.where((found > 0) & (before // (2 * STEPS) == line), before % (2 * STEPS), 0)
        high = np.where((found < len(there)) & (after // (2 * STEPS) == line), after % (2 * STEPS), STEPS)
        return np.asarray((high - low) / STEPS * metres)

    def _bend_m(self) -> Floats:
        """For each line of a strip, how long a stretch may be before it strays by :data:`STRAY` of the strip's width.

        A chord of length ``l`` strays by ``l**2 * bend / 8``.
        """
        ends = self.line_ends.rows
        flat = self.flat.rows
        width = np.full(len(ends), np.inf)
        order = np.argsort(self.family.rows, kind="stable")
        family = self.family.rows[order]
        same = (family[1:] == family[:-1]) & (family[1:] >= 0)
        one, other = order[:-1][same], order[1:][same]
        apart = np.minimum(*(np.hypot(*(flat[ends[other, k]] - flat[ends[one, k]]).T) for k in (0, 1)))
        np.minimum.at(width, one, apart)
        np.minimum.at(width, other, apart)
        return np.sqrt(8 * STRAY * width / self.warp.bend)

    def rings(self, cells: Ints) -> tuple[Ints, Ints]:
        """The cells' outlines: vertices one after the other, unclosed, and how many each ring has."""
        host, ends = self.host.rows, self.line_ends.rows
        order = np.lexsort((self.place.rows, host))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        first = np.searchsorted(host[order], np.arange(len(ends)))
        last = np.searchsorted(host[order], np.arange(len(ends)), side="right")
        corner = self.corners.rows[cells].ravel()
        line = self.lines.rows[cells].ravel()
        following = np.roll(self.corners.rows[cells], -1, axis=1).ravel()

        def position(vertex: Ints) -> Ints:
            at_end = np.where(vertex == ends[line, 0], first[line] - 1, last[line])
            return np.where(host[vertex] == line, rank[vertex], at_end)

        start, end = position(corner), position(following)
        step = np.where(end >= start, 1, -1)
        between = np.maximum(np.abs(end - start) - 1, 0)
        size = between + 1
        offset = np.cumsum(size) - size
        out = np.empty(int(size.sum()), dtype=np.int64)
        out[offset] = corner
        inner = ragged_ranges(np.ones(len(size), dtype=np.int64), between)
        edge = np.repeat(np.arange(len(size)), between)
        out[offset[edge] + inner] = order[start[edge] + step[edge] * inner]
        return out, size.reshape(-1, 4).sum(axis=1)


def _key(line: Ints, step: Ints) -> Ints:
    """One number for a place on a line (or family): sorted by line, then by place."""
    return line * (2 * STEPS) + step


def ragged_ranges(starts: Ints, counts: Ints) -> Ints:
    """The ranges ``start, start + 1, ...`` of the given lengths, one after the other.

    >>> ragged_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    offset = np.cumsum(counts) - counts
    return np.repeat(starts - offset, counts) + np.arange(int(counts.sum()))
