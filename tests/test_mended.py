"""Faults that fresh eyes found, one test each: every one of them was silent or a crash once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import GeometryCollection, LineString, MultiLineString, MultiPolygon, Point, Polygon, box

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, SourceError
from qpgis.indicators import registry
from qpgis.plans import Baseline, Status, Target, Thresholds, judge
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square


def line(*points: tuple[float, float]) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y in points])


def of(result: qp.Result, indicator: str, zone: str, column: str = "value") -> object:
    return result[indicator].set_index("zone_id").loc[zone, column]


def found(ws: object, rule: str) -> list:
    return [f for f in ws.findings if f.rule == rule]  # type: ignore[attr-defined]


FOREST = layer("forest")
GREEN = ("water", "wetland", "farmland", "orchard", "forest", "grass", "park")


# settings and selections


@pytest.mark.parametrize(
    ("indicator", "definition", "message"),
    [
        ("water_surface_share", "all_water[water_classes=lakes]", "water: no class 'lakes'; did you mean 'lake'?"),
        ("road_density", "carriageway[classes=motorwy]", "roads: no class 'motorwy'; did you mean 'motorway'?"),
        ("road_density", "centreline[classes=motorway+]", "roads: no class ''"),
        ("road_density", "centreline[opposite_within_m=nan]", "opposite_within_m = nan is no number"),
        ("road_density", "centreline[opposite_within_m=-5]", "no number of metres of more than 0"),
        ("road_density", "centreline[denominator=lnad]", "denominator = 'lnad' is not known; did you mean 'land'?"),
        ("blue_green_share", "non_built[counted=forests]", "counted = 'forests' is not known; did you mean 'forest'?"),
    ],
)
def test_a_mistyped_setting_is_no_measured_zero(indicator: str, definition: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry()[indicator].definition(definition)
    assert message in str(caught.value)


def test_groups_of_water_classes_join_with_classes(workspace: Maker) -> None:
    water = frame(
        [square(0, 0, 250, 1000), square(250, 0, 250, 1000), square(500, 0, 250, 1000)], kind=["河流", "坑塘", "沟渠"]
    )
    toml = layer("water", 'class_field = "kind"')
    toml += '[definitions]\nwater_surface_share = ["all_water[water_classes=rivers_lakes_reservoirs+pond]"]\n'
    assert of(qp.assess(qp.open_workspace(workspace(toml, water=water))), "water_surface_share", "a") == pytest.approx(
        50, rel=1e-3
    )


PARCELS = layer("landuse", 'class_field = "code"', 'scheme = "sandiao"')


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            PARCELS + '[layers.water]\nfrom = "landuse"\nclasses = ["110I"]\n',
            "water: no class '110I' in scheme 'sandiao'",
        ),
        (PARCELS + '[layers.water]\nfrom = "landuse"\nclasses = []\n', "classes is empty"),
        (
            PARCELS + '[layers.roads]\nfrom = "landuse"\n',
            "roads: its features are lines, which land-use parcels can't give",
        ),
        (layer("forest", 'scheme = "sandiao"'), "scheme goes with landuse"),
        ('[layers.landuse]\nfrom = "landuse"\nscheme = "sandiao"\n', "it needs a file of its own"),
        ("[periods.abc]\n", "'abc' is no period"),
        ('[definitions]\nforest_cover = ["total_area", "total_area"]\n', "'total_area' stands twice"),
        (FOREST + "extent = [-inf, -90, inf, 90]\n", 'use "area", "file" or [west, south, east, north]'),
    ],
)
def test_what_could_only_be_a_mistake_is_refused(workspace: Maker, toml: str, message: str) -> None:
    toml = toml.replace('extent = "area"\nextent', "extent")
    parcels = frame([square(0, 0)], code=["0301"])
    with pytest.raises(ConfigError) as caught:
        qp.open_workspace(workspace(toml, landuse=parcels, forest=parcels))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (HEAD.replace('["a", "b"]', '["a", "a", "b"]'), "member 'a' stands twice"),
        (HEAD.replace('grade = "surveyed"', 'grade = "surveyed"\noverlapping = true'), "have no groups"),
        (HEAD.replace('level = "district"', 'level = "town"'), "has the level of the zones"),
        (HEAD.replace('grade = "surveyed"', 'grade = "surveyed"\nlevel = "grid"'), "grid is the level of the cells"),
        (HEAD.replace('period = "2024"', 'period = "24"'), "'24' is no period"),
    ],
)
def test_zones_that_would_count_twice_are_refused(workspace: Maker, head: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        qp.open_workspace(workspace(head=head))
    assert message in str(caught.value)


def test_a_config_with_a_byte_order_mark_is_read(workspace: Maker) -> None:
    folder = workspace()
    config = folder / "qpgis.toml"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes().replace(b"\n", b"\r\n"))
    assert qp.open_workspace(folder).name == "四镇"


def test_a_data_file_is_no_workspace(workspace: Maker) -> None:
    with pytest.raises(SourceError, match=r"towns.gpkg is no workspace"):
        qp.open_workspace(workspace() / "towns.gpkg")


def test_ground_that_not_everybody_counts_is_a_named_setting(workspace: Maker) -> None:
    codes = ["0101", "1006", "1203", "1104A", "0701"]
    parcels = frame([square(200 * n, 0, 200, 1000) for n in range(5)], code=codes)
    toml = PARCELS + "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in (*GREEN, "optional"))
    shares = {
        "non_built": 40,  # field and fish pond
        "non_built[also=rural_road]": 60,
        "non_built[also=field_ridge+rural_road]": 80,
        "non_built[water_classes=river+lake+reservoir+pond+canal]": 20,
    }
    names = ", ".join(f'"{name}"' for name in shares)
    toml += f"[definitions]\nblue_green_share = [{names}]\n"
    table = qp.assess(qp.open_workspace(workspace(toml, landuse=parcels)))["blue_green_share"]
    values = table[table["zone_id"] == "a"].set_index("definition")["value"]
    assert values.to_dict() == pytest.approx(shares, rel=1e-3)


# states


def test_a_quarter_ends_in_its_third_month(workspace: Maker) -> None:
    stations = frame([Point(EAST + 9, NORTH + 9), Point(EAST + 99, NORTH + 9)], opened=["2024-03-31", "2024-04-01"])
    toml = layer("stations", 'opened_field = "opened"')
    ws = qp.open_workspace(workspace(toml, head=HEAD.replace('"2024"', '"2024Q1"'), stations=stations))
    assert len(ws.layers["stations"]) == 1


def test_a_date_of_one_period_is_not_that_of_another(workspace: Maker) -> None:
    stations = frame([Point(EAST + 9, NORTH + 9)], opened=["2023-05-01"])
    toml = layer("stations", 'opened_field = "opened"') + "[state]\nas_of = 2024-12-31\n[periods.2020]\n"
    folder = workspace(toml, stations=stations)
    assert len(qp.open_workspace(folder).layers["stations"]) == 1
    assert len(qp.open_workspace(folder, period="2020").layers["stations"]) == 0


def test_work_carried_on_is_not_there_yet(workspace: Maker) -> None:
    stations = frame([Point(EAST + 9, NORTH + 9)], status=["续建"])
    ws = qp.open_workspace(workspace(layer("stations", 'status_field = "status"'), stations=stations))
    assert len(ws.layers["stations"]) == 0


def test_common_spellings_of_dates_are_read(workspace: Maker) -> None:
    words = ["2024-1-1", "2024.06.01", "2024年5月", "202405", "2024/7/1", "2025-01-01", "2024-13-01"]
    stations = frame([Point(EAST + 9 * n, NORTH + 9) for n in range(1, 8)], opened=words)
    ws = qp.open_workspace(workspace(layer("stations", 'opened_field = "opened"'), stations=stations))
    assert len(ws.layers["stations"]) == 5
    assert [f.value for f in found(ws, "bad_date")] == ["2024-13-01"]


# places


def test_a_layer_in_another_place_is_said(workspace: Maker) -> None:
    forest = frame([square(0, 0)])
    ws = qp.open_workspace(workspace(FOREST + 'crs = "EPSG:4548"\n', forest=forest))
    assert found(ws, "crs_overruled")[0].value == "EPSG:4548, EPSG:4549"
    assert [f.severity for f in found(ws, "layer_elsewhere")] == ["error"]
    rows = qp.assess(ws)["forest_cover"]
    assert rows["value"].isna().all()  # not 0: what lies elsewhere was not surveyed here
    assert set(rows["status"]) == {"not_computable"}
    assert not found(qp.assess(ws), "partly_surveyed")


def test_a_feature_thrown_far_away_is_named(workspace: Maker) -> None:
    forest = frame([square(0, 0), square(0, 2500, 100), square(0, 100_000)], BSM=["near", "beside", "thrown"])
    ws = qp.open_workspace(workspace(FOREST, forest=forest))
    (far,) = found(ws, "features_far")
    assert (far.severity, far.feature_id, far.value) == ("warning", "thrown", "98 km")
    assert [f.feature_id for f in found(ws, "features_outside")] == ["beside; thrown"]


def test_zones_that_no_layer_is_near_are_said_to_be_elsewhere(workspace: Maker) -> None:
    good = {"forest": frame([square(0, 0)]), "stations": frame([Point(EAST + 9, NORTH + 9)])}
    tables = FOREST + layer("stations")
    assert not found(qp.open_workspace(workspace(tables, **good)), "zones_elsewhere")
    head = HEAD.replace('grade = "surveyed"', 'grade = "surveyed"\ncrs = "EPSG:4548"', 1)
    ws = qp.open_workspace(workspace(tables, head=head, **good))
    (said,) = found(ws, "zones_elsewhere")
    assert (said.severity, said.file, said.value) == ("error", "towns.gpkg", "forest.gpkg, stations.gpkg")


def test_the_box_of_features_is_no_extent(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(FOREST.replace('extent = "area"\n', ""), forest=frame([square(0, 0, 500, 500)])))
    assert of(qp.assess(ws), "forest_cover", "d") == 0
    assert found(ws, "extent_not_stated")


def test_a_stated_bbox_is_the_extent(workspace: Maker) -> None:
    folder = workspace(FOREST.replace("forest.gpkg", "forest.geojson").replace('extent = "area"\n', ""))
    towns = four_towns().to_crs(4326).geometry
    feature = {"type": "Feature", "properties": {}, "geometry": towns[0].__geo_interface__}
    stated = {"type": "FeatureCollection", "bbox": list(towns[0].buffer(-1e-3).bounds), "features": [feature]}
    (folder / "forest.geojson").write_text(json.dumps(stated), "utf-8")
    result = qp.assess(qp.open_workspace(folder))
    assert of(result, "forest_cover", "d", "status") == "not_computable"
    assert of(result, "forest_cover", "a") == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("bbox", ["x", None, 5, {"a": 1}, [1, 2], ["a", "b", "c", "d"]])
def test_a_senseless_bbox_states_nothing(workspace: Maker, bbox: object) -> None:
    folder = workspace(FOREST.replace("forest.gpkg", "forest.geojson").replace('extent = "area"\n', ""))
    geometry = four_towns().to_crs(4326).geometry[0].__geo_interface__
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    (folder / "forest.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "bbox": bbox, "features": [feature]}), "utf-8"
    )
    assert found(qp.open_workspace(folder), "extent_not_stated")


def test_what_reaches_around_the_globe_covers_all(workspace: Maker) -> None:
    toml = FOREST.replace('extent = "area"', "extent = [-180, -90, 180, 90]")
    ws = qp.open_workspace(workspace(toml, forest=frame([box(-170, -80, 170, 80)], crs="EPSG:4326")))
    assert of(qp.assess(ws), "forest_cover", "d") == pytest.approx(100, rel=1e-9)


def test_ids_that_are_floats_are_the_same_everywhere(workspace: Maker) -> None:
    towns = four_towns()
    towns["zone_id"] = [310118001.0, 310118002.0, 310118003.0, 310118004.0]
    head = HEAD.replace('"a", "b"', '"310118001", "310118002"')
    assert qp.open_workspace(workspace(head=head, towns=towns)).area.groups[1].members[0] == "310118001"


# shapes


@pytest.mark.parametrize(
    "shape",
    [
        MultiPolygon([square(0, 0, 500, 1000), square(250, 0, 500, 1000)]),
        GeometryCollection([square(0, 0, 500, 1000), square(250, 0, 500, 1000)]),
        MultiPolygon([square(0, 0, 750, 1000), square(0, 0, 750, 1000)]),
    ],
)
def test_overlapping_parts_of_one_feature_count_once(workspace: Maker, shape: object) -> None:
    ws = qp.open_workspace(workspace(FOREST, forest=frame([shape])))  # type: ignore[list-item]
    assert of(qp.assess(ws), "forest_cover", "a") == pytest.approx(75, rel=1e-3)


def test_a_coordinate_that_is_no_number_is_named(workspace: Maker) -> None:
    with np.errstate(invalid="ignore"):
        bad = Polygon([(EAST, NORTH), (EAST + 9, NORTH), (np.nan, NORTH + 9)])
    folder = workspace(FOREST.replace("forest.gpkg", "forest.parquet"))
    frame([bad, square(0, 0)]).to_parquet(folder / "forest.parquet")
    ws = qp.open_workspace(folder)
    assert len(found(ws, "coordinates_not_finite")) == 1
    assert of(qp.assess(ws), "forest_cover", "a") == pytest.approx(100, rel=1e-3)


def test_many_equal_polygons_cost_no_more_than_one(workspace: Maker) -> None:
    forest = frame([square(-5000, -5000, 20_000)] * 300)
    ws = qp.open_workspace(workspace(FOREST, forest=forest))
    assert of(qp.assess(ws), "forest_cover", "all") == pytest.approx(100, rel=1e-9)
    assert of(qp.assess(ws), "forest_cover", "all") <= 100


# roads


def roads_km(workspace: Maker, roads: gpd.GeoDataFrame, *extra: str, zone: str = "all") -> float:
    toml = layer("roads", 'class_field = "kind"', *extra)
    result = qp.assess(qp.open_workspace(workspace(toml, roads=roads)))
    return float(of(result, "road_density", zone, "numerator"))  # type: ignore[arg-type]


PAIR = [line((0, 500), (1000, 500)), line((1000, 520), (0, 520))]


@pytest.mark.parametrize(("word", "km"), [("单行", 1), ("yes", 1), ("双向", 2), (None, 2)])
def test_words_for_one_way(workspace: Maker, word: str | None, km: float) -> None:
    roads = frame(PAIR, kind=["primary"] * 2, way=[word, word])
    assert roads_km(workspace, roads, 'oneway_field = "way"') == pytest.approx(km, rel=1e-3)


def test_against_the_line_is_one_way_too(workspace: Maker) -> None:
    roads = frame([PAIR[0], line((0, 520), (1000, 520))], kind=["primary"] * 2, way=["1", "-1"])
    assert roads_km(workspace, roads, 'oneway_field = "way"') == pytest.approx(1, rel=1e-3)


def test_unknown_one_way_words_are_named_and_mapped_on_request(workspace: Maker) -> None:
    roads = frame(PAIR, kind=["primary"] * 2, way=["F", "F"])
    toml = layer("roads", 'class_field = "kind"', 'oneway_field = "way"')
    (unknown,) = found(qp.open_workspace(workspace(toml, roads=roads)), "unknown_oneway")
    assert (unknown.severity, unknown.value) == ("error", "F")
    mapped = roads_km(workspace, roads, 'oneway_field = "way"', 'oneway_map = {F = "forward"}')
    assert mapped == pytest.approx(1, rel=1e-3)


def test_both_carriageways_in_one_feature_are_a_pair(workspace: Maker) -> None:
    roads = frame([MultiLineString(PAIR)], kind=["primary"], way=[True])
    assert roads_km(workspace, roads, 'oneway_field = "way"') == pytest.approx(1, rel=1e-3)


def test_a_road_that_stands_twice_counts_once(workspace: Maker) -> None:
    roads = frame([PAIR[0], line((1000, 500), (0, 500))], kind=["primary"] * 2)
    assert roads_km(workspace, roads) == pytest.approx(1, rel=1e-3)


def test_a_planned_twin_does_not_displace_the_road_that_is_there(workspace: Maker) -> None:
    roads = frame([PAIR[0], PAIR[0]], kind=["primary"] * 2, status=["规划", "现状"])
    assert roads_km(workspace, roads, 'status_field = "status"') == pytest.approx(1, rel=1e-3)


def test_out_and_back_is_one_road_inside_and_across_borders(workspace: Maker) -> None:
    roads = frame(
        [line((500, 500), (1500, 500), (500, 500)), line((0, 1500), (900, 1500), (0, 1500))], kind=["primary"] * 2
    )
    assert roads_km(workspace, roads) == pytest.approx(1.9, rel=1e-3)


def test_a_stretch_that_two_roads_share_counts_once(workspace: Maker) -> None:
    shared = [
        line((0, 500), (600, 500), (1000, 500)),
        line((600, 500), (1000, 500), (1000, 900)),
        line((600, 500), (1000, 500)),
    ]
    roads = frame(shared, kind=["primary", "secondary", "primary"])
    assert roads_km(workspace, roads) == pytest.approx(1.4, rel=1e-3)
    ws = qp.open_workspace(workspace(layer("roads", 'class_field = "kind"'), roads=roads))
    assert len(found(ws, "overlapping_line")) == 2
    ledger = ws.ledgers["roads"]
    assert (ledger.read, ledger.used, ledger.dropped) == (3, 2, 1)


def test_lanes_drawn_on_one_line_are_one_road(workspace: Maker) -> None:
    roads = frame([PAIR[0], line((1000, 500), (0, 500))], kind=["primary"] * 2, way=[True, True])
    assert roads_km(workspace, roads, 'oneway_field = "way"') == pytest.approx(1, rel=1e-3)


def test_roads_without_classes_are_said(workspace: Maker) -> None:
    assert found(qp.open_workspace(workspace(layer("roads"), roads=frame(PAIR))), "roads_without_classes")


# OpenStreetMap

OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="31.0" lon="121.0"{t}/><node id="2" lat="31.0" lon="121.1"{t}/>
<node id="3" lat="31.1" lon="121.1"{t}/><node id="4" lat="31.1" lon="121.0"{t}/>
<way id="1"{t}><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/>
 <tag k="boundary" v="administrative"/><tag k="admin_level" v="8"/><tag k="name" v="A"/></way>
<way id="2"{t}><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="natural" v="water"/></way>
<way id="3"{t}><nd ref="1"/><nd ref="2"/><nd ref="99"/><nd ref="1"/><tag k="natural" v="wood"/></way>
</osm>"""


def test_what_makes_no_area_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.osm").write_text(OSM.format(t=""), "utf-8")
    ws = qp.osm_workspace(tmp_path / "x.osm", zones_level=8)
    lost = {(f.feature_id, f.layer) for f in found(ws, "osm_open_way")}
    assert ("way/2", "water") in lost
    assert "way/3" in {f.feature_id for f in ws.findings}
    assert found(ws, "osm_without_date")
    assert not ws.period.startswith("1970")
    dated = OSM.format(t=' version="1" timestamp="2021-05-06T00:00:00Z"')
    (tmp_path / "y.osm").write_text(dated, "utf-8")
    assert qp.osm_workspace(tmp_path / "y.osm", zones_level=8).period == "2021"


def test_water_of_an_extract_in_a_workspace_needs_no_classes(workspace: Maker, tmp_path: Path) -> None:
    closed = OSM.replace('<nd ref="3"/><tag k="natural"', '<nd ref="3"/><nd ref="1"/><tag k="natural"')
    folder = workspace(layer("water").replace("water.gpkg", "x.osm"))
    (folder / "x.osm").write_text(closed.format(t=' version="1" timestamp="2021-05-06T00:00:00Z"'), "utf-8")
    assert set(qp.assess(qp.open_workspace(folder))["water_surface_share"]["definition"]) == {"all_water"}


# targets and tables

GOAL = Target("x", "z", "70", "ge", 70.0, 2025, "document")


def test_a_baseline_after_the_period_says_nothing_of_the_way() -> None:
    assert judge(GOAL, 65.0, 2021, Baseline(60.0, 2022, "x"), Thresholds()) is Status.UNMET


def test_a_growth_rate_has_no_straight_way() -> None:
    growth = Target("x", "z", "8", "about", 8.0, 2025, "document", kind="growth")
    assert judge(growth, 5.0, 2024, Baseline(4.0, 2020, "x"), Thresholds()) is Status.UNMET


def tables(folder: Path, **rows: str) -> None:
    heads = {
        "targets": "indicator,zone,year,operator,value,text,property,kind,direction,document\n",
        "statistics": "indicator, zone, period, value, grade, source\n",
        "baselines": "indicator,zone,period,value,source\n",
    }
    for name, text in rows.items():
        (folder / f"{name}.csv").write_text(heads[name] + text, "utf-8")


TABLES = "[tables]\n" + "".join(f'{name} = "{name}.csv"\n' for name in ("targets", "statistics", "baselines"))


def test_of_two_targets_the_next_one_is_the_row_s_and_both_are_judged(workspace: Maker) -> None:
    folder = workspace(FOREST + TABLES, forest=frame([square(0, 0, 500, 1000)]))
    tables(
        folder,
        targets="forest_cover,a,2035,ge,60,60,,,,d2\nforest_cover,a,2025,ge,40,40,,,,d1\n",
        statistics="",
        baselines="",
    )
    result = qp.assess(qp.open_workspace(folder))
    assert of(result, "forest_cover", "a", "target") == 40
    table = result.plan_table("targets")
    assert list(zip(table["target_year"], table["status"], strict=True)) == [(2035, "尚未达标"), (2025, "达标")]  # 50 %


def test_a_target_of_a_statistic_always_has_its_row(workspace: Maker) -> None:
    folder = workspace(TABLES)
    tables(
        folder,
        targets="trips,a,2025,ge,40,40,,,,d\ntrips,b,2025,ge,40,40,,,,d\n",
        statistics="trips,b,2024,50,official,s\n",
        baselines="",
    )
    result = qp.assess(qp.open_workspace(folder))
    assert list(result["trips"]["status"]) == ["not_computable", "met"]
    assert of(result, "trips", "b", "grade") == "official"


def test_a_baseline_for_nothing_is_named(workspace: Maker) -> None:
    folder = workspace(TABLES)
    tables(folder, targets="", statistics="", baselines="forest_covr,a,2020,5,s\n")
    assert [f.value for f in found(qp.assess(qp.open_workspace(folder)), "baseline_unused")] == ["forest_covr"]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("statistics", "x,a,2024,1,official,s\nx,a,2024,2,official,s\n", "line 3: says the same as line 2 again"),
        ("statistics", "x,a,2024,1,best,s\n", "grade 'best' is not known"),
        ("statistics", "x,a,24,1,official,s\n", "'24' is no period"),
        ("targets", "x,a,2025年,ge,1,1,,,,d\n", "'2025年' is no period"),
        ("targets", "x,a,2025,ge,1,1,,flor,,d\n", "kind 'flor' is not known; did you mean 'floor'?"),
        ("targets", "x,a,2025,ge,1,1,,,dwon,d\n", "direction 'dwon' is not known; did you mean 'down'?"),
        ("targets", "x,a,2025,user,1,1,,,,d\n", "operator 'user' is not known"),
        ("baselines", "x,a,²²²²,1,s\n", "is no period"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(workspace: Maker, name: str, rows: str, message: str) -> None:
    folder = workspace(TABLES)
    tables(folder, **({"targets": "", "statistics": "", "baselines": ""} | {name: rows}))
    with pytest.raises(ConfigError) as caught:
        qp.open_workspace(folder)
    assert message in str(caught.value)


def test_every_missing_layer_is_named_at_once(workspace: Maker) -> None:
    result = qp.assess(qp.open_workspace(workspace(FOREST, forest=frame([square(0, 0)]))), lang="en")
    note = str(of(result, "blue_green_share", "a", "note"))
    assert note.startswith("missing layers: water, farmland, grass, orchard, park, wetland;")


def test_forest_by_land_use_says_so(workspace: Maker) -> None:
    toml = PARCELS + '[layers.forest]\nfrom = "landuse"\n'
    result = qp.assess(qp.open_workspace(workspace(toml, landuse=frame([square(0, 0)], code=["0301"]))))
    assert "林地口径" in str(of(result, "forest_cover", "a", "note"))


def test_tables_may_use_the_planners_words(workspace: Maker) -> None:
    folder = workspace(FOREST + TABLES, forest=frame([square(0, 0, 500, 1000)]))
    tables(folder, targets="森林覆盖率,a,2025,≥,40,40,,,,d\n", statistics="", baselines="森林覆盖率,a,2020,30,s\n")
    result = qp.assess(qp.open_workspace(folder))
    assert of(result, "forest_cover", "a", "status") == "met"
    assert of(result, "forest_cover", "a", "progress") == pytest.approx(2, rel=1e-2)


def test_a_target_of_nothing_known_is_named(workspace: Maker) -> None:
    folder = workspace(TABLES)
    tables(folder, targets="forest_covr,a,2025,ge,40,40,,,,d\n", statistics="", baselines="")
    (unknown,) = found(qp.assess(qp.open_workspace(folder), lang="en"), "target_unknown")
    assert "did you mean 'forest_cover'?" in unknown.message


def test_a_period_says_which_layers_it_inherits(workspace: Maker) -> None:
    folder = workspace(FOREST + "[periods.2020]\n", forest=frame([square(0, 0)]))
    assert not found(qp.open_workspace(folder), "layer_of_main_period")
    assert [f.layer for f in found(qp.open_workspace(folder, period="2020"), "layer_of_main_period")] == ["forest"]


def test_an_undated_extract_is_assessed(tmp_path: Path) -> None:
    (tmp_path / "x.osm").write_text(OSM.format(t=""), "utf-8")
    result = qp.assess(qp.osm_workspace(tmp_path / "x.osm", zones_level=8))
    assert set(result.table["period"]) == {"undated"}


# outputs


def test_findings_that_differ_only_in_their_value_keep_their_order(workspace: Maker, tmp_path: Path) -> None:
    stations = frame([Point(EAST + 9 * n, NORTH + 9) for n in range(1, 9)], opened=[f"soon {n}" for n in range(8)])
    folder = workspace(layer("stations", 'opened_field = "opened"'), stations=stations)
    for seed in "12":
        command = [sys.executable, "-m", "qpgis", "run", str(folder), "--out", str(tmp_path / seed)]
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=False)
    for name in ("findings.csv", "indicators.xlsx", "manifest.json"):
        assert len({(tmp_path / seed / name).read_bytes() for seed in "12"}) == 1


def test_nothing_is_replaced_where_one_file_cannot_be(
    workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "map.html").mkdir(parents=True)
    (out / "indicators.csv").write_text("old")
    assert main(["run", str(workspace()), "--out", str(out)]) == 2
    assert "map.html: there is something that is no file" in capsys.readouterr().err
    assert (out / "indicators.csv").read_text() == "old"
    assert {p.name for p in out.iterdir()} == {"map.html", "indicators.csv"}


def test_odd_output_paths(workspace: Maker, tmp_path: Path) -> None:
    for name in ("o!x", "中 文", "a#b?c%20d&e'f", "new\nline"):
        assert main(["run", str(workspace()), "--out", str(tmp_path / name / "y")]) == 0
        assert len([p for p in (tmp_path / name / "y").iterdir() if p.is_file()]) == 6


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine" / "tables").mkdir(parents=True)
    (tmp_path / "mine" / "tables" / "statistics.csv").write_text("mine")
    assert main(["init", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "tables" / "statistics.csv").read_text() == "mine"


def test_the_map_alone_tells_of_errors_too(workspace: Maker, tmp_path: Path) -> None:
    lake = frame([square(0, 0)], kind=["lak"])
    folder = workspace(layer("water", 'class_field = "kind"'), water=lake)
    assert main(["map", str(folder), "--out", str(tmp_path / "m.html")]) == 1


def test_weak_grades_stand_in_the_geopackage(embedded_run: Path) -> None:
    assert set(gpd.read_file(embedded_run / "maps" / "indicators.gpkg", layer="zones")["grade"]) == {"synthetic"}


def test_the_manifest_holds_every_setting(embedded_run: Path) -> None:
    manifest = json.loads((embedded_run / "maps" / "manifest.json").read_text("utf-8"))
    roads = next(d for d in manifest["definitions"] if d["indicator"] == "road_density")
    assert roads["settings"]["opposite_within_m"] == 40
    assert "trunk" in roads["settings"]["classes"]
    assert {"GEOS", "PROJ", "GDAL"} <= set(manifest["versions"])


def test_a_finding_about_thousands_lists_some(workspace: Maker) -> None:
    stations = frame([Point(EAST + n / 10, NORTH + 9) for n in range(3000)], status=["规划"] * 3000)
    ws = qp.open_workspace(workspace(layer("stations", 'status_field = "status"'), stations=stations))
    (other,) = found(ws, "other_status")
    assert other.feature_id.endswith("(+2980)")
    assert "3000" in other.message


@pytest.mark.parametrize("metres", ["0", "nan", "inf", "1e-9", "1e9", "-1"])
def test_a_senseless_grid_is_refused(metres: str, tmp_path: Path) -> None:
    assert main(["run", f"--grid-m={metres}", "--out", str(tmp_path / "out")]) == 2


def test_zones_by_hand_need_their_grade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--zones", "z.gpkg", "--out", str(tmp_path / "out")]) == 2
    assert "--zones needs --zones-grade" in capsys.readouterr().err
    assert main(["run", "--zones-id", "x", "--out", str(tmp_path / "out")]) == 2
    assert "--zones-id goes with --zones" in capsys.readouterr().err


def test_zones_on_both_sides_of_the_date_line_are_refused(workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    towns = frame(
        [box(179, -17, 180, -16), box(-180, -17, -179, -16)], crs="EPSG:4326", zone_id=["a", "b"], name=["x", "y"]
    )
    assert main(["check", str(workspace(towns=towns))]) == 2
    assert "date line" in capsys.readouterr().err


# collections


def test_what_a_collection_loses_is_said(workspace: Maker) -> None:
    inner = GeometryCollection([square(0, 0), Point(EAST, NORTH)])
    mixed = GeometryCollection([inner, LineString([(EAST, NORTH), (EAST + 1, NORTH)])])
    towns = four_towns()
    towns.loc[0, "geometry"] = GeometryCollection([square(0, 0), Point(EAST, NORTH)])
    ws = qp.open_workspace(workspace(FOREST, forest=frame([mixed]), towns=towns))
    assert sorted((f.layer, f.feature_id, f.value) for f in found(ws, "parts_left_out")) == [
        ("forest", "1", "2"),
        ("zones", "a", "1"),
    ]
    assert ws.layers["forest"].geometry[0].area == pytest.approx(999_750, rel=1e-4)  # the plane of 4549 stretches


def test_a_number_written_with_a_comma_in_a_table_is_named(workspace: Maker) -> None:
    folder = workspace('[tables]\nstatistics = "s.csv"\n')
    (folder / "s.csv").write_text(
        "indicator,zone,period,value,grade,source\nforest_cover,a,2024,68,500,official,某局\n", "utf-8"
    )
    with pytest.raises(ConfigError, match=r"s\.csv.*line 2: more cells than columns"):
        qp.open_workspace(folder)


def test_zones_whose_names_and_ids_contradict_are_named(workspace: Maker) -> None:
    towns = four_towns()
    assert not found(qp.open_workspace(workspace(towns=towns)), "zones_of_one_name")
    ws = qp.open_workspace(workspace(towns=towns.assign(name=["甲", "乙", "乙", "丁"])))
    (same,) = found(ws, "zones_of_one_name")
    assert (same.feature_id, same.value) == ("b; c", "乙")
    extra = frame([square(2000, 0)], zone_id=["a"], name=["戊"])
    ws = qp.open_workspace(workspace(towns=pd.concat([towns, extra])))
    (several,) = found(ws, "zone_of_several_names")
    assert (several.feature_id, several.value) == ("a", "甲; 戊")
    assert ws.area.base.names[0] == "甲"
