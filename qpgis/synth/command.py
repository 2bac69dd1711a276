"""What ``qpgis synth`` does: for a workspace, as its ``[synth]`` says, or for a bare file of zones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qpgis.crs import parse
from qpgis.errors import CRSError, ZoneError, did_you_mean
from qpgis.sources import Request
from qpgis.sources.reading import read_features
from qpgis.synth import Synthetic, read_calibration, synthesise
from qpgis.workspace.config import SynthTable, read_config
from qpgis.workspace.loading import config_path

if TYPE_CHECKING:
    import geopandas as gpd

GIVEN = ("water", "forest", "roads", "seats")
"""Keys of ``[synth]`` that name files."""


def for_workspace(folder: Path | None, changes: dict[str, object]) -> Synthetic:
    """Synthetic data for a workspace, by default the embedded one.

    Parameters
    ----------
    folder : path, optional
        A folder with ``qpgis.toml``.
    changes : dict
        Settings that replace those of its ``[synth]``; files are relative to the current folder.
    """
    path = config_path(folder)
    config, home = read_config(path).at(None), path.parent
    table = config.zones
    zones = read_features(Request(home / table.file, Path(table.file).name, "zones", layer=table.layer)).frame
    if table.crs is not None:
        zones = zones.set_crs(parse(table.crs, what="zones"), allow_override=True)
    own = {key: str(home / file) for key in GIVEN if (file := getattr(config.synth, key))}
    return _synthetic(zones, table.id_field, config.synth.model_copy(update={**own, **changes}), home)


def for_zones(file: Path, id_field: str, changes: dict[str, object]) -> Synthetic:
    """Synthetic data for a file of zones alone.

    Raises
    ------
    ZoneError
        If the field isn't there.
    CRSError
        If the file doesn't name its system.
    """
    frame = read_features(Request(file, file.name, "zones")).frame
    attributes = [c for c in frame.columns if c != frame.geometry.name]
    if id_field not in attributes:
        known = did_you_mean(id_field, attributes)
        raise ZoneError(f"zones ({file.name}): no field {id_field!r}, {known}; say which with --zones-id")
    if frame.crs is None:
        raise CRSError(f"zones ({file.name}): the file names no coordinate reference system")
    return _synthetic(frame, id_field, SynthTable().model_copy(update=changes), Path())


def _synthetic(zones: gpd.GeoDataFrame, id_field: str, table: SynthTable, home: Path) -> Synthetic:
    given = {
        key: read_features(Request(Path(file), Path(file).name, key)).frame if (file := getattr(table, key)) else None
        for key in GIVEN
    }
    own = home / table.calibration
    return synthesise(
        zones,
        id_field=id_field,
        seed=table.seed,
        parcels=table.parcels,
        digits=table.digits,
        calibration=read_calibration(own if own.is_file() else table.calibration),
        **given,
    )
