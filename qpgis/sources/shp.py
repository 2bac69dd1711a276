"""The structure of .shp and .shx files, checked byte by byte: GDAL makes nulls of what is cut off or contradictory.

A record is a big-endian number and length, then a shape: its type, and for lines and polygons a box, how many parts
and points there are, where each part begins, and the points.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qpgis.findings import Severity
from qpgis.sources import Request

_HEAD = 100
_RECORD_HEAD = 8
_FILE_CODE = 9994
NULL, POINT, LINE, POLYGON, MULTIPOINT, MULTIPATCH = 0, 1, 3, 5, 8, 31
_NAMES = {NULL: "null", POINT: "point", LINE: "line", POLYGON: "polygon", MULTIPOINT: "multipoint"}
_WITH_Z, _WITH_M = 10, 20
_BEFORE_COUNTS = 36
"""Bytes of type and box, before the counts of parts and points."""

Ints = np.ndarray


@dataclass(frozen=True)
class Records:
    """Where each record of a .shp stands, in the order of its rows.

    Attributes
    ----------
    shape : int
        The type of shapes that the header names.
    offsets, lengths : array of int
        Of each record's content, in bytes.
    types : array of int
        Of each record's shape, 0 for none.
    data : array of uint8
        The whole .shp.
    """

    shape: int
    offsets: Ints
    lengths: Ints
    types: Ints
    data: np.ndarray

    @property
    def kind(self) -> int:
        """The type of shapes without regard to heights and measures."""
        return self.shape % 10 if self.shape != MULTIPATCH else MULTIPATCH

    @property
    def extra(self) -> str:
        """What the shapes have besides x and y."""
        return {_WITH_Z: "Z", _WITH_M: "M"}.get(self.shape - self.kind, "")

    def index(self) -> bytes:
        """A .shx of these records."""
        head = struct.pack(">7i2i8d", _FILE_CODE, *[0] * 5, (_HEAD + 8 * len(self.offsets)) // 2, *[0] * 10)
        head = head[:28] + struct.pack("<2i", 1000, self.shape) + head[36:]
        pairs = np.stack([(self.offsets - _RECORD_HEAD) // 2, self.lengths // 2], axis=1)
        return head + pairs.astype(">i4").tobytes()


def read_records(request: Request, path: Path, index: Path | None, rows: int | None) -> Records:
    """Where the records of a .shp stand, after everything in it was checked.

    Parameters
    ----------
    request : Request
    path : Path
        The .shp.
    index : Path, optional
        The .shx, where there is one.
    rows : int, optional
        How many records the .dbf has.

    Raises
    ------
    SourceError
        If it is no .shp, or is cut off, or if a record contradicts itself; it names the record.
    """
    data, shape, stated = _opened(request, path)
    offsets, lengths = _listing(request, data, index, rows, stated)
    short = np.flatnonzero(lengths < 4)
    if len(short):
        raise _of_record(request, short[0], f"has only {lengths[short[0]]} bytes")
    types = _little(data, offsets)
    records = Records(shape, offsets, lengths, types, data)
    _check_types(request, records)
    _check_shapes(request, data, records)
    if stated != len(data):
        request.note(Severity.WARNING, "shp_length_odd", value=str(stated), size=len(data))
    return records


def point_counts(records: Records) -> np.ndarray:
    """How many points the shape of each record has; none where it has no parts that they could be of."""
    found = (records.types != NULL).astype(np.int64)
    if records.kind != POINT:
        there = np.flatnonzero(found)
        at = records.offsets[there] + _BEFORE_COUNTS
        first, second = _little(records.data, at), _little(records.data, at + 4)
        found[there] = np.where(first > 0, second, 0) if records.kind in (LINE, POLYGON) else first
    return found


def areas_by_direction(records: Records) -> np.ndarray:
    """The area of each polygon of several rings as their directions have it, clockwise ones less the others.

    NaN for all else: the area of a single ring doesn't depend on its direction.
    """
    found = np.full(len(records.offsets), np.nan)
    there = np.flatnonzero(records.types != NULL)
    at = records.offsets[there]
    several = _little(records.data, at + _BEFORE_COUNTS) > 1
    rows, at = there[several], at[several]
    parts, points = (_little(records.data, at + _BEFORE_COUNTS + n) for n in (0, 4))
    starts = _little(records.data, _each(at + _BEFORE_COUNTS + 8, parts, 4))
    places = _each(at + _BEFORE_COUNTS + 8 + 4 * parts, points, 16)
    xy = records.data[places[:, None] + np.arange(16)].view("<f8").astype(float)
    first = np.repeat(np.cumsum(points) - points, parts) + starts
    filled = np.unique(first[first < len(xy)])  # an empty ring begins where the next does
    ends = np.append(filled[1:], len(xy))[: len(filled)]
    ahead = np.arange(1, len(xy) + 1)
    ahead[ends - 1] = filled
    with np.errstate(over="ignore", invalid="ignore"):  # coordinates that are no numbers
        local = xy - np.repeat(xy[filled], ends - filled, axis=0)
        turned = (local[ahead, 0] * local[:, 1] - local[:, 0] * local[ahead, 1]) / 2
    owner = np.repeat(np.arange(len(rows)), points)
    found[rows] = np.bincount(owner, weights=turned, minlength=len(rows))
    return found


def _each(at: Ints, counts: Ints, step: int) -> Ints:
    """Places of some items of equal size that follow each other from each of some places on."""
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(at, counts) + step * nth


def _opened(request: Request, path: Path) -> tuple[np.ndarray, int, int]:
    """The bytes of a .shp, its type of shapes, and how many bytes its header says that there are."""
    size = path.stat().st_size
    if size < _HEAD:
        raise request.refusal(f"its .shp has {size} bytes and not even a header; export it again")
    data = np.memmap(path, np.uint8, "r")
    code, stated = struct.unpack_from(">i20xi", data.data)
    shape = int(struct.unpack_from("<i", data.data, 32)[0])
    if code != _FILE_CODE:
        raise request.refusal("it is no shapefile: it doesn't begin as one; give it its true suffix")
    if shape == MULTIPATCH:
        raise request.refusal("its shapes are multipatches (bodies in space); export their footprints as polygons")
    if shape % 10 not in _NAMES or shape // 10 > 2 or shape in (_WITH_Z, _WITH_M):
        raise request.refusal(f"its header names the unknown type of shapes {shape}; export it again")
    return data, shape, stated * 2


def _listing(
    request: Request, data: np.ndarray, index: Path | None, rows: int | None, stated: int
) -> tuple[Ints, Ints]:
    """Offsets and lengths of the records' contents: as the .shx has them where it fits, else as they follow."""
    listed = _listed(data, index) if index else None
    if listed is None:
        found = _ordered(*_followed(request, data, stated))
        if index:
            request.note(Severity.WARNING, "shx_rebuilt", count=len(found[0]))
        else:
            request.note(Severity.WARNING, "shx_missing", count=len(found[0]))
        return found
    offsets, lengths = listed
    unused = len(data) - _HEAD - int((lengths + _RECORD_HEAD).sum())
    if not unused:
        return listed
    _check_tail(request, data, offsets, lengths, stated)
    every = _ordered(*_followed(request, data, stated)) if rows not in (None, len(offsets)) else listed
    if len(every[0]) == rows != len(offsets):
        request.note(Severity.WARNING, "shx_rebuilt", count=rows)
        return every
    request.note(Severity.WARNING, "shp_unlisted", value=str(unused), count=len(offsets))
    return listed


def _listed(data: np.ndarray, index: Path) -> tuple[Ints, Ints] | None:
    """The records as the .shx has them, if each begins where and is as long as it says, and none overlap."""
    raw = index.read_bytes()
    if len(raw) < _HEAD or struct.unpack_from(">i20xi", raw) != (_FILE_CODE, len(raw) // 2) or len(raw) % 8 != 4:
        return None
    offsets, lengths = (np.frombuffer(raw, ">i4", offset=_HEAD).reshape(-1, 2).astype(np.int64) * 2).T
    inside = (offsets >= _HEAD) & (lengths >= 0) & (offsets + _RECORD_HEAD + lengths <= len(data))
    if not inside.all() or (_big(data, offsets + 4) * 2 != lengths).any():
        return None
    order = np.argsort(offsets, kind="stable")
    ends = (offsets + _RECORD_HEAD + lengths)[order]
    return None if (ends[:-1] > offsets[order][1:]).any() else (offsets + _RECORD_HEAD, lengths)


def _followed(request: Request, data: np.ndarray, stated: int) -> tuple[Ints, Ints, Ints]:
    """Offsets, lengths and numbers of the records, one after the other to the file's very end.

    What follows the end that the header states, and is no record, was left there by whoever stored the file.
    """
    found: list[tuple[int, int, int]] = []
    at, size = _HEAD, len(data)
    while at < size:
        number, words = struct.unpack_from(">2i", data.data, at) if at + _RECORD_HEAD <= size else (0, -1)
        end = at + _RECORD_HEAD + words * 2
        if at == stated and (words < 2 or end > size):
            break
        if words < 0 or end > size:
            why = f"is cut off: it begins at byte {at} and the file ends at {size}"
            raise _of_record(request, len(found), why)
        found.append((at + _RECORD_HEAD, words * 2, number))
        at = end
    offsets, lengths, numbers = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return offsets, lengths, numbers


def _ordered(offsets: Ints, lengths: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """The records by their numbers, where these are 1 to n; as they follow elsewhere."""
    order = np.argsort(numbers, kind="stable")
    if not np.array_equal(numbers[order], np.arange(1, len(numbers) + 1)):
        return offsets, lengths
    return offsets[order], lengths[order]


def _check_tail(request: Request, data: np.ndarray, offsets: Ints, lengths: Ints, stated: int) -> None:
    """Refuse a .shp that ends within a record, unless its header says that the records end before."""
    at = int((offsets + lengths).max(initial=_HEAD))
    while at < len(data):
        words = struct.unpack_from(">i", data.data, at + 4)[0] if at + _RECORD_HEAD <= len(data) else 0
        if words < 2 or at + _RECORD_HEAD + words * 2 > len(data):
            if at == stated:
                return
            why = f"is cut off: it begins at byte {at} and the file ends at {len(data)}"
            raise _of_record(request, len(offsets), why)
        at += _RECORD_HEAD + words * 2


def _check_types(request: Request, records: Records) -> None:
    kinds = np.where(records.types == MULTIPATCH, MULTIPATCH, records.types % 10)
    known = (records.types >= 0) & (records.types // 10 <= 2)
    wrong = np.flatnonzero((records.types != NULL) & ~(known & (kinds == records.kind)))
    if len(wrong):
        found = int(records.types[wrong[0]])
        name = _NAMES.get(found % 10 if 0 <= found < 30 else -1, "of unknown type")
        why = f"is {name} ({found}) in a file of type {_NAMES[records.kind]}; {len(wrong)} such records"
        raise _of_record(request, wrong[0], why)


def _check_shapes(request: Request, data: np.ndarray, records: Records) -> None:
    """Refuse records that are too short for what they say they hold, or whose parts begin where no point is."""
    there = np.flatnonzero(records.types != NULL)
    at, length = records.offsets[there], records.lengths[there]
    if records.kind == POINT:
        _check_room(request, there, length, np.full(len(there), 20))
        return
    lists_parts = records.kind in (LINE, POLYGON)
    before = _BEFORE_COUNTS + (8 if lists_parts else 4)
    _check_room(request, there, length, np.full(len(there), before))
    parts = _little(data, at + _BEFORE_COUNTS) if lists_parts else np.zeros(len(there), dtype=np.int64)
    points = _little(data, at + before - 4)
    negative = np.flatnonzero((parts < 0) | (points < 0))
    if len(negative):
        row = negative[0]
        raise _of_record(request, there[row], f"says that it has {parts[row]} parts and {points[row]} points")
    _check_room(request, there, length, before + 4 * parts + 16 * points)
    if lists_parts:
        _check_parts(request, data, there, at + before, parts, points)


def _check_room(request: Request, rows: Ints, length: Ints, needed: Ints) -> None:
    short = np.flatnonzero(length < needed)
    if len(short):
        row = short[0]
        raise _of_record(request, rows[row], f"has {length[row]} bytes, its shape takes {needed[row]}")


def _check_parts(request: Request, data: np.ndarray, rows: Ints, at: Ints, parts: Ints, points: Ints) -> None:
    """Refuse records whose parts don't begin with the first point, or don't follow each other."""
    owner = np.repeat(np.arange(len(rows)), parts)
    starts = _little(data, _each(at, parts, 4))
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    previous = np.where(nth > 0, np.roll(starts, 1), 0)
    wrong = np.flatnonzero(((nth == 0) & (starts != 0)) | (starts < previous) | (starts > points[owner]))
    if len(wrong):
        part = wrong[0]
        why = f"has {points[owner[part]]} points, but its part {nth[part] + 1} begins at point {starts[part]} (from 0)"
        raise _of_record(request, rows[owner[part]], f"{why}: the index of parts is broken")


def _of_record(request: Request, row: int, why: str) -> Exception:
    return request.refusal(f"record {int(row) + 1} of the .shp (feature_id {int(row)}) {why}; export it again")


def _little(data: np.ndarray, at: Ints) -> Ints:
    return _gathered(data, at, "<i4")


def _big(data: np.ndarray, at: Ints) -> Ints:
    return _gathered(data, at, ">i4")


def _gathered(data: np.ndarray, at: Ints, kind: str) -> Ints:
    """The integers at some places of a file."""
    return data[at[:, None] + np.arange(4)].view(kind)[:, 0].astype(np.int64)
