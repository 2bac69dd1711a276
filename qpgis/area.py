"""The study area: zone sets on named levels, groups as exact sums of their members, own zones, regular grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.crs import LONLAT, Geometries, Plane, gauss_krueger, lonlat, parse
from qpgis.errors import ConfigError, ZoneError, did_you_mean
from qpgis.findings import Findings, Severity
from qpgis.layers import SHOW, as_text, days, require_fields, text_of
from qpgis.provenance import Source
from qpgis.shapes import invalid_because, polygonal, repaired, single_parts, still_valid

if TYPE_CHECKING:
    import geopandas as gpd
    from pyproj import CRS

    from qpgis.sources import RawFeatures


AREAL = 2
HAIR_M = 1e-5
"""A border that lies on a grid line may miss it by this much; such slivers are no cells."""


SHARED = 1e-6
"""Rows of one zone that have more than this part of their area in common overlap; less is a border drawn twice."""


@dataclass(frozen=True)
class ZoneSet:
    """Zones of one level that are measured by themselves.

    Attributes
    ----------
    level : str
        ``town``, ``grid``, ...
    ids, names : tuple of str
        Sorted by id.
    lonlat, geometry : array of polygons
        In degrees as the file has them, and in the study area's plane.
    source : Source
        File and grade.
    overlapping : bool
        True if zones may overlap; otherwise they are a coverage, and what lies on a border is shared.
    shown : mapping of str to tuple of str
        Further attributes, one value a zone, that outputs show beside the values.
    """

    level: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    lonlat: Geometries = field(repr=False, compare=False)
    geometry: Geometries = field(repr=False, compare=False)
    source: Source
    overlapping: bool = False
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)


ALL = ("*",)
"""As the members of a group: every zone."""


@dataclass(frozen=True)
class Group:
    """A zone that is the exact sum of members of the base level: 青西 = 朱家角 + 金泽 + 练塘."""

    id: str
    name: str
    level: str
    members: tuple[str, ...] = ALL


@dataclass(frozen=True)
class StudyArea:
    """Base zones, the groups over them, zones that are no such sums, and an optional grid.

    Attributes
    ----------
    name : str
        What planners call the area.
    plane : Plane
        The equal-area plane in which everything is measured.
    base : ZoneSet
        The zones that are measured.
    groups : tuple of Group
        Sums over base zones; a zone may be in several.
    own : tuple of ZoneSet
        Zones that are no unions of base zones (水乡客厅) and are measured by themselves.
    grid : ZoneSet or None
        Square cells, cut at the area's border.
    """

    name: str
    plane: Plane
    base: ZoneSet
    groups: tuple[Group, ...] = ()
    own: tuple[ZoneSet, ...] = ()
    grid: ZoneSet | None = None

    def __repr__(self) -> str:
        groups = f", {len(self.groups)} groups" if self.groups else ""
        return (
            f"<StudyArea {self.name}: {len(self.base)} zones of level {self.base.level!r}{groups}, plane {self.plane}>"
        )

    @property
    def zone_sets(self) -> tuple[ZoneSet, ...]:
        """Every zone set that is measured by itself."""
        return (*self.measured, *([self.grid] if self.grid else []))

    @property
    def measured(self) -> tuple[ZoneSet, ...]:
        """The zone sets without the grid, whose cells lie in the base zones."""
        return (self.base, *self.own)

    @cached_property
    def group_sets(self) -> tuple[ZoneSet, ...]:
        """The groups as zones of their own, a set a level: the union of their members, which may overlap."""
        position = {zone: n for n, zone in enumerate(self.base.ids)}
        members = {group.id: [position[member] for member in group.members] for group in self.groups}
        sets = []
        for level in dict.fromkeys(group.level for group in self.groups):
            here = sorted((group for group in self.groups if group.level == level), key=lambda group: group.id)
            degrees = np.array([_merged(self.base.lonlat[members[group.id]]) for group in here], dtype=object)
            planar = np.array([_merged(self.base.geometry[members[group.id]]) for group in here], dtype=object)
            ids, names = tuple(group.id for group in here), tuple(group.name for group in here)
            sets.append(ZoneSet(level, ids, names, degrees, planar, self.base.source, overlapping=True))
        return tuple(sets)

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of all levels, smallest zones first."""
        names = [self.base.level, *(g.level for g in self.groups), *(zones.level for zones in self.own)]
        return tuple(dict.fromkeys([*names, *([self.grid.level] if self.grid else [])]))

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all zones and groups, without the cells of a grid."""
        return frozenset(self.names)

    @property
    def names(self) -> dict[str, str]:
        """The names of the same by id."""
        zones = {zone: name for one in self.measured for zone, name in zip(one.ids, one.names, strict=True)}
        return {group.id: group.name for group in self.groups} | zones

    def zones_source(self, zone: str) -> Source:
        """Where the borders of a zone or group come from."""
        return self._sources.get(zone, self.base.source)

    @cached_property
    def _sources(self) -> dict[str, Source]:
        """The source of each zone that is measured by itself; of equal ids the first set's."""
        return {zone: zones.source for zones in reversed(self.zone_sets) for zone in zones.ids}

    @cached_property
    def outline(self) -> shapely.Geometry:
        """The union of the base zones, in the plane."""
        return shapely.union_all(self.base.geometry)

    @cached_property
    def whole(self) -> shapely.Geometry:
        """The union of the base zones and the own zones, in the plane."""
        return shapely.union_all([self.outline, *(g for zones in self.own for g in zones.geometry)])

    def frame(self) -> gpd.GeoDataFrame:
        """Every zone of every level in degrees: ``zone_id, zone_name, level, grade`` of its border, and its polygon.

        Attributes that zones show stand in columns ``show_<name>``, empty for the zones that haven't them.
        """
        import geopandas as gpd

        rows: list[tuple[str, str, str, shapely.Geometry]] = []
        for zones in (*self.zone_sets, *self.group_sets):
            rows += zip(zones.ids, zones.names, [zones.level] * len(zones), zones.lonlat, strict=True)
        rows.sort(key=lambda row: (self.levels.index(row[2]), row[0]))
        data = {c: [row[n] for row in rows] for n, c in enumerate(("zone_id", "zone_name", "level"))}
        data["grade"] = [str(self.zones_source(zone).grade) for zone in data["zone_id"]]
        for name, said in self._shown.items():
            data[SHOW + name] = [said.get(zone, "") for zone in data["zone_id"]]
        return gpd.GeoDataFrame(data, geometry=[row[3] for row in rows], crs=LONLAT)

    @property
    def _shown(self) -> dict[str, dict[str, str]]:
        """What each attribute that any zones show is for each of them."""
        found: dict[str, dict[str, str]] = {}
        for zones in self.measured:
            for name, said in zones.shown.items():
                found.setdefault(name, {}).update(zip(zones.ids, said, strict=True))
        return found


def _merged(members: Geometries) -> shapely.Geometry:
    """The outline of a group."""
    if shapely.coverage_is_valid(members):
        return shapely.normalize(shapely.coverage_union_all(members))
    return shapely.normalize(shapely.union_all(members))


def study_area(
    raw: RawFeatures,
    *,
    name: str,
    level: str,
    id_field: str,
    name_field: str,
    source: Source,
    crs: CRS | str | None,
    findings: Findings,
    groups: Iterable[Group] = (),
    grid_cell_m: float | None = None,
    overlapping: bool = False,
    show: Sequence[str] = (),
) -> StudyArea:
    """A study area from a file of zones.

    Rows with the same id are one zone. The plane's centre is that of the zones' box, rounded to whole degrees.

    Raises
    ------
    ZoneError
        If there is no zone, a field is missing, an id is missing, or a zone has no area.
    ConfigError
        If a group names a member that is no zone.
    """
    what = f"zones ({raw.file})"
    system = parse(crs if crs is not None else raw.frame.crs, what=what, geometries=raw.frame.geometry.to_numpy())
    ids, names, geometry = _read_zones(raw, id_field, name_field, what, findings)
    degrees = lonlat(geometry, system, what=what)
    west, _, east, _ = shapely.total_bounds(degrees)
    if east - west > 180:
        raise ZoneError(
            f"{what}: they span {east - west:.0f} degrees; zones on both sides of the date line are not measured"
        )
    plane = Plane.around(degrees)
    planar = still_valid(plane.project(geometry, system, what=what))
    base = ZoneSet(level, ids, names, degrees, planar, source, overlapping, _shown(raw, id_field, ids, show, what))
    chosen = tuple(replace(group, members=ids) if group.members == ALL else group for group in groups)
    _check_groups(chosen, ids, level)
    if overlapping and chosen:
        raise ConfigError("zones that may overlap have no groups: a sum would count the overlap twice")
    area = StudyArea(name, plane, base, chosen)
    return with_grid(area, grid_cell_m) if grid_cell_m is not None else area


def _read_zones(
    raw: RawFeatures, id_field: str, name_field: str, what: str, findings: Findings
) -> tuple[tuple[str, ...], tuple[str, ...], Geometries]:
    frame = raw.frame
    attributes = [c for c in frame.columns if c != frame.geometry.name]
    for wanted in (id_field, name_field):
        if wanted not in attributes:
            raise ZoneError(f"{what}: no field {wanted!r}, {did_you_mean(wanted, attributes)}")
    if not len(frame):
        raise ZoneError(f"{what}: the file holds no zone")
    merged: dict[str, list[shapely.Geometry]] = {}
    names: dict[str, list[str]] = {}
    for zone, label, geometry in zip(frame[id_field], frame[name_field], frame.geometry, strict=True):
        key = text_of(zone)
        if not key:
            raise ZoneError(f"{what}: a zone (name {label!r}) has no {id_field!r}; every zone needs one")
        merged.setdefault(key, []).append(geometry)
        names.setdefault(key, []).append(text_of(label) or key)
    ids = tuple(sorted(merged))
    shapes = np.array([_zone_polygon(zone, merged[zone], what, raw.file, findings) for zone in ids], dtype=object)
    _report_names(names, raw.file, findings)
    return ids, tuple(names[zone][0] for zone in ids), shapes


def _shown(
    raw: RawFeatures, id_field: str, ids: Sequence[str], show: Sequence[str], what: str
) -> dict[str, tuple[str, ...]]:
    """Some attributes of zones as text, one value a zone; of rows that are one zone, the first that has any.

    Raises
    ------
    LayerError
        If the file lacks one.
    """
    require_fields(raw.frame, show, what)
    zone = [text_of(value) for value in raw.frame[id_field]]
    found: dict[str, tuple[str, ...]] = {}
    for name in show:
        said: dict[str, str] = {}
        for key, value in zip(zone, as_text(days(raw.frame[name])), strict=True):
            said[key] = said.get(key) or value
        found[name] = tuple(said[key] for key in ids)
    return found


def _report_names(names: Mapping[str, list[str]], file: str, findings: Findings) -> None:
    """Say where one id has several names, or several ids have one: one of them may be a slip."""
    about = {"layer": "zones", "file": file}
    ids_of: dict[str, list[str]] = {}
    for zone, said in sorted(names.items()):
        different = list(dict.fromkeys(said))
        ids_of.setdefault(different[0], []).append(zone)
        if len(different) > 1:
            findings.add(Severity.ERROR, "zone_of_several_names", **about, feature_id=zone, value="; ".join(different))
    for name, zones in ids_of.items():
        if len(zones) > 1:
            findings.add(Severity.WARNING, "zones_of_one_name", **about, feature_id="; ".join(zones), value=name)


def _zone_polygon(
    zone: str, parts: Sequence[shapely.Geometry | None], what: str, file: str, findings: Findings
) -> shapely.Geometry:
    polygons = [shapely.force_2d(p) for p in parts if p is not None and not p.is_empty]
    for p in polygons:
        if not np.isfinite(shapely.get_coordinates(p)).all():
            raise ZoneError(f"{what}: zone {zone!r} has coordinates that are no numbers")
        if not p.is_valid:
            (why,) = invalid_because(np.array([p], dtype=object), findings.lang)
            findings.add(Severity.WARNING, "invalid_geometry", layer="zones", file=file, feature_id=zone, value=why)
    single, _ = single_parts(repaired(np.array(polygons, dtype=object)))
    areal = shapely.get_dimensions(single) == AREAL
    if not areal.all() and areal.any():
        about = {"layer": "zones", "file": file, "feature_id": zone, "value": str(int((~areal).sum()))}
        findings.add(Severity.WARNING, "parts_left_out", **about)
    whole = [part for part in single[areal] if part.area > 0]
    if not whole:
        raise ZoneError(f"{what}: zone {zone!r} has no area; give it a polygon or remove it")
    union = whole[0] if len(whole) == 1 else shapely.union_all(whole)
    if len(parts) > 1:
        about = {"layer": "zones", "file": file, "feature_id": zone, "value": str(len(parts))}
        findings.add(Severity.INFO, "zone_rows_merged", **about)
        if union.area < sum(part.area for part in whole) * (1 - SHARED):
            findings.add(Severity.WARNING, "zone_rows_overlap", **about)
    return union


def _check_groups(groups: tuple[Group, ...], ids: tuple[str, ...], level: str) -> None:
    wrong = [_missing_members(group, ids) for group in groups if not set(group.members) <= set(ids)]
    twice = [
        f"group {group.id!r}: member {member!r} stands twice"
        for group in groups
        for member in sorted(set(group.members))
        if group.members.count(member) > 1
    ]
    empty = [f"group {group.id!r} has no members" for group in groups if not group.members]
    seen = [
        f"{group.id!r} is the id of two zones or groups"
        for n, group in enumerate(groups)
        if group.id in (*ids, *(g.id for g in groups[:n]))
    ]
    same = [
        f"group {group.id!r} has the level of the zones, {level!r}; name another"
        for group in groups
        if group.level == level
    ]
    if wrong or twice or empty or seen or same:
        raise ConfigError([*wrong, *twice, *empty, *seen, *same])


def _missing_members(group: Group, ids: tuple[str, ...]) -> str:
    """Which members of a group are no zones, and what to do."""
    missing = [member for member in group.members if member not in ids]
    if len(missing) == len(group.members) > 1:
        return f"group {group.id!r}: none of its members is among the zones ({', '.join(ids[:3])} ...); check id_field"
    named = ", ".join(repr(member) for member in missing)
    if len(missing) == 1:
        return f"group {group.id!r}: member {named} is not among the zones; {did_you_mean(missing[0], ids)}"
    return f"group {group.id!r}: members {named} are not among the zones; add them, or remove the group"


def with_grid(area: StudyArea, cell_m: float) -> StudyArea:
    """The area with a regular grid as a further zone set.

    Cells are squares of the 3-degree Gauss-Krueger zone (EPSG:4549 in Qingpu), their corners on multiples of the cell
    size, cut at the area's border. A cell's id names the size and its south-west corner: ``1000mE604000N3448000``.

    Raises
    ------
    ConfigError
        If the cells are not positive, or would be more than a million.
    """
    if not 0 < cell_m <= 1e6:
        raise ConfigError(f"a grid of {cell_m} m: cells must be a positive number of metres, at most 1,000,000")
    outline = area.outline
    system = gauss_krueger(area.plane.lon_deg)
    to_grid = area.plane.to_gauss_krueger(np.array([outline]))
    west, south, east, north = shapely.total_bounds(to_grid)
    if (cells := (east - west) / cell_m * ((north - south) / cell_m)) > 1_000_000:
        raise ConfigError(f"a grid of {cell_m:g} m would have {cells:,.0f} cells; take larger ones")
    columns = np.arange(np.floor((west + HAIR_M) / cell_m), np.ceil((east - HAIR_M) / cell_m)) * cell_m
    lines = np.arange(np.floor((south + HAIR_M) / cell_m), np.ceil((north - HAIR_M) / cell_m)) * cell_m
    x, y = (a.ravel() for a in np.meshgrid(columns, lines))
    boxes = area.plane.project(shapely.box(x, y, x + cell_m, y + cell_m), system, what="grid")
    cut = shapely.intersection(boxes, outline)
    inside = shapely.area(cut) > HAIR_M * cell_m
    cut = np.array([polygonal(g) for g in cut[inside]], dtype=object)
    ids = [f"{cell_m:g}mE{e:.0f}N{n:.0f}" for e, n in zip(x[inside], y[inside], strict=True)]
    order = np.argsort(ids)
    names = tuple(ids[i] for i in order)
    grid = ZoneSet("grid", names, names, area.plane.unproject(cut[order]), cut[order], area.base.source)
    return replace(area, grid=grid)


def with_own_zones(
    area: StudyArea,
    raw: RawFeatures,
    *,
    level: str,
    id_field: str,
    name_field: str,
    source: Source,
    crs: CRS | str | None,
    findings: Findings,
    overlapping: bool = False,
    show: Sequence[str] = (),
) -> StudyArea:
    """The area with a further file of zones, each measured by itself; groups don't know them.

    Raises
    ------
    ZoneError
        As for :func:`study_area`.
    ConfigError
        If an id is that of another zone or group, or the level that of the base zones.
    """
    what = f"own zones ({raw.file})"
    if level == area.base.level:
        raise ConfigError(f"{what}: the level {level!r} is that of the zones; name another")
    system = parse(crs if crs is not None else raw.frame.crs, what=what, geometries=raw.frame.geometry.to_numpy())
    ids, names, geometry = _read_zones(raw, id_field, name_field, what, findings)
    if twice := sorted(area.ids & set(ids)):
        raise ConfigError([f"{what}: {one!r} is the id of another zone or group" for one in twice])
    planar = still_valid(area.plane.project(geometry, system, what=what))
    for one, shape in zip(ids, planar, strict=True):
        if not shape.area > 0:
            raise ZoneError(f"{what}: zone {one!r} is too far from the other zones to be measured with them")
    degrees, shown = lonlat(geometry, system, what=what), _shown(raw, id_field, ids, show, what)
    zones = ZoneSet(level, ids, names, degrees, planar, source, overlapping, shown)
    return replace(area, own=(*area.own, zones))
