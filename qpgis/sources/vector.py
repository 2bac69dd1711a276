"""Vector files: GeoPackage, GeoJSON, Shapefile, GeoParquet."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.errors import SourceError, did_you_mean
from qpgis.sources import Bounds, RawFeatures, regular_file

if TYPE_CHECKING:
    import geopandas as gpd

DRIVERS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".shp": "ESRI Shapefile",
    ".parquet": "Parquet",
    ".geoparquet": "Parquet",
}


def read_vector(path: Path, *, name: str, layer: str | None = None, what: str) -> RawFeatures:
    """Every feature of one layer of a vector file.

    Parameters
    ----------
    path : Path
        A regular local file; its suffix decides how it is read.
    name : str
        The file's name for outputs and messages.
    layer : str, optional
        Which layer, where the file holds several.
    what : str
        What the file is for, to begin a message with (``layer 'water'``).

    Raises
    ------
    SourceError
        If the file is missing, of another format, damaged, or if ``layer`` isn't (or isn't uniquely) in it.
    """
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SourceError(
            f"{what}: {name}: qpgis doesn't read {path.suffix!r} files; use one of {', '.join(sorted(DRIVERS))}"
        )
    regular_file(path, what=what)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if driver == "Parquet":
            frame, bounds = _read_parquet(path, name, what), None
        else:
            frame, bounds = _read_ogr(path, name, layer, driver, what)
    remarks = dict.fromkeys(str(w.message).replace(str(path), name) for w in caught)
    return RawFeatures(frame, name, driver, bounds, tuple(remarks))


def _read_parquet(path: Path, name: str, what: str) -> gpd.GeoDataFrame:
    import geopandas as gpd

    try:
        frame = gpd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{what}: {name} can't be read as GeoParquet: {error}") from error
    return frame.reset_index(drop=True)


def _read_ogr(
    path: Path, name: str, layer: str | None, driver: str, what: str
) -> tuple[gpd.GeoDataFrame, Bounds | None]:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError
    from shapely.errors import GEOSException

    try:
        layer = layer or _only_layer(path, name, what)
        found = pyogrio.read_info(path, layer=layer)["driver"]
        if found != driver:
            raise SourceError(f"{what}: {name} is no {driver} file but {found}; give it its true suffix")
        frame = pyogrio.read_dataframe(path, layer=layer, fid_as_index=True)
    except DataLayerError as error:
        layers = [row[0] for row in pyogrio.list_layers(path)]
        raise SourceError(f"{what}: {name} has no layer {layer!r}; {did_you_mean(str(layer), layers)}") from error
    except (DataSourceError, UnicodeDecodeError, GEOSException) as error:
        raise SourceError(f"{what}: {name} can't be read as {driver}: {error}") from error
    if "geometry" not in frame:
        raise SourceError(f"{what}: {name} has no geometries" + (f" in layer {layer!r}" if layer else ""))
    if "feature_id" not in frame:
        frame["feature_id"] = frame.index.astype(str)
    # the boxes in the headers of other formats are those of their features, written by the software: they state nothing
    stated = _flat_bounds(_stated_bbox(path)) if driver == "GeoJSON" else None
    return frame.reset_index(drop=True), stated


def _only_layer(path: Path, name: str, what: str) -> str:
    import pyogrio

    layers = [row[0] for row in pyogrio.list_layers(path)]
    if len(layers) != 1:
        raise SourceError(
            f'{what}: {name} holds {len(layers)} layers ({", ".join(layers)}); say which with layer = "..."'
        )
    return layers[0]


def _stated_bbox(path: Path) -> Any:
    """The ``bbox`` member of a GeoJSON file, if it has one."""
    try:
        return json.loads(path.read_bytes()).get("bbox")
    except (ValueError, AttributeError):
        return None


def _flat_bounds(stated: Any) -> Bounds | None:
    """West, south, east, north of a stated 2D or 3D box, ``None`` where there is none."""
    numbers = isinstance(stated, list) and all(isinstance(v, int | float) for v in stated)
    values = [float(v) for v in stated] if numbers else []
    if len(values) == 6:
        values = values[0:2] + values[3:5]
    if len(values) != 4 or any(v != v or abs(v) == float("inf") for v in values):
        return None
    west, south, east, north = values
    return west, south, east, north
