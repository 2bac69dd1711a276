"""Cutting the cells by what is given: zones, reference waters, reference forests. Only touched cells are cut again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.synth.fields import Flags, Ints, edges, first_within, in_one_direction
from qpgis.synth.inputs import Inputs
from qpgis.synth.partition import Kind, Partition

SLIVER = 0.12
"""A piece smaller than this share of the typical cell joins a neighbour."""
TINY = 0.1
"""A sliver smaller than this share of that joins a neighbour of any kind."""
MARGIN = 0.02
"""Cells this far outside the zones are looked at too (share of the zones' width): bent sides may reach in."""


@dataclass(frozen=True)
class Pieces:
    """Parcels without a class yet; together they tile the zones.

    Attributes
    ----------
    geometry : array of polygons
        In units of the lattice.
    cell, zone, water, forest : array of int
        The cell that a piece comes from (its largest one), its zone, the reference water or forest that it is
        part of (-1: none).
    """

    geometry: Geometries
    cell: Ints
    zone: Ints
    water: Ints
    forest: Ints

    def __len__(self) -> int:
        return len(self.geometry)

    def take(self, index: Ints) -> Pieces:
        """Some of the pieces."""
        return Pieces(self.geometry[index], self.cell[index], self.zone[index], self.water[index], self.forest[index])

    def add(self, more: Pieces) -> Pieces:
        """These pieces and others."""
        names = [each.name for each in fields(self)]
        return Pieces(*(np.concatenate([getattr(self, name), getattr(more, name)]) for name in names))


def cell_polygons(partition: Partition, inputs: Inputs) -> tuple[Geometries, Ints]:
    """The cells near the zones as polygons of the lattice, and which cells they are."""
    west, south, east, north = inputs.bounds
    corners = partition.plane.rows[partition.corners.rows]
    margin = MARGIN * max(east - west, north - south)
    near = (corners[..., 0].max(axis=1) > west - margin) & (corners[..., 0].min(axis=1) < east + margin)
    near &= (corners[..., 1].max(axis=1) > south - margin) & (corners[..., 1].min(axis=1) < north + margin)
    cells = np.flatnonzero(near)
    vertices, sizes = partition.rings(cells)
    xy = inputs.lattice.from_plane(partition.plane.rows)[vertices]
    made, kept = _rings_as_polygons(xy, sizes)
    return made, cells[kept]


def _rings_as_polygons(xy: Floats, sizes: Ints) -> tuple[Geometries, Ints]:
    """Unclosed rings, one after the other, as polygons, and which rings have three different points or more."""
    ring = np.repeat(np.arange(len(sizes)), sizes)
    before = np.arange(len(xy)) - 1
    before[np.cumsum(sizes) - sizes] = np.cumsum(sizes) - 1
    moved = (xy != xy[before]).any(axis=1)
    xy, ring = xy[moved], ring[moved]
    sizes = np.bincount(ring, minlength=len(sizes))
    kept = np.flatnonzero(sizes >= 3)
    xy, sizes = xy[(sizes >= 3)[ring]], sizes[kept]
    ends = np.cumsum(sizes)
    closed = np.insert(xy, ends, xy[ends - sizes], axis=0)
    offsets = np.append(0, np.cumsum(sizes + 1))
    made = shapely.from_ragged_array(shapely.GeometryType.POLYGON, closed, (offsets, np.arange(len(kept) + 1)))
    return made, kept


def overlay(partition: Partition, inputs: Inputs) -> Pieces:
    """The cells cut by zones, reference waters and forests; slivers joined to neighbours, waters whole in each zone."""
    polygons, cells = cell_polygons(partition, inputs)
    fixed = _segments(inputs)
    step = inputs.lattice.step
    tree = shapely.STRtree(polygons)
    touched = np.zeros(len(polygons), dtype=bool)
    touched[tree.query(fixed, predicate="dwithin", distance=2.0 * step)[1]] = True
    touched[tree.query(polygons[_tangled(polygons)])[1]] = True
    faces = _faces(polygons[touched], fixed, step)
    inner = _untouched(polygons[~touched], cells[~touched], inputs)
    cut = _placed(faces, polygons[touched], cells[touched], inputs)
    return _whole_waters(inner.add(_joined(cut, partition.kind.rows[cut.cell])))


def _tangled(polygons: Geometries) -> Flags:
    """Cells so slim that their bent sides cross one another or a neighbour's: their borders have to be noded."""
    tangled = ~shapely.is_valid(polygons)
    sound = np.flatnonzero(~tangled)
    tangled[sound] = ~shapely.is_empty(shapely.coverage_invalid_edges(polygons[sound]))
    return np.asarray(tangled)


def _segments(inputs: Inputs) -> Geometries:
    """Every edge of the given polygons near the zones, as a line of two points."""
    given = np.concatenate([inputs.zones, inputs.waters.geometry, inputs.forests.geometry])
    start, end, _ = edges(given)
    west, south, east, north = shapely.total_bounds(inputs.zones)
    low, high = np.minimum(start, end), np.maximum(start, end)
    near = (high[:, 0] >= west) & (low[:, 0] <= east) & (high[:, 1] >= south) & (low[:, 1] <= north)
    near &= (start != end).any(axis=1)
    ends = np.hstack(in_one_direction(start[near], end[near]))
    return shapely.linestrings(np.unique(ends, axis=0).reshape(-1, 2, 2))


def _faces(touched: Geometries, fixed: Geometries, step: int) -> Geometries:
    """The faces between the touched cells' borders and the fixed lines, noded on the lattice."""
    if not len(touched):
        return np.empty(0, dtype=object)
    xy, ring = shapely.get_coordinates(touched, return_index=True)
    lines = np.concatenate([shapely.linestrings(xy, indices=ring), fixed])
    noded = shapely.union_all(lines, grid_size=step)
    return np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))


def _untouched(polygons: Geometries, cells: Ints, inputs: Inputs) -> Pieces:
    """The cells that no fixed line touches and that lie in a zone: one corner tells it."""
    corner = shapely.get_coordinates(shapely.get_point(shapely.get_exterior_ring(polygons), 0))
    zone, water, forest = _where(corner, inputs)
    return Pieces(polygons, cells, zone, water, forest).take(np.flatnonzero(zone >= 0))


def _where(xy: Floats, inputs: Inputs) -> tuple[Ints, Ints, Ints]:
    """Zone, reference water and reference forest of points."""
    zone = first_within(inputs.zones, xy).astype(np.int64)
    water = first_within(inputs.waters.geometry, xy).astype(np.int64)
    forest = first_within(inputs.forests.geometry, xy).astype(np.int64)
    forest[water >= 0] = -1
    return zone, water, forest


def _placed(faces: Geometries, touched: Geometries, cells: Ints, inputs: Inputs) -> Pieces:
    """Faces in the zones, each with the cell it comes from."""
    points = shapely.point_on_surface(faces)
    zone, water, forest = _where(shapely.get_coordinates(points), inputs)
    inside = np.flatnonzero(zone >= 0)
    cell = np.full(len(faces), -1)
    if len(inside):
        found = shapely.STRtree(touched).query_nearest(points[inside], all_matches=False)
        distance = shapely.distance(points[inside][found[0]], touched[found[1]])
        close = distance <= 4 * inputs.lattice.step
        cell[inside[found[0][close]]] = cells[found[1][close]]
    kept = np.flatnonzero((zone >= 0) & (cell >= 0))
    return Pieces(faces[kept], cell[kept], zone[kept], water[kept], forest[kept])


def _joined(pieces: Pieces, kind: NDArray[np.int8]) -> Pieces:
    """Join slivers to the neighbour of the same zone and reference with which they share most border."""
    if not len(pieces):
        return pieces
    areas = shapely.area(pieces.geometry)
    plain = (kind == Kind.PLAIN) & (pieces.water < 0)
    typical = float(np.median(areas[plain])) if plain.any() else 0.0
    sliver = (areas < SLIVER * typical) & (pieces.water < 0)
    a, b, length = neighbours(pieces.geometry)
    a, b, length = np.append(a, b), np.append(b, a), np.append(length, length)
    fits = sliver[a] & (pieces.zone[a] == pieces.zone[b]) & (pieces.water[a] == pieces.water[b])
    fits &= (pieces.forest[a] == pieces.forest[b]) & ((areas[b] > areas[a]) | ((areas[b] == areas[a]) & (b > a)))
    fits &= (kind[a] == kind[b]) | (kind[b] == Kind.PLAIN) | (areas[a] < TINY * SLIVER * typical)
    a, b, length = a[fits], b[fits], length[fits]
    order = np.lexsort((b, -length, a))
    a, b = a[order], b[order]
    first = np.append(True, a[1:] != a[:-1])[: len(a)]
    root = np.arange(len(pieces))
    root[a[first]] = b[first]
    while (root != root[root]).any():
        root = root[root]
    return _united(pieces, root)


def neighbours(polygons: Geometries) -> tuple[Ints, Ints, Floats]:
    """Pairs of polygons of a coverage that share border, and the length of it (units of the lattice)."""
    start, end, face = edges(polygons)
    low, high = in_one_direction(start, end)
    order = np.lexsort((high[:, 1], high[:, 0], low[:, 1], low[:, 0]))
    low, high, face = low[order], high[order], face[order]
    twin = np.flatnonzero((low[1:] == low[:-1]).all(axis=1) & (high[1:] == high[:-1]).all(axis=1))
    one, other = np.minimum(face[twin], face[twin + 1]), np.maximum(face[twin], face[twin + 1])
    pairs, which = np.unique(one * np.int64(len(polygons)) + other, return_inverse=True)
    one, other = np.divmod(pairs, len(polygons))
    length = np.bincount(which, np.hypot(*(high[twin] - low[twin]).T), minlength=len(pairs))
    distinct = one != other
    return one[distinct], other[distinct], length[distinct]


def _united(pieces: Pieces, group: Ints) -> Pieces:
    """Pieces of the same group as one each, with the attributes of the group's own number; disjoint parts apart."""
    members = np.argsort(group, kind="stable")
    roots, first, count = np.unique(group[members], return_index=True, return_counts=True)
    geometry = pieces.geometry[roots].copy()
    for n in np.flatnonzero(count > 1):
        geometry[n] = _union(pieces.geometry[members[first[n] : first[n] + count[n]]])
    parts, owner = shapely.get_parts(geometry, return_index=True)
    return replace(pieces.take(roots[owner]), geometry=parts)


def _union(parts: Geometries) -> shapely.Geometry:
    """The union of parts that share borders; noded anew where these don't fit to the last unit."""
    try:
        return shapely.coverage_union_all(parts)
    except shapely.errors.GEOSException:
        return shapely.union_all(parts, grid_size=1.0)


def _whole_waters(pieces: Pieces) -> Pieces:
    """Every reference water as one piece in each zone."""
    wet, dry = pieces.take(np.flatnonzero(pieces.water >= 0)), pieces.take(np.flatnonzero(pieces.water < 0))
    if not len(wet):
        return dry
    _, first, same = np.unique(np.column_stack([wet.zone, wet.water]), axis=0, return_index=True, return_inverse=True)
    return dry.add(_united(wet, first[same.reshape(-1)]))
