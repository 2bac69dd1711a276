"""Gaps, overlaps and slivers: places worked by hand, planted faults, and what a plain overlay finds."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Geometry, Polygon, box

from qpgis.crs import parse
from qpgis.findings import Findings
from qpgis.measures import coverage_faults
from qpgis.measures.coverage import Faults, _not_alone, faults, shared_edges
from qpgis.quality.coverage import check_features
from tests.conftest import SHARED_DATA, frame, square

BAD = SHARED_DATA / "bad_inputs" / "polygon_invalid"
SCALE = 1e-3
"""Gauss-Krueger areas at Qingpu are 0.03 % larger than ellipsoidal ones."""


def found(*shapes: Geometry | None, **settings: object) -> Faults:
    """The faults of shapes whose coordinates are metres of the plane already."""
    return faults(np.array(shapes, dtype=object), **settings)  # type: ignore[arg-type]


def summed(result: Faults) -> dict[str, float]:
    """The area of each kind of fault."""
    return {str(kind): float(result.area_m2[result.kind == kind].sum()) for kind in np.unique(result.kind)}


# -------------------------------------------------------------------------------------------------------- the kernel


def test_squares_side_by_side_have_no_fault() -> None:
    assert len(found(box(0, 0, 10, 10), box(10, 0, 20, 10), box(0, 10, 20, 20))) == 0


def test_nothing_and_one_and_missing_ones_have_no_fault() -> None:
    assert len(found()) == 0
    assert len(found(None, Polygon(), box(0, 0, 10, 10))) == 0


def test_an_overlap_names_both_and_its_area() -> None:
    result = found(None, box(0, 0, 10, 10), box(8, 0, 20, 10))
    assert (list(result.kind), result.members) == (["overlap"], ((1, 2),))
    assert result.area_m2[0] == pytest.approx(20)
    assert result.width_m[0] == pytest.approx(2 * 20 / 24)
    assert result.geometry[0].equals(box(8, 0, 10, 10))


def test_a_double_is_an_overlap_of_its_whole_area() -> None:
    result = found(box(0, 0, 10, 10), box(0, 0, 10, 10), box(10, 0, 20, 10))
    assert summed(result) == {"overlap": pytest.approx(100)}
    assert result.members == ((0, 1),)


def test_two_coverings_of_the_same_ground_overlap_wherever_their_cells_do() -> None:
    columns = [box(x, 0, x + 10, 40) for x in range(0, 40, 10)]
    rows = [box(0, y, 40, y + 10) for y in range(0, 40, 10)]
    result = found(*columns, *rows)
    assert summed(result) == {"overlap": pytest.approx(1600)}
    assert len(result) == 16


def test_a_hole_is_a_gap_of_any_width() -> None:
    ring = box(0, 0, 300, 300).difference(box(100, 100, 200, 200))
    result = found(ring, box(300, 0, 400, 300))
    assert summed(result) == {"gap": pytest.approx(10_000)}
    assert result.members == ((0,),)


def test_an_island_in_a_hole_is_no_gap() -> None:
    ring = box(0, 0, 300, 300).difference(box(100, 100, 200, 200))
    assert summed(found(ring, box(120, 120, 180, 180))) == {"gap": pytest.approx(10_000 - 3600)}


def test_a_gap_that_is_open_at_both_ends() -> None:
    result = found(box(0, 0, 1000, 1000), box(1000.05, 0, 2000, 1000))
    assert (list(result.kind), result.members) == (["gap"], ((0, 1),))
    assert result.area_m2[0] == pytest.approx(50)
    assert result.width_m[0] == pytest.approx(0.05, rel=1e-3)


def test_polygons_further_apart_than_a_gap_may_be_wide_are_no_neighbours() -> None:
    apart = box(0, 0, 1000, 1000), box(1002, 0, 2000, 1000)
    assert len(found(*apart)) == 0
    assert summed(found(*apart, gap_width_m=3)) == {"gap": pytest.approx(2000)}


def test_a_passage_that_widens_is_no_gap_and_a_closed_wedge_is() -> None:
    west = Polygon([(0, 0), (0, 1000), (1000, 1000), (1000, 0)])
    notch = Polygon([(1000, 0), (1500, 1000), (2000, 1000), (2000, 0)])
    wedge = Polygon([(1000, 0), (1000.4, 1000), (2000, 1000), (2000, 0)])
    assert len(found(west, notch)) == 0
    assert summed(found(west, wedge)) == {"gap": pytest.approx(200)}


def test_a_boundary_makes_everything_left_out_a_gap() -> None:
    outline = np.array([box(0, 0, 30, 10)], dtype=object)
    result = found(box(0, 0, 10, 10), box(10, 0, 20, 8), boundary=outline)
    assert summed(result) == {"gap": pytest.approx(20 + 100)}


def test_what_lies_outside_the_boundary_is_no_gap() -> None:
    outline = np.array([box(0, 0, 10, 10)], dtype=object)
    ring = box(-50, -50, 60, 60).difference(box(20, 20, 30, 30))
    assert len(found(ring, boundary=outline)) == 0


def test_borders_with_other_vertices_are_the_same_border() -> None:
    # the west has one long edge where the east has three, and two of its points stray by 5 micrometres
    west = Polygon([(0, 0), (0, 90), (90, 90), (90, 0)])
    east = [Polygon([(90 + 5e-6 * (y in (0, 60)), y), (180, y), (180, y + 30), (90, y + 30)]) for y in (0, 30, 60)]
    east = shapely.set_precision(np.array(east, dtype=object), 0)
    assert len(found(west, *east)) == 0


def test_vertices_torn_apart_by_projecting_are_one() -> None:
    left = Polygon([(0, 0), (10, 3e-6), (10 - 3e-6, 20), (0, 20)])
    right = Polygon([(10, 0), (20, 0), (20, 20), (10, 20 + 2e-6)])
    assert len(found(left, right)) == 0


def test_a_kink_below_the_tolerance_is_found_only_on_request() -> None:
    kinked = Polygon([(1000, 0), (2000, 0), (2000, 1000), (1000, 1000), (1000.0002, 500)])
    assert len(found(box(0, 0, 1000, 1000), kinked)) == 0
    result = found(box(0, 0, 1000, 1000), kinked, tolerance_m=0)
    assert summed(result) == {"gap": pytest.approx(0.1, abs=0.03)}


def test_slivers_are_thin_polygons_or_parts_of_them() -> None:
    thin = box(0, 0, 100, 0.2)
    multi = shapely.MultiPolygon([box(0, 10, 50, 60), box(0, 100, 0.1, 160)])
    result = found(thin, multi)
    assert list(result.kind) == ["sliver", "sliver"]
    assert result.members == ((0,), (1,))
    assert list(result.area_m2) == pytest.approx([20, 6])
    assert len(found(thin, multi, sliver_width_m=0)) == 0


def test_the_order_of_the_file_changes_no_fault() -> None:
    shapes = [box(0, 0, 10, 10), box(9, 0, 20, 10), box(20.3, 0, 30, 10), box(0, 10, 30, 20)]
    one, other = found(*shapes), found(*shapes[::-1])
    assert list(one.kind) == list(other.kind)
    assert list(one.area_m2) == pytest.approx(list(other.area_m2), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_planted_faults_are_what_a_plain_overlay_finds(seed: int) -> None:
    shapes = planted(np.random.default_rng(seed))
    result = summed(faults(shapes, gap_width_m=0, sliver_width_m=0))
    pairs = [shapes[a].intersection(shapes[b]).area for a in range(len(shapes)) for b in range(a)]
    around = box(-100, -100, 400, 400)
    bare = shapely.get_parts(around.difference(shapely.union_all(shapes)))
    enclosed = bare[~shapely.intersects(bare, around.exterior)]
    assert result.get("overlap", 0) == pytest.approx(sum(pairs), abs=1e-3)
    assert result.get("gap", 0) == pytest.approx(shapely.area(enclosed).sum(), abs=1e-3)


def planted(chance: np.random.Generator) -> np.ndarray:
    """Five by five cells with jolted corners, some of them left out, moved, shrunk, or doubled."""
    x, y = np.meshgrid(np.arange(6) * 50.0, np.arange(6) * 50.0)
    corner = np.stack([x, y], axis=-1) + chance.normal(0, 4, (6, 6, 2))
    rings = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=2)
    cells = shapely.polygons(rings.reshape(-1, 4, 2))
    fate = chance.integers(0, 10, len(cells))
    cells[fate == 0] = shapely.transform(cells[fate == 0], lambda xy: xy + chance.uniform(-20, 20, 2))
    cells[fate == 1] = shapely.buffer(cells[fate == 1], -0.5, join_style="mitre")
    return np.concatenate([cells[fate != 2], cells[fate == 3]])


# ------------------------------------------------------------------------------------------------ the public function


def test_the_frame_is_in_degrees_with_the_labels_of_the_index() -> None:
    towns = frame([square(0, 0), square(990, 0, 1010), square(2000.05, 0)]).set_axis(["a", "b", "c"])
    result = coverage_faults(towns)
    assert result.crs.to_epsg() == 4326
    assert list(result.columns) == ["kind", "area_m2", "width_m", "ids", "geometry"]
    assert list(zip(result["kind"], result["ids"], strict=True)) == [("gap", "b; c"), ("overlap", "a; b")]
    assert list(result["area_m2"]) == pytest.approx([50, 10_000], rel=SCALE)
    west, _, east, _ = result.to_crs(4549).total_bounds
    assert (west - 600_000, east - 600_000) == pytest.approx((990, 2000.05), abs=1e-3)


def test_a_coverage_without_faults_gives_an_empty_frame() -> None:
    result = coverage_faults(frame([square(0, 0), square(1000, 0)]))
    assert len(result) == 0
    assert result.crs.to_epsg() == 4326


# ----------------------------------------------------------------------------------------------------------- findings


def checked(polygons: gpd.GeoDataFrame, **expect: object) -> list:
    findings = Findings("en")
    ids = [f"p{n}" for n in range(len(polygons))]
    system = parse(polygons.crs, what="x")
    check_features(polygons.geometry.to_numpy(), ids, system, file="x", findings=findings, **expect)  # type: ignore[arg-type]
    return list(findings)


def test_overlaps_of_a_file_say_sum_and_union() -> None:
    rules = {f.rule: f for f in checked(frame([square(0, 0), square(990, 0, 1010)]))}
    assert set(rules) == {"overlaps_in_all", "polygons_overlap"}
    assert rules["polygons_overlap"].feature_id == "p0; p1"
    assert {f.severity.value for f in rules.values()} == {"warning"}
    lon, lat = (float(v) for v in rules["polygons_overlap"].location.split())
    inside = gpd.GeoSeries([square(990, 0, 10, 1000)], crs=4549).to_crs(4326).iloc[0]
    assert inside.covers(shapely.Point(lon, lat))


def test_layers_whose_ground_counts_once_may_overlap() -> None:
    (only,) = checked(frame([square(0, 0), square(990, 0, 1010)]), expect="free")
    assert (only.severity.value, only.rule) == ("info", "overlaps_count_once")
    assert float(only.value.removesuffix(" m2")) == pytest.approx(10_000, rel=SCALE)


def test_a_wide_hole_is_a_fault_of_a_coverage_only() -> None:
    scattered = frame([square(0, 0).difference(square(300, 300, 100, 100)), square(5000, 0)])
    assert not checked(scattered)
    assert [f.rule for f in checked(scattered, expect="coverage")] == ["gaps_in_all", "polygons_gap"]


def test_many_faults_are_counted_and_twenty_named() -> None:
    doubled = frame([square(100 * n, 0, 50) for n in range(30)] + [square(100 * n, 0, 40) for n in range(30)])
    result = checked(doubled)
    (total,) = [f for f in result if f.rule == "overlaps_in_all"]
    assert total.message.startswith("30 overlaps")
    assert len([f for f in result if f.rule == "polygons_overlap"]) == 20


def test_shared_edges_are_a_share_of_all_outlines() -> None:
    assert shared_edges(np.array([box(0, 0, 1, 1), box(5, 0, 6, 1)])) == 0
    four = [box(x, y, x + 1, y + 1) for x in (0, 1) for y in (0, 1)]
    assert shared_edges(np.array(four)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("case", "rule", "value"),
    [
        ("zones_gap_sliver", "polygons_gap", 50),
        ("zones_overlap_1pct", "polygons_overlap", 10_000),
        ("zones_duplicate", "polygons_overlap", 1_000_000),
        ("touching_vertex_mismatch", "borders_nearly_meet", 0.1),
    ],
)
def test_the_shared_bad_cases(case: str, rule: str, value: float) -> None:
    path = BAD / case / "x.gpkg"
    if not path.is_file():
        pytest.skip("the shared bad inputs are not here")
    (one,) = [f for f in checked(gpd.read_file(path)) if f.rule == rule]
    assert float(one.value.split(" m2")[0]) == pytest.approx(value, rel=1e-2)
    assert one.severity.value == "warning"


def test_the_polygons_of_a_collection_are_compared_without_its_points() -> None:
    findings = Findings("en")
    mixed = shapely.GeometryCollection([box(0, 0, 10, 10), shapely.Point(50, 50)])
    shapes = shapely.transform(
        np.array([mixed, box(5, 0, 15, 10)], dtype=object), lambda xy: xy + np.array([510000, 3450000])
    )
    check_features(shapes, ["a", "b"], parse("EPSG:4549", what="x"), file="x", findings=findings)
    (overlap,) = (one for one in findings if one.rule == "polygons_overlap")
    assert overlap.feature_id == "a; b"
    assert overlap.value.startswith("50.0 m2")


def test_only_polygons_near_others_or_with_holes_can_have_gaps() -> None:
    """Of many scattered buildings the few that stand together are looked at."""
    ring = Polygon(box(500, 0, 510, 10).exterior, [box(502, 2, 508, 8).exterior])
    shapes = np.array([box(0, 0, 10, 10), box(10.5, 0, 20, 10), box(100, 0, 110, 10), box(112, 0, 120, 10), ring])
    assert _not_alone(shapes, shapely.STRtree(shapes), 1.0).tolist() == [0, 1, 4]
    found = faults(shapes)
    assert sorted(zip(found.kind, found.area_m2.round(6), found.members, strict=True)) == [
        ("gap", 5.0, (0, 1)),
        ("gap", 36.0, (4,)),
    ]
