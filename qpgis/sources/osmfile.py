"""OpenStreetMap files before libosmium reads them: what they are, whether they are whole, and whether they are safe.

A PBF that ends between two blocks is a legal file with fewer objects, history files hold what was deleted long ago, and
XML may name entities; libosmium says nothing of the first two.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from qpgis.errors import SourceError
from qpgis.sources import regular_file

_HEAD_BYTES = 65_536
_CHUNK_BYTES = 1 << 20
_MOST_HEADER_BYTES = 65_536
"""What the format allows for the header of a block."""
_CLEAN = "make an extract of one moment (osmium time-filter), or get one from Geofabrik"
HISTORY = f"it is a history with deleted objects or several versions of one; {_CLEAN}"
_DELETED = re.compile(rb"""\s(?:visible\s*=\s*["']false|action\s*=\s*["']delete)["']""")
_GIVEN_UP = re.compile(rb"<remark>\s*runtime error:?\s*([^<]*)")
"""What the Overpass API writes after the objects that it had found until it gave up."""
_OVERLAP = 64
"""Bytes of a chunk that are searched again with the next one: what is looked for may stand on the seam."""


def check_osm(path: Path, what: str) -> Path:
    """The path, if it is an extract that can be read safely.

    Raises
    ------
    SourceError
        If it is missing, of another kind than its name says, cut off, a history or change file, or has entities.
    """
    regular_file(path, what=what)
    if path.name.lower().endswith(".pbf"):
        _check_pbf(path, what)
    else:
        _check_xml(path, what)
    return path


def _check_pbf(path: Path, what: str) -> None:
    """Go from block to block to the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        _not_a_page(file.read(_HEAD_BYTES), what)
        file.seek(0)
        kinds: list[bytes] = []
        while file.tell() < size:
            length = int.from_bytes(file.read(4), "big")
            if not kinds and length > _MOST_HEADER_BYTES:
                raise SourceError(f"{what}: it is no OSM PBF file; give it its true suffix")
            try:
                kind, body = _block_header(file.read(length), length)
            except (ValueError, IndexError) as error:
                raise _cut(what, file.tell(), size) from error
            if file.seek(body, 1) > size:
                raise _cut(what, file.tell(), size)
            kinds.append(kind)
    if kinds[0] != b"OSMHeader":
        raise SourceError(f"{what}: it is no OSM PBF file: it doesn't begin with its header")
    if b"OSMData" not in kinds:
        raise SourceError(
            f"{what}: it has a header, but no data: it is empty, or cut off between two blocks; download it again"
        )


def _cut(what: str, needed: int, size: int) -> SourceError:
    return SourceError(
        f"{what}: unexpected end of file: it has {size:,} bytes and needs {max(needed, size + 1):,} or more; "
        "it is cut off or damaged, download it again"
    )


def _block_header(data: bytes, length: int) -> tuple[bytes, int]:
    """The kind of a block and how many bytes its body has: fields 1 and 3 of a protocol buffer."""
    if len(data) < length or not 0 < length <= _MOST_HEADER_BYTES:
        raise ValueError(length)
    kind, body, at = b"", 0, 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            kind = data[at : at + value] if tag >> 3 == 1 else kind
            at += value
        elif tag == 3 << 3:
            body = value
        else:
            raise ValueError(tag)
    if not kind:
        raise ValueError(kind)
    return kind, body


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1


def _check_xml(path: Path, what: str) -> None:
    """Look at what stands before the first object, and for deleted ones."""
    with _opened(path, what) as file:
        head = file.read(_HEAD_BYTES)
        _not_a_page(head, what)
        begin = re.search(rb"<(osm|osmChange)[\s>/]", head)
        prolog = head[: begin.start()] if begin else head
        if re.search(rb"<!(DOCTYPE|ENTITY)", prolog):
            raise SourceError(
                f"{what}: it declares entities or a document type, which may reach out to other files; "
                "OSM files have none: get it from OpenStreetMap again"
            )
        if begin is None:
            raise SourceError(f"{what}: it is no OSM file (UTF-8 XML with the element <osm>)")
        if begin.group(1) == b"osmChange":
            raise SourceError(f"{what}: it is a file of changes, not of what there is; {_CLEAN}")
        for piece in _pieces(head, file):
            if _DELETED.search(piece):
                raise SourceError(
                    f"{what}: it holds objects that are marked as deleted (a history, or edits of JOSM that weren't "
                    f"uploaded); {_CLEAN}"
                )
            if found := _GIVEN_UP.search(piece):
                reason = found[1].decode("utf-8", "replace").strip()
                raise SourceError(
                    f"{what}: the server gave up before it had found everything ({reason}); ask for a smaller area, "
                    "or get an extract from Geofabrik"
                )


@contextmanager
def _opened(path: Path, what: str) -> Iterator[IO[bytes] | BufferedIOBase]:
    """The XML, unpacked."""
    openers: dict[str, Callable[..., IO[bytes] | BufferedIOBase]] = {".gz": gzip.open, ".bz2": bz2.open}
    opener = openers.get(path.suffix.lower(), open)
    try:
        with opener(path, "rb") as file:
            yield file
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{what}: can't be unpacked: {error}; it is cut off or damaged, download it again") from error


def _pieces(head: bytes, file: IO[bytes] | BufferedIOBase) -> Iterator[bytes]:
    """The whole file, piece by piece, each with the end of the one before."""
    before = b""
    piece = head
    while piece:
        yield before + piece
        before = piece[-_OVERLAP:]
        piece = file.read(_CHUNK_BYTES)


def _not_a_page(head: bytes, what: str) -> None:
    """Raise for what a server sends instead of a file."""
    start = head.removeprefix(b"\xef\xbb\xbf")
    if re.match(rb"\s*(<\?xml[^>]*>\s*)?(<!doctype\s+html|<html)", start, re.IGNORECASE):
        raise SourceError(f"{what}: it is a web page (an error of the server?), not OSM data; download it again")
