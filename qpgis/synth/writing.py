"""Writing a synthetic landscape: GeoJSON, GeoPackage or GeoParquet, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from qpgis.errors import ConfigError, did_you_mean
from qpgis.provenance import staged_outputs
from qpgis.synth.synthesis import Synthetic

if TYPE_CHECKING:
    import geopandas as gpd

Format = Literal["geojson", "gpkg", "parquet"]
FORMATS: tuple[Format, ...] = ("geojson", "gpkg", "parquet")
FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""Stands where GeoPackage insists on a time."""
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
        ``geojson``, ``gpkg`` or ``parquet``. In GeoJSON empty values are left out of all features but the first.

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


def _write_geojson(frame: gpd.GeoDataFrame, path: Path) -> None:
    """One feature a line, coordinates without needless digits."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        head = f'"name":"{path.stem}"'
        stream.write(f'{{"type":"FeatureCollection",{head},"features":[\n')
        for low in range(0, len(frame), AT_ONCE):
            part = frame.iloc[low : low + AT_ONCE]
            text = ",\n".join(_features(part, every_key=low == 0))
            stream.write(text + (",\n" if low + AT_ONCE < len(frame) else "\n"))
        stream.write("]}\n")


def _features(frame: gpd.GeoDataFrame, *, every_key: bool) -> Iterator[str]:
    """Features as text; only the very first names columns that it leaves empty."""
    columns = [c for c in frame.columns if c != frame.geometry.name]
    values = [frame[c].tolist() for c in columns]
    for n, geometry in enumerate(_geometries(frame.geometry.to_numpy())):
        row = {c: v[n] for c, v in zip(columns, values, strict=True) if v[n] != "" or (every_key and n == 0)}
        properties = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        yield f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _geometries(geometries: np.ndarray) -> Iterator[str]:
    """Points, lines or polygons as GeoJSON, coordinates as the shortest decimals that they are."""
    if not len(geometries):
        return
    kind, xy, offsets = shapely.to_ragged_array(geometries)
    texts = [f"[{x!r},{y!r}]" for x, y in xy.tolist()]
    name = kind.name.title().replace("string", "String")
    rings = texts
    for offset in offsets:
        stops = offset.tolist()
        rings = [f"[{','.join(rings[a:b])}]" for a, b in pairwise(stops)]
    for ring in rings:
        yield f'{{"type":"{name}","coordinates":{ring}}}'


def _write_gpkg(frame: gpd.GeoDataFrame, path: Path) -> None:
    """GDAL takes ``!`` in a path for an archive, so it is written elsewhere first."""
    import shutil
    import tempfile

    import pyogrio

    with _fixed_gdal_time(), tempfile.TemporaryDirectory() as elsewhere:
        plain = Path(elsewhere) / path.name
        pyogrio.write_dataframe(frame, plain, layer=path.stem, driver="GPKG", geometry_type=_type_name(frame))
        shutil.copyfile(plain, path)


def _type_name(frame: gpd.GeoDataFrame) -> str:
    kinds = np.unique(shapely.get_type_id(frame.geometry.to_numpy()))
    names = {0: "Point", 1: "LineString", 3: "Polygon"}
    return names[int(kinds[0])] if len(kinds) == 1 else "Unknown"


def _write_parquet(frame: gpd.GeoDataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, compression="zstd")


@contextmanager
def _fixed_gdal_time() -> Iterator[None]:
    """GDAL writes a fixed date into GeoPackages while this lasts."""
    import pyogrio

    option = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(option)
    pyogrio.set_gdal_config_options({option: FIXED_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({option: before})
