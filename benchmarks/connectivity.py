"""How long IIC, PC and the importance of every patch take, and whether networkx and a dense scipy find the same.

    python -m benchmarks.connectivity [--patches 2000] [--compare 150] [--removed 5]

(As a module: beside ``coverage.py`` of this folder numba would take that for the package of this name.)

Patches are polygons of 30 corners, strewn so that most hang together at 1 km. At the size to compare, networkx computes
both indices anew without each patch. At full size, dense matrices of all distances (scipy) give both indices, and anew
without some patches. Links are those up to 1 km, where the probability is 0.5. Ends with status 1 where anything
differs by more than 1e-9 of the index.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import networkx as nx
import numpy as np
import shapely
from scipy.sparse.csgraph import dijkstra

from qpgis.crs import Floats, Geometries
from qpgis.measures.connectivity import Connectivity, distances, patch_connectivity

SEED = 20240101
DISTANCE_M = 1000.0
SPACING_M = 670.0
SAME = 1e-9


def patches(count: int) -> Geometries:
    """So many patches apart from each other, the same each time."""
    chance = np.random.default_rng(SEED)
    across = int(np.ceil(np.sqrt(2 * count)))
    cell = chance.permutation(across**2)[:count]
    side = SPACING_M / np.sqrt(2)
    middle = np.column_stack([cell % across, cell // across]) * side + chance.uniform(-0.2, 0.2, (count, 2)) * side
    turn = 2 * np.pi * np.arange(30) / 30
    radius = chance.uniform(0.05, 0.28, (count, 1)) * side * chance.uniform(0.7, 1, (count, 30))
    ring = middle[:, None] + radius[..., None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return shapely.polygons(ring)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds, and the result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def ours(shapes: Geometries, connectors: bool = True) -> Connectivity:
    """Both indices with the same links, no way being negligible, as for the others."""
    return patch_connectivity(
        shapes, distance_m=DISTANCE_M, link_within_m=DISTANCE_M, negligible=1e-15, connectors=connectors
    )


def by_networkx(shapes: Geometries) -> Floats:
    """IIC and PC (numerators), whole and without each patch: patches + 1 rows."""
    area = shapely.area(shapes)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(shapes)))
    for one, other, apart in zip(*(part.tolist() for part in distances(shapes, DISTANCE_M)), strict=True):
        graph.add_edge(one, other, loss=apart * np.log(2) / DISTANCE_M)

    def both(some: nx.Graph) -> tuple[float, float]:
        steps, ways = nx.all_pairs_shortest_path_length(some), nx.all_pairs_dijkstra_path_length(some, weight="loss")
        iic = sum(area[i] * area[j] / (1 + n) for i, found in steps for j, n in found.items())
        pc = sum(area[i] * area[j] * np.exp(-n) for i, found in ways for j, n in found.items())
        return iic, pc

    whole = set(graph)
    return np.array([both(graph), *(both(graph.subgraph(whole - {k})) for k in graph)])


def by_dense_matrices(shapes: Geometries, removed: list[int]) -> Floats:
    """IIC and PC (numerators), whole and without some patches."""
    area = shapely.area(shapes)
    apart = np.array([shapely.distance(shape, shapes) for shape in shapes])
    loss = np.where(apart <= DISTANCE_M, apart * np.log(2) / DISTANCE_M, 0)

    def both(rows: list[int]) -> tuple[float, float]:
        links, a = loss[np.ix_(rows, rows)], area[rows]
        steps, ways = dijkstra(links, directed=False, unweighted=True), dijkstra(links, directed=False)
        return float(a @ (1 / (1 + steps)) @ a), float(a @ np.exp(-ways) @ a)

    everyone = range(len(shapes))
    return np.array([both([*everyone]), *(both([n for n in everyone if n != k]) for k in removed)])


def differs(found: Connectivity, expected: Floats, removed: list[int]) -> float:
    """The greatest difference to what others found, in parts of the index."""
    off = []
    for index, other in zip((found.iic, found.pc), expected.T, strict=True):
        lost = (index.intra + index.flux + index.connector)[removed]
        off += [abs(index.numerator / other[0] - 1), np.abs(lost - (other[0] - other[1:])).max() / other[0]]
    return float(max(off))


def main() -> int:
    """Time one size, compare two."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--patches", type=int, default=2000)
    arguments.add_argument("--compare", type=int, default=150)
    arguments.add_argument("--removed", type=int, default=5)
    chosen = arguments.parse_args()
    out = sys.stdout.write
    ours(patches(300))  # compiles, or loads what is compiled

    shapes = patches(chosen.compare)
    mine_s, mine = timed(lambda: ours(shapes))
    theirs_s, theirs = timed(lambda: by_networkx(shapes))
    worst = differs(mine, theirs, list(range(len(shapes))))  # type: ignore[arg-type]
    out(f"{len(shapes)} patches, all removed: ours {mine_s:.2f} s, networkx {theirs_s:.1f} s, {worst:.0e} apart\n")

    shapes = patches(chosen.patches)
    one, _, _ = distances(shapes, DISTANCE_M)
    sums_s, _ = timed(lambda: ours(shapes, connectors=False))
    mine_s, mine = timed(lambda: ours(shapes))
    removed = np.random.default_rng(SEED).choice(len(shapes), chosen.removed, replace=False).tolist()
    theirs_s, theirs = timed(lambda: by_dense_matrices(shapes, removed))
    off = differs(mine, theirs, removed)  # type: ignore[arg-type]
    largest = np.bincount(mine.component).max()  # type: ignore[attr-defined]
    out(f"{len(shapes)} patches, {2 * len(one) / len(shapes):.1f} links each, {largest} in the largest component\n")
    out(f"  IIC, PC: {sums_s:.2f} s; with the importance of every patch {mine_s:.1f} s\n")
    out(f"  dense matrices, {len(removed)} patches removed: {theirs_s:.1f} s, {off:.0e} apart\n")
    return int(max(worst, off) > SAME)


if __name__ == "__main__":
    sys.exit(main())
