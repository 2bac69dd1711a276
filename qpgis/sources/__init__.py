"""Reading the outside world: vector files and OpenStreetMap extracts. Nothing read here is trusted yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qpgis.errors import SourceError

if TYPE_CHECKING:
    import geopandas as gpd

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class RawFeatures:
    """Features as a file holds them: its coordinates, its attributes.

    Attributes
    ----------
    frame : GeoDataFrame
        One row a feature, a fresh 0..n-1 index; the column ``feature_id`` (text) holds the file's own ids.
    file : str
        The file's name as outputs show it.
    driver : str
        What the file was read as.
    bounds : tuple or None
        West, south, east, north as the file *states* them, in its own system; never computed from the features.
    remarks : tuple of str
        What the reading library warned of, in its own words.
    """

    frame: gpd.GeoDataFrame
    file: str
    driver: str
    bounds: Bounds | None = None
    remarks: tuple[str, ...] = ()

    @property
    def states_crs(self) -> bool:
        """True if the file itself names its reference system; GeoJSON has a default and needn't."""
        return self.frame.crs is not None and self.driver != "GeoJSON"


def regular_file(path: Path, *, what: str) -> Path:
    """The path, if it is a regular local file.

    Raises
    ------
    SourceError
        If it isn't there, or is a folder, a device or a pipe.
    """
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        hint = f"; there is: {', '.join(near[:5])}" if near else ""
        raise SourceError(f"{what}: file {path} doesn't exist{hint}")
    if not path.is_file():
        raise SourceError(f"{what}: {path} is no regular file")
    if path.stat().st_size == 0:
        raise SourceError(f"{what}: {path} is empty (0 bytes); export it again")
    return path
