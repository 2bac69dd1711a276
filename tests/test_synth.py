"""Synthetic landscapes: parcels tile the zones, streets connect, sums are the calibration's, bytes repeat."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from qpgis.catalogue import read_toml
from qpgis.crs import Plane
from qpgis.errors import ConfigError, CRSError, LayerError, SourceError, ZoneError
from qpgis.landuse import class_words, scheme
from qpgis.synth import Synthetic, read_calibration, synthesise, write
from qpgis.synth.calibration import FACILITIES
from qpgis.synth.fields import Grid, Totals, Warp, Waves, spread
from qpgis.synth.partition import Partition, ragged_ranges
from qpgis.synth.streets import components
from qpgis.synth.writing import FORMATS, Format
from tests.conftest import EAST, NORTH, frame, square

DATA = files("qpgis.data")
GENERIC = read_calibration("generic")
TABLES = {name: read_toml("synth", f"{name}.toml") for name in ("generic", "qingpu")}
CODES = {
    "water": {"1101", "1102", "1103", "1104", "1104A", "1107"},
    "roads": {"1003", "1004"},
    "industry": {"0601"},
    "town_housing": {"0701"},
    "village": {"0702"},
    "forest": {"0301", "0305", "0307"},
    "farmland": {"0101", "0103"},
}
"""Codes of 三调 of some groups."""


def embedded(*path: str) -> gpd.GeoDataFrame:
    return gpd.read_file(str(DATA.joinpath(*path)))


def measured(geometries: object, crs: object, plane: Plane) -> np.ndarray:
    """Areas as qpgis measures them: edges straight in their own system."""
    array = np.atleast_1d(np.asarray(geometries, dtype=object))
    return np.asarray(shapely.area(plane.project(array, crs, what="test")))


def some_zones() -> gpd.GeoDataFrame:
    """A town with a hole, a town in the hole, a town of two parts, a slim triangle."""
    hole = box(EAST + 1500, NORTH + 1500, EAST + 2600, NORTH + 2900)
    parts = shapely.union(square(4500, 0, 1500, 2000), square(6500, 500, 900, 900))
    slim = Polygon([(EAST, NORTH + 4000), (EAST + 4000, NORTH + 4000), (EAST + 100, NORTH + 5200)])
    shapes = [square(0, 0, 4000, 4000).difference(hole), hole, parts, slim]
    return frame(shapes, zone_id=["a", "b", "c", "d"], name=["甲", "乙", "丙", "丁"])


def lake_and_river() -> gpd.GeoDataFrame:
    """A lake inside zone a, and a river through it that also leaves the zones."""
    lake = Point(EAST + 800, NORTH + 3000).buffer(420, quad_segs=6)
    river = shapely.LineString([(EAST - 500, NORTH + 900), (EAST + 2000, NORTH + 1100), (EAST + 4300, NORTH + 700)])
    return frame(
        [river.buffer(30), lake], id=["w-river", "w-lake"], name=["合成河", "合成湖"], **{"class": ["river", "湖泊"]}
    )


@pytest.fixture(scope="module")
def small() -> Synthetic:
    """Awkward zones with water, forest and a backbone."""
    forest = frame([square(3000, 200, 600, 500)], id=["f-1"])
    lines = [
        shapely.LineString([(EAST - 400, NORTH + 2050), (EAST + 4700, NORTH + 1700)]),
        shapely.LineString([(EAST + 1200, NORTH - 100), (EAST + 1000, NORTH + 4600)]),
    ]
    roads = frame(lines, id=["m", "t"], name=["合成高速", "合成国道"], **{"class": ["motorway", "trunk"]})
    return synthesise(
        some_zones(), seed=7, parcels=900, calibration=GENERIC, water=lake_and_river(), forest=forest, roads=roads
    )


@pytest.fixture(scope="module")
def qingpu() -> Synthetic:
    return synthesise(
        embedded("boundaries", "qingpu_towns.geojson"),
        seed=1,
        parcels=6000,
        calibration=read_calibration("qingpu"),
        water=embedded("layers", "water.geojson"),
    )


def check_coverage(made: Synthetic, zones: gpd.GeoDataFrame, relative: float = 1e-6) -> None:
    geometries = made.landuse.geometry.to_numpy()
    assert shapely.is_valid(geometries).all()
    assert set(shapely.get_type_id(geometries)) == {3}
    assert shapely.coverage_is_valid(geometries)
    plane = Plane.around(geometries)
    parcels = measured(geometries, made.landuse.crs, plane)
    towns = measured(zones.geometry, zones.crs, plane)
    grid_m = 0.004 * relative / 1e-6
    border_m = zones.to_crs(plane.crs).length.to_numpy()
    assert parcels.sum() == pytest.approx(towns.sum(), rel=relative, abs=grid_m * border_m.min())
    assert (parcels > 0).all()
    for zone, area, metres in zip(zones.iloc[:, 0].astype(str), towns, border_m, strict=True):
        mine = parcels[made.landuse["zone_id"] == zone].sum()
        assert mine == pytest.approx(area, rel=relative, abs=grid_m * metres)


def check_network(made: Synthetic, parts: int = 1) -> None:
    """Streets share their end vertices and hang together."""
    neighbours: dict[tuple, set] = defaultdict(set)
    for line in made.roads.geometry:
        first, last = line.coords[0], line.coords[-1]
        neighbours[first].add(last)
        neighbours[last].add(first)
    seen: set[tuple] = set()
    found = 0
    for node in neighbours:
        if node in seen:
            continue
        found += 1
        stack = [node]
        while stack:
            here = stack.pop()
            if here not in seen:
                seen.add(here)
                stack.extend(neighbours[here] - seen)
    assert found == parts


def test_parcels_tile_awkward_zones(small: Synthetic) -> None:
    check_coverage(small, some_zones())


def test_parcels_tile_the_towns(qingpu: Synthetic) -> None:
    check_coverage(qingpu, embedded("boundaries", "qingpu_towns.geojson"))
    assert len(qingpu.landuse) == pytest.approx(6000, rel=0.15)


@given(
    seed=st.integers(0, 10_000),
    corners=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=3, max_size=9),
    parcels=st.integers(1, 400),
)
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_parcels_tile_any_zones(seed: int, corners: list[tuple[int, int]], parcels: int) -> None:
    hull = shapely.convex_hull(shapely.multipoints([(EAST + x, NORTH + y) for x, y in corners]))
    if hull.area < 10_000:
        hull = square(0, 0, 700, 300)
    west, south, east, north = hull.bounds
    middle = (west + east) / 2
    halves = [hull.intersection(box(west, south, middle, north)), hull.intersection(box(middle, south, east, north))]
    zones = frame(halves, code=[1, 2])
    made = synthesise(zones, seed=seed, parcels=parcels, calibration=GENERIC, id_field="code")
    check_coverage(made, zones)


def test_shares_are_met(qingpu: Synthetic) -> None:
    shares = qingpu.shares.set_index(["area", "group"])
    total = shares.loc[("310118", "water")]
    assert total["achieved"] == pytest.approx(0.18633, rel=0.005)
    missed = (shares["achieved"] - shares["target"]).abs()
    loose = shares.index.get_level_values("group").isin(["farmland", "rural_road", "roads"])
    assert missed[~loose].max() < 0.002
    assert missed.max() < 0.02


def test_shares_are_those_of_the_parcels(qingpu: Synthetic) -> None:
    towns = embedded("boundaries", "qingpu_towns.geojson")
    plane = Plane.around(towns.geometry.to_numpy())
    parcels = measured(qingpu.landuse.geometry, qingpu.landuse.crs, plane)
    whole = measured(towns.geometry, towns.crs, plane)
    shares = qingpu.shares.set_index(["area", "group"])["achieved"]
    members = {area["id"]: area["zones"] for area in TABLES["qingpu"]["areas"][1:]}
    for area, zones in members.items():
        ground = whole[towns["zone_id"].isin(zones)].sum()
        for group, codes in CODES.items():
            mine = qingpu.landuse["zone_id"].isin(zones) & qingpu.landuse["code"].isin(codes)
            assert parcels[mine].sum() / ground == pytest.approx(shares[area, group], abs=1e-5), (area, group)
    district = towns["zone_id"].str.startswith("310118")
    wet = qingpu.landuse["zone_id"].str.startswith("310118") & qingpu.landuse["code"].isin(CODES["water"])
    assert parcels[wet].sum() / whole[district].sum() == pytest.approx(124.49 / 668.13, rel=0.005)


def test_codes_and_columns(small: Synthetic, qingpu: Synthetic) -> None:
    for made in (small, qingpu):
        assert set(made.landuse["code"]) <= set(scheme("sandiao").classes)
        assert set(made.roads["class"]) <= set(class_words("roads").values())
        assert set(made.facilities["class"]) <= set(FACILITIES)
        assert (made.roads["plan_status"] == "现状").all()
        assert made.facilities["name"].str.startswith("合成").all()
        for layer in made.layers.values():
            assert (layer["grade"] == "synthetic").all()
            assert layer.crs.to_epsg() == 4326
            assert layer["id"].is_unique
            xy = layer.get_coordinates().to_numpy()
            assert np.array_equal(xy, np.round(xy, 7))
    assert {"0101", "0301", "0601", "0701", "0702", "1003", "1101", "1102", "1104"} <= set(qingpu.landuse["code"])


def test_reference_waters_and_forests_are_kept(small: Synthetic) -> None:
    plane = Plane.around(small.landuse.geometry.to_numpy())
    area = measured(small.landuse.geometry, small.landuse.crs, plane)
    lake = small.landuse["ref"] == "w-lake"
    assert set(small.landuse.loc[lake, "code"]) == {"1102"}
    assert set(small.landuse.loc[lake, "name"]) == {"合成湖"}
    given_lake = lake_and_river().iloc[[1]]
    assert area[lake].sum() == pytest.approx(measured(given_lake.geometry, given_lake.crs, plane).sum(), rel=3e-6)
    assert set(small.landuse.loc[small.landuse["ref"] == "w-river", "code"]) == {"1101"}
    wooded = set(small.landuse.loc[small.landuse["ref"] == "f-1", "code"])
    assert wooded
    assert wooded <= {"0301", "0305", "0307"}


def test_the_great_lake_keeps_its_area(qingpu: Synthetic) -> None:
    towns, water = embedded("boundaries", "qingpu_towns.geojson"), embedded("layers", "water.geojson")
    plane = Plane.around(towns.geometry.to_numpy())
    outline = shapely.union_all(towns.geometry.to_numpy())
    lake = water.loc[water["name"] == "淀山湖", ["id", "geometry"]].iloc[0]
    parcels = qingpu.landuse[qingpu.landuse["ref"] == lake["id"]]
    expected = measured(shapely.intersection(lake.geometry, outline), water.crs, plane).sum()
    assert measured(parcels.geometry, parcels.crs, plane).sum() == pytest.approx(expected, rel=1e-6)


def test_streets_are_connected(small: Synthetic, qingpu: Synthetic) -> None:
    check_network(qingpu)
    outline = shapely.union_all(some_zones().geometry.to_numpy())
    check_network(small, parts=len(shapely.get_parts(outline)))


def test_streets_stay_on_land_and_inside(small: Synthetic) -> None:
    lake = lake_and_river().iloc[[1]].to_crs(4326).geometry.iloc[0]
    outline = shapely.union_all(some_zones().to_crs(4326).geometry.to_numpy()).buffer(1e-5)
    own = small.roads[small.roads["ref"] == ""]
    assert not own.intersects(lake).any()
    assert own.within(outline).all()
    assert (shapely.length(small.roads.geometry.to_numpy()) > 0).all()


def test_given_roads_are_kept_and_joined(small: Synthetic) -> None:
    trunk = small.roads[small.roads["ref"] == "t"]
    assert len(trunk) > 1
    assert set(trunk["class"]) == {"trunk"}
    motorway = small.roads[small.roads["ref"] == "m"]
    assert set(motorway["name"]) == {"合成高速"}
    ends = {xy for line in small.roads[small.roads["ref"] != "m"].geometry for xy in (line.coords[0], line.coords[-1])}
    assert any(line.coords[k] in ends for line in motorway.geometry for k in (0, -1))


def test_road_density_is_near_the_calibration(qingpu: Synthetic) -> None:
    found = qingpu.roads.to_crs(4549).length.groupby(qingpu.roads["class"]).sum() / 1000
    km2 = embedded("boundaries", "qingpu_towns.geojson").to_crs(4549).set_index("zone_id").area / 1e6
    elsewhere, *areas = TABLES["qingpu"]["areas"]
    wanted: dict[str, float] = defaultdict(float)
    for zone, extent in km2.items():
        area = next((a for a in areas if zone in a["zones"]), elsewhere)
        for class_, density in area["roads"].items():
            wanted[class_] += density * extent
    assert found["primary"] == pytest.approx(wanted["primary"], rel=0.1)
    assert found["secondary"] == pytest.approx(wanted["secondary"], rel=0.1)
    assert found.sum() == pytest.approx(sum(wanted.values()), rel=0.15)


def test_residents_add_up_exactly(small: Synthetic, qingpu: Synthetic) -> None:
    mine = qingpu.residents["zone_id"].str.startswith("310118")
    assert qingpu.residents.loc[mine, "residents"].sum() == 1_270_000
    km2 = small.shares["area_km2"].iloc[0]
    assert small.residents["residents"].sum() == round(700 * km2)
    assert (small.residents["residents"] > 0).all()


def test_people_live_on_residential_parcels(qingpu: Synthetic) -> None:
    joined = gpd.sjoin(qingpu.residents[["geometry"]], qingpu.landuse[["code", "geometry"]], predicate="within")
    assert len(joined) == len(qingpu.residents)
    assert set(joined["code"]) == {"0701", "0702"}


def test_facilities_are_as_many_as_the_residents_ask_for(qingpu: Synthetic) -> None:
    people = qingpu.residents["residents"].sum()
    counts = qingpu.facilities["class"].value_counts()
    for kind in TABLES["generic"]["facilities"].values():
        mine = qingpu.facilities["name"].str.startswith(kind["name"] + " ")
        assert mine.sum() <= round(kind["per_10k"] * people / 10_000)
    assert counts["hospital"] == round(0.08 * people / 10_000)


def test_villages_have_their_centres_among_their_people(qingpu: Synthetic) -> None:
    centres, mine = TABLES["generic"]["centres"]["village"], qingpu.facilities["class"] == "village_centre"
    on = gpd.sjoin(qingpu.facilities[["name", "geometry"]], qingpu.landuse[["code", "geometry"]], predicate="within")
    villagers = gpd.sjoin(qingpu.residents, qingpu.landuse[["code", "geometry"]], predicate="within")
    people = villagers.loc[villagers["code"] == "0702", "residents"].sum()
    assert 0.5 * people / centres["residents"] < mine.sum() <= round(people / centres["residents"])
    for class_, offer in centres["offers"].items():
        here = on[on["name"].str.startswith(offer["name"] + " ")]
        assert set(here["code"]) == {"0702"}, class_
        assert len(here) == pytest.approx(offer["share"] * mine.sum(), abs=3 * np.sqrt(mine.sum()) / 2)


def test_footpaths_lead_from_homes_through_blocks(qingpu: Synthetic) -> None:
    plane = qingpu.roads.to_crs(4549)
    path = (plane["class"] == "path").to_numpy()
    paths, streets = plane.geometry.to_numpy()[path], plane.geometry.to_numpy()[~path]
    assert len(paths) > 100
    assert shapely.length(paths).max() < 351
    assert shapely.dwithin(paths, shapely.multipoints(qingpu.residents.to_crs(4549).geometry.to_numpy()), 0.01).all()
    assert not len(shapely.STRtree(streets).query(paths, predicate="crosses")[0])
    wet = qingpu.landuse[qingpu.landuse["code"].isin(CODES["water"])].to_crs(4549).geometry.to_numpy()
    way, water = shapely.STRtree(wet).query(paths, predicate="intersects")
    assert shapely.length(shapely.intersection(paths[way], wet[water])).sum() < 0.1


def test_points_are_spread_until_there_is_no_room() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    xy = np.column_stack([np.arange(20.0), np.zeros(20)])
    kept = spread(xy, np.ones(20), 20, 2.5, rng)
    assert np.diff(kept).min() > 2.5
    assert np.abs(xy[:, 0, None] - kept).min(axis=1).max() <= 2.5  # whoever is left out is near one that isn't
    assert len(spread(xy, np.ones(20), 3, 2.5, rng)) == 3
    heavy = np.where(np.arange(20) == 7, 1e9, 1.0)
    assert spread(xy, heavy, 1, 2.5, rng).tolist() == [7]


@pytest.fixture(scope="module")
def seeded() -> dict[str, Synthetic]:
    """Twice the same seed, once another."""
    seeds = {"one": 5, "two": 5, "other": 6}
    return {key: synthesise(some_zones(), seed=seed, parcels=150, calibration=GENERIC) for key, seed in seeds.items()}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, seeded: dict[str, Synthetic], format: Format) -> None:
    names = [f"{name}.{format}" for name in ("facilities", "landuse", "residents", "roads")]
    for folder, made in seeded.items():
        assert [path.name for path in write(made, tmp_path / folder, format=format)] == names
    for name in names:
        one, two, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two", "other"))
        assert one == two
        if not name.startswith("facilities"):  # too few people for any
            assert one != other


def test_geojson_reads_back_as_it_was(small: Synthetic, tmp_path: Path) -> None:
    write(small, tmp_path)
    for name, layer in small.layers.items():
        back = gpd.read_file(tmp_path / f"{name}.geojson")
        assert list(back.columns) == [column for column in layer.columns if column != "grade"]
        assert json.loads((tmp_path / f"{name}.geojson").read_text("utf-8"))["grade"] == "synthetic"
        assert shapely.equals_exact(back.geometry.to_numpy(), layer.geometry.to_numpy()).all()
    lines = (tmp_path / "landuse.geojson").read_text("utf-8").splitlines()
    assert len(lines) == len(small.landuse) + 2


def test_fewer_digits_are_a_coarser_grid() -> None:
    made = synthesise(some_zones(), seed=1, parcels=200, calibration=GENERIC, digits=6)
    check_coverage(made, some_zones(), relative=1e-5)
    xy = made.landuse.get_coordinates().to_numpy()
    assert np.array_equal(xy, np.round(xy, 6))


def test_seats_draw_the_towns() -> None:
    zones = frame([square(0, 0, 6000, 6000)], zone_id=["a"], name=["甲"])
    seat = frame([Point(EAST + 4800, NORTH + 4800), Point(EAST + 99_000, NORTH)])
    made = synthesise(zones, seed=2, parcels=900, calibration=GENERIC, seats=seat)
    town = made.landuse[made.landuse["code"] == "0701"].to_crs(4549)
    distance = town.distance(Point(EAST + 4800, NORTH + 4800))
    assert distance.max() < 2500


def test_repr(small: Synthetic) -> None:
    assert repr(small).startswith("<Synthetic generic, seed 7: ")
    assert repr(GENERIC) == "<Calibration generic: 1 areas, 0 totals>"


def town(*shapes: object, crs: str | None = "EPSG:4549", ids: str = "ab") -> gpd.GeoDataFrame:
    return frame(list(shapes), crs=crs, zone_id=list(ids[: len(shapes)]))  # type: ignore[arg-type]


def classed(shape: object, word: str) -> gpd.GeoDataFrame:
    return frame([shape], **{"class": [word]})  # type: ignore[list-item]


FLAT = Polygon([(EAST, NORTH), (EAST + 1, NORTH), (EAST, NORTH)])
SQUARE = square(0, 0)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"parcels": 0}, ConfigError, "parcels: a whole number from 1"),
        ({"parcels": 2.5}, ConfigError, "not 2.5"),
        ({"parcels": True}, ConfigError, "not True"),
        ({"seed": -1}, ConfigError, "seed: a whole number from 0"),
        ({"digits": 5}, ConfigError, "digits: 6 or 7"),
        ({"calibration": "generic"}, ConfigError, "read_calibration"),
        ({"id_field": "zoneid"}, ConfigError, "did you mean 'zone_id'"),
        ({"zones": town()}, ZoneError, "no zones"),
        ({"zones": town(SQUARE, crs=None)}, CRSError, "no coordinate reference"),
        ({"zones": town(SQUARE, crs="EPSG:4326")}, CRSError, "no degrees"),
        ({"zones": town(SQUARE, square(900, 0))}, ZoneError, "'a' and 'b' overlap"),
        ({"zones": town(SQUARE, square(2000, 0), ids="aa")}, ZoneError, "two zones have the id 'a'"),
        ({"zones": town(Point(EAST, NORTH))}, ZoneError, "polygons are wanted"),
        ({"zones": town(None)}, ZoneError, "holds nothing"),
        ({"zones": town(FLAT)}, ZoneError, "no area"),
        ({"water": frame([], **{"class": []})}, LayerError, "water: the layer is empty"),
        ({"water": classed(square(90_000, 0), "lake")}, LayerError, "no feature lies in the zones"),
        ({"water": frame([SQUARE])}, LayerError, "no column 'class'"),
        ({"water": classed(SQUARE, "lagoon")}, LayerError, "'lagoon' is no class of water"),
        ({"water": classed(SQUARE.boundary, "lake")}, LayerError, "polygons are wanted"),
        ({"forest": frame([])}, LayerError, "forest: the layer is empty"),
        ({"roads": classed(SQUARE, "trunk")}, LayerError, "lines are wanted"),
        ({"roads": classed(SQUARE.boundary, "highroad")}, ConfigError, "'highroad' isn't in"),
        ({"seats": frame([])}, LayerError, "seats: the layer is empty"),
        ({"seats": frame([Point(EAST - 900, NORTH)])}, LayerError, "no point lies in the zones"),
        ({"seats": frame([SQUARE])}, LayerError, "points are wanted"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict, error: type[Exception], words: str) -> None:
    arguments = {"seed": 1, "parcels": 10, "calibration": GENERIC, **change}
    zones = arguments.pop("zones", town(SQUARE))
    with pytest.raises(error, match=words):
        synthesise(zones, **arguments)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "generic"', "", "id: missing"),
        ("water = 0.08", "water = 1.08", r"areas\.0\.shares\.water: .*less than or equal to 1, not 1.08"),
        ("forest = 0.15", "forest = 0.95", "shares of area 'elsewhere' add up to 1.326"),
        ("forest = 0.15", 'forest = "much"', r"areas\.0\.shares\.forest: .*valid number, not 'much'"),
        ("forest = 0.15", "", r"areas\.0\.shares\.forest: missing"),
        ("forest = 0.15", "wood = 0.15", r"shares\.wood: unknown key"),
        ("track = 0.8", "", r"areas\.0\.roads\.track: missing"),
        ('id = "elsewhere"', 'id = "elsewhere"\nzones = ["a"]', "the first has no zones"),
        ('standing = "estimate, no', 'standings = "estimate, no', "standings: unknown key; did you mean 'standing'"),
        ("{0601 = 1}", "{0691 = 1}", "'0691' isn't a code of sandiao"),
        ("0305 = 1", "0305 = 0", "greater than 0, not 0"),
        ("orchard = {0201 = 1}", "", "codes: orchard: missing"),
        ("[form]", "[forms]", "forms: unknown key; did you mean 'form'"),
        ("town_share = 0.7", "town_share = 7", "town_share: .*less than or equal to 1"),
        ("per_10k = 1.2", "per_10k = -1", r"facilities\.clinic\.per_10k: .*greater than or equal to 0"),
        ('hosts = ["0810"', 'hosts = ["0899"', "'0899' isn't a code"),
        ("clinic =", "clinics =", "did you mean 'clinic'"),
        ('land = "village"', 'land = "villages"', r"centres\.village\.land: .*'town_housing' or 'village'"),
        ("share = 0.3", "part = 0.3", r"village\.offers\.kindergarten\.part: unknown key; .*share"),
        ("share = 0.3", "share = 3", r"village\.offers\.kindergarten\.share: .*less than or equal to 1"),
        ("[codes]", "= [codes]", "no valid TOML"),
        ("[form]", '[[totals]]\nid = "t"\nzones = ["a"]\nresidents = 1.5\n[form]', r"totals\.0\.residents: .*not 1.5"),
    ],
)
def test_mistakes_of_a_calibration_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = DATA.joinpath("synth", "generic.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_calibration(tmp_path / "own.toml")


def test_calibrations_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'qingpu'"):
        read_calibration("qingpuu")
    with pytest.raises(SourceError, match="can't be read"):
        read_calibration(tmp_path / "none.toml")


def test_a_zone_is_in_one_area(tmp_path: Path) -> None:
    text = DATA.joinpath("synth", "qingpu.toml").read_text(encoding="utf-8")
    twice = text.replace('"310118105", "310118106", "310118107"', '"310118105", "310118001", "310118107"', 1)
    (tmp_path / "own.toml").write_text(twice, encoding="utf-8")
    with pytest.raises(ConfigError, match="zone '310118001' is named twice"):
        read_calibration(tmp_path / "own.toml")


def test_a_calibration_takes_from_its_basis_what_it_has_not() -> None:
    qingpu = read_calibration("qingpu")
    assert qingpu.codes == GENERIC.codes
    assert (qingpu.town_share, GENERIC.town_share) == (0.72, 0.7)
    assert qingpu.id == "qingpu"


@pytest.mark.parametrize("name", ["generic", "qingpu"])
def test_every_figure_of_a_calibration_has_its_standing(name: str) -> None:
    table = TABLES[name]
    tables = [table, *table["areas"], *table.get("totals", []), *([table["form"]] if "form" in table else [])]
    tables += table.get("centres", {}).values()
    assert all(each["standing"] and each["source"] for each in tables)


def test_an_unknown_format_is_refused(small: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'geojson'"):
        write(small, tmp_path, format="geojsn")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_totals_over_rectangles() -> None:
    grid = Grid(0.0, 0.0, 10.0, (3, 4))
    totals = Totals(grid, np.arange(12, dtype=float).reshape(3, 4))
    assert totals.whole == pytest.approx(6600)
    assert totals.within(np.array([[10.0, 0.0, 20.0, 10.0], [5.0, 0.0, 15.0, 10.0]])) == pytest.approx([100, 50])


def test_waves_have_mean_0_and_variance_1() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    values = Waves.random(rng, 100.0)(rng.uniform(0, 20_000, (20_000, 2)))
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert values.std() == pytest.approx(1, abs=0.05)


def test_components_by_hand() -> None:
    edges = np.array([[0, 1], [3, 2], [2, 4]])
    assert components(edges[:, 0], edges[:, 1], 6).tolist() == [0, 0, 2, 2, 2, 5]


def test_a_cut_gives_two_cells_that_share_their_border() -> None:
    still = Warp(centre=np.zeros(2), turn=0.0, waves=())
    p = Partition.whole(still, np.array([1.0, 1.0, 9.0, 9.0]))
    half = np.array([0.5])
    none = np.array([-1])
    right = p.cut(np.array([0]), np.array([0]), half, half, none, half)
    upper = p.cut(right, np.array([1]), half, half, none, half)
    vertices, sizes = p.rings(np.array([0, *right, *upper]))
    rings = np.split(p.flat.rows[vertices], np.cumsum(sizes)[:-1])
    assert sizes.tolist() == [5, 4, 4]
    polygons = [Polygon(ring) for ring in rings]
    assert shapely.coverage_is_valid(polygons)
    assert [polygon.area for polygon in polygons] == [50, 25, 25]
    assert ragged_ranges(np.array([5, 0]), np.array([2, 3])).tolist() == [5, 6, 0, 1, 2]
