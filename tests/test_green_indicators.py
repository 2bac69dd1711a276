"""Greenways, parks, water quality and blue lines in towns of a square kilometre, worked by hand."""

from __future__ import annotations

import math
from random import Random

import geopandas as gpd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import LineString

import qpgis as qp
from tests.conftest import EAST, NORTH, Maker, frame, layer, square
from tests.test_access import at, values

# Towns a (west) and b (east) are the southern squares of 1000 m; c and d lie north of them.
PEOPLE = layer("residents", 'amount_field = "people"')


def way(*spots: tuple[float, float]) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y in spots])


# --------------------------------------------------------------------------------------------------------- greenways


def test_greenways_are_long_where_they_run(workspace: Maker) -> None:
    """600 m in a and 400 m in b, drawn twice; 300 m along the border of a and c, half to each."""
    lines = [way((400, 500), (1400, 500)), way((800, 500), (1200, 500)), way((0, 1000), (300, 1000))]
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(lines)))
    found = values(ws, "greenway_length", "of_the_state")
    assert [found[zone] for zone in "abcd"] == pytest.approx([0.75, 0.4, 0.15, 0], rel=1e-3)
    assert found["all"] == pytest.approx(1.3, rel=1e-3)


NETWORK = [
    way((0, 100), (900, 100)),  # 900 m in a
    way((940, 100), (1300, 100)),  # 40 m on: 60 m in a and 300 m in b
    way((1300, 160), (1500, 160)),  # 60 m beside it: 200 m in b
    way((100, 900), (200, 900)),  # 100 m in a
]


def test_the_longest_network_and_gaps_that_are_bridged(workspace: Maker) -> None:
    """Gaps of 40 m are bridged, of 60 m not: the longest network is 900 + 60 m in a, 300 m in b; all is 1060 + 500."""
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(NETWORK)))
    found = values(ws, "greenway_continuity", "longest_network")
    assert found["a"] == pytest.approx(100 * 960 / 1060, rel=1e-4)
    assert found["b"] == pytest.approx(100 * 300 / 500, rel=1e-4)
    assert found["all"] == pytest.approx(100 * 1260 / 1560, rel=1e-4)
    assert math.isnan(found["c"])  # no greenway runs there
    wider = values(ws, "greenway_continuity", "longest_network[gap_within_m=61]")
    assert (wider["a"], wider["b"]) == pytest.approx((100 * 960 / 1060, 100), rel=1e-4)
    none = values(ws, "greenway_continuity", "longest_network[gap_within_m=0]")
    assert (none["a"], none["b"]) == pytest.approx((100 * 900 / 1060, 0), rel=1e-4, abs=1e-6)


def test_networks_that_are_long_enough(workspace: Maker) -> None:
    """Networks of 1260, 200 and 100 m."""
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(NETWORK)))
    for least_km, counted in ((1.3, 0), (0.19, 1460), (0.05, 1560)):
        found = values(ws, "greenway_continuity", f"networks_10km[least_km={least_km}]")
        assert found["all"] == pytest.approx(100 * counted / 1560, rel=1e-4, abs=1e-6)
    assert values(ws, "greenway_continuity", "networks_10km")["all"] == 0
    result = qp.assess(ws, definitions={"greenway_continuity": ["networks_10km[least_km=0.19]"]})
    (missed,) = result.missed["greenway_continuity", "networks_10km[least_km=0.19]"]
    assert missed.frame["feature_id"].tolist() == ["4"]


def test_parts_of_one_feature_may_be_of_different_networks(workspace: Maker) -> None:
    both = frame([NETWORK[0].union(NETWORK[2])])
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=both))
    assert values(ws, "greenway_continuity", "longest_network")["all"] == pytest.approx(100 * 900 / 1100, rel=1e-4)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_greenways_changes_nothing(workspace: Maker, random: Random) -> None:
    shuffled = [*NETWORK, way((1000, 1500), (1100, 1500))]
    random.shuffle(shuffled)
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(shuffled)))
    found = values(ws, "greenway_continuity", "longest_network")
    assert (found["all"], found["d"]) == pytest.approx((100 * 1260 / 1660, 0), rel=1e-4)


def test_homes_and_people_near_a_greenway(workspace: Maker) -> None:
    """A greenway along the western border of a; homes 100 m wide from there to 2000 m: 1000 m of them are near."""
    tables = layer("greenways") + layer("residential") + PEOPLE
    made = {
        "greenways": frame([way((0, 0), (0, 1000))]),
        "residential": frame([square(0, 400, 1600, 100)]),
        "residents": frame([at(999, 500), at(1001, 500), at(990, 1000 - 1e-3)], people=[30, 70, 20]),
    }
    ws = qp.open_workspace(workspace(tables, **made))
    land = values(ws, "greenway_coverage", "residential_land")
    assert (land["a"], land["b"], land["south"]) == pytest.approx((100, 0, 100 * 1000 / 1600), abs=0.05)
    nearer = values(ws, "greenway_coverage", "residential_land[limit_m=250]")
    assert nearer["a"] == pytest.approx(25, abs=0.05)
    people = values(ws, "greenway_coverage", "people")
    assert (people["a"], people["b"], people["south"]) == pytest.approx((100, 0, 100 * 50 / 120))


# ------------------------------------------------------------------------------------------------------------- parks


def test_people_to_a_park(workspace: Maker) -> None:
    """a: a park of 6000 m2 in two touching halves; b: one of 3000 m2, one of 1900 m2, which is too small."""
    parks = [
        square(0, 0, 50, 60),
        square(50, 0, 50, 60),
        square(1500, 500, 100, 30),
        square(1500, 900, 100, 19),
    ]
    # 600 m and 400 m east of the first park, 310 and 290 m north of the second
    people = frame([at(700, 0), at(500, 0), at(1500, 840), at(1500, 820)], people=[100, 200, 400, 800])
    ws = qp.open_workspace(workspace(layer("park") + PEOPLE, park=frame(parks), residents=people))
    found = values(ws, "people_per_park", "residents")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((300, 1200, 1500 / 2))
    assert math.isnan(found["c"])  # no park there
    reached = values(ws, "people_per_park", "residents_reached")
    assert (reached["a"], reached["b"], reached["south"]) == pytest.approx((200, 800, 1000 / 2))
    rows = qp.assess(ws)["people_per_park"].set_index("zone_id")
    assert rows.loc["south", ["unit", "numerator", "denominator"]].tolist() == ["people/count", 1500, 2]


def test_a_park_on_a_border_is_one_park(workspace: Maker) -> None:
    parks = frame([square(900, 0, 100, 100), square(1000, 0, 300, 100)])
    ws = qp.open_workspace(workspace(layer("park") + PEOPLE, park=parks, residents=frame([at(1, 1)], people=[7])))
    rows = qp.assess(ws)["people_per_park"].set_index("zone_id")
    assert rows.loc["south", "value"] == 7
    assert rows.loc["b", "denominator"] == 1
    assert rows.loc["a", "status"] == "not_computable"


# ---------------------------------------------------------------------------------------------------- water quality


def sections(classes: list[str], **columns: list) -> gpd.GeoDataFrame:
    spots = [at(100 + 200 * n, 500) for n in range(len(classes))]  # five in a, five in b
    return frame(spots, **{"class": classes, **columns})


QUALITY = layer("sections", 'class_field = "class"')


def test_sections_of_class_iii_or_better(workspace: Maker) -> None:
    """In a two of four that have a class, in b one of one; words as files write them."""
    classes = ["Ⅱ", "III类", "Ⅳ类", "劣V类", "", "3"]
    ws = qp.open_workspace(workspace(QUALITY, sections=sections(classes)))
    found = values(ws, "water_quality_good_share", "sections")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((50, 100, 60))
    assert math.isnan(found["c"])  # no section there
    worse = values(ws, "water_quality_good_share", "sections[worst_class=iv]")
    assert worse["a"] == pytest.approx(75)
    rows = qp.assess(ws)["water_quality_good_share"].set_index("zone_id")
    assert "水质监测断面" in rows.loc["a", "note"]  # one has no class, which is said


def test_sections_without_any_class_say_nothing(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(QUALITY, sections=sections(["", ""])))
    rows = qp.assess(ws)["water_quality_good_share"]
    assert set(rows["status"]) == {"not_computable"}
    assert "类别" in rows["note"].iloc[0]


def test_classes_of_one_section_are_not_averaged(workspace: Maker) -> None:
    """急水港 has three rows: 2 of 3 samples are good, but what its class of the year is they don't say."""
    rows = sections(["Ⅱ", "Ⅲ", "Ⅴ", "Ⅱ"], name=["急水港", "急水港", "急水港", "千灯浦"])
    ws = qp.open_workspace(workspace(QUALITY + 'name_field = "name"\n', sections=rows))
    found = qp.assess(ws, definitions={"water_quality_good_share": ["all"]})["water_quality_good_share"]
    refused = found[found["definition"] == "sections"]
    assert set(refused["status"]) == {"not_computable"}
    assert "急水港" in refused["note"].iloc[0]
    assert values(ws, "water_quality_good_share", "samples")["a"] == pytest.approx(75)


@pytest.mark.parametrize(
    ("period", "good", "samples"), [("2024", 40, 5), ("2024Q1", 50, 2), ("2024-05", 100, 1), ("2025", 100, 1)]
)
def test_only_rows_of_the_period_count(workspace: Maker, period: str, good: float, samples: int) -> None:
    """Of the year five, of its first quarter January and March, of May one; the year's own row is none of May's."""
    when = ["2024-01-15", "2024年3月", "2024-05", "2024Q3", "2024", "2025-01-01", "2023-12-31"]
    rows = sections(["Ⅱ", "Ⅳ", "Ⅲ", "Ⅴ", "Ⅴ", "Ⅰ", "Ⅰ"], when=when)
    head = f'name = "四镇"\nperiod = "{period}"\n[zones]\nfile = "towns.gpkg"\ngrade = "surveyed"\n'
    head += '[[groups]]\nid = "all"\nname = "全区"\nmembers = "all"\n'
    folder = workspace(QUALITY + 'observed_field = "when"\n', head=head, sections=rows)
    ws = qp.open_workspace(folder)
    found = qp.assess(ws, definitions={"water_quality_good_share": ["samples"]})
    row = found["water_quality_good_share"].set_index("zone_id").loc["all"]
    assert (row["value"], row["denominator"]) == (pytest.approx(good), samples)
    assert ws.ledgers["sections"].other_state == 7 - samples
    assert [one.rule for one in found.findings if one.layer == "sections"] == ["other_period"]


def test_a_date_that_is_none_is_named(workspace: Maker) -> None:
    rows = sections(["Ⅱ", "Ⅳ"], when=["2024-01-15", "去年"])
    found = qp.assess(qp.open_workspace(workspace(QUALITY + 'observed_field = "when"\n', sections=rows)))
    assert found["water_quality_good_share"].set_index("zone_id").loc["a", "value"] == 100
    assert [one.value for one in found.findings if one.rule == "bad_date"] == ["去年"]


# -------------------------------------------------------------------------------------------------------- blue lines


def test_built_land_inside_blue_lines(workspace: Maker) -> None:
    """a: a blue line 100 m wide along 1000 m, 200 m of it half built over; overlapping plots count once."""
    made = {
        "blue_lines": frame([square(0, 0, 1000, 100), square(0, 0, 500, 100)]),
        "construction": frame([square(0, 50, 200, 500), square(0, 50, 100, 500), square(1200, 0, 100, 100)]),
    }
    ws = qp.open_workspace(workspace(layer("blue_lines") + layer("construction"), **made))
    found = values(ws, "blue_line_construction", "drawn")
    assert found["a"] == pytest.approx(100 * 200 * 50 / (1000 * 100), rel=1e-4)
    assert math.isnan(found["b"])


def test_a_band_of_water_where_no_blue_line_is_drawn(workspace: Maker) -> None:
    """A river 60 m wide through a and b: with 20 m at both banks 100 m; built land reaches 10 m into it over 300 m."""
    made = {
        "water": frame([square(0, 400, 2000, 60), square(100, 900, 50, 50)], **{"class": ["river", "pond"]}),
        "construction": frame([square(200, 470, 300, 100)]),
    }
    tables = layer("water", 'class_field = "class"') + layer("construction")
    ws = qp.open_workspace(workspace(tables, **made))
    found = values(ws, "blue_line_construction", "band_20m")
    assert found["a"] == pytest.approx(100 * 300 * 10 / (1000 * 100), rel=1e-3)
    assert found["south"] == pytest.approx(100 * 300 * 10 / (2000 * 100), rel=1e-3)
    assert values(ws, "blue_line_construction", "band_20m[band_m=9]")["a"] == 0
    # the pond and 20 m around it: 50 * 50 + 4 * 50 * 20 + pi * 20 * 20
    pond = 50 * 50 + 4 * 50 * 20 + math.pi * 400
    every = values(ws, "blue_line_construction", "band_20m_all_water")
    assert every["a"] == pytest.approx(100 * 3000 / (100_000 + pond), rel=1e-3)
    assert math.isnan(values(ws, "blue_line_construction", "drawn")["a"])
