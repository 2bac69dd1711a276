"""The eager kernels on four cells of a hundredth of a degree, worked by hand.

A box between two meridians and two parallels has a closed-form area on the ellipsoid, and a slice of its longitudes
has just that share of it. So every expected area is a fraction of a cell, every expected length a fraction of an arc.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atanh, radians, sin, sqrt
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Geometry, LineString, MultiLineString, MultiPolygon, Point, Polygon, affinity, box

from qpgis.errors import CRSError, SourceError
from qpgis.measures import area_within, connectivity, count_within, length_within
from tests.conftest import square

A, F = 6378137.0, 1 / 298.257222101
E2 = F * (2 - F)
E = sqrt(E2)
WEST, SOUTH, STEP = 121.0, 31.0, 0.01
EXACT = 1e-6
EDGE_M2 = 0.1
"""A tenth of a millimetre beside an edge of a kilometre (reliability.md, additivity)."""
LENGTH = 1e-9
BORDER_M = 2e-3
"""A road on a border with other vertices lies there as well as numbers can tell: a millimetre may be lost at an end."""


def cell_m2(row: float, height: float = 1) -> float:
    """Area of a cell of the given row: a**2 / 2 * (width) * (q(north) - q(south)), with q the authalic function."""

    def q(latitude: float) -> float:
        s = sin(radians(latitude))
        return (1 - E2) * (s / (1 - E2 * s * s) + atanh(E * s) / E)

    south = SOUTH + row * STEP
    return A * A / 2 * radians(STEP) * (q(south + height * STEP) - q(south))


def meridian_m(south: float, north: float) -> float:
    """Length of a meridian's arc: the integral of a (1 - e2) / (1 - e2 sin2)**1.5, by the midpoint rule."""
    edges = np.linspace(np.radians(south), np.radians(north), 2001)
    middle = (edges[1:] + edges[:-1]) / 2
    return float(np.sum(A * (1 - E2) / (1 - E2 * np.sin(middle) ** 2) ** 1.5 * np.diff(edges)))


def parallel_m(latitude: float, degrees: float) -> float:
    """Length of an arc of a parallel; up to a kilometre it is the geodesic to 4e-10."""
    s = sin(radians(latitude))
    return A * sqrt(1 - s * s) / sqrt(1 - E2 * s * s) * radians(degrees)


def at(x: float, y: float) -> tuple[float, float]:
    """Cells east and north of the corner, in degrees."""
    return WEST + x * STEP, SOUTH + y * STEP


def cells(x: float, y: float, width: float = 1, height: float = 1) -> Polygon:
    return box(*at(x, y), *at(x + width, y + height))


def frame(*shapes: Geometry | None, crs: str | None = "EPSG:4490", index: object = None) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=list(shapes), crs=crs, index=index)


def line(*points: tuple[float, float]) -> LineString:
    return LineString([at(*p) for p in points])


@pytest.fixture
def zones() -> gpd.GeoDataFrame:
    """a b in the south, c d in the north."""
    return frame(cells(0, 0), cells(1, 0), cells(0, 1), cells(1, 1), index=list("abcd"))


def assert_areas(found: pd.Series, **shares: float) -> None:
    """Shares of a cell; the zones that aren't named have none but what spills over an edge."""
    for zone, value in found.items():
        expected = shares.get(str(zone), 0) * cell_m2(0 if zone in "ab" else 1)
        assert value == pytest.approx(expected, rel=EXACT, abs=EDGE_M2), zone


# Areas ---------------------------------------------------------------------------------------------------------------


def test_the_whole_zone(zones: gpd.GeoDataFrame) -> None:
    assert_areas(area_within(zones, zones), a=1, b=1, c=1, d=1)


def test_no_features_are_none_not_missing(zones: gpd.GeoDataFrame) -> None:
    assert_areas(area_within(zones))
    assert_areas(area_within(zones, zones.iloc[:0]))


def test_overlaps_count_once_within_a_frame(zones: gpd.GeoDataFrame) -> None:
    # 0 to 0.5 and 0.25 to 0.75 of a, and the first one twice
    assert_areas(area_within(zones, frame(cells(0, 0, 0.5), cells(0.25, 0, 0.5), cells(0, 0, 0.5))), a=0.75)


def test_overlaps_count_once_across_frames(zones: gpd.GeoDataFrame) -> None:
    # 0.5 to 1.5 lies in a and b; 1.25 to 1.75 only in b
    assert_areas(area_within(zones, frame(cells(0.5, 0)), frame(cells(1.25, 0, 0.5))), a=0.5, b=0.75)


def test_outside_is_left_out(zones: gpd.GeoDataFrame) -> None:
    left_out = frame(cells(0.25, 0, 0.5), cells(0.5, 0, 0.5), cells(1, 0))
    # of a remains 0 to 0.25, of b nothing, all of c
    assert_areas(area_within(zones, zones.iloc[:3], outside=left_out), a=0.25, c=1)


def test_outside_the_features_changes_nothing(zones: gpd.GeoDataFrame) -> None:
    assert_areas(area_within(zones, frame(cells(0, 0, 0.5)), outside=frame(cells(0.5, 0, 0.5))), a=0.5)


def test_a_hole_is_no_area(zones: gpd.GeoDataFrame) -> None:
    # the hole is the middle half of the height and spans half of a and half of b; an island is half of b's part
    ring = Polygon(cells(0, 0, 2).exterior.coords, [cells(0.5, 0.25, 1, 0.5).exterior.coords])
    found = area_within(zones, frame(ring))
    hole = cell_m2(0.25, 0.5) / 2
    assert found.tolist() == pytest.approx([cell_m2(0) - hole] * 2 + [0, 0], rel=EXACT, abs=EDGE_M2)
    island = area_within(zones, frame(ring, cells(1, 0.25, 0.25, 0.5)))
    assert island["b"] == pytest.approx(cell_m2(0) - hole / 2, rel=EXACT)


def test_a_hole_that_shares_edges_with_its_shell(zones: gpd.GeoDataFrame) -> None:
    # an invalid way to draw two halves: by even-odd a has its western, b its eastern half
    ring = Polygon(cells(0, 0, 2).exterior.coords, [cells(0.5, 0, 1).exterior.coords])
    assert_areas(area_within(zones, frame(ring)), a=0.5, b=0.5)
    # the same as a zone
    found = area_within(frame(ring, cells(0.5, 0, 1)), zones)
    assert found.tolist() == pytest.approx([cell_m2(0), cell_m2(0)], rel=EXACT)


def test_a_zone_with_a_hole_and_a_zone_in_it() -> None:
    inner = cells(0.25, 0.25, 0.5, 0.5)
    outer = Polygon(cells(0, 0).exterior.coords, [inner.exterior.coords])
    found = area_within(frame(outer, inner), frame(cells(0, 0, 0.5)))
    hole = cell_m2(0.25, 0.5) / 4
    assert found.tolist() == pytest.approx([cell_m2(0) / 2 - hole, hole], rel=EXACT)


def test_parts_of_a_multipolygon_count_each(zones: gpd.GeoDataFrame) -> None:
    parts = MultiPolygon([cells(0, 0, 0.25), cells(0.5, 0, 0.25), cells(1.5, 1, 0.5)])
    assert_areas(area_within(zones, frame(parts)), a=0.5, d=0.5)


def test_what_lies_outside_all_zones_counts_nowhere(zones: gpd.GeoDataFrame) -> None:
    assert_areas(area_within(zones, frame(cells(-1, 0, 1.5), cells(5, 5))), a=0.5)


def test_a_bowtie_is_its_two_triangles(zones: gpd.GeoDataFrame) -> None:
    # left and right quarter of the cell, meeting in its middle; the raw signed area of this ring is 0
    bowtie = Polygon([at(0, 0), at(1, 1), at(1, 0), at(0, 1)])
    found = area_within(zones, frame(bowtie))
    assert found["a"] == pytest.approx(cell_m2(0) / 2, rel=1e-6)
    assert found[["b", "c", "d"]].tolist() == [0, 0, 0]


def test_what_a_ring_winds_around_twice_is_out() -> None:
    # unit squares by even-odd: (1, -1) / (0, 0) (2, 0), not (1, 0) / (1, 1) (2, 1): five; the nonzero rule has six
    ring = [(0, 0), (3, 0), (3, 2), (1, 2), (1, -1), (2, -1), (2, 1), (0, 1)]
    rows = frame(*(cells(0, y, 3) for y in (-1, 0, 1)))
    found = area_within(rows, frame(Polygon([at(*p) for p in ring])))
    assert found.tolist() == pytest.approx([cell_m2(-1), 2 * cell_m2(0), 2 * cell_m2(1)], rel=EXACT)


def test_zones_may_be_triangles(zones: gpd.GeoDataFrame) -> None:
    # the two triangles of a cell; their areas differ by the convergence of the meridians, their sum doesn't
    south, north = Polygon([at(0, 0), at(1, 0), at(0, 1)]), Polygon([at(1, 1), at(1, 0), at(0, 1)])
    found = area_within(frame(south, north), zones)
    assert found.sum() == pytest.approx(cell_m2(0), rel=EXACT)
    assert found[0] == pytest.approx(cell_m2(0) / 2, rel=1e-4)
    assert found[0] > found[1]


def test_a_zone_without_geometry_is_missing(zones: gpd.GeoDataFrame) -> None:
    partly = frame(cells(0, 0), None, Polygon(), index=list("xyz"))
    for found in (
        area_within(partly, zones),
        length_within(partly, frame(line((0, 0.5), (1, 0.5)))),
        count_within(partly, frame(Point(at(0.5, 0.5)))),
    ):
        assert found["x"] > 0
        assert found[["y", "z"]].isna().all()


def test_features_without_geometry_count_nothing(zones: gpd.GeoDataFrame) -> None:
    assert_areas(area_within(zones, frame(None, Polygon(), cells(0, 0))), a=1)


# Lengths -------------------------------------------------------------------------------------------------------------


def test_a_line_within_and_across(zones: gpd.GeoDataFrame) -> None:
    # from the middle of a to the middle of b
    found = length_within(zones, frame(line((0.5, 0.5), (1.5, 0.5))))
    half = parallel_m(SOUTH + STEP / 2, STEP / 2)
    assert found.tolist() == pytest.approx([half, half, 0, 0], rel=LENGTH, abs=0)


def test_a_border_is_split_in_halves(zones: gpd.GeoDataFrame) -> None:
    found = length_within(zones, frame(line((1, 0), (1, 1))))
    half = meridian_m(SOUTH, SOUTH + STEP) / 2
    assert found.tolist() == pytest.approx([half, half, 0, 0], rel=LENGTH, abs=0)


def test_the_outer_border_counts_wholly(zones: gpd.GeoDataFrame) -> None:
    found = length_within(zones, frame(line((0, 0), (0, 2))))
    expected = [meridian_m(SOUTH, SOUTH + STEP), 0, meridian_m(SOUTH + STEP, SOUTH + 2 * STEP), 0]
    assert found.tolist() == pytest.approx(expected, rel=LENGTH, abs=0)


def test_a_line_with_other_vertices_than_the_border(zones: gpd.GeoDataFrame) -> None:
    # all along the middle meridian and beyond both ends, its vertices anywhere but on the zones' corners
    found = length_within(zones, frame(line((1, -0.4), (1, 0.3), (1, 2.7))))
    south, north = (meridian_m(SOUTH + row * STEP, SOUTH + (row + 1) * STEP) / 2 for row in (0, 1))
    assert found.tolist() == pytest.approx([south, south, north, north], rel=LENGTH, abs=BORDER_M)


def test_a_border_against_two_zones() -> None:
    # a tall zone in the west, two in the east: the border is shared by two everywhere
    three = frame(cells(0, 0, 1, 2), cells(1, 0), cells(1, 1))
    found = length_within(three, frame(line((1, 0), (1, 2))))
    south, north = (meridian_m(SOUTH + row * STEP, SOUTH + (row + 1) * STEP) / 2 for row in (0, 1))
    assert found.tolist() == pytest.approx([south + north, south, north], rel=LENGTH, abs=BORDER_M)


def test_a_line_beside_a_border_is_not_on_it(zones: gpd.GeoDataFrame) -> None:
    # 1e-5 degrees are a metre
    found = length_within(zones, frame(line((1.001, 0.1), (1.001, 0.9))))
    expected = meridian_m(SOUTH + 0.1 * STEP, SOUTH + 0.9 * STEP)
    assert found.tolist() == pytest.approx([0, expected, 0, 0], rel=LENGTH, abs=0)


def test_every_line_counts_and_so_does_every_part(zones: gpd.GeoDataFrame) -> None:
    parts = MultiLineString([line((0, 0.5), (0.5, 0.5)), line((0.5, 0.5), (1, 0.5))])
    found = length_within(zones, frame(parts, line((0, 0.5), (1, 0.5))))
    assert found["a"] == pytest.approx(2 * parallel_m(SOUTH + STEP / 2, STEP), rel=LENGTH)


def test_lines_outside_count_nowhere(zones: gpd.GeoDataFrame) -> None:
    found = length_within(zones, frame(line((-1, 0.5), (0, 0.5)), line((2, 0.5), (2.5, 0.5)), None, LineString()))
    assert found.tolist() == [0, 0, 0, 0]


# Counts --------------------------------------------------------------------------------------------------------------


def test_points_count_once(zones: gpd.GeoDataFrame) -> None:
    # inside a; on the edge of a and b; on the corner of all; on the edge of b and d; on the outer corner of d; outside
    points = [(0.5, 0.5), (1, 0.5), (1, 1), (1.5, 1), (2, 2), (2.001, 2)]
    found = count_within(zones, frame(*(Point(at(*p)) for p in points)))
    assert found.tolist() == [3, 1, 0, 1]


def test_the_zone_that_comes_first_gets_the_border(zones: gpd.GeoDataFrame) -> None:
    points = frame(Point(at(1, 0.5)), Point(at(1, 1)))
    assert count_within(zones.iloc[::-1], points).to_dict() == {"d": 1, "c": 0, "b": 1, "a": 0}


def test_two_points_in_one_place_are_two(zones: gpd.GeoDataFrame) -> None:
    assert count_within(zones, frame(Point(at(0.5, 0.5)), Point(at(0.5, 0.5)), None))["a"] == 2


# Frames --------------------------------------------------------------------------------------------------------------

Measure = Callable[..., pd.Series]
CASES = [
    pytest.param(area_within, frame(cells(0, 0)), cell_m2(0), id="area"),
    pytest.param(length_within, frame(line((0, 0.5), (1, 0.5))), parallel_m(SOUTH + STEP / 2, STEP), id="length"),
    pytest.param(count_within, frame(Point(at(0.5, 0.5))), 1, id="count"),
]
INDEXES = [
    pytest.param(pd.Index(["金泽", "练塘", "朱家角", "夏阳"], name="town"), id="text"),
    pytest.param(pd.Index([7, 3, 3, 1]), id="repeated numbers"),
    pytest.param(pd.MultiIndex.from_tuples([("w", 1), ("e", 1), ("w", 2), ("e", 2)], names=["x", "y"]), id="multi"),
    pytest.param(pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01", "2023-01-01"]), id="dates"),
]


@pytest.mark.parametrize(("measure", "features", "expected"), CASES)
@pytest.mark.parametrize("index", INDEXES)
def test_the_result_has_the_index_of_the_zones(
    zones: gpd.GeoDataFrame, measure: Measure, features: gpd.GeoDataFrame, expected: float, index: pd.Index
) -> None:
    found = measure(zones.set_axis(index), features)
    pd.testing.assert_index_equal(found.index, index)
    assert found.dtype == float
    assert found.tolist() == pytest.approx([expected, 0, 0, 0], rel=EXACT)


@pytest.mark.parametrize(("measure", "features", "expected"), CASES)
def test_paths_and_series_do_as_well_as_frames(
    zones: gpd.GeoDataFrame, measure: Measure, features: gpd.GeoDataFrame, expected: float, tmp_path: Path
) -> None:
    zones.to_file(tmp_path / "分区 1.gpkg", driver="GPKG")
    features.to_file(tmp_path / "features.geojson", driver="GeoJSON")
    answers = [
        measure(tmp_path / "分区 1.gpkg", tmp_path / "features.geojson"),
        measure(str(tmp_path / "分区 1.gpkg"), str(tmp_path / "features.geojson")),
        measure(zones.geometry, features.geometry),
    ]
    for found in answers:
        assert found.tolist() == pytest.approx([expected, 0, 0, 0], rel=EXACT)


@pytest.mark.parametrize(("measure", "features", "expected"), CASES)
def test_the_frames_are_left_as_they_were(
    zones: gpd.GeoDataFrame, measure: Measure, features: gpd.GeoDataFrame, expected: float
) -> None:
    bowtie = frame(Polygon([at(0, 0), at(1, 1), at(1, 0), at(0, 1)]))
    before = [f.copy(deep=True) for f in (bowtie, features)]
    measure(bowtie, features)
    for frame_before, frame_after in zip(before, (bowtie, features), strict=True):
        pd.testing.assert_series_equal(frame_before.geometry.to_wkb(), frame_after.geometry.to_wkb())


@pytest.mark.parametrize(("measure", "features", "expected"), CASES)
@pytest.mark.parametrize("epsg", [4326, 4490, 4549, 32651])
def test_features_of_any_system(
    zones: gpd.GeoDataFrame, measure: Measure, features: gpd.GeoDataFrame, expected: float, epsg: int
) -> None:
    # 2 m edges, straight in every system; the line and the point lie well inside, the area ends where the zone ends
    fine = features.geometry.segmentize(2e-5).to_crs(epsg)
    assert measure(zones, fine).tolist() == pytest.approx([expected, 0, 0, 0], rel=1e-6, abs=0.01)


@pytest.mark.parametrize(("measure", "features", "expected"), CASES)
def test_no_crs_is_an_error_that_names_the_frame(
    zones: gpd.GeoDataFrame, measure: Measure, features: gpd.GeoDataFrame, expected: float
) -> None:
    with pytest.raises(CRSError, match="zones: no coordinate reference system"):
        measure(zones.set_crs(None, allow_override=True), features)
    with pytest.raises(CRSError, match="features: no coordinate reference system"):
        measure(zones, features.set_crs(None, allow_override=True))


def test_outside_without_crs_is_an_error(zones: gpd.GeoDataFrame) -> None:
    with pytest.raises(CRSError, match="no coordinate reference system"):
        area_within(zones, zones, outside=frame(cells(0, 0), crs=None))


def test_metres_declared_as_degrees_are_an_error(zones: gpd.GeoDataFrame) -> None:
    metres = gpd.GeoSeries([affinity.translate(box(0, 0, 1000, 1000), 600_000, 3_450_000)], crs=4326)
    with pytest.raises(CRSError, match="no degrees"):
        area_within(zones, metres)


def test_a_path_that_is_not_there_is_an_error(zones: gpd.GeoDataFrame, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.gpkg"):
        area_within(zones, tmp_path / "nowhere.gpkg")


def test_connectivity_of_two_equal_patches() -> None:
    """Areas a, 100 m apart: IIC is a2 + a2 + 2 a2 / 2 = 3 a2, PC with p = 0.5 there the same; one alone has a2."""
    patches = frame(square(0, 0, 200, 200), square(300, 0, 200, 200), None, crs="EPSG:4549", index=["x", "y", "z"])
    found = connectivity(patches, 100.5, probability=0.5)
    assert found.index.tolist() == ["x", "y", "z"]
    assert found.attrs["iic"] == pytest.approx(3 * 40_000**2, rel=1e-3)
    assert found.attrs["pc"] == pytest.approx(3 * 40_000**2, rel=5e-3)
    assert found.attrs["eca_iic_m2"] == pytest.approx(3**0.5 * 40_000, rel=1e-3)
    assert found.loc["x", "diic"] == pytest.approx(100 * 2 / 3, rel=1e-3)
    assert found.loc["x", ["diic_intra", "diic_flux", "diic_connector"]].sum() == pytest.approx(found.loc["x", "diic"])
    assert found.loc["z"].drop("component").isna().all()
