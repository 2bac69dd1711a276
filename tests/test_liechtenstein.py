"""A whole country from its OSM extract, every value against a second computation that shares no call with qpgis.

The second computation (here called the oracle) is plain: OSM nodes, ways and relations as they stand in the file, rings
built from their edges, unions in degrees, areas in Albers' cone (checked by geodesic ones), roads cut edge by edge and
measured by ``pyproj.Geod``. Slow, obvious, independent.
"""

from __future__ import annotations

import csv
import tomllib
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import osmium
import pytest
import shapely
from pyproj import Geod, Transformer
from shapely import Polygon

from qpgis.cli import main
from qpgis.indicators import registry
from tests.conftest import WHOLES

EXTRACT = Path(__file__).resolve().parents[2] / "shared" / "data" / "liechtenstein.osm.pbf"
GEOD = Geod(ellps="GRS80")
ALBERS = Transformer.from_crs(
    4326, "+proj=aea +lat_1=47.1 +lat_2=47.2 +lat_0=47.15 +lon_0=9.55 +ellps=GRS80", always_xy=True
)
RELATIVE = 1e-6
COLUMNS = (
    "indicator,definition,zone_id,zone_name,level,period,value,unit,numerator,numerator_unit,denominator,denominator_unit,"
    "target,operator,target_text,target_year,property,progress,status,grade,note,scenario,value_low,value_high,source"
)
PUBLISHED_KM2 = {
    "Balzers": 19.7,
    "Eschen": 10.4,
    "Gamprin": 6.2,
    "Mauren": 7.5,
    "Planken": 5.3,
    "Ruggell": 7.4,
    "Schaan": 26.9,
    "Schellenberg": 3.6,
    "Triesen": 26.4,
    "Triesenberg": 29.7,
    "Vaduz": 17.3,
}
"""Areas as the country publishes them; they are given to one decimal."""

LACKING = {
    "basic_farmland_area": "basic_farmland",
    "beautiful_village_sites": "villages",
    "border_dead_ends": "界线",  # the extract is cut off at the country's border, and has no provinces
    "blue_green_share": "landuse",  # for the definition by parcels
    "built_in_basic_farmland": "basic_farmland",
    "built_in_redline": "redline",
    "built_outside_growth_boundary": "growth_boundary",
    "bus_stop_coverage": "residents",
    "blue_line_construction": "blue_lines",
    "greenway_continuity": "greenways",
    "greenway_coverage": "greenways",
    "greenway_length": "greenways",
    "people_per_park": "residents",
    "water_quality_good_share": "sections",
    "construction_area_per_person": "residents",
    "construction_use_area": "建设用地",  # roads, schools and the like aren't mapped by land use
    "construction_use_share": "建设用地",
    "corridor_continuity": "corridor_axes",
    "corridor_full_width": "corridor_axes",
    "corridor_gaps": "corridor_axes",
    "culture_sport_area_per_person": "amount_field",
    "demonstration_villages": "villages",
    "elderly_care_area_per_person": "养老",
    "elderly_care_per_10k": "养老",
    "facility_count": "养老",
    "health_facilities_per_10k": "residents",
    "facility_walk_coverage": "菜市场",
    "living_circle_15min": "养老",  # nobody mapped any in 2015
    "park_area_per_person": "residents",
    "park_walk_5min": "residents",
    "projects_by_status": "projects",
    "projects_completed_share": "projects",
    "rail_station_coverage": "residents",
    "redline_area": "redline",
    "sports_area_per_person": "amount_field",
    "villages_by_class": "villages",
}
"""What OpenStreetMap lacks for an indicator, or for some of its definitions: a word of the reason that is given."""

NONE_THERE = {
    ("blue_line_construction", "band_20m"): "分母为 0",
    ("river_crossing_density", "drivable"): "分母为 0",
    ("river_crossing_density", "walkable"): "分母为 0",
    ("open_shore", "continuous_500m"): "分母为 0",
    ("open_shore", "not_before_homes"): "分母为 0",
    ("open_shore", "within_30m"): "分母为 0",
}
"""Definitions that ask for rivers, lakes or reservoirs, of which a municipality may have none, and what it says."""

ECOLOGICAL = ("water", "wetland", "forest", "grass", "park")
COUNTED = {
    "non_built_and_parks": (*ECOLOGICAL, "farmland", "orchard"),
    "non_built": ("water", "wetland", "forest", "grass", "farmland", "orchard"),
    "ecological_only": ECOLOGICAL,
}
WATER = {
    "rivers_lakes_reservoirs": {"river", "lake", "reservoir"},
    "with_ponds": {"river", "lake", "reservoir", "pond"},
    "all_water": {"river", "lake", "reservoir", "pond", "canal", ""},
}
OPPOSITE_WITHIN_M = 40.0
LEVELS = {"motorway": "motorway", "trunk": "arterial", "primary": "arterial", "secondary": "secondary"}
"""Levels of road by highway tag; all others are local."""


# The file ------------------------------------------------------------------------------------------------------------


class Extract:
    """Nodes, ways and area relations of the file, nothing interpreted."""

    def __init__(self, path: Path) -> None:
        self.ways: dict[int, tuple[dict[str, str], np.ndarray]] = {}
        self.relations: dict[int, tuple[dict[str, str], list[int]]] = {}
        for thing in osmium.FileProcessor(str(path)).with_locations():
            tags = {tag.k: tag.v for tag in thing.tags}
            if thing.is_way():
                known = [(n.lon, n.lat) for n in thing.nodes if n.location.valid()]
                if len(known) == len(thing.nodes):
                    self.ways[thing.id] = (tags, np.array(known))
            elif thing.is_relation() and tags.get("type") in ("multipolygon", "boundary"):
                self.relations[thing.id] = (tags, [m.ref for m in thing.members if m.type == "w"])

    def polygons(self):
        """Tags and polygon of every area: closed ways unless area=no, and relations whose rings all close."""
        for number, (tags, xy) in self.ways.items():
            if len(xy) > 3 and (xy[0] == xy[-1]).all() and tags.get("area") != "no":
                yield f"way/{number}", tags, even_odd([Polygon(xy)])
        for number, (tags, members) in self.relations.items():
            if members and all(m in self.ways for m in members):
                rings = closed_rings([self.ways[m][1] for m in members])
                if rings is not None:
                    yield f"relation/{number}", tags, even_odd(rings)


def closed_rings(lines: list[np.ndarray]) -> list[Polygon] | None:
    """The polygons that the lines bound, each face by itself; None where an end is loose."""
    ends = Counter(tuple(end) for xy in lines if tuple(xy[0]) != tuple(xy[-1]) for end in (xy[0], xy[-1]))
    if any(count % 2 for count in ends.values()):
        return None
    edges = Counter(frozenset((tuple(a), tuple(b))) for xy in lines for a, b in pairwise(xy))
    odd = [shapely.LineString(list(edge)) for edge, count in edges.items() if count % 2 and len(edge) == 2]
    return list(shapely.get_parts(shapely.build_area(shapely.multilinestrings(odd))))


def even_odd(polygons: list[Polygon]) -> shapely.Geometry:
    return shapely.union_all([p if p.is_valid else shapely.make_valid(p, method="linework") for p in polygons])


def has_any(tags: dict[str, str], wanted: list[str]) -> bool:
    return any(tags.get(key) == value for key, value in (tag.split("=", 1) for tag in wanted))


# The oracle ----------------------------------------------------------------------------------------------------------


def square_metres(geometry: shapely.Geometry) -> float:
    """Ellipsoidal area of polygons whose edges are straight in degrees; cut to 2 m, they are straight in the cone too.

    Albers' cone is equal-area like qpgis's plane, and nothing else like it; geodesic areas are the third opinion.
    """
    fine = shapely.segmentize(geometry, 2e-5)
    return shapely.transform(fine, lambda xy: np.column_stack(ALBERS.transform(xy[:, 0], xy[:, 1]))).area


class Roads:
    """Road edges, one by one: what lies in which zone, and which stretch is a carriageway of two."""

    def __init__(self, extract: Extract, rules: dict, zones: dict[str, shapely.Geometry]) -> None:
        self.edges, self.tags, self.heading = [], [], []
        for number, (tags, xy) in extract.ways.items():
            if has_any(tags, rules["any"]) and not has_any(tags, rules["none"]):
                backwards = has_any(tags, rules["one_way_reversed"])
                one_way = backwards or has_any(tags, rules["one_way"])
                for a, b in pairwise(xy):
                    if tuple(a) != tuple(b):
                        self.edges.append((tuple(a), tuple(b)))
                        self.tags.append(tags | {"one_way": one_way, "way": number})
                        self.heading.append(-1 if backwards else 1)
        self.zones = zones
        self.borders: defaultdict[frozenset, list[str]] = defaultdict(list)
        for zone, polygon in zones.items():
            for part in shapely.get_parts(polygon):
                for ring in (part.exterior, *part.interiors):
                    for a, b in pairwise(ring.coords):
                        self.borders[frozenset((a, b))].append(zone)
        self._tree = shapely.STRtree([z.boundary for z in zones.values()])

    def pieces(self, edge) -> list[tuple[float, float, list[str]]]:
        """From where to where on an edge (0 to 1) it lies in which zones; several share a border."""
        if frozenset(edge) in self.borders:
            return [(0.0, 1.0, self.borders[frozenset(edge)])]
        line = shapely.LineString(edge)
        cuts = {0.0, 1.0}
        for zone in self._tree.query(line, predicate="intersects"):
            crossing = shapely.intersection(line, self._tree.geometries[zone])
            cuts |= {line.project(shapely.Point(xy), normalized=True) for xy in shapely.get_coordinates(crossing)}
        found = []
        for start, end in pairwise(sorted(cuts)):
            if end - start > 1e-12:
                middle = line.interpolate((start + end) / 2, normalized=True)
                found.append((start, end, [zone for zone, polygon in self.zones.items() if polygon.contains(middle)]))
        return found

    def halved(self) -> list[list[tuple[float, float]]]:
        """Per edge the stretches (0 to 1) within 40 m of an opposite one-way edge of its class, exactly.

        The distance to an edge is convex along a straight line, so it is below 40 m on one interval: bisection.
        """
        to_metres = Transformer.from_crs(4326, "+proj=tmerc +lon_0=9.55 +lat_0=47.15 +ellps=GRS80", always_xy=True)
        ends = np.array(self.edges).reshape(-1, 2)
        xy = np.column_stack(to_metres.transform(ends[:, 0], ends[:, 1])).reshape(-1, 2, 2)
        lines = shapely.linestrings(xy)
        direction = (xy[:, 1] - xy[:, 0]) * np.array(self.heading)[:, None]
        bearing = np.degrees(np.arctan2(direction[:, 0], direction[:, 1]))
        one_way = np.flatnonzero([tags["one_way"] for tags in self.tags])
        tree = shapely.STRtree(lines[one_way])
        found: list[list[tuple[float, float]]] = [[] for _ in self.edges]
        for n in one_way:
            near = one_way[tree.query(lines[n], predicate="dwithin", distance=OPPOSITE_WITHIN_M)]
            turned = np.abs((bearing[near] - bearing[n]) % 360 - 180)
            for other in near[turned <= 45]:
                if same_road(self.tags[n], self.tags[other]):
                    found[n].append(interval_within(lines[n], lines[other], OPPOSITE_WITHIN_M))
        return [joined(intervals) for intervals in found]


def same_road(a: dict[str, str], b: dict[str, str]) -> bool:
    """Another way of the same class, and of the same ref or name where both have one.

    The ring of a roundabout is one carriageway, not its own opposite.
    """
    if a["way"] == b["way"]:
        return False
    both = [key for key in ("ref", "name") if key in a and key in b]
    return a["highway"] == b["highway"] and (not both or any(a[key] == b[key] for key in both))


def interval_within(line, other, limit: float) -> tuple[float, float]:
    """Where on ``line`` (0 to 1) the distance to the straight edge ``other`` is at most ``limit``."""

    def distance(t: float) -> float:
        return line.interpolate(t, normalized=True).distance(other)

    low, high = 0.0, 1.0
    for _ in range(100):  # the distance is convex: close in on its least place
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if distance(a) <= distance(b) else (a, high)
    nearest = (low + high) / 2

    def edge(inside: float, outside: float) -> float:
        if distance(outside) <= limit:
            return outside
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if distance(middle) <= limit else (inside, middle)
        return inside

    return (edge(nearest, 0.0), edge(nearest, 1.0)) if distance(nearest) <= limit else (0.0, 0.0)


def joined(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class Oracle:
    """Every numerator and denominator of every municipality, in m2 and m."""

    def __init__(self, path: Path) -> None:
        extract = Extract(path)
        self.rules = tomllib.loads(files("qpgis.data").joinpath("schemes", "osm.toml").read_text("utf-8"))["layers"]
        shapes: defaultdict[str, list] = defaultdict(list)
        water_class = []
        boundaries = {}
        for number, tags, polygon in extract.polygons():
            if number.startswith("relation/") and tags.get("boundary") == "administrative":
                boundaries[number] = (tags["admin_level"], tags.get("name", ""), polygon)
            for kind, rule in self.rules.items():
                if (
                    rule["geometry"] == "polygon"
                    and has_any(tags, rule["any"])
                    and not has_any(tags, rule.get("none", []))
                ):
                    shapes[kind].append(polygon)
                    if kind == "water":
                        water_class.append(self._class(tags))
        self.shapes = shapes
        self.zones = {number: p for number, (level, _, p) in boundaries.items() if level == "8"}
        self.names = {number: name for number, (_, name, _) in boundaries.items()}
        covers = {number: p for number, (level, _, p) in boundaries.items() if level == "6"}
        self.country = next(number for number, (level, _, _) in boundaries.items() if level == "2")
        inside = {
            number: [zone for zone, z in self.zones.items() if p.contains(z.representative_point())]
            for number, p in covers.items()
        }
        self.members = {number: zones for number, zones in inside.items() if zones} | {self.country: list(self.zones)}
        self.water = {
            name: shapely.union_all([s for s, c in zip(shapes["water"], water_class, strict=True) if c in classes])
            for name, classes in WATER.items()
        }
        self.union = {kind: shapely.union_all(found) for kind, found in shapes.items()}
        self.union.update({kind: Polygon() for kind in self.rules if kind not in self.union})
        self.area = {zone: square_metres(polygon) for zone, polygon in self.zones.items()}
        self.sums = dict(self._areas())
        self.roads = Roads(extract, self.rules["roads"], self.zones)
        self._measure_roads()

    def _class(self, tags: dict[str, str]) -> str:
        return next((name for tag, name in self.rules["water"]["classes"] if has_any(tags, [tag])), "")

    def within(self, geometry: shapely.Geometry) -> dict[str, float]:
        return {zone: square_metres(shapely.intersection(geometry, p)) for zone, p in self.zones.items()}

    def _areas(self):
        for name, kinds in COUNTED.items():
            yield (
                ("blue_green_share", name),
                (self.within(shapely.union_all([self.union[k] for k in kinds])), self.area),
            )
        forest = self.union["forest"]
        yield ("forest_cover", "total_area"), (self.within(forest), self.area)
        for name, water in self.water.items():
            wet = self.within(water)
            yield ("water_surface_share", name), (wet, self.area)
            if name != "with_ponds":
                land = {zone: self.area[zone] - wet[zone] for zone in self.zones}
                yield ("forest_cover_of_land", name), (self.within(shapely.difference(forest, water)), land)

    def _measure_roads(self) -> None:
        whole = {zone: Fraction(0) for zone in self.zones}
        centre = dict(whole)
        levels = {name: dict(whole) for name in (*LEVELS.values(), "local")}
        for edge, tags, halved in zip(self.roads.edges, self.roads.tags, self.roads.halved(), strict=True):
            level = levels[LEVELS.get(tags["highway"], "local")]
            metres = GEOD.line_length(*np.array(edge).T)
            for start, end, zones in self.roads.pieces(edge):
                double = sum(max(0.0, min(end, high) - max(start, low)) for low, high in halved)
                for zone in zones:
                    whole[zone] += Fraction(metres * (end - start)) / len(zones)
                    piece = Fraction(metres * (end - start - double / 2)) / len(zones)
                    centre[zone] += piece
                    level[zone] += piece
        for name, metres in {"carriageway": whole, "centreline": centre, **levels}.items():
            self.sums["road_density", name] = ({zone: float(m) for zone, m in metres.items()}, self.area)
        built = self.within(self.union["construction"])
        self.sums["road_density", "construction_land"] = ({zone: float(m) for zone, m in centre.items()}, built)

    def expected(self, indicator: str, definition: str, zone: str) -> tuple[float, float]:
        """Numerator and denominator, in m2 or m."""
        above, below = self.sums[indicator, definition]
        members = self.members.get(zone, [zone])
        return sum(above[m] for m in members), sum(below[m] for m in members)


# The tests -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extract_file() -> Path:
    if not EXTRACT.exists():
        pytest.skip("shared data aren't beside the project: liechtenstein.osm.pbf")
    return EXTRACT


@pytest.fixture(scope="module")
def csv_bytes(extract_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("liechtenstein")
    levels = ["--zones-level", "8", "--groups-level", "6"]
    assert main(["run", "--osm", str(extract_file), *levels, "--definitions", "all", "--out", str(out)]) == 0
    return (out / "indicators.csv").read_bytes()


@pytest.fixture(scope="module")
def rows(csv_bytes: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(csv_bytes.decode("utf-8-sig").splitlines()))


@pytest.fixture(scope="module")
def oracle(extract_file: Path) -> Oracle:
    return Oracle(extract_file)


def test_the_file_is_what_the_contract_says(csv_bytes: bytes, rows: list[dict[str, str]]) -> None:
    assert csv_bytes.startswith(b"\xef\xbb\xbf" + COLUMNS.encode() + b"\r\n")
    keys = Counter((row["indicator"], row["definition"], row["zone_id"]) for row in rows)
    assert max(keys.values()) == 1
    every = [(one.id, definition.name) for one in registry().values() for definition in one.definitions]
    assert {key[:2] for key in keys} == set(every)
    assert len(keys) == 14 * len(every)
    assert {row["period"] for row in rows} == {"2015"}
    assert {row["scenario"] for row in rows} == {"present"}
    assert {row["grade"] for row in rows if row["value"]} == {"open"}
    assert {row["status"] for row in rows if row["value"]} == {"no_target"}


def test_what_openstreetmap_lacks_is_missing_with_its_reason(rows: list[dict[str, str]]) -> None:
    missing = [row for row in rows if not row["value"]]
    assert {row["status"] for row in missing} == {"not_computable"}
    assert {row["indicator"] for row in missing} == {*LACKING, *(name for name, _ in NONE_THERE)}
    for row in missing:
        people = row["definition"].removeprefix("land_")
        kind = "residents" if people.startswith(("people", "residents")) else people.partition("_")[0]
        by_people = kind in ("residents", "jobs", "registered", "actual", "served")
        reason = NONE_THERE.get((row["indicator"], row["definition"]), LACKING.get(row["indicator"], ""))
        assert reason
        assert (kind if by_people else reason) in row["note"], row


def test_stations_are_those_of_the_raw_file(rows: list[dict[str, str]], oracle: Oracle, extract_file: Path) -> None:
    spots = [
        shapely.Point(node.lon, node.lat)
        for node in osmium.FileProcessor(str(extract_file), osmium.osm.NODE)
        if node.tags.get("railway") in ("station", "halt")
    ]
    counted = {r["zone_id"]: float(r["value"]) for r in rows if r["indicator"] == "rail_stations"}
    for zone, polygon in oracle.zones.items():
        assert counted[zone] == sum(polygon.contains(spot) for spot in spots)
    assert sum(counted[zone] for zone in oracle.zones) > 0


def test_built_land_near_bus_stops_equals_buffers_in_another_plane(
    rows: list[dict[str, str]], oracle: Oracle, extract_file: Path
) -> None:
    """By pyproj and shapely alone, in UTM 32N, whose scale is within 4e-4 of true here."""
    to_utm = Transformer.from_crs(4326, 32632, always_xy=True).transform
    stops = [
        to_utm(node.lon, node.lat)
        for node in osmium.FileProcessor(str(extract_file), osmium.osm.NODE)
        if node.tags.get("highway") == "bus_stop"
    ]
    near = shapely.union_all(shapely.buffer(shapely.points(stops), 500, quad_segs=64))
    built = shapely.union_all(oracle.shapes["construction"])
    built = shapely.transform(built, lambda xy: np.column_stack(to_utm(*xy.T)))
    for zone, polygon in oracle.zones.items():
        ground = shapely.intersection(built, shapely.transform(polygon, lambda xy: np.column_stack(to_utm(*xy.T))))
        (row,) = (r for r in rows if r["zone_id"] == zone and r["definition"] == "construction_500m")
        assert float(row["value"]) == pytest.approx(100 * ground.intersection(near).area / ground.area, rel=3e-3)


def test_municipalities_groups_and_country(rows: list[dict[str, str]], oracle: Oracle) -> None:
    names = {level: {r["zone_name"] for r in rows if r["level"] == level} for level in ("town", "group", "district")}
    assert names["town"] == set(PUBLISHED_KM2)
    assert names["group"] == {"Wahlkreis Oberland", "Wahlkreis Unterland"}
    assert names["district"] == {"Liechtenstein"}
    assert {row["level"] for row in rows} == set(names)
    assert {row["zone_id"]: row["zone_name"] for row in rows} == {
        zone: oracle.names[zone] for zone in (*oracle.zones, *oracle.members)
    }


def test_areas_are_the_published_ones(rows: list[dict[str, str]]) -> None:
    found = {row["zone_name"]: float(row["denominator"]) for row in rows if row["indicator"] == "forest_cover"}
    for name, published in {**PUBLISHED_KM2, "Liechtenstein": 160.5}.items():
        assert abs(found[name] - published) <= 0.01 * published + 0.05, name


def test_sums_are_exact(rows: list[dict[str, str]], oracle: Oracle) -> None:
    summed = (r for r in rows if r["value"] and r["indicator"] not in WHOLES)
    printed = {(r["indicator"], r["definition"], r["zone_id"]): r for r in summed}
    for (indicator, definition, zone), row in printed.items():
        for member_sum in ("numerator", "denominator") if row["denominator"] else ("numerator",):
            members = oracle.members.get(zone, [zone])
            if (indicator, definition) in NONE_THERE:  # who has none adds nothing
                members = [m for m in members if (indicator, definition, m) in printed]
            total = sum(Decimal(printed[indicator, definition, m][member_sum]) for m in members)
            assert Decimal(row[member_sum]) == total, (indicator, definition, zone, member_sum)


def test_a_value_is_the_quotient_of_its_sums(rows: list[dict[str, str]]) -> None:
    for row in (row for row in rows if row["denominator"] and row["unit"] != "m2/person"):
        units = row["numerator_unit"], row["denominator_unit"]
        factor = {"%": 100}.get(row["unit"], 1)
        assert units[0] == units[1] if row["unit"] in ("%", "ratio") else "/".join(units) == row["unit"]
        quotient = factor * Decimal(row["numerator"]) / Decimal(row["denominator"])
        assert Decimal(row["value"]) == pytest.approx(quotient, rel=Decimal("1e-11"))


def test_every_value_equals_the_oracle(rows: list[dict[str, str]], oracle: Oracle) -> None:
    wrong = []
    ours = [row for row in rows if (row["indicator"], row["definition"]) in oracle.sums]
    assert len(ours) == 14 * len(oracle.sums)
    for row in ours:
        above, below = oracle.expected(row["indicator"], row["definition"], row["zone_id"])
        metres, factor = (1e-6, 100) if row["unit"] == "%" else (1e-3, 1)
        expected = {"numerator": above * metres, "denominator": below * 1e-6}
        expected["value"] = factor * expected["numerator"] / expected["denominator"]
        for key, value in expected.items():
            if float(row[key]) != pytest.approx(value, rel=RELATIVE, abs=0):
                wrong.append((row["indicator"], row["definition"], row["zone_name"], key, row[key], value))
    assert not wrong


def test_the_oracle_agrees_with_geodesic_areas(oracle: Oracle) -> None:
    for zone, polygon in oracle.zones.items():
        geodesic = abs(GEOD.geometry_area_perimeter(shapely.segmentize(polygon, 2e-5))[0])
        assert oracle.area[zone] == pytest.approx(geodesic, rel=1e-9)


def test_the_oracle_sees_what_the_definitions_tell_apart(oracle: Oracle) -> None:
    """Fixtures that a definition could ignore without anyone noticing would prove nothing."""
    country = {key: oracle.expected(*key, oracle.country)[0] for key in oracle.sums}
    assert country["road_density", "centreline"] < country["road_density", "carriageway"]
    water = [country["water_surface_share", name] for name in ("rivers_lakes_reservoirs", "with_ponds", "all_water")]
    assert 0 < water[0] < water[1] < water[2]
    green = [country["blue_green_share", name] for name in ("ecological_only", "non_built", "non_built_and_parks")]
    assert len(set(green)) == 3
    assert country["forest_cover_of_land", "all_water"] < country["forest_cover", "total_area"]
