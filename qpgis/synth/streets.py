"""The street network along the partition's roads: connected, split at junctions, joined to the given backbone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.synth.calibration import ROAD_CLASSES, Calibration
from qpgis.synth.fields import Ints
from qpgis.synth.inputs import Inputs
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
INTERCHANGE_M = 3500.0
"""A motorway meets other roads at most this often."""
CONNECTING = ("primary", "secondary", "tertiary")
"""Classes that a motorway is joined to where it crosses them, besides given roads."""
BACKBONE_WAY_M = np.inf


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


def network(layout: Layout, inputs: Inputs, landscape: Landscape, calibration: Calibration) -> Streets:
    """The streets of the zones, one component for each connected part of them, with their classes.

    Given roads keep their lines. Except for motorways they are split, and joined to the streets, wherever they cross
    one another; a motorway is joined where it crosses a given road or a main street, at most every
    :data:`INTERCHANGE_M` metres. A given road that meets nothing gets a short connection.
    """
    outline = shapely.union_all(inputs.zones)
    streets = _clipped(_along_cuts(layout, inputs), outline, inputs)
    backbone = _backbone(inputs, outline)
    motorway = np.array([inputs.road_classes[n] == "motorway" for n in backbone.given], dtype=bool)
    streets = _joined(streets.add(backbone.take(np.flatnonzero(~motorway))))
    streets = _without_stubs(streets, outline, inputs)
    streets = _connected(streets, outline, inputs)
    classify(streets, inputs, landscape, calibration)
    for n in np.flatnonzero(motorway):
        streets = _with_motorway(streets, backbone.take(np.array([n])), inputs)
    return _in_order(streets)


def _along_cuts(layout: Layout, inputs: Inputs) -> Streets:
    """Streets between neighbouring junctions of every road of the partition."""
    p = layout.partition
    ways = layout.ways.rows
    if not len(ways):
        return _none()
    ends = p.line_ends.rows[ways[:, 1:]]
    flat = p.flat.rows
    start, end = flat[ends[:, :, 0]].mean(axis=1), flat[ends[:, :, 1]].mean(axis=1)
    length = np.hypot(*(end - start).T)
    way_of = np.full(p.families + 1, -1)
    way_of[ways[:, 0]] = np.arange(len(ways))
    host = p.host.rows[ends]
    parent = way_of[p.family.rows[host[:, 0]]]
    t = p.place.rows[ends].mean(axis=1)
    child_way, child_end = np.divmod(np.flatnonzero(parent.ravel() >= 0), 2)
    on = parent[child_way, child_end]
    order = np.lexsort((t[child_way, child_end], on))
    child_way, child_end, on = child_way[order], child_end[order], on[order]
    t_on = _merged_places(on, t[child_way, child_end], length)
    meeting = start[on] + t_on[:, None] * (end - start)[on]
    own = np.stack([start, end], axis=1)
    own[child_way, child_end] = meeting
    distinct = np.append(True, (on[1:] != on[:-1]) | (t_on[1:] != t_on[:-1]))[: len(on)]
    way = np.concatenate([np.arange(len(ways)), on[distinct], np.arange(len(ways))])
    place = np.concatenate([np.full(len(ways), -1.0), t_on[distinct], np.full(len(ways), 2.0)])
    xy = np.concatenate([own[:, 0], meeting[distinct], own[:, 1]])
    order = np.lexsort((place, way))
    way, xy = way[order], xy[order]
    follows = way[1:] == way[:-1]
    a, b = xy[:-1][follows], xy[1:][follows]
    lines = _bent(a, b, layout, inputs)
    way_m = layout.road_m.rows[way[:-1][follows]]
    good = shapely.length(lines) > 0
    return Streets(lines, way_m, np.full(len(a), -1), np.full(len(a), "", dtype=object)).take(np.flatnonzero(good))


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
    still = shapely.transform(inputs.waters.polygons[inputs.waters.is_still], lattice.to_plane)
    lakes = shapely.buffer(shapely.union_all(still), KEEP_FROM_LAKES_M)
    lakes = shapely.transform(lakes, lambda xy: lattice.from_plane(xy))
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
    step = inputs.lattice.step
    parts, owner = shapely.get_parts(lines, return_index=True)
    inner, of = shapely.get_parts(parts, return_index=True)
    rounded = shapely.transform(inner, lambda xy: np.rint(xy / step) * step)
    good = (shapely.get_dimensions(rounded) == 1) & (shapely.length(rounded) > 0)
    return rounded[good], owner[of][good]


def _backbone(inputs: Inputs, outline: shapely.Geometry) -> Streets:
    """The given roads inside the zones."""
    if not len(inputs.roads):
        return _none()
    pieces = np.array([shapely.line_merge(g) for g in shapely.intersection(inputs.roads, outline)], dtype=object)
    parts, owner = _line_parts(pieces, inputs)
    classes = np.array([inputs.road_classes[n] for n in owner], dtype=object)
    return Streets(parts, np.full(len(parts), BACKBONE_WAY_M), owner, classes)


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


def nodes(lines: Geometries) -> tuple[Ints, Ints, Floats]:
    """Number of the first and of the last node of each line, and where the nodes are."""
    first = shapely.get_coordinates(shapely.get_point(lines, 0))
    last = shapely.get_coordinates(shapely.get_point(lines, -1))
    xy, number = np.unique(np.concatenate([first, last]), axis=0, return_inverse=True)
    number = number.reshape(-1)
    return number[: len(lines)], number[len(lines) :], xy


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
        a, b, xy = nodes(streets.lines)
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
    a, b, xy = nodes(streets.lines)
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
    kept = streets.take(np.flatnonzero(main))
    loose_parts = part[loose]
    for one in np.unique(label[loose]):
        mine = loose[label[loose] == one]
        near = kept.take(np.flatnonzero(part[main] == loose_parts[label[loose] == one][0])) if main.any() else kept
        kept_more = streets.take(mine)
        kept = kept.add(kept_more)
        part = np.concatenate([part, part[mine]])
        main = np.concatenate([main, np.ones(len(mine), dtype=bool)])
        if len(near):
            kept = kept.add(_link(kept_more, near, inputs))
            part, main = np.append(part, part[mine[0]]), np.append(main, True)
    return kept


def _link(loose: Streets, streets: Streets, inputs: Inputs) -> Streets:
    """The shortest straight connection from an end of loose roads to a junction of the streets."""
    _, _, here = nodes(loose.lines)
    _, _, there = nodes(streets.lines)
    pairs, metres = shapely.STRtree(shapely.points(there)).query_nearest(
        shapely.points(here), return_distance=True, all_matches=False
    )
    best = int(np.argmin(metres))
    line = shapely.linestrings(np.stack([here[pairs[0][best]], there[pairs[1][best]]])[None])
    return Streets(np.asarray(line), np.array([BACKBONE_WAY_M]), np.array([-1]), np.array(["link"], dtype=object))


def classify(streets: Streets, inputs: Inputs, landscape: Landscape, calibration: Calibration) -> None:
    """Give streets their classes: in each area the longest roads the highest, until its length is reached."""
    middle = shapely.get_coordinates(
        shapely.transform(shapely.line_interpolate_point(streets.lines, 0.5, normalized=True), inputs.lattice.to_plane)
    )
    zone = landscape.grid.at(landscape.zone, middle)
    area = np.append(inputs.area, 0)[zone]
    metres = _metres(streets.lines, inputs)
    km2 = np.bincount(inputs.area, inputs.zone_m2, minlength=len(calibration.areas)) / 1e6
    own = (streets.given < 0) & (streets.class_ == "")
    streets.class_[own] = ROAD_CLASSES[-1]
    for n, of in enumerate(calibration.areas):
        mine = np.flatnonzero(own & (area == n))
        mine = mine[np.argsort(-streets.way_m[mine], kind="stable")]
        reached = np.cumsum(metres[mine]) - metres[mine] / 2
        done = 0.0
        for class_ in ROAD_CLASSES:
            there = float(metres[(streets.given >= 0) & (streets.class_ == class_) & (area == n)].sum())
            more = max(of.roads.get(class_, 0) * km2[n] * 1000 - there, 0)
            streets.class_[mine[(reached > done) & (reached <= done + more)]] = class_
            done += more
    local = streets.class_ == "local"
    inside = np.minimum(landscape.town(middle) / NEAR_TOWN, landscape.village(middle)) < 1
    streets.class_[local] = np.where(inside[local], "residential", "unclassified")


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
        return both.add(_link(motorway, streets, inputs)) if len(streets) else both
    rank = {name: n for n, name in enumerate(("motorway", "trunk", *CONNECTING))}
    ranks = np.array([rank.get(str(class_), 9) for class_ in streets.class_[candidates]])
    candidates = candidates[np.argsort(ranks, kind="stable")]
    xy = np.rint(shapely.get_coordinates(shapely.get_point(_first_points(streets.lines[candidates], line), 0)))
    per_unit = float(_metres(motorway.lines, inputs)[0]) / float(shapely.length(line))
    along = shapely.line_locate_point(line, shapely.points(xy)) * per_unit
    chosen: list[int] = []
    for n, metres in enumerate(along):
        if all(abs(metres - along[other]) >= INTERCHANGE_M for other in chosen):
            chosen.append(n)
    index = np.concatenate([candidates[chosen], np.full(len(chosen), len(streets))]).astype(np.int64)
    order = np.argsort(index, kind="stable")
    return _split_at(both, index[order], np.tile(xy[chosen], (2, 1))[order])


def _first_points(lines: Geometries, other: shapely.Geometry) -> Geometries:
    """For each line the first point that it shares with another, as a line or point whose first point it is."""
    parts, index = shapely.get_parts(shapely.intersection(lines, other), return_index=True)
    first = parts[np.unique(index, return_index=True)[1]]
    xy, of = shapely.get_coordinates(first, return_index=True)
    start = xy[np.unique(of, return_index=True)[1]]
    return shapely.linestrings(np.stack([start, start + 1], axis=1))


def _in_order(streets: Streets) -> Streets:
    """Streets from main to minor, then by where they start: the same order however they came about."""
    if not len(streets):
        return streets
    rank = {name: n for n, name in enumerate(("motorway", "trunk", "link", *ROAD_CLASSES[:3]))}
    first = shapely.get_coordinates(shapely.get_point(streets.lines, 0))
    last = shapely.get_coordinates(shapely.get_point(streets.lines, -1))
    ranks = np.array([rank.get(c, 9) for c in streets.class_])
    order = np.lexsort((last[:, 1], last[:, 0], first[:, 1], first[:, 0], ranks))
    return streets.take(order)
