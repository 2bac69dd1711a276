"""Writing a synthetic landscape: GeoJSON, GeoPackage or GeoParquet, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from qpgis.errors import ConfigError, did_you_mean
from qpgis.provenance import dateless_gpkg, require_rows, staged_outputs
from qpgis.synth.synthesis import Synthetic

if TYPE_CHECKING:
    import geopandas as gpd

Format = Literal["geojson", "gpkg", "parquet"]
FORMATS: tuple[Format, ...] = ("geojson", "gpkg", "parquet")
AT_ONCE = 20_000
"""Features of GeoJSON that are turned into text at once."""


def write(synthetic: Synthetic, folder: Path | str, *, format: Format = "geojson") -> list[Path]:
    """Write ``landuse``, ``roads``, ``residents`` and ``facilities`` whole or not at all; where they are.

    Parameters
    ----------
    synthetic : Synthetic
        What to write.
    folder : path
        Made if it isn't there.
    format : str
        ``geojson``, ``gpkg`` or ``parquet``. In GeoJSON empty values are left out of all features but the first,
        and the grade stands once, before the features.

    Raises
    ------
    ConfigError
        For another format.
    OutputError
        If the folder can't be written; what stood there is untouched.
    """
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} isn't known; {did_you_mean(str(format), FORMATS)}")
    folder = Path(folder)
    writers = {"geojson": _write_geojson, "gpkg": _write_gpkg, "parquet": _write_parquet}
    with staged_outputs(folder) as stage:
        for name, frame in synthetic.layers.items():
            writers[format](frame, stage / f"{name}.{format}")
    return [folder / f"{name}.{format}" for name in sorted(synthetic.layers)]


def write_feature_collection(path: Path, features: Iterable[str], *, grade: str = "") -> None:
    """GeoJSON from features that are text already: one a line, UTF-8, ending in a newline; their grade in the head."""
    head = {"type": "FeatureCollection", "name": path.stem, **({"grade": grade} if grade else {})}
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f'{json.dumps(head, separators=(",", ":"))[:-1]},"features":[')
        for n, feature in enumerate(features):
            stream.write(f"{',' if n else ''}\n{feature}")
        stream.write("\n]}\n")


def _write_geojson(frame: gpd.GeoDataFrame, path: Path) -> None:
    (grade,) = frame["grade"].unique() if len(frame) else [""]
    write_feature_collection(path, _features(frame.drop(columns="grade")), grade=grade)


def _features(frame: gpd.GeoDataFrame) -> Iterator[str]:
    """Features as text; only the very first names columns that it leaves empty."""
    columns = [c for c in frame.columns if c != frame.geometry.name]
    for low in range(0, len(frame), AT_ONCE):
        part = frame.iloc[low : low + AT_ONCE]
        rows = zip(*(part[c].tolist() for c in columns), strict=True)
        for n, (row, geometry) in enumerate(zip(rows, _geometries(part.geometry.to_numpy()), strict=True), low):
            named = {key: value for key, value in zip(columns, row, strict=True) if value != "" or n == 0}
            properties = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
            yield f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _geometries(geometries: np.ndarray) -> Iterator[str]:
    """Points, lines or polygons as GeoJSON, coordinates as the shortest decimals that they are."""
    kind, xy, offsets = shapely.to_ragged_array(geometries)
    name = kind.name.title().replace("string", "String")
    texts = [f"[{x!r},{y!r}]" for x, y in xy.tolist()]
    for offset in offsets:  # points to rings, rings to polygons
        texts = [f"[{','.join(texts[a:b])}]" for a, b in pairwise(offset.tolist())]
    for text in texts:
        yield f'{{"type":"{name}","coordinates":{text}}}'


def _write_gpkg(frame: gpd.GeoDataFrame, path: Path) -> None:
    import pyogrio

    with dateless_gpkg(path) as plain:
        pyogrio.write_dataframe(frame, plain, layer=path.stem, driver="GPKG", geometry_type=_type_name(frame))
        require_rows(plain, path.stem, len(frame))


def _type_name(frame: gpd.GeoDataFrame) -> str:
    kinds = np.unique(shapely.get_type_id(frame.geometry.to_numpy()))
    names = {0: "Point", 1: "LineString", 3: "Polygon"}
    return names[int(kinds[0])] if len(kinds) == 1 else "Unknown"


def _write_parquet(frame: gpd.GeoDataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, compression="zstd")
