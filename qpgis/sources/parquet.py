"""GeoParquet."""

from __future__ import annotations

from pathlib import Path

from qpgis.sources import RawFeatures, Request
from qpgis.sources.ogr import remarks_of, with_ids

DRIVER = "Parquet"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature."""
    import geopandas as gpd

    with remarks_of(request) as remarks:
        try:
            frame = with_ids(gpd.read_parquet(request.path).reset_index(drop=True))
        except (OSError, ValueError) as error:
            raise request.refusal(f"can't be read as GeoParquet: {error}") from error
    return RawFeatures(frame, request.name, DRIVER, remarks=tuple(remarks), layer=request.path.stem)
