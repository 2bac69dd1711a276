"""Which module reads a file: by its suffix, never by guessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from qpgis.errors import SourceError
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
        (".dxf",): dxf,
        (".csv", ".tsv", ".txt", ".xlsx"): tabular,
        (".tif", ".tiff"): raster,
    }
    for suffixes, module in table.items():
        yield from ((suffix, Format(module.layers, module.read)) for suffix in suffixes)


FORMATS: Mapping[str, Format] = MappingProxyType(dict(_formats()))
"""How each suffix is read. OpenStreetMap extracts hold many layers at once and have a reader of their own."""
ARCHIVE = ".zip"
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
        dataset, layer = found[chosen_layer(request, tuple(found))]
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
    datasets = [path for path in sorted(folder.rglob("*")) if _is_dataset(path)]
    if not datasets:
        raise SourceError(f"{what}: the archive holds nothing that qpgis reads")
    stems = [path.stem for path in datasets]
    found: dict[str, tuple[Path, str]] = {}
    for path in datasets:
        inner = path.relative_to(folder).as_posix()
        called = path.stem if stems.count(path.stem) == 1 else inner
        names = _format(path, what).layers(path, f"{what}/{inner}")
        for layer in names:
            found[called if len(names) == 1 else f"{called}{APART}{layer}"] = path, layer
    return found


def _is_dataset(path: Path) -> bool:
    """True for what can be read by itself: no companion of a shapefile, nothing within a file geodatabase."""
    suffix = path.suffix.lower()
    if any(parent.suffix.lower() == GEODATABASE for parent in path.parents):
        return False
    if suffix == GEODATABASE or not path.is_file():
        return suffix == GEODATABASE and path.is_dir()
    if suffix == ".dbf":
        return not any(other.suffix.lower() == ".shp" and other.stem == path.stem for other in path.parent.iterdir())
    return suffix in FORMATS
