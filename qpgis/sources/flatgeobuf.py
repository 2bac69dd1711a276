"""FlatGeobuf: checked from end to end first, for GDAL takes a file that is cut in its index for empty."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qpgis.crs import Floats
from qpgis.errors import SourceError
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import read_table
from qpgis.sources.local import aside
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.wkb import compare_boxes

DRIVER = "FlatGeobuf"
MAGIC = b"fgb\x03fgb"
_COUNT, _NODE_SIZE = 8, 9
"""Numbers of fields in the header's table: how many features there are, and how many boxes a node of the index has."""
_BOX_BYTES = 40
_NODE_SIZE_DEFAULT = 16
_ANY_FORMAT = "OGR_FLATGEOBUF_STREAM_BASE_IMPL"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    _checked(path, name)
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature."""
    layer = chosen_layer(request, (request.path.stem,))
    contents = _checked(request.path, request.what)
    with aside(request.path) as plain, _feature_by_feature():
        frame, spatial, remarks = read_table(request, plain, DRIVER, None)
    if len(frame) != contents.count:
        raise request.refusal(
            f"it is damaged: it holds {contents.count} features, {len(frame)} can be read; export it again"
        )
    if len(contents.boxes):
        compare_boxes(request, frame.geometry.to_numpy(), contents.boxes, frame["feature_id"].tolist())
    return RawFeatures(frame, request.name, DRIVER, remarks=remarks, layer=layer, spatial=spatial)


@contextmanager
def _feature_by_feature() -> Iterator[None]:
    """GDAL reads as of any format; its faster way for this one loses where features without shape end."""
    import pyogrio

    pyogrio.set_gdal_config_options({_ANY_FORMAT: True})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({_ANY_FORMAT: None})


@dataclass(frozen=True)
class _Contents:
    """How many features a file holds, and the box that its index states of each, if it has an index."""

    count: int
    boxes: Floats


def _checked(path: Path, what: str) -> _Contents:
    """What the file holds, found by going from one feature to the next.

    Raises
    ------
    SourceError
        If it is another format, ends early, or doesn't hold as many as its header says.
    """
    with path.open("rb") as file:
        if not file.read(8).startswith(MAGIC):
            raise SourceError(f"{what}: it is no FlatGeobuf file (version 3); give it its true suffix")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                stated, index, at = _header(data)
                found = _walk(data, at)
            except (struct.error, OverflowError) as error:
                raise SourceError(f"{what}: it is cut off or damaged; copy or export it again") from error
            if stated not in (0, found):
                raise SourceError(f"{what}: it is damaged: its header says {stated} features, but there are {found}")
            return _Contents(found, _boxes(data[index:at], stated))


def _header(data: mmap.mmap) -> tuple[int, int, int]:
    """How many features the header states (0: it doesn't say), where the index begins, and where the first feature."""
    (size,) = struct.unpack_from("<I", data, 8)
    table = 12 + struct.unpack_from("<I", data, 12)[0]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    count = _scalar(data, table, vtable, _COUNT, "<Q", 0)
    node_size = _scalar(data, table, vtable, _NODE_SIZE, "<H", _NODE_SIZE_DEFAULT)
    return count, 12 + size, 12 + size + _index_bytes(count, node_size)


def _scalar(data: mmap.mmap, table: int, vtable: int, field: int, kind: str, default: int) -> int:
    """A number in a FlatBuffers table."""
    place = 4 + 2 * field
    if place >= struct.unpack_from("<H", data, vtable)[0]:
        return default
    (offset,) = struct.unpack_from("<H", data, vtable + place)
    return int(struct.unpack_from(kind, data, table + offset)[0]) if offset else default


def _index_bytes(count: int, node_size: int) -> int:
    """How long the index is: a box a feature, one for so many of those, and so on up to a single one at its root."""
    if node_size < 2 or not count:
        return 0
    level = -(-count // node_size)
    boxes = count + level
    while level > 1:
        level = -(-level // node_size)
        boxes += level
    return boxes * _BOX_BYTES


def _boxes(index: bytes, count: int) -> Floats:
    """The boxes of the features, which are the last ones of the index: four numbers and where the feature stands."""
    leaves = np.frombuffer(index[max(len(index) - count * _BOX_BYTES, 0) :], "<f8").reshape(-1, 5)[:, :4]
    return np.where(leaves[:, :1] <= leaves[:, 2:3], leaves, np.nan)  # features without shape have boxes inside out


def _walk(data: mmap.mmap, at: int) -> int:
    """How many features there are; each states its length."""
    found, end = 0, len(data)
    length = struct.Struct("<I")
    while at < end:
        at += 4 + length.unpack_from(data, at)[0]
        found += 1
    if at != end:
        raise struct.error("the last feature is cut")
    return found
