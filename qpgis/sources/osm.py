"""OpenStreetMap extracts (``.osm.pbf``, ``.osm``) to layers and administrative boundaries, offline.

Which tags make which layer is a table, ``data/schemes/osm.toml``. Areas are assembled by libosmium from closed ways and
from multipolygon and boundary relations. What can't be assembled is a finding, never a crash, never silently left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.catalogue import read_toml
from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import Bounds, RawFeatures
from qpgis.sources.osmfile import HISTORY, check_osm

if TYPE_CHECKING:
    import geopandas as gpd
    import osmium

SUFFIXES = (".osm.pbf", ".pbf", ".osm", ".osm.gz", ".osm.bz2")
_BOOKKEEPING = {"type", "source", "created_by", "note", "fixme"}
"""Tags that say nothing of what a multipolygon is."""

Tag = tuple[str, str]


def is_osm(path: Path) -> bool:
    """True for the file names of an OpenStreetMap extract."""
    return path.name.lower().endswith(SUFFIXES)


@dataclass(frozen=True)
class OsmRule:
    """Which objects make a layer, as ``osm.toml`` says it."""

    layer: str
    geometry: str
    any_of: frozenset[Tag]
    none_of: frozenset[Tag] = frozenset()
    class_key: str = ""
    classes: tuple[tuple[Tag, str], ...] = ()
    one_way: frozenset[Tag] = frozenset()
    one_way_reversed: frozenset[Tag] = frozenset()

    @classmethod
    def from_table(cls, layer: str, row: Mapping[str, Any]) -> OsmRule:
        """A rule from one ``[layers.<name>]`` table."""

        def tags(key: str) -> frozenset[Tag]:
            return frozenset(_tag(t) for t in row.get(key, ()))

        classes = tuple((_tag(t), name) for t, name in row.get("classes", ()))
        return cls(
            layer,
            row["geometry"],
            tags("any"),
            tags("none"),
            row.get("class_key", ""),
            classes,
            tags("one_way"),
            tags("one_way_reversed"),
        )

    def takes(self, tags: set[Tag]) -> bool:
        """True if an object with these tags belongs to the layer."""
        return not tags.isdisjoint(self.any_of) and tags.isdisjoint(self.none_of)

    def class_of(self, tags: dict[str, str]) -> str:
        """The class of an object of the layer; empty if its tags don't say."""
        if self.class_key:
            return tags.get(self.class_key, "")
        return next((name for (key, value), name in self.classes if tags.get(key) == value), "")

    def direction_of(self, tags: set[Tag]) -> str:
        """Which way an object of the layer may be travelled, in the words of ``data/schemes/oneway.toml``."""
        if not tags.isdisjoint(self.one_way_reversed):
            return "backward"
        return "both" if tags.isdisjoint(self.one_way) else "forward"


def _tag(text: str) -> Tag:
    key, _, value = text.partition("=")
    return key, value


def rules() -> tuple[OsmRule, ...]:
    """The rules of ``data/schemes/osm.toml``, in its order."""
    table = read_toml("schemes", "osm.toml")["layers"]
    return tuple(OsmRule.from_table(name, row) for name, row in table.items())


@dataclass(frozen=True)
class OsmExtract:
    """What an extract holds for qpgis.

    Attributes
    ----------
    layers : dict of str to RawFeatures
        One entry a rule, empty frames included: an extract without orchards has measured none.
    boundaries : GeoDataFrame
        Assembled ``boundary=administrative`` areas: ``feature_id``, ``name``, ``admin_level``.
    bounds : tuple or None
        The extract's stated box, degrees.
    date : str
        ISO date of the data: from the file's header, else of its newest object used.
    """

    layers: Mapping[str, RawFeatures]
    boundaries: gpd.GeoDataFrame
    bounds: Bounds | None
    date: str


@dataclass
class _Rows:
    """Rows collected while one extract is read."""

    features: dict[str, list[dict[str, Any]]]
    boundaries: list[dict[str, Any]] = field(default_factory=list)
    assembled: set[int] = field(default_factory=set)
    open_ways: dict[int, str] = field(default_factory=dict)
    way_areas: set[int] = field(default_factory=set)
    newest: str = ""


def read_osm(path: Path, *, name: str, findings: Findings) -> OsmExtract:
    """Layers and boundaries of an OpenStreetMap extract.

    Parameters
    ----------
    path : Path
        ``.osm.pbf`` or ``.osm`` (also gzipped or bzipped).
    name : str
        The file's name for outputs and messages.
    findings : Findings
        Takes what couldn't be assembled.

    Raises
    ------
    SourceError
        If the file is missing, no OSM file, a history, damaged, or without anything that qpgis uses.
    """
    what = f"OSM extract: {name}"
    path = check_osm(path, what).absolute()  # libosmium would fetch what looks like an address
    table = rules()
    rows = _Rows({rule.layer: [] for rule in table})
    with _explained(what):
        header = _header(path, what)
        _read_objects(path, name, table, rows, findings)
        relations = list(_area_relations(path))
    if not (rows.boundaries or any(rows.features.values())):
        raise SourceError(
            f"{what} holds nothing that qpgis uses: neither boundaries nor land use, water, roads ...; it is cut off, "
            "or an extract of something else"
        )
    if not relations:
        findings.add(Severity.WARNING, "osm_without_relations", file=name)
    _report_broken_relations(relations, name, table, rows, findings)
    _drop_rings_of_relations(relations, name, rows, findings)
    _report_open_ways(relations, name, rows, findings)
    layers = {rule.layer: _layer(rule, rows.features[rule.layer], name, header.bounds) for rule in table}
    return OsmExtract(layers, _frame(rows.boundaries), header.bounds, header.date or rows.newest[:10])


def layers(path: Path, what: str) -> tuple[str, ...]:
    """The layers that an extract is read as, empty ones too."""
    check_osm(path, what)
    return tuple(rule.layer for rule in rules())


@dataclass(frozen=True)
class OsmSummary:
    """What an extract says of itself, and how many objects it holds.

    Attributes
    ----------
    nodes, ways, relations : int
    bounds : tuple or None
        The stated box, degrees.
    date : str
        ISO date of the data as the header states it; empty where it doesn't.
    """

    nodes: int
    ways: int
    relations: int
    bounds: Bounds | None
    date: str


def summary(path: Path, name: str, findings: Findings | None = None) -> OsmSummary:
    """What an extract holds, without assembling anything; a million objects take about a second.

    Ways whose nodes aren't all in it are counted in ``findings``.

    Raises
    ------
    SourceError
        If the file is missing, no OSM file, a history, damaged or empty, or if a node is nowhere on Earth.
    """
    import osmium

    what = f"OSM extract: {name}"
    path = check_osm(path, what).absolute()
    counts, incomplete = dict.fromkeys("nwr", 0), 0
    with _explained(what):
        header = _header(path, what)
        last = ("", 0)
        objects: Iterator[Any] = iter(osmium.FileProcessor(str(path)).with_locations())
        for obj in objects:
            this = (obj.type_str(), obj.id)
            if this == last:
                raise SourceError(f"{what}: {this[0]}{this[1]} is in it twice: {HISTORY}")
            counts[this[0]] = counts.get(this[0], 0) + 1
            if obj.is_node() and not (obj.deleted or obj.location.valid()):
                raise SourceError(f"{what}: node/{obj.id} is nowhere on Earth ({_written(obj.location)}); correct it")
            incomplete += obj.is_way() and not all(node.location.valid() for node in obj.nodes)
            last = this
    if not any(counts.values()):
        raise SourceError(f"{what} holds no objects: it is empty, or cut off between two blocks; download it again")
    if incomplete and findings is not None:
        findings.add(Severity.WARNING, "osm_ways_incomplete", file=name, value=str(incomplete))
    return OsmSummary(counts["n"], counts["w"], counts["r"], header.bounds, header.date)


def _written(location: Any) -> str:
    return f"lat {location.lat_without_check():g}, lon {location.lon_without_check():g}"


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """The errors of libosmium as ours."""
    import osmium

    try:
        yield
    except (RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        if "out of order" in str(error):
            raise SourceError(f"{what} isn't sorted: {error}; sort it first (osmium sort)") from error
        raise SourceError(f"{what} can't be read: {error}; it is damaged or no OSM file: download it again") from error


@dataclass(frozen=True)
class _Header:
    bounds: Bounds | None
    date: str


def _header(path: Path, what: str) -> _Header:
    """What the file states of itself.

    Raises
    ------
    SourceError
        If it holds the history of objects.
    """
    import osmium

    with osmium.io.Reader(str(path)) as reader:
        header = reader.header()
    if header.has_multiple_object_versions:
        raise SourceError(f"{what}: {HISTORY}")
    box = header.box()
    bounds = (box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat) if box.valid() else None
    return _Header(bounds, header.get("osmosis_replication_timestamp")[:10])


def _read_objects(path: Path, name: str, table: tuple[OsmRule, ...], rows: _Rows, findings: Findings) -> None:
    import osmium

    keys = sorted({key for rule in table for key, _ in rule.any_of} | {"boundary"})
    wanted = osmium.filter.KeyFilter(*keys)
    factory = osmium.geom.WKBFactory()
    objects: Iterator[Any] = iter(osmium.FileProcessor(str(path)).with_areas(wanted).with_filter(wanted))
    for obj in objects:
        if obj.is_relation():
            continue
        tags = dict(obj.tags)
        found = set(tags.items())
        fitting = [rule for rule in table if rule.takes(found)]
        matching = [rule for rule in fitting if rule.geometry in _drawn_as(obj)]
        boundary = obj.is_area() and tags.get("boundary") == "administrative" and bool(tags.get("admin_level"))
        if obj.is_area():
            (rows.way_areas if obj.from_way() else rows.assembled).add(obj.orig_id())
        elif obj.is_way() and tags.get("area") != "no":
            rows.open_ways.update((obj.id, rule.layer) for rule in fitting if rule.geometry == "polygon")
        if not (matching or boundary):
            continue
        if obj.timestamp.year > 1970:
            rows.newest = max(rows.newest, obj.timestamp.isoformat())
        wkb = _wkb(obj, factory, name, findings)
        if wkb is None:
            continue
        for rule in matching:
            rows.features[rule.layer].append(_feature(obj, tags, rule, wkb))
        if boundary:
            name_of = tags.get("name", "")
            rows.boundaries.append(
                {"feature_id": _osm_id(obj), "name": name_of, "admin_level": tags["admin_level"], "wkb": wkb}
            )


def _drawn_as(obj: Any) -> tuple[str, ...]:
    """The geometries of layers that an object may belong to; an area may stand for a point in it."""
    return ("polygon", "point") if obj.is_area() else ("point",) if obj.is_node() else ("line",)


def _wkb(obj: Any, factory: osmium.geom.WKBFactory, name: str, findings: Findings) -> str | None:
    """The geometry as hexadecimal WKB; ``None``, with a finding, where nodes are missing."""
    import osmium

    try:
        if obj.is_node():
            return factory.create_point(obj)
        return factory.create_multipolygon(obj) if obj.is_area() else factory.create_linestring(obj)
    except (osmium.InvalidLocationError, RuntimeError) as error:
        findings.add(Severity.WARNING, "osm_no_geometry", file=name, feature_id=_osm_id(obj), reason=str(error))
        return None


def _osm_id(obj: Any) -> str:
    if obj.is_area():
        return f"{'way' if obj.from_way() else 'relation'}/{obj.orig_id()}"
    return f"{'node' if obj.is_node() else 'way' if obj.is_way() else 'relation'}/{obj.id}"


def _feature(obj: Any, tags: dict[str, str], rule: OsmRule, wkb: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "feature_id": _osm_id(obj),
        "name": tags.get("name", ""),
        "class": rule.class_of(tags),
        "wkb": wkb,
    }
    if rule.one_way:
        row |= {"ref": tags.get("ref", ""), "oneway": rule.direction_of(set(tags.items()))}
    return row


def _layer(rule: OsmRule, rows: list[dict[str, Any]], name: str, bounds: Bounds | None) -> RawFeatures:
    """The features of a layer; areas of a layer of points at a point inside."""
    import shapely

    frame = _frame(rows)
    if rule.geometry == "point":
        frame = frame.set_geometry(shapely.point_on_surface(frame.geometry.to_numpy()), crs=frame.crs)
    return RawFeatures(frame, name, "OSM", bounds)


def _frame(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import numpy as np
    import shapely

    from qpgis.crs import LONLAT

    columns = [c for c in rows[0] if c != "wkb"] if rows else ["feature_id", "name", "class", "admin_level"]
    geometry = shapely.from_wkb(np.array([row["wkb"] for row in rows], dtype=object))
    data = {c: [row[c] for row in rows] for c in columns}
    return gpd.GeoDataFrame(data, geometry=geometry, crs=LONLAT)


@dataclass(frozen=True)
class _AreaRelation:
    """A multipolygon or boundary relation: what it says of itself, and its outer members."""

    id: int
    tags: dict[str, str]
    outers: tuple[int, ...]

    @property
    def tagless(self) -> bool:
        """True if it doesn't say what it is."""
        return set(self.tags) <= _BOOKKEEPING

    @property
    def administrative(self) -> bool:
        """True for an administrative boundary."""
        return self.tags.get("boundary") == "administrative"


def _area_relations(path: Path) -> Iterator[_AreaRelation]:
    import osmium

    relations: Iterator[Any] = iter(osmium.FileProcessor(str(path), osmium.osm.RELATION))
    for relation in relations:
        tags = dict(relation.tags)
        if tags.get("type") in ("multipolygon", "boundary"):
            outers = tuple(m.ref for m in relation.members if m.type == "w" and m.role != "inner")
            yield _AreaRelation(relation.id, tags, outers)


def _report_broken_relations(
    relations: list[_AreaRelation], name: str, table: tuple[OsmRule, ...], rows: _Rows, findings: Findings
) -> None:
    """Name every relation of interest that has no area, and those that leave their tags to their members."""
    for relation in relations:
        found = set(relation.tags.items())
        layers = [r.layer for r in table if r.geometry == "polygon" and r.takes(found)]
        about = {"file": name, "feature_id": f"relation/{relation.id}"}
        if relation.tagless:
            members = ", ".join(f"way/{ref}" for ref in relation.outers)
            findings.add(Severity.WARNING, "osm_relation_without_tags", **about, members=members)
        elif relation.id not in rows.assembled and (layers or relation.administrative):
            kind = "; ".join(layers) or f"admin_level={relation.tags.get('admin_level', '?')}"
            words = {"value": kind, "name": relation.tags.get("name", "")}
            # boundaries of neighbours are mostly cut by the extract; a missing zone shows by itself
            severity = Severity.WARNING if layers else Severity.INFO
            findings.add(severity, "osm_broken_relation", **about, **words)


def _drop_rings_of_relations(relations: list[_AreaRelation], name: str, rows: _Rows, findings: Findings) -> None:
    """Leave out closed ways that are rings of an administrative relation: the relation is the zone."""
    rings = {f"way/{ref}" for relation in relations if relation.administrative for ref in relation.outers}
    for row in rows.boundaries:
        if row["feature_id"] in rings:
            words = {"file": name, "feature_id": row["feature_id"], "value": row["admin_level"]}
            findings.add(Severity.INFO, "osm_boundary_ring", **words)
    rows.boundaries = [row for row in rows.boundaries if row["feature_id"] not in rings]


def _report_open_ways(relations: list[_AreaRelation], name: str, rows: _Rows, findings: Findings) -> None:
    """Name the ways that have an area's tags but make none: not closed, short of nodes, or of a broken relation."""
    parts = {
        ref
        for relation in relations
        if relation.id in rows.assembled and not relation.tagless
        for ref in relation.outers
    }
    for way, layer in rows.open_ways.items():
        if way not in rows.way_areas and way not in parts:
            findings.add(Severity.WARNING, "osm_open_way", layer=layer, file=name, feature_id=f"way/{way}")
