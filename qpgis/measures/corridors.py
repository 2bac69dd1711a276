"""Ecological corridors along their axes: net width, the share of the axis that has it, gaps and what makes them.

A corridor's *matrix* is the green and the water that it runs through, *net* of barriers such as built land and
motorways. The net width at a place is the length of the section across the axis that runs through the net matrix
without a break. 城市生态廊道达标率 (MOHURD, 城市体检 2021) counts what is at least 100 m wide, net, and continuous.

Sections sample the width every few metres; what lies across the axis itself is found exactly, however thin it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from qpgis.crs import Floats, Geometries, Plane
from qpgis.measures.spans import Chainage, Ints, Mask, Spans, require_lines

MIN_WIDTH_M = 100.0
"""Net width of a corridor after MOHURD's 城市体检指标."""
STEP_M = 25.0
"""From one section to the next, at most."""
REACH_M = 500.0
"""How far a section reaches to either side; wider corridors are given as that wide."""
CHORD_M = 100.0
"""A section stands across the chord of the axis over this length, so that it turns gradually at a bend."""
TOLERANCE_M = 0.01
"""Neighbours in the matrix that stand this close are one; a width that lacks no more than this is met."""
ARC_SEGMENTS = 16
"""Into how many edges a quarter of a circle is cut where the matrix is eroded."""


@dataclass(frozen=True)
class Gaps:
    """Stretches of axes without the width, in the order of the axes.

    Attributes
    ----------
    axis : int array
    from_m, to_m, length_m : float arrays
        Geodesic, from the start of the axis.
    narrowest_m : float array
        The least net width of a section in it; 0 where the axis itself is off the net matrix.
    barriers : tuple of tuples of str
        Kinds of barriers in it; none where there is just no green and no water.
    geometry : array of lines
        The stretch of the axis.
    """

    axis: Ints
    from_m: Floats
    to_m: Floats
    length_m: Floats
    narrowest_m: Floats
    barriers: tuple[tuple[str, ...], ...]
    geometry: Geometries

    def __len__(self) -> int:
        return len(self.axis)


@dataclass(frozen=True)
class Sections:
    """Sections across axes, in the order of the axes.

    Attributes
    ----------
    axis : int array
        The axis of each.
    at_m : float array
        Where it stands: geodesic, from the start of its axis.
    width_m : float array
        Net width, at most twice the reach; 0 where there is no matrix.
    wide : bool array
        Whether that is enough.
    run : array of lines
        The net matrix there, from left to right of the axis; empty where there is none.
    """

    axis: Ints
    at_m: Floats
    width_m: Floats
    wide: Mask
    run: Geometries

    def __len__(self) -> int:
        return len(self.axis)


@dataclass(frozen=True)
class Corridors:
    """What a corridor along each axis comes to.

    Attributes
    ----------
    length_m : float array
        Geodesic length of each axis; 0 of one that is missing or empty.
    met_m : float array
        How much of that has the width.
    longest_m : float array
        The longest stretch that has it throughout.
    narrowest_m : float array
        The least net width of a section or gap; NaN where there is no axis.
    sections : Sections
    gaps : Gaps
        Together as long as the axes without ``met_m``.
    met : array of lines
        The stretches that have the width, and in ``met_axis`` the axis of each.
    """

    length_m: Floats
    met_m: Floats
    longest_m: Floats
    narrowest_m: Floats
    sections: Sections
    gaps: Gaps
    met: Geometries
    met_axis: Ints

    @property
    def share(self) -> Floats:
        """``met_m / length_m`` of each axis; NaN where there is no length."""
        nothing = np.full(len(self.length_m), np.nan)
        return np.divide(self.met_m, self.length_m, out=nothing, where=self.length_m > 0)


def corridors(
    axes: Geometries,
    matrix: Geometries,
    plane: Plane,
    *,
    barriers: Mapping[str, Geometries] | None = None,
    min_width_m: float = MIN_WIDTH_M,
    step_m: float = STEP_M,
    reach_m: float = REACH_M,
    offset_m: float = 0.0,
    chord_m: float = CHORD_M,
    tolerance_m: float = TOLERANCE_M,
    layout: Layout | None = None,
) -> Corridors:
    """Net width of corridors along their axes, and where it is too small.

    A place of an axis *meets* the width if the axis runs through the net matrix there and if the section of its cell is
    wide enough: ``share = length that meets / length of the axis``. Cells are of equal length, at most ``step_m``, each
    with a section in its middle. More matrix never lowers the share, a barrier never raises it.

    Parameters
    ----------
    axes : array of lines
        In the plane. The lines of a MultiLineString are joined where they meet; elsewhere nothing runs on.
    matrix : array of valid polygons
        Green and water; overlaps count once.
    plane : Plane
        For geodesic lengths along the axes.
    barriers : mapping of str to arrays of valid polygons, optional
        What is no corridor though the matrix covers it, by kind; lines go through :func:`bands` first.
    min_width_m : float
        Net width wanted.
    step_m : float
        From one section to the next, at most.
    reach_m : float
        How far a section reaches to either side.
    offset_m : float
        If above 0, an axis that is only sketched may run beside its corridor: the widest run of net matrix that comes
        this near counts. What lies across the axis is then seen by the sections alone: ``step_m`` has to be less than
        it is wide.
    chord_m : float
        Sections stand across the chord of the axis over this length.
    tolerance_m : float
        Neighbours in the matrix that stand this close are one; a width that lacks no more than this is met.
    layout : Layout, optional
        Of these axes with these settings: it remembers what they run through.

    Raises
    ------
    ValueError
        If the sections can't reach the width wanted, if barriers are no polygons, or axes no lines.
    """
    kinds = dict(barriers or {})
    _check(kinds, min_width_m=min_width_m, step_m=step_m, reach_m=reach_m, offset_m=offset_m)
    laid_out = layout or Layout.of(axes, plane, step_m=step_m, reach_m=reach_m, chord_m=chord_m)
    course, cells, at, across = laid_out.course, laid_out.cells, laid_out.at, laid_out.across
    middle = across.at[::2] + reach_m
    beside = _Ground.under(across, across.inside(matrix, tolerance_m=tolerance_m), kinds)
    width, run = _widest(across, beside.net, middle, offset_m + tolerance_m)
    wide = width >= min_width_m - tolerance_m
    along = _Ground.under(course.chainage, _covered(course.chainage, matrix, tolerance_m), kinds)
    whole = course.chainage.whole
    off = whole - along.net if offset_m == 0 else whole[:0]
    met = Spans.united(cells.line[wide], cells.low[wide], cells.high[wide]) - off
    needed = min_width_m + offset_m
    wanted = Spans(np.arange(len(at)), middle - needed, middle + needed)
    gaps = _gaps(course, whole - met, off, along, at[~wide], width[~wide], beside.meeting(wanted)[:, ~wide])
    axis = course.axis_of[cells.line]
    sections = Sections(axis, course.metres(at, axis), width, wide, run)
    return Corridors(
        course.sums(whole),
        course.sums(met),
        course.longest(met),
        course.least(sections, gaps),
        sections,
        gaps,
        course.chainage.lines(met),
        course.axis_of[met.line],
    )


def longest_within(
    zones: Geometries, axes: Geometries, stretches: Geometries, axis: Ints, plane: Plane
) -> tuple[Floats, Floats]:
    """Of each zone the longest stretch of each axis there, added up, and the length of the axes there (geodesic, m).

    Of a stretch only what lies in the zone is measured; one that leaves the zone and comes back stays one.

    Parameters
    ----------
    zones : array of polygons
        Each by itself; they may overlap.
    axes, stretches : arrays of lines
        The axes, and unbroken stretches of them, such as those that have the width.
    axis : int array
        The axis of each stretch.
    plane : Plane
        For geodesic lengths.
    """
    lines, _, zone = lines_within(zones, axes)
    length = np.bincount(zone, plane.lengths(lines), minlength=len(zones)).astype(float)
    lines, of, zone = lines_within(zones, stretches)
    each, piece = np.unique(np.column_stack([zone, of]), axis=0, return_inverse=True)
    metres = np.bincount(piece.ravel(), plane.lengths(lines), minlength=len(each))
    longest = np.zeros((len(zones), len(axes)))
    np.maximum.at(longest, (each[:, 0], axis[each[:, 1]]), metres)
    return longest.sum(axis=1), length


def lines_within(zones: Geometries, lines: Geometries) -> tuple[Geometries, Ints, Ints]:
    """The pieces of lines within zones, joined where they meet, with the line and the zone of each."""
    of, zone = shapely.STRtree(zones).query(lines, predicate="intersects")
    pieces, pair = shapely.get_parts(
        shapely.line_merge(shapely.intersection(lines[of], zones[zone])), return_index=True
    )
    kept = shapely.length(pieces) > 0
    return pieces[kept], of[pair[kept]], zone[pair[kept]]


def bands(lines: Geometries, width_m: float | Floats) -> Geometries:
    """Lines as polygons of a width (of one width each), such as motorways with their verges, round at their ends."""
    return shapely.buffer(lines, np.asarray(width_m) / 2, quad_segs=ARC_SEGMENTS)


def _check(
    barriers: Mapping[str, Geometries], *, min_width_m: float, step_m: float, reach_m: float, offset_m: float
) -> None:
    if reach_m < min_width_m + offset_m:
        raise ValueError(
            f"sections of reach_m={reach_m:g} can't measure min_width_m={min_width_m:g} at offset_m={offset_m:g}: "
            f"give reach_m={min_width_m + offset_m:g} or more"
        )
    if not step_m > 0:
        raise ValueError(f"step_m={step_m:g} is no step: give metres above 0")
    for kind, shapes in barriers.items():
        if np.isin(shapely.get_dimensions(shapes), (0, 1)).any():
            raise ValueError(f"the barriers {kind!r} hold lines or points: give them a width with bands() first")


@dataclass(frozen=True)
class _Axes:
    """The course of axes: their joined lines, and the axis of each."""

    chainage: Chainage
    axis_of: Ints
    count: int

    @classmethod
    def of(cls, axes: Geometries, plane: Plane) -> _Axes:
        require_lines(axes, "axes")
        parts, axis_of = shapely.get_parts(shapely.line_merge(axes), return_index=True)
        return cls(Chainage.of(parts, plane), axis_of.astype(np.int64), len(axes))

    def sums(self, spans: Spans) -> Floats:
        """Geodesic length of the spans of each axis."""
        return np.bincount(self.axis_of[spans.line], self.chainage.lengths(spans), minlength=self.count).astype(float)

    def longest(self, spans: Spans) -> Floats:
        """Geodesic length of the longest span of each axis."""
        longest = np.zeros(self.count)
        np.maximum.at(longest, self.axis_of[spans.line], self.chainage.lengths(spans))
        return longest

    def metres(self, at: Floats, axis: Ints) -> Floats:
        """Geodesic distance of places from the start of their axis."""
        ends = np.cumsum(self.sums(self.chainage.whole))
        return self.chainage.metres(at) - np.concatenate([[0.0], ends])[axis]

    def least(self, sections: Sections, gaps: Gaps) -> Floats:
        """The least width of each axis; NaN where there is no axis."""
        least = np.full(self.count, np.inf)
        np.minimum.at(least, sections.axis, sections.width_m)
        np.minimum.at(least, gaps.axis, gaps.narrowest_m)
        return np.where(np.isinf(least), np.nan, least)


@dataclass(frozen=True)
class Layout:
    """Axes laid out: their course, its cells, the middle of each, and the sections across it."""

    course: _Axes
    cells: Spans
    at: Floats
    across: Chainage

    @classmethod
    def of(
        cls,
        axes: Geometries,
        plane: Plane,
        *,
        step_m: float = STEP_M,
        reach_m: float = REACH_M,
        chord_m: float = CHORD_M,
    ) -> Layout:
        """For axes and settings as :func:`corridors` has them."""
        course = _Axes.of(axes, plane)
        cells, at = _cells(course.chainage.whole, step_m)
        return cls(course, cells, at, _across(course.chainage, at, reach_m, chord_m))


@dataclass(frozen=True)
class _Ground:
    """Where lines run through the net matrix, and through each kind of barrier."""

    net: Spans
    barriers: dict[str, Spans]

    @classmethod
    def under(cls, lines: Chainage, covered: Spans, barriers: Mapping[str, Geometries]) -> _Ground:
        """The ground under lines that the matrix covers somewhere."""
        net, found = covered, {kind: lines.inside(shapes) for kind, shapes in barriers.items()}
        for spans in found.values():
            net = net - spans
        return cls(net, found)

    def meeting(self, spans: Spans) -> NDArray[np.bool_]:
        """Kinds of barriers x spans: which lie in which."""
        found = [spans.meet(barrier) for barrier in self.barriers.values()]
        return np.array(found, dtype=bool).reshape(len(found), len(spans))


def _covered(course: Chainage, matrix: Geometries, tolerance_m: float) -> Spans:
    """Where axes run through the matrix, or along the hair between two of its polygons."""
    there, right, left = (
        course.inside(matrix, right_m=aside, tolerance_m=tolerance_m) for aside in (0.0, tolerance_m, -tolerance_m)
    )
    return there + (right & left)


def _cells(lines: Spans, step_m: float) -> tuple[Spans, Floats]:
    """Lines cut to cells of equal length, and the middle of each."""
    length = lines.high - lines.low
    count = np.maximum(np.ceil(length / step_m - 1e-9), 1).astype(np.int64)
    of = np.repeat(np.arange(len(lines)), count)
    rank = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    low, high, middle = (lines.low[of] + length[of] * (rank + part) / count[of] for part in (0, 1, 0.5))
    return Spans(lines.line[of], low, high), middle


def _across(course: Chainage, at: Floats, reach_m: float, chord_m: float) -> Chainage:
    """The sections at some places, each a line from left to right."""
    whole = course.whole
    of = np.searchsorted(whole.low, at, side="right") - 1
    chord = course.points(np.minimum(at + chord_m / 2, whole.high[of])) - course.points(
        np.maximum(at - chord_m / 2, whole.low[of])
    )
    length = np.hypot(*chord.T)[:, None]
    along = np.divide(chord, length, out=np.tile([1.0, 0.0], (len(at), 1)), where=length > 0)
    aside = reach_m * np.column_stack([along[:, 1], -along[:, 0]])
    middle = course.points(at)
    return Chainage.of(shapely.linestrings(np.stack([middle - aside, middle + aside], axis=1)))


def _widest(across: Chainage, net: Spans, middle: Floats, within_m: float) -> tuple[Floats, Geometries]:
    """The widest run of net matrix that comes within a distance of the middle of each section."""
    near = net[(net.low <= middle[net.line] + within_m) & (net.high >= middle[net.line] - within_m)]
    width = near.high - near.low
    order = np.lexsort((width, near.line))
    last = order[np.append(near.line[order][1:] != near.line[order][:-1], True)[: len(order)]]
    widths, runs = np.zeros(len(middle)), np.full(len(middle), shapely.LineString(), dtype=object)
    widths[near.line[last]] = width[last]
    runs[near.line[last]] = across.lines(near[last])
    return widths, runs


def _gaps(
    course: _Axes, lacking: Spans, off: Spans, along: _Ground, at: Floats, width: Floats, beside: NDArray[np.bool_]
) -> Gaps:
    """The stretches of axes that lack the width: they are off the net matrix, or their sections are too narrow."""
    gap = np.searchsorted(lacking.low, at, side="right") - 1
    narrowest = np.full(len(lacking), np.inf)
    np.minimum.at(narrowest, gap, width)
    narrowest[lacking.meet(off)] = 0.0
    present = along.meeting(lacking)
    kind, section = np.nonzero(beside)
    present[kind, gap[section]] = True
    kinds = np.array(list(along.barriers), dtype=object)
    axis = course.axis_of[lacking.line]
    return Gaps(
        axis,
        course.metres(lacking.low, axis),
        course.metres(lacking.high, axis),
        course.chainage.lengths(lacking),
        narrowest,
        tuple(tuple(kinds[here]) for here in present.T),
        course.chainage.lines(lacking),
    )


# ----------------------------------------------------------------------------------------------------------- erosion


def connected_when_eroded(
    axes: Geometries,
    matrix: Geometries,
    *,
    barriers: Mapping[str, Geometries] | None = None,
    min_width_m: float = MIN_WIDTH_M,
    reach_m: float = REACH_M,
    offset_m: float = 0.0,
    tolerance_m: float = TOLERANCE_M,
) -> Mask:
    """Whether the net matrix still joins the ends of an axis after eroding it by half the width wanted.

    The test that needs no sections: what is left are the places where a disc of ``min_width_m`` fits in, and the axis
    passes if such a disc could be rolled from end to end. An end belongs to what is left within ``min_width_m`` of it,
    in the same piece of net matrix.

    Parameters
    ----------
    axes : array of lines
        In the plane. Of a MultiLineString all ends have to be joined.
    matrix, barriers, min_width_m, tolerance_m
        As for :func:`corridors`.
    reach_m : float
        The matrix further than this from the axis isn't looked at: a way round has to stay within it.
    offset_m : float
        How far from the net matrix the axis may end.

    Returns
    -------
    bool array
        One an axis; False for one that is missing or empty.

    Raises
    ------
    ValueError
        As for :func:`corridors`.
    """
    require_lines(axes, "axes")
    kinds = dict(barriers or {})
    _check(kinds, min_width_m=min_width_m, step_m=1, reach_m=reach_m, offset_m=offset_m)
    blocking = np.concatenate([np.empty(0, dtype=object), *kinds.values()])
    trees = shapely.STRtree(matrix), shapely.STRtree(blocking)
    joined = np.zeros(len(axes), dtype=bool)
    for number, axis in enumerate(axes):
        if axis is not None and not axis.is_empty:
            net = _net_ground(shapely.buffer(axis, reach_m), *trees, tolerance_m)
            core = shapely.get_parts(shapely.buffer(net, (tolerance_m - min_width_m) / 2, quad_segs=ARC_SEGMENTS))
            joined[number] = _joined(axis, shapely.get_parts(net), core, min_width_m, offset_m + tolerance_m)
    return joined


def _net_ground(window: Geometry, matrix: shapely.STRtree, barriers: shapely.STRtree, tolerance_m: float) -> Geometry:
    """The matrix within a window without the barriers; neighbours that stand a hair apart are put together."""
    half = tolerance_m / 2
    ground = shapely.intersection(matrix.geometries[matrix.query(window, predicate="intersects")], window)
    united = shapely.union_all(shapely.buffer(ground, half, join_style="mitre"))
    blocked = shapely.union_all(barriers.geometries[barriers.query(window, predicate="intersects")])
    return shapely.difference(shapely.buffer(united, -half, join_style="mitre"), blocked)


def _joined(axis: Geometry, net: Geometries, core: Geometries, min_width_m: float, offset_m: float) -> bool:
    """Whether all ends of an axis belong to one piece of what erosion has left."""
    lines = shapely.get_parts(shapely.line_merge(axis))
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    piece = shapely.STRtree(net)
    home = np.zeros((len(net), len(ends)), dtype=bool)
    home[tuple(piece.query(ends, predicate="dwithin", distance=offset_m)[::-1])] = True
    inner, outer = piece.query(shapely.point_on_surface(core), predicate="intersects")
    held = np.zeros((len(core), len(ends)), dtype=bool)
    held[inner] = home[outer]
    near = shapely.dwithin(core[:, None], ends[None, :], min_width_m)
    return bool((held & near).all(axis=1).any())
