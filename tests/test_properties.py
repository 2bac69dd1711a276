"""What must hold whatever the ground looks like: of the kernels, and of whole small workspaces.

The ground is drawn in whole metres of EPSG:4549 on four towns of a kilometre square: cases that can be counted by hand.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import LineString, MultiPolygon, Point, Polygon, affinity, box

import qpgis as qp
from qpgis.catalogue import text
from qpgis.measures import area_within, count_within, length_within
from qpgis.report.tables import write_findings_csv, write_indicators_csv
from tests.conftest import EAST, HEAD, NORTH, WHOLES, four_towns, frame, layer

GEOD = Geod(ellps="GRS80")
GEODESIC_M2 = 1e-3
"""What pyproj's own area of a small polygon is good for."""
EDGE_M = 1e-4
"""Metres: how far a straight edge may lie beside itself once it has other vertices (reliability.md, additivity)."""
BORDER_M = 2e-3
"""Metres: what of a road on a border may be lost at its ends, where the border has other vertices."""
CORNER = box(0, 0, 1, 1)
TINY = text("note_tiny_denominator")

kernels = settings(max_examples=50, deadline=None, derandomize=True)
workspaces = settings(
    max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# The ground ----------------------------------------------------------------------------------------------------------

metres = st.integers(0, 2000)
places = st.tuples(metres, metres)


@st.composite
def rectangles(draw: st.DrawFn) -> Polygon:
    west, east = sorted(draw(st.lists(metres, min_size=2, max_size=2, unique=True)))
    south, north = sorted(draw(st.lists(metres, min_size=2, max_size=2, unique=True)))
    return box(west, south, east, north)


@st.composite
def hulls(draw: st.DrawFn) -> Polygon:
    hull = shapely.convex_hull(shapely.multipoints(draw(st.lists(places, min_size=3, max_size=6, unique=True))))
    assume(hull.geom_type == "Polygon")
    return hull


@st.composite
def rings(draw: st.DrawFn) -> Polygon:
    """A rectangle with a courtyard."""
    outer = draw(rectangles())
    west, south, east, north = outer.bounds
    assume(east - west > 20 and north - south > 20)
    return Polygon(outer.exterior.coords, [box(west + 5, south + 5, east - 5, north - 5).exterior.coords])


@st.composite
def roads(draw: st.DrawFn) -> LineString:
    points = draw(st.lists(places, min_size=2, max_size=4, unique=True))
    return LineString(points)


polygons = st.one_of(rectangles(), hulls(), rings())
grounds = st.lists(polygons, min_size=1, max_size=5)
networks = st.lists(roads(), min_size=1, max_size=4)


@st.composite
def tilings(draw: st.DrawFn) -> list[Polygon]:
    """The square of two kilometres cut into triangles; neighbours share their corners."""
    corners = {(0, 0), (2000, 0), (0, 2000), (2000, 2000)} | set(draw(st.lists(places, max_size=5)))
    return list(shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(sorted(corners)))))


def put(shapes: Iterable[shapely.Geometry], **columns: list) -> gpd.GeoDataFrame:
    """On the ground: moved to the corner of the four towns."""
    return frame([affinity.translate(s, EAST, NORTH) for s in shapes], **columns)


WHOLE = [box(0, 0, 2000, 2000)]


def geodesic_m2(features: gpd.GeoDataFrame) -> float:
    """Area of the union, edges straight in EPSG:4549, by pyproj."""
    union = shapely.segmentize(features.geometry.union_all(), 10)
    degrees = gpd.GeoSeries([union], crs=features.crs).to_crs(4490).iloc[0]
    return abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(degrees))[0])


def geodesic_m(features: gpd.GeoDataFrame) -> float:
    degrees = features.geometry.segmentize(100).to_crs(4490)
    return sum(GEOD.geometry_length(line) for line in degrees)


def total_edge_m(shapes: Iterable[shapely.Geometry]) -> float:
    return sum(shape.length for shape in shapes)


# Kernels -------------------------------------------------------------------------------------------------------------


@kernels
@given(tilings(), grounds)
def test_areas_add_up_over_a_tiling(tiles: list[Polygon], ground: list[Polygon]) -> None:
    features = put(ground)
    whole = area_within(put(WHOLE), features).iloc[0]
    tiled = area_within(put(tiles), features).sum()
    assert tiled == pytest.approx(whole, rel=1e-9, abs=EDGE_M * total_edge_m(tiles))
    assert whole == pytest.approx(geodesic_m2(features), rel=1e-6, abs=GEODESIC_M2)


@kernels
@given(tilings(), networks)
def test_lengths_add_up_over_a_tiling(tiles: list[Polygon], network: list[LineString]) -> None:
    features = put(network)
    whole = length_within(put(WHOLE), features).iloc[0]
    tiled = length_within(put(tiles), features).sum()
    assert tiled == pytest.approx(whole, rel=1e-9, abs=BORDER_M)
    assert whole == pytest.approx(geodesic_m(features), rel=1e-9, abs=BORDER_M)


@kernels
@given(tilings(), polygons)
def test_zones_never_hold_more_than_there_is(tiles: list[Polygon], polygon: Polygon) -> None:
    feature = put([polygon])
    alone = area_within(feature, feature).iloc[0]
    assert area_within(put(tiles), feature).sum() <= alone * (1 + 1e-9) + EDGE_M * total_edge_m(tiles)


@kernels
@given(polygons, st.integers(1, 1999), st.booleans())
def test_a_polygon_split_in_two_is_as_large(polygon: Polygon, cut: int, upright: bool) -> None:
    halves = (
        [box(0, 0, cut, 2000), box(cut, 0, 2000, 2000)] if upright else [box(0, 0, 2000, cut), box(0, cut, 2000, 2000)]
    )
    parts = [shapely.intersection(polygon, half) for half in halves]
    assume(all(part.geom_type in ("Polygon", "MultiPolygon") and part.area > 1 for part in parts))
    zones = four_towns()
    merged = area_within(zones, put([polygon]))
    abs_ = 1e-5 * polygon.length
    assert area_within(zones, put(parts)).tolist() == pytest.approx(merged.tolist(), rel=1e-9, abs=abs_)
    assert area_within(zones, put([parts[0]]), put([parts[1]])).tolist() == pytest.approx(
        merged.tolist(), rel=1e-9, abs=abs_
    )


@kernels
@given(grounds, polygons)
def test_outside_is_what_remains(ground: list[Polygon], left_out: Polygon) -> None:
    """Area without something plus area within it is the whole."""
    zones, features, rest = four_towns(), put(ground), put([left_out])
    both = put([g for g in shapely.get_parts(shapely.intersection(shapely.union_all(ground), left_out)) if g.area > 0])
    within = area_within(zones, both) if len(both) else 0
    total = area_within(zones, features, outside=rest) + within
    expected = area_within(zones, features)
    assert total.tolist() == pytest.approx(expected.tolist(), rel=1e-9, abs=EDGE_M * 2000)


@kernels
@given(grounds, st.integers(2, 9))
def test_collinear_vertices_change_nothing(ground: list[Polygon], pieces: int) -> None:
    zones = four_towns()
    longest = max(g.length for g in ground)
    more = put([shapely.segmentize(g, longest / pieces) for g in ground])
    expected = area_within(zones, put(ground))
    found = area_within(zones, more)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-5 * longest)


@kernels
@given(polygons)
def test_a_multipolygon_of_one_part_is_that_part(polygon: Polygon) -> None:
    zones = four_towns()
    heights = shapely.force_3d(polygon, 4.2)
    expected = area_within(zones, put([polygon])).tolist()
    assert area_within(zones, put([MultiPolygon([polygon])])).tolist() == expected
    assert area_within(zones, put([heights])).tolist() == expected


@kernels
@given(polygons, roads(), st.sampled_from([4490, 4326, 4549, 32651]), st.sampled_from([4490, 4326, 4549, 32651]))
def test_the_same_ground_in_every_system(polygon: Polygon, road: LineString, zones_in: int, features_in: int) -> None:
    # an edge is straight in its file's system, so edges are cut to 10 m before they change it
    zone = put([shapely.segmentize(WHOLE[0], 10)]).to_crs(zones_in)
    ground, network = put([shapely.segmentize(polygon, 10)]), put([shapely.segmentize(road, 10)])
    area = area_within(zone, ground.to_crs(features_in)).iloc[0]
    assert area == pytest.approx(geodesic_m2(ground), rel=1e-6, abs=GEODESIC_M2)
    inside = shapely.within(road, box(1, 1, 1999, 1999))
    if inside:
        length = length_within(zone, network.to_crs(features_in)).iloc[0]
        assert length == pytest.approx(geodesic_m(network), rel=1e-9, abs=1e-5)


@kernels
@given(st.lists(st.tuples(st.integers(1, 1999), st.integers(1, 1999)), min_size=1, max_size=20))
@example([(1000, 1000), (1000, 500), (1000, 1), (500, 1000), (1999, 1000), (1000, 1999)])
def test_every_point_counts_once(points: list[tuple[int, int]]) -> None:
    found = count_within(four_towns(), put([Point(p) for p in points]))
    assert found.sum() == len(points)
    for zone, (column, row) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        properly = [(x, y) for x, y in points if 0 < x - 1000 * column < 1000 and 0 < y - 1000 * row < 1000]
        on_border = [p for p in points if 1000 in p]
        assert len(properly) <= found.iloc[zone] <= len(properly) + len(on_border)


@kernels
@given(st.integers(1, 1999))
@example(1000)
def test_a_point_on_a_border_goes_to_the_first_zone(along: int) -> None:
    # on the upright border the southern or northern pair, on the level one the western or eastern
    upright = count_within(four_towns(), put([Point(1000, along)]))
    assert upright.tolist() == ([1, 0, 0, 0] if along <= 1000 else [0, 0, 1, 0])
    level = count_within(four_towns(), put([Point(along, 1000)]))
    assert level.tolist() == ([1, 0, 0, 0] if along <= 1000 else [0, 1, 0, 0])


@kernels
@given(st.integers(0, 990), st.integers(10, 1000))
@example(0, 1000)
def test_a_road_on_a_border_is_split_equally(start: int, length: int) -> None:
    """Wherever the road begins and ends along the border of a and b."""
    assume(start + length <= 1000)
    road = put([LineString([(1000, start), (1000, start + length)])])
    found = length_within(four_towns(), road)
    half = geodesic_m(road) / 2
    assert found.tolist() == pytest.approx([half, half, 0, 0], rel=1e-9, abs=BORDER_M)


@kernels
@given(st.integers(0, 1990), st.integers(10, 2000))
@example(0, 2000)
def test_a_road_on_the_outer_border_counts_wholly(start: int, length: int) -> None:
    assume(start + length <= 2000)
    road = put([LineString([(0, start), (0, start + length)])])
    found = length_within(four_towns(), road)
    assert found.sum() == pytest.approx(geodesic_m(road), rel=1e-9, abs=BORDER_M)
    assert found.iloc[[1, 3]].tolist() == [0, 0]


# Whole workspaces ----------------------------------------------------------------------------------------------------

CLASSES = ["river", "pond"]
TOML = (
    layer("water", 'class_field = "kind"')
    + layer("forest")
    + layer("roads", 'class_field = "kind"', 'status_field = "status"')
    + '[definitions]\nwater_surface_share = ["rivers_lakes_reservoirs", "all_water"]\nroad_density = ["carriageway"]\n'
)


def ground(
    water: list[Polygon], forest: list[Polygon], network: list[LineString], status: list[str] | None = None
) -> dict[str, gpd.GeoDataFrame]:
    """Layers of a workspace; water is river and pond by turns."""
    return {
        "towns": four_towns(),
        "water": put(water, kind=[CLASSES[n % 2] for n in range(len(water))]),
        "forest": put(forest),
        "roads": put(network, kind=["primary"] * len(network), status=status or ["现状"] * len(network)),
    }


def run(layers: Mapping[str, gpd.GeoDataFrame], toml: str = TOML) -> tuple[str, list[dict[str, str]]]:
    """The text of ``indicators.csv`` and the rows of ``findings.csv``."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "qpgis.toml").write_text((HEAD + toml).replace(".gpkg", ".parquet"), encoding="utf-8")
        for kind, rows in layers.items():
            rows.to_parquet(folder / f"{kind}.parquet")
        result = qp.assess(qp.open_workspace(folder))
        write_indicators_csv(result, folder / "indicators.csv")
        write_findings_csv(result, folder / "findings.csv")
        findings = list(csv.DictReader(io.StringIO((folder / "findings.csv").read_text("utf-8-sig"))))
        return (folder / "indicators.csv").read_text("utf-8-sig"), findings


def table(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(r["indicator"], r["definition"], r["zone_id"]): r for r in csv.DictReader(io.StringIO(text))}


def number(text: str) -> float:
    return float(text) if text else np.nan


def turned(geometry: shapely.Geometry, shift: int, backwards: bool) -> shapely.Geometry:
    """The same polygon or line with another ring start and direction."""

    def ring(coords: Iterable[tuple[float, ...]]) -> list[tuple[float, ...]]:
        points = list(coords)[:-1]
        points = points[shift % len(points) :] + points[: shift % len(points)]
        return points[::-1] if backwards else points

    if geometry.geom_type == "LineString":
        return shapely.reverse(geometry) if backwards else geometry
    return Polygon(ring(geometry.exterior.coords), [ring(hole.coords) for hole in geometry.interiors])


@workspaces
@given(grounds, grounds, networks, st.randoms(use_true_random=False), st.integers(0, 5), st.booleans())
def test_order_ring_start_and_direction_dont_show(water, forest, network, random, shift, backwards) -> None:
    before = ground(water, forest, network)
    after = {}
    for name, rows in before.items():
        order = list(range(len(rows)))
        random.shuffle(order)
        shuffled = rows.iloc[order].reset_index(drop=True)
        after[name] = shuffled.set_geometry([turned(g, shift, backwards) for g in shuffled.geometry], crs=rows.crs)
    assert run(after)[0] == run(before)[0]


@workspaces
@given(grounds, grounds, networks)
def test_groups_are_exact_and_shares_are_shares(water, forest, network) -> None:
    from decimal import Decimal

    rows = table(run(ground(water, forest, network))[0])
    for (indicator, definition, zone), row in rows.items():
        members = {"south": "ab", "all": "abcd"}.get(zone, "")
        for part in ("numerator", "denominator"):
            if members and row[part] and indicator not in WHOLES:
                total = sum(Decimal(rows[indicator, definition, m][part] or "0") for m in members)
                missing = [m for m in members if not rows[indicator, definition, m][part]]
                assert Decimal(row[part]) == total or missing
        if row["unit"] == "%" and row["value"]:
            assert 0 <= number(row["value"]) <= 100
        if row["value"] and row["denominator"]:
            assert number(row["denominator"]) > 0
            factor = 100 if row["unit"] == "%" else 1
            quotient = factor * Decimal(row["numerator"]) / Decimal(row["denominator"])
            assert number(row["value"]) == pytest.approx(float(quotient), rel=1e-11)


@workspaces
@given(grounds, grounds, networks)
def test_values_of_a_workspace_are_those_of_the_ground(water, forest, network) -> None:
    """By plain unions of integer metres; EPSG:4549 is 0.025 % larger here than the ellipsoid, evenly: shares agree."""
    rows = table(run(ground(water, forest, network))[0])
    wet, wood = shapely.union_all(water), shapely.union_all(forest)
    rivers = shapely.union_all(water[::2])
    for zone, (x, y) in zip("abcd", [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        town = box(1000 * x, 1000 * y, 1000 * x + 1000, 1000 * y + 1000)
        shares = {
            ("forest_cover", "total_area"): wood & town,
            ("water_surface_share", "rivers_lakes_reservoirs"): rivers & town,
            ("water_surface_share", "all_water"): wet & town,
        }
        for key, part in shares.items():
            assert number(rows[*key, zone]["value"]) == pytest.approx(part.area / 1e4, rel=1e-5, abs=1e-5), key
        land = town - rivers
        row = rows["forest_cover_of_land", "rivers_lakes_reservoirs", zone]
        if land.area > 1:
            share = 100 * (wood & land).area / land.area
            assert number(row["value"]) == pytest.approx(share, rel=1e-4, abs=1e-4)


@workspaces
@given(grounds, st.data())
def test_a_polygon_that_stands_twice_counts_once_and_is_named(forest, data) -> None:
    unique = list({shapely.normalize(g).wkb: g for g in forest}.values())
    again = turned(data.draw(st.sampled_from(unique)), data.draw(st.integers(0, 5)), data.draw(st.booleans()))
    others = (WHOLE, [LineString([(0, 0), (5, 5)])])
    before, quiet = run(ground(others[0], unique, others[1]))
    after, loud = run(ground(others[0], [*unique, again], others[1]))
    assert after == before
    assert not [f for f in quiet if f["rule"] == "duplicate_geometry"]
    named = [f for f in loud if f["rule"] == "duplicate_geometry"]
    assert [(f["severity"], f["layer"], f["file"]) for f in named] == [("warning", "forest", "forest.parquet")]


@workspaces
@given(grounds, networks, polygons, roads(), st.sampled_from([(2500, 0), (-2500, 0), (0, 2500), (9000, -9000)]))
def test_what_lies_outside_all_zones_changes_nothing_but_is_counted(forest, network, polygon, road, move) -> None:
    far_polygon, far_road = (affinity.translate(g, *move) for g in (polygon, road))
    before, without = run(ground(WHOLE, forest, network))
    after, findings = run(ground(WHOLE, [*forest, far_polygon], [*network, far_road]))
    assert after == before
    outside = {f["layer"]: f["value"] for f in findings if f["rule"] == "features_outside"}
    assert outside == {"forest": "1", "roads": "1"}
    assert not [f for f in without if f["rule"] == "features_outside"]


@workspaces
@given(networks, networks, st.sampled_from(["规划", "在建", "研究"]))
def test_a_planned_road_is_never_there(there, planned, status) -> None:
    before, _ = run(ground(WHOLE, WHOLE, there))
    both = ground(WHOLE, WHOLE, [*there, *planned], ["现状"] * len(there) + [status] * len(planned))
    after, findings = run(both)
    assert after == before
    named = [f for f in findings if f["rule"] == "other_status"]
    assert [(f["layer"], f["value"]) for f in named] == [("roads", status)]


@workspaces
@given(grounds, grounds, networks, st.integers(1, 999))
@example(
    [CORNER], [CORNER], [LineString([(0, 0), (1, 136), (439, 57), (481, 902)])], 470
)  # leaves a border, crosses one
@example([CORNER], [CORNER], [LineString([(0, 0), (0, 1)])], 1)  # of a metre of shore is left next to nothing
def test_a_zone_split_in_two_adds_up(water, forest, network, cut) -> None:
    before = ground(water, forest, network)
    towns = before["towns"]
    halves = put([box(0, 0, cut, 1000), box(cut, 0, 1000, 1000)], zone_id=["a", "a2"], name=["甲", "甲二"])
    after = {**before, "towns": gpd.pd.concat([halves, towns.iloc[1:]], ignore_index=True)}
    whole, parts = table(run(before)[0]), table(run(after)[0])
    for (indicator, definition, zone), row in whole.items():
        if zone != "a" or not row["value"] or indicator in WHOLES:
            continue
        pair = [parts[indicator, definition, z] for z in ("a", "a2")]
        if any(TINY in r["note"] for r in pair):
            continue
        numerator = sum(number(r["numerator"] or "0") for r in pair)
        denominator = sum(number(r["denominator"] or "0") for r in pair)
        assert numerator == pytest.approx(number(row["numerator"]), rel=1e-9, abs=EDGE_M * 4000 * 1e-6)
        assert denominator == pytest.approx(number(row["denominator"] or "0"), rel=1e-9, abs=EDGE_M * 4000 * 1e-6)


# Missing is not none -------------------------------------------------------------------------------------------------


ALL_OF_A_HALF_OF_B = [
    pytest.param([box(0, 0, 1000, 1000), box(0, 0, 0.5, 0.5), box(1000, 0, 1500, 1000)], id="one polygon in each"),
    pytest.param([box(0, 0, 1500, 1000)], id="one polygon across"),
    pytest.param([box(-300, -200, 1500, 1000)], id="beyond the border"),
]


@pytest.mark.parametrize("water", ALL_OF_A_HALF_OF_B)
def test_a_zone_of_water_only_has_no_forest_cover_of_land(water: list[Polygon]) -> None:
    # a is all river, b half; there is no forest in a, and forest on the land of b
    rows = table(run(ground(water, [box(1500, 0, 2000, 1000)], [LineString([(0, 0), (5, 5)])]))[0])
    key = ("forest_cover_of_land", "rivers_lakes_reservoirs")
    empty = rows[*key, "a"]
    assert [empty[c] for c in ("value", "numerator", "denominator")] == ["", "", ""]
    assert empty["status"] == "not_computable"
    assert empty["note"]
    assert number(rows[*key, "b"]["value"]) == pytest.approx(100)
    assert rows[*key, "c"]["value"] == "0"
    # the group still has its land: that of b
    assert number(rows[*key, "south"]["value"]) == pytest.approx(100)
    assert number(rows["water_surface_share", "all_water", "a"]["value"]) == pytest.approx(100)


def test_a_hole_that_shares_edges_with_its_shell_is_no_area() -> None:
    # an invalid way to draw the outer quarters of a: by even-odd (and by the ring areas) 250 m and 250 m of 1000 m
    ring = Polygon(box(0, 0, 1000, 1000).exterior.coords, [box(250, 0, 750, 1000).exterior.coords])
    text, findings = run(ground(WHOLE, [ring], [LineString([(0, 0), (5, 5)])]))
    assert number(table(text)["forest_cover", "total_area", "a"]["value"]) == pytest.approx(50, abs=1e-4)
    assert [f["layer"] for f in findings if f["rule"] == "invalid_geometry"] == ["forest"]


def test_layers_without_features_are_measured_and_none() -> None:
    text, _ = run(ground([], [], []))
    rows = table(text)
    for indicator in ("forest_cover", "water_surface_share", "road_density", "forest_cover_of_land"):
        found = {row["value"] for key, row in rows.items() if key[0] == indicator}
        assert found == {"0"}, indicator


def test_an_absent_layer_makes_the_value_missing() -> None:
    layers = ground(WHOLE, WHOLE, [LineString([(0, 0), (5, 5)])])
    rows = table(run({k: v for k, v in layers.items() if k != "forest"}, TOML.replace(layer("forest"), ""))[0])
    for (indicator, _, _), row in rows.items():
        if indicator in ("forest_cover", "forest_cover_of_land"):
            assert (row["value"], row["numerator"], row["status"]) == ("", "", "not_computable")
            assert "forest" in row["note"]
        elif indicator == "water_surface_share":
            assert row["value"]


def extent_workspace(extent: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """Four cells of 0.01 degrees, a b in the south and c d in the north, forest in the western half of each."""
    corners = [(121.0, 31.0), (121.01, 31.0), (121.0, 31.01), (121.01, 31.01)]
    towns = frame(
        [box(x, y, x + 0.01, y + 0.01) for x, y in corners],
        crs="EPSG:4490",
        zone_id=list("abcd"),
        name=list("甲乙丙丁"),
    )
    forest = frame([box(x, y, x + 0.005, y + 0.01) for x, y in corners], crs="EPSG:4490")
    toml = layer("forest").replace('extent = "area"', f"extent = {extent}")
    return table(run({"towns": towns, "forest": forest}, toml)[0])


def test_a_zone_half_outside_the_extent_keeps_its_value_with_a_note() -> None:
    # surveyed: a, and the western half of b
    rows = extent_workspace("[120.9, 30.9, 121.015, 31.01]")
    cover = {zone: rows["forest_cover", "total_area", zone] for zone in ("a", "b", "c", "d", "south", "all")}
    assert number(cover["a"]["value"]) == pytest.approx(50, rel=1e-6)
    assert "%" not in cover["a"]["note"]
    assert number(cover["b"]["value"]) == pytest.approx(50, rel=1e-6)
    assert "50.00%" in cover["b"]["note"]
    assert "75.00%" in cover["south"]["note"]
    # three eighths of the whole area, but c and d know nothing
    assert "37.5" in cover["all"]["note"]


def test_a_zone_wholly_outside_the_extent_is_missing() -> None:
    rows = extent_workspace("[120.9, 30.9, 121.015, 31.005]")
    for zone in ("c", "d"):
        row = rows["forest_cover", "total_area", zone]
        assert (row["value"], row["numerator"], row["status"]) == ("", "", "not_computable")
        assert row["note"]
