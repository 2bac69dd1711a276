"""How long ``coverage_faults`` takes on many parcels with planted faults, and whether an overlay finds the same.

    python benchmarks/coverage.py [--parcels 300000] [--compare 10000]

Parcels are cells of a lattice with jolted corners and a jolted point on every side, which neighbours share to the last
bit. Planted on one cell in a hundred each: moved by a metre (a gap on one side, overlaps on the other), left out
(a hole), shrunk by three centimetres (a thin ring of a gap), doubled. The plain way is ``geopandas.overlay`` of the
parcels with themselves for overlaps, and the holes of their union for gaps.
"""

from __future__ import annotations

import argparse
import sys
import time

import geopandas as gpd
import numpy as np
import shapely

from qpgis.crs import Plane
from qpgis.measures import coverage_faults

SIDE_M = 45.0
SEED = 20240101


def parcels(count: int, *, faults: bool = True) -> gpd.GeoDataFrame:
    """About so many parcels near Qingpu, the same each time."""
    chance = np.random.default_rng(SEED)
    n = int(np.sqrt(count))
    x, y = np.meshgrid(np.arange(n + 1) * SIDE_M, np.arange(n + 1) * SIDE_M)
    corner = np.stack([x + 600_000, y + 3_440_000], axis=-1) + chance.normal(0, 3, (n + 1, n + 1, 2))
    south = (corner[:, :-1] + corner[:, 1:]) / 2 + chance.normal(0, 2, (n + 1, n, 2))
    west = (corner[:-1] + corner[1:]) / 2 + chance.normal(0, 2, (n, n + 1, 2))
    sides = (corner[:-1, :-1], south[:-1], corner[:-1, 1:], west[:, 1:], corner[1:, 1:], south[1:], corner[1:, :-1])
    rings = np.stack([*sides, west[:, :-1], corner[:-1, :-1]], axis=2).reshape(-1, 9, 2)
    cells = shapely.polygons(rings)
    if faults:
        kind = chance.integers(0, 100, len(cells))
        cells[kind == 0] = shapely.transform(cells[kind == 0], lambda xy: xy + 1.0)
        cells[kind == 2] = shapely.buffer(cells[kind == 2], -0.03, join_style="mitre")
        cells = np.concatenate([cells[kind != 1], cells[kind == 3]])
    return gpd.GeoDataFrame(geometry=cells, crs="EPSG:4549")


def plainly(frame: gpd.GeoDataFrame) -> tuple[float, float]:
    """The area of overlaps pair by pair, and of the holes of the union, as anybody would compute them."""
    frame = frame.to_crs(Plane(121, 31).crs)
    numbered = frame.assign(n=range(len(frame)))
    pairs = gpd.overlay(numbered, numbered, keep_geom_type=True)
    overlaps = pairs[pairs["n_1"] < pairs["n_2"]].area.sum()
    union = shapely.union_all(frame.geometry.to_numpy())
    filled = shapely.union_all([shapely.Polygon(part.exterior) for part in shapely.get_parts(union)])
    return overlaps, filled.area - union.area


def main() -> None:
    """Time one size, compare another."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--parcels", type=int, default=300_000)
    arguments.add_argument("--compare", type=int, default=10_000)
    chosen = arguments.parse_args()
    out = sys.stdout.write
    frame = parcels(chosen.parcels)
    begin = time.perf_counter()
    found = coverage_faults(frame)
    out(f"{len(frame)} parcels: {time.perf_counter() - begin:.1f} s, {found['kind'].value_counts().to_dict()}\n")
    small = parcels(chosen.compare)
    begin = time.perf_counter()
    ours = coverage_faults(small, gap_width_m=0, sliver_width_m=0)
    middle = time.perf_counter()
    overlaps, holes = plainly(small)
    took = middle - begin, time.perf_counter() - middle
    areas = ours.groupby("kind")["area_m2"].sum()
    out(f"{len(small)} parcels: ours {took[0]:.2f} s, overlay {took[1]:.2f} s\n")
    out(f"overlaps {areas['overlap']:.2f} / {overlaps:.2f} m2, gaps {areas['gap']:.2f} / {holes:.2f} m2\n")


if __name__ == "__main__":
    main()
