"""Areas of a raster's classes within zones: exact shares of cells, each cell with its area on the ellipsoid.

The zones go to the raster's grid. Every edge, cut where it crosses from cell to cell, says how much of its row lies on
one side of it; added up along the rows that is the share of each cell within the zone, without any polygon being cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries, Plane, densify, parse
from qpgis.crs.systems import from_lonlat, to_lonlat
from qpgis.errors import CRSError, SourceError
from qpgis.measures.contributions import Contributions
from qpgis.sources.geotiff import VALID, Raster
from qpgis.sources.raster import tallied, whole_numbers

Ints = NDArray[np.int64]

CELLS_AT_ONCE = 1 << 20
FINER = 1e4
"""A zone's edges get points until they stray by less than 5e-6 / FINER of a cell."""
DEGREE = 16
"""Of the polynomials that stand for the map from grid to plane; over some hundred kilometres they are exact."""
LEAST_SPAN_M = 10_000
"""They are fitted over at least this: over less, the last digits of coordinates would show."""
FINE_M = 100
FINE_SHARE = 1000
"""Within a cell its density is taken to change evenly; cells larger than 100 m and than a thousandth of the zone are
divided until that holds to 1e-9 of the zone."""


def class_contributions(zones: Geometries, plane: Plane, raster: Raster, band: int) -> tuple[list[int], Contributions]:
    """Area of each class within each zone (m2).

    Parameters
    ----------
    zones : array of valid polygons
        In the plane; missing or empty ones have nothing.
    plane : Plane
    raster : Raster
    band : int
        Counted from 1.

    Returns
    -------
    classes : list of int
        The values that occur in a zone, ascending; ``feature`` of a contribution counts in it.
    contributions : Contributions

    Raises
    ------
    CRSError
        If the raster has no usable system, or if the zones can't be expressed in it.
    SourceError
        If it lies nowhere, lacks the band, holds no classes or is damaged.
    """
    if band not in raster.bands:
        raise SourceError(f"{raster.what}: no band {band}; it has {', '.join(str(one) for one in raster.bands)}")
    grid = Grid.of(raster, plane)
    found = [(n, *one) for n, zone in enumerate(zones) if zone for one in _zone_sums(grid, zone, raster, band)]
    zone = np.array([n for n, values, _ in found for _ in values], dtype=np.int64)
    value = np.concatenate([np.empty(0, dtype=np.int64), *(values for _, values, _ in found)])
    area = np.concatenate([np.empty(0), *(areas for _, _, areas in found)])
    classes, place = np.unique(value, return_inverse=True)
    sums = Contributions.of(place, zone, area, len(zones))
    there, place = np.unique(sums.feature, return_inverse=True)
    return classes[there].tolist(), Contributions(place, sums.zone, sums.micro, len(zones))


@dataclass(frozen=True)
class Grid:
    """A raster's columns and rows, and the plane.

    Attributes
    ----------
    to_plane, to_grid : callables
        Columns and rows to metres in the plane, and back.
    height, width : int
    """

    to_plane: Callable[[Floats], Floats]
    to_grid: Callable[[Floats], Floats]
    height: int
    width: int

    @classmethod
    def of(cls, raster: Raster, plane: Plane) -> Grid:
        if raster.transform is None:
            raise SourceError(f"{raster.what}: it is a picture without a place; georeference it first")
        wkt = parse(raster.crs, what=raster.what).to_wkt()
        forth, back = to_lonlat(wkt, raster.what), from_lonlat(wkt, raster.what)

        def to_grid(xy: Floats) -> Floats:
            """A corrective step, for some of PROJ's ways back miss by millimetres."""
            degrees = plane.inverse(xy)
            return raster.grid(back(2 * degrees - forth(back(degrees))))

        return cls(
            to_plane=lambda grid: plane.forward(forth(raster.place(grid))),
            to_grid=to_grid,
            height=raster.dataset.height,
            width=raster.dataset.width,
        )


def _zone_sums(grid: Grid, zone: shapely.Geometry, raster: Raster, band: int) -> Iterator[tuple[Ints, Floats]]:
    """The classes of a zone and their areas, piece by piece of the raster."""
    for window in windows(grid, zone, raster.what):
        values, state = whole_numbers(raster, band, window.row, window.column, *window.inside.shape)
        counts = (state == VALID) & (window.inside != 0)
        yield tallied(values[counts], window.inside[counts])


@dataclass(frozen=True)
class Window:
    """Some cells of a raster, and how much of them a zone has.

    Attributes
    ----------
    row, column : int
        The first of them.
    inside : float array, rows x columns
        The area of each cell within the zone (m2).
    fine : float array, rows x division x columns x division
        The areas of the parts that cells are measured by (m2).
    """

    row: int
    column: int
    inside: Floats
    fine: Floats

    @property
    def whole(self) -> Floats:
        """The area of each cell (m2): rows x columns."""
        return np.asarray(self.fine.sum(axis=(1, 3)))


def windows(grid: Grid, zone: shapely.Geometry, what: str) -> Iterator[Window]:
    """The cells of a raster around a zone, some rows at a time; none where it lies beside the raster."""
    edges = _edges(grid, zone, what)
    low, high = edges.min(axis=(0, 1)), edges.max(axis=(0, 1))
    left, top = (int(v) for v in np.clip(np.floor(low), 0, (grid.width, grid.height)))
    right, bottom = (int(v) for v in np.clip(np.ceil(high), 0, (grid.width, grid.height)))
    if left >= right or top >= bottom:
        return
    density = _Density.over(grid, (left, right), (top, bottom))
    fine = density.division(max(right - left, bottom - top))
    pieces = _Pieces.of((edges - (left, top)) * fine, (bottom - top) * fine, (right - left) * fine)
    step = max(1, CELLS_AT_ONCE // (fine * fine * (right - left)))
    for row in range(top, bottom, step):
        end = min(row + step, bottom)
        share, along, across = pieces.moments((row - top) * fine, (end - top) * fine)
        whole, change_along, change_across = density.cells((left, right), (row, end), fine)
        inside = share * whole + along * change_along + across * change_across
        by_cell = (end - row, fine, right - left, fine)
        yield Window(row, left, inside.reshape(by_cell).sum(axis=(1, 3)), whole.reshape(by_cell))


def _edges(grid: Grid, zone: shapely.Geometry, what: str) -> Floats:
    """The edges of a zone in columns and rows: edge x (begin, end) x (column, row), the zone on their left."""
    polygons = shapely.orient_polygons(np.array([zone]))
    dense = densify(polygons, lambda xy: grid.to_grid(xy) * FINER)
    rings = shapely.get_rings(shapely.get_parts(dense))
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    points = grid.to_grid(xy)
    if not np.isfinite(points).all():
        raise CRSError(f"{what}: zones lie outside the domain of its reference system; is it the right one?")
    follows = ring[1:] == ring[:-1]
    edges = np.stack([points[:-1][follows], points[1:][follows]], axis=1)
    doubled = np.sum(
        (edges[:, 0, 0] - points[0, 0] + edges[:, 1, 0] - points[0, 0]) * np.diff(edges[:, :, 1], axis=1)[:, 0]
    )
    return edges if doubled > 0 else edges[:, ::-1]


@dataclass(frozen=True)
class _Pieces:
    """Edges cut at every row and column, by rows.

    Attributes
    ----------
    row, column : int arrays
        The cell of each piece; column -1 for what lies left of all.
    ends : array of float
        Piece x (begin, end) x (column, row), from the cell's centre.
    width : int
        Of the window, in cells.
    """

    row: Ints
    column: Ints
    ends: Floats
    width: int

    @classmethod
    def of(cls, edges: Floats, height: int, width: int) -> _Pieces:
        ends = _cut(_cut(edges, axis=1), axis=0)
        middle = np.floor(ends.mean(axis=1))
        kept = (middle[:, 1] >= 0) & (middle[:, 1] < height) & (middle[:, 0] < width)
        kept &= ends[:, 0, 1] != ends[:, 1, 1]
        ends, middle = ends[kept], middle[kept]
        order = np.argsort(middle[:, 1], kind="stable")
        local = np.clip(ends - middle[:, None] - 0.5, -0.5, 0.5)
        column = np.maximum(middle[:, 0], -1)
        return cls(middle[order, 1].astype(np.int64), column[order].astype(np.int64), local[order], width)

    def moments(self, first: int, end: int) -> tuple[Floats, Floats, Floats]:
        """Of the rows from ``first``: each cell's share within the zone, and its first moments along and across rows.

        What lies right of a piece, between the rows where it begins and ends, is in the zone or is taken out of it.
        """
        some = slice(*np.searchsorted(self.row, (first, end)))
        (u0, v0), (u1, v1) = self.ends[some, 0].T, self.ends[some, 1].T
        rise, height = v0 - v1, (v0 + v1) / 2
        own = self.column[some] >= 0
        row, column = self.row[some] - first, self.column[some]
        shape = end - first, self.width + 1

        def added(amount: Floats, at: Ints, where: NDArray[np.bool_]) -> Floats:
            sums = np.bincount(row[where] * shape[1] + at[where], amount[where], shape[0] * shape[1])
            return np.asarray(sums.reshape(shape), dtype=float)

        def swept(amount: Floats) -> Floats:
            return np.cumsum(added(amount, column + 1, np.ones_like(own)), axis=1)

        mixed = (2 * u0 * v0 + u0 * v1 + u1 * v0 + 2 * u1 * v1) / 6
        share = swept(rise) + added(rise * (0.5 - (u0 + u1) / 2), column, own)
        along = added(rise * (0.125 - (u0 * u0 + u0 * u1 + u1 * u1) / 6), column, own)
        across = swept(rise * height) + added(rise * (height / 2 - mixed), column, own)
        return share[:, :-1], along[:, :-1], across[:, :-1]


def _cut(edges: Floats, *, axis: int) -> Floats:
    """Edges cut wherever one coordinate passes a whole number."""
    begin, end = edges[:, 0], edges[:, 1]
    low, high = np.minimum(begin, end)[:, axis], np.maximum(begin, end)[:, axis]
    first = np.floor(low) + 1
    cuts = np.maximum(np.ceil(high) - first, 0).astype(np.int64)
    edge = np.repeat(np.arange(len(edges)), cuts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    rising = (end[:, axis] > begin[:, axis])[edge]
    line = np.where(rising, first[edge] + step, first[edge] + cuts[edge] - 1 - step)
    part = (line - begin[edge, axis]) / (end - begin)[edge, axis]
    points = begin[edge] + (end - begin)[edge] * part[:, None]
    points[:, axis] = line
    starts = np.cumsum(cuts + 1) - cuts - 1
    out = np.empty((len(edges) + len(edge), 2, 2))
    after = starts[edge] + step
    out[starts, 0], out[starts + cuts, 1] = begin, end
    out[after, 1], out[after + 1, 0] = points, points
    return out


@dataclass(frozen=True)
class _Density:
    """How much ground lies under a unit of the grid, as a polynomial.

    Attributes
    ----------
    columns, rows : tuple of float
        The range that it holds for.
    coefficients : array
        Of Chebyshev polynomials in column and row: m2 of the plane in a cell.
    """

    columns: tuple[float, float]
    rows: tuple[float, float]
    coefficients: Floats

    @classmethod
    def over(cls, grid: Grid, columns: tuple[int, int], rows: tuple[int, int]) -> _Density:
        """From the plane's coordinates at the polynomials' nodes."""
        middle = np.array([[sum(columns) / 2, sum(rows) / 2]])
        corners = grid.to_plane(middle + np.array([(0, 0), (1, 0), (0, 1)]))
        sides = np.linalg.norm(corners[1:] - corners[0], axis=1)
        wide, high = (_widened(r, LEAST_SPAN_M / side) for r, side in zip((columns, rows), sides, strict=True))
        nodes = chebyshev.chebpts1(DEGREE + 1)
        u, v = np.meshgrid(_stretched(nodes, wide), _stretched(nodes, high), indexing="ij")
        xy = grid.to_plane(np.column_stack([u.ravel(), v.ravel()])).reshape(*u.shape, 2)
        x, y = _fitted(xy[..., 0]), _fitted(xy[..., 1])
        x_u, y_u = (chebyshev.chebgrid2d(nodes, nodes, chebyshev.chebder(c, axis=0)) for c in (x, y))
        x_v, y_v = (chebyshev.chebgrid2d(nodes, nodes, chebyshev.chebder(c, axis=1)) for c in (x, y))
        scale = 4 / ((wide[1] - wide[0]) * (high[1] - high[0]))
        return cls(wide, high, _fitted(np.abs(x_u * y_v - x_v * y_u) * scale))

    @cached_property
    def cell_m(self) -> float:
        """The side of a square as large as a cell in the middle."""
        return float(np.sqrt(chebyshev.chebval2d(0, 0, self.coefficients)))

    def division(self, cells: int) -> int:
        """Into how many parts a cell's sides are divided where a zone is so many cells wide."""
        return max(1, int(np.ceil(self.cell_m / max(FINE_M, cells * self.cell_m / FINE_SHARE))))

    def cells(self, columns: tuple[int, int], rows: tuple[int, int], fine: int) -> tuple[Floats, Floats, Floats]:
        """Of cells divided ``fine`` times: the area, and how it changes over a cell's width and height."""
        u, v = _Basis(self.columns, columns, fine), _Basis(self.rows, rows, fine)
        return (
            _summed(v.whole, self.coefficients, u.whole),
            _summed(v.values, self.coefficients, u.slopes) / fine**3,
            _summed(v.slopes, self.coefficients, u.values) / fine**3,
        )


class _Basis:
    """The polynomials along one axis, at parts of cells: integrals over each, values and slopes in its middle."""

    def __init__(self, span: tuple[float, float], cells: tuple[int, int], fine: int) -> None:
        half = (span[1] - span[0]) / 2
        lines = (np.arange(cells[0] * fine, cells[1] * fine + 1) / fine - sum(span) / 2) / half
        middles = (lines[1:] + lines[:-1]) / 2
        unit = np.eye(DEGREE + 1)
        integrals = _product(chebyshev.chebvander(lines, DEGREE + 1), chebyshev.chebint(unit))
        self.whole: Floats = np.diff(integrals, axis=0) * half
        self.values: Floats = np.asarray(chebyshev.chebvander(middles, DEGREE), dtype=float)
        self.slopes = _product(chebyshev.chebvander(middles, DEGREE - 1), chebyshev.chebder(unit)) / half


def _summed(rows: Floats, coefficients: Floats, columns: Floats) -> Floats:
    """The polynomial at every row and column."""
    return _product(rows, _product(columns, coefficients).T)


def _product(one: NDArray, other: NDArray) -> Floats:
    """The product of two matrices; not by BLAS, whose last digits depend on its threads."""
    return np.asarray(np.einsum("ij,jk->ik", one, other), dtype=float)


def _fitted(values: Floats) -> Floats:
    """Coefficients of Chebyshev polynomials from values at their nodes."""
    basis = chebyshev.chebvander(chebyshev.chebpts1(DEGREE + 1), DEGREE)
    inverse = basis.T * (np.where(np.arange(DEGREE + 1) == 0, 1, 2) / (DEGREE + 1))[:, None]
    return _product(_product(inverse, values), inverse.T)


def _stretched(nodes: Floats, span: tuple[float, float]) -> Floats:
    return (span[0] + span[1]) / 2 + nodes * (span[1] - span[0]) / 2


def _widened(span: tuple[int, int], least: float) -> tuple[float, float]:
    more = max(0.0, least - (span[1] - span[0])) / 2
    return span[0] - more, span[1] + more
