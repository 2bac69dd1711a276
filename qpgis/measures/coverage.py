"""Where polygons that should tile the ground don't: gaps, overlaps, slivers, with their places and neighbours.

Overlaps are common interiors of pairs. Gaps come from the borders: edges that two polygons share are cancelled, what is
left is cut where it meets and closed to faces, and a face that no polygon covers is a gap. A gap that is open at its
ends is closed there by bridges no longer than the gap may be wide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, Floats, Geometries

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

GAP_WIDTH_M = 1.0
"""How wide a gap that is open at an end may be there; further apart, polygons are no neighbours."""
SLIVER_WIDTH_M = 0.5
"""A polygon, or part of one, that is thinner than this is a sliver."""
TOLERANCE_M = 0.001
"""Borders that lie closer than this are the same: the tolerance of survey databases."""
MOUTH_SHARE = 0.25
"""An open gap is at most this part of its outline open; more is a notch in the outer border."""
AT_ONCE = 20_000
"""How many polygons are prepared at once: prepared ones take kilobytes each."""
MOST_ALIKE = 8
"""Of more equal shapes than this, the others are only said to repeat the first."""
GRID_M = 1e-4
"""On this grid an overlap is checked: without one GEOS has been seen to give a whole polygon for a touching pair."""


@dataclass(frozen=True)
class Faults:
    """Faults of a coverage in its plane, the largest of each kind first.

    Attributes
    ----------
    kind : array of str
        ``gap``, ``overlap`` or ``sliver``.
    area_m2, width_m : float arrays
        Area, and mean width (twice the area by the outline).
    members : tuple of tuples of int
        Positions of the polygons beside a gap, in an overlap, or of the sliver itself.
    geometry : array of polygons
    """

    kind: NDArray[np.str_]
    area_m2: Floats
    width_m: Floats
    members: tuple[tuple[int, ...], ...]
    geometry: Geometries

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, mask: Mask) -> Faults:
        """Some of the faults."""
        rows = np.flatnonzero(mask)
        members = tuple(self.members[row] for row in rows)
        return Faults(self.kind[rows], self.area_m2[rows], self.width_m[rows], members, self.geometry[rows])

    @classmethod
    def of(cls, found: Iterable[tuple[str, Geometries, list[tuple[int, ...]]]]) -> Faults:
        """Faults from kinds, shapes and members, in an order that depends on nothing else."""
        rows = [
            (kind, shape, owners)
            for kind, shapes, members in found
            for shape, owners in zip(shapes, members, strict=True)
        ]
        geometry = np.array([shape for _, shape, _ in rows], dtype=object)
        area = shapely.area(geometry)
        order = sorted(range(len(rows)), key=lambda n: (rows[n][0], -area[n], rows[n][2]))
        return cls(
            np.array([rows[n][0] for n in order], dtype=str),
            area[order],
            mean_width(geometry[order]),
            tuple(rows[n][2] for n in order),
            geometry[order],
        )


def faults(
    polygons: Geometries,
    boundary: Geometries | None = None,
    *,
    gap_width_m: float = GAP_WIDTH_M,
    sliver_width_m: float = SLIVER_WIDTH_M,
    tolerance_m: float = TOLERANCE_M,
) -> Faults:
    """Gaps, overlaps and slivers of polygons in one equal-area plane.

    Parameters
    ----------
    polygons : array of valid polygons
        Missing and empty ones are passed over.
    boundary : array of valid polygons, optional
        What they should cover: within it everything that they leave out is a gap.
    gap_width_m : float
        How wide a gap that is open at an end may be there. An enclosed gap may be of any width.
    sliver_width_m : float
        Parts of polygons with a smaller mean width are slivers; 0 looks for none.
    tolerance_m : float
        Gaps and overlaps of a smaller mean width are none. Strays of 0.02 mm, which projecting makes, never are.
    """
    there = np.flatnonzero(~shapely.is_missing(polygons) & ~shapely.is_empty(polygons))
    if not len(there):
        return Faults.of(())
    first, again = _repeated(polygons[there])
    repeats: list[tuple[int, ...]] = [(int(there[a]), int(there[b])) for a, b in again]
    there = there[first]
    shapes = polygons[there]
    tree = shapely.STRtree(shapes)
    thinnest = max(tolerance_m, COINCIDENT_M)
    found = [
        ("overlap", *_overlaps(shapes, tree, thinnest)),
        ("gap", *_gaps(shapes, tree, boundary, gap_width_m, thinnest)),
        ("sliver", *_slivers(shapes, sliver_width_m)),
    ]
    named = [(kind, places, [tuple(int(there[n]) for n in owners) for owners in m]) for kind, places, m in found]
    whole = polygons[[b for _, b in repeats]] if repeats else polygons[:0]
    return Faults.of([("overlap", whole, repeats), *named])


def _repeated(shapes: Geometries) -> tuple[Ints, list[tuple[int, ...]]]:
    """Which shapes to hold against all others, and those that only repeat one of these, each with it.

    Of equal shapes a few are held against each other; a thousand that are all one would make half a million pairs.
    """
    wkb = np.array(shapely.to_wkb(shapely.normalize(shapes)), dtype=object)
    _, first, number = np.unique(wkb, return_index=True, return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(first)))
    rank = np.empty(len(shapes), dtype=np.int64)
    rank[order] = np.arange(len(shapes)) - starts[number[order]]
    others = np.flatnonzero(rank >= MOST_ALIKE)
    return np.flatnonzero(rank < MOST_ALIKE), [(int(first[number[n]]), int(n)) for n in others]


def mean_width(polygons: Geometries) -> Floats:
    """Twice the area by the outline: the width of what is long and thin, 0 for nothing."""
    outline = shapely.length(polygons)
    return np.divide(2 * shapely.area(polygons), outline, out=np.zeros(len(polygons)), where=outline > 0)


def _slivers(shapes: Geometries, width_m: float) -> tuple[Geometries, list[tuple[int, ...]]]:
    parts, owner = shapely.get_parts(shapes, return_index=True)
    thin = mean_width(parts) < width_m
    return parts[thin], [(int(n),) for n in owner[thin]]


# ---------------------------------------------------------------------------------------------------------- overlaps


def _overlaps(shapes: Geometries, tree: shapely.STRtree, thinnest: float) -> tuple[Geometries, list[tuple[int, ...]]]:
    """The common interior of each pair that has one, thick enough to matter."""
    found = [
        _meeting(shapes, tree, rows) for rows in np.split(np.arange(len(shapes)), range(AT_ONCE, len(shapes), AT_ONCE))
    ]
    one, other = np.hstack(found)
    places = _polygonal(shapely.intersection(shapes[one], shapes[other]))
    thick = np.flatnonzero(_thick(places, thinnest))
    places[thick] = _checked(places[thick], shapes[one[thick]], shapes[other[thick]])
    thick = thick[_thick(places[thick], thinnest)]
    return places[thick], [(int(a), int(b)) for a, b in zip(one[thick], other[thick], strict=True)]


def _meeting(shapes: Geometries, tree: shapely.STRtree, rows: Ints) -> NDArray[np.int64]:
    """The pairs of some polygons with later ones that do more than touch."""
    shapely.prepare(shapes[rows])
    one, other = tree.query(shapes[rows])
    one = rows[one]
    one, other = one[one < other], other[one < other]
    near = shapely.intersects(shapes[one], shapes[other])
    one, other = one[near], other[near]
    common = ~shapely.touches(shapes[one], shapes[other])
    shapely.destroy_prepared(shapes[rows])
    return np.vstack([one[common], other[common]])


def _thick(places: Geometries, thinnest: float) -> Mask:
    """Which shapes have a part that is thicker than strays are."""
    parts, owner = shapely.get_parts(places, return_index=True)
    return np.bincount(owner[mean_width(parts) > thinnest], minlength=len(places)) > 0


def _checked(places: Geometries, one: Geometries, other: Geometries) -> Geometries:
    """The overlaps, those done on a grid instead that differ from what a grid gives by more than it may."""
    again = _polygonal(shapely.intersection(one, other, grid_size=GRID_M))
    may = GRID_M * (shapely.length(places) + shapely.length(again))
    differs = np.abs(shapely.area(places) - shapely.area(again)) > may
    return np.where(differs, again, places)


def _polygonal(places: Geometries) -> Geometries:
    """Shapes without the points and lines that an overlay leaves beside polygons."""
    mixed = np.flatnonzero(shapely.get_type_id(places) == 7)
    places = places.copy()
    for n in mixed:
        parts = shapely.get_parts(places[n])
        places[n] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    places[shapely.get_dimensions(places) < 2] = shapely.Polygon()
    return places


# -------------------------------------------------------------------------------------------------------------- gaps


def shared_edges(polygons: Geometries) -> float:
    """Which part of the outlines of polygons is shared, to the last bit, with a neighbour.

    >>> shared_edges(np.array([shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)]))
    0.25
    """
    edges = _Edges.around(polygons, np.arange(len(polygons)))
    key, _ = edges.undirected()
    length = np.linalg.norm(edges.a - edges.b, axis=1)
    order = np.lexsort(key.T)
    same = (key[order][1:] == key[order][:-1]).all(axis=1)
    twice = np.append(same, False) | np.append(False, same)
    return float(length[order][twice].sum() / length.sum()) if length.sum() else 0.0


@dataclass(frozen=True)
class _Edges:
    """Straight edges from ``a`` to ``b``, their polygon on the left; ``owner`` is -1 for the boundary."""

    a: Floats
    b: Floats
    owner: Ints

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, rows: Ints | Mask) -> _Edges:
        return _Edges(self.a[rows], self.b[rows], self.owner[rows])

    def __add__(self, other: _Edges) -> _Edges:
        return _Edges(np.vstack([self.a, other.a]), np.vstack([self.b, other.b]), np.append(self.owner, other.owner))

    @classmethod
    def around(cls, polygons: Geometries, owner: Ints) -> _Edges:
        """The edges of polygons."""
        parts, part_of = shapely.get_parts(shapely.orient_polygons(polygons), return_index=True)
        rings, ring_of = shapely.get_rings(parts, return_index=True)
        xy, point_of = shapely.get_coordinates(rings, return_index=True)
        edge = (point_of[:-1] == point_of[1:]) & (xy[:-1] != xy[1:]).any(axis=1)
        return cls(xy[:-1][edge] + 0.0, xy[1:][edge] + 0.0, owner[part_of[ring_of[point_of[:-1][edge]]]])

    def lines(self) -> Geometries:
        """Each edge as a line."""
        return shapely.linestrings(np.stack([self.a, self.b], axis=1))

    def undirected(self) -> tuple[Floats, Mask]:
        """Four columns that are the same for an edge and its reverse, and which edges run forwards."""
        forwards = (self.a[:, 0] < self.b[:, 0]) | ((self.a[:, 0] == self.b[:, 0]) & (self.a[:, 1] < self.b[:, 1]))
        low, high = np.where(forwards[:, None], self.a, self.b), np.where(forwards[:, None], self.b, self.a)
        return np.hstack([low, high]), forwards


def _gaps(
    shapes: Geometries, tree: shapely.STRtree, boundary: Geometries | None, width_m: float, thinnest: float
) -> tuple[Geometries, list[tuple[int, ...]]]:
    """The ground that no polygon covers: enclosed, between neighbours, or within the boundary."""
    members = np.arange(len(shapes)) if boundary is not None else _not_alone(shapes, tree, width_m)
    edges = _unmatched(_Edges.around(shapes[members], members))
    if boundary is not None:
        edges += _Edges.around(boundary, np.full(len(boundary), -1))
    edges = _crossed(_unmatched(_snapped(edges)))
    faces = _faces(edges)
    gaps = faces[~_covered(faces, shapes, tree)]
    if boundary is not None:
        gaps = gaps[_covered(gaps, boundary, shapely.STRtree(boundary))]
    elif width_m > 0 and len(faces):
        gaps = np.append(gaps, _open_gaps(edges, faces, width_m))
    gaps = gaps[mean_width(gaps) > thinnest]
    return gaps, _neighbours(gaps, tree)


def _not_alone(shapes: Geometries, tree: shapely.STRtree, width_m: float) -> Ints:
    """Which polygons may have a gap beside them: those of several rings, and those that others come near."""
    west, south, east, north = shapely.bounds(shapes).T
    reach = max(width_m, COINCIDENT_M)
    around, _ = tree.query(shapely.box(west - reach, south - reach, east + reach, north + reach))
    _, ring_of = shapely.get_rings(shapes, return_index=True)
    near, rings = (np.bincount(of, minlength=len(shapes)) > 1 for of in (around, ring_of))
    return np.flatnonzero(near | rings)


def _open_gaps(edges: _Edges, faces: Geometries, width_m: float) -> Geometries:
    """Gaps between polygons that the ground outside reaches through mouths no wider than ``width_m``."""
    filled = shapely.get_parts(shapely.coverage_union_all(faces))
    outline = _owned(
        _Edges.around(shapely.polygons(shapely.get_exterior_ring(filled)), np.zeros(len(filled), dtype=int)), edges
    )
    bridges, outline = _bridged(outline, width_m)
    if not len(bridges):
        return np.empty(0, dtype=object)
    closed = _faces(_crossed(outline + bridges))
    bare = closed[~_covered(closed, filled, shapely.STRtree(filled))]
    gaps = shapely.get_parts(shapely.union_all(bare)) if len(bare) else bare
    return gaps[_open_share(gaps, bridges) <= MOUTH_SHARE]


def _owned(outline: _Edges, edges: _Edges) -> _Edges:
    """The edges of an outline with the owners that they have among other edges."""
    keys = np.vstack([edges.undirected()[0], outline.undirected()[0]])
    number = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    owner = np.full(len(keys), -1)
    owner[number[: len(edges)]] = edges.owner
    return _Edges(outline.a, outline.b, owner[number[len(edges) :]])


def _unmatched(edges: _Edges) -> _Edges:
    """The edges without those that exactly two polygons share, one on each side."""
    if not len(edges):
        return edges
    key, forwards = edges.undirected()
    order = np.lexsort(key.T)
    key = key[order]
    first = np.append(True, (key[1:] != key[:-1]).any(axis=1))
    start = np.flatnonzero(first)
    count = np.diff(np.append(start, len(key)))
    net = np.add.reduceat(np.where(forwards, 1, -1)[order], start)
    matched = (count == 2) & (net == 0)
    return edges[np.sort(order[~np.repeat(matched, count)])]


def _snapped(edges: _Edges) -> _Edges:
    """The edges with what projecting has torn apart by micrometres put together: vertices, and vertices on edges."""
    if not len(edges):
        return edges
    points, position = np.unique(np.vstack([edges.a, edges.b]), axis=0, return_inverse=True)
    same = _clusters(points)
    a, b = np.split(points[same][position.ravel()], 2)
    moved = _Edges(a, b, edges.owner)[(a != b).any(axis=1)]
    points = points[np.unique(same)]
    vertex, edge = shapely.STRtree(moved.lines()).query(
        shapely.points(points), predicate="dwithin", distance=COINCIDENT_M
    )
    on = points[vertex]
    inner = (on != moved.a[edge]).any(axis=1) & (on != moved.b[edge]).any(axis=1)
    return _split(moved, edge[inner], on[inner])


def _clusters(points: Floats) -> Ints:
    """For each of some different points which one stands for it: the first within a hair, step by step."""
    found = shapely.points(points)
    one, other = shapely.STRtree(found).query(found, predicate="dwithin", distance=COINCIDENT_M)
    apart = one != other
    one, other = one[apart], other[apart]
    stands = np.arange(len(points))
    while len(one) and (stands[one] != stands[other]).any():
        np.minimum.at(stands, one, stands[other])
    return stands


def _split(edges: _Edges, which: Ints, at: Floats) -> _Edges:
    """The edges cut at points on them; ``which`` names the edge of each point."""
    if not len(which):
        return edges
    along = edges.b[which] - edges.a[which]
    share = ((at - edges.a[which]) * along).sum(axis=1) / (along**2).sum(axis=1)
    order = np.lexsort((share, which))
    which, at = which[order], at[order]
    first, last = np.append(True, which[1:] != which[:-1]), np.append(which[1:] != which[:-1], True)
    begin = np.where(first[:, None], edges.a[which], np.roll(at, 1, axis=0))
    whole = np.ones(len(edges), dtype=bool)
    whole[which] = False
    pieces = _Edges(begin, at, edges.owner[which])
    ends = _Edges(at[last], edges.b[which[last]], edges.owner[which[last]])
    cut = edges[whole] + pieces + ends
    return cut[(cut.a != cut.b).any(axis=1)]


def _bridged(edges: _Edges, width_m: float) -> tuple[_Edges, _Edges]:
    """Bridges from each vertex to the nearest edge of every other polygon close by, and the edges cut where they land.

    They close gaps that are open at their ends.
    """
    points = shapely.points(edges.a)
    vertex, edge = shapely.STRtree(edges.lines()).query(points, predicate="dwithin", distance=width_m)
    foreign = (edges.owner[vertex] != edges.owner[edge]) & (edges.owner[edge] >= 0) & (edges.owner[vertex] >= 0)
    vertex, edge = vertex[foreign], edge[foreign]
    landing, distance = _nearest_on(edges, edge, edges.a[vertex])
    order = np.lexsort((edge, distance, edges.owner[edge], vertex))
    vertex, edge, landing, distance = vertex[order], edge[order], landing[order], distance[order]
    again = (vertex[1:] == vertex[:-1]) & (edges.owner[edge][1:] == edges.owner[edge][:-1])
    chosen = np.append(True, ~again)[: len(vertex)] & (distance > COINCIDENT_M)
    vertex, edge, landing = vertex[chosen], edge[chosen], landing[chosen]
    bridges = _Edges(edges.a[vertex], landing, np.full(len(vertex), -1))
    inner = (landing != edges.a[edge]).any(axis=1) & (landing != edges.b[edge]).any(axis=1)
    return bridges, _split(edges, edge[inner], landing[inner])


def _nearest_on(edges: _Edges, which: Ints, points: Floats) -> tuple[Floats, Floats]:
    """The nearest point on an edge, an end where one is no further than a hair from it, and the distance."""
    a, b = edges.a[which], edges.b[which]
    along = b - a
    share = np.clip(((points - a) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
    hair = COINCIDENT_M / np.linalg.norm(along, axis=1)
    landing = a + along * share[:, None]
    landing = np.where((share <= hair)[:, None], a, np.where((share >= 1 - hair)[:, None], b, landing))
    return landing, np.linalg.norm(points - landing, axis=1)


def _crossed(edges: _Edges) -> _Edges:
    """The edges cut where they cross."""
    if not len(edges):
        return edges
    lines = edges.lines()
    one, other = shapely.STRtree(lines).query(lines, predicate="crosses")
    one, other = one[one < other], other[one < other]
    at = shapely.intersection(lines[one], lines[other])
    single = shapely.get_type_id(at) == 0
    one, other, xy = one[single], other[single], shapely.get_coordinates(at[single])
    return _split(edges, np.append(one, other), np.vstack([xy, xy]))


def _faces(edges: _Edges) -> Geometries:
    """The faces that edges enclose; they meet at their ends only."""
    once = np.unique(edges.undirected()[0], axis=0).reshape(-1, 2, 2)
    return shapely.get_parts(shapely.polygonize(shapely.linestrings(once)))


def _covered(faces: Geometries, polygons: Geometries, tree: shapely.STRtree) -> Mask:
    """Which faces lie in a polygon; a face is wholly inside or wholly outside of each."""
    inside = shapely.point_on_surface(faces)
    face, polygon = tree.query(inside)
    near = polygons[np.unique(polygon)]
    shapely.prepare(near)
    hit = shapely.intersects(polygons[polygon], inside[face])
    shapely.destroy_prepared(near)
    return np.bincount(face[hit], minlength=len(faces)) > 0


def _open_share(gaps: Geometries, bridges: _Edges) -> Floats:
    """How much of the outline of each gap is bridges."""
    if not len(bridges) or not len(gaps):
        return np.zeros(len(gaps))
    lines = bridges.lines()
    outline = shapely.boundary(gaps)
    gap, line = shapely.STRtree(lines).query(outline, predicate="dwithin", distance=COINCIDENT_M)
    middle = shapely.line_interpolate_point(lines[line], 0.5, normalized=True)
    on = shapely.dwithin(outline[gap], middle, COINCIDENT_M)
    length = np.bincount(gap[on], shapely.length(lines)[line[on]], minlength=len(gaps))
    return length / shapely.length(outline)


def _neighbours(gaps: Geometries, tree: shapely.STRtree) -> list[tuple[int, ...]]:
    """The polygons along each gap."""
    gap, polygon = tree.query(gaps, predicate="dwithin", distance=COINCIDENT_M)
    order = np.lexsort((polygon, gap))
    cuts = np.searchsorted(gap[order], np.arange(1, len(gaps)))
    return [tuple(int(n) for n in near) for near in np.split(polygon[order], cuts)] if len(gaps) else []
