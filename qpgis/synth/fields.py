"""Smooth random fields and rasters over the study area: what lies where, before there is any parcel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Waves:
    """A smooth random field over the plane: a sum of cosines, mean 0, variance 1 for each of its components.

    Attributes
    ----------
    vectors : array (components, waves, 2)
        Wave vectors in radians a metre.
    phases : array (components, waves)
        Radians.
    """

    vectors: Floats
    phases: Floats

    @classmethod
    def random(cls, rng: np.random.Generator, wavelength_m: float, *, components: int = 1, waves: int = 9) -> Waves:
        """Waves of about one length that run in all directions."""
        turn = (np.arange(waves) + rng.uniform(0, 1, (components, waves))) * (np.pi / waves)
        number = 2 * np.pi / (wavelength_m * rng.uniform(0.75, 1.35, (components, waves)))
        vectors = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * number[..., None]
        return cls(vectors, rng.uniform(0, 2 * np.pi, (components, waves)))

    def __call__(self, xy: Floats) -> Floats:
        """The field at points (metres): an array (points, components), or (points,) of a single component."""
        components, waves = self.phases.shape
        out = np.zeros((len(xy), components))
        x, y = xy[:, 0], xy[:, 1]
        for component in range(components):
            for wave in range(waves):
                kx, ky = self.vectors[component, wave]
                out[:, component] += np.cos(x * kx + y * ky + self.phases[component, wave])
        out *= np.sqrt(2 / waves)
        return out[:, 0] if components == 1 else out


@dataclass(frozen=True)
class Warp:
    """From the partition's straight coordinates to the plane: a turn and a gentle, smooth displacement.

    Attributes
    ----------
    centre : array (2,)
        Of the study area, in the plane.
    turn : float
        Radians.
    waves : tuple of (Waves, float)
        Displacement fields, each with its amplitude in metres.
    """

    centre: Floats
    turn: float
    waves: tuple[tuple[Waves, float], ...]

    @classmethod
    def random(cls, rng: np.random.Generator, bounds: Floats) -> Warp:
        """A warp for a study area with the given bounds (west, south, east, north in metres).

        A displacement of amplitude ``a`` and wavelength ``l`` shears by ``2 pi a / l``: the three together stay well
        below 1, so that no cell is turned inside out.
        """
        span = float(np.hypot(bounds[2] - bounds[0], bounds[3] - bounds[1]))
        long_m = float(np.clip(span / 3, 600, 12_000))
        waves = []
        for wavelength, shear in ((long_m, 0.2), (long_m / 3.7, 0.13), (min(950.0, long_m / 9), 0.08)):
            fields = Waves.random(rng, wavelength, components=2, waves=6)
            waves.append((fields, shear * wavelength / (2 * np.pi)))
        centre = np.array([(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2])
        return cls(centre, float(rng.uniform(-0.22, 0.22)), tuple(waves))

    @property
    def reach_m(self) -> float:
        """Further than this nothing is displaced: the sum of the largest displacements."""
        return float(sum(np.sqrt(2 * w.phases.shape[1]) * amplitude for w, amplitude in self.waves)) * np.sqrt(2)

    @property
    def bend(self) -> float:
        """How much a straight line is bent, as one over the radius in metres: twice the root mean square."""
        squares = [(amplitude * float(np.mean((w.vectors**2).sum(axis=-1)))) ** 2 for w, amplitude in self.waves]
        return 2 * float(np.sqrt(sum(squares)))

    def __call__(self, flat: Floats) -> Floats:
        """Straight coordinates to the plane (metres)."""
        xy = self._turned(flat, self.turn)
        out = xy + self.centre
        for waves, amplitude in self.waves:
            out += amplitude * waves(xy)
        return out

    def flat(self, plane: Floats) -> Floats:
        """The plane to straight coordinates, without the displacement."""
        return self._turned(plane - self.centre, -self.turn)

    @staticmethod
    def _turned(xy: Floats, turn: float) -> Floats:
        cos, sin = np.cos(turn), np.sin(turn)
        return np.column_stack([xy[:, 0] * cos - xy[:, 1] * sin, xy[:, 0] * sin + xy[:, 1] * cos])


@dataclass(frozen=True)
class Grid:
    """Square pixels over the study area, in the plane.

    Attributes
    ----------
    west, south : float
        Corner, metres.
    pixel_m : float
        Width of a pixel.
    shape : tuple of int
        Rows (from the south) and columns.
    """

    west: float
    south: float
    pixel_m: float
    shape: tuple[int, int]

    @classmethod
    def over(cls, bounds: Floats, *, pixels: int) -> Grid:
        """About ``pixels`` squares over bounds (west, south, east, north), with a rim of two around them."""
        width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
        pixel = float(np.sqrt(width * height / pixels))
        pixel = max(pixel, float(max(width, height)) / (4 * np.sqrt(pixels)))
        shape = (int(np.ceil(height / pixel)) + 4, int(np.ceil(width / pixel)) + 4)
        return cls(float(bounds[0]) - 2 * pixel, float(bounds[1]) - 2 * pixel, pixel, shape)

    @property
    def centres(self) -> Floats:
        """The pixels' centres, row by row: an array (pixels, 2)."""
        rows, columns = self.shape
        x = self.west + (np.arange(columns) + 0.5) * self.pixel_m
        y = self.south + (np.arange(rows) + 0.5) * self.pixel_m
        return np.column_stack([np.tile(x, rows), np.repeat(y, columns)])

    def index(self, xy: Floats) -> tuple[Ints, Ints]:
        """Row and column of points; those outside get the nearest pixel's."""
        rows, columns = self.shape
        column = np.clip((xy[:, 0] - self.west) // self.pixel_m, 0, columns - 1).astype(np.int64)
        row = np.clip((xy[:, 1] - self.south) // self.pixel_m, 0, rows - 1).astype(np.int64)
        return row, column

    def at(self, raster: NDArray, xy: Floats) -> NDArray:
        """A raster's values at points."""
        row, column = self.index(xy)
        return raster[row, column]

    def which(self, polygons: NDArray[np.object_]) -> NDArray[np.int32]:
        """For each pixel the first polygon that holds its centre, -1 for none: an array of the grid's shape."""
        return first_within(polygons, self.centres).reshape(self.shape)


def first_within(polygons: NDArray[np.object_], xy: Floats) -> NDArray[np.int32]:
    """For each point the first polygon that holds it, -1 for none."""
    found = np.full(len(xy), -1, dtype=np.int32)
    order = np.argsort(xy[:, 0], kind="stable")
    sorted_x = xy[order, 0]
    shapely.prepare(polygons)
    for n in range(len(polygons) - 1, -1, -1):
        west, south, east, north = shapely.bounds(polygons[n])
        low, high = np.searchsorted(sorted_x, [west, east])
        near = order[low : high + 1]
        near = near[(xy[near, 1] >= south) & (xy[near, 1] <= north)]
        found[near[shapely.intersects_xy(polygons[n], xy[near])]] = n
    return found


def edges(polygons: NDArray[np.object_]) -> tuple[Floats, Floats, Ints]:
    """Start and end of every edge of polygons, and which polygon it is of."""
    parts, polygon = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[:-1] == ring[1:]
    return xy[:-1][same], xy[1:][same], polygon[part[ring[:-1][same]]]


def in_one_direction(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Ends of edges the western (or southern) one first, so that both sides of a border read the same."""
    backwards = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    return np.where(backwards[:, None], end, start), np.where(backwards[:, None], start, end)


class Totals:
    """Sums of a raster over rectangles, in constant time: a summed-area table, linear within pixels."""

    def __init__(self, grid: Grid, per_m2: Floats) -> None:
        self.grid = grid
        table = np.zeros((grid.shape[0] + 1, grid.shape[1] + 1))
        np.cumsum(np.cumsum(per_m2, axis=0), axis=1, out=table[1:, 1:])
        self.table = table * grid.pixel_m**2

    @property
    def whole(self) -> float:
        """The sum over the whole raster."""
        return float(self.table[-1, -1])

    def within(self, bounds: Floats) -> Floats:
        """Sums over rectangles (west, south, east, north in columns)."""
        west, south, east, north = bounds.T
        return self._upto(east, north) - self._upto(west, north) - self._upto(east, south) + self._upto(west, south)

    def _upto(self, x: Floats, y: Floats) -> Floats:
        rows, columns = self.grid.shape
        column = np.clip((x - self.grid.west) / self.grid.pixel_m, 0, columns)
        row = np.clip((y - self.grid.south) / self.grid.pixel_m, 0, rows)
        c, r = np.minimum(column.astype(np.int64), columns - 1), np.minimum(row.astype(np.int64), rows - 1)
        u, v = column - c, row - r
        t = self.table
        return (t[r, c] * (1 - u) + t[r, c + 1] * u) * (1 - v) + (t[r + 1, c] * (1 - u) + t[r + 1, c + 1] * u) * v


def draw(weight: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Up to ``count`` different indices, drawn in proportion to weights (Efraimidis and Spirakis 2006)."""
    key = np.log(rng.uniform(1e-12, 1, len(weight))) / weight
    return np.argsort(-key, kind="stable")[:count]


def spread(xy: Floats, weight: Floats, wanted: int, apart_m: float, rng: np.random.Generator) -> Ints:
    """Up to ``wanted`` points, drawn in proportion to weights, none within ``apart_m`` of another."""
    points = shapely.points(xy)
    tree = shapely.STRtree(points)
    free = np.ones(len(xy), dtype=bool)
    chosen: list[int] = []
    for n in draw(weight, len(xy), rng):
        if len(chosen) == wanted:
            break
        if free[n]:
            chosen.append(int(n))
            free[tree.query(points[n], predicate="dwithin", distance=apart_m)] = False
    return np.sort(np.array(chosen, dtype=np.int64))
