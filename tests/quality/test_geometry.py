"""Faults of single shapes, each drawn so that it can be checked by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import Geometry, MultiPolygon, Point, Polygon, box

from qpgis.catalogue import Lang
from qpgis.crs import parse
from qpgis.findings import Finding, Findings
from qpgis.quality.coverage import check_features
from qpgis.shapes import invalid_because
from tests.conftest import EAST, NORTH, SHARED_DATA, square

BAD = SHARED_DATA / "bad_inputs" / "polygon_invalid"


def at(*xy: tuple[float, float]) -> list[tuple[float, float]]:
    """Coordinates in EPSG:4549 from metres."""
    return [(EAST + x, NORTH + y) for x, y in xy]


def checked(*shapes: Geometry | None, crs: str = "EPSG:4549") -> dict[str, list[Finding]]:
    """The findings about shapes by rule; the ids are p0, p1 ..."""
    findings = Findings("en")
    ids = [f"p{n}" for n in range(len(shapes))]
    geometry = np.array(shapes, dtype=object)
    check_features(geometry, ids, parse(crs, what="x"), file="x", findings=findings)
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule


def test_a_sound_shape_has_no_finding() -> None:
    assert not checked(square(0, 0).difference(square(300, 300, 100, 100)))
    assert not checked(Point(EAST, NORTH))
    assert not checked()


def test_a_spike_is_named_with_its_length_and_its_place() -> None:
    corners = at((0, 0), (1000, 0), (1000, 500), (5000, 500), (1000, 500), (1000, 1000), (0, 1000))
    rules = checked(Polygon(corners))
    (spike,) = rules["spike"]
    assert (spike.severity.value, spike.feature_id) == ("warning", "p0")
    assert float(spike.value.removesuffix(" m")) == pytest.approx(4000, rel=1e-3)
    lon, lat = (float(v) for v in spike.location.split())
    tip = gpd.GeoSeries([Point(corners[3])], crs=4549).to_crs(4326).iloc[0]
    assert (lon, lat) == pytest.approx((tip.x, tip.y), abs=2e-6)
    (broken,) = rules["invalid_geometry"]
    before, _, after = broken.value.partition("; ")[2].removesuffix(" m2").partition(" -> ")
    assert (float(before), float(after)) == pytest.approx((1_000_000, 1_000_000), rel=1e-3)


def test_a_needle_has_a_width() -> None:
    rules = checked(Polygon(at((0, 0), (1000, 0), (1000, 500), (2000, 505), (1000, 510), (1000, 1000), (0, 1000))))
    (needle,) = rules["needle_angle"]
    assert set(rules) == {"needle_angle"}
    assert needle.severity.value == "info"
    assert float(needle.value.removesuffix("°")) == pytest.approx(np.degrees(2 * np.arctan(5 / 1000)), abs=0.01)


def test_repeated_points_are_counted() -> None:
    rules = checked(Polygon(at((0, 0), (1000, 0), (1000, 0), (1000, 0), (1000, 1000), (0, 1000))), square(2000, 0))
    (repeated,) = rules["repeated_points"]
    assert set(rules) == {"repeated_points"}
    assert repeated.value == "2"
    assert repeated.message == "2 points stand twice in a row, in 1 features"


def test_a_bow_tie_says_its_area_before_and_after() -> None:
    # two triangles of 250,000 m2 that run in opposite directions: 0 as read, 500,000 by the even-odd rule
    rules = checked(Polygon(at((0, 0), (1000, 1000), (1000, 0), (0, 1000))))
    (broken,) = rules["invalid_geometry"]
    before, _, after = broken.value.partition("; ")[2].removesuffix(" m2").partition(" -> ")
    assert float(before) == pytest.approx(0, abs=200)
    assert float(after) == pytest.approx(500_000, rel=1e-3)


def test_a_hole_outside_its_shell_is_named() -> None:
    shape = Polygon(at((0, 0), (100, 0), (100, 100), (0, 100)), [at((200, 0), (210, 0), (210, 10), (200, 10))])
    (outside,) = checked(shape)["hole_outside_shell"]
    assert (outside.value, outside.feature_id) == ("1", "p0")


def test_a_ring_that_runs_twice_is_named() -> None:
    once = at((0, 0), (100, 0), (100, 100), (0, 100))
    (twice,) = checked(Polygon([*once, *once]))["ring_runs_twice"]
    assert twice.value == "1"


def test_overlapping_parts_say_what_they_share() -> None:
    shape = MultiPolygon([square(0, 0, 100), square(90, 0, 100)])
    (shared,) = checked(shape)["parts_overlap"]
    assert float(shared.value.removesuffix(" m2")) == pytest.approx(1000, rel=1e-3)


def test_slivers_and_tiny_rings() -> None:
    rules = checked(square(0, 0, 1000, 0.1), square(0, 500).difference(square(500, 700, 0.5, 0.5)))
    (sliver,) = rules["sliver_polygon"]
    assert (sliver.feature_id, sliver.severity.value) == ("p0", "warning")
    assert float(sliver.value.split(" m2, ")[0]) == pytest.approx(100, rel=1e-3)
    (tiny,) = rules["tiny_ring"]
    assert tiny.feature_id == "p1"
    assert float(tiny.value.removesuffix(" m2")) == pytest.approx(0.25, rel=1e-3)


def test_doubles_name_both() -> None:
    rules = checked(square(0, 0), square(5000, 0), shapely.reverse(square(0, 0)))
    (double,) = rules["duplicate_geometry"]
    assert double.feature_id == "p0; p2"


def test_what_is_missing_is_named_and_the_rest_is_checked() -> None:
    with np.errstate(invalid="ignore"):
        nowhere = Polygon([(EAST, NORTH), (EAST + 1, NORTH), (np.nan, NORTH + 1)])
    rules = checked(None, Polygon(), nowhere, square(0, 0, 1000, 0.1))
    assert [f.feature_id for f in rules["no_geometry"]] == ["p0", "p1"]
    assert [(f.feature_id, f.severity.value) for f in rules["coordinates_not_finite"]] == [("p2", "error")]
    assert [f.feature_id for f in rules["sliver_polygon"]] == ["p3"]


def test_a_file_of_nothing_but_missing_shapes() -> None:
    assert len(checked(None, None)["no_geometry"]) == 2


def test_heights_are_ignored_and_said() -> None:
    rules = checked(shapely.force_3d(square(0, 0), 5.0), square(5000, 0))
    assert [(f.value, f.severity.value) for f in rules["heights_ignored"]] == [("1", "info")]


def test_the_worst_twenty_are_named_and_the_others_counted() -> None:
    rules = checked(*(square(0, 10 * n, 1000, 0.1 + 0.01 * n) for n in range(25)))
    assert [f.feature_id for f in rules["sliver_polygon"]].count("p0") == 1
    assert {f.feature_id for f in rules["sliver_polygon"]} == {f"p{n}" for n in range(20)}
    assert [f.value for f in rules["more_of_a_rule"]] == ["5"]


def test_features_all_over_the_globe_are_looked_at_without_measuring() -> None:
    rules = checked(box(-170, 10, -160, 20), Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), crs="EPSG:4326")
    assert set(rules) == {"invalid_geometry", "too_wide"}


@pytest.mark.parametrize(
    ("case", "file", "rules"),
    [
        ("spike", "x.gpkg", {"spike", "invalid_geometry"}),
        ("self_intersection_large", "problematic_self_intersection_large.geojson", {"invalid_geometry"}),
        ("mapshaper_ex14_ogc", "ex14_ogc.json", {"invalid_geometry", "spike"}),
        ("nan_vertex", "x.gpkg", {"coordinates_not_finite"}),
        ("mixed_z", "x.gpkg", {"heights_ignored"}),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_the_shared_bad_cases(case: str, file: str, rules: set[str]) -> None:
    path = BAD / case / file
    if not path.is_file():
        pytest.skip("the shared bad inputs are not here")
    read = gpd.read_file(path)
    assert set(checked(*read.geometry, crs=read.crs)) == rules


@pytest.mark.parametrize(("lang", "words"), [("zh", "边自相交"), ("en", "self-intersection")])
def test_why_a_polygon_is_broken_is_said_in_the_planners_language(lang: Lang, words: str) -> None:
    bowtie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert invalid_because(np.array([bowtie], dtype=object), lang) == [f"{words} (1 1)"]


def test_a_shape_that_stands_often_is_one_finding_with_all_who_have_it() -> None:
    stop, other = Point(EAST, NORTH), Point(EAST + 5, NORTH)
    (double,) = checked(stop, other, stop, square(0, 0), stop)["duplicate_geometry"]
    assert (double.feature_id, double.value, double.severity.value) == ("p0; p2; p4", "3", "info")
    assert double.location.startswith("121.0")
