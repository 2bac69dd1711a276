"""Shapes over a grid of cells, for tests of rasters."""

from __future__ import annotations

import numpy as np
import shapely
from rasterio.transform import Affine
from shapely import Polygon


def star(rng: np.random.Generator, place: Affine, size: tuple[int, int]) -> Polygon:
    """A polygon with as many corners as it likes, round a point of a grid of that width and height, in its system."""
    corners = int(rng.integers(3, 40))
    middle = rng.uniform(0.2, 0.8, 2) * size
    angle, radius = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(0.5, 8, corners)
    grid = middle + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return Polygon([place * (x, y) for x, y in grid]).buffer(0)


def squares(place: Affine, shape: tuple[int, ...]) -> np.ndarray:
    """Every cell of a grid of ``shape`` (rows, columns) as a polygon of its own, in its system."""
    rows, columns = np.indices(shape)
    corners = [place * (columns + x, rows + y) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return shapely.polygons(np.stack([np.column_stack([x.ravel(), y.ravel()]) for x, y in corners], axis=1))
