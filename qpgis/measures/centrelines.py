"""Which stretches of one-way roads are half of a dual carriageway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries

if TYPE_CHECKING:
    import pandas as pd

OPPOSITE_WITHIN_DEG = 45.0
"""Two directions are opposite if they differ from 180 degrees by at most this."""


def split_dual_carriageways(
    lines: Geometries, metric: Geometries, roads: pd.DataFrame, *, opposite_within_m: float
) -> tuple[Geometries, NDArray[np.int64], NDArray[np.float64]]:
    """Lines cut where a parallel carriageway begins and ends, with the weight of each piece.

    A stretch of a one-way road weighs a half if an opposite one-way road of the same class lies within
    ``opposite_within_m`` of it, and if the two have the same ``ref`` or the same ``name`` wherever both have one.
    Opposite means within 45 degrees of it; of ref and name, those that both have, one has to be equal. A line is never
    its own opposite: a roundabout drawn as one line counts whole. Distances are exact (no buffers): each pair of
    opposite segments gives one interval on the first.

    Parameters
    ----------
    lines : array of lines
        The lines to cut; a one-way line runs in the direction of travel.
    metric : array of lines
        The same lines, vertex by vertex, in a plane where distances are true (Gauss-Krueger).
    roads : DataFrame
        ``class_``, ``name`` and, where known, ``oneway`` (bool) and ``ref``; one row a line.
    opposite_within_m : float
        How far the opposite carriageway may be.

    Returns
    -------
    pieces : array of lines
    source : int array
        The line that each piece is a part of.
    weight : float array
        1 or 0.5 for each piece.
    """
    lines, whole = shapely.get_parts(lines, return_index=True)
    metric, roads = shapely.get_parts(metric), roads.iloc[whole]
    everything = np.arange(len(lines))
    one_way = roads["oneway"].to_numpy(dtype=bool) if "oneway" in roads else np.zeros(len(lines), dtype=bool)
    candidates = np.flatnonzero(one_way)
    start, end, owner = _segments(lines, candidates)
    metric_start, metric_end, _ = _segments(metric, candidates)
    intervals = _opposite_intervals(metric_start, metric_end, owner, _comparable(roads), opposite_within_m)
    paired, halves, singles = _cut(start, end, owner, intervals)
    kept = everything[~np.isin(everything, paired)]
    pieces = np.concatenate([lines[kept], halves[0], singles[0]])
    source = np.concatenate([kept, halves[1], singles[1]])
    weight = np.concatenate([np.ones(len(kept)), np.full(len(halves[0]), 0.5), np.ones(len(singles[0]))])
    return pieces, whole[source], weight


def _segments(lines: Geometries, chosen: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray[np.int64]]:
    """Start, end and line of every segment of the chosen lines."""
    parts, part_owner = shapely.get_parts(lines[chosen], return_index=True)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    if len(xy) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    same = part[:-1] == part[1:]
    return xy[:-1][same], xy[1:][same], chosen[part_owner[part[:-1][same]]]


def _comparable(roads: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray]:
    """Class, ref and name of each road as arrays of text."""
    empty = np.full(len(roads), "", dtype=object)
    return tuple(roads[c].to_numpy(dtype=object) if c in roads else empty for c in ("class_", "ref", "name"))  # type: ignore[return-value]


def _opposite_intervals(
    start: NDArray, end: NDArray, owner: NDArray[np.int64], keys: tuple[NDArray, NDArray, NDArray], distance_m: float
) -> dict[int, list[tuple[float, float]]]:
    """For each segment the intervals (shares of its length) that lie within the distance of an opposite segment."""
    if not len(start):
        return {}
    segments = shapely.linestrings(np.stack([start, end], axis=1))
    a, b = shapely.STRtree(segments).query(segments, predicate="dwithin", distance=distance_m)
    fits = (owner[a] != owner[b]) & _same_road(owner[a], owner[b], keys)
    length = np.linalg.norm(end - start, axis=1)
    fits &= (length[a] > 0) & (length[b] > 0)
    a, b, fits = a[fits], b[fits], fits[fits]
    direction = (end - start) / np.maximum(length, 1e-300)[:, None]
    fits &= (direction[a] * direction[b]).sum(axis=1) <= -np.cos(np.radians(OPPOSITE_WITHIN_DEG))
    a, b = a[fits], b[fits]
    low, high = _within_distance(start[a], end[a], start[b], end[b], distance_m)
    found: dict[int, list[tuple[float, float]]] = {}
    for segment, begin, finish in zip(a, low, high, strict=True):
        if finish > begin:
            found.setdefault(int(segment), []).append((float(begin), float(finish)))
    return found


def _same_road(a: NDArray[np.int64], b: NDArray[np.int64], keys: tuple[NDArray, NDArray, NDArray]) -> NDArray[np.bool_]:
    """Same class; and of ref and name, those that both have, at least one the same."""
    road_class, ref, name = keys
    same_class = road_class[a] == road_class[b]
    both_ref, both_name = (ref[a] != "") & (ref[b] != ""), (name[a] != "") & (name[b] != "")
    matching = (both_ref & (ref[a] == ref[b])) | (both_name & (name[a] == name[b]))
    return (same_class & (matching | ~(both_ref | both_name))).astype(bool)


def _within_distance(a0: NDArray, a1: NDArray, b0: NDArray, b1: NDArray, distance: float) -> tuple[NDArray, NDArray]:
    """The interval of shares ``t`` of each segment a for which a(t) is within the distance of segment b.

    The points within a distance of a segment are a rectangle and two discs, together convex, so one interval each; the
    result spans the three.
    """
    spans = [_in_disc(a0, a1, b0, distance), _in_disc(a0, a1, b1, distance), _in_strip(a0, a1, b0, b1, distance)]
    low = np.min(np.stack([np.where(hi > lo, lo, np.inf) for lo, hi in spans]), axis=0)
    high = np.max(np.stack([np.where(hi > lo, hi, -np.inf) for lo, hi in spans]), axis=0)
    return low, high


def _in_disc(a0: NDArray, a1: NDArray, centre: NDArray, radius: float) -> tuple[NDArray, NDArray]:
    d, f = a1 - a0, a0 - centre
    qa, qb, qc = (d * d).sum(1), 2 * (d * f).sum(1), (f * f).sum(1) - radius**2
    root = qb * qb - 4 * qa * qc
    half = np.sqrt(np.maximum(root, 0))
    low, high = (-qb - half) / (2 * qa), (-qb + half) / (2 * qa)
    return np.where(root > 0, np.clip(low, 0, 1), 1.0), np.where(root > 0, np.clip(high, 0, 1), 0.0)


def _in_strip(a0: NDArray, a1: NDArray, b0: NDArray, b1: NDArray, half_width: float) -> tuple[NDArray, NDArray]:
    length = np.linalg.norm(b1 - b0, axis=1)
    along = (b1 - b0) / length[:, None]
    across = np.column_stack([-along[:, 1], along[:, 0]])
    low, high = np.zeros(len(a0)), np.ones(len(a0))
    for axis, minimum, maximum in (
        (along, np.zeros(len(a0)), length),
        (across, -half_width + 0 * length, half_width + 0 * length),
    ):
        begin, finish = ((a0 - b0) * axis).sum(1), ((a1 - b0) * axis).sum(1)
        slope = finish - begin
        with np.errstate(divide="ignore", invalid="ignore"):
            t0, t1 = (minimum - begin) / slope, (maximum - begin) / slope
        flat = np.abs(slope) < 1e-12
        inside = (begin >= minimum) & (begin <= maximum)
        low = np.maximum(low, np.where(flat, np.where(inside, 0, 1), np.minimum(t0, t1)))
        high = np.minimum(high, np.where(flat, np.where(inside, 1, 0), np.maximum(t0, t1)))
    return low, high


def _cut(
    start: NDArray, end: NDArray, owner: NDArray[np.int64], intervals: dict[int, list[tuple[float, float]]]
) -> tuple[NDArray[np.int64], tuple[Geometries, NDArray[np.int64]], tuple[Geometries, NDArray[np.int64]]]:
    """The lines that have a paired stretch, and their pieces: paired (halves) and unpaired (singles)."""
    paired = np.unique(owner[list(intervals)]) if intervals else np.zeros(0, dtype=np.int64)
    pieces: dict[bool, list[tuple[NDArray, NDArray, int]]] = {True: [], False: []}
    for segment in np.flatnonzero(np.isin(owner, paired)):
        a, b = start[segment], end[segment]
        for begin, finish, is_half in _partition(intervals.get(int(segment), [])):
            pieces[is_half].append((a + (b - a) * begin, a + (b - a) * finish, int(owner[segment])))
    return paired, _as_lines(pieces[True]), _as_lines(pieces[False])


def _partition(intervals: list[tuple[float, float]]) -> list[tuple[float, float, bool]]:
    """0 to 1 cut into stretches inside and outside the union of the intervals.

    >>> _partition([(0.2, 0.4), (0.3, 0.5)])
    [(0.0, 0.2, False), (0.2, 0.5, True), (0.5, 1.0, False)]
    """
    stretches: list[tuple[float, float, bool]] = []
    at = 0.0
    for begin, finish in sorted(intervals):
        if finish <= at:
            continue
        if begin > at:
            stretches.append((at, begin, False))
        if stretches and stretches[-1][2]:
            stretches[-1] = (stretches[-1][0], finish, True)
        else:
            stretches.append((max(at, begin), finish, True))
        at = finish
    if at < 1.0:
        stretches.append((at, 1.0, False))
    return stretches


def _as_lines(pieces: list[tuple[NDArray, NDArray, int]]) -> tuple[Geometries, NDArray[np.int64]]:
    if not pieces:
        return np.zeros(0, dtype=object), np.zeros(0, dtype=np.int64)
    lines = shapely.linestrings(np.array([(a, b) for a, b, _ in pieces]))
    return lines, np.array([line for _, _, line in pieces], dtype=np.int64)
