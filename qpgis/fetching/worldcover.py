"""ESA WorldCover: the cells of a box, out of the tiles in which the provider keeps the world."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qpgis.errors import FetchError
from qpgis.fetching.http import PATIENT, Patience
from qpgis.fetching.provenance import service, write_provenance
from qpgis.fetching.remote_file import RemoteFile
from qpgis.sources import Bounds

MOST_CELLS = 400_000_000


def tile_names(box: Bounds, tile_deg: int) -> Iterator[str]:
    """The tiles that a box touches, by their south-west corners.

    >>> list(tile_names((120.8, 30.9, 121.4, 31.3), 3))
    ['N30E120']
    >>> list(tile_names((-0.1, -1, 0.1, 1), 3))
    ['S03W003', 'S03E000', 'N00W003', 'N00E000']
    """
    west, south, east, north = box
    for lat in range(_corner(south, tile_deg), math.ceil(north / tile_deg) * tile_deg, tile_deg):
        for lon in range(_corner(west, tile_deg), math.ceil(east / tile_deg) * tile_deg, tile_deg):
            yield f"{'S' if lat < 0 else 'N'}{abs(lat):02d}{'W' if lon < 0 else 'E'}{abs(lon):03d}"


def _corner(degrees: float, tile_deg: int) -> int:
    return math.floor(degrees / tile_deg) * tile_deg


def fetch_worldcover(
    box: Bounds,
    path: Path,
    *,
    server: str | None = None,
    progress: Callable[[str], None] = lambda stage: None,
    patience: Patience = PATIENT,
) -> Path:
    """Fetch the land cover within west, south, east, north as one GeoTIFF; only the blocks that it needs are fetched.

    Raises
    ------
    FetchError
        If the box is empty or too large, if a tile isn't there or changes meanwhile, or if it isn't what was expected.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.merge import merge

    _require_box(box)
    about = service("worldcover")
    base = (server or about["server"]).rstrip("/")
    blocks = path.with_name(path.name + ".part")
    files, datasets = [], []
    try:
        for tile in tile_names(box, about["tile_deg"]):
            progress(f"tile {tile}")
            files.append(RemoteFile(f"{base}/{about['file'].format(tile=tile)}", blocks, patience))
            datasets.append(rasterio.open(files[-1], driver="GTiff"))
            _require_cells(datasets[-1], box)
        cells, transform = merge(datasets, bounds=box)
        profile = datasets[0].profile | {"transform": transform, "width": cells.shape[2], "height": cells.shape[1]}
        profile |= {"compress": "deflate", "tiled": True, "blockxsize": 256, "blockysize": 256}
        colours = _colours(datasets[0])
    except RasterioError as error:
        raise FetchError(f"WorldCover: what the server sends is no GeoTIFF ({error})") from error
    finally:
        for dataset in datasets:
            dataset.close()
    written = path.with_name(path.name + ".new.tif")
    with rasterio.open(written, "w", **profile) as out:
        out.write(cells)
        if colours:
            out.write_colormap(1, colours)
    written.replace(path)
    box_text = ",".join(f"{edge:g}" for edge in box)
    sources = [file.identity for file in files]
    write_provenance(path, about["title"], about["licence"], sources, area=box_text, year=about["year"])
    shutil.rmtree(blocks, ignore_errors=True)
    return path


def _require_box(box: Bounds) -> None:
    west, south, east, north = box
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise FetchError(f"{west:g},{south:g},{east:g},{north:g} is no box: west, south, east, north in degrees")


def _require_cells(dataset: Any, box: Bounds) -> None:
    """Refuse what isn't one band of classes in degrees, and more cells than a machine takes."""
    west, south, east, north = box
    if dataset.count != 1 or dataset.dtypes[0] != "uint8" or dataset.crs is None or dataset.crs.to_epsg() != 4326:
        raise FetchError("WorldCover: the tile isn't one band of classes in EPSG:4326")
    cells = (east - west) * (north - south) / abs(dataset.res[0] * dataset.res[1])
    if cells > MOST_CELLS:
        raise FetchError(f"the box has {cells:,.0f} cells; take one under {MOST_CELLS:,}")


def _colours(dataset: Any) -> dict[int, Any]:
    try:
        return dict(dataset.colormap(1))
    except ValueError:
        return {}
