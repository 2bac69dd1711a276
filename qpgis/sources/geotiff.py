"""A GeoTIFF opened safely: one driver, nothing beside it trusted, every cell read or the damage named."""

from __future__ import annotations

import logging
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.errors import SourceError
from qpgis.sources import Bounds, regular_file
from qpgis.sources.local import aside, link

if TYPE_CHECKING:
    from pyproj import CRS

VALID, NO_DATA, NOT_A_NUMBER, NOT_STORED = range(4)
"""What a cell is: a value; left out by nodata value, mask or alpha; no number; in no block of the file."""
MOST_BLOCK_BYTES = 128 << 20
"""A block is decoded as a whole: larger ones are refused, so that any raster is read within a gigabyte."""
WINDOW_CELLS = 1 << 22
"""About how many cells are looked at together."""

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08")
_WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld")
_OPTIONS = {
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL,WORLDFILE",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_CACHEMAX": 128,
}
_EARTH_RADIUS_M = (6.3e6, 6.4e6)
_LOSSLESS = ("", "LZW", "DEFLATE", "ZSTD", "LZMA", "PACKBITS", "CCITTRLE", "CCITTFAX3", "CCITTFAX4")


@dataclass(frozen=True)
class Raster:
    """An open GeoTIFF.

    Attributes
    ----------
    dataset : rasterio.DatasetReader
    what : str
        Begins a message.
    crs : CRS or None
        The file's reference system, or that of the ``.prj`` beside it.
    transform : tuple of float or None
        ``(a, b, c, d, e, f)``: ``x = a column + b row + c``, ``y = d column + e row + f``; ``None`` for a picture
        that lies nowhere.
    nodata_text : str
        The value that means no data as the file writes it; empty where it has none.
    """

    dataset: Any
    what: str
    crs: CRS | None
    transform: tuple[float, ...] | None
    nodata_text: str
    _heard: _Heard
    _checked: set[str] = field(default_factory=set)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What GDAL warned of up to now, each warning once."""
        return tuple(dict.fromkeys(self._heard.warnings))

    @cached_property
    def bands(self) -> tuple[int, ...]:
        """The bands, counted from 1, without alpha."""
        from rasterio.enums import ColorInterp

        every = zip(self.dataset.indexes, self.dataset.colorinterp, strict=True)
        return tuple(band for band, meaning in every if meaning != ColorInterp.alpha)

    @property
    def is_picture(self) -> bool:
        """True for red, green and blue: a scan or a photograph, not classes."""
        from rasterio.enums import ColorInterp

        return {ColorInterp.red, ColorInterp.green, ColorInterp.blue} <= set(self.dataset.colorinterp)

    @cached_property
    def structure(self) -> dict[str, str]:
        """How the cells are stored, in GDAL's words."""
        return dict(self.dataset.tags(ns="IMAGE_STRUCTURE"))

    @property
    def lossy(self) -> str:
        """The compression, where it changes values; empty otherwise."""
        said = self.structure
        name = said.get("COMPRESSION", "")
        exact = said.get("COMPRESSION_REVERSIBILITY", "").startswith("LOSSLESS") or said.get("MAX_Z_ERROR") == "0"
        return "" if name in _LOSSLESS or exact else name

    @property
    def rotated(self) -> bool:
        """True if rows and columns don't run along the axes of the reference system."""
        return self.transform is not None and bool(self.transform[1] or self.transform[3])

    @property
    def bounds(self) -> Bounds | None:
        """West, south, east, north of the grid in its own system, where that is its true outline."""
        if self.transform is None or self.rotated:
            return None
        corners = self.place(np.array([[0, 0], [self.dataset.width, self.dataset.height]], dtype=float))
        (x0, y0), (x1, y1) = corners.tolist()
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def place(self, grid: Floats) -> Floats:
        """Columns and rows to coordinates of the raster's system."""
        assert self.transform is not None
        a, b, c, d, e, f = self.transform
        x, y = grid[:, 0], grid[:, 1]
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    def grid(self, xy: Floats) -> Floats:
        """Coordinates of the raster's system to columns and rows."""
        assert self.transform is not None
        a, b, c, d, e, f = self.transform
        x, y, scale = xy[:, 0] - c, xy[:, 1] - f, a * e - b * d
        return np.column_stack([(e * x - b * y) / scale, (a * y - d * x) / scale])

    @cached_property
    def _masks(self) -> tuple[list[Any], ...]:
        return tuple(self.dataset.mask_flag_enums)

    @cached_property
    def _block_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple(self.dataset.block_shapes)

    @cached_property
    def _dtypes(self) -> tuple[str, ...]:
        return tuple(self.dataset.dtypes)

    @cached_property
    def _nodata(self) -> tuple[float | None, ...]:
        return tuple(self.dataset.nodatavals)

    def nodata(self, band: int) -> float | None:
        """The value that means no data; ``None`` also where the file names one that cells can't have."""
        value = self._nodata[band - 1]
        return None if value is None or self.has_impossible_nodata(band) else float(value)

    def has_impossible_nodata(self, band: int) -> bool:
        """True if the value that is to mean no data can't occur among whole numbers of the band's type."""
        dtype = np.dtype(self._dtypes[band - 1])
        if dtype.kind not in "iu" or not self.nodata_text:
            return False
        try:
            value = float(self.nodata_text)
        except ValueError:
            return False
        limits = np.iinfo(dtype)
        return not (limits.min <= value <= limits.max and value == np.floor(value))

    def cells(self, band: int, row: int, column: int, height: int, width: int) -> tuple[NDArray, NDArray[np.uint8]]:
        """Values of a window of a band, and what each cell is: :data:`VALID`, :data:`NO_DATA` and so on.

        Raises
        ------
        SourceError
            If a block is damaged or missing; it is named.
        """
        from rasterio.enums import MaskFlags

        window = ((row, row + height), (column, column + width))
        values = self._decoded(band, window, mask=False)
        state = np.full(values.shape, VALID, dtype=np.uint8)
        if values.dtype.kind == "f":
            state[~np.isfinite(values)] = NOT_A_NUMBER
        if MaskFlags.all_valid in self._masks[band - 1] or self.has_impossible_nodata(band):
            self._mark_not_stored(band, values, state, row, column)
        else:
            state[self._decoded(band, window, mask=True) == 0] = NO_DATA
        return values, state

    def windows(self, band: int) -> Iterator[tuple[int, int, int, int]]:
        """Row, column, height and width of windows that cover the raster and cut few blocks."""
        block_height, block_width = self._block_shapes[band - 1]
        width = min(self.dataset.width, 1 << 16, -(-2048 // block_width) * block_width)
        height = max(1, WINDOW_CELLS // width)
        height = height // block_height * block_height or height
        for row in range(0, self.dataset.height, height):
            for column in range(0, self.dataset.width, width):
                yield row, column, min(height, self.dataset.height - row), min(width, self.dataset.width - column)

    def _decoded(self, band: int, window: tuple, *, mask: bool) -> NDArray:
        read = self.dataset.read_masks if mask else self.dataset.read
        try:
            return self._whole(read, band, window)
        except _errors():
            for row, column, block in self._blocks(band, window):
                try:
                    self._whole(read, band, block)
                except _errors() as error:
                    raise SourceError(
                        f"{self.what}: band {band}, block {row}, {column} (rows {block[0][0]} to {block[0][1] - 1}, "
                        f"columns {block[1][0]} to {block[1][1] - 1}) can't be decoded, the file is damaged: "
                        f"{_reason(error)}; get it again"
                    ) from error
            raise SourceError(f"{self.what}: band {band} can't be decoded; get the file again") from None

    def _whole(self, read: Any, band: int, window: tuple) -> NDArray:
        """Read a window; what GDAL only says of damage is an error too."""
        before = len(self._heard.errors)
        values: NDArray = read(band, window=window)
        if len(self._heard.errors) > before:
            raise _Damage(self._heard.errors[before])
        if self.structure.get("COMPRESSION") == "DEFLATE":
            self._compare_checksums(band, window)
        return values

    def _compare_checksums(self, band: int, window: tuple) -> None:
        """Unpack blocks once more by zlib, which minds the checksum at the end of each; GDAL doesn't."""
        with Path(self.dataset.name).open("rb") as stream:
            for row, column, _ in self._blocks(band, window):
                offset, size = (
                    self.dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", band)
                    for what in ("OFFSET", "SIZE")
                )
                if offset is None or size is None or offset in self._checked:
                    continue
                stream.seek(int(offset))
                unpacking = zlib.decompressobj()
                try:
                    unpacking.decompress(stream.read(int(size)), 2 * MOST_BLOCK_BYTES)
                except zlib.error as error:
                    raise _Damage(str(error)) from error
                if not (unpacking.eof or unpacking.unconsumed_tail):
                    raise _Damage("it ends too early")
                self._checked.add(offset)

    def _blocks(self, band: int, window: tuple) -> Iterator[tuple[int, int, tuple]]:
        """Row and column of each block that a window touches, and the block as a window."""
        height, width = self._block_shapes[band - 1]
        (top, bottom), (left, right) = window
        for row in range(top // height, -(-bottom // height)):
            for column in range(left // width, -(-right // width)):
                rows = row * height, min((row + 1) * height, self.dataset.height)
                yield row, column, (rows, (column * width, min((column + 1) * width, self.dataset.width)))

    def _mark_not_stored(self, band: int, values: NDArray, state: NDArray, row: int, column: int) -> None:
        """A block that isn't in the file comes as zeros, which nobody measured."""
        if values.all():
            return
        window = ((row, row + values.shape[0]), (column, column + values.shape[1]))
        for block_row, block_column, (rows, columns) in self._blocks(band, window):
            part = (
                slice(max(rows[0] - row, 0), max(rows[1] - row, 0)),
                slice(max(columns[0] - column, 0), max(columns[1] - column, 0)),
            )
            offset = f"BLOCK_OFFSET_{block_column}_{block_row}"
            if not values[part].any() and self.dataset.get_tag_item(offset, "TIFF", band) is None:
                state[part] = NOT_STORED


@contextmanager
def opened(path: Path, what: str) -> Iterator[Raster]:
    """A GeoTIFF, for as long as it is needed.

    Nothing is written, no other file is opened but a world file, a ``.prj`` and a TIFF mask (``.msk``) beside it.

    Raises
    ------
    SourceError
        If it is no TIFF, is damaged, holds complex numbers, or if its place is only given by control points.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    _require_tiff(path, what)
    with aside(path, *_beside(path, *_WORLD_FILES)) as home, warnings.catch_warnings(), _hearing(home, what) as heard:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        mask = path.with_name(f"{path.name}.msk")
        if is_tiff(mask):
            link(mask, home.with_name(f"{home.name}.msk"))
        with rasterio.Env(**_OPTIONS):
            try:
                with rasterio.open(home, driver="GTiff") as dataset:
                    _require_usable(dataset, what)
                    system, transform = _system(dataset, path, what), _transform(dataset, what)
                    yield Raster(dataset, what, system, transform, _nodata_text(path), heard)
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{what}: the name of its reference system isn't in UTF-8; state the system again, "
                    "e.g. gdal_edit.py -a_srs EPSG:4549 in.tif"
                ) from error
            except _errors() as error:
                raise SourceError(f"{what}: can't be read as GeoTIFF: {_reason(error)}; export it again") from error


def _beside(path: Path, *suffixes: str) -> tuple[Path, ...]:
    """The files of the same name beside a TIFF, one of each suffix, however it is written."""
    there = {p.suffix.lower(): p for p in sorted(path.parent.glob("*")) if p.stem == path.stem and p.is_file()}
    return tuple(there[suffix] for suffix in suffixes if suffix in there)


def is_tiff(path: Path) -> bool:
    """True for a regular file that begins as TIFF or BigTIFF does."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(8).startswith(_MAGIC)


def _require_tiff(path: Path, what: str) -> None:
    try:
        good = is_tiff(regular_file(path, what=what))
    except PermissionError as error:
        raise SourceError(f"{what}: can't be read ({error.strerror})") from error
    if not good:
        raise SourceError(f"{what}: it is no TIFF, whatever its name says; give it its true suffix or export it again")


_NODATA_TAG = 42113


def _nodata_text(path: Path) -> str:
    """What the first image's tag of the nodata value says; rasterio keeps it back where no cell can have it."""
    with path.open("rb") as stream:
        head = stream.read(16)
        order, big = "<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+")
        count_as, entry_as = (order + "Q", order + "HHQ8s") if big else (order + "H", order + "HHI4s")
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
        stream.seek(at)
        (count,) = struct.unpack(count_as, stream.read(struct.calcsize(count_as)))
        size = struct.calcsize(entry_as)
        entries = stream.read(min(count, 0xFFFF) * size)
        for tag, _, length, value in struct.iter_unpack(entry_as, entries[: len(entries) // size * size]):
            if tag == _NODATA_TAG:
                if length > len(value):
                    stream.seek(struct.unpack(order + ("Q" if big else "I"), value)[0])
                    value = stream.read(min(length, 64))
                return str(value[:length].split(b"\0")[0].decode("ascii", "replace"))
    return ""


def _require_usable(dataset: Any, what: str) -> None:
    """Refuse what no cell can be taken from, before any is read."""
    if not dataset.count:
        raise SourceError(f"{what}: it has no bands")
    dtypes, shared = dataset.dtypes, dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    odd = [str(dtype) for dtype in dtypes if "complex" in str(dtype)]
    if odd:
        raise SourceError(f"{what}: its values are complex numbers ({odd[0]}); export one real band")
    for (height, width), dtype in dict.fromkeys(zip(dataset.block_shapes, dtypes, strict=True)):
        size = height * width * shared * np.dtype(dtype).itemsize
        if size > MOST_BLOCK_BYTES:
            raise SourceError(
                f"{what}: it is stored in blocks of {height} x {width} cells ({size >> 20} MiB each), too large to be "
                "decoded; write it tiled, e.g. gdal_translate -co TILED=YES -co COMPRESS=DEFLATE in.tif out.tif"
            )


def _transform(dataset: Any, what: str) -> tuple[float, ...] | None:
    """From columns and rows to coordinates; ``None`` if the file doesn't say."""
    found = tuple(float(v) for v in dataset.transform[:6])
    if found == (1, 0, 0, 0, 1, 0):
        points = len(dataset.gcps[0])
        if points or dataset.rpcs:
            how = f"{points} control points (GCP)" if points else "rational polynomial coefficients (RPC)"
            raise SourceError(
                f"{what}: its place is only given by {how}; rectify it first, e.g. gdalwarp in.tif out.tif"
            )
        return None
    if not np.isfinite(found).all() or found[0] * found[4] == found[1] * found[3]:
        raise SourceError(f"{what}: its georeferencing {found} makes no grid; export it again")
    return found


def world_file(path: Path) -> tuple[str, tuple[float, ...]] | None:
    """The name of the world file beside a raster and the transform that it states; ``None`` where there is none."""
    for beside in _beside(path, *_WORLD_FILES):
        words = beside.read_text("ascii", errors="replace").replace(",", ".").split()
        try:
            a, d, b, e, x, y = map(float, words[:6])
        except ValueError:
            continue
        return beside.name, (a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)  # it names the middle of the first cell
    return None


def _system(dataset: Any, path: Path, what: str) -> CRS | None:
    """The raster's reference system, or else that of the ``.prj`` beside it.

    Raises
    ------
    SourceError
        If PROJ doesn't know it, or if it is on another body than the Earth.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    unknown: tuple[type[Exception], ...] = (CRSError, *_errors())
    try:
        text = dataset.crs.to_wkt() if dataset.crs else _prj(path)
        system = CRS.from_wkt(text) if text else None
    except unknown as error:
        raise SourceError(f"{what}: PROJ doesn't know its reference system: {_reason(error)}") from error
    if system is None or system.ellipsoid is None:
        return system
    if not _EARTH_RADIUS_M[0] < system.ellipsoid.semi_major_metre < _EARTH_RADIUS_M[1]:
        raise SourceError(f"{what}: its reference system {system.name!r} isn't on the Earth; plans are")
    return system


def _prj(path: Path) -> str:
    return "".join(one.read_text("utf-8-sig", errors="replace").strip() for one in _beside(path, ".prj"))


class _Damage(Exception):
    """GDAL said that a block is damaged, and gave values all the same."""


def _errors() -> tuple[type[Exception], ...]:
    """What comes of files that can't be read."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import CRSError, RasterioError

    return CPLE_BaseError, CRSError, RasterioError, UnicodeDecodeError, _Damage, MemoryError


def _reason(error: BaseException) -> str:
    """The first cause of an error, without our temporary path."""
    while error.__cause__ is not None:
        error = error.__cause__
    return re.sub(r"(\S*[/\\])?data\.tiff?(, band \d+)?[:,]?\s*", "", str(error)).strip(" .") or type(error).__name__


class _Heard(logging.Handler):
    """Takes what GDAL logs: warnings, and errors that it doesn't raise."""

    def __init__(self, home: Path, what: str) -> None:
        super().__init__(logging.WARNING)
        self.home, self.what = home, what
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().replace(str(self.home), self.what)
        (self.errors if record.levelno >= logging.ERROR else self.warnings).append(text)


@contextmanager
def _hearing(home: Path, what: str) -> Iterator[_Heard]:
    """GDAL's log kept for us instead of the terminal; rasterio stumbles over messages that quote a damaged file."""
    heard, logger = _Heard(home, what), logging.getLogger("rasterio")
    before, hook = logger.propagate, sys.unraisablehook
    logger.addHandler(heard)
    logger.propagate = False
    sys.unraisablehook = lambda lost: heard.warnings.append(f"GDAL's message can't be read: {lost.exc_value}")
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.propagate, sys.unraisablehook = before, hook
