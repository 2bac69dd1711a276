"""Stretches of lines as intervals of their chainage: where lines run through polygons, or near other lines.

All exact for straight edges: no buffers, and no geometry is overlaid but straight edges with polygons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries, Plane
from qpgis.remembered import NEW, Shapes, nearly
from qpgis.shapes import single_parts

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_Stretches = tuple[Ints, Ints, Floats, Floats]

APART_M = 1.0
"""Between the end of a line and the start of the next the chainage goes on by this."""
HAIR_M = 1e-6
"""Spans that lie this close are one: an edge ends there and the next begins. Shorter ones are none."""


def require_lines(shapes: Geometries, what: str) -> None:
    """Raise a ValueError if there are points or polygons among shapes."""
    if np.isin(shapely.get_dimensions(shapes[~shapely.is_empty(shapes)]), (0, 2)).any():
        raise ValueError(f"the {what} hold points or polygons: give lines, such as outlines")


@dataclass(frozen=True)
class Spans:
    """Intervals of chainage, sorted, none of a line overlapping another.

    Attributes
    ----------
    line : int array
        The line that each lies on.
    low, high : float arrays
        Where it begins and ends, in metres; rising from line to line.
    """

    line: Ints
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.line)

    def __getitem__(self, rows: Ints | Mask | slice) -> Spans:
        return Spans(self.line[rows], self.low[rows], self.high[rows])

    @classmethod
    def united(cls, line: Ints, low: Floats, high: Floats, *, tolerance_m: float = HAIR_M) -> Spans:
        """The union of intervals in any order; gaps up to the tolerance are closed."""
        half = tolerance_m / 2
        wide = _where(line, low - half, high + half, np.ones(len(line), dtype=int), least=1)
        return cls(wide.line, wide.low + half, wide.high - half)

    def __add__(self, other: Spans) -> Spans:
        """What either covers."""
        both = (np.concatenate(pair) for pair in zip(self._columns, other._columns, strict=True))
        return Spans.united(*both)

    def __and__(self, other: Spans) -> Spans:
        """What both cover."""
        return self._with(other, weight=1, least=2)

    def __sub__(self, other: Spans) -> Spans:
        """What the other doesn't cover."""
        return self._with(other, weight=-1, least=1)

    def _with(self, other: Spans, *, weight: int, least: int) -> Spans:
        line, low, high = (np.concatenate(pair) for pair in zip(self._columns, other._columns, strict=True))
        found = _where(line, low, high, np.repeat([1, weight], [len(self), len(other)]), least=least)
        return found[found.high - found.low > HAIR_M]

    def meet(self, other: Spans) -> Mask:
        """Which spans have more than an end in common with another."""
        both = self & other
        place = np.searchsorted(self.low, both.low, side="right") - 1
        met = np.zeros(len(self), dtype=bool)
        met[place] = True
        return met

    @property
    def _columns(self) -> tuple[NDArray, NDArray, NDArray]:
        return self.line, self.low, self.high


def _where(line: Ints, low: Floats, high: Floats, weight: Ints, *, least: int) -> Spans:
    """Where the weights of the intervals that cover a place sum to no less than ``least``."""
    of, at = np.concatenate([line, line]), np.concatenate([low, high])
    order = np.lexsort((at, of))
    of, at = of[order], at[order]
    depth = np.cumsum(np.concatenate([weight, -weight])[order])
    piece = np.flatnonzero((of[:-1] == of[1:]) & (at[:-1] < at[1:]) & (depth[:-1] >= least))
    of, begin, end = of[piece], at[piece], at[piece + 1]
    first = np.ones(len(of), dtype=bool)
    first[1:] = (of[1:] != of[:-1]) | (begin[1:] > end[:-1])
    last = np.append(first[1:], True)[: len(of)]
    return Spans(of[first], begin[first], end[last])


@dataclass(frozen=True)
class Chainage:
    """Lines laid out one after the other, so that one number is a place on one of them.

    Attributes
    ----------
    xy : float array, vertices x 2
        In the plane; repeated vertices are dropped.
    line : int array
        The line of each vertex.
    at : float array
        Chainage of each vertex, in metres of the plane, rising; between lines it goes on by ``APART_M``.
    plane : Plane, optional
        For geodesic lengths; without it lengths are those of the plane.
    """

    xy: Floats
    line: Ints
    at: Floats
    plane: Plane | None = None

    @classmethod
    def of(cls, lines: Geometries, plane: Plane | None = None) -> Chainage:
        """The chainage of single lines of a plane, numbered as they come; missing and empty ones have none."""
        xy, line = shapely.get_coordinates(lines, return_index=True)
        new = np.ones(len(xy), dtype=bool)
        new[1:] = (line[1:] != line[:-1]) | (xy[1:] != xy[:-1]).any(axis=1)
        xy, line = xy[new], line[new].astype(np.int64)
        steps = np.where(line[1:] == line[:-1], np.hypot(*np.diff(xy, axis=0).T), APART_M)
        return cls(xy, line, np.concatenate([[0.0], np.cumsum(steps)])[: len(xy)], plane)

    @cached_property
    def edges(self) -> Ints:
        """The first vertex of each edge."""
        return np.flatnonzero(self.line[:-1] == self.line[1:])

    @cached_property
    def whole(self) -> Spans:
        """Each line that has a length, from end to end."""
        first = np.flatnonzero(np.append(True, self.line[1:] != self.line[:-1])[: len(self.line)])
        last = np.append(first[1:], len(self.line))[: len(first)] - 1
        long = first < last
        return Spans(self.line[first[long]], self.at[first[long]], self.at[last[long]])

    @cached_property
    def rings(self) -> Mask:
        """Which of ``whole`` end where they begin."""
        return np.asarray((self.points(self.whole.low) == self.points(self.whole.high)).all(axis=1))

    @cached_property
    def _geodesic(self) -> Floats:
        metres = np.zeros(len(self.xy))
        straight = self._straight(self.edges)
        metres[self.edges + 1] = self.plane.lengths(straight) if self.plane else shapely.length(straight)
        return np.cumsum(metres)

    def _straight(self, edges: Ints) -> Geometries:
        return shapely.linestrings(np.stack([self.xy[edges], self.xy[edges + 1]], axis=1))

    def metres(self, at: Floats) -> Floats:
        """Chainage of places along the ellipsoid, in metres; lines follow each other without a gap."""
        return np.interp(at, self.at, self._geodesic) if len(self.at) else np.zeros(len(at))

    def lengths(self, spans: Spans) -> Floats:
        """Geodesic length of each span (of the plane without one)."""
        return self.metres(spans.high) - self.metres(spans.low)

    def points(self, at: Floats) -> Floats:
        """Coordinates of places, n x 2."""
        if not len(at):
            return np.zeros((0, 2))
        return np.column_stack([np.interp(at, self.at, self.xy[:, 0]), np.interp(at, self.at, self.xy[:, 1])])

    def lines(self, spans: Spans) -> Geometries:
        """The spans as lines, in the direction of theirs."""
        if not len(spans):
            return np.empty(0, dtype=object)
        low = np.maximum(spans.low, self.at[np.searchsorted(self.line, spans.line)])
        high = np.minimum(spans.high, self.at[np.searchsorted(self.line, spans.line, side="right") - 1])
        first = np.searchsorted(self.at, low, side="right")
        inner = np.maximum(np.searchsorted(self.at, high, side="left") - first, 0)
        count = inner + 2
        span = np.repeat(np.arange(len(spans)), count)
        rank = np.arange(len(span)) - np.repeat(np.cumsum(count) - count, count)
        vertex = np.clip(first[span] + rank - 1, 0, len(self.at) - 1)
        at = np.where(rank == 0, low[span], np.where(rank == count[span] - 1, high[span], self.at[vertex]))
        return shapely.linestrings(self.points(at), indices=span)

    def inside(self, polygons: Geometries, *, right_m: float = 0.0, tolerance_m: float = HAIR_M) -> Spans:
        """Where the lines run through polygons.

        Parameters
        ----------
        polygons : array of valid polygons
            In the plane; where they overlap it makes no difference.
        right_m : float
            Each edge is looked at this far to its right instead of where it is.
        tolerance_m : float
            Shorter interruptions are closed: neighbours may stand a hair apart.
        """
        edges = self.edges
        edge, low, high = self._passing.setdefault(right_m, _Passing(*self._aside(right_m))).through(polygons)
        base = self.at[edges[edge]]
        return Spans.united(self.line[edges[edge]], base + low, base + high, tolerance_m=tolerance_m)

    @cached_property
    def _passing(self) -> dict[float, _Passing]:
        """By how far to their right edges are looked at, where they run through polygons."""
        return {}

    def _aside(self, right_m: float) -> tuple[Geometries, Floats, Floats, Floats]:
        """The edges so far to their right: as lines, how long, where they begin and in which direction they run."""
        begin, end = self.xy[self.edges], self.xy[self.edges + 1]
        length = self.at[self.edges + 1] - self.at[self.edges]
        along = (end - begin) / length[:, None]
        aside = right_m * _right(along)
        return shapely.linestrings(np.stack([begin + aside, end + aside], axis=1)), length, begin + aside, along

    def near(self, others: Chainage, within_m: float, *, left_m: float | None = None) -> Spans:
        """Where the lines have another line within a distance.

        Parameters
        ----------
        others : Chainage
            The other lines.
        within_m : float
            The distance, exact: no buffers.
        left_m : float, optional
            Of the other lines only what lies to the right of an edge counts, or no further to its left than this.
        """
        edges, theirs = self.edges, others.edges
        if not len(edges) or not len(theirs):
            return self.whole[:0]
        tree = shapely.STRtree(others._straight(theirs))
        one, other = tree.query(self._straight(edges), predicate="dwithin", distance=within_m)
        begin, end = self.xy[edges[one]], self.xy[edges[one] + 1]
        base, length = self.at[edges[one]], self.at[edges[one] + 1] - self.at[edges[one]]
        along = (end - begin) / length[:, None]
        c, d = others.xy[theirs[other]], others.xy[theirs[other] + 1]
        kept = np.ones(len(one), dtype=bool)
        if left_m is not None:
            c, d, kept = _to_the_right(begin, along, c, d, left_m)
        low, high = _within(begin[kept], along[kept], length[kept], c[kept], d[kept], within_m)
        some = high > low
        base = base[kept][some]
        return Spans.united(self.line[edges[one[kept][some]]], base + low[some], base + high[some])


def _right(along: Floats) -> Floats:
    """Unit vectors turned to the right."""
    return np.column_stack([along[:, 1], -along[:, 0]])


class _Passing:
    """Finds where straight edges run through polygons, and remembers it: of nearly the same polygons what differs.

    Parameters
    ----------
    straight, length, begin, along
        The edges as lines, how long they are, where they begin and in which direction they run.
    """

    def __init__(self, straight: Geometries, length: Floats, begin: Floats, along: Floats) -> None:
        self._edges = straight, length, begin, along
        self._known: list[tuple[Shapes, _Stretches]] = []

    def through(self, polygons: Geometries) -> tuple[Ints, Floats, Floats]:
        """Edges and the stretches of them, from their beginning, that lie in a polygon."""
        alike = nearly(polygons, [shapes for shapes, _ in self._known])
        if alike is None:
            found = _stretches_within(*self._edges, polygons)
            self._known.append((Shapes(polygons), found))
            return found[1:]
        shapes, known = self._known[alike[0]]
        there = shapes.kept(alike[1])[known[0]]
        new = _stretches_within(*self._edges, polygons[alike[1] == NEW])
        edge, low, high = (np.concatenate([old[there], came]) for old, came in zip(known[1:], new[1:], strict=True))
        return edge, low, high


def _stretches_within(
    straight: Geometries, length: Floats, begin: Floats, along: Floats, polygons: Geometries
) -> _Stretches:
    """Polygons, straight edges and the stretches of them, from their beginning, that lie in the polygon."""
    edge, polygon = shapely.STRtree(polygons).query(straight)
    shapely.prepare(polygons[np.unique(polygon)])
    met = shapely.intersects(polygons[polygon], straight[edge])
    edge, polygon = edge[met], polygon[met]
    whole = shapely.contains_properly(polygons[polygon], straight[edge])
    crossing = edge[~whole]
    parts, owner = single_parts(shapely.intersection(straight[crossing], polygons[polygon[~whole]]))
    long = shapely.get_dimensions(parts) == 1
    of, parts, owner = polygon[~whole][owner[long]], parts[long], crossing[owner[long]]
    ends = [shapely.get_coordinates(shapely.get_point(parts, n)) for n in (0, -1)]
    there = [((xy - begin[owner]) * along[owner]).sum(axis=1) for xy in ends]
    low = np.maximum(np.minimum(*there), 0)
    high = np.minimum(np.maximum(*there), length[owner])
    kept = high > low
    return (
        np.concatenate([polygon[whole], of[kept]]),
        np.concatenate([edge[whole], owner[kept]]),
        np.concatenate([np.zeros(whole.sum()), low[kept]]),
        np.concatenate([length[edge[whole]], high[kept]]),
    )


def _to_the_right(begin: Floats, along: Floats, c: Floats, d: Floats, left_m: float) -> tuple[Floats, Floats, Mask]:
    """Edges from c to d cut to what lies right of a directed line, or up to ``left_m`` left of it; which are left."""
    right = _right(along)
    at_c, at_d = (((xy - begin) * right).sum(axis=1) + left_m for xy in (c, d))
    cut = (at_c < 0) != (at_d < 0)
    share = np.divide(at_c, at_c - at_d, out=np.zeros(len(c)), where=cut)[:, None]
    crossing = c + (d - c) * share
    from_c = np.where((cut & (at_c < 0))[:, None], crossing, c)
    to_d = np.where((cut & (at_d < 0))[:, None], crossing, d)
    return from_c, to_d, (at_c >= 0) | (at_d >= 0)


def _within(
    begin: Floats, along: Floats, length: Floats, c: Floats, d: Floats, within_m: float
) -> tuple[Floats, Floats]:
    """From where to where, in metres, straight edges are within a distance of edges from c to d.

    What is within a distance of an edge is a rectangle and two discs, together convex: the answer is one interval, the
    hull of three. Low above high where there is none.
    """
    other = np.hypot(*(d - c).T)
    unit = np.divide(d - c, other[:, None], out=np.tile([1.0, 0.0], (len(c), 1)), where=other[:, None] > 0)
    found = [_in_disc(begin, along, c, within_m), _in_disc(begin, along, d, within_m)]
    beside = _in_strip(((begin - c) * unit).sum(axis=1), (along * unit).sum(axis=1), np.zeros(len(c)), other)
    across = _right(unit)
    wide = np.full(len(c), within_m)
    band = _in_strip(((begin - c) * across).sum(axis=1), (along * across).sum(axis=1), -wide, wide)
    found.append((np.maximum(beside[0], band[0]), np.minimum(beside[1], band[1])))
    some = [high > low for low, high in found]
    lows = [np.where(there, low, np.inf) for there, (low, _) in zip(some, found, strict=True)]
    highs = [np.where(there, high, -np.inf) for there, (_, high) in zip(some, found, strict=True)]
    return np.maximum(np.min(lows, axis=0), 0), np.minimum(np.max(highs, axis=0), length)


def _in_disc(begin: Floats, along: Floats, centre: Floats, radius: float) -> tuple[Floats, Floats]:
    """From where to where endless lines run in discs; from their nearest point to itself where they pass by."""
    nearest = ((centre - begin) * along).sum(axis=1)
    away = ((centre - begin) * _right(along)).sum(axis=1)
    half = np.sqrt(np.maximum(radius**2 - away**2, 0))
    return nearest - half, nearest + half


def _in_strip(offset: Floats, slope: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """From where to where ``offset + slope * t`` lies between two values."""
    flat = np.abs(slope) < 1e-12
    always = flat & (offset >= low) & (offset <= high)
    safe = np.where(flat, 1.0, slope)
    one, other = (low - offset) / safe, (high - offset) / safe
    begin = np.where(flat, np.where(always, -np.inf, np.inf), np.minimum(one, other))
    end = np.where(flat, np.where(always, np.inf, -np.inf), np.maximum(one, other))
    return begin, end
