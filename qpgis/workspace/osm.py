"""A workspace from an OpenStreetMap extract alone: its administrative boundaries are the zones."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.area import Group, StudyArea, study_area
from qpgis.catalogue import Lang, read_toml
from qpgis.crs import LONLAT
from qpgis.errors import ZoneError
from qpgis.findings import Findings, Severity
from qpgis.layers import Layer, Ledger, State
from qpgis.provenance import Grade, Secrecy, Source
from qpgis.quality.coverage import check_zones
from qpgis.sources import RawFeatures
from qpgis.sources.osm import OsmExtract
from qpgis.workspace import UNDATED, Workspace
from qpgis.workspace.config import LayerTable
from qpgis.workspace.loading import Progress, Reader, prepare_layer, silent

if TYPE_CHECKING:
    import geopandas as gpd

MOSTLY = 0.5
"""A zone belongs to the group that covers more than this share of it."""
WHOLLY = 0.99
"""Below this share the borders of zone and group disagree, which is a finding."""


def osm_workspace(
    file: str | Path,
    *,
    zones_level: int,
    groups_level: int | None = None,
    lang: Lang = "zh",
    grid_cell_m: float | None = None,
    progress: Progress = silent,
) -> Workspace:
    """A workspace from an OpenStreetMap extract alone: its administrative boundaries are the zones.

    Parameters
    ----------
    file : path
        ``.osm.pbf`` or ``.osm``.
    zones_level : int
        ``admin_level`` of the zones (8 is the municipality in much of Europe).
    groups_level : int, optional
        ``admin_level`` of the groups over them.

    Raises
    ------
    SourceError, ZoneError
        If the file can't be read; if it holds no whole boundary of that level.
    """
    path = Path(file)
    findings = Findings(lang)
    reader = Reader(path.parent, findings, progress)
    progress(f"reading {path.name}")
    extract = reader.extract(path, path.name)
    head = read_toml("schemes", "osm.toml")["scheme"]
    said = ("OpenStreetMap", head["licence"], extract.date, reader.hash(path))
    source = Source(path.name, Grade.OPEN, *said, Secrecy.PUBLIC)
    area = _osm_area(extract, source, zones_level, groups_level, grid_cell_m, findings)
    check_zones(area, findings)
    period = extract.date[:4] or UNDATED
    if not extract.date:
        findings.add(Severity.WARNING, "osm_without_date", file=path.name)
    state = State(date.fromisoformat(extract.date) if extract.date else date.max)
    opened = {"zones_level": zones_level, "groups_level": groups_level, "grid_cell_m": grid_cell_m}
    layers: dict[str, Layer] = {}
    ledgers: dict[str, Ledger] = {}
    for kind, raw in extract.layers.items():
        progress(f"preparing {kind}")
        table = LayerTable(file=path.name, grade=Grade.OPEN)
        reader.note(raw, kind, source)
        layers[kind], ledgers[kind] = prepare_layer(kind, raw, table, source, area, state, findings)
    return Workspace(
        name=area.name,
        title=area.name,
        period=period,
        area=area,
        layers=layers,
        state=state,
        definitions={
            indicator: (name,) for indicator, name in (head["water_definitions"] | head["land_definitions"]).items()
        },
        inputs=tuple(reader.inputs.values()),
        ledgers=ledgers,
        findings=tuple(findings),
        files=tuple(reader.hashes),
        opened={key: value for key, value in opened.items() if value is not None},
    )


def _osm_area(
    extract: OsmExtract,
    source: Source,
    zones_level: int,
    groups_level: int | None,
    grid_cell_m: float | None,
    findings: Findings,
) -> StudyArea:
    boundaries = extract.boundaries
    zones = _at_level(boundaries, zones_level)
    if not len(zones):
        levels = ", ".join(sorted(set(boundaries["admin_level"]))) or "none at all"
        raise ZoneError(
            f"{source.file}: no whole boundary of admin_level {zones_level}; whole ones are there of level {levels}"
        )
    groups: list[Group] = []
    if groups_level is not None:
        groups = _groups(zones, _at_level(boundaries, groups_level), source.file, groups_level, findings)
    whole = _whole(zones, boundaries, min(zones_level, groups_level or zones_level), source.file, findings)
    return study_area(
        RawFeatures(zones, source.file, "OSM", extract.bounds),
        name=whole.name,
        level="town",
        id_field="feature_id",
        name_field="name",
        source=source,
        crs=LONLAT,
        findings=findings,
        groups=[*groups, whole],
        grid_cell_m=grid_cell_m,
    )


def _at_level(boundaries: gpd.GeoDataFrame, level: int) -> gpd.GeoDataFrame:
    return boundaries[boundaries["admin_level"] == str(level)].reset_index(drop=True)


def _shares(zones: gpd.GeoDataFrame, covers: gpd.GeoDataFrame) -> np.ndarray:
    """The share of each zone that each cover takes; good enough in degrees, to decide who belongs to whom."""
    zone, cover = np.asarray(shapely.make_valid(zones.geometry)), np.asarray(shapely.make_valid(covers.geometry))
    return shapely.area(shapely.intersection(zone[:, None], cover[None, :])) / shapely.area(zone)[:, None]


def _groups(
    zones: gpd.GeoDataFrame, candidates: gpd.GeoDataFrame, file: str, level: int, findings: Findings
) -> list[Group]:
    """The groups of a level with the zones that lie in them; zones in none, or only partly in one, are named."""
    if not len(candidates):
        raise ZoneError(f"{file}: no whole boundary of admin_level {level} for the groups; leave out --groups-level")
    shares = _shares(zones, candidates)
    best = shares.argmax(axis=1)
    share = shares.max(axis=1)
    for row in np.flatnonzero(share <= MOSTLY):
        findings.add(
            Severity.WARNING, "zone_in_no_group", layer="zones", file=file, feature_id=zones["feature_id"][row]
        )
    for row in np.flatnonzero((share > MOSTLY) & (share < WHOLLY)):
        words = {"layer": "zones", "file": file, "feature_id": zones["feature_id"][row], "value": f"{share[row]:.1%}"}
        findings.add(Severity.WARNING, "zone_partly_in_group", **words, group=candidates["name"][best[row]])
    found = []
    for n, (group_id, name) in enumerate(zip(candidates["feature_id"], candidates["name"], strict=True)):
        members = tuple(sorted(zones["feature_id"][(best == n) & (share > MOSTLY)]))
        if members:
            found.append(Group(group_id, name, "group", members))
    return found


def _whole(zones: gpd.GeoDataFrame, boundaries: gpd.GeoDataFrame, below: int, file: str, findings: Findings) -> Group:
    """All zones together, named after the smallest boundary of a higher level that holds them all."""
    members = tuple(sorted(set(zones["feature_id"])))
    level = boundaries["admin_level"].map(lambda text: int(text) if text.isdecimal() else below)
    higher = boundaries[level < below].reset_index(drop=True)
    holding = higher[(_shares(zones, higher) > WHOLLY).all(axis=0)].reset_index(drop=True) if len(higher) else higher
    if not len(holding):
        return Group("all", Path(file).name.split(".")[0], "district", members)
    smallest = holding.iloc[int(np.argmin(shapely.area(holding.geometry)))]
    union = shapely.union_all(np.asarray(shapely.make_valid(zones.geometry)))
    missing = 1 - union.area / smallest.geometry.area
    if missing > 1 - WHOLLY:
        words = {"layer": "zones", "file": file, "feature_id": smallest["feature_id"], "value": f"{missing:.1%}"}
        findings.add(Severity.WARNING, "zones_leave_gap", **words, name=smallest["name"])
    return Group(smallest["feature_id"], smallest["name"], "district", members)
