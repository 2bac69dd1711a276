"""The street network along the partition's roads: connected, split at junctions, joined to the given backbone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.synth.calibration import ROAD_CLASSES
from qpgis.synth.fields import Flags, Ints, spread
from qpgis.synth.inputs import Inputs, Stage
from qpgis.synth.landscape import NEAR_TOWN, Landscape
from qpgis.synth.layout import Layout
from qpgis.synth.partition import ragged_ranges

BEND_M = 480.0
"""A street gets a point at least this often, so that it follows the bends of the land."""
SAME_JUNCTION_M = 28.0
"""Streets that meet a road from both sides this close meet it at one junction."""
KEEP_FROM_LAKES_M = 15.0
"""Streets end this far before a lake or reservoir."""
STUB_M = 160.0
"""Shorter dead ends, left where a street was cut, are dropped."""
CONNECTING = ("primary", "secondary", "tertiary")
"""Classes that a motorway is joined to where it crosses them, besides given roads."""
NOT_ON_FOOT = ("motorway", "link")
"""Classes whose junctions no footpath leads to."""
RANKS = {name: n for n, name in enumerate(("motorway", "trunk", "link", *CONNECTING))}
"""Main roads first; the others come after them, alike."""
BACKBONE_WAY_M = np.inf
"""Given roads are longer than any way, so that they count as main roads."""


@dataclass
class Streets:
    """Streets between junctions.

    Attributes
    ----------
    lines : array of lines
        In units of the lattice.
    way_m : array of float
        Length of the road that a street is part of, infinite for given roads.
    given : array of int
        Which given road, -1 for none.
    class_ : array of object
        Road class.
    """

    lines: Geometries
    way_m: Floats
    given: Ints
    class_: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, index: Ints) -> Streets:
        """Some of the streets."""
        return Streets(self.lines[index], self.way_m[index], self.given[index], self.class_[index])

    def add(self, more: Streets) -> Streets:
        """These streets and others."""
        return Streets(
            np.concatenate([self.lines, more.lines]),
            np.concatenate([self.way_m, more.way_m]),
            np.concatenate([self.given, more.given]),
            np.concatenate([self.class_, more.class_]),
        )

    def ends(self) -> tuple[Floats, Floats]:
        """First and last point of each street."""
        first, last = shapely.get_point(self.lines, 0), shapely.get_point(self.lines, -1)
        return shapely.get_coordinates(first), shapely.get_coordinates(last)

    def ranks(self) -> Ints:
        """Importance by class: 0 for motorways, growing."""
        return np.array([RANKS.get(str(class_), len(RANKS)) for class_ in self.class_], dtype=np.int64)


def network(layout: Layout, landscape: Landscape) -> Streets:
    """The streets of the zones, one component for each connected part of them, with their classes.

    Given roads keep their lines. Except for motorways they are split, and joined to the streets, wherever they cross
    one another; a motorway is joined where it crosses a given road or a main street, at most as often as the
    calibration's ``interchange_m`` says. A given road that meets nothing gets a short connection.
    """
    inputs = landscape.inputs
    outline = shapely.union_all(inputs.zones)
    streets = _clipped(_along_cuts(layout, inputs), outline, inputs)
    backbone = _backbone(inputs, outline)
    motorway = backbone.class_ == "motorway"
    streets = _joined(streets.add(backbone.take(np.flatnonzero(~motorway))))
    streets = _without_stubs(streets, outline, inputs)
    streets = _connected(streets, outline, inputs)
    classify(streets, landscape)
    for n in np.flatnonzero(motorway):
        streets = _with_motorway(streets, backbone.take(np.array([n])), inputs)
    return _in_order(streets)


def _along_cuts(layout: Layout, inputs: Inputs) -> Streets:
    """Streets between neighbouring junctions of every road of the partition."""
    count = len(layout.ways)
    if not count:
        return _none()
    ends, meeting, on, t = _junctions(layout)
    way = np.concatenate([np.arange(count), on, np.arange(count)])
    place = np.concatenate([np.full(count, -1.0), t, np.full(count, 2.0)])
    xy = np.concatenate([ends[:, 0], meeting, ends[:, 1]])
    order = np.lexsort((place, way))
    way, xy = way[order], xy[order]
    follows = way[1:] == way[:-1]
    lines = _bent(xy[:-1][follows], xy[1:][follows], layout, inputs)
    way_m = layout.road_m.rows[way[:-1][follows]]
    own = Streets(lines, way_m, np.full(len(lines), -1), np.full(len(lines), "", dtype=object))
    return own.take(np.flatnonzero(shapely.length(lines) > 0))


def _junctions(layout: Layout) -> tuple[Floats, Floats, Ints, Floats]:
    """Where roads run and meet, in straight coordinates.

    Returns
    -------
    ends : array (roads, 2, 2)
        Start and end of each road, on the middle of the roads that they meet.
    meeting, on, t : arrays
        The junctions on other roads, sorted by road and place: where, on which road, and how far along it (0 to 1).
    """
    p, ways = layout.partition, layout.ways.rows
    sides = p.line_ends.rows[ways[:, 1:]]
    ends = p.flat.rows[sides].mean(axis=1)
    start, whole = ends[:, 0].copy(), ends[:, 1] - ends[:, 0]
    way_of = np.full(p.families + 1, -1)
    way_of[ways[:, 0]] = np.arange(len(ways))
    parent = way_of[p.family.rows[p.host.rows[sides[:, 0]]]]
    place = p.place.rows[sides].mean(axis=1)
    child, end = np.divmod(np.flatnonzero(parent.ravel() >= 0), 2)
    order = np.lexsort((place[child, end], parent[child, end]))
    child, end = child[order], end[order]
    on = parent[child, end]
    t = _merged_places(on, place[child, end], np.hypot(*whole.T))
    meeting = start[on] + t[:, None] * whole[on]
    ends[child, end] = meeting
    distinct = np.append(True, (on[1:] != on[:-1]) | (t[1:] != t[:-1]))[: len(on)]
    return ends, meeting[distinct], on[distinct], t[distinct]


def _none() -> Streets:
    return Streets(np.empty(0, dtype=object), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=object))


def _merged_places(way: Ints, t: Floats, length: Floats) -> Floats:
    """Places along a road, sorted by road and place; those that lie close together become the first of them."""
    near = np.append(False, (way[1:] == way[:-1]) & ((t[1:] - t[:-1]) * length[way[1:]] < SAME_JUNCTION_M))[: len(t)]
    first = np.maximum.accumulate(np.where(near, 0, np.arange(len(t))))
    return t[first]


def _bent(a: Floats, b: Floats, layout: Layout, inputs: Inputs) -> Geometries:
    """Lines between points of the straight coordinates as lines of the lattice that follow the warp."""
    pieces = np.maximum(np.ceil(np.hypot(*(b - a).T) / BEND_M), 1).astype(np.int64)
    line = np.repeat(np.arange(len(a)), pieces + 1)
    share = ragged_ranges(np.zeros(len(a), dtype=np.int64), pieces + 1) / pieces[line]
    flat = a[line] + share[:, None] * (b - a)[line]
    flat[share == 1] = b
    units = inputs.lattice.from_plane(layout.partition.warp(flat))
    return shapely.linestrings(units, indices=line)


def _clipped(streets: Streets, outline: shapely.Geometry, inputs: Inputs) -> Streets:
    """Streets cut at the border of the zones and before lakes."""
    lattice = inputs.lattice
    lakes = shapely.buffer(shapely.union_all(inputs.plane_waters[inputs.is_still]), KEEP_FROM_LAKES_M)
    lakes = shapely.transform(lakes, lattice.from_plane)
    shapely.prepare([outline, lakes])
    within = shapely.contains_properly(outline, streets.lines)
    free = ~shapely.intersects(lakes, streets.lines)
    whole = np.flatnonzero(within & free)
    cut = np.flatnonzero(shapely.intersects(outline, streets.lines) & ~(within & free))
    pieces = streets.lines[cut]
    pieces[~within[cut]] = shapely.intersection(pieces[~within[cut]], outline)
    pieces[~free[cut]] = shapely.difference(pieces[~free[cut]], lakes)
    parts, owner = _line_parts(pieces, inputs)
    kept = streets.take(cut[owner])
    return streets.take(whole).add(Streets(parts, kept.way_m, kept.given, kept.class_))


def _line_parts(lines: Geometries, inputs: Inputs) -> tuple[Geometries, Ints]:
    """The single lines of geometries, on the lattice, and which geometry each is of."""
    parts, owner = shapely.get_parts(lines, return_index=True)
    inner, of = shapely.get_parts(parts, return_index=True)
    rounded = shapely.transform(inner, inputs.lattice.nearest)
    good = (shapely.get_dimensions(rounded) == 1) & (shapely.length(rounded) > 0)
    return rounded[good], owner[of][good]


def _backbone(inputs: Inputs, outline: shapely.Geometry) -> Streets:
    """The given roads inside the zones."""
    if not len(inputs.roads):
        return _none()
    pieces = shapely.line_merge(shapely.intersection(inputs.roads.geometry, outline))
    parts, owner = _line_parts(pieces, inputs)
    return Streets(parts, np.full(len(parts), BACKBONE_WAY_M), owner, inputs.roads.class_[owner])


def _joined(streets: Streets) -> Streets:
    """Streets split wherever a given road crosses or touches them, and given roads wherever they meet a street."""
    given = np.flatnonzero(streets.given >= 0)
    if not len(given):
        return streets
    line, other = shapely.STRtree(streets.lines).query(streets.lines[given], predicate="intersects")
    a, b = given[line], other
    distinct = a != b
    return _split(streets, a[distinct], b[distinct])


def _split(streets: Streets, a: Ints, b: Ints) -> Streets:
    """Split both lines of each pair where they meet."""
    meeting = shapely.intersection(streets.lines[a], streets.lines[b])
    parts, pair = shapely.get_parts(meeting, return_index=True)
    points = np.concatenate([shapely.get_point(parts, 0), shapely.get_point(parts, -1), parts])
    pair = np.concatenate([pair, pair, pair])
    good = ~shapely.is_missing(points) & (shapely.get_type_id(points) == 0)
    xy, pair = np.rint(shapely.get_coordinates(points[good])), pair[good]
    line = np.concatenate([a[pair], b[pair]])
    found = np.unique(np.column_stack([line, np.tile(xy, (2, 1))]), axis=0)
    return _split_at(streets, found[:, 0].astype(np.int64), found[:, 1:])


def _split_at(streets: Streets, line: Ints, xy: Floats) -> Streets:
    """Split streets at points on them (sorted by line)."""
    if not len(line):
        return streets
    lines, first = np.unique(line, return_index=True)
    stops = np.append(first[1:], len(line))
    made: list[Geometries] = []
    for n, low, high in zip(lines, first, stops, strict=True):
        made.append(_pieces(streets.lines[n], xy[low:high]))
    whole = np.setdiff1d(np.arange(len(streets)), lines)
    owner = np.repeat(lines, [len(pieces) for pieces in made])
    parts = streets.take(owner)
    parts.lines = np.concatenate([np.empty(0, dtype=object), *made])
    return streets.take(whole).add(parts)


def _pieces(line: shapely.Geometry, xy: Floats) -> Geometries:
    """A line cut at points that lie on it; the points become its vertices."""
    own = shapely.get_coordinates(line)
    along = shapely.line_locate_point(line, shapely.points(xy))
    vertices = np.append(0, np.cumsum(np.hypot(*np.diff(own, axis=0).T)))
    place = np.concatenate([vertices, along])
    is_cut = np.concatenate([np.zeros(len(own), dtype=bool), np.ones(len(xy), dtype=bool)])
    points = np.concatenate([own, xy])
    order = np.lexsort((is_cut, place))
    points, is_cut = points[order], is_cut[order]
    same = np.append(False, (points[1:] == points[:-1]).all(axis=1))
    group = np.cumsum(~same) - 1
    cut = np.zeros(group[-1] + 1, dtype=bool)
    np.logical_or.at(cut, group, is_cut)
    points = points[~same]
    stops = np.unique(np.concatenate([[0], np.flatnonzero(cut), [len(points) - 1]]))
    return np.array([shapely.linestrings(points[i : j + 1]) for i, j in pairwise(stops)], dtype=object)


def nodes(streets: Streets) -> tuple[Ints, Ints, Floats]:
    """Number of the first and of the last node of each street, and where the nodes are."""
    xy, number = np.unique(np.concatenate(streets.ends()), axis=0, return_inverse=True)
    number = number.reshape(-1)
    return number[: len(streets)], number[len(streets) :], xy


def components(a: Ints, b: Ints, count: int) -> Ints:
    """For each of ``count`` nodes the lowest node that it is connected to by the edges ``a`` - ``b``."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, before[a], low)
        np.minimum.at(label, before[b], low)
        while (label != label[label]).any():
            label = label[label]
        if (label == before).all():
            return label


def _metres(lines: Geometries, inputs: Inputs) -> Floats:
    return np.asarray(shapely.length(shapely.transform(lines, inputs.lattice.to_plane)))


def _without_stubs(streets: Streets, outline: shapely.Geometry, inputs: Inputs) -> Streets:
    """Streets without short dead ends; dead ends on the border of the zones stay."""
    border = shapely.boundary(outline)
    shapely.prepare(border)
    for _ in range(3):
        a, b, xy = nodes(streets)
        degree = np.bincount(np.concatenate([a, b]), minlength=len(xy))
        dead = np.flatnonzero((degree[a] == 1) | (degree[b] == 1))
        dead = dead[(streets.given[dead] < 0) & (_metres(streets.lines[dead], inputs) < STUB_M)]
        dead = dead[~shapely.dwithin(streets.lines[dead], border, 3.0 * inputs.lattice.step)]
        if not len(dead):
            break
        streets = streets.take(np.setdiff1d(np.arange(len(streets)), dead))
    return streets


def _connected(streets: Streets, outline: shapely.Geometry, inputs: Inputs) -> Streets:
    """In each connected part of the zones the largest component; given roads outside it get a connection."""
    if not len(streets):
        return streets
    parts = shapely.get_parts(outline)
    a, b, xy = nodes(streets)
    label = components(a, b, len(xy))[a]
    part = shapely.STRtree(parts).query_nearest(shapely.get_point(streets.lines, 0), all_matches=False)[1]
    metres = _metres(streets.lines, inputs)
    main = np.zeros(len(streets), dtype=bool)
    for n in range(len(parts)):
        mine = np.flatnonzero(part == n)
        if len(mine):
            total = np.bincount(label[mine], metres[mine])
            main |= (part == n) & (label == int(np.argmax(total)))
    loose = np.flatnonzero(~main & (streets.given >= 0))
    kept, kept_part = streets.take(np.flatnonzero(main)), part[main]
    for component in np.unique(label[loose]):
        mine = loose[label[loose] == component]
        near = kept.take(np.flatnonzero(kept_part == part[mine[0]]))
        joining = streets.take(mine)
        if len(near):
            joining = joining.add(_link(joining, near))
        kept, kept_part = kept.add(joining), np.append(kept_part, np.full(len(joining), part[mine[0]]))
    return kept


def _link(loose: Streets, streets: Streets) -> Streets:
    """The shortest straight connection from an end of loose roads to a junction of the streets."""
    _, _, here = nodes(loose)
    _, _, there = nodes(streets)
    pairs, metres = shapely.STRtree(shapely.points(there)).query_nearest(
        shapely.points(here), return_distance=True, all_matches=False
    )
    best = int(np.argmin(metres))
    line = shapely.linestrings(np.stack([here[pairs[0][best]], there[pairs[1][best]]])[None])
    return Streets(np.asarray(line), np.array([BACKBONE_WAY_M]), np.array([-1]), np.array(["link"], dtype=object))


def classify(streets: Streets, landscape: Landscape) -> None:
    """Give streets their classes: in each area the longest roads the highest, until its length is reached."""
    inputs = landscape.inputs
    middle = shapely.get_coordinates(
        shapely.transform(shapely.line_interpolate_point(streets.lines, 0.5, normalized=True), inputs.lattice.to_plane)
    )
    area = landscape.area_at(middle)
    metres = _metres(streets.lines, inputs)
    own = (streets.given < 0) & (streets.class_ == "")
    streets.class_[own] = ROAD_CLASSES[-1]
    wanted_m = {class_: inputs.calibration.road_density(class_) * inputs.area_m2 / 1000 for class_ in ROAD_CLASSES}
    for n in range(len(inputs.area_m2)):
        mine = np.flatnonzero(own & (area == n))
        mine = mine[np.argsort(-streets.way_m[mine], kind="stable")]
        reached = np.cumsum(metres[mine]) - metres[mine] / 2
        done = 0.0
        for class_ in ROAD_CLASSES:
            there = float(metres[(streets.given >= 0) & (streets.class_ == class_) & (area == n)].sum())
            more = max(wanted_m[class_][n] - there, 0)
            streets.class_[mine[(reached > done) & (reached <= done + more)]] = class_
            done += more
    local = streets.class_ == "local"
    inside = np.minimum(landscape.town(middle) / NEAR_TOWN, landscape.village(middle)) < 1
    streets.class_[local] = np.where(inside[local], "residential", "unclassified")


def with_footpaths(streets: Streets, homes: Floats, water: Geometries, inputs: Inputs) -> Streets:
    """Streets with footpaths through their blocks, from some homes to other homes and junctions nearby.

    They are edges of a Delaunay triangulation, so none crosses another; those that would cross a street or water, leave
    the zones, or hang together with no street, are left out.

    Parameters
    ----------
    streets : Streets
    homes : array (homes, 2)
        In units of the lattice, as all else here.
    water : array of polygons
    inputs : Inputs
    """
    apart_m, longest_m = inputs.calibration.form.footpath_m
    _, _, junctions = nodes(streets.take(np.flatnonzero(~np.isin(streets.class_, NOT_ON_FOOT))))
    if not (longest_m and len(homes) and len(junctions)):
        return streets
    plane = inputs.lattice.to_plane(homes)
    homes = homes[spread(plane, np.ones(len(homes)), len(homes), apart_m, inputs.chance(Stage.FOOTPATHS))]
    ends = shapely.multipoints(np.concatenate([homes, junctions]))
    lines = shapely.get_parts(shapely.delaunay_triangles(ends, only_edges=True))
    lines = lines[_metres(lines, inputs) <= longest_m]
    outline = shapely.union_all(inputs.zones)
    shapely.prepare(outline)
    free = ~_met(lines, streets.lines, "crosses") & ~_met(lines, water, "intersects") & shapely.covers(outline, lines)
    lines = lines[free & _met(lines, shapely.points(homes), "touches")]
    paths = Streets(lines, np.zeros(len(lines)), np.full(len(lines), -1), np.full(len(lines), "path", dtype=object))
    both = streets.add(_in_order(paths))
    a, b, xy = nodes(both)
    part = components(a, b, len(xy))[a]
    return both.take(np.flatnonzero(np.isin(part, part[: len(streets)])))


def _met(lines: Geometries, others: Geometries, predicate: Literal["crosses", "intersects", "touches"]) -> Flags:
    """Which lines stand in a relation to any of some others."""
    met = np.zeros(len(lines), dtype=bool)
    met[shapely.STRtree(others).query(lines, predicate=predicate)[0]] = True
    return met


def _with_motorway(streets: Streets, motorway: Streets, inputs: Inputs) -> Streets:
    """Streets with a motorway, joined at its interchanges: crossings with given roads and main streets.

    The most important roads come first; where it crosses none of these, it is joined to whatever it crosses, and where
    it crosses nothing, a link leads from it to the nearest junction.
    """
    line = motorway.lines[0]
    crossing = np.flatnonzero(shapely.intersects(streets.lines, line))
    main = crossing[(streets.given[crossing] >= 0) | np.isin(streets.class_[crossing], CONNECTING)]
    candidates = main if len(main) else crossing
    both = streets.add(motorway)
    if not len(candidates):
        return both.add(_link(motorway, streets)) if len(streets) else both
    candidates = candidates[np.argsort(both.ranks()[candidates], kind="stable")]
    xy = np.rint(_first_shared(streets.lines[candidates], line))
    per_unit = float(_metres(motorway.lines, inputs)[0]) / float(shapely.length(line))
    along = shapely.line_locate_point(line, shapely.points(xy)) * per_unit
    chosen: list[int] = []
    for n, metres in enumerate(along):
        if all(abs(metres - along[other]) >= inputs.calibration.form.interchange_m for other in chosen):
            chosen.append(n)
    index = np.concatenate([candidates[chosen], np.full(len(chosen), len(streets))]).astype(np.int64)
    order = np.argsort(index, kind="stable")
    return _split_at(both, index[order], np.tile(xy[chosen], (2, 1))[order])


def _first_shared(lines: Geometries, other: shapely.Geometry) -> Floats:
    """For each line the first point that it shares with another that it meets."""
    xy, line = shapely.get_coordinates(shapely.intersection(lines, other), return_index=True)
    return np.asarray(xy[np.unique(line, return_index=True)[1]])


def _in_order(streets: Streets) -> Streets:
    """Streets from main to minor, then by where they start: the same order however they came about."""
    first, last = streets.ends()
    return streets.take(np.lexsort((last[:, 1], last[:, 0], first[:, 1], first[:, 0], streets.ranks())))
