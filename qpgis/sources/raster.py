"""GeoTIFF: what a raster is, its classes as polygons, its amounts as cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, parse
from qpgis.crs.systems import from_lonlat
from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import Bounds, RawFeatures, Request
from qpgis.sources.geotiff import NO_DATA, NOT_A_NUMBER, NOT_STORED, VALID, Raster, opened, world_file
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.patches import BLOCK, patches

if TYPE_CHECKING:
    from pyproj import CRS

DRIVER = "GTiff"
SUFFIXES = (".tif", ".tiff")
MOST_COUNTED = 200_000_000
"""Rasters with more cells, over all bands, are told of without their values: reading them takes minutes."""
MOST_CLASSES = 1000
"""A band of whole numbers with more different ones is no map of classes; they aren't counted one by one."""
MOST_CELLS = 200_000_000
"""As many cells are read as a layer at most."""
MOST_PATCHES = 1_000_000
"""As many polygons are made of a raster at most: more wouldn't fit into memory."""
CHUNK_COLUMNS = 4 * BLOCK
EDGE_POINTS = 65
MARGIN_CELLS = 2
EXACT_INTEGERS = 2**53
"""Larger values aren't whole numbers for certain, and no codes of classes."""

Colour = tuple[int, int, int, int]


@dataclass(frozen=True)
class BandInfo:
    """One band of a raster.

    Attributes
    ----------
    name : str
        As ``layer = "..."`` takes it.
    dtype : str
        The type of its values.
    nodata : float or None
        The value that means no data, as the file declares it.
    scale, offset : float
        What the file says its values have to be multiplied with, and what added; class codes are values as stored.
    colours : mapping of int to tuple
        Red, green, blue and alpha of values, where the file has a colour table; of the counted classes only.
    valid, no_data, not_a_number, not_stored : int or None
        How many cells have a value, are left out by nodata value, mask or alpha, hold no number though nothing says
        so, and lie in blocks that the file doesn't have. ``None`` where the cells weren't looked at.
    minimum, maximum, mean : float or None
        Over the cells with a value.
    classes : mapping of int to int, or None
        Cells of each value of a band of whole numbers; ``None`` for any other and for more than a thousand values.
    """

    name: str
    dtype: str
    nodata: float | None
    scale: float = 1.0
    offset: float = 0.0
    colours: Mapping[int, Colour] | None = None
    valid: int | None = None
    no_data: int | None = None
    not_a_number: int | None = None
    not_stored: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    classes: Mapping[int, int] | None = None

    @property
    def is_classes(self) -> bool:
        """True if the band can be read as a layer: whole numbers, not too many."""
        return self.classes is not None


@dataclass(frozen=True)
class RasterInfo:
    """What a GeoTIFF is.

    Attributes
    ----------
    file : str
        Its name as outputs show it.
    width, height : int
        Columns and rows.
    bands : tuple of BandInfo
        Alpha isn't among them.
    crs : CRS or None
        The reference system that the file names.
    transform : tuple of float or None
        ``(a, b, c, d, e, f)``: ``x = a column + b row + c``, ``y = d column + e row + f``; ``None`` for a picture
        that lies nowhere.
    bounds : tuple or None
        West, south, east, north in its own system, unless rows and columns run aslant.
    pixel_is : str
        ``area`` or ``point``, as the file says; of a point the cell lies around it, which ``transform`` allows for.
    images : int
        How many images the file holds; the first one is read.
    compression : str
        How it is compressed, empty for not at all.
    """

    file: str
    width: int
    height: int
    bands: tuple[BandInfo, ...]
    crs: CRS | None
    transform: tuple[float, ...] | None
    bounds: Bounds | None
    pixel_is: str
    images: int
    compression: str


def raster_info(path: Path, name: str, findings: Findings, *, role: str = "") -> RasterInfo:
    """Look at a raster, its values included: every block is read unless there are very many.

    Raises
    ------
    SourceError
        If it is no GeoTIFF that can be used, or if a block is damaged.
    """
    request = Request(path, name, role, findings)
    with opened(path, request.what) as raster:
        _note_oddities(raster, request)
        if raster.transform is None:
            request.note(Severity.WARNING, "raster_without_place")
        names = _names(raster, path)
        cells = raster.dataset.width * raster.dataset.height * len(names)
        if cells > MOST_COUNTED:
            request.note(Severity.INFO, "raster_not_counted", count=cells)
        infos = tuple(_band(raster, band, one, request, counted=cells <= MOST_COUNTED) for one, band in names.items())
        for remark in raster.remarks:
            request.note(Severity.WARNING, "reader_remark", value=remark)
        return RasterInfo(
            file=name,
            width=raster.dataset.width,
            height=raster.dataset.height,
            bands=infos,
            crs=raster.crs,
            transform=raster.transform,
            bounds=raster.bounds,
            pixel_is=(raster.dataset.get_tag_item("AREA_OR_POINT") or "Area").lower(),
            images=max(1, len(raster.dataset.subdatasets)),
            compression=raster.structure.get("COMPRESSION", ""),
        )


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the bands: ``band 1``, ``band 2`` ...; a single one is called as the file."""
    with opened(path, name) as raster:
        return tuple(_names(raster, path))


def read(request: Request) -> RawFeatures:
    """The classes of one band as polygons: groups of equal cells along their exact edges.

    Cells belong together where they share sides, within squares of 256 rows and columns. ``feature_id`` is the group's
    first cell (``R12C40``, counted from 1), ``class`` its value as stored. Cells without data belong to no polygon.

    Where ``request.amounts`` says that cells hold amounts, each cell with some is a polygon with its ``amount``, the
    file's scale and offset applied; ``surveyed`` is where there is data, cells of nobody included.

    Raises
    ------
    SourceError
        If the values are no classes, or none at all; if an amount is negative; if the raster lies nowhere or is too
        large to be read.
    """
    import geopandas as gpd

    with opened(request.path, request.what) as raster:
        names = _names(raster, request.path)
        layer = chosen_layer(request, tuple(names))
        band = names[layer]
        if raster.transform is None:
            raise request.refusal("it is a picture without a place; georeference it first")
        _note_oddities(raster, request)
        _note_values(raster, band, request)
        wanted, surveyed = _wanted(raster, request), None
        columns: dict[str, Any]
        if request.amounts:
            polygons, amounts, ids, counts, surveyed = _cells_with_amounts(raster, band, wanted, request)
            columns = {"feature_id": ids, "amount": amounts}
        else:
            polygons, values, ids, counts = _groups(raster, band, wanted, request)
            columns = {"feature_id": ids, "class": [str(value) for value in values.tolist()]}
        if counts.sum() and not counts[VALID]:
            raise request.refusal("no cell has data here; nothing was surveyed")
        _note_cells(request, counts)
        frame = gpd.GeoDataFrame(columns, geometry=polygons, crs=raster.crs)
        return RawFeatures(frame, request.name, DRIVER, raster.bounds, raster.remarks, layer, surveyed=surveyed)


def whole_numbers(raster: Raster, band: int, row: int, column: int, height: int, width: int) -> tuple[NDArray, NDArray]:
    """Values of a window as whole numbers, and what each cell is; see :meth:`Raster.cells`.

    Raises
    ------
    SourceError
        If a value is no whole number: the band isn't one of classes.
    """
    values, state = raster.cells(band, row, column, height, width)
    valid = state == VALID
    if values.dtype.kind == "f" or values.dtype == np.uint64:
        odd = valid & ((values != np.floor(values)) | (np.abs(values) > EXACT_INTEGERS))
        if odd.any():
            r, c = np.argwhere(odd)[0]
            raise SourceError(
                f"{raster.what}: band {band} holds measurements, no classes (row {row + r + 1}, "
                f"column {column + c + 1}: {values[r, c]}); classify it first, to whole numbers"
            )
        values = np.where(valid, values, 0).astype(np.int64)
    return values, state


def _names(raster: Raster, path: Path) -> dict[str, int]:
    if len(raster.bands) == 1:
        return {path.stem: raster.bands[0]}
    return {f"band {band}": band for band in raster.bands}


def _note_oddities(raster: Raster, request: Request) -> None:
    """What about the file as a whole has to be said, though it can be read."""
    images = len(raster.dataset.subdatasets)
    if images > 1:
        request.note(Severity.WARNING, "raster_several_images", value=str(images), count=images)
    if raster.rotated:
        assert raster.transform is not None
        turn = np.degrees(np.arctan2(raster.transform[3], raster.transform[0]))
        request.note(Severity.WARNING, "raster_rotated", value=f"{turn:.4g}°")
    if raster.structure.get("MINISWHITE") == "YES":
        request.note(Severity.WARNING, "raster_min_is_white")
    if raster.is_picture:
        request.note(Severity.WARNING, "raster_picture")
    if raster.lossy:
        request.note(Severity.WARNING, "raster_lossy", value=raster.lossy)
    _note_companions(raster, request)


_TELLING = re.compile(rb"<(NoDataValue|SRS|GeoTransform|GCPList)\b")
_READ_SIDECAR = 1 << 20


def _note_companions(raster: Raster, request: Request) -> None:
    """Name files beside the raster that other programs heed and this one doesn't."""
    sidecar = request.path.with_name(f"{request.path.name}.aux.xml")
    if sidecar.is_file():
        with sidecar.open("rb") as stream:
            told = {match.decode() for match in _TELLING.findall(stream.read(_READ_SIDECAR))}
        if "NoDataValue" in told and any(raster.nodata(band) is None for band in raster.bands):
            request.note(Severity.ERROR, "raster_sidecar_nodata", value=sidecar.name)
        elif told - {"NoDataValue"}:
            request.note(Severity.WARNING, "raster_sidecar_place", value=sidecar.name)
    world = world_file(request.path)
    if world is not None and raster.transform is not None and _cells_apart(raster, world[1]) > 1:
        request.note(Severity.WARNING, "raster_world_file", value=world[0])


def _cells_apart(raster: Raster, other: tuple[float, ...]) -> float:
    """How many cells the corners lie elsewhere by another transform."""
    width, height = raster.dataset.width, raster.dataset.height
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
    a, b, c, d, e, f = other
    places = corners @ np.array([[a, d], [b, e]]) + (c, f)
    return float(np.abs(raster.grid(places) - corners).max())


def _note_values(raster: Raster, band: int, request: Request) -> None:
    """What has to be said about the values of a band."""
    dataset = raster.dataset
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    if (scale, offset) != (1, 0) and not request.amounts:
        request.note(Severity.WARNING, "raster_scaled", value=f"{scale:g}, {offset:g}")
    if raster.has_impossible_nodata(band):
        request.note(
            Severity.WARNING, "raster_impossible_nodata", value=raster.nodata_text, dtype=dataset.dtypes[band - 1]
        )


def _note_cells(request: Request, counts: NDArray[np.int64]) -> None:
    """Name the cells that have no value, by why they haven't."""
    total = int(counts.sum())
    if counts[NO_DATA]:
        share = f"{counts[NO_DATA] / total:.2%}"
        request.note(Severity.INFO, "raster_no_data", value=share, count=int(counts[NO_DATA]))
    if counts[NOT_A_NUMBER]:
        request.note(Severity.WARNING, "raster_not_a_number", count=int(counts[NOT_A_NUMBER]))
    if counts[NOT_STORED]:
        request.note(Severity.WARNING, "raster_not_stored", count=int(counts[NOT_STORED]))


def _band(raster: Raster, band: int, name: str, request: Request, *, counted: bool) -> BandInfo:
    """One band; its values too if ``counted``."""
    _note_values(raster, band, request)
    dataset = raster.dataset
    info = BandInfo(
        name,
        dtype=str(dataset.dtypes[band - 1]),
        nodata=raster.nodata(band),
        scale=float(dataset.scales[band - 1]),
        offset=float(dataset.offsets[band - 1]),
    )
    if not counted:
        return info
    counts, sums, low, high = np.zeros(4, dtype=np.int64), [], np.inf, -np.inf
    classes: dict[int, int] | None = {}
    for window in raster.windows(band):
        values, state = raster.cells(band, *window)
        counts += np.bincount(state.ravel(), minlength=len(counts))
        values = values[state == VALID]
        if not len(values):
            continue
        low, high = min(low, values.min()), max(high, values.max())
        sums.append(values.sum(dtype=float))
        classes = _added(classes, values)
    _note_cells(request, counts)
    valid = int(counts[VALID])
    return replace(
        info,
        colours=_colours(raster, band, classes),
        valid=valid,
        no_data=int(counts[NO_DATA]),
        not_a_number=int(counts[NOT_A_NUMBER]),
        not_stored=int(counts[NOT_STORED]),
        minimum=float(low) if valid else None,
        maximum=float(high) if valid else None,
        mean=float(np.sum(sums)) / valid if valid else None,
        classes=dict(sorted(classes.items())) if classes is not None else None,
    )


def _added(classes: dict[int, int] | None, values: NDArray) -> dict[int, int] | None:
    """The counts of classes with those of some more cells; ``None`` if they are no classes or too many."""
    if classes is None or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
        return None
    found, counts = tallied(values)
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        classes[int(value)] = classes.get(int(value), 0) + count
    return classes if len(classes) <= MOST_CLASSES else None


def tallied(values: NDArray, weights: Floats | None = None) -> tuple[NDArray, NDArray]:
    """The different values, ascending, and how many cells have each, or the sum of their weights."""
    if values.dtype.kind in "iu" and len(values) and int(values.max()) - int(values.min()) < 1 << 16:
        low = int(values.min())
        shifted = values.astype(np.int64) - low
        cells = np.bincount(shifted)
        there = np.flatnonzero(cells)
        return there + low, (cells if weights is None else np.bincount(shifted, weights))[there]
    found, place, cells = np.unique(values, return_inverse=True, return_counts=True)
    return found, cells if weights is None else np.bincount(place, weights, minlength=len(found))


def _colours(raster: Raster, band: int, classes: Mapping[int, int] | None) -> dict[int, Colour] | None:
    """The colours of the classes that occur, where the band has a colour table."""
    from rasterio.enums import ColorInterp

    if raster.dataset.colorinterp[band - 1] != ColorInterp.palette or classes is None:
        return None
    try:
        table = raster.dataset.colormap(band)
    except ValueError:
        return None
    return {value: table[value] for value in classes if value in table}


def _wanted(raster: Raster, request: Request) -> tuple[int, int, int, int]:
    """First row and column, end row and column of what has to be read: whole blocks of groups.

    Raises
    ------
    SourceError
        If that is too much.
    """
    height, width = raster.dataset.height, raster.dataset.width
    top, left, bottom, right = 0, 0, height, width
    system = request.crs or raster.crs
    if request.window is not None and system is not None:
        ring = shapely.segmentize(shapely.box(*request.window).exterior, _longest_side(request.window) / EDGE_POINTS)
        wkt = parse(system, what=request.what).to_wkt()
        grid = raster.grid(from_lonlat(wkt, request.what)(shapely.get_coordinates(ring)))
        if np.isfinite(grid).all():
            (left, top), (right, bottom) = grid.min(axis=0) - MARGIN_CELLS, grid.max(axis=0) + MARGIN_CELLS
    rows, columns = _blocks(top, bottom, height), _blocks(left, right, width)
    cells = (rows[1] - rows[0]) * (columns[1] - columns[0])
    if cells > MOST_CELLS:
        raise request.refusal(
            f"{cells:,} cells are too many to be read as a layer (at most {MOST_CELLS:,}); cut out what is needed, "
            "e.g. gdal_translate -projwin west north east south in.tif out.tif"
        )
    return rows[0], columns[0], rows[1], columns[1]


def _longest_side(box: Bounds) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _blocks(first: float, end: float, size: int) -> tuple[int, int]:
    """Where the blocks of groups begin and end that a range of rows or columns touches."""
    begin = int(np.clip(np.floor(first / BLOCK) * BLOCK, 0, size))
    return begin, max(begin, int(np.clip(np.ceil(end / BLOCK) * BLOCK, 0, size)))


def _groups(
    raster: Raster, band: int, wanted: tuple[int, int, int, int], request: Request
) -> tuple[NDArray, NDArray, list[str], NDArray[np.int64]]:
    """Polygons, their values and ids, and how many cells there are of each state."""
    polygons: list[NDArray] = [np.empty(0, dtype=object)]
    values: list[NDArray] = [np.empty(0, dtype=np.int64)]
    ids: list[str] = []
    counts = np.zeros(4, dtype=np.int64)
    for row, column, height, width in _pieces(*wanted):
        cells, state = _with_margin(whole_numbers, raster, band, row, column, height, width)
        counts += np.bincount(state[1:-1, 1:-1].ravel(), minlength=len(counts))
        found = patches(cells, state == VALID, row, column)
        polygons.append(shapely.transform(found.polygons, raster.place))
        values.append(cells[found.row - row + 1, found.column - column + 1])
        ids += _ids(found.row, found.column)
        if len(ids) > MOST_PATCHES:
            raise request.refusal(
                f"its cells make more than {MOST_PATCHES:,} polygons; cut out what is needed, or smooth it first, "
                "e.g. gdal_sieve"
            )
    return np.concatenate(polygons), np.concatenate(values), ids, counts


def _cells_with_amounts(
    raster: Raster, band: int, wanted: tuple[int, int, int, int], request: Request
) -> tuple[NDArray, Floats, list[str], NDArray[np.int64], NDArray]:
    """Each cell with an amount as a polygon, amounts, ids, how many cells there are of each state, where data is."""
    scale, offset = raster.dataset.scales[band - 1], raster.dataset.offsets[band - 1]
    polygons: list[NDArray] = [np.empty(0, dtype=object)]
    surveyed: list[NDArray] = [np.empty(0, dtype=object)]
    amounts: list[Floats] = [np.empty(0)]
    ids: list[str] = []
    counts = np.zeros(4, dtype=np.int64)
    for row, column, height, width in _pieces(*wanted):
        stored, state = _with_margin(Raster.cells, raster, band, row, column, height, width)
        surveyed.append(patches(np.zeros(state.shape), state == VALID, row, column).polygons)
        stored, state = stored[1:-1, 1:-1], state[1:-1, 1:-1]
        counts += np.bincount(state.ravel(), minlength=len(counts))
        found = np.where(state == VALID, stored.astype(float) * scale + offset, 0)
        if (found < 0).any():
            r, c = np.argwhere(found < 0)[0]
            raise request.refusal(
                f"negative amounts (row {row + r + 1}, column {column + c + 1}: {stored[r, c]}); if that means no "
                f"data, say so: gdal_edit.py -a_nodata {stored[r, c]} FILE"
            )
        r, c = np.nonzero(found)
        polygons.append(_squares(r + row, c + column))
        amounts.append(found[r, c])
        ids += _ids(r + row, c + column)
        if len(ids) > MOST_PATCHES:
            raise request.refusal(
                f"more than {MOST_PATCHES:,} of its cells aren't 0; cut out what is needed, or sum it to larger cells, "
                "e.g. gdalwarp -r sum -tr 500 500 in.tif out.tif"
            )
    placed = (shapely.transform(np.concatenate(shapes), raster.place) for shapes in (polygons, surveyed))
    return next(placed), np.concatenate(amounts), ids, counts, next(placed)


def _pieces(top: int, left: int, bottom: int, right: int) -> Iterator[tuple[int, int, int, int]]:
    """Row, column, height and width of what is looked at together, block by block of groups."""
    for row in range(top, bottom, BLOCK):
        for column in range(left, right, CHUNK_COLUMNS):
            yield row, column, min(BLOCK, bottom - row), min(CHUNK_COLUMNS, right - column)


def _ids(row: NDArray, column: NDArray) -> list[str]:
    return [f"R{r + 1}C{c + 1}" for r, c in zip(row.tolist(), column.tolist(), strict=True)]


def _squares(row: NDArray, column: NDArray) -> NDArray:
    """Cells as polygons, in columns and rows of the grid."""
    x, y = column[:, None] + (0, 1, 1, 0, 0), row[:, None] + (0, 0, 1, 1, 0)
    return np.asarray(shapely.polygons(np.stack([x, y], axis=2).astype(float)), dtype=object)


def _with_margin(
    read: Callable[..., tuple[NDArray, NDArray]],
    raster: Raster,
    band: int,
    row: int,
    column: int,
    height: int,
    width: int,
) -> tuple[NDArray, NDArray[np.uint8]]:
    """A window with one more row and column on every side; beyond the raster there is no data."""
    first = max(row - 1, 0), max(column - 1, 0)
    end = min(row + height + 1, raster.dataset.height), min(column + width + 1, raster.dataset.width)
    values, state = read(raster, band, *first, end[0] - first[0], end[1] - first[1])
    around = [
        (first[n] - start + 1, start + size + 1 - end[n])
        for n, (start, size) in enumerate(((row, height), (column, width)))
    ]
    return np.pad(values, around), np.pad(state, around, constant_values=NO_DATA)
