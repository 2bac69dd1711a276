"""What ``qpgis synth`` does: for a workspace, as its ``[synth]`` says, or for a bare file of zones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qpgis.errors import CRSError, ZoneError, did_you_mean
from qpgis.sources.vector import read_vector
from qpgis.synth import Synthetic, read_calibration, synthesise
from qpgis.workspace.config import SynthTable
from qpgis.workspace.loading import read_zones

if TYPE_CHECKING:
    import geopandas as gpd


def for_workspace(folder: Path | None, changes: dict[str, object]) -> Synthetic:
    """Synthetic data for a workspace, by default the embedded one.

    Parameters
    ----------
    folder : path, optional
        A folder with ``qpgis.toml``.
    changes : dict
        Settings that replace those of its ``[synth]``; files are relative to the current folder.
    """
    import geopandas as gpd

    config, home, area = read_zones(folder)
    zones = gpd.GeoDataFrame(
        {"zone_id": area.base.ids, "name": area.base.names}, geometry=list(area.base.lonlat), crs="EPSG:4326"
    )
    table = config.synth
    own = {key: str(home / file) for key in ("water", "forest", "roads", "seats") if (file := getattr(table, key))}
    return _synthetic(zones, table.model_copy(update={**own, **changes}), home)


def for_zones(file: Path, id_field: str, name_field: str, changes: dict[str, object]) -> Synthetic:
    """Synthetic data for a file of zones alone.

    Raises
    ------
    ZoneError
        If a field isn't there.
    CRSError
        If the file doesn't name its system.
    """
    frame = read_vector(file, name=file.name, what="zones").frame
    attributes = [c for c in frame.columns if c != frame.geometry.name]
    for option, field in (("--zones-id", id_field), ("--zones-name", name_field)):
        if field not in attributes:
            raise ZoneError(f"zones ({file.name}): no field {field!r}, {did_you_mean(field, attributes)}; see {option}")
    if frame.crs is None:
        raise CRSError(f"zones ({file.name}): the file names no coordinate reference system")
    zones = frame.rename(columns={id_field: "zone_id"} | ({} if name_field == id_field else {name_field: "name"}))
    if name_field == id_field:
        zones["name"] = zones["zone_id"]
    return _synthetic(zones, SynthTable.model_validate(changes), Path())


def _synthetic(zones: gpd.GeoDataFrame, table: SynthTable, home: Path) -> Synthetic:
    files = {key: getattr(table, key) for key in ("water", "forest", "roads", "seats")}
    frames = {
        key: read_vector(Path(file), name=Path(file).name, what=key).frame if file else None
        for key, file in files.items()
    }
    own = home / table.calibration
    calibration = read_calibration(own if own.is_file() else table.calibration)
    return synthesise(
        zones,
        id_field="zone_id",
        name_field="name",
        seed=table.seed,
        parcels=table.parcels,
        digits=table.digits,
        calibration=calibration,
        **frames,
    )
