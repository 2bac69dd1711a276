"""Which module reads a file: by its suffix, never by guessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from qpgis.errors import SourceError
from qpgis.findings import Severity
from qpgis.sources import (
    RawFeatures,
    Request,
    dxf,
    filegdb,
    flatgeobuf,
    geojson,
    geopackage,
    gml,
    kml,
    parquet,
    raster,
    regular_file,
    shapefile,
    tabular,
)
from qpgis.sources.archives import unpacked
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.osm import SUFFIXES as OSM_SUFFIXES


@dataclass(frozen=True)
class Format:
    """How a format is read: its layers' names, and one layer."""

    layers: Callable[[Path, str], tuple[str, ...]]
    read: Callable[[Request], RawFeatures]


def _formats() -> Iterator[tuple[str, Format]]:
    table = {
        (".gpkg",): geopackage,
        (".geojson", ".json"): geojson,
        (".shp", ".dbf"): shapefile,
        (".parquet", ".geoparquet"): parquet,
        (".fgb",): flatgeobuf,
        (".gdb",): filegdb,
        (".kml", ".kmz"): kml,
        (".gml",): gml,
        (".dxf", ".dwg"): dxf,
        (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".et"): tabular,
        (".tif", ".tiff"): raster,
    }
    for suffixes, module in table.items():
        yield from ((suffix, Format(module.layers, module.read)) for suffix in suffixes)


FORMATS: Mapping[str, Format] = MappingProxyType(dict(_formats()))
"""How each suffix is read. OpenStreetMap extracts hold many layers at once and have a reader of their own."""
ARCHIVE = ".zip"
ARCHIVES = (ARCHIVE, ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
NOTE = ".txt"
"""Beside other data a file of text describes it."""
GEODATABASE = ".gdb"
APART = " / "
"""Between an archive's dataset and the layer in it."""


def read_features(request: Request) -> RawFeatures:
    """Every feature of one layer of a file.

    Raises
    ------
    SourceError
        If the file is missing, of an unknown format, damaged or not safe, or if the layer isn't in it, or not alone.
    """
    path = _there(request.path, request.what)
    if path.suffix.lower() != ARCHIVE:
        return _format(path, request.what).read(request)
    with unpacked(path, request.what) as folder:
        found = _inside(folder, request.what)
        _note_unread(request, folder)
        dataset, layer = found[chosen_layer(_by_inner_name(request, found), tuple(found))]
        name = f"{request.name}/{dataset.relative_to(folder).as_posix()}"
        return _format(dataset, request.what).read(request.at(dataset, name=name, layer=layer))


def layer_names(path: Path, what: str) -> tuple[str, ...]:
    """The names of the layers in a file, as ``layer = "..."`` takes them.

    Raises
    ------
    SourceError
        As :func:`read_features`.
    """
    path = _there(path, what)
    if path.suffix.lower() != ARCHIVE:
        return _format(path, what).layers(path, what)
    with unpacked(path, what) as folder:
        return tuple(_inside(folder, what))


def _there(path: Path, what: str) -> Path:
    """The path, if it is a regular local file or a file geodatabase."""
    return path if path.suffix.lower() == GEODATABASE and path.is_dir() else regular_file(path, what=what)


def _format(path: Path, what: str) -> Format:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(sorted([*FORMATS, ARCHIVE, *OSM_SUFFIXES]))
        raise SourceError(f"{what}: qpgis doesn't read {path.suffix or path.name!r} files; use one of {known}")
    return FORMATS[suffix]


def _inside(folder: Path, what: str) -> dict[str, tuple[Path, str]]:
    """The layers of an unpacked archive by the names that ``layer = "..."`` takes: dataset and layer of each.

    A layer is called as its dataset where that has only one, else ``dataset / layer``; datasets of equal names go by
    their paths.
    """
    datasets = _datasets(folder)
    if not datasets:
        raise SourceError(_nothing(folder, what))
    stems = [path.stem for path in datasets]
    found: dict[str, tuple[Path, str]] = {}
    for path in datasets:
        inner = path.relative_to(folder).as_posix()
        called = path.stem if stems.count(path.stem) == 1 else inner
        names = _layers_or_itself(path, f"{what}/{inner}")
        for layer in names:
            found[called if len(names) == 1 else f"{called}{APART}{layer}"] = path, layer
    return found


def _layers_or_itself(path: Path, what: str) -> tuple[str, ...]:
    """A dataset's layers; one that can't even be listed stands for itself, and is refused when it is read."""
    try:
        return _format(path, what).layers(path, what)
    except SourceError:
        return (path.stem,)


def _by_inner_name(request: Request, found: Mapping[str, tuple[Path, str]]) -> Request:
    """The request, its layer by the archive's name for it where it is the dataset's own."""
    called = [name for name, (_, layer) in found.items() if layer == request.layer]
    return request.at(request.path, layer=called[0]) if request.layer not in found and len(called) == 1 else request


def _datasets(folder: Path) -> list[Path]:
    """What can be read by itself: no companion of a shapefile, nothing within a file geodatabase, no note beside it."""
    every = [path for path in sorted(folder.rglob("*")) if _is_dataset(path)]
    notes = [path for path in every if path.suffix.lower() == NOTE]
    return [path for path in every if path not in notes] or notes


def _is_dataset(path: Path) -> bool:
    suffix = path.suffix.lower()
    if any(parent.suffix.lower() == GEODATABASE for parent in path.parents):
        return False
    if suffix == GEODATABASE or not path.is_file():
        return suffix == GEODATABASE and path.is_dir()
    if suffix == ".dbf":
        return not _suffixes_beside(path) & {".shp", ".shx"}
    return suffix in FORMATS


def _suffixes_beside(path: Path) -> set[str]:
    """The suffixes of the files that bear a file's name."""
    return {other.suffix.lower() for other in path.parent.iterdir() if other.stem.lower() == path.stem.lower()}


def _lone_companions(folder: Path) -> list[Path]:
    """Indexes of shapefiles whose .shp is missing."""
    indexes = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".shx")
    return [path for path in indexes if ".shp" not in _suffixes_beside(path)]


def _nothing(folder: Path, what: str) -> str:
    """Why nothing in an archive can be read."""
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    lone = [path.stem for path in _lone_companions(folder)]
    if lone:
        return f"{what}: the archive has parts of the shapefile {lone[0]!r} but no {lone[0]}.shp; pack all of its files"
    inside = [name for name in files if name.lower().endswith((*ARCHIVES, *OSM_SUFFIXES))]
    if inside:
        return f"{what}: the archive holds {inside[0]!r}, which qpgis reads only by itself; unpack that first"
    listed = f"only {', '.join(files[:5])}{' ...' if files[5:] else ''}" if files else "nothing"
    return f"{what}: the archive holds {listed}; qpgis reads {', '.join(sorted(FORMATS))}"


def _note_unread(request: Request, folder: Path) -> None:
    """Name what an archive holds besides its datasets that may have been meant to be read."""
    nested = [path for path in sorted(folder.rglob("*")) if path.name.lower().endswith(ARCHIVES)]
    for path in (*nested, *_lone_companions(folder)):
        request.note(Severity.WARNING, "archive_member_unread", value=path.relative_to(folder).as_posix())
