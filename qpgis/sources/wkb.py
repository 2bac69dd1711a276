"""Geometries as bytes (well-known binary) to shapes: all at once where they are sound, one by one where they aren't.

Curves, surfaces in space and rings that aren't closed are no damage: they become straight edges, footprints and closed
rings, each with a finding. What can't be read is named, never a silent null.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.crs import Floats, Geometries
from qpgis.findings import Severity, ids_text
from qpgis.sources import Request
from qpgis.sources.curves import Straightening, straight

if TYPE_CHECKING:
    from shapely import Geometry

_SIMPLE = (1, 2, 3, 4, 5, 6)
_NESTED = re.compile(
    rb"\x01(?:[\x04-\x07]\0\0[\0\x80\x40\xc0\x20\xa0\x60\xe0]|[\xec-\xef]\x03\0\0|[\xd4-\xd7]\x07\0\0|[\xbc-\xbf]\x0b\0\0)"
    rb"|\0(?:[\0\x80\x40\xc0\x20\xa0\x60\xe0]\0\0[\x04-\x07]|\0\0\x03[\xec-\xef]|\0\0\x07[\xd4-\xd7]|\0\0\x0b[\xbc-\xbf])",
    re.DOTALL,
)
_MOST_NESTED = 1000
"""GEOS reads nested collections by recursion and ends the whole process some ten thousand levels down."""
_DEEPEST = 32
_BOX_WITHIN = 2e-7
"""By how much of their size the box that a file states and that of the geometry may differ: some store short floats."""


def geometries(
    request: Request, blobs: Sequence[bytes | None], ids: Sequence[str], *, degrees: bool | None = None
) -> Geometries:
    """The shapes of well-known binary (ISO or extended), ``None`` where there is none or where it can't be read.

    Parameters
    ----------
    request : Request
        Takes a finding for each geometry that is damaged or was changed.
    blobs : sequence of bytes or None
    ids : sequence of str
        The features' ids, for findings.
    degrees : bool, optional
        Whether the coordinates are degrees; arcs get points accordingly.

    Raises
    ------
    SourceError
        If not one of several geometries can be read.
    """
    import pandas as pd

    wkb = np.empty(len(blobs), dtype=object)
    wkb[:] = blobs
    there = ~pd.isna(wkb)
    found = np.full(len(wkb), None, dtype=object)
    usual = there.copy()
    usual[there] = _usual(wkb[there])
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are named where layers are prepared
        found[usual] = shapely.from_wkb(wkb[usual], on_invalid="ignore")
    hard = np.flatnonzero(there & shapely.is_missing(found))
    if not len(hard):
        return found
    read = [_reading(wkb[row], degrees) for row in hard]
    broken = sum(one.fault != "" for one in read)
    if broken == there.sum() and broken > 1:
        raise request.refusal(
            f"none of its {broken} geometries can be read (feature {ids[int(hard[0])]}: {read[0].fault}); "
            "export it again from the software it was made in"
        )
    found[hard] = [one.shape for one in read]
    _report(request, [ids[int(row)] for row in hard], read)
    return found


def _usual(wkb: Geometries) -> np.ndarray:
    """Which geometries GEOS may be given: points, lines and polygons, one or many, not nested."""
    heads = np.frombuffer(b"".join([blob[:5].ljust(5, b"\0") for blob in wkb]), np.uint8).reshape(-1, 5)
    little = heads[:, 0] == 1
    kinds = np.where(little, *(np.ascontiguousarray(heads[:, 1:]).view(t)[:, 0] for t in ("<u4", ">u4")))
    usual = np.isin((kinds & 0x1FFFFFFF) % 1000, _SIMPLE)
    for row in np.flatnonzero(np.array([len(blob) for blob in wkb]) > 9 * _MOST_NESTED):
        usual[row] &= len(_NESTED.findall(wkb[row])) <= _MOST_NESTED
    return usual


@dataclass
class _Reading:
    """What became of one geometry."""

    shape: Geometry | None = None
    fault: str = ""
    arcs: Straightening = field(default_factory=Straightening)
    curved: bool = False
    surface: bool = False
    closed: int = 0
    collapsed: int = 0
    short: int = 0


class _Damaged(ValueError):
    """The bytes are no geometry."""


def _reading(blob: bytes, degrees: bool | None) -> _Reading:
    done = _Reading(arcs=Straightening(degrees=degrees))
    try:
        with np.errstate(invalid="ignore"):
            done.shape = _shape(_Cursor(blob), done, 0)
    except (_Damaged, shapely.GEOSException, ValueError, OverflowError) as error:
        done.shape, done.fault = None, str(error)
    return done


def _report(request: Request, ids: list[str], read: list[_Reading]) -> None:
    for feature_id, one in zip(ids, read, strict=True):
        if one.fault:
            request.note(Severity.ERROR, "wkb_damaged", feature_id=feature_id, value=one.fault)
        if one.closed:
            request.note(Severity.WARNING, "wkb_ring_closed", feature_id=feature_id, value=str(one.closed))
        if one.collapsed:
            request.note(Severity.WARNING, "wkb_ring_collapsed", feature_id=feature_id, value=str(one.collapsed))
        if one.short:
            request.note(Severity.WARNING, "wkb_line_collapsed", feature_id=feature_id, value=str(one.short))
    surfaces = [feature_id for feature_id, one in zip(ids, read, strict=True) if one.surface]
    if surfaces:
        request.note(Severity.WARNING, "wkb_surface", value=ids_text(surfaces), count=len(surfaces))
    curved = [(feature_id, one) for feature_id, one in zip(ids, read, strict=True) if one.curved and not one.fault]
    if curved:
        value = f"{max(one.arcs.deviation_m for _, one in curved) * 1000:.3g} mm"
        share = max(_area_share(one) for _, one in curved)
        words: dict[str, Any] = {
            "count": len(curved),
            "ids": ids_text([i for i, _ in curved]),
            "share": f"{share * 1e6:.3g} ppm",
        }
        request.note(Severity.WARNING, "curves_straightened", value=value, **words)


def compare_boxes(request: Request, shapes: Geometries, stated: Floats, ids: Sequence[str]) -> None:
    """Name the features whose geometry isn't where the file says that it is: one of the two is damaged.

    Parameters
    ----------
    request : Request
    shapes : array of shapely geometries
    stated : array, n x 4
        Least x, least y, greatest x, greatest y of each as the file states them; infinite ones state nothing.
    ids : sequence of str
    """
    drawn = shapely.bounds(shapes)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(stated - drawn).max(axis=1) > _BOX_WITHIN * (1 + np.abs(drawn).max(axis=1))
    for row in np.flatnonzero(apart & np.isfinite(stated).all(axis=1)):
        request.note(Severity.WARNING, "wkb_other_box", feature_id=ids[int(row)])


def _area_share(one: _Reading) -> float:
    area = shapely.area(one.shape)
    return one.arcs.area / area if area > 0 else 0.0


class _Cursor:
    """Reads bytes one after the other."""

    def __init__(self, blob: bytes) -> None:
        self.blob, self.at, self.order, self.dims = blob, 0, "<", (True, False, False)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.blob) - self.at:
            raise _Damaged(f"it ends after {len(self.blob)} bytes, within a part of {count}")
        self.at += count
        return self.blob[self.at - count : self.at]

    def number(self) -> int:
        """The next unsigned integer."""
        return int(struct.unpack(f"{self.order}I", self.take(4))[0])

    def head(self) -> tuple[int, int, bool]:
        """What comes next: the type of geometry, its ordinates a point, and whether the third is a height."""
        order = self.take(1)[0]
        if order > 1:
            raise _Damaged(f"byte order {order}")
        self.order = "<" if order else ">"
        code = self.number()
        if code & 0x20000000:
            self.take(4)  # the number of a reference system, of no meaning here
        kind = code & 0x1FFFFFFF
        extra = kind // 1000
        high = bool(code & 0x80000000) or extra in (1, 3)
        measured = bool(code & 0x40000000) or extra in (2, 3)
        if extra > 3:
            raise _Damaged(f"unknown geometry type {code}")
        return kind % 1000, 2 + high + measured, high

    def points(self, count: int, width: int, high: bool) -> Floats:
        """The next points, without measures."""
        flat = np.frombuffer(self.take(count * width * 8), f"{self.order}f8").astype(float)
        return flat.reshape(count, width)[:, : 2 + high]


def _shape(cursor: _Cursor, done: _Reading, depth: int) -> Geometry:
    """The geometry that comes next, whatever it is."""
    if depth > _DEEPEST:
        raise _Damaged(f"it is nested more than {_DEEPEST} times")
    kind, width, high = cursor.head()
    if kind == 1:
        point = cursor.points(1, width, high)
        return shapely.Point() if np.isnan(point).all() else shapely.points(point)[0]
    if kind == 2:
        points = cursor.points(cursor.number(), width, high)
        done.short += len(points) == 1
        return shapely.linestrings(points) if len(points) > 1 else shapely.LineString()
    if kind in (3, 17):
        done.surface |= kind == 17
        return _polygon([cursor.points(cursor.number(), width, high) for _ in range(cursor.number())], done)
    if kind in (8, 9):
        return shapely.linestrings(_curve(cursor, done, kind, width, high, depth))
    if kind == 10:
        done.curved = True
        return _polygon([_next_curve(cursor, done, depth + 1) for _ in range(cursor.number())], done)
    done.curved |= kind in (11, 12)
    done.surface |= kind in (15, 16)
    if kind not in _GATHERED:
        raise _Damaged(f"unknown geometry type {kind}")
    parts = [_shape(cursor, done, depth + 1) for _ in range(cursor.number())]
    dimension, gather = _GATHERED[kind]
    if dimension is not None and any(shapely.get_dimensions(part) != dimension for part in parts):
        raise _Damaged("parts of another type than the whole")
    return gather(parts)


_GATHERED: dict[int, tuple[int | None, Callable[[list[Geometry]], Geometry]]] = {
    4: (0, shapely.MultiPoint),
    5: (1, lambda lines: shapely.MultiLineString([line for line in lines if not line.is_empty])),
    6: (2, shapely.MultiPolygon),
    7: (None, shapely.GeometryCollection),
    11: (1, shapely.MultiLineString),
    12: (2, shapely.MultiPolygon),
    15: (2, shapely.MultiPolygon),
    16: (2, shapely.MultiPolygon),
}
"""Types that are made of others: the dimension of those, and how they are put together."""


def _next_curve(cursor: _Cursor, done: _Reading, depth: int) -> Floats:
    """The points of the line, arc string or compound curve that comes next."""
    if depth > _DEEPEST:
        raise _Damaged(f"it is nested more than {_DEEPEST} times")
    return _curve(cursor, done, *cursor.head(), depth)


def _curve(cursor: _Cursor, done: _Reading, kind: int, width: int, high: bool, depth: int) -> Floats:
    if kind == 9:
        done.curved = True
        pieces = list(_joined(_next_curve(cursor, done, depth + 1) for _ in range(cursor.number())))
        return np.concatenate(pieces) if pieces else np.empty((0, 2))
    if kind not in (2, 8):
        raise _Damaged(f"geometry type {kind} where a curve ought to be")
    points = cursor.points(cursor.number(), width, high)
    if kind == 2 or not len(points):
        return points
    done.curved = True
    if len(points) % 2 == 0:
        raise _Damaged(f"a string of arcs with {len(points)} points")
    return straight(points, done.arcs)


def _joined(pieces: Iterator[Floats]) -> Iterator[Floats]:
    """Pieces that follow each other, without the points that they share."""
    last: Floats | None = None
    for piece in pieces:
        if last is not None and len(piece) and not np.array_equal(piece[0, :2], last[:2]):
            raise _Damaged("the pieces of a curve don't meet")
        yield piece if last is None else piece[1:]
        last = piece[-1] if len(piece) else last


def _polygon(rings: list[Floats], done: _Reading) -> Geometry:
    """A polygon of rings, each closed; those of fewer than three corners surround nothing and are left out."""
    closed = []
    for ring in (ring for ring in rings if len(ring)):
        whole = _same(ring[0], ring[-1])
        done.closed += not whole
        closed.append(ring if whole else np.concatenate([ring, ring[:1]]))
    kept = [ring for ring in closed if len(ring) >= 4]
    done.collapsed += len(closed) - len(kept)
    if not closed or len(closed[0]) < 4:  # without its outer ring a polygon has no ground
        return shapely.Polygon()
    shell, *holes = (shapely.linearrings(ring) for ring in kept)
    return shapely.polygons(shell, holes or None)


def _same(a: Floats, b: Floats) -> bool:
    return bool(np.array_equal(a[:2], b[:2], equal_nan=True))
