"""The zones of 青浦 and of the 示范区: a clean coverage, areas as published, borders near the real ones, same bytes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer
from shapely.geometry import Point

from tests.conftest import SHARED_DATA

ROOT = Path(__file__).resolve().parents[1]
BOUNDARIES = ROOT / "data" / "boundaries"
DRAWN = ROOT / "data" / "drawn" / "zones.toml"
REAL = SHARED_DATA / "qingpu_11_towns_osm_wgs84.geojson"
GEOD = Geod(ellps="GRS80")
METRES = Transformer.from_crs(4326, "+proj=laea +lat_0=31.1 +lon_0=121.1 +ellps=GRS80", always_xy=True)
STEMS = ("qingpu_towns", "demonstration_zone", "qingpu_own_zones", "qingpu_regions")

# The published figure that each zone is held to, km2. 盈浦, 香花桥, 赵巷 and 白鹤 have none that fits the others: they
# share what is left of the district.
PUBLISHED = {
    "310118001": 37.78,
    "310118102": 136.85,  # others: 138
    "310118103": 93.66,
    "310118104": 108.49,
    "310118106": 38.55,
    "310118107": 47.6,
    "310118109": 30.21,  # without 福泉山村: 24.02
    "320509110": 258.0,
    "330421103": 82.87,  # others: 83.61
    "330421111": 74.49,  # without 丁栅 and 俞汇: 30.8
    "310118": 670.14,  # others: 668.13, 676
    "320509": 1237.44,
    "330421": 507.0,
    "shifanqu": 2413.0,
    "xianxing-qidongqu": 660.0,
    "qingxi": 339.0,
    "shuixiang-keting": 35.8,
    "qingpu-xincheng": 91.1,
}
REMAINDERS = {"310118002": 16.0, "310118003": 63.0, "310118105": 40.0, "310118110": 58.7}
PILOT = {"310118102", "310118104", "320509110", "330421103", "330421111"}

# Points of GeoNames (14 towns), of Wikipedia and public lists, and the stations: data/SOURCES.md, towns and rail.
POINTS = {
    "310118001": [(121.11588, 31.14967), (121.1205, 31.1607)],
    "310118002": [(121.10575, 31.15527), (121.0917, 31.1623), (121.0775, 31.1363)],
    "310118003": [(121.11692, 31.17451)],
    "310118102": [(121.05696, 31.10757), (121.0549, 31.1129), (121.0445, 31.1025), (121.0152, 31.1006)],
    "310118103": [(121.04606, 31.01167), (121.043, 31.007), (121.02480, 30.99828)],
    "310118104": [(120.9147, 31.03714), (120.9164, 31.0397), (120.95960, 31.07242)],
    "310118105": [
        (121.19203, 31.15194),
        (121.1916, 31.1510),
        (121.2204, 31.166),
        (121.1878, 31.1631),
        (121.1472, 31.1632),
    ],
    "310118106": [(121.27122, 31.17612), (121.2723, 31.1731), (121.2887, 31.1938), (121.275, 31.1891)],
    "310118107": [(121.21824, 31.24695), (121.2229, 31.2476)],
    "310118109": [(121.17056, 31.20361), (121.1736, 31.2023)],
    "310118110": [(121.13653, 31.25616), (121.1355, 31.2580)],
    "320509110": [(120.70686, 30.99409), (120.71, 31.0)],
    "330421103": [(120.88785, 30.94729)],
    "330421111": [(120.95651, 30.91399), (120.95, 30.91)],
}
LINE_17_XUJING = [(121.2502, 31.1807), (121.237261, 31.177549)]
HONGQIAO = (121.3170, 31.1959)

# IoU with the real towns that are undeformed; the floor is a little under what is reached.
FLOORS = {
    "310118109": 0.62,
    "310118110": 0.78,
    "310118003": 0.72,
    "310118001": 0.71,
    "310118002": 0.69,
    "310118102": 0.82,
    "310118104": 0.79,
    "310118103": 0.86,
}

Zones = dict[str, tuple[dict, shapely.Geometry]]


def read(path: Path, key: str) -> Zones:
    features = json.loads(path.read_text("utf-8"))["features"]
    return {f["properties"][key]: (f["properties"], shapely.from_geojson(json.dumps(f["geometry"]))) for f in features}


@pytest.fixture(scope="module")
def zones() -> dict[str, Zones]:
    return {stem: read(BOUNDARIES / f"{stem}.geojson", "zone_id") for stem in STEMS}


def km2(shape: shapely.Geometry) -> float:
    fine = shapely.orient_polygons(shapely.segmentize(shape, 0.001))
    return abs(GEOD.geometry_area_perimeter(fine)[0]) / 1e6


def in_metres(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: np.column_stack(METRES.transform(xy[:, 0], xy[:, 1])))


@pytest.mark.parametrize(("stem", "count"), [("qingpu_towns", 14), ("demonstration_zone", 16)])
def test_zones_are_one_clean_coverage_of_whole_polygons(zones: dict[str, Zones], stem: str, count: int) -> None:
    shapes = [shape for _, shape in zones[stem].values()]
    assert len(shapes) == count
    assert shapely.coverage_is_valid(shapes)
    assert {shape.geom_type for shape in shapes} == {"Polygon"}
    assert all(shape.is_valid and not shape.interiors for shape in shapes)
    union = shapely.union_all(shapes)
    assert (union.geom_type, len(union.interiors)) == ("Polygon", 0)
    assert sum(map(km2, shapes)) == pytest.approx(km2(union), rel=1e-9)


def test_both_coverages_have_the_same_towns(zones: dict[str, Zones]) -> None:
    for id_, (properties, shape) in zones["qingpu_towns"].items():
        assert zones["demonstration_zone"][id_][0] == properties
        assert shapely.equals_identical(zones["demonstration_zone"][id_][1], shape)


def test_borders_across_districts_have_the_same_vertices(zones: dict[str, Zones]) -> None:
    for here, there in (("310118104", "320509110"), ("310118104", "330421103"), ("320509110", "330421103")):
        a, b = (zones["qingpu_towns"][id_][1] for id_ in (here, there))
        shared = shapely.get_coordinates(shapely.intersection(a.boundary, b.boundary))
        assert len(shared) > 1
        for shape in (a, b):
            assert {tuple(xy) for xy in shared} <= {tuple(xy) for xy in shapely.get_coordinates(shape)}


def test_areas_are_the_published_ones(zones: dict[str, Zones]) -> None:
    found = {id_: km2(shape) for stem in STEMS for id_, (_, shape) in zones[stem].items()}
    assert {id_: found[id_] for id_ in PUBLISHED} == pytest.approx(PUBLISHED, rel=0.01)
    assert {id_: found[id_] for id_ in REMAINDERS} == pytest.approx(REMAINDERS, rel=0.02)


def test_what_each_zone_says_of_its_area_holds(zones: dict[str, Zones]) -> None:
    for stem in STEMS:
        for id_, (properties, shape) in zones[stem].items():
            if properties["area_km2_published"] is None:
                assert id_ not in PUBLISHED
            else:
                assert km2(shape) == pytest.approx(properties["area_km2_published"], rel=0.01), id_
                assert properties["area_source"], id_


def test_points_lie_in_their_zones(zones: dict[str, Zones]) -> None:
    for id_, points in POINTS.items():
        for point in points:
            holders = [other for other, (_, shape) in zones["demonstration_zone"].items() if shape.covers(Point(point))]
            assert holders == [id_], point
    xujing = zones["qingpu_towns"]["310118106"][1]
    assert all(xujing.covers(Point(point)) for point in LINE_17_XUJING)
    assert not zones["qingpu_regions"]["shifanqu"][1].covers(Point(HONGQIAO))


def test_regions_are_exact_unions(zones: dict[str, Zones]) -> None:
    for id_, (properties, shape) in zones["qingpu_regions"].items():
        if properties["members"]:
            members = [zones["demonstration_zone"][member][1] for member in properties["members"].split(";")]
            assert shapely.equals(shape, shapely.coverage_union_all(members)), id_
            assert km2(shape) == pytest.approx(sum(map(km2, members)), rel=1e-9)
        else:
            assert shapely.equals_identical(shape, zones["qingpu_own_zones"][id_][1])


def test_every_town_is_in_its_district_and_no_other(zones: dict[str, Zones]) -> None:
    for id_, (properties, shape) in zones["demonstration_zone"].items():
        for district in ("310118", "320509", "330421"):
            inside = zones["qingpu_regions"][district][1].covers(shape)
            assert inside == (district == properties["district_id"] == id_[:6])


def test_the_pilot_area(zones: dict[str, Zones]) -> None:
    properties, shape = zones["qingpu_regions"]["xianxing-qidongqu"]
    assert set(properties["members"].split(";")) == PILOT
    assert shape.geom_type == "Polygon"
    assert km2(shape) == pytest.approx(660, rel=0.02)
    liantang = zones["qingpu_towns"]["310118103"][1]
    assert shapely.area(shapely.intersection(shape, liantang)) == 0
    assert "310118103" in zones["qingpu_regions"]["qingxi"][0]["members"].split(";")


def test_the_parlour_lies_in_four_towns_around_their_meeting_point(zones: dict[str, Zones]) -> None:
    parlour = zones["qingpu_own_zones"]["shuixiang-keting"][1]
    parts = {id_: km2(parlour & shape) for id_, (_, shape) in zones["qingpu_towns"].items()}
    assert {id_ for id_, part in parts.items() if part > 0.5} == PILOT - {"310118102"}
    meeting = shapely.intersection_all([zones["qingpu_regions"][id_][1] for id_ in ("310118", "320509", "330421")])
    assert parlour.covers(meeting)


def test_the_new_city_lies_in_qingpu_and_is_not_the_three_streets(zones: dict[str, Zones]) -> None:
    city = zones["qingpu_own_zones"]["qingpu-xincheng"][1]
    assert zones["qingpu_regions"]["310118"][1].covers(city)
    assert not zones["qingpu_regions"]["xincheng"][1].covers(city)


def test_borders_are_near_the_real_ones(zones: dict[str, Zones]) -> None:
    if not REAL.exists():
        pytest.skip("shared data aren't beside the project: qingpu_11_towns_osm_wgs84.geojson")
    real = read(REAL, "code")
    found = {}
    for id_ in FLOORS:
        a, b = in_metres(zones["qingpu_towns"][id_][1]), in_metres(real[id_][1])
        found[id_] = shapely.area(a & b) / shapely.area(a | b)
    assert {id_: iou for id_, iou in found.items() if iou < FLOORS[id_]} == {}
    assert np.mean(list(found.values())) >= 0.75


def test_whatever_is_drawn_has_a_source() -> None:
    drawn = tomllib.loads(DRAWN.read_text("utf-8"))
    pieces = [*drawn["borders"], *(place for at in drawn["places"].values() for place in at)]
    assert {piece["source"] for piece in pieces} <= set(drawn["sources"])
    assert all(piece["accuracy_m"] > 0 for piece in pieces)
    assert all(zone["area_source"] for zone in drawn["zones"])
    assert all(piece["told_by"] for piece in (*drawn["borders"], *drawn["own_zones"]))
