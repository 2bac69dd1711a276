"""The tables of a file geodatabase as their own headers describe them: how many rows, and which have a geometry.

GDAL reads what it can and keeps silent about the rest; this is what its answer is held against. The layout is that of
ArcGIS 9 and 10 (version 3 of the table); of tables with 64-bit ids (version 4) nothing is known here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_VERSION, _VERSION_64 = 3, 4
_ROWS_PER_BLOCK = 1024
_OBJECT_ID, _GEOMETRY = 6, 7
"""Types of fields."""
_DESCRIPTION_BYTES = 4096
"""More than the head of the description takes, and that of two fields with the longest names."""


@dataclass(frozen=True)
class GdbTable:
    """One table of a file geodatabase.

    Attributes
    ----------
    path : Path
        Its ``.gdbtable``.
    valid : int
        How many rows its header says it has.
    offsets : array
        Where each row begins, by its id (the first one has id 1); 0 where it was deleted.
    """

    path: Path
    valid: int
    offsets: NDArray[np.int64]

    def drawn(self, ids: Iterable[int], *, nullable: int) -> list[int]:
        """Which of some rows have a geometry that isn't empty, whether it can be read or not.

        Parameters
        ----------
        ids : iterable of int
        nullable : int
            How many fields of the table may be missing.

        Returns
        -------
        list of int
            Empty where other fields are stored before the geometry: where it begins isn't known then.

        Raises
        ------
        ValueError
            If the description of its fields is missing or cut off.
        """
        (start,) = struct.unpack("<q", _bytes(self.path, 8, 32))
        if not 0 < start < self.path.stat().st_size:
            raise ValueError(f"{self.path.name} doesn't describe its fields")
        found = []
        with self.path.open("rb") as file:
            file.seek(start)
            if not _shape_is_first(file.read(_DESCRIPTION_BYTES)):
                return []
            for number in ids:
                file.seek(int(self.offsets[number - 1]) + 4)
                if _is_drawn(file.read((nullable + 7) // 8 + 24), (nullable + 7) // 8):
                    found.append(number)
        return found


def gdb_table(path: Path) -> GdbTable | None:
    """The table of a ``.gdbtable``; ``None`` if its ids have 64 bits.

    Raises
    ------
    ValueError
        If it or its index (``.gdbtablx``) is missing, cut off, of no known version or contradicts itself.
    """
    index = path.with_suffix(".gdbtablx")
    head = _bytes(path, 40)
    version, valid = struct.unpack_from("<ii", head)
    if version == _VERSION_64:
        return None
    if version != _VERSION:
        raise ValueError(f"{path.name} is of the unknown version {version}")
    if valid < 0:
        raise ValueError(f"{path.name} says that it has {valid} rows")
    if not valid and not index.exists():
        return GdbTable(path, 0, np.empty(0, dtype=np.int64))
    (stated,) = struct.unpack_from("<q", head, 24)
    if stated > path.stat().st_size:
        raise ValueError(f"{path.name} is cut off: {path.stat().st_size:,} of {stated:,} bytes are there")
    offsets = _offsets(index)
    there = int(np.count_nonzero(offsets))
    if there != valid:
        raise ValueError(f"{path.name} says that it has {valid} rows, {index.name} that it has {there}")
    if len(offsets) and int(offsets.max()) >= path.stat().st_size:
        raise ValueError(f"{path.name} is cut off: rows lie beyond its end")
    return GdbTable(path, valid, offsets)


def _bytes(path: Path, count: int, start: int = 0) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(count)
    if len(data) < count:
        raise ValueError(f"{path.name} is cut off")
    return data


def _offsets(index: Path) -> NDArray[np.int64]:
    """Where each row begins, by its number; blocks of rows that were never filled aren't stored."""
    _, blocks, rows, width = struct.unpack("<iiii", _bytes(index, 16))
    if not (4 <= width <= 6 and blocks >= 0 and rows >= 0):
        raise ValueError(f"{index.name} has no proper header")
    size = blocks * _ROWS_PER_BLOCK * width
    raw = np.frombuffer(_bytes(index, size, 16), np.uint8).reshape(-1, width)
    stored = np.zeros((len(raw), 8), dtype=np.uint8)
    stored[:, :width] = raw
    offsets = stored.view("<i8")[:, 0]
    if not blocks:
        return offsets
    words, total, _, _ = struct.unpack("<iiii", _bytes(index, 16, 16 + size))
    if not words:
        return offsets[:rows]
    filled = np.unpackbits(np.frombuffer(_bytes(index, (total + 7) // 8, 32 + size), np.uint8), bitorder="little")
    filled = filled[:total].astype(bool)
    if filled.sum() != blocks:
        raise ValueError(f"{index.name} contradicts itself")
    every = np.zeros((total, _ROWS_PER_BLOCK), dtype=np.int64)
    every[filled] = offsets.reshape(-1, _ROWS_PER_BLOCK)
    return every.ravel()[:rows]


def _shape_is_first(description: bytes) -> bool:
    """True if a row begins with its geometry, which may be missing; only the id may be described before it."""
    at = 14
    try:
        (count,) = struct.unpack_from("<H", description, 12)
        for _ in range(min(count, 2)):
            for _name_and_alias in range(2):
                at += 1 + 2 * description[at]
            if description[at] == _GEOMETRY:
                return bool(description[at + 2] & 1)
            if description[at] != _OBJECT_ID:
                return False
            at += 3
    except (IndexError, struct.error) as error:
        raise ValueError("the description of its fields is cut off") from error
    return False


def _is_drawn(row: bytes, flags: int) -> bool:
    """True if the geometry at the head of a row, behind its flags, is there and has points."""
    try:
        if row[0] & 1:
            return False
        size, at = _varuint(row, flags)
        _kind, at = _varuint(row, at)
        return size > 0 and _varuint(row, at)[0] > 0
    except IndexError:
        return True


def _varuint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, least first, and where it ends."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1
