"""Shapes on the written grid: between degrees and metres, disjoint, smoothed, in one spelling."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

GRID_DEG = 1e-6
DECIMALS = 6
EQUAL_AREA = "+proj=laea +lat_0=31 +lon_0=121 +ellps=GRS80 +units=m"
GAUSS_KRUGER = "EPSG:4549"


def to_plane(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Longitude/latitude to metres in `crs`."""
    return _transformed(geometry, Transformer.from_crs("EPSG:4326", crs, always_xy=True))


def to_lonlat(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Metres in `crs` to longitude/latitude."""
    return _transformed(geometry, Transformer.from_crs(crs, "EPSG:4326", always_xy=True))


def _transformed(geometry: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(*xy.T)))


def rounded(geometry: BaseGeometry) -> BaseGeometry:
    """Coordinates rounded to the written decimals."""
    return shapely.transform(geometry, lambda xy: np.round(xy, DECIMALS))


def shared_out(geometries: list[BaseGeometry]) -> list[BaseGeometry]:
    """Give every spot to the first geometry that has it, with identical vertices along every common border.

    All outlines are noded together on the grid of the written decimals, so that reading the file back finds
    no gap and no overlap.
    """
    snapped = [shapely.set_precision(g, GRID_DEG) for g in geometries]
    lines = shapely.union_all([g.boundary for g in snapped], grid_size=GRID_DEG)
    faces = shapely.get_parts(shapely.polygonize([lines]))
    owned: list[list[BaseGeometry]] = [[] for _ in snapped]
    for face in faces:
        owner = next((i for i, g in enumerate(snapped) if g.covers(face.representative_point())), None)
        if owner is not None:
            owned[owner].append(face)
    return [rounded(shapely.union_all(part)) for part in owned]


def canonical(geometry: BaseGeometry) -> BaseGeometry:
    """One spelling for one shape: parts and first points ordered, outer rings counter-clockwise."""
    return shapely.orient_polygons(geometry.normalize())


def smooth(ring: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Chaikin's corner cutting of an unclosed ring."""
    for _ in range(rounds):
        following = np.roll(ring, -1, axis=0)
        corners = (0.75 * ring + 0.25 * following, 0.25 * ring + 0.75 * following)
        ring = np.stack(corners, axis=1).reshape(-1, 2)
    return ring
