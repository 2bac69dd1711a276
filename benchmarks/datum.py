"""How many points a second become GCJ-02 or BD-09 and come back, how fast a layer is judged, and what others find.

    python benchmarks/datum.py [--points 1000000] [--compare 20000]

Peers, where they are installed (``pip install prcoords eviltransform coord-convert``), convert a point at a call.
``prcoords`` and ``coord_convert`` use the published formulas; ``prcoords.gcj_wgs_bored`` stops within centimetres.
``eviltransform`` takes another radius (6378137), centimetres off, and its exact inverse stops within metres. Where one
differs by more than that the benchmark ends with status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np
import shapely

from qpgis.crs import Floats
from qpgis.crs.china import bd09_to_wgs84, gcj02_to_bd09, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from qpgis.quality.datum import embedded_reference, judge_datum

SEED = 20240101
METRES_PER_DEGREE = 111_320
SAME_M, BORED_M, OTHER_RADIUS_M, BISECTED_M = 1e-6, 0.02, 0.05, 3.0
Point = tuple[float, float]


def points(count: int) -> Floats:
    """Longitude and latitude all over China, the same each time."""
    return np.random.default_rng(SEED).uniform((74, 18), (134, 53), (count, 2))


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds of the best of three, and the result."""
    best, result = float("inf"), None
    for _ in range(3):
        begun = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - begun)
    return best, result


def peers() -> Iterator[tuple[str, Callable[[Floats], Floats], float, Callable[[Point], Point]]]:
    """Name, the same conversion here, how far apart they may be, and the peer's for one point, longitude first."""
    modules = {}
    for name in ("eviltransform", "prcoords", "coord_convert.transform"):
        try:
            modules[name] = import_module(name)
        except ImportError:
            sys.stdout.write(f"{name} isn't installed\n")
    if evil := modules.get("eviltransform"):
        yield "eviltransform.wgs2gcj", wgs84_to_gcj02, OTHER_RADIUS_M, lambda p: evil.wgs2gcj(p[1], p[0])[::-1]
        yield "eviltransform.gcj2wgs_exact", gcj02_to_wgs84, BISECTED_M, lambda p: evil.gcj2wgs_exact(p[1], p[0])[::-1]
    if prc := modules.get("prcoords"):
        coords = prc.Coords
        yield "prcoords.wgs_gcj", wgs84_to_gcj02, SAME_M, lambda p: tuple(prc.wgs_gcj(coords(p[1], p[0])))[::-1]
        yield (
            "prcoords.gcj_wgs_bored",
            gcj02_to_wgs84,
            BORED_M,
            lambda p: tuple(prc.gcj_wgs_bored(coords(p[1], p[0])))[::-1],
        )
        yield "prcoords.gcj_bd", gcj02_to_bd09, SAME_M, lambda p: tuple(prc.gcj_bd(coords(p[1], p[0])))[::-1]
    if convert := modules.get("coord_convert.transform"):
        yield "coord_convert.wgs2gcj", wgs84_to_gcj02, SAME_M, lambda p: convert.wgs2gcj(*p)
        yield "coord_convert.gcj2bd", gcj02_to_bd09, SAME_M, lambda p: convert.gcj2bd(*p)


def main() -> int:
    """Print rates and differences; 1 where a peer differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--compare", type=int, default=20_000)
    options = parser.parse_args()
    here = points(options.points)
    for there, back in ((wgs84_to_gcj02, gcj02_to_wgs84), (wgs84_to_bd09, bd09_to_wgs84)):
        forth_s, shifted = timed(lambda there=there: there(here))  # type: ignore[misc]
        back_s, again = timed(lambda back=back, shifted=shifted: back(shifted))  # type: ignore[misc]
        off = np.abs(again - here).max() * METRES_PER_DEGREE  # type: ignore[operator]
        for name, seconds in ((there.__name__, forth_s), (back.__name__, back_s)):
            sys.stdout.write(f"{name}: {len(here) / seconds / 1e6:.2f} million points a second\n")
        sys.stdout.write(f"there and back: {off:.1e} m\n")
    some = points(options.compare)
    differs = False
    for name, ours, apart_m, theirs in peers():
        seconds, found = timed(lambda theirs=theirs: [theirs(p) for p in some.tolist()])  # type: ignore[misc]
        off = np.abs(np.array(found) - ours(some)).max() * METRES_PER_DEGREE
        differs |= bool(off > apart_m)
        sys.stdout.write(f"{name}: {len(some) / seconds / 1e6:.3f} million points a second, {off:.1e} m from ours\n")
    corners = np.random.default_rng(SEED).uniform((120.85, 30.95), (121.3, 31.3), (100_000, 2))
    boxes = shapely.box(*corners.T, *(corners + 1e-4).T)
    seconds, judged = timed(lambda: judge_datum(boxes, embedded_reference()[0]))
    sys.stdout.write(f"a layer of 500,000 vertices judged in {seconds:.2f} s: {judged.outcome}\n")  # type: ignore[attr-defined]
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
